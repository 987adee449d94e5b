//! Being told of changes: a connection of its own to each server that has keys, on which the server sends the name of every key of this
//! cache that is written, removed, evicted or expires (`CLIENT TRACKING ON BCAST PREFIX`).
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::local::Local;
use super::redis_store::rules;
use crate::connect::Way;
use crate::error::{explain, silent, unwell};
use crate::load::servers;

/// How often a server is asked whether it is still there. A route that swallows everything is noticed after this and [`ANSWER`].
const LOOK: Duration = Duration::from_secs(1);
/// Longest time to connect, and of an answer.
const ANSWER: Duration = Duration::from_secs(1);
/// Pauses between attempts: doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Whether this process is told of changes, which a first level needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is.
    Yes,
    /// Not yet, or not any more; it is tried again. Why, where that is known.
    No(Option<ApiError>),
}

/// See the module.
pub(crate) struct Tracking {
    name: String,
    target: CacheTarget,
    password: Option<Sensitive>,
    local: Arc<Local>,
    why: Mutex<Option<ApiError>>,
    lines: Mutex<Vec<MultiplexedConnection>>,
    /// Woken whenever it stands anew, and when it is found that it cannot.
    stands: Notify,
}

/// One time in which it stands: it ends once, and tells of nothing afterwards.
struct Round {
    local: Arc<Local>,
    prefix: String,
    over: AtomicBool,
    ended: Notify,
}

impl Round {
    /// Something that a server sent.
    fn heard(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Disconnection => self.end(),
            PushKind::Invalidate => match push.data.first() {
                Some(Value::Array(keys)) => keys.iter().for_each(|key| self.changed(key)),
                // All keys, as after FLUSHALL; and whatever else a server may come to say.
                _ => self.local.flush(),
            },
            _ => {}
        }
    }

    fn changed(&self, key: &Value) {
        let Value::BulkString(key) = key else { return self.local.flush() };
        if let Some(key) = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(&self.prefix)) {
            self.local.changed(key);
        }
    }

    fn end(&self) {
        if !self.over.swap(true, Ordering::AcqRel) {
            self.local.set_told(false);
            self.ended.notify_one();
        }
    }
}

impl Tracking {
    pub(crate) fn new(name: &str, target: CacheTarget, password: Option<Sensitive>, local: Arc<Local>) -> Arc<Self> {
        let (name, why, lines) = (name.to_owned(), Mutex::default(), Mutex::default());
        Arc::new(Self { name, target, password, local, why, lines, stands: Notify::new() })
    }

    /// Whether it stands, and why not.
    pub(crate) fn told(&self) -> Told {
        if self.local.told() {
            return Told::Yes;
        }
        Told::No(self.why.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Waits until it stands for the first time, or is found not to.
    pub(crate) async fn first(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.stands.notified()).await;
    }

    /// Waits until what the servers had done before this call is known here; `false` when it does not stand.
    pub(crate) async fn settled(&self) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.local.told() && answer(&lines).await
    }

    /// Keeps it standing until the task is aborted.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut pause = PAUSE.0;
        loop {
            match self.round().await {
                Ok(()) => {
                    pause = PAUSE.0;
                    tokio::time::sleep(pause).await;
                }
                Err(error) => {
                    tracing::debug!(target: "perfdeck::aside", cache = %self.name, "not told of changes: {}", error.message);
                    *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    self.stands.notify_one();
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(PAUSE.1);
                }
            }
        }
    }

    /// Stands until a server goes away; an error when it does not come to stand.
    async fn round(&self) -> Result<(), ApiError> {
        let hosts = servers(&self.target, self.password.as_ref()).await?;
        let round = Arc::new(Round {
            local: self.local.clone(),
            prefix: format!("{}:", self.name),
            over: AtomicBool::new(false),
            ended: Notify::new(),
        });
        let mut lines = Vec::with_capacity(hosts.len());
        for host in &hosts {
            let opened = tokio::time::timeout(2 * ANSWER, self.open(host, round.clone())).await;
            lines.push(opened.map_err(|_| silent(host, ANSWER))??);
        }
        self.local.set_told(true);
        // What ended before this would have been overwritten.
        if round.over.load(Ordering::Acquire) {
            self.local.set_told(false);
            return Ok(());
        }
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = lines.clone();
        self.stands.notify_one();
        self.watch(&round, &lines, &hosts).await;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        round.end();
        Ok(())
    }

    /// Looks after connections until one is gone, or the servers are others.
    async fn watch(&self, round: &Round, lines: &[MultiplexedConnection], hosts: &[HostPort]) {
        let before: BTreeSet<String> = hosts.iter().map(ToString::to_string).collect();
        loop {
            if tokio::time::timeout(LOOK, round.ended.notified()).await.is_ok() || !answer(lines).await {
                return;
            }
            if self.target.mode != CacheMode::Single
                && let Ok(now) = servers(&self.target, self.password.as_ref()).await
                && now.iter().map(ToString::to_string).collect::<BTreeSet<_>>() != before
            {
                return;
            }
        }
    }

    async fn open(&self, host: &HostPort, round: Arc<Round>) -> Result<MultiplexedConnection, ApiError> {
        let way = Way::to(&self.target, self.password.as_ref()).await?.told();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER))
            .set_push_sender(move |push| {
                round.heard(&push);
                Ok::<(), redis::aio::SendError>(())
            });
        let mut line = match way.open(host, config).await {
            Ok(line) => line,
            Err(error) => return Err(way.explained(&self.target, host, self.password.as_ref(), &error).await),
        };
        let name = format!("aside-told:{}", self.name);
        // A server that forbids naming a connection still serves.
        let _ = redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut line).await;
        let mut ask = redis::cmd("CLIENT");
        ask.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(format!("{}:", self.name));
        ask.exec_async(&mut line).await.map_err(|error| {
            let explained = explain(&self.target, host, &error);
            if explained.code != ErrorCode::Privilege {
                return explained;
            }
            let user = self.target.address.username.as_deref().unwrap_or("default");
            explained.hint(rules(user, &self.name, self.target.mode == CacheMode::Cluster))
        })?;
        Ok(line)
    }
}

/// Whether all servers answer; what they sent before their answers was heard then.
async fn answer(lines: &[MultiplexedConnection]) -> bool {
    let all = futures_util::future::join_all(lines.iter().map(async |line| {
        let mut line = line.clone();
        redis::cmd("PING").exec_async(&mut line).await.map_or_else(|e| unwell(&e).is_some(), |()| true)
    }));
    tokio::time::timeout(ANSWER, all).await.is_ok_and(|all| all.into_iter().all(|answered| answered))
}
