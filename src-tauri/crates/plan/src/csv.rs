//! CSV (RFC 4180), record by record with its line: feeds, and what other tools wrote.
//!
//! Of its own, because a reader that repairs what it is given (the crate `csv` takes a quote within a field, text after a
//! closing quote and an open one at the end for text) would send something else than what the file's writer meant.
use std::borrow::Cow;

/// Largest number of fields in a record.
pub(super) const MAX_FIELDS: usize = 256;

/// The records of a text, from its first to its last; after a mistake there is none. Blank lines are skipped.
#[derive(Debug)]
pub struct Csv<'a> {
    rest: &'a str,
    line: usize,
}

/// A record with the line it starts in.
pub type Record<'a> = (usize, Vec<Cow<'a, str>>);

impl<'a> Csv<'a> {
    /// Reads a text.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// The line that is read next, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// A quoted field, its quotes included.
    fn quoted(&mut self) -> Result<Cow<'a, str>, (usize, String)> {
        let start = self.line;
        let inner = &self.rest[1..];
        let mut end = 0;
        loop {
            let Some(found) = inner[end..].find('"') else { return Err((start, "a quote that is not closed".into())) };
            end += found;
            if !inner[end + 1..].starts_with('"') {
                break;
            }
            end += 2;
        }
        let raw = &inner[..end];
        self.line += raw.matches('\n').count();
        self.rest = &inner[end + 1..];
        if !(self.rest.is_empty() || self.rest.starts_with([',', '\n']) || self.rest.starts_with("\r\n")) {
            return Err((self.line, "text after a closing quote".into()));
        }
        Ok(if raw.contains('"') { raw.replace("\"\"", "\"").into() } else { raw.into() })
    }

    fn record(&mut self) -> Result<Record<'a>, (usize, String)> {
        let (first, mut fields) = (self.line, Vec::new());
        loop {
            if self.rest.starts_with('"') {
                fields.push(self.quoted()?);
            } else {
                let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                let (field, rest) = self.rest.split_at(end);
                if field.contains('"') {
                    return Err((self.line, "a quote within a field; quote the whole field and write it twice".into()));
                }
                let ends = !rest.starts_with(',');
                fields.push(if ends { field.trim_end_matches('\r') } else { field }.into());
                self.rest = rest;
            }
            if fields.len() > MAX_FIELDS {
                return Err((first, format!("more than {MAX_FIELDS} fields")));
            }
            let Some(next) = self.rest.strip_prefix(',') else { break };
            self.rest = next;
        }
        self.rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')).unwrap_or(self.rest);
        self.line += 1;
        Ok((first, fields))
    }
}

impl<'a> Iterator for Csv<'a> {
    type Item = Result<Record<'a>, (usize, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(next) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            (self.rest, self.line) = (next, self.line + 1);
        }
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = "";
        }
        Some(record)
    }
}
