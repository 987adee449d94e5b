//! Benchmarks: their contract, comparisons, plans, load on databases and caches.
use std::process::Command;
use std::time::{Duration, Instant};

use perfdeck_testkit::{Answer, ScriptedHttp, eventually_blocking};
use serde_json::Value;

use super::{DEADLINE, bench, finish, json, perfctl, run, temp};

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
