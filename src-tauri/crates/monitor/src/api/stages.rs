//! The connection test of an API, stage by stage.
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiTarget, ConnectionReport, ConnectionStage, ErrorCode, Sensitive, StageName, StageOutcome, TargetRole,
};

use super::probe::{self, Budget, Endpoint, Failure};
use super::stranger;
use super::tls::Trust;

/// One stage may take this long.
const STAGE: Duration = Duration::from_secs(3);
/// All of them.
const ALL: Duration = Duration::from_secs(10);
/// A certificate that ends sooner is worth a warning, in days.
const SOON: i64 = 14;

/// Tests an API in stages: address, name, connection, TLS, answer. Each stage has three seconds; the one that fails
/// says what failed on which server, and later ones are skipped.
pub async fn test_api(target: &ApiTarget, authorization: Option<&Sensitive>) -> ConnectionReport {
    run(target, authorization, None).await
}

/// The test with given trust, or the system's.
pub(super) async fn run(
    target: &ApiTarget,
    authorization: Option<&Sensitive>,
    trust: Option<Trust>,
) -> ConnectionReport {
    let report = ConnectionReport {
        role: TargetRole::Api,
        address: target.url.clone(),
        ok: false,
        stages: Vec::new(),
        version: None,
        error: None,
    };
    let mut test = Test { report, last: Instant::now() };
    match test.stages(target, authorization, trust).await {
        Ok(()) => test.report.ok = true,
        Err(failure) => {
            let failure = match Endpoint::of(target) {
                Ok(endpoint) => stranger::named(&endpoint, failure, STAGE).await,
                Err(_) => failure,
            };
            test.done(failure.stage, StageOutcome::Failed, failure.error.message.clone(), failure.error.hint.clone());
            for stage in [StageName::Dns, StageName::Tcp, StageName::Tls, StageName::Version] {
                if !test.report.stages.iter().any(|s| s.stage == stage) {
                    test.done(stage, StageOutcome::Skipped, String::new(), None);
                }
            }
            test.report.error = Some(failure.error);
        }
    }
    test.report
}

struct Test {
    report: ConnectionReport,
    last: Instant,
}

impl Test {
    fn done(&mut self, stage: StageName, outcome: StageOutcome, detail: String, fix: Option<String>) {
        let now = Instant::now();
        let elapsed_ms = now.duration_since(std::mem::replace(&mut self.last, now)).as_secs_f64() * 1e3;
        self.report.stages.push(ConnectionStage { stage, outcome, detail, fix, elapsed_ms });
    }

    async fn stages(
        &mut self,
        target: &ApiTarget,
        authorization: Option<&Sensitive>,
        trust: Option<Trust>,
    ) -> Result<(), Failure> {
        let budget = Budget { each: STAGE, until: Instant::now() + ALL };
        let endpoint = Endpoint::of(target)?;
        let scheme = if endpoint.tls { "https" } else { "http" };
        let detail = format!("{scheme}://{}{}", endpoint.authority, endpoint.path);
        self.done(StageName::Address, StageOutcome::Ok, detail, None);

        let addresses = probe::resolve(&endpoint, budget).await?;
        let list: Vec<String> = addresses.iter().take(4).map(|a| a.ip().to_string()).collect();
        self.done(StageName::Dns, StageOutcome::Ok, list.join(", "), None);

        let (stream, address) = probe::connect(&endpoint, &addresses, budget).await?;
        self.done(StageName::Tcp, StageOutcome::Ok, format!("{address} accepts connections"), None);

        let connection = if endpoint.tls {
            let failed = |error| Failure::of(StageName::Tls, error);
            let trust = match trust {
                Some(trust) => trust,
                None => Trust::system().await.map_err(failed)?,
            };
            let connection = probe::secure(&endpoint, stream, &trust, budget).await?;
            match trust.certificate() {
                Some(c) if c.days_left < SOON => self.done(
                    StageName::Tls,
                    StageOutcome::Warning,
                    format!("for {}; expires on {}, in {} days", c.listed(), c.expires, c.days_left),
                    Some("Renew the certificate on the server".to_owned()),
                ),
                Some(c) => {
                    let detail = format!("for {}; expires on {}", c.listed(), c.expires);
                    self.done(StageName::Tls, StageOutcome::Ok, detail, None);
                }
                None => self.done(StageName::Tls, StageOutcome::Ok, "verified".to_owned(), None),
            }
            connection
        } else {
            self.done(StageName::Tls, StageOutcome::Skipped, "plain HTTP".to_owned(), None);
            probe::plain(stream)
        };

        let (answer, _) = probe::exchange(&endpoint, target, authorization, connection, 0, budget).await?;
        let status = http::StatusCode::from_u16(answer.status).ok();
        let reason = status.and_then(|s| s.canonical_reason()).unwrap_or_default();
        let server = answer.server.as_deref().map_or_else(String::new, |s| format!(", {s}"));
        let line = format!("{:?} {} {reason}{server}", answer.version, answer.status);
        self.report.version.clone_from(&answer.server);
        let path = &target.probe_path;
        match answer.status {
            401 | 403 => {
                self.done(StageName::Version, StageOutcome::Ok, line, None);
                Err(Failure::new(
                    StageName::Authentication,
                    ErrorCode::Authentication,
                    format!("{} answered {} for {path}", endpoint.authority, answer.status),
                    "Give an Authorization value that may read the probe path, or choose another probe path",
                ))
            }
            200..=399 => {
                self.done(StageName::Version, StageOutcome::Ok, line, None);
                Ok(())
            }
            _ => {
                let fix = format!("Choose a probe path that answers with 200 instead of {path}");
                self.done(StageName::Version, StageOutcome::Warning, line, Some(fix));
                Ok(())
            }
        }
    }
}
