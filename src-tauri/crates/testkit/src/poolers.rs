//! What stands between clients and a PostgreSQL: PgBouncer, and HAProxy in TCP mode.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::postgres::{as_postgres, give_to_postgres};
use crate::process::{self, Server};
use crate::{Error, POSTGRES_PASSWORD, Postgres, Result};

const START_DEADLINE: Duration = Duration::from_secs(15);

/// A PgBouncer of its own before a [`Postgres`], with its database `app`, its superuser, who is its administrator, and a user
/// `reader` with the same password, who is not and whom a test creates where it needs it.
#[derive(Debug)]
pub struct PgBouncer {
    _server: Server,
    port: u16,
    folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts one with further settings, such as `("pool_mode", "transaction")` and `("default_pool_size", "4")`; all
    /// others are PgBouncer's defaults.
    ///
    /// # Errors
    /// When PgBouncer is not installed, refuses a setting, or does not come up.
    pub async fn start(postgres: &Postgres, settings: &[(&str, &str)]) -> Result<Self> {
        let install = "sudo apt-get install pgbouncer (Debian/Ubuntu), brew install pgbouncer (macOS)";
        let program = process::find_program("pgbouncer", &[], install)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::launch(&program, postgres, settings, process::free_port()?).await {
                // Another process may have taken the port in between.
                Err(Error::NotUp { detail, .. }) if attempts < 5 && detail.contains("ddress already in use") => {}
                other => return other,
            }
        }
    }

    async fn launch(program: &Path, postgres: &Postgres, settings: &[(&str, &str)], port: u16) -> Result<Self> {
        let folder = process::folder("pgbouncer")?;
        let (users, config) = (folder.path().join("users.txt"), folder.path().join("pgbouncer.ini"));
        let mut text = format!(
            "[databases]\napp = host=127.0.0.1 port={} dbname=app\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\nadmin_users = perfdeck\n",
            postgres.port(),
            users.display()
        );
        for (name, value) in settings {
            text.push_str(&format!("{name} = {value}\n"));
        }
        std::fs::write(&config, text).map_err(Error::io("writing PgBouncer's settings"))?;
        let passwords = format!("\"perfdeck\" \"{POSTGRES_PASSWORD}\"\n\"reader\" \"{POSTGRES_PASSWORD}\"\n");
        std::fs::write(&users, passwords).map_err(Error::io("writing PgBouncer's users"))?;
        // It refuses to run as root, as PostgreSQL does.
        for path in [folder.path(), &users, &config] {
            give_to_postgres(path)?;
        }
        let log = folder.path().join("server.log");
        let mut command = as_postgres(program);
        command.arg(&config).current_dir(folder.path());
        let mut server = Server::spawn(command, &log, folder.path(), "QUIT")?;
        process::until_ready("PgBouncer", &mut server, &log, START_DEADLINE, async || {
            // Its own console: no server connection is opened.
            let mut console = connect(port, "pgbouncer").await.map_err(|e| e.to_string())?;
            sqlx::raw_sql("SHOW VERSION").execute(&mut console).await.map_err(|e| e.to_string())?;
            console.close().await.map_err(|e| e.to_string())
        })
        .await?;
        Ok(Self { _server: server, port, folder })
    }

    /// URL of `app` with user and password.
    pub fn url(&self) -> String {
        format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{}/app", self.port)
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens a connection as a client that sets as little as it can.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(connect(self.port, "app").await?)
    }

    /// File with its log.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

async fn connect(port: u16, database: &str) -> std::result::Result<PgConnection, sqlx::Error> {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("perfdeck")
        .password(POSTGRES_PASSWORD)
        .database(database)
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .connect()
        .await
}

/// An HAProxy of its own that hands TCP connections on to one port.
#[derive(Debug)]
pub struct HaProxy {
    _server: Server,
    port: u16,
    _folder: tempfile::TempDir,
}

impl HaProxy {
    /// Starts one before `target`, a port on 127.0.0.1.
    ///
    /// # Errors
    /// When HAProxy is not installed or does not come up.
    pub async fn start(target: u16) -> Result<Self> {
        let install = "sudo apt-get install haproxy (Debian/Ubuntu), brew install haproxy (macOS)";
        let program = process::find_program("haproxy", &[], install)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::launch(&program, target, process::free_port()?).await {
                Err(Error::NotUp { detail, .. })
                    if attempts < 5 && (detail.contains("in use") || detail.contains("cannot bind")) => {}
                other => return other,
            }
        }
    }

    async fn launch(program: &Path, target: u16, port: u16) -> Result<Self> {
        let folder = process::folder("haproxy")?;
        let config = folder.path().join("haproxy.cfg");
        let text = format!(
            "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
             listen database\n    bind 127.0.0.1:{port}\n    server one 127.0.0.1:{target}\n"
        );
        std::fs::write(&config, text).map_err(Error::io("writing HAProxy's settings"))?;
        let log = folder.path().join("server.log");
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&config).current_dir(folder.path());
        let mut server = Server::spawn(command, &log, folder.path(), "TERM")?;
        process::until_ready("HAProxy", &mut server, &log, START_DEADLINE, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|e| e.to_string())
        })
        .await?;
        Ok(Self { _server: server, port, _folder: folder })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A port that lets each connection through to a server on this machine, but late.
#[derive(Debug)]
pub struct SlowDoor {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SlowDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SlowDoor {
    /// Opens one before `target`, a port on 127.0.0.1. It accepts at once and is silent for `delay`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(target: u16, delay: Duration) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("a port"))?;
        let port = listener.local_addr().map_err(Error::io("a port"))?.port();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    if let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", target)).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Self { port, task })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A port that lets connections through to a server on this machine and cuts each off in the middle of the server's answers.
#[derive(Debug)]
pub struct CuttingDoor {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for CuttingDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CuttingDoor {
    /// Opens one before `target`, a port on 127.0.0.1. Of each connection `after` bytes of the server's answers pass.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(target: u16, after: u64) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("a port"))?;
        let port = listener.local_addr().map_err(Error::io("a port"))?.port();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(far) = tokio::net::TcpStream::connect(("127.0.0.1", target)).await else { return };
                    let ((mut asks, mut hears), (answers, mut asked)) = (near.into_split(), far.into_split());
                    let mut answers = tokio::io::AsyncReadExt::take(answers, after);
                    // Whichever ends first ends both.
                    tokio::select! {
                        _ = tokio::io::copy(&mut asks, &mut asked) => {}
                        _ = tokio::io::copy(&mut answers, &mut hears) => {}
                    }
                });
            }
        });
        Ok(Self { port, task })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}
