//! The HTTP steps of one worker: its connections, redirects, cookies, and a look into the response.
use bytes::Bytes;
use cookie_store::CookieStore;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE,
};
use hyper::http::request::Parts;
use hyper::{Method, Uri};
use perfdeck_model::masking::is_secret_name;
use url::Url;

use super::connect::{Open, Origin, Reply};
use super::decode::decoded;
use super::program::{HttpCall, Program};
use crate::record::{Class, Failure};
use perfdeck_plan::StepRules;

/// Bytes of a body that are kept for checks and extraction at most.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// A complete response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body bytes received, of all responses when there were redirects.
    pub(crate) bytes: u64,
    /// Empty unless the rules look at headers.
    pub(crate) headers: HeaderMap,
    /// Decoded; empty unless the rules look at it.
    pub(crate) body: Bytes,
}

/// The connections and cookies of one worker.
pub(crate) struct Client {
    /// One for each origin of the plan.
    slots: Vec<Option<Open>>,
    cookies: CookieStore,
}

impl Client {
    pub(crate) fn new(origins: usize) -> Self {
        Self { slots: (0..origins).map(|_| None).collect(), cookies: CookieStore::default() }
    }

    /// Opens the connection of an origin when it is not open.
    pub(crate) async fn connect(&mut self, program: &Program, origin: usize) -> Result<(), Failure> {
        if let (Some(slot @ None), Some(to)) = (self.slots.get_mut(origin), program.origins.get(origin)) {
            *slot = Some(program.dialer.open(to).await?);
        }
        Ok(())
    }

    /// Closes all connections: what is on them is not known.
    pub(crate) fn close(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
    }

    /// Sends a request and reads its response, going to further locations on the same host as the step allows.
    pub(crate) async fn call(
        &mut self,
        program: &Program,
        call: &HttpCall,
        (mut parts, mut body): (Parts, Bytes),
    ) -> Result<Answer, Failure> {
        let Self { slots, cookies } = self;
        let (mut at, mut hops, mut bytes) = (call.origin, 0, 0);
        loop {
            let origin = program.origins.get(at).ok_or_else(|| (Class::Other, "no such host".to_owned()))?;
            let path = parts.uri.clone();
            // Kept for the next hop only when there may be one.
            let next = (hops < call.redirects).then(|| (parts.clone(), body.clone()));
            if program.cookies && cookies.iter_any().next().is_some() {
                add_cookies(cookies, &url_of(origin, &path)?, &mut parts);
            }
            let slot = slots.get_mut(at).ok_or_else(|| (Class::Other, "no such host".to_owned()))?;
            let limit = if call.rules.need_body() { MAX_BODY } else { 0 };
            let reply = program.dialer.send(origin, slot, parts, body, limit).await?;
            if program.cookies && reply.headers.contains_key(SET_COOKIE) {
                keep_cookies(cookies, &url_of(origin, &path)?, &reply.headers);
            }
            bytes += reply.bytes;
            let target = redirect(&reply);
            if let (Some(target), Some(next)) = (&target, next) {
                (at, parts, body) = follow(program, (url_of(origin, &path)?, at), (reply.status, target), next)?;
                hops += 1;
                continue;
            }
            if hops > 0 && hops >= call.redirects && target.is_some() {
                return Err((Class::Redirect, format!("more than {} redirects", call.redirects)));
            }
            return read(reply, &call.rules, bytes);
        }
    }
}

fn add_cookies(cookies: &CookieStore, url: &Url, parts: &mut Parts) {
    let pairs: Vec<String> = cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
    // A header of the plan comes first.
    if !pairs.is_empty()
        && !parts.headers.contains_key(COOKIE)
        && let Ok(value) = HeaderValue::try_from(pairs.join("; "))
    {
        parts.headers.insert(COOKIE, value);
    }
}

fn keep_cookies(cookies: &mut CookieStore, url: &Url, headers: &HeaderMap) {
    for value in headers.get_all(SET_COOKIE) {
        if let Ok(text) = value.to_str() {
            // A cookie that the server may not set is left out, as a browser does.
            let _ = cookies.parse(text, url);
        }
    }
}

fn url_of(origin: &Origin, path: &Uri) -> Result<Url, Failure> {
    let scheme = if origin.tls { "https" } else { "http" };
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let text = format!("{scheme}://{host}:{}{path}", origin.port);
    Url::parse(&text).map_err(|e| (Class::Other, format!("the URL cannot be read: {e}")))
}

/// Where a response sends its reader.
fn redirect(reply: &Reply) -> Option<String> {
    let moved = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
    moved.then(|| reply.headers.get(LOCATION)?.to_str().ok().map(str::to_owned)).flatten()
}

/// The request for the next location (RFC 9110, section 15.4). Only hosts that the plan itself names are gone to: load
/// on any other would hit somebody who was not asked.
fn follow(
    program: &Program,
    (here, from): (Url, usize),
    (status, location): (u16, &str),
    (mut parts, mut body): (Parts, Bytes),
) -> Result<(usize, Parts, Bytes), Failure> {
    let wrong = |why: &str| (Class::Redirect, format!("a redirect {why}"));
    let to = here.join(location).map_err(|_| wrong("to what is no URL"))?;
    let host = to.host_str().map(|h| h.trim_matches(['[', ']'])).unwrap_or_default();
    let tls = to.scheme() == "https";
    let found = program
        .origins
        .iter()
        .position(|o| o.tls == tls && o.host.eq_ignore_ascii_case(host) && Some(o.port) == to.port_or_known_default());
    let shown: String = host.chars().take(80).collect();
    let at = found.ok_or_else(|| wrong(&format!("to {shown}, which the plan does not name, was not followed")))?;
    let path = match to.query() {
        Some(query) => format!("{}?{query}", to.path()),
        None => to.path().to_owned(),
    };
    // 303 asks for it, and for 301 and 302 it is what every client does with a POST.
    let becomes_get = status == 303 || (matches!(status, 301 | 302) && parts.method == Method::POST);
    if becomes_get && parts.method != Method::HEAD {
        parts.method = Method::GET;
        body = Bytes::new();
        for name in [CONTENT_TYPE, CONTENT_LENGTH] {
            parts.headers.remove(name);
        }
    }
    parts.uri = path.parse().map_err(|_| wrong("to a path that cannot be sent"))?;
    parts.headers.remove(COOKIE);
    if at != from {
        // What signs in at one host is nothing for another.
        let secret = |name: &&hyper::header::HeaderName| **name == AUTHORIZATION || is_secret_name(name.as_str());
        let names: Vec<_> = parts.headers.keys().filter(secret).cloned().collect();
        names.iter().for_each(|name| drop(parts.headers.remove(name)));
        let authority = match to.port() {
            Some(port) => format!("{}:{port}", to.host_str().unwrap_or_default()),
            None => to.host_str().unwrap_or_default().to_owned(),
        };
        let value = HeaderValue::try_from(authority).map_err(|_| wrong("to a host that cannot be sent"))?;
        parts.headers.insert(hyper::header::HOST, value);
    }
    Ok((at, parts, body))
}

/// A response as the rules want to see it.
fn read(reply: Reply, rules: &StepRules, bytes: u64) -> Result<Answer, Failure> {
    let Reply { status, headers, kept, .. } = reply;
    if kept.over {
        return Err((Class::Check, format!("the body is over {} MiB, too much to look into", MAX_BODY >> 20)));
    }
    let body = if rules.need_body() {
        decoded(kept.body, headers.get(CONTENT_ENCODING), MAX_BODY).map_err(|message| (Class::Check, message))?
    } else {
        Vec::new()
    };
    let headers = if rules.need_headers() { (*headers).clone() } else { HeaderMap::new() };
    Ok(Answer { status, bytes, headers, body: body.into() })
}
