//! What a generator thread records, and how the threads' records become one.
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use perfdeck_model::{ErrorCount, StatusCount};

use crate::seconds::Second;
use crate::stages::StageTally;
use perfdeck_stats::histogram::{Growing, histogram, packed};

/// Classes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Connect,
    /// This machine ran out of files or ports.
    Local,
    Timeout,
    Reset,
    Tls,
    Protocol,
    Status,
    Check,
    Redirect,
    Sql,
    Cache,
    Shed,
    Other,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Local => "local",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Check => "check",
            Self::Redirect => "redirect",
            Self::Sql => "sql",
            Self::Cache => "cache",
            Self::Shed => "shed",
            Self::Other => "other",
        }
    }
}

/// What a request failed with: its class and one message.
pub(crate) type Failure = (Class, String);

/// Why a request was never sent while all connections wait after a failure: the last one that there was.
pub(crate) fn not_sent((class, message): &Failure) -> String {
    let why = match class {
        Class::Connect | Class::Local | Class::Tls => "no connection could be opened",
        _ => "all connections were held back for a moment after failures",
    };
    format!("not sent, as {why}; the last one failed with {}: {message}", class.name())
}

/// Why a request was never sent that still waited for a connection when the run ended.
pub(crate) const NONE_FREE: &str =
    "not sent, as no connection was free before the end of the run; all were waiting for the target";

/// Why a connection could not be opened. What this machine lacks is not the target's fault.
pub(crate) fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::TimedOut => Class::Timeout,
        // No port is left for another connection to the same address.
        ErrorKind::AddrNotAvailable => Class::Local,
        _ if error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) => Class::Local,
        _ => Class::Connect,
    };
    (class, format!("{address}: {error}"))
}

/// EMFILE and ENFILE; on Windows WSAEMFILE and WSAENOBUFS. The standard library has no stable kind for them.
const TOO_MANY_FILES: &[i32] = if cfg!(windows) { &[10024, 10055] } else { &[24, 23] };

/// Errors by class, with the first message of each.
#[derive(Debug, Default)]
pub(crate) struct Errors(BTreeMap<Class, (u64, String)>);

impl Errors {
    fn add(&mut self, class: Class, message: &str) {
        let entry = self.0.entry(class).or_insert_with(|| (0, message.chars().take(200).collect()));
        entry.0 += 1;
    }

    fn merge(&mut self, other: Self) {
        for (class, (count, sample)) in other.0 {
            self.0.entry(class).or_insert((0, sample)).0 += count;
        }
    }

    /// Whether there are such as a server causes that speaks something else.
    pub(crate) fn are_strange(&self) -> bool {
        [Class::Reset, Class::Protocol, Class::Tls].iter().any(|class| self.0.contains_key(class))
    }

    /// Most frequent first.
    pub(crate) fn counts(&self) -> Vec<ErrorCount> {
        let mut all: Vec<ErrorCount> = self
            .0
            .iter()
            .map(|(class, (count, sample))| ErrorCount {
                class: class.name().to_owned(),
                count: *count,
                sample: sample.clone(),
            })
            .collect();
        all.sort_by_key(|e| std::cmp::Reverse(e.count));
        all
    }
}

/// Response, service and lag times, in microseconds.
///
/// In a closed loop a request starts when it is meant to, so service is response and there is no lag: only `response`
/// is kept.
pub(crate) struct Times3 {
    pub(crate) response: Histogram<u64>,
    pub(crate) service: Histogram<u64>,
    pub(crate) lag: Histogram<u64>,
}

impl Times3 {
    pub(crate) fn new() -> Self {
        Self { response: histogram(), service: histogram(), lag: histogram() }
    }

    /// A response of a closed loop.
    pub(crate) fn closed(&mut self, response_us: u64) {
        self.response.saturating_record(response_us.max(1));
    }

    /// A response of an open loop; no lag is recorded for what no schedule has started.
    pub(crate) fn open(&mut self, response_us: u64, service_us: u64, lag_us: Option<u64>) {
        self.response.saturating_record(response_us.max(1));
        self.service.saturating_record(service_us.max(1));
        if let Some(lag_us) = lag_us {
            self.lag.saturating_record(lag_us.max(1));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.response.is_empty()
    }

    pub(crate) fn reset(&mut self) {
        self.response.reset();
        if !self.service.is_empty() {
            self.service.reset();
            self.lag.reset();
        }
    }

    /// Adds another set.
    pub(crate) fn add(&mut self, other: &Self) {
        // Same bounds on both sides, so adding cannot fail.
        let _ = self.response.add(&other.response);
        let _ = self.service.add(&other.service);
        let _ = self.lag.add(&other.lag);
    }
}

/// Of requests that timed out: how long each had waited, from its intended start, in microseconds. A histogram is made with
/// the first one.
#[derive(Debug, Default)]
pub(crate) struct Late(Option<Growing>);

impl Late {
    fn add(&mut self, waited: Duration) {
        let us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.0.get_or_insert_with(Growing::new).record(us);
    }

    fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(mine), Some(theirs)) => mine.add(&theirs),
            (None, theirs) => self.0 = theirs,
            (Some(_), None) => {}
        }
    }

    /// As it is stored; empty without any.
    pub(crate) fn packed(&self) -> String {
        self.0.as_ref().map(|h| packed(h.get())).unwrap_or_default()
    }
}

/// What one thread recorded of one step of a plan. Its histograms grow as they need: a plan may have many steps.
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) completed: f64,
    pub(crate) misses: u64,
    pub(crate) response: Growing,
    pub(crate) service: Growing,
    pub(crate) late: Late,
    pub(crate) errors: Errors,
}

impl Tally {
    fn new() -> Self {
        Self {
            requests: 0,
            failed: 0,
            completed: 0.0,
            misses: 0,
            response: Growing::new(),
            service: Growing::new(),
            late: Late::default(),
            errors: Errors::default(),
        }
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.completed += other.completed;
        self.misses += other.misses;
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.late.merge(other.late);
        self.errors.merge(other.errors);
    }
}

/// Everything one thread recorded in the measured time.
pub(crate) struct Record {
    pub(crate) times: Times3,
    pub(crate) late: Late,
    pub(crate) errors: Errors,
    /// Responses by status, 0 to 999.
    statuses: Box<[u64; 1000]>,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    /// Successful responses within the measured time; one that began before it or ended after it counts by the share
    /// of its service time that lies inside, so that slow responses do not bias the rate at the edges.
    pub(crate) completed: f64,
    /// Iterations of the measured time.
    pub(crate) iterations: u64,
    /// Iterations of the measured time that a failed step has ended, where they have several.
    pub(crate) cut: u64,
    /// Iterations that began before the measured time ended.
    pub(crate) began_in_time: u64,
    /// The part of the schedule lag that the pacer itself caused by waking up late, summed, in microseconds.
    pub(crate) woke_late_us: u64,
    /// How late iterations began, or were given up without having begun, summed, in microseconds.
    pub(crate) late_us: u64,
    /// The measured time in which a thread that should have looked at its clock did not, in microseconds: that of the thread
    /// with most of it.
    pub(crate) paused_us: u64,
    /// Requests without an outcome when the run was stopped.
    pub(crate) unfinished: u64,
    pub(crate) bytes: u64,
    /// Reads of a cache that found nothing.
    pub(crate) misses: u64,
    /// CPU seconds in the measured time, where the system tells.
    pub(crate) cpu_s: Option<f64>,
    /// By step of a plan; empty when there is only one.
    pub(crate) steps: Vec<Tally>,
    /// By stage of a plan.
    pub(crate) stages: Vec<StageTally>,
    /// Seconds that are over and were not handed over yet.
    pub(crate) closed: Vec<Second>,
    open: Second,
    open_response: Histogram<u64>,
}

impl Record {
    /// Of a plan with so many steps.
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            times: Times3::new(),
            late: Late::default(),
            errors: Errors::default(),
            statuses: Box::new([0; 1000]),
            requests: 0,
            failed: 0,
            completed: 0.0,
            iterations: 0,
            cut: 0,
            began_in_time: 0,
            woke_late_us: 0,
            late_us: 0,
            paused_us: 0,
            unfinished: 0,
            bytes: 0,
            misses: 0,
            cpu_s: Some(0.0),
            steps: if steps > 1 { (0..steps).map(|_| Tally::new()).collect() } else { Vec::new() },
            stages: Vec::new(),
            closed: Vec::new(),
            open: Second { index: 0, requests: 0, errors: 0, samples: Vec::new() },
            open_response: histogram(),
        }
    }

    /// The same of a load with so many stages.
    pub(crate) fn with_stages(mut self, stages: usize) -> Self {
        self.stages = (0..stages).map(|_| StageTally::new()).collect();
        self
    }

    /// A response with this status.
    pub(crate) fn status(&mut self, status: u16) {
        if let Some(count) = self.statuses.get_mut(usize::from(status)) {
            *count += 1;
        }
    }

    /// A successful response of a step, of which this share lies in the measured time.
    pub(crate) fn completed(&mut self, step: usize, share: f64) {
        self.completed += share;
        if let Some(tally) = self.steps.get_mut(step) {
            tally.completed += share;
        }
    }

    /// A successful response of a step in the measured time, where there is more than one step.
    pub(crate) fn of_step(&mut self, step: usize, response_us: u64, service_us: Option<u64>) {
        if let Some(tally) = self.steps.get_mut(step) {
            tally.requests += 1;
            tally.response.record(response_us);
            if let Some(us) = service_us {
                tally.service.record(us);
            }
        }
    }

    /// A statement of a transaction, which is in no figure of the run itself: succeeded, with the share of it that lies in
    /// the measured time and whether it began there.
    pub(crate) fn part(&mut self, step: usize, share: f64, response_us: Option<u64>) {
        if let Some(tally) = self.steps.get_mut(step) {
            tally.completed += share;
            if let Some(us) = response_us {
                tally.requests += 1;
                tally.response.record(us);
                tally.service.record(us);
            }
        }
    }

    /// A statement of a transaction that failed.
    pub(crate) fn part_failed(&mut self, step: usize, class: Class, message: &str) {
        if let Some(tally) = self.steps.get_mut(step) {
            tally.requests += 1;
            tally.failed += 1;
            tally.errors.add(class, message);
        }
    }

    /// A read of a cache that found nothing.
    pub(crate) fn missed(&mut self, step: usize) {
        self.misses += 1;
        if let Some(tally) = self.steps.get_mut(step) {
            tally.misses += 1;
        }
    }

    /// Adds times of successful responses, all of the second that is open.
    pub(crate) fn add(&mut self, fresh: &Times3, open_loop: bool) {
        let n = fresh.response.len();
        self.requests += n;
        self.open.requests += n;
        let _ = self.open_response.add(&fresh.response);
        if open_loop {
            self.times.add(fresh);
        } else {
            let _ = self.times.response.add(&fresh.response);
        }
    }

    /// A failed request of the second that is open, after it had waited so long since its intended start.
    pub(crate) fn failure(&mut self, step: usize, class: Class, message: &str, waited: Duration) {
        let late = class == Class::Timeout;
        if late {
            self.late.add(waited);
        }
        self.requests += 1;
        self.failed += 1;
        self.errors.add(class, message);
        self.open.requests += 1;
        self.open.errors += 1;
        if let Some(tally) = self.steps.get_mut(step) {
            tally.requests += 1;
            tally.failed += 1;
            tally.errors.add(class, message);
            if late {
                tally.late.add(waited);
            }
        }
    }

    /// The second that is open is over.
    pub(crate) fn close_second(&mut self) {
        let next = Second { index: self.open.index + 1, requests: 0, errors: 0, samples: Vec::new() };
        let mut done = std::mem::replace(&mut self.open, next);
        if !self.open_response.is_empty() {
            done.samples = self
                .open_response
                .iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_since_last_iteration()))
                .collect();
            self.open_response.reset();
        }
        self.closed.push(done);
    }

    /// Nothing more is recorded.
    pub(crate) fn finish(&mut self, open_loop: bool) {
        self.close_second();
        if !open_loop {
            // There is no schedule to lag behind, so there is no lag.
            self.times.service = self.times.response.clone();
        }
    }

    /// Adds another thread's record, both finished.
    pub(crate) fn merge(&mut self, other: Self) {
        self.times.add(&other.times);
        self.late.merge(other.late);
        self.errors.merge(other.errors);
        for (mine, theirs) in self.statuses.iter_mut().zip(other.statuses.iter()) {
            *mine += theirs;
        }
        self.requests += other.requests;
        self.failed += other.failed;
        self.completed += other.completed;
        self.iterations += other.iterations;
        self.cut += other.cut;
        self.began_in_time += other.began_in_time;
        self.woke_late_us += other.woke_late_us;
        self.late_us += other.late_us;
        self.paused_us = self.paused_us.max(other.paused_us);
        self.unfinished += other.unfinished;
        self.bytes += other.bytes;
        self.misses += other.misses;
        self.cpu_s = self.cpu_s.zip(other.cpu_s).map(|(a, b)| a + b);
        // A thread that never began has no stages and no steps.
        if self.stages.len() < other.stages.len() {
            self.stages = other.stages;
        } else {
            self.stages.iter_mut().zip(&other.stages).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        if self.steps.len() < other.steps.len() {
            self.steps = other.steps;
        } else {
            self.steps.iter_mut().zip(other.steps).for_each(|(mine, theirs)| mine.merge(theirs));
        }
    }

    /// Responses by status, ascending.
    pub(crate) fn statuses(&self) -> Vec<StatusCount> {
        (0u16..)
            .zip(self.statuses.iter())
            .filter(|(_, count)| **count > 0)
            .map(|(status, count)| StatusCount { status, count: *count })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_targets_fault() {
        let class = |error: std::io::Error| refused(SocketAddr::from(([127, 0, 0, 1], 1)), &error).0;
        assert_eq!(class(std::io::Error::from_raw_os_error(TOO_MANY_FILES[0])), Class::Local, "no file is left");
        assert_eq!(class(ErrorKind::AddrNotAvailable.into()), Class::Local, "no port is left");
        assert_eq!(class(ErrorKind::ConnectionRefused.into()), Class::Connect, "nobody listens");
        assert_eq!(class(ErrorKind::TimedOut.into()), Class::Timeout, "nobody answers");
    }
}
