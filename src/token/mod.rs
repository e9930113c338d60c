//! Signed access tokens, random refresh tokens, and the keys behind them.
//!
//! Access tokens are JWTs after RFC 9068, checked without the database; each tenant has keys of its
//! own. Refresh tokens are plain random bits, of which only a digest is kept. The two cannot stand
//! in for each other (`docs/threats.md`, rows 97 to 103).
//!
//! Taken: signing straight with `aws-lc-rs`, over a key that is read and checked once; verifying
//! with `jsonwebtoken`, so that what we sign must please code we did not write. Refused: signing
//! with `jsonwebtoken`, which reads the key anew for each token and takes no RSA key in PKCS#8.
//!
//! Imports [`crate::domain`] and [`crate::clock`].

pub mod issue;
pub mod keys;
pub mod known;
pub mod refresh;
pub mod ring;
pub mod verify;

pub use self::issue::{AccessClaims, sign_access_token};
pub use self::keys::{Algorithm, NewKey, SigningKey, VerifyingKey};
pub use self::known::KnownTokens;
pub use self::refresh::{RefreshToken, token_digest_hex};
pub use self::ring::{KeyRing, RingKey};
pub use self::verify::{Expected, TokenRejected, VerifiedAccess};

/// A key or a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The cryptographic library made no key pair.
    #[error("no key pair could be generated")]
    Generate,
    /// The bytes are no key of this kind: not the algorithm's, too short, or damaged.
    #[error("the key is not a valid {0} key")]
    BadKey(&'static str),
    /// The algorithm's name is none of ours.
    #[error("the key's algorithm is unknown")]
    UnknownAlgorithm,
    /// The claims could not be written or signed.
    #[error("the token could not be signed")]
    Sign,
}
