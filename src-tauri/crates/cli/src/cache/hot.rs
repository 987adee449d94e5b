//! `perfctl cache hot`.
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::cache_look::CacheHeatRequest;
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::{ApiError, CacheHeat, CacheHeatMethod, CacheHeatNamespace, Unit};

use super::{notes, or_dash};
use crate::answers::CacheHot;
use crate::args::Source;
use crate::cache::args::HotArgs;
use crate::output::{self, Done, figures, plain, value};
use crate::{FINE, INCOMPLETE, environments, finish, prepare};

pub(super) async fn hot(engine: &Arc<Engine>, args: &HotArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    if args.unlock {
        engine.unlock_for_run(&environment.id, args.confirm.as_deref()).await?;
    }
    let method = if args.monitor { CacheHeatMethod::Monitor } else { CacheHeatMethod::Lfu };
    let seconds = args.time.map(|time| time.as_secs_f64());
    let asked = CacheHeatRequest { environment_id: environment.id.clone(), method, seconds };
    let job = api::cache_look::cache_measure_heat(engine.clone(), asked).await?;
    finish(engine, &job).await?;
    let found = api::cache_look::cache_heat(engine.clone(), ByEnvironment { environment_id: environment.id }).await?;
    let heat = found.ok_or_else(|| ApiError::internal("It was measured, and is not there"))?;
    let complete = if heat.unknown.is_empty() { FINE } else { INCOMPLETE };
    if json {
        output::json(&CacheHot { schema: "perfdeck.cache_hot/1", environment: environment.name, heat })?;
        return Ok(complete);
    }
    notes(&heat.unknown);
    write(&heat, args.top)?;
    Ok(complete)
}

fn write(heat: &CacheHeat, top: usize) -> Done<()> {
    let watched = heat.method == CacheHeatMethod::Monitor;
    let what = match heat.method {
        CacheHeatMethod::Monitor => "commands within",
        CacheHeatMethod::Lfu => "keys drawn at random in",
        CacheHeatMethod::Hotkeys => "keys that took most CPU time within",
    };
    let took = value(heat.took_s, Unit::Seconds);
    output::note(&plain(&format!("{}: {} {what} {took}", heat.version, heat.sampled)));
    if let Some(end) = &heat.ended_by {
        output::note(&plain(&format!("It ended early: {end}")));
    }
    let head: &[&str] = if watched {
        &["namespace", "uses", "share", "reads", "writes", "hit ratio at most"]
    } else {
        &["namespace", "keys", "share of use", "95 % interval", "mean counter"]
    };
    let rows: Vec<Vec<String>> = heat.namespaces.iter().take(top).map(|n| row(n, watched)).collect();
    if rows.is_empty() {
        output::note("No key was used");
        return Ok(());
    }
    output::table(head, &rows)?;
    let keys: Vec<Vec<String>> = heat.keys.iter().take(top).map(|k| vec![k.name.clone(), figures(k.uses)]).collect();
    let uses = match heat.method {
        CacheHeatMethod::Monitor => "uses",
        CacheHeatMethod::Lfu => "counter",
        CacheHeatMethod::Hotkeys => "CPU µs",
    };
    output::table(&["key", uses], &keys)
}

fn row(n: &CacheHeatNamespace, watched: bool) -> Vec<String> {
    let percent = |x: f64| value(x, Unit::Ratio);
    let name = n.name.clone().unwrap_or_else(|| "(names without a delimiter)".to_owned());
    let rate = |x: Option<f64>| or_dash(x.map(|x| value(x, Unit::PerSecond)));
    if watched {
        let hits = or_dash(n.hit_ratio_at_most.map(percent));
        return vec![name, n.seen.to_string(), percent(n.share), rate(n.reads_per_s), rate(n.writes_per_s), hits];
    }
    let between = n.share_low.zip(n.share_high).map(|(low, high)| format!("{} to {}", percent(low), percent(high)));
    vec![name, n.seen.to_string(), percent(n.share), or_dash(between), or_dash(n.mean_counter.map(figures))]
}
