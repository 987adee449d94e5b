//! Sizes of tables and indexes, how they are read and when they were tidied; how much of them is bloat.
mod measured;
mod mysql;
mod pages;
mod partial;
mod postgres;
mod postgres_bloat;
mod sqlite;

use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, DatabaseSizes, IndexSize, Sensitive, SizeTold, TableSize};

use crate::connect::{Database, close, connect, stalled};
use crate::error::explain;
use crate::own;

pub use measured::{index_bloat, measure_bloat};
pub(crate) use sqlite::limit_time;

/// Longest time of all of it.
const DEADLINE: Duration = Duration::from_secs(8);
/// Time from the begin after which no more sizes are measured, and after which no more bloat is estimated.
const MEASURING: Duration = Duration::from_millis(2_500);
const ESTIMATING: Duration = Duration::from_millis(4_300);
/// Tables that are told at most.
pub const MOST_TABLES: u32 = 10_000;
/// Indexes that are told at most, all tables together.
const MOST_INDEXES: usize = 40_000;

/// When reading began.
#[derive(Clone, Copy)]
struct Budget(Instant);

impl Budget {
    /// Whether so much time has passed that what only makes figures better is no longer asked.
    fn is_over(self, limit: Duration) -> bool {
        self.0.elapsed() > limit
    }
}

/// Sizes of the database's `limit` largest tables and of their indexes, at most [`MOST_TABLES`]; what is left out is counted.
///
/// PostgreSQL's catalogue is read first, which waits for nobody; then the exact sizes of what nobody locks, as far as 2.5 s
/// go, and the bloat, as far as 4.3 s go; of more than 400 tables over two connections, where there is another one. On MySQL and MariaDB they are InnoDB's own statistics and the lengths of its files, on SQLite the pages of the file.
///
/// # Errors
/// When the database cannot be reached, refuses, or does not answer within 8 s.
pub async fn sizes(address: &Address, password: Option<&Sensitive>, limit: u32) -> Result<DatabaseSizes, ApiError> {
    let mut database = connect(address, password, DEADLINE).await?;
    let limit = limit.clamp(1, MOST_TABLES);
    let budget = Budget(Instant::now());
    if matches!(database, Database::Postgres(_)) {
        own::add(address, 1.0, 1);
    }
    let work = async {
        match &mut database {
            Database::Postgres(c) => postgres::sizes(c, (address, password), limit, budget).await,
            Database::Mysql(c) => mysql::sizes(c, address, limit).await,
            Database::Sqlite(c) => sqlite::sizes(c, limit).await,
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, work).await;
    let stalled = stalled(address, &database, DEADLINE);
    close(database).await;
    match outcome {
        Ok(outcome) => outcome.map_err(|e| explain(address, &e)).map(bounded),
        Err(_) => Err(stalled),
    }
}

/// A sum of which no part is unknown.
fn sum(parts: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    parts.into_iter().try_fold(0.0, |sum, part| part.map(|part| sum + part))
}

fn larger(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

/// Largest first, and no more indexes than are told.
fn bounded(mut found: DatabaseSizes) -> DatabaseSizes {
    found.tables.sort_by(|a: &TableSize, b| larger(a.bytes, b.bytes).then_with(|| a.name.cmp(&b.name)));
    let mut left = MOST_INDEXES;
    for table in &mut found.tables {
        table.indexes.sort_by(|a: &IndexSize, b| larger(a.bytes, b.bytes).then_with(|| a.name.cmp(&b.name)));
        let out = table.indexes.len().saturating_sub(left);
        table.indexes.truncate(left);
        left -= table.indexes.len();
        found.indexes_left_out = found.indexes_left_out.saturating_add(u32::try_from(out).unwrap_or(u32::MAX));
    }
    found
}

/// A sentence about sizes that are not measured, where there are some.
fn not_measured(found: &DatabaseSizes, told: SizeTold, words: [&str; 2]) -> Option<String> {
    match found.tables.iter().filter(|t| t.told == told).count() {
        0 => None,
        1 => Some(format!("1 table {}", words[0])),
        n => Some(format!("{} tables {}", perfdeck_words::count(n as i64), words[1])),
    }
}
