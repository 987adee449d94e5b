//! Functions, operators and types of an index's expressions as the role's search path finds them, written with their schemas.
//!
//! An index is created by sessions that have no search path, so that what was previewed is what is made whatever role makes it. Where an
//! expression is not understood that way, the server is asked what it takes it for with the role's own path, as `psql` would; what it writes then
//! is what is previewed.
use perfdeck_model::{Address, ApiError, IndexSpec, IndexSpecKeyOf};
use perfdeck_sqltext::{Dialect, quote_text};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::super::postgres_session::why;
use super::postgres_shape::{Of, TRIED, like};
use super::{conditions, definition};
use crate::own;

/// The search path of a session.
pub(super) async fn path(address: &Address, c: &mut PgConnection) -> Result<String, ApiError> {
    own::add(address, 1.0, 0);
    let found = sqlx::query_scalar("SELECT pg_catalog.current_setting('search_path')").fetch_one(c).await;
    found.map_err(|e| why(address, &e))
}

/// Keys that are expressions, and the condition, as the server writes them.
const WRITTEN: &str = "
    SELECT k, pg_catalog.pg_get_indexdef(i.indexrelid, k, true) AS key, pg_catalog.pg_get_expr(i.indpred, i.indrelid, true) AS part
    FROM pg_catalog.pg_index i CROSS JOIN LATERAL pg_catalog.generate_series(1, i.indnkeyatts::int4) k
    WHERE i.indexrelid = to_regclass('pg_temp.perfdeck_shape') ORDER BY k";

/// The specification with what its expressions and its condition name under the schemas in which `path` finds it; `None` where the server does
/// not take it with that either, or it cannot be tried.
pub(super) async fn with_schemas(
    address: &Address,
    c: &mut PgConnection,
    (of, spec): (Of<'_>, &IndexSpec),
    path: &str,
) -> Result<Option<IndexSpec>, ApiError> {
    if conditions(spec).is_none() {
        return Ok(None);
    }
    own::add(address, 4.0, 0);
    let found = written(c, (of, spec), path).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut *c).await.map_err(|e| why(address, &e))?;
    match found {
        Ok(spec) => Ok(Some(spec)),
        Err(sqlx::Error::Database(_) | sqlx::Error::RowNotFound) => Ok(None),
        Err(error) => Err(why(address, &error)),
    }
}

async fn written(c: &mut PgConnection, (of, spec): (Of<'_>, &IndexSpec), path: &str) -> Result<IndexSpec, sqlx::Error> {
    let (create, table) = like(c, of).await?;
    let definition = definition(spec, TRIED, &table, Dialect::Postgres);
    let path = quote_text(path, Dialect::Postgres);
    let all = format!(
        "{create}; SELECT pg_catalog.set_config('search_path', {path}, true); {definition}; SET LOCAL search_path = ''"
    );
    sqlx::raw_sql(AssertSqlSafe(all)).execute(&mut *c).await?;
    let rows = sqlx::raw_sql(WRITTEN).fetch_all(&mut *c).await?;
    let mut spec = spec.clone();
    for (key, row) in spec.keys.iter_mut().zip(&rows) {
        if let IndexSpecKeyOf::Expression(text) = &mut key.of {
            *text = row.try_get("key")?;
        }
    }
    let part: Option<String> = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get("part")?;
    // A condition that is always true is none.
    spec.predicate = spec.predicate.take().map(|own| part.unwrap_or(own));
    Ok(spec)
}
