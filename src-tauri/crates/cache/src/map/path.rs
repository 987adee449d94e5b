//! Where a namespace is in the tree, as a text that says it again.
use perfdeck_model::CacheBytes;

use super::token::{Segment, Token};
use super::tree::{Id, Part, ROOT, Tree};

/// Longest path that is read.
const LONGEST: usize = 8_192;

/// The text for a node: hexadecimal, each part with its kind, what follows it and its length.
pub(super) fn path(tree: &Tree, id: Id) -> String {
    let mut bytes = Vec::new();
    for id in tree.way(id) {
        let (kind, delimiter, part): (u8, Option<u8>, &[u8]) = match &tree.node(id).part {
            Part::Literal(part, delimiter) => (b'l', *delimiter, part),
            Part::Any(braces, delimiter) => (b'a', *delimiter, braces.pattern().as_bytes()),
            Part::Others => (b'o', None, &[]),
        };
        bytes.extend([kind, delimiter.unwrap_or(0), u8::try_from(part.len()).unwrap_or(u8::MAX)]);
        bytes.extend_from_slice(part);
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The node that a text is for; `None` where it is for none.
pub(super) fn node(tree: &Tree, path: &str) -> Option<Id> {
    if path.len() > LONGEST || !path.len().is_multiple_of(2) || !path.is_ascii() {
        return None;
    }
    let bytes: Vec<u8> =
        (0..path.len() / 2).map(|i| u8::from_str_radix(&path[2 * i..2 * i + 2], 16).ok()).collect::<Option<_>>()?;
    let (mut at, mut rest) = (ROOT, bytes.as_slice());
    while let [kind, delimiter, length, after @ ..] = rest {
        let (part, after) = after.split_at_checked(usize::from(*length))?;
        let delimiter = (*delimiter != 0).then_some(*delimiter);
        at = match kind {
            b'l' => tree.child(at, Token { segment: Segment::Literal(part), delimiter })?,
            b'a' => tree.child(at, Token { segment: Segment::any(part), delimiter })?,
            b'o' => tree.others(at)?,
            _ => return None,
        };
        rest = after;
    }
    rest.is_empty().then_some(at)
}

/// Bytes for a person: text as it is, anything else as `\xff`.
fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

/// Name of a node for a person: `user:*:profile`, or `config:*` for all that is inside.
pub(super) fn name(tree: &Tree, id: Id) -> String {
    let mut out = String::new();
    for part in tree.way(id) {
        out.push_str(&label_of(&tree.node(part).part, true));
    }
    if tree.node(id).part.is_inner() && id != ROOT {
        out.push('*');
    }
    out
}

/// The name without the parts of a namespace around it, which has so many.
pub(super) fn label_below(tree: &Tree, id: Id, parts: usize) -> String {
    let mut out: String = tree.way(id).iter().skip(parts).map(|part| label_of(&tree.node(*part).part, true)).collect();
    if tree.node(id).part.is_inner() {
        out.push('*');
    }
    out
}

/// Last part of the name.
pub(super) fn label(tree: &Tree, id: Id) -> String {
    label_of(&tree.node(id).part, false)
}

fn label_of(part: &Part, with_delimiter: bool) -> String {
    let (text, delimiter) = match part {
        Part::Literal(part, delimiter) => (shown(part), *delimiter),
        Part::Any(braces, delimiter) => (braces.pattern().to_owned(), *delimiter),
        Part::Others => ("others".to_owned(), None),
    };
    match delimiter {
        Some(delimiter) if with_delimiter => text + &char::from(delimiter).to_string(),
        _ => text,
    }
}

/// Glob pattern of the keys of a node; `None` for others, which have none in common.
pub(super) fn pattern(tree: &Tree, id: Id) -> Option<CacheBytes> {
    let mut glob = Vec::new();
    let escape = |bytes: &[u8], glob: &mut Vec<u8>| {
        for byte in bytes {
            // As the servers' `stringmatchlen` reads them.
            if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'-' | b'\\') {
                glob.push(b'\\');
            }
            glob.push(*byte);
        }
    };
    for part in tree.way(id) {
        let delimiter = match &tree.node(part).part {
            Part::Literal(part, delimiter) => {
                escape(part, &mut glob);
                *delimiter
            }
            Part::Any(braces, delimiter) => {
                glob.extend_from_slice(braces.pattern().as_bytes());
                *delimiter
            }
            Part::Others => return None,
        };
        escape(delimiter.as_slice(), &mut glob);
    }
    if id == ROOT || tree.node(id).part.is_inner() {
        glob.push(b'*');
    }
    Some(CacheBytes::new(&glob))
}
