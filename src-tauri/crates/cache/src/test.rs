//! *Test connection* in stages.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use perfdeck_model::{
    ApiError, CacheMode, CacheTarget, ConnectionReport, ConnectionStage, ErrorCode, HostPort, Sensitive, StageName,
    StageOutcome, TargetRole, TlsMode,
};
use perfdeck_net::Speaks;
use perfdeck_words::plural;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpStream;

use crate::announced::{self, Announced};
use crate::connect::{connect, primaries, primary};
use crate::error::{acl, explain, unwell};
use crate::greeting::{greet, other, wants_tls};
use crate::info::{fields, keys, one_of_many, product};

/// Longest wait for name resolution and for a TCP connection.
const REACH: Duration = Duration::from_secs(2);
/// Longest wait for a server's first word.
const DEADLINE: Duration = Duration::from_millis(1500);
/// Longest wait for the TLS handshake, and for finding the primaries.
const ANSWER: Duration = Duration::from_secs(3);

const PLAN: [StageName; 7] = [
    StageName::Address,
    StageName::Dns,
    StageName::Tcp,
    StageName::Tls,
    StageName::Authentication,
    StageName::Version,
    StageName::Privileges,
];

struct Report {
    out: ConnectionReport,
    clock: Instant,
}

impl Report {
    fn push(&mut self, stage: StageName, outcome: StageOutcome, detail: impl Into<String>, fix: Option<String>) {
        let elapsed_ms = self.clock.elapsed().as_secs_f64() * 1e3;
        self.clock = Instant::now();
        self.out.stages.push(ConnectionStage { stage, outcome, detail: detail.into(), fix, elapsed_ms });
    }

    fn fail(&mut self, stage: StageName, error: ApiError) {
        // The handshake for the certificate's facts may have succeeded where the verified one does not.
        self.out.stages.retain(|s| s.stage != stage);
        self.push(stage, StageOutcome::Failed, error.message.clone(), error.hint.clone());
        for later in PLAN {
            if !self.out.stages.iter().any(|s| s.stage == later) {
                self.push(later, StageOutcome::Skipped, "not tried", None);
            }
        }
        self.out.error = Some(error);
    }
}

/// Tests a cache in stages. A server that hangs costs about two seconds; no test takes longer than about ten.
///
/// Nothing is changed on the server.
pub async fn test(target: &CacheTarget, password: Option<&Sensitive>) -> ConnectionReport {
    let out = ConnectionReport {
        role: TargetRole::Cache,
        address: target.address.short(),
        ok: false,
        stages: Vec::new(),
        version: None,
        error: None,
    };
    let mut report = Report { out, clock: Instant::now() };
    match stages(target, password, &mut report).await {
        Ok(()) => report.out.ok = true,
        Err((stage, error)) => {
            let error = stranger(target, stage, error).await;
            report.fail(stage, error);
        }
    }
    report.out
}

/// Says what answers at the port, when a failure looks as if it were not what the address says.
async fn stranger(target: &CacheTarget, stage: StageName, error: ApiError) -> ApiError {
    let asked = matches!(stage, StageName::Tls | StageName::Authentication | StageName::Version);
    let unclear = matches!(error.code, ErrorCode::Unreachable | ErrorCode::Timeout | ErrorCode::Tls);
    let Some(host) = target.address.hosts.first().filter(|_| asked && unclear) else { return error };
    let speaks = perfdeck_net::ask(&host.host, host.port).await;
    match (speaks, wants_tls(target)) {
        (Speaks::Tls, true) | (Speaks::Redis, false) => error,
        (Speaks::Tls, false) => {
            ApiError::new(ErrorCode::Tls, format!("{host} speaks TLS, and the address asks for none"))
                .hint("Write rediss:// instead of redis://; with sslrootcert=FILE for a CA of your own")
        }
        (Speaks::Redis, true) => ApiError::new(
            ErrorCode::Tls,
            format!("{host} speaks Redis' protocol without TLS, and the address asks for TLS"),
        )
        .hint("Write redis:// instead of rediss:// (nothing is encrypted then), or give the port of tls-port"),
        (speaks, _) if speaks.is_known() => other(host, speaks),
        (Speaks::Unknown, _) => ApiError::new(
            ErrorCode::Unreachable,
            format!("{host} answers in a protocol that Perfdeck does not know, not in Redis'"),
        )
        .hint("Check the port and the scheme of the address"),
        _ => error,
    }
}

type Staged<T> = Result<T, (StageName, ApiError)>;

async fn stages(target: &CacheTarget, password: Option<&Sensitive>, report: &mut Report) -> Staged<()> {
    use StageName as S;
    if target.address.hosts.is_empty() {
        let error = ApiError::bad_request("The address names no host").hint("Write redis://host:6379/0");
        return Err((S::Address, error));
    }
    if target.mode == CacheMode::Sentinel && target.sentinel_master.as_deref().unwrap_or("").is_empty() {
        let error = ApiError::bad_request("The address names no primary for Sentinel")
            .hint("Add ?master=NAME, as in sentinel monitor NAME of the Sentinel's configuration");
        return Err((S::Address, error));
    }
    let mode = match target.mode {
        CacheMode::Single => "single server",
        CacheMode::Sentinel => "through Sentinel",
        CacheMode::Cluster => "cluster",
    };
    let detail = format!("Redis or Valkey at {}, {mode}", target.address.short());
    report.push(S::Address, StageOutcome::Ok, detail, None);
    // What the address says about the time to connect is the time for one connection, from its first packet on.
    let options = target.address.options();
    let given = options.map_err(|e| (S::Address, ApiError::bad_request(e.message).hint(e.hint)))?.connect_timeout;
    let began = Instant::now();
    let (host, stream) = reach(target, given, report).await?;
    let left = given.map(|limit| (limit, limit.saturating_sub(began.elapsed())));
    certificate(target, &host, stream, left, report).await?;

    let signed = |e: ApiError| match e.code {
        ErrorCode::Tls => (S::Tls, e),
        _ => (S::Authentication, e),
    };
    let find = async {
        match target.mode {
            CacheMode::Single => Ok(vec![host.clone()]),
            CacheMode::Sentinel => primary(target, password).await.map(|p| vec![p]),
            CacheMode::Cluster => primaries(target, password).await,
        }
    };
    let limit = given.map_or(ANSWER, |limit| limit + ANSWER);
    let nodes = match tokio::time::timeout(limit, find).await {
        Ok(nodes) => nodes.map_err(signed)?,
        Err(_) => {
            let seconds = limit.as_secs();
            let e = ApiError::new(ErrorCode::Timeout, format!("{host} did not name its primaries within {seconds} s"))
                .hint("Is it Redis or Valkey? A server that hangs looks like this");
            return Err((S::Authentication, e));
        }
    };
    let Some(node) = nodes.first() else {
        return Err((S::Authentication, ApiError::not_found("No primary was found").hint("Check the address")));
    };
    let announced = match target.mode {
        CacheMode::Single => Announced::default(),
        CacheMode::Sentinel => announced::addresses(vec![(node.clone(), true)], announced::REACH).await,
        CacheMode::Cluster => announced::nodes(target, password).await,
    };
    if let Some(error) = announced.refusal(target.mode) {
        return Err((S::Authentication, error));
    }
    let mut connection = connect(target, node, password).await.map_err(|e| match e.code {
        ErrorCode::Tls => (S::Tls, e),
        _ => (S::Authentication, e),
    })?;
    let (mut missing, mut refused) = (Vec::new(), Vec::new());
    let ping: Result<(), _> = redis::cmd("PING").query_async(&mut connection).await;
    if let Err(e) = ping {
        let error = explain(target, node, &e);
        if error.code == ErrorCode::Privilege {
            missing.push("+ping");
            refused.push("PING");
        } else if e.code() == Some("LOADING") {
            return Err((S::Version, loading(node, &mut connection, error).await));
        } else if unwell(&e).is_none() {
            return Err((S::Authentication, error));
        }
    }
    let user = who(target, &mut connection).await;
    let found = match target.mode {
        CacheMode::Single => String::new(),
        CacheMode::Sentinel => format!("; the primary is {node}"),
        CacheMode::Cluster => format!("; {} primaries", nodes.len()),
    };
    report.push(S::Authentication, StageOutcome::Ok, format!("signed in as {user}{found}"), None);

    let info: Result<String, _> = redis::cmd("INFO").query_async(&mut connection).await;
    match info {
        Ok(info) => {
            let info = fields(&info);
            if info.get("redis_mode").is_some_and(|mode| mode == "sentinel") {
                return Err((S::Version, sentinel(node, &mut connection).await));
            }
            version(target, &info, &announced, &mut connection, report).await;
        }
        Err(e) => {
            let error = explain(target, node, &e);
            if error.code != ErrorCode::Privilege {
                return Err((S::Version, error));
            }
            report.push(S::Version, StageOutcome::Skipped, "not known without INFO", None);
            missing.push("+info");
            refused.push("INFO");
        }
    }
    // Tried rather than looked up: reading an ACL needs more privileges than monitoring does. None changes anything.
    for (command, rule) in [
        ("CLIENT SETNAME perfdeck", "+client|setname"),
        ("SCAN 0 COUNT 1", "+scan"),
        ("SLOWLOG LEN", "+slowlog|len"),
        ("SLOWLOG GET 0", "+slowlog|get"),
    ] {
        let mut words = command.split(' ');
        let mut c = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            c.arg(word);
        }
        if let Err(e) = c.exec_async(&mut connection).await
            && explain(target, node, &e).code == ErrorCode::Privilege
        {
            missing.push(rule);
            refused.push(command);
        }
    }
    if missing.contains(&"+scan") {
        missing.push("+pttl");
    }
    let names: Vec<String> = refused
        .iter()
        .map(|c| c.split(' ').take_while(|w| w.bytes().all(|b| b.is_ascii_uppercase())).collect::<Vec<_>>().join(" "))
        .collect();
    if missing.is_empty() {
        report.push(S::Privileges, StageOutcome::Ok, "PING, INFO, CLIENT SETNAME, SCAN and SLOWLOG are allowed", None);
    } else if missing.iter().any(|m| matches!(*m, "+info" | "+ping")) {
        let message = format!("'{user}' may not run {} on {node}; nothing can be measured", names.join(", "));
        return Err((S::Privileges, ApiError::new(ErrorCode::Privilege, message).hint(acl(&user, &missing))));
    } else {
        let detail = format!("'{user}' may not run {}", names.join(", "));
        report.push(S::Privileges, StageOutcome::Warning, detail, Some(acl(&user, &missing)));
    }
    Ok(())
}

/// A server that is loading its data: how far it is, and how long it takes by its own word.
async fn loading(host: &HostPort, connection: &mut MultiplexedConnection, error: ApiError) -> ApiError {
    let info: Result<String, _> = redis::cmd("INFO").arg("persistence").query_async(connection).await;
    let info = info.map(|text| fields(&text)).unwrap_or_default();
    let number = |name: &str| info.get(name).and_then(|n| n.parse::<f64>().ok());
    let Some(share) = number("loading_loaded_perc") else { return error };
    let left = number("loading_eta_seconds").map(|s| format!(", about {} are left", perfdeck_words::seconds(s)));
    let message = format!("{host} is loading its data set: {share:.0} % are there{}", left.unwrap_or_default());
    ApiError { message, ..error }
}

/// The user as the server sees it; the address's when the server does not say.
async fn who(target: &CacheTarget, connection: &mut MultiplexedConnection) -> String {
    let said: Result<String, _> = redis::cmd("ACL").arg("WHOAMI").query_async(connection).await;
    said.unwrap_or_else(|_| target.address.username.clone().unwrap_or_else(|| "default".to_owned()))
}

async fn version(
    target: &CacheTarget,
    info: &HashMap<String, String>,
    announced: &Announced,
    connection: &mut MultiplexedConnection,
    report: &mut Report,
) {
    let version = product(info);
    let mut detail = format!("{version}, {}", plural(keys(info).0, "key"));
    let (mut outcome, mut fix) = (StageOutcome::Ok, None);
    if target.mode == CacheMode::Cluster {
        let state: Result<String, _> = redis::cmd("CLUSTER").arg("INFO").query_async(connection).await;
        let state = state.map(|s| fields(&s)).unwrap_or_default();
        let slots = state.get("cluster_slots_ok").map_or("?", String::as_str);
        if state.get("cluster_state").is_some_and(|s| s != "ok") || slots != "16384" {
            outcome = StageOutcome::Warning;
            detail = format!("{detail}, {slots} of 16384 slots are served");
            fix = Some("redis-cli --cluster check HOST:PORT".to_owned());
        } else {
            detail = format!("{version}, all 16384 slots are served");
        }
    } else if one_of_many(info) {
        outcome = StageOutcome::Warning;
        detail = format!("{detail}; one node of a cluster, the others are not measured");
        fix = target.address.hosts.first().map(|h| format!("redis+cluster://{h}"));
    } else if info.get("role").is_some_and(|r| r != "master") {
        outcome = StageOutcome::Warning;
        let primary = info.get("master_host").zip(info.get("master_port")).map(|(h, p)| format!("{h}:{p}"));
        let link = match info.get("master_link_status").map(String::as_str) {
            Some("up") => "",
            _ => " (its link to the primary is down)",
        };
        detail = format!("{detail}, a replica: nothing can be written, and what is read lags behind its primary{link}");
        fix = primary.map(|p| format!("redis://{p} is its primary"));
    }
    if let Some(missing) = announced.warning() {
        outcome = StageOutcome::Warning;
        detail = format!("{detail}; {missing}");
    }
    report.push(StageName::Version, outcome, detail, fix);
    report.out.version = Some(version);
}

/// What a Sentinel is called that the address takes for a server.
async fn sentinel(host: &HostPort, connection: &mut MultiplexedConnection) -> ApiError {
    let watched: Result<Vec<HashMap<String, String>>, _> =
        redis::cmd("SENTINEL").arg("MASTERS").query_async(connection).await;
    let names: Vec<String> = watched.unwrap_or_default().iter().filter_map(|m| m.get("name").cloned()).collect();
    let name = names.first().map_or("NAME", String::as_str);
    let known = if names.is_empty() { String::new() } else { format!("; it watches {}", names.join(", ")) };
    ApiError::new(ErrorCode::Unsupported, format!("{host} is a Sentinel, which holds no data{known}"))
        .hint(format!("Write redis+sentinel://{host}/0?master={name}"))
}

/// Resolves the names and opens a TCP connection to the first server that accepts one.
async fn reach(target: &CacheTarget, given: Option<Duration>, report: &mut Report) -> Staged<(HostPort, TcpStream)> {
    let reach = given.unwrap_or(REACH);
    let seconds = reach.as_secs();
    let mut resolved = Vec::new();
    let mut last = None;
    for host in target.address.hosts.iter().take(8) {
        let found = tokio::time::timeout(reach, tokio::net::lookup_host((host.host.as_str(), host.port))).await;
        let addresses: Vec<_> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) => Vec::new(),
            Err(_) => {
                let what = format!("No DNS server answered for '{}' within {seconds} s", host.host);
                let e = ApiError::new(ErrorCode::Timeout, what);
                return Err((StageName::Dns, e.hint("Check the network and the DNS server")));
            }
        };
        if addresses.is_empty() {
            last = Some(
                ApiError::new(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", host.host))
                    .hint("Check the spelling, the VPN and the DNS server"),
            );
        } else {
            resolved.push((host.clone(), addresses));
        }
    }
    if resolved.is_empty() {
        let e = last.unwrap_or_else(|| ApiError::bad_request("The address names no host"));
        return Err((StageName::Dns, e));
    }
    let mut list: Vec<String> = resolved.iter().flat_map(|(_, a)| a.iter().map(|a| a.ip().to_string())).collect();
    list.dedup();
    report.push(StageName::Dns, StageOutcome::Ok, list.join(", "), None);
    let mut error = ApiError::internal("No address was tried");
    let end = tokio::time::Instant::now() + 2 * reach;
    for (host, addresses) in resolved {
        let limit = end.min(tokio::time::Instant::now() + reach);
        match tokio::time::timeout_at(limit, TcpStream::connect(addresses.as_slice())).await {
            Ok(Ok(stream)) => {
                report.push(StageName::Tcp, StageOutcome::Ok, format!("{host} accepts connections"), None);
                return Ok((host, stream));
            }
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                error = ApiError::new(ErrorCode::Unreachable, format!("{host} refused the connection"))
                    .hint("Is the server running, is the port right, and does it listen on this address?");
            }
            Ok(Err(e)) => {
                error = ApiError::new(ErrorCode::Unreachable, format!("{host} cannot be reached: {e}"))
                    .hint("Check the route, the VPN and the firewall");
            }
            Err(_) => {
                error =
                    ApiError::new(ErrorCode::Timeout, format!("{host} did not accept a connection within {seconds} s"))
                        .hint("A firewall that drops packets looks like this");
            }
        }
    }
    Err((StageName::Tcp, error))
}

/// Shows the server's certificate. Whether it is trusted is for the driver, which connects afterwards.
///
/// `given` is what the address allows for the whole connection, and what is left of it.
async fn certificate(
    target: &CacheTarget,
    host: &HostPort,
    stream: TcpStream,
    given: Option<(Duration, Duration)>,
    report: &mut Report,
) -> Staged<()> {
    // Redis negotiates nothing: a port speaks TLS or it does not.
    if !wants_tls(target) {
        report.push(StageName::Tls, StageOutcome::Skipped, "not encrypted; rediss:// switches TLS on", None);
        return greet(host, stream, given.unwrap_or((DEADLINE, DEADLINE)))
            .await
            .map_err(|e| (StageName::Authentication, e));
    }
    let verified = match target.address.tls {
        TlsMode::Verify => "verified",
        TlsMode::VerifyCa => "verified without its name",
        _ => "not verified",
    };
    let verifies = matches!(target.address.tls, TlsMode::Verify | TlsMode::VerifyCa);
    let (limit, left) = given.unwrap_or((ANSWER, ANSWER));
    if let Some(path) = target.address.params.get("sslrootcert").map(std::path::PathBuf::from) {
        let looked = tokio::task::spawn_blocking(move || perfdeck_net::check_roots(&path));
        // A disk that hangs is told by the connection, which reads the file too.
        if let Ok(Ok(Err(found))) = tokio::time::timeout(REACH, looked).await {
            return Err((StageName::Tls, ApiError::new(ErrorCode::Tls, found.what).hint(found.step)));
        }
    }
    match tokio::time::timeout(left, perfdeck_net::handshake(&host.host, stream)).await {
        Err(_) => {
            let e = ApiError::new(
                ErrorCode::Timeout,
                format!(
                    "{host} accepted the connection but did not answer the TLS handshake within {} s",
                    limit.as_secs()
                ),
            );
            Err((StageName::Tls, e.hint("Does this port speak TLS? If not, write redis:// instead of rediss://")))
        }
        Ok(Err(why)) => {
            let e = ApiError::new(ErrorCode::Tls, format!("The TLS handshake with {host} failed: {why}"));
            Err((StageName::Tls, e.hint("Does this port speak TLS? If not, write redis:// instead of rediss://")))
        }
        Ok(Ok(c)) if verifies && (c.expired() || c.early) => {
            let what = if c.early { "is not valid yet".to_owned() } else { format!("expired on {}", c.expires) };
            let e = ApiError::new(ErrorCode::Tls, format!("The certificate of {host} (for {}) {what}", c.listed()));
            let hint = "Renew the certificate on the server and reload it; check this machine's clock";
            Err((StageName::Tls, e.hint(hint)))
        }
        Ok(Ok(c)) => {
            let detail = format!("{}, {verified}", c.describe());
            let (outcome, fix) = if c.days_left < 14 || c.early {
                (StageOutcome::Warning, Some("Renew the certificate on the server and reload it".to_owned()))
            } else {
                (StageOutcome::Ok, None)
            };
            report.push(StageName::Tls, outcome, detail, fix);
            Ok(())
        }
    }
}
