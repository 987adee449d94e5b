//! `perfctl bench`.
pub(crate) mod args;
mod compare;
pub(crate) mod data_load;
mod handover;
mod knee;
pub(crate) mod measuring;
pub(crate) mod plans;

use std::sync::Arc;

use perfdeck_engine::Engine;

use crate::FINE;
use crate::args::Source;
use crate::bench::args::BenchCommand;
use crate::output::Done;

/// Does what the command line asks for.
pub(crate) async fn run(engine: &Arc<Engine>, command: &BenchCommand, source: &Source, json: bool) -> Done {
    match command {
        BenchCommand::Http(args) => measuring::http(engine, args, source, json).await,
        BenchCommand::Sql(args) => data_load::sql(engine, args, source, json).await,
        BenchCommand::Cache(args) => data_load::cache(engine, args, source, json).await,
        BenchCommand::Compare { a, b, changed } => compare::runs(engine, a, b, changed, json).await,
        BenchCommand::Run(args) => plans::run(engine, args, source, json).await,
        BenchCommand::Export(args) => handover::export(engine, args, source).await,
        BenchCommand::Import(args) => handover::import(engine, args, source, json).await,
        // Handled before an engine was opened.
        BenchCommand::Plan(_) => Ok(FINE),
        BenchCommand::Knee(args) => knee::knee(engine, args, source, json).await,
        BenchCommand::Duet(args) => compare::duet(engine, args, source, json).await,
    }
}

/// Whether a command ends by itself when it is asked to, with what it has so far.
pub(crate) fn stops_itself(command: &BenchCommand) -> bool {
    !matches!(command, BenchCommand::Compare { .. } | BenchCommand::Export(_) | BenchCommand::Import(_))
}
