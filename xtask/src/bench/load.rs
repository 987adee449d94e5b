//! Load generation: Perfdeck's engines beside their peers, alternating, against one target on loopback.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{RUNS, home, report};
use crate::Outcome;
use crate::process::find;
use crate::run::binary;

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
    /// CPU time of its whole process per request, in microseconds.
    cpu_us: f64,
}

/// CPU seconds of the children that this process has waited for.
fn children_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    // USER_HZ is 100 on every Linux that matters.
    (ticks(13) + ticks(14)) / 100.0
}

fn perfctl(args: &[&str], home: &Path) -> Outcome<Value> {
    let output = Command::new(binary("perfctl", true))
        .args(["bench", "http"])
        .args(args)
        .arg("--json")
        .env("PERFDECK_DATA_DIR", home.join("data"))
        .output()
        .map_err(|error| format!("perfctl did not start: {error}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("perfctl bench: {error}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn ours(url: &str, home: &Path) -> Outcome<Measured> {
    let before = children_cpu_s();
    let run = perfctl(&[url, "-c", "32", "-d", "5s", "--warmup", "0s"], home)?;
    let cpu_s = children_cpu_s() - before;
    let rate_per_s = run["rate_per_s"].as_f64().ok_or("perfctl's run has no rate_per_s")?;
    let requests = run["requests"].as_f64().unwrap_or(0.0).max(1.0);
    Ok(Measured { rate_per_s, cpu_us: cpu_s * 1e6 / requests })
}

fn wrk(program: &PathBuf, url: &str) -> Option<Measured> {
    let before = children_cpu_s();
    // One thread, as Perfdeck has on two cores; --latency keeps its full histogram.
    let output = Command::new(program).args(["-t1", "-c32", "-d5s", "--latency", url]).output().ok()?;
    let cpu_s = children_cpu_s() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate_per_s = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok())?;
    let requests: f64 =
        text.lines().find_map(|line| line.trim().split_once(" requests in").and_then(|(n, _)| n.parse().ok()))?;
    Some(Measured { rate_per_s, cpu_us: cpu_s * 1e6 / requests.max(1.0) })
}

fn oha(program: &PathBuf, url: &str) -> Option<Measured> {
    let before = children_cpu_s();
    let args = ["--no-tui", "--output-format", "json", "-c", "32", "-z", "5s", url];
    let output = Command::new(program).args(args).output().ok()?;
    let cpu_s = children_cpu_s() - before;
    let result: Value = serde_json::from_slice(&output.stdout).ok()?;
    let rate_per_s = result["summary"]["requestsPerSec"].as_f64()?;
    let seconds = result["summary"]["total"].as_f64()?;
    Some(Measured { rate_per_s, cpu_us: cpu_s * 1e6 / (rate_per_s * seconds).max(1.0) })
}

/// Throughput and processor time per request beside wrk and oha.
pub(super) fn http() -> Outcome {
    let url = format!("http://127.0.0.1:{}/", target()?);
    let home = home("http")?;
    let (wrk_program, oha_program) = (find("wrk"), find("oha"));
    println!("Closed loop, 32 connections, 5 s each, alternating, against a two-byte answer on loopback:");
    let mut own: Vec<Measured> = Vec::new();
    let mut peers: [Vec<(Measured, f64, f64)>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let mine = ours(&url, &home)?;
        let found = [
            wrk_program.as_ref().and_then(|program| wrk(program, &url)),
            oha_program.as_ref().and_then(|program| oha(program, &url)),
        ];
        for (list, peer) in peers.iter_mut().zip(found) {
            if let Some(peer) = peer {
                let (rate, cpu) = (mine.rate_per_s / peer.rate_per_s, mine.cpu_us / peer.cpu_us);
                list.push((peer, rate, cpu));
            }
        }
        own.push(mine);
    }
    let column = |list: &[Measured], of: fn(&Measured) -> f64| list.iter().map(of).collect::<Vec<f64>>();
    report("perfctl, raw engine: rate", "requests/s", &mut column(&own, |m| m.rate_per_s), None);
    report("perfctl, raw engine: CPU per request", "us", &mut column(&own, |m| m.cpu_us), None);
    for (name, list, budget) in [("wrk", &peers[0], 1.0), ("oha", &peers[1], 0.6)] {
        if list.is_empty() {
            println!("{name} is not installed, so there is no ratio to it");
            continue;
        }
        report(
            &format!("{name}: rate"),
            "requests/s",
            &mut list.iter().map(|p| p.0.rate_per_s).collect::<Vec<_>>(),
            None,
        );
        report(
            &format!("{name}: CPU per request"),
            "us",
            &mut list.iter().map(|p| p.0.cpu_us).collect::<Vec<_>>(),
            None,
        );
        report(&format!("rate, perfctl to {name}"), "x", &mut list.iter().map(|p| p.1).collect::<Vec<_>>(), None);
        let mut cpu: Vec<f64> = list.iter().map(|p| p.2).collect();
        report(&format!("CPU per request, perfctl to {name}"), "x", &mut cpu, Some(budget));
    }
    Ok(())
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
            let run = perfctl(&[&url, "--rate", &rate, "-c", "32", "-d", &seconds, "--warmup", "1s"], &home)?;
            let target = run["target_rate_per_s"].as_f64().unwrap_or(f64::NAN);
            achieved.push(run["rate_per_s"].as_f64().unwrap_or(f64::NAN) / target * 100.0);
            p50.push(run["schedule_lag_ms"]["p50"].as_f64().unwrap_or(f64::NAN));
            p99.push(run["schedule_lag_ms"]["p99"].as_f64().unwrap_or(f64::NAN));
        }
        report("achieved rate (at least 99.5)", "%", &mut achieved, None);
        report("schedule lag p50", "ms", &mut p50, p50_ms);
        report("schedule lag p99", "ms", &mut p99, Some(p99_ms));
    }
    Ok(())
}
