//! What invalidating would do: the keys that match are looked at, for a limited time, and nothing is altered.
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheBytes, CacheReader, CacheTarget, ErrorCode, KeyCount, OversizedKey, Sensitive, TtlProfile,
};
use redis::Value;
use serde::{Deserialize, Serialize};

use super::matches::matches;
use super::names::Meant;
use super::nodes::{Call, Nodes, PATIENCE};
use crate::connect::Purpose;
use crate::info::fields;

/// Names that are shown.
const SHOWN: usize = 50;
/// Keys whose facts are asked in one go: four commands each.
const AT_ONCE: usize = 250;
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
    pub matched: KeyCount,
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
    /// Those that were used within the last 10 s; `None` where the server does not tell.
    pub used_lately: Option<u32>,
    /// Clients that are connected; `None` when they cannot be seen.
    pub readers: Option<Vec<CacheReader>>,
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
    bless: bool,
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

    fn not_restored(self) -> Vec<String> {
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
async fn knows(nodes: &mut Nodes, command: &str, otherwise: bool) -> bool {
    let mut info = redis::cmd("COMMAND");
    info.arg("INFO").arg(command);
    match nodes.ask(0, &info).await {
        Ok(Value::Array(all)) => !matches!(all.first(), None | Some(Value::Nil)),
        Ok(Value::Map(all)) => !all.is_empty(),
        _ => otherwise,
    }
}

/// Looks at the keys that are meant, for `limit` at most.
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
    let has = Has::ask(&mut nodes).await?;
    let mut tally = Tally { database: database_keys(&mut nodes).await?, ..Tally::default() };
    let mut walk = matches(&nodes, meant);
    let mut through = 0.0;
    let mut finished = false;
    let mut looking = Duration::ZERO;
    while started.elapsed() < limit {
        let Some(page) = walk.next(&mut nodes).await? else {
            finished = true;
            break;
        };
        through = page.through;
        let list = matches!(meant, Meant::Keys(_));
        if !list {
            tally.matched += page.keys.len() as u64;
        }
        for some in page.keys.chunks(AT_ONCE) {
            let began = Instant::now();
            tally.look(&mut nodes, has, some, list).await?;
            looking += began.elapsed();
        }
    }
    let readers = readers(&mut nodes).await;
    // Slots are visited one after the other by newer servers, so that a part of a cluster is no random one.
    let random = !nodes.is_cluster() && !matches!(meant, Meant::Keys(_));
    Ok(tally.told(has, readers, if finished { 1.0 } else { through }, finished, random, looking))
}

#[derive(Default)]
struct Tally {
    database: f64,
    matched: u64,
    looked_at: u32,
    bytes: f64,
    types: BTreeMap<String, u32>,
    ttl: TtlProfile,
    oversized: u32,
    used_lately: u32,
    examples: Vec<Vec<u8>>,
    largest: Vec<OversizedKey>,
}

fn number(answer: &Value) -> Option<i64> {
    match answer {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// Whether a key of this type and memory is not read whole.
pub(super) fn is_oversized(bytes: u64, kind: &str) -> bool {
    bytes > LARGEST || bytes > LARGEST_PARTS && kind != "string"
}

impl Tally {
    async fn look(&mut self, nodes: &mut Nodes, has: Has, keys: &[Vec<u8>], count: bool) -> Result<(), ApiError> {
        let mut calls = Vec::with_capacity(keys.len() * 4);
        for key in keys {
            calls.push(Call::words(key, &[b"MEMORY", b"USAGE", key]));
            calls.push(Call::words(key, &[b"PTTL", key]));
            calls.push(Call::words(key, &[b"OBJECT", if has.frequency { b"FREQ" } else { b"IDLETIME" }, key]));
            calls.push(Call::words(key, &[b"TYPE", key]));
        }
        let answers = nodes.send_steadily(&calls).await;
        for (key, facts) in keys.iter().zip(answers.chunks(4)) {
            let [memory, ttl, used, kind] = facts else { continue };
            if let Err(refused) = memory {
                return Err(needs(refused, nodes.target()));
            }
            let (Ok(memory), Ok(ttl), Ok(Value::SimpleString(kind))) = (memory, ttl, kind) else { continue };
            let Some(bytes) = number(memory) else { continue };
            if count {
                self.matched += 1;
            }
            self.note(key, bytes.unsigned_abs(), number(ttl), used.as_ref().ok().and_then(number), kind, has);
        }
        Ok(())
    }

    fn note(&mut self, key: &[u8], bytes: u64, ttl: Option<i64>, used: Option<i64>, kind: &str, has: Has) {
        self.looked_at += 1;
        self.bytes += bytes as f64;
        *self.types.entry(kind.to_owned()).or_default() += 1;
        let bucket = match ttl {
            Some(ms) if ms < 0 => &mut self.ttl.never,
            Some(..=60_000) => &mut self.ttl.minute,
            Some(..=3_600_000) => &mut self.ttl.hour,
            Some(..=86_400_000) => &mut self.ttl.day,
            _ => &mut self.ttl.later,
        };
        *bucket += 1;
        // Whole seconds, rounded down.
        self.used_lately += u32::from(!has.frequency && used.is_some_and(|seconds| seconds < 10));
        // Each is kept with the same chance, however many come.
        if self.examples.len() < SHOWN {
            self.examples.push(key.to_vec());
        } else {
            let place = rand::random_range(0..self.looked_at as usize);
            if let Some(kept) = self.examples.get_mut(place) {
                *kept = key.to_vec();
            }
        }
        if is_oversized(bytes, kind) {
            self.oversized += 1;
            self.largest.push(OversizedKey { key: CacheBytes::new(key), bytes: bytes as f64, kind: kind.to_owned() });
            self.largest.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
            self.largest.truncate(SHOWN);
        }
    }

    fn told(
        mut self,
        has: Has,
        readers: Option<Vec<CacheReader>>,
        through: f64,
        finished: bool,
        random: bool,
        looking: Duration,
    ) -> (Surveyed, Seen) {
        self.examples.sort_unstable();
        let matched = self.matched as f64;
        let count = if finished {
            KeyCount::Exact { count: matched }
        } else if random && through > 0.0 {
            projected(matched, through, self.database)
        } else {
            KeyCount::AtLeast { count: matched }
        };
        let surveyed = Surveyed {
            matched: count,
            database_keys: self.database,
            looked_through: through,
            looked_at: self.looked_at,
            bytes: self.bytes,
            types: self.types,
            ttl: self.ttl,
            oversized: self.oversized,
            used_lately: (!has.frequency).then_some(self.used_lately),
            readers,
            not_restored: has.not_restored(),
            key_s: looking.as_secs_f64() / f64::from(self.looked_at.max(1)),
        };
        let examples = self.examples.iter().map(|key| CacheBytes::new(key)).collect();
        (surveyed, Seen { examples, oversized: self.largest })
    }
}

/// How many keys match, when so many did in this share of a key space: each lies in the part that was looked through with the same
/// chance. No more can match than there are.
fn projected(matched: f64, through: f64, database: f64) -> KeyCount {
    let most = database.max(matched);
    let all = (matched / through).min(most);
    let off = 1.96 * ((matched + 1.0) * (1.0 - through)).sqrt() / through;
    KeyCount::Estimate { count: all.round(), low: (all - off).max(matched).floor(), high: (all + off).min(most).ceil() }
}

/// What a refusal needs: the exact rule where a right is missing.
pub(super) fn needs(refused: &super::nodes::Refused, target: &CacheTarget) -> ApiError {
    if refused.code != "NOPERM" {
        return refused.error.clone();
    }
    let user = target.address.username.as_deref().unwrap_or("default");
    ApiError::new(ErrorCode::Privilege, format!("'{user}' lacks a right on {} that invalidating needs", refused.node)).hint(format!(
        "ACL SETUSER {user} +scan +memory|usage +object +type +pttl +pexpiretime +pexpireat +persist +dump +restore +unlink +eval +evalsha +time +info ~*"
    ))
}

async fn database_keys(nodes: &mut Nodes) -> Result<f64, ApiError> {
    let mut all = 0.0;
    for node in nodes.owners() {
        if let Value::Int(number) = nodes.ask(node, &redis::cmd("DBSIZE")).await? {
            all += number as f64;
        }
    }
    Ok(all)
}

/// Clients of all servers by name; none when they cannot be seen, or are too many for one reply.
async fn readers(nodes: &mut Nodes) -> Option<Vec<CacheReader>> {
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
    let mut all: Vec<CacheReader> =
        by_name.into_iter().map(|((name, library), connections)| CacheReader { name, library, connections }).collect();
    all.sort_by(|a, b| b.connections.cmp(&a.connections).then_with(|| a.name.cmp(&b.name)));
    all.truncate(20);
    Some(all)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_lies_within_its_interval_and_is_no_more_than_there_is() {
        for database in [10.0_f64, 1_000.0, 154_001.0] {
            for through in [0.001, 0.04, 0.5, 0.999] {
                for share in [0.0, 0.01, 0.97, 1.0, 1.1] {
                    let matched = (database * through * share).floor().min(database);
                    let KeyCount::Estimate { count, low, high } = projected(matched, through, database) else {
                        panic!("an estimate")
                    };
                    assert!(low <= count && count <= high, "{database} {through} {share}: {low} {count} {high}");
                    assert!(matched <= low && high <= database, "{database} {through} {share}: {low} {high}");
                }
            }
        }
    }
}
