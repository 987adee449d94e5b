//! Linux: `/proc`, read from files that stay open.
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::Reading;

/// Bytes of a sector in `/proc/diskstats`, whatever the device's own is.
const SECTOR: f64 = 512.0;
/// Longest text that is read; machines with hundreds of disks stay below it.
const LIMIT: usize = 1 << 20;
/// How often disks and interfaces are looked up anew.
const DEVICES: Duration = Duration::from_secs(30);

/// A file of `/proc`, read again and again from its start.
struct ProcFile(Option<File>);

impl ProcFile {
    fn open(path: &str) -> Self {
        Self(File::open(path).ok())
    }

    /// The file's present text in `buffer`; `None` when it cannot be read. Stops early after `enough` bytes.
    fn read<'a>(&self, buffer: &'a mut Vec<u8>, enough: usize) -> Option<&'a str> {
        let file = self.0.as_ref()?;
        let mut len = 0;
        loop {
            if buffer.len() - len < 4096 {
                buffer.resize(len + 16_384, 0);
            }
            let n = file.read_at(&mut buffer[len..], len as u64).ok()?;
            len += n;
            if n == 0 || len >= enough || len >= LIMIT {
                break;
            }
        }
        let text = &buffer[..len];
        // A cut in the middle of a character cannot happen in ASCII; anything else is not what it should be.
        std::str::from_utf8(text).ok()
    }
}

/// Reads this machine's counters.
pub(super) struct Source {
    stat: ProcFile,
    meminfo: ProcFile,
    diskstats: ProcFile,
    net: ProcFile,
    loadavg: ProcFile,
    buffer: Vec<u8>,
    disks: Vec<String>,
    interfaces: Vec<String>,
    looked: Option<Instant>,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            stat: ProcFile::open("/proc/stat"),
            meminfo: ProcFile::open("/proc/meminfo"),
            diskstats: ProcFile::open("/proc/diskstats"),
            net: ProcFile::open("/proc/net/dev"),
            loadavg: ProcFile::open("/proc/loadavg"),
            buffer: Vec::new(),
            disks: Vec::new(),
            interfaces: Vec::new(),
            looked: None,
        }
    }

    pub(super) fn read(&mut self) -> Reading {
        if self.looked.is_none_or(|at| at.elapsed() >= DEVICES) {
            // What has a device below it is physical: no partitions, loops, RAM disks or mappings on top of disks, no
            // bridges, tunnels or container ends, whose bytes would be counted twice.
            self.disks = devices("/sys/block");
            self.interfaces = devices("/sys/class/net");
            self.looked = Some(Instant::now());
        }
        let mut reading = Reading::default();
        let buffer = &mut self.buffer;
        if let Some((modes, total)) = self.stat.read(buffer, 256).and_then(cpu) {
            reading.cpu = modes;
            reading.cpu_total = total;
        }
        if let Some((used, total)) = self.meminfo.read(buffer, 256).and_then(memory) {
            reading.memory_used = Some(used);
            reading.memory_total = Some(total);
        }
        reading.disk = self.diskstats.read(buffer, LIMIT).map(|text| disk(text, &self.disks));
        reading.network = self.net.read(buffer, LIMIT).map(|text| network(text, &self.interfaces));
        reading.load = self.loadavg.read(buffer, 1).and_then(|text| text.split(' ').next()?.parse().ok());
        reading
    }
}

/// Names in a folder of `/sys` that have a device.
fn devices(folder: &str) -> Vec<String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.path().join("device").exists())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// CPU time by mode and of all modes, in ticks.
fn cpu(text: &str) -> Option<(Vec<(&'static str, f64)>, f64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<f64> = line.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let at = |i: usize| fields.get(i).copied().unwrap_or(0.0);
    // user nice system idle iowait irq softirq steal; what follows, guest time, is in user already. Stolen time is
    // neither the machine's nor idle: it is only in the sum.
    let modes = vec![("user", at(0) + at(1)), ("system", at(2) + at(5) + at(6)), ("iowait", at(4))];
    Some((modes, fields.iter().take(8).sum()))
}

/// Bytes in use and in total.
fn memory(text: &str) -> Option<(f64, f64)> {
    let kib = |name: &str| -> Option<f64> {
        text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let total = kib("MemTotal:")?;
    Some(((total - kib("MemAvailable:")?) * 1024.0, total * 1024.0))
}

/// Bytes read and written on these disks.
fn disk(text: &str, disks: &[String]) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for line in text.lines() {
        let mut fields = line.split_whitespace().skip(2);
        if !fields.next().is_some_and(|name| disks.iter().any(|d| d == name)) {
            continue;
        }
        // After the name: reads, merged, sectors read, ms, writes, merged, sectors written.
        let mut sectors = |skip: usize| fields.nth(skip).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0) * SECTOR;
        sum.0 += sectors(2);
        sum.1 += sectors(3);
    }
    sum
}

/// Bytes received and transmitted on these interfaces; on all but loopback when there is none of them, as in a
/// container.
fn network(text: &str, interfaces: &[String]) -> (f64, f64) {
    let rows: Vec<(&str, f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let mut fields = rest.split_whitespace();
            Some((name.trim(), fields.next()?.parse().ok()?, fields.nth(7)?.parse().ok()?))
        })
        .filter(|(name, _, _)| *name != "lo")
        .collect();
    let physical = rows.iter().any(|(name, _, _)| interfaces.iter().any(|i| i == name));
    rows.iter()
        .filter(|(name, _, _)| !physical || interfaces.iter().any(|i| i == name))
        .fold((0.0, 0.0), |(r, t), (_, received, transmitted)| (r + received, t + transmitted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_understood() {
        let (modes, total) = cpu("cpu  10 5 20 100 7 1 2 3 4 0\ncpu0 1 1 1 1").expect("the line of all processors");
        assert_eq!(modes, vec![("user", 15.0), ("system", 23.0), ("iowait", 7.0)], "stolen time is no mode");
        assert!((total - 148.0).abs() < 1e-9, "guest time is not counted twice");
        assert_eq!(
            memory("MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable: 40 kB\n"),
            Some((60.0 * 1024.0, 100.0 * 1024.0)),
            "what is available is not in use"
        );
        let text = "8 0 sda 1 0 100 0 1 0 50 0 0 0 0\n8 1 sda1 1 0 99 0 1 0 9 0 0 0 0\n7 0 loop0 1 0 9 0 1 0 9 0 0 0 0";
        assert_eq!(disk(text, &["sda".into()]), (51_200.0, 25_600.0), "partitions are not counted twice");
        let text = "Inter-| Receive\n  lo: 5 0 0 0 0 0 0 0 5 0\n eth0:7 0 0 0 0 0 0 0 9 0\nveth1: 1 0 0 0 0 0 0 0 2 0";
        assert_eq!(network(text, &["eth0".into()]), (7.0, 9.0), "loopback and virtual ends are left out");
        assert_eq!(network(text, &[]), (8.0, 11.0), "where nothing is physical, all but loopback");
    }

    #[test]
    fn nonsense_is_no_reading() {
        assert!(cpu("").is_none() && cpu("intr 1 2").is_none(), "no CPU line");
        assert!(memory("MemTotal: x kB").is_none(), "no number");
        assert_eq!(disk("8 0 sda", &["sda".into()]), (0.0, 0.0), "a short line");
        assert_eq!(network("eth0: 1 2", &[]), (0.0, 0.0), "a short line");
    }

    #[test]
    fn reading_is_cheap() {
        let mut source = Source::new();
        source.read();
        let started = Instant::now();
        for _ in 0..100 {
            source.read();
        }
        let each = started.elapsed() / 100;
        assert!(each < Duration::from_millis(2), "0.2 % of a second at most: {each:?}");
    }
}
