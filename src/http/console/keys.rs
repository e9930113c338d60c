//! `/console/tenants/{key}/keys`: the keys that sign a tenant's tokens: list, replace, revoke.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{Console, Frame, act, moment, show as show_page};
use crate::admin::{KEY_NOTICE, KeyState};
use crate::domain::role::Right;
use crate::http::error_document::Refusal;
use crate::http::html::see_other;
use crate::token::Algorithm;

/// `GET /console/tenants/{key}/keys`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let keys = console.admin().list_keys(&tenant.key).await?;
        let say = desk.say;
        let template = KeysPage {
            frame: desk.frame("keys"),
            key: tenant.key.as_str(),
            notice_minutes: KEY_NOTICE.as_secs() / 60,
            rows: keys
                .into_iter()
                .map(|key| KeyRow {
                    state: match key.state {
                        KeyState::Coming => (say.t("will sign", "即将启用"), ""),
                        KeyState::Signing => (say.t("signs", "签名中"), "good"),
                        KeyState::Verifying => (say.t("still counts", "仍可验证"), "warn"),
                        KeyState::Retired => (say.t("over", "已停用"), "bad"),
                    },
                    kid: key.stored.kid,
                    algorithm: key.stored.algorithm,
                    signs_from: moment(key.stored.signs_from),
                    retires_at: key.stored.retires_at.map(moment),
                    is_retired: key.state == KeyState::Retired,
                })
                .collect(),
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// `POST /console/tenants/{key}/keys`
pub(super) async fn rotate(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangeTenant,
        async |desk, mut fields| {
            let key = &desk.tenant()?.key;
            let algorithm = fields.remove("algorithm").unwrap_or_default();
            let algorithm =
                Algorithm::parse(&algorithm).ok_or(Refusal::BadParameter("algorithm"))?;
            let at_once = fields.contains_key("at_once");
            let notice = if at_once { Duration::ZERO } else { KEY_NOTICE };
            let admin = console.admin();
            admin.rotate_key(&desk.by, key, algorithm, notice).await?;
            Ok(see_other(&format!("/console/tenants/{key}/keys?done=rotated")).finish())
        },
    )
    .await
}

/// `POST /console/tenants/{key}/revoke-key`
pub(super) async fn revoke(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangeTenant,
        async |desk, mut fields| {
            let key = &desk.tenant()?.key;
            let kid = fields.remove("kid").unwrap_or_default();
            console.admin().revoke_key(&desk.by, key, &kid).await?;
            Ok::<_, Refusal>(
                see_other(&format!("/console/tenants/{key}/keys?done=key-revoked")).finish(),
            )
        },
    )
    .await
}

struct KeyRow {
    kid: String,
    algorithm: String,
    /// In words, and how good that is.
    state: (&'static str, &'static str),
    signs_from: String,
    retires_at: Option<String>,
    is_retired: bool,
}

#[derive(Template)]
#[template(path = "console/keys.html")]
struct KeysPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    notice_minutes: u64,
    rows: Vec<KeyRow>,
}
