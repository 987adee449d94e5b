//! Indexes of a SQLite file, from its schema.
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use perfdeck_model::{IndexIdentity, IndexKey, IndexOrigin, Proof, Scheme};
use perfdeck_sqltext::{Dialect, without_literals};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::MOST_INDEXES;
use super::facts::{Compared, Counted, ForeignKey, Index, IndexDone, IndexReading, TableFacts, Usual};
use super::rules::{self, alike, not_null_of};
use super::sqlite_text::{Tokens, alone, parts};
use crate::sizes::limit_time;

/// Columns of the indexes of all tables, one a row: index, table, who made it, unique, partial; column (`NULL` for an expression
/// and for the row number), descending, collation, whether it is a key.
const INDEXES: &str = "
    SELECT i.*, x.name, x.desc, x.coll, x.key
    FROM (SELECT il.name, m.name AS \"table\", il.origin, il.\"unique\", il.partial
          FROM sqlite_schema m, pragma_index_list(m.name) il
          WHERE m.type = 'table' ORDER BY m.name, il.name LIMIT $MOST) i, pragma_index_xinfo(i.name) x
    ORDER BY i.\"table\", i.name, x.seqno";

/// The statements of the indexes. Looking for each of them would read the whole schema again.
const STATEMENTS: &str = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";

/// Tables, with the column that is the row number itself, the only one of a primary key that has no index; and what statements can call the
/// row number where no column is called so.
const TABLES: &str = "
    SELECT m.name, CASE WHEN NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) l WHERE l.origin = 'pk') THEN
        (SELECT CASE WHEN count(*) = 1 AND upper(max(p.type)) = 'INTEGER' THEN max(p.name) END
         FROM pragma_table_info(m.name) p WHERE p.pk > 0) END,
        (SELECT v.n FROM (SELECT 'rowid' AS n UNION ALL SELECT '_rowid_' UNION ALL SELECT 'oid') v
         WHERE v.n NOT IN (SELECT lower(p.name) FROM pragma_table_xinfo(m.name) p) LIMIT 1)
    FROM sqlite_schema m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name";

/// Foreign keys, a column a row: table, number, the table that it refers to, column, column there.
const FOREIGN_KEYS: &str = "
    SELECT m.name, f.id, f.\"table\", f.\"from\", f.\"to\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq";

/// An index that another one of its table repeats, so that it can be dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedIndex {
    /// Its name.
    pub index: String,
    /// An index with the same keys.
    pub repeats: String,
    /// Their table.
    pub table: String,
    /// Its columns and expressions, as a person would list them.
    pub keys: String,
    /// What stands behind it as a finding.
    pub proof: Proof,
}

/// The indexes of all tables, by table and name, and the tables.
pub(crate) async fn catalogue(c: &mut SqliteConnection) -> Result<IndexReading, sqlx::Error> {
    let mut reading = IndexReading::of(Scheme::Sqlite);
    let mut numbers: HashMap<String, String> = HashMap::new();
    for row in sqlx::query(TABLES).fetch_all(&mut *c).await? {
        let facts = TableFacts { row_number: row.try_get(1)?, ..TableFacts::default() };
        let number = facts.row_number.clone().or(row.try_get(2)?);
        numbers.extend(number.map(|number| Ok::<_, sqlx::Error>((row.try_get(0)?, number))).transpose()?);
        reading.tables.insert(row.try_get(0)?, facts);
    }
    let text = INDEXES.replace("$MOST", &(MOST_INDEXES + 1).to_string());
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut *c).await?;
    let mut statements: HashMap<String, String> = HashMap::new();
    for row in sqlx::query(STATEMENTS).fetch_all(c).await? {
        statements.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let name = |row: &SqliteRow| row.try_get::<String, _>(0);
    let mut made = 0;
    for own in rows.chunk_by(|a, b| matches!((name(a), name(b)), (Ok(a), Ok(b)) if a == b)) {
        let Some(first) = own.first() else { continue };
        let number = numbers.get(first.try_get::<&str, _>(1)?).cloned();
        made += 1;
        let sql = statements.remove(first.try_get::<&str, _>(0)?);
        reading.indexes.push(index(first, own, number, sql, made)?);
    }
    if reading.indexes.len() > MOST_INDEXES {
        reading.indexes.truncate(MOST_INDEXES);
        reading.indexes_left_out = None;
        reading.missing.push(format!("Only {MOST_INDEXES} indexes are looked at; there are more"));
    }
    Ok(reading)
}

/// One index of its rows.
fn index(
    first: &SqliteRow,
    own: &[SqliteRow],
    number: Option<String>,
    sql: Option<String>,
    made: i64,
) -> Result<Index, sqlx::Error> {
    let (mut keys, mut suffix) = (Vec::new(), Vec::new());
    for row in own {
        let column: Option<String> = row.try_get(5)?;
        if row.try_get::<i64, _>(8)? == 0 {
            // The row number, which has no name here.
            suffix.extend(column.or_else(|| number.clone()));
            continue;
        }
        let collation: Option<String> = row.try_get(7)?;
        keys.push(IndexKey {
            column,
            descending: row.try_get::<i64, _>(6)? != 0,
            // SQLite finds collations without regard to case.
            collation: collation.map(|name| name.to_ascii_lowercase()),
            ..IndexKey::default()
        });
    }
    let partial = first.try_get::<i64, _>(4)? != 0;
    let written = written(&keys, partial, sql.as_deref());
    let understood = written.is_some();
    let (expressions, condition) = written.unwrap_or_default();
    let shown = |text: &str| without_literals(text, Dialect::Sqlite);
    for (key, text) in keys.iter_mut().zip(&expressions) {
        key.expression = text.as_deref().map(shown);
    }
    let predicate = condition.as_deref().map(predicate);
    let origin: String = first.try_get(2)?;
    let identity = IndexIdentity {
        name: first.try_get(0)?,
        table: first.try_get(1)?,
        method: "btree".to_owned(),
        keys,
        suffix,
        partial,
        predicate: condition.map(|tokens| shown(&tokens.join(" "))),
        unique: first.try_get::<i64, _>(3)? != 0,
        primary: origin == "pk",
        origin: match origin.as_str() {
            "c" => IndexOrigin::Created,
            "pk" => IndexOrigin::PrimaryKey,
            _ => IndexOrigin::Constraint,
        },
        valid: true,
        maintained: true,
        visible: true,
        ..IndexIdentity::default()
    };
    let usual = usual(identity.keys.len(), sql.as_deref());
    let compared = Compared {
        expressions,
        predicate,
        understood,
        immediate: true,
        made,
        definition: sql,
        usual,
        ..Compared::default()
    };
    Ok(Index { identity, done: IndexDone::default(), compared })
}

/// Whether each key is compared as its column is: it names no collation of its own.
fn usual(count: usize, sql: Option<&str>) -> Vec<Usual> {
    let written = sql.and_then(parts).map(|(keys, _)| keys).filter(|keys| keys.len() == count);
    let own = |at: usize| written.as_ref().is_some_and(|keys| keys[at].iter().any(|word| word == "collate"));
    (0..count).map(|at| Usual { class: true, collation: !own(at) }).collect()
}

/// An expression in the form in which those of indexes are compared; `None` where it is not understood.
pub(crate) fn comparable_expression(sql: &str) -> Option<String> {
    alone(sql).map(|tokens| tokens.join(" "))
}

/// A condition likewise.
pub(crate) fn comparable_condition(sql: &str) -> Option<String> {
    alone(sql).map(|tokens| predicate(&tokens))
}

/// A condition in comparable form.
fn predicate(tokens: &[String]) -> String {
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match words.as_slice() {
        [column, "is", "not", "null"] | [column, "notnull"] | [column, "not", "null"] => not_null_of(column),
        _ => tokens.join(" "),
    }
}

/// What only the statement of an index tells: its expressions, each in its place, and its condition. `None` where that is not
/// understood. A constraint has no statement, and nothing that only a statement could tell.
fn written(keys: &[IndexKey], partial: bool, sql: Option<&str>) -> Option<(Vec<Option<String>>, Option<Tokens>)> {
    if !partial && keys.iter().all(|key| key.column.is_some()) {
        return Some((vec![None; keys.len()], None));
    }
    let (written, condition) = parts(sql?)?;
    if written.len() != keys.len() || condition.is_some() != partial {
        return None;
    }
    let of = |(key, tokens): (&IndexKey, Tokens)| key.column.is_none().then(|| tokens.join(" "));
    Some((keys.iter().zip(written).map(of).collect(), condition))
}

/// All that a file tells of its indexes.
pub(super) async fn read(c: &mut SqliteConnection, end: Instant) -> Result<IndexReading, sqlx::Error> {
    // A statement would go on when nobody waits for it any more.
    limit_time(c, Some(end)).await?;
    let mut reading = catalogue(c).await?;
    let why = "SQLite keeps no account of what its indexes are used for".to_owned();
    reading.counted = Counted::Not { why, fix: None };
    foreign_keys(c, &mut reading).await?;
    analyzed(c, &mut reading).await?;
    Ok(reading)
}

async fn foreign_keys(c: &mut SqliteConnection, reading: &mut IndexReading) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(FOREIGN_KEYS).fetch_all(c).await?;
    let number = |row: &SqliteRow| Some((row.try_get::<String, _>(0).ok()?, row.try_get::<i64, _>(1).ok()?));
    let of = alike::by_table(reading);
    // SQLite finds tables and columns without regard to case.
    let names: HashMap<String, &String> = reading.tables.keys().map(|name| (name.to_ascii_lowercase(), name)).collect();
    let mut keys = Vec::new();
    for own in rows.chunk_by(|a, b| number(a) == number(b)) {
        let Some(first) = own.first() else { continue };
        let (table, references): (String, String) = (first.try_get(0)?, first.try_get(2)?);
        let references = names.get(&references.to_ascii_lowercase()).map_or(references, |name| (*name).clone());
        let indexes = |name: &str| of.get(name).map(Vec::as_slice).unwrap_or_default();
        let to = own.iter().map(|row| row.try_get::<Option<String>, _>(4)).collect::<Result<Vec<_>, _>>()?;
        let from = own.iter().map(|row| row.try_get::<String, _>(3)).collect::<Result<Vec<_>, _>>()?;
        let number = reading.tables.get(&references).and_then(|t| t.row_number.clone());
        let key = || number.map_or_else(|| primary_key(indexes(&references)), |name| vec![name]);
        let referenced = to.into_iter().collect::<Option<Vec<_>>>().unwrap_or_else(key);
        let collations = compared_by(indexes(&references), &referenced);
        let name = from.join(", ");
        let columns = from.into_iter().map(|name| column_of(indexes(&table), name)).zip(collations).collect();
        keys.push(ForeignKey { name, table, columns, references, referenced });
    }
    reading.foreign_keys = keys;
    Ok(())
}

/// A column as the indexes of its table write it.
fn column_of(own: &[&Index], name: String) -> String {
    let mut columns = own.iter().flat_map(|i| i.identity.keys.iter().filter_map(|key| key.column.as_ref()));
    columns.find(|column| column.eq_ignore_ascii_case(&name)).cloned().unwrap_or(name)
}

fn primary_key(own: &[&Index]) -> Vec<String> {
    let of = own.iter().find(|i| i.identity.primary);
    of.map(|i| i.identity.keys.iter().filter_map(|key| key.column.clone()).collect()).unwrap_or_default()
}

/// By which collations the columns of a foreign key are compared: those of the columns that it refers to.
fn compared_by(own: &[&Index], columns: &[String]) -> Vec<Option<String>> {
    let named = |i: &&&Index| {
        let keys = &i.identity.keys;
        let has = |name: &String| keys.iter().any(|k| k.column.as_ref().is_some_and(|c| c.eq_ignore_ascii_case(name)));
        keys.len() == columns.len() && columns.iter().all(has)
    };
    let of = own.iter().filter(|i| i.identity.unique && !i.identity.partial).find(named);
    let collation = |name: &String| {
        let key = of?.identity.keys.iter().find(|k| k.column.as_ref().is_some_and(|c| c.eq_ignore_ascii_case(name)))?;
        key.collation.clone()
    };
    columns.iter().map(collation).chain(std::iter::repeat(None)).take(columns.len().max(1)).collect()
}

/// Of which tables and indexes ANALYZE made statistics.
async fn analyzed(c: &mut SqliteConnection, reading: &mut IndexReading) -> Result<(), sqlx::Error> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    let there: i64 = sqlx::query_scalar(there).fetch_one(&mut *c).await?;
    let (mut tables, mut indexes) = (BTreeSet::new(), BTreeSet::new());
    if there > 0 {
        for row in sqlx::query("SELECT tbl, idx FROM sqlite_stat1").fetch_all(c).await? {
            tables.insert(row.try_get::<String, _>(0)?);
            indexes.extend(row.try_get::<Option<String>, _>(1)?);
        }
    }
    // Nothing is to be chosen where there is no index.
    let with: BTreeSet<&str> = reading.indexes.iter().map(|i| i.identity.table.as_str()).collect();
    for (name, facts) in &mut reading.tables {
        facts.never_analyzed = with.contains(name.as_str()) && !tables.contains(name);
    }
    for index in &mut reading.indexes {
        // The primary key of a table without row numbers is named as its table there.
        let known = indexes.contains(&index.identity.name) || index.identity.origin != IndexOrigin::Created;
        index.done.never_analyzed = tables.contains(&index.identity.table) && !known;
    }
    Ok(())
}

/// Indexes that another one repeats, by table and name: the same keys in the same order, of which the one that enforces something
/// stays, and then the first by name.
///
/// # Errors
/// When the file cannot be read.
pub async fn repeated_indexes(c: &mut SqliteConnection) -> Result<Vec<RepeatedIndex>, sqlx::Error> {
    let reading = catalogue(c).await?;
    let repeated = alike::advised(&reading).into_iter().filter_map(|advice| {
        let twin = advice.twin?;
        Some(RepeatedIndex {
            index: advice.index.identity.name.clone(),
            repeats: twin.identity.name.clone(),
            table: advice.index.identity.table.clone(),
            keys: advice.index.listed(),
            proof: rules::proof_of_advice(Scheme::Sqlite, &advice),
        })
    });
    Ok(repeated.collect())
}
