//! Advice as a job: what it takes, what is kept of it, and what a change that was planned of it keeps.
use std::sync::Arc;

use perfdeck_engine::database::{
    AdviseRequest, AllowHypopg, CreateIndexRequest, ProveRequest, db_advice, db_advise, db_allow_hypopg, db_plan_index,
    db_prove,
};
use perfdeck_engine::house::{JournalList, journal_list};
use perfdeck_engine::{ByEnvironment, Engine, changes};
use perfdeck_model::{
    AdviceBasis, ApiError, ChangeState, ErrorCode, HypopgUse, IndexAdvice, JobResult, Kind, ProofVerdict,
    SimulationMethod, Unit,
};
use perfdeck_testkit::sqlx::{self, Connection as _, Row as _};
use perfdeck_testkit::{PostgresDatabase, shared_mariadb, shared_postgres};

use crate::support::{apply, by_id, open};

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int, created timestamptz, status text, note text);
    INSERT INTO orders SELECT n, n % 500, timestamptz '2026-01-01' + n * interval '1 min', 'new', md5(n::text)
    FROM generate_series(1, 20000) n; ANALYZE orders";

async fn environment(engine: &Arc<Engine>, name: &str, kind: Kind, server: &PostgresDatabase) -> String {
    crate::support::environment(engine, crate::support::draft(name, kind, crate::support::database(server.url()))).await
}

async fn advise(engine: &Arc<Engine>, request: AdviseRequest) -> Result<IndexAdvice, ApiError> {
    let environment_id = request.environment_id.clone();
    let job = db_advise(engine.clone(), request).await?;
    let end = engine.jobs().wait(&job.id).await.expect("the job");
    let id = match (end.result, end.error) {
        (Some(JobResult::Advice(id)), _) => id,
        (other, error) => return Err(error.unwrap_or_else(|| ApiError::internal(format!("{other:?}")))),
    };
    let kept = db_advice(engine.clone(), ByEnvironment { environment_id }).await?.expect("it is kept");
    assert_eq!(kept.id, id, "the job's result is what is kept");
    Ok(kept)
}

fn queries(environment_id: &str, all: &[&str]) -> AdviseRequest {
    AdviseRequest {
        environment_id: environment_id.to_owned(),
        queries: all.iter().map(|q| (*q).to_owned()).collect(),
        ..AdviseRequest::default()
    }
}

const OF_ONE: &str = "SELECT * FROM orders WHERE customer_id = 7 ORDER BY created DESC LIMIT 10";

#[tokio::test(flavor = "multi_thread")]
async fn advice_is_kept_and_its_prediction_goes_with_the_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Staging, &server).await;
    assert!(db_advice(engine.clone(), ByEnvironment { environment_id: id.clone() }).await.expect("asked").is_none());

    let secret = "SELECT id FROM orders WHERE note = 'my-canary-literal'; VACUUM orders; SELECT 1 FROM nowhere";
    let advice = advise(&engine, queries(&id, &[OF_ONE, secret])).await.expect("advice");
    assert_eq!((advice.basis, advice.method), (AdviceBasis::Planner, SimulationMethod::Shadow), "{advice:#?}");
    assert!(advice.server.starts_with("PostgreSQL 15"), "{}", advice.server);
    assert_eq!((advice.statements, advice.not_analysed.len()), (4, 2), "{:?}", advice.not_analysed);
    assert_eq!(advice.explained, Some(0.5), "two of four, each as heavy as the others");
    let index = advice.advised.iter().find(|a| a.keys == "(customer_id, created DESC)").expect("advised");
    assert_eq!(advice.advised.len(), 2, "{:?}", advice.advised);
    let text = serde_json::to_string(&advice).expect("JSON");
    assert!(!text.contains("canary-literal"), "no literal is kept: {text}");
    let saved = advice.saved.expect("a share");
    assert!(saved.low <= saved.value && saved.value <= saved.high && saved.value > 0.3, "{saved:?}");
    assert!(saved.high <= 0.5 + 1e-9, "not more than what was analysed: {saved:?}");
    let effect = &advice.effects[index.used_by[0] as usize];
    assert!(
        effect.now_ms.is_none() && effect.change < -0.9,
        "nobody knows how long a query of a file takes: {effect:?}"
    );
    let scan = |plan: &[perfdeck_model::PlanNode]| plan.iter().find_map(|n| n.index.clone());
    assert_eq!((scan(&effect.plan_before), scan(&effect.plan_after)), (None, Some(index.name.clone())), "{effect:#?}");
    assert!(effect.plan_before.iter().any(|n| n.name.contains("Seq Scan")), "{:?}", effect.plan_before);

    let asked = |advice_id: &str, keys: usize| CreateIndexRequest {
        environment_id: id.clone(),
        index: perfdeck_model::IndexSpec { keys: index.spec.keys[..keys].to_vec(), ..index.spec.clone() },
        advice_id: Some(advice_id.to_owned()),
    };
    let refused = db_plan_index(engine.clone(), asked("other", 2)).await.expect_err("of another advice");
    assert_eq!(refused.code, ErrorCode::NotFound, "{refused}");
    let refused = db_plan_index(engine.clone(), asked(&advice.id, 1)).await.expect_err("not what was advised");
    assert_eq!(refused.code, ErrorCode::BadRequest, "{refused}");
    let planned = db_plan_index(engine.clone(), asked(&advice.id, 2)).await.expect("planned").change;
    let prediction = planned.prediction.as_ref().expect("kept with it");
    assert_eq!((prediction.bytes, prediction.statements.len()), (index.bytes, 1), "{prediction:?}");
    let size = planned.preview.iter().find(|r| r.what == "Size").expect("previewed");
    assert_eq!((size.predicted, size.unit), (index.bytes, Unit::Bytes), "{planned:?}");
    let applied = apply(&engine, &planned.id, None).await.expect("applied");
    assert_eq!(applied.prediction, planned.prediction, "it stays");
    let size = applied.preview.iter().find(|r| r.what == "Size").expect("measured");
    let (said, real) = (size.predicted.expect("said"), size.came.expect("measured"));
    assert!((said - real).abs() < real * 0.2, "{said} said, {real} written");

    // Its values were not kept: it is proven with others.
    let asked = ProveRequest {
        change_id: applied.id.clone(),
        statements: Vec::new(),
        writes: false,
        seconds: Some(2.0),
        confirm: None,
    };
    let job = db_prove(engine.clone(), asked).await.expect("begun");
    engine.jobs().wait(&job.id).await.expect("the job");
    let proof = crate::support::change(&engine, &applied.id).await.proof.expect("measured");
    let [statement] = proof.statements.as_slice() else { panic!("{proof:#?}") };
    assert!(statement.not_measured.is_none() && statement.change.is_some(), "{statement:#?}");

    // What is there is not advised again, and nothing is left of what was simulated.
    let again = advise(&engine, queries(&id, &[OF_ONE])).await.expect("advice");
    assert!(again.advised.is_empty() && again.effects.is_empty(), "{:?}", again.advised);
    assert!(again.rejected.iter().any(|r| r.why.contains("does that already")), "{:?}", again.rejected);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_advice_cannot_be_given_on_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    let id = environment(&engine, "clinic", Kind::Production, &server).await;
    let base = queries(&id, &[OF_ONE]);
    let rows: [(AdviseRequest, &str); 7] = [
        (AdviseRequest { budget_bytes: Some(-1.0), ..base.clone() }, "The budget is a number of bytes above 0"),
        (AdviseRequest { look_s: Some(5.0), ..base.clone() }, "on one of them only"),
        (AdviseRequest { look_s: Some(0.1), queries: Vec::new(), ..base.clone() }, "1 s to 10 min"),
        (
            AdviseRequest { from_ms: Some(5.0), to_ms: Some(1.0), queries: Vec::new(), ..base.clone() },
            "ends after it starts",
        ),
        (queries(&id, &[" ; -- nothing"]), "There is no query"),
        (queries(&id, &["SELECT 'open"]), "The queries are not understood"),
        (AdviseRequest { queries: Vec::new(), ..base.clone() }, "No statement was seen in that time"),
    ];
    for (request, why) in rows {
        let refused = advise(&engine, request).await.expect_err(why);
        assert!(refused.message.contains(why), "{why}: {refused}");
    }
    engine.shutdown().await;
}

async fn journal(engine: &Arc<Engine>) -> Vec<String> {
    let all = journal_list(engine.clone(), JournalList::default()).await.expect("the journal");
    all.into_iter().map(|e| e.text).filter(|t| t.contains("HypoPG")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hypopg_is_agreed_to_and_its_death_ends_its_use() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    server.execute("CREATE EXTENSION hypopg").await.expect("installed by the set-up");
    let staging = environment(&engine, "staging", Kind::Staging, &server).await;
    let local = environment(&engine, "local", Kind::Development, &server).await;
    let use_of = |advice: &IndexAdvice| (advice.method, advice.hypopg);

    let first = advise(&engine, queries(&staging, &[OF_ONE])).await.expect("advice");
    assert_eq!(use_of(&first), (SimulationMethod::Shadow, HypopgUse::NotAgreed), "the harmless way first");
    let allow = |allow: bool| AllowHypopg { environment_id: staging.clone(), allow };
    assert_eq!(db_allow_hypopg(engine.clone(), allow(true)).await.expect("agreed"), HypopgUse::Allowed);
    assert_eq!(journal(&engine).await.len(), 1, "it is journaled");
    let agreed = advise(&engine, queries(&staging, &[OF_ONE])).await.expect("advice");
    assert_eq!(use_of(&agreed), (SimulationMethod::Shadow, HypopgUse::Allowed), "it is not needed there");
    assert_eq!(db_allow_hypopg(engine.clone(), allow(false)).await.expect("withdrawn"), HypopgUse::NotAgreed);

    let here = advise(&engine, queries(&local, &[OF_ONE])).await.expect("advice");
    assert_eq!(use_of(&here), (SimulationMethod::Hypopg, HypopgUse::Allowed), "developers' data");
    // Somebody ends its session while it plans: the next way goes on by itself, and it is not used again.
    let many: Vec<String> = (0..60)
        .map(|n| format!("SELECT * FROM orders WHERE customer_id = {n} AND note = 'x' AND status = 'new'"))
        .collect();
    let texts: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut c = server.connect().await.expect("connects");
    let killer = async {
        // Between two plans too; a session of the advice before may still be there.
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'perfdeck-change' AND query LIKE '%EXPLAIN%'
                      AND backend_start > (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())";
        while sqlx::query(sql).fetch_one(&mut c).await.expect("asks").get::<i64, _>(0) == 0 {}
        c.close().await.expect("closed");
        std::future::pending::<()>().await;
    };
    let given = tokio::select! {
        given = advise(&engine, queries(&local, &texts)) => given,
        () = killer => unreachable!("it waits for the other"),
    };
    let given = given.expect("by samples");
    assert_eq!(use_of(&given), (SimulationMethod::Shadow, HypopgUse::Quarantined), "{:?}", given.notes);
    assert!(!given.advised.is_empty() && given.notes.iter().any(|n| n.contains("ended while it planned")), "{given:?}");
    assert!(journal(&engine).await.iter().any(|t| t.contains("its session ended while it planned")));
    let after = advise(&engine, queries(&local, &[OF_ONE])).await.expect("advice");
    assert_eq!(use_of(&after), (SimulationMethod::Shadow, HypopgUse::Quarantined), "never again by itself");
    let back = AllowHypopg { environment_id: local.clone(), allow: true };
    db_allow_hypopg(engine.clone(), back).await.expect("somebody agrees again");
    let again = advise(&engine, queries(&local, &[OF_ONE])).await.expect("advice");
    assert_eq!(again.method, SimulationMethod::Hypopg, "{:?}", again.notes);
    engine.shutdown().await;

    let engine = open(dir.path()).await;
    let kept = db_advice(engine.clone(), ByEnvironment { environment_id: local }).await.expect("asked");
    assert_eq!(kept, Some(again), "advice outlives the process");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_only_previewed_can_be_discarded() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server
        .execute("CREATE TABLE t (a int); CREATE INDEX one ON t (a); CREATE INDEX two ON t (a)")
        .await
        .expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server).await;
    let planned = crate::support::plan_drop(&engine, &id, "two").await.expect("planned");
    let gone = changes::discard(engine.clone(), by_id(&planned.id)).await.expect("discarded");
    assert_eq!((gone.state, gone.offers.len()), (ChangeState::Lapsed, 0), "{gone:?}");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is past");
    assert_eq!(refused.code, ErrorCode::Conflict, "{refused}");
    let planned = crate::support::plan_drop(&engine, &id, "two").await.expect("planned again");
    apply(&engine, &planned.id, None).await.expect("applied");
    let refused = changes::discard(engine.clone(), by_id(&planned.id)).await.expect_err("it is in force");
    assert!(refused.message.contains("cannot be discarded"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_long_text_is_advised_created_proven_and_undone_on_mariadb() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_mariadb().await.expect("MariaDB"));
    server
        .execute(
            "CREATE TABLE visits (id INT PRIMARY KEY, agent TEXT, at DATETIME);
             INSERT INTO visits SELECT seq, CONCAT('agent ', MD5(seq)), NOW() FROM seq_1_to_20000; ANALYZE TABLE visits",
        )
        .await
        .expect("rows");
    let before = super::mariadb::definition(server, "visits").await;
    let id = super::environment(&engine, "visits", &server.url()).await;
    let text = "SELECT id FROM visits WHERE agent = 'agent d3d9446802a44259755d38e6d163e820'";
    let advice = advise(&engine, queries(&id, &[text])).await.expect("advice");
    let [index] = advice.advised.as_slice() else { panic!("{:?} {:?}", advice.advised, advice.rejected) };
    assert_eq!((index.keys.as_str(), index.spec.keys[0].prefix), ("(agent(16))", Some(16)), "{index:?}");
    assert!(index.statement.contains("(`agent`(16))"), "{}", index.statement);
    let asked =
        CreateIndexRequest { environment_id: id.clone(), index: index.spec.clone(), advice_id: Some(advice.id) };
    let planned = db_plan_index(engine.clone(), asked).await.expect("planned").change;
    let applied = apply(&engine, &planned.id, None).await.expect("created");
    let line = "  KEY `visits_agent_idx` (`agent`(16))";
    assert!(super::mariadb::definition(server, "visits").await.iter().any(|l| l == line), "{applied:?}");
    let asked = ProveRequest {
        change_id: applied.id.clone(),
        statements: vec![text.to_owned()],
        writes: false,
        seconds: Some(3.0),
        confirm: None,
    };
    let job = db_prove(engine.clone(), asked).await.expect("begun");
    engine.jobs().wait(&job.id).await.expect("the job");
    let proof = crate::support::change(&engine, &applied.id).await.proof.expect("measured");
    assert_eq!(proof.verdict, ProofVerdict::Proven, "{proof:?}");
    crate::support::undo(&engine, &applied.id).await.expect("undone");
    assert_eq!(super::mariadb::definition(server, "visits").await, before, "as before");
    server.execute("DROP TABLE visits").await.expect("gone");
    engine.shutdown().await;
}
