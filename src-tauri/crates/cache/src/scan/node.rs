//! The scan of one server: its cursor from 0 to 0, with what is asked of the keys of each page.
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, ErrorCode, HostPort, MapDetail};

use super::door::Door;
use super::facts::Facts;
use super::governor::stop;
use super::left_alone;
use super::probe::{Pace, Probe};
use super::run::MapRun;
use super::seen::{Seen, by_slot};
use super::wire::{Broken, Names, Reply, Wire};
use crate::connect::Purpose;
use crate::map::stats::{Expiry, Told, kind};

/// Buckets that one SCAN visits: more is at most a third faster, and others wait five times as long (measured on Redis 7.0).
const COUNT: u64 = 1_000;
/// The same of the first page, by which it is seen what a count means to this server.
const FIRST_COUNT: u64 = 100;
/// Longest time that one page may take a server, in seconds.
const PAGE_S: f64 = 4e-3;
/// Time between two looks at a server's counters.
const COUNTERS: Duration = Duration::from_secs(1);
/// The same while the scan is paused; it keeps the connection open too.
const PAUSED: Duration = Duration::from_secs(2);
/// Work that the questions about one key are, next to its name.
const ASKING: f64 = 3.0;
/// Share by which one server of a cluster may be ahead of the others: a page of all is a page of each then.
const AHEAD: f64 = 0.02;

/// What was refused of the questions about a key.
#[derive(Debug, Clone, Copy, Default)]
struct Denied {
    kind: bool,
    expiry: bool,
    bytes: bool,
}

/// A server whose scan has begun.
pub(super) struct Begun {
    wire: Wire,
    facts: Facts,
    probe: Option<Probe>,
    /// Time of a round trip that does nothing.
    empty: Duration,
}

/// One server of a scan.
pub(super) struct Walk<'a> {
    pub(super) run: &'a MapRun,
    pub(super) door: &'a Door<'a>,
    pub(super) host: &'a HostPort,
    pub(super) place: usize,
    pub(super) replica: bool,
    pub(super) clustered: bool,
}

/// Where a walk is.
struct Step<'s> {
    wire: Wire,
    first: Facts,
    looked: Instant,
    count: u64,
    denied: Denied,
    names: Names,
    /// Keys that are to be asked, and those whose answers are on their way.
    asking: Names,
    asked: Names,
    facts_asked: bool,
    seen: Option<&'s Mutex<Seen>>,
    last_share: f64,
}

impl Walk<'_> {
    fn paced(&self) -> bool {
        self.run.wanted.paced || self.run.orders.borrow().gentler > 0
    }

    /// Opens what is needed, and looks at the server before anything is asked of it.
    pub(super) async fn begin(&self) -> Result<Begun, ApiError> {
        let told = |broken| self.door.told(self.host, broken);
        let mut wire = self.door.open(self.host, Purpose::Scan, self.replica && self.clustered).await?;
        let facts = Facts::ask(&mut wire).await.map_err(told)?;
        self.may_go_on(&facts)?;
        let began = Instant::now();
        super::probe::ping(&mut wire).await.map_err(told)?;
        let empty = began.elapsed();
        let probe = if self.paced() {
            let wire = self.door.open(self.host, Purpose::Probe, false).await?;
            Some(Probe::begin(wire).await.map_err(told)?)
        } else {
            None
        };
        let mut inside = self.run.inside();
        if facts.told {
            inside.server.get_or_insert_with(|| facts.product.clone());
        } else {
            let note = format!(
                "INFO is refused on {}: what came or went during the scan is not known. {}",
                self.host,
                crate::error::acl(self.door.user(), &["+info"])
            );
            inside.notes.push(note);
        }
        if facts.replica {
            let heard = facts.heard_s.map(|s| format!(", which it heard of {s:.0} s ago")).unwrap_or_default();
            let node = format!(
                "{} is a replica: it may be behind its primary{heard}, and may count keys that have expired",
                self.host
            );
            inside.notes.push(node);
        }
        let node = &mut inside.nodes[self.place];
        node.told.replica = facts.replica;
        (node.keys, node.used, node.most) = (facts.keys, facts.used, facts.most);
        Ok(Begun { wire, facts, probe, empty })
    }

    fn may_go_on(&self, facts: &Facts) -> Result<(), ApiError> {
        match stop(facts.loading, facts.used, facts.most, facts.evicts) {
            Some(why) => Err(left_alone(self.host, why)),
            None => Ok(()),
        }
    }

    /// Says how it ended.
    pub(super) fn ended(&self, error: Option<&ApiError>) {
        let mut inside = self.run.inside();
        let node = &mut inside.nodes[self.place];
        node.ended = true;
        match error {
            None => node.told.finished = true,
            Some(error) => {
                node.told.problem = Some(error.message.clone());
                node.told.hint.clone_from(&error.hint);
            }
        }
    }

    /// Reads all keys.
    pub(super) async fn walk(&self, begun: Begun, seen: Option<&Mutex<Seen>>) -> Result<(), ApiError> {
        let Begun { wire, facts, probe, empty } = begun;
        let pace = Pace::new();
        let step = Step {
            wire,
            first: facts,
            looked: Instant::now(),
            count: FIRST_COUNT,
            denied: Denied::default(),
            names: Names::default(),
            asking: Names::default(),
            asked: Names::default(),
            facts_asked: false,
            seen,
            last_share: 0.0,
        };
        let walk = self.pages(step, &pace, empty, probe.is_some());
        match probe {
            None => walk.await,
            Some(probe) => tokio::select! {
                done = walk => done,
                () = probe.keep(self.run, self.place, &pace, self.host) => unreachable!("it is kept until it is dropped"),
            },
        }
    }

    async fn pages(&self, mut at: Step<'_>, pace: &Pace, empty: Duration, probed: bool) -> Result<(), ApiError> {
        let told = |broken| self.door.told(self.host, broken);
        let mut page = 0_u64;
        self.send(&mut at, Some(b"0")).await.map_err(told)?;
        let mut sent = Instant::now();
        loop {
            self.answers(&mut at).await?;
            let cursor = at.wire.cursor().await.map_err(told)?;
            let last = cursor == b"0";
            // Without a pace the next page is on its way while this one is counted.
            let ahead = !last && page > 0 && !self.held(&at, probed);
            if ahead {
                self.send(&mut at, Some(&cursor)).await.map_err(told)?;
            }
            at.names.clear();
            at.wire.names(&mut at.names).await.map_err(told)?;
            if page == 0 {
                at.count = calibrated(at.names.len(), sent.elapsed().saturating_sub(empty));
                if self.clustered {
                    self.run.inside().nodes[self.place].ordered = by_slot(at.names.iter());
                }
            }
            self.counted(&mut at, &cursor, last);
            page += 1;
            if last {
                break;
            }
            if !ahead {
                self.wait(&mut at, pace, probed).await?;
                sent = Instant::now();
                self.send(&mut at, Some(&cursor)).await.map_err(told)?;
            }
        }
        at.facts_asked = false;
        at.looked = Instant::now().checked_sub(COUNTERS).unwrap_or(at.looked);
        self.send(&mut at, None).await.map_err(told)?;
        self.answers(&mut at).await
    }

    /// Whether the next page has to wait for something.
    fn held(&self, at: &Step<'_>, probed: bool) -> bool {
        probed
            || self.paced()
            || self.run.orders.borrow().paused
            || self.is_ahead()
            || at.names.len() > 20 * COUNT as usize
    }

    /// Whether this server is ahead of the others. Only servers that go on count.
    fn is_ahead(&self) -> bool {
        let inside = self.run.inside();
        if inside.nodes.len() < 2 {
            return false;
        }
        let going = |node: &&super::run::NodeState| !node.ended && !node.told.finished;
        let least = inside.nodes.iter().filter(going).filter_map(super::run::NodeState::share).fold(1.0, f64::min);
        inside.nodes[self.place].share().is_some_and(|share| share > least + AHEAD)
    }

    /// Waits for a person, the other servers and the pace.
    async fn wait(&self, at: &mut Step<'_>, pace: &Pace, probed: bool) -> Result<(), ApiError> {
        while self.is_ahead() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut wait = if probed || self.paced() {
            pace.before(at.count as f64 + ASKING * at.asking.len() as f64)
        } else {
            Duration::ZERO
        };
        loop {
            self.while_paused(at).await?;
            if wait.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(std::mem::take(&mut wait)).await;
        }
    }

    async fn while_paused(&self, at: &mut Step<'_>) -> Result<(), ApiError> {
        let mut orders = self.run.orders.subscribe();
        while orders.borrow_and_update().paused {
            if tokio::time::timeout(PAUSED, orders.changed()).await.is_err() {
                let facts = Facts::ask(&mut at.wire).await.map_err(|broken| self.door.told(self.host, broken))?;
                self.learnt(at, &facts)?;
            }
        }
        Ok(())
    }

    /// Sends the questions about keys that are to be asked, those about the server when it is time, and the next page's.
    async fn send(&self, at: &mut Step<'_>, cursor: Option<&[u8]>) -> Result<(), Broken> {
        std::mem::swap(&mut at.asking, &mut at.asked);
        at.asking.clear();
        for name in at.asked.iter() {
            if !at.denied.kind {
                at.wire.queue(&[b"TYPE", name]);
            }
            if !at.denied.expiry {
                at.wire.queue(&[b"PTTL", name]);
            }
            if !at.denied.bytes {
                at.wire.queue(&[b"MEMORY", b"USAGE", name, b"SAMPLES", b"5"]);
            }
        }
        at.facts_asked = at.looked.elapsed() >= COUNTERS;
        if at.facts_asked {
            at.looked = Instant::now();
            Facts::queue(&mut at.wire);
        }
        if let Some(cursor) = cursor {
            let count = at.count.to_string();
            at.wire.queue(&[b"SCAN", cursor, b"COUNT", count.as_bytes()]);
        }
        at.wire.send().await
    }

    /// Counts a page.
    fn counted(&self, at: &mut Step<'_>, cursor: &[u8], last: bool) {
        if let Some(seen) = at.seen {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            at.names.iter().for_each(|name| seen.add(name));
        }
        let share = cursor_share(cursor, last);
        let mut ask = Vec::new();
        let mut inside = self.run.inside();
        inside.map.count(at.names.iter(), &mut ask);
        inside.was_read(self.place, at.names.len() as u64);
        // A cursor that goes back is of another make: it tells nothing.
        inside.nodes[self.place].cursor_share = share.filter(|share| *share >= at.last_share);
        at.last_share = share.unwrap_or(f64::INFINITY).max(at.last_share);
        drop(inside);
        if self.run.wanted.detail != MapDetail::Names {
            ask.iter().for_each(|place| at.asking.push(at.names.get(*place as usize)));
        }
    }

    /// Reads the answers about keys, and those about the server, that are on their way.
    async fn answers(&self, at: &mut Step<'_>) -> Result<(), ApiError> {
        let broken = |broken| self.door.told(self.host, broken);
        let asked = std::mem::take(&mut at.asked);
        let denied = at.denied;
        let mut told = Vec::with_capacity(asked.len());
        let mut refused = 0;
        for _ in 0..asked.len() {
            let mut one = Told { kind: None, expiry: Expiry::Unknown, bytes: None };
            let (mut gone, mut no) = (false, false);
            if !denied.kind {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Bytes(name) if name == b"none" => gone = true,
                    Reply::Bytes(name) => one.kind = Some(kind(&name)),
                    Reply::Error(text) => (no, at.denied.kind) = (true, self.refused(&text)? || at.denied.kind),
                    _ => {}
                }
            }
            if !denied.expiry {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Number(-2) => gone = true,
                    Reply::Number(-1) => one.expiry = Expiry::Never,
                    Reply::Number(ms) => one.expiry = u64::try_from(ms).map_or(Expiry::Unknown, Expiry::In),
                    Reply::Error(text) => (no, at.denied.expiry) = (true, self.refused(&text)? || at.denied.expiry),
                    _ => {}
                }
            }
            if !denied.bytes {
                match at.wire.reply().await.map_err(broken)? {
                    Reply::Number(bytes) => one.bytes = u64::try_from(bytes).ok(),
                    Reply::Error(text) => (no, at.denied.bytes) = (true, self.refused(&text)? || at.denied.bytes),
                    _ => {}
                }
            }
            refused += u64::from(no);
            told.push((!gone).then_some(one));
        }
        if !told.is_empty() {
            let mut inside = self.run.inside();
            for (name, one) in asked.iter().zip(&told) {
                if let Some(one) = one {
                    inside.map.tell(name, one);
                }
            }
            inside.nodes[self.place].told.refused += refused as f64;
        }
        at.asked = asked;
        at.asked.clear();
        if std::mem::take(&mut at.facts_asked) {
            let facts = Facts::read(&mut at.wire).await.map_err(broken)?;
            self.learnt(at, &facts)?;
        }
        Ok(())
    }

    /// Takes a refusal of a question about a key into account; answers whether all such questions are refused.
    ///
    /// # Errors
    /// When the server refuses everything at the moment.
    fn refused(&self, text: &str) -> Result<bool, ApiError> {
        let error = self.door.refused(self.host, text);
        let code = text.split(' ').next().unwrap_or_default();
        if matches!(code, "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "NOAUTH") {
            return Err(error);
        }
        let elsewhere = matches!(code, "MOVED" | "ASK" | "TRYAGAIN");
        let mut inside = self.run.inside();
        let node = &mut inside.nodes[self.place];
        if node.told.problem.is_none() {
            node.told.problem = Some(if elsewhere {
                format!("Keys of {} moved to another server while they were asked", self.host)
            } else {
                error.message
            });
            node.told.hint = error.hint.filter(|_| !elsewhere);
        }
        // One for a key alone may not be one for the next.
        let lower = text.to_ascii_lowercase();
        let command = code == "NOPERM" && lower.contains("permissions to run");
        Ok(command || lower.contains("unknown command") || lower.contains("unknown subcommand"))
    }

    /// Takes what the server tells of itself into account.
    fn learnt(&self, at: &Step<'_>, facts: &Facts) -> Result<(), ApiError> {
        {
            let mut inside = self.run.inside();
            let node = &mut inside.nodes[self.place];
            node.keys = facts.keys.or(node.keys);
            node.churn = facts.churn_since(&at.first);
            node.writes = facts.writes_since(&at.first);
            if facts.told {
                (node.used, node.most) = (facts.used, facts.most);
            }
        }
        if facts.told && at.first.told && facts.run_id != at.first.run_id {
            return Err(crate::error::again(
                ErrorCode::Unreachable,
                format!("Another server answers at {}: it was restarted, or another one took its place", self.host),
            )
            .hint("Scan it again"));
        }
        if facts.told && facts.replica && !at.first.replica {
            return Err(crate::error::again(
                ErrorCode::Unreachable,
                format!("{} became a replica: another server took its place", self.host),
            )
            .hint("Scan it again"));
        }
        self.may_go_on(facts)
    }
}

/// Count that keeps a page at about [`COUNT`] keys and below [`PAGE_S`], by what the first one was.
fn calibrated(keys: usize, took: Duration) -> u64 {
    if keys == 0 {
        return COUNT;
    }
    // Some servers give ten times as many as they are asked for, or ten times as few.
    let usual = COUNT as f64 * (FIRST_COUNT as f64 / keys as f64).clamp(0.1, 1.0);
    let per_key = took.as_secs_f64() / keys as f64;
    let quick = PAGE_S / per_key.max(1e-9) * (FIRST_COUNT as f64 / keys as f64);
    usual.min(quick).max(FIRST_COUNT as f64 / 2.0) as u64
}

/// Share of the table that is before a cursor: it counts in reversed bits, whatever the size of the table.
pub(crate) fn cursor_share(cursor: &[u8], last: bool) -> Option<f64> {
    if last {
        return Some(1.0);
    }
    let cursor: u64 = std::str::from_utf8(cursor).ok()?.parse().ok()?;
    Some(cursor.reverse_bits() as f64 / 2_f64.powi(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_in_the_reversed_bits_of_a_cursor() {
        // A table of 8: 0, 4, 2, 6, 1, 5, 3, 7.
        for (step, cursor) in (0..).zip(["0", "4", "2", "6", "1", "5", "3", "7"]) {
            assert_eq!(cursor_share(cursor.as_bytes(), false), Some(f64::from(step) / 8.0), "{cursor}");
        }
        assert_eq!(cursor_share(b"0", true), Some(1.0), "the end");
        assert!(cursor_share(b"18446744073709551615", false).is_some_and(|share| share > 0.99), "above 2^63");
        assert_eq!(cursor_share(b"18446744073709551616", false), None, "above 2^64 it tells nothing");
    }

    #[test]
    fn pages_are_as_large_as_the_server_bears() {
        assert_eq!(calibrated(100, Duration::from_micros(100)), COUNT, "as asked");
        assert_eq!(calibrated(1_000, Duration::from_micros(1_000)), 100, "a server that gives ten times as many");
        assert_eq!(calibrated(100, Duration::from_millis(2)), 200, "a slow one");
        assert_eq!(calibrated(100, Duration::from_secs(1)), 50, "not below half of the first");
        assert_eq!(calibrated(0, Duration::ZERO), COUNT, "an empty page says nothing");
    }
}
