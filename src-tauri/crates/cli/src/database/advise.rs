//! `perfctl db advise`.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::database::{AdviseRequest, AllowHypopg};
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::{
    AdvisedIndex, ApiError, Clock as _, ErrorCode, HypopgUse, IndexAdvice, ShareRange, SlowedStatement,
    StatementEffect, SystemClock, Unit, WorkloadSource,
};
use perfdeck_words as words;

use crate::answers::Advice;
use crate::args::Source;
use crate::database::args::AdviseArgs;
use crate::output::{self, Done, plain, under};
use crate::{FINE, INCOMPLETE, ended_shown, environments, files, result_of, unless_stopped};

/// Seconds that are looked at where nothing is kept of the time that was asked for.
const LOOK_S: f64 = 10.0;
/// Bytes of a file of queries.
const LONGEST: u64 = 4 * 1024 * 1024;

pub(super) async fn advise(engine: &Arc<Engine>, args: &AdviseArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    if args.allow_hypopg {
        let asked = AllowHypopg { environment_id: environment.id.clone(), allow: true };
        api::database::db_allow_hypopg(engine.clone(), asked).await?;
    }
    let queries = args.queries.as_deref().map(read).transpose()?.into_iter().collect();
    let mut asked = AdviseRequest {
        environment_id: environment.id.clone(),
        look_s: args.time.map(|time| time.as_secs_f64()),
        queries,
        budget_bytes: args.budget,
        ..AdviseRequest::default()
    };
    if asked.queries.is_empty() && asked.look_s.is_none() {
        let to = SystemClock.now_ms();
        (asked.from_ms, asked.to_ms) = (Some(to - args.last.as_secs_f64() * 1e3), Some(to));
    }
    let kept = asked.from_ms.is_some();
    let mut done = ask(engine, asked.clone()).await;
    if kept && done.as_ref().is_err_and(|e| e.code == ErrorCode::NotFound) {
        output::note("Nothing is kept of that time: looking for 10 s at what runs now");
        asked = AdviseRequest { from_ms: None, to_ms: None, look_s: Some(LOOK_S), ..asked };
        done = ask(engine, asked).await;
    }
    done?;
    let found = api::database::db_advice(engine.clone(), ByEnvironment { environment_id: environment.id }).await?;
    let found = found.ok_or_else(|| ApiError::internal("It was made"))?;
    // What cannot be seen is not nothing.
    let code = if found.grants.is_empty() { FINE } else { INCOMPLETE };
    if json {
        output::json(&Advice { schema: "perfdeck.advice/1", environment: environment.name, advice: found })?;
        return Ok(code);
    }
    told(&found, args.rejected)?;
    Ok(code)
}

async fn ask(engine: &Arc<Engine>, asked: AdviseRequest) -> Result<(), ApiError> {
    let job = unless_stopped(api::database::db_advise(engine.clone(), asked)).await?;
    result_of(ended_shown(engine, &job).await?).map(drop)
}

fn read(path: &Path) -> Result<String, ApiError> {
    files::read(path, LONGEST)
}

fn share(range: ShareRange) -> String {
    words::ascii(&words::share(range.value))
}

fn between(range: ShareRange) -> String {
    words::ascii(&format!("{} to {}", words::share(range.low), words::share(range.high)))
}

fn bytes(n: Option<f64>) -> String {
    n.map_or_else(|| "-".to_owned(), |n| output::value(n, Unit::Bytes))
}

fn told(found: &IndexAdvice, rejected: bool) -> Done<()> {
    let timed = !matches!(found.source, WorkloadSource::Queries);
    let of = if timed { "database time" } else { "time" };
    let head = match (found.advised.len(), found.saved) {
        (0, _) => "No index is advised".to_owned(),
        (n, Some(saved)) => format!("{} less {of} predicted ({}) by {}", share(saved), between(saved), indexes(n)),
        (n, None) => format!("{} advised", indexes(n)),
    };
    output::line(&plain(&head))?;
    for index in &found.advised {
        output::line("")?;
        one(index)?;
    }
    if !found.effects.is_empty() {
        output::line("")?;
        let rows: Vec<Vec<String>> = found.effects.iter().take(20).map(effect).collect();
        output::table(&["share", "now", "predicted", "between", "change", "statement"], &rows)?;
    }
    if !found.slows.is_empty() {
        output::line("")?;
        let rows: Vec<Vec<String>> = found.slows.iter().map(slowed).collect();
        output::table(&["now", "predicted", "change", "HOT lost", "writing takes longer"], &rows)?;
    }
    if rejected && !found.rejected.is_empty() {
        output::line("")?;
        let row = |r: &perfdeck_model::RejectedIndex| vec![r.table.clone(), r.keys.clone(), r.why.replace('`', "")];
        output::table(&["table", "not advised", "why not"], &found.rejected.iter().map(row).collect::<Vec<_>>())?;
    }
    notes(found, rejected);
    Ok(())
}

fn change(of: f64) -> String {
    words::ascii(&words::percent(of))
}

fn indexes(n: usize) -> String {
    format!("{} {}", words::count(n), if n == 1 { "index" } else { "indexes" })
}

fn one(index: &AdvisedIndex) -> Done<()> {
    let saved = index.saved.map(|s| format!("saves {} ({}), ", share(s), between(s))).unwrap_or_default();
    let wal = index
        .wal_bytes_per_day
        .map(|n| format!(", {} of log a day", output::value(n, Unit::Bytes)))
        .unwrap_or_default();
    output::line(&plain(&format!(
        "{} on {} {}: {saved}{}{wal}",
        index.name,
        index.table,
        index.keys,
        bytes(index.bytes)
    )))?;
    output::line(&format!("  {};", index.statement))?;
    for reason in &index.reasons {
        output::note(&plain(&format!("  {}", reason.replace('`', ""))));
    }
    for old in &index.replaces {
        output::note(&plain(&format!("  {old} is not needed beside it")));
    }
    Ok(())
}

fn effect(of: &StatementEffect) -> Vec<String> {
    let ms = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), output::ms);
    let between = match (of.predicted_low_ms, of.predicted_high_ms) {
        (Some(low), Some(high)) => format!("{} to {}", output::ms(low), output::ms(high)),
        _ => format!("{} to {}", change(of.change_low), change(of.change_high)),
    };
    vec![
        words::ascii(&words::share(of.share)),
        ms(of.now_ms),
        ms(of.predicted_ms),
        between,
        change(of.change),
        of.statement.chars().take(100).collect(),
    ]
}

fn slowed(of: &SlowedStatement) -> Vec<String> {
    let ms = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), output::ms);
    vec![
        ms(of.now_ms),
        ms(of.predicted_ms),
        of.change.map_or_else(|| "-".to_owned(), change),
        words::ascii(&words::share(of.hot_lost)),
        of.statement.chars().take(100).collect(),
    ]
}

fn notes(found: &IndexAdvice, rejected: bool) {
    if let Some(explained) = found.explained {
        let left = found.not_analysed.len() as i64 + i64::from(found.not_analysed_left_out);
        let left = if left > 0 {
            format!("; {} could not be analysed", words::plural(left, "statement"))
        } else {
            String::new()
        };
        output::note(&plain(&words::ascii(&format!(
            "explains {} of the time of {}{left}",
            words::share(explained),
            words::plural(i64::from(found.statements), "statement")
        ))));
    }
    for left in found.not_analysed.iter().take(10) {
        let text: String = left.statement.chars().take(100).collect();
        output::note(&plain(&format!("  {}: {text}", left.why)));
    }
    for note in &found.notes {
        output::note(&plain(&note.replace('`', "")));
    }
    let seconds = words::ascii(&words::seconds(found.took_s));
    output::note(&plain(&format!(
        "{}: {}, {} in {seconds}",
        found.server,
        found.method.as_str(),
        words::ascii(&words::plural(i64::from(found.plans), "plan"))
    )));
    if !rejected && !found.rejected.is_empty() {
        let n = found.rejected.len() as i64 + i64::from(found.rejected_left_out);
        output::note(&plain(&format!("{} not advised (--rejected)", words::plural(n, "candidate"))));
    }
    for grant in &found.grants {
        under("hint:", grant).iter().for_each(|line| output::note(line));
    }
    match found.hypopg {
        HypopgUse::NotAgreed => output::note(
            "hint: HypoPG is installed and would tell exact costs; a defect of it has ended every session of an instance: --allow-hypopg",
        ),
        HypopgUse::Quarantined => {
            output::note(
                "hint: HypoPG ended a session here and is not used any more; --allow-hypopg takes it up again",
            );
        }
        HypopgUse::Allowed | HypopgUse::NotInstalled => {}
    }
    if let Some(first) = found.advised.first() {
        output::note(&format!("hint: perfctl db index create --advised {} [--preview]", first.name));
    }
}
