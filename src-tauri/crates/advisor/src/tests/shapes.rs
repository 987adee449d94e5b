//! What statements ask.
use perfdeck_sqltext::Dialect;

use super::shop;
use crate::catalogue::Catalogue;
use crate::of_plan::{OfPlan, shape_of_plan};
use crate::parse::NotAnalysed;
use crate::shape::Shape;
use crate::statement::shape_of;

/// A shape in a line: for each reading what is asked of it.
fn told(shape: &Shape, catalogue: &Catalogue) -> String {
    let plain = |name: &str| name.to_owned();
    let scan = |scan: &crate::shape::Scan| {
        let mut parts: Vec<String> = scan.conditions.iter().map(|p| p.shown(catalogue.dialect, &plain)).collect();
        parts.extend(
            scan.joins
                .iter()
                .map(|(of, other)| format!("{} = {}", of.shown(catalogue.dialect, &plain), shape.scans[*other].alias)),
        );
        parts.extend(scan.alternatives.iter().map(|g| format!("or of {}", g.len())));
        if !scan.sort.is_empty() {
            let key = |k: &crate::shape::SortKey| {
                let of = k.of.shown(catalogue.dialect, &plain);
                if k.descending { format!("{of} desc") } else { of }
            };
            parts.push(format!("sort {}", scan.sort.iter().map(key).collect::<Vec<_>>().join(",")));
        }
        if !scan.group.is_empty() {
            let all: Vec<String> = scan.group.iter().map(|g| g.shown(catalogue.dialect, &plain)).collect();
            parts.push(format!("group {}", all.join(",")));
        }
        parts.extend(scan.extremes.iter().map(|e| format!("extreme {}", e.shown(catalogue.dialect, &plain))));
        if scan.limited {
            parts.push(format!("limit {}", scan.limit.map_or("?".to_owned(), |n| n.to_string())));
        }
        format!("{}[{}]", scan.alias, parts.join("; "))
    };
    let mut all: Vec<String> = shape.scans.iter().map(scan).collect();
    for written in &shape.written {
        let columns = written.columns.as_ref().map_or("rows".to_owned(), |c| c.join(","));
        all.push(format!("writes {} {columns}", catalogue.tables[written.table].name));
    }
    all.join(" ")
}

#[test]
fn each_table_is_asked_what_the_statement_asks_of_it() {
    let shop = shop(Dialect::Postgres);
    for (text, want) in [
        (
            "SELECT * FROM orders WHERE cust_id = $1 AND status = 'new' AND created > $2",
            "orders[cust_id = ?; status = 'new'; created > ?]",
        ),
        (
            "select o.id from public.orders as o where O.Cust_Id = $1 order by o.created desc limit 10 offset 20",
            "o[cust_id = ?; sort created desc; limit 30]",
        ),
        (
            "SELECT c.name, o.amount FROM customers c JOIN orders o ON o.cust_id = c.id WHERE c.region = 3",
            "c[region = 3; id = o] o[cust_id = c]",
        ),
        (
            "SELECT * FROM orders, customers WHERE customers.id = orders.cust_id AND 5 < orders.amount",
            "orders[amount > 5; cust_id = customers] customers[id = orders]",
        ),
        ("SELECT * FROM customers JOIN orders USING (id)", "customers[id = orders] orders[id = customers]"),
        ("SELECT 1 FROM orders WHERE lower(note) = $1", "orders[lower(note) = ?]"),
        ("SELECT 1 FROM orders WHERE note LIKE 'ab%' OR note LIKE '%c'", "orders[or of 2]"),
        ("SELECT 1 FROM orders WHERE cust_id = 1 OR cust_id = 2", "orders[cust_id IN (1, 2)]"),
        ("SELECT 1 FROM orders WHERE cust_id IN (1, 2, 3) AND paid", "orders[cust_id IN (1, 2, 3); paid = true]"),
        ("SELECT 1 FROM orders WHERE cust_id = ANY ($1) AND NOT paid", "orders[cust_id = ANY (?); paid = false]"),
        ("SELECT 1 FROM orders WHERE deleted_at IS NULL", "orders[deleted_at IS NULL]"),
        ("SELECT 1 FROM orders WHERE tags @> $1 AND data ? 'k'", "orders[tags @> ?; data ? ?]"),
        ("SELECT 1 FROM orders WHERE data ->> 'k' = 'v'", "orders[(data ->> 'k') = 'v']"),
        ("SELECT 1 FROM orders WHERE created >= current_date - 1", "orders[created > ?]"),
        ("SELECT 1 FROM orders WHERE created > now() - $1::interval", "orders[created > ?]"),
        (
            "SELECT 1 FROM orders WHERE (cust_id, id) > ($1, $2) ORDER BY cust_id, id LIMIT 5",
            "orders[cust_id > ?; sort cust_id,id; limit 5]",
        ),
        ("SELECT status, count(*) FROM orders GROUP BY 1", "orders[group status]"),
        ("SELECT max(created) FROM orders WHERE cust_id = $1", "orders[cust_id = ?; extreme created]"),
        ("SELECT DISTINCT cust_id FROM orders", "orders[group cust_id]"),
        (
            "SELECT * FROM (SELECT cust_id AS c, created FROM orders) x WHERE x.c = 4 ORDER BY created",
            "orders[cust_id = 4; sort created]",
        ),
        ("WITH x AS (SELECT * FROM orders) SELECT * FROM x WHERE cust_id = 4", "orders[cust_id = 4]"),
        (
            "WITH x (who, at) AS (SELECT cust_id, created FROM orders) SELECT * FROM x WHERE who = 4 ORDER BY at",
            "orders[cust_id = 4; sort created]",
        ),
        (
            "WITH RECURSIVE r AS (SELECT id FROM customers WHERE id = 5 UNION ALL
             SELECT o.id FROM orders o JOIN r ON o.cust_id = r.id) SELECT count(*) FROM r",
            "customers[id = 5; id = o] o[cust_id = customers]",
        ),
        (
            "WITH RECURSIVE r (n) AS (SELECT id FROM customers WHERE id = 5 UNION SELECT o.id FROM r, orders o WHERE o.cust_id = r.n)
             SELECT * FROM r",
            "customers[id = 5; id = o] o[cust_id = customers]",
        ),
        ("SELECT * FROM (SELECT * FROM orders LIMIT 3) x WHERE x.cust_id = 4", "orders[limit 3]"),
        ("SELECT * FROM open_orders v WHERE v.customer = 7", "o[status = 'open'; cust_id = 7]"),
        (
            "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.cust_id = c.id AND o.amount > 9)",
            "c[id = o] o[amount > 9; cust_id = c]",
        ),
        (
            "SELECT * FROM customers WHERE id IN (SELECT cust_id FROM orders WHERE status = $1)",
            "customers[id = orders] orders[status = ?; cust_id = customers]",
        ),
        (
            "UPDATE orders SET status = 'done', amount = amount + 1 WHERE id = $1",
            "orders[id = ?] writes orders status,amount",
        ),
        ("DELETE FROM orders WHERE created < $1", "orders[created < ?] writes orders rows"),
        (
            "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET status = 'x'",
            "writes orders rows writes orders status",
        ),
        ("SELECT 1 FROM orders WHERE random() < 0.1", "orders[]"),
        ("SELECT 1 FROM orders WHERE note = 'a;b' AND note <> 'a--b'", "orders[note = 'a;b'; note <> 'a--b']"),
    ] {
        let shape = shape_of(text, &shop).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(told(&shape, &shop), want, "{text}");
    }
}

#[test]
fn a_day_is_a_key_only_where_it_is_the_same_for_everybody() {
    let mut shop = shop(Dialect::Postgres);
    for (type_name, want) in [
        ("timestamp without time zone", "orders[date(created) = '2026-01-01']"),
        ("timestamp(3) without time zone", "orders[date(created) = '2026-01-01']"),
        ("timestamp with time zone", "orders[]"),
        ("text", "orders[]"),
    ] {
        let orders = shop.tables.iter_mut().find(|t| t.name == "orders").expect("there");
        orders.columns.iter_mut().find(|c| c.name == "created").expect("there").type_name = type_name.to_owned();
        for text in
            ["date(created) = '2026-01-01'", "created::date = '2026-01-01'", "CAST(created AS date) = '2026-01-01'"]
        {
            let shape = shape_of(&format!("SELECT 1 FROM orders WHERE {text}"), &shop).expect("understood");
            assert_eq!(told(&shape, &shop), want, "{text} of a {type_name}");
        }
    }
}

#[test]
fn other_dialects_have_their_own_words() {
    let lite = shop(Dialect::Sqlite);
    let shape = shape_of("SELECT * FROM Orders WHERE CUST_ID = ? AND [status] = :s ORDER BY created LIMIT ?", &lite);
    let shape = shape.expect("understood");
    assert_eq!(told(&shape, &lite), "Orders[cust_id = ?; status = ?; sort created; limit ?]");
    assert_eq!(shape.limits, [3], "the parameter of the limit");
    let my = shop(Dialect::Mysql);
    let shape = shape_of("SELECT * FROM `orders` WHERE `cust_id` IN (...) AND `status` = ? LIMIT ?, ?", &my);
    assert_eq!(told(&shape.expect("a digest"), &my), "orders[cust_id IN (); status = ?; limit ?]");
}

#[test]
fn mysql_reads_no_index_of_a_text_that_it_converts() {
    let mut my = shop(Dialect::Mysql);
    for (table, column, collation) in [(0, "status", "latin1_swedish_ci"), (1, "name", "utf8mb4_general_ci")] {
        let found = my.tables[table].columns.iter_mut().find(|c| c.name == column).expect("a column");
        found.collation = Some(collation.to_owned());
    }
    for (asked, converted) in [
        ("status = 5", true),
        ("status IN (4, '5')", true),
        ("status BETWEEN 4 AND 5", true),
        ("(status = 5 OR status = 6)", true),
        ("status = '5'", false),
        ("cust_id = 5", false),
    ] {
        let shape = shape_of(&format!("SELECT * FROM orders WHERE {asked}"), &my).expect("understood");
        let scan = &shape.scans[0];
        let looked_up = !scan.conditions.is_empty() || !scan.alternatives.is_empty();
        assert_eq!(looked_up, !converted, "{asked}: {scan:?}");
        if !asked.contains("OR") {
            assert_eq!(scan.denied.len(), usize::from(converted), "it is said why: {scan:?}");
        }
    }
    let joined = |on: &str, of: &crate::catalogue::Catalogue| {
        let shape = shape_of(&format!("SELECT * FROM orders o JOIN customers c ON {on}"), of).expect("understood");
        [0, 1].map(|scan| (shape.scans[scan].joins.len(), shape.scans[scan].denied.len()))
    };
    assert_eq!(joined("o.status = c.name", &my), [(0, 1), (1, 0)], "latin1 is converted");
    assert_eq!(joined("o.status = c.id", &my), [(0, 1), (1, 0)], "a text to a number");
    my.tables[0].columns.iter_mut().for_each(|c| c.collation = Some("utf8mb4_general_ci".to_owned()));
    assert_eq!(joined("o.status = c.name", &my), [(1, 0), (1, 0)], "one collation");
    my.tables[1].columns.iter_mut().for_each(|c| c.collation = Some("utf8mb4_bin".to_owned()));
    assert_eq!(joined("o.status = c.name", &my), [(0, 1), (1, 0)], "that by bytes is the comparison's");
    let postgres = shop(Dialect::Postgres);
    assert_eq!(joined("o.status = c.name", &postgres), [(1, 0), (1, 0)], "PostgreSQL refuses what does not fit");
}

#[test]
fn what_cannot_be_analysed_says_why_and_shows_nothing() {
    let shop = shop(Dialect::Postgres);
    let deep = format!("SELECT {}1{} FROM orders", "(".repeat(200), ")".repeat(200));
    let long = format!("SELECT 1 FROM orders WHERE {}", "cust_id = 1 OR ".repeat(9_000));
    let chain = format!("SELECT 1 FROM orders WHERE {} cust_id = 1", "cust_id = 1 AND ".repeat(2_900));
    for (text, want) in [
        ("SELEC 'canary'", NotAnalysed::Syntax(1)),
        ("SELECT 1\nFROM orders WHERE 'canary' 'x' 5", NotAnalysed::Syntax(2)),
        ("SELECT 'canary", NotAnalysed::Cut),
        ("SELECT 1; SELECT 2", NotAnalysed::NotOne),
        ("EXPLAIN SELECT * FROM orders", NotAnalysed::Other),
        ("VACUUM", NotAnalysed::Other),
        ("MERGE INTO orders USING customers c ON cust_id = c.id WHEN MATCHED THEN DELETE", NotAnalysed::Merge),
        ("SELECT * FROM elsewhere", NotAnalysed::NoTable),
        (&deep, NotAnalysed::TooDeep),
        (&long, NotAnalysed::TooLong),
    ] {
        let why = shape_of(text, &shop).expect_err(text);
        assert!(!why.to_string().contains("canary"), "{why}");
        assert_eq!(why, want, "{}", &text[..text.len().min(60)]);
    }
    // As deep as is let through, freed and walked on the stack of a thread.
    let _ = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || shape_of(&chain, &super::shop(Dialect::Postgres)).map(|s| s.scans.len()))
        .expect("a thread")
        .join()
        .expect("no overflow");
}

#[test]
fn a_plan_stands_in_for_a_text_that_is_not_understood() {
    let shop = shop(Dialect::Postgres);
    let plan = OfPlan {
        relations: vec![
            (Some("public".into()), "orders".into(), "o".into()),
            (Some("public".into()), "customers".into(), "c".into()),
        ],
        conditions: vec![
            "((o.status = 'new'::text) AND (o.amount > $1))".into(),
            "((o.note)::text ~~ 'ab%'::text)".into(),
            "(o.cust_id = c.id)".into(),
        ],
        sort: vec!["o.created DESC".into()],
        limited: true,
    };
    let shape = shape_of_plan(&plan, &shop).expect("understood");
    assert_eq!(
        told(&shape, &shop),
        "o[status = 'new'; amount > ?; note LIKE 'ab%'; cust_id = c; sort created desc; limit ?] c[id = o]"
    );
}
