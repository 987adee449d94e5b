//! What is reported against what is known: a target whose latency distribution has a formula, and stalls.
mod support;

use std::time::{Duration, Instant};

use perfdeck_model::{LatencyMs, Load};
use support::{rate, run, server, spec};

/// Service time of the target between its stalls, in milliseconds: long against the timers of both sides.
const SERVICE_MS: f64 = 10.0;
/// Each cycle begins with a stall.
const CYCLE_S: f64 = 1.5;
/// Length of a stall: nothing is answered before its end.
const STALL_S: f64 = 0.3;

/// Quantile of the response time of requests that arrive evenly: within a stall one waits for its end, so a share
/// STALL / CYCLE of them has SERVICE plus a uniform wait between 0 and STALL.
fn expected_ms(q: f64) -> f64 {
    let calm = 1.0 - STALL_S / CYCLE_S;
    if q <= calm { SERVICE_MS } else { SERVICE_MS + (q - calm) / (1.0 - calm) * STALL_S * 1e3 }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_reports_the_percentiles_of_a_target_that_stalls() {
    let began = Instant::now();
    let target = server(move |_| {
        let at = began.elapsed().as_secs_f64() % CYCLE_S;
        let wait = SERVICE_MS / 1e3 + (STALL_S - at).max(0.0);
        (200, Duration::from_secs_f64(wait))
    });
    let mut plan = spec(target.port, rate(400.0), 4.0 * CYCLE_S);
    plan.connections = 256;
    plan.warmup_s = 0.2;
    let run = run(plan).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let l = run.latency();
    for (q, measured) in [(0.5, l.p50), (0.9, l.p90), (0.95, l.p95), (0.99, l.p99)] {
        let expected = expected_ms(q);
        // 3 % of the value, and the millisecond to which the target's own timer waits.
        let tolerance = 0.03 * expected + 1.6;
        assert!(
            (measured - expected).abs() <= tolerance,
            "p{} is {measured:.2} ms where {expected:.2} ms are right",
            q * 100.0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_misses_the_stall_and_is_labelled() {
    let began = Instant::now();
    let target = server(move |_| {
        let at = began.elapsed().as_secs_f64() % CYCLE_S;
        (200, Duration::from_secs_f64(SERVICE_MS / 1e3 + (STALL_S - at).max(0.0)))
    });
    let mut plan = spec(target.port, Load::Closed, 2.0 * CYCLE_S);
    plan.connections = 4;
    let run = run(plan).await;
    assert_eq!(run.spec.load(), Load::Closed, "the run says that it is a closed loop");
    let l: &LatencyMs = run.latency();
    // Four connections wait out a stall together: four slow ones of some five hundred, not one of five.
    assert!(l.p95 < expected_ms(0.95) / 2.0, "coordinated omission: p95 {:.1} ms", l.p95);
}
