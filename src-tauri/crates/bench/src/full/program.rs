//! A plan compiled for the full engine: templates with their slots, requests that never change built once, and where
//! each request goes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use perfdeck_model::{ApiError, HttpBenchSpec, Remedy};
use sqlx::SqlStr;

use super::connect::{Dialer, Origin, tls_config};
use crate::resources::{OpensTargets, Resources};
use crate::target::{Target, lookup, target};
use perfdeck_net::client_auth::{ClientAuth, read_file};
use perfdeck_plan::{
    Action, Arrivals, Auth, Builtins, CacheStep, Compiler, Feed, HttpStep, Names, Plan, PlanLoad, Profile, Scalar,
    Scope, SqlParameter, SqlStep, SqlType, StepRules, Template, Warmup,
};

/// What all threads of the full engine share.
pub(crate) struct Program {
    pub(crate) steps: Vec<Compiled>,
    pub(crate) order: Order,
    pub(crate) names: Names,
    /// Values that hold for the whole run, by slot.
    pub(crate) given: Vec<(usize, Vec<u8>)>,
    pub(crate) feeds: Vec<Arc<Feed>>,
    pub(crate) seed: u64,
    pub(crate) auth: Option<(HeaderName, Template)>,
    pub(crate) login: Option<Login>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) dialer: Dialer,
    /// Whether workers keep the cookies that they are given.
    pub(crate) cookies: bool,
    pub(crate) targets: Option<Arc<dyn OpensTargets>>,
    pub(crate) pace: Pace,
    /// Connections of all threads.
    pub(crate) connections: usize,
}

/// When iterations start.
pub(crate) enum Pace {
    /// The next one when the last one ended. The profile is the number of connections at work.
    Closed { profile: Arc<Profile>, think_time: Option<Duration> },
    /// On a schedule.
    Open { profile: Arc<Profile>, arrivals: Arrivals, late_limit: Option<Duration> },
}

/// Which steps an iteration has.
#[derive(Clone)]
pub(crate) enum Order {
    /// All of them.
    All,
    /// One, by its share: the running sums of the weights.
    One(Vec<f64>),
}

/// A step that runs once per connection and gives all others a header.
pub(crate) struct Login {
    pub(crate) step: usize,
    pub(crate) header: HeaderName,
    pub(crate) value: Template,
}

/// A step.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) name: String,
    pub(crate) action: Call,
}

/// What a step does.
#[derive(Clone)]
pub(crate) enum Call {
    Http(Box<HttpCall>),
    Sql(SqlCall),
    Cache(CacheCall),
}

#[derive(Clone)]
pub(crate) struct HttpCall {
    pub(crate) method: hyper::Method,
    pub(crate) origin: usize,
    pub(crate) url: Template,
    /// Length of the scheme and authority in front of the path.
    pub(crate) strip: usize,
    pub(crate) headers: Vec<(HeaderName, Template)>,
    pub(crate) body: Option<Template>,
    /// A body that is no template.
    pub(crate) bytes: Option<Bytes>,
    pub(crate) redirects: u32,
    pub(crate) rules: StepRules,
    /// The whole request, when it is always the same.
    pub(crate) fixed: Option<(Parts, Bytes)>,
}

#[derive(Clone)]
pub(crate) struct SqlCall {
    pub(crate) statement: SqlStr,
    /// The same for PostgreSQL.
    pub(crate) wire: perfdeck_pgload::Statement,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) transaction: bool,
    pub(crate) prepared: bool,
}

/// A parameter of a statement.
#[derive(Clone)]
pub(crate) enum Parameter {
    Bool(bool),
    Int(i64),
    Float(f64),
    Template(Template, SqlType),
}

#[derive(Clone)]
pub(crate) struct CacheCall {
    pub(crate) command: Template,
    pub(crate) args: Vec<Template>,
}

fn wrong(step: &str, field: &str, why: &dyn std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("step '{step}', {field}: {why}"))
}

struct Builder<'a> {
    plan: &'a Plan,
    resources: &'a Resources,
    compiler: Compiler,
    origins: Vec<Origin>,
}

impl Builder<'_> {
    fn template(&mut self, step: &str, field: &str, text: &str) -> Result<Template, ApiError> {
        self.compiler.compile(text).map_err(|e| wrong(step, field, &e))
    }

    /// The values that are known before the run.
    fn scope(&self) -> Scope {
        let mut scope = self.compiler.names().scope();
        for (name, value) in &self.resources.variables {
            if let Some(slot) = self.compiler.names().find(&format!("env:{name}")) {
                scope.set(slot, value.as_bytes());
            }
        }
        scope
    }

    /// Scheme and authority of a URL, which must be known before the run, and how long they are.
    async fn origin(&mut self, step: &str, url: &Template) -> Result<(usize, usize), ApiError> {
        let mut builtins = Builtins::new(self.plan.seed.into(), 0, 1);
        let mut text = Vec::new();
        let whole = url.render(&self.scope(), &mut builtins, &mut text).is_ok();
        let text = String::from_utf8_lossy(&text).into_owned();
        let unknown = || {
            wrong(step, "url", &"scheme and host must be known before the run")
                .hint("Put variables into the path; the addresses of the host are shown before anything is sent")
        };
        let after = text.find("://").map(|at| at + 3).ok_or_else(unknown)?;
        let end = text[after..].find(['/', '?', '#']).map(|at| after + at);
        let strip = match end {
            Some(end) => end,
            None if whole => text.len(),
            None => return Err(unknown()),
        };
        let spec: HttpBenchSpec = bare(&text[..strip]);
        let Target { tls, host, port, .. } = target(&spec).map_err(|e| wrong(step, "url", &e.message))?;
        if let Some(at) = self.origins.iter().position(|o| o.tls == tls && o.host == host && o.port == port) {
            return Ok((at, strip));
        }
        let addresses = lookup(&host, port).await?;
        self.origins.push(Origin { tls, host, port, addresses, preferred: AtomicUsize::new(0) });
        Ok((self.origins.len() - 1, strip))
    }

    async fn http(&mut self, step: &str, http: &HttpStep) -> Result<HttpCall, ApiError> {
        let url = match (&http.url, &http.path) {
            (Some(url), _) => url.clone(),
            (None, path) => {
                let base = self.plan.base_url.as_deref().or(self.resources.api.as_deref()).ok_or_else(|| {
                    wrong(step, "path", &"it has no base URL")
                        .hint("Set base_url in the plan, or name an environment with an API")
                        .remedy(Remedy::NameEnvironment)
                })?;
                let path = path.as_deref().unwrap_or("/");
                format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
            }
        };
        let url = self.template(step, "url", &url)?;
        let mut headers = Vec::new();
        for (name, value) in &http.headers {
            let field = format!("header {name}");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong(step, &field, &e))?;
            headers.push((name, self.template(step, &field, value)?));
        }
        let body = match (&http.body, &http.json) {
            (Some(body), _) => Some(self.template(step, "body", body)?),
            (None, Some(json)) => {
                if !headers.iter().any(|(name, _)| *name == CONTENT_TYPE) {
                    headers.push((CONTENT_TYPE, self.template(step, "json", "application/json")?));
                }
                Some(self.compiler.compile_json(&json.0).map_err(|e| wrong(step, "json", &e))?)
            }
            (None, None) => None,
        };
        let bytes = http.bytes(&*self.resources.files).map_err(|(field, why)| wrong(step, field, &why))?;
        let rules = StepRules::new(step, http, &mut self.compiler).map_err(|e| wrong(step, "checks", &e))?;
        let (origin, strip) = self.origin(step, &url).await?;
        let method =
            hyper::Method::from_bytes(http.method.as_str().as_bytes()).map_err(|e| wrong(step, "method", &e))?;
        Ok(HttpCall {
            method,
            origin,
            url,
            strip,
            headers,
            body,
            bytes: bytes.map(Bytes::from),
            redirects: http.redirects,
            rules,
            fixed: None,
        })
    }

    fn sql(&mut self, step: &str, sql: &SqlStep) -> Result<SqlCall, ApiError> {
        let parameters = sql.parameters.iter().map(|parameter| {
            Ok(match parameter {
                SqlParameter::Plain(Scalar::Bool(value)) => Parameter::Bool(*value),
                SqlParameter::Plain(Scalar::Int(value)) => Parameter::Int(*value),
                SqlParameter::Plain(Scalar::Float(value)) => Parameter::Float(*value),
                SqlParameter::Plain(Scalar::Text(text)) => {
                    Parameter::Template(self.template(step, "parameters", text)?, SqlType::Inferred)
                }
                SqlParameter::Typed(typed) => {
                    Parameter::Template(self.template(step, "parameters", &typed.value)?, typed.kind)
                }
            })
        });
        let parameters = parameters.collect::<Result<_, ApiError>>()?;
        // The statement is the plan's own text; only parameters carry values.
        let statement = sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(sql.statement.clone()));
        let wire = perfdeck_pgload::Statement::new(&sql.statement);
        Ok(SqlCall { statement, wire, parameters, transaction: sql.transaction, prepared: sql.prepared })
    }

    fn cache(&mut self, step: &str, cache: &CacheStep) -> Result<CacheCall, ApiError> {
        let command = self.template(step, "command", &cache.command)?;
        let args = cache.args.iter().map(|arg| self.template(step, "args", arg)).collect::<Result<_, _>>()?;
        Ok(CacheCall { command, args })
    }

    fn auth(&mut self) -> Result<Option<(HeaderName, Template)>, ApiError> {
        let named = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong("auth", "name", &e));
        Ok(Some(match &self.plan.auth {
            Some(Auth::Bearer { token }) => {
                (named("authorization")?, self.template("auth", "token", &format!("Bearer {}", token.template()))?)
            }
            Some(Auth::Basic { user, password }) => {
                let pair = self.template("auth", "basic", &format!("{user}:{}", password.template()))?;
                let mut text = Vec::new();
                pair.render(&self.scope(), &mut Builtins::new(0, 0, 1), &mut text)
                    .map_err(|e| wrong("auth", "basic", &e))?;
                let coded = base64::engine::general_purpose::STANDARD.encode(text);
                (named("authorization")?, self.template("auth", "basic", &format!("Basic {coded}"))?)
            }
            Some(Auth::Header { name, value }) => (named(name)?, self.template("auth", "value", &value.template())?),
            Some(Auth::Login { .. }) | None => return Ok(None),
        }))
    }

    fn login(&mut self) -> Result<Option<Login>, ApiError> {
        let Some(Auth::Login { step, var, header, value }) = &self.plan.auth else { return Ok(None) };
        let at = self.plan.steps.iter().position(|s| s.name == *step);
        let at = at.ok_or_else(|| wrong("auth", "step", &format!("there is no step '{step}'")))?;
        let header = header.as_deref().unwrap_or("authorization");
        let header = HeaderName::from_bytes(header.as_bytes()).map_err(|e| wrong("auth", "header", &e))?;
        let value = value.clone().unwrap_or_else(|| format!("Bearer {{{{{var}}}}}"));
        Ok(Some(Login { step: at, header, value: self.template("auth", "value", &value)? }))
    }
}

/// A request with nothing but its URL, to read scheme and host with the rules of all other URLs.
fn bare(url: &str) -> HttpBenchSpec {
    HttpBenchSpec {
        url: url.to_owned(),
        method: perfdeck_model::Method::Get,
        headers: Vec::new(),
        body: None,
        body_base64: None,
        load: perfdeck_model::Load::Closed,
        connections: 1,
        threads: None,
        duration_s: 1.0,
        warmup_s: 0.0,
        timeout_s: 1.0,
        insecure_tls: false,
        thresholds: Vec::new(),
        client_certificate: None,
    }
}

/// Running sums of the weights of the steps that are chosen by them; a login step is none of these.
fn weights(plan: &Plan, login: Option<&Login>) -> Vec<f64> {
    let mut sum = 0.0;
    let weight = |(i, step): (usize, &perfdeck_plan::Step)| {
        if login.is_none_or(|l| l.step != i) {
            sum += step.weight.max(0.0);
        }
        sum
    };
    plan.steps.iter().enumerate().map(weight).collect()
}

impl Program {
    /// Compiles a plan, opens its feeds and looks up its hosts.
    ///
    /// # Errors
    /// What is wrong, naming the step and the field; [`perfdeck_model::ErrorCode::Unreachable`] for a host without an
    /// address.
    pub(crate) async fn of_plan(plan: &Plan, resources: &Resources) -> Result<Self, ApiError> {
        let bad = |e: &dyn std::fmt::Display| ApiError::bad_request(format!("plan '{}': {e}", plan.name));
        let compiler = Compiler::new(&plan.variables).map_err(|e| bad(&e))?;
        let mut builder = Builder { plan, resources, compiler, origins: Vec::new() };
        let mut steps = Vec::new();
        for step in &plan.steps {
            let action = match &step.action {
                Action::Http(http) => Call::Http(Box::new(builder.http(&step.name, http).await?)),
                Action::Sql(sql) => Call::Sql(builder.sql(&step.name, sql)?),
                Action::Cache(cache) => Call::Cache(builder.cache(&step.name, cache)?),
            };
            steps.push(Compiled { name: step.name.clone(), action });
        }
        let (auth, login) = (builder.auth()?, builder.login()?);
        let feeds = plan.feeds.iter().map(|spec| resources.open(spec).map_err(|e| bad(&e)));
        let feeds = feeds.collect::<Result<Vec<_>, _>>()?;
        let profile = Arc::new(Profile::of(plan).map_err(|e| bad(&e))?);
        let (pace, connections) = match &plan.load {
            PlanLoad::Closed { think_time, .. } => {
                let peak = profile.peak().ceil() as usize;
                (Pace::Closed { profile, think_time: think_time.map(|t| t.0) }, peak)
            }
            PlanLoad::Open { arrivals, max_in_flight, late_limit, .. } => {
                let pace = Pace::Open { profile, arrivals: *arrivals, late_limit: late_limit.map(|l| l.0) };
                (pace, usize::try_from(*max_in_flight).unwrap_or(1))
            }
        };
        let given = builder.scope();
        let values = builder.compiler.names().iter().enumerate();
        let values = values.filter_map(|(slot, _)| Some((slot, given.get(slot)?.to_vec()))).collect();
        let order = if plan.scenario { Order::All } else { Order::One(weights(plan, login.as_ref())) };
        let client = plan.client_certificate.as_ref();
        let client = client.map(|named| ClientAuth::load(named, |name, limit| resources.files.read(name, limit)));
        let client = client.transpose()?;
        let tls = builder.origins.iter().any(|o| o.tls).then(|| tls_config(plan.insecure_tls, client.as_ref()));
        let tls = tls.transpose()?;
        let mut program = Self {
            steps,
            order,
            names: builder.compiler.names().clone(),
            given: values,
            feeds,
            seed: plan.seed.into(),
            auth,
            login,
            origins: builder.origins,
            dialer: Dialer { tls, timeout: plan.timeout.0, contact: Arc::default() },
            cookies: true,
            targets: resources.targets.clone(),
            pace,
            connections: connections.max(1),
        };
        program.fix(&given)?;
        Ok(program)
    }

    /// One request, again and again.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub(crate) fn of_request(
        spec: &HttpBenchSpec,
        target: Target,
        addresses: Vec<std::net::SocketAddr>,
    ) -> Result<Self, ApiError> {
        let mut compiler = Compiler::new(&BTreeMap::new()).map_err(|e| ApiError::internal(e.to_string()))?;
        let url = compiler.compile("/").map_err(|e| ApiError::internal(e.to_string()))?;
        let rules = StepRules::new("request", &HttpStep::default(), &mut compiler);
        let call = HttpCall {
            method: target.head.method.clone(),
            origin: 0,
            url,
            strip: 0,
            headers: Vec::new(),
            body: None,
            bytes: None,
            redirects: 0,
            rules: rules.map_err(|e| ApiError::internal(e.to_string()))?,
            fixed: Some((target.head, target.body)),
        };
        let (level, open) = match spec.load {
            perfdeck_model::Load::Closed => (f64::from(spec.connections), false),
            perfdeck_model::Load::Rate { rate_per_s } => (rate_per_s, true),
        };
        let profile = Profile::new(level, &[], spec.duration_s);
        let profile = Arc::new(profile.map_err(|e| ApiError::bad_request(e.to_string()))?);
        let pace = if open {
            Pace::Open { profile, arrivals: Arrivals::Constant, late_limit: None }
        } else {
            Pace::Closed { profile, think_time: None }
        };
        let client = spec.client_certificate.as_ref().map(|named| ClientAuth::load(named, read_file)).transpose()?;
        let tls = target.tls.then(|| tls_config(spec.insecure_tls, client.as_ref())).transpose()?;
        Ok(Self {
            steps: vec![Compiled { name: "request".to_owned(), action: Call::Http(Box::new(call)) }],
            order: Order::All,
            names: compiler.names().clone(),
            given: Vec::new(),
            feeds: Vec::new(),
            seed: 1,
            auth: None,
            login: None,
            origins: vec![Origin {
                tls: target.tls,
                host: target.host,
                port: target.port,
                addresses,
                preferred: AtomicUsize::new(0),
            }],
            dialer: Dialer { tls, timeout: Duration::from_secs_f64(spec.timeout_s), contact: Arc::default() },
            cookies: false,
            targets: None,
            pace,
            connections: usize::try_from(spec.connections).unwrap_or(1),
        })
    }

    /// Builds the requests that never change.
    fn fix(&mut self, given: &Scope) -> Result<(), ApiError> {
        let fixed = |template: &Template| template.is_fixed(given);
        if self.auth.as_ref().is_some_and(|(_, value)| !fixed(value)) || self.login.is_some() {
            return Ok(());
        }
        let mut builtins = Builtins::new(self.seed, 0, 1);
        for step in &mut self.steps {
            let Call::Http(call) = &mut step.action else { continue };
            let parts = [&call.url].into_iter().chain(call.headers.iter().map(|(_, v)| v)).chain(&call.body);
            if parts.into_iter().all(fixed) {
                let origin = &self.origins[call.origin];
                let request = build(call, origin, self.auth.as_ref(), given, &mut builtins, &mut Vec::new());
                call.fixed = Some(request.map_err(|e| wrong(&step.name, "request", &e))?);
            }
        }
        Ok(())
    }

    /// Whether all that it needs is a server that answers everything: no TLS, no database, no cache, no login.
    pub(crate) fn is_plain_http(&self) -> bool {
        !self.origins.is_empty()
            && self.origins.iter().all(|o| !o.tls)
            && self.login.is_none()
            && self.needs() == (false, false)
    }

    /// The same in a closed loop without pauses against such a server at `address`; `None` when a loop of so many
    /// connections is out of bounds.
    pub(crate) fn against(&self, address: std::net::SocketAddr, connections: usize, timeout: Duration) -> Option<Self> {
        let stand_in = |origin: &Origin| Origin {
            tls: false,
            host: origin.host.clone(),
            port: origin.port,
            addresses: vec![address],
            preferred: AtomicUsize::new(0),
        };
        let origins = self.origins.iter().map(stand_in).collect();
        let profile = Arc::new(Profile::new(connections as f64, &[], 60.0).ok()?);
        Some(Self {
            steps: self.steps.clone(),
            order: self.order.clone(),
            names: self.names.clone(),
            given: self.given.clone(),
            feeds: self.feeds.clone(),
            seed: self.seed,
            auth: self.auth.clone(),
            login: None,
            origins,
            dialer: Dialer { tls: None, timeout, contact: Arc::default() },
            cookies: self.cookies,
            targets: None,
            pace: Pace::Closed { profile, think_time: None },
            connections,
        })
    }

    /// Whether an iteration is one transaction of several statements, with a time and a rate of its own.
    pub(crate) fn is_transaction(&self) -> bool {
        let sql = |step: &Compiled| matches!(step.action, Call::Sql(_));
        matches!(self.order, Order::All) && self.steps.len() > 1 && self.steps.iter().all(sql)
    }

    /// Whether any step needs the database, or the cache.
    pub(crate) fn needs(&self) -> (bool, bool) {
        let any = |of: fn(&Call) -> bool| self.steps.iter().any(|s| of(&s.action));
        (any(|a| matches!(a, Call::Sql(_))), any(|a| matches!(a, Call::Cache(_))))
    }
}

/// The authority of an origin as a Host header says it.
fn authority(origin: &Origin) -> String {
    let name = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let usual = if origin.tls { 443 } else { 80 };
    if origin.port == usual { name } else { format!("{name}:{}", origin.port) }
}

/// Renders a request. `buffer` is scratch space.
///
/// # Errors
/// A variable without a value, or a text that no header or path can hold.
pub(crate) fn build(
    call: &HttpCall,
    origin: &Origin,
    auth: Option<&(HeaderName, Template)>,
    scope: &Scope,
    builtins: &mut Builtins,
    buffer: &mut Vec<u8>,
) -> Result<(Parts, Bytes), String> {
    buffer.clear();
    call.url.render(scope, builtins, buffer).map_err(|e| e.to_string())?;
    let path = buffer.get(call.strip..).unwrap_or_default();
    let path = path.split(|b| *b == b'#').next().unwrap_or_default();
    let uri = match path.first() {
        Some(b'/') => hyper::Uri::try_from(path),
        _ => hyper::Uri::try_from([b"/", path].concat()),
    };
    let uri = uri.map_err(|e| format!("the path cannot be sent: {e}"))?;
    let (mut parts, ()) = hyper::Request::new(()).into_parts();
    (parts.method, parts.uri) = (call.method.clone(), uri);
    parts.headers.reserve(call.headers.len() + 3);
    let host = HeaderValue::try_from(authority(origin)).map_err(|e| e.to_string())?;
    parts.headers.insert(HOST, host);
    parts.headers.insert(USER_AGENT, HeaderValue::from_static(concat!("perfdeck/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in auth.into_iter().map(|(n, v)| (n, v)).chain(call.headers.iter().map(|(n, v)| (n, v))) {
        buffer.clear();
        value.render(scope, builtins, buffer).map_err(|e| e.to_string())?;
        let value =
            HeaderValue::from_bytes(buffer).map_err(|_| format!("the value of header '{name}' cannot be sent"))?;
        parts.headers.insert(name.clone(), value);
    }
    let body = match &call.body {
        Some(body) => {
            buffer.clear();
            body.render(scope, builtins, buffer).map_err(|e| e.to_string())?;
            Bytes::copy_from_slice(buffer)
        }
        None => call.bytes.clone().unwrap_or_default(),
    };
    Ok((parts, body))
}

/// How long the warm-up of a plan is, and whether it ends by itself before that.
pub(crate) fn warm_up(plan: &Plan) -> (Duration, bool) {
    match plan.warmup {
        None => (Duration::ZERO, false),
        Some(Warmup::Fixed { duration }) => (duration.0, false),
        Some(Warmup::UntilSteady { at_most }) => (at_most.0, true),
    }
}
