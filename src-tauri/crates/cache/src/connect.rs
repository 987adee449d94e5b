//! Connections with deadlines, and what their errors mean for a person.
use std::time::Duration;

use perfdeck_model::{ApiError, CacheMode, CacheTarget, ErrorCode, HostPort, Sensitive, TlsMode};
use perfdeck_net::{Part, Trust, Verified};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisConnectionInfo,
    RedisError,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::cluster;
use crate::error::{DEADLINE, is_cut, no_password_given, no_password_set, untrusted};
pub(crate) use crate::error::{explain, silent};
use crate::greeting::why_closed;
use crate::load::servers;
use crate::own::Counted;

/// How the servers of a target are connected to: its parameters, files and secrets understood once.
pub(crate) struct Way {
    redis: RedisConnectionInfo,
    tls: Option<perfdeck_net::Client>,
    /// What was verified, and against what; for a driver that opens its own connections.
    pub(crate) trust: Option<Trust>,
    limit: Option<Duration>,
    /// Whether it stands for an application: what is sent is not counted as Perfdeck's own.
    load: bool,
}

/// Bytes in both directions, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Reads a file that a parameter names.
async fn file(parameter: &str, path: &str) -> Result<Vec<u8>, ApiError> {
    tokio::fs::read(path).await.map_err(|e| {
        ApiError::new(ErrorCode::Tls, format!("The file {path} of {parameter} cannot be read: {e}"))
            .hint(format!("Check the path that {parameter}= names, and whether this account may read it"))
    })
}

impl Way {
    /// Understands a target's address.
    ///
    /// # Errors
    /// For a parameter that is not honoured and for a file that cannot be used.
    pub(crate) async fn to(target: &CacheTarget, password: Option<&Sensitive>) -> Result<Self, ApiError> {
        let address = &target.address;
        let wanted = address.options().map_err(|e| ApiError::bad_request(e.message).hint(e.hint))?;
        // Two commands less for each connection, which servers before 7.2 refuse; its name says whose it is.
        let mut redis = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(user) = &address.username {
            redis = redis.set_username(user);
        }
        // An account without a password signs in too: AUTH user "".
        if let Some(password) = password.map(Sensitive::expose).or(address.username.as_ref().map(|_| "")) {
            redis = redis.set_password(password);
        }
        if target.mode != CacheMode::Cluster && !address.path.is_empty() {
            let number = address.path.parse().map_err(|_| {
                ApiError::bad_request("The address's database number is not a number").hint("Write redis://host:6379/0")
            })?;
            redis = redis.set_db(number);
        }
        let verified = match wanted.tls {
            TlsMode::Disable | TlsMode::Prefer => None,
            TlsMode::Require => Some(Verified::Nothing),
            TlsMode::VerifyCa => Some(Verified::Chain),
            TlsMode::Verify => Some(Verified::ChainAndName),
        };
        let (mut tls, mut trust) = (None, None);
        if let Some(verified) = verified {
            let roots = match &wanted.root {
                Some(path) => Some(file("sslrootcert", path).await?),
                None => None,
            };
            let certificate = match &wanted.certificate {
                Some((certificate, key)) => Some((file("sslcert", certificate).await?, file("sslkey", key).await?)),
                None => None,
            };
            let all = Trust { verified, roots, certificate };
            tls = Some(all.client().map_err(|unfit| {
                let file = match unfit.part {
                    Part::Roots | Part::System => wanted.root.as_deref(),
                    Part::Certificate => wanted.certificate.as_ref().map(|(certificate, _)| certificate.as_str()),
                    Part::Key => wanted.certificate.as_ref().map(|(_, key)| key.as_str()),
                };
                ApiError::new(ErrorCode::Tls, unfit.sentence(file)).hint(unfit.step)
            })?);
            trust = Some(all);
        }
        Ok(Self { redis, tls, trust, limit: wanted.connect_timeout, load: false })
    }

    /// For load, which is an application's and not Perfdeck's own.
    pub(crate) fn for_load(self) -> Self {
        Self { load: true, ..self }
    }

    /// The same for a connection on which a server speaks unasked (RESP 3).
    pub(crate) fn told(mut self) -> Self {
        self.redis = self.redis.set_protocol(redis::ProtocolVersion::RESP3);
        self
    }

    /// Opens a connection to one server. The driver's own TLS knows no certificate that is its own root and no
    /// verification without the name, so that it is given a stream.
    pub(crate) async fn open(
        &self,
        host: &HostPort,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        self.over(self.stream(host).await?, config).await
    }

    /// Opens a connection without signing in.
    pub(crate) async fn stream(&self, host: &HostPort) -> std::io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((host.host.as_str(), host.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(self.counted(stream, host))),
            Some(client) => {
                let name = ServerName::try_from(host.host.clone()).map_err(std::io::Error::other)?;
                let stream = TlsConnector::from(client.config.clone()).connect(name, stream).await?;
                Ok(Box::new(self.counted(stream, host)))
            }
        }
    }

    /// User, password and number of the database.
    pub(crate) fn login(&self) -> (Option<&str>, Option<&str>, i64) {
        (self.redis.username(), self.redis.password(), self.redis.db())
    }

    /// A stream whose commands are counted as Perfdeck's own, unless they are load.
    pub(crate) fn counted<S>(&self, stream: S, host: &HostPort) -> Counted<S> {
        if self.load { Counted::load(stream) } else { Counted::own(stream, host) }
    }

    /// A stream to one server, signed in and named; what is spoken over it is the caller's. Everything that was written has been answered
    /// when it comes.
    pub(crate) async fn spoken(&self, host: &HostPort, purpose: Purpose) -> Result<Box<dyn Stream>, RedisError> {
        let mut stream = self.stream(host).await?;
        let mut commands = Vec::new();
        if let Some(password) = self.redis.password() {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = self.redis.username() {
                auth.arg(user);
            }
            commands.push(auth.arg(password).get_packed_command());
        }
        commands.push(redis::cmd("CLIENT").arg("SETNAME").arg(purpose.name()).get_packed_command());
        for (i, command) in commands.iter().enumerate() {
            stream.write_all(command).await?;
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") && line.len() < 1_000 {
                line.push(stream.read_u8().await?);
            }
            // A server that forbids naming a connection still serves.
            if line.starts_with(b"-") && i + 1 < commands.len() {
                let parsed = redis::parse_redis_value(&line)?;
                if let redis::Value::ServerError(error) = parsed {
                    return Err(error.into());
                }
            }
        }
        Ok(stream)
    }

    async fn over<S>(&self, stream: S, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let setup = MultiplexedConnection::new_with_config(&self.redis, stream, config);
        let (connection, driver) = setup.await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    /// A server for the driver that opens its own connections.
    pub(crate) fn node(&self, host: &HostPort) -> Result<ConnectionInfo, RedisError> {
        let (name, port) = (host.host.clone(), host.port);
        let address = match &self.trust {
            None => ConnectionAddr::Tcp(name, port),
            Some(trust) => ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: trust.verified == Verified::Nothing,
                tls_params: None,
            },
        };
        address.into_connection_info().map(|info| info.set_redis_settings(self.redis.clone()))
    }

    /// Whether the last server's certificate was its own root.
    pub(crate) fn own_root(&self) -> bool {
        self.tls.as_ref().is_some_and(perfdeck_net::Client::own_root)
    }

    /// What a server that could not be signed in to means.
    pub(crate) async fn explained(
        &self,
        target: &CacheTarget,
        host: &HostPort,
        password: Option<&Sensitive>,
        error: &RedisError,
    ) -> ApiError {
        if let Some(why) = perfdeck_net::cause(error) {
            let shown = self.tls.as_ref().and_then(perfdeck_net::Client::shown);
            return untrusted(target, host, why, shown.as_ref());
        }
        if matches!(error.kind(), ErrorKind::AuthenticationFailed) {
            if password.is_none_or(|p| p.expose().is_empty()) {
                return no_password_given(host);
            }
            // The driver keeps the server's words to itself: it says the same of a server that asks for no password.
            if target.address.username.is_none() && self.opens_without_password(host).await {
                return no_password_set(host);
            }
        }
        if is_cut(error)
            && let Some(told) = why_closed(target, host).await
        {
            return told;
        }
        explain(target, host, error)
    }

    /// Whether the server serves clients that give no password.
    async fn opens_without_password(&self, host: &HostPort) -> bool {
        let work = async {
            let bare = Self {
                redis: RedisConnectionInfo::default(),
                tls: self.tls.clone(),
                trust: None,
                limit: self.limit,
                load: false,
            };
            let config = AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
            let mut connection = bare.open(host, config).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        matches!(tokio::time::timeout(DEADLINE, work).await, Ok(Ok(())))
    }

    /// Longest time to connect to a server; `usual` where the address names none.
    pub(crate) fn limit(&self, usual: Duration) -> Duration {
        self.limit.unwrap_or(usual)
    }
}

/// What a connection is for. Each purpose has connections of its own: answers of one come in order, so that a scan would keep a reading
/// waiting. A server shows their names in its client list and its slow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Readings once a second, and looks at what the server tells of itself.
    Monitoring,
    /// A scan of the key space.
    Scan,
    /// A round trip beside a scan, to see what the scan costs others.
    Probe,
    /// Keys and values that a person looks at.
    Keys,
    /// What alters keys.
    Change,
    /// Every command that the server does, for a short time.
    Watch,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [Self::Monitoring, Self::Scan, Self::Probe, Self::Keys, Self::Change, Self::Watch];

    /// Name that a connection of this purpose has at the server.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitoring => "perfdeck",
            Self::Scan => "perfdeck-scan",
            Self::Probe => "perfdeck-probe",
            Self::Keys => "perfdeck-keys",
            Self::Change => "perfdeck-change",
            Self::Watch => "perfdeck-watch",
        }
    }
}

/// Connects to one server for monitoring.
pub(crate) async fn connect(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
) -> Result<MultiplexedConnection, ApiError> {
    connect_as(target, host, password, Purpose::Monitoring).await
}

/// Connects for a purpose to the server of a cache, the primary that Sentinels name, or the first primary of a cluster.
///
/// # Errors
/// As a connection test would say it.
pub async fn opened_as(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    purpose: Purpose,
) -> Result<MultiplexedConnection, ApiError> {
    let servers = servers(target, password).await?;
    let Some(first) = servers.first() else { return Err(ApiError::bad_request("The cache's address names no host")) };
    connect_as(target, first, password, purpose).await
}

/// Connects to one server.
pub(crate) async fn connect_as(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
    purpose: Purpose,
) -> Result<MultiplexedConnection, ApiError> {
    connect_within(target, host, password, purpose, DEADLINE).await
}

/// The same, where an answer may take as long as `reply`.
pub(crate) async fn connect_within(
    target: &CacheTarget,
    host: &HostPort,
    password: Option<&Sensitive>,
    purpose: Purpose,
    reply: Duration,
) -> Result<MultiplexedConnection, ApiError> {
    let way = Way::to(target, password).await?;
    let limit = way.limit(DEADLINE);
    let work = async {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(reply));
        let mut connection = way.open(host, config).await?;
        // A server that forbids naming a connection still serves; one that closes it instead has been opened without a word until here.
        let named = redis::cmd("CLIENT").arg("SETNAME").arg(purpose.name()).exec_async(&mut connection).await;
        match named {
            Err(error) if is_cut(&error) => Err(error),
            _ => Ok(connection),
        }
    };
    let outcome = tokio::time::timeout(way.limit(DEADLINE + Duration::from_millis(500)), work).await;
    match outcome {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            tracing::debug!(target: "perfdeck::cache", %host, "connecting failed: {error}");
            Err(way.explained(target, host, password, &error).await)
        }
        Err(_) => Err(silent(host, limit)),
    }
}

/// An error of signing in at a Sentinel, whose password is often another one.
fn sentinels_own(error: ApiError, sentinel: &HostPort) -> ApiError {
    if error.code != ErrorCode::Authentication || error.message == no_password_set(sentinel).message {
        return error;
    }
    ApiError::new(ErrorCode::Authentication, format!("The Sentinel {sentinel} refused the password, or needs one of its own"))
        .hint("Give the Sentinels' password as ?sentinel_password=…, with ?sentinel_username=… for an account; it is taken out and kept with the secrets")
}

/// The primary that Sentinels name.
pub(crate) async fn primary(target: &CacheTarget, password: Option<&Sensitive>) -> Result<HostPort, ApiError> {
    let name = target.sentinel_master.clone().unwrap_or_default();
    let mut last = None;
    for sentinel in &target.address.hosts {
        let mut open = target.clone();
        open.address.path = String::new();
        open.address.username = target.address.params.get("sentinel_username").cloned();
        let own = target.sentinel_secret.as_ref();
        let connection = if own.is_some() || open.address.username.is_some() {
            connect(&open, sentinel, own).await.map_err(|e| sentinels_own(e, sentinel))
        } else {
            // Sentinels often have no password, and sometimes that of the primary.
            match connect(&open, sentinel, None).await {
                Err(e) if e.code == ErrorCode::Authentication => {
                    connect(&open, sentinel, password).await.map_err(|e| sentinels_own(e, sentinel))
                }
                outcome => outcome,
            }
        };
        let found: Result<Option<(String, u16)>, ApiError> = match connection {
            Ok(mut c) => redis::cmd("SENTINEL")
                .arg("get-master-addr-by-name")
                .arg(&name)
                .query_async(&mut c)
                .await
                .map_err(|e| sentinels_own(explain(target, sentinel, &e), sentinel)),
            Err(e) => Err(e),
        };
        match found {
            Ok(Some((host, port))) => return Ok(HostPort { host, port }),
            Ok(None) => {
                last =
                    Some(ApiError::not_found(format!("{sentinel} knows no primary '{name}'")).hint("Check ?master="));
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| ApiError::bad_request("The address names no Sentinel")))
}

/// The primaries of a cluster, from the first seed that answers.
pub(crate) async fn primaries(target: &CacheTarget, password: Option<&Sensitive>) -> Result<Vec<HostPort>, ApiError> {
    let mut last = None;
    for seed in &target.address.hosts {
        let found = match connect(target, seed, password).await {
            Ok(mut c) => cluster::nodes(&mut c, seed).await.map_err(|e| explain(target, seed, &e)),
            Err(e) => Err(e),
        };
        match found {
            Ok(nodes) => {
                let all: Vec<HostPort> = nodes.into_iter().filter(|n| n.owns && !n.missed).map(|n| n.at).collect();
                if !all.is_empty() {
                    return Ok(all);
                }
                last =
                    Some(ApiError::new(ErrorCode::Unsupported, format!("{seed} is not part of a cluster with slots")));
            }
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| ApiError::bad_request("The address names no cluster node")))
}
