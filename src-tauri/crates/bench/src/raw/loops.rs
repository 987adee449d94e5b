//! When a thread's requests start: as soon as a connection is free, or on a schedule.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::Events;

use super::generator::{Generator, LOOK};
use super::pacer::Pacer;
use super::protocol::Protocol;
use crate::account::{Account, GRACE};
use crate::pacing::Schedule;
use crate::record::{Class, NONE_FREE, Record, not_sent};
use crate::shared::Times;

impl<P: Protocol> Generator<P> {
    /// Whether what is on the wire after a stop has had its time.
    fn is_over(&self, now: Instant, account: &Account, stopped: &mut Option<Instant>) -> bool {
        if account.stopped() {
            let since = *stopped.get_or_insert(now);
            return now.saturating_duration_since(since) >= GRACE || self.in_flight() == 0;
        }
        false
    }

    /// Puts all that a lane carries on it, when it is free.
    fn fill(&mut self, lane: usize, now: Instant, account: &mut Account) {
        if !self.lanes[lane].is_free() {
            return;
        }
        for _ in 0..self.protocol.depth() {
            if !self.put(lane, now, now, account) {
                break;
            }
        }
        self.flush(account);
    }

    /// Whether what still waits for a connection is not sent any more: the schedule ended as long ago as it lasted, or as
    /// the time-out is, or a request was given up since.
    fn is_late(&self, now: Instant, times: &Times) -> bool {
        let lasted = times.end.saturating_duration_since(times.measure);
        now > times.end + self.timeout.min(lasted) || self.expired.is_some_and(|at| at > times.end)
    }

    /// How long a poll may wait; pauses after a failure are as short as a millisecond.
    fn longest_wait(&self) -> Duration {
        if self.backing_off > 0 { Duration::from_millis(1) } else { LOOK }
    }

    /// Each lane sends its next requests when all of the last ones ended.
    pub(super) fn closed_loop(mut self, mut account: Account) -> Record {
        let times = account.times();
        wait_until(times.start);
        let mut events = Events::with_capacity(256);
        let mut freed: Vec<usize> = (0..self.lanes.len()).collect();
        let (mut looked, mut stopped) = (Instant::now(), None);
        loop {
            let now = Instant::now();
            let done = now >= times.end || account.stopped() || self.used_up;
            if done && (self.in_flight() == 0 || self.is_over(now, &account, &mut stopped)) {
                break;
            }
            for lane in freed.drain(..) {
                if !done {
                    self.fill(lane, Instant::now(), &mut account);
                }
            }
            let stop = account.stopped();
            let wait = self.longest_wait();
            self.turn(&mut events, wait, &mut account, |generator, lane, now, account| {
                if now < times.end && !stop {
                    generator.fill(lane, now, account);
                }
            });
            let now = Instant::now();
            if now.saturating_duration_since(looked) >= LOOK || self.backing_off > 0 {
                looked = now;
                self.look_around(now, &mut account, &mut freed);
                account.tick(now);
            }
        }
        self.give_up(&mut account);
        account.finish(std::iter::empty())
    }

    /// Each start happens at its time; those that find no room on a connection wait in order.
    pub(super) fn open_loop(mut self, mut account: Account, schedule: Schedule, cap: usize) -> Record {
        let times = account.times();
        let mut pacer = Pacer::new(&self.poll);
        let mut events = Events::with_capacity(256);
        let mut due: VecDeque<Instant> = VecDeque::new();
        let mut freed = Vec::new();
        for lane in (0..self.lanes.len()).rev() {
            self.list(lane);
        }
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
                if !self.is_late(now, &times) {
                    self.dispatch(&mut due, &mut account);
                }
                if self.used_up {
                    next = None;
                    due.clear();
                }
                if next.is_none() && due.is_empty() && self.in_flight() == 0 {
                    break;
                }
            }
            let wait = self.longest_wait();
            let wait = pacer.wait(next, Instant::now(), wait);
            self.turn(&mut events, wait, &mut account, |generator, lane, now, account| {
                generator.list(lane);
                if !generator.is_late(now, &times) && !account.stopped() {
                    generator.dispatch(&mut due, account);
                }
            });
            let now = Instant::now();
            if now.saturating_duration_since(looked) >= LOOK || self.backing_off > 0 {
                looked = now;
                self.look_around(now, &mut account, &mut freed);
                freed.drain(..).for_each(|lane| self.list(lane));
                if self.is_late(now, &times) {
                    // What still waits long after the end is part of the result as a failure.
                    for start in due.drain(..) {
                        account.lost(0, start, None, now, (Class::Shed, NONE_FREE));
                    }
                }
                account.tick(now);
            }
        }
        if account.unanswered().is_some() {
            let now = Instant::now();
            for start in due.drain(..) {
                account.lost(0, start, None, now, (Class::Shed, NONE_FREE));
            }
        }
        self.give_up(&mut account);
        account.finish(due.iter())
    }

    /// A lane with room takes starts again.
    fn list(&mut self, lane: usize) {
        let depth = self.protocol.depth();
        let state = &mut self.lanes[lane];
        if state.listed || !state.has_room(depth) {
            return;
        }
        state.listed = true;
        if state.in_flight() == 0 {
            self.idle.push_back(lane);
        } else {
            self.idle.push_front(lane);
        }
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
        if self.backing_off >= self.lanes.len() {
            // No connection can be used: waiting for one would only pile up the schedule.
            let message = not_sent(&self.last_failure);
            account.lost(0, start, Some(now), now, (Class::Shed, &message));
        } else if due.len() >= cap {
            let message = format!("{cap} requests were already waiting for a free connection");
            account.lost(0, start, None, now, (Class::Shed, &message));
        } else {
            due.push_back(start);
        }
    }

    /// Sends what is due as long as lanes have room.
    fn dispatch(&mut self, due: &mut VecDeque<Instant>, account: &mut Account) {
        let depth = self.protocol.depth();
        while !due.is_empty()
            && let Some(lane) = self.idle.pop_back()
        {
            self.lanes[lane].listed = false;
            let now = Instant::now();
            while self.lanes[lane].has_room(depth)
                && let Some(intended) = due.pop_front()
            {
                if !self.put(lane, intended, now, account) {
                    break;
                }
            }
            self.flush(account);
            self.list(lane);
            if self.used_up {
                return;
            }
        }
    }
}

/// Sleeps, which is only used before a run starts.
fn wait_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if left > Duration::ZERO {
        std::thread::sleep(left);
    }
}
