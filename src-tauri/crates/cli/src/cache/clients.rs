//! `perfctl cache clients`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::cache_look::CacheClientsRequest;
use perfdeck_model::{CacheClient, CacheClientState, Unit};

use super::{notes, or_dash};
use crate::answers::CacheClientList;
use crate::args::Source;
use crate::cache::args::{ClientsArgs, ClientsBy};
use crate::output::{self, Done, plain, value};
use crate::{FINE, INCOMPLETE, environments, prepare};

pub(super) async fn clients(engine: &Arc<Engine>, args: &ClientsArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    let asked = CacheClientsRequest { environment_id: environment.id, all: args.all };
    let mut found = api::cache_look::cache_clients(engine.clone(), asked).await?;
    match args.by {
        ClientsBy::Memory => {}
        ClientsBy::Age => found.clients.sort_by(|a, b| b.age_s.total_cmp(&a.age_s)),
        ClientsBy::Idle => found.clients.sort_by(|a, b| b.idle_s.total_cmp(&a.idle_s)),
    }
    let complete = if found.left_out > 0 { INCOMPLETE } else { FINE };
    if json {
        output::json(&CacheClientList { schema: "perfdeck.cache_clients/1", environment: environment.name, found })?;
        return Ok(complete);
    }
    output::note(&plain(&found.version));
    notes(&found.unknown);
    if found.left_out > 0 && !args.all && found.unknown.iter().all(|u| u.grant.is_none()) {
        output::note("hint: --all asks for them too");
    }
    let several = found.clients.iter().any(|c| c.node != found.clients[0].node);
    let rows: Vec<Vec<String>> = found.clients.iter().take(args.top).map(|c| row(c, several)).collect();
    if !rows.is_empty() {
        let mut head = vec![
            "client",
            "name",
            "state",
            "command",
            "age",
            "idle",
            "db",
            "memory",
            "waits to be sent",
            "library",
            "user",
        ];
        if several {
            head.insert(1, "server");
        }
        output::table(&head, &rows)?;
    }
    let left = found.clients.len() - rows.len();
    if left > 0 {
        output::note(&format!("{left} more; --top lists them"));
    }
    Ok(complete)
}

fn state(c: &CacheClient) -> String {
    let word = match c.state {
        CacheClientState::Blocked => "blocked",
        CacheClientState::Monitor => "monitor",
        CacheClientState::Replica => "replica",
        CacheClientState::Primary => "primary",
        CacheClientState::Subscribed => "subscribed",
        CacheClientState::Transaction => "transaction",
        CacheClientState::Closing => "closing",
        CacheClientState::Normal => "-",
    };
    if c.ours { "Perfdeck's".to_owned() } else { word.to_owned() }
}

fn row(c: &CacheClient, several: bool) -> Vec<String> {
    let mut cells = vec![
        c.address.clone(),
        or_dash(c.name.clone()),
        state(c),
        or_dash(c.command.clone()),
        value(c.age_s, Unit::Seconds),
        value(c.idle_s, Unit::Seconds),
        c.database.to_string(),
        or_dash(c.memory_bytes.map(|b| value(b, Unit::Bytes))),
        value(c.output_bytes, Unit::Bytes),
        or_dash(c.library.clone()),
        or_dash(c.user.clone()),
    ];
    if several {
        cells.insert(1, c.node.clone());
    }
    cells
}
