//! An address that asks for TLS, and a server that has none: neither the password nor the account reaches the wire.
use perfdeck_database::{DatabaseCollector, connect_for_load, test};
use perfdeck_model::{Address, Collector as _, ErrorCode};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, Postgres, Wiretap, holds};

/// Tests, monitors and loads one address, and answers what was sent on the way.
async fn sent(wire: &Wiretap, url: &str, refused: bool) -> Vec<u8> {
    let (address, password) = Address::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
    let _ = wire.heard();
    let tested = test(&address, password.as_ref()).await.error;
    let monitored = DatabaseCollector::new(address.clone(), password.clone()).collect(&0.0).await.err();
    let loaded = connect_for_load(&address, password.as_ref()).await.err();
    for (what, error) in [("test", tested), ("monitor", monitored), ("load", loaded)] {
        let code = error.as_ref().map(|e| e.code);
        assert_eq!(code, refused.then_some(ErrorCode::Tls), "{what} of {url}: {error:?}");
    }
    wire.heard()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_account_is_sent_to_a_postgres_without_tls() {
    let server = Postgres::start().await.expect("PostgreSQL");
    // This server asks for the password itself, and not for a proof of it.
    let hba = server.socket_folder().join("data/pg_hba.conf");
    std::fs::write(&hba, "local all all scram-sha-256\nhost all all 127.0.0.1/32 password\n").expect("written");
    server.execute("SELECT pg_reload_conf()").await.expect("read again");
    let wire = Wiretap::open(server.port()).await.expect("a port");
    let base = format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{}/app", wire.port());
    for mode in ["sslmode=disable", "sslmode=prefer"] {
        let bytes = sent(&wire, &format!("{base}?{mode}"), false).await;
        assert!(holds(&bytes, POSTGRES_PASSWORD) && holds(&bytes, "perfdeck"), "{mode} may, and the wire shows it");
    }
    for mode in ["ssl=true", "sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "sslmode=no-verify"] {
        let bytes = sent(&wire, &format!("{base}?{mode}"), true).await;
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!bytes.is_empty(), "{mode}: it asked for TLS");
        for word in [POSTGRES_PASSWORD, "perfdeck", "user\0"] {
            assert!(!holds(&bytes, word), "{mode}: '{word}' was sent in clear: {shown:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_account_is_sent_to_a_mariadb_without_tls() {
    let server = MariaDb::start_with(&["--skip-ssl"]).await.expect("MariaDB");
    let wire = Wiretap::open(server.port()).await.expect("a port");
    let base = format!("mariadb://perfdeck:{MARIADB_PASSWORD}@127.0.0.1:{}/app", wire.port());
    // The password itself is sent by no sign-in of MariaDB's; the account's name says that one was begun.
    let bytes = sent(&wire, &format!("{base}?sslMode=DISABLED"), false).await;
    assert!(holds(&bytes, "perfdeck"), "without TLS the wire shows the account");
    for mode in ["ssl=true", "sslMode=REQUIRED", "sslMode=VERIFY_CA", "sslMode=VERIFY_IDENTITY", "tls=true"] {
        let bytes = sent(&wire, &format!("{base}?{mode}"), true).await;
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        for word in [MARIADB_PASSWORD, "perfdeck", "mysql_native_password"] {
            assert!(!holds(&bytes, word), "{mode}: '{word}' was sent in clear: {shown:?}");
        }
    }
}
