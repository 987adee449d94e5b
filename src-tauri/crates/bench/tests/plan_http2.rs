//! Plans over TLS: the protocol is the one that the server offers.

use crate::plan::Setting;

fn over_tls(port: u16) -> String {
    format!(
        "name='t'\nduration='500ms'\ninsecure_tls=true\nload={{kind='closed',connections=4}}\n[[steps]]\nname='s'\n\
         kind='http'\nurl='https://localhost:{port}/x/{{{{$random 1 9}}}}'\nchecks=[{{status=200}}]"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_http2_gets_it() {
    let (port, seen) = crate::support::http2();
    let run = Setting::at("http://127.0.0.1:1").run(&over_tls(port)).await;
    assert_eq!(run.errors, 0, "every request succeeds: {:?}", run.errors_by_class);
    assert!(run.requests > 10 && run.bytes_received > 0, "{} requests", run.requests);
    let seen = seen.lock().expect("lock");
    assert_eq!(seen.len() as u64, run.requests, "as many as the server saw");
    let start = format!("HTTP/2.0 GET localhost:{port} /x/");
    assert!(seen.iter().all(|line| line.starts_with(&start)), "with its authority: {:?}", seen.first());
    assert!(run.notes.iter().any(|n| n.contains("certificate was not checked")), "and it is said: {:?}", run.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_gets_http1() {
    let run = Setting::at("http://127.0.0.1:1").run(&over_tls(crate::support::self_signed())).await;
    assert_eq!(run.errors, 0, "every request succeeds: {:?}", run.errors_by_class);
    assert!(run.requests > 10, "{} requests", run.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_signed_is_an_error() {
    let checked = over_tls(crate::support::self_signed()).replace("insecure_tls=true", "insecure_tls=false");
    let run = Setting::at("http://127.0.0.1:1").run(&checked).await;
    assert!(run.requests > 0 && run.errors == run.requests, "no request is sent over it");
    assert_eq!(run.errors_by_class[0].class, "tls", "{:?}", run.errors_by_class);
}
