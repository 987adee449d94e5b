//! What a plan needs besides itself: the environment's targets, its variables and its files.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{ApiError, BoxFuture};
use perfdeck_sqltext::Dialect;

use perfdeck_plan::{Feed, FeedError, FeedSpec, Files, open_feed};

/// A connection that SQL steps use.
pub enum SqlConnection {
    /// PostgreSQL.
    Postgres(perfdeck_pgload::Client),
    /// MySQL or MariaDB.
    Mysql(sqlx::MySqlConnection),
    /// SQLite.
    Sqlite(sqlx::SqliteConnection),
}

/// A connection that cache steps use.
pub enum CacheConnection {
    /// To one server.
    Single(redis::aio::MultiplexedConnection),
    /// To a cluster.
    Cluster(redis::cluster_async::ClusterConnection),
}

/// Where commands of a cache go when nothing but its protocol is needed: no TLS.
pub struct CacheWire {
    /// Addresses of the one server, or of some nodes of the cluster.
    pub nodes: Vec<std::net::SocketAddr>,
    /// Whether it is a cluster.
    pub cluster: bool,
    /// A user of the access control list; the default one when absent.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Number of the database; a cluster has only 0.
    pub database: u32,
}

/// Opens connections to the targets of an environment, on the runtime that asks for them.
pub trait OpensTargets: Send + Sync {
    /// A new connection to the database.
    ///
    /// # Errors
    /// When there is none, or it cannot be reached.
    fn sql(&self) -> BoxFuture<'_, Result<SqlConnection, ApiError>>;

    /// Whose rules the database's statements follow; `None` when it is not known.
    fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// A new connection to the cache.
    ///
    /// # Errors
    /// When there is none, or it cannot be reached.
    fn cache(&self) -> BoxFuture<'_, Result<CacheConnection, ApiError>>;

    /// The cache for an engine that speaks its protocol itself; `None` where it needs TLS.
    ///
    /// # Errors
    /// When there is none, or its name cannot be resolved.
    fn cache_wire(&self) -> BoxFuture<'_, Result<Option<CacheWire>, ApiError>>;

    /// Hosts and addresses that SQL and cache steps send load to, by role.
    ///
    /// # Errors
    /// When a name cannot be resolved.
    fn addresses(&self, sql: bool, cache: bool) -> BoxFuture<'_, Result<Vec<std::net::IpAddr>, ApiError>>;
}

/// Feeds by name, with what they were opened for.
type Opened = BTreeMap<String, (FeedSpec, Arc<Feed>)>;

/// What a plan needs besides itself.
#[derive(Clone)]
pub struct Resources {
    /// The environment's API, which paths are added to where the plan has no base URL.
    pub api: Option<String>,
    /// Values of the variables that the plan refers to as `env:NAME`.
    pub variables: BTreeMap<String, String>,
    /// Where its feeds read their files.
    pub files: Arc<dyn Files + Send + Sync>,
    /// The environment's database and cache.
    pub targets: Option<Arc<dyn OpensTargets>>,
    /// Feeds that were read, by name: once for each start of a plan, however often it is looked at until then.
    feeds: Arc<Mutex<Opened>>,
}

impl Resources {
    /// What a plan needs; its feeds are read when they are first asked for.
    pub fn new(
        api: Option<String>,
        variables: BTreeMap<String, String>,
        files: Arc<dyn Files + Send + Sync>,
        targets: Option<Arc<dyn OpensTargets>>,
    ) -> Self {
        Self { api, variables, files, targets, feeds: Arc::default() }
    }

    /// Reads a feed, or answers what was read before.
    ///
    /// # Errors
    /// As [`open_feed`].
    pub(crate) fn open(&self, spec: &FeedSpec) -> Result<Arc<Feed>, FeedError> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, feed)) = feeds.get(&spec.name).filter(|(read, _)| read == spec) {
            return Ok(feed.clone());
        }
        let feed = open_feed(spec, &*self.files)?;
        feeds.insert(spec.name.clone(), (spec.clone(), feed.clone()));
        Ok(feed)
    }
}
