//! Sends rows to the admin API in batches, counts what became of them, and writes down those that were refused.
//!
//! A batch that may or may not have arrived is sent again: rows that are there already are told so and not doubled.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::CliError;
use super::super::client::{AdminClient, read};

const ROWS: usize = 500;
/// Half of what the server takes, for what surrounds the rows.
const BYTES: usize = 512 * 1024;
/// How often a batch is sent before the import gives up, with longer and longer pauses.
const ATTEMPTS: u32 = 6;

/// What the server says of a document that it could not read.
const UNREAD: [&str; 4] = [
    "malformed_json",
    "duplicate_key",
    "too_deep",
    "body_too_large",
];

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) made: u64,
    pub(super) present: u64,
    pub(super) refused: u64,
}

/// An import under way.
pub(super) struct Batches<'a> {
    client: &'a AdminClient,
    tenant: &'a str,
    dry_run: bool,
    report: PathBuf,
    /// Made with the first row that is refused.
    refused: Option<BufWriter<File>>,
    tally: Tally,
    /// Rows to send, each with the place where it was found.
    rows: Vec<(Value, Value)>,
    bytes: usize,
}

#[derive(Deserialize)]
struct Answer {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    made: u64,
    present: u64,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    row: usize,
    reasons: Value,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
        client: &'a AdminClient,
        tenant: &'a str,
        dry_run: bool,
        report: PathBuf,
    ) -> Self {
        Self {
            client,
            tenant,
            dry_run,
            report,
            refused: None,
            tally: Tally::default(),
            rows: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a row found at `place`, and sends what is waiting if it is enough.
    pub(super) async fn add(&mut self, place: Value, row: Value) -> Result<(), CliError> {
        self.bytes += row.to_string().len();
        self.rows.push((place, row));
        if self.rows.len() >= ROWS || self.bytes >= BYTES {
            self.send().await?;
        }
        Ok(())
    }

    /// Notes a row that is none.
    pub(super) fn refuse(&mut self, place: Value, reason: &str) -> Result<(), CliError> {
        let reasons = json!([{ "field": "", "detail": reason }]);
        self.write(place, &Value::Null, reasons)
    }

    /// Sends the rest.
    pub(super) async fn finish(mut self) -> Result<Tally, CliError> {
        self.send().await?;
        if let Some(mut refused) = self.refused.take() {
            let name = self.report.display().to_string();
            refused.flush().map_err(|error| CliError::Io(name, error))?;
        }
        Ok(self.tally)
    }

    /// Sends what is waiting, before rows that rest on it.
    pub(super) async fn send(&mut self) -> Result<(), CliError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let mut parts = vec![std::mem::take(&mut self.rows)];
        while let Some(part) = parts.pop() {
            let Some(refusal) = self.send_part(&part).await? else {
                continue;
            };
            // One row keeps the whole document from being read: it is looked for by halves.
            match part.as_slice() {
                [(place, row)] => {
                    let reasons = json!([{ "field": "", "detail": refusal.trim() }]);
                    self.write(place.clone(), row, reasons)?;
                }
                rows => {
                    let (one, other) = rows.split_at(rows.len() / 2);
                    parts.extend([other.to_vec(), one.to_vec()]);
                }
            }
        }
        Ok(())
    }

    /// Sends rows; gives the reason if the server could not even read them.
    async fn send_part(&mut self, part: &[(Value, Value)]) -> Result<Option<String>, CliError> {
        let (places, rows): (Vec<_>, Vec<_>) = part.iter().cloned().unzip();
        let attributes = json!({ "rows": rows, "dry_run": self.dry_run });
        let body = json!({ "data": { "type": "user-imports", "attributes": attributes } });
        let answer = match self.persist(&body).await {
            Err(CliError::Refused(document)) if UNREAD.iter().any(|code| document.says(code)) => {
                return Ok(Some(document.to_string()));
            }
            answer => read::<Answer>(answer?)?,
        };
        self.tally.made += answer.meta.made;
        self.tally.present += answer.meta.present;
        for refused in answer.meta.refused {
            let place = places.get(refused.row).cloned().unwrap_or_default();
            let row = rows.get(refused.row).unwrap_or(&Value::Null);
            self.write(place, row, refused.reasons)?;
        }
        Ok(None)
    }

    async fn persist(&self, body: &Value) -> Result<Value, CliError> {
        let path = ["tenants", self.tenant, "users", "import"];
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.client.call(Method::POST, &path, Some(body)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = match &error {
                CliError::Refused(document) => ["unavailable", "overloaded"]
                    .iter()
                    .any(|code| document.says(code)),
                CliError::Server(_) => true,
                _ => false,
            };
            if !passes || attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt.min(4))).await;
        }
    }

    /// A line of the report: where the row stands, who it is, and what is wrong; never its hash.
    fn write(&mut self, place: Value, row: &Value, reasons: Value) -> Result<(), CliError> {
        self.tally.refused += 1;
        let failed = |error| CliError::Io(self.report.display().to_string(), error);
        if self.refused.is_none() {
            self.refused = Some(BufWriter::new(File::create(&self.report).map_err(failed)?));
        }
        let mut line = place;
        if let Value::Object(line) = &mut line {
            for name in ["type", "id", "username", "code"] {
                if let Some(value) = row.get(name) {
                    line.insert(name.to_owned(), value.clone());
                }
            }
            line.insert("reasons".to_owned(), reasons);
        }
        match &mut self.refused {
            Some(file) => writeln!(file, "{line}").map_err(failed),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::client::tests::serve;
    use super::{Batches, Tally};

    fn answer(made: u64, refused: &Value) -> (&'static str, Value) {
        (
            "200 OK",
            json!({"meta": {"made": made, "present": 1, "refused": refused}}),
        )
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_found_by_halves() {
        let deep = || {
            let error =
                json!({"errors": [{"status": "400", "code": "too_deep", "detail": ["too deep"]}]});
            ("400 Bad Request", error)
        };
        let none = json!([]);
        // All four; the first two; one; the other; the last two.
        let answers = vec![deep(), deep(), answer(1, &none), deep(), answer(2, &none)];
        let (client, asked) = serve(answers);
        let folder = tempfile::TempDir::new().unwrap();
        let report = folder.path().join("refused");
        let mut batches = Batches::new(&client, "acme", false, report.clone());
        for line in 1..=4 {
            let row = json!({"username": format!("u{line}")});
            batches.add(json!({"line": line}), row).await.unwrap();
        }
        let tally = batches.finish().await.unwrap();
        assert_eq!((tally.made, tally.refused), (3, 1));
        assert_eq!(asked.join().unwrap().len(), 5);
        let written = std::fs::read_to_string(report).unwrap();
        let line: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["line"], 2);
        assert_eq!(line["reasons"][0]["detail"], "400 too_deep: too deep");
    }

    #[tokio::test]
    async fn rows_go_in_batches_and_what_is_refused_is_written_down() {
        let refusal = json!([{"row": 1, "reasons": [{"field": "phone", "detail": "no"}]}]);
        let (client, asked) = serve(vec![answer(498, &refusal), answer(1, &json!([]))]);
        let folder = tempfile::TempDir::new().unwrap();
        let report = folder.path().join("refused");
        let mut batches = Batches::new(&client, "acme", true, report.clone());
        for line in 1..=502 {
            let row = json!({"username": format!("u{line}"), "password_hash": "hush"});
            batches.add(json!({"line": line}), row).await.unwrap();
        }
        batches.refuse(json!({"line": 503}), "is no JSON").unwrap();
        let tally = Tally {
            made: 499,
            present: 2,
            refused: 2,
        };
        assert_eq!(batches.finish().await.unwrap(), tally);
        let asked = asked.join().unwrap();
        assert!(asked[0].starts_with("POST /behind/admin/v1/tenants/acme/users/import "));
        let sent = |request: &str| {
            let body: Value =
                serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
            assert_eq!(body["data"]["attributes"]["dry_run"], true);
            body["data"]["attributes"]["rows"].as_array().unwrap().len()
        };
        assert_eq!((sent(&asked[0]), sent(&asked[1])), (500, 2));
        let written = std::fs::read_to_string(report).unwrap();
        let lines: Vec<Value> = written
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        let second =
            json!({"line": 2, "username": "u2", "reasons": [{"field": "phone", "detail": "no"}]});
        assert!(lines.contains(&second), "{written}");
        assert!(!written.contains("hush"), "{written}");
    }
}
