//! `perfctl db`: what a SQL database does.
mod activity;
mod advise;
pub(crate) mod args;
mod cost;
mod health;
mod index;
mod indexes;
mod pool_size;
mod pools;
mod schema;
mod statements;

use std::sync::Arc;

use perfdeck_engine::Engine;

use crate::args::Source;
use crate::changes;
use crate::database::args::{DbCommand, End, PoolCommand};
use crate::output::Done;

async fn end(engine: &Arc<Engine>, kind: &str, end: &End, source: &Source, json: bool) -> Done {
    changes::plan(engine, (kind, &end.pid), end.preview, end.env.as_deref(), &end.allow, source, json).await
}

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &DbCommand, source: &Source, json: bool) -> Done {
    match command {
        DbCommand::Activity { all, env } => activity::activity(engine, env.as_deref(), *all, source, json).await,
        DbCommand::Locks { env } => activity::locks(engine, env.as_deref(), source, json).await,
        DbCommand::Cancel(asked) => end(engine, "cancel_statement", asked, source, json).await,
        DbCommand::Terminate(asked) => end(engine, "terminate_session", asked, source, json).await,
        DbCommand::Statements(args) => statements::statements(engine, args, source, json).await,
        DbCommand::Pool { size: Some(PoolCommand::Size(args)), .. } => {
            pool_size::pool_size(engine, args, source, json).await
        }
        DbCommand::Pool { env, time, size: None } => pools::pool(engine, env.as_deref(), *time, source, json).await,
        DbCommand::Health { env } => health::health(engine, env.as_deref(), source, json).await,
        DbCommand::Sizes { env, top, by, indexes } => {
            let asked = schema::Asked { top: *top, by: *by, indexes: *indexes };
            schema::sizes(engine, env.as_deref(), asked, source, json).await
        }
        DbCommand::Indexes(args) => indexes::indexes(engine, args, source, json).await,
        DbCommand::Advise(args) => advise::advise(engine, args, source, json).await,
        DbCommand::Bloat { index, env, preview } => {
            schema::bloat(engine, env.as_deref(), index, *preview, source, json).await
        }
        DbCommand::Index(command) => index::run(engine, command, source, json).await,
        DbCommand::Plan(args) => schema::plan(engine, args, source, json).await,
        DbCommand::Cost(args) => cost::cost(engine, args, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &DbCommand) -> bool {
    matches!(
        command,
        DbCommand::Advise(_) | DbCommand::Cost(_) | DbCommand::Bloat { .. } | DbCommand::Pool { size: Some(_), .. }
    )
}
