//! Captchas: a ticket that begins with `good` passes once, any other never.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{
    HCAPTCHA_SECRET, TENCENT_CAPTCHA_APP, TENCENT_CAPTCHA_SECRET, TURNSTILE_SECRET,
};
use super::modes::Service;
use super::sms::{tencent_error, tencent_fault};
use super::wire::{Parameters, header, json as answer, parameter, parameters, serve};
use super::world::World;

/// The longest ticket that may be good; it is kept.
const MOST_TICKET_BYTES: usize = 2048;

enum Verdict {
    Passed,
    Bad,
    Replayed,
}

/// Spends a ticket; each vendor has its own.
fn judge(world: &World, vendor: &str, ticket: &str) -> Verdict {
    if !ticket.starts_with("good") || ticket.len() > MOST_TICKET_BYTES {
        Verdict::Bad
    } else if world
        .state()
        .tickets
        .insert(format!("{vendor} {ticket}"), ())
    {
        Verdict::Passed
    } else {
        Verdict::Replayed
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TencentCall {
    captcha_type: u64,
    ticket: String,
    user_ip: String,
    randstr: String,
    captcha_app_id: u64,
    app_secret_key: String,
}

/// Tencent Cloud captcha, `DescribeCaptchaResult` of 2019-07-22.
pub(super) async fn tencent(world: &World, request: &HttpRequest, body: &Bytes) -> HttpResponse {
    const BUSY: (&str, &str) = ("InternalError", "An internal error has occurred.");
    let refused = || tencent_error(world, BUSY);
    serve(world, Service::Captcha, "captcha.tencent", refused, |_| {
        if let Some(fault) = tencent_fault(world, request, body, "captcha", "2019-07-22") {
            return tencent_error(world, fault);
        }
        let call = serde_json::from_slice::<TencentCall>(body).ok();
        let Some(call) = call.filter(|call| call.captcha_type == 9) else {
            return tencent_error(
                world,
                ("MissingParameter", "A required parameter is missing."),
            );
        };
        let (code, message) = tencent_verdict(world, &call);
        let id = world.request_id()?;
        Ok(answer(&json!({"Response": {
            "CaptchaCode": code,
            "CaptchaMsg": message,
            "EvilLevel": 0,
            "GetCaptchaTime": 0,
            "EvilBitmap": 0,
            "SubmitCaptchaTime": world.clock.now().as_seconds(),
            "RequestId": id,
        }})))
    })
    .await
}

fn tencent_verdict(world: &World, call: &TencentCall) -> (u8, &'static str) {
    let is_own =
        call.captcha_app_id == TENCENT_CAPTCHA_APP && call.app_secret_key == TENCENT_CAPTCHA_SECRET;
    if !is_own {
        return (100, "appid-secretkey-ticket mismatch");
    }
    if call.randstr.is_empty() || call.user_ip.is_empty() {
        return (7, "captcha no match");
    }
    match judge(world, "tencent", &call.ticket) {
        Verdict::Passed => (1, "OK"),
        Verdict::Replayed => (8, "ticket expired"),
        Verdict::Bad => (9, "ticket reused"),
    }
}

/// Cloudflare Turnstile.
pub(super) async fn turnstile(
    world: Data<World>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let vendor = SiteVerify {
        endpoint: "captcha.turnstile",
        secret: TURNSTILE_SECRET,
        busy: "internal-error",
    };
    vendor.answer(&world, &request, &body).await
}

/// hCaptcha.
pub(super) async fn hcaptcha(
    world: Data<World>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let vendor = SiteVerify {
        endpoint: "captcha.hcaptcha",
        secret: HCAPTCHA_SECRET,
        busy: "bad-request",
    };
    vendor.answer(&world, &request, &body).await
}

/// The call that Turnstile and hCaptcha share: `secret`, `response`, `remoteip`.
struct SiteVerify {
    endpoint: &'static str,
    secret: &'static str,
    /// Its error code for a fault of its own.
    busy: &'static str,
}

impl SiteVerify {
    async fn answer(&self, world: &World, request: &HttpRequest, body: &Bytes) -> HttpResponse {
        let given = form_or_json(request, body);
        let refused = || Ok(answer(&failed(self.busy)));
        serve(world, Service::Captcha, self.endpoint, refused, |_| {
            Ok(answer(&self.document(world, &given)))
        })
        .await
    }

    fn document(&self, world: &World, given: &Parameters) -> Value {
        let (secret, ticket) = (parameter(given, "secret"), parameter(given, "response"));
        if secret.is_empty() {
            return failed("missing-input-secret");
        }
        if secret != self.secret {
            return failed("invalid-input-secret");
        }
        if ticket.is_empty() {
            return failed("missing-input-response");
        }
        match judge(world, self.endpoint, ticket) {
            Verdict::Bad => failed("invalid-input-response"),
            Verdict::Replayed => failed("timeout-or-duplicate"),
            Verdict::Passed => json!({
                "success": true,
                "challenge_ts": world.clock.now().to_rfc3339(0),
                "hostname": "localhost",
                "error-codes": [],
            }),
        }
    }
}

fn failed(code: &str) -> Value {
    json!({"success": false, "error-codes": [code]})
}

fn form_or_json(request: &HttpRequest, body: &[u8]) -> Parameters {
    if header(request, "content-type").starts_with("application/json") {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        parameters(&String::from_utf8_lossy(body))
    }
}
