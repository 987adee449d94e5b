//! What one line of a RESP reply announces: RESP2, and what RESP3 adds to it.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

/// Longest bulk string: Redis's own limit, unless its `proto-max-bulk-len` was raised.
const MAX_BULK: u64 = 512 << 20;
/// Most elements of an aggregate, as of a Redis list.
const MAX_ITEMS: u64 = u32::MAX as u64;

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A value.
    Value,
    /// Nothing: there is no such key, field or member.
    Nil,
    /// An error, whose words the reader keeps.
    Error,
}

/// What a line announces.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It is the whole value.
    Value,
    Nil,
    /// An error with these words.
    Error(&'a [u8]),
    /// So many bytes follow it.
    Bulk(u64),
    /// So many bytes of an error's words follow it.
    BulkError(u64),
    /// So many values follow it.
    Items(u64),
    /// So many values follow it that are no part of the reply: attributes, or a message that nobody asked for.
    Aside(u64),
}

/// Reads a line, without its end.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn line(text: &[u8]) -> Result<Line<'_>, String> {
    let Some((kind, text)) = text.split_first() else { return Err("an empty line instead of a reply".to_owned()) };
    Ok(match kind {
        b'+' | b',' | b'#' | b'(' => Line::Value,
        b':' if !is_integer(text) => return Err(format!("an integer of '{}'", shown(text))),
        b':' => Line::Value,
        b'-' => Line::Error(text),
        b'_' => Line::Nil,
        b'$' | b'=' => size(text, MAX_BULK)?.map_or(Line::Nil, Line::Bulk),
        b'!' => Line::BulkError(required(text, MAX_BULK)?),
        b'*' | b'~' => size(text, MAX_ITEMS)?.map_or(Line::Nil, Line::Items),
        b'%' => Line::Items(2 * required(text, MAX_ITEMS)?),
        b'|' => Line::Aside(2 * required(text, MAX_ITEMS)?),
        b'>' => Line::Aside(required(text, MAX_ITEMS)?),
        other => return Err(format!("a reply that begins with '{}'", other.escape_ascii())),
    })
}

fn shown(text: &[u8]) -> String {
    text.get(..text.len().min(32)).unwrap_or_default().escape_ascii().to_string()
}

fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// A size; `None` for -1, which is RESP2's way to say that there is nothing.
fn size(text: &[u8], most: u64) -> Result<Option<u64>, String> {
    let mut n = 0u64;
    for byte in text {
        // Sizes that are too large end here, before they overflow.
        if !byte.is_ascii_digit() || n > most {
            if text == b"-1" {
                return Ok(None);
            }
            return Err(format!("a size of '{}'", shown(text)));
        }
        n = n * 10 + u64::from(byte - b'0');
    }
    if text.is_empty() || n > most { Err(format!("a size of '{}'", shown(text))) } else { Ok(Some(n)) }
}

fn required(text: &[u8], most: u64) -> Result<u64, String> {
    size(text, most)?.ok_or_else(|| "a size of '-1'".to_owned())
}
