//! Reports of runs, comparisons and searches for the knee.
pub mod commands;
mod gathering;
mod store;
pub(crate) mod writing;
