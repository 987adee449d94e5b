//! Truth tests: whole duets on simulated targets with the real code (docs/benchmarks.md, 7.1). Runs are simulated at
//! run level: 300 blocks of 100 ms with AR(1) latency, ρ 0.9 and sd 10 %, on top of noise from run to run.
use std::collections::BTreeMap;

use crate::comparison::Comparison;
use crate::duet::Duet;
use crate::figures::{Arm, BenchMetric, RunFigures};
use crate::normal::Normal as _;
use crate::registration::{LoopKind, Primary, Registration};
use crate::series::before_after;
use crate::verdict::Verdict;
use perfdeck_model::SplitMix64;

struct Target {
    rng: SplitMix64,
    /// Noise from run to run, as sd of the log.
    noise: f64,
    /// Change per run, of the log.
    drift: f64,
    /// Simulate every block; otherwise draw their sum, which takes a fraction of the time.
    blocks: bool,
    runs: u32,
}

impl Target {
    fn new(seed: u64, noise: f64, drift: f64) -> Self {
        Self { rng: SplitMix64::seeded(seed), noise, drift, blocks: false, runs: 0 }
    }

    fn run(&mut self, effect: f64) -> RunFigures {
        let (sum, tail) = if self.blocks { self.blocks() } else { (0.025 * self.rng.normal(), 0.0) };
        let level = self.noise * self.rng.normal() + self.drift * f64::from(self.runs) + effect.ln_1p();
        let p50 = (10.0_f64.ln() + level + sum).exp();
        let p99 = (40.0_f64.ln() + level + sum + tail + 0.03 * self.rng.normal()).exp();
        self.runs += 1;
        RunFigures {
            run_id: self.runs.to_string(),
            started_ms: f64::from(self.runs) * 30_000.0,
            valid: true,
            requests: 30_000,
            rate_per_s: 10_000.0 / p50,
            latency_n: 30_000,
            latency_ms: BTreeMap::from([("p50".to_owned(), p50), ("p99".to_owned(), p99)]),
            ..RunFigures::default()
        }
    }

    /// What 300 correlated blocks leave in the median of a run, about 2.5 %, and what they add to its tail.
    fn blocks(&mut self) -> (f64, f64) {
        let (mut x, mut sum, mut tail) = (self.rng.normal(), 0.0, 0.0);
        for _ in 0..300 {
            x = 0.9 * x + self.rng.normal() * (1.0_f64 - 0.81).sqrt();
            sum += 0.1 * x / 300.0;
            tail += 0.1 * x.max(0.0) / 300.0;
        }
        (sum, tail)
    }

    fn duet(&mut self, plan: Registration, effect: f64) -> Comparison {
        let mut duet = Duet::new(plan);
        while let Some(step) = duet.next() {
            let figures = self.run(if step.arm == Arm::B { effect } else { 0.0 });
            duet.record(step.arm, figures).unwrap();
        }
        duet.outcome()
    }
}

fn differs(v: Verdict) -> bool {
    matches!(v, Verdict::Faster | Verdict::Slower)
}

fn found(v: Verdict) -> bool {
    matches!(v, Verdict::Slower | Verdict::RealButSmall)
}

fn count(trials: u32, mut hit: impl FnMut(u32) -> bool) -> u32 {
    (0..trials).map(|i| u32::from(hit(i))).sum()
}

#[test]
fn equal_targets_are_rarely_called_different() {
    for (name, load, pairs) in [
        ("closed, 10 pairs", LoopKind::Closed, 10),
        ("open, 10 pairs", LoopKind::Open, 10),
        ("open, looks", LoopKind::Open, 15),
    ] {
        let mut target = Target { blocks: true, ..Target::new(11, 0.03, 0.0) };
        let (mut claims, mut any) = (0, 0);
        for seed in 0..200 {
            let verdict = target.duet(Registration::new(load, pairs, seed), 0.0).verdict;
            claims += u32::from(differs(verdict));
            any += u32::from(differs(verdict) || verdict == Verdict::RealButSmall);
        }
        assert!(claims <= 10, "false Faster or Slower in at most 5 % of 200 A/A duets ({name}): {claims}");
        // 5 % is the limit itself; 200 trials scatter by ±3 points around it.
        assert!(any <= 17, "any false claim of a difference in about 5 % ({name}): {any}");
    }
}

#[test]
fn even_without_a_minimum_effect_the_error_rate_holds() {
    // Nothing is beyond a band of almost zero width by chance more often than the test allows.
    let mut target = Target::new(5, 0.03, 0.0);
    let false_claims = count(1000, |seed| {
        let mut plan = Registration::new(LoopKind::Closed, 10, seed);
        plan.primary[0].delta = 1e-9;
        differs(target.duet(plan, 0.0).verdict)
    });
    assert!(
        (25..=65).contains(&false_claims),
        "5 % ± 1.5 of 1000 at alpha 5 %, neither more nor far less: {false_claims}"
    );
    let sequential = count(1000, |seed| {
        let mut plan = Registration::new(LoopKind::Closed, 15, seed);
        plan.primary[0].delta = 1e-9;
        differs(target.duet(plan, 0.0).verdict)
    });
    assert!(sequential <= 65, "three looks at 2.2 % make 5 % together: {sequential} of 1000");
}

#[test]
fn ten_percent_is_found_with_ten_pairs() {
    let one = |metric| Registration {
        primary: vec![Primary { metric, delta: BenchMetric::default_delta(metric) }],
        ..Registration::new(LoopKind::Open, 10, 0)
    };
    // 5 % is the whole noise of a run: 2.5 % from the blocks, 4.33 % on top.
    let mut target = Target::new(21, (0.05_f64.powi(2) - 0.025_f64.powi(2)).sqrt(), 0.0);
    let hits = count(400, |seed| found(target.duet(Registration { seed, ..one(BenchMetric::P50) }, 0.10).verdict));
    assert!(hits >= 380, "+10 % is found in at least 95 % of 400 duets of 10 pairs at 5 % noise: {hits}");
    let gained = |v| v == Verdict::Faster || v == Verdict::RealButSmall;
    let closed = count(400, |seed| gained(target.duet(Registration::new(LoopKind::Closed, 10, seed), -0.10).verdict));
    assert!(closed >= 380, "and so is a gain of 11 % in throughput, the default question of a closed loop: {closed}");
    // Two metrics share the error rate, which costs some power: 93 % of 2,000.
    let open = count(400, |seed| found(target.duet(Registration::new(LoopKind::Open, 10, seed), 0.10).verdict));
    assert!(open >= 355, "with p50 and p99 together it is found in about 93 %: {open}");
    let misses =
        count(400, |seed| target.duet(Registration { seed, ..one(BenchMetric::P50) }, 0.10).verdict == Verdict::Faster);
    assert_eq!(misses, 0, "and never taken for a gain");
}

#[test]
fn interleaving_defeats_drift_and_the_series_warns() {
    let plan = |seed| Registration {
        primary: vec![Primary { metric: BenchMetric::P50, delta: 0.001 }],
        ..Registration::new(LoopKind::Open, 10, seed)
    };
    let mut target = Target::new(31, 0.02, 0.005);
    let claimed = |v: Verdict| differs(v) || v == Verdict::RealButSmall;
    let paired = count(400, |seed| {
        target.runs = 0;
        claimed(target.duet(plan(seed), 0.0).verdict)
    });
    assert!(paired <= 30, "with 0.5 % drift a run, interleaved pairs stay near 5 %: {paired} of 400");
    let (mut blind, mut checked) = (0, 0);
    for seed in 0..400 {
        target.runs = 0;
        let runs: Vec<RunFigures> = (0..20).map(|_| target.run(0.0)).collect();
        checked += u32::from(claimed(before_after(&plan(seed), &runs[..10], &runs[10..], Vec::new()).verdict));
        // The same runs with the clock hidden: no drift can be seen.
        let still: Vec<RunFigures> = runs.into_iter().map(|r| RunFigures { started_ms: 0.0, ..r }).collect();
        blind += u32::from(claimed(before_after(&plan(seed), &still[..10], &still[10..], Vec::new()).verdict));
    }
    assert!(blind >= 100, "AAAA…BBBB blames the drift on the change in over a quarter of the cases: {blind} of 400");
    assert!(checked * 5 <= blind * 3, "the drift check takes back at least two fifths of them: {checked} of {blind}");
}
