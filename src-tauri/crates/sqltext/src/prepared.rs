//! The statement within a `PREPARE`.
use crate::lexer::{Dialect, Kind, tokens};

/// The statement that `PREPARE name (types) AS statement` of PostgreSQL is of, which is what `EXECUTE` runs; any other text as it is.
///
/// Its parameters are those of the whole text.
pub fn prepared(sql: &str, dialect: Dialect) -> &str {
    if dialect != Dialect::Postgres {
        return sql;
    }
    let mut all = tokens(sql, dialect).into_iter().filter(|t| !matches!(t.kind, Kind::Space | Kind::Comment));
    let mut word = |wanted: Option<&str>| {
        let token = all.next()?;
        let text = sql.get(token.start..token.end)?;
        wanted.is_none_or(|w| text.eq_ignore_ascii_case(w)).then_some((token, text))
    };
    let body = (|| {
        word(Some("PREPARE"))?;
        word(None)?;
        let (mut token, mut text) = word(None)?;
        if text == "(" {
            let mut depth = 1;
            while depth > 0 {
                depth += match word(None)?.1 {
                    "(" => 1,
                    ")" => -1,
                    _ => 0,
                };
            }
            (token, text) = word(None)?;
        }
        let is_body = token.kind == Kind::Word && text.eq_ignore_ascii_case("AS");
        is_body.then(|| sql.get(token.end..)).flatten()
    })();
    body.map_or(sql, str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_of_a_prepare_is_found_and_nothing_else_is_cut() {
        let of = |sql| prepared(sql, Dialect::Postgres);
        assert_eq!(of("prepare p1(int) as select * from t where a = $1"), "select * from t where a = $1");
        assert_eq!(
            of("/* x */ PREPARE \"as\" (numeric(5, 2), text) -- (\n AS\n UPDATE t SET a = $1"),
            "UPDATE t SET a = $1"
        );
        assert_eq!(of("PREPARE q AS SELECT 1 AS x"), "SELECT 1 AS x");
        for other in
            ["SELECT 1 AS x", "PREPARE", "PREPARE TRANSACTION 'as'", "PREPARE p (int", "prepared p as select 1", ""]
        {
            assert_eq!(of(other), other);
        }
        let lite = "PREPARE p AS SELECT 1";
        assert_eq!(prepared(lite, Dialect::Mysql), lite);
    }
}
