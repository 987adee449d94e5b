//! On PostgreSQL: `CREATE INDEX CONCURRENTLY` on a session of its own, by the recipe of the module above; of a partitioned table
//! partition by partition.
use perfdeck_model::{Address, ApiError, Scheme, Sensitive, WaitedFor, WaitsFor};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::super::postgres::{alone, limits, work_on};
use super::super::postgres_build::{Building, build as create};
use super::super::postgres_check::{may_create, rests_on};
use super::super::postgres_run::run;
use super::super::postgres_session::{Mode, open, unqualified, why};
use super::super::{Watch, refused};
use super::postgres_plan::{again, no_table};
use super::wanted::wanted;
use super::{Built, CreateFigures, CreatePlan, expressions, partitions};
use crate::foreign_text;
use crate::indexes::rules::alike::fulfils;
use crate::indexes::{Index, Scope, postgres_catalogue};
use crate::own;

/// Sessions that a build would wait for which are listed.
const BLOCKERS: usize = 5;
/// Age of a transaction from which on a build would wait long for it, in seconds.
const OLD_S: u32 = 5;

/// The indexes of one table, as they are compared everywhere.
pub(super) async fn indexes_of(address: &Address, c: &mut PgConnection, table: i64) -> Result<Vec<Index>, ApiError> {
    let version = c.server_version_num().unwrap_or(120_000);
    let read = postgres_catalogue(c, version, Scope::OfTable(table)).await;
    let (all, _, asked) = read.map_err(|e| why(address, &e))?;
    own::add(address, f64::from(asked), 0);
    Ok(all)
}

/// The index that is planned, as the catalogue would tell it.
pub(super) fn index_of(plan: &CreatePlan) -> Index {
    let mut index = wanted(Scheme::Postgres, &plan.spec, (&plan.table, &plan.name), str::to_owned);
    index.identity.partitioned = plan.partitioned;
    index.identity.partial &= !plan.unconditional;
    index
}

fn waited_for(row: &PgRow) -> Result<WaitedFor, sqlx::Error> {
    Ok(WaitedFor {
        pid: i64::from(row.try_get::<i32, _>(0)?),
        name: foreign_text::read(row, 1)?.unwrap_or_default(),
        state: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
        age_s: row.try_get(3)?,
    })
}

pub(super) async fn figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<CreateFigures, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    let failed = |e: sqlx::Error| why(address, &e);
    let sql = "
        SELECT CASE WHEN c.relkind = 'p' THEN (SELECT sum(pg_table_size(t.relid)) FROM pg_partition_tree(c.oid) t)
                    ELSE pg_table_size(c.oid) END::float8, nullif(c.reltuples, -1)::float8,
            ((t.n_tup_ins + t.n_tup_upd - t.n_tup_hot_upd)
             / nullif(extract(epoch FROM clock_timestamp() - d.stats_reset), 0))::float8,
            (t.n_tup_hot_upd::float8 / nullif(t.n_tup_upd, 0)),
            (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) FROM pg_stat_activity
             WHERE datname = current_database()),
            (SELECT nullif(setting, '-1')::float8 * 1024 FROM pg_settings WHERE name = 'temp_file_limit')
        FROM pg_class c LEFT JOIN pg_stat_user_tables t ON t.relid = c.oid
        LEFT JOIN pg_stat_database d ON d.datname = current_database() WHERE c.oid = to_regclass($1)";
    let row = sqlx::query(sql).bind(&plan.table).fetch_optional(&mut c).await.map_err(failed)?;
    let row = row.ok_or_else(|| no_table(&plan.table))?;
    // A concurrent build waits for every transaction of the database that has a snapshot, whatever it reads.
    let sql = format!(
        "SELECT pid, {}, state, extract(epoch FROM clock_timestamp() - xact_start)::float8, count(*) OVER () FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND xact_start <= clock_timestamp() - make_interval(secs => {OLD_S}) AND backend_type = 'client backend' AND application_name NOT IN ('perfdeck', 'perfdeck-change')
         ORDER BY xact_start LIMIT {BLOCKERS}",
        foreign_text::ask("coalesce(nullif(application_name, ''), usename::text)", 63)
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut c).await.map_err(failed)?;
    let hidden: bool = row.try_get(4).map_err(failed)?;
    let sessions = rows.iter().map(waited_for).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let all = rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>(4)).map_err(failed)?;
    let left_out =
        u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(u32::try_from(sessions.len()).unwrap_or(u32::MAX));
    let sql = "SELECT count(*)::int8, max(extract(epoch FROM replay_lag))::float8 FROM pg_stat_replication";
    let standby = sqlx::query(sql).fetch_one(&mut c).await.map_err(failed)?;
    let count: i64 = standby.try_get(0).map_err(failed)?;
    let lag: Option<f64> = standby.try_get(1).map_err(failed)?;
    let _ = c.close().await;
    own::add(address, 3.0, 0);
    let n = |at: usize| row.try_get::<Option<f64>, _>(at).map_err(failed);
    Ok(CreateFigures {
        table_bytes: n(0)?,
        rows: n(1)?,
        writes_per_s: n(2)?,
        hot: n(3)?,
        waits: Some(if hidden { WaitsFor::Hidden } else { WaitsFor::Sessions { sessions, left_out } }),
        standbys: Some((u32::try_from(count).unwrap_or(u32::MAX), lag)),
        sort_bytes: n(5)?,
        ..CreateFigures::default()
    })
}

pub(super) async fn state(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<Built, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    unqualified(address, &mut c).await?;
    let found = state_in(address, &mut c, plan).await.map(|(built, _)| built);
    let _ = c.close().await;
    found
}

/// What is there under its name, and its number where that is the index.
async fn state_in(
    address: &Address,
    c: &mut PgConnection,
    plan: &CreatePlan,
) -> Result<(Built, Option<i64>), ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    own::add(address, 2.0, 0);
    let sql = "
        SELECT to_regclass($1)::oid::int8, EXISTS (SELECT 1 FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relname = $3)";
    let row = sqlx::query(sql).bind(&plan.table).bind(&plan.schema).bind(&plan.index).fetch_one(&mut *c).await;
    let row = row.map_err(failed)?;
    let (table, taken): (Option<i64>, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let of_table = match table {
        Some(oid) => indexes_of(address, c, oid).await?,
        None => Vec::new(),
    };
    let own = of_table.iter().find(|index| index.identity.name == plan.name);
    let oid = own.map(|index| index.compared.oid);
    let as_made = match (oid, &plan.made) {
        (Some(oid), Some(made)) => defined(address, c, oid).await?.as_ref() == Some(made),
        _ => true,
    };
    let built = match own {
        Some(index) if !as_made || !fulfils(index, &index_of(plan)) => Built::Differs,
        Some(index) if index.identity.valid => Built::Valid,
        Some(index) => {
            let sent = [plan.statement(Scheme::Postgres), plan.undo_statement(Scheme::Postgres)];
            let (bytes, session) = work_on(address, c, index.compared.oid, sent).await?;
            Built::Invalid { bytes, maintained: index.identity.maintained, session }
        }
        None if taken => Built::Differs,
        None => Built::Absent,
    };
    if plan.partitioned {
        return Ok((partitions::state_in(address, c, plan, built).await?, oid));
    }
    Ok((built, oid))
}

/// The definition of an index, by its number.
async fn defined(address: &Address, c: &mut PgConnection, oid: i64) -> Result<Option<String>, ApiError> {
    let sql = "SELECT pg_catalog.pg_get_indexdef($1::int8::oid)";
    own::add(address, 1.0, 0);
    sqlx::query_scalar(sql).bind(oid).fetch_one(c).await.map_err(|e| why(address, &e))
}

/// The definition of the index that was built.
pub(super) async fn made(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<Option<String>, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    unqualified(address, &mut c).await?;
    let made = match state_in(address, &mut c, plan).await? {
        (Built::Valid, Some(oid)) => defined(address, &mut c, oid).await?,
        _ => None,
    };
    let _ = c.close().await;
    Ok(made)
}

/// A session that may alter the table while nobody else of Perfdeck does, and what is there of the index.
async fn ready(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<(PgConnection, Built, Option<i64>), ApiError> {
    let mut c = open(address, password, Mode::Write).await?;
    unqualified(address, &mut c).await?;
    alone(address, &mut c, &plan.table).await?;
    let (built, oid) = state_in(address, &mut c, plan).await?;
    if let Built::Invalid { session: Some(session), .. } | Built::Partial { session: Some(session), .. } = built {
        return Err(refused(format!("Session {session} of the server still works on this index"))
            .hint("It ends by itself within a moment when nobody waits for it; try again then"));
    }
    Ok((c, built, oid))
}

pub(super) async fn build(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let (mut c, built, oid) = ready(address, password, plan).await?;
    match built {
        Built::Valid => return Ok(()),
        Built::Absent | Built::Invalid { .. } | Built::Partial { .. } => {}
        _ => return Err(refused(format!("Something else is called '{}' now", plan.name))),
    }
    may_create(address, &mut c, (&plan.table, &plan.schema), &plan.statement(Scheme::Postgres)).await?;
    again(address, &mut c, plan).await?;
    if plan.partitioned {
        partitions::build((address, password), &mut c, (plan, oid.is_some()), &mut watch).await?;
        return analyze(address, password, (&mut c, plan), &mut watch).await;
    }
    limits(address, &mut c, (!plan.materialized).then_some(plan.table.as_str())).await?;
    if matches!(built, Built::Invalid { .. }) {
        // What was cut off serves no query, and would keep its name.
        run(address, password, &mut c, &plan.undo_statement(Scheme::Postgres), &mut watch).await?;
    }
    let building = Building {
        table: &plan.table,
        schema: &plan.schema,
        index: &plan.index,
        creates: plan.statement(Scheme::Postgres),
        drops: plan.undo_statement(Scheme::Postgres),
    };
    create((address, password), &mut c, &building, &mut watch).await?;
    as_meant(address, password, (&mut c, plan), &mut watch).await?;
    analyze(address, password, (&mut c, plan), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}

/// Takes away at once what the server made of it, where that is another index than was asked for.
async fn as_meant(
    address: &Address,
    password: Option<&Sensitive>,
    (c, plan): (&mut PgConnection, &CreatePlan),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    // What the server makes of it was seen before, where it could be tried.
    if plan.unchecked.is_none() || state_in(address, c, plan).await?.0 != Built::Differs {
        return Ok(());
    }
    run(address, password, c, &plan.undo_statement(Scheme::Postgres), watch).await?;
    Err(refused(format!("The server made another index of '{}' than was asked for, and it was taken away", plan.name))
        .hint("A condition that is always true is none: leave it out"))
}

/// Gathers statistics of expressions, which plans do not know without them.
async fn analyze(
    address: &Address,
    password: Option<&Sensitive>,
    (c, plan): (&mut PgConnection, &CreatePlan),
    watch: &mut Watch<'_>,
) -> Result<(), ApiError> {
    if expressions(&plan.spec).next().is_none() {
        return Ok(());
    }
    (watch.progress)(None, "gathering statistics of the expression");
    run(address, password, c, &format!("ANALYZE {}", plan.table), watch).await
}

pub(super) async fn unbuild(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let (mut c, built, oid) = ready(address, password, plan).await?;
    match (built, oid) {
        (Built::Absent, _) => return Ok(()),
        (Built::Valid | Built::Partial { .. }, oid) if plan.partitioned => {
            return partitions::unbuild((address, password), &mut c, (plan, oid.is_some()), &mut watch).await;
        }
        (Built::Valid | Built::Invalid { .. }, Some(oid)) => rests_on(address, &mut c, oid).await?,
        _ => return Err(refused(format!("'{}' is another one than was created", plan.name))),
    }
    limits(address, &mut c, (!plan.materialized).then_some(plan.table.as_str())).await?;
    run(address, password, &mut c, &plan.undo_statement(Scheme::Postgres), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}
