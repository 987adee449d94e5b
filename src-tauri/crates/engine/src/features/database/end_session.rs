//! The changes `cancel_statement` and `terminate_session`: what holds up others is ended. Neither can be undone.
use std::time::{Duration, Instant};

use perfdeck_database::activity::{self, CANCEL, EndPlan, EndState, TERMINATE};
use perfdeck_model::{ApiError, BoxFuture, ErrorCode, PreviewFigure, PreviewRow, Says, TargetRole, TargetSays};
use perfdeck_words as words;
use serde_json::Value;

use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Ends a statement or a session.
pub(crate) struct EndSession(&'static str);

impl EndSession {
    /// Ends what a session runs; the session stays.
    pub(crate) const CANCEL: Self = Self(CANCEL);
    /// Ends a session.
    pub(crate) const TERMINATE: Self = Self(TERMINATE);
}

fn read(plan: &Value) -> Result<EndPlan, ApiError> {
    serde_json::from_value(plan.clone())
        .map_err(|_| ApiError::new(ErrorCode::Storage, "The stored plan of this change cannot be read"))
}

fn title(plan: &EndPlan) -> String {
    let who = plan.name.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
    if plan.cancels() {
        format!("Cancel the statement of session `{}`{who}", plan.pid)
    } else {
        format!("Terminate session `{}`{who}", plan.pid)
    }
}

fn notes(plan: &EndPlan) -> Vec<String> {
    let client = plan.client.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
    let who = plan.name.clone().unwrap_or_else(|| "its client".to_owned());
    let mut notes = vec![if plan.cancels() {
        format!(
            "The request of `{who}`{client} that runs it fails; a transaction around it stays open until the client ends it"
        )
    } else {
        format!("`{who}`{client} loses its connection; what it has not committed is rolled back")
    }];
    notes.push(match plan.freed {
        0 => "Nobody that the server names waits for it alone".to_owned(),
        1 if plan.doubt.is_some() => "1 session waits for nobody else that the server names".to_owned(),
        n if plan.doubt.is_some() => format!("{} sessions wait for nobody else that the server names", words::count(n)),
        1 => "1 session waits for nobody else and goes on at once".to_owned(),
        n => format!("{} sessions wait for nobody else and go on at once", words::count(n)),
    });
    if plan.behind > 0 {
        let behind = words::plural(plan.behind, "session");
        notes.push(if plan.behind == 1 {
            format!("{behind} waits behind those, and goes on after them")
        } else {
            format!("{behind} wait behind those, and go on one after the other")
        });
    }
    if plan.keeps && plan.freed > 0 {
        notes.push(
            "Fewer may go on: within a transaction the locks from before a savepoint stay, and MySQL and MariaDB keep them all \
             until the client ends it; terminating the session frees them"
                .to_owned(),
        );
    }
    notes.extend(plan.doubt.clone());
    if plan.untold > 0 {
        notes.push(format!(
            "{} for a lock whose holder the server does not tell: it may be this session",
            if plan.untold == 1 {
                "1 session waits".to_owned()
            } else {
                format!("{} sessions wait", words::count(plan.untold))
            }
        ));
    }
    notes.extend(plan.leaves.clone());
    if plan.still > 0 {
        let verb = if plan.still == 1 { "goes" } else { "go" };
        notes.push(format!("{} {verb} on waiting for others", words::plural(plan.still, "session")));
    }
    if plan.unknown_rows {
        notes.push(
            "How many rows are rolled back is not known: the server does not tell what a transaction has written"
                .to_owned(),
        );
    }
    for statement in &plan.prepared {
        notes.push(format!(
            "It waits for a prepared transaction, which has no session: only `{statement}` ends that, by its owner or a superuser"
        ));
    }
    notes.push("It cannot be undone".to_owned());
    notes
}

impl ChangeKind for EndSession {
    fn name(&self) -> &'static str {
        self.0
    }

    fn target(&self) -> TargetRole {
        TargetRole::Database
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            let (address, password) = at.engine.door(at.environment).await?;
            let plan = activity::plan_end(&address, password.as_ref(), self.0, object).await?;
            Ok(Planned {
                object: plan.object(),
                title: title(&plan),
                statement: plan.sends(address.scheme),
                undo_statement: None,
                undo_cost: None,
                plan: serde_json::to_value(&plan).map_err(|e| ApiError::internal(e.to_string()))?,
                lease_ms: None,
            })
        })
    }

    fn preview<'a>(&'a self, _at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        // The plan was made of the same reading: another one would tell another moment.
        Box::pin(async move {
            let plan = read(plan)?;
            let freed = (!plan.keeps && plan.doubt.is_none() && plan.untold == 0).then(|| f64::from(plan.freed));
            let mut rows = vec![PreviewRow::new(PreviewFigure::SessionsFreed, freed)];
            // InnoDB alone tells it.
            if plan.rows.is_some() || plan.unknown_rows {
                rows.push(PreviewRow::new(PreviewFigure::RowsRolledBack, plan.rows));
            }
            rows.push(PreviewRow::new(PreviewFigure::Time, None));
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
            let plan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            let started = Instant::now();
            let stop = Box::pin(job.cancel.cancelled());
            activity::end_session(&address, password.as_ref(), &plan, stop).await?;
            let mut came = vec![(PreviewFigure::Time, started.elapsed().as_secs_f64())];
            job.progress(None, "looking who goes on");
            // It has ended, whether or not it can be seen what came of it.
            if let Ok(freed) = activity::freed_now(&address, password.as_ref(), &plan).await {
                came.push((PreviewFigure::SessionsFreed, f64::from(freed)));
            }
            Ok(came)
        })
    }

    fn verify<'a>(&'a self, at: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move {
            let plan = read(plan)?;
            let (address, password) = at.engine.door(at.environment).await?;
            Ok(match activity::end_state(&address, password.as_ref(), &plan).await? {
                EndState::Runs if plan.cancels() => TargetSays::new(Says::AsBefore, "the statement runs"),
                EndState::Runs => TargetSays::new(Says::AsBefore, "the session is there"),
                EndState::Ended(words) => TargetSays::new(Says::AsApplied, words),
            })
        })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        _at: At<'a>,
        _plan: &'a Value,
        _job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async { Err(ApiError::new(ErrorCode::Unsupported, "What was ended cannot be brought back")) })
    }
}
