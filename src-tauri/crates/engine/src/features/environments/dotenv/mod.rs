//! An application's own variables, from its `.env` file or from this process, become a draft of an environment.
//!
//! Nothing of a value is ever in an error: it names the variable, its line and the kind of mistake.
mod database;
mod kind;
mod place;
mod reader;
mod services;
mod variables;

use std::path::Path;

use perfdeck_model::{ApiError, EnvironmentDraft, PoolSettings, TargetsDraft};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use variables::Variables;

/// Environment that variables describe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Described {
    /// Draft of the environment.
    pub draft: EnvironmentDraft,
    /// Notes for a person about it: parameters of addresses that only the application reads, and that were left out.
    pub notes: Vec<String>,
}

/// The draft that a `.env` file describes. `file` is its path or name, which may say what it is for
/// (`.env.production`). References such as `${NAME}` find what the file defines above them, and nothing else.
///
/// # Errors
/// When the text is no `.env` file, with the line; when a variable is malformed, with its name and line; when two
/// variables name different targets; when none names a target.
pub fn draft_from_dotenv(bytes: &[u8], file: Option<&Path>) -> Result<Described, ApiError> {
    from_file(bytes, file, &|_| None)
}

/// Draft as from [`draft_from_dotenv`], with this process's variables for references that the file leaves open. Only
/// for files that the owner of this process named: a caller from elsewhere must not read variables of this process.
///
/// # Errors
/// As [`draft_from_dotenv`].
pub fn draft_from_own_dotenv(bytes: &[u8], file: &Path) -> Result<Described, ApiError> {
    from_file(bytes, Some(file), &|name| std::env::var(name).ok())
}

/// The draft that variables of this process describe.
///
/// # Errors
/// As [`draft_from_dotenv`], without lines.
pub fn draft_from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Described, ApiError> {
    // Relative paths of files are from the folder that this process was started in.
    draft(&Variables::of_process(variables), None, std::env::current_dir().ok().as_deref())
}

fn from_file(
    bytes: &[u8],
    file: Option<&Path>,
    outside: &dyn Fn(&str) -> Option<String>,
) -> Result<Described, ApiError> {
    let read = reader::text(bytes).and_then(|text| reader::read(text, outside)).map_err(variables::refused)?;
    draft(&Variables::of_file(read), file, file.filter(|path| path.is_absolute()).and_then(Path::parent))
}

fn draft(variables: &Variables, file: Option<&Path>, folder: Option<&Path>) -> Result<Described, ApiError> {
    let name = file.map(|path| path.to_string_lossy());
    let kind = kind::kind(variables, name.as_deref())?;
    let mut targets = TargetsDraft::default();
    let mut notes = Vec::new();
    if let Some(mut place) = database::database(variables, folder)? {
        notes.append(&mut place.notes);
        (targets.database, targets.database_password) = place.draft();
    }
    if let Some(mut place) = services::cache(variables)? {
        notes.append(&mut place.notes);
        (targets.cache, targets.cache_password) = place.draft();
    }
    targets.cache_default_ttl_s = services::cache_ttl(variables)?;
    targets.api = services::api(variables)?;
    if targets.database.is_none() && targets.cache.is_none() && targets.api.is_none() {
        return Err(ApiError::bad_request("No target is named here").hint(
            "Perfdeck reads DATABASE_URL, REDIS_URL and API_BASE_URL, and the names of common frameworks, such as DB_HOST, \
             PGHOST, SPRING_DATASOURCE_URL",
        ));
    }
    let pool = services::pool(variables, PoolSettings::for_kind(kind))?;
    let draft = EnvironmentDraft { name: kind.as_str().to_owned(), kind, targets, pool: Some(pool), guards: None };
    Ok(Described { draft, notes })
}

#[cfg(test)]
mod tests;
