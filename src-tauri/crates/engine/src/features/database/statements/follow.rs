//! The readings: every ten seconds while an environment is watched.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use perfdeck_database::statements::{Found, Reading, StatementText, delta};
use perfdeck_model::{ApiError, StatementsUnavailable};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answer::{Statements, StatementsState};
use super::kept::{KeptText, Texts};
use super::watching::Watching;
use super::window::{Piece, WINDOW_MS, Window, number};
use super::{Place, place_of, plans};
use crate::Engine;
use crate::core::statement_source::{Said, StatementSource};

/// Time between two readings, in milliseconds; they are at whole multiples of it, so that windows end where they should.
const PERIOD_MS: f64 = 10_000.0;
/// The longest that it grows to when readings take long: a fifth of the time at most is spent on them.
const SLOWEST_MS: f64 = 160_000.0;
/// Two readings further apart than this many periods have a gap between them: what happened in it has no place in time.
const APART: f64 = 6.0;
/// The first reading comes this long after the watch began, in milliseconds: not while a person waits for the charts.
const FIRST_MS: f64 = 2_000.0;
/// Time between two writes of a window that is not over, in milliseconds.
const WRITE_MS: f64 = 60_000.0;
/// Time between two readings of texts, in milliseconds.
const TEXTS_MS: f64 = 30_000.0;
/// Time between two tries when the counters cannot be had, in milliseconds.
const AGAIN_MS: f64 = 30_000.0;
/// Windows that are held in memory: those that are not stored are seen all the same for two hours.
const HELD: usize = 24;
/// Texts that are held.
const TEXTS: usize = 2_000;
/// Between two looks at the clock.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// Longest wait for the last window to be written.
const END: Duration = Duration::from_secs(3);

/// Where the readings of an environment stand.
#[derive(Debug, Clone)]
enum Now {
    Reads,
    Unavailable(StatementsUnavailable),
    Failed(ApiError),
}

/// What is known of a database that is followed.
pub(super) struct Live {
    place: Place,
    now: Now,
    said: Said,
    next_ms: f64,
    open: Option<Window>,
    /// Windows that are over, newest last.
    held: VecDeque<Piece>,
    texts: HashMap<String, StatementText>,
    /// Why statements have no plan.
    no_plans: HashMap<String, ApiError>,
}

impl Live {
    /// What was seen and may not be in the store yet.
    pub(super) fn seen(&self, place: &Place) -> Vec<Piece> {
        if self.place != *place {
            return Vec::new();
        }
        self.held.iter().cloned().chain(self.open.as_ref().map(Window::piece)).collect()
    }

    pub(super) fn add_texts(&self, place: &Place, keys: &[Arc<str>], texts: &mut Texts) {
        let first_ms =
            self.held.front().map(|piece| piece.from_ms).or_else(|| Some(self.open.as_ref()?.piece().from_ms));
        let Some(first_ms) = first_ms.filter(|_| self.place == *place) else { return };
        for key in keys {
            if let Some(text) = self.texts.get(&**key) {
                let kept = texts.entry(key.clone()).or_insert(KeptText { text: None, first_ms });
                kept.text.get_or_insert_with(|| text.clone());
            }
        }
    }

    /// The heaviest statements of what is held whose text is known whole, the heaviest first.
    pub(super) fn heaviest(&self, count: usize) -> Vec<(String, String)> {
        let mut sums: HashMap<Arc<str>, f64> = HashMap::new();
        for row in self.held.iter().chain(self.open.as_ref().map(Window::piece).as_ref()).flat_map(|piece| &piece.rows)
        {
            *sums.entry(row.key.clone()).or_default() += row.counts.total_ms;
        }
        let mut sums: Vec<(Arc<str>, f64)> = sums.into_iter().collect();
        sums.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let whole = |key: &Arc<str>| {
            let text = self.texts.get(&**key).filter(|text| text.cut_of.is_none())?;
            Some((key.to_string(), text.text.clone()))
        };
        sums.iter().take(count).filter_map(|(key, _)| whole(key)).collect()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Keeps why a statement has no plan, or forgets it.
    pub(super) fn no_plan_of(&mut self, key: &str, why: Option<ApiError>) {
        match why {
            Some(why) if self.no_plans.len() < TEXTS => drop(self.no_plans.insert(key.to_owned(), why)),
            Some(_) => {}
            None => drop(self.no_plans.remove(key)),
        }
    }

    /// Why a statement has no plan, where that is known.
    pub(super) fn no_plan(&self, place: &Place, key: &str) -> Option<ApiError> {
        self.no_plans.get(key).filter(|_| self.place == *place).cloned()
    }

    /// Says how new figures come.
    pub(super) fn tell(&self, answer: &mut Statements) {
        answer.say(&self.said);
        answer.next_ms = Some(self.next_ms);
        answer.state = match &self.now {
            Now::Reads => None,
            Now::Unavailable(why) => Some(StatementsState::Unavailable { why: why.clone() }),
            Now::Failed(error) => Some(StatementsState::Failed { error: error.clone() }),
        };
    }
}

pub(super) fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One follower for each environment that is watched.
#[derive(Default)]
pub(super) struct Followers {
    running: HashMap<String, Follower>,
}

struct Follower {
    /// Which watch it belongs to: an environment that was edited is watched anew.
    watch: u64,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Followers {
    async fn stop(&mut self, id: &str) {
        if let Some(mut follower) = self.running.remove(id) {
            follower.end.cancel();
            if tokio::time::timeout(END, &mut follower.task).await.is_err() {
                follower.task.abort();
            }
        }
    }

    pub(super) async fn stop_all(&mut self) {
        for follower in self.running.values() {
            follower.end.cancel();
        }
        for id in self.running.keys().cloned().collect::<Vec<_>>() {
            self.stop(&id).await;
        }
    }
}

/// Follows what is watched, until `stopped`.
pub(crate) async fn keep(engine: Weak<Engine>, stopped: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let watched = engine.monitoring.watched().await;
        let mut followers = engine.database.statements.followers.lock().await;
        if stopped.is_cancelled() {
            return;
        }
        let gone =
            followers.running.iter().filter(|(id, f)| watched.get(*id) != Some(&f.watch)).map(|(id, _)| id.clone());
        for id in gone.collect::<Vec<_>>() {
            followers.stop(&id).await;
            engine.database.statements.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        }
        for (id, watch) in watched {
            if followers.running.contains_key(&id) {
                continue;
            }
            let end = stopped.child_token();
            let task = tokio::spawn(follow(Arc::downgrade(&engine), id.clone(), end.clone()));
            followers.running.insert(id, Follower { watch, end, task });
        }
    }
}

/// What a follower holds between two readings.
struct Held {
    source: StatementSource,
    live: Arc<Mutex<Live>>,
    before: Option<Box<Reading>>,
    period_ms: f64,
    written_ms: f64,
    texts_ms: f64,
    /// Environments of one process only leave nothing in the store.
    stored: bool,
    environment_id: String,
    /// Tells other processes on the store of it.
    watching: Option<Watching>,
}

async fn follow(engine: Weak<Engine>, id: String, end: CancellationToken) {
    let held = loop {
        match begin(&engine, &id).await {
            Begun::Follows(held) => break held,
            Begun::Nothing => return,
            Begun::Again => tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(AGAIN_MS as u64)) => {}
            },
        }
    };
    let (live, stored) = (held.live.clone(), held.stored);
    // A plan that takes long must not put off a reading.
    let plans = async {
        if stored {
            plans::follow(&engine, &id, &live, &end).await;
        }
    };
    tokio::join!(readings(&engine, held, &end), plans);
}

/// Reads the counters until the end.
async fn readings(engine: &Weak<Engine>, mut held: Box<Held>, end: &CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ended = tokio::select! {
            () = end.cancelled() => true,
            _ = tick.tick() => false,
        };
        let Some(engine) = engine.upgrade() else { return };
        if ended {
            held.write(&engine).await;
            held.source.close().await;
            return;
        }
        let now_ms = engine.core.clock.now_ms();
        let next_ms = lock(&held.live).next_ms;
        // A clock that was set back must not put it off.
        if now_ms < next_ms && next_ms - now_ms < 2.0 * SLOWEST_MS {
            continue;
        }
        tokio::select! {
            () = held.step(&engine, now_ms) => {}
            () = end.cancelled() => {}
        }
    }
}

enum Begun {
    Follows(Box<Held>),
    /// Its password cannot be had at the moment, or the demo not be opened.
    Again,
    /// There is no database to follow.
    Nothing,
}

async fn begin(engine: &Weak<Engine>, id: &str) -> Begun {
    let Some(engine) = engine.upgrade() else { return Begun::Nothing };
    let Ok(environment) = engine.environment(id).await else { return Begun::Nothing };
    let Ok(place) = place_of(&environment) else { return Begun::Nothing };
    let now_ms = engine.core.clock.now_ms();
    let live = Live {
        place,
        now: Now::Reads,
        said: Said::default(),
        next_ms: now_ms + FIRST_MS,
        open: None,
        held: VecDeque::new(),
        texts: HashMap::new(),
        no_plans: HashMap::new(),
    };
    let live = Arc::new(Mutex::new(live));
    let all = &engine.database.statements.live;
    all.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), live.clone());
    let stored = engine.environments.process_only.get(id).is_none();
    match engine.statement_source(&environment).await {
        Ok(source) => Begun::Follows(Box::new(Held {
            source,
            live,
            before: None,
            period_ms: PERIOD_MS,
            // What is seen first is written at once: another process may ask for it.
            written_ms: f64::NEG_INFINITY,
            texts_ms: f64::NEG_INFINITY,
            stored,
            watching: if stored { Watching::begin(&engine.core.data_dir, id) } else { None },
            environment_id: id.to_owned(),
        })),
        Err(error) => {
            lock(&live).now = Now::Failed(error);
            Begun::Again
        }
    }
}

impl Held {
    /// One reading, and what follows from it.
    async fn step(&mut self, engine: &Engine, now_ms: f64) {
        if self.stored && self.watching.is_none() {
            self.watching = Watching::begin(&engine.core.data_dir, &self.environment_id);
        }
        let started = engine.core.clock.monotonic_ms();
        let found = self.source.read(now_ms, self.before.is_none()).await;
        let took = engine.core.clock.monotonic_ms() - started;
        // A fifth of the time at most.
        self.period_ms = if took > 0.2 * self.period_ms {
            (2.0 * self.period_ms).min(SLOWEST_MS)
        } else if took < 0.05 * self.period_ms {
            (self.period_ms / 2.0).max(PERIOD_MS)
        } else {
            self.period_ms
        };
        let next_ms = ((now_ms / self.period_ms).floor() + 1.0) * self.period_ms;
        match found {
            Ok(Found::Counters(reading)) => {
                {
                    let mut live = lock(&self.live);
                    (live.now, live.next_ms, live.said) = (Now::Reads, next_ms, self.source.said());
                }
                self.take(engine, reading).await;
            }
            Ok(Found::Unavailable(why)) => self.lose(engine, Now::Unavailable(why), now_ms + AGAIN_MS).await,
            Err(error) => {
                tracing::debug!(target: "perfdeck::database", %error, "counters of statements were not read");
                self.lose(engine, Now::Failed(error), next_ms).await;
            }
        }
    }

    /// Nothing could be read: the window stays as it is, and a later reading may still follow the one before.
    async fn lose(&mut self, engine: &Engine, why: Now, next_ms: f64) {
        let gone = matches!(why, Now::Unavailable(_));
        {
            let mut live = lock(&self.live);
            (live.now, live.next_ms) = (why, next_ms);
        }
        if gone {
            self.before = None;
            self.close(engine).await;
        }
    }

    async fn take(&mut self, engine: &Engine, reading: Box<Reading>) {
        let at_ms = reading.at_ms;
        let before = self.before.replace(reading);
        let (Some(before), Some(now)) = (before, &self.before) else { return };
        let passed = at_ms - before.at_ms;
        if passed <= 0.0 || passed > APART * self.period_ms.max(PERIOD_MS) {
            self.close(engine).await;
            return;
        }
        let delta = delta(&before, now);
        let here = number(f64::midpoint(delta.from_ms, delta.to_ms));
        let another = lock(&self.live).open.as_ref().is_some_and(|open| open.number() != here);
        if another {
            self.close(engine).await;
        }
        {
            let mut live = lock(&self.live);
            match &mut live.open {
                Some(open) => open.add(&delta),
                None => live.open = Some(Window::of(&delta)),
            }
        }
        self.read_texts(at_ms).await;
        if at_ms - self.written_ms >= WRITE_MS || at_ms < self.written_ms {
            self.written_ms = at_ms;
            self.write(engine).await;
        }
    }

    /// Ends the window. Texts that would have been read later are read now.
    async fn close(&mut self, engine: &Engine) {
        self.texts_ms = f64::NEG_INFINITY;
        self.read_texts(self.before.as_ref().map_or(0.0, |reading| reading.at_ms)).await;
        self.write(engine).await;
        let mut live = lock(&self.live);
        if let Some(open) = live.open.take() {
            live.held.push_back(open.piece());
            if live.held.len() > HELD {
                live.held.pop_front();
            }
        }
    }

    /// Reads texts that are missing for statements that will be kept.
    async fn read_texts(&mut self, now_ms: f64) {
        if (0.0..TEXTS_MS).contains(&(now_ms - self.texts_ms)) {
            return;
        }
        let missing: Vec<String> = {
            let mut live = lock(&self.live);
            let Some(open) = &live.open else { return };
            let rows = open.piece().rows;
            if live.texts.len() > TEXTS {
                live.texts.retain(|key, _| rows.iter().any(|row| *row.key == **key));
            }
            rows.iter().filter(|row| !live.texts.contains_key(&*row.key)).map(|row| row.key.to_string()).collect()
        };
        if missing.is_empty() {
            return;
        }
        self.texts_ms = now_ms;
        match self.source.texts(&missing).await {
            Ok(texts) => lock(&self.live).texts.extend(texts),
            Err(error) => tracing::debug!(target: "perfdeck::database", %error, "texts of statements were not read"),
        }
    }

    /// Writes what was seen of the window so far.
    async fn write(&mut self, engine: &Engine) {
        let (place, piece, texts) = {
            let live = lock(&self.live);
            let Some(open) = &live.open else { return };
            let piece = open.piece();
            let own = |key: &str| live.texts.get(key).map(|text| (key.to_owned(), text.clone()));
            let texts = piece.rows.iter().filter_map(|row| own(&row.key)).collect();
            (live.place.clone(), piece, texts)
        };
        if !self.stored || piece.to_ms <= piece.from_ms || piece.to_ms - piece.from_ms > 2.0 * WINDOW_MS {
            return;
        }
        if let Err(error) = engine.core.store.put_statements(&place, &piece, &texts).await {
            tracing::warn!(%error, "a window of statements was not stored");
        }
    }
}
