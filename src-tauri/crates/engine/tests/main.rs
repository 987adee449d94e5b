//! All tests of the crate from outside, as one program.
mod activity;
mod advice;
mod asked;
mod bindings;
mod cache_look;
mod changes_servers;
mod comparable;
mod findings;
mod given_up;
mod guards;
mod hub;
mod journey;
mod prove;
mod reports;
mod statements;
mod support;
