//! `perfctl` as a program: its contract is stdout, stderr and the exit code.
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use perfdeck_testkit::{Answer, ScriptedHttp, eventually_blocking, output_of};
use serde_json::Value;

/// Longest time any command of these tests may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn perfctl(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(args).env_clear().env("PERFDECK_DATA_DIR", dir).env("HOME", dir).stdin(Stdio::null());
    // What the loader and the system need to start a program at all.
    for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end; a command that hangs is ended and fails the test.
fn finish(child: Child) -> Output {
    output_of(child, DEADLINE)
}

fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = finish(perfctl(dir, args).spawn().expect("perfctl starts"));
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn json(dir: &Path, args: &[&str], code: i32) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (got, out, err) = run(dir, &args);
    assert_eq!(got, code, "{args:?} ends with {code}; stderr: {err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON and nothing else: {e}: {out}"))
}

/// A benchmark's run. On a busy machine it may be invalid; the exit code must say the same as the run.
fn bench(dir: &Path, args: &[&str]) -> Value {
    let args: Vec<&str> = ["bench", "http"].iter().chain(args).copied().chain(["--json"]).collect();
    let (code, out, err) = run(dir, &args);
    let run_: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes a run: {e}: {err}"));
    let expected = if run_["valid"] == true { 0 } else { 4 };
    assert_eq!(code, expected, "valid is 0 and invalid is 4: {}", run_["invalid_reasons"]);
    run_
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("temp dir")
}

#[test]
fn an_environment_is_added_shown_copied_and_removed() {
    let dir = temp();
    let listed = json(dir.path(), &["env", "list"], 0);
    assert_eq!(listed["schema"], "perfdeck.environments/1", "the answer names its schema");
    assert_eq!(listed["environments"][0]["name"], "demo", "the demo always exists");
    let database = "postgres://app@127.0.0.1:5999/clinic";
    let added = json(
        dir.path(),
        &[
            "env",
            "add",
            "clinic",
            "--kind",
            "staging",
            "--database",
            database,
            "--database-password-env",
            "PGPASS",
            "--api",
            "http://127.0.0.1:1/",
        ],
        0,
    );
    assert_eq!(added["environment"]["kind"], "staging", "the kind is kept");
    assert_eq!(
        added["environment"]["targets"]["database"]["password"]["name"], "PGPASS",
        "a reference is kept, not a secret"
    );
    let shown = json(dir.path(), &["env", "show", "clinic"], 0);
    assert_eq!(shown["environment"]["id"], added["environment"]["id"], "another process sees it");
    let copy = json(dir.path(), &["env", "duplicate", "clinic", "clinic 2"], 0);
    assert_ne!(copy["environment"]["id"], added["environment"]["id"], "a copy is its own environment");
    let (code, _, err) = run(dir.path(), &["env", "add", "clinic", "--database", database]);
    assert!(code != 0 && err.contains("error: "), "a name is unique: {err}");
    let removed = json(dir.path(), &["env", "remove", "clinic"], 0);
    assert_eq!(removed["schema"], "perfdeck.removed/1", "removal is answered");
    let (code, _, err) = run(dir.path(), &["env", "show", "clinic"]);
    assert_eq!(code, 1, "it is gone");
    assert!(err.starts_with("error: ") && err.contains("\nhint: "), "and the message says what to do: {err}");
    let (code, _, err) = run(dir.path(), &["env", "remove", "demo"]);
    assert_eq!(code, 1, "the demo stays: {err}");
    let (code, out, _) = run(dir.path(), &["env", "list"]);
    assert_eq!(code, 0, "people get a table");
    assert!(
        out.contains("clinic 2") && !out.contains('{') && !out.contains('\u{1b}'),
        "without JSON and colour: {out}"
    );
}

#[test]
fn wrong_usage_is_2_and_says_what_to_do() {
    let dir = temp();
    let cases: [&[&str]; 6] = [
        &["env", "add", "x", "--database", "not a url"],
        &["env", "add", "x", "--database", "redis://h"],
        &["bench", "http", "ftp://127.0.0.1/"],
        &["monitor", "--for", "1s"],
        &["monitor", "--env", "demo", "--interval", "10ms"],
        &["serve", "--listen", "0.0.0.0:0"],
    ];
    for args in cases {
        let (code, out, err) = run(dir.path(), args);
        assert_eq!(code, 2, "{args:?} is wrong usage: {err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{args:?} gets an error and a hint: {err}");
        assert!(out.is_empty(), "{args:?} writes no data: {out}");
    }
    for args in [
        &["bench", "http", "http://127.0.0.1/", "-d", "5 parsecs"][..],
        &["nonsense"],
        &["demo", "--out", "x.html"],
        &[],
    ] {
        assert_eq!(run(dir.path(), args).0, 2, "{args:?} is refused by the parser");
    }
}

#[test]
fn a_secret_is_never_written() {
    let dir = temp();
    let mut all = String::new();
    for args in [
        &["env", "add", "a", "--cache", "redis://:canary-secret@127.0.0.1:1/0"][..],
        &["env", "show", "a", "--json", "-vv"],
        &["env", "test", "a", "-vv"],
        &["env", "add", "b", "--database", "postgres://u:canary-secret@/?bad=\u{7}", "-vv"],
    ] {
        let (_, out, err) = run(dir.path(), args);
        all += &out;
        all += &err;
    }
    assert!(!all.contains("canary-secret"), "neither stdout nor stderr has the password");
    let config = dir.path().join("bad.toml");
    std::fs::write(&config, "name = \"x\"\n[targets]\ndatabase = \"postgres://u:canary-secret@h/d").expect("file");
    let (code, _, err) = run(dir.path(), &["--config", config.to_str().expect("UTF-8"), "env", "show"]);
    assert_eq!(code, 2, "a broken file is wrong usage: {err}");
    assert!(!err.contains("canary-secret") && err.contains("line 3"), "its place is told, its text is not: {err}");
}

#[test]
fn an_environment_comes_from_a_file_or_from_variables() {
    let dir = temp();
    let config = dir.path().join("clinic.toml");
    std::fs::write(&config, "name = \"clinic\"\nkind = \"production\"\n[targets]\napi = \"http://127.0.0.1:1\"\n")
        .expect("file");
    for _ in 0..2 {
        let shown = json(dir.path(), &["--config", config.to_str().expect("UTF-8"), "env", "show"], 0);
        assert_eq!(shown["environment"]["kind"], "production", "the file is read, the second time as an update");
    }
    let dotenv = dir.path().join(".env");
    std::fs::write(&dotenv, "DATABASE_URL=sqlite:///tmp/none.db\nDB_POOL_SIZE=7\nENVIRONMENT=staging\n").expect("file");
    let dotenv = dotenv.to_str().expect("UTF-8");
    for name in [&[][..], &["staging"]] {
        let shown = json(dir.path(), &[&["--env-file", dotenv, "env", "show"], name].concat(), 0);
        assert_eq!(
            (&shown["environment"]["name"], &shown["environment"]["pool"]["size"]),
            (&"staging".into(), &7.into()),
            "pool settings too"
        );
    }
    let child = perfctl(dir.path(), &["--from-env", "env", "show", "--json"])
        .env("API_BASE_URL", "http://127.0.0.1:2")
        .spawn()
        .expect("perfctl starts");
    let shown: Value = serde_json::from_slice(&finish(child).stdout).expect("JSON");
    assert_eq!(
        shown["environment"]["targets"]["api"]["url"], "http://127.0.0.1:2",
        "variables are read when asked for"
    );
}

#[test]
fn an_environment_of_a_file_has_the_files_own_name() {
    let dir = temp();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.to_str().expect("UTF-8").to_owned()
    };
    let dotenv = file("app.env", "RAILS_ENV=production\nREDIS_URL=redis://127.0.0.1:1\n");
    let config =
        file("c.toml", "name = \"clinic\"\nkind = \"production\"\n[targets]\ncache = \"redis://127.0.0.1:1\"\n");
    json(dir.path(), &["env", "add", "stored", "--cache", "redis://127.0.0.1:1"], 0);
    let load = ["--mix", "get=1", "--rate", "100", "-d", "1s", "-c", "1", "--confirm"];
    for (option, path, own) in [("--env-file", &dotenv, "production"), ("--config", &config, "clinic")] {
        for words in [
            &["env", "test", "stored"][..],
            &["env", "show", "stored"],
            &["monitor", "--for", "1s", "--env", "stored"],
            &[&["bench", "cache", "--env", "stored"], &load[..], &["stored"]].concat(),
        ] {
            let (code, out, err) = run(dir.path(), &[&[option, path.as_str()], words].concat());
            assert_eq!((code, out.as_str()), (2, ""), "{option} {words:?}: {err}");
            assert!(err.contains(option) && err.contains(&format!("called '{own}'")), "it names both: {err}");
            assert!(err.contains("hint: "), "and what to do: {err}");
        }
        let invented = [&[option, path.as_str(), "bench", "cache"], &load[..], &["whatever"]].concat();
        let (code, _, err) = run(dir.path(), &invented);
        assert!(code == 1 && err.contains(own), "{option}: an invented name confirms nothing: {err}");
    }
}

#[test]
fn what_a_configuration_file_says_is_read_or_refused() {
    let dir = temp();
    let path = dir.path().join("c.toml");
    let config = path.to_str().expect("UTF-8");
    let docs = include_str!("../../../../docs/environments.md");
    let example = docs.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0;
    std::fs::write(&path, example).expect("write");
    let shown = json(dir.path(), &["--config", config, "env", "show"], 0);
    assert_eq!(shown["environment"]["guards"]["max_rate_per_s"], 500.0, "the documentation's example is read: {shown}");
    let url = "\"postgres://u:canary-secret@127.0.0.1:1/d\"";
    for (text, parts) in [
        (
            format!("name = \"c\"\ndatabase = {url}\n"),
            &["line 2: a field is not known", "'database' belongs under [targets]"][..],
        ),
        (format!("name = \"c\"\n[targets]\ndatabse = {url}\n"), &["line 3", "'databse'", "did you mean 'database'?"]),
        ("name = \"c\"\ncanary-secret = 1\n".to_owned(), &["line 2: a field is not known; there are `name`"]),
        ("name = \"c\"\n[pool]\nsize = 1\ncanary-secret = 1\n".to_owned(), &["line 4: a field is not known"]),
        ("name = \"c\"\n[guards]\nread_only = true\ncanary-secret = 1\n".to_owned(), &["line 4: a field is not known"]),
        (
            "name = \"c\"\n[targets]\ndatabase_password = { kind = \"env\", name = \"X\", canary-secret = 1 }\n"
                .to_owned(),
            &["line 3: a field is not known"],
        ),
        (
            format!(
                "name = \"c\"\n[targets]\ndatabase = {url}\ndatabase_password = {{ kind = \"env\", name = \"X\" }}\n"
            ),
            &["database_password: The address has a password too"],
        ),
        ("name = \"c\"\n".to_owned(), &["'c' has no targets", "nothing to test"]),
    ] {
        std::fs::write(&path, &text).expect("write");
        let (code, out, err) = run(dir.path(), &["--config", config, "env", "test"]);
        assert_eq!((code, out.as_str()), (2, ""), "{text}: {err}");
        assert!(!err.contains("canary") && err.contains("hint: "), "no text of the file, and what to do: {err}");
        for part in parts {
            assert!(err.contains(part), "{text}\nsays '{part}': {err}");
        }
    }
}

#[test]
fn of_two_passwords_none_is_dropped() {
    let dir = temp();
    let dotenv = dir.path().join(".env");
    std::fs::write(&dotenv, "DATABASE_URL=postgres://u:canary-secret@127.0.0.1:1/d\n").expect("write");
    let dotenv = dotenv.to_str().expect("UTF-8");
    for (words, name) in [
        (
            &["--database", "postgres://u:canary-secret@127.0.0.1:1/d", "--database-password-env", "X"][..],
            "database_password",
        ),
        (&["--cache", "redis://:canary-secret@127.0.0.1:1", "--cache-password-env", "X"], "cache_password"),
        (
            &[
                "--cache",
                "redis+sentinel://127.0.0.1:1/0?master=m&sentinel_password=canary-secret",
                "--cache-sentinel-password-env",
                "X",
            ],
            "cache_sentinel_password",
        ),
        (&["--env-file", dotenv, "--database-password-env", "X"], "--database-password-env and --env-file"),
        (&["--env-file", dotenv, "--ask-database-password"], "--ask-database-password and --env-file"),
    ] {
        let (code, out, err) = run(dir.path(), &[&["env", "add", "two"], words].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(name) && err.contains("hint: ") && !err.contains("canary"), "{words:?}: {err}");
    }
    let other = ["--env-file", dotenv, "env", "add", "other", "--database", "postgres://u@127.0.0.2:1/d"];
    let added = json(dir.path(), &other, 0);
    assert_eq!(
        added["environment"]["targets"]["database"]["password"]["kind"], "none",
        "the file's password does not go to another server: {added}"
    );
}

#[test]
fn a_setting_that_is_not_understood_is_refused() {
    let dir = temp();
    for (name, value) in
        [("PERFDECK_SECRET_STORE", "vault"), ("PERFDECK_SECRET_STORE", "FILE"), ("PERFDECK_LOG", "canary-secret")]
    {
        let child = perfctl(dir.path(), &["env", "list"]).env(name, value).spawn().expect("perfctl starts");
        let output = finish(child);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{name}={value}: {err}");
        assert!(err.contains(name) && err.contains("hint: Set it to") && !err.contains("canary"), "{err}");
    }
}

#[test]
fn with_json_errors_are_on_stderr_only() {
    let dir = temp();
    for words in [&["env", "show", "nobody", "--json"][..], &["bench", "http", "ftp://h/", "--json"]] {
        let (code, out, err) = run(dir.path(), words);
        assert!(code != 0 && out.is_empty(), "{words:?}: {out}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn a_benchmark_keeps_its_contract() {
    let dir = temp();
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let run_ = bench(
        dir.path(),
        &[&target.url(), "-c", "4", "-d", "1s", "--warmup", "200ms", "--rate", "100", "-H", "X-Test: 1", "--name", "n"],
    );
    assert_eq!(run_["schema"], "perfdeck.run/1", "the run names its schema");
    for field in [
        "id",
        "engine",
        "requests",
        "errors",
        "duration_s",
        "rate_per_s",
        "response_ms",
        "service_ms",
        "schedule_lag_ms",
        "client_cpu_s",
        "valid",
        "invalid_reasons",
    ] {
        assert!(!run_[field].is_null(), "others rely on {field}");
    }
    for p in ["p50", "p90", "p99", "p999", "max"] {
        assert!(run_["response_ms"][p].is_number(), "others rely on response_ms.{p}");
    }
    let requests = run_["requests"].as_u64().expect("a count");
    assert!((50..=120).contains(&requests), "about 100 a second for a second, got {requests}");
    assert_eq!(run_["errors"], 0, "the target answers");
    let id = run_["id"].as_str().expect("an id");
    assert_eq!(json(dir.path(), &["run", "show", id], 0)["id"], id, "the run is stored");
    assert_eq!(json(dir.path(), &["run", "list"], 0)["runs"][0]["id"], id, "and listed");
    let (code, out, _) = run(dir.path(), &["run", "show", id]);
    assert!(code == 0 && out.contains("response time") && out.contains("p99.9"), "people get a page: {out}");
}

#[test]
fn a_refused_port_is_not_a_result() {
    let dir = temp();
    // A port that was just free: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let url = format!("http://127.0.0.1:{port}/");
    let (code, out, err) =
        run(dir.path(), &["bench", "http", &url, "-c", "1", "-d", "300ms", "--warmup", "0s", "--json"]);
    assert!(code == 1 || code == 4, "failed or invalid, never fine: {code} {err}");
    if let Ok(run_) = serde_json::from_str::<Value>(&out) {
        assert_eq!(run_["valid"], false, "a run that is there is invalid");
    } else {
        assert!(err.contains("error: "), "1 goes with an error: {err}");
    }
}

#[cfg(unix)]
#[test]
fn production_is_read_only_until_it_is_unlocked_for_the_run() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let (dir, url) = (temp(), target.url());
    json(dir.path(), &["env", "add", "clinic", "--kind", "production", "--api", &url], 0);
    let plan = ["bench", "http", &url, "--env", "clinic", "--method", "POST", "--rate", "100", "-c", "2", "-d", "1s"];
    let with = |more: &[&'static str]| -> Vec<&str> { plan.iter().copied().chain(more.iter().copied()).collect() };
    let (code, _, err) = run(dir.path(), &with(&["--confirm", "clinic"]));
    assert_eq!(code, 1, "a write is refused: {err}");
    assert!(err.contains("read-only") && err.contains("hint: "), "it says why and what to do: {err}");
    let refused = ["bench", "http", &url, "--env", "clinic", "--method", "POST", "--rate", "900", "-d", "1s"];
    let (code, _, err) = run(dir.path(), &[&refused[..], &["--unlock", "--confirm", "clinic"]].concat());
    assert!(code == 1 && err.contains("100"), "unlocked, a guard can still refuse: {err}");
    let (code, _, err) = run(dir.path(), &with(&["--unlock"]));
    assert!(code == 1 && err.contains("name typed"), "unlocking needs the name: {err}");
    let sent = || target.requests();
    let before = sent();
    let (code, _, err) = run(dir.path(), &with(&["--unlock", "--confirm", "clinic", "--warmup", "0s"]));
    assert!(code == 0 || code == 4, "unlocked and confirmed, it runs: {err}");
    assert!(sent() >= before + 10, "and sends its requests: {} then {}", before, sent());
    let (code, _, err) = run(dir.path(), &with(&["--confirm", "clinic"]));
    assert!(code == 1 && err.contains("read-only"), "the lock was open for that run only: {err}");
    let journal = json(dir.path(), &["journal", "--env", "clinic"], 0);
    assert_eq!(journal["schema"], "perfdeck.journal/1", "the answer names its schema");
    let kinds: Vec<&str> =
        journal["entries"].as_array().expect("entries").iter().rev().filter_map(|e| e["kind"].as_str()).collect();
    let unlocked = journal["entries"].as_array().expect("entries").iter().find(|e| e["kind"] == "unlocked");
    assert_eq!(unlocked.map(|e| &e["text"]), Some(&"changes are allowed for this run".into()), "and no longer");
    let all = ["created", "load_refused", "load_refused", "unlocked", "load_started", "load_ended", "load_refused"];
    assert_eq!(kinds, all, "everything that happened, in order: {journal}");
    let (code, out, _) = run(dir.path(), &["journal", "--limit", "1"]);
    assert!(code == 0 && out.contains("load refused") && out.contains("read-only"), "and as a table: {out}");
}

#[test]
fn a_public_host_is_shown_and_guarded_before_anything_is_sent() {
    let dir = temp();
    // An address of TEST-NET-3 (RFC 5737), which is nobody's; the guard refuses before it is used.
    let plan = ["bench", "http", "http://203.0.113.1/", "-d", "1s", "--warmup", "0s", "--timeout", "1s"];
    let (code, _, err) = run(dir.path(), &plan);
    assert_eq!(code, 1, "a closed loop is refused: {err}");
    assert!(err.contains("Load goes to 203.0.113.1"), "its address comes first: {err}");
    assert!(err.contains("203.0.113.1 is a public address") && err.contains("explicit rate"), "and the reason: {err}");
    let (code, _, err) = run(dir.path(), &[plan.as_slice(), &["--rate", "10"]].concat());
    assert!(code == 1 && err.contains("needs its name typed") && err.contains("--confirm"), "and a word: {err}");
}

#[cfg(unix)]
#[test]
fn connections_that_do_not_fit_into_the_open_files_are_refused() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let dir = temp();
    let limited = |limit: &str, connections: &str| {
        // A shell lowers the limit for perfctl alone.
        let script = format!(
            "ulimit -n {limit} && exec \"$0\" bench http {} -c {connections} -d 300ms --warmup 0s",
            target.url()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_perfctl")]).env("PERFDECK_DATA_DIR", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = finish(command.spawn().expect("a shell"));
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = limited("100", "90");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("do not fit into the 100 files") && err.contains("hint: Ask for at most"), "{err}");
    assert_eq!(target.requests(), 0, "before anything is sent");
    let (code, err) = limited("200", "50");
    assert!(code == 0 || code == 4, "fewer fit: {code} {err}");
    assert!(!err.contains("Too many open files"), "{err}");
}

#[test]
fn the_noise_of_a_target_is_measured() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello").after(Duration::from_millis(2))).expect("target");
    let (dir, url) = (temp(), target.url());
    let load = ["-c", "4", "-d", "300ms", "--warmup", "0s", "--pairs", "6", "--rest", "0s"];
    let output = finish(
        perfctl(dir.path(), &[["bench", "duet", &url, "--noise", "--json"].as_slice(), &load].concat())
            .spawn()
            .expect("perfctl starts"),
    );
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["name"], format!("Noise of {url}"), "it says what it is");
    let (code, _, err) = run(dir.path(), &["bench", "duet", &url, &url, "--noise"]);
    assert!(code == 2 && err.contains("cannot be used with"), "noise has one side: {err}");
}

#[test]
fn activity_answers_by_its_schema_and_says_what_is_missing() {
    let dir = temp();
    let file = dir.path().join("app.db");
    std::fs::write(&file, []).expect("an empty database");
    let url = format!("sqlite:{}", file.display());
    json(dir.path(), &["env", "add", "local", "--database", &url], 0);
    let found = json(dir.path(), &["db", "activity", "--env", "local"], 0);
    assert_eq!(found["schema"], "perfdeck.activity/1", "the answer names its schema");
    assert_eq!(found["statements"], serde_json::json!([]), "SQLite has no sessions");
    json(dir.path(), &["env", "add", "bare", "--api", "http://127.0.0.1:1/"], 0);
    let (code, _, err) = run(dir.path(), &["db", "activity", "--env", "bare"]);
    assert!(code == 1 && err.contains("has no database") && err.contains("hint: "), "it says what is missing: {err}");
}

#[test]
fn a_duet_finds_the_slower_target_and_two_runs_alone_prove_nothing() {
    let fast = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let slow = ScriptedHttp::start_now(|_| Answer::ok("hello").after(Duration::from_millis(10))).expect("target");
    let (dir, a, b) = (temp(), fast.url(), slow.url());
    let load = ["-c", "8", "-d", "300ms", "--warmup", "0s"];
    let duet = [["bench", "duet", &a, &b, "--pairs", "6", "--rest", "0s"].as_slice(), &load].concat();
    let found = json(dir.path(), &duet, 3);
    assert_eq!(found["schema"], "perfdeck.comparison/1", "the answer names its schema");
    assert_eq!(found["verdict"], "slower", "a target that takes ten milliseconds longer: {}", found["sentence"]);
    let throughput = &found["metrics"][0];
    assert_eq!(throughput["name"], "throughput", "what was chosen beforehand comes first");
    assert_eq!(throughput["pairs"], 6, "all pairs count");
    assert!(
        throughput["high"].as_f64().is_some_and(|high| high < -0.05),
        "the whole interval lies beyond the minimum effect: {throughput}"
    );
    assert_eq!(found["order"].as_array().map(Vec::len), Some(6), "the order of each pair is kept");
    let (x, y) = (found["runs_a"][0].as_str().expect("a run"), found["runs_b"][0].as_str().expect("a run"));
    let single = json(dir.path(), &["bench", "compare", x, y], 0);
    assert_eq!(single["kind"], "indicative", "one run a side");
    assert_eq!(single["verdict"], "inconclusive", "is no verdict, however large the difference");
    let (code, _, err) = run(dir.path(), &["bench", "duet", &a, &b, "--pairs", "5"]);
    assert!(code == 2 && err.contains("between 6 and 100"), "five pairs can prove nothing: {err}");
}

#[test]
fn the_knee_is_where_the_objective_stops_holding() {
    // Four at a time, five milliseconds each: more connections only wait longer.
    let slots = std::sync::Arc::new(std::sync::Mutex::new([Instant::now(); 4]));
    let target = ScriptedHttp::start_now(move |_| {
        let mut slots = slots.lock().expect("slots");
        let now = Instant::now();
        let free = slots.iter_mut().min().expect("a slot");
        *free = (*free).max(now) + Duration::from_millis(5);
        Answer::ok("hello").after(*free - now)
    })
    .expect("target");
    let (dir, url) = (temp(), target.url());
    let steps = ["--step", "900ms", "--confirm-for", "900ms", "--warmup", "100ms"];
    let plan = [["bench", "knee", &url, "--slo", "p50<14ms", "--max", "64"].as_slice(), &steps].concat();
    let found = json(dir.path(), &plan, 0);
    assert_eq!(found["schema"], "perfdeck.knee/1", "the answer names its schema");
    assert_eq!(found["state"], "found", "it is found and confirmed: {}", found["sentence"]);
    let at = found["concurrency"].as_u64().expect("a concurrency");
    assert!((6..=12).contains(&at), "four busy slots and as many waiting or a little more: {at}");
    assert!(found["rate_per_s"].as_f64().is_some_and(|r| (500.0..900.0).contains(&r)), "at most 4 in 5 ms: {found}");
    let never = [["bench", "knee", &url, "--slo", "p50<1ms", "--max", "8"].as_slice(), &steps].concat();
    assert_eq!(json(dir.path(), &never, 3)["state"], "never_holds", "no concurrency is fast enough");
    let (code, _, err) = run(dir.path(), &["bench", "knee", &url, "--slo", "fast"]);
    assert!(code == 2 && err.contains("not an objective") && err.contains("hint: "), "it says how to write it: {err}");
}

#[test]
fn a_plan_is_checked_run_and_judged_by_its_thresholds() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello").after(Duration::from_millis(2))).expect("target");
    let dir = temp();
    let file = dir.path().join("plan.toml");
    let path = file.to_str().expect("UTF-8");
    let write = |thresholds: &str| {
        let text = format!(
            "name = \"browse\"\nbase_url = \"{}\"\nduration = \"1s\"\nthresholds = [{thresholds}]\n\
             [load]\nkind = \"closed\"\nconnections = 4\n[[steps]]\nname = \"home\"\nkind = \"http\"\npath = \"/\"\n",
            target.url()
        );
        std::fs::write(&file, text).expect("write");
    };
    write("\"p50 < 500ms\", \"p75 < 500ms\", \"errors < 0.1%\"");
    assert_eq!(run(dir.path(), &["bench", "plan", "check", path]).0, 0, "a good plan is fine");
    let good = json(dir.path(), &["bench", "run", path], 0);
    assert_eq!(good["name"], "browse", "the run carries the plan's name");
    assert_eq!(good["thresholds"][0]["ok"], true, "a threshold that holds: {}", good["thresholds"]);
    write("\"p50 < 1ms\"");
    let bad = json(dir.path(), &["bench", "run", path], 3);
    assert_eq!(bad["thresholds"][0]["ok"], false, "one that does not makes it 3: {}", bad["thresholds"]);
    std::fs::write(
        &file,
        "name = \"x\"\n[[steps]]\nname = \"login\"\nkind = \"http\"\npath = \"/\"\nmethud = \"GET\"\n",
    )
    .expect("write");
    let (code, _, err) = run(dir.path(), &["bench", "run", path]);
    assert!(code == 2 && err.contains("login") && err.contains("method"), "a typing error names its step: {err}");
    let curl = dir.path().join("curl.txt");
    std::fs::write(&curl, "curl 'http://127.0.0.1:1/a?b=1' -H 'Authorization: Bearer canary-curl'").expect("write");
    let (code, out, err) = run(dir.path(), &["bench", "plan", "import", "curl", curl.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "a curl command is read: {err}");
    assert!(out.contains("/a?b=1") && out.contains("env:"), "it becomes a plan: {out}");
    assert!(!out.contains("canary") && !err.contains("canary"), "its secret becomes a reference: {out} {err}");
}

#[test]
fn a_plan_is_handed_over_and_its_results_are_read_back() {
    let dir = temp();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.to_str().expect("UTF-8").to_owned()
    };
    let plan = file(
        "plan.toml",
        "name = \"browse\"\nbase_url = \"http://127.0.0.1:1\"\n[auth]\nkind = \"bearer\"\ntoken = \"env:TOKEN\"\n\
         [[steps]]\nname = \"home\"\nkind = \"http\"\npath = \"/\"\n",
    );
    for (engine, main) in [("k6", "script.js"), ("locust", "locustfile.py")] {
        let out = dir.path().join(engine);
        let out = out.to_str().expect("UTF-8");
        let (code, written, err) = run(dir.path(), &["bench", "export", &plan, "--to", engine, "--out", out]);
        assert_eq!(code, 0, "{engine}: {err}");
        assert!(written.contains(main), "what was written is on stdout: {written}");
        assert!(err.contains("run it with"), "and how to run it on stderr: {err}");
        assert!(dir.path().join(engine).join(main).is_file(), "{main} is there");
    }
    let results = file(
        "perfdeck.ndjson",
        r#"{"schema":"perfdeck.locust/1","step":"home","requests":200,"errors":0,"started_ms":1.7e12,"finished_ms":1.70000001e12,"errors_by":{},"service_us":[[5000,200]],"seconds":[[0,200,0]]}"#,
    );
    let read = json(dir.path(), &["bench", "import", "locust", &results], 0);
    assert_eq!((&read["schema"], &read["requests"]), (&"perfdeck.run/1".into(), &200.into()), "it is a run: {read}");
    assert!(read["response_ms"].is_null(), "what Locust cannot tell stays empty");
    let listed = json(dir.path(), &["run", "list"], 0);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "and it is stored: {listed}");
    let broken = file("broken.ndjson", "{nonsense");
    let (code, _, err) = run(dir.path(), &["bench", "import", "locust", &broken]);
    assert!(code == 2 && err.contains("broken.ndjson"), "a file that cannot be read is named: {err}");
}

#[test]
fn sql_and_cache_are_loaded_from_the_command_line() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (database, cache) = runtime.block_on(async {
        let database = perfdeck_testkit::Postgres::start().await.expect("PostgreSQL");
        database.execute("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 100) i").await.expect("rows");
        (database, perfdeck_testkit::Redis::start().await.expect("Redis"))
    });
    let dir = temp();
    let file = dir.path().join("shop.env");
    let text = format!("DATABASE_URL={}\nREDIS_URL={}\n", database.url(), cache.url());
    std::fs::write(&file, text).expect("write");
    let shop = file.to_str().expect("UTF-8");
    let (_, out, err) = run(
        dir.path(),
        &[
            "--env-file",
            shop,
            "bench",
            "sql",
            "--sql",
            "SELECT id FROM t WHERE id = $1",
            "--param",
            "uniform:1..100",
            "-d",
            "500ms",
            "--warmup",
            "0s",
            "--threshold",
            "errors < 1%",
            "--json",
        ],
    );
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    assert_eq!((&found["errors"], found["requests"].as_u64() > Some(10)), (&0.into(), true), "statements ran: {found}");
    assert_eq!(found["thresholds"][0]["ok"], true, "and the threshold was judged");
    let (_, out, err) = run(
        dir.path(),
        &["--env-file", shop, "bench", "cache", "--pipeline", "8", "-d", "500ms", "--warmup", "0s", "--json"],
    );
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    assert!(found["engine"].as_str().is_some_and(|e| e.contains("resp")), "the raw engine took it: {found}");
    assert_eq!(found["errors"], 0, "without errors");
    let sql = "SELECT -771199, 998877, 'canary-secret' FROM t WHERE id = 1 LIMIT 20";
    let (_, out, err) = run(
        dir.path(),
        &["--env-file", shop, "bench", "sql", "--sql", sql, "-d", "500ms", "--warmup", "0s", "-c", "1"],
    );
    let (_, journal, _) = run(dir.path(), &["journal", "--json"]);
    let (_, runs, _) = run(dir.path(), &["run", "list", "--env", "development", "--env-file", shop, "--json"]);
    for (what, text) in [("the run", &out), ("stderr", &err), ("the journal", &journal), ("the store", &runs)] {
        for literal in ["771199", "998877", "canary"] {
            assert!(!text.contains(literal), "{what} has no {literal}: {text}");
        }
    }
    assert!(journal.contains("SELECT -•••, •••, '•••' FROM t WHERE id = 1 LIMIT 20"), "the rest is there: {journal}");
    let (code, out, err) = run(dir.path(), &["--env-file", shop, "env", "test"]);
    assert!(code == 0 && !out.contains("<U+") && !err.contains("<U+"), "statements to run are lines: {out} {err}");
    let (code, _, err) = run(dir.path(), &["bench", "sql", "--env", "demo2", "--sql", "SELECT 1"]);
    assert!(code != 0 && err.contains("demo2"), "an environment that is not there is named: {err}");
}

#[test]
fn hooks_switch_one_target_between_its_states() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let (dir, url) = (temp(), target.url());
    let (one, two) = (dir.path().join("a"), dir.path().join("b"));
    let (hook_a, hook_b) = (format!("mkdir -p {}", one.display()), format!("mkdir -p {}", two.display()));
    let plan = ["bench", "duet", &url, "--hook-a", &hook_a, "--hook-b", &hook_b, "--pairs", "6", "--rest", "0s"];
    let plan = [plan.as_slice(), &["-c", "4", "-d", "200ms", "--warmup", "0s"]].concat();
    let (code, _, err) = run(dir.path(), &plan);
    assert!(one.is_dir() && two.is_dir(), "both hooks ran: {err}");
    assert!(matches!(code, 0 | 3 | 4), "and the duet has an outcome: {code} {err}");
    let failing = ["bench", "duet", &url, "--hook-a", "false", "--hook-b", "true", "-d", "200ms"];
    let (code, _, err) = run(dir.path(), &failing);
    assert!(code == 1 && err.contains("hook 'false'") && err.contains("hint: "), "a failed hook ends it: {err}");
}

#[test]
fn ctrl_c_still_gives_what_was_measured() {
    let dir = temp();
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let child = perfctl(
        dir.path(),
        &["bench", "http", &target.url(), "-c", "1", "--rate", "50", "-d", "50s", "--warmup", "0s", "--json"],
    )
    .spawn()
    .expect("perfctl starts");
    eventually_blocking(DEADLINE, || target.requests() >= 30);
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(stopped.success(), "the signal is sent to our own child");
    let output = finish(child);
    assert_eq!(output.status.code(), Some(1), "a run that was stopped is not a success");
    let run_: Value = serde_json::from_slice(&output.stdout).expect("the partial result is JSON");
    assert_eq!(run_["state"], "interrupted", "and says that it is partial");
}

#[test]
fn samples_come_one_to_a_line() {
    let dir = temp();
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let _ = json(dir.path(), &["env", "add", "api", "--api", &target.url(), "--host", "local"], 0);
    let (code, out, err) = run(dir.path(), &["monitor", "--env", "api", "--for", "4s", "--json"]);
    assert_eq!(code, 0, "all targets answer: {err}");
    let samples: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).expect("a line is a sample")).collect();
    assert!(samples.len() >= 2, "one a second, got {}", samples.len());
    for sample in &samples {
        assert_eq!(sample["schema"], "perfdeck.sample/1", "each names its schema");
        assert!(sample["series"].is_object() && sample["targets"].is_array() && sample["own"].is_object(), "{sample}");
    }
    assert!(samples.windows(2).all(|w| w[0]["t_ms"].as_f64() < w[1]["t_ms"].as_f64()), "times ascend");
    let last = samples.last().expect("there is one");
    assert!(last["series"]["api.probe.total"].is_number(), "the probe is measured: {last}");
}

#[test]
fn a_target_that_is_down_makes_the_samples_incomplete() {
    let dir = temp();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let _ = json(dir.path(), &["env", "add", "down", "--api", &format!("http://127.0.0.1:{port}")], 0);
    let (code, out, err) = run(dir.path(), &["monitor", "--env", "down", "--for", "4s", "--json"]);
    assert_eq!(code, 4, "a target that does not answer is not fine: {out} {err}");
    assert!(err.contains("error: "), "and it says which: {err}");
}

#[test]
fn the_server_prints_its_address_and_answers() {
    let dir = temp();
    let token_file = dir.path().join("token");
    let mut child =
        perfctl(dir.path(), &["serve", "--token-file", token_file.to_str().expect("UTF-8")]).spawn().expect("starts");
    let mut url = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut url).expect("a line");
    let token = std::fs::read_to_string(&token_file).expect("the token is written");
    let (address, fragment) = url.trim().split_once("/#token=").expect("the token is in the fragment");
    assert_eq!(fragment, token.trim(), "and is the one in the file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&token_file).expect("file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read it");
    }
    let address = address.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("deadline");
    let request = format!(
        "POST /api/rpc/env.list HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {fragment}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    child.kill().expect("child is ours");
    child.wait().expect("child is ours");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"demo\""), "the registry answers: {answer}");
}

#[test]
fn a_report_is_written_where_it_was_asked_for() {
    let dir = temp();
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let _ = json(dir.path(), &["env", "add", "api", "--api", &target.url()], 0);
    let _ =
        bench(dir.path(), &[&target.url(), "--env", "api", "-c", "2", "-d", "1s", "--warmup", "0s", "--rate", "100"]);
    let (html, data) = (dir.path().join("r.html"), dir.path().join("d.json"));
    let args =
        ["report", "--env", "api", "--out", html.to_str().expect("UTF-8"), "--json-out", data.to_str().expect("UTF-8")];
    let written = json(dir.path(), &args, 0);
    assert_eq!(written["schema"], "perfdeck.report_file/1", "the answer names its schema");
    assert!(std::fs::read_to_string(&html).expect("HTML").contains("<svg"), "the page has charts");
    let document: Value = serde_json::from_slice(&std::fs::read(&data).expect("JSON")).expect("JSON");
    assert_eq!(document["schema"], "perfdeck.report/1", "the data is the report's document");
    let (code, _, err) = run(dir.path(), &["report", "--env", "demo", "--out", "x.html"]);
    assert_eq!(code, 1, "nothing to report is a failure: {err}");
}

#[test]
fn the_tour_of_the_demo_ends_with_its_run_in_a_report() {
    let dir = temp();
    let out = dir.path().join("demo.html");
    let tour = json(dir.path(), &["demo", "--tour", "--out", out.to_str().expect("UTF-8")], 0);
    assert_eq!(tour["schema"], "perfdeck.tour/1", "the answer names its schema");
    assert!(tour["run"]["requests"].as_u64() > Some(0), "the demo answers: {}", tour["run"]["errors_by_class"]);
    assert_eq!(tour["report"]["run_ids"][0], tour["run"]["id"], "the report is about this run");
    assert!(out.exists() && out.with_extension("json").exists(), "and is where it was asked for");
}

#[test]
fn colour_is_off_when_asked() {
    let dir = temp();
    let child = perfctl(dir.path(), &["env", "show", "nobody"]).env("NO_COLOR", "1").spawn().expect("perfctl starts");
    let output = finish(child);
    assert!(!output.stderr.contains(&0x1b), "NO_COLOR is honoured");
    assert!(output.stderr.starts_with(b"error: "), "the words carry the meaning");
}

#[test]
fn shells_and_manual_need_no_store() {
    let dir = temp();
    let store = dir.path().join("never");
    for (args, needle) in [
        (&["completions", "bash"][..], "perfctl"),
        (&["man"], ".TH perfctl"),
        (&["--help"], "Exit codes"),
        (&["--version"], "perfctl "),
    ] {
        let (code, out, err) = run(&store, args);
        assert!(code == 0 && out.contains(needle), "{args:?} writes to stdout: {err}");
    }
    assert!(!store.exists(), "and touches no data folder");
}

#[test]
fn schemas_are_those_in_the_documentation() {
    let dir = temp();
    let (code, _, err) = run(dir.path(), &["schemas", dir.path().join("s").to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "schemas are written: {err}");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/schemas");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path().join("s")).expect("folder") {
        let entry = entry.expect("entry");
        let now = std::fs::read_to_string(entry.path()).expect("schema");
        let then = std::fs::read_to_string(kept.join(entry.file_name())).unwrap_or_default();
        // A checkout on Windows may have turned line ends.
        assert_eq!(
            then.replace("\r\n", "\n"),
            now,
            "{:?} is stale: run 'perfctl schemas docs/schemas'",
            entry.file_name()
        );
        seen += 1;
    }
    assert!(seen >= 9, "every answer has a schema");
}
