//! The private servers themselves: start, use, stop, restart, several at once.
use std::time::{Duration, Instant};

use perfdeck_testkit::{Answer, MariaDb, Postgres, Redis, RedisCluster, RedisSentinel, ScriptedHttp, eventually};
use sqlx::{Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type TestResult = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn postgres_keeps_its_data_over_a_restart_on_the_same_port() -> TestResult {
    let mut postgres = Postgres::start().await?;
    postgres.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)").await?;
    let (port, log) = (postgres.port(), postgres.log_path());
    postgres.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "a stopped server must not listen");
    postgres.restart().await?;
    assert_eq!(postgres.port(), port, "clients keep their address over a restart");
    let mut connection = sqlx::PgConnection::connect(&postgres.url()).await?;
    let row = sqlx::query("SELECT n FROM kept").fetch_one(&mut connection).await?;
    assert_eq!(row.get::<i32, _>(0), 42, "a restart keeps the data");
    let row = sqlx::query("SELECT count(*) FROM pg_stat_statements").fetch_one(&mut connection).await?;
    assert!(row.get::<i64, _>(0) > 0, "statement statistics are collected");
    drop(postgres);
    assert!(!log.exists(), "dropping the server removes its folder");
    Ok(())
}

#[tokio::test]
async fn postgres_wants_the_right_password() -> TestResult {
    let postgres = Postgres::start_with(&[("max_connections", "7")]).await?;
    let wrong = format!("postgres://perfdeck:wrong@127.0.0.1:{}/app", postgres.port());
    let error = sqlx::PgConnection::connect(&wrong).await.err().ok_or("a wrong password was accepted")?;
    assert!(error.to_string().contains("password authentication failed"), "trust must be off, got {error}");
    let mut connection = postgres.connect().await?;
    let row = sqlx::query("SHOW max_connections").fetch_one(&mut connection).await?;
    assert_eq!(row.get::<String, _>(0), "7", "settings given at start apply");
    Ok(())
}

#[tokio::test]
async fn mariadb_answers_and_restarts() -> TestResult {
    let mut mariadb = MariaDb::start().await?;
    mariadb.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)").await?;
    mariadb.restart().await?;
    let mut connection = mariadb.connect().await?;
    let row = sqlx::query("SELECT n FROM kept").fetch_one(&mut connection).await?;
    assert_eq!(row.get::<i32, _>(0), 42, "a restart keeps the data");
    let wrong = format!("mysql://perfdeck:wrong@127.0.0.1:{}/app", mariadb.port());
    assert!(sqlx::MySqlConnection::connect(&wrong).await.is_err(), "a wrong password must be refused");
    Ok(())
}

#[tokio::test]
async fn two_redis_at_once_do_not_know_each_other() -> TestResult {
    let (mut first, second) = (Redis::start().await?, Redis::start_with_password("hush").await?);
    assert_ne!(first.port(), second.port(), "each server has a port of its own");
    first.execute(&["SET", "key", "one"]).await?;
    assert_eq!(second.execute(&["EXISTS", "key"]).await?, redis::Value::Int(0), "servers share no data");
    let open = redis::Client::open(format!("redis://127.0.0.1:{}", second.port()))?;
    let refused = match open.get_multiplexed_async_connection().await {
        Ok(mut connection) => redis::cmd("GET").arg("key").exec_async(&mut connection).await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "the second server asks for its password");
    let before = first.port();
    first.stop();
    assert!(first.execute(&["PING"]).await.is_err(), "a stopped server does not answer");
    first.restart().await?;
    assert_eq!(first.port(), before, "a restart keeps the port");
    first.execute(&["PING"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_serves_keys_of_every_slot() -> TestResult {
    let cluster = RedisCluster::start().await?;
    let client = redis::cluster::ClusterClient::new(cluster.urls())?;
    let mut connection = client.get_async_connection().await?;
    for n in 0..50 {
        let key = format!("key-{n}");
        redis::cmd("SET").arg(&key).arg(n).exec_async(&mut connection).await?;
        let back: i32 = redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
        assert_eq!(back, n, "every key is stored on the node of its slot");
    }
    Ok(())
}

#[tokio::test]
async fn a_sentinel_names_its_primary() -> TestResult {
    let mut sentinel = RedisSentinel::start().await?;
    assert!(sentinel.url().contains("master=main"), "the URL names the primary to ask for");
    sentinel.primary().execute(&["PING"]).await?;
    Ok(())
}

/// Sends a request and returns everything until the other side closes.
async fn talk(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn the_scripted_target_does_what_it_is_told() -> TestResult {
    let mut target = ScriptedHttp::start(|request| match request.path.as_str() {
        "/slow" => Answer::ok("slow").after(Duration::from_millis(150)),
        "/broken" => Answer::status(503, "no").header("retry-after", "1"),
        "/hang" => Answer::hang(),
        "/reset" => Answer::reset(),
        other => Answer::ok(format!("you asked for {other}")),
    })
    .await?;
    assert!(talk(target.port(), "/x?y=1").await?.ends_with("you asked for /x?y=1"), "the handler sees path and query");
    let began = Instant::now();
    assert!(talk(target.port(), "/slow").await?.ends_with("slow"), "a delayed answer still comes");
    assert!(began.elapsed() >= Duration::from_millis(150), "and not before its delay");
    let broken = talk(target.port(), "/broken").await?;
    assert!(broken.starts_with("HTTP/1.1 503") && broken.contains("retry-after: 1"), "status and headers: {broken}");
    assert!(talk(target.port(), "/reset").await.is_err(), "a reset is an error to the client");
    let hung = tokio::time::timeout(Duration::from_millis(300), talk(target.port(), "/hang")).await;
    assert!(hung.is_err(), "a hanging target never answers");
    assert_eq!(target.requests(), 5, "every request is counted");
    target.stop();
    assert!(TcpStream::connect(("127.0.0.1", target.port())).await.is_err(), "a stopped target does not listen");
    Ok(())
}

#[tokio::test]
async fn eventually_waits_for_what_comes_late() {
    let mut left = 3;
    let value = eventually(Duration::from_secs(5), || {
        left -= 1;
        let now = left;
        async move { (now == 0).then_some("here") }
    })
    .await;
    assert_eq!(value, "here", "the value of the first successful attempt is returned");
    let gave_up = tokio::spawn(eventually(Duration::from_millis(50), async || false)).await;
    assert!(gave_up.is_err(), "a deadline that passes is a panic, which fails the test");
}

/// Not a test by itself: started by the one below as a process that is then killed.
#[tokio::test]
async fn helper_that_is_killed() -> TestResult {
    let Ok(file) = std::env::var("PERFDECK_TESTKIT_HELPER") else { return Ok(()) };
    let redis = Redis::start().await?;
    let pid = redis.pid().ok_or("a running server has a process id")?;
    std::fs::write(format!("{file}.tmp"), format!("{} {pid} {}", redis.port(), redis.log_path().display()))?;
    std::fs::rename(format!("{file}.tmp"), file)?;
    std::future::pending().await
}

#[tokio::test]
async fn a_server_ends_with_a_killed_test() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("server");
    let mut helper = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "helper_that_is_killed", "--nocapture"])
        .env("PERFDECK_TESTKIT_HELPER", &file)
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let text = eventually(Duration::from_secs(20), async || std::fs::read_to_string(&file)).await;
    let mut fields = text.split(' ');
    let port: u16 = fields.next().ok_or("no port")?.parse()?;
    let log = std::path::PathBuf::from(fields.nth(1).ok_or("no log")?);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok(), "the helper's server listens");
    helper.kill()?;
    helper.wait()?;
    eventually(Duration::from_secs(10), async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
    eventually(Duration::from_secs(10), async || !log.exists()).await;
    Ok(())
}
