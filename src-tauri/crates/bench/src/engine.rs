//! The load engine: generator threads, each with its connections, clock and record.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Sleep;

use crate::connect::{Dialer, Failure, Open};
use crate::cpu::thread_cpu_s;
use crate::pacing::{PreciseTimer, Schedule};
use crate::record::{Class, Record, Second, histogram};

/// Connections that one thread opens at the same time.
const OPENING: usize = 128;
/// How long responses may still arrive after a run was stopped.
const GRACE: Duration = Duration::from_millis(300);
/// How often a thread hands its figures over to the live view.
const HAND_OVER: Duration = Duration::from_millis(100);

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) dialer: Dialer,
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) threads: usize,
    pub(crate) stop: AtomicBool,
    /// When it was stopped.
    pub(crate) stopped_at: OnceLock<Instant>,
    /// One slot per thread: the newest figures for a live view. A thread never waits for it.
    pub(crate) slots: Vec<Mutex<Live>>,
}

/// The moments of a run, known when the connections are open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Start of the warm-up.
    pub(crate) start: Instant,
    /// Start of the measured time.
    pub(crate) measure: Instant,
    /// End of the measured time, unless it is stopped before.
    pub(crate) end: Instant,
}

/// Figures since the last look.
pub(crate) struct Live {
    /// Responses, warm-up included.
    pub(crate) responses: u64,
    /// Responses of the measured time.
    pub(crate) requests: u64,
    /// Errors of the measured time.
    pub(crate) errors: u64,
    pub(crate) in_flight: u32,
    pub(crate) response: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
    pub(crate) seconds: Vec<Second>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            responses: 0,
            requests: 0,
            errors: 0,
            in_flight: 0,
            response: histogram(),
            lag: histogram(),
            seconds: Vec::new(),
        }
    }

    /// Moves everything from `other` to here.
    pub(crate) fn take(&mut self, other: &mut Self) {
        if other.responses > 0 {
            self.responses += std::mem::take(&mut other.responses);
            self.requests += std::mem::take(&mut other.requests);
            self.errors += std::mem::take(&mut other.errors);
            // Same bounds on both sides, so adding cannot fail.
            let _ = self.response.add(&other.response);
            let _ = self.lag.add(&other.lag);
            other.response.reset();
            other.lag.reset();
        }
        self.seconds.append(&mut other.seconds);
    }
}

struct Local {
    record: Record,
    live: Live,
    /// Intended starts that wait for a free connection.
    due: VecDeque<Instant>,
    /// Intended starts of the measured time that are on the wire.
    measured_in_flight: u64,
    /// No more starts will be put on the queue.
    finished: bool,
    /// Connections that wait after a failure before they try again.
    backing_off: usize,
    last_failure: Failure,
    cpu_at_measure: Option<f64>,
    cpu_at_end: Option<f64>,
}

/// One generator thread while it runs.
struct Generator {
    shared: Arc<Shared>,
    times: Times,
    index: usize,
    connections: usize,
    local: RefCell<Local>,
    work: Notify,
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl Generator {
    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// End of the measured time as it is known now.
    fn end(&self) -> Instant {
        self.shared.stopped_at.get().map_or(self.times.end, |at| (*at).min(self.times.end))
    }

    fn measured(&self, intended: Instant) -> bool {
        intended >= self.times.measure
    }

    /// Seconds into the measured time; what arrives after its end belongs to its last second.
    fn at_s(&self, now: Instant) -> f64 {
        let last = self.end().saturating_duration_since(self.times.measure).as_secs_f64() - 1e-9;
        now.saturating_duration_since(self.times.measure).as_secs_f64().min(last).max(0.0)
    }

    fn arrived(&self, local: &mut Local, intended: Instant, sent: Instant, now: Instant, status: u16, bytes: u64) {
        let measured = self.measured(intended);
        if measured {
            *local.record.statuses.entry(status).or_default() += 1;
            local.record.bytes += bytes;
        }
        if status >= 400 {
            self.failed(local, intended, Some(sent), Class::Status, &format!("HTTP status {status}"));
            return;
        }
        let response = micros(now - intended).max(1);
        let lag = micros(sent - intended).max(1);
        local.live.responses += 1;
        local.live.response.saturating_record(response);
        local.live.lag.saturating_record(lag);
        local.record.completed += self.share_inside(sent, now);
        // A request belongs to the measured time when it was meant to start in it; the warm-up is in no figure.
        if measured {
            local.live.requests += 1;
            local.record.sent_in_time += u64::from(sent < self.times.end);
            local.record.success(self.at_s(now), response, micros(now - sent), lag);
        }
    }

    /// The share of a response's service time that lies in the measured time, 0 to 1.
    fn share_inside(&self, sent: Instant, now: Instant) -> f64 {
        let end = self.end();
        if sent >= self.times.measure && now <= end {
            return 1.0;
        }
        let inside = now.min(end).saturating_duration_since(sent.max(self.times.measure));
        let all = (now - sent).as_secs_f64();
        if all > 0.0 { inside.as_secs_f64() / all } else { 0.0 }
    }

    fn failed(&self, local: &mut Local, intended: Instant, sent: Option<Instant>, class: Class, message: &str) {
        local.live.responses += 1;
        if self.measured(intended) {
            local.live.requests += 1;
            local.live.errors += 1;
            local.record.sent_in_time += u64::from(sent.is_some_and(|sent| sent < self.times.end));
            local.record.failure(self.at_s(Instant::now()), class, message);
        }
    }

    /// Ten times a second: the live view gets what happened since, unless it is looking right now.
    async fn hand_over(self: Rc<Self>) {
        let mut tick = tokio::time::interval(HAND_OVER);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            let mut local = self.local.borrow_mut();
            let local = &mut *local;
            local.record.advance(self.at_s(Instant::now()));
            let Some(slot) = self.shared.slots.get(self.index) else { return };
            let mut slot = match slot.try_lock() {
                Ok(slot) => slot,
                Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
                // Keep it for the next time.
                Err(TryLockError::WouldBlock) => continue,
            };
            slot.in_flight = local.live.in_flight;
            slot.take(&mut local.live);
            slot.seconds.append(&mut local.record.closed);
        }
    }

    /// Reads the thread's CPU time when the measured time starts and ends.
    async fn watch_cpu(self: Rc<Self>) {
        tokio::time::sleep_until(self.times.measure.into()).await;
        self.local.borrow_mut().cpu_at_measure = thread_cpu_s();
        tokio::time::sleep_until(self.times.end.into()).await;
        self.local.borrow_mut().cpu_at_end = thread_cpu_s();
    }

    /// Puts a start that is due on the queue, unless it has no chance.
    fn start_due(&self, at: Instant, now: Instant, cap: usize) {
        let mut local = self.local.borrow_mut();
        if self.measured(at) {
            local.record.woke_late_us += micros(now - at);
        }
        if local.backing_off >= self.connections {
            // No connection can be opened: waiting for one would only pile up the schedule.
            let (class, message) = local.last_failure.clone();
            self.failed(&mut local, at, Some(now), class, &message);
        } else if local.due.len() >= cap {
            let message = format!("{cap} requests were already waiting for a free connection");
            self.failed(&mut local, at, None, Class::Shed, &message);
        } else {
            local.due.push_back(at);
            self.work.notify_one();
        }
    }

    /// Puts each start on the queue at its time.
    async fn pace(&self, rate_per_s: f64) {
        let schedule = Schedule::new(rate_per_s, self.index, self.shared.threads);
        // Requests that wait for a connection at most: ten seconds of them; more are shed and counted as errors.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let cap = ((10.0 * rate_per_s).max(1000.0) as usize / self.shared.threads.max(1)).max(1);
        let mut timer = PreciseTimer::new();
        let (mut k, mut burst) = (0u64, 0u32);
        while !self.stopped() {
            let Some(at) = self.times.start.checked_add(schedule.at(k)).filter(|at| *at < self.times.end) else {
                break;
            };
            let now = Instant::now();
            if at > now {
                burst = 0;
                // Looks up now and then to see whether it was stopped.
                timer.until(at.min(now + Duration::from_millis(100))).await;
                continue;
            }
            self.start_due(at, now, cap);
            k += 1;
            burst += 1;
            if burst.is_multiple_of(64) {
                tokio::task::yield_now().await;
            }
        }
        self.local.borrow_mut().finished = true;
        self.work.notify_waiters();
    }

    /// The intended start of this connection's next request, or `None` at the end.
    async fn next_start(&self) -> Option<Instant> {
        if self.shared.rate_per_s.is_none() {
            let now = Instant::now();
            return (!self.stopped() && now < self.times.end).then_some(now);
        }
        loop {
            {
                let mut local = self.local.borrow_mut();
                if self.stopped() {
                    return None;
                }
                if let Some(at) = local.due.pop_front() {
                    // What still waits long after the end is part of the result as a failure.
                    if Instant::now() > self.times.end + self.shared.dialer.timeout {
                        let message = "no connection was free before the end of the run";
                        self.failed(&mut local, at, None, Class::Shed, message);
                        continue;
                    }
                    return Some(at);
                }
                if local.finished {
                    return None;
                }
            }
            self.work.notified().await;
        }
    }

    async fn connection(self: Rc<Self>, mut slot: Option<Open>) {
        let timeout = self.shared.dialer.timeout;
        let closed_loop = self.shared.rate_per_s.is_none();
        let timer = tokio::time::sleep(timeout);
        tokio::pin!(timer);
        let mut failures = 0u32;
        while let Some(intended) = self.next_start().await {
            let sent = if closed_loop { intended } else { Instant::now() };
            let measured = self.measured(intended);
            {
                let mut local = self.local.borrow_mut();
                local.live.in_flight += 1;
                local.measured_in_flight += u64::from(measured);
            }
            let outcome = within(timer.as_mut(), sent + timeout, self.shared.dialer.request(&mut slot)).await;
            let broken = !matches!(outcome, Some(Ok(_)));
            let refused = matches!(outcome, Some(Err(_)));
            self.settle(intended, sent, outcome);
            if broken {
                slot = None;
            }
            if refused {
                failures += 1;
                self.local.borrow_mut().backing_off += 1;
                back_off(failures).await;
                self.local.borrow_mut().backing_off -= 1;
            } else if !broken {
                failures = 0;
            }
        }
    }

    /// Records how a request ended; `None` is its deadline.
    fn settle(&self, intended: Instant, sent: Instant, outcome: Option<Result<(u16, u64), Failure>>) {
        let now = Instant::now();
        let mut local = self.local.borrow_mut();
        local.live.in_flight -= 1;
        local.measured_in_flight -= u64::from(self.measured(intended));
        match outcome {
            Some(Ok((status, bytes))) => self.arrived(&mut local, intended, sent, now, status, bytes),
            Some(Err((class, message))) => {
                self.failed(&mut local, intended, Some(sent), class, &message);
                local.last_failure = (class, message);
            }
            None => {
                let message = format!("no complete response within {} s", self.shared.dialer.timeout.as_secs_f64());
                self.failed(&mut local, intended, Some(sent), Class::Timeout, &message);
            }
        }
    }
}

/// The outcome of `work`, or `None` when it is not there at `deadline`.
///
/// One timer per connection: it is moved when it fires, at most once per timeout, not for each request.
async fn within<F: Future>(mut timer: Pin<&mut Sleep>, deadline: Instant, work: F) -> Option<F::Output> {
    tokio::pin!(work);
    std::future::poll_fn(|cx| {
        use std::task::Poll;
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(deadline.into());
        }
        Poll::Pending
    })
    .await
}

/// A refused port must not make the generator spin: 1 ms twice, then 10 ms, doubling to 80 ms.
async fn back_off(failures: u32) {
    let ms = if failures < 3 { 1 } else { 10u64 << failures.min(6).saturating_sub(3) };
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn until_stopped(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens the connections before the clock starts, so that connecting is in no figure. What cannot be opened is tried
/// again by its first request, and counts then.
async fn open_all(shared: &Arc<Shared>, connections: usize) -> Vec<Option<Open>> {
    let mut open: Vec<Option<Open>> = Vec::with_capacity(connections);
    let mut left = connections;
    let mut tasks = tokio::task::JoinSet::new();
    let deadline = tokio::time::sleep(shared.dialer.timeout.min(Duration::from_secs(10)));
    tokio::pin!(deadline);
    let stopped = until_stopped(shared);
    tokio::pin!(stopped);
    loop {
        while left > 0 && tasks.len() < OPENING {
            let shared = shared.clone();
            tasks.spawn_local(async move { shared.dialer.open().await });
            left -= 1;
        }
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(Ok(Ok(connection))) => open.push(Some(connection)),
                // The first refusal tells: the requests themselves will count it.
                Some(_) => break,
                None => break,
            },
            () = &mut deadline => break,
            () = &mut stopped => break,
        }
    }
    open.resize_with(connections, || None);
    open
}

/// Runs one generator thread until the end and answers what it recorded.
pub(crate) fn generate(
    shared: &Arc<Shared>,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    go: watch::Receiver<Option<Times>>,
) -> Record {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a generator thread has no runtime");
            let _ = ready.send(());
            return Record::new();
        }
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, drive(shared.clone(), index, connections, ready, go))
}

async fn drive(
    shared: Arc<Shared>,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    mut go: watch::Receiver<Option<Times>>,
) -> Record {
    let open = open_all(&shared, connections).await;
    // The receiver is gone only when the run was dropped; then `go` ends too.
    let _ = ready.send(());
    let times = match go.wait_for(Option::is_some).await {
        Ok(times) => *times,
        Err(_) => None,
    };
    let Some(times) = times else { return Record::new() };
    let generator = Rc::new(Generator {
        times,
        index,
        connections,
        local: RefCell::new(Local {
            record: Record::new(),
            live: Live::new(),
            due: VecDeque::new(),
            measured_in_flight: 0,
            finished: false,
            backing_off: 0,
            last_failure: (Class::Other, String::new()),
            cpu_at_measure: None,
            cpu_at_end: None,
        }),
        work: Notify::new(),
        shared: shared.clone(),
    });
    let side = [
        tokio::task::spawn_local(generator.clone().hand_over()),
        tokio::task::spawn_local(generator.clone().watch_cpu()),
    ];
    tokio::time::sleep_until(times.start.into()).await;
    let mut tasks: Vec<_> =
        open.into_iter().map(|slot| tokio::task::spawn_local(generator.clone().connection(slot))).collect();
    if let Some(rate) = shared.rate_per_s {
        generator.pace(rate).await;
    }
    // Connections end by themselves; the last responses have until their deadline, or a moment when it was stopped.
    let drain = async {
        for task in &mut tasks {
            // A panic in one connection is that connection's end.
            let _ = task.await;
        }
    };
    let stopped = async {
        until_stopped(&shared).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! { () = drain => {}, () = stopped => {} }
    for task in tasks.iter().chain(&side) {
        task.abort();
    }
    let mut local = generator.local.borrow_mut();
    let mut record = std::mem::replace(&mut local.record, Record::new());
    let waiting = local.due.iter().filter(|at| generator.measured(**at)).count();
    record.unfinished = local.measured_in_flight + waiting as u64;
    record.advance(generator.at_s(Instant::now()));
    record.finish();
    // A run that was stopped in its warm-up used no CPU in its measured time.
    let now = thread_cpu_s();
    record.cpu_s = now.map(|now| local.cpu_at_measure.map_or(0.0, |from| local.cpu_at_end.unwrap_or(now) - from));
    record
}
