//! The codes last sent to phone numbers: one for each number and purpose, which a few guesses exhaust.

use entity::tenant::sms_code;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DeleteMany, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::error::StoreError;
use super::tenant_db::TenantDb;
use crate::clock::Timestamp;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::SmsPurpose;

/// What a guess at a code came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeJudged {
    /// It is the code, which is now spent.
    Right,
    /// It is not the code.
    Wrong,
    /// No code is there, its time is over, or its guesses are used up: nothing was compared.
    Dead,
}

impl TenantDb {
    /// Keeps the keyed hash of a code that is about to be sent, in place of the one before.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn put_sms_code(
        &self,
        phone: &PhoneNumber,
        purpose: SmsPurpose,
        code_hash: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.clock.now().as_millis();
        let key = [
            sms_code::Column::TenantId,
            sms_code::Column::Phone,
            sms_code::Column::Purpose,
        ];
        let replaced = [
            sms_code::Column::CodeHash,
            sms_code::Column::Tries,
            sms_code::Column::CreatedAt,
            sms_code::Column::ExpiresAt,
        ];
        self.write("put_sms_code", async |transaction| {
            sms_code::Entity::insert(sms_code::ActiveModel {
                tenant_id: Set(self.tenant.as_i64()),
                phone: Set(phone.as_e164().to_owned()),
                purpose: Set(purpose.as_i16()),
                code_hash: Set(code_hash.to_owned()),
                tries: Set(0),
                created_at: Set(now),
                expires_at: Set(expires_at.as_millis()),
            })
            .on_conflict(OnConflict::columns(key).update_columns(replaced).to_owned())
            .exec_without_returning(transaction)
            .await?;
            Ok(())
        })
        .await
    }

    /// Judges a guess, given by its keyed hash; at most `most_tries` are judged. The guess is counted before it is
    /// compared, so that guesses at the same moment count as well.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn judge_sms_code(
        &self,
        phone: &PhoneNumber,
        purpose: SmsPurpose,
        code_hash: &str,
        most_tries: i32,
    ) -> Result<CodeJudged, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("judge_sms_code", async |transaction| {
            let counted = sms_code::Entity::update_many()
                .col_expr(
                    sms_code::Column::Tries,
                    Expr::col(sms_code::Column::Tries).add(1),
                )
                .filter(sms_code::Column::TenantId.eq(self.tenant.as_i64()))
                .filter(sms_code::Column::Phone.eq(phone.as_e164()))
                .filter(sms_code::Column::Purpose.eq(purpose.as_i16()))
                .filter(sms_code::Column::Tries.lt(most_tries))
                .filter(sms_code::Column::ExpiresAt.gt(now))
                .exec(transaction)
                .await?;
            if counted.rows_affected == 0 {
                return Ok(CodeJudged::Dead);
            }
            let spent = self
                .sms_codes_to_delete()
                .filter(sms_code::Column::Phone.eq(phone.as_e164()))
                .filter(sms_code::Column::Purpose.eq(purpose.as_i16()))
                .filter(sms_code::Column::CodeHash.eq(code_hash))
                .exec(transaction)
                .await?;
            Ok(if spent.rows_affected > 0 {
                CodeJudged::Right
            } else {
                CodeJudged::Wrong
            })
        })
        .await
    }

    /// Removes codes whose time is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_expired_sms_codes(&self) -> Result<u64, StoreError> {
        let now = self.clock.now().as_millis();
        self.write("delete_expired_sms_codes", async |transaction| {
            let done = self
                .sms_codes_to_delete()
                .filter(sms_code::Column::ExpiresAt.lte(now))
                .exec(transaction)
                .await?;
            Ok(done.rows_affected)
        })
        .await
    }

    fn sms_codes_to_delete(&self) -> DeleteMany<sms_code::Entity> {
        sms_code::Entity::delete_many().filter(sms_code::Column::TenantId.eq(self.tenant.as_i64()))
    }
}
