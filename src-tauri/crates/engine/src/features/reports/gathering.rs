//! What is in a report: runs, comparisons and searches of one environment, read from the store. Nothing of it is the time at
//! which the report is made, so that a report made twice of the same data is the same.
use perfdeck_model::{ApiError, Environment, ReportRequest, Run, RunSummary, masking};
use perfdeck_report::{
    MAX_COLUMNS, MAX_PARTS, ReportComparison, ReportDocument, ReportEnvironment, ReportKnee, ReportSeries,
    ReportTarget, RunHeat, RunSeries, SideCurve, Tool,
};

use crate::Engine;

/// What of a run stands in a report.
type Parts = (Vec<Run>, Vec<RunSeries>, Vec<RunHeat>);

impl Engine {
    /// The request with what it leaves open: the latest run where it names nothing.
    ///
    /// # Errors
    /// When there is no run, or more is asked for than a report holds.
    pub(crate) async fn reported(
        &self,
        request: &ReportRequest,
        environment: &Environment,
    ) -> Result<ReportRequest, ApiError> {
        let mut request = request.clone();
        request.environment_id.clone_from(&environment.id);
        let parts = request.run_ids.len() + request.comparison_ids.len() + request.knee_ids.len();
        if parts > MAX_PARTS {
            return Err(ApiError::bad_request(format!(
                "A report holds at most {MAX_PARTS} runs, comparisons and knees, not {parts}"
            ))
            .hint("Write two reports"));
        }
        if parts == 0 {
            let newest = self.core.store.runs(Some(&environment.id)).await?.into_iter().next();
            request.run_ids = vec![newest.map(|r| r.id).ok_or_else(|| {
                ApiError::not_found(format!("'{}' has no stored run to report", environment.name))
                    .hint("Run a benchmark first")
            })?];
        }
        Ok(request)
    }

    /// Reads what a report has in it. `stopped` is asked in between.
    ///
    /// # Errors
    /// When something that was named is not there, or belongs to another environment.
    pub(crate) async fn report_document(
        &self,
        request: &ReportRequest,
        environment: &Environment,
        stopped: impl Fn() -> bool,
    ) -> Result<ReportDocument, ApiError> {
        let mut comparisons = Vec::new();
        let mut facts = Vec::new();
        for id in request.comparison_ids.iter().take_while(|_| !stopped()) {
            let (comparison, run) = self.reported_comparison(id, environment).await?;
            comparisons.push(comparison);
            facts.extend(run.map(|run| (run.started_ms, run.facts)));
        }
        let mut knees = Vec::new();
        for id in request.knee_ids.iter().take_while(|_| !stopped()) {
            knees.push(self.reported_knee(id, environment).await?);
        }
        let (runs, series, heatmaps) = self.reported_runs(&request.run_ids, environment, &stopped).await?;
        facts.extend(runs.iter().map(|run| (run.started_ms, run.facts.clone())));
        // The newest first: what the targets were at the end of what was measured.
        facts.sort_by(|a, b| b.0.total_cmp(&a.0));
        let version = |role: &str| facts.iter().find_map(|(_, all)| all.get(&format!("version.{role}")).cloned());
        let findings = match (request.findings, self.monitoring.get(&environment.id).await) {
            (true, Some(monitor)) => monitor.findings(),
            _ => Vec::new(),
        };
        let targets = environment.targets.addresses().into_iter();
        Ok(ReportDocument {
            schema: perfdeck_report::SCHEMA.to_owned(),
            title: title(request, environment),
            tool: Tool { name: "Perfdeck".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            environment: ReportEnvironment {
                id: environment.id.clone(),
                name: environment.name.clone(),
                kind: environment.kind,
                targets: targets
                    .map(|(role, address)| ReportTarget { version: version(role.as_str()), role, address })
                    .collect(),
                pool: environment.pool.clone(),
            },
            comparisons,
            knees,
            runs,
            series,
            heatmaps,
            findings_ms: (!findings.is_empty()).then(|| self.core.clock.now_ms()),
            findings,
            notes: Vec::new(),
            redactions: vec!["Passwords and secret header values are never part of a report".to_owned()],
        })
    }

    async fn reported_runs(
        &self,
        ids: &[String],
        environment: &Environment,
        stopped: &impl Fn() -> bool,
    ) -> Result<Parts, ApiError> {
        let (mut runs, mut series, mut heatmaps): Parts = Default::default();
        for id in ids.iter().take_while(|_| !stopped()) {
            let run = self.run(id).await.map_err(|error| self.unfinished(error))?;
            belongs("run", &run.name, run.environment_id.as_deref(), environment)?;
            let columns = self.run_series(id, None).await?;
            series.push(self.report_series(&run.id, &environment.id, &columns).await);
            let heatmap = self.run_heatmap(id, MAX_COLUMNS).await?;
            if !heatmap.columns.is_empty() {
                heatmaps.push(RunHeat { run_id: run.id.clone(), heatmap });
            }
            runs.push(run);
        }
        Ok((runs, series, heatmaps))
    }

    /// A comparison with its runs, and one of them in full.
    async fn reported_comparison(
        &self,
        id: &str,
        environment: &Environment,
    ) -> Result<(ReportComparison, Option<Run>), ApiError> {
        let found = match id.split_once(':') {
            Some((a, b)) => self.compare_runs(a, b, &[]).await.map_err(|error| self.unfinished(error))?,
            None => {
                let missing = || ApiError::not_found(format!("There is no comparison '{}'", masking::shown(id)));
                let stored = self.core.store.comparison(id).await?;
                stored.ok_or_else(|| self.unfinished(missing()))?
            }
        };
        belongs("comparison", &found.name, found.environment_id.as_deref(), environment)?;
        let all = &found.comparison;
        let metric = all.metrics.iter().find(|m| m.primary).or(all.metrics.first()).map_or("p50", |m| m.name.as_str());
        let (mut runs, mut sides) = (Vec::new(), Vec::new());
        for ids in [&all.runs_a, &all.runs_b] {
            let mut side = Vec::new();
            for id in ids {
                // A run that was deleted is left out; the comparison keeps its figures.
                side.extend(self.core.store.run(id).await?);
            }
            runs.extend(side.iter().map(RunSummary::from));
            sides.push(middle(side, metric));
        }
        let b = sides.pop().flatten();
        let a = sides.pop().flatten();
        // Two runs have no time of their own: the later one ended it.
        let created_ms = match (id.contains(':'), &b) {
            (true, Some(b)) => b.finished_ms,
            _ => found.created_ms,
        };
        let comparison = ReportComparison {
            id: found.id,
            name: found.name,
            created_ms,
            label_a: found.label_a,
            label_b: found.label_b,
            comparison: found.comparison,
            runs,
            curve_a: a.as_ref().map(curve),
            curve_b: b.as_ref().map(curve),
        };
        Ok((comparison, b.or(a)))
    }

    async fn reported_knee(&self, id: &str, environment: &Environment) -> Result<ReportKnee, ApiError> {
        let missing = || ApiError::not_found(format!("There is no search '{}'", masking::shown(id)));
        let found = self.core.store.knee(id).await?.ok_or_else(|| self.unfinished(missing()))?;
        belongs("search", &found.name, found.environment_id.as_deref(), environment)?;
        Ok(ReportKnee {
            id: found.id,
            name: found.name,
            created_ms: found.created_ms,
            slo: found.slo,
            knee: found.knee,
        })
    }

    /// What is not there may be what still runs.
    fn unfinished(&self, error: ApiError) -> ApiError {
        if error.code != perfdeck_model::ErrorCode::NotFound || self.bench_running().is_none() {
            return error;
        }
        error.hint("A benchmark runs: what it measures can be reported when it is over")
    }

    async fn report_series(&self, run_id: &str, environment_id: &str, columns: &perfdeck_model::Columns) -> RunSeries {
        let known = match self.monitoring.get(environment_id).await {
            Some(monitor) => monitor.series(),
            None => Vec::new(),
        };
        let t_ms = columns.get("t").unwrap_or_default().to_vec();
        let series = columns
            .names()
            .iter()
            .filter(|n| *n != "t" && ![":min", ":mean"].iter().any(|part| n.ends_with(part)))
            .map(|name| {
                let id = name.strip_suffix(":max").unwrap_or(name);
                let info = known.iter().find(|s| s.id == id);
                ReportSeries {
                    id: id.to_owned(),
                    unit: info.map_or_else(|| perfdeck_model::unit_of(id), |s| s.unit),
                    target: info.map_or_else(|| perfdeck_model::target_of(id), |s| s.target),
                    values: columns.get(name).unwrap_or_default().iter().map(|v| v.is_finite().then_some(*v)).collect(),
                }
            })
            .collect();
        RunSeries { run_id: run_id.to_owned(), t_ms, series }
    }
}

/// The title that was asked for, or one of the environment.
pub(crate) fn title(request: &ReportRequest, environment: &Environment) -> String {
    let asked = request.title.as_deref().map(str::trim).filter(|t| !t.is_empty());
    asked.map_or_else(|| format!("Performance report: {}", environment.name), masking::title)
}

/// Refuses what belongs to another environment. What belongs to none can be in any report.
fn belongs(what: &str, name: &str, to: Option<&str>, environment: &Environment) -> Result<(), ApiError> {
    if to.is_none_or(|id| id == environment.id) {
        return Ok(());
    }
    let refused = ApiError::bad_request(format!(
        "The {what} '{name}' belongs to another environment than '{}'",
        environment.name
    ));
    Err(refused.hint("A report is about one environment; choose what belongs to it"))
}

/// The run in the middle of its side by a metric: it stands for the side.
fn middle(mut side: Vec<Run>, metric: &str) -> Option<Run> {
    let value = |run: &Run| match metric {
        "throughput" => Some(run.rate_per_s),
        "p90" => run.latency().p90,
        "p95" => run.latency().p95,
        "p99" => run.latency().p99,
        "p999" => run.latency().p999,
        _ => run.latency().p50,
    };
    side.sort_by(|a, b| value(a).unwrap_or(0.0).total_cmp(&value(b).unwrap_or(0.0)));
    let at = side.len().checked_sub(1)? / 2;
    Some(side.swap_remove(at))
}

fn curve(run: &Run) -> SideCurve {
    SideCurve { run_id: run.id.clone(), n: run.latency().n, points: run.curve.clone() }
}
