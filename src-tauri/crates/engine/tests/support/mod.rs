//! The engine as a face uses it: the functions of its features, with their requests and answers, so that a renamed field does
//! not compile.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::bench::{self, BenchRequest};
use perfdeck_engine::changes::{self, ChangeConfirm, ChangePlan};
use perfdeck_engine::environments::{self, EnvCreate};
use perfdeck_engine::{BenchSpec, ByEnvironment, ById, Engine, EngineOptions};
use perfdeck_model::{
    ApiError, Change, ErrorCode, HttpBenchSpec, JobState, JobStatus, Kind, Load, Method, Run, Says, TargetsDraft,
};
use perfdeck_model::{EnvironmentDraft, JobResult};

pub(crate) async fn open(dir: &Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

pub(crate) fn by_id(id: &str) -> ById {
    ById { id: id.to_owned() }
}

pub(crate) fn by_environment(id: &str) -> ByEnvironment {
    ByEnvironment { environment_id: id.to_owned() }
}

pub(crate) fn draft(name: &str, kind: Kind, targets: TargetsDraft) -> EnvironmentDraft {
    EnvironmentDraft { name: name.to_owned(), kind, targets, ..EnvironmentDraft::default() }
}

pub(crate) fn api(url: String) -> TargetsDraft {
    TargetsDraft { api: Some(url), ..TargetsDraft::default() }
}

pub(crate) fn cache(url: String) -> TargetsDraft {
    TargetsDraft { cache: Some(url), ..TargetsDraft::default() }
}

pub(crate) fn database(url: String) -> TargetsDraft {
    TargetsDraft { database: Some(url), ..TargetsDraft::default() }
}

/// Stores an environment and answers its identifier.
pub(crate) async fn environment(engine: &Arc<Engine>, draft: EnvironmentDraft) -> String {
    environments::create(engine.clone(), EnvCreate { draft }).await.expect("created").id
}

/// A job at its end.
pub(crate) async fn ended(engine: &Arc<Engine>, job: &JobStatus) -> JobStatus {
    let end = tokio::time::timeout(Duration::from_secs(60), engine.jobs().wait(&job.id)).await;
    end.expect("within a minute").expect("known")
}

/// Result of a job that ended well.
pub(crate) fn result(end: &JobStatus) -> String {
    assert_eq!(end.state, JobState::Done, "{end:?}");
    end.result.as_ref().map(JobResult::id).expect("a result").to_owned()
}

/// `GET` of a URL, without a warm-up.
pub(crate) fn http(url: &str, load: Load, connections: u32, duration_s: f64) -> HttpBenchSpec {
    HttpBenchSpec {
        url: url.to_owned(),
        method: Method::default(),
        headers: Vec::new(),
        body: None,
        body_base64: None,
        load,
        connections,
        threads: None,
        duration_s,
        warmup_s: 0.0,
        timeout_s: 10.0,
        insecure_tls: false,
        client_certificate: None,
        thresholds: Vec::new(),
    }
}

pub(crate) fn benchmark(spec: HttpBenchSpec, environment_id: Option<&str>) -> BenchRequest {
    BenchRequest {
        spec: BenchSpec::Http(spec),
        environment_id: environment_id.map(str::to_owned),
        name: None,
        confirm: None,
    }
}

/// Runs a benchmark to the end of its job; an error is what refused it.
pub(crate) async fn measure(engine: &Arc<Engine>, asked: BenchRequest) -> Result<JobStatus, ApiError> {
    let job = bench::start(engine.clone(), asked).await?;
    Ok(ended(engine, &job).await)
}

/// The stored run of a benchmark that ended well.
pub(crate) async fn run_of(engine: &Arc<Engine>, end: &JobStatus) -> Run {
    bench::run_get(engine.clone(), by_id(&result(end))).await.expect("stored")
}

pub(crate) async fn plan_drop(engine: &Arc<Engine>, environment: &str, object: &str) -> Result<Change, ApiError> {
    let asked =
        ChangePlan { kind: "drop_index".to_owned(), environment_id: environment.to_owned(), object: object.to_owned() };
    changes::plan(engine.clone(), asked).await.map(|detail| detail.change)
}

pub(crate) async fn change(engine: &Arc<Engine>, id: &str) -> Change {
    changes::get(engine.clone(), by_id(id)).await.expect("it is there")
}

pub(crate) fn confirmed(id: &str, typed: Option<&str>) -> ChangeConfirm {
    ChangeConfirm { id: id.to_owned(), confirm: typed.map(str::to_owned), agree: None }
}

/// Applies a change to the end of the job.
pub(crate) async fn apply(engine: &Arc<Engine>, id: &str, typed: Option<&str>) -> Result<Change, ApiError> {
    let job = changes::apply(engine.clone(), confirmed(id, typed)).await?;
    changed(engine, id, &job).await
}

/// Undoes a change to the end of the job.
pub(crate) async fn undo(engine: &Arc<Engine>, id: &str) -> Result<Change, ApiError> {
    let job = changes::undo(engine.clone(), confirmed(id, None)).await?;
    changed(engine, id, &job).await
}

/// The change after a job that altered it, or what failed.
pub(crate) async fn changed(engine: &Arc<Engine>, id: &str, job: &JobStatus) -> Result<Change, ApiError> {
    let end = ended(engine, job).await;
    match (end.state, end.error) {
        (JobState::Done, _) => Ok(change(engine, id).await),
        (_, Some(error)) => Err(error),
        (_, None) => Err(ApiError::new(ErrorCode::Cancelled, "it was cancelled")),
    }
}

pub(crate) fn says(change: &Change) -> Option<Says> {
    change.target_says.as_ref().map(|told| told.says)
}
