//! Signs access tokens (RFC 9068, in the compact form of RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::TokenError;
use super::keys::SigningKey;
use crate::clock::Timestamp;
use crate::domain::ids::{SessionId, TenantId, UserId};

/// The `typ` of access tokens (RFC 9068, section 2.1): no token of another kind passes for one.
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What an access token says. Times are cut to whole seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// Who issued it: the tenant's public address, unless its settings name another.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// About which user.
    pub sub: UserId,
    /// Of which tenant.
    pub tid: TenantId,
    /// Of which session: when it ends, so does this token.
    pub sid: SessionId,
    /// How often the session was refreshed before, and one.
    pub generation: i32,
    /// Names this token; random.
    pub jti: [u8; 16],
    /// When it was issued.
    pub iat: Timestamp,
    /// From when it is valid.
    pub nbf: Timestamp,
    /// Until when it is valid, exclusive.
    pub exp: Timestamp,
}

/// The claims as they stand in the token (RFC 7519, section 4.1; `tid` and `gen` are ours, `sid` is
/// OpenID Connect's). Reading refuses
/// floats, lists, nulls, numbers in place of strings, and members that occur twice.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireClaims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) tid: String,
    pub(super) sid: String,
    #[serde(rename = "gen")]
    pub(super) generation: i32,
    pub(super) jti: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}

#[derive(Serialize)]
struct WireHeader<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

/// Signs a token for the user that the claims name.
///
/// # Errors
/// [`TokenError::Sign`] when the cryptographic library fails.
pub fn sign_access_token(
    key: &SigningKey,
    claims: &AccessClaims,
) -> Result<SecretString, TokenError> {
    let header = WireHeader {
        typ: ACCESS_TOKEN_TYPE,
        alg: key.algorithm().as_str(),
        kid: key.kid(),
    };
    let claims = WireClaims {
        iss: claims.iss.clone(),
        aud: claims.aud.clone(),
        sub: claims.sub.to_string(),
        tid: claims.tid.to_string(),
        sid: claims.sid.to_string(),
        generation: claims.generation,
        jti: format!("{:032x}", u128::from_be_bytes(claims.jti)),
        iat: claims.iat.as_seconds(),
        nbf: claims.nbf.as_seconds(),
        exp: claims.exp.as_seconds(),
    };
    let mut token = format!("{}.{}", part(&header)?, part(&claims)?);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token.into())
}

fn part(value: &impl Serialize) -> Result<String, TokenError> {
    let json = serde_json::to_vec(value).map_err(|_| TokenError::Sign)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
