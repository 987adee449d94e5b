//! What a run must hold for its figures to stand.

/// The share of the target rate that an open loop must achieve.
pub(crate) const RATE: f64 = 0.99;

/// What the p99 of the schedule lag may be at least, in milliseconds.
pub(crate) const LAG_MS: f64 = 1.0;

/// What it may be as a share of the median service time.
pub(crate) const LAG_OF_SERVICE: f64 = 0.1;
