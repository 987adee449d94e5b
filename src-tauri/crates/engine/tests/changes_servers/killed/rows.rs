//! The states in which a change is when Perfdeck is killed.
use perfdeck_model::{ChangeOffer, ChangeState, Says};

use super::{Reach, What};

/// The engine of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Postgres,
    MariaDb,
    Sqlite,
}

/// What the next process does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Discard,
    /// Brings it to its end, and undoes it.
    Finish,
    /// Undoes it, or cleans up.
    Back,
}

/// One state. Somebody does something that keeps the change there, and it is there when a session waits at a statement.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) on: On,
    pub(super) what: What,
    pub(super) reach: Reach,
    /// What somebody does, one after the other, each followed by the statement at which it is; what was done before ends then.
    pub(super) held: &'static [(&'static str, &'static str)],
    pub(super) state: ChangeState,
    pub(super) says: Option<Says>,
    pub(super) offers: &'static [ChangeOffer],
    pub(super) end: End,
}

const WRITES: &str = "BEGIN; UPDATE t SET b = b";
const READS: &str = "BEGIN; SELECT * FROM t";
const CREATES: &str = "CREATE INDEX CONCURRENTLY%";
const DROPS: &str = "DROP INDEX CONCURRENTLY%";

use ChangeOffer::{Apply, CleanUp, Discard, Finish, Keep, Undo};
use ChangeState::{CutOff, Planned, Previewed, Verified};
use Says::{AsApplied, AsBefore, HalfDone};

/// A row of PostgreSQL that was cut off in its middle.
const fn half(
    (name, what, reach): (&'static str, What, Reach),
    held: &'static [(&'static str, &'static str)],
    end: End,
) -> Row {
    let (state, says, offers) = (CutOff, Some(HalfDone), &[Finish, CleanUp]);
    Row { name, on: On::Postgres, what, reach, held, state, says, offers, end }
}

/// A row of which nothing was done yet.
const fn nothing(
    (name, on, what): (&'static str, On, What),
    held: &'static [(&'static str, &'static str)],
    end: End,
) -> Row {
    let (state, says, offers, reach) = (CutOff, Some(AsBefore), &[Finish, Undo], Reach::Applied);
    Row { name, on, what, reach, held, state, says, offers, end }
}

/// A row of which all is done.
const fn done(name: &'static str, held: &'static [(&'static str, &'static str)]) -> Row {
    let (state, says, offers, end) = (Verified, Some(AsApplied), &[Keep, Undo], End::Back);
    Row { name, on: On::Postgres, what: What::Create, reach: Reach::Applied, held, state, says, offers, end }
}

/// All of them.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "being previewed",
        on: On::Postgres,
        what: What::Create,
        reach: Reach::Planned,
        held: &[("BEGIN; LOCK TABLE t", "%pg_table_size%")],
        state: Planned,
        says: None,
        offers: &[Discard],
        end: End::Discard,
    },
    Row {
        name: "previewed",
        on: On::Postgres,
        what: What::Create,
        reach: Reach::Planned,
        held: &[],
        state: Previewed,
        says: Some(AsBefore),
        offers: &[Apply, Discard],
        end: End::Discard,
    },
    nothing(
        ("preflight", On::Postgres, What::Create),
        &[("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE", "BEGIN; LOCK TABLE%")],
        End::Finish,
    ),
    half(("creating, to be finished", What::Create, Reach::Applied), &[(WRITES, CREATES)], End::Finish),
    half(("creating, to be cleaned up", What::Create, Reach::Applied), &[(WRITES, CREATES)], End::Back),
    done(
        "verifying",
        // Asking reads the constraints, building does not.
        &[(WRITES, CREATES), ("BEGIN; LOCK TABLE pg_catalog.pg_constraint", "%pg_constraint%")],
    ),
    done("verified", &[]),
    half(("undoing what was created", What::Create, Reach::Undone), &[(READS, DROPS)], End::Back),
    half(("dropping, to be finished", What::Drop, Reach::Applied), &[(READS, DROPS)], End::Finish),
    half(("dropping, to be cleaned up", What::Drop, Reach::Applied), &[(READS, DROPS)], End::Back),
    half(("undoing what was dropped", What::Drop, Reach::Undone), &[(WRITES, CREATES)], End::Finish),
    nothing(("MariaDB hides", On::MariaDb, What::Hide), &[(READS, "ALTER TABLE % ALTER INDEX%")], End::Finish),
    nothing(("MariaDB drops", On::MariaDb, What::Drop), &[(READS, "ALTER TABLE % DROP INDEX%")], End::Back),
    Row {
        name: "MariaDB creates",
        on: On::MariaDb,
        what: What::Create,
        reach: Reach::Applied,
        // The server goes on with it when nobody waits for it any more.
        held: &[("BEGIN", "ALTER TABLE % ADD INDEX%")],
        state: CutOff,
        says: Some(HalfDone),
        offers: &[Finish, CleanUp],
        end: End::Back,
    },
    nothing(("SQLite creates", On::Sqlite, What::Create), &[(READS, "")], End::Finish),
];
