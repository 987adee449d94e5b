//! Templates: text with `{{variable}}`, compiled once into slots and rendered into a buffer.
//!
//! `{{name}}` inserts a variable, `{{feed.column}}` a value of the current row, `{{env:NAME}}` an environment variable.
//! Filters follow a bar: `{{name|url}}` percent-encodes, `{{name|json}}` escapes for a JSON string. Built-ins are
//! `{{$uuid}}` (version 4, new each time), `{{$seq}}` (number of the iteration, over all workers), `{{$random 1 100}}`
//! (inclusive, new each time) and `{{$now_ms}}`. A backslash before `{{` makes it text.
use std::io::Write as _;
use std::sync::Arc;

use super::scope::{Builtins, Names, Scope};

/// Parts that a compiled template has at most.
pub(super) const MAX_PARTS: usize = 4096;

/// Literal bytes that a compiled template has at most.
pub(super) const MAX_TEXT: usize = 16 << 20;

/// Why a text is no template. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("column {column}: '{{{{' is not closed; write '\\{{{{' for the characters themselves")]
    Open {
        /// Where it starts.
        column: usize,
    },
    /// What is between the braces is no variable.
    #[error("column {column}: '{text}' is no variable name")]
    Name {
        /// Where it starts.
        column: usize,
        /// What was read, shortened.
        text: String,
    },
    /// A filter that does not exist.
    #[error("column {column}: unknown filter '{text}'; there are url and json")]
    Filter {
        /// Where the slot starts.
        column: usize,
        /// What was read, shortened.
        text: String,
    },
    /// A built-in that does not exist, or with wrong arguments.
    #[error("column {column}: unknown '{text}'; there are $uuid, $seq, $now_ms and $random LOW HIGH")]
    Builtin {
        /// Where the slot starts.
        column: usize,
        /// What was read, shortened.
        text: String,
    },
    /// More than a plan can sensibly hold, usually variables that contain each other many times.
    #[error("the template grows above {MAX_PARTS} slots or {} MiB", MAX_TEXT >> 20)]
    TooLarge,
}

/// How a value is changed on insertion. Each works byte by byte, so it may be applied to parts of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// As a part of a URL: percent-encoded.
    Url,
    /// As the inside of a JSON string.
    Json,
}

impl Filter {
    fn of(name: &str) -> Option<Self> {
        match name {
            "url" => Some(Self::Url),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A part of a template before its variables are replaced.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Variable { name: String, filters: Vec<Filter> },
    Builtin(Builtin),
}

/// A value that needs no variable. None of them holds a character that a filter would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// A random UUID (version 4).
    Uuid,
    /// The number of the iteration, from 0.
    Seq,
    /// Milliseconds since 1970.
    NowMs,
    /// A whole number between two, both included.
    Random {
        /// The smallest.
        low: i64,
        /// The largest.
        high: i64,
    },
}

/// Whether it can name a variable, a feed or a column of a feed.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 200
        && chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn short(text: &str) -> String {
    // What has other marks than a name with filters is no name that was misspelt: it may be a body with braces.
    let name = text.chars().all(|c| c.is_ascii_alphanumeric() || " $_-.:|".contains(c));
    if name && text.len() <= 40 { text.to_owned() } else { "…".to_owned() }
}

/// Splits a text into its literal parts and slots.
pub(super) fn parse(text: &str) -> Result<Vec<Raw>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let before = &rest[..at];
        let slashes = before.len() - before.trim_end_matches('\\').len();
        literal.push_str(&before[..at - slashes]);
        literal.extend(std::iter::repeat_n('\\', slashes / 2));
        if slashes % 2 == 1 {
            literal.push_str("{{");
            rest = &rest[at + 2..];
            continue;
        }
        // Of a longer run of braces, the last two open the slot: `{"a":{{{b}}}` needs no space.
        let braces = rest[at..].bytes().take_while(|b| *b == b'{').count();
        literal.extend(std::iter::repeat_n('{', braces - 2));
        let after = &rest[at + braces..];
        let column = || text[..text.len() - after.len() - 2].chars().count() + 1;
        let end = after.find("}}").ok_or_else(|| TemplateError::Open { column: column() })?;
        let slot = slot(&after[..end], &column)?;
        if !literal.is_empty() {
            parts.push(Raw::Text(std::mem::take(&mut literal)));
        }
        parts.push(slot);
        if parts.len() > MAX_PARTS {
            return Err(TemplateError::TooLarge);
        }
        rest = &after[end + 2..];
    }
    literal.push_str(rest);
    if literal.len() > MAX_TEXT {
        return Err(TemplateError::TooLarge);
    }
    if !literal.is_empty() {
        parts.push(Raw::Text(literal));
    }
    Ok(parts)
}

fn slot(inner: &str, column: &dyn Fn() -> usize) -> Result<Raw, TemplateError> {
    let mut pieces = inner.split('|').map(str::trim);
    let head = pieces.next().unwrap_or_default();
    let mut filters = Vec::new();
    for name in pieces {
        let unknown = || TemplateError::Filter { column: column(), text: short(name) };
        filters.push(Filter::of(name).ok_or_else(unknown)?);
        if filters.len() > 4 {
            return Err(TemplateError::TooLarge);
        }
    }
    if head.starts_with('$') {
        let words: Vec<&str> = head.split_ascii_whitespace().take(4).collect();
        let builtin = match words.as_slice() {
            ["$uuid"] => Some(Builtin::Uuid),
            ["$seq"] => Some(Builtin::Seq),
            ["$now_ms"] => Some(Builtin::NowMs),
            ["$random", low, high] => match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) if low <= high => Some(Builtin::Random { low, high }),
                _ => None,
            },
            _ => None,
        };
        let unknown = || TemplateError::Builtin { column: column(), text: short(head) };
        return Ok(Raw::Builtin(builtin.ok_or_else(unknown)?));
    }
    let known = head.strip_prefix("env:").map_or_else(|| is_name(head), super::values::is_env_name);
    if !known {
        return Err(TemplateError::Name { column: column(), text: short(head) });
    }
    Ok(Raw::Variable { name: head.to_owned(), filters })
}

/// A text as a template of itself.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let slashes = at - rest[..at].trim_end_matches('\\').len();
        out.push_str(&rest[..at]);
        out.extend(std::iter::repeat_n('\\', slashes + 1));
        out.push_str("{{");
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
    out
}

/// A variable without a value at the time of rendering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{{{{{name}}}}}' has no value yet")]
pub struct UnsetVariable {
    /// Its name.
    pub name: Arc<str>,
}

/// A part of a compiled template.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As it is.
    Text(Box<[u8]>),
    /// The value of a variable.
    Slot {
        /// Its place in the scope.
        slot: usize,
        /// Its name, for errors.
        name: Arc<str>,
        /// How it is changed, in order.
        filters: Box<[Filter]>,
    },
    /// A value that needs no variable.
    Builtin(Builtin),
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    pub(super) fn new(raw: Vec<Raw>, names: &mut Names) -> Result<Self, TemplateError> {
        let mut parts: Vec<Part> = Vec::with_capacity(raw.len());
        let mut text = Vec::new();
        let mut total = 0;
        for part in raw {
            let part = match part {
                Raw::Text(literal) => {
                    total += literal.len();
                    text.extend_from_slice(literal.as_bytes());
                    continue;
                }
                Raw::Variable { name, filters } => {
                    let slot = names.slot(&name);
                    Part::Slot { slot, name: Arc::clone(&names.names[slot]), filters: filters.into() }
                }
                Raw::Builtin(builtin) => Part::Builtin(builtin),
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            parts.push(part);
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        if parts.len() > MAX_PARTS || total > MAX_TEXT {
            return Err(TemplateError::TooLarge);
        }
        Ok(Self { parts })
    }

    /// Its parts in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Its text, when it has no slots.
    pub fn literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is the same text every time, given the values that `scope` has.
    pub fn is_fixed(&self, scope: &Scope) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Text(_) => true,
            Part::Slot { slot, .. } => scope.get(*slot).is_some(),
            Part::Builtin(_) => false,
        })
    }

    /// Slots of the values that it inserts.
    pub fn slots(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| if let Part::Slot { slot, .. } = part { Some(*slot) } else { None })
    }

    /// Appends the text to `out`. Allocates only when `out` must grow.
    ///
    /// # Errors
    /// The first variable without a value; `out` then holds what came before it.
    pub fn render(&self, scope: &Scope, builtins: &mut Builtins, out: &mut Vec<u8>) -> Result<(), UnsetVariable> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Slot { slot, name, filters } => match scope.get(*slot) {
                    Some(value) => push(filters, value, out),
                    None => return Err(UnsetVariable { name: Arc::clone(name) }),
                },
                Part::Builtin(builtin) => insert(*builtin, builtins, out),
            }
        }
        Ok(())
    }
}

fn insert(builtin: Builtin, state: &mut Builtins, out: &mut Vec<u8>) {
    // Writing into a vector does not fail.
    let _ = match builtin {
        Builtin::Seq => write!(out, "{}", state.seq),
        Builtin::NowMs => write!(out, "{}", state.now_ms),
        Builtin::Random { low, high } => write!(out, "{}", state.rng.between(low, high)),
        Builtin::Uuid => {
            let high = (state.rng.next_u64() & !0xf000) | 0x4000;
            let low = (state.rng.next_u64() & !(0b11 << 62)) | (0b10 << 62);
            let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
            write!(out, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
        }
    };
}

/// Appends `value` through the filters, first to last.
pub(super) fn push(filters: &[Filter], value: &[u8], out: &mut Vec<u8>) {
    let Some((first, rest)) = filters.split_first() else {
        out.extend_from_slice(value);
        return;
    };
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value {
        let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
        match first {
            Filter::Url if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => push(rest, &[byte], out),
            Filter::Url => push(rest, &[b'%', high, low], out),
            Filter::Json => match byte {
                b'"' | b'\\' => push(rest, &[b'\\', byte], out),
                b'\n' => push(rest, b"\\n", out),
                b'\r' => push(rest, b"\\r", out),
                b'\t' => push(rest, b"\\t", out),
                0..0x20 => push(rest, &[b'\\', b'u', b'0', b'0', high, low], out),
                _ => push(rest, &[byte], out),
            },
        }
    }
}
