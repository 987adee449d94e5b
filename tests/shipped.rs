//! What is tested is what is shipped: tests set nothing that users do not have, and packages carry all of it.
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::desktop::Desktop;
use support::perfctl::{Perfctl, to_end};
use support::{can_run, release, root, start};

/// Names that a command is given beside its own environment.
fn set_by(command: &Command) -> Vec<String> {
    command
        .get_envs()
        .filter(|(_, value)| value.is_some())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn what_the_support_sets_is_on_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in set_by(&Perfctl::on(folder.path()).command(&["env", "list"])) {
        assert!(start::MAY_SET.contains(&name.as_str()), "{name} is set for perfctl");
    }
    if !can_run(&["Xvfb", "dbus-daemon"]) {
        return;
    }
    let desktop = Desktop::start(640, 480, folder.path()).expect("a virtual desktop");
    let names = set_by(&desktop.driver(1).expect("folders can be made"));
    assert!(names.len() >= 5, "the window is put on a desktop: {names:?}");
    for name in names {
        assert!(start::MAY_SET.contains(&name.as_str()), "{name} is set for the window");
    }
}

#[test]
fn nothing_else_can_be_set() {
    for name in ["WEBKIT_DISABLE_DMABUF_RENDERER", "LIBGL_ALWAYS_SOFTWARE", "NO_COLOR", "PERFDECK_FAST"] {
        let refused = std::panic::catch_unwind(|| start::set(&mut Command::new("true"), name, "1"));
        assert!(refused.is_err(), "{name} is refused");
        let refused = std::panic::catch_unwind(|| start::ask(&mut Command::new("true"), name, "1"));
        assert!(refused.is_err(), "{name} is refused, whoever asks");
    }
}

/// Variables that tools of the suite itself take; none is of Perfdeck's programs.
const OF_TOOLS: &[&str] = &[
    "CARGO_TERM_COLOR",
    "DEBIAN_FRONTEND",
    "PERFDECK_E2E",
    "PERFDECK_SCREENSHOTS",
    "PERFDECK_UPDATE_BINDINGS",
    "PGPASSWORD",
];

#[test]
fn nobody_sets_a_variable_past_the_list() {
    let files: Vec<PathBuf> =
        [root().join("tests"), root().join("xtask/src")].iter().flat_map(|f| sources(f)).collect();
    assert!(files.len() > 15, "the tests and xtask were found");
    for file in files {
        if ["tests/support/start.rs", "tests/shipped.rs"].iter().any(|own| file.ends_with(own)) {
            continue;
        }
        let code = std::fs::read_to_string(&file).expect("a source file");
        assert!(!code.contains(".envs(") && !code.contains("set_var("), "{} sets variables in bulk", file.display());
        for (at, _) in code.match_indices(".env(") {
            let name = code[at + 5..].trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            let name = name.map_or("a computed name", |(name, _)| name);
            assert!(OF_TOOLS.contains(&name), "{} sets {name}; use support/start.rs", file.display());
        }
        for steers in ["WEBKIT_DIS", "WEBKIT_FOR", "LIBGL_", "GDK_", "GTK_", "NO_AT_", "MALLOC_", "MESA_", "GALLIUM_"] {
            let line = code.lines().find(|line| line.contains(steers) && !line.trim_start().starts_with("//"));
            assert!(line.is_none(), "{} steers a library below the window: {line:?}", file.display());
        }
    }
}

/// Every variable that the programs read for themselves, all of them a user's.
const READ: &[&str] =
    &["PERFDECK_DATA_DIR", "PERFDECK_LOG", "PERFDECK_MULTI_INSTANCE", "PERFDECK_PASSPHRASE", "PERFDECK_SECRET_STORE"];

#[test]
fn the_programs_do_not_know_that_they_are_tested() {
    let mut found = BTreeSet::new();
    for file in sources(&root().join("src-tauri")) {
        let path = file.to_string_lossy().replace('\\', "/");
        if path.contains("/tests") || path.contains("/testkit/") {
            continue;
        }
        let code = std::fs::read_to_string(&file).expect("a source file");
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, _) in code.match_indices("PERFDECK_") {
            let name: String =
                code[at..].chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
            found.insert(name);
        }
    }
    let known: BTreeSet<String> = READ.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, known, "a variable that the programs read is one that users are told of, and is on this list");
}

/// Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[test]
fn a_window_without_a_display_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = |arguments: &[&str], display: Option<&str>| {
        let mut window = Command::new(release::perfdeck());
        window.args(arguments).stdin(std::process::Stdio::null());
        start::without_screen(&mut window);
        start::without_bus(&mut window);
        start::set(&mut window, "XDG_DATA_HOME", folder.path());
        if let Some(display) = display {
            start::set(&mut window, "DISPLAY", display);
        }
        let output = to_end(window, Duration::from_secs(60));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said)
    };
    for (display, named) in [(None, "neither DISPLAY nor WAYLAND_DISPLAY"), (Some(":64999"), "':64999'")] {
        let (code, _, said) = started(&["--demo"], display);
        assert_eq!(code, Some(1), "it fails: {said}");
        assert!(said.contains("error: ") && said.contains(named), "what is missing is named: {said}");
        assert!(said.contains("hint: ") && said.contains("perfctl serve"), "and what to do: {said}");
        assert!(!said.contains("panicked"), "it is no defect: {said}");
    }
    for argument in ["--help", "--version"] {
        let (code, said, errors) = started(&[argument], None);
        assert!(code == Some(0) && said.contains("perf"), "{argument} needs no display: {errors}");
    }
    let (code, _, said) = started(&["--dmeo"], None);
    assert!(code == Some(2) && said.contains("--dmeo"), "what is not known is refused by name: {said}");
    assert!(!folder.path().join("perfdeck").exists(), "nothing was stored");
}

fn package(system: &str) -> Value {
    let file = root().join(format!("packaging/{system}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a package holds beside the window, as pairs of destination and source.
fn carried(map: &Value, source_first: bool) -> Vec<(String, String)> {
    let pairs = map.as_object().expect("a table of files").iter();
    let pairs = pairs.map(|(key, value)| (key.clone(), value.as_str().expect("a path").to_owned()));
    if source_first { pairs.map(|(a, b)| (b, a)).collect() } else { pairs.collect() }
}

#[test]
fn packages_of_all_systems_carry_both_programs_manual_completions_and_copyright() {
    let config: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("tauri.conf.json")).expect("the configuration"))
            .expect("JSON");
    let targets: Vec<&str> =
        config["bundle"]["targets"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
    for kind in ["deb", "dmg", "msi"] {
        assert!(targets.contains(&kind), "{kind} is built");
    }
    let (linux, macos, windows) = (package("linux"), package("macos"), package("windows"));
    for (system, package) in [("linux", &linux), ("macos", &macos), ("windows", &windows)] {
        let beside: Vec<&str> =
            package["bundle"]["externalBin"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
        assert_eq!(beside, ["target/package/perfctl"], "{system}: perfctl is installed beside perfdeck");
    }
    let all = [
        ("deb", carried(&linux["bundle"]["linux"]["deb"]["files"], false)),
        ("AppImage", carried(&linux["bundle"]["linux"]["appimage"]["files"], false)),
        ("dmg", carried(&macos["bundle"]["macOS"]["files"], false)),
        ("msi", carried(&windows["bundle"]["resources"], true)),
    ];
    for (kind, files) in &all {
        for wanted in ["man1", "completions", "copyright"] {
            assert!(
                files.iter().any(|(_, source)| source.starts_with("target/package/") && source.contains(wanted)),
                "{kind} carries {wanted}: {files:?}"
            );
        }
    }
    let deb: BTreeSet<&str> = all[0].1.iter().map(|(to, _)| to.as_str()).collect();
    for place in [
        "/usr/share/man/man1",
        "/usr/share/bash-completion/completions/perfctl",
        "/usr/share/zsh/vendor-completions/_perfctl",
        "/usr/share/fish/vendor_completions.d/perfctl.fish",
        "/usr/share/doc/perfdeck/copyright",
    ] {
        assert!(deb.contains(place), "the Debian package has {place}");
    }
}
