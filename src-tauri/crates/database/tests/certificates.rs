//! Certificates that are odd in one way, and accounts that depend on TLS, against real servers.
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use perfdeck_database::{LoadConnection, connect_for_load, test};
use perfdeck_model::{Address, ApiError, ConnectionReport, ErrorCode, Sensitive, StageName, StageOutcome};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, Postgres, version_1};
use rcgen::{CertificateParams, DnType, KeyPair, SigningKey as _};

fn read(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).unwrap_or_else(|e| panic!("{url}: {e} ({})", e.hint))
}

async fn tested(url: &str) -> ConnectionReport {
    let (address, password) = read(url);
    let report = test(&address, password.as_ref()).await;
    let shown = format!("{report:?}");
    for word in [POSTGRES_PASSWORD, MARIADB_PASSWORD, "OtherError", "Unsupported"] {
        assert!(
            !shown.contains(word) || word == "Unsupported" && !shown.contains("UnsupportedCert"),
            "{word}: {shown}"
        );
    }
    report
}

/// The errors of monitoring and of load.
async fn both(url: &str) -> [Result<(), ApiError>; 2] {
    let (address, password) = read(url);
    let load = connect_for_load(&address, password.as_ref()).await.map(drop);
    [tested(url).await.error.map_or(Ok(()), Err), load]
}

async fn works(url: &str) {
    assert_eq!(both(url).await, [Ok(()), Ok(())], "{url}");
}

/// Both are refused, with these words in message or hint.
async fn refused(url: &str, words: &[&str]) {
    for outcome in both(url).await {
        let error = outcome.expect_err(url);
        let said = format!("{} — {}", error.message, error.hint.clone().unwrap_or_default());
        for word in words {
            assert!(said.contains(word), "{url}: '{word}' in {said}");
        }
    }
}

fn stage(report: &ConnectionReport, stage: StageName) -> &perfdeck_model::ConnectionStage {
    report.stages.iter().find(|s| s.stage == stage).unwrap_or_else(|| panic!("no stage {stage:?} in {report:#?}"))
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A certificate and its key in PEM.
struct Made {
    certificate: String,
    key: String,
}

fn made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Made {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Made { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", &key.serialize_der()) }
}

fn old_version(name: &str) -> Made {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let certificate = version_1(certificate.der(), |text| key.sign(text).expect("signed"));
    Made { certificate: pem("CERTIFICATE", &certificate), key: pem("PRIVATE KEY", &key.serialize_der()) }
}

fn expired(names: &[&str]) -> Made {
    let day = std::time::Duration::from_secs(86_400);
    made(names, |params| {
        params.not_before = (std::time::SystemTime::now() - day * 40).into();
        params.not_after = (std::time::SystemTime::now() - day * 3).into();
    })
}

/// Gives the server another certificate, settings and rules of who may sign in.
async fn give(server: &mut Postgres, made: &Made, settings: &str, hba: &str) {
    let data = server.socket_folder().join("data");
    let owner = std::fs::metadata(data.join("PG_VERSION")).expect("metadata");
    let write = |name: &str, text: &str| {
        std::fs::write(data.join(name), text).expect("written");
        std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).expect("permissions");
        std::os::unix::fs::chown(data.join(name), Some(owner.uid()), Some(owner.gid())).expect("owner");
    };
    write("server.crt", &made.certificate);
    write("server.key", &made.key);
    write("postgresql.auto.conf", &format!("ssl = on\n{settings}"));
    write("pg_hba.conf", &format!("{hba}local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"));
    server.restart().await.expect("restarted");
}

fn keep(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_verified_connects_and_what_is_verified_says_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Postgres::start().await.expect("PostgreSQL");
    let url = |server: &Postgres, rest: &str| {
        format!("postgres://perfdeck:{POSTGRES_PASSWORD}@localhost:{}/app?{rest}", server.port())
    };
    // libpq takes a certificate of version 1, with TLS 1.3 and 1.2.
    let old = old_version("localhost");
    let root = keep(folder.path(), "old.crt", &old.certificate);
    for settings in ["", "ssl_max_protocol_version = 'TLSv1.2'\n"] {
        give(&mut server, &old, settings, "").await;
        for mode in ["sslmode=prefer", "sslmode=require"] {
            works(&url(&server, mode)).await;
        }
        let (address, password) = read(&url(&server, "sslmode=require"));
        let Ok(LoadConnection::Postgres(mut c)) = connect_for_load(&address, password.as_ref()).await else {
            panic!("load")
        };
        let row = c.ask("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await.expect("an answer");
        let version = row[0][0].clone().unwrap_or_default();
        assert_eq!(version == "TLSv1.2", !settings.is_empty(), "encrypted with {version}");
    }
    for mode in ["verify-ca", "verify-full"] {
        let url = url(&server, &format!("sslmode={mode}&sslrootcert={root}"));
        refused(&url, &["version 1 certificate", "version 3", "sslmode=require"]).await;
    }

    let over = expired(&["localhost"]);
    let root = keep(folder.path(), "over.crt", &over.certificate);
    give(&mut server, &over, "", "").await;
    for mode in ["sslmode=prefer", "sslmode=require"] {
        works(&url(&server, mode)).await;
        let report = tested(&url(&server, mode)).await;
        let tls = stage(&report, StageName::Tls);
        assert!(tls.detail.contains("expired 20") && tls.detail.ends_with(", not verified"), "{tls:?}");
        assert_eq!(tls.outcome, StageOutcome::Warning, "and it is remarked on: {tls:?}");
    }
    refused(&url(&server, &format!("sslmode=verify-ca&sslrootcert={root}")), &["expired"]).await;

    let nameless = made(&[], |params| params.distinguished_name.push(DnType::CommonName, "localhost"));
    let root = keep(folder.path(), "nameless.crt", &nameless.certificate);
    give(&mut server, &nameless, "", "").await;
    works(&url(&server, &format!("sslmode=verify-ca&sslrootcert={root}"))).await;
    let full = url(&server, &format!("sslmode=verify-full&sslrootcert={root}"));
    refused(&full, &["no subjectAltName", "is not accepted", "subjectAltName=DNS:localhost", "sslmode=verify-ca"])
        .await;
    let error = tested(&full).await.error.expect("refused");
    assert!(error.message.contains("has only the common name 'localhost' and no subjectAltName"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_depend_on_tls_get_the_parameter_that_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Postgres::start().await.expect("PostgreSQL");
    for role in ["certu", "cleartext", "encrypted"] {
        server.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.expect("a role");
    }
    let client = made(&["x"], |params| params.distinguished_name.push(DnType::CommonName, "somebody"));
    let made = made(&["localhost"], |_| {});
    let data = server.socket_folder().join("data");
    std::fs::write(data.join("clients.crt"), &client.certificate).expect("written");
    std::fs::set_permissions(data.join("clients.crt"), std::fs::Permissions::from_mode(0o644)).expect("permissions");
    let hba = "hostssl all certu all cert\nhostnossl all cleartext all scram-sha-256\nhost all cleartext all reject\n\
               hostssl all encrypted all scram-sha-256\nhost all encrypted all reject\n";
    give(&mut server, &made, "ssl_ca_file = 'clients.crt'\n", hba).await;
    let url = |user: &str, rest: &str| format!("postgres://{user}:pw@localhost:{}/app?{rest}", server.port());
    refused(&url("certu", "sslmode=require"), &["client certificate of 'certu'", "sslcert=FILE", "sslkey=FILE"]).await;
    let (certificate, key) =
        (keep(folder.path(), "client.crt", &client.certificate), keep(folder.path(), "client.key", &client.key));
    let files = format!("sslmode=require&sslcert={certificate}&sslkey={key}");
    refused(&url("certu", &files), &["of sslcert for 'certu'", "common name"]).await;
    // Neither the roots nor the library's words are to blame for these.
    let old = old_version("certu");
    let (old_certificate, old_key) =
        (keep(folder.path(), "v1.crt", &old.certificate), keep(folder.path(), "v1.key", &old.key));
    let locked = keep(
        folder.path(),
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let root = keep(folder.path(), "server.crt", &made.certificate);
    for (certificate, key, words) in [
        (&old_certificate, &old_key, ["v1.crt of sslcert", "version 1 certificate"]),
        (&certificate, &old_key, ["v1.key of sslkey", "does not belong to the certificate of sslcert"]),
        (&certificate, &locked, ["locked.key of sslkey", "encrypted with a password"]),
        (&certificate, &certificate, ["client.crt of sslkey", "no private key"]),
    ] {
        for mode in ["require".to_owned(), format!("verify-full&sslrootcert={root}")] {
            let url = url("certu", &format!("sslmode={mode}&sslcert={certificate}&sslkey={key}"));
            refused(&url, &words).await;
            for outcome in both(&url).await {
                assert!(!outcome.expect_err("refused").message.contains("sslrootcert"), "{url}");
            }
        }
    }
    works(&url("cleartext", "sslmode=disable")).await;
    refused(&url("cleartext", "sslmode=prefer"), &["with TLS", "Write sslmode=disable in the address"]).await;
    works(&url("encrypted", "sslmode=prefer")).await;
    refused(&url("encrypted", "sslmode=disable"), &["without TLS", "— Write sslmode=require in the address"]).await;

    // libpq does not speak TLS over a socket, whatever the mode.
    let socket = server.socket_folder().display().to_string();
    for mode in ["require", "verify-full&sslrootcert=/nowhere/root.crt"] {
        let rest = format!("host={socket}&port={}&user=perfdeck&password={POSTGRES_PASSWORD}", server.port());
        let url = format!("postgres:///app?{rest}&sslmode={mode}");
        works(&url).await;
        let report = tested(&url).await;
        assert_eq!(stage(&report, StageName::Tls).detail, "TLS does not apply to a Unix socket", "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_with_odd_certificates_connects_or_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let own_root = made(&["127.0.0.1"], |p| p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let (certificate, key) =
        (keep(folder.path(), "server.crt", &own_root.certificate), keep(folder.path(), "server.key", &own_root.key));
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("permissions");
    let files = [format!("--ssl-cert={certificate}"), format!("--ssl-key={key}")];
    let server = MariaDb::start_with(&[&*files[0], &*files[1]]).await.expect("MariaDB");
    let url = |rest: &str| format!("mariadb://perfdeck:{MARIADB_PASSWORD}@127.0.0.1:{}/app?{rest}", server.port());
    let root = keep(folder.path(), "root.crt", &own_root.certificate);
    works(&url("sslmode=require")).await;
    for mode in ["verify-ca", "verify-full"] {
        let url = url(&format!("sslmode={mode}&sslrootcert={root}"));
        refused(&url, &["is its own root", "basicConstraints", "sslmode=require"]).await;
        assert_eq!(tested(&url).await.error.map(|e| e.code), Some(ErrorCode::Unsupported), "by name: {url}");
    }
    let swap = async |made: Made| {
        std::fs::write(&certificate, made.certificate).expect("written");
        std::fs::write(&key, made.key).expect("written");
        server.execute("FLUSH SSL").await.expect("read again");
    };
    swap(expired(&["127.0.0.1"])).await;
    works(&url("sslmode=prefer")).await;
    works(&url("sslmode=require")).await;
    swap(old_version("127.0.0.1")).await;
    for mode in ["sslmode=prefer", "sslmode=require"] {
        refused(&url(mode), &["version 1", "version 3", "sslmode=disable"]).await;
    }
    works(&url("sslmode=disable")).await;
}
