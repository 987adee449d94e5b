//! Viewers: a snapshot, then deltas, at most ten frames a second, never blocking what produces them.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, Frame, FrameKind, Part, Tag, TargetStatus, Topic, Watching};
use perfdeck_monitor::Tick;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::{Feed, Hub, OpenFeed};

/// Shortest time between two frames.
const SPACING: Duration = Duration::from_millis(100);
/// Seconds of samples kept for a slow viewer; older ones are dropped and counted.
const PENDING_TICKS: usize = 20;

/// Beyond so many series, targets and jobs have a frame of their own, so that none grows beyond 8 kB.
const WIDE: usize = 250;

/// One viewer of the event stream.
pub struct Viewer {
    hub: Arc<Hub>,
    watching: Watching,
    /// The watched environment. One whose watch ended stays until there is another, so that it is tried again.
    feed: Option<Feed>,
    /// How it is watched anew; `None` when no environment is watched.
    open: Option<OpenFeed>,
    published: watch::Receiver<u64>,
    tags: broadcast::Receiver<Tag>,
    /// Versions of the parts that were told.
    told: BTreeMap<Topic, u64>,
    pending: VecDeque<Arc<Tick>>,
    /// Targets that are to be told.
    targets: Option<Vec<TargetStatus>>,
    changed: BTreeSet<Tag>,
    /// The environment is to be watched anew.
    again: bool,
    seq: u64,
    last: Option<Instant>,
}

impl Viewer {
    /// A viewer of what `watching` names; `open` watches its environment, which is looked up already.
    ///
    /// # Errors
    /// When the environment cannot be watched.
    pub(crate) async fn new(hub: Arc<Hub>, watching: Watching, open: Option<OpenFeed>) -> Result<Self, ApiError> {
        // Who wants nothing of the environment does not have it watched.
        let needed = [Topic::Series, Topic::Targets, Topic::Changed].iter().any(|topic| watching.has(*topic));
        let open = open.filter(|_| needed);
        let feed = match &open {
            Some(open) => Some(open().await?),
            None => None,
        };
        Ok(Self {
            published: hub.version.subscribe(),
            tags: hub.tags.subscribe(),
            hub,
            watching,
            feed,
            open,
            told: BTreeMap::new(),
            pending: VecDeque::new(),
            targets: None,
            changed: BTreeSet::new(),
            again: false,
            seq: 0,
            last: None,
        })
    }

    /// The next frame; waits until something changed. The first one is a snapshot and comes at once. A wait that is given up
    /// loses nothing. `None` when the engine was shut down.
    pub async fn next(&mut self) -> Option<Frame> {
        if self.hub.stopped.is_cancelled() {
            return None;
        }
        let Some(last) = self.last else {
            self.last = Some(Instant::now());
            return Some(self.snapshot());
        };
        loop {
            if self.again {
                self.watch_again().await;
            }
            if !self.has_news() {
                if !self.wait().await {
                    return None;
                }
                continue;
            }
            // Whatever arrives within the spacing travels in the same frame.
            tokio::select! {
                () = self.hub.stopped.cancelled() => return None,
                () = tokio::time::sleep_until(last + SPACING) => {}
            }
            self.drain();
            if let Some(frame) = self.delta() {
                self.last = Some(Instant::now());
                return Some(frame);
            }
        }
    }

    /// Whether a frame is worth making.
    fn has_news(&self) -> bool {
        if !self.pending.is_empty() || self.targets.is_some() || !self.changed.is_empty() {
            return true;
        }
        // What Perfdeck costs travels with the second's samples: a frame of its own would be one more drawing a second.
        let sampled = self.watching.has(Topic::Series) && self.feed.is_some();
        self.hub.latest().iter().any(|(topic, latest)| {
            self.watching.has(*topic)
                && self.told.get(topic) != Some(&latest.version)
                && !(sampled && *topic == Topic::Own)
        })
    }

    /// Waits until something happened; `false` when the engine was shut down.
    async fn wait(&mut self) -> bool {
        let ticks = async {
            match &mut self.feed {
                Some(feed) => feed.ticks.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.hub.stopped.cancelled() => return false,
            tick = ticks => match tick {
                Ok(tick) => self.take(tick),
                Err(RecvError::Lagged(n)) => self.missed(n),
                // An environment that is edited is watched anew: its old watch ends.
                Err(RecvError::Closed) => self.again = true,
            },
            published = self.published.changed() => return published.is_ok(),
            tag = self.tags.recv() => self.hear(tag.ok()),
        }
        true
    }

    /// Watches the environment anew. Until that succeeds there are no samples.
    async fn watch_again(&mut self) {
        if let Some(open) = &self.open {
            match open().await {
                Ok(feed) => {
                    self.feed = Some(feed);
                    self.look_again();
                }
                Err(error) => {
                    self.feed = None;
                    tracing::info!(%error, "an environment is no longer watched");
                }
            }
        }
        // Not before: a wait that is given up here is begun again.
        self.again = false;
    }

    /// Tells everything about the environment that ticks tell in passing.
    fn look_again(&mut self) {
        if self.watching.has(Topic::Targets) {
            self.targets = self.feed.as_ref().map(|feed| (feed.targets)());
        }
        self.mark(&[Tag::Findings, Tag::Series]);
    }

    fn mark(&mut self, tags: &[Tag]) {
        if self.watching.has(Topic::Changed) {
            self.changed.extend(tags);
        }
    }

    /// Takes a tag; without one, some were missed.
    fn hear(&mut self, tag: Option<Tag>) {
        // An environment that came back, or that somebody else has begun to watch.
        if self.feed.is_none() && matches!(tag, None | Some(Tag::Environments | Tag::Series)) {
            self.again = true;
        }
        match tag {
            Some(tag) => self.mark(&[tag]),
            None => self.mark(Tag::ALL),
        }
    }

    /// Takes a second. Of one that is dropped later only the samples are lost.
    fn take(&mut self, tick: Arc<Tick>) {
        if self.watching.has(Topic::Targets) && tick.targets.is_some() {
            self.targets.clone_from(&tick.targets);
        }
        if tick.findings_changed {
            self.mark(&[Tag::Findings]);
        }
        if tick.series_changed {
            self.mark(&[Tag::Series]);
        }
        if !self.watching.has(Topic::Series) {
            return;
        }
        self.pending.push_back(tick);
        while self.pending.len() > PENDING_TICKS {
            self.pending.pop_front();
            self.lost(1);
        }
    }

    /// Seconds went by unseen, with what they told.
    fn missed(&mut self, ticks: u64) {
        if self.watching.has(Topic::Series) {
            self.lost(ticks);
        }
        self.look_again();
    }

    fn lost(&mut self, ticks: u64) {
        self.seq += ticks;
        self.hub.drop_ticks(ticks);
    }

    fn drain(&mut self) {
        while let Some(feed) = &mut self.feed {
            match feed.ticks.try_recv() {
                Ok(tick) => self.take(tick),
                Err(TryRecvError::Lagged(n)) => self.missed(n),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => {
                    self.again = true;
                    break;
                }
            }
        }
        loop {
            match self.tags.try_recv() {
                Ok(tag) => self.hear(Some(tag)),
                Err(TryRecvError::Lagged(_)) => self.hear(None),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }

    fn frame(&mut self, kind: FrameKind) -> Frame {
        self.seq += 1;
        Frame {
            seq: self.seq,
            kind,
            environment_id: self.watching.environment_id.clone(),
            at_ms: self.hub.clock.now_ms(),
            t: Vec::new(),
            series: BTreeMap::new(),
            parts: Vec::new(),
        }
    }

    fn snapshot(&mut self) -> Frame {
        self.look_again();
        // Whoever listed something before this viewer was there, or while it was away, was not told of changes since.
        self.mark(Tag::ALL);
        let mut frame = self.frame(FrameKind::Snapshot);
        frame.parts = self.parts();
        frame
    }

    /// What is new since the last frame; `None` when nothing is.
    fn delta(&mut self) -> Option<Frame> {
        let parts = self.parts();
        let large = parts.iter().any(|part| matches!(part, Part::Targets(_) | Part::Jobs(_)));
        let of_all = self.pending.back().map_or(0, |tick| tick.values.len());
        let series = self.watching.series.as_ref().map_or(of_all, |wanted| of_all.min(wanted.len()));
        // What is left waits for the next frame.
        let ticks = if large && series > WIDE { VecDeque::new() } else { std::mem::take(&mut self.pending) };
        if ticks.is_empty() && parts.is_empty() {
            return None;
        }
        let mut frame = self.frame(FrameKind::Delta);
        frame.parts = parts;
        let wanted = self.watching.series.as_ref();
        for (i, tick) in ticks.iter().enumerate() {
            frame.t.push(tick.t_ms);
            for (id, value) in tick.values.iter().filter(|(id, _)| wanted.is_none_or(|ids| ids.contains(&**id))) {
                let column = frame.series.entry(id.to_string()).or_insert_with(|| vec![None; i]);
                // A series that skipped a tick has a gap there.
                column.resize(i, None);
                column.push(*value);
            }
        }
        for column in frame.series.values_mut() {
            column.resize(ticks.len(), None);
        }
        Some(frame)
    }

    /// The parts that were not told yet; they are told from now on.
    fn parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        parts.extend(self.targets.take().map(Part::Targets));
        for (topic, latest) in self.hub.latest().iter() {
            if self.watching.has(*topic) && self.told.insert(*topic, latest.version) != Some(latest.version) {
                parts.push(latest.part.clone());
            }
        }
        if !self.changed.is_empty() {
            parts.push(Part::Changed(std::mem::take(&mut self.changed).into_iter().collect()));
        }
        parts
    }
}
