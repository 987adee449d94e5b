//! A monitoring connection to PostgreSQL, directly or through a pooler.
//!
//! A pooler gives a client another server connection for each transaction or statement. What a session is told there stays
//! behind for the application, and a statement that was prepared on one is looked for on another. So a question through a
//! pooler is one message: its limits, which end with its transaction, and itself. Nothing has a name.
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use perfdeck_model::{Address, AddressOptions, ApiError, ErrorCode, Sensitive, WantedSession};
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo, Postgres,
};
use sqlx::{Arguments as _, ConnectOptions as _, Connection as _, Either, Execute, Executor, SqlStr};

use crate::error::explain;
use crate::options::{NAME, named, postgres_options};
use crate::own;
use crate::trust::{self, Door};

/// Limits of one question, for the transaction that it is. Statements in one message are one.
pub(crate) const LIMITS: &str = "SET /* perfdeck */ LOCAL statement_timeout = 1500; SET /* perfdeck */ LOCAL lock_timeout = 200; \
                      SET /* perfdeck */ LOCAL transaction_read_only = on; ";

/// What the message of such a question begins with, as a pattern of SQL: a server connection that is shared has no name of ours.
pub(crate) const OURS: &str = "SET /* perfdeck */ LOCAL statement\\_timeout = 1500;%";

/// A setting that only our own start-up options make, to see whether they have arrived.
pub(crate) const MARK: &str = "perfdeck.session";

/// Settings of a session that decide on how its statements are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settings {
    /// Without compilation (JIT), which would take longer than a question of monitoring.
    Lean,
    /// Those of the role, the database and the server.
    OfRole,
}

/// A monitoring connection.
#[derive(Debug)]
pub struct Session {
    inner: PgConnection,
    shared: bool,
    /// Whether the server's statistics of statements leave this session out.
    unrecorded: bool,
}

/// Asks for the mark of our options, and keeps a session that has it out of `pg_stat_statements` where this user may do that: only a
/// superuser, and from PostgreSQL 15 on who was granted it. For others each statement is marked. A pooler's server connection, which
/// lacks the mark, is left as it is.
fn ask_mark(version: Option<u32>) -> String {
    let granted = if version.is_some_and(|v| v >= 150_000) {
        "OR has_parameter_privilege('pg_stat_statements.track', 'SET')"
    } else {
        ""
    };
    format!(
        "SELECT {} current_setting('{MARK}', true),
                CASE WHEN current_setting('{MARK}', true) = 'own' AND (current_setting('is_superuser') = 'on' {granted})
                     THEN set_config('pg_stat_statements.track', 'none', false) END",
        own::MARK_TEXT
    )
}

/// Whether a start-up parameter was refused, which no server does with those that we send.
pub(crate) fn refuses_parameters(message: &str) -> bool {
    message.contains("unsupported startup parameter")
}

/// Options of the address itself would be lost behind a pooler, and other tables measured or written.
pub(crate) fn needs_options(address: &Address, options: &PgConnectOptions) -> Result<(), ApiError> {
    if options.get_options().is_none_or(|o| o.trim().is_empty()) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Unsupported,
        format!("{} is a pooler that does not pass the address's start-up options on", address.short()),
    )
    .hint("Use the server's own port, or set them for the role (ALTER ROLE … SET …) and take `options` out of the address"))
}

impl Refused {
    fn explained(self, address: &Address) -> ApiError {
        match self {
            Self::Driver(error) => explain(address, &error),
            Self::Told(error) => error,
        }
    }
}

/// Why a session was not opened.
enum Refused {
    /// In the driver's words.
    Driver(sqlx::Error),
    /// In ours.
    Told(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

impl Session {
    /// Connects. The session is read-only and its statements end by themselves. `signed_in` becomes true before the first
    /// question, which a pooler may keep waiting.
    pub(crate) async fn open(
        address: &Address,
        password: Option<&Sensitive>,
        wanted: &AddressOptions,
        door: Option<&Door>,
        settings: Settings,
        signed_in: &AtomicBool,
    ) -> Result<Self, ApiError> {
        let plain = postgres_options(address, password);
        let first = door.map_or_else(|| plain.clone(), |door| door.through(plain.clone()));
        match Self::attempt(address, &first, settings, signed_in).await {
            Ok(session) => Ok(session),
            // The driver cannot read the certificate, which nobody wants to be verified.
            Err(Refused::Driver(error)) if door.is_none() && trust::unread(&error, wanted) => {
                let door = trust::unverified(address, wanted).await?;
                Self::attempt(address, &door.through(plain), settings, signed_in)
                    .await
                    .map_err(|e| e.explained(address))
            }
            Err(error) => Err(error.explained(address)),
        }
    }

    async fn attempt(
        address: &Address,
        plain: &PgConnectOptions,
        settings: Settings,
        signed_in: &AtomicBool,
    ) -> Result<Self, Refused> {
        let lean = (settings == Settings::Lean).then_some(("jit", "off"));
        let guarded = named(plain.clone(), NAME).options(lean).options([
            ("statement_timeout", "1500"),
            ("lock_timeout", "200"),
            ("idle_in_transaction_session_timeout", "5000"),
            ("default_transaction_read_only", "on"),
            (MARK, "own"),
        ]);
        let (inner, shared, unrecorded) = match guarded.connect().await {
            Ok(mut inner) => {
                signed_in.store(true, Ordering::Relaxed);
                let text = sqlx::AssertSqlSafe(ask_mark(inner.server_version_num()));
                let row = sqlx::raw_sql(text).fetch_one(&mut inner).await.map_err(|e| explain(address, &e))?;
                own::add(address, 1.0, 0);
                let said =
                    |i: usize| sqlx::Row::try_get::<Option<String>, _>(&row, i).map_err(|e| explain(address, &e));
                (inner, said(0)?.as_deref() != Some("own"), said(1)?.as_deref() == Some("none"))
            }
            Err(sqlx::Error::Database(e)) if refuses_parameters(e.message()) => {
                needs_options(address, plain)?;
                let bare = plain.clone().statement_cache_capacity(0);
                let inner = bare.connect().await.map_err(Refused::Driver)?;
                signed_in.store(true, Ordering::Relaxed);
                (inner, true, false)
            }
            Err(error) => return Err(Refused::Driver(error)),
        };
        if shared {
            needs_options(address, plain)?;
        }
        Ok(Self { inner, shared, unrecorded })
    }

    /// Whether server connections are shared with other clients, by a pooler before the server.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether the server's statistics of statements leave this session out; its statements are marked otherwise.
    pub(crate) fn is_unrecorded(&self) -> bool {
        self.unrecorded
    }

    /// The server's version, as `server_version_num` has it.
    pub(crate) fn server_version_num(&self) -> Option<u32> {
        self.inner.server_version_num()
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.inner.close().await
    }
}

/// A question as one message.
fn alone<'q>(mut query: impl Execute<'q, Postgres>) -> Result<sqlx::RawSql, sqlx::Error> {
    let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
    if arguments.is_some_and(|a| a.len() > 0) {
        let message = "a question through a pooler has no parameters: it would be prepared on a connection of others";
        return Err(sqlx::Error::Protocol(message.to_owned()));
    }
    // Our own questions, all of them constants.
    Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{LIMITS}{}", own::marked(query.sql().as_str())))))
}

/// A question as the server is sent it on a session that it records: the same with a mark in its text.
enum Marked {
    Raw(sqlx::RawSql),
    Prepared(SqlStr, PgArguments, bool),
}

fn with_mark<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Marked, sqlx::Error> {
    let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
    let persistent = query.persistent();
    // Our own questions, as they were before.
    let text = sqlx::AssertSqlSafe(own::marked(query.sql().as_str()));
    Ok(match arguments {
        None => Marked::Raw(sqlx::raw_sql(text)),
        Some(arguments) => Marked::Prepared(sqlx::SqlSafeStr::into_sql_str(text), arguments, persistent),
    })
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if !self.shared {
            if self.unrecorded || query.statement().is_some() {
                return self.inner.fetch_many(query);
            }
            return match with_mark(query) {
                Ok(Marked::Raw(query)) => self.inner.fetch_many(query),
                Ok(Marked::Prepared(text, arguments, persistent)) => {
                    self.inner.fetch_many(sqlx::query_with(text, arguments).persistent(persistent))
                }
                Err(error) => stream::once(async { Err(error) }).boxed(),
            };
        }
        match alone(query) {
            Ok(query) => self.inner.fetch_many(query),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if !self.shared {
            if self.unrecorded || query.statement().is_some() {
                return self.inner.fetch_optional(query);
            }
            return match with_mark(query) {
                Ok(Marked::Raw(query)) => self.inner.fetch_optional(query),
                Ok(Marked::Prepared(text, arguments, persistent)) => {
                    self.inner.fetch_optional(sqlx::query_with(text, arguments).persistent(persistent))
                }
                Err(error) => async { Err(error) }.boxed(),
            };
        }
        match alone(query) {
            Ok(query) => self.inner.fetch_optional(query),
            Err(error) => async { Err(error) }.boxed(),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        if self.shared {
            let error = sqlx::Error::Protocol("nothing is prepared through a pooler".to_owned());
            return async { Err(error) }.boxed();
        }
        self.inner.prepare_with(sql, parameters)
    }
}

/// Checks that a monitoring session is one that will do.
pub(crate) async fn fits(address: &Address, wanted: WantedSession, session: &mut Session) -> Result<(), ApiError> {
    if wanted == WantedSession::Any {
        return Ok(());
    }
    // Monitoring's own sessions never write, so that only what the server is can be asked.
    let ask = "SELECT pg_is_in_recovery()";
    let row = sqlx::query(ask).fetch_one(session).await.map_err(|e| explain(address, &e))?;
    let standby: bool = sqlx::Row::get(&row, 0);
    trust::fitting(address, wanted, standby, standby)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_messages_are_known_by_their_beginning() {
        let begin = OURS.replace('\\', "");
        assert!(LIMITS.starts_with(begin.trim_end_matches('%')), "{LIMITS}");
    }

    #[test]
    fn options_of_the_address_are_never_lost_behind_a_pooler() {
        let (address, _) = Address::parse("postgres://u@h/d").expect("an address");
        let plain = postgres_options(&address, None);
        let bare = PgConnectOptions::new_without_pgpass();
        assert!(plain.get_options().is_some() || needs_options(&address, &bare).is_ok(), "there are none");
        let error = needs_options(&address, &plain.options([("search_path", "shop")])).expect_err("they would be lost");
        assert!(error.message.contains("options") && !error.message.contains("shop"), "{}", error.message);
    }

    #[test]
    fn refused_parameters_of_old_and_new_poolers_are_known() {
        assert!(refuses_parameters("unsupported startup parameter: extra_float_digits"), "PgBouncer 1.18");
        assert!(refuses_parameters("unsupported startup parameter in options: perfdeck.session"), "PgBouncer 1.20");
        assert!(!refuses_parameters("password authentication failed for user \"u\""), "something else");
    }
}
