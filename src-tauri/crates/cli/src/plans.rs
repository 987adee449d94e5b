//! `perfctl bench run` and `bench plan`: plans in TOML.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::plan::{self as plans, Folder, Plan, Severity, import};
use perfdeck_engine::{BenchSpec, Engine, PlanFolder};
use perfdeck_model::ApiError;

use crate::args::{BenchPlan, PlanCommand, PlanSource, Source};
use crate::bench::measure;
use crate::files::read;
use crate::output::{self, Done, plain};
use crate::{FINE, USAGE};

/// Plans and recordings are text of this size at most, in bytes.
pub(crate) const LIMIT: u64 = 64 << 20;

/// Reads a plan and says what is wrong with it; answers it when nothing keeps it from running.
fn checked(path: &Path) -> Result<Option<Plan>, ApiError> {
    let plan =
        plans::from_toml(&read(path, LIMIT)?).map_err(|e| ApiError::bad_request(format!("{}: {e}", path.display())))?;
    let problems = plans::validate(&plan, &Folder(folder(path).0.unwrap_or_default()));
    let mut wrong = false;
    for p in &problems {
        let severity = if p.severity == Severity::Error { "error" } else { "warning" };
        wrong |= p.severity == Severity::Error;
        let step = p.step.as_ref().map_or_else(String::new, |step| format!("step '{step}', "));
        output::note(&plain(&format!("{severity}: {step}{}: {}", p.field, p.message)));
    }
    Ok((!wrong).then_some(plan))
}

pub(crate) fn plan(command: &PlanCommand) -> Done {
    match command {
        PlanCommand::Check { plan } => Ok(match checked(plan)? {
            Some(plan) => {
                output::note(&plain(&format!("'{}' can be read: {} steps", plan.name, plan.steps.len())));
                FINE
            }
            None => USAGE,
        }),
        PlanCommand::Import { kind, file } => {
            let text = read(file, LIMIT)?;
            let made = match kind {
                PlanSource::Curl => import::from_curl(&text),
                PlanSource::Openapi => import::from_openapi(&text),
                PlanSource::Har => import::from_har(&text),
                PlanSource::AccessLog => import::from_access_log(&text),
            };
            let (plan, notes) = made.map_err(|e| ApiError::bad_request(format!("{}: {e}", file.display())))?;
            for note in notes {
                output::note(&plain(&format!("note: {note}")));
            }
            output::line(plans::to_toml(&plan).trim_end())?;
            Ok(FINE)
        }
        PlanCommand::Schema => {
            output::json(&plans::schema())?;
            Ok(FINE)
        }
    }
}

/// Whether a target that a person names is a plan file and no URL.
pub(crate) fn is_plan(target: &str) -> bool {
    !target.contains("://") && target.to_ascii_lowercase().ends_with(".toml")
}

/// The folder that a plan's files are read from.
pub(crate) fn folder(plan: &Path) -> PlanFolder {
    let folder = plan.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    PlanFolder(Some(folder.to_owned()))
}

/// A plan file as what a benchmark does; `None` when it is wrong, which was said.
pub(crate) fn spec(path: &Path, threads: Option<u32>) -> Result<Option<BenchSpec>, ApiError> {
    Ok(checked(path)?.map(|plan| BenchSpec::Plan { toml: plans::to_toml(&plan), threads }))
}

pub(crate) async fn run(engine: &Arc<Engine>, args: &BenchPlan, source: &Source, json: bool) -> Done {
    match spec(&args.plan, args.threads)? {
        Some(spec) => measure(engine, spec, &args.at, source, folder(&args.plan), json).await,
        None => Ok(USAGE),
    }
}
