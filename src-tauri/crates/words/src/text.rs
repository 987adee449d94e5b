//! Text for a place that must not be driven by it: marks written out, and figures in plain ASCII.
use crate::figures::{DASH, MINUS, THIN};

/// Brackets around a character that is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brackets {
    /// `⟨U+202E⟩`, which no markup reads as its own.
    Angle,
    /// `<U+202E>`, for terminals.
    Ascii,
}

/// Text in which control characters, and those that reorder or hide text, are written out.
pub fn visible(text: &str, brackets: Brackets) -> String {
    let (open, close) = match brackets {
        Brackets::Angle => ('⟨', '⟩'),
        Brackets::Ascii => ('<', '>'),
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_hidden(c) {
            out.push_str(&format!("{open}U+{:04X}{close}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character shows nothing itself and changes how others are read: marks of direction, joiners of words, fillers, tags.
/// Those that belong to how a word is written (U+200C, U+200D, variation selectors) are not among them.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Figures for a terminal and for scripts: no spaces between thousands, plain ones before units, `-` for the minus and for
/// what is missing.
pub fn ascii(figures: &str) -> String {
    let mut out = String::with_capacity(figures.len());
    let mut before = ' ';
    let mut rest = figures.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            THIN if before.is_ascii_digit() && rest.peek().is_some_and(char::is_ascii_digit) => {}
            THIN => out.push(' '),
            MINUS => out.push('-'),
            c if DASH.contains(c) => out.push('-'),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Thin spaces as plain ones, where each character has the same width.
pub fn plain_spaces(text: &str) -> String {
    text.replace(THIN, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_written_out() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\r\u{200b}\u{2029}\u{2066}é";
        assert_eq!(
            visible(hostile, Brackets::Ascii),
            "a<U+001B>[2Jb<U+202E>c<U+000D><U+200B><U+2029><U+2066>é",
            "escapes, overrides and what hides are spelled out, letters stay"
        );
        assert_eq!(
            visible("a\u{ad}\u{3164}\u{e0041}", Brackets::Ascii),
            "a<U+00AD><U+3164><U+E0041>",
            "fillers and tags"
        );
        assert_eq!(visible("\u{202e}\0", Brackets::Angle), "⟨U+202E⟩⟨U+0000⟩", "in a page with brackets of no markup");
    }

    #[test]
    fn everything_that_hides_or_reorders_is_written_out() {
        let marks = ['\u{061c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];
        for c in
            marks.into_iter().chain('\u{2028}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain('\u{7f}'..='\u{9f}')
        {
            let text = visible(&c.to_string(), Brackets::Ascii);
            assert_eq!(text, format!("<U+{:04X}>", u32::from(c)), "it cannot act on what is around it");
        }
    }

    #[test]
    fn a_terminal_has_plain_figures() {
        assert_eq!(ascii("12\u{2009}400\u{2009}k"), "12400 k", "thousands join, units keep a space");
        assert_eq!(
            ascii("\u{2212}1\u{2009}234\u{2009}567\u{2009}ms"),
            "-1234567 ms",
            "the minus is one that scripts read"
        );
        assert_eq!(ascii("3\u{2009}min 38\u{2009}s"), "3 min 38 s", "a unit ends a figure");
        assert_eq!(ascii(DASH), "-", "what is missing is a dash");
        assert_eq!(plain_spaces("1\u{2009}234\u{2009}ms"), "1 234 ms", "in a sentence groups stay apart");
    }
}
