//! Indexes that are there, and of which the planner sees some.
//!
//! An index that the catalogue calls not valid is written by everybody and read by nobody. So plans with and without it run in turn on the
//! same pages, within milliseconds of each other. For private servers only: no server is meant to be treated so.
use sqlx::{AssertSqlSafe, PgConnection, Row as _, query, raw_sql};

use crate::Result;

/// An index that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made {
    /// Its identifier.
    pub oid: i64,
    /// Its bytes.
    pub bytes: f64,
}

/// Makes an index under a name.
///
/// # Errors
/// When the server refuses it.
pub async fn make(c: &mut PgConnection, name: &str, of: &str) -> Result<Made> {
    let make = format!("BEGIN; SET LOCAL statement_timeout = 0; CREATE INDEX {name} ON {of}; COMMIT");
    raw_sql(AssertSqlSafe(make)).execute(&mut *c).await?;
    let ask = "SELECT $1::regclass::oid::int8, pg_relation_size($1::regclass)::float8";
    let row = query(ask).bind(name).fetch_one(c).await?;
    Ok(Made { oid: row.try_get(0)?, bytes: row.try_get(1)? })
}

/// Lets the planner see `seen` and hides the rest of `all`. Only what changes is written.
///
/// # Errors
/// When the server refuses it.
pub async fn show(c: &mut PgConnection, all: &[i64], seen: &[i64]) -> Result<()> {
    let set = "UPDATE pg_index SET indisvalid = indexrelid::int8 = ANY ($2)
               WHERE indexrelid::int8 = ANY ($1) AND indisvalid <> (indexrelid::int8 = ANY ($2))";
    query(set).bind(all).bind(seen).execute(c).await?;
    Ok(())
}

/// What a `CREATE INDEX` is of: its table, its columns and what follows, without quotes and without the schema `public`.
pub fn of(create: &str) -> String {
    create.split_once(" ON ").map_or("", |(_, of)| of).replace('"', "").replace("public.", "")
}
