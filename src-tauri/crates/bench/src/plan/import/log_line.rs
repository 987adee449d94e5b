//! One line of an access log in the common or combined format.

/// What a plan needs of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Seconds since 1970, where the time can be read.
    pub(super) at: Option<i64>,
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) status: u16,
}

/// Reads `host ident user [time] "METHOD target HTTP/1.1" status bytes …`; what comes before the time may vary.
pub(super) fn parse(line: &str) -> Option<Line<'_>> {
    let open = line.find('[')?;
    let close = open + line[open..].find(']')?;
    let at = time(&line[open + 1..close]);
    let rest = line[close + 1..].trim_start().strip_prefix('"')?;
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
    let request = &rest[..end?];
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let protocol = words.next().unwrap_or("HTTP/0.9");
    if words.next().is_some() || !protocol.starts_with("HTTP/") || method.is_empty() {
        return None;
    }
    let status: u16 = rest[end? + 1..].split_whitespace().next()?.parse().ok()?;
    (100..600).contains(&status).then_some(Line { at, method, target, status })
}

/// `10/Oct/2000:13:55:36 -0700` in seconds since 1970.
fn time(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, zone) = text.split_once(' ')?;
    let mut parts = date.splitn(3, '/');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|m| *m == name)?).ok()? + 1;
    let mut clock = parts.next()?.splitn(4, ':').map(|n| n.parse::<i64>().ok());
    let (year, hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??, clock.next()??);
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone: i64 = zone.parse().ok().filter(|z: &i64| z.abs() <= 1500)?;
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
        assert_eq!((line.method, line.target, line.status), ("GET", "/a.gif?x=1", 200), "what was asked and answered");
        assert_eq!(line.at, Some(971_211_336), "Apache's own example in seconds");
        let combined = format!(r#"{common} "http://www.example.com/" "Mozilla/4.08 [en] (Win98)""#);
        assert_eq!(parse(&combined), parse(common), "what follows is not needed");
        let quoted = r#"h - - [x] "GET /a\"b HTTP/1.1" 404 -"#;
        assert_eq!(parse(quoted).map(|l| (l.target, l.at)), Some((r#"/a\"b"#, None)), "a quote in the target; no time");
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
            assert_eq!(parse(junk), None, "{junk:?} is no line");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in r#"[\[\]"\\ /:a-zG0-9é\x00-]{0,60}"#) {
            let _ = parse(&line);
            let _ = time(&line);
        }
    }
}
