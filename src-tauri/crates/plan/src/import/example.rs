//! Example values from JSON schemas, bounded in depth and size. What does not follow its schema is told.
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::pattern::following;

/// Nesting of an example at most.
const MAX_DEPTH: usize = 16;
/// Items of an array at most.
const MAX_ITEMS: u64 = 20;

/// Builds examples; each takes from one budget, so that schemas that refer to each other end.
pub(super) struct Examples<'a> {
    root: &'a Value,
    budget: usize,
    /// Schemas that the value being built is inside of: none of them is begun again.
    inside: Vec<*const Value>,
    /// What of the examples does not follow its schema, for a person.
    guessed: BTreeSet<String>,
}

impl<'a> Examples<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, budget: 50_000, inside: Vec::new(), guessed: BTreeSet::new() }
    }

    /// What of the examples since the last call does not follow its schema, each as the end of a sentence.
    pub(super) fn guessed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.guessed)
    }

    fn guess(&mut self, what: impl Into<String>) {
        if self.guessed.len() < 20 {
            self.guessed.insert(what.into());
        }
    }

    /// Follows `$ref` within the document.
    pub(super) fn resolve(&self, value: &'a Value) -> Option<&'a Value> {
        let mut value = value;
        for _ in 0..16 {
            let Some(reference) = value.get("$ref") else { return Some(value) };
            value = self.root.pointer(
                &percent_encoding::percent_decode_str(reference.as_str()?.strip_prefix('#')?).decode_utf8().ok()?,
            )?;
        }
        None
    }

    /// The example that a parameter, media type or schema gives itself.
    pub(super) fn given(&self, value: &'a Value) -> Option<Value> {
        let first = |v: &'a Value| match v {
            Value::Object(named) => {
                named.values().next().and_then(|e| self.resolve(e)).and_then(|e| e.get("value")).cloned()
            }
            Value::Array(list) => list.first().cloned(),
            _ => None,
        };
        let own = value.get("example").cloned();
        own.or_else(|| value.get("examples").and_then(first)).filter(|v| !v.is_null())
    }

    /// An example of a schema; null where there is none, as of one that is inside itself.
    pub(super) fn of(&mut self, schema: &'a Value, depth: usize) -> Value {
        if self.budget == 0 {
            return Value::Null;
        }
        self.budget -= 1;
        let Some(schema) = self.resolve(schema) else { return Value::Null };
        let this = std::ptr::from_ref(schema);
        if depth > MAX_DEPTH || self.inside.contains(&this) {
            return Value::Null;
        }
        self.inside.push(this);
        let value = self.build(schema, depth);
        self.inside.pop();
        value
    }

    fn build(&mut self, schema: &'a Value, depth: usize) -> Value {
        if let Some(given) = self.given(schema) {
            return given;
        }
        for key in ["const", "default"] {
            if let Some(value) = schema.get(key).filter(|v| !v.is_null()) {
                return value.clone();
            }
        }
        if let Some(first) = schema.get("enum").and_then(|e| e.as_array()).and_then(|e| e.iter().find(|v| !v.is_null()))
        {
            return first.clone();
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            let mut whole = Map::new();
            for part in all.iter().take(50) {
                match self.of(part, depth + 1) {
                    Value::Object(fields) => whole.extend(fields),
                    // A part that cannot be built leaves no whole.
                    Value::Null => return Value::Null,
                    other if all.len() == 1 => return other,
                    _ => {}
                }
            }
            if let Value::Object(own) = self.object(schema, depth) {
                whole.extend(own);
            }
            return Value::Object(whole);
        }
        for key in ["oneOf", "anyOf"] {
            let is_null = |s: &&Value| s.get("type").and_then(Value::as_str) == Some("null");
            if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|a| a.iter().find(|s| !is_null(s)))
            {
                return self.of(first, depth + 1);
            }
        }
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|k| *k != "null").unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ if schema.get("items").is_some() => "array",
            _ => "string",
        };
        match kind {
            "object" => self.object(schema, depth),
            "array" => {
                let item = schema.get("items").map(|items| self.of(items, depth + 1)).filter(|item| !item.is_null());
                Value::Array(self.items(schema, item))
            }
            "integer" => json!(number(schema).ceil() as i64),
            "number" => {
                let n = number(schema);
                if n.fract() == 0.0 { json!(n as i64) } else { json!(n) }
            }
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => {
                let (text, follows) = text(schema);
                if !follows {
                    self.guess("a text does not follow its pattern or its length");
                }
                Value::String(text)
            }
        }
    }

    /// As many items as the schema asks for.
    fn items(&mut self, schema: &Value, item: Option<Value>) -> Vec<Value> {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let Some(item) = item else {
            if least > 0 {
                self.guess("a list has fewer items than it needs");
            }
            return Vec::new();
        };
        let n = least.max(1).min(bound("maxItems").unwrap_or(u64::MAX)).min(MAX_ITEMS);
        if n < least {
            self.guess("a list has fewer items than it needs");
        }
        if n > 1 && schema.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            self.guess("the items of a list are alike though each must be another");
        }
        (0..n).map(|_| item.clone()).collect()
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut out = Map::new();
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|r| r.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten().take(200) {
            let read_only =
                self.resolve(property).and_then(|p| p.get("readOnly")).and_then(Value::as_bool).unwrap_or(false);
            if read_only {
                continue;
            }
            let value = self.of(property, depth + 1);
            let needed = required.contains(&name.as_str());
            if value.is_null() && needed && !self.takes_null(property, 0) {
                // Nothing that ends follows such a schema.
                self.guess(format!("the field '{}' is left out, whose schema is inside itself", name.escape_debug()));
            } else if !value.is_null() || needed {
                out.insert(name.clone(), value);
            }
        }
        Value::Object(out)
    }
}

impl Examples<'_> {
    /// Whether null follows a schema, by the ways of OpenAPI 3.0 and 3.1.
    fn takes_null(&self, schema: &Value, depth: usize) -> bool {
        let is_null = |kind: &Value| kind.as_str() == Some("null");
        let of = |schema: &Value| {
            schema.get("nullable").and_then(Value::as_bool) == Some(true)
                || schema
                    .get("type")
                    .is_some_and(|kind| is_null(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is_null)))
        };
        let parts = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        depth < 4
            && (of(schema)
                || self.resolve_any(schema).is_some_and(of)
                || parts("oneOf").chain(parts("anyOf")).any(|part| self.takes_null(part, depth + 1)))
    }

    /// As [`Self::resolve`], for a schema that does not live as long.
    fn resolve_any(&self, schema: &Value) -> Option<&Value> {
        let reference = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(&percent_encoding::percent_decode_str(reference).decode_utf8().ok()?)
    }
}

/// A number within the bounds of a schema.
fn number(schema: &Value) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64).filter(|n| n.abs() < 1e15);
    let low = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n + 1.0));
    let high = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n - 1.0));
    match (low, high) {
        (Some(low), _) if low > 1.0 => low,
        (_, Some(high)) if high < 1.0 => high,
        _ => 1.0,
    }
}

/// A text, and whether it follows the schema's pattern and lengths.
fn text(schema: &Value) -> (String, bool) {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let known = match format {
        "date" => "2024-01-31",
        "date-time" => "2024-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "email" => "user@example.com",
        "uri" | "url" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "dGV4dA==",
        _ => "text",
    };
    let length = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let (min, max) = (length("minLength").unwrap_or(0), length("maxLength").unwrap_or(usize::MAX));
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return match following(pattern, min, max) {
            Some(text) => (text, true),
            None => (known.to_owned(), false),
        };
    }
    let mut text = known.to_owned();
    if format.is_empty() {
        text.extend(std::iter::repeat_n('x', min.min(10_000).saturating_sub(text.len())));
        text.truncate(max);
    }
    let follows = (min..=max).contains(&text.chars().count());
    (text, follows)
}
