//! What looks like a secret, and the environment variables that take its place.
use std::collections::HashMap;

use super::super::template::escape;
use super::Notes;

/// Parts of names whose values are secrets.
const WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "cookie",
    "signature",
    "access_key",
    "private_key",
    "session",
    "jwt",
    "bearer",
    "otp",
];

/// Whole names whose values are secrets.
const NAMES: &[&str] = &["key", "auth", "sid", "pass", "pw", "sig", "pin", "cvv", "cvc", "ssn", "card_number", "iban"];

/// Beginnings of well-known tokens.
const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "dop_v1_",
    "SG.",
];

/// Whether a header, parameter, field or variable of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let mut plain = String::with_capacity(name.len());
    let mut lower = false;
    for c in name.chars().take(200) {
        // accessToken and access-token are one name.
        if c.is_ascii_uppercase() && lower {
            plain.push('_');
        }
        lower = c.is_ascii_lowercase();
        plain.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    let plain = plain.trim_matches('_');
    // Counts of words, as language models take them.
    if plain.ends_with("tokens") {
        return false;
    }
    NAMES.contains(&plain) || WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a value is a secret whatever its name.
pub(super) fn is_secret_value(value: &str) -> bool {
    let value = value.trim();
    let jwt = value.starts_with("eyJ") && value.matches('.').count() == 2 && value.len() > 30;
    let key = value.contains("-----BEGIN") && value.contains("PRIVATE KEY");
    let word = !value.contains(char::is_whitespace) && value.len() >= 16;
    // A password in an address.
    let login = value.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':') && !user.ends_with(':'))
    });
    jwt || key || login || (word && PREFIXES.iter().any(|p| value.starts_with(p)))
}

/// Whether a text that cannot be taken apart may hold secrets.
pub(super) fn may_hold_secrets(text: &str) -> bool {
    let lower = text.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| lower.contains(word))
        || text.split(|c: char| !c.is_ascii_graphic() || "\"'<>=,;".contains(c)).any(is_secret_value)
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
    fn secrets_are_known_by_name_and_by_value() {
        for name in
            ["Authorization", "X-Api-Key", "accessToken", "client_secret", "PHPSESSIONID", "key", "X-CSRF-Token"]
        {
            assert!(is_secret_name(name), "'{name}' names a secret");
        }
        for name in ["Accept", "keyword", "max_tokens", "passenger", "monkey", "id", "author", "signal"] {
            assert!(!is_secret_name(name), "'{name}' does not");
        }
        assert!(is_secret_value("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"), "a JSON web token");
        assert!(is_secret_value("ghp_0123456789abcdef") && !is_secret_value("sk-short"), "well-known beginnings");
    }

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
