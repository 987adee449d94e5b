//! The six words and the rule that chooses one (docs/benchmarks.md, 7.2.7).
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::paired::LogInterval;

/// What a comparison says, in exactly these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// B is better by more than the minimum effect.
    Faster,
    /// B is worse by more than the minimum effect.
    Slower,
    /// Any difference is smaller than the minimum effect.
    Equivalent,
    /// There is a difference, but it may be smaller than the minimum effect.
    RealButSmall,
    /// The runs do not tell.
    Inconclusive,
    /// The runs cannot be compared.
    Invalid,
}

impl Verdict {
    /// The word or words shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Faster => "Faster",
            Self::Slower => "Slower",
            Self::Equivalent => "Equivalent",
            Self::RealButSmall => "Real but small",
            Self::Inconclusive => "Inconclusive",
            Self::Invalid => "Invalid",
        }
    }

    /// Whether a sequential comparison may stop at it. Not at real but small: more pairs tell on which side of the
    /// minimum effect it is.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Inconclusive | Self::RealButSmall)
    }
}

/// Verdict of one metric by its interval against the minimum effect, in the reference's order: beyond ±delta is
/// faster or slower, inside is equivalent (even when it excludes 0), excluding 0 only is real but small.
///
/// The band is ±ln(1 + delta) on the log scale, so that swapping the arms swaps the words and nothing else.
/// `significant` is whether the corrected test rejects "no difference"; without it no difference is claimed.
pub fn by_interval(interval: &LogInterval, delta: f64, lower_is_better: bool, significant: bool) -> Verdict {
    let band = delta.ln_1p();
    if significant && (interval.low > band || interval.high < -band) {
        if (interval.mean < 0.0) == lower_is_better { Verdict::Faster } else { Verdict::Slower }
    } else if interval.low > -band && interval.high < band {
        Verdict::Equivalent
    } else if significant && interval.excludes_zero() {
        Verdict::RealButSmall
    } else {
        Verdict::Inconclusive
    }
}

/// One verdict for all primary metrics, and the position of the one that gives it.
///
/// Invalid over all; then slower over faster, so that a regression is never hidden behind a gain; then real but small,
/// then inconclusive; equivalent only when all are. Inconclusive without any.
pub fn overall(primary: &[Verdict]) -> (Verdict, usize) {
    const ORDER: [Verdict; 6] = [
        Verdict::Invalid,
        Verdict::Slower,
        Verdict::Faster,
        Verdict::RealButSmall,
        Verdict::Inconclusive,
        Verdict::Equivalent,
    ];
    ORDER
        .into_iter()
        .find_map(|verdict| primary.iter().position(|v| *v == verdict).map(|i| (verdict, i)))
        .unwrap_or((Verdict::Inconclusive, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval(low: f64, high: f64) -> LogInterval {
        let (low, high) = (low.ln_1p(), high.ln_1p());
        LogInterval { mean: f64::midpoint(low, high), low, high, se: 0.1, df: 9.0 }
    }

    #[test]
    fn the_rule_is_the_references() {
        for (low, high, want, why) in [
            (-0.36, -0.25, Verdict::Faster, "wholly beyond −10 %"),
            (0.12, 0.30, Verdict::Slower, "wholly beyond +10 %"),
            (-0.04, 0.05, Verdict::Equivalent, "wholly inside ±10 %"),
            (0.01, 0.03, Verdict::Equivalent, "inside comes before excluding 0"),
            (0.02, 0.14, Verdict::RealButSmall, "excludes 0 but not 10 %"),
            (-0.05, 0.14, Verdict::Inconclusive, "holds both 0 and 10 %"),
        ] {
            assert_eq!(by_interval(&interval(low, high), 0.1, true, true), want, "latency {low} to {high}: {why}");
        }
        assert_eq!(
            by_interval(&interval(0.12, 0.3), 0.1, false, true),
            Verdict::Faster,
            "more throughput is faster, more latency slower"
        );
        assert_eq!(
            by_interval(&interval(0.12, 0.3), 0.1, true, false),
            Verdict::Inconclusive,
            "no claim of a difference that the corrected test does not make"
        );
        assert_eq!(
            by_interval(&interval(-0.02, 0.02), 0.1, true, false),
            Verdict::Equivalent,
            "equivalence needs no significant difference"
        );
    }

    #[test]
    fn a_regression_is_never_hidden() {
        use Verdict::{Equivalent, Faster, Inconclusive, Invalid, RealButSmall, Slower};
        assert_eq!(overall(&[Faster, Slower]), (Slower, 1), "p50 gained, p99 lost: the loss is the headline");
        assert_eq!(overall(&[Equivalent, Faster]), (Faster, 1), "one proven gain is a gain");
        assert_eq!(overall(&[Equivalent, Inconclusive]), (Inconclusive, 1), "equivalent needs all of them");
        assert_eq!(overall(&[RealButSmall, Invalid]), (Invalid, 1), "nothing stands on an invalid part");
        assert_eq!(overall(&[]), (Inconclusive, 0), "without a metric nothing is said");
    }

    proptest! {
        #[test]
        fn swapping_the_arms_swaps_the_words(
            low in -0.5..0.5_f64, width in 0.0..0.5_f64, delta in 0.01..0.2_f64, sure: bool, latency: bool
        ) {
            let one = LogInterval { mean: low + width / 2.0, low, high: low + width, se: 0.1, df: 9.0 };
            let other = LogInterval { mean: -one.mean, low: -one.high, high: -one.low, ..one };
            let want = match by_interval(&one, delta, latency, sure) {
                Verdict::Faster => Verdict::Slower,
                Verdict::Slower => Verdict::Faster,
                same => same,
            };
            prop_assert_eq!(by_interval(&other, delta, latency, sure), want, "A against B mirrors B against A");
        }
    }
}
