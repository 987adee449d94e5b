//! Dropping an index that enforces nothing, or that another one repeats, and creating it again exactly; hiding one; creating one
//! that serves queries.
//!
//! PostgreSQL builds and drops indexes `CONCURRENTLY`, so that reads and writes go on. What is cut off in the middle leaves
//! an invalid index, which is recognised and taken away. MySQL and MariaDB do both in place without a lock, and leave nothing
//! in the middle; a statement that nobody waits for goes on. SQLite does both within one transaction.
mod basis;
mod create;
mod hide;
mod mysql;
mod mysql_check;
mod mysql_run;
mod mysql_session;
mod postgres;
mod postgres_build;
mod postgres_check;
mod postgres_run;
mod postgres_session;
mod size;
mod sqlite;
mod sqlite_names;
mod sqlite_run;

use std::time::Duration;

pub use create::{
    Built, CREATE_INDEX, CreateFigures, CreatePlan, build, built, create_figures, made, plan_create, unbuild,
};
pub use hide::{HIDE_INDEX, Hidden, HidePlan, hidden, hide_index, plan_hide, show_index};
use perfdeck_model::{Address, ApiError, BoxFuture, ErrorCode, Scheme, Sensitive, WaitsFor, masking};
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use serde::{Deserialize, Serialize};
pub use size::index_bytes;

pub(crate) use postgres_session::{Mode, open as open_direct};

/// The kind of change that findings about indexes that need not stay lead to.
pub const DROP_INDEX: &str = "drop_index";
/// Longest time for a statement that is stopped to end, and for what it left to be taken away.
pub const WINDING_UP: Duration = Duration::from_secs(16);
/// Longest time of one statement that drops or builds an index on the server.
const STATEMENT: Duration = Duration::from_secs(600);

/// What dropping one index rests on, and how it is created again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlan {
    /// Its name as the server writes it, such as `public.payments_idx`; on MySQL and MariaDB `table.index`.
    pub name: String,
    /// The index that it repeats, as the server writes it; without one it enforces nothing.
    #[serde(default)]
    pub repeats: Option<String>,
    /// An index whose keys begin with its own, likewise.
    #[serde(default)]
    pub covered_by: Option<String>,
    /// What tells it from another one with the same keys, as a sentence.
    #[serde(default)]
    pub differs: Option<String>,
    /// Its table, as the server writes it; without quotes on MySQL and MariaDB.
    pub table: String,
    /// Schema and name, without quotes; SQLite's schema is `main`, MySQL's and MariaDB's is the database.
    schema: String,
    index: String,
    /// The statement that creates it, as the server keeps it; its part of the table's on MySQL and MariaDB.
    definition: String,
    comment: Option<String>,
    /// Whether the table is a materialized view of PostgreSQL, on which no lock is tried first.
    #[serde(default)]
    pub materialized: bool,
    /// Whether the index that it repeats has another fillfactor, the only difference that is no reason to keep both.
    #[serde(default)]
    pub fillfactor: bool,
    /// Whether the table is marked as ordered by it (`CLUSTER`).
    #[serde(default)]
    pub clustered: bool,
    /// Whether it is invalid: a build or a drop that was cut off left it. Nothing brings that back.
    #[serde(default)]
    pub left_over: bool,
    /// What SQLite made of its names.
    #[serde(default)]
    made: Option<sqlite_names::Made>,
}

/// What is known of an index before it is dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexFigures {
    /// Its size, in bytes.
    pub bytes: Option<f64>,
    /// How many entries are written to it a second, on average since the server's statistics were reset.
    pub writes_per_s: Option<f64>,
    /// Scans of it that the server counted.
    pub scans: Option<f64>,
    /// Entries of it that scans read.
    pub rows_read: Option<f64>,
    /// For how many seconds that was counted.
    pub counted_s: Option<f64>,
    /// Why nothing was counted.
    pub uncounted: Option<String>,
    /// Transactions that are open in the database now; `None` where dropping waits for none (SQLite).
    pub waits: Option<WaitsFor>,
    /// Servers that follow this one and count for themselves what they read.
    pub standbys: Option<u32>,
    /// Foreign keys that find their rows by it.
    pub foreign_keys: Vec<String>,
    /// Whether it has the only statistics of an expression.
    pub expression: bool,
}

/// What is there of an index.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexState {
    /// As it was planned.
    Present,
    /// Not there; whether the index that it repeats is there and valid, where it repeats one.
    Absent(bool),
    /// There and invalid: a drop or a build was cut off, or goes on in that session of the server.
    Invalid {
        /// Its size, in bytes.
        bytes: f64,
        /// Whether every write still maintains it.
        maintained: bool,
        /// The session that works on it.
        session: Option<i32>,
    },
    /// A session of the server drops or creates it at this moment (MySQL and MariaDB).
    InWork(i64),
    /// Something else has its name.
    Differs,
}

/// How a statement of minutes is followed and stopped.
pub struct Watch<'a> {
    /// Completes when it is to end.
    pub stop: BoxFuture<'a, ()>,
    /// Told the share done, 0 to 1 where it is known, and the step.
    pub progress: &'a (dyn Fn(Option<f64>, &str) + Send + Sync),
}

impl IndexPlan {
    /// Schema and name in quotes.
    fn quoted(&self, scheme: Scheme) -> String {
        let dialect = crate::dialect(scheme);
        format!("{}.{}", quote_identifier(&self.schema, dialect), quote_identifier(&self.index, dialect))
    }

    /// The table whose lock is tried first; a materialized view has none.
    fn locked(&self) -> Option<&str> {
        (!self.materialized).then_some(self.table.as_str())
    }

    /// Whether the planner was told not to look at it (MySQL and MariaDB).
    pub fn is_hidden(&self) -> bool {
        mysql::shown(&self.definition) != self.definition
    }

    /// What drops it.
    pub fn statement(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Postgres => format!("DROP INDEX CONCURRENTLY {}", self.quoted(scheme)),
            Scheme::Mysql | Scheme::Mariadb => mysql::drops(&self.table, &self.index),
            _ => format!("DROP INDEX {}", self.quoted(scheme)),
        }
    }

    /// What creates it again, one statement a line; `None` for one that was invalid.
    pub fn undo_statement(&self, scheme: Scheme) -> Option<String> {
        (!self.left_over).then(|| self.creates(scheme))
    }

    /// What creates it, one statement a line.
    pub fn creates(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Postgres => {
                let rest = [self.comment_statement(), self.cluster_statement()];
                std::iter::once(self.create()).chain(rest.into_iter().flatten()).collect::<Vec<_>>().join(";\n")
            }
            Scheme::Mysql | Scheme::Mariadb => mysql::adds(&self.table, &self.definition),
            _ => self.definition.clone(),
        }
    }

    /// PostgreSQL's definition, without a lock on writes.
    fn create(&self) -> String {
        match self.definition.strip_prefix("CREATE UNIQUE INDEX ") {
            Some(rest) => format!("CREATE UNIQUE INDEX CONCURRENTLY {rest}"),
            None => {
                let rest = self.definition.strip_prefix("CREATE INDEX ").unwrap_or(&self.definition);
                format!("CREATE INDEX CONCURRENTLY {rest}")
            }
        }
    }

    fn comment_statement(&self) -> Option<String> {
        let comment = self.comment.as_ref()?;
        let (name, text) = (self.quoted(Scheme::Postgres), quote_text(comment, Dialect::Postgres));
        Some(format!("COMMENT ON INDEX {name} IS {text}"))
    }

    /// Marks the table as ordered by it again.
    fn cluster_statement(&self) -> Option<String> {
        let kind = if self.materialized { "MATERIALIZED VIEW" } else { "TABLE" };
        let index = quote_identifier(&self.index, Dialect::Postgres);
        self.clustered.then(|| format!("ALTER {kind} {} CLUSTER ON {index}", self.table))
    }
}

/// Why an index is not dropped.
fn refused(why: String) -> ApiError {
    ApiError::new(ErrorCode::Conflict, why)
}

fn no_index(name: &str) -> ApiError {
    ApiError::not_found(format!("There is no index '{}'", masking::shown(name)))
        .hint("Write it with its schema, as findings do: schema.index")
}

fn no_twin(name: &str) -> ApiError {
    refused(format!("'{name}' repeats no other valid index of its table, so it is not dropped"))
        .hint("It may be the last of those that were alike")
}

/// A target that has no indexes.
fn no_database(scheme: Scheme) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{} has no indexes", scheme.product()))
}

/// Asks whether an index can be dropped, and keeps how it is created again. Alters nothing.
///
/// # Errors
/// When there is no such index, it is unique and no other one enforces that, or something rests on it: a constraint, the
/// replica identity, a partitioned table, a foreign key of InnoDB; when the database cannot be asked.
pub async fn plan_drop(address: &Address, password: Option<&Sensitive>, index: &str) -> Result<IndexPlan, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::plan(address, password, index).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::plan(address, password, index).await,
        Scheme::Sqlite => sqlite::plan(address, index).await,
        scheme => Err(no_database(scheme)),
    }
}

/// What is known of an index that is to be dropped.
///
/// # Errors
/// When the database cannot be asked.
pub async fn figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexFigures, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::figures(address, password, plan).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::figures(address, password, plan).await,
        Scheme::Sqlite => sqlite::figures(address, plan).await,
        scheme => Err(no_database(scheme)),
    }
}

/// What is there of an index that was planned to be dropped.
///
/// # Errors
/// When the database cannot be asked.
pub async fn index_state(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
) -> Result<IndexState, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::state(address, password, plan).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::state(address, password, plan).await,
        Scheme::Sqlite => sqlite::state(address, plan).await,
        scheme => Err(no_database(scheme)),
    }
}

/// Drops an index, after the target was asked again whether what the plan rests on is still so. One that is invalid because an
/// earlier attempt was cut off is dropped too.
///
/// # Errors
/// As [`plan_drop`]; when the statement fails or is stopped, after which [`index_state`] says what is there.
pub async fn drop_index(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::drop(address, password, plan, watch).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::drop(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::drop(address, plan, watch).await,
        scheme => Err(no_database(scheme)),
    }
}

/// Creates a dropped index again, exactly as it was. What an attempt that was cut off left is taken away first.
///
/// # Errors
/// When something else has its name; when the statement fails or is stopped, after which what it left was taken away, as far
/// as the server allowed.
pub async fn create_index(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &IndexPlan,
    watch: Watch<'_>,
) -> Result<(), ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::create(address, password, plan, watch).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::create(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::create(address, plan, watch).await,
        scheme => Err(no_database(scheme)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_quote_names_and_keep_the_definition() {
        let plan = IndexPlan {
            name: "public.\"we\"\"ird\"".into(),
            repeats: Some("public.other".into()),
            table: "public.t".into(),
            schema: "public".into(),
            index: "we\"ird".into(),
            definition: "CREATE UNIQUE INDEX \"we\"\"ird\" ON public.t USING btree (a) WHERE (b > 0)".into(),
            comment: Some("it's".into()),
            clustered: true,
            ..IndexPlan::default()
        };
        assert_eq!(plan.statement(Scheme::Postgres), "DROP INDEX CONCURRENTLY \"public\".\"we\"\"ird\"");
        assert_eq!(
            plan.creates(Scheme::Postgres),
            "CREATE UNIQUE INDEX CONCURRENTLY \"we\"\"ird\" ON public.t USING btree (a) WHERE (b > 0);\n\
             COMMENT ON INDEX \"public\".\"we\"\"ird\" IS 'it''s';\n\
             ALTER TABLE public.t CLUSTER ON \"we\"\"ird\"",
            "what the definition does not hold comes after it"
        );
        assert_eq!(
            plan.undo_statement(Scheme::Sqlite),
            Some(plan.definition.clone()),
            "SQLite keeps the statement itself"
        );
        assert_eq!(
            IndexPlan { left_over: true, ..plan }.undo_statement(Scheme::Postgres),
            None,
            "it was invalid before"
        );
    }

    #[test]
    fn a_plan_of_an_older_perfdeck_is_read() {
        let stored = r#"{"name":"public.i","repeats":"public.j","table":"public.t","schema":"public","index":"i",
            "definition":"CREATE INDEX i ON public.t USING btree (a)","comment":null}"#;
        let plan: IndexPlan = serde_json::from_str(stored).expect("it is read");
        assert_eq!((plan.repeats.as_deref(), plan.left_over), (Some("public.j"), false));
    }
}
