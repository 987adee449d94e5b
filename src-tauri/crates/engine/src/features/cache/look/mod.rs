//! What a cache tells of itself: a look, its health, its slow log, its clients, and which of its keys are used most. Readers are kept while
//! somebody asks: rates are told over readings, and signing in anew every few seconds would cost the server more than the question.
pub mod commands;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use perfdeck_cache::{CacheReader, MemoryCache};
use perfdeck_model::{ApiError, CacheHeat, CacheTarget, Environment, Sensitive};
use tokio::sync::Mutex;

use crate::Engine;
use crate::features::cache::door::CacheDoor;

/// A reader that nobody asked for so long ends, with its connections.
const LEASE: Duration = Duration::from_secs(60);

/// One environment's reader.
struct Kept {
    /// `updated_ms` of the environment that it was made from: an edit makes another one.
    of_ms: f64,
    reader: Arc<Mutex<CacheReader>>,
    /// Counts up with every use.
    used: u64,
}

/// The readers that are kept, and the heat that was measured last, by environment.
#[derive(Default)]
pub(crate) struct State {
    readers: Mutex<HashMap<String, Kept>>,
    heat: Lock<HashMap<String, CacheHeat>>,
}

impl State {
    async fn take(
        &self,
        of: &Environment,
        target: &CacheTarget,
        password: Option<Sensitive>,
    ) -> (Arc<Mutex<CacheReader>>, u64) {
        let mut readers = self.readers.lock().await;
        let old = readers.get(&of.id).filter(|k| k.of_ms.to_bits() == of.updated_ms.to_bits());
        let (reader, used) = match old {
            Some(old) => (old.reader.clone(), old.used + 1),
            None => (Arc::new(Mutex::new(CacheReader::new(target.clone(), password))), 0),
        };
        readers.insert(of.id.clone(), Kept { of_ms: of.updated_ms, reader: reader.clone(), used });
        (reader, used)
    }

    /// Ends the reader of an environment when this use was its last.
    async fn end(&self, id: &str, used: u64) {
        let mut readers = self.readers.lock().await;
        if readers.get(id).is_some_and(|k| k.used == used) {
            readers.remove(id);
        }
    }

    fn heat(&self, id: &str) -> Option<CacheHeat> {
        self.heat.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put_heat(&self, id: String, heat: CacheHeat) {
        self.heat.lock().unwrap_or_else(PoisonError::into_inner).insert(id, heat);
    }
}

/// A cache that is asked: over a reader that is kept, or in this process.
enum Asked {
    Server(Arc<Mutex<CacheReader>>),
    Memory(Arc<MemoryCache>),
}

impl Engine {
    /// Who is asked about an environment's cache.
    ///
    /// # Errors
    /// As [`Engine::cache_of`].
    async fn asked(self: &Arc<Self>, id: &str) -> Result<(Environment, Asked), ApiError> {
        let (environment, door) = self.cache_of(id).await?;
        let (target, password) = match door {
            CacheDoor::Memory(cache) => return Ok((environment, Asked::Memory(cache))),
            CacheDoor::Server { target, password } => (target, password),
        };
        let (reader, used) = self.cache.look.take(&environment, &target, password).await;
        let (engine, id, stopped) = (Arc::downgrade(self), environment.id.clone(), self.core.stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(LEASE) => {}
                () = stopped.cancelled() => return,
            }
            if let Some(engine) = engine.upgrade() {
                engine.cache.look.end(&id, used).await;
            }
        });
        Ok((environment, Asked::Server(reader)))
    }
}
