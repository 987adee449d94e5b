//! Indexes of MariaDB as changes: in place beside reads and writes, hidden before they are dropped, and back as they were.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, changes};
use perfdeck_model::{ApiError, Change, ChangeOffer, ChangeState, ErrorCode, JobState, Says, WaitsFor};
use perfdeck_testkit::sqlx::{self, Executor as _, Row as _};
use perfdeck_testkit::{MariaDb, eventually, shared_mariadb};

use tokio::sync::Mutex;

use super::create::{plan as create, text};
use super::{environment, findings};
use crate::support::{apply, by_id, change, changed, confirmed, open, plan_drop, says, undo};

const TABLES: &str = "
    CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40));
    CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT, status VARCHAR(20), created DATETIME, note TEXT,
        name VARCHAR(100), KEY of_customer (customer_id), UNIQUE KEY only_one (created, id), UNIQUE KEY same_one (created, id),
        KEY by_status (status) COMMENT 'it''s (one), KEY', KEY by_status_again (status), KEY by_status_and_more (status, created),
        KEY part_of (name(10)), FULLTEXT KEY words (note), KEY forgotten (name DESC),
        CONSTRAINT fk_customer FOREIGN KEY (customer_id) REFERENCES customers (id));
    INSERT INTO customers SELECT seq, seq FROM seq_1_to_50;
    INSERT INTO orders (customer_id, status, created, name) SELECT 1 + seq % 50, 'new', NOW() + INTERVAL seq SECOND, seq FROM seq_1_to_5000;
    CREATE TABLE `odd.\"one` (`ü` INT, b INT); CREATE TABLE old (a INT, KEY old_a (a)) ENGINE=Aria;
    CREATE VIEW seen AS SELECT 1 AS a";

async fn hide(engine: &Arc<Engine>, id: &str, object: &str) -> Result<Change, ApiError> {
    let asked = changes::ChangePlan { kind: "hide_index".into(), environment_id: id.into(), object: object.into() };
    changes::plan(engine.clone(), asked).await.map(|detail| detail.change)
}

/// A table of which an index over `hash` takes a quarter of a minute, and is stopped within a moment: each entry is computed while it is built, and a
/// page holds few rows. Its statistics are old until it is analyzed.
pub(super) const SLOW: &str = "
    CREATE TABLE slow (id INT PRIMARY KEY, note VARCHAR(20), pad VARCHAR(2000), hash VARCHAR(128) AS (SHA2(REPEAT(note, 200000), 512)) VIRTUAL)
        STATS_PERSISTENT=1 STATS_AUTO_RECALC=0;
    INSERT INTO slow (id, note, pad) SELECT seq, 1000 + seq, REPEAT('x', 2000) FROM seq_1_to_6000";

/// State of a statement that waits for the lock of a table.
pub(super) const LOCKED: &str = "Waiting for table metadata lock";

/// What the table's definition says, a line a sorted row: indexes that are made again come last.
pub(super) async fn definition(server: &MariaDb, table: &str) -> Vec<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = format!("SHOW CREATE TABLE `{table}`");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut c).await.expect("the definition");
    let text: String = row.get(1);
    let mut lines: Vec<String> = text.lines().map(|l| l.trim_end_matches(',').to_owned()).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_mariadb_are_changes_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_mariadb().await.expect("MariaDB"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let of_orders = async {
        a_build_that_waits_gives_up_soon_is_stopped_on_the_server_and_leaves_nothing(engine.clone(), server, &id).await;
        an_index_is_hidden_then_dropped_and_comes_back_as_it_was(engine.clone(), server, &id).await;
        an_index_is_created_beside_writes_or_refused_with_the_reason_that_is_true(engine.clone(), server, &id).await;
        a_statement_of_another_database_is_left_alone(engine.clone(), server, &id).await;
    };
    // Of a table of its own.
    let slow = a_build_says_how_far_it_is_where_the_server_does(engine.clone(), server, &id);
    tokio::join!(Box::pin(of_orders), Box::pin(slow));
    // The server's stages are told of whichever build: it comes after the one that looks at them.
    let later =
        what_came_after_the_plan_is_not_made_twice_and_a_limit_of_queries_ends_no_build(engine.clone(), server, &id);
    Box::pin(later).await;
    engine.shutdown().await;
}

async fn an_index_is_hidden_then_dropped_and_comes_back_as_it_was(engine: Arc<Engine>, server: &MariaDb, id: &str) {
    let before = definition(server, "orders").await;

    let hidden = hide(&engine, id, "orders.by_status_again").await.expect("planned");
    assert_eq!(hidden.statement, "ALTER TABLE `orders` ALTER INDEX `by_status_again` IGNORED");
    let done = apply(&engine, &hidden.id, None).await.expect("hidden");
    assert_eq!((done.state, says(&done)), (ChangeState::Verified, Some(Says::AsApplied)));
    assert!(
        definition(server, "orders").await.iter().any(|l| l.contains("`by_status_again`") && l.ends_with("IGNORED"))
    );
    let twice = hide(&engine, id, "orders.by_status_again").await.expect_err("it is hidden");
    assert!(twice.message.contains("is hidden already"), "{twice}");
    let back = undo(&engine, &hidden.id).await.expect("shown");
    assert_eq!((back.state, definition(server, "orders").await), (ChangeState::Undone, before.clone()));

    for (name, title) in [
        ("orders.by_status_again", "Drop `orders.by_status_again`, which repeats `by_status`"),
        ("orders.BY_STATUS", "Drop `orders.by_status`, which repeats `by_status_again`"),
        ("`orders`.`part_of`", "Drop `orders.part_of`"),
        ("orders.forgotten", "Drop `orders.forgotten`"),
        ("orders.same_one", "Drop `orders.same_one`, which repeats `only_one`"),
    ] {
        let planned = plan_drop(&engine, id, name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(planned.title, title);
        assert!(planned.statement.ends_with(", ALGORITHM=INPLACE, LOCK=NONE"), "{}", planned.statement);
        assert!(planned.notes.iter().any(|n| n.starts_with("Hide it first")), "{:?}", planned.notes);
        let gone = apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((gone.state, says(&gone)), (ChangeState::Verified, Some(Says::AsApplied)), "{name}: {gone:?}");
        assert_eq!(definition(server, "orders").await.len(), before.len() - 1, "{name} is gone");
        undo(&engine, &planned.id).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(definition(server, "orders").await, before, "{name} is as it was");
    }
    // What was counted is said, with since when.
    let planned = plan_drop(&engine, id, "orders.forgotten").await.expect("planned");
    assert!(planned.preview.iter().any(|r| r.what == "Scans of it so far" && r.predicted.is_some()), "{planned:?}");
    assert!(planned.notes.iter().any(|n| n.starts_with("Its scans were counted for")), "{:?}", planned.notes);
    for (name, why) in [
        ("orders.PRIMARY", "is the primary key"),
        ("orders.of_customer", "The foreign key 'fk_customer' of 'orders' needs 'orders.of_customer'"),
        ("orders.words", "is an index of the kind fulltext"),
        ("old.old_a", "is a table of Aria"),
        ("orders.nothing", "There is no index 'orders.nothing'"),
        ("by_status", "There is no index 'by_status'"),
        ("orders.x`; DROP TABLE orders; --", "There is no index"),
    ] {
        for refused in [plan_drop(&engine, id, name).await, hide(&engine, id, name).await] {
            let refused = refused.expect_err(name);
            assert!(refused.message.contains(why), "{name}: {refused}");
        }
    }
    server.execute("ALTER TABLE orders DROP INDEX same_one").await.expect("the copy goes");
    let refused = plan_drop(&engine, id, "orders.only_one").await.expect_err("it enforces something");
    assert!(refused.message.contains("keeps rows of orders from being alike"), "{refused}");

    // The finding leads to hiding it first.
    let told = findings(&engine, id).await;
    let found = told.findings.iter().find(|f| f.object.starts_with("orders.by_status")).expect("the copy is found");
    let kinds: Vec<String> = found.finding.proof.steps.iter().map(|s| format!("{:?}", s.opens)).collect();
    assert!(kinds[0].contains("hide_index") && kinds[1].contains("drop_index"), "{kinds:?}");
}

async fn an_index_is_created_beside_writes_or_refused_with_the_reason_that_is_true(
    engine: Arc<Engine>,
    server: &MariaDb,
    id: &str,
) {
    let before = definition(server, "orders").await;
    for (asked, line) in [
        (
            text("orders", &["customer_id", "created desc"]),
            "KEY `ix_orders_customer_id_created` (`customer_id`,`created` DESC)",
        ),
        (text("`app`.`orders`", &["STATUS", "id"]), "KEY `ix_orders_status_id` (`status`,`id`)"),
        (text("orders", &["note(20)", "customer_id"]), "KEY `ix_orders_note_customer_id` (`note`(20),`customer_id`)"),
        // Another length is another index.
        (text("orders", &["name(11)"]), "KEY `ix_orders_name` (`name`(11))"),
    ] {
        let planned = create(&engine, id, asked).await.unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(planned.statement.starts_with("ALTER TABLE `orders` ADD INDEX `ix_"), "{}", planned.statement);
        let made = apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!((made.state, says(&made)), (ChangeState::Verified, Some(Says::AsApplied)), "{made:?}");
        assert!(definition(server, "orders").await.contains(&format!("  {line}")), "{line}");
        undo(&engine, &planned.id).await.expect("undone");
        assert_eq!(definition(server, "orders").await, before);
    }
    // A table with an index of words can be tried nowhere: what the server makes of too long a key is taken away again.
    let planned = create(&engine, id, text("orders", &["note(4000)"])).await.expect("nobody was asked");
    assert!(planned.notes.iter().any(|n| n.starts_with("Whether the server takes it is known when")), "{planned:?}");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is another index");
    assert!(refused.message.contains("made another index of 'orders.ix_orders_note'"), "{refused}");
    assert_eq!(definition(server, "orders").await, before);
    // One that somebody made again otherwise is not taken away; one that is the same is.
    let planned = create(&engine, id, text("orders", &["customer_id", "created"])).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("created");
    let again = "ALTER TABLE orders DROP INDEX ix_orders_customer_id_created, ADD INDEX ix_orders_customer_id_created (customer_id, created)";
    server.execute(&format!("{again} COMMENT 'theirs'")).await.expect("somebody's");
    let asked = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked");
    assert_eq!(says(&asked.change), Some(Says::Differs), "{asked:?}");
    undo(&engine, &planned.id).await.expect_err("it is somebody else's");
    server.execute(again).await.expect("as it was");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(definition(server, "orders").await, before);
    let odd = perfdeck_engine::IndexText { name: Some("ü`; --".repeat(5)), ..text("odd.\"one", &["`ü`"]) };
    let planned = create(&engine, id, odd).await.expect("names are quoted");
    apply(&engine, &planned.id, None).await.expect("created");
    undo(&engine, &planned.id).await.expect("undone");
    let named =
        |name: &str| perfdeck_engine::IndexText { name: Some(name.into()), ..text("orders", &["customer_id", "id"]) };
    for (asked, why) in [
        (text("nothing", &["a"]), "There is no table 'nothing'"),
        (text("seen", &["a"]), "There is no table 'seen'"),
        (text("old", &["a"]), "is a table of Aria"),
        (text("orders", &["nowhere"]), "'orders' has no column 'nowhere'"),
        (text("orders", &["note"]), "'note' is a long text"),
        (text("orders", &["note(0)"]), "has one character at least"),
        (text("orders", &["status(20)"]), "'status' has at most 20 characters"),
        (text("orders", &["customer_id(4)"]), "'customer_id' is no text"),
        (text("orders", &["name(10)"]), "'part_of' is such an index already"),
        (text("orders", &["lower(name)"]), "has no indexes over expressions"),
        (text("orders", &["status"]), "is such an index already"),
        (text("orders", &["customer_id"]), "'of_customer' is such an index already"),
        (named("by_status"), "has an index 'by_status' already"),
        (named("Primary"), "PRIMARY is the name of primary keys"),
        (named(&"x".repeat(65)), "longer than 64 letters"),
        (perfdeck_engine::IndexText { predicate: Some("id > 1".into()), ..named("p") }, "has no condition"),
        (perfdeck_engine::IndexText { method: Some("fulltext".into()), ..named("p") }, "is not built beside writes"),
    ] {
        let refused = create(&engine, id, asked).await.expect_err(why);
        assert!(refused.message.contains(why), "{why}: {refused}");
    }

    // A user who may only read is told what it lacks; a server that only reads is refused by name.
    server.execute("CREATE USER reader IDENTIFIED BY 'reader'; GRANT SELECT ON app.* TO reader").await.expect("a user");
    let url = format!("mariadb://reader:reader@127.0.0.1:{}/app", server.port());
    let other = environment(&engine, "reader", &url).await;
    let refused = create(&engine, &other, text("orders", &["name", "id"])).await.expect_err("it may not");
    assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    assert_eq!(refused.hint.as_deref(), Some("GRANT ALTER, INDEX ON `app`.`orders` TO 'reader'@'%';"));
    // An account for one host: what is shown is what the server takes.
    let low = "CREATE USER low@'127.0.0.1' IDENTIFIED BY 'low'; GRANT SELECT ON app.* TO low@'127.0.0.1'";
    server.execute(low).await.expect("a user");
    let url = format!("mariadb://low:low@127.0.0.1:{}/app", server.port());
    let low = environment(&engine, "low", &url).await;
    let refused = create(&engine, &low, text("orders", &["name", "id"])).await.expect_err("it may not");
    let grant = refused.hint.unwrap_or_default();
    assert_eq!(grant, "GRANT ALTER, INDEX ON `app`.`orders` TO 'low'@'127.0.0.1';");
    server.execute(grant.trim_end_matches(';')).await.expect("the server takes it");
    server.execute("REVOKE ALTER, INDEX ON `app`.`orders` FROM 'low'@'127.0.0.1'").await.expect("taken again");
}

async fn what_came_after_the_plan_is_not_made_twice_and_a_limit_of_queries_ends_no_build(
    engine: Arc<Engine>,
    server: &MariaDb,
    id: &str,
) {
    server
        .execute("CREATE TABLE later (id INT PRIMARY KEY, a INT, long_one VARCHAR(1000) CHARACTER SET utf8mb4)")
        .await
        .expect("a table");
    let refused = create(&engine, id, text("later", &["long_one"])).await.expect_err("the server was asked");
    assert!(refused.message.contains("The keys are longer than an index takes"), "{refused}");
    let planned = create(&engine, id, text("later", &["a"])).await.expect("planned");
    server.execute("CREATE INDEX by_hand ON later (a)").await.expect("by hand");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is there");
    assert!(refused.message.contains("'by_hand' is such an index already"), "{refused}");
    let lines = definition(server, "later").await;
    assert_eq!(lines.iter().filter(|line| line.contains("KEY `")).count(), 1, "{lines:?}");

    // As a global max_statement_time, but of one user alone: others share the server.
    server
        .execute(&SLOW.replace("slow", "slow_limited").replace("seq_1_to_6000", "seq_1_to_600"))
        .await
        .expect("a table");
    server
        .execute(
            "CREATE USER hasty IDENTIFIED BY 'hasty' WITH MAX_STATEMENT_TIME 0.2; GRANT SELECT, ALTER, INDEX ON app.* TO hasty",
        )
        .await
        .expect("a user");
    let url = format!("mariadb://hasty:hasty@127.0.0.1:{}/app", server.port());
    let hasty = environment(&engine, "hasty", &url).await;
    let planned = create(&engine, &hasty, text("slow_limited", &["hash"])).await.expect("planned");
    let note = planned.notes.iter().find(|note| note.starts_with("Whether the server takes it")).expect("it is said");
    assert!(note.contains("GRANT CREATE TEMPORARY TABLES ON `app`.* TO 'hasty'@'%';"), "{note}");
    let made = apply(&engine, &planned.id, None).await.expect("a build has ten minutes");
    assert_eq!(says(&made), Some(Says::AsApplied));
    undo(&engine, &planned.id).await.expect("undone");
}

/// Another database of the server may have a table of that name, and somebody who does the same to it.
async fn a_statement_of_another_database_is_left_alone(engine: Arc<Engine>, server: &MariaDb, id: &str) {
    server.execute("CREATE DATABASE elsewhere; CREATE TABLE elsewhere.orders LIKE app.orders").await.expect("another");
    let planned = create(&engine, id, text("orders", &["status", "name"])).await.expect("planned");
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; SELECT * FROM elsewhere.orders").await.expect("an old transaction");
    let mut other = server.connect().await.expect("a session");
    let statement = planned.statement.clone();
    let theirs = tokio::spawn(async move {
        other.execute("USE elsewhere; SET lock_wait_timeout = 60").await.expect("set");
        other.execute(sqlx::AssertSqlSafe(statement)).await.map(|_| ())
    });
    waits(server).await;
    let seen = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    assert_eq!(says(&seen), Some(Says::AsBefore), "{seen:?}");
    apply(&engine, &planned.id, None).await.expect("created");
    undo(&engine, &planned.id).await.expect("undone");
    let mut c = server.connect().await.expect("a session");
    assert!(is_at(&mut c, "ALTER TABLE `orders`%", LOCKED).await, "it goes on");
    old.execute("ROLLBACK").await.expect("it ends");
    theirs.await.expect("it ended").expect("nobody ended it");
}

/// The progress of a build is the server's own, and nothing where it tells none or its estimate is none.
async fn a_build_says_how_far_it_is_where_the_server_does(engine: Arc<Engine>, server: &MariaDb, id: &str) {
    server.execute(&SLOW.replace("slow", "slow_progress")).await.expect("a table that takes long");
    let before = definition(server, "slow_progress").await;
    let stages = |on: &str| {
        format!("UPDATE performance_schema.setup_consumers SET enabled = '{on}' WHERE name = 'events_stages_current'")
    };
    let counts = async |which: &str| {
        let mut c = server.connect().await.expect("a session");
        let sql = format!(
            "SELECT COUNT(*) FROM performance_schema.events_stages_current
             WHERE event_name LIKE 'stage/innodb/alter%' AND work_completed > 0 AND work_completed {which} work_estimated"
        );
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut c).await.expect("stages");
        found > 0
    };
    for (set_up, which) in [
        (stages("NO"), None),
        // The table's statistics are from when it was empty, and the estimate follows what is done.
        (stages("YES"), Some("=")),
        ("ANALYZE TABLE slow_progress".to_owned(), Some("<")),
    ] {
        server.execute(&set_up).await.expect("set up");
        let planned = create(&engine, id, text("slow_progress", &["hash"])).await.expect("planned");
        let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
        at_work(server, "ALTER TABLE `slow_progress`%", "altering table").await;
        if let Some(which) = which {
            eventually(Duration::from_secs(20), async || counts(which).await).await;
        }
        let shown = async || {
            eventually(Duration::from_secs(20), async || {
                let now = engine.jobs().get(&job.id).expect("it is there");
                let known = now.progress.is_some_and(|share| share > 0.0);
                if now.step == "altering table" && known == (which == Some("<")) { Ok(now.progress) } else { Err(now) }
            })
            .await
        };
        let first = shown().await;
        if let Some(first) = first.filter(|_| which == Some("<")) {
            eventually(Duration::from_secs(20), async || {
                shown().await.is_some_and(|share| share > first && share < 1.0)
            })
            .await;
        }
        assert!(engine.jobs().cancel(&job.id), "it can be stopped");
        assert_eq!(engine.jobs().wait(&job.id).await.expect("known").state, JobState::Cancelled);
        // Where the machine is busy the server may still take it back.
        eventually(Duration::from_secs(20), async || {
            let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
            told.state == ChangeState::Failed || says(&told) == Some(Says::AsBefore)
        })
        .await;
        if change(&engine, &planned.id).await.state == ChangeState::CutOff {
            undo(&engine, &planned.id).await.expect("nothing of it is there");
        }
    }
    server.execute(&stages("NO")).await.expect("as it was");
    assert_eq!(definition(server, "slow_progress").await, before);
}

/// Whether a session is at a statement, in a state of it.
pub(super) async fn is_at(c: &mut sqlx::MySqlConnection, statement: &str, state: &str) -> bool {
    let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE ? AND state LIKE ?";
    sqlx::query(sql).bind(statement).bind(state).fetch_one(c).await.expect("sessions").get::<i64, _>(0) > 0
}

/// Waits for that.
pub(super) async fn at_work(server: &MariaDb, statement: &str, state: &str) {
    let c = Mutex::new(server.connect().await.expect("a session"));
    eventually(Duration::from_secs(20), async || is_at(&mut *c.lock().await, statement, state).await).await;
}

/// Waits until a session waits for the lock of the table.
async fn waits(server: &MariaDb) {
    at_work(server, "ALTER TABLE `orders`%", LOCKED).await;
}

async fn a_build_that_waits_gives_up_soon_is_stopped_on_the_server_and_leaves_nothing(
    engine: Arc<Engine>,
    server: &MariaDb,
    id: &str,
) {
    let before = definition(server, "orders").await;
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; SELECT * FROM orders LIMIT 1").await.expect("an old transaction");
    let planned = create(&engine, id, text("orders", &["name", "id"])).await.expect("planned");
    assert!(matches!(planned.waits, Some(WaitsFor::Open { transactions: 1.., .. })), "{:?}", planned.waits);
    let refused = apply(&engine, &planned.id, None).await.expect_err("the lock is not free");
    assert!(refused.message.contains("The lock of 'orders' was not free within 2 s"), "{refused}");
    let failed = change(&engine, &planned.id).await;
    assert_eq!((failed.state, says(&failed)), (ChangeState::Failed, Some(Says::AsBefore)));

    let planned = create(&engine, id, text("orders", &["name", "id"])).await.expect("planned");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    waits(server).await;
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    assert_eq!(engine.jobs().wait(&job.id).await.expect("known").state, JobState::Cancelled);
    assert_eq!(change(&engine, &planned.id).await.state, ChangeState::Failed, "nothing of it is there");
    old.execute("ROLLBACK").await.expect("it ends");
    assert_eq!(definition(server, "orders").await, before);

    // What goes on without anybody who waits for it is told by the session that does it, and ended by taking it back.
    let planned = create(&engine, id, text("orders", &["name", "id"])).await.expect("planned");
    old.execute("BEGIN; SELECT * FROM orders LIMIT 1").await.expect("an old transaction");
    let mut other = server.connect().await.expect("a session");
    let statement = planned.statement.clone();
    let lost = tokio::spawn(async move {
        other.execute("SET lock_wait_timeout = 60").await.expect("set");
        other.execute(sqlx::AssertSqlSafe(statement)).await.map(|_| ())
    });
    waits(server).await;
    let seen = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    assert_eq!(says(&seen), Some(Says::HalfDone), "{seen:?}");
    assert_eq!(seen.offers, [ChangeOffer::Apply, ChangeOffer::Discard], "it was not applied by this one");
    let mut c = server.connect().await.expect("a session");
    let ask = "SELECT id FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock' AND info LIKE 'ALTER TABLE `orders`%'";
    let session: i64 = sqlx::query_scalar(ask).fetch_one(&mut c).await.expect("it waits");
    c.execute(sqlx::AssertSqlSafe(format!("KILL {session}"))).await.expect("killed");
    lost.await.expect("it ended").expect_err("killed");
    old.execute("ROLLBACK").await.expect("it ends");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    let made = changed(&engine, &planned.id, &job).await.expect("then it is built");
    assert_eq!(made.state, ChangeState::Verified);

    // As after a kill: a session that has Perfdeck's lock goes on with it. Taking it back ends that and needs no other one's leave.
    server.execute("ALTER TABLE orders DROP INDEX ix_orders_name_id").await.expect("it goes");
    old.execute("BEGIN; SELECT * FROM orders LIMIT 1").await.expect("an old transaction");
    let mut other = server.connect().await.expect("a session");
    let statement = planned.statement.clone();
    let lost = tokio::spawn(async move {
        other.execute("SET lock_wait_timeout = 60").await.expect("set");
        other.execute("DO GET_LOCK(CONCAT('perfdeck.', SHA1('app.orders')), 0)").await.expect("the lock");
        other.execute(sqlx::AssertSqlSafe(statement)).await.map(|_| ())
    });
    waits(server).await;
    let seen = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    let told = seen.target_says.map(|t| t.text).unwrap_or_default();
    assert!(told.starts_with("session ") && told.ends_with(" of the server works on it"), "{told}");
    let back = undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(back.state, ChangeState::Undone);
    lost.await.expect("it ended").expect_err("it was ended");
    old.execute("ROLLBACK").await.expect("it ends");
    assert_eq!(definition(server, "orders").await, before);
}
