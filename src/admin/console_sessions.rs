//! Signs administrators in at the console, and out.
//!
//! A session is a row of the platform database, so that every replica knows it and a sign-out, or the end of the
//! administrator's token, ends it at once everywhere. The browser holds 256 random bits, of which only a hash is
//! stored.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::Admin;
use super::error::AdminError;
use crate::store::administrators::Administrator;
use crate::token::token_digest_hex;

/// Life of a session: a working day. Nothing extends it.
pub const SESSION_LIFE: Duration = Duration::from_secs(8 * 60 * 60);
/// The length of [`ConsoleSession::cookie`]: 32 bytes in Base64.
const COOKIE_LENGTH: usize = 43;

/// A session as the browser holds it.
#[derive(Debug)]
pub struct ConsoleSession(SecretString);

impl ConsoleSession {
    /// Takes what a browser sent; `None` for what can be no session.
    #[must_use]
    pub fn from_cookie(value: &str) -> Option<Self> {
        (value.len() == COOKIE_LENGTH).then(|| Self(value.into()))
    }

    /// The cookie's value.
    #[must_use]
    pub fn cookie(&self) -> &SecretString {
        &self.0
    }

    /// What stands in every form of the session's pages, and tells that a page of ours sent it. It tells nothing of the
    /// cookie.
    #[must_use]
    pub fn form_token(&self) -> String {
        token_digest_hex(&format!("form {}", self.0.expose_secret()))
    }

    /// Whether a form of this session's pages brought this token. Compared by digests, so that the time tells nothing.
    #[must_use]
    pub fn owns_form(&self, token: &str) -> bool {
        token_digest_hex(token) == token_digest_hex(&self.form_token())
    }

    fn hash(&self) -> String {
        token_digest_hex(self.0.expose_secret())
    }
}

impl Admin {
    /// Begins a session for the bearer of this token. Wrong tokens count as those of the admin API do.
    ///
    /// # Errors
    /// As [`Admin::authenticate`].
    pub async fn sign_in(
        &self,
        token: &str,
        address: IpAddr,
    ) -> Result<(Administrator, ConsoleSession), AdminError> {
        let administrator = self.authenticate(Some(token), address).await?;
        let random = URL_SAFE_NO_PAD.encode(self.entropy.bytes::<32>()?);
        let session = ConsoleSession(random.into());
        let ends = self.clock.now().plus(SESSION_LIFE);
        self.platform
            .create_console_session(&administrator, &session.hash(), ends)
            .await?;
        Ok((administrator, session))
    }

    /// Whose session it is.
    ///
    /// # Errors
    /// [`AdminError::Unauthenticated`] when it is over, or its administrator's token was revoked.
    pub async fn signed_in(&self, session: &ConsoleSession) -> Result<Administrator, AdminError> {
        let found = self.platform.find_console_session(&session.hash()).await?;
        found.ok_or(AdminError::Unauthenticated)
    }

    /// Ends the session everywhere.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the database does not answer.
    pub async fn sign_out(
        &self,
        by: &Administrator,
        session: &ConsoleSession,
    ) -> Result<(), AdminError> {
        Ok(self
            .platform
            .delete_console_session(by, &session.hash())
            .await?)
    }
}
