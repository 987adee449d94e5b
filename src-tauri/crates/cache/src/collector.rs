//! The collector: INFO and PING once a second on a connection of its own to each primary.
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, BoxFuture, CacheMode, CacheTarget, Collection, Collector, Finding, FindingAction, FoundService, HostPort,
    Sensitive, SeriesInfo, TargetRole, Unit,
};
use redis::aio::MultiplexedConnection;

use crate::connect::{connect, explain, primaries, primary};
use crate::test::product;

/// How often keys are sampled for findings.
const SLOW_MS: f64 = 60_000.0;
/// Keys looked at for a finding.
const SAMPLE: usize = 1000;

/// Fields of an INFO answer.
pub(crate) fn fields(info: &str) -> HashMap<String, String> {
    info.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()
}

/// Measures one cache.
pub struct CacheCollector {
    target: CacheTarget,
    password: Option<Sensitive>,
    connections: Vec<(HostPort, MultiplexedConnection)>,
    counters: Option<Counters>,
    slow_at: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    t_ms: f64,
    commands: f64,
    hits: f64,
    misses: f64,
    evicted: f64,
}

pub(crate) fn series(metric: &str, unit: Unit) -> SeriesInfo {
    SeriesInfo::new(metric, &[], unit, TargetRole::Cache)
}

impl CacheCollector {
    /// A collector of `target`. It connects at its first collection.
    pub fn new(target: CacheTarget, password: Option<Sensitive>) -> Self {
        Self { target, password, connections: Vec::new(), counters: None, slow_at: None }
    }

    async fn open(&self) -> Result<Vec<(HostPort, MultiplexedConnection)>, ApiError> {
        let password = self.password.as_ref();
        let hosts = match self.target.mode {
            CacheMode::Single => self.target.address.hosts.iter().take(1).cloned().collect(),
            CacheMode::Sentinel => vec![primary(&self.target, password).await?],
            CacheMode::Cluster => primaries(&self.target, password).await?,
        };
        let mut all = Vec::new();
        for host in hosts {
            let connection = connect(&self.target, &host, password).await?;
            all.push((host, connection));
        }
        Ok(all)
    }

    async fn measure(&mut self, now_ms: f64) -> Result<Collection, ApiError> {
        let mut connections = std::mem::take(&mut self.connections);
        if connections.is_empty() {
            self.counters = None;
            connections = self.open().await?;
        }
        let mut sum: HashMap<&'static str, f64> = HashMap::new();
        let mut version = None;
        let mut ping = 0.0f64;
        for (host, connection) in &mut connections {
            let started = Instant::now();
            let pong: Result<(), _> = redis::cmd("PING").query_async(connection).await;
            pong.map_err(|e| explain(&self.target, host, &e))?;
            ping = ping.max(started.elapsed().as_secs_f64());
            let info: Result<String, _> = redis::cmd("INFO").query_async(connection).await;
            let info = fields(&info.map_err(|e| explain(&self.target, host, &e))?);
            for name in [
                "total_commands_processed",
                "keyspace_hits",
                "keyspace_misses",
                "evicted_keys",
                "used_memory",
                "maxmemory",
                "connected_clients",
            ] {
                if let Some(v) = info.get(name).and_then(|v| v.parse::<f64>().ok()) {
                    *sum.entry(name).or_default() += v;
                }
            }
            let keys: f64 = info
                .iter()
                .filter(|(k, _)| k.starts_with("db") && k[2..].bytes().all(|b| b.is_ascii_digit()))
                .filter_map(|(_, v)| v.strip_prefix("keys=")?.split(',').next()?.parse::<f64>().ok())
                .sum();
            *sum.entry("keys").or_default() += keys;
            version.get_or_insert_with(|| product(&info));
        }
        let nodes = connections.len();
        let get = |name: &str| sum.get(name).copied();
        let mut values = vec![(series("cache.latency", Unit::Seconds), ping)];
        for (name, metric, unit) in
            [("used_memory", "cache.memory.used", Unit::Bytes), ("keys", "cache.keys", Unit::Count)]
        {
            if let Some(v) = get(name) {
                values.push((series(metric, unit), v));
            }
        }
        if let Some(clients) = get("connected_clients") {
            // Without Perfdeck's own connections.
            #[allow(clippy::cast_precision_loss)]
            values.push((series("cache.clients", Unit::Count), (clients - nodes as f64).max(0.0)));
        }
        let now = Counters {
            t_ms: now_ms,
            commands: get("total_commands_processed").unwrap_or(0.0),
            hits: get("keyspace_hits").unwrap_or(0.0),
            misses: get("keyspace_misses").unwrap_or(0.0),
            evicted: get("evicted_keys").unwrap_or(0.0),
        };
        if let Some(before) = self.counters {
            rates(&before, &now, nodes, &mut values);
        }
        self.counters = Some(now);
        let slow = match self.slow_at {
            None => {
                self.slow_at = Some(now_ms - SLOW_MS + 3_000.0);
                false
            }
            Some(at) => now_ms - at >= SLOW_MS,
        };
        let mut found = None;
        if slow {
            self.slow_at = Some(now_ms);
            found = Some(findings(&mut connections, get("keys").unwrap_or(0.0)).await);
        }
        let mut limits = BTreeMap::new();
        if let Some(max) = get("maxmemory").filter(|m| *m > 0.0) {
            limits.insert("maxmemory".to_owned(), max);
        }
        let detail = match self.target.mode {
            CacheMode::Single => None,
            CacheMode::Sentinel => connections.first().map(|(h, _)| format!("primary {h}")),
            CacheMode::Cluster => Some(format!("{nodes} primaries")),
        };
        self.connections = connections;
        Ok(Collection {
            values,
            round_trip_ms: Some(ping * 1e3),
            version,
            detail,
            limits,
            findings: found,
            ..Collection::default()
        })
    }
}

fn rates(before: &Counters, now: &Counters, nodes: usize, values: &mut Vec<(SeriesInfo, f64)>) {
    let seconds = (now.t_ms - before.t_ms) / 1e3;
    // A counter that went back was reset: that second has no rate.
    if seconds <= 0.0 || now.commands < before.commands || now.hits < before.hits || now.misses < before.misses {
        return;
    }
    // PING and INFO of this collector are not the application's.
    #[allow(clippy::cast_precision_loss)]
    let own = 2.0 * nodes as f64;
    values.push((
        series("cache.operations", Unit::PerSecond),
        ((now.commands - before.commands - own) / seconds).max(0.0),
    ));
    values.push((series("cache.evictions", Unit::PerSecond), ((now.evicted - before.evicted) / seconds).max(0.0)));
    let (hits, misses) = (now.hits - before.hits, now.misses - before.misses);
    // A second without look-ups has no ratio.
    if hits + misses > 0.0 {
        values.push((series("cache.hit_ratio", Unit::Ratio), hits / (hits + misses)));
    }
}

/// The share of keys without expiry, from a bounded sample.
async fn findings(connections: &mut [(HostPort, MultiplexedConnection)], keys: f64) -> Vec<Finding> {
    let (mut seen, mut forever) = (0usize, 0usize);
    for (_, connection) in connections {
        // The cursor is opaque: some servers return values beyond 2^63.
        let mut cursor = "0".to_owned();
        for _ in 0..20 {
            let page: Result<(String, Vec<Vec<u8>>), _> =
                redis::cmd("SCAN").arg(&cursor).arg("COUNT").arg(100).query_async(connection).await;
            let Ok((next, names)) = page else { break };
            let mut pipeline = redis::pipe();
            for name in &names {
                pipeline.cmd("TTL").arg(name);
            }
            if !names.is_empty() {
                let ttls: Result<Vec<i64>, _> = pipeline.query_async(connection).await;
                let Ok(ttls) = ttls else { break };
                // -2 is a key that is gone meanwhile.
                seen += ttls.iter().filter(|t| **t != -2).count();
                forever += ttls.iter().filter(|t| **t == -1).count();
            }
            cursor = next;
            if cursor == "0" || seen >= SAMPLE {
                break;
            }
        }
    }
    keys_without_expiry(seen, forever, keys).into_iter().collect()
}

/// The finding about keys that never expire, when there are enough of them in the sample.
pub(crate) fn keys_without_expiry(seen: usize, forever: usize, keys: f64) -> Option<Finding> {
    if seen < 20 || forever * 20 < seen {
        return None;
    }
    #[allow(clippy::cast_precision_loss)]
    let share = forever as f64 / seen as f64;
    Some(Finding {
        id: "keys_without_expiry".to_owned(),
        kind: "keys_without_expiry".to_owned(),
        target: TargetRole::Cache,
        title: format!("{:.0} % of keys never expire", share * 100.0),
        evidence: format!("{forever} of {seen} keys looked at, {keys:.0} keys in all"),
        cost: share * 0.5,
        action: FindingAction { label: "Open cache map".to_owned(), route: "/cache".to_owned() },
    })
}

impl Collector for CacheCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn address(&self) -> String {
        self.target.address.short()
    }

    fn collect(&mut self, now_ms: f64) -> BoxFuture<'_, Result<Collection, ApiError>> {
        Box::pin(self.measure(now_ms))
    }
}

/// A Redis or Valkey on this machine's standard port.
pub async fn discover() -> Vec<FoundService> {
    let work = async {
        let client = redis::Client::open("redis://127.0.0.1:6379").ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let info: Result<String, _> = redis::cmd("INFO").query_async(&mut connection).await;
        let (product, detail) = match info {
            Ok(info) => {
                let size: i64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap_or(0);
                (product(&fields(&info)), format!("open, {size} keys"))
            }
            Err(e) if e.to_string().contains("NOAUTH") => ("Redis".to_owned(), "needs a password".to_owned()),
            Err(_) => return None,
        };
        Some(FoundService {
            role: TargetRole::Cache,
            product,
            address: "127.0.0.1:6379".to_owned(),
            detail,
            url: "redis://127.0.0.1:6379/0".to_owned(),
        })
    };
    tokio::time::timeout(Duration::from_millis(500), work).await.ok().flatten().into_iter().collect()
}
