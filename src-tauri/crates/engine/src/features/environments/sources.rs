//! Where the secrets of an environment's targets come from.
use perfdeck_model::masking;
use perfdeck_model::{ApiError, Environment, SecretSource, TargetRole};

/// Checks the name of an environment variable that holds a secret.
pub(crate) fn variable_name(role: TargetRole, name: String) -> Result<String, ApiError> {
    let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !word || name.bytes().next().is_some_and(|b| b.is_ascii_digit()) || masking::is_secret_value(&name) {
        return Err(ApiError::bad_request(format!(
            "The secret of the {} is not named by an environment variable",
            role.as_str()
        ))
        .hint("Give the name of the variable, such as DATABASE_PASSWORD, not its value"));
    }
    Ok(name)
}

/// Source of the secret of a target.
pub(crate) fn secret_source(environment: &Environment, role: TargetRole) -> SecretSource {
    let t = &environment.targets;
    match role {
        TargetRole::Database => t.database.as_ref().map(|d| d.password.clone()),
        TargetRole::Cache => t.cache.as_ref().map(|c| c.password.clone()),
        TargetRole::Api => t.api.as_ref().map(|a| a.authorization.clone()),
        TargetRole::Host => t.host.as_ref().map(|h| h.secret.clone()),
        TargetRole::Frontend => None,
    }
    .unwrap_or_default()
}
