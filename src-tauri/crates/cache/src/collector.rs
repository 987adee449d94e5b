//! The collector: INFO and PING once a second on a connection of its own to each primary.
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, BoxFuture, CacheMode, CacheTarget, Clock, Collection, Collector, ErrorCode, Finding, FindingAction,
    FindingTarget, HostPort, Proof, Sensitive, SeriesInfo, TargetRole, Unit,
};
use perfdeck_net::{Opening, Waited};
use perfdeck_words as words;
use perfdeck_words::{bytes, count, integer, share};
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;

use crate::announced;
use crate::connect::{connect, explain, primaries, primary};
use crate::error::{again, unwell};
use crate::info::{evicts, fields, keys, product};
use crate::own;

/// How often keys are sampled for findings.
const SLOW_MS: f64 = 60_000.0;
/// When they are first sampled: not in the first seconds, when a person waits for a chart.
const FIRST_SLOW_MS: f64 = 3_000.0;
/// Keys looked at for a finding, over all primaries.
const SAMPLE: usize = 2_000;
/// Keys asked for in one step, so that the server serves others in between.
const PAGE: usize = 200;
/// Longest time of all steps of one sampling.
const SAMPLE_TIME: Duration = Duration::from_millis(150);
/// Longest time of one collection with everything in it. Below the scheduler's own deadline, so that the reason is told.
const DEADLINE: Duration = Duration::from_millis(1_700);
/// Longest wait within a collection for connections that the address gives a time of its own.
const PATIENCE: Duration = Duration::from_millis(700);
/// Longest wait for an address that servers announce, so that it is named before the collection's time is over.
const REACH: Duration = Duration::from_millis(1_000);
/// Two readings whose answers took times that differ by more than this, in milliseconds, have no rates: when within its
/// answer a server read its counters is not known, and an eighth of a second is an eighth of a rate.
const UNSURE_MS: f64 = 250.0;
/// How often servers are asked whose their clients are: other Perfdecks' are not an application's.
const OTHERS_MS: f64 = 10_000.0;
/// Most clients of a server that is asked that: it makes a line for each (0.5 µs to 2 µs, measured on Redis 6.2 to 8.2 and Valkey 9).
const MOST_LISTED: f64 = 500.0;
/// Look-ups of Perfdeck's own that may be under way when counters are read. Fewer of others are not told from them.
const UNDER_WAY: f64 = 2_000.0;

/// Measures one cache.
pub struct CacheCollector {
    target: CacheTarget,
    password: Option<Sensitive>,
    connections: Connections,
    /// Connections that are being opened over several collections, and since when.
    opening: Option<Opening<Result<Connections, ApiError>>>,
    counters: Option<Counters>,
    slow_at: Option<f64>,
    /// Evictions at the previous sampling.
    evicted: Option<f64>,
    /// What Perfdeck had sent to these servers when the previous collection ended.
    sent: Option<f64>,
    /// Connections of other Perfdecks, when they were counted; each by its server.
    others: Option<(f64, HashMap<String, f64>)>,
}

impl std::fmt::Debug for CacheCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheCollector").field("address", &self.target.address.short()).finish_non_exhaustive()
    }
}

/// Connections to the servers that are measured.
type Connections = Vec<(HostPort, MultiplexedConnection)>;

async fn open(target: &CacheTarget, password: Option<&Sensitive>) -> Result<Connections, ApiError> {
    let hosts: Vec<HostPort> = match target.mode {
        CacheMode::Single => target.address.hosts.iter().take(1).cloned().collect(),
        CacheMode::Sentinel => vec![primary(target, password).await?],
        CacheMode::Cluster => primaries(target, password).await?,
    };
    if target.mode != CacheMode::Single {
        // Where the servers send their clients is not where the address says, and a driver names neither.
        let limit = target.address.options().ok().and_then(|o| o.connect_timeout).unwrap_or(REACH);
        let announced = announced::addresses(hosts.iter().map(|h| (h.clone(), true)).collect(), limit).await;
        if let Some(error) = announced.refusal(target.mode) {
            return Err(error);
        }
    }
    let mut opening = JoinSet::new();
    for host in hosts {
        let (target, password) = (target.clone(), password.cloned());
        opening.spawn(async move {
            let connection = connect(&target, &host, password.as_ref()).await?;
            Ok::<_, ApiError>((host, connection))
        });
    }
    let mut all = Vec::new();
    while let Some(opened) = opening.join_next().await {
        all.push(opened.map_err(|_| ApiError::internal("A connection attempt ended unexpectedly"))??);
    }
    if all.is_empty() {
        return Err(ApiError::bad_request("The address names no host").hint("Write redis://host:6379/0"));
    }
    Ok(all)
}

/// Counters of one moment, summed over the primaries; rates are differences.
#[derive(Debug, Clone, PartialEq, Default)]
struct Counters {
    /// When they were asked for and answered, on the monotonic clock in milliseconds.
    at: (f64, f64),
    /// The servers' run ids: another one means counters that began anew.
    servers: Vec<String>,
    commands: f64,
    hits: f64,
    misses: f64,
    evicted: f64,
    /// Of these, Perfdeck's own commands, and those of them that looked a key up.
    own: f64,
    looked: f64,
}

/// What one primary told.
struct Reading {
    /// Round trip of a PING, in seconds.
    ping: f64,
    info: HashMap<String, String>,
    /// What Perfdeck had sent before INFO, which counts itself only after its answer.
    own: own::Done,
}

impl Counters {
    /// Of what all primaries told; `None` when one of them does not tell a counter.
    fn of(at: (f64, f64), readings: &[Reading]) -> Option<Self> {
        let sum = |name: &str| readings.iter().map(|r| number(&r.info, name)).sum::<Option<f64>>();
        Some(Self {
            at,
            own: readings.iter().map(|r| r.own.commands as f64).sum(),
            looked: readings.iter().map(|r| r.own.look_ups as f64).sum(),
            servers: readings.iter().filter_map(|r| r.info.get("run_id").cloned()).collect(),
            commands: sum("total_commands_processed")?,
            hits: sum("keyspace_hits")?,
            misses: sum("keyspace_misses")?,
            evicted: sum("evicted_keys")?,
        })
    }
}

pub(crate) fn series(metric: &str, unit: Unit) -> SeriesInfo {
    SeriesInfo::new(metric, &[], unit, TargetRole::Cache)
}

/// PING, and then INFO.
async fn read(host: &HostPort, connection: &mut MultiplexedConnection) -> Result<Reading, redis::RedisError> {
    let started = Instant::now();
    // A server that says what is wrong with it is measured all the same.
    redis::cmd("PING").exec_async(connection).await.or_else(|e| if unwell(&e).is_some() { Ok(()) } else { Err(e) })?;
    let ping = started.elapsed().as_secs_f64();
    let own = own::done(host);
    let info: String = redis::cmd("INFO").query_async(connection).await?;
    Ok(Reading { ping, info: fields(&info), own })
}

/// A field of INFO as a number.
fn number(info: &HashMap<String, String>, name: &str) -> Option<f64> {
    info.get(name)?.parse::<f64>().ok()
}

impl CacheCollector {
    /// A collector of `target`. It connects at its first collection.
    pub fn new(target: CacheTarget, password: Option<Sensitive>) -> Self {
        let (connections, opening, counters, slow_at) = (Vec::new(), None, None, None);
        Self { target, password, connections, opening, counters, slow_at, evicted: None, sent: None, others: None }
    }

    /// New connections. Those that the address gives more time than a collection has are opened beside the collections.
    async fn open(&mut self) -> Result<Connections, ApiError> {
        let options = self.target.address.options();
        let given = options.map_err(|e| ApiError::bad_request(e.message).hint(e.hint))?.connect_timeout;
        let Some(limit) = given.filter(|limit| *limit > PATIENCE) else {
            return open(&self.target, self.password.as_ref()).await;
        };
        let (target, password) = (self.target.clone(), self.password.clone());
        let begin = || async move { open(&target, password.as_ref()).await };
        match Opening::wait(&mut self.opening, PATIENCE, begin).await {
            Waited::Done(outcome) => outcome,
            Waited::Lost => Err(ApiError::internal("A connection attempt ended unexpectedly")),
            Waited::Still(lasts) => {
                let (at, seconds, limit) = (self.target.address.short(), lasts.as_secs(), limit.as_secs());
                let what = format!("Connecting to {at} for {seconds} s; its connect_timeout is {limit} s");
                Err(again(ErrorCode::Timeout, what).hint("Perfdeck waits until then; it is slow, or it hangs"))
            }
        }
    }

    /// All primaries at the same time, with the moments of asking and of the last answer. One that fails makes the sum unknown: a part of it would be a wrong number.
    async fn read_all(
        &self,
        connections: &[(HostPort, MultiplexedConnection)],
        clock: &dyn Clock,
    ) -> Result<((f64, f64), Vec<Reading>), ApiError> {
        let asked_ms = clock.monotonic_ms();
        let mut reading = JoinSet::new();
        for (i, (host, connection)) in connections.iter().enumerate() {
            let (host, mut connection) = (host.clone(), connection.clone());
            reading.spawn(async move { (i, read(&host, &mut connection).await.map_err(|e| (host, e))) });
        }
        let mut all = Vec::new();
        while let Some(done) = reading.join_next().await {
            let (i, outcome) = done.map_err(|_| ApiError::internal("A reading ended unexpectedly"))?;
            all.push((i, outcome.map_err(|(host, e)| explain(&self.target, &host, &e))?));
        }
        let at = (asked_ms, clock.monotonic_ms());
        all.sort_by_key(|(i, _)| *i);
        Ok((at, all.into_iter().map(|(_, found)| found).collect()))
    }

    /// Connections of Perfdecks to the servers that were asked: of this process exactly, of others as of at most ten seconds ago.
    async fn perfdecks(
        &mut self,
        connections: &mut Connections,
        infos: &[HashMap<String, String>],
        now_ms: f64,
    ) -> f64 {
        if self.others.as_ref().is_none_or(|(at, _)| now_ms - at >= OTHERS_MS) {
            let mut others = HashMap::new();
            for ((host, connection), info) in connections.iter_mut().zip(infos) {
                if number(info, "connected_clients").is_none_or(|n| n > MOST_LISTED) {
                    continue;
                }
                let list: Result<Vec<u8>, _> = redis::cmd("CLIENT").arg("LIST").query_async(connection).await;
                // An account may lack it: then those of this process alone are known.
                let Ok(list) = list else { continue };
                let own = own::connections(host) as f64;
                others.insert(host.to_string(), (named(&String::from_utf8_lossy(&list)) - own).max(0.0));
            }
            self.others = Some((now_ms, others));
        }
        let others = self.others.as_ref().map_or(0.0, |(_, others)| others.values().sum());
        connections.iter().map(|(host, _)| own::connections(host) as f64).sum::<f64>() + others
    }

    async fn measure(&mut self, clock: &dyn Clock) -> Result<Collection, ApiError> {
        let mut connections = std::mem::take(&mut self.connections);
        if connections.is_empty() {
            self.counters = None;
            connections = self.open().await?;
        }
        let (mut at, mut readings) = self.read_all(&connections, clock).await?;
        // After a failover the old primary answers as a replica, or a cluster node serves no slots any more.
        let follows = self.target.mode != CacheMode::Single;
        if follows && readings.iter().any(|r| r.info.get("role").is_some_and(|r| r != "master")) {
            self.counters = None;
            connections = self.open().await?;
            (at, readings) = self.read_all(&connections, clock).await?;
        }
        let ping = readings.iter().map(|r| r.ping).fold(0.0, f64::max);
        let counted = Counters::of(at, &readings);
        let infos: Vec<HashMap<String, String>> = readings.into_iter().map(|r| r.info).collect();
        // A counter that one primary does not tell is unknown for all.
        let sum = |name: &str| infos.iter().map(|info| number(info, name)).sum::<Option<f64>>();
        let (all, expiring) = infos.iter().map(keys).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let mut values = vec![(series("cache.latency", Unit::Seconds), ping)];
        values.push((series("cache.keys", Unit::Count), all as f64));
        if let Some(used) = sum("used_memory") {
            values.push((series("cache.memory.used", Unit::Bytes), used));
        }
        if let Some(clients) = sum("connected_clients") {
            // Without those of this Perfdeck and of others.
            let own = self.perfdecks(&mut connections, &infos, clock.monotonic_ms()).await;
            values.push((series("cache.clients", Unit::Count), (clients - own).max(0.0)));
        }
        if let Some(now) = counted {
            if let Some(before) = &self.counters {
                rates(before, &now, &mut values);
            }
            self.counters = Some(now);
        }
        let mut limits = BTreeMap::new();
        // A cluster with one unlimited node has no limit.
        if infos.iter().all(|i| number(i, "maxmemory").is_some_and(|m| m > 0.0))
            && let Some(max) = sum("maxmemory")
        {
            limits.insert("maxmemory".to_owned(), max);
        }
        let mut findings = None;
        let now_ms = clock.monotonic_ms();
        if *self.slow_at.get_or_insert(now_ms - SLOW_MS + FIRST_SLOW_MS) + SLOW_MS <= now_ms {
            self.slow_at = Some(now_ms);
            let sample = sample(&mut connections).await;
            // The next rates begin after the look at the keys: what it costs the server is no one else's work.
            let (at, readings) = self.read_all(&connections, clock).await?;
            self.counters = Counters::of(at, &readings);
            let infos: Vec<HashMap<String, String>> = readings.into_iter().map(|r| r.info).collect();
            let mut found: Vec<Finding> = without_expiry(all, expiring, &sample).into_iter().collect();
            let evicted = sum("evicted_keys");
            let since = evicted.zip(self.evicted).map_or(0.0, |(now, before)| (now - before).max(0.0));
            self.evicted = evicted;
            found.extend(memory(&infos, since));
            findings = Some(found);
        }
        let detail = match self.target.mode {
            CacheMode::Single => {
                infos.first().and_then(|i| i.get("role")).filter(|r| *r != "master").map(|_| "replica".to_owned())
            }
            CacheMode::Sentinel => connections.first().map(|(h, _)| format!("primary {h}")),
            CacheMode::Cluster => Some(format!("{} primaries", connections.len())),
        };
        let sent = connections.iter().map(|(host, _)| own::done(host).commands as f64).sum::<f64>();
        let own_requests = requests(sent - self.sent.unwrap_or(0.0));
        self.sent = Some(sent);
        self.connections = connections;
        Ok(Collection {
            values,
            round_trip_ms: Some(ping * 1e3),
            version: infos.first().map(product),
            detail,
            limits,
            findings,
            own_requests,
            ..Collection::default()
        })
    }
}

fn requests(sent: f64) -> u32 {
    sent.max(0.0) as u32
}

/// Clients of a list that are Perfdecks', by the names that they gave themselves.
fn named(list: &str) -> f64 {
    list.lines().filter(|line| line.split(' ').any(|field| field.starts_with("name=perfdeck"))).count() as f64
}

/// Rates between two moments, without what Perfdeck itself did in between.
fn rates(before: &Counters, now: &Counters, values: &mut Vec<(SeriesInfo, f64)>) {
    let (took, earlier) = (now.at.1 - now.at.0, before.at.1 - before.at.0);
    let seconds = (now.at.0 + now.at.1 - before.at.0 - before.at.1) / 2e3;
    // A counter that went back was reset, and another server counts from its own start: that second has no rate. Nor has
    // one whose beginning or end is not known.
    if seconds <= 0.0
        || (took - earlier).abs() > UNSURE_MS
        || now.servers != before.servers
        || now.commands < before.commands
        || now.hits < before.hits
        || now.misses < before.misses
        || now.evicted < before.evicted
    {
        return;
    }
    let commands = (now.commands - before.commands - (now.own - before.own)).max(0.0);
    values.push((series("cache.operations", Unit::PerSecond), commands / seconds));
    values.push((series("cache.evictions", Unit::PerSecond), (now.evicted - before.evicted) / seconds));
    // Perfdeck looks up keys of which a server has just told the names: what is gone in between is rare.
    let looked = now.looked - before.looked;
    let (hits, misses) = ((now.hits - before.hits - looked).max(0.0), now.misses - before.misses);
    // A second without look-ups has no ratio, nor has one in which those of others are too few to be told from our own.
    if hits + misses > 0.0 && (looked <= 0.0 || hits + misses >= looked.min(UNDER_WAY)) {
        values.push((series("cache.hit_ratio", Unit::Ratio), hits / (hits + misses)));
    }
}

/// What a bounded look at the keys found.
#[derive(Debug, Default)]
struct Sample {
    seen: usize,
    forever: usize,
    /// Keys without expiry by the part of their name before the first colon.
    names: HashMap<String, usize>,
}

/// Looks at a few keys of each primary, page by page, without touching their idle time.
async fn sample(connections: &mut [(HostPort, MultiplexedConnection)]) -> Sample {
    let mut sample = Sample::default();
    let started = Instant::now();
    let share = SAMPLE.div_ceil(connections.len().max(1));
    for (_, connection) in connections {
        let enough = sample.seen + share;
        // The cursor is opaque: some servers return values beyond 2^63.
        let mut cursor = "0".to_owned();
        while sample.seen < enough && started.elapsed() < SAMPLE_TIME {
            let page: Result<(String, Vec<Vec<u8>>), _> =
                redis::cmd("SCAN").arg(&cursor).arg("COUNT").arg(PAGE).query_async(connection).await;
            let Ok((next, mut names)) = page else { break };
            names.truncate(enough - sample.seen);
            if !names.is_empty() {
                let mut pipeline = redis::pipe();
                for name in &names {
                    pipeline.cmd("PTTL").arg(name);
                }
                let ttls: Result<Vec<i64>, _> = pipeline.query_async(connection).await;
                let Ok(ttls) = ttls else { break };
                for (name, ttl) in names.iter().zip(ttls) {
                    // -2 is a key that is gone meanwhile.
                    if ttl == -2 {
                        continue;
                    }
                    sample.seen += 1;
                    if ttl == -1 {
                        sample.forever += 1;
                        if let Some(prefix) = prefix(name) {
                            *sample.names.entry(prefix).or_default() += 1;
                        }
                    }
                }
            }
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
    }
    sample
}

/// The part of a key before its first colon; `None` for keys without one, whose whole name could be someone's data.
pub(crate) fn prefix(name: &[u8]) -> Option<String> {
    let end = name.iter().position(|b| *b == b':')?;
    let text = std::str::from_utf8(&name[..end]).ok()?;
    let plain = text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    (plain && !text.is_empty()).then(|| text.to_owned())
}

/// The finding about keys that never expire, from the server's own exact counts; the sample says which keys they are.
fn without_expiry(all: u64, expiring: u64, sample: &Sample) -> Option<Finding> {
    let forever = all.saturating_sub(expiring);
    if all < 20 || forever * 20 < all {
        return None;
    }
    let mut evidence = format!("{} of {} keys, as the server counts them", count(forever), count(all));
    let mut proof = Proof::new(
        "20 keys or more, and 5\u{202f}% of them or more without expiry",
        "Give them a time to live where they are written: what nothing frees stays until the memory is full",
    )
    .value("without expiry", count(forever))
    .value("keys", count(all));
    if sample.seen > 0 {
        proof = proof
            .value("looked at for their names", count(sample.seen as u64))
            .observed(Some(words::plural(sample.seen as u64, "key")), None)
            .statement("Shows the same counts", "INFO keyspace");
        evidence.push_str(&format!("; sample of {} keys", count(sample.seen as u64)));
        let top = sample.names.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        if let Some((name, n)) = top {
            let part = share(*n as f64 / sample.forever.max(1) as f64);
            evidence.push_str(&format!(": `{name}:*` is {part} of those without expiry"));
            proof = proof
                .value("most of them", format!("{name}:*, {part}"))
                .statement("Lists some of them", format!("SCAN 0 MATCH {}:* COUNT 100", quoted(name)))
                .step("Benchmark these keys", FindingTarget::Keys { pattern: format!("{name}:*") });
        }
    }
    let part = forever as f64 / all as f64;
    let title = format!("{} of keys never expire", share(part));
    Some(finding("keys_without_expiry", title, evidence, part * 0.5).because(proof))
}

fn finding(kind: &str, title: String, evidence: String, cost: f64) -> Finding {
    Finding {
        id: kind.to_owned(),
        kind: kind.to_owned(),
        target: TargetRole::Cache,
        title,
        evidence,
        cost: cost.clamp(0.0, 1.0),
        action: FindingAction { label: "Review keys".to_owned(), opens: FindingTarget::Cache },
        proof: Proof::default(),
    }
}

/// The beginning of a key's name as `redis-cli` takes it.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if plain { name.to_owned() } else { format!("{name:?}") }
}

/// The finding about a full memory. `evicted` is how many keys were evicted since the previous look.
fn memory(infos: &[HashMap<String, String>], evicted: f64) -> Option<Finding> {
    // The fullest primary decides: the others cannot help it.
    let (used, max, policy, refuses) = infos
        .iter()
        .filter_map(|i| {
            let max = number(i, "maxmemory").filter(|m| *m > 0.0)?;
            Some((number(i, "used_memory")?, max, i.get("maxmemory_policy").map_or("", String::as_str), !evicts(i)))
        })
        .max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))?;
    let full = format!("{} of {} used, maxmemory-policy {policy}", bytes(used), bytes(max));
    let proof = |rule: &str, advice: &str| {
        Proof::new(rule, advice)
            .value("used", bytes(used))
            .value("maxmemory", bytes(max))
            .value("maxmemory-policy", policy)
            .statement("Shows the same figures", "INFO memory")
    };
    if evicted > 0.0 {
        let proof = proof(
            "a key was evicted between two looks, a minute apart",
            "Raise maxmemory, or give less important keys a shorter time to live: what is evicted must be computed again",
        )
        .value("evicted", integer(evicted))
        .observed(None, Some(SLOW_MS / 1e3));
        let title = "Keys are evicted before they expire".to_owned();
        let evidence = format!("{} keys in the last minute; {full}", integer(evicted));
        return Some(finding("evicting", title, evidence, 0.6).because(proof));
    }
    if used < max * 0.95 {
        return None;
    }
    let title = if refuses { "Memory is full: writes are refused" } else { "Memory is full: keys will be evicted" };
    let proof = proof(
        "95\u{202f}% of maxmemory or more is used",
        "Raise maxmemory, or choose a policy that evicts what is used least, such as allkeys-lfu",
    );
    Some(finding("memory_full", title.to_owned(), full, 0.8).because(proof))
}

/// The finding of a cache whose keys were all looked at.
pub(crate) fn keys_without_expiry(seen: usize, forever: usize) -> Option<Finding> {
    let (seen, forever) = (seen as u64, forever as u64);
    without_expiry(seen, seen.saturating_sub(forever), &Sample::default())
}

impl Collector for CacheCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Cache
    }

    fn address(&self) -> String {
        self.target.address.short()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            let at = self.target.address.short();
            match tokio::time::timeout(DEADLINE, self.measure(clock)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ApiError::new(ErrorCode::Timeout, format!("{at} did not answer within 1.7 s"))
                    .hint("Check that all its nodes and the network to them are up")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: f64, n: f64) -> Counters {
        let servers = vec!["a".into()];
        Counters { at: (ms, ms + 2.0), servers, commands: n, hits: n, misses: n, evicted: n, own: 0.0, looked: 0.0 }
    }

    #[test]
    fn rates_leave_out_resets_and_what_perfdeck_did() {
        let mut values = Vec::new();
        rates(&at(0.0, 100.0), &at(1000.0, 5.0), &mut values);
        rates(&at(0.0, 100.0), &Counters { servers: vec!["b".into()], ..at(1000.0, 500.0) }, &mut values);
        assert!(values.is_empty(), "a counter that went back, or another server, has no rate");
        rates(&at(0.0, 0.0), &Counters { own: 10.0, ..at(2000.0, 100.0) }, &mut values);
        assert_eq!(values[0].1, 45.0, "90 commands of others in 2 s");
        assert_eq!(values[2].1, 0.5, "half of the look-ups found something");
        values.clear();
        rates(&at(0.0, 0.0), &Counters { looked: 50.0, own: 50.0, hits: 150.0, ..at(1000.0, 100.0) }, &mut values);
        assert_eq!(values[2].1, 0.5, "50 of the 150 hits are Perfdeck's own");
        values.clear();
        rates(&at(0.0, 0.0), &Counters { looked: 9e4, hits: 9e4 + 3.0, ..at(1000.0, 0.0) }, &mut values);
        assert_eq!(values.len(), 2, "three look-ups of others beside 90 000 of a scan make no ratio: {values:?}");
    }

    #[test]
    fn a_moment_that_is_not_known_makes_no_rate() {
        let mut values = Vec::new();
        let stopped = Counters { at: (1000.0, 3000.0), ..at(0.0, 1500.0) };
        rates(&at(0.0, 0.0), &stopped, &mut values);
        rates(&stopped, &at(4000.0, 2000.0), &mut values);
        assert!(values.is_empty(), "stopped for two seconds in the middle of a reading: {values:?}");
        let far = |ms: f64, n| Counters { at: (ms, ms + 600.0), ..at(ms, n) };
        rates(&far(0.0, 0.0), &far(1000.0, 500.0), &mut values);
        assert_eq!(values[0].1, 500.0, "a target that is always far away is measured all the same");
    }

    #[test]
    fn keyspace_lines_are_summed() {
        let info =
            fields("# Keyspace\r\ndb0:keys=10,expires=4,avg_ttl=0\r\ndb12:keys=5,expires=5\r\ndbsize:keys=99\r\n");
        assert_eq!(keys(&info), (15, 9), "numbered databases only");
    }

    #[test]
    fn prefixes_never_show_data() {
        assert_eq!(prefix(b"session:42").as_deref(), Some("session"), "a namespace");
        assert_eq!(prefix(b"jane@example.org"), None, "a name without a namespace may be data");
        assert_eq!(prefix(b"jane@example.org:1"), None, "and so may an odd one");
    }
}
