//! Samples over time: where a line is cut, where nothing was measured, and fewer points that keep every peak.

/// Times with their values; `None` is a gap.
pub(crate) type Points = Vec<(f64, Option<f64>)>;

/// Points of a line at most.
const MOST: usize = 1_200;

/// Consecutive points without a gap: where a value is missing or the time jumps, the line is cut.
pub(crate) fn pieces(points: &Points) -> Vec<Vec<(f64, f64)>> {
    let jump = longest_step(points);
    let mut out: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for &(t, v) in points {
        let Some(v) = v else {
            open = false;
            continue;
        };
        match out.last_mut() {
            Some(piece) if open && piece.last().is_some_and(|p| t - p.0 <= jump) => piece.push((t, v)),
            _ => out.push(vec![(t, v)]),
        }
        open = true;
    }
    out
}

/// Times further apart than this are a gap: two and a half of the usual steps.
fn longest_step(points: &Points) -> f64 {
    let mut steps: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).filter(|s| *s > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).map_or(f64::INFINITY, |s| (s * 2.5).max(1_100.0))
}

/// Spans in which no line of the lane has a value.
pub(crate) fn gaps(lines: &[Points], time: crate::axis::Time) -> Vec<(f64, f64)> {
    let usual = lines.iter().map(longest_step).fold(f64::INFINITY, f64::min);
    let usual = if usual.is_finite() { usual } else { 1_100.0 };
    let mut known: Vec<f64> = lines
        .iter()
        .flat_map(|l| l.iter().filter(|p| p.1.is_some()).map(|p| p.0))
        .filter(|t| time.contains(*t))
        .collect();
    known.sort_by(f64::total_cmp);
    let mut spans = Vec::new();
    let mut last = time.from;
    for t in known.into_iter().chain([time.to]) {
        if t - last > usual {
            spans.push((last, t));
        }
        last = t;
    }
    spans
}

/// At most [`MOST`] points: each stretch keeps its smallest and largest value in their order, and its gap.
pub(crate) fn thinned(points: Points) -> Points {
    if points.len() <= MOST {
        return points;
    }
    let stretch = points.len().div_ceil(MOST / 3);
    let mut out = Points::with_capacity(MOST);
    for part in points.chunks(stretch) {
        let known = || part.iter().filter_map(|p| Some((p.0, p.1?)));
        let low = known().min_by(|a, b| a.1.total_cmp(&b.1));
        let high = known().max_by(|a, b| a.1.total_cmp(&b.1));
        let gap = part.iter().find(|p| p.1.is_none());
        let mut kept: Points =
            [low, high].into_iter().flatten().map(|(t, v)| (t, Some(v))).chain(gap.copied()).collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup_by(|a, b| a.0 == b.0);
        out.extend(kept);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Time;

    #[test]
    fn a_gap_cuts_the_line() {
        let points: Points = vec![
            (0.0, Some(1.0)),
            (1e3, Some(2.0)),
            (2e3, None),
            (3e3, Some(3.0)),
            (4e3, Some(3.0)),
            (20e3, Some(4.0)),
        ];
        let cut = pieces(&points);
        assert_eq!(
            cut.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2, 1],
            "a missing value and a jump in time both cut"
        );
        let spans = gaps(&[points], Time { from: 0.0, to: 20e3 });
        assert_eq!(spans, [(4e3, 20e3)], "a silence longer than the usual step is hatched");
    }

    #[test]
    fn a_long_line_keeps_its_peaks_and_gaps() {
        let mut points: Points = (0..40_000).map(|i| (f64::from(i) * 1e3, Some(f64::from(i % 7)))).collect();
        points[30_001].1 = Some(1e6);
        points[12_345].1 = None;
        let thin = thinned(points);
        assert!(thin.len() <= MOST, "bounded: {}", thin.len());
        assert!(thin.iter().any(|p| p.1 == Some(1e6)) && thin.iter().any(|p| p.1.is_none()), "with what matters");
        assert!(thin.windows(2).all(|w| w[0].0 < w[1].0), "in order");
    }
}
