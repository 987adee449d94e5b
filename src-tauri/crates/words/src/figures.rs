//! Figures as people read them: three significant digits, thin spaces, a true minus, SI for rates and IEC for memory.
//!
//! The same as `ui/src/kit/figures.ts`, digit by digit: halves are rounded away from zero.
use perfdeck_model::Unit;

/// Thin space, U+2009, between a figure and its unit and between thousands.
pub const THIN: char = '\u{2009}';
/// True minus sign, U+2212.
pub const MINUS: char = '\u{2212}';
/// Sign for a missing value: an en dash, U+2013.
pub const DASH: &str = "\u{2013}";

/// Digits after the point at most.
const MOST_DECIMALS: usize = 12;

/// The size of `value` with `decimals` digits after the point, halves away from zero.
fn fixed(value: f64, decimals: usize) -> String {
    let size = value.abs();
    // An exact half ends in a 5 with one digit more; `format!` alone would take the even neighbour.
    let halves = size * 2_f64.powi(i32::try_from(decimals).unwrap_or(0) + 1);
    let half = halves.fract() == 0.0 && format!("{size:.0$}", decimals + 1).ends_with('5');
    let size = if half { size.next_up() } else { size };
    format!("{size:.decimals$}")
}

/// A minus before `text` where `value` is negative and something of it is left after rounding.
fn signed(value: f64, text: &str) -> String {
    if value < 0.0 && is_left(text) { format!("{MINUS}{text}") } else { text.to_owned() }
}

/// Whether a figure is more than zeros after rounding.
fn is_left(text: &str) -> bool {
    text.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

/// Digits with thin spaces between thousands.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number with thin spaces between thousands: `10 000`.
pub fn integer(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    signed(value, &grouped(&format!("{:.0}", value.abs().round())))
}

/// A whole number with thin spaces between thousands: `10 000`.
pub fn count(n: impl TryInto<i128>) -> String {
    let n = n.try_into().unwrap_or(i128::MAX);
    let text = grouped(&n.unsigned_abs().to_string());
    if n < 0 { format!("{MINUS}{text}") } else { text }
}

/// `1 pair`, `2 pairs`.
pub fn plural(n: impl TryInto<i128>, one: &str) -> String {
    let n = n.try_into().unwrap_or(i128::MAX);
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `value` with `digits` significant digits, never in exponent form, trailing zeros kept; whole numbers from where those
/// digits are all before the point.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { DASH.to_owned() };
    }
    // The exponent after rounding: 9.996 with three digits is 10.0.
    let exponent = format!("{value:.0$e}", digits.saturating_sub(1));
    let magnitude = exponent.rsplit_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    let wanted = i32::try_from(digits).unwrap_or(i32::MAX).saturating_sub(1).saturating_sub(magnitude);
    let decimals = usize::try_from(wanted).unwrap_or(0).min(MOST_DECIMALS);
    if decimals == 0 {
        return integer(value);
    }
    let text = fixed(value, decimals);
    if is_left(&text) { signed(value, &text) } else { "0".to_owned() }
}

/// Two digits after the point from 0.01 up to 1, three significant ones beyond.
fn small(value: f64) -> String {
    if (0.01..1.0).contains(&value.abs()) { signed(value, &fixed(value, 2)) } else { significant(value, 3) }
}

const SI: [&str; 6] = ["", "k", "M", "G", "T", "P"];
const IEC: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const PER_SECOND: [&str; 5] = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];

/// `value` in the largest unit of which there is one, and that unit.
fn step(value: f64, base: f64, names: &[&'static str]) -> (f64, &'static str) {
    let (mut scaled, mut i) = (value, 0);
    while scaled.abs() >= base * 0.9995 && i + 1 < names.len() {
        scaled /= base;
        i += 1;
    }
    (scaled, names[i])
}

/// Whole below its first larger unit, with three significant digits in those.
fn stepped(value: f64, base: f64, names: &[&'static str]) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    let (scaled, name) = step(value, base, names);
    let text = if name == names[0] { integer(scaled) } else { significant(scaled, 3) };
    format!("{text}{THIN}{name}")
}

/// A rate without its unit: whole numbers as they are up to 9 999, in thousands and so on above: `12.4 k`.
pub fn rate(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    if value.abs() < 9_999.5 {
        return if value.abs() >= 100.0 || value.fract() == 0.0 { integer(value) } else { significant(value, 3) };
    }
    let (scaled, name) = step(value, 1_000.0, &SI);
    format!("{}{THIN}{name}", significant(scaled, 3))
}

/// A rate per second: `1 067/s`, `12.4 k/s`.
pub fn per_second(value: f64) -> String {
    format!("{}/s", rate(value))
}

/// Seconds as s, ms or µs; minutes from 120 s.
pub fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => format!("0{THIN}ms"),
        _ if size < 0.9995e-3 => format!("{}{THIN}µs", significant(value * 1e6, 3)),
        _ if size < 0.9995 => format!("{}{THIN}ms", significant(value * 1e3, 3)),
        _ if size < 120.0 => format!("{}{THIN}s", significant(value, 3)),
        _ => duration(value),
    }
}

/// Milliseconds as s, ms or µs; minutes from 120 s.
pub fn ms(value: f64) -> String {
    seconds(value / 1e3)
}

/// A length of time, in seconds, in whole units: `38 s`, `3 min 38 s`, `2 h 5 min`.
pub fn duration(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    let whole = value.abs().round();
    let two = |first: f64, unit: &str, rest: f64, small: &str| {
        let rest = if rest > 0.0 { format!(" {rest:.0}{THIN}{small}") } else { String::new() };
        format!("{}{THIN}{unit}{rest}", integer(first))
    };
    let text = if whole < 60.0 {
        format!("{whole:.0}{THIN}s")
    } else if whole < 3_600.0 {
        two((whole / 60.0).floor(), "min", whole % 60.0, "s")
    } else {
        let minutes = (whole / 60.0).round();
        two((minutes / 60.0).floor(), "h", minutes % 60.0, "min")
    };
    signed(value, &text)
}

/// How long something took: in ms below a second, with one decimal below ten: `400 ms`, `1.5 s`, `38 s`. What is not 0 does
/// not say 0.
pub fn lasted(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 0.9995 => seconds(value),
        size if size > 0.0 && size < 9.95 => signed(value, &format!("{}{THIN}s", fixed(value, 1))),
        _ => duration(value),
    }
}

/// A number as it was entered, with thin spaces between its thousands: nothing of it is rounded away.
pub fn exactly(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    // A sum of what was entered has no more than twelve digits.
    let size = as_entered(value).abs();
    let text = size.to_string();
    let (whole, decimals) = text.split_once('.').map_or((text.as_str(), String::new()), |(w, d)| (w, format!(".{d}")));
    signed(value, &format!("{}{decimals}", grouped(whole)))
}

/// Without what a sum of binary fractions adds.
fn as_entered(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// Seconds that were asked for, exactly: `250 ms`, `1.5 s`, `1 min 40 s`.
pub fn setting(value: f64) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    if value != 0.0 && value.abs() < 1.0 {
        return format!("{}{THIN}ms", exactly(value * 1e3));
    }
    let size = as_entered(value).abs();
    if size < 60.0 {
        return format!("{}{THIN}s", exactly(value));
    }
    let seconds = (size % 60.0 * 1e9).round() / 1e9;
    let parts = [((size / 3_600.0).floor(), "h"), (((size % 3_600.0) / 60.0).floor(), "min"), (seconds, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0.0).map(|(n, unit)| format!("{}{THIN}{unit}", exactly(*n))).collect();
    signed(value, &said.join(" "))
}

/// A rate that was asked for, exactly: `122.5/s`.
pub fn setting_per_second(value: f64) -> String {
    format!("{}/s", exactly(value))
}

/// Bytes in IEC units.
pub fn bytes(value: f64) -> String {
    stepped(value, 1_024.0, &IEC)
}

/// A ratio as measured, in percent: three significant digits from 1 %, two after the point down to 0.01 %. What is missing to 100 % is
/// not rounded away: `99.99 %` at most.
pub fn ratio(value: f64) -> String {
    let percent = value * 100.0;
    let size = percent.abs();
    let text = match size {
        _ if !size.is_finite() => return DASH.to_owned(),
        _ if (99.95..100.0).contains(&size) => signed(percent, &fixed((size * 100.0).floor() / 100.0, 2)),
        _ if size == 0.0 || size >= 100.0 => integer(percent),
        _ => small(percent),
    };
    format!("{text}{THIN}%")
}

/// A value with its unit; an en dash for a missing one.
pub fn format(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return DASH.to_owned() };
    match unit {
        Unit::Ratio => ratio(value),
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => stepped(value, 1_000.0, &PER_SECOND),
        Unit::Seconds => seconds(value),
        Unit::PerSecond => per_second(value),
        Unit::Count if value.fract() != 0.0 && value.abs() < 10.0 => small(value),
        Unit::Count => rate(value),
    }
}

/// A relative change (−0.31) as `−31 %`: no decimals from 10 % on, one from 1 %, two below; nothing left has no sign. What is left of a
/// loss of more than 99 % is not rounded away: `−99.9 %` at most.
pub fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    let size = value.abs();
    let sign = if value < 0.0 { MINUS } else { '+' };
    if value.is_nan() {
        return DASH.to_owned();
    }
    if value.is_infinite() {
        return format!("{sign}∞{THIN}%");
    }
    let nearly_all = value < -99.0 && value > -100.0;
    let text = if nearly_all { fixed((size * 10.0).floor() / 10.0, 1) } else { coarse(size) };
    if is_left(&text) { format!("{sign}{text}{THIN}%") } else { format!("0{THIN}%") }
}

/// A share in a sentence, without false precision, such as an error rate of 0.004 as `0.40 %`: no decimals from 10 % on,
/// one from 1 %, two below. What is missing to 100 % is not rounded away: `99.9 %` at most.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    let text = match percent.abs() {
        size if !size.is_finite() => return DASH.to_owned(),
        0.0 => "0".to_owned(),
        size if size < 0.01 => significant(percent, 2),
        size if (99.5..100.0).contains(&size) => signed(percent, &fixed((size * 10.0).floor() / 10.0, 1)),
        size => signed(percent, &coarse(size)),
    };
    format!("{text}{THIN}%")
}

/// Two figures of a size in percent, whole from 10 on.
fn coarse(size: f64) -> String {
    match size {
        _ if size >= 9.95 => integer(size),
        _ if size >= 0.995 => fixed(size, 1),
        _ => fixed(size, 2),
    }
}

/// An interval of relative changes as `−36 % to −25 %`.
pub fn interval(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// A label of a value axis that ends at `top`: short, with its unit only when `unit_too`.
pub fn axis_label(value: f64, unit: Unit, top: f64, unit_too: bool) -> String {
    let plain = |v: f64| if v.fract() == 0.0 { integer(v) } else { significant(v, 3) };
    match unit {
        Unit::Ratio => {
            format!("{}{}", plain(six(value * 100.0)), if unit_too { format!("{THIN}%") } else { String::new() })
        }
        Unit::Bytes | Unit::BytesPerSecond => {
            let (base, names): (f64, &[&'static str]) =
                if unit == Unit::Bytes { (1_024.0, &IEC) } else { (1_000.0, &PER_SECOND) };
            let (scaled, name) = step(top, base, names);
            let factor = if scaled == 0.0 { 1.0 } else { top / scaled };
            let text = stripped(&plain(value / factor));
            if unit_too { format!("{text}{THIN}{name}") } else { text }
        }
        _ if value == 0.0 => "0".to_owned(),
        // From two minutes on a time is in two units, and each label has its own.
        Unit::Seconds if unit_too || top >= 120.0 => stripped(&seconds(value)),
        Unit::Seconds => {
            let factor = match top.abs() {
                size if size < 0.9995e-3 => 1e6,
                size if size < 0.9995 => 1e3,
                _ => 1.0,
            };
            stripped(&plain(six(value * factor)))
        }
        Unit::PerSecond | Unit::Count if top.abs() < 9_999.5 => stripped(&rate(value)),
        // One notation on one axis: all from 1 000 on in thousands.
        Unit::PerSecond | Unit::Count => {
            let (scaled, name) = step(value, 1_000.0, &SI);
            let space = if name.is_empty() { String::new() } else { THIN.to_string() };
            stripped(&format!("{}{space}{name}", significant(scaled, 3)))
        }
    }
}

/// Six significant digits, as a number again.
fn six(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// A figure without the zeros after its point that say nothing.
fn stripped(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (places, unit) = rest.split_at(end);
    let places = places.trim_end_matches('0');
    format!("{whole}{}{places}{unit}", if places.is_empty() { "" } else { "." })
}
