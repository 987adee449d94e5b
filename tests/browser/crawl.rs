//! Every screen in four states: everything that can be pressed is pressed, every width is looked at, and axe-core finds nothing
//! to say in three themes.
use std::collections::BTreeSet;
use std::time::Duration;

use perfdeck_testkit::{Answer, ScriptedHttp, free_port};
use serde_json::{Value, json};

use crate::support::desktop::Browser;
use crate::support::journey::{self, id};
use crate::support::perfctl::{Server, eventually};
use crate::support::screens::{SCREENS, unvisited};
use crate::support::webdriver::Session;
use crate::support::{can_run, root};
use crate::{PROGRAMS, Stage};

/// Windows by width, height and zoom; the last is a small one at 200 %.
const SIZES: &[(u32, u32, u32)] = &[(1440, 900, 1), (1100, 700, 1), (900, 700, 1), (720, 450, 2)];
/// Longest time for one screen.
const PATIENCE: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(30);

/// Shows a screen, and waits until what it asked for is drawn, however long or short that takes here.
const SETTLED: &str = "
    const frame = () => new Promise(requestAnimationFrame);
    window.__asked ??= (() => {
        const asked = { open: 0 };
        const ask = window.fetch;
        window.fetch = (url, init) => {
            const counts = String(url).includes('/api/rpc/');
            asked.open += counts;
            return ask(url, init).finally(() => { asked.open -= counts; });
        };
        return asked;
    })();
    // Chromium hands on 200 navigations in ten seconds and drops the rest; a screen is one that keeps its place in another.
    const [MOST, SPAN] = [180, 10000];
    window.__went ??= (() => {
        const went = [];
        const replace = history.replaceState;
        history.replaceState = (...all) => {
            went.push(performance.now());
            replace.apply(history, all);
        };
        return went;
    })();
    async function settled(route) {
        const went = window.__went;
        while (went.length >= MOST && performance.now() - went[went.length - MOST] < SPAN) await frame();
        went.push(performance.now());
        location.hash = route;
        const [least, most] = [performance.now() + 80, performance.now() + 2000];
        for (let quiet = 0; performance.now() < least || (quiet < 4 && performance.now() < most); quiet += 1) {
            await frame();
            if (window.__asked.open > 0) quiet = 0;
        }
    }";

/// A job to its end.
fn done(server: &Server, command: &str, asked: &Value) -> Value {
    let job = server.call(command, asked).unwrap_or_else(|error| panic!("{command}: {error}"));
    eventually(command, Duration::from_secs(90), || {
        let job = server.call("job.get", &json!({ "id": job["id"] })).ok()?;
        let ended = job["state"] != "running";
        assert!(!ended || job["state"] == "done", "{command}: {job}");
        ended.then_some(job)
    })
}

/// The demo with something of each kind; the addresses of the things.
fn stocked(server: &Server) -> Vec<String> {
    done(server, "demo.open", &json!({}));
    let demo = server.call("env.get", &json!({ "id": "demo" })).expect("the demo");
    let url = format!("{}/appointments/1", demo["targets"]["api"]["url"].as_str().expect("its API"));
    let spec = json!({
        "kind": "http", "url": url, "load": { "kind": "closed" }, "connections": 2, "duration_s": 0.3, "warmup_s": 0.0
    });
    let start = |name: &str| {
        let run = done(server, "bench.start", &json!({ "spec": spec, "name": name, "environment_id": "demo" }));
        run["result"]["id"].as_str().expect("a run").to_owned()
    };
    let (before, after) = (start("before"), start("after"));
    server.call("baseline.set", &json!({ "name": "nightly", "run_id": before })).expect("a baseline");
    let knee = json!({
        "spec": spec, "environment_id": "demo", "slo": "p99<5s", "max_connections": 2, "step_s": 0.3, "confirm_s": 0.3,
        "confirm": null
    });
    let knee = done(server, "knee.start", &knee);
    let side = |label: &str| json!({ "label": label, "environment_id": "demo", "spec": spec });
    let duet = json!({
        "a": side("A"), "b": side("B"), "pairs": 6, "seed": 1, "rest_s": 0.0, "name": "same", "confirm": [], "noise": true,
        "changed": [], "metrics": []
    });
    let duet = done(server, "duet.start", &duet);
    let toml = "name = \"list\"\nduration = \"1s\"\n[[steps]]\nname = \"list\"\nkind = \"http\"\npath = \"/list\"\n";
    let plan = server.call("plan.save", &json!({ "id": null, "toml": toml })).expect("a plan");
    let report = json!({
        "environment_id": "demo", "run_ids": [before, after], "out": null, "json_out": null, "title": null
    });
    let report = done(server, "report.create", &report);
    let named = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    vec![
        format!("benchmarks/{after}"),
        format!("benchmarks/history/{after}"),
        format!("benchmarks/compare/{before}/{after}"),
        format!("benchmarks/knee/{}", named(&knee["result"]["id"])),
        format!("benchmarks/comparison/{}", named(&duet["result"]["id"])),
        format!("benchmarks/plans/{}", named(&plan["id"])),
        format!("reports/{}", named(&report["result"]["id"])),
    ]
}

/// The screens, and these things, as addresses below an environment.
fn all(environment: Option<&str>, things: &[String]) -> Vec<String> {
    let below = environment.map_or_else(String::new, |id| format!("/e/{id}"));
    let screens = SCREENS.iter().map(|screen| (*screen).to_owned());
    screens.chain(things.iter().cloned()).map(|path| format!("#{below}/{path}")).collect()
}

/// Presses everything on these screens; what is wrong.
fn pressed(page: &Session, state: &str, routes: &[String]) -> BTreeSet<String> {
    let crawler = include_str!("../support/crawl.js");
    let mut wrong = BTreeSet::new();
    let mut before = json!([]);
    page.patience(PATIENCE * 2).expect("the driver waits");
    for route in routes {
        let limit = json!(u64::try_from(PATIENCE.as_millis()).expect("a short time"));
        let outcome = page
            .run_async_with(crawler, &[json!(route), before.clone(), limit])
            .unwrap_or_else(|error| panic!("{state}, {route}: {error}"));
        wrong.extend(texts(&outcome["problems"]).map(|problem| format!("{state}: {problem}")));
        if outcome["left"] != json!(false) {
            wrong.insert(format!("{state}: {route} was not pressed to its end in {PATIENCE:?}"));
        }
        before = outcome["pressed"].clone();
    }
    assert!(before.as_array().is_some_and(|all| all.len() > 20), "{state}: the crawler pressed something: {before}");
    wrong.extend(console(page).map(|said| format!("{state}: {said}")));
    wrong
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What Chromium itself complains about. A command that is refused is an answer and no mistake of the page, and a press by a
/// script may open no dialog of the system.
fn console(page: &Session) -> impl Iterator<Item = String> {
    let entries = page.log("browser").expect("Chromium's console");
    entries.into_iter().filter_map(|entry| {
        let complains = ["WARNING", "SEVERE"].iter().any(|level| entry["level"] == *level);
        let said = entry["message"].as_str().unwrap_or_default();
        (complains && entry["source"] != "network" && !said.contains("user activation")).then(|| said.to_owned())
    })
}

/// Opens these screens at every size; those that are wider than their window.
fn too_wide(page: &Session, state: &str, routes: &[String]) -> BTreeSet<String> {
    let look = format!(
        "const [route, done] = arguments;
        {SETTLED}
        settled(route).then(() => {{
            const all = [document.documentElement, document.querySelector('main')];
            const wide = all.filter((e) => e.scrollWidth > e.clientWidth + 1);
            done(wide.map((e) => `${{e.tagName}} has ${{e.scrollWidth}} px in ${{e.clientWidth}}`));
        }});"
    );
    let mut wrong = BTreeSet::new();
    for (width, height, zoom) in SIZES {
        page.viewport(*width, *height, *zoom).expect("another size");
        for route in routes {
            let wide = page.run_async_with(&look, &[json!(route)]).unwrap_or_else(|error| panic!("{route}: {error}"));
            wrong.extend(texts(&wide).map(|said| format!("{state}, {width} px, {route}: {said}")));
        }
    }
    page.viewport(1440, 900, 1).expect("the size before");
    wrong
}

fn none(what: &str, wrong: &BTreeSet<String>) {
    let list: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(list.is_empty(), "{what}:\n{}", list.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_everything_that_can_be_pressed_works_in_four_states() {
    if !can_run(PROGRAMS) {
        return;
    }
    none("screens of features that are not in the list", &unvisited());
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let mut wrong = BTreeSet::new();

    let demo = Stage::new();
    let things = stocked(&demo.server);
    let routes = all(Some("demo"), &things);
    let page = &demo.browser.session;
    page.goto(&demo.server.at("/e/demo/overview")).expect("the demo");
    journey::overview_is_live(page).unwrap_or_else(|error| panic!("the demo: {error}"));
    wrong.extend(pressed(page, "the demo", &routes));
    wrong.extend(too_wide(page, "the demo", &routes));
    // A benchmark while it runs; what stops it is pressed too.
    let spec = json!({
        "kind": "http", "url": api.url(), "load": { "kind": "rate", "rate_per_s": 50.0 }, "connections": 1,
        "duration_s": 60.0, "warmup_s": 0.0
    });
    let asked = json!({ "spec": spec, "name": "live", "environment_id": "demo" });
    demo.server.call("bench.start", &asked).expect("a benchmark");
    wrong.extend(pressed(page, "while it runs", &["#/e/demo/benchmarks/live".to_owned()]));

    // The same for somebody who may only look.
    let home = tempfile::tempdir().expect("a folder");
    let looking = Browser::start(1440, 900, home.path()).unwrap_or_else(|error| panic!("{error}"));
    let page = &looking.session;
    page.goto(&demo.server.printed("only look")).expect("the second link");
    page.wait_for(&id("only-looks"), SOON).unwrap_or_else(|error| panic!("only looking: {error}"));
    let routes = all(Some("demo"), &stored(&demo.server));
    wrong.extend(pressed(page, "only looking", &routes));
    wrong.extend(too_wide(page, "only looking", &routes));
    drop(demo);

    let empty = Stage::new();
    let page = &empty.browser.session;
    page.wait_for(&id("start"), SOON).unwrap_or_else(|error| panic!("the start screen: {error}"));
    wrong.extend(pressed(page, "nothing there", &all(None, &[])));
    wrong.extend(too_wide(page, "nothing there", &all(None, &[])));
    drop(empty);

    let down = Stage::new();
    let page = &down.browser.session;
    let closed = free_port().expect("a free port");
    let draft = json!({ "name": "shop", "kind": "production", "targets": {
        "api": api.url(), "cache": format!("redis://127.0.0.1:{closed}"), "database": format!("postgres://u@127.0.0.1:{closed}/d")
    } });
    let made = down.server.call("env.create", &json!({ "draft": draft })).expect("an environment");
    let shop = made["id"].as_str().expect("its identifier");
    page.goto(&down.server.at(&format!("/e/{shop}/overview"))).expect("its overview");
    page.wait_for("[data-testid=status-cache][data-state=down]", SOON).unwrap_or_else(|error| panic!("down: {error}"));
    wrong.extend(pressed(page, "targets down", &all(Some(shop), &[])));
    wrong.extend(too_wide(page, "targets down", &all(Some(shop), &[])));
    none("what was pressed", &wrong);
}

/// What is there after the crawler pressed what deletes and what brings back.
fn stored(server: &Server) -> Vec<String> {
    let ids = |command: &str, of: &Value| {
        let list = server.call(command, of).expect("a list");
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["id"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let demo = json!({ "environment_id": "demo" });
    let things =
        [("run.list", "benchmarks"), ("knee.list", "benchmarks/knee"), ("comparison.list", "benchmarks/comparison")];
    let mut all: Vec<String> = things
        .iter()
        .filter_map(|(command, below)| ids(command, &demo).first().map(|id| format!("{below}/{id}")))
        .collect();
    all.extend(ids("report.list", &demo).first().map(|id| format!("reports/{id}")));
    all
}

/// Each screen in each theme has nothing that axe-core objects to.
#[test]
fn e2e_every_screen_is_accessible_in_three_themes() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let page = &stage.browser.session;
    let routes = all(Some("demo"), &stocked(&stage.server));
    page.goto(&stage.server.at("/e/demo/overview")).expect("the demo");
    journey::overview_is_live(page).unwrap_or_else(|error| panic!("the demo: {error}"));
    let axe = root().join("ui/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    page.run(&axe, &[]).expect("axe-core is there");
    page.patience(PATIENCE).expect("the driver waits");
    let look = format!(
        "const [theme, route, done] = arguments;
        document.documentElement.dataset.theme = theme;
        {SETTLED}
        settled(route).then(async () => {{
            const {{ violations }} = await window.axe.run(document, {{ resultTypes: ['violations'] }});
            return violations.flatMap((v) => v.nodes.map((n) =>
                `${{v.id}}: ${{n.target.join(' ')}}: ${{(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? v.help}}: ${{n.html.slice(0, 160)}}`));
        }}).then(done, (error) => done([String(error)]));"
    );
    let mut wrong = BTreeSet::new();
    for theme in ["light", "dark", "contrast"] {
        for route in &routes {
            let said = page
                .run_async_with(&look, &[json!(theme), json!(route)])
                .unwrap_or_else(|error| panic!("{theme}, {route}: {error}"));
            wrong.extend(texts(&said).map(|said| format!("{theme}, {route}: {said}")));
        }
    }
    none("axe-core", &wrong);
}
