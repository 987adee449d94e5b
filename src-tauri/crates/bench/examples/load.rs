//! Runs one plan and prints its figures: the engine alone, without the rest of Perfdeck.
//!
//! `cargo run --release -p perfdeck-bench --example load -- URL CONNECTIONS SECONDS [RATE]`
#![allow(clippy::print_stdout, reason = "a program")]
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
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.3}"));
    for (name, t) in [("response", r), ("service", s), ("lag", &l)] {
        println!("{name} ms: p50 {} p99 {} max {}", shown(t.p50), shown(t.p99), shown(t.max));
    }
    println!("valid: {} {:?} {:?}", run.valid, run.invalid_reasons, run.notes);
    Ok(())
}
