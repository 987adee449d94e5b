//! The small values that a plan is written with: durations, secrets, scalars and JSON bodies.
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A length of time. Written as `"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, or as a number of seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ts_rs::TS)]
#[ts(type = "string")]
pub struct Span(pub Duration);

/// Units of a [`Span`], largest first, in nanoseconds.
const UNITS: &[(&str, u128)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A day is read, and written in hours.
const DAY: (&str, u128) = ("d", 86_400_000_000_000);

impl Span {
    /// A whole number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// Reads `500ms`, `1.5 s`, `1h30m`, `7d`, or a bare number of seconds.
    ///
    /// # Errors
    /// What is wrong with it, and how a duration is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || "it is not a duration; write 500ms, 30s, 5m or 1h30m".to_owned();
        let mut rest = text.trim();
        if rest.is_empty() || rest.len() > 64 {
            return Err(bad());
        }
        if let Ok(seconds) = rest.parse::<f64>() {
            return Self::from_secs(seconds).ok_or_else(bad);
        }
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = rest[digits..].trim_start();
            let end = rest.find(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').unwrap_or(rest.len());
            let unit = match &rest[..end] {
                "µs" => "us",
                "min" => "m",
                other => other,
            };
            let known = UNITS.iter().chain(&[DAY]).find(|(name, _)| *name == unit);
            let nanos = known.map(|(_, n)| *n).ok_or_else(bad)?;
            let part = Self::from_secs(number * (nanos as f64) / 1e9).ok_or_else(bad)?;
            total = total.checked_add(part.0).ok_or_else(bad)?;
            rest = rest[end..].trim_start();
        }
        Ok(Self(total))
    }

    /// `None` unless it is finite, not negative and below about 31 years.
    pub fn from_secs(seconds: f64) -> Option<Self> {
        // Half a nanosecond is rounded to the nearest instead of cut off.
        (seconds.is_finite() && (0.0..1e9).contains(&seconds)).then(|| Self(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for Span {
    /// The shortest exact form: `90s` is `1m30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in UNITS {
            let count = nanos / unit;
            if count > 0 {
                write!(f, "{count}{name}")?;
                nanos -= count * unit;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"30s\", or a number of seconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
                Span::from_secs(seconds).ok_or_else(|| E::custom("it is not a duration in seconds"))
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                self.visit_f64(seconds as f64)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A length of time: 500ms, 30s, 5m, 1h30m, or a number of seconds.",
            "anyOf": [
                {"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?\s*(h|m|min|s|ms|us|µs|ns)?\s*)+$"},
                {"type": "number", "minimum": 0}
            ]
        })
    }
}

/// A secret by reference: `env:NAME`, or a text whose secret part is `{{variable}}` or `{{env:NAME}}`.
///
/// A plan never holds the secret itself: a text without a reference is refused, and the refusal does not repeat it.
#[derive(Clone, PartialEq, Eq, Serialize, ts_rs::TS)]
#[ts(type = "string")]
pub struct Secret(String);

impl Secret {
    /// Why a text is refused.
    const REFUSED: &'static str = "a secret is written as env:NAME or {{variable}}, never as itself";

    /// Takes a reference.
    ///
    /// # Errors
    /// How a secret is written, without repeating the text.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let named = text.strip_prefix("env:").is_some_and(is_env_name);
        if named || (text.contains("{{") && text.contains("}}")) { Ok(Self(text)) } else { Err(Self::REFUSED.into()) }
    }

    /// A reference to an environment variable. Characters that its name cannot have become `_`.
    pub fn env(name: &str) -> Self {
        let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !is_env_name(&name) {
            name.insert(0, '_');
        }
        Self(format!("env:{name}"))
    }

    /// As it is written in the plan.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a template: `env:NAME` is `{{env:NAME}}`.
    pub fn template(&self) -> String {
        if self.0.starts_with("env:") { format!("{{{{{}}}}}", self.0) } else { self.0.clone() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A template may have literal parts, and a person may have put the secret there.
        f.write_str(if self.0.starts_with("env:") { &self.0 } else { perfdeck_model::masking::MASK })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Text(String),
            // Serde's own message would repeat a number.
            Other(de::IgnoredAny),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) => Self::new(text).map_err(de::Error::custom),
            Raw::Other(_) => Err(de::Error::custom(Self::REFUSED)),
        }
    }
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A secret by reference: env:NAME or {{variable}}.",
            "type": "string",
            "pattern": r"^env:[A-Za-z_][A-Za-z0-9_]*$|\{\{.*\}\}"
        })
    }
}

/// Whether it can name an environment variable.
pub(super) fn is_env_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 128
}

/// A single value; texts are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS, schemars::JsonSchema)]
#[serde(untagged)]
#[ts(rename = "PlanScalar")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

/// A JSON body. Written as a TOML value, or as a string of JSON text; its strings are templates, escaped on insertion.
#[derive(Debug, Clone, PartialEq, ts_rs::TS)]
#[ts(type = "unknown")]
pub struct JsonBody(pub serde_json::Value);

/// TOML has no null and no integers above i64; and a string must not be taken for JSON text.
fn needs_text(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Number(n) => n.as_i64().is_none() && n.is_u64(),
        serde_json::Value::Array(items) => items.iter().any(needs_text),
        serde_json::Value::Object(fields) => fields.values().any(needs_text),
        _ => false,
    }
}

/// The `toml` crate hands date-times over as a table of one private key.
fn dates_to_text(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(dates_to_text),
        serde_json::Value::Object(fields) => {
            if fields.len() == 1
                && let Some(text) = fields.remove("$__toml_private_datetime")
            {
                *value = text;
                return;
            }
            fields.values_mut().for_each(dates_to_text);
        }
        _ => {}
    }
}

impl Serialize for JsonBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_string() || needs_text(&self.0) {
            serializer.collect_str(&self.0)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for JsonBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = serde_json::Value::deserialize(deserializer)?;
        if let serde_json::Value::String(text) = &value {
            return serde_json::from_str(text).map(Self).map_err(|e| {
                de::Error::custom(format!("the text of `json` is no JSON (column {} of line {})", e.column(), e.line()))
            });
        }
        dates_to_text(&mut value);
        Ok(Self(value))
    }
}

impl schemars::JsonSchema for JsonBody {
    fn schema_name() -> Cow<'static, str> {
        "JsonBody".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "A JSON value, or a string of JSON text."})
    }
}
