//! Addresses of targets: a pasted URL becomes fields, and fields become a URL. Passwords are taken out on the way.
use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Sensitive, TargetRole};

/// What speaks at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// A SQLite file.
    Sqlite,
    /// Redis or Valkey.
    Redis,
    /// Perfdeck's in-process cache.
    Memory,
    /// HTTP without TLS.
    Http,
    /// HTTP with TLS.
    Https,
    /// OpenSSH.
    Ssh,
}

impl Scheme {
    /// The port assumed when an address names none.
    pub fn default_port(self) -> Option<u16> {
        match self {
            Self::Postgres => Some(5432),
            Self::Mysql | Self::Mariadb => Some(3306),
            Self::Redis => Some(6379),
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Ssh => Some(22),
            Self::Sqlite | Self::Memory => None,
        }
    }

    /// Which target an address of this scheme is.
    pub fn role(self) -> TargetRole {
        match self {
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Sqlite => TargetRole::Database,
            Self::Redis | Self::Memory => TargetRole::Cache,
            Self::Http | Self::Https => TargetRole::Api,
            Self::Ssh => TargetRole::Host,
        }
    }

    /// Product name for a person.
    pub fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Sqlite => "SQLite",
            Self::Redis => "Redis",
            Self::Memory => "In-process cache",
            Self::Http | Self::Https => "HTTP",
            Self::Ssh => "SSH",
        }
    }
}

/// How TLS is used. The words are PostgreSQL's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it, without verification. The default for loopback and for engines that negotiate it.
    #[default]
    Prefer,
    /// Always, without verification of the certificate.
    Require,
    /// Always, certificate and name verified.
    Verify,
}

/// A host and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An address without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Address {
    /// What speaks there.
    pub scheme: Scheme,
    /// Hosts; empty for files and in-process caches, several for Sentinel and Cluster. A host that starts with `/`
    /// is the folder of a Unix socket.
    pub hosts: Vec<HostPort>,
    /// Database name, database number, file path, or base path, without a leading `/` except for files.
    pub path: String,
    /// User name.
    pub username: Option<String>,
    /// How TLS is used.
    pub tls: TlsMode,
    /// Further parameters, sorted; never secrets.
    pub params: BTreeMap<String, String>,
}

/// Why text is not an address; the words are for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddressError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl std::fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseAddressError {}

fn fail<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, ParseAddressError> {
    Err(ParseAddressError { message: message.into(), hint: hint.into() })
}

const HINT: &str = "Examples: postgres://user@host/database, mysql://…, sqlite:/path/file.db, redis://host:6379/0, https://api.example";

impl Address {
    /// Reads an address and takes the password out of it.
    ///
    /// Accepted schemes: `postgres`, `postgresql`, `mysql`, `mariadb`, `sqlite`, `file`, `redis`, `rediss`, `valkey`,
    /// `valkeys`, `redis+cluster`, `rediss+cluster`, `redis+sentinel`, `memory`, `http`, `https`, `ssh`; SQLAlchemy's
    /// driver suffixes (`postgresql+asyncpg`) are ignored. A bare path that ends in `.db`, `.sqlite` or `.sqlite3` is a
    /// SQLite file.
    ///
    /// # Errors
    /// With words for a person when the text is not such an address.
    pub fn parse(text: &str) -> Result<(Self, Option<Sensitive>), ParseAddressError> {
        let text = text.trim().trim_matches(['"', '\'']);
        if text.is_empty() {
            return fail("The address is empty", HINT);
        }
        if text.len() > 4096 || text.chars().any(char::is_control) {
            return fail("The address is too long or contains control characters", HINT);
        }
        let Some((scheme_text, rest)) = text.split_once(':') else {
            return Self::parse_bare(text);
        };
        let scheme_lower = scheme_text.to_ascii_lowercase();
        let (base, suffix) = scheme_lower.split_once('+').unwrap_or((scheme_lower.as_str(), ""));
        let scheme = match base {
            "postgres" | "postgresql" | "pgsql" => Scheme::Postgres,
            "mysql" => Scheme::Mysql,
            "mariadb" => Scheme::Mariadb,
            "sqlite" | "sqlite3" | "file" => Scheme::Sqlite,
            "redis" | "rediss" | "valkey" | "valkeys" => Scheme::Redis,
            "memory" => Scheme::Memory,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ssh" => Scheme::Ssh,
            _ => {
                if rest.starts_with("//") {
                    return fail(format!("'{scheme_text}' is not a scheme Perfdeck knows"), HINT);
                }
                return Self::parse_bare(text);
            }
        };
        match scheme {
            Scheme::Sqlite => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let (path, query) = path.split_once('?').unwrap_or((path, ""));
                // sqlite:///relative and sqlite:////absolute are SQLAlchemy's forms; sqlite:/absolute is everyone's.
                let path = if rest.starts_with("////") { &path[1..] } else { path };
                if path.is_empty() {
                    return fail("The SQLite address names no file", "Write sqlite:/path/to/file.db");
                }
                let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
                return Ok((
                    Self {
                        scheme,
                        hosts: Vec::new(),
                        path,
                        username: None,
                        tls: TlsMode::Disable,
                        params: parse_query(query),
                    },
                    None,
                ));
            }
            Scheme::Memory => {
                return Ok((
                    Self {
                        scheme,
                        hosts: Vec::new(),
                        path: rest.trim_start_matches('/').to_owned(),
                        username: None,
                        tls: TlsMode::Disable,
                        params: BTreeMap::new(),
                    },
                    None,
                ));
            }
            _ => {}
        }
        let Some(rest) = rest.strip_prefix("//") else {
            return Self::parse_bare(text);
        };
        Self::parse_network(scheme, base, suffix, rest)
    }

    fn parse_network(
        scheme: Scheme,
        base: &str,
        suffix: &str,
        rest: &str,
    ) -> Result<(Self, Option<Sensitive>), ParseAddressError> {
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority_path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = authority_path.split_once('/').unwrap_or((authority_path, ""));
        let (userinfo, host_list) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
        let mut username = None;
        let mut password = None;
        if let Some(userinfo) = userinfo {
            let (user, pass) = userinfo.split_once(':').map_or((userinfo, None), |(u, p)| (u, Some(p)));
            let user = percent_decode_str(user).decode_utf8_lossy().into_owned();
            username = (!user.is_empty()).then_some(user);
            password = pass
                .map(|p| percent_decode_str(p).decode_utf8_lossy().into_owned())
                .filter(|p| !p.is_empty())
                .map(Sensitive::new);
        }
        let mut params = parse_query(query);
        if let Some(p) = params.remove("password") {
            password = Some(Sensitive::new(p));
        }
        let mut hosts = Vec::new();
        for part in host_list.split(',') {
            hosts.push(parse_host(part, scheme)?);
        }
        if let Some(folder) = params.get("host").filter(|h| h.starts_with('/')).cloned() {
            let port = hosts.first().map_or(5432, |h| h.port);
            hosts = vec![HostPort { host: folder, port }];
            params.remove("host");
        }
        if hosts.is_empty() || hosts.iter().any(|h| h.host.is_empty()) {
            return fail("The address names no host", HINT);
        }
        if hosts.len() > 1 && !matches!(scheme, Scheme::Redis) {
            return fail(
                "The address names several hosts",
                "Give one host; only Redis Sentinel and Cluster take several",
            );
        }
        let tls = tls_mode(scheme, base, suffix, &mut params)?;
        match suffix {
            "cluster" | "sentinel" if scheme == Scheme::Redis => {
                params.insert("mode".to_owned(), suffix.to_owned());
            }
            _ => {}
        }
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        if scheme == Scheme::Redis && !path.is_empty() && path.trim_end_matches('/').parse::<u8>().is_err() {
            return fail(format!("'{path}' is not a Redis database number"), "Write redis://host:6379/0");
        }
        let path = if scheme == Scheme::Redis { path.trim_end_matches('/').to_owned() } else { path };
        Ok((Self { scheme, hosts, path, username, tls, params }, password))
    }

    /// Text without a scheme: a SQLite file, or a host with a well-known port.
    fn parse_bare(text: &str) -> Result<(Self, Option<Sensitive>), ParseAddressError> {
        let lower = text.to_ascii_lowercase();
        if [".db", ".sqlite", ".sqlite3", ".db3"].iter().any(|e| lower.ends_with(e)) {
            return Ok((
                Self {
                    scheme: Scheme::Sqlite,
                    hosts: Vec::new(),
                    path: text.to_owned(),
                    username: None,
                    tls: TlsMode::Disable,
                    params: BTreeMap::new(),
                },
                None,
            ));
        }
        let scheme = match text.split('/').next().and_then(|h| h.rsplit_once(':')).map(|(_, p)| p) {
            Some("5432") => "postgres",
            Some("3306") => "mysql",
            Some("6379") => "redis",
            Some("80" | "8000" | "8080" | "3000" | "5000") => "http",
            Some("443" | "8443") => "https",
            _ => return fail(format!("'{text}' has no scheme"), HINT),
        };
        Self::parse(&format!("{scheme}://{text}"))
    }

    /// The URL without a password, in the canonical form that [`Address::parse`] reads back.
    pub fn url(&self) -> String {
        self.url_with(None)
    }

    /// The URL with a password, for a driver. Never show it.
    pub fn url_with(&self, password: Option<&Sensitive>) -> String {
        let secret = password.filter(|p| !p.is_empty());
        match self.scheme {
            Scheme::Sqlite => return format!("sqlite:{}{}", self.path, query_string(&self.params)),
            Scheme::Memory => return format!("memory:{}", self.path),
            _ => {}
        }
        let mut params = self.params.clone();
        let mode = params.remove("mode");
        let scheme = match (self.scheme, self.tls, mode.as_deref()) {
            (Scheme::Postgres, ..) => "postgres".to_owned(),
            (Scheme::Mysql, ..) => "mysql".to_owned(),
            (Scheme::Mariadb, ..) => "mariadb".to_owned(),
            (Scheme::Redis, tls, mode) => {
                let base = if matches!(tls, TlsMode::Verify | TlsMode::Require) { "rediss" } else { "redis" };
                mode.map_or_else(|| base.to_owned(), |m| format!("{base}+{m}"))
            }
            (Scheme::Https, ..) => "https".to_owned(),
            (Scheme::Ssh, ..) => "ssh".to_owned(),
            _ => "http".to_owned(),
        };
        let encode = |s: &str| utf8_percent_encode(s, NON_ALPHANUMERIC).to_string();
        let user = match (&self.username, secret) {
            (Some(u), Some(p)) => format!("{}:{}@", encode(u), encode(p.expose())),
            (Some(u), None) => format!("{}@", encode(u)),
            (None, Some(p)) => format!(":{}@", encode(p.expose())),
            (None, None) => String::new(),
        };
        let socket = self.hosts.first().filter(|h| h.host.starts_with('/'));
        let hosts = if let Some(socket) = socket {
            params.insert("host".to_owned(), socket.host.clone());
            format!("localhost:{}", socket.port)
        } else {
            self.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        match (self.scheme, self.tls) {
            (Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb, mode) if mode != TlsMode::Prefer => {
                let word = match mode {
                    TlsMode::Disable => "disable",
                    TlsMode::Require => "require",
                    _ => "verify-full",
                };
                params.insert("sslmode".to_owned(), word.to_owned());
            }
            (Scheme::Redis | Scheme::Https, TlsMode::Require) => {
                params.insert("tls".to_owned(), "insecure".to_owned());
            }
            _ => {}
        }
        let path = if self.path.is_empty() && !matches!(self.scheme, Scheme::Http | Scheme::Https) {
            String::new()
        } else {
            format!("/{}", self.path)
        };
        format!("{scheme}://{user}{hosts}{path}{}", query_string(&params))
    }

    /// Short form for the status line: `host:port/database`, a file's path, or `in process`.
    pub fn short(&self) -> String {
        match self.scheme {
            Scheme::Sqlite => self.path.clone(),
            Scheme::Memory => "in process".to_owned(),
            _ => {
                let hosts = self.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                if self.path.is_empty() { hosts } else { format!("{hosts}/{}", self.path) }
            }
        }
    }
}

fn parse_host(part: &str, scheme: Scheme) -> Result<HostPort, ParseAddressError> {
    let default = scheme.default_port().unwrap_or(0);
    let port_of = |text: &str| -> Result<u16, ParseAddressError> {
        if text.is_empty() {
            return Ok(default);
        }
        match text.parse::<u16>() {
            Ok(p) if p > 0 => Ok(p),
            _ => fail(format!("'{text}' is not a port"), "A port is a number from 1 to 65535"),
        }
    };
    let part = part.trim();
    if let Some(rest) = part.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return fail("The IPv6 address has no closing bracket", "Write [::1]:5432");
        };
        return Ok(HostPort { host: host.to_owned(), port: port_of(after.strip_prefix(':').unwrap_or(""))? });
    }
    let (host, port) = part.rsplit_once(':').unwrap_or((part, ""));
    if host.contains(':') {
        return fail("An IPv6 address needs brackets", format!("Write [{part}]:{default}"));
    }
    let host = percent_decode_str(host).decode_utf8_lossy().into_owned();
    if host.is_empty() && !port.is_empty() {
        return fail("The address names no host", HINT);
    }
    if host.chars().any(|c| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}')) {
        return fail(format!("'{host}' is not a host name"), HINT);
    }
    let host = if host.is_empty() && scheme == Scheme::Postgres { "localhost".to_owned() } else { host };
    Ok(HostPort { host, port: port_of(port)? })
}

fn parse_query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (k, v) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |s: &str| percent_decode_str(&s.replace('+', " ")).decode_utf8_lossy().into_owned();
            (decode(k), decode(v))
        })
        .collect()
}

fn query_string(params: &BTreeMap<String, String>) -> String {
    if params.is_empty() {
        return String::new();
    }
    let encode = |s: &str| utf8_percent_encode(s, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = params.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
    format!("?{}", pairs.join("&"))
}

fn tls_mode(
    scheme: Scheme,
    base: &str,
    suffix: &str,
    params: &mut BTreeMap<String, String>,
) -> Result<TlsMode, ParseAddressError> {
    let word = ["sslmode", "ssl-mode", "ssl_mode", "tls"].iter().find_map(|k| params.remove(*k));
    match (scheme, word.as_deref().map(str::to_ascii_lowercase).as_deref()) {
        (Scheme::Redis, Some("insecure")) if base.ends_with('s') => Ok(TlsMode::Require),
        (Scheme::Https, Some("insecure")) => Ok(TlsMode::Require),
        (Scheme::Redis, _) if matches!(base, "rediss" | "valkeys") => Ok(TlsMode::Verify),
        (Scheme::Https, _) => Ok(TlsMode::Verify),
        (Scheme::Redis | Scheme::Http | Scheme::Ssh | Scheme::Sqlite | Scheme::Memory, _) => Ok(TlsMode::Disable),
        (_, None | Some("prefer" | "preferred" | "allow")) => {
            Ok(if suffix == "tls" { TlsMode::Verify } else { TlsMode::Prefer })
        }
        (_, Some("disable" | "disabled" | "false")) => Ok(TlsMode::Disable),
        (_, Some("require" | "required" | "true")) => Ok(TlsMode::Require),
        (_, Some("verify-full" | "verify_identity" | "verify-ca" | "verify_ca" | "verify_full" | "verify")) => {
            Ok(TlsMode::Verify)
        }
        (_, Some(other)) => fail(format!("'{other}' is not a TLS mode"), "Use disable, prefer, require or verify-full"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Address, Option<String>) {
        let (a, p) = Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        (a, p.map(|p| p.expose().to_owned()))
    }

    #[test]
    fn a_postgres_url_becomes_fields_without_its_password() {
        let (a, p) =
            parse("postgresql+asyncpg://reader:p%40ss%3Aw@db.staging.example:6543/clinic?sslmode=verify-full&x=1");
        assert_eq!(a.scheme, Scheme::Postgres, "driver suffixes are ignored");
        assert_eq!(a.hosts, vec![HostPort { host: "db.staging.example".into(), port: 6543 }], "host and port");
        assert_eq!(
            (a.path.as_str(), a.username.as_deref(), a.tls),
            ("clinic", Some("reader"), TlsMode::Verify),
            "fields"
        );
        assert_eq!(p.as_deref(), Some("p@ss:w"), "the password is decoded");
        assert!(!a.url().contains("p%40ss") && !a.url().contains("p@ss"), "the shown URL has no password");
        assert_eq!(Address::parse(&a.url()).expect("own URL parses").0, a, "the canonical URL reads back");
    }

    #[test]
    fn every_kind_of_address_is_understood() {
        for (text, scheme, short) in [
            ("mysql://root@127.0.0.1/shop", Scheme::Mysql, "127.0.0.1:3306/shop"),
            ("mariadb://h:3307/x", Scheme::Mariadb, "h:3307/x"),
            ("sqlite:/srv/dev.db", Scheme::Sqlite, "/srv/dev.db"),
            ("sqlite:////srv/dev.db", Scheme::Sqlite, "/srv/dev.db"),
            ("/srv/dev.sqlite3", Scheme::Sqlite, "/srv/dev.sqlite3"),
            ("redis://localhost", Scheme::Redis, "localhost:6379"),
            ("rediss://:secret@cache:6380/2", Scheme::Redis, "cache:6380/2"),
            ("redis+cluster://a:7000,b:7001", Scheme::Redis, "a:7000,b:7001"),
            ("valkey://[::1]:6379/0", Scheme::Redis, "[::1]:6379/0"),
            ("127.0.0.1:5432/app", Scheme::Postgres, "127.0.0.1:5432/app"),
            ("https://api.example/v1", Scheme::Https, "api.example:443/v1"),
            ("memory:", Scheme::Memory, "in process"),
        ] {
            let (a, _) = parse(text);
            assert_eq!(a.scheme, scheme, "scheme of {text}");
            assert_eq!(a.short(), short, "short form of {text}");
            assert_eq!(parse(&a.url()).0, a, "canonical form of {text} reads back");
        }
    }

    #[test]
    fn malformed_addresses_say_what_is_wrong_and_what_would_be_right() {
        for (text, part) in [
            ("", "empty"),
            ("ftp://x", "not a scheme"),
            ("postgres://h:99999/x", "not a port"),
            ("postgres://[::1/x", "bracket"),
            ("redis://h/abc", "database number"),
            ("postgres://a,b/x", "several hosts"),
            ("postgres://h/x?sslmode=maybe", "TLS mode"),
            ("justtext", "no scheme"),
            ("redis://:pw@/0", "no host"),
            ("postgres://a b/x", "not a host name"),
        ] {
            let e = Address::parse(text).expect_err(text);
            assert!(e.message.contains(part), "{text}: '{}' should mention '{part}'", e.message);
            assert!(!e.hint.is_empty(), "{text}: a hint says what would be right");
        }
    }

    #[test]
    fn a_unix_socket_survives() {
        let (a, _) = parse("postgres://me@localhost:5433/db?host=/var/run/postgresql");
        assert_eq!(a.hosts[0].host, "/var/run/postgresql", "the socket's folder is the host");
        assert_eq!(parse(&a.url()).0, a, "and reads back");
    }
}
