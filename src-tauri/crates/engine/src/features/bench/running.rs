//! Running benchmarks: guards, the job, live figures, and storing the run with the environment's series during it.
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use perfdeck_bench::{AbortSwitch, RunContext};
use perfdeck_model::masking::{shown, title};
use perfdeck_model::{
    ApiError, Columns, Environment, ErrorCode, Heatmap, JobResult, JobStatus, JournalKind, Part, PartOf, Run, RunSpec,
    RunState, Tag, TargetRole,
};
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;
use crate::core::guards::Subject;
use crate::core::jobs::JobContext;
use crate::features::bench::commands::BenchRequest;
use crate::features::bench::masked::mask_messages;
use crate::features::bench::part::BenchPart;
use crate::features::bench::work::{BenchSpec, PlanFolder, Work};

/// Shortest time between two words about a benchmark's progress within one phase, in milliseconds: every viewer draws them,
/// and drawing takes from the processors that the load runs on.
const PROGRESS_MS: f64 = 500.0;

/// The benchmark that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct RunningBench {
    /// Job of the benchmark.
    pub job: JobStatus,
    /// Work that it does; of a duet, that of the side that runs.
    pub spec: RunSpec,
    /// Part that it is at, of a duet or a search for the knee.
    pub part: Option<BenchPart>,
}

/// A benchmark that the guards allow.
pub(crate) struct Allowed {
    pub(crate) work: Arc<Work>,
    /// Environment with the guards that hold, see [`Subject::guards`].
    pub(crate) environment: Option<Environment>,
    /// Addresses that load goes to.
    pub(crate) resolved: Vec<String>,
    /// Share of failing requests above which a run ends; also of a host that belongs to no environment.
    pub(crate) max_error_share: Option<f64>,
    /// A guard that cannot be kept forbids load.
    pub(crate) strict: bool,
}

impl Allowed {
    /// The same, doing something else of the same kind.
    pub(crate) fn with(&self, work: Work) -> Self {
        Self {
            work: Arc::new(work),
            environment: self.environment.clone(),
            resolved: self.resolved.clone(),
            max_error_share: self.max_error_share,
            strict: self.strict,
        }
    }

    /// What one of its runs needs to know; it ends when `abort` is pulled.
    pub(crate) fn context(&self, engine: &Engine, name: String, abort: AbortSwitch) -> RunContext {
        RunContext {
            run_id: Uuid::now_v7().to_string(),
            name,
            environment_id: self.environment.as_ref().map(|e| e.id.clone()),
            environment_name: self.environment.as_ref().map(|e| e.name.clone()),
            machine: engine.core.machine.clone(),
            clock: engine.core.clock.clone(),
            max_error_share: self.max_error_share,
            abort,
            addresses: Some(self.resolved.clone()),
        }
    }
}

/// One run within a job.
pub(crate) struct Bench<'a> {
    pub(crate) what: &'a Allowed,
    pub(crate) name: String,
    /// Share of the job that is done when it starts.
    pub(crate) from: f64,
    /// Share of the job that it is.
    pub(crate) share: f64,
    /// Step of the job besides the run's own phase, in words; may be empty.
    pub(crate) words: String,
    /// The comparison or search that it is a part of.
    pub(crate) part_of: Option<&'a PartOf>,
}

/// Whether all of `addresses` (without ports) are this machine.
pub(crate) fn is_loopback(addresses: &[String]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|a| a.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

impl Engine {
    pub(crate) async fn bench_environment(&self, id: Option<&str>) -> Result<Option<Environment>, ApiError> {
        match id {
            Some(id) => self.environment(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// What load is aimed at, as its guards see it.
    pub(crate) async fn subject(&self, work: &Work, environment: Option<&Environment>, resolved: &[String]) -> Subject {
        let evidence = self.evidence(environment, resolved).await;
        match environment {
            Some(e) => Subject::new(e, evidence, self.is_unlocked(e)),
            None => Subject::host(work.host().or_else(|| resolved.first().cloned()).unwrap_or_default(), evidence),
        }
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
        let what = self.bench_allowed(&spec, environment_id.as_deref(), confirm.as_slice(), &folder).await?;
        what.work.can_be_judged()?;
        let name = name.map(|n| title(n.trim())).filter(|n| !n.is_empty()).unwrap_or_else(|| what.work.name());
        let claim = self.bench_claim(&name)?;
        self.set_running(&what.work, None)?;
        let engine = self.clone();
        let environment_id = what.environment.as_ref().map(|e| e.id.clone());
        Ok(self.core.jobs.spawn("bench", name.clone(), environment_id, move |job| async move {
            let bench = Bench { what: &what, name, from: 0.0, share: 1.0, words: String::new(), part_of: None };
            let run = engine.bench_run(bench, &job).await?;
            drop(claim);
            Ok(Some(JobResult::Run(run.id)))
        }))
    }

    /// Keeps what the next run does, for screens that are opened during it; and of which part of a duet or a search it is.
    pub(crate) fn set_running(&self, work: &Work, part: Option<BenchPart>) -> Result<(), ApiError> {
        let spec = work.spec()?;
        *self.bench.now.lock().unwrap_or_else(PoisonError::into_inner) = Some((spec, part));
        self.core.changed(&[Tag::Jobs]);
        Ok(())
    }

    /// A benchmark and its environment, if the guards allow it.
    pub(crate) async fn bench_allowed(
        &self,
        spec: &BenchSpec,
        environment_id: Option<&str>,
        confirm: &[String],
        folder: &PlanFolder,
    ) -> Result<Allowed, ApiError> {
        let environment = self.bench_environment(environment_id).await?;
        let work = self.work(spec, environment.as_ref(), folder).await?;
        let allowed = self.load_allowed(work, environment, confirm).await?;
        if let Some(environment) = &allowed.environment {
            self.answers(&allowed.work, environment).await?;
        }
        Ok(allowed)
    }

    /// Refuses load on a database or a cache that does not take a connection, before anything else waits for it.
    pub(crate) async fn answers(&self, work: &Work, environment: &Environment) -> Result<(), ApiError> {
        let (sql, cache) = work.needs();
        for (needed, role) in [(sql, TargetRole::Database), (cache, TargetRole::Cache)] {
            if !needed || self.has_answered(environment, role) {
                continue;
            }
            // A plan that waits longer has its own word on that.
            if let Some(error) = self.was_silent(environment, role).filter(|_| !work.is_patient()) {
                return Err(error);
            }
            work.reach(role).await?;
        }
        Ok(())
    }

    /// Asks the guards of an environment, and journals when they refuse.
    pub(crate) async fn load_allowed(
        &self,
        work: Work,
        mut environment: Option<Environment>,
        confirm: &[String],
    ) -> Result<Allowed, ApiError> {
        let resolved = work.resolved().await?;
        let subject = self.subject(&work, environment.as_ref(), &resolved).await;
        if let Err(refused) = subject.check(&work.intent()).and_then(|()| subject.confirmed(confirm)) {
            let text = format!("{}: {}", work.words(), refused.message);
            self.noted(JournalKind::LoadRefused, environment.as_ref(), text).await;
            return Err(refused);
        }
        if let Some(environment) = &mut environment {
            environment.guards = subject.guards().clone();
        }
        let max_error_share = subject.guards().max_error_share;
        Ok(Allowed { work: Arc::new(work), environment, resolved, max_error_share, strict: subject.is_production() })
    }

    /// Runs a benchmark within a job and stores it with the environment's series during it.
    pub(crate) async fn bench_run(self: &Arc<Self>, bench: Bench<'_>, job: &JobContext) -> Result<Run, ApiError> {
        let Bench { what, name, from, share, words, part_of } = bench;
        let environment = what.environment.as_ref();
        let context = what.context(self, name, AbortSwitch::default());
        let run_id = context.run_id.clone();
        job.progress(
            Some(from),
            &if words.is_empty() { "preparing".to_owned() } else { format!("{words}, preparing") },
        );
        let _head_room = match environment {
            Some(e) => job.unless_cancelled(self.head_room(e, what.strict, &context.abort)).await??,
            None => None,
        };
        // The environment is watched during the run even when no viewer is open, for the series in the report. Nothing
        // else may end that watch before the run is stored.
        let monitor = match environment {
            Some(e) => match job.unless_cancelled(self.monitor(&e.id)).await? {
                Ok(monitor) => Some(monitor),
                Err(error) => {
                    tracing::warn!(%error, "the environment is not watched during the run");
                    None
                }
            },
            None => None,
        };
        let (hub, context_job) = (self.core.hub.clone(), job.clone());
        let told = std::sync::Mutex::new(None);
        let progress = move |live: perfdeck_model::BenchLive| {
            let done = if live.total_s > 0.0 { live.elapsed_s / live.total_s } else { 0.0 };
            let step = if words.is_empty() { phase(&live).to_owned() } else { format!("{words}, {}", phase(&live)) };
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let old = told
                .as_ref()
                .is_none_or(|(at, phase): &(f64, _)| *phase != live.phase || live.at_ms - at >= PROGRESS_MS);
            if old {
                *told = Some((live.at_ms, live.phase));
                context_job.progress(Some(from + share * done), &step);
            }
            hub.publish(|| Part::Bench(live));
        };
        let facts = match environment {
            Some(e) => job.unless_cancelled(self.facts(e)).await?,
            None => BTreeMap::new(),
        };
        // Before the first request: what cannot be journaled is not sent.
        if let Some(environment) = environment.filter(|e| self.take_unlocked_for_run(&e.id)) {
            let text = "changes are allowed for this run".to_owned();
            self.journal_part(JournalKind::Unlocked, Some(environment), text, Some(&run_id), part_of).await?;
        }
        let text = format!("{} on {}", what.work.words(), what.resolved.join(", "));
        self.journal_part(JournalKind::LoadStarted, environment, text, Some(&run_id), part_of).await?;
        let finished = match what.work.run(context, progress, job.cancel.clone()).await.map_err(ApiError::from) {
            Ok(finished) => finished,
            Err(mut error) => {
                error.message = what.work.harmless(&error.message);
                self.noted(JournalKind::LoadEnded, environment, format!("without a run: {}", error.message)).await;
                return Err(error);
            }
        };
        let masked_tag = self.masked_tag(&what.work).await;
        let mut run = Run { facts, masked_tag, part_of: part_of.cloned(), ..finished.run };
        mask_messages(&mut run, &|text| what.work.harmless(text));
        if job.is_interrupted() && run.state == RunState::Cancelled {
            run.state = RunState::Interrupted;
        }
        job.progress(Some(from + share), "storing the run");
        job.cancellable(false);
        let series = match &monitor {
            Some(monitor) => {
                let from = (run.started_ms / 1000.0).floor() * 1000.0;
                Some(monitor.history(from, run.finished_ms, u32::MAX, None).await.encode())
            }
            None => None,
        };
        self.store_run(&run, series, finished.seconds).await;
        let noted = self.journal_part(JournalKind::LoadEnded, environment, ended(&run), Some(&run_id), part_of).await;
        if let Err(error) = noted {
            tracing::error!(%error, "the journal could not be written");
        }
        self.core.changed(&[Tag::Runs, Tag::Environments]);
        job.cancellable(true);
        Ok(run)
    }

    /// The benchmark that runs, for a screen that was opened after its start.
    pub(crate) fn bench_running(&self) -> Option<RunningBench> {
        let job = self.core.jobs.running("bench")?;
        let (spec, part) = self.bench.now.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(RunningBench { job, spec, part })
    }

    /// A stored run.
    pub(crate) async fn run(&self, id: &str) -> Result<Run, ApiError> {
        if let Some(run) = self.unstored_run(id) {
            return Ok(run);
        }
        self.core.store.run(id).await?.ok_or_else(|| ApiError::not_found(format!("There is no run '{}'", shown(id))))
    }

    /// Response times of a run over time, in at most `columns` columns.
    pub(crate) async fn run_heatmap(&self, id: &str, columns: u32) -> Result<Heatmap, ApiError> {
        let run = self.run(id).await?;
        let seconds = self.core.store.run_seconds(id).await?.unwrap_or_default();
        let columns = usize::try_from(columns.clamp(1, 4_096)).unwrap_or(1);
        Ok(perfdeck_bench::heatmap(&seconds, run.started_ms, columns))
    }

    /// The environment's series during a run, at most one point per pixel and series.
    pub(crate) async fn run_series(&self, id: &str, series: Option<&[String]>) -> Result<Columns, ApiError> {
        let Some(bytes) = self.core.store.run_series(id).await? else {
            return Ok(Columns::new(serde_json::json!({ "step_ms": 1000, "raw": true })));
        };
        let all = Columns::decode(&bytes).map_err(|e| ApiError::new(ErrorCode::Storage, e.to_string()))?;
        let Some(wanted) = series else { return Ok(all) };
        let mut some = Columns::new(all.meta().clone());
        for name in all.names() {
            let id = [":min", ":max", ":mean"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            if name == "t" || wanted.iter().any(|w| w == id) {
                some.push(name.clone(), all.get(name).unwrap_or_default().to_vec());
            }
        }
        Ok(some)
    }
}

/// How a run ended, for the journal.
fn ended(run: &Run) -> String {
    let how = match run.state {
        RunState::Completed => "ran to its end",
        RunState::Cancelled => "stopped by the user",
        RunState::Interrupted => "interrupted: Perfdeck was ended",
        RunState::Aborted => "ended early",
    };
    let why = if run.state == RunState::Aborted { run.notes.join("; ") } else { String::new() };
    let colon = if why.is_empty() { "" } else { ": " };
    let invalid = (!run.valid).then(|| "invalid".to_owned());
    let amiss: Vec<String> = words::Outcome::from(run).failures().into_iter().chain(invalid).collect();
    format!(
        "{how}{colon}{why}; {} in {}, {}",
        words::plural(run.requests, "request"),
        words::lasted(run.duration_s),
        if amiss.is_empty() { words::errors(0, run.requests) } else { amiss.join(", ") }
    )
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
