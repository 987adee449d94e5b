//! *Test connection* in stages.
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, ConnectionReport, ConnectionStage, ErrorCode, HostPort, Scheme, Sensitive, StageName,
    StageOutcome, TlsMode,
};
use perfdeck_net::Speaks;
use perfdeck_words::{bytes, plural};
use sqlx::Row;
use tokio::net::TcpStream;

use crate::connect::{Database, close, connect, silent, stalled, version};
use crate::error::{explain, no_tls, root_of};
use crate::hints::grant;
use crate::session::Session;
use crate::tls::{self, Offer};

/// Longest wait for name resolution and for a TCP connection.
const REACH: Duration = Duration::from_secs(2);
/// Longest wait for the TLS handshake, for authentication, and for the queries afterwards.
const ANSWER: Duration = Duration::from_secs(3);

struct Report {
    out: ConnectionReport,
    clock: Instant,
    plan: &'static [StageName],
}

impl Report {
    fn push(&mut self, stage: StageName, outcome: StageOutcome, detail: impl Into<String>, fix: Option<String>) {
        let elapsed_ms = self.clock.elapsed().as_secs_f64() * 1e3;
        self.clock = Instant::now();
        self.out.stages.push(ConnectionStage { stage, outcome, detail: detail.into(), fix, elapsed_ms });
    }

    fn skip(&mut self, stage: StageName, why: &str) {
        self.push(stage, StageOutcome::Skipped, why, None);
    }

    fn fail(&mut self, stage: StageName, error: ApiError) {
        let fix = error.hint.clone();
        self.push(stage, StageOutcome::Failed, error.message.clone(), fix);
        for later in self.plan {
            if !self.out.stages.iter().any(|s| s.stage == *later) {
                let stage = ConnectionStage {
                    stage: *later,
                    outcome: StageOutcome::Skipped,
                    detail: "not tried".to_owned(),
                    fix: None,
                    elapsed_ms: 0.0,
                };
                self.out.stages.push(stage);
            }
        }
        self.out.error = Some(error);
    }
}

/// Tests a database in stages. A server that hangs costs about three seconds; no test takes longer than eleven, or than
/// the address's `connect_timeout` allows.
///
/// Nothing is changed on the server; the session is read-only and ends with the test.
pub async fn test(address: &Address, password: Option<&Sensitive>) -> ConnectionReport {
    use StageName as S;
    let plan: &'static [StageName] = match address.scheme {
        Scheme::Sqlite => &[S::Address, S::File, S::Version],
        _ => &[S::Address, S::Dns, S::Tcp, S::Tls, S::Authentication, S::Version, S::Privileges, S::Extensions],
    };
    let mut report = Report {
        out: ConnectionReport {
            role: address.scheme.role(),
            address: address.short(),
            ok: false,
            stages: Vec::new(),
            version: None,
            error: None,
        },
        clock: Instant::now(),
        plan,
    };
    match stages(address, password, &mut report).await {
        Ok(()) => report.out.ok = true,
        Err((stage, error)) => {
            let error = stranger(address, stage, error).await;
            report.fail(stage, error);
        }
    }
    report.out
}

/// Says what answers at the port, when a failure looks as if it were not the product of the address.
async fn stranger(address: &Address, stage: StageName, error: ApiError) -> ApiError {
    let asked = matches!(stage, StageName::Tls | StageName::Authentication | StageName::Version);
    let unclear = matches!(error.code, ErrorCode::Unreachable | ErrorCode::Timeout | ErrorCode::Tls);
    let Some(host) = address.hosts.first().filter(|h| asked && unclear && !h.host.starts_with('/')) else {
        return error;
    };
    let own = if address.scheme == Scheme::Postgres { Speaks::Postgres } else { Speaks::Mysql };
    let speaks = perfdeck_net::ask(&host.host, host.port).await;
    let product = address.scheme.product();
    if speaks == Speaks::Closes {
        return ApiError::new(ErrorCode::Unreachable, format!("{host} closed the connection without a word"))
            .hint(format!("Is it {product}? A proxy without a server behind it looks like this too"));
    }
    if speaks == own || !speaks.is_known() {
        return error;
    }
    let hint = match speaks.scheme() {
        Some(scheme) => format!("Check the port; for what answers there the address begins with {scheme}"),
        None => format!("Check the port: {product} is not spoken to this way"),
    };
    ApiError::new(ErrorCode::Unreachable, format!("{host} {}, not {product}'s", speaks.words())).hint(hint)
}

type Staged<T> = Result<T, (StageName, ApiError)>;

async fn stages(address: &Address, password: Option<&Sensitive>, report: &mut Report) -> Staged<()> {
    let what = match address.scheme {
        Scheme::Postgres | Scheme::Mysql | Scheme::Mariadb | Scheme::Sqlite => address.scheme.product(),
        other => {
            let error = ApiError::bad_request(format!("{} is not a database", other.product()))
                .hint("Write postgres://…, mysql://…, mariadb://… or sqlite:…");
            return Err((StageName::Address, error));
        }
    };
    report.push(StageName::Address, StageOutcome::Ok, format!("{what} at {}", address.short()), None);
    if address.scheme == Scheme::Sqlite {
        return sqlite(address, report).await;
    }
    let Some(host) = address.hosts.first() else {
        let error = ApiError::bad_request("The address names no host").hint("Write postgres://user@host/database");
        return Err((StageName::Address, error));
    };
    // What the address says about the time to connect is the time for one connection, from its first packet on.
    let given = crate::trust::wanted(address).map_err(|e| (StageName::Address, e))?.connect_timeout;
    if host.host.starts_with('/') {
        report.skip(StageName::Dns, "a Unix socket has no name");
        report.skip(StageName::Tcp, "a Unix socket");
        let what = match address.scheme {
            Scheme::Postgres => "TLS does not apply to a Unix socket",
            _ => "a Unix socket stays on this machine",
        };
        report.skip(StageName::Tls, what);
    } else {
        let began = Instant::now();
        let stream = reach(host, given, report).await?;
        if address.tls != TlsMode::Disable {
            roots(address).await?;
        }
        let left = given.map(|limit| (limit, limit.saturating_sub(began.elapsed())));
        certificate(address, host, stream, left.unwrap_or((ANSWER, ANSWER)), report).await?;
    }
    let mut database = match connect(address, password, ANSWER).await {
        Ok(database) => database,
        Err(error) if error.code == ErrorCode::Tls => {
            // The handshake succeeded without verification, so it is the verification that failed.
            report.out.stages.retain(|s| s.stage != StageName::Tls);
            return Err((StageName::Tls, error));
        }
        Err(error) => return Err((StageName::Authentication, error)),
    };
    let user = address.username.as_deref().unwrap_or("the default user");
    let database_name = if address.path.is_empty() { String::new() } else { format!(", database {}", address.path) };
    let pooler = match &database {
        Database::Postgres(session) if session.is_shared() => ", through a pooler that shares server connections",
        _ => "",
    };
    report.push(
        StageName::Authentication,
        StageOutcome::Ok,
        format!("signed in as {user}{database_name}{pooler}"),
        None,
    );
    let facts = async {
        let version = version(&mut database).await?;
        match standing(&mut database).await? {
            None => report.push(StageName::Version, StageOutcome::Ok, version.clone(), None),
            Some((what, fix)) => {
                let detail = format!("{version}, {what}");
                report.push(StageName::Version, StageOutcome::Warning, detail, Some(fix.to_owned()));
            }
        }
        report.out.version = Some(version);
        match &mut database {
            Database::Postgres(c) => postgres(c, address, report).await,
            Database::Mysql(c) => mysql(c, address, report).await,
            Database::Sqlite(_) => Ok(()),
        }
    };
    let outcome = tokio::time::timeout(ANSWER, facts).await;
    let silence = stalled(address, &database, ANSWER);
    close(database).await;
    let stage = match report.out.stages.last().map(|s| s.stage) {
        Some(StageName::Version) => StageName::Privileges,
        Some(StageName::Privileges) => StageName::Extensions,
        _ => StageName::Version,
    };
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((stage, explain(address, &error))),
        Err(_) => Err((stage, silence)),
    }
}

/// Resolves the name and opens a TCP connection.
async fn reach(host: &HostPort, given: Option<Duration>, report: &mut Report) -> Staged<TcpStream> {
    let limit = given.unwrap_or(REACH);
    let seconds = limit.as_secs();
    let end = tokio::time::Instant::now() + limit;
    let found = tokio::time::timeout_at(end, tokio::net::lookup_host((host.host.as_str(), host.port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) => Vec::new(),
        Err(_) => {
            let what = format!("No DNS server answered for '{}' within {seconds} s", host.host);
            let e = ApiError::new(ErrorCode::Timeout, what).hint("Check the network and the DNS server");
            return Err((StageName::Dns, e));
        }
    };
    if addresses.is_empty() {
        let e = ApiError::new(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", host.host))
            .hint("Check the spelling, the VPN and the DNS server");
        return Err((StageName::Dns, e));
    }
    let mut list: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    list.dedup();
    report.push(StageName::Dns, StageOutcome::Ok, list.join(", "), None);
    // Without a time of its own, each step has the usual one.
    let end = if given.is_none() { tokio::time::Instant::now() + limit } else { end };
    match tokio::time::timeout_at(end, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(stream)) => {
            let peer = stream.peer_addr().map_or_else(|_| host.to_string(), |a| a.to_string());
            report.push(StageName::Tcp, StageOutcome::Ok, format!("{peer} accepts connections"), None);
            Ok(stream)
        }
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            let e = ApiError::new(ErrorCode::Unreachable, format!("{host} refused the connection"))
                .hint("Is the server running, is the port right, and does it listen on this address?");
            Err((StageName::Tcp, e))
        }
        Ok(Err(e)) => {
            let e = ApiError::new(ErrorCode::Unreachable, format!("{host} cannot be reached: {e}"))
                .hint("Check the route, the VPN and the firewall");
            Err((StageName::Tcp, e))
        }
        Err(_) => {
            let e = ApiError::new(ErrorCode::Timeout, format!("{host} did not accept a connection within {seconds} s"))
                .hint("A firewall that drops packets looks like this");
            Err((StageName::Tcp, e))
        }
    }
}

/// The file of roots that the address names, looked at before anything is asked of the server.
async fn roots(address: &Address) -> Staged<()> {
    let Some(path) = root_of(address).map(std::path::PathBuf::from) else { return Ok(()) };
    let looked = tokio::task::spawn_blocking(move || perfdeck_net::check_roots(&path));
    match tokio::time::timeout(REACH, looked).await {
        Ok(Ok(Err(found))) => Err((StageName::Tls, ApiError::new(ErrorCode::Tls, found.what).hint(found.step))),
        // A disk that hangs is told by the connection, which reads the file too.
        _ => Ok(()),
    }
}

/// What a server is beside its version, when it only reads: a standby, a replica, or switched to it. With what follows.
async fn standing(database: &mut Database) -> Result<Option<(String, &'static str)>, sqlx::Error> {
    const PRIMARY: &str = "To write, or to see what is current, give the address of its primary";
    match database {
        Database::Postgres(c) => {
            // Without anything to replay, the last replay says nothing about lag.
            let row = sqlx::query(
                "SELECT pg_is_in_recovery(),
                        CASE WHEN pg_is_in_recovery() THEN
                            CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                                 ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
                            END::float8
                        END",
            )
            .fetch_one(c)
            .await?;
            if !row.get::<bool, _>(0) {
                return Ok(None);
            }
            let what = format!(
                "a hot standby: nothing can be written, and what is read lags behind its primary{}",
                by(row.get(1))
            );
            Ok(Some((what, PRIMARY)))
        }
        Database::Mysql(c) => {
            let read_only: i64 =
                sqlx::query_scalar("SELECT CAST(@@global.read_only AS SIGNED)").fetch_one(&mut *c).await?;
            let mut replica = None;
            // Needs a privilege that monitoring does without; MySQL and MariaDB renamed it at different times.
            for (ask, lag) in
                [("SHOW REPLICA STATUS", "Seconds_Behind_Source"), ("SHOW SLAVE STATUS", "Seconds_Behind_Master")]
            {
                if let Ok(rows) = sqlx::raw_sql(ask).fetch_all(&mut *c).await {
                    replica = rows.first().map(|row| {
                        let read = |name: &str| row.try_get_unchecked::<Option<u64>, _>(name).ok().flatten();
                        read(lag).or_else(|| read("Seconds_Behind_Master"))
                    });
                    break;
                }
            }
            let by = |seconds: Option<u64>| by(seconds.map(|s| s as f64));
            Ok(match (replica, read_only == 1) {
                (Some(lag), true) => Some((
                    format!(
                        "a replica that is read_only: nothing can be written, and what is read lags behind its primary{}",
                        by(lag)
                    ),
                    PRIMARY,
                )),
                (Some(lag), false) => Some((
                    format!(
                        "a replica that can be written to, which its primary will not see; what is read lags behind it{}",
                        by(lag)
                    ),
                    "SET GLOBAL read_only = ON; keeps it what it is",
                )),
                (None, true) => Some((
                    "read_only is on: nothing can be written but by administrators".to_owned(),
                    "SET GLOBAL read_only = OFF; if it is no replica",
                )),
                (None, false) => None,
            })
        }
        Database::Sqlite(_) => Ok(None),
    }
}

/// " (by 2.5 s now)", or that it is not known.
fn by(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| " (by how much is not known)".to_owned(), |s| format!(" (by {s:.1} s now)"))
}

/// Shows the server's certificate. Whether it is trusted is for the driver, which connects afterwards.
///
/// `limit` is what the whole connection may take, and what is left of it.
async fn certificate(
    address: &Address,
    host: &HostPort,
    stream: TcpStream,
    limit: (Duration, Duration),
    report: &mut Report,
) -> Staged<()> {
    if address.tls == TlsMode::Disable {
        report.skip(StageName::Tls, "switched off by sslmode=disable");
        return Ok(());
    }
    let ask = async {
        match address.scheme {
            Scheme::Postgres => tls::postgres(&host.host, stream).await,
            _ => tls::mysql(&host.host, stream).await,
        }
    };
    let offer = match tokio::time::timeout(limit.1, ask).await {
        Ok(Ok(offer)) => offer,
        // Closed without a word: the real connection says it better.
        Ok(Err(_)) => Offer::None,
        Err(_) => return Err((StageName::Tls, silent(address, limit.0))),
    };
    let verifies = matches!(address.tls, TlsMode::VerifyCa | TlsMode::Verify);
    let product = address.scheme.product();
    match offer {
        Offer::Stranger => {
            let e = ApiError::new(ErrorCode::Unreachable, format!("{host} answers, but it is not {product}"))
                .hint("Check the port and the scheme of the address");
            Err((StageName::Tls, e))
        }
        Offer::None if address.tls == TlsMode::Prefer => {
            report.push(StageName::Tls, StageOutcome::Skipped, "not offered by the server; not encrypted", None);
            Ok(())
        }
        // A server that is full or refuses this host says so before it speaks of TLS; the real connection hears it.
        Offer::None if address.scheme != Scheme::Postgres => Ok(()),
        Offer::None => Err((StageName::Tls, no_tls(address))),
        Offer::Failed(why) => {
            let e = ApiError::new(ErrorCode::Tls, format!("The TLS handshake with {host} failed: {why}"))
                .hint("Check the server's TLS versions and certificate");
            Err((StageName::Tls, e))
        }
        Offer::Certificate(c) if verifies && (c.expired() || c.early) => {
            let what = if c.early { "is not valid yet".to_owned() } else { format!("expired on {}", c.expires) };
            let e = ApiError::new(ErrorCode::Tls, format!("The certificate of {host} (for {}) {what}", c.listed()))
                .hint("Renew the certificate on the server and reload it; check this machine's clock");
            Err((StageName::Tls, e))
        }
        Offer::Certificate(c) => {
            let verified = match address.tls {
                TlsMode::Verify => "verified",
                TlsMode::VerifyCa => "verified without its name",
                _ => "not verified",
            };
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

async fn postgres(c: &mut Session, address: &Address, report: &mut Report) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT pg_has_role(current_user, 'pg_monitor', 'USAGE'),
                (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
                current_user::text",
    )
    .fetch_one(&mut *c)
    .await?;
    // The session's user is the one to grant to, also when the address named none.
    let mut as_user = address.clone();
    as_user.username = Some(row.get(2));
    if row.get::<bool, _>(1) {
        report.push(StageName::Privileges, StageOutcome::Ok, "superuser", None);
    } else if row.get::<bool, _>(0) {
        report.push(StageName::Privileges, StageOutcome::Ok, "member of pg_monitor", None);
    } else {
        let detail = "other sessions are hidden without pg_monitor";
        report.push(StageName::Privileges, StageOutcome::Warning, detail, Some(grant(&as_user)));
    }
    let row = sqlx::query(
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'),
                EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'),
                current_setting('pg_stat_statements.max', true) IS NOT NULL,
                (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries')",
    )
    .fetch_one(&mut *c)
    .await?;
    let (installed, available, loaded) =
        (row.get::<Option<String>, _>(0), row.get::<bool, _>(1), row.get::<bool, _>(2));
    let libraries: Option<String> = row.get(3);
    let create = "CREATE EXTENSION pg_stat_statements;";
    let preload = match libraries.as_deref().map(str::trim) {
        Some("") => "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';".to_owned(),
        // Each library is a quoted element of its own: one string with commas would name a single library.
        Some(others) => {
            let all: Vec<String> = others
                .split(',')
                .map(|name| name.trim().trim_matches('"'))
                .chain(["pg_stat_statements"])
                .map(|name| format!("'{}'", name.replace('\'', "''")))
                .collect();
            format!("ALTER SYSTEM SET shared_preload_libraries = {};", all.join(", "))
        }
        // Only pg_read_all_settings shows the present value, and overwriting it would unload other libraries.
        None => "-- in postgresql.conf, keeping what is listed already:\n\
                 shared_preload_libraries = 'pg_stat_statements'"
            .to_owned(),
    };
    let (outcome, detail, fix) = match (installed, loaded, available) {
        (Some(version), true, _) => (StageOutcome::Ok, format!("pg_stat_statements {version}"), None),
        (Some(_), false, _) => (
            StageOutcome::Warning,
            "pg_stat_statements is created but not preloaded".to_owned(),
            Some(format!("{preload} -- then restart the server")),
        ),
        (None, true, _) => (
            StageOutcome::Warning,
            "pg_stat_statements is preloaded but not created in this database".to_owned(),
            Some(create.to_owned()),
        ),
        (None, false, true) => (
            StageOutcome::Warning,
            "statement figures need pg_stat_statements".to_owned(),
            Some(format!("{preload} -- then restart the server and run:\n{create}")),
        ),
        (None, false, false) => (
            StageOutcome::Warning,
            "pg_stat_statements is not installed on the server".to_owned(),
            Some(format!("-- install PostgreSQL's contrib package on the server, then:\n{preload}\n{create}")),
        ),
    };
    report.push(StageName::Extensions, outcome, detail, fix);
    Ok(())
}

async fn mysql(
    c: &mut sqlx::mysql::MySqlConnection,
    address: &Address,
    report: &mut Report,
) -> Result<(), sqlx::Error> {
    // The table can be read by everyone with PROCESS and by nobody without it.
    match sqlx::query("SELECT 1 FROM information_schema.innodb_trx LIMIT 1").fetch_optional(&mut *c).await {
        Ok(_) => report.push(StageName::Privileges, StageOutcome::Ok, "PROCESS is granted", None),
        Err(error) => {
            if explain(address, &error).code != ErrorCode::Privilege {
                return Err(error);
            }
            let fix = grant(address);
            let detail = "other sessions are hidden without PROCESS";
            report.push(StageName::Privileges, StageOutcome::Warning, detail, Some(fix));
        }
    }
    let schema: i64 = sqlx::query_scalar("SELECT CAST(@@performance_schema AS SIGNED)").fetch_one(&mut *c).await?;
    if schema == 1 {
        report.push(StageName::Extensions, StageOutcome::Ok, "performance_schema is on", None);
    } else {
        let fix = "# in my.cnf, then restart the server\n[mysqld]\nperformance_schema = ON".to_owned();
        let detail = "performance_schema is off; statement figures need it";
        report.push(StageName::Extensions, StageOutcome::Warning, detail, Some(fix));
    }
    Ok(())
}

/// Whether the file exists, can be read and begins like a SQLite database.
fn head(path: &str) -> Result<u64, ApiError> {
    use std::io::Read;
    let refuse = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => ApiError::not_found(format!("{path} does not exist")).hint("Check the path"),
        std::io::ErrorKind::PermissionDenied => {
            ApiError::new(ErrorCode::Privilege, format!("{path} cannot be read: permission denied"))
                .hint(format!("chmod u+r '{path}', or open Perfdeck as the file's owner"))
        }
        _ => ApiError::new(ErrorCode::Storage, format!("{path} cannot be read: {e}")).hint("Check the disk"),
    };
    let metadata = std::fs::metadata(path).map_err(refuse)?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(ApiError::bad_request(format!("{path} is not a file")).hint("Choose the database file itself"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(16).read_to_end(&mut bytes)).map_err(refuse)?;
    // An empty file is an empty database.
    if !bytes.is_empty() && bytes != b"SQLite format 3\0" {
        return Err(ApiError::bad_request(format!("{path} is not a SQLite database, or it is encrypted"))
            .hint("Choose another file"));
    }
    Ok(metadata.len())
}

async fn sqlite(address: &Address, report: &mut Report) -> Staged<()> {
    let path = address.path.clone();
    // A file on a dead network mount would block the thread it is read on.
    let looked = tokio::time::timeout(REACH, tokio::task::spawn_blocking(move || head(&path))).await;
    let size = match looked {
        Ok(Ok(Ok(size))) => size,
        Ok(Ok(Err(error))) => return Err((StageName::File, error)),
        Ok(Err(_)) => return Err((StageName::File, ApiError::internal(format!("{} could not be read", address.path)))),
        Err(_) => {
            let e = ApiError::new(ErrorCode::Timeout, format!("{} could not be read within 2 s", address.path))
                .hint("A network mount that is gone looks like this");
            return Err((StageName::File, e));
        }
    };
    let mut database = connect(address, None, ANSWER).await.map_err(|e| (StageName::File, e))?;
    let facts = async {
        let Database::Sqlite(c) = &mut database else { return Ok((0, String::new())) };
        let tables: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetch_one(&mut *c).await?;
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *c).await?;
        Ok::<_, sqlx::Error>((tables, journal))
    };
    let outcome = tokio::time::timeout(ANSWER, facts).await;
    let (tables, journal) = match outcome {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err((StageName::File, explain(address, &error))),
        Err(_) => return Err((StageName::File, silent(address, ANSWER))),
    };
    let detail = format!("readable, {}, {}, journal mode {journal}", bytes(size as f64), plural(tables, "table"));
    report.push(StageName::File, StageOutcome::Ok, detail, None);
    let version = version(&mut database).await.map_err(|e| (StageName::Version, explain(address, &e)))?;
    report.push(StageName::Version, StageOutcome::Ok, version.clone(), None);
    report.out.version = Some(version);
    close(database).await;
    Ok(())
}
