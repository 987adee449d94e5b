//! The Debian package in a root of its own: installed with what it depends on, both programs started from there, removed
//! without a trace but the user's data.
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::desktop::{Desktop, Kept, installed};
use support::perfctl::to_end;
use support::{can_run, picture, release, root, start};

/// Longest time that anything may take that goes to Debian's mirror.
const NETWORK: Duration = Duration::from_secs(600);

/// The commands that the test runs with the rights of root.
struct Rights {
    /// `sudo`, where the test is not root itself.
    prefix: Vec<&'static str>,
}

impl Rights {
    /// `None` where this machine cannot run the test; that is said, and on CI it is a failure.
    #[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn here() -> Option<Self> {
        let refuse = |why: &str| {
            assert!(std::env::var_os("CI").is_none(), "the package is not tested: {why}");
            eprintln!("SKIPPED, THE PACKAGE IS NOT TESTED: {why}");
            None
        };
        if !cfg!(target_os = "linux") || !installed("apt-get") {
            return refuse("it is Debian's, and this is another system");
        }
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
        let prefix = if is_root { vec![] } else { vec!["sudo", "-n"] };
        let rights = Self { prefix };
        // A system of its own has devices and mounts.
        let probe = root().join("target/package-test").join(format!("device-{}", std::process::id()));
        let _ = std::fs::create_dir_all(root().join("target/package-test"));
        let mut may = rights.command("unshare");
        may.args(["--mount", "sh", "-c", "mknod \"$1\" c 1 3 && rm \"$1\"", "sh"]).arg(probe).stderr(Stdio::null());
        if may.status().is_ok_and(|status| status.success()) {
            return Some(rights);
        }
        refuse("a clean root needs the rights of root: mknod, and unshare --mount")
    }

    fn command(&self, program: &str) -> Command {
        let mut words = self.prefix.iter().copied().chain([program]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).stdin(Stdio::null());
        command
    }
}

/// A system of its own below a folder, removed when this is dropped.
struct CleanRoot {
    rights: Rights,
    folder: PathBuf,
    /// Packages that were downloaded, for the next time.
    archives: PathBuf,
}

/// This machine's Debian archive as its apt is configured: codename of the system, and the lines of `sources.list`.
fn archive() -> (String, String, String) {
    let format = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)";
    let output = Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]).output();
    let output = output.expect("apt-get runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let release = std::fs::read_to_string("/etc/os-release").expect("the system's release");
    let of = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim_matches('"').to_owned()
    };
    let (codename, origin) = (of("VERSION_CODENAME="), of("ID="));
    let (mut mirror, mut lines) = (None, BTreeSet::new());
    for line in text.lines() {
        let parts: Vec<&str> = line.split('|').collect();
        let [from, uri, name, _, component] = parts[..] else { continue };
        if !from.eq_ignore_ascii_case(&origin) {
            continue;
        }
        if name == codename && mirror.is_none() {
            mirror = Some(uri.to_owned());
        }
        lines.insert(format!("deb {uri} {name} {component}\n"));
    }
    let mirror = mirror.unwrap_or_else(|| panic!("apt knows no archive of {origin} {codename}; run apt-get update"));
    (codename, mirror, lines.into_iter().collect())
}

fn must(what: &str, output: Output) -> String {
    // What went wrong comes first: a log that is cut keeps its head.
    let said = [output.stderr.as_slice(), &output.stdout].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{what} ended with {}:\n{said}", output.status);
    said
}

impl CleanRoot {
    /// Unpacks a minimal system, made once by debootstrap and kept beside the build.
    fn new(rights: Rights, folder: &Path) -> Self {
        let (codename, mirror, sources) = archive();
        let kept = root().join("target/package-test");
        let archives = kept.join("archives");
        std::fs::create_dir_all(archives.join("partial")).expect("a folder for what is downloaded");
        let base = kept.join(format!("{codename}.tar"));
        if !base.exists() {
            let fresh = folder.join("base");
            let mut make = rights.command("debootstrap");
            make.args(["--variant=minbase", &codename]).arg(&fresh).arg(&mirror);
            must("debootstrap", to_end(make, NETWORK));
            let mut pack = rights.command("tar");
            let unfinished = base.with_extension("unfinished");
            pack.arg("--one-file-system").arg("-C").arg(&fresh).arg("-cf").arg(&unfinished).arg(".");
            must("packing the system", to_end(pack, NETWORK));
            std::fs::rename(unfinished, &base).expect("the finished system is kept");
        }
        let own = folder.join("root");
        std::fs::create_dir_all(&own).expect("a folder");
        let clean = Self { rights, folder: own, archives };
        let mut unpack = clean.rights.command("tar");
        unpack.arg("-C").arg(&clean.folder).arg("-xpf").arg(&base);
        must("unpacking the system", to_end(unpack, NETWORK));
        let list = folder.join("sources.list");
        std::fs::write(&list, sources).expect("a list of archives");
        for (from, to) in [(list.as_path(), "etc/apt/sources.list"), (Path::new("/etc/resolv.conf"), "etc/resolv.conf")]
        {
            let mut copy = clean.rights.command("cp");
            must(
                "copying",
                to_end(
                    {
                        copy.arg("-L").arg(from).arg(clean.folder.join(to));
                        copy
                    },
                    NETWORK,
                ),
            );
        }
        clean
    }

    /// A command line in this root, in namespaces that end with it.
    fn inside(&self, line: &str) -> Command {
        let mut command = self.rights.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"]);
        command.arg(
            "mount -t proc proc \"$1/proc\"; mount --bind \"$2\" \"$1/var/cache/apt/archives\"
             exec chroot \"$1\" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive sh -euc \"$3\"",
        );
        command.arg("sh").arg(&self.folder).arg(&self.archives).arg(line);
        command
    }

    /// Runs a command line to its end.
    fn run(&self, line: &str) -> String {
        must(line, to_end(self.inside(line), NETWORK))
    }

    /// Every file, but those of package managers' own books, of users and of running programs.
    fn files(&self) -> BTreeSet<String> {
        let own =
            "-path /proc -o -path /dev -o -path /sys -o -path /home -o -path /tmp -o -path /run -o -path /var/log";
        let books = "-path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg";
        let listed = self.run(&format!("find / \\( {own} -o {books} \\) -prune -o -print"));
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for CleanRoot {
    fn drop(&mut self) {
        // Nothing is mounted below it: mounts are in namespaces that have ended.
        let _ = self.rights.command("rm").args(["-rf", "--one-file-system"]).arg(&self.folder).status();
    }
}

/// The package, built as a user builds it.
fn package() -> PathBuf {
    release::folder();
    let mut bundle = start::cargo();
    bundle.args(["xtask", "bundle"]).current_dir(root()).stdin(Stdio::null());
    must("cargo xtask bundle", to_end(bundle, NETWORK));
    let folder = release::folder().join("bundle/deb");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut packages = files.flatten().map(|e| e.path()).filter(|path| path.extension().is_some_and(|e| e == "deb"));
    let package = packages.next().expect("a Debian package");
    assert!(packages.next().is_none(), "one package, not several of several versions");
    package
}

#[test]
fn e2e_package_is_installed_started_and_removed_in_a_clean_root() {
    let Some(rights) = Rights::here() else { return };
    if !can_run(&["debootstrap", "Xvfb", "dbus-daemon"]) {
        return;
    }
    let deb = package();
    let folder = tempfile::Builder::new().prefix("root-").tempdir_in(root().join("target/package-test"));
    // Beside the build, because /tmp may be mounted without devices.
    let folder = folder.expect("a folder");
    let clean = CleanRoot::new(rights, folder.path());
    must(
        "copying the package",
        to_end(
            {
                let mut copy = clean.rights.command("cp");
                copy.arg(&deb).arg(clean.folder.join("root/perfdeck.deb"));
                copy
            },
            NETWORK,
        ),
    );

    // A mirror that lets a connection fall is asked again.
    let apt = "apt-get -q -o Dpkg::Options::=--force-unsafe-io -o APT::Sandbox::User=root -o Acquire::Retries=5 -o Acquire::http::Timeout=30";
    clean.run(&format!("{apt} update && {apt} install --yes --no-install-recommends /root/perfdeck.deb"));
    clean.run("useradd --create-home tester");
    let before = clean.files();
    let owned: BTreeSet<String> = clean.run("dpkg -L perfdeck").lines().map(str::to_owned).collect();
    for place in [
        "/usr/bin/perfdeck",
        "/usr/bin/perfctl",
        "/usr/share/man/man1/perfdeck.1.gz",
        "/usr/share/man/man1/perfctl.1.gz",
        "/usr/share/man/man1/perfctl-bench-http.1.gz",
        "/usr/share/bash-completion/completions/perfctl",
        "/usr/share/zsh/vendor-completions/_perfctl",
        "/usr/share/fish/vendor_completions.d/perfctl.fish",
        "/usr/share/doc/perfdeck/copyright",
        "/usr/share/applications/Perfdeck.desktop",
    ] {
        assert!(owned.contains(place), "the package holds {place}: {owned:#?}");
    }
    // Everybody can read what is installed, and nobody but root can change it.
    let strange = clean.run("dpkg -L perfdeck | while read -r f; do find \"$f\" -maxdepth 0 \\( ! -type l \\( -perm /022 -o ! -perm -044 -o ! -user root \\) \\); done");
    assert_eq!(strange.trim(), "", "rights of installed files");
    clean.run("gzip -t /usr/share/man/man1/perf*.1.gz /usr/share/doc/perfdeck/*.gz; bash -n /usr/share/bash-completion/completions/perfctl");
    let third = clean.run("zcat /usr/share/doc/perfdeck/third-party.gz");
    for name in ["tokio 1", "tauri 2", "sqlx", "svelte", "inter", "MIT"] {
        assert!(third.contains(name), "{name} and its notices are in the list of libraries");
    }

    let as_user = "setpriv --reuid tester --regid tester --init-groups env HOME=/home/tester";
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        clean.run(&format!("{as_user} perfctl --version")).trim(),
        format!("perfctl {version}"),
        "perfctl starts"
    );
    assert_eq!(
        clean.run(&format!("{as_user} perfdeck --version")).trim(),
        format!("perfdeck {version}"),
        "the window too"
    );
    let tour = clean.run(&format!("{as_user} sh -c 'cd && perfctl demo --tour --out report.html'"));
    assert!(tour.contains("/home/tester/report.html"), "the main job is done from the package:\n{tour}");
    first_paint(&clean, as_user, "from-package");
    // On a system that lost the tray's library, the window opens without a tray.
    clean.run("mkdir /root/away && mv /usr/lib/*/libayatana-appindicator3.so* /root/away");
    first_paint(&clean, as_user, "without-tray");
    clean.run("mv /root/away/* /usr/lib/$(uname -m)-linux-gnu/ && rmdir /root/away");

    let list = clean.run("dpkg -L perfdeck");
    clean.run(&format!("{apt} purge --yes perfdeck && rm /root/perfdeck.deb"));
    let after = clean.files();
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.is_empty(), "starting and removing it left {new:?}");
    // Caches of icons and of file types are made and removed by the packages that they belong to.
    let others = |file: &&String| *file != "/root/perfdeck.deb" && !file.ends_with(".cache");
    let gone: Vec<&String> = before.difference(&after).filter(others).collect();
    assert!(gone.iter().all(|file| list.lines().any(|own| own == *file)), "removing it took files of others: {gone:?}");
    let left = clean.run(
        "find / -path /proc -prune -o -path /home -prune -o \\( -iname '*perfdeck*' -o -iname '*perfctl*' \\) -print",
    );
    assert_eq!(left.trim(), "", "nothing of that name is left");
    let data = clean.run("ls /home/tester /home/tester/.local/share/perfdeck");
    assert!(data.contains("report.html") && data.contains("perfdeck"), "the user's data stays: {data}");
}

/// Starts the window on a virtual screen and waits until it shows more than one colour on another.
fn first_paint(clean: &CleanRoot, as_user: &str, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let desktop = Desktop::start(1440, 900, folder.path()).expect("a virtual desktop");
    // The socket of the screen is the only thing that the root has of this machine.
    let display = desktop.display().to_owned();
    let socket = format!("/tmp/.X11-unix/X{}", display.trim_start_matches(':'));
    // It ends when it is told to, or by itself: what sudo started cannot be killed from here.
    let line = format!(
        "rm -f /run/stop; mkdir -p /run/tester && chown tester /run/tester && cd /home/tester
         {as_user} DISPLAY={display} XDG_RUNTIME_DIR=/run/tester perfdeck & window=$!
         for tenth in $(seq 1200); do
             [ ! -e /run/stop ] || break
             kill -0 $window 2>/dev/null || {{ echo the window ended by itself; exit 1; }}
             sleep 0.1
         done
         kill $window; wait $window || true"
    );
    let mut window = clean.rights.command("unshare");
    window.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"]);
    window.arg(
        "mount -t proc proc \"$1/proc\"; mkdir -p \"$1/tmp/.X11-unix\"; touch \"$1$2\"; mount --bind \"$2\" \"$1$2\"
         mkdir -p \"$1/dev/shm\"; mount -t tmpfs tmpfs \"$1/dev/shm\"
         exec chroot \"$1\" env -i PATH=/usr/bin:/bin sh -euc \"$3\"",
    );
    window.arg("sh").arg(&clean.folder).arg(&socket).arg(line);
    let log = folder.path().join("window.log");
    let file = std::fs::File::create(&log).expect("a log");
    window.stdout(file.try_clone().expect("a log")).stderr(file);
    let window = Kept::spawn(window).expect("the window starts");
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let colours = picture::colours(&desktop.framebuffer()).unwrap_or(0);
        if colours >= 50 {
            break;
        }
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(Instant::now() < end && !said.contains("ended by itself"), "{colours} colours on the screen:\n{said}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let shot = root().join(format!("target/screenshots/{name}.png"));
    picture::save(&desktop.framebuffer(), &shot).expect("a picture of the window");
    let mut stop = clean.rights.command("touch");
    stop.arg(clean.folder.join("run/stop"));
    must("asking the window to end", to_end(stop, NETWORK));
    window.ended();
}
