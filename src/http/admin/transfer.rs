//! `/admin/v1/tenants/{key}/users/export` and `…/import`: users with their hashes, page by page and batch by batch
//! (`docs/moving-users.md`). Pages and batches rather than one long stream: each has a deadline, is audited and can be sent
//! again, and neither side holds more than one.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::super::answer::document;
use super::super::openapi::schemas;
use super::document::{Attributes, list as page_of, query, text};
use super::users::{STATUSES, named_status, status_name};
use super::{Operators, as_administrator, read_attributes, tenant_key};
use crate::admin::{ImportRequest, Imported};
use crate::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::identity::{WechatIdentity, WechatProfile};
use crate::domain::ids::UserId;
use crate::domain::invite_code::InviteCode;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::register_reason::RegisterReason;
use crate::domain::role::Right;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;
use crate::hashing;
use crate::store::exports::ExportedUser;
use crate::store::imports::{ImportOutcome, ImportedInvite, ImportedUser};

/// `data.type` of a batch.
const BATCH: &str = "user-imports";
const MOST_ROWS: usize = 1000;
/// The room that the columns have.
const LONGEST_HASH: usize = 255;
const LONGEST_URL: usize = 512;
const MOST_ACCOUNTS: usize = 10;
const MOST_USES: i32 = 1_000_000;

/// `GET /admin/v1/tenants/{key}/users/export`
#[utoipa::path(
    get,
    path = "/admin/v1/tenants/{key}/users/export",
    operation_id = "exportUsers",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
        ("page[size]" = Option<u16>, Query, description = "1 to 500; 50 unless given", minimum = 1, maximum = 500),
        ("page[after]" = Option<i64>, Query, description = "From links.next", minimum = 0),
    ),
    responses((status = 200, description = "Done", body = schemas::Page<schemas::UsersType, schemas::ExportedUser>)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn export(request: HttpRequest, operators: Data<Operators>) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let key = tenant_key(&request)?;
        let (page, _) = query(&request, &[])?;
        let after = UserId::from_i64(page.after);
        let limit = page.size as u64 + 1;
        let users = operators
            .admin
            .export_users(&by, &key, after, limit)
            .await?;
        Ok(page_of(
            &request,
            &page,
            users,
            |user| user.login.user.id.as_i64(),
            resource,
        ))
    })
    .await
}

/// `POST /admin/v1/tenants/{key}/users/import`
#[utoipa::path(
    post,
    path = "/admin/v1/tenants/{key}/users/import",
    operation_id = "importUsers",
    tag = "users",
    params(
        ("key" = String, Path, description = "The tenant's key", example = "acme"),
    ),
    request_body(content = schemas::Request<schemas::UserImportsType, schemas::ImportRows>, example = json!({"data": {"type": "user-imports", "attributes": {"rows": [{"username": "imported"}]}}})),
    responses((status = 200, description = "Done", body = schemas::Imported)),
    security(("administrator" = [])),
    extensions(("x-right" = json!(Right::ChangePlatform.as_str()))),
)]
pub(crate) async fn import(
    request: HttpRequest,
    payload: Payload,
    operators: Data<Operators>,
) -> HttpResponse {
    as_administrator(&request, &operators, Right::ChangePlatform, async |by| {
        let key = tenant_key(&request)?;
        let settings = operators.admin.get_tenant(&key).await?.settings;
        let mut attributes =
            Attributes::new(read_attributes(&request, payload, &operators, BATCH).await?);
        let rows = attributes.require("rows", "a list of 1 to 1000 objects", |value| match value {
            Value::Array(rows) if (1..=MOST_ROWS).contains(&rows.len()) => Some(rows),
            _ => None,
        });
        let dry_run = attributes.take("dry_run", "true or false", |value| value.as_bool());
        attributes.finish()?;
        let mut batch = Batch::default();
        for (number, row) in rows.unwrap_or_default().into_iter().enumerate() {
            batch.add(number, row, &settings);
        }
        let wanted = ImportRequest {
            invites: std::mem::take(&mut batch.invites),
            users: std::mem::take(&mut batch.users),
            dry_run: dry_run.unwrap_or(false),
        };
        let imported = operators.admin.import(&by, &key, wanted).await?;
        let body = json!({ "meta": batch.report(&imported) });
        Ok(document(StatusCode::OK, body.to_string().into_bytes()))
    })
    .await
}

/// A batch as it is read.
#[derive(Default)]
struct Batch {
    invites: Vec<ImportedInvite>,
    users: Vec<ImportedUser>,
    /// The rows of the two lists above, counted from 0.
    invite_rows: Vec<usize>,
    user_rows: Vec<usize>,
    /// Rows that cannot stand, whatever the tenant has.
    refused: Vec<(usize, Vec<(String, String)>)>,
}

impl Batch {
    fn add(&mut self, number: usize, row: Value, settings: &TenantSettings) {
        let Value::Object(mut fields) = row else {
            self.refuse(number, "", "must be an object");
            return;
        };
        let kind = fields.remove("type");
        match kind.as_ref().map(Value::as_str) {
            None | Some(Some("users")) => match read_user(fields, settings) {
                Ok(user) => {
                    self.users.push(user);
                    self.user_rows.push(number);
                }
                Err(faults) => self.refused.push((number, faults)),
            },
            Some(Some("invites")) => match read_invite(fields, settings) {
                Ok(invite) => {
                    self.invites.push(invite);
                    self.invite_rows.push(number);
                }
                Err(faults) => self.refused.push((number, faults)),
            },
            Some(_) => self.refuse(number, "type", "must be users or invites"),
        }
    }

    fn refuse(&mut self, number: usize, field: &str, detail: &str) {
        let fault = (field.to_owned(), detail.to_owned());
        self.refused.push((number, vec![fault]));
    }

    /// How many were made, were there before, and were refused; the last by the number of their row in the request.
    fn report(mut self, imported: &Imported) -> Value {
        let (mut made, mut present) = (0, 0);
        let users = self.user_rows.iter().zip(&imported.users);
        let outcomes = self.invite_rows.iter().zip(&imported.invites).chain(users);
        let outcomes: Vec<(usize, ImportOutcome)> =
            outcomes.map(|(row, outcome)| (*row, *outcome)).collect();
        for (row, outcome) in outcomes {
            match outcome {
                ImportOutcome::Made => made += 1,
                ImportOutcome::Present => present += 1,
                ImportOutcome::Refused(field, detail) => self.refuse(row, field, detail),
            }
        }
        self.refused.sort_by_key(|(row, _)| *row);
        let refused = self.refused.iter().map(|(row, faults)| {
            let reasons = faults
                .iter()
                .map(|(field, detail)| json!({ "field": field, "detail": detail }));
            json!({ "row": row, "reasons": reasons.collect::<Vec<_>>() })
        });
        let refused: Vec<Value> = refused.collect();
        json!({ "made": made, "present": present, "refused": refused })
    }
}

/// Fields of a row by their names, and what is wrong with them. `null` and an empty text mean that a field is absent, since
/// tables of other programs know no difference.
struct Fields {
    left: Map<String, Value>,
    faults: Vec<(String, String)>,
}

impl Fields {
    fn take<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.left.remove(name)?;
        if value.is_null() || value == "" {
            return None;
        }
        let read = read(value);
        if read.is_none() {
            self.fault(name, wanted);
        }
        read
    }

    fn text(&mut self, name: &str, most: usize) -> Option<String> {
        self.take(
            name,
            &format!("must be a text of at most {most} characters"),
            text(most),
        )
    }

    fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name, "must be a date and time (RFC 3339)", |value| {
            Timestamp::parse_rfc3339(value.as_str()?)
        })
    }

    fn address(&mut self, name: &str) -> String {
        let address = self.take(name, "must be an IP address", |value| {
            value.as_str()?.parse::<std::net::IpAddr>().ok()
        });
        address
            .map(|address| address.to_string())
            .unwrap_or_default()
    }

    fn user(&mut self, name: &str) -> Option<UserId> {
        self.take(name, "must be the number of a user", |value| match &value {
            Value::String(text) => UserId::parse(text),
            Value::Number(number) => UserId::parse(&number.to_string()),
            _ => None,
        })
    }

    fn number(&mut self, name: &str, wanted: &str) -> Option<i32> {
        self.take(name, wanted, |value| match &value {
            Value::String(text) => text.parse().ok(),
            value => i32::try_from(value.as_i64()?).ok(),
        })
    }

    fn group(&mut self, name: &str, settings: &TenantSettings) -> Option<i32> {
        let group = self.number(name, "must be the number of a group")?;
        if settings.group(group).is_none() {
            self.fault(name, "the tenant's settings name no such group");
        }
        Some(group)
    }

    fn code(&mut self, name: &str) -> Option<InviteCode> {
        self.take(name, "must be 1 to 64 of A-Z, 0-9, - and _", |value| {
            InviteCode::parse(value.as_str()?)
        })
    }

    fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push((name.to_owned(), detail.to_owned()));
    }

    fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<(String, String)>> {
        let unknown: Vec<String> = self.left.keys().cloned().collect();
        for name in unknown {
            self.fault(&name, "there is no such field");
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(self.faults),
        }
    }
}

fn read_user(
    fields: Map<String, Value>,
    settings: &TenantSettings,
) -> Result<ImportedUser, Vec<(String, String)>> {
    let mut fields = Fields {
        left: fields,
        faults: Vec::new(),
    };
    let id = fields.user("id");
    let name = fields.take("username", "must be a text", |value| {
        Some(value.as_str()?.to_owned())
    });
    let username = match name.as_deref().map(|name| Username::parse(name, settings)) {
        Some(Ok(username)) => Some(username),
        Some(Err(faults)) => {
            for fault in faults {
                fields.fault("username", &said(&fault));
            }
            None
        }
        None => {
            if fields.faults.iter().all(|(field, _)| field != "username") {
                fields.fault("username", "is missing");
            }
            None
        }
    };
    let password_hash = fields.take(
        "password_hash",
        "must be an Argon2id or bcrypt hash of bearable cost",
        |value| {
            let hash = SecretString::from(value.as_str()?);
            let text = hash.expose_secret();
            (text.len() <= LONGEST_HASH && hashing::opens(text)).then_some(hash)
        },
    );
    let status = fields.take("status", &format!("must be {STATUSES}"), |value| {
        named_status(value.as_str()?)
    });
    let reason = fields.take(
        "register_reason",
        "must be a text of at most 50 characters",
        |value| RegisterReason::parse(value.as_str()?).ok(),
    );
    let country = &settings.sms_rules.country_code;
    let phone = fields.take("phone", "must be a phone number", |value| {
        PhoneNumber::parse(value.as_str()?, country)
    });
    let group = fields.group("group_id", settings);
    let refuse_message = fields.text("refuse_message", 255);
    let avatar_url = fields.text("avatar_url", LONGEST_URL);
    let invite_code = fields.code("invite_code");
    let invited_by = fields.user("invited_by");
    let (register_ip, last_login_ip) = (
        fields.address("register_ip"),
        fields.address("last_login_ip"),
    );
    let (created_at, login_at) = (fields.time("created_at"), fields.time("login_at"));
    let wechat = fields.take(
        "wechat",
        "must be a list of at most 10 WeChat accounts, one an app",
        accounts,
    );
    let user = username.map(|username| ImportedUser {
        id,
        username,
        password_hash,
        status: status.unwrap_or(UserStatus::Normal),
        reason,
        refuse_message,
        group_id: group.unwrap_or(settings.registration.default_group),
        phone,
        avatar_url,
        invite_code,
        invited_by,
        register_ip,
        last_login_ip,
        created_at,
        login_at,
        wechat: wechat.unwrap_or_default(),
    });
    fields.finish(user)
}

/// A fault of a name, in English.
fn said(fault: &Fault) -> String {
    match fault {
        Fault::Required => "is missing".to_owned(),
        Fault::TooLong { max } => format!("has more than {max} characters"),
        Fault::TooShort { min } => format!("has less than {min} characters"),
        Fault::ForbiddenCharacter => "holds a character that no name may hold".to_owned(),
        _ => "is a name that nobody may have here".to_owned(),
    }
}

/// WeChat accounts, each of another app.
fn accounts(value: Value) -> Option<Vec<WechatIdentity>> {
    let list = value
        .as_array()
        .filter(|list| list.len() <= MOST_ACCOUNTS)?;
    let mut accounts: Vec<WechatIdentity> = Vec::with_capacity(list.len());
    for account in list {
        let mut fields = Fields {
            left: account.as_object()?.clone(),
            faults: Vec::new(),
        };
        let app_id = fields.text("app_id", 64);
        let open_id = fields.text("open_id", 128);
        let union_id = fields.text("union_id", 128);
        let profile = WechatProfile {
            nickname: fields.text("nickname", 255).unwrap_or_default(),
            avatar_url: fields.text("avatar_url", LONGEST_URL).unwrap_or_default(),
            sex: fields
                .number("sex", "must be 0, 1 or 2")
                .and_then(|sex| i16::try_from(sex).ok())
                .filter(|sex| (0..=2).contains(sex))
                .unwrap_or_default(),
            province: fields.text("province", 64).unwrap_or_default(),
            city: fields.text("city", 64).unwrap_or_default(),
            country: fields.text("country", 64).unwrap_or_default(),
        };
        let account = fields.finish(app_id.zip(open_id)).ok();
        let (app_id, open_id) = account?;
        if accounts.iter().any(|other| other.app_id == app_id) {
            return None;
        }
        accounts.push(WechatIdentity {
            app_id,
            open_id,
            union_id,
            profile,
        });
    }
    Some(accounts)
}

fn read_invite(
    fields: Map<String, Value>,
    settings: &TenantSettings,
) -> Result<ImportedInvite, Vec<(String, String)>> {
    let mut fields = Fields {
        left: fields,
        faults: Vec::new(),
    };
    let code = fields.code("code");
    if code.is_none() && fields.faults.is_empty() {
        fields.fault("code", "is missing");
    }
    let max_uses = fields
        .number("max_uses", "must be 1 to 1000000")
        .unwrap_or(1);
    if !(1..=MOST_USES).contains(&max_uses) {
        fields.fault("max_uses", "must be 1 to 1000000");
    }
    let uses = fields.number("uses", "must be 0 to max_uses").unwrap_or(0);
    if !(0..=max_uses).contains(&uses) {
        fields.fault("uses", "must be 0 to max_uses");
    }
    let expires_at = fields.time("expires_at");
    let revoked_at = fields.time("revoked_at");
    let note = fields.text("note", 255).unwrap_or_default();
    let group_id = fields.group("group_id", settings);
    let issued_by = fields.user("issued_by");
    let created_at = fields.time("created_at");
    let invite = code.map(|code| ImportedInvite {
        code,
        max_uses,
        uses,
        expires_at,
        revoked_at,
        note,
        group_id,
        issued_by,
        created_at,
    });
    fields.finish(invite)
}

/// The attributes are a row of an import, besides `type` and `id`.
fn resource(exported: &ExportedUser) -> Value {
    let ExportedUser {
        login,
        invite_code,
        invited_by,
        wechat,
    } = exported;
    let user = &login.user;
    let wechat: Vec<Value> = wechat
        .iter()
        .map(|account| {
            let profile = &account.profile;
            json!({
                "app_id": account.app_id, "open_id": account.open_id, "union_id": account.union_id,
                "nickname": profile.nickname, "avatar_url": profile.avatar_url, "sex": profile.sex,
                "province": profile.province, "city": profile.city, "country": profile.country,
            })
        })
        .collect();
    json!({
        "type": "users",
        "id": user.id.to_string(),
        "attributes": {
            "username": user.display_name,
            "password_hash": login.password_hash.as_ref().map(ExposeSecret::expose_secret),
            "status": status_name(user.status),
            "group_id": user.group_id,
            "phone": user.phone.as_ref().map(PhoneNumber::as_e164),
            "register_reason": user.register_reason,
            "refuse_message": user.refuse_message,
            "avatar_url": user.avatar_url,
            "invite_code": invite_code,
            "invited_by": invited_by.map(|member| member.to_string()),
            "register_ip": user.register_ip,
            "last_login_ip": user.last_login_ip,
            "created_at": user.created_at.to_rfc3339(0),
            "login_at": user.login_at.to_rfc3339(0),
            "wechat": wechat,
        },
    })
}
