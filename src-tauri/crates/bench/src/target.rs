//! What is benchmarked: validation of a plan, and the request as it goes over the wire.
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use perfdeck_model::masking::{MASK, Masker, has_mask, is_plain, message, shown};
use perfdeck_model::{Address, ApiError, ErrorCode, Header, HttpBenchSpec, Load, Scheme};

use crate::plan_run::thresholds_of_request;

/// Headers that the engine sets from the plan itself; a second opinion would break the framing of the request.
const OWN: &[&str] = &["content-length", "transfer-encoding"];

/// The request, ready to be cloned.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) head: hyper::http::request::Parts,
    pub(crate) body: Bytes,
}

impl Target {
    /// The request as it goes over a plain HTTP/1.1 connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        crate::http1::whole(&self.head, &self.body)
    }
}

/// Bytes of a URL at most.
const MAX_URL: usize = 64 << 10;

/// Bytes of a request body at most.
const MAX_BODY: usize = 16 << 20;

/// A URL's scheme and authority, and its path with the query as it is sent, without fragment.
fn split(url: &str) -> (&str, String) {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..].find(['/', '?', '#']).map_or(url.len(), |at| after + at);
    let (origin, path) = url.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (origin, path)
}

/// The bytes of the body.
fn body(spec: &HttpBenchSpec) -> Result<Vec<u8>, ApiError> {
    use base64::Engine as _;
    let body = match (&spec.body, &spec.body_base64) {
        (Some(_), Some(_)) => return Err(ApiError::bad_request("body_base64: A request has one body")),
        (None, Some(coded)) => base64::engine::general_purpose::STANDARD
            .decode(coded)
            .map_err(|_| ApiError::bad_request("body_base64: The body is no base64"))?,
        (text, None) => text.clone().unwrap_or_default().into_bytes(),
    };
    if body.len() > MAX_BODY {
        return Err(ApiError::bad_request("body: A request body has at most 16 MiB"));
    }
    Ok(body)
}

fn number(name: &str, value: f64, low: f64, high: f64, unit: &str) -> Result<(), ApiError> {
    if value.is_finite() && value >= low && value <= high {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("{name}: {value} is not between {low} and {high} {unit}")))
}

/// Checks a plan before anything is sent.
///
/// # Errors
/// [`ErrorCode::BadRequest`] naming the field and its bounds.
pub fn validate(spec: &HttpBenchSpec) -> Result<(), ApiError> {
    number("duration_s", spec.duration_s, 0.1, 86_400.0, "s")?;
    number("warmup_s", spec.warmup_s, 0.0, 3_600.0, "s")?;
    number("timeout_s", spec.timeout_s, 0.001, 600.0, "s")?;
    number("connections", f64::from(spec.connections), 1.0, 10_000.0, "connections")?;
    if let Load::Rate { rate_per_s } = spec.load {
        number("rate_per_s", rate_per_s, 0.001, 1e6, "requests/s")?;
    }
    if let Some(threads) = spec.threads {
        number("threads", f64::from(threads), 1.0, 256.0, "threads")?;
    }
    if spec.headers.len() > 64 {
        return Err(ApiError::bad_request("headers: A request has at most 64 headers"));
    }
    thresholds_of_request(spec)?;
    target(spec).map(drop)
}

pub(crate) fn target(spec: &HttpBenchSpec) -> Result<Target, ApiError> {
    given_again(spec)?;
    if spec.url.len() > MAX_URL {
        let message = format!("url: It has {} bytes; a URL has at most {MAX_URL}", spec.url.len());
        return Err(ApiError::bad_request(message).hint("Send what is longer as a body"));
    }
    let (origin, path) = split(&spec.url);
    // Only what leads to the host is an address; path and query go out exactly as they were written.
    let (address, password) = Address::parse(origin).map_err(|e| {
        ApiError::bad_request(format!("url: {}", message(&e.message, &|_| false))).hint("Write http://host:port/path")
    })?;
    if !matches!(address.scheme, Scheme::Http | Scheme::Https) {
        return Err(ApiError::bad_request("url: An HTTP benchmark needs an http or https URL")
            .hint("Write http://host:port/path"));
    }
    if password.is_some() || address.username.is_some() {
        return Err(ApiError::bad_request("url: Credentials do not belong into the URL")
            .hint("Send an Authorization header instead"));
    }
    let host = address.hosts.first().ok_or_else(|| ApiError::bad_request("url: The URL names no host"))?;
    let name = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
    let authority =
        if address.scheme.default_port() == Some(host.port) { name } else { format!("{name}:{}", host.port) };
    let bad = || {
        let what = if path.contains(' ') { "a space" } else { "a character that cannot be sent" };
        ApiError::bad_request(format!("url: The path has {what}"))
            .hint("Write it percent-encoded: %20 for a space, %3C for <")
    };
    let mut request = hyper::Request::builder()
        .method(spec.method.as_str())
        .uri(&path)
        .header(HOST, &authority)
        .header(USER_AGENT, concat!("perfdeck/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(|_| bad())?;
    let mut own = vec![HOST, USER_AGENT];
    for (at, Header { name, value }) in spec.headers.iter().enumerate() {
        let number = at + 1;
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| ApiError::bad_request(format!("headers: The name of header {number} cannot be sent")))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            ApiError::bad_request(format!("headers: The value of header {number} cannot be sent"))
                .hint("A header has no line breaks and no other control characters")
        })?;
        if OWN.contains(&name.as_str()) {
            return Err(ApiError::bad_request(format!("headers: '{name}' is set from the body"))
                .hint("Leave it out; the body decides it"));
        }
        // The first of a name replaces Perfdeck's own, further ones are sent beside it.
        if own.contains(&name) {
            own.retain(|n| *n != name);
            request.headers_mut().insert(name, value);
        } else {
            request.headers_mut().append(name, value);
        }
    }
    let (head, ()) = request.into_parts();
    if spec.client_certificate.is_some() && address.scheme != Scheme::Https {
        return Err(ApiError::bad_request("client_certificate: Only an https URL has a use for one"));
    }
    Ok(Target {
        tls: address.scheme == Scheme::Https,
        host: host.host.clone(),
        port: host.port,
        head,
        body: Bytes::from(body(spec)?),
    })
}

/// A benchmark as it is stored and shown: only what is known to be harmless of its address, headers and body.
pub fn redacted(spec: &HttpBenchSpec) -> HttpBenchSpec {
    let mask = Masker::Literal;
    let mut spec = spec.clone();
    spec.url = mask.url(&spec.url);
    for header in &mut spec.headers {
        header.value = mask.header(&header.name, &header.value);
        if !is_plain(&header.name) {
            MASK.clone_into(&mut header.name);
        }
    }
    spec.body = spec.body.map(|body| mask.body(&body));
    // Nobody can tell what bytes hold.
    if let Some(body) = &mut spec.body_base64 {
        MASK.clone_into(body);
    }
    spec
}

/// Refuses what was masked when it was stored: it is not what was sent.
fn given_again(spec: &HttpBenchSpec) -> Result<(), ApiError> {
    let field = if has_mask(&spec.url) {
        "url"
    } else if spec.headers.iter().any(|h| has_mask(&h.name) || has_mask(&h.value)) {
        "headers"
    } else if spec.body.as_deref().is_some_and(has_mask) {
        "body"
    } else if spec.body_base64.as_deref().is_some_and(has_mask) {
        "body_base64"
    } else {
        return Ok(());
    };
    Err(ApiError::bad_request(format!("{field}: A part of it was masked ({MASK}) when the run was stored"))
        .hint("Give that part again"))
}

pub(crate) async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, ApiError> {
    let fail =
        |code, message: String| ApiError::new(code, message).hint("Check the spelling, the VPN and the DNS server");
    match tokio::time::timeout(Duration::from_secs(3), tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut all: Vec<_> = found.collect();
            all.sort_by_key(SocketAddr::is_ipv6);
            if all.is_empty() {
                return Err(fail(ErrorCode::Unreachable, format!("The name '{}' has no address", shown(host))));
            }
            Ok(all)
        }
        Ok(Err(_)) => Err(fail(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", shown(host)))),
        Err(_) => {
            Err(fail(ErrorCode::Timeout, format!("The DNS server did not answer for '{}' within 3 s", shown(host))))
        }
    }
}

/// Addresses that a URL's host resolves to; empty when it does not.
pub async fn resolve(url: &str) -> Vec<String> {
    let Ok((address, _)) = Address::parse(split(url).0) else { return Vec::new() };
    let Some(host) = address.hosts.first() else { return Vec::new() };
    lookup(&host.host, host.port).await.map(|a| a.iter().map(|a| a.ip().to_string()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(url: &str) -> HttpBenchSpec {
        serde_json::from_value(serde_json::json!({
            "url": url, "load": {"kind": "closed"}, "connections": 1, "duration_s": 1.0
        }))
        .expect("a spec")
    }

    #[test]
    fn plans_out_of_bounds_name_their_field() {
        for (change, field) in [
            (serde_json::json!({"duration_s": 0.0}), "duration_s"),
            (serde_json::json!({"connections": 0}), "connections"),
            (serde_json::json!({"load": {"kind": "rate", "rate_per_s": -1.0}}), "rate_per_s"),
            (serde_json::json!({"headers": [{"name": "a", "value": "b\r\nHost: evil"}]}), "headers"),
            (serde_json::json!({"load": {"kind": "rate", "rate_per_s": 0.0}}), "rate_per_s"),
            (serde_json::json!({"load": {"kind": "rate", "rate_per_s": 2e6}}), "rate_per_s"),
            (serde_json::json!({"timeout_s": 0.0}), "timeout_s"),
            (serde_json::json!({"threads": 0}), "threads"),
            (serde_json::json!({"headers": [{"name": "a\r\nb", "value": "c"}]}), "headers"),
            (serde_json::json!({"headers": [{"name": "Content-Length", "value": "3"}]}), "headers"),
            (serde_json::json!({"url": "http://"}), "url"),
            (serde_json::json!({"url": "http://h/a b"}), "url: The path has a space"),
            (serde_json::json!({"url": ""}), "url"),
            (serde_json::json!({"url": "postgres://h/x"}), "url"),
            (serde_json::json!({"url": "http://u:p@h/"}), "url"),
        ] {
            let mut value = serde_json::to_value(spec("http://h/")).expect("json");
            for (k, v) in change.as_object().expect("object") {
                value[k] = v.clone();
            }
            let error = validate(&serde_json::from_value(value).expect("a spec")).expect_err(field);
            assert!(error.message.starts_with(field), "'{}' names {field}", error.message);
        }
        assert!(validate(&spec("http://h:1/a?b=c")).is_ok(), "a sensible plan is accepted");
    }

    #[test]
    fn paths_and_queries_are_sent_as_written() {
        let uri = |url: &str| target(&spec(url)).expect("a target").head.uri.to_string();
        assert_eq!(uri("http://h/a%20b?x=%2F&y"), "/a%20b?x=%2F&y", "nothing is decoded and encoded again");
        assert_eq!(uri("http://h?x=1#frag"), "/?x=1", "fragments stay at home");
        assert_eq!(uri("http://h"), "/", "an empty path is the root");
    }

    #[test]
    fn secret_headers_are_sent_but_not_kept() {
        let mut s = spec("http://h/");
        s.headers = vec![Header { name: "Authorization".into(), value: "Bearer canary".into() }];
        assert_eq!(target(&s).expect("target").head.headers["authorization"], "Bearer canary", "it is sent");
        assert!(!serde_json::to_string(&redacted(&s)).expect("json").contains("canary"), "it is not stored");
    }

    #[test]
    fn an_own_user_agent_replaces_perfdecks_and_repeated_headers_stay() {
        let mut s = spec("http://h/");
        let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
        assert!(
            target(&s).expect("target").head.headers["user-agent"].to_str().is_ok_and(|v| v.starts_with("perfdeck/")),
            "Perfdeck says who it is"
        );
        s.headers = vec![header("User-Agent", "mine"), header("Accept", "a"), header("Accept", "b")];
        let headers = target(&s).expect("target").head.headers;
        assert_eq!(headers.get_all("user-agent").iter().count(), 1, "one user agent");
        assert_eq!(headers["user-agent"], "mine", "the plan's");
        assert_eq!(headers.get_all("accept").iter().count(), 2, "both of a repeated header");
    }

    #[test]
    fn a_password_in_the_url_is_not_repeated() {
        let error = validate(&spec("http://user:canary-pw@h/")).expect_err("refused");
        assert!(!format!("{error:?}").contains("canary-pw"), "the message does not hold it");
    }

    #[test]
    fn names_that_say_secret_are_masked() {
        let mut s = spec("http://h/");
        for name in ["X-Api-Key", "cookie", "Proxy-Authorization", "X-Session-Token", "X-Goog-Api-Key", "X-Tenant"] {
            s.headers = vec![Header { name: name.into(), value: "canary".into() }];
            assert_eq!(redacted(&s).headers[0].value, MASK, "{name} is masked");
        }
        s.headers = vec![Header { name: "Accept".into(), value: "text/html".into() }];
        assert_eq!(redacted(&s), s, "harmless headers stay");
        s.url = "http://h/a?api_key=canary&page=2".into();
        s.body = Some(r#"{"password":"canary"}"#.into());
        let kept = redacted(&s);
        assert!(!serde_json::to_string(&kept).expect("json").contains("canary"), "query and body: {kept:?}");
        assert_eq!(kept.url, "http://h/a?api_key=•••&page=2", "what is harmless stays");
        let error = validate(&kept).expect_err("what was masked cannot be sent");
        assert!(error.message.starts_with("url: ") && error.hint.is_some(), "it is asked for: {error:?}");
    }
}
