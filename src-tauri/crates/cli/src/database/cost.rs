//! `perfctl db cost`: what one request costs.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::cost::{CostAmount, CostRequest, RequestCost, StatementCost};
use perfdeck_engine::{BenchSpec, ById, Engine, PlanFolder};
use perfdeck_model::{ApiError, Environment, ErrorCode, HttpBenchSpec, JobResult, Load};
use perfdeck_words as words;

use crate::answers::Cost;
use crate::args::Source;
use crate::bench::measuring::{announce, request};
use crate::bench::plans::{self, is_plan};
use crate::database::args::CostArgs;
use crate::output::{self, Done, figures, ms, plain};
use crate::{FINE, INCOMPLETE, USAGE, ended_shown, environments, unless_stopped};

pub(crate) async fn cost(engine: &Arc<Engine>, args: &CostArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.at.env.as_deref(), source).await?;
    let has_cache = environment.targets.cache.is_some();
    let Some((spec, folder)) = spec(args, &environment)? else { return Ok(USAGE) };
    if args.at.unlock {
        engine.unlock_for_run(&environment.id, args.at.confirm.as_deref()).await?;
    }
    announce(engine, &spec, Some(&environment.id), &folder).await?;
    let request = CostRequest {
        spec,
        environment_id: environment.id,
        pairs: args.pairs,
        block_s: args.block.as_secs_f64(),
        name: args.at.name.clone(),
        confirm: args.at.confirm.clone(),
    };
    let job = unless_stopped(engine.cost_start(request, folder)).await?;
    let end = ended_shown(engine, &job).await?;
    let id = match (end.result, end.error) {
        // One that was stopped has the pairs that were over.
        (Some(JobResult::Cost(id)), _) => id,
        (_, Some(error)) => return Err(error.into()),
        _ => {
            let message = "It was stopped before there were three pairs, which an interval needs";
            return Err(ApiError::new(ErrorCode::Cancelled, message).into());
        }
    };
    let found = api::cost::get(engine.clone(), ById { id }).await?;
    // What cannot be seen is not nothing.
    let failed = (found.failures + found.unanswered) * 2 > found.requests + found.unanswered;
    let unread = has_cache && found.totals.cache_commands.is_none();
    let whole = found.incomplete.is_none() && found.hidden.is_none() && !failed && !unread;
    if json {
        output::json(&Cost { schema: "perfdeck.cost/1", cost: found })?;
    } else {
        show(&found)?;
    }
    Ok(if whole { FINE } else { INCOMPLETE })
}

/// What is sent; `None` for a plan that is wrong, which was said.
fn spec(args: &CostArgs, environment: &Environment) -> Result<Option<(BenchSpec, PlanFolder)>, ApiError> {
    let path = Path::new(&args.target);
    if is_plan(&args.target) {
        return Ok(plans::spec(path, None)?.map(|spec| (spec, plans::folder(path))));
    }
    let spec = request(&url(&args.target, environment)?, &args.request)?;
    let load = args.rate.map_or(Load::Closed, |rate_per_s| Load::Rate { rate_per_s });
    Ok(Some((BenchSpec::Http(HttpBenchSpec { load, ..spec }), PlanFolder::default())))
}

/// A URL as it is; a path is one of the environment's API.
fn url(target: &str, environment: &Environment) -> Result<String, ApiError> {
    if !target.starts_with('/') {
        return Ok(target.to_owned());
    }
    let api = environment.targets.api.as_ref().ok_or_else(|| {
        ApiError::bad_request(format!("'{}' has no API that a path could be added to", environment.name))
            .hint("Give the full URL")
    })?;
    Ok(format!("{}{target}", api.url.trim_end_matches('/')))
}

fn show(found: &RequestCost) -> Done<()> {
    output::line(&plain(&words::ascii(&format!("{}.", found.sentence))))?;
    output::line(&plain(&format!(
        "{}; {} of {} s with {} and as many without, cost {}",
        found.request.replace('\n', " "),
        words::plural(found.pairs, "block"),
        figures(found.block_s),
        words::ascii(&words::plural(found.requests, "request")),
        found.id
    )))?;
    output::line("")?;
    totals(found)?;
    statements(found)?;
    notes(found);
    Ok(())
}

/// A mean and its interval, by words for a number.
fn cells(what: &str, amount: Option<&CostAmount>, show: impl Fn(f64) -> String) -> Vec<String> {
    let interval = |a: &CostAmount| match (a.low, a.high) {
        (Some(low), Some(high)) if (high - low).abs() < 1e-9 => "exactly".to_owned(),
        (Some(low), Some(high)) => format!("{} to {}", show(low), show(high)),
        _ => "too few pairs".to_owned(),
    };
    let (mean, between) = amount.map_or(("-".to_owned(), String::new()), |a| (show(a.mean), interval(a)));
    vec![what.to_owned(), mean, between]
}

/// Of things that are counted: whole where it is.
fn times(x: f64) -> String {
    if (x - x.round()).abs() < 0.005 { words::ascii(&words::integer(x)) } else { figures(x) }
}

fn bytes(x: f64) -> String {
    words::ascii(&words::bytes(x))
}

fn totals(found: &RequestCost) -> Done<()> {
    let all = &found.totals;
    let mut rows = vec![
        cells("statements", Some(&all.statements), times),
        cells("rows", Some(&all.rows), times),
        cells("database time", Some(&all.db_ms), ms),
        cells("pages", all.buffers.as_ref(), times),
        cells("write-ahead log", all.wal_bytes.as_ref(), bytes),
        cells("cache commands", all.cache_commands.as_ref(), times),
    ];
    for (name, amount) in all.cache.iter().flatten() {
        rows.push(cells(&format!("  {name}"), Some(amount), times));
    }
    output::table(&["per request", "mean", "95 % interval"], &rows)
}

fn row(row: &StatementCost) -> Vec<String> {
    let what = match (row.repeated, row.sure) {
        (Some(true), _) => "repeated for each row (N+1)",
        (_, false) => "may be another client's",
        _ if row.nested => "within others",
        _ => "",
    };
    let text = row.statement.as_deref().unwrap_or("(its text is not known)");
    vec![
        times(row.calls.mean),
        times(row.rows.mean),
        ms(row.ms.mean),
        row.buffers.as_ref().map_or_else(|| "-".to_owned(), |pages| times(pages.mean)),
        what.to_owned(),
        plain(&text.chars().take(100).collect::<String>()),
    ]
}

fn statements(found: &RequestCost) -> Done<()> {
    if found.statements.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let rows: Vec<Vec<String>> = found.statements.iter().map(row).collect();
    output::table(&["calls", "rows", "time", "pages", "", "statement"], &rows)?;
    if found.left_out > 0 {
        output::note(&format!("{} more", words::ascii(&words::plural(found.left_out, "statement"))));
    }
    Ok(())
}

/// What is to be known beside the figures.
fn notes(found: &RequestCost) {
    if let Some(share) = found.background.filter(|share| *share > 0.0) {
        output::note(&format!("{} of the statements meanwhile were others', taken off", plain(&words::share(share))));
    }
    if let Some(why) = &found.incomplete {
        output::note(&plain(&format!("{} of {} pairs: {why}", found.pairs, found.pairs_asked)));
    }
    for note in &found.notes {
        output::note(&plain(&format!("note: {note}")));
    }
    if let Some(hidden) = &found.hidden {
        let calls = times(hidden.calls.mean);
        output::note(&format!(
            "{calls} statements of a request cannot be told apart by this user ({} of the server)",
            words::ascii(&words::plural(hidden.statements, "counter"))
        ));
        hidden.grant.iter().flat_map(|grant| output::under("hint:", grant)).for_each(|line| output::note(&line));
    }
    if let Some(fix) = &found.own_counted {
        output::note(
            "Perfdeck's own statements are among those of others that are taken off; this keeps them out of the counters",
        );
        output::under("hint:", fix).iter().for_each(|line| output::note(line));
    }
}
