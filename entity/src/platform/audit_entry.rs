//! Table `audit_entries`: one effect of an administrator; only ever added.

use sea_orm::entity::prelude::*;

/// A row of `audit_entries`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    /// The row's number; grows with time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// Who.
    pub administrator: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// At which tenant.
    pub tenant_id: Option<i64>,
    /// To what: a key, a code.
    pub subject: String,
    /// JSON before the change, secrets left out.
    #[sea_orm(column_type = "Text")]
    pub before: Option<String>,
    /// JSON after the change, secrets left out.
    #[sea_orm(column_type = "Text")]
    pub after: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
