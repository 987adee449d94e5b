//! A statement as it is asked about: one, with values in place of its parameters.
use perfdeck_sqltext::{Dialect, Kind, prepared, quote_identifier, quote_text, statements, tokens};

use crate::plans::LONGEST_STATEMENT;

/// Words that a statement may begin with. `EXPLAIN` in front of it then runs nothing.
const BEGINNINGS: &[&str] = &["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES", "TABLE"];

/// The statement with values, or why it is none.
pub(crate) fn with_values(text: &str, values: &[String], dialect: Dialect) -> Result<String, String> {
    with(text, dialect, |number, counts| {
        let value = number.checked_sub(1).and_then(|at| values.get(at));
        let value = value.ok_or("the values of its parameters are not known")?;
        let plain = counts && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        Ok(if plain { value.clone() } else { quote_text(value, dialect) })
    })
}

/// The statement with its parameters as PostgreSQL counts them.
pub(super) fn numbered(text: &str) -> Result<String, String> {
    with(text, Dialect::Postgres, |number, _| Ok(format!("${number}")))
}

/// The statement with something else in place of each parameter, by its number and whether it stands for a count of rows.
fn with(text: &str, dialect: Dialect, each: impl Fn(usize, bool) -> Result<String, String>) -> Result<String, String> {
    if text.len() > LONGEST_STATEMENT || text.contains('\0') {
        return Err("it is too long, or has a NUL in it".to_owned());
    }
    // A statement that was prepared by SQL is planned as what EXECUTE runs.
    let text = prepared(text, dialect);
    let all = statements(text, dialect).map_err(|e| format!("it cannot be split: {e}"))?;
    let [one] = all.as_slice() else { return Err("it is not one statement".to_owned()) };
    let first = one.text.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
    let first: String = first.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    if !BEGINNINGS.contains(&first.as_str()) {
        return Err("it is none that has a plan".to_owned());
    }
    let (mut out, mut names, mut highest) = (String::with_capacity(one.text.len()), Vec::new(), 0usize);
    // MySQL and MariaDB take no text for how many rows are wanted.
    let mut counts = false;
    for token in tokens(one.text, dialect) {
        let part = &one.text[token.start..token.end];
        if token.kind == Kind::Word {
            counts = part.eq_ignore_ascii_case("LIMIT") || part.eq_ignore_ascii_case("OFFSET");
        }
        if token.kind != Kind::Parameter {
            out.push_str(if token.kind == Kind::Comment { " " } else { part });
            continue;
        }
        let number = match (part.as_bytes().first(), part.get(1..).and_then(|n| n.parse::<usize>().ok())) {
            (Some(b'$' | b'?'), Some(n)) => n,
            (Some(b'?'), None) => highest + 1,
            _ => match names.iter().find(|(name, _)| *name == part) {
                Some((_, n)) => *n,
                None => {
                    names.push((part, highest + 1));
                    highest + 1
                }
            },
        };
        highest = highest.max(number);
        out.push(' ');
        out.push_str(&each(number, counts)?);
        out.push(' ');
    }
    Ok(out)
}

/// The statement with another schema in front of some tables: where it writes `schema.table`, that becomes `pg_temp."table"`.
pub(super) fn in_temporary(text: &str, tables: &[(String, String)]) -> String {
    let all: Vec<_> = tokens(text, Dialect::Postgres);
    let told = |at: usize| all.get(at).and_then(|t| name_of(&text[t.start..t.end], t.kind));
    let is_dot = |at: usize| all.get(at).is_some_and(|t| &text[t.start..t.end] == ".");
    let after_dot = |at: usize| at.checked_sub(1).is_some_and(is_dot);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(token) = all.get(at) {
        if let (Some(schema), true, Some(table), false) = (told(at), is_dot(at + 1), told(at + 2), after_dot(at))
            && tables.iter().any(|(s, t)| *s == schema && *t == table)
        {
            out.push_str("pg_temp.");
            out.push_str(&quote_identifier(&table, Dialect::Postgres));
            at += 3;
            continue;
        }
        out.push_str(&text[token.start..token.end]);
        at += 1;
    }
    out
}

/// A name as the server looks for it.
fn name_of(text: &str, kind: Kind) -> Option<String> {
    match kind {
        Kind::Word => Some(text.to_lowercase()),
        Kind::Name => {
            let inner = text.strip_prefix('"')?.strip_suffix('"')?;
            Some(inner.replace("\"\"", "\""))
        }
        _ => None,
    }
}

/// The definition of an index, as the server writes it, for another table and under another name.
pub(super) fn moved(definition: &str, name: &str, table: &str) -> Option<String> {
    let all: Vec<_> = tokens(definition, Dialect::Postgres).into_iter().filter(|t| t.kind != Kind::Space).collect();
    let word = |at: usize| all.get(at).map(|t| &definition[t.start..t.end]);
    let on = (0..all.len()).find(|at| all[*at].kind == Kind::Word && word(*at) == Some("ON"))?;
    let mut after = on + 1;
    if word(after) == Some("ONLY") {
        after += 1;
    }
    // The table, with its schema or without.
    after += if word(after + 1) == Some(".") { 3 } else { 1 };
    let unique = if word(1) == Some("UNIQUE") { "UNIQUE " } else { "" };
    let rest = &definition[all.get(after)?.start..];
    let (name, table) = (quote_identifier(name, Dialect::Postgres), quote_identifier(table, Dialect::Postgres));
    Some(format!("CREATE {unique}INDEX {name} ON pg_temp.{table} {rest}"))
}

/// Why PostgreSQL does not plan a statement, by its code. Its text may have values in it.
pub(crate) fn refusal(code: &str) -> &'static str {
    match code {
        "42P01" | "3F000" => "a table of it is not there, or not in the search path of this user",
        "42703" => "a column of it is not there",
        "42883" | "42725" => "no function or operator takes the values that stand for its parameters",
        "42P18" | "42P08" | "42804" => "the types of its parameters are not known",
        "42601" => "it has a syntax error, or a parameter where no value can be",
        "42501" => "this user may not read a table of it",
        "57014" => "planning it takes too long",
        "55P03" => "a table of it is locked exclusively by somebody else",
        "54001" => "it is nested too deep for the server",
        "0A000" => "it asks for something that the server does not plan",
        "21000" => "a subquery of it gives more than one row",
        "22P02" | "22007" | "22P03" => "a value of it, or one that stands for a parameter, is none of its type",
        "22003" => "a number is out of the range of its type",
        "22008" => "a date or a time is out of range",
        "22012" => "it divides by zero",
        "22023" => "a function of it does not take the values that it is called with",
        "2201B" => "a regular expression of it is none",
        "2201W" | "2201X" => "its LIMIT or OFFSET is negative",
        code if code.starts_with("2203") => "a document or a path of JSON is none, or not one that it takes",
        code if code.starts_with("22") => {
            "a value does not fit what is done with it (a data exception, SQLSTATE class 22)"
        }
        _ => "the server refuses to plan it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_parameters_were() {
        let values = ["o'br".to_owned(), "2".to_owned()];
        let told = |text: &str, dialect| with_values(text, &values, dialect);
        assert_eq!(
            told("SELECT '$1', $2, $1 -- $2\n", Dialect::Postgres).as_deref(),
            Ok("SELECT '$1',  '2' ,  'o''br' ")
        );
        assert_eq!(told("SELECT ? , ?;", Dialect::Sqlite).as_deref(), Ok("SELECT  'o''br'  ,  '2' "));
        let counted = ["5".to_owned(), "10".to_owned(), "1; DROP TABLE t".to_owned()];
        assert_eq!(
            with_values(
                "SELECT 1 FROM t WHERE a = ? LIMIT ?, ?",
                &["5".into(), "10".into(), "20".into()],
                Dialect::Mysql
            )
            .as_deref(),
            Ok("SELECT 1 FROM t WHERE a =  '5'  LIMIT  10 ,  20 ")
        );
        assert_eq!(
            with_values("SELECT 1 LIMIT ? OFFSET ? + ?", &counted, Dialect::Mysql).as_deref(),
            Ok("SELECT 1 LIMIT  5  OFFSET  10  +  '1; DROP TABLE t' "),
            "digits alone"
        );
        assert_eq!(told("SELECT :a, :a", Dialect::Sqlite).as_deref(), Ok("SELECT  'o''br' ,  'o''br' "));
        assert_eq!(
            told("prepare p1(int) as select 1 where 2 = $2", Dialect::Postgres).as_deref(),
            Ok("select 1 where 2 =  '2' ")
        );
        for (text, part) in [
            ("SELECT $3", "not known"),
            ("PREPARE p AS DROP TABLE t", "has a plan"),
            ("PREPARE p AS SELECT 1; DROP TABLE t", "not one"),
            ("SELECT 1; DROP TABLE t", "not one"),
            ("DROP TABLE t", "has a plan"),
            ("ANALYZE SELECT 1", "has a plan"),
            ("EXPLAIN ANALYZE DELETE FROM t", "has a plan"),
        ] {
            let why = told(text, Dialect::Postgres).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn only_names_of_sampled_tables_lose_their_schema() {
        let tables = [("public".to_owned(), "orders".to_owned()), ("Odd s".to_owned(), "T\"x".to_owned())];
        let told = |text: &str| in_temporary(text, &tables);
        assert_eq!(
            told("SELECT Public.Orders.id FROM public . orders, public.other, x.public.orders"),
            "SELECT pg_temp.\"orders\".id FROM public . orders, public.other, x.public.orders",
            "spaces around a dot are left to the server"
        );
        assert_eq!(
            told("SELECT 'public.orders' FROM \"Odd s\".\"T\"\"x\""),
            "SELECT 'public.orders' FROM pg_temp.\"T\"\"x\""
        );
    }

    #[test]
    fn each_data_exception_has_its_own_reason() {
        let all = ["22P02", "22003", "22008", "22012", "22023", "2201B", "2201W", "22032", "22011", "21000", "42601"];
        let told: std::collections::BTreeSet<&str> = all.iter().map(|code| refusal(code)).collect();
        assert_eq!(told.len(), all.len(), "{told:?}");
        assert_eq!(refusal("22012"), "it divides by zero");
    }

    #[test]
    fn a_definition_is_moved_whole() {
        assert_eq!(
            moved(
                "CREATE UNIQUE INDEX \"a ON b\" ON ONLY public.\"t t\" USING btree (lower(x)) WHERE (y > 0)",
                "n",
                "t t"
            )
            .as_deref(),
            Some("CREATE UNIQUE INDEX \"n\" ON pg_temp.\"t t\" USING btree (lower(x)) WHERE (y > 0)")
        );
        assert_eq!(
            moved("CREATE INDEX i ON t USING gin (a)", "n", "t").as_deref(),
            Some("CREATE INDEX \"n\" ON pg_temp.\"t\" USING gin (a)")
        );
    }
}
