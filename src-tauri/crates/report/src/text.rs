//! Text from outside: made visible, made harmless, kept short.
use perfdeck_words::Brackets;

/// Longest text shown in a table cell or heading, in characters.
const LONGEST: usize = 400;
/// Most lines of a text that has several.
const MOST_LINES: usize = 300;

/// Control characters, and those that reorder or hide text, are written out as `⟨U+202E⟩`; text is one line, and cut when
/// long.
pub(crate) fn visible(text: &str) -> String {
    shortened(text, LONGEST)
}

fn shortened(text: &str, longest: usize) -> String {
    let cut = text.char_indices().nth(longest).map(|(end, _)| &text[..end]);
    let line = cut.unwrap_or(text).replace(['\n', '\t'], " ");
    let mut out = perfdeck_words::visible(&line, Brackets::Angle);
    if cut.is_some() {
        out.push('…');
    }
    out
}

/// Safe between tags and inside quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    inert(&visible(text))
}

/// A sentence, which may be longer than what stands in a table.
pub(crate) fn sentence(text: &str) -> String {
    inert(&shortened(text, 4 * LONGEST))
}

/// Text of several lines, each made visible; long ones are cut after [`MOST_LINES`] lines, and it says so.
pub(crate) fn block(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(MOST_LINES).map(|line| inert(&shortened(line, 4 * LONGEST))).collect();
    let more = text.lines().count().saturating_sub(MOST_LINES);
    let rest = if more == 0 { String::new() } else { format!("\n… {more} more lines are in the data of this file") };
    format!("{}{rest}", lines.join("\n"))
}

fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
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
    fn a_text_of_lines_keeps_them() {
        assert_eq!(block("a = \"<1>\"\n\n[b]\u{202e}"), "a = &quot;&lt;1&gt;&quot;\n\n[b]⟨U+202E⟩", "line by line");
        let long = "x\n".repeat(MOST_LINES + 7);
        assert!(block(&long).ends_with("… 7 more lines are in the data of this file"), "and says what it leaves out");
    }

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
