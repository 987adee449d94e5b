//! What a statement would cost if an index were there, asked of the database itself, and the facts that indexes are thought up from.
//!
//! Three ways, each with what it is worth. `HypoPG` plans with the tables' own statistics, in the server's own memory; a defect of it ends
//! every session of the instance, so it has a session of its own, and [`Failure::Died`] tells its death apart: whoever called never asks
//! that way again. A sample of the tables in temporary ones ([`Lab`]) needs nothing of the server but `SELECT` and `TEMP`. SQLite plans on
//! an empty schema with the statistics of the file. MySQL and MariaDB have no way: see [`no_simulation`].
mod costs;
mod expressions;
mod facts;
mod hypopg;
mod rungs;
mod shadow;
mod sqlite;
mod statement;
mod types;

use perfdeck_model::{ApiError, ErrorCode, PlanNode};

pub use expressions::{ExpressionFacts, TableExpression, expression_facts};
pub use facts::{
    ColumnFacts, DatabaseFacts, FunctionFacts, IndexFacts, KeyFacts, TableFacts, ViewFacts, WriteFacts, database_facts,
};
pub use facts::{TableSort, far_values};
pub use hypopg::HypoPg;
pub use rungs::{Place, Rung, rungs};
pub use shadow::{Lab, LabTable};
pub use sqlite::Schema;
pub(crate) use statement::{refusal, with_values};
pub use types::{TypeFacts, parameter_types};

/// An index that is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// Schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// What stands behind the table in `CREATE INDEX`, names quoted: `("a", "b" DESC) WHERE …`, or `USING gin (…)`.
    pub definition: String,
    /// Whether it has a part of the rows only, or a key that is no column.
    pub partial_or_expression: bool,
    /// Its keys where all are columns, for engines that keep statistics of keys.
    pub columns: Vec<String>,
    /// All of its keys as conditions write them ([`Sought::of`]).
    pub keys: Vec<String>,
    /// Its rows where it has a part of the table's, as far as that is known.
    pub rows: Option<f64>,
}

impl Proposed {
    /// Whether a key of it is no column, so that no statistics tell how often its values come.
    pub(crate) fn is_of_expression(&self) -> bool {
        self.columns.is_empty()
    }
}

/// A condition of a reading of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// What is compared, as the key of an index that finds it is written.
    pub of: String,
    /// The column, where it is one and nothing more.
    pub column: Option<String>,
    /// The condition with its values, names quoted; `None` where those are not known, as in a join.
    pub text: Option<String>,
    /// Whether it asks for one value, or for some.
    pub equal: bool,
    /// The value, as it is written, where one is asked for.
    pub value: Option<String>,
}

/// What a reading of a table asks of it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReading {
    /// The table.
    pub table: String,
    /// Its name in the statement.
    pub name: String,
    /// Conditions, all of which hold.
    pub sought: Vec<Sought>,
    /// Whether it has others, one branch of which holds.
    pub branches: bool,
}

/// A question: a statement with values for its parameters, and the indexes that are taken to be there, by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf<'a> {
    /// The statement.
    pub statement: &'a str,
    /// A text for each parameter, as `perfdeck_sqltext::parameters` counts them.
    pub values: &'a [String],
    /// Places of indexes in the list that the way was opened with.
    pub indexes: &'a [usize],
    /// What it asks of each table, for engines whose steps tell no rows.
    pub readings: &'a [TableReading],
}

/// An index that a plan uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanIndex {
    /// One that is not there, by its place.
    Proposed(usize),
    /// One that is.
    Existing(String),
}

/// What a statement would cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanCost {
    /// By the planner's reckoning, in its unit.
    pub total: f64,
    /// The same if the plan read on to the last row where it hopes to have enough before; `None` where it has no such hope.
    pub unstopped: Option<f64>,
    /// Indexes that it uses.
    pub indexes: Vec<PlanIndex>,
    /// Its nodes, where they were asked for, each with the index that it reads.
    pub nodes: Vec<(PlanNode, Option<PlanIndex>)>,
}

/// Answers to several questions, in their order: a cost, or why the server does not plan that statement with those values.
pub type Costs = Vec<Result<PlanCost, String>>;

/// Why no question can be asked that way any more.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The session died while it planned. The way may have ended other sessions too: it is not to be tried again by itself.
    Died(ApiError),
    /// The way is not there, or not for this user.
    Told(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Died(error) | Failure::Told(error) => error,
        }
    }
}

/// Says that a server, by its product and version, cannot simulate an index.
pub fn no_simulation(server: &str) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("{server} cannot plan for an index that is not there")).hint(
        "Its planner looks into an index's pages while it plans, so that an empty copy of a table tells nothing; candidates are ranked \
         by statistics alone and have to be tried on a copy of the data",
    )
}

/// Statements that are asked about in one message, at most.
const TOGETHER: usize = 200;

/// Nodes, each with the index that it reads.
fn with_indexes(nodes: Vec<PlanNode>, of: impl Fn(String) -> PlanIndex) -> Vec<(PlanNode, Option<PlanIndex>)> {
    let with = |node: PlanNode| {
        let index = node.index.clone().map(&of);
        (node, index)
    };
    nodes.into_iter().map(with).collect()
}
