//! The environment variables that take the place of an import's secrets.
use std::collections::HashMap;

use perfdeck_model::masking::may_hold_secrets as may_hold;
pub use perfdeck_model::masking::{is_secret_name, is_secret_value};

use super::super::template::escape;
use super::Notes;

/// Whether a text that cannot be taken apart may hold secrets.
pub(super) fn may_hold_secrets(text: &str) -> bool {
    may_hold(text)
}

/// The environment variables of an import. Equal secrets share one.
#[derive(Debug, Default)]
pub(super) struct Masks {
    by_value: HashMap<String, String>,
    count: HashMap<String, usize>,
}

impl Masks {
    /// The name of the variable that takes the place of `value`; `hint` says what it is.
    pub(super) fn env(&mut self, hint: &str, value: &str, notes: &mut Notes) -> String {
        if let Some(name) = self.by_value.get(value) {
            return name.clone();
        }
        let upper: String = hint
            .chars()
            .take(60)
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let upper = upper.trim_matches('_');
        let base = match upper.chars().next() {
            Some(c) if c.is_ascii_alphabetic() => upper.to_owned(),
            _ => format!("API_{upper}").trim_end_matches('_').to_owned(),
        };
        let count = self.count.entry(base.clone()).or_insert(0);
        *count += 1;
        let name = if *count == 1 { base } else { format!("{base}_{count}") };
        self.by_value.insert(value.to_owned(), name.clone());
        notes.add(format!("A secret was left out: set the environment variable {name} to its value"));
        name
    }

    /// A name and its value as a template, masked when one of them says so. `filter` is added to the slot.
    pub(super) fn value(&mut self, name: &str, value: &str, filter: &str, notes: &mut Notes) -> String {
        if value.is_empty() || !(is_secret_name(name) || is_secret_value(value)) {
            // An address, such as that of a Referer, may carry secrets in its query.
            return match value.split_once('?') {
                Some((before, query)) if before.contains("://") => {
                    format!("{}?{}", escape(before), self.pairs(query, notes))
                }
                _ => escape(value),
            };
        }
        format!("{{{{env:{}{filter}}}}}", self.env(name, value, notes))
    }

    /// Masks the fields of a JSON value and makes its other strings templates of themselves.
    pub(super) fn json(&mut self, name: &str, value: &mut serde_json::Value, notes: &mut Notes) {
        use serde_json::Value;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(name, item, notes)),
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    // Everything below a secret's name is one.
                    let inner = if is_secret_name(name) && !is_secret_name(key) { name } else { key };
                    self.json(inner, field, notes);
                }
            }
            Value::String(text) => *text = self.value(name, text, "", notes),
            Value::Number(number) if is_secret_name(name) => {
                *value = Value::String(self.value(name, &number.to_string(), "", notes));
            }
            _ => {}
        }
    }

    /// Masks the pairs of a query or a form. What is not secret stays as it was written.
    pub(super) fn pairs(&mut self, query: &str, notes: &mut Notes) -> String {
        let pair = |pair: &str| {
            let Some((name, value)) = pair.split_once('=') else {
                return if is_secret_value(pair) { self.value("token", pair, "|url", notes) } else { escape(pair) };
            };
            let decode =
                |t: &str| percent_encoding::percent_decode_str(&t.replace('+', " ")).decode_utf8_lossy().into_owned();
            let (plain_name, plain) = (decode(name), decode(value));
            if !plain.is_empty() && (is_secret_name(&plain_name) || is_secret_value(&plain)) {
                format!("{}={}", escape(name), self.value(&plain_name, &plain, "|url", notes))
            } else {
                format!("{}={}", escape(name), escape(value))
            }
        };
        query.split('&').map(pair).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_share_a_variable() {
        let (mut masks, mut notes) = (Masks::default(), Notes::default());
        assert_eq!(masks.value("token", "a", "", &mut notes), "{{env:TOKEN}}", "named after the field");
        assert_eq!(masks.value("apiToken", "a", "|url", &mut notes), "{{env:TOKEN|url}}", "the same value again");
        assert_eq!(masks.value("token", "b", "", &mut notes), "{{env:TOKEN_2}}", "another one");
        assert_eq!(masks.value("q", "{{x}}", "", &mut notes), r"\{{x}}", "harmless values are text");
        assert_eq!(
            masks.pairs("a=1&password=c%20d&flag&e=%2F", &mut notes),
            "a=1&password={{env:PASSWORD|url}}&flag&e=%2F",
            "pairs"
        );
        let referer = masks.value("Referer", "http://h/?token=a&x=1", "", &mut notes);
        assert_eq!(referer, "http://h/?token={{env:TOKEN|url}}&x=1", "addresses in values are looked into");
        assert!(is_secret_value("postgres://u:p@h/d") && !is_secret_value("http://h/@a:b"), "a password in an address");
        assert_eq!(notes.0.len(), 3, "each is noted once: {:?}", notes.0);
    }
}
