//! A disk that is soon full.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process;
use crate::{Error, Result};

/// A file system of a few megabytes in the machine's memory, which servers reach by its path too. SQLite does not: it follows the links of a
/// path by their text, and this one's leads to another place.
///
/// It lies in a mount namespace of its own, whose one process waits for its standard input to end: it goes with this test, also with one
/// that is killed, and nobody else sees it mounted. Where this process is root it belongs to `postgres`, as servers' folders do.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

/// Bytes that a small disk has at most: no other one is filled.
const SMALL: u64 = 256 * 1024 * 1024;

/// Arguments: size in bytes, folder, and whether it is given to `postgres`.
const MOUNT: &str = r#"
set -e
if [ "$3" = postgres ]; then
    mount -t tmpfs -o "size=$1,mode=0700,uid=$(id -u postgres),gid=$(id -g postgres)" none "$2"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups -- sh -c 'echo ready; exec cat >/dev/null'
fi
mount -t tmpfs -o "size=$1,mode=0700" none "$2"
echo ready
exec cat >/dev/null
"#;

impl SmallDisk {
    /// Makes one of so many bytes.
    ///
    /// # Errors
    /// Where nobody lets this process mount anything, not even in namespaces of its own, with what was said. A test that needs it is then
    /// skipped, and says so.
    pub fn of(bytes: u64) -> Result<Self> {
        let mut why = None;
        for (namespaces, owner) in [(&["--mount"][..], true), (&["--user", "--map-root-user", "--mount"], false)] {
            let to_postgres = owner && process::account("postgres").is_some();
            if owner && !process::is_root() {
                continue;
            }
            match Self::within(namespaces, bytes, if to_postgres { "postgres" } else { "self" }) {
                Ok(made) => return Ok(made),
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| Error::SetUp { program: "unshare".to_owned(), detail: String::new() }))
    }

    fn within(namespaces: &[&str], bytes: u64, owner: &str) -> Result<Self> {
        let folder = process::folder("disk")?;
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", MOUNT, "small-disk"]).arg(bytes.to_string()).arg(folder.path());
        command.arg(owner).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(Error::io("starting unshare"))?;
        let mut line = String::new();
        if let Some(told) = holder.stdout.as_mut() {
            BufReader::new(told).read_line(&mut line).map_err(Error::io("waiting for a small disk"))?;
        }
        // `unshare` becomes the shell, and that the one that waits.
        let within = PathBuf::from(format!("/proc/{}/root{}", holder.id(), folder.path().display()));
        let disk = Self { holder, path: within, _folder: folder };
        if line.trim() == "ready" { Ok(disk) } else { Err(disk.refused()) }
    }

    fn refused(mut self) -> Error {
        let mut detail = String::new();
        if let Some(mut said) = self.holder.stderr.take() {
            let _ = said.read_to_string(&mut detail);
        }
        Error::SetUp { program: "unshare".to_owned(), detail: process::tail(&detail, 500) }
    }

    /// Its uppermost folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all that is free but `leaving` bytes.
    ///
    /// # Errors
    /// As [`fill_disk`].
    pub fn fill(&self, leaving: u64) -> Result<()> {
        fill_disk(&self.path, leaving)
    }

    /// Gives back what [`SmallDisk::fill`] took.
    ///
    /// # Errors
    /// As [`empty_disk`].
    pub fn empty(&self) -> Result<()> {
        empty_disk(&self.path)
    }
}

/// Takes all that is free on the small disk of a folder but `leaving` bytes.
///
/// # Errors
/// When nothing can be written for another reason than that it is full, or it is not small.
pub fn fill_disk(folder: &Path, leaving: u64) -> Result<()> {
    empty_disk(folder)?;
    let mut file = std::fs::File::create(ballast(folder)).map_err(Error::io("filling a small disk"))?;
    let mut taken = 0_u64;
    while taken <= SMALL {
        match file.write(&[0_u8; 4096]) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                return file.set_len(taken.saturating_sub(leaving)).map_err(Error::io("leaving room on a small disk"));
            }
            written => taken += written.map_err(Error::io("filling a small disk"))? as u64,
        }
    }
    empty_disk(folder)?;
    Err(Error::SetUp { program: "filling a disk".to_owned(), detail: format!("{} is not small", folder.display()) })
}

/// Gives back what [`fill_disk`] took.
///
/// # Errors
/// When the system refuses it.
pub fn empty_disk(folder: &Path) -> Result<()> {
    match std::fs::remove_file(ballast(folder)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("emptying a small disk")(error)),
        _ => Ok(()),
    }
}

fn ballast(folder: &Path) -> PathBuf {
    folder.join("ballast")
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
