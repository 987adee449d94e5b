//! Charts of one run: lanes that share one time axis, and the percentile curve.
//!
//! Every lane has the same horizontal layout, so a moment is at the same place in all of them: name and axis labels on
//! the left, the plot, and what was drawn with its mean and maximum on the right.
use perfdeck_model::{Run, TargetRole, Unit, title_of};
use perfdeck_words::{THIN, count, format, ms, per_second, percentile};
use plotters::style::RGBColor;

use crate::chart::{Anchor, Canvas, colour, svg};
use crate::format::tick;
use crate::{Error, ReportSeries, RunSeries};

const WIDTH: f64 = 1080.0;
const PLOT_LEFT: f64 = 200.0;
const PLOT_RIGHT: f64 = 860.0;
const PAD: f64 = 10.0;
/// Series drawn in one lane; the rest is counted in the read-out.
const MAX_IN_LANE: usize = 6;

/// A drawn chart.
pub(crate) struct Figure {
    pub(crate) svg: String,
    /// Heading above it, where a new group begins.
    pub(crate) band: Option<String>,
}

type Points = Vec<(f64, Option<f64>)>;

struct Line {
    label: String,
    colour: RGBColor,
    points: Points,
    bars: bool,
}

struct Lane {
    name: String,
    what: String,
    unit: Unit,
    height: f64,
    lines: Vec<Line>,
    more: usize,
    fill: bool,
    /// A dotted reference with its words.
    reference: Option<(f64, String)>,
}

#[derive(Clone, Copy)]
struct Time {
    from: f64,
    to: f64,
}

impl Time {
    fn x(self, t: f64) -> f64 {
        PLOT_LEFT + (t - self.from) / (self.to - self.from) * (PLOT_RIGHT - PLOT_LEFT)
    }

    fn contains(self, t: f64) -> bool {
        t >= self.from && t <= self.to
    }

    /// Whole steps in seconds since the start of the run, at most eight.
    fn ticks(self) -> Vec<(f64, String)> {
        let span = (self.to - self.from) / 1e3;
        let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0]
            .into_iter()
            .find(|s| span / s <= 8.0)
            .unwrap_or(span / 8.0);
        let mut ticks = Vec::new();
        let mut i = 0.0;
        while i * step <= span + 1e-9 {
            let s = i * step;
            let label = if step >= 60.0 {
                format!("{}{THIN}min", s / 60.0)
            } else {
                format!("{}{THIN}s", (s * 10.0).round() / 10.0)
            };
            ticks.push((self.from + s * 1e3, label));
            i += 1.0;
        }
        ticks
    }
}

/// Limits of a value axis and its labelled values.
struct Scale {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Scale {
    fn new(lines: &[Line], unit: Unit, reference: Option<f64>) -> Self {
        let known = || lines.iter().flat_map(|l| l.points.iter().filter_map(|p| p.1));
        let (min, max) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let max = reference.map_or(max, |r| max.max(r));
        if !(min.is_finite() && max.is_finite()) {
            return Self { low: 0.0, high: 1.0, ticks: Vec::new() };
        }
        // A ratio that stays high would be a flat line at the top of an axis from 0.
        let low =
            if unit == Unit::Ratio && min > 0.5 { (min * 10.0 - 0.5).floor().max(0.0) / 10.0 } else { min.min(0.0) };
        let high = if unit == Unit::Ratio && max > 0.9 && max <= 1.0 { 1.0 } else { max };
        let high = if high > low { high } else { low + 1.0 };
        let step = nice(high - low, unit);
        let first = (low / step).ceil();
        let top = if unit == Unit::Ratio && (high - 1.0).abs() < 1e-12 { 1.0 } else { (high / step).ceil() * step };
        let mut ticks = Vec::new();
        let mut i = first;
        while i * step <= top + step * 1e-6 && ticks.len() < 5 {
            ticks.push(i * step);
            i += 1.0;
        }
        Self { low, high: top, ticks }
    }

    fn y(&self, v: f64, height: f64) -> f64 {
        height - PAD - (v - self.low) / (self.high - self.low) * (height - 2.0 * PAD)
    }
}

/// A step of 1, 2 or 5 times a power of ten (of two for bytes) that gives two or three labels.
fn nice(span: f64, unit: Unit) -> f64 {
    let raw = span / 2.0;
    if unit == Unit::Bytes {
        return 2f64.powf(raw.max(1.0).log2().floor()).max(1.0);
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|s| *s <= raw * 1.001).unwrap_or(power);
    if unit == Unit::Count { step.max(1.0) } else { step }
}

/// Consecutive points without a gap: where a value is missing or the time jumps, the line is cut.
fn pieces(points: &Points) -> Vec<Vec<(f64, f64)>> {
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
fn gaps(lines: &[Line], time: Time) -> Vec<(f64, f64)> {
    let usual = lines.iter().map(|l| longest_step(&l.points)).fold(f64::INFINITY, f64::min);
    let usual = if usual.is_finite() { usual } else { 1_100.0 };
    let mut known: Vec<f64> = lines
        .iter()
        .flat_map(|l| l.points.iter().filter(|p| p.1.is_some()).map(|p| p.0))
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

fn lane_svg(lane: &Lane, time: Time) -> Result<String, Error> {
    let h = lane.height;
    let label = format!("{}: {}", lane.name, lane.what);
    svg(&lane.name, &label, (WIDTH, h), |c| {
        c.text(&lane.name, (0.0, PAD + 4.0), 12.0, Anchor::Left, colour::TEXT, 130.0)?;
        c.text(&lane.what, (0.0, PAD + 20.0), 11.0, Anchor::Left, colour::LABEL, 130.0)?;
        let scale = Scale::new(&lane.lines, lane.unit, lane.reference.as_ref().map(|r| r.0));
        if scale.low > 0.0 {
            let text = format!("axis from {}", tick(scale.low, lane.unit));
            c.text(&text, (0.0, PAD + 36.0), 11.0, Anchor::Left, colour::LABEL, 130.0)?;
        }
        for (t, _) in time.ticks() {
            c.line(&[(time.x(t), PAD / 2.0), (time.x(t), h - PAD / 2.0)], colour::GRID, 1.0)?;
        }
        for v in &scale.ticks {
            let y = scale.y(*v, h);
            c.line(&[(PLOT_LEFT, y), (PLOT_RIGHT, y)], colour::GRID, 1.0)?;
            c.text(&tick(*v, lane.unit), (PLOT_LEFT - 6.0, y), 11.0, Anchor::Right, colour::LABEL, 70.0)?;
        }
        for (from, to) in gaps(&lane.lines, time) {
            c.hatch((time.x(from), PAD), (time.x(to), h - PAD))?;
        }
        if let Some((v, words)) = &lane.reference {
            let y = scale.y(*v, h);
            c.dashed((PLOT_LEFT, y), (PLOT_RIGHT, y), (1.0, 3.0), colour::LABEL)?;
            c.text(words, (PLOT_RIGHT - 4.0, y + 8.0), 11.0, Anchor::Right, colour::LABEL, 300.0)?;
        }
        for line in &lane.lines {
            draw_line(c, line, lane, &scale, time)?;
        }
        read_out(c, lane, time)?;
        c.line(&[(0.0, h - 0.5), (WIDTH, h - 0.5)], colour::GRID, 1.0)
    })
}

fn draw_line(c: &Canvas<'_>, line: &Line, lane: &Lane, scale: &Scale, time: Time) -> Result<(), Error> {
    let h = lane.height;
    let base = scale.y(scale.low.max(0.0), h);
    if line.bars {
        for &(t, v) in &line.points {
            if let Some(v) = v.filter(|v| *v > 0.0 && time.contains(t)) {
                let x = time.x(t);
                c.rect((x - 0.75, scale.y(v, h)), (x + 0.75, base), line.colour)?;
            }
        }
        return Ok(());
    }
    for piece in pieces(&line.points) {
        let path: Vec<(f64, f64)> =
            piece.into_iter().filter(|p| time.contains(p.0)).map(|(t, v)| (time.x(t), scale.y(v, h))).collect();
        if lane.fill && scale.low <= 0.0 && path.len() > 1 {
            c.fill(&path, base, line.colour, 0.08)?;
        }
        c.line(&path, line.colour, 1.25)?;
    }
    Ok(())
}

/// The legend is the read-out: what is drawn, its mean and its maximum.
fn read_out(c: &Canvas<'_>, lane: &Lane, time: Time) -> Result<(), Error> {
    let mut y = PAD + 4.0;
    for line in &lane.lines {
        let known: Vec<f64> = line.points.iter().filter(|p| time.contains(p.0)).filter_map(|p| p.1).collect();
        let text = if known.is_empty() {
            "no samples".to_owned()
        } else {
            #[allow(clippy::cast_precision_loss)]
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let max = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} · max {}", format(Some(mean), lane.unit), format(Some(max), lane.unit))
        };
        c.rect((PLOT_RIGHT + 12.0, y - 4.0), (PLOT_RIGHT + 20.0, y + 4.0), line.colour)?;
        c.text(&line.label, (PLOT_RIGHT + 26.0, y), 11.0, Anchor::Left, colour::TEXT, 62.0)?;
        c.text(&text, (WIDTH, y), 11.0, Anchor::Right, colour::LABEL, 130.0)?;
        y += 15.0;
    }
    if lane.more > 0 {
        let text = format!("{} more in the data", lane.more);
        c.text(&text, (PLOT_RIGHT + 26.0, y), 11.0, Anchor::Left, colour::LABEL, 190.0)?;
    }
    Ok(())
}

fn ruler(time: Time) -> Result<String, Error> {
    svg("ruler", "Time since the start of the run", (WIDTH, 20.0), |c| {
        c.text("since the start of the run", (0.0, 10.0), 11.0, Anchor::Left, colour::LABEL, 180.0)?;
        c.text("mean · maximum", (WIDTH, 10.0), 11.0, Anchor::Right, colour::LABEL, 200.0)?;
        for (t, label) in time.ticks() {
            c.text(&label, (time.x(t), 8.0), 11.0, Anchor::Middle, colour::LABEL, 80.0)?;
            c.line(&[(time.x(t), 15.0), (time.x(t), 20.0)], colour::RULE, 1.0)?;
        }
        c.line(&[(PLOT_LEFT, 19.5), (PLOT_RIGHT, 19.5)], colour::RULE, 1.0)
    })
}

/// The lanes of a run and of its environment, in display order.
pub(crate) fn figures(run: &Run, series: Option<&RunSeries>) -> Result<Vec<Figure>, Error> {
    // A run that was stopped at once still has an axis.
    let time =
        Time { from: run.started_ms, to: run.finished_ms.max(run.started_ms + 1_000.0 * run.duration_s.max(0.1)) };
    if !(time.from.is_finite() && time.to.is_finite()) {
        return Ok(Vec::new());
    }
    let mut figures = vec![Figure { svg: ruler(time)?, band: None }];
    let mut band = Some("Load generator".to_owned());
    for lane in run_lanes(run) {
        figures.push(Figure { svg: lane_svg(&lane, time)?, band: band.take() });
    }
    if let Some(series) = series {
        let mut last = None;
        for (role, lane) in environment_lanes(series) {
            let band = (last != Some(role)).then(|| role_name(role).to_owned());
            last = Some(role);
            figures.push(Figure { svg: lane_svg(&lane, time)?, band });
        }
    }
    Ok(figures)
}

fn run_lanes(run: &Run) -> Vec<Lane> {
    let at = |f: &dyn Fn(&perfdeck_model::Interval) -> Option<f64>| -> Points {
        run.intervals
            .iter()
            // The rate of a sliver of a second says nothing.
            .filter(|i| i.duration_s >= 0.25 || run.intervals.len() == 1)
            .map(|i| (i.t_ms + i.duration_s * 500.0, f(i).filter(|v| v.is_finite())))
            .collect()
    };
    #[allow(clippy::cast_precision_loss)]
    let over = |n: u64, d: f64| (d > 0.0).then(|| n as f64 / d);
    let line = |label: &str, colour, points, bars| Line { label: label.to_owned(), colour, points, bars };
    let seconds = |v: Option<f64>| v.map(|v| v / 1e3);
    let mut throughput =
        vec![line("good", colour::INK, at(&|i| over(i.requests.saturating_sub(i.errors), i.duration_s)), false)];
    if run.errors > 0 {
        throughput.push(line("errors", colour::BAD, at(&|i| over(i.errors, i.duration_s)), true));
    }
    vec![
        Lane {
            name: "Throughput".into(),
            what: "responses per second".into(),
            unit: Unit::PerSecond,
            height: 88.0,
            lines: throughput,
            more: 0,
            fill: true,
            reference: run.target_rate_per_s.map(|r| (r, format!("asked for {}", per_second(r)))),
        },
        Lane {
            name: "Response time".into(),
            what: "percentiles per second".into(),
            unit: Unit::Seconds,
            height: 120.0,
            lines: vec![
                line("p99", colour::Q99, at(&|i| seconds(i.p99)), false),
                line("p90", colour::Q90, at(&|i| seconds(i.p90)), false),
                line("p50", colour::Q50, at(&|i| seconds(i.p50)), false),
            ],
            more: 0,
            fill: false,
            reference: None,
        },
    ]
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

/// Place in the catalogue; others come last.
fn rank(metric: &str) -> usize {
    title_of(metric).map_or(usize::MAX, |(place, _)| place)
}

/// Groups the series by metric; a tier's lanes stay together.
fn environment_lanes(run: &RunSeries) -> Vec<(TargetRole, Lane)> {
    let mut groups: Vec<(TargetRole, &str, Vec<&ReportSeries>)> = Vec::new();
    for series in &run.series {
        let metric = series.id.split('{').next().unwrap_or(&series.id);
        match groups.iter_mut().find(|(role, m, _)| *role == series.target && *m == metric) {
            Some((_, _, group)) => group.push(series),
            None => groups.push((series.target, metric, vec![series])),
        }
    }
    groups.sort_by(|a, b| (a.0, rank(a.1), a.1).cmp(&(b.0, rank(b.1), b.1)));
    groups
        .into_iter()
        .map(|(role, metric, group)| {
            let name = title_of(metric).map_or(metric, |(_, title)| title);
            let unit = group[0].unit;
            let lone = group.len() == 1;
            let bars = matches!(metric, "cache.evictions" | "api.probe.failed" | "cache.expired");
            let lines: Vec<Line> = group
                .iter()
                .take(MAX_IN_LANE)
                .enumerate()
                .map(|(i, s)| Line {
                    label: attributes(&s.id),
                    colour: if lone { colour::INK } else { colour::SERIES[i] },
                    points: run
                        .t_ms
                        .iter()
                        .copied()
                        .zip(s.values.iter().copied())
                        .filter(|p| p.0.is_finite())
                        .collect(),
                    bars,
                })
                .collect();
            let rows = lines.len() + usize::from(group.len() > MAX_IN_LANE);
            #[allow(clippy::cast_precision_loss)]
            let height = (2.0 * PAD + 15.0 * rows as f64).max(60.0);
            let what = if metric == name { String::new() } else { metric.to_owned() };
            (
                role,
                Lane {
                    name: name.to_owned(),
                    what,
                    unit,
                    height,
                    more: group.len() - lines.len(),
                    lines,
                    fill: lone && !bars,
                    reference: None,
                },
            )
        })
        .collect()
}

/// The values of a series' attributes: `user` of `system.cpu.utilization{cpu.mode=user}`.
fn attributes(id: &str) -> String {
    let Some((_, inner)) = id.split_once('{') else { return "all".to_owned() };
    let values: Vec<&str> =
        inner.trim_end_matches('}').split(',').map(|p| p.split_once('=').map_or(p, |(_, v)| v)).collect();
    values.join(" ").replace('_', " ")
}

/// Response time over log 1/(1-q); hatched where fewer than 100/(1-q) samples stand behind it.
pub(crate) fn curve(run: &Run) -> Result<Option<String>, Error> {
    let mut points: Vec<(f64, f64)> = run
        .curve
        .iter()
        .filter(|p| p.q >= 0.0 && p.q < 1.0 && p.ms.is_finite() && p.ms >= 0.0)
        .map(|p| ((1.0 / (1.0 - p.q)).log10(), p.ms))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else { return Ok(None) };
    if points.len() > 2_000 {
        let step = points.len().div_ceil(2_000);
        points = points.iter().step_by(step).copied().chain([last]).collect();
    }
    let n = run.latency().n;
    #[allow(clippy::cast_precision_loss)]
    let enough = (n as f64 / 100.0).max(1.0).log10();
    let right = last.0.max(1.0);
    let max = points.iter().fold(0.0_f64, |m, p| m.max(p.1));
    let min = first.1.max(1e-6);
    let log = max / min > 30.0;
    let (low, high) = if log {
        (10f64.powf(min.log10().floor()), 10f64.powf(max.log10().ceil()))
    } else {
        (0.0, if max > 0.0 { max * 1.05 } else { 1.0 })
    };
    let h = 240.0;
    let x = |v: f64| PLOT_LEFT + v / right * (PLOT_RIGHT - PLOT_LEFT);
    let share = |v: f64| if log { (v.max(low) / low).log10() / (high / low).log10() } else { (v - low) / (high - low) };
    let y = |v: f64| h - 28.0 - share(v) * (h - 28.0 - 2.0 * PAD);
    let label = format!("Percentile curve of the response time, n = {n}");
    let drawing = svg("percentile curve", &label, (WIDTH, h), |c| {
        c.text("Percentile curve", (0.0, PAD + 4.0), 12.0, Anchor::Left, colour::TEXT, 130.0)?;
        c.text("response time", (0.0, PAD + 20.0), 11.0, Anchor::Left, colour::LABEL, 130.0)?;
        if log {
            c.text("log scale", (0.0, PAD + 36.0), 11.0, Anchor::Left, colour::LABEL, 130.0)?;
        }
        let ticks: Vec<f64> = if log {
            std::iter::successors(Some(low), |v| Some(v * 10.0)).take_while(|v| *v <= high * 1.001).take(9).collect()
        } else {
            let step = nice(high, Unit::Seconds);
            (0..6).map(|i| f64::from(i) * step).take_while(|v| *v <= high).collect()
        };
        for v in ticks {
            c.line(&[(PLOT_LEFT, y(v)), (PLOT_RIGHT, y(v))], colour::GRID, 1.0)?;
            let text = tick(v / 1e3, Unit::Seconds);
            c.text(&text, (PLOT_LEFT - 6.0, y(v)), 11.0, Anchor::Right, colour::LABEL, 70.0)?;
        }
        for (q, name) in [
            (0.0, "0"),
            (0.5, "p50"),
            (0.9, "p90"),
            (0.99, "p99"),
            (0.999, "p99.9"),
            (0.9999, "p99.99"),
            (0.99999, "p99.999"),
        ] {
            let v = (1.0_f64 / (1.0 - q)).log10();
            if v <= right + 1e-9 {
                c.line(&[(x(v), PAD), (x(v), h - 24.0)], colour::GRID, 1.0)?;
                c.text(name, (x(v), h - 14.0), 11.0, Anchor::Middle, colour::LABEL, 60.0)?;
            }
        }
        if enough < right {
            let from = x(enough.max(0.0));
            c.hatch((from, PAD), (PLOT_RIGHT, h - 28.0))?;
            let room = PLOT_RIGHT - from - 8.0;
            if room > 70.0 {
                c.text("n too small", (from + 6.0, PAD + 8.0), 11.0, Anchor::Left, colour::LABEL, room)?;
            }
        }
        // Quantiles with too few samples are drawn lighter, so that nobody reads them off.
        let (sure, rest): (Vec<_>, Vec<_>) = points.iter().partition(|p| p.0 <= enough);
        let place = |p: &(f64, f64)| (x(p.0), y(p.1));
        let mut tail: Vec<(f64, f64)> = rest.iter().map(place).collect();
        if let Some(p) = sure.last() {
            tail.insert(0, place(p));
        }
        if tail.len() > 1 {
            c.line(&tail, colour::Q50, 1.25)?;
        }
        c.line(&sure.iter().map(place).collect::<Vec<_>>(), colour::Q99, 1.75)?;
        let mut row = PAD + 4.0;
        for (name, key) in [("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999")] {
            let known = percentile(run.latency(), key);
            c.text(name, (PLOT_RIGHT + 12.0, row), 11.0, Anchor::Left, colour::TEXT, 60.0)?;
            let ink = if known.is_some() { colour::TEXT } else { colour::LABEL };
            let text = known.map_or_else(|| "n too small".to_owned(), ms);
            c.text(&text, (WIDTH, row), 11.0, Anchor::Right, ink, 130.0)?;
            row += 15.0;
        }
        c.text(&format!("n = {}", count(n)), (PLOT_RIGHT + 12.0, row), 11.0, Anchor::Left, colour::LABEL, 190.0)
    })?;
    Ok(Some(drawing))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let line = Line { label: "x".into(), colour: colour::INK, points, bars: false };
        let spans = gaps(&[line], Time { from: 0.0, to: 20e3 });
        assert_eq!(spans, [(4e3, 20e3)], "a silence longer than the usual step is hatched");
    }

    #[test]
    fn axes_have_few_round_labels() {
        for max in [0.001, 0.7, 3.0, 42.0, 999.0, 123_456.0] {
            let line = Line {
                label: "x".into(),
                colour: colour::INK,
                points: vec![(0.0, Some(0.0)), (1.0, Some(max))],
                bars: false,
            };
            let scale = Scale::new(&[line], Unit::PerSecond, None);
            assert!((2..=5).contains(&scale.ticks.len()), "{max}: 2 to 5 labels, got {:?}", scale.ticks);
            assert!(scale.high >= max, "{max}: the largest value is inside");
        }
        let high = Line {
            label: "x".into(),
            colour: colour::INK,
            points: vec![(0.0, Some(0.91)), (1.0, Some(0.99))],
            bars: false,
        };
        assert!(Scale::new(&[high], Unit::Ratio, None).low > 0.0, "a high ratio does not start at 0");
    }

    #[test]
    fn one_axis_for_all_lanes() {
        let time = Time { from: 0.0, to: 10e3 };
        assert_eq!((time.x(0.0), time.x(10e3)), (PLOT_LEFT, PLOT_RIGHT), "the run spans the plot");
        assert!(time.ticks().len() <= 9, "labels do not crowd");
    }
}
