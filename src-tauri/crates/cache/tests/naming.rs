//! What answers at a cache's port is named for what it is, against real servers.
use std::time::Duration;

use perfdeck_cache::test;
use perfdeck_model::{ApiError, ConnectionReport, ErrorCode, StageName, StageOutcome};
use perfdeck_testkit::{
    Answer, MariaDb, Postgres, Redis, RedisCluster, RedisSentinel, ScriptedHttp, eventually, free_port,
};

use crate::target;

async fn report(url: &str) -> ConnectionReport {
    let (target, password) = target(url);
    test(&target, password.as_ref()).await
}

async fn refused(url: &str) -> ApiError {
    let report = report(url).await;
    assert!(!report.ok, "{url}: {report:#?}");
    assert!(!format!("{report:?}").contains("canary"), "a report never holds a password: {report:?}");
    let error = report.error.clone().expect("a failure has an error");
    assert!(error.hint.is_some(), "and says what to do: {error:?}");
    error
}

fn stage(report: &ConnectionReport, stage: StageName) -> &perfdeck_model::ConnectionStage {
    report.stages.iter().find(|s| s.stage == stage).unwrap_or_else(|| panic!("no stage {stage:?} in {report:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_products_at_the_port_are_named() {
    use tokio::io::AsyncWriteExt;
    let (postgres, mariadb) = tokio::join!(Postgres::start(), MariaDb::start());
    let (postgres, mariadb) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"));
    let http = ScriptedHttp::start(|_| Answer::ok("hello")).await.expect("HTTP");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let garbage = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"canary garbage that is no protocol\r\n").await;
        }
    });
    let mut tests = tokio::task::JoinSet::new();
    for (port, words) in [
        (postgres.port(), "speaks PostgreSQL's protocol, not Redis'"),
        (mariadb.port(), "speaks MySQL's protocol, not Redis'"),
        (http.port(), "speaks HTTP, not Redis'"),
        (garbage, "does not know, not in Redis'"),
    ] {
        for scheme in ["redis", "rediss", "redis+cluster"] {
            tests.spawn(async move {
                let error = refused(&format!("{scheme}://:canary@127.0.0.1:{port}")).await;
                assert!(error.message.contains(words), "{scheme}: '{words}' in {error:?}");
                assert!(error.message.contains(&port.to_string()), "with the port: {error:?}");
            });
        }
    }
    while let Some(done) = tests.join_next().await {
        done.expect("named");
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_where_none_is_meant_and_none_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = vec!["cache.example".to_owned(), "127.0.0.1".to_owned()];
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("crt"), pem("CERTIFICATE", made.der())).expect("written");
    std::fs::write(path("key"), pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    std::fs::write(path("text.crt"), "hello").expect("written");
    let port = free_port().expect("a port");
    let (crt, key, tls) = (path("crt"), path("key"), port.to_string());
    let server = Redis::start_with(&[
        "--tls-port",
        &tls,
        "--tls-cert-file",
        &crt,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ])
    .await
    .expect("Redis with TLS");
    for scheme in ["redis", "redis+cluster", "valkey"] {
        let error = refused(&format!("{scheme}://:canary@127.0.0.1:{port}")).await;
        assert!(error.message.contains("speaks TLS"), "{scheme}: {error:?}");
        assert!(error.hint.is_some_and(|h| h.contains("rediss://")), "{scheme}");
    }
    for scheme in ["rediss", "rediss+cluster", "valkeys"] {
        let error = refused(&format!("{scheme}://:canary@127.0.0.1:{}", server.port())).await;
        assert!(error.message.contains("without TLS"), "{scheme}: {error:?}");
    }
    for (host, root, part) in [
        ("127.0.0.1", None, "Nobody whom this machine trusts vouches"),
        ("127.0.0.1", Some(path("missing.crt")), "missing.crt does not exist"),
        ("127.0.0.1", Some(path("text.crt")), "text.crt holds no certificate"),
        ("localhost", Some(crt.clone()), "is for cache.example, 127.0.0.1, not for localhost"),
    ] {
        let (mut secure, _) = target(&format!("rediss://{host}:{port}/0"));
        secure.address.params.extend(root.map(|r| ("sslrootcert".to_owned(), r)));
        let report = test(&secure, None).await;
        let error = report.error.clone().unwrap_or_else(|| panic!("{part}: {report:#?}"));
        assert_eq!(error.code, ErrorCode::Tls, "{error:?}");
        assert_eq!(stage(&report, StageName::Tls).outcome, StageOutcome::Failed, "{report:#?}");
        assert!(error.message.contains(part), "'{part}' in {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_servers_say_so() {
    let server = Redis::start().await.expect("Redis");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(server.connect().await.expect("a connection"));
    }
    server.execute(&["CONFIG", "SET", "maxclients", "3"]).await.expect("set");
    eventually(Duration::from_secs(10), async || {
        let error = report(&server.url()).await.error;
        error.is_some_and(|e| e.message.contains("All client slots") && e.retryable)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_replicas_are_not_taken_for_primaries() {
    let mut sentinel = RedisSentinel::start_with_replica().await.expect("a Sentinel");
    let report = report(&format!("redis://127.0.0.1:{}", sentinel.port())).await;
    let error = report.error.clone().expect("a Sentinel holds no data");
    assert!(error.message.contains("is a Sentinel") && error.message.contains("watches main"), "{error:?}");
    let hint = error.hint.expect("what to write");
    assert_eq!(hint, format!("Write redis+sentinel://127.0.0.1:{}/0?master=main", sentinel.port()), "ready to copy");
    let replica = self::report(&sentinel.replica().expect("a replica").url()).await;
    assert!(replica.ok, "a replica can be measured: {replica:#?}");
    let version = stage(&replica, StageName::Version);
    assert_eq!(version.outcome, StageOutcome::Warning, "{version:?}");
    for part in ["a replica", "nothing can be written", "lags"] {
        assert!(version.detail.contains(part), "'{part}' in {version:?}");
    }
    assert!(version.fix.as_ref().is_some_and(|f| f.contains(&sentinel.primary().port().to_string())), "{version:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinels_own_password_is_asked_for_by_name() {
    let sentinel = RedisSentinel::start().await.expect("a Sentinel");
    let client = redis_client(sentinel.port());
    let mut connection = client.get_multiplexed_async_connection().await.expect("connects");
    redis::cmd("ACL")
        .arg(&["SETUSER", "default", "on", ">canary-sentinel"])
        .exec_async(&mut connection)
        .await
        .expect("a password of its own");
    drop(connection);
    let url = format!("redis+sentinel://:canary-data@127.0.0.1:{}/0?master={}", sentinel.port(), RedisSentinel::MASTER);
    let error = refused(&url).await;
    assert_eq!(error.code, ErrorCode::Authentication, "{error:?}");
    assert!(error.message.contains("Sentinel") && error.message.contains("of its own"), "{error:?}");
    assert!(error.hint.is_some_and(|h| h.contains("sentinel_password")), "which one");
}

fn redis_client(port: u16) -> redis::Client {
    // The Sentinel of the test kit is open to everyone on loopback.
    redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_announces_addresses_elsewhere_is_told_with_them() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let gone = free_port().expect("a port");
    let second = &cluster.nodes()[1];
    second.execute(&["CONFIG", "SET", "cluster-announce-port", &gone.to_string()]).await.expect("announced");
    let seed = cluster.urls()[0].replace("redis://", "redis+cluster://").replace("/0", "");
    let announced = format!("127.0.0.1:{gone}");
    // The others hear of it with the next message between the nodes.
    eventually(Duration::from_secs(15), async || {
        let error = report(&seed).await.error;
        error.is_some_and(|e| e.message.contains(&announced))
    })
    .await;
    let error = refused(&seed).await;
    assert!(error.message.contains("1 of the cluster's 3 nodes"), "{error:?}");
    assert!(error.hint.is_some_and(|h| h.contains("cluster-announce-ip")), "and what to set");
}
