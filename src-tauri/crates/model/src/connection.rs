//! Results of *Test connection* and of looking for services on this machine.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, TargetRole};

/// A stage of a connection test, in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The address could be understood.
    Address,
    /// Name resolution, with the addresses found.
    Dns,
    /// TCP connection.
    Tcp,
    /// TLS handshake, with the certificate's names and expiry.
    Tls,
    /// Credentials.
    Authentication,
    /// Server version, or the answer's status line for an API.
    Version,
    /// Privileges that monitoring needs.
    Privileges,
    /// Extensions and server settings that monitoring profits from.
    Extensions,
    /// A SQLite file's existence and readability.
    File,
}

/// Outcome of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// Holds.
    Ok,
    /// Works, but something is missing; the fix says what to run.
    Warning,
    /// Failed; later stages were not tried.
    Failed,
    /// Does not apply, or an earlier stage failed.
    Skipped,
}

/// One stage of a connection test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ConnectionStage {
    /// Name of the stage.
    pub stage: StageName,
    /// Outcome of the stage.
    pub outcome: StageOutcome,
    /// Findings in words: addresses, versions, missing privileges.
    pub detail: String,
    /// The exact statement or setting to apply, ready to copy.
    pub fix: Option<String>,
    /// Time taken, in milliseconds.
    pub elapsed_ms: f64,
}

/// The result of testing one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ConnectionReport {
    /// Role of the target.
    pub role: TargetRole,
    /// Address of the target without credentials.
    pub address: String,
    /// Whether it can be used (warnings allowed).
    pub ok: bool,
    /// The stages in order.
    pub stages: Vec<ConnectionStage>,
    /// Server product and version, when it was reached.
    pub version: Option<String>,
    /// The failure, when one stage failed.
    pub error: Option<ApiError>,
}

/// A service found on this machine's loopback interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct FoundService {
    /// Role of the target it would be.
    pub role: TargetRole,
    /// Product and version as far as they show without credentials, such as "PostgreSQL" or "Valkey 8.1".
    pub product: String,
    /// `host:port`, or the path of a SQLite file.
    pub address: String,
    /// Facts known of it: "needs a password", "open, 12 400 keys", "answers in 4 ms".
    pub detail: String,
    /// The URL to connect with.
    pub url: String,
}
