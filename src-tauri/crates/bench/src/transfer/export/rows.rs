//! Feeds as data files, and as what the runtimes draw rows from.
use serde::Serialize;
use serde_json::Value;

use super::parts::whole;
use super::text::slug;
use super::{ExportError, ExportFile, file};
use perfdeck_plan::{Compiler, FeedMode, FeedSource, FeedSpec, Files, open_feed};

/// A feed. `slots` has the slots of each column.
#[derive(Debug, Serialize)]
pub(super) struct FeedPart {
    pub(super) name: String,
    pub(super) mode: FeedMode,
    slots: Vec<Vec<usize>>,
    #[serde(flatten)]
    source: Source,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Source {
    /// A file with an array of rows, each an array of texts.
    Rows {
        file: String,
        count: u64,
    },
    Sequence {
        from: Value,
        step: Value,
        count: u64,
    },
    Zipf {
        items: u64,
        exponent: f64,
        prefix: String,
    },
    Uniform {
        from: Value,
        to: Value,
        prefix: String,
    },
    Text {
        length: u32,
    },
}

/// A feed, with its data where it has some; `None` when no template uses it. Columns that none uses are left out.
pub(super) fn feed(
    number: usize,
    spec: &FeedSpec,
    compiler: &Compiler,
    files: &dyn Files,
) -> Result<Option<(FeedPart, Option<ExportFile>)>, ExportError> {
    let opened = open_feed(spec, files).map_err(|e| ExportError::Plan(e.to_string()))?;
    let mut used: Vec<(usize, Vec<usize>)> = Vec::new();
    let columns = opened.rows().map_or(1, |rows| rows.columns().len());
    for (column, name) in opened.names().iter().enumerate() {
        // The short name of a single column comes second.
        let column = if column < columns { column } else { 0 };
        if let Some(slot) = compiler.names().find(name) {
            match used.iter_mut().find(|(c, _)| *c == column) {
                Some((_, slots)) => slots.push(slot),
                None => used.push((column, vec![slot])),
            }
        }
    }
    if used.is_empty() {
        return Ok(None);
    }
    let path = format!("data/{number}-{}.json", slug(&spec.name));
    let table = |rows: Vec<Vec<&str>>| {
        let count = rows.len() as u64;
        let data = file(&path, serde_json::to_vec(&rows).unwrap_or_default());
        (Source::Rows { file: path.clone(), count }, Some(data))
    };
    let (source, data) = match &spec.source {
        FeedSource::Csv { .. } | FeedSource::Jsonl { .. } => {
            let Some(rows) = opened.rows() else { return Ok(None) };
            let row = |at| used.iter().map(|(column, _)| rows.cell(at, *column).unwrap_or_default()).collect();
            table((0..rows.len()).map(row).collect())
        }
        FeedSource::List { values } => table(values.iter().map(|v| vec![v.as_str()]).collect()),
        FeedSource::Sequence { from, step, .. } => {
            let count = opened.len().unwrap_or(1).min(1 << 53);
            (Source::Sequence { from: whole(*from), step: whole(*step), count }, None)
        }
        FeedSource::Zipf { items, exponent, prefix } => {
            (Source::Zipf { items: *items, exponent: *exponent, prefix: prefix.clone() }, None)
        }
        FeedSource::Uniform { from, to, prefix } => {
            (Source::Uniform { from: whole(*from), to: whole(*to), prefix: prefix.clone() }, None)
        }
        FeedSource::RandomString { length } => (Source::Text { length: *length }, None),
    };
    let slots = used.into_iter().map(|(_, slots)| slots).collect();
    let part = FeedPart { name: spec.name.clone(), mode: spec.mode.unwrap_or_default(), slots, source };
    Ok(Some((part, data)))
}
