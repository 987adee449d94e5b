//! A captured request as a step: address taken apart, secrets masked.
use std::collections::BTreeMap;

use base64::Engine as _;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use perfdeck_model::Method;

use super::super::check_steps::is_header_name;
use super::super::step::HttpStep;
use super::super::template::escape;
use super::secrets::{Masks, is_secret_name, is_secret_value, may_hold_secrets};
use super::{Notes, json_text, multipart};

/// Bytes of a body at most.
const MAX_BODY: usize = 2 << 20;

/// Headers of a step at most.
const MAX_HEADERS: usize = 64;

/// What cannot stand in a request line. `%` stays: what is encoded already is not encoded again.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Headers that are set from the body.
const OWN: &[&str] = &["content-length", "transfer-encoding"];

/// Whether a header only keeps the connection of the recording open.
fn is_of_connection(lower: &str, value: &str) -> bool {
    matches!(lower, "keep-alive" | "proxy-connection")
        || (lower == "connection" && value.trim().eq_ignore_ascii_case("keep-alive"))
}

/// A URL in its parts, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `scheme://host:port`
    pub(super) base: String,
    pub(super) user: Option<(String, String)>,
    /// With its leading slash, without query.
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Address {
    /// `None` unless it is an http or https URL with a host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().split('#').next().unwrap_or_default();
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return None;
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(at);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.split_once(':').unwrap_or((user, ""))), host),
            None => (None, authority),
        };
        let base = format!("{scheme}://{host}");
        if host.is_empty() || !is_host(host) {
            return None;
        }
        let decode = |t: &str| percent_encoding::percent_decode_str(t).decode_utf8_lossy().into_owned();
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let clean = |t: &str| utf8_percent_encode(t, UNSAFE).to_string();
        Some(Self {
            base,
            user: user.map(|(user, password)| (decode(user), decode(password))),
            path: if path.is_empty() { "/".to_owned() } else { clean(path) },
            query: query.map(clean),
        })
    }

    /// The path for the name of a step, without what is long or secret.
    pub(super) fn shown(&self) -> String {
        let short = |s: &str| if s.len() > 40 || is_secret_value(s) { "…".to_owned() } else { s.to_owned() };
        self.path.split('/').map(short).collect::<Vec<_>>().join("/").chars().take(80).collect()
    }

    /// Path and query as a template, secrets masked.
    pub(super) fn target(&self, masks: &mut Masks, notes: &mut Notes) -> String {
        let segment = |s: &str| {
            if is_secret_value(s) { masks.value("token", s, "|url", notes) } else { escape(s) }
        };
        let path = self.path.split('/').map(segment).collect::<Vec<_>>().join("/");
        match &self.query {
            Some(query) => format!("{path}?{}", masks.pairs(query, notes)),
            None => path,
        }
    }
}

/// Whether it is a host with an optional port; references to the environment stand for a word of it.
fn is_host(host: &str) -> bool {
    let mut plain = String::new();
    let mut rest = host;
    while let Some((before, after)) = rest.split_once("{{env:") {
        let Some((name, after)) = after.split_once("}}") else { return false };
        if !super::super::values::is_env_name(name) {
            return false;
        }
        plain.push_str(before);
        plain.push('1');
        rest = after;
    }
    plain.push_str(rest);
    !plain.contains(['{', '}', '\\', '%']) && url::Url::parse(&format!("http://{plain}")).is_ok_and(|u| u.has_host())
}

/// Headers as templates by name. Those of a name are joined (RFC 9110, section 5.3).
pub(super) fn headers(list: &[(String, String)], masks: &mut Masks, notes: &mut Notes) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (name, value) in list {
        let name = name.trim();
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || name.starts_with(':') || is_of_connection(&lower, value) {
            continue;
        }
        if OWN.contains(&lower.as_str()) {
            if lower == "transfer-encoding" {
                notes.add("The header Transfer-Encoding was left out: a body is sent with its length");
            }
            continue;
        }
        if out.len() >= MAX_HEADERS && !out.contains_key(&lower) {
            notes.add(format!("A request has at most {MAX_HEADERS} headers; the further ones were left out"));
            continue;
        }
        if !is_header_name(name) {
            notes.add("A header was left out whose name cannot be sent");
            continue;
        }
        let value: String = value.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        let scheme = value.split_once(' ').filter(|(s, _)| lower.contains("authorization") && s.len() <= 20);
        let value = match scheme {
            Some((scheme, secret)) => {
                let bearer = if scheme.eq_ignore_ascii_case("bearer") { "API_TOKEN" } else { "API_AUTHORIZATION" };
                // A reference is none of the secrets; it stays.
                let known = secret.starts_with("{{env:") && secret.ends_with("}}");
                let secret =
                    if known { secret.to_owned() } else { format!("{{{{env:{}}}}}", masks.env(bearer, secret, notes)) };
                format!("{} {secret}", escape(scheme))
            }
            None if value.starts_with("{{env:") && value.ends_with("}}") => value,
            None => masks.value(name, &value, "", notes),
        };
        match out.get_mut(&lower) {
            Some((_, have)) => {
                have.push_str(if lower == "cookie" { "; " } else { ", " });
                have.push_str(&value);
            }
            None => drop(out.insert(lower, (name.to_owned(), value))),
        }
    }
    out.into_values().collect()
}

/// Sets the body of a step, byte for byte but for its secrets. A body that may hold secrets and cannot be taken apart is
/// left out.
pub(super) fn set_body(step: &mut HttpStep, bytes: &[u8], kind: &str, masks: &mut Masks, notes: &mut Notes) {
    if bytes.len() > MAX_BODY {
        notes.add(format!("A body of more than {} MiB was left out", MAX_BODY >> 20));
        return;
    }
    let lower = kind.to_ascii_lowercase();
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let json = lower.contains("json")
        || bytes.trim_ascii_start().starts_with(b"{")
        || bytes.trim_ascii_start().starts_with(b"[");
    let known = match text {
        Some(text) if lower.starts_with("multipart/") => multipart::masked(text, kind, masks, notes),
        // Before forms: curl calls whatever it is given a form, unless it is told otherwise.
        Some(text) if json => json_text::masked(text, masks, notes),
        Some(text) if lower.contains("x-www-form-urlencoded") => Some(masks.pairs(text, notes)),
        _ => None,
    };
    if let Some(body) = known {
        step.body = Some(body);
        return;
    }
    if may_hold_secrets(&String::from_utf8_lossy(bytes)) {
        notes.add(
            "A body that may hold secrets was left out: write it into `body`, with {{env:NAME}} for what is secret",
        );
        return;
    }
    match text {
        Some(text) => step.body = Some(escape(text)),
        None => step.body_base64 = Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
    }
}

/// The step of a request without its body; the base of its URL goes elsewhere.
pub(super) fn step(
    method: Method,
    address: &Address,
    list: &[(String, String)],
    masks: &mut Masks,
    notes: &mut Notes,
) -> HttpStep {
    let path = address.target(masks, notes);
    HttpStep { method, path: Some(path), headers: headers(list, masks, notes), ..HttpStep::default() }
}

/// The value of a header.
pub(super) fn header<'a>(list: &'a [(String, String)], name: &str) -> &'a str {
    list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v.as_str())
}

/// Whether a header's own name or value says that it is a secret.
pub(super) fn is_secret_header(name: &str, value: &str) -> bool {
    is_secret_name(name) || is_secret_value(value)
}
