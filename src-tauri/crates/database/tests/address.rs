//! What an address says has its effect on a real server, for monitoring and for load, or is refused.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use perfdeck_database::{DatabaseCollector, LoadConnection, connect_for_load, test};
use perfdeck_model::{Address, ApiError, ErrorCode, Scheme, Sensitive, parameters};
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, Postgres, SlowDoor, eventually};
use sqlx::{Connection as _, Executor as _};

fn read(url: &str) -> (Address, Option<Sensitive>) {
    Address::parse(url).unwrap_or_else(|e| panic!("{url}: {e} ({})", e.hint))
}

/// The first cell that PostgreSQL answers to a question of load.
async fn ask(url: &str, question: &str) -> Result<String, ApiError> {
    let (address, password) = read(url);
    match connect_for_load(&address, password.as_ref()).await? {
        LoadConnection::Postgres(mut client) => {
            let rows = client.ask(question).await.map_err(|e| ApiError::internal(e.to_string()))?;
            Ok(rows.into_iter().next().and_then(|r| r.into_iter().next()).flatten().unwrap_or_default())
        }
        _ => panic!("not PostgreSQL"),
    }
}

/// Whether monitoring signs in; the error of the stage that failed otherwise.
async fn monitored(url: &str) -> Result<(), ApiError> {
    let (address, password) = read(url);
    let report = test(&address, password.as_ref()).await;
    match report.error {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A certificate that signed itself and may sign others, as `openssl req -x509` makes it, and its key.
fn own_root(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    (pem("CERTIFICATE", made.der()), pem("PRIVATE KEY", &key.serialize_der()))
}

/// PostgreSQL wants its key file to be its own and nobody else's.
async fn speak_tls(server: &mut Postgres, certificate: &str, key: &str) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let data = server.socket_folder().join("data");
    std::fs::write(data.join("server.crt"), certificate).expect("written");
    std::fs::write(data.join("server.key"), key).expect("written");
    std::fs::set_permissions(data.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let owner = std::fs::metadata(data.join("PG_VERSION")).expect("metadata");
    std::os::unix::fs::chown(data.join("server.key"), Some(owner.uid()), Some(owner.gid())).expect("owner");
    let auto = data.join("postgresql.auto.conf");
    let mut settings = std::fs::read_to_string(&auto).unwrap_or_default();
    settings.push_str("ssl = on\n");
    std::fs::write(auto, settings).expect("written");
    server.restart().await.expect("restarted");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_postgres_take_effect() {
    let server = Postgres::start().await.expect("PostgreSQL");
    let (port, word) = (server.port(), POSTGRES_PASSWORD);
    let mut admin = server.connect().await.expect("a connection");
    for name in ["OTHER", "q?x", "pct%41", "ha#sh", "sp ace/slash", "数据"] {
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await.expect("a database");
        let (mut address, password) = read(&server.url());
        name.clone_into(&mut address.path);
        // Shown and read again, as a duplicate is.
        let url = address.url().replace("perfdeck@", &format!("perfdeck:{word}@"));
        assert_eq!(ask(&url, "SELECT current_database()").await, Ok(name.to_owned()), "{url}");
        assert!(test(&address, password.as_ref()).await.ok, "{name} is monitored");
    }
    admin
        .execute("CREATE SCHEMA shop; CREATE TABLE shop.acct(n int); CREATE TABLE public.acct(n int); INSERT INTO shop.acct VALUES (1); INSERT INTO public.acct VALUES (1)")
        .await
        .expect("tables");
    let socket = server.socket_folder().display();
    let base = format!("postgres://perfdeck:{word}@127.0.0.1:{port}");
    for (url, question, answer) in [
        (format!("{base}/?dbname=OTHER"), "SELECT current_database()", "OTHER"),
        (format!("{base}/app?dbname=OTHER"), "SELECT current_database()", "OTHER"),
        (
            format!("postgres:///app?host=127.0.0.1&port={port}&user=perfdeck&password={word}"),
            "SELECT current_user",
            "perfdeck",
        ),
        (
            format!("postgres://perfdeck:{word}@/app?host={socket}&port={port}"),
            "SELECT inet_server_port() IS NULL",
            "t",
        ),
        (
            format!("host={socket} port={port} user=perfdeck password={word} dbname=OTHER"),
            "SELECT current_database()",
            "OTHER",
        ),
        (format!("{base}/app?options=-c%20search_path%3Dshop"), "SHOW search_path", "shop"),
        (format!("{base}/app?options=-c%20search_path%3Dshop%20--work_mem%3D8MB"), "SHOW work_mem", "8MB"),
        (format!("{base}/app?schema=shop"), "SHOW search_path", "shop"),
        (
            format!("jdbc:postgresql://127.0.0.1:{port}/app?user=perfdeck&password={word}&currentSchema=shop"),
            "SHOW search_path",
            "shop",
        ),
        (format!("{base}/app?hostaddr=127.0.0.1"), "SELECT 1", "1"),
        (format!("{base}/app?target_session_attrs=read-write"), "SELECT 1", "1"),
        (format!("{base}/app?target_session_attrs=primary&connect_timeout=10"), "SELECT 1", "1"),
    ] {
        assert_eq!(ask(&url, question).await, Ok(answer.to_owned()), "{url}");
        assert_eq!(monitored(&url).await, Ok(()), "{url}");
    }
    ask(&format!("{base}/app?options=-c%20search_path%3Dshop"), "UPDATE acct SET n = 2").await.expect("written");
    let counted = "SELECT (SELECT n FROM shop.acct) || ',' || (SELECT n FROM public.acct)";
    assert_eq!(ask(&format!("{base}/app"), counted).await, Ok("2,1".to_owned()), "the schema that was named");

    for (url, code, words) in [
        (format!("{base}/app?ssl=true"), ErrorCode::Tls, "TLS"),
        (format!("{base}/app?sslmode=verify-ca"), ErrorCode::Tls, "TLS"),
        (format!("{base}/app?target_session_attrs=standby"), ErrorCode::Conflict, "standby"),
        (format!("{base}/app?target_session_attrs=read-only"), ErrorCode::Conflict, "read-only"),
    ] {
        for outcome in [ask(&url, "SELECT 1").await.map(drop), monitored(&url).await] {
            // Monitoring's own sessions never write, so that it asks only whether the server is a standby.
            let error = outcome.expect_err(&url);
            assert_eq!(error.code, code, "{url}: {error:?}");
            assert!(error.message.contains(words), "{url}: {error:?}");
        }
    }
    // What an earlier version stored and dropped.
    let (mut old, password) = read(&server.url());
    old.params.insert("service".to_owned(), "x".to_owned());
    let error = test(&old, password.as_ref()).await.error.expect("refused");
    assert!(error.message.contains("service"), "by its name: {error:?}");

    // A password that SCRAM's preparation does not allow.
    admin.execute("CREATE ROLE smile LOGIN PASSWORD '\u{1f600}canary'").await.expect("a role");
    let error =
        monitored(&format!("postgres://smile:%F0%9F%98%80canary@127.0.0.1:{port}/app")).await.expect_err("refused");
    let text = format!("{error:?}");
    assert!(error.code == ErrorCode::Authentication && text.contains("SCRAM"), "says why: {text}");
    assert!(
        !text.contains('\u{1f600}') && !text.contains("canary") && !text.contains("1f600"),
        "and shows none of it: {text}"
    );
    admin.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_as_the_address_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = own_root(&["db.example", "127.0.0.1"]);
    let (stranger, _) = own_root(&["db.example", "127.0.0.1"]);
    let (other_name, other_key) = own_root(&["other.example"]);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (own, wrong, other) =
        (file("own.crt", &certificate), file("wrong.crt", &stranger), file("other.crt", &other_name));
    let junk = file("junk.crt", "junk");
    let mut server = Postgres::start().await.expect("PostgreSQL");
    speak_tls(&mut server, &certificate, &key).await;
    let base = format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{}/app", server.port());
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{base}?sslmode={mode}&sslrootcert={own}");
        assert_eq!(ask(&url, encrypted).await, Ok("t".to_owned()), "{url}");
        assert_eq!(monitored(&url).await, Ok(()), "its own root vouches for it: {url}");
        let url = format!("{base}?sslmode={mode}&sslrootcert={wrong}");
        for outcome in [ask(&url, encrypted).await.map(drop), monitored(&url).await] {
            assert_eq!(outcome.expect_err(&url).code, ErrorCode::Tls, "another root does not: {url}");
        }
        for (missing, word) in [("/nowhere/missing.crt", "missing.crt"), (junk.as_str(), "junk.crt")] {
            let url = format!("{base}?sslmode={mode}&sslrootcert={missing}");
            for outcome in [ask(&url, encrypted).await.map(drop), monitored(&url).await] {
                let error = outcome.expect_err(&url);
                assert!(error.code == ErrorCode::Tls && error.message.contains(word), "the file is named: {error:?}");
            }
        }
    }
    assert!(monitored(&format!("{base}?sslmode=verify-full")).await.is_err(), "the system does not know it");
    assert_eq!(ask(&format!("{base}?ssl=true"), encrypted).await, Ok("t".to_owned()), "TLS without verification");
    assert_eq!(ask(&format!("{base}?sslmode=disable"), encrypted).await, Ok("f".to_owned()), "no TLS");

    speak_tls(&mut server, &other_name, &other_key).await;
    let base = format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{}/app", server.port());
    let url = format!("{base}?sslmode=verify-ca&sslrootcert={other}");
    assert_eq!(ask(&url, encrypted).await, Ok("t".to_owned()), "a certificate for another name");
    assert_eq!(monitored(&url).await, Ok(()), "for monitoring too");
    let url = format!("{base}?sslmode=verify-full&sslrootcert={other}");
    for outcome in [ask(&url, encrypted).await.map(drop), monitored(&url).await] {
        assert_eq!(outcome.expect_err(&url).code, ErrorCode::Tls, "whose name is not verified otherwise");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_mariadb_take_effect() {
    let server = MariaDb::start().await.expect("MariaDB");
    let (port, word) = (server.port(), MARIADB_PASSWORD);
    let base = format!("mysql://perfdeck:{word}@127.0.0.1:{port}");
    let cell = async |url: &str, question: &'static str| -> String {
        let (address, password) = read(url);
        let opened = connect_for_load(&address, password.as_ref()).await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
        let LoadConnection::Mysql(mut c) = opened else { panic!("not MariaDB") };
        sqlx::query_scalar(question).fetch_one(&mut c).await.unwrap_or_else(|e| panic!("{url}: {e:?}"))
    };
    let (address, _) = read(&server.url());
    let (database, _) = (address.path.clone(), ());
    for (url, question, answer) in [
        (format!("{base}/?database={database}"), "SELECT DATABASE()", database.as_str()),
        (
            format!("{base}/{database}?charset=latin1&collation=latin1_bin"),
            "SELECT @@collation_connection",
            "latin1_bin",
        ),
        (format!("{base}/{database}?time_zone=%2B02:00"), "SELECT @@session.time_zone", "+02:00"),
        (format!("{base}/{database}"), "SELECT @@session.time_zone", "+00:00"),
        (
            format!(
                "jdbc:mariadb://127.0.0.1:{port}/{database}?user=perfdeck&password={word}&useSSL=false&serverTimezone=UTC"
            ),
            "SELECT DATABASE()",
            database.as_str(),
        ),
        (format!("perfdeck:{word}@tcp(127.0.0.1:{port})/{database}?tls=false"), "SELECT DATABASE()", database.as_str()),
    ] {
        assert_eq!(cell(&url, question).await, answer, "{url}");
        assert_eq!(monitored(&url).await, Ok(()), "{url}");
    }
    for url in [format!("{base}/{database}?ssl=true"), format!("{base}/{database}?sslMode=VERIFY_CA")] {
        let (address, password) = read(&url);
        let error = connect_for_load(&address, password.as_ref()).await.err().expect("no TLS there");
        assert_eq!(error.code, ErrorCode::Tls, "{url}: {error:?}");
        assert_eq!(monitored(&url).await.expect_err("refused").code, ErrorCode::Tls, "{url}");
    }
    let url = format!("{base}/{database}?sslMode=REQUIRED&ssl-ca=/nowhere/missing.pem");
    assert!(monitored(&url).await.expect_err("refused").code == ErrorCode::Tls, "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_sqlite_take_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let update = async |url: &str| -> Result<(), String> {
        let (address, _) = read(url);
        let opened = connect_for_load(&address, None).await.map_err(|e| e.message)?;
        let LoadConnection::Sqlite(mut c) = opened else { panic!("not SQLite") };
        c.execute("UPDATE t SET n = n + 1").await.map(drop).map_err(|e| e.to_string())
    };
    for name in ["plain.db", "pct%41.db", "ha#sh q?x.db", "数据 ✓.db"] {
        let path = folder.path().join(name);
        let mut c = sqlx::sqlite::SqliteConnection::connect_with(
            &sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true),
        )
        .await
        .expect("a file");
        c.execute("CREATE TABLE t(n int); INSERT INTO t VALUES (1)").await.expect("a table");
        c.close().await.expect("closed");
        // Bare, shown, and shown again: the same file.
        let (bare, _) = read(&path.display().to_string());
        let url = bare.url();
        assert_eq!(read(&url).0, bare, "{url}");
        update(&url).await.unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(monitored(&url).await, Ok(()), "{url}");
        let error = update(&format!("{url}?mode=ro")).await.expect_err("only for reading");
        assert!(error.contains("readonly"), "{url}: {error}");
        assert!(update(&format!("{url}?mode=rw&cache=private")).await.is_ok(), "{url}: for writing");
        assert!(update(&format!("{url}?immutable=1")).await.is_err(), "{url}: nobody writes to it");
        assert!(update(&format!("{url}?vfs=no-such-vfs")).await.is_err(), "{url}: a system that is not there");
    }
    let new = folder.path().join("new.db");
    let create = format!("sqlite:{}?mode=rwc", new.display());
    assert!(monitored(&create).await.is_err() && !new.exists(), "monitoring creates no file");
    assert!(
        connect_for_load(&read(&create.replace("rwc", "rw")).0, None).await.is_err() && !new.exists(),
        "nor does rw"
    );
    assert!(connect_for_load(&read(&create).0, None).await.is_ok() && new.exists(), "mode=rwc does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_connect_is_kept() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://u:p@127.0.0.1:{port}/d?sslmode=disable&connect_timeout=1");
        let (address, password) = read(&url);
        let started = std::time::Instant::now();
        let error = connect_for_load(&address, password.as_ref()).await.err().expect("it does not answer");
        assert_eq!(error.code, ErrorCode::Timeout, "{url}: {error:?}");
        assert!(started.elapsed() < Duration::from_millis(3500), "{url}: {:?}", started.elapsed());
        assert!(error.message.contains("1 s"), "names the time: {error:?}");
        for rest in ["?connect_timeout=1", "?sslmode=disable&connect_timeout=1"] {
            let (address, password) = read(&format!("{scheme}://u:p@127.0.0.1:{port}/d{rest}"));
            let started = std::time::Instant::now();
            let error = test(&address, password.as_ref()).await.error.expect("it does not answer");
            // What speaks there is asked afterwards, for 0.8 s.
            assert!(started.elapsed() < Duration::from_millis(2700), "{rest}: {:?}", started.elapsed());
            assert!(error.message.contains("within 1 s"), "{rest}: names the time: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_way_is_waited_for_when_the_address_says_so() {
    use perfdeck_model::Collector;
    let server = Postgres::start().await.expect("PostgreSQL");
    // Longer than a collection may take, and than a test waits by itself.
    let door = SlowDoor::open(server.port(), Duration::from_millis(3300)).await.expect("a port");
    let base = format!("postgres://perfdeck:{POSTGRES_PASSWORD}@127.0.0.1:{}/app?sslmode=disable", door.port());
    let patient = format!("{base}&connect_timeout=10");
    let tested = async { assert_eq!(monitored(&patient).await, Ok(()), "{patient}") };
    let usual = async {
        let error = monitored(&base).await.expect_err("it is too slow for the usual time");
        assert!(error.message.contains("within 3 s"), "{error:?}");
    };
    let watched = async {
        let (address, password) = read(&patient);
        let mut collector = DatabaseCollector::new(address, password);
        let first = collector.collect(&0.0).await.expect_err("nothing yet");
        assert!(first.retryable && first.message.contains("its connect_timeout is 10 s"), "{first:?}");
        let collector = tokio::sync::Mutex::new(collector);
        eventually(Duration::from_secs(8), async || collector.lock().await.collect(&1000.0).await.map(drop)).await;
    };
    let load = async { assert_eq!(ask(&patient, "SELECT 1").await, Ok("1".to_owned()), "{patient}") };
    tokio::join!(tested, usual, watched, load);
}

/// libpq's options as libpq itself lists them: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PQCONNDEFAULTS>.
#[test]
fn the_table_has_every_option_of_libpq() {
    const LIST: &str = r#"
import ctypes, ctypes.util
class Option(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in "keyword envvar compiled val label dispchar".split()]
    _fields_ += [("dispsize", ctypes.c_int)]
libpq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
libpq.PQconndefaults.restype = ctypes.POINTER(Option)
options, at = libpq.PQconndefaults(), 0
while options[at].keyword:
    print(options[at].keyword.decode())
    at += 1
"#;
    let output = Command::new("python3").args(["-c", LIST]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed: Vec<&str> = listed.lines().collect();
    assert!(listed.len() > 30, "a list: {listed:?}");
    for name in &listed {
        assert!(
            parameters::parameter(Scheme::Postgres, name).is_some(),
            "libpq has the option {name}, and the table lacks it"
        );
    }
    // And what the table takes for libpq's is one, so that no name is misspelt.
    for name in ["sslmode", "sslrootcert", "target_session_attrs", "options", "hostaddr", "connect_timeout"] {
        assert!(listed.contains(&name), "libpq knows {name}: {listed:?}");
    }
}

/// The options of `mariadb` as it prints them itself.
#[test]
fn the_table_has_every_option_of_mariadb() {
    let program =
        ["mariadb", "mysql"].into_iter().find(|p| Path::new("/usr/bin").join(p).exists()).unwrap_or("mariadb");
    let output =
        Command::new(program).args(["--no-defaults", "--help"]).output().expect("MariaDB's client is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<String> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | '=' | '(' | ')' | '.' | '\''))
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|n| n.len() > 1 && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        .map(|n| n.trim_end_matches('-').to_owned())
        .filter(|n| !n.is_empty() && n != "variable-name")
        .collect();
    // The list of variables at its end: a name and its value.
    let variables = text.split_once("---------").map(|(_, rest)| rest).unwrap_or_default();
    names.extend(
        variables.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).filter(
            |n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !n.starts_with('-'),
        ),
    );
    names.sort();
    names.dedup();
    assert!(names.len() > 60, "a list: {names:?}");
    for name in names {
        assert!(
            parameters::parameter(Scheme::Mariadb, &name).is_some(),
            "mariadb has the option {name}, and the table lacks it"
        );
    }
}
