//! All tests of the crate from outside, as one program.
mod cache_keys;
mod cache_map;
mod cache_take;
mod canary;
mod changes;
mod judged;
mod life;
mod names;
mod nothing_succeeded;
mod perfctl;
mod plans;
mod poolers;
mod quick;
mod stopped;
mod support;
mod variables;
