//! Everything that is wrong with the steps of a plan.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::Method;

use super::extract::{check_problem, extract_problem};
use super::import::secrets::is_secret_name;
use super::model::Plan;
use super::parse::closest;
use super::problem::{Known, Problems};
use super::rows::Files;
use super::step::{Action, CacheStep, HttpStep, SqlStep, Step};
use super::variables::used;

/// Extracted variables with the indices of the steps that set them.
pub(super) fn extracted(plan: &Plan) -> BTreeMap<String, Vec<usize>> {
    let mut out: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, step) in plan.steps.iter().enumerate() {
        if let Action::Http(http) = &step.action {
            for extract in &http.extract {
                out.entry(extract.var.clone()).or_default().push(i);
            }
        }
    }
    out
}

/// Calls `visit` with each string in a JSON value.
pub(super) fn json_texts(value: &serde_json::Value, visit: &mut dyn FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => visit(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| json_texts(item, visit)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| json_texts(field, visit)),
        _ => {}
    }
}

impl Known {
    /// Checks a template of step `index`, or of the plan.
    pub(super) fn template(&self, plan: &Plan, index: Option<usize>, field: &str, text: &str, problems: &mut Problems) {
        match self.compiler.needs(text) {
            Ok(names) => self.names(plan, index, field, &names, problems),
            Err(e) => problems.error(field, e.to_string()),
        }
    }

    fn names(&self, plan: &Plan, index: Option<usize>, field: &str, names: &[String], problems: &mut Problems) {
        for name in names {
            let broken = name.split_once('.').is_some_and(|(feed, _)| self.data.contains(&format!("{feed}.")));
            if self.data.contains(name) || name.starts_with("env:") || broken {
                continue;
            }
            let Some(setters) = self.extracted.get(name) else {
                let all = plan.variables.keys().chain(&self.data).chain(self.extracted.keys()).map(String::as_str);
                let hint = closest(name, all).map_or_else(
                    || "; add it to `variables`, to `feeds` or to an `extract`".to_owned(),
                    |meant| format!("; did you mean '{{{{{meant}}}}}'?"),
                );
                problems.error(field, format!("'{{{{{name}}}}}' is unknown{hint}"));
                continue;
            };
            if self.login.is_some_and(|login| setters.contains(&login) && index != Some(login)) {
                continue;
            }
            let earlier = setters.iter().any(|s| index.is_none_or(|i| *s < i));
            let by = setters.first().and_then(|s| plan.steps.get(*s)).map_or("", |s| s.name.as_str());
            if index.is_none() {
                problems.error(field, format!("'{{{{{name}}}}}' is only set by step '{by}', which runs later"));
            } else if !plan.scenario {
                problems.error(
                    field,
                    format!("'{{{{{name}}}}}' is set by step '{by}', and steps run in any order; set scenario = true"),
                );
            } else if !earlier {
                problems.error(field, format!("'{{{{{name}}}}}' is used before step '{by}' sets it"));
            }
        }
    }
}

pub(super) fn steps(plan: &Plan, known: &Known, files: &dyn Files, problems: &mut Problems) {
    if plan.steps.is_empty() || plan.steps.len() > 1000 {
        problems.error("steps", format!("{} steps; a plan has 1 to 1000", plan.steps.len()));
        return;
    }
    let weights = || plan.steps.iter().map(|s| s.weight);
    if plan.scenario && weights().any(|w| w.to_bits() != 1.0f64.to_bits()) {
        problems.warn("steps", "weights mean nothing in a scenario, where all steps run in order");
    }
    if !plan.scenario && weights().all(|w| w <= 0.0) {
        problems.error("steps", "all weights are 0; no step would ever run");
    }
    let mut names = BTreeSet::new();
    for (i, step) in plan.steps.iter().enumerate() {
        problems.step = Some(step.name.clone());
        if step.name.trim().is_empty() || step.name.len() > 200 || step.name.contains(['"', '\n', '\0']) {
            problems.error("name", "a step has a name of at most 200 bytes without quotes and line ends");
        }
        if !names.insert(&step.name) {
            problems.error("name", "two steps have this name");
        }
        if !(0.0..=1e9).contains(&step.weight) {
            problems.error("weight", format!("{} is not between 0 and 1 000 000 000", step.weight));
        }
        one(plan, i, step, known, problems);
        if let Action::Http(http) = &step.action
            && let Err((field, why)) = http.bytes(files)
        {
            problems.error(field, why);
        }
        problems.step = None;
    }
}

fn one(plan: &Plan, index: usize, step: &Step, known: &Known, problems: &mut Problems) {
    step.texts(&mut |field, text| {
        if text.contains('\0') && field != "args" {
            problems.error(field, "a NUL character cannot be sent");
        }
        known.template(plan, Some(index), field, text, problems);
    });
    match &step.action {
        Action::Http(http) => {
            if let Some(json) = &http.json {
                json_texts(&json.0, &mut |text| known.template(plan, Some(index), "json", text, problems));
            }
            request(http, problems);
        }
        Action::Sql(sql) => statement(plan, sql, problems),
        Action::Cache(cache) => command(cache, problems),
    }
}

fn request(http: &HttpStep, problems: &mut Problems) {
    match (&http.path, &http.url) {
        (Some(path), None) => {
            if !(path.is_empty() || path.starts_with(['/', '?']) || path.starts_with("{{")) {
                problems.error("path", "a path starts with /; write a full address as `url`");
            }
            characters("path", path, problems);
        }
        (None, Some(address)) if address.contains("{{") => {
            let scheme = address.split("{{").next().unwrap_or_default();
            let fine = ["http://", "https://"].iter().any(|s| scheme.starts_with(s) || s.starts_with(scheme));
            if !fine {
                problems.error("url", "a URL starts with http:// or https://");
            }
            characters("url", address, problems);
        }
        (None, Some(address)) => url("url", address, problems),
        _ => problems.error("path", "an HTTP step has either `path` or `url`"),
    }
    let bodies = [
        ("body", http.body.is_some()),
        ("json", http.json.is_some()),
        ("body_base64", http.body_base64.is_some()),
        ("body_file", http.body_file.is_some()),
    ];
    let given: Vec<&str> = bodies.iter().filter(|(_, given)| *given).map(|(field, _)| *field).collect();
    if given.len() > 1 {
        problems.error("body", format!("an HTTP step has either `{}`", given.join("` or `")));
    }
    if http.body.as_ref().is_some_and(|b| b.len() > 16 << 20) {
        problems.error("body", "a body has at most 16 MiB");
    }
    if !given.is_empty() && matches!(http.method, Method::Get | Method::Head) {
        let method = http.method.as_str();
        problems.warn("body", format!("{method} with a body: many servers ignore it or refuse the request"));
    }
    if http.redirects > 20 {
        problems.error("redirects", format!("{} are more than 20", http.redirects));
    }
    if http.headers.len() > 64 {
        problems.error("headers", format!("{} headers; a request has at most 64", http.headers.len()));
    }
    let mut names = BTreeSet::new();
    for (name, value) in &http.headers {
        let field = format!("headers.{name}");
        header_name(&field, name, problems);
        if !names.insert(name.to_ascii_lowercase()) {
            problems.error(&field, "two headers have this name");
        }
        if value.contains(['\r', '\n']) {
            problems.error(&field, "a header has no line ends");
        }
        if is_secret_name(name) && !value.contains("{{") {
            problems.warn(&field, "it looks like a secret; write {{env:NAME}} instead of the value");
        }
    }
    for (i, check) in http.checks.iter().enumerate() {
        if let Some(message) = check_problem(check) {
            problems.error(&format!("checks[{}]", i + 1), message);
        }
    }
    for (i, extract) in http.extract.iter().enumerate() {
        if let Some(message) = extract_problem(extract) {
            problems.error(&format!("extract[{}]", i + 1), message);
        }
    }
}

/// Checks the characters of a path or URL: some cannot be sent, others are sent although they are none of a URL's
/// (RFC 3986, section 2). Slots are looked at when they have their value.
fn characters(field: &str, text: &str, problems: &mut Problems) {
    let Ok(parts) = super::template::parse(text) else { return };
    let mut seen = BTreeSet::new();
    for part in parts {
        let super::template::Raw::Text(text) = part else { continue };
        for c in text.chars() {
            // What the sender refuses: spaces, controls and some signs.
            let sent = http::Uri::try_from(format!("/?{c}")).is_ok() && http::Uri::try_from(format!("/{c}")).is_ok();
            let sent = sent || "?#".contains(c);
            let proper = c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
            if proper || !seen.insert(c) {
                continue;
            }
            let mut buffer = [0; 4];
            let coded: String = c.encode_utf8(&mut buffer).bytes().map(|b| format!("%{b:02X}")).collect();
            let what = match c {
                ' ' => "a space".to_owned(),
                c if c.is_control() => "a control character".to_owned(),
                c => format!("'{c}'"),
            };
            if sent {
                problems.warn(field, format!("{what} is no character of a URL and is sent as it is; write {coded}"));
            } else {
                problems.error(field, format!("{what} cannot be sent in a URL; write {coded}"));
            }
        }
    }
}

/// Checks a URL without slots.
pub(super) fn url(field: &str, text: &str, problems: &mut Problems) {
    characters(field, text, problems);
    match url::Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            problems.error(field, "a URL starts with http:// or https://");
        }
        Ok(url) if url.password().is_some() || !url.username().is_empty() => {
            problems.error(field, "credentials do not belong into the URL; use [auth] with kind = \"basic\"");
        }
        Ok(_) => {}
        Err(e) => problems.error(field, format!("{e}; write http://host:port/path")),
    }
}

/// Whether it can name a header (RFC 9110, section 5.6.2).
pub(super) fn is_header_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=256).contains(&name.len()) && name.bytes().all(token)
}

/// Checks the name of a header.
pub(super) fn header_name(field: &str, name: &str, problems: &mut Problems) {
    if !is_header_name(name) {
        let shown = if perfdeck_model::masking::is_plain(name) { format!("'{name}'") } else { "it".to_owned() };
        problems.error(field, format!("{shown} is no header name"));
    }
    if ["content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
        problems.error(field, "it is set from the body; leave it out");
    }
}

fn statement(plan: &Plan, sql: &SqlStep, problems: &mut Problems) {
    if sql.statement.trim().is_empty() || sql.statement.len() > 1 << 20 {
        problems.error("statement", "a SQL step has a statement of at most 1 MiB");
    }
    if sql.statement.contains('\0') {
        problems.error("statement", "a statement has no NUL character");
    }
    if sql.parameters.len() > 1000 {
        problems.error("parameters", format!("{} parameters; a statement has at most 1000", sql.parameters.len()));
    }
    let feed = |name: &str| plan.feeds.iter().any(|f| f.name == name.split('.').next().unwrap_or_default());
    for name in used(&sql.statement) {
        // Array literals of PostgreSQL have double braces too.
        if plan.variables.contains_key(&name) || feed(&name) {
            let message = format!("'{{{{{name}}}}}' is sent as it is; write $1 or ? and add it to `parameters`");
            problems.warn("statement", message);
        }
    }
}

fn command(cache: &CacheStep, problems: &mut Problems) {
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if cache.command.is_empty() || !cache.command.chars().all(word) {
        problems.error("command", "a command is one word such as GET; what follows it goes into `args`");
    }
    if cache.args.len() > 10_000 {
        problems.error("args", format!("{} arguments; a command has at most 10000", cache.args.len()));
    }
    let dangerous = ["FLUSHALL", "FLUSHDB", "SHUTDOWN", "DEBUG", "KEYS", "CONFIG", "MONITOR"];
    if dangerous.iter().any(|d| cache.command.eq_ignore_ascii_case(d)) {
        problems.warn("command", format!("{} harms a cache that is in use", cache.command.to_ascii_uppercase()));
    }
}

/// Checks that a login step can give what it should.
pub(super) fn login(plan: &Plan, step: &str, var: &str, known: &Known, problems: &mut Problems) {
    let Some(found) = plan.step(step) else {
        let meant = closest(step, plan.steps.iter().map(|s| s.name.as_str()));
        let hint = meant.map_or_else(String::new, |m| format!("; did you mean '{m}'?"));
        return problems.error("auth.step", format!("there is no step '{step}' to log in with{hint}"));
    };
    problems.step = Some(step.to_owned());
    match &found.action {
        Action::Http(http) if http.extract.iter().any(|e| e.var == var) => {}
        Action::Http(_) => problems.error("extract", format!("the login step does not extract '{var}'")),
        _ => problems.error("kind", "the login step is no HTTP request"),
    }
    // What it needs from others would have to be set before it runs, and it runs first.
    let mut needed = Vec::new();
    found.texts(&mut |_, text| needed.extend(known.compiler.needs(text).unwrap_or_default()));
    for name in needed {
        if known.extracted.contains_key(&name) && !known.data.contains(&name) {
            problems
                .error("auth.step", format!("it runs before all others and cannot use the extracted '{{{{{name}}}}}'"));
        }
    }
    if !plan.scenario && found.weight > 0.0 {
        problems.warn("weight", "the login step also runs as part of the load; weight = 0 makes it log in only");
    }
    problems.step = None;
}
