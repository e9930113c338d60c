//! What administrators can do: one file a use case, every effect audited.
//!
//! Taken: use cases over the platform database and the tenants' actors, so that API, console and declared files share
//! them. Refused: handlers that write to a database themselves. May import `tenant`, `registration`, `store`, `token`,
//! `domain`, `pressure`, `telemetry` and `clock`.
//!
//! Invariants: a change is in force in this process before its caller is answered; the audit holds no secret.

mod administrators;
mod applications;
mod authenticate;
mod change_tenant;
mod change_user;
mod console_sessions;
mod create_tenant;
mod deleted_users;
pub mod error;
mod invite_batches;
mod invites;
mod keys;
mod list_audit;
mod list_users;
mod pressure;
mod read_settings;
mod settings_versions;
mod transfer;
mod usage;

pub use self::administrators::RoleRequest;
pub use self::applications::ApplicationDecision;
pub use self::authenticate::{AdministratorToken, create_administrator};
pub use self::change_tenant::TenantUpdate;
pub use self::console_sessions::{ConsoleSession, SESSION_LIFE};
pub use self::create_tenant::{PlacementRequest, TenantRequest};
pub use self::invite_batches::{BatchRequest, BatchWork, InviteWalk};
pub use self::invites::InviteRequest;
pub use self::keys::{KEY_NOTICE, KeyShown, KeyState};
pub use self::list_audit::AuditWalk;
pub use self::transfer::{ImportRequest, Imported};

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::Semaphore;

use self::error::AdminError;
use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::platform_db::PlatformDb;
use crate::store::settings::{Backend, DatabaseUrl};
use crate::store::tenants::{Placement, TenantFilter, TenantRecord, TenantState, url_context};
use crate::tenant::directory::Directory;
use crate::tenant::names::Tenant;

/// The use cases of administrators.
#[derive(Clone)]
pub struct Admin {
    platform: PlatformDb,
    directory: Directory,
    master_key: Arc<MasterKey>,
    clock: Clock,
    entropy: Entropy,
    /// Wrong tokens per address: a few a minute.
    attempts: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    /// Who may make a key pair: one at a time, since it takes a core.
    key_making: Arc<Semaphore>,
}

/// Wrong tokens that one address may send within a minute.
const WRONG_TOKENS_A_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

impl Admin {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(
        platform: PlatformDb,
        directory: Directory,
        master_key: Arc<MasterKey>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        let attempts = Arc::new(DefaultKeyedRateLimiter::hashmap(Quota::per_minute(
            WRONG_TOKENS_A_MINUTE,
        )));
        Self {
            platform,
            directory,
            master_key,
            clock,
            entropy,
            attempts,
            key_making: Arc::new(Semaphore::new(1)),
        }
    }

    /// The tenant with this key, unless it was deleted.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none.
    pub async fn get_tenant(&self, key: &TenantKey) -> Result<TenantRecord, AdminError> {
        let record = self.platform.find_tenant(key).await?;
        record
            .filter(|record| record.state != TenantState::Deleted)
            .ok_or(AdminError::NotFound("tenant"))
    }

    /// At most `limit` such tenants after the tenant `after`; for a tenant's administrator that one alone, unless it was
    /// deleted.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the database does not answer, [`AdminError::PageGone`].
    pub async fn list_tenants(
        &self,
        by: &Administrator,
        filter: &TenantFilter,
        after: TenantId,
        limit: u64,
    ) -> Result<Vec<TenantRecord>, AdminError> {
        let Some(own) = by.role.only_tenant() else {
            let found = self.platform.list_tenants(filter, after, limit).await?;
            return found.ok_or(AdminError::PageGone);
        };
        let record = self.platform.find_tenant_by_id(own).await?;
        let asked_for = |record: &TenantRecord| {
            record.id > after && record.state != TenantState::Deleted && filter.takes(record)
        };
        Ok(record.into_iter().filter(asked_for).collect())
    }

    /// The names of the databases that tenants may share, in order.
    #[must_use]
    pub fn shared_databases(&self) -> Vec<String> {
        self.directory.shared_databases()
    }

    /// The kind of database that holds a tenant's rows; `None` when this process cannot tell: the shared database is not
    /// configured here, or the master key is another one.
    #[must_use]
    pub fn backend_of(&self, record: &TenantRecord) -> Option<Backend> {
        match &record.placement {
            Placement::OwnFile => Some(Backend::Sqlite),
            Placement::Shared(name) => self.directory.shared_backend(name),
            Placement::OwnUrl(sealed) => {
                let url = self.master_key.open(&url_context(record.id), sealed).ok()?;
                let url = DatabaseUrl::parse(std::str::from_utf8(&url).ok()?).ok()?;
                Some(url.backend())
            }
        }
    }

    /// The tenant as this process knows it, live or not.
    async fn live_tenant(&self, key: &TenantKey) -> Result<Arc<Tenant>, AdminError> {
        let tenant = self.directory.find(key).await?;
        tenant
            .filter(|tenant| tenant.record.state != TenantState::Deleted)
            .ok_or(AdminError::NotFound("tenant"))
    }
}
