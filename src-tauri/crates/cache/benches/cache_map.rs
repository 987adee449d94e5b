//! `cargo xtask bench cache-map`: how quick a map of a cache is, what it costs others, and how often its error bars are right, on private
//! servers.
#![allow(clippy::print_stdout, reason = "a bench tells what it measured")]
#![forbid(unsafe_code)]
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_cache::{MapAsked, MapRun, MapWanted};
use perfdeck_model::{Address, CacheTarget, MapDetail};
use perfdeck_testkit::Redis;
use redis::aio::MultiplexedConnection;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

/// Runs of each measurement; the median is reported.
const RUNS: usize = 5;
/// Names of namespaces, and their shares of the keys.
const SPACES: [(&str, u64); 4] = [("session", 40), ("user", 30), ("cart", 20), ("catalogue", 10)];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    // Cargo passes `--bench` to benches.
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", url] => child(url).await,
        ["speed"] => speed().await,
        ["large"] => large().await,
        ["bars"] => bars().await,
        ["blocks"] => blocks().await,
        [] => {
            speed().await?;
            bars().await?;
            blocks().await?;
            large().await
        }
        _ => Err("the parts are speed, bars, blocks and large".into()),
    }
}

fn target(url: &str) -> Outcome<CacheTarget> {
    let (address, _) = Address::parse(url).map_err(|error| error.to_string())?;
    Ok(CacheTarget::of(address))
}

async fn mapped(url: &str, detail: MapDetail, seed: u64) -> Outcome<Arc<MapRun>> {
    let run = MapRun::new(MapWanted { detail, seed, ..MapWanted::default() }, "bench".into(), 0.0);
    run.scan(&target(url)?, None).await?;
    Ok(run)
}

async fn connection(server: &Redis) -> Outcome<MultiplexedConnection> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(redis::Client::open(server.url())?.get_multiplexed_async_connection_with_config(&config).await?)
}

/// A server with so many keys.
async fn filled(keys: u64) -> Outcome<Redis> {
    let server = Redis::start_with(&["--enable-debug-command", "yes"]).await?;
    let mut connection = connection(&server).await?;
    for (name, share) in SPACES {
        redis::cmd("DEBUG")
            .arg("POPULATE")
            .arg(keys * share / 100)
            .arg(name)
            .arg(32)
            .exec_async(&mut connection)
            .await?;
    }
    Ok(server)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn told(name: &str, values: &mut [f64], unit: &str, most: f64) {
    let middle = median(values);
    let verdict = if middle <= most { "held" } else { "MISSED" };
    let (low, high) = (values[0], values[values.len() - 1]);
    println!(
        "{name:<52} median {middle:>8.3} {unit}  ({low:.3} to {high:.3}, n = {})  at most {most} {unit}: {verdict}",
        values.len()
    );
}

async fn speed() -> Outcome {
    let server = filled(1_000_000).await?;
    let (mut names, mut full, mut peer, mut ratio) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let map = mapped(&server.url(), MapDetail::Names, 1).await?.map();
        names.push(began.elapsed().as_secs_f64());
        if !map.exact || (map.keys_read - 1e6).abs() > 0.5 {
            return Err(format!("not all keys were counted: {}", map.keys_read).into());
        }
    }
    for _ in 0..3 {
        let began = Instant::now();
        mapped(&server.url(), MapDetail::Exact, 1).await?;
        let ours = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let mut cli = Command::new("redis-cli");
        let port = server.port().to_string();
        let status = cli.args(["-p", &port, "--memkeys"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if !status.success() {
            return Err("redis-cli --memkeys failed".into());
        }
        let theirs = began.elapsed().as_secs_f64();
        full.push(ours);
        peer.push(theirs);
        ratio.push(ours / theirs);
    }
    told("names of 1,000,000 keys", &mut names, "s", 2.0);
    println!("type, expiry and memory of 1,000,000 keys            median {:>8.3} s", median(&mut full));
    println!("redis-cli --memkeys on the same server               median {:>8.3} s", median(&mut peer));
    told("the one to the other, alternating", &mut ratio, "x", 1.0 / 3.0);
    paced(&server).await
}

/// Milliseconds of round trips, one every 2 ms, until the time is over or something is done; the 99th percentile.
async fn pings(server: &Redis, time: Duration, done: impl Fn() -> bool) -> Outcome<f64> {
    let mut connection = connection(server).await?;
    let (began, mut all) = (Instant::now(), Vec::new());
    while began.elapsed() < time && !(done() && all.len() >= 100) {
        let one = Instant::now();
        redis::cmd("PING").exec_async(&mut connection).await?;
        all.push(one.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() * 99 / 100])
}

async fn paced(server: &Redis) -> Outcome {
    let (mut added, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let before = pings(server, Duration::from_secs(5), || false).await?;
        let run = MapRun::new(MapWanted { paced: true, ..MapWanted::default() }, "bench".into(), 0.0);
        let (scan, target) = (run.clone(), target(&server.url())?);
        let task = tokio::spawn(async move { scan.scan(&target, None).await });
        let during = pings(server, Duration::from_secs(8), || task.is_finished()).await?;
        let map = run.map();
        added.push((during - before).max(0.0));
        cpu.push(map.pace.cpu_share.unwrap_or(f64::NAN));
        println!(
            "paced: {:.0} keys in {:.1} s, halved {} times, round trips p99 {before:.2} ms before, {during:.2} ms during",
            map.keys_read, map.duration_s, map.pace.halved
        );
        run.stop();
        task.await??;
    }
    told("added p99 of a round trip, with a pace", &mut added, "ms", 3.0);
    println!("share of a core at the end, with a pace              median {:>8.3}", median(&mut cpu));
    usual().await
}

/// A map as it is by default of a key space as small services have it: 31,280 keys.
async fn usual() -> Outcome {
    let server = filled(31_280).await?;
    let mut took = Vec::new();
    for seed in 0..RUNS as u64 {
        let run = MapRun::new(MapWanted { paced: true, seed, ..MapWanted::default() }, "bench".into(), 0.0);
        let began = Instant::now();
        run.scan(&target(&server.url())?, None).await?;
        took.push(began.elapsed().as_secs_f64());
        let map = run.map();
        println!("by default: {} of {} keys asked, halved {} times", map.sampled, map.keys_read, map.pace.halved);
    }
    told("map of 31,280 keys by default, with a pace", &mut took, "s", 3.0);
    Ok(())
}

/// Commands of ours that kept a server from others for more than 5 ms, with a string of 512 MB and a hash of a million fields in it.
async fn blocks() -> Outcome {
    let server = Redis::start_with(&["--slowlog-log-slower-than", "5000"]).await?;
    let mut connection = connection(&server).await?;
    redis::cmd("SETRANGE").arg("large").arg(536_870_911).arg("x").exec_async(&mut connection).await?;
    let fill = "for i = 1, 1000000 do redis.call('HSET', 'huge', 'field:' .. i, 'v') end";
    redis::cmd("EVAL").arg(fill).arg(0).exec_async(&mut connection).await?;
    redis::cmd("SLOWLOG").arg("RESET").exec_async(&mut connection).await?;
    let address = target(&server.url())?;
    for _ in 0..RUNS {
        mapped(&server.url(), MapDetail::Exact, 1).await?;
        for name in ["large", "huge"] {
            perfdeck_cache::values::key(&address, None, name.as_bytes()).await?;
            perfdeck_cache::values::value(&address, None, name.as_bytes(), None, None).await?;
        }
    }
    let slow: Vec<redis::Value> = redis::cmd("SLOWLOG").arg("GET").arg(100).query_async(&mut connection).await?;
    let verdict = if slow.is_empty() { "held" } else { "MISSED" };
    println!(
        "commands of more than 5 ms on a string of 512 MB and a hash of a million fields: {}  none: {verdict}",
        slow.len()
    );
    Ok(())
}

/// How often the bytes of each namespace are inside their bars.
async fn bars() -> Outcome {
    let server = Redis::start().await?;
    let mut connection = connection(&server).await?;
    let mut draw = 1_u64;
    for chunk in 0..100 {
        let mut pipe = redis::pipe();
        for i in chunk * 2_000..(chunk + 1) * 2_000_u64 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (name, _) = SPACES[(draw >> 60) as usize % SPACES.len()];
            pipe.cmd("SET").arg(format!("{name}:{i}")).arg(vec![b'v'; (draw >> 40) as usize % 2_000]).ignore();
        }
        pipe.exec_async(&mut connection).await?;
    }
    let top =
        |run: &MapRun| run.page(&MapAsked { most: 10, depth: 1, ..MapAsked::default() }).map(|page| page.namespaces);
    let truth: Vec<(String, f64)> = top(&*mapped(&server.url(), MapDetail::Exact, 1).await?)?
        .into_iter()
        .map(|n| (n.name.clone(), n.bytes.map_or(0.0, perfdeck_model::MapCount::value)))
        .collect();
    let mut inside = vec![0; truth.len()];
    let mut widest = 0.0_f64;
    for seed in 0..100 {
        let found = top(&*mapped(&server.url(), MapDetail::Sampled, seed).await?)?;
        for (place, (name, bytes)) in truth.iter().enumerate() {
            let bounds =
                found.iter().find(|n| n.name == *name).and_then(|n| n.bytes).map(perfdeck_model::MapCount::bounds);
            inside[place] +=
                i32::from(bounds.is_some_and(|(low, high)| low <= *bytes && high.is_some_and(|high| *bytes <= high)));
            let of = found.iter().find(|n| n.name == *name).ok_or("a namespace is missing")?;
            // The spread of evenly drawn sizes from 0 to 2,000, with the correction for a finite population.
            let (keys, sampled) = (of.keys.value(), of.sampled);
            let formula = 1.96 * keys * 2_000.0 / 12_f64.sqrt() / sampled.sqrt() * (1.0 - sampled / keys).sqrt();
            if let Some((low, Some(high))) = bounds {
                widest = widest.max((high - low) / 2.0 / formula);
            }
        }
    }
    for ((name, _), inside) in truth.iter().zip(inside) {
        let verdict = if inside >= 89 { "held" } else { "MISSED" };
        println!("{name:<20} bytes inside the bars for {inside} of 100 seeds  at least 89: {verdict}");
    }
    let verdict = if widest <= 1.2 { "held" } else { "MISSED" };
    println!("widest bar is {widest:.2} times the formula's  at most 1.2: {verdict}");
    Ok(())
}

/// Maps by itself, so that the memory is its own.
async fn child(url: &str) -> Outcome {
    let run = MapRun::new(MapWanted { detail: MapDetail::Sampled, ..MapWanted::default() }, "bench".into(), 0.0);
    let (scan, target) = (run.clone(), target(url)?);
    let began = Instant::now();
    let task = tokio::spawn(async move { scan.scan(&target, None).await });
    while run.map().keys_read < 1_000.0 && !task.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let first = began.elapsed().as_secs_f64();
    task.await??;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    println!("{first} {} {} {}", began.elapsed().as_secs_f64(), peak.unwrap_or(f64::NAN) / 1024.0, run.map().keys_read);
    Ok(())
}

async fn large() -> Outcome {
    let server = filled(10_000_000).await?;
    let output = Command::new(std::env::current_exe()?).args(["child", &server.url()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, whole, peak, keys] = figures[..] else { return Err(format!("the child said: {text}").into()) };
    told("first map of 10,000,000 keys", &mut [first], "s", 1.0);
    told("memory of the process at most", &mut [peak], "MiB", 80.0);
    println!("{keys:.0} keys in {whole:.1} s, a share asked for type, expiry and memory");
    Ok(())
}
