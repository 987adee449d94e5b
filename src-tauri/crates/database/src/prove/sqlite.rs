//! Both arms of a SQLite file: two copies, the index dropped in one of them.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use perfdeck_model::{Address, ApiError};
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Row as _, ValueRef as _};

use super::copies::Copies;
use super::rows::{RowSum, Rows};
use super::{ArmLook, Pair, ProofPlace, ProvenIndex, Trouble, gone};
use crate::error::explain;
use crate::options::sqlite_options;

/// Longest time of one copy.
const COPYING: Duration = Duration::from_secs(60);
/// Longest time of gathering statistics of a copy.
const ANALYZING: Duration = Duration::from_secs(20);
/// Instructions between two looks at the clock.
const STEPS: i32 = 20_000;

/// Ends what runs on the copies.
#[derive(Clone)]
pub struct Stop {
    stopped: Arc<AtomicBool>,
    /// Milliseconds since `base` at which a run ends.
    end_ms: Arc<AtomicU64>,
    base: Instant,
}

impl Stop {
    fn new() -> Self {
        Self { stopped: Arc::default(), end_ms: Arc::default(), base: Instant::now() }
    }

    /// Ends it, and whatever is run after it.
    pub(super) fn now(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// From now on a run has so much time.
    fn within(&self, limit: Duration) {
        let end = (self.base.elapsed() + limit).as_millis();
        self.end_ms.store(u64::try_from(end).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.base.elapsed().as_millis() < self.end_ms.load(Ordering::Relaxed).into()
    }

    async fn watch(&self, c: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let own = self.clone();
        c.lock_handle().await?.set_progress_handler(STEPS, move || own.goes_on());
        Ok(())
    }
}

pub(super) struct Arms {
    with: SqliteConnection,
    without: SqliteConnection,
    stop: Stop,
    longest: Duration,
    address: Address,
    name: String,
    /// Gone with this, after the connections.
    _copies: Copies,
}

async fn opened(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new().filename(path).create_if_missing(false).disable_statement_logging().connect().await
}

impl Arms {
    pub(super) async fn open(address: &Address, index: &ProvenIndex, place: &ProofPlace) -> Result<Self, ApiError> {
        let failed = |e: sqlx::Error| explain(address, &e);
        let stop = Stop::new();
        let options =
            sqlite_options(address).read_only(true).create_if_missing(false).busy_timeout(Duration::from_secs(2));
        let mut file = options.connect().await.map_err(failed)?;
        let bytes: i64 = sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut file)
            .await
            .map_err(failed)?;
        let sql =
            "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = ? COLLATE NOCASE AND sql IS NOT NULL";
        let there: i64 = sqlx::query_scalar(sql).bind(&index.name).fetch_one(&mut file).await.map_err(failed)?;
        if there == 0 {
            return Err(gone(index));
        }
        let copies = Copies::make(&place.folder, bytes as f64)?;
        let (first, second) = (copies.path("with")?, copies.path("without")?);
        stop.within(COPYING);
        stop.watch(&mut file).await.map_err(failed)?;
        let into = format!("VACUUM INTO {}", quote_text(&first.to_string_lossy(), Dialect::Sqlite));
        let copied = sqlx::raw_sql(AssertSqlSafe(into)).execute(&mut file).await;
        let _ = file.close().await;
        copied.map_err(failed)?;
        let (from, to) = (first.clone(), second.clone());
        let copied = tokio::task::spawn_blocking(move || std::fs::copy(from, to)).await;
        copied.map_err(|e| ApiError::internal(e.to_string()))?.map_err(|e| ApiError::internal(e.to_string()))?;
        let (mut with, mut without) = (opened(&first).await.map_err(failed)?, opened(&second).await.map_err(failed)?);
        stop.watch(&mut with).await.map_err(failed)?;
        stop.watch(&mut without).await.map_err(failed)?;
        stop.within(COPYING);
        let drop = format!("DROP INDEX {}", quote_identifier(&index.name, Dialect::Sqlite));
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut without).await.map_err(failed)?;
        Ok(Self {
            with,
            without,
            stop,
            longest: place.longest,
            address: address.clone(),
            name: index.name.clone(),
            _copies: copies,
        })
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    fn connection(&mut self, with: bool) -> &mut SqliteConnection {
        self.stop.within(self.longest);
        if with { &mut self.with } else { &mut self.without }
    }

    /// Nothing reaches beyond the copies.
    pub(super) async fn check(&mut self, _: &str) -> Result<(), Trouble> {
        Ok(())
    }

    /// Refuses what SQLite does not take for a statement, without running it.
    pub(super) async fn parse(&mut self, text: &str) -> Result<(), Trouble> {
        self.fetched(&format!("EXPLAIN {text}"), true, |_| {}).await.map(drop)
    }

    pub(super) async fn prepare(&mut self, _: usize, _: &Pair) -> Result<(), Trouble> {
        Ok(())
    }

    pub(super) async fn enter(&mut self, _: usize, pair: &Pair, with: bool) -> Result<(), Trouble> {
        let text = if pair.writes { "BEGIN IMMEDIATE; SAVEPOINT perfdeck" } else { "BEGIN" };
        self.tell(text, with).await
    }

    pub(super) async fn leave(&mut self, _: &Pair, with: bool) -> Result<(), Trouble> {
        self.tell("ROLLBACK", with).await
    }

    async fn tell(&mut self, text: &'static str, with: bool) -> Result<(), Trouble> {
        let done = sqlx::raw_sql(text).execute(self.connection(with)).await;
        done.map(drop).map_err(|e| self.trouble(&e))
    }

    async fn fetched(&mut self, text: &str, with: bool, mut row: impl FnMut(&SqliteRow)) -> Result<u64, Trouble> {
        let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        let c = self.connection(with);
        let outcome = async {
            let mut all = sqlx::Executor::fetch_many(c, text);
            let mut count = 0;
            while let Some(part) = all.try_next().await? {
                match part {
                    Either::Left(done) => count = done.rows_affected(),
                    Either::Right(found) => row(&found),
                }
            }
            Ok(count)
        };
        let outcome: Result<u64, sqlx::Error> = outcome.await;
        outcome.map_err(|e| self.trouble(&e))
    }

    /// The time of one run with all of its rows.
    pub(super) async fn run(&mut self, _: usize, pair: &Pair, with: bool) -> Result<Duration, Trouble> {
        let started = Instant::now();
        self.fetched(pair.text(with), with, |_| {}).await?;
        let took = started.elapsed();
        if pair.writes {
            self.tell("ROLLBACK TO perfdeck", with).await?;
        }
        Ok(took)
    }

    pub(super) async fn look(&mut self, _: usize, pair: &Pair, with: bool) -> Result<ArmLook, Trouble> {
        let mut rows = Rows::default();
        let written = self.fetched(pair.text(with), with, |row| rows.add(sum(row))).await?;
        if pair.writes {
            self.tell("ROLLBACK TO perfdeck", with).await?;
        }
        let used = self.used(pair, with).await?;
        let count = if pair.writes { written } else { rows.count };
        Ok(ArmLook { used, pages: None, rows: count as f64, sum: rows.sum })
    }

    async fn used(&mut self, pair: &Pair, with: bool) -> Result<bool, Trouble> {
        let name = self.name.clone();
        let mut used = false;
        self.fetched(&format!("EXPLAIN QUERY PLAN {}", pair.text(with)), with, |row| {
            used |= row.try_get::<String, _>(3).is_ok_and(|detail| uses(&detail, &name));
        })
        .await?;
        Ok(used)
    }

    /// Statistics of the copy.
    pub(super) async fn used_after_analyze(&mut self, pairs: &[Pair]) -> Option<Vec<Option<bool>>> {
        self.stop.within(ANALYZING);
        sqlx::raw_sql("ANALYZE").execute(&mut self.with).await.ok()?;
        let mut found = Vec::new();
        for pair in pairs {
            found.push(self.used(pair, true).await.ok());
        }
        Some(found)
    }

    fn trouble(&self, error: &sqlx::Error) -> Trouble {
        let sqlx::Error::Database(e) = error else { return Trouble::Session(explain(&self.address, error)) };
        let code = e.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
        match code & 0xff {
            9 => Trouble::Late,
            1 if ["syntax error", "incomplete input", "unrecognized token"]
                .iter()
                .any(|part| e.message().contains(part)) =>
            {
                Trouble::Refused("it has a syntax error".to_owned())
            }
            1 if e.message().contains("no such") => {
                Trouble::Refused("a table, a column or a function of it is not there".to_owned())
            }
            19 => Trouble::Refused("the values that stand for its parameters break a constraint".to_owned()),
            20 => Trouble::Refused("a value of it, or one that stands for a parameter, is none of its type".to_owned()),
            _ => Trouble::Refused("SQLite refuses it".to_owned()),
        }
    }

    pub(super) async fn close(self) {
        let _ = self.with.close().await;
        let _ = self.without.close().await;
    }
}

fn sum(row: &SqliteRow) -> RowSum {
    let mut sum = RowSum::default();
    for at in 0..row.len() {
        let null = row.try_get_raw(at).map_or(true, |value| value.is_null());
        // As the text that SQLite makes of a number.
        let bytes = row.try_get_unchecked::<Vec<u8>, _>(at).ok();
        sum.value(bytes.as_deref().filter(|_| !null), true);
    }
    sum
}

/// Whether a step uses the index of this name.
fn uses(detail: &str, index: &str) -> bool {
    let Some((_, how)) = detail.split_once(" USING ") else { return false };
    let named = how.strip_prefix("COVERING INDEX ").or_else(|| how.strip_prefix("INDEX "));
    named.is_some_and(|named| named.strip_prefix(index).is_some_and(|rest| rest.is_empty() || rest.starts_with(" (")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_names_the_index_that_it_uses() {
        assert!(uses("SEARCH o USING INDEX a b (x=?)", "a b"));
        assert!(uses("SCAN o USING COVERING INDEX i", "i"));
        assert!(!uses("SCAN o USING COVERING INDEX i2", "i"));
        assert!(!uses("SEARCH o USING INTEGER PRIMARY KEY (rowid=?)", "i"));
    }
}
