//! `GET` and `POST /register`: the tenant's hosted registration page, for sites that build no form of their own
//! (`docs/api.md`, "The hosted page").
//!
//! The form goes through the same pipeline as `POST /api/register`, under the same limits, and shows the same texts. It
//! gives nothing away: no token stands in a page or an address; who has registered logs in at the site.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use secrecy::SecretString;

use super::calls::say_limit;
use super::error_document::{Refusal, Told};
use super::html::{Fields, Say, Sources, page, path_of, query_of, read_form};
use super::site::{Site, Visit};
use super::wire::query::Query;
use crate::clock::Entropy;
use crate::domain::registration::{CaptchaAnswer, Offered, Registration};
use crate::domain::tenant_settings::{CaptchaSettings, Colour, TenantSettings, https_origin};
use crate::registration::error::RegistrationError;
use crate::registration::pipeline::RegistrationRequest;
use crate::session::error::CallError;
use crate::token::token_digest_hex;

/// The methods of the page.
pub(super) const METHODS: &str = "GET, HEAD, POST";
/// The methods of its colours.
pub(super) const METHODS_OF_THEME: &str = "GET, HEAD";

/// `GET /register`
pub(super) async fn show(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let visit = match site.visit(&request).await {
        Ok(visit) => visit,
        Err(unserved) => return nowhere(&unserved.refusal, Say(unserved.language)),
    };
    let mut query = match Query::read(request.query_string()) {
        Ok(query) => query,
        Err(refusal) => return nowhere(&refusal, Say(visit.language)),
    };
    let say = chosen(query.text("lang").as_deref(), &visit);
    let house = match House::open(&request, &visit, say) {
        Ok(house) => house,
        Err(refused) => return *refused,
    };
    let form = Form {
        code: query.text("code").unwrap_or_default(),
        return_to: house.way_back(query.text("return_to")),
        ..Form::default()
    };
    house.ask(form, None)
}

/// `POST /register`
pub(super) async fn register(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let deadline = site.clock.monotonic() + site.request_timeout();
    let time = Duration::from_millis(site.settings.body_timeout_ms);
    let fields = read_form(&request, payload, site.settings.max_body_bytes, time, false).await;
    let visit = match site.visit(&request).await {
        Ok(visit) => visit,
        Err(unserved) => return nowhere(&unserved.refusal, Say(unserved.language)),
    };
    let mut fields = match fields {
        Ok(fields) => fields,
        Err(refusal) => return nowhere(&refusal, Say(visit.language)),
    };
    let say = chosen(fields.remove("lang").as_deref(), &visit);
    let house = match House::open(&request, &visit, say) {
        Ok(house) => house,
        Err(refused) => return *refused,
    };
    let form = Form::read(&mut fields, &house);
    if !is_page_key(&form.key) {
        return house.ask(form, Some(&Refusal::BadIdempotencyKey));
    }
    let asked = RegistrationRequest {
        registration: form.registration(&mut fields),
        requester: visit.requester,
        // A page has no bearer: whoever sends a token along speaks to the API.
        access_token: None,
        idempotency_key: Some(token_digest_hex(&form.key)),
        deadline,
    };
    // Boxed: a call that ends before this point moves a small future.
    let outcome = Box::pin(site.directory.register(&visit.tenant, asked)).await;
    let mut response = match outcome.result {
        Ok(tokens) => house.done(&form, &tokens.user.display_name, false),
        Err(RegistrationError::AwaitsApproval) => house.done(&form, form.username.trim(), true),
        Err(error) => house.ask(form, Some(&error.into())),
    };
    if let Some(standing) = outcome.standing {
        say_limit(response.headers_mut(), standing);
    }
    response
}

/// `GET /register/theme.css`: the tenant's colours. A file, because the page's policy takes no style within it.
pub(super) async fn theme(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let visit = site.visit(&request).await.ok();
    let settings = visit.map(|visit| visit.tenant.record.settings.clone());
    let colour = settings.and_then(|settings| {
        let accent = settings.page.accent.clone()?;
        Some((Colour::parse(&accent)?, accent))
    });
    let text = colour.map(|(colour, accent)| {
        let on = if colour.wants_black_text() {
            "#000"
        } else {
            "#fff"
        };
        format!(":root {{ --brand: {accent}; --on-brand: {on}; }}\n")
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text.unwrap_or_default())
}

/// The language asked for by the switch, else the visit's.
fn chosen(tag: Option<&str>, visit: &Visit) -> Say {
    tag.and_then(Say::parse).unwrap_or(Say(visit.language))
}

/// 32 hexadecimal digits, as [`House::ask`] makes them.
fn is_page_key(key: &str) -> bool {
    key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One tenant's page.
struct House<'a> {
    visit: &'a Visit,
    settings: &'a TenantSettings,
    say: Say,
    /// What stands before `/register` in addresses of this page: nothing, or `/t/{key}`.
    base: String,
    logo_origin: Option<String>,
    in_wechat: bool,
}

impl<'a> House<'a> {
    /// The page, if the tenant has one and takes registrations.
    fn open(request: &HttpRequest, visit: &'a Visit, say: Say) -> Result<Self, Box<HttpResponse>> {
        let record = &visit.tenant.record;
        let settings: &TenantSettings = &record.settings;
        if !settings.page.enabled {
            return Err(Box::new(nowhere(&Refusal::RouteNotFound, say)));
        }
        let base = match request.match_info().get("tenant") {
            Some(_) => format!("/t/{}", record.key),
            None => String::new(),
        };
        let house = Self {
            visit,
            settings,
            say,
            base,
            logo_origin: settings.page.logo_url.as_deref().and_then(https_origin),
            in_wechat: in_wechat(request.headers()),
        };
        if settings.registration.open {
            Ok(house)
        } else {
            Err(Box::new(house.tell(&RegistrationError::Closed.into())))
        }
    }

    fn frame(&self, form: &Form) -> Frame<'_> {
        let other = self.say.other();
        let query = query_of(&[
            ("code", &form.code),
            ("return_to", &form.return_to),
            ("lang", other.tag()),
        ]);
        let version = self.visit.tenant.record.settings_version;
        let page = &self.settings.page;
        Frame {
            say: self.say,
            name: page
                .title
                .as_deref()
                .unwrap_or(&self.visit.tenant.record.name),
            logo: page
                .logo_url
                .as_deref()
                .filter(|_| self.logo_origin.is_some()),
            theme: page
                .accent
                .as_ref()
                .map(|_| format!("{}/register/theme.css?v={version}", self.base)),
            css: path_of("enroll.css"),
            icon: path_of("mark.svg"),
            switch: format!("{}/register{query}", self.base),
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            picture: self.logo_origin.as_deref(),
            ..Sources::default()
        }
    }

    /// An address of the tenant's own sites to go to afterwards; nothing for any other.
    fn way_back(&self, asked: Option<String>) -> String {
        asked
            .filter(|address| self.settings.is_own_page(address))
            .unwrap_or_default()
    }

    /// The form, with what was wrong with it. It keeps what was typed, but never a password.
    fn ask(&self, mut form: Form, refusal: Option<&Refusal>) -> HttpResponse {
        let told = refusal.map(|refusal| refusal.told(self.say.0));
        let fresh = form.key.is_empty()
            || matches!(
                refusal,
                Some(
                    Refusal::BadIdempotencyKey
                        | Refusal::Registration(RegistrationError::SameKeyOtherBody)
                )
            );
        if fresh {
            form.key = match Entropy.bytes::<16>() {
                Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                Err(error) => {
                    tracing::error!(%error, "no form can be made");
                    return self.tell(&CallError::Internal.into());
                }
            };
        }
        let captcha = self.captcha();
        let asks_captcha = self.settings.captcha_on_register();
        let (status, retry_after) = match &told {
            None => (StatusCode::OK, None),
            Some(told) => (page_status(told), told.retry_after),
        };
        let mut faults = told
            .map(|told| Faults {
                general: told.general,
                fields: told.fields,
            })
            .unwrap_or_default();
        faults.gather_unseen(self.shows_reason(), asks_captcha);
        let template = RegisterPage {
            frame: self.frame(&form),
            action: format!("{}/register", self.base),
            welcome: &self.settings.page.welcome,
            reason: self.shows_reason(),
            invite_required: self.settings.registration.invite_required,
            name_length: (
                self.settings.username.min_length,
                self.settings.username.max_length,
            ),
            password_length: (
                self.settings.password.min_length,
                self.settings.password_max_length(),
            ),
            // A page that can show no captcha offers no form that could be sent.
            offered: !asks_captcha || captcha.is_some(),
            turnstile: captcha
                .filter(|(kind, _)| matches!(kind, CaptchaSettings::Turnstile { .. }))
                .map(|(_, key)| key),
            hcaptcha: captcha
                .filter(|(kind, _)| matches!(kind, CaptchaSettings::Hcaptcha { .. }))
                .map(|(_, key)| key),
            wechat: self.wechat(&form),
            faults,
            form: &form,
        };
        let sources = Sources {
            captcha: captcha.map(|(kind, _)| kind),
            ..self.sources()
        };
        let mut response = page(status, &template, sources);
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Whether a reason is asked for.
    fn shows_reason(&self) -> bool {
        self.settings.registration.approval
    }

    /// The captcha that this page can show, where one is asked for: those of Turnstile and hCaptcha need the tenant's
    /// public key. Tencent's wants style within the page, which our policy forbids.
    fn captcha(&self) -> Option<(&CaptchaSettings, &str)> {
        let asked = self.settings.captcha_on_register();
        let kind = self.settings.captcha.as_ref().filter(|_| asked)?;
        let key = self.settings.page.captcha_site_key.as_deref()?;
        (!matches!(kind, CaptchaSettings::Tencent { .. })).then_some((kind, key))
    }

    /// Where WeChat's way to log in begins. It ends at a page of the tenant's own site, so there must be one.
    fn wechat(&self, form: &Form) -> Option<String> {
        let apps = &self.settings.wechat;
        let path = if self.in_wechat {
            apps.official_account.as_ref().map(|_| "/api/oauth/wechat")
        } else {
            apps.open_platform.as_ref().map(|_| "/api/oauth/wechat/pc")
        };
        let has_site = !self.settings.cors.origins.is_empty();
        let query = query_of(&[("redirect", &form.return_to)]);
        path.filter(|_| has_site)
            .map(|path| format!("{}{path}{query}", self.base))
    }

    /// The account is there.
    fn done(&self, form: &Form, username: &str, pending: bool) -> HttpResponse {
        let template = DonePage {
            frame: self.frame(form),
            username,
            pending,
            awaits: Refusal::from(RegistrationError::AwaitsApproval).told(self.say.0),
            return_to: &form.return_to,
        };
        page(StatusCode::OK, &template, self.sources())
    }

    /// A refusal without a form.
    fn tell(&self, refusal: &Refusal) -> HttpResponse {
        let told = refusal.told(self.say.0);
        let template = TellPage {
            frame: self.frame(&Form::default()),
            told: &told,
        };
        page(page_status(&told), &template, self.sources())
    }
}

/// A refusal to somebody whose tenant is not known, has no page, or does not serve.
fn nowhere(refusal: &Refusal, say: Say) -> HttpResponse {
    let told = refusal.told(say.0);
    let template = TellPage {
        frame: Frame {
            say,
            name: "enroll",
            logo: None,
            theme: None,
            css: path_of("enroll.css"),
            icon: path_of("mark.svg"),
            switch: query_of(&[("lang", say.other().tag())]),
        },
        told: &told,
    };
    page(page_status(&told), &template, Sources::default())
}

/// 401 asks a client for a credential (RFC 9110, section 15.5.2), of which a page knows none.
fn page_status(told: &Told) -> StatusCode {
    match StatusCode::from_u16(told.status) {
        Ok(StatusCode::UNAUTHORIZED) => StatusCode::FORBIDDEN,
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether this is WeChat's own browser, whose users need no picture to scan.
fn in_wechat(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .is_some_and(|agent| agent.contains("MicroMessenger"))
}

/// What was typed, the password excepted.
#[derive(Default)]
struct Form {
    username: String,
    register_reason: String,
    code: String,
    return_to: String,
    /// Makes a form that is sent twice one registration; random, 32 hexadecimal digits.
    key: String,
}

impl Form {
    fn read(fields: &mut Fields, house: &House<'_>) -> Self {
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        Self {
            username: take("username"),
            register_reason: take("register_reason"),
            code: take("code"),
            key: take("key"),
            return_to: house.way_back(Some(take("return_to"))),
        }
    }

    fn registration(&self, fields: &mut Fields) -> Registration {
        let mut take = |name: &str| fields.remove(name);
        let filled = |text: &String| (!text.trim().is_empty()).then(|| text.clone());
        // The names under which the two providers' own scripts send what a solved captcha gave.
        let ticket = take("cf-turnstile-response").or_else(|| take("h-captcha-response"));
        Registration {
            username: Some(self.username.clone()),
            // An empty field is a forgotten one; an account without a password is not made by a form.
            password: take("password")
                .filter(|password| !password.is_empty())
                .map(SecretString::from),
            register_reason: filled(&self.register_reason),
            invite_code: filled(&self.code),
            offered: Offered::default(),
            captcha: CaptchaAnswer {
                ticket: ticket.unwrap_or_default(),
                rand_str: String::new(),
            },
            faults: Vec::new(),
        }
    }
}

/// What every page of a tenant shows.
struct Frame<'a> {
    say: Say,
    name: &'a str,
    logo: Option<&'a str>,
    theme: Option<String>,
    css: &'static str,
    icon: &'static str,
    /// This page in the other language.
    switch: String,
}

/// What was wrong, by field.
#[derive(Default)]
struct Faults {
    general: Vec<String>,
    fields: BTreeMap<String, Vec<String>>,
}

impl Faults {
    /// Moves what belongs to a field that the page does not show to the top of the page.
    fn gather_unseen(&mut self, reason: bool, captcha: bool) {
        let shown = |name: &str| match name {
            "username" | "password" | "code" => true,
            "register_reason" => reason,
            "captcha" => captcha,
            _ => false,
        };
        let fields = std::mem::take(&mut self.fields);
        let (seen, unseen): (BTreeMap<_, _>, BTreeMap<_, _>) =
            fields.into_iter().partition(|(name, _)| shown(name));
        self.fields = seen;
        self.general.extend(unseen.into_values().flatten());
    }

    /// The texts at a field.
    fn at(&self, name: &str) -> &[String] {
        self.fields.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn any(&self) -> bool {
        !self.general.is_empty() || !self.fields.is_empty()
    }

    /// Whether this field is the first with a fault: the one to begin with.
    fn first(&self, name: &str) -> bool {
        ["username", "password", "register_reason", "code"]
            .into_iter()
            .find(|known| self.fields.contains_key(*known))
            == Some(name)
    }
}

#[derive(Template)]
#[template(path = "hosted/register.html")]
struct RegisterPage<'a> {
    frame: Frame<'a>,
    action: String,
    welcome: &'a str,
    reason: bool,
    invite_required: bool,
    name_length: (u32, u32),
    password_length: (u32, u32),
    offered: bool,
    turnstile: Option<&'a str>,
    hcaptcha: Option<&'a str>,
    wechat: Option<String>,
    faults: Faults,
    form: &'a Form,
}

#[derive(Template)]
#[template(path = "hosted/done.html")]
struct DonePage<'a> {
    frame: Frame<'a>,
    username: &'a str,
    pending: bool,
    awaits: Told,
    return_to: &'a str,
}

#[derive(Template)]
#[template(path = "hosted/tell.html")]
struct TellPage<'a> {
    frame: Frame<'a>,
    told: &'a Told,
}
