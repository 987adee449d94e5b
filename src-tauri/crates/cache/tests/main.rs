//! All tests of the crate from outside, as one program.
mod address;
mod announced;
mod cleartext;
mod collector;
mod edits;
mod facts;
mod map;
mod keys;
mod naming;
mod protected;
mod stages;
