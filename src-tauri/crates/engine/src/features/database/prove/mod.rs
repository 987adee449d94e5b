//! Proof of an index that was created: the statements that it is for are run with it and without it, in turns, by class of their
//! values, and what came is stored with the change.
mod assemble;
mod measure;
mod plan;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_database::index_change::{CREATE_INDEX, CreatePlan};
use perfdeck_database::prove::{ProvenIndex, clear_copies};
use perfdeck_model::{ApiError, ChangeProof, JobResult, JobStatus, JournalKind, Kind, PredictedStatement, TargetRole};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use self::measure::prove_index;
use super::drop_index::read;
use crate::Engine;
use crate::core::changes::Proving;
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;
use crate::table::Result;

/// The kind of the job.
const KIND: &str = "prove";
/// Folder of copies in the data folder.
const COPIES: &str = "proofs";
/// Statements that may be handed in.
const MOST_HANDED: usize = 200;
/// Statements that are measured at most.
const MOST: usize = 20;
/// Usual and longest time of measuring, in seconds; and the shortest, in which a class has a second or less.
const USUAL_S: f64 = 60.0;
const LONGEST_S: f64 = 600.0;
const SHORTEST_S: f64 = 1.0;
/// Time beyond that of measuring: to connect, to copy a file, to gather statistics, to end.
const BESIDE: Duration = Duration::from_secs(180);

/// Proves a change that created an index.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ProveRequest {
    /// Identifier of the change.
    pub change_id: String,
    /// Statements beside those that its prediction names, at most 200 in all texts; values may be parameters.
    #[serde(default)]
    pub statements: Vec<String>,
    /// Whether statements that write are run too, within transactions that are rolled back: triggers fire and sequences move on.
    #[serde(default)]
    pub writes: bool,
    /// Time for measuring in seconds, 1 to 600; 60 by default.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// The environment's name, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// A statement that is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct ProveStatement {
    /// Its text; values may be parameters.
    pub text: String,
    /// What was predicted of it.
    pub predicted: Option<PredictedStatement>,
}

/// What is measured, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ProveWanted {
    /// Statements, the heaviest first.
    pub statements: Vec<ProveStatement>,
    /// Whether those that write are run.
    pub writes: bool,
    /// Whether others may be kept waiting for a moment.
    pub development: bool,
    /// Whether statistics may be gathered within a transaction that is rolled back.
    pub analyze: bool,
    /// Folder for copies of a file.
    pub folder: PathBuf,
    /// Time for measuring.
    pub total: Duration,
}

/// Proves an index as a job whose result is the change: its statements are run with it and without it, in a closed loop of one session.
/// Stopped, it ends on the server too, and nothing of it is stored.
pub async fn db_prove(engine: Arc<Engine>, request: ProveRequest) -> Result<JobStatus> {
    let seconds = request.seconds.unwrap_or(USUAL_S);
    if !(SHORTEST_S..=LONGEST_S).contains(&seconds) {
        return Err(ApiError::bad_request(format!("A proof takes {SHORTEST_S} to {LONGEST_S} s of measuring")));
    }
    let proving = engine.hold_to_prove(&request.change_id, CREATE_INDEX).await?;
    let statements = statements(&proving, request.statements)?;
    let (development, analyze, permit) = engine.may_prove(&proving, request.writes, request.confirm.as_slice()).await?;
    let wanted = ProveWanted {
        statements,
        writes: request.writes,
        development,
        analyze,
        folder: engine.data_dir().join(COPIES),
        total: Duration::from_secs_f64(seconds),
    };
    let (title, environment) = (format!("Prove: {}", proving.named()), proving.environment().id.clone());
    let of = engine.clone();
    Ok(engine.core.jobs.spawn(KIND, title, Some(environment), move |job| async move {
        let id = proving.change().id.clone();
        of.proving(proving, permit, &wanted, &job).await?;
        Ok(Some(JobResult::Change(id)))
    }))
}

/// Those of the prediction, the heaviest first, and those that were handed in.
fn statements(proving: &Proving, handed: Vec<String>) -> Result<Vec<ProveStatement>> {
    let mut predicted: Vec<PredictedStatement> =
        proving.change().prediction.iter().flat_map(|p| p.statements.iter().cloned()).collect();
    predicted.sort_by(|a, b| b.share.total_cmp(&a.share));
    let mut all: Vec<ProveStatement> = predicted
        .into_iter()
        .map(|statement| ProveStatement { text: statement.statement.clone(), predicted: Some(statement) })
        .collect();
    let target = proving.environment().targets.database.as_ref();
    let dialect = target.map_or(perfdeck_sqltext::Dialect::Postgres, |d| perfdeck_database::dialect(d.address.scheme));
    for text in split(&handed, dialect)? {
        if !all.iter().any(|known| known.text.trim() == text.trim()) {
            all.push(ProveStatement { text, predicted: None });
        }
    }
    if all.is_empty() {
        return Err(ApiError::bad_request(
            "There is no statement to prove it by: nothing was predicted of this change",
        )
        .hint("Hand in the statements that the index is for, as they are run or with parameters in place of values"));
    }
    Ok(all)
}

/// Statements of texts, each of which may have several.
fn split(texts: &[String], dialect: perfdeck_sqltext::Dialect) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for text in texts {
        let found = perfdeck_sqltext::statements(text, dialect)
            .map_err(|e| ApiError::bad_request(format!("The statements cannot be told apart: {e}")).hint(e.hint))?;
        all.extend(found.iter().map(|statement| statement.text.to_owned()));
    }
    if all.len() > MOST_HANDED {
        return Err(ApiError::bad_request(format!(
            "There are {} statements; at most {MOST_HANDED} are handed in",
            all.len()
        )));
    }
    Ok(all)
}

impl Engine {
    /// Asks the guards. Running statements is load, and a write alters the target even where it is rolled back. Answers whether others
    /// may be kept waiting, and whether statistics may be gathered.
    async fn may_prove(
        &self,
        proving: &Proving,
        writes: bool,
        typed: &[String],
    ) -> Result<(bool, bool, Option<Permit>)> {
        let environment = proving.environment();
        let subject = self.altered(environment, TargetRole::Database).await;
        subject.may_run("the statements of a proof")?;
        let may_wait = environment.kind == Kind::Development && subject.may_alter("proof").is_ok();
        let (development, analyze) = (may_wait && !subject.is_production(), !subject.is_production());
        if writes {
            let what = format!("proof of: {}", proving.named());
            let permit = self.permit(environment, TargetRole::Database, &what, typed).await?;
            return Ok((development, analyze, Some(permit)));
        }
        subject.confirmed(typed)?;
        if self.take_unlocked_for_run(&environment.id) {
            let text = "statements may be run to prove a change".to_owned();
            self.journal(JournalKind::Unlocked, Some(environment), text, None).await?;
        }
        Ok((development, analyze, None))
    }

    /// `_permit` is there where statements that write are run.
    async fn proving(
        self: &Arc<Self>,
        proving: Proving,
        _permit: Option<Permit>,
        wanted: &ProveWanted,
        job: &JobContext,
    ) -> Result<()> {
        job.progress(None, "asking the target");
        self.still_there(&proving).await?;
        let plan: CreatePlan = read(proving.plan())?;
        let (address, password) = self.door(proving.environment()).await?;
        let progress = |share: Option<f64>, step: &str| job.progress(share, step);
        let index = ProvenIndex::from(&plan);
        let work = prove_index(&address, password.as_ref(), &index, wanted, &progress, &job.cancel);
        let proof = tokio::time::timeout(wanted.total + BESIDE, work).await.map_err(|_| {
            ApiError::new(perfdeck_model::ErrorCode::Timeout, "The database did not let the proof come to its end")
                .hint("Try again when it is less busy; nothing of it was stored")
        })??;
        self.proven(proving, ChangeProof { at_ms: self.core.clock.now_ms(), ..proof }).await
    }
}

/// Takes copies away that an earlier process left when it ended.
pub(crate) fn clear(data_dir: &Path) {
    let gone = clear_copies(&data_dir.join(COPIES));
    if gone > 0 {
        tracing::info!(gone, "copies of files that a proof left were removed");
    }
}
