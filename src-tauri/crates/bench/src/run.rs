//! One run: start the threads, report progress, merge, judge.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, BenchLive, BenchPhase, Clock, HttpBenchSpec, Load, Machine, Method, Run, RunState};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::cpu;
use crate::full::{self, Dialer, tls_config};
use crate::judge::judge;
use crate::raw::{self, Wire};
use crate::record::{Record, Seconds, curve, latency, ms, packed};
use crate::shared::{Live, Shared, Times};
use crate::target::{Target, lookup, redacted, target, validate};

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
}

/// Why a benchmark could not run. A run with errors in it is a result, not one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan is malformed, or its host has no address.
    #[error(transparent)]
    Plan(#[from] ApiError),
    /// A generator thread could not be started, or ended unexpectedly.
    #[error("a load generator thread failed: {0}")]
    Generator(String),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Plan(e) => e,
            Error::Generator(_) => Self::internal(error.to_string()),
        }
    }
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
) -> Result<Run, Error> {
    validate(&spec)?;
    let target = target(&spec)?;
    let addresses = lookup(&target.host, target.port).await?;
    let loopback = addresses.first().is_some_and(|a| a.ip().is_loopback());
    let resolved: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let connections = usize::try_from(spec.connections).unwrap_or(1);
    let threads = spec.threads.map_or_else(|| (cores / 4).max(1), |t| usize::try_from(t).unwrap_or(1)).min(connections);
    let rate_per_s = match spec.load {
        Load::Closed => None,
        Load::Rate { rate_per_s } => Some(rate_per_s),
    };
    let engine = Engine::of(&spec, target, addresses)?;
    cpu::allow_connections(connections);
    let shared = Arc::new(Shared::new(rate_per_s, threads));
    // Dropping the run (a killed job) stops the threads too.
    let _guard = StopOnDrop(shared.clone());
    let (ready, mut opened) = mpsc::unbounded_channel();
    let (go, times) = watch::channel(None);
    let mut workers = Vec::new();
    for index in 0..threads {
        let share = connections / threads + usize::from(index < connections % threads);
        let (shared, engine, ready, times) = (shared.clone(), engine.clone(), ready.clone(), times.clone());
        let runtime = tokio::runtime::Handle::current();
        let (send, receive) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || {
                // The receiver is gone only when the run was dropped.
                let _ = send.send(match &engine {
                    Engine::Raw(wire) => raw::generate(&shared, &**wire, index, share, &ready, times, &runtime),
                    Engine::Full(dialer) => full::generate(&shared, dialer, index, share, &ready, times),
                });
            })
            .map_err(|e| Error::Generator(e.to_string()))?;
        workers.push(receive);
    }
    drop(ready);

    let mut view = View::new(&shared, &spec, &context);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Each thread answers within its own deadline, whether it could open its connections or not.
    let mut waiting = threads;
    while waiting > 0 {
        tokio::select! {
            done = opened.recv() => match done {
                Some(()) => waiting -= 1,
                None => break,
            },
            () = cancel.cancelled() => break,
            _ = tick.tick() => progress(view.look(BenchPhase::Connecting, 0.0)),
        }
    }
    // A short head start, so that all threads are there when the first request is due.
    let head_start = Duration::from_millis(5);
    let start = Instant::now() + head_start;
    let measure = start + Duration::from_secs_f64(spec.warmup_s);
    let end = measure + Duration::from_secs_f64(spec.duration_s);
    let started_ms = context.clock.now_ms() + (head_start.as_secs_f64() + spec.warmup_s) * 1e3;
    go.send_replace(Some(Times { start, measure, end }));

    let work = join(workers);
    tokio::pin!(work);
    let mut cancelled = false;
    let records = loop {
        tokio::select! {
            records = &mut work => break records?,
            () = cancel.cancelled(), if !cancelled => {
                cancelled = true;
                // First the moment, then the flag: a thread that sees the flag knows the moment.
                let _ = shared.stopped_at.set(Instant::now());
                shared.stop.store(true, Ordering::Release);
            }
            _ = tick.tick() => {
                let now = Instant::now();
                let phase = if now < measure {
                    BenchPhase::WarmUp
                } else if now < end && !cancelled {
                    BenchPhase::Measuring
                } else {
                    BenchPhase::Draining
                };
                progress(view.look(phase, now.saturating_duration_since(start).as_secs_f64()));
            }
        }
    };
    let stopped_at = shared.stopped_at.get().copied().filter(|at| *at < end);
    let duration_s = stopped_at.map_or(spec.duration_s, |at| at.saturating_duration_since(measure).as_secs_f64());
    let elapsed_s = stopped_at.unwrap_or(end).saturating_duration_since(start).as_secs_f64();
    let mut live = view.look(BenchPhase::Finished, elapsed_s);
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
    let intervals = view.seconds.intervals(started_ms, duration_s);

    let mut effective = redacted(&spec);
    effective.threads = u32::try_from(threads).ok();
    let mut run = Run {
        schema: "perfdeck.run/1".to_owned(),
        id: context.run_id,
        name: context.name,
        environment_id: context.environment_id,
        environment_name: context.environment_name,
        engine: engine.name().to_owned(),
        spec: effective,
        resolved,
        state: if stopped_at.is_some() { RunState::Cancelled } else { RunState::Completed },
        started_ms,
        finished_ms: started_ms + duration_s * 1e3,
        duration_s,
        requests: total.requests,
        errors: total.failed,
        rate_per_s: if duration_s > 0.0 { total.completed / duration_s } else { 0.0 },
        target_rate_per_s: rate_per_s,
        bytes_received: total.bytes,
        response_ms: latency(&total.times.response),
        service_ms: latency(&total.times.service),
        schedule_lag_ms: latency(&total.times.lag),
        client_cpu_s: total.cpu_s.unwrap_or(0.0),
        valid: true,
        invalid_reasons: Vec::new(),
        notes: Vec::new(),
        errors_by_class: total.errors_by_class(),
        statuses: total.statuses(),
        intervals,
        curve: curve(&total.times.response),
        response_histogram: packed(&total.times.response),
        service_histogram: packed(&total.times.service),
        lag_histogram: packed(&total.times.lag),
        machine: context.machine,
    };
    judge(&mut run, &total, threads, loopback);
    Ok(run)
}

/// Which engine a plan needs, and what its threads share.
#[derive(Clone)]
enum Engine {
    Raw(Arc<Wire>),
    Full(Arc<Dialer>),
}

impl Engine {
    fn of(spec: &HttpBenchSpec, target: Target, addresses: Vec<SocketAddr>) -> Result<Self, ApiError> {
        let timeout = Duration::from_secs_f64(spec.timeout_s);
        if target.tls {
            let preferred = AtomicUsize::new(0);
            let tls = Some(tls_config(spec.insecure_tls)?);
            return Ok(Self::Full(Arc::new(Dialer { target, addresses, tls, timeout, preferred })));
        }
        Ok(Self::Raw(Arc::new(Wire {
            request: target.bytes(),
            addresses,
            timeout,
            bodyless: spec.method == Method::Head,
            idempotent: spec.method.is_idempotent(),
        })))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Raw(_) => concat!("perfdeck raw http/1.1 ", env!("CARGO_PKG_VERSION")),
            Self::Full(_) => concat!("perfdeck full http/1.1 ", env!("CARGO_PKG_VERSION")),
        }
    }
}

struct StopOnDrop(Arc<Shared>);

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

/// Turns what arrived since the last look into live figures, and keeps the seconds that are over.
struct View {
    shared: Arc<Shared>,
    run_id: String,
    clock: Arc<dyn Clock>,
    total_s: f64,
    requests: u64,
    errors: u64,
    last: Instant,
    scratch: Live,
    seconds: Seconds,
}

impl View {
    fn new(shared: &Arc<Shared>, spec: &HttpBenchSpec, context: &RunContext) -> Self {
        Self {
            shared: shared.clone(),
            run_id: context.run_id.clone(),
            clock: context.clock.clone(),
            total_s: spec.warmup_s + spec.duration_s,
            requests: 0,
            errors: 0,
            last: Instant::now(),
            scratch: Live::new(),
            seconds: Seconds::new(shared.threads),
        }
    }

    fn look(&mut self, phase: BenchPhase, elapsed_s: f64) -> BenchLive {
        let now = Instant::now();
        let since = now.duration_since(std::mem::replace(&mut self.last, now)).as_secs_f64();
        let taken = &mut self.scratch;
        (taken.responses, taken.requests, taken.errors) = (0, 0, 0);
        taken.response.reset();
        taken.lag.reset();
        let mut in_flight = 0;
        for slot in &self.shared.slots {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            taken.take(&mut slot);
            in_flight += slot.in_flight;
        }
        taken.seconds.drain(..).for_each(|second| self.seconds.add(second));
        self.requests += taken.requests;
        self.errors += taken.errors;
        let q = |q: f64| (!taken.response.is_empty()).then(|| ms(taken.response.value_at_quantile(q)));
        BenchLive {
            run_id: self.run_id.clone(),
            phase,
            elapsed_s: elapsed_s.min(self.total_s),
            total_s: self.total_s,
            at_ms: self.clock.now_ms(),
            requests: self.requests,
            errors: self.errors,
            in_flight,
            #[allow(clippy::cast_precision_loss)]
            rate_per_s: if since > 1e-3 { taken.responses as f64 / since } else { 0.0 },
            target_rate_per_s: self.shared.rate_per_s,
            p50_ms: q(0.5),
            p90_ms: q(0.9),
            p99_ms: q(0.99),
            max_ms: q(1.0),
            lag_p99_ms: (self.shared.rate_per_s.is_some() && !taken.lag.is_empty())
                .then(|| ms(taken.lag.value_at_quantile(0.99))),
        }
    }
}
