//! The cells of a sweep: each size once in a repetition, in random order, so that what drifts meanwhile favours none.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_bench::AbortSwitch;
use perfdeck_database::LoadWaits;
use perfdeck_model::{ApiError, ErrorCode, Run, RunState, SplitMix64};
use perfdeck_stats::pool_size::SizeCell;
use perfdeck_words as words;

use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::running::Allowed;

/// Share of failed executions above which a cell is set aside where no guard has one.
const FEW: f64 = 0.01;
/// Time between two looks at what the load waits for.
const LOOK: Duration = Duration::from_millis(200);

/// What was measured, and why it ended before its end.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) cells: Vec<SizeCell>,
    pub(super) ended: Option<ApiError>,
}

/// A sweep that is about to begin.
pub(super) struct Sweep<'a> {
    pub(super) engine: &'a Engine,
    pub(super) what: &'a Allowed,
    pub(super) job: &'a JobContext,
    pub(super) abort: AbortSwitch,
    pub(super) sizes: Vec<u32>,
    pub(super) repetitions: u32,
    pub(super) warmup_s: f64,
    pub(super) measure_s: f64,
    pub(super) waits: Option<LoadWaits>,
    pub(super) seed: u64,
}

impl Sweep<'_> {
    /// All cells, or those until it ended.
    pub(super) async fn run(mut self) -> Swept {
        let mut swept = Swept::default();
        let all = self.sizes.len() * self.repetitions as usize;
        for (repetition, n) in order(&self.sizes, self.repetitions, self.seed) {
            let done = swept.cells.len();
            let step = format!(
                "{}, repetition {repetition} of {}, cell {} of {all}",
                words::plural(n, "connection"),
                self.repetitions,
                done + 1
            );
            self.job.progress(Some(done as f64 / all.max(1) as f64), &step);
            match self.cell(n, repetition).await {
                Ok(cell) => swept.cells.push(cell),
                Err(error) => {
                    swept.ended = Some(error);
                    break;
                }
            }
        }
        if let Some(waits) = self.waits.take() {
            waits.close().await;
        }
        swept
    }

    async fn cell(&mut self, connections: u32, repetition: u32) -> Result<SizeCell, ApiError> {
        let work = self.what.work.cell(connections, self.warmup_s, self.measure_s);
        let sent = self.what.sent(self.engine, &work, "pool size", &self.abort, self.job);
        // What was seen during the warm-up is not of the cell.
        let (run, waits) = watched(sent, &mut self.waits, Duration::from_secs_f64(self.warmup_s)).await;
        let run = run?;
        self.went_on(&run)?;
        Ok(SizeCell { waits, ..cell(&run, connections, repetition, self.what.max_error_share.unwrap_or(FEW)) })
    }

    /// Whether the sweep goes on after a cell.
    fn went_on(&self, run: &Run) -> Result<(), ApiError> {
        match run.state {
            RunState::Cancelled | RunState::Interrupted => {
                return Err(ApiError::new(ErrorCode::Cancelled, "it was stopped before its end"));
            }
            // The guard of all cells; a cell that failed too often is set aside by itself.
            RunState::Aborted if self.abort.is_pulled() => {
                return Err(ApiError::new(ErrorCode::Guarded, run.notes.join("; ")));
            }
            RunState::Aborted | RunState::Completed => {}
        }
        if run.requests > run.errors {
            return Ok(());
        }
        let why = run.errors_by_class.first().map(|error| error.sample.clone());
        let why = why.or_else(|| run.invalid_reasons.first().cloned()).unwrap_or_default();
        Err(ApiError::new(ErrorCode::Unreachable, format!("no execution succeeded any more: {why}")))
    }
}

/// Each size once in each repetition, shuffled (Fisher and Yates).
fn order(sizes: &[u32], repetitions: u32, seed: u64) -> Vec<(u32, u32)> {
    let mut random = SplitMix64::seeded(seed);
    let mut all = Vec::new();
    for repetition in 1..=repetitions {
        let mut once = sizes.to_vec();
        for at in (1..once.len()).rev() {
            once.swap(at, random.index(at + 1));
        }
        all.extend(once.into_iter().map(|n| (repetition, n)));
    }
    all
}

/// Waits for load and looks meanwhile at what its sessions wait for; `None` where that cannot be told or was never seen.
async fn watched<T>(
    load: impl Future<Output = T>,
    waits: &mut Option<LoadWaits>,
    after: Duration,
) -> (T, Option<BTreeMap<String, f64>>) {
    let mut load = std::pin::pin!(load);
    let Some(open) = waits.as_mut() else { return (load.await, None) };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let looks = async {
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + after + LOOK, LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match open.read().await {
                Ok(now) => now.into_iter().for_each(|(kind, n)| *seen.entry(kind).or_default() += n),
                Err(error) => return error,
            }
        }
    };
    let (done, failed) = tokio::select! {
        done = &mut load => (done, false),
        error = looks => {
            tracing::warn!(%error, "what the load waits for is not known any more");
            (load.await, true)
        }
    };
    if failed {
        *waits = None;
        return (done, None);
    }
    let all: u32 = seen.values().sum();
    let share = |(kind, n): (String, u32)| (kind, f64::from(n) / f64::from(all));
    (done, (all > 0).then(|| seen.into_iter().map(share).collect()))
}

/// The figures of a run, and whether they can be trusted.
fn cell(run: &Run, connections: u32, repetition: u32, most_errors: f64) -> SizeCell {
    let times = run.latency();
    let share = if run.requests > 0 { run.errors as f64 / run.requests as f64 } else { 0.0 };
    // Too few executions are no fault: what they scatter is between the repetitions.
    let fault = run.invalid_reasons.iter().find(|reason| !reason.starts_with("only "));
    let set_aside = if share > most_errors {
        let sample = run.errors_by_class.first().map_or_else(String::new, |e| format!(", such as: {}", e.sample));
        Some(format!("{} of its executions failed{sample}", words::share(share)))
    } else if run.state == RunState::Aborted {
        Some(run.notes.join("; "))
    } else if let Some(fault) = fault {
        Some(fault.clone())
    } else if perfdeck_bench::is_busy(run) {
        let share = run.footing.generator_cpu_share.map_or_else(|| "–".to_owned(), words::share);
        Some(format!("the load generator used {share} of its processors"))
    } else {
        None
    };
    SizeCell {
        connections,
        repetition,
        rate_per_s: run.rate_per_s,
        requests: run.requests,
        errors: run.errors,
        mean_ms: times.mean,
        p95_ms: times.p95,
        p99_ms: times.p99,
        waits: None,
        set_aside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repetition_has_each_size_once_in_an_order_of_its_own() {
        let sizes = [1, 2, 3, 4, 6, 8, 12, 16];
        let all = order(&sizes, 5, 3);
        let orders: Vec<Vec<u32>> =
            (1..=5).map(|r| all.iter().filter(|(of, _)| *of == r).map(|(_, n)| *n).collect()).collect();
        for once in &orders {
            let mut sorted = once.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, sizes, "each size once: {once:?}");
        }
        assert!(orders.iter().skip(1).any(|once| *once != orders[0]), "not always the same: {orders:?}");
        assert_eq!(all, order(&sizes, 5, 3), "by its seed");
    }
}
