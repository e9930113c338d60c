//! The signatures that callers must show, each computed anew from the request as it came.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpRequest;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::accounts::Key;
use super::wire::{Parameters, header, hex, parameter, percent_encode};
use crate::clock::Timestamp;

/// Why a signature does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadSignature {
    /// There is none, or not all of it.
    Missing,
    /// Made with a key that nobody was given.
    UnknownKey,
    /// Made too long ago, or in the future.
    Expired,
    /// Not of this request, or not with this secret.
    Mismatch,
}

/// How far the clocks of caller and vendor may differ: Tencent's five minutes, which the gateway takes over.
const SKEW: Duration = Duration::from_secs(300);
/// Aliyun's is wider.
const ALIYUN_SKEW: Duration = Duration::from_secs(900);

/// Tencent Cloud API 3.0, `TC3-HMAC-SHA256`: the call of `service` is signed with the key, its body and the headers
/// `content-type` and `host` among it.
pub(super) fn verify_tc3(
    request: &HttpRequest,
    body: &[u8],
    service: &str,
    key: Key,
    now: Timestamp,
) -> Result<(), BadSignature> {
    let shown = authorization(request, "TC3-HMAC-SHA256").ok_or(BadSignature::Missing)?;
    let seconds = header(request, "x-tc-timestamp");
    let signed_at = seconds.parse::<i64>().map_err(|_| BadSignature::Missing)?;
    let signed_at = Timestamp::from_millis(signed_at.saturating_mul(1000));
    let moment = signed_at.to_rfc3339(0);
    let date = moment.split('T').next().unwrap_or_default();
    let scope = format!("{date}/{service}/tc3_request");
    let (id, scope_shown) = part(&shown, "Credential")?
        .split_once('/')
        .ok_or(BadSignature::Missing)?;
    if id != key.id {
        return Err(BadSignature::UnknownKey);
    }
    if scope_shown != scope {
        return Err(BadSignature::Mismatch);
    }
    is_fresh(signed_at, now, SKEW)?;

    let signed = part(&shown, "SignedHeaders")?;
    includes(signed, &["content-type", "host"])?;
    let canonical = format!(
        "{}\n/\n{}\n{}\n{signed}\n{}",
        request.method(),
        request.query_string(),
        canonical_headers(request, signed, true),
        sha256_hex(body),
    );
    let text = format!(
        "TC3-HMAC-SHA256\n{seconds}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let day = sign(format!("TC3{}", key.secret).as_bytes(), date);
    let of_service = sign(day.as_ref(), service);
    let signing = sign(of_service.as_ref(), "tc3_request");
    equal(
        part(&shown, "Signature")?,
        &hex(sign(signing.as_ref(), &text).as_ref()),
    )
}

/// Aliyun OpenAPI V3, `ACS3-HMAC-SHA256`: the query, the body's digest and at least the headers `host` and `x-acs-*`.
pub(super) fn verify_acs3(
    request: &HttpRequest,
    body: &[u8],
    query: &Parameters,
    key: Key,
    now: Timestamp,
) -> Result<(), BadSignature> {
    let shown = authorization(request, "ACS3-HMAC-SHA256").ok_or(BadSignature::Missing)?;
    if part(&shown, "Credential")? != key.id {
        return Err(BadSignature::UnknownKey);
    }
    let date = Timestamp::parse_rfc3339(header(request, "x-acs-date"));
    is_fresh(date.ok_or(BadSignature::Missing)?, now, ALIYUN_SKEW)?;
    let body_hash = sha256_hex(body);
    if header(request, "x-acs-content-sha256") != body_hash {
        return Err(BadSignature::Mismatch);
    }
    let signed = part(&shown, "SignedHeaders")?;
    let needed = [
        "host",
        "x-acs-action",
        "x-acs-content-sha256",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-version",
    ];
    includes(signed, &needed)?;
    let canonical = format!(
        "{}\n/\n{}\n{}\n{signed}\n{body_hash}",
        request.method(),
        canonical_query(query),
        canonical_headers(request, signed, false),
    );
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes()));
    equal(
        part(&shown, "Signature")?,
        &hex(sign(key.secret.as_bytes(), &text).as_ref()),
    )
}

/// Aliyun's older RPC signature, `HMAC-SHA1` over all parameters but itself.
pub(super) fn verify_aliyun_rpc(
    method: &str,
    given: &Parameters,
    key: Key,
    now: Timestamp,
) -> Result<(), BadSignature> {
    let shown = parameter(given, "Signature");
    if shown.is_empty() || parameter(given, "SignatureMethod") != "HMAC-SHA1" {
        return Err(BadSignature::Missing);
    }
    if parameter(given, "AccessKeyId") != key.id {
        return Err(BadSignature::UnknownKey);
    }
    let date = Timestamp::parse_rfc3339(parameter(given, "Timestamp"));
    is_fresh(date.ok_or(BadSignature::Missing)?, now, ALIYUN_SKEW)?;
    let mut signed = given.clone();
    signed.remove("Signature");
    let query = percent_encode(&canonical_query(&signed));
    let text = format!("{method}&%2F&{query}");
    let secret = format!("{}&", key.secret);
    let secret = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    equal(
        shown,
        &STANDARD.encode(hmac::sign(&secret, text.as_bytes())),
    )
}

/// The generic gateway: hexadecimal HMAC-SHA256 over the time in seconds, a dot and the body.
pub(super) fn verify_gateway(
    request: &HttpRequest,
    body: &[u8],
    key: Key,
    now: Timestamp,
) -> Result<(), BadSignature> {
    let shown = header(request, "x-enroll-signature");
    let seconds = header(request, "x-enroll-timestamp");
    let signed_at = seconds.parse::<i64>().map_err(|_| BadSignature::Missing)?;
    if shown.is_empty() {
        return Err(BadSignature::Missing);
    }
    if header(request, "x-enroll-key") != key.id {
        return Err(BadSignature::UnknownKey);
    }
    let signed_at = Timestamp::from_millis(signed_at.saturating_mul(1000));
    is_fresh(signed_at, now, SKEW)?;
    let mut text = format!("{seconds}.").into_bytes();
    text.extend_from_slice(body);
    let secret = hmac::Key::new(HMAC_SHA256, key.secret.as_bytes());
    equal(shown, &hex(hmac::sign(&secret, &text).as_ref()))
}

/// The parts of `Authorization: ALGORITHM a=b, c=d`.
fn authorization<'a>(
    request: &'a HttpRequest,
    algorithm: &str,
) -> Option<BTreeMap<&'a str, &'a str>> {
    let parts = header(request, "authorization").strip_prefix(algorithm)?;
    Some(
        parts
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .collect(),
    )
}

fn part<'a>(shown: &BTreeMap<&'a str, &'a str>, name: &str) -> Result<&'a str, BadSignature> {
    shown.get(name).copied().ok_or(BadSignature::Missing)
}

fn includes(signed: &str, needed: &[&str]) -> Result<(), BadSignature> {
    let has = |name: &&str| signed.split(';').any(|each| each == *name);
    if needed.iter().all(has) {
        Ok(())
    } else {
        Err(BadSignature::Missing)
    }
}

fn canonical_headers(request: &HttpRequest, signed: &str, lower: bool) -> String {
    let lines = signed.split(';').map(|name| {
        let value = header(request, name).trim();
        let value = if lower {
            value.to_ascii_lowercase()
        } else {
            value.to_owned()
        };
        format!("{name}:{value}\n")
    });
    lines.collect()
}

fn canonical_query(parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}

fn is_fresh(signed_at: Timestamp, now: Timestamp, skew: Duration) -> Result<(), BadSignature> {
    if signed_at <= now.plus(skew) && now <= signed_at.plus(skew) {
        Ok(())
    } else {
        Err(BadSignature::Expired)
    }
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// The secrets are public, so nothing is lost by the time that this takes.
fn equal(shown: &str, right: &str) -> Result<(), BadSignature> {
    if shown == right {
        Ok(())
    } else {
        Err(BadSignature::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{BadSignature, Key, verify_acs3, verify_aliyun_rpc, verify_tc3};
    use crate::clock::Timestamp;
    use crate::simulate::wire::parameters;

    fn at(moment: &str) -> Timestamp {
        Timestamp::parse_rfc3339(moment).unwrap()
    }

    /// The worked example of Tencent Cloud's "Signature Method v3", asterisks in the secret and all.
    #[test]
    fn the_example_of_tencent_cloud_stands() {
        const BODY: &str = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let key = Key {
            id: "AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******",
            secret: "Gu5t9xGARNpq86cd98joQYCN3*******",
        };
        let authorization = "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, \
            SignedHeaders=content-type;host, \
            Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c";
        let request = TestRequest::post()
            .uri("/")
            .insert_header(("authorization", authorization))
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .insert_header(("host", "cvm.tencentcloudapi.com"))
            .insert_header(("x-tc-timestamp", "1551113065"))
            .to_http_request();
        let verify = |body: &str, key, now| verify_tc3(&request, body.as_bytes(), "cvm", key, now);
        let now = at("2019-02-25T16:44:25Z");
        assert_eq!(verify(BODY, key, now), Ok(()));
        assert_eq!(verify("{}", key, now), Err(BadSignature::Mismatch));
        let late = at("2019-02-25T16:49:26Z");
        assert_eq!(verify(BODY, key, late), Err(BadSignature::Expired));
        let other = Key { id: "AKID", ..key };
        assert_eq!(verify(BODY, other, now), Err(BadSignature::UnknownKey));
        let other = Key { secret: "x", ..key };
        assert_eq!(verify(BODY, other, now), Err(BadSignature::Mismatch));
    }

    /// The worked example of Aliyun's "V3 request structure and signature".
    #[test]
    fn the_example_of_aliyun_stands() {
        let key = Key {
            id: "YourAccessKeyId",
            secret: "YourAccessKeySecret",
        };
        let authorization = "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,\
            SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
            Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
        let request = TestRequest::post()
            .insert_header(("authorization", authorization))
            .insert_header(("host", "ecs.cn-shanghai.aliyuncs.com"))
            .insert_header(("x-acs-action", "RunInstances"))
            .insert_header((
                "x-acs-content-sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ))
            .insert_header(("x-acs-date", "2023-10-26T10:22:32Z"))
            .insert_header(("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"))
            .insert_header(("x-acs-version", "2014-05-26"))
            .to_http_request();
        let query =
            "RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd";
        let now = at("2023-10-26T10:30:00Z");
        let verify = |body, query: &str| verify_acs3(&request, body, &parameters(query), key, now);
        assert_eq!(verify(b"", query), Ok(()));
        assert_eq!(verify(b"x", query), Err(BadSignature::Mismatch));
        let other = query.replace("shanghai", "beijing");
        assert_eq!(verify(b"", &other), Err(BadSignature::Mismatch));
    }

    /// The worked example of Aliyun's older RPC signature.
    #[test]
    fn the_older_example_of_aliyun_stands() {
        let key = Key {
            id: "testid",
            secret: "testsecret",
        };
        let query = "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions\
            &SignatureMethod=HMAC-SHA1&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26\
            &SignatureVersion=1.0&Signature=OLeaidS1JvxuMvnyHOwuJ%2BuX5qY%3D";
        let given = parameters(query);
        let now = at("2016-02-23T12:50:00Z");
        assert_eq!(verify_aliyun_rpc("GET", &given, key, now), Ok(()));
        let post = verify_aliyun_rpc("POST", &given, key, now);
        assert_eq!(post, Err(BadSignature::Mismatch));
        let late = at("2016-02-23T13:01:25Z");
        let late = verify_aliyun_rpc("GET", &given, key, late);
        assert_eq!(late, Err(BadSignature::Expired));
    }
}
