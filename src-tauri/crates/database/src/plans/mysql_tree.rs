//! `EXPLAIN FORMAT=JSON` of MySQL and MariaDB, and `ANALYZE FORMAT=JSON` of MariaDB, as a tree. Pure.
//!
//! There is no list of the forms that such an answer has, and it grows: an object that names a table is an access to it, any
//! other one that holds such is a step, named by its key.
use perfdeck_model::{ApiError, PlanCondition, PlanNode};
use perfdeck_sqltext::{Dialect, without_literals};
use serde_json::{Map, Value};

use super::{Tree, answered, counted, unread};

/// Expressions of a node, in the order in which they are shown.
const CONDITIONS: &[(&str, &str)] = &[
    ("index_condition", "index condition"),
    ("attached_condition", "filter"),
    ("having_condition", "having"),
    ("sort_key", "sort key"),
    ("message", "note"),
];
/// Keys that hold figures about a node and nothing that is run.
const FIGURES: [&str; 5] = ["cost_info", "r_engine_stats", "possible_keys", "used_key_parts", "used_columns"];

/// Reads an answer.
///
/// # Errors
/// When it is none, or nested too deep.
pub(super) fn read(answer: &str, measured: bool) -> Result<Tree, ApiError> {
    let all = answered(answer, Dialect::Mysql)?;
    let block = all.get("query_block").and_then(Value::as_object).ok_or_else(unread)?;
    let mut tree = Tree::default();
    if measured {
        tree.execution_ms = figure(block, "r_total_time_ms");
        tree.planning_ms = all.get("query_optimization").and_then(|o| o.get("r_total_time_ms")).and_then(Value::as_f64);
    }
    step(&mut tree, "query_block", block, 0, measured);
    tree.of(&all)
}

/// A figure, which MySQL writes as text in places.
fn figure(of: &Map<String, Value>, key: &str) -> Option<f64> {
    let value = of.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A step with what it holds; answers its time, where that was measured.
fn step(tree: &mut Tree, key: &str, of: &Map<String, Value>, depth: u32, measured: bool) -> Option<f64> {
    let place = tree.push(shown(key, of, depth, measured));
    let mut below = 0.0;
    for (key, value) in of.iter().filter(|(key, _)| !FIGURES.contains(&key.as_str())) {
        below += held(tree, key, value, depth + 1, measured);
    }
    let total = total_of(of).filter(|_| measured);
    let table = of.contains_key("table_name");
    if let (Some(total), Some(node)) = (total, place.and_then(|at| tree.nodes.get_mut(at))) {
        // A table's time is its own; a step's has what it holds in it.
        node.own_ms = Some(if table { total } else { (total - below).max(0.0) });
        node.total_ms = Some(if table { total + below } else { total });
    }
    match total {
        Some(total) if table => Some(total + below),
        Some(total) => Some(total),
        None => (below > 0.0).then_some(below),
    }
}

/// What lies under a key, as far as it is run; answers its time.
fn held(tree: &mut Tree, key: &str, value: &Value, depth: u32, measured: bool) -> f64 {
    match value {
        // Their entries are steps of the same step, one after the other.
        Value::Array(all) => all.iter().map(|one| held(tree, key, one, depth, measured)).sum(),
        Value::Object(of) => {
            let single = of.len() == 1 || key == "nested_loop" || key == "query_specifications";
            match of.iter().next() {
                // `{"table": {…}}` in a list is the table.
                Some((inner, value)) if single && value.is_object() => held(tree, inner, value, depth, measured),
                _ => step(tree, key, of, depth, measured).unwrap_or(0.0),
            }
        }
        _ => 0.0,
    }
}

/// Time of a step in milliseconds, over all loops.
fn total_of(of: &Map<String, Value>) -> Option<f64> {
    match (figure(of, "r_table_time_ms"), figure(of, "r_other_time_ms")) {
        (Some(table), other) => Some(table + other.unwrap_or(0.0)),
        (None, _) => figure(of, "r_total_time_ms"),
    }
}

fn shown(key: &str, of: &Map<String, Value>, depth: u32, measured: bool) -> PlanNode {
    let text = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let loops = figure(of, "r_loops").filter(|_| measured);
    let ran = loops.is_some_and(|n| n > 0.0);
    let estimated = figure(of, "rows_examined_per_scan").or_else(|| figure(of, "rows"));
    let rows = figure(of, "r_rows").or_else(|| figure(of, "r_output_rows")).filter(|_| ran);
    let kept = figure(of, "r_filtered").map(|percent| percent / 100.0);
    let conditions = CONDITIONS.iter().filter_map(|(key, kind)| {
        let text = without_literals(of.get(*key)?.as_str()?, Dialect::Mysql);
        Some(PlanCondition { kind: (*kind).to_owned(), text })
    });
    let flag =
        |key: &str, word: &str| (of.get(key)?.as_bool()? || of.get(key)?.as_i64() == Some(1)).then(|| word.to_owned());
    let mut details: Vec<String> = Vec::new();
    details.extend(text("ref").map(|r| format!("by {r}")));
    if let Some(Value::Array(parts)) = of.get("used_key_parts") {
        let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
        if !parts.is_empty() {
            details.push(format!("over {}", parts.join(", ")));
        }
    }
    details.extend(flag("using_index", "from the index alone"));
    details.extend(flag("using_filesort", "with a sort"));
    details.extend(flag("using_temporary_table", "with a temporary table"));
    details.extend(text("join_type").filter(|_| !of.contains_key("table_name")));
    PlanNode {
        depth,
        name: name(key, of),
        relation: text("table_name"),
        index: text("key"),
        detail: (!details.is_empty()).then(|| details.join(", ")),
        conditions: conditions.collect(),
        removed_rows: rows.zip(kept).map(|(rows, kept)| (rows * (1.0 - kept)).max(0.0)).filter(|n| *n > 0.0),
        buffers: of
            .get("r_engine_stats")
            .and_then(Value::as_object)
            .and_then(|stats| figure(stats, "pages_accessed"))
            .filter(|_| measured),
        cost: of
            .get("cost_info")
            .and_then(Value::as_object)
            .and_then(|cost| figure(cost, "query_cost").or_else(|| figure(cost, "prefix_cost")))
            .or_else(|| figure(of, "cost")),
        ..counted(loops, estimated, rows)
    }
}

/// The name of a step in words, by its key and, for a table, by how it is read.
fn name(key: &str, of: &Map<String, Value>) -> String {
    if of.contains_key("table_name") {
        return match of.get("access_type").and_then(Value::as_str) {
            Some("ALL") => "Full table scan".to_owned(),
            Some("index") => "Full index scan".to_owned(),
            Some("range" | "index_merge") => "Index range scan".to_owned(),
            Some("ref" | "ref_or_null" | "fulltext") => "Index lookup".to_owned(),
            Some("eq_ref" | "unique_subquery") => "Unique index lookup".to_owned(),
            Some("const" | "system") => "One row".to_owned(),
            Some(other) => format!("Access {other}"),
            None => "Table".to_owned(),
        };
    }
    match key {
        "query_block" => "Query".to_owned(),
        "filesort" | "read_sorted_file" | "ordering_operation" => "Sort".to_owned(),
        "grouping_operation" => "Group".to_owned(),
        "temporary_table" => "Temporary table".to_owned(),
        "duplicates_removal" => "Remove duplicates".to_owned(),
        "block-nl-join" => "Block nested loop join".to_owned(),
        "union_result" => "Union".to_owned(),
        "materialized" | "materialized_from_subquery" => "Materialize".to_owned(),
        other => {
            let words = other.replace(['_', '-'], " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_nodes_and_steps_hold_them() {
        let answer = json!({"query_block": {"select_id": 1, "r_loops": 1, "r_total_time_ms": 9.0, "filesort": {
            "sort_key": "o.a = 's3cret'", "r_loops": 1, "r_total_time_ms": 1.0, "temporary_table": {"nested_loop": [
                {"table": {"table_name": "o", "access_type": "ALL", "r_loops": 1, "rows": 100, "r_rows": 50, "r_filtered": 20,
                           "r_table_time_ms": 2.0, "r_other_time_ms": 1.0, "attached_condition": "o.mail = 's3cret'"}},
                {"table": {"table_name": "c", "access_type": "eq_ref", "key": "PRIMARY", "used_key_parts": ["id"],
                           "ref": ["app.o.c"], "r_loops": 10, "rows": 1, "r_rows": 1, "r_table_time_ms": 4.0}}
            ]}
        }}});
        let tree = read(&answer.to_string(), true).expect("a plan");
        let names: Vec<(u32, &str)> = tree.nodes.iter().map(|n| (n.depth, n.name.as_str())).collect();
        assert!(names.contains(&(0, "Query")), "{names:?}");
        let scan = tree.nodes.iter().find(|n| n.relation.as_deref() == Some("o")).expect("o");
        assert_eq!((scan.name.as_str(), scan.own_ms, scan.removed_rows), ("Full table scan", Some(3.0), Some(40.0)));
        assert_eq!((scan.off_by, scan.overestimated), (Some(2.0), true), "{scan:?}");
        let lookup = tree.nodes.iter().find(|n| n.relation.as_deref() == Some("c")).expect("c");
        assert_eq!((lookup.index.as_deref(), lookup.loops), (Some("PRIMARY"), Some(10.0)), "{lookup:?}");
        assert!(!format!("{:?}{}", tree.nodes, tree.json).contains("s3cret"), "no literals");
        assert_eq!(tree.execution_ms, Some(9.0));
    }

    #[test]
    fn a_form_that_is_not_known_is_named_by_its_key() {
        let answer = json!({"query_block": {"new_kind_of_step": {"cost": 1, "table": {"table_name": "t", "access_type": "ref"}}}});
        let tree = read(&answer.to_string(), false).expect("a plan");
        let names: Vec<&str> = tree.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["Query", "New kind of step", "Index lookup"]);
        assert!(tree.nodes.iter().all(|n| n.own_ms.is_none() && n.loops.is_none()), "nothing was measured");
    }
}
