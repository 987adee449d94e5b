//! The command line of databases.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use perfdeck_engine::cost::USUAL_PAIRS;
use perfdeck_engine::pool_size::USUAL_REPETITIONS;

use crate::args::duration;
use crate::bench::args::{RequestArgs, RunAt, SqlArgs, rate};
use crate::changes::args::Allow;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Sessions and what they do, without literals, and the maintenance that runs
    Activity {
        /// List idle sessions too; JSON has them always
        #[arg(long)]
        all: bool,
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Who waits for whom, with what would end it
    Locks {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Pools of the applications as the database sees them, those of a pooler, and Perfdeck's own
    ///
    /// How many callers wait inside an application is known to that application alone; PgBouncer tells its own. Churn needs
    /// readings of at least 10 s.
    #[command(args_conflicts_with_subcommands = true)]
    Pool {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        /// Read once a second for so long, to tell how often sessions begin and end [example: 30s]
        #[arg(long = "for", value_name = "TIME", value_parser = crate::args::duration)]
        time: Option<std::time::Duration>,
        #[command(subcommand)]
        size: Option<PoolCommand>,
    },
    /// Check the health: reachable, latency, connections, replication, transaction numbers, archive, settings
    ///
    /// Exit codes: 0 everything that can be known is fine or a warning, 3 a check fails, 4 a check could not be made.
    Health {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Cancel the statement that a session runs; the session stays
    Cancel(End),
    /// End a session; its open transaction is rolled back
    Terminate(End),
    /// Statements that took the database's time, heaviest first, without their literals
    ///
    /// From the history that is kept while a window, `serve` or `monitor` watches the environment. Where it has nothing of
    /// the time that is asked for, two readings are taken now.
    Statements(StatementsArgs),
    /// Sizes of tables and indexes, largest first, with rows, bloat, and what sequential scans read
    Sizes {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        /// Tables to show, the largest first
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        top: u32,
        /// What to rank tables by, and which figures to show
        #[arg(long, value_enum, default_value_t = SizesBy::Size)]
        by: SizesBy,
        /// Show the indexes of each table too
        #[arg(long)]
        indexes: bool,
    },
    /// What is wrong with indexes, by rank: duplicate, redundant, invalid, unused, bloated, missing behind a foreign key
    ///
    /// Each finding has its evidence and the statement that follows from it; nothing is altered. Tables that were never analyzed
    /// are among them. Exits with 4 when a part could not be seen.
    Indexes(IndexesArgs),
    /// Advise on indexes: which, what each would gain and cost, why, and why not the others
    ///
    /// From the statements that were counted while a window, `serve` or `monitor` watched the environment; where nothing is kept of
    /// that time, the server's counters are looked at for 10 s. Or from a file of queries. What an index would gain is asked of the
    /// database's planner, on samples in temporary tables, with HypoPG or on an empty copy of the schema; nothing is altered, and
    /// nothing is left behind. Exits with 4 when a part could not be seen.
    Advise(AdviseArgs),
    /// Measure the bloat of one B-tree with pgstatindex (PostgreSQL), which reads all of it
    Bloat {
        /// Name of the index, with its schema
        index: String,
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        /// Only say what measuring would read, and whether it is possible
        #[arg(long)]
        preview: bool,
    },
    /// Create an index, hide one, or drop one that enforces nothing, as a change that can be undone
    #[command(subcommand)]
    Index(IndexCommand),
    /// The plan of a statement that only reads, as a tree, without literals
    Plan(PlanArgs),
    /// What one request costs: its statements, rows, pages, database time and cache commands
    ///
    /// Blocks with requests and blocks without alternate, and what others did meanwhile is taken off, so that the service needs
    /// no instrumentation. Requests are sent over one connection, each after the answer to the one before. Statements that are
    /// repeated for each row (N+1) are found and counted. Exits with 4 when a part could not be seen.
    Cost(Box<CostArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct AdviseArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Bound for the size of all advised indexes together [example: 500MB, 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) budget: Option<f64>,
    /// File of queries to advise on, each ended by a semicolon, each as heavy as the others; - is the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["last", "time"])]
    pub(crate) queries: Option<PathBuf>,
    /// How far back statements are looked at, 7d at most
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration, conflicts_with = "time")]
    pub(crate) last: Duration,
    /// Look at the server's counters for so long from now on instead, 1s to 10min
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// List what was thought of and is not advised, with the reasons
    #[arg(long)]
    pub(crate) rejected: bool,
    /// Agree to the use of HypoPG in this environment from now on; a defect of it has ended every session of an instance
    #[arg(long)]
    pub(crate) allow_hypopg: bool,
}

/// `500MB`, `1.5GiB`; a bare number is bytes.
pub(crate) fn size(text: &str) -> Result<f64, String> {
    let wrong = || "it is not a size: write one like 500MB, 1GiB or a number of bytes".to_owned();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number.trim().parse::<f64>().map_err(|_| wrong())? * factor;
    if bytes.is_finite() && bytes >= 1.0 { Ok(bytes) } else { Err(wrong()) }
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Create an index without stopping reads and writes (PostgreSQL, MySQL, MariaDB), or within one transaction (SQLite)
    ///
    /// Undone by dropping it. What a build that was cut off leaves is taken away, or listed by 'changes list' with its ways out.
    Create(CreateIndexArgs),
    /// Drop an index that enforces nothing or that another one repeats; 'changes drop-index' is the same
    ///
    /// Says what it was used for and since when, and what serves instead. Undone by building it again exactly as it was; what was
    /// invalid before is not brought back.
    Drop {
        /// Name of the index, with its schema where the search path does not find it; TABLE.INDEX on MySQL and MariaDB
        index: String,
        /// Only say what would be done, and what it would give
        #[arg(long)]
        preview: bool,
        /// Environment whose database has it
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        #[command(flatten)]
        allow: Allow,
    },
    /// Hide an index from the planner before it is dropped (MySQL from 8.0, MariaDB from 10.6)
    ///
    /// It is kept and written as before, and is used again at once when this is undone.
    Hide {
        /// Table and name of the index: TABLE.INDEX
        index: String,
        /// Only say what would be done
        #[arg(long)]
        preview: bool,
        /// Environment whose database has it
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        #[command(flatten)]
        allow: Allow,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateIndexArgs {
    /// Table, with its schema where the search path does not find it
    #[arg(required_unless_present = "advised")]
    pub(crate) table: Option<String>,
    /// Keys in their order: customer_id, 'created desc nulls last', 'lower(note) text_pattern_ops', '(a + b)'
    #[arg(required_unless_present = "advised", num_args = 1..=32)]
    pub(crate) keys: Vec<String>,
    /// Name of an index of the last advice ('db advise'), whose prediction is kept with the change
    #[arg(long, value_name = "NAME", conflicts_with_all = ["table", "keys", "include", "predicate", "method", "name"])]
    pub(crate) advised: Option<String>,
    /// A further column that it holds, so that queries need not visit the table; may be repeated (PostgreSQL)
    #[arg(long, value_name = "COLUMN")]
    pub(crate) include: Vec<String>,
    /// Condition of the rows that it has [example: "status = 'new'"]
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) predicate: Option<String>,
    /// Kind of the index, such as gin, gist or brin (PostgreSQL) [default: btree]
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<String>,
    /// Name of the index, without a schema; made of the table and the keys where none is given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Only say what would be done, and what it would cost
    #[arg(long)]
    pub(crate) preview: bool,
    /// Environment whose database has the table
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Measure the smallest pool that gives the database's highest throughput
    ///
    /// A closed loop over 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48 and 64 connections, as many as the database has room for, in random
    /// order and several times; a law is fitted, and refused where it does not describe what was measured. Exit codes: 0 a size is
    /// recommended, 3 the objective cannot be kept, 4 no size can be recommended, or it was stopped.
    Size(Box<PoolSizeArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct PoolSizeArgs {
    /// A statement, with $1 (PostgreSQL, SQLite) or ? (MySQL, MariaDB, SQLite) for parameters
    #[arg(long, visible_alias = "statement", value_name = "SQL", required_unless_present_any = ["script", "plan"],
          conflicts_with_all = ["script", "plan"])]
    pub(crate) sql: Option<String>,
    /// File of statements, each ended by a semicolon; all of them are one transaction with a time and a rate of its own
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(crate) script: Option<PathBuf>,
    /// Plan file (TOML) of SQL steps
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "simple", "transaction"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: SqlArgs,
    /// Largest number of connections that is tried, 4 to 64
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(4..=64))]
    pub(crate) max: u32,
    /// Limit of p99 of the time in the database [example: 50ms]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) objective: Option<Duration>,
    /// Instances of the application that share the database
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) instances: u32,
    /// Repetitions of each size, 2 to 10
    #[arg(long, value_name = "R", default_value_t = USUAL_REPETITIONS, value_parser = clap::value_parser!(u32).range(2..=10))]
    pub(crate) repeats: u32,
    /// Warm-up of each cell, 100ms to 60s
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Measured time of each cell, 250ms to 2min
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Five repetitions of 3 s and 10 s a cell, for a machine that others use too
    #[arg(long, conflicts_with_all = ["repeats", "warmup", "duration"])]
    pub(crate) thorough: bool,
    /// Generator threads
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Deadline of one statement
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Name or identifier of the environment; its guards hold
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// Allow what writes in a read-only environment, for this measurement
    #[arg(long, requires = "env")]
    pub(crate) unlock: bool,
    /// Name of the measurement
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// A session that is ended, and what the guards of its environment ask for.
#[derive(Debug, Args)]
pub(crate) struct End {
    /// Number of the session, as `db activity` and `db locks` list it
    pub(crate) pid: String,
    /// Only say what it frees and costs
    #[arg(long)]
    pub(crate) preview: bool,
    /// Environment whose database has it
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// Full URL, a path of the environment's API such as /staff/7/schedule, or a plan file (TOML) of HTTP requests
    pub(crate) target: String,
    /// Pairs of blocks, 6 to 60; more make the intervals narrower
    #[arg(long, value_name = "K", default_value_t = USUAL_PAIRS, value_parser = clap::value_parser!(u32).range(6..=60))]
    pub(crate) pairs: u32,
    /// Length of a block, 500ms to 60s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) block: Duration,
    /// Requests per second instead of one after the other, for targets that need a rate
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) at: RunAt,
}

#[derive(Debug, Args)]
pub(crate) struct StatementsArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// How far back, 7d at most
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(crate) last: Duration,
    /// How many are shown, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) top: u16,
    /// Take two readings so far apart, from now, instead of reading the history; 10s when there is none
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
}

/// What tables are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SizesBy {
    /// Size with indexes
    Size,
    /// Rows that sequential scans read
    Scans,
    /// Dead rows that wait for a vacuum
    Vacuum,
}

#[derive(Debug, Args)]
pub(crate) struct IndexesArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Kinds to show, all by default
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub(crate) kind: Vec<IndexKind>,
    /// Show one table only, with or without its schema
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Environment whose database is a standby of this one, so that what it reads counts too; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) standby: Vec<String>,
    /// Findings to show, the first by rank
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) top: u32,
}

/// A kind of finding about indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IndexKind {
    /// A build that failed left it
    Invalid,
    /// Another one has the same keys
    Duplicate,
    /// Another one begins with its keys
    Redundant,
    /// Nothing read it for a week or more
    Unused,
    /// Much of it holds nothing
    Bloated,
    /// The columns of a foreign key begin no index
    ForeignKey,
    /// The planner has no statistics
    NeverAnalyzed,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The statement, @FILE that has it, or - for stdin; parameters such as $1 are planned for any value
    pub(crate) statement: String,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Run the statement, in a transaction that only reads, for at most 30 s, and measure each node
    #[arg(long)]
    pub(crate) analyze: bool,
    /// Allow running it on a production environment
    #[arg(long, requires = "analyze")]
    pub(crate) unlock: bool,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME", requires = "unlock")]
    pub(crate) confirm: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("1", 1.0), ("500MB", 5e8), ("1GiB", 1_073_741_824.0), ("1.5 kb", 1_500.0), ("64kib", 65_536.0)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1MB", "0", "1 parsec", "1e400", "NaN", "1M B"] {
            assert!(size(text).is_err(), "{text:?} is refused");
        }
    }
}
