//! The main job in a terminal: the demo environment, live figures, a benchmark, a report; all through one
//! `perfctl serve`, over the same commands and the same event stream as the window.
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desktop::free_port;
use crate::webdriver::http;
use crate::{Outcome, root};

/// How long the live figures are shown.
const LIVE: Duration = Duration::from_secs(10);
/// Longest time the demo may take to be built, or the report to be written.
const JOB_DEADLINE: Duration = Duration::from_secs(180);

/// Columns of the live table: heading, series (the first that exists), factor, decimals.
const COLUMNS: &[(&str, &[&str], f64, usize)] = &[
    ("CPU %", &["system.cpu.utilization{cpu.mode=user}", "system.cpu.utilization{cpu.mode=used}"], 100.0, 1),
    ("memory GB", &["system.memory.usage"], 1e-9, 2),
    ("db tx/s", &["database.transactions"], 1.0, 0),
    ("cache op/s", &["cache.operations"], 1.0, 0),
    ("cache hits %", &["cache.hit_ratio"], 100.0, 1),
    ("API req/s", &["http.server.requests"], 1.0, 0),
    ("API p99 ms", &["http.server.duration{quantile=p99}", "api.probe.total"], 1e3, 2),
];

struct Server {
    port: u16,
    token: String,
    process: Child,
}

impl Server {
    fn start(perfctl: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let folder = root().join("target/xtask");
        std::fs::create_dir_all(&folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
        let file = folder.join(format!("token-{port}"));
        let _ = std::fs::remove_file(&file);
        let mut command = Command::new(perfctl);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--token-file"]).arg(&file);
        // It stays in this process group, so that a Ctrl-C in the terminal reaches both.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().map_err(|error| format!("{} did not start: {error}", perfctl.display()))?;
        let mut server = Self { port, token: String::new(), process };
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(token) = std::fs::read_to_string(&file)
                && !token.trim().is_empty()
            {
                token.trim().clone_into(&mut server.token);
                if server.call("app.info", &json!({})).is_ok() {
                    let _ = std::fs::remove_file(&file);
                    return Ok(server);
                }
            }
            if let Ok(Some(status)) = server.process.try_wait() {
                return Err(format!("perfctl serve ended with {status}").into());
            }
            if Instant::now() > end {
                return Err("perfctl serve did not answer within 30 s".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn call(&self, name: &str, params: &Value) -> Outcome<Value> {
        let bearer = format!("Bearer {}", self.token);
        let answer = http(self.port, "POST", &format!("/api/rpc/{name}"), &[("authorization", &bearer)], Some(params));
        let (status, body) = answer.map_err(|error| format!("{name}: {error}"))?;
        let value: Value = serde_json::from_str(&body).map_err(|error| format!("{name}: {error} in {body}"))?;
        if status == 200 {
            return Ok(value);
        }
        let part = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Err(format!("{name}: {} {}", part("message"), part("hint")).into())
    }

    /// Waits for a job, showing its progress, and returns its result.
    fn finish(&self, job: &Value, label: &str) -> Outcome<String> {
        let id = job["id"].clone();
        let mut line = Line::default();
        let end = Instant::now() + JOB_DEADLINE;
        loop {
            let jobs = self.call("job.list", &json!({}))?;
            let Some(job) = jobs.as_array().into_iter().flatten().find(|job| job["id"] == id) else {
                return Err(format!("{label}: its job is gone").into());
            };
            let share = job["progress"].as_f64().unwrap_or(0.0);
            line.show(&format!("{label} {} {:>3.0} %", bar(share), share * 100.0));
            match job["state"].as_str().unwrap_or_default() {
                "done" => {
                    line.show(&format!("{label} {} 100 %", bar(1.0)));
                    line.end();
                    return Ok(job["result"].as_str().unwrap_or_default().to_owned());
                }
                "failed" | "cancelled" => {
                    line.end();
                    return Err(format!("{label}: {}", job["error"]["message"].as_str().unwrap_or("it failed")).into());
                }
                _ => {}
            }
            if Instant::now() > end {
                return Err(format!("{label}: not within {JOB_DEADLINE:?}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Opens the event stream of the demo environment.
    fn stream(&self) -> Outcome<Frames> {
        let failed = |error: std::io::Error| format!("the event stream: {error}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(15))).map_err(failed)?;
        let head = format!(
            "GET /api/stream?environment_id=demo HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {}\r\n\r\n",
            self.port, self.token
        );
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while reader.read_line(&mut line).map_err(failed)? > 2 {
            if line.starts_with("HTTP/1.1 ") && !line.starts_with("HTTP/1.1 200") {
                return Err(format!("the event stream answered {}", line.trim()).into());
            }
            line.clear();
        }
        Ok(Frames { reader })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Frames of the event stream, one chunk each.
struct Frames {
    reader: BufReader<TcpStream>,
}

impl Frames {
    fn next(&mut self) -> Outcome<Value> {
        let mut text = Vec::new();
        while !text.ends_with(b"\n") {
            let mut size = String::new();
            self.reader.read_line(&mut size).map_err(|error| format!("the event stream: {error}"))?;
            let length = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            if length == 0 || length > 1 << 20 {
                return Err("the event stream ended".into());
            }
            let mut chunk = vec![0; length + 2];
            self.reader.read_exact(&mut chunk).map_err(|error| format!("the event stream: {error}"))?;
            text.extend_from_slice(&chunk[..length]);
        }
        serde_json::from_slice(&text).map_err(|error| format!("a broken frame: {error}").into())
    }
}

/// A line that is rewritten in place on a terminal, and printed once at its end elsewhere.
#[derive(Default)]
struct Line {
    last: String,
}

impl Line {
    fn show(&mut self, text: &str) {
        if std::io::stdout().is_terminal() {
            print!("\r\x1b[2K{text}");
            let _ = std::io::stdout().flush();
        }
        text.clone_into(&mut self.last);
    }

    fn end(self) {
        if std::io::stdout().is_terminal() {
            println!();
        } else {
            println!("{}", self.last);
        }
    }
}

fn bar(share: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 24")]
    let full = (share.clamp(0.0, 1.0) * 24.0).round() as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(24 - full))
}

/// Does the main job on the demo environment, then keeps the UI up while a terminal is attached.
pub(crate) fn tour(perfctl: &Path) -> Outcome {
    let mut server = Server::start(perfctl)?;
    let job = server.call("demo.open", &json!({}))?;
    server.finish(&job, "Demo environment")?;
    server.call("monitor.start", &json!({"environment_id": "demo"}))?;

    println!("\nLive figures, one line a second:");
    live(&server)?;

    println!("\nBenchmark of the demo's API, 5 s after 1 s of warm-up:");
    let run_id = benchmark(&server)?;

    let out = root().join("target/perfdeck-demo-report.html");
    let request = json!({"environment_id": "demo", "run_ids": [run_id], "out": out, "title": "Perfdeck demo"});
    println!();
    let job = server.call("report.create", &request)?;
    let id = server.finish(&job, "Report")?;
    let report = server.call("report.get", &json!({"id": id}))?;
    println!("Report:  {}", report["file"]["html_path"].as_str().unwrap_or_default());
    println!("Data:    {}", report["file"]["json_path"].as_str().unwrap_or_default());

    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        println!("\nThe same in a browser, until Ctrl-C:");
        println!("  http://127.0.0.1:{}/#token={}", server.port, server.token);
        let status = server.process.wait().map_err(|error| format!("waiting for perfctl serve: {error}"))?;
        println!("perfctl serve ended with {status}");
    }
    Ok(())
}

fn live(server: &Server) -> Outcome {
    let heads: Vec<String> = COLUMNS.iter().map(|(head, ..)| format!("{head:>12}")).collect();
    println!("{}", heads.join(" "));
    let mut frames = server.stream()?;
    let end = Instant::now() + LIVE;
    let mut shown = 0.0;
    while Instant::now() < end {
        let frame = frames.next()?;
        let times: Vec<f64> = frame["t"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        // A snapshot brings history; only its last second is live.
        let Some((index, time)) = times.iter().copied().enumerate().next_back() else { continue };
        if time <= shown {
            continue;
        }
        shown = time;
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|(_, series, factor, decimals)| {
                let value = series.iter().find_map(|id| frame["series"][id][index].as_f64());
                value.map_or_else(|| format!("{:>12}", "–"), |value| format!("{:>12.*}", decimals, value * factor))
            })
            .collect();
        println!("{}", cells.join(" "));
    }
    Ok(())
}

fn benchmark(server: &Server) -> Outcome<String> {
    let environment = server.call("env.get", &json!({"id": "demo"}))?;
    let api = &environment["targets"]["api"];
    let base = api["url"].as_str().ok_or("the demo has no API")?.trim_end_matches('/').to_owned();
    let path = api["probe_path"].as_str().unwrap_or("/");
    let spec = json!({
        "url": format!("{base}/{}", path.trim_start_matches('/')),
        "load": {"kind": "closed"}, "connections": 8, "duration_s": 5.0, "warmup_s": 1.0,
    });
    let mut frames = server.stream()?;
    let started = server.call("bench.start", &json!({"spec": spec, "environment_id": "demo", "name": "Demo tour"}))?;
    let mut line = Line::default();
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let frame = frames.next()?;
        let live = &frame["bench"];
        if let (Some(elapsed), Some(total)) = (live["elapsed_s"].as_f64(), live["total_s"].as_f64()) {
            let number = |key: &str| live[key].as_f64().unwrap_or(0.0);
            line.show(&format!(
                "{} {elapsed:>4.1} of {total:.0} s  {:>7.0} requests/s  p50 {:>6.2} ms  p99 {:>6.2} ms  {} errors",
                bar(elapsed / total),
                number("rate_per_s"),
                number("p50_ms"),
                number("p99_ms"),
                number("errors")
            ));
        }
        let jobs = frame["jobs"].as_array();
        let job = jobs.and_then(|jobs| jobs.iter().find(|job| job["id"] == started["id"]));
        if live["phase"] == "finished" || job.is_some_and(|job| job["state"] != "running") {
            break;
        }
    }
    line.end();
    let run_id = server.finish(&started, "Storing the run")?;
    let run = server.call("run.get", &json!({"id": run_id}))?;
    let ms = |key: &str| run["response_ms"][key].as_f64().unwrap_or(0.0);
    println!(
        "{} requests, {} errors, {:.0} per second; response p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        run["requests"],
        run["errors"],
        run["rate_per_s"].as_f64().unwrap_or(0.0),
        ms("p50"),
        ms("p90"),
        ms("p99"),
        ms("max")
    );
    Ok(run_id)
}
