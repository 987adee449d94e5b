//! Joins with what is no table, and keys that are expressions.
use perfdeck_sqltext::Dialect;

use super::candidates::of;
use super::{column, shop};
use crate::catalogue::{Collating, TableKind};
use crate::functions::Function;
use crate::of_plan::scalar_of;
use crate::parse::NotAnalysed;
use crate::statement::shape_of;

#[test]
fn a_column_that_is_joined_with_values_is_a_key() {
    let pg = shop(Dialect::Postgres);
    let lite = shop(Dialect::Sqlite);
    let my = shop(Dialect::Mysql);
    for (shop, text) in [
        (&pg, "SELECT o.* FROM orders o JOIN unnest($1::int[]) AS u(i) ON u.i = o.cust_id"),
        (&pg, "SELECT o.* FROM orders o JOIN unnest($1::int[]) u ON u = o.cust_id"),
        (
            &pg,
            "SELECT o.* FROM unnest($1::int[], $2::int[]) WITH ORDINALITY u(a, b, n) JOIN orders o ON o.cust_id = u.b",
        ),
        (&pg, "SELECT o.* FROM orders o JOIN (VALUES (1), (2)) v(x) ON v.x = o.cust_id"),
        (&pg, "WITH v(x) AS (VALUES (1), (2)) SELECT o.* FROM orders o, v WHERE o.cust_id = v.x"),
        (&pg, "WITH v AS (SELECT 5 AS x) SELECT o.* FROM orders o, v WHERE o.cust_id = x"),
        (&pg, "SELECT o.* FROM orders o JOIN json_each_text($1) j ON j.value::int = o.cust_id"),
        (&pg, "SELECT o.* FROM orders o, LATERAL jsonb_array_elements_text($1) j WHERE o.cust_id = j.value::int"),
        (&pg, "SELECT o.* FROM json_to_recordset($1) AS x(a int, b text) JOIN orders o ON o.cust_id = x.a"),
        (&pg, "SELECT o.* FROM generate_series(1, 10) g JOIN orders o ON o.cust_id = g"),
        (&pg, "SELECT o.* FROM generate_series(1, 10) AS s(cust_id) JOIN orders o USING (cust_id)"),
        (&pg, "SELECT * FROM orders WHERE cust_id IN (VALUES (1), (2))"),
        (&pg, "SELECT * FROM orders WHERE cust_id = ANY (SELECT max(id) FROM customers)"),
        (&pg, "SELECT * FROM orders WHERE cust_id IN (SELECT unnest($1::int[]))"),
        (
            &pg,
            "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT o.id FROM orders o, r WHERE o.cust_id = r.i) SELECT * FROM r",
        ),
        (
            &lite,
            "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT o.id FROM orders o, r WHERE o.cust_id = r.i LIMIT 10) SELECT * FROM r",
        ),
        (&lite, "SELECT o.* FROM json_each(?) j JOIN orders o ON o.cust_id = j.value"),
        (&lite, "SELECT * FROM orders WHERE cust_id IN (SELECT value FROM json_each(?))"),
        (&my, "SELECT o.* FROM JSON_TABLE('[1]', '$[*]' COLUMNS (i INT PATH '$')) j JOIN orders o ON o.cust_id = j.i"),
    ] {
        let (all, aside) = of(shop, &[text]);
        assert!(all.contains(&"(cust_id)".to_owned()), "{text}: {all:?} {aside:?}");
    }
    let both = "SELECT o.* FROM unnest($1::int[]) u JOIN orders o ON o.id = u WHERE o.cust_id = 5";
    assert!(
        of(&pg, &[both]).0.contains(&"(cust_id)".to_owned()),
        "many rows by their keys are not one: {:?}",
        of(&pg, &[both])
    );
    for text in [
        "SELECT o.* FROM orders o JOIN unnest($1::int[]) AS u(i) ON u.i <> o.cust_id",
        "SELECT * FROM orders WHERE cust_id NOT IN (VALUES (1), (2))",
        "SELECT o.* FROM orders o, unnest(o.tags) u WHERE o.cust_id = o.amount",
        "SELECT * FROM orders o, unnest($1::int[]) u(i) WHERE o.cust_id = u.i + o.amount",
    ] {
        let (all, _) = of(&pg, &[text]);
        assert!(!all.iter().any(|a| a.starts_with("(cust_id")), "{text}: {all:?}");
    }
    let used = shape_of("SELECT o.id FROM orders o, unnest(o.tags) u WHERE o.cust_id = 5", &pg).expect("understood");
    assert!(used.scans[0].used.contains("tags"), "what a function is given is read: {used:?}");
}

#[test]
fn what_mariadb_compares_with_each_row_of_a_subquery_is_no_key() {
    let mut my = shop(Dialect::Mysql);
    my.version = 101_119;
    for (text, maria, mysql) in [
        ("SELECT * FROM orders WHERE cust_id IN (SELECT 5 UNION SELECT 6)", false, false),
        ("SELECT * FROM orders WHERE cust_id IN ((SELECT 5 UNION SELECT 6))", false, false),
        ("SELECT * FROM orders WHERE cust_id = ANY (SELECT id FROM customers UNION ALL SELECT 6)", false, false),
        ("SELECT * FROM orders WHERE cust_id IN (SELECT id FROM customers WHERE region = 5)", true, true),
        ("SELECT * FROM orders WHERE cust_id IN (SELECT DISTINCT id FROM customers WHERE region = 5)", true, true),
        ("SELECT * FROM orders WHERE cust_id IN (SELECT x FROM (SELECT 5 AS x UNION SELECT 6) t)", true, true),
        ("SELECT * FROM orders WHERE cust_id IN (SELECT max(id) FROM customers)", true, false),
        ("SELECT * FROM orders WHERE cust_id IN (SELECT max(id) FROM customers GROUP BY region)", true, false),
        (
            "SELECT * FROM orders WHERE amount = 5 OR cust_id IN (SELECT id FROM customers WHERE region = 5)",
            false,
            false,
        ),
        ("DELETE FROM orders WHERE cust_id IN (SELECT id FROM customers WHERE region = 5)", false, true),
        ("UPDATE orders SET paid = 1 WHERE cust_id IN (SELECT id FROM customers WHERE region = 5)", false, true),
    ] {
        for (mariadb, version, has) in [(true, 101_119, maria), (false, 80_042, mysql)] {
            (my.mariadb, my.version) = (mariadb, version);
            let (all, aside) = of(&my, &[text]);
            assert_eq!(all.iter().any(|a| a.starts_with("(cust_id")), has, "{text} {version}: {all:?} {aside:?}");
        }
    }
    (my.mariadb, my.version) = (true, 110_403);
    let delete = "DELETE FROM orders WHERE cust_id IN (SELECT id FROM customers WHERE region = 5)";
    assert!(of(&my, &[delete]).0.iter().any(|a| a.starts_with("(cust_id")), "from 11.1 on");
}

#[test]
fn expressions_that_are_the_same_for_everybody_are_keys() {
    let mut pg = shop(Dialect::Postgres);
    let when = [
        column("at", "timestamp without time zone", -1.0),
        column("day", "date", -1.0),
        column("hour", "time without time zone", -1.0),
        column("code", "character varying(20)", -1.0),
    ];
    pg.tables[0].columns.extend(when);
    for (text, want) in [
        ("extract(year FROM at) = 2024", "((EXTRACT(year FROM at)))"),
        ("EXTRACT(MONTH FROM day) = 3", "((EXTRACT(month FROM day)))"),
        ("extract(hour FROM hour) = 3", "((EXTRACT(hour FROM hour)))"),
        ("date_part('year', at) = 2024", "((date_part('year', at)))"),
        ("date_trunc('day', at) = $1", "((date_trunc('day', at)))"),
        ("substr(note, 1, 3) = 'abc'", "((substr(note, 1, 3)))"),
        ("substring(note, 1, 3) = 'abc'", "((substring(note, 1, 3)))"),
        ("substring(note FROM 1 FOR 3) = 'abc'", "((substring(note, 1, 3)))"),
        ("code::int = 5", "((CAST(code AS integer)))"),
        ("CAST(code AS int4) = 5", "((CAST(code AS integer)))"),
        ("code::bigint = 5", "((CAST(code AS bigint)))"),
        ("amount::text = '5'", "((CAST(amount AS text)))"),
        ("amount::int = 5", "(amount)"),
        ("(data ->> 'age')::int = 5", "((CAST(data ->> 'age' AS integer)))"),
    ] {
        let (all, aside) = of(&pg, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(all.contains(&want.to_owned()), "{text}: {all:?} {aside:?}");
    }
    for text in [
        "extract(year FROM created) = 2024",
        "date_part('hour', created) = 3",
        "date_trunc('day', created) = $1",
        "date_trunc('month', day) = $1",
        "created::text = 'x'",
        "at::text = 'x'",
        "code::date = '2024-01-01'",
        "code::varchar(3) = 'abc'",
        "note::timestamp = $1",
    ] {
        let (all, _) = of(&pg, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(!all.iter().any(|a| a.starts_with("((")), "hangs on a zone or a setting: {text}: {all:?}");
    }
    // What the server writes of an index is the same value as what a statement asks.
    for (written, asked) in [
        ("EXTRACT(year FROM at)", "extract(year from at)"),
        ("((code)::integer)", "code::int"),
        ("\"substring\"(note, 1, 3)", "substring(note from 1 for 3)"),
        ("date_part('year'::text, at)", "date_part('year', at)"),
    ] {
        let both = (scalar_of(written, 0, &pg), scalar_of(asked, 0, &pg));
        assert!(both.0.is_some() && both.0 == both.1, "{written}: {both:?}");
    }
    pg.version = 130_000;
    let (all, _) = of(&pg, &["SELECT * FROM orders WHERE extract(year FROM at) = 2024"]);
    assert!(all.contains(&"((date_part('year', at)))".to_owned()), "one function until 13: {all:?}");
}

#[test]
fn sqlite_finds_parts_of_documents_days_and_beginnings() {
    let mut lite = shop(Dialect::Sqlite);
    let mut name = column("name", "TEXT", -1.0);
    name.collating = Collating::NoCase;
    let mut plain = column("plain", "TEXT", -1.0);
    plain.collating = Collating::Bytes;
    lite.tables[0].columns.extend([name, plain]);
    for (text, want) in [
        ("json_extract(note, '$.a') = 77", "((json_extract(note, '$.a')))"),
        ("note ->> 'a' = 77", "((note ->> 'a'))"),
        ("date(created) = '2024-02-01'", "((date(created)))"),
        ("strftime('%Y-%m', created) = '2024-02'", "((strftime('%Y-%m', created)))"),
        ("cast(cust_id as text) = '77'", "((CAST(cust_id AS text)))"),
        ("CAST(cust_id AS Text) = '77'", "((CAST(cust_id AS Text)))"),
        ("substr(note, 1, 3) = 'abc'", "((substr(note, 1, 3)))"),
        ("name LIKE 'nm77%'", "(name)"),
        ("plain LIKE 'P77%'", "(plain COLLATE NOCASE)"),
        ("plain GLOB 'P77*'", "(plain)"),
        ("plain GLOB 'P77'", "(plain)"),
    ] {
        let (all, aside) = of(&lite, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(all.contains(&want.to_owned()), "{text}: {all:?} {aside:?}");
    }
    for text in [
        "name GLOB 'nm77*'",
        "plain GLOB '*77'",
        "plain LIKE '%77'",
        "date(created, 'localtime') = '2024-02-01'",
        "strftime('%s', created, ?) = 5",
    ] {
        let (all, _) = of(&lite, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(all.is_empty(), "{text}: {all:?}");
    }
}

#[test]
fn rows_of_inheriting_tables_are_not_taken_for_none() {
    let mut shop = shop(Dialect::Postgres);
    shop.tables[2].kind = TableKind::Parent;
    let why = shape_of("SELECT * FROM tiny WHERE id = 5", &shop).expect_err("not analysed");
    assert_eq!(why, NotAnalysed::Inherited("public.tiny".to_owned()));
    assert!(why.to_string().contains("inherit"), "{why}");
}

#[test]
fn functions_that_the_catalogue_says_are_immutable_are_keys() {
    let mut pg = shop(Dialect::Postgres);
    let function = |schema: &str, name: &str, visible| Function {
        schema: schema.into(),
        name: name.into(),
        arguments: (1, 1),
        is_key: true,
        immutable: true,
        visible,
    };
    pg.functions = vec![
        function("public", "plain", true),
        function("hidden", "far", false),
        function("pg_catalog", "initcap", true),
        Function { arguments: (1, 2), ..function("public", "padded", true) },
        Function { is_key: false, immutable: false, ..function("public", "stable", true) },
        Function { is_key: false, ..function("public", "rows_of", true) },
        // One of two that take as many values is not immutable: which one is meant hangs on types.
        function("public", "both", true),
        Function { is_key: false, immutable: false, ..function("public", "both", true) },
        Function { schema: "od\"d".into(), ..function("", "Q\"f", false) },
    ];
    for (text, want) in [
        ("plain(note) = 'x'", "((public.plain(note)))"),
        ("PLAIN(note) = 'x' AND 1 = 1", "((public.plain(note)))"),
        ("hidden.far(note) = 'x'", "((hidden.far(note)))"),
        ("initcap(note) = 'x'", "((initcap(note)))"),
        ("padded(note) = 'x'", "((public.padded(note)))"),
        ("padded(note, 3) = 'x'", "((public.padded(note, 3)))"),
        ("plain(lower(note)) > 'x'", "((public.plain(lower(note))))"),
    ] {
        let (all, aside) = of(&pg, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(all.contains(&want.to_owned()), "{text}: {all:?} {aside:?}");
    }
    for text in [
        "far(note) = 'x'",
        "elsewhere.plain(note) = 'x'",
        "padded(note, 3, 4) = 'x'",
        "stable(note) = 'x'",
        "both(note) = 'x'",
        "rows_of(note) = 'x'",
        "unknown(note) = 'x'",
        "plain($1) = 'x'",
    ] {
        let (all, _) = of(&pg, &[&format!("SELECT * FROM orders WHERE {text}")]);
        assert!(!all.iter().any(|a| a.starts_with("((")), "{text}: {all:?}");
    }
    let (_, aside) = of(&pg, &["SELECT * FROM orders WHERE stable(note) = 'x' AND rows_of(note) = 'y'"]);
    let says = |part: &str| aside.iter().any(|a| a.contains(part));
    assert!(says("((public.stable(note))): `stable` is not declared IMMUTABLE"), "{aside:?}");
    assert!(says("((public.rows_of(note))): the value of `rows_of` has no order"), "{aside:?}");
    // As the server writes it of an index, with the schema or without.
    let both = (scalar_of("plain(note)", 0, &pg), scalar_of("public.plain(note)", 0, &pg));
    assert!(both.0.is_some() && both.0 == both.1, "{both:?}");
    let odd = scalar_of("\"od\"\"d\".\"Q\"\"f\"(note)", 0, &pg).expect("it is one");
    let quoted = |name: &str| perfdeck_sqltext::quote_identifier(name, Dialect::Postgres);
    assert_eq!(odd.shown(Dialect::Postgres, &quoted), "\"od\"\"d\".\"Q\"\"f\"(\"note\")");
}

#[test]
fn what_is_asked_of_nulls_is_known_in_all_its_forms() {
    let pg = shop(Dialect::Postgres);
    let of = |text: &str| {
        let shape = shape_of(&format!("SELECT * FROM orders WHERE {text}"), &pg).expect("understood");
        shape.scans[0].conditions.clone()
    };
    let plain = (of("amount IS NOT NULL"), of("amount IS NULL"));
    assert!(plain.0.len() == 1 && plain.1.len() == 1 && plain.0 != plain.1);
    for text in [
        "amount IS DISTINCT FROM NULL",
        "NULL IS DISTINCT FROM amount",
        "NOT (amount IS NULL)",
        "NOT amount IS NOT DISTINCT FROM NULL",
        "amount IS DISTINCT FROM (NULL)",
    ] {
        assert_eq!(of(text), plain.0, "{text}");
    }
    for text in ["amount IS NOT DISTINCT FROM NULL", "NOT (amount IS NOT NULL)", "NOT amount IS DISTINCT FROM NULL"] {
        assert_eq!(of(text), plain.1, "{text}");
    }
    assert!(of("amount IS DISTINCT FROM 5").is_empty(), "a b-tree finds none of those");
}

#[test]
fn a_statement_that_was_prepared_is_what_is_run() {
    let pg = shop(Dialect::Postgres);
    let (all, _) = of(&pg, &["prepare p1(int) as select * from orders where cust_id = $1"]);
    assert!(all.contains(&"(cust_id)".to_owned()), "{all:?}");
    let why = shape_of("PREPARE p AS VACUUM orders", &pg).expect_err("it reads nothing");
    assert_eq!(why, NotAnalysed::Other);
}
