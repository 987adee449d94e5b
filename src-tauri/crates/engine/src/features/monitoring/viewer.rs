//! Viewers: a snapshot, then deltas, at most ten frames a second, never blocking what produces them.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, BenchLive, Frame, FrameKind, OwnCost, Tag};
use perfdeck_monitor::Tick;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::Engine;
use crate::core::access::READS_ONLY;
use crate::features::monitoring::sessions::Watch;

/// Shortest time between two frames.
const SPACING: Duration = Duration::from_millis(100);
/// Ticks kept for a slow viewer; older ones are dropped and counted.
const PENDING_TICKS: usize = 20;
/// What a viewer reads anew when it cannot know what it missed.
const EVERYTHING: [Tag; 5] = [Tag::Environments, Tag::Runs, Tag::Reports, Tag::Findings, Tag::Series];

/// One viewer of the event stream.
pub struct Viewer {
    engine: Arc<Engine>,
    monitor: Option<Watch>,
    environment_id: Option<String>,
    ticks: Option<broadcast::Receiver<Arc<Tick>>>,
    jobs: watch::Receiver<u64>,
    bench: watch::Receiver<Option<BenchLive>>,
    own: watch::Receiver<OwnCost>,
    tags: broadcast::Receiver<Tag>,
    seq: u64,
    last: Option<Instant>,
    pending: VecDeque<Arc<Tick>>,
    changed: BTreeSet<Tag>,
    /// Never starts a watch by itself.
    reads_only: bool,
}

impl Engine {
    /// A viewer of the event stream; starts watching the environment when one is named.
    ///
    /// # Errors
    /// When the environment does not exist or its demo cannot be opened.
    pub async fn watch(self: &Arc<Self>, environment_id: Option<&str>) -> Result<Viewer, ApiError> {
        let (id, monitor) = match environment_id {
            Some(id) => {
                let id = self.environment(id).await?.id;
                let monitor = self.monitor(&id).await?;
                (Some(id), Some(monitor))
            }
            None => (None, None),
        };
        Ok(Viewer::new(self.clone(), id, monitor))
    }

    /// A viewer for a caller that may only read: the environment must be watched already.
    ///
    /// # Errors
    /// As [`Engine::watch`]; [`perfdeck_model::ErrorCode::Guarded`] when it is not watched.
    pub async fn watch_reading(self: &Arc<Self>, environment_id: Option<&str>) -> Result<Viewer, ApiError> {
        let mut viewer = READS_ONLY.scope(true, self.watch(environment_id)).await?;
        viewer.reads_only();
        Ok(viewer)
    }
}

impl Viewer {
    pub(crate) fn new(engine: Arc<Engine>, environment_id: Option<String>, monitor: Option<Watch>) -> Self {
        Self {
            ticks: monitor.as_ref().map(|m| m.subscribe()),
            jobs: engine.core.jobs.version(),
            bench: engine.bench.live.subscribe(),
            own: engine.core.own.subscribe(),
            tags: engine.core.tags.subscribe(),
            engine,
            monitor,
            environment_id,
            seq: 0,
            last: None,
            pending: VecDeque::new(),
            changed: BTreeSet::new(),
            reads_only: false,
        }
    }

    /// From now on it never starts a watch by itself.
    pub(crate) fn reads_only(&mut self) {
        self.reads_only = true;
    }

    /// The next frame; waits until something changed. The first one is a snapshot and comes at once.
    /// `None` when the engine was shut down.
    pub async fn next(&mut self) -> Option<Frame> {
        if self.engine.core.stopped.is_cancelled() {
            return None;
        }
        if self.last.is_none() {
            self.last = Some(Instant::now());
            return Some(self.snapshot());
        }
        loop {
            if !self.wait().await {
                return None;
            }
            // Whatever arrives within the spacing travels in the same frame.
            if let Some(last) = self.last {
                tokio::time::sleep_until(last + SPACING).await;
            }
            self.drain();
            let frame = self.delta();
            let empty = frame.t.is_empty()
                && frame.targets.is_none()
                && frame.jobs.is_none()
                && frame.bench.is_none()
                && frame.own.is_none()
                && frame.changed.is_empty();
            if !empty {
                self.last = Some(Instant::now());
                return Some(frame);
            }
        }
    }

    async fn wait(&mut self) -> bool {
        let watched = self.ticks.is_some();
        // An environment that is edited is watched anew: its old monitor's channel closes.
        let ticks = async {
            match &mut self.ticks {
                Some(ticks) => ticks.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.engine.core.stopped.cancelled() => return false,
            tick = ticks => match tick {
                Ok(tick) => self.pending.push_back(tick),
                Err(broadcast::error::RecvError::Lagged(n)) => self.engine.core.dropped(n),
                Err(broadcast::error::RecvError::Closed) => self.rewatch().await,
            },
            r = self.jobs.changed() => {
                // Waiting marks the value as seen; the frame that is made next still has to carry it.
                self.jobs.mark_changed();
                return r.is_ok();
            }
            r = self.bench.changed() => {
                self.bench.mark_changed();
                return r.is_ok();
            }
            // What Perfdeck costs travels with the second's samples: a frame of its own would be one more drawing a second.
            r = self.own.changed(), if !watched => {
                self.own.mark_changed();
                return r.is_ok();
            }
            tag = self.tags.recv() => match tag {
                Ok(tag) => { self.changed.insert(tag); }
                Err(_) => self.changed.extend(EVERYTHING),
            },
        }
        true
    }

    async fn rewatch(&mut self) {
        self.ticks = None;
        if let Some(id) = self.environment_id.clone() {
            match READS_ONLY.scope(self.reads_only, self.engine.monitor(&id)).await {
                Ok(monitor) => {
                    self.ticks = Some(monitor.subscribe());
                    self.monitor = Some(monitor);
                    self.changed.insert(Tag::Series);
                }
                Err(error) => tracing::info!(%error, "an environment is no longer watched"),
            }
        }
    }

    fn drain(&mut self) {
        if let Some(ticks) = &mut self.ticks {
            loop {
                match ticks.try_recv() {
                    Ok(tick) => self.pending.push_back(tick),
                    Err(broadcast::error::TryRecvError::Lagged(n)) => self.engine.core.dropped(n),
                    Err(_) => break,
                }
            }
        }
        while self.pending.len() > PENDING_TICKS {
            self.pending.pop_front();
            self.engine.core.dropped(1);
        }
        while let Ok(tag) = self.tags.try_recv() {
            self.changed.insert(tag);
        }
    }

    fn frame(&mut self, kind: FrameKind) -> Frame {
        self.seq += 1;
        Frame {
            seq: self.seq,
            kind,
            environment_id: self.environment_id.clone(),
            at_ms: self.engine.core.clock.now_ms(),
            t: Vec::new(),
            series: BTreeMap::new(),
            targets: None,
            jobs: None,
            bench: None,
            own: None,
            changed: Vec::new(),
        }
    }

    fn snapshot(&mut self) -> Frame {
        self.jobs.mark_unchanged();
        let mut frame = self.frame(FrameKind::Snapshot);
        frame.targets = self.monitor.as_ref().map(|m| m.targets());
        frame.jobs = Some(self.engine.core.jobs.list());
        frame.bench = self.bench.borrow_and_update().clone();
        frame.own = Some(*self.own.borrow_and_update());
        // Whoever listed something before this viewer was there, or while it was away, was not told of changes since.
        frame.changed = EVERYTHING.to_vec();
        frame
    }

    fn delta(&mut self) -> Frame {
        let mut frame = self.frame(FrameKind::Delta);
        let ticks: Vec<_> = self.pending.drain(..).collect();
        for (i, tick) in ticks.iter().enumerate() {
            frame.t.push(tick.t_ms);
            for (id, value) in &tick.values {
                let column = frame.series.entry(id.to_string()).or_insert_with(|| vec![None; i]);
                // A series that skipped a tick has a gap there.
                column.resize(i, None);
                column.push(*value);
            }
            if tick.targets.is_some() {
                frame.targets.clone_from(&tick.targets);
            }
            if tick.findings_changed {
                self.changed.insert(Tag::Findings);
            }
            if tick.series_changed {
                self.changed.insert(Tag::Series);
            }
        }
        for column in frame.series.values_mut() {
            column.resize(ticks.len(), None);
        }
        if self.jobs.has_changed().unwrap_or(false) {
            self.jobs.borrow_and_update();
            frame.jobs = Some(self.engine.core.jobs.list());
        }
        if self.bench.has_changed().unwrap_or(false) {
            frame.bench = self.bench.borrow_and_update().clone();
        }
        if self.own.has_changed().unwrap_or(false) {
            frame.own = Some(*self.own.borrow_and_update());
        }
        frame.changed = std::mem::take(&mut self.changed).into_iter().collect();
        frame
    }
}
