//! The raw engine: HTTP/1.1 without TLS for the most load per processor time and the most exact starts.
//!
//! The request is serialised once. Each thread polls its own connections; the next request of a connection is written
//! in the event that completed the last one; there is no task, channel, lock or allocation per request. Connections
//! that are free take the starts that are due in the order of their schedule.
mod connection;
mod pacer;
mod response;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tokio::sync::{mpsc, watch};

use self::connection::{Connection, Flight, Outcome};
use self::pacer::Pacer;
use self::response::HeadCache;
use crate::account::{Account, GRACE, Start};
use crate::pacing::{Schedule, back_off, shed_above};
use crate::record::{Class, Failure, Record};
use crate::shared::{Shared, Times};

/// Longest wait of a poll: deadlines, the live view and a stop are looked at this often.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes that one read takes.
const READ: usize = 64 << 10;
/// Connections that one thread opens at the same time.
const OPENING: usize = 128;

/// What the threads of this engine send, and where to.
pub(crate) struct Wire {
    pub(crate) request: Vec<u8>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) timeout: Duration,
    /// Whether the method has no response body.
    pub(crate) bodyless: bool,
    /// Whether the request may be sent again when the server closed the connection without a byte of an answer.
    pub(crate) idempotent: bool,
    /// The address that answered last, so that one dead address of several is not asked for each connection.
    pub(crate) preferred: AtomicUsize,
}

/// One generator thread while it runs.
struct Generator<'a> {
    wire: &'a Wire,
    poll: Poll,
    connections: Vec<Connection>,
    /// Connections without a request, the one used last on top: fewer stay warm when few are needed.
    idle: Vec<usize>,
    scratch: Vec<u8>,
    cache: HeadCache,
    /// Addresses tried in a row without success.
    dead: usize,
    last_failure: Failure,
    /// Connections that wait after a failure.
    backing_off: usize,
}

/// Runs one thread until the end and answers what it recorded.
pub(crate) fn generate(
    shared: &Arc<Shared>,
    wire: &Wire,
    index: usize,
    connections: usize,
    ready: &mpsc::UnboundedSender<()>,
    mut go: watch::Receiver<Option<Times>>,
    runtime: &tokio::runtime::Handle,
) -> Record {
    let mut generator = match Generator::new(wire, connections) {
        Ok(generator) => generator,
        Err(error) => {
            tracing::error!(%error, "a generator thread has no poll");
            let _ = ready.send(());
            return Record::new(0);
        }
    };
    generator.open_all(shared);
    // The receiver is gone only when the run was dropped; then `go` ends too.
    let _ = ready.send(());
    let times = runtime.block_on(async { go.wait_for(Option::is_some).await.ok().and_then(|times| *times) });
    let Some(times) = times else { return Record::new(0) };
    let account = Account::new(shared.clone(), times, index);
    match shared.rate_per_s {
        None => generator.closed_loop(account),
        Some(rate) => generator.open_loop(account, Schedule::new(rate, index, shared.threads), shed_above(shared)),
    }
}

impl<'a> Generator<'a> {
    fn new(wire: &'a Wire, connections: usize) -> std::io::Result<Self> {
        Ok(Self {
            wire,
            poll: Poll::new()?,
            connections: (0..connections).map(|i| Connection::new(i, wire.bodyless)).collect(),
            idle: Vec::with_capacity(connections),
            scratch: vec![0; READ],
            cache: HeadCache::default(),
            dead: 0,
            last_failure: (Class::Other, String::new()),
            backing_off: 0,
        })
    }

    fn address(&self) -> Option<SocketAddr> {
        let n = self.wire.addresses.len();
        let first = self.wire.preferred.load(Ordering::Relaxed);
        self.wire.addresses.get((first + self.dead) % n.max(1)).copied()
    }

    /// Begins to open a connection.
    fn dial(&mut self, i: usize) -> Result<(), Failure> {
        let Some(address) = self.address() else {
            return Err((Class::Connect, "the host has no address".to_owned()));
        };
        self.connections[i].open(address, self.poll.registry())
    }

    /// An address answered, or did not: the next connection goes to the one that is more likely to.
    fn reached(&mut self, yes: bool) {
        if yes {
            if self.dead > 0 {
                let n = self.wire.addresses.len().max(1);
                let first = self.wire.preferred.load(Ordering::Relaxed);
                self.wire.preferred.store((first + self.dead) % n, Ordering::Relaxed);
                self.dead = 0;
            }
        } else {
            self.dead = (self.dead + 1) % self.wire.addresses.len().max(1);
        }
    }

    /// Opens all connections before the run, as far as that works within the deadline; a request counts what does not.
    fn open_all(&mut self, shared: &Shared) {
        let end = Instant::now() + self.wire.timeout;
        let mut events = Events::with_capacity(256);
        let (mut begun, mut open, mut refused) = (0, 0, 0);
        while open < self.connections.len() && Instant::now() < end && refused <= self.wire.addresses.len() {
            while begun < self.connections.len() && begun - open < OPENING {
                if self.dial(begun).is_err() {
                    return;
                }
                begun += 1;
            }
            if shared.stop.load(Ordering::Relaxed) || self.poll.poll(&mut events, Some(LOOK)).is_err() {
                return;
            }
            for event in &events {
                let Token(i) = event.token();
                let Some(connection) = self.connections.get_mut(i) else { continue };
                match connection.ready(event.is_read_closed(), &[], &mut self.scratch, &mut self.cache) {
                    Outcome::Opened => {
                        open += 1;
                        self.reached(true);
                    }
                    // Another address may answer; the first refusals of all of them tell that none does.
                    Outcome::Failed(_) => {
                        refused += 1;
                        self.reached(false);
                        if refused <= self.wire.addresses.len() && self.dial(i).is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Puts a request on a connection, opening it when it is closed.
    fn launch(&mut self, i: usize, flight: Flight, account: &mut Account) {
        account.sent(flight.intended);
        self.relaunch(i, flight, account);
    }

    fn relaunch(&mut self, i: usize, flight: Flight, account: &mut Account) {
        if self.connections[i].is_closed()
            && let Err(failure) = self.dial(i)
        {
            self.connections[i].flight = Some(flight);
            self.fail(i, failure, account);
            return;
        }
        let outcome = self.connections[i].send(flight, &self.wire.request);
        // Sending decides nothing but a failure.
        self.settle(i, outcome, account);
    }

    /// The request of a connection failed; it waits a moment before it tries again.
    fn fail(&mut self, i: usize, failure: Failure, account: &mut Account) {
        let now = Instant::now();
        let connection = &mut self.connections[i];
        let Some(flight) = connection.flight.take() else { return };
        account.failed_with(start(flight), now, &failure);
        connection.failures += 1;
        connection.retry_at = Some(now + back_off(connection.failures));
        self.backing_off += 1;
        self.last_failure = failure;
    }

    /// Records what an event came to. Answers the time when the connection is free for its next request.
    fn settle(&mut self, i: usize, outcome: Outcome, account: &mut Account) -> Option<Instant> {
        match outcome {
            Outcome::Pending | Outcome::Opened => None,
            Outcome::Response { status, bytes } => {
                let now = Instant::now();
                let connection = &mut self.connections[i];
                connection.failures = 0;
                let flight = connection.flight.take()?;
                account.arrived(start(flight), now, status, bytes);
                Some(now)
            }
            Outcome::Unanswered(failure) => {
                match self.connections[i].flight {
                    Some(flight) if self.wire.idempotent => self.relaunch(i, flight, account),
                    _ => self.fail(i, failure, account),
                }
                None
            }
            Outcome::Failed(failure) => {
                if matches!(failure.0, Class::Connect | Class::Timeout) {
                    self.reached(false);
                }
                self.fail(i, failure, account);
                None
            }
        }
    }

    /// Gives up requests that are over their deadline and connections whose pause is over; `free` gets those.
    fn look_around(&mut self, now: Instant, account: &mut Account, mut free: impl FnMut(usize)) {
        for i in 0..self.connections.len() {
            let connection = &mut self.connections[i];
            if connection.retry_at.is_some_and(|at| at <= now) {
                connection.retry_at = None;
                self.backing_off -= 1;
                free(i);
                continue;
            }
            let Some(flight) = connection.flight else { continue };
            if now.saturating_duration_since(flight.sent) < self.wire.timeout {
                continue;
            }
            let seconds = self.wire.timeout.as_secs_f64();
            let opening = connection.is_opening();
            connection.flight = None;
            connection.close();
            let message = if opening {
                format!("no connection within {seconds} s")
            } else {
                format!("no complete response within {seconds} s")
            };
            account.failed(start(flight), now, Class::Timeout, &message);
            if opening {
                self.reached(false);
            }
            free(i);
        }
    }

    /// Waits for events and hands each to `then`, with the connection's outcome settled.
    fn turn(
        &mut self,
        events: &mut Events,
        wait: Duration,
        account: &mut Account,
        mut then: impl FnMut(&mut Self, usize, Instant, &mut Account),
    ) {
        if let Err(error) = self.poll.poll(events, Some(wait)) {
            if error.kind() != std::io::ErrorKind::Interrupted {
                tracing::error!(%error, "a generator thread cannot poll");
                std::thread::sleep(LOOK);
            }
            return;
        }
        for event in events.iter() {
            let Token(i) = event.token();
            let Some(connection) = self.connections.get_mut(i) else { continue };
            let was_opening = connection.is_opening();
            let outcome =
                connection.ready(event.is_read_closed(), &self.wire.request, &mut self.scratch, &mut self.cache);
            if was_opening && !connection.is_opening() && !connection.is_closed() {
                self.reached(true);
            }
            if let Some(now) = self.settle(i, outcome, account) {
                then(self, i, now, account);
            }
        }
    }

    /// Whether what is on the wire after the end, or after a stop, has had its time.
    fn is_over(&self, now: Instant, account: &Account, stopped: &mut Option<Instant>) -> bool {
        if account.stopped() {
            let since = *stopped.get_or_insert(now);
            return now.saturating_duration_since(since) >= GRACE || self.in_flight() == 0;
        }
        false
    }

    fn in_flight(&self) -> usize {
        self.connections.iter().filter(|c| c.flight.is_some()).count()
    }

    /// Each connection sends its next request when the last one ended.
    fn closed_loop(mut self, mut account: Account) -> Record {
        let times = account.times();
        wait_until(times.start);
        let mut events = Events::with_capacity(256);
        let mut free: Vec<usize> = (0..self.connections.len()).collect();
        let (mut looked, mut stopped) = (Instant::now(), None);
        loop {
            let now = Instant::now();
            let done = now >= times.end || account.stopped();
            if done && (self.in_flight() == 0 || self.is_over(now, &account, &mut stopped)) {
                break;
            }
            for i in std::mem::take(&mut free) {
                if !done {
                    let now = Instant::now();
                    self.launch(i, Flight { intended: now, sent: now }, &mut account);
                }
            }
            let stop = account.stopped();
            let wait = if self.backing_off > 0 { Duration::from_millis(1) } else { LOOK };
            self.turn(&mut events, wait, &mut account, |generator, i, now, account| {
                if now < times.end && !stop {
                    generator.launch(i, Flight { intended: now, sent: now }, account);
                }
            });
            let now = Instant::now();
            if now.saturating_duration_since(looked) >= LOOK || self.backing_off > 0 {
                looked = now;
                self.look_around(now, &mut account, |i| free.push(i));
                account.tick(now);
            }
        }
        account.finish(std::iter::empty())
    }

    /// Each start happens at its time; those that find no free connection wait in order.
    fn open_loop(mut self, mut account: Account, schedule: Schedule, cap: usize) -> Record {
        let times = account.times();
        let mut pacer = Pacer::new(&self.poll);
        let mut events = Events::with_capacity(256);
        let mut due: VecDeque<Instant> = VecDeque::new();
        self.idle = (0..self.connections.len()).rev().collect();
        let at = |k: u64| times.start.checked_add(schedule.at(k)).filter(|at| *at < times.end);
        let (mut k, mut next) = (0u64, at(0));
        let (mut looked, mut stopped) = (Instant::now(), None);
        loop {
            let now = Instant::now();
            if account.stopped() {
                next = None;
                if self.is_over(now, &account, &mut stopped) {
                    break;
                }
            } else {
                while let Some(start) = next.filter(|start| *start <= now) {
                    account.woke(start, now);
                    self.start_due(start, now, cap, &mut due, &mut account);
                    k += 1;
                    next = at(k);
                }
                self.dispatch(&mut due, &mut account);
                if next.is_none() && due.is_empty() && self.in_flight() == 0 {
                    break;
                }
            }
            let wait = if self.backing_off > 0 { Duration::from_millis(1) } else { LOOK };
            let wait = pacer.wait(next, Instant::now(), wait);
            self.turn(&mut events, wait, &mut account, |generator, i, now, account| {
                generator.idle.push(i);
                let late = now > times.end + generator.wire.timeout;
                if !late && !account.stopped() {
                    generator.dispatch(&mut due, account);
                }
            });
            let now = Instant::now();
            if now.saturating_duration_since(looked) >= LOOK || self.backing_off > 0 {
                looked = now;
                let mut free = Vec::new();
                self.look_around(now, &mut account, |i| free.push(i));
                self.idle.append(&mut free);
                if now > times.end + self.wire.timeout {
                    // What still waits long after the end is part of the result as a failure.
                    for start in due.drain(..) {
                        let message = "no connection was free before the end of the run";
                        account.lost(0, start, None, now, (Class::Shed, message));
                    }
                }
                account.tick(now);
            }
        }
        account.finish(due.iter())
    }

    /// A start is due: it waits for a connection, unless it has no chance.
    fn start_due(
        &mut self,
        start: Instant,
        now: Instant,
        cap: usize,
        due: &mut VecDeque<Instant>,
        account: &mut Account,
    ) {
        if self.backing_off >= self.connections.len() {
            // No connection can be opened: waiting for one would only pile up the schedule.
            let (class, message) = self.last_failure.clone();
            account.lost(0, start, Some(now), now, (class, &message));
        } else if due.len() >= cap {
            let message = format!("{cap} requests were already waiting for a free connection");
            account.lost(0, start, None, now, (Class::Shed, &message));
        } else {
            due.push_back(start);
        }
    }

    /// Sends what is due as long as connections are free.
    fn dispatch(&mut self, due: &mut VecDeque<Instant>, account: &mut Account) {
        while !due.is_empty()
            && let Some(i) = self.idle.pop()
        {
            let Some(intended) = due.pop_front() else { return };
            self.launch(i, Flight { intended, sent: Instant::now() }, account);
        }
    }
}

/// The one step of this engine.
fn start(flight: Flight) -> Start {
    Start { step: 0, intended: flight.intended, sent: flight.sent, first: true }
}

/// Sleeps, which is only used before a run starts.
fn wait_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if left > Duration::ZERO {
        std::thread::sleep(left);
    }
}
