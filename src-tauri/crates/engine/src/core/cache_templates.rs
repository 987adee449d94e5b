//! Templates of an environment: patterns of its cache's keys, such as `user:{id}:*`, with a place for what is invalidated.
//!
//! A template is a pattern of the server's in which `{id}` stands for a value. The value is escaped, so that whatever its characters
//! mean in a pattern it means itself. Other words in braces are refused rather than taken for text; braces that are text are written `\{`.
use std::collections::BTreeMap;

use perfdeck_cache::values::escaped;
use perfdeck_model::{ApiError, masking};

/// Most templates of an environment.
const MOST: usize = 100;
/// Longest pattern and longest value, in bytes.
const LONGEST: usize = 1_024;

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// The parts of a template. Braces around anything but a word are text, as those of a cluster's hash tag are.
fn parts(pattern: &str) -> Vec<Part<'_>> {
    let (mut all, mut from, mut at) = (Vec::new(), 0, 0);
    let bytes = pattern.as_bytes();
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            at += 2;
            continue;
        }
        if bytes[at] == b'{' {
            let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            let length = bytes[at + 1..].iter().take_while(|b| word(b)).count();
            if length > 0 && bytes.get(at + 1 + length) == Some(&b'}') {
                all.push(Part::Text(&pattern[from..at]));
                all.push(Part::Placeholder(&pattern[at + 1..at + 1 + length]));
                at += length + 2;
                from = at;
                continue;
            }
        }
        at += 1;
    }
    all.push(Part::Text(&pattern[from..]));
    all
}

/// Checks the templates of an environment.
///
/// # Errors
/// For a name or a pattern that is none; the message begins with the field.
pub(crate) fn check(templates: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let refuse = |text: String, hint: &str| Err(ApiError::bad_request(format!("cache_templates: {text}")).hint(hint));
    if templates.len() > MOST {
        return refuse(format!("There are more than {MOST} templates"), "Leave some out");
    }
    for (name, pattern) in templates {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            return refuse(
                "The name of a template is 1 to 64 letters, digits, '-', '_' and '.'".to_owned(),
                "For example user",
            );
        }
        if pattern.is_empty() || pattern.len() > LONGEST || pattern.chars().any(char::is_control) {
            return refuse(
                format!("The pattern of '{name}' is empty, longer than 1,024 bytes, or has control characters"),
                "For example user:{id}:*",
            );
        }
        let parts = parts(pattern);
        let unknown = parts.iter().find_map(|part| match part {
            Part::Placeholder(word) if *word != "id" => Some(*word),
            _ => None,
        });
        if let Some(word) = unknown {
            return refuse(
                format!("The pattern of '{name}' has the placeholder {{{word}}}, and only {{id}} is known"),
                "Braces that are a part of keys are written \\{ and \\}",
            );
        }
        if !parts.iter().any(|part| matches!(part, Part::Placeholder(_))) {
            return refuse(
                format!("The pattern of '{name}' has no {{id}}: it would match the same keys whatever is asked for"),
                "For example user:{id}:*",
            );
        }
    }
    Ok(())
}

/// The pattern of a template for a value.
///
/// # Errors
/// When there is no such template, or no value.
pub(crate) fn filled(templates: &BTreeMap<String, String>, name: &str, value: &str) -> Result<String, ApiError> {
    let Some(pattern) = templates.get(name) else {
        let known: Vec<&str> = templates.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "The environment has no templates: Templates of keys in its form, or perfctl env add … --cache-template user=user:{id}:*"
                .to_owned()
        } else {
            format!("It has {}", known.join(", "))
        };
        return Err(
            ApiError::bad_request(format!("The environment has no template '{}'", masking::shown(name))).hint(hint)
        );
    };
    if value.is_empty() || value.len() > LONGEST {
        return Err(ApiError::bad_request("What is invalidated is empty, or longer than 1,024 bytes")
            .hint("Give an identifier, such as 42"));
    }
    // Escaping puts backslashes before ASCII characters only, so that text stays text.
    let value = String::from_utf8_lossy(&escaped(value.as_bytes())).into_owned();
    let filled = parts(pattern).into_iter().map(|part| match part {
        Part::Text(text) => text,
        Part::Placeholder(_) => value.as_str(),
    });
    Ok(filled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(pattern: &str) -> BTreeMap<String, String> {
        [("user".to_owned(), pattern.to_owned())].into()
    }

    #[test]
    fn a_value_means_itself_and_unknown_placeholders_are_refused_by_name() {
        for (pattern, value, right) in [
            ("user:{id}:*", "42", "user:42:*"),
            ("{user:{id}}:*", "42", "{user:42}:*"),
            ("{id}", "a*b[c]?\\", "a\\*b\\[c\\]\\?\\\\"),
            ("\\{x\\}:{id}:{id}", "é", "\\{x\\}:é:é"),
            ("u:{id}", "{id}", "u:{id}"),
        ] {
            check(&one(pattern)).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(filled(&one(pattern), "user", value).expect(pattern), right, "{pattern} of {value}");
        }
        for (pattern, word) in [
            ("user:{user_id}:*", "{user_id}"),
            ("user:{id}:{Kind}", "{Kind}"),
            ("user:*", "no {id}"),
            ("user:\\{id\\}:*", "no {id}"),
            ("", "empty"),
        ] {
            let error = check(&one(pattern)).expect_err(pattern);
            assert!(error.message.starts_with("cache_templates: ") && error.message.contains(word), "{error}");
        }
        assert!(check(&[("a b".to_owned(), "{id}".to_owned())].into()).is_err(), "no name");
        let error = filled(&one("{id}"), "tag", "x").expect_err("unknown");
        assert!(
            error.message.contains("'tag'") && error.hint.is_some_and(|h| h.contains("user")),
            "the known are named"
        );
        assert!(filled(&one("{id}"), "user", "").is_err(), "nothing");
    }
}
