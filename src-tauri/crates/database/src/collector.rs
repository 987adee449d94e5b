//! The collector: one cheap reading a second over one connection of its own.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, BoxFuture, Collection, Collector, Finding, FindingAction, Sensitive, SeriesInfo, TargetRole,
    Unit,
};

use crate::connect::{Database, connect, silent, version};
use crate::error::explain;
use crate::{mysql, postgres, sqlite};

/// How often sizes and findings are read.
const SLOW_MS: f64 = 60_000.0;
/// When they are first read: not in the first seconds, when a person waits for a chart.
const FIRST_SLOW_MS: f64 = 3_000.0;
/// Longest time of one collection with everything in it. Below the scheduler's own deadline, so that the reason is told.
const DEADLINE: Duration = Duration::from_millis(1_700);
/// Longest time to connect within that.
const CONNECT: Duration = Duration::from_millis(1_500);

/// Measures one database.
pub struct DatabaseCollector {
    address: Address,
    password: Option<Sensitive>,
    connection: Option<Database>,
    counters: Option<Counters>,
    own: f64,
    version: Option<String>,
    slow_at: Option<f64>,
    size: Option<f64>,
    mysql: mysql::State,
    sqlite: sqlite::State,
}

impl std::fmt::Debug for DatabaseCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseCollector").field("address", &self.address.short()).finish_non_exhaustive()
    }
}

/// Counters of one moment; rates are differences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) t_ms: f64,
    /// Identifies the counters' origin: it changes when they were reset or the server restarted.
    pub(crate) epoch: f64,
    pub(crate) transactions: f64,
    pub(crate) hits: f64,
    pub(crate) reads: f64,
}

/// What one reading found.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) counters: Option<Counters>,
    pub(crate) values: Vec<(SeriesInfo, f64)>,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) warning: Option<ApiError>,
    pub(crate) detail: Option<String>,
    /// Transactions that this reading itself adds to the counters.
    pub(crate) own: f64,
}

/// What the slow checks found.
#[derive(Default)]
pub(crate) struct Slow {
    pub(crate) size: Option<f64>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) own: f64,
}

pub(crate) fn series(metric: &str, attributes: &[(&str, &str)], unit: Unit) -> SeriesInfo {
    SeriesInfo::new(metric, attributes, unit, TargetRole::Database)
}

pub(crate) fn connections(state: &str) -> SeriesInfo {
    series("database.connections", &[("state", state)], Unit::Count)
}

/// A finding about an object of the database.
pub(crate) fn finding(kind: &str, object: &str, title: String, evidence: String, cost: f64, label: &str) -> Finding {
    Finding {
        id: format!("{kind}:{object}"),
        kind: kind.to_owned(),
        target: TargetRole::Database,
        title,
        evidence,
        cost,
        action: FindingAction { label: label.to_owned(), route: "/database".to_owned() },
    }
}

/// A size for a person, in IEC units.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn bytes(n: f64) -> String {
    let mut value = n;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// A count for a person, with thin groups: `12 400`.
pub(crate) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    if n < 0 { format!("-{out}") } else { out }
}

impl DatabaseCollector {
    /// A collector of the database at `address`. It connects at its first collection.
    pub fn new(address: Address, password: Option<Sensitive>) -> Self {
        Self {
            address,
            password,
            connection: None,
            counters: None,
            own: 0.0,
            version: None,
            slow_at: None,
            size: None,
            mysql: mysql::State::default(),
            sqlite: sqlite::State::default(),
        }
    }

    async fn measure(&mut self, now_ms: f64) -> Result<Collection, ApiError> {
        if let Err(error) = self.sqlite.check(&self.address) {
            self.connection = None;
            return Err(error);
        }
        let end = tokio::time::Instant::now() + DEADLINE;
        // Taken out while it is used: a collection that is dropped half way leaves no half-read connection behind.
        let mut connection = match self.connection.take() {
            Some(connection) if !self.sqlite.replaced() => connection,
            _ => {
                self.counters = None;
                // Another server may answer now.
                self.version = None;
                self.mysql = mysql::State::default();
                connect(&self.address, self.password.as_ref(), CONNECT).await?
            }
        };
        let started = Instant::now();
        let reading = async {
            let reading = match &mut connection {
                Database::Postgres(c) => postgres::read(c, now_ms, &self.address).await,
                Database::Mysql(c) => mysql::read(c, now_ms, &self.address, &mut self.mysql).await,
                Database::Sqlite(c) => sqlite::read(c, &self.address).await,
            }?;
            let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
            if self.version.is_none() {
                self.version = Some(version(&mut connection).await?);
            }
            Ok::<_, sqlx::Error>((reading, round_trip_ms))
        };
        let (mut reading, round_trip_ms) = match tokio::time::timeout_at(end, reading).await {
            Ok(outcome) => outcome.map_err(|e| explain(&self.address, &e))?,
            Err(_) => return Err(silent(&self.address, DEADLINE)),
        };
        let mut values = std::mem::take(&mut reading.values);
        let mut own = reading.own;
        if let Some(now) = reading.counters {
            if let Some(before) = self.counters {
                rates(&before, &now, self.own, &mut values);
            }
            self.counters = Some(now);
        }
        let due = *self.slow_at.get_or_insert(now_ms - SLOW_MS + FIRST_SLOW_MS) + SLOW_MS <= now_ms;
        let mut findings = None;
        let mut connection = Some(connection);
        if due {
            self.slow_at = Some(now_ms);
            if let Some(open) = &mut connection {
                let work = async {
                    match open {
                        Database::Postgres(c) => postgres::slow(c).await,
                        Database::Mysql(c) => mysql::slow(c).await,
                        Database::Sqlite(c) => sqlite::slow(c).await,
                    }
                };
                match tokio::time::timeout_at(end, work).await {
                    Ok(Ok(slow)) => {
                        own += slow.own;
                        self.size = slow.size.or(self.size);
                        findings = Some(slow.findings);
                    }
                    // The fast figures stand. A refused check says nothing about problems, so earlier findings stay.
                    Ok(Err(error)) => {
                        tracing::debug!(target: "perfdeck::database", address = %self.address.short(), "checks failed: {error}");
                        reading.warning.get_or_insert_with(|| explain(&self.address, &error));
                    }
                    // A connection that still owes an answer cannot be used for the next reading.
                    Err(_) => connection = None,
                }
            }
        }
        self.own = own;
        self.connection = connection;
        if let Some(size) = self.size {
            values.push((series("database.size", &[], Unit::Bytes), size));
        }
        Ok(Collection {
            values,
            round_trip_ms: Some(round_trip_ms),
            version: self.version.clone(),
            detail: reading.detail.or_else(|| Some(self.address.path.clone()).filter(|p| !p.is_empty())),
            limits: reading.limits,
            warning: reading.warning,
            findings,
        })
    }
}

/// Rates between two moments. A counter that went back was reset: that second has none. `own` is how many transactions
/// Perfdeck itself has added in between.
fn rates(before: &Counters, now: &Counters, own: f64, values: &mut Vec<(SeriesInfo, f64)>) {
    let seconds = (now.t_ms - before.t_ms) / 1e3;
    // Less than a microsecond off is rounding of a time stamp, not a reset.
    let same = (now.epoch - before.epoch).abs() < 1e-6;
    if seconds <= 0.0
        || !same
        || now.transactions < before.transactions
        || now.hits < before.hits
        || now.reads < before.reads
    {
        return;
    }
    let transactions = (now.transactions - before.transactions - own).max(0.0);
    values.push((series("database.transactions", &[], Unit::PerSecond), transactions / seconds));
    let (hits, reads) = (now.hits - before.hits, now.reads - before.reads);
    // A second without page accesses has no ratio.
    if hits + reads > 0.0 {
        values.push((series("database.cache.hit_ratio", &[], Unit::Ratio), hits / (hits + reads)));
    }
}

impl Collector for DatabaseCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Database
    }

    fn address(&self) -> String {
        self.address.short()
    }

    fn collect(&mut self, now_ms: f64) -> BoxFuture<'_, Result<Collection, ApiError>> {
        Box::pin(self.measure(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_reset_is_a_gap() {
        let at = |t_ms, n| Counters { t_ms, epoch: 7.0, transactions: n, hits: n, reads: 0.0 };
        let mut values = Vec::new();
        rates(&at(0.0, 100.0), &at(1000.0, 5.0), 1.0, &mut values);
        assert!(values.is_empty(), "a counter that went back has no rate");
        let restarted = Counters { epoch: 8.0, ..at(1000.0, 500.0) };
        rates(&at(0.0, 100.0), &restarted, 1.0, &mut values);
        assert!(values.is_empty(), "a counter that was reset has no rate, even when it has grown past the old one");
        rates(&at(0.0, 100.0), &at(2000.0, 121.0), 1.0, &mut values);
        assert_eq!(values[0].1, 10.0, "20 transactions of others in 2 s");
        assert_eq!(values[1].1, 1.0, "all pages from the cache");
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(count(12_400), "12 400", "groups of three");
        assert_eq!(count(-1_234_567), "-1 234 567", "with a sign");
        assert_eq!(bytes(1_572_864.0), "1.5 MiB", "IEC units");
        assert_eq!(bytes(12.0), "12 B", "whole bytes");
    }
}
