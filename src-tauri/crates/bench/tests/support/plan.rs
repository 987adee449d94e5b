//! A way to run a plan against targets that a test has started.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perfdeck_bench::{
    AbortSwitch, CacheConnection, CacheWire, Finished, OpensTargets, Resources, RunContext, SqlConnection, prepare,
    run_plan, variables,
};
use perfdeck_model::{ApiError, BenchLive, BoxFuture, ErrorCode, Machine, Run, SystemClock};
use perfdeck_plan::{Plan, from_toml};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

/// The database and the cache of a test.
#[derive(Default, Clone)]
pub(crate) struct TestTargets {
    pub(crate) sql: Option<String>,
    pub(crate) cache: Option<Vec<String>>,
    /// Whether the raw engine may take the cache's commands.
    pub(crate) raw: bool,
}

fn refused(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Unreachable, error.to_string())
}

impl OpensTargets for TestTargets {
    fn sql(&self) -> BoxFuture<'_, Result<SqlConnection, ApiError>> {
        Box::pin(async {
            let url = self.sql.as_deref().ok_or_else(|| refused(&"no database"))?;
            Ok(match url.split(':').next() {
                Some("postgres") => {
                    let url = url::Url::parse(url).map_err(|e| refused(&e))?;
                    let decoded =
                        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
                    let options = perfdeck_pgload::Options {
                        host: perfdeck_pgload::Host::Tcp(
                            url.host_str().unwrap_or_default().to_owned(),
                            url.port().unwrap_or(5432),
                        ),
                        user: decoded(url.username()),
                        password: url.password().map(decoded),
                        database: Some(url.path().trim_start_matches('/').to_owned()),
                        tls: None,
                        parameters: Vec::new(),
                    };
                    SqlConnection::Postgres(perfdeck_pgload::Client::connect(&options).await.map_err(|e| refused(&e))?)
                }
                Some("mysql" | "mariadb") => {
                    SqlConnection::Mysql(sqlx::MySqlConnection::connect(url).await.map_err(|e| refused(&e))?)
                }
                _ => SqlConnection::Sqlite(sqlx::SqliteConnection::connect(url).await.map_err(|e| refused(&e))?),
            })
        })
    }

    fn cache(&self) -> BoxFuture<'_, Result<CacheConnection, ApiError>> {
        Box::pin(async {
            let urls = self.cache.clone().ok_or_else(|| refused(&"no cache"))?;
            Ok(match urls.as_slice() {
                [url] => {
                    let client = redis::Client::open(url.as_str()).map_err(|e| refused(&e))?;
                    // Tests share a machine with others; what they measure is not how fast it connects.
                    let patient = redis::AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(Duration::from_secs(20)))
                        .set_response_timeout(Some(Duration::from_secs(20)));
                    let open = client.get_multiplexed_async_connection_with_config(&patient);
                    CacheConnection::Single(open.await.map_err(|e| refused(&e))?)
                }
                _ => {
                    let client = redis::cluster::ClusterClient::new(urls).map_err(|e| refused(&e))?;
                    CacheConnection::Cluster(client.get_async_connection().await.map_err(|e| refused(&e))?)
                }
            })
        })
    }

    fn cache_wire(&self) -> BoxFuture<'_, Result<Option<CacheWire>, ApiError>> {
        Box::pin(async {
            let urls = self.cache.clone().ok_or_else(|| refused(&"no cache"))?;
            let nodes = urls.iter().filter_map(|url| url.rsplit_once("127.0.0.1:")).filter_map(|(_, rest)| {
                let port = rest.split('/').next()?.parse().ok()?;
                Some(std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)))
            });
            let (nodes, cluster) = (nodes.collect(), urls.len() > 1);
            let wire = CacheWire { nodes, cluster, username: None, password: None, database: 0 };
            Ok(self.raw.then_some(wire))
        })
    }

    fn addresses(&self, _: bool, _: bool) -> BoxFuture<'_, Result<Vec<std::net::IpAddr>, ApiError>> {
        Box::pin(async { Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()]) })
    }
}

/// What a plan runs with in a test.
pub(crate) struct Setting {
    pub(crate) api: Option<String>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) targets: TestTargets,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cancel: CancellationToken,
    pub(crate) live: Arc<Mutex<Vec<BenchLive>>>,
}

impl Setting {
    pub(crate) fn at(api: &str) -> Self {
        Self { api: Some(api.to_owned()), ..Self::of(TestTargets::default()) }
    }

    pub(crate) fn of(targets: TestTargets) -> Self {
        Self {
            api: None,
            files: BTreeMap::new(),
            targets,
            env: BTreeMap::new(),
            cancel: CancellationToken::new(),
            live: Arc::default(),
        }
    }

    fn resources(&self, plan: &Plan) -> Result<Resources, ApiError> {
        let variables = variables(plan, |name| self.env.get(name).cloned())?;
        let (files, targets) = (Arc::new(self.files.clone()), Arc::new(self.targets.clone()));
        Ok(Resources::new(self.api.clone(), variables, files, Some(targets)))
    }

    /// Runs a plan; an error is what kept it from beginning.
    pub(crate) async fn try_run(&self, toml: &str) -> Result<Finished, ApiError> {
        let plan = from_toml(toml).unwrap_or_else(|e| panic!("{e}"));
        let prepared = prepare(&plan, &self.resources(&plan)?).await?;
        let context = RunContext {
            run_id: "r".into(),
            name: plan.name.clone(),
            environment_id: None,
            environment_name: None,
            machine: Machine::default(),
            clock: Arc::new(SystemClock),
            max_error_share: None,
            abort: AbortSwitch::default(),
            addresses: None,
        };
        let live = self.live.clone();
        let progress = move |frame: BenchLive| live.lock().expect("lock").push(frame);
        // No test may hang, whatever the engine does.
        let run = run_plan(prepared, context, progress, self.cancel.clone());
        Ok(tokio::time::timeout(Duration::from_secs(60), run).await.expect("a run ends")?)
    }

    pub(crate) async fn run(&self, toml: &str) -> Run {
        self.try_run(toml).await.unwrap_or_else(|e| panic!("{}", e.message)).run
    }
}
