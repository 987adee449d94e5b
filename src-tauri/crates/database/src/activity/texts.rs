//! Texts of sessions, each kept once: a thousand sessions say the same few names and statements second after second.
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use perfdeck_sqltext::{Dialect, without_literals};

/// Texts of the reading before, and of this one.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    hasher: std::hash::RandomState,
    before: HashMap<u64, Arc<str>>,
    now: HashMap<u64, Arc<str>>,
    /// Bytes that were not there before.
    fresh: usize,
}

impl Texts {
    /// Begins a reading: what the one before did not use is forgotten.
    pub(crate) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
        self.fresh = 0;
    }

    /// Bytes of texts that this reading brought.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh
    }

    fn keep(&mut self, key: u64, make: impl FnOnce() -> String) -> Arc<str> {
        if let Some(text) = self.now.get(&key) {
            return text.clone();
        }
        let text = self.before.remove(&key).unwrap_or_else(|| {
            let text: Arc<str> = make().into();
            self.fresh += text.len();
            text
        });
        self.now.insert(key, text.clone());
        text
    }

    /// A name.
    pub(crate) fn name(&mut self, name: &str) -> Arc<str> {
        let key = self.hasher.hash_one((0_u8, name));
        self.keep(key, || name.to_owned())
    }

    /// A statement without its literals. What it was before is kept by its hash only: it may be personal.
    pub(crate) fn statement(&mut self, sql: &str, dialect: Dialect) -> Arc<str> {
        let key = self.hasher.hash_one((1_u8, sql));
        self.keep(key, || without_literals(sql, dialect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_forgotten_when_nobody_says_it_any_more() {
        let mut texts = Texts::default();
        let first = texts.statement("SELECT * FROM t WHERE id = 17", Dialect::Postgres);
        assert_eq!(&*first, "SELECT * FROM t WHERE id = ?");
        let grown = texts.fresh();
        assert!(Arc::ptr_eq(&first, &texts.statement("SELECT * FROM t WHERE id = 17", Dialect::Postgres)), "once");
        assert_eq!(texts.fresh(), grown, "no more bytes");
        texts.turn();
        let again = texts.statement("SELECT * FROM t WHERE id = 17", Dialect::Postgres);
        assert!(Arc::ptr_eq(&first, &again) && texts.fresh() == 0, "over readings too");
        texts.turn();
        texts.turn();
        let anew = texts.statement("SELECT * FROM t WHERE id = 17", Dialect::Postgres);
        assert!(!Arc::ptr_eq(&first, &anew), "two readings without it");
    }
}
