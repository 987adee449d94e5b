//! The load engine: generator threads, each with its connections, clock and record.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::cpu::thread_cpu_s;
use crate::pacing::Schedule;
use crate::record::{Class, Record, histogram};
use crate::target::Target;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) target: Target,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) timeout: Duration,
    /// Start of the warm-up.
    pub(crate) start: Instant,
    /// Start of the measured time.
    pub(crate) measure: Instant,
    /// End of the measured time, unless it is stopped before.
    pub(crate) end: Instant,
    pub(crate) stop: AtomicBool,
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) threads: usize,
    pub(crate) in_flight: AtomicU32,
    /// Since the last look: newest figures for a live view. Threads add to it ten times a second, not per request.
    pub(crate) live: Mutex<Live>,
}

/// Figures since the last look.
pub(crate) struct Live {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) response: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { requests: 0, errors: 0, response: histogram(), lag: histogram() }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        // Same bounds on both sides.
        let _ = self.response.add(&other.response);
        let _ = self.lag.add(&other.lag);
    }
}

struct Local {
    record: Record,
    live: Live,
    handed_over: Instant,
    /// Intended starts that wait for a free connection.
    due: VecDeque<Instant>,
    finished: bool,
}

type Cell = Rc<std::cell::RefCell<Local>>;

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl Shared {
    fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.end
    }

    fn hand_over(&self, local: &mut Local, now: Instant) {
        if now.duration_since(local.handed_over) < Duration::from_millis(100) {
            return;
        }
        local.handed_over = now;
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.add(&local.live);
        drop(live);
        local.live.requests = 0;
        local.live.errors = 0;
        local.live.response.reset();
        local.live.lag.reset();
    }

    fn succeeded(&self, local: &mut Local, intended: Instant, sent: Instant, status: u16, bytes: u64) {
        let now = Instant::now();
        let response = micros(now - intended);
        if status >= 400 {
            self.failed(local, intended, Class::Status, &format!("HTTP status {status}"), Some(status));
            return;
        }
        local.live.requests += 1;
        local.live.response.saturating_record(response.max(1));
        local.live.lag.saturating_record(micros(sent - intended).max(1));
        // A request belongs to the measured time when it was meant to start in it; warm-up is excluded everywhere.
        if intended >= self.measure {
            let at_s = (now - self.measure).as_secs_f64().min((self.end - self.measure).as_secs_f64() - 1e-9);
            *local.record.statuses.entry(status).or_default() += 1;
            local.record.success(at_s, response, micros(now - sent), micros(sent - intended), bytes);
        }
        self.hand_over(local, now);
    }

    fn failed(&self, local: &mut Local, intended: Instant, class: Class, message: &str, status: Option<u16>) {
        let now = Instant::now();
        local.live.requests += 1;
        local.live.errors += 1;
        if intended >= self.measure {
            let at_s = (now - self.measure).as_secs_f64().min((self.end - self.measure).as_secs_f64() - 1e-9);
            if let Some(status) = status {
                *local.record.statuses.entry(status).or_default() += 1;
            }
            local.record.failure(at_s, class, message);
        }
        self.hand_over(local, now);
    }
}

/// Runs one generator thread until the end and answers what it recorded.
pub(crate) fn generate(shared: &Arc<Shared>, index: usize, connections: usize) -> Record {
    let cpu = thread_cpu_s();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = Rc::new(std::cell::RefCell::new(Local {
        record: Record::new(),
        live: Live::new(),
        handed_over: Instant::now(),
        due: VecDeque::new(),
        finished: false,
    }));
    match runtime {
        Ok(runtime) => {
            let tasks = tokio::task::LocalSet::new();
            let cell = local.clone();
            let shared = shared.clone();
            tasks.block_on(&runtime, async move { drive(shared, cell, index, connections).await });
        }
        Err(error) => tracing::error!(%error, "a generator thread has no runtime"),
    }
    let mut local = local.borrow_mut();
    let mut record = std::mem::replace(&mut local.record, Record::new());
    record.finish();
    match cpu.zip(thread_cpu_s()) {
        Some((before, after)) => record.cpu_s = after - before,
        None => record.threads_without_cpu = 1,
    }
    record
}

async fn drive(shared: Arc<Shared>, cell: Cell, index: usize, connections: usize) {
    let work = Rc::new(Notify::new());
    let mut tasks = Vec::new();
    for _ in 0..connections {
        tasks.push(tokio::task::spawn_local(connection(shared.clone(), cell.clone(), work.clone())));
    }
    if let Some(rate) = shared.rate_per_s {
        pace(&shared, &cell, &work, Schedule::new(rate, index, shared.threads)).await;
    }
    // Connections end by themselves at the end; the last responses get the request timeout, at most two seconds when
    // the run was stopped.
    let drain = async {
        for task in &mut tasks {
            // A panic in one connection is that connection's end.
            let _ = task.await;
        }
    };
    let stopped = async {
        while !shared.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    tokio::select! { () = drain => {}, () = stopped => {} }
    for task in tasks {
        task.abort();
    }
}

/// Puts each start on the queue at its time. Sleeps coarsely until shortly before and then lets the connections run in
/// between: a sleep of tokio's timer is up to 1 ms late, which would be in every figure.
async fn pace(shared: &Shared, cell: &Cell, work: &Notify, schedule: Schedule) {
    /// Starts that wait for a connection at most; more are shed and counted as errors.
    const BACKLOG: usize = 100_000;
    let mut k = 0u64;
    while !shared.over() {
        let at = shared.start + schedule.at(k);
        if at >= shared.end {
            break;
        }
        let now = Instant::now();
        if at <= now {
            {
                let mut local = cell.borrow_mut();
                if local.due.len() >= BACKLOG {
                    let text = "more than 100 000 requests waited for a connection";
                    shared.failed(&mut local, at, Class::Shed, text, None);
                } else {
                    local.due.push_back(at);
                    work.notify_one();
                }
            }
            k += 1;
            if k.is_multiple_of(64) {
                tokio::task::yield_now().await;
            }
            continue;
        }
        let wait = at - now;
        if wait > Duration::from_millis(3) {
            tokio::time::sleep(wait.saturating_sub(Duration::from_micros(1_500)).min(Duration::from_millis(100))).await;
        } else {
            tokio::task::yield_now().await;
            // Nothing was ready: give the processor away for a moment instead of spinning through the last part.
            if at.saturating_duration_since(Instant::now()) > Duration::from_micros(200) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
    cell.borrow_mut().finished = true;
    work.notify_waiters();
}

/// The intended start of this connection's next request, or `None` at the end.
async fn next_start(shared: &Shared, cell: &Cell, work: &Notify) -> Option<Instant> {
    if shared.rate_per_s.is_none() {
        return (!shared.over()).then(Instant::now);
    }
    loop {
        {
            let mut local = cell.borrow_mut();
            if shared.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(at) = local.due.pop_front() {
                // Requests that still wait well after the end are part of the result as failures.
                if Instant::now() > shared.end + shared.timeout {
                    shared.failed(
                        &mut local,
                        at,
                        Class::Timeout,
                        "no connection was free before the end of the run",
                        None,
                    );
                    continue;
                }
                return Some(at);
            }
            if local.finished {
                return None;
            }
        }
        // A notification may be for another connection or be missed while busy; look again soon either way.
        let _ = tokio::time::timeout(Duration::from_millis(20), work.notified()).await;
    }
}

async fn connection(shared: Arc<Shared>, cell: Cell, work: Rc<Notify>) {
    let mut sender: Option<SendRequest<Full<Bytes>>> = None;
    let mut failures = 0u32;
    while let Some(intended) = next_start(&shared, &cell, &work).await {
        let sent = Instant::now();
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        let outcome = tokio::time::timeout(shared.timeout, request(&shared, &mut sender)).await;
        shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        let pause = {
            let mut local = cell.borrow_mut();
            match outcome {
                Ok(Ok((status, bytes))) => {
                    failures = 0;
                    shared.succeeded(&mut local, intended, sent, status, bytes);
                    false
                }
                Ok(Err((class, message))) => {
                    sender = None;
                    failures += 1;
                    shared.failed(&mut local, intended, class, &message, None);
                    true
                }
                Err(_) => {
                    sender = None;
                    let text = format!("no complete response within {} s", shared.timeout.as_secs_f64());
                    shared.failed(&mut local, intended, Class::Timeout, &text, None);
                    false
                }
            }
        };
        if pause {
            back_off(failures).await;
        }
    }
}

/// A refused port must not make the generator spin.
async fn back_off(failures: u32) {
    let ms = if failures < 3 { 1 } else { 10u64 << failures.min(6).saturating_sub(3) };
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

type Failure = (Class, String);

async fn request(shared: &Shared, slot: &mut Option<SendRequest<Full<Bytes>>>) -> Result<(u16, u64), Failure> {
    if slot.as_ref().is_none_or(SendRequest::is_closed) {
        *slot = Some(open(shared).await?);
    }
    let Some(sender) = slot.as_mut() else { return Err((Class::Connect, "no connection".to_owned())) };
    sender.ready().await.map_err(|e| broken(&e))?;
    let response = sender.send_request(shared.target.request()).await.map_err(|e| broken(&e))?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| broken(&e))?;
        bytes += frame.data_ref().map_or(0, |d| d.len() as u64);
    }
    Ok((status, bytes))
}

fn broken(error: &hyper::Error) -> Failure {
    let class = if error.is_parse() { Class::Protocol } else { Class::Reset };
    (class, error.to_string())
}

async fn open(shared: &Shared) -> Result<SendRequest<Full<Bytes>>, Failure> {
    // All connections go to the first address, as a browser's would.
    let address = shared.addresses[0];
    let stream = TcpStream::connect(address).await.map_err(|e| (Class::Connect, format!("{address}: {e}")))?;
    let _ = stream.set_nodelay(true);
    let failed = |e: hyper::Error| broken(&e);
    if let Some(config) = &shared.tls {
        let name = ServerName::try_from(shared.target.host.clone())
            .map_err(|_| (Class::Tls, format!("'{}' is not a name for TLS", shared.target.host)))?;
        let stream = tokio_rustls::TlsConnector::from(config.clone())
            .connect(name, stream)
            .await
            .map_err(|e| (Class::Tls, e.to_string()))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    } else {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}
