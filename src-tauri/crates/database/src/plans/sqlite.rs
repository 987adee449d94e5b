//! Plans of SQLite: the steps that `EXPLAIN QUERY PLAN` lists, in words without literals.
use std::collections::HashMap;
use std::time::Instant;

use perfdeck_model::{Address, ApiError, ErrorCode, PlanNode};
use perfdeck_sqltext::{Dialect, parameters};
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::{PLANNING, Tree};
use crate::error::explain;

/// Instructions between two looks at the clock.
const STEPS: i32 = 20_000;

pub(super) async fn plan(
    c: &mut SqliteConnection,
    address: &Address,
    text: &str,
    measure: bool,
) -> Result<Tree, ApiError> {
    if measure {
        return Err(ApiError::new(ErrorCode::Unsupported, "SQLite does not measure the steps of a plan")
            .hint("Look at its plan without running it; a benchmark measures the statement as a whole"));
    }
    let end = Instant::now() + PLANNING;
    let failed = |e: sqlx::Error| why(address, &e);
    c.lock_handle().await.map_err(failed)?.set_progress_handler(STEPS, move || Instant::now() < end);
    let question = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let rows = sqlx::raw_sql(question).fetch_all(&mut *c).await.map_err(failed)?;
    let (mut tree, mut steps) = (Tree::default(), Vec::new());
    for row in &rows {
        let (id, parent): (i64, i64) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let detail: String = row.try_get(3).map_err(failed)?;
        steps.push((id, parent, detail));
    }
    let told: Vec<_> =
        steps.iter().map(|(id, parent, detail)| json!({ "id": id, "parent": parent, "detail": detail })).collect();
    for node in nodes(steps.iter().map(|(id, parent, detail)| (*id, *parent, detail.as_str()))) {
        tree.push(node);
    }
    if parameters(text, Dialect::Sqlite) > 0 {
        tree.generic = true;
    }
    tree.notes.push("SQLite tells the steps of a plan, and neither rows nor times of them".to_owned());
    tree.json = serde_json::to_string_pretty(&told).map_err(|e| ApiError::internal(e.to_string()))?;
    Ok(tree)
}

/// Steps, by their number and that of the step that holds them, as nodes.
pub(crate) fn nodes<'a>(steps: impl Iterator<Item = (i64, i64, &'a str)>) -> Vec<PlanNode> {
    let mut depths = HashMap::new();
    let node = |(id, parent, detail): (i64, i64, &str)| {
        let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
        step(detail, depth)
    };
    steps.map(node).collect()
}

/// A step of the list: what it does, on which table, through which index.
fn step(detail: &str, depth: u32) -> PlanNode {
    let node = |name: &str| PlanNode { depth, name: name.to_owned(), ..PlanNode::default() };
    let Some((verb, rest)) = detail.split_once(' ').filter(|(verb, _)| matches!(*verb, "SCAN" | "SEARCH")) else {
        return node(detail);
    };
    // What it is to the join stands at the end.
    let join = ["LEFT", "RIGHT", "FULL"]
        .into_iter()
        .find_map(|kind| Some((kind, rest.strip_suffix(&format!(" {kind}-JOIN"))?)));
    let (join, rest) = join.map_or((None, rest), |(kind, rest)| (Some(kind), rest));
    let (rest, own) = rest.split_once(" VIRTUAL TABLE INDEX ").map_or((rest, false), |(table, _)| (table, true));
    let (table, how) = match rest.split_once(" USING ") {
        Some((table, how)) => (table, Some(how)),
        None => (rest, None),
    };
    let index = how.and_then(|how| {
        let named = how.strip_prefix("COVERING INDEX ").or_else(|| how.strip_prefix("INDEX "))?;
        Some(named.rsplit_once(" (").map_or(named, |(name, _)| name).to_owned())
    });
    let keys = how.and_then(|how| how.rsplit_once(" (")).map(|(_, keys)| keys.trim_end_matches(')').to_owned());
    let mut details: Vec<String> = Vec::new();
    if let Some(how) = how {
        let kinds = [
            ("AUTOMATIC", "an index made for this statement alone"),
            ("COVERING INDEX", "from the index alone"),
            ("INTEGER PRIMARY KEY", "by row number"),
            ("PRIMARY KEY", "by primary key"),
        ];
        details.extend(kinds.iter().find(|(kind, _)| how.starts_with(kind)).map(|(_, words)| (*words).to_owned()));
    }
    details.extend(keys);
    details.extend(own.then(|| "by the virtual table's own index".to_owned()));
    details.extend(join.map(|kind| format!("{} join", kind.to_lowercase())));
    let name = if verb == "SCAN" { "Scan" } else { "Search" };
    PlanNode {
        relation: Some(table.to_owned()),
        index,
        detail: (!details.is_empty()).then(|| details.join(", ")),
        ..node(name)
    }
}

/// Why a statement has no plan.
fn why(address: &Address, error: &sqlx::Error) -> ApiError {
    let sqlx::Error::Database(e) = error else { return explain(address, error) };
    let has = |part: &str| e.message().contains(part);
    let bad = |what: &str, hint: &str| ApiError::bad_request(what).hint(hint);
    match e.code().as_deref() {
        Some("1") if has("no such table") => bad("A table of the statement is not there", "Check its name"),
        Some("1") if has("no such column") => bad("A column of the statement is not there", "Check its names"),
        Some("1") if has("no such function") => bad("A function of the statement is not there", "Check its name"),
        Some("1") if has("syntax error") || has("incomplete input") => {
            bad("The statement has a syntax error", "Check it with sqlite3")
        }
        Some("1") if has("do not have the same number of result columns") => {
            bad("The parts of the statement's UNION have different numbers of columns", "Give each part as many")
        }
        Some("1") => bad("SQLite does not take the statement", "Check it with sqlite3"),
        Some("18") => {
            bad("The statement is longer than SQLite takes", "It takes up to 1 GB, or what it was built with")
        }
        _ => explain(address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn steps_name_table_index_and_keys() {
        let shown = |detail: &str| {
            let n = step(detail, 0);
            [Some(n.name), n.relation, n.index, n.detail].map(Option::unwrap_or_default).join("|")
        };
        for (detail, want) in [
            ("SCAN orders", "Scan|orders||"),
            ("SEARCH o USING INDEX o_a (a=? AND b>?)", "Search|o|o_a|a=? AND b>?"),
            ("SEARCH o USING COVERING INDEX o_a (a=?)", "Search|o|o_a|from the index alone, a=?"),
            ("SEARCH o USING INTEGER PRIMARY KEY (rowid=?)", "Search|o||by row number, rowid=?"),
            ("SEARCH o USING AUTOMATIC COVERING INDEX (a=?)", "Search|o||an index made for this statement alone, a=?"),
            ("SEARCH a USING COVERING INDEX a_v (v=?) LEFT-JOIN", "Search|a|a_v|from the index alone, v=?, left join"),
            ("SCAN b LEFT-JOIN", "Scan|b||left join"),
            ("SCAN f VIRTUAL TABLE INDEX 0:M1", "Scan|f||by the virtual table's own index"),
            ("USE TEMP B-TREE FOR ORDER BY", "USE TEMP B-TREE FOR ORDER BY|||"),
        ] {
            assert_eq!(shown(detail), want, "{detail}");
        }
    }
}
