//! Numbers in sentences: a true minus sign, a thin space before the unit (GUIDE 6 and 8).

/// Thin space, U+2009, before a unit and in thousands.
pub const THIN: char = '\u{2009}';
/// True minus sign, U+2212.
pub const MINUS: char = '\u{2212}';

/// A relative change (−0.31) as `−31 %`: no decimals from 10 % on, one from 1 %, two below.
pub fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    if value.is_infinite() {
        return format!("{}∞{THIN}%", if value > 0.0 { '+' } else { MINUS });
    }
    format!("{}{THIN}%", signed(value))
}

fn signed(value: f64) -> String {
    let size = value.abs();
    let digits = decimals(size);
    let text = format!("{size:.digits$}");
    if text.bytes().all(|b| matches!(b, b'0' | b'.')) {
        return "0".to_owned();
    }
    format!("{}{text}", if value < 0.0 { MINUS } else { '+' })
}

/// Decimals that leave two to three figures.
fn decimals(size: f64) -> usize {
    if size >= 9.95 {
        0
    } else if size >= 0.995 {
        1
    } else {
        2
    }
}

/// An interval of relative changes as `−36 % to −25 %`.
pub fn interval(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// A share without a sign, such as an error rate of 0.004 as `0.40 %`.
pub fn share(value: f64) -> String {
    let value = value * 100.0;
    format!("{value:.0$}{THIN}%", if value == 0.0 { 0 } else { decimals(value) })
}

/// A whole number with thin spaces between thousands: `10 000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// A positive quantity with three significant figures: `48.2`, `1 240`.
pub fn figure(value: f64) -> String {
    if value >= 1e3 {
        let step = 10_f64.powi(value.log10().floor() as i32 - 2);
        return count(((value / step).round() * step) as u64);
    }
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// `1 pair`, `2 pairs`.
pub fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_a_true_minus_and_a_thin_space() {
        assert_eq!(percent(-0.31), "\u{2212}31\u{2009}%", "the guide's own example");
        assert_eq!(percent(0.042), "+4.2\u{2009}%", "one decimal below 10 %");
        assert_eq!(percent(0.0042), "+0.42\u{2009}%", "two below 1 %");
        assert_eq!(percent(0.0996), "+10\u{2009}%", "rounding up to 10 takes 10's decimals");
        assert_eq!(percent(-0.000_01), "0\u{2009}%", "nothing left after rounding has no sign");
        assert_eq!(percent(f64::INFINITY), "+∞\u{2009}%", "one run a side has no upper end");
    }

    #[test]
    fn counts_and_shares_read_like_the_guide() {
        assert_eq!(count(10_000), "10\u{2009}000", "thin spaces in thousands");
        assert_eq!(count(999), "999", "none below a thousand");
        assert_eq!(figure(1_236.0), "1\u{2009}240", "three significant figures");
        assert_eq!(share(0.0), "0\u{2009}%", "no errors is plain 0 %");
        assert_eq!(share(0.004), "0.40\u{2009}%", "a small share keeps two decimals");
        assert_eq!(plural(1, "pair"), "1 pair", "one is singular");
    }
}
