//! Saved plans, and help with writing them.
use perfdeck_model::{ApiError, masking};
use perfdeck_plan::{Folder, Severity, from_toml, import, line_of, literal_secret, to_toml, validate};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;

/// Longest plan, in bytes.
const LIMIT: usize = 4 << 20;

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct SavedPlan {
    /// Stable identifier.
    pub id: String,
    /// Name of the plan, which is that in its text.
    pub name: String,
    /// The plan, as TOML.
    pub toml: String,
    /// Time at which it was saved, in milliseconds since the Unix epoch.
    pub updated_ms: f64,
}

/// Saves a plan.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct PlanSave {
    /// The plan that is replaced; a new one when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// The plan, as TOML.
    pub toml: String,
}

/// Problem of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct PlanProblem {
    /// Whether it keeps the plan from being run; otherwise it is a warning.
    pub error: bool,
    /// The step it is about.
    pub step: Option<String>,
    /// The field it is about; empty for the text as a whole.
    pub field: String,
    /// Message that says what is wrong and what to do.
    pub message: String,
    /// Line in the text, from 1, where it is known.
    pub line: Option<u32>,
}

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct PlanCheck {
    /// Name of the plan, when it can be read.
    pub name: Option<String>,
    /// Summary of what it does, in a few words.
    pub request: Option<String>,
    /// Whether it can be run.
    pub ok: bool,
    /// All problems of the plan.
    pub problems: Vec<PlanProblem>,
    /// Environment variables that it reads when it is run.
    pub variables: Vec<String>,
}

/// Origin of a text that a plan can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PlanOrigin {
    /// A curl command.
    Curl,
    /// An OpenAPI 3 description in JSON.
    Openapi,
    /// A HAR recording.
    Har,
    /// An access log in the common or combined format, or in JSON.
    AccessLog,
}

/// Makes a plan of what other tools wrote.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct PlanImport {
    /// Origin of the text.
    pub from: PlanOrigin,
    /// The text.
    pub text: String,
}

/// A plan made of something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct ImportedPlan {
    /// The plan, as TOML.
    pub toml: String,
    /// Notes on what was left out or changed.
    pub notes: Vec<String>,
}

/// The line of a text that is no plan yet in which a secret's name has a value.
fn line_with_secret(text: &str) -> Option<String> {
    let holds = |line: &str| {
        line.split_once(['=', ':']).is_some_and(|(name, value)| {
            let value = value.trim().trim_matches(['"', '\'', ',', '}', ' ']);
            let name = name.trim().trim_matches(['"', '\'', '{', ' ']);
            let literal = masking::has_mask(&masking::Masker::Template.value(value)) && !value.starts_with("env:");
            literal && (masking::is_secret_name(name) || masking::is_secret_value(value))
        })
    };
    text.lines().position(holds).map(|at| format!("line {}", at + 1))
}

impl Engine {
    /// The folder that saved plans read their files from.
    pub(crate) fn plan_folder(&self) -> Folder {
        Folder(self.core.data_dir.join("plans"))
    }

    /// All problems of a plan's text.
    pub(crate) fn plan_check(&self, toml: &str) -> PlanCheck {
        let plan = match from_toml(toml) {
            Ok(plan) => plan,
            Err(error) => {
                let problem = PlanProblem {
                    error: true,
                    step: None,
                    field: String::new(),
                    message: error.to_string(),
                    line: error.line(),
                };
                return PlanCheck {
                    name: None,
                    request: None,
                    ok: false,
                    problems: vec![problem],
                    variables: Vec::new(),
                };
            }
        };
        let found = validate(&plan, &self.plan_folder());
        let mut problems: Vec<PlanProblem> = found
            .into_iter()
            .map(|p| PlanProblem {
                line: line_of(toml, &p),
                error: p.severity == Severity::Error,
                step: p.step,
                field: p.field,
                message: p.message,
            })
            .collect();
        if masking::has_mask(toml) {
            problems.push(PlanProblem {
                error: true,
                step: None,
                field: String::new(),
                message: format!(
                    "Parts of it were masked ({}) when its run was stored; give them again",
                    masking::MASK
                ),
                line: toml.lines().position(masking::has_mask).and_then(|at| u32::try_from(at + 1).ok()),
            });
        }
        PlanCheck {
            ok: problems.iter().all(|p| !p.error),
            request: perfdeck_bench::describe(&plan, None).ok().map(|spec| spec.request),
            variables: plan.env_names().into_iter().collect(),
            name: Some(plan.name),
            problems,
        }
    }

    /// Keeps a plan. One with errors is kept too: it is somebody's work.
    pub(crate) async fn plan_save(&self, request: PlanSave) -> Result<SavedPlan, ApiError> {
        if request.toml.len() > LIMIT {
            return Err(ApiError::bad_request("A plan has at most 4 MiB"));
        }
        if request.id.as_deref().is_some_and(|id| Uuid::parse_str(id).is_err()) {
            return Err(ApiError::bad_request("id: It is none of a saved plan").hint("Leave it out for a new one"));
        }
        let place = match from_toml(&request.toml) {
            Ok(plan) => literal_secret(&plan),
            // It is somebody's unfinished work, and kept; line by line its secrets are looked for all the same.
            Err(_) => line_with_secret(&request.toml),
        };
        if let Some(place) = place {
            return Err(ApiError::bad_request(format!("{place}: A plan with a secret in it is not saved"))
                .hint("Write {{env:NAME}} in its place, and set that variable before a run"));
        }
        let name = self.plan_check(&request.toml).name.unwrap_or_else(|| "unfinished".to_owned());
        let plan = SavedPlan {
            id: request.id.unwrap_or_else(|| Uuid::now_v7().to_string()),
            name,
            toml: request.toml,
            updated_ms: self.core.clock.now_ms(),
        };
        self.core.store.put_plan(&plan).await?;
        Ok(plan)
    }

    /// Makes a plan of what other tools wrote.
    pub(crate) fn plan_import(&self, request: &PlanImport) -> Result<ImportedPlan, ApiError> {
        let made = match request.from {
            PlanOrigin::Curl => import::from_curl(&request.text),
            PlanOrigin::Openapi => import::from_openapi(&request.text),
            PlanOrigin::Har => import::from_har(&request.text),
            PlanOrigin::AccessLog => import::from_access_log(&request.text),
        };
        let (plan, notes) = made.map_err(|e| ApiError::bad_request(e.to_string()))?;
        Ok(ImportedPlan { toml: to_toml(&plan), notes })
    }
}
