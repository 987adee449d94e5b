//! A plan as the files of another engine.
mod handover;
mod k6;
mod levels;
mod limits;
mod locust;
mod parts;
mod rows;
mod testrun;
#[cfg(test)]
mod tests;
mod text;

use handover::Handover;

use super::Tool;
use perfdeck_plan::{Files, Plan, Severity, to_toml, validate};

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Path below the export's folder, with `/`.
    pub name: String,
    /// What it holds.
    pub contents: Vec<u8>,
}

/// A plan for another engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What to write.
    pub files: Vec<ExportFile>,
    /// What the engine does otherwise than Perfdeck.
    pub notes: Vec<String>,
    /// How it is run, for a shell in the export's folder.
    pub run: String,
}

/// Why a plan cannot be handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It could not run here either.
    #[error("{0}")]
    Plan(String),
    /// Other engines have no SQL and no cache steps.
    #[error("no HTTP step is left; only those can be handed over")]
    NoHttpStep,
    /// A path without what it is added to.
    #[error("step '{0}': it has a path but no base URL; set base_url in the plan, or name an environment with an API")]
    NoBaseUrl(String),
    /// A secret would be in the files.
    #[error("{0} holds credentials, which do not belong into files; use [auth] with env:NAME")]
    Secret(String),
}

/// The files with which another engine does what the plan says. Secrets stay references to environment variables.
///
/// # Errors
/// [`ExportError`] when the plan is wrong, or nothing of it can be handed over.
pub fn export(plan: &Plan, to: Tool, base_url: Option<&str>, files: &dyn Files) -> Result<Export, ExportError> {
    if let Some(problem) = validate(plan, files).into_iter().find(|p| p.severity == Severity::Error) {
        return Err(ExportError::Plan(problem.to_string()));
    }
    let mut notes = Vec::new();
    let (handover, mut data) = Handover::of(plan, base_url, files, &mut notes)?;
    let mut export = match to {
        Tool::K6 => k6::export(plan, &handover, &mut notes),
        Tool::Locust => locust::export(plan, &handover, &mut notes),
    };
    export.files.append(&mut data);
    export.files.push(file("plan.toml", to_toml(plan)));
    export.notes = notes;
    Ok(export)
}

fn file(name: &str, contents: impl Into<Vec<u8>>) -> ExportFile {
    ExportFile { name: name.to_owned(), contents: contents.into() }
}
