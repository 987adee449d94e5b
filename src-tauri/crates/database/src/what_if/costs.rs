//! The cost of a plan of PostgreSQL, as if its tables had all their rows, and as if no `LIMIT` ended it early. Pure.
//!
//! A plan over a sample costs a part. What a node adds of its own grows with the rows that it has: as the table where it reads one, as what
//! feeds it elsewhere. One row by a key stays one row.
use serde_json::Value;

/// Nodes below each other that are followed.
const DEEPEST: usize = 100;

/// How many times the rows of a relation there are in truth, by its name.
pub(super) type Scale<'a> = &'a dyn Fn(&str) -> f64;

/// What is read out of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Read {
    pub(super) total: f64,
    pub(super) unstopped: Option<f64>,
    /// Names of the indexes that it uses, each once.
    pub(super) indexes: Vec<String>,
    /// Schema and name of the relations that it reads.
    pub(super) relations: Vec<(String, String)>,
}

/// Cost of a node with what feeds it.
#[derive(Debug, Clone, Copy)]
struct Part {
    startup: f64,
    total: f64,
    rows: f64,
}

impl Part {
    fn times(self, by: f64) -> Self {
        Self { startup: self.startup * by, total: self.total * by, ..self }
    }
}

/// Reads the answer to `EXPLAIN (VERBOSE, FORMAT JSON)`.
pub(super) fn read(answer: &str, scale: Scale<'_>) -> Option<Read> {
    let all: Value = serde_json::from_str(answer).ok()?;
    let plan = all.get(0)?.get("Plan")?;
    let mut read = Read { total: scaled(plan, scale, false, 0)?.total, ..Read::default() };
    let on = scaled(plan, scale, true, 0)?.total;
    read.unstopped = (on > read.total * 1.05).then_some(on);
    names(plan, &mut read, 0);
    Some(read)
}

fn number(node: &Value, key: &str) -> f64 {
    node.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

fn text<'v>(node: &'v Value, key: &str) -> &'v str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("Plans").and_then(Value::as_array).into_iter().flatten()
}

fn names(node: &Value, read: &mut Read, depth: usize) {
    let index = text(node, "Index Name");
    if !index.is_empty() && !read.indexes.iter().any(|known| known == index) {
        read.indexes.push(index.to_owned());
    }
    let relation = (text(node, "Schema").to_owned(), text(node, "Relation Name").to_owned());
    if !relation.1.is_empty() && !read.relations.contains(&relation) {
        read.relations.push(relation);
    }
    if depth < DEEPEST {
        children(node).for_each(|child| names(child, read, depth + 1));
    }
}

/// The cost of a node; with `on`, as if no limit ended what may not come early.
fn scaled(node: &Value, scale: Scale<'_>, on: bool, depth: usize) -> Option<Part> {
    if depth > DEEPEST {
        return None;
    }
    let own = Part {
        startup: number(node, "Startup Cost"),
        total: number(node, "Total Cost"),
        rows: number(node, "Plan Rows"),
    };
    let kind = text(node, "Node Type");
    let relation = text(node, "Relation Name");
    let fed: Vec<(Part, Part)> = children(node)
        .filter(|_| relation.is_empty())
        .map(|child| {
            let plain = Part {
                startup: number(child, "Startup Cost"),
                total: number(child, "Total Cost"),
                rows: number(child, "Plan Rows"),
            };
            Some((plain, scaled(child, scale, on, depth + 1)?))
        })
        .collect::<Option<_>>()?;
    if !relation.is_empty() {
        let by = scale(relation);
        // One row is found by its key, however many there are.
        let grows = kind == "Seq Scan" || own.rows > 1.0;
        return Some(if grows { Part { rows: own.rows * by, ..own.times(by) } } else { own });
    }
    Some(match (kind, fed.as_slice()) {
        (_, []) => own,
        ("Limit", [(_, child), ..]) => {
            let limited = node.get("Plans").and_then(|p| p.get(0)).is_some_and(|child| hopes(child, 0));
            let share = (own.rows / child.rows.max(1.0)).min(1.0);
            let share = if on && limited { 1.0 } else { share };
            Part {
                startup: child.startup,
                total: child.startup + (child.total - child.startup) * share,
                rows: own.rows,
            }
        }
        ("Nested Loop", [(outer, outer_new), (inner, inner_new), ..]) => {
            let more = outer_new.rows / outer.rows.max(1.0);
            let each = if inner.total > 0.0 { inner_new.total / inner.total } else { 1.0 };
            let grown = own.rows * more.max(inner_new.rows / inner.rows.max(1.0));
            let total = outer_new.total + (own.total - outer.total).max(0.0) * more * each;
            Part { startup: own.startup.min(total), total, rows: grown }
        }
        _ => {
            let before: f64 = fed.iter().map(|(plain, _)| plain.total).sum();
            let after: f64 = fed.iter().map(|(_, new)| new.total).sum();
            let rows = fed.iter().map(|(plain, new)| new.rows / plain.rows.max(1.0)).fold(1.0, f64::max);
            let costs = if before > 0.0 { after / before } else { 1.0 };
            let total = after + (own.total - before).max(0.0) * rows;
            // What stops early in a subplan costs less than what feeds it would: the same part of it then.
            let total = if own.total < before { own.total * costs } else { total };
            let startup = if own.total > 0.0 { total * own.startup / own.total } else { 0.0 };
            let grouped = matches!(kind, "Aggregate" | "Unique" | "Group" | "Limit") && own.rows <= 1.0;
            Part { startup, total, rows: if grouped { own.rows } else { own.rows * rows } }
        }
    })
}

/// Whether a `LIMIT` over a node hopes that rows which are kept come early: rows are thrown away on the way to it.
fn hopes(node: &Value, depth: usize) -> bool {
    const STREAMS: &[&str] = &[
        "Nested Loop",
        "Merge Join",
        "Subquery Scan",
        "Result",
        "LockRows",
        "Append",
        "Merge Append",
        "Gather Merge",
        "Incremental Sort",
        "Unique",
        "Limit",
        "Memoize",
    ];
    let kind = text(node, "Node Type");
    let reads = !text(node, "Relation Name").is_empty();
    let filters = node.get("Filter").is_some() || node.get("Join Filter").is_some();
    if reads {
        // A bitmap is made whole before its first row.
        return filters && kind != "Bitmap Heap Scan";
    }
    let streams = STREAMS.contains(&kind) && depth < DEEPEST;
    streams && (filters || children(node).any(|child| hopes(child, depth + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(plan: &Value, scale: Scale<'_>) -> Read {
        read(&json!([{ "Plan": plan }]).to_string(), scale).expect("a plan")
    }

    fn scan(kind: &str, total: f64, rows: f64) -> Value {
        json!({ "Node Type": kind, "Schema": "pg_temp_3", "Relation Name": "t", "Startup Cost": 0.4,
                "Total Cost": total, "Plan Rows": rows })
    }

    #[test]
    fn a_sample_costs_a_part() {
        let ten = |_: &str| 10.0;
        assert_eq!(of(&scan("Seq Scan", 100.0, 1.0), &ten).total, 1_000.0, "all pages are read");
        assert_eq!(of(&scan("Index Scan", 100.0, 50.0), &ten).total, 1_000.0, "ten times the rows");
        assert_eq!(of(&scan("Index Scan", 8.0, 1.0), &ten).total, 8.0, "one row is one");
        let sort = json!({ "Node Type": "Sort", "Startup Cost": 150.0, "Total Cost": 160.0, "Plan Rows": 50.0,
                           "Plans": [scan("Seq Scan", 100.0, 50.0)] });
        assert_eq!(of(&sort, &ten).total, 1_600.0, "what a node adds grows with its rows");
        assert_eq!(of(&sort, &|_| 1.0).total, 160.0, "a whole table is as the server says");
        let join = json!({ "Node Type": "Nested Loop", "Startup Cost": 1.0, "Total Cost": 500.0, "Plan Rows": 50.0,
                           "Plans": [scan("Seq Scan", 100.0, 50.0), scan("Index Scan", 8.0, 1.0)] });
        assert_eq!(of(&join, &ten).total, 5_000.0, "ten times as often");
    }

    #[test]
    fn an_end_that_is_hoped_for_is_told() {
        let limit = |child: Value| json!({ "Node Type": "Limit", "Startup Cost": 0.4, "Total Cost": 53.0, "Plan Rows": 10.0, "Plans": [child] });
        let mut by_order = scan("Index Scan", 90_000.4, 20_000.0);
        by_order["Index Name"] = json!("created");
        let sure = of(&limit(by_order.clone()), &|_| 1.0);
        assert_eq!((sure.total.round(), sure.unstopped), (45.0, None), "every row that is read is kept");
        by_order["Filter"] = json!("(cust_id = 5)");
        let hoped = of(&limit(by_order), &|_| 1.0);
        assert_eq!(hoped.unstopped, Some(90_000.4), "rows are thrown away on the way");
        assert_eq!(hoped.indexes, ["created"]);
        assert_eq!(hoped.relations, [("pg_temp_3".to_owned(), "t".to_owned())]);
        let mut filtered = scan("Seq Scan", 100.0, 20.0);
        filtered["Filter"] = json!("(cust_id = 5)");
        let sort = json!({ "Node Type": "Sort", "Startup Cost": 150.0, "Total Cost": 160.0, "Plan Rows": 20.0, "Plans": [filtered] });
        assert_eq!(of(&limit(sort), &|_| 1.0).unstopped, None, "a sort has read all rows before its first");
    }
}
