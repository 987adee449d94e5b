//! Sizes that are said, held against those that the server writes.
use perfdeck_advisor::{Dialect, Index, Key, Method, size};
use perfdeck_engine::advice::AdviceWanted;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection, raw_sql};
use perfdeck_testkit::{MariaDb, Postgres};

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
    expressions(&server, &mut c).await;
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

/// More rows than are looked at; pairs of rows side by side, months of rows side by side, values of half of the rows, values in no order.
const EXPRESSIONS: &str = "
    CREATE UNLOGGED TABLE ex (id int, a int, b int, half int, name text, word text, code text, bad text, price numeric(12,2), at timestamp, pair timestamp,
                              day date, j jsonb, body text);
    INSERT INTO ex SELECT i, (i * 7919::bigint) % 1000, (i * 104729::bigint) % 700, i / 2, left(md5(i::text), 6 + i % 17),
           (ARRAY['AIR', 'MAIL', 'SHIP', 'TRUCK'])[1 + i % 4], ((i * 7919::bigint) % 100000)::text, CASE WHEN i % 2 = 0 THEN 'x' ELSE i::text END,
           (i * 104729::bigint) % 1040485 / 100.0, timestamp '2020-01-01' + (i * 7919::bigint) % 90000 * interval '1 minute',
           timestamp '2020-01-01' + i * interval '30 min', date '1992-01-01' + (i * 7919::bigint % 2500)::int,
           jsonb_build_object('a', i % 900, 'k', CASE WHEN i % 2 = 0 THEN 'same' ELSE md5(i::text) END, 'in', jsonb_build_object('n', i), 'l', '[1,2]'::jsonb),
           repeat(md5(i::text), 20)
    FROM generate_series(1, 100000) i;
    ANALYZE ex";

/// Every function, operator and type that a key may be made with.
const CONDITIONS: &[&str] = &[
    "lower(name) = 'x'",
    "upper(word) = 'AIR'",
    "length(name) = 7",
    "char_length(code) = 3",
    "octet_length(name) = 7",
    "btrim(name) = 'x'",
    "ltrim(code) = 'x'",
    "rtrim(word) = 'x'",
    "abs(a) = 3",
    "md5(name) = 'x'",
    "reverse(code) = '17'",
    "coalesce(name, word) = 'x'",
    "nullif(word, 'AIR') = 'MAIL'",
    "substr(name, 1, 3) = 'abc'",
    "substring(name FROM 1 FOR 6) = 'abc'",
    "left(code, 2) = '17'",
    "right(name, 2) = 'ab'",
    "replace(name, 'a', 'b') = 'x'",
    "jsonb_array_length(j -> 'l') = 2",
    "sign(price) = 1",
    "floor(price) = 17",
    "ceil(price) = 17",
    "pair::date = '2020-02-01'",
    "date_part('hour', at) = 5",
    "date_trunc('month', pair) = '2020-02-01'",
    "date_trunc('hour', pair) = '2020-02-01'",
    "date_trunc('minute', at) = '2020-02-01'",
    "extract(year FROM at) = 2020",
    "extract(epoch FROM pair) = 1",
    "j ->> 'a' = '7'",
    "j ->> 'k' = 'same'",
    "j -> 'a' = '7'",
    "j #>> '{in,n}' = '7'",
    "j #> '{in,n}' = '7'",
    "a * b = 77",
    "a + b = 77",
    "half - 1 = 7",
    "price * 2 = 7",
    "id / 4 = 7",
    "id % 7 = 3",
    "name || word = 'x'",
    "code::int = 17",
    "code::bigint = 17",
    "code::numeric = 17",
    "id::text = '17'",
    "a::smallint = 5",
    "price::int = 17",
    "bad::int = 7",
    "reverse(body) = 'x'",
];

/// Expressions have no statistics before they are keys: what they are like is measured, on a part of the rows.
async fn expressions(server: &Postgres, c: &mut PgConnection) {
    server.execute(EXPRESSIONS).await.expect("rows");
    let mut seen = 0;
    for conditions in CONDITIONS.chunks(25) {
        let texts: Vec<String> = conditions.iter().map(|one| format!("SELECT * FROM ex WHERE {one}")).collect();
        let asked: Vec<(&str, f64)> = texts.iter().map(|text| (text.as_str(), 60_000.0)).collect();
        let given = given(&server.url(), &wanted(&asked)).await;
        for scalar in given.catalogue.tables[0].measured.keys() {
            let index = Index { keys: vec![Key::scalar(scalar)], ..Index::default() };
            let said = size(&given.catalogue, &index).expect("measured");
            let of = index.definition(Dialect::Postgres, str::to_owned);
            let real = written(c, &format!("ex {of}")).await;
            assert!((said - real).abs() <= real * 0.35, "{of}: {said} said, {real} written");
            seen += 1;
        }
        let unknown: Vec<String> =
            given.advice.advised.iter().filter(|a| a.bytes.is_none()).map(|a| a.ddl.replace('"', "")).collect();
        assert!(unknown.iter().all(|ddl| ddl.contains("bad") || ddl.contains("body")), "{unknown:?}");
    }
    assert_eq!(
        seen,
        CONDITIONS.len() - 2,
        "a text that is no number for a row that is seen, and texts that an index compresses, are not told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_expressions_of_sqlite_are_those_that_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sizes.db");
    let mut c = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.expect("a file");
    raw_sql(
        "CREATE TABLE o (id INTEGER PRIMARY KEY, a INTEGER, ts TEXT, name TEXT, j TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO o SELECT i, i * 7919 % 2000, datetime('2024-01-01', '+' || i || ' hours'), 'Name' || i,
                json_object('a', i % 900, 'pad', hex(zeroblob(60)), 'k', 'a longer text ' || i) FROM n",
    )
    .execute(&mut c)
    .await
    .expect("rows");
    let conditions = [
        "json_extract(j, '$.a') = 7",
        "json_extract(j, '$.k') = 'x'",
        "j ->> 'a' = 7",
        "date(ts) = '2024-02-01'",
        "strftime('%Y', ts) = '2024'",
        "cast(a as text) = '77'",
        "lower(name) = 'x'",
        "a * 3 = 9",
        "length(name) = 7",
        "substr(name, 1, 5) = 'x'",
    ];
    let texts: Vec<String> = conditions.iter().map(|one| format!("SELECT name FROM o WHERE {one}")).collect();
    let asked: Vec<(&str, f64)> = texts.iter().map(|text| (text.as_str(), 60_000.0)).collect();
    let given = given(&format!("sqlite:{}", path.display()), &wanted(&asked)).await;
    let pages =
        "SELECT (SELECT page_count FROM pragma_page_count()) - (SELECT freelist_count FROM pragma_freelist_count())";
    for scalar in given.catalogue.tables[0].measured.keys() {
        let index = Index { keys: vec![Key::scalar(scalar)], ..Index::default() };
        let said = size(&given.catalogue, &index).expect("measured");
        let of = index.definition(Dialect::Sqlite, str::to_owned);
        let before: i64 = raw_sql(pages).fetch_one(&mut c).await.expect("pages").get(0);
        raw_sql(AssertSqlSafe(format!("CREATE INDEX written ON o {of}"))).execute(&mut c).await.expect("an index");
        let after: i64 = raw_sql(pages).fetch_one(&mut c).await.expect("pages").get(0);
        raw_sql("DROP INDEX written").execute(&mut c).await.expect("gone again");
        let real = (after - before) as f64 * given.catalogue.page;
        assert!((said - real).abs() <= real * 0.35, "{of}: {said} said, {real} written");
    }
    assert_eq!(
        given.catalogue.tables[0].measured.len(),
        conditions.len(),
        "{:?}",
        given.catalogue.tables[0].measured.keys()
    );
    let _ = c.close().await;
}

/// Types of MariaDB, of keys of an index and of the key in whose order rows are kept. All pages are looked at for how many rows there are: with an
/// extent more or less an index of this size is a third larger or smaller.
const TYPES: &str = "
    CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY, i int, b bigint NOT NULL, d date, dt datetime, dtp datetime(3), ts timestamp NULL, price decimal(10,2), v varchar(20),
        nm varchar(40) NOT NULL, l varchar(500), n varchar(100), c char(10), e enum('a','b'), latin varchar(60) CHARACTER SET latin1) CHARACTER SET utf8mb4 STATS_SAMPLE_PAGES = 2000;
    INSERT INTO a (i, b, d, dt, dtp, ts, price, v, nm, l, n, c, e, latin)
    SELECT seq % 1000, seq, '2024-01-01' + INTERVAL seq % 900 DAY, '2024-01-01' + INTERVAL seq MINUTE, '2024-01-01' + INTERVAL seq MINUTE, '2024-01-01' + INTERVAL seq MINUTE,
        seq / 7, IF(seq % 200 = 0, 'open', 'closed'), CONCAT('N', seq), REPEAT(MD5(seq), 5), IF(seq % 3 = 0, CONCAT('xx', seq), NULL), LEFT(MD5(seq), 6),
        IF(seq % 2, 'a', 'b'), CONVERT(REPEAT('é', 20) USING latin1) FROM seq_1_to_60000;
    CREATE TABLE p (x varchar(30), y datetime, z int, PRIMARY KEY (x, y)) CHARACTER SET utf8mb4 STATS_SAMPLE_PAGES = 2000;
    INSERT INTO p SELECT CONCAT('some-key-', seq), '2024-01-01' + INTERVAL seq MINUTE, seq FROM seq_1_to_60000;
    CREATE TABLE np (z int, w int) STATS_SAMPLE_PAGES = 2000;
    INSERT INTO np SELECT seq, seq FROM seq_1_to_60000;
    CREATE TABLE closed (z int, w varchar(20));
    INSERT INTO closed SELECT seq, seq FROM seq_1_to_60000;
    ANALYZE TABLE a, p, np, closed;
    CREATE USER 'low'@'localhost';
    CREATE USER 'low'@'127.0.0.1'";

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_mariadb_are_those_that_are_written_and_tables_that_cannot_be_read_are_named() {
    let server = MariaDb::start().await.expect("MariaDB");
    server.execute(TYPES).await.expect("rows");
    let asked = wanted(&[
        ("SELECT * FROM a WHERE i = 7", 1.0),
        ("SELECT * FROM p WHERE z = 7", 1.0),
        ("SELECT * FROM np WHERE z = 7", 1.0),
        ("SELECT * FROM closed WHERE w = '7'", 1.0),
    ]);
    let all = given(&server.url(), &asked).await;
    assert!(
        all.grants.is_empty() && !all.advice.notes.iter().any(|n| n.contains("not looked at")),
        "{:?}",
        all.advice.notes
    );
    let mut c = server.connect().await.expect("connects");
    for (table, keys) in [
        ("a", "i"),
        ("a", "b"),
        ("a", "d"),
        ("a", "dt"),
        ("a", "dtp"),
        ("a", "ts"),
        ("a", "price"),
        ("a", "v"),
        ("a", "nm"),
        ("a", "l"),
        ("a", "n"),
        ("a", "c"),
        ("a", "e"),
        ("a", "latin"),
        ("a", "v, i"),
        ("a", "nm, v"),
        ("p", "z"),
        ("p", "y"),
        ("np", "z"),
    ] {
        let place = all.catalogue.tables.iter().position(|t| t.name == table).expect("known");
        let index = Index { table: place, keys: keys.split(", ").map(Key::column).collect(), ..Index::default() };
        let said = size(&all.catalogue, &index).expect("known");
        server.execute(&format!("ALTER TABLE {table} ADD INDEX written ({keys})")).await.expect("an index");
        let row = raw_sql("SELECT CAST(stat_value * @@innodb_page_size AS DOUBLE) FROM mysql.innodb_index_stats WHERE index_name = 'written' AND stat_name = 'size'")
            .fetch_one(&mut c).await.expect("its size");
        let real: f64 = row.get(0);
        server.execute(&format!("ALTER TABLE {table} DROP INDEX written")).await.expect("gone again");
        assert!((said - real).abs() <= real * 0.35, "{table} ({keys}): {said} said, {real} written");
    }
    let database = all.catalogue.tables[0].schema.clone();
    for host in ["localhost", "127.0.0.1"] {
        server.execute(&format!("GRANT SELECT ON `{database}`.np TO 'low'@'{host}'; GRANT INSERT ON `{database}`.closed TO 'low'@'{host}'")).await.expect("granted");
    }
    let of_low = format!("mariadb://low@127.0.0.1:{}/app", server.port());
    let found = given(&of_low, &asked).await;
    let notes: Vec<&String> = found.advice.notes.iter().filter(|n| n.contains("not looked at")).collect();
    let [note] = notes.as_slice() else { panic!("{:?}", found.advice.notes) };
    assert!(note.ends_with(&format!("of {database}.closed: this user may not read it")), "{note}");
    let [grant] = found.grants.as_slice() else { panic!("{:?}", found.grants) };
    assert!(
        found.advice.advised.iter().all(|a| a.candidate.bytes.is_some() == !a.ddl.contains("closed")),
        "{:?}",
        found.advice.advised
    );
    server.execute(grant).await.expect("as it is");
    let found = given(&of_low, &asked).await;
    assert!(
        found.grants.is_empty() && !found.advice.notes.iter().any(|n| n.contains("not looked at")),
        "{:?}",
        found.advice.notes
    );
    let _ = c.close().await;
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
