//! `perfctl` through poolers: no row is lost, nothing of ours stays on a server connection of others.

use crate::support::{Perfctl, bench};
use perfdeck_testkit::{HaProxy, PgBouncer, Postgres};
use serde_json::Value;
use sqlx::Row as _;

async fn rows(postgres: &Postgres) -> i64 {
    let mut c = postgres.connect().await.expect("the server itself");
    sqlx::raw_sql("SELECT count(*) FROM victim").fetch_one(&mut c).await.expect("counts").get(0)
}

async fn server() -> Postgres {
    let postgres = Postgres::start_with(&[("max_connections", "60")]).await.expect("a server");
    postgres
        .execute(
            "CREATE TABLE victim (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
             INSERT INTO victim (id) SELECT generate_series(1, 20000); ANALYZE victim;",
        )
        .await
        .expect("a table");
    postgres
}

/// What is left in the session of a server connection, seen by a client that sets nothing itself.
async fn left_behind(pooler: &PgBouncer) -> Vec<String> {
    let mut c = pooler.connect().await.expect("a second client");
    let mut found = Vec::new();
    // Whichever server connection it gets: many times.
    for _ in 0..20 {
        let row = sqlx::raw_sql(
            "SELECT current_setting('application_name'), current_setting('statement_timeout'),
                    current_setting('lock_timeout'), current_setting('default_transaction_read_only'),
                    current_setting('transaction_read_only'), current_setting('perfdeck.session', true),
                    (SELECT count(*) FROM pg_prepared_statements)::text",
        )
        .fetch_one(&mut c)
        .await
        .expect("asks");
        let cell = |i: usize| row.try_get::<Option<String>, _>(i).expect("a text").unwrap_or_default();
        let seen: Vec<String> = (0..7).map(cell).collect();
        if seen != ["", "0", "0", "off", "off", "", "0"] {
            found.push(seen.join(" | "));
        }
    }
    found
}

/// Mixed reads and writes of several clients over fewer server connections.
async fn mixed(perfctl: &Perfctl, env: &str, postgres: &Postgres, connections: &str, of_them: usize) {
    let before = rows(postgres).await;
    assert_eq!(before, 20_000, "as it was made");
    let common = ["-d", "400ms", "--warmup", "0s", "-c"];
    let all: [(&[&str], &str); 5] = [
        (&["--sql", "delete from victim where id = $1", "--param", "uniform:900000..900100"], "2"),
        (&["--sql", "select id from victim where id = $1", "--param", "uniform:1..20000"], connections),
        (&["--sql", "update victim set n = n + 1 where id = $1", "--param", "uniform:1..20000"], connections),
        (
            &["--sql", "select id from victim where id = $1", "--param", "uniform:1..20000", "--transaction"],
            connections,
        ),
        (&["--sql", "select n from victim where id = 7", "--simple"], connections),
    ];
    for (statement, c) in all.into_iter().take(of_them) {
        let args: Vec<&str> =
            ["--env", env].into_iter().chain(statement.iter().copied()).chain(common).chain([c]).collect();
        let (code, run, stderr) = bench(perfctl, "sql", &args);
        assert!(matches!(code, 0 | 4), "{args:?} ends with {code}: {stderr}");
        assert_eq!(run["errors"], 0, "{args:?}: {}", run["errors_by_class"]);
        assert!(run["requests"].as_u64().is_some_and(|n| n > 20), "it did something: {}", run["requests"]);
        assert_eq!(rows(postgres).await, 20_000, "no row is lost by {args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_lost_through_pgbouncer_with_fewer_servers_than_clients() {
    let postgres = server().await;
    for (mode, ignore) in [
        ("transaction", Some("extra_float_digits")),
        ("transaction", Some("extra_float_digits,options")),
        ("transaction", None),
        ("statement", None),
    ] {
        let mut settings = vec![("pool_mode", mode), ("default_pool_size", "4")];
        settings.extend(ignore.map(|names| ("ignore_startup_parameters", names)));
        let pooler = PgBouncer::start(&postgres, &settings).await.expect("a pooler");
        let perfctl = Perfctl::new();
        perfctl.ok(&["env", "add", "pooled", "--kind", "development", "--database", &pooler.url()]);
        if mode == "statement" {
            // No transaction can be had in this mode, and that is said at once.
            let args = ["--env", "pooled", "--sql", "select 1", "--transaction", "-d", "20s", "-c", "4"];
            let started = std::time::Instant::now();
            let (code, _, stderr) = bench(&perfctl, "sql", &args);
            assert_eq!(code, 1, "it fails: {stderr}");
            assert!(started.elapsed().as_secs() < 10, "at once");
            let args =
                ["--env", "pooled", "--sql", "select id from victim where id = $1", "--param", "uniform:1..20000"];
            let args: Vec<&str> = args.into_iter().chain(["-d", "700ms", "-c", "8", "--warmup", "0s"]).collect();
            let (_, run, stderr) = bench(&perfctl, "sql", &args);
            assert_eq!(run["errors"], 0, "{stderr}");
        } else {
            mixed(&perfctl, "pooled", &postgres, "8", if ignore == Some("extra_float_digits") { 5 } else { 3 }).await;
        }
        assert_eq!(rows(&postgres).await, 20_000, "{mode}, {ignore:?}");
        let tested: Value = perfctl.json(&["env", "test", "pooled"]);
        assert!(tested.to_string().contains("pooler"), "it is named: {tested}");
        let lines = perfctl.ok(&["monitor", "--env", "pooled", "--for", "2s", "--json"]);
        assert!(!lines.contains("already exists") && !lines.contains("does not exist"), "{lines}");
        assert!(lines.contains("database.connections"), "it measures: {lines}");
        perfctl.ok(&["db", "activity", "--env", "pooled"]);
        let pools: Value = perfctl.json(&["db", "pool", "--env", "pooled"]);
        assert!(pools["pooler"]["pools"].is_array(), "the pooler tells of itself: {pools}");
        assert!(left_behind(&pooler).await.is_empty(), "{mode}, {ignore:?}: {:?}", left_behind(&pooler).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_pool_with_fewer_servers_than_clients_is_refused_before_the_first_statement() {
    let postgres = server().await;
    let settings = [("pool_mode", "session"), ("default_pool_size", "4")];
    let pooler = PgBouncer::start(&postgres, &settings).await.expect("a pooler");
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "pooled", "--kind", "development", "--database", &pooler.url()]);
    mixed(&perfctl, "pooled", &postgres, "3", 3).await;
    let args = ["--env", "pooled", "--sql", "delete from victim where id = $1", "--param", "uniform:1..20000"];
    let args: Vec<&str> = args.into_iter().chain(["-d", "2s", "-c", "8"]).collect();
    let (code, _, stderr) = bench(&perfctl, "sql", &args);
    assert_eq!(code, 1, "more clients than server connections: {stderr}");
    assert!(stderr.contains("session mode") && stderr.contains("default_pool_size"), "it says why: {stderr}");
    assert_eq!(rows(&postgres).await, 20_000, "nothing was executed");
    assert!(left_behind(&pooler).await.is_empty(), "{:?}", left_behind(&pooler).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_session_is_refused_through_a_pooler() {
    let postgres = server().await;
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "1")];
    let pooler = PgBouncer::start(&postgres, &settings).await.expect("a pooler");
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "pooled", "--kind", "development", "--database", &pooler.url()]);
    for sql in ["set search_path = pg_catalog", "select pg_advisory_lock(1)", "create temp table t (a int)"] {
        let (code, _, stderr) = bench(&perfctl, "sql", &["--env", "pooled", "--sql", sql, "-d", "20s"]);
        assert_eq!(code, 1, "{sql}: {stderr}");
        assert!(stderr.contains("session of its own") && stderr.contains("own port"), "{sql}: {stderr}");
    }
    assert!(left_behind(&pooler).await.is_empty(), "{:?}", left_behind(&pooler).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_a_pooler_would_drop_are_refused() {
    let postgres = server().await;
    postgres
        .execute("CREATE SCHEMA shop; CREATE TABLE shop.victim (id int); INSERT INTO shop.victim VALUES (1)")
        .await
        .expect("a second table of that name");
    // The first refuses the parameter, the second takes it and forgets it: then it would be the wrong table.
    for ignore in ["extra_float_digits", "extra_float_digits,options"] {
        let settings =
            [("pool_mode", "transaction"), ("default_pool_size", "2"), ("ignore_startup_parameters", ignore)];
        let pooler = PgBouncer::start(&postgres, &settings).await.expect("a pooler");
        let perfctl = Perfctl::new();
        let url = pooler.url();
        let url = format!("{url}{}options=-c%20search_path%3Dshop", if url.contains('?') { '&' } else { '?' });
        perfctl.ok(&["env", "add", "pooled", "--kind", "development", "--database", &url]);
        let args = ["--env", "pooled", "--sql", "delete from victim", "-d", "1s", "-c", "2"];
        let (code, _, stderr) = bench(&perfctl, "sql", &args);
        assert_eq!(code, 1, "{ignore}: {stderr}");
        assert!(stderr.contains("options"), "{ignore}: it names the parameter: {stderr}");
        assert_eq!(rows(&postgres).await, 20_000, "{ignore}: nothing was executed");
        assert!(left_behind(&pooler).await.is_empty(), "{ignore}: {:?}", left_behind(&pooler).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_tcp_connections_is_no_pooler() {
    let postgres = server().await;
    let proxy = HaProxy::start(postgres.port()).await.expect("a proxy");
    let url = postgres.url().replace(&format!(":{}/", postgres.port()), &format!(":{}/", proxy.port()));
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "proxied", "--kind", "development", "--database", &url]);
    let tested: Value = perfctl.json(&["env", "test", "proxied"]);
    assert!(!tested.to_string().contains("pooler"), "each client has a server connection of its own: {tested}");
    mixed(&perfctl, "proxied", &postgres, "8", 3).await;
    let lines = perfctl.ok(&["monitor", "--env", "proxied", "--for", "2s", "--json"]);
    assert!(lines.contains("database.connections"), "it measures: {lines}");
    perfctl.ok(&["db", "activity", "--env", "proxied"]);
}
