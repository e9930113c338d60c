//! Table `tenant_hosts`: a host name that names a tenant.

use sea_orm::entity::prelude::*;

/// A row of `tenant_hosts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_hosts")]
pub struct Model {
    /// Normalised: lower-case A-labels, no port, no trailing dot.
    #[sea_orm(primary_key, auto_increment = false)]
    pub host: String,
    /// The tenant it names.
    pub tenant_id: i64,
}

impl ActiveModelBehavior for ActiveModel {}
