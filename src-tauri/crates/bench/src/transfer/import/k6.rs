//! Samples of k6.
use std::collections::BTreeMap;

use super::figures::{Figures, micros};
use super::{Imported, MAX_STEPS};

/// A sample, with those of its tags that say something.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) metric: &'a str,
    pub(super) t_ms: f64,
    pub(super) value: f64,
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) status: &'a str,
    pub(super) error: &'a str,
    pub(super) error_code: &'a str,
    pub(super) phase: &'a str,
}

/// Metrics that are read.
const METRICS: [&str; 5] =
    ["http_reqs", "http_req_duration", "http_req_failed", "dropped_iterations", "perfdeck_errors"];

/// Whether a metric is read.
pub(super) fn is_read(metric: &str) -> bool {
    METRICS.contains(&metric)
}

/// What k6 itself counts, and what an exported script counts, which knows all checks.
#[derive(Debug, Default)]
pub(super) struct Samples {
    own: Figures,
    script: Figures,
    statuses: BTreeMap<u16, u64>,
    dropped: u64,
    first_ms: Option<f64>,
    last_ms: Option<f64>,
    whole_seconds: bool,
    any: bool,
}

fn count(value: f64) -> Option<u64> {
    (0.0..=1e15).contains(&value).then_some(value.round() as u64)
}

impl Samples {
    /// Adds a sample.
    ///
    /// # Errors
    /// A value that the metric cannot have.
    pub(super) fn add(&mut self, s: &Sample<'_>) -> Result<(), String> {
        let wrong = || format!("{} cannot be {}", s.metric, s.value);
        let number = count(s.value).ok_or_else(wrong)?;
        if matches!(s.phase, "warmup" | "login") {
            return Ok(());
        }
        if !self.any {
            (self.whole_seconds, self.any) = (true, true);
        }
        self.whole_seconds &= s.t_ms % 1e3 == 0.0;
        self.first_ms = Some(self.first_ms.map_or(s.t_ms, |t| t.min(s.t_ms)));
        self.last_ms = Some(self.last_ms.map_or(s.t_ms, |t| t.max(s.t_ms)));
        let name = if s.name.is_empty() { s.url } else { s.name };
        match s.metric {
            "http_reqs" => {
                let step = self.own.step(name);
                step.requests = step.requests.saturating_add(number);
                if let Some(second) = self.own.second(s.t_ms) {
                    second.requests = second.requests.saturating_add(number);
                }
                if let Some(status) = s.status.parse().ok().filter(|n| (100..1000).contains(n)) {
                    let entry = self.statuses.entry(status).or_default();
                    *entry = entry.saturating_add(number);
                }
            }
            "http_req_duration" => {
                let us = micros(s.value).ok_or_else(wrong)?;
                self.own.step(name).time(us, 1);
                self.own.time(s.t_ms, us);
            }
            "http_req_failed" if number > 0 => {
                let step = self.own.step(name);
                step.errors += 1;
                step.messages.add(&message(s), 1);
                if let Some(second) = self.own.second(s.t_ms) {
                    second.errors += 1;
                }
            }
            "perfdeck_errors" => {
                let step = self.script.step(name);
                step.requests += 1;
                if number > 0 {
                    step.errors += 1;
                    step.messages.add(&message(s), 1);
                }
                if let Some(second) = self.script.second(s.t_ms) {
                    second.requests += 1;
                    second.errors += u64::from(number > 0);
                }
            }
            "dropped_iterations" => self.dropped = self.dropped.saturating_add(number),
            _ => {}
        }
        Ok(())
    }

    /// All of it; `None` when there was no request.
    pub(super) fn into_imported(mut self, files: usize) -> Option<Imported> {
        let exported = !self.script.steps.is_empty();
        if exported {
            for step in &mut self.own.steps {
                (step.requests, step.errors, step.messages) = (0, 0, super::figures::Messages::default());
            }
        }
        let folded = self.own.folded || self.script.folded;
        let mut all = self.own.into_imported("k6");
        if exported {
            let script = self.script.into_imported("k6");
            (all.requests, all.errors) = (script.requests, script.errors);
            for from in script.steps {
                match all.steps.iter_mut().find(|s| s.name == from.name) {
                    Some(to) => (to.requests, to.errors, to.errors_by) = (from.requests, from.errors, from.errors_by),
                    None => all.steps.push(from),
                }
            }
            all.steps.truncate(MAX_STEPS);
            for second in &mut all.intervals {
                (second.requests, second.errors) = (0, 0);
            }
            for from in script.intervals {
                match all.intervals.iter_mut().find(|s| s.t_ms.to_bits() == from.t_ms.to_bits()) {
                    Some(to) => (to.requests, to.errors) = (from.requests, from.errors),
                    None => all.intervals.push(from),
                }
            }
            all.intervals.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms));
        } else {
            all.notes.push("Errors are those of k6's http_req_failed, without checks.".to_owned());
        }
        if folded && all.notes.is_empty() {
            all.notes.push(format!("There are more than {MAX_STEPS} steps; the last ones are counted as one."));
        }
        (all.started_ms, all.finished_ms) = (self.first_ms, self.last_ms);
        all.dropped = self.dropped;
        all.statuses = self.statuses.into_iter().collect();
        all.notes.push(
            "Service times are k6's http_req_duration, without connecting; each hop of a redirect is one.".to_owned(),
        );
        if self.whole_seconds {
            all.notes.push("Times are whole seconds; set K6_CSV_TIME_FORMAT=unix_nano for exact ones.".to_owned());
        }
        if files > 1 {
            all.notes.push(format!("{files} files were merged, sample by sample."));
        }
        (all.requests > 0 || all.dropped > 0).then_some(all)
    }
}

/// What a failed request is counted as.
fn message(s: &Sample<'_>) -> String {
    match (s.error, s.error_code, s.status) {
        (error, ..) if !error.is_empty() => error.to_owned(),
        (_, _, status) if !matches!(status, "" | "0") => format!("status {status}"),
        (_, code, _) if !code.is_empty() => format!("error {code}"),
        _ => "failed".to_owned(),
    }
}
