//! All tests of the crate from outside, as one program.
mod address;
mod certificates;
mod cleartext;
mod collector;
mod facts;
mod indexes;
mod naming;
mod occupancy;
mod pool;
mod schema;
mod seen;
mod stages;
mod statements;
