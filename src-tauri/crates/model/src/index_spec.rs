//! What an index is to be, before it has a name on a server.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Index that is to be created. It serves queries and enforces nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexSpec {
    /// Name of its table as the server writes it: with the schema where the search path does not find it, quoted where needed.
    pub table: String,
    /// Name of the index without a schema; made of the table and its keys where there is none.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Access method, such as `gin`; a B-tree where there is none.
    #[serde(default)]
    #[ts(optional)]
    pub method: Option<String>,
    /// Keys in their order, 1 to 32.
    pub keys: Vec<IndexSpecKey>,
    /// Names of further columns that it holds, without quotes.
    #[serde(default)]
    pub include: Vec<String>,
    /// Condition of the rows that it has: one expression of SQL.
    #[serde(default)]
    #[ts(optional)]
    pub predicate: Option<String>,
}

/// Key of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexSpecKey {
    /// What is in order.
    pub of: IndexSpecKeyOf,
    /// How much of a column's beginning it has, in characters, in bytes of a binary one; all of it where there is none. MySQL and MariaDB.
    #[serde(default)]
    #[ts(optional)]
    pub prefix: Option<u32>,
    /// Operator class, such as `text_pattern_ops`; the type's default where there is none.
    #[serde(default)]
    #[ts(optional)]
    pub operator_class: Option<String>,
    /// Whether it descends.
    #[serde(default)]
    pub descending: bool,
    /// Whether NULLs come first; where this is not said, they do if it descends.
    #[serde(default)]
    #[ts(optional)]
    pub nulls_first: Option<bool>,
}

/// What a key of an index is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexSpecKeyOf {
    /// Column, by its name without quotes.
    Column(String),
    /// One expression of SQL.
    Expression(String),
}

impl Default for IndexSpecKeyOf {
    fn default() -> Self {
        Self::Column(String::new())
    }
}
