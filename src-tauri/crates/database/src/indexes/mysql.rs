//! Indexes of MySQL and MariaDB, from their information schema.
//!
//! A page is a range of names: a server opens no table whose name is outside of it.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, IndexIdentity, IndexKey, IndexOrigin, Scheme};
use perfdeck_sqltext::{Dialect, quote_text, without_literals};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::facts::{Compared, Counted, ForeignKey, Index, IndexDone, IndexReading, TableFacts};
use super::{MOST_INDEXES, mysql_usage};
use crate::mysql::{between, tables, text};

/// Keys of the indexes of some tables: table, index, not unique, place, column, order, length, kind, nullable. MySQL 8 tells
/// expressions and what is invisible besides, MariaDB 10.6 what is ignored; the sequence is that of the table's definition.
const INDEXES: &str = "
    SELECT table_name, index_name, CAST(non_unique AS SIGNED), CAST(seq_in_index AS SIGNED), column_name, collation,
           CAST(sub_part AS SIGNED), index_type, nullable, $HIDDEN, $EXPRESSION
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND $RANGE";

/// Foreign keys of some tables, a column a row.
const FOREIGN_KEYS: &str = "
    SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND referenced_table_schema = DATABASE() AND $RANGE
    ORDER BY table_name, constraint_name, ordinal_position";

/// What this server's information schema tells of indexes beside the common columns.
const COLUMNS: &str = "
    SELECT UPPER(column_name) FROM information_schema.columns
    WHERE table_schema = 'information_schema' AND table_name = 'STATISTICS'
      AND UPPER(column_name) IN ('IS_VISIBLE', 'IGNORED', 'EXPRESSION')";

/// Tables of one page.
const PAGE: usize = 400;
/// Time from the begin after which no more pages are read.
const READING: Duration = Duration::from_secs(6);

/// All rows of a question of ours.
async fn ask(c: &mut MySqlConnection, text: String) -> Result<Vec<MySqlRow>, sqlx::Error> {
    sqlx::query(AssertSqlSafe(text)).fetch_all(c).await
}

/// Indexes by the information schema alone.
pub(crate) async fn catalogue(c: &mut MySqlConnection, scheme: Scheme) -> Result<IndexReading, sqlx::Error> {
    read_within(c, scheme, Duration::from_millis(1_200), Instant::now(), false).await
}

/// All that a server tells of its indexes.
pub(super) async fn read(
    c: &mut MySqlConnection,
    address: &Address,
    began: Instant,
) -> Result<IndexReading, sqlx::Error> {
    let mut reading = read_within(c, address.scheme, READING, began, true).await?;
    mysql_usage::read(c, address, &mut reading).await?;
    Ok(reading)
}

/// The question about indexes, as this server's information schema can be asked it.
async fn question(c: &mut MySqlConnection) -> Result<String, sqlx::Error> {
    let told: Vec<String> = ask(c, COLUMNS.to_owned()).await?.iter().filter_map(|row| text(row, 0)).collect();
    let has = |name: &str| told.iter().any(|t| t == name);
    let hidden = match (has("IS_VISIBLE"), has("IGNORED")) {
        (true, _) => "is_visible = 'NO'",
        (_, true) => "ignored = 'YES'",
        _ => "FALSE",
    };
    let expression = if has("EXPRESSION") { "expression" } else { "NULL" };
    Ok(INDEXES.replace("$HIDDEN", &format!("CAST({hidden} AS SIGNED)")).replace("$EXPRESSION", expression))
}

/// A table by its name, with its indexes and the foreign keys at both of their ends.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) indexes: Vec<Index>,
    pub(crate) keys: Vec<ForeignKey>,
}

/// One table; `None` where there is none of that name. What refers to it is looked for in all tables, as far as there is time: the
/// server itself keeps what such a foreign key needs.
pub(crate) async fn table(c: &mut MySqlConnection, name: &str) -> Result<Option<Table>, sqlx::Error> {
    let sql = "SELECT table_name, engine FROM information_schema.tables
               WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name = ?";
    let Some(row) = sqlx::query(sql).bind(name).fetch_optional(&mut *c).await? else { return Ok(None) };
    let (name, engine) = (text(&row, 0).unwrap_or_default(), text(&row, 1).unwrap_or_default());
    let engines = HashMap::from([(name.as_str(), engine.as_str())]);
    let range = format!("table_name = {}", quote_text(&name, Dialect::Mysql));
    let question = question(c).await?;
    let indexes = indexes(&ask(c, question.replace("$RANGE", &range)).await?, &engines);
    let mut keys = Vec::new();
    foreign_keys(&ask(c, FOREIGN_KEYS.replace("$RANGE", &range)).await?, Some(&engines), &mut keys);
    let to = format!("referenced_{range} AND table_name <> {}", quote_text(&name, Dialect::Mysql));
    if let Ok(rows) = ask(c, FOREIGN_KEYS.replace("$RANGE", &to)).await {
        foreign_keys(&rows, None, &mut keys);
    }
    Ok(Some(Table { name, engine, indexes, keys }))
}

/// What one index has done.
pub(crate) struct Uses {
    pub(crate) counted: Counted,
    pub(crate) done: Option<IndexDone>,
    /// Rows that were written to its table.
    pub(crate) written: Option<f64>,
}

/// What the server counted of one index.
pub(crate) async fn uses(
    c: &mut MySqlConnection,
    address: &Address,
    index: &Index,
    table: &str,
) -> Result<Uses, sqlx::Error> {
    let mut reading = IndexReading::of(address.scheme);
    reading.indexes.push(index.clone());
    reading.tables.insert(table.to_owned(), TableFacts::default());
    mysql_usage::read(c, address, &mut reading).await?;
    Ok(Uses {
        counted: reading.counted,
        done: reading.indexes.pop().map(|index| index.done),
        written: reading.tables.remove(table).and_then(|table| table.written_rows),
    })
}

async fn read_within(
    c: &mut MySqlConnection,
    scheme: Scheme,
    time: Duration,
    began: Instant,
    keys: bool,
) -> Result<IndexReading, sqlx::Error> {
    let mut reading = IndexReading::of(scheme);
    let question = question(c).await?;
    let tables = tables(c).await?;
    let mut left = 0;
    for page in tables.chunks(PAGE) {
        if began.elapsed() > time || reading.indexes.len() > MOST_INDEXES {
            left += page.len();
            continue;
        }
        let range = between(page);
        let rows = ask(c, question.replace("$RANGE", &range)).await?;
        let engines: HashMap<&str, &str> = page.iter().map(|(name, engine)| (name.as_str(), engine.as_str())).collect();
        reading.indexes.extend(indexes(&rows, &engines));
        for (name, _) in page {
            reading.tables.insert(name.clone(), TableFacts::default());
        }
        if keys {
            let rows = ask(c, FOREIGN_KEYS.replace("$RANGE", &range)).await?;
            foreign_keys(&rows, Some(&engines), &mut reading.foreign_keys);
        }
    }
    if left > 0 {
        let n = perfdeck_words::plural(left as i64, "table");
        reading.missing.push(format!("{n} had no time to be read: nothing is said of their indexes"));
        reading.indexes_left_out = None;
    }
    Ok(reading)
}

/// A row of the information schema.
struct Part {
    table: String,
    index: String,
    unique: bool,
    kind: String,
    nullable: bool,
    hidden: bool,
    expression: Option<String>,
    key: IndexKey,
}

fn part(row: &MySqlRow) -> Option<Part> {
    let expression = text(row, 10);
    let key = IndexKey {
        column: text(row, 4),
        expression: expression.as_deref().map(|text| without_literals(text, Dialect::Mysql)),
        descending: text(row, 5).as_deref() == Some("D"),
        prefix: row.try_get::<Option<i64>, _>(6).ok().flatten().and_then(|n| u32::try_from(n).ok()),
        ..IndexKey::default()
    };
    Some(Part {
        table: text(row, 0)?,
        index: text(row, 1)?,
        unique: row.try_get::<i64, _>(2).ok()? == 0,
        kind: text(row, 7)?.to_lowercase(),
        nullable: text(row, 8).as_deref() == Some("YES"),
        hidden: row.try_get::<i64, _>(9).ok()? != 0,
        expression,
        key,
    })
}

/// The indexes of a page, those of a table together in the order of its definition.
fn indexes(rows: &[MySqlRow], engines: &HashMap<&str, &str>) -> Vec<Index> {
    let mut tables: Vec<(String, Vec<(Index, bool)>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for part in rows.iter().filter_map(part).filter(|part| engines.contains_key(part.table.as_str())) {
        let at = *places.entry(part.table.clone()).or_insert_with(|| {
            tables.push((part.table.clone(), Vec::new()));
            tables.len() - 1
        });
        let Some((_, own)) = tables.get_mut(at) else { continue };
        // The keys of an index come one after the other.
        let begun = own.last().is_some_and(|(last, _)| last.identity.name == part.index);
        if !begun {
            let made = i64::try_from(own.len()).unwrap_or(i64::MAX);
            own.push((first(&part, made), false));
        }
        let Some((index, nullable)) = own.last_mut() else { continue };
        *nullable |= part.nullable || part.key.prefix.is_some();
        index.compared.understood &= part.key.column.is_some() || part.expression.is_some();
        index.compared.expressions.push(part.expression);
        index.identity.keys.push(part.key);
    }
    let mut all = Vec::new();
    for (table, mut own) in tables {
        if engines.get(table.as_str()).is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB")) {
            add_suffix(&mut own);
        }
        all.extend(own.into_iter().map(|(index, _)| index));
    }
    all
}

/// An index without its keys.
fn first(part: &Part, made: i64) -> Index {
    let primary = part.index == "PRIMARY";
    let identity = IndexIdentity {
        name: part.index.clone(),
        table: part.table.clone(),
        method: part.kind.clone(),
        unique: part.unique,
        primary,
        // A key that is unique is a constraint to these servers, and one of its own to nobody.
        origin: if primary { IndexOrigin::PrimaryKey } else { IndexOrigin::Created },
        valid: true,
        maintained: true,
        visible: !part.hidden,
        ..IndexIdentity::default()
    };
    let compared = Compared { understood: true, immediate: true, made, ..Compared::default() };
    Index { identity, done: IndexDone::default(), compared }
}

/// InnoDB puts the key by which it orders the rows behind each other index: the primary key, else the first unique one without
/// nulls. Without either it is a number that no statement can name.
fn add_suffix(own: &mut [(Index, bool)]) {
    let first = own.iter().position(|(index, _)| index.identity.primary);
    let first = first.or_else(|| own.iter().position(|(index, nullable)| index.identity.unique && !nullable));
    let Some((rows, _)) = first.and_then(|at| own.get(at)) else { return };
    let name = rows.identity.name.clone();
    let whole = rows.identity.keys.iter().take_while(|key| key.prefix.is_none());
    let columns: Vec<String> = whole.filter_map(|key| key.column.clone()).collect();
    for (index, _) in
        own.iter_mut().filter(|(index, _)| index.identity.name != name && index.identity.method == "btree")
    {
        index.identity.suffix.clone_from(&columns);
    }
}

fn foreign_keys(rows: &[MySqlRow], page: Option<&HashMap<&str, &str>>, all: &mut Vec<ForeignKey>) {
    for row in rows {
        let (Some(table), Some(name), Some(column)) = (text(row, 0), text(row, 1), text(row, 2)) else { continue };
        if page.is_some_and(|page| !page.contains_key(table.as_str())) {
            continue;
        }
        let (Some(references), Some(referenced)) = (text(row, 3), text(row, 4)) else { continue };
        match all.last_mut() {
            Some(last) if last.table == table && last.name == name => {
                last.columns.push((column, None));
                last.referenced.push(referenced);
            }
            _ => all.push(ForeignKey {
                name,
                table,
                columns: vec![(column, None)],
                references,
                referenced: vec![referenced],
            }),
        }
    }
}
