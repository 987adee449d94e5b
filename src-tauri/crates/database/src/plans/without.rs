//! A server's answer in JSON without the literals of the statement. Words of the server and names stay; whatever else is text
//! goes through the lexer, so that a key that nobody knows hides rather than shows.
use perfdeck_sqltext::{Dialect, without_literals};
use serde_json::Value;

/// Keys whose texts are the server's own words, or names of tables, columns and indexes.
const WORDS: &[&str] = &[
    // PostgreSQL
    "Node Type",
    "Parent Relationship",
    "Subplan Name",
    "Strategy",
    "Partial Mode",
    "Join Type",
    "Scan Direction",
    "Sort Method",
    "Sort Space Type",
    "Sort Methods Used",
    "Operation",
    "Command",
    "Schema",
    "Relation Name",
    "Alias",
    "Index Name",
    "CTE Name",
    "Tuplestore Name",
    "Function Name",
    "Custom Plan Provider",
    "Cache Mode",
    // MySQL and MariaDB
    "table_name",
    "access_type",
    "key",
    "key_length",
    "possible_keys",
    "used_key_parts",
    "used_columns",
    "partitions",
    "join_type",
    "cost",
    "query_cost",
    "read_cost",
    "eval_cost",
    "prefix_cost",
    "data_read_per_join",
    "buffer_size",
    "select_type",
    "operation",
    "union_operation",
];

/// Takes literals out of every text of an answer.
pub(super) fn literals(value: &mut Value, dialect: Dialect) {
    inside(value, dialect, false);
}

fn inside(value: &mut Value, dialect: Dialect, kept: bool) {
    match value {
        Value::String(text) if !kept => *text = without_literals(text, dialect),
        Value::Array(all) => all.iter_mut().for_each(|one| inside(one, dialect, kept)),
        Value::Object(all) => {
            for (key, value) in all {
                let words = WORDS.contains(&key.as_str()) && !value.is_object();
                inside(value, dialect, words);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_words_and_names_are_left() {
        let mut plan = json!([{"Plan": {
            "Node Type": "Seq Scan", "Relation Name": "2nd", "Filter": "(mail = 's3cret'::text)", "Unheard Of": "x = 's3cret'",
            "Sort Key": ["(lower('s3cret'::text))"], "Key": {"Node Type": {"deep": "'s3cret'"}}, "Plan Rows": 7
        }}]);
        literals(&mut plan, Dialect::Postgres);
        let text = plan.to_string();
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("\"2nd\"") && text.contains("(mail = ?::text)") && text.contains(":7"), "{text}");
    }
}
