//! The collector: one cheap reading a second over one connection of its own.
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, BoxFuture, Clock, Collection, Collector, ErrorCode, Finding, Sensitive, SeriesInfo, TargetRole,
    Unit,
};
use perfdeck_net::{Opening, Waited};

use crate::activity::{self, Long};
use crate::applications::{Console, told::Told};
use crate::connect::{Database, connect, stalled, version};
use crate::error::explain;
use crate::hints::again;
use crate::reading::{Counters, Moment, Reading, Slow, series};
use crate::trust::wanted;
use crate::{mysql, own, postgres, sqlite};

/// Pages that a second must have read for the catalogue look-ups of a session of Perfdeck's own not to matter.
const MANY_PAGES: f64 = 10_000.0;
/// How often is looked for what is broken, and how often at most sizes and findings are read.
const SLOW_MS: f64 = 60_000.0;
/// Sizes and findings may take this part of the time, so that a database of many tables is looked at less often; and the longest time
/// between two looks.
const SLOW_PART: f64 = 1.0 / 1_000.0;
const SLOWEST_MS: f64 = 900_000.0;
/// When they are first read: not in the first seconds, when a person waits for a chart.
const FIRST_SLOW_MS: f64 = 3_000.0;
/// How often the sessions themselves are looked at while something takes too long.
const LOOK_MS: f64 = 5_000.0;
/// Longest time of one collection with everything in it. Below the scheduler's own deadline, so that the reason is told.
const DEADLINE: Duration = Duration::from_millis(1_700);
/// Longest time to connect within that.
const CONNECT: Duration = Duration::from_millis(1_500);
/// Longest wait within a collection for a connection that the address gives more time than a collection has.
const PATIENCE: Duration = Duration::from_millis(700);
/// Perfdeck's own transactions that are waited for at most; a server that never shows them has its own way to count.
const MOST_OWED: f64 = 60.0;

/// Measures one database.
pub struct DatabaseCollector {
    address: Address,
    password: Option<Sensitive>,
    connection: Option<Database>,
    /// A connection that is being opened over several collections, and since when.
    opening: Option<Opening<Result<Database, ApiError>>>,
    counters: Option<Counters>,
    /// Perfdeck's own transactions that the counters do not hold yet, or may not: servers tell them late.
    owed: f64,
    /// What Perfdeck had done there at the newest reading, and the rates that it makes unsure.
    done: own::Done,
    unsure: u8,
    version: Option<String>,
    slow_at: Option<f64>,
    /// When sizes and findings are read next.
    thorough_at: f64,
    size: Option<f64>,
    /// What the newest slow look found broken: it is told with every collection.
    broken: Vec<Finding>,
    mysql: mysql::State,
    sqlite: sqlite::State,
    sessions: Sessions,
    /// The pools of applications that are told, and the console of the pooler in between.
    told: Told,
    console: Console,
    limits: Long,
}

/// What was last found to be wrong with the sessions themselves. They are looked at only while something takes too long, and
/// not with every collection.
#[derive(Default)]
struct Sessions {
    state: activity::State,
    read_ms: Option<f64>,
    found: Vec<Finding>,
}

impl std::fmt::Debug for DatabaseCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseCollector").field("address", &self.address.short()).finish_non_exhaustive()
    }
}

impl DatabaseCollector {
    /// A collector of the database at `address`. It connects at its first collection.
    pub fn new(address: Address, password: Option<Sensitive>) -> Self {
        Self {
            address,
            password,
            connection: None,
            opening: None,
            counters: None,
            owed: 0.0,
            done: own::Done::default(),
            unsure: 0,
            version: None,
            slow_at: None,
            thorough_at: f64::NEG_INFINITY,
            size: None,
            broken: Vec::new(),
            mysql: mysql::State::default(),
            sqlite: sqlite::State::default(),
            sessions: Sessions::default(),
            told: Told::default(),
            console: Console::default(),
            limits: Long::USUAL,
        }
    }

    /// With other times from which on a state of sessions is a finding.
    #[must_use]
    pub fn telling_from(self, limits: Long) -> Self {
        Self { limits, ..self }
    }

    /// Tells other collectors of the same database what this one did.
    fn did(&mut self, transactions: f64, sessions: u32) {
        if transactions > 0.0 {
            own::add(&self.address, transactions, sessions);
            self.done.transactions += transactions;
            self.done.sessions += sessions;
        }
    }

    /// A new connection. One that the address gives more time than a collection has is opened beside the collections.
    async fn open(&mut self) -> Result<Database, ApiError> {
        let given = wanted(&self.address)?.connect_timeout.filter(|limit| *limit > CONNECT);
        let Some(limit) = given else {
            return connect(&self.address, self.password.as_ref(), CONNECT).await;
        };
        let (address, password) = (self.address.clone(), self.password.clone());
        let begin = || async move { connect(&address, password.as_ref(), limit).await };
        match Opening::wait(&mut self.opening, PATIENCE, begin).await {
            Waited::Done(outcome) => outcome,
            Waited::Lost => Err(ApiError::internal("A connection attempt ended unexpectedly")),
            Waited::Still(lasts) => {
                let (at, seconds, limit) = (self.address.short(), lasts.as_secs(), limit.as_secs());
                let what = format!("Connecting to {at} for {seconds} s; its connect_timeout is {limit} s");
                Err(again(ErrorCode::Timeout, what).hint("Perfdeck waits until then; it is slow, or it hangs"))
            }
        }
    }

    /// Looks at the sessions themselves while something takes too long; answers the statements that it sent. What could not be
    /// looked at is not told: the figures of this collection stand.
    async fn look(
        &mut self,
        connection: &mut Option<Database>,
        long: Long,
        end: tokio::time::Instant,
        clock: &dyn Clock,
    ) -> u32 {
        if !long.reaches(self.limits) {
            self.sessions.found.clear();
            self.sessions.read_ms = None;
            return 0;
        }
        let now_ms = clock.monotonic_ms();
        if self.sessions.read_ms.is_some_and(|at| now_ms - at < LOOK_MS) {
            return 0;
        }
        let Some(open) = connection else { return 0 };
        self.sessions.read_ms = Some(now_ms);
        let read = activity::read_on(open, &mut self.sessions.state, &self.address, clock.now_ms());
        match tokio::time::timeout_at(end, read).await {
            Ok(Ok(facts)) => self.sessions.found = activity::findings(&facts, self.limits),
            Ok(Err(error)) => {
                tracing::debug!(target: "perfdeck::database", address = %self.address.short(), "sessions not read: {error}");
            }
            // A connection that still owes an answer cannot be used for the next reading.
            Err(_) => *connection = None,
        }
        2
    }

    async fn measure(&mut self, clock: &dyn Clock) -> Result<Collection, ApiError> {
        if let Err(error) = self.sqlite.check(&self.address) {
            self.connection = None;
            return Err(error);
        }
        let end = tokio::time::Instant::now() + DEADLINE;
        // Taken out while it is used: a collection that is dropped half way leaves no half-read connection behind.
        let (mut connection, fresh) = match self.connection.take() {
            Some(connection) if !self.sqlite.replaced() => (connection, false),
            _ => {
                self.counters = None;
                self.owed = 0.0;
                // Another server may answer now.
                self.version = None;
                self.broken.clear();
                self.mysql = mysql::State::default();
                self.sessions = Sessions::default();
                (self.open().await?, true)
            }
        };
        let mut requests = 0;
        let reading = async {
            if self.version.is_none() {
                self.version = Some(version(&mut connection).await?);
                requests += 1;
            }
            if fresh && let Database::Postgres(c) = &connection {
                let late = !postgres::tells_at_once(c);
                // A new session looks up everything in the catalogue, which counts as page hits of this database.
                // After this reading it knows, and has told its statistics.
                requests += read(&mut connection, &self.address, &mut self.mysql, clock).await?.0.requests;
                // Signing in, the version and the reading above, each prepared and asked; the session has told of its own question.
                own::add(&self.address, 5.0, 1);
                self.owed = if late { 6.0 } else { 0.0 };
            }
            read(&mut connection, &self.address, &mut self.mysql, clock).await
        };
        let (mut reading, round_trip_ms) = match tokio::time::timeout_at(end, reading).await {
            Ok(outcome) => outcome.map_err(|e| explain(&self.address, &e))?,
            Err(_) => return Err(stalled(&self.address, &connection, DEADLINE)),
        };
        requests += reading.requests;
        // Other parts of Perfdeck may have been there meanwhile. A session's last work shows when it has ended, which may
        // be within this reading or the next one.
        let done = own::done(&self.address);
        if !fresh {
            self.owed = (self.owed + done.transactions - self.done.transactions).min(MOST_OWED);
            self.unsure = if done.sessions == self.done.sessions { self.unsure.saturating_sub(1) } else { 2 };
        }
        self.done = done;
        let mut values = std::mem::take(&mut reading.values);
        values.extend(self.told.values(reading.applications.as_deref()));
        if matches!(&connection, Database::Postgres(c) if c.is_shared()) {
            let waiting = self.console.waiting(&self.address, self.password.as_ref()).await;
            values.extend(waiting.map(|n| (series("database.pool.waiting", &[], Unit::Count), n)));
        }
        if let Some(now) = reading.counters {
            if let Some(before) = self.counters {
                self.owed = rates(&before, &now, self.owed, &mut values);
                if self.unsure > 0 && now.hits + now.reads - before.hits - before.reads < MANY_PAGES {
                    values.retain(|(s, _)| s.metric != "database.cache.hit_ratio");
                }
            }
            self.counters = Some(now);
        }
        self.owed = (self.owed + reading.own).min(MOST_OWED);
        self.did(reading.own, 0);
        let now_ms = clock.monotonic_ms();
        let due = *self.slow_at.get_or_insert(now_ms - SLOW_MS + FIRST_SLOW_MS) + SLOW_MS <= now_ms;
        let mut findings = None;
        let mut connection = Some(connection);
        requests += self.look(&mut connection, reading.long, end, clock).await;
        reading.broken.extend(self.sessions.found.iter().cloned());
        if due {
            self.slow_at = Some(now_ms);
            let thorough = now_ms >= self.thorough_at;
            if let Some(open) = &mut connection {
                let began = Instant::now();
                let work = async {
                    let slow = match open {
                        Database::Postgres(c) => postgres::slow(c, &self.address, thorough).await,
                        _ if !thorough => Ok(Slow::default()),
                        Database::Mysql(c) => mysql::slow(c, self.address.scheme).await,
                        Database::Sqlite(c) => sqlite::slow(c).await,
                    }?;
                    let took_ms = began.elapsed().as_secs_f64() * 1e3;
                    // The next rates begin after the checks: what these cost the target is no one else's work.
                    let after = match open {
                        Database::Sqlite(_) => None,
                        _ => Some(read(open, &self.address, &mut self.mysql, clock).await?.0),
                    };
                    Ok::<_, sqlx::Error>((slow, after, took_ms))
                };
                match tokio::time::timeout_at(end, work).await {
                    Ok(Ok((slow, after, took_ms))) => {
                        if thorough {
                            // A little less than the time, which is in steps of a minute.
                            let rest_ms = (took_ms / SLOW_PART).min(SLOWEST_MS) - SLOW_MS / 2.0;
                            self.thorough_at = now_ms + rest_ms;
                        }
                        requests += slow.requests;
                        if let Some(after) = after {
                            requests += after.requests;
                            self.counters = after.counters;
                            self.owed = (slow.own + after.own).min(MOST_OWED);
                            let told =
                                if matches!(open, Database::Postgres(_)) { f64::from(slow.requests) } else { 0.0 };
                            self.did(told + after.own, 1);
                        }
                        self.size = slow.size.or(self.size);
                        findings = slow.findings;
                        self.broken = slow.broken;
                    }
                    // The fast figures stand. A refused check says nothing about problems, so earlier findings stay. How
                    // much of the checks was done is not known, so the next second has no rates.
                    Ok(Err(error)) => {
                        tracing::debug!(target: "perfdeck::database", address = %self.address.short(), "checks failed: {error}");
                        reading.warning.get_or_insert_with(|| explain(&self.address, &error));
                        self.counters = None;
                    }
                    // A connection that still owes an answer cannot be used for the next reading.
                    Err(_) => {
                        self.thorough_at = now_ms + SLOWEST_MS;
                        connection = None;
                    }
                }
            }
        }
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
            broken: [reading.broken, self.broken.clone()].concat(),
            findings,
            own_requests: requests,
        })
    }
}

/// One reading, with the moment of its counters, and how long it took in milliseconds.
async fn read(
    connection: &mut Database,
    address: &Address,
    state: &mut mysql::State,
    clock: &dyn Clock,
) -> Result<(Reading, f64), sqlx::Error> {
    let started = Instant::now();
    let asked_ms = clock.monotonic_ms();
    let mut reading = match connection {
        Database::Postgres(c) => postgres::read(c, address).await,
        Database::Mysql(c) => mysql::read(c, address, state, clock).await,
        Database::Sqlite(c) => sqlite::read(c, address).await,
    }?;
    // Where a reading is several statements, it knows itself which of them has the counters.
    if let Some(counters) = reading.counters.as_mut().filter(|c| c.at == Moment::default()) {
        counters.at = Moment { asked_ms, answered_ms: clock.monotonic_ms() };
    }
    Ok((reading, started.elapsed().as_secs_f64() * 1e3))
}

/// Rates between two moments. A counter that went back was reset: that second has none. `owed` is how many transactions
/// Perfdeck itself has added or will add; answers how many of them have not shown yet.
fn rates(before: &Counters, now: &Counters, owed: f64, values: &mut Vec<(SeriesInfo, f64)>) -> f64 {
    // Less than a microsecond off is rounding of a time stamp, not a reset.
    let same = (now.epoch - before.epoch).abs() < 1e-6;
    if !same || now.transactions < before.transactions || now.hits < before.hits || now.reads < before.reads {
        return 0.0;
    }
    let gained = now.transactions - before.transactions;
    let own = owed.min(gained);
    let Some(seconds) = now.at.since(before.at) else { return owed - own };
    values.push((series("database.transactions", &[], Unit::PerSecond), (gained - own) / seconds));
    let (hits, reads) = (now.hits - before.hits, now.reads - before.reads);
    // A second without page accesses has no ratio.
    if hits + reads > 0.0 {
        values.push((series("database.cache.hit_ratio", &[], Unit::Ratio), hits / (hits + reads)));
    }
    owed - own
}

impl Collector for DatabaseCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Database
    }

    fn address(&self) -> String {
        self.address.short()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(self.measure(clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: f64, n: f64) -> Counters {
        let at = Moment { asked_ms: ms, answered_ms: ms + 4.0 };
        Counters { at, epoch: 7.0, transactions: n, hits: n, reads: 0.0 }
    }

    #[test]
    fn a_counter_reset_is_a_gap() {
        let mut values = Vec::new();
        rates(&at(0.0, 100.0), &at(1000.0, 5.0), 1.0, &mut values);
        assert!(values.is_empty(), "a counter that went back has no rate");
        let restarted = Counters { epoch: 8.0, ..at(1000.0, 500.0) };
        rates(&at(0.0, 100.0), &restarted, 1.0, &mut values);
        assert!(values.is_empty(), "a counter that was reset has no rate, even when it has grown past the old one");
        let owed = rates(&at(0.0, 100.0), &at(2000.0, 121.0), 1.0, &mut values);
        assert_eq!(values[0].1, 10.0, "20 transactions of others in 2 s");
        assert_eq!(values[1].1, 1.0, "all pages from the cache");
        assert_eq!(owed, 0.0, "its own one has shown");
    }

    #[test]
    fn own_transactions_that_show_late_are_never_anothers() {
        let (mut values, mut owed) = (Vec::new(), 0.0);
        // An idle server that tells of this session's transactions two at a time.
        for (second, told) in [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 6.0].windows(2).enumerate() {
            owed += 1.0;
            let ms = f64::from(u32::try_from(second).unwrap_or(0)) * 1e3;
            owed = rates(&at(ms, told[0]), &at(ms + 1e3, told[1]), owed, &mut values);
        }
        let shown: Vec<f64> = values.iter().filter(|v| v.0.metric == "database.transactions").map(|v| v.1).collect();
        assert_eq!(shown, [0.0; 6], "none of them is anyone else's");
        assert_eq!(owed, 0.0, "and all are settled in the end");
    }

    #[test]
    fn a_moment_that_is_not_known_makes_no_rate() {
        let mut values = Vec::new();
        let stopped = Counters { at: Moment { asked_ms: 1000.0, answered_ms: 3000.0 }, ..at(0.0, 1600.0) };
        rates(&at(0.0, 100.0), &stopped, 0.0, &mut values);
        rates(&stopped, &at(4000.0, 2100.0), 0.0, &mut values);
        assert!(values.is_empty(), "stopped for two seconds in the middle of a reading: {values:?}");
        let far = |ms: f64, n| Counters { at: Moment { asked_ms: ms, answered_ms: ms + 700.0 }, ..at(ms, n) };
        rates(&far(0.0, 0.0), &far(1000.0, 500.0), 0.0, &mut values);
        assert_eq!(values[0].1, 500.0, "a target that is always far away is measured all the same");
    }
}
