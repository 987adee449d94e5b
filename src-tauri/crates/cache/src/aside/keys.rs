//! Names of keys in the store, and what entries are invalidated by.
//!
//! | key | what it is |
//! | --- | --- |
//! | `NAME:SPACE:KEY` | an entry |
//! | `{NAME:SPACE:KEY}:lease` | the right to fill it; in the same slot of a cluster, and outside of what is tracked |
//! | `NAME:@tag:TAG`, `NAME:@user:USER` | an epoch |
//! | `NAME:@aside` | the mark: a cache of this library uses the name |
use std::fmt::{self, Display, Write};

use perfdeck_model::ApiError;

/// What groups entries, so that they are invalidated together whatever their keys are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// A tag of the application's own, such as `clinic-7`.
    pub fn named(name: impl Display) -> Self {
        Self(format!("tag:{}", Escaped(&name.to_string())))
    }

    /// All that belongs to one user.
    pub fn user(user: impl Display) -> Self {
        Self(format!("user:{}", Escaped(&user.to_string())))
    }

    /// The key of its epoch in a store, for a cache of the name `cache`. Whoever sets this key to a value that was never there
    /// invalidates all entries with the tag.
    pub fn epoch_key(&self, cache: &str) -> String {
        format!("{cache}:@{}", self.0)
    }

    /// As it is in entries and behind the `@` of its key.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// What stands in the mark of a cache.
pub(crate) const MARK: &str = "perfdeck-aside 1";
/// What the name of a mark ends with.
pub(crate) const MARKED: &str = ":@aside";

/// The key that says that a cache of this name is of this library: whoever reads [`MARK`] there may take `NAME:@tag:…` for epochs.
pub(crate) fn marker(cache: &str) -> String {
    format!("{cache}{MARKED}")
}

/// Text without braces: a cluster takes what is between them for the part that decides the slot.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '%' => f.write_str("%25")?,
                '{' => f.write_str("%7B")?,
                '}' => f.write_str("%7D")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The key as the application has it; `None` for a text that [`Escaped`] does not make.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    if text.contains(['{', '}']) {
        return None;
    }
    let mut parts = text.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        plain.push(match part.get(..2)? {
            "25" => '%',
            "7B" => '{',
            "7D" => '}',
            _ => return None,
        });
        plain.push_str(&part[2..]);
    }
    Some(plain)
}

/// The key of an entry's lease.
pub(crate) fn lease(entry: &str) -> String {
    format!("{{{entry}}}:lease")
}

/// Checks the name of a cache or of a namespace: letters, digits, `-`, `_` and `.`, at most 64.
///
/// # Errors
/// For any other.
pub(crate) fn checked(what: &str, name: &str) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("The name of a {what} cannot be '{name}'"))
        .hint("Use 1 to 64 letters, digits, '-', '_' and '.'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were_and_never_meet() {
        let all = ["", "a", "a:b", "{", "}", "%", "%25", "{a}", "%7B", "é%{日}", "a%7Db"];
        let mut seen = std::collections::BTreeSet::new();
        for key in all {
            let text = Escaped(key).to_string();
            assert_eq!(unescaped(&text).as_deref(), Some(key), "{text}");
            assert!(!text.contains(['{', '}']), "{text} has no part of its own for the slot");
            assert!(seen.insert(text), "each has another text");
        }
        for foreign in ["%", "%2", "%zz", "{a}", "a%é"] {
            assert_eq!(unescaped(foreign), None, "{foreign} is none of ours");
        }
        assert_ne!(Tag::named("user:1"), Tag::user("1"), "a tag is no user");
        assert_eq!(Tag::user(7).epoch_key("app"), "app:@user:7", "as documented");
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "staff", "v2.users-of_x"] {
            assert!(checked("namespace", good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "@tag", "a b", "{a}", "é", &"a".repeat(65)] {
            assert!(checked("namespace", bad).is_err(), "{bad}");
        }
    }
}
