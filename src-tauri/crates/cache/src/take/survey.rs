//! What invalidating would do: the keys that match are looked at, for a limited time, and nothing is altered.
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheBytes, CacheTarget, ClientGroup, ErrorCode, MapCount, OversizedKey, Sensitive, TtlProfile,
};
use redis::Value;
use serde::{Deserialize, Serialize};

use super::loads::{Loads, watch};
use super::matches::matches;
use super::names::Meant;
use super::nodes::{Nodes, PATIENCE};
use super::restorable::{Waits, restorable};
use super::tally::{AT_ONCE, Tally};
use crate::connect::Purpose;
use crate::error::one_node;
use crate::info::{fields, one_of_many};

/// Memory beyond which a key is not read whole: its snapshot would block the server for longer than 5 ms.
pub(super) const LARGEST: u64 = 1 << 20;
/// The same of what has many parts, each of which is written out.
pub(super) const LARGEST_PARTS: u64 = 512 << 10;
/// Connections that are listed: one reply has them all.
const CLIENTS: u64 = 2_000;

/// Facts that a person sees before, and that the change rests on. No name of a key is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surveyed {
    /// Keys that match.
    pub matched: MapCount,
    /// Keys in the database.
    pub database_keys: f64,
    /// Share of the key space that was looked through, 0 to 1.
    pub looked_through: f64,
    /// Keys that were looked at in detail.
    pub looked_at: u32,
    /// Memory of those, in bytes.
    pub bytes: f64,
    /// Those by type.
    pub types: BTreeMap<String, u32>,
    /// Those by the time after which they expire.
    pub ttl: TtlProfile,
    /// Keys too large for a snapshot.
    pub oversized: u32,
    /// Keys that would be loaded again within 10 s; `None` where that is not known.
    #[serde(default)]
    pub loads: Option<Loads>,
    /// Clients that are connected; `None` when they cannot be seen.
    pub readers: Option<Vec<ClientGroup>>,
    /// What is not restored as it was.
    pub not_restored: Vec<String>,
    /// Time that looking at one key took, in seconds.
    pub key_s: f64,
}

/// Names, which are kept in memory only.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Some of the keys.
    pub examples: Vec<CacheBytes>,
    /// The largest of those that are too large.
    pub oversized: Vec<OversizedKey>,
}

/// What servers have: asked once, by asking them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Has {
    /// PEXPIRETIME: expiries to the millisecond.
    pub(super) expire_time: bool,
    /// A policy by frequency: how often a key was used is known, and not when.
    pub(super) frequency: bool,
    /// Keys can be kept from eviction one by one, and a dump does not tell.
    pub(super) bless: bool,
}

impl Has {
    /// As [`Has::ask`], of servers that may be failing over: they are waited for.
    pub(super) async fn ask_steadily(nodes: &mut Nodes) -> Result<Self, ApiError> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match Self::ask(nodes).await {
                Err(error) if error.retryable && tokio::time::Instant::now() < end => nodes.settle().await,
                told => return told,
            }
        }
    }

    pub(super) async fn ask(nodes: &mut Nodes) -> Result<Self, ApiError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let text = match nodes.ask(0, &info).await? {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
            _ => String::new(),
        };
        let frequency = fields(&text).get("maxmemory_policy").is_some_and(|policy| policy.contains("lfu"));
        // Where an account may not ask, keys of a server that lacks it are refused one by one, and nothing is removed.
        let expire_time = knows(nodes, "PEXPIRETIME", true).await;
        Ok(Self { expire_time, frequency, bless: knows(nodes, "BLESS", false).await })
    }

    /// Word of OBJECT that tells how a key was used.
    pub(super) fn used(self) -> &'static [u8] {
        if self.frequency { b"FREQ" } else { b"IDLETIME" }
    }

    pub(super) fn flag(self) -> &'static [u8] {
        if self.expire_time { b"1" } else { b"0" }
    }

    /// How far an expiry that is computed may be off, in milliseconds: the server's clock moves on between its two answers.
    pub(super) fn slack(self) -> &'static [u8] {
        if self.expire_time { b"0" } else { b"50" }
    }

    pub(super) fn not_restored(self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.expire_time {
            all.push(
                "This server tells no expiry to the millisecond (before 7.0): keys get theirs back to within 50 ms"
                    .to_owned(),
            );
        }
        if self.bless {
            all.push(
                "The flag that keeps a key from eviction (BLESS) is in no dump: keys that had it come back without"
                    .to_owned(),
            );
        }
        all
    }
}

/// Whether a server knows a command; `otherwise` where this account may not ask.
pub(super) async fn knows(nodes: &mut Nodes, command: &str, otherwise: bool) -> bool {
    let mut info = redis::cmd("COMMAND");
    info.arg("INFO").arg(command);
    match nodes.ask(0, &info).await {
        Ok(Value::Array(all)) => !matches!(all.first(), None | Some(Value::Nil)),
        Ok(Value::Map(all)) => !all.is_empty(),
        _ => otherwise,
    }
}

/// Whether a key of this type and memory is not read whole.
pub(super) fn is_oversized(bytes: u64, kind: &str) -> bool {
    bytes > LARGEST || bytes > LARGEST_PARTS && kind != "string"
}

/// Looks at the keys that are meant, for `limit` at most, and watches some of them for 4 s.
///
/// # Errors
/// When a server cannot be asked, or does not let this user look.
pub async fn survey(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    meant: &Meant,
    limit: Duration,
) -> Result<(Surveyed, Seen), ApiError> {
    let started = Instant::now();
    let mut nodes = Nodes::find(target, password, Purpose::Scan).await?;
    whole(&mut nodes).await?;
    let has = Has::ask(&mut nodes).await?;
    let mut tally = Tally::of(database_keys(&mut nodes).await?);
    let mut walk = matches(&nodes, meant);
    let list = matches!(meant, Meant::Keys(_));
    while started.elapsed() < limit {
        let Some(page) = walk.next(&mut nodes).await? else {
            tally.finished = true;
            break;
        };
        tally.through = page.through;
        if !list {
            tally.matched += page.keys.len() as u64;
        }
        for some in page.keys.chunks(AT_ONCE) {
            tally.look(&mut nodes, has, some, list).await?;
        }
    }
    // Slots are visited one after the other by newer servers, so that a part of a cluster is no random one.
    tally.random = !nodes.is_cluster() && !list;
    let readers = readers(&mut nodes).await;
    let loads = watch(&mut nodes, has, &tally).await;
    let (mut surveyed, seen) = tally.told(has, readers, loads);
    let some: Vec<Vec<u8>> = seen.examples.iter().filter_map(|key| key.bytes().ok()).collect();
    let some: Vec<&[u8]> = some.iter().map(Vec::as_slice).collect();
    surveyed.not_restored.extend(restorable(&mut nodes, &some, Waits::Never).await.err().map(|why| why.message));
    Ok((surveyed, seen))
}

/// Refuses one node of a cluster: what matches on the others would stay, and be served.
async fn whole(nodes: &mut Nodes) -> Result<(), ApiError> {
    if nodes.is_cluster() {
        return Ok(());
    }
    let mut info = redis::cmd("INFO");
    info.arg("cluster");
    // Whoever may not ask that is refused by the server where it matters.
    let told = nodes.ask(0, &info).await.ok().and_then(text).unwrap_or_default();
    if one_of_many(&fields(&told)) { Err(one_node(nodes.first())) } else { Ok(()) }
}

/// What a refusal needs: the exact rule where a right is missing.
pub(super) fn needs(refused: &super::nodes::Refused, target: &CacheTarget) -> ApiError {
    if refused.code != "NOPERM" {
        return refused.error.clone();
    }
    let user = target.address.username.as_deref().unwrap_or("default");
    ApiError::new(ErrorCode::Privilege, format!("'{user}' lacks a right on {} that invalidating needs", refused.node)).hint(format!(
        "ACL SETUSER {user} +scan +memory|usage +object +type +pttl +pexpiretime +pexpireat +persist +dump +restore +unlink +eval +evalsha +time +info +dbsize ~*"
    ))
}

pub(super) async fn database_keys(nodes: &mut Nodes) -> Result<f64, ApiError> {
    let mut all = 0.0;
    for node in nodes.owners() {
        let size = nodes.ask(node, &redis::cmd("DBSIZE")).await.map_err(|error| match error.code {
            ErrorCode::Privilege => {
                let user = nodes.target().address.username.as_deref().unwrap_or("default");
                error.hint(crate::error::acl(user, &["+dbsize"]))
            }
            _ => error,
        })?;
        if let Value::Int(number) = size {
            all += number as f64;
        }
    }
    Ok(all)
}

/// Clients of all servers by name; none when they cannot be seen, or are too many for one reply.
pub(super) async fn readers(nodes: &mut Nodes) -> Option<Vec<ClientGroup>> {
    let mut by_name: HashMap<(String, Option<String>), u32> = HashMap::new();
    for node in nodes.owners() {
        let mut info = redis::cmd("INFO");
        info.arg("clients");
        let connected = text(nodes.ask(node, &info).await.ok()?)?;
        let connected: u64 = fields(&connected).get("connected_clients")?.parse().ok()?;
        if connected > CLIENTS {
            return None;
        }
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST").arg("TYPE").arg("NORMAL");
        for line in text(nodes.ask(node, &list).await.ok()?)?.lines() {
            let of: HashMap<&str, &str> = line.split(' ').filter_map(|part| part.split_once('=')).collect();
            let name = of.get("name").copied().unwrap_or_default();
            if name.starts_with("perfdeck") {
                continue;
            }
            let host = of.get("addr").and_then(|addr| addr.rsplit_once(':')).map_or("", |(host, _)| host);
            let shown = if name.is_empty() { host } else { name };
            let library = of.get("lib-name").filter(|l| !l.is_empty()).map(|l| (*l).to_owned());
            *by_name.entry((shown.to_owned(), library)).or_default() += 1;
        }
    }
    let mut all: Vec<ClientGroup> =
        by_name.into_iter().map(|((name, library), connections)| ClientGroup { name, library, connections }).collect();
    all.sort_by(|a, b| b.connections.cmp(&a.connections).then_with(|| a.name.cmp(&b.name)));
    all.truncate(20);
    Some(all)
}

pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
