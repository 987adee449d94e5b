//! What indexes do to the statements that write, one by one.
//!
//! A row that comes gets an entry in each index. An update gets one in none as long as it sets no column of any index and its page has room
//! (HOT, PostgreSQL); once it sets one it gets an entry in each of them, those that were there before among them.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_sqltext::Dialect;

use crate::candidates::Candidate;
use crate::catalogue::{Catalogue, Table};
use crate::concerns::finds_one;
use crate::estimate::{Estimate, of_one, selectivity};
use crate::index::{Index, Method};
use crate::predicates::Asked;
use crate::shape::{Shape, Written};
use crate::size::share;
use crate::workload::Workload;
use crate::writes::{ENTRY_MS, GIN_PARTS, UPDATED_MS, WriteCost};

/// What a statement that writes is taken to take at least where no times were measured, in milliseconds.
const UNTIMED_MS: f64 = 1.0;

/// What indexes do to a statement that writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteEffect {
    /// Place of the statement in the workload.
    pub statement: usize,
    /// What a call takes more, in milliseconds: its entries less what it saves by finding its rows.
    pub added_ms: f64,
    /// The same by what a call takes now: 0.1 is a tenth more. `None` where a call takes no time.
    pub change: Option<f64>,
    /// Share of the rows it updates that touch no index now (HOT) and would touch all of the table's, 0 to 1.
    pub hot_lost: f64,
}

/// What a statement writes of one table.
struct Writer {
    statement: usize,
    table: usize,
    calls: f64,
    /// What a call takes, in milliseconds of the workload's time.
    now_ms: f64,
    /// Milliseconds of the workload's time for one that passes: other than 1 where no times were measured.
    scale: f64,
    /// Rows of a call.
    rows: f64,
    what: What,
}

enum What {
    Insert,
    Delete,
    Update {
        columns: Vec<String>,
        /// Share of its rows that touch no index now.
        hot: f64,
    },
}

/// The statements of a workload that write, and what candidates would do to them.
pub struct Writing<'a> {
    catalogue: &'a Catalogue,
    candidates: &'a [Candidate],
    writers: Vec<Writer>,
    /// What each candidate costs all writers by the table's own counters, in milliseconds of the workload's time.
    counted: Vec<f64>,
}

impl<'a> Writing<'a> {
    /// Those of a workload. `costs` is what each candidate costs by the counters of its table.
    pub fn new(
        catalogue: &'a Catalogue,
        workload: &Workload,
        candidates: &'a [Candidate],
        costs: &[WriteCost],
    ) -> Self {
        let mut writers = Vec::new();
        let reckoned = Estimate::new(catalogue, workload, &[]);
        for (place, statement) in workload.statements.iter().enumerate().filter(|(_, s)| s.calls > 0.0) {
            for written in &statement.shape.written {
                let Some(rows) = rows_of(catalogue, &statement.shape, written) else { continue };
                let what = match &written.columns {
                    Some(columns) => {
                        let hot = hot_of(catalogue, workload, written.table, columns);
                        What::Update { columns: columns.clone(), hot }
                    }
                    None if written.deletes => What::Delete,
                    None => What::Insert,
                };
                let (calls, now_ms) = (statement.calls, statement.total_ms / statement.calls);
                let scale = if workload.is_timed() { 1.0 } else { now_ms / reckoned.ms(place).max(UNTIMED_MS) };
                writers.push(Writer { statement: place, table: written.table, calls, now_ms, scale, rows, what });
            }
        }
        let counted = costs.iter().map(|cost| cost.ms_per_day.unwrap_or(0.0) * workload.days).collect();
        Self { catalogue, candidates, writers, counted }
    }

    /// What writers pay for these candidates together, in milliseconds of the workload's time: of each table what its statements would, or
    /// what its counters say, whichever is more; the statements need not be all that write, and counters may be too young to tell.
    pub(crate) fn ms(&self, set: &BTreeSet<usize>) -> f64 {
        if set.is_empty() {
            return 0.0;
        }
        let mut tables: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for candidate in set {
            tables.entry(self.candidates[*candidate].index.table).or_default().0 += self.counted[*candidate];
        }
        for (table, (_, by_statements)) in &mut tables {
            let mut all: BTreeMap<usize, f64> = BTreeMap::new();
            for writer in self.writers.iter().filter(|w| w.table == *table) {
                let most = all.entry(writer.statement).or_default();
                *most = most.max(self.added(writer, set).0 * writer.calls);
            }
            *by_statements = all.values().sum();
        }
        tables.values().map(|(counted, by_statements)| counted.max(*by_statements)).sum()
    }

    /// What these candidates do together to each statement that writes, those first that are made slower the most; none that is not. `saved`
    /// has what a statement saves by finding its rows, in milliseconds of the workload's time.
    pub fn effects(&self, set: &BTreeSet<usize>, saved: impl Fn(usize) -> f64) -> Vec<WriteEffect> {
        let mut all: BTreeMap<usize, WriteEffect> = BTreeMap::new();
        for writer in &self.writers {
            let (added_ms, hot_lost) = self.added(writer, set);
            let added_ms = added_ms - saved(writer.statement).max(0.0) / writer.calls;
            let change = (writer.now_ms > 0.0).then(|| added_ms / writer.now_ms);
            let own = WriteEffect { statement: writer.statement, added_ms, change, hot_lost };
            let most = all.entry(writer.statement).or_insert(own);
            // A row of an upsert is either inserted or updated.
            if most.added_ms < added_ms {
                *most = own;
            }
        }
        let mut all: Vec<WriteEffect> = all.into_values().filter(|e| e.added_ms > 0.0).collect();
        all.sort_by(|a, b| b.change.unwrap_or(0.0).total_cmp(&a.change.unwrap_or(0.0)));
        all
    }

    /// Milliseconds that a call takes more, and the share of its rows that lose HOT.
    fn added(&self, writer: &Writer, set: &BTreeSet<usize>) -> (f64, f64) {
        let own = |c: &&usize| self.candidates[**c].index.table == writer.table;
        let indexes: Vec<&Index> = set.iter().filter(own).map(|c| &self.candidates[*c].index).collect();
        let table = &self.catalogue.tables[writer.table];
        let postgres = self.catalogue.dialect == Dialect::Postgres;
        let all: f64 = indexes.iter().map(|index| entries(table, index, &writer.what)).sum();
        let touches = |index: &&&Index| match &writer.what {
            What::Update { columns, .. } => self.has_one(index, columns),
            _ => true,
        };
        let (entries, lost) = match &writer.what {
            What::Insert => (all, 0.0),
            // VACUUM takes them away, later and all at once.
            What::Delete if postgres => (0.0, 0.0),
            What::Delete => (all, 0.0),
            What::Update { hot, .. } if postgres => {
                let ends = |index: &&&Index| touches(index) && !self.keeps_hot(index);
                let lost = if indexes.iter().any(|index| ends(&index)) { *hot } else { 0.0 };
                let there = table.indexes.iter().filter(|e| e.valid).count() as f64;
                ((1.0 - hot + lost) * all + lost * there, lost)
            }
            // The old entry goes, the new one comes, where its own columns are set.
            What::Update { .. } => {
                let set = indexes.iter().filter(touches);
                (2.0 * set.map(|index| entries(table, index, &writer.what)).sum::<f64>(), 0.0)
            }
        };
        let each = if matches!(writer.what, What::Update { .. }) { UPDATED_MS } else { ENTRY_MS };
        (writer.rows * entries * each * writer.scale, lost)
    }

    fn has_one(&self, index: &Index, columns: &[String]) -> bool {
        index.columns().iter().any(|own| columns.iter().any(|set| self.catalogue.same_name(own, set)))
    }

    /// BRIN is no reason to give up HOT from 16 on.
    fn keeps_hot(&self, index: &Index) -> bool {
        index.method == Method::Brin && self.catalogue.version >= 160_000
    }
}

/// Entries that a row which is written gets in an index, on average.
fn entries(table: &Table, index: &Index, what: &What) -> f64 {
    let parts = if index.method == Method::Gin { GIN_PARTS } else { 1.0 };
    let Some(predicate) = &index.predicate else { return parts };
    let part = share(table, predicate).unwrap_or(1.0);
    // Rows are born in the state that others are looked for in. To which one an update leads is not known: as often as there are such rows.
    let born = matches!(what, What::Insert) && predicate.asked != Asked::NotNull;
    parts * if born { 1.0 } else { part }
}

/// Rows that a call writes, as far as statistics tell; `None` where a query says which are inserted.
fn rows_of(catalogue: &Catalogue, shape: &Shape, written: &Written) -> Option<f64> {
    let table = &catalogue.tables[written.table];
    let Some(scan) = shape.scans.iter().find(|scan| scan.table == written.table) else {
        return shape.scans.is_empty().then_some(1.0);
    };
    if written.columns.is_none() && !written.deletes {
        return None;
    }
    let rows = table.rows?;
    if finds_one(table, scan).is_some() {
        return Some(1.0);
    }
    let kept: f64 = scan.conditions.iter().map(|p| selectivity(table, p)).product();
    let joined: f64 = scan.joins.iter().map(|(of, _)| of_one(table, of, rows)).product();
    Some((rows * kept * joined).max(1.0))
}

/// Share of the rows that an update of these columns writes which touch no index now. The server counts a table's updates together: those
/// that set a column of an index are taken for the ones that are not among them.
fn hot_of(catalogue: &Catalogue, workload: &Workload, table: usize, columns: &[String]) -> f64 {
    if catalogue.dialect != Dialect::Postgres {
        return 0.0;
    }
    let facts = &catalogue.tables[table];
    let indexed: Vec<&str> = facts.indexes.iter().flat_map(|e| e.index.columns()).collect();
    let can = |set: &[String]| !set.iter().any(|c| indexed.contains(&c.as_str()));
    if !can(columns) {
        return 0.0;
    }
    let (mut all, mut able) = (0.0, 0.0);
    for statement in &workload.statements {
        for set in statement.shape.written.iter().filter(|w| w.table == table).filter_map(|w| w.columns.as_ref()) {
            all += statement.calls;
            able += if can(set) { statement.calls } else { 0.0 };
        }
    }
    // Where nobody knows, all that can be.
    facts.hot.filter(|_| able > 0.0).map_or(1.0, |hot| (hot * all / able).min(1.0))
}
