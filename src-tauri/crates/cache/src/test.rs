//! *Test connection* in stages.
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheMode, CacheTarget, ConnectionReport, ConnectionStage, ErrorCode, HostPort, Sensitive, StageName,
    StageOutcome, TargetRole, TlsMode,
};
use tokio::net::TcpStream;

use crate::collector::fields;
use crate::connect::{acl, connect, explain, primaries, primary};

/// Tests a cache in stages; never takes longer than about six seconds.
pub async fn test(target: &CacheTarget, password: Option<&Sensitive>) -> ConnectionReport {
    let mut out = ConnectionReport {
        role: TargetRole::Cache,
        address: target.address.short(),
        ok: false,
        stages: Vec::new(),
        version: None,
        error: None,
    };
    match stages(target, password, &mut out).await {
        Ok(()) => out.ok = true,
        Err((stage, error)) => {
            out.stages.push(ConnectionStage {
                stage,
                outcome: StageOutcome::Failed,
                detail: error.message.clone(),
                fix: None,
                elapsed_ms: 0.0,
            });
            out.error = Some(error);
        }
    }
    out
}

async fn stages(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    out: &mut ConnectionReport,
) -> Result<(), (StageName, ApiError)> {
    let mut clock = Instant::now();
    let mut push = |out: &mut ConnectionReport, stage, outcome, detail: String, fix: Option<String>| {
        let elapsed_ms = clock.elapsed().as_secs_f64() * 1e3;
        clock = Instant::now();
        out.stages.push(ConnectionStage { stage, outcome, detail, fix, elapsed_ms });
    };
    let first = target
        .address
        .hosts
        .first()
        .cloned()
        .ok_or_else(|| (StageName::Address, ApiError::bad_request("The address names no host")))?;
    let mode = match target.mode {
        CacheMode::Single => "single server",
        CacheMode::Sentinel => "through Sentinel",
        CacheMode::Cluster => "cluster",
    };
    push(
        out,
        StageName::Address,
        StageOutcome::Ok,
        format!("Redis or Valkey at {}, {mode}", target.address.short()),
        None,
    );
    reach(&first, |stage, detail| push(out, stage, StageOutcome::Ok, detail, None)).await?;
    let auth = |e: ApiError| match e.code {
        ErrorCode::Tls => (StageName::Tls, e),
        _ => (StageName::Authentication, e),
    };
    let host: HostPort = match target.mode {
        CacheMode::Single => first,
        CacheMode::Sentinel => primary(target, password).await.map_err(auth)?,
        CacheMode::Cluster => primaries(target, password).await.map_err(auth)?.remove(0),
    };
    let mut connection = connect(target, &host, password).await.map_err(auth)?;
    let tls = match target.address.tls {
        TlsMode::Verify => (StageOutcome::Ok, "encrypted, certificate and name verified"),
        TlsMode::Require => (StageOutcome::Ok, "encrypted, certificate not verified"),
        _ => (StageOutcome::Skipped, "plain connection"),
    };
    push(out, StageName::Tls, tls.0, tls.1.to_owned(), None);
    let ping: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
    if let Err(e) = ping {
        let error = explain(target, &host, &e);
        if error.code != ErrorCode::Privilege {
            return Err((StageName::Authentication, error));
        }
    }
    let user = target.address.username.as_deref().unwrap_or("default");
    push(out, StageName::Authentication, StageOutcome::Ok, format!("signed in as {user}"), None);
    let info: Result<String, _> = redis::cmd("INFO").query_async(&mut connection).await;
    match info {
        Ok(info) => {
            let info = fields(&info);
            let version = product(&info);
            push(out, StageName::Version, StageOutcome::Ok, version.clone(), None);
            out.version = Some(version);
            push(out, StageName::Privileges, StageOutcome::Ok, "INFO and PING are allowed".to_owned(), None);
        }
        Err(e) => {
            let error = explain(target, &host, &e);
            if error.code != ErrorCode::Privilege {
                return Err((StageName::Version, error));
            }
            let detail = format!("'{user}' may not run INFO; nothing can be measured");
            push(out, StageName::Privileges, StageOutcome::Warning, detail, Some(acl(user)));
        }
    }
    Ok(())
}

async fn reach(host: &HostPort, mut done: impl FnMut(StageName, String)) -> Result<(), (StageName, ApiError)> {
    let found =
        tokio::time::timeout(Duration::from_secs(2), tokio::net::lookup_host((host.host.as_str(), host.port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(found)) => found.collect(),
        _ => Vec::new(),
    };
    if addresses.is_empty() {
        let e = ApiError::new(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", host.host))
            .hint("Check the spelling, the VPN and the DNS server");
        return Err((StageName::Dns, e));
    }
    done(StageName::Dns, addresses.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>().join(", "));
    match tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => done(StageName::Tcp, format!("port {} answers", host.port)),
        Ok(Err(e)) => {
            let e = ApiError::new(ErrorCode::Unreachable, format!("{host} refused the connection: {e}"))
                .hint("Is the server running, and does it listen on this address?");
            return Err((StageName::Tcp, e));
        }
        Err(_) => {
            let e = ApiError::new(ErrorCode::Timeout, format!("{host} did not accept a connection within 2 s"))
                .hint("A firewall that drops packets looks like this");
            return Err((StageName::Tcp, e));
        }
    }
    Ok(())
}

/// Product and version from INFO.
pub(crate) fn product(info: &std::collections::HashMap<String, String>) -> String {
    match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(v), _) => format!("Valkey {v}"),
        (None, Some(v)) => format!("Redis {v}"),
        _ => "Redis-compatible".to_owned(),
    }
}
