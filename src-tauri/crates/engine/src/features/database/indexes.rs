//! What is found about the indexes of a database.
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use perfdeck_database::{IndexFilter, indexes};
use perfdeck_model::{ApiError, DatabaseIndexes, IndexFindingKind, IndexIdentity, IndexUser, PlanShape, Scheme};
use perfdeck_sqltext::without_literals;
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::place::{Place, place_of};
use crate::Engine;
use crate::table::Result;

/// Findings that are told where no other number was asked for, and at most.
const USUAL: u32 = 200;
const MOST: u32 = 10_000;
/// Statements that are told of one index.
const MOST_USERS: usize = 20;
/// How far back plans are looked at, in milliseconds.
const WEEK_MS: f64 = 7.0 * 86_400_000.0;

/// Asks for findings about indexes.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct IndexesRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Kinds to tell; all where there are none.
    #[serde(default)]
    pub kinds: Vec<IndexFindingKind>,
    /// Table to tell of, with or without its schema; `null` for all.
    #[serde(default)]
    pub table: Option<String>,
    /// Environments whose databases are standbys of this one: what they read counts too.
    #[serde(default)]
    pub standbys: Vec<String>,
    /// Findings to tell, the first by rank, at most 10,000; 200 by default.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What is found about the indexes of a database, by rank: duplicate, redundant, invalid, unused and bloated ones, foreign keys
/// without one, and what was never analyzed, each with its evidence, the statement that follows from it, and the statements whose plans
/// were seen to use the index. It takes 10 s at most for each server, all at the same time, and waits for no lock.
pub async fn db_indexes(engine: Arc<Engine>, request: IndexesRequest) -> Result<DatabaseIndexes> {
    let (environment, address, password) = engine.database_of(&request.environment_id).await?;
    let mut standbys = Vec::new();
    for id in &request.standbys {
        standbys.push(engine.database_of(id).await?);
    }
    let read = standbys.iter().map(|(at, address, password)| async move {
        let reading = indexes::read(address, password.as_ref()).await?;
        if reading.standby {
            return Ok(reading);
        }
        let text = format!("The database of '{}' is no standby: it counts what it reads for itself", at.name);
        Err(ApiError::bad_request(text).hint("Name the environments whose databases follow this one"))
    });
    let others = futures_util::future::try_join_all(read).await?;
    let limit = request.limit.unwrap_or(USUAL).clamp(1, MOST);
    let filter = IndexFilter { kinds: request.kinds, table: request.table, limit: limit as usize };
    let clock = &*engine.core.clock;
    let mut found = indexes::indexes(&address, password.as_ref(), &others, &filter, clock).await?;
    engine.tell_users(&place_of(&environment)?, address.scheme, &mut found).await?;
    Ok(found)
}

impl Engine {
    /// Says of each finding which statements' plans use its index, from what was followed.
    async fn tell_users(&self, place: &Place, scheme: Scheme, found: &mut DatabaseIndexes) -> Result<()> {
        let plans = self.core.store.plans_since(place, self.core.clock.now_ms() - WEEK_MS).await?;
        let statements: BTreeSet<&str> = plans.iter().map(|p| p.key.as_str()).collect();
        found.plans_followed = u32::try_from(statements.len()).unwrap_or(u32::MAX);
        let keys: Vec<Arc<str>> = statements.iter().map(|key| Arc::from(*key)).collect();
        let texts =
            if keys.is_empty() { HashMap::default() } else { self.core.store.statement_texts(place, &keys).await? };
        for finding in &mut found.findings {
            let Some(index) = &finding.index else { continue };
            let mut users: Vec<IndexUser> = Vec::new();
            for plan in plans.iter().filter(|plan| uses(&plan.shape, index, scheme)) {
                if users.iter().all(|known| known.key != plan.key) {
                    let text = texts.get(plan.key.as_str()).and_then(|kept| kept.text.as_ref());
                    let statement = text.map(|text| without_literals(&text.text, perfdeck_database::dialect(scheme)));
                    users.push(IndexUser { key: plan.key.clone(), statement, last_ms: plan.last_ms });
                }
            }
            finding.users_left_out = u32::try_from(users.len().saturating_sub(MOST_USERS)).unwrap_or(u32::MAX);
            users.truncate(MOST_USERS);
            if finding.kind == IndexFindingKind::Unused && !users.is_empty() {
                let all = users.len() as i64 + i64::from(finding.users_left_out);
                // A server that counts for less long than plans were followed, or a plan that was made and not run.
                finding.finding.cost *= 0.3;
                finding.ranked_by +=
                    &format!("; lower, because the plan of {} uses it", words::plural(all, "statement"));
                finding.finding.evidence += &format!("; the plan of {} uses it", words::plural(all, "statement"));
            }
            finding.users = users;
        }
        found.findings.sort_by(|a, b| b.finding.cost.total_cmp(&a.finding.cost));
        Ok(())
    }
}

/// Whether a plan reads an index. Plans name it without its schema, and elsewhere than in PostgreSQL and SQLite each table has names of
/// its own: there the step must name the table too, so that one that the statement calls otherwise is not told.
fn uses(shape: &PlanShape, index: &IndexIdentity, scheme: Scheme) -> bool {
    let (name, table) = (bare(&index.name), bare(&index.table));
    let own = matches!(scheme, Scheme::Postgres | Scheme::Sqlite);
    shape.nodes.iter().any(|node| {
        node.index.as_deref().is_some_and(|used| bare(used) == name)
            && (own || node.relation.as_deref().is_some_and(|relation| bare(relation) == table))
    })
}

/// A name without schema and quotes.
fn bare(name: &str) -> &str {
    match name.strip_suffix(['"', '`']) {
        Some(inner) => inner.rfind(['"', '`']).map_or(inner, |at| &inner[at + 1..]),
        None => name.rsplit('.').next().unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_schema_and_quotes() {
        for (name, want) in [("public.a", "a"), ("a", "a"), ("\"Odd s\".\"T; x.y\"", "T; x.y"), ("main.\"i\"", "i")] {
            assert_eq!(bare(name), want, "{name}");
        }
    }
}
