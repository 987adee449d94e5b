//! Runs one plan and prints its figures: the engine alone, without the rest of Perfdeck.
//!
//! `cargo run --release -p perfdeck-bench --example load -- URL CONNECTIONS SECONDS [RATE]`
#![allow(clippy::print_stdout)]
use std::sync::Arc;

use perfdeck_bench::{AbortSwitch, RunContext, run_http};
use perfdeck_model::{Machine, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, connections, seconds, rate @ ..] = arguments.as_slice() else {
        return Err("usage: load URL CONNECTIONS SECONDS [RATE]".into());
    };
    let load = match rate.first() {
        Some(rate) => serde_json::json!({"kind": "rate", "rate_per_s": rate.parse::<f64>()?}),
        None => serde_json::json!({"kind": "closed"}),
    };
    let spec = serde_json::from_value(serde_json::json!({
        "url": url, "connections": connections.parse::<u32>()?, "duration_s": seconds.parse::<f64>()?, "load": load,
        "warmup_s": 0.5
    }))?;
    let context = RunContext {
        run_id: "example".into(),
        name: url.clone(),
        environment_id: None,
        environment_name: None,
        machine: Machine::default(),
        clock: Arc::new(SystemClock),
        max_error_share: None,
        abort: AbortSwitch::default(),
        addresses: None,
    };
    let run = run_http(spec, context, |_| {}, tokio_util::sync::CancellationToken::new()).await?.run;
    let (r, s, l) = (run.latency(), &run.service_ms, run.schedule_lag_ms.clone().unwrap_or_default());
    println!(
        "{:.0} requests/s, {} errors, client {:.2} CPU s",
        run.rate_per_s,
        run.errors,
        run.client_cpu_s.unwrap_or(0.0)
    );
    println!("response ms: p50 {:.3} p99 {:.3} max {:.3}", r.p50, r.p99, r.max);
    println!("service  ms: p50 {:.3} p99 {:.3} max {:.3}", s.p50, s.p99, s.max);
    println!("lag      ms: p50 {:.3} p99 {:.3} max {:.3}", l.p50, l.p99, l.max);
    println!("valid: {} {:?} {:?}", run.valid, run.invalid_reasons, run.notes);
    Ok(())
}
