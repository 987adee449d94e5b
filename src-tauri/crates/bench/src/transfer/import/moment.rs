//! Points in time as engines write them.

/// Milliseconds since 1970, of a number of seconds, milliseconds, microseconds or nanoseconds: which, its size tells.
pub(super) fn epoch(text: &str) -> Option<f64> {
    let n: f64 = text.trim().parse().ok()?;
    let ms = match n {
        n if !(1e8..1e20).contains(&n) => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    Some(ms)
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year starts in March, so that the leap day is its last.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Milliseconds since 1970 of `2026-11-23T14:06:30.123Z` or with an offset such as `+01:00`.
pub(super) fn rfc3339(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = |range: std::ops::Range<usize>, low: i64, high: i64| {
        let digits = text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<i64>().ok().filter(|n| (low..=high).contains(n))
    };
    let is = |at: usize, c: &[u8]| text.as_bytes().get(at).is_some_and(|b| c.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4, 1970, 9999)?, number(5..7, 1, 12)?, number(8..10, 1, 31)?);
    let (hour, minute, second) = (number(11..13, 0, 23)?, number(14..16, 0, 59)?, number(17..19, 0, 60)?);
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => (0.0, rest),
        Some(after) => {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            (format!("0.{}", after.get(..end)?).parse::<f64>().ok()?, after.get(end..)?)
        }
    };
    let offset = if matches!(zone, "Z" | "z") {
        0
    } else {
        let sign = match zone.as_bytes() {
            [b'+', _, _, b':', _, _] => 1,
            [b'-', _, _, b':', _, _] => -1,
            _ => return None,
        };
        let two = |range: std::ops::Range<usize>| zone.get(range).and_then(|t| t.parse::<i64>().ok());
        sign * (two(1..3)? * 60 + two(4..6)?)
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + (minute - offset) * 60 + second;
    let ms = (seconds as f64 + fraction) * 1e3;
    Some(ms)
}
