//! Running a plan: what it needs from its surroundings, which engine takes it, and how its thresholds turned out.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::masking::{MASK, Masker, has_mask};
use perfdeck_model::{
    ApiError, BenchLive, ErrorCode, HttpBenchSpec, Load, PlanSpec, Remedy, Run, RunSpec, ThresholdResult,
};
use perfdeck_sqltext::{Dialect, only_reads};
use tokio_util::sync::CancellationToken;

use crate::full::{Program, warm_up};
use crate::resources::Resources;
use crate::resp::{CacheLoad, CacheTarget};
use crate::run::drive;
use crate::setup::StepInfo;
use crate::setup::{Error, Finished, LoadEngine, RunContext, Setup, stopped_early};
use crate::stages;
use perfdeck_plan::{
    Action, Arrivals, Compiler, Figures, Plan, PlanLoad, Profile, Severity, Step, StepFigures, Threshold, Warmup,
    mask_step, masked, to_toml, validate_with,
};
use perfdeck_stats::judged;

/// Longest part of a statement that a step is shown with, in characters.
const SHOWN: usize = 200;

/// The values of the variables that a plan refers to as `env:NAME`; `env` reads one.
///
/// # Errors
/// [`ErrorCode::SecretMissing`] naming the one that is not set.
pub fn variables(plan: &Plan, env: impl Fn(&str) -> Option<String>) -> Result<BTreeMap<String, String>, ApiError> {
    let value = |name: String| match env(&name) {
        Some(value) => Ok((name, value)),
        None => Err(ApiError::new(
            ErrorCode::SecretMissing,
            format!("The variable {name} of plan '{}' is not set", plan.name),
        )
        .hint(format!("Set {name} before the run"))),
    };
    plan.env_names().into_iter().map(value).collect()
}

/// What a step sends, for a person. Templates stay as they are written.
fn info(step: &Step) -> StepInfo {
    let mut step = step.clone();
    mask_step(&mut step);
    let step = &step;
    let short = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
    let (kind, request, reads): (_, String, _) = match &step.action {
        Action::Http(http) => {
            let at = http.url.as_deref().or(http.path.as_deref()).unwrap_or("/");
            ("http", format!("{} {at}", http.method.as_str()), false)
        }
        Action::Sql(sql) => ("sql", short(&sql.statement), false),
        Action::Cache(cache) => {
            let words: Vec<&str> =
                std::iter::once(cache.command.as_str()).chain(cache.args.iter().map(String::as_str)).collect();
            let reads = cache.command.to_ascii_uppercase().contains("GET");
            ("cache", short(&words.join(" ")), reads)
        }
    };
    StepInfo { name: step.name.clone(), kind, request, reads }
}

fn request_words(steps: &[StepInfo], plan: &Plan) -> String {
    match steps {
        [only] => only.request.clone(),
        all => format!("{}: {} steps", plan.name, all.len()),
    }
}

/// A plan that is checked and compiled, with the addresses that it will send to.
pub struct Prepared {
    setup: Setup,
    plan: Plan,
    /// A plan of cache steps alone: the raw engine takes it.
    cache: Option<CacheLoad>,
}

impl Prepared {
    /// Addresses that load will go to.
    pub fn resolved(&self) -> &[String] {
        &self.setup.resolved
    }

    /// Whether all of them are this machine.
    pub fn co_located(&self) -> bool {
        self.setup.co_located
    }

    /// With so many generator threads; as many as the engine finds right when absent.
    #[must_use]
    pub fn with_threads(mut self, threads: Option<u32>) -> Self {
        self.setup.threads = threads;
        self
    }
}

/// A plan as it is stored with its runs, masked; `api` is the environment's address.
///
/// # Errors
/// A load that is out of bounds.
pub fn describe(plan: &Plan, api: Option<&str>) -> Result<PlanSpec, ApiError> {
    let profile = Profile::of(plan).map_err(|e| ApiError::bad_request(format!("plan '{}': {e}", plan.name)))?;
    let steps: Vec<StepInfo> = plan.steps.iter().map(info).collect();
    let (load, connections) = match &plan.load {
        PlanLoad::Closed { .. } => (Load::Closed, profile.peak().ceil() as u32),
        PlanLoad::Open { max_in_flight, .. } => {
            (Load::Rate { rate_per_s: profile.total() / profile.seconds().max(1e-9) }, *max_in_flight)
        }
    };
    let kept = masked(plan);
    Ok(PlanSpec {
        request: request_words(&steps, &kept),
        toml: to_toml(&kept),
        base_url: kept.base_url.clone().or_else(|| api.map(|api| Masker::Literal.url(api))),
        load,
        varies: profile.varies(),
        connections,
        threads: None,
        duration_s: profile.seconds(),
        warmup_s: warm_up(plan).0.as_secs_f64(),
        timeout_s: plan.timeout.as_secs_f64(),
        insecure_tls: plan.insecure_tls,
    })
}

/// The first thing that keeps a plan from being run.
///
/// # Errors
/// What it is, naming step and field.
pub fn check(plan: &Plan, resources: &Resources) -> Result<(), ApiError> {
    if has_mask(&to_toml(plan)) {
        let step =
            plan.steps.iter().find(|s| to_toml(&Plan { steps: vec![(*s).clone()], ..Plan::new("") }).contains(MASK));
        let place = step.map_or_else(|| "outside its steps".to_owned(), |s| format!("first in step '{}'", s.name));
        return Err(ApiError::bad_request(format!(
            "plan '{}': parts of it were masked ({MASK}) when its run was stored, {place}",
            plan.name
        ))
        .hint("Give these parts again, or run the plan that it was made of; {{env:NAME}} is never masked"));
    }
    match validate_with(plan, &*resources.files, &|spec| resources.open(spec))
        .into_iter()
        .find(|p| p.severity == Severity::Error)
    {
        None => Ok(()),
        Some(problem) => Err(ApiError::bad_request(format!("plan '{}': {problem}", plan.name))
            .hint("Check the plan to see everything that is wrong")
            .remedy(Remedy::CheckPlan)),
    }
}

/// Commands of a cache that only read.
const CACHE_READS: [&str; 21] = [
    "GET",
    "MGET",
    "EXISTS",
    "TTL",
    "PTTL",
    "STRLEN",
    "GETRANGE",
    "HGET",
    "HMGET",
    "HGETALL",
    "HEXISTS",
    "HLEN",
    "LRANGE",
    "LLEN",
    "LINDEX",
    "SISMEMBER",
    "SCARD",
    "ZRANGE",
    "ZSCORE",
    "ZCARD",
    "PING",
];

/// The first step that can change its target. Without a dialect, what any database would take for a write is one.
pub fn writing_step(plan: &Plan, dialect: Option<Dialect>) -> Option<&str> {
    let writes = |step: &&Step| match &step.action {
        Action::Http(http) => !http.method.is_safe(),
        Action::Sql(sql) => !only_reads(&sql.statement, dialect),
        Action::Cache(cache) => !CACHE_READS.contains(&cache.command.trim().to_ascii_uppercase().as_str()),
    };
    plan.steps.iter().find(writes).map(|step| step.name.as_str())
}

/// The commands of a plan for the raw engine, when it can take them: cache steps alone, at one level, each iteration one
/// step.
async fn cache_load(plan: &Plan, resources: &Resources) -> Result<Option<CacheLoad>, ApiError> {
    let steady = match &plan.load {
        PlanLoad::Closed { think_time, .. } => think_time.is_none(),
        PlanLoad::Open { arrivals, late_limit, .. } => *arrivals == Arrivals::Constant && late_limit.is_none(),
    };
    let alone = plan.steps.iter().all(|s| matches!(s.action, Action::Cache(_)));
    let fixed = !matches!(plan.warmup, Some(Warmup::UntilSteady { .. }));
    let wire = match &resources.targets {
        Some(targets) if steady && alone && fixed && !plan.scenario && plan.stages.is_empty() => {
            targets.cache_wire().await?
        }
        _ => None,
    };
    let Some(wire) = wire else {
        let refused = || {
            ApiError::bad_request(format!("plan '{}': several commands under way need the raw engine", plan.name))
                .hint("It takes cache steps alone, without TLS, stages, Poisson arrivals, late limit or think time")
        };
        return if plan.pipeline > 1 { Err(refused()) } else { Ok(None) };
    };
    let bad = |e: &dyn std::fmt::Display| ApiError::bad_request(format!("plan '{}': {e}", plan.name));
    let compiler = Compiler::new(&plan.variables).map_err(|e| bad(&e))?;
    let feeds = plan.feeds.iter().map(|spec| resources.open(spec).map_err(|e| bad(&e)));
    let target = CacheTarget {
        nodes: wire.nodes,
        cluster: wire.cluster,
        username: wire.username,
        password: wire.password,
        database: wire.database,
        timeout: plan.timeout.0,
    };
    let (feeds, pipeline) = (feeds.collect::<Result<_, _>>()?, usize::try_from(plan.pipeline).unwrap_or(1));
    CacheLoad::new(&plan.steps, compiler, feeds, &resources.variables, plan.seed.into(), target, pipeline).map(Some)
}

/// Checks and compiles a plan; nothing is sent.
///
/// # Errors
/// The first thing that is wrong with it, naming step and field; a host that has no address.
pub async fn prepare(plan: &Plan, resources: &Resources) -> Result<Prepared, ApiError> {
    check(plan, resources)?;
    let cache = cache_load(plan, resources).await?;
    let program = Program::of_plan(plan, resources).await?;
    let mut addresses: Vec<std::net::IpAddr> =
        program.origins.iter().flat_map(|o| o.addresses.iter().map(std::net::SocketAddr::ip)).collect();
    let (sql, commands) = program.needs();
    if sql || commands {
        let what = if sql { "database" } else { "cache" };
        let targets = resources.targets.as_ref().ok_or_else(|| {
            ApiError::bad_request(format!("plan '{}' needs an environment with a {what}", plan.name))
                .hint("Name one")
                .remedy(Remedy::NameEnvironment)
        })?;
        addresses.extend(targets.addresses(sql, commands).await?);
    }
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|ip| seen.insert(*ip));
    let spec = describe(plan, resources.api.as_deref())?;
    let profile = Profile::of(plan).map_err(|e| ApiError::bad_request(format!("plan '{}': {e}", plan.name)))?;
    let (warmup, until_steady) = warm_up(plan);
    let setup = Setup {
        stages: stages::of_plan(plan, &profile),
        varies: spec.varies,
        rate_per_s: match spec.load {
            Load::Closed => None,
            Load::Rate { rate_per_s } => Some(rate_per_s),
        },
        measured: Duration::from_secs_f64(spec.duration_s),
        spec: RunSpec::Plan(spec),
        steps: plan.steps.iter().map(info).collect(),
        resolved: addresses.iter().map(ToString::to_string).collect(),
        // Files and sockets of this machine have no address.
        co_located: addresses.iter().all(std::net::IpAddr::is_loopback),
        connections: program.connections,
        threads: None,
        warmup,
        until_steady,
        engine: LoadEngine::Full(Arc::new(program)),
    };
    Ok(Prepared { setup, plan: plan.clone(), cache })
}

/// Runs a plan to its end, or until `cancel`; then the run holds the figures until that moment.
///
/// `progress` is called at most ten times a second from this task.
///
/// # Errors
/// When it could not begin, such as for a login that failed, or no generator thread can be started.
pub async fn run_plan(
    prepared: Prepared,
    context: RunContext,
    progress: impl Fn(BenchLive) + Send + Sync + 'static,
    cancel: CancellationToken,
) -> Result<Finished, Error> {
    let Prepared { mut setup, plan, cache } = prepared;
    if let Some(mut load) = cache {
        // Nobody waits for the question when the run is stopped; its thread ends at its deadline.
        let reached = tokio::select! {
            reached = tokio::task::spawn_blocking(move || load.reach().map(|()| load)) => reached,
            () = cancel.cancelled() => return Err(stopped_early()),
        };
        let reached = reached.map_err(|e| Error::Generator(e.to_string()))?;
        setup.engine = LoadEngine::Cache(Arc::new(reached.map_err(|(_, message)| Error::Start(message))?));
    }
    let mut finished = drive(setup, context, progress, cancel).await?;
    finished.run.thresholds = judge(&thresholds(&plan)?, &finished.run);
    Ok(finished)
}

/// The thresholds of a plan.
///
/// # Errors
/// [`ErrorCode::BadRequest`] naming one that cannot be read.
pub fn thresholds(plan: &Plan) -> Result<Vec<Threshold>, ApiError> {
    read_thresholds(&plan.thresholds)
}

fn read_thresholds(texts: &[String]) -> Result<Vec<Threshold>, ApiError> {
    let bad =
        |e: perfdeck_plan::ThresholdError| ApiError::bad_request(format!("threshold '{}': {}", e.text, e.message));
    texts.iter().map(|text| Threshold::parse(text).map_err(bad)).collect()
}

/// The thresholds of one request, which has no steps.
///
/// # Errors
/// [`ErrorCode::BadRequest`] naming one that cannot be read.
pub fn thresholds_of_request(spec: &HttpBenchSpec) -> Result<Vec<Threshold>, ApiError> {
    let all = read_thresholds(&spec.thresholds)?;
    match all.iter().find(|threshold| threshold.step().is_some()) {
        Some(threshold) => {
            Err(ApiError::bad_request(format!("threshold '{}': one request has no steps", threshold.text())))
        }
        None => Ok(all),
    }
}

/// How thresholds turned out in a run.
pub fn judge(thresholds: &[Threshold], run: &Run) -> Vec<ThresholdResult> {
    let duration_s = (run.duration_s > 0.0).then_some(run.duration_s);
    let total = StepFigures {
        requests: run.requests,
        errors: run.errors,
        rate_per_s: Some(run.rate_per_s),
        duration_s,
        response: judged::response(run),
        service: judged::service(run),
        lag: judged::lag(run),
    };
    let steps = run.steps.iter().map(|step| {
        let (response, service) = judged::of_step(step, run.spec.timeout_s());
        let figures = StepFigures {
            requests: step.requests,
            errors: step.errors,
            rate_per_s: Some(step.rate_per_s),
            duration_s,
            response,
            service,
            // Only the first step of an iteration is started by the schedule.
            lag: None,
        };
        (step.name.clone(), figures)
    });
    let all = Figures { steps: steps.collect(), total };
    thresholds.iter().map(|threshold| threshold.evaluate(&all)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_plan::from_toml;

    #[test]
    fn the_first_step_that_writes_is_named() {
        let step = |name: &str, rest: &str| format!("[[steps]]\nname='{name}'\n{rest}\n");
        let read = step("read", "kind='cache'\ncommand='get'\nargs=['k']");
        let page = step("page", "kind='http'\npath='/'");
        let plan =
            |steps: &[&str]| from_toml(&format!("name='p'\n{}", steps.concat())).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(writing_step(&plan(&[&read, &page]), None), None, "reads alone");
        for (name, rest) in [
            ("set", "kind='cache'\ncommand='SET'\nargs=['k','v']"),
            ("any", "kind='cache'\ncommand='{{c}}'"),
            ("post", "kind='http'\nmethod='POST'\npath='/'"),
            ("sql", "kind='sql'\nstatement='DELETE FROM t'"),
        ] {
            assert_eq!(writing_step(&plan(&[&read, &step(name, rest)]), None), Some(name), "{name} can write");
        }
    }

    /// Files that count how often they are read.
    struct Counted(std::sync::atomic::AtomicUsize);

    impl perfdeck_plan::Files for Counted {
        fn read(&self, _: &str, _: u64) -> Result<Vec<u8>, String> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(b"id\n1\n2\n".to_vec())
        }
    }

    #[tokio::test]
    async fn feeds_are_read_once_however_often_a_start_looks_at_its_plan() {
        let toml = "name='p'\nbase_url='http://127.0.0.1:1'\n[[feeds]]\nname='u'\nkind='csv'\nfile='u.csv'\n\
                    [[steps]]\nname='a'\nkind='http'\npath='/{{u.id}}'";
        let plan = from_toml(toml).expect("a plan");
        let files = Arc::new(Counted(0.into()));
        let resources = Resources::new(None, BTreeMap::new(), files.clone(), None);
        check(&plan, &resources).expect("it is right");
        for _ in 0..2 {
            let prepared = prepare(&plan, &resources).await.expect("compiled");
            assert_eq!(prepared.resolved(), ["127.0.0.1"], "it has what it needs");
        }
        assert_eq!(files.0.load(std::sync::atomic::Ordering::Relaxed), 1, "for the check and for both runs");
    }
}
