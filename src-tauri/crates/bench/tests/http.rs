//! The load engine against real servers on loopback.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{context, rate, raw, refused, run, self_signed, server, spec, watched};
use perfdeck_bench::{RunContext, run_http};
use perfdeck_model::{ApiError, BenchPhase, ErrorCode, Header, LatencyMs, Load, Run, RunState};
use tokio_util::sync::CancellationToken;

fn lag(run: &Run) -> &LatencyMs {
    run.schedule_lag_ms.as_ref().expect("our engines tell the lag")
}

/// A figure that must be there.
fn at(figure: Option<f64>) -> f64 {
    figure.expect("it was measured")
}

fn class(run: &Run, name: &str) -> u64 {
    run.errors_by_class.iter().filter(|e| e.class == name).map(|e| e.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_counts_what_the_server_counted() {
    let s = server(|_| (200, Duration::ZERO));
    let mut plan = spec(s.port, Load::Closed, 1.0);
    plan.threads = Some(2);
    let r = run(plan).await;
    assert_eq!(r.errors, 0, "no errors: {:?}", r.errors_by_class);
    assert_eq!(r.requests, s.count.load(Ordering::SeqCst), "every request that was sent is counted, and no other");
    assert_eq!(r.requests, r.latency().n, "every success is in the histogram");
    assert_eq!(r.intervals.iter().map(|i| i.requests).sum::<u64>(), r.requests, "the seconds add up");
    assert_eq!(r.statuses.iter().map(|s| s.count).sum::<u64>(), r.requests, "so do the statuses");
    assert!(r.valid, "a plain run is valid: {:?}", r.invalid_reasons);
    assert_eq!(r.bytes_received % r.requests, 0, "all answers are of one size");
    assert!((40..200).contains(&(r.bytes_received / r.requests)), "head and body: {} bytes", r.bytes_received);
    let off = (r.rate_per_s * r.duration_s - r.latency().n as f64).abs();
    assert!(off <= 8.0, "the rate is the successes over the time, but for the last of each connection: {off}");
    assert!(r.notes.iter().any(|n| n.contains("share this machine")), "and says that the target is on this machine");
    assert!(r.schedule_lag_ms.is_none() && r.lag_histogram.is_empty(), "a closed loop has no schedule to lag behind");
    #[cfg(unix)]
    assert!(r.client_cpu_s.is_some_and(|s| s > 0.0 && s < 3.0), "its own cost is measured: {:?} s", r.client_cpu_s);
    assert_eq!(r.spec.threads(), Some(2), "the effective number of threads is kept");
    let heads = s.seen.lock().expect("lock").join("\n");
    assert!(heads.contains("user-agent: perfdeck/") && heads.contains("host: 127.0.0.1:"), "{heads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_at_the_end_do_not_raise_the_rate() {
    // Each answer takes 400 ms, so each of 8 connections manages 2.5 a second, and its third one ends after the run.
    let s = server(|_| (200, Duration::from_millis(400)));
    let r = run(spec(s.port, Load::Closed, 1.0)).await;
    assert_eq!(r.requests, 24, "three were started on each connection");
    assert!(r.rate_per_s < 20.5 && r.rate_per_s > 14.0, "8 × 2.5/s, not 24: {}", r.rate_per_s);
    assert!(!r.valid && r.invalid_reasons[0].contains("24"), "too few to judge: {:?}", r.invalid_reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_rate_is_kept() {
    let s = server(|_| (200, Duration::ZERO));
    let r = run(spec(s.port, rate(500.0), 2.0)).await;
    assert!((999..=1001).contains(&r.requests), "two seconds of 500/s: {}", r.requests);
    assert_eq!(r.requests, s.count.load(Ordering::SeqCst), "all of them reached the server");
    assert!(r.rate_per_s >= 495.0, "at least 99 % of the rate: {}", r.rate_per_s);
    assert!(at(lag(&r).p50) < 2.0, "half of them start at their time: {} ms late", at(lag(&r).p50));
    assert_eq!(r.target_rate_per_s, Some(500.0), "the target is kept");
    let n = r.intervals.iter().map(|i| i.requests).collect::<Vec<_>>();
    assert!(n.len() == 2 && n.iter().all(|n| (450..=550).contains(n)), "evenly: {n:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_up_is_in_no_figure() {
    // The first 150 answers are slow; all of them are in the warm-up.
    let s = server(|n| (if n < 150 { 500 } else { 200 }, Duration::from_millis(if n < 150 { 20 } else { 0 })));
    let mut plan = spec(s.port, rate(200.0), 1.0);
    plan.warmup_s = 1.0;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lives = seen.clone();
    let r = watched(plan, CancellationToken::new(), move |live| lives.lock().expect("lock").push(live)).await;
    assert_eq!(s.count.load(Ordering::SeqCst), 400, "the warm-up sent requests");
    assert!((199..=201).contains(&r.requests), "only the measured second counts: {}", r.requests);
    assert_eq!((r.errors, r.statuses.len()), (0, 1), "errors of the warm-up do not");
    assert_eq!(r.intervals.len(), 1, "its time neither");
    assert!(r.client_cpu_s.is_some_and(|s| s < 1.5), "nor its CPU time");
    let lives = seen.lock().expect("lock");
    assert!(lives.iter().filter(|l| l.phase == BenchPhase::WarmUp).all(|l| l.requests == 0), "nor live");
    let last = lives.last().expect("live figures");
    assert_eq!((last.phase, last.requests), (BenchPhase::Finished, r.requests), "the last ones are the run's");
    assert!(lives.len() <= 35, "ten a second: {}", lives.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_in_every_request_that_waited_for_it() {
    // One connection, and the 200th answer takes 300 ms: the 60 requests due meanwhile wait for it.
    let s = server(|n| (200, if n == 200 { Duration::from_millis(300) } else { Duration::ZERO }));
    let mut plan = spec(s.port, rate(200.0), 3.0);
    plan.connections = 1;
    let r = run(plan).await;
    assert!((599..=601).contains(&r.requests), "the schedule is kept: {}", r.requests);
    assert!(at(r.latency().max) >= 290.0, "the stall is there: {} ms", at(r.latency().max));
    assert!(at(r.latency().p95) > 50.0, "and in those that waited for it: p95 {} ms", at(r.latency().p95));
    assert!(
        at(r.service_ms.p95) < at(r.latency().p95) / 2.0,
        "but not in their service time: {} ms",
        at(r.service_ms.p95)
    );
    assert!(at(lag(&r).max) >= 250.0, "they started late: {} ms", at(lag(&r).max));
    assert!(!r.valid, "a schedule that slipped is not a valid open loop");
    assert!(r.invalid_reasons.iter().any(|r| r.contains("started late")), "{:?}", r.invalid_reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_slower_than_the_rate_is_not_credited_with_it() {
    // Two connections of 20 ms each answer 100/s at most; 400/s are asked for.
    let s = server(|_| (200, Duration::from_millis(20)));
    let mut plan = spec(s.port, rate(400.0), 1.0);
    plan.connections = 2;
    let r = run(plan).await;
    assert!((399..=401).contains(&r.requests), "every start of the schedule has an outcome: {}", r.requests);
    assert!(r.rate_per_s <= 101.0, "what was answered later is not throughput of that second: {}", r.rate_per_s);
    assert!(at(r.latency().max) > 1_000.0, "the queue is in the response time: {} ms", at(r.latency().max));
    let reasons = r.invalid_reasons.join("; ");
    assert!(reasons.contains("target rate") && reasons.contains("use more connections"), "it says why: {reasons}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_bounded_and_the_rest_is_shed() {
    // It answers once, so that it is not one that never does.
    let s = server(|n| (200, if n == 0 { Duration::ZERO } else { Duration::from_secs(60) }));
    let mut plan = spec(s.port, rate(4_000.0), 11.0);
    (plan.connections, plan.timeout_s) = (1, 0.2);
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    // The cap is 10 s of the schedule; the first shed request ends the test.
    let r = watched(plan, cancel, move |live| {
        if live.errors > 100 {
            token.cancel();
        }
    })
    .await;
    assert!(class(&r, "shed") > 0 && class(&r, "timeout") > 0, "both classes are there: {:?}", r.errors_by_class);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_a_run_within_a_second_and_keeps_its_figures() {
    // The 300th answer never comes: cancelling does not wait for it.
    let s = server(|n| (200, if n == 300 { Duration::from_secs(60) } else { Duration::from_millis(1) }));
    for load in [Load::Closed, rate(1_000.0)] {
        let mut plan = spec(s.port, load, 60.0);
        plan.timeout_s = 30.0;
        let cancel = CancellationToken::new();
        let (token, asked) = (cancel.clone(), Arc::new(Mutex::new(None)));
        let at = asked.clone();
        let r = watched(plan, cancel, move |live| {
            if live.requests > 500 {
                at.lock().expect("lock").get_or_insert_with(Instant::now);
                token.cancel();
            }
        })
        .await;
        let took = asked.lock().expect("lock").expect("it was cancelled").elapsed();
        assert!(took < Duration::from_secs(1), "it ended after {took:?}");
        assert_eq!(r.state, RunState::Cancelled, "it says so");
        assert!(r.requests > 500 && r.duration_s < 30.0, "with the figures until then");
        assert_eq!(r.intervals.iter().map(|i| i.requests).sum::<u64>(), r.requests, "the seconds add up here too");
        assert!((r.finished_ms - r.started_ms - r.duration_s * 1e3).abs() < 1e-3, "the times fit together");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_before_the_measured_time_is_an_empty_run() {
    let s = server(|_| (200, Duration::from_millis(1)));
    let mut plan = spec(s.port, Load::Closed, 60.0);
    plan.warmup_s = 60.0;
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let r = watched(plan, cancel, move |live| {
        if live.phase == BenchPhase::WarmUp {
            token.cancel();
        }
    })
    .await;
    assert_eq!((r.state, r.requests, r.intervals.len()), (RunState::Cancelled, 0, 0), "nothing was measured");
    assert!(r.duration_s == 0.0 && r.rate_per_s == 0.0 && !r.valid, "and nothing is claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_port_is_an_invalid_run_and_does_not_spin() {
    let port = refused().await;
    let started = Instant::now();
    let r = run(spec(port, Load::Closed, 0.5)).await;
    assert!(!r.valid && r.errors == r.requests && r.errors > 0, "nothing succeeded");
    let reason = r.invalid_reasons.first().expect("a reason");
    assert!(reason.starts_with("no successful response: 127.0.0.1:") && reason.contains("refused"), "{reason}");
    assert_eq!(class(&r, "connect"), r.errors, "the class says why: {:?}", r.errors_by_class);
    assert!(r.errors_by_class[0].sample.contains("127.0.0.1"), "the message says where");
    assert!(r.requests < 2_000, "failed connections back off: {}", r.requests);
    // An open loop keeps its schedule and counts each of its starts.
    let r = run(spec(port, rate(300.0), 1.0)).await;
    assert!((299..=301).contains(&r.errors), "every start failed: {}", r.errors);
    let (tried, never_sent) = (class(&r, "connect"), class(&r, "shed"));
    assert_eq!(tried + never_sent, r.errors, "for the same reason: {:?}", r.errors_by_class);
    assert!(tried > 0 && never_sent > 0, "what was never sent did not fail to connect: {:?}", r.errors_by_class);
    assert_eq!(r.answered(), 0, "and nothing was answered");
    let shed = r.errors_by_class.iter().find(|e| e.class == "shed").expect("there");
    assert!(shed.sample.contains("not sent") && shed.sample.contains("refused"), "with its reason: {}", shed.sample);
    assert_eq!(r.latency().p99, None, "no success, no percentile");
    assert!(started.elapsed() < Duration::from_secs(10), "and nothing waits for what cannot come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_since_it_was_checked_gets_no_load() {
    let s = server(|_| (200, Duration::ZERO));
    let started = |addresses: &[&str]| {
        let known = addresses.iter().map(|a| (*a).to_owned()).collect();
        let context = RunContext { addresses: Some(known), ..context() };
        run_http(spec(s.port, rate(50.0), 0.2), context, |_| {}, CancellationToken::new())
    };
    for (before, said) in
        [(&["192.0.2.1", "192.0.2.2"][..], "it led to 192.0.2.1, 192.0.2.2"), (&[], "it led to nothing")]
    {
        let refused = ApiError::from(started(before).await.expect_err("nobody was shown this address"));
        assert_eq!(refused.code, ErrorCode::Guarded, "it is the guards that have to look again");
        assert!(refused.message.contains("leads to 127.0.0.1 now") && refused.message.contains(said), "{refused:?}");
    }
    assert_eq!(s.count.load(Ordering::SeqCst), 0, "nothing was sent");
    let run = started(&["192.0.2.1", "127.0.0.1"]).await.expect("one of those that were shown").run;
    assert_eq!((run.requests, run.errors), (10, 0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_of_a_name_is_passed_over() {
    let s = server(|_| (200, Duration::ZERO));
    let mut plan = spec(s.port, rate(100.0), 0.5);
    // Leads to both families here, or to the one that answers; nobody listens on ::1.
    plan.url = format!("http://localhost:{}/x", s.port);
    let r = run(plan).await;
    assert_eq!((r.requests, r.errors), (50, 0), "{:?}", r.errors_by_class);
    assert!(r.resolved.contains(&"127.0.0.1".to_owned()), "all addresses are named: {:?}", r.resolved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_times_out() {
    let s = server(|_| (200, Duration::from_secs(60)));
    let mut plan = spec(s.port, Load::Closed, 0.6);
    plan.timeout_s = 0.2;
    let started = Instant::now();
    let r = run(plan).await;
    assert!(started.elapsed() < Duration::from_secs(5), "no request outlives its deadline");
    assert_eq!(class(&r, "timeout"), r.requests, "the class says why: {:?}", r.errors_by_class);
    assert!((16..=32).contains(&r.requests), "about three on each connection: {}", r.requests);
    assert!(r.errors_by_class[0].sample.contains("0.2 s"), "the message has the deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_after_the_end_to_a_target_that_keeps_all_connections() {
    // It answers once, and then each answer takes longer than its deadline.
    let s = server(|n| (200, if n == 0 { Duration::ZERO } else { Duration::from_secs(60) }));
    let mut plan = spec(s.port, rate(200.0), 1.0);
    (plan.connections, plan.timeout_s) = (2, 1.5);
    let started = Instant::now();
    let r = run(plan).await;
    // The two that were sent have their deadline after the end; no third one begins then.
    assert_eq!(s.count.load(Ordering::SeqCst), 3, "one was answered, two were given up");
    assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
    assert_eq!((class(&r, "timeout"), class(&r, "shed")), (2, 197), "{:?}", r.errors_by_class);
    let reasons = r.invalid_reasons.join("; ");
    assert!(reasons.contains("all connections were waiting for the target"), "{reasons}");
    assert!(!reasons.contains("processor"), "the generator is not to blame: {reasons}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_errors_are_errors_and_secrets_stay_out() {
    let s = server(|n| (if n % 2 == 0 { 200 } else { 500 }, Duration::ZERO));
    let mut plan = spec(s.port, Load::Closed, 0.4);
    plan.headers = vec![Header { name: "Authorization".into(), value: "Bearer canary-9".into() }];
    let r = run(plan).await;
    assert!(r.errors > 0 && r.errors < r.requests, "half of the answers fail");
    assert_eq!(class(&r, "status"), r.errors, "because of their status");
    assert_eq!(r.statuses.iter().map(|s| s.status).collect::<Vec<_>>(), [200, 500], "statuses are counted");
    assert_eq!(r.latency().n, r.requests - r.errors, "latency covers the successful ones");
    assert!(s.seen.lock().expect("lock").contains(&"authorization: Bearer canary-9".to_owned()), "the token is sent");
    let stored = serde_json::to_string(&r).expect("json");
    assert!(!stored.contains("canary-9") && stored.contains("•••"), "the token is not in the result");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_a_reset_and_garbage_is_a_protocol_error() {
    let (port, _) = raw(b"");
    let r = run(spec(port, Load::Closed, 0.4)).await;
    assert!(r.errors > 0 && class(&r, "reset") == r.requests, "closed without an answer: {:?}", r.errors_by_class);
    let (port, _) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort");
    let r = run(spec(port, Load::Closed, 0.4)).await;
    assert!(r.errors > 0 && class(&r, "reset") == r.requests, "closed within the body: {:?}", r.errors_by_class);
    // At a rate, the connections that broke wait a moment: they could be opened all the same.
    let r = run(spec(port, rate(300.0), 1.0)).await;
    let shed = r.errors_by_class.iter().find(|e| e.class == "shed").expect("some were never sent");
    assert!(shed.sample.contains("held back") && !shed.sample.contains("could be opened"), "{}", shed.sample);
    assert_eq!((r.errors, class(&r, "reset") + class(&r, "shed")), (r.requests, r.errors), "all of them failed");
    let (port, _) = raw(b"220 mail.example ESMTP\r\n\r\n");
    let r = run(spec(port, Load::Closed, 0.4)).await;
    assert!(r.errors > 0 && class(&r, "protocol") == r.requests, "this is not HTTP: {:?}", r.errors_by_class);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_after_each_answer_is_no_error() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"[..],
        // Closes without a word.
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..],
    ] {
        let (port, count) = raw(reply);
        let mut plan = spec(port, Load::Closed, 0.5);
        plan.connections = 2;
        let r = run(plan).await;
        let succeeded = r.requests - r.errors;
        assert!(succeeded > 20 && succeeded <= count.load(Ordering::SeqCst), "it reconnects: {succeeded}");
        if reply.windows(5).any(|w| w == b"close") {
            assert_eq!(r.errors, 0, "an announced end is none: {:?}", r.errors_by_class);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_unless_the_plan_says_otherwise() {
    let port = self_signed();
    let mut plan = spec(port, Load::Closed, 0.5);
    plan.url = format!("https://localhost:{port}/");
    let r = run(plan.clone()).await;
    assert!(r.errors == r.requests && class(&r, "tls") == r.errors, "refused: {:?}", r.errors_by_class);
    plan.insecure_tls = true;
    let r = run(plan).await;
    assert!(r.errors == 0 && r.requests > 0, "accepted: {:?}", r.errors_by_class);
    assert!(r.notes.iter().any(|n| n.contains("not checked")), "and the result says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_figures_add_up_and_show_what_is_in_flight() {
    let s = server(|_| (200, Duration::from_millis(20)));
    let (most, calls) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (m, c) = (most.clone(), calls.clone());
    let r = watched(spec(s.port, Load::Closed, 1.5), CancellationToken::new(), move |live| {
        m.fetch_max(u64::from(live.in_flight), Ordering::SeqCst);
        if live.p50_ms.is_some_and(|p| p >= 19.0) && live.rate_per_s > 0.0 {
            c.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    assert_eq!(most.load(Ordering::SeqCst), 8, "all connections wait for an answer");
    assert!(calls.load(Ordering::SeqCst) >= 3, "figures came while it ran");
    assert!(at(r.latency().p50) >= 19.0, "and fit the result");
}
