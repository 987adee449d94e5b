//! Where counters of statements are read from: a server, or the demo, which counts its own.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_database::statements::{Found, StatementReader, StatementText, Unseen};
use perfdeck_demo::Demo;
use perfdeck_model::{Address, ApiError, DEMO_ENVIRONMENT_ID, Environment, Sensitive};

use crate::Engine;

/// Counters of one database.
pub(crate) enum StatementSource {
    Server(Box<StatementReader>),
    Demo(Arc<Demo>),
}

/// What is said of a source beside its figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Where the figures come from; nothing before the first reading.
    pub(crate) source: Option<String>,
    /// The statement that keeps Perfdeck's own statements out, where they are counted.
    pub(crate) own_counted: Option<String>,
    /// Why the server hands out no texts, where it does not.
    pub(crate) unread: Option<String>,
    /// The statement that lets this user tell all statements apart.
    pub(crate) grant: Option<String>,
}

/// What names a statement to those who ask.
pub(crate) fn statement_name(key: &str, nested: bool) -> String {
    if nested { format!("{key}/nested") } else { key.to_owned() }
}

/// The identifier behind such a name, and whether it ran within others.
pub(crate) fn statement_of(name: &str) -> (&str, bool) {
    name.strip_suffix("/nested").map_or((name, false), |key| (key, true))
}

impl StatementSource {
    pub(crate) fn server(address: Address, password: Option<Sensitive>) -> Self {
        Self::Server(Box::new(StatementReader::new(address, password)))
    }

    pub(crate) async fn read(&mut self, now_ms: f64, thorough: bool) -> Result<Found, ApiError> {
        match self {
            Self::Server(reader) => reader.read(now_ms, thorough).await,
            Self::Demo(demo) => Ok(Found::Counters(Box::new(demo.statements(now_ms)))),
        }
    }

    pub(crate) async fn texts(&mut self, ids: &[String]) -> Result<HashMap<String, StatementText>, ApiError> {
        match self {
            Self::Server(reader) => reader.texts(ids).await,
            Self::Demo(demo) => Ok(demo.statement_texts()),
        }
    }

    pub(crate) fn said(&self) -> Said {
        match self {
            Self::Server(reader) => Said {
                source: reader.source(),
                own_counted: (reader.unseen() == Some(Unseen::Counted)).then(|| reader.unrecord()),
                unread: reader.unread().map(str::to_owned),
                grant: Some(reader.reveal()),
            },
            Self::Demo(_) => Said { source: Some("the demo's own count".to_owned()), ..Said::default() },
        }
    }

    pub(crate) async fn close(&mut self) {
        if let Self::Server(reader) = self {
            reader.close().await;
        }
    }
}

impl Engine {
    /// Where an environment's counters are read from.
    ///
    /// # Errors
    /// When it has no database, its password cannot be had, or the demo not be opened.
    pub(crate) async fn statement_source(&self, environment: &Environment) -> Result<StatementSource, ApiError> {
        if environment.id == DEMO_ENVIRONMENT_ID {
            return Ok(StatementSource::Demo(self.demo().await?));
        }
        let (address, password) = self.door(environment).await?;
        Ok(StatementSource::server(address, password))
    }
}
