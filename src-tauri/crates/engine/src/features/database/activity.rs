//! Activity of databases while somebody asks: one watch for each environment, shared by all who do, with what it saw in the
//! last quarter of an hour.
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use perfdeck_database::{ActivityFacts, ActivityReader, tell_left};
use perfdeck_model::{Address, ApiError, Clock, DatabaseActivity, ErrorCode, Sensitive};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time for which a watch goes on after it was asked last.
const LEASE: Duration = Duration::from_secs(10);
/// Time between the beginnings of two readings.
const PERIOD: Duration = Duration::from_secs(1);
/// A reading may take this share of the time between two: a busy server is asked less often.
const SHARE: u32 = 5;
/// Longest time between two readings.
const SLOWEST: Duration = Duration::from_secs(15);
/// Sessions that are listed a second on average where nobody waits for a lock: listing one takes a server 9 µs, so that watching
/// thousands of sessions takes it no more than 0.2 % of a core.
const LISTED_PER_S: usize = 200;
/// Time for which readings are kept, in milliseconds.
const KEPT_MS: f64 = 900_000.0;
/// Bytes of them that are kept for one environment.
const KEPT_BYTES: usize = 16 << 20;
/// Farthest reading that still tells what was so at a time, in milliseconds; half of the time between two where that is more.
const NEAR_MS: f64 = 2_500.0;

/// Time from the beginning of one reading to that of the next.
fn rest(took: Duration, sessions: usize, waits: bool) -> Duration {
    let many = if waits { 1 } else { u32::try_from(sessions / LISTED_PER_S).unwrap_or(u32::MAX) };
    (took * SHARE).max(PERIOD.saturating_mul(many)).clamp(PERIOD, SLOWEST)
}

/// A reading, and for how long it may stand for what was so before and after it.
struct Kept {
    facts: Arc<ActivityFacts>,
    at_ms: f64,
    near_ms: f64,
}

impl Kept {
    /// The next reading comes after `rest`.
    fn new(facts: Arc<ActivityFacts>, at_ms: f64, rest: Duration) -> Self {
        Self { facts, at_ms, near_ms: NEAR_MS.max(rest.as_secs_f64() * 500.0) }
    }
}

/// Readings of the last quarter of an hour, oldest first.
#[derive(Default)]
struct Ring {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, kept: Kept) {
        let oldest = kept.at_ms - KEPT_MS;
        self.bytes += kept.facts.bytes();
        self.kept.push_back(kept);
        let full = |ring: &Self| ring.bytes > KEPT_BYTES && ring.kept.len() > 1;
        while full(self) || self.kept.front().is_some_and(|k| k.at_ms < oldest) {
            // What it shares with the next one stays, and is counted no more: a little more is kept than is said.
            let Some(gone) = self.kept.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(gone.facts.bytes());
        }
    }

    fn oldest_ms(&self) -> Option<f64> {
        self.kept.front().map(|k| k.at_ms)
    }

    /// The reading nearest to a time.
    fn at(&self, ms: f64) -> Option<&Kept> {
        let after = self.kept.partition_point(|k| k.at_ms < ms);
        let before = after.checked_sub(1).and_then(|i| self.kept.get(i));
        let far = |k: &Kept| (k.at_ms - ms).abs();
        // Between two readings it is the earlier one that says how long the time between them was to be.
        let near_ms = before.map_or(NEAR_MS, |k| k.near_ms);
        let nearest = before.into_iter().chain(self.kept.get(after)).min_by(|a, b| far(a).total_cmp(&far(b)))?;
        (far(nearest) <= near_ms).then_some(nearest)
    }
}

type Outcome = Option<Result<Arc<ActivityFacts>, ApiError>>;

/// What a watch and those who ask share.
struct Shared {
    ring: Mutex<Ring>,
    asked: Mutex<Instant>,
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Instant> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch that runs.
struct Watch {
    shared: Arc<Shared>,
    newest: watch::Receiver<Outcome>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// What it reads: an environment may be edited while it starts.
    address: String,
}

/// The watches.
#[derive(Default)]
pub(crate) struct Watches {
    running: tokio::sync::Mutex<HashMap<String, Watch>>,
    ended: AtomicBool,
}

/// How a database is reached.
pub(crate) struct Door {
    pub(crate) address: Address,
    pub(crate) password: Option<Sensitive>,
}

/// Reads until nobody has asked for a while, or it is stopped.
async fn run(
    door: Door,
    shared: Arc<Shared>,
    newest: watch::Sender<Outcome>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) {
    let mut reader = ActivityReader::default();
    loop {
        let began = Instant::now();
        let read = reader.read(&door.address, door.password.as_ref(), clock.now_ms());
        let outcome = tokio::select! {
            () = stop.cancelled() => break,
            outcome = read => outcome.map(Arc::new),
        };
        let (sessions, waits) = outcome.as_deref().map_or((0, false), ActivityFacts::clients);
        let rest = rest(began.elapsed(), sessions, waits);
        if let Ok(facts) = &outcome {
            shared.ring().push(Kept::new(facts.clone(), facts.at_ms(), rest));
        }
        newest.send_replace(Some(outcome));
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(began + rest) => {}
        }
        if shared.asked().elapsed() > LEASE {
            break;
        }
    }
    reader.close().await;
}

impl Watch {
    fn start(door: Door, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared { ring: Mutex::default(), asked: Mutex::new(Instant::now()) });
        let (sender, newest) = watch::channel(None);
        let (stop, address) = (CancellationToken::new(), door.address.url());
        let task = tokio::spawn(run(door, shared.clone(), sender, stop.clone(), clock));
        Self { shared, newest, stop, task, address }
    }

    async fn end(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

impl Watches {
    /// What to ask of the watch of an environment, which is started when it does not run. One that ended by itself is started
    /// again with what it saw.
    async fn asked(
        &self,
        id: &str,
        door: Door,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Arc<Shared>, watch::Receiver<Outcome>), ApiError> {
        let mut running = self.running.lock().await;
        if self.ended.load(Ordering::SeqCst) {
            return Err(ApiError::new(ErrorCode::Cancelled, "Perfdeck ends, so nothing is watched any more"));
        }
        if let Some(watch) = running.get(id).filter(|w| !w.task.is_finished() && w.address == door.address.url()) {
            *watch.shared.asked() = Instant::now();
            return Ok((watch.shared.clone(), watch.newest.clone()));
        }
        let before = running.remove(id);
        let watch = Watch::start(door, clock.clone());
        if let Some(before) = before {
            before.stop.cancel();
            if before.address == watch.address {
                // What it saw is still of this database; the time in between has no readings.
                *watch.shared.ring() = std::mem::take(&mut *before.shared.ring());
            }
        }
        let found = (watch.shared.clone(), watch.newest.clone());
        running.insert(id.to_owned(), watch);
        // A watch that ended keeps what it saw for as long as that could be asked for.
        let now_ms = clock.now_ms();
        running.retain(|_, w| {
            !w.task.is_finished() || w.shared.ring().kept.back().is_some_and(|k| now_ms - k.at_ms < KEPT_MS)
        });
        Ok(found)
    }

    /// What the sessions do now, or did at `at_ms`; `None` where nothing is kept of that time.
    ///
    /// # Errors
    /// When the database could not be read at the last attempt.
    pub(crate) async fn ask(
        &self,
        id: &str,
        door: Door,
        clock: &Arc<dyn Clock>,
        at_ms: Option<f64>,
    ) -> Result<Option<DatabaseActivity>, ApiError> {
        let (shared, mut newest) = self.asked(id, door, clock).await?;
        let told = |facts: &ActivityFacts| {
            let mut answer = facts.answer();
            let ring = shared.ring();
            answer.kept_from_ms = ring.oldest_ms();
            tell_left(&mut answer, ring.kept.iter().map(|k| &*k.facts));
            answer
        };
        if let Some(ms) = at_ms {
            let found = shared.ring().at(ms).map(|k| k.facts.clone());
            return Ok(found.map(|facts| told(&facts)));
        }
        let ended = || ApiError::new(ErrorCode::Cancelled, "The watch of this database was ended");
        let outcome = newest.wait_for(Option::is_some).await.map_err(|_| ended())?.clone();
        outcome.unwrap_or_else(|| Err(ended())).map(|facts| Some(told(&facts)))
    }

    /// Ends the watch of an environment and forgets what it saw: its database may be another one now.
    pub(crate) async fn stop(&self, id: &str) {
        let watch = self.running.lock().await.remove(id);
        if let Some(watch) = watch {
            watch.end().await;
        }
    }

    /// Ends all of them for good.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<Watch> = {
            let mut running = self.running.lock().await;
            self.ended.store(true, Ordering::SeqCst);
            running.drain().map(|(_, watch)| watch).collect()
        };
        futures_util::future::join_all(all.into_iter().map(Watch::end)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sessions_are_listed_less_often() {
        let quick = Duration::from_millis(5);
        assert_eq!(rest(quick, 399, false), PERIOD);
        assert_eq!(rest(quick, 1_000, false), Duration::from_secs(5));
        assert_eq!(rest(quick, 1_000, true), PERIOD, "somebody waits");
        assert_eq!(rest(quick, usize::MAX, false), SLOWEST);
        assert_eq!(rest(Duration::from_secs(1), 3, true), Duration::from_secs(5), "a busy server");
    }

    #[test]
    fn a_reading_stands_for_the_time_up_to_the_next_one_and_for_no_gap() {
        let mut ring = Ring::default();
        for (at_ms, rest_s) in [(10_000.0, 1), (20_000.0, 8), (28_000.0, 1)] {
            ring.push(Kept::new(Arc::default(), at_ms, Duration::from_secs(rest_s)));
        }
        let at = |ms: f64| ring.at(ms).map(|k| k.at_ms);
        assert_eq!(at(9_000.0), Some(10_000.0));
        assert_eq!(at(12_500.0), Some(10_000.0));
        assert_eq!(at(14_000.0), None, "nobody looked");
        assert_eq!(at(23_900.0), Some(20_000.0), "a list of thousands is read less often");
        assert_eq!(at(24_100.0), Some(28_000.0));
        assert_eq!(at(31_000.0), None);
    }
}
