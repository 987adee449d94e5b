//! A statement without what may be personal data or a secret.
use crate::{Dialect, Kind, parameters, tokens};

/// Longest text that is answered, in bytes; a statement that was shown to a person needs no more.
const LONGEST: usize = 2_000;
/// Types that PostgreSQL takes before a string, and not before a parameter.
const TYPED: [&str; 6] = ["date", "time", "timetz", "timestamp", "timestamptz", "interval"];

/// A statement with strings and numbers replaced by `?`, comments dropped and white space folded, at most 2,000 bytes.
///
/// Works on text that was cut in the middle: an open string ends with the text. Where it is unclear, text is hidden rather
/// than shown: a backslash before a quote ends a string on one server and not on the other, so everything from there on
/// is replaced by `? …`; SQLite's double quotes are names or strings, so they are hidden too.
pub fn without_literals(sql: &str, dialect: Dialect) -> String {
    literals_removed(sql, dialect, LONGEST)
}

/// The same, at most `longest` bytes.
pub fn literals_removed(sql: &str, dialect: Dialect, longest: usize) -> String {
    removed(sql, dialect, longest, None)
}

/// The same with a parameter in place of each literal, so that it can be run with other values: `$n` on PostgreSQL, counted on from
/// those that it has; `?` elsewhere.
pub fn literals_numbered(sql: &str, dialect: Dialect, longest: usize) -> String {
    let first = (dialect == Dialect::Postgres).then(|| parameters(sql, dialect) + 1);
    removed(sql, dialect, longest, first)
}

/// `number` is that of the first literal, where they are numbered.
fn removed(sql: &str, dialect: Dialect, longest: usize, mut number: Option<usize>) -> String {
    let mut out = String::with_capacity(sql.len().min(longest + 48));
    // Where a type begins that stands before a string.
    let mut typed: Option<usize> = None;
    for token in tokens(sql, dialect) {
        if out.len() >= longest {
            break;
        }
        let text = &sql[token.start..token.end];
        match token.kind {
            Kind::Text if token.unclear => {
                out.push_str("? …");
                break;
            }
            Kind::Text | Kind::Number => {
                let of = typed.filter(|_| token.kind == Kind::Text && number.is_some());
                let of = of.map(|from| out.split_off(from));
                match &mut number {
                    Some(n) => {
                        out.push_str(&format!("${n}"));
                        *n += 1;
                    }
                    None => out.push('?'),
                }
                out.extend(of.iter().flat_map(|name| ["::", name.trim_end()]));
            }
            Kind::Name if dialect == Dialect::Sqlite && text.starts_with('"') => out.push('?'),
            // The rest of the line is no SQL: nothing is known about it.
            Kind::ClientCommand => {
                out.push_str("\\…");
                break;
            }
            Kind::Space | Kind::Comment | Kind::ExecutableOpen | Kind::ExecutableClose => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            Kind::Word | Kind::Name | Kind::Parameter | Kind::Semicolon | Kind::Other => {
                let is_type = token.kind == Kind::Word && TYPED.iter().any(|name| name.eq_ignore_ascii_case(text));
                typed = is_type.then_some(out.len());
                out.push_str(text);
            }
        }
        if matches!(token.kind, Kind::Text | Kind::Number) {
            typed = None;
        }
    }
    if out.len() > longest {
        let cut = (0..=longest).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(cut);
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Mysql, Postgres, Sqlite};

    #[test]
    fn literals_are_replaced_and_names_are_kept() {
        for (dialect, sql, want, why) in [
            (Postgres, "SELECT * FROM t1 WHERE id = 42", "SELECT * FROM t1 WHERE id = ?", "digits of a name stay"),
            (Postgres, "SELECT 'it''s', E'a\nb', N'x'", "SELECT ?, ?, ?", "escapes and prefixes belong to the string"),
            (Postgres, r"SELECT E'it\'s', 'x'", "SELECT ?, ?", "E'…' has escapes whatever the settings are"),
            (Postgres, "SELECT $1, $tag$secret$tag$ FROM \"A b\"", "SELECT $1, ? FROM \"A b\"", "parameters, names"),
            (Postgres, "SELECT /* user 7 */ 1.5e-3 -- secret\n + .5", "SELECT ? + ?", "comments go, numbers too"),
            (Postgres, "SELECT /* a /* b */ secret */ 1", "SELECT ?", "nested comments"),
            (Postgres, "SELECT 'a'\n  'secret'", "SELECT ?", "a string that goes on in the next line"),
            (Postgres, "SELECT U&'\\0041', B'01', X'ff'", "SELECT ?, ?, ?", "all prefixes"),
            (Postgres, "SELECT $$secret; \" ' $$", "SELECT ?", "dollar quotes"),
            (Postgres, "SELECT $fn$cut in the mid", "SELECT ?", "a cut dollar quote ends with the text"),
            (Mysql, "UPDATE u SET mail = \"secret\" # secret", "UPDATE u SET mail = ?", "double-quoted strings"),
            (Mysql, "SELECT 1 --secret", "SELECT ? --secret", "no comment in MySQL: minus minus a name"),
            (Mysql, "SELECT `a b` FROM `t`", "SELECT `a b` FROM `t`", "back-quoted names"),
            (Mysql, "INSERT INTO u VALUES ('cut in the mid", "INSERT INTO u VALUES (?", "a cut string"),
            (Mysql, "SELECT 0xDEADBEEF, x'ff', _utf8mb4'x'", "SELECT ?, ?, _utf8mb4?", "hexadecimal, introducers"),
            (Mysql, "/*!50100 SELECT 'secret' */ x", "SELECT ? x", "what is executed is shown, without literals"),
            (Postgres, "SELECT data #> '{a}' FROM t", "SELECT data #> ? FROM t", "the path operator is no comment"),
            (Postgres, "SELECT a::int, b[1:2]", "SELECT a::int, b[?:?]", "casts and slices"),
            (Sqlite, "SELECT \"secret\", [a b], :name, ?2", "SELECT ?, [a b], :name, ?2", "names that may be strings"),
            (Postgres, "SELECT 'ü', ünï, 1 -- ß", "SELECT ?, ünï, ?", "other scripts"),
        ] {
            assert_eq!(without_literals(sql, dialect), want, "{why}");
        }
    }

    #[test]
    fn a_parameter_stands_for_each_literal() {
        let long = 1 << 16;
        for (dialect, sql, want) in [
            (
                Postgres,
                "SELECT * FROM t1 WHERE a = 7 AND b = 'x' LIMIT 10",
                "SELECT * FROM t1 WHERE a = $1 AND b = $2 LIMIT $3",
            ),
            (Postgres, "SELECT a FROM t WHERE a = $2 AND b > 5", "SELECT a FROM t WHERE a = $2 AND b > $3"),
            (Postgres, "SELECT a FROM t WHERE doc ? 'k'", "SELECT a FROM t WHERE doc ? $1"),
            (
                Postgres,
                "SELECT a FROM t WHERE at > timestamptz '2026-01-01' - INTERVAL  '1 day' AND date = 'x'",
                "SELECT a FROM t WHERE at > $1::timestamptz - $2::INTERVAL AND date = $3",
            ),
            (Postgres, "SELECT 'a\\', 'secret'", "SELECT ? …"),
            (Mysql, "SELECT 1, 'a' FROM t WHERE b = ?", "SELECT ?, ? FROM t WHERE b = ?"),
            (Sqlite, "SELECT a FROM t WHERE a = 7", "SELECT a FROM t WHERE a = ?"),
        ] {
            assert_eq!(literals_numbered(sql, dialect, long), want, "{sql}");
        }
    }

    #[test]
    fn a_backslash_before_the_closing_quote_never_lets_a_secret_through() {
        for sql in [r"SELECT 'C:\' , 'secret'", r"SELECT 'a\'secret', 1", r"SELECT 'a\\', 'secret'"] {
            for dialect in [Postgres, Mysql] {
                let shown = without_literals(sql, dialect);
                assert_eq!(shown, "SELECT ? …", "servers disagree on where this string ends, so no more is shown");
            }
        }
    }

    #[test]
    fn it_is_bounded() {
        let shown = without_literals(&"ä, ".repeat(5_000), Postgres);
        assert!(shown.len() <= LONGEST, "{} bytes", shown.len());
        let whole = format!("SELECT {}", "ä, ".repeat(5_000));
        assert_eq!(literals_removed(&whole, Postgres, 1 << 16), whole.trim_end(), "as long as is wanted");
    }
}
