//! Sizes that are said, held against those that the server writes.
use perfdeck_advisor::{Index, Key, Method, size};
use perfdeck_engine::advice::AdviceWanted;
use perfdeck_testkit::Postgres;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};

use super::{given, wanted};

/// What common types are in an index: numbers of few and of many digits, texts, dates, and some that are not there.
const ITEMS: &str = "
    CREATE TABLE items (id int, big bigint, quantity numeric(15,2), price numeric(15,2), rate numeric(15,2), word text, name text, day date,
                        at timestamptz, half numeric(15,2));
    INSERT INTO items SELECT i, i * 7919::bigint, 1 + (i * 7919::bigint) % 50, 901 + (i * 104729::bigint) % 10404850 / 100.0,
           (i % 11) / 100.0, (ARRAY['AIR', 'MAIL', 'SHIP', 'TRUCK', 'RAIL', 'REG AIR', 'FOB'])[1 + i % 7],
           left(md5(i::text), 6 + i % 17), date '1992-01-01' + (i * 7919::bigint % 2500)::int,
           timestamptz '2026-01-01' + i * interval '1 second', CASE WHEN i % 2 = 0 THEN i % 900 END
    FROM generate_series(1, 60000) i;
    ANALYZE items";

const KEYS: &[&[&str]] = &[
    &["quantity"],
    &["price"],
    &["rate"],
    &["half"],
    &["id", "quantity"],
    &["quantity", "id"],
    &["quantity", "price"],
    &["id", "price"],
    &["day", "quantity"],
    &["id", "quantity", "day"],
    &["big", "rate"],
    &["word", "quantity"],
    &["id", "word"],
    &["name"],
    &["id", "name"],
    &["day", "big"],
    &["day"],
    &["at", "id"],
];

#[tokio::test(flavor = "multi_thread")]
async fn sizes_that_are_said_are_those_that_are_written() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server.execute(ITEMS).await.expect("rows");
    let mut c = server.connect().await.expect("connects");
    let asked = wanted(&[("SELECT * FROM items WHERE id = $1", 60_000.0)]);
    let catalogue = given(&server.url(), &asked).await.catalogue;
    for keys in KEYS {
        let index = Index { keys: keys.iter().map(|k| Key::column(*k)).collect(), ..Index::default() };
        let said = size(&catalogue, &index).expect("known");
        let real = written(&mut c, &format!("items ({})", keys.join(", "))).await;
        assert!((said - real).abs() <= (real * 0.05).max(2.0 * 8192.0), "{keys:?}: {said} said, {real} written");
    }
    let held =
        Index { include: vec!["quantity".into(), "price".into()], keys: vec![Key::column("id")], ..Index::default() };
    let (said, real) =
        (size(&catalogue, &held).expect("known"), written(&mut c, "items (id) INCLUDE (quantity, price)").await);
    assert!((said - real).abs() <= real * 0.05, "{said} said, {real} written");
    brin(&server, &mut c).await;
    inverted(&server, &mut c).await;
    let _ = c.close().await;
}

/// Bytes of an index, which is taken away again.
async fn written(c: &mut PgConnection, of: &str) -> f64 {
    let text = format!("CREATE INDEX written ON {of}");
    raw_sql(AssertSqlSafe(text)).execute(&mut *c).await.unwrap_or_else(|e| panic!("{of}: {e}"));
    let row = raw_sql("SELECT pg_relation_size('written')::float8").fetch_one(&mut *c).await.expect("a size");
    raw_sql("DROP INDEX written").execute(&mut *c).await.expect("gone again");
    row.get(0)
}

/// A row a page, and a range for each page in place of 128: as many entries as a table 128 times as large has.
async fn brin(server: &Postgres, c: &mut PgConnection) {
    let create =
        "CREATE UNLOGGED TABLE wide (id int, at timestamptz, price numeric(15,2), pad text) WITH (fillfactor = 10);
         ALTER TABLE wide ALTER pad SET STORAGE PLAIN;
         INSERT INTO wide SELECT i, timestamptz '2026-01-01' + i * interval '1 second', i / 100.0, repeat('x', 800)
         FROM generate_series(1, 5000) i;
         ANALYZE wide";
    server.execute(create).await.expect("rows");
    let mut catalogue =
        given(&server.url(), &wanted(&[("SELECT * FROM wide WHERE id = $1", 60_000.0)])).await.catalogue;
    assert!(catalogue.tables[0].pages > 4_900.0, "{}", catalogue.tables[0].pages);
    catalogue.tables[0].pages *= 128.0;
    for keys in [&["id"][..], &["at"], &["price"], &["id", "at"]] {
        let method = Method::Brin;
        let index = Index { method, keys: keys.iter().map(|k| Key::column(*k)).collect(), ..Index::default() };
        let said = size(&catalogue, &index).expect("known");
        let real = written(c, &format!("wide USING brin ({}) WITH (pages_per_range = 1)", keys.join(", "))).await;
        assert!((said - real).abs() <= 2.0 * 8192.0 && real > 15.0 * 8192.0, "{keys:?}: {said} said, {real} written");
    }
}

/// Inverted ones are built where the rows are sampled: no statistics tell how many parts the values have.
async fn inverted(server: &Postgres, c: &mut PgConnection) {
    let create = "CREATE EXTENSION pg_trgm;
         CREATE TABLE docs (id int, data jsonb, tags text[], note text, words tsvector);
         INSERT INTO docs SELECT i, jsonb_build_object('kind', i % 7, 'owner', 'u' || i % 900, 'n', i), ARRAY['t' || i % 40, 'g' || i % 3000],
                md5(i::text), to_tsvector('simple', md5(i::text) || ' word' || i % 500 || ' common')
         FROM generate_series(1, 20000) i;
         ANALYZE docs";
    for text in create.split(';') {
        server.execute(text).await.expect("rows");
    }
    for (text, of) in [
        ("SELECT id FROM docs WHERE data @> '{\"owner\": \"u7\"}'", "docs USING gin (data jsonb_path_ops)"),
        ("SELECT id FROM docs WHERE data ? 'none'", "docs USING gin (data)"),
        ("SELECT id FROM docs WHERE tags @> ARRAY['g7']", "docs USING gin (tags)"),
        ("SELECT id FROM docs WHERE note LIKE '%c4ca4238a0%'", "docs USING gin (note gin_trgm_ops)"),
        ("SELECT id FROM docs WHERE words @@ 'word7'::tsquery", "docs USING gin (words)"),
    ] {
        let found = given(&server.url(), &wanted(&[(text, 60_000.0)])).await.advice;
        let [advised] = found.advised.as_slice() else { panic!("{text}: {:#?} {:#?}", found.advised, found.rejected) };
        assert!(advised.ddl.replace('"', "").contains(of.trim_start_matches("docs ")), "{text}: {}", advised.ddl);
        let (said, real) = (advised.bytes.expect("it was built"), written(c, of).await);
        assert!((said - real).abs() <= real * 0.25, "{of}: {said} said, {real} written");
    }
    // Of a part of the rows nothing is foretold.
    let many = "CREATE UNLOGGED TABLE logs (id int, tags text[]);
         INSERT INTO logs SELECT i, ARRAY['t' || (i * 7919::bigint) % 60000] FROM generate_series(1, 120000) i;
         ANALYZE logs";
    server.execute(many).await.expect("rows");
    let asked = wanted(&[("SELECT id FROM logs WHERE tags @> ARRAY['t7']", 60_000.0)]);
    let found = given(&server.url(), &asked).await.advice;
    let [advised] = found.advised.as_slice() else { panic!("{:#?} {:#?}", found.advised, found.rejected) };
    let why = advised.reasons.join("; ");
    assert!(advised.bytes.is_none() && why.contains("Its size is not known"), "{why}");
    let bound = AdviceWanted { bytes: Some(1e9), ..asked };
    let found = given(&server.url(), &bound).await.advice;
    let why = found.rejected.first().map(|r| r.why.as_str()).unwrap_or_default();
    assert!(found.advised.is_empty() && why.contains("it fits into no bound"), "{why}");
}
