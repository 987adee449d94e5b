//! The cache of this process: what is taken out of it is kept in memory.
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, MapCount, RestoredKeys, TakenKeys, TtlProfile};

use super::names::{Meant, not_here};
use super::survey::{Seen, Surveyed};
use crate::memory::{MemoryCache, Stored};
use crate::values::matches;

/// What was taken out, in this process only.
#[derive(Default)]
pub struct MemoryKept(Vec<(String, Stored)>);

impl std::fmt::Debug for MemoryKept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryKept({})", self.0.len())
    }
}

fn meant(cache: &MemoryCache, meant: &Meant) -> Vec<(String, Stored)> {
    let is = |key: &str| match meant {
        Meant::Keys(keys) => keys.binary_search_by(|k| k.as_slice().cmp(key.as_bytes())).is_ok(),
        other => other.pattern().is_some_and(|p| matches(p, key.as_bytes())) && other.is_meant(key.as_bytes()),
    };
    cache.entries().filter(|(key, _)| is(key)).collect()
}

/// What taking them out would do.
pub fn survey_memory(cache: &MemoryCache, what: &Meant) -> (Surveyed, Seen) {
    surveyed(cache, meant(cache, what))
}

/// What was seen of these.
pub(super) fn surveyed(cache: &MemoryCache, found: Vec<(String, Stored)>) -> (Surveyed, Seen) {
    let mut ttl = TtlProfile::default();
    let mut bytes = 0.0;
    for (key, stored) in &found {
        bytes += (key.len() + stored.value.len() + 64) as f64;
        *(match stored.left().map(|left| left.as_secs()) {
            None => &mut ttl.never,
            Some(..60) => &mut ttl.minute,
            Some(..3_600) => &mut ttl.hour,
            Some(..86_400) => &mut ttl.day,
            Some(_) => &mut ttl.later,
        }) += 1;
    }
    let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let surveyed = Surveyed {
        matched: MapCount::Exact { value: f64::from(count) },
        database_keys: cache.keys().0 as f64,
        looked_through: 1.0,
        looked_at: count,
        bytes,
        types: if count == 0 { Default::default() } else { [("string".to_owned(), count)].into() },
        ttl,
        oversized: 0,
        loads: None,
        readers: None,
        not_restored: Vec::new(),
        key_s: 1e-6,
    };
    let examples = found.iter().take(50).map(|(key, _)| key.as_bytes().into()).collect();
    (surveyed, Seen { examples, oversized: Vec::new() })
}

/// Takes the keys out that are meant. Each is removed and kept in one step.
///
/// # Errors
/// When they are to expire instead: this cache gives no key another expiry.
pub async fn take_from_memory(
    cache: &Arc<MemoryCache>,
    what: &Meant,
    soft: bool,
    kept: &mut MemoryKept,
) -> Result<TakenKeys, ApiError> {
    if soft {
        return Err(not_here("expiry at random").hint("Remove the keys instead"));
    }
    let started = Instant::now();
    let mut taken = TakenKeys::default();
    for (key, _) in meant(cache, what) {
        taken.matched += 1.0;
        match cache.take(&key).await {
            Some(stored) => {
                taken.removed += 1.0;
                taken.bytes += stored.value.len() as f64;
                kept.0.push((key, stored));
            }
            None => taken.gone += 1.0,
        }
    }
    let again = meant(cache, what);
    let ours = |key: &String| kept.0.iter().any(|(taken, _)| taken == key);
    let recreated = again.iter().filter(|(key, _)| ours(key)).count() as f64;
    taken.recreated = Some(recreated);
    taken.survivors = Some(again.len() as f64 - recreated);
    taken.seconds = started.elapsed().as_secs_f64();
    Ok(taken)
}

/// Puts back what was taken out, but for keys that are there again.
pub async fn put_back(cache: &Arc<MemoryCache>, kept: &MemoryKept) -> RestoredKeys {
    let started = Instant::now();
    let mut restored = RestoredKeys { kept: kept.0.len() as f64, ..RestoredKeys::default() };
    for (key, stored) in &kept.0 {
        let counted = match stored.left() {
            Some(Duration::ZERO) => &mut restored.expired,
            _ if cache.put_back(key, stored).await => &mut restored.restored,
            _ => &mut restored.recreated,
        };
        *counted += 1.0;
    }
    restored.seconds = started.elapsed().as_secs_f64();
    restored
}
