//! HTTP/1.1 without TLS: one request, serialised once, again and again.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::protocol::{Arrival, Done, Next, Protocol, Workload};
use crate::account::Account;
use crate::contact::Contact;
use crate::http1::{Asked, HeadCache, Reader, Step};

/// The request, and where it goes.
pub(crate) struct Wire {
    pub(crate) request: Vec<u8>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) timeout: Duration,
    /// What of the request decides how its response is read.
    pub(crate) asked: Asked,
    /// Whether the request may be sent again when the server closed the connection without a byte of an answer.
    pub(crate) idempotent: bool,
    /// What the target let be known of itself.
    pub(crate) contact: Arc<Contact>,
}

impl Workload for Wire {
    type Protocol<'a> = Http<'a>;

    fn protocol(&self, _index: usize, _threads: usize) -> Http<'_> {
        Http { wire: self, cache: HeadCache::default() }
    }

    fn nodes(&self) -> Vec<Vec<SocketAddr>> {
        vec![self.addresses.clone()]
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn contact(&self) -> Option<Arc<Contact>> {
        Some(self.contact.clone())
    }
}

/// One thread's side of it.
pub(crate) struct Http<'a> {
    wire: &'a Wire,
    cache: HeadCache,
}

impl Protocol for Http<'_> {
    type Reader = Reader;
    /// The status.
    type Reply = u16;

    fn reader(&self) -> Reader {
        Reader::new(self.wire.asked)
    }

    fn reset(&self, reader: &mut Reader) {
        reader.reset();
    }

    fn next(&mut self, _now: Instant) -> Option<Next> {
        Some(Next { step: 0, node: 0 })
    }

    fn write(&mut self, _out: &mut Vec<u8>) {}

    fn output<'a>(&'a self, _out: &'a [u8]) -> &'a [u8] {
        &self.wire.request
    }

    fn read(&mut self, reader: &mut Reader, data: &[u8]) -> Result<Option<Done<u16>>, String> {
        Ok(match reader.take(data, &mut self.cache, |_| {})? {
            Step::More => None,
            Step::Done { status, keep_alive, used } => Some(Done { reply: status, used, last: !keep_alive }),
        })
    }

    fn closed(&self, reader: &mut Reader) -> Option<u16> {
        reader.closed()
    }

    fn account(&mut self, arrival: Arrival<'_, Reader, u16>, account: &mut Account) {
        account.arrived(arrival.start, arrival.now, arrival.reply, arrival.bytes);
    }

    fn sends_again(&self) -> bool {
        self.wire.idempotent
    }
}
