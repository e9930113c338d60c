//! The data that a mini program's client sends encrypted (`docs/contract.md`, section 10.4): AES-128-CBC with PKCS #7
//! padding (RFC 5652, section 6.3) under the session key, JSON inside.
//!
//! The client chooses the initialisation vector and nothing is authenticated, so whoever holds a blob can alter it, and
//! would learn its content from an answer that tells padding from what comes after (`docs/threats.md`, rows 77 to 79).
//! Hence: identity comes from `code2Session` alone, what stands here must agree with it, and every fault is one and the
//! same, found at the end of one path. Taken: block decryption and our own chaining and padding, which look at every
//! byte whatever they hold. Refused: the library's CBC, which stops at the first wrong byte of padding.

use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{MAX_NICKNAME, MAX_PLACE, is_id, number, picture_address, sex};
use super::error::printable;
use crate::clock::Timestamp;
use crate::domain::identity::WechatProfile;

const BLOCK: usize = 16;
/// Most characters of the data in base64; WeChat's is below a thousand.
const MAX_ENCRYPTED: usize = 8192;
/// Most seconds that the data may be old, and that WeChat's clock may run ahead of ours.
const MAX_AGE: i64 = 300;
const MAX_AHEAD: i64 = 60;
/// The members that WeChat puts first. The initialisation vector alters the first block alone, without a trace: another
/// name there was not put by WeChat.
const FIRST_MEMBERS: &[&str] = &["openId", "nickName", "phoneNumber", "purePhoneNumber"];

/// What the client of a mini program may show of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserData {
    /// What the data calls the account at all apps of one owner. Equal to what `code2Session` told, where it told one;
    /// else a hint that nobody vouches for, by which nobody is to be bound.
    pub union_id: Option<String>,
    /// What the account shows of itself; empty in the data of a phone number.
    pub profile: WechatProfile,
    /// The phone number with a plus sign, in the data of a phone number.
    pub phone: Option<String>,
}

/// The data is not what WeChat encrypted for this app, user and moment. There is no telling why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data of the mini program cannot be opened")]
pub struct Undecipherable;

/// Opens the data that came with the `js_code` whose session this is. `iv` and `encrypted` are base64.
///
/// # Errors
/// [`Undecipherable`] for every fault.
pub fn open_user_data(
    session_key: &SecretString,
    iv: &str,
    encrypted: &str,
    app_id: &str,
    open_id: &str,
    union_id: Option<&str>,
    now: Timestamp,
) -> Result<UserData, Undecipherable> {
    // These faults show in what the client itself sent; nothing secret decides them.
    let blocks = read_blocks(encrypted)?;
    let iv = read_block(iv)?;
    let key = read_block(session_key.expose_secret())?;

    let plain = decrypt(&key, &iv, &blocks)?;
    let (content, is_padded) = without_padding(&plain);
    // Content of wrong padding is read all the same, padding and all, and refused below.
    let read = serde_json::from_slice::<Payload>(content);
    let is_read = read.is_ok();
    let payload = read.unwrap_or_default();
    let phone = read_phone(&payload);
    let checks = [
        is_padded,
        is_read,
        begins_as_wechats(content),
        is_equal(
            payload.watermark.appid.as_deref().unwrap_or_default(),
            app_id,
        ),
        is_fresh(&payload.watermark, now),
        agrees(payload.open_id.as_deref(), Some(open_id)),
        agrees(payload.union_id.as_deref(), union_id),
        phone.is_ok(),
    ];
    // Every check is made before any counts.
    if checks.into_iter().fold(true, |all, each| all & each) {
        Ok(UserData {
            profile: read_profile(&payload),
            union_id: payload.union_id.filter(|told| !told.is_empty()),
            phone: phone?,
        })
    } else {
        Err(Undecipherable)
    }
}

/// What is encrypted. A member named twice does not load.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    open_id: Option<String>,
    union_id: Option<String>,
    nick_name: Option<String>,
    gender: Value,
    province: Option<String>,
    city: Option<String>,
    country: Option<String>,
    avatar_url: Option<String>,
    phone_number: Option<String>,
    pure_phone_number: Option<String>,
    country_code: Value,
    watermark: Watermark,
}

/// For whom and when WeChat encrypted it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Watermark {
    appid: Option<String>,
    /// Seconds since the Unix epoch.
    timestamp: Value,
}

fn read_block(base64: &str) -> Result<[u8; BLOCK], Undecipherable> {
    let bytes = STANDARD.decode(base64).map_err(|_| Undecipherable)?;
    bytes.try_into().map_err(|_| Undecipherable)
}

/// Whole blocks, at least one.
fn read_blocks(base64: &str) -> Result<Vec<u8>, Undecipherable> {
    if base64.len() > MAX_ENCRYPTED {
        return Err(Undecipherable);
    }
    let bytes = STANDARD.decode(base64).map_err(|_| Undecipherable)?;
    let is_whole = !bytes.is_empty() && bytes.len().is_multiple_of(BLOCK);
    is_whole.then_some(bytes).ok_or(Undecipherable)
}

/// Cipher block chaining (NIST SP 800-38A, section 6.2) without a look at the padding.
fn decrypt(key: &[u8; BLOCK], iv: &[u8; BLOCK], blocks: &[u8]) -> Result<Vec<u8>, Undecipherable> {
    let key = UnboundCipherKey::new(&AES_128, key)
        .and_then(DecryptingKey::ecb)
        .map_err(|_| Undecipherable)?;
    let mut plain = blocks.to_vec();
    key.decrypt(&mut plain, DecryptionContext::None)
        .map_err(|_| Undecipherable)?;
    // The vector and all blocks but the last: what each block is combined with.
    let before = iv.iter().chain(blocks);
    for (byte, mask) in plain.iter_mut().zip(before) {
        *byte ^= mask;
    }
    Ok(plain)
}

/// The content and whether its padding is right; with wrong padding, the whole. Looks at the last block from end to end.
fn without_padding(plain: &[u8]) -> (&[u8], bool) {
    let padding = plain.last().copied().unwrap_or_default();
    let length = usize::from(padding);
    let is_in_range = (1..=BLOCK).contains(&length);
    let last_block = plain.iter().rev().take(BLOCK).enumerate();
    let wrong = last_block.fold(0, |wrong, (from_end, byte)| {
        let counts = u8::from(from_end < length);
        wrong | (counts * (byte ^ padding))
    });
    let is_padded = is_in_range & (wrong == 0);
    let kept = plain.len() - length * usize::from(is_padded);
    (plain.get(..kept).unwrap_or(plain), is_padded)
}

fn begins_as_wechats(content: &[u8]) -> bool {
    let is_first = |name: &&str| content.starts_with(format!("{{\"{name}\":").as_bytes());
    FIRST_MEMBERS.iter().any(is_first)
}

/// Whether two names are the same; takes as long wherever they differ.
fn is_equal(told: &str, expected: &str) -> bool {
    verify_slices_are_equal(told.as_bytes(), expected.as_bytes()).is_ok()
}

/// Whether a name is absent, or the one that `code2Session` told. Where that told none, any that can be one will do.
fn agrees(told: Option<&str>, expected: Option<&str>) -> bool {
    match (told, expected) {
        (None | Some(""), _) => true,
        (Some(told), Some(expected)) => is_equal(told, expected),
        (Some(told), None) => is_id(told),
    }
}

fn is_fresh(watermark: &Watermark, now: Timestamp) -> bool {
    let age = number(&watermark.timestamp).and_then(|then| now.as_seconds().checked_sub(then));
    age.is_some_and(|age| (-MAX_AHEAD..=MAX_AGE).contains(&age))
}

/// The phone number, if this is the data of one: the number alone, which must be the end of the number as a whole.
fn read_phone(payload: &Payload) -> Result<Option<String>, Undecipherable> {
    let (whole, pure) = match (&payload.phone_number, &payload.pure_phone_number) {
        (None, None) => return Ok(None),
        (Some(whole), Some(pure)) => (whole, pure),
        _ => return Err(Undecipherable),
    };
    let code = number(&payload.country_code).filter(|code| (1..=9999).contains(code));
    let code = code.ok_or(Undecipherable)?;
    let is_number = (4..=15).contains(&pure.len())
        && pure.bytes().all(|byte| byte.is_ascii_digit())
        && whole.ends_with(pure.as_str());
    is_number
        .then(|| Some(format!("+{code}{pure}")))
        .ok_or(Undecipherable)
}

fn read_profile(payload: &Payload) -> WechatProfile {
    let shown = |text: &Option<String>, most| printable(text.as_deref().unwrap_or_default(), most);
    WechatProfile {
        nickname: shown(&payload.nick_name, MAX_NICKNAME),
        avatar_url: picture_address(payload.avatar_url.as_deref().unwrap_or_default()),
        sex: sex(number(&payload.gender)),
        province: shown(&payload.province, MAX_PLACE),
        city: shown(&payload.city, MAX_PLACE),
        country: shown(&payload.country, MAX_PLACE),
    }
}

#[cfg(test)]
mod tests;
