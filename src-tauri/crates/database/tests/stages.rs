//! *Test connection* against real servers, and against servers that are wrong in one way.
use std::time::{Duration, Instant};

use perfdeck_database::test;
use perfdeck_model::{Address, ConnectionReport, ErrorCode, Sensitive, StageName, StageOutcome, TlsMode};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, Postgres};

fn parse(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).expect("a URL")
}

fn stage(report: &ConnectionReport, stage: StageName) -> &perfdeck_model::ConnectionStage {
    report.stages.iter().find(|s| s.stage == stage).unwrap_or_else(|| panic!("no stage {stage:?} in {report:#?}"))
}

fn failed(report: &ConnectionReport) -> StageName {
    assert!(!report.ok, "a failed stage means that the target cannot be used: {report:#?}");
    let failed: Vec<_> = report.stages.iter().filter(|s| s.outcome == StageOutcome::Failed).collect();
    assert_eq!(failed.len(), 1, "exactly one stage fails: {report:#?}");
    assert!(report.error.as_ref().is_some_and(|e| e.hint.is_some()), "a failure says what to do: {report:#?}");
    failed[0].stage
}

fn without_secrets(report: &ConnectionReport) {
    let text = format!("{report:?}");
    for secret in [POSTGRES_PASSWORD, MARIADB_PASSWORD, "wrong-canary"] {
        assert!(!text.contains(secret), "a report never holds a password: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_tested_in_stages() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let (address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "good credentials: {report:#?}");
    let names: Vec<_> = report.stages.iter().map(|s| s.stage).collect();
    use StageName as S;
    let all = [S::Address, S::Dns, S::Tcp, S::Tls, S::Authentication, S::Version, S::Privileges, S::Extensions];
    assert_eq!(names, all, "all stages in their order");
    assert_eq!(stage(&report, S::Dns).detail, "127.0.0.1", "the addresses are listed");
    assert_eq!(stage(&report, S::Tls).outcome, StageOutcome::Skipped, "this server offers no TLS");
    assert!(report.version.as_deref().is_some_and(|v| v.starts_with("PostgreSQL 1")), "{:?}", report.version);
    without_secrets(&report);

    // A role without privileges gets the statement to run, with its name quoted.
    server
        .execute("CREATE ROLE \"o\"\"dd\" LOGIN PASSWORD 'wrong-canary-odd'; REVOKE CONNECT ON DATABASE app FROM PUBLIC; GRANT CONNECT ON DATABASE app TO \"o\"\"dd\"; CREATE ROLE out LOGIN PASSWORD 'wrong-canary-out'")
        .await
        .expect("roles");
    let mut odd = address.clone();
    odd.username = Some("o\"dd".to_owned());
    let report = test(&odd, Some(&Sensitive::new("wrong-canary-odd"))).await;
    assert!(report.ok, "a missing privilege is a warning: {report:#?}");
    let privileges = stage(&report, S::Privileges);
    assert_eq!(privileges.outcome, StageOutcome::Warning, "not a member of pg_monitor");
    let fix = privileges.fix.clone().expect("the statement to run");
    assert_eq!(fix, "GRANT pg_monitor TO \"o\"\"dd\";", "ready to copy");
    server.execute(&fix).await.expect("the statement is right");
    let report = test(&odd, Some(&Sensitive::new("wrong-canary-odd"))).await;
    assert_eq!(stage(&report, S::Privileges).outcome, StageOutcome::Ok, "and it helps");

    let mut out = address.clone();
    out.username = Some("out".to_owned());
    let report = test(&out, Some(&Sensitive::new("wrong-canary-out"))).await;
    assert_eq!(failed(&report), S::Authentication, "no CONNECT privilege");
    let hint = report.error.as_ref().and_then(|e| e.hint.clone()).unwrap_or_default();
    assert_eq!(hint, "GRANT CONNECT ON DATABASE \"app\" TO \"out\";", "the exact grant");

    let started = Instant::now();
    let report = test(&address, Some(&Sensitive::new("wrong-canary"))).await;
    assert!(started.elapsed() < Duration::from_secs(3), "a wrong password is told at once");
    assert_eq!(failed(&report), S::Authentication, "as such, not as a time-out");
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::Authentication), "with its code");
    assert_eq!(stage(&report, S::Version).outcome, StageOutcome::Skipped, "later stages are shown as not tried");
    without_secrets(&report);

    let mut nowhere = address.clone();
    nowhere.path = "nowhere".to_owned();
    let report = test(&nowhere, password.as_ref()).await;
    assert_eq!(failed(&report), S::Authentication, "an unknown database");
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::NotFound), "is named: {:?}", report.error);

    let mut secure = address.clone();
    secure.tls = TlsMode::Require;
    let report = test(&secure, password.as_ref()).await;
    assert_eq!(failed(&report), S::Tls, "TLS is wanted and not offered");

    let folder = server.socket_folder().to_string_lossy().into_owned();
    let mut socket = address.clone();
    socket.hosts[0].host = folder;
    let report = test(&socket, password.as_ref()).await;
    assert!(report.ok, "a Unix socket works too: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_extension_gives_the_statements() {
    let server = Postgres::start_with(&[("shared_preload_libraries", "auto_explain")]).await.expect("PostgreSQL");
    let (address, password) = parse(&server.url());
    server.execute("DROP EXTENSION IF EXISTS pg_stat_statements").await.expect("dropped");
    let report = test(&address, password.as_ref()).await;
    let extensions = stage(&report, StageName::Extensions);
    assert_eq!(extensions.outcome, StageOutcome::Warning, "not preloaded: {extensions:?}");
    let fix = extensions.fix.clone().expect("what to run");
    assert!(fix.contains("'auto_explain', 'pg_stat_statements'"), "other libraries are kept: {fix}");
    assert!(fix.contains("CREATE EXTENSION pg_stat_statements;"), "and created afterwards: {fix}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_hba_rejection_says_which_line_is_missing() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let hba = server.socket_folder().join("data/pg_hba.conf");
    std::fs::write(&hba, "local all all scram-sha-256\nhost all perfdeck 127.0.0.1/32 scram-sha-256\n")
        .expect("written");
    server.restart().await.expect("restarted");
    server.execute("CREATE ROLE other LOGIN PASSWORD 'x'").await.expect("a role");
    let (mut address, _) = parse(&server.url());
    address.username = Some("other".to_owned());
    let report = test(&address, Some(&Sensitive::new("wrong-canary"))).await;
    assert_eq!(failed(&report), StageName::Authentication, "rejected before the password");
    let error = report.error.expect("an error");
    assert!(error.message.contains("pg_hba.conf"), "the reason: {}", error.message);
    assert!(error.hint.is_some_and(|h| h.contains("host \"app\" \"other\"")), "and the line to add");
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn certificate(days: i64) -> (String, String) {
    let mut params =
        rcgen::CertificateParams::new(vec!["db.example".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    let now = std::time::SystemTime::now();
    let day = Duration::from_secs(86_400);
    params.not_before = (now - day * 400).into();
    let distance = day * u32::try_from(days.unsigned_abs()).expect("days");
    params.not_after = if days < 0 { now - distance } else { now + distance + day / 2 }.into();
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
}

/// PostgreSQL wants its key file to be its own and nobody else's.
async fn with_tls(days: i64) -> (Postgres, String) {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let data = server.socket_folder().join("data");
    let (pem, key) = certificate(days);
    std::fs::write(data.join("server.crt"), &pem).expect("written");
    std::fs::write(data.join("server.key"), key).expect("written");
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    std::fs::set_permissions(data.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let owner = std::fs::metadata(data.join("PG_VERSION")).expect("metadata");
    std::os::unix::fs::chown(data.join("server.key"), Some(owner.uid()), Some(owner.gid())).expect("owner");
    let auto = data.join("postgresql.auto.conf");
    let mut settings = std::fs::read_to_string(&auto).unwrap_or_default();
    settings.push_str("ssl = on\n");
    std::fs::write(auto, settings).expect("written");
    server.restart().await.expect("restarted");
    (server, pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_shown_and_verified() {
    let (server, pem) = with_tls(90).await;
    let (mut address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "an unverified certificate is fine by default: {report:#?}");
    let tls = &stage(&report, StageName::Tls).detail;
    assert!(tls.contains("db.example, 127.0.0.1"), "names: {tls}");
    assert!(tls.contains("expires 20") && tls.contains("(in 90 days)"), "expiry: {tls}");
    assert!(tls.ends_with("not verified"), "and what that is worth: {tls}");

    address.tls = TlsMode::Verify;
    let report = test(&address, password.as_ref()).await;
    assert_eq!(failed(&report), StageName::Tls, "nobody here trusts its issuer");
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), pem).expect("written");
    address.params.insert("sslrootcert".to_owned(), ca.path().display().to_string());
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "with its certificate as root it is verified: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_fails_with_its_date() {
    let (server, pem) = with_tls(-3).await;
    let (mut address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "nothing is verified by default: {report:#?}");
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), pem).expect("written");
    address.tls = TlsMode::VerifyCa;
    address.params.insert("sslrootcert".to_owned(), ca.path().display().to_string());
    let report = test(&address, password.as_ref()).await;
    assert_eq!(failed(&report), StageName::Tls, "expired");
    let error = report.error.expect("an error");
    assert_eq!(error.code, ErrorCode::Tls, "a TLS failure");
    assert!(error.message.contains("expired on 20"), "with the date: {}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_tested_in_stages() {
    let server = MariaDb::start_with(&["--performance-schema=OFF"]).await.expect("MariaDB");
    let (address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "good credentials: {report:#?}");
    assert!(report.version.as_deref().is_some_and(|v| v.starts_with("MariaDB 1")), "{:?}", report.version);
    let extensions = stage(&report, StageName::Extensions);
    assert_eq!(extensions.outcome, StageOutcome::Warning, "performance_schema is off");
    assert!(extensions.fix.as_deref().is_some_and(|f| f.contains("performance_schema = ON")), "what to set");
    without_secrets(&report);

    server.execute("CREATE USER 'small'@'%' IDENTIFIED BY 'wrong-canary-s'").await.expect("a user");
    server.execute("GRANT SELECT ON app.* TO 'small'@'%'").await.expect("a grant");
    let mut small = address.clone();
    small.username = Some("small".to_owned());
    let report = test(&small, Some(&Sensitive::new("wrong-canary-s"))).await;
    assert!(report.ok, "a missing privilege is a warning: {report:#?}");
    let fix = stage(&report, StageName::Privileges).fix.clone().expect("the statement");
    assert_eq!(fix, "GRANT PROCESS ON *.* TO 'small'@'%';", "for the account that matched");
    server.execute(&fix).await.expect("the statement is right");
    let report = test(&small, Some(&Sensitive::new("wrong-canary-s"))).await;
    assert_eq!(stage(&report, StageName::Privileges).outcome, StageOutcome::Ok, "and it helps");

    let report = test(&address, Some(&Sensitive::new("wrong-canary"))).await;
    assert_eq!(failed(&report), StageName::Authentication, "a wrong password");
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::Authentication), "with its code");
    let mut nowhere = address.clone();
    nowhere.path = "nowhere".to_owned();
    let report = test(&nowhere, password.as_ref()).await;
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::NotFound), "an unknown database: {report:#?}");
    // MariaDB on the port, PostgreSQL in the address.
    let (wrong, _) = parse(&format!("postgres://u@127.0.0.1:{}/d", server.port()));
    let report = test(&wrong, None).await;
    assert_eq!(failed(&report), StageName::Tls, "another product answers: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_targets_name_the_stage() {
    let free = perfdeck_testkit::free_port().expect("a port");
    for scheme in ["postgres", "mysql"] {
        let (address, _) = parse(&format!("{scheme}://u@127.0.0.1:{free}/d"));
        let report = test(&address, None).await;
        assert_eq!(failed(&report), StageName::Tcp, "nothing listens there");
        assert!(report.error.is_some_and(|e| e.message.contains("refused")), "and it says so");
    }
    let (address, _) = parse("postgres://u@no-such-host.invalid/d");
    let report = test(&address, None).await;
    assert_eq!(failed(&report), StageName::Dns, "the name does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_a_time_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for url in [
        format!("postgres://u@127.0.0.1:{port}/d"),
        format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable"),
        format!("mariadb://u@127.0.0.1:{port}/d"),
    ] {
        let (address, _) = parse(&url);
        let started = Instant::now();
        let report = test(&address, Some(&Sensitive::new("wrong-canary"))).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{url}: {:?}", started.elapsed());
        assert!(matches!(failed(&report), StageName::Tls | StageName::Authentication), "the stage that hangs");
        let error = report.error.clone().expect("an error");
        assert_eq!(error.code, ErrorCode::Timeout, "a time-out: {error:?}");
        assert!(error.message.contains(&format!("127.0.0.1:{port}")), "that names the server: {}", error.message);
        without_secrets(&report);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_files_are_looked_at_before_they_are_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("real.db");
    let url = format!("sqlite:{}", file.display());
    let (address, _) = parse(&url);
    let report = test(&address, None).await;
    assert_eq!(failed(&report), StageName::File, "there is no file");
    assert!(!file.exists(), "and a test does not make one");
    use sqlx::{ConnectOptions, Connection, Executor};
    let mut writer = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .connect()
        .await
        .expect("a database");
    writer.execute("CREATE TABLE t (a)").await.expect("a table");
    let report = test(&address, None).await;
    assert!(report.ok, "readable: {report:#?}");
    assert!(stage(&report, StageName::File).detail.contains("1 table,"), "{report:#?}");
    writer.execute("BEGIN EXCLUSIVE").await.expect("locked");
    let report = test(&address, None).await;
    assert_eq!(failed(&report), StageName::File, "locked");
    assert!(report.error.is_some_and(|e| e.message.contains("locked")), "and it says so");
    writer.execute("ROLLBACK").await.expect("unlocked");
    writer.close().await.expect("closed");
    let other = folder.path().join("text.db");
    std::fs::write(&other, "this is not a database at all").expect("written");
    let (address, _) = parse(&format!("sqlite:{}", other.display()));
    let report = test(&address, None).await;
    assert_eq!(failed(&report), StageName::File, "not a SQLite file");
    let (address, _) = parse(&format!("sqlite:{}/", folder.path().display()));
    assert_eq!(failed(&test(&address, None).await), StageName::File, "a folder");
}
