//! A plan as it is stored with its runs: without what may be a secret or somebody's data.
use perfdeck_model::masking::{self, MASK, Masker, is_secret_name, is_secret_value};

use super::feed_spec::FeedSource;
use super::model::{Auth, Plan};
use super::step::{Action, CacheStep, HttpStep, SqlParameter, SqlStep, Step};
use super::values::{JsonBody, Scalar, Secret};

const M: Masker = Masker::Template;

/// Commands of a cache whose arguments sign in, configure or are programs.
const OPAQUE: [&str; 8] = ["AUTH", "HELLO", "ACL", "CONFIG", "EVAL", "EVALSHA", "FCALL", "MIGRATE"];

/// The plan with its literal texts masked: slots, names, numbers of the load and what is harmless stay.
pub fn masked(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.name = masking::title(&plan.name);
    plan.description = plan.description.as_deref().map(masking::title);
    plan.base_url =
        plan.base_url.as_deref().map(|url| if url.starts_with("env:") { url.to_owned() } else { M.url(url) });
    if let Some(auth) = &mut plan.auth {
        mask_auth(auth);
    }
    for (name, value) in &mut plan.variables {
        if !is_reference(value) && (is_secret_name(name) || !is_filling(value)) {
            *value = M.small(value);
        }
    }
    for feed in &mut plan.feeds {
        match &mut feed.source {
            FeedSource::List { values } => *values = vec![MASK.to_owned()],
            FeedSource::Uniform { prefix, .. } | FeedSource::Zipf { prefix, .. } => *prefix = M.key(prefix),
            FeedSource::Csv { .. }
            | FeedSource::Jsonl { .. }
            | FeedSource::Sequence { .. }
            | FeedSource::RandomString { .. } => {}
        }
    }
    plan.steps.iter_mut().for_each(mask_step);
    plan
}

/// Bytes of a filling that is stored, at most.
const FILLING: usize = 4_096;

/// Whether a text is one character again and again: it only has a length.
fn is_filling(text: &str) -> bool {
    text.len() <= FILLING && text.chars().next().is_some_and(|first| text.chars().all(|c| c == first))
}

/// The values of a plan that are masked in it, as far as they can be told apart in a text: what a target repeats of them is
/// masked too. The longest first.
pub fn hidden_values(plan: &Plan) -> Vec<String> {
    let mut values: Vec<&str> = plan.variables.values().filter(|v| !is_reference(v)).map(String::as_str).collect();
    for feed in &plan.feeds {
        if let FeedSource::List { values: list } = &feed.source {
            values.extend(list.iter().map(String::as_str));
        }
    }
    for step in &plan.steps {
        match &step.action {
            Action::Sql(sql) => values.extend(sql.parameters.iter().filter_map(|parameter| match parameter {
                SqlParameter::Plain(Scalar::Text(text)) => Some(text.as_str()),
                SqlParameter::Typed(typed) => Some(typed.value.as_str()),
                SqlParameter::Plain(_) => None,
            })),
            Action::Cache(cache) => values.extend(cache.args.iter().map(String::as_str)),
            Action::Http(_) => {}
        }
    }
    let hidden =
        |value: &&str| value.chars().count() >= 4 && !is_short_number(value) && masking::has_mask(&M.small(value));
    let mut values: Vec<String> = values.into_iter().filter(hidden).map(str::to_owned).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.dedup();
    values
}

/// Where a plan holds a secret as itself, by the name beside it: a plan that is saved refers to its secrets.
pub fn literal_secret(plan: &Plan) -> Option<String> {
    let literal = |value: &str| !is_reference(value) && masking::has_mask(&M.value(value));
    let secret = |name: &str, value: &str| (is_secret_name(name) && literal(value)) || is_secret_value(value);
    let pairs =
        |text: &str| text.split('&').filter_map(|pair| pair.split_once('=')).any(|(name, value)| secret(name, value));
    let query = |text: &str| text.split_once('?').is_some_and(|(_, query)| pairs(query)) || is_secret_value(text);
    if plan.base_url.as_deref().is_some_and(query) {
        return Some("base_url".to_owned());
    }
    if let Some((name, _)) = plan.variables.iter().find(|(name, value)| secret(name, value)) {
        return Some(format!("variables.{name}"));
    }
    for step in &plan.steps {
        let field = match &step.action {
            Action::Http(http) => {
                let body = http.body.as_deref();
                let text = body.and_then(|body| serde_json::from_str(body).ok());
                if http.path.as_deref().or(http.url.as_deref()).is_some_and(query) {
                    Some("path".to_owned())
                } else if let Some((name, _)) = http.headers.iter().find(|(name, value)| secret(name, value)) {
                    Some(format!("headers.{name}"))
                } else if http
                    .json
                    .as_ref()
                    .map(|j| &j.0)
                    .or(text.as_ref())
                    .is_some_and(|j| json_secret("", j, &secret))
                    || body.is_some_and(|body| text.is_none() && pairs(body))
                {
                    Some("body".to_owned())
                } else {
                    None
                }
            }
            Action::Cache(cache) => {
                let signs_in = ["AUTH", "HELLO"].iter().any(|c| cache.command.trim().eq_ignore_ascii_case(c));
                (signs_in && cache.args.iter().any(|arg| literal(arg))).then(|| "args".to_owned())
            }
            Action::Sql(_) => None,
        };
        if let Some(field) = field {
            return Some(format!("step '{}', {field}", masking::title(&step.name)));
        }
    }
    None
}

fn json_secret(name: &str, value: &serde_json::Value, secret: &dyn Fn(&str, &str) -> bool) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(|item| json_secret(name, item, secret)),
        serde_json::Value::Object(fields) => fields.iter().any(|(key, field)| json_secret(key, field, secret)),
        serde_json::Value::String(text) => secret(name, text),
        serde_json::Value::Number(n) => secret(name, &n.to_string()),
        _ => false,
    }
}

/// Whether it is `env:NAME`.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("env:").is_some_and(super::values::is_env_name)
}

fn secret(secret: &Secret) -> Secret {
    if is_reference(secret.as_str()) {
        return secret.clone();
    }
    // A text with literal parts keeps its references and stays one.
    Secret::new(M.value(secret.as_str())).unwrap_or_else(|_| Secret::env("MASKED"))
}

fn mask_auth(auth: &mut Auth) {
    match auth {
        Auth::Bearer { token } => *token = secret(token),
        Auth::Basic { user, password } => {
            // Some APIs take their key as the user.
            if !masking::is_plain(user) {
                *user = M.value(user);
            }
            *password = secret(password);
        }
        Auth::Header { value, .. } => *value = secret(value),
        Auth::Login { value, .. } => *value = value.as_deref().map(|v| M.value(v)),
    }
}

/// A step without what may be a secret.
pub fn mask_step(step: &mut Step) {
    step.name = masking::title(&step.name);
    match &mut step.action {
        Action::Http(http) => mask_http(http),
        Action::Sql(sql) => mask_sql(sql),
        Action::Cache(cache) => mask_cache(cache),
    }
}

fn mask_http(http: &mut HttpStep) {
    http.path = http.path.as_deref().map(|path| M.target(path));
    http.url = http.url.as_deref().map(|url| M.url(url));
    http.body = http.body.as_deref().map(|body| M.body(body));
    if let Some(JsonBody(json)) = &mut http.json {
        let text = M.value(&json.to_string());
        *json =
            serde_json::Value::String(if json.is_string() { M.value(json.as_str().unwrap_or_default()) } else { text });
    }
    for (name, value) in &mut http.headers {
        *value = M.header(name, value);
    }
    for check in &mut http.checks {
        check.body_contains = check.body_contains.as_deref().map(|text| M.value(text));
        if let Some(equals) = &mut check.equals {
            mask_scalar(equals);
        }
    }
}

fn mask_sql(sql: &mut SqlStep) {
    sql.statement = masking::statement(&sql.statement);
    for parameter in &mut sql.parameters {
        match parameter {
            SqlParameter::Plain(scalar) => mask_scalar(scalar),
            SqlParameter::Typed(typed) => {
                if !is_short_number(&typed.value) {
                    typed.value = M.small(&typed.value);
                }
            }
        }
    }
}

fn mask_cache(cache: &mut CacheStep) {
    let opaque = OPAQUE.contains(&cache.command.trim().to_ascii_uppercase().as_str());
    for (i, arg) in cache.args.iter_mut().enumerate() {
        *arg = if i == 0 && !opaque { M.key(arg) } else { M.small(arg) };
    }
}

/// A number that is too short for a card, a telephone or an account.
fn is_short_number(text: &str) -> bool {
    (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
}

fn mask_scalar(scalar: &mut Scalar) {
    match scalar {
        Scalar::Text(text) => *text = M.small(text),
        Scalar::Int(n) if !is_short_number(&n.to_string()) => *scalar = Scalar::Text(MASK.to_owned()),
        Scalar::Float(n) if !is_short_number(&n.to_string()) => *scalar = Scalar::Text(MASK.to_owned()),
        Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{from_toml, to_toml};

    const PLAN: &str = r#"
name = "shop of http://u:CANARY@h/"
base_url = "https://h/v1?key=CANARY"
[auth]
kind = "header"
name = "X-Auth"
value = "CANARY{{t}}"
[variables]
t = "env:TOKEN"
other = "CANARY"
size = "20"
[[feeds]]
name = "mail"
kind = "list"
values = ["CANARY@a", "CANARY@b"]
[[feeds]]
name = "k"
kind = "uniform"
from = 1
to = 9
prefix = "CANARY@:"
[[steps]]
name = "page"
kind = "http"
method = "POST"
path = "/a/{{k}}?token=CANARY&page=2"
body = "pw=CANARY"
headers = { Accept = "text/html", Cookie = "s=CANARY", Authorization = "Bearer {{t}}" }
checks = [{ body_contains = "CANARY" }, { json_pointer = "/a", equals = "CANARY" }]
[[steps]]
name = "json"
kind = "http"
method = "PUT"
path = "/"
json = { password = "CANARY", CANARY = 1 }
[[steps]]
name = "sql"
kind = "sql"
statement = "update t set a = 'CANARY' where id = $1 and b = $2"
parameters = [4711, "CANARY"]
[[steps]]
name = "set"
kind = "cache"
command = "SET"
args = ["user:{{k}}", "CANARY"]
[[steps]]
name = "auth"
kind = "cache"
command = "AUTH"
args = ["CANARY"]
"#;

    #[test]
    fn a_secret_under_its_own_name_is_found() {
        let of = |step: &str| {
            let text = format!("name = 'p'\n[[steps]]\nname = 's'\nkind = 'http'\n{step}");
            literal_secret(&from_toml(&text).unwrap_or_else(|e| panic!("{step}: {e}")))
        };
        for step in [
            "path = '/?token=CANARY'",
            "path = '/'\nheaders = { Authorization = 'Bearer CANARY' }",
            "path = '/'\nmethod = 'POST'\njson = { user = { password = 'CANARY' } }",
            "path = '/'\nmethod = 'POST'\nbody = 'a=1&password=CANARY'",
        ] {
            let found = of(step).unwrap_or_else(|| panic!("{step} holds a secret"));
            assert!(!found.contains("CANARY"), "{found}");
        }
        for step in [
            "path = '/?token={{env:T|url}}&page=1'",
            "path = '/'\nheaders = { Authorization = 'Bearer {{env:T}}', Accept = 'x' }",
            "path = '/'\nmethod = 'POST'\njson = { user = 'bob', password = '{{env:P}}' }",
        ] {
            assert_eq!(of(step), None, "{step} refers to its secrets");
        }
    }

    #[test]
    fn what_is_stored_of_a_plan_has_no_literal() {
        let plan = from_toml(PLAN).unwrap_or_else(|e| panic!("{e}"));
        let kept = to_toml(&masked(&plan));
        assert!(!kept.contains("CANARY"), "a literal is left: {kept}");
        for part in [
            "https://h/v1?key=•••",
            "{{t}}",
            "env:TOKEN",
            "/a/{{k}}?token=•••&page=2",
            "text/html",
            "Bearer {{t}}",
            "update t set a = '•••' where id = $1 and b = $2",
            "4711",
            "user:{{k}}",
            "size = \"20\"",
        ] {
            assert!(kept.contains(part), "'{part}' is harmless and stays: {kept}");
        }
        let again = from_toml(&kept).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(to_toml(&masked(&again)), kept, "it is a plan, and masking it again changes nothing");
    }
}
