//! Addresses with hosts: what stands before the query, and what its parameters change about it.
use super::hosts::{self, ENCODE, Host, decode, decode_shown};
use super::parameters::{self, Given, Pair, Taken, pairs, seconds, text, truth};
use super::pasted::{HINT, ParseAddressError, Pasted, fail};
use super::{Address, Scheme, TlsMode};
use crate::Sensitive;

/// The form that an address is written in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) scheme: Scheme,
    /// The scheme's word, in lower case.
    pub(super) base: &'a str,
    /// The word after its `+`.
    pub(super) suffix: &'a str,
    /// Whether Java's drivers read it.
    pub(super) jdbc: bool,
}

/// What an address says before its parameters are checked against each other.
pub(super) struct Draft<'a> {
    pub(super) form: Form<'a>,
    pub(super) hosts: Vec<Host>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Sensitive>,
    pub(super) path: String,
    sentinel_password: Option<Sensitive>,
    tls: Tls,
    /// Host to connect to, instead of the named one.
    hostaddr: Option<String>,
    settings: Vec<(String, String)>,
    params: std::collections::BTreeMap<String, String>,
}

/// What the parameters say about TLS.
#[derive(Default)]
struct Tls {
    /// `sslmode` and its like.
    mode: Option<TlsMode>,
    /// `ssl=true` and its like.
    on: Option<bool>,
    /// The mode that `ssl=true` means.
    when_on: Option<TlsMode>,
    /// MySQL's separate word for verification.
    verify: Option<bool>,
    /// Whether a word says that nothing is to be verified.
    unverified: bool,
}

/// Reads what follows `scheme://`.
pub(super) fn read(form: Form<'_>, rest: &str) -> Result<Pasted, ParseAddressError> {
    if matches!(form.scheme, Scheme::Http | Scheme::Https) {
        return http(form, rest);
    }
    if let Some(at) = rest.find('#') {
        let at = rest[..at].chars().count() + 1;
        return fail(format!("Character {at} after :// is a raw #"), ENCODE);
    }
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    // A password with a raw / or ? ends the hosts too early; its @ then stands where none belongs.
    if let Some(at) = path.find('@') {
        return stray(rest, authority.len() + 1 + at, "/");
    }
    if !form.jdbc
        && !authority.contains('@')
        && let Some(at) = query.find('@')
    {
        return stray(rest, before.len() + 1 + at, "?");
    }
    let mut draft = Draft::new(form);
    draft.authority(authority)?;
    draft.path = decode_shown("The part after the first /", path)?;
    draft.query(&pairs(form.scheme, query)?)?;
    draft.finish()
}

/// Refuses an @ after the mark that ended the hosts: what stands before it was meant for a user name or a password.
fn stray<T>(rest: &str, at: usize, mark: &str) -> Result<T, ParseAddressError> {
    let place = rest[..at].chars().count() + 1;
    fail(format!("Character {place} after :// is an @ that follows the first {mark}"), ENCODE)
}

impl<'a> Draft<'a> {
    pub(super) fn new(form: Form<'a>) -> Self {
        Self {
            form,
            hosts: Vec::new(),
            username: None,
            password: None,
            path: String::new(),
            sentinel_password: None,
            tls: Tls::default(),
            hostaddr: None,
            settings: Vec::new(),
            params: std::collections::BTreeMap::new(),
        }
    }

    /// User, password, hosts and ports.
    fn authority(&mut self, authority: &str) -> Result<(), ParseAddressError> {
        let (userinfo, host_list) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
        if let Some(userinfo) = userinfo {
            let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(u, p)| (u, Some(p)));
            let user = decode("The user name", user)?;
            if let Some(password) = password {
                parameters::secret(&mut self.password, &decode("The password", password)?);
            }
            if user.chars().any(char::is_control) {
                return fail("The user name contains a control character", ENCODE);
            }
            self.username = (!user.is_empty()).then_some(user);
        }
        if host_list.is_empty() {
            return Ok(());
        }
        for (i, part) in host_list.split(',').enumerate() {
            let host = hosts::host(part.trim(), i + 1, self.form.scheme)?;
            if host.name.is_empty() && (host.port.is_some() || i > 0 || host_list.contains(',')) && !self.default_host()
            {
                return fail("The address names no host", HINT);
            }
            self.hosts.push(host);
        }
        Ok(())
    }

    /// Whether a missing host means this machine.
    fn default_host(&self) -> bool {
        matches!(self.form.scheme, Scheme::Postgres)
    }

    /// Applies all parameters, in their order.
    pub(super) fn query(&mut self, all: &[Pair]) -> Result<(), ParseAddressError> {
        let mut given = Given::new(self.form.scheme);
        for pair in all {
            let Some(p) = given.take(pair)? else { continue };
            if p.secret {
                let slot = match p.name {
                    "sentinel_password" => &mut self.sentinel_password,
                    _ => &mut self.password,
                };
                if p.name == "password" && slot.is_some() {
                    return fail(
                        "The password is given twice: before the @ and as a parameter",
                        "Leave one of them out",
                    );
                }
                parameters::secret(slot, &pair.value);
            } else if !self.common(&p, &pair.value)? {
                match self.form.scheme {
                    Scheme::Redis => self.redis(&p, &pair.value)?,
                    _ => self.sql(&p, &pair.value)?,
                }
            }
        }
        if given.has("sslcert") != given.has("sslkey") {
            return fail("sslcert and sslkey belong together and one is missing", "Give the files of both");
        }
        Ok(())
    }

    /// What all engines have.
    fn common(&mut self, p: &Taken, value: &str) -> Result<bool, ParseAddressError> {
        match p.name {
            "dbname" | "database" | "db" => {
                if value.is_empty() {
                    return p.bad("the name of a database");
                }
                value.clone_into(&mut self.path);
            }
            "user" | "username" => self.username = (!value.is_empty()).then(|| value.to_owned()),
            "host" => {
                if value.contains(',') {
                    return several();
                }
                let port = self.hosts.first().and_then(|h| h.port);
                let host = if value.starts_with('/') && self.form.scheme == Scheme::Postgres {
                    Host { name: value.to_owned(), port: None }
                } else {
                    // A parameter's host has no port, so that its colons are those of an IPv6 address.
                    let bracketed = if value.contains(':') && !value.starts_with('[') {
                        format!("[{value}]")
                    } else {
                        value.to_owned()
                    };
                    match hosts::host(&bracketed.replace('%', "%25"), 1, self.form.scheme) {
                        Ok(host) if host.port.is_none() && !host.name.is_empty() => host,
                        _ => return p.bad("a host name, an address, or the folder of a Unix socket for PostgreSQL"),
                    }
                };
                self.hosts = vec![Host { port, ..host }];
            }
            "hostaddr" => match value.parse::<std::net::IpAddr>() {
                Ok(address) => self.hostaddr = Some(address.to_string()),
                Err(_) => return p.bad("one IPv4 or IPv6 address"),
            },
            "port" => {
                let port = hosts::port(&format!("The value of {}", p.written), value)?;
                if self.hosts.is_empty() {
                    self.hosts.push(Host { name: String::new(), port: None });
                }
                self.hosts.iter_mut().for_each(|h| h.port = Some(port));
            }
            "sslrootcert" | "sslcert" | "sslkey" => {
                self.params.insert(p.name.to_owned(), text(p, value)?);
            }
            "connect_timeout" => {
                let milliseconds = self.form.jdbc && self.form.scheme != Scheme::Postgres;
                let value = seconds(p, value, if milliseconds { 1000 } else { 1 })?;
                self.params.insert(p.name.to_owned(), value);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What only SQL databases have.
    fn sql(&mut self, p: &Taken, value: &str) -> Result<(), ParseAddressError> {
        let jdbc_postgres = self.form.jdbc && self.form.scheme == Scheme::Postgres;
        match p.name {
            // Go's MySQL driver verifies when it is told tls=true.
            "sslmode" if p.written == "tls" && truth(value) == Some(true) => self.tls.mode = Some(TlsMode::Verify),
            "sslmode" => {
                let word = value.to_ascii_lowercase().replace('_', "-");
                self.tls.unverified |= matches!(word.as_str(), "no-verify" | "skip-verify" | "trust");
                self.tls.mode = Some(mode(p, self.form.scheme, value)?);
            }
            "ssl" => match (truth(value), mode(p, self.form.scheme, value)) {
                (Some(on), _) => {
                    self.tls.on = Some(on);
                    self.tls.when_on = Some(if jdbc_postgres { TlsMode::Verify } else { TlsMode::Require });
                }
                (None, Ok(TlsMode::Disable)) => self.tls.on = Some(false),
                (None, Ok(mode)) => (self.tls.on, self.tls.when_on) = (Some(true), Some(mode)),
                (None, Err(_)) => return p.bad("true, false, or a word of sslmode"),
            },
            "requireSSL" => match truth(value) {
                Some(true) => (self.tls.on, self.tls.when_on) = (Some(true), Some(TlsMode::Require)),
                Some(false) => {}
                None => return p.bad("true or false"),
            },
            "ssl-verify-server-cert" => match truth(value) {
                Some(verify) => {
                    self.tls.verify = Some(verify);
                    self.tls.unverified |= !verify;
                }
                None => return p.bad("true or false"),
            },
            "options" => self.settings.extend(parameters::settings(value)?),
            "search_path" => {
                let path = text(p, value)?;
                self.settings.push(("search_path".to_owned(), path));
            }
            "target_session_attrs" => {
                let word = match value.to_ascii_lowercase().as_str() {
                    "any" => return Ok(()),
                    "read-write" | "read-only" | "primary" | "standby" | "prefer-standby" => value.to_ascii_lowercase(),
                    "master" => "primary".to_owned(),
                    "secondary" | "slave" => "standby".to_owned(),
                    "prefersecondary" | "preferslave" => "prefer-standby".to_owned(),
                    _ => return p.bad("any, read-write, read-only, primary, standby or prefer-standby"),
                };
                self.params.insert(p.name.to_owned(), word);
            }
            "socket" => {
                if !value.starts_with('/') {
                    return p.bad("the absolute path of a socket");
                }
                if self
                    .hosts
                    .first()
                    .is_some_and(|h| !matches!(h.name.as_str(), "" | "localhost" | "127.0.0.1" | "::1"))
                {
                    return fail(
                        format!("The address names another machine and a {} of this one", p.written),
                        "Leave one of them out",
                    );
                }
                let port = self.hosts.first().and_then(|h| h.port);
                self.hosts = vec![Host { name: value.to_owned(), port }];
            }
            "timezone" => {
                // The driver puts it into a statement; only what a time zone can be gets there.
                if value.is_empty()
                    || !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':'))
                {
                    return p.bad("an offset such as %2B02:00 or a zone's name that the server knows");
                }
                self.params.insert(p.name.to_owned(), value.to_owned());
            }
            "charset" | "collation" => {
                if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
                    return p.bad("a name such as utf8mb4");
                }
                // Java's names of UTF-8 are not the server's.
                let name = match value.to_ascii_lowercase().as_str() {
                    "utf-8" | "utf8" if p.name == "charset" => "utf8mb4".to_owned(),
                    lower => lower.to_owned(),
                };
                self.params.insert(p.name.to_owned(), name);
            }
            _ => return fail(format!("{} is not supported here", p.written), "Leave it out"),
        }
        Ok(())
    }

    /// What only caches have.
    fn redis(&mut self, p: &Taken, value: &str) -> Result<(), ParseAddressError> {
        let lower = value.to_ascii_lowercase();
        match p.name {
            "mode" => match lower.as_str() {
                "single" => {}
                "cluster" | "sentinel" => {
                    self.params.insert(p.name.to_owned(), lower);
                }
                _ => return p.bad("single, cluster or sentinel"),
            },
            "master" | "sentinel_username" => {
                self.params.insert(p.name.to_owned(), text(p, value)?);
            }
            "tls" => match (truth(value), lower.as_str()) {
                (Some(on), _) => self.tls.on = Some(on),
                (None, "insecure" | "no-verify" | "skip-verify") => self.tls.set(TlsMode::Require),
                (None, "verify-ca") => self.tls.set(TlsMode::VerifyCa),
                (None, "verify" | "verify-full" | "required") => self.tls.set(TlsMode::Verify),
                _ => return p.bad("true, false, insecure or verify-ca"),
            },
            "ssl_cert_reqs" => match lower.as_str() {
                "required" | "cert_required" | "2" => {}
                "none" | "cert_none" | "0" | "optional" | "cert_optional" | "1" => {
                    self.tls.mode = Some(TlsMode::Require);
                }
                _ => return p.bad("required, none or optional"),
            },
            "ssl_check_hostname" => match truth(value) {
                Some(true) => {}
                Some(false) => self.tls.mode = self.tls.mode.or(Some(TlsMode::VerifyCa)),
                None => return p.bad("true or false"),
            },
            "insecure" => match truth(value) {
                Some(true) => self.tls.mode = Some(TlsMode::Require),
                Some(false) => {}
                None => return p.bad("true or false"),
            },
            _ => return fail(format!("{} is not supported here", p.written), "Leave it out"),
        }
        Ok(())
    }

    /// Checks the parts against each other.
    pub(super) fn finish(mut self) -> Result<Pasted, ParseAddressError> {
        let scheme = self.form.scheme;
        for part in [Some(&self.path), self.username.as_ref()].into_iter().flatten() {
            if part.chars().any(char::is_control) {
                return fail("A name in the address contains a control character", ENCODE);
            }
        }
        let tls = match scheme {
            Scheme::Redis => self.redis_tls()?,
            Scheme::Ssh => TlsMode::Disable,
            _ => self.sql_tls()?,
        };
        if let Some(address) = self.hostaddr.take() {
            let port = self.hosts.first().and_then(|h| h.port);
            let named = self.hosts.first().is_some_and(|h| !h.name.is_empty() && h.name != address);
            if named && tls == TlsMode::Verify {
                return fail(
                    "hostaddr together with a host's name cannot be verified with sslmode=verify-full",
                    "Leave hostaddr out, or use sslmode=verify-ca",
                );
            }
            self.hosts = vec![Host { name: address, port }];
        }
        if scheme == Scheme::Redis {
            self.redis_path()?;
        }
        if self.hosts.is_empty() {
            self.hosts.push(Host { name: String::new(), port: None });
        }
        let default = match (scheme, self.params.get("mode").map(String::as_str)) {
            (Scheme::Redis, Some("sentinel")) => 26_379,
            _ => scheme.default_port().unwrap_or(0),
        };
        for host in self.hosts.iter_mut().filter(|h| h.name.is_empty()) {
            if !matches!(scheme, Scheme::Postgres) {
                return fail("The address names no host", HINT);
            }
            "localhost".clone_into(&mut host.name);
        }
        if self.hosts.len() > 1 && scheme != Scheme::Redis {
            return several();
        }
        if !self.settings.is_empty() {
            let mut last: Vec<(String, String)> = Vec::new();
            for (name, value) in self.settings {
                last.retain(|(n, _)| *n != name);
                last.push((name, value));
            }
            self.params.insert("options".to_owned(), parameters::settings_text(&last));
        }
        let mut address = Address::at(scheme, self.hosts.into_iter().map(|h| h.or_port(default)).collect());
        (address.path, address.username, address.tls, address.params) = (self.path, self.username, tls, self.params);
        Ok(Pasted { address, password: self.password, sentinel_password: self.sentinel_password })
    }

    fn sql_tls(&mut self) -> Result<TlsMode, ParseAddressError> {
        let contradiction = || fail("The parameters about TLS contradict each other", "Give sslmode alone");
        let root = self.params.contains_key("sslrootcert");
        let mysql = self.form.scheme != Scheme::Postgres;
        let on = match self.tls.on {
            Some(true) => self.tls.when_on.or(Some(TlsMode::Require)),
            Some(false) => Some(TlsMode::Disable),
            None => None,
        };
        let verify = match self.tls.verify {
            Some(true) => Some(TlsMode::Verify),
            Some(false) => on.filter(|m| *m != TlsMode::Disable).map(|_| TlsMode::Require),
            None => None,
        };
        let mut mode = match (self.tls.mode, on) {
            (Some(mode), Some(on)) => {
                let plain = |m| matches!(m, TlsMode::Disable | TlsMode::Prefer);
                if plain(mode) != plain(on) || (mode == TlsMode::Prefer) != (on == TlsMode::Prefer) {
                    return contradiction();
                }
                Some(mode)
            }
            (mode, on) => mode.or(on),
        };
        if self.tls.verify == Some(true) && matches!(mode, Some(TlsMode::Disable | TlsMode::Prefer)) {
            return contradiction();
        }
        mode = match (self.tls.mode, verify) {
            (None, Some(verify)) => Some(verify),
            (Some(TlsMode::Require), Some(TlsMode::Verify)) => Some(TlsMode::Verify),
            _ => mode,
        };
        if self.params.get("sslrootcert").is_some_and(|r| r == "system") && !mysql {
            // As in libpq: the system's roots are for verification with the name, and nothing weaker.
            if !matches!(mode, None | Some(TlsMode::Verify)) {
                return fail("sslrootcert=system needs sslmode=verify-full", "Leave sslmode out, or use verify-full");
            }
            self.params.remove("sslrootcert");
            return Ok(TlsMode::Verify);
        }
        if root && self.tls.unverified {
            return fail(
                "A root certificate verifies nothing where verification is switched off",
                "Leave one of them out; sslmode=verify-ca verifies the chain and not the name",
            );
        }
        match mode {
            // A root is there to be verified against; libpq reads `require` that way too.
            Some(TlsMode::Require) if root => Ok(TlsMode::VerifyCa),
            None if root && mysql => Ok(TlsMode::VerifyCa),
            None | Some(TlsMode::Prefer | TlsMode::Disable) if root => fail(
                "sslrootcert verifies nothing with this sslmode",
                "Add sslmode=verify-full, or verify-ca where the name differs",
            ),
            Some(TlsMode::Disable) if self.params.contains_key("sslcert") => {
                fail("sslcert is not used without TLS", "Use another sslmode, or leave sslcert and sslkey out")
            }
            mode => Ok(mode.unwrap_or(TlsMode::Prefer)),
        }
    }

    fn redis_tls(&mut self) -> Result<TlsMode, ParseAddressError> {
        let scheme = matches!(self.form.base, "rediss" | "valkeys");
        let on = match self.tls.on {
            Some(false) if scheme => {
                return fail("The scheme asks for TLS and a parameter refuses it", "Write redis:// without TLS");
            }
            Some(on) => on,
            None => scheme || self.tls.when_on.is_some(),
        };
        if on {
            if self.params.get("sslrootcert").is_some_and(|r| r == "system") {
                self.params.remove("sslrootcert");
            }
            let mode = self.tls.mode.or(self.tls.when_on).unwrap_or(TlsMode::Verify);
            if mode == TlsMode::Require && self.params.contains_key("sslrootcert") {
                return fail(
                    "A root certificate verifies nothing where verification is switched off",
                    "Leave one of them out",
                );
            }
            return Ok(mode);
        }
        let about = ["sslrootcert", "sslcert"].iter().any(|n| self.params.contains_key(*n));
        if about || self.tls.mode.is_some() {
            return fail("The parameters are about TLS and the address does not ask for it", "Write rediss://…");
        }
        Ok(TlsMode::Disable)
    }

    /// The database's number, a Sentinel's primary, and how many hosts there may be.
    fn redis_path(&mut self) -> Result<(), ParseAddressError> {
        match (self.form.suffix, self.params.get("mode")) {
            ("", _) => {}
            (suffix, Some(mode)) if mode != suffix => {
                return fail("The scheme and mode= contradict each other", "Leave mode= out");
            }
            (suffix, _) => {
                self.params.insert("mode".to_owned(), suffix.to_owned());
            }
        }
        let mode = self.params.get("mode").cloned().unwrap_or_default();
        let mut path = std::mem::take(&mut self.path);
        path.truncate(path.trim_end_matches('/').len());
        if mode == "sentinel"
            && let Some((name, number)) = path.split_once('/').or(Some((path.as_str(), "")))
            && !name.is_empty()
            && !name.bytes().all(|b| b.is_ascii_digit())
        {
            if self.params.contains_key("master") {
                return fail("The primary's name is given twice", "Leave one of them out");
            }
            self.params.insert("master".to_owned(), name.to_owned());
            path = number.to_owned();
        }
        const LAST: u32 = i32::MAX.unsigned_abs();
        let number = match path.as_str() {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<u32>().ok().filter(|n| *n <= LAST),
            _ => None,
        };
        if !path.is_empty() && number.is_none() {
            return fail("What follows the host is not a Redis database number", "Write redis://host:6379/0");
        }
        if mode == "cluster" && number.is_some_and(|n| n != 0) {
            return fail("A cluster has no database but number 0", "Leave the number out");
        }
        self.path = number.map(|n| n.to_string()).unwrap_or_default();
        if mode != "sentinel"
            && (self.params.contains_key("master")
                || self.params.contains_key("sentinel_username")
                || self.sentinel_password.is_some())
        {
            return fail("The parameters are about Sentinels and the address is not", "Write redis+sentinel://…");
        }
        Ok(())
    }
}

impl Tls {
    fn set(&mut self, mode: TlsMode) {
        (self.on, self.when_on) = (Some(true), Some(mode));
    }
}

fn several<T>() -> Result<T, ParseAddressError> {
    fail("The address names several hosts", "Give one host; only Redis Sentinel and Cluster take several")
}

/// A mode of TLS in PostgreSQL's, MySQL's, MariaDB's, Go's and node-postgres' words.
fn mode(p: &Taken, scheme: Scheme, value: &str) -> Result<TlsMode, ParseAddressError> {
    let word = value.to_ascii_lowercase().replace('_', "-");
    Ok(match word.as_str() {
        "disable" | "disabled" => TlsMode::Disable,
        "prefer" | "preferred" => TlsMode::Prefer,
        "require" | "required" | "no-verify" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" | "verify-identity" => TlsMode::Verify,
        "true" | "skip-verify" | "trust" if scheme != Scheme::Postgres => TlsMode::Require,
        "false" if scheme != Scheme::Postgres => TlsMode::Disable,
        "allow" => {
            return fail(
                format!("{}=allow is a TLS mode that is not supported: it tries without TLS first", p.written),
                "Use prefer or disable",
            );
        }
        _ => {
            return fail(
                format!("The value of {} is not a TLS mode", p.written),
                "Use disable, prefer, require, verify-ca or verify-full",
            );
        }
    })
}

/// HTTP: the path and the query belong to the server and are kept as they are written.
fn http(form: Form<'_>, whole: &str) -> Result<Pasted, ParseAddressError> {
    let (rest, fragment) = whole.split_once('#').map_or((whole, None), |(r, f)| (r, Some(f)));
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    // Before a path there is nothing for a fragment or a query to belong to, but a password may have such a character.
    let cut =
        fragment.is_some_and(|f| f.contains('@')) || (path.is_empty() && !before.contains('/') && query.contains('@'));
    if cut
        && !authority.contains('@')
        && authority.contains(':')
        && let Some(at) = whole.find('@')
    {
        return stray(whole, at, "# or ?");
    }
    let mut draft = Draft::new(form);
    draft.authority(authority)?;
    let default = form.scheme.default_port().unwrap_or(0);
    if draft.hosts.iter().any(|h| h.name.is_empty()) || draft.hosts.is_empty() {
        return fail("The address names no host", HINT);
    }
    if draft.hosts.len() > 1 {
        return several();
    }
    let mut address = Address::at(form.scheme, draft.hosts.into_iter().map(|h| h.or_port(default)).collect());
    path.clone_into(&mut address.path);
    address.username = draft.username;
    address.tls = if form.scheme == Scheme::Https { TlsMode::Verify } else { TlsMode::Disable };
    address.params = parameters::http(query);
    Ok(Pasted { address, password: draft.password, sentinel_password: None })
}

/// `prometheus+http://host:9090/prefix`: where a host's figures are asked for.
pub(super) fn prometheus(scheme: &str, rest: &str) -> Result<Pasted, ParseAddressError> {
    const WRITE: &str = "Write prometheus+http://host:9090";
    let tls = match scheme {
        "prometheus+http" => TlsMode::Disable,
        "prometheus+https" => TlsMode::Verify,
        _ => return fail("The scheme does not say how Prometheus is reached", WRITE),
    };
    let Some(rest) = rest.strip_prefix("//") else { return fail("The scheme is not followed by //", WRITE) };
    if rest.contains(['?', '#']) {
        return fail("A Prometheus address has no query and no fragment", format!("{WRITE}. {ENCODE}"));
    }
    let form = Form { scheme: Scheme::Prometheus, base: scheme, suffix: "", jdbc: false };
    let mut draft = Draft::new(form);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(at) = path.find('@') {
        return stray(rest, authority.len() + 1 + at, "/");
    }
    draft.authority(authority)?;
    if draft.hosts.len() > 1 {
        return several();
    }
    match draft.hosts.pop() {
        Some(host) if !host.name.is_empty() => {
            let mut address = Address::at(Scheme::Prometheus, vec![host.or_port(9090)]);
            address.path = decode_shown("The path", path.trim_end_matches('/'))?;
            (address.username, address.tls) = (draft.username, tls);
            Ok(Pasted { address, password: draft.password, sentinel_password: None })
        }
        _ => fail("The address names no host", WRITE),
    }
}
