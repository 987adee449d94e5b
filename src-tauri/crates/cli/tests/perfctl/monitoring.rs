//! Samples, activity, the server, reports, the tour.
use std::io::{BufRead, BufReader, Read, Write};

use perfdeck_testkit::{Answer, ScriptedHttp};
use serde_json::Value;

use super::{DEADLINE, bench, json, perfctl, run, temp};

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
fn activity_answers_by_its_schema_and_says_what_is_missing() {
    let dir = temp();
    let file = dir.path().join("app.db");
    std::fs::write(&file, []).expect("an empty database");
    let url = format!("sqlite:{}", file.display());
    json(dir.path(), &["env", "add", "local", "--database", &url], 0);
    // Who works in a file, or waits for its lock, is told to nobody outside: that is not nobody.
    let found = json(dir.path(), &["db", "activity", "--env", "local"], 0);
    assert_eq!(found["schema"], "perfdeck.activity/2", "the answer names its schema");
    assert_eq!(found["sessions"], serde_json::json!([]), "SQLite has no sessions");
    for command in ["activity", "locks"] {
        let (code, out, err) = run(dir.path(), &["db", command, "--env", "local"]);
        assert!(code == 0 && err.contains("told to nobody outside"), "{command}: {code} {out}{err}");
        assert!(!err.contains("Nobody waits") && !err.contains("Nothing runs"), "{command}: {err}");
    }
    json(dir.path(), &["env", "add", "bare", "--api", "http://127.0.0.1:1/"], 0);
    let (code, _, err) = run(dir.path(), &["db", "activity", "--env", "bare"]);
    assert!(code == 1 && err.contains("has no database") && err.contains("hint: "), "it says what is missing: {err}");
}

#[test]
fn pools_and_health_answer_by_their_schemas_and_the_code_tells() {
    let dir = temp();
    let file = dir.path().join("app.db");
    std::fs::write(&file, []).expect("an empty database");
    json(dir.path(), &["env", "add", "local", "--database", &format!("sqlite:{}", file.display())], 0);
    let pools = json(dir.path(), &["db", "pool", "--env", "local"], 0);
    assert_eq!(pools["schema"], "perfdeck.pools/1", "the answer names its schema");
    assert_eq!((&pools["applications"], &pools["limits"]), (&serde_json::json!([]), &Value::Null), "a file has none");
    assert!(pools["note"].as_str().is_some_and(|n| n.contains("no sessions")), "and says why: {pools}");
    let health = json(dir.path(), &["db", "health", "--env", "local"], 0);
    assert_eq!(health["schema"], "perfdeck.health/1", "the answer names its schema");
    let state = |health: &Value, id: &str| {
        let checks = health["checks"].as_array().expect("checks").clone();
        checks.into_iter().find(|c| c["id"] == id).map(|c| c["state"].clone())
    };
    assert_eq!(state(&health, "integrity"), Some("ok".into()), "nothing is wrong with it: {health}");
    let (_, text, hints) = run(dir.path(), &["db", "health", "--env", "local"]);
    assert!(text.contains("Journal") && hints.contains("hint: PRAGMA journal_mode = WAL;"), "{text}{hints}");
    std::fs::write(&file, "this is no database, whatever its name says. ".repeat(200)).expect("written");
    let broken = json(dir.path(), &["db", "health", "--env", "local"], 3);
    assert_eq!(
        state(&broken, "reachable"),
        Some("failing".into()),
        "a verdict, not a failure of the command: {broken}"
    );
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
    assert_eq!(document["schema"], "perfdeck.report/2", "the data is the report's document");
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
fn the_pool_of_the_demo_is_sized_beside_what_pool_tells() {
    let dir = temp();
    let sql = "SELECT count(*) FROM staff";
    let asked = [
        "db",
        "pool",
        "size",
        "--env",
        "demo",
        "--statement",
        sql,
        "--max",
        "4",
        "--repeats",
        "2",
        "--warmup",
        "100ms",
    ];
    let (code, out, err) = run(dir.path(), &[&asked[..], &["-d", "300ms", "--instances", "2", "--json"]].concat());
    // Two cores that others use too may not bear a recommendation; what was measured is told all the same.
    assert!(code == 0 || code == 4, "{code}: {err}");
    let sizing: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(sizing["schema"], "perfdeck.pool_size/1", "it names its schema");
    assert_eq!(sizing["cells"].as_array().map(Vec::len), Some(8), "four sizes twice: {sizing}");
    assert_eq!(code == 0, sizing["refused"].is_null(), "the code tells: {sizing}");
    assert_eq!(sizing["recommended"].is_null(), sizing["settings"] == serde_json::json!([]), "{sizing}");
    assert!(sizing["room"].is_null() && sizing["cells"][0]["waits"].is_null(), "a file has no sessions: {sizing}");
    let (code, _, err) = run(dir.path(), &["db", "pool", "size", "--env", "demo"]);
    assert!(code == 2 && err.contains("hint: "), "without a statement: {err}");
    let pools = json(dir.path(), &["db", "pool", "--env", "demo"], 0);
    assert_eq!(pools["schema"], "perfdeck.pools/1", "what it told before it tells still");
}

#[test]
fn what_a_request_of_the_demo_costs_is_told_with_its_n_plus_1() {
    let dir = temp();
    let asked = ["db", "cost", "/staff/7/schedule", "--env", "demo", "--pairs", "6", "--block", "500ms"];
    let cost = json(dir.path(), &asked, 0);
    assert_eq!(cost["schema"], "perfdeck.cost/1", "it names its schema");
    assert_eq!(cost["totals"]["statements"]["mean"], 21.0, "{cost}");
    assert_eq!(cost["totals"]["cache"]["GET"]["mean"], 1.0, "{cost}");
    assert!(cost["totals"]["buffers"].is_null(), "SQLite counts no pages: {cost}");
    let sentence = cost["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("20 of 21 statements of a request are one: SELECT"), "{sentence}");
    let (code, _, err) = run(dir.path(), &["db", "cost", "/x", "--env", "demo", "--pairs", "5"]);
    assert_eq!(code, 2, "too few pairs: {err}");
}
