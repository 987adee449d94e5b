//! Indexes of PostgreSQL, from its catalogue and its counters.
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use perfdeck_model::{Address, Scheme};
use perfdeck_sqltext::{Dialect, without_literals};
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{AssertSqlSafe, Executor, Row as _};

use super::MOST_INDEXES;
use super::facts::{Counted, ForeignKey, Index, IndexDone, IndexReading, TableFacts, Work};
use super::parts::sum_bytes;
use super::postgres_row::{Names, index};
use super::postgres_sql::{
    BUILDS, CLASSES, COLLATED, COLLATIONS, CONSTRAINTS, COUNT, FOREIGN_KEYS, INDEXES, LAST_SCAN, MAYBE_ALIKE, NULLS,
    OF_ONE_TABLE, OF_TABLE, OF_USERS, TABLES, TEXTS, WINDOW, WORKED_ON,
};
use crate::own;
use crate::session::Session;

/// Rows that one statement asks for: each is answered in far less than its limit.
const PAGE: usize = 2_000;
/// Indexes whose texts one statement asks for: making them takes longer than the rest.
const TEXTS_PAGE: usize = 500;
/// Time from the begin after which no more texts are asked for; without them everything is compared all the same.
const TEXTS_FOR: Duration = Duration::from_secs(4);
/// Foreign keys and tables that are read at most.
const MOST: usize = 40_000;

/// Which indexes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of users.
    All,
    /// Those that may be like another one, and those that are not valid, of the largest tables first and one page of them: what a
    /// look at a large catalogue has time for.
    MaybeAlike,
    /// Those of the table of the index with this number.
    TableOf(i64),
    /// Those of the table with this number.
    OfTable(i64),
}

/// Asks for rows. The text is one of ours with numbers in it.
async fn ask<'c, C>(c: C, text: String) -> Result<Vec<PgRow>, sqlx::Error>
where
    C: Executor<'c, Database = Postgres>,
{
    sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(c).await
}

/// A document of the server's.
pub(super) fn document<T: DeserializeOwned + Default>(row: &PgRow, at: usize) -> Result<T, sqlx::Error> {
    let text: Option<String> = row.try_get(at)?;
    text.map_or_else(|| Ok(T::default()), |text| serde_json::from_str(&text).map_err(|e| sqlx::Error::Decode(e.into())))
}

fn numbers(all: impl IntoIterator<Item = i64>) -> String {
    let list = all.into_iter().map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    // Nothing has this number.
    if list.is_empty() { "0".to_owned() } else { list }
}

/// Indexes by their catalogue, with how many statements that took; and whether there are more than are read.
pub(crate) async fn catalogue<C>(c: &mut C, version: u32, scope: Scope) -> Result<(Vec<Index>, bool, u32), sqlx::Error>
where
    for<'c> &'c mut C: Executor<'c, Database = Postgres>,
{
    let filter = match scope {
        Scope::All => OF_USERS.to_owned(),
        Scope::MaybeAlike => format!("{OF_USERS}{MAYBE_ALIKE}"),
        Scope::TableOf(oid) => OF_ONE_TABLE.replace("$OID", &oid.to_string()),
        Scope::OfTable(oid) => OF_TABLE.replace("$OID", &oid.to_string()),
    };
    let collated = if matches!(scope, Scope::TableOf(_) | Scope::OfTable(_)) { COLLATED } else { "NULL::text" };
    let columns = [NULLS[usize::from(version >= 150_000)], LAST_SCAN[usize::from(version >= 160_000)]].concat();
    let order = if scope == Scope::MaybeAlike { "i.indisvalid, t.relpages DESC, i.indrelid" } else { "i.indexrelid" };
    let text = INDEXES
        .replace("$ORDER", order)
        .replace("$VERSION", &columns)
        .replace("$COLLATED", collated)
        .replace("$FILTER", &filter)
        .replace("$PAGE", &PAGE.to_string());
    let (mut rows, mut after, mut asked): (Vec<PgRow>, i64, u32) = (Vec::new(), 0, 0);
    loop {
        let page = ask(&mut *c, text.replace("$AFTER", &after.to_string())).await?;
        asked += 1;
        let full = page.len() == PAGE;
        after = page.last().map_or(Ok(0), |row| row.try_get(0))?;
        rows.extend(page);
        if !full || rows.len() > MOST_INDEXES || scope == Scope::MaybeAlike {
            break;
        }
    }
    let more = rows.len() > MOST_INDEXES;
    rows.truncate(MOST_INDEXES);
    if rows.is_empty() {
        return Ok((Vec::new(), false, asked));
    }
    let names = names(c, &rows).await?;
    let mut all = rows.iter().map(|row| index(row, &names)).collect::<Result<Vec<Index>, _>>()?;
    asked += 2;
    for page in all.chunks_mut(PAGE) {
        let places: HashMap<i64, usize> = page.iter().enumerate().map(|(at, i)| (i.compared.oid, at)).collect();
        let text = CONSTRAINTS.replace("$OIDS", &numbers(places.keys().copied()));
        asked += 1;
        for row in ask(&mut *c, text).await? {
            let Some(of) = places.get(&row.try_get(0)?).and_then(|at| page.get_mut(*at)) else { continue };
            of.take_constraint(&row)?;
        }
    }
    let is_whole = match scope {
        Scope::All => !more,
        Scope::MaybeAlike => all.len() < PAGE,
        Scope::TableOf(_) | Scope::OfTable(_) => false,
    };
    sum_bytes(&mut all, is_whole);
    Ok((all, more, asked))
}

/// Names of operator classes, and of those collations that are used.
async fn names<C>(c: &mut C, rows: &[PgRow]) -> Result<Names, sqlx::Error>
where
    for<'c> &'c mut C: Executor<'c, Database = Postgres>,
{
    let mut names = Names::default();
    for row in ask(&mut *c, CLASSES.to_owned()).await? {
        names.classes.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
    }
    let mut used = BTreeSet::new();
    for row in rows {
        used.extend(row.try_get::<&str, _>(7)?.split(' ').filter_map(|n| n.parse::<i64>().ok()));
    }
    for row in ask(c, COLLATIONS.replace("$OIDS", &numbers(used))).await? {
        names.collations.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(names)
}

/// Marks what somebody works on; answers whether somebody hides what he builds, and how many statements that took.
pub(crate) async fn mark_work<C>(c: &mut C, all: &mut [Index]) -> Result<(bool, u32), sqlx::Error>
where
    for<'c> &'c mut C: Executor<'c, Database = Postgres>,
{
    if all.iter().all(|i| i.identity.valid) {
        return Ok((false, 0));
    }
    let (mut indexes, mut tables, mut hidden) = (HashSet::new(), HashSet::new(), false);
    for row in ask(&mut *c, BUILDS.to_owned()).await? {
        let (table, index): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let command = row.try_get::<Option<String>, _>(2)?.unwrap_or_default();
        hidden |= table.is_none();
        indexes.extend(index.filter(|oid| *oid != 0));
        // One that rebuilds a whole table makes all its new indexes first.
        if command.starts_with("REINDEX") || index == Some(0) {
            tables.extend(table);
        }
    }
    let mut held: HashSet<i64> = HashSet::new();
    for row in ask(c, WORKED_ON.to_owned()).await? {
        held.insert(row.try_get(0)?);
    }
    let mut told = false;
    for index in all.iter_mut().filter(|i| !i.identity.valid) {
        let (oid, table) = (index.compared.oid, index.compared.table);
        index.compared.work = if indexes.contains(&oid) || tables.contains(&table) || held.contains(&oid) {
            Work::Now
        } else if hidden && held.contains(&table) {
            told = true;
            Work::Hidden
        } else {
            Work::None
        };
    }
    Ok((told, 2))
}

/// All that a server tells of its indexes.
pub(super) async fn read(c: &mut Session, address: &Address, began: Instant) -> Result<IndexReading, sqlx::Error> {
    let version = c.server_version_num().unwrap_or(120_000);
    let mut reading = IndexReading::of(Scheme::Postgres);
    let (all, more, mut asked) = catalogue(c, version, Scope::All).await?;
    reading.indexes = all;
    if more {
        reading.missing.push(format!("Only {MOST_INDEXES} indexes are looked at; there are more"));
        let rows = ask(&mut *c, COUNT.to_owned()).await?;
        let all: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        reading.indexes_left_out = u32::try_from(all).ok().map(|all| all.saturating_sub(MOST_INDEXES as u32));
        asked += 1;
    }
    let (hidden, statements) = mark_work(c, &mut reading.indexes).await?;
    asked += statements + 1;
    if hidden {
        reading.missing.push(
            "What others build is hidden from this user, so an index that is not valid may be in the making".to_owned(),
        );
        reading.grants.push(crate::hints::grant(address));
    }
    let tables = tables(c, &mut reading).await?;
    let keys = foreign_keys(c, version, &mut reading).await?;
    window(c, &mut reading).await?;
    let texts = texts(c, &mut reading, began).await?;
    own::add(address, f64::from(asked + tables + keys + texts), 0);
    Ok(reading)
}

async fn tables(c: &mut Session, reading: &mut IndexReading) -> Result<u32, sqlx::Error> {
    let (mut after, mut asked, mut read): (i64, u32, usize) = (0, 0, 0);
    loop {
        let text = TABLES.replace("$AFTER", &after.to_string()).replace("$PAGE", &PAGE.to_string());
        let rows = ask(&mut *c, text).await?;
        asked += 1;
        read += rows.len();
        for row in &rows {
            let n = |at: usize| row.try_get::<f64, _>(at);
            after = row.try_get(0)?;
            let (partitioned, sampled): (bool, f64) = (row.try_get(2)?, n(3)?);
            let (inserted, updated, deleted, hot) = (n(4)?, n(5)?, n(6)?, n(7)?);
            let facts = TableFacts {
                written_rows: Some(inserted + updated + deleted),
                // An update that stays on its page writes to no index.
                entries_written: Some(inserted + (updated - hot).max(0.0)),
                changed_rows: Some(deleted + updated),
                partitioned,
                part_of: row.try_get(8)?,
                // From 14 on; before, one that was never analyzed looks like one without rows.
                never_analyzed: partitioned && sampled < 0.0,
                ..TableFacts::default()
            };
            reading.tables.insert(row.try_get(1)?, facts);
        }
        if rows.len() < PAGE {
            return Ok(asked);
        }
        if read >= MOST {
            reading.missing.push(format!("Only {MOST} tables are looked at; there are more"));
            return Ok(asked);
        }
    }
}

async fn foreign_keys(c: &mut Session, version: u32, reading: &mut IndexReading) -> Result<u32, sqlx::Error> {
    let period = if version >= 180_000 { "AND NOT x.conperiod" } else { "" };
    let text = FOREIGN_KEYS.replace("$PERIOD", period).replace("$PAGE", &PAGE.to_string());
    let (mut after, mut asked): (i64, u32) = (0, 0);
    let mut collations: HashMap<i64, String> = HashMap::new();
    loop {
        let rows = ask(&mut *c, text.replace("$AFTER", &after.to_string())).await?;
        asked += 1;
        let mut read = Vec::with_capacity(rows.len());
        let mut unknown = BTreeSet::new();
        for row in &rows {
            after = row.try_get(0)?;
            let columns: Vec<(String, i64)> = document(row, 4)?;
            unknown
                .extend(columns.iter().map(|(_, oid)| *oid).filter(|oid| *oid != 0 && !collations.contains_key(oid)));
            read.push((row, columns));
        }
        if !unknown.is_empty() {
            asked += 1;
            for row in ask(&mut *c, COLLATIONS.replace("$OIDS", &numbers(unknown))).await? {
                collations.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        for (row, columns) in read {
            reading.foreign_keys.push(ForeignKey {
                name: row.try_get(1)?,
                table: row.try_get(2)?,
                references: row.try_get(3)?,
                columns: columns.into_iter().map(|(name, oid)| (name, collations.get(&oid).cloned())).collect(),
                referenced: document(row, 5)?,
            });
        }
        if rows.len() < PAGE {
            return Ok(asked);
        }
        if reading.foreign_keys.len() >= MOST {
            reading.missing.push(format!("Only {MOST} foreign keys are looked at; there are more"));
            return Ok(asked);
        }
    }
}

async fn window(c: &mut Session, reading: &mut IndexReading) -> Result<(), sqlx::Error> {
    let rows = ask(c, WINDOW.to_owned()).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let seconds: f64 = row.try_get(0)?;
    reading.counted_since_ms = Some(row.try_get(1)?);
    reading.standby = row.try_get(2)?;
    reading.standbys = u32::try_from(row.try_get::<i64, _>(3)?).ok();
    reading.counted = if row.try_get(4)? {
        Counted::For(seconds.max(0.0))
    } else {
        let fix = Some("ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();".to_owned());
        Counted::Not { why: "The server counts nothing: track_counts is off".to_owned(), fix }
    };
    Ok(())
}

/// Texts of expressions and conditions of what nobody locks, as far as time goes.
async fn texts(c: &mut Session, reading: &mut IndexReading, began: Instant) -> Result<u32, sqlx::Error> {
    let has = |i: &Index| i.identity.partial || i.compared.expressions.iter().any(Option::is_some);
    if !reading.indexes.iter().any(has) {
        return Ok(0);
    }
    let mut locked: HashSet<i64> = HashSet::new();
    for row in ask(&mut *c, WORKED_ON.to_owned()).await? {
        if row.try_get(1)? {
            locked.insert(row.try_get(0)?);
        }
    }
    let free = |i: &&mut Index| has(i) && !locked.contains(&i.compared.oid) && !locked.contains(&i.compared.table);
    let mut wanted: Vec<&mut Index> = reading.indexes.iter_mut().filter(free).collect();
    let (mut asked, mut left) = (1, 0);
    for page in wanted.chunks_mut(TEXTS_PAGE) {
        if began.elapsed() > TEXTS_FOR {
            left += page.len();
            continue;
        }
        asked += 1;
        let text = TEXTS.replace("$OIDS", &numbers(page.iter().map(|i| i.compared.oid)));
        match ask(&mut *c, text).await {
            Ok(rows) => take_texts(page, &rows)?,
            // Somebody locked one of them in between, or the server was too busy.
            Err(sqlx::Error::Database(e)) if matches!(e.code().as_deref(), Some("55P03" | "57014")) => {
                left += page.len();
            }
            Err(error) => return Err(error),
        }
    }
    if left > 0 {
        let n = perfdeck_words::count(left as i64);
        reading.missing.push(format!(
            "Expressions and conditions of {n} indexes are compared, and not shown: there was no time, or a lock"
        ));
    }
    Ok(asked)
}

fn take_texts(page: &mut [&mut Index], rows: &[PgRow]) -> Result<(), sqlx::Error> {
    let mut found: HashMap<i64, (Vec<Option<String>>, Option<String>)> = HashMap::new();
    for row in rows {
        found.insert(row.try_get(0)?, (document(row, 1)?, row.try_get(2)?));
    }
    let shown = |text: String| without_literals(&text, Dialect::Postgres);
    for index in page {
        let Some((keys, predicate)) = found.remove(&index.compared.oid) else { continue };
        for (key, text) in index.identity.keys.iter_mut().zip(keys) {
            key.expression = text.map(shown);
        }
        index.identity.predicate = predicate.map(shown);
    }
    Ok(())
}

impl IndexDone {
    pub(super) fn counted(bytes: f64, scans: f64, rows_read: f64, idle_s: Option<f64>) -> Self {
        Self { bytes: Some(bytes), scans: Some(scans), rows_read: Some(rows_read), idle_s, ..Self::default() }
    }
}
