//! The admin API as commands use it: `/admin/v1`, JSON:API documents, a bearer token.
//!
//! Documents stay `serde_json::Value` here; each command reads the attributes that it shows.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::CliError;
use super::output::{Progress, read_secret, trimmed_secret};
use crate::settings;

const DEFAULT_URL: &str = "http://127.0.0.1:9090";
const MEDIA_TYPE: &str = "application/vnd.api+json";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
/// A list of a million lines, on a slow line.
const STREAM_TIMEOUT: Duration = Duration::from_secs(3600);
const PAGE_SIZE: &str = "500";

/// Where the admin API is, and the token for it. The token itself is never an argument.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Address of the operators' listener [default: $ENROLL_ADMIN_URL, else http://127.0.0.1:9090]
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub admin_url: Option<String>,
    /// File that holds the admin token [default: the token is $ENROLL_ADMIN_TOKEN]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub token_file: Option<PathBuf>,
    /// Read the admin token from standard input
    #[arg(
        long,
        global = true,
        conflicts_with = "token_file",
        help_heading = "Server"
    )]
    pub token_stdin: bool,
    /// Print the server's JSON documents instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

impl AdminArgs {
    fn token(&self) -> Result<SecretString, CliError> {
        if let Some(path) = &self.token_file {
            let name = path.display().to_string();
            return match fs::read_to_string(path) {
                Ok(text) => trimmed_secret(&name, &text),
                Err(error) => Err(CliError::Io(name, error)),
            };
        }
        if self.token_stdin {
            return read_secret("--token-stdin");
        }
        settings::admin_token().ok_or_else(|| {
            let text =
                "no admin token: set ENROLL_ADMIN_TOKEN, or use --token-file or --token-stdin";
            CliError::Usage(text.into())
        })
    }
}

/// A client of one server's admin API.
pub struct AdminClient {
    http: Client,
    base: Url,
}

impl AdminClient {
    /// A client for the server and the token that the arguments and the environment name. Connects to nothing yet.
    ///
    /// # Errors
    /// [`CliError::Usage`] for an address or a token that cannot be used, [`CliError::Io`] for an unreadable file.
    pub fn from_args(args: &AdminArgs) -> Result<Self, CliError> {
        let address = args.admin_url.clone().or_else(settings::admin_url);
        Self::new(address.as_deref().unwrap_or(DEFAULT_URL), &args.token()?)
    }

    /// A client for this server and token.
    ///
    /// # Errors
    /// [`CliError::Usage`] for an address or a token that cannot be used.
    pub fn new(address: &str, token: &SecretString) -> Result<Self, CliError> {
        let base = read_address(address)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| CliError::Usage("the admin token holds a control character".into()))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (ACCEPT, HeaderValue::from_static(MEDIA_TYPE)),
            (CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        ]);
        // No redirect and no proxy of the environment: the token goes to the named server alone.
        let http = Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .build()
            .map_err(|error| CliError::Server(causes(&error)))?;
        Ok(Self { http, base })
    }

    /// Sends a request to `/admin/v1/` and the segments, and reads the document of the answer (`null` when it has none).
    ///
    /// # Errors
    /// [`CliError::Refused`] with the server's reasons, [`CliError::Server`] without an answer that makes sense.
    pub async fn call(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        self.send(method, self.url(segments)?, body).await
    }

    /// The document at these segments; `None` when there is no such thing.
    ///
    /// # Errors
    /// As [`AdminClient::call`].
    pub async fn find(&self, segments: &[&str]) -> Result<Option<Value>, CliError> {
        match self.call(Method::GET, segments, None).await {
            Ok(document) => Ok(Some(document)),
            Err(CliError::Refused(document)) if document.says("model_not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of a collection: the first, or the one that the page before named; and what names the next.
    ///
    /// # Errors
    /// As [`AdminClient::call`].
    pub async fn page(
        &self,
        segments: &[&str],
        next: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), CliError> {
        let mut url = self.url(segments)?;
        match next {
            // Only the query is taken over: the token never follows a link elsewhere, and a proxy's path prefix stays.
            Some(query) => url.set_query(Some(query)),
            None => drop(url.query_pairs_mut().append_pair("page[size]", PAGE_SIZE)),
        }
        let asked = url.query().map(str::to_owned);
        let page: Page = read(self.send(Method::GET, url, None).await?)?;
        let link = page.links.next.as_deref();
        let next = link.and_then(|link| Some(link.split_once('?')?.1.to_owned()));
        if next.is_some() && next == asked {
            let text = "the next page of the list is the same page";
            return Err(CliError::Server(text.into()));
        }
        Ok((page.data, next))
    }

    /// All resources of a collection, page after page.
    ///
    /// # Errors
    /// As [`AdminClient::call`].
    pub async fn list(
        &self,
        segments: &[&str],
        filters: &[(&str, &str)],
        progress: &Progress,
    ) -> Result<Vec<Value>, CliError> {
        let mut url = self.url(segments)?;
        url.query_pairs_mut()
            .append_pair("page[size]", PAGE_SIZE)
            .extend_pairs(filters);
        let mut found = Vec::new();
        loop {
            let page: Page = read(self.send(Method::GET, url.clone(), None).await?)?;
            progress.add(page.data.len());
            found.extend(page.data);
            let Some(next) = page.links.next else {
                return Ok(found);
            };
            // Only the query is taken over: the token never follows a link elsewhere, and a proxy's path prefix stays.
            let query = next.split_once('?').map(|(_, query)| query);
            if query == url.query() {
                return Err(CliError::Server(
                    "the next page of the list is the same page".into(),
                ));
            }
            url.set_query(query);
        }
    }

    /// Sends a request whose answer is long, and hands on its bytes as they come.
    ///
    /// # Errors
    /// As [`AdminClient::call`], and what `take` says. What was handed on before is good.
    pub async fn stream(
        &self,
        wanted: &Stream<'_>,
        mut take: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut url = self.url(wanted.segments)?;
        if !wanted.query.is_empty() {
            url.query_pairs_mut().extend_pairs(wanted.query);
        }
        let mut request = self.http.request(wanted.method.clone(), url);
        if let Some(body) = wanted.body {
            request = request.body(body.to_string());
        }
        let lost = |error: reqwest::Error| CliError::Server(causes(&error));
        let accept = HeaderValue::from_static(wanted.accept);
        let request = request.header(ACCEPT, accept).timeout(STREAM_TIMEOUT);
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, &response.bytes().await.map_err(lost)?));
        }
        loop {
            match tokio::time::timeout(TOTAL_TIMEOUT, response.chunk()).await {
                Ok(Ok(Some(bytes))) => take(&bytes)?,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => {
                    let text = format!("the answer breaks off: {}", causes(&error));
                    return Err(CliError::Server(text));
                }
                Err(_) => return Err(CliError::Server("the server fell silent".into())),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let changes = method != Method::GET;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let lost = |error: reqwest::Error| {
            // A request that may have arrived may have been carried out.
            let unknown = changes && !error.is_connect();
            let hint = if unknown {
                "; it may have been carried out: look before repeating it"
            } else {
                ""
            };
            CliError::Server(format!("{}{hint}", causes(&error)))
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(lost)?;
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(no_sense)
    }

    fn url(&self, segments: &[&str]) -> Result<Url, CliError> {
        // A URL drops such segments, and the request would go to another resource.
        if let Some(bad) = segments
            .iter()
            .find(|each| matches!(**each, "" | "." | ".."))
        {
            return Err(CliError::Usage(format!("`{bad}` names nothing")));
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["admin", "v1"]).extend(segments);
        }
        Ok(url)
    }
}

/// A request whose answer is long.
pub struct Stream<'a> {
    /// What to do.
    pub method: Method,
    /// The path below `/admin/v1`.
    pub segments: &'a [&'a str],
    /// The query.
    pub query: &'a [(&'a str, &'a str)],
    /// The document to send.
    pub body: Option<&'a Value>,
    /// The media type of the answer.
    pub accept: &'static str,
}

fn read_address(address: &str) -> Result<Url, CliError> {
    // The address is not repeated: it may hold the password that is refused here.
    let url = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        CliError::Usage(
            "the admin address must be http://host[:port] or https://host[:port]".into(),
        )
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CliError::Usage(
            "the admin address must hold no user and no password".into(),
        ));
    }
    Ok(url)
}

/// Reads a document as the type that a command shows.
pub(super) fn read<T: for<'de> Deserialize<'de>>(document: Value) -> Result<T, CliError> {
    serde_json::from_value(document).map_err(no_sense)
}

pub(super) fn no_sense(error: serde_json::Error) -> CliError {
    CliError::Server(format!(
        "the server's answer makes no sense ({error}); is this its admin address?"
    ))
}

fn refusal(status: StatusCode, body: &[u8]) -> CliError {
    match serde_json::from_slice(body) {
        Ok(document) => CliError::Refused(document),
        Err(_) => CliError::Server(format!("the server answered {status} without a reason")),
    }
}

/// An error and what caused it. The library alone names only the outermost.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    links: Links,
}

#[derive(Deserialize)]
struct Links {
    next: Option<String>,
}

/// The server's error document (JSON:API, section "Error Objects").
#[derive(Debug, Deserialize)]
pub struct ErrorDocument {
    errors: Vec<ErrorObject>,
}

impl ErrorDocument {
    /// Whether it tells of nothing but faults in what was sent.
    pub(super) fn finds_faults(&self) -> bool {
        self.errors
            .iter()
            .all(|error| error.code == "validation_error")
    }

    /// Whether this is its one code.
    pub(super) fn says(&self, code: &str) -> bool {
        matches!(self.errors.as_slice(), [only] if only.code == code)
    }
}

#[derive(Debug, Deserialize)]
struct ErrorObject {
    status: String,
    code: String,
    #[serde(default)]
    detail: Vec<String>,
    source: Option<ErrorSource>,
}

#[derive(Debug, Deserialize)]
struct ErrorSource {
    pointer: Option<String>,
}

/// One line an error: `422 validation_error at /data/attributes/key: text; text`.
impl fmt::Display for ErrorDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            write!(f, "\n  {} {}", error.status, error.code)?;
            if let Some(pointer) = error
                .source
                .as_ref()
                .and_then(|source| source.pointer.as_ref())
            {
                write!(f, " at {pointer}")?;
            }
            if !error.detail.is_empty() {
                write!(f, ": {}", error.detail.join("; "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use reqwest::Method;
    use serde_json::{Value, json};

    use super::super::output::Progress;
    use super::{AdminClient, CliError, read_address};

    /// Answers one connection after the other, and hands back what was asked: head and body of each request.
    pub(in crate::cli) fn serve(
        answers: Vec<(&'static str, Value)>,
    ) -> (AdminClient, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/behind/", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let answer = |(status, body): (&str, Value)| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(&stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(reader.read_line(&mut head).unwrap() > 0, "cut off: {head}");
                }
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length = length.map_or(0, |length| length.parse().unwrap());
                let mut sent = vec![0; length];
                reader.read_exact(&mut sent).unwrap();
                let text = if body.is_null() {
                    String::new()
                } else {
                    body.to_string()
                };
                let length = text.len();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
                )
                .unwrap();
                head + &String::from_utf8(sent).unwrap()
            };
            answers.into_iter().map(answer).collect()
        });
        (AdminClient::new(&address, &"token".into()).unwrap(), asked)
    }

    #[tokio::test]
    async fn a_refusal_is_shown_line_by_line() {
        let errors = json!({"errors": [
            {"status": "422", "code": "validation_error", "detail": ["too short", "no \u{1b}"],
             "source": {"pointer": "/data/attributes/key"}},
            {"status": "422", "code": "host_taken", "detail": []},
        ]});
        let (client, asked) = serve(vec![
            ("422 Unprocessable Content", errors),
            ("502 Bad Gateway", Value::Null),
        ]);
        let body = json!({"data": {"type": "tenants"}});
        let refused = client
            .call(Method::POST, &["tenants"], Some(&body))
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the server refused:\n  422 validation_error at /data/attributes/key: too short; no \u{1b}\n  422 host_taken"
        );
        assert_eq!(refused.exit_code(), 1);
        let nonsense = client
            .call(Method::DELETE, &["tenants", "a/b"], None)
            .await
            .unwrap_err();
        assert_eq!(
            nonsense.to_string(),
            "the server answered 502 Bad Gateway without a reason"
        );

        let asked = asked.join().unwrap();
        assert!(
            asked[0].starts_with("POST /behind/admin/v1/tenants HTTP/1.1\r\n"),
            "{}",
            asked[0]
        );
        assert!(asked[0].contains("authorization: Bearer token\r\n"));
        assert!(asked[0].contains("content-type: application/vnd.api+json\r\n"));
        assert!(asked[0].ends_with(&body.to_string()));
        assert!(
            asked[1].starts_with("DELETE /behind/admin/v1/tenants/a%2Fb "),
            "{}",
            asked[1]
        );
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page_and_from_the_named_server_only() {
        let next = "http://elsewhere.example/admin/v1/tenants?page%5Bafter%5D=c1";
        let (client, asked) = serve(vec![
            ("200 OK", json!({"data": [1, 2], "links": {"next": next}})),
            ("200 OK", json!({"data": [3], "links": {"next": null}})),
        ]);
        let progress = Progress::counting("tenants");
        let found = client
            .list(&["tenants"], &[("filter[state]", "active")], &progress)
            .await;
        assert_eq!(found.unwrap(), [json!(1), json!(2), json!(3)]);
        let asked = asked.join().unwrap();
        let first = "GET /behind/admin/v1/tenants?page%5Bsize%5D=500&filter%5Bstate%5D=active ";
        assert!(asked[0].starts_with(first), "{}", asked[0]);
        assert!(
            asked[1].starts_with("GET /behind/admin/v1/tenants?page%5Bafter%5D=c1 "),
            "{}",
            asked[1]
        );
    }

    #[tokio::test]
    async fn a_list_that_names_the_same_page_again_ends() {
        let page = || {
            (
                "200 OK",
                json!({"data": [], "links": {"next": "/x?page%5Bafter%5D=c1"}}),
            )
        };
        let (client, asked) = serve(vec![page(), page()]);
        let progress = Progress::counting("tenants");
        let error = client.list(&["tenants"], &[], &progress).await.unwrap_err();
        assert!(error.to_string().contains("same page"), "{error}");
        assert_eq!(asked.join().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_the_cause() {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let client =
            AdminClient::new(&format!("http://127.0.0.1:{port}"), &"token".into()).unwrap();
        let error = client
            .call(Method::POST, &["tenants"], None)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("refused") && !error.contains("carried out"),
            "{error}"
        );
    }

    #[test]
    fn addresses_that_would_leak_or_lead_astray_are_refused() {
        assert!(read_address("https://ops.example/enroll").is_ok());
        for bad in [
            "127.0.0.1:9090",
            "ftp://h",
            "http://admin:needle@h",
            "/admin",
        ] {
            let refusal = read_address(bad).unwrap_err();
            assert!(matches!(refusal, CliError::Usage(_)));
            assert!(!refusal.to_string().contains("needle"));
        }
        let client = AdminClient::new("http://h", &"token".into()).unwrap();
        for bad in ["", ".", ".."] {
            assert_eq!(client.url(&["tenants", bad]).unwrap_err().exit_code(), 2);
        }
    }
}
