//! Work that is done every second whether anybody looks or not.
use std::time::Duration;

use perfdeck_model::{OwnCost, Part};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::core::store::Written;

/// Measures Perfdeck's own cost every second, notices what other programs wrote to the store, prunes old samples.
pub(crate) async fn housekeeping(engine: std::sync::Weak<Engine>, stopped: CancellationToken) {
    let mut meter = perfdeck_monitor::OwnCostMeter::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection = None;
    let mut written = Written::default();
    let (mut pruned_ms, mut retried_ms) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let (cpu, memory_bytes) = meter.measure();
        engine.core.hub.publish(|| {
            Part::Own(OwnCost {
                cpu,
                memory_bytes,
                dropped_frames: engine.core.hub.dropped(),
                store_bytes: engine.core.store.bytes(),
            })
        });
        if connection.is_none() {
            connection = engine.core.store.connection().await;
        }
        if let Some(c) = &mut connection {
            engine.core.changed(&written.since(&engine.core.store, c).await);
        }
        // A wall clock that is set back must not put these off.
        let passed_ms = engine.core.clock.monotonic_ms();
        if passed_ms - retried_ms > 5_000.0 {
            retried_ms = passed_ms;
            engine.store_waiting().await;
            engine.find_cut_off().await;
        }
        if passed_ms - pruned_ms > 600_000.0 {
            pruned_ms = passed_ms;
            if let Err(error) = engine.core.store.prune(engine.core.clock.now_ms()).await {
                tracing::warn!(%error, "old samples could not be pruned");
            }
            if let Err(error) = engine.forget_snapshots().await {
                tracing::warn!(%error, "snapshots of caches that are over could not be removed");
            }
            if let Err(error) = engine.forget_edits().await {
                tracing::warn!(%error, "edits of caches that are over could not be forgotten");
            }
            if let Err(error) = engine.forget_reports().await {
                tracing::warn!(%error, "deleted reports could not be removed");
            }
        }
    }
}
