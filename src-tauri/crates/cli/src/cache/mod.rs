//! `perfctl cache`: what is in a Redis or Valkey, and changes of it.
pub(crate) mod args;
mod keys;
mod shown;

use std::sync::Arc;

use perfdeck_engine::Engine;

use crate::args::Source;
use crate::cache::args::CacheCommand;
use crate::output::Done;

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &CacheCommand, source: &Source, json: bool) -> Done {
    match command {
        CacheCommand::Keys(args) => keys::list(engine, args, source, json).await,
        CacheCommand::Show(args) => keys::show(engine, args, source, json).await,
        CacheCommand::Set(args) => keys::set(engine, args, source, json).await,
        CacheCommand::Expire(args) => keys::expire(engine, args, source, json).await,
        CacheCommand::Delete(args) => keys::delete(engine, args, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &CacheCommand) -> bool {
    match command {
        CacheCommand::Keys(_) | CacheCommand::Show(_) => false,
        CacheCommand::Set(_) | CacheCommand::Expire(_) | CacheCommand::Delete(_) => true,
    }
}
