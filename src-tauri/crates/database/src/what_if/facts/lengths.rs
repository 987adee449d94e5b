//! How many bytes values take in an index of PostgreSQL, by the values that its statistics have. Pure.
//!
//! The server tells the mean of a column's lengths, cut to whole bytes. An entry is filled up to a multiple of eight, so that two columns of the
//! same mean can make indexes of which one is a sixth larger: numbers of up to four digits all take five bytes.

/// Longest value whose length stands in one byte, that byte included (`VARATT_SHORT_MAX`).
const SHORTEST_LONG: f64 = 127.0;

/// Lengths of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lengths {
    /// Their mean.
    pub(super) mean: f64,
    /// How much of the rows leaves each remainder by 8.
    pub(super) remainders: [f64; 8],
}

/// The lengths of texts or numbers: of common values by their share of the rows, of the others by the bounds between which as many rows lie.
/// `None` of other types, and where there is no value.
pub(super) fn lengths(type_name: &str, common: &[(String, f64)], bounds: &[String], nulls: f64) -> Option<Lengths> {
    let of: fn(&str) -> Option<f64> = match type_name {
        "text" | "varchar" | "bpchar" => |text| Some(text.len() as f64 + 1.0),
        "numeric" => number,
        _ => return None,
    };
    let shares: f64 = common.iter().map(|(_, share)| share).sum();
    let each = (1.0 - nulls - shares).max(0.0) / bounds.len().max(1) as f64;
    let rest = bounds.iter().map(|value| (value, each));
    let (mut all, mut sum, mut remainders) = (0.0, 0.0, [0.0; 8]);
    for (value, share) in common.iter().map(|(value, share)| (value, *share)).chain(rest) {
        let length = of(value).filter(|length| *length < SHORTEST_LONG)?;
        (all, sum) = (all + share, sum + share * length);
        remainders[length as usize % 8] += share;
    }
    (all > 0.0).then(|| Lengths { mean: sum / all, remainders })
}

/// Bytes of a number, one for its length among them: its head takes two, each group of four digits on either side of the point two more,
/// without the zeros at both ends (`numeric.c`). `None` of one that is none, and of those with more digits than its short head can tell.
fn number(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches('-');
    if matches!(digits, "NaN" | "Infinity") {
        return Some(3.0);
    }
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 63 || whole.len() > 252 || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let before = (4 - whole.len() % 4) % 4;
    let after = (4 - part.len() % 4) % 4;
    let padded = format!("{}{whole}{part}{}", "0".repeat(before), "0".repeat(after));
    let groups: Vec<bool> = padded.as_bytes().chunks(4).map(|group| group.iter().any(|d| *d != b'0')).collect();
    let first = groups.iter().position(|g| *g);
    let last = groups.iter().rposition(|g| *g);
    let count = first.zip(last).map_or(0, |(first, last)| last - first + 1);
    Some(3.0 + 2.0 * count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_what_the_server_says() {
        // `pg_column_size` of the values in a table.
        for (text, bytes) in [
            ("0.00", 3.0),
            ("17.00", 5.0),
            ("9999", 5.0),
            ("10000", 5.0),
            ("12345", 7.0),
            ("0.05", 5.0),
            ("-901.00", 5.0),
            ("901.50", 7.0),
            ("104949.50", 9.0),
            ("100000000", 5.0),
            ("NaN", 3.0),
        ] {
            assert_eq!(number(text), Some(bytes), "{text}");
        }
        assert_eq!(number("1e5"), None, "not as the server writes them");
    }

    #[test]
    fn shares_of_values_are_shares_of_lengths() {
        let common = [("17.00".to_owned(), 0.5), ("0.00".to_owned(), 0.1)];
        let found = lengths("numeric", &common, &["901.50".to_owned(), "902.50".to_owned()], 0.0).expect("known");
        assert!((found.mean - (0.5 * 5.0 + 0.1 * 3.0 + 0.4 * 7.0)).abs() < 1e-9, "{found:?}");
        let rounded = found.remainders.map(|share| (share * 10.0).round());
        assert_eq!(rounded, [0.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0, 4.0]);
        let text = lengths("text", &[], &["abc".to_owned()], 0.5).expect("known");
        assert_eq!((text.mean, text.remainders[4]), (4.0, 0.5), "one byte for the length");
        assert_eq!(lengths("int4", &common, &[], 0.0), None);
        assert_eq!(lengths("text", &[], &["x".repeat(200)], 0.0), None, "a longer head");
        assert_eq!(lengths("text", &[], &[], 0.0), None, "nothing is known");
    }
}
