//! Windows and texts in the store.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_database::statements::StatementText;
use perfdeck_model::ApiError;
use sqlx::{Row as _, SqliteConnection};

use super::pack::{Packed, pack, unpack};
use super::window::{Piece, Row};
use crate::core::store::Store;
use crate::features::database::place::Place;

/// Texts of one database that are kept at most; those that were seen last stay.
const MOST_TEXTS: i64 = 5_000;

/// A statement as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptText {
    pub(crate) text: Option<StatementText>,
    pub(crate) first_ms: f64,
}

/// Texts of statements by their key.
pub(super) type Texts = HashMap<Arc<str>, KeptText>;

async fn put_text(
    c: &mut SqliteConnection,
    place: &Place,
    key: &str,
    text: Option<&StatementText>,
    piece: &Piece,
) -> Result<u64, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO statement_texts (environment_id, target, key, text, cut_of, first_ms, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET text = coalesce(text, excluded.text), cut_of = coalesce(cut_of, excluded.cut_of),
            first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)
         RETURNING id",
    )
    .bind(&place.environment_id)
    .bind(&place.target)
    .bind(key)
    .bind(text.map(|t| &t.text))
    .bind(text.and_then(|t| t.cut_of).map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
    .bind(piece.from_ms)
    .bind(piece.to_ms)
    .fetch_one(c)
    .await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

impl Store {
    /// Keeps what was seen, in place of shorter sights of the same time, and answers whether it did: where another Perfdeck has
    /// seen more of that time, its sight stays. So nothing counts twice.
    pub(super) async fn put_statements(
        &self,
        place: &Place,
        piece: &Piece,
        texts: &HashMap<String, StatementText>,
    ) -> Result<bool, ApiError> {
        let work = async {
            let mut c = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let overlapping = sqlx::query(
                "SELECT from_ms, to_ms FROM statement_windows
                 WHERE environment_id = ? AND target = ? AND from_ms < ? AND to_ms > ?",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(piece.to_ms)
            .bind(piece.from_ms)
            .fetch_all(&mut *c)
            .await?;
            let mut seen = 0.0;
            for row in &overlapping {
                seen += row.try_get::<f64, _>(1)? - row.try_get::<f64, _>(0)?;
            }
            if !overlapping.is_empty() && seen >= piece.to_ms - piece.from_ms {
                return Ok(false);
            }
            sqlx::query(
                "DELETE FROM statement_windows WHERE environment_id = ? AND target = ? AND from_ms < ? AND to_ms > ?",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(piece.to_ms)
            .bind(piece.from_ms)
            .execute(&mut *c)
            .await?;
            let mut rows = Vec::with_capacity(piece.rows.len());
            for row in &piece.rows {
                let number = put_text(&mut c, place, &row.key, texts.get(&*row.key), piece).await?;
                rows.push((number, row.nested, row.counts));
            }
            let packed = Packed {
                cuts: piece.cuts.clone(),
                vanished: piece.vanished,
                others: piece.others,
                hidden: piece.hidden,
                rows,
            };
            sqlx::query("INSERT INTO statement_windows VALUES (?, ?, ?, ?, ?)")
                .bind(&place.environment_id)
                .bind(&place.target)
                .bind(piece.from_ms)
                .bind(piece.to_ms)
                .bind(pack(&packed))
                .execute(&mut *c)
                .await?;
            sqlx::query(
                "DELETE FROM statement_texts WHERE environment_id = ?1 AND target = ?2 AND last_ms <
                    (SELECT last_ms FROM statement_texts WHERE environment_id = ?1 AND target = ?2
                     ORDER BY last_ms DESC LIMIT 1 OFFSET ?3)",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(MOST_TEXTS)
            .execute(&mut *c)
            .await?;
            c.commit().await?;
            Ok::<_, sqlx::Error>(true)
        };
        work.await.map_err(|e| self.fail(&e))
    }

    /// What was seen within these times, oldest first. What is left of a statement whose text is not kept any more is among the
    /// others.
    pub(super) async fn statements(&self, place: &Place, ranges: &[(f64, f64)]) -> Result<Vec<Piece>, ApiError> {
        let work = async {
            let mut pieces = Vec::new();
            for (from, to) in ranges {
                let rows = sqlx::query(
                    "SELECT from_ms, to_ms, figures FROM statement_windows
                     WHERE environment_id = ? AND target = ? AND to_ms > ? AND from_ms < ? ORDER BY from_ms",
                )
                .bind(&place.environment_id)
                .bind(&place.target)
                .bind(from)
                .bind(to)
                .fetch_all(&self.pool)
                .await?;
                for row in &rows {
                    let packed = unpack(row.try_get::<&[u8], _>(2)?);
                    pieces.push((row.try_get::<f64, _>(0)?, row.try_get::<f64, _>(1)?, packed));
                }
            }
            let keys = sqlx::query("SELECT id, key FROM statement_texts WHERE environment_id = ? AND target = ?")
                .bind(&place.environment_id)
                .bind(&place.target)
                .fetch_all(&self.pool)
                .await?;
            let mut names: HashMap<u64, Arc<str>> = HashMap::with_capacity(keys.len());
            for row in &keys {
                names.insert(row.try_get::<i64, _>(0)?.unsigned_abs(), Arc::from(row.try_get::<&str, _>(1)?));
            }
            Ok::<_, sqlx::Error>((pieces, names))
        };
        let (pieces, names) = work.await.map_err(|e| self.fail(&e))?;
        Ok(pieces
            .into_iter()
            // One that cannot be read is a gap, and no figures.
            .filter_map(|(from_ms, to_ms, packed)| Some(named(from_ms, to_ms, packed?, &names)))
            .collect())
    }

    /// Texts of these statements, of those that have one.
    pub(crate) async fn statement_texts(&self, place: &Place, keys: &[Arc<str>]) -> Result<Texts, ApiError> {
        let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
        let keys = crate::core::store::text(&keys)?;
        let work = async {
            let rows = sqlx::query(
                "SELECT key, text, cut_of, first_ms FROM statement_texts
                 WHERE environment_id = ? AND target = ? AND key IN (SELECT value FROM json_each(?))",
            )
            .bind(&place.environment_id)
            .bind(&place.target)
            .bind(keys)
            .fetch_all(&self.pool)
            .await?;
            let mut texts = Texts::new();
            for row in &rows {
                let text: Option<String> = row.try_get(1)?;
                let cut_of = row.try_get::<Option<i64>, _>(2)?.and_then(|n| usize::try_from(n).ok());
                let kept =
                    KeptText { text: text.map(|text| StatementText { text, cut_of }), first_ms: row.try_get(3)? };
                texts.insert(Arc::from(row.try_get::<&str, _>(0)?), kept);
            }
            Ok::<_, sqlx::Error>(texts)
        };
        work.await.map_err(|e| self.fail(&e))
    }

    /// From when to when anything was seen; `None` without anything.
    pub(super) async fn statements_seen(&self, place: &Place) -> Result<Option<(f64, f64)>, ApiError> {
        let row = sqlx::query(
            "SELECT min(from_ms), max(to_ms) FROM statement_windows WHERE environment_id = ? AND target = ?",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        let ends: (Option<f64>, Option<f64>) = (row.get(0), row.get(1));
        Ok(ends.0.zip(ends.1))
    }
}

fn named(from_ms: f64, to_ms: f64, packed: Packed, names: &HashMap<u64, Arc<str>>) -> Piece {
    let mut others = packed.others;
    let mut rows = Vec::with_capacity(packed.rows.len());
    for (number, nested, counts) in packed.rows {
        match names.get(&number) {
            Some(key) => rows.push(Row { key: key.clone(), nested, counts }),
            None => {
                others.statements = others.statements.saturating_add(1);
                if !nested {
                    others.counts.add(&counts);
                }
            }
        }
    }
    Piece { from_ms, to_ms, cuts: packed.cuts, vanished: packed.vanished, rows, others, hidden: packed.hidden }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_database::statements::StatementCounts;

    fn place(target: &str) -> Place {
        Place { environment_id: "e".to_owned(), target: target.to_owned() }
    }

    fn piece(from_ms: f64, to_ms: f64, calls: u64) -> Piece {
        let counts = StatementCounts { calls, total_ms: 2.0 * calls as f64, ..StatementCounts::default() };
        Piece { from_ms, to_ms, rows: vec![Row { key: Arc::from("a"), nested: false, counts }], ..Piece::default() }
    }

    fn calls(pieces: &[Piece]) -> Vec<(f64, u64)> {
        pieces.iter().map(|piece| (piece.from_ms, piece.calls())).collect()
    }

    #[tokio::test]
    async fn what_two_perfdecks_saw_of_the_same_time_counts_once() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (one, other) =
            (Store::open(dir.path()).await.expect("opens"), Store::open(dir.path()).await.expect("opens twice"));
        let texts =
            HashMap::from([("a".to_owned(), StatementText { text: "SELECT $1".to_owned(), cut_of: Some(1 << 20) })]);
        let put = async |store: &Store, of: &Piece| store.put_statements(&place("db"), of, &texts).await.expect("kept");
        assert!(put(&one, &piece(0.0, 60.0, 6)).await, "the first sight of a window that is not over");
        assert!(put(&one, &piece(0.0, 120.0, 12)).await, "a longer one takes its place");
        assert!(!put(&other, &piece(30.0, 120.0, 9)).await, "another Perfdeck that began later has seen less");
        assert!(put(&other, &piece(120.0, 180.0, 5)).await, "what comes after is seen by nobody else");
        let all = [(0.0, 1e3)];
        let seen = one.statements(&place("db"), &all).await.expect("read");
        assert_eq!(calls(&seen), [(0.0, 12), (120.0, 5)], "each moment once");
        assert!(
            one.statements(&place("other"), &all).await.expect("read").is_empty(),
            "another database's is not its past"
        );
        let kept = one.statement_texts(&place("db"), &[Arc::from("a")]).await.expect("read");
        let text = kept[&Arc::<str>::from("a")].text.as_ref().expect("a text");
        assert_eq!((text.text.as_str(), text.cut_of), ("SELECT $1", Some(1 << 20)), "once, and how long it really is");
        assert_eq!(one.statements_seen(&place("db")).await.expect("read"), Some((0.0, 180.0)), "since when");
        one.prune(8.0 * 86_400_000.0).await.expect("pruned");
        assert_eq!(one.statements_seen(&place("db")).await.expect("read"), None, "seven days are kept");
    }
}
