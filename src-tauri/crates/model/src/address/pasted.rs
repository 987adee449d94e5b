//! From text to an address: which form it is written in.
use super::{Address, Scheme, forms, network, sqlite};
use crate::Sensitive;

/// Reason why text is not an address, in words for the person who typed it. They name the position and kind of the
/// mistake and never hold the text itself, which may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddressError {
    /// Mistake in the text.
    pub message: String,
    /// Form that would be right.
    pub hint: String,
}

impl std::fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseAddressError {}

pub(super) fn fail<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, ParseAddressError> {
    Err(ParseAddressError { message: message.into(), hint: hint.into() })
}

pub(super) const HINT: &str = "Examples: postgres://user@host/database, mysql://…, sqlite:/path/file.db, redis://host:6379/0, https://api.example";

/// Contents of an address, its secrets apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted {
    /// The address, without secrets.
    pub address: Address,
    /// The target's password.
    pub password: Option<Sensitive>,
    /// The password of the Sentinels, where it is one of their own.
    pub sentinel_password: Option<Sensitive>,
}

/// Schemes of other products, which may be named because they are known.
const OTHERS: &[&str] = &[
    "ftp",
    "mongodb",
    "mongodb+srv",
    "amqp",
    "amqps",
    "oracle",
    "sqlserver",
    "mssql",
    "clickhouse",
    "cassandra",
    "ldap",
    "cockroachdb",
    "unix",
    "redis+unix",
    "redis+socket",
    "redis-socket",
    "redis-sentinel",
    "snowflake",
    "bigquery",
    "memcached",
    "kafka",
    "nats",
    "s3",
    "tcp",
    "ws",
    "wss",
    "grpc",
    "duckdb",
    "libsql",
    "db2",
    "h2",
    "elasticsearch",
];

impl Address {
    /// Reads an address and takes its password out of it.
    ///
    /// Accepted are URLs of the schemes `postgres`, `postgresql`, `mysql`, `mariadb`, `sqlite`, `file`, `redis`,
    /// `rediss`, `valkey`, `valkeys`, `redis+cluster`, `redis+sentinel`, `memory`, `http`, `https`, `ssh` and
    /// `prometheus+http`, with SQLAlchemy's known drivers (`postgresql+asyncpg`) and JDBC's prefix; Go's
    /// `user@tcp(host:port)/db`; libpq's `host=… dbname=…`. A bare path that ends in `.db`, `.sqlite` or `.sqlite3` is a
    /// SQLite file.
    ///
    /// # Errors
    /// With words for a person when the text is not such an address, a parameter is not understood, or it holds a
    /// second secret, which [`Address::read`] can answer.
    pub fn parse(text: &str) -> Result<(Self, Option<Sensitive>), ParseAddressError> {
        let Pasted { address, password, sentinel_password } = Self::read(text)?;
        if sentinel_password.is_some() {
            return fail("sentinel_password cannot be used here", "Give it where an environment is added or edited");
        }
        Ok((address, password))
    }

    /// Reads an address as [`Address::parse`] does and takes all of its secrets out of it.
    ///
    /// # Errors
    /// With words for a person when the text is not such an address or a parameter is not understood.
    pub fn read(text: &str) -> Result<Pasted, ParseAddressError> {
        let text = text.trim();
        let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let text = if quoted('"') || quoted('\'') { &text[1..text.len() - 1] } else { text };
        if text.is_empty() {
            return fail("The address is empty", HINT);
        }
        if text.len() > 65_536 || text.chars().any(char::is_control) {
            return fail("The address is too long or contains control characters", HINT);
        }
        let prefix = text.get(..5).unwrap_or_default();
        if prefix.eq_ignore_ascii_case("jdbc:") {
            return forms::jdbc(&text[5..]);
        }
        if let Some(read) = forms::keywords(text).or_else(|| forms::go(text)) {
            return read;
        }
        let Some((scheme_text, rest)) = text.split_once(':') else { return bare(text) };
        let scheme_text = scheme_text.to_ascii_lowercase();
        if scheme_text.starts_with("prometheus") {
            return network::prometheus(&scheme_text, rest);
        }
        let (base, suffix) = scheme_text.split_once('+').unwrap_or((scheme_text.as_str(), ""));
        let Some(scheme) = named(base) else {
            if OTHERS.contains(&scheme_text.as_str()) && rest.starts_with("//") {
                return fail(format!("{scheme_text} is not a scheme Perfdeck knows"), HINT);
            }
            if rest.starts_with("//") {
                return fail("The word before :// is not a scheme Perfdeck knows", HINT);
            }
            return bare(text);
        };
        if !drivers(scheme).contains(&suffix) {
            return fail(
                format!("The word after {base}+ is not a driver or form Perfdeck knows"),
                format!("Leave it out: {base}://…"),
            );
        }
        match scheme {
            Scheme::Sqlite => sqlite::read(base, rest),
            Scheme::Memory => match rest.trim_start_matches('/') {
                "" => Ok(plain(Address::at(scheme, Vec::new()))),
                _ => fail("An address of the in-process cache has no further parts", "Write memory:"),
            },
            _ => match rest.strip_prefix("//") {
                Some(rest) => network::read(network::Form { scheme, base, suffix, jdbc: false }, rest),
                None => fail(format!("{base}: is not followed by //"), format!("Write {base}://…")),
            },
        }
    }

    pub(super) fn at(scheme: Scheme, hosts: Vec<super::HostPort>) -> Self {
        Self {
            scheme,
            hosts,
            path: String::new(),
            username: None,
            tls: super::TlsMode::Disable,
            params: std::collections::BTreeMap::new(),
        }
    }
}

pub(super) fn plain(address: Address) -> Pasted {
    Pasted { address, password: None, sentinel_password: None }
}

pub(super) fn named(base: &str) -> Option<Scheme> {
    Some(match base {
        "postgres" | "postgresql" | "pgsql" | "psql" | "postgis" => Scheme::Postgres,
        "mysql" | "mysql2" | "mysqlgis" | "trilogy" => Scheme::Mysql,
        "mariadb" => Scheme::Mariadb,
        "sqlite" | "sqlite3" | "file" => Scheme::Sqlite,
        "redis" | "rediss" | "valkey" | "valkeys" => Scheme::Redis,
        "memory" => Scheme::Memory,
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "ssh" => Scheme::Ssh,
        _ => return None,
    })
}

/// SQLAlchemy's drivers, which say nothing about the server, and Perfdeck's forms of a cache.
fn drivers(scheme: Scheme) -> &'static [&'static str] {
    match scheme {
        Scheme::Postgres => &["", "psycopg", "psycopg2", "psycopg2cffi", "psycopg_async", "asyncpg", "pg8000"],
        Scheme::Mysql | Scheme::Mariadb => {
            &["", "pymysql", "mysqldb", "mysqlclient", "aiomysql", "asyncmy", "mysqlconnector", "mariadbconnector"]
        }
        Scheme::Sqlite => &["", "pysqlite", "aiosqlite"],
        Scheme::Redis => &["", "cluster", "sentinel"],
        Scheme::Memory | Scheme::Http | Scheme::Https | Scheme::Ssh | Scheme::Prometheus => &[""],
    }
}

/// Text without a scheme: a SQLite file, or a host with a well-known port.
fn bare(text: &str) -> Result<Pasted, ParseAddressError> {
    let lower = text.to_ascii_lowercase();
    // Something with a user and a password is an address that lost its scheme, whatever its database is called.
    let credentials = !text.starts_with(['/', '.', '~']) && text.contains(':') && text.contains('@');
    if !credentials && [".db", ".sqlite", ".sqlite3", ".db3"].iter().any(|e| lower.ends_with(e)) {
        // Such a path is never decoded: `%` and `#` are parts of the file's name.
        let mut address = Address::at(Scheme::Sqlite, Vec::new());
        text.clone_into(&mut address.path);
        return Ok(plain(address));
    }
    let authority = text.split(['/', '?', '#']).next().unwrap_or(text);
    let scheme = match authority.rsplit_once(':').map(|(_, p)| p) {
        Some("5432") => "postgres",
        Some("3306") => "mysql",
        Some("6379") => "redis",
        Some("80" | "8000" | "8080" | "3000" | "5000") => "http",
        Some("443" | "8443") => "https",
        _ => return fail("The address has no scheme", HINT),
    };
    Address::read(&format!("{scheme}://{text}"))
}
