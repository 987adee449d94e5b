//! Samples of tables in temporary ones of a session of our own. Temporary tables come first in every search path, so that the statement
//! itself, unchanged, is planned on them, with real indexes and real statistics of the sample.
//!
//! It reads the tables once, needs `SELECT` on them and `TEMP` on the database, takes no lock that a writer waits for and writes no row of
//! data to the log. Plans are of one process in both arms, because temporary tables have no others.
mod names;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::{Address, ApiError, ErrorCode, PlanNode, Sensitive};
use perfdeck_sqltext::{Dialect, names as names_in, quote_identifier};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, Row as _, ValueRef as _};

use super::costs;
use super::hypopg::groups;
use super::statement::{in_temporary, moved, refusal, with_values};
use super::{Costs, Failure, PlanCost, PlanIndex, Proposed, TOGETHER, ViewFacts, WhatIf, with_indexes};
use crate::connect::ends_session;
use crate::error::explain;
use crate::index_change::{Mode, open_direct};
use crate::own;
use crate::plans::postgres_nodes;

/// Rows of all samples together, and of one, at most.
const ALL_ROWS: f64 = 500_000.0;
const MOST_ROWS: f64 = 100_000.0;
/// Rows of one, at least: fewer say nothing of how values are spread.
const LEAST_ROWS: f64 = 10_000.0;
/// Pages of one sample, at most: 128 MiB.
const MOST_PAGES: f64 = 16_384.0;
/// Proposed indexes that are there at the same time, at most, and of those the ones of expressions that are made before statistics are.
const MOST_BUILT: usize = 100;
const MOST_FIRST: usize = 60;
/// Longest time of making one sample, and of one message with plans, in milliseconds.
const SAMPLE_MS: u32 = 15_000;
const MESSAGE_MS: u32 = 30_000;

/// A table that is sampled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether its name without a schema means it.
    pub visible: bool,
    /// Its rows, where they are known.
    pub rows: Option<f64>,
    /// Its pages.
    pub pages: f64,
    /// Share of its pages that everybody may see.
    pub all_visible: f64,
    /// Columns of which the sample would tell too few different values, with how many there are.
    pub distinct: Vec<(String, f64)>,
    /// Definitions of its indexes, with their names.
    pub indexes: Vec<(String, String)>,
}

/// A sample that was made.
struct Sample {
    schema: String,
    name: String,
    /// Its own name: another one where a table of another schema has the table's.
    own: String,
    /// Whether the table's name without a schema means it.
    visible: bool,
    /// How many times its rows the table has.
    scale: f64,
    /// Names of the indexes there, and what they are of.
    indexes: Vec<(String, String)>,
}

/// Temporary tables to plan on.
pub struct Lab {
    c: PgConnection,
    address: Address,
    proposed: Vec<Proposed>,
    samples: Vec<Sample>,
    /// Views over them.
    views: Vec<(String, String)>,
    /// Places of proposed indexes that are there, the oldest first.
    built: Vec<usize>,
    /// Why a table has no sample.
    left_out: Vec<(String, String)>,
    /// Whether answers have the nodes of their plans.
    nodes: bool,
}

fn quoted(name: &str) -> String {
    quote_identifier(name, Dialect::Postgres)
}

impl Lab {
    /// Samples these tables for these indexes.
    ///
    /// # Errors
    /// When the database cannot be reached, a pooler lies before it, it is a standby, or this user may not make temporary tables.
    pub async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        tables: &[LabTable],
        views: &[ViewFacts],
        proposed: Vec<Proposed>,
    ) -> Result<Self, Failure> {
        let mut c = open_direct(address, password, Mode::Write).await?;
        let set = format!(
            "SET jit = off; SET max_parallel_workers_per_gather = 0; SET client_min_messages = error;
             SET statement_timeout = {SAMPLE_MS}; SET lock_timeout = 200; SET temp_buffers = '64MB'"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut c).await.map_err(|e| explain(address, &e))?;
        let mut lab = Self {
            c,
            address: address.clone(),
            proposed,
            samples: Vec::new(),
            views: Vec::new(),
            built: Vec::new(),
            left_out: Vec::new(),
            nodes: false,
        };
        let most = (ALL_ROWS / tables.len().max(1) as f64).clamp(LEAST_ROWS, MOST_ROWS);
        for table in tables {
            match lab.sample(table, most).await {
                Ok(sample) => lab.samples.push(sample),
                Err(Refusal::Table(why)) => lab.left_out.push((format!("{}.{}", table.schema, table.name), why)),
                Err(Refusal::All(failure)) => return Err(failure),
            }
        }
        // Those of which others are made were found after them.
        for view in views.iter().rev() {
            lab.view(view).await?;
        }
        Ok(lab)
    }

    /// Makes a view over the samples. Where it cannot be made, statements that read it are said to read past them.
    async fn view(&mut self, view: &ViewFacts) -> Result<(), Failure> {
        let taken = self.sampled().iter().any(|(_, name)| *name == view.name);
        let one = with_values(&view.definition, &[], Dialect::Postgres);
        let (Ok(definition), false) = (one, taken) else { return Ok(()) };
        let Ok(meant) = names::meant(&self.samples, &definition) else { return Ok(()) };
        let (there, back) = names::renames(&self.samples, &meant);
        let definition = in_temporary(&definition, &self.sampled());
        match self.make(&format!("{there}CREATE TEMP VIEW {} AS {definition}; {back}", quoted(&view.name))).await {
            Ok(()) => self.views.push((view.schema.clone(), view.name.clone())),
            Err(Refusal::All(failure)) => return Err(failure),
            Err(Refusal::Table(_)) => {}
        }
        Ok(())
    }

    /// Schema and name of what has a temporary one in its place.
    fn sampled(&self) -> Vec<(String, String)> {
        let tables = self.samples.iter().map(|s| (s.schema.clone(), s.name.clone()));
        tables.chain(self.views.iter().cloned()).collect()
    }

    /// Tables that have no sample, with the reason.
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }

    /// Whether every table was taken whole.
    pub fn is_whole(&self) -> bool {
        self.samples.iter().all(|s| s.scale <= 1.0)
    }

    async fn sample(&mut self, table: &LabTable, most: f64) -> Result<Sample, Refusal> {
        let taken = self.samples.iter().any(|s| s.own == table.name);
        let own = if taken { format!("pdk_t{}", self.samples.len()) } else { table.name.clone() };
        let (schema, name, sample) = (quoted(&table.schema), quoted(&table.name), quoted(&own));
        let rows = table.rows.unwrap_or(most);
        let share = (most / rows.max(1.0)).min(MOST_PAGES / table.pages.max(1.0)).min(1.0);
        let part = if share < 0.9 { format!("TABLESAMPLE SYSTEM ({})", share * 100.0) } else { String::new() };
        let fill = format!(
            "CREATE TEMP TABLE {sample} (LIKE {schema}.{name});
             INSERT INTO pg_temp.{sample} SELECT * FROM {schema}.{name} {part} LIMIT {}",
            (most * 2.0).round()
        );
        self.make(&fill).await?;
        let count = self.one(&format!("SELECT count(*)::float8 FROM pg_temp.{sample}")).await?;
        let scale = if part.is_empty() { 1.0 } else { (rows / count.max(1.0)).max(1.0) };
        let mut indexes = Vec::new();
        for (place, (index, definition)) in table.indexes.iter().enumerate() {
            let here = format!("pdk_e{}_{place}", self.samples.len());
            // One that the sample cannot have, such as one of a type's own method, is left out: it is then in neither arm.
            if let Some(create) = moved(definition, &here, &own)
                && self.make(&create).await.is_ok()
            {
                indexes.push((here, index.clone()));
            }
        }
        for (column, distinct) in table.distinct.iter().filter(|_| scale > 1.0) {
            let set = format!("ALTER TABLE pg_temp.{sample} ALTER {} SET (n_distinct = {distinct})", quoted(column));
            let _ = self.make(&set).await;
        }
        self.of_expressions(table, &sample).await?;
        let vacuum = if table.all_visible > 0.5 { "VACUUM " } else { "" };
        self.make(&format!("{vacuum}ANALYZE pg_temp.{sample}")).await?;
        let (schema, name, visible) = (table.schema.clone(), table.name.clone(), table.visible);
        Ok(Sample { schema, name, own, visible, scale, indexes })
    }

    /// Makes the proposed indexes of expressions, so that an analyze counts the values of those: without, the planner takes any of them for rare.
    async fn of_expressions(&mut self, table: &LabTable, sample: &str) -> Result<(), Refusal> {
        let own = |place: &usize| {
            let index = &self.proposed[*place];
            index.is_of_expression() && index.schema == table.schema && index.table == table.name
        };
        let places: Vec<usize> = (0..self.proposed.len()).filter(own).collect();
        for place in places {
            if self.built.len() >= MOST_FIRST {
                break;
            }
            match self.create(place, sample).await {
                // Why it cannot be made is said to whoever asks about it.
                Ok(()) | Err(Refusal::Table(_)) => {}
                Err(all) => return Err(all),
            }
        }
        Ok(())
    }

    async fn create(&mut self, place: usize, sample: &str) -> Result<(), Refusal> {
        let definition = self.proposed[place].definition.clone();
        self.make(&format!("CREATE INDEX \"pdk_c{place}\" ON pg_temp.{sample} {definition}")).await?;
        self.built.push(place);
        Ok(())
    }

    /// Runs statements that make a part of the lab.
    async fn make(&mut self, text: &str) -> Result<(), Refusal> {
        own::add(&self.address, 1.0, 0);
        match sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut self.c).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refusal(&error)),
        }
    }

    fn refusal(&self, error: &sqlx::Error) -> Refusal {
        if ends_session(error) {
            return Refusal::All(self.died());
        }
        let sqlx::Error::Database(e) = error else { return Refusal::All(Failure::Told(explain(&self.address, error))) };
        let code = e.code();
        let code = code.as_deref().unwrap_or_default();
        let user = self.address.username.as_deref().unwrap_or("(no user)");
        if code == "42501" && (e.message().contains("temporary") || e.message().contains("for database")) {
            let database = &self.address.path;
            return Refusal::All(Failure::Told(
                ApiError::new(
                    ErrorCode::Privilege,
                    format!("'{user}' may not make temporary tables on {}", self.address.short()),
                )
                .hint(format!("GRANT TEMPORARY ON DATABASE {} TO {};", quoted(database), quoted(user))),
            ));
        }
        Refusal::Table(match code {
            "42501" => format!("'{user}' may not read it: GRANT pg_read_all_data TO {};", quoted(user)),
            "57014" => "a sample of it takes too long".to_owned(),
            "55P03" => "somebody has it locked exclusively".to_owned(),
            "42P01" | "3F000" => "it is not there any more".to_owned(),
            "53100" => "there is no room for a sample of it".to_owned(),
            _ => "the server cannot make a sample of it".to_owned(),
        })
    }

    fn died(&self) -> Failure {
        Failure::Died(
            ApiError::new(
                ErrorCode::Unreachable,
                format!("The session with samples of tables on {} ended", self.address.short()),
            )
            .hint("It holds nothing of the database; try again"),
        )
    }

    async fn one(&mut self, text: &str) -> Result<f64, Refusal> {
        own::add(&self.address, 1.0, 0);
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).fetch_one(&mut self.c).await;
        row.and_then(|row| row.try_get(0)).map_err(|e| self.refusal(&e))
    }

    /// Answers have the nodes of their plans from now on.
    pub fn keep_nodes(&mut self) {
        self.nodes = true;
    }

    /// Answers questions. Those about the same indexes are one transaction, in which the others are not there, and which is rolled back.
    ///
    /// # Errors
    /// When the session ends.
    pub async fn costs(&mut self, questions: &[WhatIf<'_>]) -> Result<Costs, Failure> {
        let mut answers: Costs = vec![Err(String::new()); questions.len()];
        for group in groups(questions) {
            for part in group.chunks(TOGETHER) {
                self.group(questions, part, &mut answers).await?;
            }
        }
        Ok(answers)
    }

    async fn group(&mut self, questions: &[WhatIf<'_>], part: &[usize], answers: &mut Costs) -> Result<(), Failure> {
        let indexes = part.first().map(|at| questions[*at].indexes).unwrap_or_default();
        let sampled = self.sampled();
        let mut groups: BTreeMap<Vec<usize>, Vec<(usize, String)>> = BTreeMap::new();
        for at in part {
            let text = with_values(questions[*at].statement, questions[*at].values, Dialect::Postgres);
            match text.and_then(|text| Ok((names::meant(&self.samples, &text)?, text))) {
                Ok((meant, text)) => groups.entry(meant).or_default().push((*at, in_temporary(&text, &sampled))),
                Err(why) => answers[*at] = Err(why),
            }
        }
        for (meant, texts) in groups {
            self.planned(indexes, (&meant, &texts), answers).await?;
        }
        Ok(())
    }

    /// Plans statements while these samples have the names of their tables.
    async fn planned(
        &mut self,
        indexes: &[usize],
        (meant, texts): (&[usize], &[(usize, String)]),
        answers: &mut Costs,
    ) -> Result<(), Failure> {
        let begin = match self.begin(indexes, meant, texts).await {
            Ok(begin) => begin,
            Err(Refusal::All(failure)) => return Err(failure),
            Err(Refusal::Table(why)) => {
                texts.iter().for_each(|(at, _)| answers[*at] = Err(why.clone()));
                return Ok(());
            }
        };
        let explain = |text: &String| format!("EXPLAIN (VERBOSE, FORMAT JSON) {text}\n");
        let whole = texts.iter().map(|(_, text)| explain(text)).collect::<Vec<_>>().join(";");
        match self.ask(&format!("{begin}{whole}; ROLLBACK")).await? {
            Ok(rows) if rows.len() == texts.len() => {
                for ((at, _), row) in texts.iter().zip(&rows) {
                    answers[*at] = self.cost(row, meant);
                }
            }
            _ => {
                for (at, text) in texts {
                    answers[*at] = match self.ask(&format!("{begin}{}; ROLLBACK", explain(text))).await? {
                        Ok(rows) => {
                            rows.first().map_or_else(|| Err("no plan came".to_owned()), |row| self.cost(row, meant))
                        }
                        Err(why) => Err(why),
                    };
                }
            }
        }
        Ok(())
    }

    /// What leaves these indexes there and no others of those that were made, within a transaction that only reads from then on. One that
    /// was asked about is kept: to drop it and to roll that back is quicker than to build it again.
    async fn begin(
        &mut self,
        indexes: &[usize],
        meant: &[usize],
        texts: &[(usize, String)],
    ) -> Result<String, Refusal> {
        for place in indexes {
            self.build(*place, indexes).await?;
        }
        let mut read: BTreeSet<String> = BTreeSet::new();
        for (_, text) in texts {
            read.extend(names_in(text, Dialect::Postgres).unwrap_or_default().into_iter().map(|n| n.name));
        }
        // Through a view any of them may be read.
        let hidden = self.views.iter().any(|(_, view)| read.contains(view));
        let concerns = |place: &usize| hidden || self.proposed.get(*place).is_some_and(|p| read.contains(&p.table));
        let others = self.built.iter().filter(|place| !indexes.contains(place) && concerns(place));
        let others: Vec<String> = others.map(|place| format!("pg_temp.\"pdk_c{place}\"")).collect();
        let drop = if others.is_empty() { String::new() } else { format!("DROP INDEX {}; ", others.join(", ")) };
        let (there, _) = names::renames(&self.samples, meant);
        Ok(format!(
            "BEGIN; SET LOCAL statement_timeout = {MESSAGE_MS}; {drop}{there}SET LOCAL transaction_read_only = on; "
        ))
    }

    /// Makes an index, where its table has a sample. The oldest of too many goes, none of `needed`.
    async fn build(&mut self, place: usize, needed: &[usize]) -> Result<(), Refusal> {
        let Some(index) = self.proposed.get(place) else { return Ok(()) };
        let sample = self.samples.iter().find(|s| s.name == index.table && s.schema == index.schema);
        let Some(sample) = sample.map(|s| quoted(&s.own)).filter(|_| !self.built.contains(&place)) else {
            return Ok(());
        };
        let counts = index.is_of_expression();
        self.create(place, &sample).await?;
        if counts {
            self.make(&format!("ANALYZE pg_temp.{sample}")).await?;
        }
        if self.built.len() > MOST_BUILT
            && let Some(at) = self.built.iter().position(|p| !needed.contains(p))
        {
            let oldest = self.built.remove(at);
            self.make(&format!("DROP INDEX pg_temp.\"pdk_c{oldest}\"")).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, text: &str) -> Result<Result<Vec<PgRow>, String>, Failure> {
        own::add(&self.address, 1.0, 0);
        match sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).fetch_all(&mut self.c).await {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) if ends_session(&error) => Err(self.died()),
            Err(sqlx::Error::Database(e)) => {
                let why = refusal(e.code().as_deref().unwrap_or_default()).to_owned();
                // The transaction that failed is still open.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.c).await;
                Ok(Err(why))
            }
            Err(error) => Err(Failure::Told(explain(&self.address, &error))),
        }
    }

    fn cost(&self, row: &PgRow, meant: &[usize]) -> Result<PlanCost, String> {
        let unread = || "its plan cannot be read".to_owned();
        let value = row.try_get_raw(0).map_err(|_| unread())?;
        let answer = if value.is_null() { Err(unread()) } else { value.as_str().map_err(|_| unread()) }?;
        let scale = |name: &str| names::called(&self.samples, meant, name).map_or(1.0, |s| s.scale);
        let read = costs::read(answer, &scale).ok_or_else(unread)?;
        let strange =
            read.relations.iter().find(|(schema, _)| !schema.starts_with("pg_temp") && schema != "pg_catalog");
        if let Some((schema, name)) = strange {
            let known = self.samples.iter().any(|s| s.name == *name && s.schema == *schema);
            return Err(if known {
                "it reads a table through a view or a function, past its sample".to_owned()
            } else {
                format!("it reads {schema}.{name}, of which there is no sample")
            });
        }
        let index = |name: String| {
            if let Some(place) = name.strip_prefix("pdk_c").and_then(|n| n.parse().ok()) {
                return PlanIndex::Proposed(place);
            }
            let known = self.samples.iter().flat_map(|s| &s.indexes).find(|(own, _)| *own == name);
            PlanIndex::Existing(known.map_or(name, |(_, index)| index.clone()))
        };
        Ok(PlanCost {
            total: read.total,
            unstopped: read.unstopped,
            indexes: read.indexes.into_iter().map(index).collect(),
            nodes: if self.nodes { with_indexes(self.of_all_rows(postgres_nodes(answer)), index) } else { Vec::new() },
        })
    }

    /// Nodes of a plan over samples: how many rows and what cost the whole tables would have is not told of each.
    fn of_all_rows(&self, mut nodes: Vec<PlanNode>) -> Vec<PlanNode> {
        if !self.is_whole() {
            nodes.iter_mut().for_each(|node| (node.estimated_rows, node.cost) = (None, None));
        }
        nodes
    }

    /// Ends the session, and with it all samples.
    pub async fn close(self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.c.close()).await;
    }
}

/// Why something was not made.
enum Refusal {
    /// That table has no sample.
    Table(String),
    /// Nothing can be asked.
    All(Failure),
}
