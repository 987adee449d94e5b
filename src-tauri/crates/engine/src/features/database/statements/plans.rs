//! Plans as they change: of the heaviest statements, one after the other and slowly, while an environment is watched.
//!
//! What is read is the plan for any value of the parameters, by the text that the server's counters have. A statement that ran had
//! values, and may have had another plan: what is kept is an estimate, and says that something the planner goes by has changed.
use std::collections::HashMap;
use std::sync::{Mutex, Weak};

use perfdeck_database::{plannable, statement_plan};
use perfdeck_model::{Address, ApiError, ErrorCode, PlanShape, Sensitive};
use sqlx::Row as _;
use tokio_util::sync::CancellationToken;

use super::Place;
use super::answer::PlanSeen;
use super::follow::{Live, TICK, lock};
use crate::Engine;
use crate::core::store::{Store, document, text};

/// Statements whose plans are followed.
const HEAVIEST: usize = 20;
/// Least time between two plans, in milliseconds.
const REST_MS: f64 = 5_000.0;
/// Times that a plan took until the next one: a five-hundredth of one core of the server at most.
const REST_OF: f64 = 500.0;
/// Least time until a statement is planned again, in milliseconds.
const AGAIN_MS: f64 = 60_000.0;
/// The same of one that cannot be planned: a right or a table may come.
const REFUSED_MS: f64 = 3_600_000.0;
/// The same where the server did not answer, or a table was locked.
const LATE_MS: f64 = 300_000.0;
/// Plans that are kept of one statement; those that were seen last stay.
const MOST_PLANS: i64 = 50;

/// Reads plans until the end.
pub(super) async fn follow(engine: &Weak<Engine>, id: &str, live: &Mutex<Live>, end: &CancellationToken) {
    let mut turn = Turn::default();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        tokio::select! {
            () = end.cancelled() => return,
            () = turn.step(&engine, id, live) => {}
        }
    }
}

/// Whose turn it is.
#[derive(Default)]
struct Turn {
    door: Option<(Address, Option<Sensitive>)>,
    /// When the next plan may be read.
    next_ms: f64,
    /// When each statement may be planned again.
    again_ms: HashMap<String, f64>,
}

impl Turn {
    /// At most one plan, where it is time for one.
    async fn step(&mut self, engine: &Engine, id: &str, live: &Mutex<Live>) {
        let now_ms = engine.core.clock.now_ms();
        if is_before(now_ms, self.next_ms) {
            return;
        }
        let Some((key, statement)) = self.due(lock(live).heaviest(HEAVIEST), now_ms) else { return };
        if self.door.is_none() {
            match engine.database_of(id).await {
                Ok((_, address, password)) => self.door = Some((address, password)),
                Err(_) => self.next_ms = now_ms + LATE_MS,
            }
        }
        let Some((address, password)) = &self.door else { return };
        if let Err(why) = plannable(&statement, address.scheme) {
            self.again_ms.insert(key.clone(), now_ms + REFUSED_MS);
            lock(live).no_plan_of(&key, Some(why));
            return;
        }
        let started = engine.core.clock.monotonic_ms();
        let found = statement_plan(address, password.as_ref(), &statement, false).await;
        let took = engine.core.clock.monotonic_ms() - started;
        self.next_ms = now_ms + (took * REST_OF).max(REST_MS);
        match found {
            Ok(plan) => {
                self.again_ms.insert(key.clone(), now_ms + AGAIN_MS);
                let place = {
                    let mut live = lock(live);
                    live.no_plan_of(&key, None);
                    live.place().clone()
                };
                if let Err(error) = engine.core.store.put_plan_seen(&place, &key, &plan.shape(), now_ms).await {
                    tracing::warn!(%error, "the plan of a statement was not stored");
                }
            }
            Err(why) => {
                let refused = [ErrorCode::BadRequest, ErrorCode::Unsupported, ErrorCode::Privilege].contains(&why.code);
                let wait = if refused { REFUSED_MS } else { LATE_MS };
                if !refused {
                    self.next_ms = self.next_ms.max(now_ms + AGAIN_MS);
                }
                self.again_ms.insert(key.clone(), now_ms + wait);
                lock(live).no_plan_of(&key, Some(why));
            }
        }
    }

    /// The statement that has waited longest, of those that may be planned; the heavier one of two that were never planned.
    fn due(&mut self, heaviest: Vec<(String, String)>, now_ms: f64) -> Option<(String, String)> {
        self.again_ms.retain(|key, _| heaviest.iter().any(|(one, _)| one == key));
        let waits = |key: &str| self.again_ms.get(key).copied().unwrap_or(f64::NEG_INFINITY);
        let free = heaviest.into_iter().filter(|(key, _)| !is_before(now_ms, waits(key)));
        free.min_by(|a, b| waits(&a.0).total_cmp(&waits(&b.0)))
    }
}

/// Whether a time is still to come. A clock that was set back must not put it off for long.
fn is_before(now_ms: f64, then_ms: f64) -> bool {
    now_ms < then_ms && then_ms - now_ms <= REFUSED_MS
}

/// A plan that a statement had, and when it was seen last.
pub(crate) struct PlanOf {
    pub(crate) key: String,
    pub(crate) last_ms: f64,
    pub(crate) shape: PlanShape,
}

impl Store {
    /// Keeps that a plan was seen. One that was seen last too goes on; another one begins.
    pub(super) async fn put_plan_seen(
        &self,
        place: &Place,
        key: &str,
        shape: &PlanShape,
        at_ms: f64,
    ) -> Result<(), ApiError> {
        let doc = text(shape)?;
        let work = async {
            let mut c = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let last = sqlx::query(
                "SELECT first_ms, last_ms, json_extract(doc, '$.name') FROM statement_plans
                 WHERE environment_id = ? AND target = ? AND key = ? ORDER BY first_ms DESC LIMIT 1",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(key)
            .fetch_optional(&mut *c)
            .await?;
            let last = match &last {
                Some(row) => Some((row.try_get::<f64, _>(0)?, row.try_get::<f64, _>(1)?, row.try_get::<&str, _>(2)?)),
                None => None,
            };
            match last {
                Some((first_ms, last_ms, name)) if name == shape.name => {
                    sqlx::query(
                        "UPDATE statement_plans SET last_ms = ? WHERE environment_id = ? AND target = ? AND key = ? AND first_ms = ?",
                    )
                    .bind(last_ms.max(at_ms))
                    .bind(&place.environment_id)
                    .bind(&place.target)
                    .bind(key)
                    .bind(first_ms)
                    .execute(&mut *c)
                    .await?;
                }
                // Another Perfdeck has seen a later one.
                Some((_, last_ms, _)) if last_ms >= at_ms => {}
                _ => {
                    sqlx::query("INSERT INTO statement_plans VALUES (?, ?, ?, ?, ?, ?)")
                        .bind(&place.environment_id)
                        .bind(&place.target)
                        .bind(key)
                        .bind(at_ms)
                        .bind(at_ms)
                        .bind(doc)
                        .execute(&mut *c)
                        .await?;
                }
            }
            sqlx::query(
                "DELETE FROM statement_plans WHERE environment_id = ?1 AND target = ?2 AND key = ?3 AND first_ms <=
                    (SELECT first_ms FROM statement_plans WHERE environment_id = ?1 AND target = ?2 AND key = ?3
                     ORDER BY first_ms DESC LIMIT 1 OFFSET ?4)",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(key)
            .bind(MOST_PLANS)
            .execute(&mut *c)
            .await?;
            c.commit().await?;
            Ok::<_, sqlx::Error>(())
        };
        work.await.map_err(|e| self.fail(&e))
    }

    /// Plans of a statement within a time, and the last one before it, oldest first.
    pub(super) async fn plans_seen(
        &self,
        place: &Place,
        key: &str,
        from_ms: f64,
        to_ms: f64,
    ) -> Result<Vec<PlanSeen>, ApiError> {
        let rows = sqlx::query(
            "SELECT first_ms, last_ms, doc FROM statement_plans
             WHERE environment_id = ? AND target = ? AND key = ? AND first_ms <= ? ORDER BY first_ms",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(key)
        .bind(to_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        let mut seen = Vec::with_capacity(rows.len());
        for row in &rows {
            let shape = document(row.get::<&str, _>(2))?;
            seen.push(PlanSeen { first_ms: row.get(0), last_ms: row.get(1), shape });
        }
        let before = seen.iter().filter(|plan| plan.last_ms < from_ms).count();
        Ok(seen.split_off(before.saturating_sub(1)))
    }

    /// Plans of all statements that were seen since then, the last seen first, at most 5,000.
    pub(crate) async fn plans_since(&self, place: &Place, since_ms: f64) -> Result<Vec<PlanOf>, ApiError> {
        let rows = sqlx::query(
            "SELECT key, last_ms, doc FROM statement_plans
             WHERE environment_id = ? AND target = ? AND last_ms >= ? ORDER BY last_ms DESC LIMIT 5000",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        let of = |row: &sqlx::sqlite::SqliteRow| {
            Ok(PlanOf { key: row.get(0), last_ms: row.get(1), shape: document(row.get::<&str, _>(2))? })
        };
        rows.iter().map(of).collect()
    }

    /// When another plan of a statement was seen first within a time, the last time; of those whose plan did change.
    pub(super) async fn plan_changes(
        &self,
        place: &Place,
        from_ms: f64,
        to_ms: f64,
    ) -> Result<HashMap<String, f64>, ApiError> {
        let rows = sqlx::query(
            "SELECT key, max(first_ms) FROM statement_plans AS seen
             WHERE environment_id = ?1 AND target = ?2 AND first_ms > ?3 AND first_ms <= ?4 AND EXISTS
                (SELECT 1 FROM statement_plans AS before WHERE before.environment_id = ?1 AND before.target = ?2
                 AND before.key = seen.key AND before.first_ms < seen.first_ms)
             GROUP BY key",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(from_ms)
        .bind(to_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_its_turn_and_what_waits_is_left_alone() {
        let all = || ["heavy", "light"].map(|key| (key.to_owned(), "SELECT 1".to_owned())).to_vec();
        let mut turn = Turn::default();
        assert_eq!(turn.due(all(), 0.0).expect("one").0, "heavy", "the heaviest is the first");
        turn.again_ms.insert("heavy".to_owned(), AGAIN_MS);
        assert_eq!(turn.due(all(), 0.0).expect("one").0, "light");
        turn.again_ms.insert("light".to_owned(), AGAIN_MS + REST_MS);
        assert_eq!(turn.due(all(), AGAIN_MS - 1.0), None, "none before its time");
        assert_eq!(turn.due(all(), AGAIN_MS + REST_MS).expect("one").0, "heavy", "the one that waited longest");
        assert_eq!(turn.due(all(), -1e9).expect("one").0, "heavy", "a clock that was set back puts nothing off");
        turn.due(Vec::new(), 0.0);
        assert!(turn.again_ms.is_empty(), "what is not among the heaviest any more is forgotten");
    }
}
