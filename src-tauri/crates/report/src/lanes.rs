//! The lanes of one run, as the window has them: the load generator's and its environment's, on one time axis.
//!
//! Which lanes there are, their colours and their scales are the window's own (`golden/lanes.json`). A series that is in none
//! of them has a lane of its own metric after the others.
use std::sync::OnceLock;

use perfdeck_model::{Heatmap, Run, TargetRole, title_of};
use perfdeck_words::{DASH, per_second};
use serde::Deserialize;

use crate::axis::{AxisUnit, Domain, ScaleKind, ScaleSpec, Time, domain};
use crate::plot::Plot;
use crate::samples::{Points, gaps, pieces, thinned};
use crate::text::isolated;
use crate::{ReportSeries, RunSeries, heat, markup::push};

/// Room above the highest value, and below the lowest.
const TOP: f64 = 6.0;
const FOOT: f64 = 1.0;
/// Series drawn in a lane that the window does not have; the rest is counted.
const MOST_IN_LANE: usize = 6;
const SERIES: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];

#[derive(Debug, Clone, Deserialize)]
struct LaneSeries {
    id: String,
    label: String,
    colour: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Line,
    Fill,
    Stack,
    Bars,
}

#[derive(Debug, Clone, Deserialize)]
struct LaneSpec {
    title: String,
    what: String,
    unit: AxisUnit,
    kind: Kind,
    height: f64,
    series: Vec<LaneSeries>,
    scale: ScaleSpec,
}

#[derive(Debug, Deserialize)]
struct TierLanes {
    role: TargetRole,
    lanes: Vec<LaneSpec>,
}

#[derive(Debug, Default, Deserialize)]
struct Window {
    bench: Vec<LaneSpec>,
    tiers: Vec<TierLanes>,
}

/// The lanes of the window. The file is a part of the build, and a test reads it.
fn window() -> &'static Window {
    static WINDOW: OnceLock<Window> = OnceLock::new();
    WINDOW.get_or_init(|| serde_json::from_str(include_str!("../golden/lanes.json")).unwrap_or_default())
}

/// Whether a series is drawn on top of others, so that its samples may only be averaged.
pub(crate) fn is_stacked(id: &str) -> bool {
    let mut lanes = window().tiers.iter().flat_map(|t| &t.lanes);
    lanes.any(|lane| lane.kind == Kind::Stack && lane.series.iter().any(|s| s.id == id))
}

/// A lane with what is drawn in it.
struct Lane {
    spec: LaneSpec,
    /// One for each series of `spec`.
    lines: Vec<Points>,
    /// Series that are not drawn.
    more: usize,
    reference: Option<(f64, String)>,
}

impl Lane {
    /// From the bottom up: what is drawn of each series.
    fn drawn(&self) -> Vec<Points> {
        if self.spec.kind != Kind::Stack {
            return self.lines.clone();
        }
        let mut sums: Vec<Points> = Vec::new();
        for line in &self.lines {
            let sum = match sums.last() {
                // A missing part is not a zero: what stands on it is missing too.
                Some(below) => line.iter().zip(below).map(|(a, b)| (a.0, a.1.zip(b.1).map(|(a, b)| a + b))).collect(),
                None => line.clone(),
            };
            sums.push(sum);
        }
        sums
    }

    fn axis(&self, drawn: &[Points]) -> Domain {
        let known = || drawn.iter().flatten().filter_map(|p| p.1);
        let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let seen = low.is_finite() && high.is_finite();
        domain(&self.spec.scale, self.spec.unit, seen.then_some(low), seen.then_some(high))
    }
}

/// The median of the values and the largest one.
fn middle_and_most(points: &Points, time: Time) -> Option<(f64, f64)> {
    let mut known: Vec<f64> = points.iter().filter(|p| time.contains(p.0)).filter_map(|p| p.1).collect();
    known.sort_by(f64::total_cmp);
    Some((*known.get(known.len() / 2)?, *known.last()?))
}

fn place(axis: &Domain, height: f64, v: f64) -> f64 {
    height - FOOT - axis.position(v) * (height - TOP - FOOT)
}

/// The picture of a lane.
fn picture(lane: &Lane, drawn: &[Points], axis: &Domain, time: Time, height: f64) -> Plot {
    let mut plot = Plot::new(height);
    for (t, _) in time.ticks() {
        plot.vertical(time.share(t), 0.0, height, "grid");
    }
    let y = |v: f64| place(axis, height, v);
    for label in axis.labels(lane.spec.unit, height) {
        plot.horizontal(y(label.value), "grid");
    }
    if let Some((value, _)) = &lane.reference {
        plot.horizontal(y(*value), "reference");
    }
    let on = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().filter(|p| time.contains(p.0)).map(|(t, v)| (time.share(*t), y(*v))).collect()
    };
    let foot = height - FOOT;
    for (i, series) in lane.spec.series.iter().enumerate() {
        let points = &drawn[i];
        if lane.spec.kind == Kind::Bars {
            let boxes: Vec<[f64; 4]> = points
                .iter()
                .filter_map(|(t, v)| Some((*t, v.filter(|v| *v > 0.0 && time.contains(*t))?)))
                .map(|(t, v)| [time.share(t) - 0.0008, y(v), time.share(t) + 0.0008, foot])
                .collect();
            plot.boxes(&boxes, &series.colour);
            continue;
        }
        for piece in pieces(points) {
            let path = on(&piece);
            if lane.spec.kind == Kind::Stack && path.len() > 1 {
                let under = i.checked_sub(1).map_or(&[][..], |i| drawn[i].as_slice());
                let at = |t: f64| under.iter().find(|p| p.0 == t).and_then(|p| Some((t, p.1?)));
                let below: Vec<(f64, f64)> = piece.iter().filter_map(|p| at(p.0)).collect();
                plot.area(&path, &on(&below), foot, &series.colour, "stack");
            } else if lane.spec.kind == Kind::Fill && axis.min == 0.0 && !axis.log && path.len() > 1 {
                plot.area(&path, &[], foot, &series.colour, "fill");
            }
            plot.line(&path, &series.colour, "line");
        }
    }
    plot
}

/// Axis labels beside a plot, each at its height and inside the lane.
pub(crate) fn axis_marks(out: &mut String, marks: &[(f64, String)], height: f64) {
    for (at, text) in marks {
        push(out, format_args!("<i style=\"top:{}px\">{text}</i>", at.clamp(7.0, height - 7.0).round()));
    }
}

fn lane_html(out: &mut String, lane: &Lane, time: Time) {
    let drawn = lane.drawn();
    let axis = lane.axis(&drawn);
    let spec = &lane.spec;
    let note = axis.note(spec.unit);
    let lines = 2.0 + f64::from(u8::from(note.is_some()));
    #[allow(clippy::cast_precision_loss)]
    let rows = lane.lines.len() as f64 + f64::from(u8::from(lane.more > 0));
    let height = spec.height.max(lines * 15.0 + 4.0).max(rows * 15.0 + 4.0);
    let plot = picture(lane, &drawn, &axis, time, height);
    push(out, format_args!("<div class=\"lane\"><div class=\"who\"><b>{}</b>", isolated(&spec.title)));
    push(out, format_args!("<span>{}</span>", isolated(&spec.what)));
    if let Some(note) = &note {
        push(out, format_args!("<span>{note}</span>"));
    }
    push(out, format_args!("</div><div class=\"axis\" style=\"height:{height}px\">"));
    let marks: Vec<(f64, String)> =
        axis.labels(spec.unit, height).into_iter().map(|l| (place(&axis, height, l.value), l.text)).collect();
    axis_marks(out, &marks, height);
    push(out, format_args!("</div><div class=\"plot\" style=\"height:{height}px\">"));
    for (from, to) in gaps(&lane.lines, time) {
        let (from, to) = (time.share(from) * 100.0, time.share(to) * 100.0);
        push(
            out,
            format_args!(
                "<i class=\"gap\" style=\"left:{from:.2}%;width:{:.2}%\" title=\"no samples\"></i>",
                to - from
            ),
        );
    }
    out.push_str(&plot.finish(&said(lane, time)));
    if let Some((value, words)) = &lane.reference {
        let at = place(&axis, height, *value);
        let class = if at > 20.0 { "ref over" } else { "ref" };
        push(out, format_args!("<em class=\"{class}\" style=\"top:{}px\">{words}</em>", at.round()));
    }
    out.push_str("</div><div class=\"read\">");
    // As they are drawn: the topmost first.
    for (series, points) in spec.series.iter().zip(&lane.lines).rev() {
        read_out(out, spec, series, points, time);
    }
    if lane.more > 0 {
        push(out, format_args!("<p class=\"off\">{} more in the data</p>", lane.more));
    }
    out.push_str("</div></div>\n");
}

fn read_out(out: &mut String, spec: &LaneSpec, series: &LaneSeries, points: &Points, time: Time) {
    let (middle, most) = match middle_and_most(points, time) {
        Some((middle, most)) => (spec.unit.say(middle), spec.unit.say(most)),
        None => (DASH.to_owned(), DASH.to_owned()),
    };
    push(
        out,
        format_args!(
            "<p><i class=\"key\" style=\"--k:var(--{})\"></i><span>{}</span><b>{middle}</b><em>{most}</em></p>",
            series.colour,
            isolated(&series.label)
        ),
    );
}

/// What a reader without the picture is told.
fn said(lane: &Lane, time: Time) -> String {
    let unit = lane.spec.unit;
    let parts = lane.spec.series.iter().zip(&lane.lines).map(|(series, points)| match middle_and_most(points, time) {
        Some((middle, most)) => format!("{} median {}, at most {}", series.label, unit.say(middle), unit.say(most)),
        None => format!("{} no samples", series.label),
    });
    format!("{}, {}: {}", lane.spec.title, lane.spec.what, parts.collect::<Vec<_>>().join("; "))
}

fn ruler(out: &mut String, time: Time) {
    out.push_str("<div class=\"lane ruler\"><div class=\"who\">since the start</div><div class=\"axis\"></div><div class=\"plot\">");
    let ticks = time.ticks();
    for (i, (t, label)) in ticks.iter().enumerate() {
        let share = time.share(*t) * 100.0;
        let class = if i == 0 {
            " class=\"first\""
        } else if share > 97.0 {
            " class=\"last\""
        } else {
            ""
        };
        push(out, format_args!("<i{class} style=\"left:{share:.2}%\">{label}</i>"));
    }
    out.push_str("</div><div class=\"read\"><p><i></i><span></span><b>median</b><em>most</em></p></div></div>\n");
}

fn heat_html(out: &mut String, heat: Option<&Heatmap>, time: Time) {
    let drawn = heat.and_then(|h| heat::draw(h, time));
    let columns = heat.filter(|_| drawn.is_some()).map_or_else(String::new, |h| format!(", {} s columns", h.column_s));
    push(out, format_args!("<div class=\"lane\"><div class=\"who\"><b>Heatmap</b><span>log{columns}</span></div>"));
    let Some(drawn) = drawn else {
        out.push_str(
            "<div class=\"axis\"></div><div class=\"plot\"><p class=\"off none\">This run kept no histogram for each \
             second.</p></div><div class=\"read\"></div></div>\n",
        );
        return;
    };
    let height = heat::HEIGHT;
    push(out, format_args!("<div class=\"axis\" style=\"height:{height}px\">"));
    axis_marks(out, &drawn.labels, height);
    push(out, format_args!("</div><div class=\"plot heat\" style=\"height:{height}px\">"));
    out.push_str(&drawn.plot.finish(&drawn.said));
    out.push_str("</div><div class=\"read legend\"><p>responses a cell</p><div class=\"ramp\">");
    for step in 1..=8 {
        push(out, format_args!("<i style=\"--k:var(--h{step})\"></i>"));
    }
    push(out, format_args!("</div><p><span>1</span><b>{}</b></p>", perfdeck_words::integer(drawn.top)));
    out.push_str("<p><i class=\"key\" style=\"--k:var(--text-1)\"></i><span>p99</span></p></div></div>\n");
}

/// The lanes of a run and of its environment, in the window's order.
pub(crate) fn lanes(out: &mut String, run: &Run, series: Option<&RunSeries>, heat: Option<&Heatmap>) {
    // A run that was stopped at once still has an axis.
    let time =
        Time { from: run.started_ms, to: run.finished_ms.max(run.started_ms + 1_000.0 * run.duration_s.max(0.1)) };
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
    #[allow(clippy::cast_precision_loss)]
    let over = |n: u64, d: f64| (d > 0.0).then(|| n as f64 / d);
    let values = |id: &str| match id {
        "bench.rate" => at(&|i| over(i.requests.saturating_sub(i.errors), i.duration_s)),
        "bench.errors" => at(&|i| over(i.errors, i.duration_s)),
        "bench.p50" => at(&|i| i.p50),
        "bench.p90" => at(&|i| i.p90),
        "bench.p99" => at(&|i| i.p99),
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
        Lane { spec, lines, more: 0, reference: reference.map(|r| (r, format!("{} asked for", per_second(r)))) }
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
        assert!(is_stacked("system.cpu.utilization{cpu.mode=user}") && !is_stacked("system.memory.usage"), "stacks");
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

    #[test]
    fn what_stands_on_a_gap_is_one() {
        let spec = window().tiers[1].lanes.iter().find(|l| l.kind == Kind::Stack && l.series.len() == 3).expect("CPU");
        let line = |v: Option<f64>| vec![(0.0, Some(0.1)), (1.0, v)];
        let lane = Lane {
            spec: spec.clone(),
            lines: vec![line(None), line(Some(0.2)), line(Some(0.3))],
            more: 0,
            reference: None,
        };
        let drawn = lane.drawn();
        assert!((drawn[2][0].1.expect("a sum") - 0.3).abs() < 1e-12, "sums from the bottom up");
        assert_eq!(drawn[2][1].1, None, "and never over a missing part");
    }
}
