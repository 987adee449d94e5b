//! Pools of an environment's database. Readers are kept while somebody asks: churn is told over readings, and signing in anew
//! every few seconds would cost the server more than the question.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_database::PoolsReader;
use perfdeck_model::{Address, ApiError, DEMO_ENVIRONMENT_ID, DatabasePools, Environment, Sensitive};
use tokio::sync::Mutex;

use crate::Engine;

/// A reader that nobody asked for so long ends, with its connection.
const LEASE: Duration = Duration::from_secs(60);

/// One environment's reader.
struct Kept {
    /// `updated_ms` of the environment that it was made from: an edit makes another one.
    of_ms: f64,
    reader: Arc<Mutex<PoolsReader>>,
    /// Counts up with every use.
    used: u64,
}

/// The readers that are kept.
#[derive(Default)]
pub(crate) struct Readers(Mutex<HashMap<String, Kept>>);

impl Readers {
    /// The reader of an environment, and the number of this use.
    async fn take(
        &self,
        environment: &Environment,
        address: &Address,
        password: Option<Sensitive>,
    ) -> (Arc<Mutex<PoolsReader>>, u64) {
        let mut kept = self.0.lock().await;
        let old = kept.get(&environment.id).filter(|k| k.of_ms.to_bits() == environment.updated_ms.to_bits());
        let (reader, used) = match old {
            Some(old) => (old.reader.clone(), old.used + 1),
            None => (Arc::new(Mutex::new(PoolsReader::new(address.clone(), password))), 0),
        };
        let entry = Kept { of_ms: environment.updated_ms, reader: reader.clone(), used };
        kept.insert(environment.id.clone(), entry);
        (reader, used)
    }

    /// Ends the reader of an environment when this use was its last.
    async fn end(&self, id: &str, reader: &Arc<Mutex<PoolsReader>>, used: u64) {
        let mut kept = self.0.lock().await;
        if kept.get(id).is_some_and(|k| k.used == used && Arc::ptr_eq(&k.reader, reader)) {
            kept.remove(id);
        }
        drop(kept);
        // One that an edit replaced ends with its last use too.
        if Arc::strong_count(reader) == 1 {
            reader.lock().await.release().await;
        }
    }

    /// Ends all of them.
    pub(crate) async fn end_all(&self) {
        let all: Vec<Kept> = self.0.lock().await.drain().map(|(_, kept)| kept).collect();
        for kept in all {
            if let Ok(mut reader) = kept.reader.try_lock() {
                reader.release().await;
            }
        }
    }
}

impl Engine {
    /// Pools of an environment's database.
    ///
    /// # Errors
    /// As [`Engine::database_of`]; when the database does not answer.
    pub(crate) async fn pools(self: &Arc<Self>, id: &str) -> Result<DatabasePools, ApiError> {
        let (environment, address, password) = self.database_of(id).await?;
        let (reader, used) = self.database.pools.take(&environment, &address, password).await;
        let outcome = reader.lock().await.read(&*self.core.clock).await;
        let (engine, id) = (Arc::downgrade(self), environment.id.clone());
        let stopped = self.core.stopped.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(LEASE) => {}
                () = stopped.cancelled() => return,
            }
            if let Some(engine) = engine.upgrade() {
                engine.database.pools.end(&id, &reader, used).await;
            }
        });
        let mut pools = outcome?;
        if environment.id == DEMO_ENVIRONMENT_ID {
            pools.own = self.demo().await?.pools();
        }
        Ok(pools)
    }
}
