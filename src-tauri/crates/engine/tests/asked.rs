//! What the window asks of a benchmark: statements and commands by a few values, what it can tell before it runs, and what
//! is known while it does. Against real servers.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{benchmark, by_id, draft, ended, environment, measure, open, result, run_of};
use perfdeck_engine::bench::{self, BenchRequest, RunList};
use perfdeck_engine::environments::{self, EnvDuplicate};
use perfdeck_engine::{
    BenchPart, BenchSpec, CacheBenchSpec, CacheShare, DuetRequest, DuetSide, Empty, Engine, KneeRequest, Pace,
    SqlBenchSpec, SqlValue, Text, house,
};
use perfdeck_model::{
    EnvironmentDraft, HttpBenchSpec, JobState, Kind, Load, PartKind, Remedy, Run, RunSpec, SecretInput, SecretSource,
    TargetsDraft,
};
use perfdeck_stats::Arm;
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually};

/// A benchmark of an environment.
fn of(spec: BenchSpec, environment_id: &str) -> BenchRequest {
    BenchRequest { spec, environment_id: Some(environment_id.to_owned()), name: None, confirm: None }
}

/// Runs a benchmark to its end and answers its run.
async fn run(engine: &Arc<Engine>, asked: BenchRequest) -> Run {
    let end = measure(engine, asked).await.expect("it may begin");
    run_of(engine, &end).await
}

/// What a stored run was asked for, as the window fills its form with it.
async fn form(engine: &Arc<Engine>, run: &Run) -> BenchSpec {
    let plan = run.spec.plan().expect("a plan");
    let read = bench::plan_form(engine.clone(), Text { text: plan.toml.clone() }).await.expect("a plan");
    read.unwrap_or_else(|| panic!("a form can show it: {}", plan.toml))
}

fn pace() -> Pace {
    Pace {
        connections: 2,
        rate_per_s: Some(400.0),
        poisson: false,
        late_limit_s: None,
        threads: None,
        duration_s: 0.5,
        warmup_s: 0.0,
        timeout_s: 5.0,
        seed: 1,
        thresholds: vec!["p50 < 1s".to_owned()],
    }
}

fn sql(statement: &str, parameters: Vec<SqlValue>) -> SqlBenchSpec {
    SqlBenchSpec {
        statement: statement.to_owned(),
        script: None,
        parameters,
        transaction: false,
        prepared: true,
        pace: pace(),
    }
}

fn share(command: &str, weight: f64) -> CacheShare {
    CacheShare { command: command.to_owned(), weight }
}

fn servers(database: &Postgres, cache: &Redis) -> TargetsDraft {
    TargetsDraft { database: Some(database.url()), cache: Some(cache.url()), ..TargetsDraft::default() }
}

fn http(url: &str, rate_per_s: f64, duration_s: f64) -> HttpBenchSpec {
    crate::support::http(url, Load::Rate { rate_per_s }, 4, duration_s)
}

fn side(label: &str, spec: HttpBenchSpec) -> DuetSide {
    DuetSide { label: label.to_owned(), environment_id: None, spec: BenchSpec::Http(spec) }
}

/// Six pairs.
fn duet(a: DuetSide, b: DuetSide, rest_s: f64) -> DuetRequest {
    DuetRequest {
        a,
        b,
        pairs: 6,
        seed: None,
        rest_s,
        name: None,
        confirm: Vec::new(),
        noise: false,
        changed: Vec::new(),
        metrics: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_and_commands_run_by_their_values_and_are_read_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (database, cache) = (Postgres::start().await.expect("PostgreSQL"), Redis::start().await.expect("Redis"));
    database.execute("CREATE TABLE orders AS SELECT generate_series(1, 500) id, 0 n").await.expect("rows");
    let id = environment(&engine, draft("shop", Kind::Development, servers(&database, &cache))).await;

    let drawn = vec![SqlValue::Uniform { from: 1, to: 500 }, SqlValue::Null, SqlValue::Text { text: "a".to_owned() }];
    let statement = sql("SELECT n FROM orders WHERE id = $1 AND $2::int IS NULL AND $3 = 'a'", drawn);
    let done = run(&engine, of(BenchSpec::Sql(statement.clone()), &id)).await;
    assert_eq!((done.errors, done.requests), (0, 200), "{done:?}");
    assert!(done.thresholds[0].ok, "{done:?}");
    let BenchSpec::Sql(read) = form(&engine, &done).await else { panic!("a statement is asked for as one") };
    assert_eq!(read.parameters[0], statement.parameters[0], "what was drawn: {read:?}");
    assert_eq!(read.pace, pace(), "as it was asked for");

    let commands = CacheBenchSpec {
        mix: vec![share("GET", 3.0), share("SET", 1.0)],
        prefix: "perfdeck:bench:".to_owned(),
        keys: 50,
        zipf: Some(0.9),
        value_size: 20,
        pipeline: 2,
        pace: pace(),
    };
    let done = run(&engine, of(BenchSpec::Cache(commands.clone()), &id)).await;
    assert_eq!(done.errors, 0, "{done:?}");
    let BenchSpec::Cache(read) = form(&engine, &done).await else { panic!("commands are asked for as such") };
    assert_eq!(read, commands, "also its value, which is nothing but a length");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_is_guarded_however_it_is_asked_for() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (database, cache) = (Postgres::start().await.expect("PostgreSQL"), Redis::start().await.expect("Redis"));
    database.execute("CREATE TABLE orders AS SELECT 1 id, 0 n").await.expect("a row");
    let id = environment(&engine, draft("live", Kind::Production, servers(&database, &cache))).await;
    let statement = |text: &str| BenchSpec::Sql(sql(text, Vec::new()));
    let command = |name: &str| {
        BenchSpec::Cache(CacheBenchSpec {
            mix: vec![share(name, 1.0)],
            prefix: "k:".to_owned(),
            keys: 5,
            zipf: None,
            value_size: 5,
            pipeline: 1,
            pace: pace(),
        })
    };
    for (spec, writes) in [
        (statement("UPDATE orders SET n = n + 1"), true),
        (statement("SELECT n FROM orders"), false),
        (command("SET"), true),
        (command("GET"), false),
    ] {
        let asked = BenchRequest { confirm: Some("live".to_owned()), ..of(spec, &id) };
        let preview = bench::preview(engine.clone(), asked.clone()).await.expect("a preview");
        let guard = preview.guard.as_deref().unwrap_or_default();
        assert_eq!(guard.contains("read-only"), writes, "{asked:?}: {preview:?}");
        assert_eq!(preview.confirm.as_deref(), Some("live"), "its name is to be typed: {preview:?}");
        if writes {
            let refused = bench::start(engine.clone(), asked).await.expect_err("it writes");
            assert!(refused.message.contains("read-only"), "{}", refused.message);
        }
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_can_tell_is_said_before_its_first_request() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let of = |path: &str, rate_per_s: f64| side(path, http(&format!("{}/{path}", target.url()), rate_per_s, 3.0));
    let asked = benchmark(http(&target.url(), 100.0, 10.0), None);
    let preview = bench::preview(engine.clone(), asked).await.expect("a preview");
    let tells = preview.tells.replace(['\u{2009}', '\u{202f}'], " ");
    assert_eq!(tells, "1 000 requests: up to p90; p99 needs 10 000, 1 min 40 s at 100/s");
    for (b, rate_per_s, refused) in [
        ("b", 1_000.0, Some("The two sides are not comparable: request GET /a in A, GET /b in B")),
        ("a", 60.0, Some("p50 of a run of a pair needs 200")),
        ("a", 1_000.0, None),
    ] {
        let asked = duet(of("a", rate_per_s), of(b, rate_per_s), 1.0);
        let preview = bench::duet_preview(engine.clone(), asked.clone()).await.expect("a preview");
        assert_eq!(preview.problem.is_some(), refused.is_some(), "{preview:?}");
        if let Some(words) = refused {
            let problem = preview.problem.unwrap_or_default();
            let first = words.split(':').next().unwrap_or_default();
            assert!(problem.contains(first), "{problem}");
            let error = bench::duet_start(engine.clone(), asked).await.expect_err("so it is refused");
            assert!(problem.starts_with(&error.message), "by the same rule: {problem} / {}", error.message);
        } else {
            assert!(preview.decides.starts_with("p50"), "{preview:?}");
        }
    }
    assert_eq!(target.requests(), 0, "nothing was sent");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_duet_says_its_pair_its_side_and_the_effect_so_far() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (slow, fast) = (
        ScriptedHttp::start(|_| Answer::ok("fine").after(Duration::from_millis(2))).await.expect("a server"),
        ScriptedHttp::start(|_| Answer::ok("fine").after(Duration::from_millis(2))).await.expect("a server"),
    );
    // Without a schedule, which a busy machine would be late for.
    let of = |label: &str, url: &str| side(label, crate::support::http(url, Load::Closed, 4, 0.6));
    let asked = duet(of("before", &slow.url()), of("after", &fast.url()), 0.2);
    let job = bench::duet_start(engine.clone(), asked).await.expect("it may");
    let seen = eventually(Duration::from_secs(30), async || {
        let now = bench::running(engine.clone(), Empty {}).await.expect("an answer")?;
        let part = now.part?;
        let BenchPart::Duet { side, resting, complete, .. } = &part else { panic!("not a duet: {part:?}") };
        if !resting {
            let RunSpec::Http(spec) = &now.spec else { panic!("not a request: {:?}", now.spec) };
            let own = if *side == Arm::A { slow.url() } else { fast.url() };
            let url = spec.url.trim_end_matches('/');
            assert!(own.starts_with(url), "the address of the side that runs: {url} {part:?}");
        }
        (*complete >= 2).then_some(part)
    })
    .await;
    let BenchPart::Duet { pairs, label_a, label_b, so_far, .. } = &seen else { panic!("not a duet: {seen:?}") };
    assert_eq!(*pairs, 6, "{seen:?}");
    assert_eq!((label_a.as_str(), label_b.as_str()), ("before", "after"), "{seen:?}");
    assert!(so_far[0].primary && so_far[0].effect.is_some(), "the effect so far: {seen:?}");
    let another = benchmark(http(&slow.url(), 800.0, 0.4), None);
    let refused = bench::start(engine.clone(), another).await.expect_err("one runs");
    assert_eq!(refused.remedy, Some(Remedy::ShowBenchmark), "it can be shown: {refused:?}");
    assert!(house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("asked"), "it can be stopped");
    let end = ended(&engine, &job).await;
    assert_eq!(end.state, JobState::Cancelled, "{end:?}");
    let now = bench::running(engine.clone(), Empty {}).await.expect("an answer");
    assert_eq!(now, None, "none runs any more");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_search_says_its_step_and_the_steps_so_far() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let search = KneeRequest {
        spec: BenchSpec::Http(http(&target.url(), 100.0, 1.0)),
        environment_id: None,
        slo: "p50<5s".to_owned(),
        max_connections: 4,
        step_s: 0.3,
        confirm_s: 0.3,
        confirm: None,
    };
    let job = bench::knee_start(engine.clone(), search).await.expect("it may");
    let (objective, connections) = eventually(Duration::from_secs(30), async || {
        let part = bench::running(engine.clone(), Empty {}).await.expect("an answer")?.part?;
        let BenchPart::Knee { slo, connections, so_far, .. } = part else { panic!("not a search: {part:?}") };
        (!so_far.points.is_empty()).then_some((slo, connections))
    })
    .await;
    assert_eq!(objective, "p50<5s", "the objective");
    assert!(connections >= 2, "the step after the first: {connections}");
    let end = ended(&engine, &job).await;
    let knee = result(&end);
    let runs = bench::run_list(engine.clone(), RunList::default()).await.expect("runs");
    assert!(runs.len() > 2, "{runs:?}");
    for run in runs {
        let part = run.part_of.as_ref().map(|part| (part.kind, part.id.as_str()));
        assert_eq!(part, Some((PartKind::Knee, knee.as_str())), "a step says which search it is of");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_as_it_was_edited_with_the_secrets_of_the_targets_that_stay() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let targets = TargetsDraft {
        database: Some("postgres://reader@127.0.0.1:1/app".to_owned()),
        database_password: SecretInput::Env { name: "SHOP_DATABASE_PASSWORD".to_owned() },
        cache: Some("redis://127.0.0.1:1/0".to_owned()),
        cache_password: SecretInput::Env { name: "SHOP_CACHE_PASSWORD".to_owned() },
        ..TargetsDraft::default()
    };
    let id = environment(&engine, draft("shop", Kind::Development, targets)).await;
    let mut edited = environments::draft(engine.clone(), by_id(&id)).await.expect("a draft");
    assert_eq!(edited.name, "shop", "as it is stored");
    let copy = async |edited: &EnvironmentDraft| {
        let asked = EnvDuplicate { id: id.clone(), name: None, draft: Some(edited.clone()) };
        environments::duplicate(engine.clone(), asked).await
    };
    copy(&edited).await.expect_err("the name is taken");
    edited.name = "shop staging".to_owned();
    edited.kind = Kind::Staging;
    edited.targets.cache = Some("redis://127.0.0.1:2/0".to_owned());
    let made = copy(&edited).await.expect("a copy");
    assert_eq!((made.name.as_str(), made.kind), ("shop staging", Kind::Staging), "{made:?}");
    let database = &made.targets.database.as_ref().expect("its database").password;
    let stays = SecretSource::Env { name: "SHOP_DATABASE_PASSWORD".to_owned() };
    assert_eq!(*database, stays, "the same target keeps its secret: {made:?}");
    let cache = &made.targets.cache.as_ref().expect("its cache").password;
    assert_eq!(*cache, SecretSource::None, "another one never gets it: {made:?}");
    let all = environments::list(engine.clone(), Empty {}).await.expect("environments");
    let own = all.iter().filter(|environment| !environment.demo).count();
    assert_eq!(own, 2, "a copy that was refused is not there: {all:?}");
    engine.shutdown().await;
}
