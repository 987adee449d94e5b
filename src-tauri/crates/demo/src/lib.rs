//! The demo environment: a SQLite database, an in-process cache, an API on loopback that reads through both, and gentle
//! traffic, so that every screen has something true to find. It has planted problems: a missing index, a duplicate
//! index, keys without expiry, an uncompressed endpoint, an N+1 endpoint and a few requests that fail.
//!
//! Invariants: the database is complete or not there; the API listens on loopback only and closes with
//! [`Demo::shutdown`]; traffic is one request at a time and runs only while somebody watches.
#![forbid(unsafe_code)]

mod api;
mod collectors;
mod data;
mod findings;
mod statements;
mod traffic;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_cache::aside::Store;
use perfdeck_cache::{CacheCollector, MemoryCache, MemoryCacheCollector};
use perfdeck_database::SqlitePools;
use perfdeck_model::{
    Address, ApiError, ApiTarget, CacheTarget, Collector, DatabaseTarget, ErrorCode, HostTarget, Kind, OwnPool,
    PoolSettings, Scheme, SecretSource, Sensitive, SeriesInfo, Targets, TlsMode,
};
use perfdeck_monitor::ApiCollector;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use collectors::{ApiCursor, DemoApiCollector, DemoCacheCollector, DemoDatabaseCollector};

/// Memory of the demo's cache, in bytes.
const CACHE_BYTES: u64 = 32 << 20;
/// How long answers live in the cache that say nothing themselves: `CACHE_DEFAULT_TTL` of the demo's environment.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(60);
/// Path that the probe requests, and a benchmark unless it names another: one row through cache and pool.
const PROBE_PATH: &str = "/appointments/1";
/// Path of the large answer.
const LARGE_PATH: &str = "/analytics";
/// Longest wait for the API to end its requests, and for the pool to end its statements.
const END: Duration = Duration::from_secs(1);

/// Whether the traffic runs, and how many sets of collectors want it to.
struct Activity {
    active: watch::Sender<bool>,
    watching: Mutex<usize>,
}

/// Lives as long as a set of collectors; the traffic pauses when the last one goes.
struct Watching(Arc<Activity>);

impl Watching {
    fn new(activity: &Arc<Activity>) -> Arc<Self> {
        // The switch is set under the lock, so that one that goes does not pause one that comes.
        let mut watching = activity.watching.lock().unwrap_or_else(PoisonError::into_inner);
        *watching += 1;
        activity.active.send_replace(true);
        Arc::new(Self(activity.clone()))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watching = self.0.watching.lock().unwrap_or_else(PoisonError::into_inner);
        *watching = watching.saturating_sub(1);
        if *watching == 0 {
            self.0.active.send_replace(false);
        }
    }
}

/// An address without a host.
fn local(scheme: Scheme, path: String) -> Address {
    Address {
        scheme,
        hosts: Vec::new(),
        path,
        username: None,
        tls: TlsMode::Disable,
        params: std::collections::BTreeMap::new(),
    }
}

fn database_address(path: &Path) -> Address {
    local(Scheme::Sqlite, path.display().to_string())
}

/// The running demo.
pub struct Demo {
    served: Arc<api::Served>,
    /// Where answers are kept, unless in this process.
    remote: Option<(CacheTarget, Option<Sensitive>)>,
    path: PathBuf,
    port: u16,
    activity: Arc<Activity>,
    stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    cursor: Mutex<ApiCursor>,
}

impl Demo {
    /// Opens the demo in `dir`, building its database first when it is not there; `progress` gets the share done, 0 to
    /// 1, and the step.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`] when the data cannot be built (no room, not writable), [`ErrorCode::Unreachable`] when
    /// loopback cannot be listened on, [`ErrorCode::Cancelled`] when `cancel` was asked for.
    pub async fn open(
        dir: &Path,
        progress: &(dyn Fn(f64, &str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Arc<Self>, ApiError> {
        Self::open_on(dir, None, progress, cancel).await
    }

    /// As [`Demo::open`]; the API keeps its answers in a Redis or Valkey, which processes that open the demo on the same one share. No
    /// face starts it so.
    ///
    /// # Errors
    /// As [`Demo::open`]; also for a cache whose target cannot be understood.
    pub async fn open_on(
        dir: &Path,
        remote: Option<(CacheTarget, Option<Sensitive>)>,
        progress: &(dyn Fn(f64, &str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Arc<Self>, ApiError> {
        let path = data::prepare(dir, progress, cancel).await?;
        // Readers as every environment of this kind has them, with the same settings.
        let settings = PoolSettings::for_kind(Kind::Development);
        let pools = SqlitePools::open(&database_address(&path), &settings).await.map_err(|e| {
            ApiError::new(ErrorCode::Storage, format!("The demo database {} cannot be opened: {e}", path.display()))
                .hint("Remove it to have it built anew")
        })?;
        let unreachable = |e: std::io::Error| {
            ApiError::new(ErrorCode::Unreachable, format!("The demo API cannot listen on loopback: {e}"))
                .hint("Check that 127.0.0.1 is up and that the number of open files is not used up")
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unreachable)?;
        let port = listener.local_addr().map_err(unreachable)?.port();
        let store = remote.clone().map(|(target, password)| Store::Redis { target, password });
        let served = Arc::new(api::Served::new(pools, MemoryCache::new(CACHE_BYTES), store).await?);
        served.fill().await;
        let stop = CancellationToken::new();
        let (app, stopped) = (api::router(&served), stop.clone());
        let serving = tokio::spawn(async move {
            let stopped = async move { stopped.cancelled().await };
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the demo API ended");
            }
        });
        let (active, receiver) = watch::channel(false);
        let sending = tokio::spawn(traffic::run(port, receiver, stop.clone()));
        progress(1.0, "ready");
        Ok(Arc::new(Self {
            served,
            remote,
            path,
            port,
            activity: Arc::new(Activity { active, watching: Mutex::new(0) }),
            stop,
            tasks: Mutex::new(vec![sending, serving]),
            cursor: Mutex::new(ApiCursor::new()),
        }))
    }

    /// State of the pools that the demo API reads and writes its database through.
    pub fn pools(&self) -> Vec<OwnPool> {
        self.served.pools.stats("demo API")
    }

    /// Cache of the demo API.
    pub fn cache(&self) -> Arc<MemoryCache> {
        self.served.cache.clone()
    }

    /// What the demo API keeps its answers in: to invalidate them as the service itself would, and to read what it did.
    pub fn aside(&self) -> perfdeck_cache::aside::Aside {
        self.served.kept.aside.clone()
    }

    /// Base URL of the demo API.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts or pauses the background traffic. Taking [`Demo::collectors`] starts it too, and it pauses by itself when
    /// the last of them is dropped.
    pub fn set_active(&self, active: bool) {
        self.activity.active.send_replace(active);
    }

    /// The API's own `http.server.*` figures since the last call; none the first time. The collectors measure them
    /// independently of this.
    pub fn api_series(&self, now_ms: f64) -> Vec<(SeriesInfo, f64)> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner).read(&self.served, now_ms)
    }

    /// The demo as targets.
    pub fn targets(&self) -> Targets {
        Targets {
            database: Some(DatabaseTarget { address: database_address(&self.path), password: SecretSource::None }),
            cache: Some(self.cache_target()),
            api: Some(self.api_target(PROBE_PATH)),
            host: Some(HostTarget { url: "local".to_owned(), secret: SecretSource::None }),
            frontend: None,
            ..Targets::default()
        }
    }

    fn cache_target(&self) -> CacheTarget {
        if let Some((target, _)) = &self.remote {
            return target.clone();
        }
        CacheTarget {
            default_ttl_s: DEFAULT_TTL.as_secs_f64(),
            ..CacheTarget::of(local(Scheme::Memory, String::new()))
        }
    }

    fn api_target(&self, probe_path: &str) -> ApiTarget {
        ApiTarget {
            url: self.api_url(),
            probe_path: probe_path.to_owned(),
            headers: Vec::new(),
            authorization: SecretSource::None,
        }
    }

    /// Collectors of everything but the host. The background traffic runs while they exist.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let watching = Watching::new(&self.activity);
        let probe = |path| Box::new(ApiCollector::new(self.api_target(path), None));
        let cache: Box<dyn Collector> = match self.remote.clone() {
            None => Box::new(MemoryCacheCollector::new(self.served.cache.clone())),
            Some((target, password)) => Box::new(CacheCollector::new(target, password)),
        };
        let served = || self.served.clone();
        vec![
            Box::new(DemoApiCollector::new(served(), probe(PROBE_PATH), probe(LARGE_PATH), watching.clone())),
            Box::new(DemoDatabaseCollector::new(served(), self.path.clone(), watching.clone())),
            Box::new(DemoCacheCollector::new(served(), cache, watching)),
        ]
    }

    /// Stops traffic and API and closes the database. The port is closed afterwards; calling it twice does nothing more.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for mut task in tasks {
            // A request that still runs is waited for, but not for long.
            if tokio::time::timeout(END, &mut task).await.is_err() {
                task.abort();
            }
        }
        let _ = tokio::time::timeout(END, self.served.pools.close()).await;
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use perfdeck_model::{Collection, Finding, TargetRole};
    use serde_json::Value;

    use super::traffic::Client;
    use super::*;

    async fn open(dir: &Path) -> Arc<Demo> {
        Demo::open(dir, &|_, _| {}, &CancellationToken::new()).await.expect("the demo opens")
    }

    fn value(out: &Collection, id: &str) -> Option<f64> {
        out.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
    }

    fn requests(demo: &Demo) -> u64 {
        demo.served.requests().0
    }

    async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
        perfdeck_testkit::eventually(Duration::from_secs(20), || {
            let there = done().then_some(()).ok_or(what);
            async move { there }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_demo_lives() {
        let dir = tempfile::tempdir().expect("temp dir");
        let demo = open(dir.path()).await;
        endpoints(&demo).await;
        activity(&demo).await;
        findings(&demo).await;
        ending(demo).await;
    }

    /// Two demos on one Redis, as two processes of a service: each with its own pool, connections and API.
    #[tokio::test(flavor = "multi_thread")]
    async fn two_services_on_one_redis_load_once_and_follow_each_other() {
        let server = perfdeck_testkit::Redis::start().await.expect("Redis");
        let (address, password) = Address::parse(&server.url()).expect("a URL");
        let target = CacheTarget::of(address);
        let dir = tempfile::tempdir().expect("temp dir");
        let start = async || {
            let remote = Some((target.clone(), password.clone()));
            Demo::open_on(dir.path(), remote, &|_, _| {}, &CancellationToken::new()).await.expect("the demo opens")
        };
        let demos = [start().await, start().await];
        let ran = |statement: api::Statement| {
            demos.iter().map(|demo| demo.served.statement_usage()[statement as usize].calls).sum::<u64>()
        };
        assert_eq!(ran(api::Statement::Staff), u64::from(data::STAFF), "whoever came second found the staff there");
        let ask = async |demo: usize, path: &str| {
            let mut body = Vec::new();
            Client::new(demos[demo].port).get(path, Some(&mut body)).await.expect(path);
            String::from_utf8(body).expect("text")
        };
        let all = (0..200).map(|n| ask(n % 2, "/users/7"));
        let answers = futures_util::future::join_all(all).await;
        assert!(answers.iter().all(|a| a == &answers[0] && a.contains("\"id\":7")), "{}", answers[0]);
        assert_eq!(ran(api::Statement::User), 1, "two hundred requests to two services are one statement");
        let left = server.execute(&["PTTL", "clinic:user:7"]).await.expect("a time");
        let perfdeck_testkit::redis::Value::Int(left) = left else { panic!("{left:?}") };
        assert!((40_000..=66_000).contains(&left), "the environment's default time, with its jitter: {left} ms");
        let forever = server.execute(&["PTTL", "clinic:staff:7"]).await.expect("a time");
        assert_eq!(forever, perfdeck_testkit::redis::Value::Int(-1), "the planted keys never expire");

        let rename = "UPDATE users SET name = 'Renamed' WHERE id = 7";
        let alter = demos[0].served.pools.write(|c| Box::pin(async move { sqlx::raw_sql(rename).execute(c).await }));
        alter.await.expect(rename);
        assert!(!ask(1, "/users/7").await.contains("Renamed"), "the cache does not know of it");
        demos[0].aside().invalidate_user(7).await.expect("invalidated");
        for demo in [1, 0] {
            assert!(ask(demo, "/users/7").await.contains("Renamed"), "service {demo} serves what is true now");
        }
        assert_eq!(ran(api::Statement::User), 2, "loaded once more for both");
        for demo in &demos {
            demo.shutdown().await;
        }
    }

    /// Reads appointments until `stop`: three hundred of them most of the time, any other seldom.
    async fn readers(port: u16, stop: CancellationToken, seed: u64) {
        let (mut client, mut random) = (Client::new(port), data::Random::new(seed));
        let mut tick = tokio::time::interval(Duration::from_millis(13));
        while !stop.is_cancelled() {
            tick.tick().await;
            let id = if random.below(100) < 95 { random.below(300) } else { random.below(5_000) };
            let _ = client.get(&format!("/appointments/{}", id + 1), None).await;
        }
    }

    /// What an invalidation is said to cost the source is what the source then sees, on Redis and under load.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_extra_load_on_the_source_is_within_a_factor_of_two_of_what_was_predicted() {
        use perfdeck_cache::take::{Meant, Order, Watch, survey, take};
        let server = perfdeck_testkit::Redis::start().await.expect("Redis");
        let (address, password) = Address::parse(&server.url()).expect("a URL");
        let target = CacheTarget::of(address);
        let dir = tempfile::tempdir().expect("temp dir");
        let remote = Some((target.clone(), password));
        let demo =
            Demo::open_on(dir.path(), remote, &|_, _| {}, &CancellationToken::new()).await.expect("the demo opens");
        // The source's own counter.
        let loads = || demo.served.statement_usage()[api::Statement::Appointment as usize].calls;
        let stop = CancellationToken::new();
        let load: Vec<_> = (0..2).map(|n| tokio::spawn(readers(demo.port, stop.clone(), n + 7))).collect();
        wait_for("the load to know what it reads often", || demo.served.requests().0 > 1_000).await;
        // A bulk load that nobody reads: written a moment ago, which is no use of it.
        let mut connection = server.connect().await.expect("connected");
        let mut bulk = perfdeck_testkit::redis::pipe();
        for id in 0..2_000 {
            bulk.cmd("SET").arg(format!("clinic:appointment:9{id:06}")).arg("x").arg("PX").arg(900_000).ignore();
        }
        bulk.exec_async(&mut connection).await.expect("written");
        let meant = Meant::of(&perfdeck_model::InvalidationOf::Pattern("clinic:appointment:*".as_bytes().into()));
        let meant = meant.expect("a pattern");
        let (before, began) = (loads(), Instant::now());
        let (told, _) = survey(&target, None, &meant, Duration::from_secs(9)).await.expect("looked at");
        let usual = (loads() - before) as f64 / began.elapsed().as_secs_f64();
        let predicted = told.loads.expect("it is known");
        let watch = Watch { stop: &|| false, paused: &|| false, progress: &|_, _| {} };
        let order = Order {
            target: &target,
            password: None,
            meant: &meant,
            snapshot: None,
            soft: None,
            oversized: true,
            limit: None,
            paced: false,
            before: perfdeck_model::TakenKeys::default(),
        };
        let (before, began) = (loads(), Instant::now());
        let (taken, done) = take(order, watch).await;
        done.expect("taken");
        tokio::time::sleep_until((began + Duration::from_secs(10)).into()).await;
        let extra = (loads() - before) as f64 - usual * began.elapsed().as_secs_f64();
        stop.cancel();
        futures_util::future::join_all(load).await;
        let all = format!(
            "predicted {predicted:?} of {} keys, saw {extra:.0} beside {usual:.1}/s; {taken:?}",
            told.matched.value()
        );
        assert!(taken.removed >= 2_200.0, "{all}");
        assert!(extra > 100.0, "it was felt: {all}");
        assert!(predicted.value <= extra * 2.0 && predicted.value >= extra / 2.0, "{all}");
        assert!(predicted.low <= extra * 1.1 && predicted.high >= extra * 0.9, "within its bounds: {all}");
        demo.shutdown().await;
    }

    async fn endpoints(demo: &Demo) {
        let mut client = Client::new(demo.port);
        for (path, status, has) in [
            ("/health", 200, "ok"),
            ("/appointments/1", 200, "\"starts_at\":"),
            ("/appointments?staff_id=7", 200, "\"staff_id\":7"),
            ("/appointments?staff_id=7&limit=1", 200, "\"id\":"),
            ("/staff/3/schedule", 200, "\"appointments\":["),
            ("/users/1", 200, "@clinic.example"),
            ("/analytics", 200, "\"events\":["),
            ("/users/199", 500, "no e-mail"),
            ("/appointments/200001", 404, "not found"),
            ("/staff/201/schedule", 404, "not found"),
            ("/nothing", 404, "not found"),
            ("/appointments/0", 400, "use 1 to"),
            ("/appointments/x", 400, ""),
            ("/appointments?staff_id=7&limit=5000", 400, "limit"),
            ("/appointments", 400, "staff_id"),
        ] {
            let mut body = Vec::new();
            let answer = client.get(path, Some(&mut body)).await.expect(path);
            let text = String::from_utf8_lossy(&body);
            assert_eq!(answer.status, status, "{path}: {text}");
            assert!(text.contains(has), "{path} answers with {has}: {}", text.get(..200).unwrap_or(&text));
            assert_eq!(answer.bytes, body.len(), "{path} sends what it says");
            if path == "/analytics" {
                assert!((200_000..500_000).contains(&body.len()), "it is large but not costly: {}", body.len());
            }
            if status == 200 {
                serde_json::from_str::<Value>(&text).expect(path);
            }
        }
        assert_eq!(demo.served.requests(), (15, 1), "every request is counted, and the failed one");
        let usage = demo.served.route_usage()[api::Route::Schedule as usize];
        assert_eq!(usage.calls, 2, "the schedule was asked for twice");
        assert_eq!(
            usage.statements,
            u64::from(data::PER_STAFF) + 2,
            "twenty-one statements for one schedule, and one for the staff that does not exist"
        );
        let before = demo.statements(0.0);
        for path in ["/staff/9/schedule", "/appointments?staff_id=9&limit=7", "/appointments?staff_id=9&limit=7"] {
            assert_eq!(client.get(path, None).await.expect(path).status, 200, "{path}");
        }
        let gained = perfdeck_database::statements::delta(&before, &demo.statements(1e4));
        let texts = demo.statement_texts();
        let mut counted: Vec<(&str, u64, u64)> = gained
            .gained
            .iter()
            .map(|(key, counts)| (texts[&key.id].text.as_str(), counts.calls, counts.rows))
            .collect();
        counted.sort_unstable();
        let n = u64::from(data::PER_STAFF);
        let wanted = [
            (api::Statement::Schedule.sql(), 1, n),
            (api::Statement::Appointment.sql(), n, n),
            (api::Statement::AppointmentsOfStaff.sql(), 2, 14),
        ];
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(counted, wanted, "the planted N+1 and the planted scan, to the last call and row");
        let (keys, forever) = demo.served.cache.keys();
        let share = forever as f64 / keys as f64;
        assert_eq!(forever, u64::from(data::STAFF), "profiles of the staff never expire");
        assert!((0.1..0.16).contains(&share), "about an eighth of the keys: {share}");
    }

    async fn activity(demo: &Demo) {
        let before = requests(demo);
        tokio::task::yield_now().await;
        assert_eq!(requests(demo), before, "nobody watches, nothing is sent");
        demo.api_series(0.0);
        let (first, second) = (demo.collectors(), demo.collectors());
        wait_for("traffic while somebody watches", || requests(demo) >= before + 5).await;
        drop(first);
        let then = requests(demo);
        wait_for("traffic while somebody else still watches", || requests(demo) >= then + 2).await;
        drop(second);
        assert!(!*demo.activity.active.borrow(), "the traffic pauses when nobody watches");
        demo.set_active(true);
        let (started, then) = (Instant::now(), requests(demo));
        wait_for("traffic when asked for", || requests(demo) >= then + 20).await;
        let (seconds, sent) = (started.elapsed().as_secs_f64(), (requests(demo) - then) as f64);
        assert!(sent <= 13.5 * seconds + 3.0, "about ten a second, not more: {sent} in {seconds} s");
        let series = demo.api_series(seconds * 1e3);
        assert_eq!(series.len(), 4, "rate, errors, p50 and p95; p99 needs 100 requests: {series:?}");
        demo.set_active(false);
    }

    async fn findings(demo: &Demo) {
        let mut collectors = demo.collectors();
        // The traffic of this part is the test's own: enough of each route at once.
        demo.set_active(false);
        for collector in &mut collectors {
            collector.collect(&100_000.0).await.expect("answers");
        }
        let mut client = Client::new(demo.port);
        for i in 1..=3 {
            for path in [format!("/appointments?staff_id={i}"), format!("/staff/{i}/schedule"), format!("/users/{i}")] {
                assert_eq!(client.get(&path, None).await.expect("answers").status, 200, "{path}");
            }
        }
        let mut all: Vec<Finding> = Vec::new();
        for collector in &mut collectors {
            // The cache looks once a minute.
            let at = if collector.role() == TargetRole::Cache { 160_000.0 } else { 106_000.0 };
            let out = collector.collect(&at).await.expect("answers");
            match collector.role() {
                TargetRole::Database => {
                    let rate = value(&out, "database.transactions").expect("a rate");
                    // Users and the probed appointment may be in the cache.
                    let statements = (rate * 6.0).round();
                    assert!((66.0..=70.0).contains(&statements), "three scans, three schedules: {statements}");
                    assert!(value(&out, "database.size").expect("size") > 1e7, "the file has some size");
                    let connections = value(&out, "database.connections{state=active}").expect("active")
                        + value(&out, "database.connections{state=idle}").expect("idle");
                    assert!((1.0..=10.0).contains(&connections), "the pool's connections: {connections}");
                    assert!(out.version.expect("version").starts_with("SQLite 3."), "product and version");
                    assert_eq!(out.limits["max_connections"], 10.0, "the pool's limit");
                }
                TargetRole::Api => {
                    let rate = value(&out, "http.server.requests").expect("a rate");
                    assert!(rate >= 9.0 / 6.0, "nine requests and a probe in six seconds: {rate}");
                    assert_eq!(value(&out, "http.server.errors"), Some(0.0), "none failed");
                    assert!(value(&out, "http.server.duration{quantile=p50}").expect("p50") > 0.0, "latency");
                    let p99 = value(&out, "http.server.duration{quantile=p99}");
                    assert_eq!(p99, None, "ten requests have no p99, however long they are looked at");
                    assert!(value(&out, "api.probe.total").is_some(), "with the probe's own figures");
                }
                _ => assert!(value(&out, "cache.hit_ratio").is_some(), "the cache was asked"),
            }
            all.extend(out.findings.expect("it looked"));
        }
        all.sort_by(|a, b| b.cost.total_cmp(&a.cost));
        for f in &all {
            assert!(f.cost > 0.0 && f.cost <= 1.0, "the cost is a share: {f:?}");
            assert!(!f.action.label.is_empty() && !f.evidence.is_empty(), "with evidence and an action: {f:?}");
            let proof = &f.proof;
            assert!(!proof.rule.is_empty() && !proof.advice.is_empty(), "the rule that made it, and what to do: {f:?}");
            assert!(!proof.values.is_empty() && !proof.steps.is_empty(), "its values, and a step that leads on: {f:?}");
            assert!(proof.samples.is_some() || f.kind == "duplicate_index", "and out of how many: {f:?}");
        }
        let mut kinds: Vec<&str> = all.iter().map(|f| f.kind.as_str()).collect();
        kinds.sort_unstable();
        let planted =
            ["duplicate_index", "keys_without_expiry", "many_statements", "sequential_scan", "uncompressed_response"];
        assert_eq!(kinds, planted, "what was planted is found, and nothing else");
        let of = |kind: &str| all.iter().find(|f| f.kind == kind).expect("found");
        assert!(of("sequential_scan").cost > 0.3, "reading the table costs most: {:?}", of("sequential_scan"));
        let measured = (of("sequential_scan").proof.samples.as_deref(), of("sequential_scan").proof.observed_s);
        assert_eq!(measured, (Some("3 calls"), Some(6.0)), "measured: {:?}", of("sequential_scan"));
        assert!(of("many_statements").title.contains("runs 21 statements"), "counted: {:?}", of("many_statements"));
        assert!(of("duplicate_index").title.contains("`appointments_user_id_idx` repeats `appointments_user`"));

        // A finding goes away with its cause.
        for sql in [
            "CREATE INDEX appointments_staff ON appointments (staff_id, starts_at)",
            "DROP INDEX appointments_user_id_idx",
        ] {
            let alter = demo.served.pools.write(|c| Box::pin(async move { sqlx::raw_sql(sql).execute(c).await }));
            alter.await.expect(sql);
        }
        client.get("/appointments?staff_id=5", None).await.expect("answers");
        let fixed = collectors[1].collect(&130_000.0).await.expect("answers").findings.expect("it looked");
        assert!(fixed.is_empty(), "indexed, and without the duplicate: {fixed:?}");
    }

    async fn ending(demo: Arc<Demo>) {
        demo.set_active(true);
        let mut idle = Client::new(demo.port);
        idle.get("/health", None).await.expect("answers");
        let started = Instant::now();
        demo.shutdown().await;
        assert!(started.elapsed() < Duration::from_secs(3), "it ends soon, with a client that keeps its connection");
        assert!(Client::new(demo.port).get("/health", None).await.is_err(), "the port is closed");
        assert!(idle.get("/health", None).await.is_err(), "and so are its connections");
        demo.shutdown().await;
    }
}
