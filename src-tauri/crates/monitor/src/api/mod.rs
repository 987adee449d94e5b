//! HTTP APIs from outside: the probe, the connection test, and what answers on this machine.
//!
//! A probe is one GET a second on a connection of its own, so that every phase is measured every time: name
//! resolution, TCP connection, TLS handshake without resumption, and the time to the answer's head.
mod probe;
mod stages;
mod stranger;
mod tls;

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use perfdeck_model::{
    ApiError, ApiTarget, BoxFuture, Clock, Collection, Collector, ErrorCode, Finding, FindingAction, FindingTarget,
    FoundService, Proof, SecretSource, Sensitive, SeriesInfo, TargetRole, Unit,
};

use probe::{Answer, Body, Budget, Endpoint, Failure, Phases};
pub use stages::test_api;
use stranger::Stranger;
use tls::Trust;

/// A probe may take this long; below the scheduler's deadline, so that the phase that hangs is named.
const DEADLINE: Duration = Duration::from_millis(1700);
/// How often the body is looked at for findings, in milliseconds.
const FINDINGS_MS: f64 = 60_000.0;
/// Bytes of the body read when it is looked at.
const LOOK: usize = 2 << 20;
/// Bytes of the body read otherwise: most answers end below it, so that the server sees them taken.
const DRAIN: usize = 64 << 10;
/// Answers below this are not worth compressing.
const SMALL: usize = 1000;
/// Ports of usual development servers.
const PORTS: [u16; 5] = [80, 3000, 5000, 8000, 8080];
/// Looking for services may take this long.
const DISCOVER: Duration = Duration::from_millis(500);

/// Measures an API from outside.
pub struct ApiCollector {
    target: ApiTarget,
    authorization: Option<Sensitive>,
    trust: Option<Trust>,
    looked_ms: Option<f64>,
    stranger: Stranger,
}

impl ApiCollector {
    /// A collector that probes `target`; `authorization` is the value of its `Authorization` header.
    pub fn new(target: ApiTarget, authorization: Option<Sensitive>) -> Self {
        Self { target, authorization, trust: None, looked_ms: None, stranger: Stranger::default() }
    }

    /// One probe. `phases` has what was measured also when it fails.
    async fn probe(&mut self, keep: usize, deadline: Duration, phases: &mut Phases) -> Result<Answer, Failure> {
        let endpoint = Endpoint::of(&self.target)?;
        if endpoint.tls && self.trust.is_none() {
            let failed = |error| Failure::of(perfdeck_model::StageName::Tls, error);
            self.trust = Some(Trust::system().await.map_err(failed)?);
        }
        let budget = Budget { each: deadline, until: Instant::now() + deadline };
        let mut last = Instant::now();
        let mut lap = || std::mem::replace(&mut last, Instant::now()).elapsed().as_secs_f64();
        let addresses = probe::resolve(&endpoint, budget).await?;
        phases.dns = Some(lap());
        let (stream, _) = probe::connect(&endpoint, &addresses, budget).await?;
        phases.connect = Some(lap());
        let connection = match self.trust.as_ref().filter(|_| endpoint.tls) {
            Some(trust) => {
                let connection = probe::secure(&endpoint, stream, trust, budget).await?;
                phases.tls = Some(lap());
                connection
            }
            None => probe::plain(stream),
        };
        let authorization = self.authorization.as_ref();
        let (answer, first_byte) =
            probe::exchange(&endpoint, &self.target, authorization, connection, keep, budget).await?;
        phases.first_byte = Some(first_byte);
        Ok(answer)
    }
}

impl Collector for ApiCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Api
    }

    fn address(&self) -> String {
        self.target.url.clone()
    }

    fn collect<'a>(&'a mut self, clock: &'a dyn Clock) -> BoxFuture<'a, Result<Collection, ApiError>> {
        Box::pin(async move {
            let now_ms = clock.monotonic_ms();
            let look = self.looked_ms.is_none_or(|at| now_ms - at >= FINDINGS_MS);
            let mut phases = Phases::default();
            let end = Instant::now() + DEADLINE;
            let mut answer = self.probe(if look { LOOK } else { DRAIN }, DEADLINE, &mut phases).await;
            answer = match answer {
                Ok(answer) => {
                    self.stranger.forget();
                    Ok(answer)
                }
                Err(failure) => match Endpoint::of(&self.target) {
                    Ok(endpoint) => Err(self.stranger.named(&endpoint, failure, end).await),
                    Err(_) => Err(failure),
                },
            };
            let mut out = Collection { own_requests: 1, ..Collection::default() };
            let mut add = |metric: &str, attributes: &[(&str, &str)], unit, value: f64| {
                out.values.push((SeriesInfo::new(metric, attributes, unit, TargetRole::Api), value));
            };
            let Phases { dns, connect, tls, first_byte } = phases;
            for (phase, value) in [("dns", dns), ("connect", connect), ("tls", tls), ("first_byte", first_byte)] {
                if let Some(value) = value {
                    add("api.probe.duration", &[("phase", phase)], Unit::Seconds, value);
                }
            }
            let answer = match answer {
                Ok(answer) => answer,
                // Something is there and fails: that is a figure. Nothing there is a dead target.
                Err(failure) if failure.answered => {
                    add("api.probe.failed", &[], Unit::Count, 1.0);
                    out.warning = Some(failure.error);
                    return Ok(out);
                }
                Err(failure) => return Err(failure.error),
            };
            let total: f64 = [dns, connect, tls, first_byte].into_iter().flatten().sum();
            add("api.probe.total", &[], Unit::Seconds, total);
            add("api.probe.status", &[], Unit::Count, f64::from(answer.status));
            add("api.probe.failed", &[], Unit::Count, f64::from(u8::from(answer.status >= 500)));
            out.round_trip_ms = Some(total * 1e3);
            if answer.status >= 500 {
                let message = format!("{} answers the probe with status {}", self.target.url, answer.status);
                out.warning = Some(
                    ApiError::new(ErrorCode::Unreachable, message)
                        .hint("Its own log says why; another path can be probed in the environment's editor"),
                );
            }
            if look {
                self.looked_ms = Some(now_ms);
                out.findings = self.findings(&answer).await;
            }
            out.version = answer.server;
            Ok(out)
        })
    }
}

impl ApiCollector {
    /// What is wrong with an answer; `None` when it cannot be told.
    async fn findings(&self, answer: &Answer) -> Option<Vec<Finding>> {
        let body = answer.body.as_ref()?;
        let text = ["json", "text/", "javascript", "xml"].iter().any(|t| answer.content_type.contains(t));
        if !text || answer.encoding.is_some() || body.bytes.len() < SMALL || answer.status >= 400 {
            return Some(Vec::new());
        }
        let bytes = body.bytes.clone();
        // Two megabytes take some tens of milliseconds of CPU, too long for a task of the runtime.
        let packed = tokio::task::spawn_blocking(move || gzip_len(&bytes)).await.ok().flatten()?;
        Some(uncompressed(&self.target.url, &self.target.probe_path, body, packed).into_iter().collect())
    }
}

/// Length after gzip at its usual level.
fn gzip_len(bytes: &[u8]) -> Option<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    Some(encoder.finish().ok()?.len())
}

/// The finding about an answer that could be a tenth smaller or more.
fn uncompressed(url: &str, path: &str, body: &Body, packed: usize) -> Option<Finding> {
    let (plain, packed) = (body.bytes.len() as f64, packed as f64);
    if packed > plain * 0.9 {
        return None;
    }
    let evidence = if body.complete {
        format!("{} each, {} with gzip", size(plain), size(packed))
    } else {
        format!("more than {} each; the first {} are {} with gzip", size(plain), size(plain), size(packed))
    };
    Some(Finding {
        id: format!("uncompressed_response:{path}"),
        kind: "uncompressed_response".to_owned(),
        target: TargetRole::Api,
        title: format!("`{path}` is sent uncompressed"),
        evidence,
        cost: 1.0 - packed / plain,
        action: FindingAction { label: "Review response".to_owned(), opens: FindingTarget::Gateway },
        proof: proof(url, path, size(plain), size(packed), body.complete),
    })
}

/// What stands behind an uncompressed answer.
fn proof(url: &str, path: &str, plain: String, packed: String, complete: bool) -> Proof {
    let whole = format!("{}/{}", url.trim_end_matches('/'), path.trim_start_matches('/'));
    let command = format!(
        "curl -sS --compressed -o /dev/null -w '%{{size_download}} bytes\\n' '{}'",
        whole.replace('\'', "'\\''")
    );
    Proof::new(
        format!("text of {SMALL} bytes or more without Content-Encoding, that gzip makes a tenth smaller or more"),
        "Compress it in the server or in the proxy before it, for clients that send Accept-Encoding; it costs CPU, so measure the \
         route before and after",
    )
    .value("sent", if complete { plain } else { format!("more than {plain}") })
    .value(if complete { "with gzip" } else { "what was read, with gzip" }, packed)
    .observed(Some("1 answer".to_owned()), None)
    .statement("Fetches it as a client that takes gzip", command)
    .step("Benchmark this route", FindingTarget::Route { method: "GET".to_owned(), path: path.to_owned() })
}

fn size(bytes: f64) -> String {
    match bytes {
        b if b >= 1e6 => format!("{:.2} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.1} kB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}

/// HTTP servers on this machine's usual development ports. Takes half a second at most.
pub async fn discover() -> Vec<FoundService> {
    futures_util::future::join_all(PORTS.map(find)).await.into_iter().flatten().collect()
}

async fn find(port: u16) -> Option<FoundService> {
    let url = format!("http://127.0.0.1:{port}");
    let target = ApiTarget {
        url: url.clone(),
        probe_path: "/".to_owned(),
        headers: Vec::new(),
        authorization: SecretSource::None,
    };
    let mut phases = Phases::default();
    let answer = ApiCollector::new(target, None).probe(0, DISCOVER, &mut phases).await.ok()?;
    let ms = (phases.connect.unwrap_or(0.0) + phases.first_byte.unwrap_or(0.0)) * 1e3;
    let server = answer.server.map_or_else(String::new, |s| format!("{s}, "));
    Some(FoundService {
        role: TargetRole::Api,
        product: "HTTP".to_owned(),
        address: format!("127.0.0.1:{port}"),
        detail: format!("{server}answers in {:.0} ms", ms.max(1.0)),
        url,
    })
}

#[cfg(test)]
mod tests;
