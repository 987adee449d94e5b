//! Blocks with requests and blocks without, in pairs.
use std::collections::BTreeSet;
use std::time::Duration;

use perfdeck_bench::AbortSwitch;
use perfdeck_model::{ApiError, ErrorCode, Run, RunState};
use perfdeck_stats::Arm;
use perfdeck_stats::per_request::Pair;
use perfdeck_stats::registration::order;

use super::counters::{Block, Counters, Seen, between};
use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::running::Allowed;

/// The rest after the last answer of a block, which is a part of the block: what a service does for a request after it has answered is
/// that request's too. It is over when this long nothing was counted that others do not run anyway.
const REST: Duration = Duration::from_millis(400);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Longest look at what others run, before the first request.
const LOOK: Duration = Duration::from_secs(1);
/// Fewer requests than this say nothing about a target that fails.
const ENOUGH: u64 = 20;
/// The part of the pairs that may be thrown away and repeated.
const SPARE: u32 = 4;

/// What blocks came to.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) pairs: Vec<Pair>,
    pub(super) thrown_away: u32,
    /// Requests of the pairs that were answered, and those of them that failed.
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) unanswered: u64,
    /// Most statements that this user could not tell apart, and most that were not kept by name.
    pub(super) hidden: u32,
    pub(super) unnamed: usize,
    /// Blocks after whose longest rest something was still counted that others do not run.
    pub(super) restless: u32,
    /// Requests that were answered with a redirection.
    pub(super) redirected: u64,
    /// Why there are fewer pairs than were asked for.
    pub(super) incomplete: Option<String>,
    /// An example of what failed.
    pub(super) sample: Option<String>,
}

impl Measured {
    /// Requests that were sent.
    pub(super) fn all(&self) -> u64 {
        self.requests + self.unanswered
    }

    /// Those of them that failed, answered or not.
    pub(super) fn failed(&self) -> u64 {
        self.failures + self.unanswered
    }
}

/// How the requests of a block went.
#[derive(Debug, Clone, Default)]
struct Sent {
    answered: u64,
    failures: u64,
    unanswered: u64,
    redirected: u64,
    sample: Option<String>,
}

impl Sent {
    fn of(run: &Run) -> Self {
        let answered = run.answered();
        let unanswered = run.requests.saturating_sub(answered);
        Self {
            answered,
            failures: run.errors.saturating_sub(unanswered),
            unanswered,
            // 304 sends nobody anywhere.
            redirected: run
                .statuses
                .iter()
                .filter(|s| (300..400).contains(&s.status) && s.status != 304)
                .map(|s| s.count)
                .sum(),
            sample: run.errors_by_class.first().map(|error| error.sample.clone()),
        }
    }
}

/// Why a pair has no figures.
enum Amiss {
    /// It is thrown away, for this reason.
    Lost(String),
    /// The measurement ends.
    Ends(ApiError),
}

impl From<ApiError> for Amiss {
    fn from(error: ApiError) -> Self {
        Self::Ends(error)
    }
}

/// The blocks of one measurement.
pub(super) struct Blocks<'a> {
    pub(super) engine: &'a Engine,
    pub(super) what: &'a Allowed,
    pub(super) counters: &'a mut Counters,
    pub(super) job: &'a JobContext,
    pub(super) abort: AbortSwitch,
    pub(super) pairs: u32,
    pub(super) block_s: f64,
    pub(super) seed: u32,
    /// What others run, by the names of [`Block::worked`]: seen before the first request.
    pub(super) others: BTreeSet<String>,
}

impl Blocks<'_> {
    /// A look at what others run, one block to warm up, then the pairs.
    ///
    /// # Errors
    /// When it is stopped before there are pairs enough, when the target answers nothing or fails too often, and when no pair could be
    /// read.
    pub(super) async fn run(mut self) -> Result<Measured, ApiError> {
        let mut measured = Measured::default();
        self.tell(0, "looking on");
        self.look_on().await?;
        self.tell(0, "warming up");
        let warm = self.send().await?;
        let _ = self.rest().await;
        if warm.answered == 0 {
            let why = warm.sample.map_or_else(String::new, |sample| format!(": {sample}"));
            return Err(ApiError::new(ErrorCode::Unreachable, format!("No request was answered{why}"))
                .hint("Send the request once by hand; a longer time-out may be what it needs"));
        }
        let spare = self.pairs / SPARE;
        let mut orders = order(self.seed, self.pairs + spare).into_iter();
        let mut last = String::new();
        while measured.pairs.len() < self.pairs as usize {
            let Some(arms) = orders.next() else {
                measured.incomplete = Some(format!("{} pairs were thrown away: {last}", measured.thrown_away));
                break;
            };
            match self.pair(arms, &mut measured).await {
                Ok(()) => {}
                Err(Amiss::Lost(why)) => {
                    measured.thrown_away += 1;
                    last = why;
                }
                Err(Amiss::Ends(error)) if error.code == ErrorCode::Cancelled && is_enough(&measured) => {
                    measured.incomplete = Some("it was stopped".to_owned());
                    break;
                }
                Err(Amiss::Ends(error)) => return Err(error),
            }
        }
        if measured.pairs.is_empty() {
            return Err(ApiError::new(ErrorCode::Conflict, format!("No pair of blocks could be measured: {last}"))
                .hint("Shorter blocks leave less time for that to happen"));
        }
        Ok(measured)
    }

    fn tell(&self, done: usize, step: &str) {
        self.job.progress(Some(done as f64 / f64::from(self.pairs.max(1))), step);
    }

    /// Both blocks of a pair, in this order; A is the one with requests.
    async fn pair(&mut self, arms: [Arm; 2], measured: &mut Measured) -> Result<(), Amiss> {
        let (done, pairs) = (measured.pairs.len(), self.pairs);
        let (mut with, mut without) = (None, None);
        for arm in arms {
            let kind = if arm == Arm::A { "with requests" } else { "without" };
            self.tell(done, &format!("pair {} of {pairs}, {kind}", done + 1));
            let before = self.read().await?;
            if arm == Arm::A {
                let sent = self.send().await?;
                let (now, restless) = self.rest().await?;
                measured.restless += u32::from(restless);
                with = Some((sent, between(&before, &now).map_err(Amiss::Lost)?));
            } else {
                self.wait().await?;
                let now = self.read().await?;
                without = Some(between(&before, &now).map_err(Amiss::Lost)?);
            }
        }
        let (Some((sent, with)), Some(without)) = (with, without) else {
            return Err(Amiss::Ends(ApiError::internal("A pair has two blocks")));
        };
        if sent.answered == 0 {
            return Err(Amiss::Lost("no request of a block was answered".to_owned()));
        }
        keep(measured, sent, with, without);
        self.spares(measured)?;
        Ok(())
    }

    /// The counters; what cannot be read for a moment costs a pair.
    async fn read(&mut self) -> Result<Seen, Amiss> {
        let read = self.job.unless_cancelled(self.counters.read()).await?;
        read.map_err(|error| if error.retryable { Amiss::Lost(error.message) } else { Amiss::Ends(error) })
    }

    /// As long as a block with requests.
    async fn wait(&self) -> Result<(), ApiError> {
        let length = Duration::from_secs_f64(self.block_s) + REST;
        self.job.unless_cancelled(tokio::time::sleep(length)).await
    }

    /// Learns what others run. What cannot be read now is not learnt, and makes rests longer.
    async fn look_on(&mut self) -> Result<(), ApiError> {
        let Ok(before) = self.read().await else { return Ok(()) };
        let length = Duration::from_secs_f64(self.block_s).min(LOOK);
        self.job.unless_cancelled(tokio::time::sleep(length)).await?;
        let Ok(now) = self.read().await else { return Ok(()) };
        if let Ok(block) = between(&before, &now) {
            self.others = block.worked().map(str::to_owned).collect();
        }
        Ok(())
    }

    /// Waits until what requests ran is over; answers the counters then, and whether it was not.
    async fn rest(&mut self) -> Result<(Seen, bool), Amiss> {
        let end = tokio::time::Instant::now() + LONGEST_REST;
        let mut before = self.read().await?;
        loop {
            self.job.unless_cancelled(tokio::time::sleep(REST)).await?;
            let now = self.read().await?;
            let block = between(&before, &now).map_err(Amiss::Lost)?;
            let busy = block.worked().any(|name| !self.others.contains(name));
            if !busy || tokio::time::Instant::now() >= end {
                return Ok((now, busy));
            }
            before = now;
        }
    }

    /// The requests of a block, to the last answer.
    async fn send(&self) -> Result<Sent, ApiError> {
        let run = self.what.sent(self.engine, &self.what.work, "cost", &self.abort, self.job).await?;
        match run.state {
            RunState::Completed => {}
            RunState::Cancelled | RunState::Interrupted => {
                return Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its end"));
            }
            RunState::Aborted => {
                let why = run.notes.join("; ");
                return Err(ApiError::new(ErrorCode::Conflict, format!("The requests ended early: {why}")));
            }
        }
        let sent = Sent::of(&run);
        Ok(sent)
    }

    /// Ends it when a larger share of requests fails than the guard allows.
    fn spares(&self, measured: &Measured) -> Result<(), ApiError> {
        let Some(limit) = self.what.max_error_share else { return Ok(()) };
        let (failed, all) = (measured.failed(), measured.all());
        if all < ENOUGH || failed as f64 <= limit * all as f64 {
            return Ok(());
        }
        let message = format!("{failed} of {all} requests failed; the guard ends it above {} %", limit * 100.0);
        Err(ApiError::new(ErrorCode::Guarded, message).hint("Find out why they fail before what they cost"))
    }
}

/// Whether pairs have an interval.
fn is_enough(measured: &Measured) -> bool {
    measured.pairs.len() >= perfdeck_stats::per_request::FEWEST
}

fn keep(measured: &mut Measured, sent: Sent, with: Block, without: Block) {
    measured.requests += sent.answered;
    measured.failures += sent.failures;
    measured.unanswered += sent.unanswered;
    measured.redirected += sent.redirected;
    measured.hidden = measured.hidden.max(with.hidden).max(without.hidden);
    measured.unnamed = measured.unnamed.max(with.unnamed).max(without.unnamed);
    if measured.sample.is_none() {
        measured.sample = sent.sample;
    }
    measured.pairs.push(Pair {
        requests: sent.answered,
        with_s: with.lasted_s,
        without_s: without.lasted_s,
        with: with.gained,
        without: without.gained,
    });
}
