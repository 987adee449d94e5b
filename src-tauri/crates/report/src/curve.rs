//! Percentile curves: time over log 1/(1−q), hatched where fewer than 100/(1−q) samples stand behind it.
use perfdeck_model::{LatencyMs, Percentile, Run};
use perfdeck_words::{count, ms, percentile};

use crate::axis::{AxisUnit, curve_end, curve_scale, curve_ticks, nines, reliable};
use crate::lane::{HATCH, axis_marks};
use crate::markup::push;
use crate::plot::Plot;

const HEIGHT: f64 = 220.0;

/// One curve and how it is drawn.
pub(crate) struct Curve<'a> {
    pub(crate) points: &'a [Percentile],
    pub(crate) colour: &'static str,
    pub(crate) class: &'static str,
    /// Percentiles that are marked on it, with their times.
    pub(crate) marked: Vec<(f64, f64)>,
    pub(crate) hollow: bool,
}

/// The points that can be drawn, ascending.
fn sound(points: &[Percentile], end: f64) -> Vec<(f64, f64)> {
    let mut found: Vec<(f64, f64)> = points
        .iter()
        .filter(|p| (0.0..1.0).contains(&p.q) && p.ms.is_finite() && p.ms > 0.0)
        .map(|p| (nines(p.q), p.ms))
        .filter(|p| p.0 <= end + 1e-9)
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let step = found.len().div_ceil(600).max(1);
    let last = found.len().saturating_sub(1);
    found.into_iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|(_, p)| p).collect()
}

/// The figure of one or two curves that `n` samples stand behind; `read` are the rows beside it. Nothing without a point.
pub(crate) fn figure(out: &mut String, title: &str, said: &str, n: u64, curves: &[Curve<'_>], read: &str) {
    let end = curve_end(n);
    let drawn: Vec<Vec<(f64, f64)>> = curves.iter().map(|c| sound(c.points, end)).collect();
    if drawn.iter().all(Vec::is_empty) {
        return;
    }
    let (scale, labels) = curve_scale(drawn.iter().flatten().map(|p| p.1));
    let y = |v: f64| HEIGHT - 1.0 - scale.position(v) * (HEIGHT - 7.0);
    let x = |nines: f64| (nines / end).min(1.0);
    let mut plot = Plot::new(HEIGHT);
    let ticks = curve_ticks(end);
    for (at, _) in &ticks {
        plot.vertical(x(*at), 0.0, HEIGHT, "grid");
    }
    for v in &labels {
        plot.horizontal(y(*v), "grid");
    }
    for (curve, points) in curves.iter().zip(&drawn) {
        let path: Vec<(f64, f64)> = points.iter().map(|p| (x(p.0), y(p.1))).collect();
        plot.line(&path, curve.colour, curve.class);
    }
    for curve in curves {
        for (q, ms) in &curve.marked {
            plot.dot((x(nines(*q)), y(*ms)), curve.colour, curve.hollow);
        }
    }
    push(
        out,
        format_args!(
            "<div class=\"lane tall\"><div class=\"who\"><b>{title}</b><span>log 1/(1−q)</span><span>log scale</span></div>"
        ),
    );
    push(out, format_args!("<div class=\"axis\" style=\"height:{HEIGHT}px\">"));
    let marks: Vec<(f64, String)> = labels.iter().map(|v| (y(*v), AxisUnit::Ms.label(*v, scale.max, true))).collect();
    axis_marks(out, &marks, HEIGHT);
    push(out, format_args!("</div><div class=\"plot\" style=\"height:{HEIGHT}px\">"));
    let sure = x(reliable(n));
    if sure < 1.0 {
        let word = if sure < 0.85 { "<em>n too small</em>" } else { "" };
        push(
            out,
            format_args!(
                "<i class=\"gap\" style=\"left:{:.2}%;width:{:.2}%\">{HATCH}{word}</i>",
                sure * 100.0,
                (1.0 - sure) * 100.0
            ),
        );
    }
    out.push_str(&plot.finish(said));
    x_labels(out, &ticks.iter().map(|(at, label)| (x(*at), (*label).to_owned())).collect::<Vec<_>>());
    push(out, format_args!("</div><div class=\"read\">{read}</div></div>\n"));
}

/// Labels under a plot, those that would touch the one before left out; the last one stays.
pub(crate) fn x_labels(out: &mut String, labels: &[(f64, String)]) {
    // The narrowest plot has about 300 pixels, a label takes up to 44.
    const ROOM: f64 = 0.15;
    let mut shown: Vec<&(f64, String)> = Vec::new();
    for label in labels {
        if shown.last().is_none_or(|last| label.0 - last.0 >= ROOM) {
            shown.push(label);
        }
    }
    if let Some(last) = labels.last()
        && shown.last().is_some_and(|s| s.0 < last.0)
    {
        if shown.len() > 1 {
            shown.pop();
        }
        shown.push(last);
    }
    for (at, text) in shown {
        let class = if *at < 0.02 {
            " class=\"x first\""
        } else if *at > 0.97 {
            " class=\"x last\""
        } else {
            " class=\"x\""
        };
        push(out, format_args!("<i{class} style=\"left:{:.2}%\">{text}</i>", at * 100.0));
    }
}

/// Percentiles with their times, as far as they can be stated.
pub(crate) fn rows(l: &LatencyMs) -> String {
    let mut out = String::new();
    for (name, key) in [("p50", "p50"), ("p90", "p90"), ("p95", "p95"), ("p99", "p99"), ("p99.9", "p999")] {
        match percentile(l, key) {
            Some(v) => push(&mut out, format_args!("<p><span>{name}</span><b>{}</b></p>", ms(v))),
            None => push(&mut out, format_args!("<p class=\"off\"><span>{name}</span><b>n too small</b></p>")),
        }
    }
    push(&mut out, format_args!("<p class=\"off\"><span>n</span><b>{}</b></p>", count(l.n)));
    out
}

/// The curve of a run.
pub(crate) fn of_run(out: &mut String, run: &Run) {
    let l = run.latency();
    let marked = [(0.5, "p50"), (0.99, "p99")].into_iter().filter_map(|(q, key)| Some((q, percentile(l, key)?)));
    let curve = Curve { points: &run.curve, colour: "ink", class: "line", marked: marked.collect(), hollow: false };
    let said = format!("Response time by percentile, n = {}", count(l.n));
    figure(out, "Response by percentile", &said, l.n, &[curve], &rows(l));
}
