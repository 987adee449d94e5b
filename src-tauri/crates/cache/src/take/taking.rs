//! Taking keys: each is read and stored on this disk before it is removed, and removed only if it is still what was stored.
//!
//! Reading and removing are two steps on purpose. A script that does both at once loses what it removed when this program ends before the
//! answer is stored; here a killed process has removed nothing that is not in the file, and what somebody wrote between the two steps is
//! left where it is. Expiries are compared too, so that one that was prolonged meanwhile is not taken back.
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, CacheTarget, ErrorCode, NodeFailures, Sensitive, TakenKeys};
use redis::Value;

use super::file::{FileKey, Kind, Writer};
use super::matches::matches;
use super::names::Meant;
use super::nodes::{Answer, Call, Nodes, Refused};
use super::record::{Outcome, Record, packed};
use super::restorable::{Waits, restorable};
use super::scripts::{EXPIRE, EXPIRY, READ, REMOVE};
use super::survey::{Has, LARGEST, is_oversized, needs};
use crate::connect::Purpose;

/// Keys that are sent for in one go. A server reads 16 kB of commands, which are about 100 of these, before it serves somebody else.
const AT_ONCE: usize = 250;
/// Bytes of dumps that are read or compared in one go, so that a server is through with them in less than 5 ms.
const BYTES_AT_ONCE: usize = 256 << 10;
/// Memory up to which a key is read among many others.
const SMALL: u64 = 16 << 10;
/// Memory of the larger ones that are read in one go.
const TOGETHER: u64 = 512 << 10;
/// Memory from which a key is watched rather than written out and digested a second time.
const WATCHED: u64 = 128 << 10;
/// Attempts to take a key that somebody keeps changing.
const ATTEMPTS: usize = 4;
/// Keys that are remembered as taken, by 64 bits each. Of more, one that a scan gives twice and that was written anew is taken again.
const REMEMBERED: usize = 4_000_000;

/// Where what is taken is kept.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The file.
    pub path: PathBuf,
    /// Its key.
    pub key: FileKey,
    /// Longest that it may become, in bytes.
    pub cap: u64,
}

/// What is to be taken.
pub struct Order<'a> {
    /// The cache.
    pub target: &'a CacheTarget,
    /// Its password.
    pub password: Option<&'a Sensitive>,
    /// Which keys.
    pub meant: &'a Meant,
    /// Where they are kept; none when nothing undoes it.
    pub snapshot: Option<&'a Snapshot>,
    /// They expire at random within this time, rather than being removed.
    pub soft: Option<Duration>,
    /// Those that are too large for a snapshot are removed too.
    pub oversized: bool,
    /// Most keys that may match; more end it.
    pub limit: Option<u64>,
    /// Others are served for as long as this works.
    pub paced: bool,
    /// What was taken before, by one that was cut off.
    pub before: TakenKeys,
}

/// Who looks on.
pub struct Watch<'a> {
    /// Whether it is to end: then it does after the batch that it works on.
    pub stop: &'a (dyn Fn() -> bool + Send + Sync),
    /// Whether it is to wait.
    pub paused: &'a (dyn Fn() -> bool + Send + Sync),
    /// Told what was done so far, and which share of the key space was looked through.
    pub progress: &'a (dyn Fn(&TakenKeys, f64) + Send + Sync),
}

/// Takes the keys that are meant. What was done is told, however it ended.
pub async fn take(order: Order<'_>, watch: Watch<'_>) -> (TakenKeys, Result<(), ApiError>) {
    let started = Instant::now();
    let before_s = order.before.seconds;
    let mut work = match Work::begin(order).await {
        Ok(work) => work,
        Err((taken, error)) => return (taken, Err(error)),
    };
    let done = work.run(&watch).await;
    work.taken.seconds = before_s + started.elapsed().as_secs_f64();
    (work.taken, done)
}

pub(super) struct Work<'a> {
    order: Order<'a>,
    nodes: Nodes,
    has: Has,
    /// Moved into the thread that writes, and back.
    writer: Option<Writer>,
    seen: HashSet<u64>,
    hasher: RandomState,
    names: Digest,
    /// Time that was spent on this disk, in which no server worked for us.
    storing: Duration,
    /// Usual bytes of a dump, as the last ones were.
    usual: usize,
    /// Whether what is removed can be put back was asked.
    tried: bool,
    pub(super) taken: TakenKeys,
}

/// Sum of SHA-1 over names.
struct Digest([u8; 20]);

impl Digest {
    fn of(text: &str) -> Self {
        let mut sum = [0; 20];
        for (i, byte) in sum.iter_mut().enumerate() {
            *byte = text.get(i * 2..i * 2 + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or(0);
        }
        Self(sum)
    }

    fn add(&mut self, name: &[u8]) {
        let mut carry = 0;
        for (a, b) in self.0.iter_mut().zip(sha1_smol::Sha1::from(name).digest().bytes()).rev() {
            let sum = u16::from(*a) + u16::from(b) + carry;
            *a = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Counts a refusal under its server.
pub(super) fn count_failure(failed: &mut Vec<NodeFailures>, refused: &Refused) {
    let node = refused.node.to_string();
    match failed.iter_mut().find(|f| f.node == node) {
        Some(known) => known.keys += 1,
        None => failed.push(NodeFailures { node, keys: 1, why: refused.error.message.clone() }),
    }
}

pub(super) fn stopped() -> ApiError {
    ApiError::new(ErrorCode::Cancelled, "It was stopped before its end")
}

pub(super) async fn wait_while(watch: &Watch<'_>) -> Result<(), ApiError> {
    while (watch.paused)() && !(watch.stop)() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if (watch.stop)() { Err(stopped()) } else { Ok(()) }
}

/// Time of a server, in milliseconds since the Unix epoch.
pub(super) async fn server_ms(nodes: &mut Nodes) -> Result<i64, ApiError> {
    let Value::Array(parts) = nodes.ask(0, &redis::cmd("TIME")).await? else {
        return Err(ApiError::internal("A server answers TIME in another way than servers do"));
    };
    let number = |i: usize| match parts.get(i) {
        Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).ok().and_then(|t| t.parse::<i64>().ok()),
        _ => None,
    };
    Ok(number(0).unwrap_or(0) * 1000 + number(1).unwrap_or(0) / 1000)
}

impl<'a> Work<'a> {
    async fn begin(order: Order<'a>) -> Result<Self, (TakenKeys, ApiError)> {
        let before = order.before.clone();
        let work = async {
            let mut nodes = Nodes::find(order.target, order.password, Purpose::Change).await?;
            let has = Has::ask_steadily(&mut nodes).await?;
            let writer = match order.snapshot {
                Some(kept) => Some(Writer::open(&kept.path, &kept.key, kept.cap)?),
                None => None,
            };
            Ok((nodes, has, writer))
        };
        match work.await {
            Ok((nodes, has, writer)) => Ok(Self {
                names: Digest::of(&before.digest),
                taken: before,
                order,
                nodes,
                has,
                writer,
                seen: HashSet::new(),
                hasher: RandomState::new(),
                usual: 4_096,
                tried: false,
                storing: Duration::ZERO,
            }),
            Err(error) => Err((before, error)),
        }
    }

    async fn run(&mut self, watch: &Watch<'_>) -> Result<(), ApiError> {
        let mut walk = matches(&self.nodes, self.order.meant);
        let mut matched: u64 = 0;
        while let Some(page) = walk.next(&mut self.nodes).await? {
            wait_while(watch).await?;
            let (began, storing) = (Instant::now(), self.storing);
            let keys: Vec<Vec<u8>> = page.keys.into_iter().filter(|key| !self.is_taken(key)).collect();
            matched += keys.len() as u64;
            if self.order.limit.is_some_and(|limit| matched > limit) {
                return Err(ApiError::new(
                    ErrorCode::Conflict,
                    format!("More keys match than the preview told: over {}", perfdeck_words::count(matched)),
                )
                .hint("Nothing more was removed. Undo it, or plan it anew"));
            }
            let done = self.page(keys, watch).await;
            self.taken.digest = self.names.text();
            (watch.progress)(&self.taken, page.through);
            done?;
            if self.order.paced {
                // Half of the servers' time is others'; while the disk is waited for they have all of it.
                let disk = self.storing - storing;
                let worked = began.elapsed().saturating_sub(disk).saturating_sub(disk);
                tokio::time::sleep(worked.min(Duration::from_secs(1))).await;
            }
        }
        self.look_again(watch).await
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn is_taken(&self, key: &[u8]) -> bool {
        self.seen.contains(&self.hash(key))
    }

    async fn page(&mut self, keys: Vec<Vec<u8>>, watch: &Watch<'_>) -> Result<(), ApiError> {
        self.taken.matched += keys.len() as f64;
        if self.order.snapshot.is_none() && self.order.soft.is_none() {
            return self.unlink(&keys).await;
        }
        let mut open = keys;
        for attempt in 1..=ATTEMPTS {
            let (records, larger) = self.read(&open, SMALL).await?;
            self.can_be_put_back(&records, &larger).await?;
            let mut changed = self.taking(records, attempt == ATTEMPTS).await?;
            changed.extend(self.larger(larger, attempt == ATTEMPTS, watch).await?);
            if changed.is_empty() {
                break;
            }
            open = changed;
        }
        Ok(())
    }

    /// Before the first key goes.
    async fn can_be_put_back(&mut self, records: &[Record], larger: &[(Vec<u8>, u64)]) -> Result<(), ApiError> {
        if self.tried || self.order.snapshot.is_none() || records.is_empty() && larger.is_empty() {
            return Ok(());
        }
        let names = records.iter().map(|record| record.key.as_slice());
        let some: Vec<&[u8]> = names.chain(larger.iter().map(|(key, _)| key.as_slice())).collect();
        restorable(&mut self.nodes, &some, Waits::Steadily).await?;
        self.tried = true;
        Ok(())
    }

    /// Reads keys of at most `limit` bytes of memory; the others are told with theirs.
    async fn read(&mut self, keys: &[Vec<u8>], limit: u64) -> Result<(Vec<Record>, Vec<(Vec<u8>, u64)>), ApiError> {
        let whole = self.order.snapshot.is_some();
        let script = if whole { &READ } else { &EXPIRY };
        let now = if self.order.soft.is_some() { server_ms(&mut self.nodes).await? } else { 0 };
        let (mut records, mut larger) = (Vec::new(), Vec::new());
        let mut rest = keys;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(rest.len().min((BYTES_AT_ONCE / self.usual.max(1)).clamp(8, AT_ONCE)));
            rest = after;
            let read = records.len();
            let mut bytes = 0;
            let arguments = vec![limit.to_string().into_bytes(), self.has.used().to_vec(), self.has.flag().to_vec()];
            let calls: Vec<Call> = some.iter().map(|key| Call::script(key, script, arguments.clone())).collect();
            for (key, answer) in some.iter().zip(self.nodes.send_steadily(&calls).await) {
                match answer {
                    Ok(Value::Array(parts)) => match Record::of(key, parts, self.has.frequency) {
                        Some(record) => {
                            bytes += record.dump.len();
                            records.push(self.softened(record, now));
                        }
                        None => {
                            return Err(ApiError::internal("A server answers a script in another way than servers do"));
                        }
                    },
                    Ok(Value::Int(bytes)) => larger.push((key.clone(), bytes.unsigned_abs())),
                    Ok(_) => self.taken.gone += 1.0,
                    Err(refused) => self.refused(&refused)?,
                }
            }
            if let Some(usual) = usize::checked_div(bytes, records.len() - read) {
                self.usual = usual;
            }
        }
        Ok((records, larger))
    }

    /// The record with the expiry that its key is to have.
    fn softened(&self, mut record: Record, now_ms: i64) -> Record {
        if let Some(within) = self.order.soft {
            let most = i64::try_from(within.as_millis()).unwrap_or(i64::MAX).max(1_000);
            record.soft_ms = now_ms + rand::random_range(1_000..=most);
        }
        record
    }

    /// A refusal that concerns one key is counted; one that concerns all ends it.
    fn refused(&mut self, refused: &Refused) -> Result<(), ApiError> {
        if refused.code == "NOPERM" || refused.passes() {
            return Err(needs(refused, self.nodes.target()));
        }
        count_failure(&mut self.taken.failed, refused);
        Ok(())
    }

    async fn store(&mut self, kind: Kind, records: usize, plain: Vec<u8>) -> Result<(), ApiError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let began = Instant::now();
        let work = tokio::task::spawn_blocking(move || {
            let done = writer.append(kind, records, &plain);
            // What is removed next is on the disk before it is; what became of it may be lost, and is then asked.
            let done = if kind == Kind::Records { done.and_then(|()| writer.sync()) } else { done };
            (writer, done)
        });
        let (writer, done) = work.await.map_err(|_| ApiError::internal("Writing a snapshot ended unexpectedly"))?;
        self.writer = Some(writer);
        self.storing += began.elapsed();
        done
    }

    /// Stores records, then does with their keys what was ordered. Answers the keys that are others by now; the last time they are left.
    async fn taking(&mut self, mut records: Vec<Record>, last: bool) -> Result<Vec<Vec<u8>>, ApiError> {
        let before = records.len();
        records.retain(|r| r.soft_ms == 0 || r.expires_ms < 0 || r.expires_ms > r.soft_ms);
        self.taken.sooner += (before - records.len()) as f64;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.store(Kind::Records, records.len(), packed(&records)).await?;
        let calls: Vec<Call> = records.iter().map(|record| self.call(record)).collect();
        let (mut outcomes, mut changed) = (Vec::with_capacity(records.len()), Vec::new());
        let mut fatal = None;
        let (mut calls, mut rest) = (calls.as_slice(), records.as_slice());
        while !rest.is_empty() {
            let (some, their);
            let many = fitting(rest);
            (some, calls) = calls.split_at(many);
            (their, rest) = rest.split_at(many);
            if fatal.is_some() {
                outcomes.extend(their.iter().map(|_| Outcome::Refused as u8));
                continue;
            }
            for (record, outcome) in their.iter().zip(altered(&mut self.nodes, some).await) {
                let outcome = match outcome {
                    Ok(outcome) => outcome,
                    Err(refused) => {
                        if let Err(error) = self.refused(&refused) {
                            fatal = Some(error);
                        }
                        // Where the answer was lost nobody knows; undoing asks the server.
                        if refused.code.is_empty() { Outcome::Unsure } else { Outcome::Refused }
                    }
                };
                self.note(record, outcome, last, &mut changed);
                outcomes.push(outcome as u8);
            }
        }
        self.store(Kind::Outcomes, outcomes.len(), outcomes).await?;
        fatal.map_or(Ok(changed), Err)
    }

    fn note(&mut self, record: &Record, outcome: Outcome, last: bool, changed: &mut Vec<Vec<u8>>) {
        match outcome {
            Outcome::Gone => self.taken.gone += 1.0,
            Outcome::Done | Outcome::Unsure => {
                self.removed(&record.key);
                self.taken.bytes += record.dump.len() as f64;
            }
            Outcome::Changed if last => self.taken.changed += 1.0,
            Outcome::Changed => changed.push(record.key.clone()),
            Outcome::Refused => {}
        }
    }

    fn removed(&mut self, key: &[u8]) {
        self.taken.removed += 1.0;
        self.names.add(key);
        if self.seen.len() < REMEMBERED {
            let hash = self.hash(key);
            self.seen.insert(hash);
        }
    }

    fn call(&self, record: &Record) -> Call {
        let text = |number: i64| number.to_string().into_bytes();
        let (slack, flag) = (self.has.slack().to_vec(), self.has.flag().to_vec());
        if record.soft_ms > 0 {
            return Call::script(
                &record.key,
                &EXPIRE,
                vec![text(record.soft_ms), text(record.expires_ms), slack, flag],
            );
        }
        let digest = record.digest().into_bytes();
        Call::script(&record.key, &REMOVE, vec![digest, text(record.expires_ms), slack, flag])
    }

    /// Keys that are read few at a time, or one by one, or not at all.
    async fn larger(
        &mut self,
        keys: Vec<(Vec<u8>, u64)>,
        last: bool,
        watch: &Watch<'_>,
    ) -> Result<Vec<Vec<u8>>, ApiError> {
        let mut changed = Vec::new();
        let mut some: Vec<Vec<u8>> = Vec::new();
        let mut together = 0;
        for (key, bytes) in keys {
            wait_while(watch).await?;
            if bytes > LARGEST / 2 && is_oversized(bytes, &self.kind(&key).await?) {
                self.too_large(&key).await?;
            } else if bytes > WATCHED && self.order.soft.is_none() {
                if self.watched(&key).await? == Outcome::Changed {
                    if last {
                        self.taken.changed += 1.0;
                    } else {
                        changed.push(key);
                    }
                }
            } else {
                if together + bytes > TOGETHER && !some.is_empty() {
                    changed.extend(self.few(std::mem::take(&mut some), last).await?);
                    together = 0;
                }
                together += bytes;
                some.push(key);
            }
        }
        changed.extend(self.few(some, last).await?);
        Ok(changed)
    }

    async fn few(&mut self, keys: Vec<Vec<u8>>, last: bool) -> Result<Vec<Vec<u8>>, ApiError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (records, outgrown) = self.read(&keys, LARGEST).await?;
        let mut changed = self.taking(records, last).await?;
        // It grew while it was looked at.
        if last {
            self.taken.changed += outgrown.len() as f64;
        } else {
            changed.extend(outgrown.into_iter().map(|(key, _)| key));
        }
        Ok(changed)
    }

    async fn kind(&mut self, key: &[u8]) -> Result<String, ApiError> {
        match self.nodes.send_steadily(&[Call::words(key, &[b"TYPE", key])]).await.pop() {
            Some(Ok(Value::SimpleString(kind))) => Ok(kind),
            Some(Err(refused)) => Err(needs(&refused, self.nodes.target())),
            _ => Ok(String::new()),
        }
    }

    /// A key that no snapshot can hold: left, unless it was agreed that nothing brings it back. Soft, its expiry alone is kept.
    async fn too_large(&mut self, key: &[u8]) -> Result<(), ApiError> {
        if self.order.soft.is_some() {
            let now = server_ms(&mut self.nodes).await?;
            let arguments = vec![Vec::new(), Vec::new(), self.has.flag().to_vec()];
            let answer = self.nodes.send_steadily(&[Call::script(key, &EXPIRY, arguments)]).await.pop();
            if let Some(Ok(Value::Array(parts))) = answer
                && let Some(record) = Record::of(key, parts, false)
            {
                let record = self.softened(record, now);
                let changed = self.taking(vec![record], true).await?;
                drop(changed);
            }
            return Ok(());
        }
        if !self.order.oversized {
            self.taken.oversized_left += 1.0;
            return Ok(());
        }
        match self.nodes.send(&[Call::words(key, &[b"UNLINK", key])]).await.pop() {
            Some(Ok(Value::Int(1))) => {
                self.removed(key);
                self.taken.oversized_removed += 1.0;
            }
            Some(Err(refused)) => self.refused(&refused)?,
            _ => self.taken.gone += 1.0,
        }
        Ok(())
    }

    /// Takes one key that is large: watched from before it is read until it is removed, so that it is written out only once.
    async fn watched(&mut self, key: &[u8]) -> Result<Outcome, ApiError> {
        let (at, mut connection) = self.nodes.owner_of(key).await?;
        let broken = |nodes: &Nodes, e: &redis::RedisError| crate::connect::explain(nodes.target(), &at, e);
        let mut pipeline = redis::pipe();
        pipeline.cmd("WATCH").arg(key);
        pipeline.cmd("EVAL").arg(READ.text).arg(1).arg(key);
        pipeline.arg(LARGEST).arg(self.has.used()).arg(self.has.flag());
        let replies = connection.send_packed_commands(&pipeline, 0, 2).await.map_err(|e| broken(&self.nodes, &e))?;
        let record = match <[Value; 2]>::try_from(replies) {
            Ok([Value::Okay, Value::Array(parts)]) => Record::of(key, parts, self.has.frequency),
            Ok([Value::Okay, Value::Nil]) => {
                self.taken.gone += 1.0;
                return self.unwatched(&mut connection, Outcome::Gone).await;
            }
            _ => None,
        };
        let Some(record) = record else {
            // Moved to another server, or grown: it is looked at again.
            self.nodes.settle().await;
            return self.unwatched(&mut connection, Outcome::Changed).await;
        };
        self.store(Kind::Records, 1, packed(std::slice::from_ref(&record))).await?;
        let removed: Result<Option<(i64,)>, _> =
            redis::pipe().atomic().cmd("UNLINK").arg(key).query_async(&mut connection).await;
        let (outcome, lost) = match removed {
            Ok(Some((1,))) => (Outcome::Done, None),
            Ok(Some(_)) => (Outcome::Gone, None),
            Ok(None) => (Outcome::Changed, None),
            Err(error) => (Outcome::Unsure, Some(broken(&self.nodes, &error))),
        };
        if outcome != Outcome::Changed {
            self.note(&record, outcome, true, &mut Vec::new());
        }
        self.store(Kind::Outcomes, 1, vec![outcome as u8]).await?;
        lost.map_or(Ok(outcome), Err)
    }

    async fn unwatched(
        &mut self,
        connection: &mut redis::aio::MultiplexedConnection,
        outcome: Outcome,
    ) -> Result<Outcome, ApiError> {
        // A connection that is gone watches nothing.
        let ended: Result<(), redis::RedisError> = redis::cmd("UNWATCH").query_async(connection).await;
        drop(ended);
        Ok(outcome)
    }

    /// Removes keys that nothing brings back.
    async fn unlink(&mut self, keys: &[Vec<u8>]) -> Result<(), ApiError> {
        for some in keys.chunks(AT_ONCE) {
            let calls: Vec<Call> = some.iter().map(|key| Call::words(key, &[b"UNLINK", key])).collect();
            for (key, outcome) in some.iter().zip(altered(&mut self.nodes, &calls).await) {
                match outcome {
                    Ok(Outcome::Done | Outcome::Unsure) => self.removed(key),
                    Ok(_) => self.taken.gone += 1.0,
                    Err(refused) => self.refused(&refused)?,
                }
            }
        }
        Ok(())
    }

    /// Looks at the keys that match once more: those that survived, and those that were removed and are there again.
    async fn look_again(&mut self, watch: &Watch<'_>) -> Result<(), ApiError> {
        let (mut survivors, mut recreated) = (0.0, 0.0);
        let mut walk = matches(&self.nodes, self.order.meant);
        let list = matches!(self.order.meant, Meant::Keys(_));
        let mut twice: HashSet<u64> = HashSet::new();
        while let Some(page) = walk.next(&mut self.nodes).await? {
            if (watch.stop)() {
                // What was taken is taken; only the look was not finished.
                return Ok(());
            }
            let mut keys = page.keys;
            if list {
                let calls: Vec<Call> = keys.iter().map(|key| Call::words(key, &[b"EXISTS", key])).collect();
                let there = self.nodes.send_steadily(&calls).await;
                let mut there = there.iter().map(|answer| matches!(answer, Ok(Value::Int(1))));
                keys.retain(|_| there.next().unwrap_or(false));
            }
            for key in keys {
                let hash = self.hash(&key);
                if twice.len() < REMEMBERED && !twice.insert(hash) {
                    continue;
                }
                if self.seen.contains(&hash) {
                    recreated += 1.0;
                } else {
                    survivors += 1.0;
                }
            }
            if self.order.paced {
                tokio::task::yield_now().await;
            }
        }
        self.taken.survivors = Some(survivors);
        // Soft, they are there until they expire.
        self.taken.recreated = self.order.soft.is_none().then_some(recreated);
        Ok(())
    }
}

/// How many of these records, from the first, are compared in one go.
fn fitting(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fit = records.iter().take(AT_ONCE).take_while(|record| {
        bytes += record.dump.len();
        bytes <= BYTES_AT_ONCE
    });
    fit.count().max(1)
}

/// Sends what alters keys, and tells what it did. An answer that was lost is asked for again: a key that is gone by then is ours, as far as
/// can be told.
async fn altered(nodes: &mut Nodes, calls: &[Call]) -> Vec<Result<Outcome, Refused>> {
    let first = nodes.send(calls).await;
    let again: Vec<usize> = (0..calls.len()).filter(|i| first[*i].as_ref().is_err_and(Refused::passes)).collect();
    let mut answers: Vec<(Answer, bool)> = first
        .into_iter()
        .map(|answer| {
            let lost = answer.as_ref().is_err_and(|refused| refused.code.is_empty());
            (answer, lost)
        })
        .collect();
    if !again.is_empty() {
        nodes.settle().await;
        let some: Vec<Call> = again.iter().map(|i| calls[*i].clone()).collect();
        for (i, answer) in again.into_iter().zip(nodes.send_steadily(&some).await) {
            answers[i].0 = answer;
        }
    }
    answers
        .into_iter()
        .map(|(answer, lost)| match answer {
            Ok(Value::Int(1)) => Ok(Outcome::Done),
            Ok(Value::Int(2)) => Ok(Outcome::Changed),
            Ok(_) if lost => Ok(Outcome::Unsure),
            Ok(_) => Ok(Outcome::Gone),
            Err(refused) => Err(refused),
        })
        .collect()
}
