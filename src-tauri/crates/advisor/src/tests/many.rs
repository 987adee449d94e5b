//! Which candidates are looked at where there are too many, and which are put together.
use std::collections::BTreeSet;

use perfdeck_sqltext::Dialect;

use super::choice::workload;
use super::shop;
use crate::candidates::{Candidate, Kind, Limits};
use crate::catalogue::Catalogue;
use crate::index::{Index, Key};
use crate::kept::{kept, time};
use crate::merged::merged;
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::workload::Workload;

fn index(table: usize, keys: &[&str], include: &[&str]) -> Index {
    Index {
        table,
        keys: keys.iter().map(|n| Key::column(*n)).collect(),
        include: include.iter().map(|n| (*n).to_owned()).collect(),
        ..Index::default()
    }
}

fn candidate(index: Index, from: &[usize]) -> Candidate {
    Candidate {
        index,
        kind: Kind::Covering,
        fixed: 1,
        from: from.iter().copied().collect(),
        concerns: BTreeSet::new(),
        bytes: None,
        widens: None,
    }
}

/// Three statements: 100, 10 and 1 ms.
fn three(shop: &Catalogue) -> Workload {
    workload(
        shop,
        &[
            ("SELECT id FROM orders WHERE cust_id = $1", 1.0, 100.0),
            ("SELECT id FROM orders WHERE amount = $1", 1.0, 10.0),
            ("SELECT id FROM customers WHERE region = $1", 1.0, 1.0),
        ],
    )
}

fn shown(all: &[Candidate]) -> Vec<String> {
    all.iter().map(|c| c.index.shown(Dialect::Postgres)).collect()
}

#[test]
fn each_statement_has_its_turn_before_the_heaviest_has_its_second() {
    let shop = shop(Dialect::Postgres);
    let all = three(&shop);
    let of_heavy = ["cust_id", "status", "created", "note"];
    let mut many: Vec<Candidate> = (1..=4).map(|n| candidate(index(0, &of_heavy[..n], &[]), &[0])).collect();
    many.push(candidate(index(0, &["amount"], &[]), &[1]));
    many.push(candidate(index(0, &["amount", "status"], &[]), &[1]));
    many.push(candidate(index(1, &["region"], &[]), &[2]));
    let limits = |of_table, all| Limits { of_table, all, ..Limits::default() };
    let few = kept(many.clone(), &all, limits(60, 3));
    assert_eq!(
        shown(&few),
        ["(cust_id)", "(amount)", "(region)"],
        "the simplest of each, the heaviest statement's first"
    );
    let more = kept(many.clone(), &all, limits(60, 5));
    assert_eq!(shown(&more), ["(cust_id)", "(cust_id, status)", "(amount)", "(amount, status)", "(region)"]);
    let of_table = kept(many.clone(), &all, limits(2, 400));
    assert_eq!(shown(&of_table), ["(cust_id)", "(amount)", "(region)"], "each table has its bound");
    assert_eq!(kept(many.clone(), &all, Limits::default()).len(), many.len(), "all, where there is room");
    assert_eq!(kept(Vec::new(), &all, Limits::default()), []);
    // One that two statements want has the earlier of their turns.
    many.push(candidate(index(0, &["status", "amount", "created"], &[]), &[0, 1]));
    let shared = kept(many, &all, limits(60, 6));
    assert!(shown(&shared).contains(&"(status, amount, created)".to_owned()), "{:?}", shown(&shared));
    assert_eq!(time(&all, &BTreeSet::from([0, 2])), 101.0);
}

#[test]
fn what_two_hold_beside_the_same_keys_is_held_once() {
    let shop = shop(Dialect::Postgres);
    let all = three(&shop);
    let one = candidate(index(0, &["cust_id"], &["amount"]), &[0]);
    let two = candidate(index(0, &["cust_id"], &["status"]), &[1]);
    let longer = candidate(index(0, &["cust_id", "created"], &[]), &[1]);
    let found = merged(&shop, &all, &[one.clone(), two.clone(), longer.clone()]);
    assert_eq!(
        shown(&found).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([
            "(cust_id) INCLUDE (status, amount)".to_owned(),
            "(cust_id, created) INCLUDE (amount)".to_owned(),
        ]),
        "in the order of the table's columns; what holds more for a statement that is served already is no other one"
    );
    let both = found.iter().find(|c| c.index.keys.len() == 1).expect("it");
    assert_eq!((&both.from, both.kind), (&BTreeSet::from([0, 1]), Kind::Covering), "it is for both statements");

    let none = |all_of: &[Candidate], why: &str| {
        let found = merged(&shop, &all, all_of);
        assert!(found.is_empty(), "{why}: {:?}", shown(&found));
    };
    none(
        &[one.clone(), candidate(index(0, &["cust_id"], &["status"]), &[0])],
        "one statement wants both: each is made for it",
    );
    none(&[one.clone(), candidate(index(0, &["amount"], &["status"]), &[1])], "other keys");
    none(&[one.clone(), candidate(index(1, &["region"], &["name"]), &[2])], "another table");
    none(&[one.clone(), candidate(index(0, &["cust_id", "amount"], &[]), &[1])], "what is a key is held already");
    let state = Predicate::new(Scalar::Column("status".into()), Asked::Equal(Value::Literal("new".into())));
    let part = Index { predicate: Some(state), ..index(0, &["cust_id"], &["status"]) };
    none(&[one.clone(), candidate(part, &[1])], "a part of the rows");
    none(
        &[Candidate { kind: Kind::OrderOnly, ..longer }, Candidate { kind: Kind::OrderOnly, ..one.clone() }],
        "what finds nothing",
    );
    let known = candidate(index(0, &["cust_id"], &["status", "amount"]), &[0, 1]);
    assert!(
        !shown(&merged(&shop, &all, &[one.clone(), two, known]))
            .contains(&"(cust_id) INCLUDE (status, amount)".to_owned())
    );
    // Wide columns are not held together.
    let mut wide = shop.clone();
    wide.tables[0].columns.iter_mut().for_each(|c| c.width = Some(150.0));
    let found = merged(&wide, &all, &[one, candidate(index(0, &["cust_id"], &["status"]), &[1])]);
    assert!(found.is_empty(), "too much of each row: {:?}", shown(&found));
}
