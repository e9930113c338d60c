//! Senders of text messages. Each message is kept, to be read at `GET /control/sms`.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{
    ALIYUN, ALIYUN_TEMPLATE, GATEWAY, SMS_SIGN_NAME, TENCENT, TENCENT_SMS_APP, TENCENT_TEMPLATE,
};
use super::modes::Service;
use super::signature::{BadSignature, verify_acs3, verify_aliyun_rpc, verify_gateway, verify_tc3};
use super::wire::{Answer, Parameters, header, hex, json as answer, parameter, parameters, serve};
use super::world::World;
use crate::clock::NoEntropy;
use crate::domain::phone_number::PhoneNumber;

/// Tencent Cloud SMS, `SendSms` of 2021-01-11.
pub(super) async fn tencent(world: &World, request: &HttpRequest, body: &Bytes) -> HttpResponse {
    let refused = || sent_by_tencent(world, &[tencent_status("", EMPTY_PACKAGE)]);
    serve(world, Service::Sms, "sms.tencent", refused, |_| {
        if let Some(fault) = tencent_fault(world, request, body, "sms", "2021-01-11") {
            return tencent_error(world, fault);
        }
        let Ok(call) = serde_json::from_slice::<TencentCall>(body) else {
            return tencent_error(
                world,
                ("MissingParameter", "A required parameter is missing."),
            );
        };
        if call.phone_number_set.len() > MOST_NUMBERS {
            return tencent_error(world, TOO_MANY_NUMBERS);
        }
        let statuses: Vec<Value> = call
            .phone_number_set
            .iter()
            .map(|number| send_by_tencent(world, &call, number))
            .collect();
        sent_by_tencent(world, &statuses)
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TencentCall {
    phone_number_set: Vec<String>,
    sms_sdk_app_id: String,
    template_id: String,
    #[serde(default)]
    sign_name: String,
    #[serde(default)]
    template_param_set: Vec<String>,
}

/// As many numbers as one call to Tencent may name.
const MOST_NUMBERS: usize = 200;
/// The longest nonce of Aliyun's that is taken; it is kept.
const MOST_NONCE_BYTES: usize = 128;

/// A vendor's code and message.
type Told = (&'static str, &'static str);

const OK: Told = ("Ok", "send success");
const TOO_MANY_NUMBERS: Told = (
    "LimitExceeded.PhoneNumberCountLimit",
    "at most 200 phone numbers in a call",
);
const EMPTY_PACKAGE: Told = (
    "FailedOperation.InsufficientBalanceInSmsPackage",
    "insufficient balance in SMS package",
);

fn send_by_tencent(world: &World, call: &TencentCall, number: &str) -> Value {
    let Some(phone) = PhoneNumber::parse(number, "86") else {
        return tencent_status(
            number,
            (
                "InvalidParameterValue.IncorrectPhoneNumber",
                "incorrect phone number",
            ),
        );
    };
    let told = if call.sms_sdk_app_id != TENCENT_SMS_APP {
        (
            "UnauthorizedOperation.SmsSdkAppIdVerifyFail",
            "verify SmsSdkAppId failed",
        )
    } else if call.sign_name != SMS_SIGN_NAME {
        (
            "FailedOperation.SignatureIncorrectOrUnapproved",
            "signature incorrect or unapproved",
        )
    } else if call.template_id != TENCENT_TEMPLATE {
        (
            "FailedOperation.TemplateIncorrectOrUnapproved",
            "template incorrect or unapproved",
        )
    } else {
        let code = call.template_param_set.first().cloned();
        let template = Some(call.template_id.clone());
        world.deliver("tencent", phone.as_e164().to_owned(), code, template);
        OK
    };
    tencent_status(phone.as_e164(), told)
}

fn tencent_status(phone: &str, (code, message): Told) -> Value {
    let is_sent = code == OK.0;
    json!({
        "SerialNo": if is_sent { "5000:1045710669157053657849499619" } else { "" },
        "PhoneNumber": phone,
        "Fee": u8::from(is_sent),
        "SessionContext": "",
        "Code": code,
        "Message": message,
        "IsoCode": if is_sent { "CN" } else { "" },
    })
}

fn sent_by_tencent(world: &World, statuses: &[Value]) -> Answer {
    let id = world.request_id()?;
    Ok(answer(
        &json!({"Response": {"SendStatusSet": statuses, "RequestId": id}}),
    ))
}

/// What is wrong with a call to Tencent Cloud before it is read, if anything.
pub(super) fn tencent_fault(
    world: &World,
    request: &HttpRequest,
    body: &[u8],
    service: &str,
    version: &str,
) -> Option<Told> {
    match verify_tc3(request, body, service, TENCENT, world.clock.now()) {
        Err(BadSignature::Missing) => Some((
            "AuthFailure.InvalidAuthorization",
            "The Authorization header is invalid.",
        )),
        Err(BadSignature::UnknownKey) => Some((
            "AuthFailure.SecretIdNotFound",
            "The SecretId is not found, please ensure that your SecretId is correct.",
        )),
        Err(BadSignature::Expired) => Some((
            "AuthFailure.SignatureExpire",
            "The provided timestamp differs from the server time by more than 5 minutes.",
        )),
        Err(BadSignature::Mismatch) => Some((
            "AuthFailure.SignatureFailure",
            "The provided credentials could not be validated. Please check your signature is correct.",
        )),
        Ok(()) if header(request, "x-tc-version") != version => Some((
            "NoSuchVersion",
            "The version in the request does not exist.",
        )),
        Ok(()) => None,
    }
}

/// Tencent Cloud's error document: HTTP 200 all the same.
pub(super) fn tencent_error(world: &World, (code, message): Told) -> Answer {
    let id = world.request_id()?;
    Ok(answer(&json!({
        "Response": {"Error": {"Code": code, "Message": message}, "RequestId": id},
    })))
}

/// Aliyun SMS, `SendSms` of 2017-05-25, signed in the present way or the older one.
pub(super) async fn aliyun(
    world: &World,
    request: &HttpRequest,
    body: &Bytes,
    given: &Parameters,
) -> HttpResponse {
    let refused = || {
        let told = ("isv.AMOUNT_NOT_ENOUGH", "account balance not enough");
        Ok(answer(&aliyun_document(world, told)?))
    };
    serve(world, Service::Sms, "sms.aliyun", refused, |_| {
        if let Some((mut response, told)) = aliyun_fault(world, request, body, given) {
            let document = aliyun_document(world, told)?.to_string();
            let media_type = "application/json; charset=utf-8";
            return Ok(response.content_type(media_type).body(document));
        }
        let told = send_by_aliyun(world, given);
        let mut document = aliyun_document(world, told)?;
        if let (Some(fields), "OK") = (document.as_object_mut(), told.0) {
            let id = format!("{}^0", hex(&world.random::<8>()?));
            fields.insert("BizId".to_owned(), id.into());
        }
        Ok(answer(&document))
    })
    .await
}

/// What is wrong with a call to Aliyun before it is read, if anything: its HTTP status and the vendor's words.
fn aliyun_fault(
    world: &World,
    request: &HttpRequest,
    body: &[u8],
    given: &Parameters,
) -> Option<(HttpResponseBuilder, Told)> {
    let now = world.clock.now();
    let is_rpc = header(request, "x-acs-action").is_empty();
    let (verified, nonce) = if is_rpc {
        let verified = verify_aliyun_rpc(request.method().as_str(), given, ALIYUN, now);
        (verified, parameter(given, "SignatureNonce"))
    } else {
        let query = parameters(request.query_string());
        let verified = verify_acs3(request, body, &query, ALIYUN, now);
        (verified, header(request, "x-acs-signature-nonce"))
    };
    if let Err(fault) = verified {
        return Some(aliyun_refusal(fault));
    }
    if !(1..=MOST_NONCE_BYTES).contains(&nonce.len()) {
        return Some(aliyun_refusal(BadSignature::Missing));
    }
    let is_new = world.state().nonces.insert(nonce.to_owned(), ());
    (!is_new).then(|| (HttpResponse::BadRequest(), NONCE_USED))
}

const NONCE_USED: Told = (
    "SignatureNonceUsed",
    "Specified signature nonce was used already.",
);

fn send_by_aliyun(world: &World, given: &Parameters) -> Told {
    // With the calling code and without a plus sign. Aliyun takes a bare mainland number too, which cannot be told from a
    // North American one (14155550100).
    let number = format!("+{}", parameter(given, "PhoneNumbers"));
    let Some(phone) = PhoneNumber::from_e164(&number) else {
        return ("isv.MOBILE_NUMBER_ILLEGAL", "invalid mobile number");
    };
    if parameter(given, "SignName") != SMS_SIGN_NAME {
        return ("isv.SMS_SIGNATURE_ILLEGAL", "illegal signature");
    }
    let template = parameter(given, "TemplateCode");
    if template != ALIYUN_TEMPLATE {
        return ("isv.SMS_TEMPLATE_ILLEGAL", "illegal template");
    }
    let Ok(values) = serde_json::from_str::<Value>(parameter(given, "TemplateParam")) else {
        return ("isv.INVALID_JSON_PARAM", "template parameters are no JSON");
    };
    let code = values.get("code").and_then(Value::as_str);
    world.deliver(
        "aliyun",
        phone.as_e164().to_owned(),
        code.map(str::to_owned),
        Some(template.to_owned()),
    );
    ("OK", "OK")
}

fn aliyun_document(world: &World, (code, message): Told) -> Result<Value, NoEntropy> {
    let id = world.request_id()?.to_ascii_uppercase();
    Ok(json!({"Code": code, "Message": message, "RequestId": id}))
}

/// Aliyun answers a bad signature with an HTTP status of its own.
fn aliyun_refusal(fault: BadSignature) -> (HttpResponseBuilder, Told) {
    let told = match fault {
        BadSignature::UnknownKey => {
            let told = (
                "InvalidAccessKeyId.NotFound",
                "Specified access key is not found.",
            );
            return (HttpResponse::NotFound(), told);
        }
        BadSignature::Expired => (
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        ),
        BadSignature::Missing => (
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards.",
        ),
        BadSignature::Mismatch => (
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation.",
        ),
    };
    (HttpResponse::BadRequest(), told)
}

#[derive(Deserialize)]
struct GatewayCall {
    phone: String,
    code: String,
    minutes: u32,
}

/// The generic gateway: any 2xx is a message sent.
pub(super) async fn gateway(world: Data<World>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let refused = || {
        Ok(HttpResponse::TooManyRequests()
            .content_type("application/json")
            .body(json!({"error": "out of credit"}).to_string()))
    };
    serve(&world, Service::Sms, "sms.gateway", refused, |_| {
        if let Err(fault) = verify_gateway(&request, &body, GATEWAY, world.clock.now()) {
            let text = format!("signature: {fault:?}").to_lowercase();
            return Ok(HttpResponse::Unauthorized()
                .content_type("application/json")
                .body(json!({"error": text}).to_string()));
        }
        let call = serde_json::from_slice::<GatewayCall>(&body).ok();
        let call = call.filter(|call| call.minutes > 0);
        let phone = call
            .as_ref()
            .and_then(|call| PhoneNumber::from_e164(&call.phone));
        let (Some(call), Some(phone)) = (call, phone) else {
            return Ok(HttpResponse::BadRequest()
                .content_type("application/json")
                .body(json!({"error": "phone, code and minutes are needed"}).to_string()));
        };
        let code = Some(call.code);
        world.deliver("gateway", phone.as_e164().to_owned(), code, None);
        Ok(answer(&json!({"sent": true, "id": world.request_id()?})))
    })
    .await
}
