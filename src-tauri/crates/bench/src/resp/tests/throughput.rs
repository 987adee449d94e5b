//! How the engine compares with redis-benchmark, run alternately against one server.
//!
//! `cargo test --release -p perfdeck-bench --lib throughput -- --ignored --nocapture`
#![allow(clippy::print_stdout, reason = "its figures are read by a person")]
use std::process::Command;

use super::support::{Server, Shape, load, run, target};

const PAIRS: usize = 7;
const SECONDS: f64 = 2.0;
const CONNECTIONS: usize = 32;

/// Commands per second of redis-benchmark; its keys are as many and as long as the engine's.
fn theirs(server: &Server, command: &str, pipeline: usize, requests: u64) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port.to_string(), "-c", &CONNECTIONS.to_string(), "-n", &requests.to_string()])
        .args(["-t", command, "-P", &pipeline.to_string(), "-r", "100000", "-d", "3", "--csv"])
        .output()
        .expect("redis-benchmark is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().last().expect("a line of figures");
    line.split(',').nth(1).and_then(|n| n.trim_matches('"').parse().ok()).expect("commands per second")
}

fn ours(server: &Server, command: &str, pipeline: usize) -> (f64, f64) {
    let args: &[&str] = if command == "set" { &["{{key}}", "xxx"] } else { &["{{key}}"] };
    let keys = "name='key'\nkind='uniform'\nfrom=100000\nto=199999\nprefix='key:000000'";
    let load = load(&[(1.0, command, args)], &[keys], target(vec![server.address()]), pipeline);
    let shape = Shape { connections: CONNECTIONS, threads: 1, rate_per_s: None, seconds: SECONDS };
    let record = run(load, shape);
    assert_eq!(record.failed, 0, "no errors");
    (record.completed / SECONDS, record.cpu_s.unwrap_or(0.0) / SECONDS)
}

#[test]
#[ignore = "takes a minute and a quiet machine"]
fn it_keeps_up_with_redis_benchmark() {
    let server = Server::start(&[]);
    for pipeline in [1, 16] {
        for command in ["set", "get"] {
            // Both warm up, and the first run of theirs tells how many requests take the time of one of ours.
            let warm = theirs(&server, command, pipeline, 200_000);
            ours(&server, command, pipeline);
            let requests = (warm * SECONDS) as u64;
            let mut ratios = Vec::new();
            for pair in 0..PAIRS {
                // Who goes first alternates too.
                let early = (pair % 2 == 0).then(|| theirs(&server, command, pipeline, requests));
                let (mine, cpu) = ours(&server, command, pipeline);
                let other = early.unwrap_or_else(|| theirs(&server, command, pipeline, requests));
                println!(
                    "{command} P={pipeline}: {mine:.0}/s at {cpu:.2} CPU, redis-benchmark {other:.0}/s: {:.3}",
                    mine / other
                );
                ratios.push(mine / other);
            }
            ratios.sort_by(f64::total_cmp);
            println!(
                "{command} P={pipeline}: median {:.3}, {:.3} to {:.3}",
                ratios[PAIRS / 2],
                ratios[0],
                ratios[PAIRS - 1]
            );
        }
    }
}

#[test]
#[ignore = "needs a quiet machine"]
fn it_holds_a_rate() {
    let server = Server::start(&[]);
    for (pipeline, rate) in [(1, 10_000.0), (1, 40_000.0), (16, 200_000.0)] {
        let load = load(&[(1.0, "GET", &["key"])], &[], target(vec![server.address()]), pipeline);
        let record =
            run(load, Shape { connections: CONNECTIONS, threads: 1, rate_per_s: Some(rate), seconds: SECONDS });
        let us = |q: f64| record.times.response.value_at_quantile(q);
        let (lag, cpu) = (record.times.lag.value_at_quantile(0.5), record.cpu_s.unwrap_or(0.0) / SECONDS);
        println!(
            "P={pipeline} {rate}/s: {:.0}/s at {cpu:.2} CPU, response p50 {} p99 {} µs, lag p50 {lag} µs",
            record.completed / SECONDS,
            us(0.5),
            us(0.99)
        );
        assert_eq!(record.failed, 0, "nothing is shed");
    }
}
