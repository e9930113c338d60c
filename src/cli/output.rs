//! What commands show and ask: results on standard output, everything else on standard error.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use serde_json::Value;

use super::CliError;

/// Writes text and a line break to standard output.
///
/// # Errors
/// [`CliError::Io`] when standard output is closed.
pub fn show(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::Io("standard output".into(), error))
}

/// Writes lines to standard output. They may hold what others wrote, so control characters are escaped.
///
/// # Errors
/// [`CliError::Io`] when standard output is closed.
pub fn show_lines(lines: &[String]) -> Result<(), CliError> {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| escape_controls(line, &[]))
        .collect();
    show(&lines.join("\n"))
}

/// Writes bytes to standard output as they are: a list for another program.
///
/// # Errors
/// [`CliError::Io`] when standard output is closed.
pub fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| CliError::Io("standard output".into(), error))
}

/// Writes a line to standard error. It may quote the server, so control characters are escaped.
pub fn note(text: &str) {
    // Nothing is left to tell when standard error itself is closed.
    let _ = writeln!(io::stderr().lock(), "{}", escape_controls(text, &['\n']));
}

/// Whether somebody watches standard error, so that a bar is drawn there.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Lays out rows under a header. Cells may hold what others wrote, so control characters are escaped.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| escape_controls(cell, &[])));
    }
    table.to_string()
}

/// A document as indented JSON that is safe on a terminal and still the same document.
#[must_use]
pub fn json(document: &Value) -> String {
    // Outside of strings JSON has no control character but the line break, and there `\u....` means the same.
    escape_controls(&format!("{document:#}"), &['\n'])
}

/// Replaces characters that a terminal obeys instead of showing (C0, DEL, C1 and the bidirectional overrides).
fn escape_controls(text: &str, keep: &[char]) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut safe, each| {
            let bidirectional = matches!(each, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if (each.is_control() || bidirectional) && !keep.contains(&each) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{:04x}", u32::from(each));
            } else {
                safe.push(each);
            }
            safe
        })
}

/// Reads a secret from standard input, without the line break at its end. `flag` asked for it.
///
/// # Errors
/// [`CliError::Usage`] when standard input is a terminal, where it would be seen, or is empty.
pub fn read_secret(flag: &str) -> Result<SecretString, CliError> {
    let input = io::stdin();
    if input.is_terminal() {
        let text = format!("{flag}: typed here the secret would be seen; pipe it in");
        return Err(CliError::Usage(text));
    }
    let mut secret = String::new();
    let read = input.lock().read_to_string(&mut secret);
    read.map_err(|error| CliError::Io("standard input".into(), error))?;
    trimmed_secret(flag, &secret)
}

/// A secret without the white space around it.
pub(super) fn trimmed_secret(source: &str, text: &str) -> Result<SecretString, CliError> {
    match text.trim() {
        "" => Err(CliError::Usage(format!("{source}: holds no secret"))),
        secret => Ok(secret.into()),
    }
}

/// Asks for `word` to be typed before something that cannot be undone.
///
/// # Errors
/// [`CliError::Usage`] when nobody is there to ask, or something else is typed.
pub fn confirm(question: &str, word: &str) -> Result<(), CliError> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(CliError::Usage(
            "nobody is there to confirm; --yes does without".into(),
        ));
    }
    note(&format!("{question}\nType {word} to confirm:"));
    let mut typed = String::new();
    let read = input.lock().read_line(&mut typed);
    read.map_err(|error| CliError::Io("standard input".into(), error))?;
    if typed.trim() == word {
        Ok(())
    } else {
        Err(CliError::Usage("not confirmed".into()))
    }
}

/// How far long work has come, on standard error, only if that is a terminal; gone when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar towards a known number.
    #[must_use]
    pub fn towards(total: u64, what: &'static str) -> Self {
        Self::new(
            ProgressBar::new(total),
            "{msg} {wide_bar} {pos}/{len} {eta}",
            what,
        )
    }

    /// A counter without a known end.
    #[must_use]
    pub fn counting(what: &'static str) -> Self {
        Self::new(ProgressBar::no_length(), "{msg} {pos} {elapsed}", what)
    }

    fn new(bar: ProgressBar, template: &str, what: &'static str) -> Self {
        let style = ProgressStyle::with_template(template);
        Self(
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(what),
        )
    }

    /// Writes a line to standard error without tearing the bar.
    pub fn note(&self, text: &str) {
        self.0.suspend(|| note(text));
    }

    /// This many more are done.
    pub fn add(&self, more: usize) {
        self.0.inc(u64::try_from(more).unwrap_or(u64::MAX));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn a_table_shows_no_control_character_of_a_cell() {
        let rows = [vec![
            "acme".to_owned(),
            "a\u{1b}[2J\nb\u{9b}\u{202e}".to_owned(),
        ]];
        let shown = super::table(&["Key", "Name"], &rows);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 5, "{shown}");
        assert!(lines[1].contains("Key") && lines[1].contains("Name"));
        assert!(lines[3].contains("acme") && lines[3].contains(r"a\u001b[2J\u000ab\u009b\u202e"));
        assert!(!lines.iter().any(|line| line.chars().any(char::is_control)));
    }

    #[test]
    fn json_output_is_the_same_document_without_control_characters() {
        let document = json!({"note": "a\u{1b}\u{7f}\u{9b}\u{202e}\n\"b\\", "n": [1, null]});
        let shown = super::json(&document);
        assert!(!shown.chars().any(|each| each.is_control() && each != '\n'));
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), document);
    }
}
