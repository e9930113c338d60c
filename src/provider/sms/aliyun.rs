//! Alibaba Cloud SMS: action `SendSms` of version 2017-05-25, signed with ACS3-HMAC-SHA256 (signature method V3).

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::super::answer::{read_object, text};
use super::super::client::{Answer, Request, host};
use super::super::digest::{hex, hmac_sha256, sha256_hex};
use super::super::error::CallError;
use super::Message;
use crate::clock::{Entropy, Timestamp};
use crate::provider::Shared;

const ACTION: &str = "SendSms";
const VERSION: &str = "2017-05-25";

/// A key's name and the key.
type Key<'a> = (&'a str, &'a SecretString);

pub(super) async fn send(
    shared: &Shared,
    key: Key<'_>,
    (sign_name, template_code): (&str, &str),
    message: &Message<'_>,
) -> Result<(), CallError> {
    let nonce = Entropy
        .bytes::<16>()
        .map_err(|error| CallError::broken(error.to_string()))?;
    let mut url = shared.settings.aliyun_sms_url.as_url().clone();
    let head = Head {
        action: ACTION,
        version: VERSION,
        host: host(&url),
        date: shared.clock.now(),
        nonce: hex(&nonce),
    };
    let variables = json!({"code": message.code, "minutes": message.minutes.to_string()});
    let query = canonical_query(&[
        (
            "PhoneNumbers",
            message.phone.as_e164().trim_start_matches('+'),
        ),
        ("SignName", sign_name),
        ("TemplateCode", template_code),
        ("TemplateParam", &variables.to_string()),
    ]);
    // The signature covers this path and exactly this query.
    url.set_path("/");
    url.set_query(Some(&query));
    let headers = head.signed(key, &query);
    let request = Request::post(url, headers, String::new());
    read(&shared.http.send(request).await?)
}

/// Sent is `Code` "OK". A refusal comes with a status of 200 or, when the request itself is at fault, 400 to 499.
fn read(answer: &Answer) -> Result<(), CallError> {
    if !answer.is_success() && !(400..500).contains(&answer.status) {
        return Err(answer.unexpected());
    }
    let told = read_object(&answer.body).map_err(|error| match answer.is_success() {
        true => error,
        false => answer.unexpected(),
    })?;
    match text(&told, "Code") {
        "OK" if answer.is_success() => Ok(()),
        "" | "OK" => Err(CallError::broken("the answer has no Code that fits")),
        code if code.starts_with("Throttling") => Err(CallError::Busy),
        code => Err(CallError::refused(code, text(&told, "Message"))),
    }
}

/// The fields that are signed, besides the hash of the empty body.
struct Head {
    action: &'static str,
    version: &'static str,
    host: String,
    date: Timestamp,
    nonce: String,
}

impl Head {
    /// All fields of the request with the signature among them.
    fn signed(self, (id, secret): Key<'_>, query: &str) -> Vec<(&'static str, String)> {
        const SIGNED: &str = "host;x-acs-action;x-acs-content-sha256;x-acs-date;\
                              x-acs-signature-nonce;x-acs-version";
        let payload = sha256_hex(b"");
        let mut headers = vec![
            ("host", self.host),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", payload.clone()),
            ("x-acs-date", self.date.to_rfc3339(0)),
            ("x-acs-signature-nonce", self.nonce),
            ("x-acs-version", self.version.to_owned()),
        ];
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let request = format!("POST\n/\n{query}\n{lines}\n{SIGNED}\n{payload}");
        let text = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(request.as_bytes()));
        let signature = hex(hmac_sha256(secret.expose_secret().as_bytes(), &text).as_ref());
        headers.push((
            "authorization",
            format!(
                "ACS3-HMAC-SHA256 Credential={id},SignedHeaders={SIGNED},Signature={signature}"
            ),
        ));
        headers
    }
}

/// The parameters, which must be in the order of their names, percent-encoded after RFC 3986.
fn canonical_query(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::{Head, canonical_query};
    use crate::clock::Timestamp;

    /// The example with fixed values in Alibaba Cloud's documentation of signature method V3.
    #[test]
    fn the_signature_is_the_published_one() {
        let query = canonical_query(&[
            (
                "ImageId",
                "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
            ),
            ("RegionId", "cn-shanghai"),
        ]);
        let head = Head {
            action: "RunInstances",
            version: "2014-05-26",
            host: "ecs.cn-shanghai.aliyuncs.com".to_owned(),
            date: Timestamp::parse_rfc3339("2023-10-26T10:22:32Z").unwrap(),
            nonce: "3156853299f313e23d1673dc12e1703d".to_owned(),
        };
        let headers = head.signed(("YourAccessKeyId", &"YourAccessKeySecret".into()), &query);
        let (_, field) = headers.last().unwrap();
        assert_eq!(
            field,
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    #[test]
    fn whatever_is_not_unreserved_is_percent_encoded() {
        let query = canonical_query(&[("A", "a b*c~d/e"), ("B", "\u{7801}")]);
        assert_eq!(query, "A=a%20b%2Ac~d%2Fe&B=%E7%A0%81");
    }
}
