//! What a plan of PostgreSQL says of one index, from its JSON.
use serde_json::Value;

/// Whether a plan uses an index of this name, and the pages that it touched where it was run.
pub(super) fn read(answer: &str, index: &str) -> Option<(bool, Option<f64>)> {
    let all: Value = serde_json::from_str(answer).ok()?;
    let top = all.get(0)?.get("Plan")?;
    let count = |key: &str| top.get(key).and_then(Value::as_f64);
    // The top of a plan has what is below it in its own count.
    let keys = ["Shared Hit Blocks", "Shared Read Blocks", "Local Hit Blocks", "Local Read Blocks"];
    let pages = count(keys[0]).map(|_| keys.iter().filter_map(|key| count(key)).sum());
    Some((uses(top, index), pages))
}

fn uses(node: &Value, index: &str) -> bool {
    node.get("Index Name").and_then(Value::as_str) == Some(index)
        || node.get("Plans").and_then(Value::as_array).is_some_and(|all| all.iter().any(|below| uses(below, index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_found_at_any_depth_and_pages_are_added_up() {
        let answer = r#"[{"Plan": {"Node Type": "Limit", "Shared Hit Blocks": 5, "Shared Read Blocks": 2, "Plans": [
            {"Node Type": "Bitmap Heap Scan", "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "a b"}]}]}}]"#;
        assert_eq!(read(answer, "a b"), Some((true, Some(7.0))));
        assert_eq!(read(answer, "a"), Some((false, Some(7.0))));
        assert_eq!(read(r#"[{"Plan": {"Node Type": "Result"}}]"#, "a"), Some((false, None)), "not run");
        assert_eq!(read("[]", "a"), None);
    }
}
