//! A target that does not answer ends every HTTP bench soon, with the reason.
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::plan::Setting;
use crate::support::{context, rate, spec};
use perfdeck_bench::run_http;
use perfdeck_model::{Load, RunState};
use tokio_util::sync::CancellationToken;

/// Ends soon after five seconds, however busy the machine is.
const SOON: Duration = Duration::from_secs(9);

/// A run that is over before its target's silence is known counts what it waited for, and blames the target.
async fn short(url: String, load: Load) {
    let mut plan = spec(1, load, 0.6);
    (plan.url, plan.timeout_s, plan.warmup_s, plan.connections) = (url, 10.0, 0.3, 2);
    let open = plan.load != Load::Closed;
    let started = Instant::now();
    let run = run_http(plan, context(), |_| {}, CancellationToken::new()).await.expect("a run").run;
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
    assert_eq!(run.state, RunState::Aborted, "it could not succeed: {:?}", run.notes);
    let timeouts = run.errors_by_class.iter().find(|e| e.class == "timeout").expect("what waited has failed");
    assert_eq!((timeouts.count, run.errors), (2, run.requests), "{:?}", run.errors_by_class);
    let reasons = run.invalid_reasons.join("; ");
    assert!(reasons.contains("no byte of an answer within 5 s") && !reasons.contains("processor"), "{reasons}");
    assert_eq!(reasons.contains("all connections were waiting for the target"), open, "{reasons}");
    assert!(run.notes.iter().all(|n| !n.contains("before its end")), "it was measured to its end: {:?}", run.notes);
}

/// What a run says, whether it began or not, and how long it took.
async fn said(url: String, load: Load, timeout_s: f64) -> (String, Duration) {
    let mut plan = spec(1, load, 60.0);
    (plan.url, plan.timeout_s, plan.insecure_tls) = (url, timeout_s, true);
    let started = Instant::now();
    let words = match run_http(plan, context(), |_| {}, CancellationToken::new()).await {
        Ok(finished) => {
            assert_eq!(finished.run.state, RunState::Aborted, "it was ended");
            finished.run.notes.join("; ")
        }
        Err(error) => error.to_string(),
    };
    (words, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_accepts_and_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = listener.local_addr().expect("address").port();
    // The system accepts for it: nobody ever reads.
    let http = format!("http://127.0.0.1:{port}/");
    let ((), (), closed, open, shorter, tls, plan) = tokio::join!(
        short(http.clone(), Load::Closed),
        short(http.clone(), rate(200.0)),
        said(http.clone(), Load::Closed, 10.0),
        said(http.clone(), rate(100.0), 10.0),
        said(http.clone(), Load::Closed, 0.3),
        said(http.replace("http", "https"), Load::Closed, 10.0),
        async {
            let started = Instant::now();
            let plan = format!("name='p'\nduration='60s'\n[[steps]]\nname='s'\nkind='http'\nurl='{http}'\n");
            let finished = Setting::at(&http).try_run(&plan).await.expect("a run");
            (finished.run.notes.join("; "), started.elapsed())
        },
    );
    for (name, (words, took)) in [("closed", closed), ("open", open), ("short time-out", shorter), ("plan", plan)] {
        assert!(words.contains("no byte of an answer within 5 s"), "{name}: {words}");
        assert!(took < SOON, "{name}: it took {took:?}");
    }
    assert!(tls.0.contains("did not answer the TLS handshake within 5 s") && tls.1 < SOON, "TLS: {tls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_accept() {
    let socket = tokio::net::TcpSocket::new_v4().expect("socket");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
    // A queue that is full: the system drops what asks for a connection.
    let listener = socket.listen(0).expect("listen");
    let address = listener.local_addr().expect("address");
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 64, "the queue is bounded");
    }
    let (raw, plan) = tokio::join!(said(format!("http://{address}/"), Load::Closed, 10.0), async {
        let started = Instant::now();
        let plan = format!("name='p'\nduration='60s'\n[[steps]]\nname='s'\nkind='http'\nurl='http://{address}/'\n");
        let error = Setting::at("http://127.0.0.1:1").try_run(&plan).await.expect_err("it cannot begin");
        (error.message, started.elapsed())
    });
    for (words, took) in [raw, plan] {
        assert!(words.contains("did not accept a connection within 5 s"), "{words}");
        assert!(took < SOON, "it took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_that_has_begun_is_waited_for() {
    let s = crate::support::server(|n| (200, if n == 0 { Duration::ZERO } else { Duration::from_secs(60) }));
    let mut plan = spec(s.port, Load::Closed, 6.5);
    plan.timeout_s = 0.5;
    let run = crate::support::run(plan).await;
    assert_eq!(run.state, RunState::Completed, "it answered once: {:?}", run.notes);
}
