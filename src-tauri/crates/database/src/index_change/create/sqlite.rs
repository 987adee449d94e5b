//! In a SQLite file: one transaction, which takes the write lock for as long as the build lasts.
use std::path::Path;

use perfdeck_model::{Address, ApiError, IndexSpec, Scheme, masking};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::super::refused;
use super::super::sqlite::{open, unquoted, without_schema};
use super::wanted::wanted;
use super::{Built, CreateFigures, CreatePlan, columns, conditions, definition, name};
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
    let (table, of_table) = table(&mut c, &spec.table)
        .await
        .map_err(failed)?
        .ok_or_else(|| ApiError::not_found(format!("There is no table '{}'", masking::shown(&spec.table))))?;
    if let Some(gone) = columns(spec).find(|name| !of_table.iter().any(|column| column.eq_ignore_ascii_case(name))) {
        return Err(ApiError::not_found(format!("'{table}' has no column '{}'", masking::shown(gone))));
    }
    let quoted = quote_identifier(&table, Dialect::Sqlite);
    // EXPLAIN compiles it and runs nothing.
    let sql = format!("EXPLAIN SELECT 1 FROM {quoted} WHERE {}", conditions(spec).unwrap_or_else(|| "1".to_owned()));
    if let Err(sqlx::Error::Database(_)) = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut c).await {
        return Err(ApiError::bad_request("SQLite does not take an expression or the condition of this index")
            .hint("Columns are those of the table; texts are in single quotes"));
    }
    let index = free_name(address, &mut c, &table, spec).await?;
    let definition = definition(spec, &index, &quoted, Dialect::Sqlite);
    let all = sqlite_catalogue(&mut c).await.map_err(failed)?.indexes;
    let _ = c.close().await;
    let spelled = |name: &str| {
        let own = of_table.iter().find(|column| column.eq_ignore_ascii_case(name));
        own.cloned().unwrap_or_else(|| name.to_owned())
    };
    let mut wanted = wanted(Scheme::Sqlite, spec, (&table, &index), spelled);
    // What the file puts behind the keys is the same for each index of a table.
    let suffix = all.iter().filter(|i| i.identity.table == table).map(|i| &i.identity.suffix);
    wanted.identity.suffix = suffix.max_by_key(|suffix| suffix.len()).cloned().unwrap_or_default();
    let covered_by = super::beside(&wanted, &all)?;
    Ok(CreatePlan {
        name: index.clone(),
        table,
        schema: "main".to_owned(),
        index,
        spec: spec.clone(),
        definition,
        covered_by,
        ..CreatePlan::default()
    })
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

/// Runs a statement within a transaction that holds the write lock from its beginning, unless what is there is `wanted`.
async fn alter(address: &Address, plan: &CreatePlan, sql: String, wanted: &Built) -> Result<(), ApiError> {
    let failed = |e: sqlx::Error| explain(address, &e);
    let mut c = open(address, true).await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut c).await.map_err(failed)?;
    let found = state_in(&mut c, plan).await.map_err(failed)?;
    if found == Built::Differs {
        return Err(refused(format!("Something else is called '{}' now", plan.name)));
    }
    // What is dropped without COMMIT is rolled back.
    if found != *wanted {
        // Names are quoted, and expressions stand in parentheses that they cannot end.
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut c).await.map_err(failed)?;
        if *wanted == Built::Valid && has_statistics(&mut c).await.map_err(failed)? {
            let name = quote_identifier(&plan.index, Dialect::Sqlite);
            sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE main.{name}"))).execute(&mut c).await.map_err(failed)?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut c).await.map_err(failed)?;
    }
    let _ = c.close().await;
    Ok(())
}

pub(super) async fn build(address: &Address, plan: &CreatePlan) -> Result<(), ApiError> {
    alter(address, plan, plan.statement(Scheme::Sqlite), &Built::Valid).await
}

pub(super) async fn unbuild(address: &Address, plan: &CreatePlan) -> Result<(), ApiError> {
    alter(address, plan, plan.undo_statement(Scheme::Sqlite), &Built::Absent).await
}
