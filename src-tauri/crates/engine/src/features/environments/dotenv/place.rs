//! Place of a target: read from one variable with an address, or put together from several.
use perfdeck_model::{Address, ApiError, Scheme, SecretInput, Sensitive, TargetRole, TlsMode};

use super::variables::{Found, conflict};

/// A target that variables name.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The variable to name in errors.
    pub(super) from: Found,
    /// Without its password.
    pub(super) address: Address,
    pub(super) password: Option<Sensitive>,
    /// Whether the variables said the host, or a framework's default did.
    pub(super) host_is_said: bool,
    /// What a person is told about it, of each variable that says it: parameters of the address that only the
    /// application's own pool or driver reads.
    pub(super) notes: Vec<String>,
}

impl Place {
    /// Reads an address that belongs to this role.
    pub(super) fn read(from: Found, role: TargetRole) -> Result<Self, ApiError> {
        Self::parse(from.clone(), from.value.trim(), role, true)
    }

    /// Reads an address that was put together from several variables; `from` is the one to name.
    pub(super) fn parse(from: Found, text: &str, role: TargetRole, host_is_said: bool) -> Result<Self, ApiError> {
        let (text, left_out) = Address::without_the_applications_own(text);
        // Errors of the reader of addresses hold no text of theirs.
        let (address, password) = Address::parse(&text)
            .map_err(|e| from.refuse(&format!("is not an address that Perfdeck reads: {}", e.message), e.hint))?;
        if address.scheme.role() != role {
            let product = address.scheme.product();
            let what = format!("is an address of {product}, which does not belong here");
            return Err(from.refuse(&what, "Give the address of the target that the variable names"));
        }
        let names = left_out.join(", ");
        let note = (!names.is_empty()).then(|| format!("{}: left out: {names} (the application's own)", from.at()));
        Ok(Self { from, address, password, host_is_said, notes: note.into_iter().collect() })
    }

    /// What a draft says of it: the address, and beside it the password.
    pub(super) fn draft(self) -> (Option<String>, SecretInput) {
        let secret = match self.password {
            Some(password) => SecretInput::Set { value: password.expose().to_owned() },
            None => SecretInput::Keep,
        };
        (Some(self.address.url()), secret)
    }

    /// Refuses when another variable names something else. What only one of them says is no difference.
    pub(super) fn agrees_with(&self, other: &Self) -> Result<(), ApiError> {
        let (a, b) = (&self.address, &other.address);
        let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
        let user = |place: &Self| place.address.username.clone().unwrap_or_default();
        let secret = |place: &Self| place.password.as_ref().map(|p| p.expose().to_owned()).unwrap_or_default();
        let hosts = self.host_is_said && other.host_is_said && hosts(a) != hosts(b);
        let same = family(a.scheme) == family(b.scheme)
            && !hosts
            && !differ(&a.path, &b.path)
            && !differ(&user(self), &user(other))
            && !differ(&secret(self), &secret(other));
        if same { Ok(()) } else { Err(conflict(&self.from, &other.from)) }
    }

    /// Refuses when another whole address has a parameter that this one lacks or has otherwise: it would be dropped.
    pub(super) fn says_all_of(&self, other: &Self) -> Result<(), ApiError> {
        let (a, b) = (&self.address, &other.address);
        let same = b.params.iter().all(|(name, value)| a.params.get(name) == Some(value))
            && (a.tls == b.tls || b.tls == TlsMode::Prefer);
        if same { Ok(()) } else { Err(conflict(&self.from, &other.from)) }
    }

    /// Takes user, password and database from another one where this one has none, and what is told about it. Only for
    /// one that agrees.
    pub(super) fn complete(&mut self, other: &Self) {
        self.notes.extend(other.notes.iter().cloned());
        if self.address.path.is_empty() {
            self.address.path.clone_from(&other.address.path);
        }
        if self.address.username.is_none() {
            self.address.username.clone_from(&other.address.username);
        }
        if self.password.is_none() {
            self.password.clone_from(&other.password);
        }
    }
}

/// MariaDB is spoken to as MySQL.
fn family(scheme: Scheme) -> Scheme {
    if scheme == Scheme::Mariadb { Scheme::Mysql } else { scheme }
}

/// Hosts and ports, with this machine under one name.
fn hosts(address: &Address) -> Vec<(String, u16)> {
    let name = |host: &str| match host {
        "localhost" | "::1" => "127.0.0.1".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    address.hosts.iter().map(|h| (name(&h.host), h.port)).collect()
}

/// Parts that become the text of an address.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) scheme: &'static str,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) path: String,
    pub(super) params: Vec<(&'static str, String)>,
}

/// Percent-encodes everything but letters and digits.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Parts {
    /// The text, everything in it encoded.
    pub(super) fn text(&self) -> String {
        let user = match (&self.user, &self.password) {
            (Some(u), Some(p)) => format!("{}:{}@", encoded(u), encoded(p)),
            (Some(u), None) => format!("{}@", encoded(u)),
            (None, Some(p)) => format!(":{}@", encoded(p)),
            (None, None) => String::new(),
        };
        let mut params = self.params.clone();
        let mut host = self.host.clone();
        if host.starts_with('/') {
            let name = if self.scheme == "postgres" { "host" } else { "socket" };
            params.push((name, std::mem::replace(&mut host, "localhost".to_owned())));
        } else if host.matches(':').count() > 1 && !host.contains(['[', ',']) {
            host = format!("[{host}]");
        }
        let port = self.port.map(|p| format!(":{p}")).unwrap_or_default();
        let query: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let path = if self.path.is_empty() { String::new() } else { format!("/{}", encoded(&self.path)) };
        format!("{}://{user}{host}{port}{path}{query}", self.scheme)
    }
}

/// A host's name with the port that may stand at it.
pub(super) fn host_and_port(found: &Found) -> Result<(String, Option<u16>), ApiError> {
    let value = found.value.trim();
    let bad = || found.refuse("is not a host", "Write a name or an address, and the port into its own variable");
    if value.starts_with('/') {
        return Ok((value.to_owned(), None));
    }
    let named = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | ',' | '%');
    if !value.chars().all(named) {
        return Err(bad());
    }
    if let Some((host, port)) = value.strip_prefix('[').and_then(|v| v.split_once(']')) {
        let port = if port.is_empty() { None } else { Some(port_of(port.trim_start_matches(':')).ok_or_else(bad)?) };
        return Ok((host.to_owned(), port));
    }
    match value.split_once(':') {
        // Two colons or more are an IPv6 address.
        Some((host, port)) if !port.contains(':') && !value.contains(',') => {
            Ok((host.to_owned(), Some(port_of(port).ok_or_else(bad)?)))
        }
        _ => Ok((value.to_owned(), None)),
    }
}

fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// A port. Kubernetes and Docker links write `tcp://10.0.0.1:5432` into variables of this name.
pub(super) fn port(found: &Found) -> Result<u16, ApiError> {
    let value = found.value.trim();
    let digits = value.strip_prefix("tcp://").and_then(|v| v.rsplit_once(':')).map_or(value, |(_, port)| port);
    port_of(digits).ok_or_else(|| found.refuse("is not a port", "A port is a number from 1 to 65535"))
}
