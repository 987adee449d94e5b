//! Environments: where they come from, what is kept of them, what is refused.

use serde_json::Value;

use super::{finish, json, perfctl, run, temp};

#[test]
fn an_environment_is_added_shown_copied_and_removed() {
    let dir = temp();
    let listed = json(dir.path(), &["env", "list"], 0);
    assert_eq!(listed["schema"], "perfdeck.environments/1", "the answer names its schema");
    assert_eq!(listed["environments"][0]["name"], "demo", "the demo always exists");
    let database = "postgres://app@127.0.0.1:5999/clinic";
    let added = json(
        dir.path(),
        &[
            "env",
            "add",
            "clinic",
            "--kind",
            "staging",
            "--database",
            database,
            "--database-password-env",
            "PGPASS",
            "--api",
            "http://127.0.0.1:1/",
        ],
        0,
    );
    assert_eq!(added["environment"]["kind"], "staging", "the kind is kept");
    assert_eq!(
        added["environment"]["targets"]["database"]["password"]["name"], "PGPASS",
        "a reference is kept, not a secret"
    );
    let shown = json(dir.path(), &["env", "show", "clinic"], 0);
    assert_eq!(shown["environment"]["id"], added["environment"]["id"], "another process sees it");
    let copy = json(dir.path(), &["env", "duplicate", "clinic", "clinic 2"], 0);
    assert_ne!(copy["environment"]["id"], added["environment"]["id"], "a copy is its own environment");
    let (code, _, err) = run(dir.path(), &["env", "add", "clinic", "--database", database]);
    assert!(code != 0 && err.contains("error: "), "a name is unique: {err}");
    let removed = json(dir.path(), &["env", "remove", "clinic"], 0);
    assert_eq!(removed["schema"], "perfdeck.removed/1", "removal is answered");
    let (code, _, err) = run(dir.path(), &["env", "show", "clinic"]);
    assert_eq!(code, 1, "it is gone");
    assert!(err.starts_with("error: ") && err.contains("\nhint: "), "and the message says what to do: {err}");
    let (code, _, err) = run(dir.path(), &["env", "remove", "demo"]);
    assert_eq!(code, 1, "the demo stays: {err}");
    let (code, out, _) = run(dir.path(), &["env", "list"]);
    assert_eq!(code, 0, "people get a table");
    assert!(
        out.contains("clinic 2") && !out.contains('{') && !out.contains('\u{1b}'),
        "without JSON and colour: {out}"
    );
}

#[test]
fn an_environment_comes_from_a_file_or_from_variables() {
    let dir = temp();
    let config = dir.path().join("clinic.toml");
    std::fs::write(&config, "name = \"clinic\"\nkind = \"production\"\n[targets]\napi = \"http://127.0.0.1:1\"\n")
        .expect("file");
    for _ in 0..2 {
        let shown = json(dir.path(), &["--config", config.to_str().expect("UTF-8"), "env", "show"], 0);
        assert_eq!(shown["environment"]["kind"], "production", "the file is read, the second time as an update");
    }
    let dotenv = dir.path().join(".env");
    std::fs::write(&dotenv, "DATABASE_URL=sqlite:///tmp/none.db\nDB_POOL_SIZE=7\nENVIRONMENT=staging\n").expect("file");
    let dotenv = dotenv.to_str().expect("UTF-8");
    for name in [&[][..], &["staging"]] {
        let shown = json(dir.path(), &[&["--env-file", dotenv, "env", "show"], name].concat(), 0);
        assert_eq!(
            (&shown["environment"]["name"], &shown["environment"]["pool"]["size"]),
            (&"staging".into(), &7.into()),
            "pool settings too"
        );
    }
    let child = perfctl(dir.path(), &["--from-env", "env", "show", "--json"])
        .env("API_BASE_URL", "http://127.0.0.1:2")
        .spawn()
        .expect("perfctl starts");
    let shown: Value = serde_json::from_slice(&finish(child).stdout).expect("JSON");
    assert_eq!(
        shown["environment"]["targets"]["api"]["url"], "http://127.0.0.1:2",
        "variables are read when asked for"
    );
}

#[test]
fn an_environment_of_a_file_has_the_files_own_name() {
    let dir = temp();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.to_str().expect("UTF-8").to_owned()
    };
    let dotenv = file("app.env", "RAILS_ENV=production\nREDIS_URL=redis://127.0.0.1:1\n");
    let config =
        file("c.toml", "name = \"clinic\"\nkind = \"production\"\n[targets]\ncache = \"redis://127.0.0.1:1\"\n");
    json(dir.path(), &["env", "add", "stored", "--cache", "redis://127.0.0.1:1"], 0);
    let load = ["--mix", "get=1", "--rate", "100", "-d", "1s", "-c", "1", "--confirm"];
    for (option, path, own) in [("--env-file", &dotenv, "production"), ("--config", &config, "clinic")] {
        for words in [
            &["env", "test", "stored"][..],
            &["env", "show", "stored"],
            &["monitor", "--for", "1s", "--env", "stored"],
            &[&["bench", "cache", "--env", "stored"], &load[..], &["stored"]].concat(),
        ] {
            let (code, out, err) = run(dir.path(), &[&[option, path.as_str()], words].concat());
            assert_eq!((code, out.as_str()), (2, ""), "{option} {words:?}: {err}");
            assert!(err.contains(option) && err.contains(&format!("called '{own}'")), "it names both: {err}");
            assert!(err.contains("hint: "), "and what to do: {err}");
        }
        let invented = [&[option, path.as_str(), "bench", "cache"], &load[..], &["whatever"]].concat();
        let (code, _, err) = run(dir.path(), &invented);
        assert!(code == 1 && err.contains(own), "{option}: an invented name confirms nothing: {err}");
    }
}

#[test]
fn what_a_configuration_file_says_is_read_or_refused() {
    let dir = temp();
    let path = dir.path().join("c.toml");
    let config = path.to_str().expect("UTF-8");
    let docs = include_str!("../../../../../docs/environments.md");
    let example = docs.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0;
    std::fs::write(&path, example).expect("write");
    let shown = json(dir.path(), &["--config", config, "env", "show"], 0);
    assert_eq!(shown["environment"]["guards"]["max_rate_per_s"], 500.0, "the documentation's example is read: {shown}");
    let url = "\"postgres://u:canary-secret@127.0.0.1:1/d\"";
    for (text, parts) in [
        (
            format!("name = \"c\"\ndatabase = {url}\n"),
            &["line 2: a field is not known", "'database' belongs under [targets]"][..],
        ),
        (format!("name = \"c\"\n[targets]\ndatabse = {url}\n"), &["line 3", "'databse'", "did you mean 'database'?"]),
        ("name = \"c\"\ncanary-secret = 1\n".to_owned(), &["line 2: a field is not known; there are `name`"]),
        ("name = \"c\"\n[pool]\nsize = 1\ncanary-secret = 1\n".to_owned(), &["line 4: a field is not known"]),
        ("name = \"c\"\n[guards]\nread_only = true\ncanary-secret = 1\n".to_owned(), &["line 4: a field is not known"]),
        (
            "name = \"c\"\n[targets]\ndatabase_password = { kind = \"env\", name = \"X\", canary-secret = 1 }\n"
                .to_owned(),
            &["line 3: a field is not known"],
        ),
        (
            format!(
                "name = \"c\"\n[targets]\ndatabase = {url}\ndatabase_password = {{ kind = \"env\", name = \"X\" }}\n"
            ),
            &["database_password: The address has a password too"],
        ),
        ("name = \"c\"\n".to_owned(), &["'c' has no targets", "nothing to test"]),
    ] {
        std::fs::write(&path, &text).expect("write");
        let (code, out, err) = run(dir.path(), &["--config", config, "env", "test"]);
        assert_eq!((code, out.as_str()), (2, ""), "{text}: {err}");
        assert!(!err.contains("canary") && err.contains("hint: "), "no text of the file, and what to do: {err}");
        for part in parts {
            assert!(err.contains(part), "{text}\nsays '{part}': {err}");
        }
    }
}

#[test]
fn of_two_passwords_none_is_dropped() {
    let dir = temp();
    let dotenv = dir.path().join(".env");
    std::fs::write(&dotenv, "DATABASE_URL=postgres://u:canary-secret@127.0.0.1:1/d\n").expect("write");
    let dotenv = dotenv.to_str().expect("UTF-8");
    for (words, name) in [
        (
            &["--database", "postgres://u:canary-secret@127.0.0.1:1/d", "--database-password-env", "X"][..],
            "database_password",
        ),
        (&["--cache", "redis://:canary-secret@127.0.0.1:1", "--cache-password-env", "X"], "cache_password"),
        (
            &[
                "--cache",
                "redis+sentinel://127.0.0.1:1/0?master=m&sentinel_password=canary-secret",
                "--cache-sentinel-password-env",
                "X",
            ],
            "cache_sentinel_password",
        ),
        (&["--env-file", dotenv, "--database-password-env", "X"], "--database-password-env and --env-file"),
        (&["--env-file", dotenv, "--ask-database-password"], "--ask-database-password and --env-file"),
    ] {
        let (code, out, err) = run(dir.path(), &[&["env", "add", "two"], words].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(name) && err.contains("hint: ") && !err.contains("canary"), "{words:?}: {err}");
    }
    let other = ["--env-file", dotenv, "env", "add", "other", "--database", "postgres://u@127.0.0.2:1/d"];
    let added = json(dir.path(), &other, 0);
    assert_eq!(
        added["environment"]["targets"]["database"]["password"]["kind"], "none",
        "the file's password does not go to another server: {added}"
    );
}

#[test]
fn a_setting_that_is_not_understood_is_refused() {
    let dir = temp();
    for (name, value) in
        [("PERFDECK_SECRET_STORE", "vault"), ("PERFDECK_SECRET_STORE", "FILE"), ("PERFDECK_LOG", "canary-secret")]
    {
        let child = perfctl(dir.path(), &["env", "list"]).env(name, value).spawn().expect("perfctl starts");
        let output = finish(child);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{name}={value}: {err}");
        assert!(err.contains(name) && err.contains("hint: Set it to") && !err.contains("canary"), "{err}");
    }
}

#[test]
fn a_secret_is_never_written() {
    let dir = temp();
    let mut all = String::new();
    for args in [
        &["env", "add", "a", "--cache", "redis://:canary-secret@127.0.0.1:1/0"][..],
        &["env", "show", "a", "--json", "-vv"],
        &["env", "test", "a", "-vv"],
        &["env", "add", "b", "--database", "postgres://u:canary-secret@/?bad=\u{7}", "-vv"],
    ] {
        let (_, out, err) = run(dir.path(), args);
        all += &out;
        all += &err;
    }
    assert!(!all.contains("canary-secret"), "neither stdout nor stderr has the password");
    let config = dir.path().join("bad.toml");
    std::fs::write(&config, "name = \"x\"\n[targets]\ndatabase = \"postgres://u:canary-secret@h/d").expect("file");
    let (code, _, err) = run(dir.path(), &["--config", config.to_str().expect("UTF-8"), "env", "show"]);
    assert_eq!(code, 2, "a broken file is wrong usage: {err}");
    assert!(!err.contains("canary-secret") && err.contains("line 3"), "its place is told, its text is not: {err}");
}
