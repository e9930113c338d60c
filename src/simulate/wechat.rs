//! WeChat: the page where a person agrees, and the calls that turn a code into a person. Its answers are JSON under the
//! name of `text/plain`, and HTTP 200 whatever they say.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::accounts::{WECHAT_SECRET, is_wechat_app};
use super::modes::{Lie, Service};
use super::wire::{Answer, Parameters, hex, parameter, parameters, percent_encode, serve};
use super::world::{CODE_LIFE, Code, Grant, World, may_be_name, open_id};
use crate::clock::NoEntropy;

/// What an app may ask for.
const SCOPES: [&str; 3] = ["snsapi_base", "snsapi_userinfo", "snsapi_login"];

/// How long an access token lives, in seconds.
const TOKEN_LIFE: u64 = 7200;

/// What WeChat says no with: `errcode` and `errmsg`.
type Fault = (i64, &'static str);

const BUSY: Fault = (-1, "system error");
const INVALID_CREDENTIAL: Fault = (
    40001,
    "invalid credential, access_token is invalid or not latest",
);
const INVALID_GRANT_TYPE: Fault = (40002, "invalid grant_type");
const INVALID_OPENID: Fault = (40003, "invalid openid");
const INVALID_APP: Fault = (40013, "invalid appid");
const INVALID_CODE: Fault = (40029, "invalid code");
const INVALID_SECRET: Fault = (40125, "invalid appsecret");
const CODE_USED: Fault = (40163, "code been used");

/// The page on which a person agrees that an app may know them. With `auto=NAME`, or when there is a default user, that
/// person agrees at once.
pub(super) async fn authorize(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let given = parameters(request.query_string());
    let endpoint = if request.path() == "/connect/qrconnect" {
        "wechat.qrconnect"
    } else {
        "wechat.authorize"
    };
    let default_user = {
        let mut state = world.state();
        *state.calls.entry(endpoint).or_default() += 1;
        state.default_user.clone()
    };
    if let Some(fault) = authorize_fault(&given) {
        return page(&format!("<p>{fault}</p>"));
    }
    let user = match parameter(&given, "auto") {
        "" => default_user,
        name => Some(name.to_owned()),
    };
    let Some(user) = user else {
        return page(&form(request.path(), &given));
    };
    match new_code(&world, &given, &user) {
        Ok(code) => HttpResponse::Found()
            .insert_header(("location", back(&given, &code)))
            .finish(),
        Err(NoEntropy) => HttpResponse::InternalServerError().finish(),
    }
}

fn authorize_fault(given: &Parameters) -> Option<&'static str> {
    let redirect = parameter(given, "redirect_uri");
    let is_web = redirect.starts_with("http://") || redirect.starts_with("https://");
    if !is_wechat_app(parameter(given, "appid")) {
        Some("appid parameter error (40013)")
    } else if !is_web || !redirect.chars().all(|each| each.is_ascii_graphic()) {
        Some("redirect_uri parameter error (10003)")
    } else if parameter(given, "response_type") != "code" {
        Some("response_type parameter error (10005)")
    } else if !SCOPES.contains(&parameter(given, "scope")) {
        Some("scope parameter error (10005)")
    } else if given.get("auto").is_some_and(|name| !may_be_name(name)) {
        Some("auto parameter error: a name has 1 to 64 characters")
    } else {
        None
    }
}

/// The address to which the person returns, with code and state.
fn back(given: &Parameters, code: &str) -> String {
    let redirect = parameter(given, "redirect_uri");
    let (address, fragment) = match redirect.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (redirect, String::new()),
    };
    let mark = if address.contains('?') { '&' } else { '?' };
    let state = percent_encode(parameter(given, "state"));
    format!("{address}{mark}code={code}&state={state}{fragment}")
}

fn new_code(world: &World, given: &Parameters, user: &str) -> Result<String, NoEntropy> {
    make_code(
        world,
        parameter(given, "appid"),
        user,
        parameter(given, "scope"),
    )
}

/// A code of the web flow for a person at an app.
pub(super) fn make_code(
    world: &World,
    app_id: &str,
    user: &str,
    scope: &str,
) -> Result<String, NoEntropy> {
    let code = hex(&world.random::<16>()?);
    let mut state = world.state();
    let user = state.user(user);
    let made = Code {
        grant: world.grant(app_id, &user.name, CODE_LIFE),
        is_used: false,
        scope: scope.to_owned(),
    };
    state.codes.insert(code.clone(), made);
    Ok(code)
}

fn form(path: &str, given: &Parameters) -> String {
    let hidden: String = given
        .iter()
        .filter(|(name, _)| name.as_str() != "auto")
        .map(|(name, value)| {
            let (name, value) = (escape(name), escape(value));
            format!(r#"<input type="hidden" name="{name}" value="{value}">"#)
        })
        .collect();
    let app = escape(parameter(given, "appid"));
    format!(
        r#"<p>{app} asks who you are.</p><form action="{path}">{hidden}
<label>Your name <input name="auto" value="ada" maxlength="64"></label> <button>Agree</button></form>"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn page(body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><title>WeChat (simulated)</title><h1>WeChat (simulated)</h1>{body}"
        ))
}

/// Code to access token and openid.
pub(super) async fn access_token(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let given = parameters(request.query_string());
    answer(&world, "wechat.access_token", |_| {
        check_app(&given)?;
        let (grant, scope) = spend_code(&world, &given)?;
        let token = new_token(&world)?;
        let mut state = world.state();
        let user = state.user(&grant.user);
        let life = Duration::from_secs(TOKEN_LIFE);
        let renewed = world.grant(&grant.app_id, &grant.user, life);
        state.access_tokens.insert(token.clone(), renewed);
        let document = json!({
            "access_token": token,
            "expires_in": TOKEN_LIFE,
            "refresh_token": token.chars().rev().collect::<String>(),
            "openid": open_id(&grant.app_id, &grant.user),
            "scope": scope,
        });
        Ok(with_union_id(document, user.union_id()))
    })
    .await
}

/// Access token and openid to the person's profile.
pub(super) async fn userinfo(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let given = parameters(request.query_string());
    answer(&world, "wechat.userinfo", |lie| {
        let mut state = world.state();
        let grant = state.access_tokens.get(parameter(&given, "access_token"));
        let grant = grant.filter(|grant| world.clock.now() < grant.expires_at);
        let grant = grant.cloned().ok_or(Refused::Fault(INVALID_CREDENTIAL))?;
        if parameter(&given, "openid") != open_id(&grant.app_id, &grant.user) {
            return Err(Refused::Fault(INVALID_OPENID));
        }
        let user = state.user(&grant.user);
        let document = json!({
            "openid": told_open_id(&grant, lie),
            "nickname": user.nickname,
            "sex": 0,
            "language": "",
            "city": "",
            "province": "",
            "country": "",
            "headimgurl": user.avatar_url(),
            "privilege": [],
        });
        Ok(with_union_id(document, user.union_id()))
    })
    .await
}

/// A mini program's code to openid and session key.
pub(super) async fn jscode2session(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let given = parameters(request.query_string());
    answer(&world, "wechat.jscode2session", |lie| {
        check_app(&given)?;
        let other_key = world.random::<16>()?;
        let mut state = world.state();
        let now = world.clock.now();
        let app_id = parameter(&given, "appid");
        let code = state.js_codes.get_mut(parameter(&given, "js_code"));
        let code = code.filter(|code| code.grant.app_id == app_id && now < code.grant.expires_at);
        let code = code.ok_or(Refused::Fault(INVALID_CODE))?;
        if std::mem::replace(&mut code.is_used, true) {
            return Err(Refused::Fault(CODE_USED));
        }
        let session_key = match lie {
            Some(Lie::SessionKey) => other_key,
            _ => code.session_key,
        };
        let grant = code.grant.clone();
        let user = state.user(&grant.user);
        let document = json!({
            "session_key": STANDARD.encode(session_key),
            "openid": told_open_id(&grant, lie),
        });
        Ok(with_union_id(document, user.union_id()))
    })
    .await
}

/// Why WeChat has no answer.
enum Refused {
    Fault(Fault),
    NoEntropy(NoEntropy),
}

impl From<NoEntropy> for Refused {
    fn from(error: NoEntropy) -> Self {
        Self::NoEntropy(error)
    }
}

async fn answer(
    world: &World,
    endpoint: &'static str,
    work: impl FnOnce(Option<Lie>) -> Result<Map<String, Value>, Refused>,
) -> HttpResponse {
    let told = |lie| match work(lie) {
        Ok(mut document) => {
            if lie == Some(Lie::Errcode) {
                document.extend(fault_document(world, BUSY)?);
            }
            Ok(text(document))
        }
        Err(Refused::Fault(fault)) => refuse(world, fault),
        Err(Refused::NoEntropy(error)) => Err(error),
    };
    serve(
        world,
        Service::Wechat,
        endpoint,
        || refuse(world, BUSY),
        told,
    )
    .await
}

fn refuse(world: &World, fault: Fault) -> Answer {
    Ok(text(fault_document(world, fault)?))
}

/// `{"errcode": 40029, "errmsg": "invalid code, rid: …"}`; the request id begins with the time.
fn fault_document(world: &World, (code, message): Fault) -> Result<Map<String, Value>, NoEntropy> {
    let seconds = world.clock.now().as_seconds();
    let (one, two) = (world.random::<4>()?, world.random::<4>()?);
    let message = format!("{message}, rid: {seconds:08x}-{}-{}", hex(&one), hex(&two));
    let mut document = Map::new();
    document.insert("errcode".to_owned(), code.into());
    document.insert("errmsg".to_owned(), message.into());
    Ok(document)
}

fn text(document: Map<String, Value>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body(Value::Object(document).to_string())
}

fn with_union_id(document: Value, union_id: Option<String>) -> Map<String, Value> {
    let mut fields = match document {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Some(union_id) = union_id {
        fields.insert("unionid".to_owned(), union_id.into());
    }
    fields
}

fn told_open_id(grant: &Grant, lie: Option<Lie>) -> String {
    match lie {
        Some(Lie::Openid) => open_id(&grant.app_id, &format!("not {}", grant.user)),
        _ => open_id(&grant.app_id, &grant.user),
    }
}

fn check_app(given: &Parameters) -> Result<(), Refused> {
    let fault = if !is_wechat_app(parameter(given, "appid")) {
        INVALID_APP
    } else if parameter(given, "secret") != WECHAT_SECRET {
        INVALID_SECRET
    } else if parameter(given, "grant_type") != "authorization_code" {
        INVALID_GRANT_TYPE
    } else {
        return Ok(());
    };
    Err(Refused::Fault(fault))
}

/// Whose code it is and what it allows; a code works once, at its own app, while it lives.
fn spend_code(world: &World, given: &Parameters) -> Result<(Grant, String), Refused> {
    let (app_id, now) = (parameter(given, "appid"), world.clock.now());
    let mut state = world.state();
    let code = state.codes.get_mut(parameter(given, "code"));
    let code = code.filter(|code| code.grant.app_id == app_id && now < code.grant.expires_at);
    let code = code.ok_or(Refused::Fault(INVALID_CODE))?;
    if std::mem::replace(&mut code.is_used, true) {
        return Err(Refused::Fault(CODE_USED));
    }
    Ok((code.grant.clone(), code.scope.clone()))
}

fn new_token(world: &World) -> Result<String, NoEntropy> {
    Ok(format!(
        "93_{}",
        URL_SAFE_NO_PAD.encode(world.random::<63>()?)
    ))
}
