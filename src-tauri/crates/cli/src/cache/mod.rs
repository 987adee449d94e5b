//! `perfctl cache`: what is in a Redis or Valkey, and changes of it.
pub(crate) mod args;
mod invalidate;

use std::sync::Arc;

use perfdeck_engine::Engine;

use crate::args::Source;
use crate::cache::args::CacheCommand;
use crate::output::Done;

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &CacheCommand, source: &Source, json: bool) -> Done {
    match command {
        CacheCommand::Invalidate(asked) => invalidate::invalidate(engine, asked, source, json).await,
        CacheCommand::Undo(asked) => invalidate::undo(engine, asked, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &CacheCommand) -> bool {
    match command {
        CacheCommand::Invalidate(_) | CacheCommand::Undo(_) => true,
    }
}
