//! How OpenAPI writes a parameter: arrays and objects by `style` and `explode` (RFC 6570).
use serde_json::Value;

use super::curl_form::url_encode;

/// How a parameter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style<'a> {
    name: &'a str,
    explode: bool,
    /// Reserved characters of values stay.
    reserved: bool,
}

impl<'a> Style<'a> {
    /// Of a parameter, or of a field of a form, at this place.
    pub(super) fn of(parameter: &'a Value, place: &str) -> Self {
        let usual = if matches!(place, "query" | "cookie") { "form" } else { "simple" };
        let name = parameter.get("style").and_then(Value::as_str).unwrap_or(usual);
        let flag = |key: &str| parameter.get(key).and_then(Value::as_bool);
        Self {
            name,
            explode: flag("explode").unwrap_or(name == "form"),
            reserved: flag("allowReserved").unwrap_or(false),
        }
    }

    fn encode(self, text: &str) -> String {
        if !self.reserved {
            return url_encode(text.as_bytes());
        }
        let kept = |c: char| ":/?#[]@!$&'()*+,;=".contains(c);
        text.chars().map(|c| if kept(c) { c.to_string() } else { url_encode(c.to_string().as_bytes()) }).collect()
    }

    /// The pairs of a query, names and values encoded.
    pub(super) fn query(self, name: &str, value: &Value) -> Vec<(String, String)> {
        let coded = |text: &str| self.encode(text);
        let key = url_encode(name.as_bytes());
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| coded(&plain(item))).collect();
                let between = match self.name {
                    "spaceDelimited" => "%20",
                    "pipeDelimited" => "%7C",
                    _ => ",",
                };
                if self.explode {
                    items.into_iter().map(|item| (key.clone(), item)).collect()
                } else {
                    vec![(key, items.join(between))]
                }
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(k, v)| (url_encode(k.as_bytes()), coded(&plain(v))));
                match (self.name, self.explode) {
                    ("deepObject", _) => fields.map(|(k, v)| (format!("{key}%5B{k}%5D"), v)).collect(),
                    (_, true) => fields.collect(),
                    (style, false) => {
                        let between = match style {
                            "spaceDelimited" => "%20",
                            "pipeDelimited" => "%7C",
                            _ => ",",
                        };
                        vec![(key, fields.map(|(k, v)| format!("{k}{between}{v}")).collect::<Vec<_>>().join(between))]
                    }
                }
            }
            other => vec![(key, coded(&plain(other)))],
        }
    }

    /// What takes the place of a path's `{name}`; `None` for a value without a prefix, which may be a variable.
    pub(super) fn path(self, name: &str, value: &Value) -> Option<String> {
        let key = url_encode(name.as_bytes());
        let (first, between) = match self.name {
            "label" => (".".to_owned(), if self.explode { "." } else { "," }),
            "matrix" => (";".to_owned(), if self.explode { ";" } else { "," }),
            _ => (String::new(), ","),
        };
        let matrix = self.name == "matrix";
        let listed = |parts: Vec<String>| {
            let named = matrix && !self.explode;
            let first = if named { format!("{first}{key}=") } else { first.clone() };
            format!("{first}{}", parts.join(between))
        };
        Some(match value {
            Value::Array(items) => {
                let item = |item: &Value| self.encode(&plain(item));
                let named = |text: String| if matrix && self.explode { format!("{key}={text}") } else { text };
                listed(items.iter().map(|i| named(item(i))).collect())
            }
            Value::Object(fields) => {
                let joint = if self.explode { "=" } else { "," };
                let field = |(k, v): (&String, &Value)| {
                    format!("{}{joint}{}", url_encode(k.as_bytes()), self.encode(&plain(v)))
                };
                listed(fields.iter().map(field).collect())
            }
            other if matrix => format!(";{key}={}", self.encode(&plain(other))),
            other if self.name == "label" => format!(".{}", self.encode(&plain(other))),
            _ => return None,
        })
    }

    /// The value of a header.
    pub(super) fn header(self, value: &Value) -> String {
        match value {
            Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
            Value::Object(fields) => {
                let joint = if self.explode { "=" } else { "," };
                fields.iter().map(|(k, v)| format!("{k}{joint}{}", plain(v))).collect::<Vec<_>>().join(",")
            }
            other => plain(other),
        }
    }
}

/// A single value as text; what is nested deeper has no form but JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_of_the_specification() {
        let (array, object) = (json!(["blue", "bl,ack"]), json!({"G": 200, "R": 100}));
        let query = |parameter: Value, value: &Value| {
            let pairs = Style::of(&parameter, "query").query("color", value);
            pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
        };
        for (parameter, value, expected) in [
            (json!({}), &array, "color=blue&color=bl%2Cack"),
            (json!({"explode": false}), &array, "color=blue,bl%2Cack"),
            (json!({"style": "spaceDelimited"}), &array, "color=blue%20bl%2Cack"),
            (json!({"style": "pipeDelimited"}), &array, "color=blue%7Cbl%2Cack"),
            (json!({"style": "pipeDelimited", "explode": true}), &array, "color=blue&color=bl%2Cack"),
            (json!({}), &object, "G=200&R=100"),
            (json!({"explode": false}), &object, "color=G,200,R,100"),
            (json!({"style": "deepObject", "explode": true}), &object, "color%5BG%5D=200&color%5BR%5D=100"),
            (json!({}), &json!("a b/c"), "color=a%20b%2Fc"),
            (json!({"allowReserved": true}), &json!("a b/c"), "color=a%20b/c"),
        ] {
            assert_eq!(query(parameter.clone(), value), expected, "{parameter} {value}");
        }
        let path = |parameter: &Value, value: &Value| Style::of(parameter, "path").path("color", value);
        for (parameter, value, expected) in [
            (json!({}), &array, "blue,bl%2Cack"),
            (json!({"explode": true}), &object, "G=200,R=100"),
            (json!({}), &object, "G,200,R,100"),
            (json!({"style": "label"}), &json!("blue"), ".blue"),
            (json!({"style": "label", "explode": true}), &array, ".blue.bl%2Cack"),
            (json!({"style": "label", "explode": true}), &object, ".G=200.R=100"),
            (json!({"style": "matrix"}), &json!("blue"), ";color=blue"),
            (json!({"style": "matrix"}), &array, ";color=blue,bl%2Cack"),
            (json!({"style": "matrix", "explode": true}), &array, ";color=blue;color=bl%2Cack"),
            (json!({"style": "matrix", "explode": true}), &object, ";G=200;R=100"),
            (json!({"style": "matrix"}), &object, ";color=G,200,R,100"),
        ] {
            assert_eq!(path(&parameter, value).as_deref(), Some(expected), "{parameter} {value}");
        }
        assert_eq!(path(&json!({}), &json!(7)), None, "a plain value may be a variable");
        let header = |parameter: Value| Style::of(&parameter, "header").header(&object);
        assert_eq!(header(json!({"explode": true})), "G=200,R=100", "a header with names");
        assert_eq!(header(json!({})), "G,200,R,100", "and without");
    }
}
