//! WeChat's published example, and blobs of our own making: good ones, and altered in every way that a client can.

use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use secrecy::SecretString;

use super::{Undecipherable, UserData, open_user_data, without_padding};
use crate::clock::Timestamp;

/// The example of WeChat's documentation, "Signature check and decryption of open data".
const APP: &str = "wx4f4bc4dec97d474b";
const KEY: &str = "tiihtNczf5v6AKRyjwEUhQ==";
const IV: &str = "r7BXXKkLb8qrSNn05n0qiA==";
const OPEN_ID: &str = "oGZUI0egBJY1zhBYw2KhdUfwVJJE";
const UNION_ID: &str = "ocMvos6NjeKLIBqg5Mr9QjxrP1FA";
const THEN: i64 = 1_477_314_187;
const ENCRYPTED: &str = concat!(
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS",
    "9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142d",
    "NCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6",
    "/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn",
    "/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4P",
    "C7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns",
    "/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYV",
    "oKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuy",
    "Db/XcxxmK01EpqOyuxINew==",
);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn open(iv: &str, encrypted: &str, now: i64) -> Result<UserData, Undecipherable> {
    open_user_data(&KEY.into(), iv, encrypted, APP, OPEN_ID, None, at(now))
}

/// The text, encrypted as WeChat does it, under the key and vector of the example.
fn encrypted(text: &str) -> String {
    let key = UnboundCipherKey::new(&AES_128, &STANDARD.decode(KEY).unwrap()).unwrap();
    let iv: [u8; 16] = STANDARD.decode(IV).unwrap().try_into().unwrap();
    let mut data = text.as_bytes().to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .unwrap()
        .less_safe_encrypt(&mut data, EncryptionContext::Iv128(iv.into()))
        .unwrap();
    STANDARD.encode(data)
}

fn user(open_id: &str, watermark: &str) -> String {
    format!(
        r#"{{"openId":"{open_id}","nickName":"Ada","gender":"2","unionId":"{UNION_ID}","watermark":{watermark}}}"#
    )
}

fn watermark(app: &str, seconds: i64) -> String {
    format!(r#"{{"timestamp":{seconds},"appid":"{app}"}}"#)
}

fn altered(base64: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = STANDARD.decode(base64).unwrap();
    change(&mut bytes);
    STANDARD.encode(bytes)
}

#[test]
fn the_published_example_opens() {
    let data = open(IV, ENCRYPTED, THEN).unwrap();
    assert_eq!(data.union_id.as_deref(), Some(UNION_ID));
    assert_eq!(data.profile.nickname, "Band");
    assert_eq!(data.profile.sex, 1);
    assert_eq!(data.profile.city, "Guangzhou");
    assert_eq!(data.profile.province, "Guangdong");
    assert_eq!(data.profile.country, "CN");
    assert!(data.profile.avatar_url.starts_with("http://wx.qlogo.cn/"));
    assert_eq!(data.phone, None);
}

#[test]
fn no_altered_byte_opens() {
    for at in 0..STANDARD.decode(ENCRYPTED).unwrap().len() {
        for flip in [0x01, 0x20, 0x80] {
            let encrypted = altered(ENCRYPTED, |bytes| bytes[at] ^= flip);
            assert_eq!(open(IV, &encrypted, THEN), Err(Undecipherable), "{at}");
        }
    }
    // The vector alters the first block alone: `{"openId":"oGZUI`.
    for at in 0..16 {
        for flip in 1..=255 {
            let iv = altered(IV, |bytes| bytes[at] ^= flip);
            assert_eq!(open(&iv, ENCRYPTED, THEN), Err(Undecipherable), "{at}");
        }
    }
}

/// Whoever knows the first block can write any other there.
#[test]
fn a_first_block_of_the_clients_making_does_not_open() {
    let known = br#"{"openId":"oGZUI"#;
    for wanted in [
        br#"{"openId":"oAAAA"#,
        br#"{"nickName":"GZU"#,
        br#"{"phoneNumber":""#,
        br#"{"is_demote":"UI"#,
        br#"{"openIe":"oGZUI"#,
        br#"{"gender":1,"a":"#,
        br#"       {"openId""#,
    ] {
        let iv = altered(IV, |bytes| {
            for (byte, (known, wanted)) in bytes.iter_mut().zip(known.iter().zip(wanted)) {
                *byte ^= known ^ wanted;
            }
        });
        assert_eq!(open(&iv, ENCRYPTED, THEN), Err(Undecipherable));
    }
}

#[test]
fn the_watermark_must_be_this_apps_and_fresh() {
    let blob = |app, then| encrypted(&user(OPEN_ID, &watermark(app, then)));
    for then in [THEN - 300, THEN, THEN + 60] {
        assert!(open(IV, &blob(APP, then), THEN).is_ok(), "{then}");
    }
    for then in [THEN - 301, THEN - 3600, THEN + 61, i64::MIN, i64::MAX] {
        assert!(open(IV, &blob(APP, then), THEN).is_err(), "{then}");
    }
    for app in ["wx0000000000000000", "", "wx4f4bc4dec97d474"] {
        assert!(open(IV, &blob(app, THEN), THEN).is_err(), "{app}");
    }
    for watermark in ["null", "{}", r#"{"appid":"wx4f4bc4dec97d474b"}"#, "[]"] {
        let blob = encrypted(&user(OPEN_ID, watermark));
        assert!(open(IV, &blob, THEN).is_err(), "{watermark}");
    }
}

#[test]
fn identity_must_be_what_wechat_told_the_server() {
    let mark = watermark(APP, THEN);
    let blob = encrypted(&user(OPEN_ID, &mark));
    let open = |blob: &str, open_id, union_id| {
        open_user_data(&KEY.into(), IV, blob, APP, open_id, union_id, at(THEN))
    };
    let data = open(&blob, OPEN_ID, Some(UNION_ID)).unwrap();
    assert_eq!(data.union_id.as_deref(), Some(UNION_ID));
    assert_eq!(data.profile.sex, 2);
    assert!(open(&blob, "oSomebodyElse", Some(UNION_ID)).is_err());
    assert!(open(&blob, OPEN_ID, Some("ocSomebodyElse")).is_err());
    // Newer clients send a profile without ids.
    let bare = encrypted(&format!(r#"{{"nickName":"Ada","watermark":{mark}}}"#));
    let data = open(&bare, OPEN_ID, Some(UNION_ID)).unwrap();
    assert_eq!(
        (data.union_id, data.profile.nickname.as_str()),
        (None, "Ada")
    );
}

#[test]
fn a_phone_number_opens_whole() {
    let phone = |whole: &str, pure: &str, code: &str| {
        let mark = watermark(APP, THEN);
        let text = format!(
            r#"{{"phoneNumber":"{whole}","purePhoneNumber":"{pure}","countryCode":{code},"watermark":{mark}}}"#
        );
        open(IV, &encrypted(&text), THEN).map(|data| data.phone.unwrap())
    };
    let told = phone("13580006666", "13580006666", "\"86\"");
    assert_eq!(told.as_deref(), Ok("+8613580006666"));
    let told = phone("+14155550100", "4155550100", "1");
    assert_eq!(told.as_deref(), Ok("+14155550100"));
    for (whole, pure, code) in [
        ("13580006666", "13580006667", "86"),
        ("13580006666", "", "86"),
        ("13580006666", "13580006666", "null"),
        ("1358000666x", "1358000666x", "86"),
    ] {
        assert_eq!(phone(whole, pure, code), Err(Undecipherable));
    }
}

/// Bad base64, lengths, padding, UTF-8, JSON: all are one fault.
#[test]
fn every_malformed_part_is_the_same_fault() {
    let good = encrypted(&user(OPEN_ID, &watermark(APP, THEN)));
    assert!(open(IV, &good, THEN).is_ok());
    let cut = altered(&good, |bytes| bytes.truncate(bytes.len() - 1));
    let block_less = altered(&good, |bytes| bytes.truncate(bytes.len() - 16));
    let long = STANDARD.encode([0; 8208]);
    let not_json = encrypted("{\"openId\":nonsense}");
    for blob in ["", "=", "%%%", &cut, &block_less, &long, &not_json] {
        assert_eq!(open(IV, blob, THEN), Err(Undecipherable), "{blob}");
    }
    for iv in ["", "AAAA", "r7BXXKkLb8qrSNn05n0qiA", "%%%"] {
        assert_eq!(open(iv, &good, THEN), Err(Undecipherable), "{iv}");
    }
    for key in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA=="] {
        let key = SecretString::from(key);
        let opened = open_user_data(&key, IV, &good, APP, OPEN_ID, None, at(THEN));
        assert_eq!(opened, Err(Undecipherable));
    }
    // Each altered end of the last block but one walks through every padding.
    for flip in 1..=255 {
        let blob = altered(&good, |bytes| {
            let end = bytes.len() - 17;
            bytes[end] ^= flip;
        });
        assert_eq!(open(IV, &blob, THEN), Err(Undecipherable), "{flip}");
    }
}

#[test]
fn padding_is_right_in_every_byte_or_wrong() {
    for length in 1..=16_u8 {
        let mut block = [0xAA; 32];
        let start = 32 - usize::from(length);
        block[start..].fill(length);
        assert_eq!(without_padding(&block), (&block[..start], true));
        for at in start..32 {
            let mut wrong = block;
            wrong[at] ^= 0x40;
            assert_eq!(without_padding(&wrong), (&wrong[..], false), "{at}");
        }
    }
    for length in [0, 17, 32, 255] {
        let block = [length; 32];
        assert_eq!(without_padding(&block), (&block[..], false), "{length}");
    }
}

#[test]
fn what_is_shown_is_cut_and_cleaned() {
    let name = "\u{5149}".repeat(60);
    let text = format!(
        r#"{{"nickName":"\u0000\n{name}","avatarUrl":"javascript:alert(1)","gender":7,"watermark":{}}}"#,
        watermark(APP, THEN)
    );
    let profile = open(IV, &encrypted(&text), THEN).unwrap().profile;
    assert_eq!(profile.nickname, "\u{5149}".repeat(50));
    assert_eq!((profile.avatar_url.as_str(), profile.sex), ("", 0));
}

proptest! {
    #[test]
    fn nothing_made_up_opens_or_panics(
        key in "[A-Za-z0-9+/]{21}[AQgw]==|.{0,30}",
        iv in "[A-Za-z0-9+/]{21}[AQgw]==|.{0,30}",
        blob in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let blob = STANDARD.encode(blob);
        let opened = open_user_data(&key.into(), &iv, &blob, APP, OPEN_ID, None, at(THEN));
        prop_assert_eq!(opened, Err(Undecipherable));
    }

    #[test]
    fn nothing_altered_opens(at in 0_usize..512, flip in 1_u8..=255, swap in 0_usize..30) {
        let length = STANDARD.decode(ENCRYPTED).unwrap().len();
        let blob = altered(ENCRYPTED, |bytes| bytes[at % length] ^= flip);
        prop_assert_eq!(open(IV, &blob, THEN), Err(Undecipherable));
        let swapped = altered(ENCRYPTED, |bytes| {
            let from = swap % (length / 16 - 1) * 16;
            for byte in from..from + 16 {
                bytes.swap(byte, byte + 16);
            }
        });
        prop_assert_eq!(open(IV, &swapped, THEN), Err(Undecipherable));
    }
}
