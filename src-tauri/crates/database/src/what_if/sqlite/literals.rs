//! What a statement of SQLite says itself: values that it compares columns with, and whether it asks for nothing but one end of an order. Pure.
use perfdeck_sqltext::{Dialect, Kind, decoded, tokens};

/// The parts of a statement, without spaces and comments.
pub(super) fn words(text: &str) -> Vec<(Kind, &str)> {
    let all = tokens(text, Dialect::Sqlite).into_iter();
    let told = all.filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment));
    told.map(|t| (t.kind, &text[t.start..t.end])).collect()
}

/// A name as it is looked for, in small letters.
pub(super) fn name((kind, text): (Kind, &str)) -> Option<String> {
    match kind {
        Kind::Word | Kind::Name => decoded(text, kind, Dialect::Sqlite).ok().map(|name| name.to_lowercase()),
        _ => None,
    }
}

fn is(all: &[(Kind, &str)], at: usize, word: &str) -> bool {
    all.get(at).is_some_and(|(_, text)| text.eq_ignore_ascii_case(word))
}

/// The value that a column of a table is compared with for equality, as it is written. `tables` are the names that it may have there. `None`
/// where it is none or several, or something else than a value.
pub(super) fn equal_to<'t>(text: &'t str, tables: &[&str], column: &str) -> Option<&'t str> {
    let all = words(text);
    let mut found: Option<&str> = None;
    for at in 0..all.len() {
        if name(all[at]).as_deref() != Some(&column.to_lowercase()) {
            continue;
        }
        let qualified = at >= 2 && is(&all, at - 1, ".");
        let of = qualified.then(|| name(all[at - 2])).flatten();
        if qualified && !of.is_some_and(|of| tables.iter().any(|table| table.eq_ignore_ascii_case(&of))) {
            continue;
        }
        let first = if qualified { at - 2 } else { at };
        // `==` is two signs.
        let mut after = at + 1;
        let mut equal = 0;
        while is(&all, after, "=") {
            (after, equal) = (after + 1, equal + 1);
        }
        let behind = (equal > 0).then(|| all.get(after)).flatten();
        let before = (first >= 2 && is(&all, first - 1, "=")).then(|| all[first - 2]);
        let value = behind.copied().or(before).filter(|(kind, _)| matches!(kind, Kind::Text | Kind::Number));
        match (value, found) {
            (None, _) if equal == 0 && before.is_none() => {}
            (Some((_, value)), None) => found = Some(value),
            (Some((_, value)), Some(other)) if value == other => {}
            _ => return None,
        }
    }
    found
}

/// The column of which a statement asks for the least or the greatest value, and for nothing else, and how many conditions it has.
pub(super) fn extreme(text: &str) -> Option<(String, usize)> {
    let all = words(text);
    let count = |word: &str| (0..all.len()).filter(|at| is(&all, *at, word)).count();
    let asks = is(&all, 0, "select") && (is(&all, 1, "min") || is(&all, 1, "max")) && is(&all, 2, "(");
    if !asks || count("select") > 1 || ["group", "join", "or", "union", "having"].iter().any(|word| count(word) > 0) {
        return None;
    }
    let at = if is(&all, 4, ".") { 5 } else { 3 };
    let column = name(*all.get(at)?)?;
    let from = (at + 2..at + 5).find(|at| is(&all, *at, "from"))?;
    if !is(&all, at + 1, ")") || (at + 2..from).any(|at| is(&all, at, ",")) {
        return None;
    }
    let conditions = if count("where") > 0 { 1 + count("and") } else { 0 };
    Some((column, conditions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_column_and_of_its_table() {
        let of = |text: &'static str, column| equal_to(text, &["o", "orders"], column);
        assert_eq!(of("SELECT * FROM orders o WHERE o.status = 'new'", "status"), Some("'new'"));
        assert_eq!(of("SELECT * FROM orders o WHERE 5 = o.\"n\" AND status == 'a'", "n"), Some("5"));
        assert_eq!(of("SELECT * FROM orders o WHERE 5 = o.n AND status == 'a'", "status"), Some("'a'"));
        assert_eq!(of("SELECT status FROM orders WHERE status = 'a' OR status = 'b'", "status"), None, "several");
        assert_eq!(
            of("SELECT * FROM orders o, c WHERE c.status = 'x' AND o.status = c.status", "status"),
            None,
            "a join"
        );
        assert_eq!(of("SELECT * FROM orders WHERE status IN ('a', 'b')", "status"), None);
        assert_eq!(of("SELECT * FROM orders WHERE n >= 5", "n"), None, "a bound is no value");
    }

    #[test]
    fn one_end_of_an_order_is_asked_for_alone() {
        let of = |text| extreme(text);
        let at = |conditions| Some(("at".to_owned(), conditions));
        assert_eq!(of("SELECT max(at) FROM t"), at(0));
        assert_eq!(of("select MIN(v.at) AS first FROM t v WHERE a = 1 AND b = 2"), at(2));
        for text in [
            "SELECT max(at), count(*) FROM t",
            "SELECT a, max(at) FROM t GROUP BY a",
            "SELECT max(at + 1) FROM t",
            "SELECT max(at) FROM t WHERE a = 1 OR b = 2",
            "SELECT max(at) FROM t WHERE a = (SELECT 1)",
            "SELECT at FROM t",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
