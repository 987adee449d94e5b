//! One generator thread's account: what it sent, what came back, second by second, and what the live view has not seen
//! yet. Both load engines keep it, so that their figures mean the same.
//!
//! A response costs one entry in a histogram in a closed loop and three in an open one; everything else is added up
//! ten times a second.
use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

use crate::cpu::thread_cpu_s;
use crate::record::{Class, Failure, Record, Times3};
use crate::shared::{Live, Shared, Times};
use crate::stages::StageTally;
use crate::tries::{self, Tries};

/// How often a thread hands its figures over to the live view.
pub(crate) const HAND_OVER: Duration = Duration::from_millis(100);
/// A thread looks at its clock every 20 ms; one that did not for so long was stopped, or got no processor.
const PAUSE: Duration = Duration::from_millis(250);
/// How long responses may still arrive after a run was stopped.
pub(crate) const GRACE: Duration = Duration::from_millis(300);

/// A request that goes on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Which step of the plan.
    pub(crate) step: usize,
    pub(crate) intended: Instant,
    pub(crate) sent: Instant,
    /// It begins an iteration; otherwise it follows another step of the same one, and no schedule has started it.
    pub(crate) first: bool,
}

/// One generator thread's figures.
pub(crate) struct Account {
    shared: Arc<Shared>,
    times: Times,
    index: usize,
    open_loop: bool,
    record: Record,
    live: Live,
    /// Times of requests that are neither in the record nor in the live view yet.
    fresh: Times3,
    /// Whether `fresh` belongs to the measured time; the warm-up is in no figure but the live ones.
    measuring: bool,
    /// When the second that is being recorded ends.
    second_ends: Instant,
    handed_over: Instant,
    /// When the housekeeping was done last.
    ticked: Option<Instant>,
    in_flight: u32,
    began_to_send: bool,
    /// Intended starts of the measured time that are on the wire.
    measured_in_flight: u64,
    cpu_at_measure: Option<f64>,
    cpu_at_end: Option<f64>,
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl Account {
    pub(crate) fn new(shared: Arc<Shared>, times: Times, index: usize) -> Self {
        let open_loop = shared.rate_per_s.is_some();
        Self {
            open_loop,
            record: Record::new(shared.steps).with_stages(shared.stages.len()),
            live: Live::new(),
            fresh: Times3::new(),
            measuring: false,
            second_ends: times.measure + Duration::from_secs(1),
            handed_over: times.start,
            ticked: None,
            in_flight: 0,
            began_to_send: false,
            measured_in_flight: 0,
            cpu_at_measure: None,
            cpu_at_end: None,
            shared,
            times,
            index,
        }
    }

    pub(crate) fn times(&self) -> Times {
        self.times
    }

    pub(crate) fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// End of the measured time as it is known now.
    fn end(&self) -> Instant {
        self.shared.stopped_at.get().map_or(self.times.end, |at| (*at).min(self.times.end))
    }

    pub(crate) fn measured(&self, intended: Instant) -> bool {
        intended >= self.times.measure
    }

    /// A request went on its way.
    pub(crate) fn sent(&mut self, intended: Instant) {
        if !self.began_to_send {
            self.began_to_send = true;
            let _ = self.shared.first_sent.set(intended);
        }
        self.in_flight += 1;
        self.measured_in_flight += u64::from(self.measured(intended));
    }

    /// A request that was sent has an outcome; it follows.
    fn back(&mut self, intended: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.measured_in_flight -= u64::from(self.measured(intended) && self.measured_in_flight > 0);
    }

    /// How late the pacer woke up for a start.
    pub(crate) fn woke(&mut self, intended: Instant, now: Instant) {
        if self.measured(intended) {
            self.record.woke_late_us += micros(now.saturating_duration_since(intended));
        }
    }

    /// A response with a status to a request that was sent; 400 and above is an error.
    pub(crate) fn arrived(&mut self, start: Start, now: Instant, status: u16, bytes: u64) {
        self.response(start, status, bytes);
        if status >= 400 {
            self.failed(start, now, Class::Status, &format!("HTTP status {status}"));
        } else {
            self.succeeded(start, now);
        }
    }

    /// Status and bytes of a response, whatever becomes of it.
    pub(crate) fn response(&mut self, start: Start, status: u16, bytes: u64) {
        if self.measured(start.intended) {
            self.record.status(status);
        }
        self.received(start, bytes);
    }

    /// Bytes of a response, whatever becomes of it.
    pub(crate) fn received(&mut self, start: Start, bytes: u64) {
        if self.measured(start.intended) {
            self.record.bytes += bytes;
        }
    }

    /// A read of a cache found nothing.
    pub(crate) fn missed(&mut self, start: Start) {
        if self.measured(start.intended) {
            self.record.missed(start.step);
        }
    }

    /// A statement of a transaction has an outcome. The transaction has its own, see [`Self::succeeded`].
    pub(crate) fn part(
        &mut self,
        step: usize,
        intended: Instant,
        sent: Instant,
        now: Instant,
        failure: Option<&Failure>,
    ) {
        let measured = self.measured(intended);
        match failure {
            None => {
                self.shared.proven.works(step);
                let share = self.share_inside(sent, now);
                self.record.part(step, share, measured.then(|| micros(now.saturating_duration_since(sent))));
            }
            Some((class, message)) if measured => self.record.part_failed(step, *class, message),
            Some(_) => {}
        }
    }

    /// A failed step has ended an iteration.
    pub(crate) fn cut(&mut self, intended: Instant) {
        self.record.cut += u64::from(self.measured(intended));
    }

    /// A step failed in a way that may show that it cannot succeed; then the run ends.
    pub(crate) fn tried(&self, step: usize, message: &str, tries: Tries) {
        if self.shared.proven.fails(step, message, tries) && self.shared.stopped_because.get().is_none() {
            self.shared.abort(format!("no try has succeeded, and the next would fail alike: {message}"));
        }
    }

    /// A request that was sent succeeded.
    pub(crate) fn succeeded(&mut self, start: Start, now: Instant) {
        self.shared.proven.works(start.step);
        if !self.shared.answered.load(Ordering::Relaxed) {
            self.shared.answered.store(true, Ordering::Relaxed);
        }
        let Start { step, intended, sent, first } = start;
        let measured = self.measured(intended);
        self.back(intended);
        self.live.responses += 1;
        self.record.completed(step, self.share_inside(sent, now));
        // A request belongs to the measured time when it was meant to start in it.
        if measured {
            self.enter_measured(now);
            self.live.requests += 1;
            self.began(first, intended, Some(sent), now);
        } else if self.measuring {
            return;
        }
        let response = micros(now.saturating_duration_since(intended));
        if self.open_loop {
            let service = micros(now.saturating_duration_since(sent));
            let lag = first.then(|| micros(sent.saturating_duration_since(intended)));
            self.fresh.open(response, service, lag);
            if measured {
                if let Some((stage, _)) = self.stage(intended) {
                    stage.open(response, service, lag);
                }
                self.record.of_step(step, response, Some(service));
            }
        } else {
            self.fresh.closed(response);
            if measured {
                if let Some((stage, _)) = self.stage(intended) {
                    stage.closed(response);
                }
                self.record.of_step(step, response, None);
            }
        }
    }

    /// An iteration of the measured time, when `first`; `sent` is when it began, if it did before `now`.
    fn began(&mut self, first: bool, intended: Instant, sent: Option<Instant>, now: Instant) {
        if first {
            self.record.late_us += micros(sent.unwrap_or(now).saturating_duration_since(intended));
            self.record.iterations += 1;
            self.record.began_in_time += u64::from(sent.is_some_and(|sent| sent < self.times.end));
            if let Some((stage, end)) = self.stage(intended) {
                stage.began(sent.is_some_and(|sent| sent < end));
            }
        }
    }

    /// The stage that a request was meant to start in, and when it ends; `None` when the load has no stages.
    fn stage(&mut self, intended: Instant) -> Option<(&mut StageTally, Instant)> {
        let ends = &self.shared.stages;
        let last = ends.len().checked_sub(1)?;
        let at = intended.saturating_duration_since(self.times.measure);
        // Starts end with the last stage; rounding must not lose one.
        let i = ends.partition_point(|end| *end <= at).min(last);
        Some((self.record.stages.get_mut(i)?, self.times.measure + *ends.get(i)?))
    }

    /// A request that was sent failed.
    pub(crate) fn failed(&mut self, start: Start, now: Instant, class: Class, message: &str) {
        self.back(start.intended);
        self.count_failure(start.step, start.intended, start.first, Some(start.sent), now, (class, message));
    }

    /// An iteration was never sent; it counts as a failure of `step`.
    pub(crate) fn lost(
        &mut self,
        step: usize,
        intended: Instant,
        sent: Option<Instant>,
        now: Instant,
        failure: (Class, &str),
    ) {
        self.count_failure(step, intended, true, sent, now, failure);
    }

    fn count_failure(
        &mut self,
        step: usize,
        intended: Instant,
        first: bool,
        sent: Option<Instant>,
        now: Instant,
        (class, message): (Class, &str),
    ) {
        if matches!(class, Class::Status | Class::Check | Class::Redirect | Class::Sql | Class::Cache) {
            // A refusal is an answer too.
            self.shared.answered.store(true, Ordering::Relaxed);
        } else if class != Class::Shed && self.shared.first_failure.get().is_none() {
            let _ = self.shared.first_failure.set(message.to_owned());
        }
        if class == Class::Cache {
            self.tried(step, message, tries::of_reply(message));
        }
        self.live.responses += 1;
        self.live.failures += 1;
        if self.measured(intended) {
            self.enter_measured(now);
            self.live.requests += 1;
            self.live.errors += 1;
            self.began(first, intended, sent, now);
            if let Some((stage, _)) = self.stage(intended) {
                stage.failed();
            }
            self.record.failure(step, class, message, now.saturating_duration_since(intended));
        }
    }

    /// Why the run was ended, when the target has answered nothing.
    pub(crate) fn unanswered(&self) -> Option<String> {
        self.shared.unanswered.get().cloned()
    }

    /// A request is given up at the end of a run whose target has answered nothing. One of the warm-up counts by what it
    /// waited in the measured time: no other was sent.
    pub(crate) fn give_up(&mut self, start: Start, now: Instant, why: &str) {
        let intended = if now > self.times.measure { start.intended.max(self.times.measure) } else { start.intended };
        let sent = start.sent.max(intended);
        self.failed(Start { intended, sent, ..start }, now, Class::Timeout, why);
    }

    /// A request failed as `failure` says.
    pub(crate) fn failed_with(&mut self, start: Start, now: Instant, failure: &Failure) {
        self.failed(start, now, failure.0, &failure.1);
    }

    /// The share of a response's service time that lies in the measured time, 0 to 1.
    fn share_inside(&self, sent: Instant, now: Instant) -> f64 {
        if sent >= self.times.measure && now <= self.times.end && self.shared.stopped_at.get().is_none() {
            return 1.0;
        }
        let end = self.end();
        if sent >= self.times.measure && now <= end {
            return 1.0;
        }
        let inside = now.min(end).saturating_duration_since(sent.max(self.times.measure));
        let all = now.saturating_duration_since(sent).as_secs_f64();
        if all > 0.0 { inside.as_secs_f64() / all } else { 0.0 }
    }

    /// Before the first entry of the measured time, and of each of its seconds.
    fn enter_measured(&mut self, now: Instant) {
        if !self.measuring {
            self.flush();
            self.measuring = true;
        }
        if now >= self.second_ends {
            self.roll(now);
        }
    }

    /// Adds what is fresh to the record and to what the live view gets.
    fn flush(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        self.live.add(&self.fresh);
        if self.measuring {
            self.record.add(&self.fresh, self.open_loop);
        }
        self.fresh.reset();
    }

    /// Closes the seconds before `now`; what arrives after the end belongs to the last one.
    fn roll(&mut self, now: Instant) {
        self.flush();
        let last = self.end();
        while now >= self.second_ends && self.second_ends < last {
            self.record.close_second();
            self.second_ends += Duration::from_secs(1);
        }
        if self.second_ends >= last {
            // Nothing follows the last second, so it is not looked at again.
            self.second_ends = now + Duration::from_secs(86_400);
        }
    }

    /// Housekeeping, a few times a second: CPU marks, seconds that are over, and the live view. Never waits.
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some(times) = self.shared.settled.get()
            && times.measure != self.times.measure
        {
            self.times = *times;
            self.second_ends = times.measure + Duration::from_secs(1);
        }
        if self.cpu_at_measure.is_none() && now >= self.times.measure {
            self.cpu_at_measure = thread_cpu_s();
        }
        if self.cpu_at_end.is_none() && now >= self.times.end {
            self.cpu_at_end = thread_cpu_s();
        }
        if let Some(last) = self.ticked.replace(now)
            && now.saturating_duration_since(last) >= PAUSE
        {
            let paused = now.min(self.end()).saturating_duration_since(last.max(self.times.measure));
            self.record.paused_us += micros(paused);
        }
        if now.saturating_duration_since(self.handed_over) < HAND_OVER {
            return;
        }
        self.handed_over = now;
        if self.measuring && now >= self.second_ends {
            self.roll(now);
        } else {
            self.flush();
        }
        let Some(slot) = self.shared.slots.get(self.index) else { return };
        let mut slot = match slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            // The view is looking right now: keep it for the next time.
            Err(TryLockError::WouldBlock) => return,
        };
        slot.in_flight = self.in_flight;
        slot.until = Some(now);
        slot.take(&mut self.live);
        slot.seconds.append(&mut self.record.closed);
    }

    /// The record of a thread that is done; `waiting` intended starts were never sent.
    pub(crate) fn finish<'a>(self, waiting: impl Iterator<Item = &'a Instant>) -> Record {
        self.finish_at(Instant::now(), waiting)
    }

    fn finish_at<'a>(mut self, now: Instant, waiting: impl Iterator<Item = &'a Instant>) -> Record {
        let last = now.min(self.end());
        let (mut waited, mut late_us) = (0u64, 0u64);
        for at in waiting.filter(|at| self.measured(**at)) {
            waited += 1;
            late_us += micros(last.saturating_duration_since(*at));
        }
        self.record.unfinished = self.measured_in_flight + waited;
        self.record.late_us += late_us;
        if now >= self.times.measure {
            self.enter_measured(now);
            self.roll(now);
        }
        // A run that was stopped in its warm-up used no CPU in its measured time.
        let used = thread_cpu_s();
        self.record.cpu_s =
            used.map(|now| self.cpu_at_measure.map_or(0.0, |from| self.cpu_at_end.unwrap_or(now) - from));
        self.record.finish(self.open_loop);
        self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seconds::Seconds;

    #[test]
    fn a_thread_that_did_not_run_knows_for_how_long() {
        let start = Instant::now();
        let ms = |ms: u64| start + Duration::from_millis(ms);
        let times = Times { start, measure: ms(1_000), end: ms(5_000) };
        let mut account = Account::new(Arc::new(Shared::new(None, 1, 1)), times, 0);
        // Stopped from 0.5 to 1.5 s, of which half a second is measured, and from 3 to 4 s; once it was 100 ms late.
        for at in [0, 480, 500, 1_500, 1_520, 1_620, 2_980, 3_000, 4_000, 4_020] {
            let at = ms(at);
            if at == ms(2_980) {
                // What lies between is no pause here.
                account.ticked = None;
            }
            account.tick(at);
        }
        assert_eq!(account.record.paused_us, 1_500_000, "what was measured of the two");
    }

    /// Says to the test's own child that it is the child.
    const ALONE: &str = "PERFDECK_TEST_ALONE";
    const RATE: u32 = 50_000;
    const SECONDS: u32 = 3_600;

    /// Resident memory of this process, in bytes, where the system tells.
    fn resident() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/statm").ok()?;
        Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
    }

    /// An hour on a simulated clock, every request of it entered.
    fn record_an_hour() {
        let start = Instant::now();
        let times = Times { start, measure: start, end: start + Duration::from_secs(u64::from(SECONDS)) };
        let shared = Arc::new(Shared::new(Some(f64::from(RATE)), 1, 1));
        let mut account = Account::new(shared.clone(), times, 0);
        let mut seconds = Seconds::new(1);
        let before = resident();
        let mut scratch = Live::new();
        for second in 0..SECONDS {
            let base = start + Duration::from_secs(u64::from(second));
            for k in 0..RATE {
                let intended = base + Duration::from_micros(u64::from(k) * 20);
                // Spread over three orders of magnitude, and never two seconds alike.
                let took =
                    Duration::from_micros(100 + u64::from(k.wrapping_mul(7_919).wrapping_add(second * 977) % 50_000));
                account.sent(intended);
                account.succeeded(Start { step: 0, intended, sent: intended, first: true }, intended + took);
            }
            account.tick(base + Duration::from_millis(999));
            scratch.take(&mut shared.slots[0].lock().expect("lock"));
            scratch.seconds.drain(..).for_each(|s| seconds.add(s));
            scratch.response.reset();
            scratch.lag.reset();
        }
        let mut record = account.finish_at(times.end, std::iter::empty());
        record.closed.drain(..).for_each(|s| seconds.add(s));
        let (intervals, stored) = seconds.intervals(0.0, f64::from(SECONDS));
        assert_eq!(intervals.len(), 3_600, "every second is there");
        assert_eq!(record.requests, u64::from(SECONDS) * u64::from(RATE), "and every request");
        assert!(stored.len() < 32 << 20, "its seconds are {} bytes", stored.len());
        if let (Some(before), Some(after)) = (before, resident()) {
            let grown = after.saturating_sub(before);
            assert!(grown < 64 << 20, "the recorder took {} MiB", grown >> 20);
        }
    }

    #[test]
    fn an_hour_at_fifty_thousand_a_second_stays_below_64_mib() {
        if std::env::var_os(ALONE).is_some() {
            return record_an_hour();
        }
        // Memory is that of a process, and other tests run in this one.
        let name = "account::tests::an_hour_at_fifty_thousand_a_second_stays_below_64_mib";
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env(ALONE, "1")
            .output()
            .expect("it starts");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }
}
