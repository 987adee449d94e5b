//! Databases.
pub mod commands;
pub(crate) mod drop_index;
pub(crate) mod schema;
