//! Previews of changes: their figures by name, whom a change would wait for, and whom it keeps waiting.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Scheme, Unit};

/// Figure of a preview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewFigure {
    /// Another one, which its words alone tell: those of a change that an earlier Perfdeck stored.
    #[default]
    Other,
    /// Time that applying it takes.
    Time,
    /// Size of an index that is built.
    Size,
    /// Size of the table that a build reads.
    TableRead,
    /// Rows of that table.
    TableRows,
    /// Writes that would maintain an index that is built.
    WritesAdded,
    /// Share of the table's updates that touch no index now (HOT).
    HotUpdates,
    /// Space that is given back.
    SpaceFreed,
    /// Writes that maintain an index that goes.
    WritesSaved,
    /// Scans that used an index so far.
    Scans,
    /// Rows that were read by it so far.
    RowsRead,
    /// Scans of an index that the one that it repeats takes over.
    ScansTakenOver,
    /// Sessions that wait for nobody else.
    SessionsFreed,
    /// Rows whose writing is taken back.
    RowsRolledBack,
    /// Keys of a cache that go.
    Keys,
    /// Share of the database's keys that they are.
    KeysShare,
    /// Memory that they take.
    KeysMemory,
    /// Keys that cannot be brought back: too large for a snapshot.
    KeysOversized,
    /// Loads that the cache's source has more, at first.
    ExtraLoads,
}

impl PreviewFigure {
    /// The words shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Other => "Figure",
            Self::Time => "Time",
            Self::Size => "Size",
            Self::TableRead => "Table that is read",
            Self::TableRows => "Rows",
            Self::WritesAdded => "Writes that maintain it",
            Self::HotUpdates => "Updates that touch no index now",
            Self::SpaceFreed => "Space freed",
            Self::WritesSaved => "Writes saved",
            Self::Scans => "Scans of it so far",
            Self::RowsRead => "Rows read by it so far",
            Self::ScansTakenOver => "Scans that the other index takes over",
            Self::SessionsFreed => "Sessions freed at once",
            Self::RowsRolledBack => "Rows rolled back",
            Self::Keys => "Keys",
            Self::KeysShare => "Share of the database",
            Self::KeysMemory => "Memory of the keys",
            Self::KeysOversized => "Too large to be brought back",
            Self::ExtraLoads => "More loads of the source at first",
        }
    }

    /// Its unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::Time => Unit::Seconds,
            Self::Size | Self::TableRead | Self::SpaceFreed | Self::KeysMemory => Unit::Bytes,
            Self::WritesAdded | Self::WritesSaved | Self::ExtraLoads => Unit::PerSecond,
            Self::HotUpdates | Self::KeysShare => Unit::Ratio,
            Self::Other
            | Self::TableRows
            | Self::Scans
            | Self::RowsRead
            | Self::ScansTakenOver
            | Self::SessionsFreed
            | Self::RowsRolledBack
            | Self::Keys
            | Self::KeysOversized => Unit::Count,
        }
    }
}

/// One figure of a preview: predicted, and beside it what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PreviewRow {
    /// Which figure it is.
    #[serde(default)]
    pub figure: PreviewFigure,
    /// Name of the figure, such as "Space freed".
    pub what: String,
    /// Prediction, in `unit`; `None` when it cannot be known before.
    pub predicted: Option<f64>,
    /// Value measured while it was applied, in `unit`; `None` when it was not.
    pub came: Option<f64>,
    /// Unit of `predicted` and `came`.
    pub unit: Unit,
}

impl PreviewRow {
    /// A figure as it is predicted.
    pub fn new(figure: PreviewFigure, predicted: Option<f64>) -> Self {
        Self { figure, what: figure.as_str().to_owned(), predicted, came: None, unit: figure.unit() }
    }

    /// Whether it is this figure. One that an earlier Perfdeck stored is known by its words.
    pub fn is(&self, figure: PreviewFigure) -> bool {
        self.figure == figure || self.figure == PreviewFigure::Other && self.what == figure.as_str()
    }
}

/// A session whose transaction a change would wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct WaitedFor {
    /// Server's number of the session.
    pub pid: i64,
    /// What a person calls it: its application, else its user.
    pub name: String,
    /// Its state, in the server's words, such as `idle in transaction`.
    pub state: String,
    /// Age of its transaction, in seconds.
    pub age_s: f64,
}

/// Transactions that a change would wait for, as its preview found them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum WaitsFor {
    /// Each by its session, the oldest first: those that have been open for 5 s or more.
    Sessions {
        /// Sessions, at most five.
        sessions: Vec<WaitedFor>,
        /// Those beyond.
        left_out: u32,
    },
    /// All that are open; it waits for those of them that use the table.
    Open {
        /// How many there are.
        transactions: u32,
        /// Age of the oldest, in seconds.
        oldest_s: Option<f64>,
    },
    /// This user may not see them.
    Hidden,
}

/// Whom the build of an index keeps waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuildLock {
    /// VACUUM, ANALYZE, ALTER and other builds of the table; nobody who reads or writes (PostgreSQL, `SHARE UPDATE EXCLUSIVE`).
    ShareUpdateExclusive,
    /// ALTER of the table, and everybody for a moment at both ends (MySQL and MariaDB, in place without a lock).
    InPlace,
    /// All who write to the file (SQLite, one transaction).
    Writers,
}

impl BuildLock {
    /// The lock of an engine's build; `None` of what has no indexes.
    pub fn of(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Postgres => Some(Self::ShareUpdateExclusive),
            Scheme::Mysql | Scheme::Mariadb => Some(Self::InPlace),
            Scheme::Sqlite => Some(Self::Writers),
            Scheme::Redis | Scheme::Memory | Scheme::Http | Scheme::Https | Scheme::Ssh | Scheme::Prometheus => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_an_earlier_version_stored_is_known_by_its_words() {
        let old = r#"{"what":"Table that is read","predicted":8192.0,"came":null,"unit":"bytes"}"#;
        let row: PreviewRow = serde_json::from_str(old).expect("it loads");
        assert_eq!(row.figure, PreviewFigure::Other);
        assert!(row.is(PreviewFigure::TableRead) && !row.is(PreviewFigure::TableRows), "{row:?}");
        let new = PreviewRow::new(PreviewFigure::TableRead, Some(8192.0));
        assert!(new.is(PreviewFigure::TableRead) && !new.is(PreviewFigure::Other), "{new:?}");
        assert_eq!((new.what, new.unit), (row.what, row.unit), "the same words and unit");
    }

    #[test]
    fn a_change_that_an_earlier_version_stored_loads() {
        let old = r#"{"id":"c","kind":"create_index","environment_id":"e","environment":"shop","target":"database",
            "object":"public.i","title":"Create `public.i`","statement":"CREATE","undo_statement":"DROP","undo_cost":null,
            "state":"previewed","held":false,"steps":[],"preview":[{"what":"Size","predicted":1.0,"came":null,"unit":"bytes"}],
            "notes":["It would wait for session 7 (a, active), whose transaction is open for 6.00 s"],"offers":[],
            "target_says":null,"checked_ms":null,"ends_ms":null,"created_ms":1.0,"updated_ms":1.0,"error":null}"#;
        let change: crate::Change = serde_json::from_str(old).expect("it loads");
        assert_eq!(
            (change.waits, change.lock, change.notes.len()),
            (None, None, 1),
            "what it did not keep is not known"
        );
    }
}
