//! What only a report does with figures: settings, and spaces that do not break.
use perfdeck_words::THIN;

/// Seconds of a setting: `10 s`, `0.5 s`.
pub(crate) fn setting_s(x: f64) -> String {
    format!("{x}{THIN}s")
}

/// The page with its thin spaces as narrow ones at which no line breaks: a figure stays with its unit.
pub(crate) fn unbroken(page: &str) -> String {
    page.replace(THIN, "\u{202f}")
}
