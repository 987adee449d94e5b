//! All tests of the crate from outside, as one program.
mod address;
mod announced;
mod aside;
mod cleartext;
mod collector;
mod facts;
mod naming;
mod protected;
mod stages;
