//! Facts of MySQL and MariaDB: from `information_schema`, in which lengths and counts are InnoDB's estimates.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _};

use super::{ColumnFacts, DatabaseFacts, IndexFacts, KeyFacts, MOST_TABLES, TableFacts};
use crate::mysql::text;

const TABLES: &str = "
    SELECT table_name, CAST(table_rows AS DOUBLE), CAST(data_length AS DOUBLE), CAST(@@innodb_page_size AS DOUBLE), DATABASE()
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name IN ($NAMES)
    ORDER BY data_length DESC, table_name";

const COLUMNS: &str = "
    SELECT table_name, column_name, data_type, is_nullable, CAST(character_octet_length AS DOUBLE), collation_name
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN ($NAMES)
    ORDER BY table_name, ordinal_position";

const KEYS: &str = "
    SELECT table_name, index_name, index_type, CAST(non_unique AS SIGNED), column_name, collation,
           CAST(cardinality AS DOUBLE), CAST(sub_part AS SIGNED), CAST(seq_in_index AS SIGNED), s.*
    FROM information_schema.statistics s WHERE table_schema = DATABASE() AND table_name IN ($NAMES)
    ORDER BY table_name, index_name, seq_in_index LIMIT 20000";

/// Rows that are looked at for the values of columns, columns that are, and the time for those of all tables.
const LOOKED_AT: usize = 10_000;
const MOST_COLUMNS: usize = 60;
const LOOKING: Duration = Duration::from_secs(4);
/// Most common values that are kept of a column, and their longest part, in characters.
const COMMON: usize = 20;
const LONGEST_VALUE: usize = 200;

fn number(row: &MySqlRow, at: usize) -> Option<f64> {
    row.try_get::<Option<f64>, _>(at).ok().flatten()
}

pub(super) async fn facts(c: &mut MySqlConnection, names: &BTreeSet<String>) -> Result<DatabaseFacts, sqlx::Error> {
    let list: Vec<String> = names.iter().map(|n| quote_text(n, Dialect::Mysql)).collect();
    let list = if list.is_empty() { "''".to_owned() } else { list.join(",") };
    let ask = |sql: &str| AssertSqlSafe(sql.replace("$NAMES", &list));
    let rows = sqlx::query(ask(TABLES)).fetch_all(&mut *c).await?;
    let mut found = DatabaseFacts { page: 16_384.0, ..DatabaseFacts::default() };
    for row in rows.iter().take(MOST_TABLES) {
        let page = number(row, 3).unwrap_or(16_384.0);
        found.page = page;
        let schema = text(row, 4).unwrap_or_default();
        found.search_path = vec![schema.clone()];
        found.tables.push(TableFacts {
            schema,
            name: text(row, 0).unwrap_or_default(),
            rows: number(row, 1),
            pages: number(row, 2).unwrap_or(0.0) / page,
            ..TableFacts::default()
        });
    }
    found.left_out = rows.len() - found.tables.len();
    let places: BTreeMap<String, usize> = found.tables.iter().enumerate().map(|(at, t)| (t.name.clone(), at)).collect();
    for row in sqlx::query(ask(COLUMNS)).fetch_all(&mut *c).await? {
        if let Some(at) = text(&row, 0).and_then(|name| places.get(&name)) {
            found.tables[*at].columns.push(column(&row));
        }
    }
    for row in sqlx::query(ask(KEYS)).fetch_all(&mut *c).await? {
        if let Some(at) = text(&row, 0).and_then(|name| places.get(&name)) {
            add_key(&mut found.tables[*at], &row);
        }
    }
    let began = Instant::now();
    for table in &mut found.tables {
        if began.elapsed() > LOOKING {
            break;
        }
        // Who may not read a table has no values of it.
        let _ = values(c, table).await;
    }
    Ok(found)
}

/// Whether values of a type are looked at.
fn is_counted(column: &ColumnFacts) -> bool {
    let texts = ["char", "varchar", "enum"];
    column.class == "ordered" && column.type_name != "float" && column.type_name != "double"
        || texts.contains(&column.type_name.as_str())
}

/// Values of the columns among the first rows: the server keeps none. Read with all columns together, so that no index is gone through in
/// the order of one of them.
async fn values(c: &mut MySqlConnection, table: &mut TableFacts) -> Result<(), sqlx::Error> {
    let quoted = |name: &str| quote_identifier(name, Dialect::Mysql);
    let counted: Vec<usize> =
        (0..table.columns.len()).filter(|at| is_counted(&table.columns[*at])).take(MOST_COLUMNS).collect();
    if counted.is_empty() {
        return Ok(());
    }
    let parts: Vec<String> = counted
        .iter()
        .map(|at| format!("left(CAST({} AS CHAR), {LONGEST_VALUE})", quoted(&table.columns[*at].name)))
        .collect();
    let (schema, name) = (quoted(&table.schema), quoted(&table.name));
    let ask = format!("SELECT {} FROM {schema}.{name} LIMIT {LOOKED_AT}", parts.join(", "));
    let rows = sqlx::query(AssertSqlSafe(ask)).fetch_all(&mut *c).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let looked = rows.len() as f64;
    for (place, at) in counted.into_iter().enumerate() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in rows.iter().filter_map(|row| text(row, place)) {
            *counts.entry(value).or_default() += 1;
        }
        let column = &mut table.columns[at];
        column.nulls = Some(1.0 - counts.values().sum::<usize>() as f64 / looked);
        let different = counts.len() as f64;
        // More than a tenth of the rows that were looked at: there are more where there are more rows.
        let grows = different > looked / 10.0;
        column.distinct = column.distinct.or(Some(if grows { -(different / looked) } else { different.max(1.0) }));
        if !grows {
            let mut all: Vec<(String, usize)> = counts.into_iter().collect();
            all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            column.common = all.into_iter().take(COMMON).map(|(value, n)| (value, n as f64 / looked)).collect();
        }
    }
    Ok(())
}

fn column(row: &MySqlRow) -> ColumnFacts {
    let type_name = text(row, 2).unwrap_or_default();
    let (class, fixed) = match type_name.as_str() {
        "tinyint" => ("ordered", Some(1.0)),
        "smallint" | "year" => ("ordered", Some(2.0)),
        "int" | "mediumint" | "date" | "float" => ("ordered", Some(4.0)),
        "bigint" | "double" | "datetime" | "timestamp" | "decimal" => ("ordered", Some(8.0)),
        "json" | "geometry" | "point" | "polygon" | "linestring" => ("unordered", None),
        _ => ("text", None),
    };
    ColumnFacts {
        name: text(row, 1).unwrap_or_default(),
        class,
        fixed,
        // How long texts are is not kept; a fifth of what they may be is a guess that ranks.
        width: fixed.or_else(|| number(row, 4).map(|most| (most / 5.0).clamp(2.0, 100.0))),
        most: fixed.or_else(|| number(row, 4)),
        not_null: text(row, 3).as_deref() == Some("NO"),
        by_bytes: text(row, 5).is_some_and(|c| c.ends_with("_bin")),
        deterministic: true,
        align: 1,
        type_name,
        ..ColumnFacts::default()
    }
}

/// Whether the planner is told not to look at an index: `IGNORED` of MariaDB, invisible ones of MySQL.
fn is_ignored(row: &MySqlRow) -> bool {
    let says = |name: &str, value: &str| {
        let at = row.columns().iter().rposition(|column| column.name().eq_ignore_ascii_case(name));
        at.and_then(|at| text(row, at)).is_some_and(|said| said.eq_ignore_ascii_case(value))
    };
    says("ignored", "YES") || says("is_visible", "NO")
}

fn add_key(table: &mut TableFacts, row: &MySqlRow) {
    let name = text(row, 1).unwrap_or_default();
    if table.indexes.last().is_none_or(|i| i.name != name) {
        let kind = text(row, 2).unwrap_or_default();
        table.indexes.push(IndexFacts {
            method: if kind == "BTREE" { "btree".to_owned() } else { kind },
            unique: row.try_get::<i64, _>(3).is_ok_and(|n| n == 0),
            valid: !is_ignored(row),
            name,
            ..IndexFacts::default()
        });
    }
    let (column, first) = (text(row, 4), row.try_get::<i64, _>(8).is_ok_and(|n| n == 1));
    let part = row.try_get::<Option<i64>, _>(7).ok().flatten();
    // Of the first column an index counts how many values there are.
    if let (Some(of), true, Some(count)) = (&column, first, number(row, 6)) {
        let rows = table.rows.unwrap_or(0.0);
        if let Some(facts) = table.columns.iter_mut().find(|c| c.name == *of) {
            facts.distinct = Some(if count >= rows * 0.9 && rows > 0.0 { -1.0 } else { count.max(1.0) });
        }
    }
    let Some(index) = table.indexes.last_mut() else { return };
    index.keys.push(KeyFacts {
        // The beginning of a column is not the column.
        expression: part.map(|n| format!("the first {n} characters")).or_else(|| column.is_none().then(String::new)),
        column: column.filter(|_| part.is_none()),
        descending: text(row, 5).as_deref() == Some("D"),
        ..KeyFacts::default()
    });
}
