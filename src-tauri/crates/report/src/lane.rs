//! One lane of a report: its name, axis, picture and figures, and the ruler and heatmap that lie on the same clock.
use perfdeck_model::Heatmap;
use perfdeck_words::DASH;

use crate::axis::{Domain, Time, domain};
use crate::plot::Plot;
use crate::samples::{Points, gaps, pieces};
use crate::text::isolated;
use crate::window::{Kind, LaneSeries, LaneSpec};
use crate::{heat, markup::push};

/// Room above the highest value, and below the lowest.
const TOP: f64 = 6.0;
const FOOT: f64 = 1.0;
/// Stripes over a place: nothing was measured there, or too little.
pub(crate) const HATCH: &str = "<svg class=\"hatch\" aria-hidden=\"true\"><rect width=\"100%\" height=\"100%\"/></svg>";

/// A lane with what is drawn in it.
pub(crate) struct Lane {
    pub(crate) spec: LaneSpec,
    /// One for each series of `spec`.
    pub(crate) lines: Vec<Points>,
    /// Series that are not drawn.
    pub(crate) more: usize,
    /// A value that is marked, such as the rate asked for.
    pub(crate) reference: Option<f64>,
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
    if let Some(value) = lane.reference {
        plot.horizontal(y(value), "reference");
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

pub(crate) fn lane_html(out: &mut String, lane: &Lane, time: Time) {
    let drawn = lane.drawn();
    let axis = lane.axis(&drawn);
    let spec = &lane.spec;
    let note = axis.note(spec.unit);
    let lines = 2.0 + f64::from(u8::from(note.is_some()));
    let rows = (lane.lines.len() + usize::from(lane.more > 0) + usize::from(lane.reference.is_some())) as f64;
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
                "<i class=\"gap\" style=\"left:{from:.2}%;width:{:.2}%\" title=\"no samples\">{HATCH}</i>",
                to - from
            ),
        );
    }
    out.push_str(&plot.finish(&said(lane, time)));
    out.push_str("</div><div class=\"read\">");
    // As they are drawn: the topmost first.
    for (series, points) in spec.series.iter().zip(&lane.lines).rev() {
        read_out(out, spec, series, points, time);
    }
    if let Some(value) = lane.reference {
        push(
            out,
            format_args!(
                "<p><i class=\"key dots\"></i><span>asked for</span><b>{}</b><em></em></p>",
                spec.unit.say(value)
            ),
        );
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

pub(crate) fn ruler(out: &mut String, time: Time) {
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

pub(crate) fn heat_html(out: &mut String, heat: Option<&Heatmap>, time: Time) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::window;

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
