//! What the sessions of a database do now, who waits for whom, and the maintenance that runs.
//!
//! Invariants: of who waits for whom one reading is one message to PostgreSQL, and so one transaction; it works through poolers,
//! takes no lock and calls no function of sizes. Statements have no literals. Perfdeck's own sessions are in none of it. A reading tells
//! facts ([`ActivityFacts`]); the tree is made of them when somebody asks, so that they are cheap to keep.
mod actions;
mod doubt;
mod end;
mod facts;
mod findings;
mod left;
mod maintenance;
mod metadata;
mod mysql;
mod postgres;
mod reader;
mod texts;
mod tree;
mod xa;

pub use end::{EndPlan, EndState, end_session, end_state, freed_now, plan_end};
pub use facts::ActivityFacts;
pub use findings::Long;
pub(crate) use findings::findings;
pub use left::tell_left;
pub use reader::ActivityReader;
pub(crate) use reader::{State, read_on};

/// The kind of change that ends a statement; its session stays.
pub const CANCEL: &str = "cancel_statement";
/// The kind of change that ends a session.
pub const TERMINATE: &str = "terminate_session";

/// Sessions that one reading lists.
const SESSIONS: usize = 2_000;
/// Sessions whose holders are asked for in one reading: asking takes the server's locks on its table of locks for a moment.
const WAITERS: usize = 500;
/// Holders of one session that are told.
const HOLDERS: usize = 64;
