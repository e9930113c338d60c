//! Users of one tenant.

use entity::tenant::{deleted_user, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, EntityTrait, ExprTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, sea_query::Expr,
    sea_query::UnionType,
};
use secrecy::SecretString;

use super::error::StoreError;
use super::lookups::{Answers, Line, Lines, Lookup};
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;

/// A stored user, without the password hash: only a login needs it, and gets it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub id: UserId,
    /// The canonical name.
    pub username: String,
    /// The name as the user wrote it.
    pub display_name: String,
    /// The user's standing.
    pub status: UserStatus,
    /// Why the user wants to join.
    pub register_reason: Option<String>,
    /// The address that registered.
    pub register_ip: String,
    /// The address of the last login.
    pub last_login_ip: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the user last logged in; registration counts as a login.
    pub login_at: Timestamp,
    /// The phone number, which the user has proven.
    pub phone: Option<PhoneNumber>,
    /// The user's group.
    pub group_id: i32,
    /// Address of the user's picture.
    pub avatar_url: Option<String>,
    /// What the user is told about a refusal.
    pub refuse_message: Option<String>,
    /// Whether the user can log in by a password.
    pub has_password: bool,
}

/// A name that a login was tried with.
#[derive(Clone, Copy, Debug)]
pub enum LoginName<'a> {
    /// A user's name in canonical form.
    Name(&'a str),
    /// A phone number.
    Phone(&'a PhoneNumber),
}

impl LoginName<'_> {
    fn condition(self) -> Condition {
        Condition::all().add(match self {
            Self::Name(name) => user::Column::Username.eq(name),
            Self::Phone(phone) => user::Column::Phone.eq(phone.as_e164()),
        })
    }

    fn names(self, row: &user::Model) -> bool {
        match self {
            Self::Name(name) => row.username == name,
            Self::Phone(phone) => row.phone.as_deref() == Some(phone.as_e164()),
        }
    }
}

/// A user who may be logging in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user, whatever their status.
    pub user: User,
    /// PHC string or an imported hash; `None` for an account without a password.
    pub password_hash: Option<SecretString>,
}

impl TryFrom<user::Model> for User {
    type Error = StoreError;

    fn try_from(row: user::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId::from_i64(row.id),
            username: row.username,
            display_name: row.display_name,
            status: UserStatus::from_i16(row.status).ok_or(StoreError::Corrupt("users.status"))?,
            register_reason: row.register_reason,
            register_ip: row.register_ip,
            last_login_ip: row.last_login_ip,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            login_at: Timestamp::from_millis(row.login_at),
            phone: row.phone.as_deref().map(stored_phone).transpose()?,
            group_id: row.group_id,
            avatar_url: row.avatar_url,
            refuse_message: row.refuse_message,
            has_password: row.password_hash.is_some(),
        })
    }
}

impl TryFrom<user::Model> for Login {
    type Error = StoreError;

    fn try_from(mut row: user::Model) -> Result<Self, StoreError> {
        let password_hash = row.password_hash.take();
        let has_password = password_hash.is_some();
        let user = User::try_from(row)?;
        Ok(Self {
            user: User {
                has_password,
                ..user
            },
            password_hash: password_hash.map(SecretString::from),
        })
    }
}

fn stored_phone(text: &str) -> Result<PhoneNumber, StoreError> {
    PhoneNumber::from_e164(text).ok_or(StoreError::Corrupt("users.phone"))
}

/// Names that an account has, or one that looks the same.
pub(super) struct NameLookup;

/// A name as it is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameKey {
    canonical: String,
    skeleton: Option<String>,
}

impl Lookup for NameLookup {
    type Key = NameKey;
    type Found = ();
    const OPERATION: &'static str = "name_is_taken";

    fn line(lines: &Lines) -> &Line<Self> {
        &lines.names
    }

    async fn query(db: &TenantDb, keys: &[NameKey]) -> Result<Answers<Self>, StoreError> {
        let reader = db.reader().await?;
        let rows: Vec<(String, Option<String>)> = Self::rows(db, keys)
            .into_tuple()
            .all(&reader.executor())
            .await?;
        let is_taken = |key: &&NameKey| {
            rows.iter().any(|(name, skeleton)| {
                *name == key.canonical || (skeleton.is_some() && *skeleton == key.skeleton)
            })
        };
        let taken = keys.iter().filter(is_taken);
        Ok(taken.map(|key| (key.clone(), Ok(()))).collect())
    }
}

impl NameLookup {
    /// Name and skeleton of whoever has one of these names, or one of these skeletons, or had it and can be restored. A query
    /// for each in one: asked for either, SQLite would read every user.
    fn rows(db: &TenantDb, keys: &[NameKey]) -> Select<user::Entity> {
        let pairs = || {
            db.users()
                .select_only()
                .columns([user::Column::Username, user::Column::Skeleton])
        };
        let names = keys.iter().map(|key| key.canonical.as_str());
        let skeletons: Vec<&str> = keys
            .iter()
            .filter_map(|key| key.skeleton.as_deref())
            .collect();
        let now = db.clock.now();
        let deleted = || {
            db.restorable(now).select_only().columns([
                deleted_user::Column::Username,
                deleted_user::Column::Skeleton,
            ])
        };
        let mut rows = pairs().filter(user::Column::Username.is_in(names.clone()));
        let kept = deleted().filter(deleted_user::Column::Username.is_in(names));
        QueryTrait::query(&mut rows).union(UnionType::All, kept.into_query());
        if !skeletons.is_empty() {
            let alike = pairs().filter(user::Column::Skeleton.is_in(skeletons.clone()));
            let kept = deleted().filter(deleted_user::Column::Skeleton.is_in(skeletons));
            QueryTrait::query(&mut rows)
                .union(UnionType::All, alike.into_query())
                .union(UnionType::All, kept.into_query());
        }
        rows
    }
}

/// Which users are asked for; what is `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Of this standing.
    pub status: Option<UserStatus>,
    /// Whose canonical name begins with one of these; nobody's does with none.
    pub name_begins: Option<Vec<String>>,
}

/// A range for each beginning, which an index serves. No name holds the last code point of Unicode.
pub(super) fn any_begins_with(beginnings: &[String]) -> Condition {
    let nobody = Condition::any().add(Expr::val(1).eq(0));
    beginnings.iter().fold(nobody, |any, beginning| {
        let name = user::Column::Username;
        any.add(
            name.gte(beginning)
                .and(name.lt(format!("{beginning}\u{10FFFF}"))),
        )
    })
}

impl TenantDb {
    /// The user with this number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.connection
            .within("find_user", async {
                let reader = self.reader().await?;
                let row = self
                    .users()
                    .filter(user::Column::Id.eq(id.as_i64()))
                    .one(&reader.executor())
                    .await?;
                row.map(User::try_from).transpose()
            })
            .await
    }

    /// Whether an account has this name already, or one that looks the same. A hint: the unique indexes decide.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn name_is_taken(&self, name: &Username) -> Result<bool, StoreError> {
        let key = NameKey {
            canonical: name.canonical().to_owned(),
            skeleton: name.skeleton().map(str::to_owned),
        };
        Ok(self.look_up::<NameLookup>(key).await?.is_some())
    }

    /// At most `limit` users after the user `after` (0 at the beginning): in order of their numbers, or of their names where
    /// names are asked for. `None` when names are, and there is no user `after` any more to go on from.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_users(
        &self,
        filter: &UserFilter,
        after: UserId,
        limit: u64,
    ) -> Result<Option<Vec<User>>, StoreError> {
        self.connection
            .within("list_users", async {
                let reader = self.reader().await?;
                let Some(beginnings) = &filter.name_begins else {
                    let page = self.users_from(filter.status, after, limit);
                    let rows = page.all(&reader.executor()).await?;
                    return rows
                        .into_iter()
                        .map(User::try_from)
                        .collect::<Result<_, _>>()
                        .map(Some);
                };
                let mut last = None;
                if after.as_i64() > 0 {
                    let user = self.users().filter(user::Column::Id.eq(after.as_i64()));
                    let Some(user) = user.one(&reader.executor()).await? else {
                        return Ok(None);
                    };
                    last = Some(user.username);
                }
                let mut rows = Vec::new();
                // One query for each: asked for either, a database would not walk its index of names.
                for beginning in beginnings {
                    let page = self.named(beginning, filter.status, last.as_deref(), limit);
                    rows.extend(page.all(&reader.executor()).await?);
                }
                rows.sort_by(|one, other| one.username.cmp(&other.username));
                rows.dedup_by_key(|row| row.id);
                rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                rows.into_iter()
                    .map(User::try_from)
                    .collect::<Result<_, _>>()
                    .map(Some)
            })
            .await
    }

    fn users_from(
        &self,
        status: Option<UserStatus>,
        after: UserId,
        limit: u64,
    ) -> Select<user::Entity> {
        self.users_of(status)
            .filter(user::Column::Id.gt(after.as_i64()))
            .order_by_asc(user::Column::Id)
            .limit(limit)
    }

    /// A range of the index of names. No name holds the last code point of Unicode.
    fn named(
        &self,
        beginning: &str,
        status: Option<UserStatus>,
        last: Option<&str>,
        limit: u64,
    ) -> Select<user::Entity> {
        let name = user::Column::Username;
        let from = match last {
            Some(last) if last >= beginning => name.gt(last),
            _ => name.gte(beginning),
        };
        self.users_of(status)
            .filter(from)
            .filter(name.lt(format!("{beginning}\u{10FFFF}")))
            .order_by_asc(name)
            .limit(limit)
    }

    /// The first user that one of these names means, in their order, with the password's hash.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_login(&self, names: &[LoginName<'_>]) -> Result<Option<Login>, StoreError> {
        let any = names
            .iter()
            .fold(Condition::any(), |any, name| any.add(name.condition()));
        if any.is_empty() {
            return Ok(None);
        }
        self.connection
            .within("find_login", async {
                let reader = self.reader().await?;
                let rows = self.users().filter(any).all(&reader.executor()).await?;
                let first = names
                    .iter()
                    .find_map(|name| rows.iter().find(|row| name.names(row)));
                first.cloned().map(Login::try_from).transpose()
            })
            .await
    }

    /// The user with this phone number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_user_by_phone(
        &self,
        phone: &PhoneNumber,
    ) -> Result<Option<User>, StoreError> {
        self.connection
            .within("find_user_by_phone", async {
                let reader = self.reader().await?;
                let row = self
                    .users()
                    .filter(user::Column::Phone.eq(phone.as_e164()))
                    .one(&reader.executor())
                    .await?;
                row.map(User::try_from).transpose()
            })
            .await
    }

    /// Puts a new password hash in the place of `old`, unless another one is there by now. Whether it did.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn replace_password_hash(
        &self,
        user: UserId,
        old: Option<&str>,
        new: &str,
    ) -> Result<bool, StoreError> {
        let same = match old {
            Some(old) => user::Column::PasswordHash.eq(old),
            None => user::Column::PasswordHash.is_null(),
        };
        self.write("replace_password_hash", async |transaction| {
            let done = user::Entity::update_many()
                .set(user::ActiveModel {
                    password_hash: Set(Some(new.to_owned())),
                    ..Default::default()
                })
                .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(user::Column::Id.eq(user.as_i64()))
                .filter(same.clone())
                .exec(transaction)
                .await?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    /// How many users there are, of one status or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_users(&self, status: Option<UserStatus>) -> Result<u64, StoreError> {
        self.connection
            .within("count_users", async {
                let reader = self.reader().await?;
                let users = self.users_of(status);
                Ok(users.count(&reader.executor()).await?)
            })
            .await
    }

    /// At most `limit` users after the first `offset`, in order of their numbers: the newest last.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_users_page(
        &self,
        status: Option<UserStatus>,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<User>, StoreError> {
        self.connection
            .within("list_users_page", async {
                let reader = self.reader().await?;
                let rows = self
                    .users_of(status)
                    .order_by_asc(user::Column::Id)
                    .offset(offset)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                rows.into_iter().map(User::try_from).collect()
            })
            .await
    }

    /// At most `limit` users whom a member brought, after the first `offset`, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_recruits(
        &self,
        inviter: UserId,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<User>, StoreError> {
        self.connection
            .within("list_recruits", async {
                let reader = self.reader().await?;
                let rows = self
                    .recruits_of(inviter)
                    .order_by_desc(user::Column::Id)
                    .offset(offset)
                    .limit(limit)
                    .all(&reader.executor())
                    .await?;
                rows.into_iter().map(User::try_from).collect()
            })
            .await
    }

    /// How many users a member brought.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_recruits(&self, inviter: UserId) -> Result<u64, StoreError> {
        self.connection
            .within("count_recruits", async {
                let reader = self.reader().await?;
                let recruits = self.recruits_of(inviter);
                Ok(recruits.count(&reader.executor()).await?)
            })
            .await
    }

    /// Who spent these invites; of an invite with many uses, each of its users.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_bearers(
        &self,
        invites: &[InviteId],
    ) -> Result<Vec<(InviteId, UserId)>, StoreError> {
        let wanted = invites.iter().copied().map(InviteId::as_i64);
        let spent = user::Column::InviteId.is_in(wanted);
        self.connection
            .within("list_bearers", async {
                let reader = self.reader().await?;
                let rows: Vec<(i64, i64)> = self
                    .users()
                    .select_only()
                    .columns([user::Column::InviteId, user::Column::Id])
                    .filter(spent)
                    .into_tuple()
                    .all(&reader.executor())
                    .await?;
                let bearer = |(invite, user)| (InviteId::from_i64(invite), UserId::from_i64(user));
                Ok(rows.into_iter().map(bearer).collect())
            })
            .await
    }

    /// At most `limit` users whom an invite brought and whose number is greater than `after`, in order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn list_registrations_by(
        &self,
        invite: InviteId,
        after: UserId,
        limit: u64,
    ) -> Result<Vec<User>, StoreError> {
        self.connection
            .within("list_registrations_by", async {
                let reader = self.reader().await?;
                let rows = self
                    .brought_by(invite, after, limit)
                    .all(&reader.executor())
                    .await?;
                rows.into_iter().map(User::try_from).collect()
            })
            .await
    }

    fn brought_by(&self, invite: InviteId, after: UserId, limit: u64) -> Select<user::Entity> {
        self.users()
            .filter(user::Column::InviteId.eq(invite.as_i64()))
            .filter(user::Column::Id.gt(after.as_i64()))
            .order_by_asc(user::Column::Id)
            .limit(limit)
    }

    fn recruits_of(&self, inviter: UserId) -> Select<user::Entity> {
        self.users()
            .filter(user::Column::InvitedBy.eq(inviter.as_i64()))
    }

    fn users_of(&self, status: Option<UserStatus>) -> Select<user::Entity> {
        match status {
            // Written into the statement: PostgreSQL keeps one plan for all values of a parameter, and of a standing that
            // nobody has it would read the names of everybody.
            Some(status) => self.users().filter(
                Expr::col(user::Column::Status).eq(Expr::cust(status.as_i16().to_string())),
            ),
            None => self.users(),
        }
    }

    /// Changes one user. Whether the tenant has it, whose row is then held until the end of the transaction.
    pub(super) async fn update_user(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
        change: user::ActiveModel,
    ) -> Result<bool, StoreError> {
        let done = user::Entity::update_many()
            .set(change)
            .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(user::Column::Id.eq(user.as_i64()))
            .exec(transaction)
            .await?;
        Ok(done.rows_affected > 0)
    }

    pub(super) fn users(&self) -> Select<user::Entity> {
        user::Entity::find().filter(user::Column::TenantId.eq(self.tenant.as_i64()))
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::{InviteId, NameKey, NameLookup, UserId, UserStatus};
    use crate::store::lookups::tests::{ground, plan};

    #[tokio::test]
    async fn a_page_of_users_is_a_walk_along_an_index() {
        let ground = ground().await;
        let pending = Some(UserStatus::Pending);
        let db = &ground.db;
        for (query, index) in [
            (
                db.users_from(None, UserId::from_i64(9), 50),
                "(tenant_id=? AND id>?)",
            ),
            (
                db.users_from(pending, UserId::from_i64(9), 50),
                "ix_users_status (tenant_id=? AND status=? AND id>?)",
            ),
            (
                db.named("an", None, None, 50),
                "uq_users_username (tenant_id=? AND username>? AND username<?)",
            ),
            (
                db.named("an", pending, None, 50),
                "uq_users_username (tenant_id=? AND username>? AND username<?)",
            ),
            (
                db.named("an", None, Some("anna"), 50),
                "uq_users_username (tenant_id=? AND username>? AND username<?)",
            ),
        ] {
            let plan = plan(&ground, query.build(sea_orm::DbBackend::Sqlite)).await;
            assert!(
                matches!(&plan[..], [only] if only.contains(index)),
                "{plan:?}"
            );
        }
    }

    #[tokio::test]
    async fn whom_an_invite_brought_is_found_by_its_index() {
        let ground = ground().await;
        let brought = ground
            .db
            .brought_by(InviteId::from_i64(7), UserId::from_i64(0), 50);
        let plan = plan(&ground, brought.build(sea_orm::DbBackend::Sqlite)).await;
        let by_index = "ix_users_invite_id (tenant_id=? AND invite_id=? AND id>?)";
        assert!(
            matches!(&plan[..], [only] if only.contains(by_index)),
            "{plan:?}"
        );
    }

    #[tokio::test]
    async fn names_are_found_by_their_indexes_however_many_are_asked_for() {
        let ground = ground().await;
        for count in [1, 2, 128] {
            let key = NameKey {
                canonical: "ada".to_owned(),
                skeleton: Some("ada".to_owned()),
            };
            let rows = NameLookup::rows(&ground.db, &vec![key; count]);
            let plan = plan(&ground, rows.build(sea_orm::DbBackend::Sqlite)).await;
            let searches: Vec<_> = plan.iter().filter(|line| line.contains("users")).collect();
            let by = ["username", "username", "skeleton", "skeleton"];
            assert_eq!(searches.len(), by.len(), "{plan:?}");
            for (search, by) in searches.iter().zip(by) {
                let index = format!("(tenant_id=? AND {by}=?");
                assert!(search.contains(&index), "{plan:?}");
            }
        }
    }
}
