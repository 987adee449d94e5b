//! `perfctl db`: what a SQL database does.
use std::sync::Arc;

use perfdeck_engine::Engine;
use perfdeck_model::RunningStatement;
use serde_json::json;

use crate::answers::Activity;
use crate::args::Source;
use crate::output::{self, Done, figures, plain};
use crate::{FINE, call, environments};

pub(crate) async fn activity(engine: &Arc<Engine>, env: Option<&str>, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let statements: Vec<RunningStatement> =
        call(engine, "db.activity", json!({ "environment_id": environment.id })).await?;
    if json {
        output::json(&Activity { schema: "perfdeck.activity/1", environment: environment.name, statements })?;
        return Ok(FINE);
    }
    if statements.is_empty() {
        output::note("Nothing runs at the moment");
        return Ok(FINE);
    }
    let rows: Vec<Vec<String>> = statements
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
    Ok(FINE)
}
