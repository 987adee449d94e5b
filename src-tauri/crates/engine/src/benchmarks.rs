//! Running benchmarks: guards, the job, live figures, and storing the run with the environment's series during it.
use std::sync::Arc;

use perfdeck_bench::RunContext;
use perfdeck_model::{ApiError, Columns, Environment, ErrorCode, HttpBenchSpec, JobStatus, Kind, Load, Run, Tag};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use crate::Engine;

/// What would happen if a benchmark were started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub(crate) struct BenchPreview {
    /// Addresses that the host resolves to.
    pub resolved: Vec<String>,
    /// Whether all of them are this machine.
    pub loopback: bool,
    /// What the environment's guard asks for, if anything.
    pub guard: Option<String>,
    /// Whether the environment's name must be typed.
    pub typed_confirmation: bool,
}

/// What the guards of an environment say about a plan.
fn guard(environment: &Environment, spec: &HttpBenchSpec) -> Result<(), ApiError> {
    let name = &environment.name;
    let cap = environment.guards.max_rate_per_s;
    match (spec.load, cap) {
        (Load::Rate { rate_per_s }, Some(cap)) if rate_per_s > cap => Err(ApiError::new(
            ErrorCode::Guarded,
            format!("{rate_per_s} requests/s is over the cap of {cap} requests/s of '{name}'"),
        )
        .hint("Lower the rate, or raise the cap in the environment's guards")),
        (Load::Closed, _) if environment.kind == Kind::Production => Err(ApiError::new(
            ErrorCode::Guarded,
            format!("'{name}' is production: a benchmark there needs an explicit rate"),
        )
        .hint("Choose a constant rate instead of a closed loop")),
        _ => Ok(()),
    }
}

/// Whether all of `addresses` (without ports) are this machine.
fn is_loopback(addresses: &[String]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|a| a.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

impl Engine {
    async fn bench_environment(&self, id: Option<&str>) -> Result<Option<Environment>, ApiError> {
        match id {
            Some(id) => self.environment(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Resolves the host and asks the guards, without sending anything.
    pub(crate) async fn bench_preview(
        &self,
        spec: &HttpBenchSpec,
        environment_id: Option<&str>,
    ) -> Result<BenchPreview, ApiError> {
        perfdeck_bench::validate(spec)?;
        let environment = self.bench_environment(environment_id).await?;
        let resolved = perfdeck_bench::resolve(&spec.url).await;
        let guard = environment
            .as_ref()
            .and_then(|e| guard(e, spec).err())
            .map(|e| e.hint.as_ref().map_or_else(|| e.message.clone(), |h| format!("{}. {h}", e.message)));
        Ok(BenchPreview {
            loopback: is_loopback(&resolved),
            resolved,
            guard,
            typed_confirmation: environment.is_some_and(|e| e.guards.typed_confirmation),
        })
    }

    /// Starts a benchmark as a job whose result is the run's id.
    pub(crate) async fn bench_start(
        self: &Arc<Self>,
        spec: HttpBenchSpec,
        environment_id: Option<String>,
        name: Option<String>,
        confirm: Option<String>,
    ) -> Result<JobStatus, ApiError> {
        perfdeck_bench::validate(&spec)?;
        let environment = self.bench_environment(environment_id.as_deref()).await?;
        if let Some(e) = &environment {
            guard(e, &spec)?;
            if e.guards.typed_confirmation && confirm.as_deref() != Some(e.name.as_str()) {
                return Err(ApiError::new(ErrorCode::Guarded, format!("Load on '{}' needs its name typed", e.name))
                    .hint("Type the environment's name to confirm; perfctl takes it with --confirm"));
            }
        }
        if let Some(job) = self.jobs.running("bench") {
            return Err(ApiError::new(ErrorCode::Conflict, format!("'{}' is running", job.title))
                .hint("Two benchmarks at once would measure each other; wait for it or stop it"));
        }
        let run_id = Uuid::now_v7().to_string();
        let name = name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).unwrap_or_else(|| default_name(&spec));
        let context = RunContext {
            run_id: run_id.clone(),
            name: name.clone(),
            environment_id: environment.as_ref().map(|e| e.id.clone()),
            environment_name: environment.as_ref().map(|e| e.name.clone()),
            machine: self.machine.clone(),
            clock: self.clock.clone(),
        };
        let engine = self.clone();
        let environment_id = environment.map(|e| e.id);
        Ok(self.jobs.spawn("bench", name, environment_id.clone(), move |job| async move {
            // The environment is watched during the run even when no viewer is open, for the series in the report.
            let monitor = match &environment_id {
                Some(id) => match engine.monitor(id).await {
                    Ok(monitor) => Some(monitor),
                    Err(error) => {
                        tracing::warn!(%error, "the environment is not watched during the run");
                        None
                    }
                },
                None => None,
            };
            let (sender, context_job) = (engine.bench.clone(), job.clone());
            let progress = move |live: perfdeck_model::BenchLive| {
                let share = if live.total_s > 0.0 { live.elapsed_s / live.total_s } else { 0.0 };
                context_job.progress(Some(share), phase(&live));
                sender.send_replace(Some(live));
            };
            let run =
                perfdeck_bench::run_http(spec, context, progress, job.cancel.clone()).await.map_err(ApiError::from)?;
            job.progress(Some(1.0), "storing the run");
            let series = match &monitor {
                Some(monitor) => {
                    let from = (run.started_ms / 1000.0).floor() * 1000.0;
                    Some(monitor.history(from, run.finished_ms, u32::MAX, None).await.encode())
                }
                None => None,
            };
            engine.store.put_run(&run, series).await?;
            engine.changed(&[Tag::Runs, Tag::Environments]);
            Ok(Some(run.id))
        }))
    }

    /// A stored run.
    pub(crate) async fn run(&self, id: &str) -> Result<Run, ApiError> {
        self.store.run(id).await?.ok_or_else(|| ApiError::not_found(format!("There is no run '{id}'")))
    }

    /// The environment's series during a run, at most one point per pixel and series.
    pub(crate) async fn run_series(&self, id: &str, series: Option<&[String]>) -> Result<Columns, ApiError> {
        let Some(bytes) = self.store.run_series(id).await? else {
            return Ok(Columns::new(serde_json::json!({ "step_ms": 1000, "raw": true })));
        };
        let all = Columns::decode(&bytes).map_err(|e| ApiError::new(ErrorCode::Storage, e.to_string()))?;
        let Some(wanted) = series else { return Ok(all) };
        let mut some = Columns::new(all.meta().clone());
        for name in all.names() {
            let id = name.strip_suffix(":min").or_else(|| name.strip_suffix(":max")).unwrap_or(name);
            if name == "t" || wanted.iter().any(|w| w == id) {
                some.push(name.clone(), all.get(name).unwrap_or_default().to_vec());
            }
        }
        Ok(some)
    }
}

fn phase(live: &perfdeck_model::BenchLive) -> &'static str {
    use perfdeck_model::BenchPhase as P;
    match live.phase {
        P::Connecting => "connecting",
        P::WarmUp => "warming up",
        P::Measuring => "measuring",
        P::Draining => "waiting for the last responses",
        P::Finished => "finished",
    }
}

fn default_name(spec: &HttpBenchSpec) -> String {
    let path = spec.url.split_once("://").and_then(|(_, r)| r.split_once('/')).map_or("/", |(_, p)| p);
    let load = match spec.load {
        Load::Closed => format!("{} connections", spec.connections),
        Load::Rate { rate_per_s } => format!("{rate_per_s}/s"),
    };
    format!("{} /{} at {load}", spec.method.as_str(), path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfdeck_model::{Guards, PoolSettings, Targets};

    fn environment(kind: Kind) -> Environment {
        Environment {
            id: "e".into(),
            name: "clinic".into(),
            kind,
            targets: Targets::default(),
            pool: PoolSettings::for_kind(kind),
            guards: Guards::for_kind(kind),
            created_ms: 0.0,
            updated_ms: 0.0,
        }
    }

    fn spec(load: Load) -> HttpBenchSpec {
        serde_json::from_value(serde_json::json!({
            "url": "http://127.0.0.1:1/x", "load": load, "connections": 1, "duration_s": 1.0
        }))
        .expect("a spec")
    }

    #[test]
    fn production_needs_a_rate_within_its_cap() {
        let e = environment(Kind::Production);
        assert!(guard(&e, &spec(Load::Closed)).is_err(), "a closed loop has no rate");
        assert!(guard(&e, &spec(Load::Rate { rate_per_s: 1e5 })).is_err(), "a rate over the cap is refused");
        assert!(guard(&e, &spec(Load::Rate { rate_per_s: 10.0 })).is_ok(), "a rate under the cap is not");
        assert!(guard(&environment(Kind::Development), &spec(Load::Closed)).is_ok(), "development is free");
    }
}
