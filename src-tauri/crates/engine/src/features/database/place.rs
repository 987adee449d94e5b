//! Which database of which environment something that is kept is of.
use perfdeck_model::{ApiError, DEMO_ENVIRONMENT_ID, Environment, ErrorCode};
use serde::de::DeserializeOwned;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, Type};

/// One database of one environment: what another address has had is not its past.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) environment_id: String,
    pub(crate) target: String,
}

/// The database of an environment.
///
/// # Errors
/// When it has none.
pub(crate) fn place_of(environment: &Environment) -> Result<Place, ApiError> {
    let environment_id = environment.id.clone();
    // The demo has no address before it is opened, its folder may move, and it is the same demo.
    if environment_id == DEMO_ENVIRONMENT_ID {
        return Ok(Place { target: environment_id.clone(), environment_id });
    }
    let Some(database) = &environment.targets.database else {
        return Err(ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
            .hint("Add one in the environment's editor"));
    };
    Ok(Place { environment_id, target: database.address.short() })
}

/// What is kept of a place: rows of a name or time and a document. One that is damaged is left out, and the log says so.
pub(crate) fn kept<'r, K, D>(rows: &'r [SqliteRow]) -> impl Iterator<Item = (K, D)> + 'r
where
    K: Decode<'r, Sqlite> + Type<Sqlite> + 'r,
    D: DeserializeOwned + 'r,
{
    rows.iter().filter_map(|row| {
        let doc = row.try_get::<&str, _>(1).ok().and_then(|doc| serde_json::from_str(doc).ok());
        let read = row.try_get(0).ok().zip(doc);
        if read.is_none() {
            tracing::warn!("a document that is kept of a database cannot be read and is left out");
        }
        read
    })
}
