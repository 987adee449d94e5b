//! Installing Debian packages for tests, without their services: a package that brings a server also starts it and has it
//! started at each boot, which nobody asked for who only wanted to run tests.
use std::collections::BTreeMap;
use std::fs::{DirEntry, read_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::process::{find, run};

/// What `invoke-rc.d` and `deb-systemd-invoke` ask before they start a service; 101 is "no".
/// <https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs packages. What their services would start with from now on is taken back, and none is started.
pub(crate) fn install(root: bool, packages: &[&str]) -> Outcome {
    apt(root, &["update"])?;
    let before = enabled(Path::new("/"));
    let held = Held::new(root)?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    let installed = apt(root, &arguments);
    drop(held);
    // After a failure too: some of the packages may be there.
    for (service, links) in enabled(Path::new("/")) {
        if !before.contains_key(&service) {
            disable(root, &service, &links)?;
        }
    }
    installed
}

fn apt(root: bool, arguments: &[&str]) -> Outcome {
    let mut command = as_root(root, "env");
    // A mirror that lets a connection fall is asked again.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "Acquire::Retries=5"]).args(arguments);
    run(&mut command)
}

fn as_root(root: bool, program: &str) -> Command {
    if root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    command
}

/// While it lives, packages start no services.
struct Held {
    root: bool,
    made: bool,
}

impl Held {
    fn new(root: bool) -> Outcome<Self> {
        // A system that has a policy of its own, such as a container's, keeps it; what starts nonetheless is stopped below.
        if Path::new(POLICY).exists() {
            return Ok(Self { root, made: false });
        }
        let own = std::env::temp_dir().join(format!("perfdeck-policy-rc.d-{}", std::process::id()));
        std::fs::write(&own, policy(std::process::id())).map_err(|error| format!("{}: {error}", own.display()))?;
        let put = run(as_root(root, "install").args(["-m", "755"]).arg(&own).arg(POLICY));
        let _ = std::fs::remove_file(&own);
        put.map(|()| Self { root, made: true })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.made
            && let Err(failure) = run(as_root(self.root, "rm").args(["-f", POLICY]))
        {
            eprintln!("warning: {}; remove {POLICY} by hand", failure.message);
        }
    }
}

/// Says no as long as this process lives, so that one that was killed leaves a policy that allows everything.
fn policy(pid: u32) -> String {
    format!("#!/bin/sh\n# Of `cargo xtask`, while it installs packages.\n[ -d /proc/{pid} ] && exit 101\nexit 0\n")
}

/// What starts at boot, by name: links of units that targets want, and of services of the run levels, below `root`.
fn enabled(root: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let entries = |folder: PathBuf| read_dir(folder).into_iter().flatten().flatten();
    let name = |link: &DirEntry| link.file_name().to_string_lossy().into_owned();
    let mut all: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for wanted in entries(root.join("etc/systemd/system")) {
        if name(&wanted).ends_with(".wants") || name(&wanted).ends_with(".requires") {
            for link in entries(wanted.path()) {
                all.entry(name(&link)).or_default().push(link.path());
            }
        }
    }
    for link in (2..=5).flat_map(|level| entries(root.join(format!("etc/rc{level}.d")))) {
        // `S01redis-server`: started, in this order.
        if let Some(started) = name(&link).strip_prefix('S') {
            let service = started.trim_start_matches(|c: char| c.is_ascii_digit());
            all.entry(service.to_owned()).or_default().push(link.path());
        }
    }
    all
}

/// Takes a service out of what starts at boot, and stops it.
fn disable(root: bool, service: &str, links: &[PathBuf]) -> Outcome {
    // Units have an ending, services of run levels have none.
    if !service.contains('.') {
        return run(as_root(root, "update-rc.d").args([service, "disable"]));
    }
    if find("systemctl").is_none() {
        // Debian makes the links without systemd too, for the day it comes.
        return run(as_root(root, "rm").arg("-f").args(links));
    }
    run(as_root(root, "systemctl").args(["disable", service]))?;
    if Path::new("/run/systemd/system").exists() {
        return run(as_root(root, "systemctl").args(["stop", service]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_at_boot_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        for file in [
            "etc/systemd/system/multi-user.target.wants/redis-server.service",
            "etc/systemd/system/timers.target.wants/man-db.timer",
            "etc/systemd/system/redis.service",
            "etc/rc2.d/S01haproxy",
            "etc/rc2.d/K01off",
            "etc/rc6.d/S01halt",
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let found: Vec<String> = enabled(root.path()).into_keys().collect();
        assert_eq!(found, ["haproxy", "man-db.timer", "redis-server.service"]);
        assert!(enabled(&root.path().join("none")).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_starts_while_this_process_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let answer = |pid: u32| {
            let file = folder.path().join(format!("policy-{pid}"));
            std::fs::write(&file, policy(pid)).expect("written");
            Command::new("sh").arg(file).args(["redis-server", "start"]).status().expect("runs").code()
        };
        assert_eq!(answer(std::process::id()), Some(101), "no");
        assert_eq!(answer(u32::MAX), Some(0), "a process that is gone leaves no policy");
    }
}
