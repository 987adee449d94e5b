//! What this machine runs out of: errors of its own, which say nothing about the target.
#![cfg(unix)]
mod support;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use perfdeck_bench::run_http;
use perfdeck_model::Load;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{context, raw, spec};
use tokio_util::sync::CancellationToken;

/// Set in a process that may run out of files, with the port of the target.
const CHILD: &str = "PERFDECK_TEST_LIMITED";
const FILES: u64 = 160;
/// A target that wants a new connection for each request.
const CLOSES: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// Runs against the target and, once it answers, opens files until there are no more.
fn run_out(port: u16) {
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) }).expect("a lower limit");
    let over = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let (begin, begun) = std::sync::mpsc::channel::<bool>();
    // Takes each file that a closing connection gives back, until it is told that the run is over.
    let hog = std::thread::spawn({
        let over = over.clone();
        move || {
            let mut held = Vec::new();
            if begun.recv() == Ok(true) {
                while !over.load(Ordering::SeqCst) {
                    held.extend(File::open("/dev/null").ok());
                }
            }
        }
    });
    let tell = begin.clone();
    let progress = move |live: perfdeck_model::BenchLive| {
        if live.requests > 200 {
            // Once is enough; the thread does not listen any more.
            let _ = tell.send(true);
        }
    };
    let run = runtime.block_on(async {
        let mut plan = spec(port, Load::Closed, 1.0);
        plan.connections = 1000;
        let refused = run_http(plan, context(), |_| {}, CancellationToken::new()).await.expect_err("they do not fit");
        assert!(refused.to_string().contains("do not fit into the 160 files"), "before the first request: {refused}");
        let plan = spec(port, Load::Closed, 1.5);
        run_http(plan, context(), progress, CancellationToken::new()).await.expect("a result").run
    });
    over.store(true, Ordering::SeqCst);
    let _ = begin.send(false);
    hog.join().expect("no panic");
    assert_eq!(getrlimit(Resource::Nofile).current, Some(FILES), "the limit stayed");
    let local = run.errors_by_class.iter().find(|e| e.class == "local").expect("a class of its own");
    assert!(local.count > 0 && local.sample.to_lowercase().contains("too many open files"), "{local:?}");
    assert!(run.requests - run.errors > 200, "what was measured before is kept: {} of {}", run.errors, run.requests);
    assert!(!run.valid, "the run gives no verdict");
    assert!(
        run.invalid_reasons.iter().any(|r| r.contains("this machine ran out of files")),
        "{:?}",
        run.invalid_reasons
    );
}

#[test]
fn a_run_whose_machine_is_out_of_files_is_invalid_and_says_so() {
    if let Some(port) = std::env::var(CHILD).ok().and_then(|port| port.parse().ok()) {
        return run_out(port);
    }
    // The limit is that of a process, and other tests run in this one.
    let (port, served) = raw(CLOSES);
    let child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_run_whose_machine_is_out_of_files_is_invalid_and_says_so", "--nocapture"])
        .env(CHILD, port.to_string())
        .output()
        .expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(child.status.success(), "{}{}", text(&child.stdout), text(&child.stderr));
    assert!(served.load(Ordering::SeqCst) > 200, "it was the target that answered");
}
