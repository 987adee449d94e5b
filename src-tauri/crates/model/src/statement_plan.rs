//! How a database would run, or ran, one statement.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Plan of one statement. Nothing in it is a literal of the statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StatementPlan {
    /// Product and version that made it, such as `PostgreSQL 15.18`.
    pub server: String,
    /// The statement, its literals replaced by `?`, at most 2,000 bytes.
    pub statement: String,
    /// Whether the statement was run and measured; otherwise everything is an estimate.
    pub measured: bool,
    /// Whether the plan is the one for any value of the parameters.
    pub generic: bool,
    /// Nodes in the order of the tree: a node, then what feeds it.
    pub nodes: Vec<PlanNode>,
    /// Nodes that were left out beyond the first 2,000.
    pub nodes_left_out: u32,
    /// Time that planning took, in milliseconds.
    pub planning_ms: Option<f64>,
    /// Time that running took, with what happened outside of the nodes, in milliseconds.
    pub execution_ms: Option<f64>,
    /// What is to be known about the plan, one sentence each.
    pub notes: Vec<String>,
    /// The tree as text.
    pub text: String,
    /// The server's own answer without literals, as indented JSON.
    pub json: String,
}

/// Node of a plan. Counts of rows are those of one loop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlanNode {
    /// Distance from the root.
    pub depth: u32,
    /// What it does in the server's word, such as `Bitmap Heap Scan`.
    pub name: String,
    /// Table that it reads, by the name that the statement gives it.
    pub relation: Option<String>,
    /// Index that it reads.
    pub index: Option<String>,
    /// More about it in words, such as `starts_at, in memory`.
    pub detail: Option<String>,
    /// Conditions and keys without literals: what, such as `filter`, and the expression.
    pub conditions: Vec<PlanCondition>,
    /// Time that it took itself, over all loops, without what feeds it, in milliseconds of the clock.
    pub own_ms: Option<f64>,
    /// Time with what feeds it, likewise.
    pub total_ms: Option<f64>,
    /// How often it was run; `null` where that was not measured, 0 where it never was.
    pub loops: Option<f64>,
    /// Rows that the planner expected of a loop.
    pub estimated_rows: Option<f64>,
    /// Rows of a loop.
    pub rows: Option<f64>,
    /// Factor between rows and estimate, at least 1; less than one row counts as one.
    pub off_by: Option<f64>,
    /// Whether there were fewer rows than expected.
    pub overestimated: bool,
    /// Rows of a loop that a condition threw away after they were read.
    pub removed_rows: Option<f64>,
    /// Pages that it touched itself, found in memory or not.
    pub buffers: Option<f64>,
    /// Pages that it read from outside the server's memory itself.
    pub read_buffers: Option<f64>,
    /// Pages of temporary files that it read and wrote itself: what had no room in memory.
    pub temp_buffers: Option<f64>,
    /// Time that it waited itself for pages to be read and written, in milliseconds; `null` where the server does not measure it
    /// (`track_io_timing`).
    pub io_ms: Option<f64>,
    /// Cost that the planner gave it with what feeds it, in the planner's own unit.
    pub cost: Option<f64>,
}

/// A condition, a key or a list of columns of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlanCondition {
    /// What it is, such as `filter`.
    pub kind: String,
    /// The expression, literals replaced by `?`.
    pub text: String,
}
