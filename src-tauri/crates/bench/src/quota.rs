//! What a CPU quota takes from the load generator: the throttling of its cgroup, where there is one.
//!
//! A quota stops all threads of a cgroup for the rest of a period of usually 100 ms. Requests that wait for that look like
//! slow ones of the target. Only Linux tells; elsewhere nothing is known.
use std::path::{Path, PathBuf};

/// What was held back, since the cgroup was made or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Throttled {
    /// Time that processors were kept from the threads, summed over processors, in seconds.
    pub(crate) seconds: f64,
    /// Periods in which they were.
    pub(crate) periods: u64,
}

/// The statistics of the quotas that hold for this process.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    files: Vec<PathBuf>,
}

impl Quotas {
    /// Those of the cgroup of this process and of the groups above it.
    pub(crate) fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    /// The same, as the system's files below `root` tell it.
    fn below(root: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let files = statistics(&read("proc/self/cgroup"), &read("proc/self/mountinfo"));
        Self { files: files.iter().map(|file| root.join(file.strip_prefix("/").unwrap_or(file))).collect() }
    }

    /// What they held back until now; `None` where the system does not tell. A quota further up stops the groups below it
    /// too, and each counts its own, so the largest is taken.
    pub(crate) fn look(&self) -> Option<Throttled> {
        let told = self.files.iter().filter_map(|file| throttled(&std::fs::read_to_string(file).ok()?));
        told.max_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }
}

/// What was held back between two looks.
pub(crate) fn between(before: Option<Throttled>, after: Option<Throttled>) -> Option<Throttled> {
    let (before, after) = before.zip(after)?;
    Some(Throttled {
        seconds: (after.seconds - before.seconds).max(0.0),
        periods: after.periods.saturating_sub(before.periods),
    })
}

/// Reads a `cpu.stat`: `throttled_usec` of version 2, `throttled_time` in nanoseconds of version 1.
fn throttled(text: &str) -> Option<Throttled> {
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).and_then(|(_, value)| value.trim().parse::<u64>().ok())
    };
    let seconds =
        value("throttled_usec").map(|us| us as f64 / 1e6).or_else(|| value("throttled_time").map(|ns| ns as f64 / 1e9));
    Some(Throttled { seconds: seconds?, periods: value("nr_throttled")? })
}

/// `\040` and the like in a path of `mountinfo`.
fn unescaped(path: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .into_iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(path.to_owned(), |path, (code, plain)| path.replace(code, plain))
}

/// The `cpu.stat` files of the process's groups, in both versions, from the innermost up to each mount.
///
/// `cgroup` is `/proc/self/cgroup` (`ID:controllers:path`), `mountinfo` says where the hierarchies are. Inside a container
/// a mount may show a part of its hierarchy only; its root is what the path begins with then.
fn statistics(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let (mut place, mut kind) = (place.split(' ').skip(3), kind.split(' '));
        let (Some(root), Some(mount), Some(kind)) = (place.next(), place.next(), kind.next().zip(kind.nth(1))) else {
            continue;
        };
        let names_cpu = |list: &str| list.split(',').any(|name| name == "cpu");
        let version_2 = match kind {
            ("cgroup2", _) => true,
            ("cgroup", options) if names_cpu(options) => false,
            _ => continue,
        };
        let mine = cgroup.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let here = if version_2 { id == "0" && controllers.is_empty() } else { names_cpu(controllers) };
            here.then_some(path)
        });
        for path in mine {
            let (root, mount) = (unescaped(root), unescaped(mount));
            let within = if root == "/" { Some(path) } else { path.strip_prefix(root.as_str()) };
            // A path outside of what is mounted: the mount itself is the nearest that can be seen.
            let within = within.unwrap_or("").trim_start_matches('/');
            let within = if within.split('/').any(|part| part == "..") { "" } else { within };
            let mut group = Path::new(&mount).join(within);
            loop {
                files.push(group.join("cpu.stat"));
                if group == Path::new(&mount) || !group.pop() {
                    break;
                }
            }
        }
    }
    files
}

#[cfg(test)]
#[path = "quota_wiring.rs"]
mod wiring;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cgroup: &str, mountinfo: &str) -> Vec<String> {
        statistics(cgroup, mountinfo).iter().map(|p| p.display().to_string()).collect()
    }

    #[test]
    fn the_groups_of_both_versions_are_found() {
        let two = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            names("0::/user.slice/app.scope\n", two),
            [
                "/sys/fs/cgroup/user.slice/app.scope/cpu.stat",
                "/sys/fs/cgroup/user.slice/cpu.stat",
                "/sys/fs/cgroup/cpu.stat"
            ],
            "its own and those above it"
        );
        let one = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                   33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
        assert_eq!(
            names("5:cpuset:/x\n4:cpu,cpuacct:/limited\n0::/\n", one),
            ["/sys/fs/cgroup/cpu,cpuacct/limited/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat"],
            "of the controller alone, by its name"
        );
        let docker = "900 890 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        assert_eq!(
            names("4:cpu:/docker/abc\n", docker),
            ["/sys/fs/cgroup/cpu/cpu.stat"],
            "in a container the mount is its own group"
        );
        let spaced = "1 2 0:1 / /mnt/with\\040space rw - cgroup2 cgroup2 rw\n";
        assert_eq!(names("0::/\n", spaced), ["/mnt/with space/cpu.stat"], "escapes are read");
        assert_eq!(
            names("0::/../other\n", two),
            ["/sys/fs/cgroup/cpu.stat"],
            "a path above the namespace is not followed"
        );
        assert!(names("", "").is_empty() && names("garbage", "garbage - x").is_empty(), "elsewhere there are none");
    }

    #[test]
    fn both_forms_of_the_statistics_are_read() {
        let two = "usage_usec 9\nnr_periods 40\nnr_throttled 12\nthrottled_usec 1500000\n";
        assert_eq!(throttled(two), Some(Throttled { seconds: 1.5, periods: 12 }));
        let one = "nr_periods 40\nnr_throttled 3\nthrottled_time 250000000\n";
        assert_eq!(throttled(one), Some(Throttled { seconds: 0.25, periods: 3 }));
        assert_eq!(throttled("usage_usec 9\nuser_usec 4\n"), None, "a group without the controller tells nothing");
        let (a, b) = (Throttled { seconds: 1.0, periods: 5 }, Throttled { seconds: 1.5, periods: 9 });
        assert_eq!(between(Some(a), Some(b)), Some(Throttled { seconds: 0.5, periods: 4 }));
        assert_eq!(between(None, Some(b)), None, "what is not known before is not known between");
    }

    /// With a real quota, where this user may set one. The child is this test again, inside the group.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_real_quota_is_seen() {
        const ALONE: &str = "PERFDECK_TEST_QUOTA";
        if let Some(group) = std::env::var_os(ALONE) {
            std::fs::write(Path::new(&group).join("cgroup.procs"), std::process::id().to_string()).expect("moved");
            let quotas = Quotas::of_this_process();
            let before = quotas.look();
            let end = std::time::Instant::now() + std::time::Duration::from_millis(400);
            let mut spun = 0_u64;
            while std::time::Instant::now() < end {
                spun = std::hint::black_box(spun + 1);
            }
            let held = between(before, quotas.look()).expect("the system tells");
            assert!(held.periods >= 1 && held.seconds > 0.1, "a tenth of a core held it back: {held:?}");
            return;
        }
        let Some((group, quota)) = limited() else { return };
        let name = "quota::tests::a_real_quota_is_seen";
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env(ALONE, &group)
            .output();
        let _ = std::fs::remove_dir(&group);
        let child = child.expect("it starts");
        assert!(child.status.success(), "{quota}: {}", String::from_utf8_lossy(&child.stdout));
    }

    /// A group of a tenth of a core, of either version; `None` where none can be made.
    #[cfg(target_os = "linux")]
    fn limited() -> Option<(PathBuf, &'static str)> {
        let name = format!("perfdeck-test-{}", std::process::id());
        for (root, file, quota) in [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "10000"),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "10000"),
            ("/sys/fs/cgroup", "cpu.max", "10000 100000"),
        ] {
            let group = Path::new(root).join(&name);
            if std::fs::create_dir(&group).is_err() {
                continue;
            }
            let opened = std::fs::OpenOptions::new().write(true).open(group.join(file));
            if opened.is_ok_and(|mut file| std::io::Write::write_all(&mut file, quota.as_bytes()).is_ok()) {
                return Some((group, quota));
            }
            let _ = std::fs::remove_dir(&group);
        }
        None
    }
}
