//! Requests as they are shown and stored: addresses, headers and bodies with only their harmless parts.
use percent_encoding::percent_decode_str;

use super::MASK;
use super::names::{is_harmless_header, is_harmless_parameter, is_plain, is_secret_name, is_secret_value, is_small};

/// Masks the parts of requests. What is masked already stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masker {
    /// Texts are sent as they are.
    Literal,
    /// Texts are templates of a plan: their slots `{{name}}` hold no value and are shown.
    Template,
}

/// Whether a part of this text was masked: it is not what was sent, and cannot be sent again.
pub fn has_mask(text: &str) -> bool {
    text.contains(MASK)
}

/// A part of a template.
enum Part<'a> {
    Slot(&'a str),
    Text(&'a str),
}

/// Whether what stands between the braces of a slot is a name with filters or a function with numbers.
fn is_slot(inner: &str) -> bool {
    !inner.trim().is_empty()
        && inner.len() <= 200
        && inner.chars().all(|c| c.is_ascii_alphanumeric() || " $_-.:|".contains(c))
        && !is_secret_value(inner.trim())
}

impl Masker {
    fn parts(self, text: &str) -> Vec<Part<'_>> {
        if self == Self::Literal {
            return vec![Part::Text(text)];
        }
        let (mut parts, mut rest, mut from) = (Vec::new(), text, 0);
        while let Some(at) = rest[from..].find("{{").map(|at| at + from) {
            let slot = rest[at + 2..].find("}}").map(|end| (at, at + 2 + end + 2));
            let escaped = rest[..at].ends_with('\\');
            match slot {
                Some((start, end)) if !escaped && is_slot(&rest[start + 2..end - 2]) => {
                    parts.push(Part::Text(&rest[..start]));
                    parts.push(Part::Slot(&rest[start..end]));
                    (rest, from) = (&rest[end..], 0);
                }
                _ => from = at + 2,
            }
        }
        parts.push(Part::Text(rest));
        parts
    }

    /// A text of which nothing is known: only slots, marks between them and the names of authentication schemes stay.
    pub fn value(self, text: &str) -> String {
        self.each(text, |literal| {
            let marks = literal.chars().all(|c| c.is_ascii_punctuation() || c == ' ');
            let scheme = ["Bearer ", "Basic ", "Token "].contains(&literal);
            marks || scheme || is_masked(literal)
        })
    }

    /// Replaces the texts between slots that are not harmless.
    fn each(self, text: &str, harmless: impl Fn(&str) -> bool) -> String {
        if self == Self::Literal {
            return if text.is_empty() || is_masked(text) { text.to_owned() } else { MASK.to_owned() };
        }
        self.parts(text)
            .iter()
            .map(|part| match part {
                Part::Slot(slot) => *slot,
                Part::Text(literal) if harmless(literal) => literal,
                Part::Text(_) => MASK,
            })
            .collect()
    }

    /// A value that is shown where it is a switch or a small number.
    pub fn small(self, text: &str) -> String {
        if is_small(text) { text.to_owned() } else { self.value(text) }
    }

    /// The key of a cache, or what keys begin with: plain words with `:` between them stay.
    pub fn key(self, text: &str) -> String {
        let word = |word: &str| {
            let bare = word.trim_matches(['{', '}']);
            if bare.is_empty() || is_plain(bare) || is_masked(bare) { word.to_owned() } else { MASK.to_owned() }
        };
        self.parts(text)
            .iter()
            .map(|part| match part {
                Part::Slot(slot) => (*slot).to_owned(),
                Part::Text(text) => text.split(':').map(word).collect::<Vec<_>>().join(":"),
            })
            .collect()
    }

    /// A full URL, or a path with its query: the host, plain words of the path and harmless parameters stay. User
    /// information and a fragment go.
    pub fn url(self, text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else { return self.target(text) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let scheme_ok = !scheme.is_empty()
            && scheme.len() <= 32
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let scheme = if scheme_ok { scheme } else { MASK };
        let (user, host) = match authority.rsplit_once('@') {
            Some((_, host)) => (MASK, host),
            None => ("", authority),
        };
        let host_ok = |host: &str| {
            // After a `:` comes a port, or what was meant as a password without its host.
            let port = match host.rsplit_once(']') {
                Some((_, after)) => after.strip_prefix(':').unwrap_or(after),
                None => host.split_once(':').map_or("", |(_, port)| port),
            };
            port.bytes().all(|b| b.is_ascii_digit())
                && host.len() <= 255
                && host.chars().all(|c| c.is_alphanumeric() || "-._:[]%,".contains(c))
                && !is_secret_value(host)
        };
        let shown: String = self
            .parts(host)
            .iter()
            .map(|part| match part {
                Part::Slot(slot) => *slot,
                Part::Text(text) if host_ok(text) => text,
                Part::Text(_) => MASK,
            })
            .collect();
        let at = if user.is_empty() { "" } else { "@" };
        format!("{scheme}://{user}{at}{shown}{}", self.target(target))
    }

    /// Path and query.
    pub fn target(self, text: &str) -> String {
        // A slot may hold none of these marks but in its filters, which are names.
        let text = text.split('#').next().unwrap_or_default();
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let mut secret = false;
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| {
                let shown = if secret && !segment.is_empty() { self.value(segment) } else { self.segment(segment) };
                secret = is_secret_name(segment);
                shown
            })
            .collect();
        let path = segments.join("/");
        query.map_or_else(|| path.clone(), |query| format!("{path}?{}", self.pairs(query)))
    }

    fn segment(self, segment: &str) -> String {
        let (word, parameters) = segment.split_once(';').map_or((segment, None), |(w, p)| (w, Some(p)));
        let shown: String = self
            .parts(word)
            .iter()
            .map(|part| match part {
                Part::Slot(slot) => *slot,
                Part::Text(text) if text.is_empty() || is_masked(text) || is_plain(&decoded(text)) => text,
                Part::Text(_) => MASK,
            })
            .collect();
        parameters.map_or_else(|| shown.clone(), |p| format!("{shown};{}", self.list(p, ';')))
    }

    /// The pairs of a query or a form.
    pub fn pairs(self, query: &str) -> String {
        self.list(query, '&')
    }

    fn list(self, text: &str, between: char) -> String {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) => {
                let plain = decoded(name);
                let bare = plain.replace(['[', ']'], "_");
                let shown = if is_plain(&bare) || is_masked(name) { name } else { MASK };
                if is_harmless_parameter(&plain, &decoded(value)) {
                    format!("{shown}={value}")
                } else {
                    format!("{shown}={}", self.value(value))
                }
            }
            // A name alone, or a token alone.
            None => self.value(pair),
        };
        text.split(between).map(pair).collect::<Vec<_>>().join(&between.to_string())
    }

    /// The value of a request header.
    pub fn header(self, name: &str, value: &str) -> String {
        if is_masked(value) || is_harmless_header(name, value) {
            return value.to_owned();
        }
        if ["referer", "origin"].contains(&name.trim().to_ascii_lowercase().as_str()) && value.contains("://") {
            return self.url(value);
        }
        self.value(value)
    }

    /// A body: nothing but its size, or the slots of a template.
    pub fn body(self, text: &str) -> String {
        if text.is_empty() || text.starts_with(MASK) {
            return text.to_owned();
        }
        match self {
            Self::Literal => format!("{MASK} ({} bytes)", text.len()),
            Self::Template => self.value(text),
        }
    }
}

/// Whether a text is nothing but a mask, perhaps with the size of what it stands for.
fn is_masked(text: &str) -> bool {
    text == MASK
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_only_what_is_known_to_be_harmless() {
        for (text, want, why) in [
            ("http://h/a?api_key=SECRET", "http://h/a?api_key=•••", "a secret's name"),
            ("https://u:p@h/x?page=2&q=alice#f", "https://•••@h/x?page=2&q=•••", "user, search text, fragment"),
            ("http://h:80/users/42/orders", "http://h:80/users/42/orders", "plain words stay"),
            ("http://h/reset/abc", "http://h/reset/abc", "a word is a word"),
            ("http://h/token/abc?x=1", "http://h/token/•••?x=1", "what follows a secret's name"),
            ("http://h/u/123e4567-e89b-12d3-a456-426614174000", "http://h/u/•••", "what cannot be guessed"),
            ("http://h/a;jsessionid=9F8A?SECRET", "http://h/a;jsessionid=•••?•••", "path parameters, a bare query"),
            ("http://h/bot12345678:AAF/send", "http://h/•••/send", "a bot's token"),
            ("http://h?s%65cret=1", "http://h?s%65cret=•••", "names are decoded"),
            ("http://h/?filter[name]=bob&filter[page]=3", "http://h/?filter[name]=•••&filter[page]=3", "arrays"),
            ("http://[fe80::1%25lo]:8080/", "http://[fe80::1%25lo]:8080/", "IPv6 with its zone"),
            ("/a?k%20=v", "/a?k%20=•••", "a path alone"),
            ("http://SECRET pass/x", "http://•••/x", "no host name"),
            ("http://user:SECRET/x", "http://•••/x", "no port"),
        ] {
            assert_eq!(Masker::Literal.url(text), want, "{why}");
            assert_eq!(Masker::Literal.url(want), want, "masking twice is masking once: {why}");
        }
        let slots = Masker::Literal.url("http://h/{{SECRET}}?a={{SECRET}}");
        assert!(!slots.contains("SECRET"), "without templates braces are text: {slots}");
    }

    #[test]
    fn templates_keep_their_slots() {
        let t = Masker::Template;
        assert_eq!(
            t.target("/u/{{user.id}}?token={{env:TOKEN|url}}&a=b{{x}}"),
            "/u/{{user.id}}?token={{env:TOKEN|url}}&a=•••{{x}}"
        );
        assert_eq!(
            t.header("Authorization", "Bearer {{env:TOKEN}}"),
            "Bearer {{env:TOKEN}}",
            "the scheme is no secret"
        );
        assert_eq!(t.header("Authorization", "Bearer abc{{x}}"), "•••{{x}}", "a literal part may be one");
        assert_eq!(t.value(r"\{{SECRET}}"), "•••", "escaped braces are text");
        assert_eq!(t.value("{{SECRET'}}"), "•••", "and so is what is no name");
        assert_eq!(t.value("{{$random 1 100}}-{{x}}"), "{{$random 1 100}}-{{x}}", "functions");
        assert_eq!(t.body("{{a}}"), "{{a}}");
        assert_eq!(t.url("https://{{env:HOST}}/v1"), "https://{{env:HOST}}/v1");
    }

    #[test]
    fn headers_and_bodies_are_masked_unless_known() {
        let m = Masker::Literal;
        assert_eq!(m.header("Accept", "text/html"), "text/html");
        assert_eq!(m.header("X-Tenant", "clinic"), MASK, "an unknown header");
        assert_eq!(m.header("Referer", "http://h/?token=1"), "http://h/?token=•••");
        assert_eq!(m.body(r#"{"password":"SECRET"}"#), "••• (21 bytes)");
        assert_eq!(m.body("••• (21 bytes)"), "••• (21 bytes)", "once");
        assert!(has_mask(&m.body("x")) && !has_mask("x"));
    }
}
