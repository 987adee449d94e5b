//! What answers at an API's port is named when it is another product, by the connection test and by the probe.
use std::time::{Duration, Instant};

use perfdeck_model::{ApiTarget, Collector as _, ErrorCode, SecretSource, StageName, StageOutcome};
use perfdeck_monitor::{ApiCollector, test_api};
use perfdeck_testkit::{Answer, MariaDb, Postgres, Redis, ScriptedHttp, free_port};

fn target(url: &str) -> ApiTarget {
    let authorization = SecretSource::None;
    ApiTarget { url: url.to_owned(), probe_path: "/".to_owned(), headers: Vec::new(), authorization }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A Redis with a certificate that signed itself, and the port at which it speaks TLS.
async fn redis_with_tls(folder: &std::path::Path) -> (Redis, u16) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(path("crt"), pem("CERTIFICATE", made.der())).expect("written");
    std::fs::write(path("key"), pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    let (port, crt, key) = (free_port().expect("a port"), path("crt"), path("key"));
    let port_text = port.to_string();
    let arguments =
        ["--tls-port", &port_text, "--tls-cert-file", &crt, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    (Redis::start_with(&arguments).await.expect("Redis with TLS"), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_products_at_the_port_of_an_api_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (postgres, mariadb, (redis, tls)) =
        tokio::join!(Postgres::start(), MariaDb::start(), redis_with_tls(folder.path()));
    let (postgres, mariadb) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"));
    let http = ScriptedHttp::start(|_| Answer::ok("hello")).await.expect("HTTP");
    let mut tests = tokio::task::JoinSet::new();
    for (scheme, port, words, step) in [
        ("http", postgres.port(), "speaks PostgreSQL's protocol, not HTTP", "postgres://"),
        ("https", postgres.port(), "speaks PostgreSQL's protocol, not HTTP", "postgres://"),
        ("http", mariadb.port(), "speaks MySQL's protocol, not HTTP", "mysql://"),
        ("https", mariadb.port(), "speaks MySQL's protocol, not HTTP", "mysql://"),
        ("http", redis.port(), "speaks Redis' protocol, not HTTP", "redis://"),
        ("https", redis.port(), "speaks Redis' protocol, not HTTP", "redis://"),
        ("http", tls, "speaks TLS, and the address begins with http://", "https://"),
        ("https", http.port(), "speaks HTTP without TLS", "http://"),
    ] {
        tests.spawn(async move {
            let target = target(&format!("{scheme}://127.0.0.1:{port}"));
            let report = test_api(&target, None).await;
            let error = report.error.clone().unwrap_or_else(|| panic!("{words}: {report:#?}"));
            let told = format!("127.0.0.1:{port} {words}");
            assert!(error.message.starts_with(&told), "'{told}' in {error:?}");
            assert!(error.hint.as_ref().is_some_and(|h| h.contains(step)), "{scheme} at {told}: {error:?}");
            let failed = report.stages.iter().find(|s| s.outcome == StageOutcome::Failed).expect("a stage");
            assert_eq!(failed.detail, error.message, "its stage says the same: {report:#?}");
            let stage = if scheme == "https" { StageName::Tls } else { StageName::Version };
            assert_eq!(failed.stage, stage, "{told}: {report:#?}");

            let mut collector = ApiCollector::new(target, None);
            for second in 0..2 {
                let started = Instant::now();
                let error = match collector.collect(&(f64::from(second) * 1e3)).await {
                    Ok(collection) => collection.warning.unwrap_or_else(|| panic!("{told}: a failed probe")),
                    Err(error) => error,
                };
                assert!(started.elapsed() < Duration::from_millis(1_900), "{told}: {:?}", started.elapsed());
                // A server that says nothing takes all the time of the first probe.
                let fine = error.message.starts_with(&told) || second == 0 && error.code == ErrorCode::Timeout;
                assert!(fine, "second {second}: '{told}' in {error:?}");
            }
        });
    }
    while let Some(done) = tests.join_next().await {
        done.expect("named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_the_port_is_asked_once_and_not_every_second() {
    let redis = Redis::start().await.expect("Redis");
    let mut collector = ApiCollector::new(target(&redis_url(&redis)), None);
    let opened = async || {
        let info = format!("{:?}", redis.execute(&["INFO", "stats"]).await.expect("INFO"));
        let (_, rest) = info.split_once("total_connections_received:").expect("counted");
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().expect("a number")
    };
    collector.collect(&0.0).await.expect("a failed probe");
    let before = opened().await;
    for second in 1..=5_u32 {
        collector.collect(&(f64::from(second) * 1e3)).await.expect("a failed probe");
    }
    // One of each probe, and the one that asks for this number.
    assert_eq!(opened().await - before, 6, "nothing but the probes");
}

fn redis_url(redis: &Redis) -> String {
    format!("http://127.0.0.1:{}", redis.port())
}
