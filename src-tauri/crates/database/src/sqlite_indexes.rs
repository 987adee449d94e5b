//! Indexes of a SQLite file, and which of them repeat another one.
//!
//! Columns, directions and collations are compared as SQLite resolved them. What it keeps as text only, expressions and
//! conditions, is compared token by token: letter case counts within all quotes, and not in words without them. A
//! definition that is not understood is like no other.
use std::collections::BTreeMap;

use perfdeck_model::Proof;
use perfdeck_sqltext::{Dialect, Kind, quote_identifier, tokens};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Key columns of the indexes of all tables, one a row: index, table, who made it, unique, partial, statement; column
/// (`NULL` for an expression), descending, collation.
const INDEXES: &str = "
    SELECT i.*, x.name, x.desc, x.coll
    FROM (SELECT il.name, m.name AS \"table\", il.origin, il.\"unique\", il.partial,
                 (SELECT s.sql FROM sqlite_schema s WHERE s.name = il.name AND s.type = 'index') AS sql
          FROM sqlite_schema m, pragma_index_list(m.name) il
          WHERE m.type = 'table' ORDER BY m.name, il.name LIMIT 5000) i, pragma_index_xinfo(i.name) x
    WHERE x.key ORDER BY i.\"table\", i.name, x.seqno";

/// A text as the tokens that matter, without white space, comments and the end of the statement.
type Tokens = Vec<String>;

/// One index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) table: String,
    /// Whether `CREATE INDEX` made it; others belong to constraints.
    pub(crate) created: bool,
    pub(crate) unique: bool,
    /// The statement that creates it.
    pub(crate) sql: Option<String>,
    /// What it holds, where that is understood.
    holds: Option<Shape>,
}

/// What an index holds, in which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    table: String,
    keys: Vec<Key>,
    condition: Option<Tokens>,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    of: KeyOf,
    descending: bool,
    /// In small letters: SQLite finds collations without regard to case.
    collation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum KeyOf {
    Column(String),
    Expression(Tokens),
}

/// An index that another one of its table repeats, so that it can be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedIndex {
    /// Its name.
    pub index: String,
    /// The index that serves whatever it serves.
    pub repeats: String,
    /// Their table.
    pub table: String,
    /// Its columns and expressions, as a person would list them.
    pub keys: String,
}

impl RepeatedIndex {
    /// What stands behind it as a finding.
    pub fn proof(&self) -> Proof {
        Proof::new(
            "an index that enforces nothing, over the same columns in the same order as another one of its table",
            "Drop it: the other one answers the same queries, and writes get cheaper",
        )
        .value("index", self.index.clone())
        .value("repeats", self.repeats.clone())
        .value("table", self.table.clone())
        .value("columns", self.keys.clone())
        .statement("Drops it", format!("DROP INDEX {};", quote_identifier(&self.index, Dialect::Sqlite)))
    }
}

impl Index {
    /// Whether what this one serves and enforces is served and enforced by `other`.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.name != other.name && self.holds.is_some() && self.holds == other.holds && (!self.unique || other.unique)
    }
}

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

/// Whether two statements create the same: they differ in white space, comments and the case of words at most.
pub(crate) fn same_statement(a: &str, b: &str) -> bool {
    a == b || significant(a).is_some_and(|tokens| significant(b) == Some(tokens))
}

/// The keys of a `CREATE INDEX` as they are written, and its condition.
fn parts(sql: &str) -> Option<(Vec<Tokens>, Option<Tokens>)> {
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

/// What an index holds: its keys as SQLite resolved them (without a name for an expression), and what its statement adds.
fn shape(
    table: &str,
    resolved: Vec<(Option<String>, bool, Option<String>)>,
    partial: bool,
    sql: Option<&str>,
) -> Option<Shape> {
    let plain = !partial && resolved.iter().all(|(name, ..)| name.is_some());
    // A constraint has no statement, and nothing that only a statement could tell.
    let (mut written, condition) = if plain { (Vec::new(), None) } else { parts(sql?)? };
    if !plain && (written.len() != resolved.len() || condition.is_some() != partial) {
        return None;
    }
    let keys = resolved.into_iter().enumerate().map(|(at, (name, descending, collation))| {
        let of = match name {
            Some(name) => KeyOf::Column(name),
            None => KeyOf::Expression(std::mem::take(written.get_mut(at)?)),
        };
        Some(Key { of, descending, collation: collation.map(|c| c.to_ascii_lowercase()) })
    });
    Some(Shape { table: table.to_owned(), keys: keys.collect::<Option<_>>()?, condition })
}

/// The indexes of all tables, by table and name.
pub(crate) async fn indexes(c: &mut SqliteConnection) -> Result<Vec<Index>, sqlx::Error> {
    let rows = sqlx::query(INDEXES).fetch_all(c).await?;
    let name = |row: &SqliteRow| row.try_get::<String, _>(0);
    let mut all = Vec::new();
    for own in rows.chunk_by(|a, b| matches!((name(a), name(b)), (Ok(a), Ok(b)) if a == b)) {
        let Some(first) = own.first() else { continue };
        let (table, sql): (String, Option<String>) = (first.try_get(1)?, first.try_get(5)?);
        let key = |row: &SqliteRow| Ok((row.try_get(6)?, row.try_get::<i64, _>(7)? != 0, row.try_get(8)?));
        let keys = own.iter().map(key).collect::<Result<Vec<_>, sqlx::Error>>()?;
        let partial = first.try_get::<i64, _>(4)? != 0;
        all.push(Index {
            name: name(first)?,
            holds: shape(&table, keys, partial, sql.as_deref()),
            table,
            created: first.try_get::<String, _>(2)? == "c",
            unique: first.try_get::<i64, _>(3)? != 0,
            sql,
        });
    }
    Ok(all)
}

/// Indexes that another one repeats, by table and name. Of equal ones the one that enforces something stays, and then the
/// first by name. Only those made by `CREATE INDEX` that are not unique are told.
///
/// # Errors
/// When the file cannot be read.
pub async fn repeated_indexes(c: &mut SqliteConnection) -> Result<Vec<RepeatedIndex>, sqlx::Error> {
    let mut all = indexes(c).await?;
    all.sort_by_key(|i| (!i.unique, i.created));
    let mut kept: BTreeMap<&Shape, &str> = BTreeMap::new();
    let mut repeated = Vec::new();
    for own in &all {
        let Some(holds) = &own.holds else { continue };
        match kept.get(holds) {
            Some(first) if own.created && !own.unique => repeated.push(RepeatedIndex {
                index: own.name.clone(),
                repeats: (*first).to_owned(),
                table: own.table.clone(),
                keys: holds.listed(),
            }),
            Some(_) => {}
            None => {
                kept.insert(holds, &own.name);
            }
        }
    }
    Ok(repeated)
}

impl Shape {
    fn listed(&self) -> String {
        let key = |key: &Key| match &key.of {
            KeyOf::Column(name) => name.clone(),
            KeyOf::Expression(tokens) => tokens.join(" "),
        };
        self.keys.iter().map(key).collect::<Vec<_>>().join(", ")
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
        assert_eq!(keys, [words(&["f", "(", "a", ",", "'x)'", ")"]), words(&["b", "desc"])]);
        assert_eq!(condition, Some(words(&["(", "b", ">", "', WHERE'", ")"])));
        for bad in [
            "CREATE INDEX i ON t",
            "CREATE INDEX i ON t (a",
            "CREATE INDEX i ON t (a) x",
            "CREATE INDEX i ON t (a) WHERE",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_not_understood_is_like_no_other() {
        let column = |name: &str| (Some(name.to_owned()), false, Some("BINARY".to_owned()));
        assert!(shape("t", vec![column("a")], false, None).is_some(), "a constraint has no statement");
        assert!(shape("t", vec![column("a")], true, None).is_none(), "a condition that nobody tells");
        assert!(shape("t", vec![column("a")], true, Some("CREATE INDEX i ON t (a)")).is_none(), "no condition found");
        let expression = (None, false, None);
        assert!(shape("t", vec![expression], false, Some("CREATE INDEX i ON t (f(a), b)")).is_none(), "two of one");
    }
}
