//! One run: start the threads, report progress, merge, judge.
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, BenchLive, BenchPhase, Clock, HttpBenchSpec, Load, Machine, Run, RunState};
use tokio_util::sync::CancellationToken;

use crate::engine::{Live, Shared, generate};
use crate::record::{Record, curve, latency, ms, packed};
use crate::target::{lookup, redacted, target, validate};

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
    let tls = target.tls.then(|| tls_config(spec.insecure_tls)).transpose()?;
    // A short head start, so that all threads are up when the first request is due.
    let start = Instant::now() + Duration::from_millis(30);
    let start_ms = context.clock.now_ms() + 30.0;
    let measure = start + Duration::from_secs_f64(spec.warmup_s);
    let end = measure + Duration::from_secs_f64(spec.duration_s);
    let shared = Arc::new(Shared {
        target,
        addresses,
        tls,
        timeout: Duration::from_secs_f64(spec.timeout_s),
        start,
        measure,
        end,
        stop: AtomicBool::new(false),
        rate_per_s,
        threads,
        in_flight: AtomicU32::new(0),
        live: Mutex::new(Live::new()),
    });
    let mut workers = Vec::new();
    for index in 0..threads {
        let share = connections / threads + usize::from(index < connections % threads);
        let shared = shared.clone();
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || {
                let wait = shared.start.saturating_duration_since(Instant::now());
                std::thread::sleep(wait);
                // The receiver is gone only when the run was dropped.
                let _ = send.send(generate(&shared, index, share));
            })
            .map_err(|e| Error::Generator(e.to_string()))?;
        workers.push(receive);
    }
    // Dropping the run (a killed job) stops the threads too.
    let _guard = StopOnDrop(shared.clone());

    let work = futures_join(workers);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut view = View { requests: 0, errors: 0, last: Instant::now() };
    let mut cancelled = false;
    let records = loop {
        tokio::select! {
            records = &mut work => break records?,
            () = cancel.cancelled(), if !cancelled => {
                cancelled = true;
                shared.stop.store(true, Ordering::Relaxed);
            }
            _ = tick.tick() => progress(view.live(&shared, &spec, &context)),
        }
    };
    let stopped_early = cancelled && Instant::now() < end;
    let duration_s =
        if stopped_early { Instant::now().saturating_duration_since(measure).as_secs_f64() } else { spec.duration_s };
    let mut total: Option<Record> = None;
    for record in records {
        match &mut total {
            Some(total) => total.merge(record),
            None => total = Some(record),
        }
    }
    let total = total.ok_or_else(|| Error::Generator("none was started".to_owned()))?;
    let mut live = view.live(&shared, &spec, &context);
    live.phase = BenchPhase::Finished;
    progress(live);

    let started_ms = start_ms + spec.warmup_s * 1e3;
    let mut effective = redacted(&spec);
    effective.threads = u32::try_from(threads).ok();
    let mut run = Run {
        schema: "perfdeck.run/1".to_owned(),
        id: context.run_id,
        name: context.name,
        environment_id: context.environment_id,
        environment_name: context.environment_name,
        engine: concat!("perfdeck http/1.1 ", env!("CARGO_PKG_VERSION")).to_owned(),
        spec: effective,
        resolved,
        state: if stopped_early { RunState::Cancelled } else { RunState::Completed },
        started_ms,
        finished_ms: started_ms + duration_s * 1e3,
        duration_s,
        requests: total.requests,
        errors: total.failed,
        #[allow(clippy::cast_precision_loss)]
        rate_per_s: if duration_s > 0.0 { (total.requests - total.failed) as f64 / duration_s } else { 0.0 },
        target_rate_per_s: rate_per_s,
        bytes_received: total.bytes,
        response_ms: latency(&total.response),
        service_ms: latency(&total.service),
        schedule_lag_ms: latency(&total.lag),
        client_cpu_s: total.cpu_s,
        valid: true,
        invalid_reasons: Vec::new(),
        notes: Vec::new(),
        errors_by_class: total.errors_by_class(),
        statuses: total.statuses(),
        intervals: total.intervals(started_ms, duration_s),
        curve: curve(&total.response),
        response_histogram: packed(&total.response),
        service_histogram: packed(&total.service),
        lag_histogram: packed(&total.lag),
        machine: context.machine,
    };
    judge(&mut run, &total, threads, loopback);
    Ok(run)
}

/// Decides whether the figures can be trusted (gate as in the-benchmarker's HttpArena: achieved ≥ 99 % of the target
/// rate, p99 of the schedule lag within max(1 ms, 10 % of the median service time)).
fn judge(run: &mut Run, total: &Record, threads: usize, loopback: bool) {
    let succeeded = run.requests - run.errors;
    let mut reasons = Vec::new();
    if succeeded == 0 {
        reasons.push("no request was answered successfully".to_owned());
    } else if succeeded < 100 {
        reasons.push(format!("only {succeeded} successful responses; at least 100 are needed"));
    }
    if run.state == RunState::Cancelled {
        run.notes.push("stopped before its end; the figures cover the time until then".to_owned());
    }
    if let Some(rate) = run.target_rate_per_s
        && run.duration_s > 0.0
    {
        #[allow(clippy::cast_precision_loss)]
        let achieved = run.requests as f64 / run.duration_s / rate;
        // One request more or less at the edges is not a missed rate.
        let slack = 1.5 / (rate * run.duration_s);
        if achieved + slack < 0.99 && run.state == RunState::Completed {
            reasons.push(format!("{:.1} % of the target rate was achieved; at least 99 % is needed", achieved * 100.0));
        }
        let limit = (run.service_ms.p50 * 0.1).max(1.0);
        if succeeded > 0 && run.schedule_lag_ms.p99 > limit {
            reasons.push(format!(
                "requests started late: p99 of the schedule lag is {:.2} ms, over {limit:.2} ms; use more connections or a lower rate",
                run.schedule_lag_ms.p99
            ));
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let share = run.client_cpu_s / (threads as f64 * (run.duration_s + run.spec.warmup_s)).max(1e-3);
    if total.threads_without_cpu > 0 {
        run.notes.push("this system does not tell the load generator's CPU time".to_owned());
    } else if share > 0.8 {
        run.notes.push(format!(
            "the load generator used {:.0} % of its processor time: the figures may be its limit, not the target's",
            share * 100.0
        ));
    }
    if loopback {
        run.notes.push("generator and target share this machine".to_owned());
    }
    run.valid = reasons.is_empty();
    run.invalid_reasons = reasons;
}

struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

async fn futures_join(workers: Vec<tokio::sync::oneshot::Receiver<Record>>) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for worker in workers {
        records.push(worker.await.map_err(|_| Error::Generator("it ended without a result".to_owned()))?);
    }
    Ok(records)
}

/// Turns what arrived since the last look into live figures.
struct View {
    requests: u64,
    errors: u64,
    last: Instant,
}

impl View {
    fn live(&mut self, shared: &Shared, spec: &HttpBenchSpec, context: &RunContext) -> BenchLive {
        let now = Instant::now();
        let taken = std::mem::replace(&mut *shared.live.lock().unwrap_or_else(PoisonError::into_inner), Live::new());
        let since = now.duration_since(std::mem::replace(&mut self.last, now)).as_secs_f64();
        let phase = if now < shared.start {
            BenchPhase::Connecting
        } else if now < shared.measure {
            BenchPhase::WarmUp
        } else if now < shared.end {
            BenchPhase::Measuring
        } else {
            BenchPhase::Draining
        };
        if phase != BenchPhase::Connecting && phase != BenchPhase::WarmUp {
            self.requests += taken.requests;
            self.errors += taken.errors;
        }
        let q = |q: f64| (!taken.response.is_empty()).then(|| ms(taken.response.value_at_quantile(q)));
        let total_s = spec.warmup_s + spec.duration_s;
        BenchLive {
            run_id: context.run_id.clone(),
            phase,
            elapsed_s: now.saturating_duration_since(shared.start).as_secs_f64().min(total_s),
            total_s,
            at_ms: context.clock.now_ms(),
            requests: self.requests,
            errors: self.errors,
            in_flight: shared.in_flight.load(Ordering::Relaxed),
            #[allow(clippy::cast_precision_loss)]
            rate_per_s: if since > 0.0 { taken.requests as f64 / since } else { 0.0 },
            target_rate_per_s: shared.rate_per_s,
            p50_ms: q(0.5),
            p90_ms: q(0.9),
            p99_ms: q(0.99),
            max_ms: q(1.0),
            lag_p99_ms: (shared.rate_per_s.is_some() && !taken.lag.is_empty())
                .then(|| ms(taken.lag.value_at_quantile(0.99))),
        }
    }
}

fn tls_config(insecure: bool) -> Result<Arc<rustls::ClientConfig>, ApiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let config = if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth()
    } else {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One unreadable root of the system must not take the others away.
            let _ = roots.add(certificate);
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(Arc::new(config))
}

/// Accepts any certificate, for plans that say so.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
