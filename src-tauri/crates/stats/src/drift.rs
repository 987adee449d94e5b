//! Drift within the sides of a before/after series: if the target changes by itself over time, "after" differs from
//! "before" without any cause (27 % false alarms at 0.5 % a run; docs/benchmarks.md, 7.1).
use perfdeck_words as words;

use super::comparison::Drift;
use super::figures::{BenchMetric, RunFigures};
use super::paired::mean;
use super::t;

/// Error rate of the check. It tests an assumption that the verdict rests on, so missing a drift is worse than warning
/// once too often; hence 10 % rather than 5 %.
const ALPHA: f64 = 0.10;

/// Regresses the log of a metric on the start time within each side, with one slope for both.
///
/// `None` with fewer than two runs a side, fewer than five in all, a missing value or no spread in time.
pub(super) fn check(metric: BenchMetric, a: &[&RunFigures], b: &[&RunFigures]) -> Option<Drift> {
    if a.len() < 2 || b.len() < 2 || a.len() + b.len() < 5 {
        return None;
    }
    let logs =
        |runs: &[&RunFigures]| -> Option<Vec<f64>> { runs.iter().map(|r| r.value(metric).map(f64::ln)).collect() };
    let times = |runs: &[&RunFigures]| -> Vec<f64> { runs.iter().map(|r| r.started_ms).collect() };
    let (ya, yb, ta, tb) = (logs(a)?, logs(b)?, times(a), times(b));
    let (mut sxx, mut sxy, mut syy) = (0.0, 0.0, 0.0);
    for (time, value) in [(&ta, &ya), (&tb, &yb)] {
        let (mt, my) = (mean(time), mean(value));
        for (t, y) in time.iter().zip(value) {
            sxx += (t - mt).powi(2);
            sxy += (t - mt) * (y - my);
            syy += (y - my).powi(2);
        }
    }
    if sxx <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let df = (a.len() + b.len() - 3) as f64;
    let residual = (syy - slope * sxy).max(0.0);
    let se = (residual / df / sxx).sqrt();
    let p = if slope == 0.0 { 1.0 } else { t::two_sided_p(slope / se, df) };
    let shift = (slope * (mean(&tb) - mean(&ta))).exp_m1();
    // The usual distance from one run to the next within a side.
    let step = [&ta, &tb].iter().map(|t| t[t.len() - 1] - t[0]).sum::<f64>() / (a.len() + b.len() - 2) as f64;
    let per_run = (slope * step).exp_m1();
    let significant = p < ALPHA;
    let text = if significant {
        format!(
            "{} drifted by {} per run within both sides (p {p:.3}); that alone would make a difference of {}, so its \
             interval is that much wider",
            metric.name(),
            words::percent(per_run),
            words::percent(shift)
        )
    } else {
        String::new()
    };
    Some(Drift { metric, per_run, p, significant, shift, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(from: u32, slope: f64, noise: [f64; 4]) -> Vec<RunFigures> {
        (from..from + 4)
            .zip(noise)
            .map(|(i, n)| RunFigures {
                started_ms: f64::from(i) * 60_000.0,
                rate_per_s: 1000.0 * (slope * f64::from(i) + n).exp(),
                ..RunFigures::default()
            })
            .collect()
    }

    #[test]
    fn a_slope_is_found_and_its_share_of_the_difference_told() {
        let (a, b) = (runs(0, 0.02, [0.001, -0.001, 0.001, -0.001]), runs(4, 0.02, [-0.001, 0.001, -0.001, 0.001]));
        let drift =
            check(BenchMetric::Throughput, &a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>()).unwrap();
        assert!(drift.significant, "2 % a run stands out of 0.1 % noise: p {}", drift.p);
        assert!((drift.per_run - 0.02).abs() < 0.001, "the slope is 2 % per run: {}", drift.per_run);
        assert!((drift.shift - 0.08_f64.exp_m1()).abs() < 0.003, "four runs further on it makes 8 %: {}", drift.shift);
        assert!(drift.text.contains("drifted by +2.0"), "the warning has the number: {}", drift.text);
    }

    #[test]
    fn a_step_between_the_sides_is_no_drift() {
        let (a, b) = (runs(0, 0.0, [0.01, -0.01, -0.01, 0.01]), runs(4, 0.0, [0.31, 0.29, 0.29, 0.31]));
        let drift =
            check(BenchMetric::Throughput, &a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>()).unwrap();
        assert!(!drift.significant && drift.text.is_empty(), "the slope is taken within sides: p {}", drift.p);
        let few: Vec<&RunFigures> = a.iter().take(1).collect();
        assert!(check(BenchMetric::Throughput, &few, &few).is_none(), "one run a side has no slope");
    }
}
