//! What a connection is opened with.
use perfdeck_model::{Address, AddressOptions, FileMode, Sensitive, TlsMode};
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

/// Name under which monitoring shows in the target's own views; its sessions are left out of every figure.
pub(crate) const NAME: &str = "perfdeck";

/// What the address asks for. An address with a parameter that is not honoured is refused by [`connect`] before anything is
/// opened with these.
fn options_of(address: &Address) -> AddressOptions {
    address.options().unwrap_or_else(|_| AddressOptions { tls: address.tls, ..AddressOptions::default() })
}

/// Whether the address leads to a Unix socket of this machine.
pub(crate) fn is_socket(address: &Address) -> bool {
    address.hosts.first().is_some_and(|h| h.host.starts_with('/'))
}

/// PostgreSQL options of an address, without a name for the application: see [`named`].
///
/// Host, user, password and database are the address's own: a password that the process has in its environment belongs to
/// another server.
pub(crate) fn postgres_options(address: &Address, password: Option<&Sensitive>) -> PgConnectOptions {
    let wanted = options_of(address);
    // PgBouncer refuses `extra_float_digits` at start-up; it means nothing for values in binary.
    let local = is_socket(address);
    let mut o = PgConnectOptions::new_without_pgpass().extra_float_digits(None).ssl_mode(match wanted.tls {
        // As libpq: TLS does not apply to a Unix socket, whatever the address says.
        _ if local => PgSslMode::Disable,
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::Verify => PgSslMode::VerifyFull,
    });
    if let Some(h) = address.hosts.first() {
        o = if h.host.starts_with('/') { o.socket(&h.host) } else { o.host(&h.host) }.port(h.port);
    }
    if let Some(user) = &address.username {
        o = o.username(user);
    }
    o = o.password(password.map_or("", Sensitive::expose));
    let database = if address.path.is_empty() { o.get_username().to_owned() } else { address.path.clone() };
    o = o.database(&database);
    if let Some(file) = wanted.root.as_ref().filter(|_| !local) {
        o = o.ssl_root_cert(file);
    }
    if let Some((certificate, key)) = wanted.certificate.as_ref().filter(|_| !local) {
        o = o.ssl_client_cert(certificate).ssl_client_key(key);
    }
    if !wanted.settings.is_empty() {
        o = o.options(wanted.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    o.disable_statement_logging()
}

/// The same under a name in the server's own views.
///
/// It is a start-up option and no start-up parameter: PgBouncer would set that on a server connection, and the next
/// client that has no name of its own would go by ours.
pub(crate) fn named(options: PgConnectOptions, name: &str) -> PgConnectOptions {
    options.options([("application_name", name)])
}

/// MySQL and MariaDB options of an address.
pub(crate) fn mysql_options(address: &Address, password: Option<&Sensitive>) -> MySqlConnectOptions {
    let wanted = options_of(address);
    let mut o = MySqlConnectOptions::new().ssl_mode(match wanted.tls {
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::Verify => MySqlSslMode::VerifyIdentity,
    });
    if let Some(h) = address.hosts.first() {
        o = if h.host.starts_with('/') { o.socket(&h.host) } else { o.host(&h.host).port(h.port) };
    }
    if let Some(user) = &address.username {
        o = o.username(user);
    }
    if let Some(password) = password {
        o = o.password(password.expose());
    }
    if !address.path.is_empty() {
        o = o.database(&address.path);
    }
    if let Some(file) = &wanted.root {
        o = o.ssl_ca(file);
    }
    if let Some((certificate, key)) = &wanted.certificate {
        o = o.ssl_client_cert(certificate).ssl_client_key(key);
    }
    if let Some(charset) = &wanted.charset {
        o = o.charset(charset);
    }
    if let Some(collation) = &wanted.collation {
        o = o.collation(collation);
    }
    if let Some(timezone) = &wanted.timezone {
        // The server knows UTC as a name only where its tables of time zones are loaded.
        let utc = ["utc", "gmt", "z", "etc/utc"].contains(&timezone.to_ascii_lowercase().as_str());
        o = o.timezone(if utc { "+00:00".to_owned() } else { timezone.clone() });
    }
    o.disable_statement_logging()
}

/// SQLite options of an address; a missing file is created only with `mode=rwc`, and then by what writes.
pub(crate) fn sqlite_options(address: &Address) -> SqliteConnectOptions {
    let wanted = options_of(address);
    let mut o = SqliteConnectOptions::new()
        .filename(&address.path)
        .read_only(wanted.mode == FileMode::ReadOnly)
        .create_if_missing(wanted.mode == FileMode::Create)
        .shared_cache(wanted.shared_cache)
        .immutable(wanted.immutable);
    if let Some(vfs) = wanted.vfs {
        o = o.vfs(vfs);
    }
    o.disable_statement_logging()
}
