//! The scheduler: runs each collector once a second on the same clock, hands what they found to viewers, and stores it.
//!
//! One task keeps the seconds, one task per collector runs it under a deadline, one task writes. A second is published
//! as soon as all collections started in it have ended, at the latest after [`CUTOFF`]; a value that comes later
//! belongs to the second in which it arrives. So a target that hangs delays nobody.
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use perfdeck_model::{ApiError, Clock, Collector, Columns, ErrorCode, Finding, SeriesInfo, TargetStatus};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::state::{Core, Tick};
use perfdeck_series::codec::Block;
use perfdeck_series::{BlockStore, Gather, MAX_SERIES, STEP_MS, second};

/// A collection that takes longer is given up and its target is down. With the second it may take to start the next
/// collection, a silent target shows within three seconds.
const DEADLINE: Duration = Duration::from_millis(1800);
/// A second is published at the latest this long after it began.
const CUTOFF: Duration = Duration::from_millis(400);
/// Ticks kept for a slow viewer; then it is told how many it missed.
const TICKS: usize = 64;
/// The store may take this long for one write or read.
const STORE: Duration = Duration::from_secs(10);
/// Stopping may take this long, including the last write.
const STOP: Duration = Duration::from_secs(5);
/// Blocks that wait for a store that fails; beyond, the oldest are lost. Three blocks a series are in the ring anyway.
const WAITING: usize = 4 * MAX_SERIES;
/// More blocks than this are unpacked on a thread of their own.
const INLINE: usize = 64;

/// How storing samples goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageStatus {
    /// Writes that failed since the monitor was started. A failed write is tried again with the next one.
    pub failed: u64,
    /// Blocks that wait to be written.
    pub waiting: usize,
    /// Blocks given up because too many were waiting.
    pub lost: u64,
    /// Why the last write failed; `None` when it succeeded.
    pub error: Option<String>,
}

/// Watches one environment until it is stopped.
pub struct Monitor {
    environment_id: String,
    core: Mutex<Core>,
    storage: Mutex<StorageStatus>,
    blocks: Arc<dyn BlockStore>,
    /// Dropped when the monitor stops, so that viewers notice.
    ticks: Mutex<Option<broadcast::Sender<Arc<Tick>>>>,
    /// A collection ended.
    ended: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Monitor {
    /// Starts watching. Must run inside a tokio runtime; [`Monitor::stop`] ends it.
    pub fn start(
        environment_id: String,
        collectors: Vec<Box<dyn Collector>>,
        clock: Arc<dyn Clock>,
        blocks: Arc<dyn BlockStore>,
    ) -> Arc<Self> {
        let monitor = Arc::new(Self {
            environment_id,
            core: Mutex::new(Core::new(collectors.iter().map(|c| (c.role(), c.address())))),
            storage: Mutex::default(),
            blocks,
            ticks: Mutex::new(Some(broadcast::channel(TICKS).0)),
            ended: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let (writes, to_write) = mpsc::channel(4);
        monitor.tasks.spawn(monitor.clone().write(to_write));
        let workers = collectors.into_iter().enumerate().map(|(index, collector)| {
            let (due, seconds) = mpsc::channel(1);
            monitor.tasks.spawn(monitor.clone().collect(index, collector, clock.clone(), seconds));
            due
        });
        let workers = workers.collect();
        monitor.tasks.spawn(monitor.clone().keep_time(clock, workers, writes));
        monitor.tasks.close();
        monitor
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series seen since the start, by id.
    pub fn series(&self) -> Vec<SeriesInfo> {
        self.core().series()
    }

    /// The state of each target.
    pub fn targets(&self) -> Vec<TargetStatus> {
        self.core().targets()
    }

    /// What is wrong at the moment, the costliest first.
    pub fn findings(&self) -> Vec<Finding> {
        self.core().findings()
    }

    /// How storing samples goes. While it fails, [`Monitor::findings`] says so too.
    pub fn storage(&self) -> StorageStatus {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What each second brings from now on. A slow receiver is told how many it missed; all are closed by
    /// [`Monitor::stop`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Tick>> {
        match &*self.ticks.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(ticks) => ticks.subscribe(),
            // Stopped: a channel without a sender is closed from the start.
            None => broadcast::channel(1).1,
        }
    }

    /// Samples of a window at most `width_px` points wide (86,400 at most): one column a series when a point is one
    /// second, else minimum, maximum and mean of each point as `<id>:min`, `<id>:max` and `<id>:mean`. NaN is a gap.
    ///
    /// The meta data is `{"step_ms", "raw"}`, with `"incomplete": true` when stored samples could not be read.
    pub async fn history(&self, from_ms: f64, to_ms: f64, width_px: u32, series: Option<&[String]>) -> Columns {
        let mut gather = Gather::new(from_ms, to_ms, usize::try_from(width_px).unwrap_or(usize::MAX));
        let recent = self.core().ring.covers(second(from_ms));
        if !recent {
            let stored = timeout(STORE, self.blocks.get(&self.environment_id, from_ms, to_ms, series)).await;
            let stored = stored.unwrap_or_else(|_| Err("the local store did not answer within 10 s".to_owned()));
            match stored {
                Ok(blocks) if blocks.len() <= INLINE => blocks.iter().for_each(|b| gather.block(b)),
                Ok(blocks) => {
                    let unpacked = tokio::task::spawn_blocking(move || {
                        blocks.iter().for_each(|b| gather.block(b));
                        gather
                    });
                    gather = match unpacked.await {
                        Ok(gather) => gather,
                        Err(error) => {
                            tracing::error!(%error, "unpacking stored samples ended unexpectedly");
                            let mut empty =
                                Gather::new(from_ms, to_ms, usize::try_from(width_px).unwrap_or(usize::MAX));
                            empty.missing();
                            empty
                        }
                    };
                }
                Err(error) => {
                    tracing::warn!(error, "stored samples cannot be read");
                    gather.missing();
                }
            }
        }
        gather.ring(&self.core().ring, series);
        gather.columns()
    }

    /// Stops collecting, ends all tasks and writes what is not written yet, within five seconds.
    pub async fn stop(&self) {
        self.stop.cancel();
        if timeout(STOP, self.tasks.wait()).await.is_err() {
            tracing::warn!(environment = self.environment_id, "the last samples could not be stored in time");
        }
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Starts each second and publishes it.
    async fn keep_time(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        workers: Vec<mpsc::Sender<i64>>,
        writes: mpsc::Sender<Vec<Block>>,
    ) {
        let (mut begun, mut newest) = (0_u32, i64::MIN);
        loop {
            // Whoever opens an environment does not wait for the next second to see something. The first one is cut, and the
            // next one may have begun while it was closed.
            let at_once = begun == 0 || begun == 1 && second(clock.now_ms()) > newest;
            if !at_once {
                tokio::select! {
                    () = self.stop.cancelled() => break,
                    () = until_next_second(&*clock) => {}
                }
            }
            // The wall clock names the second; how long it was is for the other one to tell.
            let now = second(clock.now_ms());
            (begun, newest) = (begun.saturating_add(1), now);
            let Some(begin) = self.core().begin(now, clock.monotonic_ms()) else { continue };
            if !begin.blocks.is_empty() {
                tracing::info!("the clock was set back; the recent samples start anew");
                // A full queue means that the store hangs; its failure is told when it ends.
                let _ = writes.try_send(begin.blocks);
            }
            for index in begin.due {
                if workers[index].try_send(now).is_err() {
                    let gone = ApiError::internal("The collector ended unexpectedly; the log has the details");
                    self.core().complete(index, now, Duration::ZERO, Err(gone));
                }
            }
            let left = (STEP_MS - clock.now_ms().rem_euclid(STEP_MS)) / 1e3 - 0.02;
            let cutoff = tokio::time::sleep(CUTOFF.min(Duration::try_from_secs_f64(left).unwrap_or_default()));
            tokio::pin!(cutoff);
            while self.core().waits_for(now) {
                tokio::select! {
                    () = self.stop.cancelled() => break,
                    () = &mut cutoff => break,
                    () = self.ended.notified() => {}
                }
            }
            let tick = self.core().close(now);
            if let Some(ticks) = &*self.ticks.lock().unwrap_or_else(PoisonError::into_inner) {
                // Without viewers there is nobody to tell.
                let _ = ticks.send(Arc::new(tick));
            }
            if self.core().flush_due()
                && let Ok(permit) = writes.try_reserve()
            {
                permit.send(self.core().flush());
            }
        }
        let last = self.core().flush();
        // The writer ends after this, when the channel closes.
        let _ = timeout(STOP, writes.send(last)).await;
    }

    /// Runs one collector whenever it is due.
    async fn collect(
        self: Arc<Self>,
        index: usize,
        mut collector: Box<dyn Collector>,
        clock: Arc<dyn Clock>,
        mut seconds: mpsc::Receiver<i64>,
    ) {
        loop {
            let now = tokio::select! {
                () = self.stop.cancelled() => return,
                due = seconds.recv() => match due {
                    Some(due) => due,
                    None => return,
                },
            };
            let started = Instant::now();
            let work = AssertUnwindSafe(async { collector.collect(&*clock).await }).catch_unwind();
            let outcome = tokio::select! {
                () = self.stop.cancelled() => return,
                outcome = timeout(DEADLINE, work) => outcome,
            };
            let outcome = match outcome {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => {
                    tracing::error!(role = collector.role().as_str(), "a collector panicked");
                    Err(ApiError::internal("The collector ended unexpectedly; the log has the details"))
                }
                Err(_) => {
                    let limit = DEADLINE.as_secs_f64();
                    let message = format!("{} did not answer within {limit} s", collector.address());
                    Err(ApiError::new(ErrorCode::Timeout, message)
                        .hint("Check that the target is up and the network to it works"))
                }
            };
            self.core().complete(index, now, started.elapsed(), outcome);
            self.ended.notify_one();
        }
    }

    /// Stores blocks. What fails is kept and written with the next ones, newer versions replacing older ones.
    async fn write(self: Arc<Self>, mut to_write: mpsc::Receiver<Vec<Block>>) {
        let mut waiting: BTreeMap<(i64, String), Block> = BTreeMap::new();
        while let Some(blocks) = to_write.recv().await {
            waiting.extend(blocks.into_iter().map(|b| ((second(b.from_ms), b.series_id.clone()), b)));
            let mut lost = 0;
            while waiting.len() > WAITING {
                waiting.pop_first();
                lost += 1;
            }
            if waiting.is_empty() {
                continue;
            }
            let blocks = waiting.values().cloned().collect();
            // A store that panics must not end the writing of later samples.
            let put =
                AssertUnwindSafe(async { self.blocks.put_all(&self.environment_id, blocks).await }).catch_unwind();
            let error = match timeout(STORE, put).await {
                Ok(Ok(Ok(()))) => None,
                Ok(Ok(Err(error))) => Some(error),
                Ok(Err(_)) => Some("the local store ended unexpectedly".to_owned()),
                Err(_) => Some("the local store did not answer within 10 s".to_owned()),
            };
            if let Some(error) = &error {
                tracing::warn!(error, environment = self.environment_id, "samples could not be stored");
            } else {
                waiting.clear();
            }
            {
                let mut status = self.storage.lock().unwrap_or_else(PoisonError::into_inner);
                status.failed += u64::from(error.is_some());
                status.lost += lost;
                status.waiting = waiting.len();
                status.error.clone_from(&error);
            }
            self.core().storage(error);
        }
    }
}

/// Waits until the clock's next whole second.
async fn until_next_second(clock: &dyn Clock) {
    let into = clock.now_ms().rem_euclid(STEP_MS);
    // A timer that fires a little early would find the old second.
    tokio::time::sleep(Duration::from_secs_f64((STEP_MS - into + 2.0) / 1e3)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{BoxFuture, Collection, SystemClock, TargetRole, TargetState, Unit};
    use perfdeck_series::MemoryBlocks;
    use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
    use tokio::sync::broadcast::error::RecvError;

    /// A target whose behaviour a test switches: 0 answers, 1 fails, 2 hangs, 3 panics.
    struct Switched(TargetRole, Arc<AtomicU8>);

    impl Collector for Switched {
        fn role(&self) -> TargetRole {
            self.0
        }
        fn address(&self) -> String {
            "switched".into()
        }
        fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
            let now_ms = clock.now_ms();
            let mode = self.1.load(Ordering::SeqCst);
            assert_ne!(mode, 3, "boom");
            let info = SeriesInfo::new("x", &[("role", self.0.as_str())], Unit::Count, self.0);
            Box::pin(async move {
                match mode {
                    1 => Err(ApiError::new(ErrorCode::Unreachable, "gone")),
                    2 => std::future::pending().await,
                    _ => Ok(Collection { values: vec![(info, (now_ms / 1e3).floor())], ..Collection::default() }),
                }
            })
        }
    }

    /// Wall-clock time that follows tokio's clock, so that a paused runtime moves both.
    struct TokioClock(Instant, f64);

    impl Clock for TokioClock {
        fn now_ms(&self) -> f64 {
            self.1 + self.monotonic_ms()
        }

        fn monotonic_ms(&self) -> f64 {
            self.0.elapsed().as_secs_f64() * 1e3
        }
    }

    fn clock() -> Arc<TokioClock> {
        Arc::new(TokioClock(Instant::now(), 1_000_000_250.0))
    }

    /// A target whose first collection connects, which takes this long.
    struct Connects(Duration);

    impl Collector for Connects {
        fn role(&self) -> TargetRole {
            TargetRole::Database
        }
        fn address(&self) -> String {
            "connects".into()
        }
        fn collect<'a>(&'a mut self, _: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
            let connecting = std::mem::take(&mut self.0);
            let info = SeriesInfo::new("x", &[], Unit::Count, TargetRole::Database);
            Box::pin(async move {
                tokio::time::sleep(connecting).await;
                Ok(Collection { values: vec![(info, 1.0)], ..Collection::default() })
            })
        }
    }

    /// Memory that refuses while told to.
    #[derive(Default)]
    struct Flaky(MemoryBlocks, AtomicBool);

    impl BlockStore for Flaky {
        fn put(&self, environment_id: &str, block: Block) -> BoxFuture<'_, Result<(), String>> {
            if self.1.load(Ordering::SeqCst) {
                return Box::pin(async { Err("disk full".to_owned()) });
            }
            self.0.put(environment_id, block)
        }
        fn get(
            &self,
            environment_id: &str,
            from_ms: f64,
            to_ms: f64,
            series: Option<&[String]>,
        ) -> BoxFuture<'_, Result<Vec<Block>, String>> {
            if self.1.load(Ordering::SeqCst) {
                return Box::pin(async { Err("disk gone".to_owned()) });
            }
            self.0.get(environment_id, from_ms, to_ms, series)
        }
    }

    fn target(role: TargetRole) -> (Arc<AtomicU8>, Box<dyn Collector>) {
        let mode = Arc::new(AtomicU8::new(0));
        (mode.clone(), Box::new(Switched(role, mode)))
    }

    /// The next tick that fulfils a condition, within a minute of the runtime's clock.
    async fn wait_for(
        ticks: &mut broadcast::Receiver<Arc<Tick>>,
        what: &str,
        mut done: impl FnMut(&Tick) -> bool,
    ) -> Arc<Tick> {
        let wait = async {
            loop {
                match ticks.recv().await {
                    Ok(tick) if done(&tick) => return tick,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(e) => panic!("{what}: {e}"),
                }
            }
        };
        timeout(Duration::from_secs(90), wait).await.unwrap_or_else(|_| panic!("{what} within 90 s"))
    }

    fn is(tick: &Tick, role: TargetRole, state: TargetState) -> bool {
        tick.targets.as_ref().is_some_and(|t| t.iter().any(|t| t.role == role && t.state == state))
    }

    fn value(tick: &Tick, id: &str) -> Option<f64> {
        tick.values.iter().find(|(i, _)| &**i == id).and_then(|(_, v)| *v)
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_fails_hangs_or_panics_dims_itself_only_within_three_seconds_and_recovers() {
        let ((mode, cache), (_, database)) = (target(TargetRole::Cache), target(TargetRole::Database));
        let monitor = Monitor::start("e".into(), vec![cache, database], clock(), Arc::new(MemoryBlocks::default()));
        let mut ticks = monitor.subscribe();
        for bad in [1, 2, 3] {
            mode.store(0, Ordering::SeqCst);
            wait_for(&mut ticks, "up", |t| is(t, TargetRole::Cache, TargetState::Up)).await;
            mode.store(bad, Ordering::SeqCst);
            let stopped = Instant::now();
            let mut seconds = Vec::new();
            wait_for(&mut ticks, "down", |t| {
                seconds.push((t.t_ms, value(t, "x{role=database}")));
                is(t, TargetRole::Cache, TargetState::Down)
            })
            .await;
            // The state itself changes before the tick that tells it.
            assert!(stopped.elapsed() <= Duration::from_millis(3500), "mode {bad} shows in {:?}", stopped.elapsed());
            for (t_ms, value) in seconds {
                assert_eq!(value, Some(t_ms / 1e3), "the other target has its value of every second");
            }
            let mut gap = false;
            wait_for(&mut ticks, "gaps", |t| {
                gap |= value(t, "x{role=cache}").is_none();
                gap && value(t, "x{role=database}").is_some()
            })
            .await;
        }
        monitor.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_are_whole_seconds_in_a_row_and_close_when_stopped() {
        let (_, cache) = target(TargetRole::Cache);
        let monitor = Monitor::start("e".into(), vec![cache], clock(), Arc::new(MemoryBlocks::default()));
        let mut ticks = monitor.subscribe();
        for second in 0..20 {
            let tick = ticks.recv().await.expect("a tick");
            assert!((tick.t_ms - (1_000_000_000.0 + f64::from(second) * 1e3)).abs() < 1e-6, "aligned: {}", tick.t_ms);
            assert_eq!(value(&tick, "x{role=cache}"), Some(tick.t_ms / 1e3), "its own value");
        }
        monitor.stop().await;
        let closed = timeout(Duration::from_secs(5), async { while ticks.recv().await.is_ok() {} });
        assert!(closed.await.is_ok(), "a stopped monitor closes its viewers");
        assert!(matches!(monitor.subscribe().recv().await, Err(RecvError::Closed)), "also those that come later");
        assert!(monitor.tasks.is_empty(), "no task is left");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_whole_from_the_first_full_second_whenever_watching_begins() {
        for into_ms in [0.0, 250.0, 449.0, 451.0, 500.0, 600.0, 750.0, 999.0] {
            for connecting_ms in [0_u32, 300, 700] {
                let clock = Arc::new(TokioClock(Instant::now(), 1_000_000_000.0 + into_ms));
                let slow: Box<dyn Collector> = Box::new(Connects(Duration::from_millis(connecting_ms.into())));
                let monitor = Monitor::start("e".into(), vec![slow], clock, Arc::new(MemoryBlocks::default()));
                let mut ticks = monitor.subscribe();
                let first = ticks.recv().await.expect("a tick").t_ms;
                for second in 1..4 {
                    let tick = ticks.recv().await.expect("a tick");
                    let at = format!("second {second}, begun {into_ms} ms into one, {connecting_ms} ms to connect");
                    assert!((tick.t_ms - first - f64::from(second) * 1e3).abs() < 1e-6, "{at}: none is missing");
                    // Who needs longer to connect than the second has left was not there in it.
                    let there = second > 1 || into_ms + f64::from(connecting_ms) < 1400.0;
                    assert!(value(&tick, "x") == Some(1.0) || !there, "{at}: has its value");
                }
                monitor.stop().await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_does_not_read_is_told_and_delays_nobody() {
        let (_, cache) = target(TargetRole::Cache);
        let monitor = Monitor::start("e".into(), vec![cache], clock(), Arc::new(MemoryBlocks::default()));
        let (mut lazy, mut eager) = (monitor.subscribe(), monitor.subscribe());
        for _ in 0..(TICKS + 20) {
            eager.recv().await.expect("the eager one gets all");
        }
        assert!(matches!(lazy.recv().await, Err(RecvError::Lagged(n)) if n >= 19), "the lazy one learns how many");
        monitor.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_is_stored_and_read_back_across_restarts() {
        let blocks = Arc::new(MemoryBlocks::default());
        let clock = clock();
        for _ in 0..2 {
            let (_, cache) = target(TargetRole::Cache);
            let monitor = Monitor::start("e".into(), vec![cache], clock.clone(), blocks.clone());
            let mut ticks = monitor.subscribe();
            for _ in 0..1000 {
                ticks.recv().await.expect("a tick");
            }
            monitor.stop().await;
        }
        let monitor = Monitor::start("e".into(), Vec::new(), clock.clone(), blocks);
        let from = 1_000_000_000.0;
        let columns = monitor.history(from, clock.now_ms(), u32::MAX, None).await;
        let (t, x) = (columns.get("t").expect("t"), columns.get("x{role=cache}").expect("stored series"));
        let present = x.iter().filter(|v| !v.is_nan()).count();
        assert!(present >= 1999, "both sessions are there: {present} of {}", x.len());
        for (t, v) in t.iter().zip(x).filter(|(_, v)| !v.is_nan()) {
            assert_eq!(*v, t / 1e3, "each value is at its second");
        }
        let small = monitor.history(from, clock.now_ms(), 100, None).await;
        assert!(small.rows() <= 100 && small.get("x{role=cache}:max").is_some(), "down-sampled to the width");
        monitor.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_told_and_loses_nothing_when_it_recovers() {
        let (_, cache) = target(TargetRole::Cache);
        let store = Arc::new(Flaky::default());
        let clock = clock();
        let monitor = Monitor::start("e".into(), vec![cache], clock.clone(), store.clone());
        let mut ticks = monitor.subscribe();
        store.1.store(true, Ordering::SeqCst);
        wait_for(&mut ticks, "the failure is announced", |t| t.findings_changed).await;
        assert_eq!(monitor.findings()[0].kind, "samples_not_stored", "as a finding");
        assert!(monitor.findings()[0].evidence.contains("disk full"), "with its reason");
        let status = monitor.storage();
        assert!(status.failed == 1 && status.waiting == 1, "and counted: {status:?}");
        let columns = monitor.history(0.0, clock.now_ms(), 100, None).await;
        assert_eq!(columns.meta()["incomplete"], true, "history says that stored samples are missing");
        assert!(columns.get("x{role=cache}:max").is_some(), "and shows what is in memory");
        store.1.store(false, Ordering::SeqCst);
        wait_for(&mut ticks, "the recovery is announced", |t| t.findings_changed).await;
        assert!(monitor.findings().is_empty() && monitor.storage().error.is_none(), "and the finding goes away");
        monitor.stop().await;
        let stored = store.get("e", 0.0, f64::MAX, None).await.expect("memory");
        let samples: usize = stored.iter().map(|b| b.count).sum();
        let columns = monitor.history(1_000_001_000.0, clock.now_ms(), u32::MAX, None).await;
        assert!(samples >= 100 && samples + 2 >= columns.rows(), "{samples} stored of {}", columns.rows());
    }

    /// A real server that stops answering without closing its port, then recovers.
    #[tokio::test]
    async fn a_real_api_that_falls_silent_is_down_within_three_seconds_and_recovers() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let silent = Arc::new(AtomicBool::new(false));
        let flag = silent.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let flag = flag.clone();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head).await;
                    if flag.load(Ordering::SeqCst) {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                });
            }
        });
        let api = perfdeck_model::ApiTarget {
            url: format!("http://127.0.0.1:{port}"),
            probe_path: "/".into(),
            headers: Vec::new(),
            authorization: perfdeck_model::SecretSource::None,
        };
        let collectors: Vec<Box<dyn Collector>> =
            vec![Box::new(crate::ApiCollector::new(api, None)), target(TargetRole::Cache).1];
        let monitor = Monitor::start("e".into(), collectors, Arc::new(SystemClock), Arc::new(MemoryBlocks::default()));
        let mut ticks = monitor.subscribe();
        wait_for(&mut ticks, "up", |t| is(t, TargetRole::Api, TargetState::Up)).await;
        silent.store(true, Ordering::SeqCst);
        let stopped = Instant::now();
        let state = || monitor.targets().into_iter().find(|t| t.role == TargetRole::Api).map(|t| t.state);
        perfdeck_testkit::eventually(Duration::from_secs(10), async || state() == Some(TargetState::Down)).await;
        assert!(stopped.elapsed() <= Duration::from_secs(3), "it shows after {:?}", stopped.elapsed());
        silent.store(false, Ordering::SeqCst);
        wait_for(&mut ticks, "up again", |t| is(t, TargetRole::Api, TargetState::Up)).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn it_ticks_in_real_time() {
        let (_, cache) = target(TargetRole::Cache);
        let monitor = Monitor::start("e".into(), vec![cache], Arc::new(SystemClock), Arc::new(MemoryBlocks::default()));
        let mut ticks = monitor.subscribe();
        for _ in 0..2 {
            let tick = timeout(Duration::from_secs(5), ticks.recv()).await.expect("in time").expect("a tick");
            assert!(tick.t_ms % STEP_MS == 0.0, "whole seconds");
            let late = SystemClock.now_ms() - tick.t_ms;
            assert!((0.0..1200.0).contains(&late), "published {late} ms after the second began");
        }
        monitor.stop().await;
    }
}
