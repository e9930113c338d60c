//! Access tokens whose signature was checked a moment ago.
//!
//! A client shows the same token with each call, and checking its signature costs more than all else that such a call
//! does in the processor. What is remembered is the signature alone: the claims are judged anew each time, by the tenant,
//! the keys and the clock of that moment, and the session is looked up as ever (decision 0016).
//!
//! Bound: [`MOST`] tokens of all tenants, the least used forgotten first; each for [`IDLE`] after its last use.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use super::issue::WireClaims;
use super::keys::VerifyingKey;
use super::verify::{
    Expected, MAX_TOKEN_BYTES, TokenRejected, VerifiedAccess, accept, read_signed,
};
use crate::clock::Timestamp;

/// Most tokens remembered; some 600 bytes each.
const MOST: u64 = 20_000;

/// How long an unused one is remembered.
const IDLE: Duration = Duration::from_secs(60);

/// The tokens that are known. Clones share them; one serves the process.
#[derive(Clone, Debug)]
pub struct KnownTokens(Cache<[u8; 32], Arc<Known>>);

#[derive(Debug)]
struct Known {
    /// The key that signed it. It must still be the tenant's, and count.
    kid: String,
    claims: WireClaims,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MOST)
                .time_to_idle(IDLE)
                .build(),
        )
    }
}

impl KnownTokens {
    /// Checks a token against a tenant's keys at a moment, without the signature's cost if it was accepted a moment ago.
    ///
    /// # Errors
    /// [`TokenRejected`], whatever is wrong.
    pub fn verify(
        &self,
        keys: &[VerifyingKey],
        token: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<VerifiedAccess, TokenRejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRejected);
        }
        let name = name_of(token, expected);
        let known = self.0.get(&name);
        let counts = |kid: &str| {
            let mut named = keys.iter().filter(|key| key.kid() == kid);
            named.any(|key| key.counts_at(now))
        };
        if let Some(known) = known.filter(|known| counts(&known.kid)) {
            return accept(&known.claims, expected, now).ok_or(TokenRejected);
        }
        let (key, claims) = read_signed(keys, token, now)?;
        let accepted = accept(&claims, expected, now).ok_or(TokenRejected)?;
        let kid = key.kid().to_owned();
        self.0.insert(name, Arc::new(Known { kid, claims }));
        Ok(accepted)
    }
}

/// A digest of the token and of the tenant that it was shown to: a key's name is the tenant's own affair.
fn name_of(token: &str, expected: &Expected<'_>) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    digest.update(&expected.tid.as_i64().to_be_bytes());
    digest.update(token.as_bytes());
    let mut name = [0; 32];
    for (to, from) in name.iter_mut().zip(digest.finish().as_ref()) {
        *to = *from;
    }
    name
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{KnownTokens, TokenRejected};
    use crate::clock::Timestamp;
    use crate::domain::ids::{SessionId, TenantId, UserId};
    use crate::token::issue::{AccessClaims, sign_access_token};
    use crate::token::keys::{Algorithm, NewKey, SigningKey, VerifyingKey};
    use crate::token::verify::{Expected, VerifiedAccess};

    const NOW: i64 = 1_800_000_000;

    struct Keys {
        signing: SigningKey,
        verifying: Vec<VerifyingKey>,
    }

    /// The key's name is free to choose, so that two tenants can have one of the same name.
    fn keys(kid: u8) -> Keys {
        let new = NewKey::generate(Algorithm::EdDsa, [kid; 16]).unwrap();
        Keys {
            signing: SigningKey::from_pkcs8(&new.kid, Algorithm::EdDsa, &new.private_pkcs8)
                .unwrap(),
            verifying: vec![VerifyingKey::from_jwk(&new.public_jwk).unwrap()],
        }
    }

    fn token(keys: &Keys) -> String {
        let at = |seconds| Timestamp::from_millis(seconds * 1000);
        let claims = AccessClaims {
            iss: "https://a.example".to_owned(),
            aud: "a".to_owned(),
            sub: UserId::from_i64(42),
            tid: TenantId::from_i64(7),
            sid: SessionId::from_random([7; 16]),
            generation: 1,
            jti: [0x0a; 16],
            iat: at(NOW),
            nbf: at(NOW),
            exp: at(NOW + 3600),
        };
        let signed = sign_access_token(&keys.signing, &claims).unwrap();
        signed.expose_secret().to_owned()
    }

    fn verify(
        known: &KnownTokens,
        keys: &[VerifyingKey],
        token: &str,
        (tid, iss): (i64, &str),
        seconds: i64,
    ) -> Result<VerifiedAccess, TokenRejected> {
        let expected = Expected {
            iss,
            aud: "a",
            tid: TenantId::from_i64(tid),
        };
        known.verify(
            keys,
            token,
            &expected,
            Timestamp::from_millis(seconds * 1000),
        )
    }

    const OURS: (i64, &str) = (7, "https://a.example");

    #[test]
    fn a_known_token_tells_the_same_and_is_judged_anew_each_time() {
        let (known, own) = (KnownTokens::default(), keys(1));
        let token = token(&own);
        let first = verify(&known, &own.verifying, &token, OURS, NOW).unwrap();
        assert_eq!(
            verify(&known, &own.verifying, &token, OURS, NOW + 1),
            Ok(first)
        );
        for (expected, seconds) in [
            // Its time is over; it is too early; it is another tenant's, another issuer's.
            (OURS, NOW + 3600 + 60),
            (OURS, NOW - 61),
            ((8, "https://a.example"), NOW),
            ((7, "https://b.example"), NOW),
        ] {
            let again = verify(&known, &own.verifying, &token, expected, seconds);
            assert_eq!(again, Err(TokenRejected), "{expected:?} {seconds}");
        }
    }

    #[test]
    fn a_known_token_dies_with_its_key() {
        let (known, own, next) = (KnownTokens::default(), keys(1), keys(2));
        let token = token(&own);
        verify(&known, &own.verifying, &token, OURS, NOW).unwrap();
        let rotated = verify(&known, &next.verifying, &token, OURS, NOW);
        assert_eq!(rotated, Err(TokenRejected));
        let none = verify(&known, &[], &token, OURS, NOW);
        assert_eq!(none, Err(TokenRejected));
    }

    #[test]
    fn what_was_refused_is_not_remembered_as_good() {
        let (known, own, forger) = (KnownTokens::default(), keys(1), keys(1));
        let forged = token(&forger);
        for _ in 0..2 {
            // The forger's key has the same name, and is not the tenant's.
            let refused = verify(&known, &own.verifying, &forged, OURS, NOW);
            assert_eq!(refused, Err(TokenRejected));
        }
        let good = token(&own);
        verify(&known, &own.verifying, &good, OURS, NOW).unwrap();
        // The same words under the forger's signature are another token.
        let (words, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = forged.rsplit_once('.').unwrap();
        let changed = format!("{words}.{signature}");
        let refused = verify(&known, &own.verifying, &changed, OURS, NOW);
        assert_eq!(refused, Err(TokenRejected));
    }
}
