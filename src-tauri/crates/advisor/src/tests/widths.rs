//! What an index cannot hold, and whose rows are read anyhow.
use perfdeck_sqltext::Dialect;

use super::candidates::of;
use super::{column, existing, shop};
use crate::catalogue::{Beginning, Catalogue, Column};
use crate::covered::{covered_by, superfluous};
use crate::index::{Existing, Index, Key};

/// `customers` with a text of which nothing is known but that there are very long ones, one that is short, and one with a bound.
fn with_texts() -> Catalogue {
    let mut shop = shop(Dialect::Postgres);
    let mut token = column("token", "text", -1.0);
    token.bounds = vec!["a".into(), "b".into()];
    let mut long = column("story", "text", -1.0);
    (long.bounds, long.longest) = (vec!["a".into(), "b".into()], Some(900.0));
    let more = [column("body", "text", -1.0), token, long, column("zip", "character varying(10)", 100.0)];
    shop.tables[1].columns.extend(more);
    shop
}

#[test]
fn what_may_be_longer_than_an_entry_is_not_in_an_index() {
    let mut shop = with_texts();
    for (toasted, text, wide, has) in [
        (true, "SELECT body FROM customers WHERE region = 17", "(region) INCLUDE (body)", false),
        (true, "SELECT token FROM customers WHERE region = 17", "(region) INCLUDE (token)", false),
        (true, "SELECT zip FROM customers WHERE region = 17", "(region) INCLUDE (zip)", true),
        (false, "SELECT token FROM customers WHERE region = 17", "(region) INCLUDE (token)", true),
        (false, "SELECT story FROM customers WHERE region = 17", "(region) INCLUDE (story)", false),
        (true, "SELECT 1 FROM customers WHERE token = 'x'", "(token)", true),
        (true, "SELECT 1 FROM customers WHERE body = 'x'", "(body)", false),
        (true, "SELECT 1 FROM customers WHERE body = 'x' AND region = 5", "(body", false),
        (true, "SELECT 1 FROM customers WHERE story = 'x'", "(story)", false),
        (true, "SELECT 1 FROM customers WHERE md5(body) = 'x'", "((md5(body)))", true),
        (true, "SELECT 1 FROM customers WHERE lower(body) = 'x'", "((lower(body)))", false),
        (false, "SELECT 1 FROM customers WHERE body = 'x'", "(body)", true),
    ] {
        shop.tables[1].toasted = toasted;
        let (all, aside) = of(&shop, &[text]);
        let found = all.iter().any(|index| index == wide || wide == "(body" && index.contains(wide));
        assert_eq!(found, has, "{text} {toasted}: {all:?} {aside:?}");
        if !has && !text.starts_with("SELECT 1") {
            assert!(all.contains(&"(region)".to_owned()), "the narrow one is: {all:?}");
        }
    }
    shop.tables[1].toasted = true;
    let (_, aside) = of(&shop, &["SELECT 1 FROM customers WHERE body = 'x'"]);
    assert!(aside.iter().any(|a| a.contains("2,704 B") && a.contains("md5(body)")), "{aside:?}");
}

#[test]
fn mariadb_takes_no_whole_text_as_a_key_and_3072_bytes_of_all() {
    let mut shop = shop(Dialect::Mysql);
    let mut long = column("long", "varchar", -1.0);
    long.most = Some(1_000.0 * 4.0);
    let mut half = column("half", "varchar", -1.0);
    half.most = Some(500.0 * 4.0);
    let other = crate::catalogue::Column { name: "other".into(), ..half.clone() };
    let mut code = column("code", "varchar", -1.0);
    code.most = Some(80.0);
    shop.tables[1].columns.extend([column("body", "longtext", -1.0), long, half, other, code]);
    for (text, said) in [
        ("SELECT id FROM customers WHERE body = ?", "`body` is a LONGTEXT"),
        ("SELECT id FROM customers WHERE `long` = ?", "3,072 B"),
    ] {
        let (all, aside) = of(&shop, &[text]);
        assert!(all.is_empty() && aside.iter().any(|a| a.contains(said)), "{text}: {all:?} {aside:?}");
    }
    let (all, _) = of(&shop, &["SELECT region, body FROM customers WHERE code = ? AND half = ? AND other = ?"]);
    assert!(all.contains(&"(code, half)".to_owned()), "{all:?}");
    assert!(!all.iter().any(|a| a.contains("half") && a.contains("other") || a.contains("body")), "{all:?}");
}

#[test]
fn of_a_long_text_mariadb_gets_the_beginning_that_tells_values_apart() {
    let mut shop = shop(Dialect::Mysql);
    let mut body = column("body", "text", -1.0);
    body.most = Some(65_535.0);
    let page = Column { name: "page".into(), ..body.clone() };
    body.beginning = Some(Beginning { length: 16, distinct: -0.9, of_whole: 0.97, width: 15.0 });
    shop.tables[1].columns.extend([body, page]);
    let (all, aside) = of(&shop, &["SELECT body FROM customers WHERE region = ? AND body = ? ORDER BY name LIMIT 5"]);
    assert!(
        all.contains(&"(body(16))".to_owned()) && all.contains(&"(region, body(16))".to_owned()),
        "{all:?} {aside:?}"
    );
    assert!(!all.iter().any(|keys| keys.contains("body(16),") || keys.contains("body,")), "nothing behind it: {all:?}");
    assert!(!aside.iter().any(|why| why.contains("body")), "{aside:?}");
    for (text, found) in [
        ("SELECT * FROM customers WHERE body IN (?, ?)", true),
        ("SELECT * FROM customers WHERE body LIKE 'ab%'", true),
        ("SELECT * FROM customers WHERE body LIKE '%ab'", false),
        ("SELECT * FROM customers WHERE body > ?", false),
        ("SELECT * FROM customers ORDER BY body LIMIT 5", false),
        ("SELECT body FROM customers GROUP BY body", false),
        ("SELECT * FROM customers WHERE page = ?", false),
    ] {
        let (all, aside) = of(&shop, &[text]);
        assert_eq!(all.iter().any(|keys| keys.contains('(') && keys.contains("(16)")), found, "{text}: {all:?}");
        let by_hand = aside.iter().any(|why| why.contains("ADD INDEX"));
        assert_eq!(by_hand, text.contains("page =") || text.contains("body >"), "{text}: {aside:?}");
    }
    // What is there already.
    for (there, does_it) in [
        (Key::beginning("body", 16), true),
        (Key::beginning("body", 40), true),
        (Key::column("body"), true),
        (Key::beginning("body", 8), false),
    ] {
        shop.tables[1].indexes.push(existing("there", 1, vec![there.clone()]));
        let (all, aside) = of(&shop, &["SELECT * FROM customers WHERE body = ?"]);
        let said = aside.iter().any(|why| why.contains("`there` does that already"));
        assert_eq!((all.is_empty(), said), (does_it, does_it), "{there:?}: {all:?} {aside:?}");
        shop.tables[1].indexes.pop();
    }
}

#[test]
fn a_beginning_does_not_do_the_work_of_the_whole_and_holds_no_value() {
    let mut shop = shop(Dialect::Mysql);
    let index = |keys: Vec<Key>| Index { table: 1, keys, ..Index::default() };
    let (whole, part) = (index(vec![Key::column("name")]), index(vec![Key::beginning("name", 9)]));
    for (there, proposed, covers, replaces) in
        [(&part, &whole, false, true), (&whole, &part, true, false), (&part, &part, true, true)]
    {
        shop.tables[1].indexes =
            vec![Existing { index: there.clone(), name: "there".into(), valid: true, ..Existing::default() }];
        assert_eq!(covered_by(&shop, proposed, 1).is_some(), covers, "{there:?} {proposed:?}");
        assert_eq!(!superfluous(&shop, proposed).is_empty(), replaces, "{there:?} {proposed:?}");
    }
    let both = index(vec![Key::column("region"), Key::beginning("name", 9)]);
    assert_eq!((both.columns(), both.whole_columns()), (vec!["region", "name"], vec!["region"]));
    assert_eq!(
        both.create(&shop, "i"),
        "ALTER TABLE `public`.`customers` ADD INDEX `i` (`region`, `name`(9)), ALGORITHM=INPLACE, LOCK=NONE"
    );
}

#[test]
fn a_key_has_no_more_of_a_column_than_the_format_of_its_rows_lets() {
    let mut shop = shop(Dialect::Mysql);
    let mut mail = column("mail", "varchar", -1.0);
    mail.most = Some(255.0 * 4.0);
    let mut code = column("code", "varchar", -1.0);
    code.most = Some(191.0 * 4.0);
    shop.tables[1].columns.extend([mail, code]);
    let text = "SELECT mail FROM customers WHERE mail = ? AND code = ?";
    assert!(of(&shop, &[text]).0.iter().any(|a| a.contains("mail")), "rows of today's format");
    shop.tables[1].longest_key = Some(("Compact".into(), 767.0));
    let (all, aside) = of(&shop, &[text]);
    assert_eq!(all, ["(code)"], "neither as a key nor to be read from it: {aside:?}");
    assert!(aside.iter().any(|a| a.contains("767 B") && a.contains("COMPACT") && a.contains("DYNAMIC")), "{aside:?}");
}

#[test]
fn a_table_that_its_engine_locks_gets_no_index_beside_its_writers() {
    let mut shop = shop(Dialect::Mysql);
    shop.tables[1].locked_by = Some("MyISAM".into());
    let (all, aside) = of(&shop, &["SELECT * FROM customers WHERE region = 5"]);
    assert!(
        all.is_empty() && aside.iter().any(|a| a.contains("(region): nobody") && a.contains("MyISAM")),
        "{all:?} {aside:?}"
    );
}

#[test]
fn rows_that_are_written_or_locked_are_read_themselves() {
    let shop = shop(Dialect::Postgres);
    let wide = |text: &str| of(&shop, &[text]).0.into_iter().filter(|a| a.contains("INCLUDE")).collect::<Vec<_>>();
    let plain = "SELECT name FROM customers WHERE region = $1";
    assert_eq!(wide(plain), ["(region) INCLUDE (name)"]);
    for text in [
        "UPDATE customers SET name = 'x' WHERE region = $1",
        "DELETE FROM customers WHERE region = $1 AND name = 'x'",
        "SELECT name FROM customers WHERE region = $1 FOR UPDATE",
        "SELECT name FROM customers WHERE region = $1 FOR UPDATE OF customers SKIP LOCKED",
        "WITH x AS (DELETE FROM customers WHERE region = $1 RETURNING name) SELECT * FROM x",
        "UPDATE customers SET region = 4 FROM (SELECT id FROM customers WHERE region = $1 FOR UPDATE) x WHERE x.id = customers.id",
    ] {
        assert_eq!(wide(text), [""; 0], "{text}");
    }
    let other = "UPDATE orders SET paid = true FROM customers c WHERE c.id = orders.cust_id AND c.region = $1";
    assert!(
        wide(other).iter().any(|a| a.starts_with("(region)")),
        "another table's rows are only read: {:?}",
        wide(other)
    );
}

#[test]
fn a_row_that_its_key_finds_concerns_no_wider_index() {
    let shop = shop(Dialect::Postgres);
    let mut workload = crate::workload::Workload::new(1.0);
    workload.add(&shop, "SELECT name FROM customers WHERE id > $1 ORDER BY id LIMIT 10", 10.0, 10.0, None);
    workload.add(&shop, "UPDATE customers SET name = 'x' WHERE id = 5", 10.0, 5.0, None);
    let made = crate::candidates::candidates(&shop, &workload, crate::candidates::Limits::default());
    let wide = made.all.iter().find(|c| c.index.include == ["name"]).expect("for the page of rows");
    assert_eq!(wide.concerns.iter().copied().collect::<Vec<_>>(), [0], "{wide:?}");
}

#[test]
fn an_index_that_the_server_does_not_use_does_nothing() {
    let mut shop = shop(Dialect::Mysql);
    shop.tables[0].indexes.push(Existing { valid: false, ..existing("icust", 0, vec![Key::column("cust_id")]) });
    let (all, aside) = of(&shop, &["SELECT * FROM orders WHERE cust_id = 77"]);
    assert!(all.contains(&"(cust_id)".to_owned()), "{all:?} {aside:?}");
}

#[test]
fn one_that_may_be_too_long_takes_no_other_with_it() {
    let mut shop = with_texts();
    shop.tables[1].toasted = true;
    let text = "SELECT id FROM customers WHERE token = $1 AND region = $2 AND zip = $3";
    let (all, aside) = of(&shop, &[text]);
    for want in ["(token)", "(region)", "(zip)"] {
        assert!(all.contains(&want.to_owned()), "whose values are outside of the rows nobody knows: {all:?}");
    }
    // Once a long one was seen it is no key, and the others are.
    shop.tables[1].columns.iter_mut().find(|c| c.name == "token").expect("it").longest = Some(4_000.0);
    let (long, why) = of(&shop, &[text]);
    assert!(!long.iter().any(|a| a.contains("token")) && long.contains(&"(zip, region)".to_owned()), "{long:?}");
    assert!(why.iter().any(|a| a.contains("`token` may be longer")) && aside.is_empty(), "{why:?} {aside:?}");
}
