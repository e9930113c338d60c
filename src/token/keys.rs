//! A tenant's key pairs: made, kept as PKCS#8, published as JWK.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::TokenError;
use crate::clock::Timestamp;

/// Bytes of an Ed25519 public key, and of each coordinate of a P-256 point.
const POINT_BYTES: usize = 32;

/// The smallest RSA modulus that is verified, in bytes (RFC 7518, section 3.3: 2048 bits).
const MIN_MODULUS_BYTES: usize = 256;

/// How a tenant signs its access tokens. The names are those of the `alg` header (RFC 7518, RFC
/// 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519: small and fast, the default.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA of 2048 bits, PKCS#1 v1.5 with SHA-256. Signing costs forty times as much as with
    /// Ed25519.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// The name in headers, JWKs and databases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads the exact name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Es256, Self::Rs256]
            .into_iter()
            .find(|known| known.as_str() == name)
    }

    pub(super) const fn for_verification(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// A fresh key pair, on its way to the database.
pub struct NewKey {
    /// Names the key within its tenant: 22 characters of base64url.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The private half as PKCS#8 DER; wiped when dropped.
    pub private_pkcs8: Zeroizing<Vec<u8>>,
    /// The public half as a JWK (RFC 7517; RFC 8037 for Ed25519), with `kid`, `alg` and `use`.
    pub public_jwk: Value,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "NewKey", &self.kid, self.algorithm)
    }
}

fn show(f: &mut fmt::Formatter<'_>, name: &str, kid: &str, algorithm: Algorithm) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    shown
        .field("kid", &kid)
        .field("algorithm", &algorithm)
        .finish_non_exhaustive()
}

impl NewKey {
    /// Makes a key pair; `kid_bytes` are random bytes for its name. An RSA pair takes a tenth of a
    /// second or more.
    ///
    /// # Errors
    /// [`TokenError::Generate`] when the cryptographic library fails.
    pub fn generate(algorithm: Algorithm, kid_bytes: [u8; 16]) -> Result<Self, TokenError> {
        let kid = URL_SAFE_NO_PAD.encode(kid_bytes);
        let private_pkcs8 = generate_pkcs8(algorithm).ok_or(TokenError::Generate)?;
        let pair = Pair::from_pkcs8(algorithm, &private_pkcs8).ok_or(TokenError::Generate)?;
        let public_jwk = pair.public_jwk(&kid).ok_or(TokenError::Generate)?;
        Ok(Self {
            kid,
            algorithm,
            private_pkcs8,
            public_jwk,
        })
    }
}

fn generate_pkcs8(algorithm: Algorithm) -> Option<Zeroizing<Vec<u8>>> {
    let document = match algorithm {
        Algorithm::EdDsa => Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()),
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1()),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            return Some(Zeroizing::new(der.as_ref().to_vec()));
        }
    };
    document
        .ok()
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
}

/// A key pair, read and checked.
enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::Ed25519),
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                .ok()
                .map(Self::P256),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).ok().map(Self::Rsa),
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Self::P256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }

    fn public_jwk(&self, kid: &str) -> Option<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (algorithm, mut jwk) = match self {
            Self::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                (
                    Algorithm::EdDsa,
                    json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
                )
            }
            Self::P256(pair) => {
                // An uncompressed point: 0x04, x, y (SEC 1, section 2.3.3).
                let (_, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(POINT_BYTES)?;
                let (x, y) = (encode(x), encode(y));
                (
                    Algorithm::Es256,
                    json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
                )
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                (Algorithm::Rs256, json!({ "kty": "RSA", "n": n, "e": e }))
            }
        };
        let members = jwk.as_object_mut()?;
        members.insert("kid".to_owned(), kid.into());
        members.insert("alg".to_owned(), algorithm.as_str().into());
        members.insert("use".to_owned(), "sig".into());
        Some(jwk)
    }
}

/// The private half of a tenant's key, ready to sign. It shows itself to nobody.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
}

impl SigningKey {
    /// Reads a key as [`NewKey::private_pkcs8`] holds it, and checks it.
    ///
    /// # Errors
    /// [`TokenError::BadKey`] when the bytes are no key of that algorithm.
    pub fn from_pkcs8(kid: &str, algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, TokenError> {
        let pair =
            Pair::from_pkcs8(algorithm, pkcs8).ok_or(TokenError::BadKey(algorithm.as_str()))?;
        Ok(Self {
            kid: kid.to_owned(),
            algorithm,
            pair,
        })
    }

    /// Names the key within its tenant.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature of a message, in the form JWS wants (RFC 7518, section 3).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.pair.sign(message).ok_or(TokenError::Sign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "SigningKey", &self.kid, self.algorithm)
    }
}

/// The public half of a tenant's key, ready to verify. Its algorithm is part of it: a token cannot
/// choose another.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    key: DecodingKey,
    /// From when its signatures count no more.
    retires_at: Option<Timestamp>,
}

impl VerifyingKey {
    /// Reads a JWK as [`NewKey::public_jwk`] holds it.
    ///
    /// # Errors
    /// [`TokenError::UnknownAlgorithm`] or [`TokenError::BadKey`]; the curve's equation is checked with each signature.
    pub fn from_jwk(jwk: &Value) -> Result<Self, TokenError> {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::parse(member("alg")).ok_or(TokenError::UnknownAlgorithm)?;
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(member(name)).ok();
        let point = |name: &str| bytes(name).filter(|bytes| bytes.len() == POINT_BYTES);
        let key = match (algorithm, member("kty"), member("crv")) {
            (Algorithm::EdDsa, "OKP", "Ed25519") => {
                point("x").map(|x| DecodingKey::from_ed_der(&x))
            }
            (Algorithm::Es256, "EC", "P-256") => point("x")
                .zip(point("y"))
                .map(|(x, y)| DecodingKey::from_ec_der(&[&[4], x.as_slice(), &y].concat())),
            (Algorithm::Rs256, "RSA", _) => bytes("n")
                .filter(|n| n.len() >= MIN_MODULUS_BYTES)
                .zip(bytes("e").filter(|e| !e.is_empty()))
                .map(|(n, e)| DecodingKey::from_rsa_raw_components(&n, &e)),
            _ => None,
        };
        let bad = TokenError::BadKey(algorithm.as_str());
        match (member("kid"), key) {
            ("", _) | (_, None) => Err(bad),
            (kid, Some(key)) => Ok(Self {
                kid: kid.to_owned(),
                algorithm,
                key,
                retires_at: None,
            }),
        }
    }

    /// The same key, whose signatures count no more from then on.
    #[must_use]
    pub fn retiring(mut self, retires_at: Option<Timestamp>) -> Self {
        self.retires_at = retires_at;
        self
    }

    /// Whether its signatures count at this moment, whenever they were made: who stole a key writes any date.
    #[must_use]
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }

    /// Names the key within its tenant.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key as `jsonwebtoken` takes it.
    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "VerifyingKey", &self.kid, self.algorithm)
    }
}

/// The JWK set of a tenant (RFC 7517, section 5), from public JWKs.
#[must_use]
pub fn jwks(public_jwks: &[Value]) -> Value {
    json!({ "keys": public_jwks })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Algorithm, NewKey, SigningKey, VerifyingKey, jwks};

    const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

    #[test]
    fn names_are_read_exactly_and_agree_with_serde() {
        for algorithm in ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
        }
        for odd in ["", "none", "eddsa", "HS256", "RS384"] {
            assert_eq!(Algorithm::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_new_key_reads_back_and_publishes_nothing_private() {
        for algorithm in ALL {
            let key = NewKey::generate(algorithm, [255; 16]).unwrap();
            assert_eq!(key.kid, "_____________________w");
            SigningKey::from_pkcs8(&key.kid, algorithm, &key.private_pkcs8).unwrap();
            let public = VerifyingKey::from_jwk(&key.public_jwk).unwrap();
            assert_eq!(
                (public.kid(), public.algorithm()),
                (key.kid.as_str(), algorithm)
            );
            let members: Vec<_> = key.public_jwk.as_object().unwrap().keys().collect();
            let expected: &[&str] = match algorithm {
                Algorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
                Algorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                Algorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(members, expected);
            assert_eq!(
                jwks(std::slice::from_ref(&key.public_jwk)),
                json!({ "keys": [key.public_jwk] })
            );
        }
    }

    #[test]
    fn a_key_is_read_as_its_own_algorithm_only() {
        for made in ALL {
            let key = NewKey::generate(made, [1; 16]).unwrap();
            for read in ALL.into_iter().filter(|read| *read != made) {
                assert!(SigningKey::from_pkcs8("k", read, &key.private_pkcs8).is_err());
                let mut jwk = key.public_jwk.clone();
                jwk["alg"] = read.as_str().into();
                assert!(VerifyingKey::from_jwk(&jwk).is_err(), "{jwk}");
            }
            assert!(SigningKey::from_pkcs8("k", made, &key.private_pkcs8[1..]).is_err());
        }
    }

    #[test]
    fn a_damaged_jwk_is_refused() {
        let key = NewKey::generate(Algorithm::EdDsa, [1; 16]).unwrap();
        for (member, value) in [
            ("alg", json!("none")),
            ("alg", json!(null)),
            ("kid", json!("")),
            ("kid", json!(1)),
            ("kty", json!("EC")),
            ("crv", json!("X25519")),
            ("x", json!("AAAA")),
            ("x", json!("not base64!")),
        ] {
            let mut jwk = key.public_jwk.clone();
            jwk[member] = value;
            assert!(VerifyingKey::from_jwk(&jwk).is_err(), "{jwk}");
        }
        let short = json!({ "kty": "RSA", "alg": "RS256", "kid": "k", "n": "AQAB", "e": "AQAB" });
        assert!(VerifyingKey::from_jwk(&short).is_err());
    }

    #[test]
    fn keys_show_their_names_alone() {
        let key = NewKey::generate(Algorithm::EdDsa, [0; 16]).unwrap();
        let signing = SigningKey::from_pkcs8("k", key.algorithm, &key.private_pkcs8).unwrap();
        assert_eq!(
            format!("{signing:?}"),
            "SigningKey { kid: \"k\", algorithm: EdDsa, .. }"
        );
        assert!(format!("{key:?}").ends_with("algorithm: EdDsa, .. }"));
    }
}
