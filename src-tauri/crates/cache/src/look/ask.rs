//! Questions that a server may not know, or may not answer this user: each is told apart, and the rest works.
use perfdeck_model::{CacheTarget, CacheUnknown, HostPort};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError};

use crate::connect::explain;
use crate::error::acl;
use crate::own;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// This user may not ask it; with the rule that lets it.
    Refused { reason: String, grant: String },
    /// A server of this kind does not know the question.
    Never { reason: String },
    /// No answer came, or none that is understood.
    Missed { reason: String },
}

/// An answer, or why there is none.
pub(crate) type Answer<T> = Result<T, Unanswered>;

impl Unanswered {
    /// The part of an answer to a person that it leaves unknown.
    pub(crate) fn of(&self, part: &str) -> CacheUnknown {
        let (reason, grant) = match self {
            Self::Refused { reason, grant } => (reason, Some(grant.clone())),
            Self::Never { reason } | Self::Missed { reason } => (reason, None),
        };
        CacheUnknown { part: part.to_owned(), reason: reason.clone(), grant, fix: None }
    }
}

/// A server and how it is asked.
#[derive(Clone)]
pub(crate) struct Door<'a> {
    pub(crate) target: &'a CacheTarget,
    pub(crate) host: &'a HostPort,
    pub(crate) connection: MultiplexedConnection,
}

impl Door<'_> {
    /// Asks. `words` is the command as it stands, such as `["SLOWLOG", "GET", "128"]`; `rule` the ACL rule that allows it.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str], rule: &str) -> Answer<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.connection.clone()).await.map_err(|e| self.unanswered(words, rule, &e))
    }

    /// Why a command was not answered.
    pub(crate) fn unanswered(&self, words: &[&str], rule: &str, error: &RedisError) -> Unanswered {
        let text = error.to_string().to_lowercase();
        let name = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        if error.code() == Some("NOPERM") || text.contains("noperm") {
            let user = self.target.address.username.as_deref().unwrap_or("default");
            own::refused(self.host, words);
            let reason = format!("'{user}' may not run {name} on {}", self.host);
            return Unanswered::Refused { reason, grant: acl(user, &[rule]) };
        }
        let unknown = ["unknown command", "unknown subcommand", "wrong number of arguments", "syntax error"];
        if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
            && unknown.iter().any(|u| text.contains(u))
        {
            own::refused(self.host, words);
            return Unanswered::Never { reason: format!("{} does not know {name}, or has it turned off", self.host) };
        }
        Unanswered::Missed { reason: explain(self.target, self.host, error).message }
    }
}
