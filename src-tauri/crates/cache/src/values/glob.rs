//! Patterns of the server's: what must be taken literally is escaped, and what the in-process cache has is matched as a server would.

/// Bytes as a pattern that matches just them.
pub fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'-' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// One step of a pattern: whether a byte fits, and the rest of it.
fn step(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'\\', literal, rest @ ..] => (*literal == byte, rest),
        [b'[', rest @ ..] => set(rest, byte),
        [literal, rest @ ..] => (*literal == byte, rest),
        [] => (false, pattern),
    }
}

/// A set of bytes after its bracket; one that is not closed ends with the pattern, as in the server.
fn set(mut pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut not = false;
    if let [b'^', rest @ ..] = pattern {
        (not, pattern) = (true, rest);
    }
    let mut fits = false;
    loop {
        pattern = match pattern {
            [] => return (fits != not, pattern),
            [b']', rest @ ..] => return (fits != not, rest),
            [b'\\', literal, rest @ ..] => {
                fits |= *literal == byte;
                rest
            }
            [low, b'-', high, rest @ ..] => {
                fits |= ((*low).min(*high)..=(*low).max(*high)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                fits |= *literal == byte;
                rest
            }
        };
    }
}

/// Whether a pattern matches bytes. It takes at most as many steps as one is long times the other.
pub(crate) fn matches(pattern: &[u8], bytes: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // The last star, and the byte that it ended before.
    let mut star: Option<(&[u8], usize)> = None;
    while at < bytes.len() {
        if let [b'*', after @ ..] = rest {
            star = Some((after, at));
            rest = after;
            continue;
        }
        let (fits, after) = step(rest, bytes[at]);
        if fits {
            (rest, at) = (after, at + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (rest, at) = (after, from + 1);
        } else {
            return false;
        }
    }
    rest.iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_server_would() {
        for (pattern, bytes, right) in [
            ("*", "", true),
            ("user:*:n", "user:1:2:n", true),
            ("h?llo", "hllo", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a[", "a[", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), bytes.as_bytes()), right, "{pattern} on {bytes}");
        }
    }

    #[test]
    fn escaped_bytes_match_themselves_and_nothing_else() {
        for name in [&b"a*b"[..], b"a[1-9]?*\\^-", b"[x]", b"q?", b"\\", b"a-z", b"^", b"plain:7", b"\xff*\x00"] {
            assert!(matches(&escaped(name), name), "{}", name.escape_ascii());
            for other in [&b"aXb"[..], b"x", b"qq", b"", b"b", b"plain:77", b"\xffz\x00"] {
                assert!(!matches(&escaped(name), other), "{} is not {}", name.escape_ascii(), other.escape_ascii());
            }
        }
    }
}
