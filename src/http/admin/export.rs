//! Long answers, written part by part: NDJSON (one resource a line) or CSV (RFC 4180, with a header).
//!
//! A task of its own makes the parts, one ahead of what the client has read; so memory is bounded by two parts a stream, and
//! [`MOST_STREAMS`] bounds the streams. An answer that breaks off ends without its last chunk, which every client sees as a
//! broken transfer: there is no telling a short list from half of one otherwise.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument;

use super::super::error_document::Refusal;
use crate::admin::error::AdminError;
use crate::session::error::CallError;

/// Streams at one time, of all administrators.
const MOST_STREAMS: usize = 8;
/// A client that reads nothing for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The places for streams.
pub(in crate::http) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_STREAMS)))
    }
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ndjson,
    Csv,
}

impl Format {
    /// The first of the two that `Accept` names.
    pub(super) fn accepted(request: &HttpRequest) -> Option<Self> {
        let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
        accept.split(',').find_map(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            [Self::Ndjson, Self::Csv]
                .into_iter()
                .find(|format| kind.eq_ignore_ascii_case(format.media_type()))
        })
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// What a list is made of: its columns, and one resource.
pub(super) trait Rows {
    type Row;

    /// The CSV's columns: `id`, or an attribute's name.
    const COLUMNS: &'static [&'static str];

    /// The next rows; none after the last one.
    async fn next_part(&mut self) -> Result<Vec<Self::Row>, AdminError>;

    /// A row as JSON:API has it.
    fn resource(&self, row: &Self::Row) -> Value;
}

/// What the task sends to the answer.
enum Part {
    Bytes(Bytes),
    End,
}

/// The answer broke off; the reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the answer breaks off")]
struct Broken;

/// Answers with all rows. What goes wrong before the first of them is a refusal like any other.
pub(super) async fn stream_of<R: Rows + 'static>(
    streams: &Streams,
    format: Format,
    mut rows: R,
) -> Result<HttpResponse, Refusal> {
    let place = Arc::clone(&streams.0).try_acquire_owned();
    let place = place.map_err(|_| Refusal::Call(CallError::Overloaded(RETRY_AFTER)))?;
    let first = rows.next_part().await?;
    let (sender, receiver) = mpsc::channel(1);
    let work = async move {
        let _place = place;
        if let Err(reason) = write(format, first, rows, &sender).await {
            tracing::warn!(%reason, "a streamed answer breaks off");
        }
    };
    actix_web::rt::spawn(work.instrument(tracing::Span::current()));
    let parts = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Part::End) => None,
            // The task ended otherwise, were it by a panic.
            None => Some((Err(Broken), None)),
        }
    });
    Ok(HttpResponse::build(StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, format.content_type()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(parts))
}

/// Why a stream broke off.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("the client left")]
    Left,
    #[error("the client reads nothing")]
    Stalled,
    #[error(transparent)]
    Failed(#[from] AdminError),
}

async fn write<R: Rows>(
    format: Format,
    first: Vec<R::Row>,
    mut rows: R,
    to: &mpsc::Sender<Part>,
) -> Result<(), Stopped> {
    if format == Format::Csv {
        send(to, Part::Bytes(csv_line(R::COLUMNS.iter().copied()).into())).await?;
    }
    let mut part = first;
    while !part.is_empty() {
        let mut text = String::new();
        for row in &part {
            let resource = rows.resource(row);
            text.push_str(&match format {
                Format::Ndjson => format!("{resource}\n"),
                Format::Csv => csv_row(R::COLUMNS, &resource),
            });
        }
        send(to, Part::Bytes(text.into())).await?;
        part = rows.next_part().await?;
    }
    send(to, Part::End).await
}

async fn send(to: &mpsc::Sender<Part>, part: Part) -> Result<(), Stopped> {
    match tokio::time::timeout(STALLED_AFTER, to.send(part)).await {
        Ok(sent) => sent.map_err(|_| Stopped::Left),
        Err(_) => Err(Stopped::Stalled),
    }
}

fn csv_row(columns: &[&str], resource: &Value) -> String {
    csv_line(columns.iter().map(|column| {
        let value = match *column {
            "id" => resource.get("id"),
            name => resource.get("attributes").and_then(|all| all.get(name)),
        };
        match value.unwrap_or(&Value::Null) {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }))
}

fn csv_line<T: AsRef<str>>(cells: impl Iterator<Item = T>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            line.push(',');
        }
        line.push_str(&csv_cell(cell.as_ref()));
    }
    line.push_str("\r\n");
    line
}

/// A cell that a spreadsheet shows and does not run: what it would take for a formula gets an apostrophe in front.
fn csv_cell(text: &str) -> String {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let apostrophe = if is_formula { "'" } else { "" };
    if text.contains(['"', ',', ';', '\r', '\n', '\t', '\'']) || is_formula {
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::HttpResponse;
    use actix_web::body::to_bytes;
    use actix_web::rt::System;
    use serde_json::{Value, json};

    use super::super::super::error_document::Refusal;
    use super::{Format, MOST_STREAMS, Rows, Streams, csv_cell, csv_row, stream_of};
    use crate::admin::error::AdminError;

    /// A list of numbers whose parts are known.
    struct Numbers(Vec<Result<Vec<u32>, AdminError>>);

    impl Rows for Numbers {
        type Row = u32;
        const COLUMNS: &'static [&'static str] = &["id"];

        async fn next_part(&mut self) -> Result<Vec<u32>, AdminError> {
            self.0.remove(0)
        }

        fn resource(&self, row: &u32) -> Value {
            json!({"id": row.to_string()})
        }
    }

    async fn begun(streams: &Streams, parts: Vec<Result<Vec<u32>, AdminError>>) -> HttpResponse {
        let response = stream_of(streams, Format::Csv, Numbers(parts)).await;
        response.unwrap_or_else(|_| panic!("refused"))
    }

    #[test]
    fn a_list_ends_after_its_last_row_or_breaks_off() {
        System::new().block_on(async {
            let streams = Streams::default();
            let whole = vec![Ok(vec![1, 2]), Ok(vec![3]), Ok(vec![])];
            let whole = begun(&streams, whole).await.into_body();
            assert_eq!(to_bytes(whole).await.unwrap(), "id\r\n1\r\n2\r\n3\r\n");
            let broken = vec![Ok(vec![1, 2]), Err(AdminError::Unavailable)];
            let broken = begun(&streams, broken).await.into_body();
            assert!(
                to_bytes(broken).await.is_err(),
                "half a list looks like a short one"
            );
            // An empty list is one, and a list that does not begin is refused.
            let none = begun(&streams, vec![Ok(vec![])]).await.into_body();
            assert_eq!(to_bytes(none).await.unwrap(), "id\r\n");
            let never = Numbers(vec![Err(AdminError::NotFound("tenant"))]);
            let never = stream_of(&streams, Format::Csv, never).await;
            assert!(matches!(never, Err(Refusal::NotFound { .. })));
        });
    }

    #[test]
    fn more_streams_than_there_are_places_are_refused_until_one_is_left() {
        System::new().block_on(async {
            let streams = Streams::default();
            let parts = || vec![Ok(vec![1]), Ok(vec![2]), Ok(vec![])];
            let mut open = Vec::new();
            for _ in 0..MOST_STREAMS {
                open.push(begun(&streams, parts()).await);
            }
            let refused = stream_of(&streams, Format::Csv, Numbers(parts())).await;
            assert!(matches!(refused, Err(Refusal::Call(_))));
            drop(open);
            // Who leaves gives the place back.
            for _ in 0..1000 {
                if streams.0.available_permits() == MOST_STREAMS {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            begun(&streams, parts()).await;
        });
    }

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+86", "\"'+86\""),
            ("-CODE", "\"'-CODE\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
            ("=cmd|'/C calc'!A0,\"", "\"'=cmd|'/C calc'!A0,\"\"\""),
            ("", ""),
        ] {
            assert_eq!(csv_cell(text), cell, "{text:?}");
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let resource = json!({"id": "7", "attributes": {"uses": 2, "note": null, "code": "A"}});
        let row = csv_row(&["id", "note", "uses", "code", "unknown"], &resource);
        assert_eq!(row, "7,,2,A,\r\n");
        assert_eq!(csv_row(&["note", "code"], &resource), ",A\r\n");
    }
}
