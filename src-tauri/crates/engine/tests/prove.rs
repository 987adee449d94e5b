//! Proof of indexes on real databases: small tables, values spread unevenly.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{apply, by_id, change, ended, open, undo};
use perfdeck_engine::database::{CreateIndexRequest, ProveRequest, db_plan_index, db_prove, db_track_record};
use perfdeck_engine::house::{self, JournalList};
use perfdeck_engine::prove::{ProveStatement, ProveWanted, ProvenIndex, prove_index};
use perfdeck_engine::{Engine, IndexText, index_spec};
use perfdeck_model::{
    Address, ApiError, Change, ChangeProof, ChangeState, ErrorCode, JobState, Kind, PredictedStatement, ProofMethod,
    ProofVerdict, ShareRange, ValueClass,
};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{MariaDb, PostgresDatabase, eventually, shared_postgres};
use tokio_util::sync::CancellationToken;

/// Customer 7 has 2 % of the rows, all of them the oldest; the others have 0.1 % each, everywhere. Rows lie on disk about in the order of
/// their time: about, so that to follow it costs more than to read the table.
const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, cust int NOT NULL, status text NOT NULL, created timestamptz NOT NULL, pad text NOT NULL);
    INSERT INTO orders SELECT i, CASE WHEN i <= 1000 THEN 7 ELSE 100 + (i * 7919) % 1000 END,
           CASE WHEN i % 2 = 0 THEN 'new' ELSE 'old' END, timestamptz '2026-01-01' + i * interval '1 minute', repeat('x', 60)
    FROM generate_series(1, 50000) i ORDER BY i / 200, (i * 7919) % 200;
    CREATE TABLE states (id int PRIMARY KEY, state text NOT NULL, pad text NOT NULL);
    INSERT INTO states SELECT i, 'common', repeat('x', 60) FROM generate_series(1, 20000) i;
    VACUUM ANALYZE";

const BY_CUSTOMER: &str = "SELECT id, created FROM orders WHERE cust = $1 ORDER BY created DESC LIMIT 10";
/// Takes a second and reads nothing.
const SLOW: &str = "SELECT count(*) FROM generate_series(1, 8000000) g WHERE g < 0";

async fn shop() -> PostgresDatabase {
    let server = shared_postgres().await.expect("PostgreSQL");
    for part in ORDERS.split(';') {
        server.execute(part).await.expect("tables");
    }
    server
}

fn keys(table: &str, keys: &[&str], name: &str) -> IndexText {
    IndexText {
        table: table.into(),
        keys: keys.iter().map(|k| (*k).to_owned()).collect(),
        name: Some(name.into()),
        ..IndexText::default()
    }
}

/// An index that was created by a change.
async fn created(engine: &Arc<Engine>, environment: &str, text: IndexText) -> Change {
    let of = perfdeck_engine::environments::get(engine.clone(), by_id(environment)).await.expect("it is there");
    let index = index_spec(&of, text).expect("an index");
    let asked = CreateIndexRequest { environment_id: environment.to_owned(), index, advice_id: None };
    let planned = db_plan_index(engine.clone(), asked).await.expect("planned").change;
    apply(engine, &planned.id, None).await.expect("applied")
}

fn asked(id: &str, statements: &[&str], seconds: f64) -> ProveRequest {
    ProveRequest {
        change_id: id.to_owned(),
        statements: statements.iter().map(|s| (*s).to_owned()).collect(),
        writes: false,
        seconds: Some(seconds),
        confirm: None,
    }
}

async fn proven(engine: &Arc<Engine>, request: ProveRequest) -> Result<ChangeProof, ApiError> {
    let id = request.change_id.clone();
    let job = db_prove(engine.clone(), request).await?;
    let end = ended(engine, &job).await;
    match end.state {
        JobState::Done => Ok(change(engine, &id).await.proof.expect("it is stored")),
        _ => Err(end.error.unwrap_or_else(|| ApiError::new(ErrorCode::Cancelled, "cancelled"))),
    }
}

/// What a proof must leave as it was: every row of the catalogue about indexes, with its own version.
async fn catalogue(server: &PostgresDatabase) -> Vec<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT i.xmin::text || ' ' || i.indisvalid || i.indisready || i.indislive || ' ' || pg_get_indexdef(i.indexrelid)
               FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let all = sqlx::query_scalar(sql).fetch_all(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    all
}

async fn sessions(server: &PostgresDatabase, of: &str) -> i64 {
    let mut c = server.connect().await.expect("a session");
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'perfdeck-change' {of}"
    );
    let row = c.fetch_one(sqlx::AssertSqlSafe(sql)).await.expect("sessions");
    c.close().await.expect("closed");
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_a_good_index_is_proven_and_the_others_are_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shop().await);
    let draft = crate::support::draft("shop", Kind::Development, crate::support::database(server.url()));
    let id = crate::support::environment(&engine, draft).await;

    let good = created(&engine, &id, keys("orders", &["cust", "created desc"], "good")).await;
    let before = catalogue(&server).await;
    let proof = proven(&engine, asked(&good.id, &[BY_CUSTOMER], 4.0)).await.expect("measured");
    assert_eq!((proof.verdict, proof.method), (ProofVerdict::Proven, ProofMethod::Hidden), "{proof:#?}");
    let [statement] = proof.statements.as_slice() else { panic!("{proof:#?}") };
    let classes: Vec<ValueClass> = statement.classes.iter().map(|c| c.class).collect();
    assert!(classes.contains(&ValueClass::Frequent) && classes.contains(&ValueClass::FarEnd), "{classes:?}");
    for class in &statement.classes {
        assert!(class.used && class.same_rows == Some(true) && class.change.high < -0.3, "{class:?}");
        assert!(class.buffers_before > class.buffers_after, "{class:?}");
        assert_eq!(class.used_after_analyze, Some(true), "{class:?}");
        assert!(class.blocks >= 6 && class.runs >= 30, "{class:?}");
    }
    assert!(statement.change.expect("measured").high < -0.3, "{statement:?}");
    assert_eq!(catalogue(&server).await, before, "nothing of it stays in the catalogue");
    assert_eq!(sessions(&server, "").await, 0, "no session stays");
    let stored = change(&engine, &good.id).await;
    assert_eq!(stored.state, ChangeState::Verified, "its state stays");
    let journal = house::journal_list(engine.clone(), JournalList::default()).await.expect("the journal");
    let told = journal.iter().any(|e| e.text.contains("Create public.good on public.orders: proven, "));
    assert!(told, "the journal tells it: {journal:#?}");
    undo(&engine, &good.id).await.expect("and can be undone");

    let useless = created(&engine, &id, keys("orders", &["pad"], "useless")).await;
    let proof = proven(&engine, asked(&useless.id, &[BY_CUSTOMER], 1.0)).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::NotUsed, "{proof:#?}");
    undo(&engine, &useless.id).await.expect("undone");

    // The sort column alone: the plan hopes for rows that come early, and those of customer 7 come last.
    let trap = created(&engine, &id, keys("orders", &["created"], "trap")).await;
    let proof = proven(&engine, asked(&trap.id, &[BY_CUSTOMER], 4.0)).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::Regression, "{proof:#?}");
    let far = proof.statements[0].classes.iter().find(|c| c.class == ValueClass::FarEnd).expect("the far end");
    assert!(far.used && far.buffers_after > far.buffers_before, "{far:?}");
    undo(&engine, &trap.id).await.expect("undone");

    fragile(&engine, &server, &id).await;
    writes(&engine, &server, &id).await;
    let refused = proven(&engine, asked(&trap.id, &[BY_CUSTOMER], 1.0)).await.expect_err("it is undone");
    assert_eq!(refused.code, ErrorCode::Conflict, "{refused:?}");
    engine.shutdown().await;
}

/// Statistics are from when all rows were alike.
async fn fragile(engine: &Arc<Engine>, server: &PostgresDatabase, id: &str) {
    let change = created(engine, id, keys("states", &["state"], "by_state")).await;
    let before = catalogue(server).await;
    let text = "SELECT max(pad) FROM states WHERE state = 'common'";
    let proof = proven(engine, asked(&change.id, &[text], 1.0)).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::NotUsed, "{proof:#?}");
    server.execute("UPDATE states SET state = 'rare ' || id WHERE id > 20").await.expect("other rows");
    let proof = proven(engine, asked(&change.id, &[text], 1.0)).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::Fragile, "{proof:#?}");
    assert!(proof.why.contains("once the table's statistics are gathered anew"), "{}", proof.why);
    assert_eq!(catalogue(server).await, before, "nothing stays");
    let mut c = server.connect().await.expect("a session");
    let row = c
        .fetch_one("SELECT most_common_freqs[1]::float8, n_mod_since_analyze FROM pg_stats JOIN pg_stat_user_tables ON relname = tablename
                    WHERE tablename = 'states' AND attname = 'state'")
        .await
        .expect("statistics");
    assert_eq!(row.get::<f64, _>(0), 1.0, "statistics are the old ones");
    assert!(
        row.get::<i64, _>(1) > 19_000,
        "and the server still counts what was written since: {}",
        row.get::<i64, _>(1)
    );
    undo(engine, &change.id).await.expect("undone");
}

/// Statements that write: only where that was asked for, and nothing of them stays.
async fn writes(engine: &Arc<Engine>, server: &PostgresDatabase, id: &str) {
    let change = created(engine, id, keys("orders", &["status"], "by_status")).await;
    let text = "UPDATE orders SET status = 'other' WHERE id BETWEEN 1000 AND 1400";
    let refused = proven(engine, asked(&change.id, &[text, "TRUNCATE orders"], 1.0)).await.expect("told");
    assert_eq!(refused.verdict, ProofVerdict::Unclear, "{refused:#?}");
    assert!(
        refused.statements[0].not_measured.as_deref().is_some_and(|why| why.contains("nobody asked")),
        "{refused:#?}"
    );
    let asked = ProveRequest { writes: true, ..asked(&change.id, &[text, "TRUNCATE orders"], 2.0) };
    let proof = proven(engine, asked).await.expect("measured");
    assert_ne!(proof.verdict, ProofVerdict::Proven, "{proof:#?}");
    let [update, truncate] = proof.statements.as_slice() else { panic!("{proof:#?}") };
    // To keep the index up to date touches pages that are not touched without it.
    let class = &update.classes[0];
    assert!(update.writes && class.rows == 401.0 && class.buffers_after > class.buffers_before, "{update:?}");
    assert!(truncate.not_measured.is_some(), "{truncate:?}");
    let mut c = server.connect().await.expect("a session");
    let row = c.fetch_one("SELECT count(*), count(*) FILTER (WHERE status = 'other') FROM orders").await.expect("rows");
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (50_000, 0), "nothing was written");
    undo(engine, &change.id).await.expect("undone");

    // A write that finds its rows by the index gains by it.
    let change = created(engine, id, keys("orders", &["cust"], "by_cust")).await;
    let text = "UPDATE orders SET status = 'other' WHERE cust = 150";
    let gains = ProveRequest { writes: true, ..self::asked(&change.id, &[text], 3.0) };
    let proof = proven(engine, gains).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::Proven, "{proof:#?}");

    // What the server does not take is told as that, without a value of it.
    let of = [
        ("SELEC 'secret'", "it has a syntax error"),
        ("UPDATE orders ST status = 'secret'", "it has a syntax error"),
        ("SELECT * FORM orders", "it has a syntax error"),
        ("SELECT 1 / (cust - cust) FROM orders", "it divides by zero"),
        ("SELECT 'secret'::text::int FROM orders", "a value of it, or one that stands for a parameter"),
        ("SELECT * FROM orders WHERE pad = (SELECT pad FROM orders)", "a subquery of it gives more than one row"),
        ("TRUNCATE orders", "it is neither one statement that reads"),
        ("UPDATE orders SET status = 'secret' WHERE id = 1", "it writes, and nobody asked"),
    ];
    let texts: Vec<&str> = of.iter().map(|(text, _)| *text).collect();
    let proof = proven(engine, self::asked(&change.id, &texts, 3.0)).await.expect("told");
    for ((text, why), found) in of.iter().zip(&proof.statements) {
        let told = found.not_measured.as_deref().unwrap_or_default();
        assert!(told.starts_with(why) && !told.contains("secret"), "{text}: {told}");
    }
    undo(engine, &change.id).await.expect("undone");
}

fn wanted(statements: &[&str], seconds: f64, folder: &std::path::Path) -> ProveWanted {
    ProveWanted {
        statements: statements.iter().map(|s| ProveStatement { text: (*s).to_owned(), predicted: None }).collect(),
        writes: false,
        development: false,
        analyze: true,
        folder: folder.to_owned(),
        total: Duration::from_secs_f64(seconds),
    }
}

async fn measured(
    url: &str,
    (schema, name, table): (&str, &str, &str),
    wanted: &ProveWanted,
    cancel: &CancellationToken,
) -> Result<ChangeProof, ApiError> {
    let (address, password) = Address::parse(url).expect("a URL");
    let index = ProvenIndex { schema: schema.into(), name: name.into(), table: table.into() };
    prove_index(&address, password.as_ref(), &index, wanted, &|_, _| {}, cancel).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_role_is_told_what_would_let_it_and_whatever_ends_in_the_middle_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = shop().await;
    server
        .execute(
            "CREATE ROLE plain LOGIN PASSWORD 'plain-secret'; CREATE ROLE guest LOGIN PASSWORD 'guest-secret';
             GRANT pg_read_all_data TO plain, guest; CREATE INDEX good ON orders (cust, created DESC);
             ALTER TABLE orders OWNER TO plain",
        )
        .await
        .expect("roles");
    let as_role = |role: &str| server.url_as(role, &format!("{role}-secret"));
    let good = ("public", "good", "public.orders");
    let never = CancellationToken::new();
    let one = wanted(&[BY_CUSTOMER], 3.0, dir.path());
    for (role, development) in [("plain", false), ("guest", true)] {
        let one = ProveWanted { development, ..one.clone() };
        let refused = measured(&as_role(role), good, &one, &never).await.expect_err("there is no way");
        assert_eq!(refused.code, ErrorCode::Unsupported, "{refused:?}");
        assert!(refused.hint.as_deref().is_some_and(|h| h.starts_with("CREATE EXTENSION hypopg;")), "{refused:?}");
    }
    let before = catalogue(&server).await;
    let predicted = |change: ShareRange| PredictedStatement {
        statement: BY_CUSTOMER.into(),
        key: None,
        share: 0.5,
        calls: 1.0,
        now_ms: None,
        change,
        classes: Vec::new(),
    };
    let said = predicted(ShareRange { value: -0.8, low: -1.0, high: -0.1 });
    let owned = ProveWanted {
        development: true,
        statements: vec![ProveStatement { text: BY_CUSTOMER.into(), predicted: Some(said) }],
        ..one.clone()
    };
    let proof = measured(&as_role("plain"), good, &owned, &never).await.expect("its owner may drop it");
    assert_eq!((proof.verdict, proof.method), (ProofVerdict::Proven, ProofMethod::DroppedInside), "{proof:#?}");
    assert_eq!(proof.statements[0].landed, Some(true), "{proof:#?}");
    let saved = proof.saved.expect("its share is known");
    assert!(saved.low > 0.1 && saved.high <= 0.5, "{saved:?}");
    assert_eq!(catalogue(&server).await, before, "and nothing of it stays");

    // Cut off without a word, as by kill -9: the server notices, and rolls back.
    let slow = wanted(&[SLOW], 40.0, dir.path());
    let hidden = "AND backend_xid IS NOT NULL";
    let url = server.url();
    let work = measured(&url, good, &slow, &never);
    let in_the_middle = eventually(Duration::from_secs(20), async || sessions(&server, hidden).await == 1);
    tokio::select! {
        done = work => panic!("it ends while the index is hidden: {done:?}"),
        () = in_the_middle => {}
    }
    eventually(Duration::from_secs(10), async || sessions(&server, "").await == 0).await;
    assert_eq!(catalogue(&server).await, before, "the index is valid");

    // Ended by the server.
    let work = measured(&url, good, &slow, &never);
    let ends = async {
        eventually(Duration::from_secs(20), async || sessions(&server, hidden).await == 1).await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'perfdeck-change'";
        server.execute(sql).await.expect("ended");
    };
    let (done, ()) = tokio::join!(work, ends);
    assert!(done.is_err(), "{done:?}");
    assert_eq!(catalogue(&server).await, before, "the index is valid");
    cancelled(&server, dir.path()).await;
}

/// Cancel ends at the server too, and nothing is stored.
async fn cancelled(server: &PostgresDatabase, dir: &std::path::Path) {
    let engine = open(dir).await;
    let draft = crate::support::draft("shop", Kind::Development, crate::support::database(server.url()));
    let id = crate::support::environment(&engine, draft).await;
    let of = created(&engine, &id, keys("orders", &["status"], "by_status")).await;
    let job = db_prove(engine.clone(), asked(&of.id, &[SLOW], 60.0)).await.expect("it begins");
    let again = db_prove(engine.clone(), asked(&of.id, &[SLOW], 60.0)).await.expect_err("somebody works on it");
    assert_eq!(again.code, ErrorCode::Conflict, "{again:?}");
    eventually(Duration::from_secs(20), async || {
        sessions(server, "AND state = 'active' AND query LIKE '%8000000%'").await == 1
    })
    .await;
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    assert_eq!(ended(&engine, &job).await.state, JobState::Cancelled);
    eventually(Duration::from_secs(5), async || sessions(server, "").await == 0).await;
    assert_eq!(change(&engine, &of.id).await.proof, None, "nothing is stored");
    let record = db_track_record(engine.clone(), crate::support::by_environment(&id)).await.expect("counted");
    assert_eq!((record.predictions, record.landed), (0, 0));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_hint_hides_the_index() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = MariaDb::start().await.expect("MariaDB");
    for sql in [
        "CREATE TABLE orders (id int PRIMARY KEY, cust int NOT NULL, created int NOT NULL, pad varchar(100) NOT NULL)",
        "INSERT INTO orders SELECT seq, CASE WHEN seq <= 600 THEN 7 ELSE 100 + (seq * 7919) % 1000 END, seq, repeat('x', 60)
         FROM seq_1_to_30000",
        "CREATE INDEX good ON orders (cust, created)",
        "CREATE INDEX useless ON orders (pad)",
        "CREATE INDEX trap ON orders (created)",
        "ANALYZE TABLE orders PERSISTENT FOR ALL",
        "CREATE TABLE soft (id int PRIMARY KEY, phone varchar(20) NOT NULL, pad varchar(60) NOT NULL, KEY by_phone (phone))",
        "INSERT INTO soft SELECT seq, 13000000000 + seq, repeat('x', 60) FROM seq_1_to_20000",
        "ANALYZE TABLE soft PERSISTENT FOR ALL",
    ] {
        server.execute(sql).await.expect(sql);
    }
    let (address, _) = Address::parse(&server.url()).expect("a URL");
    let never = CancellationToken::new();
    numbers_of_mariadb(&server.url(), &address.path, dir.path()).await;
    let text = "SELECT id, created FROM orders WHERE cust = ? ORDER BY created DESC LIMIT 10";
    let by_name = |name: &'static str| (address.path.as_str(), name, "orders");
    let one = wanted(&[text, "DELETE FROM orders WHERE id = ?", "SELECT max(id) FROM nowhere"], 2.5, dir.path());
    let proof = measured(&server.url(), by_name("good"), &one, &never).await.expect("measured");
    assert_eq!((proof.verdict, proof.method), (ProofVerdict::Proven, ProofMethod::IgnoreHint), "{proof:#?}");
    assert!(proof.statements[0].classes.iter().all(|c| c.used && c.buffers_after.is_none()), "{proof:#?}");
    assert!(proof.statements[1].not_measured.is_some() && proof.statements[2].not_measured.is_some(), "{proof:#?}");
    let wrong = ["SELEC 'secret'", "SELECT * FORM orders", "SELECT (SELECT id FROM orders) FROM orders"];
    let proof = measured(&server.url(), by_name("good"), &wanted(&wrong, 2.0, dir.path()), &never).await.expect("told");
    let why: Vec<&str> = proof.statements.iter().filter_map(|s| s.not_measured.as_deref()).collect();
    let (syntax, rows) = ("it has a syntax error", "a subquery of it gives more than one row");
    assert_eq!(why, [syntax, syntax, rows]);
    let one = wanted(&[text], 1.0, dir.path());
    let proof = measured(&server.url(), by_name("useless"), &one, &never).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::NotUsed, "{proof:#?}");
    let none = measured(&server.url(), by_name("nothing"), &one, &never).await.expect_err("there is none");
    assert_eq!(none.code, ErrorCode::NotFound, "{none:?}");
    // Stopped, it ends at the server too.
    let cancel = CancellationToken::new();
    let slow = wanted(
        &["SELECT count(*) FROM orders a JOIN orders b ON a.pad = b.pad WHERE a.id + b.id < 0"],
        60.0,
        dir.path(),
    );
    let url = server.url();
    let running = async || {
        let mut c = server.connect().await.expect("a session");
        let sql = "SELECT CAST(count(*) AS SIGNED) FROM information_schema.processlist WHERE info LIKE 'SELECT count(*) FROM orders%'";
        let row = c.fetch_one(sql).await.expect("sessions");
        row.get::<i64, _>(0)
    };
    let stops = async {
        eventually(Duration::from_secs(20), async || running().await == 1).await;
        cancel.cancel();
    };
    let (done, ()) = tokio::join!(measured(&url, by_name("good"), &slow, &cancel), stops);
    assert_eq!(done.expect_err("it was stopped").code, ErrorCode::Cancelled);
    eventually(Duration::from_secs(5), async || running().await == 0).await;
}

/// A text that is compared with a number is read without its index: a prediction keeps no values, and is measured as what is run.
async fn numbers_of_mariadb(url: &str, schema: &str, folder: &std::path::Path) {
    let predicted = PredictedStatement {
        statement: "SELECT * FROM soft WHERE phone = ?".into(),
        key: None,
        share: 1.0,
        calls: 1.0,
        now_ms: None,
        change: ShareRange { value: -0.99, low: -1.0, high: -0.8 },
        classes: Vec::new(),
    };
    for (handed, verdict) in [
        ("SELECT * FROM soft WHERE phone = 13000000500", ProofVerdict::NotUsed),
        ("SELECT * FROM soft WHERE phone = '13000000500'", ProofVerdict::Proven),
    ] {
        let mut asked = wanted(&[handed], 2.0, folder);
        let of = ProveStatement { text: predicted.statement.clone(), predicted: Some(predicted.clone()) };
        asked.statements.insert(0, of);
        let never = CancellationToken::new();
        let proof = measured(url, (schema, "by_phone", "soft"), &asked, &never).await.expect("measured");
        assert_eq!(proof.verdict, verdict, "{handed}: {proof:#?}");
        assert!(proof.statements.iter().all(|s| !s.classes.is_empty()), "both are measured: {proof:#?}");
    }
}

/// A write gains too; what is no statement is told as that.
async fn writes_of_sqlite(engine: &Arc<Engine>, id: &str) {
    let text = "UPDATE orders SET pad = 'other' WHERE cust = 150";
    let all = [text, "SELEC 1", "SELECT * FORM orders", "SELECT nowhere FROM orders"];
    let proof = proven(engine, ProveRequest { writes: true, ..asked(id, &all, 3.0) }).await.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::Proven, "{proof:#?}");
    let why: Vec<&str> = proof.statements.iter().filter_map(|s| s.not_measured.as_deref()).collect();
    let (wrong, gone) = ("it has a syntax error", "a table, a column or a function of it is not there");
    assert_eq!(why, [wrong, wrong, gone]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_two_copies_are_measured_and_gone_afterwards() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("shop.db");
    let url = format!("sqlite:{}", file.display());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut c = sqlx::ConnectOptions::connect(&options).await.expect("a file");
    c.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, cust INT NOT NULL, created INT NOT NULL, pad TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO orders SELECT i, CASE WHEN i <= 600 THEN 7 ELSE 100 + (i * 7919) % 1000 END, i, printf('%060d', i) FROM n",
    )
    .await
    .expect("rows");
    c.close().await.expect("closed");
    let engine = open(&dir.path().join("data")).await;
    let id = crate::support::environment(
        &engine,
        crate::support::draft("file", Kind::Development, crate::support::database(url)),
    )
    .await;
    let text = "SELECT id, created FROM orders WHERE cust = ? ORDER BY created DESC LIMIT 10";
    let left = || std::fs::read_dir(dir.path().join("data").join("proofs")).map_or(0, std::iter::Iterator::count);
    for (key, name, wanted) in [
        ("cust", "good", ProofVerdict::Proven),
        ("pad", "useless", ProofVerdict::NotUsed),
        ("created", "trap", ProofVerdict::Regression),
    ] {
        let of = created(&engine, &id, keys("orders", &[key], name)).await;
        let bytes = std::fs::read(&file).expect("the file");
        let proof = proven(&engine, asked(&of.id, &[text], 2.0)).await.expect("measured");
        assert_eq!((proof.verdict, proof.method), (wanted, ProofMethod::Copies), "{proof:#?}");
        assert_eq!(std::fs::read(&file).expect("the file"), bytes, "{name}: the file is as it was");
        assert_eq!(left(), 0, "{name}: no copy stays");
        if name == "good" {
            writes_of_sqlite(&engine, &of.id).await;
        }
        undo(&engine, &of.id).await.expect("undone");
    }

    // A file without statistics gets none of one index alone; where there are some, an index has its own.
    let told = async |sql: &'static str| {
        let mut c = sqlx::ConnectOptions::connect(&options).await.expect("the file");
        let n: i64 = sqlx::query_scalar(sql).fetch_one(&mut c).await.expect("a count");
        c.close().await.expect("closed");
        n
    };
    assert_eq!(told("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'").await, 0);
    let mut c = sqlx::ConnectOptions::connect(&options).await.expect("the file");
    c.execute("CREATE INDEX other ON orders (pad); ANALYZE").await.expect("analyzed");
    c.close().await.expect("closed");
    let of = created(&engine, &id, keys("orders", &["cust"], "counted")).await;
    let counted = "SELECT count(*) FROM sqlite_stat1 WHERE idx = 'counted'";
    assert_eq!(told(counted).await, 1, "the planner knows it");
    undo(&engine, &of.id).await.expect("undone");
    assert_eq!(told(counted).await, 0, "nothing is left");
    engine.shutdown().await;
}
