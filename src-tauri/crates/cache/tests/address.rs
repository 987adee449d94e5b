//! What an address says has its effect on a real cache, for monitoring and for load, or is refused.
use std::process::Command;
use std::time::Duration;

use perfdeck_cache::{LoadConnection, connect_for_load, test};
use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, parameters};
use perfdeck_testkit::{Redis, RedisSentinel};

use crate::target;

/// What a command of load answers.
async fn ask(url: &str, words: &[&str]) -> Result<String, ApiError> {
    let (target, password) = target(url);
    let LoadConnection::Single(mut c) = connect_for_load(&target, password.as_ref()).await? else {
        panic!("one server")
    };
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut c).await.map_err(|e| ApiError::internal(e.to_string()))
}

async fn monitored(url: &str) -> Result<(), ApiError> {
    let (target, password) = target(url);
    let report = test(&target, password.as_ref()).await;
    report.error.map_or(Ok(()), Err)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_account_are_those_of_the_address() {
    let server = Redis::start_with(&["--databases", "300"]).await.expect("Redis");
    let port = server.port();
    for rule in [
        ["ACL", "SETUSER", "open", "on", "nopass", "~*", "+@all"],
        ["ACL", "SETUSER", "shut", "on", ">pw/#?@", "~*", "+@all"],
    ] {
        server.execute(&rule).await.expect("a user");
    }
    for (url, number) in [
        (format!("redis://127.0.0.1:{port}?db=6"), "6"),
        (format!("redis://127.0.0.1:{port}/2?db=7"), "7"),
        (format!("redis://127.0.0.1:{port}/299"), "299"),
        (format!("redis://open:@127.0.0.1:{port}/5"), "5"),
    ] {
        ask(&url, &["SET", "k", number]).await.expect("written");
        assert_eq!(monitored(&url).await, Ok(()), "{url}");
        let there = server.execute(&["INFO", "keyspace"]).await.expect("INFO");
        assert!(format!("{there:?}").contains(&format!("db{number}:")), "{url} writes into {number}: {there:?}");
    }
    let error = monitored(&format!("redis://127.0.0.1:{port}/300")).await.expect_err("there are 300");
    assert!(error.hint.is_some(), "{error:?}");
    for (url, user) in [
        (format!("redis://127.0.0.1:{port}"), "default"),
        (format!("redis://open@127.0.0.1:{port}"), "open"),
        (format!("redis://open:@127.0.0.1:{port}"), "open"),
        (format!("redis://127.0.0.1:{port}?username=open"), "open"),
        (format!("redis://shut:pw%2F%23%3F%40@127.0.0.1:{port}"), "shut"),
        (format!("redis://127.0.0.1:{port}?user=shut&password=pw%2F%23%3F%40"), "shut"),
    ] {
        assert_eq!(ask(&url, &["ACL", "WHOAMI"]).await, Ok(user.to_owned()), "{url}");
        let (target, password) = target(&url);
        let report = test(&target, password.as_ref()).await;
        assert!(format!("{report:?}").contains(&format!("signed in as {user}")), "{url}: {report:#?}");
    }
    let error = monitored(&format!("redis://shut:@127.0.0.1:{port}")).await.expect_err("without its password");
    assert_eq!(error.code, ErrorCode::Authentication, "{error:?}");
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Files of a certificate that signed itself and may sign others, and of its key.
fn own_root(folder: &tempfile::TempDir, file: &str, name: &str) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let (crt, key_file) = (folder.path().join(format!("{file}.crt")), folder.path().join(format!("{file}.key")));
    std::fs::write(&crt, pem("CERTIFICATE", made.der())).expect("written");
    std::fs::write(&key_file, pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    (crt.display().to_string(), key_file.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_what_the_address_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, key) = own_root(&folder, "own", "127.0.0.1");
    let (other, other_key) = own_root(&folder, "other", "cache.example");
    let start = async |certificate: &str, key: &str| {
        let port = perfdeck_testkit::free_port().expect("a port");
        let arguments = ["--tls-port", &port.to_string(), "--tls-cert-file", certificate, "--tls-key-file", key]
            .map(ToOwned::to_owned);
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Clients show the same certificate, so that one without is refused.
        arguments.extend(["--tls-ca-cert-file", certificate, "--tls-auth-clients", "optional"]);
        (Redis::start_with(&arguments).await.expect("Redis with TLS"), port)
    };
    let (server, port) = start(&own, &key).await;
    let plain = server.port();
    for url in [
        format!("rediss://127.0.0.1:{port}?sslrootcert={own}"),
        format!("redis://127.0.0.1:{port}?ssl=true&ssl_ca_certs={own}"),
        format!("rediss://127.0.0.1:{port}?tls=verify-ca&cacert={own}"),
        format!("rediss://127.0.0.1:{port}?ssl_cert_reqs=none"),
        format!("rediss://127.0.0.1:{port}?sslrootcert={own}&sslcert={own}&sslkey={key}"),
    ] {
        assert_eq!(ask(&url, &["PING"]).await, Ok("PONG".to_owned()), "{url}");
        assert_eq!(monitored(&url).await, Ok(()), "{url}");
    }
    for (url, word) in [
        (format!("rediss://127.0.0.1:{port}"), ""),
        (format!("rediss://127.0.0.1:{port}?sslrootcert={other}"), ""),
        (format!("rediss://127.0.0.1:{port}?sslrootcert=/nowhere/missing.crt"), "missing.crt"),
        // TLS where none is spoken, with a password that is not sent in clear text.
        (format!("redis://:canary@127.0.0.1:{plain}?ssl=true"), ""),
    ] {
        for outcome in [ask(&url, &["PING"]).await.map(drop), monitored(&url).await] {
            let error = outcome.expect_err(&url);
            assert!(error.message.contains(word), "{url}: {error:?}");
            assert!(
                matches!(error.code, ErrorCode::Tls | ErrorCode::Unreachable | ErrorCode::Timeout),
                "{url}: {error:?}"
            );
        }
    }
    let (_server, port) = start(&other, &other_key).await;
    let chain = format!("rediss://127.0.0.1:{port}?ssl_check_hostname=false&sslrootcert={other}");
    assert_eq!(monitored(&chain).await, Ok(()), "a certificate for another name");
    let full = format!("rediss://127.0.0.1:{port}?sslrootcert={other}");
    assert_eq!(monitored(&full).await.expect_err("its name is verified").code, ErrorCode::Tls, "{full}");
}

/// The system's roots are those of the other targets; the system is told by a variable where they are.
#[test]
fn the_roots_of_the_system_are_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut root = rcgen::CertificateParams::new(vec!["root.example".to_owned()]).expect("names");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "a root of this test");
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let root_file = folder.path().join("root.crt");
    let made = root.self_signed(&root_key).expect("a root");
    std::fs::write(&root_file, pem("CERTIFICATE", made.der())).expect("written");
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    let leaf = params.signed_by(&key, &issuer).expect("signed");
    std::fs::write(folder.path().join("leaf.crt"), pem("CERTIFICATE", leaf.der())).expect("written");
    std::fs::write(folder.path().join("leaf.key"), pem("PRIVATE KEY", &key.serialize_der())).expect("written");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "address::inner_system_roots", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", &root_file)
        .env_remove("SSL_CERT_DIR")
        .env("PERFDECK_TEST_FOLDER", folder.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the_roots_of_the_system_are_trusted, with roots of its own"]
async fn inner_system_roots() {
    let folder = std::env::var("PERFDECK_TEST_FOLDER").expect("the folder");
    let port = perfdeck_testkit::free_port().expect("a port").to_string();
    let (crt, key_file) = (format!("{folder}/leaf.crt"), format!("{folder}/leaf.key"));
    let arguments =
        ["--tls-port", &port, "--tls-cert-file", &crt, "--tls-key-file", &key_file, "--tls-auth-clients", "no"];
    let _server = Redis::start_with(&arguments).await.expect("Redis with TLS");
    let url = format!("rediss://127.0.0.1:{port}");
    assert_eq!(monitored(&url).await, Ok(()), "monitoring trusts the system's roots");
    assert_eq!(ask(&url, &["PING"]).await, Ok("PONG".to_owned()), "load too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_has_a_password_of_its_own() {
    let mut watched = RedisSentinel::start().await.expect("a Sentinel");
    let own = redis::Client::open(format!("redis://127.0.0.1:{}", watched.port())).expect("a client");
    let mut c = own.get_multiplexed_async_connection().await.expect("the Sentinel");
    let told: Result<(), _> =
        redis::cmd("ACL").arg(&["SETUSER", "watcher", "on", ">sentinel-canary", "+@all"]).query_async(&mut c).await;
    told.expect("a user of the Sentinel");
    let told: Result<(), _> = redis::cmd("CONFIG").arg(&["SET", "requirepass", "x"]).query_async(&mut c).await;
    let _ = told;
    let told: Result<(), _> =
        redis::cmd("ACL").arg(&["SETUSER", "default", "resetpass", ">sentinel-word"]).query_async(&mut c).await;
    told.expect("the Sentinel asks for a password");
    watched.primary().execute(&["ACL", "SETUSER", "app", "on", ">primary-word", "~*", "+@all"]).await.expect("a user");
    let url =
        format!("redis+sentinel://app:primary-word@127.0.0.1:{}/3?master=main&sentinel_password=", watched.port());
    for (user, word, ok) in
        [("", "sentinel-word", true), ("watcher", "sentinel-canary", true), ("", "wrong", false), ("", "", false)]
    {
        let mut text = format!("{url}{word}");
        if !user.is_empty() {
            text.push_str(&format!("&sentinel_username={user}"));
        }
        let pasted = Address::read(&text).expect("an address");
        let mut target = target(&pasted.address.url()).0;
        target.sentinel_secret = pasted.sentinel_password;
        let report = test(&target, pasted.password.as_ref()).await;
        assert_eq!(report.ok, ok, "'{user}' with '{word}': {report:#?}");
        if !ok {
            let error = report.error.expect("an error");
            assert_eq!(error.code, ErrorCode::Authentication, "{error:?}");
            assert!(error.message.contains(&watched.port().to_string()), "the Sentinel is named: {error:?}");
        }
        if ok {
            let opened =
                tokio::time::timeout(Duration::from_secs(10), connect_for_load(&target, pasted.password.as_ref()));
            let Ok(Ok(LoadConnection::Single(mut c))) = opened.await else { panic!("load reaches the primary") };
            let who: String = redis::cmd("ACL").arg("WHOAMI").query_async(&mut c).await.expect("an answer");
            assert_eq!(who, "app", "with its own account");
        }
    }
}

/// The options of `redis-cli` as it prints them itself.
#[test]
fn the_table_has_every_option_of_redis_cli() {
    let output = Command::new("redis-cli").arg("--help").output().expect("redis-cli is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  -"))
        .filter_map(|line| line.split_whitespace().next())
        .map(|word| word.trim_start_matches('-'))
        .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        .collect();
    assert!(names.len() > 40, "a list: {names:?}");
    for name in names {
        assert!(
            parameters::parameter(Scheme::Redis, name).is_some(),
            "redis-cli has the option {name}, and the table lacks it"
        );
    }
}
