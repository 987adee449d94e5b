//! A map in the making: what is known so far, and a person's orders.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheMap, CacheMapPage, ErrorCode, HostPort, MapDetail, MapNode, MapOrder, MapPace, MapState,
};
use tokio::sync::watch;

use super::governor::Governor;
use super::survivors::replaced;
use crate::map::answer::{View, Wanted};
use crate::map::{Frame, Map};

/// Namespaces on one page at most.
const PAGE: usize = 500;
/// Keys per second are counted over this time.
const SPEED: Duration = Duration::from_millis(500);

/// What is to be mapped, and how.
#[derive(Debug, Clone, Default)]
pub struct MapWanted {
    /// What is asked of each key.
    pub detail: MapDetail,
    /// Whether the pace is held to the limits of CPU and added latency.
    pub paced: bool,
    /// Whether replicas are read in place of their primaries, where there are some.
    pub replica: bool,
    /// Characters at which names are divided; `None` to find them in the names.
    pub delimiters: Option<String>,
    /// Start of the random numbers by which keys are drawn.
    pub seed: u64,
    /// Longest time to look for a server that was lost; `None` for a minute.
    pub patience: Option<Duration>,
}

impl MapWanted {
    /// A map without keys.
    pub(super) fn empty(&self) -> Map {
        Map::new(self.detail, self.delimiters.as_deref(), self.seed)
    }
}

/// A part of the map that is asked for.
#[derive(Debug, Clone, Default)]
pub struct MapAsked {
    /// Path of a namespace; empty for the whole map.
    pub path: String,
    /// Order of what is inside.
    pub order: MapOrder,
    /// Namespaces before the first that is wanted.
    pub skip: usize,
    /// Namespaces at most, 1 to 500.
    pub most: usize,
    /// Levels of namespaces, from 1 on: what is directly inside, what is inside that, …
    pub depth: u32,
}

/// What a person wants of a scan that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) stop: bool,
    pub(super) paused: bool,
    pub(super) gentler: u32,
}

/// One server of the scan.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeState {
    pub(super) told: MapNode,
    pub(super) keys: Option<u64>,
    pub(super) read: u64,
    pub(super) churn: u64,
    pub(super) writes: Option<u64>,
    /// Of some keys that were read, how many are gone, and how many were asked for.
    pub(super) gone: (u32, u32),
    /// Whether its keys come slot by slot.
    pub(super) ordered: bool,
    /// Share of its key space that was read, where its cursor tells.
    pub(super) cursor_share: Option<f64>,
    pub(super) ended: bool,
    /// It was lost and is looked for, and what there was to say of it before.
    pub(super) away: bool,
    pub(super) lost: Option<String>,
    /// Of a cluster: the primary that had its slots at the start, and the server that is read.
    pub(super) home: Option<(HostPort, HostPort)>,
    /// Its keys are read anew from another server, beside those that the former one had.
    pub(super) anew: bool,
    /// Keys that former servers of it had, and how many names of the present one were known already.
    pub(super) before: u64,
    pub(super) found: u64,
    pub(super) used: f64,
    pub(super) most: f64,
    pub(super) cpu_share: Option<f64>,
    pub(super) added_p99_ms: Option<f64>,
    pub(super) halved: u32,
}

impl NodeState {
    /// Share of its keys that was read.
    pub(super) fn share(&self) -> Option<f64> {
        if self.told.finished {
            return Some(1.0);
        }
        self.keys.map(|keys| if keys == 0 { 1.0 } else { (self.read as f64 / keys as f64).min(1.0) })
    }

    /// Progress for a person: by the cursor where it is believable, by keys elsewhere.
    fn progress(&self) -> Option<f64> {
        let by_keys = self.share();
        match (self.cursor_share.filter(|_| !self.ordered && !self.told.finished), by_keys) {
            (Some(cursor), Some(keys)) if (cursor - keys).abs() < 0.2 => Some(cursor),
            (_, keys) => keys,
        }
    }
}

pub(super) struct Inside {
    pub(super) map: Map,
    pub(super) nodes: Vec<NodeState>,
    pub(super) notes: Vec<String>,
    pub(super) server: Option<String>,
    /// Keys that were counted twice at most, beyond what the nodes know.
    pub(super) doubt: u64,
    state: MapState,
    took: Option<Duration>,
    speed: (Instant, u64, f64),
    /// A cache of this process: it was read at once.
    memory: Option<(f64, f64)>,
}

/// A map in the making, or made.
pub struct MapRun {
    pub(super) wanted: MapWanted,
    id: String,
    started_ms: f64,
    started: Instant,
    inside: Mutex<Inside>,
    pub(super) orders: watch::Sender<Orders>,
}

impl MapRun {
    /// One that has not begun.
    pub fn new(wanted: MapWanted, id: String, started_ms: f64) -> Arc<Self> {
        let now = Instant::now();
        let inside = Inside {
            map: wanted.empty(),
            nodes: Vec::new(),
            notes: Vec::new(),
            server: None,
            doubt: 0,
            state: MapState::Running,
            took: None,
            speed: (now, 0, 0.0),
            memory: None,
        };
        let orders = watch::channel(Orders::default()).0;
        Arc::new(Self { wanted, id, started_ms, started: now, inside: Mutex::new(inside), orders })
    }

    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it where it is; what was read is kept.
    pub fn stop(&self) {
        self.orders.send_modify(|orders| orders.stop = true);
    }

    /// Lets it wait, or go on. Nothing happens to one that ended.
    pub fn pause(&self, paused: bool) {
        self.orders.send_modify(|orders| orders.paused = paused);
        let mut inside = self.inside();
        if matches!(inside.state, MapState::Running | MapState::Paused) {
            inside.state = if paused { MapState::Paused } else { MapState::Running };
        }
    }

    /// Halves what it may cost the server. One without a pace gets one.
    pub fn gentler(&self) {
        self.orders.send_modify(|orders| orders.gentler += 1);
    }

    /// Whether it is still being made.
    pub fn is_running(&self) -> bool {
        matches!(self.inside().state, MapState::Running | MapState::Paused)
    }

    pub(super) fn end(&self) {
        let mut inside = self.inside();
        let finished = !inside.nodes.is_empty() && inside.nodes.iter().all(|node| node.told.finished);
        inside.state = if finished { MapState::Finished } else { MapState::Unfinished };
        inside.took = Some(self.started.elapsed());
    }

    /// What was read of the cache of this process.
    pub(super) fn was_memory(&self, used: f64, most: f64) {
        self.inside().memory = Some((used, most));
    }

    /// Share that was read, 0 to 1; `None` where it cannot be known.
    pub fn progress(&self) -> Option<f64> {
        self.inside().progress()
    }

    /// The step for a person.
    pub fn step(&self) -> String {
        let inside = self.inside();
        let keys = perfdeck_words::integer(inside.map.read() as f64);
        if inside.state == MapState::Paused { format!("paused after {keys} keys") } else { format!("{keys} keys read") }
    }

    /// The map as a whole.
    pub fn map(&self) -> CacheMap {
        let inside = self.inside();
        self.told(&inside, &inside.view())
    }

    /// A part of the map.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when the path leads nowhere: its namespace was joined with others since.
    pub fn page(&self, part: &MapAsked) -> Result<CacheMapPage, ApiError> {
        let inside = self.inside();
        let view = inside.view();
        let id = view.find(&part.path).ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                "That namespace is not in the map: it was joined with others, or the map is a new one",
            )
            .hint("Begin at the top again")
        })?;
        let wanted =
            Wanted { order: part.order, skip: part.skip, most: part.most.clamp(1, PAGE), depth: part.depth.max(1) };
        let page = view.page(id, wanted);
        Ok(CacheMapPage {
            map: self.told(&inside, &view),
            within: view.within(id),
            namespaces: page.namespaces,
            left_out: page.left_out,
            left_out_keys: page.left_out_keys,
            left_out_bytes: page.left_out_bytes,
        })
    }

    fn told(&self, inside: &Inside, view: &View<'_>) -> CacheMap {
        let frame = inside.frame();
        let running = matches!(inside.state, MapState::Running);
        let duration_s = inside.took.unwrap_or_else(|| self.started.elapsed()).as_secs_f64();
        let speed = if running { inside.speed.2 } else { 0.0 };
        let left = frame.all.map(|all| (all - frame.read).max(0.0));
        let orders = *self.orders.borrow();
        let (cpu_limit, added_limit_ms) = Governor::limits(orders.gentler);
        let worst = |f: fn(&NodeState) -> Option<f64>| inside.nodes.iter().filter_map(f).reduce(f64::max);
        let (used, most) = inside.memory.unwrap_or_else(|| {
            inside.nodes.iter().fold((0.0, 0.0), |sum, node| (sum.0 + node.used, sum.1 + node.most))
        });
        CacheMap {
            id: self.id.clone(),
            job_id: String::new(),
            detail: self.wanted.detail,
            state: inside.state,
            started_ms: self.started_ms,
            duration_s,
            progress: inside.progress(),
            left_s: left.filter(|_| running && speed > 0.0).map(|left| left / speed),
            server: inside.server.clone(),
            keys_read: frame.read,
            sampled: view.asked(),
            all: Some(view.all()),
            exact: view.exact(),
            random_sample: frame.random,
            churn: frame.churn,
            used_memory_bytes: (used > 0.0).then_some(used),
            max_memory_bytes: (most > 0.0).then_some(most),
            delimiters: view.delimiters(),
            namespaces: view.len(),
            folded: view.folded(),
            pace: MapPace {
                paced: self.wanted.paced || orders.gentler > 0,
                keys_per_s: speed,
                cpu_share: worst(|node| node.cpu_share),
                cpu_limit,
                added_p99_ms: worst(|node| node.added_p99_ms),
                added_limit_ms,
                halved: inside.nodes.iter().map(|node| node.halved).sum(),
            },
            nodes: inside.nodes.iter().map(told_node).collect(),
            notes: inside.all_notes(&frame, view),
        }
    }
}

fn told_node(node: &NodeState) -> MapNode {
    MapNode { keys_read: node.read as f64, keys: node.keys.map(|n| n as f64), ..node.told.clone() }
}

impl Inside {
    fn view(&self) -> View<'_> {
        View::new(&self.map, self.frame())
    }

    /// Says that keys of a server were read.
    pub(super) fn was_read(&mut self, node: usize, keys: u64) {
        self.nodes[node].read += keys;
        let (since, then, _) = self.speed;
        let now = Instant::now();
        if now - since >= SPEED {
            let read = self.map.read();
            self.speed = (now, read, (read - then) as f64 / (now - since).as_secs_f64());
        }
    }

    /// Of a cluster: primaries at the start, each with the server that is read for it.
    pub(super) fn homes(&self) -> impl Iterator<Item = &(HostPort, HostPort)> {
        self.nodes.iter().filter_map(|node| node.home.as_ref())
    }

    /// Drops what was read, of a server that is another one by now.
    pub(super) fn emptied(&mut self, wanted: &MapWanted, keys: Option<u64>) {
        self.map = wanted.empty();
        self.map.expect(keys.unwrap_or(0));
        self.speed = (Instant::now(), 0, 0.0);
    }

    pub(super) fn frame(&self) -> Frame {
        let all: Option<u64> = if self.nodes.is_empty() { None } else { self.nodes.iter().map(|node| node.keys).sum() };
        let finished = !self.nodes.is_empty() && self.nodes.iter().all(|node| node.told.finished);
        let churn: u64 = self.nodes.iter().map(NodeState::doubt).sum::<u64>() + self.doubt;
        Frame {
            read: self.map.read() as f64,
            all: all.map(|n| n as f64),
            finished,
            random: self.random(),
            churn: churn as f64,
        }
    }

    /// Whether what was read is like a random sample: hash order on each server, and as large a share of each.
    fn random(&self) -> bool {
        let shares: Vec<f64> = self.nodes.iter().filter_map(NodeState::share).collect();
        let (least, most) = shares.iter().fold((1.0_f64, 0.0_f64), |(l, m), s| (l.min(*s), m.max(*s)));
        let alike = self.nodes.len() < 2 || most - least <= 0.1 * most;
        !self.nodes.iter().any(|node| node.ordered || node.anew) && alike && shares.len() == self.nodes.len()
    }

    fn progress(&self) -> Option<f64> {
        let mut sum = (0.0, 0.0);
        for node in &self.nodes {
            let keys = node.keys? as f64;
            sum = (sum.0 + node.progress()? * keys, sum.1 + keys);
        }
        if self.nodes.is_empty() {
            return None;
        }
        Some(if sum.1 == 0.0 { 1.0 } else { sum.0 / sum.1 })
    }

    fn all_notes(&self, frame: &Frame, view: &View<'_>) -> Vec<String> {
        let mut notes = self.notes.clone();
        if !frame.finished && self.nodes.iter().any(|node| node.ordered) {
            notes.push(
                "The servers give their keys slot by slot, which is not a random sample: counts are lower bounds until the scan ends"
                    .to_owned(),
            );
        } else if !frame.finished && !frame.random && frame.read > 0.0 {
            notes.push(
                "Not as large a share of each server was read: counts are lower bounds until the scan ends".to_owned(),
            );
        }
        let number = perfdeck_words::integer;
        // Of a server that does not tell how many keys it has nothing is known to have come or gone.
        let untold = self.nodes.iter().filter(|node| node.told.finished && node.keys.is_none()).count();
        let came = frame.churn - untold as f64;
        if came > 0.0 {
            let writes: Option<u64> = self.nodes.iter().map(|node| node.writes).sum();
            let writes =
                writes.filter(|n| *n > 0).map(|n| format!(", during {} writes", number(n as f64))).unwrap_or_default();
            notes.push(format!(
                "{} keys or more came, went or were read twice while they were counted{writes}: no count is exact",
                number(came)
            ));
        }
        if view.hidden() > 0.0 {
            let keys = number(view.hidden());
            notes.push(format!(
                "{keys} keys that were asked may not be seen by this account: each is counted, but its memory, type and expiry are not known, so that sums over such keys are lower bounds"
            ));
        }
        if view.folded() > 0.0 {
            notes.push(format!(
                "{} keys are in namespaces too small and too many to hold: they are counted as others where they are",
                number(view.folded())
            ));
        }
        notes
    }
}

impl NodeState {
    /// Keys by which a count of this server's may be wrong.
    fn doubt(&self) -> u64 {
        // Each key that was there all the time is read once at least. So many more or fewer were read than there are.
        let twice = match self.keys {
            Some(keys) if self.told.finished => keys.abs_diff(self.read),
            None if self.told.finished => 1,
            _ => 0,
        };
        // What others took the place of is so of all keys, whether they were read or not.
        let replaced = replaced(self.gone.0, self.gone.1) * self.keys.unwrap_or(0).max(self.read) as f64;
        self.churn.max(replaced.ceil() as u64) + twice + self.inherited()
    }

    /// Keys by which a count may be wrong because a former server was read: those that it had and the present one does not, as far as is known
    /// by now. One name in a hundred that is new looks like one that was read (`seen.rs`), so that it is not counted, and taken for one of those.
    fn inherited(&self) -> u64 {
        if !self.anew {
            return 0;
        }
        let new = self.read.saturating_sub(self.found);
        self.before.saturating_sub(self.found) + new / 25 + 1
    }
}
