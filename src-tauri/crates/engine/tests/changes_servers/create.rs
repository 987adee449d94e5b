//! An index that is created: exactly what was asked for, left by nothing that fails, and gone when it is undone.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::database::{CreateIndexRequest, db_plan_index};
use perfdeck_engine::{Engine, IndexText, changes, index_spec};
use perfdeck_model::{ApiError, Change, ChangeState, ErrorCode, Says, WaitsFor};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{PostgresDatabase, eventually, shared_postgres};

use super::{environment, valid};
use crate::support::{apply, by_id, changed, confirmed, open, plan_drop, says, undo};

pub(super) fn text(table: &str, keys: &[&str]) -> IndexText {
    IndexText { table: table.into(), keys: keys.iter().map(|k| (*k).to_owned()).collect(), ..IndexText::default() }
}

pub(super) async fn plan(engine: &Arc<Engine>, id: &str, text: IndexText) -> Result<Change, ApiError> {
    let environment = perfdeck_engine::environments::get(engine.clone(), by_id(id)).await?;
    let index = index_spec(&environment, text)?;
    let asked = CreateIndexRequest { environment_id: id.to_owned(), index, advice_id: None };
    db_plan_index(engine.clone(), asked).await.map(|detail| detail.change)
}

async fn definition(server: &PostgresDatabase, name: &str) -> Option<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(to_regclass($1))";
    let found = sqlx::query_scalar(sql).bind(name).fetch_one(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    found
}

/// Everything that the catalogue has of the indexes of the database.
pub(super) async fn catalogue(server: &PostgresDatabase) -> Vec<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index JOIN pg_class c ON c.oid = indrelid
               WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let all = sqlx::query_scalar(sql).fetch_all(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    all
}

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int, created timestamptz, status text, note text, doc jsonb);
    INSERT INTO orders SELECT n, n % 50, now(), 'new', md5(n::text), '{}' FROM generate_series(1, 2000) n;
    CREATE INDEX there ON orders (status, created DESC);
    CREATE TABLE \"Odd \"\"One\" (\"a;b\" int, \"ü\" text);
    CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
    CREATE VIEW seen AS SELECT 1 AS a; CREATE MATERIALIZED VIEW kept AS SELECT n FROM generate_series(1, 9) n;
    CREATE EXTENSION pg_trgm; ANALYZE";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_is_what_was_asked_for_and_goes_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    server
        .execute(
            "CREATE EXTENSION hstore; CREATE TABLE keyed (id int, h hstore);
             CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 * 2; END'",
        )
        .await
        .expect("what the search path finds");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let named = |name: &str, text: IndexText| IndexText { name: Some(name.into()), ..text };
    let rows = [
        (
            text("orders", &["customer_id", "created desc"]),
            "ix_orders_customer_id_created",
            "CREATE INDEX ix_orders_customer_id_created ON public.orders USING btree (customer_id, created DESC)",
        ),
        (
            IndexText {
                include: vec!["note".into()],
                predicate: Some("status = 'it''s'".into()),
                ..text("public.orders", &["id"])
            },
            "ix_orders_id",
            "CREATE INDEX ix_orders_id ON public.orders USING btree (id) INCLUDE (note) WHERE (status = 'it''s'::text)",
        ),
        (
            text("orders", &["lower(note) text_pattern_ops", "created desc nulls last"]),
            "ix_orders_lower_note_created",
            "CREATE INDEX ix_orders_lower_note_created ON public.orders USING btree (lower(note) text_pattern_ops, created DESC NULLS LAST)",
        ),
        (
            IndexText { method: Some("gin".into()), ..text("orders", &["note gin_trgm_ops"]) },
            "ix_orders_note",
            "CREATE INDEX ix_orders_note ON public.orders USING gin (note gin_trgm_ops)",
        ),
        (
            named("Its \"name", text("\"Odd \"\"One\"", &["\"a;b\"", "\"ü\""])),
            "\"Its \"\"name\"",
            "CREATE INDEX \"Its \"\"name\" ON public.\"Odd \"\"One\" USING btree (\"a;b\", \"ü\")",
        ),
        (
            named("by_key", text("keyed", &["(h -> 'k')"])),
            "by_key",
            "CREATE INDEX by_key ON public.keyed USING btree (((h -> 'k'::text)))",
        ),
        (
            IndexText { predicate: Some("twice(id) > 4".into()), ..named("by_twice", text("keyed", &["(twice(id))"])) },
            "by_twice",
            "CREATE INDEX by_twice ON public.keyed USING btree (twice(id)) WHERE (twice(id) > 4)",
        ),
        (text("parts_1", &["b"]), "ix_parts_1_b", "CREATE INDEX ix_parts_1_b ON public.parts_1 USING btree (b)"),
        (text("kept", &["n"]), "ix_kept_n", "CREATE INDEX ix_kept_n ON public.kept USING btree (n)"),
    ];
    let mut made = Vec::new();
    for (text, name, wanted) in rows {
        let planned = plan(&engine, &id, text).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(planned.statement.starts_with("CREATE INDEX CONCURRENTLY "), "{}", planned.statement);
        assert_eq!(definition(&server, name).await, None, "nothing is sent by a plan");
        let applied = apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((applied.state, says(&applied)), (ChangeState::Verified, Some(Says::AsApplied)), "{name}");
        assert_eq!(definition(&server, name).await.as_deref(), Some(wanted));
        made.push(planned.id);
    }
    let again = plan(&engine, &id, text("orders", &["status", "created desc"])).await.expect_err("it is there");
    assert!(again.message.contains("'public.there' is such an index already"), "{again}");
    let other =
        plan(&engine, &id, text("orders", &["status", "created"])).await.expect("another direction is another index");
    assert_eq!(other.object, "public.ix_orders_status_created");
    for id in &made {
        undo(&engine, id).await.expect("undone");
    }
    assert_eq!(catalogue(&server).await, before, "the catalogue is as before");

    // What somebody put a constraint on meanwhile stays.
    let planned = plan(&engine, &id, named("uni", text("orders", &["note"]))).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("created");
    server.execute("ALTER TABLE orders REPLICA IDENTITY FULL").await.expect("altered");
    server.execute("CREATE TABLE other (a int); DROP INDEX uni; CREATE INDEX uni ON other (a)").await.expect("another");
    let refused = undo(&engine, &planned.id).await.expect_err("it is another one");
    assert!(refused.message.contains("uni"), "{refused}");
    assert_eq!(valid(&server, "uni").await, Some(true), "and stays");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_created_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    server.execute("CREATE TABLE alike (a int); INSERT INTO alike VALUES (1), (1)").await.expect("rows");
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY left_over ON alike (a)").await.expect_err("they are alike");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let with = |text: IndexText, change: fn(&mut IndexText)| {
        let mut text = text;
        change(&mut text);
        text
    };
    let orders = || text("orders", &["id"]);
    for (text, why) in [
        (text("nothing", &["a"]), "There is no table 'nothing'"),
        (text("orders; drop table orders", &["id"]), "There is no table"),
        (text("orders", &["nowhere"]), "public.orders has no column 'nowhere'"),
        (text("orders", &["id", "id"]), "The column 'id' is in it twice"),
        (text("orders", &["id); drop table orders; --"]), "A key of the index is not understood"),
        (text("orders", &["lower(nowhere)"]), "The server does not take an expression"),
        (text("orders", &["(no_such_function(id))"]), "a function or an operator is not there"),
        (text("orders", &["note no_such_ops"]), "There is no operator class 'no_such_ops' for btree"),
        (with(orders(), |t| t.method = Some("magic".into())), "The server knows no index of the kind 'magic'"),
        (
            with(text("orders", &["doc desc"]), |t| t.method = Some("gin".into())),
            "A gin index has no keys in a direction",
        ),
        (with(orders(), |t| t.predicate = Some("id > 0) TABLESPACE (x".into())), "its parentheses do not match"),
        (
            with(orders(), |t| t.predicate = Some("id".into())),
            "The server does not take an expression or the condition",
        ),
        (with(orders(), |t| t.name = Some("there".into())), "Something is called 'there' already"),
        (with(orders(), |t| t.name = Some("ü".repeat(32))), "longer than 63 bytes"),
        (with(text("alike", &["a"]), |t| t.name = Some("left_over".into())), "'left_over' is there and invalid"),
        (text("seen", &["a"]), "is no table and no materialized view"),
        (text("pg_catalog.pg_class", &["relname"]), "belongs to the server itself"),
    ] {
        let refused = plan(&engine, &id, text).await.expect_err(why);
        assert!(refused.message.contains(why), "{why}: {}", refused.message);
    }
    // The server alone knows these, and says so at once.
    for (text, why) in [
        (text("orders", &["doc gin_trgm_ops"]), "no operator class 'gin_trgm_ops' for btree"),
        (text("orders", &["(now())"]), "is not the same at all times"),
    ] {
        let refused = match plan(&engine, &id, text).await {
            Err(refused) => refused,
            Ok(planned) => apply(&engine, &planned.id, None).await.expect_err(why),
        };
        assert!(refused.message.contains(why), "{why}: {}", refused.message);
    }
    assert_eq!(catalogue(&server).await, before, "nothing is left");

    server
        .execute("CREATE ROLE looker LOGIN PASSWORD 'looker'; GRANT pg_read_all_data TO looker")
        .await
        .expect("a role");
    let reader = environment(&engine, "looker", &server.url_as("looker", "looker")).await;
    let refused = plan(&engine, &reader, orders()).await.expect_err("no owner");
    assert!(refused.message.contains("'looker' does not own public.orders"), "{refused}");
    let hint = refused.hint.unwrap_or_default();
    // Its owner is a superuser: to become a member of that would give everything.
    assert!(!hint.contains("GRANT"), "{hint}");
    let wanted = "Ask the owner of the table, \"perfdeck\", to run: CREATE INDEX CONCURRENTLY \"ix_orders_";
    assert!(hint.starts_with(wanted) && hint.ends_with(';'), "{hint}");
    owners(&server, &engine, &reader).await;
    engine.shutdown().await;
}

/// Which roles may be granted, and what lets a role look into a schema.
async fn owners(server: &PostgresDatabase, engine: &Arc<Engine>, reader: &str) {
    server
        .execute(
            "CREATE ROLE plain_owner; CREATE ROLE maker CREATEROLE; CREATE ROLE member; GRANT maker TO member;
             CREATE SCHEMA priv; CREATE TABLE priv.h (a int); CREATE INDEX h_a ON priv.h (a);
             CREATE TABLE owned (a int); CREATE INDEX owned_1 ON owned (a); CREATE INDEX owned_2 ON owned (a)",
        )
        .await
        .expect("roles");
    for (owner, harmless) in [("plain_owner", true), ("maker", false), ("member", false)] {
        server.execute(&format!("ALTER TABLE owned OWNER TO {owner}")).await.expect("given");
        let refused = plan(engine, reader, text("owned", &["a"])).await.expect_err("no owner");
        let hint = refused.hint.unwrap_or_default();
        assert_eq!(hint.contains(&format!("GRANT \"{owner}\" TO \"looker\";")), harmless, "{hint}");
        assert!(hint.contains("sk the owner of the table"), "{hint}");
        let dropping = plan_drop(engine, reader, "owned_2").await.expect_err("no owner");
        let hint = dropping.hint.unwrap_or_default();
        assert!(hint.ends_with("to run: DROP INDEX CONCURRENTLY \"public\".\"owned_2\";"), "{hint}");
    }
    server.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'").await.expect("a role without any right");
    let stranger = &environment(engine, "stranger", &server.url_as("stranger", "stranger")).await;
    for refused in [
        plan(engine, stranger, text("priv.h", &["a"])).await.expect_err("hidden"),
        plan_drop(engine, stranger, "priv.h_a").await.expect_err("hidden"),
    ] {
        assert_eq!(refused.hint.as_deref(), Some("GRANT USAGE ON SCHEMA \"priv\" TO \"stranger\";"), "{refused}");
        assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    }
    let nowhere = plan(engine, stranger, text("priv.nothing", &["a"])).await.expect_err("not there");
    assert_eq!(nowhere.code, ErrorCode::NotFound, "{nowhere}");
}

/// Waits until the server has a build that waits for somebody.
async fn waiting(server: &PostgresDatabase) {
    eventually(Duration::from_secs(10), async || {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'
                     AND wait_event_type = 'Lock'";
        let mut c = server.connect().await.expect("a session");
        sqlx::query(sql).fetch_one(&mut c).await.expect("sessions").get::<i64, _>(0) == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_stopped_or_cut_off_leaves_nothing_or_says_what_it_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let planned = plan(&engine, &id, text("orders", &["customer_id"])).await.expect("planned");
    let name = "ix_orders_customer_id";

    // An old transaction that wrote: the build waits for its end; then it is stopped.
    let mut old = server.connect().await.expect("a session");
    old.execute("SET application_name = 'report'; BEGIN; UPDATE orders SET note = 'x' WHERE id = 1")
        .await
        .expect("old");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    waiting(&server).await;
    perfdeck_engine::house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("cancelled");
    changed(&engine, &planned.id, &job).await.expect_err("it was stopped");
    let after = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked");
    match catalogue(&server).await {
        // Taking it away waits for the old transaction too: then it is said, with its way out.
        left if left != before => {
            assert_eq!(valid(&server, name).await, Some(false));
            assert_eq!(says(&after.change), Some(Says::HalfDone), "{after:?}");
        }
        _ => assert_eq!(says(&after.change), Some(Says::AsBefore), "{after:?}"),
    }
    old.execute("ROLLBACK").await.expect("it ends");
    if valid(&server, name).await.is_some() {
        undo(&engine, &planned.id).await.expect("taken away");
    }
    assert_eq!(catalogue(&server).await, before, "as before");

    // The session is killed in its middle: what is left is half done, and brought to its end.
    let planned = plan(&engine, &id, text("orders", &["customer_id"])).await.expect("planned");
    old.execute("BEGIN; UPDATE orders SET note = 'x' WHERE id = 1").await.expect("old");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    waiting(&server).await;
    server
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'",
        )
        .await
        .expect("killed");
    changed(&engine, &planned.id, &job).await.expect_err("its session ended");
    old.execute("ROLLBACK").await.expect("it ends");
    if valid(&server, name).await == Some(false) {
        let asked = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked");
        assert_eq!((asked.change.state, says(&asked.change)), (ChangeState::CutOff, Some(Says::HalfDone)));
        // One of Perfdeck's works on another index, in whose name this one's is.
        old.execute("BEGIN; INSERT INTO \"Odd \"\"One\" (\"ü\") VALUES ('x')").await.expect("old");
        let longer = IndexText { name: Some(format!("{name}_too")), ..text("\"Odd \"\"One\"", &["\"ü\""]) };
        let longer = plan(&engine, &id, longer).await.expect("planned");
        let job = changes::apply(engine.clone(), confirmed(&longer.id, None)).await.expect("starts");
        waiting(&server).await;
        let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change.target_says;
        assert!(told.is_some_and(|told| !told.text.contains("session")), "nobody works on it");
        apply(&engine, &planned.id, None).await.expect("brought to its end");
        old.execute("ROLLBACK").await.expect("it ends");
        changed(&engine, &longer.id, &job).await.expect("created");
        undo(&engine, &longer.id).await.expect("undone");
        assert_eq!(valid(&server, name).await, Some(true));
        undo(&engine, &planned.id).await.expect("undone");
    }
    assert_eq!(catalogue(&server).await, before, "as before");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_build_up_is_said_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let mut old = server.connect().await.expect("a session");
    old.execute("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.expect("old");
    eventually(Duration::from_secs(20), async || {
        let planned = plan(&engine, &id, text("orders", &["customer_id"])).await.expect("planned");
        let Some(WaitsFor::Sessions { sessions, left_out: 0 }) = &planned.waits else { panic!("{:?}", planned.waits) };
        sessions.iter().any(|s| s.name == "report" && s.state == "idle in transaction" && s.age_s >= 5.0)
    })
    .await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_an_index_in_one_transaction() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(&dir.path().join("data")).await;
    let file = dir.path().join("a.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut c = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
    c.execute("CREATE TABLE Orders (id INTEGER PRIMARY KEY, customerId INT, note TEXT)").await.expect("a table");
    let id = environment(&engine, "file", &format!("sqlite:{}", file.display())).await;
    let asked =
        IndexText { predicate: Some("note IS NOT NULL".into()), ..text("orders", &["customerId desc", "lower(note)"]) };
    let planned = plan(&engine, &id, asked).await.expect("planned");
    let made = apply(&engine, &planned.id, None).await.expect("created");
    assert_eq!(says(&made), Some(Says::AsApplied));
    let sql: String =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'index'").fetch_one(&mut c).await.expect("it");
    assert_eq!(
        sql,
        "CREATE INDEX \"ix_orders_customerid_lower_note\" ON \"Orders\" (\"customerId\" DESC, (lower(note))) WHERE (note IS NOT NULL)"
    );
    undo(&engine, &planned.id).await.expect("undone");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'index'")
        .fetch_one(&mut c)
        .await
        .expect("none");
    assert_eq!(left, 0);
    // However it was written, one that does the same is found.
    c.execute(
        "CREATE INDEX plain ON orders (customerid desc, LOWER(note)) where note is not null; CREATE INDEX nocase ON orders (note COLLATE NOCASE)",
    )
    .await
    .expect("by hand");
    let asked =
        IndexText { predicate: Some("note IS NOT NULL".into()), ..text("orders", &["customerId desc", "lower(note)"]) };
    let twice = plan(&engine, &id, asked).await.expect_err("it is there");
    assert!(twice.message.contains("'plain' is such an index already"), "{twice}");
    plan(&engine, &id, text("orders", &["note"])).await.expect("another collation is another index");
    let wider =
        plan(&engine, &id, text("orders", &["customerId desc"])).await.expect("one with all rows is another one");
    assert!(wider.notes.iter().any(|n| n.starts_with("The file's disk has")), "{:?}", wider.notes);
    for (text, why) in [
        (
            IndexText { include: vec!["note".into()], ..text("orders", &["id"]) },
            "An index of SQLite has no further columns",
        ),
        (text("orders", &["note text_pattern_ops"]), "An index of SQLite has no operator classes"),
        (text("orders", &["nowhere"]), "'Orders' has no column 'nowhere'"),
        (text("sqlite_schema", &["name"]), "There is no table"),
        (text("orders", &["(max(id))"]), "SQLite does not take an expression"),
    ] {
        let refused = match plan(&engine, &id, text).await {
            Err(refused) => refused,
            Ok(planned) => apply(&engine, &planned.id, None).await.expect_err(why),
        };
        assert!(refused.message.contains(why), "{why}: {}", refused.message);
    }
    engine.shutdown().await;
}
