//! The canary: a password that is typed in must be found nowhere afterwards.
mod support;

use std::path::Path;

use perfdeck_testkit::{Answer, POSTGRES_PASSWORD, Postgres, Redis, ScriptedHttp, holds};
use support::perfctl::Perfctl;

const REDIS_PASSWORD: &str = "perfdeck-canary-secret-redis";
const API_TOKEN: &str = "perfdeck-canary-secret-token";
/// What all canaries have in common.
const CANARY: &str = "canary-secret";

/// Files below a folder that hold the canary, in whatever form it may leak.
fn leaks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(leaks(&path));
        } else if let Ok(bytes) = std::fs::read(&path)
            && (holds(&bytes, CANARY.as_bytes()) || holds(&bytes, base64(CANARY).as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Base64 of whole groups of three bytes, as it appears inside any longer text that starts there.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks_exact(3) {
        let word = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(word >> shift & 63) as usize]));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_found_nowhere_after_everything_was_done_with_it() {
    let postgres = Postgres::start().await.expect("a private PostgreSQL");
    let redis = Redis::start_with_password(REDIS_PASSWORD).await.expect("a private Redis");
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.html");
    let report = report.to_str().expect("a plain path");
    let work = folder.path().join("data");
    let perfctl = Perfctl::on(&work)
        .with("PERFDECK_SECRET_STORE", "file")
        .with("PERFDECK_PASSPHRASE", "correct horse battery staple")
        .with("PERFDECK_LOG", "trace")
        .with("RUST_BACKTRACE", "1");
    let (database, cache, target) = (postgres.url(), redis.url(), api.url());
    let with_token = target.replace("http://", &format!("http://someone:{API_TOKEN}@"));
    let steps: &[(&[&str], bool)] = &[
        (&["env", "add", "canary", "--database", &database, "--cache", &cache, "--api", &target], true),
        (&["env", "list"], true),
        (&["env", "list", "--json"], true),
        (&["env", "show", "canary"], true),
        (&["env", "show", "canary", "--json"], true),
        (&["env", "test", "canary"], true),
        (&["env", "test", "canary", "--json"], true),
        (&["monitor", "--env", "canary", "--for", "2s", "--json"], true),
        (&["bench", "http", &target, "--env", "canary", "-d", "1s", "-c", "2", "--json"], true),
        (&["report", "--env", "canary", "--out", report], true),
        // What fails must not tell either.
        (&["env", "add", "canary", "--database", &database], false),
        (&["env", "add", "broken", "--database", "postgres://u:canary-secret-x@127.0.0.1:notaport/app"], false),
        (&["bench", "http", &with_token, "-d", "1s", "-c", "1", "--json"], false),
        (&["monitor", "--env", "nothing", "--for", "1s"], false),
    ];
    for (arguments, must_succeed) in steps {
        let output = perfctl.run(arguments);
        let said = [output.stdout, output.stderr].concat();
        let shown: Vec<String> = arguments.iter().map(|a| a.replace(CANARY, "***")).collect();
        assert!(
            !holds(&said, CANARY.as_bytes()),
            "perfctl {shown:?} printed the password:\n{}",
            String::from_utf8_lossy(&said)
        );
        assert!(
            output.status.success() || !must_succeed,
            "perfctl {shown:?} must work here, ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&said)
        );
    }
    assert!(Path::new(report).exists(), "the report was written, so its absence of passwords means something");
    let files = leaks(folder.path());
    assert!(files.is_empty(), "the password is in {files:?}");

    // The same search finds what is there, or it would prove nothing.
    std::fs::write(folder.path().join("planted"), POSTGRES_PASSWORD).expect("a file can be written");
    assert_eq!(leaks(folder.path()).len(), 1, "the search finds a planted password");
}
