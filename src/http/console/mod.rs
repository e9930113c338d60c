//! The console of operators under `/console` (`docs/console.md`): pages over the same use cases as the admin API, with
//! the same rights.
//!
//! Taken: a session that is a row of the platform database, so that it holds at every replica and ends everywhere at
//! once; the browser keeps a random value in a cookie that no script reads and no other site's page sends. A page that
//! changes something is a form; it must come from a page of ours, twice over (`Origin`, and a token in the form), and
//! ends in a redirect. Refused: the admin token in the browser, and calls of the admin API by scripts.
//!
//! Imports `admin` and what the room `html` shares. Invariant: no page shows or does what [`Admin::permit`] forbids.

mod applications;
mod audit;
mod charts;
mod deleted_users;
mod invites;
mod keys;
mod overview;
mod settings;
mod settings_form;
mod sign_in;
mod tenants;
mod usage;
mod users;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::admin::Operators;
use super::error_document::{Refusal, Told};
use super::html::{Fields, Say, Sources, page, path_of, read_form, see_other};
use super::language::choose;
use super::settings::HttpSettings;
use super::site::languages;
use super::wire::query::Query;
use crate::admin::error::AdminError;
use crate::admin::{Admin, ConsoleSession};
use crate::domain::language::Language;
use crate::domain::role::{Right, Role};
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::tenants::TenantRecord;
use crate::telemetry::{History, Metrics};

/// What the console works with.
pub(super) struct Console {
    /// What it shares with the admin API.
    pub(super) operators: Data<Operators>,
    /// The figures of this process.
    pub(super) metrics: Metrics,
    /// Their last half hour.
    pub(super) history: History,
    /// Where the public listener is reached.
    pub(super) public_url: String,
}

/// Largest form: the settings of a tenant with a long word list.
const MOST_FORM: usize = 1024 * 1024;
/// Items of a page of a list.
const PAGE_SIZE: usize = 50;

/// Every page, with the handler of its form where it has one.
pub(super) fn routes(app: &mut ServiceConfig) {
    let get = web::get;
    let post = web::post;
    app.service(
        web::resource("/console/sign-in")
            .route(get().to(sign_in::show))
            .route(post().to(sign_in::sign_in)),
    )
    .service(web::resource("/console/sign-out").route(post().to(sign_in::sign_out)))
    .service(web::resource("/console").route(get().to(overview::show)))
    .service(
        web::resource("/console/tenants")
            .route(get().to(tenants::list))
            .route(post().to(tenants::create)),
    )
    .service(web::resource("/console/audit").route(get().to(audit::list)))
    .service(
        web::resource("/console/tenants/{key}")
            .route(get().to(tenants::show))
            .route(post().to(tenants::change)),
    )
    .service(web::resource("/console/tenants/{key}/state").route(post().to(tenants::move_on)))
    .service(
        web::resource("/console/tenants/{key}/settings")
            .route(get().to(settings::show))
            .route(post().to(settings::change)),
    )
    .service(web::resource("/console/tenants/{key}/versions").route(get().to(settings::versions)))
    .service(
        web::resource("/console/tenants/{key}/versions/{version}")
            .route(get().to(settings::version))
            .route(post().to(settings::restore)),
    )
    .service(
        web::resource("/console/tenants/{key}/invites")
            .route(get().to(invites::list))
            .route(post().to(invites::issue)),
    )
    .service(web::resource("/console/tenants/{key}/invites.csv").route(get().to(invites::download)))
    .service(
        web::resource("/console/tenants/{key}/revoke-invite").route(post().to(invites::revoke)),
    )
    .service(web::resource("/console/tenants/{key}/users").route(get().to(users::list)))
    .service(
        web::resource("/console/tenants/{key}/users/{id}")
            .route(get().to(users::show))
            .route(post().to(users::change)),
    )
    .service(
        web::resource("/console/tenants/{key}/users/{id}/end-sessions")
            .route(post().to(users::end_sessions)),
    )
    .service(
        web::resource("/console/tenants/{key}/users/{id}/delete")
            .route(post().to(deleted_users::delete)),
    )
    .service(
        web::resource("/console/tenants/{key}/deleted-users").route(get().to(deleted_users::list)),
    )
    .service(
        web::resource("/console/tenants/{key}/deleted-users/{id}/restore")
            .route(post().to(deleted_users::restore)),
    )
    .service(
        web::resource("/console/tenants/{key}/deleted-users/{id}/erase")
            .route(post().to(deleted_users::erase)),
    )
    .service(
        web::resource("/console/tenants/{key}/applications")
            .route(get().to(applications::list))
            .route(post().to(applications::decide)),
    )
    .service(
        web::resource("/console/tenants/{key}/keys")
            .route(get().to(keys::list))
            .route(post().to(keys::rotate)),
    )
    .service(web::resource("/console/tenants/{key}/revoke-key").route(post().to(keys::revoke)))
    .service(web::resource("/console/tenants/{key}/usage").route(get().to(usage::show)));
}

/// An administrator at work: who, in which language, at which page.
struct Desk {
    by: Administrator,
    session: ConsoleSession,
    say: Say,
    /// Whether the language was chosen just now, and is to be remembered.
    switched: bool,
    path: String,
    /// The tenant that the path names.
    tenant: Option<TenantRecord>,
    /// What was done a moment ago, by its word.
    done: Option<String>,
}

/// Shows a page to whoever is signed in and has this right.
async fn show(
    request: &HttpRequest,
    console: &Console,
    right: Right,
    work: impl AsyncFnOnce(&Desk) -> Result<HttpResponse, Refusal>,
) -> HttpResponse {
    match enter(request, console, right).await {
        Ok(desk) => match work(&desk).await {
            Ok(response) => desk.remember(response),
            Err(refusal) => desk.tell(&refusal),
        },
        Err(stopped) => *stopped,
    }
}

/// Does what a form asks for, for whoever is signed in and has this right.
async fn act(
    request: &HttpRequest,
    payload: Payload,
    console: &Console,
    right: Right,
    work: impl AsyncFnOnce(&Desk, Fields) -> Result<HttpResponse, Refusal>,
) -> HttpResponse {
    let time = Duration::from_millis(console.operators.settings.body_timeout_ms);
    let fields = read_form(request, payload, MOST_FORM, time, true).await;
    let desk = match enter(request, console, right).await {
        Ok(desk) => desk,
        Err(stopped) => return *stopped,
    };
    let done = match fields {
        Ok(mut fields) => {
            let token = fields.remove("form").unwrap_or_default();
            if desk.session.owns_form(&token) {
                work(&desk, fields).await
            } else {
                Err(Refusal::ForeignForm)
            }
        }
        Err(refusal) => Err(refusal),
    };
    done.unwrap_or_else(|refusal| desk.tell(&refusal))
}

/// Who is signed in, if they may be here.
async fn enter(
    request: &HttpRequest,
    console: &Console,
    right: Right,
) -> Result<Desk, Box<HttpResponse>> {
    let admin = &console.operators.admin;
    let (say, switched) = language(request);
    let session = session_of(request);
    let signed_in = match &session {
        Some(session) => admin.signed_in(session).await,
        None => Err(AdminError::Unauthenticated),
    };
    let (by, session) = match (signed_in, session) {
        (Ok(by), Some(session)) => (by, session),
        (Err(AdminError::Unauthenticated), _) | (Ok(_), None) => {
            return Err(Box::new(see_other("/console/sign-in").finish()));
        }
        (Err(error), _) => return Err(Box::new(sign_in::tell(say, &error.into()))),
    };
    let mut query = Query::read(request.query_string()).ok();
    let mut desk = Desk {
        by,
        session,
        say,
        switched,
        path: request.path().to_owned(),
        tenant: None,
        done: query.as_mut().and_then(|query| query.text("done")),
    };
    let key = request.match_info().get("key").map(TenantKey::parse);
    let found = async {
        let key = match key {
            Some(key) => Some(key.ok_or(AdminError::NotFound("tenant"))?),
            None => None,
        };
        admin.permit(&desk.by, right, key.as_ref()).await?;
        match key {
            Some(key) => Ok(Some(admin.get_tenant(&key).await?)),
            None => Ok::<_, AdminError>(None),
        }
    };
    match found.await {
        Ok(tenant) => {
            desk.tenant = tenant;
            Ok(desk)
        }
        Err(error) => Err(Box::new(desk.tell(&error.into()))),
    }
}

const SESSION_COOKIE: &str = "enroll_console";
const LANGUAGE_COOKIE: &str = "enroll_language";

fn session_of(request: &HttpRequest) -> Option<ConsoleSession> {
    cookie(request, SESSION_COOKIE).and_then(ConsoleSession::from_cookie)
}

/// The only cookie of a name. One that stands twice may be somebody else's, and is none.
fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let lines = request.headers().get_all(header::COOKIE);
    let mut found = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// The language: asked for by the switch, else remembered, else the browser's, else English.
fn language(request: &HttpRequest) -> (Say, bool) {
    let asked = Query::read(request.query_string())
        .ok()
        .and_then(|mut query| Say::parse(&query.text("lang")?));
    let say = asked
        .or_else(|| cookie(request, LANGUAGE_COOKIE).and_then(Say::parse))
        .unwrap_or_else(|| {
            let wished = languages(request.headers());
            Say(choose(wished.as_deref(), Language::English))
        });
    (say, asked.is_some())
}

/// Has the browser remember a language that was chosen.
fn remember_language(response: &mut HttpResponse, say: Say) {
    let value = format!(
        "{LANGUAGE_COOKIE}={}; Path=/console; Max-Age=31536000; HttpOnly; SameSite=Strict",
        say.tag()
    );
    if let Ok(value) = header::HeaderValue::from_str(&value) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

impl Desk {
    /// Whether the administrator's role includes a right here. What a page does not show is refused all the same.
    fn may(&self, right: Right) -> bool {
        self.by.role.includes(right)
    }

    /// The tenant that the path names.
    fn tenant(&self) -> Result<&TenantRecord, Refusal> {
        self.tenant
            .as_ref()
            .ok_or(Refusal::NotFound { what: "tenant" })
    }

    /// What every page shows; `here` is its place in the menu.
    fn frame(&self, here: &'static str) -> Frame<'_> {
        let role = match self.by.role {
            Role::Platform => self.say.t("platform administrator", "平台管理员"),
            Role::Auditor => self.say.t("auditor", "审计员"),
            Role::Tenant(_) => self.say.t("tenant's administrator", "站点管理员"),
        };
        Frame {
            say: self.say,
            css: path_of("enroll.css"),
            script: path_of("console.js"),
            icon: path_of("mark.svg"),
            who: &self.by.name,
            role,
            form: self.session.form_token(),
            here,
            tenant: self.tenant.as_ref(),
            platform: self.may(Right::ReadPlatform),
            may_change: match self.tenant {
                Some(_) => self.may(Right::ChangeTenant),
                None => self.may(Right::ChangePlatform),
            },
            switch: format!("{}?lang={}", self.path, self.say.other().tag()),
            done: self.done.as_deref().and_then(|word| done(word, self.say)),
        }
    }

    /// A page of the console.
    fn page(&self, status: StatusCode, template: &impl Template) -> HttpResponse {
        let sources = Sources {
            script: true,
            ..Sources::default()
        };
        page(status, template, sources)
    }

    /// A refusal as a page.
    fn tell(&self, refusal: &Refusal) -> HttpResponse {
        let told = refusal.told(self.say.0);
        let template = TellPage {
            frame: self.frame(""),
            told: &told,
        };
        self.remember(self.page(status_of(&told), &template))
    }

    fn remember(&self, mut response: HttpResponse) -> HttpResponse {
        if self.switched {
            remember_language(&mut response, self.say);
        }
        response
    }
}

/// The status of a page that tells a refusal.
fn status_of(told: &Told) -> StatusCode {
    StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What was done a moment ago, in words. A closed set: the word stands in an address that anybody can make up.
fn done(word: &str, say: Say) -> Option<&'static str> {
    let (english, chinese) = match word {
        "saved" => ("Saved. The change is in force.", "已保存，立即生效。"),
        "created" => ("The tenant is made and serves.", "站点已创建并开始服务。"),
        "suspended" => ("The tenant is suspended.", "站点已停用。"),
        "resumed" => ("The tenant serves again.", "站点已恢复服务。"),
        "deleted" => ("The tenant is deleted.", "站点已删除。"),
        "user-deleted" => (
            "The user is deleted and can be restored here.",
            "用户已删除，可在此恢复。",
        ),
        "user-restored" => (
            "The user is back, as before; the sessions stay ended.",
            "用户已恢复；原有会话不再有效。",
        ),
        "erased" => ("Nothing of the user is left.", "该用户已彻底清除。"),
        "restored" => (
            "The version is restored, as a new one.",
            "已恢复该版本，并生成新版本。",
        ),
        "revoked" => ("The code is revoked.", "邀请码已撤销。"),
        "rotated" => ("A new key is published.", "新密钥已发布。"),
        "key-revoked" => ("The key is revoked.", "密钥已撤销。"),
        "ended" => (
            "All sessions of the user are ended.",
            "该用户的全部会话已结束。",
        ),
        "decided" => ("Decided.", "已处理。"),
        _ => return None,
    };
    Some(say.t(english, chinese))
}

/// Where people register at a tenant; `None` where neither path nor host names tenants here.
fn hosted_address(
    settings: &HttpSettings,
    public_url: &str,
    tenant: &TenantRecord,
) -> Option<String> {
    if settings.name_by_path {
        return Some(format!("{public_url}/t/{}/register", tenant.key));
    }
    let (scheme, authority) = public_url.split_once("://")?;
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = match (tenant.hosts.first(), &settings.base_domain) {
        (Some(host), _) => host.to_string(),
        (None, Some(domain)) => format!("{}.{domain}", tenant.key),
        (None, None) => return None,
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    settings
        .name_by_host
        .then(|| format!("{scheme}://{host}{port}/register"))
}

/// A moment as the console shows it: UTC, to the second.
fn moment(at: crate::clock::Timestamp) -> String {
    at.to_rfc3339(0).replace('T', " ").replace('Z', " UTC")
}

/// The administrator's use cases.
impl Console {
    fn admin(&self) -> &Admin {
        &self.operators.admin
    }

    fn hosted_address(&self, tenant: &TenantRecord) -> Option<String> {
        hosted_address(&self.operators.settings, &self.public_url, tenant)
    }
}

/// What every page of the console shows.
struct Frame<'a> {
    say: Say,
    css: &'static str,
    script: &'static str,
    icon: &'static str,
    who: &'a str,
    role: &'a str,
    /// Goes into every form.
    form: String,
    /// The page's place in the menu.
    here: &'static str,
    tenant: Option<&'a TenantRecord>,
    /// Whether the platform's pages are shown.
    platform: bool,
    /// Whether forms are shown.
    may_change: bool,
    /// This page in the other language.
    switch: String,
    done: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "console/tell.html")]
struct TellPage<'a> {
    frame: Frame<'a>,
    told: &'a Told,
}

/// What was wrong with a form, by field; a template asks it for each.
#[derive(Default)]
struct Faults {
    general: Vec<String>,
    fields: std::collections::BTreeMap<String, Vec<String>>,
}

impl Faults {
    fn of(refusal: &Refusal, say: Say) -> (StatusCode, Self) {
        let told = refusal.told(say.0);
        let status = status_of(&told);
        let faults = Self {
            general: told.general,
            fields: told.fields,
        };
        (status, faults)
    }

    /// A fault of a field.
    fn note(&mut self, field: &str, text: &str) {
        let texts = self.fields.entry(field.to_owned()).or_default();
        texts.push(text.to_owned());
    }

    fn at(&self, field: &str) -> &[String] {
        self.fields
            .get(field)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.general.is_empty() && self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::cookie;

    #[test]
    fn a_cookie_that_stands_twice_is_none() {
        let asked = |lines: &[&str]| {
            let request = lines
                .iter()
                .fold(TestRequest::get(), |request, line| {
                    request.append_header(("cookie", *line))
                })
                .to_http_request();
            cookie(&request, "a").map(str::to_owned)
        };
        assert_eq!(asked(&["b=2; a=1"]), Some("1".to_owned()));
        assert_eq!(asked(&["aa=1; b=a=2"]), None);
        assert_eq!(asked(&["a=1; a=2"]), None);
        assert_eq!(asked(&["a=1", "a=1"]), None);
        assert_eq!(asked(&[]), None);
    }
}
