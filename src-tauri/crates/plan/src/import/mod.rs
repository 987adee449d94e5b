//! Plans from what is already there: a curl command, an OpenAPI document, a recording of a browser, an access log.
//!
//! Every importer gives a plan and notes about what it left out or masked. Secrets that it finds become references to
//! environment variables; the plan never holds them.
mod access_log;
mod curl;
mod curl_form;
mod curl_options;
mod example;
mod har;
mod hosts;
mod json_text;
mod log_json;
mod log_line;
mod multipart;
mod openapi;
mod pattern;
mod request;
pub mod secrets;
mod shell;
mod style;

pub use access_log::{from_access_log, from_access_log_bytes};
pub use curl::{from_curl, from_curl_with};
pub use har::from_har;
pub use openapi::from_openapi;

/// Why something cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Larger than anything sensible of its kind.
    #[error("{what} has more than {limit_mib} MiB")]
    TooLarge {
        /// What was to be imported.
        what: &'static str,
        /// The limit, in MiB.
        limit_mib: usize,
    },
    /// Not what it should be.
    #[error("no {what}: {message}")]
    Malformed {
        /// What was to be imported.
        what: &'static str,
        /// What is wrong with it, without its values.
        message: String,
    },
    /// A form of it that cannot be imported.
    #[error("{message}; {hint}")]
    Unsupported {
        /// What it is.
        message: String,
        /// What to do.
        hint: String,
    },
    /// It holds nothing that a plan could do.
    #[error("{what} holds nothing to import: {message}")]
    Empty {
        /// What was to be imported.
        what: &'static str,
        /// What was looked for.
        message: String,
    },
}

/// Notes for a person; each is kept once, and there are only so many.
#[derive(Debug, Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.0.len() < 100 && !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}

/// Names of steps that have not been given yet.
#[derive(Debug, Default)]
struct StepNames(std::collections::HashMap<String, usize>);

impl StepNames {
    /// `wanted`, with a number when it was given before.
    fn unique(&mut self, wanted: &str) -> String {
        let clean = |c: char| if c.is_control() || c == '"' { ' ' } else { c };
        let base: String = wanted.trim().chars().take(100).map(clean).collect();
        let base = if base.trim().is_empty() { "request".to_owned() } else { base };
        let mut name = base.clone();
        while self.0.contains_key(&name) {
            let count = self.0.entry(base.clone()).or_insert(1);
            *count += 1;
            name = format!("{base} {count}");
        }
        self.0.insert(name.clone(), 1);
        name
    }
}

/// A text as the name of a variable or a feed.
fn variable_name(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = text.chars().take(60).map(clean).collect();
    let name = name.trim_matches('_');
    match name.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => name.to_owned(),
        Some(_) => format!("v_{name}"),
        None => "value".to_owned(),
    }
}

fn check_size(text: &str, what: &'static str, limit_mib: usize) -> Result<(), Error> {
    if text.len() > limit_mib << 20 { Err(Error::TooLarge { what, limit_mib }) } else { Ok(()) }
}

/// The message of a JSON error without what it read.
fn json_error(what: &'static str, e: &serde_json::Error) -> Error {
    Error::Malformed { what, message: format!("no JSON at line {}, column {}", e.line(), e.column()) }
}
