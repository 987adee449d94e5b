//! The command line of databases.
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Statements that run now, longest first, without their literals
    Activity {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
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
    /// The plan of a statement that only reads, as a tree, without literals
    Plan(PlanArgs),
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

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The statement; parameters such as $1 are planned for any value
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
