//! `cargo xtask bench AREA`: medians of several runs, with the machine and the budget named.
mod advisor;
mod data;
mod database;
mod frames;
mod lists;
mod load;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::desktop::{Desktop, Kept};
use crate::process::{cargo, find, run};
use crate::run::{PROGRAMS, binary, build};
use crate::setup::{self, Need};
use crate::{Failure, Options, Outcome, root, ui};

/// Runs of each measurement; the median is reported with the smallest and largest.
const RUNS: usize = 7;

/// Measures one area.
pub(crate) fn bench(options: &Options) -> Outcome {
    let area = options.rest.first().map(String::as_str);
    let Some(
        area @ ("startup" | "monitor" | "ui" | "ui-load" | "ui-lists" | "http" | "pacing" | "sql" | "database"
        | "cache-load" | "cache-aside" | "cache-map" | "cache-take" | "advisor"),
    ) = area
    else {
        return Err(Failure::with_code(
            2,
            "name an area: startup, monitor, ui, ui-load, ui-lists, http, pacing, sql, database, cache-load, cache-aside, cache-map, cache-take or advisor",
        ));
    };
    // They need neither a window nor the programs.
    if let "advisor" | "cache-aside" | "cache-map" | "cache-take" = area {
        setup::packages(&[Need::Build, Need::Tests], options)?;
        return match area {
            "advisor" => advisor::advisor(options),
            "cache-aside" => cache_aside(),
            "cache-take" => {
                let mut bench = crate::process::cargo();
                crate::process::run(bench.args(["bench", "--workspace", "--bench", "take"]))
            }
            _ => data::cache_map(options),
        };
    }
    let mut needs = vec![Need::Build, Need::Window, Need::Tests];
    if area == "http" {
        needs.push(Need::Peers);
    }
    setup::packages(&needs, options)?;
    setup::node()?;
    ui::build()?;
    build(PROGRAMS, true)?;
    println!("\nMachine: {}", setup::machine());
    println!("Build:   release, Perfdeck {}\n", env!("CARGO_PKG_VERSION"));
    match area {
        "startup" => startup(),
        "monitor" => monitor(),
        "ui" => window(),
        "ui-load" => frames::under_load(),
        "ui-lists" => lists::long(),
        "http" => load::http(&setup::oha(options)?),
        "sql" => data::sql(),
        "database" => database::database(),
        "cache-load" => data::cache(),
        _ => load::pacing(),
    }
}

/// The cache-aside library, in its own bench.
fn cache_aside() -> Outcome {
    println!("\nMachine: {}", setup::machine());
    run(cargo().args(["bench", "--workspace", "--bench", "aside"]))
}

/// Median, smallest and largest of a measurement, which is to stay at or below its budget.
fn report(name: &str, unit: &str, values: &mut [f64], budget: Option<f64>) {
    let verdict = |median: f64| {
        budget.map(|b| format!("  at most {b:.1} {unit}: {}", if median <= b { "held" } else { "MISSED" }))
    };
    line(name, unit, values, verdict);
}

/// The same of one that is to reach its budget.
fn at_least(name: &str, unit: &str, values: &mut [f64], budget: f64) {
    let verdict = |median: f64| {
        Some(format!("  at least {budget:.1} {unit}: {}", if median >= budget { "held" } else { "MISSED" }))
    };
    line(name, unit, values, verdict);
}

fn line(name: &str, unit: &str, values: &mut [f64], verdict: impl Fn(f64) -> Option<String>) {
    values.sort_by(f64::total_cmp);
    let Some((low, high)) = values.first().zip(values.last()) else {
        println!("{name}: no measurement succeeded");
        return;
    };
    let median = values[values.len() / 2];
    let verdict = verdict(median).unwrap_or_default();
    println!("{name:<46} median {median:>9.2} {unit}  ({low:.2} to {high:.2}, n = {}){verdict}", values.len());
}

fn home(name: &str) -> Outcome<PathBuf> {
    let folder = root().join("target/bench").join(name);
    std::fs::create_dir_all(&folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    Ok(folder)
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64() * 1e3)
}

/// When the page painted, showed the overview and had its first live value, in milliseconds since the Unix epoch.
/// The page's own marks are exact; without them it is the first look at which the thing was there.
const MARKS: &str = "
    const at = name => { const e = performance.getEntriesByName(name)[0]; return e ? performance.timeOrigin + e.startTime : null };
    const seen = (css, ok) => [...document.querySelectorAll(css)].some(ok) ? performance.timeOrigin + performance.now() : null;
    const m = window.__marks = window.__marks || {};
    m.paint = m.paint || at('first-contentful-paint');
    m.overview = m.overview || at('perfdeck:overview') || seen('[data-testid=overview-lanes]', e => e.getClientRects().length > 0);
    m.sample = m.sample || at('perfdeck:first-sample') || seen('[data-testid^=overview-lane-][data-testid$=-now]', e => /[0-9]/.test(e.innerText));
    return m.overview && m.sample ? m : null";

fn startup() -> Outcome {
    let home = home("startup")?;
    let desktop = Desktop::start(1440, 900, &home)?;
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    // The first start builds the demo data and fills the caches; it is not counted.
    for run in 0..=RUNS {
        let began = now_ms();
        let window = desktop.window(&binary("perfdeck", true), &["--demo"])?;
        let marks =
            window.session.wait_until("the overview with a live sample", Duration::from_secs(60), MARKS, &[])?;
        if run > 0 {
            for name in ["paint", "overview", "sample"] {
                if let Some(at) = marks[name].as_f64() {
                    figures.entry(name).or_default().push(at - began);
                }
            }
        }
    }
    println!("Start under Xvfb with the demo's data built, from the driver's launch of the program:");
    let mut show = |name: &str, label: &str, budget| {
        report(label, "ms", figures.get_mut(name).map_or(&mut [], Vec::as_mut_slice), budget);
    };
    show("paint", "first paint", None);
    show("overview", "first paint of the overview", Some(1_000.0));
    show("sample", "first live sample on it", Some(1_500.0));
    let size = std::fs::metadata(binary("perfdeck", true)).map_or(0, |data| data.len());
    report("size of the program", "MB", &mut [megabytes(size)], Some(30.0));
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// CPU seconds used so far and memory (PSS) in bytes, over a process and everything below it.
fn cost(pid: u32) -> (f64, f64) {
    let mut parents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut cpu: BTreeMap<u32, f64> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything, so fields are counted from behind it.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        parents.entry(number(1) as u32).or_default().push(pid);
        // USER_HZ is 100 on every Linux that matters.
        cpu.insert(pid, (number(11) + number(12)) / 100.0);
    }
    let (mut seconds, mut bytes) = (0.0, 0.0);
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        seconds += cpu.get(&pid).copied().unwrap_or(0.0);
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = pss.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0);
        bytes += kib * 1024.0;
        open.extend(parents.get(&pid).into_iter().flatten());
    }
    (seconds, bytes)
}

/// CPU seconds of the children of a process that have ended.
fn ended_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / 100.0
}

/// Measures a process tree over windows of five seconds.
fn watch(pid: u32, label: &str, cpu_budget: Option<f64>, memory_budget: f64) {
    // What happens at the start is not idling.
    std::thread::sleep(Duration::from_secs(8));
    let (mut cpu, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (before, began) = (cost(pid).0, Instant::now());
        std::thread::sleep(Duration::from_secs(5));
        let (after, bytes) = cost(pid);
        cpu.push((after - before) / began.elapsed().as_secs_f64() * 100.0);
        memory.push(bytes / 1e6);
    }
    report(&format!("{label}: CPU"), "% of a core", &mut cpu, cpu_budget);
    report(&format!("{label}: memory (PSS)"), "MB", &mut memory, Some(memory_budget));
}

/// A Redis of its own on a free port, without persistence, ended with this process's handle.
fn redis(home: &Path) -> Outcome<(Kept, u16)> {
    let server = find("redis-server").ok_or("redis-server is missing: apt-get install redis-server")?;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    let port = free.map_err(|error| format!("no port: {error}"))?.port();
    let mut command = Command::new(server);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.current_dir(home).stdout(Stdio::null()).stderr(Stdio::null());
    Ok((Kept::spawn(command)?, port))
}

fn monitor() -> Outcome {
    let home = home("monitor")?;
    let perfctl = |args: &[&str]| {
        let mut command = load::command(&home);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let (_redis, port) = redis(&home)?;
    let api = format!("http://127.0.0.1:{}/", load::target()?);
    let cache = format!("redis://127.0.0.1:{port}");
    let file = home.join("app.db");
    std::fs::write(&file, []).map_err(|error| format!("writing {}: {error}", file.display()))?;
    let database = format!("sqlite:{}", file.display());
    let add = ["env", "add", "bench", "--host", "local", "--api", &api, "--cache", &cache, "--database", &database];
    // The environment of an earlier run has other ports.
    let _ = perfctl(&["env", "remove", "bench"]).status();
    if !perfctl(&add).status().is_ok_and(|status| status.success()) {
        return Err("perfctl env add failed".into());
    }
    println!("`perfctl monitor`, one sample a second of host, API, Redis and a SQLite file:");
    let kept = Kept::spawn(perfctl(&["monitor", "--env", "bench", "--for", "120s", "--json"]))?;
    watch(kept.pid(), "engine alone", Some(1.0), 60.0);
    drop(kept);
    println!("The same on the demo, whose API, database and traffic run in the same process:");
    let kept = Kept::spawn(perfctl(&["monitor", "--env", "demo", "--for", "120s", "--json"]))?;
    watch(kept.pid(), "engine with the demo's own servers", None, 60.0);
    Ok(())
}

fn window() -> Outcome {
    let home = home("ui")?;
    let desktop = Desktop::start(1440, 900, &home)?;
    let window = desktop.window(&binary("perfdeck", true), &["--demo"])?;
    window.session.wait_until("the overview with a live sample", Duration::from_secs(60), MARKS, &[])?;
    let pid = window.app_pid()?;
    println!("The window on the demo's overview, 1440 x 900 under Xvfb, software rendering:");
    watch(pid, "idle overview, whole process tree", Some(8.0), 280.0);
    let gaps = frames::gaps(&window)?;
    if let Some(worst) = gaps.last() {
        let late = gaps[gaps.len() * 99 / 100];
        println!("frames on the live overview: {} in 5 s, gap p99 {late:.1} ms, worst {worst:.1} ms", gaps.len() + 1);
    }
    Ok(())
}
