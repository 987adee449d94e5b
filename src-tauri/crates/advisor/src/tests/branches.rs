//! Branches of an `OR`, and orders of joins.
use perfdeck_sqltext::Dialect;

use super::choice::{advised, shown, values, workload};
use super::{column, existing, shop};
use crate::catalogue::{Catalogue, Table};
use crate::index::{Existing, Key};
use crate::search::Budget;
use crate::vectors::Class;

/// The shop with texts that MySQL takes as keys.
fn bounded(dialect: Dialect) -> Catalogue {
    let mut shop = shop(dialect);
    let texts = shop.tables.iter_mut().flat_map(|t| &mut t.columns).filter(|c| c.type_name == "text");
    texts.for_each(|c| c.type_name = "varchar".to_owned());
    shop
}

#[test]
fn branches_of_an_or_get_their_indexes_together() {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        let shop = bounded(dialect);
        for (text, want) in [
            ("SELECT * FROM orders WHERE cust_id = 5 OR amount = 77", &["(amount)", "(cust_id)"][..]),
            (
                "SELECT * FROM orders WHERE cust_id = 5 OR amount = 77 OR note = 'x'",
                &["(amount)", "(cust_id)", "(note)"][..],
            ),
        ] {
            let all = workload(&shop, &[(text, 1e3, 80_000.0)]);
            let advice = advised(&shop, &all, Budget::default());
            let mut found = shown(&advice, &shop);
            found.sort();
            assert_eq!(found, want, "{dialect:?} {text}: {:?}", advice.rejected);
            assert!(advice.effects[0].mean < 0.05, "{:?}", advice.effects);
            assert!(advice.advised.iter().all(|a| a.saved_ms > 10_000.0 && a.used_by == [0]), "{:?}", advice.advised);
        }
    }
}

#[test]
fn a_branch_that_has_its_index_needs_the_other_only_and_one_that_can_have_none_makes_all_useless() {
    let mut shop = shop(Dialect::Postgres);
    let or = workload(&shop, &[("SELECT * FROM orders WHERE cust_id = 5 OR place IS NULL", 1e3, 80_000.0)]);
    let advice = advised(&shop, &or, Budget::default());
    assert!(advice.advised.is_empty(), "a point has no order: {:?}", shown(&advice, &shop));
    shop.tables[0].indexes.push(existing("by_cust", 0, vec![Key::column("cust_id")]));
    let or = workload(&shop, &[("SELECT * FROM orders WHERE cust_id = 5 OR amount = 77", 1e3, 80_000.0)]);
    let advice = advised(&shop, &or, Budget::default());
    assert_eq!(shown(&advice, &shop), ["(amount)"]);
    let tight = advised(&shop, &or, Budget { bytes: Some(1e5), ..Budget::default() });
    assert!(tight.advised.is_empty(), "they do not fit: {:?}", shown(&tight, &shop));
}

#[test]
fn a_join_begins_with_what_its_condition_finds() {
    let mut shop = shop(Dialect::Mysql);
    // The parts of a thing, by its number and the day.
    shop.tables.push(Table {
        schema: "public".into(),
        name: "parts".into(),
        rows: Some(300_000.0),
        pages: 3_000.0,
        columns: vec![column("id", "integer", 10_000.0), column("d", "integer", 30.0), column("k", "integer", 5_000.0)],
        indexes: vec![Existing { unique: true, ..existing("PRIMARY", 3, vec![Key::column("id"), Key::column("d")]) }],
        ..Table::default()
    });
    let text = "SELECT c.name FROM customers c JOIN parts mp ON mp.id = c.id WHERE mp.k = 7";
    let all = workload(&shop, &[(text, 1e3, 80_000.0)]);
    let advice = advised(&shop, &all, Budget::default());
    let found = shown(&advice, &shop);
    assert_eq!(found, ["(k)"], "its number is in every index: {:?}", advice.rejected);
    assert!(advice.effects[0].mean < 0.2, "{:?}", advice.effects);
}

#[test]
fn a_value_that_most_rows_have_wants_no_index() {
    let mut shop = bounded(Dialect::Mysql);
    let status = shop.tables[0].columns.iter_mut().find(|c| c.name == "status").expect("there");
    status.common = vec![("closed".into(), 0.995), ("open".into(), 0.005)];
    let of = |text: &str| {
        let all = workload(&shop, &[(text, 1e3, 80_000.0)]);
        shown(&advised(&shop, &all, Budget::default()), &shop)
    };
    assert_eq!(of("SELECT * FROM orders WHERE status = 'closed'"), [""; 0]);
    assert_eq!(of("SELECT * FROM orders WHERE status = 'open'"), ["(status)"]);
}

#[test]
fn a_value_that_no_row_has_stands_beside_the_usual_bound() {
    let shop = shop(Dialect::Postgres);
    let text = "SELECT * FROM orders WHERE status = $1 AND created > $2 ORDER BY created LIMIT 10";
    let all = workload(&shop, &[(text, 1.0, 1.0)]);
    let found = values(&shop, &all).remove(0);
    let of = |class| found.iter().find(|p| p.class == class).expect("there").values.clone();
    let usual = of(Class::Frequent)[1].clone();
    assert_ne!(of(Class::Absent)[0], of(Class::Frequent)[0]);
    assert_eq!(of(Class::Absent)[1], usual, "half of the rows are gone through in vain");
    assert_eq!(of(Class::FarEnd)[1], usual);
    assert_ne!(of(Class::Rare)[1], usual, "few rows are a class of their own");
    let alone = workload(&shop, &[("SELECT * FROM orders WHERE created > $1", 1.0, 1.0)]);
    let found = values(&shop, &alone).remove(0);
    let ends = |class| found.iter().find(|p| p.class == class).expect("there").values[0].clone();
    assert_ne!(ends(Class::Absent), ends(Class::Frequent), "a bound that is alone is beyond all");
}
