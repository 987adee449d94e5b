//! A plan: load, stages, variables, feeds, authentication and thresholds around its steps.
use std::collections::{BTreeMap, BTreeSet};

use perfdeck_model::ClientCertificate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::feed_spec::FeedSpec;
use super::step::{Action, Step};
use super::values::{Secret, Span};

/// What a benchmark does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name for a person.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of every random choice; the same seed gives the same requests.
    #[serde(default = "one")]
    pub seed: u32,
    /// What the paths of HTTP steps are added to. The environment's API when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// All steps in order in each iteration. Otherwise each iteration is one step, chosen by weight.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scenario: bool,
    /// Measured time. The sum of the stages where there are any, else 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Deadline of one step.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
    /// Accept any TLS certificate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure_tls: bool,
    /// Commands under way per connection, in a plan of cache steps alone; one when absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pipeline: u32,
    /// What must hold at the end, such as `p99 < 50ms`, `errors < 0.1%`, `step:login p95 < 200ms`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<String>,
    /// Closed or open loop.
    #[serde(default)]
    pub load: PlanLoad,
    /// Changes of the load over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Time before measuring; excluded from every figure. None when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// How requests identify themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The client's certificate for servers that ask for one, by files of the plan's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Templates by name. A value `env:NAME` is the environment variable at the start of a run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Data by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedSpec>,
    /// What is executed.
    #[serde(default)]
    pub steps: Vec<Step>,
}

fn one() -> u32 {
    1
}

fn ten_seconds() -> Span {
    Span::seconds(10)
}

fn is_one(value: &u32) -> bool {
    *value == 1
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Plan {
    /// A plan with defaults: closed loop of ten connections for ten seconds.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            seed: one(),
            base_url: None,
            scenario: false,
            duration: None,
            timeout: ten_seconds(),
            insecure_tls: false,
            pipeline: one(),
            thresholds: Vec::new(),
            load: PlanLoad::default(),
            stages: Vec::new(),
            warmup: None,
            auth: None,
            client_certificate: None,
            variables: BTreeMap::new(),
            feeds: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Measured time.
    pub fn measured(&self) -> Span {
        if self.stages.is_empty() {
            return self.duration.unwrap_or(ten_seconds());
        }
        Span(self.stages.iter().fold(std::time::Duration::ZERO, |sum, s| sum.saturating_add(s.duration.0)))
    }

    /// The step of this name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|s| s.name == name)
    }

    /// Names of the environment variables that the plan refers to, which a run sets as `env:NAME` in its scope.
    pub fn env_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut texts: Vec<String> = self.variables.values().cloned().collect();
        texts.extend(self.base_url.clone());
        match &self.auth {
            Some(Auth::Bearer { token }) => texts.push(token.template()),
            Some(Auth::Basic { user, password }) => texts.extend([user.clone(), password.template()]),
            Some(Auth::Header { value, .. }) => texts.push(value.template()),
            Some(Auth::Login { value, .. }) => texts.extend(value.clone()),
            None => {}
        }
        for step in &self.steps {
            step.texts(&mut |_, text| texts.push(text.to_owned()));
            if let Action::Http(http) = &step.action
                && let Some(json) = &http.json
            {
                texts.push(json.0.to_string());
            }
        }
        for text in &texts {
            if let Some(name) = text.strip_prefix("env:").filter(|n| super::values::is_env_name(n)) {
                names.insert(name.to_owned());
            }
            for (i, _) in text.match_indices("{{") {
                let inner = text[i + 2..].trim_start();
                if let Some(rest) = inner.strip_prefix("env:") {
                    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                    names.insert(rest[..end].to_owned());
                }
            }
        }
        names
    }
}

/// How requests are started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[ts(rename = "PlanLoad")]
#[schemars(rename = "PlanLoad")]
pub enum PlanLoad {
    /// Each connection starts its next iteration when the previous one ended.
    Closed {
        /// Connections, before any stage.
        connections: u32,
        /// Pause after each iteration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        think_time: Option<Span>,
    },
    /// Iterations start on a schedule, whatever the target does.
    Open {
        /// Iterations per second over all connections, before any stage.
        #[serde(default)]
        rate_per_s: f64,
        /// Evenly spaced or random.
        #[serde(default)]
        arrivals: Arrivals,
        /// Iterations under way at most, one connection each. Further ones wait, and their wait is part of their response
        /// time; those that find ten seconds of others waiting are shed and count as errors.
        #[serde(default = "hundred")]
        max_in_flight: u32,
        /// Iterations that would start later than this after their time are shed and count as errors. Without it all
        /// start, however late, and their lateness is part of their response time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        late_limit: Option<Span>,
    },
}

fn hundred() -> u32 {
    100
}

impl Default for PlanLoad {
    fn default() -> Self {
        Self::Closed { connections: 10, think_time: None }
    }
}

/// Gaps between the starts of an open loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// All alike.
    #[default]
    Constant,
    /// Exponential, as from many independent users.
    Poisson,
}

/// A part of the measured time. Levels are iterations per second in an open loop, connections in a closed one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
#[ts(rename = "PlanStage")]
pub struct Stage {
    /// How the level goes.
    pub kind: StageKind,
    /// How long it takes.
    pub duration: Span,
    /// Level at the end of a ramp, of a hold (the present one when absent), or of a spike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
}

/// How the level goes in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "PlanStageKind")]
pub enum StageKind {
    /// In a straight line to `to`.
    Ramp,
    /// Stays.
    Hold,
    /// At once to `to`, and back to the present level afterwards.
    Spike,
}

/// Time before measuring.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[ts(rename = "PlanWarmup")]
pub enum Warmup {
    /// A fixed time.
    Fixed {
        /// How long.
        duration: Span,
    },
    /// Until rate and latency no longer change.
    UntilSteady {
        /// Measuring starts after this time in any case, with a note.
        #[serde(default = "minute")]
        at_most: Span,
    },
}

fn minute() -> Span {
    Span::seconds(60)
}

/// How requests identify themselves. Secrets are references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[ts(rename = "PlanAuth")]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer {
        /// The token.
        token: Secret,
    },
    /// `Authorization: Basic …`
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// A step that runs once per connection before all others and extracts a token.
    Login {
        /// Name of the step.
        step: String,
        /// Variable that it extracts.
        var: String,
        /// Header that carries it; `Authorization` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// Template of that header; `Bearer {{var}}` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
}
