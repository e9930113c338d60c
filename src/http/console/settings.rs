//! `/console/tenants/{key}/settings` and `…/versions`: forms over a tenant's settings, and their versions.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::settings_form::{
    Field, SECTIONS, Section, filled, patch, refilled, section, setting_of,
};
use super::{Console, Desk, Faults, Frame, PAGE_SIZE, act, moment, show as show_page};
use crate::admin::TenantUpdate;
use crate::admin::error::AdminError;
use crate::domain::role::Right;
use crate::http::error_document::Refusal;
use crate::http::html::see_other;
use crate::http::wire::query::Query;

/// `GET /console/tenants/{key}/settings`
pub(super) async fn show(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let section = named(query.text("section").as_deref())?;
        let settings = desk.tenant()?.settings.masked();
        let fields = filled(section, &settings, desk.say);
        settings_page(desk, StatusCode::OK, section, fields, Faults::default())
    })
    .await
}

/// `POST /console/tenants/{key}/settings`
pub(super) async fn change(
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
            let tenant = desk.tenant()?;
            let section = named(fields.remove("section").as_deref())?;
            let seen = fields.remove("version").and_then(|text| text.parse().ok());
            let mut faults = Faults::default();
            let patch = patch(section, &fields, desk.say, &mut faults);
            let status = if faults.is_empty() {
                let update = TenantUpdate {
                    settings: Some(patch),
                    settings_version: Some(seen.ok_or(Refusal::BadParameter("version"))?),
                    ..TenantUpdate::default()
                };
                match console
                    .admin()
                    .change_tenant(&desk.by, &tenant.key, update)
                    .await
                {
                    Ok(_) => {
                        let home = format!(
                            "/console/tenants/{}/settings?section={}&done=saved",
                            tenant.key, section.id
                        );
                        return Ok(see_other(&home).finish());
                    }
                    Err(AdminError::Settings(found)) => {
                        for fault in found {
                            match setting_of(section, &fault.path) {
                                Some(path) => faults.note(path, &fault.detail),
                                None => faults
                                    .general
                                    .push(format!("{}: {}", fault.path, fault.detail)),
                            }
                        }
                        StatusCode::UNPROCESSABLE_ENTITY
                    }
                    Err(error) => {
                        let (status, told) = Faults::of(&error.into(), desk.say);
                        faults = told;
                        status
                    }
                }
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            let shown = refilled(section, &fields, desk.say);
            settings_page(desk, status, section, shown, faults)
        },
    )
    .await
}

fn named(id: Option<&str>) -> Result<&'static Section, Refusal> {
    let found = section(id.unwrap_or_default());
    found.ok_or(Refusal::NotFound { what: "settings" })
}

fn settings_page(
    desk: &Desk,
    status: StatusCode,
    section: &'static Section,
    fields: Vec<Field>,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    // What weighs on other tenants is the platform's to set.
    let is_open = section.id != "limits" || desk.may(Right::ChangePlatform);
    let mut frame = desk.frame("settings");
    frame.may_change = frame.may_change && is_open;
    let template = SettingsPage {
        frame,
        key: tenant.key.as_str(),
        version: tenant.settings_version,
        sections: SECTIONS,
        section,
        fields,
        faults,
    };
    Ok(desk.page(status, &template))
}

/// `GET /console/tenants/{key}/versions`
pub(super) async fn versions(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let mut query = Query::read(request.query_string())?;
        let after = query.known("after", |text| text.parse().ok())?.unwrap_or(0);
        let limit = PAGE_SIZE as u64 + 1;
        let found = console
            .admin()
            .list_settings_versions(&tenant.key, after, limit)
            .await?;
        let mut rows: Vec<VersionRow> = found
            .into_iter()
            .map(|version| VersionRow {
                number: version.version,
                by: version.changed_by,
                at: moment(version.created_at),
            })
            .collect();
        let more = rows.len() > PAGE_SIZE;
        rows.truncate(PAGE_SIZE);
        let template = VersionsPage {
            frame: desk.frame("versions"),
            key: tenant.key.as_str(),
            current: tenant.settings_version,
            next: rows.last().filter(|_| more).map(|row| row.number),
            rows,
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// `GET /console/tenants/{key}/versions/{version}`: a version, and how it differs from another, by default the present one.
pub(super) async fn version(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let number = named_version(&request)?;
        let mut query = Query::read(request.query_string())?;
        let against = query.known("against", |text| text.parse().ok())?;
        let against = against.unwrap_or(tenant.settings_version);
        let (version, settings, differences) = console
            .admin()
            .get_settings_version(&tenant.key, number, Some(against))
            .await?;
        let written = |value| serde_json::to_string(value).unwrap_or_default();
        let template = VersionPage {
            frame: desk.frame("versions"),
            key: tenant.key.as_str(),
            current: tenant.settings_version,
            number,
            against,
            by: &version.changed_by,
            at: moment(version.created_at),
            rows: differences
                .iter()
                .map(|difference| DifferenceRow {
                    path: &difference.path,
                    before: written(&difference.before),
                    after: written(&difference.after),
                })
                .collect(),
            whole: serde_json::to_string_pretty(&settings.masked()).unwrap_or_default(),
        };
        Ok::<_, Refusal>(desk.page(StatusCode::OK, &template))
    })
    .await
}

/// `POST /console/tenants/{key}/versions/{version}`: goes back to it.
pub(super) async fn restore(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangeTenant,
        async |desk, _| {
            let tenant = desk.tenant()?;
            let number = named_version(&request)?;
            console
                .admin()
                .restore_settings(&desk.by, &tenant.key, number)
                .await?;
            let home = format!("/console/tenants/{}/versions?done=restored", tenant.key);
            Ok::<_, Refusal>(see_other(&home).finish())
        },
    )
    .await
}

fn named_version(request: &HttpRequest) -> Result<i32, Refusal> {
    let version = request.match_info().get("version");
    let version = version.and_then(|text| text.parse().ok());
    version.ok_or(Refusal::NotFound {
        what: "settings version",
    })
}

#[derive(Template)]
#[template(path = "console/settings.html")]
struct SettingsPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    version: i32,
    sections: &'static [Section],
    section: &'static Section,
    fields: Vec<Field>,
    faults: Faults,
}

struct VersionRow {
    number: i32,
    by: String,
    at: String,
}

#[derive(Template)]
#[template(path = "console/versions.html")]
struct VersionsPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    current: i32,
    rows: Vec<VersionRow>,
    next: Option<i32>,
}

struct DifferenceRow<'a> {
    path: &'a str,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "console/version.html")]
struct VersionPage<'a> {
    frame: Frame<'a>,
    key: &'a str,
    current: i32,
    number: i32,
    against: i32,
    by: &'a str,
    at: String,
    rows: Vec<DifferenceRow<'a>>,
    whole: String,
}
