//! Changes in the store. A state is only ever stored over the one that it follows, with its entry in the journal.
use perfdeck_model::{ApiError, Change, ChangeProof, ChangeState, ErrorCode, JournalEntry};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::core::changes::machine::may_become;
use crate::core::store::{Store, document, put_entry, text};

/// Changes that are listed at most, beside those that are in force.
const LISTED: u32 = 200;

/// A change with what is not shown.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) change: Change,
    /// The target that it was planned against.
    pub(crate) address: String,
    /// The kind's own, and when it ends by itself.
    plan: Value,
    /// Number that counts up with its states: what was read before another one is old.
    pub(crate) revision: i64,
}

impl Stored {
    pub(crate) fn new(change: Change, address: String, lease_ms: Option<f64>, own: Value) -> Self {
        Self { change, address, plan: serde_json::json!({"lease_ms": lease_ms, "own": own}), revision: 0 }
    }

    /// Facts that the kind needs to know.
    pub(crate) fn own(&self) -> &Value {
        &self.plan["own"]
    }

    /// Takes facts that the kind knows once it was applied.
    pub(crate) fn made(&mut self, own: Value) {
        self.plan["own"] = own;
    }

    /// Time for which it is there before it ends by itself, in milliseconds.
    pub(crate) fn lease_ms(&self) -> Option<f64> {
        self.plan["lease_ms"].as_f64()
    }
}

/// The state as the column has it: the one of the wire.
fn column(state: ChangeState) -> &'static str {
    if state == ChangeState::CutOff { "cut_off" } else { state.as_str() }
}

fn read(row: &SqliteRow) -> Result<Stored, ApiError> {
    Ok(Stored {
        change: document(row.get::<&str, _>(0))?,
        address: row.get(1),
        plan: document(row.get::<&str, _>(2))?,
        revision: row.get(3),
    })
}

/// Something else came in between.
fn overtaken() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The change came to another state meanwhile")
        .hint("Look at it again before anything else is done with it")
}

impl Store {
    /// Stores a new change; earlier plans of the same that were never applied go. Answers those.
    pub(crate) async fn add_change(&self, new: &Stored, entry: &JournalEntry) -> Result<Vec<String>, ApiError> {
        let Stored { change, address, plan, .. } = new;
        let (doc, plan, journal) = (text(change)?, text(plan)?, text(entry)?);
        let work = async {
            let mut transaction = self.pool.begin().await?;
            let replaced: Vec<String> = sqlx::query_scalar(
                "DELETE FROM changes WHERE environment_id = ? AND kind = ? AND state IN ('planned', 'previewed')
                 AND json_extract(doc, '$.object') = ? RETURNING id",
            )
            .bind(&change.environment_id)
            .bind(&change.kind)
            .bind(&change.object)
            .fetch_all(&mut *transaction)
            .await?;
            sqlx::query(
                "INSERT INTO changes (id, environment_id, kind, state, created_ms, updated_ms, address, plan, doc)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&change.id)
            .bind(&change.environment_id)
            .bind(&change.kind)
            .bind(column(change.state))
            .bind(change.created_ms)
            .bind(change.updated_ms)
            .bind(address)
            .bind(plan)
            .bind(doc)
            .execute(&mut *transaction)
            .await?;
            put_entry(&mut transaction, entry, &journal).await?;
            transaction.commit().await?;
            Ok(replaced)
        };
        work.await.map_err(|e| self.fail(&e))
    }

    /// Stores the next state of a change over the one that it had, with its entry in the journal: both or neither.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when it has another one by now; [`ErrorCode::Internal`] for a state that cannot follow.
    pub(crate) async fn advance_change(
        &self,
        from: ChangeState,
        change: &Change,
        entry: &JournalEntry,
    ) -> Result<(), ApiError> {
        let to = change.state;
        if !may_become(from, to) {
            return Err(ApiError::internal(format!("A change cannot come from {} to {}", from.as_str(), to.as_str())));
        }
        let (doc, journal) = (text(change)?, text(entry)?);
        let work = async {
            let mut transaction = self.pool.begin().await?;
            let done = sqlx::query("UPDATE changes SET state = ?, updated_ms = ?, doc = ?, revision = revision + 1 WHERE id = ? AND state = ?")
                .bind(column(to))
                .bind(change.updated_ms)
                .bind(doc)
                .bind(&change.id)
                .bind(column(from))
                .execute(&mut *transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            put_entry(&mut transaction, entry, &journal).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(true)
        };
        if work.await.map_err(|e| self.fail(&e))? { Ok(()) } else { Err(overtaken()) }
    }

    /// Stores what the target said about a change, if nothing else was stored since it was read.
    pub(crate) async fn say_of_change(&self, said: &Stored) -> Result<(), ApiError> {
        sqlx::query("UPDATE changes SET doc = ? WHERE id = ? AND revision = ?")
            .bind(text(&said.change)?)
            .bind(&said.change.id)
            .bind(said.revision)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|e| self.fail(&e))
    }

    /// Stores what a kind knows of a change once it was applied, if nothing else was stored since it was read.
    pub(crate) async fn keep_plan(&self, made: &Stored) -> Result<(), ApiError> {
        sqlx::query("UPDATE changes SET plan = ? WHERE id = ? AND revision = ?")
            .bind(text(&made.plan)?)
            .bind(&made.change.id)
            .bind(made.revision)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|e| self.fail(&e))
    }

    /// Stores a proof with a change whose state stays, with its entry in the journal: both or neither.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when something else was stored since it was read.
    pub(crate) async fn prove_change(&self, proven: &Stored, entry: &JournalEntry) -> Result<(), ApiError> {
        let (doc, journal) = (text(&proven.change)?, text(entry)?);
        let work = async {
            let mut transaction = self.pool.begin().await?;
            let done = sqlx::query("UPDATE changes SET doc = ?, revision = revision + 1 WHERE id = ? AND revision = ?")
                .bind(doc)
                .bind(&proven.change.id)
                .bind(proven.revision)
                .execute(&mut *transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            put_entry(&mut transaction, entry, &journal).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(true)
        };
        if work.await.map_err(|e| self.fail(&e))? { Ok(()) } else { Err(overtaken()) }
    }

    /// Proofs of an environment's changes, the newest 1,000.
    pub(crate) async fn proofs(&self, environment_id: &str) -> Result<Vec<ChangeProof>, ApiError> {
        let sql = "SELECT json_extract(doc, '$.proof') FROM changes
                   WHERE environment_id = ? AND json_extract(doc, '$.proof') IS NOT NULL ORDER BY created_ms DESC LIMIT 1000";
        let rows: Vec<String> =
            sqlx::query_scalar(sql).bind(environment_id).fetch_all(&self.pool).await.map_err(|e| self.fail(&e))?;
        rows.iter().map(|doc| document(doc)).collect()
    }

    /// One change.
    pub(crate) async fn change(&self, id: &str) -> Result<Option<Stored>, ApiError> {
        let row = sqlx::query("SELECT doc, address, plan, revision FROM changes WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.fail(&e))?;
        row.as_ref().map(read).transpose()
    }

    /// Changes, the newest first: all that something may be left of, and of the others the newest.
    pub(crate) async fn changes(&self, environment_id: Option<&str>) -> Result<Vec<Stored>, ApiError> {
        let rows = sqlx::query(
            "SELECT doc, address, plan, revision FROM changes WHERE (?1 IS NULL OR environment_id = ?1) AND (
                 state NOT IN ('planned', 'previewed', 'undone', 'failed', 'lapsed')
                 OR id IN (SELECT id FROM changes WHERE (?1 IS NULL OR environment_id = ?1)
                           ORDER BY created_ms DESC LIMIT ?2))
             ORDER BY created_ms DESC, id DESC",
        )
        .bind(environment_id)
        .bind(LISTED)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        rows.iter().map(read).collect()
    }

    /// Changes that somebody works on, or did when they were cut off.
    pub(crate) async fn moving_changes(&self) -> Result<Vec<Stored>, ApiError> {
        let sql = "SELECT doc, address, plan, revision FROM changes WHERE state IN ('armed', 'applying', 'undoing')";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.map_err(|e| self.fail(&e))?;
        rows.iter().map(read).collect()
    }

    /// A change of the same thing that is in the middle.
    pub(crate) async fn unfinished_change(
        &self,
        environment_id: &str,
        kind: &str,
        object: &str,
    ) -> Result<Option<String>, ApiError> {
        sqlx::query_scalar(
            "SELECT id FROM changes WHERE environment_id = ? AND kind = ? AND json_extract(doc, '$.object') = ?
             AND state IN ('armed', 'applying', 'undoing', 'cut_off') LIMIT 1",
        )
        .bind(environment_id)
        .bind(kind)
        .bind(object)
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.fail(&e))
    }
}
