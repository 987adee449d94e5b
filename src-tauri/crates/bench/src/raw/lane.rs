//! A connection of the plan: one socket, or one to each node of a cluster.
use std::time::{Duration, Instant};

use crate::pacing::back_off;

/// What a connection of the plan has on its way, over all of its sockets.
#[derive(Debug, Default)]
pub(super) struct Lane {
    in_flight: usize,
    /// Whether it is among those that take the next start of an open loop.
    pub(super) listed: bool,
    /// Failures in a row.
    failures: u32,
    /// Not used before this time, after a failure.
    retry_at: Option<Instant>,
}

impl Lane {
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether it can take all that it carries.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight == 0 && self.retry_at.is_none()
    }

    /// Whether it can take one more, where it carries `depth` at most.
    pub(super) fn has_room(&self, depth: usize) -> bool {
        self.in_flight < depth && self.retry_at.is_none()
    }

    pub(super) fn sent(&mut self) {
        self.in_flight += 1;
    }

    pub(super) fn replied(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.failures = 0;
    }

    pub(super) fn gave_up(&mut self, requests: usize) {
        self.in_flight = self.in_flight.saturating_sub(requests);
    }

    /// It waits a moment before it tries again. Answers whether it did not wait already.
    pub(super) fn back_off(&mut self, now: Instant) -> bool {
        self.failures += 1;
        let pause: Duration = back_off(self.failures);
        self.retry_at.replace(now + pause).is_none()
    }

    /// Whether its pause ends now.
    pub(super) fn resumes(&mut self, now: Instant) -> bool {
        let over = self.retry_at.is_some_and(|at| at <= now);
        if over {
            self.retry_at = None;
        }
        over
    }
}
