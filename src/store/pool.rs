//! The pool behind a [`super::connection::Connection`], which can be replaced.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

/// How long the connections of a replaced pool have for a last word.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A pool, and how to make another one like it.
pub(super) struct Pool {
    current: RwLock<DatabaseConnection>,
    /// They hold the URL with its password.
    options: ConnectOptions,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) async fn open(options: ConnectOptions) -> Result<Self, DbErr> {
        Ok(Self {
            current: RwLock::new(Database::connect(options.clone()).await?),
            options,
        })
    }

    /// The pool as it is now. Cheap: a handle.
    pub(super) fn current(&self) -> DatabaseConnection {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Most connections.
    pub(super) fn most(&self) -> u32 {
        self.options.get_max_connections().unwrap_or_default()
    }

    /// Puts an empty pool in the place of one that hands out no connections any more.
    ///
    /// sqlx asks each connection for a sign of life when it comes back to its pool, and waits for that sign for ever. A
    /// connection that froze in the middle of a statement thus keeps its place, after the database is back, too. What it
    /// holds goes when the system gives the socket up.
    pub(super) async fn replace(&self) {
        let mut options = self.options.clone();
        options.connect_lazy(true).min_connections(0);
        let fresh = match Database::connect(options).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "a pool of connections that does not work cannot be replaced");
                return;
            }
        };
        let old = std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            fresh,
        );
        tokio::spawn(async move {
            // Whether they part in peace does not matter any more.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, old.close()).await;
        });
    }
}
