//! Plans that the HTTP engines can run: one request at a steady load. What a plan asks for beyond that is refused by
//! name, never left out in silence.
use std::collections::BTreeMap;

use perfdeck_model::{ApiError, ErrorCode, Header, HttpBenchSpec, LatencyMs, Load, Run};

use crate::plan::{
    Action, Arrivals, Auth, Builtins, Compiler, Distribution, Figures, HttpStep, Load as PlanLoad, Plan, Quantile,
    Scope, StepFigures, Threshold, ThresholdResult, Warmup,
};
use crate::record::{ms, unpacked};
use crate::target::is_secret;

/// Shortest value of an environment variable that is looked for where a run would store it.
const SHORTEST_SECRET: usize = 4;

fn not_yet(plan: &Plan, what: &str) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("Plan '{}': {what} cannot be run by this version yet", plan.name))
        .hint("One HTTP step with a closed loop or a constant rate can be run")
}

/// Renders templates with the plan's variables and the environment's values.
struct Texts<'a> {
    compiler: Compiler,
    env: BTreeMap<String, String>,
    plan: &'a Plan,
    step: &'a str,
}

impl Texts<'_> {
    fn wrong(&self, field: &str, why: &dyn std::fmt::Display) -> ApiError {
        ApiError::bad_request(format!("step '{}', {field}: {why}", self.step))
    }

    fn render(&mut self, field: &str, text: &str) -> Result<String, ApiError> {
        if text.contains("{{$") {
            return Err(not_yet(self.plan, "a value that is new in each request"));
        }
        let template = self.compiler.compile(text).map_err(|e| self.wrong(field, &e))?;
        self.finish(field, &template)
    }

    fn finish(&self, field: &str, template: &crate::plan::Template) -> Result<String, ApiError> {
        let mut scope: Scope = self.compiler.names().scope();
        for (name, value) in &self.env {
            if let Some(slot) = self.compiler.names().find(&format!("env:{name}")) {
                scope.set(slot, value.as_bytes());
            }
        }
        let mut out = Vec::new();
        let mut builtins = Builtins::new(u64::from(self.plan.seed), 0, 1);
        template.render(&scope, &mut builtins, &mut out).map_err(|e| self.wrong(field, &e))?;
        String::from_utf8(out).map_err(|_| self.wrong(field, &"it is not text"))
    }

    /// A text that a run stores as it is: it must not hold what came from the environment.
    fn open(&mut self, field: &str, text: &str) -> Result<String, ApiError> {
        let rendered = self.render(field, text)?;
        self.check_open(field, &rendered)?;
        Ok(rendered)
    }

    fn check_open(&self, field: &str, rendered: &str) -> Result<(), ApiError> {
        match self.env.iter().find(|(_, v)| v.len() >= SHORTEST_SECRET && rendered.contains(v.as_str())) {
            Some((name, _)) => Err(self
                .wrong(field, &format!("the value of {name} would be stored with the run"))
                .hint("Send it in the Authorization header, or in one whose name says that it is a token or a key")),
            None => Ok(()),
        }
    }
}

/// What the engines cannot do yet.
fn refuse(plan: &Plan, http: &HttpStep) -> Result<(), ApiError> {
    let asked = [
        (!plan.feeds.is_empty(), "feeds"),
        (!plan.stages.is_empty(), "stages"),
        (!http.extract.is_empty(), "extraction"),
        (!http.checks.is_empty(), "checks"),
        (http.redirects > 0, "redirects"),
        (matches!(plan.warmup, Some(Warmup::UntilSteady { .. })), "a warm-up until steady"),
        (matches!(plan.auth, Some(Auth::Login { .. })), "a login step"),
        (matches!(plan.load, PlanLoad::Open { arrivals: Arrivals::Poisson, .. }), "Poisson arrivals"),
        (matches!(plan.load, PlanLoad::Open { late_limit: Some(_), .. }), "a late limit"),
        (matches!(plan.load, PlanLoad::Closed { think_time: Some(_), .. }), "think time"),
    ];
    match asked.into_iter().find(|(is, _)| *is) {
        Some((_, what)) => Err(not_yet(plan, what)),
        None => Ok(()),
    }
}

fn headers(texts: &mut Texts<'_>, http: &HttpStep) -> Result<Vec<Header>, ApiError> {
    let mut all = Vec::new();
    match &texts.plan.auth {
        Some(Auth::Bearer { token }) => {
            let value = texts.render("auth", &token.template())?;
            all.push(Header { name: "Authorization".to_owned(), value: format!("Bearer {value}") });
        }
        Some(Auth::Basic { user, password }) => {
            use base64::Engine as _;
            let pair = format!("{}:{}", texts.render("auth", user)?, texts.render("auth", &password.template())?);
            let value = base64::engine::general_purpose::STANDARD.encode(pair);
            all.push(Header { name: "Authorization".to_owned(), value: format!("Basic {value}") });
        }
        Some(Auth::Header { name, value }) => {
            let value = texts.render("auth", &value.template())?;
            if !is_secret(name) {
                texts.check_open("auth", &value)?;
            }
            all.push(Header { name: name.clone(), value });
        }
        Some(Auth::Login { .. }) | None => {}
    }
    for (name, value) in &http.headers {
        let field = format!("header {name}");
        let value = if is_secret(name) { texts.render(&field, value)? } else { texts.open(&field, value)? };
        all.push(Header { name: name.clone(), value });
    }
    if http.json.is_some() && !http.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        all.push(Header { name: "Content-Type".to_owned(), value: "application/json".to_owned() });
    }
    Ok(all)
}

/// The plan as one request at a steady load. `api` is the environment's address, `env` reads a variable.
///
/// # Errors
/// [`ErrorCode::Unsupported`] naming what the engines cannot do yet, [`ErrorCode::BadRequest`] naming the step and field
/// that is wrong, [`ErrorCode::SecretMissing`] naming the variable that is not set.
pub fn single_request(
    plan: &Plan,
    api: Option<&str>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<HttpBenchSpec, ApiError> {
    let [step] = plan.steps.as_slice() else { return Err(not_yet(plan, "more than one step")) };
    let http = match &step.action {
        Action::Http(http) => http,
        Action::Sql(_) => return Err(not_yet(plan, &format!("step '{}', a SQL statement,", step.name))),
        Action::Cache(_) => return Err(not_yet(plan, &format!("step '{}', a cache command,", step.name))),
    };
    refuse(plan, http)?;
    let mut values = BTreeMap::new();
    for name in plan.env_names() {
        let value = env(&name).ok_or_else(|| {
            ApiError::new(ErrorCode::SecretMissing, format!("The variable {name} of plan '{}' is not set", plan.name))
                .hint(format!("Set {name} before the run"))
        })?;
        values.insert(name, value);
    }
    let compiler =
        Compiler::new(&plan.variables).map_err(|e| ApiError::bad_request(format!("plan '{}': {e}", plan.name)))?;
    let mut texts = Texts { compiler, env: values, plan, step: &step.name };
    let url = match (&http.url, &http.path) {
        (Some(url), _) => texts.open("url", url)?,
        (None, path) => {
            let base = plan.base_url.as_deref().or(api).ok_or_else(|| {
                ApiError::bad_request(format!("step '{}': its path has no base URL", step.name))
                    .hint("Set base_url in the plan, or name an environment with an API by --env")
            })?;
            let base = texts.open("base_url", base)?;
            let path = texts.open("path", path.as_deref().unwrap_or("/"))?;
            format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
        }
    };
    let headers = headers(&mut texts, http)?;
    let body = match (&http.body, &http.json) {
        (Some(body), _) => Some(texts.open("body", body)?),
        (None, Some(json)) => {
            if json.0.to_string().contains("{{$") {
                return Err(not_yet(plan, "a value that is new in each request"));
            }
            let template = texts.compiler.compile_json(&json.0).map_err(|e| texts.wrong("json", &e))?;
            let text = texts.finish("json", &template)?;
            texts.check_open("json", &text)?;
            Some(text)
        }
        (None, None) => None,
    };
    let (load, connections) = match &plan.load {
        PlanLoad::Closed { connections, .. } => (Load::Closed, *connections),
        PlanLoad::Open { rate_per_s, max_in_flight, .. } => (Load::Rate { rate_per_s: *rate_per_s }, *max_in_flight),
    };
    Ok(HttpBenchSpec {
        url,
        method: http.method,
        headers,
        body,
        load,
        connections,
        threads: None,
        duration_s: plan.measured().as_secs_f64(),
        warmup_s: match plan.warmup {
            Some(Warmup::Fixed { duration }) => duration.as_secs_f64(),
            _ => 0.0,
        },
        timeout_s: plan.timeout.as_secs_f64(),
        insecure_tls: plan.insecure_tls,
    })
}

/// A stored distribution with these quantiles, read from its histogram.
fn distribution(l: &LatencyMs, packed: &str, quantiles: &[f64]) -> Option<Distribution> {
    let times = unpacked(packed).filter(|times| !times.is_empty())?;
    let quantiles = quantiles.iter().map(|q| Quantile { q: *q, ms: ms(times.value_at_quantile(*q)) }).collect();
    Some(Distribution { n: l.n, min: l.min, mean: l.mean, max: l.max, quantiles })
}

/// How a plan's thresholds turned out in a run of its one step.
///
/// # Errors
/// [`ErrorCode::BadRequest`] naming a threshold that cannot be read.
pub fn judge_thresholds(plan: &Plan, run: &Run) -> Result<Vec<ThresholdResult>, ApiError> {
    let thresholds = plan
        .thresholds
        .iter()
        .map(|text| {
            Threshold::parse(text).map_err(|e| ApiError::bad_request(format!("threshold '{}': {}", e.text, e.message)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let wanted: Vec<f64> = thresholds.iter().filter_map(Threshold::quantile).collect();
    let open_loop = run.target_rate_per_s.is_some();
    let figures = StepFigures {
        requests: run.requests,
        errors: run.errors,
        rate_per_s: Some(run.rate_per_s),
        response: distribution(&run.response_ms, &run.response_histogram, &wanted),
        service: distribution(&run.service_ms, &run.service_histogram, &wanted),
        lag: open_loop.then(|| distribution(&run.schedule_lag_ms, &run.lag_histogram, &wanted)).flatten(),
    };
    let steps = plan.steps.iter().map(|step| (step.name.clone(), figures.clone())).collect();
    let all = Figures { total: figures, steps };
    Ok(thresholds.iter().map(|threshold| threshold.evaluate(&all)).collect())
}

#[cfg(test)]
mod tests {
    use perfdeck_model::Method;

    use super::*;
    use crate::plan::from_toml;

    fn plan(text: &str) -> Plan {
        from_toml(text).unwrap_or_else(|e| panic!("{e}"))
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    const ORDER: &str = r#"
        name = "order"
        duration = "30s"
        timeout = "2s"
        variables = { shop = "7", token = "env:TOKEN" }
        thresholds = ["p99 < 50ms", "errors < 0.1%"]
        [load]
        kind = "open"
        rate_per_s = 200
        max_in_flight = 64
        [warmup]
        kind = "fixed"
        duration = "5s"
        [auth]
        kind = "bearer"
        token = "env:TOKEN"
        [[steps]]
        name = "order"
        kind = "http"
        method = "POST"
        path = "/shops/{{shop}}/orders"
        json = { item = "a-{{shop}}", amount = 2 }
    "#;

    #[test]
    fn a_plan_becomes_one_request() {
        let env = |name: &str| (name == "TOKEN").then(|| "canary-token".to_owned());
        let spec = single_request(&plan(ORDER), Some("http://127.0.0.1:8000/"), env).expect("it can be run");
        assert_eq!(spec.url, "http://127.0.0.1:8000/shops/7/orders", "the path is added to the environment's address");
        assert_eq!((spec.method, spec.connections), (Method::Post, 64), "method and connections are the plan's");
        assert_eq!(spec.load, Load::Rate { rate_per_s: 200.0 }, "so is the rate");
        assert_eq!((spec.duration_s, spec.warmup_s, spec.timeout_s), (30.0, 5.0, 2.0), "and its times");
        let body: serde_json::Value = serde_json::from_str(spec.body.as_deref().expect("a body")).expect("JSON");
        assert_eq!(body, serde_json::json!({ "item": "a-7", "amount": 2 }), "templates in JSON are filled in");
        assert_eq!(spec.headers[0].value, "Bearer canary-token", "the token is sent");
        let kept = serde_json::to_string(&crate::redacted(&spec)).expect("json");
        assert!(!kept.contains("canary"), "and not stored: {kept}");
        let missing = single_request(&plan(ORDER), Some("http://127.0.0.1:1"), nothing).expect_err("no token");
        assert!(missing.message.contains("TOKEN"), "a variable that is not set is named: {}", missing.message);
    }

    #[test]
    fn a_secret_is_refused_where_it_would_be_stored() {
        let leaky = ORDER.replace("/shops/{{shop}}/orders", "/shops?key={{token}}");
        let env = |_: &str| Some("canary-token".to_owned());
        let error = single_request(&plan(&leaky), Some("http://127.0.0.1:1"), env).expect_err("in the URL");
        assert!(error.message.contains("TOKEN") && !error.message.contains("canary"), "{}", error.message);
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        for (change, word) in [
            (ORDER.replace("[[steps]]", "[[stages]]\nkind = \"hold\"\nduration = \"5s\"\n[[steps]]"), "stages"),
            (format!("{ORDER}\n[[steps]]\nname = \"two\"\nkind = \"http\"\npath = \"/\""), "more than one step"),
            (ORDER.replace("a-{{shop}}", "{{$uuid}}"), "new in each request"),
            (ORDER.replace("rate_per_s = 200", "rate_per_s = 200\narrivals = \"poisson\""), "Poisson"),
        ] {
            let env = |_: &str| Some("x".to_owned());
            let error = single_request(&plan(&change), Some("http://127.0.0.1:1"), env).expect_err(word);
            assert_eq!(error.code, ErrorCode::Unsupported, "{word}: {}", error.message);
            assert!(error.message.contains(word) && error.hint.is_some(), "it names {word}: {}", error.message);
        }
    }
}
