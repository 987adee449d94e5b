//! Invalidation of cache keys as a change: planned with what it would do, applied as a job that can wait, and undone from a snapshot.
//!
//! Names of keys are in answers and in encrypted files only, never in the store. What an invalidation came to stands in a file of counts
//! beside its snapshot ([`book`]), written as it goes, so that what a killed process leaves can be told.
mod book;
pub(crate) mod commands;
mod epochs;
pub(crate) mod kind;
mod named;
mod plan;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use perfdeck_cache::take::{MemoryKept, Seen};

/// What is kept of invalidations while Perfdeck runs, by their tokens.
#[derive(Default)]
pub(crate) struct State {
    /// Names that previews show; the oldest go.
    seen: Mutex<Vec<(String, Seen)>>,
    /// Those that are to wait.
    paused: Mutex<HashSet<String>>,
    /// What was taken out of the cache of this process.
    memory: Mutex<HashMap<String, MemoryKept>>,
}

/// Previews whose names are kept.
const PREVIEWS: usize = 50;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn show(&self, token: &str, seen: Seen) {
        let mut all = held(&self.seen);
        if all.len() >= PREVIEWS {
            all.remove(0);
        }
        all.push((token.to_owned(), seen));
    }

    fn shown(&self, token: &str) -> Option<Seen> {
        held(&self.seen).iter().find(|(known, _)| known == token).map(|(_, seen)| seen.clone())
    }

    fn is_paused(&self, token: &str) -> bool {
        held(&self.paused).contains(token)
    }

    fn pause(&self, token: &str, wait: bool) {
        let mut paused = held(&self.paused);
        if wait {
            paused.insert(token.to_owned());
        } else {
            paused.remove(token);
        }
    }
}
