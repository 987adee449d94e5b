//! The course of a flight: a look into the store; where it finds nothing, a lease, a load and the store again.
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;

use super::envelope::{Envelope, NEVER, Parts};
use super::figures::{add, add_time, count};
use super::flight::{Answer, Answering, Failure, Flight};
use super::keys::Tag;
use super::namespace::Space;
use super::store::{Bytes, Claim, Keep, Lease, Trouble};

/// Pauses between looks at an entry that another process fills: doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// After a refresh that failed nobody tries again for so long.
const RETRY: Duration = Duration::from_secs(1);
/// Values of more bytes are compressed on a thread of their own.
const LARGE: usize = 256 << 10;

/// What an entry is good for.
pub(crate) enum Judged<V> {
    Fresh(Found<V>),
    /// With the entry's head.
    Stale(Found<V>, Vec<u8>),
    /// With the head of what is there.
    Nothing(Vec<u8>),
}

/// A value as it was found in the store.
pub(crate) struct Found<V> {
    pub(crate) value: Option<Arc<V>>,
    /// For how long it is fresh still, and its bytes as encoded.
    size: (Duration, usize),
}

impl<V: 'static, E> Space<V, E> {
    /// What an entry is good for, under the epochs that its tags have in the store.
    pub(crate) fn judge(&self, entry: Option<&Bytes>, tags: &[Tag], epochs: &[Option<u128>]) -> Judged<V> {
        let Some(bytes) = entry else { return Judged::Nothing(Vec::new()) };
        let head = || Envelope::head(bytes).to_vec();
        let Some(envelope) = Parts::read(bytes) else { return Judged::Nothing(head()) };
        let mut pairs = tags.iter().zip(epochs).zip(&envelope.tags);
        let same = envelope.tags.len() == tags.len()
            && epochs.len() == tags.len()
            && pairs.all(|((tag, now), (name, then))| tag.text() == *name && *now == Some(*then));
        let now = self.now();
        if !same || now >= envelope.stale_until_ms {
            return Judged::Nothing(head());
        }
        let bytes = envelope.value.as_ref().map_or(0, |value| value.len());
        let value = match &envelope.value {
            None => None,
            Some(encoded) => match self.codec.decode(encoded) {
                Some(value) => Some(Arc::new(value)),
                None => return Judged::Nothing(head()),
            },
        };
        let left = Duration::from_millis(envelope.fresh_until_ms.saturating_sub(now));
        let found = Found { value, size: (left, bytes) };
        if left.is_zero() { Judged::Stale(found, head()) } else { Judged::Fresh(found) }
    }

    fn now(&self) -> u64 {
        self.aside.clock.now_ms().max(0.0) as u64
    }

    pub(crate) fn count_hit(&self, there: bool) {
        count(if there { &self.counters.l2_hits } else { &self.counters.negative });
    }

    /// How long an entry lives that is stored now: when it is not fresh any more, when it is gone, and the time until then. `None` for
    /// one that is not stored.
    fn life(&self, there: bool) -> Option<(u64, u64, Option<Duration>)> {
        let (ttl, stale) =
            if there { (self.rules.ttl, self.rules.stale) } else { (Some(self.rules.negative?), Duration::ZERO) };
        let Some(ttl) = ttl else { return Some((NEVER, NEVER, None)) };
        let ttl = jittered(ttl, self.rules.jitter, rand::random());
        if ttl.is_zero() {
            return None;
        }
        let until = |time: Duration| self.now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(NEVER));
        Some((until(ttl), until(ttl + stale), Some(ttl + stale)))
    }

    /// How long the epochs of what is filled now are needed.
    fn keep(&self) -> Keep {
        let longest = |ttl: Duration| 2 * ttl + self.rules.stale + self.rules.lease;
        self.rules.ttl.map_or(Keep::Forever, |ttl| Keep::For(longest(ttl.max(self.rules.negative.unwrap_or_default()))))
    }
}

/// A time with its jitter; `at` from 0 to 1. Whole milliseconds, as servers count, and at least one of them.
fn jittered(ttl: Duration, share: f64, at: f64) -> Duration {
    if ttl.is_zero() {
        return ttl;
    }
    let time = ttl.mul_f64(1.0 + share * (2.0 * at - 1.0));
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(NEVER).max(1))
}

/// The keys of a namespace that are loaded anew in the background.
#[derive(Default)]
pub(crate) struct Refreshing(Mutex<HashSet<String>>);

/// One of them, until it is dropped.
struct Refresh<'a>(&'a Refreshing, &'a str);

impl Refreshing {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` for one that is on its way already.
    fn begin<'a>(&'a self, key: &'a str) -> Option<Refresh<'a>> {
        let began = self.lock().insert(key.to_owned());
        began.then(|| Refresh(self, key))
    }
}

impl Drop for Refresh<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(self.1);
    }
}

/// See the module.
pub(crate) struct Course<V, E> {
    pub(crate) space: Arc<Space<V, E>>,
    pub(crate) flight: Arc<Flight<V, E>>,
    pub(crate) key: String,
    pub(crate) entry: String,
    pub(crate) tags: Vec<Tag>,
    pub(crate) place: Answering<V, E>,
}

/// However it ends, the key is free again.
impl<V, E> Drop for Course<V, E> {
    fn drop(&mut self) {
        self.space.flights.end(&self.key, &self.flight);
    }
}

/// What is needed to store what will be loaded.
struct Right {
    claim: Claim,
    epochs: Vec<u128>,
}

/// Outcome of waiting for the right to load.
enum Turn<V> {
    /// To load and to store.
    Ours(Right),
    /// Somebody else has filled it.
    Filled(Found<V>),
    /// To load without storing.
    Bypass,
}

impl<V: Send + Sync + 'static, E: Send + Sync + 'static> Course<V, E> {
    /// Runs it to its end, whoever waits for it.
    pub(crate) async fn run<F, L>(self, load: F)
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let space = &self.space;
        let epochs: Vec<String> = self.tags.iter().map(|tag| tag.epoch_key(&space.aside.name)).collect();
        let read = match space.aside.shelf.read(&self.entry, &epochs).await {
            Ok(read) => read,
            Err(trouble) => {
                self.trouble(&trouble);
                count(&space.counters.bypassed);
                return self.answer(self.load(load).await);
            }
        };
        match space.judge(read.entry.as_ref(), &self.tags, &read.epochs) {
            Judged::Fresh(found) => {
                space.count_hit(found.value.is_some());
                self.answer(Ok(self.land(found)));
            }
            Judged::Stale(found, head) => {
                count(&space.counters.stale);
                self.answer(Ok(found.value));
                if let Some(_one) = space.refreshing.begin(&self.key) {
                    self.refresh(&head, &epochs, load).await;
                }
            }
            Judged::Nothing(head) => {
                count(&space.counters.misses);
                let answer = match self.turn(head, &epochs).await {
                    Turn::Filled(found) => {
                        space.count_hit(found.value.is_some());
                        Ok(self.land(found))
                    }
                    Turn::Bypass => {
                        count(&space.counters.bypassed);
                        self.load(load).await
                    }
                    Turn::Ours(right) => self.fill(&right, load, Duration::ZERO).await,
                };
                self.answer(answer);
            }
        }
    }

    /// Answers whoever waits. Whoever asks from now on begins anew: an answer is not older than the question.
    fn answer(&self, answer: Answer<V, E>) {
        self.space.flights.end(&self.key, &self.flight);
        self.place.send_replace(Some(answer));
    }

    fn trouble(&self, trouble: &Trouble) {
        // Nobody was asked while the circuit is open.
        if matches!(trouble, Trouble::Failed) {
            count(&self.space.counters.store_errors);
        }
    }

    /// Keeps what was read in the first level. Only this gets there: what was loaded is read again first, so that the epochs in the
    /// store at that moment are those that it was loaded under.
    fn land(&self, found: Found<V>) -> Option<Arc<V>> {
        if let Some(first) = &self.space.first {
            let local = &self.space.aside.local;
            first.land(&self.key, &self.flight, || local.generation(), found.value.clone(), found.size);
        }
        found.value
    }

    /// Asks for the lease of an entry of this head, under the epochs of its tags.
    async fn ask(&self, seen: &[u8], epochs: &[String]) -> Result<(Lease, Right), Trouble> {
        let (shelf, keep) = (&self.space.aside.shelf, self.space.keep());
        let epochs = try_join_all(epochs.iter().map(|key| shelf.epoch(key, keep))).await?;
        let claim = Claim::under(&epochs);
        match shelf.lease(&self.entry, seen, claim, self.space.rules.lease).await {
            Ok(lease) => Ok((lease, Right { claim, epochs })),
            Err(trouble) => {
                // A store that did not answer in time may have given it all the same. Nobody waits for that.
                let (aside, entry) = (self.space.aside.clone(), self.entry.clone());
                tokio::spawn(async move { aside.shelf.release(&entry, claim, Duration::ZERO).await });
                Err(trouble)
            }
        }
    }

    /// Waits for the right to load, or for whoever has it.
    async fn turn(&self, mut seen: Vec<u8>, epochs: &[String]) -> Turn<V> {
        let until = Instant::now() + self.space.rules.wait;
        let mut pause = PAUSE.0;
        loop {
            let (lease, right) = match self.ask(&seen, epochs).await {
                Ok(asked) => asked,
                Err(trouble) => {
                    self.trouble(&trouble);
                    return Turn::Bypass;
                }
            };
            match lease {
                Lease::Taken => return Turn::Ours(right),
                Lease::Filled(bytes) => {
                    let now: Vec<_> = right.epochs.into_iter().map(Some).collect();
                    match self.space.judge(Some(&bytes), &self.tags, &now) {
                        Judged::Fresh(found) | Judged::Stale(found, _) => return Turn::Filled(found),
                        Judged::Nothing(head) => seen = head,
                    }
                }
                Lease::Held => {}
            }
            if Instant::now() >= until {
                return Turn::Bypass;
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(PAUSE.1);
        }
    }

    /// Loads what is served stale meanwhile, if nobody else does.
    async fn refresh<F, L>(&self, seen: &[u8], epochs: &[String], load: F)
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        match self.ask(seen, epochs).await {
            Ok((Lease::Taken, right)) => {
                // Whoever asks is answered with the stale value, whatever comes of this.
                let _ = self.fill(&right, load, RETRY).await;
            }
            Ok(_) => {}
            Err(trouble) => self.trouble(&trouble),
        }
    }

    /// Loads and stores.
    async fn fill<F, L>(&self, right: &Right, load: F, linger: Duration) -> Answer<V, E>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let answer = self.load(load).await;
        let shelf = &self.space.aside.shelf;
        let packed = match &answer {
            Ok(value) => self.packed(value.as_ref(), right).await,
            Err(_) => None,
        };
        let linger = if answer.is_err() { linger } else { Duration::ZERO };
        let counters = &self.space.counters;
        let Some((bytes, life, compressed)) = packed else {
            let _ = shelf.release(&self.entry, right.claim, linger).await;
            return answer;
        };
        let size = bytes.len();
        match shelf.commit(&self.entry, right.claim, bytes, life).await {
            Ok(true) => {
                count(&counters.stored);
                add(&counters.bytes, size);
                add(&counters.compressed, usize::from(compressed));
            }
            Ok(false) => count(&counters.fenced),
            Err(trouble) => {
                self.trouble(&trouble);
                let _ = shelf.release(&self.entry, right.claim, linger).await;
            }
        }
        answer
    }

    /// The bytes of an entry, its life, and whether it is compressed; `None` for one that is not stored.
    async fn packed(&self, value: Option<&Arc<V>>, right: &Right) -> Option<(Vec<u8>, Option<Duration>, bool)> {
        let space = &self.space;
        let (fresh_until_ms, stale_until_ms, life) = space.life(value.is_some())?;
        let encoded = match value.map(|value| space.codec.encode(value)) {
            None => None,
            Some(Ok(bytes)) if bytes.len() <= space.rules.largest => Some(bytes),
            Some(_) => {
                count(&space.counters.unstorable);
                return None;
            }
        };
        let tags = self.tags.iter().map(|tag| tag.text().to_owned()).zip(right.epochs.iter().copied()).collect();
        let envelope = Envelope { created_ms: space.now(), fresh_until_ms, stale_until_ms, tags, value: encoded };
        let above = space.rules.compress_above;
        let large = envelope.value.as_ref().is_some_and(|v| v.len() > LARGE.max(above));
        let write = move || envelope.write(rand::random(), above);
        let (bytes, compressed) = if large { tokio::task::spawn_blocking(write).await.ok()? } else { write() };
        Some((bytes, life, compressed))
    }

    /// Loads, within the time that it may take, whatever the load does.
    async fn load<F, L>(&self, load: F) -> Answer<V, E>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (counters, limit, began) = (&self.space.counters, self.space.rules.lease, Instant::now());
        count(&counters.loads);
        let work = AssertUnwindSafe(async move { load().await }).catch_unwind();
        let answer = match tokio::time::timeout(limit, work).await {
            Ok(Ok(Ok(value))) => Ok(value.map(Arc::new)),
            Ok(Ok(Err(error))) => Err(Failure::Load(Arc::new(error))),
            Ok(Err(_)) => Err(Failure::Ended),
            Err(_) => Err(Failure::Late(limit)),
        };
        add_time(&counters.load_us, began.elapsed());
        if answer.is_err() {
            count(&counters.load_errors);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_inside_its_bounds_and_uses_them() {
        let ttl = Duration::from_secs(100);
        for share in [0.0, 0.1, 0.5, 1.0] {
            let all: Vec<f64> = (0..10_000).map(|_| jittered(ttl, share, rand::random()).as_secs_f64()).collect();
            let (least, most) = all.iter().fold((f64::MAX, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
            assert!(least >= 100.0 * (1.0 - share) && most <= 100.0 * (1.0 + share), "{share}: {least} to {most}");
            let width = most - least;
            assert!(width >= 199.0 * share * 0.98, "{share}: it uses them: {least} to {most}");
        }
        assert_eq!(jittered(ttl, 1.0, 0.0), Duration::from_millis(1), "never none");
        assert_eq!(jittered(Duration::ZERO, 0.1, 1.0), Duration::ZERO, "nothing stays nothing");
    }
}
