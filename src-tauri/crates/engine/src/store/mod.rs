//! The local store: one SQLite file in WAL mode, shared by the desktop and `perfctl`, safe with both open.
//!
//! Documents are kept as JSON beside the few columns that are searched. The schema's version is SQLite's
//! `user_version`; migrations only go forward, and a file of a newer version is refused untouched.
use std::path::{Path, PathBuf};
use std::time::Duration;

use perfdeck_model::{ApiError, BoxFuture, Environment, ErrorCode, ReportFile, Run, RunSummary};
use perfdeck_monitor::{Block, BlockStore};
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqliteConnection};

use crate::comparisons::StoredComparison;
use crate::insights::Baseline;
use crate::knees::StoredKnee;
use crate::plans::SavedPlan;

/// Schema versions in order; entry `n` takes a store from version `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE environments (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, doc TEXT NOT NULL,
        created_ms REAL NOT NULL, updated_ms REAL NOT NULL, deleted_ms REAL);
    CREATE UNIQUE INDEX environments_name ON environments (name) WHERE deleted_ms IS NULL;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, environment_id TEXT, started_ms REAL NOT NULL,
        summary TEXT NOT NULL, doc TEXT NOT NULL, series BLOB, deleted_ms REAL);
    CREATE INDEX runs_started ON runs (started_ms DESC);
    CREATE TABLE reports (id TEXT PRIMARY KEY, created_ms REAL NOT NULL, doc TEXT NOT NULL);
    CREATE TABLE blocks (
        environment_id TEXT NOT NULL, series_id TEXT NOT NULL, from_ms REAL NOT NULL,
        step_ms REAL NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (environment_id, series_id, from_ms)) WITHOUT ROWID;
    CREATE INDEX blocks_from ON blocks (from_ms);
",
    "
    CREATE TABLE comparisons (
        id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
    CREATE INDEX comparisons_created ON comparisons (created_ms DESC);
    CREATE TABLE knees (
        id TEXT PRIMARY KEY, environment_id TEXT, created_ms REAL NOT NULL, doc TEXT NOT NULL);
",
    // Runs of plans, seconds as histograms, saved plans, baselines. What is stored as a run was one HTTP request so far.
    "
    ALTER TABLE runs ADD COLUMN seconds BLOB;
    UPDATE runs SET doc = json_set(doc, '$.spec.kind', 'http') WHERE json_extract(doc, '$.spec.kind') IS NULL;
    CREATE TABLE plans (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, toml TEXT NOT NULL, updated_ms REAL NOT NULL);
    CREATE TABLE baselines (
        name TEXT PRIMARY KEY, run_id TEXT NOT NULL, created_ms REAL NOT NULL);
    CREATE TABLE noise (
        work TEXT NOT NULL, environment_id TEXT NOT NULL, created_ms REAL NOT NULL, doc TEXT NOT NULL,
        PRIMARY KEY (work, environment_id));
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY, at_ms REAL NOT NULL, environment_id TEXT, kind TEXT NOT NULL, doc TEXT NOT NULL);
    CREATE INDEX journal_at ON journal (at_ms DESC);
",
];

/// Longest time to get at a store that other programs are opening too.
const OPEN_DEADLINE: Duration = Duration::from_secs(5);
/// Samples are kept for this long.
const KEEP_BLOCKS_MS: f64 = 24.0 * 3_600_000.0;
/// Deleted environments and runs can be restored for this long.
pub(crate) const UNDO_MS: f64 = 7.0 * 24.0 * 3_600_000.0;

/// The open store. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    path: PathBuf,
}

fn storage(path: &Path, error: &sqlx::Error) -> ApiError {
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
        ApiError::new(ErrorCode::Storage, format!("The local store {at} refused the operation: {text}"))
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
            for sql in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
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

    fn fail(&self, error: &sqlx::Error) -> ApiError {
        storage(&self.path, error)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file with its write-ahead log, in bytes.
    pub fn bytes(&self) -> f64 {
        let size = |p: &Path| std::fs::metadata(p).map_or(0, |m| m.len());
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        #[allow(clippy::cast_precision_loss)]
        let total = (size(&self.path) + size(Path::new(&wal))) as f64;
        total
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

    /// Forgets samples that are too old and deletions that can no longer be undone.
    pub(crate) async fn prune(&self, now_ms: f64) -> Result<(), ApiError> {
        for (sql, before) in [
            ("DELETE FROM blocks WHERE from_ms < ?", now_ms - KEEP_BLOCKS_MS),
            ("DELETE FROM environments WHERE deleted_ms < ?", now_ms - UNDO_MS),
            ("DELETE FROM runs WHERE deleted_ms < ?", now_ms - UNDO_MS),
        ] {
            sqlx::query(sql).bind(before).execute(&self.pool).await.map_err(|e| self.fail(&e))?;
        }
        Ok(())
    }

    // ---- environments

    pub(crate) async fn environments(&self) -> Result<Vec<Environment>, ApiError> {
        let rows = sqlx::query("SELECT doc FROM environments WHERE deleted_ms IS NULL ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }

    pub(crate) async fn environment(&self, id: &str) -> Result<Option<Environment>, ApiError> {
        let row = sqlx::query("SELECT doc FROM environments WHERE id = ? AND deleted_ms IS NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }

    /// Inserts or replaces. The name must be free among the environments that are not deleted.
    pub(crate) async fn put_environment(&self, environment: &Environment) -> Result<(), ApiError> {
        let result = sqlx::query(
            "INSERT INTO environments (id, name, doc, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc,
                updated_ms = excluded.updated_ms, deleted_ms = NULL",
        )
        .bind(&environment.id)
        .bind(&environment.name)
        .bind(text(environment)?)
        .bind(environment.created_ms)
        .bind(environment.updated_ms)
        .execute(&self.pool)
        .await;
        self.named(result, &environment.name).map(drop)
    }

    fn named<T>(&self, result: Result<T, sqlx::Error>, name: &str) -> Result<T, ApiError> {
        result.map_err(|e| match &e {
            sqlx::Error::Database(d) if d.is_unique_violation() => {
                ApiError::new(ErrorCode::Conflict, format!("An environment named '{name}' exists already"))
                    .hint("Choose another name")
            }
            _ => self.fail(&e),
        })
    }

    pub(crate) async fn delete_environment(&self, id: &str, now_ms: f64) -> Result<bool, ApiError> {
        let done = sqlx::query("UPDATE environments SET deleted_ms = ? WHERE id = ? AND deleted_ms IS NULL")
            .bind(now_ms)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn restore_environment(&self, id: &str) -> Result<Option<Environment>, ApiError> {
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM environments WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        let Some(name) = name else { return Ok(None) };
        let result =
            sqlx::query("UPDATE environments SET deleted_ms = NULL WHERE id = ?").bind(id).execute(&self.pool).await;
        self.named(result, &name)?;
        self.environment(id).await
    }

    // ---- plans

    pub(crate) async fn plans(&self) -> Result<Vec<SavedPlan>, ApiError> {
        let rows = sqlx::query("SELECT id, name, toml, updated_ms FROM plans ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        let plan = |r: &sqlx::sqlite::SqliteRow| SavedPlan {
            id: r.get(0),
            name: r.get(1),
            toml: r.get(2),
            updated_ms: r.get(3),
        };
        Ok(rows.iter().map(plan).collect())
    }

    pub(crate) async fn put_plan(&self, plan: &SavedPlan) -> Result<(), ApiError> {
        let result = sqlx::query(
            "INSERT INTO plans (id, name, toml, updated_ms) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, toml = excluded.toml, updated_ms = excluded.updated_ms",
        )
        .bind(&plan.id)
        .bind(&plan.name)
        .bind(&plan.toml)
        .bind(plan.updated_ms)
        .execute(&self.pool)
        .await;
        result.map(drop).map_err(|e| match &e {
            sqlx::Error::Database(d) if d.is_unique_violation() => {
                ApiError::new(ErrorCode::Conflict, format!("A plan named '{}' exists already", plan.name))
                    .hint("Change `name` in the plan's text")
            }
            _ => self.fail(&e),
        })
    }

    pub(crate) async fn delete_plan(&self, id: &str) -> Result<bool, ApiError> {
        let done = sqlx::query("DELETE FROM plans WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    // ---- baselines

    pub(crate) async fn baselines(&self) -> Result<Vec<Baseline>, ApiError> {
        let rows = sqlx::query(
            "SELECT b.name, b.run_id, b.created_ms FROM baselines b JOIN runs r ON r.id = b.run_id
             WHERE r.deleted_ms IS NULL ORDER BY lower(b.name)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(rows.iter().map(|r| Baseline { name: r.get(0), run_id: r.get(1), created_ms: r.get(2) }).collect())
    }

    pub(crate) async fn put_baseline(&self, baseline: &Baseline) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO baselines (name, run_id, created_ms) VALUES (?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET run_id = excluded.run_id, created_ms = excluded.created_ms",
        )
        .bind(&baseline.name)
        .bind(&baseline.run_id)
        .bind(baseline.created_ms)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|e| self.fail(&e))
    }

    pub(crate) async fn delete_baseline(&self, name: &str) -> Result<bool, ApiError> {
        let done = sqlx::query("DELETE FROM baselines WHERE name = ?")
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    // ---- runs

    /// Stores a run with the environment's series and the histograms of its seconds, in one transaction; what is `None`
    /// stays as it was.
    pub(crate) async fn put_run(
        &self,
        run: &Run,
        series: Option<Vec<u8>>,
        seconds: Option<Vec<u8>>,
    ) -> Result<(), ApiError> {
        sqlx::query(
            "INSERT INTO runs (id, environment_id, started_ms, summary, doc, series, seconds) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET summary = excluded.summary, doc = excluded.doc,
                series = coalesce(excluded.series, runs.series), seconds = coalesce(excluded.seconds, runs.seconds)",
        )
        .bind(&run.id)
        .bind(&run.environment_id)
        .bind(run.started_ms)
        .bind(text(&RunSummary::from(run))?)
        .bind(text(run)?)
        .bind(series)
        .bind(seconds)
        .execute(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn runs(&self, environment_id: Option<&str>) -> Result<Vec<RunSummary>, ApiError> {
        let rows = sqlx::query(
            "SELECT summary FROM runs WHERE deleted_ms IS NULL AND (?1 IS NULL OR environment_id = ?1)
             ORDER BY started_ms DESC LIMIT 1000",
        )
        .bind(environment_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }

    pub(crate) async fn run(&self, id: &str) -> Result<Option<Run>, ApiError> {
        let row = sqlx::query("SELECT doc FROM runs WHERE id = ? AND deleted_ms IS NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }

    pub(crate) async fn run_series(&self, id: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT series FROM runs WHERE id = ? AND deleted_ms IS NULL")
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(row.flatten())
    }

    /// The histograms of a run's seconds.
    pub(crate) async fn run_seconds(&self, id: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT seconds FROM runs WHERE id = ? AND deleted_ms IS NULL")
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(row.flatten())
    }

    pub(crate) async fn set_run_deleted(&self, id: &str, deleted_ms: Option<f64>) -> Result<bool, ApiError> {
        let done = sqlx::query("UPDATE runs SET deleted_ms = ? WHERE id = ?")
            .bind(deleted_ms)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn run_counts(&self) -> Result<Vec<(Option<String>, u32)>, ApiError> {
        let rows =
            sqlx::query("SELECT environment_id, count(*) FROM runs WHERE deleted_ms IS NULL GROUP BY environment_id")
                .fetch_all(&self.pool)
                .await
                .map_err(|e| self.fail(&e))?;
        Ok(rows.iter().map(|r| (r.get(0), r.get::<u32, _>(1))).collect())
    }

    // ---- comparisons

    pub(crate) async fn put_comparison(&self, comparison: &StoredComparison) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO comparisons (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&comparison.id)
            .bind(&comparison.environment_id)
            .bind(comparison.created_ms)
            .bind(text(comparison)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn comparisons(&self, environment_id: Option<&str>) -> Result<Vec<StoredComparison>, ApiError> {
        let rows = sqlx::query(
            "SELECT doc FROM comparisons WHERE (?1 IS NULL OR environment_id = ?1) ORDER BY created_ms DESC LIMIT 200",
        )
        .bind(environment_id)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }

    pub(crate) async fn comparison(&self, id: &str) -> Result<Option<StoredComparison>, ApiError> {
        let row = sqlx::query("SELECT doc FROM comparisons WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }

    pub(crate) async fn delete_comparison(&self, id: &str) -> Result<bool, ApiError> {
        let done = sqlx::query("DELETE FROM comparisons WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(done.rows_affected() > 0)
    }

    // ---- knees

    pub(crate) async fn put_knee(&self, knee: &StoredKnee) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO knees (id, environment_id, created_ms, doc) VALUES (?, ?, ?, ?)")
            .bind(&knee.id)
            .bind(&knee.environment_id)
            .bind(knee.created_ms)
            .bind(text(knee)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn knee(&self, id: &str) -> Result<Option<StoredKnee>, ApiError> {
        let row = sqlx::query("SELECT doc FROM knees WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.map(|r| document(r.get::<&str, _>(0))).transpose()
    }

    // ---- reports

    pub(crate) async fn put_report(&self, report: &ReportFile) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO reports (id, created_ms, doc) VALUES (?, ?, ?)")
            .bind(&report.id)
            .bind(report.created_ms)
            .bind(text(report)?)
            .execute(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    pub(crate) async fn reports(&self) -> Result<Vec<ReportFile>, ApiError> {
        let rows = sqlx::query("SELECT doc FROM reports ORDER BY created_ms DESC LIMIT 1000")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        rows.iter().map(|r| document(r.get::<&str, _>(0))).collect()
    }
}

async fn user_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

fn text<T: serde::Serialize>(value: &T) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|e| ApiError::internal(format!("A document could not be written: {e}")))
}

fn document<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text)
        .map_err(|e| ApiError::new(ErrorCode::Storage, format!("A stored document could not be read: {e}")))
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

/// Inserts a block, replacing one of the same environment, series and start.
async fn put_block(c: &mut SqliteConnection, environment_id: &str, block: &Block) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO blocks (environment_id, series_id, from_ms, step_ms, count, bytes) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET step_ms = excluded.step_ms, count = excluded.count, bytes = excluded.bytes",
    )
    .bind(environment_id)
    .bind(&block.series_id)
    .bind(block.from_ms)
    .bind(block.step_ms)
    .bind(i64::try_from(block.count).unwrap_or(i64::MAX))
    .bind(&block.bytes)
    .execute(c)
    .await
    .map(drop)
}

impl BlockStore for Store {
    fn put(&self, environment_id: &str, block: Block) -> BoxFuture<'_, Result<(), String>> {
        self.put_all(environment_id, vec![block])
    }

    fn put_all(&self, environment_id: &str, blocks: Vec<Block>) -> BoxFuture<'_, Result<(), String>> {
        let environment_id = environment_id.to_owned();
        Box::pin(async move {
            // One transaction: one wait for the disk instead of one per series.
            let work = async {
                let mut transaction = self.pool.begin().await?;
                for block in &blocks {
                    put_block(&mut transaction, &environment_id, block).await?;
                }
                transaction.commit().await
            };
            work.await.map_err(|e| self.fail(&e).message)
        })
    }

    fn get(
        &self,
        environment_id: &str,
        from_ms: f64,
        to_ms: f64,
        series: Option<&[String]>,
    ) -> BoxFuture<'_, Result<Vec<Block>, String>> {
        let environment_id = environment_id.to_owned();
        let wanted: Option<std::collections::HashSet<String>> = series.map(|s| s.iter().cloned().collect());
        Box::pin(async move {
            // A block covers at most five minutes, so one that starts an hour before the window cannot reach into it.
            let rows = sqlx::query(
                "SELECT series_id, from_ms, step_ms, count, bytes FROM blocks
                 WHERE environment_id = ? AND from_ms > ? AND from_ms <= ? ORDER BY from_ms",
            )
            .bind(environment_id)
            .bind(from_ms - 3_600_000.0)
            .bind(to_ms)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| e.to_string())?;
            Ok(rows
                .iter()
                .filter(|r| wanted.as_ref().is_none_or(|w| w.contains(r.get::<&str, _>(0))))
                .map(|r| Block {
                    series_id: r.get(0),
                    from_ms: r.get(1),
                    step_ms: r.get(2),
                    count: r.get::<i64, _>(3).try_into().unwrap_or(0),
                    bytes: r.get(4),
                })
                .collect())
        })
    }
}

#[cfg(test)]
mod tests {
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
