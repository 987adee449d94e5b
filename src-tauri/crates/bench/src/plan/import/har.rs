//! A plan from an HTTP archive (HAR 1.2), the recording of a browser.
use std::collections::BTreeMap;

use perfdeck_model::Method;
use serde::Deserialize;

use super::super::model::Plan;
use super::super::step::{Check, StatusMatch, StatusRule, Step};
use super::request::{Address, set_body, step};
use super::secrets::Masks;
use super::{Error, Notes, StepNames, check_size, json_error, variable_name};

const WHAT: &str = "HTTP archive";

/// Requests at most.
const MAX_STEPS: usize = 500;

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    pages: Vec<Page>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    #[serde(default)]
    response: Answer,
    #[serde(default, rename = "_resourceType")]
    resource: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default, rename = "postData")]
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default, rename = "mimeType")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

#[derive(Deserialize, Default)]
struct Answer {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize, Default)]
struct Content {
    #[serde(default, rename = "mimeType")]
    kind: String,
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

fn is_static(entry: &Entry, path: &str) -> bool {
    let resource = entry.resource.as_deref().unwrap_or_default();
    let kind = entry.response.content.kind.to_ascii_lowercase();
    is_static_path(path)
        || ["image", "font", "stylesheet", "script", "media", "manifest", "texttrack"].contains(&resource)
        || ["image/", "font/", "video/", "audio/", "text/css"].iter().any(|k| kind.starts_with(k))
        || kind.contains("javascript")
}

/// Makes a scenario of the recorded requests in their order.
///
/// Static files are left out. The host with the most requests becomes the base URL, others become variables. Cookies,
/// Authorization and whatever else looks like a secret become references to environment variables.
///
/// # Errors
/// [`Error`] when it is no HTTP archive or holds only static files.
pub fn from_har(text: &str) -> Result<(Plan, Vec<String>), Error> {
    check_size(text, WHAT, 64)?;
    let text = text.trim_start_matches('\u{feff}');
    let archive: Archive = serde_json::from_str(text).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => Error::Malformed {
            what: WHAT,
            message: format!(
                "it has no log.entries as HAR 1.2 describes them (line {}, column {})",
                e.line(),
                e.column()
            ),
        },
        _ => json_error(WHAT, &e),
    })?;
    let (mut notes, mut masks, mut names) = (Notes::default(), Masks::default(), StepNames::default());
    let total = archive.log.entries.len();
    let mut kept = Vec::new();
    let (mut files, mut other) = (0usize, 0usize);
    for entry in &archive.log.entries {
        match (Address::parse(&entry.request.url), Method::parse(&entry.request.method)) {
            (Some(address), Some(_)) if is_static(entry, &address.path) => files += 1,
            (Some(address), Some(method)) => kept.push((entry, address, method)),
            _ => other += 1,
        }
    }
    if files > 0 {
        notes.add(format!("{files} requests for static files were left out"));
    }
    if other > 0 {
        notes.add(format!("{other} requests were left out whose URL or method cannot be sent"));
    }
    if kept.len() > MAX_STEPS {
        notes.add(format!("Only the first {MAX_STEPS} of {} requests were taken", kept.len()));
        kept.truncate(MAX_STEPS);
    }
    if kept.is_empty() {
        return Err(Error::Empty {
            what: WHAT,
            message: format!("none of its {total} requests is for an API or a page"),
        });
    }
    let title = archive.log.pages.first().map(|p| p.title.trim()).unwrap_or_default();
    // A title may be the address with its query.
    let title = if title.contains("://") { title.split(['?', '#']).next().unwrap_or_default() } else { title };
    let title = if title.is_empty() || title.contains('@') { "Recording" } else { title };
    let mut plan = Plan::new(title.chars().filter(|c| !c.is_control()).take(60).collect::<String>());
    plan.scenario = true;
    let hosts = hosts(&mut plan, &kept, &mut notes);
    for (entry, address, method) in kept {
        let list: Vec<(String, String)> = entry
            .request
            .headers
            .iter()
            .map(|h| (h.name.clone(), h.value.clone()))
            .filter(|(n, _)| wanted(n))
            .collect();
        let mut http = step(method, &address, &list, &mut masks, &mut notes);
        if let Some(body) = &entry.request.body {
            let form = || body.params.iter().map(|p| format!("{}={}", p.name, p.value)).collect::<Vec<_>>().join("&");
            let multipart = body.kind.to_ascii_lowercase().starts_with("multipart/");
            let text = body.text.clone().filter(|t| !t.is_empty()).unwrap_or_else(form);
            if multipart {
                notes.add("Multipart bodies were left out");
            } else if !text.is_empty() {
                set_body(&mut http, &text, &body.kind, &mut masks, &mut notes);
            }
        }
        if let Some(variable) = hosts.get(&address.base) {
            http.url = http.path.take().map(|path| format!("{{{{{variable}}}}}{path}"));
        }
        if let Ok(code @ 200..400) = u16::try_from(entry.response.status) {
            // A response from the browser's cache was recorded as 304 but will be a 200.
            let code = if code == 304 { 200 } else { code };
            http.checks.push(Check { status: Some(StatusRule::One(StatusMatch::Code(code))), ..Check::default() });
        }
        plan.steps.push(Step::http(names.unique(&format!("{} {}", method.as_str(), address.shown())), http));
    }
    Ok((plan, notes.0))
}

/// What a browser adds by itself and a server hardly reads.
fn wanted(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !(lower.starts_with("sec-")
        || ["dnt", "pragma", "cache-control", "priority", "upgrade-insecure-requests"].contains(&lower.as_str()))
}

/// Sets the base URL and a variable for each further host; returns these by base.
fn hosts(plan: &mut Plan, kept: &[(&Entry, Address, Method)], notes: &mut Notes) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, address, _) in kept {
        *counts.entry(&address.base).or_default() += 1;
    }
    // The first of the recording wins a tie: it is the page.
    let first = kept.iter().position(|(_, a, _)| counts.get(a.base.as_str()) == counts.values().max());
    let main = first.and_then(|i| kept.get(i)).map_or("", |(_, a, _)| a.base.as_str());
    plan.base_url = Some(main.to_owned());
    let mut out = BTreeMap::new();
    for (base, count) in counts.iter().filter(|(base, _)| **base != main) {
        let wanted = variable_name(&format!("host {}", base.split_once("://").map_or(*base, |(_, h)| h)));
        let mut name = wanted.clone();
        let mut number = 1;
        while plan.variables.contains_key(&name) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        notes.add(format!(
            "{count} requests go to {base}, which is the variable {name}: remove them unless the host is yours"
        ));
        plan.variables.insert(name.clone(), (*base).to_owned());
        out.insert((*base).to_owned(), name);
    }
    out
}
