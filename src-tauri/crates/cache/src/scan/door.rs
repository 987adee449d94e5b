//! Opening connections for scans, and what goes wrong on them.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive};
use redis::RedisError;

use super::wire::{Broken, Reply, Wire};
use crate::connect::{Purpose, Way, explain, silent};
use crate::error::{DEADLINE, acl, again};

/// What a map runs, as ACL rules. Commands alone: what it may see of keys is a rule of its own.
const NEEDED: [&str; 6] = ["+scan", "+dbsize", "+info", "+type", "+pttl", "+memory|usage"];

/// How the servers of one target are reached.
pub(super) struct Door<'a> {
    pub(super) target: &'a CacheTarget,
    pub(super) password: Option<&'a Sensitive>,
    way: Way,
}

impl<'a> Door<'a> {
    pub(super) async fn to(target: &'a CacheTarget, password: Option<&'a Sensitive>) -> Result<Self, ApiError> {
        Ok(Self { target, password, way: Way::to(target, password).await? })
    }

    /// Whether the address is that of a whole cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.target.mode == CacheMode::Cluster
    }

    /// Opens a connection for a purpose and signs in. `replica` lets a node of a cluster answer for keys that it only copies.
    pub(super) async fn open(&self, host: &HostPort, purpose: Purpose, replica: bool) -> Result<Wire, ApiError> {
        let limit = self.way.limit(DEADLINE);
        let work = async {
            let mut wire = Wire::new(self.way.stream(host).await?);
            self.greet(&mut wire, purpose, replica).await?;
            Ok(wire)
        };
        match tokio::time::timeout(limit + Duration::from_millis(500), work).await {
            Ok(Ok(wire)) => Ok(wire),
            Ok(Err(Broken::Io(error))) => {
                Err(self.way.explained(self.target, host, self.password, &RedisError::from(error)).await)
            }
            Ok(Err(broken)) => Err(self.told(host, broken)),
            Err(_) => Err(silent(host, limit)),
        }
    }

    async fn greet(&self, wire: &mut Wire, purpose: Purpose, replica: bool) -> Result<(), Broken> {
        let (user, password, db) = self.way.login();
        let db = db.to_string();
        let mut must = 0;
        match (user, password) {
            (Some(user), password) => {
                wire.queue(&[b"AUTH", user.as_bytes(), password.unwrap_or_default().as_bytes()]);
                must += 1;
            }
            (None, Some(password)) => {
                wire.queue(&[b"AUTH", password.as_bytes()]);
                must += 1;
            }
            (None, None) => {}
        }
        if db != "0" {
            wire.queue(&[b"SELECT", db.as_bytes()]);
            must += 1;
        }
        // The first answer says whether there is a place and a right to be here at all.
        wire.queue(&[b"PING"]);
        must += 1;
        let mut may = 2;
        wire.queue(&[b"CLIENT", b"SETNAME", purpose.name().as_bytes()]);
        // Servers before 7.2 have it not, and an account may not have it: looking then makes keys look used.
        wire.queue(&[b"CLIENT", b"NO-TOUCH", b"ON"]);
        if replica {
            wire.queue(&[b"READONLY"]);
            may += 1;
        }
        wire.send().await?;
        for _ in 0..must {
            if let Reply::Error(text) = wire.reply().await?
                && !text.starts_with("NOPERM")
                // It cannot save; it can be read.
                && !text.starts_with("MISCONF")
            {
                return Err(Broken::Refused(text));
            }
        }
        for _ in 0..may {
            wire.reply().await?;
        }
        Ok(())
    }

    /// What a broken answer means.
    pub(super) fn told(&self, host: &HostPort, broken: Broken) -> ApiError {
        match broken {
            Broken::Io(error) => explain(self.target, host, &RedisError::from(error)),
            Broken::Late(limit) => {
                again(ErrorCode::Timeout, format!("{host} did not answer within {} s", limit.as_secs()))
                    .hint("A slow command of somebody else holds it up, or the route: its slow log shows which")
            }
            Broken::Nonsense => ApiError::new(ErrorCode::Unreachable, format!("{host} does not speak Redis' protocol"))
                .hint("Check the port and the scheme of the address; the connection test says what answers there"),
            Broken::TooLong => {
                ApiError::new(ErrorCode::Unsupported, format!("{host} gave an answer of more than 64 MiB"))
                    .hint("Names of keys that long are not mapped")
            }
            Broken::Refused(text) => self.refused(host, &text),
        }
    }

    /// What a refusal of a server means. Its own text is not passed on.
    pub(super) fn refused(&self, host: &HostPort, text: &str) -> ApiError {
        if text.starts_with("NOPERM") {
            let user = self.user();
            return ApiError::new(ErrorCode::Privilege, format!("'{user}' may not {} on {host}", wanted(text)))
                .hint(acl(user, &NEEDED));
        }
        let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
        match redis::parse_redis_value(line.as_bytes()) {
            Ok(redis::Value::ServerError(error)) => explain(self.target, host, &RedisError::from(error)),
            _ => self.told(host, Broken::Nonsense),
        }
    }

    pub(super) fn user(&self) -> &str {
        self.target.address.username.as_deref().unwrap_or("default")
    }
}

/// What an account lacks, by the words of ours that the server repeats.
fn wanted(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    for (word, what) in [
        ("'scan'", "list keys (SCAN)"),
        ("'memory", "ask how much memory a key takes (MEMORY USAGE)"),
        ("'type'", "ask for the type of a key (TYPE)"),
        ("'pttl'", "ask for the expiry of a key (PTTL)"),
        ("'info'", "ask for counters (INFO)"),
        ("'dbsize'", "ask how many keys there are (DBSIZE)"),
        ("'cluster", "ask who has which slots (CLUSTER)"),
    ] {
        if text.contains(word) {
            return what;
        }
    }
    if text.contains("key") { "see some of the keys" } else { "do what a map needs" }
}
