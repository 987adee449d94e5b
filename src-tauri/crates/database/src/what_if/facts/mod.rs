//! The facts that indexes are thought up from: tables, columns with their statistics, indexes, writes. Bounded, and only of the tables that
//! statements name. Values of columns are among them, which stay in memory: nothing here is stored, logged or shown.
mod functions;
mod lengths;
mod mysql;
mod mysql_beginnings;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};

use crate::connect::{Database, close, connect, stalled, version};
use crate::error::explain;

pub use postgres::{TableSort, far_values};
pub(super) use sqlite::STORED;

/// Longest time to connect, and of all questions together.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
const READING: Duration = Duration::from_secs(20);
/// Tables that are read at most.
const MOST_TABLES: usize = 500;

/// A database as this user sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatabaseFacts {
    /// Product and version, such as `PostgreSQL 15.18`.
    pub server: String,
    /// Version as one number; 0 where there is none.
    pub version: u32,
    /// Bytes of a page.
    pub page: f64,
    /// Schemas in which names without one are looked for.
    pub search_path: Vec<String>,
    /// Extensions that matter to indexes: those that are there.
    pub extensions: BTreeSet<String>,
    /// And those that could be.
    pub available: BTreeSet<String>,
    /// Operator classes of extensions that the search path does not find, with their schema, as an index names them.
    pub classes: Vec<String>,
    /// Whether the server is a standby.
    pub standby: bool,
    /// Functions, on PostgreSQL.
    pub functions: Vec<FunctionFacts>,
    /// Tables.
    pub tables: Vec<TableFacts>,
    /// Views.
    pub views: Vec<ViewFacts>,
    /// Tables that were left out.
    pub left_out: usize,
    /// Tables whose statistics this user may not see.
    pub hidden: usize,
    /// Tables whose values could not be looked at, with the reason.
    pub unread: Vec<(String, String)>,
    /// What would let it, as it is run.
    pub grants: Vec<String>,
}

/// A function that statements call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Values that it is called with, at least and at most.
    pub arguments: (usize, usize),
    /// Whether it is immutable.
    pub immutable: bool,
    /// Whether the search path finds it.
    pub visible: bool,
    /// Whether it gives one value, of a type that has an order.
    pub plain: bool,
}

/// A view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The statement behind it.
    pub definition: String,
}

/// Writes of a table since its counters were reset.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WriteFacts {
    /// Rows inserted.
    pub inserts: f64,
    /// Rows updated.
    pub updates: f64,
    /// Of those, the ones that touched no index; `None` where the server has no such thing.
    pub hot: Option<f64>,
    /// Rows deleted.
    pub deletes: f64,
    /// Over so many days.
    pub days: f64,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether only its partitions hold rows.
    pub partitioned: bool,
    /// Whether it is a materialized view.
    pub materialized: bool,
    /// Whether other tables inherit from it (`INHERITS`), whose rows are read with its own.
    pub parent: bool,
    /// The partitioned table that it is a partition of: schema and name.
    pub partition_of: Option<String>,
    /// Whether values of its rows lie outside of them (TOAST).
    pub toasted: bool,
    /// Its engine, where that locks the table while an index is built.
    pub locked_by: Option<String>,
    /// The format of its rows, and bytes of one column that an index may have, where the format bounds them.
    pub longest_key: Option<(String, f64)>,
    /// Rows, as of the last analyze.
    pub rows: Option<f64>,
    /// Pages.
    pub pages: f64,
    /// Share of them that everybody may see.
    pub all_visible: f64,
    /// Its writes, where they are counted.
    pub writes: Option<WriteFacts>,
    /// Share of its updates so far that touched no index, where there were enough of them.
    pub hot: Option<f64>,
    /// Columns.
    pub columns: Vec<ColumnFacts>,
    /// Indexes.
    pub indexes: Vec<IndexFacts>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type as the server writes it.
    pub type_name: String,
    /// `text`, `boolean`, `json`, `array`, `unordered` or `ordered`.
    pub class: &'static str,
    /// Whether texts compare byte by byte.
    pub by_bytes: bool,
    /// Its collation by name (MySQL, MariaDB; PostgreSQL where it is not the database's).
    pub collation: Option<String>,
    /// Whether texts compare as those of SQLite's `NOCASE`.
    pub no_case: bool,
    /// Whether texts of the same bytes only are equal.
    pub deterministic: bool,
    /// Whether it is never null.
    pub not_null: bool,
    /// Bytes where all values have as many.
    pub fixed: Option<f64>,
    /// 1, 2, 4 or 8.
    pub align: usize,
    /// Mean bytes.
    pub width: Option<f64>,
    /// Bytes that its type lets a value have, where that is known.
    pub most: Option<f64>,
    /// Bytes of the longest of the values that statistics have.
    pub longest: Option<f64>,
    /// Share of nulls.
    pub nulls: Option<f64>,
    /// Different values: a count, or the negative of a share.
    pub distinct: Option<f64>,
    /// Common values with their share.
    pub common: Vec<(String, f64)>,
    /// Bounds of groups of as many rows.
    pub bounds: Vec<String>,
    /// Of arrays the values that most of them have, the most common first.
    pub elements: Vec<String>,
    /// How far the order on disk is that of the values.
    pub correlation: Option<f64>,
    /// How much of the rows leaves each remainder of the value's stored length by 8, where values tell.
    pub remainders: Option<[f64; 8]>,
    /// The beginning of it that a key can have, where all of it is none (MySQL, MariaDB) and its values tell how much that is.
    pub beginning: Option<BeginningFacts>,
}

/// The shortest beginning by which nearly all values of a column differ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BeginningFacts {
    /// Characters of it; bytes of a binary column.
    pub length: u32,
    /// Different ones: a count, or the negative of a share.
    pub distinct: f64,
    /// As many of them differ as this share of whole values.
    pub of_whole: f64,
    /// Mean bytes.
    pub width: f64,
}

/// A key of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// The column, where it is one.
    pub column: Option<String>,
    /// How much of its beginning, where that is not all of it (MySQL, MariaDB).
    pub prefix: Option<u32>,
    /// The expression as the server writes it otherwise.
    pub expression: Option<String>,
    /// From the greatest on.
    pub descending: bool,
    /// Nulls first.
    pub nulls_first: bool,
    /// Operator class that is not the type's own.
    pub class: Option<String>,
    /// Collation that is not the column's own; of an expression the one that is not the database's.
    pub collation: Option<String>,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// How it is organised, in the server's word.
    pub method: String,
    /// Its keys.
    pub keys: Vec<KeyFacts>,
    /// Columns that it has beside them.
    pub include: Vec<String>,
    /// The condition of its rows as the server writes it.
    pub predicate: Option<String>,
    /// Whether it enforces something.
    pub unique: bool,
    /// Whether the server may use it.
    pub valid: bool,
    /// Its bytes.
    pub bytes: Option<f64>,
    /// The statement that creates it.
    pub definition: String,
}

/// Reads the facts about the tables and views of these names; views are followed to their tables.
///
/// # Errors
/// When the database cannot be asked.
pub async fn database_facts(
    address: &Address,
    password: Option<&Sensitive>,
    names: &BTreeSet<String>,
) -> Result<DatabaseFacts, ApiError> {
    let mut database = connect(address, password, CONNECT).await?;
    let work = async {
        let server = version(&mut database).await;
        let found = match &mut database {
            Database::Postgres(c) => postgres::facts(c, address, names).await,
            Database::Mysql(c) => mysql::facts(c, address, names).await,
            Database::Sqlite(c) => sqlite::facts(c, names).await,
        };
        let facts = server.and_then(|server| Ok(DatabaseFacts { server, ..found? }));
        facts.map_err(|e| explain(address, &e))
    };
    let found = tokio::time::timeout(READING, work).await;
    let found = match found {
        Ok(found) => found,
        Err(_) => Err(stalled(address, &database, READING)),
    };
    close(database).await;
    found
}
