//! Creating an index that serves queries, and dropping it again.
//!
//! A name is quoted by `sqltext`'s one function, an expression is one expression in parentheses that it cannot end, and an
//! operator class is one that the catalogue has: nothing else of what a person or an advisor wrote gets into a statement.
mod mysql;
mod mysql_shape;
mod name;
mod partitions;
mod postgres;
mod postgres_named;
mod postgres_plan;
mod postgres_shape;
mod spec;
mod sqlite;
mod sqlite_rows;
mod wanted;

use perfdeck_model::{Address, ApiError, IndexSpec, Scheme, Sensitive, WaitsFor};
use perfdeck_sqltext::{Dialect, quote_identifier};
use serde::{Deserialize, Serialize};

use spec::{checked, columns, conditions, definition, expressions, key, method};

use super::{Watch, no_database, refused};
use crate::indexes::Index;
use crate::indexes::rules::alike::relation;

/// The kind of change that advice leads to.
pub const CREATE_INDEX: &str = "create_index";
/// What creating one index rests on, and how it is dropped again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePlan {
    /// Its name as the server writes it, such as `public.ix_orders_customer_id`; on MySQL and MariaDB `table.index`.
    pub name: String,
    /// Its table, likewise; without quotes on MySQL and MariaDB.
    pub table: String,
    /// Schema and name, without quotes; SQLite's schema is `main`, MySQL's and MariaDB's is the database.
    schema: String,
    index: String,
    /// What it is to be. Operator classes are as the server writes them with their schema, and none where it is the default.
    pub spec: IndexSpec,
    /// The statement that creates it, with its lock on writes; its part of the table's on MySQL and MariaDB.
    definition: String,
    /// Whether the table is a materialized view of PostgreSQL, on which no lock is tried first.
    materialized: bool,
    /// An index whose keys begin with its own.
    #[serde(default)]
    pub covered_by: Option<String>,
    /// Whether the table is partitioned.
    #[serde(default)]
    pub partitioned: bool,
    /// Its partitions, each before those below it.
    #[serde(default)]
    parts: Vec<Part>,
    /// Whether the server keeps no condition of the one that was asked for, because it is always true.
    #[serde(default)]
    pub unconditional: bool,
    /// Why the server was not asked whether it takes it.
    #[serde(default)]
    pub unchecked: Option<String>,
    /// Its definition as the server writes it, once it was built: what has the same name and keys and another condition or other options is
    /// another index. One that is made again exactly so is taken for it: PostgreSQL gives it another number when it rebuilds it
    /// (`REINDEX CONCURRENTLY`) or restores a dump, and the others number none.
    #[serde(default)]
    made: Option<String>,
}

/// A partition, and the index that it is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The partition, as the server writes it.
    table: String,
    /// Schema and name of its index, without quotes.
    schema: String,
    index: String,
    /// The index that its own belongs to, as the server writes it.
    parent: String,
    /// Whether it is partitioned again.
    partitioned: bool,
    /// The statement that creates its index, with its lock on writes.
    definition: String,
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
    /// Transactions that the build would wait for; `None` where it waits for none (SQLite).
    pub waits: Option<WaitsFor>,
    /// Room on the disk that it is built on, in bytes; `None` where nothing tells it.
    pub free_bytes: Option<f64>,
    /// What this user may have of the server's disk while the keys are sorted, in bytes; `None` where no limit is set, or nothing tells it.
    pub sort_bytes: Option<f64>,
    /// Standbys that replay what it writes, and the longest that one of them lags behind, in seconds.
    pub standbys: Option<(u32, Option<f64>)>,
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
    /// A session of the server builds or drops it at this moment (MySQL and MariaDB).
    InWork(i64),
    /// It belongs to a partitioned table, and some partitions have theirs.
    Partial {
        /// Partitions that have it.
        done: usize,
        /// All of them.
        of: usize,
        /// The session that works on it.
        session: Option<i32>,
    },
    /// Something else has its name.
    Differs,
}

impl CreatePlan {
    /// How many partitions get an index each; none where the table is not partitioned.
    pub fn partitions(&self) -> usize {
        self.parts.iter().filter(|part| !part.partitioned).count()
    }

    /// Its schema and its name, without quotes.
    pub(crate) fn schema_and_name(&self) -> (&str, &str) {
        (&self.schema, &self.index)
    }

    /// What creates it, one statement a line.
    pub fn statement(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Postgres if self.partitioned => partitions::statement(self),
            Scheme::Postgres => concurrently(&self.definition),
            Scheme::Mysql | Scheme::Mariadb => mysql::statement(self),
            _ => self.definition.clone(),
        }
    }

    /// What drops it again.
    pub fn undo_statement(&self, scheme: Scheme) -> String {
        if matches!(scheme, Scheme::Mysql | Scheme::Mariadb) {
            return mysql::undo_statement(self);
        }
        // The index of a partitioned table goes with those of its partitions, and not concurrently.
        let beside = scheme == Scheme::Postgres && !self.partitioned;
        format!("DROP INDEX {}{}", if beside { "CONCURRENTLY " } else { "" }, self.quoted(scheme))
    }

    fn quoted(&self, scheme: Scheme) -> String {
        full(&self.schema, &self.index, crate::dialect(scheme))
    }
}

/// Schema and name in quotes.
fn full(schema: &str, name: &str, dialect: Dialect) -> String {
    format!("{}.{}", quote_identifier(schema, dialect), quote_identifier(name, dialect))
}

/// PostgreSQL's statement without a lock on writes.
fn concurrently(definition: &str) -> String {
    let rest = definition.strip_prefix("CREATE INDEX ").unwrap_or(definition);
    format!("CREATE INDEX CONCURRENTLY {rest}")
}

/// Refuses an index that another one serves already; an index that begins with its keys is told.
fn beside(wanted: &Index, all: &[Index]) -> Result<Option<String>, ApiError> {
    let of = all.iter().filter_map(|b| Some((b, relation(wanted, b).filter(|found| found.options)?.keys)));
    match of.min_by_key(|(b, keys)| (!keys, b.identity.keys.len())) {
        Some((other, true)) => Err(refused(format!("'{}' is such an index already", other.identity.name))),
        Some((other, false)) => Ok(Some(other.identity.name.clone())),
        None => Ok(None),
    }
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
    checked(spec, crate::dialect(address.scheme))?;
    match address.scheme {
        Scheme::Postgres => postgres_plan::plan(address, password, spec).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::plan(address, password, spec).await,
        Scheme::Sqlite => sqlite::plan(address, spec).await,
        scheme => Err(no_database(scheme)),
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
        Scheme::Mysql | Scheme::Mariadb => mysql::figures(address, password, plan).await,
        Scheme::Sqlite => sqlite::figures(address, plan).await,
        scheme => Err(no_database(scheme)),
    }
}

/// What is there of an index that was planned to be created.
///
/// # Errors
/// When the database cannot be asked.
pub async fn built(address: &Address, password: Option<&Sensitive>, plan: &CreatePlan) -> Result<Built, ApiError> {
    match address.scheme {
        Scheme::Postgres => postgres::state(address, password, plan).await,
        Scheme::Mysql | Scheme::Mariadb => mysql::state(address, password, plan).await,
        Scheme::Sqlite => sqlite::state(address, plan).await,
        scheme => Err(no_database(scheme)),
    }
}

/// The plan of an index that was built, with what the server made of it.
///
/// # Errors
/// When the database cannot be asked, or has no such index.
pub async fn made(address: &Address, password: Option<&Sensitive>, plan: &CreatePlan) -> Result<CreatePlan, ApiError> {
    let made = match address.scheme {
        Scheme::Postgres => postgres::made(address, password, plan).await?,
        Scheme::Mysql | Scheme::Mariadb => mysql::made(address, password, plan).await?,
        // The file keeps the statement itself.
        Scheme::Sqlite => None,
        scheme => return Err(no_database(scheme)),
    };
    Ok(CreatePlan { made, ..plan.clone() })
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
        Scheme::Mysql | Scheme::Mariadb => mysql::build(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::build(address, plan, watch).await,
        scheme => Err(no_database(scheme)),
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
        Scheme::Mysql | Scheme::Mariadb => mysql::unbuild(address, password, plan, watch).await,
        Scheme::Sqlite => sqlite::unbuild(address, plan, watch).await,
        scheme => Err(no_database(scheme)),
    }
}
