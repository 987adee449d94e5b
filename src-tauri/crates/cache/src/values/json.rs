//! JSON over several lines, token by token: numbers, escapes and repeated names keep their text.

/// Deepest nesting that is read.
const DEPTH: usize = 64;

/// The same tokens with line breaks and indentation; nothing of what is no JSON.
pub(super) fn spread(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut within, mut escaped) = (0_usize, false, false);
    let mut tokens = text.char_indices().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some((at, c)) = tokens.next() {
        if within {
            out.push(c);
            within = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                within = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                let rest = text[at + 1..].trim_start();
                if rest.starts_with(['}', ']']) {
                    while tokens.peek().is_some_and(|(_, c)| c.is_ascii_whitespace()) {
                        tokens.next();
                    }
                    out.extend(tokens.next().map(|(_, c)| c));
                } else {
                    depth += 1;
                    if depth > DEPTH {
                        return None;
                    }
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn tokens_keep_their_text() {
        let text = r#" {"a":1.90e1,"b":[ ],"c":{"d":"x\"\\,{y"},"a":9007199254740993,"e":[true,null]} "#;
        let right = "{\n  \"a\": 1.90e1,\n  \"b\": [],\n  \"c\": {\n    \"d\": \"x\\\"\\\\,{y\"\n  },\n  \"a\": 9007199254740993,\n  \
                     \"e\": [\n    true,\n    null\n  ]\n}";
        assert_eq!(spread(text).as_deref(), Some(right), "every token as it was");
        assert_eq!(spread("{\"a\":01}"), None, "no JSON");
        assert_eq!(spread(&"[".repeat(100_000)), None, "nested without end");
    }
}
