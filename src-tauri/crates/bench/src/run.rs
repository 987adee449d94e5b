//! One run: what it needs, its threads from start to end, and its result.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, BenchLive, BenchPhase, HttpBenchSpec, Load, RunSpec};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::abort::ErrorWatch;
use crate::ceiling;
use crate::cpu;
use crate::full::Program;
use crate::http1::Asked;
use crate::outcome::{Ended, finished};
use crate::plan_run::{judge, thresholds_of_request};
use crate::quota::{self, Quotas};
use crate::raw::Wire;
use crate::record::Record;
use crate::setup::{Error, Finished, LoadEngine, RunContext, Setup, stopped_early};
use crate::shared::{Shared, Times};
use crate::stages::Stage;
use crate::target::{Target, lookup, redacted, target, validate};
use crate::threads::{StopOnDrop, join, start_threads};
use crate::tls_words;
use crate::tries::patience;
use crate::view::View;

/// Runs an HTTP benchmark to its end, or until `cancel`; then the run holds the figures until that moment.
///
/// `progress` is called at most ten times a second from this task.
///
/// # Errors
/// When the plan is refused, the host has no address, or no generator thread can be started.
pub async fn run_http(
    spec: HttpBenchSpec,
    context: RunContext,
    progress: impl Fn(BenchLive) + Send + Sync + 'static,
    cancel: CancellationToken,
) -> Result<Finished, Error> {
    let thresholds = thresholds_of_request(&spec)?;
    let setup = tokio::select! {
        setup = setup_of(spec) => setup?,
        () = cancel.cancelled() => return Err(stopped_early()),
    };
    let mut finished = drive(setup, context, progress, cancel).await?;
    finished.run.thresholds = judge(&thresholds, &finished.run);
    Ok(finished)
}

/// What is known of an HTTP benchmark before it begins.
pub(crate) async fn setup_of(spec: HttpBenchSpec) -> Result<Setup, ApiError> {
    validate(&spec)?;
    let target = target(&spec)?;
    let addresses = lookup(&target.host, target.port).await?;
    Ok(Setup {
        spec: RunSpec::Http(redacted(&spec)),
        steps: Vec::new(),
        resolved: addresses.iter().map(|a| a.ip().to_string()).collect(),
        co_located: addresses.first().is_some_and(|a| a.ip().is_loopback()),
        connections: usize::try_from(spec.connections).unwrap_or(1),
        threads: spec.threads,
        rate_per_s: match spec.load {
            Load::Closed => None,
            Load::Rate { rate_per_s } => Some(rate_per_s),
        },
        stages: Vec::new(),
        varies: false,
        warmup: Duration::from_secs_f64(spec.warmup_s),
        until_steady: false,
        measured: Duration::from_secs_f64(spec.duration_s),
        engine: engine_of(&spec, target, addresses)?,
    })
}

fn engine_of(spec: &HttpBenchSpec, target: Target, addresses: Vec<SocketAddr>) -> Result<LoadEngine, ApiError> {
    if target.tls {
        return Ok(LoadEngine::Full(Arc::new(Program::of_request(spec, target, addresses)?)));
    }
    Ok(LoadEngine::Raw(Arc::new(Wire {
        request: target.bytes(),
        addresses,
        timeout: Duration::from_secs_f64(spec.timeout_s),
        asked: Asked::of(&target.head),
        idempotent: spec.method.is_idempotent(),
        contact: Arc::default(),
    })))
}

/// Generator threads when none are asked for. The raw engines need little and leave the processors to a target beside
/// them; the full engine does several times the work for each request, so that one thread of it is soon the limit.
fn usual_threads(engine: &LoadEngine) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match engine {
        LoadEngine::Raw(_) | LoadEngine::Cache(_) => (cores / 4).max(1),
        LoadEngine::Full(_) => (cores / 2).max(2).min(cores),
    }
}

/// How long before the measured time its threads are told when a warm-up has settled.
const NOTICE: Duration = Duration::from_millis(250);

/// Starts the threads, shows what they do, ends them, and adds up what they recorded.
pub(crate) async fn drive(
    setup: Setup,
    context: RunContext,
    progress: impl Fn(BenchLive) + Send + Sync + 'static,
    cancel: CancellationToken,
) -> Result<Finished, Error> {
    drive_under(&Quotas::of_this_process(), setup, context, progress, cancel).await
}

/// The same under these quotas.
pub(crate) async fn drive_under(
    quotas: &Quotas,
    mut setup: Setup,
    context: RunContext,
    progress: impl Fn(BenchLive) + Send + Sync + 'static,
    cancel: CancellationToken,
) -> Result<Finished, Error> {
    context.knows(&setup.resolved)?;
    let threads = setup.threads.map_or_else(|| usual_threads(&setup.engine), |t| usize::try_from(t).unwrap_or(1));
    let threads = threads.clamp(1, setup.connections);
    cpu::allow_connections(setup.connections, threads)?;
    let stages = setup.stages.iter().map(Stage::end).collect();
    let shared = Arc::new(Shared::new(setup.rate_per_s, threads, setup.steps.len()).with_stages(stages));
    // Dropping the run (a killed job) stops the threads too.
    let _guard = StopOnDrop(shared.clone());
    let total = |warmup: Duration| (warmup + setup.measured).as_secs_f64();
    let mut view = View::new(&shared, &context.run_id, context.clock.clone(), total(setup.warmup));
    view.look(BenchPhase::Connecting, 0.0).into_iter().for_each(&progress);
    let ceiling_per_s = tokio::select! {
        ceiling = ceiling::measure(&setup, threads) => ceiling,
        () = cancel.cancelled() => return Err(stopped_early()),
    };
    let (ready, mut opened) = mpsc::unbounded_channel();
    let (go, times) = watch::channel(None);
    let workers = start_threads(&setup.engine, "load", &shared, setup.connections, &ready, &times)?;
    drop(ready);

    let mut tick = tokio::time::interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut silence = setup.engine.silence();
    // Each thread answers within its own deadline, whether it could open its connections or not.
    let mut waiting = threads;
    while waiting > 0 {
        tokio::select! {
            done = opened.recv() => match done {
                Some(()) => waiting -= 1,
                None => break,
            },
            // The threads notice by themselves; nothing that they still wait for is waited for here.
            () = cancel.cancelled() => return Err(stopped_early()),
            reason = context.abort.pulled() => {
                shared.abort(reason);
                break;
            }
            _ = tick.tick() => {
                if let Some(reason) = silence.look(Instant::now(), false) {
                    shared.abort(reason);
                    break;
                }
                view.look(BenchPhase::Connecting, 0.0).into_iter().for_each(&progress);
            }
        }
    }
    if let Some(reason) = shared.stopped_because.get() {
        return Err(Error::Start(reason.clone()));
    }
    // A short head start, so that all threads are there when the first request is due.
    let head_start = Duration::from_millis(5);
    let start = Instant::now() + head_start;
    let started_ms = context.clock.now_ms() + head_start.as_secs_f64() * 1e3;
    let mut times = Times { start, measure: start + setup.warmup, end: start + setup.warmup + setup.measured };
    go.send_replace(Some(times));
    silence.begins(start);
    view.begins(start);

    let work = join(workers);
    tokio::pin!(work);
    let mut stopping = false;
    // Looked at again when the measured time begins.
    let (mut held_back, mut measuring) = (quotas.look(), false);
    let mut errors = ErrorWatch::new(context.max_error_share);
    let patience = patience(Duration::try_from_secs_f64(setup.spec.timeout_s()).unwrap_or_default());
    let records = loop {
        tokio::select! {
            records = &mut work => break records?,
            () = cancel.cancelled(), if !stopping => {
                stopping = true;
                shared.stop_now();
            }
            reason = context.abort.pulled(), if !stopping => {
                stopping = true;
                shared.abort(reason);
            }
            _ = tick.tick() => {
                let now = Instant::now();
                // A schedule may begin late; a closed loop begins at once, also with what it waits for to send.
                let asked = shared.first_sent.get().copied();
                let asked = asked.or((setup.rate_per_s.is_none() || view.seen.1 > 0).then_some(times.start));
                let silent = asked.and_then(|at| {
                    silence.begins(at);
                    silence.look(now, true).or_else(|| {
                        let unanswered = !silence.is_told() && !shared.answered.load(Ordering::Relaxed);
                        (unanswered && now.saturating_duration_since(at) >= patience)
                            .then(|| no_answer(patience, shared.first_failure.get()))
                    })
                });
                if let Some(reason) = silent.filter(|_| !stopping) {
                    stopping = true;
                    shared.give_up(reason);
                }
                if let Some(reason) = errors.look(now, view.seen.0, view.seen.1).filter(|_| !stopping) {
                    stopping = true;
                    shared.abort(reason);
                }
                if setup.until_steady && shared.settled.get().is_none() && now + NOTICE < times.measure && view.has_settled(now) {
                    times.measure = now + NOTICE;
                    times.end = times.measure + setup.measured;
                    let _ = shared.settled.set(times);
                    view.lasts(times.end.saturating_duration_since(start).as_secs_f64());
                }
                if !measuring && now >= times.measure {
                    (held_back, measuring) = (quotas.look(), true);
                }
                let phase = if now < times.measure {
                    BenchPhase::WarmUp
                } else if now < times.end && !shared.stop.load(Ordering::Relaxed) {
                    BenchPhase::Measuring
                } else {
                    BenchPhase::Draining
                };
                view.look(phase, now.saturating_duration_since(start).as_secs_f64()).into_iter().for_each(&progress);
            }
        }
    };
    let throttled = quota::between(held_back, quotas.look());
    let stopped_at = shared.stopped_at.get().copied().filter(|at| *at < times.end);
    let elapsed = stopped_at.unwrap_or(times.end).saturating_duration_since(start);
    let live = view.look(BenchPhase::Finished, elapsed.as_secs_f64());
    let mut total: Option<Record> = None;
    for mut record in records {
        record.closed.drain(..).for_each(|second| view.seconds.add(second));
        match &mut total {
            Some(total) => total.merge(record),
            None => total = Some(record),
        }
    }
    let total = total.ok_or_else(|| Error::Generator("none was started".to_owned()))?;
    let (requests, errors) = (total.requests, total.failed);
    live.into_iter().for_each(|live| progress(BenchLive { requests, errors, in_flight: 0, ..live }));
    setup.warmup = times.measure.saturating_duration_since(start);
    // Asked only when nothing was answered: some servers note a stranger in their log.
    let strange = total.failed == total.requests && total.errors.are_strange();
    let speaks = match setup.engine.web().filter(|_| strange) {
        Some((at, port, tls)) => tls_words::other_protocol(&at, port, tls).await,
        None => None,
    };
    let ended = Ended {
        speaks,
        started_ms: started_ms + setup.warmup.as_secs_f64() * 1e3,
        measured: stopped_at.map_or(setup.measured, |at| at.saturating_duration_since(times.measure)),
        early: stopped_at.is_some(),
        // A target that answers nothing is one also when the run was too short to see it.
        because: shared
            .stopped_because
            .get()
            .filter(|_| stopped_at.is_some() || shared.unanswered.get().is_some())
            .cloned(),
        settled: setup.until_steady.then(|| shared.settled.get().is_some()),
        threads,
        engine: setup.engine.name(),
        ceiling_per_s,
        throttled,
    };
    Ok(finished(setup, context, ended, total, view.seconds))
}

/// Why a run ends whose target has answered nothing.
fn no_answer(patience: Duration, failure: Option<&String>) -> String {
    let so = format!("the target has not answered anything within {} s", patience.as_secs_f64());
    match failure {
        Some(failure) => format!("{so}: {failure}"),
        None => format!("{so}; a longer time-out is waited for"),
    }
}
