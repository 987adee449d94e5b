//! One connection of the raw engine: opening, sending, reading, closing; all without waiting.
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::response::{HeadCache, Reader, Step};
use crate::record::{Class, Failure};

/// The request that is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    pub(crate) intended: Instant,
    pub(crate) sent: Instant,
}

/// What an event on a connection came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing is decided yet.
    Pending,
    /// It is open and has no request.
    Opened,
    /// The response is complete.
    Response { status: u16, bytes: u64 },
    /// The request, or opening the connection, failed; the connection is closed.
    Failed(Failure),
    /// The server closed a connection that it had answered on before, without a byte of this response: it may not have
    /// seen the request (RFC 9112, section 9.3.1), which can be sent again on a new connection.
    Unanswered(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Opening(SocketAddr),
    Open,
}

/// A connection and the request on it.
#[derive(Debug)]
pub(crate) struct Connection {
    token: Token,
    stream: Option<TcpStream>,
    state: State,
    reader: Reader,
    /// Bytes of the request that are written.
    written: usize,
    received: u64,
    /// Responses that came over it since it was opened.
    answered: u64,
    pub(crate) flight: Option<Flight>,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Not used before this time, after a failure.
    pub(crate) retry_at: Option<Instant>,
}

fn class_of(kind: ErrorKind) -> Class {
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

impl Connection {
    pub(crate) fn new(index: usize, bodyless: bool) -> Self {
        Self {
            token: Token(index),
            stream: None,
            state: State::Closed,
            reader: Reader::new(bodyless),
            written: 0,
            received: 0,
            answered: 0,
            flight: None,
            failures: 0,
            retry_at: None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_))
    }

    /// Closes it; a request on it is forgotten.
    pub(crate) fn close(&mut self) {
        // Dropping the stream also takes it out of the poll.
        self.stream = None;
        self.state = State::Closed;
        self.reader.reset();
        self.answered = 0;
        self.written = 0;
        self.received = 0;
    }

    /// Begins to open it.
    ///
    /// # Errors
    /// When the system refuses at once, such as for want of files or ports.
    pub(crate) fn open(&mut self, address: SocketAddr, registry: &Registry) -> Result<(), Failure> {
        self.close();
        let refused = |e: std::io::Error| (Class::Connect, format!("{address}: {e}"));
        let mut stream = TcpStream::connect(address).map_err(refused)?;
        registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE).map_err(refused)?;
        self.stream = Some(stream);
        self.state = State::Opening(address);
        Ok(())
    }

    /// Starts a request; it is written as far as the socket takes it.
    pub(crate) fn send(&mut self, flight: Flight, request: &[u8]) -> Outcome {
        self.flight = Some(flight);
        self.written = 0;
        self.received = 0;
        if self.state == State::Open { self.write(request) } else { Outcome::Pending }
    }

    /// The socket is ready. `closed` tells that the other side will send no more.
    pub(crate) fn ready(&mut self, closed: bool, request: &[u8], scratch: &mut [u8], cache: &mut HeadCache) -> Outcome {
        if let State::Opening(address) = self.state {
            match self.opened(address) {
                Some(Ok(())) if self.flight.is_none() => return Outcome::Opened,
                Some(Ok(())) => {}
                Some(Err(failure)) => {
                    self.close();
                    return Outcome::Failed(failure);
                }
                None => return Outcome::Pending,
            }
        }
        if self.flight.is_some() && self.written < request.len() {
            let outcome = self.write(request);
            if !matches!(outcome, Outcome::Pending) {
                return outcome;
            }
        }
        self.read(closed, scratch, cache)
    }

    /// Whether opening ended, and how.
    fn opened(&mut self, address: SocketAddr) -> Option<Result<(), Failure>> {
        let stream = self.stream.as_ref()?;
        let refused = |e: &std::io::Error| {
            let class = if e.kind() == ErrorKind::TimedOut { Class::Timeout } else { Class::Connect };
            Some(Err((class, format!("{address}: {e}"))))
        };
        match stream.take_error() {
            Ok(Some(error)) | Err(error) => return refused(&error),
            Ok(None) => {}
        }
        match stream.peer_addr() {
            Ok(_) => {
                // A request is one write; waiting for more to send would be in every figure.
                let _ = stream.set_nodelay(true);
                self.state = State::Open;
                Some(Ok(()))
            }
            Err(e) if e.kind() == ErrorKind::NotConnected => None,
            Err(e) => refused(&e),
        }
    }

    fn write(&mut self, request: &[u8]) -> Outcome {
        let Some(stream) = &mut self.stream else { return Outcome::Pending };
        while let Some(rest) = request.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return self.lost(class_of(e.kind()), e.to_string()),
            }
        }
        Outcome::Pending
    }

    /// The connection broke.
    fn lost(&mut self, class: Class, message: String) -> Outcome {
        let untouched = self.answered > 0 && self.reader.is_idle() && self.received == 0;
        self.close();
        if untouched { Outcome::Unanswered((class, message)) } else { Outcome::Failed((class, message)) }
    }

    fn read(&mut self, closed: bool, scratch: &mut [u8], cache: &mut HeadCache) -> Outcome {
        loop {
            let Some(stream) = &mut self.stream else { return Outcome::Pending };
            let n = match stream.read(scratch) {
                Ok(0) => return self.ended(),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Outcome::Pending,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if self.flight.is_none() => {
                    tracing::trace!(error = %e, "an idle connection broke");
                    self.close();
                    return Outcome::Pending;
                }
                Err(e) => return self.lost(class_of(e.kind()), e.to_string()),
            };
            if self.flight.is_none() {
                // Bytes that nobody asked for: whatever they are, they are not the next response.
                self.close();
                return Outcome::Pending;
            }
            let data = scratch.get(..n).unwrap_or_default();
            self.received += n as u64;
            match self.reader.take(data, cache) {
                Ok(Step::Done { status, keep_alive, used }) => {
                    let bytes = self.received - (n - used) as u64;
                    self.answered += 1;
                    if !keep_alive || used < n || closed {
                        self.close();
                    }
                    return Outcome::Response { status, bytes };
                }
                // A short read has emptied the socket, but the end of the stream has no event of its own any more.
                Ok(Step::More) if n < scratch.len() && !closed => return Outcome::Pending,
                Ok(Step::More) => {}
                Err(message) => {
                    self.close();
                    return Outcome::Failed((Class::Protocol, message));
                }
            }
        }
    }

    /// The other side sends no more.
    fn ended(&mut self) -> Outcome {
        if self.flight.is_none() {
            self.close();
            return Outcome::Pending;
        }
        if let Some(status) = self.reader.closed() {
            let bytes = self.received;
            self.close();
            return Outcome::Response { status, bytes };
        }
        let message = if self.received == 0 {
            "the connection was closed before a response"
        } else {
            "the connection was closed before the response was complete"
        };
        self.lost(Class::Reset, message.to_owned())
    }
}
