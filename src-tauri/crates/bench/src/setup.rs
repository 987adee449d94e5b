//! A run before its first request and after its last one: what it needs, what generates its load, what comes of it.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{ApiError, Clock, ErrorCode, Machine, Run, RunSpec};

use crate::abort::AbortSwitch;
use crate::contact::Silence;
use crate::full::Program;
use crate::raw::Wire;
use crate::resp::CacheLoad;
use crate::stages::Stage;

/// What a run needs to know besides its plan.
pub struct RunContext {
    /// Identifier of the run.
    pub run_id: String,
    /// Name for a person.
    pub name: String,
    /// The environment it belongs to.
    pub environment_id: Option<String>,
    /// That environment's name.
    pub environment_name: Option<String>,
    /// The machine that generates the load.
    pub machine: Machine,
    /// Where wall-clock time comes from.
    pub clock: Arc<dyn Clock>,
    /// The run ends when a larger share of its newest requests fails, 0 to 1.
    pub max_error_share: Option<f64>,
    /// Ends the run from outside.
    pub abort: AbortSwitch,
    /// Addresses that were shown and that guards have seen; load goes nowhere else. Anywhere when absent.
    pub addresses: Option<Vec<String>>,
}

impl RunContext {
    /// A name can lead elsewhere between the look of the guards and the first request.
    pub(crate) fn knows(&self, resolved: &[String]) -> Result<(), ApiError> {
        let Some(known) = &self.addresses else { return Ok(()) };
        match resolved.iter().find(|address| !known.contains(address)) {
            None => Ok(()),
            Some(new) => {
                let before = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                Err(ApiError::new(
                    ErrorCode::Guarded,
                    format!("The target's name leads to {new} now; it led to {before} when it was checked"),
                )
                .hint("Nothing was sent. Start it again, and the guards look at the new address"))
            }
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its figures.
    pub run: Run,
    /// The histogram of each of its seconds, for [`crate::heatmap`].
    pub seconds: Vec<u8>,
}

/// Why a benchmark could not run. A run with errors in it is a result, not one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plan is malformed, or its host has no address.
    #[error(transparent)]
    Plan(#[from] ApiError),
    /// It could not begin, such as for a login that failed.
    #[error("the run did not begin: {0}")]
    Start(String),
    /// A generator thread could not be started, or ended unexpectedly.
    #[error("a load generator thread failed: {0}")]
    Generator(String),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Plan(e) => e,
            Error::Start(_) => Self::new(perfdeck_model::ErrorCode::Unreachable, error.to_string()),
            Error::Generator(_) => Self::internal(error.to_string()),
        }
    }
}

/// What the threads of a run do.
#[derive(Clone)]
pub(crate) enum LoadEngine {
    Raw(Arc<Wire>),
    Cache(Arc<CacheLoad>),
    Full(Arc<Program>),
}

impl LoadEngine {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Raw(_) => concat!("perfdeck raw http/1.1 ", env!("CARGO_PKG_VERSION")),
            Self::Cache(_) => concat!("perfdeck raw resp ", env!("CARGO_PKG_VERSION")),
            Self::Full(_) => concat!("perfdeck full ", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Where an HTTP engine sends first: address, port and whether over TLS; `None` for others.
    pub(crate) fn web(&self) -> Option<(String, u16, bool)> {
        match self {
            Self::Raw(wire) => wire.addresses.first().map(|at| (at.ip().to_string(), at.port(), false)),
            Self::Full(program) if program.needs() == (false, false) => {
                let origin = program.origins.first()?;
                origin.addresses.first().map(|at| (at.ip().to_string(), at.port(), origin.tls))
            }
            Self::Full(_) | Self::Cache(_) => None,
        }
    }

    /// Waits for the first sign of an HTTP target; other targets say themselves when they do not answer.
    pub(crate) fn silence(&self) -> Silence {
        match self {
            Self::Raw(wire) => Silence::new(Some(wire.contact.clone()), wire.timeout),
            Self::Full(program) if program.needs() == (false, false) => {
                Silence::new(Some(program.dialer.contact.clone()), program.dialer.timeout)
            }
            Self::Full(_) | Self::Cache(_) => Silence::new(None, Duration::ZERO),
        }
    }
}

/// Everything about a run that is known before it begins.
pub(crate) struct Setup {
    /// As it is stored.
    pub(crate) spec: RunSpec,
    pub(crate) engine: LoadEngine,
    pub(crate) steps: Vec<StepInfo>,
    pub(crate) resolved: Vec<String>,
    pub(crate) co_located: bool,
    pub(crate) connections: usize,
    pub(crate) threads: Option<u32>,
    /// Iterations per second on average, in an open loop.
    pub(crate) rate_per_s: Option<f64>,
    /// Stages of the load.
    pub(crate) stages: Vec<Stage>,
    /// They change the level.
    pub(crate) varies: bool,
    pub(crate) warmup: Duration,
    /// The warm-up ends before that when the figures have settled.
    pub(crate) until_steady: bool,
    pub(crate) measured: Duration,
}

/// It was stopped before its first request, so that there is nothing to keep.
pub fn stopped_early() -> Error {
    Error::Plan(ApiError::new(ErrorCode::Cancelled, "The benchmark was stopped before it measured anything"))
}

/// A step of a plan, as results name it.
pub(crate) struct StepInfo {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) request: String,
    /// Whether it can find nothing.
    pub(crate) reads: bool,
}
