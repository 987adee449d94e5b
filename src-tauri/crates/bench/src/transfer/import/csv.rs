//! CSV (RFC 4180), record by record with its line.
use std::borrow::Cow;

/// Fields of a record at most.
const MAX_FIELDS: usize = 256;

/// What is left of a text.
pub(super) struct Csv<'a> {
    rest: &'a str,
    line: usize,
}

/// A record with the line it starts in.
pub(super) type Record<'a> = (usize, Vec<Cow<'a, str>>);

impl<'a> Csv<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// A quoted field, its quotes included.
    fn quoted(&mut self) -> Result<Cow<'a, str>, (usize, String)> {
        let start = self.line;
        let inner = &self.rest[1..];
        let mut end = 0;
        loop {
            let Some(found) = inner[end..].find('"') else { return Err((start, "a quote is not closed".into())) };
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
            return Err((self.line, "text after a quoted field".into()));
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
