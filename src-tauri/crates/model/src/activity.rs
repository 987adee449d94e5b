//! What a database does right now.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A session that runs a statement or holds a transaction open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunningStatement {
    /// The server's number of the session; what its kill statement takes.
    pub id: i64,
    /// User of the session.
    pub user: Option<String>,
    /// Database it works in.
    pub database: Option<String>,
    /// Name the client gave itself, where the server keeps one.
    pub application: Option<String>,
    /// The server's word for what it does, such as `active` or `idle in transaction`.
    pub state: String,
    /// What it waits for, such as `Lock: transactionid`.
    pub wait: Option<String>,
    /// Time since the statement began, in seconds.
    pub running_s: f64,
    /// Age of its transaction, in seconds.
    pub transaction_s: Option<f64>,
    /// Sessions that it waits for.
    pub blocked_by: Vec<i64>,
    /// Its statement with literals replaced by `?`, at most 2,000 characters.
    pub statement: String,
}
