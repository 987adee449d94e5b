//! Against servers that do not speak the protocol, or do so with intent.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::support::{CLOSED, Shape, errors, load, run, target};

/// A server that answers each connection's first command with `answer` and then does what that does.
fn scripted(answer: impl Fn(&mut TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || {
                if stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                    answer(&mut stream);
                }
            });
        }
    });
    address
}

#[test]
fn hostile_replies_are_protocol_errors() {
    for (reply, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "begins with 'H'"),
        (b"$-7\r\n", "a size of '-7'"),
        (b"*9999999999\r\n", "a size of '9999999999'"),
        (b"$3\r\nabcdef\r\n", "longer than its size"),
        (b"\r\n\r\n", "an empty line"),
    ] {
        let address = scripted(move |stream| {
            let _ = stream.write_all(reply);
            // Stays open: it is the engine that closes.
            let _ = stream.read(&mut [0; 1]);
        });
        let record = run(load(&[(1.0, "GET", &["k"])], &[], target(vec![address]), 2), CLOSED);
        let all = errors(&record);
        assert!(record.failed > 0 && record.failed == record.requests, "nothing succeeds: {all:?}");
        assert!(all.len() == 1 && all[0].0 == "protocol" && all[0].1.contains(word), "it names {word}: {all:?}");
    }
}

#[test]
fn an_endless_line_is_cut_off() {
    let address = scripted(|stream| while stream.write_all(&[b'+'; 4096]).is_ok() {});
    let all = errors(&run(load(&[(1.0, "GET", &["k"])], &[], target(vec![address]), 1), CLOSED));
    assert!(all.len() == 1 && all[0].0 == "protocol" && all[0].1.contains("over 64 KiB"), "{all:?}");
}

#[test]
fn a_connection_that_ends_within_a_batch_fails_the_rest_of_it() {
    let address = scripted(|stream| {
        let _ = stream.write_all(b"+OK\r\n+OK\r\n$10\r\nhalf");
    });
    let record = run(load(&[(1.0, "GET", &["k"])], &[], target(vec![address]), 4), CLOSED);
    let all = errors(&record);
    assert_eq!(record.failed, record.requests / 2, "two of four have their reply: {all:?}");
    assert!(all.len() == 1 && all[0].0 == "reset", "the others were cut off: {all:?}");
}

#[test]
fn replies_that_nobody_asked_for_belong_to_no_command() {
    let address = scripted(|stream| {
        while stream.write_all(b"+OK\r\n+OK\r\n+OK\r\n").is_ok() && stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    });
    let record = run(load(&[(1.0, "GET", &["k"])], &[], target(vec![address]), 1), CLOSED);
    assert_eq!(record.failed, 0, "each command has its own: {:?}", errors(&record));
    assert!(record.requests > 20, "on a new connection each time: {}", record.requests);
}

#[test]
fn a_server_that_says_nothing_times_out() {
    let address = scripted(|stream| while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    for (rate_per_s, pipeline) in [(None, 4), (Some(200.0), 4)] {
        let quiet = load(&[(1.0, "GET", &["k"])], &[], target(vec![address]), pipeline);
        let record = run(quiet, Shape { connections: 2, rate_per_s, seconds: 0.4, threads: 1 });
        let all = errors(&record);
        assert!(record.failed == record.requests && record.failed >= 8, "nothing succeeds: {all:?}");
        assert!(all.iter().any(|e| e.0 == "timeout" && e.1.contains("0.5 s")), "with the deadline: {all:?}");
    }
}
