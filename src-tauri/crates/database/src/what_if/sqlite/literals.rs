//! What a statement of SQLite says itself: whether it asks for nothing but one end of an order. Pure.
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
