//! What bytes read as, and a text of them. Packed values are unpacked up to a bound, whatever they claim.
use std::io::Read;

use perfdeck_model::Decoded;

use super::json::spread;
use super::msgpack;

/// Most that is unpacked, in bytes.
const UNPACKED: u64 = 1 << 20;
/// Packings within packings.
const NESTED: usize = 3;
/// Memory that a zstd frame may ask for, as a power of two: 8 MiB, what levels up to 19 ask for.
const WINDOW: u32 = 23;

const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.len() < 400 && text.parse::<f64>().is_ok()
}

/// What bytes look like, in a word; `cut` when there is more of them.
pub fn reads_as(bytes: &[u8], cut: bool) -> &'static str {
    if bytes.starts_with(GZIP) {
        return "gzip";
    }
    if bytes.starts_with(ZSTD) {
        return "zstd";
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // A character may be cut in two.
        Err(e) if cut && e.error_len().is_none() => std::str::from_utf8(&bytes[..e.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) if !cut && is_number(text) => "number",
        Some(text) if !cut && text.trim_start().starts_with(['{', '[']) && spread(text).is_some() => "JSON",
        Some(text) if !text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()) => "text",
        _ if !cut && msgpack::text(bytes).is_some() => "MessagePack",
        _ => "binary",
    }
}

fn unpacked(from: impl Read) -> Result<(Vec<u8>, bool), std::io::Error> {
    let mut out = Vec::new();
    from.take(UNPACKED + 1).read_to_end(&mut out)?;
    let more = out.len() as u64 > UNPACKED;
    out.truncate(UNPACKED as usize);
    Ok((out, more))
}

fn unpack(form: &str, bytes: &[u8]) -> Result<(Vec<u8>, bool), std::io::Error> {
    if form == "gzip" {
        return unpacked(flate2::read::MultiGzDecoder::new(bytes));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(WINDOW)?;
    unpacked(decoder)
}

/// A text of bytes that read as something else than text; nothing of text and of what reads as nothing.
pub fn decoded(bytes: &[u8]) -> Option<Decoded> {
    let (mut forms, mut bytes) = (Vec::new(), std::borrow::Cow::Borrowed(bytes));
    let mut note = None;
    for _ in 0..NESTED {
        let form = reads_as(&bytes, note.is_some());
        if form != "gzip" && form != "zstd" {
            break;
        }
        forms.push(form.to_owned());
        match unpack(form, &bytes) {
            Ok((out, more)) => {
                if more {
                    note = Some(format!("Only the first {} MiB that it unpacks to are shown", UNPACKED >> 20));
                }
                bytes = out.into();
            }
            Err(_) => {
                let text = String::new();
                let why = format!(
                    "It begins as {form} does, and cannot be unpacked: it is damaged, or asks for more than 8 MiB of memory"
                );
                return Some(Decoded { forms, text, note: Some(why) });
            }
        }
    }
    let form = reads_as(&bytes, note.is_some());
    let text = match form {
        "JSON" => spread(std::str::from_utf8(&bytes).ok()?)?,
        "MessagePack" => msgpack::text(&bytes)?,
        _ if forms.is_empty() => return None,
        "text" | "number" => String::from_utf8_lossy(&bytes).into_owned(),
        _ => {
            let words = "what it unpacks to is binary";
            note = Some(note.map_or_else(|| words.to_owned(), |n: String| format!("{n}; {words}")));
            String::new()
        }
    };
    forms.push(form.to_owned());
    Some(Decoded { forms, text, note })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("written");
        out.finish().expect("packed")
    }

    #[test]
    fn bytes_read_as_what_they_are() {
        let packed = zstd::encode_all(&b"hello"[..], 3).expect("packed");
        for (bytes, right) in [
            (&b"45.10"[..], "number"),
            (b"-7", "number"),
            (b"007x", "text"),
            (b"inf", "text"),
            (b"{\"a\":1.90e1}", "JSON"),
            (b"{\"a\":}", "text"),
            (b"\x81\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "MessagePack"),
            (b"\x8f\x02\xe1\x44", "binary"),
            (b"", "text"),
            (&gzip(b"x"), "gzip"),
            (&packed, "zstd"),
        ] {
            assert_eq!(reads_as(bytes, false), right, "{bytes:?}");
        }
        assert_eq!(reads_as(&"a\u{e4}".as_bytes()[..2], true), "text", "a character that was cut in two");
    }

    #[test]
    fn what_is_packed_is_unpacked_and_bombs_are_cut() {
        let inner = br#"{"id":9007199254740993,"tax":1.90e1,"id":2}"#;
        let nested = zstd::encode_all(&gzip(inner)[..], 3).expect("packed");
        let read = decoded(&nested).expect("read");
        assert_eq!(read.forms, ["zstd", "gzip", "JSON"], "outermost first");
        for kept in ["9007199254740993", "1.90e1", "\"id\": 2"] {
            assert!(read.text.contains(kept), "{kept} keeps its text: {}", read.text);
        }
        let bomb = decoded(&gzip(&vec![b'a'; 50 << 20])).expect("read");
        assert_eq!(bomb.text.len() as u64, UNPACKED, "no more than the bound");
        assert!(bomb.note.is_some_and(|n| n.contains("first 1 MiB")), "which is said");
        let zeros = zstd::encode_all(&vec![b'a'; 50 << 20][..], 3).expect("packed");
        assert!(decoded(&zeros).expect("read").note.is_some(), "the same of zstd");
        let broken = decoded(&gzip(inner)[..20]).expect("read");
        assert!(broken.note.is_some_and(|n| n.contains("cannot be unpacked")), "half of it is said to be damaged");
        assert_eq!(decoded(b"plain"), None, "text is its own");
    }
}
