//! What the doctor found, how it is shown, and what it makes of the exit status.

use serde_json::{Value, json};

use super::super::output;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As it should be, or worth knowing.
    Fine,
    /// It works, but not as it should, or not for long.
    Warning,
    /// It does not work.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    level: Level,
    /// Which check: `settings`, `databases`, `keys`, …
    check: &'static str,
    text: String,
    /// What to do about it; empty when all is well.
    fix: String,
}

/// All findings, in the order in which they were made.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn fine(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(Level::Fine, check, text.into(), "");
    }

    pub(super) fn warning(&mut self, check: &'static str, text: impl Into<String>, fix: &str) {
        self.add(Level::Warning, check, text.into(), fix);
    }

    pub(super) fn error(&mut self, check: &'static str, text: impl Into<String>, fix: &str) {
        self.add(Level::Error, check, text.into(), fix);
    }

    fn add(&mut self, level: Level, check: &'static str, text: String, fix: &str) {
        self.0.push(Finding {
            level,
            check,
            text,
            fix: fix.to_owned(),
        });
    }

    /// How many are of this level.
    pub(super) fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|each| each.level == level).count()
    }

    /// 0 when nothing is wrong, 1 when something does not work, 3 when there are warnings alone: 2 is a wrong call.
    pub(super) fn exit_code(&self) -> u8 {
        match self.0.iter().map(|each| each.level).max() {
            Some(Level::Error) => 1,
            Some(Level::Warning) => 3,
            Some(Level::Fine) | None => 0,
        }
    }

    /// All of them as a document.
    pub(super) fn json(&self) -> String {
        let findings = self.0.iter().map(|each| {
            json!({
                "level": each.level.as_str(), "check": each.check, "text": each.text,
                "fix": (!each.fix.is_empty()).then_some(&each.fix),
            })
        });
        let findings: Vec<Value> = findings.collect();
        output::json(&json!({
            "errors": self.count(Level::Error), "warnings": self.count(Level::Warning), "findings": findings,
        }))
    }

    /// All of them as people read them.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for each in &self.0 {
            let (level, check) = (each.level.as_str(), each.check);
            lines.push(format!("{level:<8} {check:<10} {}", each.text));
            if !each.fix.is_empty() {
                lines.push(format!("{:<19} fix: {}", "", each.fix));
            }
        }
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        lines.push(format!("{errors} errors, {warnings} warnings"));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Findings;

    #[test]
    fn the_worst_finding_makes_the_exit_status() {
        let mut findings = Findings::default();
        assert_eq!(findings.exit_code(), 0);
        findings.fine("clock", "right");
        assert_eq!(findings.exit_code(), 0);
        findings.warning("keys", "old", "rotate");
        assert_eq!(findings.exit_code(), 3);
        findings.error("databases", "down", "start it");
        findings.warning("machine", "small", "grow");
        assert_eq!(findings.exit_code(), 1);
        let lines = findings.lines();
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines[4].starts_with(' ') && lines[4].ends_with("fix: start it"));
        assert_eq!(lines[7], "1 errors, 2 warnings");
        let document: Value = serde_json::from_str(&findings.json()).unwrap();
        assert_eq!(document["findings"][0]["fix"], Value::Null);
        assert_eq!(document["findings"][2]["level"], "error");
    }
}
