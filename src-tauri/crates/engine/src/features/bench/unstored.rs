//! Runs that could not be stored, such as for a full disk: they stay in memory and are tried again while Perfdeck is open.
use std::sync::PoisonError;

use perfdeck_model::{ApiError, Run, Tag};

use crate::Engine;

/// Runs that are kept at most; beyond it the oldest is lost, and the log says so.
const MOST: usize = 16;

/// A run that waits for the store.
#[derive(Debug, Clone)]
pub(crate) struct Unstored {
    run: Run,
    series: Option<Vec<u8>>,
    seconds: Vec<u8>,
    why: ApiError,
}

impl Engine {
    /// Stores a run with its series and seconds, or keeps it for later.
    pub(crate) async fn store_run(&self, run: &Run, series: Option<Vec<u8>>, seconds: Vec<u8>) {
        let Err(why) = self.core.store.put_run(run, series.clone(), Some(seconds.clone())).await else { return };
        tracing::error!(%why, run = %run.id, "the run is not stored yet");
        let mut waiting = self.bench.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST {
            let lost = waiting.remove(0);
            tracing::error!(run = %lost.run.id, "too many runs wait for the store; this one is lost");
        }
        waiting.push(Unstored { run: run.clone(), series, seconds, why });
    }

    /// A run that waits for the store, with a note that says so.
    pub(crate) fn unstored_run(&self, id: &str) -> Option<Run> {
        let waiting = self.bench.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().find(|u| u.run.id == id)?;
        let mut run = found.run.clone();
        run.notes.push(format!("not stored yet: {}; it is tried again while Perfdeck is open", found.why.message));
        Some(run)
    }

    /// Reason for which a run is not stored, if it is not.
    pub fn not_stored(&self, id: &str) -> Option<ApiError> {
        let waiting = self.bench.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().find(|u| u.run.id == id).map(|u| u.why.clone())
    }

    /// Tries to store what waits. A run stays readable here until it can be read there.
    pub(crate) async fn store_waiting(&self) {
        let waiting = self.bench.unstored.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for Unstored { run, series, seconds, .. } in waiting {
            let id = run.id.clone();
            if self.core.store.put_run(&run, series, Some(seconds)).await.is_ok() {
                self.bench.unstored.lock().unwrap_or_else(PoisonError::into_inner).retain(|u| u.run.id != id);
                self.core.changed(&[Tag::Runs]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use perfdeck_model::{HttpBenchSpec, Load, Method};
    use perfdeck_testkit::{Answer, ScriptedHttp, eventually};

    use super::*;
    use crate::EngineOptions;
    use crate::features::bench::commands::BenchRequest;
    use crate::features::bench::work::{BenchSpec, PlanFolder};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fills_up_during_a_run_loses_nothing() {
        let dir = tempfile::tempdir().expect("temp dir");
        let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
        let engine = Engine::open(options).await.expect("opens");
        let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
        let spec = HttpBenchSpec {
            url: target.url(),
            method: Method::default(),
            headers: Vec::new(),
            body: None,
            body_base64: None,
            load: Load::Rate { rate_per_s: 200.0 },
            connections: 2,
            threads: None,
            duration_s: 1.0,
            warmup_s: 0.0,
            timeout_s: 10.0,
            insecure_tls: false,
            client_certificate: None,
            thresholds: Vec::new(),
        };
        let asked = BenchRequest { spec: BenchSpec::Http(spec), environment_id: None, name: None, confirm: None };
        let job = engine.bench_start(asked, PlanFolder::default()).await.expect("starts");
        eventually(Duration::from_secs(20), || async { (target.requests() > 10).then_some(()) }).await;
        engine.core.store.fill(true).await;
        let end = engine.jobs().wait(&job.id).await.expect("known");
        let id = end.result.expect("a run").id().to_owned();
        let why = engine.not_stored(&id).expect("it could not be stored");
        assert!(why.message.contains("is full") && why.hint.is_some(), "and says why: {}", why.message);
        let run = engine.run(&id).await.expect("it can be read all the same");
        assert_eq!(run.requests, 200, "with what was measured");
        assert!(run.notes.iter().any(|note| note.contains("not stored yet")), "and a note: {:?}", run.notes);
        assert!(engine.core.store.run(&id).await.expect("read").is_none(), "the store has no part of it");

        engine.store_waiting().await;
        assert!(engine.not_stored(&id).is_some(), "still full, it still waits");
        engine.core.store.fill(false).await;
        let seen = || async { engine.not_stored(&id).is_none().then_some(()) };
        eventually(Duration::from_secs(20), seen).await;
        let stored = engine.core.store.run(&id).await.expect("read").expect("stored by itself once there is room");
        assert!(!stored.notes.iter().any(|n| n.contains("not stored")), "without the note: {:?}", stored.notes);
        let heat = engine.run_heatmap(&id, 10).await.expect("its seconds too");
        assert!(!heat.columns.is_empty(), "{heat:?}");
        engine.shutdown().await;
        drop(Arc::try_unwrap(engine));
    }
}
