//! Binds proofs to an account inside the account's own transaction: spends their tokens, gives the account its phone
//! number and its WeChat accounts.
//!
//! Constraints and guarded statements decide; what is read before only chooses among them. Whoever meets a row that
//! another transaction has changed meanwhile begins again ([`StoreError::GaveWay`]) and then finds it committed.

use std::net::IpAddr;

use entity::tenant::{identity, union_id, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
    Select, UpdateMany, sea_query::Expr,
};
use serde_json::json;

use super::error::{DuplicateOf, OfStore, StoreError};
use super::lookups::{Answers, Line, Lines, Lookup};
use super::tenant_audit::TenantAudit;
use super::tenant_db::TenantDb;
use crate::domain::identity::{WechatIdentity, WechatProfile};
use crate::domain::ids::UserId;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::{Claim, Proof};

/// Why a proof was not bound.
#[derive(Debug, thiserror::Error)]
pub enum NotBound {
    /// The token that stands for the proof was spent meanwhile, or its time is over.
    #[error("the proof is spent")]
    ProofSpent,
    /// The WeChat account belongs to another user, or the user has another account of the same app.
    #[error("the WeChat account is bound otherwise")]
    WechatBound,
    /// The phone number belongs to another user.
    #[error("the phone number is taken")]
    PhoneTaken,
    /// The user was deleted meanwhile.
    #[error("the user is gone")]
    UserGone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OfStore for NotBound {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// The room that the column has.
const LONGEST_AVATAR_URL: usize = 512;

/// Something to be bound, to whom, and how.
struct Binding<'a> {
    transaction: &'a DatabaseTransaction,
    user: UserId,
    identity: &'a WechatIdentity,
    rebind: bool,
    address: IpAddr,
}

/// Whose a WeChat person is after an attempt to have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Person {
    Own,
    AnothersStill,
}

/// Users whom WeChat has given a name at all apps of one owner.
pub(super) struct UnionIdLookup;

impl Lookup for UnionIdLookup {
    type Key = UserId;
    type Found = String;
    const OPERATION: &'static str = "find_union_id";

    fn line(lines: &Lines) -> &Line<Self> {
        &lines.union_ids
    }

    async fn query(db: &TenantDb, users: &[UserId]) -> Result<Answers<Self>, StoreError> {
        let reader = db.reader().await?;
        let mut rows = Self::rows(db, users).all(&reader.executor()).await?;
        // The first of a user's names wins: it is put in last.
        rows.sort_by(|one, other| other.union_id.cmp(&one.union_id));
        let found = rows
            .into_iter()
            .map(|row| (UserId::from_i64(row.user_id), Ok(row.union_id)));
        Ok(found.collect())
    }
}

impl UnionIdLookup {
    fn rows(db: &TenantDb, users: &[UserId]) -> Select<union_id::Entity> {
        union_id::Entity::find()
            .filter(union_id::Column::TenantId.eq(db.tenant.as_i64()))
            .filter(union_id::Column::UserId.is_in(users.iter().map(|user| user.as_i64())))
    }
}

impl TenantDb {
    /// The user to whom a WeChat account belongs: known by the app's own name for it, or as a person.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_wechat_owner(
        &self,
        wanted: &WechatIdentity,
    ) -> Result<Option<UserId>, StoreError> {
        self.connection
            .within("find_wechat_owner", async {
                let reader = self.reader().await?;
                let known = self.identity(wanted).one(&reader.executor()).await?;
                if let Some(row) = known {
                    return Ok(Some(UserId::from_i64(row.user_id)));
                }
                let Some(union) = &wanted.union_id else {
                    return Ok(None);
                };
                let person = self.person(union).one(&reader.executor()).await?;
                Ok(person.map(|row| UserId::from_i64(row.user_id)))
            })
            .await
    }

    /// The name by which WeChat knows this user at all apps of one owner, if it has told one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_union_id(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.look_up::<UnionIdLookup>(user).await
    }

    /// Binds all proofs. After an error the transaction must be rolled back.
    pub(super) async fn bind(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
        requester_address: IpAddr,
        proofs: &[Proof],
    ) -> Result<(), NotBound> {
        for proof in proofs {
            if let Some((hash, scope)) = &proof.token
                && !self.spend_proof_token(transaction, hash, *scope).await?
            {
                return Err(NotBound::ProofSpent);
            }
            match &proof.claim {
                Claim::Phone(phone) => self.bind_phone(transaction, user, phone).await?,
                Claim::Wechat(identity) => {
                    let binding = Binding {
                        transaction,
                        user,
                        identity,
                        rebind: proof.rebind,
                        address: requester_address,
                    };
                    self.bind_wechat(&binding).await?;
                    self.show_picture(&binding).await?;
                }
            }
        }
        Ok(())
    }

    async fn bind_phone(
        &self,
        transaction: &DatabaseTransaction,
        user: UserId,
        phone: &PhoneNumber,
    ) -> Result<(), NotBound> {
        let change = user::ActiveModel {
            phone: Set(Some(phone.as_e164().to_owned())),
            updated_at: Set(self.clock.now().as_millis()),
            ..Default::default()
        };
        match self.update_user(transaction, user, change).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotBound::UserGone),
            Err(StoreError::Duplicate(DuplicateOf::Phone)) => Err(NotBound::PhoneTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// A user without a picture is shown with WeChat's, by its address at WeChat: nothing is fetched from there.
    async fn show_picture(&self, binding: &Binding<'_>) -> Result<(), StoreError> {
        let address = &binding.identity.profile.avatar_url;
        let is_web_address = address.starts_with("https://") || address.starts_with("http://");
        let usable = is_web_address
            && address.len() <= LONGEST_AVATAR_URL
            && address.bytes().all(|byte| byte.is_ascii_graphic());
        if !usable {
            return Ok(());
        }
        user::Entity::update_many()
            .col_expr(user::Column::AvatarUrl, Expr::value(address.as_str()))
            .filter(user::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(user::Column::Id.eq(binding.user.as_i64()))
            .filter(user::Column::AvatarUrl.is_null())
            .exec(binding.transaction)
            .await?;
        Ok(())
    }

    async fn bind_wechat(&self, binding: &Binding<'_>) -> Result<(), NotBound> {
        let mut stored = self.stored(binding).await?;
        let told = binding.identity.union_id.clone();
        // An account whose person WeChat has told once stays that person's, even if WeChat is silent now.
        let union = told.or_else(|| stored.as_ref().and_then(|row| row.union_id.clone()));
        let mut person = Person::Own;
        if let Some(union) = &union {
            person = self.claim_person(binding, union).await?;
            // The claim may have waited for another binding, or moved the account itself.
            stored = self.stored(binding).await?;
        }
        match (stored, person) {
            // A login must not fail because WeChat now says that somebody has two accounts here.
            (Some(row), Person::AnothersStill) if row.user_id == binding.user.as_i64() => {
                let union = row.union_id.clone();
                self.refresh_identity(binding, &row, union).await
            }
            (_, Person::AnothersStill) => Err(NotBound::WechatBound),
            (Some(row), Person::Own) => {
                if row.user_id != binding.user.as_i64() {
                    self.move_identity(binding, &row).await?;
                }
                self.refresh_identity(binding, &row, union).await
            }
            (None, Person::Own) => {
                self.make_room_for(binding).await?;
                self.insert_identity(binding).await
            }
        }
    }

    async fn stored(&self, binding: &Binding<'_>) -> Result<Option<identity::Model>, StoreError> {
        Ok(self
            .identity(binding.identity)
            .one(binding.transaction)
            .await?)
    }

    /// Takes an account that is no known person's from its owner.
    async fn move_identity(
        &self,
        binding: &Binding<'_>,
        row: &identity::Model,
    ) -> Result<(), NotBound> {
        if !binding.rebind {
            return Err(NotBound::WechatBound);
        }
        self.make_room_for(binding).await?;
        let moved = self
            .change_identities()
            .col_expr(identity::Column::UserId, Expr::value(binding.user.as_i64()))
            .filter(identity::Column::Id.eq(row.id))
            .filter(identity::Column::UserId.eq(row.user_id))
            .exec(binding.transaction)
            .await
            .map_err(gave_way)?;
        if moved.rows_affected == 0 {
            return Err(StoreError::GaveWay.into());
        }
        let previous = UserId::from_i64(row.user_id);
        Ok(self.take_from(binding, previous).await?)
    }

    /// Makes the WeChat person the user's, and holds its row until the end of the transaction, so that nobody moves the
    /// person while an account of theirs is bound.
    async fn claim_person(&self, binding: &Binding<'_>, union: &str) -> Result<Person, NotBound> {
        if self
            .move_person(binding, union, binding.user.as_i64())
            .await?
        {
            return Ok(Person::Own);
        }
        let owner = self.person(union).one(binding.transaction).await;
        match owner.map_err(StoreError::from)? {
            None => {
                union_id::Entity::insert(union_id::ActiveModel {
                    tenant_id: Set(self.tenant.as_i64()),
                    union_id: Set(union.to_owned()),
                    user_id: Set(binding.user.as_i64()),
                })
                .exec_without_returning(binding.transaction)
                .await
                .map_err(gave_way)?;
                Ok(Person::Own)
            }
            // The user has bound another account of this person meanwhile.
            Some(row) if row.user_id == binding.user.as_i64() => Err(StoreError::GaveWay.into()),
            Some(_) if !binding.rebind => Ok(Person::AnothersStill),
            Some(row) => {
                if !self.move_person(binding, union, row.user_id).await? {
                    return Err(StoreError::GaveWay.into());
                }
                self.move_identities(binding, union).await?;
                self.take_from(binding, UserId::from_i64(row.user_id))
                    .await?;
                Ok(Person::Own)
            }
        }
    }

    /// Makes the person the user's, if it is `from`'s now. A user's own row is thereby locked.
    async fn move_person(
        &self,
        binding: &Binding<'_>,
        union: &str,
        from: i64,
    ) -> Result<bool, StoreError> {
        let done = union_id::Entity::update_many()
            .col_expr(union_id::Column::UserId, Expr::value(binding.user.as_i64()))
            .filter(union_id::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(union_id::Column::UnionId.eq(union))
            .filter(union_id::Column::UserId.eq(from))
            .exec(binding.transaction)
            .await?;
        Ok(done.rows_affected > 0)
    }

    /// Moves every account of a person to the user, whose own accounts of the same apps go.
    async fn move_identities(&self, binding: &Binding<'_>, union: &str) -> Result<(), NotBound> {
        let moving = identity::Entity::find()
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::UnionId.eq(union))
            .filter(identity::Column::UserId.ne(binding.user.as_i64()))
            .all(binding.transaction)
            .await
            .map_err(StoreError::from)?;
        for row in moving {
            if let Some(own) = self.own_identity(binding, &row.app_id).await? {
                self.remove_identity(binding, own).await?;
            }
            self.change_identities()
                .col_expr(identity::Column::UserId, Expr::value(binding.user.as_i64()))
                .filter(identity::Column::Id.eq(row.id))
                .exec(binding.transaction)
                .await
                .map_err(gave_way)?;
        }
        Ok(())
    }

    /// A user has one account of an app: an older one goes, if the user asked to rebind.
    async fn make_room_for(&self, binding: &Binding<'_>) -> Result<(), NotBound> {
        let app = &binding.identity.app_id;
        match self.own_identity(binding, app).await? {
            None => Ok(()),
            // The user has bound this very account meanwhile.
            Some(row) if row.open_id == binding.identity.open_id => Err(StoreError::GaveWay.into()),
            Some(row) if binding.rebind => Ok(self.remove_identity(binding, row).await?),
            Some(_) => Err(NotBound::WechatBound),
        }
    }

    async fn own_identity(
        &self,
        binding: &Binding<'_>,
        app_id: &str,
    ) -> Result<Option<identity::Model>, StoreError> {
        Ok(identity::Entity::find()
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::UserId.eq(binding.user.as_i64()))
            .filter(identity::Column::AppId.eq(app_id))
            .one(binding.transaction)
            .await?)
    }

    /// Removes an account of the user's, and with the last account of a person the person.
    async fn remove_identity(
        &self,
        binding: &Binding<'_>,
        row: identity::Model,
    ) -> Result<(), StoreError> {
        identity::Entity::delete_many()
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::Id.eq(row.id))
            .exec(binding.transaction)
            .await?;
        match row.union_id {
            Some(union) if binding.identity.union_id.as_ref() != Some(&union) => {
                self.forget_empty_person(binding, &union).await
            }
            _ => Ok(()),
        }
    }

    async fn forget_empty_person(
        &self,
        binding: &Binding<'_>,
        union: &str,
    ) -> Result<(), StoreError> {
        // Locked first: somebody may be binding another account of this person at this moment.
        if !self
            .move_person(binding, union, binding.user.as_i64())
            .await?
        {
            return Ok(());
        }
        let left = identity::Entity::find()
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::UnionId.eq(union))
            .count(binding.transaction)
            .await?;
        if left == 0 {
            union_id::Entity::delete_many()
                .filter(union_id::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(union_id::Column::UnionId.eq(union))
                .exec(binding.transaction)
                .await?;
        }
        Ok(())
    }

    /// What a rebinding costs the previous owner: every session, and a line in the audit.
    async fn take_from(&self, binding: &Binding<'_>, previous: UserId) -> Result<(), StoreError> {
        self.delete_sessions_of(binding.transaction, previous)
            .await?;
        let open_id: String = binding.identity.open_id.chars().take(6).collect();
        let detail = json!({"app_id": binding.identity.app_id, "open_id": open_id}).to_string();
        let line = TenantAudit {
            actor: Some(binding.user),
            action: "identity.rebind",
            subject: Some(previous),
            detail: &detail,
            address: binding.address,
        };
        self.insert_audit(binding.transaction, &line).await
    }

    async fn insert_identity(&self, binding: &Binding<'_>) -> Result<(), NotBound> {
        let now = self.clock.now().as_millis();
        let identity = binding.identity;
        let shown = shown(&identity.profile);
        identity::Entity::insert(identity::ActiveModel {
            tenant_id: Set(self.tenant.as_i64()),
            id: Set(self.new_id()?),
            app_id: Set(identity.app_id.clone()),
            open_id: Set(identity.open_id.clone()),
            union_id: Set(identity.union_id.clone()),
            user_id: Set(binding.user.as_i64()),
            created_at: Set(now),
            updated_at: Set(now),
            ..shown
        })
        .exec_without_returning(binding.transaction)
        .await
        .map_err(gave_way)?;
        Ok(())
    }

    /// Keeps what WeChat tells of an account of the user's now.
    async fn refresh_identity(
        &self,
        binding: &Binding<'_>,
        row: &identity::Model,
        union: Option<String>,
    ) -> Result<(), NotBound> {
        let changed = self
            .change_identities()
            .set(identity::ActiveModel {
                union_id: Set(union.clone()),
                updated_at: Set(self.clock.now().as_millis()),
                ..shown(&binding.identity.profile)
            })
            .filter(identity::Column::Id.eq(row.id))
            .filter(identity::Column::UserId.eq(binding.user.as_i64()))
            .exec(binding.transaction)
            .await
            .map_err(StoreError::from)?;
        if changed.rows_affected == 0 {
            return Err(StoreError::GaveWay.into());
        }
        match &row.union_id {
            // WeChat gives new names when an app changes hands.
            Some(old) if row.union_id != union => {
                Ok(self.forget_empty_person(binding, old).await?)
            }
            _ => Ok(()),
        }
    }

    fn identity(&self, wanted: &WechatIdentity) -> Select<identity::Entity> {
        identity::Entity::find()
            .filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(identity::Column::AppId.eq(wanted.app_id.as_str()))
            .filter(identity::Column::OpenId.eq(wanted.open_id.as_str()))
    }

    fn person(&self, union: &str) -> Select<union_id::Entity> {
        union_id::Entity::find()
            .filter(union_id::Column::TenantId.eq(self.tenant.as_i64()))
            .filter(union_id::Column::UnionId.eq(union))
    }

    fn change_identities(&self) -> UpdateMany<identity::Entity> {
        identity::Entity::update_many().filter(identity::Column::TenantId.eq(self.tenant.as_i64()))
    }
}

/// Another transaction has bound the same account or person meanwhile; the next attempt finds what it made.
fn gave_way(error: sea_orm::DbErr) -> StoreError {
    match StoreError::from(error) {
        StoreError::Duplicate(_) => StoreError::GaveWay,
        other => other,
    }
}

/// The columns that only show something, cut to the room they have. A text of WeChat's may hold anything.
fn shown(profile: &WechatProfile) -> identity::ActiveModel {
    let cut = |text: &str, length: usize| {
        let printable = text.chars().filter(|c| !c.is_control());
        Set(printable.take(length).collect::<String>())
    };
    identity::ActiveModel {
        nickname: cut(&profile.nickname, 255),
        avatar_url: cut(&profile.avatar_url, 512),
        sex: Set(profile.sex),
        province: cut(&profile.province, 64),
        city: cut(&profile.city, 64),
        country: cut(&profile.country, 64),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::UnionIdLookup;
    use crate::domain::ids::UserId;
    use crate::store::lookups::tests::{ground, plan};

    #[tokio::test]
    async fn union_ids_are_found_by_their_index_however_many_are_asked_for() {
        let ground = ground().await;
        for count in [1, 2, 128] {
            let rows = UnionIdLookup::rows(&ground.db, &vec![UserId::from_i64(7); count]);
            let plan = plan(&ground, rows.build(sea_orm::DbBackend::Sqlite)).await;
            assert_eq!(plan.len(), 1, "{plan:?}");
            assert!(plan[0].contains("(tenant_id=? AND user_id=?)"), "{plan:?}");
        }
    }
}
