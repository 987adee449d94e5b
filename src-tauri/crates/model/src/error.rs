//! The one error shape that crosses a boundary.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Kind of a failure. A variant exists only where the UI or `perfctl` acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request was malformed or out of range; the message names the field.
    BadRequest,
    /// The named thing does not exist.
    NotFound,
    /// The thing exists already or was changed meanwhile.
    Conflict,
    /// A guard of the environment refused it; the hint says how to proceed.
    Guarded,
    /// The target did not answer in time.
    Timeout,
    /// The target could not be reached (name, route, port).
    Unreachable,
    /// The target refused the credentials.
    Authentication,
    /// The credentials work but lack a privilege; the hint has the statement to run.
    Privilege,
    /// The TLS handshake or certificate failed.
    Tls,
    /// A secret is needed and is not available.
    SecretMissing,
    /// The caller cancelled it.
    Cancelled,
    /// The local store or the disk failed.
    Storage,
    /// The local store was written by a newer Perfdeck.
    NewerStore,
    /// This target or platform cannot do it.
    Unsupported,
    /// A defect in Perfdeck; the log has the details.
    Internal,
}

/// Remedy where a face has a way of its own to do it: an option of `perfctl`, a button of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// To unlock the environment.
    Unlock,
    /// To type the environment's name.
    Confirm,
    /// To name the variable that holds a password.
    PasswordVariable,
    /// To name an environment.
    NameEnvironment,
    /// To look which environments there are.
    ListEnvironments,
    /// To store an environment.
    AddEnvironment,
    /// To remove an environment.
    RemoveEnvironment,
    /// To check a plan.
    CheckPlan,
    /// To name what may differ between the sides of a comparison.
    NameDifference,
    /// To look at the benchmark that runs.
    ShowBenchmark,
}

/// A failure as shown to a person: what failed and on which target, and what to do about it.
///
/// The cause chain goes to the log, never here; neither do secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ApiError {
    /// Kind of the failure.
    pub code: ErrorCode,
    /// Failed action and its target; one sentence without a final full stop.
    pub message: String,
    /// Action to take: the exact grant, setting or command.
    pub hint: Option<String>,
    /// Part of the hint that a face can do in a way of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub remedy: Option<Remedy>,
    /// Whether trying again unchanged can succeed.
    pub retryable: bool,
}

impl ApiError {
    /// A failure that is not worth retrying unchanged, without a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            remedy: None,
            retryable: matches!(code, ErrorCode::Timeout | ErrorCode::Unreachable),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names what a face can do about it in a way of its own.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Shorthand for [`ErrorCode::BadRequest`].
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// Shorthand for [`ErrorCode::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// Shorthand for [`ErrorCode::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}
