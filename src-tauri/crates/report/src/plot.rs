//! A drawing that is as wide as its place and as high as it says: what has words stands beside it as text, so that it is
//! read at any width. Strokes keep their width however far it is stretched.
use std::fmt::Write as _;

use crate::text::escape;

/// Units across a drawing; they are stretched to its place.
const ACROSS: f64 = 1_000.0;

/// One drawing. Places are shares of the width, from 0 to 1, and pixels of the height.
pub(crate) struct Plot {
    height: f64,
    body: String,
}

/// A number with at most one digit after its point.
fn short(v: f64) -> String {
    let v = (v.clamp(-1e6, 1e6) * 10.0).round() / 10.0;
    // A minus before nothing says nothing.
    format!("{}", if v == 0.0 { 0.0 } else { v })
}

fn x(share: f64) -> String {
    short(share * ACROSS)
}

impl Plot {
    pub(crate) fn new(height: f64) -> Self {
        Self { height, body: String::new() }
    }

    fn path(&mut self, class: &str, colour: &str, d: &str) {
        if !d.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" style=\"--k:var(--{colour})\" d=\"{d}\"/>");
        }
    }

    /// A line through `points`; a single one becomes a mark so that it is not lost.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: &str, class: &str) {
        let d = match points {
            [] => return,
            [one] => format!("M{} {}h0", x(one.0), short(one.1)),
            many => trace(many),
        };
        let class = if points.len() == 1 { "dot" } else { class };
        self.path(class, colour, &d);
    }

    /// The area between `points` and `below`, or the horizontal `foot`.
    pub(crate) fn area(&mut self, points: &[(f64, f64)], below: &[(f64, f64)], foot: f64, colour: &str, class: &str) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let mut d = trace(points);
        if below.is_empty() {
            let _ = write!(d, "L{} {}H{}z", x(last.0), short(foot), x(first.0));
        } else {
            let back: Vec<(f64, f64)> = below.iter().rev().copied().collect();
            let _ = write!(d, "L{}z", &trace(&back)[1..]);
        }
        self.path(class, colour, &d);
    }

    /// Filled boxes: left, top, right, bottom.
    pub(crate) fn boxes(&mut self, boxes: &[[f64; 4]], colour: &str) {
        let mut d = String::new();
        for [left, top, right, bottom] in boxes {
            let _ = write!(d, "M{} {}H{}V{}H{}z", x(*left), short(*top), x(*right), short(*bottom), x(*left));
        }
        self.path("box", colour, &d);
    }

    /// A band of the whole height or width.
    pub(crate) fn band(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.boxes(&[[from.0, from.1, to.0, to.1]], colour);
    }

    pub(crate) fn vertical(&mut self, share: f64, from: f64, to: f64, class: &str) {
        let d = format!("M{} {}V{}", x(share), short(from), short(to));
        self.path(class, colour_of(class), &d);
    }

    pub(crate) fn horizontal(&mut self, y: f64, class: &str) {
        let d = format!("M0 {}H{}", short(y), x(1.0));
        self.path(class, colour_of(class), &d);
    }

    /// A round mark; a hollow one has the sheet inside.
    pub(crate) fn dot(&mut self, at: (f64, f64), colour: &str, hollow: bool) {
        let d = format!("M{} {}h0", x(at.0), short(at.1));
        self.path("dot", colour, &d);
        if hollow {
            self.path("dot in", "sheet", &d);
        }
    }

    /// The `<svg>` element, named for a reader who does not see it.
    pub(crate) fn finish(&self, label: &str) -> String {
        format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {ACROSS} {h}\" height=\"{h}\" preserveAspectRatio=\"none\" xmlns=\"http://www.w3.org/2000/svg\">{}</svg>",
            escape(label),
            self.body,
            h = short(self.height),
        )
    }
}

/// Colour of a line that marks a place.
fn colour_of(class: &str) -> &'static str {
    match class {
        "threshold" => "threshold",
        "knee" | "bracket" => "text-3",
        "reference" => "text-3",
        _ => "grid-c",
    }
}

/// A path through points: `M` and lines, relative ones where they are shorter.
fn trace(points: &[(f64, f64)]) -> String {
    let mut d = String::with_capacity(points.len() * 8);
    let mut last = (String::new(), String::new());
    for (i, p) in points.iter().enumerate() {
        let at = (x(p.0), short(p.1));
        if at == last {
            continue;
        }
        let _ = write!(d, "{}{} {}", if i == 0 { 'M' } else { 'L' }, at.0, at.1);
        last = at;
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shares_of_the_width() {
        let mut plot = Plot::new(36.0);
        plot.line(&[(0.0, 6.0), (0.5, 35.04), (1.0, -0.01)], "q99", "line");
        let svg = plot.finish("p99 <of> a run");
        assert!(svg.contains("d=\"M0 6L500 35L1000 0\""), "{svg}");
        assert!(svg.contains("--k:var(--q99)") && svg.contains("aria-label=\"p99 &lt;of&gt; a run\""), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 1000 36\" height=\"36\""), "as high as it says: {svg}");
    }

    #[test]
    fn a_lone_sample_is_a_mark() {
        let mut plot = Plot::new(36.0);
        plot.line(&[(0.25, 6.0)], "ink", "line");
        assert!(plot.finish("x").contains("class=\"dot\" style=\"--k:var(--ink)\" d=\"M250 6h0\""), "and not lost");
    }
}
