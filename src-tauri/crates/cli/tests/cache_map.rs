//! `perfctl cache map`.
use perfdeck_testkit::Redis;
use serde_json::Value;

use crate::support::Perfctl;

#[tokio::test(flavor = "multi_thread")]
async fn maps_are_told_with_how_sure_they_are() {
    let server = Redis::start().await.expect("Redis");
    for i in 0..20 {
        server.execute(&["SET", &format!("user:{i}:profile"), "some value", "EX", "3600"]).await.expect("set");
    }
    server.execute(&["MSET", "=cmd:x", "1", "config:a", "2"]).await.expect("set");
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "c", "--cache", &server.url()]);
    let map = perfctl.json(&["cache", "map", "--env", "c", "--exact", "--no-pace"]);
    assert_eq!((map["keys"].as_f64(), &map["exact"]), (Some(22.0), &Value::Bool(true)), "{map}");
    assert!(map["duration_s"].as_f64().is_some_and(|s| s > 0.0), "{map}");
    let first = &map["namespaces"][0];
    assert_eq!((&first["name"], first["keys"].as_f64()), (&"user:*:profile".into(), Some(20.0)), "{first}");
    assert!(first["bytes"].as_f64().is_some_and(|n| n > 20.0 * 10.0), "{first}");
    assert_eq!(first["of"]["keys"]["kind"], "exact", "how sure it is: {first}");

    let file = perfctl.folder.path().join("map.csv");
    let text =
        perfctl.ok(&["cache", "map", "--env", "c", "--names-only", "--no-pace", "--csv", &file.to_string_lossy()]);
    assert!(text.starts_with("22 keys (counts are exact; names only"), "{text}");
    assert!(text.contains("user:*:profile"), "{text}");
    let csv = std::fs::read_to_string(&file).expect("written");
    assert!(csv.contains("\"user:*:profile\",3,20,exact,20,20,,,,"), "{csv}");
    assert!(csv.contains("\"'=cmd:x\""), "no formula: {csv}");

    // What is unfinished has a code of its own; nothing there is no map.
    server.execute(&["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-scan"]).await.expect("a user");
    perfctl.ok(&["env", "add", "u", "--cache", &format!("redis://u:p@127.0.0.1:{}/0", server.port())]);
    let (code, _, err) = perfctl.run(&["cache", "map", "--env", "u"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("may not list keys (SCAN)") && err.contains("ACL SETUSER u +scan"), "{err}");
}
