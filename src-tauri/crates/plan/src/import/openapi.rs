//! A plan from an OpenAPI 3 document: one step per operation, with example values.
use std::collections::BTreeSet;

use perfdeck_model::Method;
use serde_json::Value;

use super::super::check_steps::is_header_name;
use super::super::model::{Auth, Plan};
use super::super::step::{Check, HttpStep, StatusMatch, StatusRule, Step};
use super::super::template::escape;
use super::super::values::{JsonBody, Secret};
use super::curl_form::url_encode;
use super::example::Examples;
use super::hosts::Hosts;
use super::request::{Address, is_secret_header};
use super::secrets::Masks;
use super::style::{Style, plain};
use super::{Error, Notes, StepNames, check_size, json_error, variable_name};

const WHAT: &str = "OpenAPI document";

/// Operations at most.
const MAX_STEPS: usize = 500;

struct Import<'a> {
    root: &'a Value,
    plan: Plan,
    notes: Notes,
    masks: Masks,
    names: StepNames,
    /// Parameters that carry a key in the query.
    query_keys: Vec<String>,
    hosts: Hosts,
    /// Names in paths that no parameter describes: a check says that they have no value.
    undeclared: BTreeSet<String>,
}

/// Where an operation is: a host, when the document names one, and what its path begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Server {
    base: Option<String>,
    prefix: String,
}

/// Makes a plan from an OpenAPI 3.0 or 3.1 document in JSON.
///
/// # Errors
/// [`Error`] when it is no such document or has no operations; YAML is refused with a hint to convert it.
pub fn from_openapi(text: &str) -> Result<(Plan, Vec<String>), Error> {
    check_size(text, WHAT, 16)?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('{') {
        if ["openapi:", "swagger:"].iter().any(|key| text.get(..text.len().min(4096)).unwrap_or(text).contains(key)) {
            return Err(Error::Unsupported {
                message: "an OpenAPI document in YAML cannot be imported".into(),
                hint: "convert it to JSON first, for example with: yq -o=json openapi.yaml > openapi.json".into(),
            });
        }
        return Err(Error::Malformed { what: WHAT, message: "it is no JSON object".into() });
    }
    let root: Value = serde_json::from_str(text).map_err(|e| json_error(WHAT, &e))?;
    if root.get("swagger").is_some() {
        return Err(Error::Unsupported {
            message: "a Swagger 2 document cannot be imported".into(),
            hint: "convert it to OpenAPI 3 first, for example with swagger2openapi".into(),
        });
    }
    if !root.get("openapi").and_then(Value::as_str).is_some_and(|v| v.starts_with("3.")) {
        return Err(Error::Malformed { what: WHAT, message: "it has no `openapi` version 3".into() });
    }
    let title = root.pointer("/info/title").and_then(Value::as_str).unwrap_or("OpenAPI");
    let mut import = Import {
        root: &root,
        plan: Plan::new(title.trim().chars().take(100).collect::<String>()),
        notes: Notes::default(),
        masks: Masks::default(),
        names: StepNames::default(),
        query_keys: Vec::new(),
        hosts: Hosts::default(),
        undeclared: BTreeSet::new(),
    };
    if import.plan.name.is_empty() {
        "OpenAPI".clone_into(&mut import.plan.name);
    }
    let server = import.server(&root).unwrap_or_default();
    import.plan.base_url.clone_from(&server.base);
    import.security();
    import.operations(&server);
    if import.plan.steps.is_empty() {
        return Err(Error::Empty { what: WHAT, message: "there are no operations under `paths`".into() });
    }
    Ok((import.plan, import.notes.0))
}

impl<'a> Import<'a> {
    /// The first server of a document, a path or an operation; `None` when it has none of its own.
    fn server(&mut self, of: &Value) -> Option<Server> {
        let servers = of.get("servers").and_then(Value::as_array).filter(|s| !s.is_empty())?;
        let server = servers.first()?;
        let mut url = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten().take(20) {
            let first = || variable.pointer("/enum/0").and_then(Value::as_str);
            if let Some(value) = variable.get("default").and_then(Value::as_str).or_else(first) {
                url = url.replace(&format!("{{{name}}}"), value);
            }
        }
        if url.contains(['{', '}']) {
            self.notes.add("A server's address has a variable without a default; set `base_url`");
            return Some(Server::default());
        }
        // Without a scheme it is the one of the document, which is not known.
        let url = if url.starts_with("//") { format!("https:{url}") } else { url };
        if url.contains("://") {
            let Some(address) = Address::parse(&url) else {
                self.notes.add("A server's address cannot be used; set `base_url`");
                return Some(Server::default());
            };
            let prefix = escape(address.path.trim_end_matches('/'));
            return Some(Server { base: Some(address.base), prefix });
        }
        let path = url.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{}", escape(path)) };
        Some(Server { base: None, prefix })
    }

    fn security(&mut self) {
        let schemes = self.root.pointer("/components/securitySchemes").and_then(Value::as_object);
        for (name, scheme) in schemes.into_iter().flatten() {
            let Some(scheme) = Examples::new(self.root).resolve(scheme) else { continue };
            let field = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
            let auth = match (field("type"), field("scheme").to_ascii_lowercase().as_str(), field("in")) {
                ("http", "basic", _) => {
                    Some(Auth::Basic { user: "{{env:API_USER}}".into(), password: Secret::env("API_PASSWORD") })
                }
                ("http", "bearer", _) | ("oauth2" | "openIdConnect", _, _) => {
                    Some(Auth::Bearer { token: Secret::env("API_TOKEN") })
                }
                ("apiKey", _, "header") => {
                    Some(Auth::Header { name: field("name").to_owned(), value: Secret::env("API_KEY") })
                }
                ("apiKey", _, "query") => {
                    self.query_keys.push(field("name").to_owned());
                    self.notes.add(format!(
                        "The key '{}' in the query is read from the environment variable API_KEY",
                        field("name").escape_debug()
                    ));
                    None
                }
                _ => {
                    self.notes.add(format!("The security scheme '{}' was left out", name.escape_debug()));
                    None
                }
            };
            match auth {
                Some(auth) if self.plan.auth.is_none() => {
                    self.plan.auth = Some(auth);
                    self.notes.add(format!(
                        "Requests authenticate with the scheme '{}'; its secrets are read from the environment",
                        name.escape_debug()
                    ));
                }
                Some(_) => {
                    self.notes.add(format!("The further security scheme '{}' was left out", name.escape_debug()));
                }
                None => {}
            }
        }
    }

    fn operations(&mut self, root_server: &Server) {
        let root = self.root;
        for (path, item) in root.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let Some(item) = Examples::new(root).resolve(item) else { continue };
            let of_path = self.server(item);
            for method in Method::ALL {
                let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else { continue };
                if self.plan.steps.len() >= MAX_STEPS {
                    self.notes.add(format!("Only the first {MAX_STEPS} operations were taken"));
                    return;
                }
                let of_operation = self.server(operation);
                let server = of_operation.as_ref().or(of_path.as_ref()).unwrap_or(root_server);
                self.operation(server, path, method, item, operation);
            }
        }
    }

    fn operation(&mut self, server: &Server, path: &str, method: Method, item: &'a Value, operation: &'a Value) {
        let mut http = HttpStep { method, ..HttpStep::default() };
        let list = |of: &'a Value| of.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let mut query: Vec<String> =
            self.query_keys.iter().map(|name| format!("{}={{{{env:API_KEY|url}}}}", encode(name))).collect();
        // The names stand in braces until their parameters are known.
        let mut target = path.to_owned();
        let mut values: Vec<(String, String)> = Vec::new();
        // Those of the operation stand for those of the path with the same name and place.
        let mut seen = Vec::new();
        for parameter in list(operation).chain(list(item)).take(200) {
            let Some(parameter) = Examples::new(self.root).resolve(parameter) else { continue };
            let field = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let (name, place) = (field("name"), field("in"));
            if name.is_empty() || seen.contains(&(name, place)) {
                continue;
            }
            seen.push((name, place));
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            let mut examples = Examples::new(self.root);
            let given = examples.given(parameter);
            if place == "cookie" {
                let schema = parameter.get("schema").and_then(|s| examples.resolve(s));
                if required || given.is_some() || schema.and_then(|s| examples.given(s)).is_some() {
                    self.notes.add(format!(
                        "The parameter '{}' of {} {} is sent in a cookie and was left out: give it as the header Cookie",
                        name.escape_debug(),
                        method.as_str(),
                        path.escape_debug()
                    ));
                }
                continue;
            }
            if place != "path" && !required && given.is_none() {
                continue;
            }
            let schema = parameter.get("schema").or_else(|| {
                parameter
                    .get("content")
                    .and_then(Value::as_object)
                    .and_then(|c| c.values().next())
                    .and_then(|c| c.get("schema"))
            });
            let value = given.or_else(|| schema.map(|s| examples.of(s, 0))).unwrap_or(Value::String("text".into()));
            for what in examples.guessed() {
                let (name, path) = (name.escape_debug(), path.escape_debug());
                self.notes.add(format!("Parameter '{name}' of {} {path}: {what}", method.as_str()));
            }
            // A parameter with a media type is a document.
            let document = parameter.get("content").is_some() && !value.is_string();
            let value = if document { Value::String(value.to_string()) } else { value };
            let style = Style::of(parameter, place);
            match place {
                "path" => {
                    let written = match style.path(name, &value) {
                        Some(text) => escape(&text),
                        None => self.path_variable(name, &plain(&value)),
                    };
                    values.push((format!("{{{name}}}"), written));
                }
                "query" if self.query_keys.iter().any(|k| k == name) => {}
                "query" if is_secret_header(name, &plain(&value)) => {
                    let value = self.masks.value(name, &plain(&value), "|url", &mut self.notes);
                    query.push(format!("{}={value}", encode(name)));
                }
                "query" => {
                    query.extend(style.query(name, &value).iter().map(|(k, v)| format!("{}={}", escape(k), escape(v))));
                }
                "header" if !is_header_name(name) => {
                    self.notes.add("A header was left out whose name cannot be sent");
                }
                "header"
                    if !["accept", "content-type", "authorization"].contains(&name.to_ascii_lowercase().as_str()) =>
                {
                    let value = self.masks.value(name, &style.header(&value), "", &mut self.notes);
                    http.headers.insert(name.to_owned(), value.replace(['\r', '\n'], " "));
                }
                _ => {}
            }
        }
        for name in braces(path) {
            let slot = format!("{{{name}}}");
            if values.iter().any(|(known, _)| *known == slot) {
                continue;
            }
            let variable = self.undeclared(&name);
            self.notes.add(format!(
                "The path {} has '{}', which no parameter describes: give the variable {variable} a value",
                path.escape_debug(),
                name.escape_debug()
            ));
            values.push((slot, format!("{{{{{variable}|url}}}}")));
        }
        target = fill(&target, &values);
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        http.path = Some(format!("{}{target}{query}", server.prefix));
        if let Some(base) = &server.base {
            self.hosts.place(&mut self.plan, base, &mut http);
        }
        let wanted = operation.get("operationId").and_then(Value::as_str).filter(|id| !id.trim().is_empty());
        let name = self.names.unique(&wanted.map_or_else(|| format!("{} {path}", method.as_str()), str::to_owned));
        self.body(&name, operation, &mut http);
        let responses = operation.get("responses").and_then(Value::as_object);
        if responses.is_some_and(|r| r.keys().any(|k| k.starts_with('2'))) {
            let status = Some(StatusRule::One(StatusMatch::Class("2xx".into())));
            http.checks.push(Check { status, ..Check::default() });
        }
        let mut step = Step::http(name, http);
        if method == Method::Delete {
            step.weight = 0.0;
            self.notes.add("DELETE operations have weight 0: raise it where deleting is meant");
        }
        self.plan.steps.push(step);
    }

    /// A variable that has no value.
    fn undeclared(&mut self, name: &str) -> String {
        let base = variable_name(name);
        let mut variable = base.clone();
        let mut number = 1;
        while self.plan.variables.contains_key(&variable) {
            number += 1;
            variable = format!("{base}_{number}");
        }
        self.undeclared.insert(variable.clone());
        variable
    }

    /// A path parameter becomes a variable, so that it can be given a feed in one place.
    fn path_variable(&mut self, name: &str, value: &str) -> String {
        let base = variable_name(name);
        let value = self.masks.value(name, value, "", &mut self.notes);
        for number in 1..1000 {
            let name = if number == 1 { base.clone() } else { format!("{base}_{number}") };
            if self.undeclared.contains(&name) {
                continue;
            }
            let known = self.plan.variables.entry(name.clone()).or_insert_with(|| value.clone());
            if *known == value {
                return format!("{{{{{name}|url}}}}");
            }
        }
        encode(&value)
    }

    fn body(&mut self, name: &str, operation: &'a Value, http: &mut HttpStep) {
        let mut examples = Examples::new(self.root);
        let Some(body) = operation.get("requestBody").and_then(|b| examples.resolve(b)) else { return };
        let content = body.get("content").and_then(Value::as_object);
        let find =
            |test: fn(&str) -> bool| content.into_iter().flatten().find(|(kind, _)| test(&kind.to_ascii_lowercase()));
        let chosen = find(|k| k.starts_with("application/json"))
            .or_else(|| find(|k| k.contains("json")))
            .or_else(|| find(|k| k.contains("x-www-form-urlencoded")));
        let Some((kind, media)) = chosen else {
            self.notes
                .add(format!("The body of step '{name}' has no JSON or form to build an example of and was left out"));
            return;
        };
        let mut value = examples
            .given(media)
            .or_else(|| media.get("schema").map(|s| examples.of(s, 0)))
            .unwrap_or(Value::Object(serde_json::Map::new()));
        for what in examples.guessed() {
            self.notes.add(format!("The body of step '{name}' may be refused: {what}"));
        }
        if kind.contains("json") {
            self.masks.json("", &mut value, &mut self.notes);
            if !kind.starts_with("application/json") {
                http.headers.insert("Content-Type".into(), kind.clone());
            }
            http.json = Some(JsonBody(value));
        } else if let Value::Object(fields) = value {
            let mut pairs: Vec<String> = Vec::new();
            for (name, value) in &fields {
                let encoding = media.get("encoding").and_then(|e| e.get(name)).unwrap_or(&Value::Null);
                let style = Style::of(encoding, "query");
                pairs.extend(style.query(name, value).iter().map(|(k, v)| format!("{k}={v}")));
            }
            http.headers.insert("Content-Type".into(), "application/x-www-form-urlencoded".into());
            http.body = Some(self.masks.pairs(&pairs.join("&"), &mut self.notes));
        }
    }
}

fn encode(text: &str) -> String {
    url_encode(text.as_bytes())
}

/// The names that a path has in braces.
fn braces(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        if !name.is_empty() && !name.contains('{') {
            out.push(name.to_owned());
        }
        rest = after;
    }
    out
}

/// A path with the values of its names; everything else is text.
fn fill(path: &str, values: &[(String, String)]) -> String {
    let (mut out, mut literal) = (String::new(), String::new());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let found = values.iter().find(|(slot, _)| rest.starts_with(slot.as_str()));
        // A name within further braces is text.
        match found.filter(|(slot, _)| !literal.ends_with('{') && !rest[slot.len()..].starts_with('}')) {
            Some((slot, value)) => {
                out.push_str(&escape(&std::mem::take(&mut literal)));
                out.push_str(value);
                rest = &rest[slot.len()..];
            }
            None => {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out.push_str(&escape(&literal));
    out
}
