//! WeChat's login for web pages and for mini programs (`docs/contract.md`, sections 10.2 and 10.4).
//!
//! WeChat answers 200 with an `errcode` where others use a status. It takes the app's secret in the query, so an address
//! of these calls is a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::{
    MAX_NICKNAME, MAX_PLACE, id, integer, is_id, picture_address, read_object, sex, shown, text,
};
use super::client::{Request, address};
use super::error::{CallError, ProviderError};
use super::{Provider, TenantProviders};
use crate::domain::identity::{WechatIdentity, WechatProfile};

/// An app at WeChat: an official account, a web app of the open platform, or a mini program.
#[derive(Clone, Debug)]
pub struct WechatApp {
    /// Its public name there.
    pub app_id: String,
    /// Its secret there.
    pub secret: SecretString,
}

/// What WeChat tells about a `js_code`.
#[derive(Clone, Debug)]
pub struct MiniProgramSession {
    /// The account's name at this mini program.
    pub open_id: String,
    /// The account's name at all apps of one owner, where WeChat tells it.
    pub union_id: Option<String>,
    /// Opens the data that the mini program's client sends. 16 bytes in base64; never leaves this server.
    pub session_key: SecretString,
}

impl TenantProviders {
    /// WeChat's page that asks for consent and comes back to `redirect` with a `code` and our `state`: inside WeChat's
    /// own browser, or with `scan` on a computer, by a picture to scan.
    #[must_use]
    pub fn authorize_url(
        &self,
        app: &WechatApp,
        scan: bool,
        redirect: &str,
        state: &str,
    ) -> String {
        let (path, scope) = if scan {
            ("/connect/qrconnect", "snsapi_login")
        } else {
            ("/connect/oauth2/authorize", "snsapi_userinfo")
        };
        let query = [
            ("appid", app.app_id.as_str()),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("scope", scope),
            ("state", state),
        ];
        let mut url = address(self.shared.settings.wechat_open_url.as_url(), path, &query);
        // WeChat's pages ask for it.
        url.set_fragment(Some("wechat_redirect"));
        url.into()
    }
}

impl TenantProviders {
    /// The WeChat account that gave `code` to the app.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] with WeChat's `errcode`: 40029 an invalid code, 40163 a used one, and others.
    pub async fn wechat_user(
        &self,
        app: &WechatApp,
        code: &str,
    ) -> Result<WechatIdentity, ProviderError> {
        let work = async {
            judge_code(code)?;
            let token = self
                .ask_wechat(
                    "/sns/oauth2/access_token",
                    &[
                        ("appid", app.app_id.as_str()),
                        ("secret", app.secret.expose_secret()),
                        ("code", code),
                        ("grant_type", "authorization_code"),
                    ],
                )
                .await?;
            let open_id = required_id(&token, "openid")?;
            let user = self
                .ask_wechat(
                    "/sns/userinfo",
                    &[
                        ("access_token", required(&token, "access_token")?),
                        ("openid", &open_id),
                        ("lang", "zh_CN"),
                    ],
                )
                .await?;
            read_user(app, open_id, &token, &user)
        };
        self.call(Provider::Wechat, work).await
    }

    /// The WeChat account and the session key behind a mini program's `js_code`.
    ///
    /// # Errors
    /// As [`TenantProviders::wechat_user`]; also 40226, an account that WeChat blocked.
    pub async fn code_to_session(
        &self,
        app: &WechatApp,
        js_code: &str,
    ) -> Result<MiniProgramSession, ProviderError> {
        let work = async {
            judge_code(js_code)?;
            let session = self
                .ask_wechat(
                    "/sns/jscode2session",
                    &[
                        ("appid", app.app_id.as_str()),
                        ("secret", app.secret.expose_secret()),
                        ("js_code", js_code),
                        ("grant_type", "authorization_code"),
                    ],
                )
                .await?;
            Ok(MiniProgramSession {
                open_id: required_id(&session, "openid")?,
                union_id: id(&session, "unionid")?,
                session_key: session_key(&session)?,
            })
        };
        self.call(Provider::Wechat, work).await
    }

    async fn ask_wechat(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, CallError> {
        let url = address(self.shared.settings.wechat_api_url.as_url(), path, query);
        let answer = self.shared.http.send(Request::get(url)).await?;
        let answer = read_object(&answer.into_body()?)?;
        match answer.get("errcode") {
            None => Ok(answer),
            Some(_) => match integer(&answer, "errcode") {
                Some(0) => Ok(answer),
                Some(code) => Err(refusal(code, text(&answer, "errmsg"))),
                None => Err(CallError::broken("WeChat's errcode is no number")),
            },
        }
    }
}

/// Refuses as WeChat would what cannot be a code of its: it comes from strangers, and WeChat answers an address that is
/// too long with a status that would count for the breaker.
fn judge_code(code: &str) -> Result<(), CallError> {
    if is_id(code) {
        Ok(())
    } else {
        Err(CallError::refused("40029", "invalid code"))
    }
}

/// What an `errcode` means (WeChat's list of global return codes).
fn refusal(code: i64, message: &str) -> CallError {
    match code {
        // "The system is busy, try again later."
        -1 => CallError::broken("WeChat says that it is busy"),
        // More calls in a minute, or in a day, than the app may make.
        45_009 | 45_011 => CallError::Busy,
        _ => CallError::refused(&code.to_string(), without_trace(message)),
    }
}

/// WeChat ends its texts with what helps its support alone: `, rid: …` or `, hints: [ … ]`.
fn without_trace(message: &str) -> &str {
    let ends = ["rid:", "hints:"];
    let end = ends.iter().filter_map(|mark| message.find(mark)).min();
    let kept = end.and_then(|end| message.get(..end)).unwrap_or(message);
    kept.trim_end_matches([',', ' ', '['])
}

fn read_user(
    app: &WechatApp,
    open_id: String,
    token: &Value,
    user: &Value,
) -> Result<WechatIdentity, CallError> {
    if required_id(user, "openid")? != open_id {
        return Err(CallError::broken("WeChat tells of another user"));
    }
    let union_id = match id(user, "unionid")? {
        Some(told) => Some(told),
        None => id(token, "unionid")?,
    };
    Ok(WechatIdentity {
        app_id: app.app_id.clone(),
        open_id,
        union_id,
        profile: WechatProfile {
            nickname: shown(user, "nickname", MAX_NICKNAME),
            avatar_url: picture_address(text(user, "headimgurl")),
            sex: sex(integer(user, "sex")),
            province: shown(user, "province", MAX_PLACE),
            city: shown(user, "city", MAX_PLACE),
            country: shown(user, "country", MAX_PLACE),
        },
    })
}

fn required_id(answer: &Value, name: &str) -> Result<String, CallError> {
    id(answer, name)?.ok_or_else(|| CallError::broken(format!("the answer has no {name}")))
}

fn required<'a>(answer: &'a Value, name: &str) -> Result<&'a str, CallError> {
    match text(answer, name) {
        "" => Err(CallError::broken(format!("the answer has no {name}"))),
        text => Ok(text),
    }
}

fn session_key(session: &Value) -> Result<SecretString, CallError> {
    let key = required(session, "session_key")?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if is_key {
        Ok(key.into())
    } else {
        Err(CallError::broken("WeChat's session_key is no key"))
    }
}
