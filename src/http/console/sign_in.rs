//! Signing in with an administrator's token, and out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use secrecy::ExposeSecret;

use super::{Console, SESSION_COOKIE, language, remember_language, session_of};
use crate::admin::SESSION_LIFE;
use crate::http::error_document::Refusal;
use crate::http::html::{Say, Sources, page, path_of, read_form, see_other};

/// Largest form: a token.
const MOST_FORM: usize = 4096;

/// `GET /console/sign-in`
pub(super) async fn show(request: HttpRequest) -> HttpResponse {
    let (say, switched) = language(&request);
    let mut response = form(say, StatusCode::OK, &[]);
    if switched {
        remember_language(&mut response, say);
    }
    response
}

/// `POST /console/sign-in`
pub(super) async fn sign_in(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    let (say, _) = language(&request);
    let time = Duration::from_millis(console.operators.settings.body_timeout_ms);
    let mut fields = match read_form(&request, payload, MOST_FORM, time, true).await {
        Ok(fields) => fields,
        Err(refusal) => return tell(say, &refusal),
    };
    let token = fields.remove("token").unwrap_or_default();
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = request.peer_addr().map_or(nowhere, |peer| peer.ip());
    match console.admin().sign_in(token.trim(), address).await {
        Ok((_, session)) => {
            let mut response = see_other("/console").finish();
            let life = SESSION_LIFE.as_secs();
            let value = session.cookie().expose_secret();
            set_cookie(&request, &mut response, value, life);
            response
        }
        Err(error) => tell(say, &error.into()),
    }
}

/// `POST /console/sign-out`. Whoever has no session any more is signed out as well.
pub(super) async fn sign_out(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    let (say, _) = language(&request);
    let time = Duration::from_millis(console.operators.settings.body_timeout_ms);
    let mut fields = match read_form(&request, payload, MOST_FORM, time, true).await {
        Ok(fields) => fields,
        Err(refusal) => return tell(say, &refusal),
    };
    if let Some(session) = session_of(&request) {
        if !session.owns_form(&fields.remove("form").unwrap_or_default()) {
            return tell(say, &Refusal::ForeignForm);
        }
        if let Ok(by) = console.admin().signed_in(&session).await
            && let Err(error) = console.admin().sign_out(&by, &session).await
        {
            return tell(say, &error.into());
        }
    }
    let mut response = see_other("/console/sign-in").finish();
    set_cookie(&request, &mut response, "", 0);
    response
}

/// The session's cookie. No script reads it, no page of another site sends it, and outside of the console it is not
/// sent. This listener speaks plain HTTP; where a proxy speaks TLS to the browser, the browser itself says so in the
/// `Origin` of the form, and then the cookie is kept off plain connections.
fn set_cookie(request: &HttpRequest, response: &mut HttpResponse, value: &str, life: u64) {
    let origin = request.headers().get(header::ORIGIN);
    let by_tls = origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if by_tls { "; Secure" } else { "" };
    let cookie = format!(
        "{SESSION_COOKIE}={value}; Path=/console; Max-Age={life}; HttpOnly; SameSite=Strict{secure}"
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// A refusal to somebody who is not signed in, with the form to try again.
pub(super) fn tell(say: Say, refusal: &Refusal) -> HttpResponse {
    let told = refusal.told(say.0);
    let mut texts = told.general;
    let status = match StatusCode::from_u16(told.status) {
        // There is no challenge that a browser could answer by itself.
        Ok(StatusCode::UNAUTHORIZED) => {
            let wrong = say.t(
                "This token is not known, or was revoked.",
                "令牌无效或已被撤销。",
            );
            texts = vec![wrong.to_owned()];
            StatusCode::FORBIDDEN
        }
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = form(say, status, &texts);
    if let Some(seconds) = told.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn form(say: Say, status: StatusCode, faults: &[String]) -> HttpResponse {
    let template = SignInPage {
        say,
        css: path_of("enroll.css"),
        icon: path_of("mark.svg"),
        faults,
    };
    page(status, &template, Sources::default())
}

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage<'a> {
    say: Say,
    css: &'static str,
    icon: &'static str,
    faults: &'a [String],
}
