//! What the steps of SQLite's plans cost: it tells the steps and no costs, which are reckoned from the rows that each of them reads. Pure.
use std::collections::HashMap;

use super::literals::{extreme, name, words};
use super::plan_index;
use super::told::Told;
use crate::what_if::PlanCost;

/// What is known of an index.
#[derive(Default)]
pub(super) struct IndexKnown {
    /// Its rows, where it has a part of the table's.
    pub(super) rows: Option<f64>,
    /// Rows of one value of the first so many keys.
    pub(super) keys: Vec<f64>,
    /// Its keys, where all are columns.
    pub(super) columns: Vec<String>,
}

/// What steps are reckoned with.
pub(super) struct Known<'k> {
    /// Rows of tables.
    pub(super) rows: &'k HashMap<String, f64>,
    /// Rows that steps find and keep by values that the statement has.
    pub(super) told: &'k Told,
    pub(super) index: &'k dyn Fn(&str) -> IndexKnown,
}

/// Share of rows that a bound leaves, as SQLite takes it without statistics of values.
const BOUND: f64 = 0.25;
/// What a row costs that is looked up in the table by its number, beside one that is read in a row.
const LOOKUP: f64 = 3.0;

/// The cost of steps. Those at one level are loops within each other, those that sort come after.
pub(super) fn reckoned(steps: &[(i64, i64, String)], text: &str, known: &Known<'_>) -> PlanCost {
    let mut cost = PlanCost::default();
    let aliases = aliases(text);
    let (mut levels, mut sorted): (HashMap<i64, f64>, bool) = (HashMap::new(), false);
    let mut ordered_scan = false;
    let mut out = 1.0;
    let reads = steps.iter().filter(|(.., detail)| Step::of(detail).is_some()).count();
    let end = extreme(text).filter(|_| reads == 1);
    for (id, parent, detail) in steps {
        let outer = levels.get(parent).copied().unwrap_or(1.0);
        if detail.starts_with("USE TEMP B-TREE") {
            cost.total += outer * outer.max(2.0).log2() * 0.5;
            sorted |= detail.contains("ORDER BY");
            continue;
        }
        let Some(step) = Step::of(detail) else {
            levels.insert(*id, outer);
            continue;
        };
        let all = known.rows.get(&step.table_of(&aliases)).copied().unwrap_or(100.0);
        let index = step.index.as_deref().filter(|_| !step.automatic).map(known.index).unwrap_or_default();
        let at_end = end.as_ref().is_some_and(|(column, conditions)| {
            let next = index.columns.get(step.equal.len());
            *conditions == step.equal.len() + step.bounds && next.is_some_and(|next| next.eq_ignore_ascii_case(column))
        });
        let found = match (&step.index, step.equal.len(), step.bounds) {
            // The first row of them is the answer.
            _ if at_end => 1.0,
            (_, 0, 0) => index.rows.unwrap_or(all),
            (Some(_), equal, bounds) => {
                let one = index.keys.get(equal.saturating_sub(1)).copied().unwrap_or(10.0);
                let told = known.told.found.get(id).copied();
                let beginning = if equal == 0 { index.rows.unwrap_or(all) } else { told.unwrap_or(one) };
                let found = beginning * BOUND.powi(i32::try_from(bounds.min(2)).unwrap_or(2));
                // Of a count a look may find less than one row, on the average.
                if told.is_some() { found } else { found.max(1.0) }
            }
            // By the number of the row.
            (None, 0, _) => all * BOUND,
            (None, ..) => 1.0,
        };
        let each = if step.covering || step.index.is_none() { 1.0 } else { LOOKUP };
        cost.total += outer * (all.max(2.0).log2() * 0.5 * f64::from(u8::from(step.searches)) + found * each);
        // What an automatic index takes to be made.
        if step.automatic {
            cost.total += all * all.max(2.0).log2() * 0.5;
        }
        ordered_scan |= !step.searches && step.index.is_some();
        // Of the rows of a step without a key the statement keeps fewer.
        let kept = known.told.kept.get(id).copied().unwrap_or(BOUND);
        out = (outer * found * if step.searches { 1.0 } else { kept }).max(1.0);
        levels.insert(*parent, out);
        if let Some(index) = step.index.filter(|_| !step.automatic) {
            let used = plan_index(index);
            if !cost.indexes.contains(&used) {
                cost.indexes.push(used);
            }
        }
    }
    if let Some(limit) = limit(text).filter(|_| !sorted && out > 1.0) {
        let whole = cost.total;
        cost.total *= (limit / out).min(1.0);
        cost.unstopped = (ordered_scan && whole > cost.total * 1.05).then_some(whole);
    }
    cost
}

/// A step that reads a table.
pub(super) struct Step {
    pub(super) table: String,
    pub(super) index: Option<String>,
    pub(super) searches: bool,
    pub(super) covering: bool,
    pub(super) automatic: bool,
    /// Columns of which one value is asked.
    pub(super) equal: Vec<String>,
    pub(super) bounds: usize,
}

impl Step {
    /// Reads `SCAN t`, `SEARCH t USING COVERING INDEX i (a=? AND b>?)` and the like.
    pub(super) fn of(detail: &str) -> Option<Self> {
        let (searches, rest) = match detail.split_once(' ')? {
            ("SEARCH", rest) => (true, rest),
            ("SCAN", rest) => (false, rest),
            _ => return None,
        };
        let (table, how) = rest.split_once(" USING ").map_or((rest, ""), |(table, how)| (table, how));
        let table = table.split(' ').next().unwrap_or(table).to_owned();
        let automatic = how.starts_with("AUTOMATIC");
        let covering = how.contains("COVERING INDEX");
        let (how, keys) = how.split_once(" (").unwrap_or((how, ""));
        let index = how.split_once("INDEX ").map(|(_, name)| name.to_owned());
        let index = index.or_else(|| automatic.then(|| "automatic".to_owned()));
        let keys = keys.trim_end_matches(')');
        let count = |part: &str| keys.split(" AND ").filter(|k| k.contains(part)).count();
        let equal = keys.split(" AND ").filter_map(|key| key.strip_suffix("=?").map(str::to_owned)).collect();
        Some(Self { table, index, searches, covering, automatic, equal, bounds: count(">?") + count("<?") })
    }

    /// The table by its own name, in small letters.
    pub(super) fn table_of(&self, aliases: &HashMap<String, String>) -> String {
        let name = self.table.to_lowercase();
        aliases.get(&name).cloned().unwrap_or(name)
    }
}

/// Other names of tables in a statement, in small letters: `FROM orders o`, `JOIN "x" AS y`.
pub(super) fn aliases(text: &str) -> HashMap<String, String> {
    let all = words(text);
    const WORDS: &[&str] = &[
        "where", "join", "on", "left", "inner", "cross", "order", "group", "limit", "using", "natural", "set", "union",
        "having", "indexed", "not", "outer", "right", "full", "as", "from", "select", "and", "or", "values",
    ];
    let mut found = HashMap::new();
    for pair in all.windows(3) {
        let [a, b, c] = pair else { continue };
        let (Some(table), Some(second)) = (name(*a), name(*b)) else { continue };
        if WORDS.contains(&table.as_str()) {
            continue;
        }
        let alias = if second == "as" { name(*c) } else { Some(second) };
        found.extend(alias.filter(|alias| !WORDS.contains(&alias.as_str())).map(|alias| (alias, table)));
    }
    found
}

/// The number behind the last `LIMIT`.
fn limit(text: &str) -> Option<f64> {
    let all: Vec<&str> = words(text).into_iter().map(|(_, text)| text).collect();
    let at = all.iter().rposition(|t| t.eq_ignore_ascii_case("limit"))?;
    all.get(at + 1)?.trim_matches('\'').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_sqlite_writes_them() {
        let of =
            |text: &str| Step::of(text).map(|s| (s.table, s.index, s.searches, s.covering, s.equal.len(), s.bounds));
        let index = |name: &str| Some(name.to_owned());
        assert_eq!(of("SCAN o"), Some(("o".into(), None, false, false, 0, 0)));
        assert_eq!(
            of("SEARCH o USING INDEX i (a=? AND b>? AND b<?)"),
            Some(("o".into(), index("i"), true, false, 1, 2))
        );
        assert_eq!(of("SCAN o USING COVERING INDEX i"), Some(("o".into(), index("i"), false, true, 0, 0)));
        assert_eq!(of("SEARCH o USING INTEGER PRIMARY KEY (rowid=?)"), Some(("o".into(), None, true, false, 1, 0)));
        assert_eq!(
            of("SEARCH o USING AUTOMATIC COVERING INDEX (a=?)"),
            Some(("o".into(), index("automatic"), true, true, 1, 0))
        );
        assert_eq!(of("USE TEMP B-TREE FOR ORDER BY"), None);
    }

    #[test]
    fn limits_and_other_names_are_found() {
        assert_eq!(limit("SELECT * FROM t LIMIT  '10' "), Some(10.0));
        assert_eq!(limit("SELECT * FROM t"), None);
        let all = aliases("SELECT * FROM orders o JOIN \"Big \"\"T\" AS b ON b.x = o.y WHERE o.z = 1");
        assert_eq!(
            (all.get("o").map(String::as_str), all.get("b").map(String::as_str)),
            (Some("orders"), Some("big \"t"))
        );
    }
}
