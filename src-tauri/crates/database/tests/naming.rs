//! What answers is named for what it is: other products at the port, full servers, standbys, accounts and certificates
//! that cannot work, against real servers.
use perfdeck_database::test;
use perfdeck_model::{Address, ApiError, ConnectionReport, ErrorCode, Sensitive, StageName, StageOutcome, TlsMode};
use perfdeck_testkit::sqlx::Executor as _;
use perfdeck_testkit::{
    Answer, MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, PgBouncer, Postgres, Redis, ScriptedHttp,
};

fn parse(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).expect("a URL")
}

async fn refused(url: &str) -> ApiError {
    let (address, password) = parse(url);
    error(&test(&address, password.as_ref()).await)
}

fn error(report: &ConnectionReport) -> ApiError {
    assert!(!report.ok, "it cannot be used: {report:#?}");
    let shown = format!("{report:?}");
    for secret in [POSTGRES_PASSWORD, MARIADB_PASSWORD, "canary"] {
        assert!(!shown.contains(secret), "a report never holds a password: {shown}");
    }
    let error = report.error.clone().expect("a failure has an error");
    assert!(error.hint.is_some(), "and says what to do: {error:?}");
    error
}

fn stage(report: &ConnectionReport, stage: StageName) -> &perfdeck_model::ConnectionStage {
    report.stages.iter().find(|s| s.stage == stage).unwrap_or_else(|| panic!("no stage {stage:?} in {report:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_products_at_the_port_are_named() {
    let (postgres, mariadb, redis) = tokio::join!(Postgres::start(), MariaDb::start(), Redis::start());
    let (postgres, mariadb, redis) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"), redis.expect("Redis"));
    let http = ScriptedHttp::start(|_| Answer::ok("hello")).await.expect("HTTP");
    let mut tests = tokio::task::JoinSet::new();
    for (scheme, port, words) in [
        ("postgres", redis.port(), "speaks Redis' protocol, not PostgreSQL's"),
        ("postgres", http.port(), "speaks HTTP, not PostgreSQL's"),
        ("postgres", mariadb.port(), "speaks MySQL's protocol, not PostgreSQL's"),
        ("mysql", postgres.port(), "speaks PostgreSQL's protocol, not MySQL's"),
        ("mariadb", redis.port(), "speaks Redis' protocol, not MariaDB's"),
        ("mysql", http.port(), "speaks HTTP, not MySQL's"),
    ] {
        for mode in ["", "?sslmode=disable", "?sslmode=require"] {
            tests.spawn(async move {
                let error = refused(&format!("{scheme}://u:canary@127.0.0.1:{port}/d{mode}")).await;
                assert!(error.message.contains(words), "{scheme} at {words}{mode}: {error:?}");
                assert!(error.message.contains(&port.to_string()), "with the port: {error:?}");
            });
        }
    }
    while let Some(done) = tests.join_next().await {
        done.expect("named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_shut_doors_are_named_without_their_text() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"canary garbage that is no protocol\r\n").await;
        }
    });
    for scheme in ["postgres", "mysql"] {
        let error = refused(&format!("{scheme}://u:canary@127.0.0.1:{port}/d")).await;
        assert_eq!(error.code, ErrorCode::Unreachable, "{scheme}: {error:?}");
    }
    server.abort();
    let shut = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = shut.local_addr().expect("bound").port();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = shut.accept().await {
            drop(stream);
        }
    });
    for scheme in ["postgres", "mysql"] {
        let error = refused(&format!("{scheme}://u:canary@127.0.0.1:{port}/d")).await;
        assert!(error.message.contains("closed the connection"), "{scheme}: {error:?}");
    }
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_servers_say_so_with_the_limit_that_is_reached() {
    let settings = [("max_connections", "6"), ("superuser_reserved_connections", "2"), ("max_wal_senders", "0")];
    let server = Postgres::start_with(&settings).await.expect("PostgreSQL");
    server
        .execute("CREATE ROLE small LOGIN PASSWORD 'canary'; CREATE ROLE one LOGIN PASSWORD 'canary' CONNECTION LIMIT 0; CREATE DATABASE shut CONNECTION LIMIT 0")
        .await
        .ok();
    for sql in [
        "CREATE ROLE small LOGIN PASSWORD 'canary'",
        "CREATE ROLE one LOGIN PASSWORD 'canary' CONNECTION LIMIT 0",
        "CREATE DATABASE shut CONNECTION LIMIT 0",
    ] {
        // One statement each: a database is not created in a transaction.
        let _ = server.execute(sql).await;
    }
    let url = |user: &str, database: &str| format!("postgres://{user}:canary@127.0.0.1:{}/{database}", server.port());
    let error = refused(&url("one", "app")).await;
    assert!(error.message.contains("All connections that 'one' may have"), "the role's limit: {error:?}");
    let error = refused(&url("small", "shut")).await;
    assert!(error.message.contains("database 'shut'"), "the database's limit: {error:?}");
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(server.connect().await.expect("a connection"));
    }
    let error = refused(&url("small", "app")).await;
    assert!(error.message.contains("reserved for superusers") && error.retryable, "reserved ones are left: {error:?}");
    for _ in 0..2 {
        held.push(server.connect().await.expect("a reserved connection"));
    }
    let error = refused(&url("small", "app")).await;
    assert!(error.message.contains("are taken") && error.retryable, "none is left: {error:?}");

    let server = MariaDb::start_with(&["--max-connections=10"]).await.expect("MariaDB");
    server.execute("CREATE USER 'small'@'%' IDENTIFIED BY 'canary'").await.expect("a user");
    let mut held = Vec::new();
    // One more than the limit is for administrators.
    for _ in 0..11 {
        held.push(server.connect().await.expect("a connection"));
    }
    for mode in ["", "?sslmode=require", "?sslmode=disable"] {
        let error = refused(&format!("mariadb://small:canary@127.0.0.1:{}/app{mode}", server.port())).await;
        assert!(error.message.contains("All connections of") && error.retryable, "{mode}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standbys_and_read_only_servers_are_named_with_what_follows() {
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let (address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert_eq!(
        stage(&report, StageName::Version).outcome,
        StageOutcome::Ok,
        "a primary is not remarked on: {report:#?}"
    );
    std::fs::write(server.socket_folder().join("data/standby.signal"), "").expect("written");
    server.restart().await.expect("restarted");
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "a standby can be measured: {report:#?}");
    let version = stage(&report, StageName::Version);
    assert_eq!(version.outcome, StageOutcome::Warning, "{version:?}");
    for part in ["hot standby", "nothing can be written", "lags"] {
        assert!(version.detail.contains(part), "'{part}' in {version:?}");
    }

    let server = MariaDb::start().await.expect("MariaDB");
    let (address, password) = parse(&server.url());
    let report = test(&address, password.as_ref()).await;
    assert_eq!(stage(&report, StageName::Version).outcome, StageOutcome::Ok, "writable: {report:#?}");
    server.execute("SET GLOBAL read_only = ON").await.expect("set");
    let report = test(&address, password.as_ref()).await;
    let version = stage(&report, StageName::Version);
    assert!(report.ok && version.outcome == StageOutcome::Warning, "{report:#?}");
    assert!(version.detail.contains("read_only is on: nothing can be written"), "{version:?}");
    server
        .execute("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_PASSWORD='canary'")
        .await
        .expect("a replica of nothing");
    let report = test(&address, password.as_ref()).await;
    let version = stage(&report, StageName::Version);
    assert!(
        version.detail.contains("a replica that is read_only") && version.detail.contains("not known"),
        "{version:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_with_other_plugins_get_the_statement_that_helps() {
    let server = MariaDb::start().await.expect("MariaDB");
    if server.execute("INSTALL SONAME 'auth_ed25519'").await.is_err() {
        panic!("MariaDB's server package has the plugin auth_ed25519");
    }
    server.execute("CREATE USER 'modern'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('canary')").await.expect("a user");
    server.execute("GRANT SELECT ON app.* TO 'modern'@'%'").await.expect("a grant");
    let url = format!("mariadb://modern:canary@127.0.0.1:{}/app", server.port());
    let error = refused(&url).await;
    assert_eq!(error.code, ErrorCode::Unsupported, "{error:?}");
    assert!(error.message.contains("plugin ed25519") && error.message.contains("'modern'"), "{error:?}");
    let hint = error.hint.expect("a hint");
    let statement = hint.split("; ").next().expect("a statement").replace('…', "canary");
    assert!(statement.starts_with("ALTER USER 'modern'@'%' IDENTIFIED VIA"), "{statement}");
    server.execute(&statement).await.expect("the statement is right");
    let (address, password) = parse(&url);
    let report = test(&address, password.as_ref()).await;
    assert!(report.ok, "and it helps: {report:#?}");

    server.execute("CREATE USER 'local'@'%' IDENTIFIED VIA unix_socket").await.expect("a user");
    let error = refused(&format!("mariadb://local:canary@127.0.0.1:{}/app", server.port())).await;
    assert_eq!(error.code, ErrorCode::Authentication, "{error:?}");
    server.execute("CREATE USER 'locked'@'%' IDENTIFIED BY 'canary' ACCOUNT LOCK").await.expect("a user");
    let error = refused(&format!("mariadb://locked:canary@127.0.0.1:{}/app", server.port())).await;
    assert!(error.message.contains("is locked"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_scram_cannot_prepare_is_told_without_a_character_of_it() {
    let server = Postgres::start().await.expect("PostgreSQL");
    for (user, password) in [("emoji", "can\u{1f600}ary"), ("private", "can\u{e000}ary"), ("hebrew", "can\u{5d0}ary")] {
        let sql = format!("CREATE ROLE {user} LOGIN PASSWORD '{password}'");
        server.execute(&sql).await.expect("the server takes it");
        let (mut address, _) = parse(&server.url());
        address.username = Some(user.to_owned());
        let report = test(&address, Some(&Sensitive::new(password))).await;
        let error = error(&report);
        assert!(error.message.contains("cannot be used with SCRAM"), "{user}: {error:?}");
        let shown = format!("{report:?}");
        for c in password.chars().filter(|c| !c.is_ascii()) {
            assert!(!shown.contains(c) && !shown.contains(&c.escape_unicode().to_string()), "{user}: {shown}");
        }
        assert!(error.hint.is_some_and(|h| h.contains(&format!("ALTER ROLE \"{user}\" PASSWORD"))), "{user}");
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_failures_name_the_file_the_host_or_the_name() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let data = server.socket_folder().join("data");
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["db.example".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    let certificate = pem("CERTIFICATE", made.der());
    std::fs::write(data.join("server.crt"), &certificate).expect("written");
    std::fs::write(data.join("server.key"), pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    std::fs::set_permissions(data.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let owner = std::fs::metadata(data.join("PG_VERSION")).expect("metadata");
    std::os::unix::fs::chown(data.join("server.key"), Some(owner.uid()), Some(owner.gid())).expect("owner");
    std::fs::write(data.join("postgresql.auto.conf"), "ssl = on\n").expect("written");
    server.restart().await.expect("restarted");

    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    };
    let other = rcgen::KeyPair::generate().expect("a key");
    let other = rcgen::CertificateParams::new(vec!["x".to_owned()]).expect("names").self_signed(&other).expect("made");
    let own = file("own.crt", &certificate);
    let (address, password) = parse(&server.url());
    for (host, root, part) in [
        ("127.0.0.1", None, "Nobody whom this machine trusts vouches"),
        ("127.0.0.1", Some(folder.path().join("missing.crt").display().to_string()), "missing.crt does not exist"),
        ("127.0.0.1", Some(folder.path().display().to_string()), "is a folder"),
        ("127.0.0.1", Some(file("text.crt", "hello")), "text.crt holds no certificate"),
        ("127.0.0.1", Some(file("empty.crt", "")), "empty.crt is empty"),
        ("127.0.0.1", Some(file("half.crt", &certificate[..certificate.len() / 2])), "half.crt"),
        ("127.0.0.1", Some(file("key.crt", &pem("PRIVATE KEY", &key.serialize_der()))), "key.crt holds a private key"),
        ("127.0.0.1", Some(file("wrong.crt", &pem("CERTIFICATE", other.der()))), "wrong.crt vouches"),
        ("localhost", Some(own.clone()), "is for db.example, 127.0.0.1, not for localhost"),
    ] {
        let mut address = address.clone();
        address.tls = TlsMode::Verify;
        host.clone_into(&mut address.hosts[0].host);
        address.params.extend(root.clone().map(|r| ("sslrootcert".to_owned(), r)));
        let report = test(&address, password.as_ref()).await;
        let error = error(&report);
        assert_eq!(error.code, ErrorCode::Tls, "{root:?}: {error:?}");
        assert_eq!(stage(&report, StageName::Tls).outcome, StageOutcome::Failed, "{root:?}: {report:#?}");
        assert!(error.message.contains(part), "'{part}' in {error:?}");
    }
}

/// What load says, which connects on its own.
async fn load_refused(url: &str) -> ApiError {
    let (address, password) = parse(url);
    perfdeck_database::connect_for_load(&address, password.as_ref()).await.err().expect("it cannot be used")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_address_lacks_or_has_wrong_is_named() {
    let (postgres, mariadb) = tokio::join!(Postgres::start(), MariaDb::start());
    let (postgres, mariadb) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"));
    let (p, m) = (postgres.port(), mariadb.port());
    let (pg, my) = (
        format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{p}/app"),
        format!("mariadb://perfdeck:{MARIADB_PASSWORD}@127.0.0.1:{m}/app"),
    );
    let file = tempfile::Builder::new().suffix(".db").tempfile().expect("a file");
    for (url, code, words) in [
        (format!("postgres://perfdeck@127.0.0.1:{p}/app"), ErrorCode::Authentication, "no password was given"),
        (format!("mariadb://perfdeck@127.0.0.1:{m}/app"), ErrorCode::Authentication, "no password was given"),
        (format!("{pg}?options=-c%20nosuch%3D1"), ErrorCode::BadRequest, "set nosuch"),
        (format!("{pg}?options=-c%20work_mem%3Dcanary"), ErrorCode::BadRequest, "set work_mem"),
        (format!("{pg}?options=-c%20shared_buffers%3D1MB"), ErrorCode::BadRequest, "set shared_buffers"),
        (format!("{my}?time_zone=Europe/Canaryville"), ErrorCode::BadRequest, "timezone (time_zone)"),
        (format!("{my}?charset=canary"), ErrorCode::BadRequest, "charset of the address"),
        (format!("{my}?collation=canary"), ErrorCode::BadRequest, "collation of the address"),
        (format!("{my}?charset=latin1&collation=utf8mb4_bin"), ErrorCode::BadRequest, "do not belong together"),
        (format!("sqlite:{}?vfs=canary", file.path().display()), ErrorCode::BadRequest, "vfs of the address"),
    ] {
        for error in [refused(&url).await, load_refused(&url).await] {
            assert!(error.code == code && !error.retryable, "{url}: {error:?}");
            assert!(error.message.contains(words), "{url}: '{words}' in {error:?}");
            assert!(error.hint.as_ref().is_some_and(|h| !h.contains("anary")), "{url}: {error:?}");
        }
    }
    let hint = refused(&format!("{my}?time_zone=Europe/Berlin")).await.hint.expect("a hint");
    assert!(hint.contains("mysql_tzinfo_to_sql") && hint.contains("%2B02:00"), "{hint}");
    // A wrong one is still a wrong one.
    let error = refused(&format!("postgres://perfdeck:canary@127.0.0.1:{p}/app")).await;
    assert!(error.message.contains("refused the password"), "{error:?}");

    // An account without a name hides the one that is meant, and every other one from now on.
    let mut admin = mariadb.connect().await.expect("a connection");
    for sql in [
        "CREATE USER 'app'@'%' IDENTIFIED BY 'canary'",
        "GRANT SELECT ON app.* TO 'app'@'%'",
        "CREATE USER ''@'127.0.0.1' IDENTIFIED BY 'other'",
    ] {
        admin.execute(sql).await.expect("an account");
    }
    let url = format!("mariadb://app:canary@127.0.0.1:{m}/app");
    let error = refused(&url).await;
    assert!(error.message.ends_with("refused the credentials of 'app'@'127.0.0.1'"), "{error:?}");
    let hint = error.hint.expect("a hint");
    assert!(hint.contains("DROP USER ''@'127.0.0.1';"), "{hint}");
    admin.execute("DROP USER ''@'127.0.0.1'").await.expect("the statement is right");
    let (address, password) = parse(&url);
    assert!(test(&address, password.as_ref()).await.ok, "and it helps");
}

#[tokio::test(flavor = "multi_thread")]
async fn poolers_that_are_full_or_are_no_database_say_so() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let settings = [("pool_mode", "session"), ("default_pool_size", "1")];
    let pooler = PgBouncer::start(&server, &settings).await.expect("PgBouncer");
    let console = pooler.url().replace("/app", "/pgbouncer");
    let mut held = pooler.connect().await.expect("a client");
    held.execute("SELECT 1").await.expect("with the only server connection");
    let full = pooler.url();
    let (full, load, console, console_load) =
        tokio::join!(refused(&full), load_refused(&full), refused(&console), load_refused(&console));
    for error in [full, load] {
        assert_eq!(error.code, ErrorCode::Timeout, "{error:?}");
        assert!(error.message.contains("the pooler has none that is free"), "{error:?}");
        assert!(error.hint.as_ref().is_some_and(|h| h.contains("default_pool_size")), "{error:?}");
    }
    for error in [console, console_load] {
        assert!(error.message.contains("PgBouncer's own console and no database"), "{error:?}");
    }
    drop(held);
}
