//! Copies of SQLite databases that serve meanwhile.

use std::path::Path;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::connection::Connection;
use super::error::StoreError;
use super::settings::Backend;

/// How long one copy may take: some hundred gigabytes on a slow disk.
const COPY_LIMIT: Duration = Duration::from_hours(6);

impl Connection {
    /// Writes the database as it is at this moment into a new file. Readers and writers go on meanwhile; what they
    /// commit after the beginning is not in it. The copy is not yet forced to the disk.
    ///
    /// # Errors
    /// [`StoreError`] when this is no SQLite database, when it is damaged, or the file cannot be written.
    pub async fn copy_into(&self, file: &Path) -> Result<(), StoreError> {
        if self.backend != Backend::Sqlite {
            return Err(StoreError::Failed("only SQLite is copied by a file".into()));
        }
        let name = file
            .to_str()
            .ok_or_else(|| StoreError::Failed(format!("{} is not in UTF-8", file.display())))?;
        let copy =
            Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [name.into()]);
        let pool = self.pool.current();
        tokio::time::timeout(COPY_LIMIT, pool.execute_raw(copy))
            .await
            .map_err(|_| StoreError::Unavailable("the copy took too long".into()))??;
        Ok(())
    }

    /// Reads an SQLite database from end to end and looks for damage.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is some.
    pub async fn check_for_damage(&self) -> Result<(), StoreError> {
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA quick_check(1)");
        let pool = self.pool.current();
        let row = tokio::time::timeout(COPY_LIMIT, pool.query_one_raw(check))
            .await
            .map_err(|_| StoreError::Unavailable("the check took too long".into()))??;
        let verdict: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        if verdict.as_deref() == Some("ok") {
            Ok(())
        } else {
            Err(StoreError::Corrupt("the database file is damaged"))
        }
    }
}
