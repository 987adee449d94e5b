//! Databases.
pub(crate) mod activity;
pub mod commands;
pub(crate) mod drop_index;
pub(crate) mod end_session;
