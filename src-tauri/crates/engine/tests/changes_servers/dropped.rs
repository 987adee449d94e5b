//! Changes on real targets: a duplicate index is dropped and created again, in PostgreSQL, in a SQLite file and in the demo.
//! What became of it is read from the servers' own catalogues.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_engine::changes::{self, ChangeList};
use perfdeck_engine::environments::{self, EnvUnlock};
use perfdeck_model::{ChangeOffer, ChangeState, ErrorCode, JobState, Kind, Says};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{PgBouncer, PostgresDatabase, eventually, shared_postgres, shared_server};

use super::support::{self, apply, change, confirmed, open, plan_drop as plan, says, undo};

/// Definition and validity of an index, as PostgreSQL's catalogue has it.
async fn index(server: &PostgresDatabase, name: &str) -> Option<(String, bool)> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(indexrelid), indisvalid AND indisready FROM pg_index
               WHERE indexrelid = to_regclass($1)";
    let row = sqlx::query(sql).bind(name).fetch_optional(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    row.map(|r| (r.get(0), r.get(1)))
}

async fn environment(engine: &Arc<Engine>, name: &str, kind: Kind, database: &str) -> String {
    support::environment(engine, support::draft(name, kind, support::database(database.to_owned()))).await
}

const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text, c int);
    INSERT INTO t SELECT n, n % 100, n::text, n FROM generate_series(1, 5000) n;
    CREATE INDEX one ON t (a);
    CREATE INDEX two ON t (a) WITH (fillfactor = 80);
    COMMENT ON INDEX two IS 'it''s the copy';
    CREATE UNIQUE INDEX strong ON t (c);
    CREATE INDEX \"weak O'Br\"\"ien\" ON t (c);
    CREATE UNIQUE INDEX unique_copy ON t (c);
    CREATE INDEX part_of ON t (b) WHERE c > 10;
    CREATE INDEX part_of_too ON t (b) WHERE c > 10;
    CREATE INDEX id_again ON t (id);
    CREATE TABLE own (a int NOT NULL, b int, UNIQUE (a));
    CREATE UNIQUE INDEX own_a ON own (a);
    ALTER TABLE own REPLICA IDENTITY USING INDEX own_a;
    CREATE INDEX own_b ON own (b); CREATE INDEX own_b2 ON own (b); CLUSTER own USING own_b2;
    CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE INDEX parts_b ON parts (b); CREATE INDEX parts_b2 ON parts (b);";

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_index_is_dropped_and_comes_back_exactly() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    for (name, catalogue) in [
        ("two", "public.two"),
        ("public.part_of_too", "part_of_too"),
        ("\"weak O'Br\"\"ien\"", "\"weak O'Br\"\"ien\""),
        ("unique_copy", "unique_copy"),
        ("id_again", "id_again"),
    ] {
        let before = index(&server, catalogue).await.expect("it is there");
        let planned = plan(&engine, &id, name).await.expect(name);
        assert!(planned.statement.starts_with("DROP INDEX CONCURRENTLY \"public\".\""), "{planned:?}");
        let freed = planned.preview[0].predicted;
        assert!(freed.is_some_and(|b| b >= 8192.0), "its size is known: {planned:?}");
        assert_eq!(planned.preview[1].predicted, None, "nothing says how long its writes were counted");
        assert_eq!(index(&server, catalogue).await.as_ref(), Some(&before), "a plan alters nothing");

        let applied = apply(&engine, &planned.id, None).await.expect(name);
        assert_eq!((applied.state, says(&applied)), (ChangeState::Verified, Some(Says::AsApplied)), "{applied:?}");
        assert_eq!(index(&server, catalogue).await, None, "{name} is gone");
        assert_eq!(applied.preview[0].came, freed, "what came stands beside it: {applied:?}");

        let undone = undo(&engine, &planned.id).await.expect(name);
        assert_eq!(undone.state, ChangeState::Undone, "{undone:?}");
        assert_eq!(index(&server, catalogue).await, Some(before), "the same definition, and valid");
    }
    let mut c = server.connect().await.expect("a session");
    let row = c.fetch_one("SELECT obj_description('two'::regclass, 'pg_class')").await.expect("a comment");
    assert_eq!(row.get::<String, _>(0), "it's the copy", "with what the definition does not hold");
    let left = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'perfdeck-change'";
    eventually(Duration::from_secs(5), async || {
        let row = sqlx::query(left).fetch_one(&mut server.connect().await.expect("a session")).await.expect("sessions");
        row.get::<i64, _>(0) == 0
    })
    .await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_rests_on_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    for (name, why) in [
        ("t_pkey", "The constraint 't_pkey'"),
        ("own_a_key", "The constraint 'own_a_key'"),
        ("own_a", "is the replica identity"),
        ("parts_b2", "belongs to the partitioned table public.parts: it goes with those of all partitions at once"),
        ("part_b_idx1", "is the part of 'public.parts_b2' for one partition, and goes with that alone"),
        ("nothing", "There is no index 'nothing'"),
        ("t", "There is no index 't'"),
        ("a b c; drop", "There is no index"),
        ("pg_catalog.pg_class_oid_index", "belongs to the server itself"),
    ] {
        let refused = plan(&engine, &id, name).await.expect_err(name);
        assert!(refused.message.contains(why), "{name}: {}", refused.message);
    }
    // Of a pair the last one stays, also when the plan is older than the first drop.
    let (one, two) = (plan(&engine, &id, "one").await.expect("one"), plan(&engine, &id, "two").await.expect("two"));
    apply(&engine, &one.id, None).await.expect("the first goes");
    let refused = apply(&engine, &two.id, None).await.expect_err("the last one stays");
    assert!(refused.message.contains("repeats no other valid index"), "{refused}");
    let failed = change(&engine, &two.id).await;
    assert_eq!((failed.state, says(&failed)), (ChangeState::Failed, Some(Says::AsBefore)), "{failed:?}");
    assert!(index(&server, "two").await.is_some(), "it is there");

    // A role that does not own the table.
    server
        .execute("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        .await
        .expect("a role");
    let other = environment(&engine, "reader", Kind::Development, &server.url_as("reader", "reader")).await;
    let refused = plan(&engine, &other, "part_of_too").await.expect_err("not its own");
    assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    assert!(refused.message.contains("does not own public.t"), "{refused}");

    let live = environment(&engine, "live", Kind::Production, &server.url()).await;
    let planned = plan(&engine, &live, "part_of_too").await.expect("looking is allowed");
    let refused = apply(&engine, &planned.id, Some("live")).await.expect_err("read-only");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    let typed = EnvUnlock { id: live, confirm: Some("live".to_owned()) };
    environments::unlock(engine.clone(), typed).await.expect("unlocked");
    let refused = apply(&engine, &planned.id, None).await.expect_err("its name is to be typed");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    assert!(index(&server, "part_of_too").await.is_some(), "nothing was sent");
    apply(&engine, &planned.id, Some("live")).await.expect("unlocked and typed");
    assert!(index(&server, "part_of_too").await.is_none(), "then it goes");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_is_stopped_in_the_middle_is_half_done_and_is_cleaned_up_or_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    futures_util::future::join_all([true, false].map(|finish| stopped(&engine, finish))).await;
    engine.shutdown().await;
}

async fn stopped(engine: &Arc<Engine>, finish: bool) {
    let server = shared_postgres().await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    let name = if finish { "finished" } else { "cleaned up" };
    let id = environment(engine, name, Kind::Development, &server.url()).await;
    let before = index(&server, "two").await.expect("it is there");
    let planned = plan(engine, &id, "two").await.expect("planned");
    // A transaction that read the table: the drop waits for its end, with the index invalid already.
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; SELECT count(*) FROM t").await.expect("an old transaction");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    eventually(Duration::from_secs(10), async || index(&server, "two").await.is_some_and(|(_, valid)| !valid)).await;
    eventually(Duration::from_secs(10), async || {
        engine.jobs().get(&job.id).is_some_and(|j| j.step.starts_with("waits for session"))
    })
    .await;
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    let end = engine.jobs().wait(&job.id).await.expect("known");
    assert_eq!(end.state, JobState::Cancelled, "{end:?}");
    let change = change(engine, &planned.id).await;
    assert_eq!((change.state, says(&change)), (ChangeState::CutOff, Some(Says::HalfDone)), "{change:?}");
    assert_eq!(change.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{change:?}");
    let again = plan(engine, &id, "two").await.expect_err("it is in the middle");
    assert!(again.code == ErrorCode::Conflict, "{again}");
    old.execute("COMMIT").await.expect("the old transaction ends");
    old.close().await.expect("closed");
    if finish {
        let done = apply(engine, &planned.id, None).await.expect("brought to its end");
        assert_eq!((done.state, index(&server, "two").await), (ChangeState::Verified, None), "{done:?}");
    } else {
        let clean = undo(engine, &planned.id).await.expect("cleaned up");
        assert_eq!(clean.state, ChangeState::Undone, "{clean:?}");
        assert_eq!(index(&server, "two").await.as_ref(), Some(&before), "it is there and valid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_the_demo() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(&dir.path().join("data")).await;
    let file = dir.path().join("a.db");
    let mut c = sqlx::SqliteConnection::connect_with(
        &sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true),
    )
    .await
    .expect("a file");
    c.execute(
        "CREATE TABLE t (a INTEGER, b TEXT UNIQUE); CREATE INDEX one ON t (a DESC); CREATE INDEX \"t'wo\" ON t (a DESC);
         CREATE INDEX up ON t (a); CREATE INDEX b2 ON t (b);
         CREATE TABLE s (a, b, d);
         CREATE UNIQUE INDEX z1 ON s (a) WHERE b = 'A'; CREATE UNIQUE INDEX z2 ON s (a) WHERE b = 'a';
         CREATE INDEX x1 ON s (b) WHERE a = 'X'; CREATE INDEX x2 ON s (b) WHERE a = 'x';
         CREATE INDEX q1 ON s (b) WHERE a IN ('q', 'R'); CREATE INDEX q2 ON s (b) WHERE a IN ('q', 'r');
         -- why\n create  index i1 on s(b)\n; CREATE INDEX i2 ON s (b) -- again\n ;
         CREATE INDEX js1 ON s (json_extract(d, '$.a')); CREATE INDEX js2 ON s (json_extract(d, '$.a'));
         CREATE INDEX js3 ON s (json_extract(d, '$.A'));
         CREATE INDEX \"My.Idx\" ON s (d); CREATE INDEX ta ON s (d); CREATE TRIGGER ta AFTER INSERT ON s BEGIN SELECT 1; END;
         CREATE INDEX i3 ON s (b) -- at the end",
    )
    .await
    .expect("tables");
    let id = environment(&engine, "file", Kind::Development, &format!("sqlite:{}", file.display())).await;
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ? AND type = 'index'";
    let definition = async |c: &mut sqlx::SqliteConnection, name: &str| {
        sqlx::query_scalar::<_, String>(sql).bind(name.to_owned()).fetch_optional(c).await.expect("the schema")
    };
    for (asked, name) in [
        ("t'wo", "t'wo"),
        ("b2", "b2"),
        ("i1", "i1"),
        ("I2", "i2"),
        ("i3", "i3"),
        ("js1", "js1"),
        ("\"My.Idx\"", "My.Idx"),
        ("my.idx", "My.Idx"),
        ("Main.[TA]", "ta"),
        ("TA", "ta"),
    ] {
        let before = definition(&mut c, name).await.expect("it is there");
        let planned = plan(&engine, &id, asked).await.expect(asked);
        assert_eq!(planned.object, name, "as it is stored");
        apply(&engine, &planned.id, None).await.expect(name);
        assert_eq!(definition(&mut c, name).await, None, "{name} is gone");
        undo(&engine, &planned.id).await.expect(name);
        assert_eq!(definition(&mut c, name).await, Some(before), "as it was written");
        let change = change(&engine, &planned.id).await;
        assert_eq!((change.state, says(&change)), (ChangeState::Undone, Some(Says::AsBefore)), "{change:?}");
    }
    // What no other one repeats enforces nothing, unless it is unique.
    for name in ["up", "x1", "q1", "js3"] {
        let planned = plan(&engine, &id, name).await.expect(name);
        assert_eq!(planned.title, format!("Drop `{name}`"));
        assert!(planned.notes.iter().any(|n| n.contains("SQLite keeps no account")), "{:?}", planned.notes);
    }
    let unique = ["z1", "z2"].map(|name| (name, "keeps rows of s from being alike"));
    let others = [
        ("sqlite_autoindex_t_1", "belongs to a constraint"),
        ("temp.ta", "There is no index"),
        ("\"ta\"\"\"", "There is no index"),
    ];
    for (name, why) in unique.into_iter().chain(others) {
        let refused = plan(&engine, &id, name).await.expect_err(name);
        assert!(refused.message.contains(why), "{name}: {refused}");
    }

    let planned = plan(&engine, "demo", "appointments_user_id_idx").await.expect("the demo's planted duplicate");
    let applied = apply(&engine, &planned.id, None).await.expect("dropped");
    assert!(applied.preview[0].came.is_some_and(|b| b > 1e6), "megabytes are freed: {applied:?}");
    let asked = ChangeList { environment_id: Some("demo".to_owned()) };
    let list = changes::list(engine.clone(), asked).await.expect("the list");
    assert_eq!(says(&list[0]), Some(Says::AsApplied), "{list:?}");
    undo(&engine, &planned.id).await.expect("and back");

    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_server().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let pooler = PgBouncer::start(server, &[]).await.expect("PgBouncer");
    let id = environment(&engine, "pooled", Kind::Development, &pooler.url()).await;
    let refused = plan(&engine, &id, "two").await.expect_err("a session of its own is needed");
    assert_eq!(refused.code, ErrorCode::Unsupported, "{refused}");
    assert!(refused.message.contains("is a pooler") && refused.hint.is_some(), "{refused}");
    engine.shutdown().await;
}
