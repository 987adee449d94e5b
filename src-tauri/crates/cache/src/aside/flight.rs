//! What is on its way for a key: a look into the store, and a load from the source. One for each key, whoever asks.
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::local::Moment;

/// Why there is no answer. What went wrong with the store is not among it: the source is asked then.
#[derive(Debug)]
pub enum Failure<E> {
    /// The load failed.
    Load(Arc<E>),
    /// The load took longer than it may.
    Late(Duration),
    /// The load panicked, or the runtime that it ran on has ended.
    Ended,
}

impl<E> Clone for Failure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Load(error) => Self::Load(error.clone()),
            Self::Late(after) => Self::Late(*after),
            Self::Ended => Self::Ended,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Late(after) => write!(f, "the load took longer than {} s", after.as_secs_f64()),
            Self::Ended => f.write_str("the load ended without an answer"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {}

/// The answer for a key: its value, `None` where the source has none, or why there is no answer.
pub type Answer<V, E> = Result<Option<Arc<V>>, Failure<E>>;

/// One flight.
pub(crate) struct Flight<V, E> {
    marked: AtomicBool,
    /// Generation and tags of the moment in which it began.
    pub(crate) generation: u64,
    pub(crate) moment: Moment,
    answer: watch::Receiver<Option<Answer<V, E>>>,
}

impl<V, E> Flight<V, E> {
    /// Whether nothing that it reads was invalidated since it began, as far as this process knows.
    pub(crate) fn holds(&self) -> bool {
        !self.marked.load(Ordering::Acquire) && self.moment.holds()
    }

    /// Its answer.
    pub(crate) async fn answer(&self) -> Answer<V, E> {
        let mut answer = self.answer.clone();
        match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Err(Failure::Ended)),
            Err(_) => Err(Failure::Ended),
        }
    }
}

/// The flights of a namespace by key.
pub(crate) struct Flights<V, E>(Mutex<HashMap<String, Arc<Flight<V, E>>>>);

/// Where the answer of a flight goes.
pub(crate) type Answering<V, E> = watch::Sender<Option<Answer<V, E>>>;

/// A flight, and the place for its answer where it has just begun.
pub(crate) type Joined<V, E> = (Arc<Flight<V, E>>, Option<Answering<V, E>>);

impl<V, E> Default for Flights<V, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V, E> Flights<V, E> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Flight<V, E>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight of a key. It comes with a place for its answer when it has just begun. One that began before an invalidation is
    /// joined by nobody who asks after it.
    pub(crate) fn join(&self, key: &str, generation: u64, moment: impl FnOnce() -> Moment) -> Joined<V, E> {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key)
            && flight.holds()
        {
            return (flight.clone(), None);
        }
        let (to, answer) = watch::channel(None);
        let flight = Arc::new(Flight { marked: AtomicBool::new(false), generation, moment: moment(), answer });
        flights.insert(key.to_owned(), flight.clone());
        (flight, Some(to))
    }

    /// Marks the flight of a key: it lands nowhere, and nobody joins it.
    pub(crate) fn mark(&self, key: &str) {
        if let Some(flight) = self.lock().remove(key) {
            flight.marked.store(true, Ordering::Release);
        }
    }

    /// Marks all.
    pub(crate) fn mark_all(&self) {
        for (_, flight) in self.lock().drain() {
            flight.marked.store(true, Ordering::Release);
        }
    }

    /// A flight ended.
    pub(crate) fn end(&self, key: &str, flight: &Arc<Flight<V, E>>) {
        let mut flights = self.lock();
        if flights.get(key).is_some_and(|now| Arc::ptr_eq(now, flight)) {
            flights.remove(key);
        }
    }
}
