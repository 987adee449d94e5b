//! On PostgreSQL: `CREATE INDEX CONCURRENTLY` on a session of its own, by the recipe of the module above; of a partitioned table
//! partition by partition.
use perfdeck_model::{Address, ApiError, IndexSpec, Scheme, Sensitive, masking};
use perfdeck_sqltext::Dialect;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::super::postgres::{alone, limits, work_on};
use super::super::postgres_check::{may_create, rests_on};
use super::super::postgres_run::run;
use super::super::postgres_session::{Mode, not_a_standby, open, unqualified, why, why_no_owner};
use super::super::{Watch, refused};
use super::wanted::wanted;
use super::{
    Blocker, Built, CreateFigures, CreatePlan, columns, conditions, definition, expressions, full, method, name,
    partitions,
};
use crate::foreign_text;
use crate::indexes::rules::alike::fulfils;
use crate::indexes::{Index, Scope, postgres_catalogue};
use crate::own;

/// Sessions that a build would wait for which are listed.
const BLOCKERS: usize = 5;

/// What a table is, and whether the role may index it.
const TABLE: &str = "
    SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname), n.nspname::text, c.relname::text, c.relkind::text,
        c.relpersistence::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";

struct Table {
    oid: i64,
    name: String,
    schema: String,
    plain: String,
    columns: Vec<String>,
    materialized: bool,
    partitioned: bool,
}

fn no_table(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no table '{}'", masking::shown(name)))
        .hint("Write it with its schema where the search path does not find it: schema.table")
}

async fn table(address: &Address, c: &mut PgConnection, name: &str) -> Result<Table, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let found = sqlx::query(TABLE).bind(name).fetch_optional(c).await;
    own::add(address, 1.0, 0);
    let row = match found {
        Ok(row) => row.ok_or_else(|| no_table(name))?,
        // A text that is no name names nothing.
        Err(sqlx::Error::Database(_)) => return Err(no_table(name)),
        Err(error) => return Err(failed(error)),
    };
    let words = |at: usize| row.try_get::<String, _>(at).map_err(failed);
    let (full, schema, kind, persistence) = (words(1)?, words(2)?, words(4)?, words(5)?);
    let no = |what: &str| Err(refused(format!("{full} {what}")));
    match kind.as_str() {
        _ if schema.starts_with("pg_") || schema == "information_schema" => {
            return no("belongs to the server itself or to one session");
        }
        "r" | "m" | "p" => {}
        _ => return no("is no table and no materialized view"),
    }
    if persistence == "t" {
        return no("is a temporary table of a session");
    }
    if !row.try_get::<bool, _>(6).map_err(failed)? {
        return Err(why_no_owner(address, &full));
    }
    Ok(Table {
        oid: row.try_get(0).map_err(failed)?,
        name: full,
        schema,
        plain: words(3)?,
        columns: row.try_get(7).map_err(failed)?,
        materialized: kind == "m",
        partitioned: kind == "p",
    })
}

/// The specification with operator classes as the catalogue writes them.
async fn classed(address: &Address, c: &mut PgConnection, spec: &IndexSpec) -> Result<IndexSpec, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let mut spec = spec.clone();
    let sql = "
        SELECT pg_catalog.pg_indexam_has_property(a.oid, 'can_order'), pg_catalog.pg_indexam_has_property(a.oid, 'can_include'),
            pg_catalog.pg_indexam_has_property(a.oid, 'can_multi_col')
        FROM pg_catalog.pg_am a WHERE a.amname = $1 AND a.amtype = 'i'";
    let row = sqlx::query(sql).bind(method(&spec)).fetch_optional(&mut *c).await.map_err(failed)?;
    own::add(address, 1.0, 0);
    let Some(row) = row else {
        return Err(ApiError::bad_request(format!(
            "The server knows no index of the kind '{}'",
            masking::shown(method(&spec))
        ))
        .hint("btree, hash, gin, gist, spgist and brin are always there; others come with extensions"));
    };
    let can = |at: usize| row.try_get::<Option<bool>, _>(at).map(|can| can == Some(true)).map_err(failed);
    let orders = spec.keys.iter().any(|key| key.descending || key.nulls_first.is_some());
    for (wanted, can, what) in [
        (orders, can(0)?, "keys in a direction"),
        (!spec.include.is_empty(), can(1)?, "further columns"),
        (spec.keys.len() > 1, can(2)?, "more than one key"),
    ] {
        if wanted && !can {
            return Err(ApiError::bad_request(format!("A {} index has no {what}", method(&spec))));
        }
    }
    let method = method(&spec).to_owned();
    for key in &mut spec.keys {
        let Some(class) = key.operator_class.take() else { continue };
        let (schema, name) = class.rsplit_once('.').map_or((None, class.as_str()), |(s, n)| (Some(s), n));
        let sql = "
            SELECT CASE WHEN o.opcdefault THEN '' ELSE format('%I.%I', n.nspname, o.opcname) END
            FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
            JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
            WHERE o.opcname = $1 AND a.amname = $2 AND n.nspname = coalesce($3, n.nspname)
            ORDER BY pg_catalog.pg_opclass_is_visible(o.oid) DESC LIMIT 1";
        let asked =
            sqlx::query_scalar::<_, String>(sql).bind(name).bind(&method).bind(schema).fetch_optional(&mut *c).await;
        own::add(address, 1.0, 0);
        let found = asked.map_err(failed)?.ok_or_else(|| {
            ApiError::bad_request(format!("There is no operator class '{}' for {method}", masking::shown(&class)))
                .hint("Those of an extension come with it: gin_trgm_ops with CREATE EXTENSION pg_trgm;")
        })?;
        key.operator_class = Some(found).filter(|class| !class.is_empty());
    }
    Ok(spec)
}

/// Makes sure that the server takes the expressions and the condition, without running them over a row.
async fn takes(address: &Address, c: &mut PgConnection, table: &Table, spec: &IndexSpec) -> Result<(), ApiError> {
    let Some(conditions) = conditions(spec) else { return Ok(()) };
    // The table's name is as the server quotes it.
    let sql = format!("EXPLAIN SELECT 1 FROM ONLY {} WHERE {conditions}", table.name);
    own::add(address, 1.0, 0);
    match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(c).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|code| code.starts_with("42") && code != "42501") => {
            Err(ApiError::bad_request("The server does not take an expression or the condition of this index")
                .hint("Columns are those of the table, functions and types have their schema, and a condition is true or false"))
        }
        Err(error) => Err(why(address, &error)),
    }
}

/// The first of some names that is free in a schema.
pub(super) async fn first_free(
    address: &Address,
    c: &mut PgConnection,
    schema: &str,
    wanted: &[String],
) -> Result<Option<String>, ApiError> {
    let sql = "SELECT w FROM unnest($1::text[]) WITH ORDINALITY x(w, at)
               WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                 WHERE n.nspname = $2 AND c.relname = w) ORDER BY at LIMIT 1";
    let free = sqlx::query_scalar(sql).bind(wanted).bind(schema).fetch_optional(c).await;
    own::add(address, 1.0, 0);
    free.map_err(|e| why(address, &e))
}

/// Its name, and the same as the server writes it.
async fn free_name(
    address: &Address,
    c: &mut PgConnection,
    (table, spec): (&Table, &IndexSpec),
    all: &[Index],
) -> Result<(String, String), ApiError> {
    let wanted = match &spec.name {
        Some(name) if name.len() > name::LONGEST => {
            return Err(ApiError::bad_request(format!("The name of the index is longer than {} bytes", name::LONGEST)));
        }
        Some(name) => vec![name.clone()],
        None => name::candidates(&table.plain, spec),
    };
    let first = wanted.first().cloned().unwrap_or_default();
    let found = first_free(address, c, &table.schema, &wanted).await?;
    let name = found.clone().unwrap_or_else(|| first.clone());
    let shown = sqlx::query_scalar("SELECT format('%I.%I', $1::text, $2::text)").bind(&table.schema).bind(&name);
    let shown: String = shown.fetch_one(c).await.map_err(|e| why(address, &e))?;
    if found.is_some() {
        return Ok((name, shown));
    }
    Err(match all.iter().find(|index| !index.identity.valid && index.identity.name == shown) {
        Some(_) => refused(format!("'{first}' is there and invalid: an earlier build was cut off, or goes on now"))
            .hint("CREATE INDEX IF NOT EXISTS would call that done. Drop it first (perfctl db index drop), or give another name"),
        None => refused(format!("Something is called '{first}' already")).hint("Give another name"),
    })
}

/// The indexes of one table, as they are compared everywhere.
async fn indexes_of(address: &Address, c: &mut PgConnection, table: i64) -> Result<Vec<Index>, ApiError> {
    let version = c.server_version_num().unwrap_or(120_000);
    let read = postgres_catalogue(c, version, Scope::OfTable(table)).await;
    let (all, _, asked) = read.map_err(|e| why(address, &e))?;
    own::add(address, f64::from(asked), 0);
    Ok(all)
}

/// The index that is planned, as the catalogue would tell it.
fn index_of(spec: &IndexSpec, (table, name): (&str, &str), partitioned: bool) -> Index {
    let mut index = wanted(Scheme::Postgres, spec, (table, name), str::to_owned);
    index.identity.partitioned = partitioned;
    index
}

pub(super) async fn plan(
    address: &Address,
    password: Option<&Sensitive>,
    spec: &IndexSpec,
) -> Result<CreatePlan, ApiError> {
    let mut c = open(address, password, Mode::Read).await?;
    not_a_standby(address, &mut c).await?;
    let table = table(address, &mut c, &spec.table).await?;
    if let Some(gone) = columns(spec).find(|name| !table.columns.iter().any(|column| column == name)) {
        return Err(ApiError::not_found(format!("{} has no column '{}'", table.name, masking::shown(gone))));
    }
    // Operator classes by the role's own search path; from then on every name has its schema.
    let spec = classed(address, &mut c, spec).await?;
    unqualified(address, &mut c).await?;
    takes(address, &mut c, &table, &spec).await?;
    may_create(address, &mut c, &table.name, &table.schema).await?;
    let all = indexes_of(address, &mut c, table.oid).await?;
    let (index, shown) = free_name(address, &mut c, (&table, &spec), &all).await?;
    let covered_by = super::beside(&index_of(&spec, (&table.name, &shown), table.partitioned), &all)?;
    let quoted = full(&table.schema, &index, Dialect::Postgres);
    let (definition, parts) = if table.partitioned {
        let parts = partitions::parts(address, &mut c, (&table.name, table.oid), (&spec, &quoted)).await?;
        (partitions::of_parent(&spec, &index, &table.name), parts)
    } else {
        (definition(&spec, &index, &table.name, Dialect::Postgres), Vec::new())
    };
    let _ = c.close().await;
    Ok(CreatePlan {
        name: shown,
        definition,
        table: table.name,
        schema: table.schema,
        index,
        spec,
        materialized: table.materialized,
        partitioned: table.partitioned,
        parts,
        covered_by,
    })
}

fn blocker(row: &PgRow) -> Result<Blocker, sqlx::Error> {
    Ok(Blocker {
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
             WHERE datname = current_database())
        FROM pg_class c LEFT JOIN pg_stat_user_tables t ON t.relid = c.oid
        LEFT JOIN pg_stat_database d ON d.datname = current_database() WHERE c.oid = to_regclass($1)";
    let row = sqlx::query(sql).bind(&plan.table).fetch_optional(&mut c).await.map_err(failed)?;
    let row = row.ok_or_else(|| no_table(&plan.table))?;
    // A concurrent build waits for every transaction of the database that has a snapshot, whatever it reads.
    let sql = format!(
        "SELECT pid, {}, state, extract(epoch FROM clock_timestamp() - xact_start)::float8 FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
           AND backend_type = 'client backend' AND application_name NOT IN ('perfdeck', 'perfdeck-change')
         ORDER BY xact_start LIMIT {BLOCKERS}",
        foreign_text::ask("coalesce(nullif(application_name, ''), usename::text)", 63)
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut c).await.map_err(failed)?;
    let hidden: bool = row.try_get(4).map_err(failed)?;
    let blockers = rows.iter().map(blocker).collect::<Result<Vec<_>, _>>().map_err(failed)?;
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
        blockers: (!hidden).then_some(blockers),
        standbys: Some((u32::try_from(count).unwrap_or(u32::MAX), lag)),
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
    let built = match own {
        Some(index) if !fulfils(index, &index_of(&plan.spec, (&plan.table, &plan.name), plan.partitioned)) => {
            Built::Differs
        }
        Some(index) if index.identity.valid => Built::Valid,
        Some(index) => {
            let (bytes, session) = work_on(address, c, index.compared.oid, &plan.index).await?;
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
    may_create(address, &mut c, &plan.table, &plan.schema).await?;
    if plan.partitioned {
        partitions::build((address, password), &mut c, (plan, oid.is_some()), &mut watch).await?;
        return analyze(address, password, (&mut c, plan), &mut watch).await;
    }
    limits(address, &mut c, (!plan.materialized).then_some(plan.table.as_str())).await?;
    if matches!(built, Built::Invalid { .. }) {
        // What was cut off serves no query, and would keep its name.
        run(address, password, &mut c, &plan.undo_statement(Scheme::Postgres), &mut watch).await?;
    }
    if let Err(error) = run(address, password, &mut c, &plan.statement(Scheme::Postgres), &mut watch).await {
        clean(address, password, plan).await;
        return Err(error);
    }
    analyze(address, password, (&mut c, plan), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
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

/// Takes away what a build that failed left, as far as that takes a moment; else the target says that it is there.
async fn clean(address: &Address, password: Option<&Sensitive>, plan: &CreatePlan) {
    let work = async {
        let mut c = open(address, password, Mode::Write).await?;
        unqualified(address, &mut c).await?;
        if !matches!(state_in(address, &mut c, plan).await?.0, Built::Invalid { session: None, .. }) {
            return Ok(());
        }
        // Within its three seconds, or not at all.
        let sql = AssertSqlSafe(plan.undo_statement(Scheme::Postgres));
        sqlx::raw_sql(sql).execute(&mut c).await.map(drop).map_err(|e| why(address, &e))
    };
    if let Err(error) = work.await {
        tracing::warn!(%error, "what a failed index build left is still there");
    }
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
