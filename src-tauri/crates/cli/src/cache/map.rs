//! `perfctl cache map`.
use std::fmt::Write as _;
use std::sync::Arc;

use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::cache_map::{CacheMapPart, CacheMapRequest};
use perfdeck_model::{ApiError, CacheMap, CacheMapPage, JobState, MapCount, MapDetail, MapNamespace, MapState, Unit};
use perfdeck_words as words;

use crate::answers::{MappedCache, MappedNamespace};
use crate::args::Source;
use crate::cache::args::MapArgs;
use crate::output::{self, Done, plain, under};
use crate::{FINE, INCOMPLETE, ended_shown, environments, result_of, unless_stopped};

/// Rows of a CSV from which on it is not continued.
const MOST_ROWS: u32 = 10_000;

pub(super) async fn map(engine: &Arc<Engine>, args: &MapArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    crate::prepare(engine, &environment.id).await?;
    let detail = match (args.exact, args.names_only) {
        (true, _) => MapDetail::Exact,
        (_, true) => MapDetail::Names,
        _ => MapDetail::Sampled,
    };
    let asked = CacheMapRequest {
        environment_id: environment.id.clone(),
        detail,
        no_pace: args.no_pace,
        replica: args.replica,
        delimiters: args.delimiters.clone(),
    };
    let job = unless_stopped(api::cache_map::cache_map(engine.clone(), asked)).await?;
    let end = ended_shown(engine, &job).await?;
    // Stopped, what was read is shown.
    if end.state != JobState::Cancelled {
        result_of(end)?;
    }
    let part = CacheMapPart {
        environment_id: environment.id.clone(),
        most: Some(args.top),
        depth: Some(args.depth),
        ..CacheMapPart::default()
    };
    let page = api::cache_map::cache_map_state(engine.clone(), part.clone()).await?;
    let page = page.ok_or_else(|| ApiError::internal("It was made"))?;
    if let Some(file) = &args.csv {
        std::fs::write(file, csv(engine, &page, part).await?)
            .map_err(|e| ApiError::bad_request(format!("{} cannot be written: {e}", file.display())))?;
    }
    let code = if page.map.state == MapState::Finished { FINE } else { INCOMPLETE };
    if json {
        output::json(&answer(environment.name, page))?;
    } else {
        told(&page)?;
    }
    Ok(code)
}

fn answer(environment: String, page: CacheMapPage) -> MappedCache {
    let namespaces = page.namespaces.into_iter().map(|of| MappedNamespace {
        name: of.name.clone(),
        keys: of.keys.value(),
        bytes: of.bytes.map(MapCount::value),
        of,
    });
    let all = page.map.all.as_ref();
    MappedCache {
        schema: "perfdeck.cache_map/1",
        environment,
        keys: all.map_or(page.map.keys_read, |all| all.keys.value()),
        bytes: all.and_then(|all| all.bytes).map(MapCount::value),
        exact: page.map.exact,
        duration_s: page.map.duration_s,
        namespaces: namespaces.collect(),
        left_out: page.left_out,
        left_out_keys: page.left_out_keys,
        left_out_bytes: page.left_out_bytes,
        map: page.map,
    }
}

/// All namespaces, page by page.
async fn csv(engine: &Arc<Engine>, first: &CacheMapPage, part: CacheMapPart) -> Result<String, ApiError> {
    let mut text = String::from(
        "namespace,depth,keys,keys_sure,keys_low,keys_high,bytes,bytes_sure,bytes_low,bytes_high,bytes_per_key,without_expiry,median_ttl_s,sampled\n",
    );
    let mut page = first.clone();
    let mut skip = 0;
    loop {
        page.namespaces.iter().for_each(|of| row(of, &mut text));
        skip += u32::try_from(page.namespaces.len()).unwrap_or(u32::MAX);
        if page.namespaces.is_empty() {
            return Ok(text);
        }
        if skip >= MOST_ROWS {
            output::note(&format!("The CSV has the first {skip} namespaces; there are more"));
            return Ok(text);
        }
        let next = CacheMapPart { skip, most: Some(500), ..part.clone() };
        match api::cache_map::cache_map_state(engine.clone(), next).await? {
            Some(next) => page = next,
            None => return Ok(text),
        }
    }
}

fn row(of: &MapNamespace, text: &mut String) {
    let number = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
    let count = |count: Option<MapCount>| {
        let (low, high) = count.map_or((None, None), |c| (Some(c.bounds().0), c.bounds().1));
        format!("{},{},{},{}", number(count.map(MapCount::value)), count.map_or("", sure), number(low), number(high))
    };
    // Names of keys are anybody's: a table must not take one for a formula.
    let name = plain(&of.name);
    let guard = if name.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    let _ = writeln!(
        text,
        "\"{guard}{}\",{},{},{},{},{},{},{}",
        name.replace('"', "\"\""),
        of.depth,
        count(Some(of.keys)),
        count(of.bytes),
        number(of.bytes_per_key),
        number(of.without_expiry.map(MapCount::value)),
        number(of.ttl.as_ref().and_then(|ttl| ttl.median_s)),
        number(Some(of.sampled))
    );
}

fn sure(count: MapCount) -> &'static str {
    match count {
        MapCount::Exact { .. } => "exact",
        MapCount::Estimate { .. } => "estimate",
        MapCount::AtLeast { .. } => "at_least",
    }
}

/// A number with how sure it is: `1 234`, `1 234 ±56`, `≥1 234`.
fn shown(count: MapCount, number: impl Fn(f64) -> String) -> String {
    match count {
        MapCount::Exact { value } => number(value),
        MapCount::AtLeast { value } => format!(">={}", number(value)),
        MapCount::Estimate { value, low, high } => {
            let half = (high - value).max(value - low);
            format!("{} ±{}", number(value), number(half.ceil()))
        }
    }
}

fn integer(n: f64) -> String {
    words::ascii(&words::integer(n.round()))
}

fn bytes(n: f64) -> String {
    output::value(n, Unit::Bytes)
}

fn told(page: &CacheMapPage) -> Done<()> {
    let map = &page.map;
    if let Some(all) = &map.all {
        let size = all.bytes.map(|b| format!(", {}", shown(b, bytes))).unwrap_or_default();
        output::line(&plain(&format!("{} keys{size} ({})", shown(all.keys, integer), standing(map))))?;
    }
    if !page.namespaces.is_empty() {
        output::line("")?;
        let head = ["namespace", "keys", "bytes", "share", "bytes/key", "median TTL", "no expiry", "types"];
        output::table(&head, &page.namespaces.iter().map(line).collect::<Vec<_>>())?;
    }
    if page.left_out > 0 {
        let size = page.left_out_bytes.map(|b| format!(", {}", bytes(b))).unwrap_or_default();
        let left = words::plural(i64::from(page.left_out), "namespace");
        output::note(&plain(&words::ascii(&format!(
            "{left} more: {} keys{size} (--top)",
            integer(page.left_out_keys)
        ))));
    }
    notes(map);
    Ok(())
}

fn standing(map: &CacheMap) -> String {
    let what = match map.state {
        MapState::Finished if map.exact => "counts are exact".to_owned(),
        MapState::Finished => "all were read, and they changed meanwhile".to_owned(),
        _ => format!("unfinished: {} keys were read", integer(map.keys_read)),
    };
    let asked = match map.detail {
        MapDetail::Names => "names only".to_owned(),
        _ => format!("{} asked", integer(map.sampled)),
    };
    format!("{what}; {asked}; {}", words::ascii(&words::seconds(map.duration_s)))
}

fn line(of: &MapNamespace) -> Vec<String> {
    let dash = || "-".to_owned();
    let share = of.share_of_bytes.unwrap_or(of.share_of_keys);
    let types: Vec<&str> = of.types.iter().map(|t| t.name.as_str()).take(3).collect();
    let forever = of.without_expiry.map(|n| {
        let share = words::ascii(&words::share((n.value() / of.keys.value().max(1.0)).min(1.0)));
        if matches!(n, MapCount::AtLeast { .. }) { format!(">={share}") } else { share }
    });
    vec![
        of.name.clone(),
        shown(of.keys, integer),
        of.bytes.map_or_else(dash, |n| shown(n, bytes)),
        words::ascii(&words::share(share)),
        of.bytes_per_key.map_or_else(dash, bytes),
        of.ttl.as_ref().and_then(|ttl| ttl.median_s).map_or_else(dash, |s| words::ascii(&words::seconds(s))),
        forever.unwrap_or_else(dash),
        if types.is_empty() { dash() } else { types.join(", ") },
    ]
}

fn notes(map: &CacheMap) {
    for note in &map.notes {
        output::note(&plain(note));
    }
    for node in &map.nodes {
        if let Some(problem) = &node.problem {
            let refused = if node.refused > 0.0 { format!(" ({} keys)", integer(node.refused)) } else { String::new() };
            output::note(&plain(&format!("{}: {problem}{refused}", node.address)));
            node.hint.iter().flat_map(|hint| under("hint:", hint)).for_each(|line| output::note(&line));
        }
    }
}
