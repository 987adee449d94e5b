//! Histograms of times: their bounds, their percentiles, and their stored form.
use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use perfdeck_model::{LatencyMs, Percentile, too_small};

/// Histograms count microseconds up to an hour with three significant digits.
const MAX_US: u64 = 3_600_000_000;

/// A new histogram.
pub fn histogram() -> Histogram<u64> {
    // The bounds are constants that the crate accepts.
    Histogram::new_with_bounds(1, MAX_US, 3).unwrap_or_else(|_| unreachable_histogram())
}

/// A histogram that grows as it needs, for what there may be many of: a plan has many steps.
///
/// A type of its own, because the crate's `saturating_record` does not grow a histogram: it enters what is above the
/// present bounds as their smallest value.
#[derive(Debug)]
pub struct Growing(Histogram<u64>);

impl Default for Growing {
    fn default() -> Self {
        Self::new()
    }
}

impl Growing {
    /// With three significant digits.
    pub fn new() -> Self {
        Self::with_digits(3)
    }

    /// With so many significant digits, 1 to 5.
    pub fn with_digits(digits: u8) -> Self {
        Self(Histogram::new(digits).unwrap_or_else(|_| histogram()))
    }

    /// Enters a time; above an hour it is an hour.
    #[inline]
    pub fn record(&mut self, us: u64) {
        // It grows, so entering cannot fail.
        let _ = self.0.record(us.clamp(1, MAX_US));
    }

    /// Takes in all times of another.
    pub fn add(&mut self, other: &Self) {
        // It takes in any other.
        let _ = self.0.add(&other.0);
    }

    /// The histogram, for reading.
    pub fn get(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The histogram itself.
    pub fn into_inner(self) -> Histogram<u64> {
        self.0
    }
}

fn unreachable_histogram() -> Histogram<u64> {
    let mut h = Histogram::new(3).unwrap_or_else(|_| std::process::abort());
    h.auto(true);
    h
}

/// Milliseconds of so many microseconds.
pub fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// Percentiles in milliseconds, and which of them have fewer than 100 / (1 − q) samples behind them.
pub fn latency(h: &Histogram<u64>) -> LatencyMs {
    let too_small = too_small(h.len());
    if h.is_empty() {
        return LatencyMs { too_small, ..LatencyMs::default() };
    }
    let q = |q: f64| Some(ms(h.value_at_quantile(q)));
    LatencyMs {
        n: h.len(),
        min: Some(ms(h.min())),
        mean: Some(h.mean() / 1e3),
        p50: q(0.5),
        p90: q(0.9),
        p95: q(0.95),
        p99: q(0.99),
        p999: q(0.999),
        max: Some(ms(h.max())),
        too_small,
    }
}

/// Points of the percentile curve, evenly spaced in log 1/(1−q) from 0 to 1 − 1/n: at most 100.
pub fn curve(h: &Histogram<u64>) -> Vec<Percentile> {
    if h.is_empty() {
        return Vec::new();
    }
    let end = (h.len() as f64).log10();
    let points = 99;
    let mut out: Vec<Percentile> = (0..=points)
        .map(|i| {
            let q = 1.0 - 10f64.powf(-end * f64::from(i) / f64::from(points));
            // q is "at most this share is below"; the smallest sample itself is at 0, the largest at 1 − 1/n.
            let us = if i == 0 {
                h.min()
            } else if i == points {
                h.max()
            } else {
                h.value_at_quantile(q)
            };
            Percentile { q, ms: ms(us) }
        })
        .collect();
    out.dedup_by(|b, a| b.q <= a.q);
    out
}

/// HdrHistogram V2 compressed.
pub fn packed_bytes(h: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into a vector does not fail; an empty answer reads as no histogram.
    if V2DeflateSerializer::new().serialize(h, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

/// HdrHistogram V2 compressed, base64.
pub fn packed(h: &Histogram<u64>) -> String {
    base64::engine::general_purpose::STANDARD.encode(packed_bytes(h))
}

/// A histogram as [`packed`] wrote it; `None` when it cannot be read.
pub fn unpacked(text: &str) -> Option<Histogram<u64>> {
    unpacked_bytes(&base64::engine::general_purpose::STANDARD.decode(text).ok()?)
}

/// A histogram as [`packed_bytes`] wrote it; `None` when it cannot be read.
pub fn unpacked_bytes(mut bytes: &[u8]) -> Option<Histogram<u64>> {
    Deserializer::new().deserialize(&mut bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_takes_every_time_as_it_is() {
        let (mut growing, mut fixed) = (Growing::new(), histogram());
        for us in [0, 1, 2_047, 2_048, 20_000, 3_000_000, u64::MAX] {
            growing.record(us);
            fixed.saturating_record(us.max(1));
        }
        let mut other = Growing::new();
        other.record(7);
        other.add(&growing);
        assert_eq!(other.get().len(), 8, "one more");
        for q in [0.0, 0.3, 0.5, 0.6, 0.75, 1.0] {
            let (a, b) = (growing.get().value_at_quantile(q), fixed.value_at_quantile(q));
            assert_eq!(a, b, "the same at {q} as with bounds");
        }
    }

    #[test]
    fn small_samples_say_which_percentiles_they_cannot_carry() {
        let mut h = histogram();
        for us in 1..=1000 {
            h.record(us).expect("in range");
        }
        let l = latency(&h);
        assert_eq!(l.too_small, ["p95", "p99", "p999"], "1,000 samples carry p90, not p95");
        let near = |found: Option<f64>, ms: f64| found.is_some_and(|found| (found - ms).abs() < 0.01);
        assert!(near(l.p50, 0.5) && near(l.max, 1.0), "values are in milliseconds");
        h.reset();
        let none = latency(&h);
        assert_eq!(
            (none.n, none.min, none.p50, none.p999, none.max),
            (0, None, None, None, None),
            "nothing is not zero"
        );
    }

    #[test]
    fn the_curve_ends_at_the_largest_sample() {
        let mut h = histogram();
        for us in 1..=10_000 {
            h.record(us).expect("in range");
        }
        let c = curve(&h);
        assert!(c.len() <= 100 && c.windows(2).all(|w| w[0].q < w[1].q && w[0].ms <= w[1].ms), "it only rises");
        assert!((c[c.len() - 1].q - 0.9999).abs() < 1e-9, "10,000 samples reach to 1 - 1/n");
        assert!((c[c.len() - 1].ms - 10.0).abs() < 0.1 && c[0].q == 0.0, "from the smallest to the largest");
        h.reset();
        assert!(curve(&h).is_empty(), "no sample, no curve");
        h.record(5).expect("in range");
        assert_eq!(curve(&h).len(), 1, "one sample is one point");
    }

    #[test]
    fn histograms_survive_storage() {
        let mut h = histogram();
        for us in [1, 250, 1_000_000, 90_000_000] {
            h.record(us).expect("in range");
        }
        let back = unpacked(&packed(&h)).expect("base64 of V2 compressed");
        assert!(unpacked("not base64!").is_none(), "what is damaged is no histogram");
        assert_eq!(back.len(), 4, "all samples are there");
        assert_eq!(back.max(), h.max(), "with their values");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn merged_histograms_have_the_percentiles_of_the_pooled_samples(
            parts in proptest::collection::vec(proptest::collection::vec(1u64..60_000_000, 1..400), 1..6),
        ) {
            let mut merged = histogram();
            for part in &parts {
                let mut one = histogram();
                part.iter().for_each(|us| one.saturating_record(*us));
                // As the store and other threads hand it over.
                merged.add(unpacked(&packed(&one)).expect("readable")).expect("same bounds");
            }
            let mut all: Vec<u64> = parts.concat();
            all.sort_unstable();
            for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                let rank = ((q * all.len() as f64).ceil() as usize).clamp(1, all.len());
                let (exact, found) = (all[rank - 1], merged.value_at_quantile(q));
                // Three significant digits.
                let off = found.abs_diff(exact);
                proptest::prop_assert!(off * 1_000 <= exact.max(1_000), "q {}: {} is not {}", q, found, exact);
            }
        }
    }
}
