//! The lanes of one run, as the window has them: the load generator's and its environment's, on one time axis.
//!
//! Which lanes there are, their colours and their scales are the window's own (`golden/lanes.json`). A series that is in none
//! of them has a lane of its own metric after the others.
use perfdeck_model::{Heatmap, Run, TargetRole, few_for_point, title_of};

use crate::axis::{ScaleKind, ScaleSpec, Time};
use crate::lane::{Lane, heat_html, lane_html, ruler};
use crate::samples::{Points, thinned};
use crate::window::{Kind, LaneSeries, LaneSpec, window};
use crate::{ReportSeries, RunSeries, markup::push};

/// Series drawn in a lane that the window does not have; the rest is counted.
const MOST_IN_LANE: usize = 6;
const SERIES: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];

/// The lanes of a run and of its environment, in the window's order.
pub(crate) fn lanes(out: &mut String, run: &Run, series: Option<&RunSeries>, heat: Option<&Heatmap>) {
    // A run that was stopped at once still has an axis.
    let least = run.finished_ms.max(run.started_ms + 1_000.0 * run.duration_s.max(0.1));
    // Another tool's last second may begin when its last response was there.
    let seconds = run.intervals.iter().filter(|i| i.requests > 0).map(|i| i.t_ms + 1_000.0 * i.duration_s);
    let time = Time { from: run.started_ms, to: seconds.fold(least, f64::max) };
    if !(time.from.is_finite() && time.to.is_finite()) {
        return;
    }
    out.push_str("<div class=\"lanes\">\n");
    ruler(out, time);
    out.push_str("<div class=\"band\">Load generator</div>\n");
    for lane in run_lanes(run) {
        lane_html(out, &lane, time);
        if lane.spec.scale.kind == ScaleKind::Log {
            heat_html(out, heat, time);
        }
    }
    let mut last = None;
    for (role, lane) in series.map(environment_lanes).unwrap_or_default() {
        if last != Some(role) {
            push(out, format_args!("<div class=\"band\">{}</div>\n", role_name(role)));
        }
        last = Some(role);
        lane_html(out, &lane, time);
    }
    out.push_str("</div>\n");
}

fn run_lanes(run: &Run) -> Vec<Lane> {
    let at = |f: &dyn Fn(&perfdeck_model::Interval) -> Option<f64>| -> Points {
        let known = run.intervals.iter();
        // The rate of a sliver of a second says nothing.
        let known = known.filter(|i| i.duration_s >= 0.25 || run.intervals.len() == 1);
        thinned(known.map(|i| (i.t_ms + i.duration_s * 500.0, f(i).filter(|v| v.is_finite()))).collect())
    };
    // A second with too few successes for a percentile has none: a gap.
    let enough = |i: &perfdeck_model::Interval, q| !few_for_point(i.requests.saturating_sub(i.errors), q);
    let over = |n: u64, d: f64| (d > 0.0).then(|| n as f64 / d);
    let values = |id: &str| match id {
        "bench.rate" => at(&|i| over(i.requests.saturating_sub(i.errors), i.duration_s)),
        "bench.errors" => at(&|i| over(i.errors, i.duration_s)),
        "bench.p50" => at(&|i| i.p50.filter(|_| enough(i, 0.5))),
        "bench.p90" => at(&|i| i.p90.filter(|_| enough(i, 0.9))),
        "bench.p99" => at(&|i| i.p99.filter(|_| enough(i, 0.99))),
        _ => Points::new(),
    };
    // Steps of a scenario are more than its iterations: the rate asked for is none of requests then.
    let asked = run.target_rate_per_s.filter(|_| run.iterations.is_none_or(|n| n == run.requests));
    let lane = |spec: &LaneSpec| {
        let mut spec = spec.clone();
        let reference = asked.filter(|_| spec.kind == Kind::Fill);
        if let Some(rate) = reference {
            spec.scale.at_least = Some(rate * 1.1);
        }
        let lines = spec.series.iter().map(|s| values(&s.id)).collect();
        Lane { spec, lines, more: 0, reference }
    };
    window().bench.iter().map(lane).collect()
}

pub(crate) fn role_name(role: TargetRole) -> &'static str {
    match role {
        TargetRole::Api => "API",
        TargetRole::Host => "Host",
        TargetRole::Database => "Database",
        TargetRole::Cache => "Cache",
        TargetRole::Frontend => "Front end",
    }
}

fn points(run: &RunSeries, series: &ReportSeries) -> Points {
    run.t_ms.iter().copied().zip(series.values.iter().copied()).filter(|p| p.0.is_finite()).collect()
}

/// The window's lanes of which there are series, then one for each other metric.
fn environment_lanes(run: &RunSeries) -> Vec<(TargetRole, Lane)> {
    let mut lanes = Vec::new();
    let mut taken: Vec<&str> = Vec::new();
    for tier in &window().tiers {
        for spec in &tier.lanes {
            let found: Vec<(&LaneSeries, &ReportSeries)> =
                spec.series.iter().filter_map(|s| Some((s, run.series.iter().find(|r| r.id == s.id)?))).collect();
            let new = found.iter().any(|(_, r)| !taken.contains(&r.id.as_str()));
            if found.is_empty() || !new {
                continue;
            }
            taken.extend(found.iter().map(|(_, r)| r.id.as_str()));
            let lines = found.iter().map(|(_, r)| points(run, r)).collect();
            let series = found.into_iter().map(|(s, _)| s.clone()).collect();
            lanes
                .push((tier.role, Lane { spec: LaneSpec { series, ..spec.clone() }, lines, more: 0, reference: None }));
        }
    }
    lanes.extend(other_lanes(run, &taken));
    // Stable: what the window has stays in its order.
    lanes.sort_by_key(|(role, _)| *role);
    lanes
}

fn other_lanes(run: &RunSeries, taken: &[&str]) -> Vec<(TargetRole, Lane)> {
    let mut groups: Vec<(TargetRole, &str, Vec<&ReportSeries>)> = Vec::new();
    for series in run.series.iter().filter(|s| !taken.contains(&s.id.as_str())) {
        let metric = series.id.split('{').next().unwrap_or(&series.id);
        match groups.iter_mut().find(|(role, m, _)| *role == series.target && *m == metric) {
            Some((_, _, group)) => group.push(series),
            None => groups.push((series.target, metric, vec![series])),
        }
    }
    let rank = |metric: &str| title_of(metric).map_or(usize::MAX, |(place, _)| place);
    groups.sort_by(|a, b| (a.0, rank(a.1), a.1).cmp(&(b.0, rank(b.1), b.1)));
    groups.into_iter().map(|(role, metric, group)| (role, other_lane(run, metric, &group))).collect()
}

fn other_lane(run: &RunSeries, metric: &str, group: &[&ReportSeries]) -> Lane {
    let title = title_of(metric).map_or(metric, |(_, title)| title);
    let lone = group.len() == 1;
    let drawn: Vec<&&ReportSeries> = group.iter().take(MOST_IN_LANE).collect();
    let series = drawn.iter().zip(SERIES).map(|(s, colour)| LaneSeries {
        id: s.id.clone(),
        label: attributes(&s.id),
        colour: if lone { "ink" } else { colour }.to_owned(),
    });
    let spec = LaneSpec {
        title: title.to_owned(),
        what: if metric == title { String::new() } else { metric.to_owned() },
        unit: group[0].unit.into(),
        kind: if lone { Kind::Fill } else { Kind::Line },
        height: 36.0,
        series: series.collect(),
        scale: ScaleSpec { kind: ScaleKind::Zero, at_least: None, cap: None, up_to: None, from: None },
    };
    let lines = drawn.iter().map(|s| points(run, s)).collect();
    Lane { spec, lines, more: group.len() - drawn.len(), reference: None }
}

/// The values of a series' attributes: `user` of `system.cpu.utilization{cpu.mode=user}`.
fn attributes(id: &str) -> String {
    let Some((_, inner)) = id.split_once('{') else { return "all".to_owned() };
    let values: Vec<&str> =
        inner.trim_end_matches('}').split(',').map(|p| p.split_once('=').map_or(p, |(_, v)| v)).collect();
    values.join(" ").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_lanes_are_read() {
        let window = window();
        assert_eq!(window.bench.len(), 3, "throughput, response time, errors");
        let tail: Vec<&str> = window.bench[1].series.iter().map(|s| s.colour.as_str()).collect();
        assert_eq!(tail, ["q50", "q95", "q99"], "one family of colours, the tail strongest");
        assert_eq!(window.bench[1].scale.kind, ScaleKind::Log, "on the window's axis");
        assert_eq!(window.tiers.len(), 4, "API, host, database, cache");
        assert!(
            crate::window::is_stacked("system.cpu.utilization{cpu.mode=user}")
                && !crate::window::is_stacked("system.memory.usage"),
            "stacks"
        );
    }

    #[test]
    fn every_colour_is_a_token() {
        let known: Vec<&str> = crate::tokens::light().iter().map(|t| t.0).collect();
        let window = window();
        for lane in window.bench.iter().chain(window.tiers.iter().flat_map(|t| &t.lanes)) {
            for series in &lane.series {
                assert!(known.contains(&series.colour.as_str()), "{}: {} is no token", lane.title, series.colour);
            }
        }
        assert!(SERIES.iter().all(|colour| known.contains(colour)), "nor are those of other lanes unknown");
    }
}
