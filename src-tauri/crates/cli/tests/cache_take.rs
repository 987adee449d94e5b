//! `perfctl cache invalidate` and `undo` on a real Redis: several processes, one store.
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use perfdeck_testkit::{Redis, eventually};
use serde_json::Value;

use crate::support::Perfctl;

async fn fill(server: &Redis, prefix: &str, n: usize, size: usize) {
    let mut connection = server.connect().await.expect("a connection");
    for some in (0..n).collect::<Vec<_>>().chunks(2_000) {
        let mut pipeline = redis::pipe();
        for i in some {
            // Noise, which cannot be compressed.
            let mut state = *i as u64 + 88_172_645_463_325_252;
            let noise: Vec<u8> = (0..size)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            pipeline.cmd("SET").arg(format!("{prefix}{i}")).arg(noise).arg("PX").arg(9_000_000 + i).ignore();
        }
        pipeline.exec_async(&mut connection).await.expect("keys");
    }
}

/// Value and expiry of every key.
async fn all(server: &Redis) -> BTreeMap<Vec<u8>, (Vec<u8>, i64)> {
    let mut c = server.connect().await.expect("a connection");
    let mut all = BTreeMap::new();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut c).await.expect("keys");
    for some in keys.chunks(2_000) {
        let mut pipeline = redis::pipe();
        for key in some {
            pipeline.cmd("GET").arg(key).cmd("PEXPIRETIME").arg(key);
        }
        let found: Vec<redis::Value> = pipeline.query_async(&mut c).await.expect("values");
        for (key, two) in some.iter().zip(found.chunks(2)) {
            let [redis::Value::BulkString(value), redis::Value::Int(expires)] = two else { panic!("{two:?}") };
            all.insert(key.clone(), (value.clone(), *expires));
        }
    }
    all
}

fn size(all: &BTreeMap<Vec<u8>, (Vec<u8>, i64)>) -> f64 {
    all.len() as f64
}

fn id(of: &Value) -> String {
    of["undo_id"].as_str().unwrap_or_else(|| panic!("an identifier: {of}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_previewed_removed_told_and_put_back_by_processes_of_their_own() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "user:", 500, 40).await;
    fill(&server, "page:", 4_500, 40).await;
    let before = all(&server).await;
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "live", "--kind", "production", "--cache", &server.url()]);
    let preview = perfctl.json(&["cache", "invalidate", "user:*", "--env", "live", "--preview"]);
    assert_eq!(preview["schema"], "perfdeck.invalidation/1", "{preview}");
    assert_eq!((&preview["matched"], &preview["removed"]), (&500.0.into(), &Value::Null), "{preview}");
    let told = &preview["preview"];
    assert_eq!((&told["matched"]["kind"], &told["undo"]), (&"exact".into(), &"file".into()), "{told}");
    assert_eq!(
        (&told["share"], &told["types"]["string"], &told["ttl"]["day"]),
        (&0.1.into(), &500.into(), &500.into()),
        "{told}"
    );
    assert_eq!(told["examples"].as_array().map(Vec::len), Some(50), "{told}");
    assert_eq!(all(&server).await, before, "a preview alters nothing");

    let (code, out, err) = perfctl.run(&["cache", "invalidate", "user:*", "--env", "live"]);
    assert_eq!((code, out.as_str()), (1, ""), "production is read-only: {err}");
    let allowed = ["--confirm", "live", "--unlock"];
    let removed = perfctl.json(&[&["cache", "invalidate", "user:*", "--env", "live"][..], &allowed].concat());
    assert_eq!((&removed["removed"], &removed["stage"]), (&500.0.into(), &"taken".into()), "{removed}");
    assert_eq!(
        (&removed["taken"]["survivors"], &removed["taken"]["recreated"]),
        (&0.0.into(), &0.0.into()),
        "{removed}"
    );
    assert_eq!(removed["detail"]["change"]["state"], "verified", "{removed}");
    assert_eq!(size(&all(&server).await), 4_500.0, "those are gone and the others are there");
    // Nothing of the keys is in the store or the files beside it.
    let mut hidden = 0;
    for entry in std::fs::read_dir(perfctl.folder.path().join("invalidations")).expect("files") {
        let bytes = std::fs::read(entry.expect("a file").path()).expect("bytes");
        assert!(!bytes.windows(7).any(|w| w == b"user:17"), "no name is readable");
        hidden += 1;
    }
    assert!(hidden >= 2, "a book and a snapshot");
    for entry in std::fs::read_dir(perfctl.folder.path()).expect("files").flatten().filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(entry.path()).expect("bytes");
        assert!(!bytes.windows(7).any(|w| w == b"user:17"), "no name in {:?}", entry.path());
    }
    let list = perfctl.json(&["changes", "list", "--env", "live"]);
    let says = &list["changes"][0]["target_says"];
    assert_eq!(says["says"], "as_applied", "{list}");
    assert!(says["text"].as_str().is_some_and(|t| t.contains("500 keys removed") && t.contains("digest")), "{list}");

    // Somebody writes one anew: it stays.
    server.execute(&["SET", "user:7", "new"]).await.expect("written");
    let undone = perfctl.json(&[&["cache", "undo", &id(&removed)][..], &allowed].concat());
    assert_eq!(
        (&undone["restored"]["restored"], &undone["restored"]["recreated"]),
        (&499.0.into(), &1.0.into()),
        "{undone}"
    );
    assert_eq!(undone["detail"]["change"]["state"], "undone", "{undone}");
    let mut after = all(&server).await;
    assert_eq!(
        after.insert(b"user:7".to_vec(), before[&b"user:7"[..]].clone()),
        Some((b"new".to_vec(), -1)),
        "as written"
    );
    assert_eq!(after, before, "value by value, expiry by expiry");
    let left = std::fs::read_dir(perfctl.folder.path().join("invalidations")).expect("files").flatten();
    assert!(!left.into_iter().any(|e| e.path().extension().is_some_and(|x| x == "keys")), "the snapshot is removed");
    let journal = perfctl.ok(&["journal", "--env", "live"]);
    assert!(
        journal.contains("Invalidate user:*") && journal.contains("digest") && !journal.contains("user:7"),
        "{journal}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_needs_to_be_agreed_and_what_cannot_be_kept_is_said_before() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 1_000, 20).await;
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "dev", "--kind", "development", "--cache", &server.url()]);
    let (code, out, err) = perfctl.run(&["cache", "invalidate", "k:*", "--env", "dev"]);
    assert_eq!((code, out.as_str()), (1, ""), "it is all there is: {err}");
    assert!(err.contains("agree"), "{err}");
    let soft = perfctl.json(&["cache", "invalidate", "k:*", "--soft=10m", "--agree", "k:*", "--env", "dev"]);
    assert_eq!(soft["removed"], 1_000.0, "{soft}");
    assert_eq!(size(&all(&server).await), 1_000.0, "they are there until they expire");
    let back = perfctl.json(&["cache", "undo", &id(&soft)]);
    assert_eq!(back["restored"]["restored"], 1_000.0, "{back}");
    let keys = perfctl.folder.path().join("keys.txt");
    std::fs::write(&keys, "k:1\nk:2\nk:nothing\n").expect("a list");
    let listed = perfctl.json(&["cache", "invalidate", "--keys", &keys.display().to_string(), "--env", "dev"]);
    assert_eq!((&listed["removed"], &listed["taken"]["gone"]), (&2.0.into(), &1.0.into()), "{listed}");
    // No keychain and no passphrase: it could not be undone afterwards.
    let mut command = perfctl.command(&["cache", "invalidate", "k:3*", "--env", "dev"]);
    command.env_remove("PERFDECK_PASSPHRASE").env("PERFDECK_SECRET_STORE", "session");
    let output = command.output().expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && err.contains("PERFDECK_PASSPHRASE") && err.contains("nothing was removed"),
        "{err}"
    );
    assert_eq!(size(&all(&server).await), 998.0, "nothing was removed");
    let gone = perfctl.json(&["cache", "invalidate", "k:3*", "--without-undo", "--env", "dev"]);
    assert_eq!(
        (&gone["removed"], &gone["undo_id"], &gone["detail"]["change"]["state"]),
        (&111.0.into(), &Value::Null, &"kept".into()),
        "{gone}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_removed_comes_back() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 40_000, 100).await;
    let before = all(&server).await;
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "dev", "--kind", "development", "--cache", &server.url()]);
    let args = ["cache", "invalidate", "k:*", "--agree", "k:*", "--env", "dev"];
    let mut child = perfctl.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let left = async || match server.execute(&["DBSIZE"]).await {
        Ok(redis::Value::Int(n)) => n,
        other => panic!("{other:?}"),
    };
    eventually(Duration::from_secs(60), async || left().await < 35_000).await;
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
    let there = left().await;
    assert!(there > 0, "it was killed in the middle");
    let list = perfctl.json(&["changes", "list", "--env", "dev"]);
    let cut = &list["changes"][0];
    assert_eq!((&cut["state"], &cut["target_says"]["says"]), (&"cut_off".into(), &"half_done".into()), "{cut}");
    let id = cut["id"].as_str().expect("id");
    let undone = perfctl.json(&["cache", "undo", id]);
    assert_eq!(undone["detail"]["change"]["state"], "undone", "{undone}");
    let told = &undone["restored"];
    let sum = told["restored"].as_f64().unwrap_or(0.0) + told["there"].as_f64().unwrap_or(0.0);
    assert!(sum >= 40_000.0 - there as f64, "all that went: {told}");
    assert!(all(&server).await == before, "value by value, expiry by expiry");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_it_before_more_is_removed() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 8_000, 4_000).await;
    let before = all(&server).await;
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "dev", "--kind", "development", "--cache", &server.url()]);
    // No file may become longer than 8 MB.
    let line = "trap '' XFSZ; ulimit -f 16384; exec \"$0\" cache invalidate 'k:*' --agree 'k:*' --env dev";
    let inner = perfctl.command(&[]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]).arg(inner.get_program()).env_clear();
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command.output().expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("no room left"), "{err}");
    let there = size(&all(&server).await);
    assert!(there > 0.0 && there < 8_000.0, "it ended in the middle: {there}");
    let list = perfctl.json(&["changes", "list", "--env", "dev"]);
    let undone = perfctl.json(&["cache", "undo", list["changes"][0]["id"].as_str().expect("id")]);
    assert_eq!(undone["detail"]["change"]["state"], "undone", "{undone}");
    assert!(all(&server).await == before, "value by value, expiry by expiry");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_come_from_a_file_or_another_program_and_those_that_are_no_text_in_hexadecimal() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 300, 20).await;
    let mut c = server.connect().await.expect("a connection");
    let odd: [&[u8]; 3] = [b"\xff\x00", b"a\nb", b"k*"];
    for name in odd {
        redis::cmd("SET").arg(name).arg("v").exec_async(&mut c).await.expect("a name");
    }
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "dev", "--kind", "development", "--cache", &server.url()]);
    let given = |args: &[&str], text: &str| {
        use std::io::Write as _;
        let args = [&["cache", "invalidate", "--keys", "-", "--env", "dev", "--json"][..], args].concat();
        let mut child = perfctl.command(&args);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("written");
        let output = perfdeck_testkit::output_of(child, Duration::from_secs(90));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or(Value::Null), err)
    };
    // Names as text, whatever a pattern would make of them; ends of lines of both kinds.
    let (code, done, err) = given(&[], "k:1\r\nk:2\n\nk*\nk:nothing\n");
    assert_eq!((code, &done["removed"], &done["taken"]["gone"]), (Some(0), &3.0.into(), &1.0.into()), "{done} {err}");
    assert_eq!(size(&all(&server).await), 300.0, "no more than those, and not what the star would match");
    let (code, done, err) = given(&["--hex"], "ff00\n610a62\n");
    assert_eq!((code, &done["removed"]), (Some(0), &2.0.into()), "{done} {err}");
    let (code, done, err) = given(&["--base64", "--preview"], "azoz\n");
    assert_eq!((code, &done["preview"]["examples"][0]["text"]), (Some(0), &"k:3".into()), "{done} {err}");
    let (code, _, err) = given(&["--hex"], "ff00\nsecret-name\n");
    assert!(code == Some(2) && err.contains("Line 2") && !err.contains("secret-name"), "{code:?} {err}");
    let (code, _, err) = given(&[], "\n");
    assert!(code == Some(2) && err.contains("empty") && err.contains("hint:"), "{code:?} {err}");
    assert_eq!(size(&all(&server).await), 298.0, "nothing else was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_invalidated_by_the_template_of_the_environment() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "user:42:", 3, 20).await;
    fill(&server, "user:427:", 3, 20).await;
    fill(&server, "page:", 30, 20).await;
    let perfctl = Perfctl::new();
    let add = |template: &str| {
        let url = server.url();
        perfctl.run(&["env", "add", "dev", "--kind", "development", "--cache", &url, "--cache-template", template])
    };
    let (code, _, err) = add("user=user:{uid}:*");
    assert!(code == 2 && err.contains("{uid}") && err.contains("only {id}"), "refused by name: {code} {err}");
    assert_eq!(add("user=user:{id}:*").0, 0, "stored");
    let shown = perfctl.ok(&["env", "show", "dev"]);
    assert!(shown.contains("cache template user") && shown.contains("user:{id}:*"), "{shown}");
    let preview = perfctl.json(&["cache", "invalidate", "--user", "42", "--env", "dev", "--preview"]);
    assert_eq!((&preview["matched"], &preview["preview"]["by"]["name"]), (&3.0.into(), &"user".into()), "{preview}");
    let text = perfctl.run(&["cache", "invalidate", "--user", "42", "--env", "dev", "--preview"]);
    assert!(text.2.contains("By the template 'user'"), "it is said by what: {text:?}");
    let done = perfctl.json(&["cache", "invalidate", "--template", "user=42", "--env", "dev"]);
    assert_eq!(done["removed"], 3.0, "{done}");
    assert_eq!(size(&all(&server).await), 33.0, "and nobody else's");
    perfctl.json(&["cache", "undo", &id(&done)]);
    assert_eq!(size(&all(&server).await), 36.0, "back");
    for (args, word) in [
        (&["--tag", "x"][..], "no template 'tag'"),
        (&["--template", "nope=1"], "It has user"),
        (&["--user", "42", "--tag", "x"], "cannot be used with"),
        (&["--template", "user"], "NAME=VALUE"),
        (&[], "these are missing"),
    ] {
        let (code, _, err) = perfctl.run(&[&["cache", "invalidate", "--env", "dev"][..], args].concat());
        assert!(code != 0 && err.contains(word), "{args:?}: {code} {err}");
    }
}

/// Sends a signal to a program that a test started.
#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success(), "{name} is sent");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn one_under_way_is_held_listed_stopped_and_undone_from_a_terminal() {
    let server = Redis::start().await.expect("Redis");
    fill(&server, "k:", 30_000, 20).await;
    let before = all(&server).await;
    let perfctl = Perfctl::new();
    perfctl.ok(&["env", "add", "dev", "--kind", "development", "--cache", &server.url()]);
    let args = ["cache", "invalidate", "k:*", "--agree", "k:*", "--env", "dev"];
    let child = perfctl.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let left = async || match server.execute(&["DBSIZE"]).await {
        Ok(redis::Value::Int(n)) => n,
        other => panic!("{other:?}"),
    };
    eventually(Duration::from_secs(60), async || left().await < 29_000).await;
    // Ctrl-Z holds it: nothing on the server waits for it.
    signal(&child, "STOP");
    let (held, same) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    eventually(Duration::from_secs(30), async || {
        let now = left().await;
        same.set(if held.replace(now) == now { same.get() + 1 } else { 0 });
        same.get() >= 5
    })
    .await;
    let held = held.get();
    assert!(held > 0, "in its middle");
    let list = perfctl.json(&["changes", "list", "--env", "dev"]);
    let state = &list["changes"][0]["state"];
    assert_eq!((state, left().await), (&"applying".into(), held), "it is listed, and held: {list}");
    signal(&child, "CONT");
    eventually(Duration::from_secs(60), async || left().await < held).await;
    signal(&child, "INT");
    let output = perfdeck_testkit::output_of(child, Duration::from_secs(60));
    let err = String::from_utf8_lossy(&output.stderr);
    let there = left().await;
    assert!(!output.status.success() && there > 0, "it ended in its middle: {there} {err}");
    assert!(err.contains("is cut off") && err.contains("removed before it ended"), "and says how far it came: {err}");
    let list = perfctl.json(&["changes", "list", "--env", "dev"]);
    let one = &list["changes"][0];
    assert_eq!((&one["state"], &one["target_says"]["says"]), (&"cut_off".into(), &"half_done".into()), "{list}");
    let undone = perfctl.json(&["cache", "undo", one["id"].as_str().expect("id")]);
    assert_eq!(undone["restored"]["restored"], (30_000 - there) as f64, "{undone}");
    assert!(all(&server).await == before, "value by value, expiry by expiry");
}
