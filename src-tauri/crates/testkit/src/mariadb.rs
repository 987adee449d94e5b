//! A private MariaDB.
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use crate::process::{self, Server};
use crate::{Error, MARIADB_PASSWORD, Result};

const INSTALL: &str = "sudo apt-get install mariadb-server (Debian/Ubuntu), brew install mariadb (macOS)";
const START_DEADLINE: Duration = Duration::from_secs(40);

/// A MariaDB server of its own: administrator `perfdeck`, database `app`, `performance_schema` on.
#[derive(Debug)]
pub struct MariaDb {
    server: Option<Server>,
    port: u16,
    program: PathBuf,
    options: Vec<String>,
    folder: tempfile::TempDir,
}

impl MariaDb {
    /// Starts a server with the default settings.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further options, such as `--max-connections=10`.
    ///
    /// # Errors
    /// As [`MariaDb::start`]; also for an option that the server refuses.
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let program = process::find_program("mariadbd", &[], INSTALL)
            .or_else(|error| process::find_program("mysqld", &[], INSTALL).map_err(|_| error))?;
        let install = process::find_program("mariadb-install-db", &[], INSTALL)?;
        let folder = process::folder("mariadb")?;
        let mut command = Command::new(install);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            // A server that starts removes the temporary tables that it finds in its folder, also those of another one.
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
            .args(user())
            // Smaller files and no flushing: the data lives for one test.
            .args(["--innodb-log-file-size=8M", "--innodb-flush-method=nosync"]);
        process::run(command).await?;
        let set_up = format!(
            "CREATE DATABASE IF NOT EXISTS app CHARACTER SET utf8mb4;\n\
             CREATE USER IF NOT EXISTS 'perfdeck'@'%' IDENTIFIED BY '{MARIADB_PASSWORD}';\n\
             GRANT ALL PRIVILEGES ON *.* TO 'perfdeck'@'%' WITH GRANT OPTION;\n"
        );
        std::fs::write(folder.path().join("set-up.sql"), set_up).map_err(Error::io("writing the set-up file"))?;
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { server: None, port: 0, program, options, folder };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match server.launch(process::free_port()?).await {
                Ok(()) => return Ok(server),
                // Another process may have taken the port in between.
                Err(Error::NotUp { detail, .. }) if attempts < 5 && detail.contains("ddress already in use") => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn launch(&mut self, port: u16) -> Result<()> {
        let log = self.log_path();
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--tmpdir={}", self.folder.path().display()))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--init-file={}", path("set-up.sql")))
            .arg(format!("--port={port}"))
            .args(user())
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--performance-schema=ON"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-flush-method=nosync"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=8M"])
            .args(&self.options)
            .current_dir(self.folder.path());
        let mut server = Server::spawn(command, &log, self.folder.path(), "TERM")?;
        self.port = port;
        process::until_ready("MariaDB", &mut server, &log, START_DEADLINE, async || {
            // Another test's server may have taken the port first; it would answer to the same password.
            let mut connection = self.connect().await.map_err(|error| error.to_string())?;
            let row = connection.fetch_one("SELECT @@datadir").await.map_err(|error| error.to_string())?;
            let answers: String = row.try_get(0).map_err(|error| error.to_string())?;
            connection.close().await.map_err(|error| error.to_string())?;
            if answers.starts_with(&path("data")) { Ok(()) } else { Err(format!("{answers} answers on its port")) }
        })
        .await?;
        self.server = Some(server);
        Ok(())
    }

    /// Opens a connection to `app` as administrator.
    ///
    /// # Errors
    /// When the server is stopped or out of connections.
    pub async fn connect(&self) -> Result<MySqlConnection> {
        Ok(MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username("perfdeck")
            .password(MARIADB_PASSWORD)
            .database("app")
            .connect()
            .await?)
    }

    /// Runs statements in `app` as administrator; several may be separated by semicolons.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await?;
        Ok(connection.close().await?)
    }

    /// URL of `app` with user and password.
    pub fn url(&self) -> String {
        format!("mariadb://perfdeck:{MARIADB_PASSWORD}@127.0.0.1:{}/app", self.port)
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// File with the server's log.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Ends the server; its data stays for [`MariaDb::restart`].
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts the server again, on the same port and data, stopping it first when it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        self.launch(self.port).await
    }
}

/// The account to run as: MariaDB runs as root only when told to by name.
fn user() -> Option<&'static str> {
    process::is_root().then_some("--user=root")
}
