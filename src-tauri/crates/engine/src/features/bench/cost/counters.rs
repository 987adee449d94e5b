//! The counters of an environment's database and cache around a block.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use perfdeck_cache::{CommandCounts, CommandReader};
use perfdeck_database::statements::{Cut, Found, Reading, StatementCounts, StatementKey, StatementText, delta};
use perfdeck_demo::Demo;
use perfdeck_model::{ApiError, Clock, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, StatementsUnavailable};
use perfdeck_stats::per_request::Gained;

use crate::Engine;
use crate::core::statement_source::{Said, StatementSource, statement_name};

/// Statements of a block that are kept by name, heaviest first; the others are in its sums.
const BY_NAME: usize = 1_000;

/// Where a cache's commands are counted.
enum CommandSource {
    Server(Box<CommandReader>),
    Demo(Arc<Demo>),
}

/// Counters of one database, and of a cache where there is one.
pub(super) struct Counters {
    statements: StatementSource,
    commands: Option<CommandSource>,
    /// Why the cache is not counted although there is one.
    pub(super) no_cache: Option<ApiError>,
    clock: Arc<dyn Clock>,
}

/// Counters of one moment.
pub(super) struct Seen {
    /// When the reading was over.
    at: Instant,
    reading: Box<Reading>,
    commands: Option<CommandCounts>,
}

/// What happened between two readings.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Time between the readings, in seconds.
    pub(super) lasted_s: f64,
    /// By the names of [`names`].
    pub(super) gained: Gained,
    /// Statements that this user may not tell apart.
    pub(super) hidden: u32,
    /// Statements that are in the sums only.
    pub(super) unnamed: usize,
}

impl Block {
    /// Names of what was called in it: of each statement and command, and of statements that cannot be told apart.
    pub(super) fn worked(&self) -> impl Iterator<Item = &str> {
        let of = |whose: &str| names::of(names::CALLS, whose);
        let kinds = [of(names::STATEMENT), of(names::COMMAND), of(names::HIDDEN)];
        let calls = self.gained.iter().filter(|(_, gained)| **gained > 0.0).map(|(name, _)| name.as_str());
        calls.filter(move |name| kinds.iter().any(|kind| name.starts_with(kind.as_str())))
    }
}

/// Names of amounts within [`Gained`].
pub(super) mod names {
    /// What is counted of a statement, and of all of them.
    pub(in super::super) const CALLS: &str = "calls";
    pub(in super::super) const ROWS: &str = "rows";
    pub(in super::super) const MS: &str = "ms";
    pub(in super::super) const BUFFERS: &str = "buffers";
    pub(in super::super) const WAL: &str = "wal";
    /// Whose amount it is: of all statements, of hidden ones, of all commands.
    pub(in super::super) const ALL: &str = "all";
    pub(in super::super) const HIDDEN: &str = "hidden";
    pub(in super::super) const COMMANDS: &str = "commands";
    /// Before the key of a statement, and before the name of a command.
    pub(in super::super) const STATEMENT: &str = "statement/";
    pub(in super::super) const COMMAND: &str = "command/";

    /// The name of an amount: what it is, and whose.
    pub(in super::super) fn of(what: &str, whose: &str) -> String {
        format!("{what} {whose}")
    }
}

/// Why statistics of statements cannot be had, as an error.
fn unavailable(why: StatementsUnavailable) -> ApiError {
    let told: Vec<String> = why.hint.into_iter().chain(why.fix).collect();
    let error = ApiError::new(ErrorCode::Unsupported, why.reason);
    if told.is_empty() { error } else { error.hint(told.join("\n")) }
}

impl Counters {
    /// The counters now.
    ///
    /// # Errors
    /// When the database or the cache cannot be asked, and when the server keeps no counters or not for this user.
    pub(super) async fn read(&mut self) -> Result<Seen, ApiError> {
        let reading = match self.statements.read(self.clock.now_ms(), true).await? {
            Found::Counters(reading) => reading,
            Found::Unavailable(why) => return Err(unavailable(why)),
        };
        let commands = match &mut self.commands {
            None => None,
            Some(CommandSource::Server(reader)) => Some(reader.read().await?),
            Some(CommandSource::Demo(demo)) => Some(CommandCounts::of(demo.cache_commands())),
        };
        Ok(Seen { at: Instant::now(), reading, commands })
    }

    /// Does without a cache that cannot be read.
    pub(super) async fn try_cache(&mut self) {
        let Some(CommandSource::Server(reader)) = &mut self.commands else { return };
        if let Err(error) = reader.read().await {
            self.commands = None;
            self.no_cache = Some(error);
        }
    }

    pub(super) async fn texts(&mut self, ids: &[String]) -> Result<HashMap<String, StatementText>, ApiError> {
        self.statements.texts(ids).await
    }

    pub(super) fn said(&self) -> Said {
        self.statements.said()
    }

    pub(super) async fn close(&mut self) {
        self.statements.close().await;
    }
}

/// Why what happened between two readings is not known, in words.
fn lost(cuts: &[Cut]) -> Option<&'static str> {
    Some(match cuts.first()? {
        Cut::Reset => "the counters were reset",
        Cut::Restarted => "the server began anew",
        Cut::Evicted => "the server dropped entries to make room",
        Cut::SomeReset => "the counters of some statements were reset",
        Cut::Hidden => "what this user may see changed, or there are more entries than are read",
    })
}

/// What happened between two readings.
///
/// # Errors
/// In words, why a part of it is not known.
pub(super) fn between(before: &Seen, now: &Seen) -> Result<Block, String> {
    let found = delta(&before.reading, &now.reading);
    if let Some(why) = lost(&found.cuts) {
        return Err(why.to_owned());
    }
    let mut block = Block {
        lasted_s: now.at.saturating_duration_since(before.at).as_secs_f64(),
        hidden: found.hidden.statements,
        ..Block::default()
    };
    let mut by_name: BTreeMap<(&str, bool), StatementCounts> = BTreeMap::new();
    // What the server counts is 0 where nothing was gained; what it does not count is unknown.
    let counted = |of: fn(&StatementCounts) -> Option<u64>| {
        now.reading.entries.values().any(|entry| of(&entry.counts).is_some()).then_some(0)
    };
    let mut all =
        StatementCounts { hit: counted(|c| c.hit), wal_bytes: counted(|c| c.wal_bytes), ..StatementCounts::default() };
    all.add(&found.hidden.counts);
    for (StatementKey { id, nested, .. }, counts) in &found.gained {
        by_name.entry((id, *nested)).or_default().add(counts);
        // What ran within another is within that one's.
        if !nested {
            all.add(counts);
        }
    }
    let mut heaviest: Vec<(&(&str, bool), &StatementCounts)> = by_name.iter().collect();
    heaviest.sort_by(|a, b| b.1.total_ms.total_cmp(&a.1.total_ms));
    block.unnamed = heaviest.len().saturating_sub(BY_NAME);
    for ((id, nested), counts) in heaviest.into_iter().take(BY_NAME) {
        let whose = format!("{}{}", names::STATEMENT, statement_name(id, *nested));
        add(&mut block.gained, &whose, counts);
    }
    add(&mut block.gained, names::ALL, &all);
    add(&mut block.gained, names::HIDDEN, &found.hidden.counts);
    if let (Some(then), Some(now)) = (&before.commands, &now.commands) {
        let commands = now.since(then).ok_or("the cache began anew, or its counters were reset")?;
        let sum: u64 = commands.values().sum();
        block.gained.insert(names::of(names::CALLS, names::COMMANDS), sum as f64);
        for (name, calls) in commands {
            block.gained.insert(names::of(names::CALLS, &format!("{}{name}", names::COMMAND)), calls as f64);
        }
    }
    Ok(block)
}

fn add(gained: &mut Gained, whose: &str, counts: &StatementCounts) {
    let pages = match (counts.hit, counts.read) {
        (None, None) => None,
        (hit, read) => Some((hit.unwrap_or(0) + read.unwrap_or(0)) as f64),
    };
    let of = [
        (names::CALLS, Some(counts.calls as f64)),
        (names::ROWS, Some(counts.rows as f64)),
        (names::MS, Some(counts.total_ms)),
        (names::BUFFERS, pages),
        (names::WAL, counts.wal_bytes.map(|bytes| bytes as f64)),
    ];
    gained.extend(of.into_iter().filter_map(|(what, value)| Some((names::of(what, whose), value?))));
}

impl Engine {
    /// Where an environment's database and cache are counted.
    ///
    /// # Errors
    /// When it has no database, or a password cannot be had.
    pub(super) async fn cost_counters(&self, environment: &Environment) -> Result<Counters, ApiError> {
        let statements = self.statement_source(environment).await?;
        let commands = if environment.id == DEMO_ENVIRONMENT_ID {
            Some(CommandSource::Demo(self.demo().await?))
        } else {
            let login = self.cache_login(environment).await?;
            login.map(|(target, password)| CommandSource::Server(Box::new(CommandReader::new(target, password))))
        };
        Ok(Counters { statements, commands, no_cache: None, clock: self.core.clock.clone() })
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_database::statements::{Entry, Origin};

    use super::*;

    fn seen(at: Instant, reset_ms: f64, entries: &[(&str, bool, i64, u64)]) -> Seen {
        let counts = |calls: u64| StatementCounts {
            calls,
            total_ms: calls as f64 / 2.0,
            rows: calls * 3,
            hit: Some(calls * 4),
            read: Some(calls),
            ..StatementCounts::default()
        };
        let entries = entries.iter().map(|(id, nested, user, calls)| {
            let key = StatementKey { id: (*id).to_owned(), nested: *nested, user: *user };
            (key, Entry { counts: counts(*calls), since_ms: None })
        });
        let origin = Origin { started_ms: Some(1.0), reset_ms: Some(reset_ms) };
        let reading = Reading { origin, entries: entries.collect(), ..Reading::default() };
        Seen { at, reading: Box::new(reading), commands: None }
    }

    #[test]
    fn a_block_sums_users_and_leaves_nested_ones_out_of_the_whole() {
        let start = Instant::now();
        let end = start + std::time::Duration::from_millis(500);
        let before = seen(start, 1.0, &[("a", false, 1, 10), ("f", true, 1, 7)]);
        let now = seen(end, 1.0, &[("a", false, 1, 12), ("a", false, 2, 3), ("f", true, 1, 9)]);
        let block = between(&before, &now).expect("nothing was lost");
        let of = |what: &str, whose: &str| block.gained.get(&names::of(what, whose)).copied();
        assert_eq!(of(names::CALLS, "statement/a"), Some(5.0), "both users' calls: {block:?}");
        assert_eq!(of(names::CALLS, "statement/f/nested"), Some(2.0), "within others");
        assert_eq!((of(names::CALLS, names::ALL), of(names::BUFFERS, names::ALL)), (Some(5.0), Some(25.0)));
        assert_eq!(of(names::WAL, names::ALL), None, "what is not counted is not 0");
        assert!((block.lasted_s - 0.5).abs() < 1e-9, "as long as the readings are apart");
        let reset = between(&before, &seen(end, 9_000.0, &[("a", false, 1, 12)])).expect_err("reset in between");
        assert_eq!(reset, "the counters were reset");
    }
}
