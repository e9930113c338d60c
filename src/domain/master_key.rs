//! The key that seals private keys and provider secrets at rest.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

/// The first byte of every sealed value; another number would mean another cipher or layout.
const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;

/// A 256-bit key for AES-256-GCM. It shows itself to nobody and is wiped when dropped.
///
/// A sealed value is one version byte, the nonce, the cipher text and its tag. The context goes in as associated data, so
/// a value copied to another row or column does not open there.
pub struct MasterKey([u8; 32]);

/// A sealed value that does not open: another master key, another place, or altered bytes.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open with this master key")]
pub struct Unsealable;

impl MasterKey {
    /// From raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, with white space around them allowed; `None` otherwise.
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<Self> {
        let digits = text.trim().as_bytes();
        let mut key = Zeroizing::new([0_u8; 32]);
        if digits.len() != 2 * key.len() {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit)
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok())?;
                *byte = (*byte << 4) | value;
            }
        }
        Some(Self(*key))
    }

    /// Seals `plain` for the place named by `context` (it opens nowhere else), with a nonce that is never used again.
    ///
    /// # Errors
    /// [`Unsealable`] when the cipher refuses, which takes more than 64 GiB of plain text.
    pub fn seal(
        &self,
        nonce: [u8; NONCE_LENGTH],
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, Unsealable> {
        let head = 1 + NONCE_LENGTH;
        // Room for everything, so that no growth leaves a copy of the plain text behind.
        let mut sealed = Vec::with_capacity(head + plain.len() + TAG_LENGTH);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(head..).ok_or(Unsealable)?;
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                body,
            )
            .map_err(|_| Unsealable)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// A key of its own for `context`: HMAC-SHA-256 under this key, so that neither tells the other.
    #[must_use]
    pub fn derive(&self, context: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, context.as_bytes());
        let mut derived = [0; 32];
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// Opens what [`MasterKey::seal`] made for the same context. The caller wipes the plain text.
    ///
    /// # Errors
    /// [`Unsealable`] when it does not open.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(Unsealable);
        };
        let (nonce, body) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(Unsealable)?;
        let mut plain = body.to_vec();
        let length = self
            .cipher()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context),
                &mut plain,
            )
            .map_err(|_| Unsealable)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher(&self) -> Result<LessSafeKey, Unsealable> {
        UnboundKey::new(&AES_256_GCM, &self.0)
            .map(LessSafeKey::new)
            .map_err(|_| Unsealable)
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::MasterKey;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1E1F";

    /// Made with another implementation of AES-256-GCM (OpenSSL), so that a change of the layout is noticed.
    const KNOWN_SEALED: [u8; 34] = [
        1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 219, 125, 100, 87, 232, 236, 102, 58, 180, 245, 197,
        138, 20, 230, 198, 90, 224, 181, 168, 42, 20,
    ];

    fn key() -> MasterKey {
        MasterKey::parse_hex(HEX).unwrap()
    }

    #[test]
    fn hexadecimal_digits_read_in_either_case_with_white_space_around() {
        let sealed =
            MasterKey::from_bytes(std::array::from_fn(|index| u8::try_from(index).unwrap()))
                .seal([7; 12], "place", b"secret")
                .unwrap();
        for text in [HEX.to_owned(), HEX.to_uppercase(), format!("  {HEX}\r\n")] {
            assert_eq!(
                MasterKey::parse_hex(&text)
                    .unwrap()
                    .open("place", &sealed)
                    .unwrap(),
                b"secret"
            );
        }
        for odd in [
            "",
            "00",
            HEX.trim_start_matches("00"),
            &format!("{HEX}0"),
            &HEX.replace('a', "g"),
            &HEX.replace("0a", "é"),
            &"+1".repeat(32),
        ] {
            assert!(MasterKey::parse_hex(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_sealed_value_has_the_documented_layout() {
        assert_eq!(
            key().seal([9; 12], "tenant 1", b"hello").unwrap(),
            KNOWN_SEALED
        );
        assert_eq!(key().open("tenant 1", &KNOWN_SEALED).unwrap(), b"hello");
    }

    #[test]
    fn another_key_place_or_altered_byte_opens_nothing() {
        let sealed = key().seal([9; 12], "tenant 1", b"hello").unwrap();
        assert!(key().open("tenant 2", &sealed).is_err());
        assert!(
            MasterKey::from_bytes([0; 32])
                .open("tenant 1", &sealed)
                .is_err()
        );
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(key().open("tenant 1", &altered).is_err(), "byte {position}");
            assert!(
                key().open("tenant 1", &sealed[..position]).is_err(),
                "cut at {position}"
            );
        }
    }

    #[test]
    fn the_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", key()), "MasterKey([REDACTED])");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in any::<Vec<u8>>(), nonce in any::<[u8; 12]>(), context in any::<String>()) {
            let sealed = key().seal(nonce, &context, &plain).unwrap();
            prop_assert_eq!(key().open(&context, &sealed).unwrap(), plain);
        }

        #[test]
        fn arbitrary_bytes_do_not_open(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(key().open("place", &bytes).is_err());
        }
    }
}
