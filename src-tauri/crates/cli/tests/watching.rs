//! `perfctl monitor` beside servers that stop answering for a while, and beside load through a pooler.
mod quick;

use std::time::Duration;

use perfdeck_testkit::{POSTGRES_PASSWORD, Paused, PgBouncer, Postgres, Redis};
use quick::Quick;
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::MissedTickBehavior;

/// What the load of these tests is.
const TRANSACTIONS: f64 = 100.0;
const COMMANDS: f64 = 500.0;

/// 100 transactions and 500 commands a second, as long as the servers answer; what was not sent is not made up for.
async fn load(postgres: &Postgres, redis: &Redis) -> [tokio::task::JoinHandle<()>; 2] {
    let mut database = postgres.connect().await.expect("a connection");
    let mut cache = redis.connect().await.expect("a connection");
    let every = |ms| {
        let mut tick = tokio::time::interval(Duration::from_millis(ms));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tick
    };
    let transactions = tokio::spawn(async move {
        let mut tick = every(10);
        loop {
            tick.tick().await;
            // By itself a session tells its counters at most once a second, which makes a second of 0 and one of 200, and
            // not at all while it reads no table (pgstat_report_stat of PostgreSQL 15).
            let _ = database.execute("SELECT pg_stat_force_next_flush() FROM pg_am LIMIT 1").await;
        }
    });
    let commands = tokio::spawn(async move {
        let mut tick = every(20);
        loop {
            tick.tick().await;
            let mut ten = perfdeck_testkit::redis::pipe();
            for _ in 0..10 {
                ten.cmd("SET").arg("k").arg("v").ignore();
            }
            let _: Result<(), _> = ten.exec_async(&mut cache).await;
        }
    });
    [transactions, commands]
}

/// One sample of both: its second, the rates, and whether each target is up.
#[derive(Debug)]
struct Seen {
    t_ms: f64,
    rates: [Option<f64>; 2],
    up: [bool; 2],
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Seen {
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await.expect("samples go on");
    let line = line.expect("read").expect("monitor goes on");
    let sample: Value = serde_json::from_str(&line).expect("a sample");
    let rate = |id: &str| sample["series"][id].as_f64();
    let state = |role: &str| {
        let all = sample["targets"].as_array().expect("targets");
        all.iter().any(|t| t["role"] == role && t["state"] == "up")
    };
    Seen {
        t_ms: sample["t_ms"].as_f64().expect("a time"),
        rates: [rate("database.transactions"), rate("cache.operations")],
        up: [state("database"), state("cache")],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_stopped_for_a_while_show_a_gap_and_no_rate_over_it() {
    let (postgres, redis) = tokio::join!(Postgres::start(), Redis::start());
    let (postgres, redis) = (postgres.expect("PostgreSQL"), redis.expect("Redis"));
    let tasks = load(&postgres, &redis).await;
    let perfctl = Quick::new().with("APP_PASSWORD", POSTGRES_PASSWORD);
    let url = format!("postgres://perfdeck@127.0.0.1:{}/app", postgres.port());
    let add = ["env", "add", "both", "--database", &url, "--database-password-env", "APP_PASSWORD"];
    perfctl.ok(&[&add[..], &["--cache", &redis.url()]].concat()).await;
    let mut monitor = perfctl.command(&["monitor", "--env", "both", "--json"]).spawn().expect("it starts");
    let mut lines = BufReader::new(monitor.stdout.take().expect("piped")).lines();
    let mut seen = Vec::new();
    let whole = |s: &Seen| s.rates.iter().all(Option::is_some);
    while seen.iter().filter(|s| whole(s)).count() < 2 {
        seen.push(next(&mut lines).await);
    }
    let before = seen.len();
    let stopped = [postgres.pid(), redis.pid()].map(|pid| Paused::new(pid.expect("it runs")).expect("stopped"));
    // Until both are known to be down: what hangs is told, and the monitor goes on meanwhile.
    while seen.last().is_some_and(|s| s.up != [false, false]) || seen.len() < before + 4 {
        seen.push(next(&mut lines).await);
    }
    drop(stopped);
    let gap = seen.len();
    while seen[gap..].iter().filter(|s| whole(s)).count() < 3 {
        seen.push(next(&mut lines).await);
    }
    for s in &seen {
        for (rate, truth) in s.rates.iter().zip([TRANSACTIONS, COMMANDS]) {
            // A mean over the stop would be far below. A busy machine may be a fifth off.
            assert!(
                rate.is_none_or(|r| (r - truth).abs() <= 0.2 * truth),
                "{rate:?} is neither {truth} nor a gap: {seen:#?}"
            );
        }
    }
    let empty = seen[before..].iter().filter(|s| s.rates == [None, None]).count();
    assert!(empty >= 3, "the stop is a gap: {seen:#?}");
    assert!(seen.windows(2).all(|w| w[1].t_ms - w[0].t_ms < 1_500.0), "of seconds without values: {seen:#?}");
    assert!(seen.last().is_some_and(|s| s.up == [true, true]), "and all is well again");
    monitor.kill().await.expect("ours");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The sessions of clients on the server itself, but for the one that asks.
async fn sessions(admin: &mut sqlx::PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    sqlx::raw_sql(sql).fetch_one(admin).await.expect("counts").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_benchmarks_in_a_row_through_a_pooler_lose_no_row_and_disturb_no_monitor() {
    let postgres = Postgres::start().await.expect("PostgreSQL");
    let table = "CREATE TABLE victim (id int PRIMARY KEY); INSERT INTO victim SELECT generate_series(1, 20000)";
    postgres.execute(table).await.expect("a table");
    let settings =
        [("pool_mode", "transaction"), ("default_pool_size", "4"), ("ignore_startup_parameters", "extra_float_digits")];
    let pooler = PgBouncer::start(&postgres, &settings).await.expect("a pooler");
    let perfctl = Quick::new().with("APP_PASSWORD", POSTGRES_PASSWORD);
    let url = format!("postgres://perfdeck@127.0.0.1:{}/app", pooler.port());
    perfctl.ok(&["env", "add", "pooled", "--database", &url, "--database-password-env", "APP_PASSWORD"]).await;
    let mut monitor = perfctl.command(&["monitor", "--env", "pooled", "--json"]).spawn().expect("it starts");
    let mut lines = BufReader::new(monitor.stdout.take().expect("piped")).lines();
    let watched = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            all.push(serde_json::from_str::<Value>(&line).expect("a sample"));
        }
        all
    });
    let mut admin = postgres.connect().await.expect("the server itself");
    let nothing =
        ["--sql", "delete from victim where id = $1", "--param", "uniform:900000..900100", "-d", "1s", "-c", "2"];
    let reads = ["--sql", "select id from victim where id = $1", "--param", "uniform:1..20000", "-d", "2s", "-c", "8"];
    let mut most = 0;
    for (at, statement) in [nothing, reads, reads, reads].into_iter().enumerate() {
        let args: Vec<&str> = ["bench", "sql", "--env", "pooled"].into_iter().chain(statement).collect();
        let run = perfctl.json(&args);
        let mut run = std::pin::pin!(run);
        let (code, run) = loop {
            tokio::select! {
                done = &mut run => break done,
                () = tokio::time::sleep(Duration::from_millis(100)) => most = most.max(sessions(&mut admin).await),
            }
        };
        assert!(matches!(code, 0 | 4), "run {at} ends with {code}: {run}");
        assert_eq!(run["errors"], 0, "run {at}: {}", run["errors_by_class"]);
        assert!(run["requests"].as_u64().is_some_and(|n| n > 100), "run {at} did something: {}", run["requests"]);
        let rows: i64 =
            sqlx::raw_sql("SELECT count(*) FROM victim").fetch_one(&mut admin).await.expect("counts").get(0);
        assert_eq!(rows, 20_000, "run {at} lost rows");
    }
    assert!((1..=4).contains(&most), "fewer server connections than clients: {most}");
    admin.close().await.expect("closed");
    monitor.kill().await.expect("ours");
    let samples = watched.await.expect("no panic");
    assert!(samples.len() >= 6, "it ran beside all of them: {}", samples.len());
    // Until it is connected nothing is known; that takes the first second on a busy machine.
    let unknown = samples.iter().take_while(|s| s["targets"][0]["state"] == "unknown").count();
    assert!(unknown <= 2, "it connects at once: {unknown}");
    let samples = &samples[unknown..];
    for sample in samples {
        let target = &sample["targets"][0];
        assert!(target["state"] == "up" && target["error"].is_null(), "nothing disturbed it: {sample}");
    }
    let measured = samples.iter().filter(|s| s["series"]["database.connections{state=active}"].is_number()).count();
    assert!(measured + 1 >= samples.len(), "every second was measured: {measured} of {}", samples.len());
}
