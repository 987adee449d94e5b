//! A plan's variables: replaced in each other and in templates before a run, so that rendering looks up nothing.
use std::collections::BTreeMap;

use super::scope::Names;
use super::template::{Filter, MAX_PARTS, MAX_TEXT, Raw, Template, TemplateError, parse, push};

/// Why variables cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableError {
    /// Variables that need each other; the first is repeated at the end.
    #[error("variables in a circle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// A variable whose value is no template.
    #[error("variable '{name}': {source}")]
    Template {
        /// The variable.
        name: String,
        /// Why.
        source: TemplateError,
    },
    /// More variables than a plan can sensibly have.
    #[error("{0} variables; a plan has at most 1000")]
    TooMany(usize),
}

/// Turns texts of one plan into templates that share their slots.
#[derive(Debug, Clone)]
pub struct Compiler {
    expanded: BTreeMap<String, Vec<Raw>>,
    names: Names,
}

impl Compiler {
    /// Replaces variables in each other.
    ///
    /// # Errors
    /// The first circle, or the first value that is no template.
    pub fn new(variables: &BTreeMap<String, String>) -> Result<Self, VariableError> {
        if variables.len() > 1000 {
            return Err(VariableError::TooMany(variables.len()));
        }
        let mut raw = BTreeMap::new();
        for (name, text) in variables {
            let text = if text.starts_with("env:") { format!("{{{{{text}}}}}") } else { text.clone() };
            let parts = parse(&text).map_err(|source| VariableError::Template { name: name.clone(), source })?;
            raw.insert(name.clone(), parts);
        }
        let mut expanded = BTreeMap::new();
        for name in raw.keys() {
            expand(name, &raw, &mut expanded, &mut Vec::new())?;
        }
        Ok(Self { expanded, names: Names::default() })
    }

    /// The template of a text.
    ///
    /// # Errors
    /// [`TemplateError`] with the column.
    pub fn compile(&mut self, text: &str) -> Result<Template, TemplateError> {
        let parts = substitute(&parse(text)?, &self.expanded)?;
        Template::new(parts, &mut self.names)
    }

    /// The template of a JSON value: each string in it is a template whose values are escaped.
    ///
    /// # Errors
    /// [`TemplateError`] with the column within the string.
    pub fn compile_json(&mut self, value: &serde_json::Value) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        self.json(value, &mut parts)?;
        Template::new(parts, &mut self.names)
    }

    fn json(&self, value: &serde_json::Value, out: &mut Vec<Raw>) -> Result<(), TemplateError> {
        use serde_json::Value;
        if out.len() > 4 * MAX_PARTS {
            return Err(TemplateError::TooLarge);
        }
        match value {
            Value::String(text) if text.contains("{{") => {
                text_part(out, "\"");
                let filtered = filter(&substitute(&parse(text)?, &self.expanded)?, &[Filter::Json]);
                for part in filtered {
                    match part {
                        Raw::Text(text) => text_part(out, &text),
                        other => out.push(other),
                    }
                }
                text_part(out, "\"");
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    text_part(out, if i == 0 { "[" } else { "," });
                    self.json(item, out)?;
                }
                text_part(out, if items.is_empty() { "[]" } else { "]" });
            }
            Value::Object(fields) => {
                for (i, (key, field)) in fields.iter().enumerate() {
                    text_part(out, if i == 0 { "{" } else { "," });
                    text_part(out, &Value::String(key.clone()).to_string());
                    text_part(out, ":");
                    self.json(field, out)?;
                }
                text_part(out, if fields.is_empty() { "{}" } else { "}" });
            }
            scalar => text_part(out, &scalar.to_string()),
        }
        Ok(())
    }

    /// Names that a template inserts after variables are replaced, without giving them slots.
    pub(super) fn needs(&self, text: &str) -> Result<Vec<String>, TemplateError> {
        let parts = substitute(&parse(text)?, &self.expanded)?;
        let name = |part| if let Raw::Variable { name, .. } = part { Some(name) } else { None };
        Ok(parts.into_iter().filter_map(name).collect())
    }

    /// Names that the templates compiled so far insert, in the order of their slots.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// To give slots to names that no template inserts.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }
}

fn text_part(out: &mut Vec<Raw>, text: &str) {
    if let Some(Raw::Text(last)) = out.last_mut() {
        last.push_str(text);
    } else {
        out.push(Raw::Text(text.to_owned()));
    }
}

/// Names of the variables in a text; none when it is no template.
pub(super) fn used(text: &str) -> Vec<String> {
    let parts = parse(text).unwrap_or_default();
    let name = |part| if let Raw::Variable { name, .. } = part { Some(name) } else { None };
    parts.into_iter().filter_map(name).collect()
}

fn expand(
    name: &str,
    raw: &BTreeMap<String, Vec<Raw>>,
    done: &mut BTreeMap<String, Vec<Raw>>,
    path: &mut Vec<String>,
) -> Result<(), VariableError> {
    if done.contains_key(name) {
        return Ok(());
    }
    let Some(parts) = raw.get(name) else { return Ok(()) };
    if let Some(start) = path.iter().position(|p| p == name) {
        let mut cycle = path[start..].to_vec();
        cycle.push(name.to_owned());
        return Err(VariableError::Cycle(cycle));
    }
    path.push(name.to_owned());
    for part in parts {
        if let Raw::Variable { name, .. } = part {
            expand(name, raw, done, path)?;
        }
    }
    path.pop();
    let failed = |source| VariableError::Template { name: name.to_owned(), source };
    let flat = substitute(parts, done).map_err(failed)?;
    if done.values().map(|p| text_len(p)).sum::<usize>() + text_len(&flat) > 4 * MAX_TEXT {
        return Err(failed(TemplateError::TooLarge));
    }
    done.insert(name.to_owned(), flat);
    Ok(())
}

fn text_len(parts: &[Raw]) -> usize {
    parts.iter().map(|p| if let Raw::Text(text) = p { text.len() } else { 0 }).sum()
}

/// Replaces variables by their own parts, whose filters come first.
fn substitute(parts: &[Raw], expanded: &BTreeMap<String, Vec<Raw>>) -> Result<Vec<Raw>, TemplateError> {
    let mut out = Vec::with_capacity(parts.len());
    let mut text = 0;
    for part in parts {
        let start = out.len();
        match part {
            Raw::Variable { name, filters } => match expanded.get(name) {
                // Looked at before it is copied: variables that contain each other twice double with each of them.
                Some(inner) if out.len() + inner.len() > MAX_PARTS || text + text_len(inner) > MAX_TEXT => {
                    return Err(TemplateError::TooLarge);
                }
                Some(inner) => out.extend(filter(inner, filters)),
                None => out.push(part.clone()),
            },
            other => out.push(other.clone()),
        }
        text += text_len(&out[start..]);
    }
    let filters = out.iter().any(|p| matches!(p, Raw::Variable { filters, .. } if filters.len() > 8));
    if out.len() > MAX_PARTS || text > MAX_TEXT || filters { Err(TemplateError::TooLarge) } else { Ok(out) }
}

fn filter(parts: &[Raw], filters: &[Filter]) -> Vec<Raw> {
    let each = |part: &Raw| match part {
        Raw::Text(text) => {
            let mut bytes = Vec::with_capacity(text.len());
            push(filters, text.as_bytes(), &mut bytes);
            Raw::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        Raw::Variable { name, filters: own } => {
            Raw::Variable { name: name.clone(), filters: own.iter().chain(filters).copied().collect() }
        }
        Raw::Builtin(builtin) => Raw::Builtin(*builtin),
    };
    parts.iter().map(each).collect()
}
