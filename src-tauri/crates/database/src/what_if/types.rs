//! Types of the parameters of statements, as PostgreSQL itself takes them: a statement is prepared, never run, and forgotten again.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, Scheme, Sensitive};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::statement::numbered;
use crate::connect::{Database, close, connect, ends_session};
use crate::own;

/// Longest time of all questions together.
const ALL: Duration = Duration::from_secs(10);
/// Types within types that are followed: a multirange of ranges of a domain over numbers.
const DEEPEST: u8 = 4;

/// A type. Of a domain it is the one below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeFacts {
    /// Its name, such as `int4`.
    pub name: String,
    /// Its category (`pg_type.typcategory`).
    pub category: char,
    /// The type of its elements or bounds.
    pub of: Option<Box<TypeFacts>>,
    /// The first value of an enumeration.
    pub label: Option<String>,
}

/// Types of the parameters of one statement, each with those within it behind it.
const TYPES: &str = "
    WITH RECURSIVE t(at, depth, oid) AS (
        SELECT u.at, 0, u.oid::oid FROM pg_catalog.pg_prepared_statements s
        CROSS JOIN LATERAL unnest(s.parameter_types) WITH ORDINALITY u(oid, at) WHERE s.name = 'perfdeck_types'
        UNION ALL
        SELECT t.at, t.depth + 1, w.oid FROM t JOIN pg_catalog.pg_type y ON y.oid = t.oid
        CROSS JOIN LATERAL (SELECT CASE WHEN y.typtype = 'd' THEN y.typbasetype
            WHEN y.typtype = 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid)
            $MULTI
            WHEN y.typcategory = 'A' THEN y.typelem END AS oid) w
        WHERE w.oid <> 0 AND t.depth < $DEEPEST)
    SELECT t.at::int4, y.typname::text, y.typcategory::text,
           (SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid ORDER BY e.enumsortorder LIMIT 1)
    FROM t JOIN pg_catalog.pg_type y ON y.oid = t.oid WHERE y.typtype <> 'd' ORDER BY t.at, t.depth";

/// Types of the parameters of each statement, by their number; none where the server does not tell: because it does not take the
/// statement, because a pooler lies before it, or because it is no PostgreSQL.
///
/// # Errors
/// When the database cannot be reached.
pub async fn parameter_types(
    address: &Address,
    password: Option<&Sensitive>,
    version: u32,
    statements: &[&str],
) -> Result<Vec<Vec<TypeFacts>>, ApiError> {
    let mut all = vec![Vec::new(); statements.len()];
    let asks = |text: &&str| perfdeck_sqltext::parameters(text, perfdeck_sqltext::Dialect::Postgres) > 0;
    if address.scheme != Scheme::Postgres || !statements.iter().any(asks) {
        return Ok(all);
    }
    let multi =
        "WHEN y.typtype = 'm' THEN (SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = y.oid)";
    let types = TYPES.replace("$MULTI", if version >= 140_000 { multi } else { "" });
    let types = types.replace("$DEEPEST", &DEEPEST.to_string());
    let mut database = connect(address, password, super::facts::CONNECT).await?;
    if let Database::Postgres(c) = &mut database
        && !c.is_shared()
    {
        let started = Instant::now();
        for (text, found) in statements.iter().zip(&mut all).filter(|(text, _)| asks(text)) {
            let Ok(text) = numbered(text) else { continue };
            if started.elapsed() > ALL {
                break;
            }
            own::add(address, 1.0, 0);
            let ask = format!("PREPARE perfdeck_types AS {text}\n; {types}; DEALLOCATE perfdeck_types");
            match sqlx::raw_sql(AssertSqlSafe(ask)).fetch_all(&mut *c).await {
                Ok(rows) => *found = read(&rows).unwrap_or_default(),
                Err(error) if ends_session(&error) => break,
                // It was prepared, and its types were not told in time.
                Err(_) => drop(sqlx::raw_sql("DEALLOCATE perfdeck_types").execute(&mut *c).await),
            }
        }
    }
    close(database).await;
    Ok(all)
}

fn read(rows: &[PgRow]) -> Result<Vec<TypeFacts>, sqlx::Error> {
    // Of each parameter its type, then what is within it.
    let mut all: BTreeMap<i32, Vec<TypeFacts>> = BTreeMap::new();
    for row in rows {
        let category: String = row.try_get(2)?;
        all.entry(row.try_get(0)?).or_default().push(TypeFacts {
            name: row.try_get(1)?,
            category: category.chars().next().unwrap_or('U'),
            of: None,
            label: row.try_get(3)?,
        });
    }
    let nested = |types: Vec<TypeFacts>| {
        let inner = types.into_iter().rev();
        inner.fold(None, |of: Option<TypeFacts>, one| Some(TypeFacts { of: of.map(Box::new), ..one }))
    };
    Ok(all.into_values().filter_map(nested).collect())
}
