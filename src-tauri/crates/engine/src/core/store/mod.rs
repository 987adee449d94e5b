//! The local store: one SQLite file in WAL mode, shared by the desktop and `perfctl`, safe with both open.
//!
//! Documents are kept as JSON beside the few columns that are searched. The schema's version is SQLite's
//! `user_version`; migrations only go forward, and a file of a newer version is refused untouched.
mod journal;
#[cfg(test)]
mod migrated;
mod schema;
mod written;

use std::path::{Path, PathBuf};
use std::time::Duration;

use perfdeck_model::{ApiError, ErrorCode, masking};
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqliteConnection};

pub(crate) use self::journal::put_entry;
use self::schema::MIGRATIONS;
pub(crate) use self::written::Written;

/// Longest time to get at a store that other programs are opening too.
const OPEN_DEADLINE: Duration = Duration::from_secs(5);
/// Samples are kept for this long.
const KEEP_BLOCKS_MS: f64 = 24.0 * 3_600_000.0;
/// Windows of statements are kept for seven days, and for two hours more: what the same hour was a week ago.
const KEEP_STATEMENTS_MS: f64 = (7.0 * 24.0 + 2.0) * 3_600_000.0;
/// Sizes of tables are kept for this long: growth over seven days needs one that is a little older.
const KEEP_SIZES_MS: f64 = 8.0 * 86_400_000.0;
/// Measured bloat is kept for this long.
const KEEP_BLOAT_MS: f64 = 30.0 * 86_400_000.0;
/// Entries of the journal, and what requests cost, are kept for this long.
const KEEP_JOURNAL_MS: f64 = 400.0 * 24.0 * 3_600_000.0;
/// Time for which deleted environments and runs can be restored, in milliseconds.
pub(crate) const UNDO_MS: f64 = 7.0 * 24.0 * 3_600_000.0;

/// The open store. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) path: PathBuf,
}

pub(crate) fn storage(path: &Path, error: &sqlx::Error) -> ApiError {
    tracing::error!(%error, path = %path.display(), "local store");
    let at = path.display();
    let text = error.to_string();
    let code = match error {
        sqlx::Error::Database(e) => e.code().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        _ => String::new(),
    };
    // SQLite's extended result codes keep the primary code in the low byte.
    let primary = code.parse::<u32>().unwrap_or(0) & 0xff;
    if matches!(primary, 11 | 26) {
        ApiError::new(ErrorCode::Storage, format!("The local store {at} is damaged and was left as it is")).hint(
            format!(
                "Move it aside to start with an empty store; keep the copy for recovery with 'sqlite3 {at} .recover'"
            ),
        )
    } else if primary == 13 || text.contains("No space left") {
        ApiError::new(ErrorCode::Storage, format!("The disk that holds {at} is full; the change was not saved"))
            .hint("Free some space and try again; what was saved before is intact")
    } else if matches!(primary, 5 | 6) {
        let mut e = ApiError::new(ErrorCode::Storage, format!("The local store {at} is busy in another program"))
            .hint("Try again in a moment");
        e.retryable = true;
        e
    } else if matches!(primary, 8 | 14 | 23) || matches!(error, sqlx::Error::Io(_)) {
        ApiError::new(ErrorCode::Storage, format!("The local store {at} cannot be written"))
            .hint("Check the folder's owner and permissions, or name another one with PERFDECK_DATA_DIR")
    } else {
        ApiError::new(
            ErrorCode::Storage,
            format!("The local store {at} refused the operation: {}", masking::message(&text, &|_| false)),
        )
    }
}

impl Store {
    /// Opens the store in `dir`, creating folder and file when they are absent.
    ///
    /// # Errors
    /// When the folder cannot be made, the file is damaged, not writable, or from a newer Perfdeck.
    pub async fn open(dir: &Path) -> Result<Self, ApiError> {
        std::fs::create_dir_all(dir).map_err(|e| {
            ApiError::new(ErrorCode::Storage, format!("The data folder {} cannot be made: {e}", dir.display()))
                .hint("Name another one with PERFDECK_DATA_DIR")
        })?;
        restrict(dir, 0o700);
        let path = dir.join("perfdeck.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: what was reported as saved survives a power cut, not only a killed process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            // Documents are small and read seldom; each connection's page cache is memory for the window's whole life.
            .pragma("cache_size", "-512")
            .foreign_keys(true);
        let started = std::time::Instant::now();
        let store = loop {
            match Self::connect(&options, &path).await {
                Ok(store) => break store,
                // Two programs that turn a new file to WAL at once: SQLite refuses one of them without waiting.
                Err(error) if error.retryable && started.elapsed() < OPEN_DEADLINE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        };
        restrict(&store.path, 0o600);
        Ok(store)
    }

    async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<Self, ApiError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.clone())
            .await
            .map_err(|e| storage(path, &e))?;
        let store = Self { pool, path: path.to_owned() };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), ApiError> {
        let mut connection = self.pool.acquire().await.map_err(|e| storage(&self.path, &e))?;
        let version = user_version(&mut connection).await.map_err(|e| storage(&self.path, &e))?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if version > known {
            return Err(ApiError::new(
                ErrorCode::NewerStore,
                format!(
                    "The local store {} was written by a newer Perfdeck (schema {version}, this one knows {known}); nothing was changed",
                    self.path.display()
                ),
            )
            .hint("Install the newer Perfdeck, or name another folder with PERFDECK_DATA_DIR"));
        }
        if version == known {
            return Ok(());
        }
        // IMMEDIATE: of two programs that open a new store at once, the second waits and then finds it migrated.
        let result = async {
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            let version = user_version(&mut connection).await?;
            for (_, sql) in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
                sqlx::raw_sql(*sql).execute(&mut *connection).await?;
            }
            // `PRAGMA` takes no parameters; the number is a constant of this file.
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}")))
                .execute(&mut *connection)
                .await?;
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
            Ok::<_, sqlx::Error>(())
        }
        .await;
        if let Err(e) = result {
            // The error of interest is the first one.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
            return Err(storage(&self.path, &e));
        }
        Ok(())
    }

    pub(crate) fn fail(&self, error: &sqlx::Error) -> ApiError {
        storage(&self.path, error)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file with its write-ahead log, in bytes.
    pub fn bytes(&self) -> f64 {
        let size = |p: &Path| std::fs::metadata(p).map_or(0, |m| m.len());
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        (size(&self.path) + size(Path::new(&wal))) as f64
    }

    /// A number that changes when another connection or program wrote to the store.
    pub(crate) async fn data_version(&self, connection: &mut SqliteConnection) -> Option<i64> {
        // Not through the statement cache: a cached statement answers from the snapshot it was prepared in.
        let query = sqlx::query("PRAGMA data_version").persistent(false);
        let row = query.fetch_one(connection).await.ok()?;
        row.try_get_unchecked::<i64, _>(0).ok()
    }

    /// A connection of its own, for [`Store::data_version`].
    pub(crate) async fn connection(&self) -> Option<sqlx::pool::PoolConnection<sqlx::Sqlite>> {
        self.pool.acquire().await.ok()
    }

    /// Documents of one environment, or of all; `sql` has the environment as its one parameter.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        sql: &'static str,
        environment_id: Option<&str>,
    ) -> Result<Vec<T>, ApiError> {
        let rows = sqlx::query(sql).bind(environment_id).fetch_all(&self.pool).await.map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }

    /// One document; `sql` has its id as its one parameter.
    pub(crate) async fn one<T: DeserializeOwned>(&self, sql: &'static str, id: &str) -> Result<Option<T>, ApiError> {
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.pool).await.map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }

    /// Marks something as deleted, or not; `sql` has the time and the id as its parameters. Answers whether it is there.
    pub(crate) async fn mark(&self, sql: &'static str, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        let done = sqlx::query(sql).bind(deleted_ms).bind(id).execute(&self.pool).await.map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    /// Lets the file grow no more, or again: a disk that is full.
    #[cfg(test)]
    pub(crate) async fn fill(&self, full: bool) {
        let mut connections = Vec::new();
        // All of the pool's but the one that housekeeping keeps: what is opened later would have no limit.
        for _ in 0..3 {
            connections.push(self.pool.acquire().await.expect("a connection"));
        }
        for connection in &mut connections {
            let pages: i64 = if full {
                sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut **connection).await.expect("pages")
            } else {
                1 << 30
            };
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::raw_sql(sql).execute(&mut **connection).await.expect("a limit");
        }
    }

    /// Forgets samples that are too old, deletions that can no longer be undone, and changes that nothing is left of.
    pub(crate) async fn prune(&self, now_ms: f64) -> Result<(), ApiError> {
        for (sql, before) in [
            ("DELETE FROM blocks WHERE from_ms < ?", now_ms - KEEP_BLOCKS_MS),
            ("DELETE FROM statement_windows WHERE to_ms < ?", now_ms - KEEP_STATEMENTS_MS),
            ("DELETE FROM statement_texts WHERE last_ms < ?", now_ms - KEEP_STATEMENTS_MS),
            ("DELETE FROM statement_plans WHERE last_ms < ?", now_ms - KEEP_STATEMENTS_MS),
            ("DELETE FROM database_sizes WHERE at_ms < ?", now_ms - KEEP_SIZES_MS),
            ("DELETE FROM measured_bloat WHERE at_ms < ?", now_ms - KEEP_BLOAT_MS),
            ("DELETE FROM environments WHERE deleted_ms < ?", now_ms - UNDO_MS),
            ("DELETE FROM runs WHERE deleted_ms < ?", now_ms - UNDO_MS),
            ("DELETE FROM comparisons WHERE deleted_ms < ?", now_ms - UNDO_MS),
            ("DELETE FROM knees WHERE deleted_ms < ?", now_ms - UNDO_MS),
            ("DELETE FROM costs WHERE created_ms < ?", now_ms - KEEP_JOURNAL_MS),
            ("DELETE FROM journal WHERE at_ms < ?", now_ms - KEEP_JOURNAL_MS),
            (
                "DELETE FROM changes WHERE state IN ('undone', 'failed', 'lapsed') AND updated_ms < ?",
                now_ms - KEEP_JOURNAL_MS,
            ),
            ("DELETE FROM changes WHERE state IN ('planned', 'previewed') AND updated_ms < ?", now_ms - UNDO_MS),
        ] {
            sqlx::query(sql).bind(before).execute(&self.pool).await.map_err(|e| self.fail(&e))?;
        }
        Ok(())
    }
}

async fn user_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

pub(crate) fn text<T: serde::Serialize>(value: &T) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|e| ApiError::internal(format!("A document could not be written: {e}")))
}

pub(crate) fn document<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|e| {
        let why = masking::reading_failed(&e.to_string());
        ApiError::new(ErrorCode::Storage, format!("A stored document could not be read: {why}"))
    })
}

/// Keeps other users of the machine out; a no-op where modes do not exist.
pub(crate) fn restrict(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)) {
            tracing::warn!(%error, path = %path.display(), "permissions could not be restricted");
        }
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

#[cfg(test)]
mod tests {
    use perfdeck_series::{Block, BlockStore};

    use super::*;

    #[tokio::test]
    async fn a_newer_store_is_refused_untouched() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(dir.path()).await.expect("new store opens");
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.pool).await.expect("set version");
        store.pool.close().await;
        let before = std::fs::read(dir.path().join("perfdeck.db")).expect("file");
        let error = Store::open(dir.path()).await.expect_err("a newer store is refused");
        assert_eq!(error.code, ErrorCode::NewerStore, "the UI can tell this apart");
        assert!(error.message.contains("99") && error.hint.is_some(), "the message names the version and what to do");
        assert_eq!(before, std::fs::read(dir.path().join("perfdeck.db")).expect("file"), "and the file is unchanged");
    }

    /// Whoever saves names the moment that was read, and it is compared with the one stored: they are the same number.
    #[test]
    fn a_moment_in_a_document_comes_back_to_the_last_bit() {
        for n in 0..100_000_u64 {
            let since = std::time::Duration::from_nanos(1_780_000_000_000_000_000 + n * 7_919_123_457);
            let ms = since.as_secs_f64() * 1e3;
            let back: f64 = document(&text(&ms).expect("it is written")).expect("it is read");
            assert_eq!(back.to_bits(), ms.to_bits(), "{ms}");
        }
    }

    #[tokio::test]
    async fn a_damaged_store_is_reported_and_kept() {
        let dir = tempfile::tempdir().expect("temp dir");
        let junk = b"this is not a database, but it is somebody's only copy of something ".repeat(40);
        std::fs::write(dir.path().join("perfdeck.db"), &junk).expect("write");
        let error = Store::open(dir.path()).await.expect_err("a damaged store is refused");
        assert_eq!(error.code, ErrorCode::Storage, "it is a storage error: {error:?}");
        assert!(error.message.contains("damaged"), "the message says so: {}", error.message);
        assert_eq!(std::fs::read(dir.path().join("perfdeck.db")).expect("file"), junk, "nothing was overwritten");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_programs_can_open_a_new_store_at_once() {
        let dir = tempfile::tempdir().expect("temp dir");
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let path = dir.path().to_owned();
                tokio::spawn(async move { Store::open(&path).await.map(drop) })
            })
            .collect();
        for one in opening {
            one.await.expect("no panic").expect("each of them opens");
        }
    }

    #[tokio::test]
    async fn blocks_come_back_by_window_and_series() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(dir.path()).await.expect("opens");
        let mut blocks = Vec::new();
        for (series, from) in [("a", 0.0), ("a", 300_000.0), ("b", 0.0)] {
            let block =
                Block { series_id: series.into(), from_ms: from, step_ms: 1000.0, count: 300, bytes: vec![1, 2] };
            blocks.push(block);
        }
        store.put_all("e", blocks).await.expect("put");
        let got = store.get("e", 0.0, 299_000.0, Some(&["a".to_owned()])).await.expect("get");
        assert_eq!(got.len(), 1, "only series a in the first five minutes");
        store.prune(KEEP_BLOCKS_MS + 200_000.0).await.expect("prune");
        assert_eq!(store.get("e", 0.0, 1e9, None).await.expect("get").len(), 1, "blocks over a day old are forgotten");
    }
}
