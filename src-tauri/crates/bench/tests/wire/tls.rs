//! `bench http` and plans over TLS: HTTP/2 where the server speaks nothing else, and clients with a certificate.
use std::collections::BTreeMap;

use crate::plan::Setting;
use crate::support::spec;
use perfdeck_bench::validate;
use perfdeck_model::{ClientCertificate, HttpBenchSpec, Load};

fn over(port: u16) -> HttpBenchSpec {
    let mut plan = spec(port, Load::Closed, 0.4);
    (plan.url, plan.insecure_tls, plan.connections) = (format!("https://localhost:{port}/x"), true, 2);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_http2_alone_is_spoken_to() {
    let (port, seen) = crate::support::http2();
    let run = crate::support::run(over(port)).await;
    assert_eq!(run.errors, 0, "every request succeeds: {:?}", run.errors_by_class);
    let seen = seen.lock().expect("lock");
    assert_eq!(seen.len() as u64, run.requests, "as many as the server saw");
    assert!(seen.iter().all(|line| line == &format!("HTTP/2.0 GET localhost:{port} /x")), "{:?}", seen.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_scheme_and_a_certificate_that_nobody_vouches_for_are_named() {
    let (own, plain) =
        (crate::support::self_signed(), crate::support::server(|_| (200, std::time::Duration::ZERO)).port);
    let (mutual, _, _) = crate::support::mutual();
    let said = |url: String, insecure: bool| async move {
        let mut plan = over(1);
        (plan.url, plan.insecure_tls) = (url, insecure);
        let run = crate::support::run(plan).await;
        format!("{}; {}; {}", run.errors_by_class[0].sample, run.notes.join("; "), run.invalid_reasons.join("; "))
    };
    for (url, insecure, words) in [
        (format!("http://127.0.0.1:{own}/"), false, vec!["speaks TLS; its address begins with https://"]),
        (format!("https://localhost:{plain}/"), false, vec!["does not answer with TLS", "begins with http://"]),
        (format!("https://localhost:{own}/"), false, vec!["vouches for the certificate", "insecure_tls"]),
        (format!("https://localhost:{mutual}/"), true, vec!["wants a certificate of the client", "client_certificate"]),
    ] {
        let said = said(url.clone(), insecure).await;
        for word in words {
            assert!(said.contains(word), "{url} says '{word}': {said}");
        }
        for debug in ["InvalidContentType", "Other(", "CaUsedAsEndEntity", "received", "corrupt"] {
            assert!(!said.contains(debug), "{url} shows a library's error: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let (port, cert, key) = crate::support::mutual();
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    let (cert_file, key_file) = (write("me.pem", &cert), write("me.key", &key));
    let both = write("both.pem", &format!("{cert}{key}"));
    let run = crate::support::run(over(port)).await;
    assert!(run.errors == run.requests && run.requests > 0, "without one it is refused: {:?}", run.errors_by_class);
    for (cert, key) in [(cert_file.clone(), Some(key_file.clone())), (both, None)] {
        let mut spec = over(port);
        spec.client_certificate = Some(ClientCertificate { cert, key });
        let run = crate::support::run(spec).await;
        assert!(run.errors == 0 && run.requests > 0, "with it, it is served: {:?}", run.errors_by_class);
        let stored = serde_json::to_string(&run).expect("json");
        assert!(!stored.contains("PRIVATE KEY"), "the key is not in the result");
    }
    // In plans, by files beside them.
    let mut setting = Setting::at("http://127.0.0.1:1");
    setting.files = BTreeMap::from([("me.pem".to_owned(), cert.into_bytes()), ("me.key".to_owned(), key.into_bytes())]);
    let text = format!(
        "name='t'\nduration='300ms'\ninsecure_tls=true\nload={{kind='closed',connections=1}}\n\
         client_certificate={{cert='me.pem',key='me.key'}}\n[[steps]]\nname='s'\nkind='http'\nurl='https://localhost:{port}/'\n"
    );
    let run = setting.run(&text).await;
    assert!(run.errors == 0 && run.requests > 0, "{:?}", run.errors_by_class);
    let error = setting.try_run(&text.replace("me.key", "no.key")).await.expect_err("no key").message;
    assert!(error.contains("client_certificate") && error.contains("'no.key' cannot be read"), "{error}");

    let other = write(
        "other.key",
        &crate::support::pem("PRIVATE KEY", &rcgen::KeyPair::generate().expect("key").serialize_der()),
    );
    let locked =
        write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    for (cert, key, words) in [
        ("/missing.pem".to_owned(), None, "'/missing.pem' cannot be read"),
        (key_file.clone(), None, "holds no certificate"),
        (cert_file.clone(), None, "holds no private key"),
        (cert_file.clone(), Some(other), "is not the key of"),
        (cert_file.clone(), Some(locked), "with a pass phrase"),
    ] {
        let mut spec = over(port);
        spec.client_certificate = Some(ClientCertificate { cert, key });
        let run = perfdeck_bench::run_http(
            spec,
            crate::support::context(),
            |_| {},
            tokio_util::sync::CancellationToken::new(),
        );
        let error = run.await.expect_err(words).to_string();
        assert!(error.contains(words), "'{error}' says {words}");
    }
    let mut plain = spec(port, Load::Closed, 0.4);
    plain.client_certificate = Some(ClientCertificate { cert: cert_file, key: None });
    assert!(validate(&plain).expect_err("http").message.contains("Only an https URL"), "http has no use for one");
}
