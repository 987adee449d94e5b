//! One expression of SQL, and a key of an index, as a person writes them.
use crate::lexer::{Dialect, Kind, Token, tokens};
use crate::names::decoded;

/// Why a text is no expression that can be put into parentheses.
pub type Why = &'static str;

/// A key of an index as it is written: `customer_id`, `created DESC NULLS LAST`, `lower(note) text_pattern_ops`, `(a + b)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyText {
    /// The column's name without quotes.
    pub column: Option<String>,
    /// How much of its beginning, as in `note(20)` of MySQL's dialect; all of it where there is none.
    pub prefix: Option<u32>,
    /// Else the expression, without the parentheses around it.
    pub expression: Option<String>,
    /// The operator class as it is written.
    pub operator_class: Option<String>,
    /// Whether it descends.
    pub descending: bool,
    /// Whether NULLs come first, where that is said.
    pub nulls_first: Option<bool>,
}

/// Makes sure that a text within parentheses is one expression and nothing else: whatever it holds, it cannot end them. On PostgreSQL that is
/// so with `standard_conforming_strings`.
///
/// # Errors
/// Why it is none: it is empty, has several parts, a comment, a placeholder, or quotes or parentheses that do not match.
pub fn one_expression(text: &str, dialect: Dialect) -> Result<(), Why> {
    let all = tokens(text, dialect);
    let mut depth = 0_i32;
    let mut some = false;
    for token in &all {
        // Sessions that build an index of PostgreSQL say how a backslash is read (`standard_conforming_strings`).
        if !token.closed || token.unclear && dialect != Dialect::Postgres {
            return Err("its quotes do not match");
        }
        match (token.kind, &text[token.start..token.end]) {
            (Kind::Space, _) => continue,
            (Kind::Semicolon, _) => return Err("it has a semicolon"),
            (Kind::Comment | Kind::ExecutableOpen | Kind::ExecutableClose, _) => return Err("it has a comment"),
            (Kind::ClientCommand, _) => return Err("it has a backslash outside quotes"),
            (Kind::Parameter, _) => return Err("it has a placeholder"),
            (Kind::Other, "(" | "[") => depth += 1,
            (Kind::Other, ")" | "]") => depth -= 1,
            (Kind::Other, ",") if depth == 0 => return Err("it has several parts"),
            _ => {}
        }
        if depth < 0 {
            return Err("its parentheses do not match");
        }
        some = true;
    }
    match (some, depth) {
        (false, _) => Err("it is empty"),
        (true, 0) => Ok(()),
        (true, _) => Err("its parentheses do not match"),
    }
}

/// Reads a key of an index.
///
/// # Errors
/// What in it is not understood.
pub fn index_key(text: &str, dialect: Dialect) -> Result<KeyText, String> {
    let all: Vec<Token> = tokens(text, dialect).into_iter().filter(|t| t.kind != Kind::Space).collect();
    let of = |token: &Token| &text[token.start..token.end];
    let first = all.first().ok_or("a key is empty")?;
    let is_name = |token: &Token| matches!(token.kind, Kind::Word | Kind::Name);
    let called = is_name(first) && all.get(1).is_some_and(|next| of(next) == "(");
    let mut key = KeyText::default();
    // Of MySQL a function of a number alone is no key: it is the beginning of a column.
    let length = match all.get(1..4).filter(|_| called && dialect == Dialect::Mysql && first.closed) {
        Some([_, number, end]) if of(end) == ")" => of(number).parse::<u32>().ok(),
        _ => None,
    };
    let rest = if let Some(length) = length {
        key.column = Some(decoded(of(first), first.kind, dialect).map_err(|_| "a name is encoded")?);
        key.prefix = Some(length);
        &all[4..]
    } else if of(first) == "(" || called {
        let end = closing(&all, text).ok_or("its parentheses do not match")?;
        let inner = if called { &text[first.start..all[end].end] } else { &text[first.end..all[end].start] };
        one_expression(inner, dialect)?;
        key.expression = Some(inner.trim().to_owned());
        &all[end + 1..]
    } else if is_name(first) && first.closed {
        let name = decoded(of(first), first.kind, dialect).map_err(|_| "a name is encoded")?;
        key.column = Some(name);
        &all[1..]
    } else {
        return Err(format!("'{}' is neither a column nor an expression in parentheses", of(first)));
    };
    let words: Vec<String> = rest.iter().map(|t| of(t).to_ascii_lowercase()).collect();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        match word {
            "asc" => key.descending = false,
            "desc" => key.descending = true,
            "nulls" => {
                key.nulls_first = match words.next() {
                    Some("first") => Some(true),
                    Some("last") => Some(false),
                    _ => return Err("NULLS is followed by FIRST or LAST".to_owned()),
                };
            }
            "collate" => return Err("a collation of its own is not supported".to_owned()),
            class if key.operator_class.is_none() && class.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                let mut class = class.to_owned();
                if words.next_if(|next| *next == ".").is_some() {
                    class = format!("{class}.{}", words.next().ok_or("an operator class ends with a dot")?);
                }
                key.operator_class = Some(class);
            }
            other => return Err(format!("'{other}' is not understood")),
        }
    }
    Ok(key)
}

/// The token that closes the first parenthesis.
fn closing(all: &[Token], text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, token) in all.iter().enumerate().filter(|(_, t)| t.kind == Kind::Other) {
        match &text[token.start..token.end] {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_parentheses_cannot_end_them() {
        for dialect in Dialect::ALL {
            for good in
                ["a", "lower(note)", "status = 'new'", "(a + b) * 2", "x = ')'", "coalesce(a, b)", "not deleted"]
            {
                assert_eq!(one_expression(good, dialect), Ok(()), "{dialect:?} {good}");
            }
            for bad in [
                "",
                "  ",
                "a) where (b",
                "a; drop table t",
                "a, b",
                "a /* ) */",
                "a -- x",
                "'open",
                "\"open",
                "((a)",
                "a)",
                "a)(",
            ] {
                assert!(one_expression(bad, dialect).is_err(), "{dialect:?} {bad}");
            }
        }
        for good in ["note = 'a\\'", "note = 'a\\\\'", "note = E'a\\'b'", "note = 'a\\' || ')'"] {
            assert_eq!(one_expression(good, Dialect::Postgres), Ok(()), "{good}");
        }
        assert!(one_expression("note = 'a\\'", Dialect::Mysql).is_err(), "there it ends nowhere");
        for bad in ["a = $1", "a\\! ls", "'a\\'' || b"] {
            assert!(one_expression(bad, Dialect::Postgres).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = |text| index_key(text, Dialect::Postgres).expect("a key");
        let column = |name: &str| KeyText { column: Some(name.to_owned()), ..KeyText::default() };
        assert_eq!(key("Customer_ID"), column("customer_id"), "folded as the server does");
        assert_eq!(key("\"Odd\"\"One\""), column("Odd\"One"));
        assert_eq!(
            key("created DESC nulls last"),
            KeyText { descending: true, nulls_first: Some(false), ..column("created") }
        );
        assert_eq!(
            key("note public.gin_trgm_ops"),
            KeyText { operator_class: Some("public.gin_trgm_ops".into()), ..column("note") }
        );
        let expression = |text: &str| KeyText { expression: Some(text.to_owned()), ..KeyText::default() };
        assert_eq!(key("lower(note)"), expression("lower(note)"));
        assert_eq!(key("(a + b) desc"), KeyText { descending: true, ..expression("a + b") });
        assert_eq!(
            key("lower(note) text_pattern_ops"),
            KeyText { operator_class: Some("text_pattern_ops".into()), ..expression("lower(note)") }
        );
        let of_mysql = |text| index_key(text, Dialect::Mysql).expect("a key");
        assert_eq!(of_mysql("note(20) desc"), KeyText { prefix: Some(20), descending: true, ..column("note") });
        assert_eq!(of_mysql("`odd (1)`(7)"), KeyText { prefix: Some(7), ..column("odd (1)") });
        assert_eq!(of_mysql("left(note, 20)"), expression("left(note, 20)"));
        assert_eq!(of_mysql("(note(20))"), expression("note(20)"), "what stands in parentheses is an expression");
        assert_eq!(key("note(20)"), expression("note(20)"), "elsewhere it is a function");
        for bad in
            ["", "a b c", "a collate \"C\"", "a nulls", "(a", "1", "a; b", "a, b", "(a); drop", "lower(a))", "U&\"x\""]
        {
            assert!(index_key(bad, Dialect::Postgres).is_err(), "{bad}");
        }
    }
}
