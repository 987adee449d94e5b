//! Real servers on loopback, and a way to run a plan against them.
#![allow(dead_code, reason = "each test file uses its part of it")]
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use perfdeck_bench::{AbortSwitch, RunContext, run_http};
use perfdeck_model::{BenchLive, HttpBenchSpec, Load, Machine, Run, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub(crate) fn spec(port: u16, load: Load, duration_s: f64) -> HttpBenchSpec {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/x"), "load": load, "connections": 8, "duration_s": duration_s, "timeout_s": 2.0
    }))
    .expect("a spec")
}

pub(crate) fn rate(rate_per_s: f64) -> Load {
    Load::Rate { rate_per_s }
}

pub(crate) async fn run(spec: HttpBenchSpec) -> Run {
    watched(spec, CancellationToken::new(), |_| {}).await
}

pub(crate) async fn watched(
    spec: HttpBenchSpec,
    cancel: CancellationToken,
    progress: impl Fn(BenchLive) + Send + Sync + 'static,
) -> Run {
    // No test may hang, whatever the engine does.
    tokio::time::timeout(Duration::from_secs(60), run_http(spec, context(), progress, cancel))
        .await
        .expect("a run ends")
        .expect("with a result")
        .run
}

pub(crate) fn context() -> RunContext {
    RunContext {
        run_id: "r".into(),
        name: "n".into(),
        environment_id: None,
        environment_name: None,
        machine: Machine::default(),
        clock: Arc::new(SystemClock),
        max_error_share: None,
        abort: AbortSwitch::default(),
        addresses: None,
    }
}

/// Runs `serve` for each connection, on a thread of its own that ends with the process. Answers the port.
fn listen<F, T>(serve: F) -> u16
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + 'static,
{
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
            send.send(listener.local_addr().expect("addr").port()).expect("send");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream));
            }
        });
    });
    receive.recv().expect("port")
}

async fn http<S>(
    stream: S,
    counter: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<String>>>,
    answer: impl Fn(u64) -> (u16, Duration) + Clone + 'static,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let n = counter.fetch_add(1, Ordering::SeqCst);
        if n == 0 {
            let heads = request.headers().iter().map(|(k, v)| format!("{k}: {}", v.to_str().unwrap_or("?")));
            seen.lock().expect("lock").extend(heads);
        }
        let (status, wait) = answer(n);
        async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let response = hyper::Response::builder().status(status).body(Full::new(Bytes::from("hello")));
            Ok::<_, Infallible>(response.expect("response"))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) count: Arc<AtomicU64>,
    /// Headers of the first request.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

/// `answer` gives the status and how long to wait before the n-th response.
pub(crate) fn server(answer: impl Fn(u64) -> (u16, Duration) + Send + Sync + Clone + 'static) -> Server {
    let (count, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counter, heads) = (count.clone(), seen.clone());
    let port = listen(move |stream| {
        let _ = stream.set_nodelay(true);
        http(stream, counter.clone(), heads.clone(), answer.clone())
    });
    Server { port, count, seen }
}

/// Accepts TLS with a certificate for `localhost` that nobody signed.
fn acceptor(protocols: &[&[u8]]) -> tokio_rustls::TlsAcceptor {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into()),
        )
        .expect("key");
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

/// Bytes in PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let coded = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = coded.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("base64")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// An HTTPS server that only serves clients with a certificate. Answers its port, and such a certificate with its key.
pub(crate) fn mutual() -> (u16, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("key")).expect("authority");
    let key = KeyPair::generate().expect("key");
    let client = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
    let client = client.signed_by(&key, &authority).expect("signed");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.as_ref().der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("verifier"))
        .with_single_cert(
            vec![own.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into()),
        )
        .expect("key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let port = listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                http(stream, Arc::default(), Arc::default(), |_| (200, Duration::ZERO)).await;
            }
        }
    });
    (port, pem("CERTIFICATE", client.der()), pem("PRIVATE KEY", &key.serialize_der()))
}

/// An HTTPS server with a certificate for `localhost` that nobody signed.
pub(crate) fn self_signed() -> u16 {
    let acceptor = acceptor(&[]);
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                http(stream, Arc::default(), Arc::default(), |_| (200, Duration::ZERO)).await;
            }
        }
    })
}

/// Runs the tasks of an HTTP/2 connection on the server's own thread.
#[derive(Clone)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, work: F) {
        tokio::task::spawn_local(work);
    }
}

/// An HTTPS server that speaks nothing but HTTP/2. Answers its port, and the requests that it saw as method, authority
/// and path.
pub(crate) fn http2() -> (u16, Arc<Mutex<Vec<String>>>) {
    let (acceptor, seen) = (acceptor(&[b"h2"]), Arc::new(Mutex::new(Vec::new())));
    let log: Arc<Mutex<Vec<String>>> = seen.clone();
    let port = listen(move |stream| {
        let (acceptor, log) = (acceptor.clone(), log.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let authority = request.uri().authority().map_or("", |a| a.as_str());
                let line = format!("{:?} {} {authority} {}", request.version(), request.method(), request.uri().path());
                log.lock().expect("lock").push(line);
                async { Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(r#"{"ok":true}"#)))) }
            });
            let connection = hyper::server::conn::http2::Builder::new(Here);
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        }
    });
    (port, seen)
}

/// Reads one request per connection, answers `reply` as it is and closes.
pub(crate) fn raw(reply: &'static [u8]) -> (u16, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    let port = listen(move |mut stream| {
        let counter = counter.clone();
        async move {
            let mut buffer = [0u8; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(reply).await;
            }
        }
    });
    (port, count)
}

/// A port that nobody listens on.
pub(crate) async fn refused() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("addr").port()
}
