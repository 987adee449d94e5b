//! What an exported locustfile counted: `perfdeck.ndjson`.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::figures::{Figures, micros};
use super::{ImportError, Imported, at, locust_csv, short, text};

#[derive(Deserialize)]
struct Line {
    schema: String,
    step: String,
    requests: u64,
    errors: u64,
    started_ms: f64,
    finished_ms: f64,
    errors_by: BTreeMap<String, u64>,
    service_us: Vec<(u64, u64)>,
    seconds: Vec<(u64, u64, u64)>,
    #[serde(default)]
    workers: u64,
    #[serde(default)]
    workers_done: u64,
}

/// Reads the exact counts where they are there, Locust's own files otherwise.
pub(super) fn read(files: &[(String, Vec<u8>)]) -> Result<Imported, ImportError> {
    let mut texts = Vec::new();
    for (file, bytes) in files {
        texts.push((file.as_str(), text(file, bytes)?));
    }
    let (exact, own): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(_, text)| text.trim_start().starts_with('{'));
    if exact.is_empty() {
        return locust_csv::read(&own);
    }
    let mut all = counts(&exact)?;
    if !own.is_empty() {
        all.notes.push("Locust's own files were left out: the counts in perfdeck.ndjson are exact.".to_owned());
    }
    Ok(all)
}

/// What is wrong with a line's numbers.
fn problem(line: &Line) -> Option<&'static str> {
    let time = |ms: f64| (1e11..1e14).contains(&ms);
    let sum = |mut counts: &mut dyn Iterator<Item = u64>| Iterator::try_fold(&mut counts, 0u64, u64::checked_add);
    let failed = sum(&mut line.errors_by.values().copied());
    if line.schema != "perfdeck.locust/1" {
        return Some("its schema is not perfdeck.locust/1");
    }
    if !time(line.started_ms) || !time(line.finished_ms) || line.finished_ms < line.started_ms {
        return Some("its start and end are no times");
    }
    if line.errors > line.requests || failed != Some(line.errors) {
        return Some("its errors do not add up");
    }
    if sum(&mut line.service_us.iter().map(|(_, n)| *n)) != Some(line.requests) {
        return Some("its service times do not add up to its requests");
    }
    if sum(&mut line.seconds.iter().map(|(_, n, _)| *n)) != Some(line.requests) {
        return Some("its seconds do not add up to its requests");
    }
    line.seconds.iter().any(|(t, n, failed)| *t > 1_000_000 || failed > n).then_some("a second cannot be like this")
}

fn counts(files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    let mut figures = Figures::default();
    let (mut started, mut finished) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut missing = false;
    for (file, text) in files {
        for (i, raw) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |e: serde_json::Error| at(file, i + 1, format!("it is no step: {}", short(&e.to_string())));
            let line: Line = serde_json::from_str(raw).map_err(wrong)?;
            if let Some(message) = problem(&line) {
                return Err(at(file, i + 1, message));
            }
            started = started.min(line.started_ms);
            finished = finished.max(line.finished_ms);
            missing |= line.workers_done < line.workers;
            let step = figures.step(&line.step);
            step.requests = step.requests.saturating_add(line.requests);
            step.errors = step.errors.saturating_add(line.errors);
            line.errors_by.iter().for_each(|(message, count)| step.messages.add(message, *count));
            for (us, count) in line.service_us.iter().filter(|(_, count)| *count > 0) {
                let us = micros(*us as f64 / 1e3).ok_or_else(|| at(file, i + 1, format!("{us} µs is no time")))?;
                step.time(us, *count);
            }
            for (t, requests, errors) in &line.seconds {
                let t_ms = line.started_ms + *t as f64 * 1e3;
                if let Some(second) = figures.second(t_ms) {
                    second.requests = second.requests.saturating_add(*requests);
                    second.errors = second.errors.saturating_add(*errors);
                }
            }
        }
    }
    if figures.steps.is_empty() {
        return Err(ImportError::Nothing("there are no steps in the files".to_owned()));
    }
    let mut all = figures.into_imported("Locust");
    // Seconds are counted from the start, not from whole seconds of the clock.
    let shift = started % 1e3;
    all.intervals.iter_mut().for_each(|second| second.t_ms += shift);
    (all.started_ms, all.finished_ms) = (Some(started), Some(finished));
    all.notes.push("Service times have three significant digits.".to_owned());
    if missing {
        all.notes.push("Not all workers reported to the end; what they counted last is missing.".to_owned());
    }
    Ok(all)
}
