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
