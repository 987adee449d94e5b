//! Messages of others (drivers, servers, the system): their words stay, what they quote goes.
use super::MASK;
use super::names::{is_secret_name, is_secret_value};
use super::request::Masker;

/// A user's own word for a thing, as it is repeated in an error. What reads as an address or a token is masked.
pub fn shown(text: &str) -> String {
    let address = text.contains("://") || text.contains('@') || text.contains('=');
    if address || text.chars().count() > 120 || is_secret_value(text) || text.chars().any(char::is_control) {
        return MASK.to_owned();
    }
    text.to_owned()
}

/// A name that a person chose, such as a run's or an environment's: it is shown, but for addresses and tokens in it.
pub fn title(text: &str) -> String {
    words(text)
}

/// Words before a quoted text that say that it is the name of a thing in a database, and no value.
const THINGS: &[&str] = &[
    "relation",
    "column",
    "table",
    "constraint",
    "function",
    "type",
    "role",
    "database",
    "schema",
    "index",
    "operator",
    "parameter",
    "extension",
    "view",
    "sequence",
    "key",
    "user",
    "plugin",
    "engine",
    "variable",
    "collation",
    "language",
];

/// Test of what is known to be harmless besides: whether a quoted text may stay.
pub type Known<'a> = &'a dyn Fn(&str) -> bool;

/// A message with what it quotes masked, except the names of things, and what `known` knows; addresses and values beside
/// a secret's name are masked too.
pub fn message(text: &str, known: Known<'_>) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        let apostrophe = matches!(c, '\'' | '’') && letter(i.checked_sub(1)) && letter(Some(i + 1));
        let close = match c {
            '"' | '`' => Some(c),
            '\'' if !apostrophe => Some('\''),
            '“' => Some('”'),
            '‘' => Some('’'),
            '«' => Some('»'),
            // `Key (email)=(alice@example.com) already exists`
            '(' if out.ends_with('=') => Some(')'),
            _ => None,
        };
        let Some(close) = close else {
            out.push(c);
            i += 1;
            continue;
        };
        // The last mark of the line that can close it: a value may hold its own quote.
        let end = closing(&chars, i + 1, close);
        let inner: String = chars[i + 1..end].iter().collect();
        let before = out.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
        let thing = close != ')' && THINGS.contains(&before.as_str()) && is_identifier(&inner);
        out.push(c);
        if inner.is_empty() || thing || (close != ')' && known(&inner)) {
            out.push_str(&inner);
        } else {
            out.push_str(MASK);
        }
        if end < chars.len() {
            out.push(close);
        }
        i = end + 1;
    }
    words(&out)
}

/// Names of tables and columns; a long one or one with odd marks may be a value.
fn is_identifier(text: &str) -> bool {
    text.chars().count() <= 128
        && text.chars().all(|c| c.is_alphanumeric() || "_.$- #".contains(c))
        && !is_secret_value(text)
}

fn closing(chars: &[char], from: usize, close: char) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '\n' {
        // A mark before a letter is inside the value, or begins the next one.
        let next = chars.get(at + 1);
        if chars[at] == close && next.is_none_or(|n| !n.is_alphanumeric()) {
            return at;
        }
        at += 1;
    }
    at
}

/// Masks addresses, well-known tokens and what stands beside a secret's name.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut secret = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let space = &word[bare.len()..];
        let harmless = ["YES", "NO", "yes)", "YES)", "NO)", ""].contains(&bare);
        let shown = if secret && !harmless {
            MASK.to_owned()
        } else if bare.contains("://") {
            Masker::Literal.url(bare)
        } else if let Some((name, value)) = bare.split_once('=').filter(|(n, v)| is_secret_name(n) && !v.is_empty()) {
            let _ = value;
            format!("{name}={MASK}")
        } else if is_secret_value(bare.trim_matches(|c: char| !c.is_alphanumeric())) {
            MASK.to_owned()
        } else {
            bare.to_owned()
        };
        // `password: x` is a value, `password authentication failed` is not.
        secret = bare.strip_suffix(':').is_some_and(is_secret_name);
        out.push_str(&shown);
        out.push_str(space);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_words_and_lose_what_they_quote() {
        let none = |_: &str| false;
        for (text, want) in [
            ("relation \"patients\" does not exist", "relation \"patients\" does not exist"),
            ("invalid input syntax for type integer: \"SECRET\"", "invalid input syntax for type integer: \"•••\""),
            ("Duplicate entry 'SECRET' for key 'users.email'", "Duplicate entry '•••' for key 'users.email'"),
            ("Incorrect integer value: 'it's SECRET' for column 'a'", "Incorrect integer value: '•••' for column 'a'"),
            ("Key (email)=(SECRET@x) already exists.", "Key (email)=(•••) already exists."),
            ("near \"SECRET\": syntax error", "near \"•••\": syntax error"),
            ("the server doesn't answer", "the server doesn't answer"),
            ("cannot reach http://u:SECRET@h/x?token=SECRET now", "cannot reach http://•••@h/x?token=••• now"),
            (
                "Access denied for user 'u'@'h' (using password: YES)",
                "Access denied for user 'u'@'•••' (using password: YES)",
            ),
            ("password: SECRET", "password: •••"),
            ("password authentication failed for user \"u\"", "password authentication failed for user \"u\""),
            ("api_key=SECRET failed", "api_key=••• failed"),
            ("cut \"SECRET", "cut \"•••"),
        ] {
            assert_eq!(message(text, &none), want);
        }
        assert_eq!(message("at or near \"selec\"", &|w| w == "selec"), "at or near \"selec\"", "what is known stays");
    }

    #[test]
    fn words_for_things_are_shown_and_addresses_are_not() {
        assert_eq!(shown("clinic staging"), "clinic staging");
        for text in ["postgres://u:p@h/d", "user:p@h", "password=x", "a\u{1b}[2J"] {
            assert_eq!(shown(text), MASK, "{text}");
        }
    }
}
