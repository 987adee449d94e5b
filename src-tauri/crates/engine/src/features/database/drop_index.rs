//! The change `drop_index`: an index that another one repeats is dropped, and created again exactly when it is undone.
use std::time::{Duration, Instant};

use perfdeck_database::index_change::{self, IndexPlan, IndexState, Watch};
use perfdeck_model::{ApiError, BoxFuture, ErrorCode, PreviewRow, Says, Scheme, TargetRole, TargetSays, Unit};
use serde_json::Value;

use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Rows of the preview that are measured while it is applied.
const FREED: &str = "Space freed";
const TIME: &str = "Time";

/// Drops an index that another one repeats.
pub(crate) struct DropIndex;

pub(super) fn read<T: serde::de::DeserializeOwned>(plan: &Value) -> Result<T, ApiError> {
    serde_json::from_value(plan.clone())
        .map_err(|_| ApiError::new(ErrorCode::Storage, "The stored plan of this change cannot be read"))
}

/// A size in IEC units.
pub(super) fn size(bytes: f64) -> String {
    match bytes {
        b if b < 1_048_576.0 => format!("{:.1} KiB", b / 1024.0),
        b if b < 1_073_741_824.0 => format!("{:.1} MiB", b / 1_048_576.0),
        b => format!("{:.1} GiB", b / 1_073_741_824.0),
    }
}

/// What is there, as an answer about the change.
fn answer(plan: &IndexPlan, state: &IndexState) -> TargetSays {
    match state {
        IndexState::Present => TargetSays::new(Says::AsBefore, "present and valid"),
        IndexState::Absent(true) => {
            TargetSays::new(Says::AsApplied, format!("absent; {} serves instead", plan.repeats))
        }
        IndexState::Absent(false) => TargetSays::new(
            Says::AsApplied,
            format!("absent; and {}, which it repeated, is not there or not valid any more", plan.repeats),
        ),
        IndexState::Invalid { bytes, maintained, session } => {
            let written = if *maintained { "written with every insert" } else { "not written any more" };
            let busy = session.map(|s| format!("; session {s} of the server still works on it")).unwrap_or_default();
            TargetSays::new(Says::HalfDone, format!("invalid, {}, {written}, used by no query{busy}", size(*bytes)))
        }
        IndexState::Differs => TargetSays::new(Says::Differs, format!("something else is called {} now", plan.name)),
    }
}

fn row(what: &str, predicted: Option<f64>, unit: Unit) -> PreviewRow {
    PreviewRow { what: what.to_owned(), predicted, came: None, unit }
}

fn notes(scheme: Scheme, plan: &IndexPlan, figures: &index_change::IndexFigures) -> Vec<String> {
    let mut notes = vec![format!("`{}` has the same keys and stays", plan.repeats)];
    if plan.fillfactor {
        notes.push("The two differ in fillfactor alone, which changes no answer".to_owned());
    }
    if scheme == Scheme::Postgres {
        notes.push("Reads and writes go on while it is dropped and while it is built again".to_owned());
        let first = if plan.materialized {
            "no lock is tried first on a materialized view, and"
        } else {
            "a lock is tried for 2 s first, then"
        };
        notes.push(format!("Sent on a session of its own, outside a transaction: {first} the statement has 10 min"));
        match (figures.transactions, figures.oldest_s) {
            (Some(n), Some(oldest)) if n > 0.0 => notes.push(format!(
                "{n:.0} {} open now, the oldest for {oldest:.0} s; it waits for those that use the table",
                if n > 1.0 { "transactions are" } else { "transaction is" }
            )),
            (None, _) => notes.push("How many transactions it would wait for is hidden from this user".to_owned()),
            _ => {}
        }
    } else {
        notes.push("Writers wait while it is dropped, and as long as it is built again".to_owned());
    }
    notes
}

impl ChangeKind for DropIndex {
    fn name(&self) -> &'static str {
        index_change::DROP_INDEX
    }

    fn target(&self) -> TargetRole {
        TargetRole::Database
    }

    fn limit(&self) -> Duration {
        // Taking a left-over away and building anew are two statements of ten minutes.
        Duration::from_secs(25 * 60)
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            let (address, password) = at.engine.door(at.environment).await?;
            let plan = index_change::plan_drop(&address, password.as_ref(), object).await?;
            let cost = if address.scheme == Scheme::Postgres {
                "reads the whole table once; reads and writes go on"
            } else {
                "reads the whole table once; writers wait"
            };
            Ok(Planned {
                object: plan.name.clone(),
                title: format!("Drop `{}`, which repeats `{}`", plan.name, plan.repeats),
                statement: plan.statement(address.scheme),
                undo_statement: Some(plan.undo_statement(address.scheme)),
                undo_cost: Some(cost.to_owned()),
                plan: serde_json::to_value(&plan).map_err(|e| ApiError::internal(e.to_string()))?,
                lease_ms: None,
            })
        })
    }

    fn preview<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        Box::pin(async move {
            let plan: IndexPlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let figures = index_change::figures(&address, password.as_ref(), &plan).await?;
            let mut rows = vec![
                row(FREED, figures.bytes, Unit::Bytes),
                row("Writes saved", figures.writes_per_s, Unit::PerSecond),
            ];
            if let Some(scans) = figures.scans {
                rows.push(row("Scans that the other index takes over", Some(scans), Unit::Count));
            }
            // How long it takes depends on who else uses the table.
            rows.push(row(TIME, None, Unit::Seconds));
            Ok(Preview { rows, notes: notes(address.scheme, &plan, &figures) })
        })
    }

    fn apply<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came, ApiError>> {
        Box::pin(async move {
            let plan: IndexPlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            // Its size now is what is freed; one that was left half dropped has one too.
            let before = index_change::figures(&address, password.as_ref(), &plan).await.ok().and_then(|f| f.bytes);
            let started = Instant::now();
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::drop_index(&address, password.as_ref(), &plan, watch).await?;
            let mut came = vec![(TIME.to_owned(), started.elapsed().as_secs_f64())];
            came.extend(before.map(|bytes| (FREED.to_owned(), bytes)));
            Ok(came)
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move {
            let plan: IndexPlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let state = index_change::index_state(&address, password.as_ref(), &plan).await?;
            Ok(answer(&plan, &state))
        })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        at: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            let plan: IndexPlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::create_index(&address, password.as_ref(), &plan, watch).await
        })
    }
}
