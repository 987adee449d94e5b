//! The main job in the real window: WebKitGTK under Xvfb, driven by WebKitWebDriver.
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_testkit::{Answer, Postgres, Redis, RedisCluster, ScriptedHttp, eventually};
use serde_json::json;
use support::desktop::{Browser, Desktop, Window};
use support::journey::{self, id};
use support::screens::SCREENS;
use support::webdriver::Session;
use support::{advice, can_run, databases, edited, indexed, invalidation, keyboard, release, report, root};

const PROGRAMS: &[&str] = &["Xvfb", "dbus-daemon", "WebKitWebDriver", "chromium", "chromedriver"];

struct Stage {
    folder: tempfile::TempDir,
    desktop: Desktop,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let desktop = Desktop::start(1440, 900, folder.path()).expect("a virtual desktop");
        Self { folder, desktop }
    }

    /// What is on the screen now. WebDriver's own screenshot can hang in WebKitGTK, and shows less than a user sees.
    fn picture(&self, file: &Path) -> Result<(), String> {
        support::picture::save(&self.desktop.framebuffer(), file)
    }

    fn window(&self, arguments: &[&str]) -> Window {
        self.desktop.window(&release::perfdeck(), arguments).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Where pictures go: into the documentation only when asked to.
fn pictures() -> PathBuf {
    std::env::var_os("PERFDECK_SCREENSHOTS").map_or_else(|| root().join("target/screenshots"), PathBuf::from)
}

/// Fails with the step's name, and leaves a picture of the moment.
fn step<T>(stage: &Stage, name: &str, outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|error| {
        let file = root().join("target/screenshots").join(format!("failed-{}.png", name.replace(' ', "-")));
        let kept = stage.picture(&file).map_or_else(|error| error, |()| file.display().to_string());
        panic!("{name}: {error}\nPicture: {kept}")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_the_main_job_from_the_demo_to_a_report() {
    if !can_run(PROGRAMS) {
        return;
    }
    let postgres = Postgres::start().await.expect("a private PostgreSQL");
    let mut redis = Redis::start().await.expect("a private Redis");
    let api = ScriptedHttp::start(|_| Answer::ok("{\"ok\":true}").header("content-type", "application/json"))
        .await
        .expect("a scripted API");
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;

    step(&stage, "the demo overview is live", journey::overview_is_live(page));
    step(&stage, "its charts move", journey::charts_move(page, &["cpu", "network"]));

    step(&stage, "a real environment is added", add_environment(page, &postgres.url(), &redis.url(), &api.url()));
    step(&stage, "its overview is live", journey::overview_is_live(page));
    step(&stage, "its charts move", journey::charts_move(page, &["cpu", "cache-latency", "probe"]));
    step(
        &stage,
        "nothing is dimmed",
        journey::lanes_are_dimmed(page, &["operations", "connections"], false, SECONDS_10),
    );

    redis.stop();
    // The collection of the second in which it stops may still be running, so one second more than the promise.
    step(
        &stage,
        "a stopped cache dims its lanes",
        journey::lanes_are_dimmed(page, &["operations", "cache-latency"], true, Duration::from_secs(4)),
    );
    step(
        &stage,
        "the others go on",
        journey::lanes_are_dimmed(page, &["cpu", "connections", "probe"], false, SECONDS_10)
            .and_then(|()| journey::charts_move(page, &["cpu", "probe"])),
    );
    redis.restart().await.expect("Redis starts again");
    step(
        &stage,
        "it recovers by itself",
        journey::lanes_are_dimmed(page, &["operations", "cache-latency"], false, Duration::from_secs(60)),
    );

    step(&stage, "benchmarks open", journey::open(page, "/benchmarks"));
    step(&stage, "a benchmark runs", journey::benchmark(page, &api.url(), "4", "3s"));

    let report = step(&stage, "the report is exported", export_report(page, &stage.desktop.data()));
    drop(window);
    check_report(&stage, &report);
}

const SECONDS_10: Duration = Duration::from_secs(10);

/// Fills the environment form and saves it.
fn add_environment(page: &Session, database: &str, cache: &str, api: &str) -> Result<(), String> {
    journey::open(page, "/environments/new")?;
    page.fill(&id("env-name"), "Shop")?;
    page.fill(&id("env-database"), database)?;
    page.fill(&id("env-cache"), cache)?;
    page.fill(&id("env-api"), api)?;
    page.click(&id("env-save"))
}

/// Adds an environment for development with this database alone.
fn add_environment_of(page: &Session, name: &str, database: &str) -> Result<(), String> {
    journey::open(page, "/environments/new")?;
    page.fill(&id("env-name"), name)?;
    page.fill(&id("env-database"), database)?;
    page.click(&id("env-save"))?;
    page.wait_for(&id("overview-lanes"), SECONDS_10 * 2)
}

/// Exports a report and returns its JSON file, read back from the data folder.
fn export_report(page: &Session, data: &Path) -> Result<PathBuf, String> {
    journey::open(page, "/reports")?;
    page.click(&id("report-new"))?;
    page.wait_until(
        "the run in the form",
        Duration::from_secs(15),
        "return document.querySelectorAll(arguments[0]).length > 0",
        &[json!(id("report-run"))],
    )?;
    page.click(&id("report-create"))?;
    let folder = data.join("reports");
    page.wait_until(
        "the report on its page",
        Duration::from_secs(30),
        "return document.querySelectorAll(arguments[0]).length > 0",
        &[json!(id("report-view"))],
    )?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "html"))
        .collect();
    files.sort();
    files.pop().ok_or_else(|| format!("no report in {}", folder.display()))
}

/// The file opens without the network and says what the store says.
fn check_report(stage: &Stage, html: &Path) {
    let run = report::of_newest_run(html, &stage.desktop.data());
    let browser = Browser::start(1200, 900, stage.folder.path()).expect("a headless Chromium");
    browser.session.goto(&format!("file://{}", html.display())).expect("the report opens");
    let text = browser.session.text("body").expect("the page can be read").expect("the page has a body");
    let requests = run["requests"].to_string();
    assert!(
        journey::digits(&text).contains(&requests),
        "the report shows the store's {requests} requests, it reads:\n{text}"
    );
    let asked = journey::network_requests(&browser.session).expect("Chromium's network log");
    assert!(asked.is_empty(), "a report is complete in itself, but it asked for {asked:?}");
    let file = pictures().join("report.png");
    browser.session.screenshot(&file).expect("a picture of the report");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_difference_is_proven_and_reported_by_keyboard_alone() {
    if !can_run(PROGRAMS) {
        return;
    }
    let after = |ms: u64| ScriptedHttp::start(move |_| Answer::ok("{}").after(Duration::from_millis(ms)));
    let (quick, slow) = (after(2).await.expect("a scripted API"), after(8).await.expect("another"));
    let stage = Stage::new();
    let window = stage.window(&[]);
    let page = &window.session;
    step(&stage, "by keyboard alone", keyboard::from_start_to_a_report(page, &quick.url(), &slow.url()));
}

/// Starts a statement on a session of its own, and answers once `there` of the server's sessions is so.
async fn started(
    postgres: &Arc<Postgres>,
    statement: &'static str,
    there: &str,
) -> tokio::task::JoinHandle<Result<(), String>> {
    let server = postgres.clone();
    let running = tokio::spawn(async move { server.execute(statement).await.map_err(|error| error.to_string()) });
    let seen = format!(
        "DO $$BEGIN IF NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {there}) THEN RAISE 'not yet'; END IF; END$$"
    );
    eventually(SECONDS_10 * 3, async || postgres.execute(&seen).await.is_ok()).await;
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_who_waits_is_freed_by_ending_who_holds() {
    if !can_run(PROGRAMS) {
        return;
    }
    let postgres = Arc::new(Postgres::start().await.expect("a private PostgreSQL"));
    postgres.execute("CREATE TABLE stock AS SELECT 1 AS id, 5 AS n").await.expect("a table");
    let hold = "BEGIN; UPDATE stock SET n = 4; SELECT pg_sleep(300); COMMIT";
    let holder = started(&postgres, hold, "wait_event = 'PgSleep'").await;
    let waiter = started(&postgres, "UPDATE stock SET n = 3", "wait_event_type = 'Lock'").await;
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));
    step(&stage, "a production environment is added", databases::add_production(page, "Shop", &postgres.url()));
    assert!(!waiter.is_finished(), "nobody has ended anything yet");
    step(&stage, "the holder is ended", databases::free_who_waits(page, "Shop"));
    let freed = tokio::time::timeout(SECONDS_10, waiter).await.expect("in time").expect("no panic");
    assert_eq!(freed, Ok(()), "the one that waited goes on");
    let ended = tokio::time::timeout(SECONDS_10, holder).await.expect("in time").expect("no panic");
    assert!(ended.is_err(), "the one that held it is ended, and nothing of it is kept");
}

#[test]
fn e2e_a_slow_route_is_followed_to_its_cost_its_statement_and_its_plan() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));
    step(&stage, "what the slow route costs", databases::cost_of_the_slow_route(page));
    step(&stage, "a picture of the cost", stage.picture(&pictures().join("benchmarks-cost.png")));
    step(&stage, "its statement and its plan", databases::plan_of_what_repeats(page));
    step(&stage, "a picture of the statement", stage.picture(&pictures().join("database-statement-plan.png")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_an_advised_index_is_proven_and_kept_and_a_useless_one_is_undone() {
    if !can_run(PROGRAMS) {
        return;
    }
    let shop = indexed::Shop::start().await;
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));

    // The demo, by what it counted itself.
    let demo = indexed::Demo(stage.desktop.data().join("demo/demo.db"));
    step(
        &stage,
        "the demo's statements are counted",
        advice::statements_are_counted(page, "appointments WHERE staff_id"),
    );
    step(&stage, "the demo's finding leads to advice", advice::advice_from_a_finding(page, "appointments"));
    step(&stage, "advice on what was counted", advice::advise(page));
    let (row, sql) = step(&stage, "the demo's index is planned", advice::plan_what_is_advised(page, "appointments"));
    let before = demo.indexes().await;
    assert!(demo.plan().await.contains("SCAN appointments"), "nothing is sent by a plan");
    step(&stage, "the demo's index is applied", advice::apply(page, &row));
    let (name, _) = demo
        .indexes()
        .await
        .into_iter()
        .find(|(name, made)| *made == sql && !before.contains_key(name))
        .unwrap_or_else(|| panic!("what was previewed is not there: {sql}"));
    let verdict = step(&stage, "the demo's index is proven", advice::prove(page, &row, None));
    assert_eq!(verdict, "proven", "the slow statement of the demo is quicker with it");
    step(&stage, "the demo's index is kept", advice::keep(page, &row));
    assert!(demo.plan().await.contains(&name), "the plan has {name}: {}", demo.plan().await);

    // A server, by queries that are pasted.
    step(&stage, "the shop is added", add_environment_of(page, "Shop", &shop.url()));
    let (catalogue, slow) = (shop.catalogue().await, shop.pages_of_the_slow_query().await);
    step(&stage, "the shop's finding leads to advice", advice::advice_from_a_finding(page, "orders"));
    step(&stage, "advice on pasted queries", advice::advise_on(page, indexed::SLOW));
    let (row, sql) = step(&stage, "the shop's index is planned", advice::plan_what_is_advised(page, "orders"));
    assert!(sql.contains("CREATE INDEX CONCURRENTLY"), "beside reads and writes: {sql}");
    assert_eq!(shop.catalogue().await, catalogue, "nothing is sent by a plan");
    step(&stage, "the shop's index is applied", advice::apply(page, &row));
    assert_eq!(shop.new_indexes(&catalogue).await, [(true, true)], "one more index, valid and ready");
    let verdict = step(&stage, "the shop's index is proven", advice::prove(page, &row, None));
    assert_eq!(verdict, "proven");
    step(&stage, "a picture of the proof", stage.picture(&pictures().join("database-advice-proof.png")));
    step(&stage, "the shop's index is kept", advice::keep(page, &row));
    let quick = shop.pages_of_the_slow_query().await;
    assert!(quick * 10 < slow, "{quick} pages in place of {slow}");

    // One that no statement needs: applied, not proven, taken back.
    let catalogue = shop.catalogue().await;
    let (row, _) = step(&stage, "a useless index is planned", advice::plan_for_a_foreign_key(page, "orders"));
    step(&stage, "a useless index is applied", advice::apply(page, &row));
    assert_eq!(shop.new_indexes(&catalogue).await, [(true, true)], "it is there");
    let verdict = step(&stage, "a useless index is measured", advice::prove(page, &row, Some(indexed::OTHER)));
    assert_eq!(verdict, "not_used", "no plan has it");
    step(&stage, "a useless index is undone", advice::undo(page, &row));
    assert_eq!(shop.catalogue().await, catalogue, "the catalogue is as before");
}

/// From the map over the namespace without expiry to keys that are let expire, and back; judged by what the servers say.
async fn invalidated_and_undone(stage: &Stage, page: &Session, cache: &invalidation::Cache, named: Option<&str>) {
    let before = cache.expiries().await;
    assert_eq!(before.values().filter(|at| **at == -1).count(), invalidation::SESSIONS, "what never expires");
    step(stage, "the namespace without expiry", invalidation::find_what_never_expires(page));
    let said = step(stage, "the preview", invalidation::preview(page));
    assert!(said.contains(&format!("{} keys", invalidation::SESSIONS)), "how many match: {said}");
    assert_eq!(cache.expiries().await, before, "a preview alters nothing");
    step(stage, "the keys are let expire", invalidation::expire_softly(page, named));
    invalidation::only_sessions_expire(&before, &cache.expiries().await);
    step(stage, "it is undone", invalidation::undo(page, named));
    assert_eq!(cache.expiries().await, before, "each key expires as before, or never");
    cache.has_all_values().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_keys_without_expiry_are_invalidated_softly_and_undone_on_a_server_and_on_a_cluster() {
    if !can_run(PROGRAMS) {
        return;
    }
    let (redis, cluster) = tokio::join!(Redis::start(), RedisCluster::start());
    let (redis, cluster) = (redis.expect("a private Redis"), cluster.expect("a private Redis Cluster"));
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));

    let single = invalidation::Cache::filled(&[redis.url()]).await;
    step(&stage, "a production environment is added", invalidation::add(page, "Shop", "production", &redis.url()));
    step(&stage, "it is unlocked", invalidation::unlock(page, "Shop"));
    invalidated_and_undone(&stage, page, &single, Some("Shop")).await;
    step(&stage, "a picture of what was undone", stage.picture(&pictures().join("cache-invalidated.png")));

    let slots = invalidation::Cache::filled(&cluster.urls()).await;
    step(&stage, "a cluster is added", invalidation::add(page, "Slots", "development", &cluster.url()));
    invalidated_and_undone(&stage, page, &slots, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_value_is_edited_while_another_client_writes_it() {
    if !can_run(PROGRAMS) {
        return;
    }
    let redis = Redis::start().await.expect("a private Redis");
    redis.execute(&["SET", "profile:1", "{\"plan\":\"free\"}", "PXAT", "4102444800000"]).await.expect("a key");
    let stands = async || {
        let answers = [redis.execute(&["GET", "profile:1"]).await, redis.execute(&["PEXPIRETIME", "profile:1"]).await];
        answers.map(|answer| format!("{:?}", answer.expect("an answer"))).join(" ")
    };
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));
    step(&stage, "an environment is added", invalidation::add(page, "Cache", "development", &redis.url()));
    step(&stage, "the key is opened", edited::edit(page, "profile:1"));
    step(&stage, "another value is planned", edited::plan(page, "{\"plan\":\"paid\"}"));
    assert!(stands().await.contains("free"), "a preview alters nothing");

    redis.execute(&["SET", "profile:1", "{\"plan\":\"team\"}", "KEEPTTL"]).await.expect("another client");
    let theirs = stands().await;
    let shown = step(&stage, "theirs is shown, and not overwritten", edited::conflict(page));
    assert!(shown[0].contains("free") && shown[1].contains("paid") && shown[2].contains("team"), "{shown:?}");
    assert_eq!(stands().await, theirs, "nothing was written");
    step(&stage, "a picture of the conflict", stage.picture(&pictures().join("cache-keys-conflict.png")));

    step(&stage, "ours is planned over theirs", edited::over_theirs(page));
    assert_eq!(stands().await, theirs, "nothing is written before it is applied");
    step(&stage, "ours is written", edited::write(page));
    assert_eq!(stands().await, theirs.replace("team", "paid"), "the value, and not when it expires");
    step(&stage, "it is undone", edited::undo(page));
    assert_eq!(stands().await, theirs, "theirs is back");
}

#[test]
fn e2e_every_screen_in_light_and_dark() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let window = stage.window(&["--demo"]);
    let page = &window.session;
    step(&stage, "the demo overview is live", journey::overview_is_live(page));
    let run = step(&stage, "a run is stored", stored_run(page));
    step(&stage, "a finding's change is applied", applied_change(page));
    step(&stage, "indexes are advised", advised(page));
    step(&stage, "the keys are scanned", scanned(page));
    let screens: Vec<(&str, &str)> =
        SCREENS.iter().map(|path| (*path, *path)).chain([(run.as_str(), "benchmarks/run")]).collect();
    for theme in ["dark", "light"] {
        step(
            &stage,
            "the theme changes",
            page.run("document.documentElement.dataset.theme = arguments[0]", &[json!(theme)]),
        );
        for (screen, name) in &screens {
            step(&stage, "the screen opens", journey::open(page, &format!("/{screen}")));
            step(
                &stage,
                &format!("{screen} shows itself"),
                page.wait_until(
                    "a heading or text",
                    SECONDS_10,
                    "return location.hash.split('?')[0].endsWith('/' + arguments[0]) && document.body.innerText.length > 40",
                    &[json!(screen)],
                ),
            );
            if *screen == "overview" {
                step(&stage, "the charts are drawn", journey::charts_move(page, &["cpu"]));
            }
            if *screen == "database" {
                step(
                    &stage,
                    "the database's lanes have values",
                    page.wait_until(
                        "a rate",
                        SECONDS_10,
                        "return /committed\\s+[\\d.]+/.test(document.body.innerText)",
                        &[],
                    ),
                );
            }
            if *screen == "cache" {
                step(&stage, "the cache answers", page.wait_for(&id("cache-answer"), SECONDS_10));
                step(&stage, "its map is drawn", page.wait_for(&id("map-tree"), SECONDS_10));
            }
            if *name == "benchmarks/run" {
                step(&stage, "the heatmap is drawn", page.wait_for(&id("run-heatmap-copy"), SECONDS_10));
            }
            step(
                &stage,
                "the screen is painted",
                page.run_async(
                    "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)))",
                ),
            );
            let file = format!("{}-{theme}.png", name.replace('/', "-"));
            step(&stage, "a picture is taken", stage.picture(&pictures().join(file)));
        }
    }
    step(&stage, "the change is undone", undone_change(page));
}

/// Plans and applies what a finding of the demo leads to.
fn applied_change(page: &Session) -> Result<(), String> {
    journey::open(page, "/database")?;
    page.wait_until(
        "a finding with a change",
        SECONDS_10 * 2,
        "const all = [...document.querySelectorAll('[data-testid=finding-action]')];
         const review = all.find((button) => button.textContent.includes('Review drop'));
         review?.click();
         return review !== undefined",
        &[],
    )?;
    for press in ["finding-step", "change-plan-do", "change-apply"] {
        press_when_allowed(page, press)?;
    }
    page.wait_for(&id("change-undo"), SECONDS_10)
}

/// Asks for advice on what the demo's load was.
fn advised(page: &Session) -> Result<(), String> {
    advice::statements_are_counted(page, "appointments WHERE staff_id")?;
    journey::open(page, "/database/advice")?;
    advice::advise(page)
}

/// Maps the keys of the demo's cache.
fn scanned(page: &Session) -> Result<(), String> {
    journey::open(page, "/cache")?;
    page.wait_for(&id("map-begin"), SECONDS_10)?;
    page.click(&id("map-begin"))?;
    page.wait_for(&format!("{}[data-state=finished]", id("map-scan")), SECONDS_10)
}

/// Presses a button once the guards were asked.
fn press_when_allowed(page: &Session, button: &str) -> Result<(), String> {
    let allowed = format!("{}:not(:disabled)", id(button));
    page.wait_for(&allowed, SECONDS_10)?;
    page.click(&allowed)
}

fn undone_change(page: &Session) -> Result<(), String> {
    journey::open(page, "/changes")?;
    page.wait_for(&id("change-row"), SECONDS_10)?;
    // A row of a table has no box of its own for the driver.
    page.run("document.querySelector(arguments[0]).click()", &[json!(id("change-row"))])?;
    press_when_allowed(page, "change-undo")?;
    let undone = "return document.querySelector('[data-testid=changes-sentence]')?.textContent.includes('No change is in force')";
    page.wait_until("no change in force", SECONDS_10, undone, &[]).map(drop)
}

/// Runs a short benchmark of the demo's API from the form; answers the path of its run.
fn stored_run(page: &Session) -> Result<String, String> {
    journey::open(page, "/benchmarks/new")?;
    page.wait_for(&id("bench-form"), SECONDS_10)?;
    let url = page.run("return document.querySelector(arguments[0]).value", &[json!(id("bench-url"))])?;
    let url = url.as_str().filter(|url| url.starts_with("http")).ok_or("the form has no address of the demo's API")?;
    journey::benchmark(page, url, "4", "12s")?;
    page.wait_for(&id("run-sentence"), SECONDS_10)?;
    let path = page.run("return location.hash.slice(2)", &[])?;
    path.as_str().map(str::to_owned).ok_or_else(|| "the run has no address".to_owned())
}
