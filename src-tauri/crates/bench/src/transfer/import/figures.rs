//! What is gathered of samples, step by step and second by second.
use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;

use super::{Imported, ImportedSecond, ImportedStep, MAX_SECONDS, MAX_STEPS};
use perfdeck_stats::histogram::{Growing, histogram};

/// Messages of errors that are told apart, per step.
const MAX_MESSAGES: usize = 100;

/// Seconds that have a histogram, at most; each takes some ten KiB.
const MAX_HISTOGRAMS: usize = 10_800;

/// What all steps beyond the limit are called.
const OTHERS: &str = "(all other steps)";

/// The largest time that a histogram holds, in microseconds.
const LONGEST_US: f64 = 3.6e9;

/// A time as a histogram holds it; `None` when it is no time.
pub(super) fn micros(ms: f64) -> Option<u64> {
    if !(0.0..=1e12).contains(&ms) {
        return None;
    }
    let us = (ms * 1e3).round().clamp(1.0, LONGEST_US) as u64;
    Some(us)
}

/// Significant digits of the histograms of seconds, of which there are many.
const DIGITS: u8 = 2;

/// Counts by message, of a limited number of them.
#[derive(Debug, Default)]
pub(super) struct Messages(BTreeMap<String, u64>);

impl Messages {
    pub(super) fn add(&mut self, message: &str, count: u64) {
        let short: String = message.chars().take(200).collect();
        let known = self.0.contains_key(&short) || self.0.len() < MAX_MESSAGES;
        let entry = self.0.entry(if known { short } else { "other errors".to_owned() }).or_default();
        *entry = entry.saturating_add(count);
    }

    pub(super) fn list(self) -> Vec<(String, u64)> {
        let mut list: Vec<(String, u64)> = self.0.into_iter().collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        list
    }
}

/// A step.
#[derive(Debug, Default)]
pub(super) struct Step {
    name: String,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) service: Option<Histogram<u64>>,
    pub(super) messages: Messages,
}

impl Step {
    /// Counts service times.
    pub(super) fn time(&mut self, us: u64, count: u64) {
        // All values are within the bounds, so this cannot fail.
        self.service.get_or_insert_with(histogram).saturating_record_n(us, count);
    }
}

/// A second.
#[derive(Debug, Default)]
pub(super) struct Second {
    pub(super) requests: u64,
    pub(super) errors: u64,
    service: Option<Growing>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) steps: Vec<Step>,
    by_name: HashMap<String, usize>,
    /// By whole seconds since 1970.
    seconds: BTreeMap<i64, Second>,
    histograms: usize,
    pub(super) folded: bool,
    pub(super) cut: bool,
}

impl Figures {
    /// The step of a name; beyond the limit one for all others.
    pub(super) fn step(&mut self, name: &str) -> &mut Step {
        let at = match self.by_name.get(name) {
            Some(at) => *at,
            None => {
                let full = self.steps.len() >= MAX_STEPS - 1;
                self.folded |= full;
                let name = if full { OTHERS } else { name };
                let new = self.steps.len();
                let at = *self.by_name.entry(name.to_owned()).or_insert(new);
                if at == new {
                    self.steps.push(Step { name: name.chars().take(200).collect(), ..Step::default() });
                }
                at
            }
        };
        &mut self.steps[at]
    }

    /// The second of a time; `None` when there are too many.
    pub(super) fn second(&mut self, t_ms: f64) -> Option<&mut Second> {
        // Times are those of this millennium.
        let t = (t_ms / 1e3).floor() as i64;
        if self.seconds.len() >= MAX_SECONDS && !self.seconds.contains_key(&t) {
            self.cut = true;
            return None;
        }
        Some(self.seconds.entry(t).or_default())
    }

    /// A service time of a second.
    pub(super) fn time(&mut self, t_ms: f64, us: u64) {
        let room = self.histograms < MAX_HISTOGRAMS;
        let Some(second) = self.second(t_ms) else { return };
        let mut new = false;
        if second.service.is_none() && room {
            second.service = Some(Growing::with_digits(DIGITS));
            new = true;
        }
        if let Some(h) = &mut second.service {
            h.record(us);
        }
        self.histograms += usize::from(new);
    }

    /// As the result of an import. A service histogram that is empty is none.
    pub(super) fn into_imported(self, engine: &str) -> Imported {
        let mut all = Imported { engine: engine.to_owned(), ..Imported::default() };
        if self.folded {
            all.notes.push(format!("There are more than {MAX_STEPS} steps; the last ones are counted as one."));
        }
        if self.cut {
            all.notes.push(format!("The samples are of more than {MAX_SECONDS} different seconds; not all are kept."));
        }
        let mut service = histogram();
        for step in self.steps {
            all.requests = all.requests.saturating_add(step.requests);
            all.errors = all.errors.saturating_add(step.errors);
            if let Some(h) = &step.service {
                // Same bounds and digits, so nothing is lost and nothing can fail.
                let _ = service.add(h);
            }
            all.steps.push(ImportedStep {
                name: step.name,
                requests: step.requests,
                errors: step.errors,
                service: step.service,
                errors_by: step.messages.list(),
                ..ImportedStep::default()
            });
        }
        all.service = Some(service).filter(|h| !h.is_empty());
        let second = |(t, s): (i64, Second)| ImportedSecond {
            t_ms: t as f64 * 1e3,
            requests: s.requests,
            errors: s.errors,
            service: s.service.map(Growing::into_inner),
        };
        all.intervals = self.seconds.into_iter().map(second).collect();
        all
    }
}
