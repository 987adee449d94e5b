//! MessagePack as text: a map or an array, and nothing after it.
use std::fmt::Write as _;

use rmpv::Value;

/// Deepest nesting that is read.
const DEPTH: usize = 64;

/// The value over several lines, in JSON's words where it has some; bytes as `h'…'`, extensions with their number. Nothing of what is
/// no MessagePack, or a single value: any byte is one.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    if !matches!(bytes.first()?, 0x80..=0x9f | 0xdc..=0xdf) {
        return None;
    }
    let mut rest = bytes;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut out = String::new();
    write(&mut out, &value, 0);
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn hex(out: &mut String, bytes: &[u8]) {
    out.push_str("h'");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
}

fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::String(text) => match text.as_str() {
            Some(text) => out.push_str(&serde_json::Value::from(text).to_string()),
            None => hex(out, text.as_bytes()),
        },
        Value::Binary(bytes) => hex(out, bytes),
        Value::Ext(kind, bytes) => {
            let _ = write!(out, "ext({kind}, ");
            hex(out, bytes);
            out.push(')');
        }
        Value::Array(all) if all.is_empty() => out.push_str("[]"),
        Value::Map(all) if all.is_empty() => out.push_str("{}"),
        Value::Array(all) => {
            out.push('[');
            for (n, one) in all.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write(out, one, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Map(all) => {
            out.push('{');
            for (n, (name, one)) in all.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write(out, name, depth + 1);
                out.push_str(": ");
                write(out, one, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn values_are_read_whole_or_not_at_all() {
        let read = text(b"\x83\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\xc4\x01\xff\xa1c\x90").expect("a map");
        assert_eq!(read, "{\n  \"a\": 18446744073709551615,\n  1: h'ff',\n  \"c\": []\n}", "large numbers are exact");
        assert_eq!(text(b"\x81\xa1a"), None, "cut off");
        assert_eq!(text(b"\x80\x00"), None, "something after it");
        assert_eq!(text(b"\x05"), None, "any byte is a number");
        assert_eq!(text(&[0xdd, 0xff, 0xff, 0xff, 0xff]), None, "a length that is claimed only");
        assert_eq!(text(&vec![0x91; 100_000]), None, "nested without end");
    }
}
