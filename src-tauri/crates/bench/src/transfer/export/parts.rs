//! Templates, checks and extractions as the runtimes of other engines read them.
use serde::Serialize;
use serde_json::{Value, json};

use perfdeck_plan::{Builtin, Check, Compiler, Extract, Filter, Part, Scalar, Template, TemplateError};

/// The parts of a template: a text is itself, all else is an array of its kind and values.
pub(super) type Parts = Vec<Value>;

/// A whole number: as text where JavaScript's numbers would round it.
pub(super) fn whole(n: i64) -> Value {
    if n.unsigned_abs() <= 1 << 52 { json!(n) } else { json!(n.to_string()) }
}

/// The parts of a template.
pub(super) fn parts(template: &Template) -> Parts {
    let part = |part: &Part| match part {
        Part::Text(text) => json!(String::from_utf8_lossy(text)),
        Part::Slot { slot, name, filters } => {
            let filters: String = filters.iter().map(|f| if *f == Filter::Url { 'u' } else { 'j' }).collect();
            json!(["slot", slot, filters, name])
        }
        Part::Builtin(Builtin::Uuid) => json!(["uuid"]),
        Part::Builtin(Builtin::Seq) => json!(["seq"]),
        Part::Builtin(Builtin::NowMs) => json!(["now"]),
        Part::Builtin(Builtin::Random { low, high }) => json!(["random", whole(*low), whole(*high)]),
    };
    template.parts().iter().map(part).collect()
}

/// What a value must be.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Want {
    Present,
    /// `fixed` is a text without variables, which only a text equals.
    Text {
        text: Parts,
        fixed: bool,
    },
    Value {
        value: Scalar,
    },
}

/// One condition.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Rule {
    Status { label: String, ranges: Vec<(u16, u16)> },
    Contains { label: String, text: Parts },
    Pointer { label: String, path: Vec<String>, want: Want },
    Header { label: String, name: String, want: Want },
}

/// One extraction: exactly one of `path` and `header` is there.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    pub(super) label: String,
    pub(super) slot: usize,
    path: Option<Vec<String>>,
    header: Option<String>,
}

/// The names of a JSON pointer.
fn path(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

fn want(equals: Option<&Scalar>, compiler: &mut Compiler) -> Result<Want, TemplateError> {
    Ok(match equals {
        None => Want::Present,
        Some(Scalar::Text(text)) => {
            let template = compiler.compile(text)?;
            Want::Text { text: parts(&template), fixed: template.literal().is_some() }
        }
        Some(value) => Want::Value { value: value.clone() },
    })
}

/// A check, with the name that results give it.
pub(super) fn rule(number: usize, check: &Check, compiler: &mut Compiler) -> Result<Rule, TemplateError> {
    let label = |kind: &str| format!("check {number} ({kind})");
    let want = want(check.equals.as_ref(), compiler)?;
    Ok(if let Some(status) = &check.status {
        let ranges = status.matches().iter().filter_map(perfdeck_plan::StatusMatch::range).collect();
        Rule::Status { label: label("status"), ranges }
    } else if let Some(text) = &check.body_contains {
        Rule::Contains { label: label("body_contains"), text: parts(&compiler.compile(text)?) }
    } else if let Some(pointer) = &check.json_pointer {
        Rule::Pointer { label: label("json_pointer"), path: path(pointer), want }
    } else {
        Rule::Header { label: label("header"), name: check.header.clone().unwrap_or_default(), want }
    })
}

/// An extraction, with the name that results give it.
pub(super) fn taken(extract: &Extract, compiler: &mut Compiler) -> Taken {
    Taken {
        label: format!("extraction of '{}'", extract.var),
        slot: compiler.names_mut().slot(&extract.var),
        path: extract.json_pointer.as_deref().map(path),
        header: extract.header.clone(),
    }
}
