//! In a SQLite file: one transaction, which takes the write lock for as long as the build lasts.
use std::path::Path;

use perfdeck_model::{Address, ApiError, IndexSpec, IndexSpecKeyOf, Scheme, masking};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::super::sqlite::{open, unquoted, without_schema};
use super::super::sqlite_names::{Key, Made, made, no_column, texts};
use super::super::sqlite_run::Stop;
use super::super::{Watch, refused};
use super::sqlite_rows::takes_rows;
use super::wanted::wanted;
use super::{Built, CreateFigures, CreatePlan, columns, definition, name};
use crate::disk::room;
use crate::error::explain;
use crate::indexes::{same_statement, sqlite_catalogue};

/// Refuses what SQLite has not.
fn known(spec: &IndexSpec) -> Result<(), ApiError> {
    let no = |what: &str| Err(ApiError::bad_request(format!("An index of SQLite has no {what}")));
    if spec.method.as_deref().is_some_and(|method| !method.eq_ignore_ascii_case("btree")) {
        return no("other kind than a B-tree");
    }
    if !spec.include.is_empty() {
        return no("further columns");
    }
    if spec.keys.iter().any(|key| key.operator_class.is_some()) {
        return no("operator classes");
    }
    if spec.keys.iter().any(|key| key.nulls_first.is_some_and(|first| first == key.descending)) {
        return no("choice of where NULLs stand");
    }
    Ok(())
}

/// The table of a name, as it is stored, and its columns.
async fn table(c: &mut SqliteConnection, name: &str) -> Result<Option<(String, Vec<String>)>, sqlx::Error> {
    let rest = without_schema(name).unwrap_or(name);
    let plain = unquoted(rest).unwrap_or_else(|| rest.to_owned());
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let Some(found) = sqlx::query_scalar::<_, String>(sql).bind(&plain).fetch_optional(&mut *c).await? else {
        return Ok(None);
    };
    let columns = sqlx::query_scalar("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1")
        .bind(&found)
        .fetch_all(c)
        .await?;
    Ok(Some((found, columns)))
}

fn no_table(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no table '{}'", masking::shown(name)))
}

async fn free_name(
    address: &Address,
    c: &mut SqliteConnection,
    table: &str,
    spec: &IndexSpec,
) -> Result<String, ApiError> {
    let wanted = match &spec.name {
        Some(name) if name.to_ascii_lowercase().starts_with("sqlite_") => {
            return Err(ApiError::bad_request("Names that begin with sqlite_ are SQLite's own"));
        }
        Some(name) => vec![name.clone()],
        None => name::candidates(table, spec),
    };
    for name in &wanted {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ? COLLATE NOCASE";
        let taken: i64 =
            sqlx::query_scalar(sql).bind(name).fetch_one(&mut *c).await.map_err(|e| explain(address, &e))?;
        if taken == 0 {
            return Ok(name.clone());
        }
    }
    Err(refused(format!("Something is called '{}' already", wanted.first().map_or("", String::as_str)))
        .hint("Give another name"))
}

pub(super) async fn plan(address: &Address, spec: &IndexSpec) -> Result<CreatePlan, ApiError> {
    known(spec)?;
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut c = open(address, false).await?;
    let (table, of_table) = table(&mut c, &spec.table).await.map_err(failed)?.ok_or_else(|| no_table(&spec.table))?;
    columns_there(&table, &of_table, spec)?;
    let index = free_name(address, &mut c, &table, spec).await?;
    let mut plan = CreatePlan {
        name: index.clone(),
        schema: "main".to_owned(),
        spec: spec.clone(),
        definition: definition(spec, &index, &quote_identifier(&table, Dialect::Sqlite), Dialect::Sqlite),
        table,
        index,
        ..CreatePlan::default()
    };
    plan.covered_by = checked(address, &mut c, &plan, &of_table).await?;
    let _ = c.close().await;
    Ok(plan)
}

/// Refuses columns that the table has not.
fn columns_there(table: &str, of_table: &[String], spec: &IndexSpec) -> Result<(), ApiError> {
    match columns(spec).find(|name| !of_table.iter().any(|column| column.eq_ignore_ascii_case(name))) {
        Some(gone) => Err(ApiError::not_found(format!("'{table}' has no column '{}'", masking::shown(gone)))),
        None => Ok(()),
    }
}

/// Why SQLite does not make an index, by its own text, which has names and values.
fn not_taken(table: &str, message: &str) -> ApiError {
    let has = |part: &str| message.contains(part);
    if has("virtual tables may not be indexed") {
        return refused(format!("'{table}' is a virtual table, and those have no indexes of their own"));
    }
    let what = match message {
        _ if has("non-deterministic") => ": it is not the same at all times, as random() and the time of day are not",
        _ if has("subqueries prohibited") => ": a query is no part of an index",
        _ if has("no such column") => ": it names a column that is not there",
        _ if has("no such function") => ": it calls a function that is not there",
        _ if has("no such collation") => ": it names a collation that is not there",
        _ if has("aggregate") || has("window function") => ": it is no place for an aggregate or a window function",
        _ if has("row value") => ": it has several values at once",
        _ => "",
    };
    ApiError::bad_request(format!("SQLite does not take an expression or the condition of this index{what}"))
        .hint("Columns are those of the table; texts are in single quotes")
}

/// Makes sure that SQLite makes it of the columns that are meant, and that no other index serves it. Answers one that begins with its keys.
async fn checked(
    address: &Address,
    c: &mut SqliteConnection,
    plan: &CreatePlan,
    of_table: &[String],
) -> Result<Option<String>, ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    // EXPLAIN compiles it and runs nothing.
    let sql = format!("EXPLAIN {}", plan.definition);
    match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *c).await {
        Ok(_) => {}
        // An error of the statement itself; others are of the file.
        Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("1") => {
            return Err(not_taken(&plan.table, e.message()));
        }
        Err(error) => return Err(failed(error)),
    }
    if let Some(text) = texts(&plan.definition, of_table).first() {
        return Err(no_column(&plan.table, text));
    }
    takes_rows(plan, of_table).await?;
    let mut all = sqlite_catalogue(c).await.map_err(failed)?.indexes;
    all.retain(|index| !index.identity.name.eq_ignore_ascii_case(&plan.index));
    let spelled = |name: &str| {
        let own = of_table.iter().find(|column| column.eq_ignore_ascii_case(name));
        own.cloned().unwrap_or_else(|| name.to_owned())
    };
    let mut wanted = wanted(Scheme::Sqlite, &plan.spec, (&plan.table, &plan.index), spelled);
    // What the file puts behind the keys is the same for each index of a table.
    let suffix = all.iter().filter(|i| i.identity.table == plan.table).map(|i| &i.identity.suffix);
    wanted.identity.suffix = suffix.max_by_key(|suffix| suffix.len()).cloned().unwrap_or_default();
    super::beside(&wanted, &all)
}

pub(super) async fn figures(address: &Address, plan: &CreatePlan) -> Result<CreateFigures, ApiError> {
    let mut c = open(address, false).await?;
    let sql = "SELECT pgsize FROM dbstat WHERE name = ? AND aggregate = TRUE";
    let bytes: Option<i64> =
        sqlx::query_scalar(sql).bind(&plan.table).fetch_optional(&mut c).await.map_err(|e| explain(address, &e))?;
    let _ = c.close().await;
    Ok(CreateFigures {
        table_bytes: bytes.map(|b| b as f64),
        free_bytes: room(Path::new(&address.path)).map(|(_, free)| free),
        ..CreateFigures::default()
    })
}

async fn state_in(c: &mut SqliteConnection, plan: &CreatePlan) -> Result<Built, sqlx::Error> {
    let sql = "SELECT type, sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type <> 'trigger'";
    let Some(row) = sqlx::query(sql).bind(&plan.index).fetch_optional(c).await? else { return Ok(Built::Absent) };
    let (kind, sql): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let same = kind == "index" && sql.is_some_and(|sql| same_statement(&sql, &plan.definition));
    Ok(if same { Built::Valid } else { Built::Differs })
}

pub(super) async fn state(address: &Address, plan: &CreatePlan) -> Result<Built, ApiError> {
    let mut c = open(address, false).await?;
    let found = state_in(&mut c, plan).await.map_err(|e| explain(address, &e));
    let _ = c.close().await;
    found
}

/// Whether the file was ever analyzed. Only then a new index gets statistics: of one index alone they would make a table that undoing leaves
/// behind, and say nothing of the others.
async fn has_statistics(c: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    Ok(sqlx::query(sql).fetch_optional(c).await?.is_some())
}

/// Refuses keys that are others than were asked for.
fn as_meant(plan: &CreatePlan, made: &Made) -> Result<(), ApiError> {
    let meant = |(key, of): (&Key, &IndexSpecKeyOf)| match of {
        // The row number has no name.
        IndexSpecKeyOf::Column(name) => {
            !key.expression && key.column.as_ref().is_none_or(|column| column.eq_ignore_ascii_case(name))
        }
        IndexSpecKeyOf::Expression(_) => true,
    };
    let wanted = || plan.spec.keys.iter().map(|key| &key.of);
    if made.keys.len() == wanted().count() && made.keys.iter().zip(wanted()).all(meant) {
        return Ok(());
    }
    Err(refused(format!("SQLite made another index of '{}' than was asked for, and it was rolled back", plan.name)))
}

/// Runs a statement within a transaction that holds the write lock from its beginning, unless what is there is `wanted`.
async fn alter(
    address: &Address,
    plan: &CreatePlan,
    (sql, wanted): (String, &Built),
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut c = open(address, true).await?;
    let stop = Stop::of(&mut c).await.map_err(failed)?;
    let work = async {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut c).await.map_err(failed)?;
        let found = state_in(&mut c, plan).await.map_err(failed)?;
        if found == Built::Differs {
            return Err(refused(format!("Something else is called '{}' now", plan.name)));
        }
        // What is dropped without COMMIT is rolled back.
        if found == *wanted {
            return Ok(());
        }
        if *wanted == Built::Valid {
            again(address, &mut c, plan).await?;
        }
        // Names are quoted, and expressions stand in parentheses that they cannot end.
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut c).await.map_err(failed)?;
        if *wanted == Built::Valid {
            as_meant(plan, &made(&mut c, (&plan.table, &plan.index), &plan.definition).await.map_err(failed)?)?;
            if has_statistics(&mut c).await.map_err(failed)? {
                let name = quote_identifier(&plan.index, Dialect::Sqlite);
                sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE main.{name}"))).execute(&mut c).await.map_err(failed)?;
            }
        }
        if let Some(why) = stop.why() {
            return Err(why);
        }
        sqlx::raw_sql("COMMIT").execute(&mut c).await.map(drop).map_err(failed)
    };
    let done = stop.through(work, &mut watch).await;
    // Until it is closed a transaction that failed is there.
    let _ = c.close().await;
    done
}

/// Asks again, within the transaction, whether all that the plan rests on is so.
async fn again(address: &Address, c: &mut SqliteConnection, plan: &CreatePlan) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let there = table(c, &quote_identifier(&plan.table, Dialect::Sqlite)).await.map_err(failed)?;
    let (name, of_table) = there.ok_or_else(|| no_table(&plan.table))?;
    columns_there(&name, &of_table, &plan.spec)?;
    checked(address, c, plan, &of_table).await.map(drop)
}

pub(super) async fn build(address: &Address, plan: &CreatePlan, watch: Watch<'_>) -> Result<(), ApiError> {
    alter(address, plan, (plan.statement(Scheme::Sqlite), &Built::Valid), watch).await
}

pub(super) async fn unbuild(address: &Address, plan: &CreatePlan, watch: Watch<'_>) -> Result<(), ApiError> {
    alter(address, plan, (plan.undo_statement(Scheme::Sqlite), &Built::Absent), watch).await
}
