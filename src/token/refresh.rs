//! Refresh tokens: random bits for the client, a digest of them for the database.
//!
//! Taken: SHA-256 without salt or stretching, since 256 random bits cannot be guessed and must be
//! found by their digest.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A refresh token in the clear, on its way to its client. It shows itself to nobody.
#[derive(Debug)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// From 256 random bits.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into())
    }

    /// What the client gets: 43 characters of base64url.
    #[must_use]
    pub fn plain(&self) -> &SecretString {
        &self.0
    }

    /// What the database keeps.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_of(self.0.expose_secret())
    }
}

/// The SHA-256 digest of a token as its client sent it, for the look-up.
#[must_use]
pub fn hash_of(plain: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash
        .iter_mut()
        .zip(digest(&SHA256, plain.as_bytes()).as_ref())
    {
        *to = *from;
    }
    hash
}

/// [`hash_of`] in lower-case hexadecimal, for columns that hold text.
#[must_use]
pub fn token_digest_hex(plain: &str) -> String {
    hash_of(plain)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{RefreshToken, hash_of, token_digest_hex};

    #[test]
    fn the_digest_is_sha_256_of_what_the_client_holds() {
        // FIPS 180-4, example of one block.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_digest_hex("abc"), abc);
        let token = RefreshToken::from_random([251; 32]);
        assert_eq!(token.hash(), hash_of(token.plain().expose_secret()));
    }

    #[test]
    fn tokens_are_safe_in_addresses_and_shy_in_logs() {
        let token = RefreshToken::from_random([251; 32]);
        let plain = token.plain().expose_secret();
        assert_eq!(plain.len(), 43);
        assert!(
            plain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert!(!format!("{token:?}").contains(plain));
    }
}
