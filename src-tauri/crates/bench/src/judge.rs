//! Whether the figures of a run can be trusted, and what a reader must know about them.
//!
//! The gate of an open loop is the one of the-benchmarker's HttpArena: at least 99 % of the target rate, and a p99 of
//! the schedule lag within max(1 ms, 10 % of the median service time).
use perfdeck_model::{CeilingKind, LatencyMs, Run, RunState, StageResult};

use perfdeck_stats::judged::ENOUGH;
use perfdeck_stats::{autocorrelation, steady};

use crate::limits::{LAG_MS, LAG_OF_SERVICE, RATE};
use crate::pacing::is_precise;
use crate::record::Record;

/// The share of a core per thread above which the generator may be the limit.
const BUSY: f64 = 0.8;
/// The share of what the generator reaches against a target that does nothing, above which it may be the limit.
const CEILING: f64 = 0.7;
/// The share of the measured time for which a CPU quota may hold the load generator back.
const HELD_BACK: f64 = 0.001;

/// Fills in `valid`, `invalid_reasons`, `notes` and the footing. `varies` tells that stages change the level,
/// `settled` whether a warm-up that was to end by itself did.
pub(crate) fn judge(run: &mut Run, total: &Record, threads: usize, varies: bool, settled: Option<bool>) {
    let succeeded = run.requests.saturating_sub(run.errors);
    let mut reasons = Vec::new();
    let share = total.cpu_s.map(|cpu| cpu / (threads as f64 * run.duration_s).max(1e-3));
    certify(run, share, varies);
    if succeeded == 0 {
        // What was never sent says less than what was tried.
        let tried = run.errors_by_class.iter().find(|e| e.class != "shed").or(run.errors_by_class.first());
        let why = tried.map(|e| &e.sample).or_else(|| run.notes.first().filter(|_| run.state == RunState::Aborted));
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        reasons.push(format!("no successful response{why}"));
    } else if run.requests < ENOUGH {
        reasons.push(format!("only {} requests with an outcome; a run needs at least {ENOUGH}", run.requests));
    }
    if succeeded > 0 && total.cut > 0 && total.cut >= total.iterations {
        reasons.push("no iteration came to its end, so none has a rate".to_owned());
    }
    if run.target_rate_per_s.is_some() {
        open_loop(run, total, &mut reasons);
    }
    let paused_s = total.paused_us as f64 / 1e6;
    if paused_s > 0.0 && paused_s > run.duration_s * (1.0 - RATE) {
        reasons.push(paused(paused_s));
    }
    if let Some(local) = run.errors_by_class.iter().find(|e| e.class == "local") {
        reasons.push(format!("this machine ran out of files or ports {} times: {}", local.count, local.sample));
    }
    run.valid = reasons.is_empty();
    run.invalid_reasons = reasons;
    let notes = notes(run, total, settled);
    run.notes.extend(notes);
}

/// Whether the load generator had no processor left: then its figures are its own and not the target's.
pub fn is_busy(run: &Run) -> bool {
    run.footing.generator_cpu_share.is_some_and(|share| share > BUSY)
}

/// What tells of the run's circumstances without judging them.
fn certify(run: &mut Run, generator_cpu_share: Option<f64>, varies: bool) {
    let whole = run.intervals.iter().filter(|i| i.duration_s > 0.99);
    let (rates, medians): (Vec<f64>, Vec<Option<f64>>) =
        whole.map(|i| (i.requests.saturating_sub(i.errors) as f64, i.p50)).unzip();
    let logs: Option<Vec<f64>> = medians.iter().map(|p| p.filter(|p| *p > 0.0).map(f64::ln)).collect();
    let long = rates.len() >= steady::SHORTEST;
    let footing = &mut run.footing;
    footing.generator_cpu_share = generator_cpu_share;
    footing.precise_timer = Some(is_precise());
    if let (None, Some(share)) = (footing.ceiling_per_s, generator_cpu_share.filter(|share| *share > 0.0)) {
        footing.ceiling_per_s = Some(run.rate_per_s / share).filter(|ceiling| *ceiling > 0.0);
        footing.ceiling_kind = footing.ceiling_per_s.map(|_| CeilingKind::Projected);
    }
    footing.ceiling_share = footing.ceiling_per_s.filter(|c| *c > 0.0).map(|c| run.rate_per_s / c);
    footing.autocorrelation =
        logs.filter(|_| long).and_then(|logs| autocorrelation::measure(&logs)).map(|measured| measured.lag1);
    footing.steady = (long && !varies).then(|| steady::holds(&rates, &medians));
}

fn notes(run: &Run, total: &Record, settled: Option<bool>) -> Vec<String> {
    let mut notes = Vec::new();
    let c = &run.footing;
    match run.state {
        RunState::Cancelled => notes.push("stopped before its end; the figures cover the time until then".to_owned()),
        // One whose target answered nothing may have been given up after its end.
        RunState::Aborted if run.duration_s + 1e-3 < run.spec.duration_s() => {
            notes.push("aborted before its end; the figures cover the time until then".to_owned());
        }
        RunState::Completed | RunState::Interrupted | RunState::Aborted => {}
    }
    if total.unfinished > 0 {
        notes.push(format!(
            "{} requests had no outcome yet when it was stopped; they are in no figure",
            total.unfinished
        ));
    }
    let failed = run.errors as f64 / (run.requests as f64).max(1.0) * 100.0;
    if failed > 1.0 && run.errors < run.requests {
        notes.push(format!(
            "{failed:.1} % of the requests failed; response and service times are those of the others, what is judged counts \
             them in"
        ));
    }
    if settled == Some(false) {
        notes.push("the warm-up ended at its longest, before rate and latency had settled".to_owned());
    }
    if c.steady == Some(false) {
        notes.push("rate or latency changed level during the measured time; a longer warm-up may help".to_owned());
    }
    match c.generator_cpu_share {
        None => notes.push("this system does not tell the load generator's CPU time".to_owned()),
        Some(share) if share > BUSY => notes.push(format!(
            "client-limited: the load generator used {:.0} % of a core per thread, so the figures may be its limit and \
             not the target's; use more threads",
            share * 100.0
        )),
        Some(_) => {}
    }
    let measured = c.ceiling_kind == Some(CeilingKind::Measured);
    // A projected one says no more than the CPU time that it comes from.
    if let Some(share) = c.ceiling_share.filter(|share| measured && *share > CEILING) {
        notes.push(format!(
            "client-limited: {:.0} % of what the load generator reaches here against a target that does nothing; use \
             more threads or another machine",
            share * 100.0
        ));
    }
    if let (Some(seconds), Some(periods)) = (c.throttled_s, c.throttled_periods)
        && periods > 0
    {
        notes.push(throttled(seconds, periods, run.duration_s));
    }
    let paused_s = total.paused_us as f64 / 1e6;
    if paused_s > 0.0 && paused_s <= run.duration_s * (1.0 - RATE) {
        notes.push(paused(paused_s));
    }
    if c.precise_timer == Some(false) && run.target_rate_per_s.is_some() {
        notes.push("this system's timer does not hold a schedule to less than a millisecond".to_owned());
    }
    if c.co_located == Some(true) {
        notes.push("generator and target share this machine".to_owned());
    }
    if run.spec.insecure_tls() {
        notes.push("the target's certificate was not checked".to_owned());
    }
    if run.spec.plan().is_some_and(|plan| plan.varies) {
        notes.push("the load changed in stages, so figures of the whole run mix all levels".to_owned());
    }
    let broken =
        run.stages.iter().enumerate().filter_map(|(i, stage)| Some((i, stage, stage.invalid_reason.as_ref()?)));
    notes.extend(broken.map(|(i, stage, why)| {
        format!("stage {}, {}: {why}, so its figures do not stand for its level", i + 1, stage_words(stage))
    }));
    notes
}

/// What a CPU quota did to the generator, for a person.
fn throttled(seconds: f64, periods: u64, duration_s: f64) -> String {
    let so = if seconds > duration_s * HELD_BACK {
        "client-limited: times of up to a period (usually 100 ms) are the quota's and not the target's"
    } else {
        "the slowest times may be the quota's"
    };
    format!(
        "{so}: the CPU quota of the load generator's cgroup held it back {periods} times, {seconds:.2} s in {duration_s:.1} s"
    )
}

/// What it means that the generator did not run, for a person.
fn paused(seconds: f64) -> String {
    format!(
        "the load generator itself stood still for {seconds:.2} s, stopped or without a processor: times that long are its own \
         and not the target's; use a quieter machine"
    )
}

/// A stage for a person.
fn stage_words(stage: &StageResult) -> String {
    match stage.kind.as_str() {
        "hold" => format!("hold at {}/s", stage.to),
        kind => format!("{kind} to {}/s", stage.to),
    }
}

fn open_loop(run: &mut Run, total: &Record, reasons: &mut Vec<String>) {
    let none = LatencyMs::default();
    let lag = run.schedule_lag_ms.as_ref().unwrap_or(&none);
    // What was late because the pacer was, against all that was late.
    let (woke_late_us, late_us) = (total.woke_late_us as f64, total.late_us as f64);
    let cause = if is_busy(run) {
        "the load generator's processor was busy; use more threads or a lower rate"
    } else if woke_late_us > late_us / 2.0 {
        "the load generator did not get the processor in time; use a quieter or another machine"
    } else {
        "all connections were waiting for the target; use more connections or a lower rate"
    };
    let scheduled = total.iterations + total.unfinished;
    let achieved = if scheduled > 0 { total.began_in_time as f64 / scheduled as f64 } else { 0.0 };
    // One request more or less at the edges is not a missed rate.
    if scheduled > 0 && achieved + 1.5 / (scheduled as f64) < RATE {
        reasons.push(format!(
            "{:.1} % of the target rate was sent in time; at least {:.0} % is needed: {cause}",
            achieved * 100.0,
            RATE * 100.0
        ));
    }
    let limit = (run.service_ms.p50.unwrap_or(0.0) * LAG_OF_SERVICE).max(LAG_MS);
    if let Some(late) = lag.p99.filter(|late| *late > limit) {
        reasons.push(format!(
            "requests started late: p99 of the schedule lag is {late:.2} ms, over {limit:.2} ms: {cause}"
        ));
    }
    let lag_p99_ms = lag.p99;
    let footing = &mut run.footing;
    footing.rate_share = (scheduled > 0).then_some(achieved);
    (footing.lag_p99_ms, footing.lag_limit_ms) = (lag_p99_ms, Some(limit));
}
