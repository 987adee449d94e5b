//! SQL and cache load beside pgbench and redis-benchmark, alternating, against private servers on loopback.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::load::{command, measured};
use super::{RUNS, at_least, home, report};
use crate::process::{cargo, find, run};
use crate::{Options, Outcome, root, start};

/// A private server, ended when it is dropped.
pub(super) struct Private {
    child: Child,
    url: String,
}

impl Private {
    pub(super) fn start(kind: &str) -> Outcome<Self> {
        run(cargo().args(["build", "--quiet", "-p", "perfdeck-testkit", "--bin", "private-server"]))?;
        let mut child = Command::new(root().join("target/debug/private-server"))
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("private-server did not start: {error}"))?;
        let mut url = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut url).map_err(|error| format!("private-server: {error}"))?;
        }
        if url.trim().is_empty() {
            return Err(format!("no private {kind} came up").into());
        }
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// User, password and port of its URL.
    pub(super) fn parts(&self) -> (String, String, String) {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let port = host.split('/').next().and_then(|h| h.rsplit_once(':')).map_or("", |(_, port)| port);
        (name.to_owned(), password.to_owned(), port.to_owned())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The end of its input ends the server in order.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The rate of one run; `variable` names the environment's one target to `perfctl`.
fn perfctl(args: &[&str], variable: (&str, &str), home: &Path) -> Outcome<f64> {
    let mut command = command(home);
    command.args(args).args(["--from-env", "--json"]);
    start::ask(&mut command, variable.0, variable.1);
    measured(command).map(|run| run.rate_per_s)
}

/// One measurement of each side, one after the other, [`RUNS`] times; the ratio of each pair.
fn pairs(
    name: &str,
    peer: &str,
    budget: f64,
    mut ours: impl FnMut() -> Outcome<f64>,
    mut theirs: impl FnMut() -> Outcome<f64>,
) -> Outcome {
    let (mut own, mut other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (a, b) = (ours()?, theirs()?);
        ratios.push(a / b);
        own.push(a);
        other.push(b);
    }
    report(&format!("{name}: perfctl"), "/s", &mut own, None);
    report(&format!("{name}: {peer}"), "/s", &mut other, None);
    at_least(&format!("{name}: perfctl to {peer}"), "x", &mut ratios, budget);
    Ok(())
}

/// The number before a word in a line, as in `tps = 123.4 (without …)` and `SET: 1234.5 requests per second`.
fn number_after(text: &str, before: &str) -> Outcome<f64> {
    let found = text.lines().rev().find_map(|line| {
        let rest = &line[line.find(before)? + before.len()..];
        rest.split_whitespace().next()?.trim_matches(',').parse().ok()
    });
    found.ok_or_else(|| format!("no '{before}' in: {text}").into())
}

/// Select-only throughput beside `pgbench -S -M prepared`.
pub(super) fn sql() -> Outcome {
    let server = Private::start("postgres")?;
    let home = home("sql")?;
    let (user, password, port) = server.parts();
    let pgbench = find("pgbench").unwrap_or_else(|| newest("pgbench"));
    let bench = |args: &[&str]| {
        let mut command = Command::new(&pgbench);
        command.args(["-h", "127.0.0.1", "-p", &port, "-U", &user]).args(args).arg("app");
        command.env("PGPASSWORD", &password).stderr(Stdio::null());
        command
    };
    run(&mut bench(&["-i", "-q", "-s", "10"]))?;
    println!(
        "SELECT abalance … WHERE aid = $1, prepared, 8 connections, 5 s each, alternating, PostgreSQL on loopback:"
    );
    for (threads, name) in [(Some("1"), "1 thread"), (Some("2"), "2 threads"), (None, "threads as each chooses")] {
        let ours = || {
            let text = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";
            let mut run = vec!["bench", "sql", "--sql", text, "--param", "uniform:1..1000000"];
            run.extend(["-c", "8", "-d", "5s", "--warmup", "500ms"]);
            run.extend(threads.into_iter().flat_map(|n| ["--threads", n]));
            perfctl(&run, ("DATABASE_URL", &server.url), &home)
        };
        let theirs = || {
            let mut args = vec!["-S", "-M", "prepared", "-n", "-c", "8", "-T", "5"];
            args.extend(threads.into_iter().flat_map(|n| ["-j", n]));
            let output = bench(&args).output().map_err(|error| format!("pgbench did not start: {error}"))?;
            number_after(&String::from_utf8_lossy(&output.stdout), "tps = ")
        };
        pairs(name, "pgbench", 0.9, ours, theirs)?;
    }
    Ok(())
}

/// A program of the newest PostgreSQL.
pub(super) fn newest(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> =
        versions.map(|v| v.path().join("bin").join(program)).filter(|path| path.exists()).collect();
    all.sort();
    all.pop().unwrap_or_else(|| PathBuf::from(program))
}

/// GET and SET beside `redis-benchmark`, with and without pipelining.
pub(super) fn cache() -> Outcome {
    let server = Private::start("redis")?;
    let home = home("cache")?;
    let (_, _, port) = server.parts();
    let peer = find("redis-benchmark").ok_or("redis-benchmark is missing: apt-get install redis-tools")?;
    println!("100,000 keys, values of 3 bytes, 32 connections, about 5 s each, alternating, Redis on loopback:");
    for (pipeline, requests) in [("1", "400000"), ("16", "4000000")] {
        for command in ["get", "set"] {
            let mix = format!("{command}=1");
            let ours = || {
                let run = [
                    "bench",
                    "cache",
                    "--mix",
                    &mix,
                    "--keys",
                    "100000",
                    "--value-size",
                    "3",
                    "-c",
                    "32",
                    "-d",
                    "5s",
                    "--warmup",
                    "500ms",
                    "--pipeline",
                    pipeline,
                    "--threads",
                    "1",
                ];
                perfctl(&run, ("REDIS_URL", &server.url), &home)
            };
            let theirs = || {
                let args =
                    ["-p", &port, "-c", "32", "-n", requests, "-P", pipeline, "-r", "100000", "-t", command, "-q"];
                let output = Command::new(&peer).args(args).output();
                let output = output.map_err(|error| format!("redis-benchmark did not start: {error}"))?;
                let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
                number_after(&text, &format!("{}: ", command.to_uppercase()))
            };
            pairs(&format!("{command}, pipeline {pipeline}"), "redis-benchmark", 1.0, ours, theirs)?;
        }
    }
    Ok(())
}

/// Maps of caches: the bench itself is `cache/benches/cache_map.rs`. Runs it, or the part of it that is named: speed, bars, blocks, large.
pub(super) fn cache_map(options: &Options) -> Outcome {
    println!("\nMachine: {}\n", super::setup::machine());
    let mut bench = cargo();
    bench.args(["bench", "--workspace", "--bench", "cache_map", "--"]);
    run(bench.args(options.rest.iter().skip(1)))
}
