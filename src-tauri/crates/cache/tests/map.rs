//! Maps of key spaces of known composition, on real servers.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_cache::{MapAsked, MapRun, MapWanted, MemoryCache};
use perfdeck_model::{CacheMap, CacheMapPage, ErrorCode, MapCount, MapDetail, MapNamespace, MapOrder, MapState};
use perfdeck_testkit::{Redis, RedisCluster, eventually};
use redis::aio::MultiplexedConnection;

use crate::target;

fn run(detail: MapDetail, seed: u64) -> Arc<MapRun> {
    MapRun::new(MapWanted { detail, seed, ..MapWanted::default() }, "m".into(), 0.0)
}

async fn mapped(url: &str, detail: MapDetail, seed: u64) -> Arc<MapRun> {
    let (target, password) = target(url);
    let run = run(detail, seed);
    run.scan(&target, password.as_ref()).await.expect("it is read");
    run
}

pub(crate) fn page(run: &MapRun, path: &str) -> CacheMapPage {
    run.page(&MapAsked { path: path.into(), order: MapOrder::Bytes, skip: 0, most: 500, depth: 1 })
        .expect("it is there")
}

pub(crate) fn all(map: &CacheMap) -> &MapNamespace {
    map.all.as_ref().expect("of all")
}

/// Namespaces at the top by name.
fn top(run: &MapRun) -> BTreeMap<String, MapNamespace> {
    page(run, "").namespaces.into_iter().map(|n| (n.name.clone(), n)).collect()
}

pub(crate) fn exact(value: f64) -> MapCount {
    MapCount::Exact { value }
}

/// Runs commands in pipelines. Nodes of a cluster refuse what is not theirs.
pub(crate) async fn pipelined(connection: &mut MultiplexedConnection, commands: impl IntoIterator<Item = redis::Cmd>) {
    let all: Vec<redis::Cmd> = commands.into_iter().collect();
    for chunk in all.chunks(2_000) {
        let mut pipe = redis::pipe();
        chunk.iter().for_each(|command| {
            pipe.add_command(command.clone()).ignore();
        });
        let done = pipe.exec_async(connection).await;
        assert!(done.as_ref().err().and_then(redis::RedisError::code).is_none_or(|code| code == "MOVED"), "{done:?}");
    }
}

/// A connection that waits as long as it takes: others use this machine too.
pub(crate) async fn patient(server: &Redis) -> MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(server.url()).expect("a client");
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
}

/// A server that makes keys by itself.
pub(crate) async fn populated(keys: &str, arguments: &[&str]) -> Redis {
    let server = Redis::start_with(&[&["--enable-debug-command", "yes"], arguments].concat()).await.expect("Redis");
    cmd(&[b"DEBUG", b"POPULATE", keys.as_bytes(), b"key"])
        .exec_async(&mut patient(&server).await)
        .await
        .expect("filled");
    server
}

pub(crate) fn cmd(words: &[&[u8]]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command
}

/// Users with a profile that never expires, sessions of an hour or so, and a few large hashes: 6,010 keys.
fn composition() -> Vec<redis::Cmd> {
    let mut all = Vec::new();
    for i in 0..3_000 {
        let value = vec![b'x'; 50 + i % 400];
        all.push(cmd(&[b"SET", format!("user:{i}:profile").as_bytes(), &value]));
    }
    for i in 0..3_000 {
        let (name, ttl) = (format!("session:{:032x}", i * 7_919), (3_000 + i % 1_000).to_string());
        all.push(cmd(&[b"SET", name.as_bytes(), b"s", b"EX", ttl.as_bytes()]));
    }
    for i in 0..10 {
        let key = format!("big:h{i}");
        let fields: Vec<String> = (0..200).map(|f| format!("field{f}")).collect();
        let mut hash = cmd(&[b"HSET", key.as_bytes()]);
        for field in &fields {
            hash.arg(field).arg("some value");
        }
        all.push(hash);
    }
    all
}

/// What the servers say of each key themselves: bytes by the first part of its name.
async fn truth(connection: &mut MultiplexedConnection) -> BTreeMap<String, (f64, f64)> {
    let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(connection).await.expect("names");
    let mut sums = BTreeMap::new();
    for chunk in names.chunks(2_000) {
        let mut pipe = redis::pipe();
        for name in chunk {
            pipe.cmd("MEMORY").arg("USAGE").arg(name).arg("SAMPLES").arg(5);
        }
        let bytes: Vec<u64> = pipe.query_async(connection).await.expect("sizes");
        for (name, bytes) in chunk.iter().zip(bytes) {
            let first = String::from_utf8_lossy(name).split(':').next().unwrap_or_default().to_owned();
            let sum = sums.entry(first).or_insert((0.0, 0.0));
            *sum = (sum.0 + 1.0, sum.1 + bytes as f64);
        }
    }
    sums
}

async fn exact_is_equal(url: &str, truth: &BTreeMap<String, (f64, f64)>) {
    let run = mapped(url, MapDetail::Exact, 1).await;
    let map = run.map();
    assert_eq!((map.state, map.exact, map.progress), (MapState::Finished, true, Some(1.0)), "{:?}", map.notes);
    let (keys, bytes) = truth.values().fold((0.0, 0.0), |sum, (keys, bytes)| (sum.0 + keys, sum.1 + bytes));
    assert_eq!((all(&map).keys, all(&map).bytes), (exact(keys), Some(exact(bytes))), "all of it");
    for namespace in page(&run, "").namespaces {
        let first = namespace.name.split(':').next().unwrap_or_default();
        let (keys, bytes) = truth[first];
        assert_eq!((namespace.keys, namespace.bytes), (exact(keys), Some(exact(bytes))), "{}", namespace.name);
    }
    let top = top(&run);
    assert_eq!(top.keys().collect::<Vec<_>>(), ["big:*", "session:*", "user:*:profile"], "as they are named");
    let users = &top["user:*:profile"];
    assert_eq!(users.without_expiry, Some(exact(3_000.0)), "none expires");
    assert_eq!(users.ttl.as_ref().and_then(|t| t.median_s), None, "so there is no median");
    let sessions = &top["session:*"];
    assert_eq!(sessions.without_expiry, Some(exact(0.0)), "all expire");
    let ttl = sessions.ttl.as_ref().expect("asked");
    assert!(ttl.median_s.is_some_and(|s| (2_048.0..4_096.0).contains(&s)), "in about an hour: {ttl:?}");
    assert_eq!(ttl.buckets.iter().map(|b| b.keys).sum::<f64>(), 3_000.0, "each in one bucket");
    assert_eq!(top["big:*"].types[0].name, "hash", "{:?}", top["big:*"].types);
    assert_eq!(sessions.pattern.as_ref().and_then(|p| p.text()), Some("session:*"), "as a pattern");
    assert_eq!(sessions.examples.len(), 8, "with examples");
    assert_eq!(page(&run, &top["big:*"].path).namespaces.len(), 10, "and what is inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_maps_are_equal_to_what_is_there_and_sampled_ones_within_their_bars() {
    for server in [Redis::start().await.expect("Redis"), Redis::start_valkey(&[]).await.expect("Valkey")] {
        let mut connection = patient(&server).await;
        pipelined(&mut connection, composition()).await;
        let truth = truth(&mut connection).await;
        exact_is_equal(&server.url(), &truth).await;

        // More keys than are all asked: 60,000 of 25 to 425 bytes, in seven namespaces.
        let more = (0..60_000_u32).map(|i| {
            let name = format!("{}:{i}", ["a", "b", "c", "d", "e", "f", "g"][i as usize % 7]);
            cmd(&[b"SET", name.as_bytes(), &vec![b'v'; (i.wrapping_mul(2_654_435_761) % 400) as usize]])
        });
        pipelined(&mut connection, more).await;
        let truth = self::truth(&mut connection).await;
        let mut inside = 0;
        for seed in 0..10 {
            let run = mapped(&server.url(), MapDetail::Sampled, seed).await;
            let map = run.map();
            assert!(map.exact && map.sampled < 13_000.0, "counts are exact and a part was asked: {}", map.sampled);
            let top = top(&run);
            for name in ["a", "b", "c", "d", "e", "f", "g"] {
                let found = &top[&format!("{name}:*")];
                let (keys, bytes) = truth[name];
                assert_eq!(found.keys, exact(keys), "counted");
                let (low, high) = found.bytes.expect("estimated").bounds();
                inside += u32::from(low <= bytes && high.is_some_and(|high| bytes <= high));
                // The spread of evenly drawn sizes from 0 to 400, with the correction for a finite population.
                let sampled = found.sampled;
                let formula = 1.96 * keys * 400.0 / 12_f64.sqrt() / sampled.sqrt() * (1.0 - sampled / keys).sqrt();
                let half = high.map_or(f64::INFINITY, |high| (high - low) / 2.0);
                assert!(half <= 1.2 * formula, "as short as the formula: {half} against {formula}");
            }
            assert_eq!(top["big:*"].bytes, Some(exact(truth["big"].1)), "small namespaces are asked whole");
        }
        assert!(inside >= 63, "of 70 bars, seven namespaces with ten seeds, {inside} have the truth inside");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_are_mapped_whole() {
    for cluster in [RedisCluster::start().await.expect("Redis"), RedisCluster::start_valkey().await.expect("Valkey")] {
        let mut truth = BTreeMap::new();
        for node in cluster.nodes() {
            let mut connection = patient(node).await;
            pipelined(&mut connection, composition()).await;
            for (name, (keys, bytes)) in self::truth(&mut connection).await {
                let sum = truth.entry(name).or_insert((0.0, 0.0));
                *sum = (sum.0 + keys, sum.1 + bytes);
            }
        }
        exact_is_equal(&cluster.url(), &truth).await;
        let map = mapped(&cluster.url(), MapDetail::Names, 1).await.map();
        assert_eq!((map.nodes.len(), map.exact), (3, true), "each node: {:?}", map.notes);
        assert!(map.nodes.iter().all(|node| node.finished && node.keys_read > 1_000.0), "{:?}", map.nodes);
        // By the address of one node it is said that it is a part.
        let part = mapped(&cluster.urls()[0], MapDetail::Names, 1).await.map();
        assert!(part.notes.iter().any(|n| n.contains("one node of a cluster") && n.contains("redis+cluster://")));
    }
}

/// Names of any bytes, patterns that mean themselves, and answers that are errors.
#[tokio::test(flavor = "multi_thread")]
async fn odd_names_are_counted_and_their_patterns_match_them_only() {
    let server = Redis::start().await.expect("Redis");
    let mut connection = patient(&server).await;
    let long = vec![b'n'; 4_096];
    let odd: [&[u8]; 8] =
        [b"", &long, b"\xff\xfe:\x00:1", b"g*[a-z]?:1", b"g*[a-z]?:2", b"g\\:1", b"gx:1", b"line\r\n:1"];
    pipelined(&mut connection, odd.iter().map(|name| cmd(&[b"SET", name, b"v"]))).await;
    let run = mapped(&server.url(), MapDetail::Exact, 1).await;
    let map = run.map();
    assert_eq!(all(&map).keys, exact(8.0), "all of them");
    assert_eq!(all(&map).bytes.map(MapCount::is_exact), Some(true), "each was asked");
    let mut keys = 0.0;
    for namespace in page(&run, "").namespaces {
        let pattern = namespace.pattern.as_ref().expect("a pattern").bytes().expect("bytes");
        let mut matched: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg(&pattern).query_async(&mut connection).await.expect("names");
        // What is too long for a word stands for any name.
        matched.retain(|name| pattern != b"*" || name.len() == 4_096);
        assert_eq!(namespace.keys, exact(matched.len() as f64), "{} matches {matched:?}", namespace.name);
        keys += namespace.keys.value();
    }
    assert_eq!(keys, 8.0, "and none twice");
    assert!(run.page(&MapAsked { path: "zz".into(), ..MapAsked::default() }).is_err(), "what is no path is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_may_not_ask_everything_get_what_they_may() {
    let server = Redis::start().await.expect("Redis");
    let mut connection = patient(&server).await;
    pipelined(&mut connection, composition()).await;
    let users: [(&str, &[&str]); 4] = [
        ("nosize", &["~*", "+@all", "-dbsize"]),
        ("nomemory", &["~*", "+@all", "-memory"]),
        ("partly", &["~user:*", "+@all"]),
        ("noscan", &["~*", "+@all", "-scan"]),
    ];
    for (user, rules) in users {
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user).arg("on").arg(">p").arg(rules);
        set.exec_async(&mut connection).await.expect("a user");
    }
    let url = |user: &str| format!("redis://{user}:p@127.0.0.1:{}/0", server.port());

    let map = mapped(&url("nomemory"), MapDetail::Exact, 1).await.map();
    assert_eq!((all(&map).keys, all(&map).bytes), (exact(6_010.0), None), "counts, and no bytes");
    assert!(all(&map).without_expiry.is_some_and(MapCount::is_exact), "the rest works");
    let node = &map.nodes[0];
    assert!(node.finished && node.problem.as_ref().is_some_and(|p| p.contains("MEMORY USAGE")), "{node:?}");
    assert!(node.hint.as_ref().is_some_and(|h| h.starts_with("ACL SETUSER nomemory +scan")), "{node:?}");

    // Errors amid the pipeline belong to their keys.
    let run = mapped(&url("partly"), MapDetail::Exact, 1).await;
    let (map, top) = (run.map(), top(&run));
    assert_eq!(map.nodes[0].refused, 3_010.0, "every other key was refused: {:?}", map.nodes);
    assert!(top["user:*:profile"].bytes.is_some_and(MapCount::is_exact), "those that are allowed are exact");
    let hidden: Vec<&MapNamespace> = top.values().filter(|n| !n.name.starts_with("user:")).collect();
    assert!(
        !hidden.is_empty() && hidden.iter().all(|n| n.keys.is_exact()),
        "each that is refused is counted: {hidden:?}"
    );
    for of in hidden {
        assert_eq!((of.bytes, of.without_expiry, of.share_of_bytes), (None, None, None), "and nothing made up: {of:?}");
        assert!(of.types.is_empty() && of.ttl.is_none() && of.bytes_per_key.is_none(), "of what it is: {of:?}");
    }
    let seen: f64 = top.values().filter_map(|n| n.bytes).map(MapCount::value).sum();
    assert_eq!(all(&map).bytes, Some(MapCount::AtLeast { value: seen }), "of the whole only what was seen is known");
    assert!(matches!(all(&map).without_expiry, Some(MapCount::AtLeast { .. })), "{:?}", all(&map));
    assert_eq!(all(&map).share_of_bytes, None, "no share of what is not known");
    assert_eq!(map.nodes[0].hint.as_deref(), Some("ACL SETUSER partly %R~*"), "the rule that is missing");
    assert!(map.notes.iter().any(|note| note.contains("010 keys that were asked may not be seen")), "{:?}", map.notes);

    // Of a sample nothing is made up either.
    let map = mapped(&url("partly"), MapDetail::Sampled, 1).await.map();
    assert!(all(&map).keys.is_exact(), "counts need no questions: {:?}", all(&map).keys);
    assert!(
        matches!(all(&map).bytes, Some(MapCount::AtLeast { value }) if value > 0.0 && value <= seen),
        "{:?}",
        all(&map)
    );

    let map = mapped(&url("nosize"), MapDetail::Exact, 1).await.map();
    assert!(map.notes.iter().any(|note| note.contains("ACL SETUSER nosize +dbsize")), "{:?}", map.notes);
    assert!(!map.notes.iter().any(|note| note.contains("came, went")), "nothing did: {:?}", map.notes);

    let run = run_of(MapDetail::Names);
    let (target, password) = target(&url("noscan"));
    let error = run.scan(&target, password.as_ref()).await.expect_err("nothing can be read");
    assert_eq!(error.code, ErrorCode::Privilege, "{error}");
    assert!(error.message.contains("list keys (SCAN)"), "{error}");
    assert_eq!(run.map().state, MapState::Unfinished, "and the map says so");
}

fn run_of(detail: MapDetail) -> Arc<MapRun> {
    run(detail, 1)
}

/// A scan that waits after its first page, so that something can happen meanwhile. It looks for a lost server for so many seconds.
pub(crate) async fn held(url: &str, paced: bool, patience_s: u64) -> (Arc<MapRun>, tokio::task::JoinHandle<()>) {
    let (target, password) = target(url);
    let patience = Some(Duration::from_secs(patience_s));
    let run = MapRun::new(MapWanted { paced, patience, ..MapWanted::default() }, "m".into(), 0.0);
    run.pause(true);
    let scan = run.clone();
    let task = tokio::spawn(async move { scan.scan(&target, password.as_ref()).await.expect("something was read") });
    eventually(Duration::from_secs(20), async || {
        run.map().nodes.iter().all(|n| n.keys_read > 0.0) && run.map().keys_read > 0.0
    })
    .await;
    (run, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_scan_shows_its_doubt_and_goes_on() {
    let server = populated("400000", &[]).await;
    let (run, task) = held(&server.url(), true, 20).await;
    let paused = run.map();
    assert_eq!((paused.state, paused.exact), (MapState::Paused, false), "it waits: {paused:?}");
    assert!(paused.keys_read < 400_000.0 && paused.progress.is_some_and(|p| p < 1.0), "not all was read");
    let keys = page(&run, "").namespaces[0].keys;
    assert!(matches!(keys, MapCount::Estimate { high, .. } if high >= 400_000.0), "an estimate with bars: {keys:?}");
    let before = keys.bounds();
    // What goes meanwhile is doubt too.
    let gone = b"for i = 0, 99999 do redis.call('DEL', 'key:' .. i) end";
    cmd(&[b"EVAL", gone, b"0"]).exec_async(&mut patient(&server).await).await.expect("gone");
    eventually(Duration::from_secs(10), async || run.map().churn >= 100_000.0).await;
    let now = page(&run, "").namespaces[0].keys;
    assert!(now.bounds().0 < before.0, "never less doubt than it has: {now:?} after {before:?}");
    // What was made for what went leaves the counters as they were, and is doubt all the same.
    let replaced =
        b"for i = 100000, 199999 do redis.call('DEL', 'key:' .. i) redis.call('SET', 'other:' .. i, 'v') end";
    cmd(&[b"EVAL", replaced, b"0"]).exec_async(&mut patient(&server).await).await.expect("replaced");
    let honest = async || {
        let (low, high) = page(&run, "").namespaces[0].keys.bounds();
        low <= 200_000.0 && high.is_some_and(|high| high >= 200_000.0)
    };
    eventually(Duration::from_secs(10), honest).await;
    run.gentler();
    assert!(run.map().pace.cpu_limit < paused.pace.cpu_limit, "gentler is half of it");
    run.pause(false);
    run.stop();
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!(map.state, MapState::Unfinished, "stopped: {map:?}");
    assert!(map.keys_read > 0.0 && !map.exact && map.nodes[0].problem.is_some(), "what was read is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_leaves_an_unfinished_map() {
    let mut server = populated("300000", &[]).await;
    let (run, task) = held(&server.url(), true, 1).await;
    server.stop();
    run.pause(false);
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!(map.state, MapState::Unfinished, "{map:?}");
    let problem = map.nodes[0].problem.clone().unwrap_or_default();
    assert!(problem.contains("closed the connection; it was tried again in vain for 1"), "{problem}");
    assert!(problem.contains("refused the connection"), "and what was wrong last: {problem}");
    assert!(map.keys_read > 0.0 && !page(&run, "").namespaces.is_empty(), "with what it has");
    assert!(!page(&run, "").namespaces[0].keys.is_exact(), "and its doubt");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_cannot_be_read_say_why() {
    let refused = async |url: &str| {
        let (target, password) = target(url);
        let run = run_of(MapDetail::Names);
        let error = run.scan(&target, password.as_ref()).await.expect_err("it cannot be read");
        assert_eq!(run.map().state, MapState::Unfinished, "{error}");
        error
    };
    let server = Redis::start_with(&["--maxclients", "1"]).await.expect("Redis");
    let taken = server.connect().await.expect("the only place");
    let error = refused(&server.url()).await;
    assert!(error.message.contains("All client slots"), "{error}");
    drop(taken);

    // A dump of many keys takes a second to load.
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_string_lossy().into_owned();
    let mut server = populated(
        "20000",
        &["--dir", &dir, "--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"],
    )
    .await;
    cmd(&[b"SAVE"]).exec_async(&mut patient(&server).await).await.expect("saved");
    let url = server.url();
    let loading = async {
        loop {
            let (target, password) = target(&url);
            if let Err(error) = run_of(MapDetail::Names).scan(&target, password.as_ref()).await
                && error.message.contains("loading")
            {
                return error;
            }
        }
    };
    let (error, _) = tokio::join!(tokio::time::timeout(Duration::from_secs(20), loading), server.restart());
    assert!(error.expect("it was seen").message.contains("is loading its data set"), "said");

    let full = populated("60000", &["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]).await;
    let error = refused(&full.url()).await;
    assert!(error.code == ErrorCode::Guarded && error.message.contains("95 %"), "{error}");

    // A script that does not end; Redis then answers BUSY to all.
    let busy = Redis::start_with(&["--busy-reply-threshold", "1"]).await.expect("Redis");
    let mut script = busy.connect().await.expect("a connection");
    let running = tokio::spawn(async move {
        let _: Result<(), _> = redis::cmd("EVAL").arg("while true do end").arg(0).exec_async(&mut script).await;
    });
    let url = busy.url();
    let seen = async {
        loop {
            let (target, password) = target(&url);
            match run_of(MapDetail::Names).scan(&target, password.as_ref()).await {
                Err(error) if error.message.contains("busy") => return error,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(20), seen).await.expect("it was seen");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("SCRIPT KILL")), "{error:?}");
    let _ = busy.execute(&["SCRIPT", "KILL"]).await;
    let _ = running.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_during_a_scan_are_read_where_they_went() {
    let cluster = RedisCluster::start().await.expect("Redis");
    for node in cluster.nodes() {
        let mut connection = patient(node).await;
        pipelined(&mut connection, (0..60_000).map(|i| cmd(&[b"SET", format!("k:{i}").as_bytes(), b"v"]))).await;
        // All of one slot, 3443, of the first node: more than a server gives at once.
        let one = (0..2_500).map(|i| cmd(&[b"SET", format!("{{user1000}}:{i}").as_bytes(), b"v"]));
        pipelined(&mut connection, one).await;
    }
    let (run, task) = held(&cluster.url(), false, 20).await;
    // A slot with keys goes from the first node to the last, key by key.
    let [from, _, to] = cluster.nodes() else { panic!("three nodes") };
    let id = async |node: &Redis| -> String {
        let id: String =
            redis::from_redis_value(node.execute(&["CLUSTER", "MYID"]).await.expect("an id")).expect("text");
        id
    };
    let (from_id, to_id) = (id(from).await, id(to).await);
    for slot in ["100", "200", "3443"] {
        to.execute(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]).await.expect("importing");
        from.execute(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]).await.expect("migrating");
        let keys: Vec<String> =
            redis::from_redis_value(from.execute(&["CLUSTER", "GETKEYSINSLOT", slot, "10000"]).await.expect("keys"))
                .expect("names");
        assert!(!keys.is_empty(), "the slot has keys");
        let (port, keys) = (to.port().to_string(), keys.iter().map(String::as_str));
        let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        from.execute(&migrate.into_iter().chain(keys).collect::<Vec<_>>()).await.expect("moved");
        for node in cluster.nodes() {
            node.execute(&["CLUSTER", "SETSLOT", slot, "NODE", &to_id]).await.expect("assigned");
        }
    }
    run.pause(false);
    task.await.expect("it ended");
    let map = run.map();
    assert!(map.notes.iter().any(|note| note.starts_with("3 slots moved")), "{:?}", map.notes);
    assert!(!map.exact, "and nothing is called exact");
    let (low, high) = all(&map).keys.bounds();
    assert!(
        low <= 62_500.0 && high.is_some_and(|high| high >= 62_500.0),
        "all are within its bounds: {:?}",
        all(&map).keys
    );
    assert!(
        (all(&map).keys.value() - 62_500.0).abs() < 100.0,
        "and nearly none is missing or twice: {:?}",
        all(&map).keys
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_where_that_is_asked_for() {
    let primary = populated("1000", &[]).await;
    let replica =
        Redis::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]).await.expect("a replica");
    primary.execute(&["SET", "last", "v"]).await.expect("set");
    let copied = async || {
        let size: i64 = redis::from_redis_value(replica.execute(&["DBSIZE"]).await.expect("a size")).expect("a number");
        let told = format!("{:?}", primary.execute(&["INFO", "replication"]).await.expect("replicas"));
        size >= 1 && told.contains("state=online") && told.contains("lag=")
    };
    eventually(Duration::from_secs(20), copied).await;
    let (target, password) = target(&primary.url());
    let run = MapRun::new(MapWanted { replica: true, ..MapWanted::default() }, "m".into(), 0.0);
    run.scan(&target, password.as_ref()).await.expect("it is read");
    let map = run.map();
    assert_eq!(map.nodes[0].address, format!("127.0.0.1:{}", replica.port()), "the replica");
    assert!(map.nodes[0].replica && map.notes.iter().any(|note| note.contains("is a replica")), "{:?}", map.notes);
    let scans = async |server: &Redis| {
        let info: String =
            redis::from_redis_value(server.execute(&["INFO", "commandstats"]).await.expect("counts")).expect("text");
        info.contains("cmdstat_scan:")
    };
    assert!(scans(&replica).await && !scans(&primary).await, "and the primary was spared");
}

#[tokio::test]
async fn the_cache_in_this_process_is_exact_and_says_what_it_lacks() {
    let cache = MemoryCache::new(1 << 20);
    for i in 0..40 {
        cache.set(&format!("user:{i}"), vec![1_u8; 10], (i % 4 != 0).then(|| Duration::from_secs(60))).await;
    }
    let run = run_of(MapDetail::Sampled);
    run.read_memory(&cache);
    let map = run.map();
    assert_eq!((map.state, map.exact, all(&map).keys), (MapState::Finished, true, exact(40.0)), "{map:?}");
    let users = &top(&run)["user:*"];
    assert_eq!(users.bytes, Some(exact(30.0 * 7.0 + 10.0 * 6.0 + 40.0 * 74.0)), "its own accounting");
    assert_eq!(users.without_expiry, Some(exact(10.0)), "a quarter never expires");
    assert!(map.notes[0].contains("does not keep when a key expires"), "{:?}", map.notes);
}
