//! What an advisor advises that tries every column, or every pair of columns: what Perfdeck's advice is held against.
//!
//! Each index is planned for alone with `HypoPG`, for every statement that names its first column, where dexter plans for all of a table
//! together and keeps one of them. It is built once for its bytes, in a transaction that is taken back. Packing is greedy, by what an index
//! adds beside those that are packed: for its bytes, and altogether; the better of the two counts. So theirs are better than what such
//! tools say, which look at one statement at a time.
use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};

use crate::{Postgres, Result};

/// Part of the time that is left below which an index is not packed: less is lost in what estimates are worth.
const LEAST: f64 = 0.001;

/// An index of one or two columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Its table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its bytes when it was built.
    pub bytes: f64,
    /// What it saves alone, in the unit of the statements' weights.
    pub gain: f64,
}

impl Tried {
    /// The statement that creates it.
    pub fn create(&self) -> String {
        format!("CREATE INDEX ON {} ({})", self.table, self.columns.join(", "))
    }
}

/// Statements with their weights, and a session that plans for indexes that are not there.
pub struct Rivals<'a> {
    c: PgConnection,
    statements: &'a [(String, f64)],
    before: Vec<f64>,
}

impl<'a> Rivals<'a> {
    /// Begins for these statements; the weight of one is what it takes as things are.
    ///
    /// # Errors
    /// When the server refuses a statement, or has no `HypoPG`.
    pub async fn open(server: &Postgres, statements: &'a [(String, f64)]) -> Result<Self> {
        let mut c = server.connect().await?;
        let set = "CREATE EXTENSION IF NOT EXISTS hypopg; SET jit = off; SET max_parallel_workers_per_gather = 0";
        raw_sql(set).execute(&mut c).await?;
        let mut own = Self { c, statements, before: Vec::new() };
        let all: Vec<usize> = (0..statements.len()).collect();
        own.before = own.costs(&[], &all).await?;
        Ok(own)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn close(self) -> Result<()> {
        Ok(self.c.close().await?)
    }

    /// Every index of at most so many columns (1 or 2) that gains anything, the best for its bytes first.
    ///
    /// # Errors
    /// When the server refuses something.
    pub async fn every(&mut self, widest: usize) -> Result<Vec<Tried>> {
        let mut found = Vec::new();
        for (table, columns) in self.named().await? {
            for first in &columns {
                let seconds = columns.iter().filter(|second| widest > 1 && *second != first);
                let keys = seconds.map(|second| vec![first.clone(), second.clone()]);
                for columns in keys.chain([vec![first.clone()]]) {
                    let mut tried = Tried { table: table.clone(), columns, bytes: 0.0, gain: 0.0 };
                    tried.gain = self.gain(&[], &tried).await?;
                    if tried.gain > 0.0 {
                        found.push(tried);
                    }
                }
            }
        }
        for tried in &mut found {
            tried.bytes = self.size(&tried.create()).await?;
        }
        found.sort_by(|a, b| (b.gain / b.bytes).total_cmp(&(a.gain / a.bytes)));
        Ok(found)
    }

    /// Those of them that are packed into so many bytes.
    ///
    /// # Errors
    /// When the server refuses something.
    pub async fn packed(&mut self, all: &[Tried], bytes: f64) -> Result<Vec<Tried>> {
        let for_bytes = self.greedy(all, bytes, true).await?;
        let most = self.greedy(all, bytes, false).await?;
        let (a, b) = (self.time(&for_bytes).await?, self.time(&most).await?);
        Ok(if b < a { most } else { for_bytes })
    }

    async fn greedy(&mut self, all: &[Tried], bytes: f64, for_bytes: bool) -> Result<Vec<Tried>> {
        let score = |tried: &Tried, gain: f64| if for_bytes { gain / tried.bytes } else { gain };
        let mut chosen: Vec<Tried> = Vec::new();
        // What each adds, and beside how many that was found; it seldom grows.
        let mut open: Vec<(f64, usize, &Tried)> = all.iter().map(|tried| (tried.gain, 0, tried)).collect();
        let mut least = self.time(&chosen).await? * LEAST;
        loop {
            let left = bytes - chosen.iter().map(|t| t.bytes).sum::<f64>();
            open.retain(|(gain, _, tried)| tried.bytes <= left && *gain > least);
            let Some(best) =
                (0..open.len()).max_by(|a, b| score(open[*a].2, open[*a].0).total_cmp(&score(open[*b].2, open[*b].0)))
            else {
                return Ok(chosen);
            };
            let (_, asked, tried) = open[best];
            if asked == chosen.len() {
                chosen.push(tried.clone());
                open.swap_remove(best);
                least = self.time(&chosen).await? * LEAST;
            } else {
                open[best] = (self.gain(&chosen, tried).await?, chosen.len(), tried);
            }
        }
    }

    /// Weights of all statements with these indexes, together.
    ///
    /// # Errors
    /// When the server refuses something.
    pub async fn time(&mut self, indexes: &[Tried]) -> Result<f64> {
        let all: Vec<usize> = (0..self.statements.len()).collect();
        let costs = self.costs(&indexes.iter().map(Tried::create).collect::<Vec<_>>(), &all).await?;
        Ok(all.iter().map(|at| self.statements[*at].1 * costs[*at] / self.before[*at]).sum())
    }

    /// What one saves beside others.
    async fn gain(&mut self, beside: &[Tried], tried: &Tried) -> Result<f64> {
        let concerned: Vec<usize> = (0..self.statements.len())
            .filter(|at| words(&self.statements[*at].0).any(|w| w == tried.columns[0]))
            .collect();
        let mut create: Vec<String> = beside.iter().map(Tried::create).collect();
        let old = self.costs(&create, &concerned).await?;
        create.push(tried.create());
        let new = self.costs(&create, &concerned).await?;
        let weight = |at: &usize| self.statements[*at].1 / self.before[*at];
        Ok(concerned.iter().zip(old.iter().zip(new)).map(|(at, (old, new))| weight(at) * (old - new)).sum())
    }

    /// Planned costs of some statements with hypothetical indexes.
    async fn costs(&mut self, create: &[String], of: &[usize]) -> Result<Vec<f64>> {
        if create.is_empty() && !self.before.is_empty() {
            return Ok(of.iter().map(|at| self.before[*at]).collect());
        }
        raw_sql("SELECT hypopg_reset()").execute(&mut self.c).await?;
        for one in create {
            sqlx::query("SELECT 1 FROM hypopg_create_index($1)").bind(one).execute(&mut self.c).await?;
        }
        let texts: Vec<&str> = of.iter().map(|at| self.statements[*at].0.as_str()).collect();
        planned(&mut self.c, &texts).await
    }

    /// Bytes of an index that is built and taken back.
    async fn size(&mut self, create: &str) -> Result<f64> {
        let name = create.replacen("CREATE INDEX ON", "CREATE INDEX rival ON", 1);
        raw_sql(AssertSqlSafe(format!("BEGIN; {name}"))).execute(&mut self.c).await?;
        let row = raw_sql("SELECT pg_relation_size('rival')::float8").fetch_one(&mut self.c).await?;
        raw_sql("ROLLBACK").execute(&mut self.c).await?;
        Ok(row.try_get(0)?)
    }

    /// Columns that statements name, of each table, but those with which an index begins that is there.
    async fn named(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        let sql = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                   WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND c.reltuples > 500
                     AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum)
                   ORDER BY 1, a.attnum";
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in raw_sql(sql).fetch_all(&mut self.c).await? {
            let (table, column): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if self.statements.iter().any(|(text, _)| words(text).any(|w| w == column)) {
                all.entry(table).or_default().push(column);
            }
        }
        Ok(all)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// What the planner takes statements to cost as things are.
///
/// # Errors
/// When the server refuses one.
pub async fn planned(c: &mut PgConnection, statements: &[&str]) -> Result<Vec<f64>> {
    let all: Vec<String> = statements.iter().map(|text| format!("EXPLAIN (FORMAT JSON) {text}")).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let rows = raw_sql(AssertSqlSafe(all.join(";\n"))).fetch_all(&mut *c).await?;
    let mut costs = Vec::new();
    for row in &rows {
        let value = row.try_get_raw(0)?;
        let plan = value.as_str().map_err(sqlx::Error::Decode)?;
        // The first node is the topmost.
        let rest = plan.split_once("\"Total Cost\": ").map_or("", |(_, rest)| rest);
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        costs.push(rest[..end].parse().map_err(|_| sqlx::Error::Protocol("a plan without a cost".to_owned()))?);
    }
    Ok(costs)
}
