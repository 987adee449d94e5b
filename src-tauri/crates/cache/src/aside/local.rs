//! What this process knows of the store without asking: whether it is told of changes, and which epochs changed.
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use super::figures::Figures;
use super::keys::{Tag, unescaped};

/// Cells that are kept before those that nobody uses are dropped.
const CELLS: usize = 1_024;

/// The place of a tag: it counts the changes of the tag's epoch that this process has heard of.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Tags at one moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moment(Box<[(Arc<Cell>, u64)]>);

impl Moment {
    /// Whether no epoch changed since.
    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(|(cell, then)| cell.count() == *then)
    }
}

/// A namespace, for those who do not know its types.
pub(crate) trait Level: Send + Sync {
    /// Forgets a key, and what is being read or loaded for it.
    fn forget(&self, key: &str);
    /// Forgets all keys.
    fn forget_all(&self);
    /// What it did.
    fn figures(&self) -> Figures;
}

/// See the module.
pub(crate) struct Local {
    /// Another number each time that everything is forgotten; odd while nobody tells of changes.
    generation: AtomicU64,
    cells: Mutex<(HashMap<String, Arc<Cell>>, usize)>,
    levels: RwLock<HashMap<String, Weak<dyn Level>>>,
}

impl Local {
    /// `told`: whether changes are told from the start.
    pub(crate) fn new(told: bool) -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU64::new(if told { 2 } else { 1 }),
            cells: Mutex::new((HashMap::new(), CELLS)),
            levels: RwLock::default(),
        })
    }

    /// The number that a first level's entries must have.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether changes are told.
    pub(crate) fn told(&self) -> bool {
        self.generation().is_multiple_of(2)
    }

    /// From now on, changes are told (or not): what was kept before is forgotten.
    pub(crate) fn set_told(&self, told: bool) {
        let next = |g: u64| Some((g | 1) + u64::from(told));
        let _ = self.generation.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        self.forget_all();
    }

    /// Everything changed.
    pub(crate) fn flush(&self) {
        self.generation.fetch_add(2, Ordering::AcqRel);
        self.forget_all();
    }

    fn forget_all(&self) {
        for (_, level) in self.levels() {
            level.forget_all();
        }
    }

    /// A key of the store changed; its name without that of the cache.
    pub(crate) fn changed(&self, key: &str) {
        if let Some(tag) = key.strip_prefix('@') {
            self.epoch_changed(tag);
        } else if let Some((space, key)) = key.split_once(':')
            && let Some(level) = self.level(space)
            && let Some(key) = unescaped(key)
        {
            level.forget(&key);
        }
    }

    /// The epoch of a tag changed.
    pub(crate) fn epoch_changed(&self, tag: &str) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.0.get(tag) {
            cell.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// This moment of some tags.
    pub(crate) fn moment(&self, tags: &[Tag]) -> Moment {
        if tags.is_empty() {
            return Moment::default();
        }
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tags.iter().map(|tag| {
            let cell = match cells.0.get(tag.text()) {
                Some(cell) => cell.clone(),
                None => cells.0.entry(tag.text().to_owned()).or_default().clone(),
            };
            let count = cell.count();
            (cell, count)
        });
        let moment = Moment(found.collect());
        if cells.0.len() > cells.1 {
            // Whoever compares holds the cell; of the others nobody will.
            cells.0.retain(|_, cell| Arc::strong_count(cell) > 1);
            cells.1 = (2 * cells.0.len()).max(CELLS);
        }
        moment
    }

    /// Adds a namespace; `false` when there is one of its name.
    pub(crate) fn add(&self, name: &str, level: Weak<dyn Level>) -> bool {
        let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
        if levels.get(name).is_some_and(|old| old.strong_count() > 0) {
            return false;
        }
        levels.insert(name.to_owned(), level);
        true
    }

    fn level(&self, name: &str) -> Option<Arc<dyn Level>> {
        self.levels.read().unwrap_or_else(PoisonError::into_inner).get(name)?.upgrade()
    }

    /// The namespaces.
    pub(crate) fn levels(&self) -> Vec<(String, Arc<dyn Level>)> {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            levels.iter().filter_map(|(name, level)| Some((name.clone(), level.upgrade()?))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_ends_with_an_epoch_and_cells_are_bounded() {
        let local = Local::new(true);
        let (one, both) = (local.moment(&[Tag::user(1)]), local.moment(&[Tag::user(1), Tag::named("a")]));
        assert!(one.holds() && both.holds());
        local.changed("@tag:a");
        assert!(one.holds() && !both.holds(), "only those of the tag");
        assert!(local.moment(&[Tag::user(1), Tag::named("a")]).holds(), "a new moment");
        for user in 0..100_000 {
            local.moment(&[Tag::user(user)]);
        }
        let held = local.cells.lock().expect("whole").0.len();
        assert!(held <= CELLS + 1, "cells that nobody holds are dropped: {held}");
        local.changed("@user:1");
        assert!(!one.holds(), "one that is held is not");
    }

    #[test]
    fn nothing_outlives_the_time_in_which_changes_are_told() {
        let local = Local::new(false);
        assert!(!local.told());
        let mut seen = vec![local.generation()];
        for told in [true, true, false, false, true] {
            local.set_told(told);
            assert_eq!(local.told(), told);
            let now = local.generation();
            assert!(!told || !seen.contains(&now), "another generation each time: {now} after {seen:?}");
            seen.push(now);
        }
        local.flush();
        assert!(local.told() && !seen.contains(&local.generation()), "a flush is one too");
    }
}
