//! What a mini program hands its server: the person's data, sealed with the session key (AES-128-CBC, PKCS #7), as
//! `wx.getUserProfile` and `getPhoneNumber` make it (`docs/contract.md` section 10.4).

use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::world::{User, open_id};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile<'a> {
    // First, as WeChat has it: a caller that flips bits of the IV reaches this field (`docs/threats.md` row 77).
    open_id: String,
    nick_name: &'a str,
    gender: u8,
    language: &'a str,
    city: &'a str,
    province: &'a str,
    country: &'a str,
    avatar_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    union_id: Option<String>,
    watermark: Watermark<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Phone<'a> {
    phone_number: &'a str,
    pure_phone_number: &'a str,
    country_code: &'a str,
    watermark: Watermark<'a>,
}

/// When and for which app the data was sealed.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Watermark<'a> {
    /// Seconds since the Unix epoch.
    pub(super) timestamp: i64,
    pub(super) appid: &'a str,
}

/// The person's profile as text.
pub(super) fn profile(user: &User, app_id: &str, watermark: Watermark<'_>) -> Option<String> {
    let profile = Profile {
        open_id: open_id(app_id, &user.name),
        nick_name: &user.nickname,
        gender: 0,
        language: "zh_CN",
        city: "Shenzhen",
        province: "Guangdong",
        country: "China",
        avatar_url: user.avatar_url(),
        union_id: user.union_id(),
        watermark,
    };
    serde_json::to_string(&profile).ok()
}

/// The person's Chinese phone number as text.
pub(super) fn phone(number: &str, watermark: Watermark<'_>) -> Option<String> {
    let phone = Phone {
        phone_number: number,
        pure_phone_number: number,
        country_code: "86",
        watermark,
    };
    serde_json::to_string(&phone).ok()
}

/// Seals a text; base64. `None` when the cryptographic library fails.
pub(super) fn seal(text: &str, session_key: &[u8; 16], iv: [u8; 16]) -> Option<String> {
    let key = UnboundCipherKey::new(&AES_128, session_key).ok()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    let mut sealed = text.as_bytes().to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut sealed, context).ok()?;
    Some(STANDARD.encode(sealed))
}
