//! The group that an invite code leads to, and the member who issued it.

use sea_orm_migration::prelude::*;

use crate::table::{self, optional_count, optional_number};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [optional_count("group_id"), optional_number("issued_by")];
        table::add_columns(manager, "invite_codes", columns).await
    }
}
