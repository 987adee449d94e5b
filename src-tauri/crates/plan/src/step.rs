//! The steps of a plan: HTTP requests, SQL statements, cache commands.
use std::collections::BTreeMap;

use perfdeck_model::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::values::{JsonBody, Scalar};

/// One thing that a plan does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(rename = "PlanStep")]
#[schemars(rename = "PlanStep", extend("unevaluatedProperties" = false))]
pub struct Step {
    /// Unique in the plan; figures carry it.
    pub name: String,
    /// Share of the iterations that are this step, relative to the others. 0 is never. Without meaning in a scenario.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    value.to_bits() == 1.0f64.to_bits()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(rename = "PlanAction")]
pub enum Action {
    /// Sends a request.
    Http(HttpStep),
    /// Executes a statement.
    Sql(SqlStep),
    /// Executes a command on the cache.
    Cache(CacheStep),
}

fn is_get(value: &Method) -> bool {
    *value == Method::Get
}

/// An HTTP request. Path, URL, header values, body and the strings of `json` are templates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpStep {
    /// Request method; GET when absent.
    #[serde(default, skip_serializing_if = "is_get")]
    pub method: Method,
    /// Path and query, added to the plan's base URL. Exactly one of `path` and `url` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Full URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further locations to go to on a redirect, at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redirects: u32,
    /// Body as it is sent. At most one of `body`, `json`, `body_base64` and `body_file` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body of any bytes, in base64; no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Body from a file of the plan's folder, byte for byte; no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<String>,
    /// Body as JSON; sets `Content-Type: application/json` unless `headers` do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonBody>,
    /// Request headers by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Parts of the response that become variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extract: Vec<Extract>,
    /// What the response must be; otherwise it counts as an error. Without a status check, 400 and above is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// A part of the response that becomes a variable. Exactly one of `json_pointer` and `header` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
#[ts(rename = "PlanExtract")]
pub struct Extract {
    /// Name of the variable.
    pub var: String,
    /// Value at this pointer (RFC 6901) in a JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_pointer: Option<String>,
    /// Value of this header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// One condition on a response. Exactly one of `status`, `body_contains`, `json_pointer` and `header` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
#[ts(rename = "PlanCheck")]
pub struct Check {
    /// Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusRule>,
    /// Text in the body; a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Pointer (RFC 6901) to a value in a JSON body, which must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_pointer: Option<String>,
    /// Name of a header, which must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// With `json_pointer` or `header`: what it must be. Texts are templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Scalar>,
}

/// Which statuses are right: `200`, `"2xx"`, or a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(untagged)]
pub enum StatusRule {
    /// This.
    One(StatusMatch),
    /// Any of these.
    Any(Vec<StatusMatch>),
}

impl StatusRule {
    /// Its alternatives.
    pub fn matches(&self) -> &[StatusMatch] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Any(any) => any,
        }
    }
}

/// A status or a class of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(untagged)]
pub enum StatusMatch {
    /// A status.
    Code(u16),
    /// A class, `2xx`.
    Class(String),
}

impl StatusMatch {
    /// First and last status that it means; `None` when it means none.
    pub fn range(&self) -> Option<(u16, u16)> {
        match self {
            Self::Code(code) => (100..1000).contains(code).then_some((*code, *code)),
            Self::Class(text) => match text.as_bytes() {
                [d @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                    let first = u16::from(d - b'0') * 100;
                    Some((first, first + 99))
                }
                _ => text.parse().ok().and_then(|code| Self::Code(code).range()),
            },
        }
    }
}

/// A SQL statement. Its text is sent as it is; values come in through parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlStep {
    /// The statement, with `$1` or `?` for parameters.
    pub statement: String,
    /// In the order of the placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<SqlParameter>,
    /// In a transaction of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub transaction: bool,
    /// Prepared once per connection; true when absent.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub prepared: bool,
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// A parameter of a statement: a value, or a template with its type as `{ value = "{{id}}", type = "integer" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(untagged)]
pub enum SqlParameter {
    /// A value; texts are templates.
    Plain(Scalar),
    /// A template with the type of its result.
    Typed(TypedParameter),
}

/// A template with the type of its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedParameter {
    /// Template.
    pub value: String,
    /// Type of its result.
    #[serde(rename = "type")]
    pub kind: SqlType,
}

/// Type of a parameter where the server does not infer it itself. PostgreSQL does: there each value takes the type that the
/// statement gives it, as with the application's own driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlType {
    /// Text.
    Text,
    /// Whole number of 64 bits.
    Integer,
    /// Number of double precision.
    Float,
    /// `true` or `false`.
    Boolean,
    /// As the server takes it: a text for MySQL and MariaDB, a number for SQLite where it is one.
    Inferred,
    /// NULL, whatever the template is.
    Null,
}

/// A command on the cache, such as `GET user:{{id}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheStep {
    /// Name of the command.
    pub command: String,
    /// Its arguments; templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

impl HttpStep {
    /// Bytes of a body at most.
    pub const MAX_BODY: u64 = 16 << 20;

    /// The body that is no template: bytes in base64, or of a file; `None` when it has another one or none.
    ///
    /// # Errors
    /// The field and why its bytes cannot be had.
    pub fn bytes(&self, files: &dyn super::rows::Files) -> Result<Option<Vec<u8>>, (&'static str, String)> {
        use base64::Engine as _;
        if let Some(text) = &self.body_base64 {
            let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let decoded = base64::engine::general_purpose::STANDARD.decode(plain);
            return decoded.map(Some).map_err(|_| ("body_base64", "it is no base64".to_owned()));
        }
        let Some(name) = &self.body_file else { return Ok(None) };
        let read = files.read(name, Self::MAX_BODY);
        read.map(Some).map_err(|e| ("body_file", format!("'{}' cannot be read: {e}", name.escape_debug())))
    }
}

impl Step {
    /// A step of weight 1 that sends a request.
    pub fn http(name: impl Into<String>, http: HttpStep) -> Self {
        Self { name: name.into(), weight: 1.0, action: Action::Http(http) }
    }

    /// Calls `visit` with the field and text of each template except those in `json`.
    pub fn texts(&self, visit: &mut dyn FnMut(&str, &str)) {
        match &self.action {
            Action::Http(http) => {
                for (field, text) in [("path", &http.path), ("url", &http.url), ("body", &http.body)] {
                    if let Some(text) = text {
                        visit(field, text);
                    }
                }
                for (name, value) in &http.headers {
                    visit(&format!("headers.{name}"), value);
                }
                for check in &http.checks {
                    if let Some(text) = &check.body_contains {
                        visit("checks.body_contains", text);
                    }
                    if let Some(Scalar::Text(text)) = &check.equals {
                        visit("checks.equals", text);
                    }
                }
            }
            Action::Sql(sql) => {
                for parameter in &sql.parameters {
                    match parameter {
                        SqlParameter::Plain(Scalar::Text(text)) => visit("parameters", text),
                        SqlParameter::Typed(typed) => visit("parameters", &typed.value),
                        SqlParameter::Plain(_) => {}
                    }
                }
            }
            Action::Cache(cache) => {
                for arg in &cache.args {
                    visit("args", arg);
                }
            }
        }
    }
}
