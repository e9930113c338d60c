//! Refresh tokens: the session's number, random bits and a tag of ours for the client; a digest for the database.
//!
//! Taken: SHA-256 without salt or stretching, since 256 random bits cannot be guessed and must be found by their digest;
//! a tag, so that an old token of a session is told from a made-up one. Only the former ends the session. Refused: a row
//! for each token ever handed out, which would tell the same and grow with each refresh.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::domain::ids::SessionId;

const SESSION_BYTES: usize = 16;
const RANDOM_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = SESSION_BYTES + RANDOM_BYTES + TAG_BYTES;

/// A refresh token in the clear, on its way to its client. It shows itself to nobody.
#[derive(Debug)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// A token of this session from 256 random bits, tagged with the tenant's key.
    #[must_use]
    pub fn new(session: SessionId, random: [u8; RANDOM_BYTES], key: &[u8; 32]) -> Self {
        let random = Zeroizing::new(random);
        let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_BYTES));
        bytes.extend_from_slice(session.as_bytes());
        bytes.extend_from_slice(random.as_slice());
        let tag = tag(key, &bytes);
        bytes.extend_from_slice(&tag);
        Self(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into())
    }

    /// What the client gets: 86 characters of base64url.
    #[must_use]
    pub fn plain(&self) -> &SecretString {
        &self.0
    }

    /// The session of a token that a client sent; `None` unless this tenant made it.
    #[must_use]
    pub fn session_of(plain: &SecretString, key: &[u8; 32]) -> Option<SessionId> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(plain.expose_secret()).ok()?);
        let (signed, sent) = bytes.split_at_checked(SESSION_BYTES + RANDOM_BYTES)?;
        verify_slices_are_equal(&tag(key, signed), sent).ok()?;
        signed.first_chunk().copied().map(SessionId::from_random)
    }
}

fn tag(key: &[u8; 32], signed: &[u8]) -> [u8; TAG_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut tag = [0; TAG_BYTES];
    for (to, from) in tag.iter_mut().zip(hmac::sign(&key, signed).as_ref()) {
        *to = *from;
    }
    tag
}

/// The SHA-256 digest of a token as its client sent it.
fn hash_of(plain: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash
        .iter_mut()
        .zip(digest(&SHA256, plain.as_bytes()).as_ref())
    {
        *to = *from;
    }
    hash
}

/// The SHA-256 digest of a token as its client sent it, in lower-case hexadecimal: what a database keeps.
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

    use super::{RefreshToken, token_digest_hex};
    use crate::domain::ids::SessionId;

    const KEY: [u8; 32] = [1; 32];

    #[test]
    fn the_digest_is_sha_256_of_what_the_client_holds() {
        // FIPS 180-4, example of one block.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_digest_hex("abc"), abc);
    }

    #[test]
    fn a_token_tells_its_session_to_the_tenant_that_made_it_alone() {
        let session = SessionId::from_random([9; 16]);
        let token = RefreshToken::new(session, [251; 32], &KEY);
        assert_eq!(RefreshToken::session_of(token.plain(), &KEY), Some(session));
        assert_eq!(RefreshToken::session_of(token.plain(), &[2; 32]), None);
        let plain = token.plain().expose_secret();
        for at in 0..plain.len() {
            let mut forged = plain.as_bytes().to_vec();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(RefreshToken::session_of(&forged.into(), &KEY), None, "{at}");
        }
        for odd in [
            "",
            "A",
            plain.get(..85).unwrap(),
            &format!("{plain}AA"),
            &"A".repeat(86),
        ] {
            let odd = odd.to_owned().into();
            assert_eq!(RefreshToken::session_of(&odd, &KEY), None);
        }
    }

    #[test]
    fn tokens_are_safe_in_addresses_and_shy_in_logs() {
        let token = RefreshToken::new(SessionId::from_random([9; 16]), [251; 32], &KEY);
        let plain = token.plain().expose_secret();
        assert_eq!(plain.len(), 86);
        assert!(
            plain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert!(!format!("{token:?}").contains(plain));
    }
}
