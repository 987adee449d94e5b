//! Present activity of a database: its sessions, who waits for whom, and the maintenance that runs.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Activity of a database at one moment, as its server told it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseActivity {
    /// Time of the reading, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Time of the oldest reading that is still kept beside this one, in milliseconds since the Unix epoch; `null` where none
    /// is kept.
    pub kept_from_ms: Option<f64>,
    /// Sessions of clients, those that wait for a lock first, then those that do something, then the idle ones; at most 2,000.
    pub sessions: Vec<DatabaseSession>,
    /// Sessions of clients that are not listed, because there are more than 2,000.
    pub left_out: u32,
    /// Transactions that were prepared for a two-phase commit and have neither been committed nor rolled back.
    pub prepared: Vec<PreparedTransaction>,
    /// Sessions that wait for locks, below those that hold them.
    pub blocking: Blocking,
    /// Maintenance that runs now, such as a vacuum.
    pub maintenance: Vec<Maintenance>,
    /// Sessions of other users that hide what they do from this user; `null` where the server does not tell how many.
    /// Without sessions and with hidden ones it is not known whether anything runs.
    pub hidden: Option<u32>,
    /// Statement that lets this user see them, to be run by an administrator.
    pub grant: Option<String>,
}

/// Class of what a session does or waits for, as the lane of waits has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitClass {
    /// It runs and waits for nothing that the server tells.
    Cpu,
    /// It waits for the disk.
    Io,
    /// It waits for a lock.
    Lock,
    /// It waits for something else.
    Other,
    /// It waits for its client.
    #[default]
    Idle,
}

/// Session of a client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabaseSession {
    /// Server's number of the session, as its statement that ends one takes it.
    pub pid: i64,
    /// Object of the changes `cancel_statement` and `terminate_session`: the number and the session's start, so that a later
    /// session of the same number is never meant.
    pub object: String,
    /// Time at which the session began, in milliseconds since the Unix epoch by the server's clock; `null` where the server
    /// does not tell.
    pub started_ms: Option<f64>,
    /// User of the session.
    pub user: Option<String>,
    /// Database the session works in.
    pub database: Option<String>,
    /// Name the client gave itself, where the server keeps one.
    pub application: Option<String>,
    /// Address of the client, or `local` for a socket of the server's machine.
    pub client: Option<String>,
    /// Server's word for the session's state, such as `active` or `idle in transaction`.
    pub state: String,
    /// Class of what it does or waits for.
    pub wait_class: WaitClass,
    /// Event the session waits for, such as `Lock: transactionid`.
    pub wait: Option<String>,
    /// Time for which it has been in this state, in seconds; `null` where the server does not follow what it does
    /// (`track_activities`).
    pub age_s: Option<f64>,
    /// Time since its statement began, in seconds; of an idle session its last one.
    pub statement_s: Option<f64>,
    /// Age of its transaction, in seconds; `null` outside of one.
    pub transaction_s: Option<f64>,
    /// Transactions that began since its own took its snapshot or its number (PostgreSQL): none of what they delete can be
    /// cleaned up.
    pub xids: Option<f64>,
    /// Whether its transaction has written; `null` where the server does not tell.
    pub wrote: Option<bool>,
    /// Rows that its transaction has written (InnoDB).
    pub rows_written: Option<f64>,
    /// Row locks that its transaction holds, by InnoDB's own estimate.
    pub rows_locked: Option<f64>,
    /// Server's numbers of the sessions that it waits for, at most 64; 0 is a prepared transaction.
    pub blocked_by: Vec<i64>,
    /// Further sessions that it waits for and that are not listed.
    pub blocked_by_more: u32,
    /// Time for which it has been waiting for a lock, in seconds.
    pub waits_s: Option<f64>,
    /// Object whose lock it waits for, such as "a row of public.payments".
    pub waits_for: Option<String>,
    /// Sessions that wait for it, directly or behind one another.
    pub holds_up: u32,
    /// Statement with literals replaced by `?`, at most 2,000 characters, of an idle session at most 200; empty where it
    /// has none.
    pub statement: String,
    /// Whether the statement has ended: the session ran it before it went idle.
    pub ended: bool,
}

/// Transaction that was prepared for a two-phase commit: it holds its locks, also over a restart, and has no session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PreparedTransaction {
    /// Its identifier, as `ROLLBACK PREPARED` takes it.
    pub gid: String,
    /// User who prepared it.
    pub user: Option<String>,
    /// Database that it is in.
    pub database: Option<String>,
    /// Time since it was prepared, in seconds.
    pub age_s: f64,
    /// Transactions that began since.
    pub xids: Option<f64>,
    /// Sessions that wait for it, directly or behind one another.
    pub holds_up: u32,
    /// Only statement that ends it without its changes, to be run by its owner or a superuser in its database.
    pub rollback: String,
}

/// Who waits for whom, as rows of a tree: a row's children follow it with a greater depth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Blocking {
    /// Holders that wait for nobody, and circles.
    pub roots: u32,
    /// Sessions that wait for a lock that another one holds.
    pub waiting: u32,
    /// Sessions that wait for a lock whose holder the server does not tell.
    pub unknown: u32,
    /// Statement after which the server tells it, where there is one.
    pub reveal: Option<String>,
    /// Longest of all waits, in seconds.
    pub longest_s: Option<f64>,
    /// Rows, the root that holds up the most sessions first; at most 500.
    pub rows: Vec<BlockingRow>,
    /// Rows that are not listed.
    pub left_out: u32,
    /// Ways to end it, those that free the most first.
    pub actions: Vec<BlockingAction>,
}

/// Row of the tree of sessions that wait for locks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct BlockingRow {
    /// Server's number of the session; 0 for a prepared transaction.
    pub pid: i64,
    /// Identifier of a prepared transaction, where it is known which one it is.
    pub gid: Option<String>,
    /// Name of it: the application, the user, or what the server calls it. `null` where this user may not see it.
    pub name: Option<String>,
    /// Distance from its root, which has 0.
    pub depth: u32,
    /// Whether it is part of a circle: a deadlock that the server will end by cancelling one of them.
    pub deadlock: bool,
    /// Whether it stands under another holder too, further up; what waits for it is listed there.
    pub again: bool,
    /// Sessions that wait for it, directly or behind one another.
    pub holds_up: u32,
    /// Sessions that would wait for nobody else if it ended.
    pub frees: u32,
    /// Longest wait of those that wait for it, in seconds.
    pub longest_s: Option<f64>,
    /// Object whose lock it waits for, such as "a row of public.payments"; `null` for a root.
    pub waits_for: Option<String>,
    /// Time for which it has been waiting, in seconds; `null` for a root.
    pub waits_s: Option<f64>,
    /// Others that it waits for beside the one that it stands under.
    pub also: Vec<i64>,
}

/// Something that can be done about sessions that wait, with what it frees and costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct BlockingAction {
    /// Kind of the change that does it: `cancel_statement` or `terminate_session`; `null` where Perfdeck does not do it.
    pub kind: Option<String>,
    /// Object of the change.
    pub object: String,
    /// Server's number of the session; 0 for a prepared transaction.
    pub pid: i64,
    /// Words of its button, such as "Terminate 51877".
    pub label: String,
    /// Sessions that would wait for nobody else; `null` where it cannot be done.
    pub frees: Option<u32>,
    /// Price of it, or the reason why it cannot be done, in words.
    pub costs: String,
    /// Whether it can be done.
    pub possible: bool,
    /// Statement that does it, where only a person can run it.
    pub statement: Option<String>,
}

/// Maintenance that runs, such as a vacuum or an index build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Maintenance {
    /// Server's number of the session that does it.
    pub pid: i64,
    /// Kind of it in words, such as "Autovacuum" or "Create index".
    pub kind: String,
    /// Table or index, where it is one of this database.
    pub object: Option<String>,
    /// Server's word for what it does at this moment, such as "scanning heap".
    pub phase: String,
    /// Work done in this phase, in `unit`.
    pub done: Option<f64>,
    /// All work of this phase, in `unit`; `null` where the server does not tell or has not counted it yet.
    pub total: Option<f64>,
    /// What is counted: "blocks", "bytes", "percent" and the like.
    pub unit: String,
    /// Time since it began, in seconds.
    pub elapsed_s: Option<f64>,
    /// Time that it still takes in this phase, in seconds, at the pace of its last minute; `null` where it was seen for less than
    /// 10 s, does not go on, waits, or where its pace changed to more than twice or less than half meanwhile.
    pub left_s: Option<f64>,
    /// Session that it waits for.
    pub waits_for: Option<i64>,
}
