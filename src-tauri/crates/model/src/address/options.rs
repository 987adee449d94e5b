//! The parameters of an address as types, for what connects.
use std::time::Duration;

use super::parameters::settings;
use super::{Address, ParseAddressError, Scheme, TlsMode};

/// Opening mode of a SQLite file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// For reading only.
    ReadOnly,
    /// For reading and writing; the file must exist.
    #[default]
    ReadWrite,
    /// For reading and writing; a missing file is created.
    Create,
}

/// Kind of PostgreSQL session that will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Session {
    /// Every one.
    #[default]
    Any,
    /// One that may write.
    ReadWrite,
    /// One that may not write.
    ReadOnly,
    /// One of a primary.
    Primary,
    /// One of a standby.
    Standby,
}

/// Options of an address for its connections, beyond host, user and database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Use of TLS, with the changes that its other parameters make.
    pub tls: TlsMode,
    /// File of the roots to trust instead of the system's.
    pub root: Option<String>,
    /// Files of the client certificate and of its key.
    pub certificate: Option<(String, String)>,
    /// Longest time to connect.
    pub connect_timeout: Option<Duration>,
    /// PostgreSQL: settings of the session.
    pub settings: Vec<(String, String)>,
    /// PostgreSQL: kind of session that will do.
    pub session: Session,
    /// MySQL: character set.
    pub charset: Option<String>,
    /// MySQL: collation.
    pub collation: Option<String>,
    /// MySQL: time zone of the session.
    pub timezone: Option<String>,
    /// SQLite: opening mode of the file.
    pub mode: Mode,
    /// SQLite: whether its cache is shared between connections.
    pub shared_cache: bool,
    /// SQLite: whether nobody writes to the file.
    pub immutable: bool,
    /// SQLite: name of the VFS that opens the file.
    pub vfs: Option<String>,
    /// Redis: account at the Sentinels.
    pub sentinel_username: Option<String>,
}

impl Address {
    /// The parameters as types.
    ///
    /// # Errors
    /// For a parameter that this version does not honour, which an address stored by an earlier one may have.
    pub fn options(&self) -> Result<Options, ParseAddressError> {
        if matches!(self.scheme, Scheme::Http | Scheme::Https | Scheme::Memory) {
            return Ok(Options { tls: self.tls, ..Options::default() });
        }
        let address = Self::read(&self.url())?.address;
        let get = |name: &str| address.params.get(name).cloned();
        let settings = match get("options") {
            Some(text) => settings(&text)?,
            None => Vec::new(),
        };
        Ok(Options {
            tls: address.tls,
            root: get("sslrootcert"),
            certificate: get("sslcert").zip(get("sslkey")),
            connect_timeout: get("connect_timeout").and_then(|s| s.parse().ok()).map(Duration::from_secs),
            settings,
            session: match get("target_session_attrs").as_deref() {
                Some("read-write") => Session::ReadWrite,
                Some("read-only") => Session::ReadOnly,
                Some("primary") => Session::Primary,
                Some("standby") => Session::Standby,
                // With one host `prefer-standby` takes it whatever it is.
                _ => Session::Any,
            },
            charset: get("charset"),
            collation: get("collation"),
            timezone: get("timezone"),
            mode: match get("mode").as_deref() {
                Some("ro") => Mode::ReadOnly,
                Some("rwc") => Mode::Create,
                _ => Mode::ReadWrite,
            },
            shared_cache: get("cache").as_deref() == Some("shared"),
            immutable: get("immutable").is_some(),
            vfs: get("vfs"),
            sentinel_username: get("sentinel_username"),
        })
    }
}
