//! Sizing a pool: cells of a closed loop over N connections in random order ([`sweep`]), as many as the database has room for
//! ([`room`]), and what `perfdeck_stats::pool_size` makes of them, as settings to copy ([`settings`]).
pub(crate) mod answer;
pub(crate) mod commands;
mod room;
mod settings;
mod start;
mod sweep;
