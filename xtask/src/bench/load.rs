//! Load generation: Perfdeck's engines beside their peers, alternating, against one target on loopback.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use perfdeck_model::Run;
use serde::Deserialize;

use super::{RUNS, at_least, home, report};
use crate::Outcome;
use crate::process::find;
use crate::run::binary;
use crate::start;

/// A target that answers every request with two bytes, as fast as threads can. Answers its port.
pub(super) fn target() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no port: {error}"))?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0_u8; 4096];
    let mut held: Vec<u8> = Vec::new();
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        held.extend_from_slice(&buffer[..n]);
        while let Some(end) = held.windows(4).position(|w| w == b"\r\n\r\n") {
            held.drain(..end + 4);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

/// One run of a load tool.
struct Measured {
    rate_per_s: f64,
    /// CPU time per request of what sends load, in microseconds: of the peers' whole processes, and of Perfdeck's generator
    /// threads.
    cpu_us: f64,
    /// The same of the whole process. Perfdeck's first measures for a third of a second what it reaches at all, which the
    /// peers do not; a run of five seconds carries much of that.
    process_us: f64,
}

/// CPU seconds of the children that this process has waited for.
fn children_cpu_s() -> f64 {
    super::ended_s(std::process::id())
}

/// `perfctl` on a data folder below `home`, as a user starts it.
pub(super) fn command(home: &Path) -> Command {
    let mut command = Command::new(binary("perfctl", true));
    start::set(&mut command, "PERFDECK_DATA_DIR", home.join("data"));
    start::without_bus(&mut command);
    command
}

/// One run of `perfctl bench` with `args`.
pub(super) fn perfctl(args: &[&str], home: &Path) -> Outcome<Run> {
    let mut command = command(home);
    command.arg("bench").args(args).arg("--json");
    measured(command)
}

/// Starts a benchmark and reads its run.
pub(super) fn measured(mut command: Command) -> Outcome<Run> {
    let output = command.output().map_err(|error| format!("perfctl did not start: {error}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("perfctl bench: {error}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A figure that may be absent, as one that can be calculated with.
pub(super) fn figure(value: impl Into<Option<f64>>) -> f64 {
    value.into().unwrap_or(f64::NAN)
}

/// One run of `perfctl bench` with `args`.
fn ours(args: &[&str], home: &Path) -> Outcome<Measured> {
    let before = children_cpu_s();
    let run = perfctl(args, home)?;
    let cpu_s = children_cpu_s() - before;
    let requests = (run.requests as f64).max(1.0);
    let threads_s = run.client_cpu_s.ok_or("perfctl's run has no client_cpu_s")?;
    Ok(Measured { rate_per_s: run.rate_per_s, cpu_us: threads_s * 1e6 / requests, process_us: cpu_s * 1e6 / requests })
}

fn wrk(program: &Path, url: &str) -> Option<Measured> {
    let before = children_cpu_s();
    // One thread, as Perfdeck has on two cores; --latency keeps its full histogram.
    let output = Command::new(program).args(["-t1", "-c32", "-d5s", "--latency", url]).output().ok()?;
    let cpu_s = children_cpu_s() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate_per_s = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok())?;
    let requests: f64 =
        text.lines().find_map(|line| line.trim().split_once(" requests in").and_then(|(n, _)| n.parse().ok()))?;
    let cpu_us = cpu_s * 1e6 / requests.max(1.0);
    Some(Measured { rate_per_s, cpu_us, process_us: cpu_us })
}

/// What oha writes, as far as it is used here.
#[derive(Deserialize)]
struct OhaResult {
    summary: OhaSummary,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OhaSummary {
    requests_per_sec: f64,
    /// Seconds.
    total: f64,
}

fn oha(program: &Path, url: &str) -> Option<Measured> {
    let before = children_cpu_s();
    let args = ["--no-tui", "--output-format", "json", "-c", "32", "-z", "5s", url];
    let output = Command::new(program).args(args).output().ok()?;
    let cpu_s = children_cpu_s() - before;
    let OhaResult { summary } = serde_json::from_slice(&output.stdout).ok()?;
    let rate_per_s = summary.requests_per_sec;
    let cpu_us = cpu_s * 1e6 / (rate_per_s * summary.total).max(1.0);
    Some(Measured { rate_per_s, cpu_us, process_us: cpu_us })
}

/// Throughput and processor time per request: the raw engine beside wrk and oha, the full engine beside oha.
pub(super) fn http(oha_program: &Path) -> Outcome {
    let url = format!("http://127.0.0.1:{}/", target()?);
    let home = home("http")?;
    let wrk_program = find("wrk").ok_or("wrk is missing: apt-get install wrk")?;
    // A plan of one request is what the full engine runs.
    let plan = home.join("get.toml");
    let text = format!(
        r#"
        name = "get"
        base_url = "{url}"
        duration = "5s"
        [load]
        kind = "closed"
        connections = 32
        [warmup]
        kind = "fixed"
        duration = "0s"
        [[steps]]
        name = "get"
        kind = "http"
        path = "/"
        "#
    );
    std::fs::write(&plan, text).map_err(|error| format!("writing {}: {error}", plan.display()))?;
    println!("Closed loop, 32 connections, 5 s each, alternating, against a two-byte answer on loopback:");
    let mut tools = Tools::default();
    for _ in 0..RUNS {
        tools.raw.push(ours(&["http", &url, "-c", "32", "-d", "5s", "--warmup", "0s"], &home)?);
        tools.wrk.push(wrk(&wrk_program, &url).ok_or("wrk gave no result")?);
        tools.full.push(ours(&["run", &plan.to_string_lossy(), "--threads", "1"], &home)?);
        tools.oha.push(oha(oha_program, &url).ok_or("oha gave no result")?);
    }
    tools.report();
    Ok(())
}

/// Runs of each tool, in the order of the rounds.
#[derive(Default)]
struct Tools {
    raw: Vec<Measured>,
    full: Vec<Measured>,
    wrk: Vec<Measured>,
    oha: Vec<Measured>,
}

impl Tools {
    fn report(&self) {
        let all = [
            ("perfctl, raw engine", &self.raw),
            ("wrk", &self.wrk),
            ("perfctl, full engine", &self.full),
            ("oha", &self.oha),
        ];
        for (name, runs) in all {
            report(&format!("{name}: rate"), "/s", &mut column(runs, |m| m.rate_per_s), None);
            report(&format!("{name}: CPU per request"), "us", &mut column(runs, |m| m.cpu_us), None);
        }
        let ratios = |a: &[Measured], b: &[Measured], of: fn(&Measured) -> f64| -> Vec<f64> {
            a.iter().zip(b).map(|(a, b)| of(a) / of(b)).collect()
        };
        let cpu = |m: &Measured| m.cpu_us;
        at_least("rate, raw engine to wrk", "x", &mut ratios(&self.raw, &self.wrk, |m| m.rate_per_s), 1.0);
        report("CPU per request, raw engine to wrk", "x", &mut ratios(&self.raw, &self.wrk, cpu), Some(1.0));
        let process = |m: &Measured| m.process_us;
        report("the same of the whole process", "x", &mut ratios(&self.raw, &self.wrk, process), None);
        report("CPU per request, raw engine to oha", "x", &mut ratios(&self.raw, &self.oha, cpu), Some(0.6));
        report("CPU per request, full engine to oha", "x", &mut ratios(&self.full, &self.oha, cpu), Some(1.0));
    }
}

fn column(runs: &[Measured], of: fn(&Measured) -> f64) -> Vec<f64> {
    runs.iter().map(of).collect()
}

/// How exactly a constant rate is kept, with the target on the same machine.
pub(super) fn pacing() -> Outcome {
    let url = format!("http://127.0.0.1:{}/", target()?);
    let home = home("pacing")?;
    for (rate, seconds, p50_ms, p99_ms) in [(20_000, 30, Some(0.1), 1.0), (2_000, 10, None, 0.2)] {
        println!("Constant rate of {rate}/s for {seconds} s over 32 connections, three times:");
        let (mut achieved, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let (rate, seconds) = (rate.to_string(), format!("{seconds}s"));
            let run = perfctl(&["http", &url, "--rate", &rate, "-c", "32", "-d", &seconds, "--warmup", "1s"], &home)?;
            let target = run.target_rate_per_s.ok_or("an open loop has a rate that was asked for")?;
            let lag = run.schedule_lag_ms.ok_or("an open loop has a schedule lag")?;
            achieved.push(run.rate_per_s / target * 100.0);
            p50.push(figure(lag.p50));
            p99.push(figure(lag.p99));
        }
        report("achieved rate (at least 99.5)", "%", &mut achieved, None);
        report("schedule lag p50", "ms", &mut p50, p50_ms);
        report("schedule lag p99", "ms", &mut p99, Some(p99_ms));
    }
    Ok(())
}
