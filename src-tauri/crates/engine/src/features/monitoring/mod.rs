//! Watched environments, and what viewers see of them.
pub mod commands;
pub(crate) mod sessions;
mod store;
pub(crate) mod viewer;
