//! Variables of an application, against real servers: empty passwords, values over several lines, names that lead nowhere.

use crate::quick::Quick;
use perfdeck_testkit::{MARIADB_PASSWORD, MariaDb, POSTGRES_PASSWORD, Postgres, Wiretap, free_port};
use serde_json::Value;

/// The first failed stage of a target, with its error.
fn failed<'a>(tested: &'a Value, role: &str) -> (&'a str, &'a Value) {
    let targets = tested["targets"].as_array().unwrap_or_else(|| panic!("a report: {tested}"));
    let target = targets.iter().find(|t| t["role"] == role).unwrap_or_else(|| panic!("no {role}: {tested}"));
    let stage = target["stages"].as_array().and_then(|s| s.iter().find(|s| s["outcome"] == "failed"));
    (stage.and_then(|s| s["stage"].as_str()).unwrap_or("none"), &target["error"])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_password_is_none_in_a_file_and_refused_where_it_was_asked_for_by_name() {
    let (postgres, mariadb) = tokio::join!(Postgres::start(), MariaDb::start());
    let (postgres, mariadb) = (postgres.expect("PostgreSQL"), mariadb.expect("MariaDB"));
    mariadb.execute("CREATE USER open@'%'; GRANT ALL ON app.* TO open@'%'").await.expect("an account without password");
    let perfctl = Quick::new().with("NO_PASSWORD", "");
    let file = perfctl.folder.path().join(".env");
    let tested = async |text: String| {
        std::fs::write(&file, text).expect("written");
        perfctl.json(&["--env-file", file.to_str().expect("UTF-8"), "env", "test"]).await
    };
    let parts = |engine: &str, port: u16, user: &str| {
        format!(
            "DB_CONNECTION={engine}\nDB_HOST=127.0.0.1\nDB_PORT={port}\nDB_DATABASE=app\nDB_USERNAME={user}\nDB_PASSWORD=\n"
        )
    };
    let (code, report) = tested(parts("mariadb", mariadb.port(), "open")).await;
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "an account without password signs in: {report}");
    for text in [
        parts("pgsql", postgres.port(), "perfdeck"),
        format!("PGHOST=127.0.0.1\nPGPORT={}\nPGUSER=perfdeck\nPGDATABASE=app\nPGPASSWORD=''\n", postgres.port()),
        parts("mariadb", mariadb.port(), "perfdeck"),
    ] {
        let (code, report) = tested(text.clone()).await;
        let (stage, error) = failed(&report, "database");
        assert_eq!((code, stage), (1, "authentication"), "{text}: {report}");
        let told = error["message"].as_str().expect("a message");
        assert!(told.contains("no password was given"), "{text}: it names what is missing: {error}");
    }

    // A variable that was named for the password and is empty is a mistake: nobody is asked with an empty one.
    let wire = Wiretap::open(postgres.port()).await.expect("a port");
    let url = format!("postgres://perfdeck@127.0.0.1:{}/app", wire.port());
    perfctl.ok(&["env", "add", "empty", "--database", &url, "--database-password-env", "NO_PASSWORD"]).await;
    let (code, report) = perfctl.json(&["env", "test", "empty"]).await;
    let (stage, error) = failed(&report, "database");
    assert_eq!((code, stage, &error["code"]), (1, "authentication", &"secret_missing".into()), "{report}");
    let told = error["message"].as_str().expect("a message");
    assert!(told.contains("NO_PASSWORD") && told.ends_with("is empty"), "the variable is named: {error}");
    assert!(wire.heard().is_empty(), "and nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_several_lines_disturbs_no_connection_beside_it() {
    let postgres = Postgres::start().await.expect("PostgreSQL");
    let perfctl = Quick::new();
    let file = perfctl.folder.path().join(".env");
    let url = format!("DATABASE_URL={}\n", postgres.url());
    let pem = "APP_KEY=\"-----BEGIN PRIVATE KEY-----\nDATABASE_URL=postgres://wrong@h/d\nMIIB#x=\n-----END PRIVATE KEY-----\"\n";
    let json = "SETTINGS='{\n  \"DB_HOST\": \"elsewhere\",\n  \"a\": [1, 2]\n}'\n";
    for text in [format!("{pem}{json}{url}"), format!("{url}{pem}{json}"), format!("{json}{url}{pem}DB_POOL_SIZE=7\n")]
    {
        std::fs::write(&file, &text).expect("written");
        let (code, report) = perfctl.json(&["--env-file", file.to_str().expect("UTF-8"), "env", "test"]).await;
        let address = &report["targets"][0]["address"];
        assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{text}: {report}");
        assert_eq!(address, &format!("127.0.0.1:{}/app", postgres.port()), "that server and no other: {report}");
    }
    // An address itself over two lines is refused by its name and line, and nothing of it is shown.
    let broken = postgres.url().replace("@127", "\n@127");
    std::fs::write(&file, format!("{pem}DATABASE_URL=\"{broken}\"\n")).expect("written");
    let (code, out, err) = perfctl.run(&["--env-file", file.to_str().expect("UTF-8"), "env", "test"]).await;
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("DATABASE_URL (line 5) holds a line break"), "{err}");
    assert!(!format!("{out}{err}").contains(POSTGRES_PASSWORD) && !err.contains(MARIADB_PASSWORD), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_resolve_is_named_with_the_step() {
    let perfctl = Quick::new();
    let port = free_port().expect("a port");
    for (name, flag, role, url) in [
        ("p", "--database", "database", format!("postgres://u@no-such-host.invalid:{port}/d")),
        ("m", "--database", "database", format!("mysql://u@no-such-host.invalid:{port}/d")),
        ("r", "--cache", "cache", format!("redis://no-such-host.invalid:{port}/0")),
        ("c", "--cache", "cache", format!("redis+cluster://no-such-host.invalid:{port}")),
        ("s", "--cache", "cache", format!("redis+sentinel://no-such-host.invalid:{port}/0?master=main")),
        ("a", "--api", "api", format!("http://no-such-host.invalid:{port}/")),
    ] {
        perfctl.ok(&["env", "add", name, flag, &url]).await;
        let (code, report) = perfctl.json(&["env", "test", name]).await;
        let (stage, error) = failed(&report, role);
        assert_eq!((code, stage), (1, "dns"), "{url}: {report}");
        assert_eq!(error["message"], "The name 'no-such-host.invalid' cannot be resolved", "{url}: {error}");
        assert!(error["hint"].as_str().is_some_and(|h| h.contains("DNS")), "{url}: what to do: {error}");
        let (code, out, err) = perfctl.run(&["monitor", "--env", name, "--for", "1s", "--json"]).await;
        assert_eq!(code, 4, "{url}: {err}");
        let line: Value = serde_json::from_str(out.lines().next().expect("a sample")).expect("JSON");
        let told = line["targets"][0]["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains("no-such-host.invalid") && told.contains("resolve"), "{url}: monitoring too: {line}");
    }
}
