//! Redis and Valkey as a store. What must not be torn apart for a key is a script over keys of one slot; every command has a time
//! after which it is given up, and failures in a row keep everybody away for a while.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all};
use perfdeck_model::{ApiError, CacheTarget, ErrorCode, HostPort, Sensitive};
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value};

use super::breaker::{Breaker, Permit};
use super::keys::{MARK, lease, marker};
use super::scripts::{COMMIT, EPOCH, LEASE, RELEASE, REMOVE, Script};
use super::store::{Bytes, Claim, EPOCHS, Keep, Lease, Read, Trouble, fresh, number, written};
use crate::error::{acl, again, explain, silent};
use crate::load::{LoadConnection, connect_for_load};

/// Longest time of one command, unless said.
pub(crate) const ANSWER: Duration = Duration::from_millis(100);
/// Time after which a cache that stores entries marks its name anew: a mark may be evicted or removed.
const REMARKED: Duration = Duration::from_secs(60);
/// Longest time to connect. Callers do not wait for it longer than for a command.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);

/// What a cache needs of its server, as ACL rules; the rules for keys come from its name.
pub const RULES: &[&str] = &[
    "+get",
    "+mget",
    "+getrange",
    "+set",
    "+del",
    "+pttl",
    "+pexpire",
    "+persist",
    "+eval",
    "+evalsha",
    "+client|setname",
    "+client|tracking",
    "+ping",
];
/// What it needs of a cluster beside that.
pub const CLUSTER_RULES: &[&str] = &["+cluster|slots", "+cluster|nodes", "+cluster|shards", "+asking", "+readonly"];

/// A connection that several commands share.
#[derive(Clone)]
enum Line {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Line {
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::Single(line) => command.query_async(line).await,
            Self::Cluster(line) => command.query_async(line).await,
        }
    }

    async fn run(&mut self, script: &Script, keys: &[&str], arguments: &[&[u8]]) -> Result<Value, RedisError> {
        match self.ask(&script.command(false, keys, arguments)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(&script.command(true, keys, arguments)).await
            }
            outcome => outcome,
        }
    }
}

/// Connects, and keeps the connection.
struct Wire {
    name: String,
    target: CacheTarget,
    password: Option<Sensitive>,
    line: Mutex<Option<Line>>,
    /// Attempts to connect that ended.
    attempts: AtomicU64,
    connecting: tokio::sync::Mutex<()>,
}

impl Wire {
    fn kept(&self) -> Option<Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn drop_line(&self) {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn connect(&self, before: u64) -> Result<Line, ApiError> {
        let _one = self.connecting.lock().await;
        if let Some(line) = self.kept() {
            return Ok(line);
        }
        // Whoever waited for an attempt that failed does not make another one.
        if self.attempts.load(Ordering::Acquire) != before {
            return Err(again(ErrorCode::Unreachable, "The cache cannot be reached".to_owned()));
        }
        let opened = tokio::time::timeout(CONNECT, connect_for_load(&self.target, self.password.as_ref())).await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        let line = match opened.map_err(|_| silent(&self.host(), CONNECT))?? {
            LoadConnection::Single(mut line) => {
                // A server that forbids naming a connection still serves.
                let mut name = redis::cmd("CLIENT");
                let _ = name.arg("SETNAME").arg(format!("aside:{}", self.name)).exec_async(&mut line).await;
                Line::Single(line)
            }
            LoadConnection::Cluster(line) => Line::Cluster(line),
        };
        let mut marked = line.clone();
        // Whoever may not be told which cache this is still is served.
        let _ = marked.ask::<Value>(&mark(&self.name)).await;
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
        Ok(line)
    }

    /// The connection. Connecting goes on when the caller stops to wait.
    async fn line(self: &Arc<Self>) -> Result<Line, ApiError> {
        if let Some(line) = self.kept() {
            return Ok(line);
        }
        let (wire, before) = (self.clone(), self.attempts.load(Ordering::Acquire));
        let connecting = tokio::spawn(async move { wire.connect(before).await });
        connecting.await.unwrap_or_else(|_| Err(ApiError::new(ErrorCode::Internal, "Connecting ended")))
    }

    fn host(&self) -> HostPort {
        let none = || HostPort { host: "the cache".to_owned(), port: 0 };
        self.target.address.hosts.first().cloned().unwrap_or_else(none)
    }
}

/// See the module.
pub(crate) struct RedisStore {
    wire: Arc<Wire>,
    /// Longest time of one command.
    limit: Duration,
    pub(crate) breaker: Breaker,
    /// What went wrong last.
    last: Mutex<Option<ApiError>>,
    /// When the name was marked.
    marked: Mutex<Instant>,
}

impl RedisStore {
    pub(crate) fn new(name: &str, target: CacheTarget, password: Option<Sensitive>, limit: Duration) -> Self {
        let wire = Wire {
            name: name.to_owned(),
            target,
            password,
            line: Mutex::default(),
            attempts: AtomicU64::new(0),
            connecting: tokio::sync::Mutex::default(),
        };
        let marked = Mutex::new(Instant::now());
        Self { wire: Arc::new(wire), limit, breaker: Breaker::default(), last: Mutex::default(), marked }
    }

    /// Connects beforehand. That it fails is no error: it is tried again with each command.
    pub(crate) async fn warm(&self) {
        if let Err(error) = self.wire.line().await {
            self.trouble(error);
        }
    }

    /// What went wrong last.
    pub(crate) fn last(&self) -> Option<ApiError> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trouble(&self, error: ApiError) {
        // Its words name hosts and rules, never a key.
        tracing::debug!(target: "perfdeck::aside", cache = %self.wire.name, "the store: {}", error.message);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// What a driver's error means, with the rules of an ACL that a cache needs.
    fn explained(&self, error: &RedisError) -> ApiError {
        let target = &self.wire.target;
        let mut explained = explain(target, &self.wire.host(), error);
        if explained.code == ErrorCode::Privilege || within_script(error) {
            explained.code = ErrorCode::Privilege;
            explained.retryable = false;
            explained.message = format!("The user of the cache lacks a privilege on {}", self.wire.host());
            let user = target.address.username.as_deref().unwrap_or("default");
            explained = explained.hint(rules(user, &self.wire.name, target.mode == perfdeck_model::CacheMode::Cluster));
        }
        explained
    }

    async fn within<T>(
        &self,
        permit: Permit<'_>,
        work: impl AsyncFnOnce(Line) -> Result<T, RedisError>,
    ) -> Result<T, ApiError> {
        let all = async {
            let line = self.wire.line().await.map_err(|error| (error, true))?;
            work(line).await.map_err(|error| {
                let moved = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
                if error.is_unrecoverable_error() || moved {
                    self.wire.drop_line();
                }
                (self.explained(&error), counts(&error))
            })
        };
        let outcome = tokio::time::timeout(self.limit, all).await;
        let (error, counts) = match outcome {
            Ok(Ok(value)) => {
                permit.succeeded();
                return Ok(value);
            }
            Ok(Err(failed)) => failed,
            Err(_) => (silent(&self.wire.host(), self.limit), true),
        };
        if !counts {
            permit.succeeded();
        } else if permit.failed() {
            // Whatever hangs is not waited for; behind a Sentinel the primary may be another one now.
            self.wire.drop_line();
        }
        self.trouble(error.clone());
        Err(error)
    }

    async fn asked<T>(&self, work: impl AsyncFnOnce(Line) -> Result<T, RedisError>) -> Result<T, Trouble> {
        let Some(permit) = self.breaker.permit() else { return Err(Trouble::Open) };
        self.within(permit, work).await.map_err(|_| Trouble::Failed)
    }

    pub(crate) async fn read(&self, entry: &str, epochs: &[String]) -> Result<Read, Trouble> {
        let (entry, epochs) = self
            .asked(async |mut line| match &mut line {
                Line::Single(_) => {
                    let mut all: Vec<Option<Vec<u8>>> = line.ask(redis::cmd("MGET").arg(entry).arg(epochs)).await?;
                    let rest = all.split_off(1.min(all.len()));
                    Ok((all.pop().flatten(), rest))
                }
                Line::Cluster(_) => {
                    let get = async |key: &str| {
                        let mut line = line.clone();
                        line.ask::<Option<Vec<u8>>>(redis::cmd("GET").arg(key)).await
                    };
                    try_join(get(entry), try_join_all(epochs.iter().map(|key| get(key)))).await
                }
            })
            .await?;
        let epochs = epochs.into_iter().map(|text| number(&text?)).collect();
        Ok(Read { entry: entry.map(Bytes::from), epochs })
    }

    pub(crate) async fn lease(&self, entry: &str, seen: &[u8], claim: Claim, life: Duration) -> Result<Lease, Trouble> {
        let (lease, claim, life) = (lease(entry), claim.written(), millis(life));
        let arguments: [&[u8]; 3] = [seen, claim.as_bytes(), life.as_bytes()];
        let given = self.asked(async |mut line| line.run(&LEASE, &[entry, &lease], &arguments).await).await?;
        Ok(match given {
            Value::Int(1) => Lease::Taken,
            Value::BulkString(bytes) => Lease::Filled(Bytes::from(bytes)),
            _ => Lease::Held,
        })
    }

    pub(crate) async fn epoch(&self, key: &str, keep: Keep) -> Result<u128, Trouble> {
        let (new, life, least) = match keep {
            Keep::Forever => (written(fresh()), "0".to_owned(), "0".to_owned()),
            // Kept on for longer than needed, so that this is not a write each time.
            Keep::For(least) => (written(fresh()), millis(EPOCHS.max(2 * least)), millis(least)),
        };
        let arguments: [&[u8]; 3] = [new.as_bytes(), life.as_bytes(), least.as_bytes()];
        match self.asked(async |mut line| line.run(&EPOCH, &[key], &arguments).await).await? {
            Value::BulkString(text) => number(&text).ok_or(Trouble::Failed),
            _ => Err(Trouble::Failed),
        }
    }

    pub(crate) async fn commit(
        &self,
        entry: &str,
        claim: Claim,
        bytes: &[u8],
        life: Option<Duration>,
    ) -> Result<bool, Trouble> {
        let (lease, claim) = (lease(entry), claim.written());
        let life = life.map_or_else(|| "0".to_owned(), |life| millis(life.max(Duration::from_millis(1))));
        let arguments: [&[u8]; 3] = [claim.as_bytes(), bytes, life.as_bytes()];
        let stored = self.asked(async |mut line| line.run(&COMMIT, &[entry, &lease], &arguments).await).await?;
        self.mark_again().await;
        Ok(stored == Value::Int(1))
    }

    /// Marks the name anew when it is time.
    async fn mark_again(&self) {
        {
            let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
            if marked.elapsed() < REMARKED {
                return;
            }
            *marked = Instant::now();
        }
        let mark = mark(&self.wire.name);
        let _ = self.asked(async |mut line| line.ask::<Value>(&mark).await).await;
    }

    pub(crate) async fn release(&self, entry: &str, claim: Claim, linger: Duration) -> Result<(), Trouble> {
        let (lease, claim, linger) = (lease(entry), claim.written(), millis(linger));
        let arguments: [&[u8]; 2] = [claim.as_bytes(), linger.as_bytes()];
        self.asked(async |mut line| line.run(&RELEASE, &[&lease], &arguments).await).await.map(drop)
    }

    /// It is tried however the circuit stands: what cannot be invalidated must be known.
    pub(crate) async fn remove(&self, entry: &str) -> Result<bool, ApiError> {
        let lease = lease(entry);
        let removed =
            self.within(self.breaker.insist(), async |mut line| line.run(&REMOVE, &[entry, &lease], &[]).await);
        Ok(removed.await.map_err(undone)? == Value::Int(1))
    }

    /// As [`RedisStore::remove`].
    pub(crate) async fn renew(&self, key: &str) -> Result<(), ApiError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(written(fresh())).arg("PX").arg(millis(EPOCHS));
        let set = async |mut line: Line| line.ask::<()>(&command).await;
        let Err(error) = self.within(self.breaker.insist(), set).await else { return Ok(()) };
        // A server that is out of memory stores nothing, but removes: without an epoch no entry is served.
        let mut remove = redis::cmd("DEL");
        remove.arg(key);
        let removed = self.within(self.breaker.insist(), async |mut line| line.ask::<()>(&remove).await).await;
        removed.map_err(|_| undone(error))
    }
}

/// The command that marks a cache's name.
fn mark(name: &str) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(marker(name)).arg(MARK).arg("PX").arg(millis(EPOCHS));
    set
}

/// An invalidation that was not done, or of which nobody knows whether it was.
fn undone(mut error: ApiError) -> ApiError {
    error.message = format!("Not invalidated, or nobody knows whether it was: {}", error.message);
    error
}

/// Whether an error says that the store is not there, rather than that it refuses something.
fn counts(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(kind, ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown)
        }
        ErrorKind::Extension => error.code() == Some("BUSY"),
        _ => true,
    }
}

/// Whether a script was refused a command or a key, which servers say in words.
fn within_script(error: &RedisError) -> bool {
    let text = error.to_string();
    ["executing the script can't", "ACL failure in script", "No permissions to access a key"]
        .iter()
        .any(|w| text.contains(w))
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// The statement that gives a user what the cache `name` needs.
pub(crate) fn rules(user: &str, name: &str, cluster: bool) -> String {
    let (keys, leases) = (format!("~{name}:*"), format!("~{{{name}:*}}:lease"));
    let mut all = vec![keys.as_str(), leases.as_str()];
    all.extend(RULES);
    if cluster {
        all.extend(CLUSTER_RULES);
    }
    acl(user, &all)
}
