//! `perfctl db indexes`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::database::IndexesRequest;
use perfdeck_model::{DatabaseIndexes, IndexFinding, IndexFindingKind, Unit, UnusedAnswer};
use perfdeck_words as words;

use crate::answers::Indexes;
use crate::args::Source;
use crate::database::args::{IndexKind, IndexesArgs};
use crate::output::{self, Done, plain, under};
use crate::{FINE, INCOMPLETE, environments};

fn kind(of: IndexKind) -> IndexFindingKind {
    match of {
        IndexKind::Invalid => IndexFindingKind::Invalid,
        IndexKind::Duplicate => IndexFindingKind::Duplicate,
        IndexKind::Redundant => IndexFindingKind::Redundant,
        IndexKind::Unused => IndexFindingKind::Unused,
        IndexKind::Bloated => IndexFindingKind::Bloated,
        IndexKind::ForeignKey => IndexFindingKind::ForeignKey,
        IndexKind::NeverAnalyzed => IndexFindingKind::NeverAnalyzed,
    }
}

fn word(kind: IndexFindingKind) -> &'static str {
    match kind {
        IndexFindingKind::Invalid => "invalid",
        IndexFindingKind::Duplicate => "duplicate",
        IndexFindingKind::Redundant => "redundant",
        IndexFindingKind::Unused => "unused",
        IndexFindingKind::Bloated => "bloated",
        IndexFindingKind::ForeignKey => "foreign key",
        IndexFindingKind::NeverAnalyzed => "never analyzed",
    }
}

/// Whether unused indexes could be told, in a sentence.
fn unused(answer: &UnusedAnswer) -> String {
    match answer {
        UnusedAnswer::Judged { hours, standbys_not_asked, .. } => {
            let standbys = match standbys_not_asked {
                Some(n) if *n > 0 => format!("; {} counts for itself and was not asked", words::plural(*n, "standby")),
                _ => String::new(),
            };
            format!("unused: by {} of statistics{standbys}", words::plural((hours / 24.0).floor() as i64, "day"))
        }
        UnusedAnswer::TooEarly { hours, enough_hours } => format!(
            "unused: too early to say, the statistics are {} old; {} are enough",
            words::duration(hours * 3_600.0),
            words::plural((enough_hours / 24.0).round() as i64, "day")
        ),
        UnusedAnswer::NotTold { why, .. } => format!("unused: not known. {why}"),
    }
}

fn row(found: &IndexFinding) -> Vec<String> {
    let frees = found.frees_bytes.map_or_else(|| "-".to_owned(), |n| output::value(n, Unit::Bytes));
    vec![word(found.kind).to_owned(), found.object.clone(), frees, found.finding.evidence.replace('`', "")]
}

pub(super) async fn indexes(engine: &Arc<Engine>, args: &IndexesArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    let request = IndexesRequest {
        environment_id: environment.id,
        kinds: args.kind.iter().copied().map(kind).collect(),
        table: args.table.clone(),
        standbys: args.standby.clone(),
        limit: Some(args.top),
    };
    let found = api::database::db_indexes(engine.clone(), request).await?;
    // What cannot be seen is not nothing.
    let complete = if found.grants.is_empty() && found.indexes_left_out == Some(0) { FINE } else { INCOMPLETE };
    if json {
        output::json(&Indexes { schema: "perfdeck.indexes/1", environment: environment.name, indexes: found })?;
        return Ok(complete);
    }
    told(&found, args)?;
    Ok(complete)
}

fn told(found: &DatabaseIndexes, args: &IndexesArgs) -> Done<()> {
    for sentence in &found.missing {
        output::note(&plain(sentence));
    }
    for line in found.grants.iter().flat_map(|grant| under("hint:", grant)) {
        output::note(&line);
    }
    if !found.findings.is_empty() {
        let rows: Vec<Vec<String>> = found.findings.iter().map(row).collect();
        output::table(&["kind", "object", "frees", "evidence"], &rows)?;
    }
    for told in &found.findings {
        output::note(&plain(&format!("{}: {}", told.object, told.ranked_by)));
        for statement in &told.finding.proof.statements {
            under("  fix:", &statement.text).iter().for_each(|line| output::note(line));
        }
        users(told);
    }
    let left = match found.findings_left_out {
        0 => String::new(),
        n => format!("; {n} more (--top)"),
    };
    let n = found.findings.len();
    let of = format!("{} and {}", words::plural(found.tables, "table"), indexes_of(found.indexes));
    output::note(&plain(&format!("{} in {of}{left}", words::plural(n as i64, "finding"))));
    if args.kind.is_empty() || args.kind.contains(&IndexKind::Unused) {
        output::note(&plain(&unused(&found.unused)));
        if let UnusedAnswer::NotTold { fix: Some(fix), .. } = &found.unused {
            under("hint:", fix).iter().for_each(|line| output::note(line));
        }
    }
    Ok(())
}

/// Statements that would lose by the drop of an index.
fn users(told: &IndexFinding) {
    for user in &told.users {
        let text: String =
            user.statement.as_deref().unwrap_or("a statement without a text").chars().take(100).collect();
        output::note(&plain(&format!("  used by: {text}")));
    }
    if told.users_left_out > 0 {
        output::note(&plain(&format!("  and by {} more", words::count(told.users_left_out))));
    }
}

fn indexes_of(n: u32) -> String {
    format!("{} {}", words::count(n), if n == 1 { "index" } else { "indexes" })
}
