//! Indexes that `HypoPG` makes the planner believe in, on a session of their own that only reads.
//!
//! From PostgreSQL 16 on none that is partial or of an expression: one and a view ended the server there (HypoPG#116).
use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive};
use perfdeck_sqltext::{Dialect, quote_identifier, quote_text};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, Row as _, ValueRef as _};

use super::costs;
use super::statement::{refusal, with_values};
use super::{Costs, Failure, PlanCost, PlanIndex, Proposed, TOGETHER, WhatIf, with_indexes};
use crate::connect::ends_session;
use crate::error::explain;
use crate::index_change::{Mode, open_direct};
use crate::own;
use crate::plans::postgres_nodes;

/// Longest time of one message, in milliseconds.
const MESSAGE_MS: u32 = 10_000;

/// A session with `HypoPG`.
pub struct HypoPg {
    c: PgConnection,
    address: Address,
    proposed: Vec<Proposed>,
    version: i32,
    /// Methods that it cannot simulate, found when it was tried.
    no_gin: bool,
    /// Whether answers have the nodes of their plans.
    nodes: bool,
}

impl HypoPg {
    /// Opens it for these indexes.
    ///
    /// # Errors
    /// When the database cannot be reached, a pooler lies before it, or the extension is not there.
    pub async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        proposed: Vec<Proposed>,
    ) -> Result<Self, Failure> {
        let mut c = open_direct(address, password, Mode::Read).await?;
        own::add(address, 1.0, 0);
        let sql = "SELECT current_setting('server_version_num')::int4,
                          (SELECT n.nspname::text FROM pg_catalog.pg_extension e
                           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg')";
        let row = sqlx::raw_sql(sql).fetch_one(&mut c).await.map_err(|e| explain(address, &e))?;
        let failed = |e: sqlx::Error| explain(address, &e);
        let version: i32 = row.try_get(0).map_err(failed)?;
        let schema: Option<String> = row.try_get(1).map_err(failed)?;
        let Some(schema) = schema else {
            return Err(Failure::Told(
                ApiError::new(ErrorCode::Unsupported, format!("HypoPG is not in the database of {}", address.short()))
                    .hint("CREATE EXTENSION hypopg; where the server has it. A sample of the tables does without"),
            ));
        };
        // Its functions by their name alone; the search path of the role is kept for the statements.
        let set = format!(
            "SELECT set_config('search_path', current_setting('search_path') || ', ' || {}, false);
             SET jit = off; SET max_parallel_workers_per_gather = 0; SET client_min_messages = error;
             SET statement_timeout = {MESSAGE_MS}; SET lock_timeout = 200",
            quote_text(&quote_identifier(&schema, Dialect::Postgres), Dialect::Postgres)
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut c).await.map_err(failed)?;
        let mut hypopg = Self { c, address: address.clone(), proposed, version, no_gin: false, nodes: false };
        // Versions up to 1.4 have no inverted indexes: one is tried before any is promised.
        let gin = hypopg.proposed.iter().position(|p| p.definition.contains("USING gin"));
        if let Some(place) = gin {
            hypopg.simulate(&[place]).await?;
        }
        Ok(hypopg)
    }

    /// Why an index is not simulated here.
    fn unfit(&self, place: usize) -> Option<&'static str> {
        let proposed = self.proposed.get(place)?;
        if self.version >= 160_000 && proposed.partial_or_expression {
            return Some("HypoPG is not trusted with such an index from PostgreSQL 16 on");
        }
        if proposed.is_of_expression() && !proposed.definition.contains("USING gin") {
            return Some("HypoPG has no statistics of an expression's values");
        }
        (self.no_gin && proposed.definition.contains("USING gin")).then_some("this HypoPG has no inverted indexes")
    }

    /// Places of indexes that cannot be simulated here, with the reason.
    pub fn left_out(&self) -> Vec<(usize, &'static str)> {
        (0..self.proposed.len()).filter_map(|place| Some((place, self.unfit(place)?))).collect()
    }

    /// Answers have the nodes of their plans from now on.
    pub fn keep_nodes(&mut self) {
        self.nodes = true;
    }

    /// Answers questions. Those about the same indexes are one message.
    ///
    /// # Errors
    /// [`Failure::Died`] when the session ends while it plans.
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
        let mut texts: Vec<(usize, String)> = Vec::new();
        for at in part {
            match with_values(questions[*at].statement, questions[*at].values, Dialect::Postgres) {
                Ok(text) => texts.push((*at, text)),
                Err(why) => answers[*at] = Err(why),
            }
        }
        let named = self.simulate(indexes).await?;
        let whole: Vec<String> =
            texts.iter().map(|(_, text)| format!("EXPLAIN (VERBOSE, FORMAT JSON) {text}\n")).collect();
        let rows = self.ask(&whole.join(";")).await?;
        match rows {
            Ok(rows) if rows.len() == texts.len() => {
                for ((at, _), row) in texts.iter().zip(&rows) {
                    answers[*at] = cost(row, &named, self.nodes);
                }
            }
            _ => {
                // One of them is refused: each alone tells which.
                for ((at, _), text) in texts.iter().zip(&whole) {
                    answers[*at] = match self.ask(text).await? {
                        Ok(rows) => rows
                            .first()
                            .map_or_else(|| Err("no plan came".to_owned()), |row| cost(row, &named, self.nodes)),
                        Err(why) => Err(why),
                    };
                }
            }
        }
        Ok(())
    }

    /// Makes the planner believe in these, and in no others; answers their names.
    async fn simulate(&mut self, indexes: &[usize]) -> Result<Vec<(String, usize)>, Failure> {
        let mut named = Vec::new();
        if let Err(why) = self.ask("SELECT hypopg_reset()::text").await? {
            return Err(Failure::Told(ApiError::new(ErrorCode::Unsupported, format!("HypoPG cannot be used: {why}"))));
        }
        for place in indexes {
            if self.unfit(*place).is_some() {
                continue;
            }
            let Some(index) = self.proposed.get(*place) else { continue };
            let quoted = |name: &str| quote_identifier(name, Dialect::Postgres);
            let create =
                format!("CREATE INDEX ON {}.{} {}", quoted(&index.schema), quoted(&index.table), index.definition);
            let gin = index.definition.contains("USING gin");
            let ask =
                format!("SELECT indexname::text FROM hypopg_create_index({})", quote_text(&create, Dialect::Postgres));
            match self.ask(&ask).await? {
                Ok(rows) => {
                    let name: Option<String> = rows.first().and_then(|row| row.try_get(0).ok());
                    named.extend(name.map(|name| (name, *place)));
                }
                Err(_) => self.no_gin |= gin,
            }
        }
        Ok(named)
    }

    /// Sends a message; `Err` within is why the server refused it.
    async fn ask(&mut self, text: &str) -> Result<Result<Vec<PgRow>, String>, Failure> {
        own::add(&self.address, 1.0, 0);
        match sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).fetch_all(&mut self.c).await {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) if ends_session(&error) => Err(Failure::Died(
                ApiError::new(
                    ErrorCode::Unreachable,
                    format!("The session with HypoPG on {} ended while it planned", self.address.short()),
                )
                .hint("HypoPG is not used there again: its defect may have ended other sessions too. See the server's log"),
            )),
            Err(sqlx::Error::Database(e)) => Ok(Err(refusal(e.code().as_deref().unwrap_or_default()).to_owned())),
            Err(error) => Err(Failure::Told(explain(&self.address, &error))),
        }
    }

    /// Ends the session, and with it all that was simulated.
    pub async fn close(self) {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), self.c.close()).await;
    }
}

/// Places of questions, those about the same indexes together.
pub(super) fn groups(questions: &[WhatIf<'_>]) -> Vec<Vec<usize>> {
    let mut groups: std::collections::BTreeMap<&[usize], Vec<usize>> = std::collections::BTreeMap::new();
    for (at, question) in questions.iter().enumerate() {
        groups.entry(question.indexes).or_default().push(at);
    }
    groups.into_values().collect()
}

/// What a row with a plan says.
fn cost(row: &PgRow, named: &[(String, usize)], nodes: bool) -> Result<PlanCost, String> {
    let unread = || "its plan cannot be read".to_owned();
    let value = row.try_get_raw(0).map_err(|_| unread())?;
    let answer = if value.is_null() { Err(unread()) } else { value.as_str().map_err(|_| unread()) }?;
    let read = costs::read(answer, &|_| 1.0).ok_or_else(unread)?;
    let index = |name: String| match named.iter().find(|(known, _)| *known == name) {
        Some((_, place)) => PlanIndex::Proposed(*place),
        None => PlanIndex::Existing(name),
    };
    Ok(PlanCost {
        total: read.total,
        unstopped: read.unstopped,
        indexes: read.indexes.into_iter().map(index).collect(),
        nodes: if nodes { with_indexes(postgres_nodes(answer), index) } else { Vec::new() },
    })
}
