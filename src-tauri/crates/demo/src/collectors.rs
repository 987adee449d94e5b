//! Collectors of the demo's database, cache and API. Figures come from its own pool and counters; findings are measured
//! from what the API did in the last minute and confirmed in the database.
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, BoxFuture, Clock, Collection, Collector, ErrorCode, Finding, FindingTarget, SeriesInfo, TargetRole, Unit,
    few_for_point,
};
use perfdeck_words as words;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::Watching;
use super::api::{Histogram, Route, Served, Statement, Usage};
use super::findings::{duplicate_indexes, many_statements, scan};

/// Time between looks for findings, in milliseconds.
const LOOK_MS: f64 = 20_000.0;
/// The first look comes this soon: until then nothing has been measured.
const FIRST_LOOK_MS: f64 = 5_000.0;
/// Looks that a window spans; findings are measured over about a minute.
const WINDOW: usize = 3;
/// Time between looks at the large answer, in milliseconds.
const LARGE_MS: f64 = 60_000.0;

fn series(metric: &str, attributes: &[(&str, &str)], unit: Unit, role: TargetRole) -> SeriesInfo {
    SeriesInfo::new(metric, attributes, unit, role)
}

/// What counters that only grow gained over the last few looks.
struct Window<const N: usize> {
    looks: VecDeque<(f64, [Usage; N])>,
}

impl<const N: usize> Window<N> {
    fn new() -> Self {
        Self { looks: VecDeque::new() }
    }

    /// Takes a look when it is time for one: the seconds the window spans and what was gained in them.
    fn look(&mut self, now_ms: f64, read: impl FnOnce() -> [Usage; N]) -> Option<(f64, [Usage; N])> {
        let last_ms = self.looks.back().map(|l| l.0);
        // The first look has nothing to compare with; so has one after the clock was set back.
        let Some(last_ms) = last_ms.filter(|last| now_ms >= *last) else {
            self.looks.clear();
            self.looks.push_back((now_ms, read()));
            return None;
        };
        if now_ms - last_ms < if self.looks.len() == 1 { FIRST_LOOK_MS } else { LOOK_MS } {
            return None;
        }
        let now = read();
        let gained = self.looks.front().map(|(then_ms, then)| {
            let mut gained = now;
            for (g, t) in gained.iter_mut().zip(then) {
                *g = g.since(*t);
            }
            ((now_ms - then_ms) / 1e3, gained)
        });
        self.looks.push_back((now_ms, now));
        if self.looks.len() > WINDOW {
            self.looks.pop_front();
        }
        gained
    }
}

/// Collector of the demo's database through its pool, and of what is in the file through a connection outside the pool,
/// so that a pool that is used up is measured and not waited for.
pub(crate) struct DemoDatabaseCollector {
    served: Arc<Served>,
    path: PathBuf,
    connection: Option<SqliteConnection>,
    version: Option<String>,
    last: Option<(f64, u64)>,
    window: Window<{ Statement::COUNT }>,
    /// Sizes of indexes, which need a walk through the file, by name.
    index_bytes: BTreeMap<String, f64>,
    _watching: Arc<Watching>,
}

impl DemoDatabaseCollector {
    pub(crate) fn new(served: Arc<Served>, path: PathBuf, watching: Arc<Watching>) -> Self {
        Self {
            served,
            path,
            connection: None,
            version: None,
            last: None,
            window: Window::new(),
            index_bytes: BTreeMap::new(),
            _watching: watching,
        }
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(Duration::from_millis(200))
            .disable_statement_logging()
            .connect()
            .await
    }

    async fn measure(&mut self, c: &mut SqliteConnection, now_ms: f64) -> Result<Collection, sqlx::Error> {
        let started = Instant::now();
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *c).await?;
        let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
        let role = TargetRole::Database;
        let pool = self.served.pools.readers().stats();
        let (pages, page): (i64, i64) =
            sqlx::query_as("SELECT page_count, page_size FROM pragma_page_count(), pragma_page_size()")
                .fetch_one(&mut *c)
                .await?;
        let bytes = pages as f64 * page as f64;
        let usage = self.served.statement_usage();
        let mut values = vec![
            (series("database.connections", &[("state", "active")], Unit::Count, role), f64::from(pool.in_use)),
            (series("database.connections", &[("state", "idle")], Unit::Count, role), f64::from(pool.idle)),
            (series("database.query.longest", &[], Unit::Seconds, role), self.served.longest_running_s()),
            (series("database.size", &[], Unit::Bytes, role), bytes),
        ];
        // Every statement is a transaction of its own.
        let statements = usage.iter().map(|u| u.calls).sum();
        if let Some((then_ms, then)) = self.last.replace((now_ms, statements))
            && now_ms > then_ms
        {
            let rate = statements.saturating_sub(then) as f64 / ((now_ms - then_ms) / 1e3);
            values.push((series("database.transactions", &[], Unit::PerSecond, role), rate));
        }
        let mut findings = None;
        if let Some((seconds, gained)) = self.window.look(now_ms, || usage) {
            let mut all = Vec::new();
            all.extend(scan(c, seconds, &gained).await?);
            all.extend(duplicate_indexes(c, bytes, &mut self.index_bytes).await?);
            all.sort_by(|a, b| b.cost.total_cmp(&a.cost));
            findings = Some(all);
        }
        self.version.get_or_insert(format!("SQLite {version}"));
        Ok(Collection {
            values,
            round_trip_ms: Some(round_trip_ms),
            version: self.version.clone(),
            detail: Some("demo data, 200\u{2009}000 appointments".to_owned()),
            limits: [("max_connections".to_owned(), f64::from(pool.size + pool.max_overflow))].into(),
            findings,
            ..Collection::default()
        })
    }
}

impl Collector for DemoDatabaseCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Database
    }

    fn address(&self) -> String {
        self.path.display().to_string()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            // Taken out, so that a connection whose statement failed or was given up is not used again.
            let result = match self.connection.take() {
                Some(c) => Ok(c),
                None => self.connect().await,
            };
            let result = match result {
                Ok(mut c) => self.measure(&mut c, clock.monotonic_ms()).await.map(|out| (c, out)),
                Err(e) => Err(e),
            };
            let (c, out) = result.map_err(|e| {
                ApiError::new(ErrorCode::Unreachable, format!("The demo database does not answer: {e}"))
                    .hint("Is its file still there? Open the demo again to rebuild it")
            })?;
            self.connection = Some(c);
            Ok(out)
        })
    }
}

/// Collector of the demo's cache; adds to the finding about keys without expiry how much memory they hold.
pub(crate) struct DemoCacheCollector {
    served: Arc<Served>,
    inner: Box<dyn Collector>,
    _watching: Arc<Watching>,
}

impl DemoCacheCollector {
    pub(crate) fn new(served: Arc<Served>, inner: Box<dyn Collector>, watching: Arc<Watching>) -> Self {
        Self { served, inner, _watching: watching }
    }
}

impl Collector for DemoCacheCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            let mut out = self.inner.collect(clock).await?;
            if let Some(findings) = &mut out.findings
                && let Some(mean) = self.served.mean_forever_bytes()
                && let Some(finding) = findings.iter_mut().find(|f| f.kind == "keys_without_expiry")
            {
                let (keys, forever) = self.served.cache.keys();
                let held = words::bytes(mean * forever as f64);
                finding.evidence =
                    format!("{} of {} hold about {held}", words::count(forever), words::plural(keys, "key"));
                let proof = std::mem::take(&mut finding.proof);
                finding.proof = proof
                    .value("hold about", held)
                    .value("mean size of one", words::bytes(mean))
                    .value("their names", "clinic:staff:*")
                    .observed(Some(words::plural(keys, "key")), None)
                    .step(
                        "Benchmark the route that writes them",
                        FindingTarget::Route {
                            method: "GET".to_owned(),
                            path: Route::Schedule.path().replace("{id}", "1"),
                        },
                    );
            }
            Ok(out)
        })
    }
}

/// Seconds that a percentile of the API reaches back at most for the requests that it needs.
const REACH: usize = 60;

/// Counters of the API as they were last read.
pub(crate) struct ApiCursor {
    last: Option<(f64, (u64, u64), Vec<u64>)>,
    /// Latencies of the last seconds, the newest first.
    seconds: VecDeque<Vec<u64>>,
}

impl ApiCursor {
    pub(crate) fn new() -> Self {
        Self { last: None, seconds: VecDeque::new() }
    }

    /// The quantile of the shortest time until now that has the requests for a point, 1 / (1 − q): ten requests of one second
    /// have no p99. `None` when the last minute has too few.
    fn quantile(&self, q: f64) -> Option<f64> {
        let mut sum: Vec<u64> = Vec::new();
        for second in &self.seconds {
            sum.resize(second.len(), 0);
            sum.iter_mut().zip(second).for_each(|(all, n)| *all += n);
            if !few_for_point(sum.iter().sum(), q) {
                return Histogram::quantile(&sum, q);
            }
        }
        None
    }

    /// The `http.server.*` values since the last call; none the first time. Without requests there is no error ratio and
    /// no latency.
    pub(crate) fn read(&mut self, served: &Served, now_ms: f64) -> Vec<(SeriesInfo, f64)> {
        let role = TargetRole::Api;
        let (counts, latencies) = (served.requests(), served.latencies());
        let mut values = Vec::new();
        if let Some((then_ms, before, buckets)) = &self.last
            && now_ms > *then_ms
        {
            let requests = counts.0.saturating_sub(before.0) as f64;
            let rate = requests / ((now_ms - then_ms) / 1e3);
            values.push((series("http.server.requests", &[], Unit::PerSecond, role), rate));
            if requests > 0.0 {
                let errors = counts.1.saturating_sub(before.1) as f64;
                values.push((series("http.server.errors", &[], Unit::Ratio, role), (errors / requests).min(1.0)));
            }
            let gained: Vec<u64> = latencies.iter().zip(buckets).map(|(n, b)| n.saturating_sub(*b)).collect();
            self.seconds.push_front(gained);
            self.seconds.truncate(REACH);
            for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                if let Some(v) = self.quantile(q).filter(|_| requests > 0.0) {
                    values.push((series("http.server.duration", &[("quantile", name)], Unit::Seconds, role), v));
                }
            }
        }
        self.last = Some((now_ms, counts, latencies));
        values
    }
}

/// Collector of the API: the probe from outside, and the API's own counters and findings.
pub(crate) struct DemoApiCollector {
    served: Arc<Served>,
    probe: Box<dyn Collector>,
    /// A probe of the large answer; only its findings are used.
    large: Box<dyn Collector>,
    large_ms: Option<f64>,
    large_findings: Vec<Finding>,
    cursor: ApiCursor,
    window: Window<{ Route::ALL.len() }>,
    _watching: Arc<Watching>,
}

impl DemoApiCollector {
    pub(crate) fn new(
        served: Arc<Served>,
        probe: Box<dyn Collector>,
        large: Box<dyn Collector>,
        watching: Arc<Watching>,
    ) -> Self {
        Self {
            served,
            probe,
            large,
            large_ms: None,
            large_findings: Vec::new(),
            cursor: ApiCursor::new(),
            window: Window::new(),
            _watching: watching,
        }
    }
}

impl Collector for DemoApiCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Api
    }

    fn address(&self) -> String {
        self.probe.address()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            let mut out = self.probe.collect(clock).await?;
            let now_ms = clock.monotonic_ms();
            out.values.extend(self.cursor.read(&self.served, now_ms));
            out.version.get_or_insert_with(|| "Perfdeck demo API".to_owned());
            let served = self.served.clone();
            if let Some((seconds, gained)) = self.window.look(now_ms, || served.route_usage()) {
                if self.large_ms.is_none_or(|at| now_ms - at >= LARGE_MS || now_ms < at) {
                    self.large_ms = Some(now_ms);
                    // An answer that does not come now may come next time.
                    if let Ok(Collection { findings: Some(findings), .. }) = self.large.collect(clock).await {
                        self.large_findings = findings;
                    }
                }
                let mut all = out.findings.take().unwrap_or_default();
                all.extend(self.large_findings.iter().cloned());
                all.extend(many_statements(seconds, &gained));
                all.sort_by(|a, b| b.cost.total_cmp(&a.cost));
                out.findings = Some(all);
            } else {
                // A part of the findings must not replace all of them.
                out.findings = None;
            }
            Ok(out)
        })
    }
}
