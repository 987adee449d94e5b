//! `perfctl db activity` and `db locks`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::database::ActivityRequest;
use perfdeck_model::{ApiError, BlockingRow, DatabaseActivity, DatabaseSession, Maintenance, Scheme, WaitClass};

use crate::answers::{Activity, Locks};
use crate::args::Source;
use crate::output::{self, Done, figures, plain};
use crate::{FINE, INCOMPLETE, environments};

/// Columns of a statement that are written.
const STATEMENT: usize = 100;

/// Where the column of the database is, of sessions in several.
const DATABASE_AT: usize = 7;

/// State of a session whose setting `track_activities` is off.
const DISABLED: &str = "disabled";

/// The name of the environment, its sessions, and whether its database is one that has none to tell of.
async fn read(
    engine: &Arc<Engine>,
    env: Option<&str>,
    source: &Source,
) -> Result<(String, DatabaseActivity, bool), ApiError> {
    let environment = environments::require(engine, env, source).await?;
    let sqlite = environment.targets.database.as_ref().is_some_and(|d| d.address.scheme == Scheme::Sqlite);
    if sqlite {
        output::note(
            "SQLite runs inside its applications: who works in them, or waits for the file's lock, is told to nobody outside",
        );
    }
    let asked = ActivityRequest { environment_id: environment.id, at_ms: None };
    let found = api::database::db_activity(engine.clone(), asked).await?;
    let found = found.ok_or_else(|| ApiError::internal("The database was read, and there is no reading"))?;
    Ok((environment.name, found, sqlite))
}

/// What cannot be seen is not nothing. What a kind of database never tells is said, and no failure.
fn code(activity: &DatabaseActivity) -> u8 {
    if activity.hidden == Some(0) { FINE } else { INCOMPLETE }
}

/// Says what is not seen, with what shows it, and what is left out.
fn notes(activity: &DatabaseActivity) {
    if let Some(words) = hidden(activity) {
        output::note(&words);
        for line in activity.grant.iter().flat_map(|grant| output::under("hint:", grant)) {
            output::note(&line);
        }
    }
    if activity.left_out > 0 {
        output::note(&format!("{} more sessions are not listed", activity.left_out));
    }
    if activity.sessions.iter().any(|s| s.state == DISABLED) {
        output::note("Some sessions do not tell what they do: track_activities is off");
        for line in output::under("hint:", "ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();") {
            output::note(&line);
        }
    }
}

pub(super) async fn activity(engine: &Arc<Engine>, env: Option<&str>, all: bool, source: &Source, json: bool) -> Done {
    let (environment, activity, sqlite) = read(engine, env, source).await?;
    let complete = code(&activity);
    if json {
        output::json(&Activity { schema: "perfdeck.activity/2", environment, activity })?;
        return Ok(complete);
    }
    notes(&activity);
    let idle = |s: &&DatabaseSession| s.wait_class == WaitClass::Idle && s.transaction_s.is_none();
    let listed: Vec<&DatabaseSession> = activity.sessions.iter().filter(|s| all || !idle(s)).collect();
    let several = listed.iter().any(|s| s.database != listed[0].database);
    let rows: Vec<Vec<String>> = listed.into_iter().map(|s| row(s, several)).collect();
    if rows.is_empty() {
        if activity.hidden == Some(0) && !sqlite {
            output::note("Nothing runs at the moment");
        }
    } else {
        let mut head = vec!["session", "for", "state", "waits for", "blocked by", "application", "user", "statement"];
        if several {
            head.insert(DATABASE_AT, "database");
        }
        output::table(&head, &rows)?;
    }
    let left = activity.sessions.len() - rows.len();
    if left > 0 {
        output::note(&format!("{left} idle; --all lists them"));
    }
    if !activity.prepared.is_empty() {
        let row = |p: &perfdeck_model::PreparedTransaction| {
            vec![
                p.gid.clone(),
                seconds(p.age_s),
                p.user.clone().unwrap_or_default(),
                p.holds_up.to_string(),
                p.rollback.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = activity.prepared.iter().map(row).collect();
        output::table(&["prepared", "for", "user", "holds up", "ended by"], &rows)?;
    }
    if !activity.maintenance.is_empty() {
        let rows: Vec<Vec<String>> = activity.maintenance.iter().map(maintenance).collect();
        output::table(&["session", "maintenance", "object", "phase", "done", "for"], &rows)?;
    }
    Ok(complete)
}

fn seconds(s: f64) -> String {
    format!("{} s", figures(s))
}

fn or_dash(text: Option<String>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".to_owned())
}

fn holders(s: &DatabaseSession) -> String {
    let mut all: Vec<String> =
        s.blocked_by.iter().map(|pid| if *pid == 0 { "prepared".to_owned() } else { pid.to_string() }).collect();
    if s.blocked_by_more > 0 {
        all.push(format!("{} more", s.blocked_by_more));
    }
    or_dash((!all.is_empty()).then(|| all.join(", ")))
}

/// A session; with its database where those that are listed are in `several`.
fn row(s: &DatabaseSession, several: bool) -> Vec<String> {
    let statement: String = s.statement.chars().take(STATEMENT).collect();
    let mut cells = vec![
        s.pid.to_string(),
        or_dash(s.age_s.map(seconds)),
        if s.state == DISABLED { "not tracked".to_owned() } else { s.state.clone() },
        or_dash(s.wait.clone()),
        holders(s),
        or_dash(s.application.clone()),
        or_dash(s.user.clone()),
        plain(&if s.ended && !statement.is_empty() { format!("after {statement}") } else { statement }),
    ];
    if several {
        cells.insert(DATABASE_AT, or_dash(s.database.clone()));
    }
    cells
}

fn maintenance(m: &Maintenance) -> Vec<String> {
    let done = match (m.done, m.total) {
        (Some(done), Some(total)) if total > 0.0 => {
            format!("{} % of {} {}", figures(done / total * 100.0), figures(total), m.unit)
        }
        _ => "-".to_owned(),
    };
    vec![
        m.pid.to_string(),
        m.kind.clone(),
        or_dash(m.object.clone()),
        m.phase.clone(),
        done,
        or_dash(m.elapsed_s.map(seconds)),
    ]
}

/// What this user may not see, in words; `None` when that is nothing.
fn hidden(activity: &DatabaseActivity) -> Option<String> {
    match activity.hidden {
        Some(0) => None,
        Some(1) => Some("1 session hides its statement from this user".to_owned()),
        Some(n) => Some(format!("{n} sessions hide their statement from this user")),
        None => Some("Sessions of other users may be hidden from this user".to_owned()),
    }
}

/// A row of the tree, indented by its depth.
fn branch(r: &BlockingRow) -> Vec<String> {
    let number = if r.pid == 0 { "prepared".to_owned() } else { r.pid.to_string() };
    let mut what = Vec::new();
    if r.deadlock {
        what.push("deadlock".to_owned());
    }
    if r.again {
        what.push("told above".to_owned());
    }
    if !r.also.is_empty() {
        let also: Vec<String> =
            r.also.iter().map(|pid| if *pid == 0 { "prepared".to_owned() } else { pid.to_string() }).collect();
        what.push(format!("waits for {} too", also.join(", ")));
    }
    vec![
        format!("{}{number}", "  ".repeat(r.depth as usize)),
        r.name.clone().unwrap_or_else(|| "hidden".to_owned()),
        r.holds_up.to_string(),
        r.frees.to_string(),
        or_dash(r.waits_for.clone()),
        or_dash(r.waits_s.map(seconds)),
        or_dash((!what.is_empty()).then(|| what.join(", "))),
    ]
}

pub(super) async fn locks(engine: &Arc<Engine>, env: Option<&str>, source: &Source, json: bool) -> Done {
    let (environment, activity, sqlite) = read(engine, env, source).await?;
    let complete = code(&activity);
    if json {
        output::json(&Locks::of(environment, activity))?;
        return Ok(complete);
    }
    notes(&activity);
    let blocking = &activity.blocking;
    if blocking.unknown > 0 {
        output::note(&format!("{} wait for a lock whose holder the server does not tell", blocking.unknown));
        for line in blocking.reveal.iter().flat_map(|how| output::under("hint:", how)) {
            output::note(&line);
        }
    }
    if blocking.rows.is_empty() {
        if blocking.unknown == 0 && !sqlite {
            let seen = if activity.hidden == Some(0) { "" } else { " as far as this user may see" };
            output::note(&format!("Nobody waits for a lock{seen}"));
        }
        return Ok(complete);
    }
    let rows: Vec<Vec<String>> = blocking.rows.iter().map(branch).collect();
    output::table(&["session", "name", "holds up", "frees", "waits for", "for", ""], &rows)?;
    if blocking.left_out > 0 {
        output::note(&format!("{} more rows are not listed", blocking.left_out));
    }
    let action = |a: &perfdeck_model::BlockingAction| {
        let how = match (&a.kind, &a.statement) {
            (Some(kind), _) if a.possible => {
                let verb = if kind == "cancel_statement" { "cancel" } else { "terminate" };
                format!("perfctl db {verb} {}", a.pid)
            }
            (_, Some(statement)) => statement.clone(),
            _ => "-".to_owned(),
        };
        vec![a.label.clone(), or_dash(a.frees.map(|n| n.to_string())), a.costs.clone(), how]
    };
    let rows: Vec<Vec<String>> = blocking.actions.iter().map(action).collect();
    output::table(&["action", "frees", "costs", "by"], &rows)?;
    Ok(complete)
}
