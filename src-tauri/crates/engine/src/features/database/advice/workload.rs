//! The statements that advice is asked for: those that were counted, or those that were handed in.
use std::collections::HashMap;
use std::time::Duration;

use perfdeck_model::{ApiError, ErrorCode, WorkloadSource};
use perfdeck_sqltext::{Dialect, statements};
use perfdeck_words as words;

use super::WorkloadStatement;
use crate::Engine;
use crate::features::database::statements::answer::{Statements, StatementsState};

/// Statements that may be handed in.
const MOST_QUERIES: usize = 2_000;
/// Bytes of all of them together.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Time that is looked at where nobody says which, in milliseconds.
pub(super) const USUAL_MS: f64 = 3_600_000.0;

/// Statements, and what is known of their time.
pub(super) struct Gathered {
    pub(super) source: WorkloadSource,
    pub(super) from_ms: Option<f64>,
    pub(super) to_ms: Option<f64>,
    pub(super) observed_s: f64,
    /// Time of all statements, in milliseconds; those that are not told apart are in it.
    pub(super) all_ms: f64,
    pub(super) statements: Vec<WorkloadStatement>,
    /// What names each in `db.statement`, by its text.
    pub(super) keys: HashMap<String, String>,
    /// Texts of those that ran within others, whose time is in the others' too.
    pub(super) nested: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Statements that were handed in, each taken for as heavy as the others.
///
/// # Errors
/// When there are none, too many, or one is not ended.
pub(super) fn handed_in(queries: &[String], dialect: Dialect) -> Result<Gathered, ApiError> {
    let bytes: usize = queries.iter().map(String::len).sum();
    if bytes > MOST_BYTES {
        return Err(ApiError::bad_request("The queries are longer than 4 MiB together").hint("Hand in a part of them"));
    }
    let mut all: Vec<WorkloadStatement> = Vec::new();
    for script in queries {
        let found = statements(script, dialect)
            .map_err(|why| ApiError::bad_request(format!("The queries are not understood: {why}")).hint(why.hint))?;
        for one in found {
            let text = one.text.trim().to_owned();
            match all.iter_mut().find(|s| s.text == text) {
                // One that is there twice is twice as heavy.
                Some(known) => (known.calls, known.total_ms) = (known.calls + 1.0, known.total_ms + 1.0),
                None => all.push(WorkloadStatement { text, calls: 1.0, total_ms: 1.0 }),
            }
        }
    }
    if all.is_empty() {
        return Err(ApiError::bad_request("There is no query in what was handed in"));
    }
    if all.len() > MOST_QUERIES {
        let text = format!("There are {} queries; up to {} are looked at", all.len(), words::count(MOST_QUERIES));
        return Err(ApiError::bad_request(text).hint("Hand in those that matter"));
    }
    Ok(Gathered {
        source: WorkloadSource::Queries,
        from_ms: None,
        to_ms: None,
        observed_s: 0.0,
        all_ms: all.iter().map(|s| s.total_ms).sum(),
        statements: all,
        keys: HashMap::new(),
        nested: Vec::new(),
        notes: vec![
            "How often and how long the queries run is not known: each is taken for as heavy as the others".to_owned(),
        ],
    })
}

/// Why no statement is known.
fn nothing(answer: &Statements) -> ApiError {
    let none = ApiError::new(ErrorCode::NotFound, "No statement was seen in that time");
    match &answer.state {
        Some(StatementsState::Unavailable { why }) => {
            let hints = [why.hint.clone(), why.fix.clone()].into_iter().flatten().collect::<Vec<_>>().join(": ");
            let error = ApiError::new(ErrorCode::Unsupported, why.reason.clone());
            if hints.is_empty() { error } else { error.hint(hints) }
        }
        Some(StatementsState::Failed { error }) => error.clone(),
        _ => none.hint("Watch the environment for a while, look for some seconds at what runs now, or hand in queries"),
    }
}

impl Engine {
    /// Statements that were counted from one time to another, or within a look of that length from now on.
    ///
    /// # Errors
    /// When none was, and as `db.statements`.
    pub(super) async fn counted(
        &self,
        environment_id: &str,
        range: (f64, f64),
        look: Option<Duration>,
    ) -> Result<Gathered, ApiError> {
        let answer = match look {
            Some(lasts) => self.statements_look(environment_id, lasts).await?,
            None => self.statements(environment_id, range.0, range.1).await?,
        };
        if answer.rows.is_empty() {
            return Err(nothing(&answer));
        }
        let whole = match look {
            Some(_) => HashMap::new(),
            None => self.whole_texts(environment_id, &answer).await?,
        };
        let mut all = Gathered {
            source: WorkloadSource::Statements { source: answer.source.clone() },
            from_ms: answer.coverage.from_ms,
            to_ms: answer.coverage.to_ms,
            observed_s: answer.coverage.observed_s,
            all_ms: answer.total_ms,
            statements: Vec::new(),
            keys: HashMap::new(),
            nested: Vec::new(),
            notes: Vec::new(),
        };
        let mut untold = 0;
        for row in &answer.rows {
            let Some(text) = whole.get(&row.key).or(row.statement.as_ref()).cloned() else {
                untold += 1;
                continue;
            };
            all.keys.insert(text.clone(), row.key.clone());
            if row.nested {
                all.nested.push(text.clone());
            }
            all.statements.push(WorkloadStatement { text, calls: row.calls as f64, total_ms: row.total_ms });
        }
        if untold > 0 {
            all.notes.push(format!("The texts of {} are not known", words::plural(untold, "statement")));
        }
        if let Some(others) = &answer.others {
            all.notes.push(format!(
                "{} with {} of the time are not among the heaviest and were not looked at",
                words::plural(i64::from(others.statements), "statement"),
                words::percent(others.share)
            ));
        }
        if let Some(hidden) = &answer.hidden {
            all.notes.push(format!(
                "{} with {} of the time are hidden from this user",
                words::plural(i64::from(hidden.statements), "statement"),
                words::percent(hidden.share)
            ));
        }
        if all.statements.is_empty() {
            return Err(ApiError::new(ErrorCode::Privilege, "The texts of the statements are not known")
                .hint(answer.unread.unwrap_or_else(|| "They may be hidden from this user".to_owned())));
        }
        Ok(all)
    }
}
