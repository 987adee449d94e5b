//! Facts of MySQL and MariaDB: from `information_schema`, in which lengths and counts are InnoDB's estimates.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::{Dialect, quote_text};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

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
           CAST(cardinality AS DOUBLE), CAST(sub_part AS SIGNED), CAST(seq_in_index AS SIGNED)
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name IN ($NAMES)
    ORDER BY table_name, index_name, seq_in_index LIMIT 20000";

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
    Ok(found)
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
        not_null: text(row, 3).as_deref() == Some("NO"),
        by_bytes: text(row, 5).is_some_and(|c| c.ends_with("_bin")),
        deterministic: true,
        align: 1,
        type_name,
        ..ColumnFacts::default()
    }
}

fn add_key(table: &mut TableFacts, row: &MySqlRow) {
    let name = text(row, 1).unwrap_or_default();
    if table.indexes.last().is_none_or(|i| i.name != name) {
        let kind = text(row, 2).unwrap_or_default();
        table.indexes.push(IndexFacts {
            method: if kind == "BTREE" { "btree".to_owned() } else { kind },
            unique: row.try_get::<i64, _>(3).is_ok_and(|n| n == 0),
            valid: true,
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
