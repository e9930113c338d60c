//! Rows of a file, one after the other and no more than one in memory: NDJSON or CSV (`docs/moving-users.md`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use csv_core::ReadRecordResult;
use serde_json::{Map, Value};

use super::super::CliError;

/// Most bytes of a row: far more than a user takes.
pub(super) const MOST_BYTES: usize = 64 * 1024;
/// The columns of CSV files, in the order in which an export writes them.
pub(in crate::cli) const COLUMNS: [&str; 16] = [
    "id",
    "username",
    "password_hash",
    "status",
    "group_id",
    "phone",
    "register_reason",
    "refuse_message",
    "avatar_url",
    "invite_code",
    "invited_by",
    "register_ip",
    "last_login_ip",
    "created_at",
    "login_at",
    "wechat",
];

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One JSON object a line
    Ndjson,
    /// RFC 4180 with a header; users alone
    Csv,
}

impl Format {
    /// As asked for, else as the file's name says.
    pub(in crate::cli) fn of(asked: Option<Self>, file: &Path) -> Self {
        let is_csv = file
            .extension()
            .is_some_and(|name| name.eq_ignore_ascii_case("csv"));
        asked.unwrap_or(if is_csv { Self::Csv } else { Self::Ndjson })
    }
}

/// A row as it stands in the file.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it begins, counted from 1.
    pub(super) line: u64,
    /// The row, or why it is none.
    pub(super) value: Result<Value, String>,
}

/// Reads a file of either form.
pub(super) enum Rows {
    Ndjson(Ndjson<BufReader<File>>),
    Csv(Box<Csv<BufReader<File>>>),
}

impl Rows {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self, CliError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| CliError::Io(name.clone(), error))?;
        let file = BufReader::with_capacity(MOST_BYTES, file);
        Ok(match format {
            Format::Ndjson => Self::Ndjson(Ndjson::new(name, file)),
            Format::Csv => Self::Csv(Box::new(Csv::new(name, file)?)),
        })
    }

    /// The next row, and how many bytes of the file that took.
    pub(super) fn next(&mut self) -> Result<Option<(Row, usize)>, CliError> {
        match self {
            Self::Ndjson(rows) => rows.next(),
            Self::Csv(rows) => rows.next(),
        }
    }
}

/// Lines of JSON.
pub(super) struct Ndjson<R> {
    name: String,
    input: R,
    line: u64,
}

impl<R: BufRead> Ndjson<R> {
    fn new(name: String, input: R) -> Self {
        Self {
            name,
            input,
            line: 0,
        }
    }

    fn next(&mut self) -> Result<Option<(Row, usize)>, CliError> {
        loop {
            self.line += 1;
            let mut text = Vec::new();
            let failed = |error| CliError::Io(self.name.clone(), error);
            let mut bounded = (&mut self.input).take(MOST_BYTES as u64 + 1);
            let mut read = bounded.read_until(b'\n', &mut text).map_err(failed)?;
            if read == 0 {
                return Ok(None);
            }
            let row = |value| Row {
                line: self.line,
                value,
            };
            if text.len() > MOST_BYTES && text.last() != Some(&b'\n') {
                read += skip_line(&mut self.input).map_err(failed)?;
                return Ok(Some((row(Err("is longer than 64 KiB".to_owned())), read)));
            }
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let value = match serde_json::from_slice(&text) {
                Ok(value @ Value::Object(_)) => Ok(value),
                Ok(_) => Err("is no JSON object".to_owned()),
                // The library's text tells line and column, and quotes nothing.
                Err(error) => Err(format!("is no JSON: {error}")),
            };
            return Ok(Some((row(value), read)));
        }
    }
}

/// Reads to the end of the line; how many bytes that were.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<usize> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        skipped += used;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Records of a CSV file. What cannot be told apart any more (a quote that never ends) ends the import.
pub(super) struct Csv<R> {
    name: String,
    input: R,
    reader: csv_core::Reader,
    columns: Vec<&'static str>,
    /// The last record ended with a carriage return, whose line break belongs to it still.
    ended_by_return: bool,
    /// Of one record, with the ends of its fields.
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> Csv<R> {
    fn new(name: String, input: R) -> Result<Self, CliError> {
        let mut rows = Self {
            name,
            input,
            reader: csv_core::Reader::new(),
            columns: Vec::new(),
            ended_by_return: false,
            output: vec![0; MOST_BYTES],
            // One more than there are columns, so that a record with too many is noticed and not cut.
            ends: vec![0; COLUMNS.len() + 1],
        };
        let Some((_, fields, _)) = rows.record()? else {
            return Err(rows.wrong(1, "has no header"));
        };
        for field in fields {
            let field = field.trim().trim_start_matches('\u{feff}');
            let column = COLUMNS.into_iter().find(|column| *column == field);
            match column.filter(|column| !rows.columns.contains(column)) {
                Some(column) => rows.columns.push(column),
                None => {
                    let text = format!(
                        "the header names a column that is none, or twice; there are {}",
                        COLUMNS.join(", ")
                    );
                    return Err(rows.wrong(1, &text));
                }
            }
        }
        if !rows.columns.contains(&"username") {
            return Err(rows.wrong(1, "the header names no username"));
        }
        Ok(rows)
    }

    fn wrong(&self, line: u64, text: &str) -> CliError {
        CliError::Usage(format!("{}: line {line}: {text}", self.name))
    }

    fn next(&mut self) -> Result<Option<(Row, usize)>, CliError> {
        let Some((line, fields, read)) = self.record()? else {
            return Ok(None);
        };
        let value = if fields.len() == self.columns.len() {
            object(&self.columns, fields)
        } else {
            Err(format!(
                "has {} fields, not {}",
                fields.len(),
                self.columns.len()
            ))
        };
        Ok(Some((Row { line, value }, read)))
    }

    /// The fields of the next record, the line where it begins, and the bytes it took.
    fn record(&mut self) -> Result<Option<(u64, Vec<String>, usize)>, CliError> {
        let (mut read, mut written, mut ended) = (0, 0, 0);
        let mut line = self.reader.line();
        if self.ended_by_return {
            let rest = self.input.fill_buf();
            let rest = rest.map_err(|error| CliError::Io(self.name.clone(), error))?;
            line += u64::from(rest.first() == Some(&b'\n'));
        }
        loop {
            let input = self
                .input
                .fill_buf()
                .map_err(|error| CliError::Io(self.name.clone(), error))?;
            let output = self.output.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            let (result, taken, put, fields) = self.reader.read_record(input, output, ends);
            let last = taken.checked_sub(1).and_then(|last| input.get(last));
            self.ended_by_return = last == Some(&b'\r');
            self.input.consume(taken);
            (read, written, ended) = (read + taken, written + put, ended + fields);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    return Err(
                        self.wrong(line, "a record is longer than 64 KiB; is a quote missing?")
                    );
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.wrong(line, "a record has more fields than there are columns"));
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let mut start = 0;
        let mut fields = Vec::with_capacity(ended);
        for end in self.ends.iter().take(ended) {
            let bytes = self.output.get(start..*end).unwrap_or_default();
            let field = std::str::from_utf8(bytes);
            fields.push(
                field
                    .map_err(|_| self.wrong(line, "is no UTF-8"))?
                    .to_owned(),
            );
            start = *end;
        }
        Ok(Some((line, fields, read)))
    }
}

/// A record as a row of JSON; fields that are empty are absent.
fn object(columns: &[&'static str], fields: Vec<String>) -> Result<Value, String> {
    let mut row = Map::new();
    for (column, field) in columns.iter().zip(fields) {
        if field.is_empty() {
            continue;
        }
        let value = if *column == "wechat" {
            serde_json::from_str(&field).map_err(|_| "wechat: is no JSON".to_owned())?
        } else {
            Value::String(field)
        };
        row.insert((*column).to_owned(), value);
    }
    Ok(Value::Object(row))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Csv, MOST_BYTES, Ndjson};

    fn lines(text: &str) -> Vec<Read> {
        let mut rows = Ndjson::new("f".into(), text.as_bytes());
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some((row, read)) = rows.next().unwrap() {
            bytes += read;
            found.push((row.line, row.value));
        }
        assert!(bytes <= text.len());
        found
    }

    #[test]
    fn lines_are_read_one_by_one_and_odd_ones_are_told() {
        let long = format!("{{\"username\":\"{}\"}}\n", "x".repeat(3 * MOST_BYTES));
        let text =
            format!("{{\"username\":\"ada\"}}\n\n[1]\n{{\"a\"\n{long}{{\"username\":\"bob\"}}");
        let found = lines(&text);
        assert_eq!(found[0], (1, Ok(json!({"username": "ada"}))));
        assert_eq!(found[1], (3, Err("is no JSON object".into())));
        assert_eq!(found[2].0, 4);
        assert!(found[2].1.as_ref().unwrap_err().starts_with("is no JSON"));
        assert_eq!(found[3], (5, Err("is longer than 64 KiB".into())));
        assert_eq!(found[4], (6, Ok(json!({"username": "bob"}))));
        assert_eq!(found.len(), 5);
        assert!(lines("").is_empty());
    }

    type Read = (u64, Result<Value, String>);

    fn records(text: &str) -> Result<Vec<Read>, String> {
        let mut rows = Csv::new("f".into(), text.as_bytes()).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        while let Some((row, _)) = rows.next().map_err(|error| error.to_string())? {
            found.push((row.line, row.value));
        }
        Ok(found)
    }

    #[test]
    fn records_are_read_with_their_quotes() {
        let text = "\u{feff}username,register_reason,wechat\r\nada,\"a, b \"\"c\"\"\nd\",\r\n\
                    bob,,\"[{\"\"app_id\"\":\"\"wx1\"\"}]\"\r\neve,x\r\nmal,,[\r\n";
        let found = records(text).unwrap();
        let reason = json!({"username": "ada", "register_reason": "a, b \"c\"\nd"});
        assert_eq!(found[0], (2, Ok(reason)));
        assert_eq!(
            found[1].1,
            Ok(json!({"username": "bob", "wechat": [{"app_id": "wx1"}]}))
        );
        assert_eq!(found[2].1, Err("has 2 fields, not 3".into()));
        assert_eq!(found[3].1, Err("wechat: is no JSON".into()));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_file_that_cannot_be_told_apart_ends_the_import() {
        for (text, reason) in [
            ("", "no header"),
            ("username,colour\n", "a column that is none"),
            ("username,username\n", "or twice"),
            ("id\n", "no username"),
            (
                "username\na,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r\n",
                "more fields",
            ),
        ] {
            let error = records(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        let endless = format!("username\n\"{}", "x".repeat(2 * MOST_BYTES));
        assert!(
            records(&endless)
                .unwrap_err()
                .contains("line 2: a record is longer")
        );
    }
}
