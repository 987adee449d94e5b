//! What ranks findings about indexes: the share of the database that they concern.
use perfdeck_words as words;

use crate::indexes::facts::{Index, IndexReading};

/// Sums of a reading, of which findings are shares.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whole {
    /// Bytes of all indexes.
    bytes: f64,
    /// Entries that were written to all of them.
    written: f64,
    /// Rows of all tables.
    rows: f64,
    /// Rows that were read by scans of whole tables.
    scan_rows: f64,
}

impl Whole {
    pub(crate) fn of(reading: &IndexReading) -> Self {
        let written = |index: &Index| reading.tables.get(&index.identity.table).and_then(|t| t.entries_written);
        let tables = reading.tables.values();
        Self {
            // Those of partitioned tables have the bytes of their parts.
            bytes: reading.indexes.iter().filter(|i| !i.identity.partitioned).filter_map(|i| i.done.bytes).sum(),
            written: reading.indexes.iter().filter_map(written).sum(),
            rows: tables.clone().filter_map(|t| t.rows).sum(),
            scan_rows: tables.filter_map(|t| t.scan_rows).sum(),
        }
    }

    /// Share that some bytes, and an index with them, have of all indexes, with the sentence that says so.
    pub(crate) fn burden(&self, bytes: Option<f64>, written: Option<f64>) -> (f64, String) {
        let size = share(bytes, self.bytes);
        let writes = share(written, self.written);
        let part = match (size, writes) {
            (Some(a), Some(b)) => f64::midpoint(a, b),
            (a, b) => a.or(b).unwrap_or(0.0),
        };
        let of = |part: Option<f64>, what: &str| part.map(|part| format!("{} of {what}", words::share(part)));
        let told = [of(size, "the bytes of all indexes"), of(writes, "what is written to them")];
        let told: Vec<String> = told.into_iter().flatten().collect();
        let sentence = match told.as_slice() {
            [] => "nothing tells its size or its writes".to_owned(),
            all => format!("it is {}", all.join(" and ")),
        };
        (part, sentence)
    }

    /// Share of all rows.
    pub(crate) fn rows(&self, rows: Option<f64>) -> f64 {
        share(rows, self.rows).unwrap_or(0.0)
    }

    /// Share that rows which would be read have of those and of all that were read by scans.
    pub(crate) fn reads(&self, rows: f64) -> f64 {
        share(Some(rows), rows + self.scan_rows).unwrap_or(0.0)
    }
}

fn share(part: Option<f64>, whole: f64) -> Option<f64> {
    part.filter(|_| whole > 0.0).map(|part| (part / whole).clamp(0.0, 1.0))
}
