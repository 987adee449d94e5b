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

/// What of a plan tells it apart from another of the same statement: its steps, tables and indexes, no estimates and no costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlanShape {
    /// Names it: the same for plans of the same shape, 8 hexadecimal digits.
    pub name: String,
    /// Its first 200 nodes in the order of the tree.
    pub nodes: Vec<ShapeNode>,
    /// Nodes beyond those. They are in the name.
    pub nodes_left_out: u32,
}

/// Node of a plan's shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ShapeNode {
    /// Distance from the root.
    pub depth: u32,
    /// What it does in the server's word, such as `Bitmap Heap Scan`.
    pub name: String,
    /// Table that it reads, by the name that the statement gives it.
    pub relation: Option<String>,
    /// Index that it reads.
    pub index: Option<String>,
}

/// Nodes of a shape that are kept.
const MOST_SHAPE_NODES: usize = 200;

impl StatementPlan {
    /// Its shape.
    pub fn shape(&self) -> PlanShape {
        let texts = |node: &PlanNode| {
            let part = |text: Option<&String>| text.cloned().unwrap_or_default();
            // A separator that is in no name keeps parts apart.
            [node.depth.to_string(), node.name.clone(), part(node.relation.as_ref()), part(node.index.as_ref())]
                .join("\0")
        };
        let whole: Vec<String> = self.nodes.iter().map(texts).chain([self.nodes_left_out.to_string()]).collect();
        let hash = crate::seeded::fnv1a(whole.join("\n").into_bytes());
        let node = |node: &PlanNode| ShapeNode {
            depth: node.depth,
            name: node.name.clone(),
            relation: node.relation.clone(),
            index: node.index.clone(),
        };
        let left_out = self.nodes.len().saturating_sub(MOST_SHAPE_NODES);
        PlanShape {
            // Both halves take part in what is shown of it.
            name: format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff)),
            nodes: self.nodes.iter().take(MOST_SHAPE_NODES).map(node).collect(),
            nodes_left_out: self.nodes_left_out.saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_of_steps_tables_and_indexes_and_of_no_estimates() {
        let scan = |name: &str, index: Option<&str>, rows: f64| StatementPlan {
            nodes: vec![PlanNode {
                name: name.to_owned(),
                relation: Some("items".to_owned()),
                index: index.map(str::to_owned),
                estimated_rows: Some(rows),
                cost: Some(rows * 2.0),
                ..PlanNode::default()
            }],
            ..StatementPlan::default()
        };
        let by_index = scan("Index Scan", Some("items_code"), 1.0).shape();
        assert_eq!(by_index, scan("Index Scan", Some("items_code"), 9.0).shape(), "estimates are not in it");
        let others = [scan("Seq Scan", None, 1.0), scan("Index Scan", Some("items_pkey"), 1.0)];
        assert!(others.iter().all(|plan| plan.shape().name != by_index.name), "another step or index is another plan");
        assert_eq!(by_index.name.len(), 8, "{}", by_index.name);
        let long =
            StatementPlan { nodes: vec![PlanNode::default(); 300], nodes_left_out: 5, ..StatementPlan::default() };
        let shape = long.shape();
        assert_eq!((shape.nodes.len(), shape.nodes_left_out), (200, 105), "what is not kept is counted");
    }
}
