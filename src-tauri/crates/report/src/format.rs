//! What only a report does with figures: spaces that do not break.
use perfdeck_words::THIN;

/// The page with its thin spaces as narrow ones at which no line breaks: a figure stays with its unit.
pub(crate) fn unbroken(page: &str) -> String {
    page.replace(THIN, "\u{202f}")
}
