//! The in-process cache as a store. What must not be torn apart for a key happens in moka's exclusive step for that key.
use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::ops::compute::Op;

use super::envelope::Envelope;
use super::store::{Bytes, Claim, EPOCHS, Keep, Lease, Read, fresh, number, written};
use crate::MemoryCache;
use crate::memory::Value;

/// Leases that are kept before those that ended are dropped.
const LEASES: usize = 1_024;

/// Who may fill what. A lease that an invalidation takes away lets nothing be stored any more.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<String, (Claim, Instant)>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Claim, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, entry: &str, claim: Claim, life: Duration) -> bool {
        let (mut all, now) = (self.lock(), Instant::now());
        if all.get(entry).is_some_and(|(held, until)| *until > now && held.under == claim.under) {
            return false;
        }
        if all.len() >= LEASES {
            all.retain(|_, (_, until)| *until > now);
        }
        all.insert(entry.to_owned(), (claim, now + life));
        true
    }

    /// Ends a lease if it is that of `claim`; whether it was, and still held.
    fn end(&self, entry: &str, claim: Claim) -> bool {
        let mut all = self.lock();
        match all.get(entry) {
            Some((held, until)) if *held == claim => {
                let held = *until > Instant::now();
                all.remove(entry);
                held
            }
            _ => false,
        }
    }

    fn linger(&self, entry: &str, claim: Claim, linger: Duration) {
        if let Some(lease) = self.lock().get_mut(entry).filter(|(held, _)| *held == claim) {
            lease.1 = Instant::now() + linger;
        }
    }

    /// Takes the lease of an entry away.
    pub(crate) fn revoke(&self, entry: &str) {
        self.lock().remove(entry);
    }

    /// Takes all away.
    pub(crate) fn revoke_all(&self) {
        self.lock().clear();
    }
}

/// What became of an epoch that was to get another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapped {
    Done,
    /// It has that value already.
    Already,
    /// Somebody else changed it.
    Other,
    /// It is gone: no entry is served that was filled under it.
    Gone,
}

impl MemoryCache {
    /// See [`super::store::Shelf::read`]. It counts as one look-up.
    pub(super) async fn read(&self, entry: &str, epochs: &[String]) -> Read {
        let mut read = Read { entry: self.get(entry).await, epochs: Vec::with_capacity(epochs.len()) };
        for epoch in epochs {
            read.epochs.push(self.cache.get(epoch).await.and_then(|(text, ..)| number(&text)));
        }
        read
    }

    /// See [`super::store::Shelf::lease`].
    pub(super) async fn lease(&self, entry: &str, seen: &[u8], claim: Claim, life: Duration) -> Lease {
        let mut outcome = Lease::Held;
        let given = &mut outcome;
        let step = move |found: Option<moka::Entry<String, Value>>| {
            *given = match found.map(moka::Entry::into_value) {
                Some((bytes, ..)) if Envelope::head(&bytes) != seen => Lease::Filled(bytes),
                _ if self.leases.take(entry, claim, life) => Lease::Taken,
                _ => Lease::Held,
            };
            ready(Op::Nop)
        };
        self.cache.entry_by_ref(entry).and_compute_with(step).await;
        outcome
    }

    /// See [`super::store::Shelf::epoch`].
    pub(super) async fn epoch(&self, key: &str, keep: Keep) -> u128 {
        let life = match keep {
            Keep::Forever => None,
            Keep::For(life) => Some(life.max(EPOCHS)),
        };
        let mut epoch = fresh();
        let given = &mut epoch;
        let step = move |found: Option<moka::Entry<String, Value>>| {
            let kept = found.map(moka::Entry::into_value);
            // One that an entry without end relies on has no end either.
            let life = if kept.as_ref().is_some_and(|(_, life, _)| life.is_none()) { None } else { life };
            if let Some(old) = kept.and_then(|(text, ..)| number(&text)) {
                *given = old;
            }
            ready(Op::Put((Arc::from(written(*given).into_bytes()), life, Instant::now())))
        };
        self.cache.entry_by_ref(key).and_compute_with(step).await;
        epoch
    }

    /// See [`super::store::Shelf::commit`].
    pub(super) async fn commit(&self, entry: &str, claim: Claim, bytes: Vec<u8>, life: Option<Duration>) -> bool {
        let mut stored = false;
        let given = &mut stored;
        let step = move |_| {
            *given = self.leases.end(entry, claim);
            ready(if *given { Op::Put((Arc::from(bytes), life, Instant::now())) } else { Op::Nop })
        };
        self.cache.entry_by_ref(entry).and_compute_with(step).await;
        if stored {
            self.written(entry);
        }
        stored
    }

    /// See [`super::store::Shelf::release`].
    pub(super) fn release(&self, entry: &str, claim: Claim, linger: Duration) {
        if linger.is_zero() {
            self.leases.end(entry, claim);
        } else {
            self.leases.linger(entry, claim, linger);
        }
    }

    /// See [`super::store::Shelf::renew`].
    pub(super) async fn renew(&self, key: &str) {
        let epoch: Bytes = Arc::from(written(fresh()).into_bytes());
        self.cache.entry_by_ref(key).and_compute_with(|_| ready(Op::Put((epoch, Some(EPOCHS), Instant::now())))).await;
        self.written(key);
    }

    /// The epoch of a key.
    pub(crate) async fn epoch_of(&self, key: &str) -> Option<u128> {
        self.cache.get(key).await.and_then(|(text, ..)| number(&text))
    }

    /// Gives an epoch another value if it has this one.
    pub(crate) async fn swap(&self, key: &str, from: u128, to: u128) -> Swapped {
        let mut outcome = Swapped::Gone;
        let given = &mut outcome;
        let step = move |found: Option<moka::Entry<String, Value>>| {
            let Some((text, life, _)) = found.map(moka::Entry::into_value) else { return ready(Op::Nop) };
            *given = match number(&text) {
                Some(now) if now == to => Swapped::Already,
                Some(now) if now == from => Swapped::Done,
                _ => Swapped::Other,
            };
            ready(match given {
                Swapped::Done => Op::Put((Arc::from(written(to).into_bytes()), life, Instant::now())),
                _ => Op::Nop,
            })
        };
        self.cache.entry_by_ref(key).and_compute_with(step).await;
        if outcome == Swapped::Done {
            self.written(key);
        }
        outcome
    }
}
