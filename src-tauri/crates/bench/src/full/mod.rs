//! The full engine: hyper over plain or TLS connections, one task per connection on each thread's own runtime.
mod connect;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Sleep;

use self::connect::Open;
pub(crate) use self::connect::{Dialer, tls_config};
use crate::account::{Account, GRACE, Start};
use crate::pacing::{PreciseTimer, Schedule, back_off, shed_above};
use crate::record::{Class, Failure, Record};
use crate::shared::{Shared, Times};

/// Connections that one thread opens at the same time.
const OPENING: usize = 128;
/// How often the account's housekeeping is done.
const LOOK: Duration = Duration::from_millis(20);

struct Local {
    account: Account,
    /// Intended starts that wait for a free connection.
    due: VecDeque<Instant>,
    /// No more starts will be put on the queue.
    finished: bool,
    /// Connections that wait after a failure before they try again.
    backing_off: usize,
    last_failure: Failure,
}

/// One generator thread while it runs.
struct Generator {
    shared: Arc<Shared>,
    dialer: Arc<Dialer>,
    times: Times,
    index: usize,
    connections: usize,
    local: RefCell<Local>,
    work: Notify,
}

impl Generator {
    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// A few times a second: the account's housekeeping.
    async fn keep_house(self: Rc<Self>) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            self.local.borrow_mut().account.tick(Instant::now());
        }
    }

    /// Puts a start that is due on the queue, unless it has no chance.
    fn start_due(&self, at: Instant, now: Instant, cap: usize) {
        let mut local = self.local.borrow_mut();
        local.account.woke(at, now);
        if local.backing_off >= self.connections {
            // No connection can be opened: waiting for one would only pile up the schedule.
            let (class, message) = local.last_failure.clone();
            local.account.lost(at, Some(now), now, class, &message);
        } else if local.due.len() >= cap {
            let message = format!("{cap} requests were already waiting for a free connection");
            local.account.lost(at, None, now, Class::Shed, &message);
        } else {
            local.due.push_back(at);
            self.work.notify_one();
        }
    }

    /// Puts each start on the queue at its time.
    async fn pace(&self, rate_per_s: f64) {
        let schedule = Schedule::new(rate_per_s, self.index, self.shared.threads);
        let cap = shed_above(&self.shared);
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
                    let now = Instant::now();
                    if now > self.times.end + self.dialer.timeout {
                        let message = "no connection was free before the end of the run";
                        local.account.lost(at, None, now, Class::Shed, message);
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
        let timeout = self.dialer.timeout;
        let closed_loop = self.shared.rate_per_s.is_none();
        let timer = tokio::time::sleep(timeout);
        tokio::pin!(timer);
        let mut failures = 0u32;
        while let Some(intended) = self.next_start().await {
            let sent = if closed_loop { intended } else { Instant::now() };
            self.local.borrow_mut().account.sent(intended);
            let outcome = within(timer.as_mut(), sent + timeout, self.dialer.request(&mut slot)).await;
            let broken = !matches!(outcome, Some(Ok(_)));
            let refused = matches!(outcome, Some(Err(_)));
            self.settle(intended, sent, outcome);
            if broken {
                slot = None;
            }
            if refused {
                failures += 1;
                self.local.borrow_mut().backing_off += 1;
                tokio::time::sleep(back_off(failures)).await;
                self.local.borrow_mut().backing_off -= 1;
            } else if !broken {
                failures = 0;
            }
        }
    }

    /// Records how a request ended; `None` is its deadline.
    fn settle(&self, intended: Instant, sent: Instant, outcome: Option<Result<(u16, u64), Failure>>) {
        let now = Instant::now();
        let start = Start { step: 0, intended, sent };
        let mut local = self.local.borrow_mut();
        match outcome {
            Some(Ok((status, bytes))) => local.account.arrived(start, now, status, bytes),
            Some(Err(failure)) => {
                local.account.failed_with(start, now, &failure);
                local.last_failure = failure;
            }
            None => {
                let message = format!("no complete response within {} s", self.dialer.timeout.as_secs_f64());
                local.account.failed(start, now, Class::Timeout, &message);
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

async fn until_stopped(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens the connections before the clock starts, so that connecting is in no figure. What cannot be opened is tried
/// again by its first request, and counts then.
async fn open_all(shared: &Shared, dialer: &Arc<Dialer>, connections: usize) -> Vec<Option<Open>> {
    let mut open: Vec<Option<Open>> = Vec::with_capacity(connections);
    let mut left = connections;
    let mut tasks = tokio::task::JoinSet::new();
    let deadline = tokio::time::sleep(dialer.timeout.min(Duration::from_secs(10)));
    tokio::pin!(deadline);
    let stopped = until_stopped(shared);
    tokio::pin!(stopped);
    loop {
        while left > 0 && tasks.len() < OPENING {
            let dialer = dialer.clone();
            tasks.spawn_local(async move { dialer.open().await });
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
    dialer: &Arc<Dialer>,
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
    tasks.block_on(&runtime, drive(shared.clone(), dialer.clone(), index, connections, ready, go))
}

async fn drive(
    shared: Arc<Shared>,
    dialer: Arc<Dialer>,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    mut go: watch::Receiver<Option<Times>>,
) -> Record {
    let open = open_all(&shared, &dialer, connections).await;
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
            account: Account::new(shared.clone(), times, index),
            due: VecDeque::new(),
            finished: false,
            backing_off: 0,
            last_failure: (Class::Other, String::new()),
        }),
        work: Notify::new(),
        dialer,
        shared: shared.clone(),
    });
    let house = tokio::task::spawn_local(generator.clone().keep_house());
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
    for task in tasks.iter().chain([&house]) {
        task.abort();
    }
    // Every task that held it has ended or was aborted; what still holds it gives up its share of the account only.
    let mut local = generator.local.borrow_mut();
    let due = std::mem::take(&mut local.due);
    let account = std::mem::replace(&mut local.account, Account::new(shared, times, index));
    account.finish(due.iter())
}
