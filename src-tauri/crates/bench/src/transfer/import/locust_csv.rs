//! Locust's own files: `_stats.csv`, `_stats_history.csv` and `_failures.csv`.
use std::borrow::Cow;

use super::figures::Messages;
use super::moment::epoch;
use super::{ImportError, Imported, ImportedSecond, ImportedStep, MAX_SECONDS, MAX_STEPS, at, short};
use perfdeck_plan::csv::Csv;

/// A file with a header.
struct Table<'a> {
    file: &'a str,
    header: Vec<Cow<'a, str>>,
    rows: Vec<(usize, Vec<Cow<'a, str>>)>,
}

impl<'a> Table<'a> {
    fn of(file: &'a str, text: &'a str) -> Result<Self, ImportError> {
        let mut records = Csv::new(text);
        let bad = |(line, message): (usize, String)| at(file, line, message);
        let (_, header) = records.next().transpose().map_err(bad)?.unwrap_or_default();
        let rows = records.collect::<Result<Vec<_>, _>>().map_err(bad)?;
        if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != header.len()) {
            return Err(at(file, *line, format!("{} fields; the header has {}", row.len(), header.len())));
        }
        Ok(Self { file, header, rows })
    }

    fn has(&self, columns: &[&str]) -> bool {
        columns.iter().all(|c| self.header.iter().any(|h| h == c))
    }

    fn text<'b>(&self, row: &'b [Cow<'a, str>], column: &str) -> &'b str {
        self.header.iter().position(|h| h == column).and_then(|i| row.get(i)).map_or("", |f| f.as_ref())
    }

    /// A number, `None` for an empty field or `N/A`.
    fn number(&self, line: usize, row: &[Cow<'a, str>], column: &str) -> Result<Option<f64>, ImportError> {
        let text = self.text(row, column).trim();
        if matches!(text, "" | "N/A") {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|n| (0.0..=1e15).contains(n));
        number.map(Some).ok_or_else(|| at(self.file, line, format!("{column}: '{}' is no number", short(text))))
    }

    fn count(&self, line: usize, row: &[Cow<'a, str>], column: &str) -> Result<u64, ImportError> {
        let number = self.number(line, row, column)?;
        let number = number.ok_or_else(|| at(self.file, line, format!("{column} is missing")))?;
        let count = number.round() as u64;
        Ok(count)
    }

    /// Columns such as `99.9%`, with the fastest and the slowest request at both ends.
    fn percentiles(&self, line: usize, row: &[Cow<'a, str>]) -> Result<Vec<(f64, f64)>, ImportError> {
        let mut all = Vec::new();
        if let Some(min) = self.number(line, row, "Min Response Time")? {
            all.push((0.0, min));
        }
        for column in &self.header {
            let share = column.strip_suffix('%').and_then(|p| p.parse::<f64>().ok());
            let Some(share) = share.filter(|p| (0.0..100.0).contains(p)) else { continue };
            if let Some(ms) = self.number(line, row, column)? {
                all.push((share / 100.0, ms));
            }
        }
        if let Some(max) = self.number(line, row, "Max Response Time")? {
            all.push((1.0, max));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(all)
    }
}

/// Reads the files; the one with the figures of the steps must be there.
pub(super) fn read(files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    let (mut stats, mut history, mut failures) = (None, None, None);
    for (file, text) in files {
        let table = Table::of(file, text)?;
        if table.has(&["Timestamp", "Total Request Count"]) {
            history = Some(table);
        } else if table.has(&["Name", "Request Count", "Failure Count"]) {
            if stats.replace(table).is_some() {
                let message = "percentiles of several runs cannot be merged; import perfdeck.ndjson".to_owned();
                return Err(ImportError::File { file: (*file).to_owned(), message });
            }
        } else if table.has(&["Name", "Error", "Occurrences"]) {
            failures = Some(table);
        } else if !table.has(&["Count", "Message", "Traceback"]) {
            return Err(ImportError::File { file: (*file).to_owned(), message: "it is no file of Locust".to_owned() });
        }
    }
    let stats = stats.ok_or_else(|| ImportError::Nothing("the file with '_stats.csv' is missing".to_owned()))?;
    let mut all = steps(&stats)?;
    if let Some(table) = &failures {
        for (line, row) in &table.rows {
            let (name, count) = (table.text(row, "Name"), table.count(*line, row, "Occurrences")?);
            if let Some(step) = all.steps.iter_mut().find(|s| s.name == name) {
                step.errors_by.push((table.text(row, "Error").chars().take(200).collect(), count));
            }
        }
        for step in &mut all.steps {
            let mut messages = Messages::default();
            step.errors_by.drain(..).for_each(|(message, count)| messages.add(&message, count));
            step.errors_by = messages.list();
        }
    }
    if let Some(table) = &history {
        seconds(table, &mut all)?;
    }
    all.notes.push(
        "Locust's own files have rounded percentiles of all requests, warm-up included; perfdeck.ndjson of an \
         exported locustfile has exact counts."
            .to_owned(),
    );
    Ok(all)
}

fn steps(table: &Table<'_>) -> Result<Imported, ImportError> {
    let mut all = Imported { engine: "Locust".to_owned(), ..Imported::default() };
    let mut total = None;
    for (line, row) in &table.rows {
        let step = ImportedStep {
            name: table.text(row, "Name").chars().take(200).collect(),
            requests: table.count(*line, row, "Request Count")?,
            errors: table.count(*line, row, "Failure Count")?,
            percentiles: table.percentiles(*line, row)?,
            mean_ms: table.number(*line, row, "Average Response Time")?,
            ..ImportedStep::default()
        };
        if step.errors > step.requests {
            return Err(at(table.file, *line, "there are more failures than requests"));
        }
        if table.text(row, "Type").is_empty() && step.name == "Aggregated" {
            let length = |rate: f64| (rate > 0.0).then(|| step.requests as f64 / rate);
            all.duration_s = table.number(*line, row, "Requests/s")?.and_then(length).filter(|s| *s < 1e9);
            total = Some(step);
        } else if all.steps.len() < MAX_STEPS {
            all.steps.push(step);
        } else {
            return Err(at(table.file, *line, format!("more than {MAX_STEPS} steps")));
        }
    }
    let file = table.file.to_owned();
    let total = total.ok_or(ImportError::File { file, message: "the row 'Aggregated' is missing".to_owned() })?;
    (all.requests, all.errors) = (total.requests, total.errors);
    (all.percentiles, all.mean_ms) = (total.percentiles, total.mean_ms);
    Ok(all)
}

/// The rows of all steps together, whose counts only rise.
fn seconds(table: &Table<'_>, all: &mut Imported) -> Result<(), ImportError> {
    let (mut requests, mut errors) = (0, 0);
    for (line, row) in table.rows.iter().filter(|(_, row)| table.text(row, "Name") == "Aggregated") {
        let text = table.text(row, "Timestamp");
        let t_ms = epoch(text).ok_or_else(|| at(table.file, *line, format!("'{}' is no time", short(text))))?;
        let (now, failed) =
            (table.count(*line, row, "Total Request Count")?, table.count(*line, row, "Total Failure Count")?);
        if all.intervals.len() >= MAX_SECONDS || all.intervals.last().is_some_and(|last| last.t_ms > t_ms) {
            return Err(at(table.file, *line, "the rows are not in order, or too many"));
        }
        let (new, new_failed) = (now.saturating_sub(requests), failed.saturating_sub(errors));
        (requests, errors) = (now, failed);
        match all.intervals.last_mut().filter(|last| last.t_ms.to_bits() == t_ms.to_bits()) {
            Some(last) => {
                last.requests += new;
                last.errors += new_failed;
            }
            None => {
                all.intervals.push(ImportedSecond { t_ms, requests: new, errors: new_failed, service: None });
            }
        }
    }
    all.started_ms = all.intervals.first().map(|s| s.t_ms);
    all.finished_ms = all.intervals.last().map(|s| s.t_ms);
    Ok(())
}
