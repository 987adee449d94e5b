//! What a cache's servers tell of themselves within a second and without a scan: memory, sizes by type, commands by cost, what held them
//! up, their logs and their clients.
//!
//! Nothing is reset: rates are differences of two readings, without what Perfdeck itself did in between. A question that a server does not
//! know or may not answer leaves its part unknown with the reason and the ACL rule, and the rest works.
mod ask;
mod clients;
mod hot;
mod hotkeys;
mod judge;
mod latency;
mod masked;
mod memory;
mod monitor;
mod slots;
mod slow;
mod sums;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheClient, CacheClients, CacheLook, CacheMode, CacheSlowEntry, CacheSlowLog, CacheTarget, CacheUnknown,
    Clock, ErrorCode, HostPort, Sensitive, TargetHealth,
};
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;

use self::ask::{Answer, Door, Unanswered};
use self::latency::Latency;
use self::slots::Slots;
use self::sums::Moment;
use crate::connect::{connect, explain};
use crate::error::unwell;
use crate::info::{Info, fields, product};
use crate::load::servers;
use crate::own;

pub(crate) use self::masked::shown;
pub use self::monitor::{MOST_SECONDS, USUAL_SECONDS};

/// Longest time of one look, connecting included.
const DEADLINE: Duration = Duration::from_secs(4);
/// Longest time to wait for one answer about one server beside INFO.
const PATIENCE: Duration = Duration::from_millis(800);
/// Two readings that are nearer to each other make no rates: a second has been waited for.
const APART_MS: f64 = 950.0;
/// An older reading is none to compare with.
const OLD_MS: f64 = 600_000.0;
/// Entries of the slow log that a look asks for.
const RECENT_SLOW: u64 = 32;

/// What one server told.
struct Told {
    host: HostPort,
    ping_s: f64,
    /// What it says is wrong with it in place of an answer to PING: its code, and what that means.
    unwell: Option<(String, ApiError)>,
    info: Info,
    /// Perfdeck's own commands before INFO, by name, which counts itself only after its answer.
    own: BTreeMap<String, u64>,
    own_connections: u64,
    slow: Answer<(Vec<CacheSlowEntry>, u32)>,
    clients: Answer<Vec<CacheClient>>,
    latency: Latency,
}

/// What all servers told at one moment.
struct Reading {
    at: Moment,
    told: Vec<Told>,
    /// Servers that did not answer.
    silent: Vec<ApiError>,
    slots: Option<Answer<Slots>>,
}

/// What is asked beside INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// The slow log and the clients, for what is judged by them.
    Health,
    /// Those, and what held the server up.
    Look,
    /// Nothing more.
    Info,
}

/// Reads what a cache's servers tell, over connections that it keeps, and keeps the last reading for rates.
pub struct CacheReader {
    target: CacheTarget,
    password: Option<Sensitive>,
    open: Vec<(HostPort, MultiplexedConnection)>,
    before: Option<Moment>,
}

impl std::fmt::Debug for CacheReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheReader").field("address", &self.target.address.short()).finish_non_exhaustive()
    }
}

impl CacheReader {
    /// A reader of the cache. It connects at its first question.
    pub fn new(target: CacheTarget, password: Option<Sensitive>) -> Self {
        Self { target, password, open: Vec::new(), before: None }
    }

    async fn connected(&mut self) -> Result<(), ApiError> {
        if !self.open.is_empty() {
            return Ok(());
        }
        for host in servers(&self.target, self.password.as_ref()).await? {
            let connection = connect(&self.target, &host, self.password.as_ref()).await?;
            self.open.push((host, connection));
        }
        if self.open.is_empty() {
            return Err(ApiError::bad_request("The cache's address names no host").hint("Write redis://host:6379/0"));
        }
        Ok(())
    }

    /// Asks all servers at the same time. Connections that were kept may be gone, or lead to a primary that is none any more: then all are
    /// opened anew, once.
    async fn read(&mut self, clock: &dyn Clock, asks: Asks) -> Result<Reading, ApiError> {
        let kept = !self.open.is_empty();
        let first = self.read_once(clock, asks).await;
        let outdated = |r: &Reading| {
            let moved = self.target.mode != CacheMode::Single;
            !r.silent.is_empty()
                || moved && r.told.iter().any(|t| t.info.get("role").is_some_and(|role| role != "master"))
        };
        if kept && first.as_ref().map_or(true, outdated) {
            self.open.clear();
            return self.read_once(clock, asks).await;
        }
        first
    }

    async fn read_once(&mut self, clock: &dyn Clock, asks: Asks) -> Result<Reading, ApiError> {
        let work = async {
            self.connected().await?;
            let target = Arc::new(self.target.clone());
            let mut reading = JoinSet::new();
            for (i, (host, connection)) in self.open.iter().enumerate() {
                let (target, host, connection) = (target.clone(), host.clone(), connection.clone());
                reading.spawn(async move {
                    let door = Door { target: &target, host: &host, connection };
                    (i, told(&door, asks).await)
                });
            }
            let (mut all, mut silent) = (Vec::new(), Vec::new());
            while let Some(done) = reading.join_next().await {
                match done.map_err(|_| ApiError::internal("A reading ended unexpectedly"))? {
                    (i, Ok(told)) => all.push((i, told)),
                    (_, Err(error)) => silent.push(error),
                }
            }
            all.sort_by_key(|(i, _)| *i);
            let told: Vec<Told> = all.into_iter().map(|(_, told)| told).collect();
            if let (true, Some(error)) = (told.is_empty(), silent.first()) {
                return Err(error.clone());
            }
            let slots = match self.open.first() {
                Some((host, connection)) if self.target.mode == CacheMode::Cluster => {
                    let door = Door { target: &self.target, host, connection: connection.clone() };
                    Some(
                        door.ask::<String>(&["CLUSTER", "NODES"], "+cluster|nodes")
                            .await
                            .map(|text| slots::read(&text)),
                    )
                }
                _ => None,
            };
            let at = Moment::of(clock.monotonic_ms(), &told);
            Ok(Reading { at, told, silent, slots })
        };
        let outcome = tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| {
            let at = self.target.address.short();
            Err(ApiError::new(ErrorCode::Timeout, format!("{at} did not answer within {} s", DEADLINE.as_secs()))
                .hint("Check that all its nodes and the network to them are up"))
        });
        if outcome.as_ref().map_or(true, |r| !r.silent.is_empty()) {
            self.open.clear();
        }
        outcome
    }

    /// The reading before this one, where there is one to compare with; this one takes its place once they are far enough apart.
    fn compared(&mut self, now: &Moment) -> Option<Moment> {
        let before = self.before.clone().filter(|b| (APART_MS..OLD_MS).contains(&(now.at_ms - b.at_ms)));
        if before.is_some() || self.before.as_ref().is_none_or(|b| now.at_ms - b.at_ms >= OLD_MS) {
            self.before = Some(now.clone());
        }
        before
    }

    /// What the servers tell of themselves. The first look has no rates: they come with the next one, a second later or more.
    ///
    /// # Errors
    /// When no server can be reached, or none answers INFO. A server of several that does not answer is among what is unknown.
    pub async fn look(&mut self, clock: &dyn Clock) -> Result<CacheLook, ApiError> {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let reading = self.read(clock, Asks::Look).await?;
        let before = self.compared(&reading.at);
        let mut look = sums::look(&reading, before.as_ref(), self.target.mode, at_ms);
        let findings = judge::checks(&reading, before.as_ref(), at_ms);
        look.findings = findings.into_iter().filter(|c| c.state > perfdeck_model::CheckState::Unknown).collect();
        look.findings.sort_by_key(|check| std::cmp::Reverse(check.state));
        look.took_s = started.elapsed().as_secs_f64();
        Ok(look)
    }

    /// Health of the cache. One that cannot be reached has the failing check `reachable` and no other. What is told by rates needs two
    /// readings: where there is none to compare with, a second passes between them.
    pub async fn health(&mut self, clock: &dyn Clock) -> TargetHealth {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let took = || started.elapsed().as_secs_f64();
        let mut reading = match self.read(clock, Asks::Health).await {
            Ok(reading) => reading,
            Err(error) => return TargetHealth::of(at_ms, None, vec![judge::unreachable(&error)], took()),
        };
        let mut before = self.compared(&reading.at);
        if before.is_none() {
            let first = reading.at.clone();
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Ok(second) = self.read(clock, Asks::Info).await {
                before = Some(first);
                // What was asked beside INFO is of the first one.
                for (now, then) in second.told.into_iter().zip(&mut reading.told) {
                    if now.host == then.host {
                        (then.info, then.own, then.ping_s) = (now.info, now.own, then.ping_s.min(now.ping_s));
                    }
                }
                reading.at = second.at;
            }
        }
        let checks = judge::checks(&reading, before.as_ref(), at_ms);
        TargetHealth::of(at_ms, Some(versions(&reading.told)), checks, took())
    }

    /// The logs of all servers, newest first, without Perfdeck's own entries.
    ///
    /// # Errors
    /// When no server can be reached. A log that this user may not see is among what is unknown.
    pub async fn slow_log(&mut self, clock: &dyn Clock) -> Result<CacheSlowLog, ApiError> {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let reading = self.read(clock, Asks::Info).await?;
        let mut log = CacheSlowLog {
            at_ms,
            took_s: 0.0,
            version: versions(&reading.told),
            entries: Vec::new(),
            own: 0,
            left_out: 0,
            slower_than_s: None,
            sizes: false,
            unknown: silent(&reading.silent),
        };
        for (host, connection) in &self.open {
            let door = Door { target: &self.target, host, connection: connection.clone() };
            let Ok(logs) = tokio::time::timeout(PATIENCE, slow::logs(&door)).await else {
                log.unknown.push(no_time("Slow log", host));
                continue;
            };
            log.left_out += logs.kept.saturating_sub(logs.entries.len() as u64 + u64::from(logs.own));
            log.own += logs.own;
            log.sizes |= logs.sizes;
            log.slower_than_s = log.slower_than_s.or(logs.slower_than_s);
            log.entries.extend(logs.entries);
            log.unknown.extend(logs.unknown);
        }
        log.entries.sort_by(|a, b| b.at_ms.total_cmp(&a.at_ms).then_with(|| b.id.cmp(&a.id)));
        log.took_s = started.elapsed().as_secs_f64();
        Ok(log)
    }

    /// The clients of all servers. A server with more than 2,000 of them makes its list only for `all`, because it serves nobody meanwhile.
    ///
    /// # Errors
    /// When no server can be reached. A list that this user may not see is among what is unknown.
    pub async fn clients(&mut self, all: bool, clock: &dyn Clock) -> Result<CacheClients, ApiError> {
        let (at_ms, started) = (clock.now_ms(), Instant::now());
        let reading = self.read(clock, Asks::Info).await?;
        let sum = |name: &str| reading.told.iter().map(|t| told::whole(&t.info, name)).sum::<Option<u64>>();
        let mut found = CacheClients {
            at_ms,
            took_s: 0.0,
            version: versions(&reading.told),
            clients: Vec::new(),
            connected: sum("connected_clients").unwrap_or(0),
            blocked: sum("blocked_clients").unwrap_or(0),
            ours: 0,
            left_out: 0,
            max_clients: sum("maxclients"),
            unknown: silent(&reading.silent),
        };
        for (host, connection) in &self.open {
            let door = Door { target: &self.target, host, connection: connection.clone() };
            let info = reading.told.iter().find(|t| t.host == *host).map(|t| &t.info);
            let connected = info.and_then(|info| told::whole(info, "connected_clients"));
            let asked = tokio::time::timeout(Duration::from_secs(2), clients::list(&door, connected, all)).await;
            match asked {
                Ok(Ok(list)) => found.clients.extend(list),
                Ok(Err(why)) => {
                    found.left_out += connected.unwrap_or(0);
                    found.unknown.push(why.of("Clients"));
                }
                Err(_) => found.unknown.push(no_time("Clients", host)),
            }
        }
        found.ours = u32::try_from(found.clients.iter().filter(|c| c.ours).count()).unwrap_or(u32::MAX);
        clients::in_order(&mut found.clients);
        found.took_s = started.elapsed().as_secs_f64();
        Ok(found)
    }
}

/// Servers of several that did not answer.
fn silent(errors: &[ApiError]) -> Vec<CacheUnknown> {
    let unknown =
        |e: &ApiError| CacheUnknown { part: "A server".to_owned(), reason: e.message.clone(), grant: None, fix: None };
    errors.iter().map(unknown).collect()
}

fn no_time(part: &str, host: &HostPort) -> CacheUnknown {
    Unanswered::Missed { reason: format!("{host} did not answer it in time") }.of(part)
}

/// Product and version of all servers, each once.
fn versions(told: &[Told]) -> String {
    let mut all: Vec<String> = told.iter().map(|t| product(&t.info)).collect();
    all.sort();
    all.dedup();
    all.join(", ")
}

/// What one server tells. INFO must be answered; everything beside it may be missing.
async fn told(door: &Door<'_>, asks: Asks) -> Result<Told, ApiError> {
    let mut connection = door.connection.clone();
    let started = Instant::now();
    let answer = redis::cmd("PING").exec_async(&mut connection).await;
    let unwell = match answer {
        Ok(()) => None,
        Err(e) => {
            let error = explain(door.target, door.host, &e);
            let Some(code) = unwell(&e) else { return Err(error) };
            Some((code.to_owned(), error))
        }
    };
    let ping_s = started.elapsed().as_secs_f64();
    let own = own::by_name(door.host);
    let info: String = redis::cmd("INFO")
        .arg("all")
        .query_async(&mut connection)
        .await
        .map_err(|e| explain(door.target, door.host, &e))?;
    let info = fields(&info);
    let own_connections = own::connections(door.host);
    let not_asked = || Unanswered::Never { reason: "it was not asked".to_owned() };
    let mut told = Told {
        host: door.host.clone(),
        ping_s,
        unwell,
        info,
        own,
        own_connections,
        slow: Err(not_asked()),
        clients: Err(not_asked()),
        latency: Latency::default(),
    };
    if asks == Asks::Info {
        return Ok(told);
    }
    let late = || Unanswered::Missed { reason: format!("{} did not answer it in time", door.host) };
    let connected = told::whole(&told.info, "connected_clients");
    let memory = told::number(&told.info, "used_memory_rss");
    let (slow, clients, latency) = tokio::join!(
        tokio::time::timeout(PATIENCE, slow::slow(door, RECENT_SLOW)),
        tokio::time::timeout(PATIENCE, clients::list(door, connected, false)),
        async {
            match asks {
                Asks::Look => {
                    tokio::time::timeout(PATIENCE, latency::latency(door, memory)).await.unwrap_or_else(|_| Latency {
                        unknown: vec![no_time("Latency spikes", door.host)],
                        ..Latency::default()
                    })
                }
                _ => Latency::default(),
            }
        },
    );
    told.slow = slow.unwrap_or_else(|_| Err(late()));
    told.clients = clients.unwrap_or_else(|_| Err(late()));
    told.latency = latency;
    Ok(told)
}
