//! Pools of a SQLite file: one writer and several readers.
//!
//! SQLite has one writer at a time. Two connections that write find each other locked, and a transaction that reads first
//! and writes later fails at once when somebody wrote in between (`SQLITE_BUSY_SNAPSHOT`), which no busy time-out waits for.
//! So all writes go through one connection, each begins as a writer (`BEGIN IMMEDIATE`), and readers never write. The file
//! is in WAL mode: readers and the writer do not wait for each other.
use std::time::Duration;

use futures_util::future::BoxFuture;
use perfdeck_model::{Address, OwnPool, PoolSettings};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};

use super::counts::Shared;
use super::{Pool, Pooled, seats};
use crate::connect::{close, connect};
use crate::error::explain;
use crate::options::sqlite_options;
use crate::{Error, Result};

/// How often a write that lost to another process is begun anew.
const ATTEMPTS: u32 = 5;

/// One writer and several readers of a file. Cloning it shares it.
#[derive(Debug, Clone)]
pub struct SqlitePools {
    writer: Pool,
    readers: Pool,
}

impl SqlitePools {
    /// Opens both, after one bare connection has shown that the file can be used. `settings` are the readers'; the writer
    /// has the same time-out and recycle age, one connection and no overflow. The file is put into WAL mode by the first
    /// write.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range, [`Error::Server`] when the file cannot be opened.
    pub async fn open(address: &Address, settings: &PoolSettings) -> Result<Self> {
        let of_readers = seats(settings)?;
        close(connect(address, None, Duration::from_secs(3)).await?).await;
        let one = PoolSettings { size: 1, max_overflow: 0, ..settings.clone() };
        let writing = sqlite_options(address).journal_mode(SqliteJournalMode::Wal);
        // Not a read-only handle: that could not make the shared memory that readers of a WAL need.
        let reading = sqlite_options(address).pragma("query_only", "ON");
        Ok(Self {
            writer: Pool::of_file(Shared::new(address, &one, 1), writing),
            readers: Pool::of_file(Shared::new(address, settings, of_readers), reading),
        })
    }

    /// Checks out a connection that only reads.
    ///
    /// # Errors
    /// As [`Pool::acquire`].
    pub async fn read(&self) -> Result<Pooled> {
        self.readers.acquire().await
    }

    /// Does `work` in one transaction of the writer, committed when it succeeds and rolled back otherwise. It is done again
    /// from its beginning when another process wrote in between; whatever it did was rolled back.
    ///
    /// # Errors
    /// As [`Pool::acquire`]; [`Error::Server`] when `work` fails, or when others write all the time.
    pub async fn write<T>(
        &self,
        mut work: impl for<'c> FnMut(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
    ) -> Result<T> {
        let failed = |error: sqlx::Error| Error::from(explain(&self.writer.shared.address, &error));
        let mut attempt = 1;
        loop {
            let mut held = self.writer.acquire().await?;
            let Some(connection) = held.sqlite() else { return Err(self.writer.closed()) };
            match written(connection, &mut work).await {
                Err(error) if attempt < ATTEMPTS && outdated(&error) => attempt += 1,
                outcome => return outcome.map_err(failed),
            }
        }
    }

    /// State of both, the readers first. `what` is what they serve.
    pub fn stats(&self, what: &str) -> Vec<OwnPool> {
        let named = |role: &str, pool: &Pool| OwnPool { name: format!("{what}, {role}"), stats: pool.stats() };
        vec![named("readers", &self.readers), named("writer", &self.writer)]
    }

    /// The readers.
    pub fn readers(&self) -> &Pool {
        &self.readers
    }

    /// Closes both, as [`Pool::close`] does.
    pub async fn close(&self) {
        tokio::join!(self.writer.close(), self.readers.close());
    }
}

async fn written<T>(
    connection: &mut SqliteConnection,
    work: &mut (impl for<'c> FnMut(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send),
) -> Result<T, sqlx::Error> {
    // Rolled back when it is dropped, also in the middle.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    match work(&mut transaction).await {
        Ok(value) => transaction.commit().await.map(|()| value),
        Err(error) => {
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

/// Whether the transaction read a state that is not the newest any more (`SQLITE_BUSY_SNAPSHOT`, 517): begun anew, it can
/// succeed.
fn outdated(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "517")
}
