//! `perfctl db sizes`, `bloat` and `plan`: what a database holds, and how it would run a statement.
use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::database::{BloatRequest, PlanRequest, SizesRequest};
use std::path::Path;
use std::sync::Arc;

use perfdeck_model::{
    ApiError, BloatUnknown, Clock as _, IndexSize, SizeGrowth, SizeTold, SystemClock, TableSize, Unit,
};
use perfdeck_words as words;

use crate::answers::{Bloat, Plans, Sizes};
use crate::args::Source;
use crate::database::args::{PlanArgs, SizesBy};
use crate::output::{self, Done, figures, moment, plain, value};
use crate::{FINE, INCOMPLETE, ended_shown, environments, files, result_of, unless_stopped};

/// Tables that are read to rank by something else than size.
const ALL: u32 = 10_000;
/// Longest file of a statement, in bytes: longer ones are not planned.
const LONGEST: u64 = 2 << 20;
/// What stands where something is not known.
const UNKNOWN: &str = "-";

/// What of the sizes is asked for.
pub(super) struct Asked {
    pub(super) top: u32,
    pub(super) by: SizesBy,
    pub(super) indexes: bool,
}

fn bytes(n: Option<f64>) -> String {
    n.map_or_else(|| UNKNOWN.to_owned(), |n| value(n, Unit::Bytes))
}

/// A count, whole as far as it is read as such.
fn whole(n: f64) -> String {
    if n.fract() == 0.0 && n.abs() < 1e6 { words::ascii(&words::integer(n)) } else { figures(n) }
}

fn count(n: Option<f64>) -> String {
    n.map_or_else(|| UNKNOWN.to_owned(), whole)
}

/// A size with a sign where it is not measured.
fn size(n: Option<f64>, told: SizeTold) -> String {
    let sign = match told {
        SizeTold::Exact => "",
        SizeTold::Estimate if n.is_some() => "~",
        SizeTold::Locked if n.is_some() => "locked, ~",
        SizeTold::Locked => "locked, ",
        SizeTold::Estimate => "",
    };
    format!("{sign}{}", bytes(n))
}

/// How much something grew, and in how long.
fn growth(of: Option<SizeGrowth>, now_ms: f64) -> String {
    let Some(SizeGrowth { bytes, since_ms }) = of else { return UNKNOWN.to_owned() };
    let sign = match bytes {
        0.0 => "",
        n if n < 0.0 => "-",
        _ => "+",
    };
    let days = (now_ms - since_ms) / 86_400_000.0;
    let since =
        if days >= 2.0 { words::plural(days as u64, "day") } else { words::duration((days * 86_400.0).max(0.0)) };
    plain(&format!("{sign}{} in {since}", value(bytes.abs(), Unit::Bytes)))
}

fn bloat_word(bloat: Option<f64>, unknown: Option<BloatUnknown>) -> String {
    match (bloat, unknown) {
        (Some(bloat), _) => format!("{:.0} %", bloat * 100.0),
        (None, Some(BloatUnknown::Hidden)) => "hidden".to_owned(),
        (None, Some(BloatUnknown::NotAnalyzed)) => "not analyzed".to_owned(),
        (None, Some(BloatUnknown::NoStatistics)) => "no statistics".to_owned(),
        (None, Some(BloatUnknown::Partial)) => "partial: measure it".to_owned(),
        (None, _) => UNKNOWN.to_owned(),
    }
}

/// Bytes that values stored apart have where there are none: an empty index.
const NO_TOAST: f64 = 16_384.0;

/// The bloat of a table's rows, and of what is stored apart, of which only the least is known.
fn table_bloat(t: &TableSize) -> String {
    let rows = bloat_word(t.bloat, t.bloat_unknown);
    match t.toast_bloat {
        _ if t.toast_bytes.is_none_or(|bytes| bytes <= NO_TOAST) => rows,
        Some(least) if least >= 0.01 => format!("{rows}, toast >= {:.0} %", (least * 100.0).floor()),
        _ => format!("{rows}, toast unknown"),
    }
}

/// Columns for what tables are ranked by, and a table's cells.
fn row(by: SizesBy, t: &TableSize, now_ms: f64) -> Vec<String> {
    let rows =
        t.rows.map_or_else(|| UNKNOWN.to_owned(), |n| format!("{}{}", if t.rows_exact { "" } else { "~" }, whole(n)));
    let when = |ms: Option<f64>| ms.map_or_else(|| UNKNOWN.to_owned(), moment);
    let part = |n: Option<f64>| match t.parts_told {
        SizeTold::Exact => bytes(n),
        SizeTold::Estimate | SizeTold::Locked => size(n, SizeTold::Estimate),
    };
    let mut cells = vec![t.name.clone()];
    cells.extend(match by {
        SizesBy::Size => vec![
            size(t.bytes, t.told),
            growth(t.growth, now_ms),
            part(t.table_bytes),
            part(t.index_bytes),
            part(t.toast_bytes),
            rows,
            table_bloat(t),
        ],
        SizesBy::Scans => vec![count(t.scan_rows), count(t.scans), count(t.index_scans), rows, size(t.bytes, t.told)],
        SizesBy::Vacuum => vec![
            count(t.dead_rows),
            count(t.vacuum_at_rows),
            when(t.vacuumed_ms),
            count(t.changed_rows),
            count(t.analyze_at_rows),
            when(t.analyzed_ms),
        ],
    });
    cells
}

fn head(by: SizesBy) -> &'static [&'static str] {
    match by {
        SizesBy::Size => &["table", "size", "growth", "rows only", "indexes", "toast", "rows", "bloat"],
        SizesBy::Scans => &["table", "rows read by scans", "scans", "index scans", "rows", "size"],
        SizesBy::Vacuum => &["table", "dead rows", "vacuum at", "vacuumed", "changed rows", "analyze at", "analyzed"],
    }
}

fn index_row(by: SizesBy, i: &IndexSize, now_ms: f64) -> Vec<String> {
    let kind = [
        i.kind.as_str(),
        if i.primary {
            "primary"
        } else if i.unique {
            "unique"
        } else {
            ""
        },
        if i.partial { "partial" } else { "" },
        if i.valid { "" } else { "invalid" },
    ];
    let kind = kind.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    let name = format!("  {} ({kind})", i.name);
    match by {
        SizesBy::Size => {
            let none = || String::new();
            let (size, growth) = (size(i.bytes, i.told), growth(i.growth, now_ms));
            vec![name, size, growth, none(), none(), none(), none(), bloat_word(i.bloat, i.bloat_unknown)]
        }
        SizesBy::Scans => {
            vec![name, String::new(), String::new(), count(i.scans), String::new(), size(i.bytes, i.told)]
        }
        SizesBy::Vacuum => vec![name],
    }
}

pub(super) async fn sizes(engine: &Arc<Engine>, env: Option<&str>, asked: Asked, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let limit = if asked.by == SizesBy::Size { asked.top } else { ALL };
    let request = SizesRequest { environment_id: environment.id, limit: Some(limit) };
    let mut sizes = api::database::db_sizes(engine.clone(), request).await?;
    let rank = |t: &TableSize| match asked.by {
        SizesBy::Size => t.bytes,
        SizesBy::Scans => t.scan_rows,
        SizesBy::Vacuum => t.dead_rows,
    };
    if asked.by != SizesBy::Size {
        sizes.tables.sort_by(|a, b| rank(b).unwrap_or(-1.0).total_cmp(&rank(a).unwrap_or(-1.0)));
        let rest = sizes.tables.split_off(sizes.tables.len().min(asked.top as usize));
        sizes.tables_left_out += u32::try_from(rest.len()).unwrap_or(0);
        sizes.indexes_left_out += rest.iter().map(|t| u32::try_from(t.indexes.len()).unwrap_or(0)).sum::<u32>();
    }
    // What cannot be seen is not nothing.
    let complete = if sizes.grants.is_empty() { FINE } else { INCOMPLETE };
    if json {
        output::json(&Sizes { schema: "perfdeck.sizes/1", environment: environment.name, sizes })?;
        return Ok(complete);
    }
    for sentence in &sizes.missing {
        output::note(&plain(sentence));
    }
    for line in sizes.grants.iter().flat_map(|grant| output::under("hint:", grant)) {
        output::note(&line);
    }
    if sizes.tables.is_empty() {
        output::note("There are no tables that this user sees");
        return Ok(complete);
    }
    let now_ms = SystemClock.now_ms();
    let mut rows = Vec::new();
    for table in &sizes.tables {
        rows.push(row(asked.by, table, now_ms));
        if asked.indexes {
            rows.extend(table.indexes.iter().map(|index| index_row(asked.by, index, now_ms)));
        }
    }
    output::table(head(asked.by), &rows)?;
    let about = if sizes.bytes_exact { "" } else { "about " };
    let left = match sizes.tables_left_out {
        0 => String::new(),
        n => {
            let indexes = sizes.indexes_left_out;
            let word = if indexes == 1 { "index" } else { "indexes" };
            format!("; {} and {} {word} are not shown (--top)", words::plural(n, "table"), words::count(indexes))
        }
    };
    output::note(&plain(&format!("{about}{} in all, by {}{left}", bytes(sizes.bytes), sizes.source)));
    Ok(complete)
}

pub(super) async fn bloat(
    engine: &Arc<Engine>,
    env: Option<&str>,
    index: &str,
    preview: bool,
    source: &Source,
    json: bool,
) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let request = || BloatRequest { environment_id: environment.id.clone(), index: index.to_owned() };
    let mut found = api::database::db_bloat(engine.clone(), request()).await?;
    if (!json || !preview) && (preview || found.refused.is_none()) {
        output::note(&plain(&format!("Measuring {} reads {}", found.index, value(found.reads_bytes, Unit::Bytes))));
    }
    if let Some(refused) = found.refused.as_ref().filter(|_| preview) {
        output::note(&plain(refused));
        for line in found.fix.iter().flat_map(|fix| output::under("hint:", fix)) {
            output::note(&line);
        }
    }
    if !preview {
        let job = unless_stopped(api::database::db_measure_bloat(engine.clone(), request())).await?;
        result_of(ended_shown(engine, &job).await?)?;
        found = api::database::db_bloat(engine.clone(), request()).await?;
    }
    let complete = if found.refused.is_none() { FINE } else { INCOMPLETE };
    if json {
        output::json(&Bloat { schema: "perfdeck.bloat/1", environment: environment.name.clone(), bloat: found })?;
        return Ok(complete);
    }
    if let Some(m) = &found.measured {
        output::line(&plain(&format!(
            "{}: {:.1} % bloat, leaf pages {:.1} % full of {:.0} %; {} leaf, {} deleted, {} empty pages, read in {}",
            found.index,
            m.bloat * 100.0,
            m.density * 100.0,
            m.fillfactor * 100.0,
            whole(m.leaf_pages),
            whole(m.deleted_pages),
            whole(m.empty_pages),
            output::ms(m.took_ms)
        )))?;
        if let Some(dead) = found.dead_rows.filter(|n| *n >= 1.0) {
            output::note(&plain(&format!(
                "{} of its table: their entries count as full here, and are room again after the next vacuum",
                words::plural(dead as i64, "dead row")
            )));
        }
    }
    Ok(complete)
}

/// A statement as it is given, of a file or of stdin. No statement begins with @ or is a dash.
fn statement(given: &str) -> Result<String, ApiError> {
    match given.strip_prefix('@') {
        Some(path) => files::read(Path::new(path), LONGEST),
        None if given == "-" => files::read(Path::new(given), LONGEST),
        None => Ok(given.to_owned()),
    }
}

pub(super) async fn plan(engine: &Arc<Engine>, args: &PlanArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.env.as_deref(), source).await?;
    if args.unlock {
        engine.unlock_for_run(&environment.id, args.confirm.as_deref()).await?;
    }
    let request =
        PlanRequest { environment_id: environment.id, statement: statement(&args.statement)?, analyze: args.analyze };
    let plan = api::database::db_plan(engine.clone(), request).await?;
    if json {
        output::json(&Plans { schema: "perfdeck.statement_plan/1", environment: environment.name, plan })?;
        return Ok(FINE);
    }
    for line in plan.text.lines() {
        output::line(&plain(line))?;
    }
    Ok(FINE)
}
