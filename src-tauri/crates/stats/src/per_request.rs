//! What one request costs a target: amounts per request, from blocks with requests and blocks without.
//!
//! A target's counters hold everybody's work. Blocks of equal length alternate, one with `n` requests and one without; what
//! the block without gained is what the others did meanwhile, and is taken off:
//! d = (with − without · t_with / t_without) / n. The unit is the pair, as everywhere in this crate, so the interval is
//! Student's t over the pairs' d (docs/benchmarks.md, 7.2.6, without logs: an amount may be 0).
use std::collections::BTreeMap;

use crate::paired::{mean, sd};
use crate::t;

/// Pairs below which no interval is told: with two, t(0.975, 1) = 12.7 says nothing.
pub const FEWEST: usize = 3;
/// Calls of one statement in a request from which it is taken as repeated for each row of something.
const REPEATED: f64 = 3.0;

/// What counters gained in a block, by name.
pub type Gained = BTreeMap<String, f64>;

/// A block with requests, and the one without beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pair {
    /// Requests that were answered in the block with requests.
    pub requests: u64,
    /// Length of the block with requests, in seconds.
    pub with_s: f64,
    /// Length of the block without, in seconds.
    pub without_s: f64,
    /// What the counters gained in the block with requests.
    pub with: Gained,
    /// What they gained in the block without.
    pub without: Gained,
}

/// Amount of something in one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerRequest {
    /// Mean over the pairs.
    pub mean: f64,
    /// Lower end of the interval at 95 %, not below 0; `None` with fewer than [`FEWEST`] pairs.
    pub low: Option<f64>,
    /// Upper end, likewise.
    pub high: Option<f64>,
    /// Part of what the blocks with requests gained that others did, 0 to 1; `None` where nothing was gained.
    pub background: Option<f64>,
    /// Pairs that it is of.
    pub pairs: usize,
}

/// Amounts per request of everything that any block gained, by name. Pairs without requests or without a length are left
/// out; what a block does not name it gained nothing of.
pub fn per_request(pairs: &[Pair]) -> BTreeMap<String, PerRequest> {
    let pairs: Vec<&Pair> = pairs.iter().filter(|p| p.requests > 0 && p.with_s > 0.0 && p.without_s > 0.0).collect();
    let names: std::collections::BTreeSet<&String> =
        pairs.iter().flat_map(|p| p.with.keys().chain(p.without.keys())).collect();
    names.into_iter().map(|name| (name.clone(), amount(&pairs, name))).collect()
}

fn amount(pairs: &[&Pair], name: &str) -> PerRequest {
    let of = |gained: &Gained| gained.get(name).copied().unwrap_or(0.0);
    let others = |p: &Pair| of(&p.without) * p.with_s / p.without_s;
    let d: Vec<f64> = pairs.iter().map(|p| (of(&p.with) - others(p)) / p.requests as f64).collect();
    let (mean, k) = (mean(&d), d.len());
    let half = (k >= FEWEST).then(|| match sd(&d) {
        // Without scatter the interval is a point.
        0.0 => 0.0,
        sd => t::quantile(0.975, (k - 1) as f64) * sd / (k as f64).sqrt(),
    });
    let all: f64 = pairs.iter().map(|p| of(&p.with)).sum();
    let background: f64 = pairs.iter().map(|p| others(p)).sum();
    PerRequest {
        mean: mean.max(0.0),
        low: half.map(|h| (mean - h).max(0.0)),
        high: half.map(|h| (mean + h).max(0.0)),
        background: (all > 0.0).then(|| (background / all).clamp(0.0, 1.0)),
        pairs: k,
    }
}

/// Whether a statement is called again and again in each request, once for each row of another one ("N+1"): all of the
/// interval is above two calls, and the mean is three or more. `None` when the pairs do not decide it.
pub fn is_repeated(calls: &PerRequest) -> Option<bool> {
    match (calls.low, calls.high) {
        (Some(low), Some(_)) if low > 2.0 && calls.mean >= REPEATED => Some(true),
        (Some(_), Some(high)) if high < REPEATED => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_model::SplitMix64;

    use super::*;

    fn gained(of: &[(&str, f64)]) -> Gained {
        of.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    fn pair(requests: u64, with: &[(&str, f64)], without: &[(&str, f64)]) -> Pair {
        Pair { requests, with_s: 2.0, without_s: 2.0, with: gained(with), without: gained(without) }
    }

    #[test]
    fn a_quiet_target_gives_the_exact_number() {
        for calls in [1.0, 7.0, 23.0] {
            let pairs = vec![pair(50, &[("calls", 50.0 * calls)], &[]); 6];
            let got = per_request(&pairs)["calls"];
            assert_eq!((got.mean, got.low, got.high), (calls, Some(calls), Some(calls)), "no scatter, so a point");
            assert_eq!(got.background, Some(0.0));
        }
    }

    #[test]
    fn what_others_do_is_taken_off_by_the_time_that_they_had() {
        let block = |with_s: f64, without_s: f64| Pair {
            requests: 10,
            with_s,
            without_s,
            with: gained(&[("calls", 70.0 + 100.0 * with_s)]),
            without: gained(&[("calls", 100.0 * without_s)]),
        };
        let got = per_request(&[block(2.0, 2.0), block(2.5, 2.0), block(1.5, 3.0)])["calls"];
        assert!((got.mean - 7.0).abs() < 1e-9, "seven of its own whatever the lengths: {got:?}");
        assert!((got.background.expect("something was gained") - 600.0 / 810.0).abs() < 1e-9, "{got:?}");
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = SplitMix64::seeded(7);
        let mut held = 0;
        for _ in 0..400 {
            // Another client with about 200 calls a block, Gaussian enough as a sum of twelve.
            let mut noise = || (0..12).map(|_| random.unit()).sum::<f64>() * 40.0;
            let pairs: Vec<Pair> =
                (0..8).map(|_| pair(40, &[("calls", 40.0 * 23.0 + noise())], &[("calls", noise())])).collect();
            let got = per_request(&pairs)["calls"];
            held += u32::from(got.low.is_some_and(|l| l <= 23.0) && got.high.is_some_and(|h| h >= 23.0));
        }
        assert!((366..=394).contains(&held), "95 % of 400 are 380, four standard errors are 17: {held}");
    }

    #[test]
    fn few_pairs_have_no_interval_and_empty_blocks_say_nothing() {
        let two = per_request(&vec![pair(5, &[("rows", 10.0)], &[]); 2])["rows"];
        assert_eq!((two.mean, two.low, two.high, two.pairs), (2.0, None, None, 2));
        assert!(per_request(&[pair(0, &[("rows", 10.0)], &[])]).is_empty(), "no request was answered");
        let less = per_request(&vec![pair(5, &[("rows", 1.0)], &[("rows", 3.0)]); 3])["rows"];
        assert_eq!((less.mean, less.low), (0.0, Some(0.0)), "a request takes nothing back");
    }

    #[test]
    fn a_statement_for_each_row_is_told_apart_from_one_that_runs_twice() {
        let calls = |each: &[f64]| {
            let pairs: Vec<Pair> = each.iter().map(|n| pair(10, &[("s", 10.0 * n)], &[])).collect();
            is_repeated(&per_request(&pairs)["s"])
        };
        assert_eq!(calls(&[21.0, 21.0, 21.0]), Some(true));
        assert_eq!(calls(&[2.0, 2.0, 2.0]), Some(false));
        assert_eq!(calls(&[1.0, 9.0, 2.0]), None, "not decided");
        assert_eq!(calls(&[21.0, 21.0]), None, "too few pairs");
    }
}
