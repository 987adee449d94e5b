//! What is known of a database: tables, columns with their statistics, indexes. Plain facts, from whoever read them.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::Dialect;

use crate::functions::Function;
use crate::index::Existing;
use crate::measured::Measured;
use crate::scalar::Scalar;

/// A database, as far as its user may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// Whose rules hold.
    pub dialect: Dialect,
    /// Version of the server as one number, such as 150018 of PostgreSQL 15.18 or 101119 of MariaDB 10.11.19; 0 where it is not known.
    pub version: u32,
    /// Whether it is a MariaDB, of the two that speak that dialect.
    pub mariadb: bool,
    /// Size of a page, in bytes.
    pub page: f64,
    /// Schemas in which names without one are looked for, in their order.
    pub search_path: Vec<String>,
    /// Extensions that are installed, and those that only wait to be.
    pub extensions: BTreeSet<String>,
    /// Extensions that could be installed.
    pub available: BTreeSet<String>,
    /// Operator classes that the search path does not find, as an index has to name them, by their own name.
    pub classes: BTreeMap<String, String>,
    /// Functions that its statements call, as far as they are not known by heart.
    pub functions: Vec<Function>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Views, with the statement behind each.
    pub views: Vec<View>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The `SELECT` that it is.
    pub definition: String,
}

/// What a table is, as far as that decides on how an index is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TableKind {
    /// A table.
    #[default]
    Plain,
    /// One that only its partitions hold rows of: an index of it cannot be built concurrently.
    Partitioned,
    /// A materialized view.
    Materialized,
    /// One whose rows lie in tables that inherit from it, too (`INHERITS`): an index of it has none of those.
    Parent,
}

/// Writes of a table in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WritesADay {
    /// Rows inserted.
    pub inserts: f64,
    /// Rows updated.
    pub updates: f64,
    /// Rows deleted.
    pub deletes: f64,
    /// Share of the updates that touched no index (HOT), 0 to 1; `None` where the kind of server has no such thing.
    pub hot: Option<f64>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Its schema; SQLite's is `main`.
    pub schema: String,
    /// Its name, without quotes.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// The partitioned table that it is a partition of, as a person reads it.
    pub partition_of: Option<String>,
    /// Whether values lie outside of its rows (TOAST): those are long.
    pub toasted: bool,
    /// Its engine, where that is one that locks the table while an index is built (MyISAM, Aria, MEMORY…).
    pub locked_by: Option<String>,
    /// The format of its rows, and bytes that an index has of one column of them at most, where the format has a bound of its own.
    pub longest_key: Option<(String, f64)>,
    /// Rows; `None` before the first analyze.
    pub rows: Option<f64>,
    /// Pages.
    pub pages: f64,
    /// Share of its pages that everybody may see without a look at the rows, 0 to 1.
    pub all_visible: f64,
    /// Writes of a day; `None` where they are not counted.
    pub writes: Option<WritesADay>,
    /// Share of its updates so far that touched no index (HOT), 0 to 1; `None` where there were too few, or the kind of server has no such
    /// thing. Known before it is known how many a day there are.
    pub hot: Option<f64>,
    /// Columns, in their order.
    pub columns: Vec<Column>,
    /// Indexes.
    pub indexes: Vec<Existing>,
    /// Expressions whose values were measured.
    pub measured: BTreeMap<Scalar, Measured>,
}

/// What a type can do in an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TypeClass {
    /// Has an order, and nothing else that matters here.
    #[default]
    Ordered,
    /// A text, in which patterns are looked for.
    Text,
    /// True or false.
    Boolean,
    /// `jsonb`.
    Json,
    /// An array.
    Array,
    /// Has no order, such as `json`, `point` or `xml`.
    Unordered,
}

/// How a text compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Collating {
    /// Byte by byte: a B-tree finds beginnings.
    Bytes,
    /// By the rules of a language.
    #[default]
    Language,
    /// As `Bytes`, but for the case of letters of ASCII: SQLite's `NOCASE`.
    NoCase,
    /// By rules under which texts of different bytes are equal: no index finds patterns.
    Nondeterministic,
}

/// A column, with what an analyze found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// Its name, without quotes.
    pub name: String,
    /// Its type as the server writes it.
    pub type_name: String,
    /// What the type can do.
    pub class: TypeClass,
    /// How its texts compare.
    pub collating: Collating,
    /// Its collation by name: of MySQL and MariaDB, where it begins with its set of characters, and of PostgreSQL where it is not the
    /// database's; `None` elsewhere and of what is no text.
    pub collation: Option<String>,
    /// Whether it is never null.
    pub not_null: bool,
    /// Bytes of a value where all have the same.
    pub fixed: Option<f64>,
    /// 1, 2, 4 or 8.
    pub align: usize,
    /// Mean bytes of a value; `None` where nobody may see it.
    pub width: Option<f64>,
    /// Bytes that its type lets a value have at most, where it says so and that is known.
    pub most: Option<f64>,
    /// Bytes of the longest of its values that is known.
    pub longest: Option<f64>,
    /// Share of rows in which it is null.
    pub nulls: Option<f64>,
    /// Different values: a count, or the negative of their share of all rows.
    pub distinct: Option<f64>,
    /// The most common values with the share of rows that have each, the most common first.
    pub common: Vec<(String, f64)>,
    /// Values that part the others into as many rows each, from the least to the greatest.
    pub bounds: Vec<String>,
    /// Of arrays the values that most of them have, the most common first.
    pub elements: Vec<String>,
    /// How far the order on disk is its order, -1 to 1.
    pub correlation: Option<f64>,
    /// How many of the values that are known leave each remainder of their stored length by 8; `None` where that is not known.
    pub remainders: Option<[f64; 8]>,
    /// The beginning that a key can have of it, where all of it is no key and its values tell how much that is (MySQL, MariaDB).
    pub beginning: Option<Beginning>,
}

/// The shortest beginning by which nearly all values of a column differ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Beginning {
    /// Characters of it; bytes of a binary column.
    pub length: u32,
    /// Different ones: a count, or the negative of their share of all rows.
    pub distinct: f64,
    /// As many of them differ as this share of whole values.
    pub of_whole: f64,
    /// Mean bytes.
    pub width: f64,
}

impl Beginning {
    /// Share of the rows that have one of them.
    pub(crate) fn share_of_one(&self, rows: f64) -> f64 {
        1.0 / if self.distinct < 0.0 { -self.distinct * rows } else { self.distinct }.max(1.0)
    }
}

impl Column {
    /// How many different values `rows` rows have.
    pub fn different(&self, rows: f64) -> Option<f64> {
        self.distinct.map(|n| if n < 0.0 { -n * rows } else { n }.clamp(1.0, rows.max(1.0)))
    }

    /// Share of rows that have one value, as the planner takes it of a value that it does not know.
    pub fn share_of_one(&self, rows: f64) -> Option<f64> {
        self.different(rows).map(|n| (1.0 - self.nulls.unwrap_or(0.0)) / n)
    }

    /// Share of rows that have this value, where it is a common one; `None` where it is not among those.
    pub fn share_of(&self, value: &str) -> Option<f64> {
        self.common.iter().find(|(common, _)| same_value(common, value)).map(|(_, share)| *share)
    }
}

/// Whether two texts are the same value: the server writes `t` where a statement has `true`.
fn same_value(a: &str, b: &str) -> bool {
    let truth = |text: &str| match text.to_ascii_lowercase().as_str() {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    };
    a == b || truth(a).is_some() && truth(a) == truth(b)
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Columns that every index of the table has anyhow: those of the key in whose order InnoDB keeps it, the row's number of SQLite.
    pub(crate) fn in_every_index(&self, dialect: Dialect) -> Vec<&str> {
        let name = match dialect {
            Dialect::Postgres => return Vec::new(),
            Dialect::Mysql => "PRIMARY",
            Dialect::Sqlite => "INTEGER PRIMARY KEY",
        };
        let own = |e: &&Existing| e.name == name;
        self.indexes.iter().find(own).map(|e| e.index.whole_columns()).unwrap_or_default()
    }

    /// Schema and name, as a person reads them.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Its bytes.
    pub fn bytes(&self, page: f64) -> f64 {
        self.pages * page
    }
}

impl Catalogue {
    /// The place of a table by its name, with a schema or by the search path.
    pub fn find(&self, schema: Option<&str>, name: &str) -> Option<usize> {
        let same = |a: &str, b: &str| self.same_name(a, b);
        let at = |schema: &str| self.tables.iter().position(|t| same(&t.schema, schema) && same(&t.name, name));
        match schema {
            Some(schema) => at(schema),
            None => self.search_path.iter().find_map(|schema| at(schema)),
        }
    }

    /// The view of that name, likewise.
    pub fn view(&self, schema: Option<&str>, name: &str) -> Option<&View> {
        let in_schema = |wanted: &str| {
            self.views.iter().find(|v| self.same_name(&v.schema, wanted) && self.same_name(&v.name, name))
        };
        match schema {
            Some(schema) => in_schema(schema),
            None => self.search_path.iter().find_map(|schema| in_schema(schema)),
        }
    }

    /// Whether two names are one: letter case does not count on servers other than PostgreSQL, whose names were folded before.
    pub(crate) fn same_name(&self, a: &str, b: &str) -> bool {
        a == b || self.dialect != Dialect::Postgres && a.eq_ignore_ascii_case(b)
    }

    /// An operator class as an index has to name it.
    pub(crate) fn class(&self, name: &str) -> String {
        self.classes.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// Whether an index can hold columns beside its keys.
    pub(crate) fn has_include(&self) -> bool {
        self.dialect == Dialect::Postgres && self.version >= 110_000
    }

    /// Whether it can have a part of the rows, or keys that are expressions written in parentheses.
    pub(crate) fn has_partial(&self) -> bool {
        self.dialect != Dialect::Mysql
    }
}
