//! Numbers as a person reads them: three significant figures, a thin space before the unit, a true minus.
use perfdeck_model::Unit;

/// Between a number and its unit, and between thousands: a thin space that does not break.
const THIN: char = '\u{202f}';

/// Three significant figures for |x| < 1000; whole numbers with grouped thousands above.
pub(crate) fn sig3(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let a = x.abs();
    if a == 0.0 {
        return "0".to_owned();
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let text = if a >= 999.5 {
        group(a.round() as u64)
    } else {
        // Places after the point so that three figures remain; rounding up may gain a figure (9.996 -> 10.0).
        let places = (2.0 - a.log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{a:.places$}");
        let figures = text.chars().filter(char::is_ascii_digit).collect::<String>().trim_start_matches('0').len();
        if figures > 3 && places > 0 { format!("{a:.0$}", places - 1) } else { text }
    };
    if x < 0.0 { format!("\u{2212}{text}") } else { text }
}

/// A whole number with grouped thousands.
pub(crate) fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(c);
    }
    out
}

fn with(x: f64, unit: &str) -> String {
    format!("{}{THIN}{unit}", sig3(x))
}

/// SI prefix: `12.3 k`, without a unit.
pub(crate) fn si(x: f64, unit: &str) -> String {
    let a = x.abs();
    let (divisor, prefix) = if a >= 999_500_000.0 {
        (1e9, "G")
    } else if a >= 999_500.0 {
        (1e6, "M")
    } else if a >= 999.5 {
        (1e3, "k")
    } else {
        (1.0, "")
    };
    if prefix.is_empty() && unit.is_empty() { sig3(x) } else { with(x / divisor, &format!("{prefix}{unit}")) }
}

/// Milliseconds as µs, ms or s.
pub(crate) fn ms(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let a = x.abs();
    if a == 0.0 {
        format!("0{THIN}ms")
    } else if a < 0.9995 {
        with(x * 1e3, "µs")
    } else if a < 999.5 {
        with(x, "ms")
    } else {
        with(x / 1e3, "s")
    }
}

/// Bytes in IEC units.
pub(crate) fn bytes(x: f64) -> String {
    let mut value = x;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 999.5 {
            return with(value, unit);
        }
        value /= 1024.0;
    }
    with(value, "TiB")
}

/// A value with the unit of its metric.
pub(crate) fn value(x: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => with(x * 100.0, "%"),
        Unit::Bytes => bytes(x),
        Unit::BytesPerSecond => si(x, "B/s"),
        Unit::Seconds => ms(x * 1e3),
        Unit::PerSecond => si(x, "/s"),
        Unit::Count => si(x, ""),
    }
}

/// The same for an axis, where zeros after the point say nothing.
pub(crate) fn tick(x: f64, unit: Unit) -> String {
    let text = value(x, unit);
    let (number, rest) = text.split_once(THIN).map_or((text.as_str(), None), |(n, r)| (n, Some(r)));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    rest.map_or_else(|| number.to_owned(), |r| format!("{number}{THIN}{r}"))
}

/// Seconds of a setting: `10 s`, `0.5 s`.
pub(crate) fn setting_s(x: f64) -> String {
    format!("{x}{THIN}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures_and_a_unit() {
        for (x, text) in [
            (0.0, "0"),
            (1.0, "1.00"),
            (12.345, "12.3"),
            (9.996, "10.0"),
            (99.96, "100"),
            (0.012345, "0.0123"),
            (999.4, "999"),
            (1234.0, "1\u{202f}234"),
            (-2.5, "\u{2212}2.50"),
        ] {
            assert_eq!(sig3(x), text, "{x} has three figures");
        }
        assert_eq!(ms(0.8321), "832\u{202f}µs", "under a millisecond is microseconds");
        assert_eq!(ms(0.0), "0\u{202f}ms", "zero is zero, not a small number");
        assert_eq!(ms(2345.0), "2.35\u{202f}s", "a thousand milliseconds are seconds");
        assert_eq!(bytes(1_073_741_824.0), "1.00\u{202f}GiB", "memory is IEC");
        assert_eq!(value(0.985, Unit::Ratio), "98.5\u{202f}%", "ratios are percent");
        assert_eq!(value(12_345.0, Unit::PerSecond), "12.3\u{202f}k/s", "rates are SI");
        assert_eq!(tick(0.5, Unit::Ratio), "50\u{202f}%", "axis labels have no idle zeros");
        assert_eq!(tick(100.0, Unit::Count), "100", "but keep those that count");
        assert_eq!(sig3(f64::NAN), "–", "what is not known is a dash");
    }
}
