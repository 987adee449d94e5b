//! What a database does right now.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What runs in a database now, and how much of it this user may not see.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseActivity {
    /// Sessions that do something, longest-running first, at most 50.
    pub statements: Vec<RunningStatement>,
    /// Sessions of other users that hide what they do from this user; `null` where the server does not tell how many.
    /// Without statements and with hidden sessions it is not known whether anything runs.
    pub hidden: Option<u32>,
    /// The statement that lets this user see them, to be run by an administrator.
    pub grant: Option<String>,
}

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
