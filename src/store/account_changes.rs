//! Changes that users make to their own accounts after they have shown who they are.

use std::net::SocketAddr;

use entity::tenant::user;
use sea_orm::ActiveValue::Set;

use super::bindings::NotBound;
use super::error::StoreError;
use super::tenant_audit::TenantAudit;
use super::tenant_db::TenantDb;
use crate::domain::ids::UserId;
use crate::domain::proof::Proof;

impl TenantDb {
    /// Binds what a user has proven to the user's account.
    ///
    /// # Errors
    /// [`NotBound`]; then nothing is bound and no proof is spent.
    pub async fn bind_to(
        &self,
        user: UserId,
        requester: SocketAddr,
        proofs: &[Proof],
    ) -> Result<(), NotBound> {
        self.write("bind_to", async |transaction| {
            let change = user::ActiveModel {
                updated_at: Set(self.clock.now().as_millis()),
                ..Default::default()
            };
            // First: nothing is bound to a user whom somebody deletes at this moment.
            if !self.update_user(transaction, user, change).await? {
                return Err(NotBound::UserGone);
            }
            self.bind(transaction, user, requester.ip(), proofs).await
        })
        .await
    }

    /// Gives a user who has forgotten the password another one, and ends every session that the old one began.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn reset_password(
        &self,
        user: UserId,
        password_hash: &str,
        requester: SocketAddr,
    ) -> Result<(), StoreError> {
        self.write("reset_password", async |transaction| {
            let change = user::ActiveModel {
                password_hash: Set(Some(password_hash.to_owned())),
                updated_at: Set(self.clock.now().as_millis()),
                ..Default::default()
            };
            self.update_user(transaction, user, change).await?;
            self.delete_sessions_of(transaction, user).await?;
            let line = TenantAudit {
                actor: Some(user),
                action: "password.reset",
                subject: Some(user),
                detail: "{}",
                address: requester.ip(),
            };
            self.insert_audit(transaction, &line).await
        })
        .await
    }
}
