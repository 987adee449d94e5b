//! How long maintenance still takes, by what it did in the last minute. Pure.
use perfdeck_model::{DatabaseActivity, Maintenance};

use super::facts::ActivityFacts;

/// Time that is looked back, in milliseconds.
const BACK_MS: f64 = 60_000.0;
/// Shortest time over which a pace is known, in milliseconds.
const LEAST_MS: f64 = 10_000.0;
/// The paces of the two halves of that time differ by this factor at most; otherwise the pace is no guide.
const STEADY: f64 = 2.0;

/// Whether it is the same work in the same phase, so that what is done of it can be held against what was.
fn same(a: &Maintenance, b: &Maintenance) -> bool {
    (a.pid, &a.kind, &a.object, &a.phase, a.total) == (b.pid, &b.kind, &b.object, &b.phase, b.total)
}

/// Time that is left, in seconds, of what was done at which times (milliseconds, oldest first, the newest last).
fn left(points: &[(f64, f64)], total: f64) -> Option<f64> {
    let (first, last) = (*points.first()?, *points.last()?);
    let middle = f64::midpoint(first.0, last.0);
    let half = *points.iter().min_by(|a, b| (a.0 - middle).abs().total_cmp(&(b.0 - middle).abs()))?;
    let pace = |from: (f64, f64), to: (f64, f64)| {
        (to.0 > from.0 && to.1 > from.1).then(|| (to.1 - from.1) / (to.0 - from.0) * 1e3)
    };
    if last.0 - first.0 < LEAST_MS {
        return None;
    }
    let (earlier, later) = (pace(first, half)?, pace(half, last)?);
    let steady = earlier.max(later) <= STEADY * earlier.min(later);
    pace(first, last).filter(|_| steady).map(|pace| ((total - last.1) / pace).max(0.0))
}

/// Says of the maintenance of `answer` how long it still takes, from the readings before it, oldest first.
pub fn tell_left<'a>(answer: &mut DatabaseActivity, before: impl Iterator<Item = &'a ActivityFacts>) {
    if answer.maintenance.is_empty() {
        return;
    }
    let from_ms = answer.at_ms - BACK_MS;
    let near: Vec<&ActivityFacts> = before.filter(|f| f.at_ms >= from_ms && f.at_ms < answer.at_ms).collect();
    let at_ms = answer.at_ms;
    for work in &mut answer.maintenance {
        let (Some(done), Some(total), None) = (work.done, work.total, work.waits_for) else { continue };
        // The last stretch without a break: what was in another phase meanwhile began anew.
        let earlier = near.iter().rev().map_while(|f| {
            let then = f.maintenance.iter().find(|m| same(m, work))?;
            Some((f.at_ms, then.done?))
        });
        let mut points: Vec<(f64, f64)> = std::iter::once((at_ms, done)).chain(earlier).collect();
        points.reverse();
        work.left_s = left(&points, total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: f64, phase: &str, done: f64) -> ActivityFacts {
        let work = Maintenance {
            pid: 7,
            phase: phase.to_owned(),
            done: Some(done),
            total: Some(1_000.0),
            ..Maintenance::default()
        };
        ActivityFacts { at_ms: at_s * 1e3, maintenance: vec![work], ..ActivityFacts::default() }
    }

    fn told(before: &[ActivityFacts], now: &ActivityFacts) -> Option<f64> {
        let mut answer = now.answer();
        tell_left(&mut answer, before.iter());
        answer.maintenance[0].left_s
    }

    #[test]
    fn what_is_left_is_told_at_a_steady_pace_only() {
        let steady: Vec<ActivityFacts> = (0..20).map(|s| reading(f64::from(s), "scan", f64::from(s) * 10.0)).collect();
        assert_eq!(told(&steady, &reading(20.0, "scan", 200.0)), Some(80.0), "800 at 10 a second");
        assert_eq!(told(&steady[15..], &reading(20.0, "scan", 200.0)), None, "five seconds are too few");
        assert_eq!(told(&steady, &reading(20.0, "vacuum", 200.0)), None, "another phase begins anew");
        assert_eq!(told(&steady, &reading(20.0, "scan", 900.0)), None, "the pace changed");
        let stuck: Vec<ActivityFacts> = (0..20).map(|s| reading(f64::from(s), "scan", 50.0)).collect();
        assert_eq!(told(&stuck, &reading(20.0, "scan", 50.0)), None, "it does not go on");
        let mut waits = reading(20.0, "scan", 200.0);
        waits.maintenance[0].waits_for = Some(9);
        assert_eq!(told(&steady, &waits), None, "it waits");
        assert_eq!(told(&steady, &reading(200.0, "scan", 200.0)), None, "what was seen is long ago");
    }
}
