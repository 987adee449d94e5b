//! What Perfdeck itself costs: CPU and memory of its whole process tree.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// CPU is told over this time: the kernel counts in hundredths of a second, which is too coarse for one second.
const WINDOW: Duration = Duration::from_secs(5);
/// Memory and the list of processes are read anew after this time; both cost more than the CPU counters.
const REFRESH: Duration = Duration::from_secs(5);

/// Measures this process and, on Linux, everything it started (a webview is made of several processes).
pub struct OwnCostMeter {
    /// CPU seconds used so far, at the times of the last calls.
    used: VecDeque<(Instant, f64)>,
    memory: Option<(Instant, f64)>,
    platform: platform::Meter,
}

impl Default for OwnCostMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnCostMeter {
    /// A meter; its first CPU figure is 0.
    pub fn new() -> Self {
        Self { used: VecDeque::new(), memory: None, platform: platform::Meter::new() }
    }

    /// CPU of the last five seconds as a fraction of one core, and memory in bytes (at most five seconds old). Call it
    /// about once a second.
    pub fn measure(&mut self) -> (f64, f64) {
        let now = Instant::now();
        let stale = self.memory.is_none_or(|(at, _)| now.duration_since(at) >= REFRESH);
        let (cpu_s, memory) = self.platform.read(stale);
        if let Some(bytes) = memory {
            self.memory = Some((now, bytes));
        }
        let total = self.used.back().map_or(0.0, |(_, s)| *s) + cpu_s;
        self.used.push_back((now, total));
        // One reading at or before the window's start stays, so that the window is always full.
        while self.used.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.used.pop_front();
        }
        let cpu = match self.used.front() {
            Some((then, before)) if now > *then => (total - before) / now.duration_since(*then).as_secs_f64(),
            _ => 0.0,
        };
        (cpu, self.memory.map_or(0.0, |(_, bytes)| bytes))
    }
}

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use portable as platform;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::fs;

    /// The kernel's clock ticks per second in `/proc`; 100 on every Linux that runs a desktop.
    const TICKS: f64 = 100.0;
    /// Processes of the tree at most.
    const MAX_PROCESSES: usize = 128;

    /// CPU time of one process, told apart from a later one with the same id by its start.
    #[derive(Clone, Copy, PartialEq)]
    struct Used {
        started: f64,
        cpu_s: f64,
    }

    pub(super) struct Meter {
        ids: Vec<u32>,
        used: HashMap<u32, Used>,
    }

    impl Meter {
        pub(super) fn new() -> Self {
            Self { ids: Vec::new(), used: HashMap::new() }
        }

        /// CPU seconds of the tree since the last call, and its memory when asked for.
        pub(super) fn read(&mut self, refresh: bool) -> (f64, Option<f64>) {
            if refresh {
                self.ids = tree();
            }
            let before = std::mem::take(&mut self.used);
            let mut spent = 0.0;
            for &id in &self.ids {
                let Some(now) = used(id) else { continue };
                // Time from before a process was first seen is not counted: it is not of this interval.
                if let Some(then) = before.get(&id).filter(|then| then.started == now.started) {
                    spent += (now.cpu_s - then.cpu_s).max(0.0);
                }
                self.used.insert(id, now);
            }
            (spent, refresh.then(|| self.ids.iter().filter_map(|id| memory_bytes(*id)).sum()))
        }
    }

    /// This process and all below it.
    pub(super) fn tree() -> Vec<u32> {
        let mut ids = vec![std::process::id()];
        let mut next = 0;
        while next < ids.len() && ids.len() < MAX_PROCESSES {
            let id = ids[next];
            next += 1;
            // Each thread has its own list of children.
            let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { continue };
            for thread in threads.flatten() {
                if let Ok(text) = fs::read_to_string(thread.path().join("children")) {
                    ids.extend(text.split_whitespace().filter_map(|t| t.parse::<u32>().ok()));
                }
            }
        }
        ids
    }

    fn used(id: u32) -> Option<Used> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The command's name may hold spaces and brackets; fields are counted after its last bracket.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
        Some(Used { started: number(19)?, cpu_s: (number(11)? + number(12)?) / TICKS })
    }

    fn memory_bytes(id: u32) -> Option<f64> {
        let kib = |text: &str, name: &str| -> Option<f64> {
            text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok();
        let pss = rollup.as_deref().and_then(|t| kib(t, "Pss:"));
        let value = pss.or_else(|| kib(&fs::read_to_string(format!("/proc/{id}/status")).ok()?, "VmRSS:"))?;
        Some(value * 1024.0)
    }
}

/// Other systems. Also compiled for Linux's tests, so that it cannot rot unseen.
#[cfg(any(not(target_os = "linux"), test))]
mod portable {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    pub(super) struct Meter {
        system: Option<System>,
        at: Option<std::time::Instant>,
    }

    impl Meter {
        pub(super) fn new() -> Self {
            Self { system: System::new().ok(), at: None }
        }

        /// CPU seconds of this process since the last call, and its memory.
        pub(super) fn read(&mut self, _refresh: bool) -> (f64, Option<f64>) {
            let Some(system) = &mut self.system else { return (0.0, None) };
            let id = Pid::from_u32(std::process::id());
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, what);
            let now = std::time::Instant::now();
            let elapsed = self.at.replace(now).map_or(0.0, |then| now.duration_since(then).as_secs_f64());
            let Some(process) = system.process(id) else { return (0.0, None) };
            let memory = process.memory() as f64;
            (f64::from(process.cpu_usage()) / 100.0 * elapsed, Some(memory))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_of_this_process_are_seen() {
        let mut meter = OwnCostMeter::new();
        let (idle, memory) = meter.measure();
        assert!(idle == 0.0, "the first call has nothing to compare with");
        assert!(memory > 1e6 && memory < 1e11, "a test binary needs some megabytes: {memory}");
        let started = Instant::now();
        let mut n = 0u64;
        while started.elapsed() < Duration::from_millis(150) {
            n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(1));
        }
        let (busy, _) = meter.measure();
        // Other tests of this binary run at the same time, on as many cores as there are.
        assert!(busy > 0.05 && busy < 1000.0, "a loop keeps a core busy: {busy}");
    }

    #[test]
    fn the_portable_meter_sees_this_process_too() {
        let mut meter = portable::Meter::new();
        let (spent, memory) = meter.read(true);
        assert!(spent == 0.0, "nothing to compare with yet");
        assert!(memory.is_some_and(|m| m > 1e6), "memory of this process: {memory:?}");
        assert!(meter.read(true).0 >= 0.0, "CPU time only grows");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn children_are_counted() {
        let alone = OwnCostMeter::new().measure().1;
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep is everywhere");
        let ids = platform::tree();
        let found = ids.contains(&child.id());
        child.kill().expect("own child");
        child.wait().expect("own child");
        assert!(found, "a child is part of the tree");
        assert!(alone > 0.0, "memory is told");
    }
}
