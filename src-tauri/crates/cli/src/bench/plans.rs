//! `perfctl bench run` and `bench plan`: plans in TOML.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::plan::{self as plans, Files, Folder, Plan, Severity, import};
use perfdeck_engine::{BenchSpec, Engine, PlanFolder};
use perfdeck_model::ApiError;

use crate::answers::{CheckedPlan, ImportedPlan, PlanProblem};
use crate::args::Source;
use crate::bench::args::{BenchPlan, PlanCommand, PlanSource};
use crate::bench::measuring::measure;
use crate::files::{read, read_bytes};
use crate::output::{self, Done, plain};
use crate::{FINE, USAGE};

/// Plans and recordings are text of this size at most, in bytes.
pub(crate) const LIMIT: u64 = 64 << 20;

/// A plan's file with what is wrong with it. A text that is no plan has one problem and no plan.
fn checked(path: &Path) -> Result<(Option<Plan>, Vec<PlanProblem>), ApiError> {
    let text = read(path, LIMIT)?;
    let plan = match plans::from_toml(&text) {
        Ok(plan) => plan,
        Err(error) => {
            let (line, message) = (error.line(), error.to_string());
            let problem = PlanProblem { severity: Severity::Error, step: None, field: String::new(), message, line };
            return Ok((None, vec![problem]));
        }
    };
    let problems = problems_of(&plan, &text, &Folder(folder(path).0.unwrap_or_default()));
    Ok((Some(plan), problems))
}

fn problems_of(plan: &Plan, text: &str, files: &dyn Files) -> Vec<PlanProblem> {
    let found = plans::validate(plan, files);
    found
        .into_iter()
        .map(|p| PlanProblem {
            line: plans::line_of(text, &p),
            severity: p.severity,
            step: p.step,
            field: p.field,
            message: p.message,
        })
        .collect()
}

fn is_wrong(problems: &[PlanProblem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// Says what is wrong, one line each.
fn say(problems: &[PlanProblem]) {
    for p in problems {
        let severity = if p.severity == Severity::Error { "error" } else { "warning" };
        let line = p.line.map_or_else(String::new, |line| format!("line {line}: "));
        let step = p.step.as_ref().map_or_else(String::new, |step| format!("step '{step}', "));
        let field = if p.field.is_empty() { String::new() } else { format!("{}: ", p.field) };
        output::note(&plain(&format!("{severity}: {line}{step}{field}{}", p.message)));
    }
}

/// Reads a plan and says what is wrong with it; answers it when nothing keeps it from running.
fn runnable(path: &Path) -> Result<Option<Plan>, ApiError> {
    let (plan, problems) = checked(path)?;
    match (plan, problems.first()) {
        (None, Some(problem)) => Err(ApiError::bad_request(format!("{}: {}", path.display(), problem.message))),
        (plan, _) => {
            say(&problems);
            Ok(plan.filter(|_| !is_wrong(&problems)))
        }
    }
}

pub(crate) fn plan(command: &PlanCommand, json: bool) -> Done {
    match command {
        PlanCommand::Check { plan } => {
            if !json {
                return Ok(match runnable(plan)? {
                    Some(plan) => {
                        output::note(&plain(&format!("'{}' can be read: {} steps", plan.name, plan.steps.len())));
                        FINE
                    }
                    None => USAGE,
                });
            }
            let (plan, problems) = checked(plan)?;
            let ok = !is_wrong(&problems);
            output::json(&CheckedPlan {
                schema: "perfdeck.plan_check/1",
                ok,
                name: plan.as_ref().map(|p| p.name.clone()),
                steps: plan.as_ref().map(|p| p.steps.len()),
                variables: plan.iter().flat_map(Plan::env_names).collect(),
                problems,
            })?;
            Ok(if ok { FINE } else { USAGE })
        }
        PlanCommand::Import { kind, file } => {
            let (plan, notes) = imported(*kind, file)?;
            let toml = plans::to_toml(&plan);
            if json {
                let problems = problems_of(&plan, &toml, &Folder(folder(file).0.unwrap_or_default()));
                let answer = ImportedPlan { schema: "perfdeck.plan_import/1", plan, toml, left_out: notes, problems };
                output::json(&answer)?;
                return Ok(FINE);
            }
            for note in notes {
                output::note(&plain(&format!("note: {note}")));
            }
            output::line(toml.trim_end())?;
            Ok(FINE)
        }
        PlanCommand::Schema => {
            output::json(&plans::schema())?;
            Ok(FINE)
        }
    }
}

/// The files that a curl command names: as curl finds them from here, else beside the command.
struct Near<'a>(&'a Path);

impl Files for Near<'_> {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let path = match name.strip_prefix("~/").zip(std::env::home_dir()) {
            Some((rest, home)) => home.join(rest),
            None => name.into(),
        };
        let beside = self.0.join(&path);
        let path = if path.is_relative() && !path.exists() && beside.exists() { beside } else { path };
        let prefix = format!("{} cannot be read: ", path.display());
        read_bytes(&path, limit).map_err(|e| e.message.strip_prefix(&prefix).unwrap_or(&e.message).to_owned())
    }
}

fn imported(kind: PlanSource, file: &Path) -> Result<(Plan, Vec<String>), ApiError> {
    let made = match kind {
        // Logs may hold bytes that are no text.
        PlanSource::AccessLog => import::from_access_log_bytes(&read_bytes(file, LIMIT)?),
        PlanSource::Curl => {
            import::from_curl_with(&read(file, LIMIT)?, Some(&Near(file.parent().unwrap_or(Path::new("")))))
        }
        PlanSource::Openapi => import::from_openapi(&read(file, LIMIT)?),
        PlanSource::Har => import::from_har(&read(file, LIMIT)?),
    };
    made.map_err(|e| ApiError::bad_request(format!("{}: {e}", file.display())))
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
    Ok(runnable(path)?.map(|plan| BenchSpec::Plan { toml: plans::to_toml(&plan), threads }))
}

pub(crate) async fn run(engine: &Arc<Engine>, args: &BenchPlan, source: &Source, json: bool) -> Done {
    match spec(&args.plan, args.threads)? {
        Some(spec) => measure(engine, spec, &args.at, source, folder(&args.plan), json).await,
        None => Ok(USAGE),
    }
}
