//! What lies under `/control`: plain JSON for tests, the demo and people with curl (`docs/simulator.md`).

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::accounts::{self, is_wechat_app};
use super::modes::Modes;
use super::user_data::{self, Watermark};
use super::wire::{hex, json as answer, parameter, parameters};
use super::world::{CODE_LIFE, JsCode, User, World, may_be_name, open_id};
use crate::clock::NoEntropy;

/// How many people `GET /control` lists.
const MOST_SHOWN: usize = 100;

/// A control call that cannot be done, and why.
struct Unusable(String);

impl From<&str> for Unusable {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<NoEntropy> for Unusable {
    fn from(error: NoEntropy) -> Self {
        Self(error.to_string())
    }
}

fn told(done: Result<Value, Unusable>) -> HttpResponse {
    match done {
        Ok(document) => answer(&document),
        Err(Unusable(why)) => HttpResponse::BadRequest()
            .content_type("application/json; charset=utf-8")
            .body(json!({"error": why}).to_string()),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unusable> {
    serde_json::from_slice(body).map_err(|error| Unusable(error.to_string()))
}

/// Accounts, modes, people, calls.
pub(super) async fn show(world: Data<World>) -> HttpResponse {
    let state = world.state();
    let users: Vec<&User> = state
        .users
        .iter()
        .map(|(_, user)| user)
        .take(MOST_SHOWN)
        .collect();
    answer(&json!({
        "accounts": accounts::document(),
        "mode": state.modes,
        "users": users,
        "default_user": state.default_user,
        "messages": state.messages.len(),
        "calls": state.calls,
    }))
}

/// Replaces the modes; what is left out is good again.
pub(super) async fn set_modes(world: Data<World>, body: Bytes) -> HttpResponse {
    told(read::<Modes>(&body).and_then(|modes| {
        if let Some(fault) = modes.fault() {
            return Err(fault.into());
        }
        let document = json!(modes);
        world.state().modes = modes;
        Ok(document)
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserWanted {
    name: String,
    nickname: Option<String>,
    #[serde(default)]
    unionid: bool,
    /// Whether this person from now on agrees at once on every authorization page, or, if `false`, no longer.
    default: Option<bool>,
}

/// Makes a person, or changes one.
pub(super) async fn put_user(world: Data<World>, body: Bytes) -> HttpResponse {
    told(read::<UserWanted>(&body).and_then(|wanted| {
        check_name(&wanted.name)?;
        wanted.nickname.as_deref().map_or(Ok(()), check_name)?;
        let user = User {
            nickname: wanted.nickname.unwrap_or_else(|| wanted.name.clone()),
            unionid: wanted.unionid,
            name: wanted.name,
        };
        let mut state = world.state();
        match wanted.default {
            Some(true) => state.default_user = Some(user.name.clone()),
            Some(false) if state.default_user.as_ref() == Some(&user.name) => {
                state.default_user = None;
            }
            _ => {}
        }
        let document = json!({
            "name": user.name, "nickname": user.nickname, "unionid": user.union_id(),
        });
        state.users.insert(user.name.clone(), user);
        Ok(document)
    }))
}

fn check_name(name: &str) -> Result<(), Unusable> {
    if may_be_name(name) {
        Ok(())
    } else {
        Err("a person's name has 1 to 64 characters".into())
    }
}

fn check_app(app_id: &str) -> Result<(), Unusable> {
    if is_wechat_app(app_id) {
        Ok(())
    } else {
        Err("app_id: begins with wx and has at most 64 characters".into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeWanted {
    app_id: String,
    user: String,
}

/// A code of the web flow, as if the person had agreed.
pub(super) async fn make_code(world: Data<World>, body: Bytes) -> HttpResponse {
    told(read::<CodeWanted>(&body).and_then(|wanted| {
        check_app(&wanted.app_id)?;
        check_name(&wanted.user)?;
        let code =
            super::wechat::make_code(&world, &wanted.app_id, &wanted.user, "snsapi_userinfo")?;
        Ok(json!({"code": code, "openid": open_id(&wanted.app_id, &wanted.user)}))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsCodeWanted {
    app_id: String,
    user: String,
    /// Seals this Chinese phone number in place of the profile, as `getPhoneNumber` does.
    phone: Option<String>,
    /// Seals for another app.
    watermark_appid: Option<String>,
    /// Sealed this long ago; below zero: in the future.
    #[serde(default)]
    age_seconds: i64,
    /// Flips one bit of the IV, so that the openId inside is another.
    #[serde(default)]
    tamper: bool,
}

/// What a mini program would send: a code and the sealed data that belongs to it.
pub(super) async fn make_js_code(world: Data<World>, body: Bytes) -> HttpResponse {
    told(read::<JsCodeWanted>(&body).and_then(|wanted| new_js_code(&world, &wanted)))
}

fn new_js_code(world: &World, wanted: &JsCodeWanted) -> Result<Value, Unusable> {
    check_app(&wanted.app_id)?;
    check_name(&wanted.user)?;
    let js_code = hex(&world.random::<16>()?);
    let session_key = world.random::<16>()?;
    let mut iv = world.random::<16>()?;
    let mut state = world.state();
    let user = state.user(&wanted.user);
    let now = world.clock.now();
    let watermark = Watermark {
        timestamp: now.as_seconds().saturating_sub(wanted.age_seconds),
        appid: wanted.watermark_appid.as_deref().unwrap_or(&wanted.app_id),
    };
    let text = match &wanted.phone {
        Some(number) => user_data::phone(number, watermark),
        None => user_data::profile(&user, &wanted.app_id, watermark),
    };
    let sealed = text.and_then(|text| user_data::seal(&text, &session_key, iv));
    let sealed = sealed.ok_or(Unusable::from("the data cannot be sealed"))?;
    // `{"openId":"` are 11 bytes, so byte 12 is the second character of the openId.
    if let (true, Some(byte)) = (wanted.tamper, iv.get_mut(12)) {
        *byte ^= 1;
    }
    let grant = world.grant(&wanted.app_id, &user.name, CODE_LIFE);
    let made = JsCode {
        grant,
        is_used: false,
        session_key,
    };
    state.js_codes.insert(js_code.clone(), made);
    Ok(json!({
        "js_code": js_code,
        "iv": STANDARD.encode(iv),
        "encryptedData": sealed,
        "openid": open_id(&wanted.app_id, &user.name),
        "unionid": user.union_id(),
    }))
}

/// Messages, the newest first; of one number with `phone`.
pub(super) async fn list_messages(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let given = parameters(request.query_string());
    // A plus sign that nobody escaped arrives as a blank.
    let phone = parameter(&given, "phone").replace(' ', "+");
    let state = world.state();
    let found: Vec<_> = state
        .messages
        .iter()
        .filter(|message| phone.is_empty() || message.phone == phone)
        .collect();
    answer(&json!({"messages": found}))
}

/// Forgets all messages.
pub(super) async fn forget_messages(world: Data<World>) -> HttpResponse {
    world.state().messages.clear();
    HttpResponse::NoContent().finish()
}

/// How often each endpoint was called.
pub(super) async fn show_calls(world: Data<World>) -> HttpResponse {
    let calls = json!(world.state().calls);
    answer(&calls)
}

/// Counts from nought again.
pub(super) async fn forget_calls(world: Data<World>) -> HttpResponse {
    world.state().calls.clear();
    HttpResponse::NoContent().finish()
}
