//! Secrets of a JSON text, masked where they stand: every other byte stays as it was written, numbers, spaces, repeated
//! names and their order included.
use super::super::template::escape;
use super::Notes;
use super::secrets::{Masks, is_secret_name, is_secret_value};

/// An object or array that is open.
struct Level {
    object: bool,
    /// Name of what is in it: its own, or the secret one above it.
    name: String,
    /// The next text is a name.
    names: bool,
    /// Name of the next value of an object.
    next: String,
}

impl Level {
    fn new(object: bool, name: &str) -> Self {
        Self { object, name: name.to_owned(), names: object, next: name.to_owned() }
    }
}

/// The text as a template; `None` when it is no JSON.
pub(super) fn masked(text: &str, masks: &mut Masks, notes: &mut Notes) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at).copied() {
        let begin = at;
        at += 1;
        let name = levels.last().map_or("", |level| if level.object { &level.next } else { &level.name }).to_owned();
        match byte {
            b'{' | b'[' => levels.push(Level::new(byte == b'{', &name)),
            b'}' | b']' => drop(levels.pop()),
            b',' => {
                if let Some(level) = levels.last_mut() {
                    level.names = level.object;
                }
            }
            b'"' => {
                at = end_of_text(text, at);
                let token = text.get(begin..at)?;
                let value: String = serde_json::from_str(token).ok()?;
                match levels.last_mut().filter(|level| level.names) {
                    Some(level) => {
                        level.names = false;
                        // Everything below a secret's name is one.
                        let hidden = is_secret_name(&level.name) && !is_secret_name(&value);
                        level.next = if hidden { level.name.clone() } else { value };
                        out.push_str(&escape(token));
                    }
                    None => out.push_str(&string(&name, token, &value, masks, notes)),
                }
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let rest = text.as_bytes().get(at..).unwrap_or_default();
                at += rest.iter().take_while(|b| b.is_ascii_digit() || b".eE+-".contains(b)).count();
                let token = text.get(begin..at)?;
                if is_secret_name(&name) {
                    out.push_str(&masks.value(&name, token, "", notes));
                } else {
                    out.push_str(token);
                }
                continue;
            }
            _ => {}
        }
        out.push_str(text.get(begin..at)?);
    }
    Some(out)
}

/// Where a text ends whose first quote is before `at`.
fn end_of_text(text: &str, mut at: usize) -> usize {
    while let Some(byte) = text.as_bytes().get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte == b'"' {
            break;
        }
    }
    at
}

fn string(name: &str, token: &str, value: &str, masks: &mut Masks, notes: &mut Notes) -> String {
    if value.is_empty() {
        return escape(token);
    }
    if is_secret_name(name) || is_secret_value(value) {
        return format!("\"{}\"", masks.value(name, value, "|json", notes));
    }
    let raw = token.trim_matches('"');
    if !token.contains('\\') {
        // An address may carry secrets in its query.
        return format!("\"{}\"", masks.value(name, raw, "|json", notes));
    }
    let plain = Masks::default().value(name, value, "", &mut Notes::default());
    if plain == escape(value) {
        escape(token)
    } else {
        format!("\"{{{{env:{}|json}}}}\"", masks.env(name, value, notes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(text: &str) -> Option<String> {
        masked(text, &mut Masks::default(), &mut Notes::default())
    }

    #[test]
    fn only_secrets_change() {
        for same in [
            r#"{"b":12345678901234567890123,"a":1}"#,
            " [ 1.50 , -0, 1E+2, true ,null, \"\\u00e9\\/\", {}, [] ]\n",
            r#"{"a":1,"a":2,"":"x"}"#,
            "\"text\"",
        ] {
            assert_eq!(mask(same).as_deref(), Some(same), "every byte stays");
        }
        for (text, expected) in [
            (r#"{"user": "ann","password" : "p\"w"}"#, r#"{"user": "ann","password" : "{{env:PASSWORD|json}}"}"#),
            (r#"{"otp":123456,"n":7}"#, r#"{"otp":{{env:OTP}},"n":7}"#),
            (r#"{"secret":{"a":["x"]}}"#, r#"{"secret":{"a":["{{env:SECRET|json}}"]}}"#),
            (r#"{"x":"{{y}}"}"#, r#"{"x":"\{{y}}"}"#),
            (r#"["https://h/?api_key=k&a=1"]"#, r#"["https://h/?api_key={{env:API_KEY|url}}&a=1"]"#),
            (r#"{"u":"https:\/\/h\/?api_key=k"}"#, r#"{"u":"{{env:U|json}}"}"#),
        ] {
            assert_eq!(mask(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "{", "{a:1}", "[1,]", "x"] {
            assert_eq!(mask(text), None, "{text} is no JSON");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_masked_or_no_json(text in r#"[\[\]{}:,"\\ a-z0-9é\n.-]{0,40}"#) {
            let _ = mask(&text);
        }
    }
}
