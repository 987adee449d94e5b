//! Costs by statistics alone, for servers where no index can be simulated: what a reading reads with the best of its indexes.
//!
//! It knows pages, rows and shares, and no more: no memory, and of the orders of joins those that are cheapest step by step. It ranks; it
//! does not predict.
use std::collections::BTreeSet;

use perfdeck_model::{ApiError, BoxFuture};
use perfdeck_sqltext::Dialect;

use crate::candidates::Candidate;
use crate::catalogue::{Catalogue, Table, TypeClass};
use crate::index::{Index, Key, KeyOf, Method};
use crate::oracle::{Cost, Oracle, Question, Used, Worth};
use crate::predicates::{Asked, Predicate, wildcard};
use crate::scalar::Scalar;
use crate::shape::Scan;
use crate::size::share;
use crate::workload::Workload;

/// What PostgreSQL takes for a page that is read out of order, a row and a comparison, with a page in order as 1.
const RANDOM: f64 = 4.0;
const ROW: f64 = 0.01;
const COMPARISON: f64 = 0.0025;
/// Milliseconds of a cost of 1 where everything is in memory: 200,000 rows of 2,600 pages, 5,100 in all, were gone through in 10.6 ms
/// (PostgreSQL 15).
const COST_MS: f64 = 0.002;
/// Share of rows that a bound leaves where nothing is known of it (`DEFAULT_RANGE_INEQ_SEL`, `DEFAULT_INEQ_SEL`).
const RANGE: f64 = 0.1;
/// Rows that a limit asks for whose number is a parameter.
const FEW: f64 = 10.0;
/// Share that one value has where nothing is known.
const ONE: f64 = 0.005;

/// Readings of a statement whose order is looked for.
const MOST_JOINED: usize = 8;

/// An oracle by statistics.
pub struct Estimate<'a> {
    catalogue: &'a Catalogue,
    workload: &'a Workload,
    candidates: &'a [Candidate],
}

impl<'a> Estimate<'a> {
    /// One for these candidates of a workload.
    pub fn new(catalogue: &'a Catalogue, workload: &'a Workload, candidates: &'a [Candidate]) -> Self {
        Self { catalogue, workload, candidates }
    }

    /// What a call of a statement takes now, in milliseconds.
    pub(crate) fn ms(&self, statement: usize) -> f64 {
        self.cost(&Question { statement, parameters: 0, candidates: BTreeSet::new() }).total * COST_MS
    }

    fn cost(&self, question: &Question) -> Cost {
        let scans = &self.workload.statements[question.statement].shape.scans;
        let joined = scans.iter().any(|scan| !scan.joins.is_empty());
        if !joined || scans.len() > MOST_JOINED {
            let mut cost = Cost::default();
            scans.iter().for_each(|scan| add(&mut cost, self.scan(scan, question), 1.0));
            return cost;
        }
        let all = (0..scans.len()).map(|first| self.in_order(scans, first, question));
        all.min_by(|a, b| a.total.total_cmp(&b.total)).unwrap_or_default()
    }

    /// The cost of loops within each other that begin with this reading; the cheapest one comes next.
    fn in_order(&self, scans: &[Scan], first: usize, question: &Question) -> Cost {
        let (mut cost, mut read, mut rows) = (Cost::default(), Vec::new(), 1.0);
        let mut next = Some(first);
        while let Some(at) = next {
            let scan = &scans[at];
            let alone = Scan { joins: Vec::new(), ..scan.clone() };
            let linked = Scan { joins: to(scan, &read), ..scan.clone() };
            let once = self.scan(&alone, question);
            let probe = self.scan(&linked, question);
            // Rows of a reading that finds nothing by what was read are kept and compared with each.
            let compared = rows * self.kept(&alone) * COMPARISON;
            if linked.joins.is_empty() || once.total + compared < probe.total * rows {
                add(&mut cost, once, 1.0);
                cost.total += if read.is_empty() { 0.0 } else { compared };
            } else {
                add(&mut cost, probe, rows);
            }
            rows = (rows * self.kept(&linked)).max(1.0);
            read.push(at);
            let open = (0..scans.len()).filter(|at| !read.contains(at));
            let of = |at: &usize| {
                let linked = Scan { joins: to(&scans[*at], &read), ..scans[*at].clone() };
                (linked.joins.is_empty(), self.scan(&linked, question).total)
            };
            next = open
                .map(|at| (of(&at), at))
                .min_by(|a, b| a.0.0.cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)))
                .map(|n| n.1);
        }
        cost
    }

    /// Rows that a reading leaves.
    fn kept(&self, scan: &Scan) -> f64 {
        let table = &self.catalogue.tables[scan.table];
        let rows = table.rows.unwrap_or(1_000.0);
        let joined: f64 = scan.joins.iter().map(|(of, _)| of_one(table, of, rows)).product();
        rows * joined * scan.conditions.iter().map(|p| selectivity(table, p)).product::<f64>()
    }

    /// The indexes that are there and those that are asked about.
    fn indexes<'q>(&'q self, table: usize, question: &'q Question) -> impl Iterator<Item = (Used, &'q Index)> {
        let candidates = question.candidates.iter().map(|c| (Used::Candidate(*c), &self.candidates[*c].index));
        let all = &self.catalogue.tables[table].indexes;
        let existing = all.iter().filter(|e| e.valid && e.unknown_predicate.is_none());
        let existing = existing.map(|e| (Used::Existing(e.name.clone()), &e.index));
        existing.chain(candidates).filter(move |(_, index)| index.table == table)
    }

    /// The rows of the branches of an `OR` put together, each found by an index of its own; `None` where one has none.
    fn of_branches(&self, scan: &Scan, group: &[Vec<Predicate>], question: &Question) -> Option<Cost> {
        let table = &self.catalogue.tables[scan.table];
        let rows = table.rows.unwrap_or(1_000.0);
        let mut cost = Cost::default();
        for branch in group {
            let conditions = branch.iter().chain(&scan.conditions).cloned().collect();
            let one = Scan { conditions, sort: Vec::new(), limited: false, alternatives: Vec::new(), ..scan.clone() };
            let kept: f64 = one.conditions.iter().map(|p| selectivity(table, p)).product();
            let own = |index: &Index| {
                let first = index.keys.first().and_then(scalar);
                first.is_some_and(|first| branch.iter().any(|p| p.of == first))
            };
            let all = self.indexes(scan.table, question).filter(|(_, index)| own(index));
            let found = all.filter_map(|(used, index)| {
                Some((by_index(&one, table, rows, kept, index, &|_| 0.0, self.catalogue.dialect)?.0, used))
            });
            let (total, used) = found.min_by(|a, b| a.0.total_cmp(&b.0))?;
            cost.total += total;
            cost.used.push(used);
        }
        Some(cost)
    }

    fn scan(&self, scan: &Scan, question: &Question) -> Cost {
        let table = &self.catalogue.tables[scan.table];
        let rows = table.rows.unwrap_or(1_000.0);
        let kept: f64 = scan.conditions.iter().map(|p| selectivity(table, p)).product();
        let sorting =
            |rows: f64| if scan.sort.is_empty() { 0.0 } else { rows * rows.max(2.0).log2() * COMPARISON * 2.0 };
        let all = table.pages + rows * (ROW + COMPARISON) + sorting(rows * kept);
        let mut best = Cost { total: all, ..Cost::default() };
        for (used, index) in self.indexes(scan.table, question) {
            if let Some((total, unstopped)) = by_index(scan, table, rows, kept, index, &sorting, self.catalogue.dialect)
                && total < best.total
            {
                best = Cost { total, unstopped, used: vec![used] };
            }
        }
        for group in &scan.alternatives {
            if let Some(cost) = self.of_branches(scan, group, question)
                && cost.total + sorting(rows * kept) < best.total
            {
                best = Cost { total: cost.total + sorting(rows * kept), ..cost };
            }
        }
        best
    }
}

/// Adds a cost that comes so often.
fn add(sum: &mut Cost, cost: Cost, times: f64) {
    sum.total += cost.total * times;
    if let Some(all) = cost.unstopped {
        sum.unstopped = Some(sum.unstopped.unwrap_or(0.0) + all * times);
    }
    sum.used.extend(cost.used);
}

/// Joins of a reading to those that were read before it.
fn to(scan: &Scan, read: &[usize]) -> Vec<(Scalar, usize)> {
    scan.joins.iter().filter(|(_, other)| read.contains(other)).cloned().collect()
}

/// Cost by an index, and what it would be if no end came early; `None` where the index is of no use.
fn by_index(
    scan: &Scan,
    table: &Table,
    rows: f64,
    kept: f64,
    index: &Index,
    sorting: &dyn Fn(f64) -> f64,
    dialect: Dialect,
) -> Option<(f64, Option<f64>)> {
    if index.predicate.as_ref().is_some_and(|p| !scan.conditions.contains(p)) {
        return None;
    }
    let part = index.predicate.as_ref().and_then(|p| share(table, p)).unwrap_or(1.0);
    let (mut found, mut used, mut equal) = (part, 0, true);
    for key in &index.keys {
        let of = scalar(key)?;
        let joined = scan.joins.iter().any(|(join, _)| *join == of);
        let asked = scan.conditions.iter().find(|p| p.of == of && matches_method(index.method, key, p));
        match asked {
            Some(p) if equal => {
                found *= key.prefix.map_or_else(|| selectivity(table, p), |length| of_beginning(table, p, length));
                used += 1;
                equal = matches!(p.asked, Asked::Equal(_) | Asked::Null);
            }
            None if joined && equal => {
                found *= of_one(table, &of, rows).max(if key.prefix.is_some() { ONE } else { 0.0 });
                used += 1;
            }
            _ => break,
        }
    }
    let order = is_in_order(scan, index, if equal { used } else { used.saturating_sub(1) });
    if used == 0 && index.predicate.is_none() && !order {
        return None;
    }
    let read = (rows * found).max(1.0);
    let held = [index.whole_columns(), table.in_every_index(dialect)].concat();
    let covers = scan.used.iter().all(|c| held.contains(&c.as_str())) && !scan.uses_all;
    let page = if covers { 0.02 } else { RANDOM };
    let spread = |read: f64| (read * page).min(table.pages * 1.5);
    let full = RANDOM * 2.0 + spread(read) + read * (ROW + COMPARISON) + if order { 0.0 } else { sorting(rows * kept) };
    match scan.limit.or(Some(FEW)).filter(|_| order && scan.limited) {
        Some(limit) => {
            // Of what is found a part is kept; so many must be read until there are enough.
            let needed = (limit * (found / kept.max(1e-12)).max(1.0)).min(read);
            let total = RANDOM * 2.0 + spread(needed) + needed * (ROW + COMPARISON);
            Some((total, (needed > limit * 1.01).then_some(full)))
        }
        None => Some((full, None)),
    }
}

fn matches_method(method: Method, key: &Key, predicate: &Predicate) -> bool {
    match &predicate.asked {
        Asked::Like { pattern, .. } => match method {
            Method::Gin => true,
            _ => pattern.literal().and_then(wildcard).is_some_and(|at| at > 0) || key.class.is_some(),
        },
        Asked::Has(..) => method == Method::Gin,
        Asked::NotEqual(_) | Asked::NotNull => false,
        _ => method == Method::Btree || method == Method::Brin,
    }
}

fn scalar(key: &Key) -> Option<Scalar> {
    match &key.of {
        KeyOf::Column(name) => Some(Scalar::Column(name.clone())),
        KeyOf::Expression(scalar) => Some(scalar.clone()),
        KeyOf::Unknown(_) => None,
    }
}

/// Whether the rows of an index come in the order that is asked, its first `fixed` keys having one value.
fn is_in_order(scan: &Scan, index: &Index, fixed: usize) -> bool {
    let keys = index.keys.get(fixed..).unwrap_or_default();
    // Among rows of one beginning what comes next is in order for each whole value, and not for all of them.
    if index.keys.iter().take(fixed + scan.sort.len()).any(|key| key.prefix.is_some()) {
        return false;
    }
    if scan.sort.is_empty() || keys.len() < scan.sort.len() || index.method != Method::Btree {
        return false;
    }
    let pairs = || keys.iter().zip(&scan.sort);
    pairs().all(|(key, sort)| scalar(key).as_ref() == Some(&sort.of))
        && (pairs().all(|(k, s)| k.descending == s.descending) || pairs().all(|(k, s)| k.descending != s.descending))
}

/// Share of the rows that have the beginning of what a condition asks for.
fn of_beginning(table: &Table, predicate: &Predicate, length: u32) -> f64 {
    let whole = selectivity(table, predicate);
    let rows = table.rows.unwrap_or(1_000.0);
    let column = predicate.of.as_column().and_then(|name| table.column(name));
    match column.and_then(|c| c.beginning.as_ref()).filter(|beginning| beginning.length <= length) {
        // As many times more rows as there are more values than beginnings.
        Some(beginning) => {
            (whole * beginning.share_of_one(rows) / of_one(table, &predicate.of, rows)).clamp(whole, 1.0)
        }
        None => whole.max(ONE),
    }
}

pub(crate) fn of_one(table: &Table, of: &Scalar, rows: f64) -> f64 {
    let column = of.columns().first().and_then(|c| table.column(c));
    column.and_then(|c| c.share_of_one(rows)).unwrap_or(ONE)
}

/// Share of the rows that a condition leaves.
pub(crate) fn selectivity(table: &Table, predicate: &Predicate) -> f64 {
    let rows = table.rows.unwrap_or(1_000.0);
    let one = || of_one(table, &predicate.of, rows);
    if let Some(known) = share(table, predicate) {
        return known.clamp(1.0 / rows.max(1.0), 1.0);
    }
    match &predicate.asked {
        Asked::Equal(_) => one(),
        Asked::OneOf(all) => (one() * all.len().max(3) as f64).min(1.0),
        Asked::AnyOf(_) => (one() * 3.0).min(1.0),
        Asked::Range { low, high } => {
            if low.is_some() && high.is_some() {
                RANGE / 4.0
            } else {
                RANGE
            }
        }
        Asked::Null => 0.01,
        Asked::NotNull | Asked::NotEqual(_) => 0.95,
        Asked::Like { .. } | Asked::Has(..) => {
            let column = predicate.columns().first().and_then(|c| table.column(c));
            if column.is_some_and(|c| c.class == TypeClass::Boolean) { 0.5 } else { 0.01 }
        }
    }
}

impl Oracle for Estimate<'_> {
    fn costs<'a>(
        &'a mut self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<Vec<Result<Cost, String>>, ApiError>> {
        Box::pin(async move { Ok(questions.iter().map(|q| Ok(self.cost(q))).collect()) })
    }

    fn worth(&self) -> Worth {
        Worth::Statistics
    }
}
