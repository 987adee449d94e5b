//! Names in a statement, as the server reads them.
use crate::lexer::{Dialect, Kind, Token, tokens};

/// Longest name in PostgreSQL, in bytes; the rest of a longer one is dropped by the server.
const LONGEST: usize = 63;

/// A name where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameUse {
    /// The name before it and a dot, such as a schema's or a table's.
    pub of: Option<String>,
    /// The name itself, without quotes, in the case in which the server looks for it.
    pub name: String,
    /// Whether an opening parenthesis follows, as in a call.
    pub called: bool,
}

/// A name that only the server can decode, such as `U&"\0061"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded;

/// A name as the server looks for it, from how it is written; `kind` is that of its token.
///
/// # Errors
/// Where it is encoded.
pub fn decoded(text: &str, kind: Kind, dialect: Dialect) -> Result<String, Encoded> {
    let name = match (kind, text.chars().next()) {
        // Key words are among these; no server has a function of such a name.
        (Kind::Word, _) if dialect == Dialect::Postgres => text.to_ascii_lowercase(),
        (Kind::Word, _) => text.to_owned(),
        (_, Some(quote @ ('"' | '`'))) => {
            let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)).unwrap_or(text);
            inner.replace(&format!("{quote}{quote}"), &quote.to_string())
        }
        (_, Some('[')) => text.trim_start_matches('[').trim_end_matches(']').to_owned(),
        _ => return Err(Encoded),
    };
    Ok(match dialect {
        Dialect::Postgres => name.get(..name.floor_char_boundary(LONGEST)).unwrap_or(&name).to_owned(),
        _ => name,
    })
}

/// Every name of a text with key words among them, each use of it once, sorted.
///
/// # Errors
/// Where one of them is encoded.
pub fn names(sql: &str, dialect: Dialect) -> Result<Vec<NameUse>, Encoded> {
    let all: Vec<Token> =
        tokens(sql, dialect).into_iter().filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment)).collect();
    let text = |token: &Token| sql.get(token.start..token.end).unwrap_or_default();
    let is_name = |token: &&Token| matches!(token.kind, Kind::Word | Kind::Name);
    let mut found = std::collections::BTreeSet::new();
    for (i, token) in all.iter().enumerate().filter(|(_, token)| is_name(token)) {
        let before = |n: usize| i.checked_sub(n).and_then(|at| all.get(at));
        let of = before(1).filter(|dot| text(dot) == ".").and_then(|_| before(2)).filter(is_name);
        found.insert(NameUse {
            of: of.map(|of| decoded(text(of), of.kind, dialect)).transpose()?,
            name: decoded(text(token), token.kind, dialect)?,
            called: all.get(i + 1).is_some_and(|next| text(next) == "("),
        });
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let of = |sql: &str| {
            let all = names(sql, Dialect::Postgres).expect("plain names");
            let shown = all.into_iter().filter(|n| n.called).map(|n| match n.of {
                Some(of) => format!("{of}.{}", n.name),
                None => n.name,
            });
            shown.collect::<Vec<_>>()
        };
        assert_eq!(of("select PG_Stat_Reset /* x */ ()"), ["pg_stat_reset"], "folded, over a comment");
        assert_eq!(
            of("select \"Odd\"\"One\".\"f\"(1), 'g()', $$ h() $$ -- i()"),
            ["Odd\"One.f"],
            "quoted; not in texts"
        );
        assert_eq!(of(&format!("select {}()", "a".repeat(70))), ["a".repeat(63)], "cut as the server cuts it");
        assert_eq!(
            names("select U&\"pg\\005fstat_reset\"()", Dialect::Postgres),
            Err(Encoded),
            "only the server knows"
        );
        let all = names("select t.f from t", Dialect::Postgres).expect("plain");
        let use_of = NameUse { of: Some("t".to_owned()), name: "f".to_owned(), called: false };
        assert!(all.contains(&use_of), "an attribute may be a function: {all:?}");
        let all = names("select `my f`(1), G (2)", Dialect::Mysql).expect("plain");
        assert_eq!(all.iter().filter(|n| n.called).count(), 2, "{all:?}");
    }
}
