//! One request means one thing: the raw and the full engine send the same bytes and read the same responses the same way,
//! as RFC 9112 says.
use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::plan::Setting;
use crate::server::{Script, Wire};
use crate::support::spec;
use perfdeck_model::{Header, HttpBenchSpec, Load, Method, Run};

/// What a response must come to.
#[derive(Debug, Clone, Copy)]
enum Right {
    /// A success with this status.
    Is(u16),
    /// A failure of this class, whose message has these words.
    Fails(&'static str, &'static str),
}

use Right::{Fails, Is};

/// What a run came to: statuses, and classes of failures with their messages.
fn outcome(run: &Run) -> (BTreeSet<u16>, BTreeSet<(String, String)>) {
    let failures = run.errors_by_class.iter().map(|e| (e.class.clone(), e.sample.clone()));
    (run.statuses.iter().map(|s| s.status).collect(), failures.collect())
}

fn short(wire: &Wire, method: Method) -> HttpBenchSpec {
    let mut spec = spec(wire.port, Load::Closed, 0.1);
    (spec.connections, spec.method, spec.timeout_s, spec.threads) = (1, method, 1.0, Some(1));
    spec
}

/// The same request as a plan, which the full engine takes.
fn as_plan(spec: &HttpBenchSpec) -> String {
    let mut text = format!(
        "name='p'\nduration='100ms'\ntimeout='1s'\nload={{kind='closed',connections=1}}\n[[steps]]\nname='s'\nkind='http'\n\
         method='{}'\nurl='{}'\n",
        spec.method.as_str(),
        spec.url
    );
    if let Some(body) = &spec.body {
        let _ = writeln!(text, "body='{body}'");
    }
    if let Some(body) = &spec.body_base64 {
        let _ = writeln!(text, "body_base64='{body}'");
    }
    let headers: Vec<String> = spec.headers.iter().map(|h| format!("'{}'='{}'", h.name, h.value)).collect();
    let _ = writeln!(text, "headers={{{}}}", headers.join(","));
    text
}

async fn both(spec: &HttpBenchSpec) -> [Run; 2] {
    let raw = crate::support::run(spec.clone()).await;
    let full = Setting::at("http://127.0.0.1:1").run(&as_plan(spec)).await;
    assert!(raw.engine.contains("raw") && full.engine.contains("full"), "{} and {}", raw.engine, full.engine);
    [raw, full]
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_read_alike() {
    let many = |n: usize| (0..n).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    let with = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}").into_bytes();
    let chunked = |body: &str| with("transfer-encoding: chunked\r\n", body);
    let wide = format!("x: {}\r\n", "y".repeat(70_000));
    let huge = format!("x: {}\r\n", "y".repeat(300_000));
    let zeros = |n: usize, digits: &str| format!("{}{digits}\r\nhello\r\n0\r\n\r\n", "0".repeat(n));
    // Name, method, answer, whether the connection ends behind it, and what is right.
    let cases: Vec<(&str, Method, Vec<u8>, bool, Right)> = vec![
        ("plain", Method::Get, with("content-length: 5\r\n", "hello"), false, Is(200)),
        ("list of equal lengths", Method::Get, with("content-length: 2, 2\r\n", "ok"), false, Is(200)),
        ("equal lengths twice", Method::Get, with("content-length: 2\r\ncontent-length: 2\r\n", "ok"), false, Is(200)),
        ("two lengths", Method::Get, with("content-length: 2, 3\r\n", "ok"), true, Fails("protocol", "two different")),
        ("signed length", Method::Get, with("content-length: +2\r\n", "ok"), true, Fails("protocol", "no number")),
        ("negative length", Method::Get, with("content-length: -2\r\n", "ok"), true, Fails("protocol", "no number")),
        (
            "hexadecimal length",
            Method::Get,
            with("content-length: 0x2\r\n", "ok"),
            true,
            Fails("protocol", "no number"),
        ),
        ("empty length", Method::Get, with("content-length:\r\n", "ok"), true, Fails("protocol", "no number")),
        (
            "length above 64 bits",
            Method::Get,
            with("content-length: 18446744073709551616\r\n", ""),
            true,
            Fails("protocol", "no number"),
        ),
        ("padded length", Method::Get, with("content-length: 00000000000000000000002\r\n", "ok"), false, Is(200)),
        (
            "length that is short",
            Method::Get,
            with("content-length: 9\r\n", "ok"),
            true,
            Fails("reset", "before the response was complete"),
        ),
        ("120 fields", Method::Get, with(&format!("{}content-length: 2\r\n", many(120)), "ok"), false, Is(200)),
        ("1000 fields", Method::Get, with(&format!("{}content-length: 2\r\n", many(1000)), "ok"), false, Is(200)),
        (
            "2000 fields",
            Method::Get,
            with(&format!("{}content-length: 2\r\n", many(2000)), "ok"),
            true,
            Fails("protocol", "1024 header fields"),
        ),
        ("a field of 70 kB", Method::Get, with(&format!("{wide}content-length: 2\r\n"), "ok"), false, Is(200)),
        (
            "a field of 300 kB",
            Method::Get,
            with(&format!("{huge}content-length: 2\r\n"), "ok"),
            true,
            Fails("protocol", "over 256 KiB"),
        ),
        ("chunked", Method::Get, chunked("5\r\nhello\r\n0\r\n\r\n"), false, Is(200)),
        ("size of 17 digits", Method::Get, chunked(&zeros(16, "5")), false, Is(200)),
        ("size of 1000 digits", Method::Get, chunked(&zeros(999, "5")), false, Is(200)),
        (
            "size above 64 bits",
            Method::Get,
            chunked("10000000000000000\r\n"),
            true,
            Fails("protocol", "no number of 64 bits"),
        ),
        (
            "size with a sign",
            Method::Get,
            chunked("+5\r\nhello\r\n0\r\n\r\n"),
            true,
            Fails("protocol", "without a size"),
        ),
        (
            "size with 0x",
            Method::Get,
            chunked("0x5\r\nhello\r\n0\r\n\r\n"),
            true,
            Fails("protocol", "size is no number"),
        ),
        ("size with spaces behind", Method::Get, chunked("5  \r\nhello\r\n0\r\n\r\n"), false, Is(200)),
        ("extension", Method::Get, chunked("5;a=\"b\"\r\nhello\r\n0;x\r\n\r\n"), false, Is(200)),
        (
            "bare LF behind a size",
            Method::Get,
            chunked("5\nhello\r\n0\r\n\r\n"),
            true,
            Fails("protocol", "size is no number"),
        ),
        (
            "bare CR in an extension",
            Method::Get,
            chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"),
            true,
            Fails("protocol", "CR within a line"),
        ),
        (
            "chunk longer than its size",
            Method::Get,
            chunked("3\r\nhello\r\n0\r\n\r\n"),
            true,
            Fails("protocol", "longer than its size"),
        ),
        ("trailers", Method::Get, chunked("5\r\nhello\r\n0\r\nx: y\r\n\r\n"), false, Is(200)),
        (
            "chunks without end",
            Method::Get,
            chunked("5\r\nhello\r\n"),
            true,
            Fails("reset", "before the response was complete"),
        ),
        (
            "chunked and a length",
            Method::Get,
            with("content-length: 99\r\ntransfer-encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"),
            false,
            Is(200),
        ),
        (
            "chunked and a wrong length",
            Method::Get,
            with("content-length: +9\r\ntransfer-encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"),
            false,
            Is(200),
        ),
        (
            "gzip, then chunked",
            Method::Get,
            with("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"),
            false,
            Is(200),
        ),
        (
            "chunked twice",
            Method::Get,
            with("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"),
            true,
            Fails("protocol", "chunked twice"),
        ),
        ("chunked is not the last", Method::Get, with("transfer-encoding: chunked, gzip\r\n", "ok"), true, Is(200)),
        ("no length, then the end", Method::Get, with("", "ok"), true, Is(200)),
        ("HTTP/1.0", Method::Get, b"HTTP/1.0 200 OK\r\n\r\nok".to_vec(), true, Is(200)),
        (
            "switching protocols",
            Method::Get,
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n".to_vec(),
            true,
            Fails("protocol", "switched protocols"),
        ),
        (
            "interim responses",
            Method::Get,
            [
                &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"[..],
                &with("content-length: 2\r\n", "ok"),
            ]
            .concat(),
            false,
            Is(200),
        ),
        (
            "HTTP/1.0 102, then the answer",
            Method::Get,
            b"HTTP/1.0 102 PROCESSING\r\nContent-Length: 0\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
            true,
            Is(200),
        ),
        (
            "100 with a length",
            Method::Get,
            [&b"HTTP/1.1 100 Continue\r\ncontent-length: 9\r\n\r\n"[..], &with("content-length: 2\r\n", "ok")].concat(),
            false,
            Is(200),
        ),
        (
            "204 with a length",
            Method::Get,
            b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n".to_vec(),
            false,
            Is(204),
        ),
        (
            "304 with a wrong length",
            Method::Get,
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: +5\r\n\r\n".to_vec(),
            false,
            Is(304),
        ),
        ("HEAD", Method::Head, with("content-length: 500\r\n", ""), false, Is(200)),
        ("HEAD of chunks", Method::Head, with("transfer-encoding: chunked\r\n", ""), false, Is(200)),
        ("folded field", Method::Get, with("x: a\r\n b\r\ncontent-length:\r\n 2\r\n", "ok"), false, Is(200)),
        ("bare LF in the head", Method::Get, b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok".to_vec(), false, Is(200)),
        (
            "bare CR in a field",
            Method::Get,
            with("x: a\rb\r\ncontent-length: 2\r\n", "ok"),
            true,
            Fails("protocol", "not an HTTP/1.1 response"),
        ),
        (
            "space before the colon",
            Method::Get,
            with("content-length : 2\r\n", "ok"),
            true,
            Fails("protocol", "not an HTTP/1.1 response"),
        ),
        (
            "status of two digits",
            Method::Get,
            b"HTTP/1.1 20 OK\r\n\r\n".to_vec(),
            true,
            Fails("protocol", "not an HTTP/1.1 response"),
        ),
        (
            "status below 100",
            Method::Get,
            b"HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            true,
            Fails("protocol", "below 100"),
        ),
        (
            "another protocol",
            Method::Get,
            b"220 mail.example ESMTP\r\n".to_vec(),
            true,
            Fails("protocol", "not an HTTP/1.1 response"),
        ),
        ("nothing", Method::Get, Vec::new(), true, Fails("reset", "before a response")),
        ("closing", Method::Get, with("connection: close\r\ncontent-length: 2\r\n", "ok"), true, Is(200)),
        (
            "an error",
            Method::Get,
            b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec(),
            false,
            Fails("status", "503"),
        ),
        ("POST", Method::Post, with("content-length: 2\r\n", "ok"), false, Is(200)),
    ];
    let wire = Wire::start();
    for (name, method, answer, close, right) in cases {
        wire.plays(Script { answer, close, crumbs: false });
        let runs = both(&short(&wire, method)).await;
        let [raw, full] = [outcome(&runs[0]), outcome(&runs[1])];
        assert_eq!(raw, full, "{name}: the engines agree");
        for run in &runs {
            assert!(run.requests > 0, "{name}: requests were sent");
            match right {
                Is(status) => {
                    assert_eq!(run.errors, 0, "{name}: {:?}", run.errors_by_class);
                    assert_eq!(raw.0, BTreeSet::from([status]), "{name}");
                }
                Fails(class, words) => {
                    assert_eq!(run.errors, run.requests, "{name}: every request fails");
                    let found = raw.1.iter().all(|(c, sample)| c == class && sample.contains(words));
                    assert!(found && !raw.1.is_empty(), "{name}: {:?} is {class}, {words}", raw.1);
                }
            }
        }
    }
    // In crumbs, the same.
    wire.plays(Script { answer: chunked("5;a\r\nhello\r\n0\r\nx: y\r\n\r\n"), close: false, crumbs: true });
    for run in both(&short(&wire, Method::Get)).await {
        assert!(run.errors == 0 && run.requests > 0, "{:?}", run.errors_by_class);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_the_same_bytes() {
    let wire = Wire::start();
    wire.plays(Script { answer: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(), ..Script::default() });
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    for (method, body, bytes, length) in [
        (Method::Get, None, None, None),
        (Method::Delete, None, None, None),
        (Method::Options, None, None, None),
        (Method::Post, None, None, Some("0")),
        (Method::Put, None, None, Some("0")),
        (Method::Patch, None, None, Some("0")),
        (Method::Post, Some("hello"), None, Some("5")),
        (Method::Delete, Some("hello"), None, Some("5")),
        (Method::Post, None, Some("/wD+"), Some("3")),
    ] {
        let mut spec = short(&wire, method);
        (spec.body, spec.body_base64) = (body.map(str::to_owned), bytes.map(str::to_owned));
        spec.headers = vec![header("X-One", "é|\"1"), header("Accept", "*/*"), header("Host", "shop.example")];
        let mut sent = Vec::new();
        wire.take();
        for run in both(&spec).await {
            assert_eq!(run.errors, 0, "{:?}", run.errors_by_class);
        }
        let seen = wire.take();
        for bytes in [seen.first(), seen.last()] {
            // The order of fields with different names means nothing (RFC 9110, section 5.3).
            let text = String::from_utf8_lossy(bytes.expect("a request")).into_owned();
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
            lines[1..].sort();
            sent.push((lines, body.to_owned()));
        }
        assert_eq!(sent[0], sent[1], "{method:?}: both engines send the same");
        let found = sent[0].0.iter().find_map(|l| l.strip_prefix("content-length: "));
        assert_eq!(found, length, "{method:?} with a body of {body:?}");
        assert!(sent[0].0.contains(&"host: shop.example".to_owned()), "the header goes before the URL's host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_urls_and_any_bytes_are_sent() {
    let wire = Wire::start();
    wire.plays(Script { answer: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(), ..Script::default() });
    let mut spec = short(&wire, Method::Get);
    spec.url = format!("{}?q={}", spec.url, "x".repeat(64_000 - spec.url.len() - 3));
    for run in both(&spec).await {
        assert_eq!(run.errors, 0, "64 kB are sent: {:?}", run.errors_by_class);
    }
    assert!(wire.take().iter().all(|r| r.len() > 63_900), "whole");
    let resolved = perfdeck_bench::resolve(&spec.url).await;
    assert_eq!(resolved, ["127.0.0.1"], "and the guards see where it goes");
    spec.url.push_str(&"x".repeat(3_000));
    let error = perfdeck_bench::validate(&spec).expect_err("too long").message;
    assert!(error.contains("67000 bytes") && error.contains("at most 65536"), "the limit is named: {error}");

    let all: Vec<u8> = (0..=255).collect();
    let files = std::collections::BTreeMap::from([("all.bin".to_owned(), all.clone())]);
    let mut setting = Setting::at("http://127.0.0.1:1");
    setting.files = files;
    let plan = as_plan(&short(&wire, Method::Post)).replace("headers={}", "body_file='all.bin'");
    assert_eq!(setting.run(&plan).await.errors, 0, "a body from a file");
    assert!(wire.take().iter().all(|r| r.ends_with(&all)), "byte for byte");
    let missing = setting.try_run(&plan.replace("all.bin", "none.bin")).await.expect_err("no file").message;
    assert!(missing.contains("'none.bin'") && missing.contains("body_file"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_close_is_kept_by_both() {
    let wire = Wire::start();
    wire.plays(Script { answer: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(), ..Script::default() });
    let mut spec = short(&wire, Method::Get);
    spec.headers = vec![Header { name: "Connection".into(), value: "close".into() }];
    for run in both(&spec).await {
        assert_eq!(
            (run.errors, run.requests > 2),
            (0, true),
            "each on a connection of its own: {:?}",
            run.errors_by_class
        );
    }
    // Asked for, a switch is an answer.
    wire.plays(Script { answer: b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n".to_vec(), ..Script::default() });
    spec.headers = vec![
        Header { name: "Connection".into(), value: "upgrade".into() },
        Header { name: "Upgrade".into(), value: "x".into() },
    ];
    for run in both(&spec).await {
        assert_eq!(outcome(&run), (BTreeSet::from([101]), BTreeSet::new()), "101 was asked for");
    }
}
