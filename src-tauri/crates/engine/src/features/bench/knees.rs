//! Finding a target's knee: the highest concurrency that keeps an objective, and what limits it there.
use std::collections::BTreeMap;
use std::sync::Arc;

use perfdeck_model::{ApiError, Columns, ErrorCode, JobResult, JobStatus, PartKind, PartOf, Run, Tag};
use perfdeck_plan::{Metric, Threshold, Timing};
use perfdeck_stats::figures::BenchMetric;
use perfdeck_stats::knee::{Knee, KneePlan, KneeSearch, Slo, StepFigures};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;
use crate::core::jobs::JobContext;
use crate::features::bench::part::BenchPart;
use crate::features::bench::running::{Allowed, Bench};
use crate::features::bench::work::{BenchSpec, PlanFolder};

/// Search for the knee that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct KneeRequest {
    /// The request. Its connections, duration and load are the search's.
    pub spec: BenchSpec,
    /// The environment whose resources are watched; its guards hold.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// The objective, such as `p99<50ms`.
    pub slo: String,
    /// Highest concurrency.
    pub max_connections: u32,
    /// Length of a step, in seconds.
    pub step_s: f64,
    /// Length of the confirmation, in seconds.
    pub confirm_s: f64,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// A stored search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StoredKnee {
    /// Stable identifier.
    pub id: String,
    /// Method and URL.
    pub name: String,
    /// Time at which it ended, in milliseconds since the Unix epoch.
    pub created_ms: f64,
    /// The environment it belongs to.
    pub environment_id: Option<String>,
    /// The objective.
    pub slo: String,
    /// The result.
    #[serde(flatten)]
    pub knee: Knee,
}

/// Largest share of errors that an objective tolerates.
const MAX_ERROR_SHARE: f64 = 0.001;

/// Reads an objective: a plan's threshold on one of the response percentiles that a comparison knows.
fn objective(text: &str) -> Result<(Slo, Threshold), ApiError> {
    let wrong = |why: &str| {
        ApiError::bad_request(format!("slo: it is not an objective: {why}"))
            .hint("Write a percentile and its limit: 'p99<50ms' (p50, p90, p95, p99 or p99.9; us, ms or s)")
    };
    let threshold = Threshold::parse(text).map_err(|e| wrong(&e.message))?;
    let metrics = [
        (0.5, BenchMetric::P50),
        (0.9, BenchMetric::P90),
        (0.95, BenchMetric::P95),
        (0.99, BenchMetric::P99),
        (0.999, BenchMetric::P999),
    ];
    let metric = match threshold.metric() {
        Metric::Quantile(Timing::Response, q) => metrics.iter().find(|(at, _)| (at - q).abs() < 1e-9),
        _ => None,
    };
    let (_, metric) = metric.ok_or_else(|| wrong("it needs a percentile of the response time"))?;
    let limit_ms = threshold.upper_limit().filter(|ms| *ms > 0.0).ok_or_else(|| wrong("it needs an upper limit"))?;
    if threshold.step().is_some() {
        return Err(wrong("a search has no steps"));
    }
    Ok((Slo { metric: *metric, limit_ms, max_error_share: MAX_ERROR_SHARE }, threshold))
}

/// Mean of a series over the samples that are there.
fn mean(columns: &Columns, id: &str) -> Option<f64> {
    let values: Vec<f64> = columns.get(id)?.iter().copied().filter(|v| v.is_finite()).collect();
    let n = values.len() as f64;
    (n > 0.0).then(|| values.iter().sum::<f64>() / n)
}

/// What a run says about the objective, judged as any threshold, and how busy everything was during it.
fn step(run: &Run, columns: Option<&Columns>, slo: &Slo, objective: &Threshold) -> StepFigures {
    let figures = perfdeck_stats::figures(run);
    let judged = perfdeck_bench::judge(std::slice::from_ref(objective), run).pop();
    // Too few requests are no fault of the step: it is not judged, and may be run for longer.
    let few = run.requests < perfdeck_stats::judged::ENOUGH;
    let faults = run.invalid_reasons.iter().filter(|reason| !(few && reason.starts_with("only ")));
    let mut utilisation = BTreeMap::new();
    let threads = f64::from(run.spec.threads().unwrap_or(1).max(1));
    if let Some(cpu_s) = run.client_cpu_s.filter(|_| run.duration_s > 0.0) {
        utilisation.insert("load generator".to_owned(), cpu_s / (run.duration_s * threads));
    }
    if let Some(columns) = columns {
        let modes = ["user", "system", "used"];
        let cpu = |mode: &&str| mean(columns, &format!("system.cpu.utilization{{cpu.mode={mode}}}"));
        let host: Vec<f64> = modes.iter().filter_map(cpu).collect();
        if !host.is_empty() {
            utilisation.insert("host CPU".to_owned(), host.iter().sum());
        }
    }
    StepFigures {
        rate_per_s: figures.rate_per_s,
        n: figures.latency_n,
        latency_ms: judged.as_ref().and_then(|judged| judged.actual),
        at_least: judged.as_ref().is_some_and(|judged| judged.at_least),
        enough: figures.enough(slo.metric),
        within: judged.filter(|judged| !judged.unjudged).map(|judged| judged.ok),
        error_share: figures.error_share(),
        invalid_reasons: faults.cloned().collect(),
        utilisation,
    }
}

impl Engine {
    /// Starts a search as a job whose result is its id.
    ///
    /// # Errors
    /// When the objective or the plan is refused, a guard says no, or another benchmark runs.
    pub async fn knee_start(self: &Arc<Self>, request: KneeRequest, folder: PlanFolder) -> Result<JobStatus, ApiError> {
        let (slo, objective) = objective(&request.slo)?;
        if !(1..=10_000).contains(&request.max_connections) {
            return Err(ApiError::bad_request("max_connections: A search has 1 to 10 000 connections at most"));
        }
        let environment = match &request.environment_id {
            Some(id) => Some(self.environment(id).await?),
            None => None,
        };
        let work = self.work(&request.spec, environment.as_ref(), &folder).await?;
        // A rate above capacity has no steady state: concurrency is searched instead (docs/benchmarks.md, 4.7).
        for seconds in [request.step_s, request.confirm_s] {
            if !(0.1..=3_600.0).contains(&seconds) {
                return Err(ApiError::bad_request(format!(
                    "step_s and confirm_s: {seconds} is not between 0.1 and 3600 s"
                )));
            }
        }
        let most = work.at(request.max_connections, request.step_s);
        let what = self.load_allowed(most, environment, request.confirm.as_slice()).await?;
        let plan = KneePlan {
            max: request.max_connections,
            step_s: request.step_s,
            confirm_s: request.confirm_s,
            ..KneePlan::new(slo)
        };
        let name = work.spec()?.request();
        let title = format!("Knee of {name} at {}", request.slo);
        let claim = self.bench_claim(&title)?;
        self.set_running(&work, None)?;
        let environment_id = what.environment.as_ref().map(|e| e.id.clone());
        let engine = self.clone();
        Ok(self.core.jobs.spawn("bench", title, environment_id.clone(), move |job| async move {
            let mut search = KneeSearch::new(plan);
            let id = Uuid::now_v7().to_string();
            let part_of = PartOf { kind: PartKind::Knee, id, name: format!("Knee of {name} at {}", request.slo) };
            engine.run_knee(&mut search, &what, (&request.slo, &slo, &objective), &part_of, &job).await?;
            if search.is_empty() && job.cancel.is_cancelled() {
                return Err(ApiError::new(
                    ErrorCode::Cancelled,
                    "The search was stopped before its first step was over",
                ));
            }
            let stored = StoredKnee {
                id: part_of.id,
                name,
                created_ms: engine.core.clock.now_ms(),
                environment_id,
                slo: request.slo,
                knee: search.outcome(),
            };
            engine.core.store.put_knee(&stored).await?;
            engine.core.changed(&[Tag::Knees]);
            drop(claim);
            Ok(Some(JobResult::Knee(stored.id)))
        }))
    }

    async fn run_knee(
        self: &Arc<Self>,
        search: &mut KneeSearch,
        what: &Allowed,
        (slo_text, slo, objective): (&str, &Slo, &Threshold),
        part_of: &PartOf,
        job: &JobContext,
    ) -> Result<(), ApiError> {
        let mut done = 0.0_f64;
        while let Some(next) = search.next() {
            let words = format!("{} connections", next.concurrency);
            let what = what.with(what.work.at(next.concurrency, next.duration_s));
            let part = BenchPart::Knee {
                slo: slo_text.to_owned(),
                connections: next.concurrency,
                phase: next.phase,
                step_s: next.duration_s,
                so_far: Box::new(search.outcome()),
            };
            self.set_running(&what.work, Some(part))?;
            // How many steps it takes is not known; each one does a sixth of what is left.
            let share = (1.0 - done) / 6.0;
            let name = format!("knee, {words}");
            let bench = Bench { what: &what, name, from: done, share, words, part_of: Some(part_of) };
            let run = match self.bench_run(bench, job).await {
                Err(error) if job.cancel.is_cancelled() && error.code == ErrorCode::Cancelled => {
                    search.stop();
                    break;
                }
                run => run?,
            };
            done += share;
            if job.cancel.is_cancelled() {
                // The step that was stopped is no full one; those before it are what is known.
                search.stop();
                break;
            }
            let columns = match &what.environment {
                Some(_) => Some(self.run_series(&run.id, None).await?),
                None => None,
            };
            let figures = step(&run, columns.as_ref(), slo, objective);
            if search.is_empty() && run.requests == run.errors && !figures.invalid_reasons.is_empty() {
                // A target that nobody reaches with one connection is not searched further.
                search.give_up(figures.invalid_reasons);
            } else {
                search.record(figures);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_with_their_units() {
        for (text, metric, ms) in [
            ("p99<50ms", BenchMetric::P99, 50.0),
            ("p95 <= 1.5s", BenchMetric::P95, 1500.0),
            ("p50<800us", BenchMetric::P50, 0.8),
            ("p99.9 < 2 s", BenchMetric::P999, 2000.0),
        ] {
            let (slo, _) = objective(text).expect(text);
            assert_eq!(slo.metric, metric, "{text}");
            assert!((slo.limit_ms - ms).abs() < 1e-9, "{text} is {ms} ms, not {}", slo.limit_ms);
        }
        for text in ["", "p99", "p99<", "p99<50", "p42<5ms", "p99>5ms", "p99<-1ms", "p99<0ms", "p99<5parsecs"] {
            let error = objective(text).expect_err(text);
            assert!(error.hint.is_some(), "{text} is refused with the way to write it");
        }
    }
}
