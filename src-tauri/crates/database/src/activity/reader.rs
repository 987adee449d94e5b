//! One connection of its own that reads the activity again and again.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_model::{Address, ApiError, Sensitive};

use super::facts::{ActivityFacts, SessionFacts};
use super::maintenance::Progress;
use super::texts::Texts;
use super::{mysql, postgres};
use crate::connect::{Database, close, connect, ends_session, silent, stalled};
use crate::error::explain;
use crate::own;

/// Longest time of a reading, with connecting where there is no connection.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a reader knows from the readings before.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) texts: Texts,
    /// Sessions of the last reading by their number: what did not change is shared with it.
    before: HashMap<i64, Arc<SessionFacts>>,
    /// Views of progress that this server has; not known before the first reading.
    pub(crate) progress: Option<Progress>,
    /// Questions that this session has prepared.
    pub(crate) prepared: HashSet<String>,
    pub(crate) mysql: mysql::Known,
}

impl State {
    /// A session of the last reading.
    pub(crate) fn before(&self, pid: i64) -> Option<&Arc<SessionFacts>> {
        self.before.get(&pid)
    }

    /// The sessions of a reading, shared with the one before where they are the same; answers the bytes that are new.
    fn share(&mut self, sessions: Vec<SessionFacts>) -> (Vec<Arc<SessionFacts>>, usize) {
        let mut fresh = 0;
        let all: Vec<Arc<SessionFacts>> = sessions
            .into_iter()
            .map(|s| match self.before.get(&s.pid) {
                Some(same) if **same == s => same.clone(),
                _ => {
                    fresh += size_of::<SessionFacts>() + 16;
                    Arc::new(s)
                }
            })
            .collect();
        self.before = all.iter().map(|s| (s.pid, s.clone())).collect();
        (all, fresh)
    }
}

/// What was read of one server.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sessions: Vec<SessionFacts>,
    /// Everything else.
    pub(crate) rest: ActivityFacts,
}

/// One reading over an open connection.
pub(crate) async fn read_on(
    database: &mut Database,
    state: &mut State,
    address: &Address,
    at_ms: f64,
) -> Result<ActivityFacts, sqlx::Error> {
    state.texts.turn();
    let Found { mut sessions, mut rest } = match database {
        Database::Postgres(c) => postgres::read(c, state, address).await?,
        Database::Mysql(c) => mysql::read(c, state, address).await?,
        Database::Sqlite(_) => {
            Found { rest: ActivityFacts { hidden: Some(0), ..ActivityFacts::default() }, ..Found::default() }
        }
    };
    sessions.sort_by(SessionFacts::before);
    let (sessions, fresh) = state.share(sessions);
    rest.sessions = sessions;
    rest.fresh = fresh + state.texts.fresh();
    rest.at_ms = at_ms;
    Ok(rest)
}

/// Reads the activity of one database. It connects at its first reading, keeps its connection, and opens another one when that
/// was lost.
#[derive(Default)]
pub struct ActivityReader {
    connection: Option<Database>,
    state: State,
}

impl std::fmt::Debug for ActivityReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityReader").field("connected", &self.connection.is_some()).finish_non_exhaustive()
    }
}

impl ActivityReader {
    /// Reads once. `at_ms` is the time of the reading. SQLite has no sessions.
    ///
    /// # Errors
    /// When the database cannot be reached or does not answer within 3 s. The next reading connects anew.
    pub async fn read(
        &mut self,
        address: &Address,
        password: Option<&Sensitive>,
        at_ms: f64,
    ) -> Result<ActivityFacts, ApiError> {
        let end = tokio::time::Instant::now() + DEADLINE;
        // Taken out while it is used: a reading that is dropped half way leaves no half-read connection behind.
        if let Some(mut database) = self.connection.take() {
            match tokio::time::timeout_at(end, read_on(&mut database, &mut self.state, address, at_ms)).await {
                Ok(Ok(facts)) => {
                    self.connection = Some(database);
                    return Ok(facts);
                }
                // The server's own answer: the connection is whole.
                Ok(Err(error)) if !ends_session(&error) => {
                    self.connection = Some(database);
                    return Err(explain(address, &error));
                }
                // It was lost: once more over another one, within the same time.
                Ok(Err(_)) => {}
                Err(_) => return Err(stalled(address, &database, DEADLINE)),
            }
        }
        let work = async {
            let mut database = connect(address, password, DEADLINE).await?;
            // Another server may answer now.
            self.state = State::default();
            if matches!(database, Database::Postgres(_)) {
                own::add(address, 1.0, 1);
            }
            let read = read_on(&mut database, &mut self.state, address, at_ms);
            let facts = match tokio::time::timeout_at(end, read).await {
                Ok(facts) => facts.map_err(|e| explain(address, &e))?,
                Err(_) => return Err(stalled(address, &database, DEADLINE)),
            };
            Ok::<_, ApiError>((database, facts))
        };
        // Connecting has a limit of its own; this one holds where that is longer.
        let limit = end + Duration::from_millis(100);
        let (database, facts) = tokio::time::timeout_at(limit, work).await.map_err(|_| silent(address, DEADLINE))??;
        self.connection = Some(database);
        Ok(facts)
    }

    /// Ends the connection.
    pub async fn close(&mut self) {
        if let Some(database) = self.connection.take() {
            close(database).await;
        }
    }
}
