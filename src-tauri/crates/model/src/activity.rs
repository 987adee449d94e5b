//! Present activity of a database.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Activity of a database now: sessions that run, and the number of those that this user may not see into.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseActivity {
    /// Sessions that do something, longest-running first, at most 50.
    pub statements: Vec<RunningStatement>,
    /// Sessions of other users that hide what they do from this user; `null` where the server does not tell how many.
    /// Without statements and with hidden sessions it is not known whether anything runs.
    pub hidden: Option<u32>,
    /// Statement that lets this user see them, to be run by an administrator.
    pub grant: Option<String>,
}

/// A session that runs a statement or holds a transaction open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunningStatement {
    /// Server's number of the session, as its kill statement takes it.
    pub id: i64,
    /// User of the session.
    pub user: Option<String>,
    /// Database the session works in.
    pub database: Option<String>,
    /// Name the client gave itself, where the server keeps one.
    pub application: Option<String>,
    /// Server's word for the session's state, such as `active` or `idle in transaction`.
    pub state: String,
    /// Event the session waits for, such as `Lock: transactionid`.
    pub wait: Option<String>,
    /// Time since the statement began, in seconds.
    pub running_s: f64,
    /// Age of its transaction, in seconds.
    pub transaction_s: Option<f64>,
    /// Server's numbers of the sessions that it waits for.
    pub blocked_by: Vec<i64>,
    /// Statement with literals replaced by `?`, at most 2,000 characters.
    pub statement: String,
}
