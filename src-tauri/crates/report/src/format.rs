//! What only a report does with figures: labels of axes, settings, and spaces that do not break.
use perfdeck_model::Unit;
use perfdeck_words::{THIN, format};

/// A value for an axis, where zeros after the point say nothing.
pub(crate) fn tick(x: f64, unit: Unit) -> String {
    let text = format(Some(x), unit);
    let Some((whole, rest)) = text.split_once('.') else { return text };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (places, unit) = rest.split_at(end);
    let places = places.trim_end_matches('0');
    format!("{whole}{}{places}{unit}", if places.is_empty() { "" } else { "." })
}

/// Seconds of a setting: `10 s`, `0.5 s`.
pub(crate) fn setting_s(x: f64) -> String {
    format!("{x}{THIN}s")
}

/// The page with its thin spaces as narrow ones at which no line breaks: a figure stays with its unit.
pub(crate) fn unbroken(page: &str) -> String {
    page.replace(THIN, "\u{202f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_labels_have_no_idle_zeros() {
        assert_eq!(tick(0.5, Unit::Ratio), "50\u{2009}%", "zeros after the point go");
        assert_eq!(tick(0.125, Unit::Seconds), "125\u{2009}ms", "whole ones stay");
        assert_eq!(tick(1_500.0, Unit::PerSecond), "1\u{2009}500/s", "and so do thousands");
        assert_eq!(tick(0.5, Unit::PerSecond), "0.5/s", "digits that count stay");
        assert_eq!(tick(12_400.0, Unit::PerSecond), "12.4\u{2009}k/s", "with their unit");
        assert_eq!(tick(100.0, Unit::Count), "100", "a count without one");
    }
}
