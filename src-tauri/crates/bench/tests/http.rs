//! The load engine against real servers on loopback.
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use perfdeck_bench::{RunContext, run_http};
use perfdeck_model::{Header, HttpBenchSpec, Load, Machine, Run, RunState, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn spec(port: u16, load: Load, duration_s: f64) -> HttpBenchSpec {
    serde_json::from_value(serde_json::json!({
        "url": format!("http://127.0.0.1:{port}/x"), "load": load, "connections": 8, "duration_s": duration_s, "timeout_s": 2.0
    }))
    .expect("a spec")
}

async fn run(spec: HttpBenchSpec) -> Run {
    run_until(spec, CancellationToken::new()).await
}

async fn run_until(spec: HttpBenchSpec, cancel: CancellationToken) -> Run {
    let context = RunContext {
        run_id: "r".into(),
        name: "n".into(),
        environment_id: None,
        environment_name: None,
        machine: Machine::default(),
        clock: Arc::new(SystemClock),
    };
    run_http(spec, context, |_| {}, cancel).await.expect("the run ends with a result")
}

/// A server on its own thread; `answer` gives the status and how long to wait before the n-th response.
fn server(answer: impl Fn(u64) -> (u16, Duration) + Send + Sync + Clone + 'static) -> (u16, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
            send.send(listener.local_addr().expect("addr").port()).expect("send");
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (counter, answer) = (counter.clone(), answer.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |_| {
                        let (status, wait) = answer(counter.fetch_add(1, Ordering::SeqCst));
                        async move {
                            if !wait.is_zero() {
                                tokio::time::sleep(wait).await;
                            }
                            let response =
                                hyper::Response::builder().status(status).body(Full::new(Bytes::from("hello")));
                            Ok::<_, Infallible>(response.expect("response"))
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
    });
    (receive.recv().expect("port"), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_counts_what_the_server_counted() {
    let (port, count) = server(|_| (200, Duration::ZERO));
    let r = run(spec(port, Load::Closed, 1.0)).await;
    let served = count.load(Ordering::SeqCst);
    assert_eq!(r.errors, 0, "no errors: {:?}", r.errors_by_class);
    assert!(r.requests <= served && served - r.requests <= 16, "{} recorded of {served} served", r.requests);
    assert_eq!(r.requests, r.response_ms.n, "every success is in the histogram");
    assert_eq!(r.intervals.iter().map(|i| i.requests).sum::<u64>(), r.requests, "the seconds add up");
    assert!(r.valid, "a plain run is valid: {:?}", r.invalid_reasons);
    assert_eq!(r.bytes_received, 5 * r.requests, "bodies are counted");
    assert!(r.notes.iter().any(|n| n.contains("share this machine")), "and says that the target is on this machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_up_is_in_no_figure() {
    let (port, count) = server(|_| (200, Duration::from_millis(2)));
    let mut s = spec(port, Load::Rate { rate_per_s: 200.0 }, 1.0);
    s.warmup_s = 1.0;
    let r = run(s).await;
    assert!(count.load(Ordering::SeqCst) > 350, "the warm-up sent requests");
    assert!((190..=210).contains(&r.requests), "only the measured second counts: {}", r.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_in_every_request_that_waited_for_it() {
    // One connection, and the 200th answer takes 400 ms: the 80 requests due meanwhile wait for it.
    let (port, _) = server(|n| (200, if n == 200 { Duration::from_millis(400) } else { Duration::ZERO }));
    let mut s = spec(port, Load::Rate { rate_per_s: 200.0 }, 3.0);
    s.connections = 1;
    let r = run(s).await;
    assert!((590..=601).contains(&r.requests), "the schedule is kept: {}", r.requests);
    assert!(r.response_ms.p90 > 40.0, "the waiting is in the response time: p90 {} ms", r.response_ms.p90);
    assert!(r.service_ms.p90 < r.response_ms.p90, "and not in the service time");
    assert!(!r.valid, "a schedule that slipped is not a valid open loop");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_a_run_within_a_second_and_keeps_its_figures() {
    let (port, _) = server(|_| (200, Duration::from_millis(1)));
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let task = tokio::spawn(run_until(spec(port, Load::Closed, 60.0), token));
    tokio::time::sleep(Duration::from_millis(700)).await;
    let asked = Instant::now();
    cancel.cancel();
    let r = task.await.expect("the run ends");
    assert!(asked.elapsed() < Duration::from_secs(1), "it ended after {:?}", asked.elapsed());
    assert_eq!(r.state, RunState::Cancelled, "it says so");
    assert!(r.requests > 0 && r.duration_s < 5.0, "with the figures until then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_port_is_an_invalid_run_and_does_not_spin() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("addr").port();
    let r = run(spec(port, Load::Closed, 0.5)).await;
    assert!(!r.valid && r.errors == r.requests, "nothing succeeded");
    assert_eq!(r.errors_by_class[0].class, "connect", "the class says why");
    assert!(r.requests < 2_000, "failed connections back off: {}", r.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_times_out() {
    let (port, _) = server(|_| (200, Duration::from_secs(60)));
    let mut s = spec(port, Load::Closed, 0.6);
    s.timeout_s = 0.2;
    let started = Instant::now();
    let r = run(s).await;
    assert!(started.elapsed() < Duration::from_secs(3), "no request outlives its deadline");
    assert_eq!(r.errors_by_class[0].class, "timeout", "the class says why");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_errors_are_errors() {
    let (port, _) = server(|n| (if n % 2 == 0 { 200 } else { 500 }, Duration::ZERO));
    let mut s = spec(port, Load::Closed, 0.4);
    s.headers = vec![Header { name: "Authorization".into(), value: "Bearer canary-9".into() }];
    let r = run(s).await;
    assert!(r.errors > 0 && r.errors < r.requests, "half of the answers fail");
    assert_eq!(r.statuses.iter().map(|s| s.status).collect::<Vec<_>>(), [200, 500], "statuses are counted");
    assert!(!serde_json::to_string(&r).expect("json").contains("canary-9"), "the token is not in the result");
}
