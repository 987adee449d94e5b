//! `perfctl cache`: what is in a Redis or Valkey, and changes of it.
pub(crate) mod args;

use std::sync::Arc;

use perfdeck_engine::Engine;

use crate::args::Source;
use crate::cache::args::CacheCommand;
use crate::output::Done;

/// Does what the command line asks for.
pub(crate) async fn run(_: &Arc<Engine>, command: &CacheCommand, _: &Source, _: bool) -> Done {
    match *command {}
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &CacheCommand) -> bool {
    match *command {}
}
