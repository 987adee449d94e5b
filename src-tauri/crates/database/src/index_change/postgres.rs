//! On PostgreSQL: `CONCURRENTLY`, on a session of its own, outside a transaction.
//!
//! A lock is tried for two seconds first. The statement itself has no `lock_timeout`: it waits for old transactions in its
//! middle, and giving up there would leave an invalid index. It has a `statement_timeout` instead.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, Scheme, Sensitive, WaitsFor};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::postgres_build::{Building, build};
use super::postgres_check::{check, may_create};
use super::postgres_run::run;
use super::postgres_session::{Mode, NAME, no_usage, not_a_standby, open, unqualified, why};
use super::{IndexFigures, IndexPlan, IndexState, STATEMENT, Watch, no_index, refused};
use crate::own;

/// First key of the advisory lock under which indexes of a table are changed, so that two of Perfdeck never drop both of a
/// pair.
const ADVISORY: i32 = 0x5045_5246;
/// Longest wait for it.
const ALONE: Duration = Duration::from_secs(2);

/// What is known of one index. HOT updates write to no index. Sessions of others without pg_monitor hide their transactions, so
/// that none are known. Perfdeck's own are none that anybody would look for.
const FIGURES: &str = "
    SELECT pg_relation_size(i.indexrelid)::float8, s.idx_scan::float8,
        ((t.n_tup_ins + t.n_tup_upd - t.n_tup_hot_upd)
         / nullif(extract(epoch FROM clock_timestamp() - d.stats_reset), 0))::float8,
        x.hidden, x.open, x.oldest::float8, s.idx_tup_read::float8,
        extract(epoch FROM clock_timestamp()
                - coalesce(d.stats_reset, pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time()))::float8,
        current_setting('track_counts')::bool, (SELECT count(*) FROM pg_stat_get_wal_senders()), i.indexprs IS NOT NULL
    FROM pg_index i
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    LEFT JOIN pg_stat_user_tables t ON t.relid = i.indrelid
    LEFT JOIN pg_stat_database d ON d.datname = current_database()
    CROSS JOIN (
        SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) AS hidden,
            count(xact_start) FILTER (WHERE application_name NOT IN ('perfdeck', 'perfdeck-change')) AS open,
            max(extract(epoch FROM clock_timestamp() - xact_start))
                FILTER (WHERE application_name NOT IN ('perfdeck', 'perfdeck-change')) AS oldest
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()) x
    WHERE i.indexrelid = $1::int8::oid";

/// Foreign keys whose columns begin its keys: their checks find rows by it.
const SERVED_KEYS: &str = "
    SELECT x.conname::text FROM pg_index i JOIN pg_constraint x ON x.conrelid = i.indrelid AND x.contype = 'f'
    WHERE i.indexrelid = $1::int8::oid AND cardinality(x.conkey) <= i.indnkeyatts
      AND (i.indkey::int2[])[0:cardinality(x.conkey) - 1] @> x.conkey
    ORDER BY x.conname LIMIT 10";

/// The number of an index by schema and name.
async fn oid_of(address: &Address, c: &mut PgConnection, plan: &IndexPlan) -> Result<Option<i64>, ApiError> {
    let sql = "SELECT c.oid::int8 FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    let found = sqlx::query_scalar(sql).bind(&plan.schema).bind(&plan.index).fetch_optional(c).await;
    found.map_err(|e| why(address, &e))
}

pub(super) async fn plan(address: &Address, password: Option<&Sensitive>, name: &str) -> Result<IndexPlan, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    not_a_standby(address, &mut c).await?;
    // By the role's own search path, as psql would find it. A text that is no name names nothing.
    let sql = "SELECT to_regclass($1)::oid::int8";
    let found: Result<Option<i64>, sqlx::Error> = sqlx::query_scalar(sql).bind(name).fetch_one(&mut c).await;
    let oid = match found {
        Ok(Some(oid)) => oid,
        Ok(None) | Err(sqlx::Error::Database(_)) => {
            return Err(no_usage(address, &mut c, name).await.unwrap_or_else(|| no_index(name)));
        }
        Err(error) => return Err(why(address, &error)),
    };
    let is_index: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = $1::int8::oid)")
        .bind(oid)
        .fetch_one(&mut c)
        .await
        .map_err(|e| why(address, &e))?;
    if !is_index {
        return Err(no_index(name));
    }
    unqualified(address, &mut c).await?;
    let planned = check(address, &mut c, oid, None).await;
    let _ = c.close().await;
    planned
}

pub(super) async fn figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexFigures, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    let oid = oid_of(address, &mut c, plan).await?.ok_or_else(|| no_index(&plan.name))?;
    let row = sqlx::query(FIGURES).bind(oid).fetch_one(&mut c).await.map_err(|e| why(address, &e))?;
    let keys: Vec<String> =
        sqlx::query_scalar(SERVED_KEYS).bind(oid).fetch_all(&mut c).await.map_err(|e| why(address, &e))?;
    let _ = c.close().await;
    own::add(address, 3.0, 0);
    let n = |at: usize| row.try_get::<Option<f64>, _>(at).map_err(|e| why(address, &e));
    let flag = |at: usize| row.try_get::<bool, _>(at).map_err(|e| why(address, &e));
    let waits = if flag(3)? {
        WaitsFor::Hidden
    } else {
        let open: i64 = row.try_get(4).map_err(|e| why(address, &e))?;
        WaitsFor::Open { transactions: u32::try_from(open).unwrap_or(u32::MAX), oldest_s: n(5)? }
    };
    let counts = flag(8)?;
    Ok(IndexFigures {
        bytes: n(0)?,
        scans: n(1)?.filter(|_| counts),
        rows_read: n(6)?.filter(|_| counts),
        counted_s: n(7)?.filter(|_| counts),
        uncounted: (!counts).then(|| "the server counts nothing: track_counts is off".to_owned()),
        writes_per_s: n(2)?,
        waits: Some(waits),
        standbys: u32::try_from(row.try_get::<i64, _>(9).map_err(|e| why(address, &e))?).ok(),
        foreign_keys: keys,
        expression: flag(10)?,
    })
}

pub(super) async fn state(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexState, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    unqualified(address, &mut c).await?;
    let found = state_in(address, &mut c, plan).await;
    let _ = c.close().await;
    found
}

async fn state_in(address: &Address, c: &mut PgConnection, plan: &IndexPlan) -> Result<IndexState, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    own::add(address, 2.0, 0);
    let Some(oid) = oid_of(address, c, plan).await? else {
        if plan.repeats.is_none() {
            return Ok(IndexState::Absent(false));
        }
        let sql =
            "SELECT coalesce((SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)), false)";
        let twin = sqlx::query_scalar(sql).bind(&plan.repeats).fetch_one(c).await.map_err(failed)?;
        return Ok(IndexState::Absent(twin));
    };
    let sql = "
        SELECT i.indisvalid AND i.indisready AND i.indislive, i.indisready, pg_catalog.pg_get_indexdef(i.indexrelid)
        FROM pg_catalog.pg_index i WHERE i.indexrelid = $1::int8::oid";
    let row = sqlx::query(sql).bind(oid).fetch_optional(&mut *c).await.map_err(failed)?;
    let Some(row) = row else { return Ok(IndexState::Differs) };
    let (valid, maintained): (bool, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let definition: Option<String> = row.try_get(2).map_err(failed)?;
    if definition.as_deref() != Some(plan.definition.as_str()) {
        return Ok(IndexState::Differs);
    }
    if valid {
        return Ok(IndexState::Present);
    }
    let (bytes, session) = work_on(address, c, oid, [plan.statement(Scheme::Postgres), plan.create()]).await?;
    Ok(IndexState::Invalid { bytes, maintained, session })
}

/// Size of an index that is not valid, in bytes, and the session of Perfdeck's that works on it, which is found by its statement: one of
/// these, of which the server shows the beginning (`track_activity_query_size`).
pub(super) async fn work_on(
    address: &Address,
    c: &mut PgConnection,
    oid: i64,
    statements: [String; 2],
) -> Result<(f64, Option<i32>), ApiError> {
    let sql = "
        SELECT coalesce(pg_catalog.pg_relation_size($1::int8::oid), 0)::float8,
            (SELECT a.pid FROM pg_catalog.pg_stat_activity a
             WHERE a.application_name = $2 AND a.state = 'active' AND a.datname = current_database()
               AND a.query <> '' AND EXISTS (SELECT FROM unnest($3::text[]) w(sql) WHERE starts_with(w.sql, a.query)) LIMIT 1)";
    let row = sqlx::query_as(sql).bind(oid).bind(NAME).bind(statements.to_vec()).fetch_one(c).await;
    own::add(address, 1.0, 0);
    row.map_err(|e| why(address, &e))
}

/// Refuses what another session of Perfdeck still works on.
fn not_busy(found: &IndexState) -> Result<(), ApiError> {
    match found {
        IndexState::Invalid { session: Some(session), .. } => {
            Err(refused(format!("Session {session} of the server still works on this index"))
                .hint("It ends by itself within a moment when nobody waits for it; try again then"))
        }
        _ => Ok(()),
    }
}

/// A session that may alter indexes of one table, and no other Perfdeck at the same time.
pub(super) async fn alone(address: &Address, c: &mut PgConnection, table: &str) -> Result<(), ApiError> {
    let sql = "SELECT pg_try_advisory_lock($1, hashtext($2))";
    let began = Instant::now();
    // A session that nobody waits for any more has it until the server notices, which takes a second.
    while began.elapsed() < ALONE {
        let free: bool = sqlx::query_scalar(sql)
            .bind(ADVISORY)
            .bind(table)
            .fetch_one(&mut *c)
            .await
            .map_err(|e| why(address, &e))?;
        if free {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(refused(format!("Another Perfdeck changes an index of {table} now")).hint("Try again when it has ended"))
}

/// Tries the lock that the statement will take, and then gives the statement its time.
pub(super) async fn limits(address: &Address, c: &mut PgConnection, table: Option<&str>) -> Result<(), ApiError> {
    // LOCK TABLE knows no materialized views: those come as no table.
    if let Some(table) = table {
        // The table's name is as the server quotes it.
        let probe = format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE; ROLLBACK");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(probe)).execute(&mut *c).await {
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *c).await;
            return Err(why(address, &error));
        }
    }
    // An index in a tablespace of its own is not dropped, so that none is created in one that the role has by default.
    let sql =
        format!("SET lock_timeout = 0; SET default_tablespace = ''; SET statement_timeout = {}", STATEMENT.as_millis());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(c).await.map(std::mem::drop).map_err(|e| why(address, &e))
}

/// A session that may alter the table while nobody else of Perfdeck does, and what is there of the index.
async fn ready(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<(PgConnection, IndexState), ApiError> {
    let mut c = open(address, password, Mode::Write).await?;
    unqualified(address, &mut c).await?;
    alone(address, &mut c, &plan.table).await?;
    let found = state_in(address, &mut c, plan).await?;
    not_busy(&found)?;
    Ok((c, found))
}

pub(super) async fn drop(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let (mut c, found) = ready(address, password, plan).await?;
    match found {
        IndexState::Absent(_) => return Ok(()),
        IndexState::Present | IndexState::Invalid { .. } => {}
        _ => return Err(refused(format!("'{}' is another one than was planned", plan.name))),
    }
    let oid = oid_of(address, &mut c, plan).await?.ok_or_else(|| no_index(&plan.name))?;
    check(address, &mut c, oid, Some(plan)).await?;
    limits(address, &mut c, plan.locked()).await?;
    run(address, password, &mut c, &plan.statement(Scheme::Postgres), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}

pub(super) async fn create(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let (mut c, found) = ready(address, password, plan).await?;
    match found {
        IndexState::Present => return Ok(()),
        IndexState::Absent(_) | IndexState::Invalid { .. } => {}
        _ => return Err(refused(format!("Something else is called '{}' now", plan.name))),
    }
    may_create(address, &mut c, (&plan.table, &plan.schema), &plan.create()).await?;
    limits(address, &mut c, plan.locked()).await?;
    if matches!(found, IndexState::Invalid { .. }) {
        // What was cut off serves no query, and would keep its name.
        run(address, password, &mut c, &plan.statement(Scheme::Postgres), &mut watch).await?;
    }
    let building = Building {
        table: &plan.table,
        schema: &plan.schema,
        index: &plan.index,
        creates: plan.create(),
        drops: plan.statement(Scheme::Postgres),
    };
    build((address, password), &mut c, &building, &mut watch).await?;
    for rest in [plan.comment_statement(), plan.cluster_statement()].into_iter().flatten() {
        let done = sqlx::raw_sql(AssertSqlSafe(rest)).execute(&mut c).await;
        done.map_err(|e| why(address, &e))?;
    }
    let _ = c.close().await;
    Ok(())
}
