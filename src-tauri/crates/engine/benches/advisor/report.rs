//! Lines of what was measured.
use perfdeck_stats::paired::{LogInterval, median, paired_t};

/// Says a median with its range, and whether it keeps below a bound.
pub(crate) fn line(name: &str, unit: &str, values: &[f64], most: Option<f64>) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = median(values).unwrap_or(f64::NAN);
    let verdict = most.map_or_else(String::new, |most| {
        format!("  at most {most} {unit}: {}", if middle <= most { "held" } else { "MISSED" })
    });
    println!("{name:<52} median {middle:>9.2} {unit}  ({low:.2} to {high:.2}, n = {}){verdict}", values.len());
}

/// The ratio of pairs with its interval of 95 %.
pub(crate) fn ratio(before: &[f64], after: &[f64]) -> (f64, f64, f64) {
    let logs: Vec<f64> = before.iter().zip(after).map(|(a, b)| (b / a).ln()).collect();
    let LogInterval { mean, low, high, .. } = paired_t(&logs, 0.05);
    (mean.exp(), low.exp(), high.exp())
}
