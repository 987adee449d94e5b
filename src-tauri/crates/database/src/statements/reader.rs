//! A connection of its own that reads the counters of one database.
use std::collections::HashMap;
use std::time::Duration;

use perfdeck_model::{Address, ApiError, ErrorCode, Sensitive, StatementsUnavailable};
use perfdeck_sqltext::{Dialect, literals_removed};

use super::{Found, LONGEST, Unseen, mysql, postgres};
use crate::connect::{Database, close, connect, ends_session, stalled};
use crate::error::explain;
use crate::hints::grant;
use crate::own;

/// Longest time to connect, and of one reading.
const DEADLINE: Duration = Duration::from_secs(3);

/// The text of a statement, without literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    /// The text; at most 64 KiB.
    pub text: String,
    /// Length of the statement as the server has it, in bytes, where the text is not all of it.
    pub cut_of: Option<usize>,
}

/// A text as it may be kept and shown; `bytes` is its length where it came from.
pub(super) fn text_of(text: &str, bytes: usize, dialect: Dialect) -> StatementText {
    let shown = literals_removed(text, dialect, LONGEST);
    let cut = bytes > text.len() || shown.len() >= LONGEST - 3;
    StatementText { text: shown, cut_of: cut.then_some(bytes) }
}

enum Source {
    Postgres(Box<postgres::Extension>, postgres::Own),
    Mysql(mysql::Digests),
}

/// Reads the counters of one database, over one connection that it keeps.
pub struct StatementReader {
    address: Address,
    password: Option<Sensitive>,
    open: Option<(Database, Source)>,
}

impl std::fmt::Debug for StatementReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementReader").field("address", &self.address.short()).finish_non_exhaustive()
    }
}

/// Why a reading failed.
enum Failed {
    /// In the driver's words.
    Driver(sqlx::Error),
    /// In ours.
    Told(ApiError),
}

impl Failed {
    fn explained(self, address: &Address) -> ApiError {
        match self {
            Self::Driver(error) => explain(address, &error),
            Self::Told(error) => error,
        }
    }
}

/// Whether the server says that what was asked for is not there: the extension was dropped, or altered, since it was looked for.
fn is_gone(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    // PostgreSQL: no such column, function, table, schema.
    matches!(error.code().as_deref(), Some("42703" | "42883" | "42P01" | "3F000"))
}

/// What one step came to, within the driver's own result.
type Step<T> = Result<Result<T, StatementsUnavailable>, sqlx::Error>;

impl StatementReader {
    /// A reader of the database at `address`. It connects at its first reading.
    pub fn new(address: Address, password: Option<Sensitive>) -> Self {
        Self { address, password, open: None }
    }

    /// The counters now; `now_ms` is the time, in milliseconds since the Unix epoch. `thorough` tells statements of Perfdeck's own
    /// apart that came within the last minute, which reads the server's texts.
    ///
    /// # Errors
    /// When the database cannot be reached or does not answer within 3 s. What it does not count, or not for this user, is no error:
    /// [`Found::Unavailable`].
    pub async fn read(&mut self, now_ms: f64, thorough: bool) -> Result<Found, ApiError> {
        let end = tokio::time::Instant::now() + DEADLINE;
        // Taken out while it is used: one that is given up half way leaves no half-read connection behind.
        if let Some((database, source)) = self.open.take() {
            match self.step(database, Some(source), now_ms, thorough, end).await {
                // It was lost since the last reading, or what was there is not: once more from the beginning.
                Err(Failed::Driver(error)) if ends_session(&error) || is_gone(&error) => {}
                other => return other.map_err(|failed| failed.explained(&self.address)),
            }
        }
        let database = self.connect().await?;
        self.step(database, None, now_ms, thorough, end).await.map_err(|failed| failed.explained(&self.address))
    }

    /// One reading over a connection, which is kept when it was answered.
    async fn step(
        &mut self,
        mut database: Database,
        source: Option<Source>,
        now_ms: f64,
        thorough: bool,
        end: tokio::time::Instant,
    ) -> Result<Found, Failed> {
        let work = async {
            let mut source = match source {
                Some(source) => source,
                None => match self.probe(&mut database).await? {
                    Ok(source) => source,
                    Err(why) => return Ok((Found::Unavailable(why), None)),
                },
            };
            match self.counters(&mut database, &mut source, now_ms, thorough).await? {
                Ok(reading) => Ok((Found::Counters(Box::new(reading)), Some(source))),
                Err(why) => Ok((Found::Unavailable(why), None)),
            }
        };
        match tokio::time::timeout_at(end, work).await {
            Ok(Ok((found, Some(source)))) => {
                self.open = Some((database, source));
                Ok(found)
            }
            Ok(Ok((found, None))) => {
                close(database).await;
                Ok(found)
            }
            Ok(Err(error)) => Err(Failed::Driver(error)),
            Err(_) => Err(Failed::Told(stalled(&self.address, &database, DEADLINE))),
        }
    }

    async fn connect(&self) -> Result<Database, ApiError> {
        let database = connect(&self.address, self.password.as_ref(), DEADLINE).await?;
        if matches!(database, Database::Postgres(_)) {
            // Signing in; each question is counted where it is asked.
            own::add(&self.address, 1.0, 1);
        }
        Ok(database)
    }

    async fn probe(&self, database: &mut Database) -> Step<Source> {
        Ok(match database {
            Database::Postgres(c) => {
                own::add(&self.address, 1.0, 0);
                postgres::probe(c)
                    .await?
                    .map(|extension| Source::Postgres(Box::new(extension), postgres::Own::default()))
            }
            Database::Mysql(c) => match mysql::probe(c).await {
                Ok(found) => found.map(Source::Mysql),
                Err(error) if self.is_refused(&error) => Err(mysql::refused(&self.address)),
                Err(error) => return Err(error),
            },
            Database::Sqlite(_) => Err(StatementsUnavailable {
                reason: "SQLite runs inside its application and keeps no counters of statements".to_owned(),
                hint: Some("The demo counts its own; here the application would have to".to_owned()),
                fix: None,
            }),
        })
    }

    async fn counters(
        &self,
        database: &mut Database,
        source: &mut Source,
        now_ms: f64,
        thorough: bool,
    ) -> Step<super::Reading> {
        match (database, source) {
            (Database::Postgres(c), Source::Postgres(extension, known)) => {
                let read = extension.read(c, known, now_ms, thorough).await;
                let asked = read.as_ref().map_or(3, |(_, asked)| *asked);
                own::add(&self.address, f64::from(asked), 0);
                match read {
                    Ok((reading, _)) => Ok(Ok(reading)),
                    Err(error) if self.is_refused(&error) => Ok(Err(postgres::refused(extension, &self.address))),
                    Err(error) => Err(error),
                }
            }
            (Database::Mysql(c), Source::Mysql(digests)) => match digests.read(c, now_ms).await {
                Ok(reading) => Ok(Ok(reading)),
                Err(error) if self.is_refused(&error) => Ok(Err(mysql::refused(&self.address))),
                Err(error) => Err(error),
            },
            // A source is made for its database.
            _ => Err(sqlx::Error::Protocol("another kind of database".to_owned())),
        }
    }

    fn is_refused(&self, error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Database(_)) && explain(&self.address, error).code == ErrorCode::Privilege
    }

    /// Texts of statements by their identifier, without literals; those that the server has no more, and hidden ones, are not in it.
    /// Nothing before the first reading.
    ///
    /// # Errors
    /// When the database does not answer within 3 s.
    pub async fn texts(&mut self, ids: &[String]) -> Result<HashMap<String, StatementText>, ApiError> {
        let Some((mut database, source)) = self.open.take() else { return Ok(HashMap::new()) };
        let work = async {
            match (&mut database, &source) {
                (Database::Postgres(c), Source::Postgres(extension, _)) => {
                    own::add(&self.address, 1.0, 0);
                    extension.texts(c, ids).await
                }
                (Database::Mysql(c), Source::Mysql(_)) => mysql::Digests::texts(c, ids).await,
                _ => Ok(HashMap::new()),
            }
        };
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(Ok(texts)) => {
                self.open = Some((database, source));
                Ok(texts)
            }
            Ok(Err(error)) => Err(explain(&self.address, &error)),
            Err(_) => Err(stalled(&self.address, &database, DEADLINE)),
        }
    }

    /// Where the figures come from, in words; nothing before the first reading.
    pub fn source(&self) -> Option<String> {
        match &self.open.as_ref()?.1 {
            Source::Postgres(extension, _) => Some(format!("pg_stat_statements {}", extension.version)),
            Source::Mysql(_) => Some("performance_schema".to_owned()),
        }
    }

    /// How Perfdeck's own statements are kept out; nothing before the first reading.
    pub fn unseen(&self) -> Option<Unseen> {
        match self.open.as_ref()? {
            (Database::Postgres(c), _) => Some(postgres::unseen(c)),
            (_, Source::Mysql(digests)) => Some(digests.unseen),
            _ => None,
        }
    }

    /// Why the server hands out no texts, where it does not.
    pub fn unread(&self) -> Option<&'static str> {
        match self.open.as_ref()?.1 {
            Source::Postgres(_, ref own) if own.unread => Some(postgres::UNREAD),
            _ => None,
        }
    }

    /// The statement that keeps own statements out where they are counted.
    pub fn unrecord(&self) -> String {
        mysql::unrecord(&self.address)
    }

    /// The statement that lets this user tell all statements apart.
    pub fn reveal(&self) -> String {
        grant(&self.address)
    }

    /// Ends the connection.
    pub async fn close(&mut self) {
        if let Some((database, _)) = self.open.take() {
            close(database).await;
        }
    }
}
