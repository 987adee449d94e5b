//! The knee: the highest concurrency that keeps a service-level objective, and the capacity there.
//!
//! Concurrency is searched, not rate: an open loop above capacity has no steady state, while a closed one always has.
//! Doubling finds a concurrency that fails, bisection narrows it down, a longer window confirms it. One failing step alone
//! decides nothing: it is run again, and two of three say. A step with too few requests neither holds nor fails. A pure
//! state machine like a duet.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::figures::BenchMetric;
use super::resource::Saturation;
use super::usl::{Bounds, UslFit, UslInterval};

/// Schema of [`Knee`].
pub const SCHEMA: &str = "perfdeck.knee/1";
/// Confirmations that may fail before the search gives up: the target is then not steady.
const CONFIRMATIONS: u32 = 3;
/// How often a step is lengthened to get the requests that it needs.
const LENGTHENED: usize = 2;
/// Times the length of a step or of the confirmation, whichever is longer, that it is lengthened to at most.
const LONGEST: f64 = 4.0;

/// A service-level objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Slo {
    /// The percentile, such as p99.
    pub metric: BenchMetric,
    /// Its limit, in milliseconds.
    pub limit_ms: f64,
    /// Largest share of errors, 0 to 1.
    pub max_error_share: f64,
}

/// What to search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KneePlan {
    /// The objective to hold.
    pub slo: Slo,
    /// First concurrency.
    pub start: u32,
    /// Highest concurrency.
    pub max: u32,
    /// Relative gap between holding and failing at which bisection ends; the gap is never below 1.
    pub tolerance: f64,
    /// Length of a search step, in seconds.
    pub step_s: f64,
    /// Length of the confirmation, in seconds.
    pub confirm_s: f64,
    /// Seed of the bootstrap.
    pub seed: u32,
}

impl KneePlan {
    /// From 1 to 1024 connections, 5 % apart, 15 s a step, confirmed over 60 s.
    pub fn new(slo: Slo) -> Self {
        Self { slo, start: 1, max: 1024, tolerance: 0.05, step_s: 15.0, confirm_s: 60.0, seed: 0 }
    }
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KneePhase {
    /// Looking for a concurrency that fails (or, when the first one did, for one that holds).
    Doubling,
    /// Narrowing down.
    Bisecting,
    /// A longer window at the highest that held.
    Confirming,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KneeStep {
    /// Connections.
    pub concurrency: u32,
    /// What it is for.
    pub phase: KneePhase,
    /// Measured time, in seconds.
    pub duration_s: f64,
}

/// The figures of one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StepFigures {
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Requests, failed ones included.
    #[serde(default)]
    pub n: u64,
    /// The objective's percentile with the failed requests in the distribution, in milliseconds; `None` without requests, or
    /// where those at the percentile failed.
    pub latency_ms: Option<f64>,
    /// The requests there timed out: it is at least `latency_ms`.
    #[serde(default)]
    pub at_least: bool,
    /// Whether it has the requests that a stable percentile needs.
    pub enough: bool,
    /// Whether the objective's percentile was within its limit; `None` where too few requests keep that from being judged
    /// (docs/benchmarks.md, 6.6).
    #[serde(default)]
    pub within: Option<bool>,
    /// Errors as a share of the responses, 0 to 1.
    pub error_share: f64,
    /// Why the step cannot be trusted; empty when it can.
    pub invalid_reasons: Vec<String>,
    /// Utilisation by resource, 0 to 1.
    pub utilisation: BTreeMap<String, f64>,
}

/// One step with its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KneePoint {
    /// The step.
    pub step: KneeStep,
    /// Its figures.
    pub figures: StepFigures,
    /// Whether the objective held.
    pub holds: bool,
    /// It could not be judged, for want of requests: it neither held nor failed.
    #[serde(default)]
    pub unjudged: bool,
}

/// How the search stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KneeState {
    /// Steps are left.
    Searching,
    /// Found and confirmed.
    Found,
    /// The objective still holds at the highest concurrency allowed.
    BeyondMax,
    /// It fails even with one connection.
    NeverHolds,
    /// Confirmation failed again and again.
    Unsteady,
    /// Two invalid steps in a row, or a first one without a single success.
    Invalid,
    /// The steps have too few requests to be judged.
    Unjudged,
    /// Stopped before its end; what is known until then.
    Stopped,
}

/// The search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct KneeSearch {
    pub(super) plan: KneePlan,
    pub(super) points: Vec<KneePoint>,
    /// Lowest concurrency that failed.
    pub(super) bad: Option<u32>,
    pub(super) state: KneeState,
    refuted: u32,
    /// Reasons of the last step, if it was invalid.
    pub(super) invalid: Vec<String>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Knee {
    /// `perfdeck.knee/1`.
    pub schema: String,
    /// How the search ended.
    pub state: KneeState,
    /// Highest concurrency that holds the objective.
    pub concurrency: Option<u32>,
    /// Lowest that does not.
    pub failing: Option<u32>,
    /// Throughput at `concurrency`, per second, from its longest window.
    pub rate_per_s: Option<f64>,
    /// Capacity under the objective, per second: where 95 % of further steps at `concurrency` would lie by the law's
    /// bootstrap and the scatter around it, never without what was measured there.
    pub capacity: Option<Bounds>,
    /// `capacity` is no such interval but the lowest and highest measured, as there were too few steps for one.
    pub capacity_measured: bool,
    /// The scalability law fitted to all steps.
    pub usl: Option<UslFit>,
    /// Its intervals.
    pub usl_interval: Option<UslInterval>,
    /// The resource that limits it.
    pub saturation: Option<Saturation>,
    /// All steps, in order.
    pub points: Vec<KneePoint>,
    /// The result in words.
    pub sentence: String,
    /// Remarks, such as n too small.
    pub notes: Vec<String>,
}

impl KneeSearch {
    /// A search that has not run yet.
    pub fn new(mut plan: KneePlan) -> Self {
        plan.start = plan.start.max(1);
        plan.max = plan.max.max(plan.start);
        Self { plan, points: Vec::new(), bad: None, state: KneeState::Searching, refuted: 0, invalid: Vec::new() }
    }

    /// How it stands.
    pub fn state(&self) -> KneeState {
        self.state
    }

    /// Whether no step is over yet.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Ends it before its time; [`KneeSearch::outcome`] tells what is known.
    pub fn stop(&mut self) {
        if self.state == KneeState::Searching {
            self.state = KneeState::Stopped;
        }
    }

    /// Ends it at its first step, which shows that no other can succeed.
    pub fn give_up(&mut self, reasons: Vec<String>) {
        if self.state == KneeState::Searching {
            self.state = KneeState::Invalid;
            self.invalid = reasons;
        }
    }

    /// How the steps at a concurrency turned out, as (held, failed, unjudged); confirmations apart from the others.
    fn tally(&self, concurrency: u32, confirming: bool) -> (usize, usize, usize) {
        let here = self
            .points
            .iter()
            .filter(|p| p.step.concurrency == concurrency && (p.step.phase == KneePhase::Confirming) == confirming);
        here.fold((0, 0, 0), |(held, failed, unjudged), p| match (p.unjudged, p.holds) {
            (true, _) => (held, failed, unjudged + 1),
            (false, true) => (held + 1, failed, unjudged),
            (false, false) => (held, failed + 1, unjudged),
        })
    }

    /// Highest concurrency that held, below the lowest that failed.
    pub(super) fn good(&self) -> Option<u32> {
        let below = |n: u32| self.bad.is_none_or(|bad| n < bad);
        let held = |n: u32| {
            let (held, failed, _) = self.tally(n, false);
            held > failed
        };
        self.points.iter().map(|p| p.step.concurrency).filter(|n| below(*n) && held(*n)).max()
    }

    /// Whether the last step has to be run again: it failed for the first time, or one more has to decide.
    fn undecided(&self) -> Option<KneeStep> {
        let last = self.points.last()?.step;
        let (held, failed, _) = self.tally(last.concurrency, last.phase == KneePhase::Confirming);
        let duration_s = self.length(last.concurrency, last.phase);
        (failed == 1 && held <= 1).then_some(KneeStep { duration_s, ..last })
    }

    /// Whether steps were lengthened as often as may be, and are still not enough to decide.
    fn is_hopeless(&self, concurrency: u32, confirming: bool) -> bool {
        let (held, failed, unjudged) = self.tally(concurrency, confirming);
        held <= failed && failed < 2 && unjudged > LENGTHENED
    }

    /// The next step; `None` when the search is over. Asking twice gives the same answer.
    pub fn next(&self) -> Option<KneeStep> {
        if self.state != KneeState::Searching {
            return None;
        }
        if let Some(again) = self.undecided() {
            return Some(again);
        }
        let plan = &self.plan;
        let (concurrency, phase) = match (self.good(), self.bad) {
            (None, None) => (self.untried(plan.start), KneePhase::Doubling),
            (None, Some(bad)) => ((bad / 2).max(1), KneePhase::Doubling),
            (Some(good), None) if good >= plan.max => (good, KneePhase::Confirming),
            (Some(good), None) => (self.untried(good.saturating_mul(2).min(plan.max)), KneePhase::Doubling),
            (Some(good), Some(bad)) => {
                let gap = (f64::from(good) * plan.tolerance).max(1.0);
                if f64::from(bad - good) <= gap {
                    (good, KneePhase::Confirming)
                } else {
                    (good + (bad - good) / 2, KneePhase::Bisecting)
                }
            }
        };
        let duration_s = self.length(concurrency, phase);
        Some(KneeStep { concurrency, phase, duration_s })
    }

    /// From a concurrency on, the first that was not tried without being judged: more connections have more requests.
    fn untried(&self, mut concurrency: u32) -> u32 {
        while concurrency < self.plan.max && self.tally(concurrency, false).2 > 0 {
            concurrency = concurrency.saturating_mul(2).min(self.plan.max);
        }
        concurrency
    }

    /// How long a step lasts: longer where the last one at this concurrency had too few requests to be judged.
    fn length(&self, concurrency: u32, phase: KneePhase) -> f64 {
        let plan = &self.plan;
        let confirming = phase == KneePhase::Confirming;
        let usual = if confirming { plan.confirm_s } else { plan.step_s };
        let few = self.points.iter().rfind(|p| {
            p.unjudged && p.step.concurrency == concurrency && (p.step.phase == KneePhase::Confirming) == confirming
        });
        let Some(few) = few else { return usual };
        // A quarter more than what the last one shows to be needed.
        let wanted = 1.25 * plan.slo.metric.to_judge() as f64 / (few.figures.n.max(1) as f64);
        let longest = plan.step_s.max(plan.confirm_s) * LONGEST;
        (few.step.duration_s * wanted.max(1.5)).clamp(usual, longest.max(usual))
    }

    /// Records the step that [`KneeSearch::next`] asked for; does nothing when the search is over.
    ///
    /// An invalid step is asked for once more.
    pub fn record(&mut self, figures: StepFigures) {
        let Some(step) = self.next() else { return };
        if !figures.invalid_reasons.is_empty() {
            if !self.invalid.is_empty() {
                self.state = KneeState::Invalid;
            }
            self.invalid = figures.invalid_reasons;
            return;
        }
        self.invalid.clear();
        let failing = figures.error_share > self.plan.slo.max_error_share;
        let (holds, unjudged) = (figures.within == Some(true) && !failing, figures.within.is_none() && !failing);
        self.points.push(KneePoint { step, figures, holds, unjudged });
        let confirming = step.phase == KneePhase::Confirming;
        let (held, failed, _) = self.tally(step.concurrency, confirming);
        if unjudged {
            if self.is_hopeless(step.concurrency, confirming) {
                self.state = KneeState::Unjudged;
            }
            return;
        }
        // One failure is held against another step, and two steps that disagree against a third.
        if failed > 0 && held.max(failed) < 2 {
            return;
        }
        if held > failed {
            if confirming {
                self.state = if self.bad.is_some() { KneeState::Found } else { KneeState::BeyondMax };
            }
            return;
        }
        self.bad = Some(step.concurrency);
        if confirming {
            self.refuted += 1;
            if self.refuted >= CONFIRMATIONS {
                self.state = KneeState::Unsteady;
                return;
            }
        }
        if step.concurrency <= 1 {
            self.state = KneeState::NeverHolds;
        }
    }
}

#[cfg(test)]
#[path = "tests/knee.rs"]
mod tests;
