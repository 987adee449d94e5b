//! The records of all threads as a run.
use std::time::Duration;

use hdrhistogram::Histogram;
use perfdeck_model::{CeilingKind, Footing, Run, RunSpec, RunState, StepResult};

use crate::judge::judge;
use crate::quota::Throttled;
use crate::record::{Errors, Late, Record, Tally};
use crate::seconds::Seconds;
use crate::setup::{Finished, LoadEngine, RunContext, Setup, StepInfo};
use perfdeck_stats::histogram::{curve, latency, packed};
use perfdeck_stats::judged;

/// How a run went, besides what its threads recorded.
pub(crate) struct Ended {
    /// Start of the measured time.
    pub(crate) started_ms: f64,
    /// What was measured.
    pub(crate) measured: Duration,
    /// What is wrong with the scheme of a URL that gave no response.
    pub(crate) speaks: Option<String>,
    /// It was stopped before its end.
    pub(crate) early: bool,
    /// Why, when not by the user.
    pub(crate) because: Option<String>,
    /// Whether a warm-up that was to end by itself did.
    pub(crate) settled: Option<bool>,
    pub(crate) threads: usize,
    pub(crate) engine: &'static str,
    pub(crate) ceiling_per_s: Option<f64>,
    /// What a CPU quota held back in the measured time, where the system tells.
    pub(crate) throttled: Option<Throttled>,
}

fn rate(completed: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { completed / seconds } else { 0.0 }
}

/// What was recorded of one step.
struct Recorded<'a> {
    requests: u64,
    failed: u64,
    completed: f64,
    misses: u64,
    response: &'a Histogram<u64>,
    service: &'a Histogram<u64>,
    late: &'a Late,
    errors: &'a Errors,
}

fn step(info: &StepInfo, recorded: &Recorded<'_>, seconds: f64, timeout_s: f64) -> StepResult {
    let mut step = StepResult {
        name: info.name.clone(),
        kind: info.kind.to_owned(),
        request: info.request.clone(),
        requests: recorded.requests,
        errors: recorded.failed,
        rate_per_s: rate(recorded.completed, seconds),
        response_ms: Some(latency(recorded.response)),
        service_ms: latency(recorded.service),
        judged_ms: None,
        misses: info.reads.then_some(recorded.misses),
        errors_by_class: recorded.errors.counts(),
        response_histogram: packed(recorded.response),
        service_histogram: packed(recorded.service),
        timeout_histogram: recorded.late.packed(),
    };
    step.judged_ms = judged::of_step(&step, timeout_s).0.and_then(|judged| judged.summary());
    step
}

/// The steps of a plan; a plan of one step has the figures of the whole run.
fn steps(setup: &Setup, total: &Record, seconds: f64) -> Vec<StepResult> {
    let timeout_s = setup.spec.timeout_s();
    if let [only] = setup.steps.as_slice() {
        let Record { requests, failed, completed, misses, times, late, errors, .. } = total;
        let (requests, failed, completed, misses) = (*requests, *failed, *completed, *misses);
        let (response, service) = (&times.response, &times.service);
        let recorded = Recorded { requests, failed, completed, misses, response, service, late, errors };
        return vec![step(only, &recorded, seconds, timeout_s)];
    }
    let open_loop = setup.rate_per_s.is_some();
    let of_tally = |(info, tally): (&StepInfo, &Tally)| {
        let Tally { requests, failed, completed, misses, response, service, late, errors } = tally;
        let (requests, failed, completed, misses) = (*requests, *failed, *completed, *misses);
        // In a closed loop service is response, and recorded once.
        let (response, service) = (response.get(), if open_loop { service.get() } else { response.get() });
        let recorded = Recorded { requests, failed, completed, misses, response, service, late, errors };
        step(info, &recorded, seconds, timeout_s)
    };
    setup.steps.iter().zip(&total.steps).map(of_tally).collect()
}

/// The result of a run.
pub(crate) fn finished(setup: Setup, context: RunContext, ended: Ended, total: Record, seconds: Seconds) -> Finished {
    let duration_s = ended.measured.as_secs_f64();
    let (intervals, histograms) = seconds.intervals(ended.started_ms, duration_s);
    let threads = u32::try_from(ended.threads).ok();
    let steps = steps(&setup, &total, duration_s);
    let stages = setup.stages.iter().zip(&total.stages);
    let stages = stages.filter_map(|(s, tally)| s.result(tally, duration_s, setup.rate_per_s.is_some())).collect();
    let transactions = match &setup.engine {
        LoadEngine::Full(program) if program.is_transaction() => Some(program.steps.len()),
        _ => None,
    };
    let mut spec = setup.spec;
    match &mut spec {
        RunSpec::Http(http) => http.threads = threads,
        RunSpec::Plan(plan) => (plan.threads, plan.warmup_s) = (threads, setup.warmup.as_secs_f64()),
    }
    let state = match (&ended.because, ended.early) {
        (Some(_), _) => RunState::Aborted,
        (None, true) => RunState::Cancelled,
        (None, false) => RunState::Completed,
    };
    let mut run = Run {
        schema: "perfdeck.run/1".to_owned(),
        id: context.run_id,
        name: context.name,
        environment_id: context.environment_id,
        environment_name: context.environment_name,
        part_of: None,
        engine: ended.engine.to_owned(),
        iterations: spec.plan().is_some().then_some(total.iterations),
        spec,
        resolved: setup.resolved,
        state,
        started_ms: ended.started_ms,
        finished_ms: ended.started_ms + duration_s * 1e3,
        duration_s,
        requests: total.requests,
        errors: total.failed,
        rate_per_s: rate(total.completed, duration_s),
        target_rate_per_s: setup.rate_per_s,
        bytes_received: total.bytes,
        response_ms: Some(latency(&total.times.response)),
        service_ms: latency(&total.times.service),
        judged_ms: None,
        schedule_lag_ms: setup.rate_per_s.map(|_| latency(&total.times.lag)),
        client_cpu_s: Some(total.cpu_s.unwrap_or(0.0)),
        facts: std::collections::BTreeMap::new(),
        masked_tag: String::new(),
        steps,
        stages,
        thresholds: Vec::new(),
        valid: true,
        invalid_reasons: Vec::new(),
        footing: Footing {
            ceiling_per_s: ended.ceiling_per_s,
            ceiling_kind: ended.ceiling_per_s.map(|_| CeilingKind::Measured),
            co_located: Some(setup.co_located),
            throttled_s: ended.throttled.map(|t| t.seconds),
            throttled_periods: ended.throttled.map(|t| t.periods),
            ..Footing::default()
        },
        notes: ended.because.into_iter().chain(ended.speaks.clone()).collect(),
        errors_by_class: total.errors.counts(),
        statuses: total.statuses(),
        intervals,
        curve: curve(&total.times.response),
        response_histogram: packed(&total.times.response),
        service_histogram: packed(&total.times.service),
        lag_histogram: setup.rate_per_s.map(|_| packed(&total.times.lag)).unwrap_or_default(),
        timeout_histogram: total.late.packed(),
        machine: context.machine,
    };
    if let Some(n) = transactions {
        run.notes
            .push(format!("figures are those of whole transactions of {n} statements each, as pgbench -f gives them"));
    }
    run.judged_ms = judged::response(&run).and_then(|judged| judged.summary());
    judge(&mut run, &total, ended.threads, setup.varies, ended.settled);
    if let (Some(speaks), Some(reason)) = (ended.speaks, run.invalid_reasons.first_mut()) {
        // The first reason is that there was no successful response.
        reason.push_str("; ");
        reason.push_str(&speaks);
    }
    Finished { run, seconds: histograms }
}
