//! `perfctl db`: what a SQL database does.
pub(crate) mod args;
mod cost;
mod statements;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};
use std::sync::Arc;

use perfdeck_model::DatabaseActivity;

use crate::answers::Activity;
use crate::args::Source;
use crate::database::args::DbCommand;
use crate::output::{self, Done, figures, plain};
use crate::{FINE, INCOMPLETE, environments};

pub(crate) async fn activity(engine: &Arc<Engine>, env: Option<&str>, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let asked = ByEnvironment { environment_id: environment.id };
    let activity = api::database::db_activity(engine.clone(), asked).await?;
    // What cannot be seen is not nothing.
    let complete = if activity.hidden == Some(0) { FINE } else { INCOMPLETE };
    if json {
        output::json(&Activity { schema: "perfdeck.activity/1", environment: environment.name, activity })?;
        return Ok(complete);
    }
    if let Some(words) = hidden(&activity) {
        output::note(&words);
        for line in activity.grant.iter().flat_map(|grant| output::under("hint:", grant)) {
            output::note(&line);
        }
    }
    if activity.statements.is_empty() {
        if activity.hidden == Some(0) {
            output::note("Nothing runs at the moment");
        }
        return Ok(complete);
    }
    let rows: Vec<Vec<String>> = activity
        .statements
        .iter()
        .map(|s| {
            let blocked: Vec<String> = s.blocked_by.iter().map(i64::to_string).collect();
            vec![
                s.id.to_string(),
                format!("{} s", figures(s.running_s)),
                s.state.clone(),
                s.wait.clone().unwrap_or_else(|| "-".to_owned()),
                if blocked.is_empty() { "-".to_owned() } else { blocked.join(", ") },
                s.user.clone().unwrap_or_default(),
                plain(&s.statement.chars().take(100).collect::<String>()),
            ]
        })
        .collect();
    output::table(&["session", "running", "state", "waits for", "blocked by", "user", "statement"], &rows)?;
    Ok(complete)
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

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &DbCommand, source: &Source, json: bool) -> Done {
    match command {
        DbCommand::Activity { env } => activity(engine, env.as_deref(), source, json).await,
        DbCommand::Statements(args) => statements::statements(engine, args, source, json).await,
        DbCommand::Cost(args) => cost::cost(engine, args, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &DbCommand) -> bool {
    matches!(command, DbCommand::Cost(_))
}
