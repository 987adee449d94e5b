//! Work of a benchmark: one HTTP request, or a plan, which statements and commands are too; checked, with all it needs, and ready to be run again and again.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_bench::{Finished, OpensTargets, Prepared, Resources, RunContext};
use perfdeck_model::masking;
use perfdeck_model::{ApiError, BenchLive, Environment, ErrorCode, HttpBenchSpec, Load, PlanSpec, RunSpec, TargetRole};
use perfdeck_plan::{Action, Files, Folder, Plan, PlanLoad};
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use ts_rs::TS;

use crate::Engine;
use crate::core::guards::Intent;
use crate::features::bench::data_load::{CacheBenchSpec, SqlBenchSpec, cache_plan, sql_plan};

/// Work of a benchmark, as it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BenchSpec {
    /// One HTTP request, again and again.
    Http(HttpBenchSpec),
    /// A plan.
    Plan {
        /// The plan, as TOML.
        toml: String,
        /// Generator threads; chosen by the engine when absent.
        #[serde(default)]
        threads: Option<u32>,
    },
    /// One SQL statement, or a script, again and again.
    Sql(SqlBenchSpec),
    /// A mix of commands of a cache.
    Cache(CacheBenchSpec),
}

/// Folder where a plan that a person of this machine named finds its files. A plan that came over the wire has the
/// folder of saved plans and nothing else.
#[derive(Debug, Clone, Default)]
pub struct PlanFolder(pub Option<PathBuf>);

/// A benchmark that is checked and has all it needs.
pub(crate) enum Work {
    Http(HttpBenchSpec),
    Plan {
        plan: Box<Plan>,
        resources: Resources,
        threads: Option<u32>,
        /// Compiled to see where its load goes; the first run takes it.
        compiled: Mutex<Option<Box<Prepared>>>,
    },
}

impl Work {
    /// Addresses that load goes to.
    pub(crate) async fn resolved(&self) -> Result<Vec<String>, ApiError> {
        match self {
            Self::Http(spec) => Ok(perfdeck_bench::resolve(&spec.url).await),
            Self::Plan { plan, resources, compiled, .. } => {
                let prepared = perfdeck_bench::prepare(plan, resources).await?;
                let resolved = prepared.resolved().to_vec();
                *compiled.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(prepared));
                Ok(resolved)
            }
        }
    }

    /// Specification as it is shown and stored, without secrets.
    pub(crate) fn spec(&self) -> Result<RunSpec, ApiError> {
        match self {
            Self::Http(spec) => Ok(RunSpec::Http(perfdeck_bench::redacted(spec))),
            Self::Plan { plan, resources, threads, .. } => {
                let spec = perfdeck_bench::describe(plan, resources.api.as_deref())?;
                Ok(RunSpec::Plan(PlanSpec { threads: *threads, ..spec }))
            }
        }
    }

    /// The host that its URL names, if it has one.
    pub(crate) fn host(&self) -> Option<String> {
        let url = match self {
            Self::Http(spec) => &spec.url,
            Self::Plan { plan, .. } => plan.base_url.as_ref()?,
        };
        url::Url::parse(url).ok()?.host_str().map(str::to_owned)
    }

    /// Description of what it does, in words, without secrets.
    pub(crate) fn words(&self) -> String {
        let what = self.spec().map_or_else(|_| self.name(), |spec| spec.request());
        match self.load() {
            Load::Closed => format!("{what} in a closed loop"),
            Load::Rate { rate_per_s } => format!("{what} at {rate_per_s}/s"),
        }
    }

    /// Way in which requests are started; an open loop by its highest rate.
    pub(crate) fn load(&self) -> Load {
        match self {
            Self::Http(spec) => spec.load,
            Self::Plan { plan, .. } => match &plan.load {
                PlanLoad::Closed { .. } => Load::Closed,
                PlanLoad::Open { rate_per_s, .. } => {
                    let levels = plan.stages.iter().filter_map(|s| s.to);
                    Load::Rate { rate_per_s: levels.fold(*rate_per_s, f64::max) }
                }
            },
        }
    }

    /// Intent of the work, as guards see it.
    pub(crate) fn intent(&self) -> Intent {
        Intent { load: self.load(), writes: self.writes() }
    }

    /// Part of it that can change its target, in words; `None` when it only reads.
    pub(crate) fn writes(&self) -> Option<String> {
        match self {
            Self::Http(spec) if spec.method.is_safe() => None,
            Self::Http(spec) => Some(format!("{} requests", spec.method.as_str())),
            Self::Plan { plan, resources, .. } => {
                let dialect = resources.targets.as_ref().and_then(|targets| targets.dialect());
                perfdeck_bench::writing_step(plan, dialect).map(|step| format!("step '{step}'"))
            }
        }
    }

    /// Whether it needs the database, and the cache.
    pub(crate) fn needs(&self) -> (bool, bool) {
        let Self::Plan { plan, .. } = self else { return (false, false) };
        let any = |of: fn(&Action) -> bool| plan.steps.iter().any(|step| of(&step.action));
        (any(|a| matches!(a, Action::Sql(_))), any(|a| matches!(a, Action::Cache(_))))
    }

    /// Whether its own time-out is longer than the usual one.
    pub(crate) fn is_patient(&self) -> bool {
        matches!(self, Self::Plan { plan, .. } if plan.timeout.0 > Duration::from_secs(10))
    }

    /// Opens one connection to the database or the cache and drops it again.
    ///
    /// # Errors
    /// Why there is none within 5 s, or the plan's own time-out where that is longer.
    pub(crate) async fn reach(&self, role: TargetRole) -> Result<(), ApiError> {
        let Self::Plan { plan, resources, .. } = self else { return Ok(()) };
        let Some(targets) = &resources.targets else { return Ok(()) };
        let limit = if self.is_patient() { plan.timeout.0 } else { Duration::from_secs(5) };
        let open = async {
            match role {
                TargetRole::Cache => targets.cache().await.map(drop),
                _ => targets.sql().await.map(drop),
            }
        };
        tokio::time::timeout(limit, open).await.unwrap_or_else(|_| {
            let seconds = limit.as_secs_f64();
            Err(ApiError::new(ErrorCode::Timeout, format!("No connection could be opened within {seconds} s"))
                .hint("Is the server running, and is it the kind of server that the address names?"))
        })
    }

    /// Requests of the measured time that its rate and length give; `None` in a closed loop, where the target decides.
    pub(crate) fn planned(&self) -> Option<f64> {
        let spec = self.spec().ok()?;
        let Load::Rate { rate_per_s } = spec.load() else { return None };
        // The steps of a scenario are one iteration.
        let steps = match self {
            Self::Plan { plan, .. } if plan.scenario => plan.steps.len().max(1),
            _ => 1,
        };
        Some(rate_per_s * spec.duration_s() * steps as f64)
    }

    /// Refuses work whose figures could never be judged: its rate gives too few requests in its time. A closed loop
    /// passes.
    ///
    /// # Errors
    /// What is needed, with the length and the rate that would do.
    pub(crate) fn can_be_judged(&self) -> Result<(), ApiError> {
        let Some(planned) = self.planned() else { return Ok(()) };
        let thresholds = match self {
            Self::Plan { plan, .. } => perfdeck_bench::thresholds(plan)?,
            Self::Http(spec) => perfdeck_bench::thresholds_of_request(spec)?,
        };
        // A threshold of one step has a part of the requests only; how many is decided by weights and failures.
        let of_all = thresholds.iter().filter(|t| t.step().is_none());
        let asked = of_all.filter_map(|t| Some((t.needs()?, format!("threshold '{}'", t.text()))));
        let all = asked.chain([(perfdeck_stats::judged::ENOUGH, "a run".to_owned())]);
        let Some((needed, what)) = all.max_by_key(|(needed, _)| *needed) else { return Ok(()) };
        self.enough(planned, needed, &what)
    }

    /// What a run of it will be able to tell, in words.
    pub(crate) fn tells(&self) -> String {
        let planned = self
            .planned()
            .zip(self.spec().ok())
            .map(|(n, spec)| perfdeck_stats::Planned { n, per_s: n / spec.duration_s().max(1e-9) });
        perfdeck_stats::tells(planned)
    }

    /// Whether so many planned requests are as many as `what` needs.
    ///
    /// # Errors
    /// What is needed, with the length and the rate that would do.
    pub(crate) fn enough(&self, planned: f64, needed: u64, what: &str) -> Result<(), ApiError> {
        let needed_f = needed as f64;
        // Half a request is what the edges of the measured time may cost.
        if planned + 0.5 >= needed_f {
            return Ok(());
        }
        let (Ok(spec), Load::Rate { .. }) = (self.spec(), self.load()) else { return Ok(()) };
        let Load::Rate { rate_per_s } = spec.load() else { return Ok(()) };
        let times = needed_f / planned.max(1e-9);
        let (longer, faster) = ((spec.duration_s() * times).ceil(), (rate_per_s * times).ceil());
        Err(ApiError::bad_request(format!(
            "rate: {what} needs {}; {} for {} gives {}, so it could never be judged",
            words::plural(needed, "request"),
            words::setting_per_second(rate_per_s),
            words::setting(spec.duration_s()),
            words::integer(planned)
        ))
        .hint(format!(
            "Measure for {} or more at this rate, or at {} for as long",
            words::setting(longer),
            words::setting_per_second(faster)
        )))
    }

    /// Steps that one of its requests may be of.
    pub(crate) fn steps(&self) -> usize {
        match self {
            Self::Http(_) => 1,
            Self::Plan { plan, .. } => plan.steps.len(),
        }
    }

    /// The first step that is no HTTP request.
    pub(crate) fn other_than_http(&self) -> Option<&str> {
        let Self::Plan { plan, .. } = self else { return None };
        let other = |action: &Action| matches!(action, Action::Sql(_) | Action::Cache(_));
        plan.steps.iter().find(|step| other(&step.action)).map(|step| step.name.as_str())
    }

    /// Its first step that is none of SQL; of one HTTP request, that.
    pub(crate) fn other_than_sql(&self) -> Option<&str> {
        let Self::Plan { plan, .. } = self else { return Some("request") };
        let other = |action: &Action| !matches!(action, Action::Sql(_));
        plan.steps.iter().find(|step| other(&step.action)).map(|step| step.name.as_str())
    }

    /// A name for its runs.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Http(spec) => {
                let url = masking::Masker::Literal.url(&spec.url);
                let path = url.split_once("://").and_then(|(_, r)| r.split_once('/')).map_or("", |(_, p)| p);
                let load = match spec.load {
                    Load::Closed => format!("{} connections", spec.connections),
                    Load::Rate { rate_per_s } => format!("{rate_per_s}/s"),
                };
                format!("{} /{path} at {load}", spec.method.as_str())
            }
            Self::Plan { plan, .. } => masking::title(&plan.name),
        }
    }

    /// A message about it with nothing of its data: what a target quotes stays where the work says it without its literals,
    /// such as a misspelt word of a statement.
    pub(crate) fn harmless(&self, message: &str) -> String {
        let (said, values) = match self {
            // Its own host is no secret.
            Self::Http(spec) => (masking::Masker::Literal.url(&spec.url), Vec::new()),
            Self::Plan { plan, resources, .. } => {
                let said = perfdeck_plan::to_toml(&perfdeck_plan::masked(plan));
                let mut values = perfdeck_plan::hidden_values(plan);
                values.extend(resources.variables.values().filter(|value| value.chars().count() >= 4).cloned());
                (said, values)
            }
        };
        // A server may repeat a value without quoting it, as a function does that raises one.
        let message = values.iter().fold(message.to_owned(), |text, value| text.replace(value.as_str(), masking::MASK));
        masking::message(&message, &|quoted| {
            !quoted.contains(masking::MASK) && quoted.len() <= 64 && said.contains(quoted)
        })
    }

    /// All that it sends, with what is masked elsewhere; only [`Engine::masked_tag`] sees it.
    pub(crate) fn whole(&self) -> String {
        match self {
            Self::Http(spec) => {
                let headers: Vec<String> = spec.headers.iter().map(|h| format!("{}:{}", h.name, h.value)).collect();
                // The host is what a comparison is about.
                let path = spec.url.split_once("://").and_then(|(_, r)| r.find(['/', '?']).map(|at| &r[at..]));
                format!("{}\n{}\n{}", path.unwrap_or("/"), headers.join("\n"), spec.body.as_deref().unwrap_or_default())
            }
            Self::Plan { plan, .. } => perfdeck_plan::to_toml(plan),
        }
    }

    /// Runs it once.
    pub(crate) async fn run(
        &self,
        context: RunContext,
        progress: impl Fn(BenchLive) + Send + Sync + 'static,
        cancel: CancellationToken,
    ) -> Result<Finished, perfdeck_bench::Error> {
        match self {
            Self::Http(spec) => perfdeck_bench::run_http(spec.clone(), context, progress, cancel).await,
            Self::Plan { plan, resources, threads, compiled } => {
                let ready = compiled.lock().unwrap_or_else(PoisonError::into_inner).take();
                let prepared = match ready {
                    Some(prepared) => *prepared,
                    None => tokio::select! {
                        prepared = perfdeck_bench::prepare(plan, resources) => prepared?,
                        () = cancel.cancelled() => return Err(perfdeck_bench::stopped_early()),
                    },
                };
                perfdeck_bench::run_plan(prepared.with_threads(*threads), context, progress, cancel).await
            }
        }
    }
}

impl Engine {
    /// Checks what a benchmark does and gathers what it needs; nothing is sent.
    ///
    /// # Errors
    /// The first thing that is wrong, naming field or step.
    pub(crate) async fn work(
        &self,
        spec: &BenchSpec,
        environment: Option<&Environment>,
        folder: &PlanFolder,
    ) -> Result<Work, ApiError> {
        match spec {
            BenchSpec::Http(spec) => {
                perfdeck_bench::validate(spec)?;
                Ok(Work::Http(spec.clone()))
            }
            BenchSpec::Plan { toml, threads } => {
                let plan = perfdeck_plan::from_toml(toml).map_err(|e| ApiError::bad_request(e.to_string()))?;
                self.planned(plan, *threads, environment, folder).await
            }
            BenchSpec::Sql(spec) => {
                let database = environment.and_then(|e| e.targets.database.as_ref());
                let dialect = database.map(|database| perfdeck_database::dialect(database.address.scheme));
                self.planned(sql_plan(spec, dialect)?, spec.pace.threads, environment, folder).await
            }
            BenchSpec::Cache(spec) => self.planned(cache_plan(spec)?, spec.pace.threads, environment, folder).await,
        }
    }

    /// A plan with all it needs.
    async fn planned(
        &self,
        plan: Plan,
        threads: Option<u32>,
        environment: Option<&Environment>,
        folder: &PlanFolder,
    ) -> Result<Work, ApiError> {
        let targets: Option<Arc<dyn OpensTargets>> = match environment {
            Some(environment) => Some(Arc::new(self.load_targets(environment).await?)),
            None => None,
        };
        let variables: BTreeMap<String, String> = perfdeck_bench::variables(&plan, |name| std::env::var(name).ok())?;
        let folder = folder.0.clone().unwrap_or_else(|| self.core.data_dir.join("plans"));
        let files: Arc<dyn Files + Send + Sync> = Arc::new(Folder(folder));
        let api = environment.and_then(|e| e.targets.api.as_ref()).map(|api| api.url.clone());
        let resources = Resources::new(api, variables, files, targets);
        perfdeck_bench::check(&plan, &resources)?;
        Ok(Work::Plan { plan: Box::new(plan), resources, threads, compiled: Mutex::default() })
    }
}
