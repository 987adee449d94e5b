//! Other systems: sysinfo, without its process table. Also compiled for Linux's tests, so that it cannot rot unseen.
use sysinfo::{Disks, Networks, System};

use super::Reading;

/// Reads this machine's counters.
pub(super) struct Source {
    system: Option<System>,
    networks: Option<Networks>,
    disks: Option<Disks>,
    /// Sum of the shares so far, which makes a counter of them.
    cpu: f64,
    total: f64,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            system: System::new().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            disks: Disks::new_with_refreshed_list().ok(),
            cpu: 0.0,
            total: 0.0,
        }
    }

    pub(super) fn read(&mut self) -> Reading {
        let mut reading = Reading::default();
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            // sysinfo tells the share since the last refresh; added up it behaves like the counters of other systems.
            self.cpu += f64::from(system.global_cpu_usage()) / 100.0;
            self.total += 1.0;
            reading.cpu = vec![("used", self.cpu)];
            reading.cpu_total = self.total;
            reading.memory_used = Some(system.used_memory() as f64);
            reading.memory_total = Some(system.total_memory() as f64);
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            let physical = networks.iter().filter(|(name, _)| !name.to_string_lossy().starts_with("lo"));
            reading.network =
                Some(physical.fold((0.0, 0.0), |(r, t), (_, n)| {
                    (r + n.total_received() as f64, t + n.total_transmitted() as f64)
                }));
        }
        if let Some(disks) = &mut self.disks {
            disks.refresh(true);
            let mut seen: Vec<&std::ffi::OsStr> = Vec::new();
            let mut sum = (0.0, 0.0);
            for disk in disks.iter() {
                // A disk that is mounted twice is counted once.
                if !seen.contains(&disk.name()) {
                    seen.push(disk.name());
                    let usage = disk.usage();
                    sum = (sum.0 + usage.total_read_bytes as f64, sum.1 + usage.total_written_bytes as f64);
                }
            }
            reading.disk = Some(sum);
        }
        // Windows has no load average; sysinfo would make one up over time.
        if !cfg!(windows) {
            reading.load = System::load_average().ok().map(|l| l.one);
        }
        reading
    }
}
