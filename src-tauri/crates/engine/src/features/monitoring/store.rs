//! Blocks of samples.
use perfdeck_model::BoxFuture;
use perfdeck_series::{Block, BlockStore};
use sqlx::{Row, SqliteConnection};

use crate::core::store::Store;

/// Inserts a block, replacing one of the same environment, series and start.
async fn put_block(c: &mut SqliteConnection, environment_id: &str, block: &Block) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO blocks (environment_id, series_id, from_ms, step_ms, count, bytes) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET step_ms = excluded.step_ms, count = excluded.count, bytes = excluded.bytes",
    )
    .bind(environment_id)
    .bind(&block.series_id)
    .bind(block.from_ms)
    .bind(block.step_ms)
    .bind(i64::try_from(block.count).unwrap_or(i64::MAX))
    .bind(&block.bytes)
    .execute(c)
    .await
    .map(drop)
}

impl BlockStore for Store {
    fn put(&self, environment_id: &str, block: Block) -> BoxFuture<'_, Result<(), String>> {
        self.put_all(environment_id, vec![block])
    }

    fn put_all(&self, environment_id: &str, blocks: Vec<Block>) -> BoxFuture<'_, Result<(), String>> {
        let environment_id = environment_id.to_owned();
        Box::pin(async move {
            // One transaction: one wait for the disk instead of one per series.
            let work = async {
                let mut transaction = self.pool.begin().await?;
                for block in &blocks {
                    put_block(&mut transaction, &environment_id, block).await?;
                }
                transaction.commit().await
            };
            work.await.map_err(|e| self.fail(&e).message)
        })
    }

    fn get(
        &self,
        environment_id: &str,
        from_ms: f64,
        to_ms: f64,
        series: Option<&[String]>,
    ) -> BoxFuture<'_, Result<Vec<Block>, String>> {
        let environment_id = environment_id.to_owned();
        let wanted: Option<std::collections::HashSet<String>> = series.map(|s| s.iter().cloned().collect());
        Box::pin(async move {
            // A block covers at most five minutes, so one that starts an hour before the window cannot reach into it.
            let rows = sqlx::query(
                "SELECT series_id, from_ms, step_ms, count, bytes FROM blocks
                 WHERE environment_id = ? AND from_ms > ? AND from_ms <= ? ORDER BY from_ms",
            )
            .bind(environment_id)
            .bind(from_ms - 3_600_000.0)
            .bind(to_ms)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| e.to_string())?;
            Ok(rows
                .iter()
                .filter(|r| wanted.as_ref().is_none_or(|w| w.contains(r.get::<&str, _>(0))))
                .map(|r| Block {
                    series_id: r.get(0),
                    from_ms: r.get(1),
                    step_ms: r.get(2),
                    count: r.get::<i64, _>(3).try_into().unwrap_or(0),
                    bytes: r.get(4),
                })
                .collect())
        })
    }
}
