//! SQLite's planner on an empty schema in memory, with the file's own statistics and those that an index would have.
//!
//! The planner looks at the schema and at its statistics (`sqlite_stat1`) and at nothing else, so that no row has to be copied. It tells the
//! steps and no costs; those are reckoned here from the steps and the same statistics.
mod counter;
mod literals;
mod reckoned;
mod told;

use std::collections::HashMap;
use std::time::Duration;

use perfdeck_model::Address;
use perfdeck_sqltext::{Dialect, quote_identifier};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use self::counter::Counter;
use self::reckoned::{IndexKnown, Known, reckoned};
use super::hypopg::groups;
use super::statement::with_values;
use super::{
    Costs, DatabaseFacts, Failure, PlanCost, PlanIndex, Proposed, TableFacts, TableReading, WhatIf, with_indexes,
};
use crate::error::explain;
use crate::options::sqlite_options;
use crate::plans::sqlite_nodes;

/// Statements of a schema that are read at most.
const MOST_OBJECTS: i64 = 5_000;

/// An empty copy of a schema, with its statistics.
pub struct Schema {
    c: SqliteConnection,
    address: Address,
    proposed: Vec<Proposed>,
    /// The file itself, in which the rows of values are counted that a statement writes.
    counter: Counter,
    tables: Vec<TableFacts>,
    /// Rows of tables, and rows of one value of the first so many keys of an index.
    rows: HashMap<String, f64>,
    keys: HashMap<String, Vec<f64>>,
    /// Those of proposed indexes.
    proposed_keys: Vec<Vec<f64>>,
    made: Vec<usize>,
    /// Whether answers have the nodes of their plans.
    nodes: bool,
}

fn quoted(name: &str) -> String {
    quote_identifier(name, Dialect::Sqlite)
}

/// Rows of one value of the first keys, taken as if their values had nothing to do with each other.
fn rows_of_one(table: &TableFacts, columns: &[String]) -> Vec<f64> {
    let rows = table.rows.unwrap_or(1.0).max(1.0);
    let mut different = 1.0;
    columns
        .iter()
        .map(|name| {
            let column = table.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
            let own = column.and_then(|c| c.distinct).map_or(rows / 10.0, |n| if n < 0.0 { -n * rows } else { n });
            different = f64::min(different * own.max(1.0), rows);
            (rows / different).ceil().max(1.0)
        })
        .collect()
}

impl Schema {
    /// Copies the schema of a file.
    ///
    /// # Errors
    /// When the file cannot be read, or its schema cannot be made elsewhere.
    pub async fn open(address: &Address, facts: &DatabaseFacts, proposed: Vec<Proposed>) -> Result<Self, Failure> {
        let failed = |e: sqlx::Error| Failure::Told(explain(address, &e));
        let options = sqlite_options(address).read_only(true).busy_timeout(Duration::from_millis(200));
        let mut file = options.connect().await.map_err(failed)?;
        let text = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END LIMIT ?";
        let rows = sqlx::query(text).bind(MOST_OBJECTS).fetch_all(&mut file).await.map_err(failed)?;
        let there =
            sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetch_optional(&mut file).await;
        let mut statistics: Vec<(String, Option<String>, String)> = Vec::new();
        if there.map_err(failed)?.is_some() {
            let all =
                sqlx::query("SELECT tbl, idx, stat FROM sqlite_stat1").fetch_all(&mut file).await.map_err(failed)?;
            for row in &all {
                let get = |at: usize| row.try_get::<Option<String>, _>(at).map_err(failed);
                statistics.extend(
                    get(0)?.zip(get(2)?).map(|(tbl, stat)| Ok::<_, Failure>((tbl, get(1)?, stat))).transpose()?,
                );
            }
        }
        let samples = stat4(&mut file).await;
        let options = SqliteConnectOptions::new().filename(":memory:").disable_statement_logging();
        let mut c = options.connect().await.map_err(failed)?;
        for row in &rows {
            let sql: String = row.try_get(0).map_err(failed)?;
            // What needs a module or a function that is not here is left out, as is what rests on it.
            let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut c).await;
        }
        sqlx::raw_sql("ANALYZE").execute(&mut c).await.map_err(failed)?;
        let mut schema = Self {
            c,
            address: address.clone(),
            counter: Counter::new(file),
            tables: facts.tables.clone(),
            proposed_keys: Vec::new(),
            proposed,
            rows: HashMap::new(),
            keys: HashMap::new(),
            made: Vec::new(),
            nodes: false,
        };
        schema.statistics(facts, &statistics).await.map_err(failed)?;
        schema.samples(samples).await;
        Ok(schema)
    }

    /// Writes the samples of values that the file has of its indexes, so that a rare value is planned for as one.
    async fn samples(&mut self, all: Vec<Sampled>) {
        for (table, index, counts, value) in all {
            let text = "INSERT INTO sqlite_stat4 (tbl, idx, neq, nlt, ndlt, sample) VALUES (?, ?, ?, ?, ?, ?)";
            let [neq, nlt, ndlt] = counts;
            let put = sqlx::query(text).bind(table).bind(index).bind(neq).bind(nlt).bind(ndlt).bind(value);
            // Where this SQLite keeps none, averages are planned with.
            if put.execute(&mut self.c).await.is_err() {
                return;
            }
        }
        let _ = sqlx::raw_sql("ANALYZE sqlite_schema").execute(&mut self.c).await;
    }

    /// Writes statistics: the file's own where it has them, reckoned ones elsewhere.
    async fn statistics(
        &mut self,
        facts: &DatabaseFacts,
        known: &[(String, Option<String>, String)],
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("DELETE FROM sqlite_stat1").execute(&mut self.c).await?;
        for (table, index, stat) in known {
            self.put(table, index.as_deref(), stat).await?;
            if let Some(index) = index {
                let numbers = stat.split(' ').skip(1).filter_map(|n| n.parse().ok()).collect();
                self.keys.insert(index.to_lowercase(), numbers);
            }
        }
        for table in &facts.tables {
            let rows = table.rows.unwrap_or(1.0).max(1.0);
            self.rows.insert(table.name.to_lowercase(), rows);
            for index in table.indexes.iter().filter(|i| i.name != "INTEGER PRIMARY KEY") {
                if self.keys.contains_key(&index.name.to_lowercase()) {
                    continue;
                }
                let columns: Vec<String> = index.keys.iter().map(|k| k.column.clone().unwrap_or_default()).collect();
                let numbers = rows_of_one(table, &columns);
                self.put(&table.name, Some(&index.name), &stat(rows, &numbers)).await?;
                self.keys.insert(index.name.to_lowercase(), numbers);
            }
            if table.indexes.is_empty() || table.indexes.iter().all(|i| i.name == "INTEGER PRIMARY KEY") {
                self.put(&table.name, None, &format!("{rows}")).await?;
            }
        }
        let of = |p: &Proposed| {
            let table = facts.tables.iter().find(|t| t.name == p.table);
            let columns = if p.columns.is_empty() { vec![String::new()] } else { p.columns.clone() };
            table.map(|t| rows_of_one(t, &columns)).unwrap_or_default()
        };
        self.proposed_keys = self.proposed.iter().map(of).collect();
        sqlx::raw_sql("ANALYZE sqlite_schema").execute(&mut self.c).await?;
        Ok(())
    }

    async fn put(&mut self, table: &str, index: Option<&str>, stat: &str) -> Result<(), sqlx::Error> {
        let text = "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)";
        sqlx::query(text).bind(table).bind(index).bind(stat).execute(&mut self.c).await.map(drop)
    }

    /// Answers have the nodes of their plans from now on.
    pub fn keep_nodes(&mut self) {
        self.nodes = true;
    }

    /// Answers questions. Those about the same indexes are asked together.
    ///
    /// # Errors
    /// When the schema cannot be altered.
    pub async fn costs(&mut self, questions: &[WhatIf<'_>]) -> Result<Costs, Failure> {
        let mut answers: Costs = vec![Err(String::new()); questions.len()];
        for group in groups(questions) {
            let indexes = group.first().map(|at| questions[*at].indexes).unwrap_or_default();
            self.make(indexes).await.map_err(|e| Failure::Told(explain(&self.address, &e)))?;
            for at in group {
                answers[at] = match with_values(questions[at].statement, questions[at].values, Dialect::Sqlite) {
                    Ok(text) => self.cost(&text, questions[at].readings).await,
                    Err(why) => Err(why),
                };
            }
        }
        Ok(answers)
    }

    /// Makes these indexes, and takes the others away.
    async fn make(&mut self, indexes: &[usize]) -> Result<(), sqlx::Error> {
        if self.made == indexes {
            return Ok(());
        }
        for place in std::mem::take(&mut self.made) {
            sqlx::raw_sql(AssertSqlSafe(format!("DROP INDEX IF EXISTS \"pdk_c{place}\""))).execute(&mut self.c).await?;
        }
        for place in indexes {
            let Some(index) = self.proposed.get(*place) else { continue };
            let (table, definition) = (index.table.clone(), index.definition.clone());
            let create = format!("CREATE INDEX \"pdk_c{place}\" ON {} {definition}", quoted(&table));
            if sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.c).await.is_ok() {
                let rows = self.rows.get(&table.to_lowercase()).copied().unwrap_or(1.0);
                let rows = self.proposed[*place].rows.unwrap_or(rows).max(1.0);
                let keys: Vec<f64> = self.proposed_keys[*place].iter().map(|of_one| of_one.min(rows)).collect();
                let stat = stat(rows, &keys);
                self.put(&table, Some(&format!("pdk_c{place}")), &stat).await?;
            }
        }
        self.made = indexes.to_vec();
        sqlx::raw_sql("ANALYZE sqlite_schema").execute(&mut self.c).await.map(drop)
    }

    async fn cost(&mut self, text: &str, readings: &[TableReading]) -> Result<PlanCost, String> {
        let ask = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let rows = sqlx::raw_sql(ask).fetch_all(&mut self.c).await;
        let rows =
            rows.map_err(|_| "SQLite does not plan it: a table, a column or a function of it is not there".to_owned())?;
        let steps: Vec<(i64, i64, String)> = rows
            .iter()
            .filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(3).ok()?)))
            .collect();
        let told = self.told(&steps, text, readings).await?;
        let known = Known { rows: &self.rows, told: &told, index: &|name| self.index(name) };
        let mut cost = reckoned(&steps, text, &known);
        if self.nodes {
            let all = steps.iter().map(|(id, parent, detail)| (*id, *parent, detail.as_str()));
            cost.nodes = with_indexes(sqlite_nodes(all), plan_index);
        }
        Ok(cost)
    }

    /// What is known of an index by its name.
    fn index(&self, name: &str) -> IndexKnown {
        if let Some(place) = name.strip_prefix("pdk_c").and_then(|n| n.parse::<usize>().ok()) {
            let Some(proposed) = self.proposed.get(place) else { return IndexKnown::default() };
            let keys = self.proposed_keys.get(place).cloned().unwrap_or_default();
            return IndexKnown { rows: proposed.rows, keys, columns: proposed.columns.clone() };
        }
        let keys = self.keys.get(&name.to_lowercase()).cloned().unwrap_or_default();
        let there = self.tables.iter().flat_map(|t| &t.indexes).find(|i| i.name.eq_ignore_ascii_case(name));
        let columns = there.and_then(|i| i.keys.iter().map(|k| k.column.clone()).collect()).unwrap_or_default();
        IndexKnown { rows: None, keys, columns }
    }

    /// Lets the copy go.
    pub async fn close(self) {
        self.counter.close().await;
        let _ = self.c.close().await;
    }
}

/// A sample of a value: table, index, how many rows equal it, are less, and how many values are less, and the value itself.
type Sampled = (String, String, [String; 3], Vec<u8>);

/// Samples of the values of a file's indexes; none where its statistics have none.
async fn stat4(file: &mut SqliteConnection) -> Vec<Sampled> {
    let text = "SELECT tbl, idx, neq, nlt, ndlt, sample FROM sqlite_stat4 LIMIT 20000";
    let rows = sqlx::query(text).fetch_all(file).await.unwrap_or_default();
    let of = |row: &sqlx::sqlite::SqliteRow| {
        let text = |at: usize| row.try_get::<String, _>(at).ok();
        Some((text(0)?, text(1)?, [text(2)?, text(3)?, text(4)?], row.try_get(5).ok()?))
    };
    rows.iter().filter_map(of).collect()
}

/// The index that a step names.
fn plan_index(name: String) -> PlanIndex {
    match name.strip_prefix("pdk_c").and_then(|n| n.parse().ok()) {
        Some(place) => PlanIndex::Proposed(place),
        None => PlanIndex::Existing(name),
    }
}

fn stat(rows: f64, keys: &[f64]) -> String {
    let all: Vec<String> = std::iter::once(rows).chain(keys.iter().copied()).map(|n| format!("{n:.0}")).collect();
    all.join(" ")
}
