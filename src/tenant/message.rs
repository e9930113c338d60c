//! What can be asked of a tenant's actor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::names::Tenant;
use crate::domain::invite_code::InviteCode;
use crate::pressure::Place;
use crate::registration::error::RegistrationError;
use crate::registration::pipeline::RegistrationRequest;
use crate::session::gate::Tokens;
use crate::session::rules::{TenantKeys, TenantRules};
use crate::session::tools::Tools;
use actix::Message;

/// Register a user. The permit travels along, so that the work counts as admitted until it ends, whoever still waits.
#[derive(Message)]
#[rtype(result = "Result<Tokens, RegistrationError>")]
pub(super) struct Register {
    pub(super) request: RegistrationRequest,
    pub(super) permit: Place,
    /// The request as the log knows it: work on the actor's thread belongs to it.
    pub(super) span: tracing::Span,
}

/// Work with the tenant's tools and rules, made on the actor's own thread.
pub(super) type Work<T, E> =
    Box<dyn FnOnce(Tools, Arc<TenantRules>) -> Pin<Box<dyn Future<Output = Result<T, E>>>> + Send>;

/// Do some work for this tenant: every call but a registration, and administrators' questions.
#[derive(Message)]
#[rtype(result = "Result<T, E>")]
pub(super) struct Perform<T: Send + 'static, E: Send + 'static> {
    pub(super) work: Work<T, E>,
    /// `None` for an administrator's question, which takes no place from the tenant's users.
    pub(super) permit: Option<Place>,
    /// The request as the log knows it.
    pub(super) span: tracing::Span,
}

/// Forget hints about codes that were issued just now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct InvitesIssued(pub(super) Vec<InviteCode>);

/// The tenant's settings or keys changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reconfigure {
    pub(super) tenant: Arc<Tenant>,
    /// `None` while they cannot be read: those at hand go on.
    pub(super) keys: Option<Arc<TenantKeys>>,
}

/// Finish what was begun, close the database, stop.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
