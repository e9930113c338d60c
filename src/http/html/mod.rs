//! What the pages for people share: the hosted registration page on the public listener, the console on the operators'.
//!
//! Taken: templates that the compiler checks (`templates/`), one stylesheet and two small scripts of our own
//! (`assets/`), all in the binary; every page works without a script. Refused: a front end of its own, which would need
//! a second toolchain and a second way of asking for things. Each text stands in both languages where it is used.
//!
//! Invariants: no page holds code or style, and the browser is told to run none from elsewhere; a form is taken from
//! our own pages alone; no page is cached.

mod assets;

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::body;
use super::calls::one;
use super::error_document::Refusal;
use super::wire::form::{FormFault, read_fields};
use crate::domain::language::Language;
use crate::domain::tenant_settings::CaptchaSettings;

pub(super) use self::assets::{METHODS as METHODS_OF_ASSETS, asset, path_of};

/// The fields of a form.
pub(super) type Fields = std::collections::BTreeMap<String, String>;

/// Speaks a page's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Say(pub(super) Language);

impl Say {
    /// The text in the page's language.
    pub(super) const fn t<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self.0 {
            Language::SimplifiedChinese => chinese,
            Language::English => english,
        }
    }

    /// The language's tag (BCP 47).
    pub(super) const fn tag(self) -> &'static str {
        self.t("en", "zh-CN")
    }

    /// The other language.
    pub(super) const fn other(self) -> Self {
        match self.0 {
            Language::SimplifiedChinese => Self(Language::English),
            Language::English => Self(Language::SimplifiedChinese),
        }
    }

    /// The language of a tag of ours; `None` for any other text.
    pub(super) fn parse(tag: &str) -> Option<Self> {
        [Language::English, Language::SimplifiedChinese]
            .map(Self)
            .into_iter()
            .find(|say| say.tag() == tag)
    }
}

/// What a page may load and run beyond its own stylesheet and pictures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sources<'a> {
    /// Origin of one more picture.
    pub(super) picture: Option<&'a str>,
    /// The provider whose captcha the page shows.
    pub(super) captcha: Option<&'a CaptchaSettings>,
    /// Whether our own script runs, and asks for the page again.
    pub(super) script: bool,
}

impl Sources<'_> {
    /// The page's content security policy (CSP level 3). Everything that is not named is forbidden; code and style
    /// within the page are, too.
    fn policy(self) -> String {
        // What the providers' own documentation asks for.
        let captcha = match self.captcha {
            Some(CaptchaSettings::Turnstile { .. }) => {
                "; script-src https://challenges.cloudflare.com; frame-src https://challenges.cloudflare.com"
            }
            Some(CaptchaSettings::Hcaptcha { .. }) => {
                "; script-src https://hcaptcha.com https://*.hcaptcha.com; \
                 frame-src https://hcaptcha.com https://*.hcaptcha.com; \
                 connect-src https://hcaptcha.com https://*.hcaptcha.com"
            }
            _ => "",
        };
        let styles = match self.captcha {
            Some(CaptchaSettings::Hcaptcha { .. }) => {
                " https://hcaptcha.com https://*.hcaptcha.com"
            }
            _ => "",
        };
        let picture = self.picture.map(|origin| format!(" {origin}"));
        let script = if self.script {
            "; script-src 'self'; connect-src 'self'"
        } else {
            captcha
        };
        format!(
            "default-src 'none'; style-src 'self'{styles}; img-src 'self'{}{script}; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
            picture.unwrap_or_default()
        )
    }
}

/// A page. One that does not render is a fault of ours, and says no more than that.
pub(super) fn page(
    status: StatusCode,
    template: &impl Template,
    sources: Sources<'_>,
) -> HttpResponse {
    let (status, text) = match template.render() {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::error!(%error, "a page does not render");
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    };
    rendered(status, text, sources)
}

/// A page whose text is there already.
pub(super) fn rendered(
    status: StatusCode,
    text: impl MessageBody + 'static,
    sources: Sources<'_>,
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    protect(&mut response, &sources.policy());
    response.content_type("text/html; charset=utf-8").body(text)
}

/// The header fields of everything that a browser gets from us. `nosniff` stands on every answer already.
fn protect(response: &mut HttpResponseBuilder, policy: &str) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it browsers send forms with `Origin: null`, which says nothing.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        response.insert_header((name, value));
    }
}

/// Sends a browser that sent a form to the page that shows what came of it.
pub(super) fn see_other(to: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    protect(&mut response, &Sources::default().policy());
    response.insert_header((header::LOCATION, to));
    response
}

/// Reads a form that a page of ours sent.
///
/// # Errors
/// [`Refusal::ForeignForm`] for one from elsewhere, [`Refusal::UnsupportedMediaType`], [`Refusal::MalformedQuery`],
/// [`Refusal::DuplicateKey`], and what a body can lack.
pub(super) async fn read_form(
    request: &HttpRequest,
    payload: Payload,
    most: usize,
    time: Duration,
    origin_needed: bool,
) -> Result<Fields, Refusal> {
    // The body is read before anything is refused, since a connection with an unread body cannot be used again.
    let bytes = body::read(request, payload, most, time).await?;
    let headers = request.headers();
    if !is_own_form(headers, origin_needed) {
        return Err(Refusal::ForeignForm);
    }
    let kind = one(headers, header::CONTENT_TYPE, Refusal::UnsupportedMediaType)?;
    let essence = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        return Err(Refusal::UnsupportedMediaType);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::UnsupportedEncoding);
    }
    read_fields(&bytes).map_err(|fault| match fault {
        FormFault::Malformed => Refusal::MalformedQuery,
        FormFault::DuplicateKey => Refusal::DuplicateKey,
    })
}

/// Whether a form can have come from a page of this very origin (the Fetch standard, section 3.2; Fetch Metadata).
///
/// Browsers tell by `Sec-Fetch-Site` wherever the address is trustworthy, and by `Origin` on every form; that one is
/// held against `Host`. A client that tells neither is no browser, and carries no cookies that it was not given by its
/// user; with `origin_needed` even that is refused.
fn is_own_form(headers: &HeaderMap, origin_needed: bool) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN);
    let host = text(header::HOST);
    let same_host = origin.map(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == host
    });
    match (text(HeaderName::from_static("sec-fetch-site")), same_host) {
        // The browser has compared scheme, host and port; a proxy in between may have rewritten `Host`.
        (Some("same-origin"), Some(_)) => origin != Some("null"),
        (Some("same-origin"), None) => !origin_needed,
        (Some(_), _) => false,
        (None, Some(same)) => same,
        (None, None) => !origin_needed,
    }
}

/// A text as a part of a query: what is not unreserved (RFC 3986, section 2.3) is percent-encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A query of these parameters, without those that are empty; empty or with its question mark.
pub(super) fn query_of(parameters: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&encoded(value));
    }
    query
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Sources, encoded, is_own_form, query_of};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let host = ("host", "a.example:8443");
        for (lines, own, with_origin) in [
            (vec![], true, false),
            (vec![("origin", "https://a.example:8443")], true, true),
            (
                vec![
                    ("origin", "https://join.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                true,
                true,
            ),
            (vec![("sec-fetch-site", "same-origin")], true, false),
            (vec![("origin", "null")], false, false),
            (
                vec![("origin", "null"), ("sec-fetch-site", "same-origin")],
                false,
                false,
            ),
            (vec![("origin", "https://a.example")], false, false),
            (
                vec![("origin", "https://a.example:8443.evil")],
                false,
                false,
            ),
            (vec![("origin", "a.example:8443")], false, false),
            (vec![("sec-fetch-site", "cross-site")], false, false),
            (vec![("sec-fetch-site", "same-site")], false, false),
            (vec![("sec-fetch-site", "none")], false, false),
            (
                vec![
                    ("origin", "https://a.example:8443"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
                false,
            ),
        ] {
            let mut all = lines.clone();
            all.push(host);
            assert_eq!(is_own_form(&headers(&all), false), own, "{lines:?}");
            assert_eq!(is_own_form(&headers(&all), true), with_origin, "{lines:?}");
        }
    }

    #[test]
    fn the_policy_forbids_all_that_it_does_not_name() {
        let bare = Sources::default().policy();
        assert_eq!(
            bare,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
             base-uri 'none'"
        );
        let console = Sources {
            script: true,
            ..Sources::default()
        };
        assert!(
            console
                .policy()
                .contains("; script-src 'self'; connect-src 'self'; ")
        );
        for sources in [Sources::default(), console] {
            assert!(!sources.policy().contains("unsafe"));
        }
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded("a b&c=é/\"<"), "a%20b%26c%3D%C3%A9%2F%22%3C");
        assert_eq!(
            query_of(&[("lang", "en"), ("code", ""), ("q", "a&b")]),
            "?lang=en&q=a%26b"
        );
        assert_eq!(query_of(&[("code", "")]), "");
    }
}
