//! What can be asked of a tenant's actor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::Message;
use tokio::sync::OwnedSemaphorePermit;

use super::names::Tenant;
use crate::domain::invite_code::InviteCode;
use crate::registration::error::RegistrationError;
use crate::registration::pipeline::{Registered, RegistrationRequest};
use crate::store::error::StoreError;
use crate::store::tenant_db::TenantDb;

/// Register a user. The permit travels along, so that the work counts as admitted until it ends, whoever still waits.
#[derive(Message)]
#[rtype(result = "Result<Registered, RegistrationError>")]
pub(super) struct Register {
    pub(super) request: RegistrationRequest,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// The request as the log knows it: work on the actor's thread belongs to it.
    pub(super) span: tracing::Span,
}

/// What an administrator's question does with the tenant's rows.
pub(super) type Question<T> =
    Box<dyn FnOnce(TenantDb) -> Pin<Box<dyn Future<Output = Result<T, StoreError>>>> + Send>;

/// Ask the tenant's database on an administrator's behalf.
#[derive(Message)]
#[rtype(result = "Result<T, StoreError>")]
pub(super) struct Ask<T: Send + 'static>(pub(super) Question<T>);

/// Forget hints about codes that were issued just now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct InvitesIssued(pub(super) Vec<InviteCode>);

/// The tenant's settings changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reconfigure(pub(super) Arc<Tenant>);

/// The tenant's public keys.
#[derive(Message)]
#[rtype(result = "serde_json::Value")]
pub(super) struct PublicKeys;

/// Finish what was begun, close the database, stop.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
