//! How often sessions of an application begin and end, over the readings of the last minutes. Pure.
use std::collections::{HashMap, HashSet, VecDeque};

use perfdeck_model::{ApplicationPool, Churn};

use super::group::{Key, Name, Seen};

/// Time over which it is told, in milliseconds.
const WINDOW_MS: f64 = 300_000.0;
/// Readings that are further apart have nothing to do with each other: what came and went in between is not known.
const GAP_MS: f64 = 60_000.0;
/// Time over which a rate means something: one session in a second is not sixty in a minute.
const LEAST_MS: f64 = 10_000.0;

/// What one application did between two readings.
#[derive(Debug, Clone, Copy)]
struct Step {
    at_ms: f64,
    begun: u32,
    ended: u32,
}

/// Sessions of the newest reading, and what came and went before.
#[derive(Debug, Default)]
pub(super) struct History {
    last: HashMap<Name, HashSet<Key>>,
    steps: HashMap<Name, Vec<Step>>,
    /// Times of the readings, the oldest first.
    read_ms: VecDeque<f64>,
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl History {
    /// Adds a reading at a time of the monotonic clock.
    pub(super) fn add(&mut self, now_ms: f64, seen: &[Seen]) {
        let mut now: HashMap<Name, HashSet<Key>> = HashMap::new();
        for session in seen {
            now.entry(session.name()).or_default().insert(session.key);
        }
        if self.read_ms.back().is_none_or(|last| now_ms - last > GAP_MS || now_ms < *last) {
            *self = Self { last: now, read_ms: VecDeque::from([now_ms]), ..Self::default() };
            return;
        }
        let none = HashSet::new();
        let names: HashSet<&Name> = now.keys().chain(self.last.keys()).collect();
        for name in names {
            let (before, after) = (self.last.get(name).unwrap_or(&none), now.get(name).unwrap_or(&none));
            let (begun, ended) = (number(after.difference(before).count()), number(before.difference(after).count()));
            if begun + ended > 0 {
                self.steps.entry(name.clone()).or_default().push(Step { at_ms: now_ms, begun, ended });
            }
        }
        self.last = now;
        self.read_ms.push_back(now_ms);
        while self.read_ms.front().is_some_and(|first| now_ms - first > WINDOW_MS) {
            self.read_ms.pop_front();
        }
        // What happened up to the first reading that is left happened before it.
        let first = self.read_ms.front().copied().unwrap_or(now_ms);
        self.steps.retain(|_, steps| {
            steps.retain(|step| step.at_ms > first);
            !steps.is_empty()
        });
    }

    /// Rates of one application; `None` until the readings span ten seconds.
    pub(super) fn churn(&self, pool: &ApplicationPool) -> Option<Churn> {
        let span_ms = self.read_ms.back()? - self.read_ms.front()?;
        if span_ms < LEAST_MS {
            return None;
        }
        let name = (pool.application.clone(), pool.address.clone());
        let steps = self.steps.get(&name).map_or(&[][..], Vec::as_slice);
        let sum = |of: fn(&Step) -> u32| f64::from(steps.iter().map(of).sum::<u32>()) * 60_000.0 / span_ms;
        Some(Churn { begun_per_min: sum(|s| s.begun), ended_per_min: sum(|s| s.ended), over_s: span_ms / 1e3 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::tests::session;
    use super::super::group::{State, grouped};
    use super::*;

    fn churn(history: &History, seen: &[Seen]) -> Option<Churn> {
        history.churn(&grouped(seen).0[0])
    }

    fn sessions(ids: impl Iterator<Item = i64>) -> Vec<Seen> {
        ids.map(|id| session(id, "api", State::Idle)).collect()
    }

    #[test]
    fn sessions_that_come_and_go_are_counted() {
        let mut history = History::default();
        let mut seen = Vec::new();
        // Ten sessions; with every reading the oldest makes room for a new one.
        for second in 0..=30 {
            seen = sessions(second..second + 10);
            history.add(second as f64 * 1e3, &seen);
            if second < 10 {
                assert_eq!(churn(&history, &seen), None, "{second} s are too few for a rate");
            }
        }
        let told = churn(&history, &seen).expect("thirty seconds");
        assert_eq!((told.begun_per_min, told.ended_per_min, told.over_s), (60.0, 60.0, 30.0), "one a second");
        let other = vec![session(1, "other", State::Idle)];
        assert_eq!(churn(&history, &other).map(|c| c.begun_per_min), Some(0.0), "nothing of another application");
    }

    #[test]
    fn a_number_that_is_given_again_is_another_session() {
        let mut history = History::default();
        let first = sessions(7..8);
        history.add(0.0, &first);
        let second = vec![Seen { key: (7, 99), ..first[0].clone() }];
        history.add(30_000.0, &second);
        let told = churn(&history, &second).expect("half a minute");
        assert_eq!((told.begun_per_min, told.ended_per_min), (2.0, 2.0), "one ended and one began");
    }

    #[test]
    fn what_happened_while_nobody_looked_is_not_told() {
        let mut history = History::default();
        history.add(0.0, &sessions(0..10));
        history.add(20_000.0, &sessions(5..15));
        let after = sessions(500..510);
        history.add(200_000.0, &after);
        assert_eq!(churn(&history, &after), None, "three minutes without a reading begin anew");
        for second in 1..=400 {
            history.add(200_000.0 + f64::from(second) * 1e3, &after);
        }
        let told = churn(&history, &after).expect("a rate");
        assert_eq!((told.begun_per_min, told.over_s), (0.0, 300.0), "five minutes at most");
        assert!(history.read_ms.len() <= 301 && history.steps.is_empty(), "and no more is kept");
    }
}
