//! Names with characters that addresses reserve: the same database and the same file after every round trip, and what
//! cannot be read is refused before anything is asked about it.

use std::path::Path;

use crate::quick::Quick;
use perfdeck_testkit::{POSTGRES_PASSWORD, Postgres};
use sqlx::{Connection as _, Executor as _};

/// The address that `env show` prints for the database.
async fn shown(perfctl: &Quick, name: &str) -> String {
    let text = perfctl.ok(&["env", "show", name]).await;
    let line = text.lines().find_map(|l| l.strip_prefix("database ")).unwrap_or_else(|| panic!("a database: {text}"));
    line.trim().to_owned()
}

/// The databases that the server let someone into since its log was this long.
fn entered(log: &Path, since: usize) -> Vec<String> {
    let text = std::fs::read_to_string(log).expect("its log");
    let lines = text[since..].lines().filter_map(|l| l.split_once("connection authorized: user=perfdeck database="));
    // The name itself may hold spaces; what follows it is known.
    let name = |rest: &str| rest.split(" application_name=").next().unwrap_or_default().to_owned();
    let mut all: Vec<String> = lines.map(|(_, rest)| name(rest)).collect();
    all.dedup();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_keeps_its_name_through_add_show_and_duplicate() {
    let server = Postgres::start_with(&[("log_connections", "on")]).await.expect("PostgreSQL");
    let mut admin = server.connect().await.expect("a connection");
    // Beside each one stands the database that a reader would open who stops at the mark, or decodes once more.
    for name in ["q?x", "q", "pct%41", "pctA", "ha#sh", "ha"] {
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await.expect("a database");
    }
    admin.close().await.expect("closed");
    let (log, port) = (server.log_path(), server.port());
    let perfctl = Quick::new().with("APP_PASSWORD", POSTGRES_PASSWORD);
    for (name, encoded) in [("q?x", "q%3Fx"), ("pct%41", "pct%2541"), ("ha#sh", "ha%23sh")] {
        let url = format!("postgres://perfdeck@127.0.0.1:{port}/{encoded}");
        let password = ["--database-password-env", "APP_PASSWORD"];
        let (copy, again) = (format!("{name} 2"), format!("{name} 3"));
        perfctl.ok(&[&["env", "add", name, "--database", &url][..], &password].concat()).await;
        perfctl.ok(&["env", "duplicate", name, &copy]).await;
        // What is shown can be pasted, of the copy too.
        let shown = shown(&perfctl, &copy).await;
        assert_eq!(shown, self::shown(&perfctl, name).await, "the copy says the same");
        perfctl.ok(&[&["env", "add", &again, "--database", &shown][..], &password].concat()).await;
        for env in [name, &copy, &again] {
            let since = std::fs::metadata(&log).map_or(0, |m| usize::try_from(m.len()).unwrap_or(0));
            perfctl.ok(&["env", "test", env]).await;
            assert_eq!(entered(&log, since), [name], "{env} is {shown}: the server let it into that one and no other");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_its_name_through_add_show_and_duplicate() {
    let folder = tempfile::tempdir().expect("a folder");
    let perfctl = Quick::new();
    for (n, name) in ["sp ace.db", "pct%20.db", "ha#sh.db", "q?x=1&y.db", "a+b.db", "pct%.db"].into_iter().enumerate() {
        // Alone in its folder: another name is no file, and monitoring makes none.
        let place = folder.path().join(n.to_string());
        std::fs::create_dir(&place).expect("a folder");
        let path = place.join(name);
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut file = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
        file.execute("CREATE TABLE t (n int)").await.expect("a table");
        file.close().await.expect("closed");
        let (first, copy, again) = (format!("f{n}"), format!("f{n} copy"), format!("f{n} again"));
        perfctl.ok(&["env", "add", &first, "--database", path.to_str().expect("UTF-8")]).await;
        perfctl.ok(&["env", "duplicate", &first]).await;
        let shown = shown(&perfctl, &copy).await;
        perfctl.ok(&["env", "add", &again, "--database", &shown]).await;
        for env in [&first, &copy, &again] {
            let (_, stored) = perfctl.json(&["env", "show", env]).await;
            let stored = &stored["environment"]["targets"]["database"]["address"]["path"];
            assert_eq!(stored.as_str(), path.to_str(), "{env} of {name}, shown as {shown}");
            perfctl.ok(&["env", "test", env]).await;
        }
        let files: Vec<_> = std::fs::read_dir(&place).expect("read").flatten().map(|e| e.file_name()).collect();
        assert_eq!(files, [name], "{shown}: no other file was made");
    }
}

/// A password with a raw mark cuts the address in two, and what stands before it looks like a host with a port: here it is
/// one, and hears of nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_raw_mark_in_a_password_is_refused_before_any_host_is_asked() {
    let wrong = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = wrong.local_addr().expect("bound").port();
    let perfctl = Quick::new();
    let secret = "cAnArY-7q";
    let file = perfctl.folder.path().join(".env");
    for mark in ["/", "?", "#"] {
        let end = format!("localhost:{port}{mark}{secret}@127.0.0.1");
        for (flag, url) in [
            ("--database", format!("postgres://{end}/app")),
            ("--database", format!("mysql://{end}/app")),
            ("--database", format!("postgresql+asyncpg://{end}:5432/app")),
            ("--cache", format!("redis://{end}/0")),
            ("--cache", format!("rediss+cluster://{end}")),
            ("--cache", format!("redis://:{port}{mark}{secret}@localhost/0")),
            ("--api", format!("http://{end}/")),
            ("--host", format!("prometheus+http://{end}/")),
            ("--host", format!("ssh://{end}")),
        ] {
            let (code, out, err) = perfctl.run(&["env", "add", "pasted", flag, &url]).await;
            assert_eq!(code, 2, "{url}: {out}{err}");
            let field = format!("error: {}: ", flag.trim_start_matches('-'));
            assert!(err.starts_with(&field) && err.contains("\nhint: "), "{url} names its field: {err}");
            assert!(!format!("{out}{err}").contains(secret), "{url}: nothing of it is shown: {err}");
            let network = !matches!(flag, "--api" | "--host");
            assert!(
                !network || err.contains("Character ") && err.contains("/ as %2F"),
                "{url}: where, and what: {err}"
            );
            // The same in a file, tested at once: it ends where it is read.
            let variable = match flag {
                "--database" => "DATABASE_URL",
                "--cache" => "REDIS_URL",
                "--api" => "API_BASE_URL",
                _ => continue,
            };
            std::fs::write(&file, format!("{variable}='{url}'\n")).expect("written");
            let (code, out, err) = perfctl.run(&["--env-file", file.to_str().expect("UTF-8"), "env", "test"]).await;
            assert_eq!(code, 2, "{url}: {out}{err}");
            assert!(!format!("{out}{err}").contains(secret), "{url}: nothing of it is shown: {err}");
        }
    }
    let (_, listed) = perfctl.json(&["env", "list"]).await;
    assert_eq!(listed["environments"].as_array().map(Vec::len), Some(1), "only the demo: nothing was stored: {listed}");
    let asked = tokio::time::timeout(std::time::Duration::ZERO, wrong.accept()).await;
    assert!(asked.is_err(), "nobody was asked");
}
