//! One connection of the raw engine: opening, greeting, sending, reading, closing; all without waiting.
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::protocol::{Arrival, Protocol};
use crate::account::Start;
use crate::http1::{CUT_OFF, NO_RESPONSE};
use crate::record::{Class, Failure, refused};

/// Output that is written already is kept up to this size before the rest is moved to the front.
const COMPACT: usize = 64 << 10;

/// What an event on a connection came to, besides the replies that it brought.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing is decided yet.
    Pending,
    /// It is open and has no request.
    Opened,
    /// Replies came, the last one at this time.
    Replied(Instant),
    /// Its requests, or opening the connection, failed; the connection is closed.
    Failed(Failure),
    /// The server closed a connection that it had answered on before, without a byte of the next reply.
    Unanswered(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Opening(SocketAddr),
    /// Connected; so many parts of the greeting have their reply.
    Greeting(usize),
    Open,
}

/// A connection and the requests on it.
pub(crate) struct Connection<P: Protocol> {
    token: Token,
    /// The server that it goes to.
    pub(crate) node: usize,
    /// Which connection of the plan it belongs to: that has one to each server.
    pub(crate) lane: usize,
    stream: Option<TcpStream>,
    state: State,
    reader: P::Reader,
    out: Vec<u8>,
    /// Bytes of the output that are written.
    written: usize,
    /// Bytes of the reply that is arriving.
    received: u64,
    /// Replies that came over it since it was opened.
    answered: u64,
    /// Requests without a reply, in their order.
    flights: VecDeque<Start>,
}

pub(crate) fn class_of(kind: ErrorKind) -> Class {
    match kind {
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Class::Reset,
        ErrorKind::TimedOut => Class::Timeout,
        _ => Class::Other,
    }
}

impl<P: Protocol> Connection<P> {
    /// Connection `index` of all, not open yet.
    pub(crate) fn new(index: usize, node: usize, lane: usize, protocol: &P) -> Self {
        Self {
            token: Token(index),
            node,
            lane,
            stream: None,
            state: State::Closed,
            reader: protocol.reader(),
            out: Vec::new(),
            written: 0,
            received: 0,
            answered: 0,
            flights: VecDeque::with_capacity(protocol.depth()),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_) | State::Greeting(_))
    }

    /// Whether a byte of a reply has come over it since it was opened.
    pub(crate) fn is_answering(&self) -> bool {
        self.answered > 0 || self.received > 0
    }

    /// The request that has waited longest for its reply.
    pub(crate) fn oldest(&self) -> Option<Start> {
        self.flights.front().copied()
    }

    /// Takes off the oldest request without a reply, to count what became of it.
    pub(crate) fn give_up(&mut self) -> Option<Start> {
        self.flights.pop_front()
    }

    /// Closes it. Its requests stay on it, to be given up or sent again.
    pub(crate) fn close(&mut self, protocol: &P) {
        // Dropping the stream also takes it out of the poll.
        self.stream = None;
        self.state = State::Closed;
        protocol.reset(&mut self.reader);
        self.answered = 0;
        self.received = 0;
        self.written = 0;
    }

    /// Begins to open it.
    ///
    /// # Errors
    /// When the system refuses at once, such as for want of files or ports.
    pub(crate) fn open(&mut self, address: SocketAddr, registry: &Registry) -> Result<(), Failure> {
        let refused = |e: std::io::Error| refused(address, &e);
        let mut stream = TcpStream::connect(address).map_err(refused)?;
        registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE).map_err(refused)?;
        self.stream = Some(stream);
        self.state = State::Opening(address);
        Ok(())
    }

    /// Adds the request that the protocol chose last; it is flushed later, with others that follow it.
    pub(crate) fn push(&mut self, start: Start, protocol: &mut P) {
        if self.flights.is_empty() {
            self.out.clear();
            self.written = 0;
        } else if self.written > COMPACT && self.written <= self.out.len() {
            self.out.drain(..self.written);
            self.written = 0;
        }
        protocol.write(&mut self.out);
        self.flights.push_back(start);
    }

    /// Writes the output as far as the socket takes it, when the connection is open.
    pub(crate) fn flush(&mut self, protocol: &P) -> Outcome {
        if self.state != State::Open || self.flights.is_empty() {
            return Outcome::Pending;
        }
        let Some(stream) = &mut self.stream else { return Outcome::Pending };
        let output = protocol.output(&self.out);
        while let Some(rest) = output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return self.lost(class_of(e.kind()), e.to_string(), protocol),
            }
        }
        if self.written == self.out.len() {
            // What is added before the replies arrive begins anew, so the output does not grow.
            self.out.clear();
            self.written = 0;
        }
        Outcome::Pending
    }

    /// The socket is ready. `closed` tells that the other side will send no more; `arrived` gets each reply.
    pub(crate) fn ready(
        &mut self,
        closed: bool,
        protocol: &mut P,
        scratch: &mut [u8],
        arrived: impl FnMut(&mut P, Arrival<'_, P::Reader, P::Reply>),
    ) -> Outcome {
        if let State::Opening(address) = self.state {
            match self.opened(address) {
                Some(Ok(())) => {
                    if let Some(outcome) = self.greet(protocol) {
                        return outcome;
                    }
                }
                Some(Err(failure)) => {
                    self.close(protocol);
                    return Outcome::Failed(failure);
                }
                None => return Outcome::Pending,
            }
        }
        match self.flush(protocol) {
            Outcome::Pending => self.read(closed, protocol, scratch, arrived),
            lost => lost,
        }
    }

    /// Whether opening ended, and how.
    fn opened(&mut self, address: SocketAddr) -> Option<Result<(), Failure>> {
        let stream = self.stream.as_ref()?;
        let refused = |e: &std::io::Error| Some(Err(refused(address, e)));
        match stream.take_error() {
            Ok(Some(error)) | Err(error) => return refused(&error),
            Ok(None) => {}
        }
        match stream.peer_addr() {
            Ok(_) => {
                // A request is one write; waiting for more to send would be in every figure.
                let _ = stream.set_nodelay(true);
                Some(Ok(()))
            }
            Err(e) if e.kind() == ErrorKind::NotConnected => None,
            Err(e) => refused(&e),
        }
    }

    /// The connection is there: it greets, or is open at once.
    fn greet(&mut self, protocol: &P) -> Option<Outcome> {
        let (greeting, parts) = protocol.greeting();
        if parts == 0 {
            self.state = State::Open;
            return self.flights.is_empty().then_some(Outcome::Opened);
        }
        self.state = State::Greeting(0);
        // A few dozen bytes always fit into a new socket.
        let written = self.stream.as_mut().map(|stream| stream.write_all(greeting));
        match written {
            Some(Err(e)) => Some(self.lost(class_of(e.kind()), e.to_string(), protocol)),
            _ => None,
        }
    }

    /// The connection broke.
    fn lost(&mut self, class: Class, message: String, protocol: &P) -> Outcome {
        let untouched = self.answered > 0 && self.received == 0 && self.flights.len() == 1;
        self.close(protocol);
        if untouched { Outcome::Unanswered((class, message)) } else { Outcome::Failed((class, message)) }
    }

    fn read(
        &mut self,
        closed: bool,
        protocol: &mut P,
        scratch: &mut [u8],
        mut arrived: impl FnMut(&mut P, Arrival<'_, P::Reader, P::Reply>),
    ) -> Outcome {
        let mut outcome = Outcome::Pending;
        loop {
            let Some(stream) = &mut self.stream else { return outcome };
            let n = match stream.read(scratch) {
                Ok(0) => return self.ended(outcome, protocol, arrived),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return outcome,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if self.is_idle() => {
                    tracing::trace!(error = %e, "an idle connection broke");
                    self.close(protocol);
                    return outcome;
                }
                Err(e) => return self.lost(class_of(e.kind()), e.to_string(), protocol),
            };
            let (now, before) = (Instant::now(), self.flights.len());
            let greeting = self.is_opening();
            if let Err(failure) = self.take(scratch.get(..n).unwrap_or_default(), now, protocol, &mut arrived) {
                self.close(protocol);
                return Outcome::Failed(failure);
            }
            if self.flights.len() < before {
                outcome = Outcome::Replied(now);
            }
            if greeting && self.state == State::Open {
                if self.flights.is_empty() {
                    return Outcome::Opened;
                }
                match self.flush(protocol) {
                    Outcome::Pending => {}
                    lost => return lost,
                }
            }
            if closed && self.is_idle() {
                self.close(protocol);
            }
            // A short read has emptied the socket, but the end of the stream has no event of its own any more.
            if n < scratch.len() && !closed {
                return outcome;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.state == State::Open && self.flights.is_empty()
    }

    /// Takes in what was read at `now`.
    fn take(
        &mut self,
        mut data: &[u8],
        now: Instant,
        protocol: &mut P,
        arrived: &mut impl FnMut(&mut P, Arrival<'_, P::Reader, P::Reply>),
    ) -> Result<(), Failure> {
        while !data.is_empty() {
            if self.is_idle() {
                // Bytes that nobody asked for: whatever they are, they are not the next reply.
                self.close(protocol);
                return Ok(());
            }
            let done = protocol.read(&mut self.reader, data).map_err(|message| (Class::Protocol, message))?;
            let Some(done) = done else {
                self.received += data.len() as u64;
                return Ok(());
            };
            data = data.get(done.used..).unwrap_or_default();
            let bytes = std::mem::take(&mut self.received) + done.used as u64;
            if let State::Greeting(index) = self.state {
                protocol.greeted(index, &self.reader, done.reply)?;
                let more = index + 1 < protocol.greeting().1;
                self.state = if more { State::Greeting(index + 1) } else { State::Open };
                continue;
            }
            self.answer(done.reply, bytes, now, protocol, arrived);
            // A server that answers before it has the whole request would take the rest for the next one.
            let unwritten = self.flights.is_empty() && self.written < protocol.output(&self.out).len();
            if done.last || unwritten {
                self.close(protocol);
                return Ok(());
            }
        }
        Ok(())
    }

    /// The oldest request has its reply.
    fn answer(
        &mut self,
        reply: P::Reply,
        bytes: u64,
        now: Instant,
        protocol: &mut P,
        arrived: &mut impl FnMut(&mut P, Arrival<'_, P::Reader, P::Reply>),
    ) {
        if let Some(start) = self.flights.pop_front() {
            self.answered += 1;
            arrived(protocol, Arrival { reader: &self.reader, reply, bytes, start, now });
        }
    }

    /// The other side sends no more.
    fn ended(
        &mut self,
        outcome: Outcome,
        protocol: &mut P,
        mut arrived: impl FnMut(&mut P, Arrival<'_, P::Reader, P::Reply>),
    ) -> Outcome {
        if self.is_idle() {
            self.close(protocol);
            return outcome;
        }
        if self.state == State::Open
            && let Some(reply) = protocol.closed(&mut self.reader)
        {
            let now = Instant::now();
            self.answer(reply, self.received, now, protocol, &mut arrived);
            self.close(protocol);
            return Outcome::Replied(now);
        }
        let message = if self.received == 0 { NO_RESPONSE } else { CUT_OFF };
        self.lost(Class::Reset, message.to_owned(), protocol)
    }
}
