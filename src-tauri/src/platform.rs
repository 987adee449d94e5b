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
