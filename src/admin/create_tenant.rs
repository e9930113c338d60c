//! Creates a tenant: checks its placement, makes its first signing key, and starts to serve it at once.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Admin;
use super::error::AdminError;
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::store::administrators::Administrator;
use crate::store::audit::Audit;
use crate::store::settings::{Backend, DatabaseUrl};
use crate::store::tenants::{NewTenant, Placement, TenantRecord, url_context};
use crate::token::Algorithm;

/// A tenant as an administrator asks for it. No `Debug`: its settings hold secrets in clear.
pub struct TenantRequest {
    /// Its short name.
    pub key: TenantKey,
    /// The name shown to people.
    pub name: String,
    /// Its own host names.
    pub hosts: Vec<HostName>,
    /// Where its rows shall live.
    pub placement: PlacementRequest,
    /// Its first settings, a JSON object with secrets in clear.
    pub settings: Value,
}

/// Where a tenant's rows shall live.
#[derive(Debug)]
pub enum PlacementRequest {
    /// An SQLite file in the data directory.
    OwnFile,
    /// A PostgreSQL or MySQL database of its own, by its URL.
    OwnUrl(SecretString),
    /// A configured database that many tenants share.
    Shared(String),
}

impl Admin {
    /// Creates the tenant.
    ///
    /// # Errors
    /// [`AdminError::KeyTaken`], [`AdminError::HostTaken`], [`AdminError::Settings`], [`AdminError::Placement`].
    pub async fn create_tenant(
        &self,
        by: &Administrator,
        request: TenantRequest,
    ) -> Result<TenantRecord, AdminError> {
        let id = self.platform.new_tenant_id()?;
        if self.platform.find_tenant(&request.key).await?.is_some() {
            return Err(AdminError::KeyTaken);
        }
        let settings = self.first_settings(id, request.settings)?;
        let placement = self.place(id, request.placement).await?;
        let key = self.new_signing_key(id, Algorithm::EdDsa)?;
        let new = NewTenant {
            key: request.key,
            name: request.name,
            hosts: request.hosts,
            placement,
            settings,
        };
        let audit = Audit {
            administrator: &by.name,
            action: "tenant.create",
        };
        let record = self.platform.create_tenant(id, &new, &key, &audit).await?;
        self.directory.changed(&record).await;
        Ok(record)
    }

    /// Turns the wish into a placement that was seen to work.
    async fn place(
        &self,
        id: TenantId,
        request: PlacementRequest,
    ) -> Result<Placement, AdminError> {
        let placement = match request {
            // The file is made with the tenant's first request; there is nothing that could be tried before.
            PlacementRequest::OwnFile => return Ok(Placement::OwnFile),
            PlacementRequest::Shared(name) => {
                if self.directory.shared_backend(&name).is_none() {
                    return Err(AdminError::Placement("no shared database has this name"));
                }
                Placement::Shared(name)
            }
            PlacementRequest::OwnUrl(url) => {
                let parsed = DatabaseUrl::parse(url.expose_secret()).map_err(|_| {
                    AdminError::Placement("the URL must be a PostgreSQL or MySQL one")
                })?;
                // A path on the server's disk is not the tenant's to choose.
                if parsed.backend() == Backend::Sqlite {
                    return Err(AdminError::Placement(
                        "the URL must be a PostgreSQL or MySQL one",
                    ));
                }
                let sealed = self.master_key.seal(
                    self.entropy.bytes::<12>()?,
                    &url_context(id),
                    parsed.expose().as_bytes(),
                );
                Placement::OwnUrl(sealed.map_err(|_| AdminError::Placement("the URL is too long"))?)
            }
        };
        match self.directory.try_placement(id, placement.clone()).await {
            Ok(()) => Ok(placement),
            Err(error) => {
                tracing::warn!(%error, "the database of a new tenant cannot be used");
                Err(AdminError::Placement(
                    "the database does not answer or refuses the schema",
                ))
            }
        }
    }
}
