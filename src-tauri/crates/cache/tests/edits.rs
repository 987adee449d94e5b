//! Edits on real servers: each changes nothing but what it edits, writes nothing over what another client wrote, and is taken back.
use std::collections::BTreeMap;

use perfdeck_cache::edits::{EditPlan, apply, look, plan, undo};
use perfdeck_model::{ApiError, CacheBytes, CacheTarget, EditState, ErrorCode, KeyEdit, Sensitive};
use perfdeck_testkit::{Redis, RedisCluster};
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::keys::{line, patient, run};
use crate::target;

/// Everything that can be read of every key: its expiry first, then its value with all its times.
type All = BTreeMap<Vec<u8>, Vec<String>>;

fn shown(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => bytes.escape_ascii().to_string(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(n) => n.to_string(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

fn list(value: Value) -> Vec<Value> {
    if let Value::Array(all) = value { all } else { panic!("a list: {value:?}") }
}

async fn read(c: &mut MultiplexedConnection, key: &[u8]) -> Vec<String> {
    let kind = shown(&run(c, &[b"TYPE", key]).await);
    let mut lines = vec![format!("expires {}", shown(&run(c, &[b"PEXPIRETIME", key]).await))];
    let pairs =
        |all: Vec<Value>| all.chunks(2).map(|p| format!("{}={}", shown(&p[0]), shown(&p[1]))).collect::<Vec<_>>();
    let mut more = match kind.as_str() {
        "string" => vec![shown(&run(c, &[b"GET", key]).await)],
        "list" => list(run(c, &[b"LRANGE", key, b"0", b"-1"]).await).iter().map(shown).collect(),
        "zset" => pairs(list(run(c, &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]).await)),
        "set" => {
            let mut all: Vec<String> = list(run(c, &[b"SMEMBERS", key]).await).iter().map(shown).collect();
            all.sort();
            all
        }
        "hash" => {
            let mut all = Vec::new();
            let times = list(line(c, "COMMAND INFO HPEXPIRETIME").await) != [Value::Nil];
            for pair in list(run(c, &[b"HGETALL", key]).await).chunks(2) {
                let Value::BulkString(field) = &pair[0] else { panic!("a name") };
                let ask: [&[u8]; 5] = [b"HPEXPIRETIME", key, b"FIELDS", b"1", field];
                let time = if times { shown(&run(c, &ask).await) } else { "-".to_owned() };
                all.push(format!("{}={} @{time}", shown(&pair[0]), shown(&pair[1])));
            }
            all.sort();
            all
        }
        _ => {
            let mut all: Vec<String> = list(run(c, &[b"XRANGE", key, b"-", b"+"]).await).iter().map(shown).collect();
            // A server cannot tell a group's lag any more once an entry was removed.
            let group = |g: &Value| shown(g).split(" lag ").next().unwrap_or_default().to_owned();
            all.extend(list(run(c, &[b"XINFO", b"GROUPS", key]).await).iter().map(group));
            all
        }
    };
    lines.append(&mut more);
    lines
}

async fn everything(c: &mut MultiplexedConnection) -> All {
    let mut all = All::new();
    for name in list(line(c, "KEYS *").await) {
        let Value::BulkString(name) = name else { panic!("a name") };
        let lines = read(c, &name).await;
        all.insert(name, lines);
    }
    all
}

fn text(text: &str) -> CacheBytes {
    CacheBytes::new(text.as_bytes())
}

/// Keys of every type, with expiries, duplicates, numbers beyond 2^53 and bytes that are no text.
async fn fill(c: &mut MultiplexedConnection, field_ttls: bool) {
    line(c, "FLUSHALL").await;
    line(c, "SET string 9007199254740993").await;
    line(c, "HSET hash price 45.10 room 3 id 9007199254740993 hold 90718").await;
    run(c, &[b"HSET", b"hash", b"\xff\x00", b"\xfe"]).await;
    for element in ["a", "b", "a", "a", "a", "c"] {
        line(c, &format!("RPUSH list {element}")).await;
    }
    line(c, "RPUSH one only").await;
    line(c, "SADD set 1 2 003").await;
    line(c, "ZADD zset 1.5 m 0.1 n 9007199254740993 large").await;
    for id in 1..=3 {
        line(c, &format!("XADD stream {id}-0 f {id}")).await;
    }
    line(c, "XGROUP CREATE stream g 0").await;
    line(c, "XREADGROUP GROUP g me COUNT 2 STREAMS stream >").await;
    run(c, &[b"SET", b"\xffbin\x00", b"\x00\x01"]).await;
    for key in ["string", "hash", "list", "one", "set", "zset", "stream"] {
        line(c, &format!("PEXPIREAT {key} 4102444800123")).await;
    }
    if field_ttls {
        for field in ["price", "hold"] {
            line(c, &format!("HPEXPIREAT hash 4102444800{} FIELDS 1 {field}", field.len() + 400)).await;
        }
    }
}

/// An edit, and the lines of its key that go and come; of a list the whole of it.
struct Case {
    key: &'static [u8],
    edit: KeyEdit,
    gone: &'static [&'static str],
    come: &'static [&'static str],
    undoes: bool,
}

fn case(key: &'static str, edit: KeyEdit, gone: &'static [&'static str], come: &'static [&'static str]) -> Case {
    Case { key: key.as_bytes(), edit, gone, come, undoes: true }
}

fn cases(field_ttls: bool) -> Vec<Case> {
    let set = |field: &str, value: &str| KeyEdit::SetField { field: text(field), value: text(value), seen: None };
    let element = |index: f64, value: &str| KeyEdit::SetElement { index, value: text(value), seen: None };
    let insert = |index: f64, value: &str| KeyEdit::InsertElement { index, value: text(value) };
    let remove = |index: f64| KeyEdit::RemoveElement { index, seen: None };
    let score = |member: &str, score: &str| KeyEdit::SetScore { member: text(member), score: score.into(), seen: None };
    // A field keeps its own expiry; a new one has none.
    let (price, priced, at) = if field_ttls {
        ("price=45.10 @4102444800405", "price=1.90e1 @4102444800405", "rate=45.10 @4102444800405")
    } else {
        ("price=45.10 @-", "price=1.90e1 @-", "rate=45.10 @-")
    };
    let (hold, new) =
        if field_ttls { ("hold=90718 @4102444800404", "new=1 @-1") } else { ("hold=90718 @-", "new=1 @-") };
    let (binary, binary_now) = if field_ttls {
        ("\\xff\\x00=\\xfe @-1", "\\xff\\x00=x @-1")
    } else {
        ("\\xff\\x00=\\xfe @-", "\\xff\\x00=x @-")
    };
    // Valkey 9 writes the shortest text that means the same number.
    let (small, tenth) = if field_ttls { ("-1e-7", "0.1") } else { ("-9.9999999999999995e-08", "0.10000000000000001") };
    let (small, tenths) = (format!("m={small}").leak() as &str, format!("n={tenth}").leak() as &str);
    let expiry: &'static [&'static str] = &["expires 4102444800123"];
    vec![
        case(
            "string",
            KeyEdit::Set { value: text("1.90e1"), seen: Some(text("9007199254740993")) },
            &["9007199254740993"],
            &["1.90e1"],
        ),
        Case {
            key: b"\xffbin\x00",
            edit: KeyEdit::Set { value: CacheBytes::new(b"\xff"), seen: None },
            gone: &["\\x00\\x01"],
            come: &["\\xff"],
            undoes: true,
        },
        case("fresh", KeyEdit::Set { value: text("v"), seen: None }, &[], &["expires -1", "v"]),
        case("hash", set("price", "1.90e1"), leaked(&[price]), leaked(&[priced])),
        case("hash", set("new", "1"), &[], leaked(&[new])),
        case(
            "hash",
            KeyEdit::SetField {
                field: CacheBytes::new(b"\xff\x00"),
                value: text("x"),
                seen: Some(CacheBytes::new(b"\xfe")),
            },
            leaked(&[binary]),
            leaked(&[binary_now]),
        ),
        case("hash", KeyEdit::RemoveField { field: text("hold"), seen: Some(text("90718")) }, leaked(&[hold]), &[]),
        case("hash", KeyEdit::RenameField { field: text("price"), to: text("rate") }, leaked(&[price]), leaked(&[at])),
        case("list", element(2.0, "x"), &["a", "b", "a", "a", "a", "c"], &["a", "b", "x", "a", "a", "c"]),
        case("list", insert(3.0, "a"), &["a", "b", "a", "a", "a", "c"], &["a", "b", "a", "a", "a", "a", "c"]),
        case("list", insert(0.0, "x"), &["a", "b", "a", "a", "a", "c"], &["x", "a", "b", "a", "a", "a", "c"]),
        case("list", insert(6.0, "x"), &["a", "b", "a", "a", "a", "c"], &["a", "b", "a", "a", "a", "c", "x"]),
        case("list", remove(3.0), &["a", "b", "a", "a", "a", "c"], &["a", "b", "a", "a", "c"]),
        case("list", remove(5.0), &["a", "b", "a", "a", "a", "c"], &["a", "b", "a", "a", "a"]),
        case("one", remove(0.0), &["expires 4102444800123", "only"], &[]),
        case("set", KeyEdit::AddMember { member: text("3") }, &[], &["3"]),
        case("set", KeyEdit::RemoveMember { member: text("003") }, &["003"], &[]),
        case("zset", score("m", "-1e-7"), &["m=1.5"], leaked(&[small])),
        case("zset", score("new", "inf"), &[], &["new=inf"]),
        case("zset", KeyEdit::RemoveScored { member: text("n"), seen: Some(tenth.into()) }, leaked(&[tenths]), &[]),
        Case { undoes: false, ..case("stream", KeyEdit::RemoveEntry { id: "2-0".into() }, &["2-0 f 2"], &[]) },
        case("string", KeyEdit::Expire { in_ms: None }, expiry, &["expires -1"]),
    ]
}

/// Lines that are only known at run time.
fn leaked(lines: &[&'static str]) -> &'static [&'static str] {
    lines.to_vec().leak()
}

/// What the key's lines become; the order of a list counts, of the others it does not.
fn expected(case: &Case, before: &[String]) -> Vec<String> {
    if case.key == b"list" {
        return before[..1].iter().cloned().chain(case.come.iter().map(|s| (*s).to_owned())).collect();
    }
    let mut lines = before.to_vec();
    for gone in case.gone {
        let at = lines.iter().position(|l| l == gone).unwrap_or_else(|| panic!("{gone} is there: {before:?}"));
        lines.remove(at);
    }
    lines.extend(case.come.iter().map(|s| (*s).to_owned()));
    lines.sort();
    lines
}

fn sorted(case: &Case, mut lines: Vec<String>) -> Vec<String> {
    if case.key != b"list" {
        lines.sort();
    }
    lines
}

async fn planned(t: &(CacheTarget, Option<Sensitive>), key: &[u8], edit: KeyEdit) -> Result<EditPlan, ApiError> {
    plan(&t.0, t.1.as_ref(), key, edit).await
}

async fn every_edit_leaves_the_rest(server: &Redis, field_ttls: bool) {
    let mut c = patient(&server.url()).await;
    let t = target(&server.url());
    fill(&mut c, field_ttls).await;
    let before = everything(&mut c).await;
    for case in cases(field_ttls) {
        let name = format!("{} {:?}", case.key.escape_ascii(), case.come);
        let edit = planned(&t, case.key, case.edit.clone()).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsOpened, "{name}: nothing yet");
        assert_eq!(everything(&mut c).await, before, "{name}: planning alters nothing");
        apply(&t.0, None, &edit).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let mut after = everything(&mut c).await;
        let lines = after.remove(case.key).unwrap_or_default();
        let mut rest = before.clone();
        let was = rest.remove(case.key).unwrap_or_default();
        assert_eq!(sorted(&case, lines), expected(&case, &was), "{name}: what was edited");
        assert_eq!(after, rest, "{name}: and nothing else");
        assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsWritten, "{name}: it is there");
        assert_eq!(apply(&t.0, None, &edit).await.expect_err("twice").code, ErrorCode::Conflict, "{name}: once");
        assert_eq!(edit.undoes(), case.undoes, "{name}");
        if case.undoes {
            undo(&t.0, None, &edit).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert_eq!(everything(&mut c).await, before, "{name}: undone, byte for byte");
            assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsOpened, "{name}: as before");
        } else {
            let refused = undo(&t.0, None, &edit).await.expect_err("nothing undoes it");
            assert_eq!(refused.code, ErrorCode::Unsupported, "{name}");
            fill(&mut c, field_ttls).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_every_type_leaves_the_rest_byte_for_byte() {
    every_edit_leaves_the_rest(&Redis::start().await.expect("Redis"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_every_type_leaves_the_rest_where_fields_expire() {
    every_edit_leaves_the_rest(&Redis::start_valkey(&[]).await.expect("Valkey"), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_removed_renamed_and_expire_and_come_back_as_they_were() {
    for valkey in [false, true] {
        let arguments = ["--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "0", "--lfu-log-factor", "0"];
        let server = if valkey { Redis::start_valkey(&arguments).await } else { Redis::start_with(&arguments).await };
        let server = server.expect("a server");
        let mut c = patient(&server.url()).await;
        let t = target(&server.url());
        fill(&mut c, valkey).await;
        let before = everything(&mut c).await;
        for key in before.keys() {
            let dump = run(&mut c, &[b"DUMP", key]).await;
            for _ in 0..9 {
                run(&mut c, &[b"TOUCH", key]).await;
            }
            let uses = run(&mut c, &[b"OBJECT", b"FREQ", key]).await;
            let name = key.escape_ascii();
            let edit = planned(&t, key, KeyEdit::Delete).await.expect("planned");
            apply(&t.0, None, &edit).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let mut rest = before.clone();
            rest.remove(key);
            assert_eq!(everything(&mut c).await, rest, "{name} is gone, alone");
            assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsWritten, "{name}");
            undo(&t.0, None, &edit).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert_eq!(run(&mut c, &[b"OBJECT", b"FREQ", key]).await, uses, "{name}: its use too");
            // A table of hashes has no order that a restored one would have to keep.
            if key != b"set" {
                assert_eq!(run(&mut c, &[b"DUMP", key]).await, dump, "{name}: byte for byte");
            }
            assert_eq!(everything(&mut c).await, before, "{name}: with its times");
        }

        // A look and an edit do not make a key hot, where the server can do that.
        if valkey {
            let uses = line(&mut c, "OBJECT FREQ string").await;
            let edit = planned(&t, b"string", KeyEdit::Set { value: text("1"), seen: None }).await.expect("planned");
            apply(&t.0, None, &edit).await.expect("applied");
            assert_eq!(line(&mut c, "OBJECT FREQ string").await, uses, "as hot as before");
            undo(&t.0, None, &edit).await.expect("undone");
        }

        let edit = planned(&t, b"hash", KeyEdit::Rename { to: text("new name") }).await.expect("planned");
        apply(&t.0, None, &edit).await.expect("renamed");
        let renamed = everything(&mut c).await;
        assert_eq!(renamed.get(&b"new name"[..]), before.get(&b"hash"[..]), "the same under another name");
        assert!(!renamed.contains_key(&b"hash"[..]), "and not under the old one");
        undo(&t.0, None, &edit).await.expect("undone");
        assert_eq!(everything(&mut c).await, before, "and back");
        let taken = planned(&t, b"hash", KeyEdit::Rename { to: text("set") }).await.expect_err("another key has it");
        assert_eq!(taken.code, ErrorCode::Conflict, "no key is overwritten");

        let edit = planned(&t, b"hash", KeyEdit::Expire { in_ms: Some(60_000.0) }).await.expect("planned");
        apply(&t.0, None, &edit).await.expect("applied");
        let Value::Int(left) = line(&mut c, "PTTL hash").await else { panic!("a number") };
        assert!((50_000..=60_000).contains(&left), "a minute from when it was applied: {left}");
        assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsWritten, "it is there");
        undo(&t.0, None, &edit).await.expect("undone");
        assert_eq!(everything(&mut c).await, before, "the former expiry to the millisecond");
        // One that did what it was to do is not another client's.
        let edit = planned(&t, b"string", KeyEdit::Expire { in_ms: Some(40.0) }).await.expect("planned");
        apply(&t.0, None, &edit).await.expect("applied");
        let over = async || shown(&line(&mut c.clone(), "EXISTS string").await) == "0";
        perfdeck_testkit::eventually(std::time::Duration::from_secs(10), over).await;
        assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsWritten, "as it was asked for");
        let error = undo(&t.0, None, &edit).await.expect_err("no snapshot");
        assert!(error.message.contains("expired, as this edit asked for"), "{error:?}");

        let zero = planned(&t, b"hash", KeyEdit::Expire { in_ms: Some(0.0) }).await.expect_err("0 asks");
        assert!(zero.code == ErrorCode::BadRequest && zero.message.contains("remove the key at once"), "{zero:?}");
        let same = planned(&t, b"\xffbin\x00", KeyEdit::Expire { in_ms: None }).await.expect_err("it never expires");
        assert_eq!(same.code, ErrorCode::BadRequest, "nothing would change");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_client_wrote_meanwhile_is_kept() {
    let server = Redis::start_valkey(&[]).await.expect("Valkey");
    let mut c = patient(&server.url()).await;
    let t = target(&server.url());
    fill(&mut c, true).await;
    let field = |seen: Option<CacheBytes>| KeyEdit::SetField { field: text("price"), value: text("49.50"), seen };
    for (key, edit, writes, what) in [
        ("string", KeyEdit::Set { value: text("1"), seen: None }, "APPEND string 0", "a string"),
        ("string", KeyEdit::Set { value: text("1"), seen: None }, "DEL string", "a string that is gone"),
        ("hash", field(None), "HSET hash price 47.00", "a field"),
        ("hash", field(None), "HDEL hash price", "a field that is gone"),
        ("hash", KeyEdit::RenameField { field: text("room"), to: text("r") }, "HSET hash r 1", "a name that is taken"),
        ("list", KeyEdit::SetElement { index: 1.0, value: text("x"), seen: None }, "LPUSH list z", "a list that moved"),
        (
            "list",
            KeyEdit::InsertElement { index: 3.0, value: text("x") },
            "LPUSH list a a",
            "a list that moved to equal ones",
        ),
        ("list", KeyEdit::RemoveElement { index: 5.0, seen: None }, "RPUSH list z", "what comes after it"),
        ("set", KeyEdit::RemoveMember { member: text("1") }, "SREM set 1", "a member that is gone"),
        ("zset", KeyEdit::SetScore { member: text("m"), score: "2".into(), seen: None }, "ZINCRBY zset 1 m", "a score"),
        ("hash", KeyEdit::Expire { in_ms: Some(1e6) }, "PEXPIRE hash 77777", "an expiry"),
        ("hash", KeyEdit::Delete, "HSET hash room 4", "a key that is removed"),
        ("hash", KeyEdit::Rename { to: text("n") }, "SET n 1", "the new name"),
        ("hash", KeyEdit::Delete, "DEL hash", "a key that is gone"),
    ] {
        fill(&mut c, true).await;
        let edit = planned(&t, key.as_bytes(), edit).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
        line(&mut c, writes).await;
        let theirs = everything(&mut c).await;
        let error = apply(&t.0, None, &edit).await.expect_err(what);
        assert_eq!(error.code, ErrorCode::Conflict, "{what}: {error:?}");
        assert_eq!(everything(&mut c).await, theirs, "{what}: nothing was written");
    }
    // What was seen decides already when it is planned.
    fill(&mut c, true).await;
    line(&mut c, "HSET hash price 47.00").await;
    let error = planned(&t, b"hash", field(Some(text("45.10")))).await.expect_err("not what was seen");
    assert_eq!(error.code, ErrorCode::Conflict, "{error:?}");
    let edit = planned(&t, b"hash", field(Some(text("47.00")))).await.expect("as seen");
    line(&mut c, "HSET hash price 48.00").await;
    let (state, theirs) = look(&t.0, None, &edit).await.expect("asked");
    assert_eq!((state, theirs), (EditState::Changed, Some(text("48.00"))), "what is there is shown");
    let (opened, yours) = edit.values();
    assert_eq!((opened, yours), (Some(text("47.00")), Some(text("49.50"))), "beside both others");
    // A removed key that was made again is not overwritten by undoing.
    let edit = planned(&t, b"set", KeyEdit::Delete).await.expect("planned");
    apply(&t.0, None, &edit).await.expect("removed");
    line(&mut c, "SADD set theirs").await;
    assert_eq!(undo(&t.0, None, &edit).await.expect_err("it is there again").code, ErrorCode::Conflict);
    assert_eq!(shown(&line(&mut c, "SMEMBERS set").await), "theirs", "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_to_a_writer_at_the_same_time() {
    let server = Redis::start().await.expect("Redis");
    let mut c = patient(&server.url()).await;
    let t = target(&server.url());
    line(&mut c, "SET counter 0").await;
    let mut writer = patient(&server.url()).await;
    let writing = tokio::spawn(async move {
        for _ in 0..400 {
            line(&mut writer, "INCR counter").await;
        }
    });
    let mut written = 0;
    for _ in 0..60 {
        let Value::BulkString(seen) = line(&mut c, "GET counter").await else { panic!("a number") };
        let now: u64 = String::from_utf8(seen.clone()).expect("text").parse().expect("a number");
        let edit = KeyEdit::Set { value: text(&(now + 1_000_000).to_string()), seen: Some(CacheBytes::new(&seen)) };
        let Ok(edit) = planned(&t, b"counter", edit).await else { continue };
        written += u64::from(apply(&t.0, None, &edit).await.is_ok());
    }
    writing.await.expect("written");
    let total = shown(&line(&mut c, "GET counter").await);
    assert_eq!(total, (400 + written * 1_000_000).to_string(), "every INCR and every edit that was confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_a_string_is_edited_where_the_server_compares_itself() {
    for valkey in [false, true] {
        let server = if valkey { Redis::start_valkey(&[]).await } else { Redis::start().await }.expect("a server");
        let mut c = patient(&server.url()).await;
        line(&mut c, "SET k old EX 1000").await;
        line(&mut c, "HSET h f v").await;
        line(&mut c, "ACL SETUSER u on >pw ~* +@all -eval -evalsha").await;
        let t = target(&format!("redis://u:pw@127.0.0.1:{}/0", server.port()));
        let edit = planned(&t, b"k", KeyEdit::Set { value: text("new"), seen: None }).await.expect("planned");
        let outcome = apply(&t.0, t.1.as_ref(), &edit).await;
        if valkey {
            outcome.expect("SET … IFEQ");
            assert_eq!(look(&t.0, t.1.as_ref(), &edit).await.expect("asked").0, EditState::AsWritten);
            assert_eq!(apply(&t.0, t.1.as_ref(), &edit).await.expect_err("once").code, ErrorCode::Conflict);
            let Value::Int(left) = line(&mut c, "TTL k").await else { panic!("a number") };
            assert!(left > 900, "its expiry is kept: {left}");
            undo(&t.0, t.1.as_ref(), &edit).await.expect("and back");
        } else {
            let error = outcome.expect_err("this server does not compare");
            assert!(error.hint.as_deref().is_some_and(|h| h.contains("ACL SETUSER u +eval +evalsha")), "{error:?}");
        }
        assert_eq!(shown(&line(&mut c, "GET k").await), "old", "as before");
        let field = KeyEdit::SetField { field: text("f"), value: text("x"), seen: None };
        let edit = planned(&t, b"h", field).await.expect("planned");
        let error = apply(&t.0, t.1.as_ref(), &edit).await.expect_err("a field needs a script");
        assert_eq!(error.code, ErrorCode::Privilege, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_scripts_have_another_name_is_told_as_such() {
    let renamed = &["--rename-command", "EVAL", "XEVAL", "--rename-command", "EVALSHA", "XEVALSHA"];
    let server = Redis::start_with(renamed).await.expect("Redis");
    let mut c = patient(&server.url()).await;
    line(&mut c, "SET k old").await;
    line(&mut c, "HSET h f v").await;
    let t = target(&server.url());
    let field = KeyEdit::SetField { field: text("f"), value: text("x"), seen: None };
    for (key, edit) in [(b"k", KeyEdit::Set { value: text("new"), seen: None }), (b"h", field)] {
        let edit = planned(&t, key, edit).await.expect("planned");
        let error = apply(&t.0, None, &edit).await.expect_err("this server does not compare");
        assert!(error.message.contains("EVALSHA") && error.message.contains("nothing was altered"), "{error:?}");
        assert!(error.hint.as_deref().is_some_and(|h| h.contains("+eval +evalsha")), "{error:?}");
    }
    assert_eq!(shown(&line(&mut c, "GET k").await), "old", "as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_each_edit_goes_where_its_key_is() {
    let cluster = RedisCluster::start_valkey().await.expect("a cluster");
    let t = target(&cluster.url());
    for i in 0..12 {
        let key = format!("k{i}");
        let edit = planned(&t, key.as_bytes(), KeyEdit::Set { value: text("v"), seen: None }).await.expect("planned");
        apply(&t.0, None, &edit).await.expect("written");
        assert_eq!(look(&t.0, None, &edit).await.expect("asked").0, EditState::AsWritten, "{key}");
        let edit = planned(&t, key.as_bytes(), KeyEdit::Delete).await.expect("planned");
        apply(&t.0, None, &edit).await.expect("removed");
        undo(&t.0, None, &edit).await.expect("restored");
    }
    let error = planned(&t, b"k1", KeyEdit::Rename { to: text("k2") }).await.expect_err("other slots");
    assert!(error.message.contains("different slots"), "refused by name: {error:?}");
    let edit = planned(&t, b"{k1}", KeyEdit::Set { value: text("v"), seen: None }).await.expect("planned");
    apply(&t.0, None, &edit).await.expect("written");
    let edit = planned(&t, b"{k1}", KeyEdit::Rename { to: text("{k1}:2") }).await.expect("one slot");
    apply(&t.0, None, &edit).await.expect("renamed");
    undo(&t.0, None, &edit).await.expect("and back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_or_said_beforehand() {
    let server = Redis::start().await.expect("Redis");
    let mut c = patient(&server.url()).await;
    let t = target(&server.url());
    line(&mut c, "SETRANGE large 3000000 x").await;
    let error = planned(&t, b"large", KeyEdit::Set { value: text("v"), seen: None }).await.expect_err("too long");
    assert_eq!(error.code, ErrorCode::Unsupported, "{error:?}");
    let edit = planned(&t, b"large", KeyEdit::Delete).await.expect("planned");
    assert!(!edit.undoes() && edit.undo_statement().is_none(), "no snapshot of it");
    assert!(edit.notes().iter().any(|n| n.contains("cannot be undone")), "said beforehand: {:?}", edit.notes());
    line(&mut c, "APPEND large y").await;
    assert_eq!(apply(&t.0, None, &edit).await.expect_err("changed").code, ErrorCode::Conflict);
    let edit = planned(&t, b"large", KeyEdit::Delete).await.expect("planned");
    apply(&t.0, None, &edit).await.expect("removed");
    assert_eq!(shown(&line(&mut c, "EXISTS large").await), "0", "gone");
    let words = format!("{}{}{:?}", edit.title(), edit.statement(), edit);
    assert!(!words.contains("large"), "no name is in what is stored: {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_or_busy_is_said_to_be_so_and_nothing_is_written() {
    let server = Redis::start().await.expect("Redis");
    let mut c = patient(&server.url()).await;
    let t = target(&server.url());
    line(&mut c, "SET k old").await;
    let edit = planned(&t, b"k", KeyEdit::Set { value: text("new"), seen: None }).await.expect("planned");
    line(&mut c, "CONFIG SET maxmemory 1").await;
    let error = apply(&t.0, None, &edit).await.expect_err("no room");
    assert!(error.message.contains("out of memory"), "{error:?}");
    line(&mut c, "CONFIG SET maxmemory 0").await;
    line(&mut c, "CONFIG SET lua-time-limit 1").await;
    let mut busy = patient(&server.url()).await;
    let endless = tokio::spawn(async move {
        let script = redis::cmd("EVAL").arg("while true do end").arg(0).exec_async(&mut busy).await;
        script.expect_err("killed");
    });
    let is_busy = async || redis::cmd("PING").exec_async(&mut c.clone()).await.is_err_and(|e| e.code() == Some("BUSY"));
    perfdeck_testkit::eventually(std::time::Duration::from_secs(10), is_busy).await;
    let error = apply(&t.0, None, &edit).await.expect_err("busy");
    assert!(error.message.contains("busy with a script") && error.retryable, "{error:?}");
    line(&mut c, "SCRIPT KILL").await;
    endless.await.expect("ended");
    assert_eq!(shown(&line(&mut c, "GET k").await), "old", "nothing was written");
    line(&mut c, "DEL k").await;
    line(&mut c, "RPUSH k 1").await;
    assert_eq!(apply(&t.0, None, &edit).await.expect_err("another type").code, ErrorCode::Conflict);
}
