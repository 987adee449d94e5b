//! How strongly the seconds of a run depend on each other, and so how little many of them say.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::paired::mean;

/// Sokal's window: lags are summed until they reach five times the time found so far, which keeps the noise of far
/// lags out (Sokal, Monte Carlo Methods in Statistical Mechanics, 1996, section 3).
const WINDOW: f64 = 5.0;

/// Autocorrelation of an evenly spaced series. Times count samples: seconds, for the intervals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Autocorrelation {
    /// Samples.
    pub n: u32,
    /// Correlation of neighbours, −1 to 1.
    pub lag1: f64,
    /// Integrated autocorrelation time, 1 + 2 Σ ρ(k), in samples; at least 1.
    pub time: f64,
    /// Independent samples that say as much: n / time.
    pub effective_n: f64,
}

/// Measures a series; `None` for fewer than 3 samples or one that does not vary or is not finite.
pub fn measure(series: &[f64]) -> Option<Autocorrelation> {
    let n = series.len();
    let m = mean(series);
    let zero: f64 = series.iter().map(|v| (v - m).powi(2)).sum();
    // A constant series leaves only rounding.
    if n < 3 || !zero.is_finite() || zero <= (m.abs() * 1e-12).powi(2) * n as f64 {
        return None;
    }
    let rho =
        |lag: usize| -> f64 { series.iter().zip(&series[lag..]).map(|(a, b)| (a - m) * (b - m)).sum::<f64>() / zero };
    let (mut sum, mut time) = (1.0, 1.0_f64);
    for lag in 1..n / 2 {
        if lag as f64 > WINDOW * time {
            break;
        }
        sum += 2.0 * rho(lag);
        time = sum.max(1.0);
    }
    Some(Autocorrelation { n: n as u32, lag1: rho(1), time, effective_n: n as f64 / time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::Normal as _;
    use perfdeck_model::SplitMix64;

    fn ar1(rho: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut rng = SplitMix64::seeded(seed);
        let mut x = 0.0;
        (0..n)
            .map(|_| {
                x = rho * x + rng.normal() * (1.0 - rho * rho).sqrt();
                x
            })
            .collect()
    }

    #[test]
    fn an_autoregression_has_its_known_time() {
        for (rho, want) in [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)] {
            let got = measure(&ar1(rho, 20_000, 3)).unwrap();
            assert!((got.lag1 - rho).abs() < 0.03, "lag 1 of AR(1) is its coefficient {rho}: {}", got.lag1);
            assert!((got.time / want - 1.0).abs() < 0.2, "AR(1) {rho} has time (1 + ρ)/(1 − ρ) = {want}: {}", got.time);
            assert!((got.effective_n * got.time - 20_000.0).abs() < 1e-6, "n is the two together");
        }
    }

    #[test]
    fn scale_and_offset_do_not_matter_and_constants_have_none() {
        let series = ar1(0.7, 300, 1);
        let moved: Vec<f64> = series.iter().map(|v| 50.0 + 8.0 * v).collect();
        let (a, b) = (measure(&series).unwrap(), measure(&moved).unwrap());
        assert!((a.time - b.time).abs() < 1e-6, "a correlation has no unit: {} and {}", a.time, b.time);
        assert_eq!(measure(&[0.1; 50]), None, "what does not vary has no correlation");
        assert_eq!(measure(&[1.0, 2.0]), None, "two samples say nothing");
        let saw: Vec<f64> = (0..50).map(|i| f64::from(i % 2)).collect();
        assert_eq!(measure(&saw).unwrap().time, 1.0, "alternation is never counted as more than independent samples");
    }
}
