//! Databases of tenants' own, as commands that visit all of them find them: `enroll migrate`, `enroll backup`.

use std::path::{Path, PathBuf};

use entity::platform::tenant;
use futures_util::stream::{self, Stream, TryStreamExt};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::platform_db::PlatformDb;
use super::settings::DatabaseUrl;
use super::tenants::{Placement, TenantState, placement_of, url_context};
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;

/// A tenant with a database of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDatabase {
    /// The tenant's number.
    pub tenant: TenantId,
    /// The tenant's short name.
    pub key: String,
    /// Where its rows live; never shared.
    pub placement: Placement,
}

/// Tenants read at a time.
const PAGE: u64 = 500;

impl PlatformDb {
    /// Tenants with a database of their own, in order of their numbers and page by page, so that any number of them
    /// takes the memory of one page. Deleted ones are left out: nobody opens their databases any more. Ends with the
    /// first error.
    pub fn own_databases(&self) -> impl Stream<Item = Result<OwnDatabase, StoreError>> + '_ {
        stream::try_unfold(Some(0), async move |after| {
            let Some(after) = after else {
                return Ok(None);
            };
            let page = self.own_databases_after(after).await?;
            let last = page.last().map(|last| last.tenant.as_i64());
            Ok::<_, StoreError>(Some((stream::iter(page.into_iter().map(Ok)), last)))
        })
        .try_flatten()
    }

    async fn own_databases_after(&self, after: i64) -> Result<Vec<OwnDatabase>, StoreError> {
        /// Columns that every version has: the schema may be behind this one, or ahead.
        type Row = (i64, String, i16, Option<String>, Option<Vec<u8>>);
        let query = tenant::Entity::find()
            .select_only()
            .column(tenant::Column::Id)
            .column(tenant::Column::Key)
            .column(tenant::Column::PlacementKind)
            .column(tenant::Column::PlacementDatabase)
            .column(tenant::Column::PlacementUrlSealed)
            .filter(tenant::Column::Id.gt(after))
            .filter(tenant::Column::PlacementDatabase.is_null())
            .filter(tenant::Column::State.ne(TenantState::Deleted.as_i16()))
            .order_by_asc(tenant::Column::Id)
            .limit(PAGE);
        self.connection
            .within("own_databases", async {
                let rows: Vec<Row> = query
                    .into_tuple()
                    .all(&self.connection.pool.current())
                    .await?;
                rows.into_iter()
                    .map(|(id, key, kind, database, url)| {
                        Ok(OwnDatabase {
                            tenant: TenantId::from_i64(id),
                            key,
                            placement: placement_of(kind, database, url)?,
                        })
                    })
                    .collect()
            })
            .await
    }
}

/// The SQLite file of a tenant's own, named by its number, which no client chooses. `folder` is where such files lie.
#[must_use]
pub fn own_file(folder: &Path, tenant: TenantId) -> PathBuf {
    folder.join(format!("{tenant}.db"))
}

/// Opens the sealed address of a tenant's own database.
///
/// # Errors
/// [`StoreError::Corrupt`] when it does not open with this key, or holds no address.
pub fn unseal_url(
    master_key: &MasterKey,
    tenant: TenantId,
    sealed: &[u8],
) -> Result<DatabaseUrl, StoreError> {
    const CORRUPT: StoreError = StoreError::Corrupt("tenants.placement_url_sealed");
    let plain = master_key
        .open(&url_context(tenant), sealed)
        .map_err(|_| CORRUPT)?;
    let text = std::str::from_utf8(&plain).map_err(|_| CORRUPT)?;
    DatabaseUrl::parse(text).map_err(|_| CORRUPT)
}
