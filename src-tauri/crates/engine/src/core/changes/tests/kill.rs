//! `kill -9` at any moment: afterwards the list says what the target says, and what is half done can be undone or finished.
//!
//! The killed process is this test program itself, started again for [`child`] alone.
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{Change, ChangeState, EnvironmentDraft, ErrorCode, JobState, Says, TargetsDraft};
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::super::ChangeKind;
use super::scripted::{Act, SCRIPTED, Script, Scripted, put, word};
use crate::{Engine, EngineOptions};

/// Variable that makes [`child`] do something: its orders.
const ORDERS: &str = "PERFDECK_TEST_CHANGE_ORDERS";
/// Moments at which the child is killed.
const ROUNDS: usize = 50;

/// What the child does, until it is killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Orders {
    data_dir: PathBuf,
    environment: String,
    file: PathBuf,
    script: Script,
    /// The change that it undoes; without one it plans and applies.
    undo: Option<String>,
}

async fn open(data_dir: &Path, script: Script) -> Arc<Engine> {
    let scripted = Scripted::default();
    scripted.set(script);
    let kinds: Vec<Box<dyn ChangeKind>> = vec![Box::new(scripted)];
    let options = EngineOptions { data_dir: Some(data_dir.to_owned()), clock: None };
    Engine::open_with(options, kinds).await.expect("the engine opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn child() {
    let Some(orders) = std::env::var_os(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(orders.to_str().expect("UTF-8")).expect("orders");
    let engine = open(&orders.data_dir, orders.script).await;
    // From here on it may be killed.
    let mut out = std::io::stdout();
    out.write_all(b"GO\n").and_then(|()| out.flush()).expect("the parent listens");
    let job = match &orders.undo {
        Some(id) => engine.undo_change(id, &[]).await,
        None => {
            let object = orders.file.display().to_string();
            match engine.plan_change(SCRIPTED, &orders.environment, &object, None).await {
                Ok(planned) => engine.apply_change(&planned.id, &[]).await,
                Err(error) => Err(error),
            }
        }
    };
    if let Ok(job) = job {
        engine.jobs().wait(&job.id).await;
    }
    std::future::pending::<()>().await;
}

/// Starts the child and waits until it may be killed.
fn start(orders: &Orders) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "core::changes::tests::kill::child", "--nocapture", "--test-threads=1"]);
    command.env(ORDERS, serde_json::to_string(orders).expect("JSON")).env("PERFDECK_SECRET_STORE", "session");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let out = child.stdout.as_mut().expect("piped");
    let mut seen = Vec::new();
    let mut byte = [0];
    // The test program says more than the child does.
    while !seen.ends_with(b"GO\n") {
        assert_eq!(out.read(&mut byte).expect("its output"), 1, "it ended: {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    child
}

/// SIGKILL, and the end of the process.
fn kill(mut child: Child) {
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
}

async fn environment(engine: &Engine) -> String {
    let targets = TargetsDraft { api: Some("http://127.0.0.1:9".to_owned()), ..TargetsDraft::default() };
    let draft = EnvironmentDraft { name: "clinic".to_owned(), targets, ..EnvironmentDraft::default() };
    engine.save_environment(&draft, None).await.expect("made").id
}

fn says(file: &Path) -> Says {
    match word(file).as_str() {
        "before" => Says::AsBefore,
        "half" => Says::HalfDone,
        "applied" => Says::AsApplied,
        other => panic!("the file says '{other}'"),
    }
}

async fn end(engine: &Arc<Engine>, job: Result<perfdeck_model::JobStatus, perfdeck_model::ApiError>) {
    let job = job.expect("it may");
    let end = engine.jobs().wait(&job.id).await.expect("known");
    assert_eq!(end.state, JobState::Done, "{end:?}");
}

/// The change of a file, as the list has it.
async fn listed(engine: &Arc<Engine>, file: &Path) -> Option<Change> {
    let all = engine.change_list(None, false).await.expect("the list");
    all.into_iter().find(|c| c.object == file.display().to_string())
}

/// Orders at random: what is done, how its methods behave.
async fn orders(rng: &mut impl Rng, data_dir: &Path, environment: &str, file: PathBuf) -> Orders {
    let acts =
        [Act::Slow, Act::Slow, Act::Slow, Act::Slow, Act::HangHalf, Act::HangHalf, Act::FailHalf, Act::Hang, Act::Fail];
    let act = acts[rng.random_range(0..acts.len())];
    let slow = Script {
        plan: Act::Slow,
        preview: Act::Slow,
        apply: Act::Slow,
        verify: Act::Slow,
        undo: Act::Slow,
        lease_ms: None,
    };
    let mut undo = None;
    let script = match rng.random_range(0..10) {
        0 => Script { plan: Act::Hang, ..slow },
        1 => Script { preview: if rng.random_bool(0.5) { Act::Hang } else { Act::Fail }, ..slow },
        2 => Script { verify: if rng.random_bool(0.5) { Act::Hang } else { Act::Fail }, ..slow },
        3..=5 => {
            let engine = open(data_dir, Script::default()).await;
            let planned =
                engine.plan_change(SCRIPTED, environment, &file.display().to_string(), None).await.expect("planned");
            end(&engine, engine.apply_change(&planned.id, &[]).await).await;
            engine.shutdown().await;
            undo = Some(planned.id);
            Script { undo: act, ..slow }
        }
        _ => Script { apply: act, ..slow },
    };
    Orders { data_dir: data_dir.to_owned(), environment: environment.to_owned(), file, script, undo }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_50_moments_the_list_says_what_the_target_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let engine = open(&data, Script::default()).await;
    let environment = environment(&engine).await;
    engine.shutdown().await;
    drop(engine);
    let mut rng = rand::rngs::StdRng::seed_from_u64(10);
    let (mut cut_off, mut half, mut right) = (0, 0, 0);
    for round in 0..ROUNDS {
        let file = dir.path().join(format!("target-{round}"));
        put(&file, "before");
        let orders = orders(&mut rng, &data, &environment, file.clone()).await;
        let child = start(&orders);
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..150_000))).await;
        kill(child);
        // Independent of the product.
        let truth = says(&file);
        let engine = open(&data, Script::default()).await;
        let change = listed(&engine, &file).await;
        let what = format!("round {round}, {orders:?}: {change:?}");
        match change.as_ref().map(|c| c.state) {
            None | Some(ChangeState::Planned | ChangeState::Previewed | ChangeState::Failed | ChangeState::Undone) => {
                assert_eq!(truth, Says::AsBefore, "nothing of it is there: {what}");
            }
            Some(ChangeState::Applied | ChangeState::Verified | ChangeState::CutOff) => {
                let told = change.as_ref().and_then(|c| c.target_says.as_ref()).map(|t| t.says);
                assert_eq!(told, Some(truth), "the list says what the target says: {what}");
            }
            Some(state) => panic!("nobody works on it, and it is {}: {what}", state.as_str()),
        }
        right += 1;
        if let Some(change) = change.filter(|c| c.state.is_in_force()) {
            cut_off += usize::from(change.state == ChangeState::CutOff);
            half += usize::from(truth == Says::HalfDone);
            if change.state == ChangeState::CutOff && rng.random_bool(0.4) {
                end(&engine, engine.apply_change(&change.id, &[]).await).await;
                assert_eq!(word(&file), "applied", "it is brought to its end: {what}");
            }
            end(&engine, engine.undo_change(&change.id, &[]).await).await;
            assert_eq!(word(&file), "before", "it is undone, or cleaned up: {what}");
            let state = listed(&engine, &file).await.map(|c| c.state);
            assert_eq!(state, Some(ChangeState::Undone), "and the list says so: {what}");
        }
        engine.shutdown().await;
    }
    assert_eq!(right, ROUNDS);
    assert!(cut_off >= 10 && half >= 5, "the kills fell into the middle: {cut_off} cut off, {half} half done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_living_process_holds_is_not_cut_off() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, file) = (dir.path().join("data"), dir.path().join("target"));
    put(&file, "before");
    let engine = open(&data, Script::default()).await;
    let environment = environment(&engine).await;
    let script = Script { apply: Act::HangHalf, ..Script::default() };
    let child = start(&Orders { data_dir: data, environment, file: file.clone(), script, undo: None });
    perfdeck_testkit::eventually(Duration::from_secs(5), || async { word(&file) == "half" }).await;
    engine.find_cut_off().await;
    let change = listed(&engine, &file).await.expect("it is listed");
    assert_eq!((change.state, change.held), (ChangeState::Applying, true), "the other process works on it");
    assert!(change.offers.is_empty(), "nothing is offered meanwhile");
    let refused = engine.undo_change(&change.id, &[]).await.expect_err("it is held");
    assert_eq!(refused.code, ErrorCode::Conflict, "{refused}");
    kill(child);
    // The housekeeping looks too: nobody takes another's look for work.
    let looks = futures_util::future::join_all((0..8).map(|_| async {
        engine.find_cut_off().await;
        listed(&engine, &file).await.map(|c| c.state)
    }));
    assert!(looks.await.into_iter().all(|state| state == Some(ChangeState::CutOff)), "each of eight lists says so");
    engine.find_cut_off().await;
    let stored = engine.core.store.change(&change.id).await.expect("read").expect("there").change;
    assert_eq!(stored.state, ChangeState::CutOff, "its lock ended with the process");
    let change = listed(&engine, &file).await.expect("it is listed");
    assert_eq!(change.target_says.map(|t| t.says), Some(Says::HalfDone), "and the target was asked");
    engine.shutdown().await;
}
