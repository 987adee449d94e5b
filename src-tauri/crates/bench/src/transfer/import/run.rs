//! An import as a run beside Perfdeck's own.
use hdrhistogram::Histogram;
use perfdeck_model::{
    ErrorCount, Footing, Interval, LatencyMs, Load, Machine, Percentile, PlanSpec, Run, RunSpec, RunState, StatusCount,
    StepResult, samples_for,
};

use super::{Imported, ImportedSecond, ImportedStep};
use perfdeck_stats::histogram::{curve, latency, ms, packed};

/// The class of an error by its message.
fn class(message: &str) -> &'static str {
    let lower = message.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if lower.starts_with("status ") || lower.contains("badstatuscode") {
        "status"
    } else if lower.starts_with("check ") || lower.starts_with("extraction ") {
        "check"
    } else if any(&["timeout", "timed out", "deadline"]) {
        "timeout"
    } else if any(&["refused", "dial", "lookup", "gaierror", "no such host"]) {
        "connect"
    } else if any(&["reset", "broken pipe", "eof", "connectionclosed"]) {
        "reset"
    } else if any(&["x509", "tls", "ssl", "certificate"]) {
        "tls"
    } else if lower.contains("redirect") {
        "redirect"
    } else {
        "other"
    }
}

/// Errors by class, most frequent first, each with its most frequent message.
fn classes<'a>(errors: impl Iterator<Item = &'a (String, u64)>) -> Vec<ErrorCount> {
    let mut list: Vec<(ErrorCount, u64)> = Vec::new();
    for (message, count) in errors {
        let class = class(message);
        match list.iter_mut().find(|(e, _)| e.class == class) {
            Some((entry, most)) => {
                entry.count = entry.count.saturating_add(*count);
                if count > most {
                    (entry.sample, *most) = (message.clone(), *count);
                }
            }
            None => list.push((ErrorCount { class: class.to_owned(), count: *count, sample: message.clone() }, *count)),
        }
    }
    list.sort_by_key(|(e, _)| std::cmp::Reverse(e.count));
    list.into_iter().map(|(e, _)| e).collect()
}

/// Service times: of a histogram, or of the percentiles that the engine gave. `too_small` then names those it did not.
fn times(h: Option<&Histogram<u64>>, n: u64, percentiles: &[(f64, f64)], mean: Option<f64>) -> LatencyMs {
    if let Some(h) = h {
        return latency(h);
    }
    let mut too_small = Vec::new();
    let mut at = |name: &str, q: f64| {
        let found = percentiles.iter().find(|(have, _)| (have - q).abs() < 1e-9).map(|(_, ms)| *ms);
        if found.is_none() || n < samples_for(q) {
            too_small.push(name.to_owned());
        }
        found
    };
    let (p50, p90, p95, p99, p999) =
        (at("p50", 0.5), at("p90", 0.9), at("p95", 0.95), at("p99", 0.99), at("p999", 0.999));
    let end = |q: f64| percentiles.iter().find(|(have, _)| have.to_bits() == q.to_bits()).map(|(_, ms)| *ms);
    let n = if percentiles.is_empty() { 0 } else { n };
    LatencyMs { n, min: end(0.0), mean, p50, p90, p95, p99, p999, max: end(1.0), too_small }
}

fn rate(requests: u64, errors: u64, seconds: f64) -> f64 {
    let successes = requests.saturating_sub(errors) as f64;
    if seconds > 0.0 { successes / seconds } else { 0.0 }
}

fn step(step: &ImportedStep, seconds: f64) -> StepResult {
    StepResult {
        name: step.name.clone(),
        kind: "http".to_owned(),
        request: step.name.clone(),
        requests: step.requests,
        errors: step.errors,
        rate_per_s: rate(step.requests, step.errors, seconds),
        response_ms: None,
        service_ms: times(step.service.as_ref(), step.requests, &step.percentiles, step.mean_ms),
        judged_ms: None,
        misses: None,
        errors_by_class: classes(step.errors_by.iter()),
        response_histogram: String::new(),
        service_histogram: step.service.as_ref().map(packed).unwrap_or_default(),
        timeout_histogram: String::new(),
    }
}

fn interval(second: &ImportedSecond) -> Interval {
    let at = |q: f64| second.service.as_ref().filter(|h| !h.is_empty()).map(|h| ms(h.value_at_quantile(q)));
    Interval {
        t_ms: second.t_ms,
        duration_s: 1.0,
        requests: second.requests,
        errors: second.errors,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: at(1.0),
    }
}

impl Imported {
    /// Measured time, in seconds; 0 when it is not known.
    fn seconds(&self) -> f64 {
        let between = self.started_ms.zip(self.finished_ms).map(|(from, to)| (to - from) / 1e3);
        between.filter(|s| *s > 0.0).or(self.duration_s).unwrap_or(0.0)
    }

    fn invalid(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.dropped > 0 {
            reasons.push(format!("{} iterations were dropped: not all of the load was there", self.dropped));
        }
        if self.requests <= self.errors {
            reasons.push("no successful response".to_owned());
        }
        reasons
    }

    /// As a run. What Perfdeck would measure and the engine does not is absent, and the notes say so.
    pub fn into_run(self, id: String, name: String, environment: Option<(String, String)>, machine: Machine) -> Run {
        let (seconds, reasons) = (self.seconds(), self.invalid());
        let mut notes = self.notes.clone();
        notes.push(format!(
            "Imported from {}: no response time from the intended start, no schedule lag, no CPU of the generator, no \
             bytes. Its service times are those of all requests, errors included.",
            self.engine
        ));
        if self.started_ms.is_none() {
            notes.push("The files do not say when the run was.".to_owned());
        }
        if self.service.is_none() {
            notes.push("There are percentiles alone, no distribution.".to_owned());
        }
        let spec = PlanSpec {
            request: self.engine.clone(),
            toml: String::new(),
            base_url: None,
            load: Load::Closed,
            varies: false,
            connections: 0,
            threads: None,
            duration_s: seconds,
            warmup_s: 0.0,
            timeout_s: 0.0,
            insecure_tls: false,
        };
        let started_ms = self.started_ms.unwrap_or(0.0);
        let (environment_id, environment_name) = environment.unzip();
        let given = |(q, ms): &(f64, f64)| Percentile { q: *q, ms: *ms };
        Run {
            schema: "perfdeck.run/1".to_owned(),
            id,
            name,
            environment_id,
            environment_name,
            part_of: None,
            engine: format!("{} (imported)", self.engine),
            spec: RunSpec::Plan(spec),
            resolved: Vec::new(),
            state: RunState::Completed,
            started_ms,
            finished_ms: self.finished_ms.unwrap_or(started_ms + seconds * 1e3),
            duration_s: seconds,
            requests: self.requests,
            errors: self.errors,
            rate_per_s: rate(self.requests, self.errors, seconds),
            target_rate_per_s: None,
            bytes_received: 0,
            response_ms: None,
            service_ms: times(self.service.as_ref(), self.requests, &self.percentiles, self.mean_ms),
            // Its times have the errors among them already.
            judged_ms: None,
            schedule_lag_ms: None,
            client_cpu_s: None,
            facts: std::collections::BTreeMap::new(),
            masked_tag: String::new(),
            steps: self.steps.iter().map(|s| step(s, seconds)).collect(),
            stages: Vec::new(),
            iterations: None,
            thresholds: Vec::new(),
            valid: reasons.is_empty(),
            invalid_reasons: reasons,
            footing: Footing::default(),
            notes,
            errors_by_class: classes(self.steps.iter().flat_map(|s| &s.errors_by)),
            statuses: self
                .statuses
                .iter()
                .map(|(status, count)| StatusCount { status: *status, count: *count })
                .collect(),
            intervals: self.intervals.iter().map(interval).collect(),
            curve: self.service.as_ref().map_or_else(|| self.percentiles.iter().map(given).collect(), curve),
            response_histogram: String::new(),
            service_histogram: self.service.as_ref().map(packed).unwrap_or_default(),
            lag_histogram: String::new(),
            timeout_histogram: String::new(),
            machine,
        }
    }
}
