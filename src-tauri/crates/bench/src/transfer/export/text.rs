//! Texts of a plan inside source code: as data that cannot become code.
use serde::Serialize;

/// JSON that is also a JavaScript expression, inside a page too: no line ends within strings, no `</`, no `<!--`.
///
/// Nothing that is written with it has keys of a person's choice, so `__proto__` is never a key.
pub(super) fn javascript(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value).unwrap_or_default();
    json.replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace("</", "\\u003c/")
        .replace("<!", "\\u003c!")
        .replace('\u{7f}', "\\u007f")
}

/// A Python string literal whose value is JSON. It is ASCII, and both readings of a backslash agree.
pub(super) fn python(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default().replace("</", "\\u003c/");
    let mut literal = String::with_capacity(json.len() + json.len() / 8);
    literal.push('"');
    for c in json.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            ' '..='~' => literal.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    literal.push_str(&format!("\\\\u{unit:04x}"));
                }
            }
        }
    }
    literal.push('"');
    literal
}

/// A name of small letters, digits and single hyphens, as Kubernetes and file systems take it.
pub(super) fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() == 40 {
            break;
        }
    }
    let slug = out.trim_end_matches('-');
    if slug.is_empty() { "plan".to_owned() } else { slug.to_owned() }
}

/// A name for a comment: one line, nothing that ends it.
pub(super) fn comment(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || " -_.,:()".contains(c) { c } else { '?' };
    name.chars().take(120).map(plain).collect()
}
