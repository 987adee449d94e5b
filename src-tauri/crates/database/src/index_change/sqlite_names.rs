//! What SQLite made of the names of an index. It takes a name in double quotes that is no column for a text, and then indexes that
//! text; later alterations of such a table fail.
use perfdeck_model::ApiError;
use perfdeck_sqltext::{Dialect, Kind, tokens};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::refused;
use super::sqlite::unquoted;

/// An index as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Its keys in their order.
    pub(super) keys: Vec<Key>,
    /// Names in double quotes that are texts, because no column is called so.
    texts: Vec<String>,
}

/// A key as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    /// Its column; none for the row number and for an expression.
    pub(super) column: Option<String>,
    pub(super) expression: bool,
    descending: bool,
    collation: Option<String>,
}

/// Reads what the file made of an index of this definition.
pub(super) async fn made(
    c: &mut SqliteConnection,
    (table, index): (&str, &str),
    definition: &str,
) -> Result<Made, sqlx::Error> {
    let sql =
        "SELECT name, cid = -2, \"desc\" <> 0, lower(coll) FROM pragma_index_xinfo(?) WHERE key <> 0 ORDER BY seqno";
    let rows = sqlx::query(sql).bind(index).fetch_all(&mut *c).await?;
    let key = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Key {
            column: row.try_get(0)?,
            expression: row.try_get(1)?,
            descending: row.try_get(2)?,
            collation: row.try_get(3)?,
        })
    };
    let keys = rows.iter().map(key).collect::<Result<_, sqlx::Error>>()?;
    Ok(Made { keys, texts: texts(definition, &columns(c, table).await?) })
}

/// All columns of a table, generated ones too.
pub(super) async fn columns(c: &mut SqliteConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM pragma_table_xinfo(?)").bind(table).fetch_all(c).await
}

/// Names in double quotes within the parentheses of a definition, and behind them, that are none of these columns.
pub(super) fn texts(definition: &str, columns: &[String]) -> Vec<String> {
    let all: Vec<(Kind, &str)> = tokens(definition, Dialect::Sqlite)
        .iter()
        .map(|t| (t.kind, &definition[t.start..t.end]))
        .filter(|(kind, _)| !matches!(kind, Kind::Space | Kind::Comment))
        .collect();
    let begin = all.iter().position(|(_, text)| *text == "(").unwrap_or(all.len());
    let row_number = ["rowid", "oid", "_rowid_"];
    let known = |name: &str| {
        columns.iter().map(String::as_str).chain(row_number).any(|column| column.eq_ignore_ascii_case(name))
    };
    let mut found = Vec::new();
    for (at, (kind, text)) in all.iter().enumerate().skip(begin) {
        let beside = |at: Option<usize>| at.and_then(|at| all.get(at)).map_or("", |(_, text)| *text);
        let (before, after) = (beside(at.checked_sub(1)).to_ascii_lowercase(), beside(Some(at + 1)));
        // Those are names of collations, types, functions and tables.
        let other = matches!(before.as_str(), "collate" | "as" | ".") || matches!(after, "(" | ".");
        if *kind == Kind::Name && text.starts_with('"') && !other {
            found.extend(unquoted(text).filter(|name| !known(name)));
        }
    }
    found
}

/// Refuses an index over a text where a column was meant.
pub(super) fn no_column(table: &str, text: &str) -> ApiError {
    refused(format!("\"{text}\" is no column of '{table}', and SQLite would index that text instead"))
        .hint("Texts are in single quotes; a column that was renamed has its new name")
}

impl Made {
    /// Refuses what is another index than it was.
    pub(super) fn same_as(&self, before: Option<&Self>, (table, index): (&str, &str)) -> Result<(), ApiError> {
        let was_text = |text: &&String| !before.is_some_and(|before| before.texts.contains(text));
        if let Some(text) = self.texts.iter().find(was_text) {
            return Err(no_column(table, text));
        }
        match before {
            Some(before) if before != self => Err(refused(format!(
                "The statement of '{index}' makes another index now than it was: columns of '{table}' changed since"
            ))
            .hint("Create one over the columns as they are: perfctl db index create")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_double_quotes_that_is_no_column_is_a_text() {
        let columns = ["st".to_owned(), "Note".to_owned()];
        let of = |definition: &str| texts(definition, &columns);
        assert_eq!(of(r#"create index "i" on "o"("st", "note", "rowid")"#), [""; 0]);
        assert_eq!(of(r#"create index "i" on "o"("gone" desc, lower("st"))"#), ["gone"]);
        assert_eq!(of(r#"create index i on o(st) where "a""b" > 'x "y"' /* "z" */"#), ["a\"b"]);
        let over_a_text = Made { texts: of(r#"create index "i" on "o"("gone")"#), ..Made::default() };
        assert!(over_a_text.same_as(None, ("o", "i")).is_err(), "what an older Perfdeck dropped was over columns");
        assert!(over_a_text.same_as(Some(&over_a_text), ("o", "i")).is_ok(), "it was over that text before");
        let named = r#"create index i on o("lower"(st) collate "nocase", cast(st as "int"), "o".st, [gone], `gone`)"#;
        assert_eq!(of(named), [""; 0], "other names, and other quotes, are never texts");
    }
}
