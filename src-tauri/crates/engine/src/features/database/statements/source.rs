//! Where counters are read from: a server, or the demo, which counts its own.
use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_database::statements::{Found, StatementReader, StatementText, Unseen};
use perfdeck_demo::Demo;
use perfdeck_model::{Address, ApiError, Sensitive};

use super::answer::Statements;

pub(super) enum Source {
    Server(Box<StatementReader>),
    Demo(Arc<Demo>),
}

/// What is said of a source beside its figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) source: Option<String>,
    pub(super) own_counted: Option<String>,
    pub(super) grant: Option<String>,
}

impl Said {
    pub(super) fn tell(&self, answer: &mut Statements) {
        answer.source.clone_from(&self.source);
        answer.own_counted.clone_from(&self.own_counted);
        if let Some(hidden) = &mut answer.hidden {
            hidden.grant.clone_from(&self.grant);
        }
    }
}

impl Source {
    pub(super) fn server(address: Address, password: Option<Sensitive>) -> Self {
        Self::Server(Box::new(StatementReader::new(address, password)))
    }

    pub(super) async fn read(&mut self, now_ms: f64, thorough: bool) -> Result<Found, ApiError> {
        match self {
            Self::Server(reader) => reader.read(now_ms, thorough).await,
            Self::Demo(demo) => Ok(Found::Counters(Box::new(demo.statements(now_ms)))),
        }
    }

    pub(super) async fn texts(&mut self, ids: &[String]) -> Result<HashMap<String, StatementText>, ApiError> {
        match self {
            Self::Server(reader) => reader.texts(ids).await,
            Self::Demo(demo) => Ok(demo.statement_texts()),
        }
    }

    pub(super) fn said(&self) -> Said {
        match self {
            Self::Server(reader) => Said {
                source: reader.source(),
                own_counted: (reader.unseen() == Some(Unseen::Counted)).then(|| reader.unrecord()),
                grant: Some(reader.reveal()),
            },
            Self::Demo(_) => Said { source: Some("the demo's own count".to_owned()), ..Said::default() },
        }
    }

    pub(super) fn tell(&self, answer: &mut Statements) {
        self.said().tell(answer);
    }

    pub(super) async fn close(&mut self) {
        if let Self::Server(reader) = self {
            reader.close().await;
        }
    }
}
