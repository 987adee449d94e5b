//! Against one real server.
use std::time::Instant;

use super::support::{CLOSED, Server, Shape, errors, load, run, target, watched};

const KEYS: &str = "name='key'\nkind='zipf'\nitems=1000\nprefix='key:'";
const VALUES: &str = "name='value'\nkind='random_string'\nlength=20";
const MIX: &[(f64, &str, &[&str])] = &[(9.0, "GET", &["{{key}}"]), (1.0, "SET", &["{{key}}", "{{value}}"])];

#[test]
fn figures_are_those_of_the_server() {
    for (pipeline, threads) in [(1, 1), (1, 2), (16, 1), (7, 2)] {
        let server = Server::start(&[]);
        let mix = load(MIX, &[KEYS, VALUES], target(vec![server.address()]), pipeline);
        let record = run(mix, Shape { threads, ..CLOSED });
        assert!(errors(&record).is_empty(), "no errors: {:?}", errors(&record));
        let (gets, sets) = (server.calls("get"), server.calls("set"));
        assert_eq!(record.requests, gets + sets, "every command is counted, and no other: pipeline {pipeline}");
        assert!(sets * 6 < gets && sets * 14 > gets, "9 to 1: {gets} to {sets}");
        assert_eq!(record.requests, record.times.response.len(), "each has its time");
        let info = server.ask(&["INFO", "stats"]);
        let misses = info.text().expect("text").lines().find_map(|line| line.strip_prefix("keyspace_misses:"));
        assert_eq!(Some(record.misses), misses.and_then(|n| n.parse().ok()), "misses are the server's");
        assert!(record.bytes > 5 * record.requests, "bytes are counted: {}", record.bytes);
    }
}

#[test]
fn a_rate_is_kept_over_all_connections() {
    let server = Server::start(&[]);
    for pipeline in [1, 8] {
        server.ask(&["CONFIG", "RESETSTAT"]);
        let mix = load(MIX, &[KEYS, VALUES], target(vec![server.address()]), pipeline);
        let record = run(mix, Shape { threads: 2, rate_per_s: Some(5_000.0), seconds: 1.0, ..CLOSED });
        assert!((4_999..=5_001).contains(&record.requests), "one second of 5,000/s: {}", record.requests);
        assert_eq!(record.requests, server.calls("get") + server.calls("set"), "all of them reached the server");
        assert_eq!(record.failed, 0, "{:?}", errors(&record));
        assert!(record.times.lag.value_at_quantile(0.5) < 2_000, "half of them start at their time");
    }
}

#[test]
fn a_stalled_server_shows_in_every_command_that_waited_for_it() {
    let server = Server::start(&[]);
    let stall = load(&[(1.0, "GET", &["key"])], &[], target(vec![server.address()]), 4);
    let shape = Shape { connections: 2, rate_per_s: Some(500.0), seconds: 2.0, threads: 1 };
    let record = watched(stall, shape, |watch| {
        watch.until(100, 0);
        server.ask(&["CLIENT", "PAUSE", "200"]);
    });
    assert!((999..=1_001).contains(&record.requests), "the schedule is kept: {}", record.requests);
    assert!(record.times.response.max() >= 190_000, "the stall is there: {} µs", record.times.response.max());
    assert!(record.times.response.value_at_quantile(0.95) > 20_000, "and in those that were due meanwhile");
}

#[test]
fn authentication_and_database_are_each_connections_first() {
    let server = Server::start(&["--requirepass", "other", "--user", "bench", "on", ">secret", "~*", "+@all"]);
    let mut right = target(vec![server.address()]);
    (right.username, right.password, right.database) = (Some("bench".into()), Some("secret".into()), 3);
    let mut fine = load(&[(1.0, "INCR", &["n"])], &[], right, 4);
    fine.reach().expect("the server takes it");
    let record = run(fine, CLOSED);
    assert_eq!(record.failed, 0, "{:?}", errors(&record));
    assert!(record.requests > 100, "it runs: {}", record.requests);

    let mut wrong = target(vec![server.address()]);
    (wrong.username, wrong.password) = (Some("bench".into()), Some("canary".into()));
    let mut refused = load(&[(1.0, "INCR", &["n"])], &[], wrong, 1);
    let (_, message) = refused.reach().expect_err("refused before the run");
    assert!(message.starts_with("AUTH was refused: WRONGPASS"), "{message}");
    let started = Instant::now();
    let record = run(refused, CLOSED);
    let all = errors(&record);
    assert!(record.failed == record.requests && record.failed > 0, "nothing succeeds");
    assert!(all[0].0 == "cache" && all[0].1.starts_with("AUTH was refused: WRONGPASS"), "it says why: {all:?}");
    assert!(!format!("{all:?}{message}").contains("canary"), "without the password");
    assert!(record.requests < 2_000 && started.elapsed().as_secs() < 5, "and does not spin: {}", record.requests);

    let none = load(&[(1.0, "INCR", &["n"])], &[], target(vec![server.address()]), 1);
    let all = errors(&run(none, CLOSED));
    assert!(all.len() == 1 && all[0].1.starts_with("NOAUTH"), "a password that is missing: {all:?}");
}

#[test]
fn an_error_is_one_of_its_command_and_names_itself() {
    let server = Server::start(&["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]);
    server.ask(&["LPUSH", "list", "x"]);
    let wrong = load(&[(1.0, "GET", &["list"]), (1.0, "PING", &[])], &[], target(vec![server.address()]), 8);
    let record = run(wrong, CLOSED);
    let all = errors(&record);
    assert!(all.len() == 1 && all[0].0 == "cache" && all[0].1.starts_with("WRONGTYPE Operation"), "{all:?}");
    assert!(record.failed > record.requests / 3 && record.failed < record.requests * 2 / 3, "only the one of two");
    assert_eq!(record.requests - record.failed, server.calls("ping"), "the others went on, on the same connections");
}

#[test]
fn a_feed_that_is_used_up_ends_the_run() {
    let server = Server::start(&[]);
    let feed = "name='n'\nkind='sequence'\nfrom=1\nto=1000\nmode='unique'";
    let started = Instant::now();
    for rate_per_s in [None, Some(10_000.0)] {
        server.ask(&["FLUSHALL"]);
        let once = load(&[(1.0, "SADD", &["s", "{{n}}"])], &[feed], target(vec![server.address()]), 16);
        let record = run(once, Shape { threads: 2, rate_per_s, seconds: 30.0, ..CLOSED });
        assert_eq!(record.requests, 1_000, "each row once: {:?}", errors(&record));
        assert_eq!(server.ask(&["SCARD", "s"]).integer(), Some(1_000), "and each one was sent");
    }
    assert!(started.elapsed().as_secs() < 10, "without waiting for the time to pass");
}

#[test]
fn a_server_that_dies_and_returns_is_errors_and_the_run_goes_on() {
    for (rate_per_s, pipeline) in [(None, 1), (None, 16), (Some(2_000.0), 4)] {
        let mut server = Server::start(&[]);
        let port = server.port;
        let mix = load(MIX, &[KEYS, VALUES], target(vec![server.address()]), pipeline);
        let mut again = None;
        let record = watched(mix, Shape { rate_per_s, seconds: 60.0, ..CLOSED }, |watch| {
            watch.until(200, 0);
            server.kill();
            watch.until(0, 50);
            again = Server::launch(port, &[]);
            assert!(again.is_some(), "the server is back");
            watch.until(200, 0);
            watch.stop();
        });
        let all = errors(&record);
        assert!(record.failed >= 50 && record.requests - record.failed >= 400, "both are counted: {all:?}");
        assert!(all.iter().any(|e| e.0 == "connect") || all.iter().any(|e| e.0 == "reset"), "by reason: {all:?}");
        let known = ["connect", "reset", "shed"];
        assert!(all.iter().all(|e| known.contains(&e.0.as_str())), "and no other: {all:?}");
    }
}
