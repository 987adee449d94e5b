//! `perfctl cache`: what is in a Redis or Valkey, and changes of it.
pub(crate) mod args;
mod clients;
mod hot;
mod invalidate;
mod keys;
mod map;
mod shown;
mod slowlog;

use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::CacheUnknown;

use crate::args::Source;
use crate::cache::args::CacheCommand;
use crate::output::{self, Done, plain};
use crate::{environments, health, prepare};

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &CacheCommand, source: &Source, json: bool) -> Done {
    match command {
        CacheCommand::Map(args) => map::map(engine, args, source, json).await,
        CacheCommand::Health { env } => {
            let environment = environments::require(engine, env.as_deref(), source).await?;
            prepare(engine, &environment.id).await?;
            let asked = ByEnvironment { environment_id: environment.id };
            let found = api::cache_look::cache_health(engine.clone(), asked).await?;
            health::write(environment.name, found, json)
        }
        CacheCommand::Slowlog(args) => slowlog::slowlog(engine, args, source, json).await,
        CacheCommand::Clients(args) => clients::clients(engine, args, source, json).await,
        CacheCommand::Hot(args) => hot::hot(engine, args, source, json).await,
        CacheCommand::Keys(args) => keys::list(engine, args, source, json).await,
        CacheCommand::Show(args) => keys::show(engine, args, source, json).await,
        CacheCommand::Set(args) => keys::set(engine, args, source, json).await,
        CacheCommand::Expire(args) => keys::expire(engine, args, source, json).await,
        CacheCommand::Delete(args) => keys::delete(engine, args, source, json).await,
        CacheCommand::Invalidate(asked) => invalidate::invalidate(engine, asked, source, json).await,
        CacheCommand::Undo(asked) => invalidate::undo(engine, asked, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &CacheCommand) -> bool {
    matches!(
        command,
        CacheCommand::Hot(_)
            | CacheCommand::Map(_)
            | CacheCommand::Set(_)
            | CacheCommand::Expire(_)
            | CacheCommand::Delete(_)
            | CacheCommand::Invalidate(_)
            | CacheCommand::Undo(_)
    )
}

/// Says what is not known and what shows it; whether any of it could be known.
fn notes(unknown: &[CacheUnknown]) -> bool {
    for part in unknown {
        output::note(&plain(&format!("{}: {}", part.part, part.reason)));
        for text in part.grant.iter().chain(&part.fix) {
            output::under("hint:", text).iter().for_each(|line| output::note(line));
        }
    }
    unknown.iter().any(|part| part.grant.is_some())
}

fn or_dash(text: Option<String>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".to_owned())
}
