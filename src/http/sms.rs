//! `POST /api/sms/send` and `POST /api/sms/verify` (`docs/contract.md`, section 10.3).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::answer::document;
use super::calls::Incoming;
use super::openapi::public_schemas;
use super::site::{Site, Visit};
use super::wire::token_document::bare_token_document;
use super::wire::user_document::own_document;
use crate::domain::dialect::Dialect;
use crate::domain::fault::Field;
use crate::login::phone::{CheckCode, Opened, check_code};
use crate::login::sms::{SendCode, send_code};
use crate::tenant::rate_limit::CallKind;

/// The methods of these routes.
pub(super) const METHODS: &str = "POST";

/// Sends a code to a phone.
#[utoipa::path(
    post,
    path = "/api/sms/send",
    operation_id = "sendSms",
    tag = "phone",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::SmsSend>, example = json!({"data": {"attributes": {"mobile": "13800138000", "type": "login"}}})),
    responses((status = 200, description = "Done", body = public_schemas::SmsSent), (status = 201, description = "Sent, in the `discuzq` dialect", body = public_schemas::SmsSent)),
    security((), ("user" = [])),
)]
pub(super) async fn send(request: HttpRequest, payload: Payload, site: Data<Site>) -> HttpResponse {
    let (call, mut attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = SendCode {
        phone: attributes.text("mobile", Field::Mobile),
        purpose: attributes.text("type", Field::SmsType),
        captcha: attributes.captcha(),
        faults: attributes.faults(),
        requester: call.requester(),
        access_token: call.access_token.clone(),
    };
    call.answer(
        &site,
        CallKind::Sms,
        async move |tools, rules| send_code(&tools, &rules, &asked).await,
        |visit, interval| {
            let status = match visit.dialect {
                Dialect::Standard => StatusCode::OK,
                Dialect::Discuzq => StatusCode::CREATED,
            };
            let attributes = json!({"interval": interval});
            let sent = json!({"data": {"type": "smssend", "id": "1", "attributes": attributes}});
            document(status, sent.to_string().into_bytes())
        },
    )
    .await
}

/// Checks a code and does what it is for.
#[utoipa::path(
    post,
    path = "/api/sms/verify",
    operation_id = "verifySms",
    tag = "phone",
    params(
        ("X-Tenant-Id" = Option<String>, Header, description = "Names the tenant, where neither host nor path does", example = "acme"),
    ),
    request_body(content = public_schemas::Call<public_schemas::SmsVerify>, example = json!({"data": {"attributes": {"mobile": "13800138000", "type": "login", "code": "123456"}}})),
    responses((status = 200, description = "Done", body = public_schemas::SmsOutcome)),
    security((), ("user" = [])),
)]
pub(super) async fn verify(
    request: HttpRequest,
    payload: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let (call, mut attributes) = match Incoming::read_attributes(&request, payload, &site).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let asked = CheckCode {
        phone: attributes.text("mobile", Field::Mobile),
        code: attributes.code("code", Field::SmsCode),
        purpose: attributes.text("type", Field::SmsCheckedType),
        register: attributes.switch("register"),
        invite_code: attributes.filled("inviteCode", Field::InviteCode),
        offered: attributes.offered(),
        password: attributes.secret("password", Field::Password),
        faults: attributes.faults(),
        requester: call.requester(),
        access_token: call.access_token.clone(),
        deadline: call.deadline,
    };
    call.answer(
        &site,
        CallKind::Sms,
        async move |tools, rules| check_code(&tools, &rules, &asked).await,
        |visit, opened| document(StatusCode::OK, shown(visit, opened)),
    )
    .await
}

fn shown(visit: &Visit, opened: Opened) -> Vec<u8> {
    match opened {
        Opened::Tokens(tokens) => bare_token_document(&tokens),
        Opened::Account(account) => {
            let settings = &visit.tenant.record.settings;
            own_document(account.user, account.union_id, settings)
        }
    }
}
