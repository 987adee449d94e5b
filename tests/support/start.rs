//! How tests, screenshots and benches start Perfdeck's programs: as a user does. Everything that they may set for a program
//! is in this file; `tests/shipped.rs` holds the rest of the support to it.
use std::ffi::OsStr;
use std::process::Command;

/// What may be set for a program: where its window, its files and its message bus are, and that a driver may steer it.
/// What makes the program better, faster or quieter belongs into the program, where users have it too.
pub(crate) const MAY_SET: &[&str] = &[
    // The screen.
    "DISPLAY",
    "WAYLAND_DISPLAY",
    // The message bus.
    "DBUS_SESSION_BUS_ADDRESS",
    // Folders of its own.
    "HOME",
    "PERFDECK_DATA_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    // A second instance beside the one that may be open.
    "PERFDECK_MULTI_INSTANCE",
    // What WebDriver needs.
    "TAURI_AUTOMATION",
    "TAURI_WEBVIEW_AUTOMATION",
];

/// What WebKitWebDriver sets by itself for a window that it opens; overlay scrollbars are GTK's default too.
pub(crate) const SET_BY_THE_DRIVER: &[&str] = &["WEBKIT_INSPECTOR_SERVER", "GTK_OVERLAY_SCROLLING"];

/// What a test may ask of `perfctl` by a variable where the variable is what the test is about: `docs/environments.md`
/// tells users of each.
pub(crate) const ASKED: &[&str] = &[
    "API_BASE_URL",
    "DATABASE_URL",
    "PERFDECK_LOG",
    "PERFDECK_PASSPHRASE",
    "PERFDECK_SECRET_STORE",
    "REDIS_URL",
    "RUST_BACKTRACE",
];

/// Sets one of [`MAY_SET`].
pub(crate) fn set(command: &mut Command, name: &str, value: impl AsRef<OsStr>) {
    assert!(MAY_SET.contains(&name), "{name} is not a user's: nothing but {MAY_SET:?} may be set for a program");
    command.env(name, value);
}

/// Sets one of [`ASKED`].
pub(crate) fn ask(command: &mut Command, name: &str, value: impl AsRef<OsStr>) {
    assert!(
        ASKED.contains(&name) || name.starts_with("CANARY_"),
        "{name} is neither something that users are told of ({ASKED:?}) nor a secret of a test (CANARY_…)"
    );
    command.env(name, value);
}

/// Takes the screen away.
pub(crate) fn without_screen(command: &mut Command) {
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
}

/// No message bus, and with it no keychain of the machine: the address leads nowhere.
pub(crate) fn without_bus(command: &mut Command) {
    set(command, "DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
}

/// The `cargo` that started this program. What it has told this program about its own package is not handed on: build
/// scripts that watch these variables (ring's does) would build everything anew each time. `OUT_DIR` is set for tests of a
/// package that has a build script, as this one.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "OUT_DIR"]
            .iter()
            .any(|of| name.starts_with(of))
        {
            cargo.env_remove(name.as_ref());
        }
    }
    cargo
}
