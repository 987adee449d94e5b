//! `perfctl cache slowlog`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::{CacheSlowEntry, CacheSlowKind, Unit};

use super::{notes, or_dash};
use crate::answers::CacheSlow;
use crate::args::Source;
use crate::cache::args::{SlowBy, SlowlogArgs};
use crate::output::{self, Done, moment, plain, value};
use crate::{FINE, INCOMPLETE, environments, prepare};

/// Columns of a command that are written.
const COMMAND: usize = 100;

pub(super) async fn slowlog(engine: &Arc<Engine>, args: &SlowlogArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    let asked = ByEnvironment { environment_id: environment.id };
    let mut log = api::cache_look::cache_slowlog(engine.clone(), asked).await?;
    let name = args.command.as_ref().map(|name| name.to_uppercase());
    log.entries.retain(|e| name.as_ref().is_none_or(|name| e.command.starts_with(name.as_str())));
    match args.by {
        SlowBy::Time => {}
        SlowBy::Duration => log.entries.sort_by(|a, b| b.seconds.unwrap_or(0.0).total_cmp(&a.seconds.unwrap_or(0.0))),
        SlowBy::Size => log.entries.sort_by(|a, b| b.bytes.unwrap_or(0.0).total_cmp(&a.bytes.unwrap_or(0.0))),
    }
    // A log that a server does not have at all is what was asked for; those of sizes only some have.
    let missing = log.unknown.iter().any(|u| u.grant.is_some() || u.part == "Slow log");
    let complete = if missing { INCOMPLETE } else { FINE };
    if json {
        output::json(&CacheSlow { schema: "perfdeck.cache_slowlog/1", environment: environment.name, log })?;
        return Ok(complete);
    }
    output::note(&plain(&log.version));
    notes(&log.unknown);
    if let Some(seconds) = log.slower_than_s {
        output::note(&format!("Commands of more than {} are logged", value(seconds, Unit::Seconds)));
    }
    let rows: Vec<Vec<String>> = log.entries.iter().take(args.top).map(row).collect();
    if rows.is_empty() && log.unknown.is_empty() {
        output::note("Nothing is in the log");
    } else if !rows.is_empty() {
        output::table(&["at", "what", "took", "cpu", "size", "server", "client", "command"], &rows)?;
    }
    let left = log.entries.len() - rows.len();
    if left > 0 {
        output::note(&format!("{left} more were read; --top lists them"));
    }
    if log.left_out > 0 {
        output::note(&format!("{} older ones are kept by the servers and were not asked for", log.left_out));
    }
    if log.own > 0 {
        output::note(&format!("{} of Perfdeck's own are left out", log.own));
    }
    Ok(complete)
}

fn row(e: &CacheSlowEntry) -> Vec<String> {
    let what = match e.kind {
        CacheSlowKind::Slow => "slow",
        CacheSlowKind::LargeRequest => "large request",
        CacheSlowKind::LargeReply => "large reply",
    };
    let more = (e.words_left_out > 0).then(|| format!("... {} more", e.words_left_out));
    let words = e.words.iter().map(|w| w.text.clone()).chain(more).collect::<Vec<_>>().join(" ");
    vec![
        moment(e.at_ms),
        what.to_owned(),
        or_dash(e.seconds.map(|s| value(s, Unit::Seconds))),
        or_dash(e.cpu_s.map(|s| value(s, Unit::Seconds))),
        or_dash(e.bytes.map(|b| value(b, Unit::Bytes))),
        e.node.clone(),
        or_dash(e.client_name.clone().or_else(|| e.client.clone())),
        words.chars().take(COMMAND).collect(),
    ]
}
