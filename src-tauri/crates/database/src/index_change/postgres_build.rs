//! A concurrent build on PostgreSQL that takes away what it leaves when it fails or is stopped.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, Sensitive};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::Watch;
use super::postgres::alone;
use super::postgres_run::{CANCEL, Seen, follow, tell};
use super::postgres_session::{Mode, open, unqualified, why};
use crate::own;

/// Longest time of all of it.
const CLEAN: Duration = Duration::from_secs(10);
/// Code of a name that is taken.
const TAKEN: &str = "42P07";

/// An index that is built, of which nothing was there before.
pub(super) struct Building<'a> {
    /// Its table, as the server writes it.
    pub(super) table: &'a str,
    /// Its schema and name, without quotes.
    pub(super) schema: &'a str,
    pub(super) index: &'a str,
    /// What builds it, and what drops it again, beside reads and writes.
    pub(super) creates: String,
    pub(super) drops: String,
}

/// Builds an index. What a build that failed or was stopped leaves is taken away once the session that built it is through, as far as
/// that takes a moment; else the error says that it is there.
pub(super) async fn build(
    (address, password): (&Address, Option<&Sensitive>),
    c: &mut PgConnection,
    building: &Building<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    let mut seen = Seen::default();
    let Err(mut error) = follow(address, password, (&mut *c, &building.creates), watch, &mut seen).await else {
        return Ok(());
    };
    // What has its name is somebody else's.
    if seen.code.as_deref() == Some(TAKEN) {
        return Err(error);
    }
    (watch.progress)(None, "taking away what was built");
    let cleaned = tokio::time::timeout(CLEAN, clean((address, password), c, building, &seen)).await;
    let kept = match cleaned {
        Ok(Ok(())) => return Err(error),
        Ok(Err(kept)) => kept.message,
        Err(_) => format!("that took longer than {} s", CLEAN.as_secs()),
    };
    tracing::warn!(kept, "what a failed index build left is still there");
    error.message = format!("{}; what was built of it could not be taken away: {kept}", error.message);
    Err(error)
}

async fn clean(
    (address, password): (&Address, Option<&Sensitive>),
    c: &mut PgConnection,
    building: &Building<'_>,
    seen: &Seen,
) -> Result<(), ApiError> {
    // The server tells of an error before it took back what was done: it answers the next statement after that.
    let through = sqlx::raw_sql("SELECT 1").execute(&mut *c);
    if matches!(tokio::time::timeout(CANCEL, through).await, Ok(Ok(_))) {
        return take_away(address, c, building, seen).await;
    }
    let mut own = open(address, password, Mode::Write).await?;
    unqualified(address, &mut own).await?;
    gone(address, &mut own, seen.pid).await?;
    alone(address, &mut own, building.table).await?;
    take_away(address, &mut own, building, seen).await
}

/// Ends a session of Perfdeck's that answers no more, and waits until the server has none of that number.
async fn gone(address: &Address, c: &mut PgConnection, pid: i32) -> Result<(), ApiError> {
    let began = Instant::now();
    tell(c, pid, "terminate").await;
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1)";
    while began.elapsed() < CANCEL {
        let there: bool = sqlx::query_scalar(sql).bind(pid).fetch_one(&mut *c).await.map_err(|e| why(address, &e))?;
        if !there {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(super::refused(format!("session {pid} of the server has not ended yet")))
}

/// Drops the invalid index of this name, if it is the one that was built: by its number where the server told it, else one of this
/// table that nobody else builds.
async fn take_away(
    address: &Address,
    c: &mut PgConnection,
    building: &Building<'_>,
    seen: &Seen,
) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let sql = "
        SELECT c.oid::int8, coalesce(NOT i.indisvalid AND i.indrelid = to_regclass($3), false),
            EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid AND p.pid <> pg_backend_pid())
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2";
    let row = sqlx::query(sql).bind(building.schema).bind(building.index).bind(building.table);
    let row = row.fetch_optional(&mut *c).await.map_err(failed)?;
    own::add(address, 2.0, 0);
    let Some(row) = row else { return Ok(()) };
    let (oid, invalid): (i64, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let others: bool = row.try_get(2).map_err(failed)?;
    if !invalid || others || seen.index.is_some_and(|index| index != oid) {
        return Ok(());
    }
    // Whoever uses the table longer than that keeps it, and is not waited for.
    sqlx::raw_sql("SET statement_timeout = 3000; SET lock_timeout = 2000").execute(&mut *c).await.map_err(failed)?;
    sqlx::raw_sql(AssertSqlSafe(building.drops.clone())).execute(c).await.map(drop).map_err(failed)
}
