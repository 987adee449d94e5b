//! Commands of benchmarks: runs, comparisons, searches for the knee, plans, baselines.
use std::sync::Arc;

use perfdeck_model::{ApiError, Columns, Heatmap, JobStatus, Run, RunSummary, masking};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::core::store::UNDO_MS;
use crate::features::bench::comparisons::StoredComparison;
use crate::features::bench::data_load;
use crate::features::bench::duet::DuetRequest;
use crate::features::bench::hooks::Hooks;
use crate::features::bench::insights::{Baseline, BaselineSet, Moved, RunHistory};
use crate::features::bench::knees::{KneeRequest, StoredKnee};
use crate::features::bench::plans::{ImportedPlan, PlanCheck, PlanImport, PlanSave, SavedPlan};
use crate::features::bench::preview::{BenchPreview, DuetPreview};
use crate::features::bench::running::RunningBench;
use crate::features::bench::work::{BenchSpec, PlanFolder};
use crate::requests::{ById, Deleted, Empty, Text};
use crate::table::{Result, commands};

/// A benchmark.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct BenchRequest {
    /// Work that it does.
    pub spec: BenchSpec,
    /// The environment it belongs to.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Name of the run.
    #[serde(default)]
    pub name: Option<String>,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Lists runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct RunList {
    /// Environment that the list is limited to.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// Names two runs.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ComparePair {
    /// Run before the change, or the reference.
    pub a: String,
    /// Run after the change, or the candidate.
    pub b: String,
    /// Facts that may differ because they are the change: `setting.database.work_mem`, or all of a kind: `setting.*`.
    #[serde(default)]
    pub changed: Vec<String>,
}

/// Renames a run.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct RunRename {
    /// The run.
    pub id: String,
    /// New name of the run.
    pub name: String,
}

/// Asks for the environment's series during a run.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct RunSeries {
    /// The run.
    pub id: String,
    /// Series ids; all when absent.
    #[serde(default)]
    pub series: Option<Vec<String>>,
}

/// Asks for the response times of a run over time.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct RunHeatmap {
    /// The run.
    pub id: String,
    /// Most columns; each is of whole seconds.
    pub columns: u32,
}

commands! {
    Target Json "bench.preview" (BenchRequest) -> BenchPreview, changes [] => preview;
    Target Json "bench.start" (BenchRequest) -> JobStatus, changes [Jobs] => start;
    Read Json "bench.running" (Empty) -> Option<RunningBench>, changes [] => running;
    Read Json "compare.runs" (ComparePair) -> StoredComparison, changes [] => compare_runs;
    Target Json "duet.preview" (DuetRequest) -> DuetPreview, changes [] => duet_preview;
    Target Json "duet.start" (DuetRequest) -> JobStatus, changes [Jobs] => duet_start;
    Read Json "comparison.list" (RunList) -> Vec<StoredComparison>, changes [] => comparison_list;
    Read Json "comparison.get" (ById) -> StoredComparison, changes [] => comparison_get;
    Write Json "comparison.delete" (ById) -> bool, changes [Comparisons] => comparison_delete;
    Write Json "comparison.restore" (ById) -> bool, changes [Comparisons] => comparison_restore;
    Target Json "knee.start" (KneeRequest) -> JobStatus, changes [Jobs] => knee_start;
    Read Json "knee.list" (RunList) -> Vec<StoredKnee>, changes [] => knee_list;
    Write Json "knee.delete" (ById) -> bool, changes [Knees] => knee_delete;
    Write Json "knee.restore" (ById) -> bool, changes [Knees] => knee_restore;
    Read Json "knee.get" (ById) -> StoredKnee, changes [] => knee_get;
    Read Json "run.list" (RunList) -> Vec<RunSummary>, changes [] => run_list;
    Read Json "run.get" (ById) -> Run, changes [] => run_get;
    Write Json "run.rename" (RunRename) -> Run, changes [Runs] => run_rename;
    Write Json "run.delete" (ById) -> Deleted, changes [Runs, Environments] => run_delete;
    Write Json "run.restore" (ById) -> Run, changes [Runs, Environments] => run_restore;
    Read Json "plan.list" (Empty) -> Vec<SavedPlan>, changes [] => plan_list;
    Read Json "plan.check" (Text) -> PlanCheck, changes [] => plan_check;
    Read Json "plan.form" (Text) -> Option<BenchSpec>, changes [] => plan_form;
    Read Json "plan.import" (PlanImport) -> ImportedPlan, changes [] => plan_import;
    Write Json "plan.save" (PlanSave) -> SavedPlan, changes [Plans] => plan_save;
    Write Json "plan.delete" (ById) -> bool, changes [Plans] => plan_delete;
    Read Json "baseline.list" (Empty) -> Vec<Baseline>, changes [] => baseline_list;
    Write Json "baseline.set" (BaselineSet) -> Baseline, changes [Baselines] => baseline_set;
    Write Json "baseline.delete" (Text) -> bool, changes [Baselines] => baseline_delete;
    Read Json "run.history" (ById) -> RunHistory, changes [] => run_history;
    Read Json "run.moved" (ById) -> Vec<Moved>, changes [] => run_moved;
    Read Json "run.heatmap" (RunHeatmap) -> Heatmap, changes [] => run_heatmap;
    Read Binary "run.series" (RunSeries) -> Columns, changes [] => run_series;
}

/// Targets that a benchmark would be sent to, and what guards them.
pub async fn preview(engine: Arc<Engine>, request: BenchRequest) -> Result<BenchPreview> {
    engine.bench_preview(&request.spec, request.environment_id.as_deref(), &PlanFolder::default()).await
}

/// Starts a benchmark as a job.
pub async fn start(engine: Arc<Engine>, request: BenchRequest) -> Result<JobStatus> {
    engine.bench_start(request, PlanFolder::default()).await
}

/// The benchmark that runs, if one does.
pub async fn running(engine: Arc<Engine>, _: Empty) -> Result<Option<RunningBench>> {
    Ok(engine.bench_running())
}

/// Compares two stored runs.
pub async fn compare_runs(engine: Arc<Engine>, request: ComparePair) -> Result<StoredComparison> {
    engine.compare_runs(&request.a, &request.b, &request.changed).await
}

/// Targets that a duet would be sent to, what guards them, and why it would be refused.
pub async fn duet_preview(engine: Arc<Engine>, request: DuetRequest) -> Result<DuetPreview> {
    engine.duet_preview(&request).await
}

/// Starts interleaved pairs of runs as a job.
pub async fn duet_start(engine: Arc<Engine>, request: DuetRequest) -> Result<JobStatus> {
    engine.duet_start(request, Hooks::default(), PlanFolder::default()).await
}

/// Stored comparisons, newest first.
pub async fn comparison_list(engine: Arc<Engine>, request: RunList) -> Result<Vec<StoredComparison>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.comparisons(id.as_deref()).await
}

/// One stored comparison.
pub async fn comparison_get(engine: Arc<Engine>, request: ById) -> Result<StoredComparison> {
    engine
        .core
        .store
        .comparison(&request.id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("There is no comparison '{}'", masking::shown(&request.id))))
}

/// Forgets a comparison; its runs stay.
pub async fn comparison_delete(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.store.set_comparison_deleted(&request.id, Some(engine.core.clock.now_ms())).await
}

/// Brings a comparison back.
pub async fn comparison_restore(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.store.set_comparison_deleted(&request.id, None).await
}

/// Starts a search for the knee as a job.
pub async fn knee_start(engine: Arc<Engine>, request: KneeRequest) -> Result<JobStatus> {
    engine.knee_start(request, PlanFolder::default()).await
}

/// Stored searches for the knee, newest first.
pub async fn knee_list(engine: Arc<Engine>, request: RunList) -> Result<Vec<StoredKnee>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.knees(id.as_deref()).await
}

/// Forgets a search; its runs stay.
pub async fn knee_delete(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.store.set_knee_deleted(&request.id, Some(engine.core.clock.now_ms())).await
}

/// Brings a search back.
pub async fn knee_restore(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.store.set_knee_deleted(&request.id, None).await
}

/// One stored search.
pub async fn knee_get(engine: Arc<Engine>, request: ById) -> Result<StoredKnee> {
    let found = engine.core.store.knee(&request.id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("There is no search '{}'", masking::shown(&request.id))))
}

/// Stored runs, newest first.
pub async fn run_list(engine: Arc<Engine>, request: RunList) -> Result<Vec<RunSummary>> {
    let id = match request.environment_id {
        Some(id) => Some(engine.environment(&id).await?.id),
        None => None,
    };
    engine.core.store.runs(id.as_deref()).await
}

/// One run.
pub async fn run_get(engine: Arc<Engine>, request: ById) -> Result<Run> {
    engine.run(&request.id).await
}

/// Gives a run another name.
pub async fn run_rename(engine: Arc<Engine>, request: RunRename) -> Result<Run> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 120 {
        return Err(ApiError::bad_request("A run's name has 1 to 120 characters"));
    }
    let mut run = engine.run(&request.id).await?;
    run.name = masking::title(name);
    engine.core.store.put_run(&run, None, None).await?;
    Ok(run)
}

/// Deletes a run; it can be restored for a week.
pub async fn run_delete(engine: Arc<Engine>, request: ById) -> Result<Deleted> {
    let run = engine.run(&request.id).await?;
    let now = engine.core.clock.now_ms();
    engine.core.store.set_run_deleted(&run.id, Some(now)).await?;
    Ok(Deleted { id: run.id, undo_until_ms: now + UNDO_MS })
}

/// Brings a deleted run back.
pub async fn run_restore(engine: Arc<Engine>, request: ById) -> Result<Run> {
    engine.core.store.set_run_deleted(&request.id, None).await?;
    engine.run(&request.id).await
}

/// Saved plans.
pub async fn plan_list(engine: Arc<Engine>, _: Empty) -> Result<Vec<SavedPlan>> {
    engine.core.store.plans().await
}

/// Problems of a plan's text, without running it.
pub async fn plan_check(engine: Arc<Engine>, request: Text) -> Result<PlanCheck> {
    Ok(engine.plan_check(&request.text))
}

/// The few values that a plan was made of, where it is one of a statement or a mix of commands.
pub async fn plan_form(_: Arc<Engine>, request: Text) -> Result<Option<BenchSpec>> {
    let plan = perfdeck_plan::from_toml(&request.text).map_err(|e| ApiError::bad_request(e.to_string()))?;
    Ok(data_load::asked_for(&plan, None))
}

/// A plan made of what other tools recorded.
pub async fn plan_import(engine: Arc<Engine>, request: PlanImport) -> Result<ImportedPlan> {
    engine.plan_import(&request)
}

/// Saves a plan.
pub async fn plan_save(engine: Arc<Engine>, request: PlanSave) -> Result<SavedPlan> {
    engine.plan_save(request).await
}

/// Deletes a saved plan.
pub async fn plan_delete(engine: Arc<Engine>, request: ById) -> Result<bool> {
    engine.core.store.delete_plan(&request.id).await
}

/// Runs that others are held against.
pub async fn baseline_list(engine: Arc<Engine>, _: Empty) -> Result<Vec<Baseline>> {
    engine.core.store.baselines().await
}

/// Keeps a run under a name.
pub async fn baseline_set(engine: Arc<Engine>, request: BaselineSet) -> Result<Baseline> {
    engine.baseline_set(&request).await
}

/// Forgets a baseline; its run stays.
pub async fn baseline_delete(engine: Arc<Engine>, request: Text) -> Result<bool> {
    engine.core.store.delete_baseline(&request.text).await
}

/// All runs of the same work.
pub async fn run_history(engine: Arc<Engine>, request: ById) -> Result<RunHistory> {
    engine.run_history(&request.id).await
}

/// Series that moved during a run, first ones first.
pub async fn run_moved(engine: Arc<Engine>, request: ById) -> Result<Vec<Moved>> {
    engine.run_moved(&request.id).await
}

/// A run's response times over its seconds.
pub async fn run_heatmap(engine: Arc<Engine>, request: RunHeatmap) -> Result<Heatmap> {
    engine.run_heatmap(&request.id, request.columns).await
}

/// The environment's samples during a run.
pub async fn run_series(engine: Arc<Engine>, request: RunSeries) -> Result<Columns> {
    engine.run_series(&request.id, request.series.as_deref()).await
}
