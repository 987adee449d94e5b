//! Specification of a benchmark.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::open)]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// HTTP request method.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The token sent on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Method by its token, in any case.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str().eq_ignore_ascii_case(token))
    }

    /// Whether it only reads (RFC 9110, section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// Whether sending it twice is the same as once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}

/// Rule by which requests are started.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Load {
    /// Closed loop: each connection sends its next request when the previous one ended.
    Closed,
    /// Open loop: requests start on a fixed schedule, whatever the target does.
    Rate {
        /// Requests per second over all connections.
        rate_per_s: f64,
    },
}

/// An HTTP benchmark with one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HttpBenchSpec {
    /// Full URL. Stored with its harmless parts; the others are `•••`.
    pub url: String,
    /// Request method.
    #[serde(default)]
    pub method: Method,
    /// Request headers. Stored with the values of harmless ones; the others are `•••`.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Request body, as text. Stored masked.
    #[serde(default)]
    pub body: Option<String>,
    /// Request body of any bytes, in base64; instead of `body`. It is stored masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub body_base64: Option<String>,
    /// Closed loop or constant rate.
    pub load: Load,
    /// Connections held open.
    pub connections: u32,
    /// Generator threads; chosen by the engine when absent.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Time before measuring, in seconds; excluded from every figure.
    #[serde(default)]
    pub warmup_s: f64,
    /// Deadline of one request, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_s: f64,
    /// Whether any TLS certificate is accepted.
    #[serde(default)]
    pub insecure_tls: bool,
    /// What must hold at the end, such as `p99 < 50ms`.
    #[serde(default)]
    pub thresholds: Vec<String>,
    /// The client's certificate for servers that ask for one, by files of the machine that sends the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub client_certificate: Option<ClientCertificate>,
}

/// A client's certificate and its key, as files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// File of the certificate, with those that lead to its root where there are any.
    pub cert: String,
    /// File of the private key, without a pass phrase; that of the certificate when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub key: Option<String>,
}

fn default_timeout() -> f64 {
    10.0
}

/// Specification of a run, with every effective setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunSpec {
    /// One HTTP request, again and again.
    Http(HttpBenchSpec),
    /// A plan.
    Plan(PlanSpec),
}

/// A plan as it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlanSpec {
    /// Summary of its work in a few words: its one request, or the number of its steps.
    pub request: String,
    /// The plan, as TOML. Literal texts in it are `•••`; what is written as `{{env:NAME}}` stays.
    pub toml: String,
    /// Base URL that the paths of its HTTP steps were added to.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Closed loop, or an open loop with its average rate of iterations.
    pub load: Load,
    /// Whether stages change the level: then no figure of the whole run says anything about one level.
    pub varies: bool,
    /// Connections held open at most.
    pub connections: u32,
    /// Generator threads.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Time before measuring, in seconds; excluded from every figure.
    pub warmup_s: f64,
    /// Deadline of one step, in seconds.
    pub timeout_s: f64,
    /// Whether any TLS certificate was accepted.
    #[serde(default)]
    pub insecure_tls: bool,
}

impl RunSpec {
    /// Request that was sent, in a few words.
    pub fn request(&self) -> String {
        match self {
            Self::Http(http) => format!("{} {}", http.method.as_str(), http.url),
            Self::Plan(plan) => plan.request.clone(),
        }
    }

    /// Closed loop or rate.
    pub fn load(&self) -> Load {
        match self {
            Self::Http(http) => http.load,
            Self::Plan(plan) => plan.load,
        }
    }

    /// Connections held open.
    pub fn connections(&self) -> u32 {
        match self {
            Self::Http(http) => http.connections,
            Self::Plan(plan) => plan.connections,
        }
    }

    /// Generator threads, once the engine has chosen.
    pub fn threads(&self) -> Option<u32> {
        match self {
            Self::Http(http) => http.threads,
            Self::Plan(plan) => plan.threads,
        }
    }

    /// Measured time that was asked for, in seconds.
    pub fn duration_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.duration_s,
            Self::Plan(plan) => plan.duration_s,
        }
    }

    /// Time before measuring, in seconds.
    pub fn warmup_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.warmup_s,
            Self::Plan(plan) => plan.warmup_s,
        }
    }

    /// Deadline of one request, in seconds.
    pub fn timeout_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.timeout_s,
            Self::Plan(plan) => plan.timeout_s,
        }
    }

    /// Whether any TLS certificate was accepted.
    pub fn insecure_tls(&self) -> bool {
        match self {
            Self::Http(http) => http.insecure_tls && http.url.starts_with("https"),
            Self::Plan(plan) => plan.insecure_tls,
        }
    }

    /// Whether another tool ran it, which tells neither its load nor its settings: they are unknown, not 0.
    pub fn imported(&self) -> bool {
        self.plan().is_some_and(|plan| plan.connections == 0)
    }

    /// The one HTTP request, when that is what was run.
    pub fn http(&self) -> Option<&HttpBenchSpec> {
        match self {
            Self::Http(http) => Some(http),
            Self::Plan(_) => None,
        }
    }

    /// The plan, when that is what was run.
    pub fn plan(&self) -> Option<&PlanSpec> {
        match self {
            Self::Http(_) => None,
            Self::Plan(plan) => Some(plan),
        }
    }
}
