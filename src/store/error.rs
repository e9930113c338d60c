//! What can go wrong with a database, sorted by what the caller can do about it.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A database operation failed. Its texts are for the log; no answer ever holds one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer in time, refuses connections, or cannot write now. Trying later may help.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The tenant has as many operations at work as it may, and the wait for one of them would be too long.
    #[error("the tenant's share of the database is taken")]
    Busy {
        /// When to come back, at least a second.
        retry_after: Duration,
    },
    /// A unique index refused the row.
    #[error("a row with this key exists")]
    Duplicate(DuplicateOf),
    /// The database ended the transaction in favour of another one; trying again at once helps.
    #[error("the transaction gave way to another one")]
    GaveWay,
    /// A stored value cannot be what this version wrote.
    #[error("stored value is corrupt: {0}")]
    Corrupt(&'static str),
    /// The random source failed.
    #[error(transparent)]
    NoEntropy(#[from] crate::clock::NoEntropy),
    /// Anything else: a fault of ours.
    #[error("database operation failed: {0}")]
    Failed(String),
}

/// Which unique index refused a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateOf {
    /// The primary key: two rows drew the same id.
    PrimaryKey,
    /// A user's name, or the skeleton that look-alikes share.
    Name,
    /// A user's phone number.
    Phone,
    /// An invite code's place in its batch.
    BatchPosition,
    /// Another unique index: two rows mean the same thing.
    Other,
}

/// The indexes that a caller must tell apart: the name, by which PostgreSQL and MySQL call it; the last column, by which
/// SQLite does.
const INDEXES: [(&str, &str, DuplicateOf); 4] = [
    ("uq_users_username", "users.username", DuplicateOf::Name),
    ("uq_users_skeleton", "users.skeleton", DuplicateOf::Name),
    ("uq_users_phone", "users.phone", DuplicateOf::Phone),
    (
        "uq_invite_codes_batch",
        "invite_codes.batch_position",
        DuplicateOf::BatchPosition,
    ),
];

impl StoreError {
    /// A short name of the kind, for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Busy { .. } => "busy",
            Self::Duplicate(_) => "duplicate",
            Self::GaveWay => "gave_way",
            Self::Corrupt(_) => "corrupt",
            Self::NoEntropy(_) | Self::Failed(_) => "failed",
        }
    }

    /// Whether there was no place for the operation, or no end of it in time.
    pub(super) const fn is_want_of_room_or_time(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy { .. })
    }
}

/// An error of an operation that a failing database may end.
pub trait OfStore: From<StoreError> {
    /// The store's own error, where that is what this one holds.
    fn store_error(&self) -> Option<&StoreError>;
}

impl OfStore for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(message)) = error.sql_err() {
            return Self::Duplicate(which_index(&message));
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => from_driver(cause, &error),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Sorts an error of the driver by its code. PostgreSQL and MySQL give an SQLSTATE, SQLite its result code.
fn from_driver(cause: &sqlx::Error, error: &DbErr) -> StoreError {
    let sqlx::Error::Database(database) = cause else {
        // Everything else is the connection itself: I/O, protocol, a closed pool, a pool without room.
        return match cause {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Corrupt("a column does not decode")
            }
            _ => StoreError::Unavailable(error.to_string()),
        };
    };
    let code = database.code().unwrap_or_default();
    match code.as_ref() {
        "40001" | "40P01" => StoreError::GaveWay,
        // SQLite: busy, locked, read-only, I/O, full, cannot open; the low byte is the primary code.
        code if sqlite_primary_code(code)
            .is_some_and(|primary| matches!(primary, 5 | 6 | 8 | 10 | 13 | 14)) =>
        {
            StoreError::Unavailable(error.to_string())
        }
        "11" | "26" => StoreError::Corrupt("the database file is damaged"),
        // PostgreSQL classes: connection, resources, operator intervention, read-only transaction, lock not available.
        "25006" | "55P03" => StoreError::Unavailable(error.to_string()),
        code if ["08", "53", "57"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            StoreError::Unavailable(error.to_string())
        }
        // MySQL reports read-only (1290, 1836), lock wait (1205) and interrupted queries under the general state.
        "HY000" | "70100" => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

fn sqlite_primary_code(code: &str) -> Option<u32> {
    code.parse::<u32>()
        .ok()
        .filter(|_| code.len() <= 4)
        .map(|number| number & 0xff)
}

/// Tells the index by what each database names in its message. Only the fixed tail is read, because MySQL repeats the
/// value that a client chose in the middle.
fn which_index(message: &str) -> DuplicateOf {
    let primary = message.ends_with("_pkey\"")
        || message.ends_with("for key 'PRIMARY'")
        || message.ends_with(".PRIMARY'")
        || message.ends_with(".id");
    if primary {
        return DuplicateOf::PrimaryKey;
    }
    INDEXES
        .iter()
        .find(|(name, column, _)| is_about(message, name, column))
        .map_or(DuplicateOf::Other, |(_, _, index)| *index)
}

fn is_about(message: &str, name: &str, column: &str) -> bool {
    let ends_with = |before: &str, word: &str, after: &str| {
        message
            .strip_suffix(after)
            .and_then(|rest| rest.strip_suffix(word))
            .is_some_and(|rest| rest.ends_with(before))
    };
    ends_with("\"", name, "\"")
        || ends_with("for key '", name, "'")
        // MySQL 8 puts the table in front.
        || ends_with(".", name, "'")
        || ends_with(", ", column, "")
}

#[cfg(test)]
mod tests {
    use super::{DuplicateOf, which_index};

    #[test]
    fn the_index_is_told_from_each_databases_own_words() {
        for (message, index) in [
            (
                "duplicate key value violates unique constraint \"users_pkey\"",
                DuplicateOf::PrimaryKey,
            ),
            (
                "Duplicate entry '7-9' for key 'PRIMARY'",
                DuplicateOf::PrimaryKey,
            ),
            (
                "Duplicate entry '7-9' for key 'users.PRIMARY'",
                DuplicateOf::PrimaryKey,
            ),
            (
                "UNIQUE constraint failed: users.tenant_id, users.id",
                DuplicateOf::PrimaryKey,
            ),
            (
                "duplicate key value violates unique constraint \"uq_users_username\"",
                DuplicateOf::Name,
            ),
            (
                "Duplicate entry '7-for key 'PRIMARY'' for key 'uq_users_skeleton'",
                DuplicateOf::Name,
            ),
            (
                "Duplicate entry '7-for key 'uq_users_phone'' for key 'users.uq_users_username'",
                DuplicateOf::Name,
            ),
            (
                "UNIQUE constraint failed: users.tenant_id, users.username",
                DuplicateOf::Name,
            ),
            (
                "duplicate key value violates unique constraint \"uq_users_phone\"",
                DuplicateOf::Phone,
            ),
            (
                "Duplicate entry '7-+861' for key 'users.uq_users_phone'",
                DuplicateOf::Phone,
            ),
            (
                "UNIQUE constraint failed: users.tenant_id, users.phone",
                DuplicateOf::Phone,
            ),
            (
                "UNIQUE constraint failed: invite_codes.tenant_id, invite_codes.batch, invite_codes.batch_position",
                DuplicateOf::BatchPosition,
            ),
            (
                "Duplicate entry '7-spring-1' for key 'uq_invite_codes_batch'",
                DuplicateOf::BatchPosition,
            ),
            (
                "duplicate key value violates unique constraint \"uq_identities_open_id\"",
                DuplicateOf::Other,
            ),
            (
                "UNIQUE constraint failed: identities.tenant_id, identities.app_id, identities.open_id",
                DuplicateOf::Other,
            ),
        ] {
            assert_eq!(which_index(message), index, "{message}");
        }
    }
}
