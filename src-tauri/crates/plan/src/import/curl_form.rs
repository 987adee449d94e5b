//! The forms of curl's `--form`, written as curl writes them (RFC 7578).
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Error;

/// Reads the file of this name, as the command wrote it.
pub(super) type ReadFile<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>, Error> + 'a;

/// What stands before the digits of a boundary.
const DASHES: &str = "------------------------";

/// Types that curl knows by the end of a file's name.
const TYPES: &[(&str, &str)] = &[
    (".gif", "image/gif"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".png", "image/png"),
    (".svg", "image/svg+xml"),
    (".txt", "text/plain"),
    (".htm", "text/html"),
    (".html", "text/html"),
    (".pdf", "application/pdf"),
    (".xml", "application/xml"),
];

/// A text as curl encodes it: all but what RFC 3986 calls unreserved.
pub(super) fn url_encode(bytes: &[u8]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encode(bytes, KEPT).to_string()
}

#[derive(Debug)]
struct Part {
    name: String,
    file: Option<String>,
    kind: Option<String>,
    content: Vec<u8>,
}

/// The parts of a form.
#[derive(Debug, Default)]
pub(super) struct Form {
    parts: Vec<Part>,
    /// Quotes in names are escaped by a backslash instead of percent signs.
    pub(super) backslashes: bool,
}

fn refused<T>(message: &str, hint: &str) -> Result<T, Error> {
    Err(Error::Unsupported { message: message.to_owned(), hint: hint.to_owned() })
}

/// Where a value ends, and the value: quoted, or up to the next semicolon.
fn word(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let begin = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(text.len());
    let text = &text[begin..];
    if text.first() == Some(&b'"') {
        let (mut out, mut at) = (Vec::new(), 1);
        while let Some(byte) = text.get(at) {
            match byte {
                b'\\' if matches!(text.get(at + 1), Some(b'"' | b'\\')) => {
                    out.extend(text.get(at + 1));
                    at += 1;
                }
                b'"' => {
                    let rest = &text[at + 1..];
                    let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
                    return (out, &rest[end..]);
                }
                byte => out.push(*byte),
            }
            at += 1;
        }
    }
    let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
    let value = text[..end].trim_ascii_end();
    (value.to_vec(), &text[end..])
}

impl Form {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds `name=string` as it is.
    ///
    /// # Errors
    /// When it has no `=`.
    pub(super) fn add_string(&mut self, text: &[u8]) -> Result<(), Error> {
        let (name, value) = name_of(text)?;
        self.parts.push(Part { name, file: None, kind: None, content: value.to_vec() });
        Ok(())
    }

    /// Adds `name=content`, `name=@file` or `name=<file` with what follows a semicolon; `read` reads a file.
    ///
    /// # Errors
    /// For what curl refuses too, and for several files, encoders and headers of a part.
    pub(super) fn add(&mut self, text: &[u8], read: &mut ReadFile<'_>) -> Result<(), Error> {
        let (name, value) = name_of(text)?;
        if name.is_empty() && (value.starts_with(b"(") || value.starts_with(b"=)")) {
            return refused("a form within a form cannot be imported", "write its text as the body");
        }
        let marked = value.first().copied().filter(|b| b"@<".contains(b));
        let (content, mut rest) = word(if marked.is_some() { &value[1..] } else { value });
        let (mut kind, mut file) = (None, None);
        while let Some(after) = rest.strip_prefix(b";") {
            let begin = after.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(after.len());
            let after = &after[begin..];
            let lower: Vec<u8> = after.iter().take(12).map(u8::to_ascii_lowercase).collect();
            if lower.starts_with(b"type=") {
                let text = &after[5..];
                // Its own parameters follow it, up to the next word that is one of curl's.
                let end = type_end(text);
                kind = Some(String::from_utf8_lossy(text[..end].trim_ascii()).into_owned());
                rest = &text[end..];
            } else if lower.starts_with(b"filename=") {
                let (name, after) = word(&after[9..]);
                (file, rest) = (Some(String::from_utf8_lossy(&name).into_owned()), after);
            } else if lower.starts_with(b"headers=") || lower.starts_with(b"encoder=") {
                return refused(
                    "headers and encoders of --form cannot be imported",
                    "write the form's text as the body",
                );
            } else {
                // curl skips what it does not know.
                rest = word(after).1;
            }
        }
        let path = String::from_utf8_lossy(&content).into_owned();
        let content = match marked {
            Some(_) => {
                if marked == Some(b'@') && content.contains(&b',') {
                    return refused(
                        "several files in one --form cannot be imported",
                        "write each as a form of its own",
                    );
                }
                read(&content)?
            }
            None => content,
        };
        if marked == Some(b'@') {
            let base = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            let lower = file.as_ref().unwrap_or(&base).to_ascii_lowercase();
            let known =
                TYPES.iter().find(|(end, _)| lower.ends_with(end)).map_or("application/octet-stream", |(_, k)| k);
            kind = Some(kind.unwrap_or_else(|| known.to_owned()));
            file = Some(file.unwrap_or(base));
        }
        self.parts.push(Part { name, file, kind, content });
        Ok(())
    }

    /// The body and its boundary. The boundary is the same each time, unlike curl's.
    pub(super) fn written(&self) -> (Vec<u8>, String) {
        let mut seed = DefaultHasher::new();
        for part in &self.parts {
            part.content.hash(&mut seed);
        }
        let boundary = (0u32..)
            .map(|n| {
                n.hash(&mut seed);
                format!("{DASHES}{:016x}", seed.finish())
            })
            .find(|b| !self.parts.iter().any(|p| p.content.windows(b.len()).any(|w| w == b.as_bytes())))
            .unwrap_or_else(|| DASHES.to_owned());
        let mut out = Vec::new();
        for part in &self.parts {
            out.extend(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", self.quoted(&part.name)).bytes(),
            );
            if let Some(file) = &part.file {
                out.extend(format!("; filename=\"{}\"", self.quoted(file)).bytes());
            }
            if let Some(kind) = &part.kind {
                out.extend(format!("\r\nContent-Type: {kind}").bytes());
            }
            out.extend(b"\r\n\r\n");
            out.extend(&part.content);
            out.extend(b"\r\n");
        }
        out.extend(format!("--{boundary}--\r\n").bytes());
        (out, boundary)
    }

    fn quoted(&self, name: &str) -> String {
        if self.backslashes {
            return name.replace('\\', "\\\\").replace('"', "\\\"");
        }
        name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
    }
}

fn name_of(text: &[u8]) -> Result<(String, &[u8]), Error> {
    let at = text.iter().position(|b| *b == b'=');
    let at = at.ok_or_else(|| Error::Malformed { what: "curl command", message: "a --form has no =".into() })?;
    Ok((String::from_utf8_lossy(&text[..at]).into_owned(), &text[at + 1..]))
}

/// How long a type is, with its parameters.
fn type_end(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += text[end..].iter().position(|b| *b == b';').unwrap_or(text.len() - end);
        let next: Vec<u8> =
            text[end..].iter().skip(1).skip_while(|b| b.is_ascii_whitespace()).take(9).copied().collect();
        let next = next.to_ascii_lowercase();
        let own = [&b"type="[..], b"filename=", b"headers=", b"encoder="].iter().any(|key| next.starts_with(key));
        if own || end >= text.len() {
            return end;
        }
        end += 1;
    }
}
