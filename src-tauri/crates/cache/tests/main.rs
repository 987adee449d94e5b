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

use perfdeck_model::{Address, CacheTarget, Sensitive};

/// The cache that a URL leads to, and its password.
fn target(url: &str) -> (CacheTarget, Option<Sensitive>) {
    let (address, password) = Address::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
    (CacheTarget::of(address), password)
}
