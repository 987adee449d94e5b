//! The same work for another length or level: steps of a search, blocks of a measurement, cells of a sweep.
use std::sync::Mutex;

use perfdeck_model::{HttpBenchSpec, Load};
use perfdeck_plan::{PlanLoad, Span, Warmup};

use crate::features::bench::work::Work;

impl Work {
    /// The same as a closed loop of so many connections for so long.
    pub(crate) fn at(&self, connections: u32, duration_s: f64) -> Self {
        match self {
            Self::Http(spec) => {
                Self::Http(HttpBenchSpec { load: Load::Closed, connections, duration_s, ..spec.clone() })
            }
            Self::Plan { plan, resources, threads, .. } => {
                let mut plan = plan.clone();
                plan.load = PlanLoad::Closed { connections, think_time: None };
                plan.stages.clear();
                plan.duration = Span::from_secs(duration_s);
                Self::Plan { plan, resources: resources.clone(), threads: *threads, compiled: Mutex::default() }
            }
        }
    }

    /// The same as a cell of a sweep: a closed loop of so many connections for so long after a warm-up, with nothing to hold.
    pub(crate) fn cell(&self, connections: u32, warmup_s: f64, measure_s: f64) -> Self {
        let mut work = self.at(connections, measure_s);
        match &mut work {
            Self::Http(spec) => {
                spec.warmup_s = warmup_s;
                spec.thresholds.clear();
            }
            Self::Plan { plan, .. } => {
                plan.warmup = Span::from_secs(warmup_s).map(|duration| Warmup::Fixed { duration });
                plan.thresholds.clear();
            }
        }
        work
    }

    /// The same for so long, in a closed loop of one connection or at its own rate, with nothing before and nothing to hold.
    pub(crate) fn block(&self, duration_s: f64) -> Self {
        let mut work = match self.load() {
            Load::Closed => self.at(1, duration_s),
            Load::Rate { .. } => self.lasting(duration_s),
        };
        match &mut work {
            Self::Http(spec) => {
                spec.warmup_s = 0.0;
                spec.thresholds.clear();
            }
            Self::Plan { plan, .. } => {
                plan.warmup = None;
                plan.thresholds.clear();
            }
        }
        work
    }

    /// The same for so long, at its own rate; stages of a plan are its highest one.
    fn lasting(&self, duration_s: f64) -> Self {
        match self {
            Self::Http(spec) => Self::Http(HttpBenchSpec { duration_s, ..spec.clone() }),
            Self::Plan { plan, resources, threads, .. } => {
                let mut plan = plan.clone();
                if let (PlanLoad::Open { rate_per_s, .. }, Load::Rate { rate_per_s: highest }) =
                    (&mut plan.load, self.load())
                {
                    *rate_per_s = highest;
                }
                plan.stages.clear();
                plan.duration = Span::from_secs(duration_s);
                Self::Plan { plan, resources: resources.clone(), threads: *threads, compiled: Mutex::default() }
            }
        }
    }
}
