//! The admin API under `/admin/v1` on the operators' listener (`docs/api.md`): JSON:API, one file a resource.

pub(super) mod administrators;
pub(super) mod applications;
pub(super) mod audit;
pub(super) mod deleted_users;
mod document;
mod export;
pub(super) mod invite_batches;
pub(super) mod invites;
pub(super) mod keys;
pub(super) mod pressure;
pub(super) mod settings_versions;
pub(super) mod tenants;
pub(super) mod transfer;
pub(super) mod usage;
pub(super) mod users;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::answer::refuse;
use super::body;
use super::error_document::Refusal;
use super::language::choose;
use super::settings::HttpSettings;
use super::site::languages;
use super::wire::json::{JsonFault, parse_strict};
use super::wire::media_type::media_type;
use crate::admin::Admin;
use crate::admin::error::AdminError;
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::session::error::CallError;
use crate::store::administrators::Administrator;
use crate::store::signing_keys::MOST_KEYS;

/// What the admin handlers work with.
pub(super) struct Operators {
    pub(super) admin: Admin,
    pub(super) settings: Arc<HttpSettings>,
    /// Answers that are streamed now.
    pub(super) streams: export::Streams,
}

/// Largest body: a batch of settings with a long word list.
const MOST_BODY: usize = 1024 * 1024;

/// Runs a handler for whoever proves to be an administrator with this right, at the tenant that the path names if it names
/// one, and turns its refusal into an answer.
async fn as_administrator<F>(
    request: &HttpRequest,
    operators: &Operators,
    right: Right,
    work: impl FnOnce(Administrator) -> F,
) -> HttpResponse
where
    F: Future<Output = Result<HttpResponse, Refusal>>,
{
    let done = match admit(request, operators, right).await {
        Ok(administrator) => work(administrator).await,
        Err(refusal) => Err(refusal),
    };
    done.unwrap_or_else(|refusal| {
        let language = choose(languages(request.headers()).as_deref(), Language::English);
        refuse(&refusal, Dialect::Standard, language)
    })
}

async fn admit(
    request: &HttpRequest,
    operators: &Operators,
    right: Right,
) -> Result<Administrator, Refusal> {
    let by = authenticate(request, operators).await?;
    let named = request.match_info().get("key").is_some();
    let tenant = named.then(|| tenant_key(request)).transpose()?;
    operators.admin.permit(&by, right, tenant.as_ref()).await?;
    Ok(by)
}

async fn authenticate(
    request: &HttpRequest,
    operators: &Operators,
) -> Result<Administrator, Refusal> {
    let field = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|field| field.to_str().ok());
    let token = field.and_then(|field| match field.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => Some(token.trim()),
        _ => None,
    });
    // Proxies stand in front of the public listener; this one sees its callers itself.
    let address = request
        .peer_addr()
        .map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    Ok(operators.admin.authenticate(token, address).await?)
}

/// The attributes of a document of the given type.
async fn read_attributes(
    request: &HttpRequest,
    payload: Payload,
    operators: &Operators,
    kind: &'static str,
) -> Result<Map<String, Value>, Refusal> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    media_type(
        text(header::CONTENT_TYPE),
        text(header::CONTENT_ENCODING),
        Dialect::Standard,
    )?;
    let time = Duration::from_millis(operators.settings.body_timeout_ms);
    let body = body::read(request, payload, MOST_BODY, time).await?;
    let mut document = parse_strict(&body).map_err(|fault| match fault {
        JsonFault::Malformed => Refusal::MalformedJson,
        JsonFault::DuplicateKey => Refusal::DuplicateKey,
        JsonFault::TooDeep => Refusal::TooDeep,
    })?;
    let data = document.get_mut("data").map(Value::take);
    let Some(Value::Object(mut data)) = data else {
        return Err(Refusal::NotAnEnvelope);
    };
    match data.get("type") {
        Some(Value::String(found)) if found != kind => {
            return Err(wrong_type(kind));
        }
        Some(Value::String(_)) => {}
        _ => return Err(unprocessable("/data/type", "required: a resource type")),
    }
    match data.remove("attributes") {
        Some(Value::Object(attributes)) => Ok(attributes),
        None => Ok(Map::new()),
        Some(_) => Err(unprocessable("/data/attributes", "must be an object")),
    }
}

/// The tenant key of the path. What cannot be a key names no tenant.
fn tenant_key(request: &HttpRequest) -> Result<TenantKey, Refusal> {
    let key = request.match_info().get("key").and_then(TenantKey::parse);
    key.ok_or(Refusal::NotFound { what: "tenant" })
}

/// The JSON pointer (RFC 6901) to a setting: `registration.words[3].word` is `…/registration/words/3/word`.
fn settings_pointer(path: &str) -> String {
    let mut pointer = "/data/attributes/settings".to_owned();
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    for part in parts {
        pointer.push('/');
        pointer.push_str(&escaped(part.strip_suffix(']').unwrap_or(part)));
    }
    pointer
}

/// A member's name as it stands in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unprocessable(pointer: &str, detail: &str) -> Refusal {
    Refusal::Unprocessable(vec![(pointer.to_owned(), detail.to_owned())])
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unauthenticated => CallError::NotAuthenticated.into(),
            AdminError::TooManyAttempts(wait) => Self::TooManyAttempts(wait),
            AdminError::Forbidden => CallError::Forbidden.into(),
            AdminError::NameTaken => Self::Conflict {
                code: "administrator_name_taken",
                detail: "an administrator has this name".into(),
            },
            AdminError::OwnToken => Self::Conflict {
                code: "own_token",
                detail: "nobody revokes their own token".into(),
            },
            AdminError::NotFound(what) => Self::NotFound { what },
            AdminError::KeyTaken => Self::Conflict {
                code: "tenant_key_taken",
                detail: "a tenant has, or had, this key".into(),
            },
            AdminError::HostTaken(host) => Self::Conflict {
                code: "host_taken",
                detail: format!("the host {host} names another tenant"),
            },
            AdminError::CodeTaken => Self::Conflict {
                code: "invite_code_taken",
                detail: "the tenant has this invite code already".into(),
            },
            AdminError::PageGone => unprocessable(
                "",
                "what page[after] names is gone: begin with the first page",
            ),
            AdminError::BatchDiffers => Self::Conflict {
                code: "invite_batch_differs",
                detail: "the batch has codes with another max_uses, expires_at, note or group_id"
                    .into(),
            },
            AdminError::UnknownGroup => unprocessable(
                "/data/attributes/group_id",
                "the tenant's settings name no such group",
            ),
            AdminError::VersionMovedOn(version) => Self::Conflict {
                code: "settings_version_conflict",
                detail: format!("the settings are at version {version}"),
            },
            AdminError::WrongState(state) => Self::Conflict {
                code: "tenant_state_conflict",
                detail: format!("the tenant is {state}"),
            },
            AdminError::NotRestorable(what) => Self::Conflict {
                code: "user_not_restorable",
                detail: format!("another user has the {what} by now"),
            },
            AdminError::TooManyKeys => Self::Conflict {
                code: "too_many_keys",
                detail: format!(
                    "a tenant has at most {MOST_KEYS} keys: revoke one, or wait until one is retired"
                ),
            },
            AdminError::LastKey => Self::Conflict {
                code: "last_key",
                detail: "the tenant has no other key: make one before this one goes".into(),
            },
            AdminError::Settings(faults) => Self::Unprocessable(
                faults
                    .into_iter()
                    .map(|fault| (settings_pointer(&fault.path), fault.detail))
                    .collect(),
            ),
            AdminError::Placement(detail) => unprocessable("/data/attributes/placement", detail),
            AdminError::Unavailable => CallError::Unavailable(Duration::from_secs(1)).into(),
            AdminError::Internal => CallError::Internal.into(),
        }
    }
}

/// What a call of the admin API can be refused with, one of every kind.
pub(super) fn every_refusal() -> Vec<Refusal> {
    let wait = Duration::from_secs(1);
    let errors = [
        AdminError::Unauthenticated,
        AdminError::TooManyAttempts(wait),
        AdminError::Forbidden,
        AdminError::NameTaken,
        AdminError::OwnToken,
        AdminError::NotFound("tenant"),
        AdminError::KeyTaken,
        AdminError::HostTaken("join.example.org".into()),
        AdminError::CodeTaken,
        AdminError::PageGone,
        AdminError::BatchDiffers,
        AdminError::UnknownGroup,
        AdminError::VersionMovedOn(2),
        AdminError::WrongState("suspended"),
        AdminError::NotRestorable("phone number"),
        AdminError::TooManyKeys,
        AdminError::LastKey,
        AdminError::Settings(Vec::new()),
        AdminError::Placement("the database does not answer"),
        AdminError::Unavailable,
        AdminError::Internal,
    ];
    let mut all: Vec<Refusal> = errors.into_iter().map(Refusal::from).collect();
    all.extend([
        Refusal::MalformedJson,
        Refusal::DuplicateKey,
        Refusal::TooDeep,
        Refusal::NotAnEnvelope,
        wrong_type("tenants"),
        Refusal::UnsupportedMediaType,
        Refusal::UnsupportedEncoding,
        Refusal::BodyTooLarge,
        Refusal::BodyTimeout,
        Refusal::BodyCut,
        Refusal::RouteNotFound,
        Refusal::MethodNotAllowed {
            allow: "GET".into(),
        },
        Refusal::TooManyInFlight,
        Refusal::Deadline,
        Refusal::NotReady,
    ]);
    all
}

fn wrong_type(kind: &str) -> Refusal {
    Refusal::Conflict {
        code: "wrong_type",
        detail: format!("data.type must be \"{kind}\""),
    }
}
