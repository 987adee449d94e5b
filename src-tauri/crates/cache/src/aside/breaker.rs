//! When a store is not asked any more for a while: after failures in a row.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub(crate) const FAILURES: u32 = 5;
/// How long it stays open before one command may try.
pub(crate) const COOL: Duration = Duration::from_secs(1);

/// Whether the store is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// It is.
    Closed,
    /// It is not: everything is loaded from the source.
    Open,
    /// One command finds out.
    HalfOpen,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

/// Counts failures, and says who may ask.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Inner>);

/// Leave to ask once. Its end without a verdict (the caller went away) gives the leave back.
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave to ask; `None` while it is open.
    pub(crate) fn permit(&self) -> Option<Permit<'_>> {
        let mut inner = self.lock();
        let probe = match inner.open_until {
            None => false,
            Some(until) if inner.probing || Instant::now() < until => return None,
            Some(_) => true,
        };
        inner.probing |= probe;
        Some(Permit { breaker: self, probe })
    }

    /// Leave to ask however it stands: for what must be tried.
    pub(crate) fn insist(&self) -> Permit<'_> {
        Permit { breaker: self, probe: false }
    }

    pub(crate) fn state(&self) -> Circuit {
        let inner = self.lock();
        match inner.open_until {
            None => Circuit::Closed,
            Some(_) if inner.probing => Circuit::HalfOpen,
            Some(_) => Circuit::Open,
        }
    }
}

impl Permit<'_> {
    /// The store answered.
    pub(crate) fn succeeded(self) {
        let mut inner = self.breaker.lock();
        inner.failures = 0;
        inner.open_until = None;
    }

    /// The store did not answer; whether that opened the circuit.
    pub(crate) fn failed(self) -> bool {
        let mut inner = self.breaker.lock();
        inner.failures = inner.failures.saturating_add(1);
        let opens = inner.failures >= FAILURES;
        if opens && (self.probe || inner.open_until.is_none()) {
            inner.open_until = Some(Instant::now() + COOL);
        }
        opens
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES - 1 {
            breaker.permit().expect("closed").failed();
        }
        breaker.permit().expect("closed").succeeded();
        for n in 1..=FAILURES {
            let opened = breaker.permit().expect("a success began the row anew").failed();
            assert_eq!(opened, n == FAILURES, "failure {n}");
        }
        assert!(breaker.permit().is_none(), "open");
        assert_eq!(breaker.state(), Circuit::Open);
        breaker.lock().open_until = Some(Instant::now());
        let probe = breaker.permit().expect("one may try");
        assert!(breaker.permit().is_none(), "and no other");
        assert_eq!(breaker.state(), Circuit::HalfOpen);
        drop(probe);
        breaker.permit().expect("whoever went away gave its leave back").failed();
        assert!(breaker.permit().is_none(), "open again");
        breaker.insist().succeeded();
        assert_eq!(breaker.state(), Circuit::Closed, "whatever succeeds closes it");
    }
}
