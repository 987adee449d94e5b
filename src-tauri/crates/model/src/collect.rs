//! Common parts of all collectors, so that collectors of different crates run on one clock.
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use crate::{ApiError, Clock, Finding, SeriesInfo, TargetRole};

/// Result of one collection of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Collection {
    /// Values by series. A series that is absent, or whose value is not finite, is a gap at this time. Rates are
    /// absent in the first collection and after a counter reset.
    pub values: Vec<(SeriesInfo, f64)>,
    /// Round trip to the target, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Product and version.
    pub version: Option<String>,
    /// Further facts for the band, such as the database's name or "4 vCPU, 15.6 GiB".
    pub detail: Option<String>,
    /// Limits drawn as references, in the units of the series they belong to.
    pub limits: BTreeMap<String, f64>,
    /// Missing part for full figures (a privilege, an extension), while the rest works.
    pub warning: Option<ApiError>,
    /// Findings of the slower checks; `None` when they did not run this time.
    pub findings: Option<Vec<Finding>>,
    /// What is broken at this moment, as far as the collector alone can tell.
    pub broken: Vec<Finding>,
    /// Statements, commands or requests that this collection itself sent; they are in none of the values.
    pub own_requests: u32,
}

/// A boxed future, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that measures one target once per tick.
///
/// The scheduler calls [`Collector::collect`] once a second, never twice at the same time, drops it when its deadline
/// passes and backs off when it takes more than 20 % of the period. An implementation keeps its connection between
/// calls, reconnects by itself after a failure and keeps earlier counters to compute rates.
pub trait Collector: Send + 'static {
    /// Role of the target it measures.
    fn role(&self) -> TargetRole;

    /// The target's address without credentials.
    fn address(&self) -> String;

    /// Measures once. `clock` tells the moments at which counters are read: rates come from its monotonic time, never
    /// from the wall clock.
    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>>;
}
