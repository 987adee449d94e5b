//! `perfctl db pool size`: the smallest pool that gives the highest throughput.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::pool_size::{PoolSizeRequest, PoolSizing, SizeCell, SizePoint, SizingState};
use perfdeck_engine::{BenchSpec, ById, Engine, Pace, PlanFolder};
use perfdeck_model::{ApiError, ErrorCode, JobResult};
use perfdeck_words as words;

use crate::answers::PoolSize;
use crate::args::Source;
use crate::bench::data_load::sql_spec;
use crate::bench::measuring::announce;
use crate::bench::plans;
use crate::database::args::PoolSizeArgs;
use crate::output::{self, Done, figures, ms, plain, under};
use crate::{FINE, INCOMPLETE, USAGE, VERDICT, ended_shown, environments, unless_stopped};

/// Repetitions, warm-up and measured time of `--thorough`, in seconds.
const THOROUGH: (u32, f64, f64) = (5, 3.0, 10.0);

pub(crate) async fn pool_size(engine: &Arc<Engine>, args: &PoolSizeArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    let Some((spec, folder)) = spec(args)? else { return Ok(USAGE) };
    if args.unlock {
        engine.unlock_for_run(&environment.id, args.confirm.as_deref()).await?;
    }
    announce(engine, &spec, Some(&environment.id), &folder).await?;
    let usual = (args.repeats, args.warmup.as_secs_f64(), args.duration.as_secs_f64());
    let (repetitions, warmup_s, measure_s) = if args.thorough { THOROUGH } else { usual };
    let request = PoolSizeRequest {
        spec,
        environment_id: environment.id,
        max_connections: args.max,
        repetitions,
        warmup_s,
        measure_s,
        objective_ms: args.objective.map(|limit| limit.as_secs_f64() * 1000.0),
        instances: args.instances,
        name: args.name.clone(),
        confirm: args.confirm.clone(),
    };
    let job = unless_stopped(engine.pool_size_start(request, folder)).await?;
    let end = ended_shown(engine, &job).await?;
    let id = match (end.result, end.error) {
        // One that was stopped has the cells that were over.
        (Some(JobResult::PoolSizing(id)), _) => id,
        (_, Some(error)) => return Err(error.into()),
        _ => return Err(ApiError::new(ErrorCode::Cancelled, "It was stopped before its first cell was over").into()),
    };
    let found = api::pool_size::get(engine.clone(), ById { id }).await?;
    let code = code(&found);
    if json {
        output::json(&PoolSize { schema: "perfdeck.pool_size/1", sizing: found })?;
    } else {
        show(&found)?;
    }
    Ok(code)
}

fn code(found: &PoolSizing) -> u8 {
    use api::pool_size::RefusalKind;
    match &found.analysis.refused {
        None => FINE,
        Some(refused) if refused.kind == RefusalKind::Objective => VERDICT,
        Some(_) => INCOMPLETE,
    }
}

/// What is run; `None` for a plan that is wrong, which was said.
fn spec(args: &PoolSizeArgs) -> Result<Option<(BenchSpec, PlanFolder)>, ApiError> {
    if let Some(path) = &args.plan {
        return Ok(plans::spec(path, args.threads)?.map(|spec| (spec, plans::folder(path))));
    }
    let pace = Pace {
        connections: 1,
        rate_per_s: None,
        poisson: false,
        late_limit_s: None,
        threads: args.threads,
        duration_s: 1.0,
        warmup_s: 0.0,
        timeout_s: args.timeout.as_secs_f64(),
        seed: 1,
        thresholds: Vec::new(),
    };
    let sql = sql_spec(args.sql.as_deref(), args.script.as_deref(), &args.how, pace)?;
    Ok(Some((BenchSpec::Sql(sql), PlanFolder::default())))
}

fn show(found: &PoolSizing) -> Done<()> {
    let analysis = &found.analysis;
    output::line(&plain(&words::ascii(&format!("{}.", analysis.sentence))))?;
    output::line(&plain(&format!(
        "{}; {} repetitions of {} s after {} s, sizing {}",
        found.request.replace('\n', " "),
        found.repetitions,
        figures(found.measure_s),
        figures(found.warmup_s),
        found.id
    )))?;
    output::line("")?;
    let chosen = analysis.recommended.as_ref().map(|size| size.connections);
    let rows: Vec<Vec<String>> = analysis.sizes.iter().map(|size| row(size, found, chosen)).collect();
    let head =
        ["", "connections", "rate/s", "law/s", "of highest", "mean", "p95", "p99", "queue", "errors", "cells", "waits"];
    output::table(&head, &rows)?;
    notes(found);
    for setting in &found.settings {
        output::line("")?;
        output::line(&format!("{}:", setting.title))?;
        setting.text.trim_end().lines().try_for_each(|line| output::line(&format!("  {line}")))?;
    }
    Ok(())
}

fn row(size: &SizePoint, found: &PoolSizing, chosen: Option<u32>) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let time = |of: Option<f64>| or_dash(of.map(ms));
    let cells: Vec<&SizeCell> = found.cells.iter().filter(|cell| cell.connections == size.connections).collect();
    let aside = if size.set_aside > 0 { format!(", {} set aside", size.set_aside) } else { String::new() };
    vec![
        if chosen == Some(size.connections) { "*".to_owned() } else { String::new() },
        size.connections.to_string(),
        or_dash(size.rate_per_s.map(figures)),
        or_dash(size.fitted_per_s.map(figures)),
        or_dash(size.share.map(|share| plain(&words::ascii(&words::share(share))))),
        time(size.mean_ms),
        time(size.p95_ms),
        time(size.p99_ms),
        time(size.queue_ms),
        size.errors.to_string(),
        format!("{}{aside}", size.cells),
        or_dash(waits(&cells)),
    ]
}

/// What the sessions waited for, the two kinds that took most; `None` where that is not known.
fn waits(cells: &[&SizeCell]) -> Option<String> {
    let known: Vec<_> = cells.iter().filter_map(|cell| cell.waits.as_ref()).collect();
    let mut shares = std::collections::BTreeMap::<&str, f64>::new();
    for (kind, share) in known.iter().flat_map(|waits| waits.iter()) {
        *shares.entry(kind).or_default() += share / known.len() as f64;
    }
    let mut shares: Vec<(&str, f64)> = shares.into_iter().collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let words: Vec<String> =
        shares.iter().take(2).map(|(kind, share)| format!("{kind} {:.0}%", share * 100.0)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What is to be known beside the figures.
fn notes(found: &PoolSizing) {
    let note = |text: &str| output::note(&plain(&words::ascii(&format!("note: {text}"))));
    if found.state != SizingState::Finished {
        note("what was measured until then is kept, as unfinished");
    }
    note("queue is the wait for a connection with as many callers as the largest size had: modelled, not measured");
    for same in found.left_out.chunk_by(|a, b| a.why == b.why) {
        let sizes: Vec<String> = same.iter().map(|left| left.connections.to_string()).collect();
        let why = same.first().map_or("", |left| left.why.as_str());
        note(&format!("not tried: {}; {why}", sizes.join(", ")));
    }
    found.analysis.notes.iter().for_each(|text| note(text));
    for cell in found.cells.iter().filter(|cell| cell.set_aside.is_some()).take(3) {
        let why = cell.set_aside.as_deref().unwrap_or_default();
        note(&format!("{} connections, repetition {}: set aside: {why}", cell.connections, cell.repetition));
    }
    if let Some(refused) = &found.analysis.refused {
        under("hint:", &plain(&words::ascii(&refused.hint))).iter().for_each(|line| output::note(line));
    }
}
