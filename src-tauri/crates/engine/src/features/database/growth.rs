//! Growth of tables and indexes: sizes of the largest are kept now and then, and a later reading is held against them.
use std::collections::{BTreeMap, HashMap};
use std::sync::Weak;
use std::time::Duration;

use perfdeck_model::{ApiError, DatabaseSizes, SizeGrowth, SizeTold};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::place::{Place, kept, place_of};
use crate::Engine;
use crate::core::store::{Store, text};

/// Tables that are kept, and indexes: the largest.
const LARGEST: usize = 200;
/// Shortest time between two sizes that are kept, in milliseconds.
const APART_MS: f64 = 3_600_000.0;
/// Time after which a database that is watched is measured for them, in milliseconds.
const WATCHED_MS: f64 = 6.0 * 3_600_000.0;
/// The same where the last measurement took longer than [`LONG_MS`].
const SELDOM_MS: f64 = 24.0 * 3_600_000.0;
const LONG_MS: f64 = 2_000.0;
/// A watch is this old before anything is measured, and after a failure it is tried again so much later.
const FIRST_MS: f64 = 60_000.0;
const AGAIN_MS: f64 = 900_000.0;
/// Time over which growth is told, in milliseconds: seven days, and one measurement more.
const BACK_MS: f64 = 7.0 * 86_400_000.0 + WATCHED_MS;
/// Between two looks at what is watched.
const TICK: Duration = Duration::from_secs(10);

/// Sizes of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Whether they were measured; the others are the server's statistics, and the two are never compared.
    exact: bool,
    /// All tables with their indexes, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
    tables: BTreeMap<String, f64>,
    indexes: BTreeMap<String, f64>,
}

impl Kept {
    /// What is worth keeping of a reading; `None` where it has no sizes.
    fn of(sizes: &DatabaseSizes) -> Option<Self> {
        let exact = sizes.tables.iter().any(|t| t.told == SizeTold::Exact && t.bytes.is_some());
        let told = if exact { SizeTold::Exact } else { SizeTold::Estimate };
        // They come largest first.
        let tables = sizes.tables.iter().filter(|t| t.told == told).take(LARGEST);
        let tables: BTreeMap<String, f64> = tables.filter_map(|t| Some((t.name.clone(), t.bytes?))).collect();
        let all = sizes.tables.iter().flat_map(|t| &t.indexes).filter(|i| i.told == told);
        let mut indexes: Vec<(&String, f64)> = all.filter_map(|i| Some((&i.name, i.bytes?))).collect();
        indexes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        indexes.truncate(LARGEST);
        let indexes = indexes.into_iter().map(|(name, bytes)| (name.clone(), bytes)).collect();
        let bytes = sizes.bytes.filter(|_| sizes.bytes_exact == exact);
        (!tables.is_empty()).then_some(Self { exact, bytes, tables, indexes })
    }
}

/// Says how much each table and index grew since the oldest of `kept` (oldest first) that has it.
fn tell(sizes: &mut DatabaseSizes, kept: &[(f64, Kept)]) {
    let Some(exact) = Kept::of(sizes).map(|now| now.exact) else { return };
    let told = if exact { SizeTold::Exact } else { SizeTold::Estimate };
    let since = |now: Option<f64>, of: &dyn Fn(&Kept) -> Option<f64>| {
        let (now, comparable) = (now?, kept.iter().filter(|(_, kept)| kept.exact == exact));
        let (since_ms, then) = comparable.filter_map(|(at_ms, kept)| Some((*at_ms, of(kept)?))).next()?;
        Some(SizeGrowth { bytes: now - then, since_ms })
    };
    sizes.growth = since(sizes.bytes.filter(|_| sizes.bytes_exact == exact), &|kept| kept.bytes);
    for table in &mut sizes.tables {
        let name = &table.name;
        table.growth = since(table.bytes.filter(|_| table.told == told), &|kept| kept.tables.get(name).copied());
        for index in &mut table.indexes {
            let name = &index.name;
            index.growth = since(index.bytes.filter(|_| index.told == told), &|kept| kept.indexes.get(name).copied());
        }
    }
}

impl Store {
    /// Keeps sizes, unless some of the last hour are kept.
    async fn put_sizes(&self, place: &Place, at_ms: f64, kept: &Kept) -> Result<(), ApiError> {
        let doc = text(kept)?;
        sqlx::query(
            "INSERT OR IGNORE INTO database_sizes SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (
                SELECT 1 FROM database_sizes WHERE environment_id = ?1 AND target = ?2 AND at_ms > ?5)",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(at_ms)
        .bind(doc)
        .bind(at_ms - APART_MS)
        .execute(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(())
    }

    /// Sizes that are kept since a time, oldest first. Those that cannot be read are left out.
    async fn sizes_since(&self, place: &Place, from_ms: f64) -> Result<Vec<(f64, Kept)>, ApiError> {
        let rows = sqlx::query(
            "SELECT at_ms, doc FROM database_sizes WHERE environment_id = ? AND target = ? AND at_ms >= ? ORDER BY at_ms",
        )
        .bind(&place.environment_id)
        .bind(&place.target)
        .bind(from_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.fail(&e))?;
        Ok(kept(&rows).collect())
    }

    async fn sizes_kept_ms(&self, place: &Place) -> Result<Option<f64>, ApiError> {
        sqlx::query_scalar("SELECT max(at_ms) FROM database_sizes WHERE environment_id = ? AND target = ?")
            .bind(&place.environment_id)
            .bind(&place.target)
            .fetch_one(&self.pool)
            .await
            .map_err(|e| self.fail(&e))
    }
}

impl Engine {
    /// Says how much everything grew, and keeps these sizes where it is time to.
    pub(super) async fn with_growth(&self, place: &Place, sizes: &mut DatabaseSizes) -> Result<(), ApiError> {
        let now_ms = self.core.clock.now_ms();
        let kept = self.core.store.sizes_since(place, now_ms - BACK_MS).await?;
        tell(sizes, &kept);
        // A reading of the largest ten would stand in the way of one of all that are kept.
        let whole = sizes.tables.len() >= LARGEST || sizes.tables_left_out == 0;
        match Kept::of(sizes) {
            // Environments of one process only leave nothing in the store.
            Some(kept) if whole && self.environments.process_only.get(&place.environment_id).is_none() => {
                self.core.store.put_sizes(place, now_ms, &kept).await
            }
            _ => Ok(()),
        }
    }

    /// Measures a database that is watched, where its sizes were kept long ago; answers when to look again.
    async fn keep_sizes(&self, id: &str, now_ms: f64) -> Result<f64, ApiError> {
        let place = place_of(&self.environment(id).await?)?;
        if self.environments.process_only.get(id).is_some() {
            return Ok(now_ms + SELDOM_MS);
        }
        if let Some(kept_ms) = self.core.store.sizes_kept_ms(&place).await?
            && now_ms - kept_ms < WATCHED_MS
        {
            return Ok(kept_ms + WATCHED_MS);
        }
        let started = self.core.clock.monotonic_ms();
        let (_, address, password) = self.database_of(id).await?;
        let sizes = perfdeck_database::sizes(&address, password.as_ref(), LARGEST as u32).await?;
        if let Some(kept) = Kept::of(&sizes) {
            self.core.store.put_sizes(&place, now_ms, &kept).await?;
        }
        let took = self.core.clock.monotonic_ms() - started;
        Ok(now_ms + if took > LONG_MS { SELDOM_MS } else { WATCHED_MS })
    }
}

/// Keeps the sizes of what is watched, until `stopped`.
pub(crate) async fn keep(engine: Weak<Engine>, stopped: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut due: HashMap<String, f64> = HashMap::new();
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let now_ms = engine.core.clock.now_ms();
        let watched = engine.monitoring.watched().await;
        due.retain(|id, _| watched.contains_key(id));
        for id in watched.into_keys() {
            // A clock that was set back must not put it off for ever.
            let next = due.entry(id.clone()).or_insert(now_ms + FIRST_MS);
            if now_ms < *next && *next - now_ms <= SELDOM_MS {
                continue;
            }
            let outcome = tokio::select! {
                () = stopped.cancelled() => return,
                outcome = engine.keep_sizes(&id, now_ms) => outcome,
            };
            *next = outcome.unwrap_or_else(|error| {
                tracing::debug!(target: "perfdeck::database", %error, "sizes were not kept");
                now_ms + AGAIN_MS
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{IndexSize, TableSize};

    const HOUR_MS: f64 = 3_600_000.0;

    fn sizes(told: SizeTold, tables: &[(&str, f64, f64)]) -> DatabaseSizes {
        let table = |(name, bytes, index): &(&str, f64, f64)| TableSize {
            name: (*name).to_owned(),
            bytes: Some(*bytes),
            told,
            indexes: vec![IndexSize { name: format!("{name}_key"), bytes: Some(*index), told, ..IndexSize::default() }],
            ..TableSize::default()
        };
        DatabaseSizes {
            tables: tables.iter().map(table).collect(),
            bytes: Some(tables.iter().map(|t| t.1).sum()),
            bytes_exact: told == SizeTold::Exact,
            ..DatabaseSizes::default()
        }
    }

    fn place() -> Place {
        Place { environment_id: "e".to_owned(), target: "db".to_owned() }
    }

    #[tokio::test]
    async fn growth_is_since_the_oldest_of_seven_days_and_unknown_is_none() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(dir.path()).await.expect("opens");
        let put = async |at_ms: f64, of: &DatabaseSizes| {
            store.put_sizes(&place(), at_ms, &Kept::of(of).expect("sizes")).await.expect("kept");
        };
        put(0.0, &sizes(SizeTold::Exact, &[("orders", 100.0, 40.0)])).await;
        put(0.5 * HOUR_MS, &sizes(SizeTold::Exact, &[("orders", 900.0, 40.0)])).await;
        put(2.0 * HOUR_MS, &sizes(SizeTold::Exact, &[("orders", 120.0, 50.0), ("new", 10.0, 1.0)])).await;
        let kept = store.sizes_since(&place(), 0.0).await.expect("read");
        assert_eq!(kept.len(), 2, "not more often than once an hour");
        let mut now = sizes(SizeTold::Exact, &[("orders", 150.0, 30.0), ("new", 15.0, 1.0), ("newest", 1.0, 1.0)]);
        tell(&mut now, &kept);
        let grown = |bytes, since_ms| Some(SizeGrowth { bytes, since_ms });
        let [orders, new, newest] = now.tables.as_slice() else { panic!("three tables") };
        assert_eq!(
            (orders.growth, orders.indexes[0].growth),
            (grown(50.0, 0.0), grown(-10.0, 0.0)),
            "since the oldest"
        );
        assert_eq!(new.growth, grown(5.0, 2.0 * HOUR_MS), "since it is known");
        assert_eq!(newest.growth, None, "it was not there");
        assert_eq!(now.growth, grown(66.0, 0.0), "of all");
        let mut estimated = sizes(SizeTold::Estimate, &[("orders", 150.0, 30.0)]);
        tell(&mut estimated, &kept);
        assert_eq!(estimated.tables[0].growth, None, "an estimate is not held against what was measured");
        let mut locked = sizes(SizeTold::Exact, &[("orders", 150.0, 30.0), ("new", 15.0, 1.0)]);
        locked.tables[0].told = SizeTold::Locked;
        tell(&mut locked, &kept);
        assert_eq!(
            (locked.tables[0].growth, locked.tables[1].growth.map(|g| g.bytes)),
            (None, Some(5.0)),
            "nor a locked one"
        );
        store.prune(9.0 * 86_400_000.0).await.expect("pruned");
        assert_eq!(store.sizes_since(&place(), 0.0).await.expect("read"), [], "eight days are kept");
    }
}
