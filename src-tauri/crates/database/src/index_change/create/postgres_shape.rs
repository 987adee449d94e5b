//! What PostgreSQL would make of an index: it is created on an empty temporary table with the columns of its own, and rolled back. The
//! table itself is not locked for that.
use perfdeck_model::{Address, ApiError, IndexSpec};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::postgres_session::{user, why};
use super::postgres::indexes_of;
use super::{conditions, definition};
use crate::indexes::Index;
use crate::own;

/// Name of the index while it is tried.
pub(super) const TRIED: &str = "perfdeck_shape";

/// The columns of a table as a definition has them. Those that were dropped have their places, so that the server writes of the others as it does
/// of the table's own.
const COLUMNS: &str = "
    SELECT string_agg(CASE WHEN a.attisdropped THEN format('%I int', a.attname) ELSE
        format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
        || coalesce((SELECT format(' COLLATE %I.%I', n.nspname, o.collname) FROM pg_catalog.pg_collation o
                     JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                     WHERE o.oid = a.attcollation AND a.attcollation <> t.typcollation), '') END, ', ' ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0";

/// A table whose columns an index is tried on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    /// As the server writes it.
    pub(super) table: &'a str,
    /// Its name alone, without quotes.
    pub(super) plain: &'a str,
}

/// What the server made of an index.
pub(super) enum Shape {
    /// The catalogue's index, under another name and of another table.
    Made(Box<Index>),
    /// It could not be tried, and why.
    Untried(String),
}

/// Asks the server what it would make of an index.
///
/// # Errors
/// Why it would not make it.
pub(super) async fn shape(
    address: &Address,
    c: &mut PgConnection,
    of: Of<'_>,
    spec: &IndexSpec,
) -> Result<Shape, ApiError> {
    own::add(address, 4.0, 0);
    let tried = tried(address, c, of, spec).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *c).await.map_err(|e| why(address, &e))?;
    let untried = tried?;
    match untried {
        Shape::Untried(_) => {
            takes(address, c, of.table, spec).await?;
            Ok(untried)
        }
        made => Ok(made),
    }
}

async fn tried(address: &Address, c: &mut PgConnection, of: Of<'_>, spec: &IndexSpec) -> Result<Shape, ApiError> {
    let failed = |e: sqlx::Error| why(address, &e);
    let (create, table) = like(c, of).await.map_err(failed)?;
    match sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *c).await {
        Ok(_) => {}
        Err(sqlx::Error::Database(e)) => {
            return Ok(Shape::Untried(untried(address, e.code().as_deref().unwrap_or_default(), e.message())));
        }
        Err(error) => return Err(failed(error)),
    }
    let sql = definition(spec, TRIED, &table, Dialect::Postgres);
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *c).await {
        let sqlx::Error::Database(e) = &error else { return Err(failed(error)) };
        return match e.code().as_deref() {
            // The table's schema before a column, which is another one here.
            Some("42P01") => Ok(Shape::Untried("an expression names the table with its schema".to_owned())),
            Some(code) => Err(not_taken(code).unwrap_or_else(|| why(address, &error))),
            None => Err(why(address, &error)),
        };
    }
    let sql = "SELECT indrelid::int8 FROM pg_catalog.pg_index WHERE indexrelid = to_regclass('pg_temp.perfdeck_shape')";
    let oid: i64 = sqlx::query_scalar(sql).fetch_one(&mut *c).await.map_err(failed)?;
    let made = indexes_of(address, c, oid).await?.pop();
    Ok(made.map_or_else(|| Shape::Untried("the server shows nothing of it".to_owned()), |i| Shape::Made(Box::new(i))))
}

/// What begins a transaction with an empty table that has the columns of another one, and how that is called.
pub(super) async fn like(c: &mut PgConnection, of: Of<'_>) -> Result<(String, String), sqlx::Error> {
    // Its own name: expressions may have it before a column.
    let name = quote_identifier(of.plain, Dialect::Postgres);
    let columns: Option<String> = sqlx::query_scalar(COLUMNS).bind(of.table).fetch_one(c).await?;
    let columns = columns.unwrap_or_default();
    let create = format!("BEGIN READ WRITE; CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP");
    Ok((create, format!("pg_temp.{name}")))
}

fn untried(address: &Address, code: &str, message: &str) -> String {
    let user = user(address);
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    match code {
        "42501" if message.contains("temporary") || message.contains("for database") => format!(
            "'{user}' may not make temporary tables: GRANT TEMPORARY ON DATABASE {} TO {};",
            quoted(&address.path),
            quoted(user)
        ),
        "42501" => format!("'{user}' may not use the type of a column"),
        _ => "a temporary table like it could not be made".to_owned(),
    }
}

/// Why the server does not take an index, by its code; its text has literals.
fn not_taken(code: &str) -> Option<ApiError> {
    let what = match code {
        "42703" => "it names a column that is not there",
        "42883" => "a function or an operator is not there for what it is given",
        "42804" => "a type does not fit, or the condition is neither true nor false",
        "42803" => "it is no place for an aggregate",
        "42P20" => "it is no place for a window function",
        "0A000" => "it has what an index cannot have, such as a query or a function of several rows",
        "42P22" | "42P21" => "which collation is meant is not clear",
        "42601" => "it is not written as the server reads it",
        "42846" => "a type is not cast to another one",
        "42725" | "42702" => "which function, operator or column is meant is not clear",
        code if code.starts_with("22") => "a value in it is none of its type",
        _ => return None,
    };
    Some(
        ApiError::bad_request(format!(
            "The server does not take an expression or the condition of this index: {what}"
        ))
        .hint("Columns are those of the table, functions and types have their schema, and a condition is true or false"),
    )
}

/// Where it could not be tried: makes sure that the server takes the expressions and the condition, without running them over a row.
async fn takes(address: &Address, c: &mut PgConnection, table: &str, spec: &IndexSpec) -> Result<(), ApiError> {
    let Some(conditions) = conditions(spec) else { return Ok(()) };
    // The table's name is as the server quotes it.
    let sql = format!("EXPLAIN SELECT 1 FROM ONLY {table} WHERE {conditions}");
    own::add(address, 1.0, 0);
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(c).await else { return Ok(()) };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    Err(code.and_then(|code| not_taken(&code)).unwrap_or_else(|| why(address, &error)))
}
