//! What is reported against what is known: a target whose latency distribution has a formula, and stalls.
mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perfdeck_model::Load;
use support::{rate, run, spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Service time of the target between its stalls, in milliseconds: long against the timers of both sides.
const SERVICE_MS: f64 = 100.0;
/// Each cycle begins with a stall.
const CYCLE_S: f64 = 3.0;
/// Length of a stall: nothing is answered before its end.
const STALL_S: f64 = 0.6;

/// Quantile of the response time of requests that arrive evenly: within a stall one waits for its end, so a share
/// STALL / CYCLE of them has SERVICE plus a uniform wait between 0 and STALL.
fn expected_ms(q: f64) -> f64 {
    let calm = 1.0 - STALL_S / CYCLE_S;
    if q <= calm { SERVICE_MS } else { SERVICE_MS + (q - calm) / (1.0 - calm) * STALL_S * 1e3 }
}

/// The target. Answers its port, and the milliseconds that each answer really took it: its own timers are late when the
/// machine is busy, which is no fault of the figures.
async fn stalling() -> (u16, Arc<Mutex<Vec<f64>>>) {
    let took: Arc<Mutex<Vec<f64>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (began, log) = (Instant::now(), took.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let mut buffer = [0; 4096];
                // A request is one segment here.
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let arrived = Instant::now();
                    let at = began.elapsed().as_secs_f64() % CYCLE_S;
                    let wait = SERVICE_MS / 1e3 + (STALL_S - at).max(0.0);
                    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
                    log.lock().expect("lock").push(arrived.elapsed().as_secs_f64() * 1e3);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, took)
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = ((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_reports_the_percentiles_of_a_target_that_stalls() {
    let (port, took) = stalling().await;
    let mut plan = spec(port, rate(200.0), 2.0 * CYCLE_S);
    plan.connections = 256;
    let run = run(plan).await;
    assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
    let mut took = took.lock().expect("lock").clone();
    took.sort_by(f64::total_cmp);
    assert_eq!(took.len() as u64, run.requests, "both sides saw the same requests");
    let l = run.latency();
    for (q, measured) in [(0.5, l.p50), (0.9, l.p90), (0.95, l.p95), (0.99, l.p99)] {
        let (formula, real) = (expected_ms(q), quantile(&took, q));
        assert!(real >= formula * 0.97, "the target is as slow as its formula: {real:.1} of {formula:.1} ms");
        // 3 % of the value, and what a busy machine adds on this side.
        let off = (measured - real).abs();
        assert!(off <= 0.03 * real + 3.0, "p{} is {measured:.1} ms where {real:.1} ms are right", q * 100.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_misses_the_stall_and_is_labelled() {
    let (port, _) = stalling().await;
    let mut plan = spec(port, Load::Closed, 2.0 * CYCLE_S);
    plan.connections = 4;
    let run = run(plan).await;
    assert_eq!(run.spec.load(), Load::Closed, "the run says that it is a closed loop");
    // Four connections wait out a stall together: a few slow answers of some two hundred, not one of five.
    let p90 = run.latency().p90;
    assert!(p90 < expected_ms(0.9) * 0.7, "coordinated omission: p90 {p90:.1} ms of {:.1} ms", expected_ms(0.9));
}
