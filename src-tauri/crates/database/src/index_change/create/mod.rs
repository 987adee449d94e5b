//! Creating an index that serves queries, and dropping it again.
//!
//! A name is quoted by `sqltext`'s one function, an expression is one expression in parentheses that it cannot end, and an
//! operator class is one that the catalogue has: nothing else of what a person or an advisor wrote gets into a statement.
mod found;
mod name;
mod postgres;
mod sqlite;

use perfdeck_model::{Address, ApiError, IndexSpec, IndexSpecKey, IndexSpecKeyOf, Scheme, Sensitive};
use perfdeck_sqltext::{Dialect, one_expression, quote_identifier};
use serde::{Deserialize, Serialize};

use super::{Watch, not_yet};

/// The kind of change that advice leads to.
pub const CREATE_INDEX: &str = "create_index";
/// Keys of an index, as many as PostgreSQL takes.
const KEYS: usize = 32;
/// Further columns that it holds.
const INCLUDED: usize = 32;
/// Bytes of an expression or a condition.
const EXPRESSION: usize = 4_000;

/// What creating one index rests on, and how it is dropped again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePlan {
    /// Its name as the server writes it, such as `public.ix_orders_customer_id`.
    pub name: String,
    /// Its table, likewise.
    pub table: String,
    /// Schema and name, without quotes; SQLite's schema is `main`.
    schema: String,
    index: String,
    /// What it is to be. Operator classes are as the server writes them with their schema, and none where it is the default.
    pub spec: IndexSpec,
    /// The statement that creates it, with its lock on writes.
    definition: String,
    /// Whether the table is a materialized view of PostgreSQL, on which no lock is tried first.
    materialized: bool,
}

/// What is known of a table before an index of it is created.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CreateFigures {
    /// Size of the table, in bytes, without indexes.
    pub table_bytes: Option<f64>,
    /// Rows, by the planner's estimate.
    pub rows: Option<f64>,
    /// Rows written a second that the index takes part in, on average since the server's statistics were reset.
    pub writes_per_s: Option<f64>,
    /// Share of updates that touch no index now, 0 to 1 (HOT); `None` without updates.
    pub hot: Option<f64>,
    /// Sessions whose transactions the build would wait for, oldest first; `None` where they are hidden.
    pub blockers: Option<Vec<Blocker>>,
    /// Standbys that replay what it writes, and the longest that one of them lags behind, in seconds.
    pub standbys: Option<(u32, Option<f64>)>,
}

/// A session whose transaction the build would wait for.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocker {
    /// Its number.
    pub pid: i64,
    /// What a person calls it: its application, else its user.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Age of its transaction, in seconds.
    pub age_s: f64,
}

/// What is there of an index that was planned to be created.
#[derive(Debug, Clone, PartialEq)]
pub enum Built {
    /// Nothing of it.
    Absent,
    /// There, valid, and as it was planned.
    Valid,
    /// There and invalid: its build or its drop was cut off, or goes on in that session of the server.
    Invalid {
        /// Its size, in bytes.
        bytes: f64,
        /// Whether every write still maintains it.
        maintained: bool,
        /// The session that works on it.
        session: Option<i32>,
    },
    /// Something else has its name.
    Differs,
}

impl CreatePlan {
    fn dialect(scheme: Scheme) -> Dialect {
        crate::dialect(scheme)
    }

    /// Its schema and its name, without quotes.
    pub(crate) fn schema_and_name(&self) -> (&str, &str) {
        (&self.schema, &self.index)
    }

    /// What creates it.
    pub fn statement(&self, scheme: Scheme) -> String {
        match self.definition.strip_prefix("CREATE INDEX ") {
            Some(rest) if scheme == Scheme::Postgres => format!("CREATE INDEX CONCURRENTLY {rest}"),
            _ => self.definition.clone(),
        }
    }

    /// What drops it again.
    pub fn undo_statement(&self, scheme: Scheme) -> String {
        let dialect = Self::dialect(scheme);
        let concurrently = if scheme == Scheme::Postgres { "CONCURRENTLY " } else { "" };
        format!(
            "DROP INDEX {concurrently}{}.{}",
            quote_identifier(&self.schema, dialect),
            quote_identifier(&self.index, dialect)
        )
    }
}

/// One key as a statement has it.
fn key(key: &IndexSpecKey, dialect: Dialect) -> String {
    let mut text = match &key.of {
        IndexSpecKeyOf::Column(name) => quote_identifier(name, dialect),
        IndexSpecKeyOf::Expression(sql) => format!("({sql})"),
    };
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
fn definition(spec: &IndexSpec, name: &str, table: &str, dialect: Dialect) -> String {
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

fn method(spec: &IndexSpec) -> &str {
    spec.method.as_deref().unwrap_or("btree")
}

/// Columns that it names, keys and further ones.
fn columns(spec: &IndexSpec) -> impl Iterator<Item = &str> {
    let keys = spec.keys.iter().filter_map(|key| match &key.of {
        IndexSpecKeyOf::Column(name) => Some(name.as_str()),
        IndexSpecKeyOf::Expression(_) => None,
    });
    keys.chain(spec.include.iter().map(String::as_str))
}

/// Expressions of its keys.
fn expressions(spec: &IndexSpec) -> impl Iterator<Item = &str> {
    spec.keys.iter().filter_map(|key| match &key.of {
        IndexSpecKeyOf::Expression(sql) => Some(sql.as_str()),
        IndexSpecKeyOf::Column(_) => None,
    })
}

/// Its expressions and its condition, as a condition that asks the server whether it takes them: where a row is chosen there is
/// no room for aggregates either. Each is one expression in parentheses that it cannot end.
fn conditions(spec: &IndexSpec) -> Option<String> {
    let keys = expressions(spec).map(|sql| format!("({sql}) IS NOT NULL"));
    let all: Vec<String> = keys.chain(spec.predicate.as_ref().map(|sql| format!("({sql})"))).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

/// Refuses what no server would understand, or would understand in another way than it was meant.
fn checked(spec: &IndexSpec, dialect: Dialect) -> Result<(), ApiError> {
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
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = columns(spec).find(|name| !seen.insert(*name)) {
        return bad(format!("The column '{}' is in it twice", perfdeck_model::masking::shown(twice)));
    }
    Ok(())
}

/// Asks whether an index can be created, and keeps how. Alters nothing.
///
/// # Errors
/// When the index is not understood, its table or a column is not there, one like it is there already, its name is taken, or
/// the role may not; when the database cannot be asked.
pub async fn plan_create(
    address: &Address,
    password: Option<&Sensitive>,
    spec: &IndexSpec,
) -> Result<CreatePlan, ApiError> {
    checked(spec, CreatePlan::dialect(address.scheme))?;
    match address.scheme {
        Scheme::Postgres => postgres::plan(address, password, spec).await,
        Scheme::Sqlite => sqlite::plan(address, spec).await,
        scheme => Err(not_yet(scheme)),
    }
}

/// What is known of the table before.
///
/// # Errors
/// When the database cannot be asked.
pub async fn create_figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<CreateFigures, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::figures(address, password, plan).await,
        Scheme::Sqlite => sqlite::figures(address, plan).await,
        scheme => Err(not_yet(scheme)),
    }
}

/// What is there of an index that was planned to be created.
///
/// # Errors
/// When the database cannot be asked.
pub async fn built(address: &Address, password: Option<&Sensitive>, plan: &CreatePlan) -> Result<Built, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::state(address, password, plan).await,
        Scheme::Sqlite => sqlite::state(address, plan).await,
        scheme => Err(not_yet(scheme)),
    }
}

/// Builds it. What an attempt that was cut off left is taken away first. Where it has an expression, the statistics of that
/// are gathered at the end, because plans do not know it without them.
///
/// # Errors
/// When something else has its name; when the statement fails or is stopped, after which what it left was taken away, as far
/// as the server allowed.
pub async fn build(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::build(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::build(address, plan).await,
        scheme => Err(not_yet(scheme)),
    }
}

/// Drops it again, unless something rests on it by now.
///
/// # Errors
/// When it is another one than was created, or a constraint or the replica identity rests on it; when the statement fails or
/// is stopped.
pub async fn unbuild(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::unbuild(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::unbuild(address, plan).await,
        scheme => Err(not_yet(scheme)),
    }
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
    }
}
