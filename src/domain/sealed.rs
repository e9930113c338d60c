//! Secrets at rest inside settings: texts that only the master key opens, and only in their own place.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::ids::TenantId;
use super::master_key::MasterKey;

/// How every sealed text begins. No secret itself may, so that the two are never taken for each other.
pub const SEALED_PREFIX: &str = "sealed:";

/// Has the form of a sealed text and opens under no key: where settings are checked before their secrets are sealed.
pub const STAND_IN: &str = "sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Version byte, nonce, one byte of cipher text and tag: nothing shorter was made by [`MasterKey::seal`].
const LEAST_BYTES: usize = 1 + 12 + 1 + 16;
/// Room for the longest secret that settings take, several times over.
const MOST_CHARACTERS: usize = 8192;

/// A sealed secret of a tenant's settings: `sealed:` and base64. It tells nothing without the master key, yet is kept out
/// of logs and answers.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SealedText(String);

impl SealedText {
    /// Reads the stored form; `None` for a text that cannot have come from [`seal`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let has_form =
            text.len() <= MOST_CHARACTERS && bytes(text).is_some_and(|b| b.len() >= LEAST_BYTES);
        has_form.then(|| Self(text.to_owned()))
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SealedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedText([REDACTED])")
    }
}

impl<'de> Deserialize<'de> for SealedText {
    /// The reason never quotes the text, which may be a secret that was sent in clear.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be a sealed text"))
    }
}

/// Seals `plain` for one setting of one tenant, named by its dotted path; with a nonce that is never used again. `None`
/// when the secret is empty or so long that its sealed form would not be read back.
#[must_use]
pub fn seal(
    key: &MasterKey,
    nonce: [u8; 12],
    tenant: TenantId,
    path: &str,
    plain: &SecretString,
) -> Option<SealedText> {
    let sealed = key
        .seal(
            nonce,
            &context(tenant, path),
            plain.expose_secret().as_bytes(),
        )
        .ok()?;
    SealedText::parse(&format!(
        "{SEALED_PREFIX}{}",
        STANDARD_NO_PAD.encode(sealed)
    ))
}

/// Opens what [`seal`] made for the same tenant and path; `None` under another master key, in another place, or altered.
#[must_use]
pub fn open(
    key: &MasterKey,
    tenant: TenantId,
    path: &str,
    sealed: &SealedText,
) -> Option<SecretString> {
    let plain = key
        .open(&context(tenant, path), &bytes(sealed.as_str())?)
        .ok()
        .map(Zeroizing::new)?;
    std::str::from_utf8(&plain).ok().map(SecretString::from)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD
        .decode(text.strip_prefix(SEALED_PREFIX)?)
        .ok()
}

fn context(tenant: TenantId, path: &str) -> String {
    format!("tenant {tenant} {path}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::{ExposeSecret, SecretString};

    use super::{STAND_IN, SealedText, open, seal};
    use crate::domain::ids::TenantId;
    use crate::domain::master_key::MasterKey;

    const PATH: &str = "sms.secret_key";

    fn key() -> MasterKey {
        MasterKey::from_bytes([7; 32])
    }

    fn tenant(number: i64) -> TenantId {
        TenantId::from_i64(number)
    }

    fn sealed() -> SealedText {
        seal(&key(), [1; 12], tenant(5), PATH, &"hush".into()).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_own_place_alone() {
        let opened = open(&key(), tenant(5), PATH, &sealed()).unwrap();
        assert_eq!(opened.expose_secret(), "hush");
        assert!(open(&key(), tenant(6), PATH, &sealed()).is_none());
        assert!(open(&key(), tenant(5), "sms.key", &sealed()).is_none());
        assert!(open(&MasterKey::from_bytes([8; 32]), tenant(5), PATH, &sealed()).is_none());
    }

    #[test]
    fn a_sealed_text_reads_back_and_shows_nothing() {
        let stored = serde_json::to_value(sealed()).unwrap();
        assert_eq!(
            serde_json::from_value::<SealedText>(stored).unwrap(),
            sealed()
        );
        assert_eq!(format!("{:?}", sealed()), "SealedText([REDACTED])");
    }

    #[test]
    fn the_stand_in_reads_and_never_opens() {
        let stand_in = SealedText::parse(STAND_IN).unwrap();
        assert!(open(&key(), tenant(5), PATH, &stand_in).is_none());
    }

    #[test]
    fn what_was_not_sealed_is_refused_without_being_quoted() {
        let long = format!("sealed:{}", "A".repeat(9000));
        for text in [
            "",
            "hunter2",
            "sealed:",
            "sealed:garbage",
            "sealed:????",
            "SEALED:AAAA",
            &long,
        ] {
            let error = serde_json::from_value::<SealedText>(text.into()).unwrap_err();
            assert_eq!(error.to_string(), "must be a sealed text", "{text}");
        }
        assert!(seal(&key(), [1; 12], tenant(5), PATH, &"".into()).is_none());
        assert!(seal(&key(), [1; 12], tenant(5), PATH, &"x".repeat(9000).into()).is_none());
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in ".{1,100}", nonce in any::<[u8; 12]>()) {
            let sealed = seal(&key(), nonce, tenant(5), PATH, &SecretString::from(plain.clone())).unwrap();
            let opened = open(&key(), tenant(5), PATH, &sealed).unwrap();
            prop_assert_eq!(opened.expose_secret(), plain.as_str());
        }
    }
}
