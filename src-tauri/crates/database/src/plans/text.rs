//! A plan as plain text: the tree with a column for each figure that is known of some node. Pure.
use perfdeck_model::{PlanNode, StatementPlan};
use perfdeck_words::{ascii, integer, plain_spaces, significant};

/// A column: its head, and what a node says in it.
type Column = (&'static str, fn(&PlanNode) -> Option<String>);

fn figure(x: f64) -> String {
    // Counts are whole as far as they are read as such.
    ascii(&if x.fract() == 0.0 && x.abs() < 1e6 { integer(x) } else { significant(x, 3) })
}

const COLUMNS: &[Column] = &[
    ("own ms", |n| n.own_ms.map(figure)),
    ("estimated", |n| n.estimated_rows.map(figure)),
    ("rows", |n| n.rows.map(figure)),
    ("off by", |n| n.off_by.filter(|by| *by > 1.0).map(|by| format!("x{}", figure(by)))),
    ("removed", |n| n.removed_rows.map(figure)),
    ("loops", |n| n.loops.map(figure)),
    ("buffers", |n| n.buffers.map(figure)),
    ("read", |n| n.read_buffers.map(figure)),
    ("temporary", |n| n.temp_buffers.filter(|n| *n > 0.0).map(figure)),
    ("i/o ms", |n| n.io_ms.map(figure)),
    ("cost", |n| n.cost.map(figure)),
];

/// What a node is, with its place in the tree.
fn node(node: &PlanNode) -> String {
    let lead = if node.depth == 0 { String::new() } else { format!("{}-> ", "   ".repeat(node.depth as usize - 1)) };
    let parts = [Some(node.name.as_str()), node.relation.as_deref(), node.index.as_deref(), node.detail.as_deref()];
    lead + &parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// The tree as lines of text; unknown is a dash.
pub(super) fn tree(plan: &StatementPlan) -> String {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|(_, of)| plan.nodes.iter().any(|n| of(n).is_some())).collect();
    let names: Vec<String> = plan.nodes.iter().map(node).collect();
    let wide = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let first = wide(&mut names.iter().map(|n| n.chars().count()).chain([4]));
    let cell = |of: &Column, n: &PlanNode| of.1(n).unwrap_or_else(|| "-".to_owned());
    let widths: Vec<usize> = columns
        .iter()
        .map(|c| wide(&mut plan.nodes.iter().map(|n| cell(c, n).chars().count()).chain([c.0.len()])))
        .collect();
    let row = |name: &str, cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect::<String>();
        format!("{name:<first$}{cells}").trim_end().to_owned()
    };
    let mut lines = vec![row("node", columns.iter().map(|c| c.0.to_owned()).collect())];
    for (n, name) in plan.nodes.iter().zip(&names) {
        lines.push(row(name, columns.iter().map(|c| cell(c, n)).collect()));
        let indent = "   ".repeat(n.depth as usize + 1);
        lines.extend(n.conditions.iter().map(|c| format!("{indent}{}: {}", c.kind, c.text)));
    }
    if plan.nodes_left_out > 0 {
        lines.push(format!("{} more nodes are left out", plan.nodes_left_out));
    }
    let ms = |ms: f64| ascii(&perfdeck_words::ms(ms));
    let times = [("planning", plan.planning_ms), ("execution", plan.execution_ms)];
    lines.extend(times.iter().filter_map(|(what, took)| took.map(|took| format!("{what}: {}", ms(took)))));
    lines.extend(plan.notes.iter().cloned());
    plain_spaces(&lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::PlanCondition;

    #[test]
    fn the_tree_is_aligned_and_has_the_columns_that_are_known() {
        let plan = StatementPlan {
            nodes: vec![
                PlanNode { name: "Sort".to_owned(), estimated_rows: Some(1.0), ..PlanNode::default() },
                PlanNode {
                    depth: 1,
                    name: "Seq Scan".to_owned(),
                    relation: Some("shifts".to_owned()),
                    estimated_rows: Some(4_210.0),
                    conditions: vec![PlanCondition { kind: "filter".to_owned(), text: "day > ?".to_owned() }],
                    ..PlanNode::default()
                },
            ],
            planning_ms: Some(0.03),
            ..StatementPlan::default()
        };
        let want = "node                 estimated\n\
                    Sort                         1\n\
                    -> Seq Scan  shifts       4210\n      \
                    filter: day > ?\n\
                    planning: 30.0 µs";
        assert_eq!(tree(&plan), want);
    }
}
