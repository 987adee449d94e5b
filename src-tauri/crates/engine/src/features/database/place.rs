//! Which database of which environment something that is kept is of.
use perfdeck_model::{ApiError, DEMO_ENVIRONMENT_ID, Environment, ErrorCode};

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
