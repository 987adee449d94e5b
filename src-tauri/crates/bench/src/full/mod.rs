//! The full engine: whole plans over HTTP/1.1 and HTTP/2 with TLS, SQL and the cache, on one clock. Each thread has a
//! runtime of its own with one task per connection.
mod cache;
mod connect;
mod decode;
mod http;
mod http1;
mod left;
mod program;
mod rehearse;
mod sql;
mod worker;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};

pub(crate) use self::program::{Pace, Program, warm_up};
use self::worker::{Done, Failed, Worker};
use crate::account::{Account, GRACE, Start};
use crate::pacing::{PreciseTimer, back_off, shed_above};
use crate::record::{Class, Failure, NONE_FREE, Record, not_sent};
use crate::shared::{Shared, Times};
use crate::tries::patience;
use perfdeck_plan::{Profile, Schedule};

/// How much later than the opener of a connection the engine itself gives up.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Connections that one thread opens at the same time.
const OPENING: usize = 128;
/// Statements and commands that are refused so often in a row are tried again more slowly.
const IN_A_ROW: u32 = 3;
/// How often the account's housekeeping is done, and a connection that stages have put to rest looks up.
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
    /// What each connection waits for.
    flights: Vec<Option<Start>>,
    /// When a request was given up at its deadline.
    expired: Option<Instant>,
}

/// One generator thread while it runs.
struct Generator {
    shared: Arc<Shared>,
    program: Arc<Program>,
    /// An iteration is one transaction.
    transactions: bool,
    times: Cell<Times>,
    index: usize,
    connections: usize,
    local: RefCell<Local>,
    work: Notify,
}

impl Generator {
    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// The moments of the run as they are known now.
    fn times(&self) -> Times {
        if let Some(times) = self.shared.settled.get() {
            self.times.set(*times);
        }
        self.times.get()
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
            // No connection can be used: waiting for one would only pile up the schedule.
            let message = not_sent(&local.last_failure);
            local.account.lost(0, at, Some(now), now, (Class::Shed, &message));
        } else if local.due.len() >= cap {
            let message = format!("{cap} iterations were already waiting for a free connection");
            local.account.lost(0, at, None, now, (Class::Shed, &message));
        } else {
            local.due.push_back(at);
            self.work.notify_one();
        }
    }

    /// Puts each start on the queue at its time: in the warm-up at the first level, then as the stages say.
    async fn pace(&self) {
        let Pace::Open { profile, arrivals, .. } = &self.program.pace else { return };
        let schedule = |profile: Arc<Profile>, seed: u64| {
            let (thread, threads) = (narrow(self.index), narrow(self.shared.threads));
            Schedule::new(profile, *arrivals, seed, thread, threads).starts()
        };
        let times = self.times();
        let longest = times.measure.saturating_duration_since(times.start).as_secs_f64();
        if let Ok(level) = Profile::new(profile.level(0.0), &[], longest) {
            let starts = schedule(Arc::new(level), self.program.seed ^ 1).map(|after| times.start + after);
            self.keep(starts, |at| at < self.times().measure).await;
        }
        let measure = self.times().measure;
        let starts = schedule(profile.clone(), self.program.seed).map(|after| measure + after);
        self.keep(starts, |at| at < self.times().end).await;
        self.local.borrow_mut().finished = true;
        self.work.notify_waiters();
    }

    /// Puts `starts` on the queue, each at its time, as long as they are `within` their phase.
    async fn keep(&self, starts: impl Iterator<Item = Instant>, within: impl Fn(Instant) -> bool) {
        let cap = shed_above(&self.shared);
        let mut timer = PreciseTimer::new();
        let mut burst = 0u32;
        for at in starts {
            loop {
                if self.stopped() || !within(at) {
                    return;
                }
                let now = Instant::now();
                if at <= now {
                    self.start_due(at, now, cap);
                    break;
                }
                burst = 0;
                // Looks up now and then to see whether it was stopped.
                timer.until(at.min(now + Duration::from_millis(100))).await;
            }
            burst += 1;
            if burst.is_multiple_of(64) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The intended start of a connection's next iteration, or `None` at the end.
    async fn next_start(&self, number: usize) -> Option<Instant> {
        match &self.program.pace {
            Pace::Closed { profile, .. } => loop {
                let (now, times) = (Instant::now(), self.times());
                if self.stopped() || now >= times.end {
                    return None;
                }
                let since = now.saturating_duration_since(times.measure).as_secs_f64();
                if (number as f64) < profile.level(since) {
                    return Some(now);
                }
                tokio::time::sleep(LOOK).await;
            },
            Pace::Open { late_limit, .. } => self.next_due(*late_limit).await,
        }
    }

    async fn next_due(&self, late_limit: Option<Duration>) -> Option<Instant> {
        loop {
            {
                let mut local = self.local.borrow_mut();
                if self.stopped() {
                    return None;
                }
                if let Some(at) = local.due.pop_front() {
                    let now = Instant::now();
                    let late = now.saturating_duration_since(at);
                    let times = self.times();
                    let lasted = times.end.saturating_duration_since(times.measure);
                    let late_now = now > times.end + self.program.dialer.timeout.min(lasted)
                        || local.expired.is_some_and(|at| at > times.end);
                    // What still waits long after the end is part of the result as a failure.
                    let message = if late_now {
                        NONE_FREE.to_owned()
                    } else if late_limit.is_some_and(|limit| late > limit) {
                        "it would have started later than the late limit".to_owned()
                    } else {
                        return Some(at);
                    };
                    local.account.lost(0, at, None, now, (Class::Shed, &message));
                    continue;
                }
                if local.finished {
                    return None;
                }
            }
            self.work.notified().await;
        }
    }

    async fn connection(self: Rc<Self>, number: usize, mut worker: Worker) {
        let think_time = match &self.program.pace {
            Pace::Closed { think_time, .. } => *think_time,
            Pace::Open { .. } => None,
        };
        let (mut failures, mut refusals) = (0u32, 0u32);
        while let Some(intended) = self.next_start(number).await {
            if let Err((_, message)) = worker.draw() {
                self.shared.abort(message);
                return;
            }
            match self.iterate(&mut worker, number / self.shared.threads.max(1), intended).await {
                None => (failures, refusals) = (0, 0),
                // A web server may be asked for what it refuses; a database that refuses everything is left in peace.
                Some(Ended::Answered) => {}
                Some(Ended::Refused) => {
                    refusals += 1;
                    if refusals >= IN_A_ROW {
                        tokio::time::sleep(back_off(refusals)).await;
                    }
                }
                Some(Ended::Broken) => {
                    failures += 1;
                    self.local.borrow_mut().backing_off += 1;
                    tokio::time::sleep(back_off(failures)).await;
                    self.local.borrow_mut().backing_off -= 1;
                }
            }
            if let Some(pause) = think_time {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Runs one iteration. `None` when all its steps came to an answer; otherwise how it ended.
    /// `slot` is the connection's place among those of this thread.
    async fn iterate(&self, worker: &mut Worker, slot: usize, intended: Instant) -> Option<Ended> {
        let open = matches!(self.program.pace, Pace::Open { .. });
        let mut start = Start { step: 0, intended, sent: if open { Instant::now() } else { intended }, first: true };
        if self.transactions {
            return self.transaction(worker, slot, start).await;
        }
        for step in worker.steps() {
            if worker.is_login(step) {
                continue;
            }
            if !start.first {
                let now = Instant::now();
                start = Start { step, intended: now, sent: now, first: false };
            }
            start.step = step;
            self.sends(slot, start);
            let outcome = worker.run(step, start.sent).await;
            self.has_outcome(slot);
            let ended = self.settle(start, outcome);
            start.first = false;
            if ended.is_some() {
                // A scenario ends with the first step that fails: what follows builds on it.
                self.local.borrow_mut().account.cut(intended);
                return ended;
            }
        }
        None
    }

    /// Runs the statements of a transaction. It is the transaction that has a time and a rate, from its start to the end of
    /// its last statement, as with `pgbench -f`; statements have theirs beside it.
    async fn transaction(&self, worker: &mut Worker, slot: usize, start: Start) -> Option<Ended> {
        // No step has this number: the transaction is none.
        let whole = Start { step: usize::MAX, ..start };
        self.sends(slot, whole);
        for step in worker.steps() {
            let sent = if step == 0 { start.sent } else { Instant::now() };
            let outcome = worker.run(step, sent).await;
            let now = Instant::now();
            let failure = outcome.as_ref().err().map(|failed| &failed.failure);
            self.local.borrow_mut().account.part(step, start.intended, sent, now, failure);
            if let Err(failed) = outcome {
                self.has_outcome(slot);
                return self.settle_as(whole, step, Err(failed));
            }
        }
        self.has_outcome(slot);
        self.settle(whole, Ok(Done::Fine))
    }

    /// A request goes on its way.
    fn sends(&self, slot: usize, start: Start) {
        let mut local = self.local.borrow_mut();
        local.account.sent(start.intended);
        if let Some(flight) = local.flights.get_mut(slot) {
            *flight = Some(start);
        }
    }

    /// The request of a connection has an outcome, which follows.
    fn has_outcome(&self, slot: usize) {
        if let Some(flight) = self.local.borrow_mut().flights.get_mut(slot) {
            *flight = None;
        }
    }

    /// Records how a step ended; answers as [`Self::iterate`].
    fn settle(&self, start: Start, outcome: Result<Done, Failed>) -> Option<Ended> {
        self.settle_as(start, start.step, outcome)
    }

    /// The same, where `step` is the one that ended it.
    fn settle_as(&self, start: Start, step: usize, outcome: Result<Done, Failed>) -> Option<Ended> {
        let now = Instant::now();
        let mut local = self.local.borrow_mut();
        match outcome {
            Ok(done) => {
                match done {
                    Done::Http { status, bytes } => local.account.response(start, status, bytes),
                    Done::Nothing => local.account.missed(start),
                    Done::Fine => {}
                }
                local.account.succeeded(start, now);
                None
            }
            Err(Failed { response, failure, broken, tries }) => {
                if let Some((status, bytes)) = response {
                    local.account.response(start, status, bytes);
                }
                local.account.failed_with(start, now, &failure);
                if let Some(tries) = tries {
                    let name = self.program.steps.get(step).map_or("", |s| s.name.as_str());
                    local.account.tried(step, &format!("step '{name}': {}", failure.1), tries);
                }
                let timed_out = failure.0 == Class::Timeout;
                if timed_out {
                    local.expired = Some(now);
                }
                let refused = matches!(failure.0, Class::Sql | Class::Cache);
                local.last_failure = failure;
                // A deadline is no refusal: the next request may find the target awake.
                Some(match (broken && !timed_out, refused) {
                    (true, _) => Ended::Broken,
                    (false, true) => Ended::Refused,
                    (false, false) => Ended::Answered,
                })
            }
        }
    }
}

/// How an iteration ended before its end.
enum Ended {
    /// With an answer, or a deadline; the connection can be used.
    Answered,
    /// A database or a cache refused a statement or a command.
    Refused,
    /// Without a connection.
    Broken,
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

async fn until_stopped(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Opens the connections before the clock starts, so that connecting is in no figure. A login that fails ends the run, and
/// so does a database or a cache that does not take every connection of a closed loop: with fewer of them it would be
/// another load. In an open loop they are a bound, so the first one must be open and the others are tried again by their
/// first step; that counts then. The first connection of all goes ahead, so that a password that is wrong is tried once.
async fn open_all(
    shared: &Arc<Shared>,
    program: &Arc<Program>,
    index: usize,
    connections: usize,
) -> Vec<(usize, Worker)> {
    let numbers = (0..connections).map(|i| i * shared.threads + index);
    let mut workers: VecDeque<_> = numbers.map(|n| (n, Worker::new(program.clone(), n))).collect();
    let mut ready = Vec::with_capacity(connections);
    let mut tasks = tokio::task::JoinSet::new();
    let must = program.needs() != (false, false);
    let closed = matches!(program.pace, Pace::Closed { .. });
    let limit =
        if must { patience(program.dialer.timeout) } else { program.dialer.timeout.min(Duration::from_secs(10)) };
    if must && index > 0 {
        let mut first = shared.first.subscribe();
        tokio::select! {
            _ = first.wait_for(Option::is_some) => {}
            () = until_stopped(shared) => {}
        }
    }
    let mut refused = false;
    let mut at_once = if must && index == 0 { 1 } else { OPENING };
    loop {
        while !refused && !shared.stop.load(Ordering::Relaxed) && tasks.len() < at_once {
            let Some((number, mut worker)) = workers.pop_front() else { break };
            let shared = shared.clone();
            tasks.spawn_local(async move {
                // Whoever opens the connection keeps the same limit and knows why it is not open: it speaks first.
                let opened = tokio::time::timeout(limit + LAST_WORD, worker.prepare()).await;
                let why = match &opened {
                    Ok(Ok(())) => None,
                    Ok(Err((_, why))) => Some(why.clone()),
                    Err(_) => Some(format!("no connection was open within {} s", limit.as_secs_f64())),
                };
                let fine = why.is_none();
                if let Some(why) = why.filter(|_| must && (number == 0 || closed)) {
                    let which = if number == 0 { String::new() } else { format!("connection {}: ", number + 1) };
                    shared.abort(format!("{which}{why}"));
                }
                if fine
                    && number == 0
                    && let Err(why) = worker.rehearse().await
                {
                    shared.abort(why);
                }
                if fine && let Err(why) = worker.log_in().await {
                    shared.abort(why);
                }
                (number, worker, fine)
            });
        }
        let stopped = until_stopped(shared);
        tokio::select! {
            done = tasks.join_next() => match done {
                // The first refusal tells: the requests themselves will count it.
                Some(Ok((number, worker, fine))) => {
                    refused |= !fine;
                    if number == 0 {
                        at_once = OPENING;
                        shared.first.send_replace(Some(fine));
                    }
                    ready.push((number, worker));
                }
                Some(Err(_)) => {}
                None => break,
            },
            () = stopped => break,
        }
    }
    ready.extend(workers);
    ready
}

/// Runs one generator thread until the end and answers what it recorded.
pub(crate) fn generate(
    shared: &Arc<Shared>,
    program: &Arc<Program>,
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
            return Record::new(0);
        }
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, drive(shared.clone(), program.clone(), index, connections, ready, go))
}

async fn drive(
    shared: Arc<Shared>,
    program: Arc<Program>,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    mut go: watch::Receiver<Option<Times>>,
) -> Record {
    let workers = open_all(&shared, &program, index, connections).await;
    // The receiver is gone only when the run was dropped; then `go` ends too.
    let _ = ready.send(());
    let times = match go.wait_for(Option::is_some).await {
        Ok(times) => *times,
        Err(_) => None,
    };
    let Some(times) = times else { return Record::new(0) };
    let open = matches!(program.pace, Pace::Open { .. });
    let generator = Rc::new(Generator {
        times: Cell::new(times),
        index,
        connections,
        local: RefCell::new(Local {
            account: Account::new(shared.clone(), times, index),
            due: VecDeque::new(),
            finished: false,
            backing_off: 0,
            last_failure: (Class::Other, String::new()),
            flights: vec![None; connections],
            expired: None,
        }),
        work: Notify::new(),
        transactions: program.is_transaction(),
        program,
        shared: shared.clone(),
    });
    let house = tokio::task::spawn_local(generator.clone().keep_house());
    tokio::time::sleep_until(times.start.into()).await;
    let mut tasks: Vec<_> = workers
        .into_iter()
        .map(|(number, worker)| tokio::task::spawn_local(generator.clone().connection(number, worker)))
        .collect();
    if open {
        generator.pace().await;
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
    // Each has dropped what it waited for when it is joined.
    for task in tasks.into_iter().filter(|task| !task.is_finished()) {
        let _ = task.await;
    }
    left::cancel().await;
    // Every task that held it has ended or was aborted; what still holds it gives up its share of the account only.
    let times = generator.times();
    let mut local = generator.local.borrow_mut();
    let mut due = std::mem::take(&mut local.due);
    let flights = std::mem::take(&mut local.flights);
    let mut account = std::mem::replace(&mut local.account, Account::new(shared, times, index));
    if let Some(why) = account.unanswered() {
        let now = Instant::now();
        flights.into_iter().flatten().for_each(|start| account.give_up(start, now, &why));
        due.drain(..).for_each(|at| account.lost(0, at, None, now, (Class::Shed, NONE_FREE)));
    }
    account.finish(due.iter())
}
