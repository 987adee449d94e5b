//! Databases.
pub mod commands;
