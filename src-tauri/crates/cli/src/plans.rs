//! `perfctl bench run` and `bench plan`: plans in TOML.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::Engine;
use perfdeck_engine::plans::{self, Folder, Plan, Severity, ThresholdResult, import};
use perfdeck_model::{ApiError, Environment, JobState, JobStatus, Run};
use serde_json::json;

use crate::answers::PlanRun;
use crate::args::{BenchPlan, PlanCommand, PlanSource, Source};
use crate::bench::{follow, show};
use crate::files::read;
use crate::output::{self, Done, figures, plain};
use crate::{FAILED, FINE, INCOMPLETE, USAGE, VERDICT, call, environments};

/// Plans and recordings are text of this size at most, in bytes.
const LIMIT: u64 = 64 << 20;

/// Reads a plan and says what is wrong with it; answers it when nothing keeps it from running.
fn checked(path: &Path) -> Result<Option<Plan>, ApiError> {
    let plan =
        plans::from_toml(&read(path, LIMIT)?).map_err(|e| ApiError::bad_request(format!("{}: {e}", path.display())))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let problems = plans::validate(&plan, &Folder(folder.to_owned()));
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

pub(crate) async fn run(engine: &Arc<Engine>, args: &BenchPlan, source: &Source, json: bool) -> Done {
    let Some(plan) = checked(&args.plan)? else { return Ok(USAGE) };
    let environment: Option<Environment> = environments::resolve(engine, args.env.as_deref(), source).await?;
    let api = environment.as_ref().and_then(|e| e.targets.api.as_ref()).map(|api| api.url.clone());
    let spec = plans::single_request(&plan, api.as_deref(), |name| std::env::var(name).ok())?;
    let request = json!({
        "spec": spec, "environment_id": environment.map(|e| e.id), "name": plan.name, "confirm": args.confirm,
    });
    let mut viewer = engine.watch(None).await?;
    let job: JobStatus = call(engine, "bench.start", request).await?;
    let end = follow(engine, &mut viewer, &job).await?;
    let id = match (end.state, end.result, end.error) {
        (JobState::Done | JobState::Cancelled, Some(id), _) => id,
        (_, _, Some(error)) => return Err(error.into()),
        _ => return Ok(FAILED),
    };
    let run: Run = call(engine, "run.get", json!({ "id": id })).await?;
    let thresholds = plans::judge_thresholds(&plan, &run)?;
    let (valid, held) = (run.valid && end.state == JobState::Done, thresholds.iter().all(|t| t.ok));
    if json {
        output::json(&PlanRun { run, thresholds })?;
    } else {
        show(&run, false)?;
        let row = |t: &ThresholdResult| {
            let actual = t.actual.map_or_else(|| "-".to_owned(), |v| format!("{} {}", figures(v), t.unit));
            let verdict = if t.ok { "holds" } else { "FAILS" };
            vec![t.text.clone(), actual, verdict.to_owned(), t.note.clone().unwrap_or_default()]
        };
        if !thresholds.is_empty() {
            output::line("")?;
            output::table(&["threshold", "measured", "", ""], &thresholds.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    // A run that cannot be trusted says nothing about its thresholds.
    Ok(if !valid {
        INCOMPLETE
    } else if held {
        FINE
    } else {
        VERDICT
    })
}
