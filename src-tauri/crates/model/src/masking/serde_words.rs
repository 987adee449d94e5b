//! Reasons why a document could not be read, without a word of it: serde's messages quote values.

/// `Expected` words of a type, as serde writes them.
fn expected(text: &str) -> &str {
    text.rsplit_once(", expected ").map_or("", |(_, e)| e)
}

/// Whether two words are one slip apart: a letter more, less or other, or two that changed places.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    let Some(at) = (0..long.len()).find(|i| short.get(*i) != Some(&long[*i])) else { return true };
    if short.len() < long.len() {
        return short[at..] == long[at + 1..];
    }
    let swapped = at + 1 < a.len() && a[at] == b[at + 1] && a[at + 1] == b[at] && a[at + 2..] == b[at + 2..];
    swapped || a[at + 1..] == b[at + 1..]
}

/// The key of an unknown field that is a slip for one that is known, with that one: then it is no secret.
fn slip<'a>(line: &'a str, known: &'a str) -> Option<(&'a str, &'a str)> {
    let given = line.strip_prefix("unknown field `")?.split('`').next().filter(|g| g.len() > 2)?;
    known.split('`').skip(1).step_by(2).find(|name| one_slip(given, name)).map(|name| (given, name))
}

/// Message of a reader (serde, serde_json, toml), without any text of the document: which kind of value was found and
/// which is expected. Names of fields and variants are those of the program.
pub fn reading_failed(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    // serde_json adds the place; it is harmless and wanted.
    let (line, place) = match line.rsplit_once(" at line ") {
        Some((before, at)) if at.chars().all(|c| c.is_ascii_digit() || " column".contains(c)) => {
            (before, format!(" at line {at}"))
        }
        _ => (line, String::new()),
    };
    let what = if let Some(rest) = line.strip_prefix("missing field `") {
        format!("the field '{}' is missing", rest.trim_end_matches('`'))
    } else if line.starts_with("unknown field `") {
        let known = expected(line);
        // toml and serde write `one of` before more than two.
        let known = known.trim_start_matches("one of ");
        match slip(line, known) {
            Some((given, name)) => format!("the field '{given}' is not known (did you mean '{name}'?)"),
            None if known.is_empty() => "a field is not known".to_owned(),
            None => format!("a field is not known; there are {known}"),
        }
    } else if line.starts_with("unknown variant `") {
        format!("it is none of {}", expected(line).trim_start_matches("one of "))
    } else if let Some(rest) = line.strip_prefix("duplicate field `") {
        format!("the field '{}' is there twice", rest.trim_end_matches('`'))
    } else if let Some(rest) = line.strip_prefix("invalid type: ").or_else(|| line.strip_prefix("invalid value: ")) {
        // What follows the kind is the value itself: `string "…"`, `integer `7``, `floating point `1.5``.
        let kind: Vec<&str> = rest.split([' ', '`', '"', ',']).filter(|w| !w.is_empty()).take(2).collect();
        let kind = match kind.as_slice() {
            ["floating", "point"] | ["floating", ..] => "a number",
            ["string" | "str" | "character", ..] => "a text",
            ["integer", ..] => "a number",
            ["boolean", ..] => "true or false",
            ["map", ..] => "an object",
            ["sequence", ..] => "a list",
            ["null" | "unit" | "Option", ..] => "null",
            _ => "something else",
        };
        format!("{kind} where {} is expected", expected(line))
    } else if let Some(rest) = line.strip_prefix("invalid length ") {
        format!(
            "a list of another length where {} is expected",
            rest.rsplit_once("expected ").map_or("one", |(_, e)| e)
        )
    } else if line.starts_with("data did not match any variant") {
        "it has none of the forms that are known".to_owned()
    } else if [
        "EOF while parsing",
        "expected value",
        "expected `",
        "key must be a string",
        "trailing comma",
        "trailing characters",
        "control character",
        "invalid escape",
        "invalid number",
        "invalid unicode code point",
        "lone leading surrogate",
        "recursion limit exceeded",
        "number out of range",
    ]
    .iter()
    .any(|known| line.starts_with(known))
    {
        line.to_owned()
    } else {
        "it cannot be read".to_owned()
    };
    format!("{what}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read from text")]
    struct Thing {
        count: u32,
        kind: Option<Which>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Which {
        One,
        Two,
    }

    #[test]
    fn no_word_of_the_document_is_repeated() {
        for (text, want) in [
            (r#"{"count":"SECRET"}"#, "a text where u32 is expected at line 1 column 17"),
            (r#"{"SECRET":1}"#, "a field is not known; there are `count` or `kind` at line 1 column 9"),
            (r#"{"cuont":1}"#, "the field 'cuont' is not known (did you mean 'count'?) at line 1 column 8"),
            (r#"{"kinds":1}"#, "the field 'kinds' is not known (did you mean 'kind'?) at line 1 column 8"),
            (r#"{"coumt":1}"#, "the field 'coumt' is not known (did you mean 'count'?) at line 1 column 8"),
            (r#"{"kind":"one"}"#, "the field 'count' is missing at line 1 column 14"),
            (r#"{"count":1,"kind":"SECRET"}"#, "it is none of `one` or `two` at line 1 column 26"),
            (r#"{"count":-4111111111111111}"#, "a number where u32 is expected at line 1 column 26"),
            (r#"{"count":1.5}"#, "a number where u32 is expected at line 1 column 12"),
            (r#"{"count":{"a":"SECRET"}}"#, "an object where u32 is expected at line 1 column 9"),
            ("SECRET", "expected value at line 1 column 1"),
            (r#"{"count":1}SECRET"#, "trailing characters at line 1 column 12"),
        ] {
            let error = serde_json::from_str::<Thing>(text).expect_err(text).to_string();
            let words = reading_failed(&error);
            assert!(!words.contains("SECRET") && !words.contains("4111"), "{words}");
            assert_eq!(words, want, "of {error}");
        }
        assert_eq!(reading_failed("SECRET is wrong"), "it cannot be read", "own words of a type may quote");
    }
}
