//! All tests of the crate from outside, as one program.
mod address;
mod announced;
mod aside;
mod cleartext;
mod collector;
mod edits;
mod facts;
mod failover;
mod hostile;
mod keys;
mod look;
mod map;
mod naming;
mod protected;
mod purposes;
mod stages;
mod take;
