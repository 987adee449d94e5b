//! One run: what it needs, its threads from start to end, and its result.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, BenchLive, BenchPhase, Clock, ErrorCode, HttpBenchSpec, Load, Machine, Run, RunSpec};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::abort::{AbortSwitch, ErrorWatch};
use crate::ceiling;
use crate::contact::Silence;
use crate::cpu;
use crate::full::{self, Program};
use crate::http1::Asked;
use crate::outcome::{Ended, StepInfo, finished};
use crate::quota::{self, Quotas};
use crate::raw::{self, Wire};
use crate::record::Record;
use crate::resp::CacheLoad;
use crate::shared::{Shared, Times};
use crate::stages::Stage;
use crate::target::{Target, lookup, redacted, target, validate};
use crate::tls_words;
use crate::tries::patience;
use crate::view::View;

/// What a run needs to know besides its plan.
pub struct RunContext {
    /// Identifier of the run.
    pub run_id: String,
    /// Name for a person.
    pub name: String,
    /// The environment it belongs to.
    pub environment_id: Option<String>,
    /// That environment's name.
    pub environment_name: Option<String>,
    /// The machine that generates the load.
    pub machine: Machine,
    /// Where wall-clock time comes from.
    pub clock: Arc<dyn Clock>,
    /// The run ends when a larger share of its newest requests fails, 0 to 1.
    pub max_error_share: Option<f64>,
    /// Ends the run from outside.
    pub abort: AbortSwitch,
    /// Addresses that were shown and that guards have seen; load goes nowhere else. Anywhere when absent.
    pub addresses: Option<Vec<String>>,
}

impl RunContext {
    /// A name can lead elsewhere between the look of the guards and the first request.
    fn knows(&self, resolved: &[String]) -> Result<(), ApiError> {
        let Some(known) = &self.addresses else { return Ok(()) };
        match resolved.iter().find(|address| !known.contains(address)) {
            None => Ok(()),
            Some(new) => {
                let before = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                Err(ApiError::new(
                    ErrorCode::Guarded,
                    format!("The target's name leads to {new} now; it led to {before} when it was checked"),
                )
                .hint("Nothing was sent. Start it again, and the guards look at the new address"))
            }
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its figures.
    pub run: Run,
    /// The histogram of each of its seconds, for [`crate::heatmap`].
    pub seconds: Vec<u8>,
}

/// Why a benchmark could not run. A run with errors in it is a result, not one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan is malformed, or its host has no address.
    #[error(transparent)]
    Plan(#[from] ApiError),
    /// It could not begin, such as for a login that failed.
    #[error("the run did not begin: {0}")]
    Start(String),
    /// A generator thread could not be started, or ended unexpectedly.
    #[error("a load generator thread failed: {0}")]
    Generator(String),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Plan(e) => e,
            Error::Start(_) => Self::new(perfdeck_model::ErrorCode::Unreachable, error.to_string()),
            Error::Generator(_) => Self::internal(error.to_string()),
        }
    }
}

/// What the threads of a run do.
#[derive(Clone)]
pub(crate) enum Engine {
    Raw(Arc<Wire>),
    Cache(Arc<CacheLoad>),
    Full(Arc<Program>),
}

impl Engine {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Raw(_) => concat!("perfdeck raw http/1.1 ", env!("CARGO_PKG_VERSION")),
            Self::Cache(_) => concat!("perfdeck raw resp ", env!("CARGO_PKG_VERSION")),
            Self::Full(_) => concat!("perfdeck full ", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Where an HTTP engine sends first: address, port and whether over TLS; `None` for others.
    fn web(&self) -> Option<(String, u16, bool)> {
        match self {
            Self::Raw(wire) => wire.addresses.first().map(|at| (at.ip().to_string(), at.port(), false)),
            Self::Full(program) if program.needs() == (false, false) => {
                let origin = program.origins.first()?;
                origin.addresses.first().map(|at| (at.ip().to_string(), at.port(), origin.tls))
            }
            Self::Full(_) | Self::Cache(_) => None,
        }
    }

    /// Waits for the first sign of an HTTP target; other targets say themselves when they do not answer.
    fn silence(&self) -> Silence {
        match self {
            Self::Raw(wire) => Silence::new(Some(wire.contact.clone()), wire.timeout),
            Self::Full(program) if program.needs() == (false, false) => {
                Silence::new(Some(program.dialer.contact.clone()), program.dialer.timeout)
            }
            Self::Full(_) | Self::Cache(_) => Silence::new(None, Duration::ZERO),
        }
    }
}

/// Everything about a run that is known before it begins.
pub(crate) struct Setup {
    /// As it is stored.
    pub(crate) spec: RunSpec,
    pub(crate) engine: Engine,
    pub(crate) steps: Vec<StepInfo>,
    pub(crate) resolved: Vec<String>,
    pub(crate) co_located: bool,
    pub(crate) connections: usize,
    pub(crate) threads: Option<u32>,
    /// Iterations per second on average, in an open loop.
    pub(crate) rate_per_s: Option<f64>,
    /// Stages of the load.
    pub(crate) stages: Vec<Stage>,
    /// They change the level.
    pub(crate) varies: bool,
    pub(crate) warmup: Duration,
    /// The warm-up ends before that when the figures have settled.
    pub(crate) until_steady: bool,
    pub(crate) measured: Duration,
}

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
    let setup = tokio::select! {
        setup = setup_of(spec) => setup?,
        () = cancel.cancelled() => return Err(stopped_early()),
    };
    drive(setup, context, progress, cancel).await
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

fn engine_of(spec: &HttpBenchSpec, target: Target, addresses: Vec<SocketAddr>) -> Result<Engine, ApiError> {
    if target.tls {
        return Ok(Engine::Full(Arc::new(Program::of_request(spec, target, addresses)?)));
    }
    Ok(Engine::Raw(Arc::new(Wire {
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
fn usual_threads(engine: &Engine) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match engine {
        Engine::Raw(_) | Engine::Cache(_) => (cores / 4).max(1),
        Engine::Full(_) => (cores / 2).max(2).min(cores),
    }
}

/// How long before the measured time its threads are told when a warm-up has settled.
const NOTICE: Duration = Duration::from_millis(250);

/// It was stopped before its first request, so that there is nothing to keep.
pub fn stopped_early() -> Error {
    Error::Plan(ApiError::new(ErrorCode::Cancelled, "The benchmark was stopped before it measured anything"))
}

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
    progress(view.look(BenchPhase::Connecting, 0.0));
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
                progress(view.look(BenchPhase::Connecting, 0.0));
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
                progress(view.look(phase, now.saturating_duration_since(start).as_secs_f64()));
            }
        }
    };
    let throttled = quota::between(held_back, quotas.look());
    let stopped_at = shared.stopped_at.get().copied().filter(|at| *at < times.end);
    let elapsed = stopped_at.unwrap_or(times.end).saturating_duration_since(start);
    let mut live = view.look(BenchPhase::Finished, elapsed.as_secs_f64());
    let mut total: Option<Record> = None;
    for mut record in records {
        record.closed.drain(..).for_each(|second| view.seconds.add(second));
        match &mut total {
            Some(total) => total.merge(record),
            None => total = Some(record),
        }
    }
    let total = total.ok_or_else(|| Error::Generator("none was started".to_owned()))?;
    (live.requests, live.errors, live.in_flight) = (total.requests, total.failed, 0);
    progress(live);
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

/// Starts the threads of a generator, which open their connections and wait for the moments of the run.
pub(crate) fn start_threads(
    engine: &Engine,
    name: &str,
    shared: &Arc<Shared>,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    times: &watch::Receiver<Option<Times>>,
) -> Result<Vec<oneshot::Receiver<Record>>, Error> {
    let (mut workers, threads) = (Vec::new(), shared.threads);
    for index in 0..threads {
        let share = connections / threads + usize::from(index < connections % threads);
        let (shared, engine, ready, times) = (shared.clone(), engine.clone(), ready.clone(), times.clone());
        let runtime = tokio::runtime::Handle::current();
        let (send, receive) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(move || {
                // The receiver is gone only when the run was dropped.
                let _ = send.send(match &engine {
                    Engine::Raw(wire) => raw::generate(&shared, &**wire, index, share, &ready, times, &runtime),
                    Engine::Cache(load) => raw::generate(&shared, &**load, index, share, &ready, times, &runtime),
                    Engine::Full(program) => full::generate(&shared, program, index, share, &ready, times),
                });
            })
            .map_err(|e| Error::Generator(e.to_string()))?;
        workers.push(receive);
    }
    Ok(workers)
}

/// Ends the threads of a generator when nobody waits for them any more.
pub(crate) struct StopOnDrop(pub(crate) Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

async fn join(workers: Vec<oneshot::Receiver<Record>>) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for worker in workers {
        records.push(worker.await.map_err(|_| Error::Generator("it ended without a result".to_owned()))?);
    }
    Ok(records)
}
