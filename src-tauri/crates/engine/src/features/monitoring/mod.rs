//! Watched environments, and what viewers see of them.
pub mod commands;
pub(crate) mod feed;
pub(crate) mod sessions;
mod store;
