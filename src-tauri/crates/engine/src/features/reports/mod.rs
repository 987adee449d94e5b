//! Reports of runs.
pub mod commands;
pub(crate) mod writing;
