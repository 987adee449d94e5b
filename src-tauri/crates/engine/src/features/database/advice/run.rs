//! Advice as a job: its statements are gathered, it is made, kept, and a change planned of it keeps what was predicted.
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_database::what_if::Rung;
use perfdeck_model::{
    ApiError, ChangePrediction, Environment, ErrorCode, HypopgUse, IndexAdvice, IndexSpec, JobResult, JobState,
    JobStatus, JournalKind, Kind, Scheme,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::kept::Agreement;
use super::wire::{About, index_advice as answer};
use super::workload::{Gathered, USUAL_MS, handed_in};
use super::{AdviceFailure, AdviceGiven, AdviceWanted, index_advice};
use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::database::place::{Place, place_of};
use crate::requests::ByEnvironment;
use crate::table::Result;

/// The kind of the job.
const KIND: &str = "advise";
/// Longest time of one attempt, with one way to simulate.
const LIMIT: Duration = Duration::from_secs(180);
/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Asks for advice on the indexes of a database.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct AdviseRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Start of the time whose statements are looked at, in milliseconds since the Unix epoch; an hour before its end where there is none.
    #[serde(default)]
    pub from_ms: Option<f64>,
    /// Its end; now where there is none.
    #[serde(default)]
    pub to_ms: Option<f64>,
    /// Seconds for which the server's counters are looked at from now on, instead of what was kept, 1 to 600.
    #[serde(default)]
    pub look_s: Option<f64>,
    /// Queries to advise on instead, each text with one or more of them, at most 2,000 and 4 MiB together.
    #[serde(default)]
    pub queries: Vec<String>,
    /// Bound for the bytes of all advised indexes together.
    #[serde(default)]
    pub budget_bytes: Option<f64>,
}

/// Says whether `HypoPG` may be used for advice in an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct AllowHypopg {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Whether it may: a defect of it has ended every session of an instance (HypoPG#116).
    pub allow: bool,
}

/// Advises on the indexes of a database, as a job whose result is the advice. Nothing is altered: what is simulated leaves nothing behind.
pub async fn db_advise(engine: Arc<Engine>, request: AdviseRequest) -> Result<JobStatus> {
    let (environment, ..) = engine.database_of(&request.environment_id).await?;
    let place = place_of(&environment)?;
    let asked = checked(&engine, &environment, &request)?;
    // One is enough: who asks again follows it.
    let same = |job: &JobStatus| {
        job.kind == KIND && job.state == JobState::Running && job.environment_id.as_ref() == Some(&environment.id)
    };
    if let Some(job) = engine.core.jobs.list().into_iter().find(same) {
        return Ok(job);
    }
    let of = engine.clone();
    let (title, id) = (format!("Advice on the indexes of {}", environment.name), environment.id.clone());
    Ok(engine.core.jobs.spawn(KIND, title, Some(id), move |job| async move {
        let advice = of.advising(environment, &place, asked, &job).await?;
        let id = advice.id.clone();
        of.keep_advice(place, advice).await?;
        Ok(Some(JobResult::Advice(id)))
    }))
}

/// The last advice on the indexes of a database; `null` where none was given.
pub async fn db_advice(engine: Arc<Engine>, request: ByEnvironment) -> Result<Option<IndexAdvice>> {
    let environment = engine.environment(&request.environment_id).await?;
    engine.last_advice(&place_of(&environment)?).await
}

/// Agrees to the use of `HypoPG` for advice in an environment, or takes that back. Journaled.
pub async fn db_allow_hypopg(engine: Arc<Engine>, request: AllowHypopg) -> Result<HypopgUse> {
    let environment = engine.environment(&request.environment_id).await?;
    let place = place_of(&environment)?;
    let (agreement, text) = if request.allow {
        (Agreement::Agreed, "HypoPG may be used for advice; a defect of it may end every session of the instance")
    } else {
        (Agreement::Open, "HypoPG may not be used for advice any more")
    };
    engine.keep_agreement(&place, agreement).await?;
    engine.journal(JournalKind::Changed, Some(&environment), text.to_owned(), None).await?;
    Ok(hypopg_use(true, environment.kind, agreement))
}

/// What is to be looked at.
enum Asked {
    Queries(Gathered),
    Counted { range: (f64, f64), look: Option<Duration> },
}

/// What was asked for, with its budget.
struct Question {
    asked: Asked,
    budget_bytes: Option<f64>,
}

fn checked(engine: &Engine, environment: &Environment, request: &AdviseRequest) -> Result<Question> {
    let bad = |text: &str| Err(ApiError::bad_request(text));
    if request.budget_bytes.is_some_and(|bytes| !(bytes.is_finite() && bytes > 0.0)) {
        return bad("The budget is a number of bytes above 0");
    }
    let timed = request.from_ms.is_some() || request.to_ms.is_some();
    if !request.queries.is_empty() && (timed || request.look_s.is_some()) || timed && request.look_s.is_some() {
        return bad(
            "Advice is on the statements of a time, on those of a look, or on queries, and on one of them only",
        );
    }
    let look = match request.look_s {
        None => None,
        Some(s) if (1.0..=600.0).contains(&s) => Some(Duration::from_secs_f64(s)),
        Some(_) => return bad("A look at statements takes from 1 s to 10 min"),
    };
    let asked = if request.queries.is_empty() {
        let to = request.to_ms.unwrap_or_else(|| engine.core.clock.now_ms());
        Asked::Counted { range: (request.from_ms.unwrap_or(to - USUAL_MS), to), look }
    } else {
        let scheme = environment.targets.database.as_ref().map(|d| d.address.scheme);
        // The demo has its address from when it is opened.
        Asked::Queries(handed_in(&request.queries, perfdeck_database::dialect(scheme.unwrap_or(Scheme::Sqlite)))?)
    };
    Ok(Question { asked, budget_bytes: request.budget_bytes })
}

fn hypopg_use(installed: bool, kind: Kind, agreement: Agreement) -> HypopgUse {
    match agreement {
        _ if !installed => HypopgUse::NotInstalled,
        Agreement::Quarantined => HypopgUse::Quarantined,
        Agreement::Agreed => HypopgUse::Allowed,
        Agreement::Open if kind == Kind::Development => HypopgUse::Allowed,
        Agreement::Open => HypopgUse::NotAgreed,
    }
}

impl Engine {
    async fn advising(
        &self,
        environment: Environment,
        place: &Place,
        question: Question,
        job: &JobContext,
    ) -> Result<IndexAdvice> {
        let started = Instant::now();
        let gathered = match question.asked {
            Asked::Queries(gathered) => gathered,
            Asked::Counted { range, look } => {
                job.progress(None, "gathering statements");
                job.unless_cancelled(self.counted(&environment.id, range, look)).await??
            }
        };
        let (given, agreement, died) = self.given(&environment, place, &gathered, question.budget_bytes, job).await?;
        let about = About {
            id: Uuid::now_v7().to_string(),
            environment_id: environment.id.clone(),
            made_ms: self.core.clock.now_ms(),
            took_s: started.elapsed().as_secs_f64(),
            hypopg: hypopg_use(given.has_hypopg, environment.kind, agreement),
            budget_bytes: question.budget_bytes,
        };
        let mut advice = answer(given, gathered, about);
        advice.notes.extend(died.map(|error| error.message));
        Ok(advice)
    }

    /// Advice, with where the use of `HypoPG` stands then, and how it died meanwhile.
    async fn given(
        &self,
        environment: &Environment,
        place: &Place,
        gathered: &Gathered,
        bytes: Option<f64>,
        job: &JobContext,
    ) -> Result<(AdviceGiven, Agreement, Option<ApiError>)> {
        let (address, password) = self.door(environment).await?;
        let mut agreement = self.agreement(place).await?;
        let mut died = None;
        loop {
            let wanted = AdviceWanted {
                statements: gathered.statements.clone(),
                days: gathered.observed_s / DAY_S,
                bytes,
                kind: environment.kind,
                agreed: agreement == Agreement::Agreed,
                quarantined: agreement == Agreement::Quarantined,
            };
            job.progress(
                None,
                &format!(
                    "asking what {} would cost",
                    perfdeck_words::plural(wanted.statements.len() as i64, "statement")
                ),
            );
            let work = tokio::time::timeout(LIMIT, index_advice(&address, password.as_ref(), &wanted));
            let late = |_| {
                Err(AdviceFailure::Told(
                    ApiError::new(ErrorCode::Timeout, "The database did not answer all questions within 3 min")
                        .hint("Advise on fewer statements"),
                ))
            };
            match job.unless_cancelled(work).await?.unwrap_or_else(late) {
                Ok(given) => return Ok((given, agreement, died)),
                Err(AdviceFailure::Died(Rung::HypoPg, error)) if agreement != Agreement::Quarantined => {
                    agreement = Agreement::Quarantined;
                    self.keep_agreement(place, agreement).await?;
                    let text = "HypoPG is not used for advice any more: its session ended while it planned";
                    self.journal(JournalKind::Changed, Some(environment), text.to_owned(), None).await?;
                    died = Some(error);
                }
                Err(AdviceFailure::Died(_, error) | AdviceFailure::Told(error)) => return Err(error),
            }
        }
    }

    /// What the last advice predicted of an index.
    ///
    /// # Errors
    /// When that advice is not the last one, or does not have the index.
    pub(in crate::features::database) async fn prediction(
        &self,
        environment_id: &str,
        advice_id: &str,
        index: &IndexSpec,
    ) -> Result<ChangePrediction> {
        let environment = self.environment(environment_id).await?;
        let advice = self.last_advice(&place_of(&environment)?).await?.filter(|a| a.id == advice_id);
        let advice = advice.ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, "That advice is not the last one of this database").hint("Advise again")
        })?;
        let at = advice.advised.iter().position(|a| a.spec == *index).ok_or_else(|| {
            ApiError::bad_request("That index is not in the advice")
                .hint("Plan it as it was advised, or without the advice")
        })?;
        let advised = &advice.advised[at];
        Ok(ChangePrediction {
            advice_id: advice.id.clone(),
            basis: advice.basis,
            bytes: advised.bytes,
            saved: advised.saved,
            statements: advised.predicted.clone(),
            needs_proof: advised.needs_proof,
        })
    }
}
