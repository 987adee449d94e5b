//! What is reported against what is known: a target whose latency distribution has a formula, and which stops for two
//! seconds of every ten.
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use perfdeck_model::Load;
use support::{rate, run, spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Service times are even between these, in milliseconds: long against what timers of both sides are late by.
const SERVICE_MS: (f64, f64) = (200.0, 400.0);
/// Each cycle begins with a stall.
const CYCLE_S: f64 = 10.0;
/// Length of a stall: nothing is begun before its end.
const STALL_S: f64 = 2.0;
/// How far a percentile may be from its formula.
const TOLERANCE: f64 = 0.03;

/// Share of response times up to `ms` of requests that arrive evenly. One that arrives within a stall, as
/// STALL / CYCLE of them do, waits for its end first: a wait that is even between 0 and STALL, and the service time.
fn share_up_to(ms: f64) -> f64 {
    let (low, high) = SERVICE_MS;
    let service = |x: f64| ((x - low) / (high - low)).clamp(0.0, 1.0);
    // The mean of the service's distribution over all waits, by its integral.
    let area = |x: f64| {
        let inside = (x.clamp(low, high) - low).powi(2) / (2.0 * (high - low));
        inside + (x - high).max(0.0)
    };
    let stall = STALL_S * 1e3;
    let stalled = (area(ms) - area(ms - stall)) / stall;
    let part = STALL_S / CYCLE_S;
    (1.0 - part) * service(ms) + part * stalled
}

/// The quantile of the formula, by bisection.
fn expected_ms(q: f64) -> f64 {
    let (mut low, mut high) = (0.0, SERVICE_MS.1 + STALL_S * 1e3);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if share_up_to(middle) < q { low = middle } else { high = middle }
    }
    high
}

#[test]
fn the_formula_is_right() {
    // Half of the four of five without a stall; of the others, those whose wait and service are short.
    assert!((share_up_to(300.0) - (0.4 + 0.2 * 0.0125)).abs() < 1e-12, "{}", share_up_to(300.0));
    assert!((share_up_to(2_400.0) - 1.0).abs() < 1e-12 && share_up_to(199.9) == 0.0, "nothing is outside");
    let slow = (0..200_000).map(|i| {
        let (u, v) = (f64::from(i) / 200_000.0, (f64::from(i) * 0.618_033_988_749_894_9).fract());
        let wait = (STALL_S - u * CYCLE_S).max(0.0) * 1e3;
        wait + SERVICE_MS.0 + v * (SERVICE_MS.1 - SERVICE_MS.0)
    });
    let mut all: Vec<f64> = slow.collect();
    all.sort_by(f64::total_cmp);
    for (q, at) in [(0.25, 50_000), (0.5, 100_000), (0.9, 180_000), (0.99, 198_000)] {
        assert!((all[at] / expected_ms(q) - 1.0).abs() < 1e-3, "q {q}: {} and {}", all[at], expected_ms(q));
    }
}

/// The target; answers its port.
async fn stalling() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (began, served) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let served = served.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let mut buffer = [0; 4096];
                // A request is one segment here.
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let arrived = began.elapsed().as_secs_f64();
                    // Multiples of the golden ratio are as even as can be, however many are drawn.
                    let drawn = (f64::from(served.fetch_add(1, Ordering::Relaxed)) * 0.618_033_988_749_894_9).fract();
                    let service = (SERVICE_MS.0 + drawn * (SERVICE_MS.1 - SERVICE_MS.0)) / 1e3;
                    let answered = arrived + (STALL_S - arrived % CYCLE_S).max(0.0) + service;
                    tokio::time::sleep_until((began + Duration::from_secs_f64(answered)).into()).await;
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_reports_the_percentiles_of_a_target_that_stalls() {
    let port = stalling().await;
    let mut plan = spec(port, rate(200.0), 2.0 * CYCLE_S);
    (plan.connections, plan.timeout_s) = (600, 5.0);
    let run = run(plan).await;
    assert_eq!((run.errors, run.requests), (0, 4_000), "{:?}", run.errors_by_class);
    assert!(run.valid, "{:?}", run.invalid_reasons);
    let l = run.latency();
    for (name, q, measured) in
        [("p50", 0.5, l.p50), ("p90", 0.9, l.p90), ("p95", 0.95, l.p95), ("p99", 0.99, l.p99), ("p99.9", 0.999, l.p999)]
    {
        let formula = expected_ms(q);
        let measured = measured.expect("it was measured");
        let off = measured / formula - 1.0;
        assert!(off.abs() <= TOLERANCE, "{name} is {measured:.1} ms where {formula:.1} ms are right");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_misses_the_stall_and_is_labelled() {
    let port = stalling().await;
    let mut plan = spec(port, Load::Closed, CYCLE_S);
    (plan.connections, plan.timeout_s) = (4, 5.0);
    let run = run(plan).await;
    assert_eq!(run.spec.load(), Load::Closed, "the run says that it is a closed loop");
    // Four connections wait out a stall together: four slow answers of about a hundred, not one of five.
    let p90 = run.latency().p90.expect("it was measured");
    assert!(p90 < expected_ms(0.9) * 0.7, "coordinated omission: p90 {p90:.1} ms of {:.1} ms", expected_ms(0.9));
}
