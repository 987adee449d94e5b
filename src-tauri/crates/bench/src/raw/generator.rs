//! One generator thread: its connections, and what their events come to.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::{Connection, Outcome};
use super::lane::Lane;
use super::node::Node;
use super::protocol::Protocol;
use crate::account::{Account, Start};
use crate::contact::Contact;
use crate::record::{Class, Failure};
use crate::shared::Shared;

/// Longest wait of a poll: deadlines, the live view and a stop are looked at this often.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Bytes that one read takes.
const READ: usize = 64 << 10;
/// Connections that one thread opens at the same time.
const OPENING: usize = 128;

/// One generator thread while it runs.
pub(super) struct Generator<P: Protocol> {
    pub(super) protocol: P,
    pub(super) timeout: Duration,
    pub(super) poll: Poll,
    nodes: Vec<Node>,
    pub(super) lanes: Vec<Lane>,
    /// Those of the first node in the order of their lanes, then those of the next.
    connections: Vec<Connection<P>>,
    /// Lanes that take the next start of an open loop, from the back: first those that carry nothing, of these the one
    /// used last, so that fewer stay warm when few are needed.
    pub(super) idle: VecDeque<usize>,
    /// Connections with requests that are not flushed yet.
    touched: Vec<usize>,
    scratch: Vec<u8>,
    pub(super) last_failure: Failure,
    /// Lanes that wait after a failure.
    pub(super) backing_off: usize,
    /// There is no further request.
    pub(super) used_up: bool,
    /// When a request was given up at its deadline.
    pub(super) expired: Option<Instant>,
    /// Told once when the target lets something be known of itself, and then no more.
    contact: Option<Arc<Contact>>,
}

impl<P: Protocol> Generator<P> {
    pub(super) fn new(
        protocol: P,
        nodes: Vec<Vec<SocketAddr>>,
        timeout: Duration,
        lanes: usize,
        contact: Option<Arc<Contact>>,
    ) -> std::io::Result<Self> {
        let mut generator = Self {
            protocol,
            timeout,
            poll: Poll::new()?,
            nodes: Vec::new(),
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            connections: Vec::with_capacity(nodes.len() * lanes),
            idle: VecDeque::with_capacity(lanes),
            touched: Vec::new(),
            scratch: vec![0; READ],
            last_failure: (Class::Other, String::new()),
            backing_off: 0,
            used_up: false,
            expired: None,
            contact,
        };
        for addresses in nodes {
            generator.add_node(addresses);
        }
        Ok(generator)
    }

    /// A server that each lane gets a connection to, once it is needed.
    fn add_node(&mut self, addresses: Vec<SocketAddr>) {
        let node = self.nodes.len();
        self.nodes.push(Node::new(addresses));
        for lane in 0..self.lanes.len() {
            self.connections.push(Connection::new(self.connections.len(), node, lane, &self.protocol));
        }
    }

    /// Begins to open a connection.
    fn dial(&mut self, i: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[i];
        let Some(address) = self.nodes.get(connection.node).and_then(Node::address) else {
            return Err((Class::Connect, "the host has no address".to_owned()));
        };
        connection.open(address, self.poll.registry())
    }

    /// The target answered, or refused.
    fn heard(&mut self) {
        if let Some(contact) = self.contact.take() {
            contact.heard();
        }
    }

    /// The server of a connection answered, or did not.
    fn reached(&mut self, i: usize, yes: bool) {
        if let Some(contact) = self.contact.as_ref().filter(|_| yes) {
            contact.open();
        }
        if let Some(node) = self.nodes.get_mut(self.connections[i].node) {
            node.reached(yes);
        }
        if !yes {
            self.protocol.unreachable();
        }
    }

    /// Opens all connections before the run, as far as that works within the deadline; a request counts what does not.
    pub(super) fn open_all(&mut self, shared: &Shared) {
        let end = Instant::now() + self.timeout;
        let mut events = Events::with_capacity(256);
        let mut waiting: VecDeque<usize> = (0..self.connections.len()).collect();
        let mut opening = 0;
        loop {
            while opening < OPENING
                && let Some(i) = waiting.pop_front()
            {
                // The first refusals of all addresses tell that no further one is needed.
                if self.nodes[self.connections[i].node].is_dead() {
                    continue;
                }
                if self.dial(i).is_err() {
                    return;
                }
                opening += 1;
            }
            let stopped = shared.stop.load(Ordering::Relaxed);
            if opening == 0 || stopped || Instant::now() >= end || self.poll.poll(&mut events, Some(LOOK)).is_err() {
                return;
            }
            for event in &events {
                let Token(i) = event.token();
                let Self { connections, protocol, scratch, .. } = self;
                let Some(connection) = connections.get_mut(i) else { continue };
                match connection.ready(event.is_read_closed(), protocol, scratch, |_, _| {}) {
                    Outcome::Opened => {
                        opening -= 1;
                        self.reached(i, true);
                    }
                    Outcome::Failed(failure) => {
                        opening -= 1;
                        if failure.0 != Class::Timeout {
                            self.heard();
                        }
                        self.last_failure = failure;
                        self.reached(i, false);
                        waiting.push_front(i);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Puts the next request on a lane, to be flushed with those that follow. False when there is none left.
    pub(super) fn put(&mut self, lane: usize, intended: Instant, now: Instant, account: &mut Account) -> bool {
        let Some(next) = self.protocol.next(now) else {
            self.used_up = true;
            return false;
        };
        let i = next.node * self.lanes.len() + lane;
        let Some(connection) = self.connections.get_mut(i) else { return false };
        account.sent(intended);
        self.lanes[lane].sent();
        connection.push(Start { step: next.step, intended, sent: now, first: true }, &mut self.protocol);
        if !self.touched.contains(&i) {
            self.touched.push(i);
        }
        true
    }

    /// Sends what was put on connections.
    pub(super) fn flush(&mut self, account: &mut Account) {
        while let Some(i) = self.touched.pop() {
            self.send(i, account);
        }
    }

    /// Sends the requests of a connection, opening it when it is closed.
    fn send(&mut self, i: usize, account: &mut Account) {
        let outcome = if self.connections[i].is_closed() {
            self.dial(i).map_or_else(Outcome::Failed, |()| Outcome::Pending)
        } else {
            self.connections[i].flush(&self.protocol)
        };
        // Sending decides nothing but a failure.
        self.settle(i, outcome, account);
    }

    /// The requests of a connection failed; its lane waits a moment before it tries again.
    fn fail(&mut self, i: usize, failure: Failure, account: &mut Account) {
        if failure.0 != Class::Timeout {
            self.heard();
        }
        let now = Instant::now();
        let (connection, mut failed) = (&mut self.connections[i], 0);
        while let Some(start) = connection.give_up() {
            account.failed_with(start, now, &failure);
            failed += 1;
        }
        if failed > 0 {
            let lane = &mut self.lanes[connection.lane];
            lane.gave_up(failed);
            self.backing_off += usize::from(lane.back_off(now));
        }
        self.last_failure = failure;
    }

    /// Records what an event came to. Answers the time of the last reply when there was one.
    fn settle(&mut self, i: usize, outcome: Outcome, account: &mut Account) -> Option<Instant> {
        match outcome {
            Outcome::Pending | Outcome::Opened => None,
            Outcome::Replied(now) => {
                self.heard();
                Some(now)
            }
            Outcome::Unanswered(_) if self.protocol.sends_again() => {
                self.send(i, account);
                None
            }
            Outcome::Unanswered(failure) | Outcome::Failed(failure) => {
                if matches!(failure.0, Class::Connect | Class::Local | Class::Timeout) {
                    self.reached(i, false);
                }
                self.fail(i, failure, account);
                None
            }
        }
    }

    /// Gives up requests that are over their deadline and looks for lanes whose pause is over; `freed` gets those that
    /// may take requests again.
    pub(super) fn look_around(&mut self, now: Instant, account: &mut Account, freed: &mut Vec<usize>) {
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            if lane.resumes(now) {
                self.backing_off -= 1;
                freed.push(i);
            }
        }
        if self.contact.is_some() && self.connections.iter().any(Connection::is_answering) {
            self.heard();
        }
        for i in 0..self.connections.len() {
            let oldest = self.connections[i].oldest();
            if oldest.is_some_and(|start| now.saturating_duration_since(start.sent) >= self.timeout) {
                freed.push(self.expire(i, now, account));
            }
        }
        for address in self.protocol.keep_house(now) {
            self.add_node(vec![address]);
        }
    }

    /// Closes a connection whose oldest request is over its deadline. Answers its lane.
    fn expire(&mut self, i: usize, now: Instant, account: &mut Account) -> usize {
        let seconds = self.timeout.as_secs_f64();
        self.expired = Some(now);
        let connection = &mut self.connections[i];
        let opening = connection.is_opening();
        let late = if opening {
            format!("no connection within {seconds} s")
        } else {
            format!("no complete response within {seconds} s")
        };
        connection.close(&self.protocol);
        let mut requests = 0;
        while let Some(start) = connection.give_up() {
            requests += 1;
            if now.saturating_duration_since(start.sent) >= self.timeout {
                account.failed(start, now, Class::Timeout, &late);
            } else {
                account.failed(start, now, Class::Reset, "the response before it on this connection did not come");
            }
        }
        let lane = connection.lane;
        self.lanes[lane].gave_up(requests);
        if opening {
            self.reached(i, false);
        }
        lane
    }

    /// Waits for events, records what they came to and hands each lane that got a reply to `then`.
    pub(super) fn turn(
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
            let Self { connections, protocol, lanes, scratch, .. } = self;
            let Some(connection) = connections.get_mut(i) else { continue };
            let (lane, was_opening) = (connection.lane, connection.is_opening());
            let outcome = connection.ready(event.is_read_closed(), protocol, scratch, |protocol, arrival| {
                lanes[lane].replied();
                protocol.account(arrival, account);
            });
            if was_opening && !connection.is_opening() && !connection.is_closed() {
                self.reached(i, true);
            }
            if let Some(now) = self.settle(i, outcome, account) {
                then(self, lane, now, account);
            }
        }
    }

    /// At the end: what is on the wire to a target that has answered nothing has failed.
    pub(super) fn give_up(&mut self, account: &mut Account) {
        let Some(why) = account.unanswered() else { return };
        let now = Instant::now();
        for connection in &mut self.connections {
            while let Some(start) = connection.give_up() {
                account.give_up(start, now, &why);
            }
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lanes.iter().map(Lane::in_flight).sum()
    }
}
