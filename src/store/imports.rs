//! Users and invite codes that come from elsewhere, in batches: each row is made, is there already, or is refused. A batch
//! that comes twice doubles nothing, whoever was killed in between.
//!
//! What is read decides; the unique indexes stand behind it. Whoever registers one of the names in that moment makes the
//! whole batch begin again.

use std::collections::{HashMap, HashSet};

use entity::tenant::{deleted_user, identity, invite_code, union_id, user};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter,
    QuerySelect, sea_query::Expr,
};
use secrecy::{ExposeSecret, SecretString};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::identity::WechatIdentity;
use crate::domain::ids::UserId;
use crate::domain::invite_code::InviteCode;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::register_reason::RegisterReason;
use crate::domain::user_status::UserStatus;
use crate::domain::username::Username;

/// A user as another place had it.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// Its number there, which it keeps; `None` for a new one.
    pub id: Option<UserId>,
    /// Its name, by this tenant's rules.
    pub username: Username,
    /// Argon2id or bcrypt; `None` for an account without a password.
    pub password_hash: Option<SecretString>,
    /// Its standing.
    pub status: UserStatus,
    /// Why the user wanted to join.
    pub reason: Option<RegisterReason>,
    /// What the user was told about a refusal.
    pub refuse_message: Option<String>,
    /// Its group, one of the tenant's.
    pub group_id: i32,
    /// Its phone number, proven there.
    pub phone: Option<PhoneNumber>,
    /// Address of its picture.
    pub avatar_url: Option<String>,
    /// The code that brought it.
    pub invite_code: Option<InviteCode>,
    /// The member who brought it.
    pub invited_by: Option<UserId>,
    /// The address that registered; may be empty.
    pub register_ip: String,
    /// The address of the last login; may be empty.
    pub last_login_ip: String,
    /// When it was made; `None` for now.
    pub created_at: Option<Timestamp>,
    /// When the user last logged in; `None` for when it was made.
    pub login_at: Option<Timestamp>,
    /// Its WeChat accounts, each of another app.
    pub wechat: Vec<WechatIdentity>,
}

/// An invite code as another place had it.
#[derive(Clone, Debug)]
pub struct ImportedInvite {
    /// The code.
    pub code: InviteCode,
    /// How many accounts it may bring.
    pub max_uses: i32,
    /// How many it brought; at most `max_uses`.
    pub uses: i32,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// For the administrator.
    pub note: String,
    /// The group of the accounts it brings.
    pub group_id: Option<i32>,
    /// The member who issued it.
    pub issued_by: Option<UserId>,
    /// When it was issued; `None` for now.
    pub created_at: Option<Timestamp>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It is there now.
    Made,
    /// It was there before, as the row has it in what never changes; nothing was altered.
    Present,
    /// It cannot be there: a field of it, and why.
    Refused(&'static str, &'static str),
}

/// Rows of one INSERT: some twenty columns each, well below every database's limit of bound values.
const ROWS_PER_INSERT: usize = 500;
/// How often a batch begins again because somebody took one of its names meanwhile.
const ATTEMPTS: u32 = 5;

/// Users and codes to be made.
#[derive(Default)]
struct Rows {
    users: Vec<user::Model>,
    identities: Vec<identity::Model>,
    union_ids: Vec<union_id::Model>,
}

/// What the tenant has of what a batch names, and what the batch itself has taken so far.
#[derive(Default)]
struct Taken {
    /// Name and second of creation by number.
    by_id: HashMap<i64, (String, i64)>,
    by_name: HashMap<String, i64>,
    skeletons: HashSet<String>,
    phones: HashSet<String>,
    /// Owners of WeChat accounts by app and name there.
    accounts: HashSet<(String, String)>,
    /// Owners of WeChat persons.
    persons: HashMap<String, i64>,
    /// Numbers of invite codes.
    codes: HashMap<String, i64>,
    /// Numbers and names that deleted users keep.
    kept: (HashSet<i64>, HashSet<String>),
}

impl TenantDb {
    /// Makes the users that are not there yet, in one transaction; tells of each row, in their order, what became of it. A
    /// `dry_run` tells the same and makes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing was made.
    pub async fn import_users(
        &self,
        users: &[ImportedUser],
        dry_run: bool,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let done = self
                .write("import_users", async |transaction| {
                    plan_anew(transaction).await?;
                    let mut taken = self.taken(transaction, users).await?;
                    let mut rows = Rows::default();
                    let outcomes = users
                        .iter()
                        .map(|user| self.judge_user(user, &mut taken, &mut rows))
                        .collect::<Result<Vec<_>, _>>()?;
                    fail::fail_point!("import_batch");
                    if !dry_run {
                        insert_all(transaction, rows).await?;
                    }
                    Ok::<_, StoreError>(outcomes)
                })
                .await;
            match done {
                Err(StoreError::Duplicate(_)) if attempt < ATTEMPTS => {}
                done => return done,
            }
        }
    }

    /// As [`TenantDb::import_users`], for invite codes.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing was made.
    pub async fn import_invites(
        &self,
        invites: &[ImportedInvite],
        by: &str,
        dry_run: bool,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let done = self
                .write("import_invites", async |transaction| {
                    plan_anew(transaction).await?;
                    let codes = invites.iter().map(|invite| invite.code.as_str());
                    let mut known = self.codes(transaction, codes.collect()).await?;
                    let (mut rows, mut outcomes) = (Vec::new(), Vec::new());
                    for invite in invites {
                        if known.contains_key(invite.code.as_str()) {
                            outcomes.push(ImportOutcome::Present);
                            continue;
                        }
                        let row = self.invite_row(invite, by)?;
                        known.insert(row.code.clone(), row.id);
                        rows.push(row);
                        outcomes.push(ImportOutcome::Made);
                    }
                    if !dry_run {
                        for part in rows.chunks(ROWS_PER_INSERT) {
                            let rows = part.iter().cloned().map(invite_code::ActiveModel::from);
                            invite_code::Entity::insert_many(rows)
                                .exec_without_returning(transaction)
                                .await?;
                        }
                    }
                    Ok::<_, StoreError>(outcomes)
                })
                .await;
            match done {
                Err(StoreError::Duplicate(_)) if attempt < ATTEMPTS => {}
                done => return done,
            }
        }
    }

    async fn taken(
        &self,
        transaction: &DatabaseTransaction,
        users: &[ImportedUser],
    ) -> Result<Taken, StoreError> {
        use user::Column;

        let mut taken = Taken::default();
        let ids: Vec<i64> = users
            .iter()
            .filter_map(|user| Some(user.id?.as_i64()))
            .collect();
        let names: Vec<&str> = users.iter().map(|user| user.username.canonical()).collect();
        let skeletons: Vec<&str> = users
            .iter()
            .filter_map(|user| user.username.skeleton())
            .collect();
        let phones: Vec<&str> = users
            .iter()
            .filter_map(|user| Some(user.phone.as_ref()?.as_e164()))
            .collect();
        // One query for each: asked for any of them at once, SQLite would read every user.
        let conditions = [
            (!ids.is_empty()).then(|| Column::Id.is_in(ids)),
            (!names.is_empty()).then(|| Column::Username.is_in(names)),
            (!skeletons.is_empty()).then(|| Column::Skeleton.is_in(skeletons)),
            (!phones.is_empty()).then(|| Column::Phone.is_in(phones)),
        ];
        for condition in conditions.into_iter().flatten() {
            for found in self.users_that(transaction, condition).await? {
                taken.add(found);
            }
        }
        self.taken_by_deleted(transaction, users, &mut taken)
            .await?;
        self.taken_wechat(transaction, users, &mut taken).await?;
        let codes = users.iter().filter_map(|user| user.invite_code.as_ref());
        taken.codes = self
            .codes(transaction, codes.map(InviteCode::as_str).collect())
            .await?;
        Ok(taken)
    }

    /// Numbers and names that deleted users keep.
    async fn taken_by_deleted(
        &self,
        transaction: &DatabaseTransaction,
        users: &[ImportedUser],
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        use deleted_user::Column;

        let now = self.clock.now();
        let ids = users.iter().filter_map(|user| Some(user.id?.as_i64()));
        let names = users.iter().map(|user| user.username.canonical());
        let skeletons = users.iter().filter_map(|user| user.username.skeleton());
        for condition in [
            Column::Id.is_in(ids),
            Column::Username.is_in(names),
            Column::Skeleton.is_in(skeletons),
        ] {
            let kept: Vec<(i64, String, Option<String>)> = self
                .restorable(now)
                .select_only()
                .columns([Column::Id, Column::Username, Column::Skeleton])
                .filter(condition)
                .into_tuple()
                .all(transaction)
                .await?;
            for (id, name, skeleton) in kept {
                taken.kept.0.insert(id);
                taken.kept.1.insert(name);
                taken.skeletons.extend(skeleton);
            }
        }
        Ok(())
    }

    async fn users_that(
        &self,
        transaction: &DatabaseTransaction,
        condition: Expr,
    ) -> Result<Vec<FoundUser>, StoreError> {
        use user::Column;

        let rows = user::Entity::find()
            .select_only()
            .columns([
                Column::Id,
                Column::Username,
                Column::Skeleton,
                Column::Phone,
                Column::CreatedAt,
            ])
            .filter(Column::TenantId.eq(self.tenant.as_i64()))
            .filter(condition)
            .into_tuple()
            .all(transaction)
            .await?;
        Ok(rows)
    }

    async fn taken_wechat(
        &self,
        transaction: &DatabaseTransaction,
        users: &[ImportedUser],
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let wechat = || users.iter().flat_map(|user| user.wechat.iter());
        let open_ids: Vec<&str> = wechat().map(|account| account.open_id.as_str()).collect();
        if open_ids.is_empty() {
            return Ok(());
        }
        let apps: HashSet<&str> = wechat().map(|account| account.app_id.as_str()).collect();
        let accounts: Vec<(String, String)> = identity::Entity::find()
            .select_only()
            .columns([identity::Column::AppId, identity::Column::OpenId])
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::AppId.is_in(apps))
            .filter(identity::Column::OpenId.is_in(open_ids))
            .into_tuple()
            .all(transaction)
            .await?;
        taken.accounts.extend(accounts);
        let persons: Vec<&str> = wechat()
            .filter_map(|account| account.union_id.as_deref())
            .collect();
        if persons.is_empty() {
            return Ok(());
        }
        let persons: Vec<(String, i64)> = union_id::Entity::find()
            .select_only()
            .columns([union_id::Column::UnionId, union_id::Column::UserId])
            .filter(union_id::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(union_id::Column::UnionId.is_in(persons))
            .into_tuple()
            .all(transaction)
            .await?;
        taken.persons.extend(persons);
        Ok(())
    }

    async fn codes(
        &self,
        transaction: &DatabaseTransaction,
        codes: Vec<&str>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        if codes.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(String, i64)> = invite_code::Entity::find()
            .select_only()
            .columns([invite_code::Column::Code, invite_code::Column::Id])
            .filter(invite_code::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(invite_code::Column::Code.is_in(codes))
            .into_tuple()
            .all(transaction)
            .await?;
        Ok(rows.into_iter().collect())
    }

    fn judge_user(
        &self,
        user: &ImportedUser,
        taken: &mut Taken,
        rows: &mut Rows,
    ) -> Result<ImportOutcome, StoreError> {
        if let Some(outcome) = taken.outcome_of(user) {
            return Ok(outcome);
        }
        let row = self.imported_row(user, taken)?;
        for account in &user.wechat {
            if let Some(person) = &account.union_id
                && taken.persons.insert(person.clone(), row.id).is_none()
            {
                rows.union_ids.push(union_id::Model {
                    tenant_id: row.tenant_id,
                    union_id: person.clone(),
                    user_id: row.id,
                });
            }
            rows.identities.push(self.identity_row(account, &row)?);
            taken
                .accounts
                .insert((account.app_id.clone(), account.open_id.clone()));
        }
        let made = (
            row.id,
            row.username.clone(),
            row.skeleton.clone(),
            row.phone.clone(),
            row.created_at,
        );
        taken.add(made);
        rows.users.push(row);
        Ok(ImportOutcome::Made)
    }

    fn imported_row(&self, user: &ImportedUser, taken: &Taken) -> Result<user::Model, StoreError> {
        let now = self.clock.now();
        let created_at = user.created_at.unwrap_or(now);
        let code = user.invite_code.as_ref();
        Ok(user::Model {
            tenant_id: self.tenant.as_i64(),
            id: match user.id {
                Some(id) => id.as_i64(),
                None => self.new_id()?,
            },
            username: user.username.canonical().to_owned(),
            display_name: user.username.display().to_owned(),
            skeleton: user.username.skeleton().map(str::to_owned),
            password_hash: user
                .password_hash
                .as_ref()
                .map(|hash| hash.expose_secret().to_owned()),
            status: user.status.as_i16(),
            register_reason: user
                .reason
                .as_ref()
                .map(|reason| reason.as_str().to_owned()),
            register_ip: user.register_ip.clone(),
            register_port: 0,
            invite_id: code.and_then(|code| taken.codes.get(code.as_str()).copied()),
            invited_by: user.invited_by.map(UserId::as_i64),
            last_login_ip: user.last_login_ip.clone(),
            login_at: user.login_at.unwrap_or(created_at).as_millis(),
            created_at: created_at.as_millis(),
            updated_at: now.as_millis(),
            phone: user.phone.as_ref().map(|phone| phone.as_e164().to_owned()),
            group_id: user.group_id,
            avatar_url: user.avatar_url.clone(),
            refuse_message: user.refuse_message.clone(),
        })
    }

    fn identity_row(
        &self,
        account: &WechatIdentity,
        owner: &user::Model,
    ) -> Result<identity::Model, StoreError> {
        let profile = &account.profile;
        Ok(identity::Model {
            tenant_id: owner.tenant_id,
            id: self.new_id()?,
            app_id: account.app_id.clone(),
            open_id: account.open_id.clone(),
            union_id: account.union_id.clone(),
            user_id: owner.id,
            nickname: profile.nickname.clone(),
            avatar_url: profile.avatar_url.clone(),
            sex: profile.sex,
            province: profile.province.clone(),
            city: profile.city.clone(),
            country: profile.country.clone(),
            created_at: owner.created_at,
            updated_at: owner.updated_at,
        })
    }

    fn invite_row(
        &self,
        invite: &ImportedInvite,
        by: &str,
    ) -> Result<invite_code::Model, StoreError> {
        let created_at = invite.created_at.unwrap_or_else(|| self.clock.now());
        Ok(invite_code::Model {
            tenant_id: self.tenant.as_i64(),
            id: self.new_id()?,
            code: invite.code.as_str().to_owned(),
            max_uses: invite.max_uses,
            uses: invite.uses,
            expires_at: invite.expires_at.map(Timestamp::as_millis),
            revoked_at: invite.revoked_at.map(Timestamp::as_millis),
            note: invite.note.clone(),
            created_by: by.to_owned(),
            created_at: created_at.as_millis(),
            group_id: invite.group_id,
            issued_by: invite.issued_by.map(UserId::as_i64),
            batch: None,
            batch_position: None,
        })
    }
}

/// Number, name, skeleton, phone and time of creation.
type FoundUser = (i64, String, Option<String>, Option<String>, i64);

impl Taken {
    fn add(&mut self, (id, name, skeleton, phone, created_at): FoundUser) {
        let second = Timestamp::from_millis(created_at).as_seconds();
        self.by_id.insert(id, (name.clone(), second));
        self.by_name.insert(name, id);
        self.skeletons.extend(skeleton);
        self.phones.extend(phone);
    }

    /// What becomes of a row, unless it is to be made.
    fn outcome_of(&self, user: &ImportedUser) -> Option<ImportOutcome> {
        let name = user.username.canonical();
        let refused = |field, why| Some(ImportOutcome::Refused(field, why));
        if user.id.is_some_and(|id| self.kept.0.contains(&id.as_i64())) {
            return refused("id", "a deleted user keeps this number");
        }
        if self.kept.1.contains(name) {
            return refused("username", "a deleted user keeps this name");
        }
        let named = self.by_name.get(name).copied();
        if let Some(id) = user.id
            && let Some((other, _)) = self.by_id.get(&id.as_i64())
            && other != name
        {
            return refused("id", "another user has this number");
        }
        if let Some(there) = named {
            let is_it = user.id.is_none_or(|id| id.as_i64() == there);
            let second = self.by_id.get(&there).map(|(_, second)| *second);
            let is_then = user
                .created_at
                .is_none_or(|at| Some(at.as_seconds()) == second);
            return if is_it && is_then {
                Some(ImportOutcome::Present)
            } else {
                refused("username", "another user has this name")
            };
        }
        if user
            .username
            .skeleton()
            .is_some_and(|skeleton| self.skeletons.contains(skeleton))
        {
            return refused("username", "looks like another user's name");
        }
        let phone = user.phone.as_ref();
        if phone.is_some_and(|phone| self.phones.contains(phone.as_e164())) {
            return refused("phone", "another user has this number");
        }
        for account in &user.wechat {
            let key = (account.app_id.clone(), account.open_id.clone());
            let person = account.union_id.as_ref();
            if self.accounts.contains(&key)
                || person.is_some_and(|person| self.persons.contains_key(person))
            {
                return refused("wechat", "another user has this WeChat account");
            }
        }
        let code = user.invite_code.as_ref();
        if code.is_some_and(|code| !self.codes.contains_key(code.as_str())) {
            return refused("invite_code", "the tenant has no such code");
        }
        None
    }
}

/// Makes PostgreSQL plan this transaction's statements for the tables as they are. A plan that it made for good while they
/// were empty reads them from end to end for each batch, and an import is what fills them.
async fn plan_anew(transaction: &DatabaseTransaction) -> Result<(), StoreError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let sql = "SET LOCAL plan_cache_mode = force_custom_plan";
        transaction.execute_unprepared(sql).await?;
    }
    Ok(())
}

async fn insert_all(transaction: &DatabaseTransaction, rows: Rows) -> Result<(), StoreError> {
    for part in rows.users.chunks(ROWS_PER_INSERT) {
        user::Entity::insert_many(part.iter().cloned().map(user::ActiveModel::from))
            .exec_without_returning(transaction)
            .await?;
    }
    for part in rows.identities.chunks(ROWS_PER_INSERT) {
        identity::Entity::insert_many(part.iter().cloned().map(identity::ActiveModel::from))
            .exec_without_returning(transaction)
            .await?;
    }
    for part in rows.union_ids.chunks(ROWS_PER_INSERT) {
        union_id::Entity::insert_many(part.iter().cloned().map(union_id::ActiveModel::from))
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}
