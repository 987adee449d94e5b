//! `EXPLAIN (FORMAT JSON)` of PostgreSQL as a tree. Pure.
//!
//! The server tells times and rows of one loop on average, with everything below, and of parallel nodes for each process.
//! A node's own time is its time over all loops without that of its children, on the clock: what several processes did side
//! by side counts once. What a CTE took stands with its own nodes, and not with those that read it. Whom a LIMIT stops early
//! had fewer rows than estimated for that reason, which is no mistake of the estimate.
use std::collections::HashMap;

use perfdeck_model::{ApiError, PlanCondition, PlanNode};
use perfdeck_sqltext::{Dialect, without_literals};
use serde_json::Value;

use super::{Tree, answered, counted, unread};

/// Expressions of a node, in the order in which they are shown.
const CONDITIONS: &[(&str, &str)] = &[
    ("Index Cond", "index condition"),
    ("Recheck Cond", "recheck"),
    ("Order By", "order by"),
    ("TID Cond", "row identifier"),
    ("Hash Cond", "hash condition"),
    ("Merge Cond", "merge condition"),
    ("Join Filter", "join filter"),
    ("One-Time Filter", "one-time filter"),
    ("Filter", "filter"),
    ("Sort Key", "sort key"),
    ("Presorted Key", "presorted key"),
    ("Group Key", "group key"),
    ("Cache Key", "cache key"),
    ("Function Call", "function"),
    ("Table Function Call", "function"),
    ("Run Condition", "run condition"),
];
/// Rows that were read and thrown away.
const REMOVED: [&str; 3] = ["Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck"];

/// Times of reading and writing pages, by the names that they have until 16 and from 17 on.
const IO_TIMES: [&str; 8] = [
    "I/O Read Time",
    "I/O Write Time",
    "Temp I/O Read Time",
    "Temp I/O Write Time",
    "Shared I/O Read Time",
    "Shared I/O Write Time",
    "Local I/O Read Time",
    "Local I/O Write Time",
];

/// What a node took with everything below it.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    ms: f64,
    hit: f64,
    read: f64,
    temp: f64,
    io_ms: f64,
}

impl Took {
    fn with(self, other: Self, of: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            ms: of(self.ms, other.ms),
            hit: of(self.hit, other.hit),
            read: of(self.read, other.read),
            temp: of(self.temp, other.temp),
            io_ms: of(self.io_ms, other.io_ms),
        }
    }

    fn add(&mut self, other: Self) {
        *self = self.with(other, |a, b| a + b);
    }

    /// What is left of it without a part.
    fn without(self, part: Self) -> Self {
        self.with(part, |all, part| (all - part).max(0.0))
    }

    /// As much of it as `most` has.
    fn at_most(self, most: Self) -> Self {
        self.with(most, f64::min)
    }
}

#[derive(Default)]
struct Reader {
    tree: Tree,
    /// What each CTE took that was not yet taken out of a node that reads it.
    ctes: HashMap<String, Took>,
    measured: bool,
    /// Whether the server measured the time of reading and writing (`track_io_timing`).
    io_timed: bool,
}

/// Reads an answer.
///
/// # Errors
/// When it is none, or nested deeper than about 60 nodes.
pub(super) fn read(answer: &str, measured: bool) -> Result<Tree, ApiError> {
    let all = answered(answer, Dialect::Postgres)?;
    let first = all.get(0).ok_or_else(unread)?;
    let plan = first.get("Plan").ok_or_else(unread)?;
    let io_timed = measured && IO_TIMES.iter().any(|key| answer.contains(&format!("\"{key}\"")));
    let mut reader = Reader { measured, io_timed, ..Reader::default() };
    reader.node(plan, 0, 1.0, false);
    let mut tree = reader.tree;
    tree.planning_ms = number(first, "Planning Time");
    tree.execution_ms = number(first, "Execution Time");
    tree.notes.extend(first.get("JIT").map(compiled));
    tree.of(&all)
}

/// What compiling took, or that the statement would be compiled.
fn compiled(jit: &Value) -> String {
    let functions = number(jit, "Functions").map_or(0, |n| n as i64);
    let functions = perfdeck_words::plural(functions, "function");
    match jit.get("Timing").and_then(|t| number(t, "Total")) {
        Some(ms) => format!("Compiling it (JIT, {functions}) took {} of it", perfdeck_words::ms(ms)),
        None => format!("Its cost is above jit_above_cost: {functions} would be compiled first (JIT)"),
    }
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// A text or a list of texts.
fn texts(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

impl Reader {
    /// Reads a node with everything below it; answers what it took. `processes` work on it side by side. Whether it may have
    /// been `stopped` before it was through.
    fn node(&mut self, node: &Value, depth: u32, processes: f64, stopped: bool) -> Took {
        let loops = number(node, "Actual Loops").filter(|_| self.measured);
        let took = self.took(node, loops, processes);
        let mut row = shown(node, depth, loops);
        if stopped && row.overestimated {
            (row.off_by, row.overestimated) = (None, false);
        }
        let place = self.tree.push(row);
        let kind = text(node, "Node Type").unwrap_or_default();
        // These read all of what is below them before their first row.
        let reads_all = ["Sort", "Hash", "Aggregate", "Materialize", "SetOp", "BitmapAnd", "BitmapOr", "WindowAgg"];
        let stops = kind == "Limit" || (stopped && !reads_all.contains(&kind));
        let launched = number(node, "Workers Launched").or_else(|| number(node, "Workers Planned"));
        let below = match kind {
            "Gather" | "Gather Merge" => launched.map_or(processes, |n| n + 1.0),
            _ => processes,
        };
        let mut children = Took::default();
        for child in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            let took = self.node(child, depth + 1, below, stops);
            match text(child, "Subplan Name").and_then(|name| name.strip_prefix("CTE ")) {
                Some(name) => self.ctes.entry(name.to_owned()).or_default().add(took),
                None => children.add(took),
            }
        }
        if let Some(cte) = text(node, "CTE Name").and_then(|name| self.ctes.get_mut(name)) {
            let part = cte.at_most(took.without(children));
            *cte = cte.without(part);
            children.add(part);
        }
        let own = took.without(children);
        if let Some(shown) = place.and_then(|at| self.tree.nodes.get_mut(at))
            && self.measured
        {
            if number(node, "Actual Total Time").is_some() {
                (shown.own_ms, shown.total_ms) = (Some(own.ms), Some(took.ms));
            }
            if node.get("Shared Hit Blocks").is_some() {
                (shown.buffers, shown.read_buffers) = (Some(own.hit + own.read), Some(own.read));
                shown.temp_buffers = Some(own.temp);
            }
            // A server that does not measure it leaves it out, as one that measured none of it does before 17.
            if self.io_timed {
                shown.io_ms = Some(own.io_ms);
            }
        }
        took
    }

    fn took(&self, node: &Value, loops: Option<f64>, processes: f64) -> Took {
        let loops = loops.unwrap_or(0.0);
        // Loops of a node that several processes work on are those of all of them.
        let beside = processes.min(loops).max(1.0);
        let block = |key| number(node, key).unwrap_or(0.0);
        Took {
            ms: block("Actual Total Time") * loops / beside,
            hit: block("Shared Hit Blocks") + block("Local Hit Blocks"),
            read: block("Shared Read Blocks") + block("Local Read Blocks"),
            temp: block("Temp Read Blocks") + block("Temp Written Blocks"),
            io_ms: IO_TIMES.iter().map(|key| block(key)).sum::<f64>() / beside,
        }
    }
}

/// A node as it is shown, without what hangs on its children.
fn shown(node: &Value, depth: u32, loops: Option<f64>) -> PlanNode {
    let ran = loops.is_some_and(|n| n > 0.0);
    let estimated = number(node, "Plan Rows");
    let rows = number(node, "Actual Rows").filter(|_| ran);
    let removed: Vec<f64> = REMOVED.iter().filter_map(|key| number(node, key)).collect();
    let conditions = CONDITIONS.iter().filter_map(|(key, kind)| {
        let text = texts(node, key)?;
        Some(PlanCondition { kind: (*kind).to_owned(), text: without_literals(&text, Dialect::Postgres) })
    });
    let owned = |key| text(node, key).map(str::to_owned);
    PlanNode {
        depth,
        name: name(node),
        relation: ["Relation Name", "CTE Name", "Function Name", "Tuplestore Name", "Relations"]
            .into_iter()
            .find_map(owned),
        index: owned("Index Name"),
        detail: detail(node),
        conditions: conditions.collect(),
        removed_rows: (ran && !removed.is_empty()).then(|| removed.iter().sum()),
        cost: number(node, "Total Cost"),
        ..counted(loops, estimated, rows)
    }
}

/// The name of a node as `EXPLAIN` in text has it.
fn name(node: &Value) -> String {
    let kind = text(node, "Node Type").unwrap_or("?");
    let mut name = match (kind, text(node, "Strategy")) {
        ("Aggregate", Some("Hashed")) => "HashAggregate".to_owned(),
        ("Aggregate", Some("Sorted")) => "GroupAggregate".to_owned(),
        ("Aggregate", Some("Mixed")) => "MixedAggregate".to_owned(),
        ("SetOp", Some("Hashed")) => "HashSetOp".to_owned(),
        _ => kind.to_owned(),
    };
    if let Some(join) = text(node, "Join Type").filter(|join| *join != "Inner") {
        name = format!("{} {join} Join", name.trim_end_matches(" Join"));
    }
    if let Some(part) = text(node, "Partial Mode").filter(|part| *part != "Simple") {
        name = format!("{part} {name}");
    }
    if node.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        name = format!("Parallel {name}");
    }
    name
}

/// What else is to be said of a node, in words.
fn detail(node: &Value) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(text(node, "Subplan Name").map(str::to_owned));
    let relation = text(node, "Relation Name").or_else(|| text(node, "Function Name"));
    let alias = text(node, "Alias").filter(|alias| Some(*alias) != relation && Some(*alias) != text(node, "CTE Name"));
    match (relation, alias) {
        (Some(_), Some(alias)) => parts.push(format!("as {alias}")),
        (None, Some(alias)) => parts.push(alias.to_owned()),
        _ => {}
    }
    if text(node, "Scan Direction") == Some("Backward") {
        parts.push("backward".to_owned());
    }
    if text(node, "Node Type").is_some_and(|kind| kind.ends_with("Sort")) {
        parts.extend(texts(node, "Sort Key"));
    }
    if let Some(space) = text(node, "Sort Space Type") {
        let place = if space == "Disk" { "on disk" } else { "in memory" };
        let used = number(node, "Sort Space Used").map(|kb| format!(", {}", perfdeck_words::bytes(kb * 1024.0)));
        parts.push(format!("{place}{}", if space == "Disk" { used.unwrap_or_default() } else { String::new() }));
    }
    if let Some(batches) = number(node, "Hash Batches").filter(|n| *n > 1.0) {
        parts.push(format!("in {batches} batches on disk"));
    }
    if let (Some(hits), Some(misses)) = (number(node, "Cache Hits"), number(node, "Cache Misses")) {
        let of = perfdeck_words::plural((hits + misses) as i64, "look-up");
        parts.push(format!("{} of {of} from its memory", perfdeck_words::integer(hits)));
    }
    if let Some(workers) = number(node, "Workers Launched").or_else(|| number(node, "Workers Planned")) {
        parts.push(perfdeck_words::plural(workers as i64, "worker"));
    }
    if let Some(fetches) = number(node, "Heap Fetches").filter(|n| *n > 0.0) {
        parts.push(format!("{} from the table", perfdeck_words::plural(fetches as i64, "row")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(plan: Value) -> Tree {
        read(&json!([{ "Plan": plan, "Planning Time": 0.03, "Execution Time": 7.0 }]).to_string(), true)
            .expect("a plan")
    }

    #[test]
    fn loops_are_counted_in_and_children_taken_out() {
        let tree = plan(json!({
            "Node Type": "Nested Loop", "Join Type": "Left", "Plan Rows": 1, "Actual Total Time": 6.5, "Actual Rows": 14,
            "Actual Loops": 1, "Shared Hit Blocks": 440, "Shared Read Blocks": 22, "Plans": [
                {"Node Type": "Seq Scan", "Relation Name": "shifts", "Alias": "s", "Plan Rows": 1, "Actual Total Time": 2.0,
                 "Actual Rows": 14, "Actual Loops": 1, "Filter": "(day > '2026-01-01'::date)", "Rows Removed by Filter": 4196,
                 "Shared Hit Blocks": 398, "Shared Read Blocks": 22},
                {"Node Type": "Index Scan", "Relation Name": "rooms", "Alias": "rooms", "Index Name": "rooms_pkey",
                 "Plan Rows": 1, "Actual Total Time": 0.3, "Actual Rows": 1, "Actual Loops": 14, "Shared Hit Blocks": 42,
                 "Shared Read Blocks": 0},
                {"Node Type": "Seq Scan", "Relation Name": "never", "Alias": "never", "Plan Rows": 9, "Actual Total Time": 0.0,
                 "Actual Rows": 0, "Actual Loops": 0}
            ]
        }));
        let [join, seq, index, never] = tree.nodes.as_slice() else { panic!("four nodes: {:?}", tree.nodes) };
        assert_eq!(join.name, "Nested Loop Left Join", "as EXPLAIN in text says it");
        let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        assert!(near(index.total_ms, 4.2) && near(index.own_ms, 4.2), "14 loops of 0.3 ms: {index:?}");
        assert!(near(join.own_ms, 6.5 - 2.0 - 4.2), "what its children took is not its own: {join:?}");
        assert_eq!(join.buffers, Some(0.0), "all pages are its children's: {join:?}");
        assert_eq!(
            (seq.buffers, seq.read_buffers, seq.removed_rows),
            (Some(420.0), Some(22.0), Some(4196.0)),
            "{seq:?}"
        );
        assert_eq!((seq.off_by, seq.overestimated), (Some(14.0), false), "{seq:?}");
        assert_eq!(seq.conditions[0].text, "(day > ?::date)", "no literal is shown");
        assert_eq!(
            (never.loops, never.rows, never.off_by),
            (Some(0.0), None, None),
            "never run is not no rows: {never:?}"
        );
        assert_eq!((seq.depth, seq.detail.as_deref()), (1, Some("as s")), "{seq:?}");
    }

    #[test]
    fn what_processes_do_side_by_side_counts_once() {
        let tree = plan(json!({
            "Node Type": "Gather", "Workers Planned": 2, "Workers Launched": 2, "Plan Rows": 3, "Actual Total Time": 10.0,
            "Actual Rows": 3, "Actual Loops": 1, "Plans": [
                {"Node Type": "Seq Scan", "Parallel Aware": true, "Relation Name": "t", "Alias": "t", "Plan Rows": 1,
                 "Actual Total Time": 9.0, "Actual Rows": 1, "Actual Loops": 3}]
        }));
        assert_eq!(
            (tree.nodes[0].own_ms, tree.nodes[1].own_ms),
            (Some(1.0), Some(9.0)),
            "three processes of 9 ms each"
        );
        assert_eq!(tree.nodes[1].name, "Parallel Seq Scan");
        assert_eq!(tree.nodes[0].detail.as_deref(), Some("2 workers"));
    }

    #[test]
    fn a_cte_takes_its_time_once() {
        let tree = plan(json!({
            "Node Type": "Aggregate", "Strategy": "Hashed", "Partial Mode": "Simple", "Plan Rows": 1, "Actual Total Time": 10.0,
            "Actual Rows": 1, "Actual Loops": 1, "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "InitPlan", "Subplan Name": "CTE x", "Relation Name": "t",
                 "Alias": "t", "Plan Rows": 1, "Actual Total Time": 7.0, "Actual Rows": 1, "Actual Loops": 1},
                {"Node Type": "CTE Scan", "CTE Name": "x", "Alias": "x", "Plan Rows": 1, "Actual Total Time": 9.0,
                 "Actual Rows": 1, "Actual Loops": 1}]
        }));
        let own: Vec<Option<f64>> = tree.nodes.iter().map(|n| n.own_ms).collect();
        assert_eq!(own, [Some(1.0), Some(7.0), Some(2.0)], "the scan of the CTE waits for it: {:?}", tree.nodes);
        let sum: f64 = own.into_iter().flatten().sum();
        assert_eq!(sum, 10.0, "parts are all of it");
        assert_eq!(tree.nodes[0].name, "HashAggregate");
    }

    #[test]
    fn whom_a_limit_stops_early_is_not_estimated_wrongly() {
        let tree = plan(json!({
            "Node Type": "Limit", "Plan Rows": 20, "Actual Total Time": 1.0, "Actual Rows": 20, "Actual Loops": 1, "Plans": [
                {"Node Type": "Sort", "Plan Rows": 4425, "Actual Total Time": 1.0, "Actual Rows": 20, "Actual Loops": 1, "Plans": [
                    {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Plan Rows": 4425, "Actual Total Time": 1.0,
                     "Actual Rows": 20, "Actual Loops": 1}]}]
        }));
        let [limit, sort, scan] = tree.nodes.as_slice() else { panic!("three nodes") };
        assert_eq!((limit.off_by, sort.off_by), (Some(1.0), None), "it would have given more");
        assert_eq!((scan.off_by, scan.overestimated), (Some(221.25), true), "what is sorted is read in full");
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        assert!(read("[]", false).is_err() && read("{", false).is_err(), "nothing to read");
        let mut deep = json!({"Node Type": "Append"});
        for _ in 0..200 {
            deep = json!({"Node Type": "Append", "Plans": [deep]});
        }
        let error = read(&json!([{ "Plan": deep }]).to_string(), false).err().expect("too deep");
        assert!(error.message.contains("too deep"), "{error:?}");
    }
}
