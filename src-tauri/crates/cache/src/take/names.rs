//! Names of keys: which of them are meant. Patterns are the server's; what must be taken literally is escaped.
use perfdeck_model::{ApiError, CacheNamespace, ErrorCode, InvalidationOf, NamespacePart};

use crate::map::is_identifier;
use crate::values::escaped;

/// Longest pattern, in bytes.
const LONGEST: usize = 4_096;

/// Whether a pattern matches whatever there is: nothing but stars.
fn is_everything(pattern: &[u8]) -> bool {
    pattern.iter().all(|byte| *byte == b'*')
}

/// Which keys are meant, understood once.
#[derive(Debug, Clone)]
pub enum Meant {
    /// What the server's pattern matches.
    Pattern(Vec<u8>),
    /// What lies below a path.
    Namespace {
        /// Pattern that matches that, and may match more.
        pattern: Vec<u8>,
        /// Path.
        parts: Vec<(NamespacePart, Vec<u8>)>,
        /// Delimiter.
        delimiter: Vec<u8>,
    },
    /// These.
    Keys(Vec<Vec<u8>>),
}

impl Meant {
    /// Understands what was asked for.
    ///
    /// # Errors
    /// For an empty pattern, path or list, and for what is too long.
    pub fn of(of: &InvalidationOf) -> Result<Self, ApiError> {
        let refuse = |what: &str, hint: &str| Err(ApiError::bad_request(what.to_owned()).hint(hint.to_owned()));
        match of {
            InvalidationOf::Pattern(pattern) => {
                let pattern = pattern.bytes()?;
                if pattern.is_empty() || pattern.len() > LONGEST {
                    return refuse(
                        "The pattern is empty, or longer than 4,096 bytes",
                        "A pattern is such as user:*:profile",
                    );
                }
                Ok(Self::Pattern(pattern))
            }
            InvalidationOf::Namespace(CacheNamespace { parts, delimiter }) => {
                if parts.is_empty() || delimiter.is_empty() {
                    return refuse(
                        "The namespace has no path, or no delimiter",
                        "A path is such as user, then an identifier",
                    );
                }
                let mut pattern = Vec::new();
                let mut known = Vec::new();
                for part in parts {
                    let bytes = if let NamespacePart::Exact(bytes) = part { bytes.bytes()? } else { Vec::new() };
                    match part {
                        NamespacePart::Exact(_) => pattern.extend(escaped(&bytes)),
                        NamespacePart::Id | NamespacePart::Any => pattern.push(b'*'),
                    }
                    pattern.extend(escaped(delimiter.as_bytes()));
                    known.push((part.clone(), bytes));
                }
                pattern.push(b'*');
                if pattern.len() > LONGEST {
                    return refuse("The path is longer than 4,096 bytes", "Invalidate a node above it");
                }
                Ok(Self::Namespace { pattern, parts: known, delimiter: delimiter.as_bytes().to_vec() })
            }
            InvalidationOf::User(_) | InvalidationOf::Tag(_) | InvalidationOf::Template(_) => {
                refuse("This names keys by what the environment has", "It is understood where the environment is known")
            }
            InvalidationOf::Keys(keys) => {
                if keys.is_empty() || keys.len() > 1_000_000 {
                    return refuse("The list of keys is empty, or longer than 1,000,000", "Give one key a line");
                }
                let mut keys: Vec<Vec<u8>> =
                    keys.iter().map(perfdeck_model::CacheBytes::bytes).collect::<Result<_, _>>()?;
                keys.sort_unstable();
                keys.dedup();
                Ok(Self::Keys(keys))
            }
        }
    }

    /// Pattern that a scan asks the server for; none of a list.
    pub fn pattern(&self) -> Option<&[u8]> {
        match self {
            Self::Pattern(pattern) | Self::Namespace { pattern, .. } => Some(pattern),
            Self::Keys(_) => None,
        }
    }

    /// Whether a key that the server's pattern matched is meant.
    pub fn is_meant(&self, key: &[u8]) -> bool {
        let Self::Namespace { parts, delimiter, .. } = self else { return true };
        let mut rest = key;
        for (part, exact) in parts {
            let Some(at) = rest.windows(delimiter.len()).position(|w| w == delimiter) else { return false };
            let segment = &rest[..at];
            let fits = match part {
                NamespacePart::Exact(_) => segment == exact,
                NamespacePart::Id => is_identifier(segment),
                NamespacePart::Any => true,
            };
            if !fits {
                return false;
            }
            rest = &rest[at + delimiter.len()..];
        }
        true
    }

    /// Whether it is whatever there is.
    pub fn is_everything(&self) -> bool {
        match self {
            Self::Pattern(pattern) => is_everything(pattern),
            Self::Namespace { parts, .. } => parts.iter().all(|(part, _)| *part == NamespacePart::Any),
            Self::Keys(_) => false,
        }
    }

    /// What a person calls it: the pattern, or how many keys. Bytes that are no text are written as `\xNN`.
    pub fn shown(&self) -> String {
        match self {
            Self::Pattern(pattern) => shown(pattern),
            Self::Namespace { parts, delimiter, .. } => {
                let mut out = String::new();
                for (part, exact) in parts {
                    match part {
                        NamespacePart::Exact(_) => out.push_str(&shown(exact)),
                        NamespacePart::Id => out.push_str("{id}"),
                        NamespacePart::Any => out.push('*'),
                    }
                    out.push_str(&shown(delimiter));
                }
                out.push('*');
                out
            }
            Self::Keys(keys) => format!("{} listed keys", keys.len()),
        }
    }
}

/// Bytes as text, others than text as `\xNN`.
pub fn shown(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut out, chunk| {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
        out
    })
}

/// Error for what a server's pattern cannot say.
pub(super) fn not_here(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("The cache of this process knows no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::matches;
    use perfdeck_model::CacheBytes;

    #[test]
    fn a_namespace_is_its_segments_and_no_more() {
        let exact = |text: &str| NamespacePart::Exact(CacheBytes::new(text.as_bytes()));
        let of = |parts: Vec<NamespacePart>| {
            Meant::of(&InvalidationOf::Namespace(CacheNamespace { parts, delimiter: ":".into() })).expect("a path")
        };
        let meant = of(vec![exact("user"), NamespacePart::Id, exact("p[r]*")]);
        let pattern = meant.pattern().expect("a pattern").to_vec();
        for (key, right) in [
            (&b"user:7:p[r]*:x"[..], true),
            (b"user:7:p[r]*:", true),
            (b"user:7:p[r]*", false),
            (b"user:2026-12-01:p[r]*:x", true),
            (b"user:{42}:p[r]*:x", true),
            (b"user:me:p[r]*:x", false),
            (b"user:7:8:p[r]*:x", false),
            (b"user:7:pr:x", false),
            (b"user:7:pr123:x", false),
            (b"xuser:7:p[r]*:x", false),
        ] {
            assert_eq!(matches(&pattern, key) && meant.is_meant(key), right, "{}", shown(key));
        }
        assert_eq!(meant.shown(), "user:{id}:p[r]*:*");
        assert!(of(vec![NamespacePart::Any]).is_everything() && !meant.is_everything(), "whatever there is");
    }

    #[test]
    fn nothing_but_a_whole_thing_is_taken() {
        for of in [
            InvalidationOf::Pattern(CacheBytes::new(b"")),
            InvalidationOf::Keys(Vec::new()),
            InvalidationOf::Namespace(CacheNamespace { parts: Vec::new(), delimiter: ":".into() }),
            InvalidationOf::Namespace(CacheNamespace { parts: vec![NamespacePart::Any], delimiter: String::new() }),
        ] {
            assert!(Meant::of(&of).is_err(), "{of:?}");
        }
    }
}
