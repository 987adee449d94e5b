//! The options of curl: all of its manual up to version 8.17, each with what it means for a plan. What is not in here is
//! no option.

/// What an option means for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Method,
    Header,
    Data,
    DataBinary,
    DataRaw,
    DataUrlencode,
    Json,
    Form,
    FormString,
    FormEscape,
    Upload,
    UrlQuery,
    User,
    Token,
    Cookie,
    Agent,
    Referer,
    Range,
    Url,
    Get,
    Head,
    Insecure,
    Compressed,
    Location,
    MaxRedirects,
    MaxTime,
    GlobOff,
    PathAsIs,
    Cert,
    Key,
    /// Changes nothing that is sent.
    Quiet,
    /// Changes how it is sent; left out with these words.
    Left(&'static str),
    /// The request would be another one; refused with these words.
    Refused(&'static str),
}

use Meaning::{Left, Quiet, Refused};

/// An option.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    /// Without its dashes, and without `no-` where it can be negated.
    pub(super) long: &'static str,
    /// Its letter; a space when it has none.
    pub(super) short: char,
    /// Whether a value follows.
    pub(super) value: bool,
    pub(super) meaning: Meaning,
}

/// One that is a switch.
const fn flag(long: &'static str, short: char, meaning: Meaning) -> Spec {
    Spec { long, short, value: false, meaning }
}

/// One that a value follows.
const fn with(long: &'static str, short: char, meaning: Meaning) -> Spec {
    Spec { long, short, value: true, meaning }
}

const PROXY: Meaning = Refused("requests of a plan go to their host, not to a proxy");
const ELSEWHERE: Meaning = Refused("requests of a plan go where the URL says: write the address into the URL");
const SIGN_IN: Meaning = Refused("a plan signs in with Basic, a bearer token or a header of its own");
const NO_HTTP: Meaning = Refused("it is for another protocol than HTTP");
const A_FILE: Meaning = Refused("what it reads from a file is no part of the command");
const TRUST: Meaning =
    Left("certificates are checked against the system's roots: add the root there, or set insecure_tls");
const VERSION: Meaning = Left("the server's offer decides the version of HTTP and TLS");

/// All of them.
pub(super) const OPTIONS: &[Spec] = &[
    // What is sent.
    with("request", 'X', Meaning::Method),
    with("header", 'H', Meaning::Header),
    with("data", 'd', Meaning::Data),
    with("data-ascii", ' ', Meaning::Data),
    with("data-binary", ' ', Meaning::DataBinary),
    with("data-raw", ' ', Meaning::DataRaw),
    with("data-urlencode", ' ', Meaning::DataUrlencode),
    with("json", ' ', Meaning::Json),
    with("form", 'F', Meaning::Form),
    with("form-string", ' ', Meaning::FormString),
    flag("form-escape", ' ', Meaning::FormEscape),
    with("upload-file", 'T', Meaning::Upload),
    with("url-query", ' ', Meaning::UrlQuery),
    with("user", 'u', Meaning::User),
    with("oauth2-bearer", ' ', Meaning::Token),
    with("cookie", 'b', Meaning::Cookie),
    with("user-agent", 'A', Meaning::Agent),
    with("referer", 'e', Meaning::Referer),
    with("range", 'r', Meaning::Range),
    with("url", ' ', Meaning::Url),
    flag("get", 'G', Meaning::Get),
    flag("head", 'I', Meaning::Head),
    flag("insecure", 'k', Meaning::Insecure),
    flag("compressed", ' ', Meaning::Compressed),
    flag("location", 'L', Meaning::Location),
    with("max-redirs", ' ', Meaning::MaxRedirects),
    with("max-time", 'm', Meaning::MaxTime),
    flag("globoff", 'g', Meaning::GlobOff),
    flag("path-as-is", ' ', Meaning::PathAsIs),
    with("cert", 'E', Meaning::Cert),
    with("key", ' ', Meaning::Key),
    flag("basic", ' ', Quiet),
    // Several commands in one, and what comes from elsewhere.
    flag("next", ':', Refused("write each command into a file of its own")),
    with("config", 'K', A_FILE),
    with("variable", ' ', Refused("write the values out")),
    flag("netrc", 'n', A_FILE),
    with("netrc-file", ' ', A_FILE),
    flag("netrc-optional", ' ', A_FILE),
    with("etag-compare", ' ', A_FILE),
    with("time-cond", 'z', Refused("write the header If-Modified-Since instead")),
    with("continue-at", 'C', Refused("write the header Range instead")),
    with("request-target", ' ', Refused("a plan asks for the path of its URL")),
    flag("tr-encoding", ' ', Refused("a plan asks for no transfer coding")),
    flag("crlf", ' ', Refused("write the body as it is to be sent")),
    flag("use-ascii", 'B', Refused("write the body as it is to be sent")),
    flag("http1.0", '0', Refused("a plan speaks HTTP/1.1 and HTTP/2")),
    flag("http2-prior-knowledge", ' ', Refused("a plan speaks HTTP/2 over TLS alone")),
    flag("http3-only", ' ', Refused("a plan speaks HTTP/1.1 and HTTP/2")),
    flag("location-trusted", ' ', Refused("credentials stay with their host; use --location")),
    flag("follow", ' ', Refused("use --location")),
    flag("post301", ' ', Refused("a redirect of a POST is followed by GET")),
    flag("post302", ' ', Refused("a redirect of a POST is followed by GET")),
    flag("post303", ' ', Refused("a redirect of a POST is followed by GET")),
    with("alt-svc", ' ', ELSEWHERE),
    with("hsts", ' ', ELSEWHERE),
    with("proto-default", ' ', ELSEWHERE),
    with("ipfs-gateway", ' ', ELSEWHERE),
    // How it identifies itself.
    flag("anyauth", ' ', SIGN_IN),
    flag("digest", ' ', SIGN_IN),
    flag("negotiate", ' ', SIGN_IN),
    flag("ntlm", ' ', SIGN_IN),
    flag("ntlm-wb", ' ', SIGN_IN),
    with("aws-sigv4", ' ', SIGN_IN),
    with("delegation", ' ', SIGN_IN),
    with("service-name", ' ', SIGN_IN),
    with("login-options", ' ', SIGN_IN),
    with("sasl-authzid", ' ', SIGN_IN),
    flag("sasl-ir", ' ', SIGN_IN),
    with("krb", ' ', SIGN_IN),
    with("tlsuser", ' ', SIGN_IN),
    with("tlspassword", ' ', SIGN_IN),
    with("tlsauthtype", ' ', SIGN_IN),
    with("pass", ' ', Refused("a plan's key has no pass phrase")),
    with("cert-type", ' ', Refused("a plan's certificate is PEM")),
    with("key-type", ' ', Refused("a plan's key is PEM")),
    with("engine", ' ', Refused("a plan's key is a file")),
    flag("ssl-auto-client-cert", ' ', Refused("a plan's certificate is a file")),
    // Where it goes.
    with("resolve", ' ', ELSEWHERE),
    with("connect-to", ' ', ELSEWHERE),
    with("unix-socket", ' ', ELSEWHERE),
    with("abstract-unix-socket", ' ', ELSEWHERE),
    with("doh-url", ' ', ELSEWHERE),
    flag("doh-insecure", ' ', Quiet),
    flag("doh-cert-status", ' ', Quiet),
    with("dns-servers", ' ', ELSEWHERE),
    with("dns-interface", ' ', ELSEWHERE),
    with("dns-ipv4-addr", ' ', ELSEWHERE),
    with("dns-ipv6-addr", ' ', ELSEWHERE),
    with("interface", ' ', ELSEWHERE),
    with("local-port", ' ', Left("the system chooses the ports")),
    flag("ipv4", '4', Left("all addresses of the host are used")),
    flag("ipv6", '6', Left("all addresses of the host are used")),
    with("proxy", 'x', PROXY),
    with("preproxy", ' ', PROXY),
    with("proxy1.0", ' ', PROXY),
    with("socks4", ' ', PROXY),
    with("socks4a", ' ', PROXY),
    with("socks5", ' ', PROXY),
    with("socks5-hostname", ' ', PROXY),
    flag("socks5-basic", ' ', PROXY),
    flag("socks5-gssapi", ' ', PROXY),
    flag("socks5-gssapi-nec", ' ', PROXY),
    with("socks5-gssapi-service", ' ', PROXY),
    flag("proxytunnel", 'p', PROXY),
    with("proxy-user", 'U', PROXY),
    with("proxy-header", ' ', PROXY),
    flag("proxy-anyauth", ' ', PROXY),
    flag("proxy-basic", ' ', PROXY),
    flag("proxy-digest", ' ', PROXY),
    flag("proxy-negotiate", ' ', PROXY),
    flag("proxy-ntlm", ' ', PROXY),
    with("proxy-service-name", ' ', PROXY),
    with("proxy-cacert", ' ', PROXY),
    with("proxy-capath", ' ', PROXY),
    flag("proxy-ca-native", ' ', PROXY),
    with("proxy-cert", ' ', PROXY),
    with("proxy-cert-type", ' ', PROXY),
    with("proxy-ciphers", ' ', PROXY),
    with("proxy-crlfile", ' ', PROXY),
    flag("proxy-http2", ' ', PROXY),
    flag("proxy-insecure", ' ', PROXY),
    with("proxy-key", ' ', PROXY),
    with("proxy-key-type", ' ', PROXY),
    with("proxy-pass", ' ', PROXY),
    with("proxy-pinnedpubkey", ' ', PROXY),
    flag("proxy-ssl-allow-beast", ' ', PROXY),
    flag("proxy-ssl-auto-client-cert", ' ', PROXY),
    with("proxy-tls13-ciphers", ' ', PROXY),
    with("proxy-tlsauthtype", ' ', PROXY),
    with("proxy-tlspassword", ' ', PROXY),
    with("proxy-tlsuser", ' ', PROXY),
    flag("proxy-tlsv1", ' ', PROXY),
    with("noproxy", ' ', Quiet),
    flag("haproxy-protocol", ' ', PROXY),
    with("haproxy-clientip", ' ', PROXY),
    // Whom it trusts, and which versions it speaks.
    with("cacert", ' ', TRUST),
    with("capath", ' ', TRUST),
    flag("ca-native", ' ', TRUST),
    with("crlfile", ' ', TRUST),
    flag("cert-status", ' ', TRUST),
    with("pinnedpubkey", ' ', TRUST),
    flag("dump-ca-embed", ' ', Quiet),
    with("ech", ' ', VERSION),
    flag("http1.1", ' ', VERSION),
    flag("http2", ' ', VERSION),
    flag("http3", ' ', VERSION),
    flag("http0.9", ' ', VERSION),
    flag("sslv2", '2', VERSION),
    flag("sslv3", '3', VERSION),
    flag("tlsv1", '1', VERSION),
    flag("tlsv1.0", ' ', VERSION),
    flag("tlsv1.1", ' ', VERSION),
    flag("tlsv1.2", ' ', VERSION),
    flag("tlsv1.3", ' ', VERSION),
    with("tls-max", ' ', VERSION),
    flag("tls-earlydata", ' ', VERSION),
    with("tls13-ciphers", ' ', VERSION),
    with("ciphers", ' ', VERSION),
    with("curves", ' ', VERSION),
    with("signature-algorithms", ' ', VERSION),
    with("sigalgs", ' ', VERSION),
    flag("alpn", ' ', VERSION),
    flag("npn", ' ', VERSION),
    flag("sessionid", ' ', VERSION),
    with("ssl-sessions", ' ', VERSION),
    flag("false-start", ' ', VERSION),
    flag("ssl", ' ', VERSION),
    flag("ssl-reqd", ' ', VERSION),
    flag("ssl-allow-beast", ' ', VERSION),
    flag("ssl-no-revoke", ' ', VERSION),
    flag("ssl-revoke-best-effort", ' ', VERSION),
    with("proto", ' ', Quiet),
    with("proto-redir", ' ', Quiet),
    // What it prints and keeps, and when it tries again.
    flag("silent", 's', Quiet),
    flag("show-error", 'S', Quiet),
    flag("verbose", 'v', Quiet),
    flag("include", 'i', Quiet),
    flag("show-headers", ' ', Quiet),
    flag("fail", 'f', Quiet),
    flag("fail-early", ' ', Quiet),
    flag("fail-with-body", ' ', Quiet),
    flag("buffer", 'N', Quiet),
    flag("progress-bar", '#', Quiet),
    flag("progress-meter", ' ', Quiet),
    flag("styled-output", ' ', Quiet),
    flag("suppress-connect-headers", ' ', Quiet),
    with("output", 'o', Quiet),
    with("output-dir", ' ', Quiet),
    flag("out-null", ' ', Quiet),
    flag("remote-name", 'O', Quiet),
    flag("remote-name-all", ' ', Quiet),
    flag("remote-header-name", 'J', Quiet),
    flag("remote-time", 'R', Quiet),
    flag("remove-on-error", ' ', Quiet),
    flag("skip-existing", ' ', Quiet),
    flag("clobber", ' ', Quiet),
    flag("create-dirs", ' ', Quiet),
    with("create-file-mode", ' ', Quiet),
    flag("xattr", ' ', Quiet),
    with("write-out", 'w', Quiet),
    with("dump-header", 'D', Quiet),
    with("cookie-jar", 'c', Quiet),
    flag("junk-session-cookies", 'j', Quiet),
    with("etag-save", ' ', Quiet),
    with("stderr", ' ', Quiet),
    with("trace", ' ', Quiet),
    with("trace-ascii", ' ', Quiet),
    with("trace-config", ' ', Quiet),
    flag("trace-ids", ' ', Quiet),
    flag("trace-time", ' ', Quiet),
    with("libcurl", ' ', Quiet),
    flag("raw", ' ', Quiet),
    flag("ignore-content-length", ' ', Quiet),
    with("max-filesize", ' ', Quiet),
    with("connect-timeout", ' ', Quiet),
    with("expect100-timeout", ' ', Quiet),
    with("happy-eyeballs-timeout-ms", ' ', Quiet),
    with("keepalive-time", ' ', Quiet),
    with("keepalive-cnt", ' ', Quiet),
    flag("keepalive", ' ', Quiet),
    with("retry", ' ', Quiet),
    flag("retry-all-errors", ' ', Quiet),
    flag("retry-connrefused", ' ', Quiet),
    with("retry-delay", ' ', Quiet),
    with("retry-max-time", ' ', Quiet),
    with("limit-rate", ' ', Left("a plan sends and reads as fast as it can")),
    with("rate", ' ', Left("the plan's load says how often")),
    with("speed-limit", 'Y', Quiet),
    with("speed-time", 'y', Quiet),
    flag("parallel", 'Z', Quiet),
    flag("parallel-immediate", ' ', Quiet),
    with("parallel-max", ' ', Quiet),
    with("parallel-max-host", ' ', Quiet),
    flag("tcp-fastopen", ' ', Quiet),
    flag("tcp-nodelay", ' ', Quiet),
    flag("mptcp", ' ', Quiet),
    with("ip-tos", ' ', Quiet),
    with("vlan-priority", ' ', Quiet),
    flag("disable", 'q', Quiet),
    flag("disallow-username-in-url", ' ', Quiet),
    flag("metalink", ' ', Quiet),
    with("egd-file", ' ', Quiet),
    with("random-file", ' ', Quiet),
    // No request at all.
    with("help", 'h', Refused("it asks curl for its help")),
    flag("manual", 'M', Refused("it asks curl for its manual")),
    flag("version", 'V', Refused("it asks curl for its version")),
    // Other protocols.
    flag("append", 'a', NO_HTTP),
    flag("compressed-ssh", ' ', NO_HTTP),
    flag("disable-eprt", ' ', NO_HTTP),
    flag("disable-epsv", ' ', NO_HTTP),
    with("ftp-account", ' ', NO_HTTP),
    with("ftp-alternative-to-user", ' ', NO_HTTP),
    flag("ftp-create-dirs", ' ', NO_HTTP),
    with("ftp-method", ' ', NO_HTTP),
    flag("ftp-pasv", ' ', NO_HTTP),
    with("ftp-port", 'P', NO_HTTP),
    flag("ftp-pret", ' ', NO_HTTP),
    flag("ftp-skip-pasv-ip", ' ', NO_HTTP),
    flag("ftp-ssl-ccc", ' ', NO_HTTP),
    with("ftp-ssl-ccc-mode", ' ', NO_HTTP),
    flag("ftp-ssl-control", ' ', NO_HTTP),
    with("hostpubmd5", ' ', NO_HTTP),
    with("hostpubsha256", ' ', NO_HTTP),
    with("knownhosts", ' ', NO_HTTP),
    flag("list-only", 'l', NO_HTTP),
    with("mail-auth", ' ', NO_HTTP),
    with("mail-from", ' ', NO_HTTP),
    with("mail-rcpt", ' ', NO_HTTP),
    flag("mail-rcpt-allowfails", ' ', NO_HTTP),
    with("pubkey", ' ', NO_HTTP),
    with("quote", 'Q', NO_HTTP),
    with("telnet-option", 't', NO_HTTP),
    with("tftp-blksize", ' ', NO_HTTP),
    flag("tftp-no-options", ' ', NO_HTTP),
    with("upload-flags", ' ', NO_HTTP),
];

/// What a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// An option, and whether it is switched on.
    Option(&'static str, bool),
    /// Several options begin like this.
    Several,
    Unknown,
}

/// The option of this letter.
pub(super) fn of_letter(letter: char) -> Option<&'static Spec> {
    OPTIONS.iter().find(|o| o.short == letter && letter != ' ')
}

/// The option of this name.
pub(super) fn of_name(name: &str) -> Option<&'static Spec> {
    OPTIONS.iter().find(|o| o.long == name)
}

/// Looks for a long option as curl does: its name, `no-` before the name of a switch, or a beginning that only one has.
pub(super) fn find(word: &str) -> Found {
    if let Some(option) = of_name(word) {
        return Found::Option(option.long, true);
    }
    if let Some(option) = word.strip_prefix("no-").and_then(of_name).filter(|o| !o.value) {
        return Found::Option(option.long, false);
    }
    if word.starts_with("expand-") {
        return Found::Option("variable", true);
    }
    let mut begin = OPTIONS.iter().filter(|o| o.long.starts_with(word) && !word.is_empty());
    match (begin.next(), begin.next()) {
        (Some(option), None) => Found::Option(option.long, true),
        (Some(_), Some(_)) => Found::Several,
        (None, _) => Found::Unknown,
    }
}

#[cfg(test)]
#[path = "curl_options_tests.rs"]
mod tests;
