//! Statements run with an index and without it, in turns: what proves that the index helps.
//!
//! Both arms are the same text on the same session with the same settings, but for what hides the index in one of them: on PostgreSQL
//! a transaction that is rolled back takes it for invalid, or a plan without it is kept; on MySQL and MariaDB a hint; of a SQLite file
//! there are two copies. Nothing of it stays, however this process ends. Times are this machine's clock around a statement and all of
//! its rows.
mod copies;
mod mysql;
mod postgres;
mod postgres_plan;
mod rows;
mod sqlite;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ProofMethod, Scheme, Sensitive};

pub use copies::clear_copies;
pub use rows::leaves_open;

use crate::index_change::CreatePlan;

/// Longest time of a run whose class of values is measured again and again without one that warms up.
const SHORT: Duration = Duration::from_millis(200);

/// The index that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenIndex {
    /// Its schema, without quotes; on MySQL and MariaDB the database.
    pub schema: String,
    /// Its name, likewise.
    pub name: String,
    /// Its table, as the server writes it.
    pub table: String,
}

impl From<&CreatePlan> for ProvenIndex {
    fn from(plan: &CreatePlan) -> Self {
        let (schema, name) = plan.schema_and_name();
        Self { schema: schema.to_owned(), name: name.to_owned(), table: plan.table.clone() }
    }
}

/// What may be done to measure without the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofPlace {
    /// Whether the environment is for development: others may be kept waiting for a moment.
    pub development: bool,
    /// Whether the table's statistics may be gathered within a transaction that is rolled back. The server remembers when that was.
    pub analyze: bool,
    /// Folder for copies of a file.
    pub folder: PathBuf,
    /// Longest time of one run.
    pub longest: Duration,
}

/// A statement with one class of values, in both arms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofText<'a> {
    /// The statement; values may be parameters.
    pub with: &'a str,
    /// The same where a hint hides the index.
    pub without: Option<&'a str>,
    /// A text for each parameter, as `perfdeck_sqltext::parameters` counts them.
    pub values: &'a [String],
    /// Whether it writes.
    pub writes: bool,
}

/// Bounds of a block of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// Runs that it has at least, unless it takes too long.
    pub runs: u32,
    /// Time for which it goes on.
    pub lasts: Duration,
    /// Time after which no further run begins.
    pub most: Duration,
}

/// A block of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Median time of a run, in milliseconds.
    pub median_ms: f64,
    /// Runs.
    pub runs: u32,
}

/// What one look at an arm tells.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ArmLook {
    /// Whether the plan uses the index.
    pub used: bool,
    /// Pages that a run touches; `None` where the engine does not tell.
    pub pages: Option<f64>,
    /// Rows that it returned, or wrote.
    pub rows: f64,
    /// Sum over its rows that says nothing of their order.
    pub sum: u64,
}

/// Why an arm was not measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// A run took longer than it may.
    Late,
    /// The statement is refused: why, without anything of it.
    Refused(String),
    /// Nothing can be measured any more.
    Session(ApiError),
}

/// A statement as both arms run it.
#[derive(Debug, Clone)]
struct Pair {
    with: String,
    without: String,
    writes: bool,
}

impl Pair {
    fn text(&self, with: bool) -> &str {
        if with { &self.with } else { &self.without }
    }
}

enum Inner {
    Postgres(Box<postgres::Arms>),
    Mysql(Box<mysql::Arms>),
    Sqlite(Box<sqlite::Arms>),
}

/// Calls a method of whichever engine it is.
macro_rules! on {
    ($arms:expr, $engine:ident => $call:expr) => {
        match &mut $arms.inner {
            Inner::Postgres($engine) => $call,
            Inner::Mysql($engine) => $call,
            Inner::Sqlite($engine) => $call,
        }
    };
}

/// Two arms: with the index and without it.
pub struct Arms {
    inner: Inner,
    method: ProofMethod,
    pairs: Vec<Pair>,
    /// The statement that was last found to have no effect beyond its transaction.
    checked: Option<String>,
}

/// Ends what runs now, at the server too.
pub enum Stopper {
    /// A session of a server.
    Session(Box<(Address, Option<Sensitive>, i64)>),
    /// A connection to a file.
    File(sqlite::Stop),
}

impl Stopper {
    /// Ends it. What follows is not ended.
    pub async fn stop(&self) {
        match self {
            Self::File(stop) => stop.now(),
            Self::Session(session) => {
                let (address, password, id) = &**session;
                let password = password.as_ref();
                match address.scheme {
                    Scheme::Postgres => postgres::cancel(address, password, *id).await,
                    _ => mysql::cancel(address, password, *id).await,
                }
            }
        }
    }
}

impl Arms {
    /// Opens both arms.
    ///
    /// # Errors
    /// When the database cannot be reached, the index is not there or not valid, or there is no way here to hide it: then the hint says
    /// what would be one.
    pub async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        index: &ProvenIndex,
        place: &ProofPlace,
    ) -> Result<Self, ApiError> {
        let (inner, method) = match address.scheme {
            Scheme::Postgres => {
                let arms = postgres::Arms::open(address, password, index, place).await?;
                let method = arms.method();
                (Inner::Postgres(Box::new(arms)), method)
            }
            Scheme::Sqlite => {
                (Inner::Sqlite(Box::new(sqlite::Arms::open(address, index, place).await?)), ProofMethod::Copies)
            }
            _ => (
                Inner::Mysql(Box::new(mysql::Arms::open(address, password, index, place).await?)),
                ProofMethod::IgnoreHint,
            ),
        };
        Ok(Self { inner, method, pairs: Vec::new(), checked: None })
    }

    /// How the index is hidden.
    pub fn method(&self) -> ProofMethod {
        self.method
    }

    /// What ends a run before its end.
    pub fn stopper(&self) -> Stopper {
        match &self.inner {
            Inner::Postgres(arms) => arms.stopper(),
            Inner::Mysql(arms) => arms.stopper(),
            Inner::Sqlite(arms) => Stopper::File(arms.stop()),
        }
    }

    /// Makes a statement ready in both arms; answers its place.
    ///
    /// # Errors
    /// When it is none that can be run here, or calls what has an effect beyond its transaction.
    pub async fn prepare(&mut self, text: &ProofText<'_>) -> Result<usize, Trouble> {
        let dialect = self.dialect();
        let of = |sql: &str| crate::what_if::with_values(sql, text.values, dialect).map_err(Trouble::Refused);
        let with = of(text.with)?;
        let without = text.without.map_or_else(|| Ok(with.clone()), of)?;
        let pair = Pair { with, without, writes: text.writes };
        // Its classes come one after the other.
        if !text.writes && self.checked.as_deref() != Some(text.with) {
            on!(self, arms => arms.check(text.with).await)?;
            self.checked = Some(text.with.to_owned());
        }
        let place = self.pairs.len();
        on!(self, arms => arms.prepare(place, &pair).await)?;
        self.pairs.push(pair);
        Ok(place)
    }

    /// Asks whether a text is a statement at all, without running it.
    ///
    /// # Errors
    /// Why the server does not take it.
    pub async fn parse(&mut self, text: &str, values: &[String]) -> Result<(), Trouble> {
        let dialect = self.dialect();
        let one = perfdeck_sqltext::statements(text, dialect).is_ok_and(|all| all.len() == 1) && !text.contains('\0');
        let text = match crate::what_if::with_values(text, values, dialect) {
            Ok(text) => text,
            // Its first word is none of a statement that has a plan: the server knows whether it is one of any.
            Err(_) if one && perfdeck_sqltext::parameters(text, dialect) == 0 => text.to_owned(),
            Err(why) => return Err(Trouble::Refused(why)),
        };
        on!(self, arms => arms.parse(text.trim_end_matches([';', ' ', '\n', '\t'])).await)
    }

    fn dialect(&self) -> perfdeck_sqltext::Dialect {
        match &self.inner {
            Inner::Postgres(_) => perfdeck_sqltext::Dialect::Postgres,
            Inner::Mysql(_) => perfdeck_sqltext::Dialect::Mysql,
            Inner::Sqlite(_) => perfdeck_sqltext::Dialect::Sqlite,
        }
    }

    /// Looks at the plan of an arm, and at the rows of one run.
    ///
    /// # Errors
    /// As [`Trouble`].
    pub async fn look(&mut self, place: usize, with: bool) -> Result<ArmLook, Trouble> {
        let Some(pair) = self.pairs.get(place) else { return Err(unknown()) };
        on!(self, arms => {
            arms.enter(place, pair, with).await?;
            let looked = arms.look(place, pair, with).await;
            let left = arms.leave(pair, with).await;
            looked.and_then(|found| left.map(|()| found))
        })
    }

    /// Runs a block of one arm.
    ///
    /// # Errors
    /// As [`Trouble`].
    pub async fn block(&mut self, place: usize, with: bool, limits: BlockLimits) -> Result<Block, Trouble> {
        let Some(pair) = self.pairs.get(place) else { return Err(unknown()) };
        on!(self, arms => {
            arms.enter(place, pair, with).await?;
            let mut times = Vec::new();
            let ran = async {
                // What was planned or read first is not measured.
                let first = arms.run(place, pair, with).await?;
                if first > SHORT {
                    times.push(first);
                }
                let started = Instant::now();
                loop {
                    let so_far = started.elapsed();
                    let enough = times.len() >= limits.runs as usize && so_far >= limits.lasts;
                    if enough || !times.is_empty() && so_far >= limits.most {
                        return Ok(());
                    }
                    times.push(arms.run(place, pair, with).await?);
                }
            }
            .await;
            let left = arms.leave(pair, with).await;
            ran.and(left)?;
            times.sort();
            Ok(Block {
                median_ms: times.get(times.len() / 2).map_or(0.0, |t| t.as_secs_f64() * 1e3),
                runs: u32::try_from(times.len()).unwrap_or(u32::MAX),
            })
        })
    }

    /// Whether the plan of each statement uses the index once the table's statistics are gathered anew; `None` where that is not known.
    pub async fn used_after_analyze(&mut self) -> Vec<Option<bool>> {
        let pairs = std::mem::take(&mut self.pairs);
        let found = on!(self, arms => arms.used_after_analyze(&pairs).await);
        let found = found.unwrap_or_else(|| vec![None; pairs.len()]);
        self.pairs = pairs;
        found
    }

    /// Ends both arms.
    pub async fn close(self) {
        match self.inner {
            Inner::Postgres(arms) => arms.close().await,
            Inner::Mysql(arms) => arms.close().await,
            Inner::Sqlite(arms) => arms.close().await,
        }
    }
}

fn unknown() -> Trouble {
    Trouble::Session(ApiError::internal("A statement that was not made ready"))
}

/// Nothing hides the index here.
fn gone(index: &ProvenIndex) -> ApiError {
    ApiError::not_found(format!("There is no valid index '{}'", perfdeck_model::masking::shown(&index.name)))
        .hint("Ask the target about the change: it may have been dropped or rebuilt since")
}
