//! `/console/tenants`: list, create, show, rename, suspend, resume, delete.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::json;

use super::{Console, Desk, Faults, Frame, PAGE_SIZE, act, moment, show as show_page};
use crate::admin::{PlacementRequest, TenantRequest, TenantUpdate};
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::role::Right;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::SettingsFault;
use crate::http::error_document::Refusal;
use crate::http::html::{Fields, query_of, see_other};
use crate::http::wire::query::Query;
use crate::store::settings::Backend;
use crate::store::tenants::{Placement, TenantFilter, TenantRecord, TenantState};

const MOST_HOSTS: usize = 100;
const LONGEST_NAME: usize = 200;

/// `GET /console/tenants`
pub(super) async fn list(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ListOwn, async |desk| {
        let mut query = Query::read(request.query_string())?;
        let asked = Asked {
            key: query.text("key").unwrap_or_default(),
            state: query.text("state").unwrap_or_default(),
            after: query.known("after", |text| text.parse().ok())?.unwrap_or(0),
        };
        list_page(
            desk,
            &console,
            asked,
            StatusCode::OK,
            NewTenant::default(),
            Faults::default(),
        )
        .await
    })
    .await
}

/// Which tenants are asked for.
struct Asked {
    key: String,
    state: String,
    after: i64,
}

async fn list_page(
    desk: &Desk,
    console: &Console,
    asked: Asked,
    status: StatusCode,
    new: NewTenant,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let admin = console.admin();
    let mut tenants = match TenantKey::parse(&asked.key) {
        // One tenant is found by its key; one of somebody else's is none.
        Some(key) => {
            let permitted = admin.permit(&desk.by, Right::ReadTenant, Some(&key)).await;
            match permitted {
                Ok(()) => admin.get_tenant(&key).await.into_iter().collect(),
                Err(_) => Vec::new(),
            }
        }
        None if !asked.key.is_empty() => Vec::new(),
        None => {
            let filter = TenantFilter {
                state: TenantState::parse(&asked.state),
                ..TenantFilter::default()
            };
            let after = TenantId::from_i64(asked.after);
            let limit = PAGE_SIZE as u64 + 1;
            admin.list_tenants(&desk.by, &filter, after, limit).await?
        }
    };
    let more = tenants.len() > PAGE_SIZE;
    tenants.truncate(PAGE_SIZE);
    let next = tenants.last().filter(|_| more).map(|last| {
        let after = last.id.as_i64().to_string();
        query_of(&[("state", &asked.state), ("after", &after)])
    });
    let template = TenantsPage {
        frame: desk.frame("tenants"),
        databases: console.operators.admin.shared_databases(),
        tenants,
        asked,
        next,
        new,
        faults,
    };
    Ok(desk.page(status, &template))
}

/// `POST /console/tenants`
pub(super) async fn create(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangePlatform,
        async |desk, mut fields| {
            let new = NewTenant::read(&mut fields);
            let mut faults = Faults::default();
            let key = TenantKey::parse(&new.key);
            if key.is_none() {
                faults.note(
                    "key",
                    desk.say
                        .t("2 to 63 of a-z, 0-9 and -", "2 到 63 个 a-z、0-9 或 -"),
                );
            }
            if !is_name(&new.name) {
                faults.note(
                    "name",
                    desk.say.t("at most 200 characters", "最多 200 个字符"),
                );
            }
            let made = match key.filter(|_| faults.is_empty()) {
                Some(key) => {
                    let wanted = TenantRequest {
                        name: match new.name.trim() {
                            "" => key.as_str().to_owned(),
                            name => name.to_owned(),
                        },
                        key,
                        hosts: Vec::new(),
                        placement: match new.database.as_str() {
                            "" => PlacementRequest::OwnFile,
                            name => PlacementRequest::Shared(name.to_owned()),
                        },
                        settings: json!({ "locale": desk.say.tag() }),
                    };
                    let made = console.admin().create_tenant(&desk.by, wanted).await;
                    made.map_err(Refusal::from)
                }
                None => Err(Refusal::Unprocessable(Vec::new())),
            };
            let refusal = match made {
                Ok(record) => {
                    let home = format!("/console/tenants/{}?done=created", record.key);
                    return Ok(see_other(&home).finish());
                }
                Err(refusal) => refusal,
            };
            let (status, told) = Faults::of(&refusal, desk.say);
            if faults.is_empty() {
                faults = told;
            }
            let asked = Asked {
                key: String::new(),
                state: String::new(),
                after: 0,
            };
            list_page(desk, &console, asked, status, new, faults).await
        },
    )
    .await
}

fn is_name(name: &str) -> bool {
    name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// `GET /console/tenants/{key}`
pub(super) async fn show(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    show_page(&request, &console, Right::ReadTenant, async |desk| {
        let tenant = desk.tenant()?;
        let form = Identity::of(tenant);
        tenant_page(desk, &console, StatusCode::OK, &form, Faults::default())
    })
    .await
}

/// `POST /console/tenants/{key}`: its name and host names.
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
            let form = Identity::read(&mut fields, tenant);
            let mut faults = Faults::default();
            if form.name.trim().is_empty() || !is_name(&form.name) {
                faults.note("name", desk.say.t("1 to 200 characters", "1 到 200 个字符"));
            }
            let hosts = form.parsed_hosts();
            if hosts.is_none() {
                let text = desk.say.t(
                    "one host name a line, without ports, at most 100",
                    "每行一个主机名，不含端口，最多 100 个",
                );
                faults.note("hosts", text);
            }
            let (status, faults) = match hosts.filter(|_| faults.is_empty()) {
                None => (StatusCode::UNPROCESSABLE_ENTITY, faults),
                Some(hosts) => {
                    let update = TenantUpdate {
                        name: Some(form.name.trim().to_owned()),
                        hosts: (hosts != tenant.hosts).then_some(hosts),
                        ..TenantUpdate::default()
                    };
                    match console
                        .admin()
                        .change_tenant(&desk.by, &tenant.key, update)
                        .await
                    {
                        Ok(_) => {
                            let home = format!("/console/tenants/{}?done=saved", tenant.key);
                            return Ok(see_other(&home).finish());
                        }
                        Err(error) => Faults::of(&error.into(), desk.say),
                    }
                }
            };
            tenant_page(desk, &console, status, &form, faults)
        },
    )
    .await
}

/// `POST /console/tenants/{key}/state`: suspends, resumes, or deletes; to delete, the key is written once more.
pub(super) async fn move_on(
    request: HttpRequest,
    payload: Payload,
    console: Data<Console>,
) -> HttpResponse {
    act(
        &request,
        payload,
        &console,
        Right::ChangePlatform,
        async |desk, mut fields| {
            let tenant = desk.tenant()?;
            let admin = console.admin();
            let key = &tenant.key;
            let home = format!("/console/tenants/{key}");
            let done = match fields.remove("to").as_deref() {
                Some("suspend") => {
                    admin.suspend_tenant(&desk.by, key).await?;
                    format!("{home}?done=suspended")
                }
                Some("resume") => {
                    admin.resume_tenant(&desk.by, key).await?;
                    format!("{home}?done=resumed")
                }
                Some("delete") => {
                    let written = fields.remove("key").unwrap_or_default();
                    if written.trim() != key.as_str() {
                        let mut faults = Faults::default();
                        let text = desk.say.t(
                            "Write the key to delete the tenant.",
                            "请输入站点标识以确认删除。",
                        );
                        faults.note("confirm", text);
                        let form = Identity::of(tenant);
                        let status = StatusCode::UNPROCESSABLE_ENTITY;
                        return tenant_page(desk, &console, status, &form, faults);
                    }
                    admin.delete_tenant(&desk.by, key).await?;
                    "/console/tenants?done=deleted".to_owned()
                }
                _ => return Err(Refusal::Unprocessable(Vec::new())),
            };
            Ok(see_other(&done).finish())
        },
    )
    .await
}

fn tenant_page(
    desk: &Desk,
    console: &Console,
    status: StatusCode,
    form: &Identity,
    faults: Faults,
) -> Result<HttpResponse, Refusal> {
    let tenant = desk.tenant()?;
    let backend = console.admin().backend_of(tenant).map(Backend::as_str);
    let template = TenantPage {
        frame: desk.frame("tenant"),
        tenant,
        place: match &tenant.placement {
            Placement::Shared(name) => name.clone(),
            Placement::OwnFile | Placement::OwnUrl(_) => desk.say.t("its own", "独立").to_owned(),
        },
        backend: backend.unwrap_or("?"),
        address: console
            .hosted_address(tenant)
            .filter(|_| tenant.settings.page.enabled && tenant.state == TenantState::Active),
        created: moment(tenant.created_at),
        updated: moment(tenant.updated_at),
        warnings: tenant.settings.warnings(),
        may_move: desk.may(Right::ChangePlatform),
        form,
        faults,
    };
    Ok(desk.page(status, &template))
}

/// A tenant to be.
#[derive(Default)]
struct NewTenant {
    key: String,
    name: String,
    /// A shared database, or nothing for a file of its own.
    database: String,
}

impl NewTenant {
    fn read(fields: &mut Fields) -> Self {
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        Self {
            key: take("key"),
            name: take("name"),
            database: take("database"),
        }
    }
}

/// What a tenant is called, as a form holds it.
struct Identity {
    name: String,
    /// One a line.
    hosts: String,
}

impl Identity {
    fn of(tenant: &TenantRecord) -> Self {
        let hosts: Vec<&str> = tenant.hosts.iter().map(HostName::as_str).collect();
        Self {
            name: tenant.name.clone(),
            hosts: hosts.join("\n"),
        }
    }

    /// Who may not change host names sends none.
    fn read(fields: &mut Fields, tenant: &TenantRecord) -> Self {
        let now = Self::of(tenant);
        Self {
            name: fields.remove("name").unwrap_or(now.name),
            hosts: fields.remove("hosts").unwrap_or(now.hosts),
        }
    }

    fn parsed_hosts(&self) -> Option<Vec<HostName>> {
        let mut hosts = Vec::new();
        for line in self
            .hosts
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let host = HostName::parse(line).filter(|_| !line.contains(':'))?;
            if hosts.len() == MOST_HOSTS || hosts.contains(&host) {
                return None;
            }
            hosts.push(host);
        }
        Some(hosts)
    }
}

#[derive(Template)]
#[template(path = "console/tenants.html")]
struct TenantsPage<'a> {
    frame: Frame<'a>,
    /// The shared databases that a tenant may be put into.
    databases: Vec<String>,
    tenants: Vec<TenantRecord>,
    asked: Asked,
    next: Option<String>,
    new: NewTenant,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "console/tenant.html")]
struct TenantPage<'a> {
    frame: Frame<'a>,
    tenant: &'a TenantRecord,
    place: String,
    backend: &'a str,
    address: Option<String>,
    created: String,
    updated: String,
    warnings: Vec<SettingsFault>,
    may_move: bool,
    form: &'a Identity,
    faults: Faults,
}
