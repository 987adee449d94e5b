//! Insights of stored runs together: the history of one work, what moved first during a run, and named baselines.
use perfdeck_model::{ApiError, Run, RunState, RunSummary, too_small};
use perfdeck_stats::change::{ChangeOptions, change_points};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;

/// Most runs of a history.
const RUNS: usize = 500;
/// Series that are looked at for what moved first, at most.
const SERIES: usize = 400;

/// A run of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct HistoryPoint {
    /// The run.
    pub run_id: String,
    /// Name of the run.
    pub name: String,
    /// Start of the measured time, in milliseconds since the Unix epoch.
    pub started_ms: f64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Median response time with the failed requests in the distribution, in milliseconds; `None` where it is not known,
    /// because nothing succeeded, the requests there failed or too few are behind it.
    pub p50_ms: Option<f64>,
    /// 99th percentile with the failed requests in the distribution, in milliseconds; `None` in the same cases.
    pub p99_ms: Option<f64>,
    /// Percentiles that the run has too few requests for.
    pub too_small: Vec<String>,
    /// Whether its figures can be trusted; others are in no change.
    pub valid: bool,
}

/// A shift of the level of a metric over saved runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct HistoryChange {
    /// `rate`, `p50` or `p99`.
    pub metric: String,
    /// The first run at the new level.
    pub run_id: String,
    /// Level before.
    pub before: f64,
    /// Level after.
    pub after: f64,
    /// Relative change: 0.12 is 12 % up.
    pub change: f64,
    /// p of the test between both levels.
    pub p: f64,
}

/// All runs of the same work as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct RunHistory {
    /// Oldest first.
    pub runs: Vec<HistoryPoint>,
    /// Change points, by metric, oldest first.
    pub changes: Vec<HistoryChange>,
}

/// A series whose level changed during a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Moved {
    /// The series; `run:p50`, `run:rate` and `run:errors` are those of the run itself.
    pub series: String,
    /// Time of the change, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Seconds after the start of the run.
    pub after_s: f64,
    /// Level before, in the series' unit.
    pub before: f64,
    /// Level after.
    pub after: f64,
    /// Relative change; `None` from a level of zero.
    pub change: Option<f64>,
    /// p of the test between both levels.
    pub p: f64,
}

/// A run kept under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Baseline {
    /// Name of the baseline.
    pub name: String,
    /// The run.
    pub run_id: String,
    /// Time at which it was named, in milliseconds since the Unix epoch.
    pub created_ms: f64,
}

/// Names a run as a baseline.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct BaselineSet {
    /// Name; a baseline of this name is replaced.
    pub name: String,
    /// The run.
    pub run_id: String,
}

fn changes_of(
    metric: &str,
    points: &[&HistoryPoint],
    value: impl Fn(&HistoryPoint) -> Option<f64>,
) -> Vec<HistoryChange> {
    let values: Vec<f64> = points.iter().map(|p| value(p).unwrap_or(f64::NAN)).collect();
    change_points(&values, &ChangeOptions::HISTORY)
        .into_iter()
        .filter_map(|c| {
            let at = points.get(usize::try_from(c.index).ok()?)?;
            Some(HistoryChange {
                metric: metric.to_owned(),
                run_id: at.run_id.clone(),
                before: c.before,
                after: c.after,
                change: c.change?,
                p: c.p,
            })
        })
        .collect()
}

/// The first change of each series, those that moved first on top.
fn first_changes(series: &[(String, Vec<f64>)], times: &[f64], started_ms: f64) -> Vec<Moved> {
    // Each series has its share of the error rate: with many, one always looks as if it had moved.
    let p = ChangeOptions::WITHIN_RUN.p / series.len().max(1) as f64;
    let options = ChangeOptions { p, magnitude: 0.10, ..ChangeOptions::WITHIN_RUN };
    let mut all: Vec<Moved> = series
        .iter()
        .filter_map(|(name, values)| {
            let first = change_points(values, &options).into_iter().next()?;
            let at_ms = *times.get(usize::try_from(first.index).ok()?)?;
            Some(Moved {
                series: name.clone(),
                at_ms,
                after_s: (at_ms - started_ms) / 1e3,
                before: first.before,
                after: first.after,
                change: first.change,
                p: first.p,
            })
        })
        .collect();
    all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms).then(a.p.total_cmp(&b.p)));
    all
}

/// The run's own seconds as series.
fn own_series(run: &Run) -> Vec<(String, Vec<f64>)> {
    let of = |value: fn(&perfdeck_model::Interval) -> f64| run.intervals.iter().map(value).collect();
    let rate: Vec<f64> = of(|i| i.requests.saturating_sub(i.errors) as f64 / i.duration_s.max(1e-3));
    let errors: Vec<f64> = of(|i| i.errors as f64);
    vec![
        ("run:rate".to_owned(), rate),
        ("run:p50".to_owned(), of(|i| i.p50.unwrap_or(f64::NAN))),
        ("run:p99".to_owned(), of(|i| i.p99.unwrap_or(f64::NAN))),
        ("run:errors".to_owned(), errors),
    ]
}

/// What of a run is in its work's history. A percentile with too few requests behind it would make changes of nothing.
fn point(run: RunSummary) -> HistoryPoint {
    let all = run.judged_ms.as_ref();
    let too_small = all.map_or_else(|| too_small(run.requests), |all| all.too_small.clone());
    let stable = |key: &str, ms: Option<f64>| ms.filter(|_| !too_small.iter().any(|few| few == key));
    HistoryPoint {
        p50_ms: stable("p50", all.map_or(run.p50_ms, |all| all.p50.exact())),
        p99_ms: stable("p99", all.map_or(run.p99_ms, |all| all.p99.exact())),
        too_small,
        run_id: run.id,
        name: run.name,
        started_ms: run.started_ms,
        rate_per_s: run.rate_per_s,
        valid: run.valid,
    }
}

impl Engine {
    /// All valid and invalid runs of the same work as one, with the change points of the valid ones.
    pub(crate) async fn run_history(&self, id: &str) -> Result<RunHistory, ApiError> {
        let run = self.run(id).await?;
        let work = run.work();
        let all = self.core.store.runs(run.environment_id.as_deref()).await?;
        let mut runs: Vec<HistoryPoint> = all
            .into_iter()
            .filter(|s| s.work == work && s.state == RunState::Completed)
            .take(RUNS)
            .map(point)
            .collect();
        runs.reverse();
        let valid: Vec<&HistoryPoint> = runs.iter().filter(|p| p.valid).collect();
        let mut changes = changes_of("rate", &valid, |p| Some(p.rate_per_s));
        changes.extend(changes_of("p50", &valid, |p| p.p50_ms));
        changes.extend(changes_of("p99", &valid, |p| p.p99_ms));
        Ok(RunHistory { runs, changes })
    }

    /// Series that changed level during a run, those that moved first on top.
    pub(crate) async fn run_moved(&self, id: &str) -> Result<Vec<Moved>, ApiError> {
        let run = self.run(id).await?;
        let whole: Vec<f64> = run.intervals.iter().map(|i| i.t_ms).collect();
        let mut moved = first_changes(&own_series(&run), &whole, run.started_ms);
        let columns = self.run_series(id, None).await?;
        let times = columns.get("t").unwrap_or_default().to_vec();
        let series: Vec<(String, Vec<f64>)> = columns
            .names()
            .iter()
            .filter(|n| n.as_str() != "t" && ![":min", ":max", ":mean"].iter().any(|part| n.ends_with(part)))
            .take(SERIES)
            .filter_map(|n| Some((n.clone(), columns.get(n)?.to_vec())))
            .collect();
        moved.extend(first_changes(&series, &times, run.started_ms));
        moved.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms).then(a.p.total_cmp(&b.p)));
        Ok(moved)
    }

    /// Keeps a run under a name.
    pub(crate) async fn baseline_set(&self, request: &BaselineSet) -> Result<Baseline, ApiError> {
        let name = request.name.trim();
        if name.is_empty() || name.chars().count() > 80 {
            return Err(ApiError::bad_request("A baseline's name has 1 to 80 characters"));
        }
        let run = self.run(&request.run_id).await?;
        if !run.valid {
            return Err(ApiError::new(
                perfdeck_model::ErrorCode::Conflict,
                format!("'{}' is invalid, so nothing can be measured against it", run.name),
            )
            .hint("Choose a run that is valid"));
        }
        let baseline = Baseline {
            name: perfdeck_model::masking::title(name),
            run_id: run.id,
            created_ms: self.core.clock.now_ms(),
        };
        self.core.store.put_baseline(&baseline).await?;
        Ok(baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(at: usize, before: f64, after: f64) -> Vec<f64> {
        (0..60_usize)
            .map(|i| {
                let wobble = 1.0 + 0.01 * f64::from(u32::try_from(i * 7 % 5).unwrap_or(0));
                wobble * if i < at { before } else { after }
            })
            .collect()
    }

    #[test]
    fn what_moved_first_is_on_top() {
        let times: Vec<f64> = (0..60).map(|i| 1_000.0 + 1_000.0 * f64::from(i)).collect();
        let series = vec![
            ("latency".to_owned(), noisy(30, 5.0, 12.0)),
            ("locks".to_owned(), noisy(22, 1.0, 9.0)),
            ("calm".to_owned(), noisy(60, 3.0, 3.0)),
        ];
        let moved = first_changes(&series, &times, 1_000.0);
        let names: Vec<&str> = moved.iter().map(|m| m.series.as_str()).collect();
        assert_eq!(names, ["locks", "latency"], "in the order in which they moved, without what stayed");
        assert!((moved[0].after_s - 22.0).abs() <= 1.0, "at its second: {}", moved[0].after_s);
        assert!(moved[1].change.is_some_and(|c| (c - 1.4).abs() < 0.1), "with its size");
    }
}
