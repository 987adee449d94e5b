//! The parts of a form with files (RFC 7578), their secrets masked where they stand.
use super::super::template::escape;
use super::Notes;
use super::secrets::{Masks, is_secret_name, is_secret_value, may_hold_secrets};

/// The boundary that a content type names.
fn boundary(kind: &str) -> Option<&str> {
    let at = kind.to_ascii_lowercase().find("boundary=")?;
    let rest = kind.get(at + "boundary=".len()..)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([';', ' ']).next(),
    }
    .filter(|b| !b.is_empty())
}

/// What a part's head calls it.
fn name(head: &str) -> Option<&str> {
    let line = head.lines().find(|l| l.get(..20).is_some_and(|l| l.eq_ignore_ascii_case("content-disposition:")))?;
    let at = line.match_indices("name=\"").find(|(at, _)| !line[..*at].ends_with("file"))?.0;
    line.get(at + 6..)?.split('"').next()
}

/// The text as a template; `None` when it is no form of this type.
pub(super) fn masked(text: &str, kind: &str, masks: &mut Masks, notes: &mut Notes) -> Option<String> {
    let mark = format!("--{}", boundary(kind)?);
    let mut parts = text.split(mark.as_str());
    let mut out = escape(parts.next()?);
    let mut ended = false;
    for part in parts {
        out.push_str(&escape(&mark));
        if ended || part.starts_with("--") {
            ended = true;
            out.push_str(&escape(part));
            continue;
        }
        let (head, rest) = part.split_once("\r\n\r\n")?;
        let content = rest.strip_suffix("\r\n")?;
        let name = name(head).unwrap_or("part");
        out.push_str(&escape(head));
        out.push_str("\r\n\r\n");
        if content.is_empty() {
        } else if is_secret_name(name) || is_secret_value(content) || may_hold_secrets(content) {
            out.push_str(&format!("{{{{env:{}}}}}", masks.env(name, content, notes)));
        } else {
            out.push_str(&escape(content));
        }
        out.push_str("\r\n");
    }
    ended.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_form_are_masked_in_their_place() {
        let kind = "multipart/form-data; boundary=XX";
        let part = |name: &str, value: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let whole = |a: &str, b: &str| format!("{}{}--XX--\r\n", part("note", a), part("password", b));
        let mask = |text: &str| masked(text, kind, &mut Masks::default(), &mut Notes::default());
        assert_eq!(mask(&whole("a\r\nb", "pw")), Some(whole("a\r\nb", "{{env:PASSWORD}}")), "by its name");
        assert_eq!(mask(&whole("", "")), Some(whole("", "")), "what is empty stays");
        assert_eq!(mask("--XX\r\nx"), None, "a part without end is no form");
        assert_eq!(
            masked(&whole("a", "b"), "multipart/form-data", &mut Masks::default(), &mut Notes::default()),
            None,
            "nor is one without boundary"
        );
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\"; x=y"), Some("a b"), "a boundary in quotes");
    }
}
