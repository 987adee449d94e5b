//! Files of k6: `--out csv` and `--out json`.
use std::borrow::Cow;

use serde::Deserialize;

use super::k6::{Sample, Samples, is_read};
use super::moment::{epoch, rfc3339};
use super::{ImportError, Imported, at, short, text};
use perfdeck_plan::csv::Csv;

/// Reads all files into one result.
pub(super) fn read(files: &[(String, Vec<u8>)]) -> Result<Imported, ImportError> {
    let mut samples = Samples::default();
    for (file, bytes) in files {
        let text = text(file, bytes)?;
        if text.trim_start().starts_with('{') {
            json(file, text, &mut samples)?;
        } else {
            csv(file, text, &mut samples)?;
        }
    }
    let none = || ImportError::Nothing("there are no HTTP requests in the files".to_owned());
    samples.into_imported(files.len()).ok_or_else(none)
}

fn moment(text: &str) -> Option<f64> {
    epoch(text).or_else(|| rfc3339(text))
}

fn csv(file: &str, text: &str, samples: &mut Samples) -> Result<(), ImportError> {
    let mut records = Csv::new(text);
    let bad = |(line, message): (usize, String)| at(file, line, message);
    let missing = || ImportError::File { file: file.to_owned(), message: "it is no CSV of k6".to_owned() };
    let (_, header) = records.next().transpose().map_err(bad)?.ok_or_else(missing)?;
    let column = |name: &str| header.iter().position(|c| c == name);
    let metric = column("metric_name").ok_or_else(missing)?;
    let time = column("timestamp").ok_or_else(missing)?;
    let value = column("metric_value").ok_or_else(missing)?;
    let tags = ["name", "url", "status", "error", "error_code", "extra_tags"].map(column);
    for record in records {
        let (line, fields) = record.map_err(bad)?;
        let field = |i: usize| fields.get(i).map_or("", Cow::as_ref);
        // Files that were put together have their headers in between.
        if field(metric) == "metric_name" {
            continue;
        }
        if fields.len() != header.len() {
            return Err(at(file, line, format!("{} fields; the header has {}", fields.len(), header.len())));
        }
        if !is_read(field(metric)) {
            continue;
        }
        let [name, url, status, error, error_code, extra] = tags.map(|i| i.map_or("", field));
        let extra = |key: &str| extra.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let sample = Sample {
            metric: field(metric),
            t_ms: moment(field(time)).ok_or_else(|| at(file, line, format!("'{}' is no time", short(field(time)))))?,
            value: field(value)
                .trim()
                .parse()
                .map_err(|_| at(file, line, format!("'{}' is no number", short(field(value)))))?,
            name,
            url,
            status,
            error,
            error_code,
            phase: extra("phase").unwrap_or_default(),
        };
        samples.add(&sample).map_err(|message| at(file, line, message))?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow)]
    data: Data<'a>,
}

/// Of a sample; the description of a metric has other fields.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(borrow, default)]
    tags: Option<Tags<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tags<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    error: Cow<'a, str>,
    #[serde(borrow)]
    error_code: Cow<'a, str>,
    #[serde(borrow)]
    phase: Cow<'a, str>,
}

fn json(file: &str, text: &str, samples: &mut Samples) -> Result<(), ImportError> {
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |e: serde_json::Error| at(file, i + 1, format!("it is no sample of k6: {}", short(&e.to_string())));
        let envelope: Line<'_> = serde_json::from_str(line).map_err(wrong)?;
        if envelope.kind != "Point" || !is_read(&envelope.metric) {
            continue;
        }
        let point = envelope.data;
        let tags = point.tags.unwrap_or_default();
        let t_ms = moment(&point.time);
        let sample = Sample {
            metric: &envelope.metric,
            t_ms: t_ms.ok_or_else(|| at(file, i + 1, format!("'{}' is no time", short(&point.time))))?,
            value: point.value.ok_or_else(|| at(file, i + 1, "it has no value"))?,
            name: &tags.name,
            url: &tags.url,
            status: &tags.status,
            error: &tags.error,
            error_code: &tags.error_code,
            phase: &tags.phase,
        };
        samples.add(&sample).map_err(|message| at(file, i + 1, message))?;
    }
    Ok(())
}
