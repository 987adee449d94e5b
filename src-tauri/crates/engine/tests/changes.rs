//! Changes on real targets: a duplicate index is dropped and created again, in PostgreSQL, in a SQLite file and in the demo.
//! What became of it is read from the servers' own catalogues.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::{ApiError, ErrorCode};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{MariaDb, PgBouncer, Postgres, eventually};
use serde_json::{Value, json};

async fn open(dir: &std::path::Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

async fn environment(engine: &Arc<Engine>, name: &str, kind: &str, database: &str) -> String {
    let draft = json!({"name": name, "kind": kind, "targets": {"database": database}});
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    made["id"].as_str().expect("id").to_owned()
}

async fn plan(engine: &Arc<Engine>, environment: &str, object: &str) -> Result<Value, ApiError> {
    let asked = json!({"kind": "drop_index", "environment_id": environment, "object": object});
    engine.json("changes.plan", asked).await.map(|detail| detail["change"].clone())
}

/// Applies or undoes to the end of the job; answers the change, or what failed.
async fn run(engine: &Arc<Engine>, command: &str, id: &Value, confirm: Option<&str>) -> Result<Value, Value> {
    let job = engine.json(command, json!({"id": id, "confirm": confirm})).await;
    let job = job.map_err(|e| serde_json::to_value(e).expect("json"))?;
    let wait = engine.jobs().wait(job["id"].as_str().expect("id"));
    let end = tokio::time::timeout(Duration::from_secs(30), wait).await.expect("in time").expect("known");
    match end.error {
        Some(error) => Err(serde_json::to_value(error).expect("json")),
        None => Ok(engine.json("changes.get", json!({"id": id})).await.expect("there")),
    }
}

/// Definition and validity of an index, as PostgreSQL's catalogue has it.
async fn index(server: &Postgres, name: &str) -> Option<(String, bool)> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(indexrelid), indisvalid AND indisready FROM pg_index
               WHERE indexrelid = to_regclass($1)";
    let row = sqlx::query(sql).bind(name).fetch_optional(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    row.map(|r| (r.get(0), r.get(1)))
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
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", "development", &server.url()).await;
    for (name, catalogue) in [
        ("two", "public.two"),
        ("public.part_of_too", "part_of_too"),
        ("\"weak O'Br\"\"ien\"", "\"weak O'Br\"\"ien\""),
        ("unique_copy", "unique_copy"),
        ("id_again", "id_again"),
    ] {
        let before = index(&server, catalogue).await.expect("it is there");
        let planned = plan(&engine, &id, name).await.expect(name);
        assert!(planned["statement"].as_str().is_some_and(|s| s.starts_with("DROP INDEX CONCURRENTLY \"public\".\"")));
        let freed = &planned["preview"][0];
        assert!(freed["predicted"].as_f64().is_some_and(|b| b >= 8192.0), "its size is known: {planned}");
        assert_eq!(planned["preview"][1]["predicted"], Value::Null, "nothing says how long its writes were counted");
        assert_eq!(index(&server, catalogue).await.as_ref(), Some(&before), "a plan alters nothing");

        let applied = run(&engine, "changes.apply", &planned["id"], None).await.expect(name);
        assert_eq!(applied["state"], "verified", "{applied}");
        assert_eq!(applied["target_says"]["says"], "as_applied", "{applied}");
        assert_eq!(index(&server, catalogue).await, None, "{name} is gone");
        assert_eq!(applied["preview"][0]["came"], freed["predicted"], "what came stands beside it: {applied}");

        let undone = run(&engine, "changes.undo", &planned["id"], None).await.expect(name);
        assert_eq!(undone["state"], "undone", "{undone}");
        assert_eq!(index(&server, catalogue).await, Some(before), "the same definition, and valid");
    }
    let mut c = server.connect().await.expect("a session");
    let row = c.fetch_one("SELECT obj_description('two'::regclass, 'pg_class')").await.expect("a comment");
    assert_eq!(row.get::<String, _>(0), "it's the copy", "with what the definition does not hold");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perfdeck-change'";
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
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", "development", &server.url()).await;
    for (name, why) in [
        ("t_pkey", "The constraint 't_pkey'"),
        ("own_a_key", "The constraint 'own_a_key'"),
        ("own_a", "is the replica identity"),
        ("own_b2", "is clustered by"),
        ("parts_b2", "belongs to a partitioned table"),
        ("part_b_idx1", "belongs to a partitioned table or to a partition"),
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
    run(&engine, "changes.apply", &one["id"], None).await.expect("the first goes");
    let refused = run(&engine, "changes.apply", &two["id"], None).await.expect_err("the last one stays");
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("repeats no other valid index")), "{refused}");
    let failed = engine.json("changes.get", json!({"id": two["id"]})).await.expect("there");
    assert_eq!((&failed["state"], &failed["target_says"]["says"]), (&json!("failed"), &json!("as_before")), "{failed}");
    assert!(index(&server, "two").await.is_some(), "it is there");

    // A role that does not own the table.
    server
        .execute("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        .await
        .expect("a role");
    let url = format!("postgres://reader:reader@127.0.0.1:{}/app", server.port());
    let other = environment(&engine, "reader", "development", &url).await;
    let refused = plan(&engine, &other, "part_of_too").await.expect_err("not its own");
    assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    assert!(refused.message.contains("does not own public.t"), "{refused}");

    let live = environment(&engine, "live", "production", &server.url()).await;
    let planned = plan(&engine, &live, "part_of_too").await.expect("looking is allowed");
    let refused = run(&engine, "changes.apply", &planned["id"], Some("live")).await.expect_err("read-only");
    assert_eq!(refused["code"], "guarded", "{refused}");
    engine.json("env.unlock", json!({"id": live, "confirm": "live"})).await.expect("unlocked");
    let refused = run(&engine, "changes.apply", &planned["id"], None).await.expect_err("its name is to be typed");
    assert_eq!(refused["code"], "guarded", "{refused}");
    assert!(index(&server, "part_of_too").await.is_some(), "nothing was sent");
    run(&engine, "changes.apply", &planned["id"], Some("live")).await.expect("unlocked and typed");
    assert!(index(&server, "part_of_too").await.is_none(), "then it goes");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_is_stopped_in_the_middle_is_half_done_and_is_cleaned_up_or_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, mut server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", "development", &server.url()).await;
    let before = index(&server, "two").await.expect("it is there");
    for finish in [false, true] {
        let planned = plan(&engine, &id, "two").await.expect("planned");
        // A transaction that read the table: the drop waits for its end, with the index invalid already.
        let mut old = server.connect().await.expect("a session");
        old.execute("BEGIN; SELECT count(*) FROM t").await.expect("an old transaction");
        let job = engine.json("changes.apply", json!({"id": planned["id"]})).await.expect("starts");
        let job = job["id"].as_str().expect("id").to_owned();
        eventually(Duration::from_secs(10), async || index(&server, "two").await.is_some_and(|(_, valid)| !valid))
            .await;
        eventually(Duration::from_secs(10), async || {
            engine.jobs().get(&job).is_some_and(|j| j.step.starts_with("waits for session"))
        })
        .await;
        assert!(engine.jobs().cancel(&job), "it can be stopped");
        let end = engine.jobs().wait(&job).await.expect("known");
        assert_eq!(serde_json::to_value(end.state).expect("json"), "cancelled", "{end:?}");
        let change = engine.json("changes.get", json!({"id": planned["id"]})).await.expect("there");
        assert_eq!(
            (&change["state"], &change["target_says"]["says"]),
            (&json!("cut_off"), &json!("half_done")),
            "{change}"
        );
        assert_eq!(change["offers"], json!(["finish", "clean_up"]), "{change}");
        let again = plan(&engine, &id, "two").await.expect_err("it is in the middle");
        assert!(again.code == ErrorCode::Conflict, "{again}");
        old.execute("COMMIT").await.expect("the old transaction ends");
        old.close().await.expect("closed");
        if finish {
            let done = run(&engine, "changes.apply", &planned["id"], None).await.expect("brought to its end");
            assert_eq!((&done["state"], index(&server, "two").await), (&json!("verified"), None), "{done}");
        } else {
            let clean = run(&engine, "changes.undo", &planned["id"], None).await.expect("cleaned up");
            assert_eq!(clean["state"], "undone", "{clean}");
            assert_eq!(index(&server, "two").await.as_ref(), Some(&before), "it is there and valid");
        }
    }
    // A target that is gone is said to be so; what is stored stays.
    server.stop();
    let list = engine.json("changes.list", json!({"environment_id": id})).await.expect("the list");
    let stored = list.as_array().expect("a list").iter().find(|c| c["state"] == "verified").expect("in force");
    let checked = engine.json("changes.check", json!({"id": stored["id"]})).await.expect("asked");
    assert_eq!(checked["change"]["target_says"]["says"], "unreachable", "{checked}");
    let refused = run(&engine, "changes.undo", &stored["id"], None).await.expect_err("nothing can be sent");
    assert_eq!(refused["code"], "unreachable", "{refused}");
    server.restart().await.expect("it comes back");
    run(&engine, "changes.undo", &stored["id"], None).await.expect("then it is undone");
    assert_eq!(index(&server, "two").await.as_ref(), Some(&before), "exactly");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_the_demo_and_what_cannot_do_it_yet() {
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
    let id = environment(&engine, "file", "development", &format!("sqlite:{}", file.display())).await;
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
        assert_eq!(planned["object"], name, "as it is stored");
        run(&engine, "changes.apply", &planned["id"], None).await.expect(name);
        assert_eq!(definition(&mut c, name).await, None, "{name} is gone");
        run(&engine, "changes.undo", &planned["id"], None).await.expect(name);
        assert_eq!(definition(&mut c, name).await, Some(before), "as it was written");
        let change = engine.json("changes.get", json!({"id": planned["id"]})).await.expect("there");
        assert_eq!(
            (&change["state"], &change["target_says"]["says"]),
            (&json!("undone"), &json!("as_before")),
            "{change}"
        );
    }
    let lone = ["up", "z1", "z2", "x1", "x2", "q1", "q2", "js3"].map(|name| (name, "repeats no other"));
    let others = [
        ("sqlite_autoindex_t_1", "belongs to a constraint"),
        ("temp.ta", "There is no index"),
        ("\"ta\"\"\"", "There is no index"),
    ];
    for (name, why) in lone.into_iter().chain(others) {
        let refused = plan(&engine, &id, name).await.expect_err(name);
        assert!(refused.message.contains(why), "{name}: {refused}");
    }

    let planned = plan(&engine, "demo", "appointments_user_id_idx").await.expect("the demo's planted duplicate");
    let applied = run(&engine, "changes.apply", &planned["id"], None).await.expect("dropped");
    assert!(applied["preview"][0]["came"].as_f64().is_some_and(|b| b > 1e6), "megabytes are freed: {applied}");
    let list = engine.json("changes.list", json!({"environment_id": "demo"})).await.expect("the list");
    assert_eq!(list[0]["target_says"]["says"], "as_applied", "{list}");
    run(&engine, "changes.undo", &planned["id"], None).await.expect("and back");

    let maria = MariaDb::start().await.expect("MariaDB");
    let other = environment(&engine, "maria", "development", &maria.url()).await;
    let refused = plan(&engine, &other, "t.i").await.expect_err("not yet");
    assert!(refused.code == ErrorCode::Unsupported && refused.message.contains("not yet"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let pooler = PgBouncer::start(&server, &[]).await.expect("PgBouncer");
    let id = environment(&engine, "pooled", "development", &pooler.url()).await;
    let refused = plan(&engine, &id, "two").await.expect_err("a session of its own is needed");
    assert_eq!(refused.code, ErrorCode::Unsupported, "{refused}");
    assert!(refused.message.contains("is a pooler") && refused.hint.is_some(), "{refused}");
    engine.shutdown().await;
}
