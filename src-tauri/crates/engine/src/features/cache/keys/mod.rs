//! Keys of caches: listed, looked at, and edited as changes.
pub mod commands;
pub(crate) mod edit;
mod sealed;
