//! An address that asks for TLS, and a server that has none: neither the password nor the account reaches the wire.
use perfdeck_cache::{CacheCollector, connect_for_load, test};
use perfdeck_model::{Address, CacheTarget, Collector as _};
use perfdeck_testkit::{Redis, Wiretap, holds};

/// Tests, monitors and loads one address.
async fn used(url: &str, refused: bool) {
    let (address, password) = Address::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
    let target = CacheTarget::of(address);
    let mut collector = CacheCollector::new(target.clone(), password.clone());
    let (tested, monitored, loaded) = tokio::join!(
        async { test(&target, password.as_ref()).await.error },
        async { collector.collect(&0.0).await.err() },
        async { connect_for_load(&target, password.as_ref()).await.err() },
    );
    for (what, error) in [("test", tested), ("monitor", monitored), ("load", loaded)] {
        assert_eq!(error.is_some(), refused, "{what} of {url}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_account_is_sent_to_a_redis_without_tls() {
    let server = Redis::start().await.expect("Redis");
    server.execute(&["ACL", "SETUSER", "someone", "on", ">canary-pw", "~*", "+@all"]).await.expect("an account");
    let wire = Wiretap::open(server.port()).await.expect("a port");
    let port = wire.port();
    used(&format!("redis://someone:canary-pw@127.0.0.1:{port}"), false).await;
    let bytes = wire.heard();
    assert!(holds(&bytes, "canary-pw") && holds(&bytes, "someone"), "redis:// may, and the wire shows it");
    let roots = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cleartext.rs");
    // A server without TLS waits for the end of what it takes for a command: all at once.
    let mut all = tokio::task::JoinSet::new();
    for url in [
        format!("rediss://someone:canary-pw@127.0.0.1:{port}"),
        format!("rediss://someone:canary-pw@127.0.0.1:{port}?tls=insecure"),
        format!("rediss://someone:canary-pw@127.0.0.1:{port}?ssl_check_hostname=false"),
        format!("rediss://someone:canary-pw@127.0.0.1:{port}?ssl_ca_certs={roots}"),
        format!("redis://someone:canary-pw@127.0.0.1:{port}?ssl=true"),
        format!("rediss+cluster://someone:canary-pw@127.0.0.1:{port}"),
        format!("rediss+cluster://someone:canary-pw@127.0.0.1:{port}?tls=insecure"),
        format!("rediss+sentinel://someone:canary-pw@127.0.0.1:{port}/0?master=main"),
    ] {
        all.spawn(async move { used(&url, true).await });
    }
    while let Some(done) = all.join_next().await {
        done.expect("refused");
    }
    let bytes = wire.heard();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!bytes.is_empty(), "TLS was asked for");
    for word in ["canary-pw", "someone", "AUTH", "HELLO"] {
        assert!(!holds(&bytes, word), "'{word}' was sent in clear: {shown:?}");
    }
}
