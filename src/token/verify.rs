//! Checks access tokens.
//!
//! The token chooses nothing: its `kid` picks one of the keys it is held against, and that key
//! brings its algorithm (RFC 8725). Keys and addresses in the header are refused, never followed.
//! `jsonwebtoken` checks the signature; the claims are checked here, since that crate takes the
//! time from the system clock and lets a missing `aud` pass.

use jsonwebtoken::{Header, Validation, decode, decode_header};

use super::issue::{ACCESS_TOKEN_TYPE, WireClaims};
use super::keys::VerifyingKey;
use crate::clock::Timestamp;
use crate::domain::ids::{SessionId, TenantId, UserId};

/// Longer tokens are refused unread; ours stay below 1 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clocks of two replicas may stand apart, in seconds (`docs/threats.md`, row 50).
const LEEWAY_SECONDS: i64 = 60;

/// What a token must say to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer, exactly.
    pub iss: &'a str,
    /// The audience, exactly and alone.
    pub aud: &'a str,
    /// The tenant that the request is for.
    pub tid: TenantId,
}

/// What an accepted token told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedAccess {
    /// Whose token it is.
    pub user_id: UserId,
    /// The session it belongs to; whether that still lives, the database knows.
    pub session: SessionId,
    /// Which of the session's tokens it is.
    pub generation: i32,
    /// Which token it is.
    pub jti: [u8; 16],
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// The token is not accepted. Why is nobody's business: each detail would help to forge the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not accepted")]
pub struct TokenRejected;

/// The key that signed a token, and what the token says.
///
/// # Errors
/// [`TokenRejected`] unless one of the keys did that counts at this moment.
pub(super) fn read_signed<'a>(
    keys: &'a [VerifyingKey],
    token: &str,
    now: Timestamp,
) -> Result<(&'a VerifyingKey, WireClaims), TokenRejected> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenRejected);
    }
    let header = decode_header(token).map_err(|_| TokenRejected)?;
    let key = keys
        .iter()
        .find(|key| speaks_for(&header, key) && key.counts_at(now))
        .ok_or(TokenRejected)?;
    let claims = decode::<WireClaims>(token, key.decoding_key(), &signature_only(key))
        .map_err(|_| TokenRejected)?
        .claims;
    Ok((key, claims))
}

/// Whether the header is one of ours, made with this key. Extensions we would have to understand
/// (`crit`) are not ours.
fn speaks_for(header: &Header, key: &VerifyingKey) -> bool {
    let brings_key = header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.x5t.is_some()
        || header.x5t_s256.is_some();
    header.typ.as_deref() == Some(ACCESS_TOKEN_TYPE)
        && header.kid.as_deref() == Some(key.kid())
        && header.alg == key.algorithm().for_verification()
        && header.crit.is_none()
        && !brings_key
}

/// Tells `jsonwebtoken` to check the signature with the key's own algorithm, and nothing else.
fn signature_only(key: &VerifyingKey) -> Validation {
    let mut validation = Validation::new(key.algorithm().for_verification());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// What the claims come to at a moment; `None` if they are not to be accepted.
pub(super) fn accept(
    claims: &WireClaims,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Option<VerifiedAccess> {
    let now = now.as_seconds();
    let latest_start = now.saturating_add(LEEWAY_SECONDS);
    let addressed_to_us = claims.iss == expected.iss
        && claims.aud == expected.aud
        && TenantId::parse(&claims.tid) == Some(expected.tid);
    let in_time = now < claims.exp.saturating_add(LEEWAY_SECONDS)
        && claims.nbf <= latest_start
        && claims.iat <= latest_start;
    if !(addressed_to_us && in_time) {
        return None;
    }
    Some(VerifiedAccess {
        user_id: UserId::parse(&claims.sub)?,
        session: SessionId::parse(&claims.sid)?,
        generation: claims.generation,
        jti: parse_jti(&claims.jti)?,
        issued_at: Timestamp::from_millis(claims.iat.checked_mul(1000)?),
    })
}

/// Reads the 32 lower-case hexadecimal digits that we write.
fn parse_jti(text: &str) -> Option<[u8; 16]> {
    let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let number = u128::from_str_radix(text, 16).ok().filter(|_| plain)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::{Expected, TokenRejected, VerifiedAccess};
    use crate::clock::Timestamp;
    use crate::domain::ids::{SessionId, TenantId, UserId};
    use crate::token::issue::{AccessClaims, sign_access_token};
    use crate::token::keys::{Algorithm, NewKey, SigningKey, VerifyingKey};
    use crate::token::known::KnownTokens;

    const NOW: i64 = 1_800_000_000;
    const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

    /// One tenant with one key, as a forger would wish to know it.
    struct Tenant {
        new: NewKey,
        signing: SigningKey,
        keys: Vec<VerifyingKey>,
    }

    impl Tenant {
        fn new(algorithm: Algorithm, kid: u8) -> Self {
            let new = NewKey::generate(algorithm, [kid; 16]).unwrap();
            let signing = SigningKey::from_pkcs8(&new.kid, algorithm, &new.private_pkcs8).unwrap();
            let keys = vec![VerifyingKey::from_jwk(&new.public_jwk).unwrap()];
            Self { new, signing, keys }
        }

        fn good(&self) -> String {
            sign_access_token(&self.signing, &claims())
                .unwrap()
                .expose_secret()
                .to_owned()
        }

        /// A well-signed token of any header and claims.
        fn signed(&self, header: &Value, claims: &Value) -> String {
            self.signed_raw(&header.to_string(), &claims.to_string())
        }

        fn signed_raw(&self, header: &str, claims: &str) -> String {
            let message = format!("{}.{}", b64(header), b64(claims));
            format!(
                "{message}.{}",
                b64(self.signing.sign(message.as_bytes()).unwrap())
            )
        }

        fn header(&self) -> Value {
            json!({ "typ": "at+jwt", "alg": self.new.algorithm.as_str(), "kid": self.new.kid })
        }

        fn verify(&self, token: &str) -> Result<VerifiedAccess, TokenRejected> {
            self.verify_at(token, NOW)
        }

        fn verify_at(&self, token: &str, seconds: i64) -> Result<VerifiedAccess, TokenRejected> {
            let expected = Expected {
                iss: "https://a.example",
                aud: "a",
                tid: tid(),
            };
            KnownTokens::default().verify(
                &self.keys,
                token,
                &expected,
                Timestamp::from_millis(seconds * 1000),
            )
        }
    }

    fn tid() -> TenantId {
        TenantId::from_i64(7)
    }

    fn b64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://a.example".to_owned(),
            aud: "a".to_owned(),
            sub: UserId::from_i64(42),
            tid: tid(),
            sid: SessionId::from_random([7; 16]),
            generation: 1,
            jti: [0x0a; 16],
            iat: Timestamp::from_millis(NOW * 1000),
            nbf: Timestamp::from_millis(NOW * 1000),
            exp: Timestamp::from_millis((NOW + 3600) * 1000),
        }
    }

    fn wire_claims() -> Value {
        json!({
            "iss": "https://a.example", "aud": "a", "sub": "42", "tid": "7", "sid": "07".repeat(16), "gen": 1,
            "jti": "0a".repeat(16), "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
        })
    }

    fn with(mut document: Value, member: &str, value: Value) -> Value {
        document[member] = value;
        document
    }

    fn without(mut document: Value, member: &str) -> Value {
        document.as_object_mut().unwrap().remove(member);
        document
    }

    #[test]
    fn a_good_token_tells_its_user() {
        for algorithm in ALL {
            let tenant = Tenant::new(algorithm, 1);
            let told = VerifiedAccess {
                user_id: UserId::from_i64(42),
                session: SessionId::from_random([7; 16]),
                generation: 1,
                jti: [0x0a; 16],
                issued_at: Timestamp::from_millis(NOW * 1000),
            };
            assert_eq!(tenant.verify(&tenant.good()), Ok(told));
            // The forger's tools below make good tokens too, so their failures mean something.
            assert_eq!(
                tenant.verify(&tenant.signed(&tenant.header(), &wire_claims())),
                Ok(told)
            );
        }
    }

    #[test]
    fn either_of_two_keys_verifies_while_they_overlap() {
        let mut old = Tenant::new(Algorithm::Es256, 1);
        let new = Tenant::new(Algorithm::EdDsa, 2);
        old.keys.extend(new.keys.iter().cloned());
        assert!(old.verify(&old.good()).is_ok());
        assert!(old.verify(&new.good()).is_ok());
        assert!(new.verify(&old.good()).is_err());
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let tenant = Tenant::new(Algorithm::EdDsa, 1);
        let token = tenant.good();
        for (seconds, accepted) in [
            (NOW - 61, false),
            (NOW - 60, true),
            (NOW + 3600 + 59, true),
            (NOW + 3600 + 60, false),
            (i64::MIN / 1000, false),
            (i64::MAX / 1000, false),
        ] {
            assert_eq!(
                tenant.verify_at(&token, seconds).is_ok(),
                accepted,
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        let tenant = Tenant::new(Algorithm::EdDsa, 1);
        let signature = tenant.good().rsplit('.').next().unwrap().to_owned();
        for none in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            " none",
            "no\u{0}ne",
            "",
        ] {
            let header = with(tenant.header(), "alg", none.into());
            let message = format!(
                "{}.{}",
                b64(header.to_string()),
                b64(wire_claims().to_string())
            );
            for end in ["", ".", &format!(".{signature}"), ".AAAA"] {
                assert!(
                    tenant.verify(&format!("{message}{end}")).is_err(),
                    "{none:?} {end}"
                );
            }
        }
        for odd in [json!(null), json!(["EdDSA"]), json!(0), json!({})] {
            let token = tenant.signed(&with(tenant.header(), "alg", odd.clone()), &wire_claims());
            assert!(tenant.verify(&token).is_err(), "{odd}");
        }
        assert!(
            tenant
                .verify(&tenant.signed(&without(tenant.header(), "alg"), &wire_claims()))
                .is_err()
        );
    }

    #[test]
    fn the_algorithm_cannot_be_switched() {
        let names = [
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
            "ES256", "ES384", "EdDSA", "Ed25519", "eddsa",
        ];
        for tenant in ALL.map(|algorithm| Tenant::new(algorithm, 1)) {
            for name in names
                .into_iter()
                .filter(|name| *name != tenant.new.algorithm.as_str())
            {
                let header = with(tenant.header(), "alg", name.into());
                assert!(
                    tenant
                        .verify(&tenant.signed(&header, &wire_claims()))
                        .is_err(),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_public_key_is_no_shared_secret() {
        for tenant in ALL.map(|algorithm| Tenant::new(algorithm, 1)) {
            let jwk = &tenant.new.public_jwk;
            let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
            let raw = |name: &str| URL_SAFE_NO_PAD.decode(member(name)).unwrap();
            let secrets = [
                jwk.to_string().into_bytes(),
                json!({ "keys": [jwk] }).to_string().into_bytes(),
                member("x").into_bytes(),
                member("n").into_bytes(),
                raw("x"),
                [raw("x"), raw("y")].concat(),
                [vec![4], raw("x"), raw("y")].concat(),
                raw("n"),
                Vec::new(),
            ];
            let header = with(tenant.header(), "alg", "HS256".into());
            let message = format!(
                "{}.{}",
                b64(header.to_string()),
                b64(wire_claims().to_string())
            );
            for secret in secrets {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
                let token = format!("{message}.{}", b64(hmac::sign(&key, message.as_bytes())));
                assert!(tenant.verify(&token).is_err());
            }
        }
    }

    #[test]
    fn another_tenants_key_opens_nothing() {
        let ours = Tenant::new(Algorithm::EdDsa, 1);
        let theirs = Tenant::new(Algorithm::EdDsa, 2);
        assert!(ours.verify(&theirs.good()).is_err());
        // Their key under our key's name.
        assert!(
            ours.verify(&theirs.signed(&ours.header(), &wire_claims()))
                .is_err()
        );
        // Our own key, for a token that names their tenant.
        let foreign = with(wire_claims(), "tid", "8".into());
        assert!(ours.verify(&ours.signed(&ours.header(), &foreign)).is_err());
        assert!(
            Tenant {
                keys: Vec::new(),
                ..ours
            }
            .verify(&theirs.good())
            .is_err()
        );
    }

    #[test]
    fn odd_headers_are_refused() {
        let tenant = Tenant::new(Algorithm::EdDsa, 1);
        let header = || tenant.header();
        let attacker = Tenant::new(Algorithm::EdDsa, 3).new.public_jwk;
        let forged = [
            with(header(), "typ", "JWT".into()),
            with(header(), "typ", "AT+JWT".into()),
            with(header(), "typ", "application/at+jwt".into()),
            with(header(), "typ", "at+jwt ".into()),
            with(header(), "typ", json!(null)),
            without(header(), "typ"),
            without(header(), "kid"),
            with(header(), "kid", json!(null)),
            with(header(), "kid", "".into()),
            with(header(), "kid", json!([tenant.new.kid])),
            with(header(), "kid", format!("{}\u{0}", tenant.new.kid).into()),
            with(header(), "kid", tenant.new.kid.to_lowercase().into()),
            with(header(), "kid", "../../../../dev/null".into()),
            with(header(), "kid", "' OR 1=1 --".into()),
            with(header(), "kid", "k".repeat(20_000).into()),
            with(header(), "jku", "http://127.0.0.1:9/jwks.json".into()),
            with(header(), "x5u", "http://127.0.0.1:9/cert.pem".into()),
            with(header(), "jwk", attacker),
            with(header(), "x5c", json!(["MIIB"])),
            with(header(), "x5t", "AAAA".into()),
            with(header(), "x5t#S256", "AAAA".into()),
            with(with(header(), "crit", json!(["b64"])), "b64", json!(false)),
            json!([]),
            json!("at+jwt"),
        ];
        for header in forged {
            let token = tenant.signed(&header, &wire_claims());
            assert!(tenant.verify(&token).is_err(), "{header}");
        }
        let twice = tenant
            .header()
            .to_string()
            .replacen('{', "{\"kid\":\"other\",", 1);
        assert!(
            tenant
                .verify(&tenant.signed_raw(&twice, &wire_claims().to_string()))
                .is_err()
        );
    }

    #[test]
    fn odd_claims_are_refused() {
        let tenant = Tenant::new(Algorithm::EdDsa, 1);
        let claims = wire_claims;
        let mut forged = vec![
            with(claims(), "exp", json!(NOW - 60)),
            with(claims(), "exp", json!(0)),
            with(claims(), "exp", json!(-1)),
            with(claims(), "exp", json!(f64::from(u32::MAX))),
            with(claims(), "exp", json!((NOW + 3600).to_string())),
            with(claims(), "exp", json!(u64::MAX)),
            with(claims(), "exp", json!([NOW + 3600])),
            with(claims(), "nbf", json!(NOW + 61)),
            with(claims(), "nbf", json!(i64::MAX)),
            with(claims(), "iat", json!(NOW + 61)),
            with(claims(), "iat", json!(i64::MIN)),
            with(claims(), "iss", "https://b.example".into()),
            with(claims(), "iss", "https://a.example/".into()),
            with(claims(), "iss", json!(["https://a.example"])),
            with(claims(), "aud", "b".into()),
            with(claims(), "aud", json!(["a"])),
            with(claims(), "aud", json!(["a", "b"])),
            with(claims(), "tid", "07".into()),
            with(claims(), "tid", json!(7)),
            with(claims(), "sub", "".into()),
            with(claims(), "sub", "0".into()),
            with(claims(), "sub", "-42".into()),
            with(claims(), "sub", "42 ".into()),
            with(claims(), "sub", json!(42)),
            with(claims(), "jti", "0A".repeat(16).into()),
            with(claims(), "jti", "+a".repeat(16).into()),
            with(claims(), "jti", "0a".into()),
            json!([claims()]),
            json!(null),
        ];
        for member in ["iss", "aud", "sub", "tid", "jti", "iat", "nbf", "exp"] {
            forged.push(without(claims(), member));
            forged.push(with(claims(), member, json!(null)));
        }
        for claims in forged {
            let token = tenant.signed(&tenant.header(), &claims);
            assert!(tenant.verify(&token).is_err(), "{claims}");
        }
        let twice = wire_claims()
            .to_string()
            .replacen('{', "{\"sub\":\"1\",", 1);
        assert!(
            tenant
                .verify(&tenant.signed_raw(&tenant.header().to_string(), &twice))
                .is_err()
        );
    }

    #[test]
    fn odd_shapes_are_refused() {
        for tenant in ALL.map(|algorithm| Tenant::new(algorithm, 1)) {
            let good = tenant.good();
            let parts: Vec<_> = good.split('.').collect();
            let [header, claims, signature] = parts[..] else {
                panic!("three parts")
            };
            let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let claims_of_another = b64(with(wire_claims(), "sub", "43".into()).to_string());
            for forged in [
                String::new(),
                ".".to_owned(),
                "..".to_owned(),
                format!("{header}.{claims}"),
                format!("{header}.{claims}."),
                format!("{header}..{signature}"),
                format!(".{claims}.{signature}"),
                format!("{good}."),
                format!(".{good}"),
                format!("{good}.{signature}"),
                format!("{header}..{claims}.{signature}"),
                format!("{header}.{claims}.{signature}.."),
                format!("{good}="),
                format!("{good}=="),
                format!("{header}=.{claims}.{signature}"),
                format!("{good} "),
                format!(" {good}"),
                format!("{good}\n"),
                format!("Bearer {good}"),
                format!("{header}.{claims_of_another}.{signature}"),
                format!("{header}.{claims}.{}", b64(&bytes[..bytes.len() - 1])),
                format!("{header}.{claims}.{}", b64([&bytes[..], &[0]].concat())),
                format!("{header}.{claims}.{}", b64(vec![0; bytes.len()])),
                format!(
                    "{header}.{claims}.{}",
                    b64(bytes.iter().rev().copied().collect::<Vec<_>>())
                ),
                format!("{header}.{claims}.{}", STANDARD_NO_PAD.encode([255; 64])),
                format!("{header}.{claims}.{}", "A".repeat(9_000)),
                good.to_uppercase(),
                "\u{0}".repeat(100),
            ] {
                assert_eq!(tenant.verify(&forged), Err(TokenRejected), "{forged}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_token_with_any_byte_changed_is_refused(place: prop::sample::Index, byte in 32_u8..127) {
            let tenant = Tenant::new(Algorithm::EdDsa, 1);
            let good = tenant.good();
            let mut bytes = good.clone().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let forged = String::from_utf8(bytes).unwrap();
            prop_assume!(forged != good);
            prop_assert!(tenant.verify(&forged).is_err());
        }

        #[test]
        fn no_text_makes_the_check_panic(text in ".{0,200}") {
            prop_assert!(Tenant::new(Algorithm::EdDsa, 1).verify(&text).is_err());
        }
    }
}
