//! A server, by the addresses that it may answer on.
use std::net::SocketAddr;

/// One thread's view of a server: the address that answered last comes first, so that one dead address of several is not
/// asked for each connection.
pub(crate) struct Node {
    addresses: Vec<SocketAddr>,
    current: usize,
    /// Refusals since it was last reached.
    refusals: usize,
}

impl Node {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, current: 0, refusals: 0 }
    }

    /// The address for the next connection.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.addresses.get(self.current).copied()
    }

    /// It answered, or did not: the next connection goes to the address that is more likely to.
    pub(crate) fn reached(&mut self, yes: bool) {
        if yes {
            self.refusals = 0;
        } else {
            self.refusals += 1;
            self.current = (self.current + 1) % self.addresses.len().max(1);
        }
    }

    /// Whether none of its addresses answered.
    pub(crate) fn is_dead(&self) -> bool {
        self.refusals > self.addresses.len()
    }
}
