//! An HTTP/1.1 client on bare sockets, so that a test may send what no decent client would, and at the worst moment.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Server;

/// How long one exchange may take.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);

/// The media type of the contract (`docs/contract.md` section 1).
pub(crate) const MEDIA_TYPE: &str = "application/vnd.api+json";

/// A request, sent exactly as built. `Host`, `Content-Length` and `Connection: close` are added unless set.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without body. The target may be anything, well-formed or not.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header line; a second one of the same name stays a second line.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body as it is, without a content type.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and the content type of the contract.
    pub(crate) fn json(self, document: &Value) -> Self {
        self.header("Content-Type", MEDIA_TYPE)
            .body(document.to_string())
    }

    /// A registration at a tenant named by the header (`docs/contract.md` section 2).
    pub(crate) fn register(tenant: &str, attributes: Value) -> Self {
        Self::new("POST", "/api/register")
            .header("X-Tenant-Id", tenant)
            .json(&json!({"data": {"attributes": attributes}}))
    }

    /// Sends it on a connection of its own; any fault of the transport fails the test.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        self.try_send(to)
            .await
            .unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target))
    }

    /// Sends it on a connection of its own, for tests in which the server may die.
    pub(crate) async fn try_send(&self, to: SocketAddr) -> io::Result<Answer> {
        exchange(to, &self.bytes(to), self.method == "HEAD").await
    }

    /// Sends all of it; the answer can be waited for later.
    pub(crate) async fn begin(&self, to: SocketAddr) -> io::Result<Begun> {
        limited(async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(&self.bytes(to)).await?;
            Ok(Begun {
                stream,
                without_body: self.method == "HEAD",
            })
        })
        .await
    }

    fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(existing, _)| existing.eq_ignore_ascii_case(name))
    }

    /// What goes over the wire.
    pub(crate) fn bytes(&self, to: SocketAddr) -> Vec<u8> {
        let mut request = self.clone();
        if !self.has("Host") {
            request = request.header("Host", to.to_string());
        }
        let needs_length =
            !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if needs_length && !self.has("Content-Length") && !self.has("Transfer-Encoding") {
            request = request.header("Content-Length", self.body.len().to_string());
        }
        if !self.has("Connection") {
            request = request.header("Connection", "close");
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.target).into_bytes();
        for (name, value) in &request.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        bytes
    }
}

/// A request that was sent whole.
pub(crate) struct Begun {
    stream: TcpStream,
    without_body: bool,
}

impl Begun {
    /// What the server says to it.
    pub(crate) async fn answer(self) -> io::Result<Answer> {
        limited(read_answer(self.stream, self.without_body)).await
    }
}

/// What the server said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In the order of the wire, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header that must not stand there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let mut values = self
            .headers
            .iter()
            .filter(|(existing, _)| *existing == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "the header {name} stands there twice: {self:?}"
        );
        value
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{error} in an answer {} with the body {:?}",
                self.status,
                self.text()
            )
        })
    }

    /// Asserts the status and returns the body as JSON.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "the answer is {}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }

    /// The error objects of a valid error document (`docs/contract.md` section 4): the media type, no `data`, and in
    /// each object the HTTP status as a string, a code, and a list of texts.
    pub(crate) fn errors(&self) -> Vec<Value> {
        assert!(self.status >= 400, "not an error: {self:?}");
        assert_eq!(self.header("content-type"), Some(MEDIA_TYPE));
        let document = self.json();
        assert!(
            document.get("data").is_none(),
            "an error document has no data: {document}"
        );
        let errors = document["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors in {document}"));
        assert!(!errors.is_empty(), "no error in {document}");
        for error in errors {
            assert_eq!(
                error["status"],
                self.status.to_string(),
                "the HTTP status as a string: {error}"
            );
            assert!(
                error["code"].as_str().is_some_and(|code| !code.is_empty()),
                "no code: {error}"
            );
            let detail = error["detail"]
                .as_array()
                .unwrap_or_else(|| panic!("no list of details: {error}"));
            assert!(
                detail.iter().all(Value::is_string),
                "a detail is not a text: {error}"
            );
        }
        errors.clone()
    }

    /// The only error object of a valid error document.
    pub(crate) fn error(&self) -> Value {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "more than one error: {errors:?}");
        errors[0].clone()
    }

    /// The code of the only error object.
    pub(crate) fn error_code(&self) -> String {
        self.error()["code"]
            .as_str()
            .expect("checked by errors()")
            .to_owned()
    }
}

/// Sends bytes as they are and reads one answer.
pub(crate) async fn send_raw(to: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    exchange(to, bytes, false).await
}

/// Sends requests at the same moment and returns the answers in the same order. Any fault of the transport fails the
/// test.
///
/// Every connection is opened and every request written but for its last byte; then the last bytes go out together, so
/// that the server has all of them to finish at once.
pub(crate) async fn volley(to: SocketAddr, requests: &[Request]) -> Vec<Answer> {
    try_volley(to, requests)
        .await
        .into_iter()
        .map(|answer| answer.expect("an answer"))
        .collect()
}

/// [`volley`], for tests in which the server may die.
pub(crate) async fn try_volley(to: SocketAddr, requests: &[Request]) -> Vec<io::Result<Answer>> {
    let messages: Vec<Vec<u8>> = requests.iter().map(|request| request.bytes(to)).collect();
    let opened = messages.iter().map(|message| async move {
        let mut stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&message[..message.len() - 1]).await?;
        io::Result::Ok(stream)
    });
    let mut streams = limited(try_join_all(opened))
        .await
        .expect("every connection opens");
    // Time for the server to take in what has been sent so far.
    tokio::time::sleep(Duration::from_millis(50)).await;
    for (stream, message) in streams.iter_mut().zip(&messages) {
        // One byte fits the socket's buffer. A dead connection shows when its answer is read.
        let _ = stream.try_write(&message[message.len() - 1..]);
    }
    let answers = streams.into_iter().zip(requests).map(|(stream, request)| {
        let without_body = request.method == "HEAD";
        async move { limited(read_answer(stream, without_body)).await }
    });
    join_all(answers).await
}

/// Registers an end user at a tenant, named by the header.
pub(crate) async fn register(server: &Server, tenant: &str, attributes: Value) -> Answer {
    Request::register(tenant, attributes)
        .send(server.public())
        .await
}

/// The sum of a metric's series whose line holds `label`, which may be empty.
pub(crate) async fn metric(server: &Server, name: &str, label: &str) -> f64 {
    let answer = Request::new("GET", "/metrics").send(server.admin()).await;
    assert_eq!(answer.status, 200);
    answer
        .text()
        .lines()
        .filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
        })
        .map(|line| {
            let value = line.rsplit(' ').next().and_then(|text| text.parse().ok());
            value.unwrap_or_else(|| panic!("no value in {line:?}"))
        })
        .fold(0.0, |sum: f64, value: f64| sum + value)
}

/// Asks the admin API, with the server's own token.
pub(crate) async fn admin(
    server: &Server,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let mut request =
        Request::new(method, path).header("Authorization", format!("Bearer {}", server.token()));
    if let Some(document) = body {
        request = request.json(&document);
    }
    request.send(server.admin()).await
}

async fn exchange(to: SocketAddr, bytes: &[u8], without_body: bool) -> io::Result<Answer> {
    limited(async {
        let mut stream = TcpStream::connect(to).await?;
        // A server that refuses early may close before all is sent; its answer is what counts.
        let sent = stream.write_all(bytes).await;
        match (read_answer(stream, without_body).await, sent) {
            (Err(_), Err(error)) => Err(error),
            (answer, _) => answer,
        }
    })
    .await
}

async fn limited<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(EXCHANGE_LIMIT, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn read_answer(mut stream: TcpStream, without_body: bool) -> io::Result<Answer> {
    let mut received = Vec::new();
    loop {
        let (status, headers) = read_head(&mut stream, &mut received).await?;
        if (100..200).contains(&status) {
            continue;
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if !without_body && !matches!(status, 204 | 304) {
            answer.body = read_body(&mut stream, received, &answer).await?;
        }
        return Ok(answer);
    }
}

/// Reads up to the blank line and leaves in `received` what came after it.
async fn read_head(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
) -> io::Result<(u16, Vec<(String, String)>)> {
    let end = loop {
        if let Some(position) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break position;
        }
        fill(stream, received).await?;
    };
    let head = String::from_utf8(received[..end].to_vec())
        .map_err(|_| malformed("the head is not UTF-8"))?;
    received.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| malformed(status_line))?;
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed(line))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<io::Result<_>>()?;
    Ok((status, headers))
}

async fn read_body(
    stream: &mut TcpStream,
    mut received: Vec<u8>,
    answer: &Answer,
) -> io::Result<Vec<u8>> {
    if answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return read_chunks(stream, received).await;
    }
    let Some(length) = answer.header("content-length") else {
        stream.read_to_end(&mut received).await?;
        return Ok(received);
    };
    let length: usize = length.parse().map_err(|_| malformed(length))?;
    while received.len() < length {
        fill(stream, &mut received).await?;
    }
    received.truncate(length);
    Ok(received)
}

async fn read_chunks(stream: &mut TcpStream, mut received: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            if let Some(position) = received.windows(2).position(|window| window == b"\r\n") {
                break position;
            }
            fill(stream, &mut received).await?;
        };
        let line = String::from_utf8_lossy(&received[..end]).into_owned();
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| malformed(&line))?;
        let chunk = end + 2..end + 2 + size;
        while received.len() < chunk.end + 2 {
            fill(stream, &mut received).await?;
        }
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&received[chunk.clone()]);
        received.drain(..chunk.end + 2);
    }
}

/// Receives some more bytes; the end of the stream is an error.
async fn fill(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(received).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        _ => Ok(()),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a malformed answer: {what:?}"),
    )
}
