//! Tenants' signing keys; the private part is sealed before it comes here.

use std::time::Duration;

use entity::platform::{signing_key, tenant};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Query},
};
use serde_json::json;

use super::audit::{Audit, AuditEntry};
use super::error::{OfStore, StoreError};
use super::platform_db::PlatformDb;
use super::tenants::TenantRecord;
use crate::clock::Timestamp;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;

/// A key to keep.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    /// The key id.
    pub kid: String,
    /// The JWS algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed with the master key.
    pub private_key_sealed: Vec<u8>,
    /// The public key as JWK text.
    pub public_jwk: String,
}

/// A stored key.
#[derive(Clone, Debug)]
pub struct StoredSigningKey {
    /// The key id.
    pub kid: String,
    /// The JWS algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed with the master key.
    pub private_key_sealed: Vec<u8>,
    /// The public key as JWK text.
    pub public_jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it signs, until one does that begins later.
    pub signs_from: Timestamp,
    /// From when its signatures count no more.
    pub retires_at: Option<Timestamp>,
}

impl From<signing_key::Model> for StoredSigningKey {
    fn from(row: signing_key::Model) -> Self {
        Self {
            kid: row.kid,
            algorithm: row.algorithm,
            private_key_sealed: row.private_key_sealed,
            public_jwk: row.public_jwk,
            created_at: Timestamp::from_millis(row.created_at),
            signs_from: Timestamp::from_millis(row.signs_from),
            retires_at: row.retires_at.map(Timestamp::from_millis),
        }
    }
}

/// Most keys that a tenant has at one time.
pub const MOST_KEYS: usize = 8;

/// Why a tenant's keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysNotChanged {
    /// There is no such tenant, or it was deleted.
    #[error("no such tenant")]
    NoTenant,
    /// The tenant has no such key.
    #[error("no such key")]
    NoKey,
    /// The tenant has [`MOST_KEYS`] keys that are not retired yet.
    #[error("the tenant has {MOST_KEYS} keys")]
    TooMany,
    /// The only key cannot go.
    #[error("the tenant has no other key")]
    LastKey,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for KeysNotChanged {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// The place for which the master key seals a tenant's private key.
#[must_use]
pub fn key_context(tenant: TenantId, kid: &str) -> String {
    format!("signing_key:{tenant}:{kid}")
}

impl PlatformDb {
    /// The tenant's keys, that which signs last first; retired ones may be among them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_signing_keys(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.connection
            .within("list_signing_keys", async {
                let pool = &self.connection.pool.current();
                let rows = rows_of(pool, tenant).await?;
                Ok(rows.into_iter().map(StoredSigningKey::from).collect())
            })
            .await
    }

    /// When the newest key was made of the tenant that renewed its keys least lately; deleted tenants do not count.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn oldest_signing_key(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = || signing_key::Column::CreatedAt.max();
        let there = Query::select()
            .column(tenant::Column::Id)
            .from(tenant::Entity)
            .and_where(tenant::Column::DeletedAt.is_null())
            .to_owned();
        let query = signing_key::Entity::find()
            .select_only()
            .expr(newest())
            .filter(signing_key::Column::TenantId.in_subquery(there))
            .group_by(signing_key::Column::TenantId)
            .order_by_asc(newest())
            .limit(1)
            .into_tuple::<i64>();
        self.connection
            .within("oldest_signing_key", async {
                let pool = &self.connection.pool.current();
                Ok(query.one(pool).await?.map(Timestamp::from_millis))
            })
            .await
    }

    /// Adds a key that signs from `signs_from` on, and audits it. Those before it retire `overlap` later, unless they do
    /// sooner. Gives the tenant as it stands now and the key.
    ///
    /// # Errors
    /// [`KeysNotChanged`].
    pub async fn add_signing_key(
        &self,
        key: &TenantKey,
        new: &NewSigningKey,
        signs_from: Timestamp,
        overlap: Duration,
        audit: &Audit<'_>,
    ) -> Result<(TenantRecord, StoredSigningKey), KeysNotChanged> {
        self.write("add_signing_key", async |transaction| {
            let tenant = self.touch_tenant(transaction, key).await?;
            let tenant = tenant.ok_or(KeysNotChanged::NoTenant)?;
            let now = self.clock.now();
            forget_retired(transaction, tenant.id, now).await?;
            let rows = rows_of(transaction, tenant.id).await?;
            if rows.len() >= MOST_KEYS {
                return Err(KeysNotChanged::TooMany);
            }
            let end = signs_from.plus(overlap);
            for row in rows {
                if row.retires_at.is_none_or(|sooner| sooner > end.as_millis()) {
                    let retires_at = Some(end);
                    put_times(transaction, &row, row.signs_from, retires_at).await?;
                }
            }
            self.insert_signing_key(transaction, tenant.id, new, now, signs_from)
                .await?;
            let stored = StoredSigningKey {
                kid: new.kid.clone(),
                algorithm: new.algorithm.clone(),
                private_key_sealed: new.private_key_sealed.clone(),
                public_jwk: new.public_jwk.clone(),
                created_at: now,
                signs_from,
                retires_at: None,
            };
            let entry =
                AuditEntry::of_subject(audit, Some(tenant.id), &new.kid).with_after(json!({
                    "algorithm": new.algorithm,
                    "signs_from": signs_from.to_rfc3339(0),
                }));
            self.add_audit(transaction, &entry).await?;
            Ok((tenant, stored))
        })
        .await
    }

    /// Ends a key at once, and audits it. The newest of the others retires no more, and signs from now on if nobody else
    /// does. Gives the tenant as it stands now.
    ///
    /// # Errors
    /// [`KeysNotChanged`].
    pub async fn revoke_signing_key(
        &self,
        key: &TenantKey,
        kid: &str,
        audit: &Audit<'_>,
    ) -> Result<TenantRecord, KeysNotChanged> {
        self.write("revoke_signing_key", async |transaction| {
            let tenant = self.touch_tenant(transaction, key).await?;
            let tenant = tenant.ok_or(KeysNotChanged::NoTenant)?;
            let now = self.clock.now().as_millis();
            forget_retired(transaction, tenant.id, self.clock.now()).await?;
            let rows = rows_of(transaction, tenant.id).await?;
            let (gone, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.kid == kid);
            let gone = gone.first().ok_or(KeysNotChanged::NoKey)?;
            let newest = kept.first().ok_or(KeysNotChanged::LastKey)?;
            let another_signs = kept.iter().skip(1).any(|row| row.signs_from <= now);
            let signs_from = if another_signs {
                newest.signs_from
            } else {
                newest.signs_from.min(now)
            };
            put_times(transaction, newest, signs_from, None).await?;
            signing_key::Entity::delete_by_id((tenant.id.as_i64(), kid.to_owned()))
                .exec(transaction)
                .await
                .map_err(StoreError::from)?;
            let entry = AuditEntry::of_subject(audit, Some(tenant.id), kid).with_after(json!({
                "algorithm": gone.algorithm,
                "revoked": true,
            }));
            self.add_audit(transaction, &entry).await?;
            Ok(tenant)
        })
        .await
    }

    pub(super) async fn insert_signing_key(
        &self,
        transaction: &DatabaseTransaction,
        tenant: TenantId,
        key: &NewSigningKey,
        now: Timestamp,
        signs_from: Timestamp,
    ) -> Result<(), StoreError> {
        signing_key::Entity::insert(signing_key::ActiveModel {
            tenant_id: Set(tenant.as_i64()),
            kid: Set(key.kid.clone()),
            algorithm: Set(key.algorithm.clone()),
            private_key_sealed: Set(key.private_key_sealed.clone()),
            public_jwk: Set(key.public_jwk.clone()),
            created_at: Set(now.as_millis()),
            signs_from: Set(signs_from.as_millis()),
            retires_at: Set(None),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}

/// A tenant's keys, that which signs last first.
async fn rows_of(
    connection: &impl ConnectionTrait,
    tenant: TenantId,
) -> Result<Vec<signing_key::Model>, StoreError> {
    let rows = signing_key::Entity::find()
        .filter(signing_key::Column::TenantId.eq(tenant.as_i64()))
        .order_by_desc(signing_key::Column::SignsFrom)
        .order_by_desc(signing_key::Column::CreatedAt)
        .order_by_desc(signing_key::Column::Kid)
        .all(connection)
        .await?;
    Ok(rows)
}

/// Drops keys that nothing counts on any more.
async fn forget_retired(
    transaction: &DatabaseTransaction,
    tenant: TenantId,
    now: Timestamp,
) -> Result<(), StoreError> {
    signing_key::Entity::delete_many()
        .filter(signing_key::Column::TenantId.eq(tenant.as_i64()))
        .filter(signing_key::Column::RetiresAt.lte(now.as_millis()))
        .exec(transaction)
        .await?;
    Ok(())
}

async fn put_times(
    transaction: &DatabaseTransaction,
    row: &signing_key::Model,
    signs_from: i64,
    retires_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let retires_at = retires_at.map(Timestamp::as_millis);
    signing_key::Entity::update_many()
        .col_expr(signing_key::Column::SignsFrom, Expr::value(signs_from))
        .col_expr(signing_key::Column::RetiresAt, Expr::value(retires_at))
        .filter(signing_key::Column::TenantId.eq(row.tenant_id))
        .filter(signing_key::Column::Kid.eq(row.kid.as_str()))
        .exec(transaction)
        .await?;
    Ok(())
}
