//! This machine: CPU by mode, memory, disk, network, load. `/proc` on Linux, sysinfo elsewhere and for static facts.
use std::collections::BTreeMap;

use perfdeck_model::{ApiError, BoxFuture, Clock, Collection, Collector, Machine, SeriesInfo, TargetRole, Unit};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

#[cfg(target_os = "linux")]
use linux::Source;
#[cfg(not(target_os = "linux"))]
use portable::Source;

/// Rates over a longer time, as after the machine slept, are left out: they would be an average shown as one second.
const MAX_INTERVAL_S: f64 = 5.0;

/// Facts about this machine for runs and reports; what the system does not tell is empty or zero.
pub fn machine(version: &str) -> Machine {
    let what =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    // A platform that sysinfo does not know has no facts; the run says so by leaving them empty.
    let system = System::new_with_specifics(what).ok();
    let memory_bytes = system.as_ref().map_or(0.0, |s| s.total_memory() as f64);
    let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
    Machine {
        os: System::long_os_version().ok().unwrap_or_else(|| std::env::consts::OS.to_owned()),
        cpu: cpus.first().map(|c| c.brand().trim().to_owned()).unwrap_or_default(),
        cores: u32::try_from(cpus.len()).unwrap_or(0),
        memory_bytes,
        perfdeck: version.to_owned(),
    }
}

/// Counters and gauges of one moment. What could not be read is `None` and becomes a gap.
#[derive(Debug, Default, Clone, PartialEq)]
struct Reading {
    /// CPU time by mode since the start of the machine, in any unit.
    cpu: Vec<(&'static str, f64)>,
    /// CPU time of all modes, idle too, in the same unit.
    cpu_total: f64,
    /// Bytes in use: total less available.
    memory_used: Option<f64>,
    memory_total: Option<f64>,
    /// Bytes read and written since the start of the machine.
    disk: Option<(f64, f64)>,
    /// Bytes received and transmitted since the start of the machine.
    network: Option<(f64, f64)>,
    /// Load average of one minute.
    load: Option<f64>,
}

/// Measures this machine.
pub struct HostCollector {
    source: Source,
    cores: f64,
    detail: String,
    version: String,
    last: Option<(f64, Reading)>,
}

impl Default for HostCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl HostCollector {
    /// A collector of this machine.
    pub fn new() -> Self {
        let facts = machine("");
        let gib = facts.memory_bytes / 1_073_741_824.0;
        Self {
            source: Source::new(),
            cores: f64::from(facts.cores),
            detail: format!("{} vCPU, {gib:.1} GiB", facts.cores),
            version: facts.os,
            last: None,
        }
    }

    /// What `now` says, with the rates since the previous reading.
    fn measure(&mut self, now_ms: f64, now: Reading) -> Collection {
        let mut out = Collection {
            version: Some(self.version.clone()),
            detail: Some(self.detail.clone()),
            limits: BTreeMap::from([("cpus".to_owned(), self.cores)]),
            ..Collection::default()
        };
        if let Some(total) = now.memory_total {
            out.limits.insert("memory_total".to_owned(), total);
        }
        let mut add = |metric: &str, attributes: &[(&str, &str)], unit: Unit, value: f64| {
            out.values.push((SeriesInfo::new(metric, attributes, unit, TargetRole::Host), value));
        };
        if let Some(used) = now.memory_used {
            add("system.memory.usage", &[], Unit::Bytes, used);
        }
        if let Some(load) = now.load {
            add("system.linux.load", &[("period", "1m")], Unit::Count, load);
        }
        if let Some((then_ms, then)) = self.last.take() {
            let seconds = (now_ms - then_ms) / 1e3;
            if seconds > 0.0 && seconds <= MAX_INTERVAL_S {
                let total = now.cpu_total - then.cpu_total;
                for ((mode, value), (_, earlier)) in now.cpu.iter().zip(&then.cpu).filter(|_| total > 0.0) {
                    // The kernel may take back a little of the time it had counted as waiting.
                    let share = ((value - earlier) / total).clamp(0.0, 1.0);
                    add("system.cpu.utilization", &[("cpu.mode", mode)], Unit::Ratio, share);
                }
                let mut rates = |metric: &str, key: &str, words: [&str; 2], now, then| {
                    let Some(((a, b), (a0, b0))) = Option::zip(now, then) else { return };
                    let pairs: [(f64, f64); 2] = [(a, a0), (b, b0)];
                    for (word, (now, then)) in words.into_iter().zip(pairs) {
                        // A counter that went back was reset, as when a device was removed; that second has no rate.
                        if now >= then {
                            add(metric, &[(key, word)], Unit::BytesPerSecond, (now - then) / seconds);
                        }
                    }
                };
                rates("system.disk.io", "disk.io.direction", ["read", "write"], now.disk, then.disk);
                let words = ["receive", "transmit"];
                rates("system.network.io", "network.io.direction", words, now.network, then.network);
            }
        }
        self.last = Some((now_ms, now));
        out
    }
}

impl Collector for HostCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Host
    }

    fn address(&self) -> String {
        "this machine".to_owned()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        // Reading the system's counters takes well under a millisecond and waits for nothing.
        let reading = self.source.read();
        let collection = self.measure(clock.monotonic_ms(), reading);
        Box::pin(std::future::ready(Ok(collection)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(c: &Collection, id: &str) -> Option<f64> {
        c.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
    }

    fn reading(cpu: [f64; 3], total: f64, bytes: f64) -> Reading {
        Reading {
            cpu: vec![("user", cpu[0]), ("system", cpu[1]), ("iowait", cpu[2])],
            cpu_total: total,
            memory_used: Some(5.0),
            memory_total: Some(9.0),
            disk: Some((bytes, 2.0 * bytes)),
            network: Some((bytes, bytes)),
            load: Some(0.5),
        }
    }

    #[test]
    fn rates_need_two_readings_and_survive_resets_and_sleep() {
        let mut host = HostCollector::new();
        let first = host.measure(1000.0, reading([10.0, 5.0, 1.0], 100.0, 1000.0));
        assert!(value(&first, "system.memory.usage") == Some(5.0), "gauges are there at once");
        assert!(!first.values.iter().any(|(s, _)| s.metric == "system.disk.io"), "one reading makes no rate");
        let second = host.measure(3000.0, reading([60.0, 15.0, 0.0], 300.0, 5000.0));
        assert_eq!(value(&second, "system.cpu.utilization{cpu.mode=user}"), Some(0.25), "50 of 200");
        assert_eq!(value(&second, "system.cpu.utilization{cpu.mode=iowait}"), Some(0.0), "less is none");
        assert_eq!(value(&second, "system.disk.io{disk.io.direction=write}"), Some(4000.0), "8000 B over 2 s");
        let reset = host.measure(4000.0, reading([61.0, 15.0, 0.0], 400.0, 10.0));
        assert!(value(&reset, "system.network.io{network.io.direction=receive}").is_none(), "a reset is a gap");
        let slept = host.measure(3_600_000.0, reading([99.0, 15.0, 0.0], 500.0, 99_999.0));
        assert!(!slept.values.iter().any(|(s, _)| s.unit == Unit::BytesPerSecond), "an hour is not shown as a second");
        assert_eq!(slept.limits.get("memory_total"), Some(&9.0), "limits are told every time");
    }

    fn plausible(c: &Collection) {
        for (s, v) in &c.values {
            assert!(v.is_finite() && *v >= 0.0 && (s.unit != Unit::Ratio || *v <= 1.0), "{} = {v} is plausible", s.id);
        }
    }

    #[tokio::test]
    async fn this_machine_is_measured() {
        let mut host = HostCollector::new();
        let first = host.collect(&1000.0).await.expect("this machine answers");
        let total = first.limits["memory_total"];
        assert!(value(&first, "system.memory.usage").is_some_and(|used| used > 0.0 && used < total), "memory in use");
        assert!(first.limits.get("cpus").is_some_and(|c| *c >= 1.0), "processors are counted");
        let second = host.collect(&2000.0).await.expect("this machine answers");
        assert!(second.values.iter().any(|(s, _)| s.metric == "system.network.io"), "two readings make rates");
        plausible(&second);
    }

    #[test]
    fn the_portable_source_reads_this_machine_too() {
        let mut source = portable::Source::new();
        let mut host = HostCollector::new();
        host.measure(0.0, source.read());
        let second = host.measure(1000.0, source.read());
        assert!(value(&second, "system.cpu.utilization{cpu.mode=used}").is_some(), "CPU without modes");
        assert!(value(&second, "system.memory.usage").is_some_and(|v| v > 0.0), "memory");
        plausible(&second);
    }

    #[test]
    fn the_machine_is_described() {
        let m = machine("1.2.3");
        assert!(m.cores >= 1 && m.memory_bytes > 1e8 && !m.os.is_empty(), "{m:?} names what runs measure");
        assert_eq!(m.perfdeck, "1.2.3", "and the version that measured");
    }
}
