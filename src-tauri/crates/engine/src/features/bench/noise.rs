//! The noise floor: how far runs of the same work in the same environment lie apart when nothing was changed.
use perfdeck_model::{ApiError, Run};
use perfdeck_stats::figures::BenchMetric;
use perfdeck_stats::single::{NoiseFloor, noise};
use perfdeck_stats::{Duet, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::features::bench::alike::fingerprint;

const METRICS: [BenchMetric; 6] = [
    BenchMetric::Throughput,
    BenchMetric::P50,
    BenchMetric::P90,
    BenchMetric::P95,
    BenchMetric::P99,
    BenchMetric::P999,
];

/// The stored noise of one work in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// Work that was run, see [`key`].
    pub(crate) work: String,
    pub(crate) environment_id: Option<String>,
    pub(crate) created_ms: f64,
    pub(crate) floors: Vec<NoiseFloor>,
}

/// The work of a run as its noise is found again: everything that must be equal for two runs to be comparable.
fn key(fingerprint: &Fingerprint) -> String {
    serde_json::to_string(fingerprint).unwrap_or_default()
}

/// σ of each metric from the pairs of a duet of a work against itself.
fn floors(duet: &Duet) -> Vec<NoiseFloor> {
    let of = |metric: BenchMetric| {
        let ratios: Option<Vec<f64>> = duet
            .pairs()
            .iter()
            .map(|pair| {
                let (a, b) = pair.a.value(metric).zip(pair.b.value(metric))?;
                (pair.a.enough(metric) && pair.b.enough(metric)).then(|| (b / a).ln())
            })
            .collect();
        ratios.and_then(|d| noise(metric, &d))
    };
    METRICS.into_iter().filter_map(of).collect()
}

impl Engine {
    /// Keeps the noise that a duet of a work against itself has shown; `run` is one of its runs.
    pub(crate) async fn keep_noise(&self, duet: &Duet, run: &Run) -> Result<(), ApiError> {
        let noise = Noise {
            work: key(&fingerprint(run)),
            environment_id: run.environment_id.clone(),
            created_ms: self.core.clock.now_ms(),
            floors: floors(duet),
        };
        if noise.floors.is_empty() {
            return Ok(());
        }
        self.core.store.put_noise(&noise).await
    }

    /// The noise floor of a run's work in its environment; empty when none was measured.
    pub(crate) async fn noise_of(&self, run: &Run) -> Result<Vec<NoiseFloor>, ApiError> {
        let found = self.core.store.noise(&key(&fingerprint(run)), run.environment_id.as_deref()).await?;
        Ok(found.map(|n| n.floors).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_stats::figures::RunFigures;
    use perfdeck_stats::{Arm, LoopKind, Registration};

    use super::*;
    use crate::EngineOptions;

    /// A run of `path`, as it is stored.
    fn run(path: &str) -> Run {
        let latency = serde_json::json!({"n": 0, "min": 0.0, "mean": 0.0, "p50": 0.0, "p90": 0.0, "p95": 0.0, "p99": 0.0,
            "p999": 0.0, "max": 0.0, "too_small": []});
        serde_json::from_value(serde_json::json!({
            "schema": "perfdeck.run/1", "id": path, "name": path, "engine": "e", "resolved": [], "state": "completed",
            "spec": {"kind": "http", "url": format!("http://127.0.0.1/{path}"), "load": {"kind": "closed"},
                     "connections": 1, "duration_s": 1.0},
            "started_ms": 0.0, "finished_ms": 1.0, "duration_s": 1.0, "requests": 1, "errors": 0, "rate_per_s": 1.0,
            "bytes_received": 0, "service_ms": latency, "valid": true, "invalid_reasons": [], "notes": [],
            "errors_by_class": [], "statuses": [], "intervals": [], "curve": [], "response_histogram": "",
            "service_histogram": "", "lag_histogram": "", "machine": perfdeck_model::Machine::default(),
        }))
        .expect("a run")
    }

    #[tokio::test]
    async fn the_noise_of_a_work_is_found_again() {
        let dir = tempfile::tempdir().expect("temp dir");
        let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
        let engine = Engine::open(options).await.expect("opens");
        let mut duet = Duet::new(Registration::new(LoopKind::Closed, 6, 1));
        while let Some(step) = duet.next() {
            let rate_per_s = if step.arm == Arm::A { 1_000.0 } else { 1_100.0 };
            let figures =
                RunFigures { valid: true, requests: 1_000, rate_per_s, latency_n: 500, ..RunFigures::default() };
            duet.record(step.arm, figures).expect("it was asked for");
        }
        assert_eq!(engine.noise_of(&run("x")).await.expect("read"), [], "nothing is known at first");
        engine.keep_noise(&duet, &run("x")).await.expect("kept");
        let floors = engine.noise_of(&run("x")).await.expect("read");
        assert_eq!(floors.len(), 1, "of what was measured: {floors:?}");
        assert_eq!((floors[0].metric, floors[0].pairs), (BenchMetric::Throughput, 6), "{floors:?}");
        assert!((floors[0].sigma - 1.1_f64.ln() / 2.0_f64.sqrt()).abs() < 1e-12, "σ of one run: {}", floors[0].sigma);
        assert_eq!(engine.noise_of(&run("y")).await.expect("read"), [], "of that work alone");
        engine.shutdown().await;
    }
}
