//! Indexes: what each one is, what it has done, and what is found about them.
//!
//! A reading is facts in words that all engines share ([`facts`]); the rules over it are pure ([`rules`]). Whoever compares two
//! indexes does it by [`rules::alike`]: the look of the collector, the change that drops one, and the list of findings.
mod facts;
mod mysql;
mod mysql_usage;
mod parts;
mod postgres;
mod postgres_row;
mod postgres_sql;
mod postgres_tree;
pub(crate) mod rules;
mod sqlite;
mod sqlite_text;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, BloatUnknown, Clock, DatabaseIndexes, DatabaseSizes, ErrorCode, IndexFinding, IndexFindingKind,
    IndexSize, Scheme, Sensitive, masking,
};

use crate::connect::{Database, close, connect, stalled};
use crate::error::explain;
use crate::hints::again;
use crate::{own, sizes};

pub(crate) use facts::{Compared, Index, Work};
pub use facts::{Counted, ForeignKey, IndexDone, IndexReading, TableFacts};
pub(crate) use mysql::{Table as MysqlTable, catalogue as mysql_catalogue, table as mysql_table, uses as mysql_uses};
pub(crate) use postgres::{Scope, catalogue as postgres_catalogue, mark_work};
pub use rules::{Found, findings};
pub use sqlite::{RepeatedIndex, repeated_indexes};
pub(crate) use sqlite::{catalogue as sqlite_catalogue, comparable_condition, comparable_expression};
pub(crate) use sqlite_text::same_statement;

/// Indexes that are looked at, at most.
pub const MOST_INDEXES: usize = 40_000;
/// Longest time of a reading, with the sizes that are read beside it.
const DEADLINE: Duration = Duration::from_secs(9);

/// Which findings are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFilter {
    /// Their kinds; all where there are none.
    pub kinds: Vec<IndexFindingKind>,
    /// Their table, with or without its schema.
    pub table: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// Whether a table is called so, with or without its schema.
fn is_called(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
        || name.to_ascii_lowercase().ends_with(&format!(".{}", wanted.to_ascii_lowercase()))
}

impl IndexFilter {
    fn takes(&self, finding: &IndexFinding) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.contains(&finding.kind);
        kind && self.table.as_ref().is_none_or(|wanted| is_called(&finding.table, wanted))
    }

    /// Refuses a table that is not there, as far as all tables were looked at.
    fn is_there(&self, reading: &IndexReading) -> Result<(), ApiError> {
        let Some(wanted) = &self.table else { return Ok(()) };
        let of_indexes = reading.indexes.iter().map(|i| &i.identity.table);
        let known = reading.tables.keys().chain(of_indexes).any(|name| is_called(name, wanted));
        if known || reading.indexes_left_out != Some(0) || reading.missing.iter().any(|m| m.starts_with("Only ")) {
            return Ok(());
        }
        Err(ApiError::not_found(format!(
            "There is no table '{}', or this user does not see it",
            masking::shown(wanted)
        ))
        .hint("Write it as findings do, with its schema or without"))
    }
}

/// Everything about the indexes of a database at one moment: at most [`MOST_INDEXES`], read in pages, no statement above 1.5 s. It
/// takes no lock and waits for none, works through poolers and on a standby.
///
/// # Errors
/// When the database cannot be reached, refuses, or does not answer within 9 s.
pub async fn read(address: &Address, password: Option<&Sensitive>) -> Result<IndexReading, ApiError> {
    let began = Instant::now();
    let sizes = sizes::sizes(address, password, sizes::MOST_TABLES);
    let (mut reading, sizes) = if address.scheme == Scheme::Postgres {
        let (reading, sizes) = tokio::join!(catalogue(address, password), sizes);
        (reading?, sizes)
    } else {
        // Both open every table there, which takes longer at the same time than one after the other.
        let reading = catalogue(address, password).await?;
        let left = DEADLINE.saturating_sub(began.elapsed());
        let late = |_| again(ErrorCode::Timeout, "there was no time left for them".to_owned());
        (reading, tokio::time::timeout(left, sizes).await.map_err(late).and_then(|told| told))
    };
    match sizes {
        Ok(sizes) => take_sizes(&mut reading, sizes),
        Err(error) => reading.missing.push(format!("Sizes and bloat could not be read: {}", error.message)),
    }
    Ok(reading)
}

async fn catalogue(address: &Address, password: Option<&Sensitive>) -> Result<IndexReading, ApiError> {
    let began = Instant::now();
    let mut database = connect(address, password, DEADLINE).await?;
    if matches!(database, Database::Postgres(_)) {
        own::add(address, 1.0, 1);
    }
    let work = async {
        match &mut database {
            Database::Postgres(c) => postgres::read(c, address, began).await,
            Database::Mysql(c) => mysql::read(c, address, began).await,
            Database::Sqlite(c) => sqlite::read(c, began + DEADLINE).await,
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    let stalled = stalled(address, &database, DEADLINE);
    close(database).await;
    match outcome {
        Ok(outcome) => outcome.map_err(|e| explain(address, &e)),
        Err(_) => Err(stalled),
    }
}

/// What the sizes tell of tables and indexes.
fn take_sizes(reading: &mut IndexReading, sizes: DatabaseSizes) {
    reading.missing.extend(sizes.missing);
    for grant in sizes.grants {
        if !reading.grants.contains(&grant) {
            reading.grants.push(grant);
        }
    }
    let mut indexes: HashMap<(String, String), IndexSize> = HashMap::new();
    for table in sizes.tables {
        if let Some(facts) = reading.tables.get_mut(&table.name) {
            facts.rows = table.rows;
            facts.scan_rows = facts.scan_rows.or(table.scan_rows);
            facts.never_analyzed |= table.bloat_unknown == Some(BloatUnknown::NotAnalyzed);
        }
        indexes.extend(table.indexes.into_iter().map(|index| ((table.name.clone(), index.name.clone()), index)));
    }
    let asked = reading.scheme == Scheme::Postgres;
    for index in &mut reading.indexes {
        let key = (index.identity.table.clone(), index.identity.name.clone());
        let Some(size) = indexes.remove(&key) else { continue };
        index.done.bytes = size.bytes.or(index.done.bytes);
        (index.done.bloat, index.done.bloat_unknown) = (size.bloat, size.bloat_unknown);
        // Those of a column are its table's; those of an expression are its own.
        let own = index.identity.keys.iter().all(|key| key.column.is_none());
        index.done.never_analyzed |= asked && own && size.bloat_unknown == Some(BloatUnknown::NoStatistics);
    }
    parts::sum_bytes(&mut reading.indexes, reading.indexes_left_out == Some(0));
}

/// Findings about the indexes of a database, by rank. `others` are readings of standbys of it: what they read counts too.
///
/// # Errors
/// As [`read`].
pub async fn indexes(
    address: &Address,
    password: Option<&Sensitive>,
    others: &[IndexReading],
    filter: &IndexFilter,
    clock: &dyn Clock,
) -> Result<DatabaseIndexes, ApiError> {
    let began = Instant::now();
    let reading = read(address, password).await?;
    filter.is_there(&reading)?;
    let Found { findings, unused } = findings(&reading, others);
    let mut findings: Vec<IndexFinding> = findings.into_iter().filter(|f| filter.takes(f)).collect();
    let left = findings.len().saturating_sub(filter.limit);
    findings.truncate(filter.limit);
    let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(DatabaseIndexes {
        at_ms: clock.now_ms(),
        findings,
        findings_left_out: whole(left),
        unused,
        indexes: whole(reading.indexes.len()),
        indexes_left_out: reading.indexes_left_out,
        tables: whole(reading.tables.len()),
        plans_followed: 0,
        counted_since_ms: reading.counted_since_ms,
        missing: reading.missing,
        grants: reading.grants,
        took_s: began.elapsed().as_secs_f64(),
    })
}
