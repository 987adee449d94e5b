//! From fields to text.
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Address, HostPort, Scheme, TlsMode};

/// What is encoded in a name: everything but what no reader of addresses takes for a mark.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// In a file's path the slashes stay readable.
const PATH: &AsciiSet =
    &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'\\').add(b'\'');

fn name(text: &str) -> String {
    utf8_percent_encode(text, NAME).to_string()
}

/// A host as an address has it: an IPv6 zone's `%` is encoded.
fn host(host: &HostPort) -> String {
    if host.host.contains(':') {
        format!("[{}]:{}", host.host.replace('%', "%25"), host.port)
    } else {
        format!("{}:{}", utf8_percent_encode(&host.host, NAME), host.port)
    }
}

impl Address {
    /// The URL without secrets, in the canonical form that [`Address::parse`] reads back to the same address.
    pub fn url(&self) -> String {
        let mut params = self.params.clone();
        let mut mark = |name: &str, value: &str| params.insert(name.to_owned(), value.to_owned());
        let scheme = match (self.scheme, self.tls) {
            // A path that begins with slashes would be read as another form; one more component says the same.
            (Scheme::Sqlite, _) => {
                let path = utf8_percent_encode(&self.path, PATH).to_string();
                let slashes = if path.starts_with("//") { "//" } else { "" };
                let path = if slashes.is_empty() { path } else { format!("/{path}") };
                return format!("sqlite:{slashes}{path}{}", query(&self.params));
            }
            (Scheme::Memory, _) => return "memory:".to_owned(),
            (Scheme::Postgres, _) => "postgres",
            (Scheme::Mysql, _) => "mysql",
            (Scheme::Mariadb, _) => "mariadb",
            (Scheme::Redis, TlsMode::Disable | TlsMode::Prefer) => "redis",
            (Scheme::Redis, _) => "rediss",
            (Scheme::Http, _) => "http",
            (Scheme::Https, _) => "https",
            (Scheme::Ssh, _) => "ssh",
            (Scheme::Prometheus, TlsMode::Verify) => "prometheus+https",
            (Scheme::Prometheus, _) => "prometheus+http",
        };
        match (self.scheme, self.tls) {
            (Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb, TlsMode::Disable) => mark("sslmode", "disable"),
            (Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb, TlsMode::Require) => mark("sslmode", "require"),
            (Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb, TlsMode::VerifyCa) => mark("sslmode", "verify-ca"),
            (Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb, TlsMode::Verify) => mark("sslmode", "verify-full"),
            (Scheme::Redis, TlsMode::Require) => mark("tls", "insecure"),
            (Scheme::Redis, TlsMode::VerifyCa) => mark("tls", "verify-ca"),
            _ => None,
        };
        let hosts = match self.hosts.first().filter(|h| h.host.starts_with('/')) {
            Some(socket) => {
                mark(if self.scheme == Scheme::Postgres { "host" } else { "socket" }, &socket.host);
                format!("localhost:{}", socket.port)
            }
            None => self.hosts.iter().map(host).collect::<Vec<_>>().join(","),
        };
        let scheme = match (self.scheme, params.get("mode").cloned()) {
            (Scheme::Redis, Some(mode)) => {
                params.remove("mode");
                format!("{scheme}+{mode}")
            }
            _ => scheme.to_owned(),
        };
        // A colon says that the word is an account, which a cache's clients do not agree about.
        let user = match (&self.username, self.scheme) {
            (Some(user), Scheme::Redis) => format!("{}:@", name(user)),
            (Some(user), _) => format!("{}@", name(user)),
            (None, _) => String::new(),
        };
        let path = match self.scheme {
            Scheme::Http | Scheme::Https => format!("/{}", self.path),
            _ if self.path.is_empty() => String::new(),
            Scheme::Prometheus => format!("/{}", utf8_percent_encode(&self.path, PATH)),
            _ => format!("/{}", name(&self.path)),
        };
        format!("{scheme}://{user}{hosts}{path}{}", query(&params))
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

fn query(params: &std::collections::BTreeMap<String, String>) -> String {
    if params.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = params.iter().map(|(k, v)| format!("{}={}", name(k), name(v))).collect();
    format!("?{}", pairs.join("&"))
}
