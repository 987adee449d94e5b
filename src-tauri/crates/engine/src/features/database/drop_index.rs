//! The change `drop_index`: an index that enforces nothing, or that another one repeats, is dropped, and created again exactly when
//! it is undone. One that a build left invalid is cleaned up, which nothing takes back.
use std::time::{Duration, Instant};

use perfdeck_database::index_change::{self, IndexFigures, IndexPlan, IndexState, Watch};
use perfdeck_model::{ApiError, BoxFuture, ErrorCode, PreviewFigure, PreviewRow, Says, Scheme, TargetRole, TargetSays};
use perfdeck_words as words;
use serde_json::Value;

use crate::core::changes::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Names that are listed in one sentence.
const NAMES: usize = 5;

/// Drops an index.
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
    match (state, &plan.repeats) {
        (IndexState::Present, _) if plan.left_over => {
            TargetSays::new(Says::Differs, format!("{} is valid by now", plan.name))
        }
        (IndexState::Present, _) => TargetSays::new(Says::AsBefore, "present and valid"),
        (IndexState::Absent(true), Some(other)) => {
            TargetSays::new(Says::AsApplied, format!("absent; {other} serves instead"))
        }
        (IndexState::Absent(_), Some(other)) => TargetSays::new(
            Says::AsApplied,
            format!("absent; and {other}, which it repeated, is not there or not valid any more"),
        ),
        (IndexState::Absent(_), None) => TargetSays::new(Says::AsApplied, "absent"),
        (IndexState::Invalid { bytes, maintained, session }, _) => {
            // That is how it was found.
            let says = if plan.left_over { Says::AsBefore } else { Says::HalfDone };
            TargetSays::new(says, invalid(*bytes, *maintained, *session))
        }
        (IndexState::InWork(session), _) => TargetSays::new(Says::HalfDone, in_work(*session)),
        (IndexState::Differs, _) => {
            TargetSays::new(Says::Differs, format!("something else is called {} now", plan.name))
        }
    }
}

/// An index that is not valid, in words.
pub(super) fn invalid(bytes: f64, maintained: bool, session: Option<i32>) -> String {
    let written = if maintained { "written with every insert" } else { "not written any more" };
    let busy = session.map(|s| format!("; session {s} of the server still works on it")).unwrap_or_default();
    format!("invalid, {}, {written}, used by no query{busy}", size(bytes))
}

/// A statement of MySQL or MariaDB that goes on, in words.
pub(super) fn in_work(session: i64) -> String {
    format!("session {session} of the server works on it")
}

/// What speaks for and against it.
fn evidence(plan: &IndexPlan, figures: &IndexFigures) -> Vec<String> {
    let mut notes = Vec::new();
    match (&plan.repeats, &plan.covered_by) {
        (Some(other), _) => notes.push(format!("`{other}` has the same keys and stays")),
        (None, Some(other)) => {
            notes.push(format!("`{other}` begins with its keys and serves its queries; it is wider, so measure them"));
        }
        (None, None) if plan.left_over => {
            notes.push("It is invalid: no query uses it, and nothing brings back what it was".to_owned());
        }
        (None, None) => {
            notes.push("No other index has its keys: queries that need it read the table instead".to_owned());
        }
    }
    notes.extend(plan.differs.clone());
    if plan.fillfactor {
        notes.push("The two differ in fillfactor alone, which changes no answer".to_owned());
    }
    if plan.left_over || plan.repeats.is_some() {
        return notes;
    }
    match (figures.counted_s, &figures.uncounted) {
        (Some(s), _) if figures.scans.is_some() => notes.push(format!(
            "Its scans were counted for {}; what runs more seldom than that is not seen",
            words::duration(s)
        )),
        (_, Some(why)) => notes.push(format!("What it is used for is not known: {why}")),
        _ => notes.push("What it is used for is not known".to_owned()),
    }
    match figures.standbys {
        Some(n @ 1..) => notes.push(format!(
            "{} this server, and what is read there is counted there",
            if n == 1 {
                "1 other server follows".to_owned()
            } else {
                format!("{} other servers follow", words::count(n))
            }
        )),
        None => notes.push("Whether others follow this server and read by it is not told".to_owned()),
        Some(0) => {}
    }
    if !figures.foreign_keys.is_empty() {
        let names: Vec<String> = figures.foreign_keys.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
        notes.push(format!("Checks of foreign keys find rows by it, which no scan counts: {}", names.join(", ")));
    }
    if figures.expression {
        notes.push(
            "The planner knows how often values of its expression are there from its statistics alone".to_owned(),
        );
    }
    notes
}

fn notes(scheme: Scheme, plan: &IndexPlan, figures: &IndexFigures) -> Vec<String> {
    let mut notes = evidence(plan, figures);
    if plan.clustered {
        notes.push(format!("`{}` is marked as ordered by it (CLUSTER); undoing marks it again", plan.table));
    }
    if plan.left_over {
        notes.push(format!("To have it after all: {}", plan.creates(scheme).replace('\n', " ")));
    }
    match scheme {
        Scheme::Postgres => {
            notes.push("Reads and writes go on while it is dropped and while it is built again".to_owned());
            let first = if plan.materialized {
                "no lock is tried first on a materialized view, and"
            } else {
                "a lock is tried for 2 s first, then"
            };
            notes
                .push(format!("Sent on a session of its own, outside a transaction: {first} the statement has 10 min"));
        }
        Scheme::Mysql | Scheme::Mariadb => {
            notes.push(if plan.is_hidden() {
                "It is hidden from the planner already, and undoing builds it so".to_owned()
            } else {
                let kind = index_change::HIDE_INDEX;
                format!("Hide it first (change `{kind}`): then what needs it shows, and it is back at once")
            });
            notes.push(
                "Reads and writes go on but for a moment: the table's lock is waited for 2 s, and others wait behind that"
                    .to_owned(),
            );
            notes.push(
                "Replicas do the same after it, one statement at a time, and lag as long as it takes there".to_owned(),
            );
        }
        _ => notes.push("Writers wait while it is dropped, and as long as it is built again".to_owned()),
    }
    notes
}

/// What dropping it is, in one line.
fn title(plan: &IndexPlan) -> String {
    match (&plan.repeats, &plan.covered_by) {
        (Some(other), _) => format!("Drop `{}`, which repeats `{other}`", plan.name),
        (None, Some(other)) => format!("Drop `{}`, the beginning of `{other}`", plan.name),
        (None, None) if plan.left_over => format!("Drop `{}`, which is invalid", plan.name),
        (None, None) => format!("Drop `{}`", plan.name),
    }
}

/// Figures of a preview.
pub(super) fn rows(plan: &IndexPlan, figures: &IndexFigures) -> Vec<PreviewRow> {
    use PreviewFigure as Figure;
    let mut rows = vec![
        PreviewRow::new(Figure::SpaceFreed, figures.bytes),
        PreviewRow::new(Figure::WritesSaved, figures.writes_per_s),
    ];
    if plan.repeats.is_some() {
        rows.extend(figures.scans.map(|n| PreviewRow::new(Figure::ScansTakenOver, Some(n))));
    } else if !plan.left_over {
        rows.push(PreviewRow::new(Figure::Scans, figures.scans));
        rows.push(PreviewRow::new(Figure::RowsRead, figures.rows_read));
    }
    // How long it takes depends on who else uses the table.
    rows.push(PreviewRow::new(Figure::Time, None));
    rows
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

    fn winding_up(&self) -> Duration {
        index_change::WINDING_UP
    }

    fn plan<'a>(&'a self, at: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            let (address, password) = at.engine.door(at.environment).await?;
            let plan = index_change::plan_drop(&address, password.as_ref(), object).await?;
            let cost = if address.scheme == Scheme::Sqlite {
                "reads the whole table once; writers wait"
            } else {
                "reads the whole table once; reads and writes go on"
            };
            Ok(Planned {
                object: plan.name.clone(),
                title: title(&plan),
                statement: plan.statement(address.scheme),
                undo_statement: plan.undo_statement(address.scheme),
                undo_cost: (!plan.left_over).then(|| cost.to_owned()),
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
            let (rows, notes) = (rows(&plan, &figures), notes(address.scheme, &plan, &figures));
            Ok(Preview { rows, notes, waits: figures.waits, ..Preview::default() })
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
            let mut came = vec![(PreviewFigure::Time, started.elapsed().as_secs_f64())];
            came.extend(before.map(|bytes| (PreviewFigure::SpaceFreed, bytes)));
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
