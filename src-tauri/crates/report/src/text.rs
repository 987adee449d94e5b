//! Text from outside: made visible, made harmless, kept short.
use perfdeck_words::Brackets;

/// Longest text shown in a table cell or heading, in characters.
const LONGEST: usize = 400;

/// Control characters, and those that reorder or hide text, are written out as `⟨U+202E⟩`; text is one line, and cut when
/// long.
pub(crate) fn visible(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST).map(|(end, _)| &text[..end]);
    let line = cut.unwrap_or(text).replace(['\n', '\t'], " ");
    let mut out = perfdeck_words::visible(&line, Brackets::Angle);
    if cut.is_some() {
        out.push('…');
    }
    out
}

/// Safe between tags and inside quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text of unknown direction: escaped and isolated, so that right-to-left names do not reorder what is around them.
pub(crate) fn isolated(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// JSON that cannot end the `<script>` element it is embedded in.
pub(crate) fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 50);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escape("</script><img onerror=\"x\">'&"),
            "&lt;/script&gt;&lt;img onerror=&quot;x&quot;&gt;&#39;&amp;",
            "markup is inert"
        );
        assert_eq!(escape("a\u{202e}b"), "a⟨U+202E⟩b", "an override mark is shown instead of obeyed");
        assert_eq!(escape("a\0b\x1b[31m"), "a⟨U+0000⟩b⟨U+001B⟩[31m", "so are control characters");
        assert!(escape(&"x".repeat(10_000)).chars().count() <= LONGEST + 1, "long text is cut");
        assert_eq!(escape_json("\"</script>\u{2028}&\""), "\"\\u003c/script\\u003e\\u2028\\u0026\"", "JSON stays JSON");
    }
}
