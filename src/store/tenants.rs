//! Tenants in the platform database.

use std::collections::HashMap;
use std::sync::Arc;

use entity::platform::{tenant, tenant_host, tenant_settings};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::Expr,
};
use serde_json::{Value, json};

use super::audit::{Audit, AuditEntry};
use super::error::{OfStore, StoreError};
use super::platform_db::PlatformDb;
use super::signing_keys::NewSigningKey;
use crate::clock::Timestamp;
use crate::domain::host_name::HostName;
use crate::domain::ids::TenantId;
use crate::domain::tenant_key::TenantKey;
use crate::domain::tenant_settings::TenantSettings;

/// Whether a tenant serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    /// Serves.
    Active,
    /// Answers as if it did not exist, until it is resumed.
    Suspended,
    /// Gone for good; its key stays taken.
    Deleted,
}

impl TenantState {
    pub(super) const fn as_i16(self) -> i16 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Deleted => 2,
        }
    }

    const fn from_i16(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Active),
            1 => Some(Self::Suspended),
            2 => Some(Self::Deleted),
            _ => None,
        }
    }

    /// The word for people and for the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the word; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Deleted]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// Where a tenant's rows live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// An SQLite file in the data directory, named by the tenant's id.
    OwnFile,
    /// A database of its own; the URL is sealed with the master key.
    OwnUrl(Vec<u8>),
    /// A configured database that many tenants share.
    Shared(String),
}

const OWN: i16 = 0;
const SHARED: i16 = 1;

/// A tenant as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantRecord {
    /// Its number.
    pub id: TenantId,
    /// Its short name.
    pub key: TenantKey,
    /// The name shown to people.
    pub name: String,
    /// Whether it serves.
    pub state: TenantState,
    /// Its own host names.
    pub hosts: Vec<HostName>,
    /// Where its rows live.
    pub placement: Placement,
    /// Its current settings.
    pub settings: Arc<TenantSettings>,
    /// The number of the current settings.
    pub settings_version: i32,
    /// The platform revision of its last change.
    pub revision: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl TenantRecord {
    /// What the audit keeps of a tenant: everything but secrets.
    #[must_use]
    pub fn for_audit(&self) -> Value {
        let hosts: Vec<&str> = self.hosts.iter().map(HostName::as_str).collect();
        json!({
            "key": self.key.as_str(), "name": self.name, "state": self.state.as_str(), "hosts": hosts,
            "settings": self.settings.masked(), "settings_version": self.settings_version,
        })
    }
}

/// A tenant that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedTenant {
    /// Its number.
    pub id: TenantId,
    /// Its short name.
    pub key: TenantKey,
    /// The platform revision of the change.
    pub revision: i64,
}

/// A tenant to be created.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its short name.
    pub key: TenantKey,
    /// The name shown to people.
    pub name: String,
    /// Its own host names.
    pub hosts: Vec<HostName>,
    /// Where its rows shall live.
    pub placement: Placement,
    /// Its first settings.
    pub settings: TenantSettings,
}

/// What changes about a tenant; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    /// The name shown to people.
    pub name: Option<String>,
    /// All host names.
    pub hosts: Option<Vec<HostName>>,
    /// All settings, as a new version.
    pub settings: Option<TenantSettings>,
    /// Whether it serves.
    pub state: Option<TenantState>,
}

/// Why a tenant was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantNotChanged {
    /// Another tenant has the key, or had it and was not purged yet.
    #[error("the key is taken")]
    KeyTaken,
    /// Another tenant has this host name.
    #[error("the host {0} is taken")]
    HostTaken(HostName),
    /// There is no such tenant, or it was deleted.
    #[error("no such tenant")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for TenantNotChanged {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// The place for which the master key seals a tenant's database URL.
#[must_use]
pub fn url_context(tenant: TenantId) -> String {
    format!("placement_url:{tenant}")
}

/// Which tenants are asked for; what is `None` is any. They come in order of their keys if keys are asked for, else of their
/// names if names are, else as they were made.
#[derive(Clone, Debug, Default)]
pub struct TenantFilter {
    /// In this state.
    pub state: Option<TenantState>,
    /// Whose key begins so.
    pub key_begins: Option<String>,
    /// Whose name begins so, letter by letter.
    pub name_begins: Option<String>,
}

impl TenantFilter {
    /// Whether a tenant is one of them.
    #[must_use]
    pub fn takes(&self, record: &TenantRecord) -> bool {
        let begins = |text: &str, wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text.starts_with(wanted.as_str()))
        };
        self.state.is_none_or(|state| record.state == state)
            && begins(record.key.as_str(), &self.key_begins)
            && begins(&record.name, &self.name_begins)
    }

    const fn is_ordered_by_text(&self) -> bool {
        self.key_begins.is_some() || self.name_begins.is_some()
    }

    /// A walk along one index, from where the page before ended.
    fn page(
        &self,
        after: TenantId,
        last: Option<&tenant::Model>,
        limit: u64,
    ) -> Select<tenant::Entity> {
        use tenant::Column::{Id, Key, Name, State};

        let range = |column: tenant::Column, beginning: &Option<String>| {
            let bounds = beginning.as_ref().map(|beginning| {
                let end = column.lt(format!("{beginning}\u{10FFFF}"));
                column.gte(beginning.as_str()).and(end)
            });
            Condition::all().add_option(bounds)
        };
        let page = tenant::Entity::find()
            .filter(range(Key, &self.key_begins))
            .filter(range(Name, &self.name_begins))
            .filter(Condition::all().add_option(self.state.map(|state| State.eq(state.as_i16()))))
            .limit(limit);
        match (&self.key_begins, &self.name_begins, last) {
            (Some(_), _, last) => page
                .filter(Condition::all().add_option(last.map(|last| Key.gt(last.key.as_str()))))
                .order_by_asc(Key),
            (None, Some(_), last) => {
                // Names may be alike. The first condition is what an index serves.
                let further = last.map(|last| {
                    let same = last.name.as_str();
                    Name.gte(same).and(Name.gt(same).or(Id.gt(last.id)))
                });
                page.filter(Condition::all().add_option(further))
                    .order_by_asc(Name)
                    .order_by_asc(Id)
            }
            _ => page.filter(Id.gt(after.as_i64())).order_by_asc(Id),
        }
    }
}

impl PlatformDb {
    /// Creates a tenant with its first settings and its first signing key, and audits it.
    ///
    /// # Errors
    /// [`TenantNotChanged`].
    pub async fn create_tenant(
        &self,
        id: TenantId,
        new: &NewTenant,
        key: &NewSigningKey,
        audit: &Audit<'_>,
    ) -> Result<TenantRecord, TenantNotChanged> {
        self.write("create_tenant", async |transaction| {
            let now = self.clock.now();
            let revision = self.next_revision(transaction).await?;
            if find_row(transaction, tenant::Column::Key.eq(new.key.as_str()))
                .await?
                .is_some()
            {
                return Err(TenantNotChanged::KeyTaken);
            }
            let record = TenantRecord {
                id,
                key: new.key.clone(),
                name: new.name.clone(),
                state: TenantState::Active,
                hosts: new.hosts.clone(),
                placement: new.placement.clone(),
                settings: Arc::new(new.settings.clone()),
                settings_version: 1,
                revision,
                created_at: now,
                updated_at: now,
            };
            tenant::Entity::insert(tenant::ActiveModel::from(to_row(&record)?))
                .exec_without_returning(transaction)
                .await
                .map_err(StoreError::from)?;
            put_hosts(transaction, id, &record.hosts).await?;
            self.add_settings_version(transaction, &record, audit.administrator)
                .await?;
            self.insert_signing_key(transaction, id, key, now, now)
                .await?;
            self.add_audit(transaction, &AuditEntry::of_tenant(audit, None, &record))
                .await?;
            Ok(record)
        })
        .await
    }

    /// Changes a tenant as `decide` says after it has seen the tenant as it stands, and audits it.
    ///
    /// # Errors
    /// What `decide` answers, or [`TenantNotChanged`].
    pub async fn change_tenant<E: OfStore + From<TenantNotChanged>>(
        &self,
        key: &TenantKey,
        audit: &Audit<'_>,
        decide: impl Fn(&TenantRecord) -> Result<TenantChange, E>,
    ) -> Result<TenantRecord, E> {
        self.write("change_tenant", async |transaction| {
            let revision = self.next_revision(transaction).await?;
            let row = find_row(transaction, tenant::Column::Key.eq(key.as_str())).await?;
            let before = match row {
                Some(row) if row.state != TenantState::Deleted.as_i16() => {
                    with_hosts(transaction, row).await?
                }
                _ => return Err(TenantNotChanged::NotFound.into()),
            };
            let change = decide(&before)?;
            let mut after = before.clone();
            after.revision = revision;
            after.updated_at = self.clock.now();
            if let Some(name) = change.name {
                after.name = name;
            }
            if let Some(state) = change.state {
                after.state = state;
            }
            if let Some(settings) = change.settings {
                after.settings = Arc::new(settings);
                after.settings_version = before.settings_version.saturating_add(1);
                self.add_settings_version(transaction, &after, audit.administrator)
                    .await?;
            }
            if let Some(hosts) = change.hosts {
                after.hosts = hosts;
                put_hosts(transaction, after.id, &after.hosts).await?;
            } else if after.state == TenantState::Deleted {
                // A deleted tenant's key stays taken, its hosts may serve another tenant at once.
                after.hosts.clear();
                put_hosts(transaction, after.id, &after.hosts).await?;
            }
            let mut row = to_row(&after)?;
            row.deleted_at =
                (after.state == TenantState::Deleted).then_some(after.updated_at.as_millis());
            let row: tenant::ActiveModel = row.into();
            tenant::Entity::update(row.reset_all())
                .validate()
                .map_err(StoreError::from)?
                .exec(transaction)
                .await
                .map_err(StoreError::from)?;
            self.add_audit(
                transaction,
                &AuditEntry::of_tenant(audit, Some(&before), &after),
            )
            .await?;
            Ok(after)
        })
        .await
    }

    /// Marks a tenant as changed, for a change of what belongs to it; `None` when there is none of this key, or it was
    /// deleted. Until the transaction ends, no other change to any tenant begins.
    pub(super) async fn touch_tenant(
        &self,
        transaction: &DatabaseTransaction,
        key: &TenantKey,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let revision = self.next_revision(transaction).await?;
        let row = find_row(transaction, tenant::Column::Key.eq(key.as_str())).await?;
        let Some(row) = row.filter(|row| row.state != TenantState::Deleted.as_i16()) else {
            return Ok(None);
        };
        let mut record = with_hosts(transaction, row).await?;
        record.revision = revision;
        tenant::Entity::update_many()
            .col_expr(tenant::Column::Revision, Expr::value(revision))
            .filter(tenant::Column::Id.eq(record.id.as_i64()))
            .exec(transaction)
            .await?;
        Ok(Some(record))
    }

    /// The tenant with this key, whatever its state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_tenant(&self, key: &TenantKey) -> Result<Option<TenantRecord>, StoreError> {
        self.find_one(tenant::Column::Key.eq(key.as_str())).await
    }

    /// The tenant of this number, whatever its state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_tenant_by_id(
        &self,
        id: TenantId,
    ) -> Result<Option<TenantRecord>, StoreError> {
        self.find_one(tenant::Column::Id.eq(id.as_i64())).await
    }

    async fn find_one(&self, which: Expr) -> Result<Option<TenantRecord>, StoreError> {
        self.connection
            .within("find_tenant", async {
                let pool = &self.connection.pool.current();
                let row = find_row(pool, which).await?;
                match row {
                    Some(row) => with_hosts(pool, row).await.map(Some),
                    None => Ok(None),
                }
            })
            .await
    }

    /// The key of the tenant that this host names.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_tenant_of_host(
        &self,
        host: &HostName,
    ) -> Result<Option<TenantRecord>, StoreError> {
        self.connection
            .within("find_tenant_of_host", async {
                let pool = &self.connection.pool.current();
                let Some(named) = tenant_host::Entity::find_by_id(host.as_str())
                    .one(pool)
                    .await?
                else {
                    return Ok(None);
                };
                match find_row(pool, tenant::Column::Id.eq(named.tenant_id)).await? {
                    Some(row) => with_hosts(pool, row).await.map(Some),
                    None => Ok(None),
                }
            })
            .await
    }

    /// At most `limit` such tenants after the tenant `after` (0 at the beginning), in the order of the filter. `None` when there
    /// is no tenant `after` any more whose key or name to go on from.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_tenants(
        &self,
        filter: &TenantFilter,
        after: TenantId,
        limit: u64,
    ) -> Result<Option<Vec<TenantRecord>>, StoreError> {
        self.connection
            .within("list_tenants", async {
                let pool = self.connection.pool.current();
                let mut last = None;
                if filter.is_ordered_by_text() && after.as_i64() > 0 {
                    last = tenant::Entity::find_by_id(after.as_i64())
                        .one(&pool)
                        .await?;
                    if last.is_none() {
                        return Ok(None);
                    }
                }
                let page = filter.page(after, last.as_ref(), limit);
                let rows = page.all(&pool).await?;
                self.with_all_hosts(rows).await.map(Some)
            })
            .await
    }

    /// At most `limit` tenants that changed after `revision`, oldest change first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tenants_changed_since(
        &self,
        revision: i64,
        limit: u64,
    ) -> Result<Vec<ChangedTenant>, StoreError> {
        self.connection
            .within("tenants_changed_since", async {
                let rows: Vec<(i64, String, i64)> = tenant::Entity::find()
                    .select_only()
                    .column(tenant::Column::Id)
                    .column(tenant::Column::Key)
                    .column(tenant::Column::Revision)
                    .filter(tenant::Column::Revision.gt(revision))
                    .order_by_asc(tenant::Column::Revision)
                    .limit(limit)
                    .into_tuple()
                    .all(&self.connection.pool.current())
                    .await?;
                rows.into_iter()
                    .map(|(id, key, revision)| {
                        let key =
                            TenantKey::parse(&key).ok_or(StoreError::Corrupt("tenants.key"))?;
                        Ok(ChangedTenant {
                            id: TenantId::from_i64(id),
                            key,
                            revision,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// The revision of the last change to any tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn last_revision(&self) -> Result<i64, StoreError> {
        self.connection
            .within("last_revision", async {
                let row = entity::platform::revision::Entity::find_by_id(1_i16)
                    .one(&self.connection.pool.current())
                    .await?;
                row.map(|row| row.value)
                    .ok_or(StoreError::Corrupt("platform_revision has no row"))
            })
            .await
    }

    /// A number for a tenant to be created: its database is made before its row.
    ///
    /// # Errors
    /// [`StoreError::NoEntropy`] when the random source fails.
    pub fn new_tenant_id(&self) -> Result<TenantId, StoreError> {
        self.new_id().map(TenantId::from_i64)
    }

    async fn with_all_hosts(
        &self,
        rows: Vec<tenant::Model>,
    ) -> Result<Vec<TenantRecord>, StoreError> {
        let hosts = tenant_host::Entity::find()
            .filter(tenant_host::Column::TenantId.is_in(rows.iter().map(|row| row.id)))
            .order_by_asc(tenant_host::Column::Host)
            .all(&self.connection.pool.current())
            .await?;
        let mut of_tenant: HashMap<i64, Vec<HostName>> = HashMap::new();
        for row in hosts {
            of_tenant
                .entry(row.tenant_id)
                .or_default()
                .push(to_host(&row.host)?);
        }
        rows.into_iter()
            .map(|row| {
                let hosts = of_tenant.remove(&row.id).unwrap_or_default();
                to_record(row, hosts)
            })
            .collect()
    }

    async fn add_settings_version(
        &self,
        transaction: &DatabaseTransaction,
        record: &TenantRecord,
        changed_by: &str,
    ) -> Result<(), StoreError> {
        tenant_settings::Entity::insert(tenant_settings::ActiveModel {
            tenant_id: Set(record.id.as_i64()),
            version: Set(record.settings_version),
            settings: Set(to_json(&record.settings)?),
            changed_by: Set(changed_by.to_owned()),
            created_at: Set(record.updated_at.as_millis()),
        })
        .exec_without_returning(transaction)
        .await?;
        Ok(())
    }
}

async fn find_row(
    connection: &impl ConnectionTrait,
    which: Expr,
) -> Result<Option<tenant::Model>, StoreError> {
    Ok(tenant::Entity::find().filter(which).one(connection).await?)
}

async fn with_hosts(
    connection: &impl ConnectionTrait,
    row: tenant::Model,
) -> Result<TenantRecord, StoreError> {
    let rows = tenant_host::Entity::find()
        .filter(tenant_host::Column::TenantId.eq(row.id))
        .order_by_asc(tenant_host::Column::Host)
        .all(connection)
        .await?;
    let hosts = rows
        .iter()
        .map(|row| to_host(&row.host))
        .collect::<Result<_, _>>()?;
    to_record(row, hosts)
}

/// Makes `hosts` the tenant's host names, all of them.
async fn put_hosts(
    transaction: &DatabaseTransaction,
    tenant: TenantId,
    hosts: &[HostName],
) -> Result<(), TenantNotChanged> {
    tenant_host::Entity::delete_many()
        .filter(tenant_host::Column::TenantId.eq(tenant.as_i64()))
        .exec(transaction)
        .await
        .map_err(StoreError::from)?;
    for host in hosts {
        let taken = tenant_host::Entity::find_by_id(host.as_str())
            .one(transaction)
            .await
            .map_err(StoreError::from)?;
        if taken.is_some() {
            return Err(TenantNotChanged::HostTaken(host.clone()));
        }
        tenant_host::Entity::insert(tenant_host::ActiveModel {
            host: Set(host.as_str().to_owned()),
            tenant_id: Set(tenant.as_i64()),
        })
        .exec_without_returning(transaction)
        .await
        .map_err(StoreError::from)?;
    }
    Ok(())
}

fn to_host(text: &str) -> Result<HostName, StoreError> {
    HostName::parse(text).ok_or(StoreError::Corrupt("tenant_hosts.host"))
}

fn to_json(settings: &TenantSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.to_string()))
}

fn to_row(record: &TenantRecord) -> Result<tenant::Model, StoreError> {
    let (kind, database, url) = match &record.placement {
        Placement::OwnFile => (OWN, None, None),
        Placement::OwnUrl(sealed) => (OWN, None, Some(sealed.clone())),
        Placement::Shared(name) => (SHARED, Some(name.clone()), None),
    };
    Ok(tenant::Model {
        id: record.id.as_i64(),
        key: record.key.as_str().to_owned(),
        name: record.name.clone(),
        state: record.state.as_i16(),
        placement_kind: kind,
        placement_database: database,
        placement_url_sealed: url,
        settings: to_json(&record.settings)?,
        settings_version: record.settings_version,
        revision: record.revision,
        created_at: record.created_at.as_millis(),
        updated_at: record.updated_at.as_millis(),
        deleted_at: None,
    })
}

/// The placement that three columns of `tenants` tell.
pub(super) fn placement_of(
    kind: i16,
    database: Option<String>,
    url_sealed: Option<Vec<u8>>,
) -> Result<Placement, StoreError> {
    match (kind, database, url_sealed) {
        (OWN, None, None) => Ok(Placement::OwnFile),
        (OWN, None, Some(sealed)) => Ok(Placement::OwnUrl(sealed)),
        (SHARED, Some(name), None) => Ok(Placement::Shared(name)),
        _ => Err(StoreError::Corrupt("tenants.placement")),
    }
}

fn to_record(row: tenant::Model, hosts: Vec<HostName>) -> Result<TenantRecord, StoreError> {
    let placement = placement_of(
        row.placement_kind,
        row.placement_database,
        row.placement_url_sealed,
    )?;
    Ok(TenantRecord {
        id: TenantId::from_i64(row.id),
        key: TenantKey::parse(&row.key).ok_or(StoreError::Corrupt("tenants.key"))?,
        name: row.name,
        state: TenantState::from_i16(row.state).ok_or(StoreError::Corrupt("tenants.state"))?,
        hosts,
        placement,
        settings: TenantSettings::from_stored(&row.settings)
            .map(Arc::new)
            .map_err(|_| StoreError::Corrupt("tenants.settings"))?,
        settings_version: row.settings_version,
        revision: row.revision,
        created_at: Timestamp::from_millis(row.created_at),
        updated_at: Timestamp::from_millis(row.updated_at),
    })
}
