//! One run before and one after: a difference with a band, never a verdict (docs/benchmarks.md, 7.2.10).
//!
//! The band is a moving-block bootstrap over the seconds of each run, widened by the stored noise of runs against
//! themselves: SE² = SE(block)² + 2 σ(AA)². Within one run there is no knowing how much the next would differ, so
//! without σ(AA) the band is a lower bound.
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::assess::{Input, assess};
use super::autocorrelation::measure;
use super::comparison::{Comparison, ComparisonKind, MetricComparison};
use super::figures::{BenchMetric, RunFigures};
use super::paired::{LogInterval, fewest_pairs, mean, pairs_needed, sd};
use super::registration::Registration;
use super::verdict::Verdict;
use super::{sentence, t};
use perfdeck_model::SplitMix64;

/// Bootstrap repetitions.
const REPEATS: usize = 1000;
/// Confidence of the band: 95 %.
const ALPHA: f64 = 0.05;
/// Seconds below which a run has too few blocks for a band.
const SHORTEST: usize = 10;

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunSecond {
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Median response time, in milliseconds; `None` without successful responses.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
}

impl RunSecond {
    fn value(&self, metric: BenchMetric) -> Option<f64> {
        match metric {
            BenchMetric::Throughput => Some(self.rate_per_s),
            BenchMetric::P50 => self.p50_ms,
            BenchMetric::P90 => self.p90_ms,
            BenchMetric::P99 => self.p99_ms,
            BenchMetric::P95 | BenchMetric::P999 => None,
        }
    }
}

/// Run-to-run noise of a metric in one environment and plan: the noise floor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct NoiseFloor {
    /// The metric.
    pub metric: BenchMetric,
    /// σ(AA): standard deviation of the log of one run; about the relative noise (0.03 is 3 %).
    pub sigma: f64,
    /// A/A pairs it comes from.
    pub pairs: u32,
}

/// Noise from the log ratios d of A/A pairs. Their true mean is 0, so σ = √(mean d² / 2). `None` without pairs.
pub fn noise(metric: BenchMetric, d: &[f64]) -> Option<NoiseFloor> {
    if d.is_empty() || d.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let square = mean(&d.iter().map(|v| v * v).collect::<Vec<_>>());
    Some(NoiseFloor { metric, sigma: (square / 2.0).sqrt(), pairs: d.len() as u32 })
}

/// One run with its seconds.
#[derive(Debug, Clone, Copy)]
pub struct Single<'a> {
    /// Its figures.
    pub figures: &'a RunFigures,
    /// Its seconds, without warm-up.
    pub seconds: &'a [RunSecond],
}

/// Standard error of the log of a metric over one run, by moving blocks of at least twice the integrated
/// autocorrelation time and never more than half of the run.
///
/// Throughput resamples its mean; percentiles the mean log of each second's percentile, as the run's own percentile
/// cannot be rebuilt from them. √(n / (n − block)) makes up for blocks overlapping. `None` below 10 seconds.
pub fn block_error(seconds: &[RunSecond], metric: BenchMetric, seed: u64) -> Option<f64> {
    let mut series: Vec<f64> = seconds.iter().filter_map(|s| s.value(metric)).filter(|v| v.is_finite()).collect();
    let n = series.len();
    let logs = metric != BenchMetric::Throughput;
    if n < SHORTEST || series.iter().any(|v| *v < 0.0 || logs && *v == 0.0) {
        return None;
    }
    if logs {
        series.iter_mut().for_each(|v| *v = v.ln());
    }
    let time = measure(&series).map_or(1.0, |a| a.time);
    let block = ((2.0 * time).ceil() as usize).clamp(1, n / 2);
    let mut rng = SplitMix64::seeded(seed);
    let resampled: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let (mut sum, mut taken) = (0.0, 0);
            while taken < n {
                let start = rng.index(n - block + 1);
                let length = block.min(n - taken);
                sum += series[start..start + length].iter().sum::<f64>();
                taken += length;
            }
            let average = sum / n as f64;
            if logs { average } else { average.ln() }
        })
        .collect();
    let error = sd(&resampled) * (n as f64 / (n - block) as f64).sqrt();
    error.is_finite().then_some(error)
}

/// Compares one run before (A) with one after (B): kind indicative, and inconclusive however large the difference.
///
/// Only the metrics and the seed of `plan` are used. Invalid runs, differences of the gate and error rates make it
/// invalid as in a duet.
pub fn single_pair(
    plan: &Registration,
    a: Single<'_>,
    b: Single<'_>,
    noise: &[NoiseFloor],
    differences: Vec<String>,
) -> Comparison {
    let input = Input { plan, kind: ComparisonKind::Indicative, a: vec![a.figures], b: vec![b.figures], differences };
    let mut result = assess(&input);
    result.level = 1.0 - ALPHA;
    result.more_pairs = None;
    for m in &mut result.metrics {
        let floor = noise.iter().find(|n| n.metric == m.metric && n.sigma.is_finite() && n.pairs > 0);
        widen(m, a, b, floor, u64::from(plan.seed));
        let needed = floor.map(|f| pairs_needed(f.sigma * 2.0_f64.sqrt(), m.delta));
        if m.primary && m.verdict == Verdict::Inconclusive {
            let needed = needed.map(|n| n.max(fewest_pairs(ALPHA, plan.primary.len())));
            result.more_pairs = result.more_pairs.max(needed);
        }
    }
    if result.verdict != Verdict::Invalid {
        result.verdict = Verdict::Inconclusive;
        result.sentence = sentence(&result);
    }
    result
}

/// Gives a metric of a single pair its band and its note.
fn widen(m: &mut MetricComparison, a: Single<'_>, b: Single<'_>, floor: Option<&NoiseFloor>, seed: u64) {
    // One pair has no test and no interval of its own.
    (m.p, m.p_holm, m.low, m.high) = (None, None, None, None);
    let Some(effect) = m.effect else { return };
    if m.verdict != Verdict::Invalid {
        m.verdict = Verdict::Inconclusive;
    }
    let errors = block_error(a.seconds, m.metric, seed).zip(block_error(b.seconds, m.metric, seed ^ 1));
    let Some((ea, eb)) = errors else {
        m.note = Some(format!("indicative: no band, it needs {SHORTEST} s with a value in both runs"));
        return;
    };
    let block = ea * ea + eb * eb;
    let (square, quantile) = match floor {
        // σ known from few pairs only is as uncertain as Student's t says.
        Some(f) => (block + 2.0 * f.sigma * f.sigma, t::quantile(1.0 - ALPHA / 2.0, f64::from(f.pairs))),
        None => (block, t::normal_quantile(1.0 - ALPHA / 2.0)),
    };
    let se = square.sqrt();
    let centre = effect.ln_1p();
    let half = quantile * se;
    let band = LogInterval { mean: centre, low: centre - half, high: centre + half, se, df: 0.0 };
    let (_, low, high) = band.ratios();
    (m.low, m.high) = (Some(low), Some(high));
    if m.note.is_none() || m.verdict != Verdict::Invalid {
        m.note = Some(match floor {
            Some(f) => format!(
                "indicative: within-run scatter and a noise floor of {} from {}",
                words::share(f.sigma),
                words::plural(f.pairs, "A/A pair")
            ),
            None => "indicative: the noise floor is unknown, so the band is a lower bound; run A/A pairs".to_owned(),
        });
    }
}

fn sentence(c: &Comparison) -> String {
    let part = |m: &MetricComparison| match (m.effect, m.low, m.high) {
        (Some(e), Some(l), Some(h)) => {
            let band = words::interval(l, h);
            format!("{} {} (indicative 95{}% band {band})", m.name, words::percent(e), words::THIN)
        }
        // Never a number without its band.
        _ => m.note.clone().unwrap_or_else(|| format!("{} has no value", m.name)),
    };
    let parts: Vec<String> = c.metrics.iter().filter(|m| m.primary).map(part).collect();
    let pairs = c.more_pairs.map_or_else(|| "interleaved pairs".to_owned(), |n| format!("about {n} interleaved pairs"));
    format!(
        "{}: {}, single pair, {}. A duet of {pairs} could tell.",
        Verdict::Inconclusive.word(),
        parts.join(", "),
        sentence::errors(c)
    )
}

#[cfg(test)]
#[path = "tests/single.rs"]
mod tests;
