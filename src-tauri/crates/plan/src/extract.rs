//! What is taken out of a response, and what it must be.
use super::scope::{Builtins, Scope};
use super::step::{Check, Extract, HttpStep};
use super::template::{Template, TemplateError, UnsetVariable};
use super::values::Scalar;
use super::variables::Compiler;

/// Bytes of a JSON body that are looked into at most.
pub(super) const MAX_JSON: usize = 8 << 20;

/// Bytes of an extracted value at most.
pub(super) const MAX_VALUE: usize = 64 << 10;

/// A response as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// Status.
    pub status: u16,
    /// Names, in any case, and values.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Body, decoded.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// A rule that a response did not keep. Its text never holds more than the first 80 characters of a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step '{step}', {rule}: {message}")]
pub struct Failure {
    /// The step.
    pub step: String,
    /// Which check or extraction, such as `check 2 (status)`.
    pub rule: String,
    /// What was there instead.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Present,
    Text(Template),
    Value(Scalar),
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Status(Vec<(u16, u16)>),
    Contains(Template),
    Pointer(String, Expected),
    Header(String, Expected),
}

/// The checks and extractions of a step, compiled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepRules {
    step: String,
    checks: Vec<(String, Rule)>,
    /// Name of the rule, slot, and where the value is: a pointer or a header.
    extracts: Vec<(String, usize, Result<String, String>)>,
    /// Without a status check, 400 and above is an error.
    own_status: bool,
}

/// Says what is wrong with a check as it is written; `None` when nothing is.
pub(super) fn check_problem(check: &Check) -> Option<String> {
    let given =
        [check.status.is_some(), check.body_contains.is_some(), check.json_pointer.is_some(), check.header.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        return Some("a check has exactly one of `status`, `body_contains`, `json_pointer` and `header`".into());
    }
    if check.equals.is_some() && (given[0] || given[1]) {
        return Some("`equals` belongs to `json_pointer` or `header`".into());
    }
    if let Some(status) = &check.status {
        let matches = status.matches();
        if matches.is_empty() || matches.iter().any(|m| m.range().is_none()) {
            return Some("`status` is a number such as 200, a class such as \"2xx\", or a list of these".into());
        }
    }
    check.json_pointer.as_deref().and_then(pointer_problem)
}

/// Says what is wrong with an extraction as it is written.
pub(super) fn extract_problem(extract: &Extract) -> Option<String> {
    if !super::template::is_name(&extract.var) || extract.var.contains('.') {
        return Some("`var` has letters, digits, _ and -, and starts with a letter".into());
    }
    if extract.json_pointer.is_some() == extract.header.is_some() {
        return Some("an extraction has exactly one of `json_pointer` and `header`".into());
    }
    extract.json_pointer.as_deref().and_then(pointer_problem)
}

fn pointer_problem(pointer: &str) -> Option<String> {
    let escapes = pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    let fine = (pointer.is_empty() || pointer.starts_with('/')) && escapes && pointer.len() <= 4096;
    (!fine).then(|| "a JSON pointer starts with / and writes ~ as ~0 and / in a name as ~1, such as /items/0/id".into())
}

impl StepRules {
    /// Compiles the rules of a step. Rules that are wrong as they are written are left out; validation names them.
    ///
    /// # Errors
    /// A text that is no template.
    pub fn new(step: &str, http: &HttpStep, compiler: &mut Compiler) -> Result<Self, TemplateError> {
        let mut rules = Self { step: step.to_owned(), own_status: true, ..Self::default() };
        for (i, check) in http.checks.iter().enumerate() {
            if check_problem(check).is_some() {
                continue;
            }
            let expected = match &check.equals {
                None => Expected::Present,
                Some(Scalar::Text(text)) => Expected::Text(compiler.compile(text)?),
                Some(value) => Expected::Value(value.clone()),
            };
            let (name, rule) = if let Some(status) = &check.status {
                rules.own_status = false;
                ("status", Rule::Status(status.matches().iter().filter_map(super::step::StatusMatch::range).collect()))
            } else if let Some(text) = &check.body_contains {
                ("body_contains", Rule::Contains(compiler.compile(text)?))
            } else if let Some(pointer) = &check.json_pointer {
                ("json_pointer", Rule::Pointer(pointer.clone(), expected))
            } else {
                ("header", Rule::Header(check.header.clone().unwrap_or_default(), expected))
            };
            rules.checks.push((format!("check {} ({name})", i + 1), rule));
        }
        for extract in http.extract.iter().filter(|e| extract_problem(e).is_none()) {
            let slot = compiler.names_mut().slot(&extract.var);
            let place = extract.json_pointer.clone().ok_or_else(|| extract.header.clone().unwrap_or_default());
            rules.extracts.push((format!("extraction of '{}'", extract.var), slot, place));
        }
        Ok(rules)
    }

    /// Whether the body must be kept for them.
    pub fn need_body(&self) -> bool {
        self.checks.iter().any(|(_, r)| matches!(r, Rule::Contains(_) | Rule::Pointer(..)))
            || self.extracts.iter().any(|(_, _, place)| place.is_ok())
    }

    /// Whether there is more to look at than the status.
    pub fn need_headers(&self) -> bool {
        self.checks.iter().any(|(_, r)| matches!(r, Rule::Header(..)))
            || self.extracts.iter().any(|(_, _, place)| place.is_err())
    }
}

/// Looks into the responses of one worker. Its buffer is kept between them.
#[derive(Debug, Clone, Default)]
pub struct Inspector {
    buffer: Vec<u8>,
}

impl Inspector {
    /// Checks a response, then sets the variables that are extracted from it. Work is bounded by the size of the body.
    ///
    /// # Errors
    /// The first rule that it does not keep; variables then stay as they were.
    pub fn apply(
        &mut self,
        rules: &StepRules,
        response: &Response<'_>,
        scope: &mut Scope,
        builtins: &mut Builtins,
    ) -> Result<(), Failure> {
        let mut json = Json::Unread;
        if rules.own_status && response.status >= 400 {
            return Err(fail(rules, "status", format!("{}; below 400 was expected", response.status)));
        }
        for (name, rule) in &rules.checks {
            self.check(rule, response, &mut json, scope, builtins).map_err(|message| fail(rules, name, message))?;
        }
        // All are found before any is set.
        let mut found = Vec::with_capacity(rules.extracts.len());
        for (name, slot, place) in &rules.extracts {
            let value = match place {
                Ok(pointer) => json.at(response.body, pointer).map(text_of),
                Err(header) => match response.header(header) {
                    Some(value) => Ok(value.to_vec()),
                    None => Err(format!("no header '{header}'")),
                },
            };
            let value = value.map_err(|message| fail(rules, name, message))?;
            if value.len() > MAX_VALUE {
                return Err(fail(rules, name, format!("{} bytes; a value has at most {MAX_VALUE}", value.len())));
            }
            found.push((*slot, value));
        }
        for (slot, value) in found {
            scope.set(slot, &value);
        }
        Ok(())
    }

    fn render(&mut self, template: &Template, scope: &Scope, builtins: &mut Builtins) -> Result<&[u8], String> {
        self.buffer.clear();
        let unset = |e: UnsetVariable| e.to_string();
        template.render(scope, builtins, &mut self.buffer).map_err(unset)?;
        Ok(&self.buffer)
    }

    fn check(
        &mut self,
        rule: &Rule,
        response: &Response<'_>,
        json: &mut Json,
        scope: &Scope,
        builtins: &mut Builtins,
    ) -> Result<(), String> {
        match rule {
            Rule::Status(ranges) => {
                let holds = ranges.iter().any(|(low, high)| (*low..=*high).contains(&response.status));
                if holds { Ok(()) } else { Err(format!("{} was not expected", response.status)) }
            }
            Rule::Contains(template) => {
                let text = self.render(template, scope, builtins)?;
                if contains(response.body, text) { Ok(()) } else { Err("the body does not hold the text".into()) }
            }
            Rule::Pointer(pointer, expected) => {
                let value = json.at(response.body, pointer)?;
                match expected {
                    Expected::Present => Ok(()),
                    Expected::Text(template) => {
                        // A fixed text is a text; an inserted value has no type.
                        let alike = value.is_string() || template.literal().is_none();
                        let holds = self.render(template, scope, builtins)? == text_of(value) && alike;
                        if holds {
                            Ok(())
                        } else {
                            Err(format!("'{pointer}' is {}", short(value.to_string().as_bytes())))
                        }
                    }
                    Expected::Value(scalar) if equal(value, scalar) => Ok(()),
                    Expected::Value(_) => Err(format!("'{pointer}' is {}", short(value.to_string().as_bytes()))),
                }
            }
            Rule::Header(name, expected) => {
                let value = response.header(name).ok_or_else(|| format!("no header '{name}'"))?;
                let holds = match expected {
                    Expected::Present => true,
                    Expected::Text(template) => value == self.render(template, scope, builtins)?,
                    Expected::Value(Scalar::Bool(b)) => value == b.to_string().as_bytes(),
                    Expected::Value(scalar) => {
                        let number: Option<f64> = std::str::from_utf8(value).ok().and_then(|v| v.trim().parse().ok());
                        number.is_some_and(|n| same(n, scalar))
                    }
                };
                if holds { Ok(()) } else { Err(format!("'{name}' is {}", short(value))) }
            }
        }
    }
}

fn fail(rules: &StepRules, rule: &str, message: String) -> Failure {
    Failure { step: rules.step.clone(), rule: rule.to_owned(), message }
}

fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(320)]);
    let shown: String = text.chars().take(80).collect();
    let dots = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{}{dots}", shown.escape_debug())
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    // Text on both sides is the usual case, and its search is linear.
    match (std::str::from_utf8(body), std::str::from_utf8(text)) {
        (Ok(body), Ok(text)) => body.contains(text),
        _ if text.is_empty() => true,
        _ => body.windows(text.len()).any(|w| w == text),
    }
}

fn same(number: f64, scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Int(n) => number.to_bits() == (*n as f64).to_bits(),
        Scalar::Float(n) => number.to_bits() == n.to_bits(),
        _ => false,
    }
}

fn equal(value: &serde_json::Value, scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Bool(b) => value.as_bool() == Some(*b),
        Scalar::Int(n) => value.as_i64() == Some(*n) || value.as_f64().is_some_and(|v| same(v, scalar)),
        Scalar::Float(_) => value.as_f64().is_some_and(|v| same(v, scalar)),
        Scalar::Text(text) => value.as_str() == Some(text),
    }
}

fn text_of(value: &serde_json::Value) -> Vec<u8> {
    value.as_str().map_or_else(|| value.to_string().into_bytes(), |text| text.as_bytes().to_vec())
}

/// A body that is parsed once, when the first rule asks for it.
enum Json {
    Unread,
    Bad(String),
    Read(serde_json::Value),
}

impl Json {
    fn at(&mut self, body: &[u8], pointer: &str) -> Result<&serde_json::Value, String> {
        if matches!(self, Self::Unread) {
            *self = if body.len() > MAX_JSON {
                Self::Bad(format!("the body has more than {} MiB", MAX_JSON >> 20))
            } else {
                match serde_json::from_slice(body) {
                    Ok(value) => Self::Read(value),
                    Err(e) => Self::Bad(format!("the body is no JSON (line {}, column {})", e.line(), e.column())),
                }
            };
        }
        match self {
            Self::Read(value) => value.pointer(pointer).ok_or_else(|| format!("nothing at '{pointer}'")),
            Self::Bad(message) => Err(message.clone()),
            Self::Unread => Err("the body was not read".into()),
        }
    }
}
