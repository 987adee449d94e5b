//! What ends a run before its time to spare its target: too many errors, or a word from outside.
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Errors are looked at over this long.
const WINDOW: Duration = Duration::from_secs(5);
/// Fewer requests than this in the window say nothing about a target.
const ENOUGH: u64 = 20;

/// Ends a run from outside, for a reason that its reader gets to know. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct AbortSwitch(Arc<(OnceLock<String>, CancellationToken)>);

impl AbortSwitch {
    /// Ends the run. Only the first reason counts.
    pub fn pull(&self, reason: String) {
        // First the reason, then the word: who hears it finds the reason.
        let _ = self.0.0.set(reason);
        self.0.1.cancel();
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.0.1.is_cancelled()
    }

    /// Waits until it is pulled, and answers why.
    pub(crate) async fn pulled(&self) -> String {
        self.0.1.cancelled().await;
        self.0.0.get().cloned().unwrap_or_default()
    }
}

/// Watches the share of failed requests, warm-up included.
pub(crate) struct ErrorWatch {
    limit: Option<f64>,
    /// Moments of the window with all responses and failures until then.
    seen: VecDeque<(Instant, u64, u64)>,
}

impl ErrorWatch {
    /// Of a run whose limit is a share of 0 to 1.
    pub(crate) fn new(limit: Option<f64>) -> Self {
        Self { limit, seen: VecDeque::new() }
    }

    /// Takes the counts until `now`; answers why the run must end, if it must.
    pub(crate) fn look(&mut self, now: Instant, responses: u64, failures: u64) -> Option<String> {
        let limit = self.limit?;
        self.seen.push_back((now, responses, failures));
        // One moment older than the window stays, as what the newest is held against.
        while self.seen.get(1).is_some_and(|(at, ..)| now.saturating_duration_since(*at) >= WINDOW) {
            self.seen.pop_front();
        }
        let (since, before, failed_before) = *self.seen.front()?;
        let (responses, failures) = (responses - before, failures - failed_before);
        let share = failures as f64 / responses as f64;
        let long_enough = now.saturating_duration_since(since) >= Duration::from_secs(1);
        (long_enough && responses >= ENOUGH && share > limit).then(|| {
            format!(
                "{failures} of {responses} requests failed within {:.0} s; the limit is {} %",
                now.saturating_duration_since(since).as_secs_f64().ceil(),
                limit * 100.0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks ten times a second at a target that answers 100 requests a second; answers when the watch spoke.
    fn ends_after(limit: Option<f64>, failing: impl Fn(u64) -> u64) -> Option<u64> {
        let (start, mut watch, mut failures) = (Instant::now(), ErrorWatch::new(limit), 0);
        (0..600_u64).find(|tenth| {
            failures += failing(*tenth);
            watch.look(start + Duration::from_millis(tenth * 100), tenth * 10, failures).is_some()
        })
    }

    #[test]
    fn a_run_ends_when_its_newest_requests_fail() {
        assert_eq!(ends_after(Some(0.05), |_| 0), None, "without errors it goes on");
        assert_eq!(ends_after(None, |_| 10), None, "without a limit too");
        assert_eq!(ends_after(Some(0.05), |_| 10), Some(10), "all failing, it ends after a second");
        let from_thirty = ends_after(Some(0.05), |t| if t >= 300 { 10 } else { 0 }).expect("it ends");
        assert!((301..=310).contains(&from_thirty), "what was fine for long does not hide it: {from_thirty}");
        assert_eq!(ends_after(Some(0.5), |t| if t % 20 == 0 { 10 } else { 0 }), None, "one in twenty is below half");
    }

    #[test]
    fn a_few_requests_end_nothing() {
        let (start, mut watch) = (Instant::now(), ErrorWatch::new(Some(0.05)));
        assert_eq!(watch.look(start, 0, 0), None, "none");
        assert_eq!(watch.look(start + Duration::from_secs(4), 19, 19), None, "19 are too few to tell");
        let why = watch.look(start + Duration::from_millis(4_100), 20, 20).expect("20 are enough");
        assert_eq!(why, "20 of 20 requests failed within 5 s; the limit is 5 %", "it says what and how much");
    }

    #[tokio::test]
    async fn the_first_reason_counts() {
        let switch = AbortSwitch::default();
        switch.clone().pull("one".to_owned());
        switch.pull("two".to_owned());
        assert_eq!(switch.pulled().await, "one", "who waits later hears it too");
    }
}
