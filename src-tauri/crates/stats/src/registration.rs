//! What is fixed before the first run: metrics, minimum effects, pairs, order and looks (docs/benchmarks.md, 7.2.1, 7.2.4,
//! 7.2.8). Its hash goes into both runs of every pair, so that nobody can choose the question after the answer.
use std::fmt::Write as _;

use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::figures::{Arm, BenchMetric};
use super::paired::fewest_pairs;
use perfdeck_model::SplitMix64;

/// False-alarm rate of one planned look.
pub const ALPHA: f64 = 0.05;
/// Nominal rate of each of up to three looks, 5 % together (Pocock; docs/benchmarks.md, 7.2.8).
pub const ALPHA_SEQUENTIAL: f64 = 0.022;
/// The looks of a sequential comparison (docs/benchmarks.md, 7.2.8).
pub const LOOKS: [u32; 3] = [7, 11, 15];

/// How the load is made; decides the default metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoopKind {
    /// Each connection sends when its last request ended: throughput is the answer.
    Closed,
    /// A fixed schedule: p50 and p99 are the answer.
    Open,
}

/// A metric chosen beforehand, with the smallest change of it that matters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Primary {
    /// The metric.
    pub metric: BenchMetric,
    /// Minimum effect as a relative change: 0.05 is 5 %.
    pub delta: f64,
}

/// A comparison as registered before its first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Registration {
    /// Metrics that decide the verdict, corrected together by Holm; all others are exploratory.
    pub primary: Vec<Primary>,
    /// K: the most pairs that will be run.
    pub pairs: u32,
    /// Seed of the order within pairs and of the Monte-Carlo flips. 32 bits, so that it survives JavaScript.
    pub seed: u32,
    /// Numbers of pairs after which the result is looked at; the last one is `pairs`.
    pub looks: Vec<u32>,
    /// Nominal two-sided error rate of each look: 0.05 for one, 0.022 for up to three.
    pub alpha: f64,
    /// Pairs with an invalid run that may be run again, as validity does not depend on the result. 0 unless asked:
    /// then one invalid run makes the comparison invalid.
    #[serde(default)]
    pub repeats: u32,
}

impl Registration {
    /// The default plan: throughput for a closed loop, p50 and p99 for an open one, at their default minimum effects;
    /// up to 10 pairs one look at the end, above that sequential.
    pub fn new(load: LoopKind, pairs: u32, seed: u32) -> Self {
        let metrics: &[BenchMetric] = match load {
            LoopKind::Closed => &[BenchMetric::Throughput],
            LoopKind::Open => &[BenchMetric::P50, BenchMetric::P99],
        };
        let primary = metrics.iter().map(|&metric| Primary { metric, delta: metric.default_delta() }).collect();
        let plan = Self { primary, pairs: pairs.max(1), seed, looks: vec![pairs.max(1)], alpha: ALPHA, repeats: 0 };
        if pairs > 10 { plan.sequential() } else { plan }
    }

    /// The same plan with looks at 7, 11 and K pairs, or at thirds of a K above 15, each at nominal alpha 0.022.
    ///
    /// Pocock's constant is for equal steps; the reference's 7, 11, 15 are closer together, which errs on the safe
    /// side. Up to 7 pairs there is nothing to stop early, so the single look stays.
    #[must_use]
    pub fn sequential(mut self) -> Self {
        if self.pairs <= LOOKS[0] {
            return self;
        }
        self.looks = if self.pairs > LOOKS[2] {
            vec![self.pairs.div_ceil(3), self.pairs.saturating_mul(2).div_ceil(3), self.pairs]
        } else {
            LOOKS.into_iter().take(2).filter(|&k| k < self.pairs).chain([self.pairs]).collect()
        };
        self.alpha = ALPHA_SEQUENTIAL;
        self
    }

    /// The minimum effect of a metric: the registered one, or its default for exploratory metrics.
    pub fn delta(&self, metric: BenchMetric) -> f64 {
        self.primary.iter().find(|p| p.metric == metric).map_or_else(|| metric.default_delta(), |p| p.delta)
    }

    /// Whether the metric was chosen beforehand.
    pub fn is_primary(&self, metric: BenchMetric) -> bool {
        self.primary.iter().any(|p| p.metric == metric)
    }

    /// Why this plan cannot work or cannot give a verdict, in words; empty when it can.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.primary.is_empty() {
            problems.push("no metric is chosen".to_owned());
        }
        for (i, primary) in self.primary.iter().enumerate() {
            let name = primary.metric.name();
            if !primary.delta.is_finite() || primary.delta <= 0.0 {
                problems.push(format!("the minimum effect of {name} must be above 0"));
            }
            if self.primary[..i].iter().any(|p| p.metric == primary.metric) {
                problems.push(format!("{name} is chosen twice"));
            }
        }
        if self.alpha.is_nan() || self.alpha <= 0.0 || self.alpha >= 1.0 {
            problems.push("the error rate must be between 0 and 1".to_owned());
        }
        if self.looks.last() != Some(&self.pairs) || !self.looks.is_sorted_by(|a, b| a < b) {
            problems.push("the looks must rise and end at the last pair".to_owned());
        }
        if self.looks.len() > 1 && (self.looks.len() > 3 || self.alpha > ALPHA_SEQUENTIAL) {
            problems.push(format!("looking more than once needs at most 3 looks at alpha {ALPHA_SEQUENTIAL} each"));
        }
        let fewest = fewest_pairs(self.alpha, self.primary.len());
        if self.pairs < fewest {
            let metrics = words::plural(self.primary.len(), "metric");
            problems.push(format!(
                "{} cannot show a difference: the exact test of {metrics} needs at least {fewest}",
                words::plural(self.pairs, "pair")
            ));
        }
        problems
    }

    /// A stable fingerprint of everything above: 128-bit FNV-1a over its canonical text, as 32 hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut text = String::from("perfdeck.registration/1");
        for p in &self.primary {
            // Writing to a string cannot fail. `{:?}` of a float is its shortest exact form.
            let _ = write!(text, "|{}:{:?}", p.metric.name(), p.delta);
        }
        let Self { pairs, seed, looks, alpha, repeats, .. } = self;
        let _ = write!(text, "|pairs:{pairs}|seed:{seed}|looks:{looks:?}|alpha:{alpha:?}|repeats:{repeats}");
        let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        format!("{hash:032x}")
    }

    /// Which arm comes first in pair `pair` (from 0): a coin flip that depends only on seed and pair.
    pub fn first(&self, pair: u32) -> Arm {
        first(self.seed, pair)
    }
}

fn first(seed: u32, pair: u32) -> Arm {
    let mut rng = SplitMix64::seeded(u64::from(seed) << 32 | u64::from(pair));
    if rng.next_u64() >> 63 == 0 { Arm::A } else { Arm::B }
}

/// The order of the runs: both arms of each pair, flipped by coin (docs/benchmarks.md, 7.2.4). More pairs extend the order
/// without changing its start.
pub fn order(seed: u32, pairs: u32) -> Vec<[Arm; 2]> {
    (0..pairs).map(|pair| first(seed, pair)).map(|arm| [arm, arm.other()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_reference() {
        let closed = Registration::new(LoopKind::Closed, 10, 1);
        assert_eq!(
            closed.primary,
            [Primary { metric: BenchMetric::Throughput, delta: 0.03 }],
            "a closed loop's question"
        );
        assert_eq!((closed.looks.as_slice(), closed.alpha), ([10].as_slice(), 0.05), "ten pairs are looked at once");
        let open = Registration::new(LoopKind::Open, 15, 1);
        let deltas: Vec<f64> = open.primary.iter().map(|p| p.delta).collect();
        assert_eq!(deltas, [0.05, 0.10], "p50 and p99 of an open loop");
        assert_eq!((open.looks.as_slice(), open.alpha), ([7, 11, 15].as_slice(), 0.022), "Pocock's three looks");
        assert_eq!(closed.clone().sequential().looks, [7, 10], "sequential on request below 11 pairs");
        assert_eq!(Registration::new(LoopKind::Closed, 30, 1).looks, [10, 20, 30], "thirds above 15 pairs");
        assert!(closed.problems().is_empty() && open.problems().is_empty(), "the defaults can give a verdict");
    }

    #[test]
    fn impossible_plans_say_why() {
        let mut plan = Registration::new(LoopKind::Open, 6, 1);
        assert!(plan.problems()[0].contains("at least 7"), "2 metrics · 2/2^6 > 5 %: {:?}", plan.problems());
        plan.primary.clear();
        plan.looks = vec![3, 2];
        assert_eq!(plan.problems().len(), 3, "no metric, looks that fall, two looks at 5 %: {:?}", plan.problems());
    }

    #[test]
    fn the_hash_is_stable_and_covers_every_field() {
        let plan = Registration::new(LoopKind::Open, 10, 7);
        assert_eq!(plan.hash(), plan.clone().hash(), "the same plan has the same hash");
        assert_eq!(plan.hash().len(), 32, "128 bits in hexadecimal");
        let changes: [fn(&mut Registration); 6] = [
            |p| p.primary[0].delta = 0.06,
            |p| p.pairs = 9,
            |p| p.seed = 8,
            |p| p.looks = vec![5, 10],
            |p| p.alpha = 0.01,
            |p| p.repeats = 1,
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut other = plan.clone();
            change(&mut other);
            assert_ne!(other.hash(), plan.hash(), "change {i} asks another question");
        }
    }

    #[test]
    fn the_order_is_a_fair_coin_that_extends() {
        assert_eq!(order(3, 20)[..10], order(3, 10)[..], "more pairs keep the order of those already run");
        assert_ne!(order(3, 30), order(4, 30), "another seed is another order");
        assert!(order(3, 20).iter().all(|[x, y]| *x == y.other()), "each pair has both arms");
        let a = (0..200).filter(|&seed| first(seed, seed % 7) == Arm::A).count();
        assert!((70..130).contains(&a), "about half start with A, over seeds and pairs: {a} of 200");
        let alternations = order(11, 1000).windows(2).filter(|w| w[0] != w[1]).count();
        assert!((430..570).contains(&alternations), "neighbouring pairs are independent: {alternations} of 999");
    }
}
