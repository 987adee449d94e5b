//! Running benchmarks: guards, the job, live figures, and storing the run with the environment's series during it.
use std::sync::{Arc, PoisonError};

use perfdeck_bench::RunContext;
use perfdeck_model::{ApiError, Columns, Environment, ErrorCode, Heatmap, JobStatus, Run, RunSpec, Tag};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;
use crate::guards::check_load;
use crate::jobs::JobContext;
use crate::requests::BenchRequest;
use crate::work::{BenchSpec, PlanFolder, Work};

/// What would happen if a benchmark were started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub(crate) struct BenchPreview {
    /// Addresses that the host resolves to.
    pub resolved: Vec<String>,
    /// Whether all of them are this machine.
    pub loopback: bool,
    /// What the environment's guard asks for, if anything.
    pub guard: Option<String>,
    /// Whether the environment's name must be typed.
    pub typed_confirmation: bool,
}

/// The benchmark that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub(crate) struct RunningBench {
    /// Its job.
    pub job: JobStatus,
    /// What it does.
    pub spec: RunSpec,
}

/// One run within a job.
pub(crate) struct Bench {
    pub(crate) work: Arc<Work>,
    pub(crate) context: RunContext,
    /// Share of the job that is done when it starts.
    pub(crate) from: f64,
    /// Share of the job that it is.
    pub(crate) share: f64,
    /// What the job is at besides the run's own phase; may be empty.
    pub(crate) words: String,
}

/// Whether all of `addresses` (without ports) are this machine.
fn is_loopback(addresses: &[String]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|a| a.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

impl Engine {
    async fn bench_environment(&self, id: Option<&str>) -> Result<Option<Environment>, ApiError> {
        match id {
            Some(id) => self.environment(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Resolves the hosts and asks the guards, without sending anything.
    pub(crate) async fn bench_preview(&self, request: &BenchRequest) -> Result<BenchPreview, ApiError> {
        let environment = self.bench_environment(request.environment_id.as_deref()).await?;
        let work = self.work(&request.spec, environment.as_ref(), &PlanFolder::default()).await?;
        let resolved = work.resolved().await?;
        let guard = environment
            .as_ref()
            .and_then(|e| check_load(e, &work, self.is_unlocked(e)).err())
            .map(|e| e.hint.as_ref().map_or_else(|| e.message.clone(), |h| format!("{}. {h}", e.message)));
        Ok(BenchPreview {
            loopback: is_loopback(&resolved),
            resolved,
            guard,
            typed_confirmation: environment.is_some_and(|e| e.guards.typed_confirmation),
        })
    }

    /// Starts a benchmark as a job whose result is the run's id. Its plan finds files in `folder`.
    ///
    /// # Errors
    /// When the plan is refused, a guard says no, or another benchmark runs.
    pub async fn bench_start(
        self: &Arc<Self>,
        request: BenchRequest,
        folder: PlanFolder,
    ) -> Result<JobStatus, ApiError> {
        let BenchRequest { spec, environment_id, name, confirm } = request;
        let (work, environment) =
            self.bench_allowed(&spec, environment_id.as_deref(), confirm.as_deref(), &folder).await?;
        self.bench_is_free()?;
        self.set_running(&work)?;
        let name = name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).unwrap_or_else(|| work.name());
        let context = self.run_context(name.clone(), environment.as_ref());
        let engine = self.clone();
        let environment_id = environment.map(|e| e.id);
        Ok(self.jobs.spawn("bench", name, environment_id, move |job| async move {
            let bench = Bench { work: Arc::new(work), context, from: 0.0, share: 1.0, words: String::new() };
            let run = engine.bench_run(bench, &job).await?;
            Ok(Some(run.id))
        }))
    }

    /// What a new run needs to know besides its plan.
    pub(crate) fn run_context(&self, name: String, environment: Option<&Environment>) -> RunContext {
        RunContext {
            run_id: Uuid::now_v7().to_string(),
            name,
            environment_id: environment.map(|e| e.id.clone()),
            environment_name: environment.map(|e| e.name.clone()),
            machine: self.machine.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Keeps what the next benchmark does, for screens that are opened during it.
    pub(crate) fn set_running(&self, work: &Work) -> Result<(), ApiError> {
        *self.bench_spec.lock().unwrap_or_else(PoisonError::into_inner) = Some(work.spec()?);
        Ok(())
    }

    /// A benchmark and its environment, if the guards allow it.
    pub(crate) async fn bench_allowed(
        &self,
        spec: &BenchSpec,
        environment_id: Option<&str>,
        confirm: Option<&str>,
        folder: &PlanFolder,
    ) -> Result<(Work, Option<Environment>), ApiError> {
        let environment = self.bench_environment(environment_id).await?;
        let work = self.work(spec, environment.as_ref(), folder).await?;
        self.load_allowed(&work, environment.as_ref(), confirm)?;
        Ok((work, environment))
    }

    /// Asks the guards of an environment.
    pub(crate) fn load_allowed(
        &self,
        work: &Work,
        environment: Option<&Environment>,
        confirm: Option<&str>,
    ) -> Result<(), ApiError> {
        let Some(e) = environment else { return Ok(()) };
        check_load(e, work, self.is_unlocked(e))?;
        if e.guards.typed_confirmation && confirm != Some(e.name.as_str()) {
            return Err(ApiError::new(ErrorCode::Guarded, format!("Load on '{}' needs its name typed", e.name))
                .hint("Type the environment's name to confirm; perfctl takes it with --confirm"));
        }
        Ok(())
    }

    /// Refuses a benchmark while another one runs.
    pub(crate) fn bench_is_free(&self) -> Result<(), ApiError> {
        let Some(job) = self.jobs.running("bench") else { return Ok(()) };
        Err(ApiError::new(ErrorCode::Conflict, format!("'{}' is running", job.title))
            .hint("Two benchmarks at once would measure each other; wait for it or stop it"))
    }

    /// Runs a benchmark within a job and stores it with the environment's series during it.
    pub(crate) async fn bench_run(self: &Arc<Self>, bench: Bench, job: &JobContext) -> Result<Run, ApiError> {
        let Bench { work, context, from, share, words } = bench;
        // The environment is watched during the run even when no viewer is open, for the series in the report.
        let monitor = match &context.environment_id {
            Some(id) => match self.monitor(id).await {
                Ok(monitor) => Some(monitor),
                Err(error) => {
                    tracing::warn!(%error, "the environment is not watched during the run");
                    None
                }
            },
            None => None,
        };
        let (sender, context_job) = (self.bench.clone(), job.clone());
        let progress = move |live: perfdeck_model::BenchLive| {
            let done = if live.total_s > 0.0 { live.elapsed_s / live.total_s } else { 0.0 };
            let step = if words.is_empty() { phase(&live).to_owned() } else { format!("{words}, {}", phase(&live)) };
            context_job.progress(Some(from + share * done), &step);
            sender.send_replace(Some(live));
        };
        let finished = work.run(context, progress, job.cancel.clone()).await.map_err(ApiError::from)?;
        let run = finished.run;
        job.progress(Some(from + share), "storing the run");
        let series = match &monitor {
            Some(monitor) => {
                let from = (run.started_ms / 1000.0).floor() * 1000.0;
                Some(monitor.history(from, run.finished_ms, u32::MAX, None).await.encode())
            }
            None => None,
        };
        self.store.put_run(&run, series, Some(finished.seconds)).await?;
        self.changed(&[Tag::Runs, Tag::Environments]);
        Ok(run)
    }

    /// The benchmark that runs, for a screen that was opened after its start.
    pub(crate) fn bench_running(&self) -> Option<RunningBench> {
        let job = self.jobs.running("bench")?;
        let spec = self.bench_spec.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(RunningBench { job, spec })
    }

    /// A stored run.
    pub(crate) async fn run(&self, id: &str) -> Result<Run, ApiError> {
        self.store.run(id).await?.ok_or_else(|| ApiError::not_found(format!("There is no run '{id}'")))
    }

    /// Response times of a run over time, in at most `columns` columns.
    pub(crate) async fn run_heatmap(&self, id: &str, columns: u32) -> Result<Heatmap, ApiError> {
        let run = self.run(id).await?;
        let seconds = self.store.run_seconds(id).await?.unwrap_or_default();
        let columns = usize::try_from(columns.clamp(1, 4_096)).unwrap_or(1);
        Ok(perfdeck_bench::heatmap(&seconds, run.started_ms, columns))
    }

    /// The environment's series during a run, at most one point per pixel and series.
    pub(crate) async fn run_series(&self, id: &str, series: Option<&[String]>) -> Result<Columns, ApiError> {
        let Some(bytes) = self.store.run_series(id).await? else {
            return Ok(Columns::new(serde_json::json!({ "step_ms": 1000, "raw": true })));
        };
        let all = Columns::decode(&bytes).map_err(|e| ApiError::new(ErrorCode::Storage, e.to_string()))?;
        let Some(wanted) = series else { return Ok(all) };
        let mut some = Columns::new(all.meta().clone());
        for name in all.names() {
            let id = name.strip_suffix(":min").or_else(|| name.strip_suffix(":max")).unwrap_or(name);
            if name == "t" || wanted.iter().any(|w| w == id) {
                some.push(name.clone(), all.get(name).unwrap_or_default().to_vec());
            }
        }
        Ok(some)
    }
}

fn phase(live: &perfdeck_model::BenchLive) -> &'static str {
    use perfdeck_model::BenchPhase as P;
    match live.phase {
        P::Connecting => "connecting",
        P::WarmUp => "warming up",
        P::Measuring => "measuring",
        P::Draining => "waiting for the last responses",
        P::Finished => "finished",
    }
}
