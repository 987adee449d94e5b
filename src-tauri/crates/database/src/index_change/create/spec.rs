//! An index as it is asked for: what of it is understood, and the statement that it becomes. Pure.
use perfdeck_model::{ApiError, IndexSpec, IndexSpecKey, IndexSpecKeyOf};
use perfdeck_sqltext::{Dialect, one_expression, quote_identifier};

/// Keys of an index, as many as PostgreSQL takes.
const KEYS: usize = 32;
/// Further columns that it holds.
const INCLUDED: usize = 32;
/// Bytes of an expression or a condition.
const EXPRESSION: usize = 4_000;

/// One key as a statement has it.
pub(super) fn key(key: &IndexSpecKey, dialect: Dialect) -> String {
    let mut text = match &key.of {
        IndexSpecKeyOf::Column(name) => quote_identifier(name, dialect),
        IndexSpecKeyOf::Expression(sql) => format!("({sql})"),
    };
    if let Some(length) = key.prefix {
        text = format!("{text}({length})");
    }
    // As the catalogue wrote it.
    if let Some(class) = &key.operator_class {
        text = format!("{text} {class}");
    }
    if key.descending {
        text.push_str(" DESC");
    }
    match key.nulls_first {
        Some(first) if first != key.descending => text.push_str(if first { " NULLS FIRST" } else { " NULLS LAST" }),
        _ => {}
    }
    text
}

/// The statement, with a table that is quoted already.
pub(super) fn definition(spec: &IndexSpec, name: &str, table: &str, dialect: Dialect) -> String {
    let keys: Vec<String> = spec.keys.iter().map(|k| key(k, dialect)).collect();
    let mut sql = format!("CREATE INDEX {} ON {table}", quote_identifier(name, dialect));
    if dialect == Dialect::Postgres {
        sql = format!("{sql} USING {}", quote_identifier(method(spec), dialect));
    }
    sql = format!("{sql} ({})", keys.join(", "));
    if !spec.include.is_empty() {
        let columns: Vec<String> = spec.include.iter().map(|name| quote_identifier(name, dialect)).collect();
        sql = format!("{sql} INCLUDE ({})", columns.join(", "));
    }
    if let Some(predicate) = &spec.predicate {
        sql = format!("{sql} WHERE ({predicate})");
    }
    sql
}

pub(super) fn method(spec: &IndexSpec) -> &str {
    spec.method.as_deref().unwrap_or("btree")
}

/// Columns that it names, keys and further ones.
pub(super) fn columns(spec: &IndexSpec) -> impl Iterator<Item = &str> {
    let keys = spec.keys.iter().filter_map(|key| match &key.of {
        IndexSpecKeyOf::Column(name) => Some(name.as_str()),
        IndexSpecKeyOf::Expression(_) => None,
    });
    keys.chain(spec.include.iter().map(String::as_str))
}

/// Expressions of its keys.
pub(super) fn expressions(spec: &IndexSpec) -> impl Iterator<Item = &str> {
    spec.keys.iter().filter_map(|key| match &key.of {
        IndexSpecKeyOf::Expression(sql) => Some(sql.as_str()),
        IndexSpecKeyOf::Column(_) => None,
    })
}

/// Its expressions and its condition, as a condition that asks the server whether it takes them: where a row is chosen there is
/// no room for aggregates either. Each is one expression in parentheses that it cannot end.
pub(super) fn conditions(spec: &IndexSpec) -> Option<String> {
    let keys = expressions(spec).map(|sql| format!("({sql}) IS NOT NULL"));
    let all: Vec<String> = keys.chain(spec.predicate.as_ref().map(|sql| format!("({sql})"))).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

/// Refuses what no server would understand, or would understand in another way than it was meant.
pub(super) fn checked(spec: &IndexSpec, dialect: Dialect) -> Result<(), ApiError> {
    let bad = |what: String| Err(ApiError::bad_request(what));
    if spec.keys.is_empty() || spec.keys.len() > KEYS || spec.include.len() > INCLUDED {
        return bad(format!("An index has 1 to {KEYS} keys and at most {INCLUDED} further columns"));
    }
    for (what, sql) in
        expressions(spec).map(|e| ("An expression", e)).chain(spec.predicate.as_deref().map(|p| ("The condition", p)))
    {
        if sql.len() > EXPRESSION {
            return bad(format!("{what} is longer than {EXPRESSION} bytes"));
        }
        if let Err(why) = one_expression(sql, dialect) {
            return bad(format!("{what} is not one expression: {why}"));
        }
    }
    if spec.name.as_deref().is_some_and(|name| name.is_empty() || name.contains('\0')) {
        return bad("The name of the index is empty".to_owned());
    }
    for beginning in spec.keys.iter().filter_map(|key| Some((key.prefix?, &key.of))) {
        match beginning {
            _ if dialect != Dialect::Mysql => {
                return bad(
                    "An index of this server has no beginning of a column: an expression such as left(note, 20) does"
                        .to_owned(),
                );
            }
            (0, _) => return bad("The beginning of a column has one character at least".to_owned()),
            (_, IndexSpecKeyOf::Expression(_)) => {
                return bad("Only a column has a beginning that is a key, and no expression".to_owned());
            }
            _ => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = columns(spec).find(|name| !seen.insert(*name)) {
        return bad(format!("The column '{}' is in it twice", perfdeck_model::masking::shown(twice)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> IndexSpecKey {
        IndexSpecKey { of: IndexSpecKeyOf::Column(name.into()), ..IndexSpecKey::default() }
    }

    #[test]
    fn a_definition_says_what_differs_from_the_default_and_quotes_every_name() {
        let spec = IndexSpec {
            table: "public.t".into(),
            keys: vec![
                column("a\"b"),
                IndexSpecKey { descending: true, ..column("c") },
                IndexSpecKey { descending: true, nulls_first: Some(false), ..column("d") },
                IndexSpecKey { nulls_first: Some(false), ..column("e") },
                IndexSpecKey {
                    of: IndexSpecKeyOf::Expression("lower(note)".into()),
                    operator_class: Some("pg_catalog.text_pattern_ops".into()),
                    ..IndexSpecKey::default()
                },
            ],
            include: vec!["f".into()],
            predicate: Some("status = 'new'".into()),
            ..IndexSpec::default()
        };
        assert_eq!(
            definition(&spec, "i", "public.t", Dialect::Postgres),
            "CREATE INDEX \"i\" ON public.t USING \"btree\" (\"a\"\"b\", \"c\" DESC, \"d\" DESC NULLS LAST, \"e\", \
             (lower(note)) pg_catalog.text_pattern_ops) INCLUDE (\"f\") WHERE (status = 'new')"
        );
    }

    #[test]
    fn what_is_not_one_expression_is_refused() {
        let spec = |key: IndexSpecKeyOf, predicate: Option<&str>| IndexSpec {
            table: "t".into(),
            keys: vec![IndexSpecKey { of: key, ..IndexSpecKey::default() }],
            predicate: predicate.map(str::to_owned),
            ..IndexSpec::default()
        };
        let of = |key, predicate| checked(&spec(key, predicate), Dialect::Postgres).map_err(|e| e.message);
        assert!(of(IndexSpecKeyOf::Column("a) ; drop table t; --".into()), None).is_ok(), "a name is quoted");
        let refused = of(IndexSpecKeyOf::Expression("a); drop table t; --".into()), None).expect_err("refused");
        assert_eq!(refused, "An expression is not one expression: its parentheses do not match");
        assert!(of(IndexSpecKeyOf::Column("a".into()), Some("a > 0) tablespace (x")).is_err());
        let twice = IndexSpec { include: vec!["a".into()], ..spec(IndexSpecKeyOf::Column("a".into()), None) };
        assert!(checked(&twice, Dialect::Postgres).is_err(), "a column twice");
        assert!(checked(&IndexSpec::default(), Dialect::Postgres).is_err(), "no key");
        let beginning = |of, prefix, dialect| {
            let key = IndexSpecKey { of, prefix: Some(prefix), ..IndexSpecKey::default() };
            checked(&IndexSpec { keys: vec![key], ..IndexSpec::default() }, dialect)
        };
        let column = || IndexSpecKeyOf::Column("a".into());
        assert!(beginning(column(), 20, Dialect::Mysql).is_ok(), "a beginning");
        assert!(beginning(column(), 0, Dialect::Mysql).is_err(), "of nothing");
        assert!(beginning(column(), 20, Dialect::Postgres).is_err(), "what it has not");
        assert!(beginning(IndexSpecKeyOf::Expression("a".into()), 20, Dialect::Mysql).is_err(), "of an expression");
    }
}
