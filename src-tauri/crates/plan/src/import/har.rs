//! A plan from an HTTP archive (HAR 1.2), the recording of a browser.
use std::collections::BTreeMap;

use base64::Engine as _;
use perfdeck_model::Method;
use serde_json::Value;

use super::super::model::Plan;
use super::super::step::{Check, StatusMatch, StatusRule, Step};
use super::hosts::Hosts;
use super::request::{Address, header, set_body, step};
use super::secrets::Masks;
use super::{Error, Notes, StepNames, check_size, json_error};

const WHAT: &str = "HTTP archive";

/// Requests at most.
const MAX_STEPS: usize = 500;

/// Entries that are named when they are left out.
const NAMED: usize = 20;

/// A request of the recording.
struct Entry {
    method: Method,
    address: Address,
    headers: Vec<(String, String)>,
    body: Option<Body>,
    status: Option<u16>,
    /// What the answer is, as the browser and the server call it.
    resource: String,
    kind: String,
}

struct Body {
    kind: String,
    bytes: Vec<u8>,
}

/// A member that must be a text, or may be absent when it has a default.
fn text<'a>(value: &'a Value, place: &str, key: &str, default: Option<&'a str>) -> Result<&'a str, String> {
    match (value.get(key), default) {
        (Some(Value::String(text)), _) => Ok(text),
        (None, Some(default)) => Ok(default),
        (found, _) => Err(format!("{place}.{key} is {} instead of a text", kind_of(found))),
    }
}

fn kind_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

/// Names and values of a list.
fn pairs(value: Option<&Value>, place: &str) -> Result<Vec<(String, String)>, String> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        other => return Err(format!("{place} is {} instead of a list", kind_of(other))),
    };
    let pair = |(i, pair): (usize, &Value)| {
        let place = format!("{place}[{i}]");
        Ok((text(pair, &place, "name", None)?.to_owned(), text(pair, &place, "value", Some(""))?.to_owned()))
    };
    list.iter().enumerate().map(pair).collect()
}

fn body(value: Option<&Value>) -> Result<Option<Body>, String> {
    let Some(data) = value.filter(|v| !v.is_null()) else { return Ok(None) };
    let place = "request.postData";
    let kind = text(data, place, "mimeType", Some(""))?.to_owned();
    let written = match data.get("text") {
        None | Some(Value::Null) => "",
        Some(_) => text(data, place, "text", Some(""))?,
    };
    let bytes = match text(data, place, "encoding", Some(""))?.to_ascii_lowercase().as_str() {
        "base64" => {
            let plain: String = written.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let decoded = base64::engine::general_purpose::STANDARD.decode(plain);
            decoded.map_err(|_| format!("{place}.text is no base64"))?
        }
        "" => written.as_bytes().to_vec(),
        _ => return Err(format!("{place}.encoding is none that can be read")),
    };
    if !bytes.is_empty() {
        return Ok(Some(Body { kind, bytes }));
    }
    let params = pairs(data.get("params"), &format!("{place}.params"))?;
    if params.is_empty() {
        return Ok(None);
    }
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        return Err("its form was recorded without the bytes that were sent".to_owned());
    }
    // Some recorders write what was sent, others what it means.
    let coded = |t: &str| {
        let plain = t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%+*".contains(&b));
        if plain { t.to_owned() } else { super::curl_form::url_encode(t.as_bytes()) }
    };
    let form: Vec<String> = params.iter().map(|(n, v)| format!("{}={}", coded(n), coded(v))).collect();
    Ok(Some(Body { kind, bytes: form.join("&").into_bytes() }))
}

/// Reads an entry.
///
/// # Errors
/// Why it cannot be sent, without what it holds.
fn entry(value: &Value) -> Result<Entry, String> {
    let request = value.get("request").filter(|r| r.is_object());
    let request = request.ok_or_else(|| format!("request is {}", kind_of(value.get("request"))))?;
    let method = text(request, "request", "method", None)?;
    let url = text(request, "request", "url", None)?;
    let address = Address::parse(url).ok_or("its URL is no http or https URL")?;
    let method = Method::parse(method).filter(|m| m.as_str() == method).ok_or("its method cannot be sent")?;
    let headers = pairs(request.get("headers"), "request.headers")?;
    let body = body(request.get("postData"))?;
    let response = value.get("response");
    let status = response.and_then(|r| r.get("status")).and_then(Value::as_u64);
    if status == Some(101) {
        return Err("it became a WebSocket".to_owned());
    }
    let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    Ok(Entry {
        method,
        address,
        headers,
        body,
        status: status.and_then(|s| u16::try_from(s).ok()).filter(|s| (200..600).contains(s)),
        resource: word(value.get("_resourceType")),
        kind: word(response.and_then(|r| r.pointer("/content/mimeType"))),
    })
}

/// Endings of paths that a cache or a file server answers.
const STATIC: &[&str] = &[
    ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".woff",
    ".woff2", ".ttf", ".otf", ".eot", ".mp4", ".webm", ".mp3", ".wasm",
];

/// Whether a path ends as a static file does.
pub(super) fn is_static_path(path: &str) -> bool {
    let lower = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    STATIC.iter().any(|ending| lower.ends_with(ending))
}

fn is_static(entry: &Entry) -> bool {
    // What is written to such a path is no file that is fetched.
    entry.method == Method::Get
        && (is_static_path(&entry.address.path)
            || ["image", "font", "stylesheet", "script", "media", "manifest", "texttrack"]
                .contains(&entry.resource.as_str())
            || ["image/", "font/", "video/", "audio/", "text/css"].iter().any(|k| entry.kind.starts_with(k))
            || entry.kind.contains("javascript"))
}

/// Makes a scenario of the recorded requests in their order, each as it was sent and expected to end as it ended.
///
/// Static files that were fetched are left out. The host with the most requests becomes the base URL, others become
/// variables. Cookies are kept by the jar of the run; Authorization and whatever else looks like a secret become
/// references to environment variables. An entry that cannot be read is named and left out.
///
/// # Errors
/// [`Error`] when it is no HTTP archive or holds only static files.
pub fn from_har(text: &str) -> Result<(Plan, Vec<String>), Error> {
    check_size(text, WHAT, 64)?;
    let text = text.trim_start_matches('\u{feff}');
    let archive: Value = serde_json::from_str(text).map_err(|e| json_error(WHAT, &e))?;
    let entries = archive.pointer("/log/entries").and_then(Value::as_array).ok_or_else(|| Error::Malformed {
        what: WHAT,
        message: "it has no log.entries as HAR 1.2 describes them".into(),
    })?;
    let (mut notes, mut masks, mut names) = (Notes::default(), Masks::default(), StepNames::default());
    let mut kept = Vec::new();
    let (mut files, mut bad) = (0usize, 0usize);
    for (i, value) in entries.iter().enumerate() {
        match entry(value) {
            Ok(entry) if is_static(&entry) => files += 1,
            Ok(entry) => kept.push(entry),
            Err(why) => {
                bad += 1;
                if bad <= NAMED {
                    notes.add(format!("Entry {}{} was left out: {why}", i + 1, called(value)));
                }
            }
        }
    }
    if bad > NAMED {
        notes.add(format!("{} further entries were left out that cannot be read or sent", bad - NAMED));
    }
    if files > 0 {
        notes.add(format!("{files} requests for static files were left out"));
    }
    if kept.len() > MAX_STEPS {
        notes.add(format!("Only the first {MAX_STEPS} of {} requests were taken", kept.len()));
        kept.truncate(MAX_STEPS);
    }
    if kept.is_empty() {
        let message = format!("none of its {} requests is for an API or a page", entries.len());
        let first = notes.0.first().map_or(String::new(), |note| format!(" ({note})"));
        return Err(Error::Empty { what: WHAT, message: message + &first });
    }
    let title = archive.pointer("/log/pages/0/title").and_then(Value::as_str).unwrap_or_default().trim();
    // A title may be the address with its query.
    let title = if title.contains("://") { title.split(['?', '#']).next().unwrap_or_default() } else { title };
    let title = if title.is_empty() || title.contains('@') { "Recording" } else { title };
    let mut plan = Plan::new(title.chars().filter(|c| !c.is_control()).take(60).collect::<String>());
    plan.scenario = true;
    let mut hosts = hosts(&mut plan, &kept, &mut notes);
    let (mut cookies, mut unanswered) = (0usize, 0usize);
    for entry in kept {
        cookies += usize::from(!header(&entry.headers, "cookie").is_empty());
        unanswered += usize::from(entry.status.is_none());
        let mut list: Vec<(String, String)> =
            entry.headers.iter().filter(|h| !is_own(h, &entry.address)).cloned().collect();
        if let Some(body) = &entry.body
            && header(&list, "content-type").is_empty()
            && !body.kind.is_empty()
        {
            list.push(("Content-Type".to_owned(), body.kind.clone()));
        }
        let mut http = step(entry.method, &entry.address, &list, &mut masks, &mut notes);
        if let Some(body) = &entry.body {
            let kind = header(&list, "content-type").to_owned();
            set_body(&mut http, &body.bytes, &kind, &mut masks, &mut notes);
        }
        hosts.place(&mut plan, &entry.address.base, &mut http);
        if let Some(code) = entry.status {
            // What a cache of the browser or the server answered may be whole the next time.
            let code = StatusMatch::Code(code);
            let whole = StatusMatch::Code(200);
            let status =
                if code == StatusMatch::Code(304) { StatusRule::Any(vec![whole, code]) } else { StatusRule::One(code) };
            http.checks.push(Check { status: Some(status), ..Check::default() });
        }
        let name = format!("{} {}", entry.method.as_str(), entry.address.shown());
        plan.steps.push(Step::http(names.unique(&name), http));
    }
    if cookies > 0 {
        notes.add(format!(
            "The cookies of {cookies} requests were left out: each connection keeps those that it is given; where somebody \
             was signed in before the recording began, add the header Cookie = \"{{{{env:COOKIE}}}}\""
        ));
    }
    if unanswered > 0 {
        notes.add(format!("{unanswered} requests had no answer in the recording, so none is expected of them"));
    }
    Ok((plan, notes.0))
}

/// Method and path of an entry for a person, as far as they can be read and shown.
fn called(value: &Value) -> String {
    let method = value.pointer("/request/method").and_then(Value::as_str).and_then(Method::parse);
    let address = value.pointer("/request/url").and_then(Value::as_str).and_then(Address::parse);
    match (method, address) {
        (Some(method), Some(address)) => format!(" ({} {})", method.as_str(), address.shown()),
        _ => String::new(),
    }
}

/// What the engine sends by itself, or the jar: the host of the URL, and cookies.
fn is_own((name, value): &(String, String), address: &Address) -> bool {
    let host = address.base.split_once("://").map_or("", |(_, host)| host);
    name.eq_ignore_ascii_case("cookie") || (name.eq_ignore_ascii_case("host") && value.eq_ignore_ascii_case(host))
}

/// Sets the base URL, and names the other hosts.
fn hosts(plan: &mut Plan, kept: &[Entry], notes: &mut Notes) -> Hosts {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in kept {
        *counts.entry(&entry.address.base).or_default() += 1;
    }
    // The first of the recording wins a tie: it is the page.
    let most = kept.iter().map(|e| e.address.base.as_str()).find(|base| counts.get(base) == counts.values().max());
    let main = most.unwrap_or_default();
    plan.base_url = Some(main.to_owned());
    let mut out = Hosts::default();
    for (base, count) in counts.iter().filter(|(base, _)| **base != main) {
        let name = out.variable(plan, base);
        notes.add(format!(
            "{count} requests go to {base}, which is the variable {name}: remove them unless the host is yours"
        ));
    }
    out
}
