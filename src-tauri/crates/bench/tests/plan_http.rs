//! Plans of HTTP steps against real servers: scenarios, data, checks, redirects, cookies, stages.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::plan::Setting;
use perfdeck_model::{BenchPhase, CeilingKind, ErrorCode, Run, RunState, StepResult};
use perfdeck_testkit::{Answer, Request, ScriptedHttp};

fn step<'a>(run: &'a Run, name: &str) -> &'a StepResult {
    run.steps.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("there is no step {name}"))
}

fn class(run: &Run, name: &str) -> u64 {
    run.errors_by_class.iter().filter(|e| e.class == name).map(|e| e.count).sum()
}

/// Requests as method and path, credentials, and body.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// A target that keeps what it was asked.
fn target(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> (ScriptedHttp, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let server = ScriptedHttp::start_now(move |request| {
        let what = request.header("authorization").or(request.header("cookie")).unwrap_or_default().to_owned();
        let line = format!("{} {}", request.method, request.path);
        kept.lock().expect("lock").push((line, what, String::from_utf8_lossy(&request.body).into_owned()));
        answer(request)
    });
    (server.expect("a target"), seen)
}

const SHOP: &str = r#"
    name = "shop"
    scenario = true
    duration = "1s"
    thresholds = ["errors < 1%", "step:order p99 < 2s", "step:browse rate > 1000000/s"]
    [load]
    kind = "closed"
    connections = 4
    [auth]
    kind = "login"
    step = "login"
    var = "token"
    [[feeds]]
    name = "user"
    kind = "csv"
    file = "users.csv"
    [[steps]]
    name = "login"
    kind = "http"
    method = "POST"
    path = "/login"
    json = { user = "{{user.name}}" }
    extract = [{ var = "token", json_pointer = "/token" }]
    [[steps]]
    name = "browse"
    kind = "http"
    path = "/items?user={{user.id}}"
    extract = [{ var = "item", json_pointer = "/items/0/id" }]
    checks = [{ status = 200 }, { json_pointer = "/items/0/id" }]
    [[steps]]
    name = "order"
    kind = "http"
    method = "POST"
    path = "/orders/{{item}}"
    json = { user = "{{user.id}}", amount = 2 }
    checks = [{ status = "2xx" }, { body_contains = "order-{{item}}" }]
"#;

fn shop(request: &Request) -> Answer {
    match request.path.split('?').next().unwrap_or_default() {
        "/login" => Answer::ok(r#"{"token":"t-1"}"#),
        "/items" => Answer::ok(r#"{"items":[{"id":"i7"}]}"#),
        path => match path.strip_prefix("/orders/") {
            Some(item) => Answer::status(201, format!("order-{item}")),
            None => Answer::status(404, "?"),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_logs_in_draws_extracts_and_checks() {
    let (server, seen) = target(shop);
    let mut setting = Setting::at(&server.url());
    setting.files =
        BTreeMap::from([("users.csv".to_owned(), b"id,name\n1,ann\n2,bob\n3,cid\n4,dan\n5,eve\n".to_vec())]);
    let run = setting.run(SHOP).await;
    assert_eq!(run.errors, 0, "every step keeps its rules: {:?}", run.errors_by_class);
    assert!(run.valid, "and the run is valid: {:?}", run.invalid_reasons);
    let seen = seen.lock().expect("lock").clone();
    let logins: Vec<_> = seen.iter().filter(|(line, ..)| line == "POST /login").collect();
    assert_eq!(logins.len(), 4, "each connection logs in once");
    assert!(logins.iter().all(|(_, auth, body)| auth.is_empty() && body.contains("user")), "before it has a token");
    let orders: Vec<_> = seen.iter().filter(|(line, ..)| line.starts_with("POST /orders/")).collect();
    assert!(orders.iter().all(|(line, auth, _)| line == "POST /orders/i7" && auth == "Bearer t-1"), "with both values");
    let users: HashSet<&str> = seen.iter().filter_map(|(line, ..)| line.strip_prefix("GET /items?user=")).collect();
    assert_eq!(users.len(), 5, "the feed gives every user: {users:?}");
    assert_eq!(step(&run, "order").requests, orders.len() as u64, "a step counts what its target counted");
    assert_eq!(step(&run, "login").requests, 0, "the login is no part of an iteration");
    assert_eq!(run.iterations, Some(step(&run, "browse").requests), "an iteration begins with its first step");
    assert_eq!(run.requests, step(&run, "browse").requests + step(&run, "order").requests, "the steps add up");
    let held: Vec<bool> = run.thresholds.iter().map(|t| t.ok).collect();
    assert_eq!(held, [true, true, false], "thresholds are judged, by step too: {:?}", run.thresholds);
    assert_eq!(run.spec.request(), "shop: 3 steps", "the run says what it was");
    assert!(run.engine.contains("full"), "and which engine ran: {}", run.engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_and_missing_data_keep_a_run_from_beginning() {
    let (server, _) = target(|_| Answer::status(403, "no"));
    let mut setting = Setting::at(&server.url());
    let error = setting.try_run(SHOP).await.expect_err("no feed");
    assert!(error.message.contains("user") && error.message.contains("users.csv"), "{}", error.message);
    setting.files = BTreeMap::from([("users.csv".to_owned(), b"id,name\n1,ann\n".to_vec())]);
    let error = setting.try_run(SHOP).await.expect_err("no login");
    assert!(error.message.contains("step 'login'") && error.message.contains("403"), "{}", error.message);
    let cyclic = "name='c'\nvariables={a='{{b}}',b='{{a}}'}\n[[steps]]\nname='s'\nkind='http'\npath='/{{a}}'";
    let error = setting.try_run(cyclic).await.expect_err("a circle");
    assert!(error.message.contains("circle") && error.message.contains("'s'"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_share_the_iterations_out_and_steps_fail_alone() {
    let slow = Duration::from_millis(12);
    let (server, _) =
        target(move |r| if r.path == "/bad" { Answer::status(500, "x") } else { Answer::ok("ok").after(slow) });
    let plan = r#"
        name = "mix"
        duration = "1s"
        [load]
        kind = "open"
        rate_per_s = 1000
        max_in_flight = 16
        [[steps]]
        name = "good"
        kind = "http"
        path = "/good"
        weight = 3
        [[steps]]
        name = "bad"
        kind = "http"
        path = "/bad"
        weight = 1
        [[steps]]
        name = "never"
        kind = "http"
        path = "/never"
        weight = 0
    "#;
    let run = Setting::at(&server.url()).run(plan).await;
    let (good, bad) = (step(&run, "good"), step(&run, "bad"));
    assert_eq!(run.requests, 1000, "the schedule decides how many there are");
    let share = bad.requests as f64 / run.requests as f64;
    assert!((share - 0.25).abs() < 0.05, "a quarter is bad: {share}");
    assert_eq!((good.errors, bad.errors, step(&run, "never").requests), (0, bad.requests, 0), "each has its own");
    assert_eq!(class(&run, "status"), bad.requests, "a status is counted as such");
    let at = |figure: Option<f64>| figure.expect("it was measured");
    let (step_p50, all_p50) = (at(good.response_ms.as_ref().and_then(|l| l.p50)), at(run.latency().p50));
    assert!(step_p50 >= 12.0 && (step_p50 - all_p50).abs() < 0.05, "its own times: {step_p50} ms of {all_p50} ms");
    assert!(
        at(good.service_ms.p50) >= 12.0 && at(good.service_ms.max) < 1_000.0,
        "and service times: {:?}",
        good.service_ms
    );
    assert_eq!(bad.response_ms.as_ref().map(|l| l.n), Some(0), "failures are in no latency");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_that_fail_say_what_was_there() {
    let (server, _) = target(|_| Answer::ok(r#"{"state":"draft"}"#));
    let plan = r#"
        name = "check"
        duration = "300ms"
        [[steps]]
        name = "state"
        kind = "http"
        path = "/"
        checks = [{ json_pointer = "/state", equals = "final" }]
    "#;
    let run = Setting::at(&server.url()).run(plan).await;
    assert_eq!(class(&run, "check"), run.requests, "each fails");
    let sample = &run.errors_by_class[0].sample;
    assert!(sample.contains("step 'state'") && sample.contains("draft"), "it names step and value: {sample}");
    assert!(!run.valid, "without a success there are no figures");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_stay_with_hosts_that_the_plan_names() {
    let (other, other_seen) = target(|_| Answer::ok("elsewhere"));
    let away = format!("{}/evil", other.url());
    let (server, seen) = target(move |r| match r.path.as_str() {
        "/start" => Answer::status(302, "").header("location", "/end").header("set-cookie", "sid=42; Path=/"),
        "/away" => Answer::status(302, "").header("location", &away),
        "/loop" => Answer::status(301, "").header("location", "/loop"),
        _ => Answer::ok("here"),
    });
    let plan = |path: &str| {
        format!(
            "name='r'\nduration='300ms'\nload={{kind='closed',connections=1}}\n[[steps]]\nname='s'\nkind='http'\n\
             path='{path}'\nredirects=3\nchecks=[{{body_contains='here'}}]"
        )
    };
    let run = Setting::at(&server.url()).run(&plan("/start")).await;
    assert_eq!(run.errors, 0, "the location is gone to: {:?}", run.errors_by_class);
    let hops = seen.lock().expect("lock").clone();
    assert!(hops.iter().any(|(line, cookie, _)| line == "GET /end" && cookie == "sid=42"), "with the cookie");
    let run = Setting::at(&server.url()).run(&plan("/away")).await;
    assert_eq!(class(&run, "redirect"), run.requests, "another host is not gone to: {:?}", run.errors_by_class);
    assert!(other_seen.lock().expect("lock").is_empty(), "and got nothing");
    let run = Setting::at(&server.url()).run(&plan("/loop")).await;
    assert!(run.errors_by_class[0].sample.contains("more than 3"), "a circle ends: {:?}", run.errors_by_class);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_signs_in_at_one_host_is_not_sent_to_another() {
    let got = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = got.clone();
    let (other, _) = target(move |r| {
        keep.lock().expect("lock").extend(r.headers.clone());
        Answer::ok("here")
    });
    let there = format!("{}/end", other.url());
    let (server, _) = target(move |_| Answer::status(302, "").header("location", &there));
    let plan = format!(
        "name='r'\nscenario=true\nduration='300ms'\nload={{kind='closed',connections=1}}\n[[steps]]\nname='s'\nkind='http'\n\
         path='/start'\nredirects=3\nheaders={{Authorization='Bearer canary',X-Api-Key='canary',Cookie='s=canary',Accept='text/html'}}\n\
         [[steps]]\nname='t'\nkind='http'\nurl='{}/named'",
        other.url()
    );
    let run = Setting::at(&server.url()).run(&plan).await;
    assert_eq!(run.errors, 0, "the plan names that host: {:?}", run.errors_by_class);
    let got = got.lock().expect("lock").clone();
    assert!(got.iter().any(|(name, value)| name == "accept" && value == "text/html"), "other headers go along");
    assert!(!got.iter().any(|(_, value)| value.contains("canary")), "what signs in does not: {got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_errors_and_nothing_worse() {
    let bomb = {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..20 {
            out.write_all(&[0; 1 << 20]).expect("into memory");
        }
        out.finish().expect("into memory")
    };
    let (server, _) = target(move |r| match r.number % 4 {
        0 => Answer::ok("garbage").header("content-encoding", "gzip"),
        1 => Answer::ok(bomb.clone()).header("content-encoding", "gzip"),
        2 => Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort"),
        _ => Answer::raw("SSH-2.0-nonsense\r\n"),
    });
    let plan = "name='h'\nduration='400ms'\nload={kind='closed',connections=2}\n[[steps]]\nname='s'\nkind='http'\n\
                path='/'\nchecks=[{body_contains='x'}]";
    let run = Setting::at(&server.url()).run(plan).await;
    assert_eq!(run.errors, run.requests, "all of it fails");
    assert!(class(&run, "check") > 0, "what cannot be read fails its check: {:?}", run.errors_by_class);
    assert!(
        class(&run, "reset") + class(&run, "protocol") > 0,
        "what is no response is one: {:?}",
        run.errors_by_class
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_change_the_rate_and_the_run_says_so() {
    let (server, _) = target(|_| Answer::ok("ok"));
    let plan = r#"
        name = "stages"
        [load]
        kind = "open"
        rate_per_s = 100
        [[stages]]
        kind = "hold"
        duration = "1s"
        [[stages]]
        kind = "spike"
        duration = "1s"
        to = 400
        [[stages]]
        kind = "hold"
        duration = "1s"
        [[steps]]
        name = "s"
        kind = "http"
        path = "/"
    "#;
    let run = Setting::at(&server.url()).run(plan).await;
    assert_eq!(run.requests, 600, "100, 400 and 100");
    let per_second: Vec<u64> = run.intervals.iter().map(|i| i.requests).collect();
    assert!(per_second[1] > 300 && per_second[0] < 150, "the spike is where it belongs: {per_second:?}");
    assert!(run.spec.plan().is_some_and(|p| p.varies), "it is known that levels are mixed");
    assert!(run.notes.iter().any(|n| n.contains("stages")), "and said: {:?}", run.notes);
    let stages: Vec<_> = run.stages.iter().map(|s| (s.kind.as_str(), s.start_s, s.to, s.requests)).collect();
    assert_eq!(stages, [("hold", 0.0, 100.0, 100), ("spike", 1.0, 400.0, 400), ("hold", 2.0, 100.0, 100)], "by stage");
    assert!(run.stages.iter().all(|s| s.rate_share.is_some_and(|share| share > 0.9)), "each held: {:?}", run.stages);
    assert_eq!(run.stages[1].response_ms.n, 400, "each has its own percentiles");
    let slowest = run.stages.iter().filter_map(|s| s.response_ms.max).fold(0.0, f64::max);
    let all = run.latency().max.expect("it was measured");
    assert!((slowest - all).abs() < 0.01, "{slowest} ms, of all {all} ms");
    let closed = "name='c'\nload={kind='closed',connections=1}\nstages=[{kind='hold',duration='500ms'},\
                  {kind='hold',duration='500ms',to=8}]\n[[steps]]\nname='s'\nkind='http'\npath='/'";
    let (slow, _) = target(|_| Answer::ok("ok").after(Duration::from_millis(20)));
    let run = Setting::at(&slow.url()).run(closed).await;
    assert_eq!(slow.connections(), 8, "all connections are open");
    assert!((90..=260).contains(&run.requests), "1 then 8 at 20 ms each for half a second: {}", run.requests);
    let [one, eight] = run.stages.as_slice() else { panic!("two stages: {:?}", run.stages) };
    assert!(eight.rate_per_s > 3.0 * one.rate_per_s, "{} and {}", one.rate_per_s, eight.rate_per_s);
    assert_eq!((one.rate_share, &one.invalid_reason), (None, &None), "a closed loop has no rate to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_over_what_the_target_can_do_is_named() {
    // One connection, 10 ms each: at most 100/s.
    let (server, _) = target(|_| Answer::ok("ok").after(Duration::from_millis(10)));
    let plan = "name='over'\nload={kind='open',rate_per_s=20,max_in_flight=1}\nstages=[{kind='hold',duration='1s'},\
                {kind='hold',duration='1s',to=400}]\n[[steps]]\nname='s'\nkind='http'\npath='/'";
    let run = Setting::at(&server.url()).run(plan).await;
    let [calm, over] = run.stages.as_slice() else { panic!("two stages: {:?}", run.stages) };
    assert_eq!(calm.invalid_reason, None, "{calm:?}");
    let why = over.invalid_reason.as_ref().expect("it could not be held");
    assert!(why.ends_with("% of its rate was sent in time"), "{why}");
    let note = format!("stage 2, hold at 400/s: {why}, so its figures do not stand for its level");
    assert!(run.notes.contains(&note) && !run.valid, "{:?} {:?}", run.notes, run.invalid_reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_what_the_generator_could_send() {
    let plan = "name='c'\nduration='500ms'\nload={kind='closed',connections=4}\n[[feeds]]\nname='id'\nkind='uniform'\n\
                from=1\nto=9\n[[steps]]\nname='s'\nkind='http'\nmethod='POST'\npath='/{{id}}'\nbody='{{id}}'";
    let (slow, seen) = target(|_| Answer::ok("fine").after(Duration::from_millis(5)));
    let run = Setting::at(&slow.url()).run(plan).await;
    let c = &run.footing;
    assert_eq!(c.ceiling_kind, Some(CeilingKind::Measured), "{c:?}");
    assert!(c.ceiling_per_s.is_some_and(|ceiling| ceiling > 2_000.0), "far above the target's 800/s: {c:?}");
    assert!(c.ceiling_share.is_some_and(|share| share < 0.5), "{c:?}");
    assert_eq!(seen.lock().expect("lock").len() as u64, run.requests, "the target saw nothing of it");
    // A check that only the real target can pass: what its CPU time leaves room for is all that is known.
    let run = Setting::at(&slow.url()).run(&format!("{plan}\nchecks=[{{body_contains='fine'}}]")).await;
    assert_eq!((run.footing.ceiling_kind, run.errors), (Some(CeilingKind::Projected), 0), "{:?}", run.footing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_in_the_response_time_and_late_starts_are_left_out_on_request() {
    let (server, _) = target(|r| {
        let stall = if r.number == 30 { Duration::from_millis(500) } else { Duration::ZERO };
        Answer::ok("ok").after(stall)
    });
    let plan = |late: &str| {
        format!(
            "name='l'\nduration='1s'\n[load]\nkind='open'\nrate_per_s=200\nmax_in_flight=1\n{late}\n[[steps]]\nname='s'\n\
             kind='http'\npath='/'"
        )
    };
    let run = Setting::at(&server.url()).run(&plan("")).await;
    let response = run.latency();
    assert!(response.max > Some(450.0) && response.p90 > Some(100.0), "those that waited show it: {response:?}");
    assert!(run.service_ms.p90 < response.p90, "their service did not");
    let (server, _) = target(|r| {
        let stall = if r.number == 30 { Duration::from_millis(500) } else { Duration::ZERO };
        Answer::ok("ok").after(stall)
    });
    let run = Setting::at(&server.url()).run(&plan("late_limit='50ms'")).await;
    let shed = class(&run, "shed");
    assert!((60..=110).contains(&shed), "starts over 50 ms late are left out and counted: {shed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn poisson_arrivals_are_random_and_the_same_for_a_seed() {
    let (server, _) = target(|_| Answer::ok("ok"));
    let plan = |seed: u32| {
        format!(
            "name='p'\nseed={seed}\nduration='1s'\n[load]\nkind='open'\nrate_per_s=500\narrivals='poisson'\n[[steps]]\n\
             name='s'\nkind='http'\npath='/'"
        )
    };
    let setting = Setting::at(&server.url());
    let (a, b, c) = (setting.run(&plan(7)).await, setting.run(&plan(7)).await, setting.run(&plan(8)).await);
    assert!((400..600).contains(&a.requests), "about 500: {}", a.requests);
    assert_eq!(a.requests, b.requests, "the seed decides");
    assert_ne!(a.requests, c.requests, "another seed has others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_used_up_ends_the_run_and_says_so() {
    let (server, seen) = target(|_| Answer::ok("ok"));
    let plan = "name='u'\nduration='20s'\nload={kind='closed',connections=2}\n[[feeds]]\nname='id'\nkind='sequence'\n\
                from=1\nto=200\nmode='unique'\n[[steps]]\nname='s'\nkind='http'\npath='/{{id}}'";
    let run = Setting::at(&server.url()).run(plan).await;
    assert_eq!(run.state, RunState::Aborted, "it ended early");
    assert!(run.notes.iter().any(|n| n.contains("none left")), "and says why: {:?}", run.notes);
    let seen = seen.lock().expect("lock");
    let paths: HashSet<&str> = seen.iter().map(|(line, ..)| line.as_str()).collect();
    assert_eq!(paths.len(), seen.len(), "each row was used once");
    assert!((100..=200).contains(&seen.len()), "up to the last of one of them: {}", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_ends_when_the_target_is_steady() {
    let (server, _) = target(|_| Answer::ok("ok").after(Duration::from_millis(2)));
    let plan = "name='w'\nduration='1s'\nload={kind='closed',connections=2}\nwarmup={kind='until_steady',at_most='40s'}\n\
                [[steps]]\nname='s'\nkind='http'\npath='/'";
    let setting = Setting::at(&server.url());
    let run = setting.run(plan).await;
    let warmup_s = run.spec.warmup_s();
    assert!((10.0..40.0).contains(&warmup_s), "at least ten seconds are looked at: {warmup_s} s");
    assert!((run.duration_s - 1.0).abs() < 1e-9 && run.requests > 100, "then it is measured for its time");
    let live = setting.live.lock().expect("lock");
    assert!(live.iter().any(|l| l.phase == BenchPhase::Measuring), "the view follows");
    assert!(live.last().is_some_and(|l| l.total_s < 30.0), "and knows the new end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_plan_keeps_what_it_measured_at_every_phase() {
    let (server, _) = target(|_| Answer::ok("ok").after(Duration::from_millis(1)));
    let plan = "name='x'\nduration='30s'\nwarmup={kind='fixed',duration='500ms'}\nload={kind='closed',connections=4}\n\
                [[steps]]\nname='s'\nkind='http'\npath='/'";
    for phase in [BenchPhase::Connecting, BenchPhase::WarmUp, BenchPhase::Measuring] {
        let setting = Setting::at(&server.url());
        let (cancel, live) = (setting.cancel.clone(), setting.live.clone());
        let watch = tokio::spawn(async move {
            loop {
                let reached = live
                    .lock()
                    .expect("lock")
                    .iter()
                    .any(|l| l.phase == phase && (phase != BenchPhase::Measuring || l.requests > 200));
                if reached {
                    cancel.cancel();
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        let started = std::time::Instant::now();
        let ended = setting.try_run(plan).await;
        watch.await.expect("watched");
        assert!(started.elapsed() < Duration::from_secs(10), "{phase:?}: it ends soon");
        // Nothing was measured yet, unless the connections were quicker.
        if let (BenchPhase::Connecting, Err(error)) = (phase, &ended) {
            assert_eq!(error.code, ErrorCode::Cancelled, "{phase:?}: there is nothing to keep");
            continue;
        }
        let run = ended.unwrap_or_else(|e| panic!("{phase:?}: {}", e.message)).run;
        assert_eq!(run.state, RunState::Cancelled, "{phase:?}: it says so");
        assert_eq!(run.requests > 0, phase == BenchPhase::Measuring, "{phase:?}: it has what was measured");
    }
}
