//! Work in pages, which one connection or two take in turns.
use std::slice::ChunksMut;
use std::sync::{Mutex, PoisonError};

/// Pages that nobody has taken yet.
pub(super) struct Pages<'a, T>(Mutex<ChunksMut<'a, T>>);

impl<'a, T> Pages<'a, T> {
    /// All of it in pages of `size`, more than 0.
    pub(super) fn of(all: &'a mut [T], size: usize) -> Self {
        Self(Mutex::new(all.chunks_mut(size)))
    }

    /// The next page.
    pub(super) fn take(&self) -> Option<&'a mut [T]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn each_page_is_taken_once() {
        let mut all = [1, 2, 3, 4, 5];
        let pages = Pages::of(&mut all, 2);
        let (a, b) = (pages.take(), pages.take());
        assert_eq!((a.map(|p| p.len()), b.map(|p| p.len())), (Some(2), Some(2)));
        assert_eq!(pages.take().map(|p| p.to_vec()), Some(vec![5]), "the rest");
        assert!(pages.take().is_none());
    }
}
