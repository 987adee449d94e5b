//! `perfctl bench` against what does not answer, and scripts as their server reads them.
mod support;

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use perfdeck_testkit::{MariaDb, Postgres};
use support::{Perfctl, bench};

/// A listener that takes connections and never says a word.
fn silent() -> (u16, std::sync::Arc<std::sync::Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let all = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            all.lock().expect("lock").push(stream);
        }
    });
    (port, kept)
}

#[test]
fn a_target_that_never_answers_ends_every_benchmark_within_five_seconds() {
    let perfctl = Perfctl::new();
    let (port, _kept) = silent();
    for (name, kind) in [("dev", "development"), ("stage", "staging")] {
        let (database, cache) =
            (format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable"), format!("redis://127.0.0.1:{port}"));
        perfctl.ok(&["env", "add", &format!("{name}-sql"), "--kind", kind, "--database", &database]);
        perfctl.ok(&["env", "add", &format!("{name}-cache"), "--kind", kind, "--cache", &cache]);
    }
    perfctl.ok(&["env", "add", "my", "--kind", "development", "--database", &format!("mysql://u@127.0.0.1:{port}/d")]);
    let url = format!("http://127.0.0.1:{port}/");
    let sql = |env| vec!["--env", env, "--sql", "select 1", "-d", "60s"];
    let cache = |env| vec!["--env", env, "-d", "60s"];
    for (kind, args) in [
        ("sql", sql("dev-sql")),
        ("sql", [sql("stage-sql"), vec!["--rate", "10"]].concat()),
        ("sql", sql("my")),
        ("cache", cache("dev-cache")),
        ("cache", [cache("stage-cache"), vec!["--rate", "10"]].concat()),
        ("http", vec![url.as_str(), "-d", "60s"]),
    ] {
        let started = Instant::now();
        let (code, run, stderr) = bench(&perfctl, kind, &args);
        let took = started.elapsed();
        assert_eq!(code, 1, "{args:?} fails: {stderr}");
        // Five seconds, and what starting the program and ending the run take on a busy machine; not the sixty of the run.
        assert!(took < Duration::from_secs(9), "{args:?} took {took:?}: {stderr}");
        let words = format!("{stderr} {}", run["notes"]);
        assert!(words.contains("answer") || words.contains("within"), "{args:?} says why: {words}");
    }
}

#[test]
fn a_closed_port_and_a_wrong_password_are_told_at_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Postgres::start()).expect("PostgreSQL");
    let perfctl = Perfctl::new();
    let closed = perfdeck_testkit::free_port().expect("a port");
    perfctl.ok(&[
        "env",
        "add",
        "closed",
        "--kind",
        "development",
        "--database",
        &format!("postgres://u@127.0.0.1:{closed}/d"),
    ]);
    let wrong = server.url().replace("perfdeck-canary", "wrong-canary");
    perfctl.ok(&["env", "add", "wrong", "--kind", "development", "--database", &wrong]);
    for (env, word) in [("closed", "refused"), ("wrong", "password")] {
        let started = Instant::now();
        let (code, _, stderr) = bench(&perfctl, "sql", &["--env", env, "--sql", "select 1", "-d", "60s", "-c", "16"]);
        assert_eq!(code, 1, "{env}: {stderr}");
        assert!(stderr.contains(word) && !stderr.contains("wrong-canary"), "{env}: {stderr}");
        assert!(started.elapsed() < Duration::from_secs(8), "{env}: at once");
    }
    let log = std::fs::read_to_string(server.log_path()).expect("its log");
    let tries = log.matches("password authentication failed").count();
    assert!((1..=4).contains(&tries), "a password that is wrong is not tried for each connection: {tries}");
}

/// Whether a file of a folder holds a text.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| {
        let found = |bytes: Vec<u8>| perfdeck_testkit::holds(&bytes, text);
        if path.is_dir() { holds(&path, text) } else { std::fs::read(&path).is_ok_and(found) }
    })
}

/// The same values fail alike: no message repeats one, and each ends with 1.
fn a_value_that_a_server_repeats_is_masked(perfctl: &Perfctl, runtime: &tokio::runtime::Runtime, postgres: &Postgres) {
    const SECRET: &str = "S3C-canary";
    let made = "CREATE TYPE mood AS ENUM ('fine');
                CREATE FUNCTION refuse(v text) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'no % here', v; END $$";
    runtime.block_on(postgres.execute(made)).expect("made");
    for (env, sql, value) in [
        ("pg", "SELECT $1::int", SECRET),
        ("pg", "SELECT $1::uuid", SECRET),
        ("pg", "SELECT $1::mood", SECRET),
        ("pg", "SELECT refuse($1)", SECRET),
        ("pg", "SELECT $1::int", "214748364899"),
        ("my", "INSERT INTO numbers VALUES (?)", SECRET),
    ] {
        let args = ["bench", "sql", "--env", env, "--sql", sql, "--param", value, "-d", "300ms", "--warmup", "0s"];
        let (code, text, stderr) = perfctl.run(&args);
        assert_eq!(code, 1, "{sql} cannot succeed: {text} {stderr}");
        assert!(!text.contains(value) && !stderr.contains(value), "{sql} told the value: {text} {stderr}");
        assert!(text.contains("Invalid: no successful response: "), "{sql} says why: {text}");
        let (_, json, _) = perfctl.run(&[args.as_slice(), &["--json"]].concat());
        assert!(!json.is_empty() && !json.contains(value), "{sql} told the value: {json}");
    }
    assert!(!holds(perfctl.folder.path(), SECRET), "the store holds the value");
}

#[test]
fn a_script_is_read_as_its_server_reads_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (postgres, mariadb) = runtime.block_on(async {
        let postgres = Postgres::start().await.expect("PostgreSQL");
        (postgres, MariaDb::start().await.expect("MariaDB"))
    });
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "pg", "--kind", "development", "--database", &postgres.url()]);
    perfctl.ok(&["env", "add", "my", "--kind", "development", "--database", &mariadb.url()]);
    runtime.block_on(mariadb.execute("CREATE TABLE numbers (id INT)")).expect("a table");
    let script = |name: &str, text: &str| {
        let file = perfctl.folder.path().join(name);
        std::fs::write(&file, text).expect("write");
        file.display().to_string()
    };
    let pg = script(
        "pg.sql",
        "/* a; /* nested; */ b */ BEGIN;\nDO $x$ BEGIN PERFORM 1; PERFORM 'a;b'; END $x$;\nSELECT E'\\';', 1; -- don't;\n\
         SELECT 'it''s; $1';\nCOMMIT;\n",
    );
    let my = script("my.sql", "# don't; stop\nBEGIN;\nSELECT 'a\\';b', \"c;d\", 5 --3;\nSELECT 1; -- x\nCOMMIT;\n");
    for (env, file, n) in [("pg", &pg, 5), ("my", &my, 4)] {
        let args = ["--env", env, "--script", file, "-d", "400ms", "--warmup", "0s", "-c", "2"];
        let (_, run, stderr) = bench(&perfctl, "sql", &args);
        assert_eq!(run["errors"], 0, "{env}: {} {stderr}", run["errors_by_class"]);
        assert_eq!(run["steps"].as_array().map(Vec::len), Some(n), "{env}: {}", run["steps"]);
        assert_eq!(run["requests"], run["iterations"], "{env}: a request is a transaction");
    }
    a_value_that_a_server_repeats_is_masked(&perfctl, &runtime, &postgres);
    // Values for the only statement of a script that has parameters; for another script they are refused by name.
    let with = |name: &str, text: &str, env: &str| {
        let file = script(name, text);
        bench(
            &perfctl,
            "sql",
            &["--env", env, "--script", &file, "--param", "3", "-d", "300ms", "--warmup", "0s", "-c", "2"],
        )
    };
    for (env, text) in [("pg", "SELECT 1; SELECT $1::int;"), ("my", "SELECT 1; SELECT ?;")] {
        let (code, run, stderr) = with("param.sql", text, env);
        assert_eq!((code, &run["errors"]), (0, &0.into()), "{env}: {stderr} {}", run["errors_by_class"]);
    }
    for text in ["SELECT 1;", "SELECT $1::int; SELECT $1::int;"] {
        let (code, _, stderr) = with("refused.sql", text, "pg");
        assert!(code == 2 && stderr.contains("parameters: they are for one statement"), "{text}: {code} {stderr}");
    }
    let (code, _, stderr) = bench(&perfctl, "sql", &["--env", "my", "--sql", "SELECT $1", "--param", "5", "-d", "1s"]);
    assert!(code == 1 && stderr.contains("write ? for a parameter on MySQL"), "{code}: {stderr}");
    let mistake = script("mistake.sql", "SELECT 1; SELEC 2;");
    let (code, run, stderr) = bench(&perfctl, "sql", &["--env", "pg", "--script", &mistake, "-d", "60s"]);
    assert!(
        code == 1 && run.is_null() && stderr.contains("statement 2"),
        "no figures of a script with a mistake: {stderr}"
    );
    for (env, text, word) in [
        ("pg", "SELECT 1;\n\\set a 1\n", "line 2"),
        ("pg", "SELECT 'open", "never closed"),
        ("my", "DELIMITER //\nSELECT 1//", "DELIMITER"),
    ] {
        let (code, _, stderr) = bench(&perfctl, "sql", &["--env", env, "--script", &script("refused.sql", text)]);
        assert!(code == 2 && stderr.contains(word), "{text}: {code} {stderr}");
    }
}
