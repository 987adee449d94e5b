//! The scan of one server: its cursor from 0 to 0, with what is asked of the keys of each page.
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, HostPort, MapDetail};

use super::answers::Denied;
use super::door::Door;
use super::facts::Facts;
use super::governor::stop;
use super::left_alone;
use super::lost::Losses;
use super::probe::{Pace, Probe};
use super::run::MapRun;
use super::seen::{Seen, by_slot};
use super::survivors::Survivors;
use super::wire::{Broken, Names, Wire};
use crate::connect::Purpose;

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

/// A server that is open for a scan.
pub(super) struct Begun {
    pub(super) wire: Wire,
    pub(super) facts: Facts,
    /// What the server says is wrong with it, where it can be read all the same.
    unwell: Option<ApiError>,
    probe: Option<Probe>,
    /// Time of a round trip that does nothing.
    empty: Duration,
}

/// One server of a scan.
pub(super) struct Walk<'a> {
    pub(super) run: &'a MapRun,
    pub(super) door: &'a Door<'a>,
    /// The server that is read now; another one may take its place.
    pub(super) host: HostPort,
    pub(super) place: usize,
    pub(super) replica: bool,
    pub(super) clustered: bool,
    /// Slots that it has in a cluster.
    pub(super) slots: Vec<u16>,
}

/// Where a walk is.
pub(super) struct Step<'s> {
    pub(super) wire: Wire,
    pub(super) first: Facts,
    looked: Instant,
    count: u64,
    /// Where the page begins that is to be counted next. It means nothing to another server.
    cursor: Vec<u8>,
    /// Pages that were counted.
    pub(super) pages: u64,
    /// Whether the last one was.
    pub(super) through: bool,
    pub(super) denied: Denied,
    names: Names,
    /// Keys that are to be asked, and those whose answers are on their way.
    asking: Names,
    pub(super) asked: Names,
    pub(super) facts_asked: bool,
    pub(super) survivors: Survivors,
    seen: Option<&'s Mutex<Seen>>,
    last_share: f64,
}

impl<'s> Step<'s> {
    /// The start of a server.
    fn new(wire: Wire, first: Facts, seen: Option<&'s Mutex<Seen>>, seed: u64) -> Self {
        Self {
            wire,
            first,
            looked: Instant::now(),
            count: FIRST_COUNT,
            cursor: b"0".to_vec(),
            pages: 0,
            through: false,
            denied: Denied::default(),
            names: Names::default(),
            asking: Names::default(),
            asked: Names::default(),
            facts_asked: false,
            survivors: Survivors::new(seed),
            seen,
            last_share: 0.0,
        }
    }

    /// Goes on over another connection to the same server: from the same cursor, with the same questions that have no answer yet.
    pub(super) fn over(&mut self, wire: Wire) {
        self.wire = wire;
        self.names.clear();
        let mut open = std::mem::take(&mut self.asked);
        self.asking.iter().for_each(|name| open.push(name));
        self.asking = open;
        (self.facts_asked, self.survivors.asked) = (false, 0);
    }

    /// Begins anew, at another server. What is known of privileges stays.
    pub(super) fn anew(&mut self, wire: Wire, first: Facts) {
        *self = Self { denied: self.denied, pages: self.pages, ..Self::new(wire, first, self.seen, self.pages) };
    }
}

impl Walk<'_> {
    pub(super) fn paced(&self) -> bool {
        self.run.wanted.paced || self.run.orders.borrow().gentler > 0
    }

    /// Opens what is needed, and looks at the server before anything is asked of it.
    pub(super) async fn open(&self, host: &HostPort) -> Result<Begun, ApiError> {
        let told = |broken| self.door.told(host, broken);
        let mut wire = self.door.open(host, Purpose::Scan, self.replica && self.clustered).await?;
        let facts = Facts::ask(&mut wire).await.map_err(told)?;
        if let Some(why) = stop(facts.loading, facts.used, facts.most, facts.evicts) {
            return Err(left_alone(host, why));
        }
        let began = Instant::now();
        let unwell = match wire.ask(&[b"PING"]).await {
            Ok(_) => None,
            // A refusal takes as long.
            Err(Broken::Refused(text)) => text.starts_with("MISCONF").then(|| self.door.refused(host, &text)),
            Err(broken) => return Err(told(broken)),
        };
        let empty = began.elapsed();
        let probe = if self.paced() {
            let wire = self.door.open(host, Purpose::Probe, false).await?;
            Some(Probe::begin(wire).await.map_err(told)?)
        } else {
            None
        };
        Ok(Begun { wire, facts, unwell, probe, empty })
    }

    /// Begins: what is said of the server is noted.
    pub(super) async fn begin(&self) -> Result<Begun, ApiError> {
        let begun = self.open(&self.host).await?;
        let facts = &begun.facts;
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
        if facts.keys.is_none() {
            let note = format!(
                "DBSIZE is refused on {}: how many keys there are is not known, nor whether some were read twice. {}",
                self.host,
                crate::error::acl(self.door.user(), &["+dbsize"])
            );
            inside.notes.push(note);
        }
        if let Some(error) = &begun.unwell {
            inside.notes.push(format!("{}: it answers PING with MISCONF. It is read all the same", error.message));
        }
        if facts.of_cluster && !self.door.is_cluster() {
            let error = crate::error::one_node(&self.host);
            inside.notes.push(format!("{}. {}", error.message, error.hint.unwrap_or_default()));
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
        drop(inside);
        Ok(begun)
    }

    pub(super) fn may_go_on(&self, facts: &Facts) -> Result<(), ApiError> {
        match stop(facts.loading, facts.used, facts.most, facts.evicts) {
            Some(why) => Err(left_alone(&self.host, why)),
            None => Ok(()),
        }
    }

    /// Says how it ended.
    pub(super) fn ended(&self, error: Option<&ApiError>) {
        let mut inside = self.run.inside();
        let node = &mut inside.nodes[self.place];
        (node.ended, node.away) = (true, false);
        match error {
            None => node.told.finished = true,
            Some(error) => {
                node.told.problem = Some(error.message.clone());
                node.told.hint.clone_from(&error.hint);
            }
        }
    }

    /// Reads all keys. A server that is lost meanwhile is looked for, and so is what takes its place.
    ///
    /// # Errors
    /// When it stays lost, or refuses.
    pub(super) async fn walk(&mut self, begun: Begun, seen: Option<&Mutex<Seen>>) -> Result<(), ApiError> {
        let Begun { wire, facts, mut probe, mut empty, .. } = begun;
        let mut at = Step::new(wire, facts, seen, self.run.wanted.seed);
        let mut losses = Losses::default();
        loop {
            let Err(error) = self.stretch(&mut at, probe.take(), empty).await else { return Ok(()) };
            let was = self.host.clone();
            let known = (at.pages, at.first.replica);
            let begun = self.regained(error, &mut losses, known).await?;
            (probe, empty) = (begun.probe, begun.empty);
            self.taken_up(&was, &mut at, (begun.wire, begun.facts), &losses);
        }
    }

    /// Reads as long as one connection holds.
    async fn stretch(&self, at: &mut Step<'_>, probe: Option<Probe>, empty: Duration) -> Result<(), ApiError> {
        let pace = Pace::new();
        let walk = self.pages(at, &pace, empty, probe.is_some());
        match probe {
            None => walk.await,
            Some(probe) => tokio::select! {
                done = walk => done,
                () = probe.keep(self.run, self.place, &pace, &self.host) => unreachable!("it is kept until it is dropped"),
            },
        }
    }

    async fn pages(&self, at: &mut Step<'_>, pace: &Pace, empty: Duration, probed: bool) -> Result<(), ApiError> {
        let told = |broken| self.door.told(&self.host, broken);
        let (mut sent, mut ahead) = (Instant::now(), false);
        while !at.through {
            if !ahead {
                let cursor = at.cursor.clone();
                sent = Instant::now();
                self.send(at, pace, Some(&cursor)).await.map_err(told)?;
            }
            self.answers(at).await?;
            let cursor = at.wire.cursor().await.map_err(told)?;
            let last = cursor == b"0";
            // Without a pace the next page is on its way while this one is counted.
            ahead = !last && at.cursor != b"0" && !self.held(at, probed);
            if ahead {
                self.send(at, pace, Some(&cursor)).await.map_err(told)?;
            }
            at.names.clear();
            at.wire.names(&mut at.names).await.map_err(told)?;
            pace.answered();
            if at.cursor == b"0" {
                at.count = calibrated(at.names.len(), sent.elapsed().saturating_sub(empty));
                if self.clustered {
                    self.run.inside().nodes[self.place].ordered = by_slot(at.names.iter());
                }
            }
            self.counted(at, &cursor, last);
            (at.cursor, at.through) = (cursor, last);
            at.pages += 1;
            if !last && !ahead {
                self.wait(at, pace, probed).await?;
            }
        }
        at.looked = Instant::now().checked_sub(COUNTERS).unwrap_or(at.looked);
        self.send(at, pace, None).await.map_err(told)?;
        self.answers(at).await
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
        if inside.nodes.len() < 2 || inside.nodes[self.place].anew {
            return false;
        }
        // Nobody waits for one that is lost, or that begins anew.
        let going = |node: &&super::run::NodeState| !(node.ended || node.told.finished || node.away || node.anew);
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
                self.ask_facts(at);
                at.wire.send().await.map_err(|broken| self.door.told(&self.host, broken))?;
                self.facts(at).await?;
            }
        }
        Ok(())
    }

    /// Sends the questions about keys that are to be asked, those about the server when it is time, and the next page's.
    async fn send(&self, at: &mut Step<'_>, pace: &Pace, cursor: Option<&[u8]>) -> Result<(), Broken> {
        pace.asks();
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
        if at.looked.elapsed() >= COUNTERS {
            at.looked = Instant::now();
            self.ask_facts(at);
        }
        if let Some(cursor) = cursor {
            let count = at.count.to_string();
            at.wire.queue(&[b"SCAN", cursor, b"COUNT", count.as_bytes()]);
        }
        at.wire.send().await
    }

    /// Counts a page. Where a former server of these keys was read before, only those that it did not have.
    fn counted(&self, at: &mut Step<'_>, cursor: &[u8], last: bool) {
        let all = at.names.len() as u64;
        if let Some(seen) = at.seen {
            let anew = self.run.inside().nodes[self.place].anew;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if anew {
                let mut new = Names::default();
                at.names.iter().filter(|name| !seen.has(name)).for_each(|name| new.push(name));
                at.names = new;
            }
            at.names.iter().for_each(|name| seen.add(name));
        }
        at.survivors.offer(&at.names);
        let share = cursor_share(cursor, last);
        let mut ask = Vec::new();
        let mut inside = self.run.inside();
        inside.map.count(at.names.iter(), &mut ask);
        inside.was_read(self.place, all);
        inside.nodes[self.place].found += all - at.names.len() as u64;
        // A cursor that goes back is of another make: it tells nothing.
        inside.nodes[self.place].cursor_share = share.filter(|share| *share >= at.last_share);
        at.last_share = share.unwrap_or(f64::INFINITY).max(at.last_share);
        drop(inside);
        if self.run.wanted.detail != MapDetail::Names {
            ask.iter().for_each(|place| at.asking.push(at.names.get(*place as usize)));
        }
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
