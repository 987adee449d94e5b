//! How far a prediction may be off. Pure.
//!
//! Costs of a planner are no times: what costs a tenth may take a twentieth or a fifth. The error grows with what is promised, so that it is
//! a factor of the logarithm of the ratio: a promise of a hundredth is off by more than one of nine tenths. The factors are ours, set by
//! what stands behind the costs; how often what came lay within is counted (`TrackRecord`).
use perfdeck_model::ShareRange;

use crate::oracle::Worth;
use crate::vectors::{Class, weight};

/// Factor of the logarithm.
fn factor(worth: Worth) -> f64 {
    match worth {
        Worth::Planner => 1.5,
        Worth::Sample => 1.8,
        Worth::Steps => 2.2,
        Worth::Statistics => 3.0,
    }
}

/// The relative change of a statement's time, with the range in which it is expected: -0.9 is a tenth. `mean` is the ratio over all classes
/// of values, `classes` that of each: which of them the calls really have nobody knows, so that the common ones are in the range too.
pub fn range_of(mean: f64, classes: &[(Class, f64)], worth: Worth) -> ShareRange {
    let common = classes.iter().filter(|(class, _)| weight(*class) >= 0.3).map(|(_, ratio)| *ratio);
    let (least, most) = common.fold((mean, mean), |(least, most), r| (f64::min(least, r), f64::max(most, r)));
    let factor = factor(worth);
    // Below 1 more is promised by a greater exponent, above 1 more is feared.
    let off = |ratio: f64, better: bool| {
        let ratio = ratio.max(1e-6);
        ratio.powf(if (ratio < 1.0) == better { factor } else { 1.0 / factor })
    };
    ShareRange { value: mean - 1.0, low: off(least, true) - 1.0, high: off(most, false) - 1.0 }
}

/// The change of several statements together, each with its share of the time. What one is off by says nothing of the others: their
/// errors are added as independent ones.
pub fn together(parts: impl IntoIterator<Item = (f64, ShareRange)>) -> ShareRange {
    let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
    for (share, range) in parts {
        value += share * range.value;
        below += (share * (range.value - range.low)).powi(2);
        above += (share * (range.high - range.value)).powi(2);
    }
    ShareRange { value, low: (value - f64::sqrt(below)).max(-1.0), high: value + f64::sqrt(above) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_value_and_grows_with_the_promise_and_with_what_is_not_known() {
        for mean in [0.001, 0.1, 0.5, 0.95, 1.0, 1.2, 4.0] {
            let mut wide = 0.0;
            for worth in [Worth::Planner, Worth::Sample, Worth::Steps, Worth::Statistics] {
                let range = range_of(mean, &[(Class::Frequent, mean)], worth);
                assert!(
                    range.low <= range.value && range.value <= range.high && range.low >= -1.0,
                    "{mean}: {range:?}"
                );
                assert!(range.high - range.low >= wide, "less is known, more is open: {range:?}");
                wide = range.high - range.low;
            }
        }
        let small = range_of(0.9, &[], Worth::Planner);
        assert!(small.high < 0.0 && small.low > -0.2, "a small gain stays a small one: {small:?}");
        let classes = [(Class::Frequent, 0.9), (Class::Rare, 0.01), (Class::Absent, 0.001)];
        let open = range_of(0.5, &classes, Worth::Planner);
        assert!(open.low < -0.99 && (open.high + 0.068).abs() < 0.01, "which values are sent is not known: {open:?}");
    }

    #[test]
    fn errors_of_several_statements_are_independent() {
        let one = ShareRange { value: -0.5, low: -0.7, high: -0.3 };
        let both = together([(0.5, one), (0.5, one)]);
        assert!((both.value + 0.5).abs() < 1e-9, "{both:?}");
        assert!((both.low + 0.5 + 0.2 / 2f64.sqrt()).abs() < 1e-9, "narrower than that of one: {both:?}");
        assert!(together([]).value.abs() < 1e-9);
    }
}
