//! *Test connection* in stages.
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, ConnectionReport, ConnectionStage, ErrorCode, Scheme, Sensitive, StageName, StageOutcome,
    TlsMode,
};
use sqlx::Row;
use tokio::net::TcpStream;

use crate::connect::{Database, close, connect, explain, grant};

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

    fn fail(mut self, stage: StageName, error: ApiError) -> ConnectionReport {
        self.push(stage, StageOutcome::Failed, error.message.clone(), None);
        self.out.error = Some(error);
        self.out
    }
}

/// Tests a database in stages; never takes longer than about six seconds.
pub async fn test(address: &Address, password: Option<&Sensitive>) -> ConnectionReport {
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
    };
    report.push(
        StageName::Address,
        StageOutcome::Ok,
        format!("{} at {}", address.scheme.product(), address.short()),
        None,
    );
    if address.scheme == Scheme::Sqlite {
        if let Err(error) = file(address) {
            return report.fail(StageName::File, error);
        }
        report.push(StageName::File, StageOutcome::Ok, "readable SQLite database", None);
    } else if let Some(host) = address.hosts.first().filter(|h| !h.host.starts_with('/')) {
        let found =
            tokio::time::timeout(Duration::from_secs(2), tokio::net::lookup_host((host.host.as_str(), host.port)))
                .await;
        let addresses: Vec<_> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) => Vec::new(),
            Err(_) => {
                let e = ApiError::new(
                    ErrorCode::Timeout,
                    format!("The DNS server did not answer for '{}' within 2 s", host.host),
                )
                .hint("Check the network and the DNS server");
                return report.fail(StageName::Dns, e);
            }
        };
        if addresses.is_empty() {
            let e = ApiError::new(ErrorCode::Unreachable, format!("The name '{}' cannot be resolved", host.host))
                .hint("Check the spelling, the VPN and the DNS server");
            return report.fail(StageName::Dns, e);
        }
        let list: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
        report.push(StageName::Dns, StageOutcome::Ok, list.join(", "), None);
        match tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(addresses.as_slice())).await {
            Ok(Ok(_)) => report.push(StageName::Tcp, StageOutcome::Ok, format!("port {} answers", host.port), None),
            Ok(Err(e)) => {
                let e = ApiError::new(
                    ErrorCode::Unreachable,
                    format!("Port {} of {} refused the connection: {e}", host.port, host.host),
                )
                .hint("Is the server running, and does it listen on this address?");
                return report.fail(StageName::Tcp, e);
            }
            Err(_) => {
                let e = ApiError::new(ErrorCode::Timeout, format!("{host} did not accept a connection within 2 s"))
                    .hint("A firewall that drops packets looks like this");
                return report.fail(StageName::Tcp, e);
            }
        }
    }
    let database = match connect(address, password).await {
        Ok(database) => database,
        Err(error) => {
            let stage = match error.code {
                ErrorCode::Tls => StageName::Tls,
                _ => StageName::Authentication,
            };
            return report.fail(stage, error);
        }
    };
    if address.scheme != Scheme::Sqlite {
        let (outcome, detail) = match address.tls {
            TlsMode::Disable => (StageOutcome::Skipped, "switched off"),
            TlsMode::Prefer => (StageOutcome::Ok, "used if the server offers it, not verified"),
            TlsMode::Require => (StageOutcome::Ok, "encrypted, certificate not verified"),
            TlsMode::Verify => (StageOutcome::Ok, "encrypted, certificate and name verified"),
        };
        report.push(StageName::Tls, outcome, detail, None);
        let user = address.username.as_deref().unwrap_or("default user");
        report.push(StageName::Authentication, StageOutcome::Ok, format!("signed in as {user}"), None);
    }
    let facts = tokio::time::timeout(Duration::from_secs(2), facts(database, address, &mut report)).await;
    match facts {
        Ok(Ok(())) => {
            report.out.ok = true;
            report.out
        }
        Ok(Err(error)) => report.fail(StageName::Version, explain(address, &error)),
        Err(_) => {
            let e = ApiError::new(ErrorCode::Timeout, format!("{} did not answer a query within 2 s", address.short()));
            report.fail(StageName::Version, e)
        }
    }
}

fn file(address: &Address) -> Result<(), ApiError> {
    use std::io::Read;
    let path = &address.path;
    let mut head = [0u8; 16];
    let read = std::fs::File::open(path).and_then(|mut f| f.read(&mut head)).map_err(|e| {
        let code = if e.kind() == std::io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Privilege };
        ApiError::new(code, format!("{path} cannot be read: {e}")).hint("Check the path and its permissions")
    })?;
    // An empty file is an empty database.
    if read > 0 && &head != b"SQLite format 3\0" {
        return Err(ApiError::bad_request(format!("{path} is not a SQLite database")).hint("Choose another file"));
    }
    Ok(())
}

async fn facts(database: Database, address: &Address, report: &mut Report) -> Result<(), sqlx::Error> {
    match database {
        Database::Postgres(mut c) => {
            let row = sqlx::query(
                "SELECT current_setting('server_version'),
                        pg_has_role(current_user, 'pg_monitor', 'USAGE') OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
                        EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'),
                        EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements')",
            )
            .fetch_one(&mut c)
            .await?;
            let version: String = row.get(0);
            let version = format!("PostgreSQL {}", version.split(' ').next().unwrap_or(&version));
            report.push(StageName::Version, StageOutcome::Ok, version.clone(), None);
            report.out.version = Some(version);
            if row.get::<bool, _>(1) {
                report.push(StageName::Privileges, StageOutcome::Ok, "member of pg_monitor", None);
            } else {
                let detail = "other sessions' statements are hidden without pg_monitor";
                report.push(StageName::Privileges, StageOutcome::Warning, detail, Some(grant(address)));
            }
            if row.get::<bool, _>(2) {
                report.push(StageName::Extensions, StageOutcome::Ok, "pg_stat_statements is installed", None);
            } else {
                let fix = if row.get::<bool, _>(3) {
                    "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'; -- then restart and: CREATE EXTENSION pg_stat_statements;"
                } else {
                    "-- install the contrib package of your PostgreSQL, then: CREATE EXTENSION pg_stat_statements;"
                };
                let detail = "statement figures need pg_stat_statements";
                report.push(StageName::Extensions, StageOutcome::Warning, detail, Some(fix.to_owned()));
            }
            close(Database::Postgres(c)).await;
        }
        Database::Mysql(mut c) => {
            let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut c).await?;
            let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
            let version = format!("{product} {}", version.split('-').next().unwrap_or(&version));
            report.push(StageName::Version, StageOutcome::Ok, version.clone(), None);
            report.out.version = Some(version);
            let grants: Vec<String> = sqlx::query_scalar("SHOW GRANTS").fetch_all(&mut c).await.unwrap_or_default();
            let process = grants.iter().any(|g| {
                let list = g.split(" ON *.*").next().unwrap_or("");
                g.contains(" ON *.*") && (list.contains("PROCESS") || list.contains("ALL PRIVILEGES"))
            });
            if process {
                report.push(StageName::Privileges, StageOutcome::Ok, "PROCESS is granted", None);
            } else {
                let detail = "other sessions are hidden without PROCESS";
                report.push(StageName::Privileges, StageOutcome::Warning, detail, Some(grant(address)));
            }
            let schema: i64 =
                sqlx::query_scalar("SELECT CAST(@@performance_schema AS SIGNED)").fetch_one(&mut c).await.unwrap_or(0);
            if schema == 1 {
                report.push(StageName::Extensions, StageOutcome::Ok, "performance_schema is on", None);
            } else {
                let fix = "[mysqld]\nperformance_schema = ON".to_owned();
                report.push(
                    StageName::Extensions,
                    StageOutcome::Warning,
                    "statement figures need performance_schema",
                    Some(fix),
                );
            }
            close(Database::Mysql(c)).await;
        }
        Database::Sqlite(mut c) => {
            let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut c).await?;
            let tables: i64 =
                sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetch_one(&mut c).await?;
            let version = format!("SQLite {version}");
            report.push(StageName::Version, StageOutcome::Ok, format!("{version}, {tables} tables"), None);
            report.out.version = Some(version);
            close(Database::Sqlite(c)).await;
        }
    }
    Ok(())
}
