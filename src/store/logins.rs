//! The one write transaction of a login: bind what was proven, begin the session, note the login.

use std::net::SocketAddr;

use entity::tenant::user;
use sea_orm::ActiveValue::Set;

use super::bindings::NotBound;
use super::sessions::NewSession;
use super::tenant_db::TenantDb;
use crate::domain::ids::UserId;
use crate::domain::proof::Proof;

impl TenantDb {
    /// Logs a user in: all of it is committed, or none of it happened.
    ///
    /// # Errors
    /// [`NotBound`]; then there is no session and no proof was spent.
    pub async fn log_in(
        &self,
        user: UserId,
        session: &NewSession,
        requester: SocketAddr,
        proofs: &[Proof],
    ) -> Result<(), NotBound> {
        self.write("log_in", async |transaction| {
            let now = self.clock.now();
            let login = user::ActiveModel {
                last_login_ip: Set(requester.ip().to_string()),
                login_at: Set(now.as_millis()),
                ..Default::default()
            };
            // First: whoever deletes the user waits until all of the login is there, or the login finds nobody.
            if !self.update_user(transaction, user, login).await? {
                return Err(NotBound::UserGone);
            }
            self.bind(transaction, user, requester.ip(), proofs).await?;
            self.insert_session(transaction, user, session, now).await?;
            Ok(())
        })
        .await
    }
}
