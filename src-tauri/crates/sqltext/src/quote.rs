//! Names and texts as an engine's own statements write them.
use crate::Dialect;

/// A name in quotes: double ones, back quotes in MySQL and MariaDB. No server takes a NUL in a name; it is left out.
pub fn quote_identifier(name: &str, dialect: Dialect) -> String {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for c in name.chars().filter(|c| *c != '\0') {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
    out
}

/// A text as a literal that means the same whatever the server's settings are.
pub fn quote_text(text: &str, dialect: Dialect) -> String {
    let escapes = text.contains('\\') && dialect != Dialect::Sqlite;
    let doubled = text.replace('\'', "''");
    match dialect {
        Dialect::Postgres if escapes => format!("E'{}'", doubled.replace('\\', "\\\\")),
        Dialect::Mysql if escapes => format!("'{}'", doubled.replace('\\', "\\\\")),
        _ => format!("'{doubled}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, tokens};

    #[test]
    fn what_is_quoted_is_one_token_of_its_kind() {
        for dialect in Dialect::ALL {
            for text in ["plain", "o'br\"ien", "a`b", "back\\", "\\'; drop table t; --", "ünï$1$", "[x]", ""] {
                let name = quote_identifier(text, dialect);
                let all = tokens(&name, dialect);
                assert!(matches!(all.as_slice(), [t] if t.kind == Kind::Name && t.closed), "{dialect:?} {name}");
                let literal = quote_text(text, dialect);
                let all = tokens(&literal, dialect);
                assert!(matches!(all.as_slice(), [t] if t.kind == Kind::Text && t.closed), "{dialect:?} {literal}");
            }
        }
        assert_eq!(quote_identifier("a\"b`c", Dialect::Postgres), "\"a\"\"b`c\"", "double quotes are doubled");
        assert_eq!(quote_identifier("a\"b`c", Dialect::Mysql), "`a\"b``c`", "back quotes are doubled");
    }
}
