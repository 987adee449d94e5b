//! The command line of benchmarks.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use perfdeck_engine::compare::BenchMetric;
use perfdeck_model::{Header, Method};

use crate::args::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Request one URL over many connections
    Http(Box<BenchHttp>),
    /// Run SQL statements over many connections; an open loop counts latency from the scheduled start, as pgbench does
    Sql(Box<BenchSql>),
    /// Run commands on a cache over many connections
    Cache(Box<BenchCache>),
    /// Hold two stored runs against each other; indicative, for one run a side proves nothing
    Compare {
        /// Before, or the reference: a run's identifier
        a: String,
        /// After, or the candidate
        b: String,
        /// What may differ between them because it is the change, such as setting.database.work_mem or 'setting.*'; may be
        /// repeated
        #[arg(long, value_name = "FACT")]
        changed: Vec<String>,
    },
    /// Prove a difference: interleaved pairs of runs in random order, with a verdict
    Duet(Box<BenchDuet>),
    /// Run a plan; exits with 3 when a threshold does not hold
    Run(BenchPlan),
    /// Write what k6 or Locust needs to run a plan's HTTP steps on several machines
    Export(BenchExport),
    /// Read the results of k6 or Locust as a run
    Import(BenchImport),
    /// Check, import and describe plans
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Find the highest concurrency that keeps an objective, and what limits it
    Knee(Box<BenchKnee>),
}

#[derive(Debug, Args)]
pub(crate) struct BenchPlan {
    /// Plan file (TOML)
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) at: RunAt,
    /// Generator threads
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
}

/// Which environment a run belongs to, and what its guards ask for.
#[derive(Debug, Args)]
pub(crate) struct RunAt {
    /// Environment the run belongs to; its targets are sampled during the run and its guards hold
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// Allow what writes in a read-only environment, for this run
    #[arg(long, requires = "env")]
    pub(crate) unlock: bool,
    /// Name of the run
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// How the statements of a database or the commands of a cache are started.
#[derive(Debug, Args)]
pub(crate) struct PaceArgs {
    /// Connections held open
    #[arg(short, long, value_name = "N", default_value_t = 8)]
    pub(crate) connections: u32,
    /// Measured time
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Starts per second over all connections (open loop); as fast as answers come when absent
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Random starts at that rate, as from many independent users, instead of evenly spaced ones
    #[arg(long, requires = "rate")]
    pub(crate) poisson: bool,
    /// Leave out starts that are later than this, and count them as errors
    #[arg(long, value_name = "TIME", requires = "rate", value_parser = duration)]
    pub(crate) late_limit: Option<Duration>,
    /// Generator threads
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Time before measuring, excluded from every figure
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Deadline of one statement or command
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u32,
    /// What must hold at the end, such as 'p99<5ms'; may be repeated; exits with 3 when one does not
    #[arg(long = "threshold", value_name = "THRESHOLD")]
    pub(crate) thresholds: Vec<String>,
}

/// How statements are sent.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// Value of the next parameter, of the type that the server gives it: a value, null, text:null for the word, uniform:1..1000,
    /// zipf:1000 or sequence:1..1000; may be repeated. With --script, of its only statement that has any
    #[arg(long = "param", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) params: Vec<String>,
    /// Send the statement anew each time instead of preparing it once per connection
    #[arg(long)]
    pub(crate) simple: bool,
    /// Each statement in a transaction of its own
    #[arg(long)]
    pub(crate) transaction: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchSql {
    /// A statement, with $1 (PostgreSQL, SQLite) or ? (MySQL, MariaDB, SQLite) for parameters
    #[arg(long, value_name = "SQL", required_unless_present = "script", conflicts_with = "script")]
    pub(crate) sql: Option<String>,
    /// File of statements, each ended by a semicolon; all of them are one transaction with a time and a rate of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: SqlArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) at: RunAt,
}

#[derive(Debug, Args)]
pub(crate) struct BenchCache {
    /// Commands with their weights; get, set, del, incr, or any other with the key as its only argument
    #[arg(long, value_name = "MIX", default_value = "get=9,set=1")]
    pub(crate) mix: String,
    /// Different keys
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) keys: u64,
    /// Exponent of a Zipf distribution of the keys; evenly drawn when absent
    #[arg(long, value_name = "S")]
    pub(crate) zipf: Option<f64>,
    /// What keys begin with
    #[arg(long, value_name = "TEXT", default_value = "perfdeck:bench:")]
    pub(crate) prefix: String,
    /// Bytes of a value that is set
    #[arg(long, value_name = "B", default_value_t = 100)]
    pub(crate) value_size: u32,
    /// Commands under way per connection
    #[arg(long, value_name = "P", default_value_t = 1)]
    pub(crate) pipeline: u32,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) at: RunAt,
}

/// A load generator that runs on several machines.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Other {
    /// k6, or its Kubernetes operator
    K6,
    /// Locust
    Locust,
}

#[derive(Debug, Args)]
pub(crate) struct BenchExport {
    /// Plan file (TOML)
    pub(crate) plan: PathBuf,
    /// For which engine
    #[arg(long, value_name = "ENGINE")]
    pub(crate) to: Other,
    /// Folder to write to; made when it does not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Environment whose API's address the paths are added to
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchImport {
    /// Which engine wrote them
    pub(crate) from: Other,
    /// k6: the files of --out csv or --out json, one per machine. Locust: perfdeck.ndjson, or the files of --csv
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Environment the run belongs to
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Name of the run
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Read a plan and name everything that is wrong with it
    Check {
        /// Plan file (TOML)
        plan: PathBuf,
    },
    /// Make a plan of what other tools wrote; the plan goes to stdout, what was left out to stderr
    Import {
        /// What the file is
        kind: PlanSource,
        /// The file; - reads stdin
        file: PathBuf,
    },
    /// Write the JSON Schema of plans to stdout
    Schema,
}

/// What a plan can be made of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum PlanSource {
    /// A curl command, as browsers copy it
    Curl,
    /// An OpenAPI 3 description in JSON
    Openapi,
    /// A HAR recording
    Har,
    /// An access log in the common or combined format, or in JSON
    AccessLog,
}

#[derive(Debug, Args)]
pub(crate) struct BenchKnee {
    /// Full URL, or a plan file (TOML)
    pub(crate) target: String,
    /// The objective, such as 'p99<50ms'; more than 0.1 % errors fail it too
    #[arg(long, value_name = "SLO")]
    pub(crate) slo: String,
    /// Highest concurrency
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub(crate) max: u32,
    /// Measured time of a step
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) step: Duration,
    /// Measured time of the confirmation
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) confirm_for: Duration,
    /// Time before measuring in each step, excluded from every figure
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Generator threads
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Request method
    #[arg(long, value_name = "METHOD", default_value = "GET", value_parser = method)]
    pub(crate) method: Method,
    /// Request header, as 'Name: value'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<Header>,
    /// Deadline of one request
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Accept any TLS certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// File of the client's certificate (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// File of its private key (PEM); that of --cert when absent
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Environment whose resources are watched; its guards hold
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchDuet {
    /// URL of A (before, or the reference), or a plan file (TOML) that runs against both environments
    pub(crate) target_a: String,
    /// URL of B (after, or the candidate); may be absent for a plan, and with hooks, which switch one target between its
    /// two states
    pub(crate) url_b: Option<String>,
    /// Environment of A's runs
    #[arg(long, value_name = "ENV")]
    pub(crate) a: Option<String>,
    /// Environment of B's runs
    #[arg(long, value_name = "ENV")]
    pub(crate) b: Option<String>,
    /// Pairs at most: 6 to 100; above 10 it stops early when the result is clear
    #[arg(long, value_name = "K", default_value_t = 10)]
    pub(crate) pairs: u32,
    /// Seed of the order within pairs
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Run A against itself: what differs is noise, and widens the band of later `bench compare`s of the same work
    #[arg(long, conflicts_with_all = ["url_b", "hook_a", "hook_b", "b"])]
    pub(crate) noise: bool,
    /// Rest between two runs
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) rest: Duration,
    /// Command that brings the target into state A, run before each run of A; split at spaces
    #[arg(long, value_name = "COMMAND")]
    pub(crate) hook_a: Option<String>,
    /// Command that brings the target into state B
    #[arg(long, value_name = "COMMAND")]
    pub(crate) hook_b: Option<String>,
    /// What the two sides may differ in because it is the change: request, headers, body, plan, load, connections, duration,
    /// scheme, or a fact of the targets such as 'data.*'; may be repeated
    #[arg(long, value_name = "FACT")]
    pub(crate) changed: Vec<String>,
    /// What decides the verdict: throughput, p50, p90, p95, p99 or p999; may be repeated [default: throughput, or with --rate
    /// p50 and p99]
    #[arg(long = "metric", value_name = "METRIC", value_parser = metric)]
    pub(crate) metrics: Vec<BenchMetric>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// An environment's name again, or a host's, where a guard asks for it; twice when both sides do
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Vec<String>,
    /// Name of the comparison
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// What a request to a URL is.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// Request method [default: GET, and POST with --body]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    pub(crate) method: Option<Method>,
    /// Request header, as 'Name: value'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<Header>,
    /// Request body, or @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,
    /// Deadline of one request
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Accept any TLS certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// File of the client's certificate (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// File of its private key (PEM); that of --cert when absent
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// What each request is and how requests are started.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Connections held open
    #[arg(short, long, value_name = "N", default_value_t = 32)]
    pub(crate) connections: u32,
    /// Measured time
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Requests per second over all connections (open loop); as fast as answers come when absent
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Generator threads
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Time before measuring, excluded from every figure
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchHttp {
    /// Full URL
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// What must hold at the end, such as 'p99<50ms'; may be repeated; exits with 3 when one does not
    #[arg(long = "threshold", value_name = "THRESHOLD")]
    pub(crate) thresholds: Vec<String>,
    #[command(flatten)]
    pub(crate) at: RunAt,
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "it is not a number of starts per second from 0.001 to 1000000".to_owned())
}

fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| format!("it is not a method: use {}", Method::ALL.map(Method::as_str).join(", ")))
}

fn metric(text: &str) -> Result<BenchMetric, String> {
    let name = text.replace('.', "");
    let found = BenchMetric::ALL.into_iter().find(|m| m.name() == name);
    found.ok_or_else(|| format!("'{text}' decides nothing: use {}", BenchMetric::ALL.map(BenchMetric::name).join(", ")))
}

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write a header as 'Name: value'")?;
    Ok(Header { name: name.trim().to_owned(), value: value.trim().to_owned() })
}
