//! One bounded HTTP call.
//!
//! No redirect is followed, no proxy of the environment is asked, nothing is tried twice. Each call has a connection of
//! its own: one that is kept belongs to the thread that opened it, and when the other side has closed it meanwhile the
//! call would have to be tried again. Calls are few, so a handshake each is cheap.
//!
//! An address may hold a secret (WeChat's do), so neither it nor an error that names it leaves this file.

use std::error::Error;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Url, redirect};

use super::error::CallError;
use super::settings::ProviderSettings;

/// Makes calls.
#[derive(Debug)]
pub(super) struct HttpClient {
    http: Client,
    max_answer_bytes: usize,
}

/// What is sent.
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    /// Names in lower case, and values, each of which is taken for a secret.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Request {
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(super) fn post(url: Url, headers: Vec<(&'static str, String)>, body: String) -> Self {
        Self {
            method: Method::POST,
            url,
            headers,
            body,
        }
    }
}

/// What came back, whole and within the bound.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of an answer with a status of success.
    pub(super) fn into_body(self) -> Result<Vec<u8>, CallError> {
        if self.is_success() {
            Ok(self.body)
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The error for a status that is not expected.
    pub(super) fn unexpected(&self) -> CallError {
        match self.status {
            429 => CallError::Busy,
            status => CallError::broken(format!("the answer's status is {status}")),
        }
    }
}

impl HttpClient {
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, String> {
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(Duration::from_millis(settings.timeout_ms))
            .build()
            .map_err(causes)?;
        Ok(Self {
            http,
            max_answer_bytes: settings.max_answer_bytes,
        })
    }

    /// Sends a request and reads the answer, as far as it is within the bound.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, CallError> {
        let mut call = self.http.request(request.method, request.url);
        for (name, value) in request.headers {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| CallError::refused("header", "the account holds odd characters"))?;
            value.set_sensitive(true);
            call = call.header(name, value);
        }
        let lost = |error: reqwest::Error| CallError::Broken(causes(error));
        let mut answer = call.body(request.body).send().await.map_err(lost)?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(lost)? {
            if body.len() + piece.len() > self.max_answer_bytes {
                return Err(CallError::broken("the answer is too long"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, body })
    }
}

/// The base address with a path put after its own, and a query.
pub(super) fn address(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    if !query.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(query);
    }
    url
}

/// The fields as `application/x-www-form-urlencoded`.
pub(super) fn form(base: &Url, fields: &[(&str, &str)]) -> String {
    let filled = address(base, "", fields);
    filled.query().unwrap_or_default().to_owned()
}

/// The host as the request's `Host` field names it.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An error and what lies behind it, without the address.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
