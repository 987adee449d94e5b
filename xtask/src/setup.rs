//! What must be on the machine, and installing it where that can be done.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{find, output};
use crate::{Failure, Options, Outcome, apt};

/// What a task needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A compiler and linker.
    Build,
    /// What the window is built with.
    Window,
    /// What the tests run against.
    Tests,
    /// What the load engines are measured beside.
    Peers,
}

/// How to see whether something is there.
enum Probe {
    /// One of these programs is installed.
    Program(&'static [&'static str]),
    /// `pkg-config` knows this library.
    Library(&'static str),
    /// A folder below this one holds this file.
    Below(&'static str, &'static str),
}

struct Requirement {
    need: Need,
    /// Debian's package.
    package: &'static str,
    probe: Probe,
    /// Homebrew's formula, where the task runs on macOS too.
    brew: Option<&'static str>,
}

const REQUIREMENTS: &[Requirement] = &[
    requirement(Need::Build, "build-essential", Probe::Program(&["cc"]), None),
    requirement(Need::Build, "pkg-config", Probe::Program(&["pkg-config"]), None),
    requirement(Need::Window, "libwebkit2gtk-4.1-dev", Probe::Library("webkit2gtk-4.1"), None),
    requirement(Need::Window, "libayatana-appindicator3-dev", Probe::Library("ayatana-appindicator3-0.1"), None),
    requirement(Need::Window, "librsvg2-dev", Probe::Library("librsvg-2.0"), None),
    requirement(Need::Window, "libdbus-1-dev", Probe::Library("dbus-1"), None),
    requirement(Need::Window, "file", Probe::Program(&["file"]), None),
    requirement(Need::Tests, "postgresql", Probe::Below("/usr/lib/postgresql", "bin/initdb"), Some("postgresql@17")),
    // Advice is asked of it too, and a session of it is ended.
    requirement(
        Need::Tests,
        "postgresql-15-hypopg",
        Probe::Below("/usr/share/postgresql", "extension/hypopg.control"),
        None,
    ),
    requirement(Need::Tests, "redis-server", Probe::Program(&["redis-server", "valkey-server"]), Some("redis")),
    requirement(Need::Tests, "mariadb-server", Probe::Program(&["mariadbd"]), Some("mariadb")),
    requirement(Need::Tests, "pgbouncer", Probe::Program(&["pgbouncer"]), Some("pgbouncer")),
    requirement(Need::Tests, "haproxy", Probe::Program(&["haproxy"]), Some("haproxy")),
    // MariaDB's transactions are held against what it counts.
    requirement(Need::Tests, "sysbench", Probe::Program(&["sysbench"]), Some("sysbench")),
    requirement(Need::Tests, "xvfb", Probe::Program(&["Xvfb"]), None),
    requirement(Need::Tests, "dbus", Probe::Program(&["dbus-daemon"]), None),
    requirement(Need::Tests, "webkit2gtk-driver", Probe::Program(&["WebKitWebDriver"]), None),
    requirement(Need::Tests, "chromium", Probe::Program(&["chromium", "chromium-browser", "google-chrome"]), None),
    requirement(Need::Tests, "chromium-driver", Probe::Program(&["chromedriver"]), None),
    requirement(Need::Peers, "wrk", Probe::Program(&["wrk"]), Some("wrk")),
    // Plans handed over to Locust are run by it.
    requirement(Need::Tests, "python3-venv", Probe::Below("/usr/lib", "ensurepip/__init__.py"), Some("python")),
    // What an imported curl command sends is held against what curl sends.
    requirement(Need::Tests, "curl", Probe::Program(&["curl"]), Some("curl")),
    requirement(Need::Tests, "procps", Probe::Program(&["kill"]), None),
    // The Debian package is installed into a root of its own.
    requirement(Need::Tests, "debootstrap", Probe::Program(&["debootstrap"]), None),
];

const fn requirement(need: Need, package: &'static str, probe: Probe, brew: Option<&'static str>) -> Requirement {
    Requirement { need, package, probe, brew }
}

impl Requirement {
    fn is_met(&self) -> bool {
        match self.probe {
            Probe::Program(names) => names.iter().any(|name| find(name).is_some()),
            Probe::Library(name) => output("pkg-config", &["--exists", name]).is_some(),
            Probe::Below(folder, file) => {
                let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
                below.into_iter().any(|entry| entry.path().join(file).exists())
                    || Path::new(file).file_name().is_some_and(|name| find(&name.to_string_lossy()).is_some())
            }
        }
    }
}

/// Whether everything of a need is there.
pub(crate) fn met(need: Need) -> bool {
    REQUIREMENTS.iter().filter(|requirement| requirement.need == need).all(Requirement::is_met)
}

/// Installs what is missing for these needs, or says what to install.
pub(crate) fn packages(needs: &[Need], options: &Options) -> Outcome {
    if cfg!(target_os = "linux") {
        on_linux(needs, options)
    } else if cfg!(target_os = "macos") {
        on_macos(needs)
    } else {
        on_windows()
    }
}

fn on_linux(needs: &[Need], options: &Options) -> Outcome {
    let missing: Vec<&str> = REQUIREMENTS
        .iter()
        .filter(|requirement| needs.contains(&requirement.need) && !requirement.is_met())
        .map(|requirement| requirement.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = output("id", &["-u"]).as_deref() == Some("0");
    let sudo = if root { "" } else { "sudo " };
    let by_hand =
        format!("{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {}", missing.join(" "));
    println!("Missing system packages: {}", missing.join(", "));
    if find("apt-get").is_none() {
        return Err(Failure::with_code(
            2,
            format!(
                "this system has no apt-get; install what these Debian packages hold with its own package manager: {}",
                missing.join(", ")
            ),
        ));
    }
    if options.no_install {
        println!("Install them with:\n  {by_hand}");
        return Err(Failure::with_code(2, "system packages are missing (--no-install)"));
    }
    if !root && find("sudo").is_none() {
        return Err(Failure::with_code(2, format!("not root and no sudo; run as root: {by_hand}")));
    }
    println!("Installing them: {by_hand}");
    apt::install(root, &missing)?;
    let still: Vec<&str> = REQUIREMENTS
        .iter()
        .filter(|requirement| missing.contains(&requirement.package) && !requirement.is_met())
        .map(|requirement| requirement.package)
        .collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(format!("installed, but still not found: {}; see the output of apt-get above", still.join(", ")).into())
}

fn on_macos(needs: &[Need]) -> Outcome {
    let mut missing = Vec::new();
    if needs.contains(&Need::Build) && output("xcode-select", &["-p"]).is_none() {
        missing.push("Xcode command line tools: xcode-select --install".to_owned());
    }
    for requirement in REQUIREMENTS.iter().filter(|requirement| needs.contains(&requirement.need)) {
        if let Some(formula) = requirement.brew
            && !requirement.is_met()
            && output("brew", &["--prefix", "--installed", formula]).is_none()
        {
            missing.push(format!("{formula}: brew install {formula}"));
        }
    }
    name_missing(&missing)
}

fn on_windows() -> Outcome {
    let mut missing = Vec::new();
    let tools = Path::new(r"C:\Program Files (x86)\Microsoft Visual Studio\Installer\vswhere.exe");
    if !tools.exists() && find("link").is_none() {
        missing.push("C++ build tools: winget install Microsoft.VisualStudio.2022.BuildTools".to_owned());
    }
    let edge = Path::new(r"C:\Program Files (x86)\Microsoft\EdgeWebView");
    if !edge.exists() {
        missing.push("WebView2 runtime: winget install Microsoft.EdgeWebView2Runtime".to_owned());
    }
    name_missing(&missing)
}

fn name_missing(missing: &[String]) -> Outcome {
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::with_code(2, format!("please install first:\n  {}", missing.join("\n  "))))
}

/// Checks that rustfmt and Clippy are there, and adds them with rustup where a minimal toolchain lacks them.
pub(crate) fn rust_components(options: &Options) -> Outcome {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| output("cargo", &[command, "--version"]).is_none())
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("rustup component add {}", missing.join(" "));
    if options.no_install || find("rustup").is_none() {
        return Err(Failure::with_code(2, format!("{} missing; install with: {by_hand}", missing.join(" and "))));
    }
    let mut command = Command::new("rustup");
    command.args(["component", "add"]).args(&missing);
    crate::process::run(&mut command)
}

/// Version of oha that figures are held against.
const OHA: &str = "1.16.0";

/// The load tool oha, which Debian has no package of: built once from crates.io into `target/tools`.
pub(crate) fn oha(options: &Options) -> Outcome<PathBuf> {
    let folder = crate::root().join("target/tools");
    let program = folder.join("bin").join(if cfg!(windows) { "oha.exe" } else { "oha" });
    if program.is_file() {
        return Ok(program);
    }
    let arguments = ["install", "oha", "--version", OHA, "--locked", "--root"];
    if options.no_install {
        let by_hand = format!("cargo {} {}", arguments.join(" "), folder.display());
        return Err(Failure::with_code(2, format!("oha is missing; install it with: {by_hand}")));
    }
    crate::process::run(crate::process::cargo().args(arguments).arg(&folder))?;
    Ok(program)
}

/// Checks Node and npm.
pub(crate) fn node() -> Outcome {
    let wanted =
        "Perfdeck's UI is built with Node 20.19 or later; get it from https://nodejs.org or with your package manager";
    let Some(version) = output("node", &["--version"]) else {
        return Err(Failure::with_code(2, format!("node was not found. {wanted}")));
    };
    let mut parts = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) < (20, 19) {
        return Err(Failure::with_code(2, format!("node is {version}, which is too old. {wanted}")));
    }
    if output(if cfg!(windows) { "npm.cmd" } else { "npm" }, &["--version"]).is_none() {
        return Err(Failure::with_code(2, format!("npm was not found beside node {version}. {wanted}")));
    }
    Ok(())
}

/// Whether a window can be shown.
pub(crate) fn has_display() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// The machine that figures come from, in one line.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cpu = cpu
        .or_else(|| output("sysctl", &["-n", "machdep.cpu.brand_string"]))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(format!(", {:.1} GiB", kib / 1_048_576.0))
    });
    let system = std::fs::read_to_string("/etc/os-release").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("PRETTY_NAME="))?;
        Some(line.trim_start_matches("PRETTY_NAME=").trim_matches('"').to_owned())
    });
    format!(
        "{cpu}, {cores} logical processors{}, {}",
        memory.unwrap_or_default(),
        system.unwrap_or_else(|| std::env::consts::OS.to_owned())
    )
}
