use std::sync::{Arc, Mutex};

use perfdeck_model::{ConnectionReport, ErrorCode, Header, StageName, StageOutcome};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn target(url: String) -> ApiTarget {
    ApiTarget { url, probe_path: "/x".into(), headers: Vec::new(), authorization: SecretSource::None }
}

fn at(port: u16) -> ApiTarget {
    target(format!("http://127.0.0.1:{port}"))
}

/// What a test's server does with each connection.
#[derive(Clone)]
enum Act {
    Answer(Vec<u8>),
    AnswerAfter(Duration, Vec<u8>),
    Hang,
    Close,
}

/// Reads a request's head, notes it and acts.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, act: Act, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") && head.len() < 65_536 {
        match stream.read_buf(&mut head).await {
            Ok(n) if n > 0 => {}
            _ => return,
        }
    }
    seen.lock().expect("not poisoned").push(String::from_utf8_lossy(&head).into_owned());
    match act {
        Act::Answer(bytes) => drop(stream.write_all(&bytes).await),
        Act::AnswerAfter(delay, bytes) => {
            tokio::time::sleep(delay).await;
            drop(stream.write_all(&bytes).await);
        }
        Act::Hang => std::future::pending().await,
        Act::Close => {}
    }
    drop(stream.shutdown().await);
}

/// A server on a free port, with the requests that it saw.
async fn server(act: Act) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, act.clone(), log.clone()));
        }
    });
    (port, seen)
}

fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\nServer: toy/1\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    Act::Answer([head.as_bytes(), body].concat())
}

async fn probe(port: u16) -> Collection {
    ApiCollector::new(at(port), None).collect(&0.0).await.expect("it answers")
}

fn value(c: &Collection, id: &str) -> Option<f64> {
    c.values.iter().find(|(s, _)| s.id == id).map(|(_, v)| *v)
}

fn failed_at(report: &ConnectionReport) -> Option<StageName> {
    report.stages.iter().find(|s| s.outcome == StageOutcome::Failed).map(|s| s.stage)
}

#[tokio::test]
async fn phases_and_status_are_measured() {
    let (port, seen) = server(answer("200 OK", "", "fine")).await;
    let mut plain = at(port);
    plain.headers.push(Header { name: "X-Team".into(), value: "red".into() });
    plain.probe_path = "/health?deep=1".into();
    let token = Sensitive::new("Bearer canary");
    let got = ApiCollector::new(plain, Some(token)).collect(&0.0).await.expect("it answers");
    assert_eq!(value(&got, "api.probe.status"), Some(200.0), "status");
    assert_eq!(value(&got, "api.probe.failed"), Some(0.0), "not failed");
    assert!(value(&got, "api.probe.duration{phase=first_byte}").is_some_and(|v| v > 0.0), "the answer took time");
    assert!(value(&got, "api.probe.duration{phase=tls}").is_none(), "plain HTTP has no TLS phase, not one of 0 s");
    let parts: f64 = got.values.iter().filter(|(s, _)| s.metric == "api.probe.duration").map(|(_, v)| v).sum();
    assert!((value(&got, "api.probe.total").expect("total") - parts).abs() < 1e-9, "the total is the phases' sum");
    assert_eq!(got.version.as_deref(), Some("toy/1"), "the server names itself");
    let request = seen.lock().expect("not poisoned")[0].to_ascii_lowercase();
    for part in ["get /health?deep=1 http/1.1", "x-team: red", "authorization: bearer canary", "user-agent: perfdeck/"]
    {
        assert!(request.contains(part), "'{part}' is sent: {request}");
    }
    assert!(request.contains("accept-encoding: gzip, br, zstd"), "compression is offered: {request}");
}

#[tokio::test]
async fn a_slow_answer_shows_in_its_phase() {
    let delay = Duration::from_millis(300);
    let act = Act::AnswerAfter(delay, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let got = probe(server(act).await.0).await;
    let first = value(&got, "api.probe.duration{phase=first_byte}").expect("measured");
    assert!((0.29..1.5).contains(&first), "the wait is in the first byte: {first}");
    assert!(value(&got, "api.probe.duration{phase=connect}").is_some_and(|v| v < 0.25), "and nowhere else");
    assert!(got.round_trip_ms.is_some_and(|ms| ms >= 290.0), "and in the round trip");
}

#[tokio::test]
async fn server_errors_and_broken_answers_are_failed_probes_of_a_living_target() {
    let got = probe(server(answer("503 Service Unavailable", "", "")).await.0).await;
    assert_eq!(value(&got, "api.probe.failed"), Some(1.0), "503 is a failure");
    assert_eq!(value(&got, "api.probe.status"), Some(503.0), "with its status");
    let got = probe(server(answer("404 Not Found", "", "")).await.0).await;
    assert_eq!(value(&got, "api.probe.failed"), Some(0.0), "404 is the caller's fault");
    for act in [Act::Close, Act::Answer(b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec())] {
        let got = probe(server(act).await.0).await;
        assert_eq!(value(&got, "api.probe.failed"), Some(1.0), "what answers wrongly has failed");
        assert!(value(&got, "api.probe.status").is_none(), "and has no status");
        assert!(got.warning.is_some_and(|w| w.message.contains("127.0.0.1")), "the reason names the target");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (port, seen) = server(answer("302 Found", "Location: /y\r\n", "")).await;
    let got = probe(port).await;
    assert_eq!(value(&got, "api.probe.status"), Some(302.0), "the redirect is the answer");
    assert_eq!(seen.lock().expect("not poisoned").len(), 1, "one request");
}

#[tokio::test]
async fn dead_and_silent_targets_are_errors_within_the_deadline() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").port();
    let error = ApiCollector::new(at(free), None).collect(&0.0).await.expect_err("nothing listens");
    assert_eq!(error.code, ErrorCode::Unreachable, "{error}");
    assert!(error.message.contains("refused"), "it says so: {error}");
    let (port, _) = server(Act::Hang).await;
    let started = Instant::now();
    let error = ApiCollector::new(at(port), None).collect(&0.0).await.expect_err("it hangs");
    assert_eq!(error.code, ErrorCode::Timeout, "{error}");
    assert!(error.message.contains(&format!("127.0.0.1:{port}")), "the hanging server is named: {error}");
    assert!(started.elapsed() < Duration::from_millis(1800), "before the scheduler gives up: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_large_uncompressed_answer_is_a_finding_once_a_minute() {
    let body = "[1,2,3,4,5,6,7,8,9]".repeat(200);
    let (port, _) = server(answer("200 OK", "Content-Type: application/json\r\n", &body)).await;
    let mut collector = ApiCollector::new(at(port), None);
    let findings = collector.collect(&0.0).await.expect("answers").findings.expect("the first probe looks");
    let finding = findings.first().expect("3.8 kB of JSON");
    assert_eq!(
        (&*finding.kind, &finding.action.opens),
        ("uncompressed_response", &FindingTarget::Gateway),
        "{finding:?}"
    );
    assert!(finding.evidence.starts_with("3.8 kB each, ") && finding.evidence.ends_with(" with gzip"), "{finding:?}");
    assert!(finding.cost > 0.9 && finding.cost < 1.0, "the share that gzip saves: {}", finding.cost);
    assert!(collector.collect(&30_000.0).await.expect("answers").findings.is_none(), "not every second");
    assert!(collector.collect(&60_000.0).await.expect("answers").findings.is_some(), "again after a minute");
}

#[tokio::test]
async fn compressed_small_binary_or_incompressible_answers_are_no_finding() {
    let text = "a line of text that repeats\n".repeat(100);
    let mut seed = 7u32;
    let noise: Vec<u8> = (0..4000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_le_bytes()[3]
        })
        .collect();
    let text = text.as_bytes();
    for (headers, body, why) in [
        ("Content-Type: text/html\r\nContent-Encoding: gzip\r\n", text, "already compressed"),
        ("Content-Type: text/html\r\n", &b"short"[..], "too small"),
        ("Content-Type: image/png\r\n", text, "pictures are compressed by themselves"),
        ("Content-Type: text/plain\r\n", &noise, "nothing to gain"),
    ] {
        let (port, _) = server(answer("200 OK", headers, body)).await;
        let found = probe(port).await.findings.expect("looked");
        assert!(found.is_empty(), "{why}: {found:?}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_read_in_part() {
    let body = "0123456789".repeat(300_000);
    let (port, _) = server(answer("200 OK", "Content-Type: application/json\r\n", &body)).await;
    let findings = probe(port).await.findings.expect("looked");
    assert!(findings[0].evidence.starts_with("more than 2.10 MB each"), "{}", findings[0].evidence);
}

#[tokio::test]
async fn the_test_names_the_stage_that_fails() {
    let (port, _) = server(answer("200 OK", "", "")).await;
    let report = test_api(&at(port), None).await;
    assert!(report.ok && report.error.is_none(), "{report:?}");
    let last = report.stages.last().expect("stages");
    assert_eq!((last.stage, &*last.detail), (StageName::Version, "HTTP/1.1 200 OK, toy/1"), "the status line");

    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").port();
    let report = test_api(&at(free), None).await;
    assert_eq!(failed_at(&report), Some(StageName::Tcp), "refused");
    assert_eq!(report.stages.last().map(|s| s.outcome), Some(StageOutcome::Skipped), "later stages are skipped");

    let report = test_api(&target("http://no-such-host.invalid".into()), None).await;
    assert_eq!(failed_at(&report), Some(StageName::Dns), "unknown name");

    for bad in ["nonsense", "ftp://host", "http://"] {
        let report = test_api(&target(bad.into()), None).await;
        assert_eq!(failed_at(&report), Some(StageName::Address), "'{bad}' is no address of an API");
    }

    let (port, _) = server(answer("500 Internal Server Error", "", "")).await;
    let report = test_api(&at(port), None).await;
    assert!(report.ok, "a server that answers can be monitored");
    assert_eq!(report.stages.last().map(|s| s.outcome), Some(StageOutcome::Warning), "but 500 is worth a warning");
}

#[tokio::test]
async fn a_hanging_server_is_named_within_the_stage_deadline() {
    let (port, _) = server(Act::Hang).await;
    let started = Instant::now();
    let report = test_api(&at(port), None).await;
    assert!(started.elapsed() < Duration::from_secs(4), "it ends: {:?}", started.elapsed());
    let error = report.error.expect("it hangs");
    assert_eq!(error.code, ErrorCode::Timeout, "{error}");
    assert!(error.message.contains(&format!("127.0.0.1:{port} accepted the connection")), "{error}");
}

#[tokio::test]
async fn refused_credentials_are_reported_without_them() {
    let (port, _) = server(answer("401 Unauthorized", "", "")).await;
    let report = test_api(&at(port), Some(&Sensitive::new("Bearer canary"))).await;
    assert_eq!(failed_at(&report), Some(StageName::Authentication), "401");
    assert!(!format!("{report:?}").contains("canary"), "the token is not in the report");
    let report = test_api(&at(port), Some(&Sensitive::new("canary\r\nX-Evil: 1"))).await;
    assert_eq!(report.error.as_ref().map(|e| e.code), Some(ErrorCode::BadRequest), "no header can be smuggled in");
    assert!(!format!("{report:?}").contains("canary"), "nor does the refusal show it");
}

/// A TLS server with a certificate for these names and years, and the trust in it.
async fn tls_server(names: &[&str], years: (i32, i32)) -> (u16, Trust) {
    let mut params =
        rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).expect("names");
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a server");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, answer("200 OK", "", "fine"), Arc::default()).await;
                }
            });
        }
    });
    (port, Trust::of(roots).expect("one root"))
}

#[tokio::test]
async fn tls_is_measured_and_its_certificate_told() {
    let (port, trust) = tls_server(&["localhost", "127.0.0.1"], (2020, 2090)).await;
    let secure = target(format!("https://127.0.0.1:{port}"));
    let report = stages::run(&secure, None, Some(trust.clone())).await;
    assert!(report.ok, "{report:?}");
    let tls = report.stages.iter().find(|s| s.stage == StageName::Tls).expect("a TLS stage");
    assert_eq!(tls.detail, "for localhost, 127.0.0.1; expires on 2090-01-01", "names and expiry");
    let mut collector = ApiCollector::new(secure, None);
    collector.trust = Some(trust);
    for second in 0..2 {
        let got = collector.collect(&(f64::from(second) * 1e3)).await.expect("it answers");
        assert!(value(&got, "api.probe.duration{phase=tls}").is_some_and(|v| v > 0.0), "a full handshake every time");
        assert_eq!(value(&got, "api.probe.status"), Some(200.0), "through TLS");
    }
}

#[tokio::test]
async fn bad_certificates_are_explained() {
    let (port, trust) = tls_server(&["localhost"], (2019, 2020)).await;
    let report = stages::run(&target(format!("https://localhost:{port}")), None, Some(trust)).await;
    assert_eq!(failed_at(&report), Some(StageName::Tls), "expired");
    let error = report.error.expect("expired");
    assert!(error.message.contains("(for localhost) expired on 2020-01-01"), "with names and date: {error}");

    let (port, trust) = tls_server(&["other.example"], (2020, 2090)).await;
    let report = stages::run(&target(format!("https://localhost:{port}")), None, Some(trust)).await;
    let error = report.error.expect("another name");
    assert!(error.message.contains("is for other.example"), "with the name it is for: {error}");

    let (port, _) = tls_server(&["localhost"], (2020, 2090)).await;
    let (_, stranger) = tls_server(&["localhost"], (2020, 2090)).await;
    let report = stages::run(&target(format!("https://localhost:{port}")), None, Some(stranger)).await;
    let error = report.error.expect("unknown issuer");
    assert!(error.code == ErrorCode::Tls && error.hint.is_some(), "what to do about it is said: {error}");

    let (port, _) = server(answer("200 OK", "", "")).await;
    let (_, trust) = tls_server(&["localhost"], (2020, 2090)).await;
    let report = stages::run(&target(format!("https://127.0.0.1:{port}")), None, Some(trust)).await;
    assert_eq!(failed_at(&report), Some(StageName::Tls), "plain HTTP on a TLS address: {report:?}");
}

#[test]
fn base_path_probe_path_and_host_are_joined() {
    for (url, path, authority, want) in [
        ("http://h", "/health", "h", "/health"),
        ("http://h:80/", "health", "h", "/health"),
        ("http://h:8000/api/", "/v1/x?y=1", "h:8000", "/api/v1/x?y=1"),
        ("https://h:443/a b", "/", "h", "/a%20b/"),
        ("http://[::1]:9", "/", "[::1]:9", "/"),
        ("http://user:canary@h/", "/", "h", "/"),
    ] {
        let target = ApiTarget { probe_path: path.into(), ..target(url.into()) };
        let endpoint = Endpoint::of(&target).expect("an address");
        assert_eq!((&*endpoint.authority, &*endpoint.path), (authority, want), "{url} and {path}");
    }
    let v6 = Endpoint::of(&target("http://[::1]:9".into())).expect("an address");
    assert_eq!(v6.host, "::1", "without brackets for the resolver");
}
