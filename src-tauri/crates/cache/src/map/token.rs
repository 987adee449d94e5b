//! Parts of a key's name: where it is divided, and what of it is an identifier.

/// Characters that divide names.
const CANDIDATES: &[u8] = b":/.|";
/// A candidate divides when at least this share of the names has it and none that was chosen before.
const CHOSEN_SHARE: f64 = 0.05;
/// Parts of a name at most; the rest of a longer one is its last part.
const DEEPEST: usize = 12;
/// A longer part is nobody's word for a namespace. It bounds what the tree holds of names too.
const LONGEST: usize = 128;

/// Characters at which names are divided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delimiters(Vec<u8>);

impl Delimiters {
    /// These characters; others than ASCII punctuation are left out.
    pub(crate) fn these(text: &str) -> Self {
        Self(text.bytes().filter(u8::is_ascii_punctuation).collect())
    }

    /// Those that most of these names have: the one that most have first, then whichever divides names that no chosen one does, so
    /// that the `.` and `/` of an address inside `http:…` do not.
    pub(crate) fn detected<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut sets = [0_usize; 16];
        for name in names {
            let set = CANDIDATES.iter().enumerate().fold(0, |set, (i, c)| set | usize::from(name.contains(c)) << i);
            sets[set] += 1;
        }
        let all: usize = sets.iter().sum();
        let (mut chosen, mut out) = (0, Vec::new());
        loop {
            let gain = |i: usize| -> usize {
                (0..16).filter(|set| set & chosen == 0 && set >> i & 1 == 1).map(|set| sets[set]).sum()
            };
            // Of equals the first of the list.
            let Some(best) = (0..CANDIDATES.len()).rev().max_by_key(|i| gain(*i)) else { break };
            if gain(best) == 0 || (gain(best) as f64) < CHOSEN_SHARE * all as f64 {
                break;
            }
            chosen |= 1 << best;
            out.push(CANDIDATES[best]);
        }
        Self(if out.is_empty() { vec![b':'] } else { out })
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|c| char::from(*c)).collect()
    }

    fn has(&self, byte: u8) -> bool {
        self.0.contains(&byte)
    }
}

/// What stands for a part of a name in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Segment<'a> {
    /// The part itself.
    Literal(&'a [u8]),
    /// An identifier, whichever, with the braces of a cluster's hash tag that it has.
    Any(Braces),
}

/// Braces of a cluster's hash tag around a part, or at one end of it where the tag has several parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Braces {
    #[default]
    None,
    Open,
    Close,
    Both,
}

impl Braces {
    pub(crate) fn of(part: &[u8]) -> Self {
        match (part.starts_with(b"{"), part.ends_with(b"}")) {
            (false, false) => Self::None,
            (true, false) => Self::Open,
            (false, true) => Self::Close,
            (true, true) => Self::Both,
        }
    }

    /// Any part with them, as a pattern has it.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::None => "*",
            Self::Open => "{*",
            Self::Close => "*}",
            Self::Both => "{*}",
        }
    }
}

impl<'a> Segment<'a> {
    /// An identifier of which this part is one.
    pub(crate) fn any(part: &[u8]) -> Self {
        Self::Any(Braces::of(part))
    }

    /// An identifier in the place of this part.
    pub(crate) fn folded(self) -> Self {
        match self {
            Self::Literal(part) => Self::any(part),
            Self::Any(braces) => Self::Any(braces),
        }
    }
}

/// A part of a name with what follows it. A part that a delimiter follows is a namespace, one that nothing follows is the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token<'a> {
    pub(crate) segment: Segment<'a>,
    pub(crate) delimiter: Option<u8>,
}

/// The parts of a name, in their order; one even where it is empty.
pub(crate) fn tokens<'a>(name: &'a [u8], delimiters: &Delimiters) -> impl Iterator<Item = Token<'a>> {
    let mut rest = Some(name);
    let mut depth = 0;
    std::iter::from_fn(move || {
        let now = rest?;
        depth += 1;
        let at = if depth < DEEPEST { now.iter().position(|b| delimiters.has(*b)) } else { None };
        let part = &now[..at.unwrap_or(now.len())];
        rest = at.map(|at| &now[at + 1..]);
        let segment = if is_identifier(part) { Segment::any(part) } else { Segment::Literal(part) };
        Some(Token { segment, delimiter: at.map(|at| now[at]) })
    })
}

/// Whether a part tells one thing from another, and no kind: a number, a date, a UUID, 16 or more hexadecimal digits, a ULID, or
/// what is too long for a word. The braces of a cluster's hash tag, whose parts may be several, are no part of it.
pub(crate) fn is_identifier(part: &[u8]) -> bool {
    let part = part.strip_prefix(b"{").unwrap_or(part);
    let part = part.strip_suffix(b"}").unwrap_or(part);
    if part.len() > LONGEST {
        return true;
    }
    let number = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if part.iter().any(u8::is_ascii_digit) && part.iter().all(number) {
        return true;
    }
    part.len() >= 16 && part.iter().all(u8::is_ascii_hexdigit) || is_uuid(part) || is_ulid(part)
}

fn is_uuid(part: &[u8]) -> bool {
    part.len() == 36
        && part.iter().enumerate().all(
            |(i, b)| {
                if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() }
            },
        )
}

/// 26 characters of Crockford's alphabet, the first at most 7: 128 bits.
fn is_ulid(part: &[u8]) -> bool {
    let letter = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() && !matches!(b, b'I' | b'L' | b'O' | b'U');
    part.len() == 26 && part[0] <= b'7' && part.iter().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        let colon = Delimiters::these(":");
        let parts = tokens(name.as_bytes(), &colon).map(|t| {
            let part = match t.segment {
                Segment::Literal(part) => String::from_utf8_lossy(part).into_owned(),
                Segment::Any(braces) => braces.pattern().to_owned(),
            };
            part + &t.delimiter.map(|d| char::from(d).to_string()).unwrap_or_default()
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn identifiers_are_collapsed_and_words_are_not() {
        for (name, right) in [
            ("user:118:profile", "user: *: profile"),
            ("availability:7:2026-12-01", "availability: *: *"),
            ("s:550e8400-e29b-41d4-a716-446655440000", "s: *"),
            ("s:0123456789abcdef", "s: *"),
            ("s:01ARZ3NDEKTSV4RRFFQ69G5FAV", "s: *"),
            ("{user:1}:a", "{user: *}: a"),
            ("{1:user}:a", "{*: user}: a"),
            ("t:{42}:a", "t: {*}: a"),
            ("{user}:7", "{user}: *"),
            ("{", "{"),
            ("s:deadbeef", "s: deadbeef"),
            ("s:v2", "s: v2"),
            ("a::b", "a: : b"),
            ("", ""),
            ("a:", "a: "),
            ("-", "-"),
        ] {
            assert_eq!(shown(name), right, "{name}");
        }
        assert_eq!(shown(&format!("x:{}", "y".repeat(4_096))), "x: *", "nothing that long is held");
        assert_eq!(tokens(&b"a:".repeat(100), &Delimiters::these(":")).count(), DEEPEST, "nor anything that deep");
    }

    #[test]
    fn delimiters_are_those_that_divide_names() {
        let found = |names: &[&str]| Delimiters::detected(names.iter().map(|n| n.as_bytes())).text();
        assert_eq!(
            found(&["http:https://a/b.c", "user:1", "user:2"]),
            ":",
            "what is inside an address divides nothing"
        );
        assert_eq!(found(&["user.1", "user.2", "job:1"]), ".:", "both, the commoner first");
        assert_eq!(found(&["a/b/c.png", "d/e/f.png"]), "/", "a path");
        assert_eq!(found(&["plain", "words"]), ":", "the usual one where there is none");
        assert_eq!(found(&[]), ":", "and of nothing");
    }
}
