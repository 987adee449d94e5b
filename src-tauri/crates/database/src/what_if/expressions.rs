//! What the values of expressions are like that are a key of no index yet, so that no statistics tell: measured on some rows, by the server, of
//! which lengths and counts come back and no value.
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::facts::{CONNECT, STORED};
use crate::connect::{Database, close, connect, ends_session};
use crate::own;
use crate::session::Session;

/// Longest time for all of them together; one has what monitoring's questions have.
const ALL: Duration = Duration::from_secs(6);
/// Expressions that are measured, at most.
const MOST: usize = 40;
/// Rows that are looked at, and the pages of PostgreSQL that are read for them, at most.
const ROWS: f64 = 30_000.0;
const PAGES: f64 = 4_000.0;
/// Rows of one value from which on a few more or fewer change nothing of what each takes in an index that lists rows.
const MANY: u32 = 8;
/// Bytes from which on a value is compressed in an index (`TOAST_INDEX_TARGET`), and the share of such from which on their length tells nothing.
const COMPRESSED: u32 = 500;
const FEW: f64 = 0.01;

/// An expression over columns of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableExpression {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: f64,
    /// Its pages.
    pub pages: f64,
    /// The expression as an index has it, names quoted.
    pub text: String,
}

/// Its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExpressionFacts {
    /// Bytes where all values have as many.
    pub fixed: Option<f64>,
    /// 1, 2, 4 or 8.
    pub align: usize,
    /// Mean bytes of all values, as an index has them, and how many leave each remainder of that by 8, where that is known.
    pub lengths: (f64, Option<[f64; 8]>),
    /// The same of the values that few rows have, where there are some.
    pub rare: Option<(f64, Option<[f64; 8]>)>,
    /// Share of nulls.
    pub nulls: f64,
    /// Different values of all rows, reckoned.
    pub distinct: f64,
    /// Share of the rows that have a value which many have, and how many of those there are.
    pub common: (f64, f64),
    /// Whether values that are equal may look different: such keys share no entry.
    pub unlike: bool,
}

/// For each what its values are like; `None` where the server does not tell: it refuses the expression for a row, it takes too long, this user
/// may not read the table, all values that were seen are null, or they are so long that an index compresses them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn expression_facts(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &[TableExpression],
) -> Result<Vec<Option<ExpressionFacts>>, ApiError> {
    let mut all = vec![None; wanted.len()];
    if wanted.is_empty() {
        return Ok(all);
    }
    let mut database = connect(address, password, CONNECT).await?;
    let started = Instant::now();
    for (one, found) in wanted.iter().zip(&mut all).take(MOST) {
        let Some(left) = ALL.checked_sub(started.elapsed()) else { break };
        let told = async {
            match &mut database {
                Database::Postgres(c) => postgres(c, address, one).await,
                Database::Sqlite(c) => sqlite(c, one).await,
                Database::Mysql(_) => Ok(None),
            }
        };
        match tokio::time::timeout(left, told).await {
            Ok(Ok(told)) => *found = told,
            Ok(Err(error)) if !ends_session(&error) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    close(database).await;
    Ok(all)
}

/// Counts values by how many rows have them, and by how many pages: rows of one page are no rows by chance, and values that lie together are as
/// many on each page.
const COUNTED: &str = "
    WITH s AS MATERIALIZED (
        SELECT $TEXT AS v, tableoid::int8 * 4294967296 + (ctid::text::point)[0]::int8 AS page FROM $TABLE $PART LIMIT $MOST),
    w AS MATERIALIZED (SELECT v, page, pg_column_size(ROW(v)) - 24 AS size FROM s WHERE v IS NOT NULL),
    u AS MATERIALIZED (SELECT count(*) >= $MANY AS many, count(*) AS rows, count(DISTINCT page) AS pages, max(size) AS size FROM w GROUP BY v)
    SELECT (SELECT count(*) FROM s)::float8, (SELECT count(*) FROM w WHERE size > $COMPRESSED)::float8, t.typlen::int4, t.typalign::text, t.typname::text,
           g.*
    FROM pg_catalog.pg_type t, (SELECT many, count(*)::float8, sum(rows)::float8, sum(pages)::float8, (count(*) FILTER (WHERE pages = 1))::float8,
             sum(rows * size)::float8, $REMAINDERS FROM u GROUP BY many) g
    WHERE t.oid = (SELECT pg_typeof(v) FROM w LIMIT 1)";

/// Types whose equal values may look different, and whose keys therefore share no entry (those without `equalimage`).
const UNLIKE: &[&str] = &["numeric", "float4", "float8", "jsonb"];

async fn postgres(
    c: &mut Session,
    address: &Address,
    one: &TableExpression,
) -> Result<Option<ExpressionFacts>, sqlx::Error> {
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let share = (ROWS / one.rows.max(1.0)).min(PAGES / one.pages.max(1.0));
    // Of a small table all rows: what is counted needs no reckoning then.
    let part = if share < 0.5 { format!("TABLESAMPLE SYSTEM ({})", share * 100.0) } else { String::new() };
    let remainder = |r: usize| format!("coalesce(sum(rows) FILTER (WHERE size % 8 = {r}), 0)::float8");
    let ask = COUNTED
        .replace("$REMAINDERS", &(0..8).map(remainder).collect::<Vec<_>>().join(", "))
        .replace("$PART", &part)
        .replace("$COMPRESSED", &COMPRESSED.to_string())
        .replace("$MANY", &MANY.to_string())
        .replace("$MOST", &(ROWS * 4.0).to_string())
        .replace("$TABLE", &format!("{}.{}", quoted(&one.schema), quoted(&one.table)))
        .replace("$TEXT", &format!("({})", one.text));
    own::add(address, 1.0, 0);
    let rows = sqlx::raw_sql(AssertSqlSafe(ask)).fetch_all(c).await?;
    counted(&rows, one.rows)
}

/// Values that many rows have, or few.
#[derive(Default)]
struct Group {
    distinct: f64,
    rows: f64,
    bytes: f64,
    remainders: [f64; 8],
}

impl Group {
    fn read(row: &PgRow, part: f64) -> Result<Self, sqlx::Error> {
        let n = |at: usize| row.try_get::<f64, _>(at);
        let mut remainders = [0.0; 8];
        for (r, count) in remainders.iter_mut().enumerate() {
            *count = n(11 + r)?;
        }
        Ok(Self { distinct: reckoned(n(6)?, n(8)?, n(9)?, part), rows: n(7)?, bytes: n(10)?, remainders })
    }

    fn lengths(&self) -> (f64, Option<[f64; 8]>) {
        (self.bytes / self.rows, Some(self.remainders))
    }
}

fn counted(rows: &[PgRow], of: f64) -> Result<Option<ExpressionFacts>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(None) };
    let (seen, compressed): (f64, f64) = (first.try_get(0)?, first.try_get(1)?);
    let (length, type_name): (i32, String) = (first.try_get(2)?, first.try_get(4)?);
    let (mut few, mut many) = (Group::default(), Group::default());
    for row in rows {
        *(if row.try_get(5)? { &mut many } else { &mut few }) = Group::read(row, (seen / of.max(1.0)).min(1.0))?;
    }
    let mut all = Group { rows: few.rows + many.rows, bytes: few.bytes + many.bytes, ..Group::default() };
    if compressed > all.rows * FEW {
        return Ok(None);
    }
    for (r, count) in all.remainders.iter_mut().enumerate() {
        *count = few.remainders[r] + many.remainders[r];
    }
    Ok(Some(ExpressionFacts {
        fixed: (length > 0).then(|| f64::from(length)),
        align: match first.try_get::<String, _>(3)?.as_str() {
            "c" => 1,
            "s" => 2,
            "d" => 8,
            _ => 4,
        },
        lengths: all.lengths(),
        rare: (few.rows > 0.0).then(|| few.lengths()),
        nulls: 1.0 - all.rows / seen,
        distinct: few.distinct + many.distinct,
        common: (many.rows / seen, many.distinct),
        unlike: UNLIKE.contains(&type_name.as_str()) || type_name.starts_with('_') || type_name.ends_with("range"),
    }))
}

/// How many different values all rows have (Haas and Stokes, as `analyze.c` reckons), of values on pages in place of rows: `seen` different ones
/// on so many pages each, `once` of them on one page only, in a part of all pages.
fn reckoned(seen: f64, on_pages: f64, once: f64, part: f64) -> f64 {
    if seen < 1.0 {
        return 0.0;
    }
    (on_pages * seen / (on_pages - once + once * part).max(1e-9)).max(seen)
}

/// Bytes of the values in the first rows: an index of SQLite has one entry for each row, whatever others have.
async fn sqlite(c: &mut SqliteConnection, one: &TableExpression) -> Result<Option<ExpressionFacts>, sqlx::Error> {
    let table = quote_identifier(&one.table, Dialect::Sqlite);
    let text = format!(
        "SELECT count(*), count(v), avg({STORED}) FROM (SELECT ({}) AS v FROM {table} LIMIT {})",
        one.text, ROWS
    );
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(c).await?;
    let (seen, values): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let width: Option<f64> = row.try_get(2)?;
    Ok(width.filter(|_| seen > 0).map(|width| ExpressionFacts {
        align: 1,
        lengths: (width, None),
        nulls: 1.0 - values as f64 / seen as f64,
        distinct: values as f64,
        ..ExpressionFacts::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_part_are_reckoned_up_by_pages() {
        assert_eq!(reckoned(0.0, 0.0, 0.0, 0.1), 0.0);
        assert_eq!(reckoned(500.0, 900.0, 300.0, 1.0), 500.0, "all rows were seen");
        let unlike = reckoned(1_000.0, 1_000.0, 1_000.0, 0.1);
        assert!((unlike - 10_000.0).abs() < 1.0, "each on one page only: ten times as many: {unlike}");
        let few = reckoned(50.0, 5_000.0, 0.0, 0.1);
        assert_eq!(few, 50.0, "those that are everywhere are all");
    }
}
