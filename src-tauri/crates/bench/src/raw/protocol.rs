//! What a protocol adds to the raw engine: its bytes, where its replies end, and what they mean.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::{Account, Start};
use crate::contact::Contact;
use crate::record::Failure;

/// What all threads of a run send, and where to.
pub(crate) trait Workload {
    /// What one of its threads needs.
    type Protocol<'a>: Protocol
    where
        Self: 'a;

    /// What thread `index` of `threads` sends.
    fn protocol(&self, index: usize, threads: usize) -> Self::Protocol<'_>;

    /// The servers, each with the addresses that it may answer on.
    fn nodes(&self) -> Vec<Vec<SocketAddr>>;

    /// How long opening a connection, and a reply, may take.
    fn timeout(&self) -> Duration;

    /// Where it is noted that the target let something be known of itself; nowhere when nobody asks.
    fn contact(&self) -> Option<Arc<Contact>> {
        None
    }
}

/// The next request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    /// Which step of the plan it is.
    pub(crate) step: usize,
    /// The server that it goes to.
    pub(crate) node: usize,
}

/// A reply that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done<R> {
    pub(crate) reply: R,
    /// Bytes of the input that belong to it.
    pub(crate) used: usize,
    /// Whether the connection carries no further one.
    pub(crate) last: bool,
}

/// A complete reply and the request that it belongs to.
pub(crate) struct Arrival<'a, Reader, Reply> {
    /// Holds the reply's words.
    pub(crate) reader: &'a Reader,
    pub(crate) reply: Reply,
    pub(crate) bytes: u64,
    pub(crate) start: Start,
    pub(crate) now: Instant,
}

/// One thread's side of a protocol. Nothing in it waits.
pub(crate) trait Protocol {
    /// Where a connection is in its replies.
    type Reader;
    /// What a reply says; its words stay in the reader.
    type Reply: Copy;

    /// The reader of a connection that is not open yet.
    fn reader(&self) -> Self::Reader;

    /// Forgets a reply that was not finished.
    fn reset(&self, reader: &mut Self::Reader);

    /// Requests that a connection carries at the same time.
    fn depth(&self) -> usize {
        1
    }

    /// What a connection sends first, once it is open, and how many replies that has.
    fn greeting(&self) -> (&[u8], usize) {
        (&[], 0)
    }

    /// Judges the reply to part `index` of the greeting.
    ///
    /// # Errors
    /// Why the connection cannot be used.
    fn greeted(&self, _index: usize, _reader: &Self::Reader, _reply: Self::Reply) -> Result<(), Failure> {
        Ok(())
    }

    /// Chooses the next request; `None` when there is none left.
    fn next(&mut self, now: Instant) -> Option<Next>;

    /// Appends the request that was chosen last to a connection's output.
    fn write(&mut self, out: &mut Vec<u8>);

    /// What goes over the wire of a connection with this output: a protocol whose requests are all the same needs none.
    fn output<'a>(&'a self, out: &'a [u8]) -> &'a [u8] {
        out
    }

    /// Takes in bytes; all of them when the reply goes on.
    ///
    /// # Errors
    /// What is wrong with the reply, for a person.
    fn read(&mut self, reader: &mut Self::Reader, data: &[u8]) -> Result<Option<Done<Self::Reply>>, String>;

    /// The connection was closed: the reply when that is how it ends.
    fn closed(&self, _reader: &mut Self::Reader) -> Option<Self::Reply> {
        None
    }

    /// Enters a reply into the account.
    fn account(&mut self, arrival: Arrival<'_, Self::Reader, Self::Reply>, account: &mut Account);

    /// Whether a request may be sent again when the server closed the connection without a byte of a reply: it may not
    /// have seen it (RFC 9112, section 9.3.1). Only for requests that are all the same.
    fn sends_again(&self) -> bool {
        false
    }

    /// A server cannot be reached.
    fn unreachable(&mut self) {}

    /// A few times a second. Answers servers that became known, which follow those known before.
    fn keep_house(&mut self, _now: Instant) -> Vec<SocketAddr> {
        Vec::new()
    }
}
