//! Facts of MySQL and MariaDB: from `information_schema`, in which lengths and counts are InnoDB's estimates.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use perfdeck_model::Address;
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _};

use super::mysql_beginnings::beginnings;
use super::{ColumnFacts, DatabaseFacts, IndexFacts, KeyFacts, MOST_TABLES, TableFacts};
use crate::connect::ends_session;
use crate::hints::account;
use crate::mysql::text;

const TABLES: &str = "
    SELECT table_name, CAST(table_rows AS DOUBLE), CAST(data_length AS DOUBLE), CAST(@@innodb_page_size AS DOUBLE), DATABASE(),
           CAST(avg_row_length AS DOUBLE), engine, row_format
    FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name IN ($NAMES)
    ORDER BY data_length DESC, table_name";

const COLUMNS: &str = "
    SELECT table_name, column_name, data_type, is_nullable, CAST(character_octet_length AS DOUBLE), collation_name,
           CAST(character_maximum_length AS DOUBLE), CAST(coalesce(datetime_precision, numeric_precision) AS DOUBLE),
           CAST(numeric_scale AS DOUBLE)
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN ($NAMES)
    ORDER BY table_name, ordinal_position";

const KEYS: &str = "
    SELECT table_name, index_name, index_type, CAST(non_unique AS SIGNED), column_name, collation,
           CAST(cardinality AS DOUBLE), CAST(sub_part AS SIGNED), CAST(seq_in_index AS SIGNED), s.*
    FROM information_schema.statistics s WHERE table_schema = DATABASE() AND table_name IN ($NAMES)
    ORDER BY table_name, index_name, seq_in_index LIMIT 20000";

/// Rows that are looked at for the values of columns, columns that are, and the time for those of all tables.
const LOOKED_AT: usize = 10_000;
/// Bytes of the rows whose lengths are looked at, about: long texts lie on pages of their own, which are read for that.
const LOOKED_AT_BYTES: f64 = 32.0 * 1024.0 * 1024.0;
const MOST_COLUMNS: usize = 60;
const LOOKING: Duration = Duration::from_secs(4);
/// Most common values that are kept of a column, and their longest part, in characters.
const COMMON: usize = 20;
const LONGEST_VALUE: usize = 200;

/// Formats of InnoDB's rows of which an index has no more of one column than these bytes (`REC_ANTELOPE_MAX_INDEX_COL_LEN`).
const OLD_FORMATS: &[&str] = &["Compact", "Redundant"];
const OLD_KEY: f64 = 767.0;

pub(super) fn number(row: &MySqlRow, at: usize) -> Option<f64> {
    row.try_get::<Option<f64>, _>(at).ok().flatten()
}

pub(super) async fn facts(
    c: &mut MySqlConnection,
    address: &Address,
    names: &BTreeSet<String>,
) -> Result<DatabaseFacts, sqlx::Error> {
    let list: Vec<String> = names.iter().map(|n| quote_text(n, Dialect::Mysql)).collect();
    let list = if list.is_empty() { "''".to_owned() } else { list.join(",") };
    let ask = |sql: &str| AssertSqlSafe(sql.replace("$NAMES", &list));
    let rows = sqlx::query(ask(TABLES)).fetch_all(&mut *c).await?;
    let mut found = DatabaseFacts { page: 16_384.0, ..DatabaseFacts::default() };
    let mut row_bytes = Vec::new();
    for row in rows.iter().take(MOST_TABLES) {
        row_bytes.push(number(row, 5).unwrap_or(0.0).max(1.0));
        let page = number(row, 3).unwrap_or(16_384.0);
        found.page = page;
        let schema = text(row, 4).unwrap_or_default();
        found.search_path = vec![schema.clone()];
        found.tables.push(TableFacts {
            schema,
            name: text(row, 0).unwrap_or_default(),
            rows: number(row, 1),
            pages: number(row, 2).unwrap_or(0.0) / page,
            locked_by: text(row, 6).filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")),
            longest_key: text(row, 7).filter(|format| OLD_FORMATS.contains(&format.as_str())).map(|f| (f, OLD_KEY)),
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
    let mut refused = Vec::new();
    for (table, bytes) in found.tables.iter_mut().zip(row_bytes) {
        let told = match LOOKING.checked_sub(began.elapsed()) {
            Some(left) => looked_at(c, table, bytes, left).await,
            None => Err(Unread::Late),
        };
        match told {
            Ok(()) => {}
            Err(Unread::Lost(error)) => return Err(error),
            Err(why) => {
                if matches!(why, Unread::Denied) {
                    refused.push(format!("{}.{}", quoted(&table.schema), quoted(&table.name)));
                }
                found.unread.push((format!("{}.{}", table.schema, table.name), why.shown()));
            }
        }
    }
    if !refused.is_empty() {
        let account = account(address);
        found.grants.extend(refused.iter().map(|table| format!("GRANT SELECT ON {table} TO {account};")));
    }
    Ok(found)
}

fn quoted(name: &str) -> String {
    quote_identifier(name, Dialect::Mysql)
}

/// Why the values of a table are not known.
enum Unread {
    /// This user may not read them.
    Denied,
    /// There was no time left.
    Late,
    /// The server refused, with this number.
    Refused(u16),
    /// The session ended.
    Lost(sqlx::Error),
}

impl Unread {
    fn of(error: sqlx::Error) -> Self {
        let number = match &error {
            sqlx::Error::Database(e) => e.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number),
            _ => None,
        };
        match number {
            Some(1044 | 1142 | 1143) => Self::Denied,
            // Ended by the server's own limit: of MySQL, of MariaDB.
            Some(3024 | 1969) => Self::Late,
            Some(number) if !ends_session(&error) => Self::Refused(number),
            _ => Self::Lost(error),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Denied => "this user may not read it".to_owned(),
            Self::Late => "that took too long".to_owned(),
            Self::Refused(number) => format!("the server refused it (error {number})"),
            Self::Lost(_) => "the session ended".to_owned(),
        }
    }
}

/// Values and lengths of a table, in the time that is left. A question that is given up would be answered to the next one, so that its own limit
/// ends it.
async fn looked_at(c: &mut MySqlConnection, table: &mut TableFacts, bytes: f64, left: Duration) -> Result<(), Unread> {
    if left.is_zero() {
        return Err(Unread::Late);
    }
    values(c, table).await.map_err(Unread::of)?;
    let rows = (LOOKED_AT_BYTES / bytes).clamp(100.0, LOOKED_AT as f64);
    lengths(c, table, rows).await.map_err(Unread::of)?;
    beginnings(c, table, rows).await.map_err(Unread::of)
}

/// `what` of the first rows and of the last ones by the primary key: what is counted up grows longer, and begins otherwise.
pub(super) fn first_and_last(table: &TableFacts, what: &str, rows: f64) -> String {
    let (schema, name) = (quoted(&table.schema), quoted(&table.name));
    let primary = table.indexes.iter().find(|index| index.name == "PRIMARY");
    let keys = primary.iter().flat_map(|index| &index.keys).filter_map(|key| key.column.as_ref());
    let backwards: Vec<String> = keys.map(|key| format!("{} DESC", quoted(key))).collect();
    let part = |order: &str, rows: f64| format!("(SELECT {what} FROM {schema}.{name} {order} LIMIT {rows:.0})");
    if backwards.is_empty() {
        return part("", rows);
    }
    let last = format!("ORDER BY {}", backwards.join(", "));
    format!("{} UNION ALL {}", part("", rows / 2.0), part(&last, rows / 2.0))
}

/// Mean lengths of what is of no fixed length.
async fn lengths(c: &mut MySqlConnection, table: &mut TableFacts, rows: f64) -> Result<(), sqlx::Error> {
    let varies = |column: &ColumnFacts| column.fixed.is_none() && column.type_name != "set";
    let each: Vec<String> = table
        .columns
        .iter()
        .filter(|c| varies(c))
        .take(MOST_COLUMNS)
        .enumerate()
        .map(|(at, of)| format!("length({}) AS l{at}", quoted(&of.name)))
        .collect();
    let parts = first_and_last(table, &each.join(", "), rows);
    let mut columns: Vec<&mut ColumnFacts> =
        table.columns.iter_mut().filter(|c| varies(c)).take(MOST_COLUMNS).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let means: Vec<String> = (0..columns.len()).map(|at| format!("CAST(avg(l{at}) AS DOUBLE)")).collect();
    let ask = format!("SELECT {} FROM ({parts}) s", means.join(", "));
    let row = sqlx::query(AssertSqlSafe(ask)).fetch_one(&mut *c).await?;
    for (at, column) in columns.iter_mut().enumerate() {
        // Of characters of several bytes as many as its type says are kept at least, one byte each.
        let least = column.width.take().filter(|_| column.type_name == "char").unwrap_or(0.0);
        column.width = number(&row, at).map(|mean| mean.max(least));
    }
    Ok(())
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

/// Bytes of so many digits on one side of the point of a `decimal`: four for nine of them (`dig2bytes` of `decimal.c`).
fn digits_bytes(digits: f64) -> f64 {
    (digits / 9.0).floor() * 4.0 + ((digits % 9.0) / 2.0).ceil()
}

fn column(row: &MySqlRow) -> ColumnFacts {
    let type_name = text(row, 2).unwrap_or_default();
    let (octets, letters) = (number(row, 4), number(row, 6));
    let (digits, scale) = (number(row, 7).unwrap_or(0.0), number(row, 8).unwrap_or(0.0));
    // Digits of a part of a second take a byte for two of them.
    let with_part = |whole: f64| Some(whole + (digits / 2.0).ceil());
    let (class, fixed) = match type_name.as_str() {
        "tinyint" | "year" => ("ordered", Some(1.0)),
        "smallint" => ("ordered", Some(2.0)),
        "mediumint" | "date" => ("ordered", Some(3.0)),
        "int" | "float" => ("ordered", Some(4.0)),
        "bigint" | "double" => ("ordered", Some(8.0)),
        "time" => ("ordered", with_part(3.0)),
        "timestamp" => ("ordered", with_part(4.0)),
        "datetime" => ("ordered", with_part(5.0)),
        "decimal" => ("ordered", Some(digits_bytes(digits - scale) + digits_bytes(scale))),
        "json" | "geometry" | "point" | "polygon" | "linestring" => ("unordered", None),
        "enum" => ("text", Some(1.0)),
        "bit" => ("text", Some((digits / 8.0).ceil())),
        "uuid" | "inet6" => ("text", Some(16.0)),
        "inet4" => ("text", Some(4.0)),
        "char" | "binary" if octets == letters => ("text", octets),
        _ => ("text", None),
    };
    ColumnFacts {
        name: text(row, 1).unwrap_or_default(),
        class,
        fixed,
        // How long texts are is not kept: that is looked at. Until then those of a whole length have one byte for each letter.
        width: fixed.or_else(|| letters.filter(|_| type_name == "char")),
        most: fixed.or(octets),
        not_null: text(row, 3).as_deref() == Some("NO"),
        by_bytes: text(row, 5).is_some_and(|c| c.ends_with("_bin")),
        collation: text(row, 5),
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
    // Of the first column an index counts how many values there are, and how many beginnings where it has those.
    if let (Some(of), true, Some(count), None) = (&column, first, number(row, 6), part) {
        let rows = table.rows.unwrap_or(0.0);
        if let Some(facts) = table.columns.iter_mut().find(|c| c.name == *of) {
            facts.distinct = Some(if count >= rows * 0.9 && rows > 0.0 { -1.0 } else { count.max(1.0) });
        }
    }
    let Some(index) = table.indexes.last_mut() else { return };
    index.keys.push(KeyFacts {
        expression: column.is_none().then(String::new),
        column,
        // The beginning of a column is not the column.
        prefix: part.and_then(|n| u32::try_from(n).ok()),
        descending: text(row, 5).as_deref() == Some("D"),
        ..KeyFacts::default()
    });
}
