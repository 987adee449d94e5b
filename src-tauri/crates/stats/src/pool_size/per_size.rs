//! The figures of each size over its repetitions.
use super::law::Law;
use super::{SizeCell, SizeGoal, SizePoint};
use crate::judged;

/// Cells that a law may be fitted to, as (connections, throughput).
pub(super) fn points(cells: &[SizeCell]) -> Vec<(f64, f64)> {
    let good = cells.iter().filter(|cell| cell.set_aside.is_none() && cell.rate_per_s > 0.0);
    good.map(|cell| (f64::from(cell.connections), cell.rate_per_s)).collect()
}

/// Of all cells, without what a law says.
pub(super) fn per_size(cells: &[SizeCell], goal: &SizeGoal) -> Vec<SizePoint> {
    let mut sizes: Vec<u32> = cells.iter().map(|cell| cell.connections).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let callers = sizes.last().copied().map_or(0.0, f64::from);
    sizes.into_iter().map(|n| size(n, cells, goal, callers)).collect()
}

fn size(n: u32, cells: &[SizeCell], goal: &SizeGoal, callers: f64) -> SizePoint {
    let all: Vec<&SizeCell> = cells.iter().filter(|cell| cell.connections == n).collect();
    let good: Vec<&SizeCell> = all.iter().copied().filter(|cell| cell.set_aside.is_none()).collect();
    let rates: Vec<f64> = good.iter().map(|cell| cell.rate_per_s).collect();
    let of = |figure: fn(&SizeCell) -> Option<f64>| good.iter().filter_map(|cell| figure(cell)).collect::<Vec<_>>();
    let rate_per_s = mean(&rates);
    let mean_ms = mean(&of(|cell| cell.mean_ms));
    let p99_ms = median(of(|cell| cell.p99_ms));
    let succeeded: u64 = good.iter().map(|cell| cell.requests.saturating_sub(cell.errors)).sum();
    let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    SizePoint {
        connections: n,
        cells: whole(good.len()),
        set_aside: whole(all.len() - good.len()),
        rate_per_s,
        fitted_per_s: None,
        share: None,
        mean_ms,
        p95_ms: median(of(|cell| cell.p95_ms)),
        p99_ms,
        p99_judged: succeeded >= judged::needed(0.99),
        within: goal.objective_ms.zip(p99_ms).map(|(limit, p99)| p99 <= limit),
        queue_ms: rate_per_s.zip(mean_ms).filter(|(rate, _)| *rate > 0.0).map(|(rate, mean)| {
            // As many callers as connections wait for none of them.
            let waits = if f64::from(n) < callers { callers / rate * 1000.0 - mean } else { 0.0 };
            waits.max(0.0)
        }),
        requests: all.iter().map(|cell| cell.requests).sum(),
        errors: all.iter().map(|cell| cell.errors).sum(),
    }
}

/// Adds what a law says of sizes that were measured; the highest throughput is that of the best of them.
pub(super) fn by_law(sizes: &mut [SizePoint], law: &Law) {
    let measured = |size: &SizePoint| size.cells > 0;
    let highest = highest(sizes, law);
    for size in sizes.iter_mut().filter(|size| measured(size)) {
        let fitted = law.at(f64::from(size.connections));
        size.fitted_per_s = Some(fitted);
        size.share = (highest > 0.0).then(|| fitted / highest);
    }
}

/// The highest throughput of the measured sizes by a law.
pub(super) fn highest(sizes: &[SizePoint], law: &Law) -> f64 {
    sizes.iter().filter(|size| size.cells > 0).map(|size| law.at(f64::from(size.connections))).fold(0.0, f64::max)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The middle one, or the mean of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = values.get(half).copied()?;
    let lower = if values.len().is_multiple_of(2) { values.get(half.wrapping_sub(1)).copied()? } else { upper };
    Some(f64::midpoint(lower, upper))
}
