//! Table `tenant_audit_entries`: what a user did to an account; only ever added.

use sea_orm::entity::prelude::*;

/// A row of `tenant_audit_entries`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_audit_entries")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    /// The row's number; grows with time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// The user who did it.
    pub actor: Option<i64>,
    /// What, as `noun.verb`.
    pub action: String,
    /// The user it was done to.
    pub subject: Option<i64>,
    /// JSON; holds no secret.
    #[sea_orm(column_type = "Text")]
    pub detail: String,
    /// The requester's address.
    pub address: String,
}

impl ActiveModelBehavior for ActiveModel {}
