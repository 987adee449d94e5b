//! Drawing primitives over plotters' SVG backend. Coordinates are CSS pixels with a resolution of a quarter pixel.
//!
//! Text is measured with the bundled font, so the same document draws the same chart on every machine.
use std::sync::OnceLock;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font};

use crate::Error;
use crate::text::{escape, visible};

/// Drawn units per CSS pixel.
const SCALE: f64 = 4.0;
/// Font family as written into the SVG; the first name is the bundled font's.
const FAMILY: &str = "Inter, system-ui, sans-serif";
static FONT: &[u8] = include_bytes!("../assets/Inter-Regular.otf");

/// Colours of the light theme; the dark theme restyles them by attribute in the style sheet.
pub(crate) mod colour {
    use plotters::style::RGBColor;
    pub(crate) const TEXT: RGBColor = RGBColor(0x1d, 0x1c, 0x18);
    pub(crate) const LABEL: RGBColor = RGBColor(0x62, 0x60, 0x5a);
    pub(crate) const GRID: RGBColor = RGBColor(0xe9, 0xe8, 0xe3);
    pub(crate) const RULE: RGBColor = RGBColor(0xb9, 0xb7, 0xb0);
    pub(crate) const GAP: RGBColor = RGBColor(0xdc, 0xdb, 0xd5);
    pub(crate) const INK: RGBColor = RGBColor(0x3d, 0x52, 0x66);
    pub(crate) const BAD: RGBColor = RGBColor(0xb3, 0x26, 0x1e);
    pub(crate) const Q50: RGBColor = RGBColor(0x6d, 0x94, 0xbf);
    pub(crate) const Q90: RGBColor = RGBColor(0x2c, 0x5f, 0x9e);
    pub(crate) const Q99: RGBColor = RGBColor(0x0c, 0x2b, 0x50);
    pub(crate) const SERIES: [RGBColor; 6] = [
        RGBColor(0x2c, 0x5f, 0x9e),
        RGBColor(0xa3, 0x55, 0x2b),
        RGBColor(0x1f, 0x95, 0x8f),
        RGBColor(0x7c, 0x2f, 0x4b),
        RGBColor(0x9f, 0x8a, 0x1c),
        RGBColor(0x43, 0x20, 0x7a),
    ];
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// One drawing.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    name: &'a str,
}

#[allow(clippy::cast_possible_truncation)]
fn px(v: f64) -> i32 {
    (v * SCALE).round().clamp(-1e8, 1e8) as i32
}

fn point(p: (f64, f64)) -> (i32, i32) {
    (px(p.0), px(p.1))
}

fn stroke(colour: RGBColor, width: f64) -> ShapeStyle {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: (width * SCALE).round().max(1.0) as u32 }
}

fn font() -> Result<(), Error> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let ok = REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok());
    if *ok { Ok(()) } else { Err(Error::Font) }
}

/// Draws with `f` on a canvas of `width` by `height` CSS pixels and answers the `<svg>` element.
pub(crate) fn svg(
    name: &str,
    label: &str,
    (width, height): (f64, f64),
    f: impl FnOnce(&Canvas<'_>) -> Result<(), Error>,
) -> Result<String, Error> {
    font()?;
    let mut out = String::new();
    #[allow(clippy::cast_sign_loss)]
    let size = (px(width) as u32, px(height) as u32);
    {
        let canvas = Canvas { area: SVGBackend::with_string(&mut out, size).into_drawing_area(), name };
        f(&canvas)?;
        canvas.area.present().map_err(|e| canvas.error(&e))?;
    }
    // The head is replaced so that the picture scales with the page and has a name for a screen reader.
    let body = out.split_once('>').map_or("", |(_, body)| body);
    Ok(format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" xmlns=\"http://www.w3.org/2000/svg\">{body}",
        escape(label),
        size.0,
        size.1
    ))
}

impl Canvas<'_> {
    fn error(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::Chart { chart: self.name.to_owned(), reason: reason.to_string() }
    }

    /// A line through `points`; a single point becomes a short mark so that it is not lost.
    pub(crate) fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), Error> {
        match points {
            [] => Ok(()),
            [one] => {
                #[allow(clippy::cast_possible_truncation)]
                let dot = Circle::new(point(*one), (1.5 * SCALE) as i32, colour.filled());
                self.area.draw(&dot).map_err(|e| self.error(&e))
            }
            many => {
                let path: Vec<_> = many.iter().copied().map(point).collect();
                self.area.draw(&PathElement::new(path, stroke(colour, width))).map_err(|e| self.error(&e))
            }
        }
    }

    /// The area between `points` and the horizontal `base`.
    pub(crate) fn fill(&self, points: &[(f64, f64)], base: f64, colour: RGBColor, opacity: f64) -> Result<(), Error> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
        let mut path: Vec<_> = points.iter().copied().map(point).collect();
        path.push(point((last.0, base)));
        path.push(point((first.0, base)));
        self.area.draw(&Polygon::new(path, colour.mix(opacity).filled())).map_err(|e| self.error(&e))
    }

    /// A filled rectangle.
    pub(crate) fn rect(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), Error> {
        self.area.draw(&Rectangle::new([point(from), point(to)], colour.filled())).map_err(|e| self.error(&e))
    }

    /// A dashed line, `on` and `off` in pixels.
    pub(crate) fn dashed(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        (on, off): (f64, f64),
        colour: RGBColor,
    ) -> Result<(), Error> {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        if length <= 0.0 {
            return Ok(());
        }
        let at = |d: f64| (from.0 + (to.0 - from.0) * d / length, from.1 + (to.1 - from.1) * d / length);
        let mut d = 0.0;
        while d < length {
            self.line(&[at(d), at((d + on).min(length))], colour, 1.0)?;
            d += on + off;
        }
        Ok(())
    }

    /// Diagonal hatch inside a rectangle: a gap, or too few samples.
    pub(crate) fn hatch(&self, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> Result<(), Error> {
        if x1 <= x0 || y1 <= y0 {
            return Ok(());
        }
        let h = y1 - y0;
        let mut s = x0 - h + 2.0;
        while s < x1 {
            // From (s, y1) up to (s + h, y0), clipped to the rectangle's sides.
            let (from, to) = (s.max(x0), (s + h).min(x1));
            if to > from {
                self.line(&[(from, y1 - (from - s)), (to, y1 - (to - s))], colour::GAP, 1.0)?;
            }
            s += 6.0;
        }
        Ok(())
    }

    /// Text of `size` CSS pixels, vertically centred on the point, cut to `room` pixels.
    pub(crate) fn text(
        &self,
        text: &str,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: RGBColor,
        room: f64,
    ) -> Result<(), Error> {
        let h = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        // plotters writes font-size / 1.24 into the SVG.
        let style: TextStyle<'_> =
            TextStyle::from((FAMILY, size * SCALE * 1.24).into_font()).color(&colour).pos(Pos::new(h, VPos::Center));
        let text = self.cut(&visible(text), size, room);
        self.area.draw(&Text::new(text, point(at), style)).map_err(|e| self.error(&e))
    }

    /// The text, its end replaced by an ellipsis where it is wider than `room` pixels.
    fn cut(&self, text: &str, size: f64, room: f64) -> String {
        let font = (FAMILY, size * SCALE).into_font();
        let fits = |t: &str| font.box_size(t).is_ok_and(|(w, _)| f64::from(w) <= room * SCALE);
        if fits(text) {
            return text.to_owned();
        }
        let mut chars: Vec<char> = text.chars().take(200).collect();
        while chars.len() > 1 {
            chars.pop();
            let short: String = chars.iter().collect::<String>() + "…";
            if fits(&short) {
                return short;
            }
        }
        "…".to_owned()
    }
}
