//! Which indexes are proposed, and which are not.
use perfdeck_sqltext::Dialect;

use super::{existing, shop};
use crate::candidates::{Kind, Limits, candidates};
use crate::catalogue::{Catalogue, TypeClass};
use crate::covered::covered_by;
use crate::index::{Index, Key, Method};
use crate::predicates::{Asked, Predicate, Value};
use crate::scalar::Scalar;
use crate::size::size;
use crate::workload::Workload;
use crate::writes::write_cost;

pub(super) fn of(catalogue: &Catalogue, texts: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut workload = Workload::new(1.0);
    for text in texts {
        workload.add(catalogue, text, 100.0, 1_000.0, None);
    }
    assert_eq!(workload.left.len(), 0, "{:?}", workload.left);
    let limits = Limits { brin_bytes: 100.0 * 1024.0 * 1024.0, ..Limits::default() };
    let made = candidates(catalogue, &workload, limits);
    let shown = |index: &Index| index.shown(catalogue.dialect);
    (
        made.all.iter().map(|c| shown(&c.index)).collect(),
        made.aside.iter().map(|(index, why)| format!("{}: {why}", shown(index))).collect(),
    )
}

#[test]
fn one_row_that_its_key_finds_is_not_kept_twice() {
    let shop = shop(Dialect::Postgres);
    let (all, aside) = of(&shop, &["SELECT name FROM customers WHERE id = $1"]);
    assert!(
        all.is_empty() && aside.iter().any(|a| a.contains("`customers_pkey` does that already")),
        "{all:?} {aside:?}"
    );
    let group = "SELECT c.name, sum(o.amount) FROM customers c JOIN orders o ON o.cust_id = c.id WHERE c.id = $1 GROUP BY c.name";
    let (all, _) = of(&shop, &[group]);
    assert!(!all.iter().any(|a| a.contains("name")), "nor with another key, for a group of one row: {all:?}");
    let (all, _) = of(&shop, &["SELECT name FROM customers WHERE id > $1 ORDER BY id LIMIT 10"]);
    assert!(all.contains(&"(id) INCLUDE (name)".to_owned()), "of many rows it may pay: {all:?}");
}

#[test]
fn the_indexes_that_others_miss_are_among_them() {
    let shop = shop(Dialect::Postgres);
    // The first five are what an advisor of single columns answered wrongly or not at all.
    for (text, want) in [
        ("SELECT * FROM orders WHERE cust_id = $1 AND status = $2 AND created > $3", "(cust_id, status, created)"),
        ("SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", "(cust_id, created DESC)"),
        ("SELECT * FROM orders WHERE status = 'new' AND amount > $1", "(amount) WHERE status = 'new'"),
        ("SELECT * FROM orders WHERE lower(note) = $1", "((lower(note)))"),
        ("SELECT * FROM orders WHERE note ILIKE $1", "USING gin (note gin_trgm_ops)"),
        ("SELECT * FROM orders WHERE note LIKE 'a;b%'", "(note text_pattern_ops)"),
        ("SELECT * FROM orders WHERE note LIKE '%a--b%'", "USING gin (note gin_trgm_ops)"),
        ("SELECT * FROM orders WHERE data @> $1", "USING gin (data jsonb_path_ops)"),
        ("SELECT * FROM orders WHERE data @? '$.k ? (@ == 7)'", "USING gin (data jsonb_path_ops)"),
        ("SELECT * FROM orders WHERE data->'n' @> '{\"z\": 9}'", "USING gin ((data -> 'n') jsonb_path_ops)"),
        ("SELECT * FROM orders WHERE note ~ '^a;b.*'", "(note text_pattern_ops)"),
        (
            "SELECT DISTINCT ON (cust_id) cust_id, amount FROM orders ORDER BY cust_id, created DESC",
            "(cust_id, created DESC)",
        ),
        ("SELECT * FROM orders WHERE status = 'new' ORDER BY id LIMIT 10", "(id) WHERE status = 'new'"),
        ("SELECT * FROM orders WHERE data ? 'x'", "USING gin (data)"),
        ("SELECT * FROM orders WHERE tags && $1", "USING gin (tags)"),
        ("SELECT * FROM orders WHERE created BETWEEN $1 AND $2", "USING brin (created)"),
        ("SELECT * FROM orders WHERE NOT paid ORDER BY created", "(created) WHERE paid = false"),
        ("SELECT * FROM orders WHERE deleted_at IS NOT NULL", "(deleted_at) WHERE deleted_at IS NOT NULL"),
        ("SELECT * FROM customers c JOIN orders o ON o.cust_id = c.id WHERE o.status = $1", "(cust_id, status)"),
        ("SELECT max(created) FROM orders WHERE cust_id = $1", "(cust_id, created)"),
        ("SELECT region, count(*) FROM customers GROUP BY region", "(region)"),
        ("SELECT name FROM customers WHERE region = $1", "(region) INCLUDE (name)"),
        ("SELECT * FROM orders WHERE cust_id = $1 OR amount = $2", "(amount)"),
        ("SELECT * FROM orders WHERE data ->> 'k' = $1", "((data ->> 'k'))"),
        (
            "SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC NULLS LAST",
            "(cust_id, created DESC NULLS LAST)",
        ),
    ] {
        let (all, aside) = of(&shop, &[text]);
        assert!(all.contains(&want.to_owned()), "{text}\nwants {want}: {all:#?} {aside:?}");
    }
}

#[test]
fn what_no_plan_could_use_is_not_proposed() {
    let shop = shop(Dialect::Postgres);
    for (text, part, why) in [
        ("SELECT * FROM orders WHERE status = $1", "WHERE", "a parameter never matches a condition"),
        ("SELECT * FROM orders WHERE status = 'done'", "WHERE", "most rows have it"),
        ("SELECT * FROM orders WHERE label LIKE 'a%'", "_ops", "its collation has no patterns"),
        ("SELECT * FROM orders WHERE note ILIKE 'abc'", "lower", "ILIKE is not lower()"),
        ("SELECT * FROM orders WHERE place <> place", "place", "points have no order"),
        ("SELECT * FROM tiny WHERE id = 4", "(id)", "it is small"),
        ("SELECT * FROM orders WHERE cust_id + random() = 4", "random", "another one each time"),
        ("SELECT * FROM orders WHERE id = $1", "(id)", "the primary key does that"),
        (
            "SELECT name FROM orders o, customers c WHERE c.id = o.cust_id AND c.id = 4",
            "(id) INCLUDE (id",
            "each column once",
        ),
    ] {
        let (all, _) = of(&shop, &[text]);
        assert!(!all.iter().any(|c| c == part || (part.len() > 4 && c.contains(part))), "{text}: {why}: {all:?}");
    }
    let (_, aside) = of(&shop, &["SELECT * FROM orders WHERE id = $1", "SELECT * FROM tiny WHERE id = 4"]);
    assert!(aside.iter().any(|a| a.contains("`orders_pkey` does that already")), "{aside:?}");
    assert!(aside.iter().any(|a| a.contains("10 rows")), "{aside:?}");
    let mut bare = shop.clone();
    bare.extensions.clear();
    bare.available.insert("pg_trgm".to_owned());
    let (all, aside) = of(&bare, &["SELECT * FROM orders WHERE note LIKE '%x%'"]);
    assert!(all.is_empty() && aside[0].contains("CREATE EXTENSION pg_trgm"), "{all:?} {aside:?}");
}

#[test]
fn values_that_a_tenth_of_the_calls_write_themselves_make_no_condition() {
    let shop = shop(Dialect::Postgres);
    let mut workload = Workload::new(1.0);
    workload.add(&shop, "SELECT * FROM orders WHERE status = 'new' AND amount > 5", 10.0, 10.0, None);
    workload.add(&shop, "SELECT * FROM orders WHERE status = $1 AND amount > 5", 90.0, 10.0, None);
    let made = candidates(&shop, &workload, Limits::default());
    assert!(made.all.iter().all(|c| c.index.predicate.is_none()), "{:?}", made.all);
}

#[test]
fn each_dialect_gets_what_it_has() {
    let texts = ["SELECT name FROM customers WHERE region = ?", "SELECT * FROM orders WHERE lower(note) = ?"];
    let (all, _) = of(&shop(Dialect::Sqlite), &texts);
    assert!(all.contains(&"(region, name)".to_owned()) && all.contains(&"((lower(note)))".to_owned()), "{all:?}");
    assert!(!all.iter().any(|c| c.contains("INCLUDE") || c.contains("USING")), "{all:?}");
    let (all, _) = of(&shop(Dialect::Mysql), &texts);
    assert!(all.contains(&"(region)".to_owned()) && !all.iter().any(|c| c.contains("lower")), "{all:?}");
}

#[test]
fn the_equalities_that_most_of_the_workload_asks_for_come_first() {
    let shop = shop(Dialect::Postgres);
    let mut workload = Workload::new(1.0);
    workload.add(&shop, "SELECT * FROM orders WHERE cust_id = $1 AND amount = $2", 1.0, 10.0, None);
    workload.add(&shop, "SELECT * FROM orders WHERE amount = $1 AND created > $2", 1.0, 500.0, None);
    let made = candidates(&shop, &workload, Limits::default());
    let all: Vec<String> = made.all.iter().map(|c| c.index.shown(Dialect::Postgres)).collect();
    assert!(all.contains(&"(amount, cust_id)".to_owned()) && !all.contains(&"(cust_id, amount)".to_owned()), "{all:?}");
    assert!(made.all.iter().filter(|c| c.index.keys.len() == 1).count() >= 2, "and each alone: {all:?}");
}

#[test]
fn two_that_look_alike_are_compared_as_columns() {
    let with = |keys: Vec<Key>| {
        let mut shop = shop(Dialect::Postgres);
        shop.tables[0].indexes.push(existing("there", 0, keys));
        shop
    };
    let desc = |name: &str| Key { descending: true, nulls_first: true, ..Key::column(name) };
    let wanted = Index { keys: vec![Key::column("cust_id"), desc("created")], ..Index::default() };
    let covers = |shop: &Catalogue, fixed| covered_by(shop, &wanted, fixed).is_some();
    assert!(covers(&with(vec![Key::column("cust_id"), Key::column("created")]), 1), "read backwards");
    assert!(covers(&with(vec![desc("cust_id"), desc("created"), Key::column("id")]), 1), "and longer");
    assert!(!covers(&with(vec![Key::column("cust_id"), Key::column("created")]), 0), "an order of two directions");
    assert!(!covers(&with(vec![Key::column("cust_id"), Key { nulls_first: false, ..desc("created") }]), 1), "nulls");
    assert!(!covers(&with(vec![Key::column("created"), Key::column("cust_id")]), 1), "another order");
    assert!(!covers(&with(vec![Key::column("cust_id")]), 1), "shorter");
    let mut shop = with(vec![Key::column("cust_id"), Key::column("created")]);
    let there = shop.tables[0].indexes.last_mut().expect("it");
    there.unknown_predicate = Some("(deleted_at IS NULL)".to_owned());
    assert!(!covers(&shop, 1), "a part of the rows");
    let there = shop.tables[0].indexes.last_mut().expect("it");
    (there.unknown_predicate, there.valid) = (None, false);
    assert!(!covers(&shop, 1), "invalid");
    let there = shop.tables[0].indexes.last_mut().expect("it");
    there.valid = true;
    there.index.keys[0].class = Some("int4_minmax_ops".to_owned());
    assert!(!covers(&shop, 1), "another operator class");
}

#[test]
fn names_of_any_kind_are_names_in_the_statement() {
    let evil = "x\"; DROP TABLE t; --";
    for (dialect, quoted) in [
        (Dialect::Postgres, "\"x\"\"; DROP TABLE t; --\""),
        (Dialect::Sqlite, "\"x\"\"; DROP TABLE t; --\""),
        (Dialect::Mysql, "`x\"; DROP TABLE t; --`"),
    ] {
        let mut shop = shop(dialect);
        (shop.tables[0].name, shop.tables[0].schema) = (evil.to_owned(), evil.to_owned());
        shop.tables[0].columns[1].name = evil.to_owned();
        let value = Asked::Equal(Value::Literal("'; DROP TABLE t; --\\".to_owned()));
        let predicate = Predicate::new(Scalar::Column(evil.to_owned()), value);
        let index = Index { keys: vec![Key::column(evil)], predicate: Some(predicate), ..Index::default() };
        let ddl = index.create(&shop, &index.name(&shop));
        let all = perfdeck_sqltext::statements(&ddl, dialect).expect("one statement");
        assert_eq!(all.len(), 1, "{ddl}");
        assert!(ddl.contains(quoted), "{ddl}");
        let words: Vec<&str> = perfdeck_sqltext::tokens(&ddl, dialect)
            .into_iter()
            .filter(|t| t.kind == perfdeck_sqltext::Kind::Word)
            .map(|t| &ddl[t.start..t.end])
            .collect();
        assert!(!words.contains(&"DROP"), "nothing of a name is a word: {ddl}");
        assert!(index.name(&shop).len() <= 63);
    }
    let mut shop = shop(Dialect::Postgres);
    shop.tables[0].name = "é".repeat(31);
    let index = Index { keys: vec![Key::column("cust_id")], ..Index::default() };
    let name = index.name(&shop);
    assert!(name.len() <= 63 && name.ends_with("_idx"), "{name}");
    shop.tables[1].indexes.push(existing(&name, 1, vec![]));
    assert!(index.name(&shop).ends_with("_idx2"), "a name that is taken: {}", index.name(&shop));
    shop.tables[0].kind = crate::catalogue::TableKind::Partitioned;
    assert!(!index.create(&shop, "i").contains("CONCURRENTLY"), "the server refuses that on a partitioned table");
}

#[test]
fn sizes_follow_the_layout() {
    let shop = shop(Dialect::Postgres);
    let of = |index: Index| size(&shop, &index).expect("known") / 1e6;
    let plain = |names: &[&str]| Index { keys: names.iter().map(|n| Key::column(*n)).collect(), ..Index::default() };
    // CREATE INDEX over 1,000,000 different bigints writes 22.5 MB, over 10,000 integers of 100 rows each 6.9 MB.
    assert!((of(plain(&["id"])) - 22.5).abs() < 1.0, "{}", of(plain(&["id"])));
    assert!((of(plain(&["cust_id"])) - 7.0).abs() < 0.7, "equal keys share an entry: {}", of(plain(&["cust_id"])));
    let include = Index { include: vec!["amount".to_owned()], ..plain(&["cust_id"]) };
    assert!(of(include) > 20.0, "columns beside the keys forbid that");
    let part = Predicate::new(Scalar::Column("status".into()), Asked::Equal(Value::Literal("new".into())));
    assert!(of(Index { predicate: Some(part), ..plain(&["id"]) }) < 0.4, "a hundredth of the rows");
    let gin = Index { method: Method::Gin, ..plain(&["note"]) };
    assert_eq!(size(&shop, &gin), None, "nobody counts the parts of its values");
    let brin = Index { method: Method::Brin, ..plain(&["created"]) };
    assert!(of(brin) < 0.1);
    let mut hidden = shop.clone();
    hidden.tables[0].columns[1].fixed = None;
    hidden.tables[0].columns[1].width = None;
    assert_eq!(size(&hidden, &plain(&["cust_id"])), None, "unknown is not 0");
}

#[test]
fn writers_pay_by_entries_and_for_hot_updates_that_are_lost() {
    let shop = shop(Dialect::Postgres);
    let mut workload = Workload::new(1.0);
    workload.add(&shop, "UPDATE orders SET status = 'x' WHERE id = $1", 75.0, 1.0, None);
    workload.add(&shop, "UPDATE orders SET amount = 1 WHERE id = $1", 25.0, 1.0, None);
    let of = |name: &str| write_cost(&shop, &workload, &Index { keys: vec![Key::column(name)], ..Index::default() });
    let quiet = of("cust_id");
    assert_eq!(quiet.wal_per_row, 73.0, "an entry of 16 bytes and the header of its record");
    assert_eq!(quiet.hot_lost_per_day, Some(0.0), "nobody sets it");
    // 10,000 inserts and the 1,000 updates that were no HOT updates.
    assert_eq!(quiet.wal_per_day, Some(11_000.0 * 73.0));
    assert_eq!(of("amount").hot_lost_per_day, Some(10_000.0 * 0.9 * 0.25), "a quarter of the updates sets it");
    assert!(of("amount").ms_per_day > quiet.ms_per_day);
    let unknown =
        write_cost(&shop, &Workload::new(1.0), &Index { keys: vec![Key::column("amount")], ..Index::default() });
    assert_eq!(unknown.hot_lost_per_day, Some(9_000.0), "where nobody knows, all of them");
    let other = write_cost(&shop, &workload, &Index { table: 1, keys: vec![Key::column("name")], ..Index::default() });
    assert_eq!(other.wal_per_day, None, "what is not counted is not 0");
}

#[test]
fn kinds_say_what_they_are_for() {
    let shop = shop(Dialect::Postgres);
    let mut workload = Workload::new(1.0);
    workload.add(&shop, "SELECT * FROM orders WHERE cust_id = $1 ORDER BY created DESC LIMIT 10", 1.0, 1.0, None);
    let made = candidates(&shop, &workload, Limits::default());
    let kind = |shown: &str| made.all.iter().find(|c| c.index.shown(Dialect::Postgres) == shown).map(|c| c.kind);
    assert_eq!(kind("(cust_id, created DESC)"), Some(Kind::Order));
    assert_eq!(kind("(created DESC)"), Some(Kind::OrderOnly), "it finds nothing");
    assert_eq!(shop.tables[0].column("place").map(|c| c.class), Some(TypeClass::Unordered));
}
