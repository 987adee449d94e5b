//! A plan as data: what the scripts of all engines read. Variables are replaced, names have become slots.
use serde::Serialize;

use super::levels;
use super::parts::{Parts, Rule, Taken, parts, rule, taken};
use super::rows::{FeedPart, feed};
use super::{ExportError, ExportFile};
use perfdeck_plan::import::secrets::is_secret_name;
use perfdeck_plan::{Action, Auth, Compiler, Files, HttpStep, Plan, PlanLoad, Step, Template, escape};

/// What a script needs of a plan.
#[derive(Debug, Serialize)]
pub(super) struct Handover {
    name: String,
    seed: u32,
    scenario: bool,
    timeout_s: f64,
    insecure: bool,
    think_s: f64,
    warmup_s: f64,
    duration_s: f64,
    /// How many values templates insert.
    slots: usize,
    /// Slots whose value is an environment variable.
    pub(super) env: Vec<(usize, String)>,
    feeds: Vec<FeedPart>,
    auth: Option<AuthPart>,
    login: Option<LoginPart>,
    /// Steps that iterations have, by their index; the running sums of their weights.
    order: Vec<(usize, f64)>,
    pub(super) steps: Vec<StepPart>,
}

/// A header for every request. `basic` is a text that is sent as `Basic` and its base64.
#[derive(Debug, Serialize)]
struct AuthPart {
    header: String,
    value: Parts,
    basic: bool,
}

#[derive(Debug, Serialize)]
struct LoginPart {
    step: usize,
    header: String,
    value: Parts,
}

/// A step.
#[derive(Debug, Serialize)]
pub(super) struct StepPart {
    /// Short, without characters that mean something to an engine; unique.
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip)]
    pub(super) weight: f64,
    method: &'static str,
    url: Parts,
    headers: Vec<(String, Parts)>,
    body: Option<Parts>,
    pub(super) redirects: u32,
    /// Without a status check, 400 and above is an error.
    own_status: bool,
    need_body: bool,
    checks: Vec<Rule>,
    extract: Vec<Taken>,
}

/// A name that tags and selectors of all engines take.
fn id(number: usize, name: &str, others: &[StepPart]) -> String {
    let plain = name.len() <= 60 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let taken = others.iter().any(|s| s.id == name);
    if plain && !taken && !name.is_empty() { name.to_owned() } else { format!("step.{number}") }
}

struct Builder<'a> {
    plan: &'a Plan,
    base_url: Option<&'a str>,
    files: &'a dyn Files,
    compiler: Compiler,
}

impl Builder<'_> {
    fn template(&mut self, step: &str, text: &str) -> Result<Template, ExportError> {
        self.compiler.compile(text).map_err(|e| ExportError::Plan(format!("step '{step}': {e}")))
    }

    fn parts(&mut self, step: &str, text: &str) -> Result<Parts, ExportError> {
        self.template(step, text).map(|t| parts(&t))
    }

    fn url(&mut self, step: &str, http: &HttpStep) -> Result<Parts, ExportError> {
        let url = match (&http.url, &http.path) {
            (Some(url), _) => url.clone(),
            (None, path) => {
                let base = self.plan.base_url.as_deref().or(self.base_url);
                let base = base.ok_or_else(|| ExportError::NoBaseUrl(step.to_owned()))?;
                let path = path.as_deref().unwrap_or("/");
                format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
            }
        };
        let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
        if authority.contains('@') {
            return Err(ExportError::Secret(format!("the URL of step '{step}'")));
        }
        self.parts(step, &url)
    }

    fn step(&mut self, number: usize, step: &Step, http: &HttpStep, all: &[StepPart]) -> Result<StepPart, ExportError> {
        let wrong = |e: perfdeck_plan::TemplateError| ExportError::Plan(format!("step '{}': {e}", step.name));
        let mut headers = Vec::new();
        for (name, value) in &http.headers {
            headers.push((name.clone(), self.parts(&step.name, value)?));
        }
        let bytes = http.bytes(self.files);
        let bytes = bytes.map_err(|(field, why)| ExportError::Plan(format!("step '{}', {field}: {why}", step.name)))?;
        let text = bytes.map(String::from_utf8).transpose().map_err(|_| {
            ExportError::Plan(format!("step '{}': its body is no text, which a script cannot hold", step.name))
        })?;
        let body = match (&http.body, &http.json) {
            (None, None) if text.is_some() => text.map(|text| self.parts(&step.name, &escape(&text))).transpose()?,
            (Some(body), _) => Some(self.parts(&step.name, body)?),
            (None, Some(json)) => {
                if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    headers.push(("Content-Type".to_owned(), vec!["application/json".into()]));
                }
                Some(parts(&self.compiler.compile_json(&json.0).map_err(wrong)?))
            }
            (None, None) => None,
        };
        let checks = http.checks.iter().enumerate();
        let checks = checks.map(|(i, check)| rule(i + 1, check, &mut self.compiler).map_err(wrong));
        let checks = checks.collect::<Result<Vec<_>, _>>()?;
        let extract: Vec<Taken> = http.extract.iter().map(|e| taken(e, &mut self.compiler)).collect();
        Ok(StepPart {
            id: id(number, &step.name, all),
            name: step.name.clone(),
            weight: step.weight,
            method: http.method.as_str(),
            url: self.url(&step.name, http)?,
            headers,
            body,
            redirects: http.redirects,
            own_status: !http.checks.iter().any(|c| c.status.is_some()),
            need_body: http.checks.iter().any(|c| c.body_contains.is_some() || c.json_pointer.is_some())
                || http.extract.iter().any(|e| e.json_pointer.is_some()),
            checks,
            extract,
        })
    }

    fn auth(&mut self) -> Result<Option<AuthPart>, ExportError> {
        let authorization = || "Authorization".to_owned();
        let (header, value, basic) = match &self.plan.auth {
            Some(Auth::Bearer { token }) => (authorization(), format!("Bearer {}", token.template()), false),
            Some(Auth::Basic { user, password }) => (authorization(), format!("{user}:{}", password.template()), true),
            Some(Auth::Header { name, value }) => (name.clone(), value.template(), false),
            Some(Auth::Login { .. }) | None => return Ok(None),
        };
        Ok(Some(AuthPart { header, value: self.parts("auth", &value)?, basic }))
    }

    fn login(&mut self, steps: &[StepPart]) -> Result<Option<LoginPart>, ExportError> {
        let Some(Auth::Login { step, var, header, value }) = &self.plan.auth else { return Ok(None) };
        let at = steps.iter().position(|s| s.name == *step);
        let at = at.ok_or_else(|| ExportError::Plan(format!("there is no HTTP step '{step}' to log in with")))?;
        let value = value.clone().unwrap_or_else(|| format!("Bearer {{{{{var}}}}}"));
        let header = header.clone().unwrap_or_else(|| "Authorization".to_owned());
        Ok(Some(LoginPart { step: at, header, value: self.parts("auth", &value)? }))
    }
}

impl Handover {
    /// What a script needs of a plan, and its data files.
    pub(super) fn of(
        plan: &Plan,
        base_url: Option<&str>,
        files: &dyn Files,
        notes: &mut Vec<String>,
    ) -> Result<(Self, Vec<ExportFile>), ExportError> {
        let compiler = Compiler::new(&plan.variables).map_err(|e| ExportError::Plan(e.to_string()))?;
        let mut builder = Builder { plan, base_url, files, compiler };
        let mut steps: Vec<StepPart> = Vec::new();
        let mut left_out = Vec::new();
        for (i, step) in plan.steps.iter().enumerate() {
            match &step.action {
                Action::Http(http) => steps.push(builder.step(i + 1, step, http, &steps)?),
                Action::Sql(_) | Action::Cache(_) => left_out.push(step.name.as_str()),
            }
        }
        if !left_out.is_empty() {
            notes.push(format!("Left out, as only HTTP can be handed over: steps {}.", left_out.join(", ")));
        }
        if plan.client_certificate.is_some() {
            notes.push("Left out: the client's certificate, which each engine is told in its own way.".to_owned());
        }
        let (auth, login) = (builder.auth()?, builder.login(&steps)?);
        let mut sum = 0.0;
        let mut order = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let weight = if plan.scenario { 1.0 } else { step.weight.max(0.0) };
            if weight > 0.0 && login.as_ref().is_none_or(|l| l.step != i) {
                sum += weight;
                order.push((i, sum));
            }
        }
        if order.is_empty() {
            return Err(ExportError::NoHttpStep);
        }
        let (mut feeds, mut data) = (Vec::new(), Vec::new());
        for (i, spec) in plan.feeds.iter().enumerate() {
            if let Some((part, rows)) = feed(i + 1, spec, &builder.compiler, files)? {
                feeds.push(part);
                data.extend(rows);
            }
        }
        literal_secrets(plan, notes);
        let names = builder.compiler.names();
        let env = names.iter().enumerate();
        let env = env.filter_map(|(slot, name)| Some((slot, name.strip_prefix("env:")?.to_owned()))).collect();
        let think = if let PlanLoad::Closed { think_time: Some(t), .. } = &plan.load { t.as_secs_f64() } else { 0.0 };
        let handover = Self {
            name: plan.name.clone(),
            seed: plan.seed,
            scenario: plan.scenario,
            timeout_s: plan.timeout.as_secs_f64(),
            insecure: plan.insecure_tls,
            think_s: think,
            warmup_s: levels::warm_seconds(plan),
            duration_s: plan.measured().as_secs_f64(),
            slots: names.iter().count(),
            env,
            feeds,
            auth,
            login,
            order,
            steps,
        };
        Ok((handover, data))
    }

    /// Whether any feed gives each row once.
    pub(super) fn has_unique_feed(&self) -> bool {
        self.feeds.iter().any(|f| f.mode == perfdeck_plan::FeedMode::Unique)
    }

    /// Steps that iterations choose from, with their weights.
    pub(super) fn chosen(&self) -> impl Iterator<Item = (usize, f64)> {
        self.order.iter().filter_map(|(i, _)| Some((*i, self.steps.get(*i)?.weight)))
    }
}

/// Says where the plan itself holds what looks like a secret: the files then hold it too.
fn literal_secrets(plan: &Plan, notes: &mut Vec<String>) {
    for step in &plan.steps {
        let Action::Http(http) = &step.action else { continue };
        let literal = |(name, value): &(&String, &String)| is_secret_name(name) && !value.contains("{{");
        for (name, _) in http.headers.iter().filter(literal) {
            notes.push(format!(
                "Step '{}': the plan holds the value of header {name}, and so do these files.",
                step.name
            ));
        }
    }
    for (name, value) in &plan.variables {
        if is_secret_name(name) && !value.contains("{{") && !value.starts_with("env:") {
            notes.push(format!("The plan holds the value of variable {name}, and so do these files."));
        }
    }
}
