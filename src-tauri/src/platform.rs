//! What differs between systems, for the shell.
use std::process::Command;

/// Settings that WebKitGTK and the C library read when they start: without the DMA-BUF renderer there are no blank windows
/// on some drivers, and software rendering is several times faster. A value set by the user wins.
#[cfg(target_os = "linux")]
pub const SETTINGS: &[(&str, &str)] = &[
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    ("NO_AT_BRIDGE", "1"),
    // One arena per thread keeps memory that nobody uses: about 15 MB over the window's processes.
    ("MALLOC_ARENA_MAX", "2"),
];
/// Other systems need none.
#[cfg(not(target_os = "linux"))]
pub const SETTINGS: &[(&str, &str)] = &[];

/// Environment variables of this process cannot be changed safely, so where one is missing the program replaces
/// itself by a copy that has them. Answers whether that happened and the copy has ended.
pub fn restarted_with_settings() -> bool {
    let missing: Vec<_> = SETTINGS.iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return false;
    }
    let Ok(program) = std::env::current_exe() else { return false };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    command.envs(missing.into_iter().copied());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // On success this never returns: the process becomes the copy, with the same process id.
        let error = command.exec();
        tracing::warn!(%error, "the settings could not be applied");
    }
    false
}

/// Whether there is a screen for a window; else why not, with what to do.
///
/// # Errors
/// Two lines for a person, where no display can be opened.
#[cfg(target_os = "linux")]
pub fn screen() -> Result<(), String> {
    if gtk::init().is_ok() {
        return Ok(());
    }
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let why = match named("WAYLAND_DISPLAY").or_else(|| named("DISPLAY")) {
        Some(display) => format!("the display '{}' cannot be opened", display.escape_debug()),
        None => "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned(),
    };
    Err(format!(
        "error: Perfdeck's window cannot be shown: {why}\nhint: start it in a desktop session; without one, 'perfctl serve' \
         serves the same to a browser of this machine, and 'perfctl help' lists what else needs no window\n"
    ))
}

/// Other systems always have one.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn screen() -> Result<(), String> {
    Ok(())
}

/// Runs what panics where the system lacks a library that is only opened when it is used. `None` then.
pub(crate) fn where_possible<T>(work: impl FnOnce() -> T) -> Option<T> {
    let hook = std::panic::take_hook();
    // It is no defect, so it is not reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    done.ok()
}
