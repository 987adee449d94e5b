//! The HTTP steps of one worker: its connections, redirects, cookies, and a look into the response.
use bytes::Bytes;
use cookie_store::CookieStore;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use perfdeck_model::masking::is_secret_name;
use url::Url;

use super::connect::{Open, Origin, broken};
use super::decode::decoded;
use super::program::{HttpCall, Program};
use crate::plan::StepRules;
use crate::record::{Class, Failure};

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
            let message = Request::from_parts(parts, Full::new(body));
            let slot = slots.get_mut(at).ok_or_else(|| (Class::Other, "no such host".to_owned()))?;
            let (response, before) = program.dialer.send(origin, slot, message).await?;
            if program.cookies && response.headers().contains_key(SET_COOKIE) {
                keep_cookies(cookies, &url_of(origin, &path)?, response.headers());
            }
            let status = response.status().as_u16();
            if let (Some(target), Some(next)) = (redirect(&response), next) {
                bytes += drain(response, slot, before).await?;
                (at, parts, body) = follow(program, (url_of(origin, &path)?, at), (status, &target), next)?;
                hops += 1;
                continue;
            }
            if hops > 0 && hops >= call.redirects && redirect(&response).is_some() {
                let message = format!("more than {} redirects", call.redirects);
                drain(response, slot, before).await?;
                return Err((Class::Redirect, message));
            }
            let mut answer = read(response, &call.rules, slot, before).await?;
            answer.bytes += bytes;
            return Ok(answer);
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
fn redirect(response: &Response<Incoming>) -> Option<String> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    moved.then(|| response.headers().get(LOCATION)?.to_str().ok().map(str::to_owned)).flatten()
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

fn received(slot: &Option<Open>, before: u64) -> u64 {
    slot.as_ref().map_or(0, |open| open.received().wrapping_sub(before))
}

/// Reads a body to its end and forgets it.
async fn drain(response: Response<Incoming>, slot: &Option<Open>, before: u64) -> Result<u64, Failure> {
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|e| broken(&e))?;
    }
    Ok(received(slot, before))
}

async fn read(
    response: Response<Incoming>,
    rules: &StepRules,
    slot: &Option<Open>,
    before: u64,
) -> Result<Answer, Failure> {
    let status: StatusCode = response.status();
    let headers = if rules.need_headers() { response.headers().clone() } else { HeaderMap::new() };
    if !rules.need_body() {
        let bytes = drain(response, slot, before).await?;
        return Ok(Answer { status: status.as_u16(), bytes, headers, body: Bytes::new() });
    }
    let coding = response.headers().get(CONTENT_ENCODING).cloned();
    let mut body = response.into_body();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| broken(&e))?;
        if let Some(data) = frame.data_ref() {
            if kept.len() + data.len() > MAX_BODY {
                return Err((Class::Check, format!("the body is over {} MiB, too much to look into", MAX_BODY >> 20)));
            }
            kept.extend_from_slice(data);
        }
    }
    let body = decoded(kept, coding.as_ref(), MAX_BODY).map_err(|message| (Class::Check, message))?;
    Ok(Answer { status: status.as_u16(), bytes: received(slot, before), headers, body: body.into() })
}
