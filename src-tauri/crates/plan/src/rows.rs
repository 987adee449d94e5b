//! Rows of a feed's file: CSV and JSON lines, read whole within bounds and kept in two allocations.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use super::csv::{Csv, MAX_FIELDS as MAX_COLUMNS};

/// Bytes of a file at most.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Rows at most.
pub(super) const MAX_ROWS: usize = 1_000_000;

/// Reads a file that a plan names.
pub trait Files {
    /// Its bytes.
    ///
    /// # Errors
    /// Why it cannot be read, or that it has more than `limit` bytes; for a person, without the name.
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String>;
}

/// Files in memory.
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let bytes = self.get(name).ok_or("it does not exist")?;
        if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes.clone()) }
    }
}

fn too_large(limit: u64) -> String {
    format!("it has more than {} MiB", limit >> 20)
}

/// The plan's folder. Files outside it are refused, so that a plan from elsewhere cannot send what it should not know.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let path = Path::new(name);
        let inside = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || name.contains('\0') || !inside {
            return Err("it must be a path below the plan's folder".into());
        }
        let root = self.0.canonicalize().map_err(|e| e.to_string())?;
        let path = root.join(path).canonicalize().map_err(|e| e.to_string())?;
        if !path.starts_with(&root) {
            return Err("it is a link to outside the plan's folder".into());
        }
        let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        if !file.metadata().map_err(|e| e.to_string())?.is_file() {
            return Err("it is no regular file".into());
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RowsError {
    /// From 1.
    pub line: usize,
    /// For a person.
    pub message: String,
}

impl From<(usize, String)> for RowsError {
    fn from((line, message): (usize, String)) -> Self {
        Self { line, message }
    }
}

fn error<T>(line: usize, message: impl Into<String>) -> Result<T, RowsError> {
    Err(RowsError { line, message: message.into() })
}

/// Rows with named columns. All values are text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    columns: Vec<String>,
    text: String,
    /// End of each cell in `text`, row by row.
    ends: Vec<u32>,
}

impl Rows {
    /// Names of the columns; what a template cannot write is `_`.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One value.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        if column >= self.columns.len() {
            return None;
        }
        let i = row.checked_mul(self.columns.len())?.checked_add(column)?;
        let end = *self.ends.get(i)? as usize;
        let start = i.checked_sub(1).map_or(0, |i| self.ends[i] as usize);
        self.text.get(start..end)
    }

    fn end_cell(&mut self, line: usize) -> Result<(), RowsError> {
        let Ok(end) = u32::try_from(self.text.len()) else { return error(line, "more than 4 GiB of text") };
        self.ends.push(end);
        if self.ends.len() > MAX_ROWS * self.columns.len().max(1) {
            return error(line, format!("more than {MAX_ROWS} rows"));
        }
        Ok(())
    }

    fn name_columns(&mut self, names: Vec<String>, line: usize) -> Result<(), RowsError> {
        if names.len() > MAX_COLUMNS {
            return error(line, format!("{} columns; there may be {MAX_COLUMNS}", names.len()));
        }
        for name in names {
            let name = name.trim();
            let clean: String =
                name.chars().map(|c| if c.is_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
            if clean.is_empty() {
                return error(line, "a column without a name");
            }
            if self.columns.contains(&clean) {
                return error(line, format!("column {} has the name of an earlier one", self.columns.len() + 1));
            }
            self.columns.push(clean);
        }
        Ok(())
    }

    /// Reads CSV (RFC 4180): commas, quoted fields, a header row; lines end in LF or CRLF; blank lines are skipped.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn csv(bytes: &[u8]) -> Result<Self, RowsError> {
        let mut records = Csv::new(text_of(bytes)?);
        let mut rows = Self::default();
        if let Some(header) = records.next() {
            let (line, names) = header.map_err(RowsError::from)?;
            rows.name_columns(names.into_iter().map(Cow::into_owned).collect(), line)?;
        }
        for record in records.by_ref() {
            let (line, fields) = record.map_err(RowsError::from)?;
            let (n, expected) = (fields.len(), rows.columns.len());
            if n > expected {
                return error(line, format!("more fields than the header's {expected}"));
            }
            if n < expected {
                return error(line, format!("{n} fields where the header has {expected}"));
            }
            for field in fields {
                rows.text.push_str(&field);
                rows.end_cell(line)?;
            }
        }
        if rows.is_empty() { error(records.line(), "no rows below a header") } else { Ok(rows) }
    }

    /// Reads one JSON object per line. The first names the columns, nested objects as `a.b`; arrays stay JSON, null is
    /// empty.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn jsonl(bytes: &[u8]) -> Result<Self, RowsError> {
        let mut rows = Self::default();
        let mut last = 1;
        for (i, text) in text_of(bytes)?.lines().enumerate() {
            let line = i + 1;
            last = line;
            if text.trim().is_empty() {
                continue;
            }
            let value: serde_json::Value = match serde_json::from_str(text) {
                Ok(value) => value,
                Err(e) => return error(line, format!("no JSON at column {}", e.column())),
            };
            let serde_json::Value::Object(object) = value else { return error(line, "no JSON object") };
            let mut cells = BTreeMap::new();
            flatten("", &object, &mut cells);
            if rows.columns.is_empty() {
                rows.name_columns(cells.keys().cloned().collect(), line)?;
            }
            let mut values: BTreeMap<String, String> = cells
                .into_iter()
                .map(|(k, v)| {
                    (k.chars().map(|c| if c.is_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect(), v)
                })
                .collect();
            for column in 0..rows.columns.len() {
                match values.remove(&rows.columns[column]) {
                    Some(value) => rows.text.push_str(&value),
                    None => {
                        return error(line, format!("field {} of the first line is missing", column + 1));
                    }
                }
                rows.end_cell(line)?;
            }
        }
        if rows.is_empty() { error(last, "no rows") } else { Ok(rows) }
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, RowsError> {
    let line = |to: usize| bytes[..to].iter().filter(|b| **b == b'\n').count() + 1;
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return error(line(at), "a NUL byte; this is no text");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(e) => error(line(e.valid_up_to()), "not UTF-8; convert the file"),
    }
}

fn flatten(prefix: &str, object: &serde_json::Map<String, serde_json::Value>, out: &mut BTreeMap<String, String>) {
    for (key, value) in object {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            serde_json::Value::Object(inner) if !inner.is_empty() => flatten(&name, inner, out),
            serde_json::Value::String(text) => drop(out.insert(name, text.clone())),
            serde_json::Value::Null => drop(out.insert(name, String::new())),
            other => drop(out.insert(name, other.to_string())),
        }
        if out.len() > MAX_COLUMNS {
            return;
        }
    }
}
