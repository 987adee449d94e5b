//! Functions that statements call, and what of a B-tree's entry the catalogue's statistics do not tell: how long texts outside of rows are.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use perfdeck_model::Address;
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::Row as _;

use super::postgres::{ask, listed};
use super::{FunctionFacts, TableFacts};
use crate::session::Session;

/// Functions of these names: an index has one that is immutable and gives one value that has an order.
const FUNCTIONS: &str = "
    SELECT n.nspname::text, p.proname::text, p.pronargs::int4 - p.pronargdefaults::int4, p.pronargs::int4, p.provolatile = 'i',
           pg_function_is_visible(p.oid), NOT p.proretset AND p.provariadic = 0
           AND NOT EXISTS (SELECT 1 FROM pg_aggregate a WHERE a.aggfnoid = p.oid) AND (t.typname = 'varchar' OR t.typtype = 'e' OR EXISTS (
               SELECT 1 FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
               WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_type t ON t.oid = p.prorettype
    WHERE p.proname IN ($NAMES) AND n.nspname <> 'information_schema' ORDER BY 1, 2 LIMIT 2000";

pub(super) async fn functions(
    c: &mut Session,
    address: &Address,
    names: &BTreeSet<String>,
) -> Result<Vec<FunctionFacts>, sqlx::Error> {
    let rows = ask(c, address, FUNCTIONS.replace("$NAMES", &listed(names))).await?;
    let count = |row: &sqlx::postgres::PgRow, at: usize| -> Result<usize, sqlx::Error> {
        Ok(usize::try_from(row.try_get::<i32, _>(at)?).unwrap_or(0))
    };
    rows.iter()
        .map(|row| {
            Ok(FunctionFacts {
                schema: row.try_get(0)?,
                name: row.try_get(1)?,
                arguments: (count(row, 2)?, count(row, 3)?),
                immutable: row.try_get(4)?,
                visible: row.try_get(5)?,
                plain: row.try_get(6)?,
            })
        })
        .collect()
}

/// Longest time of all looks together, and tables that are looked at.
const LOOKING: Duration = Duration::from_secs(3);
const MOST: usize = 30;
/// Rows and pages of one, at most.
const ROWS: f64 = 10_000.0;
const PAGES: f64 = 1_000.0;

/// Looks at some rows of tables that have values outside of them for the longest of the columns that statements name: those are left out of
/// statistics from 1 kB on. Their lengths are read from the row, the values are not.
pub(super) async fn longest(c: &mut Session, address: &Address, tables: &mut [TableFacts], names: &BTreeSet<String>) {
    let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
    let started = Instant::now();
    for table in tables.iter_mut().filter(|t| t.toasted).take(MOST) {
        let of = |c: &super::ColumnFacts| {
            let text = c.class == "text" && c.fixed.is_none() || c.type_name == "bytea";
            text && names.contains(&c.name)
        };
        let columns: Vec<usize> = (0..table.columns.len()).filter(|at| of(&table.columns[*at])).collect();
        if columns.is_empty() {
            continue;
        }
        if started.elapsed() > LOOKING {
            break;
        }
        let share = (ROWS / table.rows.unwrap_or(ROWS).max(1.0)).min(PAGES / table.pages.max(1.0));
        let part = if share < 0.9 { format!("TABLESAMPLE SYSTEM ({})", share * 100.0) } else { String::new() };
        let each = |at: &usize| format!("max(octet_length({}))::float8", quoted(&table.columns[*at].name));
        let name = |at: &usize| quoted(&table.columns[*at].name);
        let text = format!(
            "SELECT {} FROM (SELECT {} FROM {}.{} {part} LIMIT {}) s",
            columns.iter().map(each).collect::<Vec<_>>().join(", "),
            columns.iter().map(name).collect::<Vec<_>>().join(", "),
            quoted(&table.schema),
            quoted(&table.name),
            ROWS * 2.0
        );
        // Who may not read it is told so elsewhere.
        let Ok(rows) = ask(c, address, text).await else { continue };
        for (place, at) in columns.iter().enumerate() {
            let found: Option<f64> = rows.first().and_then(|row| row.try_get(place).ok().flatten());
            let known = &mut table.columns[*at].longest;
            *known = match (*known, found) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
    }
}
