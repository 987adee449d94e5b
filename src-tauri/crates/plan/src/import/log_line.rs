//! One line of an access log: in the common or combined format, or in JSON.
use std::borrow::Cow;

use super::log_json;

/// What a plan needs of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Seconds since 1970, where the time can be read.
    pub(super) at: Option<i64>,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) status: u16,
}

/// Why a line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Request,
    Status,
    Protocol,
    Json,
}

impl Why {
    /// For a person, after the number of lines.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Request => "without a request that can be found",
            Self::Status => "without a status of 100 to 599",
            Self::Protocol => "whose request is none of HTTP",
            Self::Json => "that begin like JSON and are none",
        }
    }
}

/// Reads a line that may hold bytes of no UTF-8, as a target is sent: in percent signs.
pub(super) fn decoded(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut out = String::with_capacity(line.len());
            for chunk in line.utf8_chunks() {
                out.push_str(chunk.valid());
                out.extend(chunk.invalid().iter().map(|b| format!("%{b:02X}")));
            }
            Cow::Owned(out)
        }
    }
}

/// `\xC3` of nginx and Apache as `%C3`.
pub(super) fn unescaped(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    let mut rest = target;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.push_str(before);
        match after.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                out.push('%');
                out.push_str(&hex.to_ascii_uppercase());
                rest = &after[2..];
            }
            None => {
                out.push_str("\\x");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Result<Line, Why> {
    parse_at(line, 0)
}

/// Reads a line that is within so many others.
pub(super) fn parse_at(line: &str, depth: usize) -> Result<Line, Why> {
    let json = line.find('{').filter(|at| line.trim_end().ends_with('}') || *at == 0);
    let parsed = json.and_then(|at| serde_json::from_str::<serde_json::Value>(line[at..].trim_end()).ok());
    match (parsed, json) {
        (Some(value), _) if value.is_object() => log_json::parse(&value, depth),
        (_, Some(0)) => Err(Why::Json),
        _ => common(line),
    }
}

/// Reads `host ident user [time] "METHOD target HTTP/1.1" status bytes …`; what comes before the time may vary.
fn common(line: &str) -> Result<Line, Why> {
    // Addresses of IPv6 have brackets too: the time is what the request follows.
    let mut found = None;
    for (open, _) in line.match_indices('[') {
        let Some(close) = line[open..].find(']').map(|at| open + at) else { break };
        if let Some(rest) = line[close + 1..].trim_start().strip_prefix('"') {
            found = Some((time(&line[open + 1..close]), rest));
            break;
        }
    }
    let (at, rest) = found.ok_or(Why::Request)?;
    // Quotes within the request are written \" by Apache and \x22 by nginx.
    let mut end = None;
    let mut escaped = false;
    for (i, c) in rest.char_indices() {
        if c == '"' && !escaped {
            end = Some(i);
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    let end = end.ok_or(Why::Request)?;
    let (method, target) = request(&rest[..end])?;
    let status = rest[end + 1..].split_whitespace().next().and_then(|s| s.parse().ok());
    let status = status.filter(|s| (100..600).contains(s)).ok_or(Why::Status)?;
    Ok(Line { at, method, target, status })
}

/// Method and target of a request line.
pub(super) fn request(line: &str) -> Result<(String, String), Why> {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().ok_or(Why::Protocol)?);
    let protocol = words.next().unwrap_or("HTTP/0.9");
    if words.next().is_some() || !protocol.starts_with("HTTP/") || method.is_empty() {
        return Err(Why::Protocol);
    }
    Ok((method.to_owned(), unescaped(target)))
}

/// `2024-01-31T12:00:00.5+01:00` in seconds since 1970.
pub(super) fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if !text.is_ascii() || marks.iter().any(|(at, mark)| text.as_bytes().get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c == ',' || c.is_ascii_digit());
    let zone = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digits: String = digits.iter().filter(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
            let value: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
            if *sign == b'-' { -value } else { value }
        }
        _ => return None,
    };
    seconds((year, month, day), clock, zone)
}

/// `10/Oct/2000:13:55:36 -0700` in seconds since 1970.
pub(super) fn time(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, zone) = text.split_once(' ')?;
    let mut parts = date.splitn(3, '/');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|m| *m == name)?).ok()? + 1;
    let mut clock = parts.next()?.splitn(4, ':').map(|n| n.parse::<i64>().ok());
    let (year, hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??, clock.next()??);
    let zone: i64 = zone.parse().ok()?;
    seconds((year, month, day), (hour, minute, second), zone)
}

/// A moment in seconds since 1970; the zone is in hours and minutes as `-0700` is written.
fn seconds((year, month, day): (i64, i64, i64), (hour, minute, second): (i64, i64, i64), zone: i64) -> Option<i64> {
    let date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !date
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0..=60).contains(&second)
        || zone.abs() > 1500
    {
        return None;
    }
    // Days since 1970 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - (zone / 100 * 3600 + zone % 100 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_formats_are_read() {
        let common = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1 HTTP/1.0" 200 2326"#;
        let line = parse(common).expect("a line");
        assert_eq!(
            (&*line.method, &*line.target, line.status),
            ("GET", "/a.gif?x=1", 200),
            "what was asked and answered"
        );
        assert_eq!(line.at, Some(971_211_336), "Apache's own example in seconds");
        let combined = format!(r#"{common} "http://www.example.com/" "Mozilla/4.08 [en] (Win98)""#);
        assert_eq!(parse(&combined), parse(common), "what follows is not needed");
        let quoted = r#"h - - [x] "GET /a\"b HTTP/1.1" 404 -"#;
        assert_eq!(
            parse(quoted).map(|l| (l.target, l.at)),
            Ok((r#"/a\"b"#.into(), None)),
            "a quote in the target; no time"
        );
        let v6 = r#"[::1]:80 - - [10/Oct/2000:13:55:36 -0700] "GET /caf\xc3\xa9 HTTP/1.1" 200 1"#;
        let v6 = parse(v6).expect("a line");
        assert_eq!((&*v6.target, v6.at), ("/caf%C3%A9", Some(971_211_336)), "brackets of an address, escapes of nginx");
        let stray = decoded(b"h - - [x] \"GET /a\xff HTTP/1.1\" 200 1 \"\xe9\"").into_owned();
        assert_eq!(parse(&stray).map(|l| l.target), Ok("/a%FF".into()), "bytes of no UTF-8 as they are sent");
        for junk in [
            "",
            "x",
            "[",
            "[]",
            "[] \"",
            "[] \"GET\" 200",
            "[] \"GET /\" x",
            "[] \"GET / x HTTP/1.1 y\" 200",
            "[] \"-\" 400 0",
        ] {
            assert!(parse(junk).is_err(), "{junk:?} is no line");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in r#"[\[\]"\\ /:a-zG0-9é\x00-]{0,60}"#) {
            let _ = parse(&line);
            let _ = (time(&line), rfc3339(&line));
        }
    }
}
