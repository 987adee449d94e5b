//! The name of an index that was given none.
use perfdeck_model::{IndexSpec, IndexSpecKeyOf};

/// Longest name of PostgreSQL, in bytes; SQLite has no bound.
pub(super) const LONGEST: usize = 63;
/// Names that are tried.
const TRIES: usize = 20;

/// Names to try in this order, of the table and the keys: letters, digits and underscores only, so that none needs quotes.
pub(super) fn candidates(table: &str, spec: &IndexSpec) -> Vec<String> {
    let word = |text: &str| -> String {
        let clean = |c: char| if c.is_alphanumeric() { c.to_lowercase().to_string() } else { "_".to_owned() };
        let all: String = text.chars().map(clean).collect();
        all.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
    };
    let of = |of: &IndexSpecKeyOf| match of {
        IndexSpecKeyOf::Column(name) => word(name),
        IndexSpecKeyOf::Expression(sql) => word(sql),
    };
    let parts: Vec<String> = std::iter::once(word(table)).chain(spec.keys.iter().map(|k| of(&k.of))).collect();
    let whole = format!("ix_{}", parts.join("_"));
    let cut = |bytes: usize| whole[..whole.floor_char_boundary(bytes)].trim_end_matches('_').to_owned();
    let numbered = |n: usize| format!("{}_{n}", cut(LONGEST - 3));
    std::iter::once(cut(LONGEST)).chain((2..=TRIES).map(numbered)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::IndexSpecKey;

    #[test]
    fn a_name_tells_table_and_keys_and_fits() {
        let key = |of| IndexSpecKey { of, ..IndexSpecKey::default() };
        let spec = |keys| IndexSpec { keys, ..IndexSpec::default() };
        let some = spec(vec![
            key(IndexSpecKeyOf::Column("Customer ID".into())),
            key(IndexSpecKeyOf::Expression("lower((note)::text)".into())),
        ]);
        let all = candidates("orders", &some);
        assert_eq!(all[..2], ["ix_orders_customer_id_lower_note_text", "ix_orders_customer_id_lower_note_text_2"]);
        let long = spec(vec![key(IndexSpecKeyOf::Column("ä".repeat(60)))]);
        let all = candidates("t", &long);
        assert!(all.iter().all(|name| name.len() <= LONGEST), "{all:?}");
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), TRIES, "all differ");
    }
}
