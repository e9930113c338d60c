//! Our own protocol for an operator's gateway: one signed POST for each message; any status of success means sent.
//!
//! `x-enroll-signature` is HMAC-SHA256 over the time, a dot and the body; a gateway refuses a time that is not about now.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::super::client::Request;
use super::super::digest::{hex, hmac_sha256};
use super::super::error::CallError;
use super::Message;
use crate::provider::Shared;

pub(super) async fn send(
    shared: &Shared,
    name: &str,
    (key_id, key): (&str, &SecretString),
    message: &Message<'_>,
) -> Result<(), CallError> {
    let gateway = shared.settings.sms_gateways.get(name).ok_or_else(|| {
        CallError::refused("unknown_gateway", "the settings name no such gateway")
    })?;
    let body = json!({
        "phone": message.phone.as_e164(),
        "code": message.code,
        "minutes": message.minutes,
        "tenant": null,
    })
    .to_string();
    let seconds = shared.clock.now().as_seconds();
    let signature = hmac_sha256(key.expose_secret().as_bytes(), &format!("{seconds}.{body}"));
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-enroll-key", key_id.to_owned()),
        ("x-enroll-timestamp", seconds.to_string()),
        ("x-enroll-signature", hex(signature.as_ref())),
    ];
    let url = gateway.url.as_url().clone();
    let answer = shared.http.send(Request::post(url, headers, body)).await?;
    match answer.status {
        // This message is at fault: a number that nobody can reach must not open the breaker for the others.
        status @ (400 | 422) => Err(CallError::refused(
            &status.to_string(),
            "the gateway does not send to this number",
        )),
        _ => answer.into_body().map(drop),
    }
}
