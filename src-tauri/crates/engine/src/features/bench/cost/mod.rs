//! What one request costs: blocks with requests and blocks without alternate, and what the others did meanwhile is taken off.
//!
//! A target's counters hold everybody's work, and nothing in the service says which statement belongs to which request. So
//! the counters are read around blocks of time ([`counters`]), one with requests and one without in random order ([`blocks`]),
//! and `perfdeck_stats::per_request` makes amounts of the pairs ([`amounts`]).
mod amounts;
pub(crate) mod answer;
mod blocks;
pub(crate) mod commands;
mod counters;
mod sentence;
mod start;
