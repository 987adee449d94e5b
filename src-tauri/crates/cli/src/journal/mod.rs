//! `perfctl journal`: what was done.
pub(crate) mod args;

use perfdeck_engine as api;
use perfdeck_engine::house::JournalList;
use std::sync::Arc;

use perfdeck_engine::Engine;
use perfdeck_model::{JournalEntry, JournalKind};

use crate::answers::Journal;
use crate::args::Source;
use crate::output::{self, Done, moment, plain};
use crate::{FINE, environments};

fn word(kind: JournalKind) -> &'static str {
    match kind {
        JournalKind::LoadStarted => "load started",
        JournalKind::LoadEnded => "load ended",
        JournalKind::LoadRefused => "load refused",
        JournalKind::Unlocked => "unlocked",
        JournalKind::Locked => "locked",
        JournalKind::Created => "created",
        JournalKind::Changed => "changed",
        JournalKind::Deleted => "deleted",
        JournalKind::Restored => "restored",
        JournalKind::TargetChange => "change of a target",
        JournalKind::TargetChangeRefused => "change refused",
    }
}

pub(crate) async fn list(engine: &Arc<Engine>, env: Option<&str>, limit: u32, source: &Source, json: bool) -> Done {
    let environment_id = match env {
        Some(_) => environments::resolve(engine, env, source).await?.map(|e| e.id),
        None => None,
    };
    let entries: Vec<JournalEntry> =
        api::house::journal_list(engine.clone(), JournalList { environment_id, limit: Some(limit) }).await?;
    if json {
        output::json(&Journal { schema: "perfdeck.journal/1", entries })?;
        return Ok(FINE);
    }
    if entries.is_empty() {
        output::note("Nothing was done yet");
        return Ok(FINE);
    }
    let row = |e: &JournalEntry| {
        vec![moment(e.at_ms), word(e.kind).to_owned(), plain(e.environment.as_deref().unwrap_or("-")), e.text.clone()]
    };
    output::table(&["time (UTC)", "what", "environment", ""], &entries.iter().map(row).collect::<Vec<_>>())?;
    Ok(FINE)
}
