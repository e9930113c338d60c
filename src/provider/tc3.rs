//! Tencent Cloud's interface: its signature TC3-HMAC-SHA256 and its form of answers.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::{read_object, text};
use super::client::{HttpClient, Request, host};
use super::digest::{hex, hmac_sha256, sha256_hex};
use super::error::CallError;
use crate::clock::Timestamp;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// An account at Tencent Cloud.
pub(super) struct Credentials<'a> {
    pub secret_id: &'a str,
    pub secret_key: &'a SecretString,
}

/// One action of one service.
pub(super) struct Action<'a> {
    pub service: &'static str,
    pub name: &'static str,
    pub version: &'static str,
    /// Empty for a service without regions.
    pub region: &'a str,
}

/// Asks for an action and gives the answer's `Response`.
pub(super) async fn call(
    http: &HttpClient,
    base: &Url,
    credentials: &Credentials<'_>,
    action: &Action<'_>,
    body: String,
    now: Timestamp,
) -> Result<Value, CallError> {
    let signature = authorization(credentials, action.service, &host(base), &body, now);
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("authorization", signature),
        ("x-tc-action", action.name.to_owned()),
        ("x-tc-version", action.version.to_owned()),
        ("x-tc-timestamp", now.as_seconds().to_string()),
    ];
    if !action.region.is_empty() {
        headers.push(("x-tc-region", action.region.to_owned()));
    }
    let mut url = base.clone();
    // The signature covers this path alone.
    url.set_path("/");
    let answer = http.send(Request::post(url, headers, body)).await?;
    let mut answer = read_object(&answer.into_body()?)?;
    let response = answer
        .get_mut("Response")
        .filter(|response| response.is_object())
        .ok_or_else(|| CallError::broken("the answer has no Response"))?
        .take();
    match response.get("Error") {
        None => Ok(response),
        Some(error) => Err(refusal(text(error, "Code"), text(error, "Message"))),
    }
}

/// What an error's name means (Tencent Cloud's list of common error codes).
pub(super) fn refusal(code: &str, message: &str) -> CallError {
    if code.is_empty() {
        CallError::broken("the answer's Error has no Code")
    } else if code.starts_with("InternalError") {
        CallError::broken("the provider reports an error of its own")
    } else if code.starts_with("RequestLimitExceeded") {
        CallError::Busy
    } else {
        CallError::refused(code, message)
    }
}

/// The field `Authorization` (signature method v3): the request is hashed, the hash is signed with a key that is good
/// for one day and service.
fn authorization(
    credentials: &Credentials<'_>,
    service: &str,
    host: &str,
    body: &str,
    now: Timestamp,
) -> String {
    const SIGNED: &str = "content-type;host";
    let payload = sha256_hex(body.as_bytes());
    let request =
        format!("POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{SIGNED}\n{payload}");
    let moment = now.to_rfc3339(0);
    let date = moment.get(..10).unwrap_or_default();
    let scope = format!("{date}/{service}/tc3_request");
    let hash = sha256_hex(request.as_bytes());
    let text = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{hash}", now.as_seconds());
    let secret = format!("TC3{}", credentials.secret_key.expose_secret());
    let dated = hmac_sha256(secret.as_bytes(), date);
    let served = hmac_sha256(dated.as_ref(), service);
    let key = hmac_sha256(served.as_ref(), "tc3_request");
    let signature = hex(hmac_sha256(key.as_ref(), &text).as_ref());
    let id = credentials.secret_id;
    format!(
        "TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Credentials, authorization};
    use crate::clock::Timestamp;

    /// The example of Tencent Cloud's documentation of signature method v3, in both editions of it: the older masks its
    /// key with stars, the newer ends it in EXAMPLE, and each publishes the signature of the key as printed.
    #[test]
    fn the_signature_is_the_published_one() {
        let body = concat!(
            r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "#,
            r#""Name": "instance-name"}]}"#
        );
        for (end, signature) in [
            (
                "*******",
                "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c",
            ),
            (
                "EXAMPLE",
                "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
            ),
        ] {
            let id = format!("AKIDz8krbsJ5yKBZQpn74WFkmLPx3{end}");
            let credentials = Credentials {
                secret_id: &id,
                secret_key: &format!("Gu5t9xGARNpq86cd98joQYCN3{end}").into(),
            };
            let now = Timestamp::from_millis(1_551_113_065_000);
            let field = authorization(&credentials, "cvm", "cvm.tencentcloudapi.com", body, now);
            let expected = format!(
                "TC3-HMAC-SHA256 Credential={id}/2019-02-25/cvm/tc3_request, \
                 SignedHeaders=content-type;host, Signature={signature}"
            );
            assert_eq!(field, expected);
        }
    }
}
