//! The change `hide_index`: MySQL and MariaDB keep an index and do not use it, so that what needs it shows before it is dropped.
use std::time::{Duration, Instant};

use perfdeck_database::index_change::{self, Hidden, HidePlan, Watch};
use perfdeck_model::{ApiError, BoxFuture, PreviewFigure, PreviewRow, Says, TargetRole, TargetSays};
use serde_json::Value;

use super::drop_index::{in_work, read};
use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Hides an index.
pub(crate) struct HideIndex;

fn answer(plan: &HidePlan, hidden: Hidden) -> TargetSays {
    match hidden {
        Hidden::Visible => TargetSays::new(Says::AsBefore, "used by the planner"),
        Hidden::Hidden => {
            TargetSays::new(Says::AsApplied, "there, written with every insert, and not used by the planner")
        }
        Hidden::InWork(session) => TargetSays::new(Says::HalfDone, in_work(session)),
        Hidden::Differs => TargetSays::new(Says::Differs, format!("{} is gone, or another one", plan.name)),
    }
}

fn notes(plan: &HidePlan) -> Vec<String> {
    let serves = match (&plan.repeats, &plan.covered_by) {
        (Some(other), _) => format!("`{other}` has the same keys and serves instead"),
        (None, Some(other)) => format!("`{other}` begins with its keys and serves instead"),
        (None, None) => "No other index has its keys: queries that need it read the table meanwhile".to_owned(),
    };
    vec![
        serves,
        "It is kept and written as before: nothing is freed, and it is used again at once when that is undone"
            .to_owned(),
        "Leave it so for as long as what runs seldom takes to come round, on replicas too, then drop it".to_owned(),
        "A statement that names it in a hint fails meanwhile".to_owned(),
        "The table's lock is waited for 2 s, and others wait behind that; plans are made anew".to_owned(),
    ]
}

impl ChangeKind for HideIndex {
    fn name(&self) -> &'static str {
        index_change::HIDE_INDEX
    }

    fn target(&self) -> TargetRole {
        TargetRole::Database
    }

    fn limit(&self) -> Duration {
        // The table's definition alone is written; its lock is waited for two seconds.
        Duration::from_secs(60)
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            let (address, password) = at.engine.door(at.environment).await?;
            let plan = index_change::plan_hide(&address, password.as_ref(), object).await?;
            Ok(Planned {
                object: plan.name.clone(),
                title: format!("Hide `{}` from the planner", plan.name),
                statement: plan.statement(),
                undo_statement: Some(plan.undo_statement()),
                undo_cost: Some("a moment; it was written all along".to_owned()),
                plan: serde_json::to_value(&plan).map_err(|e| ApiError::internal(e.to_string()))?,
                lease_ms: None,
            })
        })
    }

    fn preview<'a>(&'a self, _at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        Box::pin(async move {
            let plan: HidePlan = read(plan)?;
            let rows = vec![PreviewRow::new(PreviewFigure::Time, None)];
            Ok(Preview { rows, notes: notes(&plan), ..Preview::default() })
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
            let plan: HidePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let started = Instant::now();
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::hide_index(&address, password.as_ref(), &plan, watch).await?;
            Ok(vec![(PreviewFigure::Time, started.elapsed().as_secs_f64())])
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move {
            let plan: HidePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let hidden = index_change::hidden(&address, password.as_ref(), &plan).await?;
            Ok(answer(&plan, hidden))
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
            let plan: HidePlan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let progress = |share: Option<f64>, step: &str| job.progress(share, step);
            let watch = Watch { stop: Box::pin(job.cancel.cancelled()), progress: &progress };
            index_change::show_index(&address, password.as_ref(), &plan, watch).await
        })
    }
}
