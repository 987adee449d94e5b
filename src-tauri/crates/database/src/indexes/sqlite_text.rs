//! Definitions of SQLite's indexes as text: expressions and conditions, which it keeps as no other thing. Pure.
//!
//! They are compared token by token: letter case counts within all quotes, and not in words without them.
use perfdeck_sqltext::{Dialect, Kind, tokens};

/// A text as the tokens that matter, without white space, comments and the end of the statement.
pub(super) type Tokens = Vec<String>;

/// The tokens that matter; `None` for a text that ends within quotes.
fn significant(sql: &str) -> Option<Tokens> {
    let mut found = Vec::new();
    for token in tokens(sql, Dialect::Sqlite) {
        let text = &sql[token.start..token.end];
        match token.kind {
            Kind::Space | Kind::Comment | Kind::Semicolon => {}
            _ if !token.closed => return None,
            Kind::Word => found.push(text.to_ascii_lowercase()),
            _ => found.push(text.to_owned()),
        }
    }
    Some(found)
}

/// The tokens without the parentheses around all of them, and without the direction of a key.
fn bare(mut tokens: Tokens) -> Tokens {
    if tokens.len() > 1 && matches!(tokens.last().map(String::as_str), Some("asc" | "desc")) {
        tokens.pop();
    }
    while tokens.len() > 2 && is_wrapped(&tokens) {
        tokens.pop();
        tokens.remove(0);
    }
    tokens
}

/// Whether the first token is a parenthesis that the last one closes.
fn is_wrapped(tokens: &[String]) -> bool {
    let mut depth = 0;
    let closes = tokens.iter().position(|token| {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    tokens.first().is_some_and(|t| t == "(") && closes == Some(tokens.len() - 1)
}

/// An expression or a condition as [`parts`] would have it.
pub(super) fn alone(sql: &str) -> Option<Tokens> {
    significant(sql).map(bare)
}

/// Whether two statements create the same: they differ in white space, comments and the case of words at most.
pub(crate) fn same_statement(a: &str, b: &str) -> bool {
    a == b || significant(a).is_some_and(|tokens| significant(b) == Some(tokens))
}

/// The keys of a `CREATE INDEX` as they are written, and its condition, without what stands around all of each.
pub(super) fn parts(sql: &str) -> Option<(Vec<Tokens>, Option<Tokens>)> {
    let (keys, condition) = written(sql)?;
    Some((keys.into_iter().map(bare).collect(), condition.map(bare)))
}

fn written(sql: &str) -> Option<(Vec<Tokens>, Option<Tokens>)> {
    let all = significant(sql)?;
    let open = all.iter().position(|t| t == "(")?;
    let (mut keys, mut depth, mut at) = (vec![Tokens::new()], 1, open + 1);
    while depth > 0 {
        let token = all.get(at)?;
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 1 && token == "," {
            keys.push(Tokens::new());
        } else if depth > 0 {
            keys.last_mut()?.push(token.clone());
        }
        at += 1;
    }
    match all.get(at..)? {
        [] => Some((keys, None)),
        [word, condition @ ..] if word == "where" && !condition.is_empty() => Some((keys, Some(condition.to_vec()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_within_quotes_only() {
        let same = |a: &str, b: &str| same_statement(a, b);
        assert!(same("create index i1 on t(a)\n", "CREATE INDEX i1\non t (a) -- why\n;"), "white space and comments");
        assert!(same("CREATE INDEX I on T(a) WHERE B='x'", "create index i on t(A) where b = 'x'"), "words fold");
        for (a, b) in [
            ("b='A'", "b='a'"),
            ("b IN ('q','R')", "b IN ('q','r')"),
            ("b=X'0A'", "b=X'0a'"),
            ("\"B\"=1", "\"b\"=1"),
            ("[B]=1", "[b]=1"),
            ("`B`=1", "`b`=1"),
            ("b='a -- c'", "b='a'"),
            ("b=Ä", "b=ä"),
            ("b=1", "b=10"),
            ("b='x", "b='X"),
        ] {
            assert!(!same(a, b), "{a} is not {b}");
        }
    }

    #[test]
    fn keys_and_condition_are_found_where_they_are() {
        let words = |text: &[&str]| text.iter().map(|t| (*t).to_owned()).collect::<Tokens>();
        let sql = "CREATE INDEX \"(, where\" ON [t(] /* ( */ (f(a, 'x)'), b DESC)\nWhere (B > ', WHERE')";
        let (keys, condition) = parts(sql).expect("understood");
        assert_eq!(keys, [words(&["f", "(", "a", ",", "'x)'", ")"]), words(&["b"])]);
        assert_eq!(condition, Some(words(&["b", ">", "', WHERE'"])), "without what stands around all of it");
        assert_eq!(alone("((a) + (b))"), Some(words(&["(", "a", ")", "+", "(", "b", ")"])));
        for bad in [
            "CREATE INDEX i ON t",
            "CREATE INDEX i ON t (a",
            "CREATE INDEX i ON t (a) x",
            "CREATE INDEX i ON t (a) WHERE",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
