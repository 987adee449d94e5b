//! *Test connection* against real servers, and against servers that are wrong in one way.
use std::time::{Duration, Instant};

use perfdeck_cache::{CacheCollector, Purpose, connect_for_load, opened_as, test};
use perfdeck_model::{ConnectionReport, ErrorCode, Sensitive, StageName, StageOutcome, TlsMode};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel, SlowDoor, eventually, version_1};
use rcgen::SigningKey as _;

use crate::target;

fn stage(report: &ConnectionReport, stage: StageName) -> &perfdeck_model::ConnectionStage {
    report.stages.iter().find(|s| s.stage == stage).unwrap_or_else(|| panic!("no stage {stage:?} in {report:#?}"))
}

fn failed(report: &ConnectionReport) -> StageName {
    assert!(!report.ok, "a failed stage means that the target cannot be used: {report:#?}");
    let failed: Vec<_> = report.stages.iter().filter(|s| s.outcome == StageOutcome::Failed).collect();
    assert_eq!(failed.len(), 1, "exactly one stage fails: {report:#?}");
    assert!(report.error.as_ref().is_some_and(|e| e.hint.is_some()), "a failure says what to do: {report:#?}");
    assert!(!format!("{report:?}").contains("canary"), "a report never holds a password: {report:?}");
    failed[0].stage
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_tested_in_stages() {
    let server = Redis::start_with_password("canary-secret").await.expect("Redis");
    let (single, password) = target(&server.url());
    let report = test(&single, password.as_ref()).await;
    assert!(report.ok, "the right password: {report:#?}");
    assert_eq!(report.stages.len(), 7, "all stages: {report:#?}");
    assert!(report.version.is_some(), "and the version");
    assert!(!format!("{report:?}").contains("canary"), "without the password: {report:?}");

    for (password, why) in [(Some(Sensitive::new("wrong-canary")), "a wrong password"), (None, "no password")] {
        let started = Instant::now();
        let report = test(&single, password.as_ref()).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{why} is told at once");
        assert_eq!(failed(&report), StageName::Authentication, "{why}: {report:#?}");
        assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::Authentication), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_acl_rules_are_named_exactly() {
    let server = Redis::start().await.expect("Redis");
    for (user, rules) in [("small", ["+ping", "+info"]), ("none", ["+ping", "+get"])] {
        server
            .execute(&["ACL", "SETUSER", user, "on", ">canary-pw", "~*", "-@all", rules[0], rules[1]])
            .await
            .expect("a user");
    }
    let url = |user: &str| format!("redis://{user}:canary-pw@127.0.0.1:{}/0", server.port());
    let (none, password) = target(&url("none"));
    let report = test(&none, password.as_ref()).await;
    assert_eq!(failed(&report), StageName::Privileges, "without INFO nothing can be measured");

    let (small, password) = target(&url("small"));
    let report = test(&small, password.as_ref()).await;
    assert!(report.ok, "INFO is enough to measure: {report:#?}");
    let privileges = stage(&report, StageName::Privileges);
    assert_eq!(privileges.outcome, StageOutcome::Warning, "but not for everything");
    let fix = privileges.fix.clone().expect("the rule to set");
    assert_eq!(fix, "ACL SETUSER small +client|setname +scan +slowlog|len +slowlog|get +pttl", "what is missing");
    let words: Vec<&str> = fix.split(' ').collect();
    server.execute(&words).await.expect("the statement is right");
    let report = test(&small, password.as_ref()).await;
    assert_eq!(stage(&report, StageName::Privileges).outcome, StageOutcome::Ok, "and it helps: {report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_and_sentinel_are_followed() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let (clustered, _) = target(&cluster.url());
    let report = test(&clustered, None).await;
    assert!(report.ok, "{report:#?}");
    assert!(stage(&report, StageName::Authentication).detail.contains("3 primaries"), "{report:#?}");
    assert!(stage(&report, StageName::Version).detail.contains("all 16384 slots"), "{report:#?}");
    // The same server without the word cluster: works, with a remark.
    let (one, _) = target(&cluster.urls()[0]);
    let report = test(&one, None).await;
    assert_eq!(stage(&report, StageName::Version).outcome, StageOutcome::Warning, "{report:#?}");

    let sentinel = RedisSentinel::start().await.expect("a Sentinel");
    let (watched, _) = target(&sentinel.url());
    let report = test(&watched, None).await;
    assert!(report.ok, "{report:#?}");
    assert!(stage(&report, StageName::Authentication).detail.contains("the primary is 127.0.0.1"), "{report:#?}");
    let mut unknown = watched.clone();
    unknown.sentinel_master = Some("nobody".to_owned());
    let report = test(&unknown, None).await;
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::NotFound), "{report:#?}");

    let plain = Redis::start().await.expect("Redis");
    let (no_cluster, _) = target(&format!("redis+cluster://127.0.0.1:{}", plain.port()));
    let report = test(&no_cluster, None).await;
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::Unsupported), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_and_hanging_targets_name_the_stage() {
    let free = perfdeck_testkit::free_port().expect("a port");
    let report = test(&target(&format!("redis://127.0.0.1:{free}")).0, None).await;
    assert_eq!(failed(&report), StageName::Tcp, "nothing listens there");
    let report = test(&target("redis://no-such-host.invalid").0, None).await;
    assert_eq!(failed(&report), StageName::Dns, "the name does not exist");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for scheme in ["redis", "rediss", "redis+cluster"] {
        let (hanging, _) = target(&format!("{scheme}://127.0.0.1:{port}"));
        let started = Instant::now();
        let report = test(&hanging, Some(&Sensitive::new("canary"))).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{scheme}: {:?}", started.elapsed());
        assert!(matches!(failed(&report), StageName::Tls | StageName::Authentication), "{report:#?}");
        let error = report.error.expect("an error");
        assert_eq!(error.code, ErrorCode::Timeout, "{scheme}: {error:?}");
        assert!(error.message.contains(&port.to_string()), "names the server: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_a_connection_is_told_why_it_is_closed() {
    let told = async |url: &str| opened_as(&target(url).0, None, Purpose::Keys).await.map(drop).expect_err("refused");
    let server = Redis::start_with(&["--maxclients", "2"]).await.expect("Redis");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("the port"));
    }
    let full = told(&server.url()).await;
    assert!(full.message.contains("All client slots") && full.retryable, "{full:?}");
    drop(held);
    let page = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = page.local_addr().expect("bound").port();
    let pages = tokio::spawn(async move {
        while let Ok((mut stream, _)) = page.accept().await {
            let mut asked = [0; 64];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let other = told(&format!("redis://127.0.0.1:{port}")).await;
    assert!(
        other.message.contains("HTTP") && other.hint.as_deref().is_some_and(|h| h.contains("http://")),
        "{other:?}"
    );
    pages.abort();
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A Redis that speaks TLS on a second port, with a certificate that ends in so many days.
async fn with_tls(days: i64) -> (Redis, u16, tempfile::TempDir) {
    with_certificate(days, false).await
}

async fn with_certificate(days: i64, old: bool) -> (Redis, u16, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut params =
        rcgen::CertificateParams::new(vec!["cache.example".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    let (now, day) = (std::time::SystemTime::now(), Duration::from_secs(86_400));
    let distance = day * u32::try_from(days.unsigned_abs()).expect("days");
    params.not_before = (now - day * 400).into();
    params.not_after = if days < 0 { now - distance } else { now + distance + day / 2 }.into();
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let (crt, key_file) = (folder.path().join("crt"), folder.path().join("key"));
    let der = if old {
        version_1(certificate.der(), |text| key.sign(text).expect("signed"))
    } else {
        certificate.der().to_vec()
    };
    std::fs::write(&crt, pem("CERTIFICATE", &der)).expect("written");
    std::fs::write(&key_file, pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    let port = perfdeck_testkit::free_port().expect("a port");
    let (crt, key_file, port_text) = (crt.display().to_string(), key_file.display().to_string(), port.to_string());
    let arguments =
        ["--tls-port", &port_text, "--tls-cert-file", &crt, "--tls-key-file", &key_file, "--tls-auth-clients", "no"];
    let server = Redis::start_with(&arguments).await.expect("Redis with TLS");
    (server, port, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_shown_and_verified() {
    let (_server, port, folder) = with_tls(90).await;
    let (mut secure, _) = target(&format!("rediss://127.0.0.1:{port}/0"));
    assert_eq!(secure.address.tls, TlsMode::Verify, "rediss verifies");
    let report = test(&secure, None).await;
    assert_eq!(failed(&report), StageName::Tls, "nobody here trusts its issuer: {report:#?}");
    secure.address.tls = TlsMode::Require;
    let report = test(&secure, None).await;
    assert!(report.ok, "unverified on request: {report:#?}");
    let tls = &stage(&report, StageName::Tls).detail;
    assert!(tls.contains("cache.example, 127.0.0.1") && tls.contains("(in 90 days)"), "names and expiry: {tls}");
    secure.address.tls = TlsMode::Verify;
    secure.address.params.insert("sslrootcert".to_owned(), folder.path().join("crt").display().to_string());
    let report = test(&secure, None).await;
    assert!(report.ok, "with its certificate as root it is verified: {report:#?}");
    assert!(stage(&report, StageName::Tls).detail.ends_with(", verified"), "{report:#?}");
    let file = folder.path().join("crt").display().to_string();
    let (nameless, _) = target(&format!("rediss://127.0.0.1:{port}?ssl_ca_certs={file}&ssl_check_hostname=false"));
    let report = test(&nameless, None).await;
    assert!(report.ok && stage(&report, StageName::Tls).detail.ends_with(", verified without its name"), "{report:#?}");

    let (_old, port, folder) = with_certificate(90, true).await;
    let report = test(&target(&format!("rediss://127.0.0.1:{port}?tls=insecure")).0, None).await;
    assert!(report.ok, "a certificate of version 1 is fine where nothing is verified: {report:#?}");
    let file = folder.path().join("crt").display().to_string();
    let report = test(&target(&format!("rediss://127.0.0.1:{port}?sslrootcert={file}")).0, None).await;
    assert_eq!(failed(&report), StageName::Tls, "and nowhere else");
    let error = report.error.expect("an error");
    assert!(error.message.contains("version 1 certificate") && !error.message.contains("OtherError"), "{error:?}");

    let (_server, port, _folder) = with_tls(-3).await;
    let report = test(&target(&format!("rediss://127.0.0.1:{port}?tls=insecure")).0, None).await;
    let tls = stage(&report, StageName::Tls);
    assert!(report.ok && tls.outcome == StageOutcome::Warning, "{report:#?}");
    assert!(tls.detail.contains("expired 20") && tls.detail.ends_with(", not verified"), "{tls:?}");
    let report = test(&target(&format!("rediss://127.0.0.1:{port}/0")).0, None).await;
    assert_eq!(failed(&report), StageName::Tls, "expired");
    assert!(report.error.is_some_and(|e| e.message.contains("expired on 20")), "with its date");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_passes_again() {
    let mut server = Redis::start().await.expect("Redis");
    let (single, _) = target(&server.url());
    server.stop();
    assert_eq!(failed(&test(&single, None).await), StageName::Tcp, "it is gone");
    server.restart().await.expect("restarted");
    eventually(Duration::from_secs(5), async || test(&single, None).await.ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_or_too_much_is_told_apart_from_a_wrong_one() {
    let (open, shut) = tokio::join!(Redis::start(), Redis::start_with_password("canary-secret"));
    let (open, shut) = (open.expect("Redis"), shut.expect("Redis"));
    shut.execute(&["ACL", "SETUSER", "app", "on", ">canary-app", "~*", "+@all"]).await.expect("an account");
    for (url, words, step) in [
        (
            format!("redis://:canary@127.0.0.1:{}", open.port()),
            "has no password, and one was given",
            "Leave the password",
        ),
        (format!("redis://127.0.0.1:{}", shut.port()), "needs a password", "Give the password"),
        (format!("redis://app@127.0.0.1:{}", shut.port()), "no password was given", "USER:PASSWORD"),
        (format!("redis://:canary@127.0.0.1:{}", shut.port()), "refused the credentials of the default user", "Check"),
    ] {
        let (target, password) = target(&url);
        let report = test(&target, password.as_ref()).await;
        assert_eq!(failed(&report), StageName::Authentication, "{url}: {report:#?}");
        let mut errors = vec![report.error.expect("an error")];
        // A connection for load without any credentials hears of it at its first command.
        if !url.contains("//127") {
            errors.push(connect_for_load(&target, password.as_ref()).await.err().expect("refused"));
        }
        for error in errors {
            assert_eq!(error.code, ErrorCode::Authentication, "{url}: {error:?}");
            assert!(error.message.contains(words), "{url}: '{words}' in {error:?}");
            assert!(error.hint.as_ref().is_some_and(|h| h.contains(step)), "{url}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_connect_is_the_addresss() {
    use perfdeck_model::Collector;
    let server = Redis::start().await.expect("Redis");
    // Longer than a collection may take, and than a test waits by itself.
    let door = SlowDoor::open(server.port(), Duration::from_millis(1900)).await.expect("a port");
    let port = door.port();
    let (usual, _) = target(&format!("redis://127.0.0.1:{port}"));
    let (patient, _) = target(&format!("redis://127.0.0.1:{port}?connect_timeout=10"));
    let (short, _) = target(&format!("redis://127.0.0.1:{port}?connect_timeout=1"));
    let (a, b, c) = tokio::join!(test(&usual, None), test(&patient, None), test(&short, None));
    assert!(a.error.is_some_and(|e| e.message.contains("within 1.5 s")), "the usual time");
    assert!(b.ok, "a longer one: {b:#?}");
    assert!(c.error.is_some_and(|e| e.message.contains("within 1 s")), "a shorter one");
    let mut collector = CacheCollector::new(patient, None);
    let first = collector.collect(&0.0).await.expect_err("nothing yet");
    assert!(first.retryable && first.message.contains("its connect_timeout is 10 s"), "{first:?}");
    let collector = tokio::sync::Mutex::new(collector);
    eventually(Duration::from_secs(8), async || collector.lock().await.collect(&1000.0).await.map(drop)).await;
}
