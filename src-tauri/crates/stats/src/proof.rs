//! Proof of an index: what it did to statements, from blocks of runs without it and with it, and the verdict on that.
//!
//! A block is summarized by the median of its runs, which a hiccup does not move, and the unit of everything is the pair of
//! neighbouring blocks: what drifts over the measurement is in both of them. Pure.
use perfdeck_model::{ProofClass, ProofStatement, ProofVerdict, ShareRange};
use perfdeck_words as words;

use crate::paired::{LogInterval, median, paired_t, sd};

/// Relative change from which on longer is a regression, as duets have it for medians (docs/benchmarks.md, 7.2.1).
pub const SLOWER: f64 = 0.05;
/// Pairs of blocks that each class gets.
pub const PAIRS: usize = 8;
/// Pairs of one for which [`PAIRS`] leave it open.
pub const MOST_PAIRS: usize = 12;
/// Fewest pairs whose signed ranks can exclude anything at 95 %: 2 / 2^6.
const RANKED: usize = 6;
/// Bound of a log ratio, so that an interval of few pairs stays a number: a factor of half a billion.
const BOUND: f64 = 20.0;

/// The relative change of pairs of blocks with its 95 % interval, in log units: the median of all means of two pairs (Hodges and
/// Lehmann, 1963) with the interval of Wilcoxon's signed ranks, which needs no normal numbers and is not moved by one odd pair.
/// Of fewer than six pairs it is the mean with Student's interval; of fewer than two nothing is known.
pub fn change(without: &[f64], with: &[f64]) -> LogInterval {
    within(without, with, 0.05)
}

fn within(without: &[f64], with: &[f64], alpha: f64) -> LogInterval {
    let d: Vec<f64> = without.iter().zip(with).map(|(a, b)| (b / a).ln()).filter(|d| d.is_finite()).collect();
    if d.len() < RANKED {
        return paired_t(&d, alpha);
    }
    let mut means: Vec<f64> = Vec::with_capacity(d.len() * (d.len() + 1) / 2);
    for (at, one) in d.iter().enumerate() {
        means.extend(d.iter().skip(at).map(|other| f64::midpoint(*one, *other)));
    }
    means.sort_by(f64::total_cmp);
    let at = rank(d.len(), alpha / 2.0);
    let ends = means.get(at).copied().zip(means.get(means.len() - 1 - at).copied());
    let (low, high) = ends.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let mean = median(&means).unwrap_or_default();
    LogInterval { mean, low, high, se: sd(&d) / (d.len() as f64).sqrt(), df: d.len() as f64 - 1.0 }
}

/// The largest rank r with P(T < r + 1) ≤ `tail`, T being Wilcoxon's sum of signed ranks over `n` pairs without a difference.
fn rank(n: usize, tail: f64) -> usize {
    // Ways to reach each sum: each rank is in it or not.
    let mut ways = vec![0.0_f64; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for one in 1..=n {
        for sum in (one..ways.len()).rev() {
            ways[sum] += ways[sum - one];
        }
    }
    let all = 2.0_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut below = 0.0;
    let within = ways.iter().take_while(|count| {
        below += **count / all;
        below <= tail
    });
    within.count().saturating_sub(1)
}

/// A change as a share; `None` where nothing is known.
pub fn share(of: LogInterval) -> Option<ShareRange> {
    let bound = |x: f64| x.clamp(-BOUND, BOUND).exp_m1();
    (of.df > 0.0).then(|| ShareRange { value: bound(of.mean), low: bound(of.low), high: bound(of.high) })
}

/// Whether more pairs would help: the interval holds "no change" and more than 5 % either way, or the border of a regression. Because
/// it is looked at twice then, the first look has an interval of 98 %, which keeps those of both together at 95 % (shown by simulation).
pub fn is_open(without: &[f64], with: &[f64]) -> bool {
    share(within(without, with, 0.02)).is_none_or(|of| {
        let none = of.low < 0.0 && of.high > 0.0 && (of.low < -SLOWER || of.high > SLOWER);
        none || of.low < SLOWER && of.high > SLOWER
    })
}

/// The change of a whole of whose time the parts have these shares (they add up to 1), by the intervals of the parts: the method of
/// variance estimates recovery (Zou and Donner, 2008).
pub fn of_parts(parts: &[(f64, ShareRange)]) -> Option<ShareRange> {
    let all: f64 = parts.iter().map(|(weight, _)| weight).sum();
    if parts.is_empty() || all <= 0.0 {
        return None;
    }
    let (mut value, mut down, mut up) = (0.0, 0.0, 0.0);
    for (weight, part) in parts {
        let weight = weight / all;
        value += weight * part.value;
        down += (weight * (part.value - part.low)).powi(2);
        up += (weight * (part.high - part.value)).powi(2);
    }
    Some(ShareRange { value, low: (value - down.sqrt()).max(-1.0), high: value + up.sqrt() })
}

/// Share of a workload's time that statements with these shares of it save together.
pub fn saved(statements: &[(f64, ShareRange)]) -> Option<ShareRange> {
    let all: f64 = statements.iter().map(|(share, _)| share).sum();
    let change = of_parts(statements)?;
    Some(ShareRange { value: -change.value * all, low: -change.high * all, high: -change.low * all })
}

/// A class of a statement that was measured.
type Of<'a> = (&'a ProofStatement, &'a ProofClass);

/// The verdict of a proof and why, in a sentence.
///
/// In this order: what cannot be told because nothing was measured or the answers differ; a class that takes more than 5 % longer by
/// interval, and whose plan uses it or that writes; a plan that changes with new statistics; an index that no plan uses; a class that
/// takes less time by interval; nothing gained where intervals are narrow enough to say so.
pub fn verdict(statements: &[ProofStatement]) -> (ProofVerdict, String) {
    let all: Vec<Of<'_>> = statements.iter().flat_map(|s| s.classes.iter().map(move |c| (s, c))).collect();
    if all.is_empty() {
        return (ProofVerdict::Unclear, "No statement could be measured".to_owned());
    }
    if let Some(one) = all.iter().find(|(_, class)| class.same_rows == Some(false)) {
        return (ProofVerdict::Unclear, format!("{} returned other rows with the index than without it", named(one)));
    }
    let worst = all.iter().filter(|(s, c)| (c.used || s.writes) && c.change.low > SLOWER);
    if let Some(one) = worst.max_by(|a, b| a.1.change.value.total_cmp(&b.1.change.value)) {
        return (ProofVerdict::Regression, format!("{} took {}", named(one), times(one.1)));
    }
    if let Some(one) = all.iter().find(|(_, class)| class.used_after_analyze.is_some_and(|after| after != class.used)) {
        let why = if one.1.used {
            format!("{} uses it now, and no more once the table's statistics are gathered anew", named(one))
        } else {
            format!("{} does not use it now, and would once the table's statistics are gathered anew", named(one))
        };
        return (ProofVerdict::Fragile, why);
    }
    if all.iter().all(|(statement, class)| !class.used && !statement.writes) {
        return (ProofVerdict::NotUsed, format!("No plan of {} uses it", count(statements)));
    }
    // The heaviest statement comes first, and of it the class that is called most.
    let mut using = all.iter().filter(|(_, class)| class.used);
    if let Some(one) = using.find(|(_, class)| class.change.high < 0.0) {
        return (ProofVerdict::Proven, format!("{} took {}", named(one), times(one.1)));
    }
    if all.iter().all(|(_, class)| class.change.low > -SLOWER) {
        return (ProofVerdict::NoGain, format!("No plan of {} takes less time with it", count(statements)));
    }
    (ProofVerdict::Unclear, "The intervals are too wide to tell a gain from none".to_owned())
}

fn count(statements: &[ProofStatement]) -> String {
    let measured = statements.iter().filter(|s| !s.classes.is_empty()).count();
    words::plural(measured, "statement")
}

/// A class of a statement, at the beginning of a sentence.
fn named((statement, class): &Of<'_>) -> String {
    let begin = statement.statement.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    let begin = begin.get(..begin.floor_char_boundary(40)).unwrap_or_default();
    format!("`{begin} …` ({})", class.class.as_str())
}

fn times(class: &ProofClass) -> String {
    let change = class.change;
    format!(
        "{} with it and {} without ({}, 95 % within {})",
        words::ms(class.after_ms),
        words::ms(class.before_ms),
        words::percent(change.value),
        words::interval(change.low, change.high)
    )
}

#[cfg(test)]
#[path = "tests/proof.rs"]
mod tests;
