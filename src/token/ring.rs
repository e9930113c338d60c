//! A tenant's keys over time: one signs, those before it count until their last token is over, one to come is known already.

use serde_json::Value;

use super::keys::{SigningKey, VerifyingKey, jwks};
use crate::clock::Timestamp;

/// One key of a tenant, opened.
#[derive(Debug)]
pub struct RingKey {
    /// From when it signs, until one does that begins later.
    pub signs_from: Timestamp,
    /// From when its signatures count no more, and no token that it signs may live.
    pub retires_at: Option<Timestamp>,
    /// The private half.
    pub signing: SigningKey,
    /// The public half as a JWK (RFC 7517).
    pub public_jwk: Value,
}

impl RingKey {
    fn is_retired(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|end| end <= now)
    }
}

/// The keys of one tenant.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<RingKey>,
    verifying: Vec<VerifyingKey>,
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    /// [`super::TokenError`] when a public half cannot be read.
    pub fn new(keys: Vec<RingKey>) -> Result<Self, super::TokenError> {
        let verifying = keys
            .iter()
            .map(|key| Ok(VerifyingKey::from_jwk(&key.public_jwk)?.retiring(key.retires_at)))
            .collect::<Result<_, _>>()?;
        Ok(Self { keys, verifying })
    }

    /// The key that signs at this moment; `None` only when all are retired.
    ///
    /// Where none has begun yet, by a clock that is behind the one that chose the moment, the first to begin signs.
    #[must_use]
    pub fn signing(&self, now: Timestamp) -> Option<&RingKey> {
        let usable = || self.keys.iter().filter(|key| !key.is_retired(now));
        let begun = usable().filter(|key| key.signs_from <= now);
        begun
            .max_by_key(|key| key.signs_from)
            .or_else(|| usable().min_by_key(|key| key.signs_from))
    }

    /// All keys; each says itself until when its signatures count.
    #[must_use]
    pub fn verifying(&self) -> &[VerifyingKey] {
        &self.verifying
    }

    /// The JWK set (RFC 7517, section 5) of those that count, and of those to come.
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Value {
        let kept = self.keys.iter().filter(|key| !key.is_retired(now));
        jwks(&kept.map(|key| key.public_jwk.clone()).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyRing, RingKey};
    use crate::clock::Timestamp;
    use crate::token::keys::{Algorithm, NewKey, SigningKey};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A ring of keys named 0, 1, …, by when they sign and retire.
    fn ring(times: &[(i64, Option<i64>)]) -> (KeyRing, Vec<String>) {
        let keys: Vec<RingKey> = (0_u8..)
            .zip(times)
            .map(|(number, (from, end))| {
                let new = NewKey::generate(Algorithm::EdDsa, [number; 16]).unwrap();
                let pkcs8 = &new.private_pkcs8;
                RingKey {
                    signs_from: at(*from),
                    retires_at: end.map(at),
                    signing: SigningKey::from_pkcs8(&new.kid, Algorithm::EdDsa, pkcs8).unwrap(),
                    public_jwk: new.public_jwk,
                }
            })
            .collect();
        let names = keys.iter().map(|key| key.signing.kid().to_owned());
        let names = names.collect();
        (KeyRing::new(keys).unwrap(), names)
    }

    #[test]
    fn keys_take_turns_and_the_set_holds_those_that_count_or_come() {
        let (ring, names) = ring(&[(0, Some(500)), (100, Some(900)), (300, None)]);
        for (now, signs, published) in [
            (0, 0, 0..3),
            (99, 0, 0..3),
            (100, 1, 0..3),
            (299, 1, 0..3),
            (300, 2, 0..3),
            (499, 2, 0..3),
            (500, 2, 1..3),
            (900, 2, 2..3),
        ] {
            let signing = ring.signing(at(now)).unwrap().signing.kid();
            assert_eq!(signing, names[signs], "who signs at {now}");
            let set = ring.jwks(at(now));
            let kids: Vec<_> = set["keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["kid"].as_str().unwrap())
                .collect();
            assert_eq!(kids, &names[published], "who is published at {now}");
        }
    }

    #[test]
    fn a_clock_that_is_behind_finds_a_key_and_a_ring_of_retired_ones_has_none() {
        let (early, names) = ring(&[(200, None), (100, None)]);
        let signing = early
            .signing(at(50))
            .map(|key| key.signing.kid().to_owned());
        assert_eq!(signing.as_ref(), names.get(1));
        let (over, _) = ring(&[(0, Some(10))]);
        assert!(over.signing(at(10)).is_none());
        assert!(over.verifying().iter().all(|key| !key.counts_at(at(10))));
        assert!(over.verifying().iter().all(|key| key.counts_at(at(9))));
    }
}
