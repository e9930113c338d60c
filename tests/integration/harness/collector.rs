//! A small collector of traces: takes OTLP over HTTP and keeps every span, or misbehaves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wait::until;

/// What it does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes it.
    Takes,
    /// Takes it, after a while.
    Slow(Duration),
    /// Reads it and refuses it.
    Refuses,
    /// Reads it and never answers.
    Hangs,
}

/// A collector on a loopback port of its own, until it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    /// All that came over the wire, heads and bodies.
    bytes: Vec<u8>,
    messages: usize,
}

impl Collector {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let kept = Arc::<Mutex<Kept>>::default();
        let for_all = Arc::clone(&kept);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&for_all)));
            }
        });
        Self {
            address,
            kept,
            server,
        }
    }

    /// What `telemetry.otlp_endpoint` is set to.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that was taken so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.kept().spans.clone()
    }

    /// How many messages came, taken or not.
    pub(crate) fn messages(&self) -> usize {
        self.kept().messages
    }

    /// All that came over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.kept().bytes.clone()
    }

    /// Waits for `count` requests' own spans, and gives all spans.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Span> {
        until("the spans of all requests", async || {
            let spans = self.spans();
            let requests = spans.iter().filter(|span| is_request(span)).count();
            (requests >= count).then_some(spans)
        })
        .await
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("no panic while it was held")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Whether a span is the one around a whole request.
pub(crate) fn is_request(span: &Span) -> bool {
    attribute(span, "http.route").is_some()
}

/// An attribute as text.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key == name)?;
    Some(match pair.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{name} is {other:?}"),
    })
}

async fn serve(mut stream: TcpStream, manner: Manner, kept: Arc<Mutex<Kept>>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = message(&mut stream, &mut buffer).await {
        let decoded = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        {
            let mut kept = kept.lock().expect("no panic while it was held");
            kept.messages += 1;
            kept.bytes.extend(head.as_bytes());
            kept.bytes.extend(&body);
            if matches!(manner, Manner::Takes | Manner::Slow(_)) {
                let scopes = decoded
                    .resource_spans
                    .into_iter()
                    .flat_map(|resource| resource.scope_spans);
                kept.spans.extend(scopes.flat_map(|scope| scope.spans));
            }
        }
        let status = match manner {
            Manner::Takes => "200 OK",
            Manner::Slow(pause) => {
                tokio::time::sleep(pause).await;
                "200 OK"
            }
            Manner::Refuses => "503 Service Unavailable",
            Manner::Hangs => std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next message of a connection: its head and its body.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        let end = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(buffer[..end + 4].to_vec()).expect("a head");
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0usize);
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let whole = std::mem::replace(buffer, rest);
                return Some((head, whole[end + 4..].to_vec()));
            }
        }
        let mut more = [0; 16_384];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend(&more[..count]),
        }
    }
}
