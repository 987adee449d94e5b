//! Limits that a run must hold for its figures to stand.

/// Smallest share of the target rate that an open loop must achieve, 0 to 1.
pub(crate) const RATE: f64 = 0.99;

/// Largest allowed p99 of the schedule lag, in milliseconds, where `LAG_OF_SERVICE` allows no larger one.
pub(crate) const LAG_MS: f64 = 1.0;

/// Largest allowed p99 of the schedule lag, as a share of the median service time, where `LAG_MS` allows no larger one.
pub(crate) const LAG_OF_SERVICE: f64 = 0.1;
