//! `perfctl db statements`: what took the database's time.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine as api;
use perfdeck_engine::compare::Verdict;
use perfdeck_engine::database::StatementsRequest;
use perfdeck_engine::statements::{ComparedWith, StatementRow, Statements, StatementsGapKind, StatementsState};
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::{Clock as _, SystemClock};
use perfdeck_words as words;

use crate::answers::TopStatements;
use crate::args::Source;
use crate::database::args::StatementsArgs;
use crate::output::{self, Done, figures, moment, plain};
use crate::{FINE, INCOMPLETE, environments};

/// Time between two readings where nothing else was asked for.
const LOOK: Duration = Duration::from_secs(10);

pub(crate) async fn statements(engine: &Arc<Engine>, args: &StatementsArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    let (mut found, looked) = find(engine, &environment.id, args).await?;
    // What cannot be seen is not nothing.
    let complete = if unseen(&found) { INCOMPLETE } else { FINE };
    let top = usize::from(args.top);
    let more = found.rows.len().saturating_sub(top);
    found.rows.truncate(top);
    if json {
        let looked_s = looked.map(|lasts| lasts.as_secs_f64());
        let environment = environment.name;
        output::json(&TopStatements {
            schema: "perfdeck.statements/1",
            environment,
            looked_s,
            more,
            statements: found,
        })?;
        return Ok(complete);
    }
    if let Some(lasts) = looked {
        let why = if args.time.is_some() { "" } else { "Nothing is kept of that time; " };
        output::note(&format!("{why}two readings, {} s apart", figures(lasts.as_secs_f64())));
    }
    notes(&found);
    if found.rows.is_empty() {
        if complete == FINE {
            output::note("No statement was called in that time");
        }
        return Ok(complete);
    }
    let rows: Vec<Vec<String>> = found.rows.iter().map(cells).collect();
    output::table(&["share", "calls", "was ms", "mean ms", "rows", "buffers", "change", "statement"], &rows)?;
    if more > 0 || found.others.is_some() {
        let others = found.others.as_ref();
        let count = more + others.map_or(0, |o| o.statements as usize);
        output::note(&format!("{} more; --top shows up to 200", words::plural(count, "statement")));
    }
    replanned(&found.rows);
    Ok(complete)
}

/// The history where there is one, else a look; and how long that took.
async fn find(engine: &Arc<Engine>, id: &str, args: &StatementsArgs) -> Done<(Statements, Option<Duration>)> {
    if args.time.is_none() {
        let to_ms = SystemClock.now_ms();
        let from_ms = to_ms - args.last.as_secs_f64() * 1e3;
        let request = StatementsRequest { environment_id: id.to_owned(), from_ms, to_ms };
        let kept = api::database::db_statements(engine.clone(), request).await?;
        if kept.coverage.windows > 0 {
            return Ok((kept, None));
        }
    }
    let lasts = args.time.unwrap_or(LOOK);
    let asked = ByEnvironment { environment_id: id.to_owned() };
    Ok((api::database::db_statements_look(engine.clone(), asked, lasts).await?, Some(lasts)))
}

fn unseen(found: &Statements) -> bool {
    matches!(found.state, Some(StatementsState::Unavailable { .. } | StatementsState::Failed { .. }))
        || found.hidden.is_some()
        || found.own_counted.is_some()
        || found.unread.is_some()
}

/// A change in its column: a factor from twice on, else the word of its verdict or a percentage.
fn changed(row: &StatementRow) -> String {
    match &row.change {
        None => "-".to_owned(),
        Some(c) if c.verdict == Verdict::Slower && c.change >= 1.0 => format!("x{}", figures(1.0 + c.change)),
        Some(c) if matches!(c.verdict, Verdict::Slower | Verdict::Faster) => plain(&words::percent(c.change)),
        Some(c) => c.verdict.word().to_owned(),
    }
}

fn cells(row: &StatementRow) -> Vec<String> {
    let may = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figures);
    let text = row.statement.as_deref().unwrap_or("(its text is not known)");
    vec![
        row.share.map_or_else(|| "-".to_owned(), |share| plain(&words::share(share))),
        words::ascii(&words::count(row.calls)),
        may(row.was_ms),
        may(row.mean_ms),
        may(row.rows_per_call),
        may(row.buffers_per_call),
        changed(row),
        plain(&text.chars().take(100).collect::<String>()),
    ]
}

/// Which of the statements are planned in another way since when.
fn replanned(rows: &[StatementRow]) {
    for row in rows {
        let Some(at) = row.plan_changed_ms else { continue };
        let text = row.statement.as_deref().unwrap_or("(its text is not known)");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(70).collect();
        output::note(&plain(&format!("another plan, estimated for any parameters, since {}: {text}", moment(at))));
    }
}

/// What is to be known beside the figures.
fn notes(found: &Statements) {
    match &found.state {
        Some(StatementsState::Unavailable { why }) => {
            output::note(&why.reason);
            for text in why.hint.iter().chain(&why.fix) {
                output::under("hint:", text).iter().for_each(|line| output::note(line));
            }
        }
        Some(StatementsState::Failed { error }) => output::note(&error.message),
        Some(StatementsState::NotWatched | StatementsState::WatchedElsewhere) | None => {}
    }
    if let (Some(from), Some(to)) = (found.coverage.from_ms, found.coverage.to_ms) {
        let total = plain(&words::seconds(found.total_ms / 1e3));
        let seen = plain(&words::duration(found.coverage.observed_s));
        output::note(&format!("{total} of database time, {} to {}, {seen} of it seen", moment(from), moment(to)));
    }
    if let Some(compared) = &found.compared {
        let with = match compared.with {
            ComparedWith::WeekBefore => "the same time a week ago",
            ComparedWith::PeriodBefore => "the time just before",
        };
        output::note(&format!("was: {with}, {}", words::plural(compared.windows, "window")));
    }
    for gap in &found.gaps {
        let what = match gap.kind {
            StatementsGapKind::Reset => "the counters were reset; what was counted before that is not known",
            StatementsGapKind::Restarted => "the server began anew with new counters",
            StatementsGapKind::SomeReset => {
                "the counters of some statements were reset; what those had counted is not accounted"
            }
            StatementsGapKind::Evicted => {
                "the server dropped entries to make room; what they had counted is not accounted"
            }
            StatementsGapKind::Hidden => "what this user may see changed, or there are more entries than are read",
            StatementsGapKind::NotSeen => "nobody looked",
        };
        output::note(&format!("{} to {}: {what}", moment(gap.from_ms), moment(gap.to_ms)));
    }
    if found.gaps_left_out > 0 {
        output::note(&format!("{} more of these", words::count(found.gaps_left_out)));
    }
    if let Some(hidden) = &found.hidden {
        let share = plain(&words::share(hidden.share));
        output::note(&format!(
            "{}, {share} of database time, cannot be told apart by this user",
            words::plural(hidden.statements, "statement")
        ));
        for line in hidden.grant.iter().flat_map(|grant| output::under("hint:", grant)) {
            output::note(&line);
        }
    }
    if let Some(why) = &found.unread {
        output::note(why);
    }
    if let Some(fix) = &found.own_counted {
        output::note("Perfdeck's own statements are in these figures: this user may not keep them out");
        output::under("hint:", fix).iter().for_each(|line| output::note(line));
    }
}
