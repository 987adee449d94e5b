//! Connections for load: without a pool, and without what keeps monitoring harmless.
use std::path::PathBuf;
use std::time::Duration;

use perfdeck_model::{Address, AddressOptions, ApiError, Scheme, Sensitive, WantedSession};
use perfdeck_pgload as pgload;
use perfdeck_sqltext::Dialect;
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnection;

use crate::connect::{no_server, silent};
use crate::error::{asked, explain, untrusted};
use crate::options::{is_socket, mysql_options, named, postgres_options, sqlite_options};
use crate::refused;
use crate::session::{MARK, needs_options, refuses_parameters};
use crate::trust;

/// Name under which load shows in the target's own views.
pub(crate) const NAME: &str = "perfdeck-load";
/// Longest time to open a connection.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection that load goes over.
pub enum LoadConnection {
    /// PostgreSQL.
    Postgres(pgload::Client),
    /// MySQL or MariaDB.
    Mysql(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// Whose lexical rules the statements of a database follow.
pub fn dialect(scheme: Scheme) -> Dialect {
    match scheme {
        Scheme::Mysql | Scheme::Mariadb => Dialect::Mysql,
        Scheme::Sqlite => Dialect::Sqlite,
        _ => Dialect::Postgres,
    }
}

/// Connects for a benchmark, within 5 s.
///
/// # Errors
/// As a connection test would say it.
pub async fn connect_for_load(address: &Address, password: Option<&Sensitive>) -> Result<LoadConnection, ApiError> {
    let wanted = trust::wanted(address)?;
    let limit = wanted.connect_timeout.unwrap_or(DEADLINE);
    let failed = |e: sqlx::Error| explain(address, &e);
    match address.scheme {
        Scheme::Postgres => {
            // Named here: the client itself says only that TLS failed.
            if !is_socket(address) {
                trust::files(&wanted).await?;
            }
            let mut client =
                postgres(address, password, &wanted).await.map_err(|error| asked(address, password, error))?;
            if wanted.session != WantedSession::Any {
                let question = client.ask("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')");
                let rows = in_time(address, limit, question).await?.map_err(|e| explain_load(address, &e))?;
                let is = |at: usize, word: &str| {
                    rows.first().and_then(|row| row.get(at)).cloned().flatten().as_deref() == Some(word)
                };
                trust::fitting(address, wanted.session, is(0, "t"), is(1, "on"))?;
            }
            Ok(LoadConnection::Postgres(client))
        }
        Scheme::Mysql | Scheme::Mariadb => {
            let options = mysql_options(address, password);
            let work = async {
                trust::checked(address, &wanted).await?;
                options.connect().await.map(LoadConnection::Mysql).map_err(failed)
            };
            in_time(address, limit, work).await?
        }
        _ => {
            let options = sqlite_options(address).busy_timeout(Duration::from_secs(5));
            in_time(address, limit, options.connect()).await?.map(LoadConnection::Sqlite).map_err(failed)
        }
    }
}

async fn in_time<T>(address: &Address, limit: Duration, work: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, work).await.map_err(|_| silent(address, limit))
}

/// Connects to PostgreSQL and finds out whether a pooler shares its server connections.
///
/// A session of our own has our start-up options and the process that the server named when it signed us in. Poolers
/// refuse start-up options (PgBouncer by default, before they reach a server) or drop them, and name a process of theirs.
async fn postgres(
    address: &Address,
    password: Option<&Sensitive>,
    wanted: &AddressOptions,
) -> Result<pgload::Client, ApiError> {
    let limit = wanted.connect_timeout.unwrap_or(DEADLINE);
    let end = tokio::time::Instant::now() + limit;
    let plain = postgres_options(address, password);
    let mark = format!("{:016x}", rand_mark());
    let own = wire_options(&named(plain.clone(), NAME).options([(MARK, mark.as_str())]), wanted, password);
    let (mut client, mut shared) = match timed(address, end, limit, pgload::Client::connect(&own)).await? {
        Ok(client) => (client, false),
        Err(e) if e.refusal().is_some_and(|r| refuses_parameters(&r.message)) => {
            needs_options(address, &plain)?;
            let bare =
                timed(address, end, limit, pgload::Client::connect(&wire_options(&plain, wanted, password))).await?;
            (bare.map_err(|e| explain_load(address, &e))?, true)
        }
        Err(error) => return Err(explain_load(address, &error)),
    };
    let question = client.ask("SELECT current_setting('perfdeck.session', true), pg_backend_pid()");
    let Ok(answer) = tokio::time::timeout_at(end, question).await else { return Err(no_server(address, limit)) };
    let rows = answer.map_err(|e| explain_load(address, &e))?;
    let cell = |at: usize| rows.first().and_then(|row| row.get(at)).cloned().flatten();
    if !shared {
        let arrived = cell(0).as_deref() == Some(mark.as_str());
        let same = cell(1).and_then(|pid| pid.parse::<i32>().ok()) == Some(client.process());
        shared = !(arrived && same);
        if !arrived {
            needs_options(address, &plain)?;
        }
    }
    if shared {
        client.set_shared();
    }
    Ok(client)
}

/// Different for each connection.
fn rand_mark() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}

async fn timed<T>(
    address: &Address,
    end: tokio::time::Instant,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, ApiError> {
    tokio::time::timeout_at(end, work).await.map_err(|_| silent(address, limit))
}

/// The same for the client that load uses.
fn wire_options(options: &PgConnectOptions, wanted: &AddressOptions, password: Option<&Sensitive>) -> pgload::Options {
    let port = options.get_port();
    let socket = options.get_socket().cloned().or_else(|| {
        let host = options.get_host();
        host.starts_with('/').then(|| PathBuf::from(host))
    });
    let host = match socket {
        Some(folder) => pgload::Host::Unix(folder.join(format!(".s.PGSQL.{port}"))),
        None => pgload::Host::Tcp(options.get_host().to_owned(), port),
    };
    let file = |path: &String| PathBuf::from(path);
    let roots = wanted.root.as_ref().map(file);
    let client = wanted.certificate.as_ref().map(|(certificate, key)| (file(certificate), file(key)));
    let tls = |required, trust| Some(pgload::Tls { required, trust, roots: roots.clone(), client: client.clone() });
    let tls = match options.get_ssl_mode() {
        PgSslMode::Disable => None,
        PgSslMode::Allow | PgSslMode::Prefer => tls(false, pgload::Trust::Anything),
        // As libpq: who names an issuer wants it to be verified.
        PgSslMode::Require if roots.is_some() => tls(true, pgload::Trust::Issuer),
        PgSslMode::Require => tls(true, pgload::Trust::Anything),
        PgSslMode::VerifyCa => tls(true, pgload::Trust::Issuer),
        PgSslMode::VerifyFull => tls(true, pgload::Trust::IssuerAndName),
    };
    let mut parameters = Vec::new();
    if let Some(options) = options.get_options() {
        parameters.push(("options".to_owned(), options.to_owned()));
    }
    pgload::Options {
        host,
        user: options.get_username().to_owned(),
        password: password.map(|p| p.expose().to_owned()),
        database: options.get_database().map(str::to_owned),
        tls,
        parameters,
    }
}

/// What an error of that client means, in the words of all other connections.
fn explain_load(address: &Address, error: &pgload::Error) -> ApiError {
    match error {
        pgload::Error::Server(refusal) => refused::postgres(address, &refusal.code, &refusal.message),
        pgload::Error::Io(e) => explain(address, &sqlx::Error::Io(std::io::Error::new(e.kind(), e.to_string()))),
        pgload::Error::Handshake(why) => untrusted(address, why, None),
        pgload::Error::Tls(message) => explain(address, &sqlx::Error::Tls(message.clone().into())),
        other => explain(address, &sqlx::Error::Protocol(other.to_string())),
    }
}
