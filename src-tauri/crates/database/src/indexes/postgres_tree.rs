//! Expressions and conditions as PostgreSQL's catalogue keeps them (`pg_node_tree`), read as text, because the functions that make
//! SQL of them wait for a lock of the table. Pure.
//!
//! A tree is `{NODE :field value …}`, a list of them `(… …)`; within a value a backslash precedes what would end it
//! (`outToken` of `outfuncs.c`), so that no value has a brace, a parenthesis or a space that stands alone.

/// Fields that say where in its statement something was written: they differ between two that are the same.
const PLACES: [&str; 3] = [":location", ":stmt_location", ":stmt_len"];

/// A tree in a form in which those that are the same are equal texts.
pub(super) fn comparable(tree: &str) -> String {
    let mut out = String::with_capacity(tree.len());
    let mut words = tree.split(' ');
    while let Some(word) = words.next() {
        if !out.is_empty() {
            out.push(' ');
        }
        if PLACES.contains(&word) {
            // What closes the node stands at the end of its number.
            let number = words.next().unwrap_or_default();
            out.push_str(number.trim_start_matches(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// The trees of a list; `None` for a text that is none.
pub(super) fn list(trees: &str) -> Option<Vec<&str>> {
    let inner = trees.strip_prefix('(')?.strip_suffix(')')?;
    let (mut all, mut depth, mut begin, mut escaped) = (Vec::new(), 0_u32, 0, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                if depth == 0 {
                    begin = at;
                }
                depth += 1;
            }
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    all.push(inner.get(begin..=at)?);
                }
            }
            // A node stands in braces; what else is in such a list is not known here.
            c if depth == 0 && c != ' ' => return None,
            _ => {}
        }
    }
    (depth == 0 && !all.is_empty()).then_some(all)
}

/// The number of the column of which a condition says that it is not null, and nothing else.
pub(super) fn not_null(tree: &str) -> Option<i32> {
    let rest = tree.strip_prefix("{NULLTEST :arg {VAR :varno 1 :varattno ")?;
    let (number, rest) = rest.split_once(' ')?;
    let (_, test) = rest.split_once("} ")?;
    let alone = rest.matches(['{', '}']).count() == 2 && test.starts_with(":nulltesttype 1 :argisrow false");
    number.parse().ok().filter(|n| alone && *n > 0)
}

#[cfg(test)]
mod tests {
    use super::{comparable, list, not_null};

    /// `lower(b)` and `a + 1`, as PostgreSQL 15 keeps them.
    const TREES: &str = "({FUNCEXPR :funcid 870 :args ({VAR :varno 1 :varattno 2 :location 26}) :location 20} {OPEXPR :opno 551 \
                         :args ({VAR :varno 1 :varattno 1 :location 31} {CONST :location 33 :constvalue 4 [ 1 0 ]}) :location 32})";

    #[test]
    fn where_it_was_written_does_not_matter() {
        let moved = TREES.replace("26", "126").replace("20}", "-1}").replace(":location 33", ":location 7");
        assert_eq!(comparable(TREES), comparable(&moved), "the same elsewhere");
        assert_ne!(comparable(TREES), comparable(&TREES.replace("[ 1 0 ]", "[ 2 0 ]")), "another constant");
        assert_ne!(comparable(TREES), comparable(&TREES.replace(":varattno 2", ":varattno 3")), "another column");
        let escaped = "{X :name a\\ :location\\ 5 :location 9}";
        assert!(comparable(escaped).contains("\\ :location\\ 5"), "within a value it is no field");
    }

    #[test]
    fn a_list_has_its_trees() {
        let all = list(TREES).expect("a list");
        assert_eq!(all.len(), 2);
        assert!(all[0].starts_with("{FUNCEXPR") && all[0].ends_with(":location 20}"), "{}", all[0]);
        assert!(all[1].starts_with("{OPEXPR") && all[1].ends_with(":location 32}"), "{}", all[1]);
        assert_eq!(list("({X :name a\\}\\{b})").map(|l| l.len()), Some(1), "braces within a value");
        for bad in ["", "()", "{X}", "({X)", "(X)", "({X}})"] {
            assert_eq!(list(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_column_that_is_not_null_is_known() {
        let tree = "{NULLTEST :arg {VAR :varno 1 :varattno 3 :vartype 23 :location 30} :nulltesttype 1 :argisrow false :location 32}";
        assert_eq!(not_null(tree), Some(3));
        assert_eq!(not_null(&tree.replace("nulltesttype 1", "nulltesttype 0")), None, "is null");
        assert_eq!(not_null(&format!("{{BOOLEXPR :args ({tree})}}")), None, "and something else");
        assert_eq!(not_null(&tree.replace("{VAR", "{FUNCEXPR :args {VAR")), None, "of an expression");
    }
}
