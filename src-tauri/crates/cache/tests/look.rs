//! What servers tell of themselves, against real ones: Redis 6.2, 7.0 and 8.2, Valkey 9, a cluster, an account without rights.
use std::time::{Duration, Instant};

use perfdeck_cache::{CacheReader, MemoryCache};
use perfdeck_model::{CacheClientState, CacheMode, CacheSlowKind, CheckState, HealthCheck, SystemClock, TargetHealth};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel};
use redis::aio::MultiplexedConnection;

use crate::target;

fn reader(url: &str) -> CacheReader {
    let (target, password) = target(url);
    CacheReader::new(target, password)
}

/// Runs a pipeline of commands, each a line of words.
async fn run(connection: &mut MultiplexedConnection, lines: &[&str]) {
    let mut all = redis::pipe();
    for line in lines {
        let mut words = line.split(' ');
        let command = all.cmd(words.next().expect("a command"));
        for word in words {
            command.arg(word);
        }
        command.ignore();
    }
    all.exec_async(connection).await.expect("runs");
}

/// A client that waits in BLPOP.
fn blocked(mut connection: MultiplexedConnection) {
    connection.set_response_timeout(Duration::from_secs(60));
    tokio::spawn(async move {
        let _: Result<redis::Value, _> = redis::cmd("BLPOP").arg("queue").arg(0).query_async(&mut connection).await;
    });
}

fn check<'a>(health: &'a TargetHealth, id: &str) -> &'a HealthCheck {
    health.checks.iter().find(|c| c.id == id).unwrap_or_else(|| panic!("{id} among {:#?}", health.checks))
}

/// What a healthy cache has: a limit, a policy that evicts, and keys that expire.
const HEALTHY: &[&str] = &["--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lfu"];

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_within_a_second_and_without_a_scan() {
    for server in [
        Redis::start_old(HEALTHY).await.expect("Redis 6.2"),
        Redis::start_with(HEALTHY).await.expect("Redis 7.0"),
        Redis::start_new(HEALTHY).await.expect("Redis 8.2"),
        Redis::start_valkey(HEALTHY).await.expect("Valkey 9"),
    ] {
        let mut traffic = server.connect().await.expect("a connection");
        run(
            &mut traffic,
            &["SET user:1 x EX 600", "GET user:1", "GET user:2", "RPUSH list a b c", "EXPIRE list 600", "SELECT 3"],
        )
        .await;
        run(&mut traffic, &["SET other y EX 600", "SELECT 0"]).await;
        let mut reader = reader(&server.url());
        let started = Instant::now();
        let look = reader.look(&SystemClock).await.expect("a look");
        assert!(started.elapsed() < Duration::from_secs(1), "{}: {:?}", look.version, started.elapsed());
        let version = look.version.clone();
        assert_eq!((look.keys, look.expiring, look.databases.len()), (3, 3, 2), "{version}: exact, of all databases");
        assert_eq!(look.totals.hit_ratio, Some(0.5), "{version}: one of two look-ups found something");
        assert_eq!(look.recent, None, "{version}: a rate needs two readings");
        let get = look.commands.iter().find(|c| c.name == "GET").expect("GET");
        assert_eq!(get.calls, 2, "{version}: {get:?}");
        let timed = !version.contains("6.2");
        assert_eq!(
            (get.p50_s.is_some(), get.p99_s.is_some()),
            (timed, timed),
            "{version}: times of commands from 7.0 on"
        );
        let ours = look.commands.iter().find(|c| ["PING", "SLOWLOG GET", "LATENCY LATEST"].contains(&c.name.as_str()));
        assert_eq!(ours, None, "{version}: nothing of Perfdeck's own");
        let sizes: Vec<(&str, bool, u64)> = look.sizes.iter().map(|s| (s.of.as_str(), s.in_bytes, s.keys)).collect();
        let unknown = |part: &str| look.unknown.iter().any(|u| u.part == part);
        if version.contains("8.2") {
            assert_eq!(sizes, [("strings", true, 2), ("lists", false, 1)], "{version}");
        } else {
            assert!(
                sizes.is_empty() && unknown("Sizes by type"),
                "{version} keeps none, and says so: {:?}",
                look.unknown
            );
        }
        assert!(unknown("Latency spikes"), "{version}: its monitor is off, and what turns it on is told");
        let fix = look.unknown.iter().find_map(|u| u.fix.as_deref());
        assert_eq!(fix, Some("CONFIG SET latency-monitor-threshold 100"));
        assert_eq!(look.findings, [], "{version}: nothing is wrong with it");
        let libc = look.memory.allocator.as_deref() == Some("libc");
        assert_eq!(
            look.memory.fragmentation.is_none(),
            libc,
            "{version}: only an allocator that counts its pages has it"
        );
        assert_eq!(look.memory.limit_bytes, Some(209_715_200.0), "{version}");

        // A second later there are rates, of what others did alone.
        run(&mut traffic, &["GET user:1"; 30]).await;
        let end = Instant::now() + Duration::from_secs(10);
        let (again, recent) = loop {
            let again = reader.look(&SystemClock).await.expect("a second look");
            if let Some(recent) = again.recent.clone() {
                break (again, recent);
            }
            assert!(Instant::now() < end, "{version}: no rates");
        };
        assert!(
            (recent.commands_per_s * recent.over_s - 30.0).abs() < 0.5,
            "{version}: thirty commands of others: {recent:?}"
        );
        assert!(recent.own_per_s > 0.0 && recent.hit_ratio == Some(1.0), "{version}: {recent:?}");
        let first = &again.commands[0];
        assert_eq!(
            (first.name.as_str(), first.recent.as_ref().map(|r| r.share)),
            ("GET", Some(1.0)),
            "{version}: {first:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_defects_are_found_with_what_mends_them() {
    let server =
        Redis::start_with(&["--maxclients", "6", "--slowlog-log-slower-than", "0", "--enable-debug-command", "yes"])
            .await
            .expect("Redis");
    let mut traffic = server.connect().await.expect("a connection");
    for i in 0..40 {
        run(&mut traffic, &[&format!("SET session:{i} x")]).await;
    }
    run(&mut traffic, &["DEBUG SLEEP 0.15"]).await;
    blocked(server.connect().await.expect("a connection"));
    // More clients than it takes.
    let mut held = Vec::new();
    while let Ok(connection) = server.connect().await {
        held.push(connection);
        assert!(held.len() < 20, "the server refuses at six");
    }
    held.clear();
    let mut reader = reader(&server.url());
    let end = Instant::now() + Duration::from_secs(10);
    let health = loop {
        let health = reader.health(&SystemClock).await;
        if check(&health, "reachable").state == CheckState::Ok || Instant::now() > end {
            break health;
        }
    };
    for (id, state, word) in [
        ("policy", CheckState::Warning, "no maxmemory"),
        ("rejected", CheckState::Warning, "since it began"),
        ("slow_commands", CheckState::Failing, "DEBUG SLEEP"),
        ("keys_without_expiry", CheckState::Warning, "40 of 40"),
        ("blocked_clients", CheckState::Warning, "BLPOP"),
    ] {
        let found = check(&health, id);
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.reason.contains(word), "{found:?}");
        assert!(found.fix.is_some(), "what mends it is said: {found:?}");
    }
    for id in ["reachable", "latency", "replication", "persistence", "evictions", "fragmentation", "output_buffers"] {
        assert_eq!(check(&health, id).state, CheckState::Ok, "{:?}", check(&health, id));
    }
    assert_eq!(health.state, CheckState::Failing, "the worst of them");
    assert!(health.took_s < 5.0, "{}", health.took_s);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_cache_has_no_finding() {
    for server in
        [Redis::start_with(HEALTHY).await.expect("Redis"), Redis::start_valkey(HEALTHY).await.expect("Valkey")]
    {
        let mut traffic = server.connect().await.expect("a connection");
        for i in 0..50 {
            run(&mut traffic, &[&format!("SET session:{i} x EX 600"), &format!("GET session:{i}")]).await;
        }
        let health = reader(&server.url()).health(&SystemClock).await;
        let wanting: Vec<&HealthCheck> = health.checks.iter().filter(|c| c.state > CheckState::Unknown).collect();
        assert!(wanting.is_empty(), "{wanting:#?}");
        let libc = health.version.as_deref().is_some_and(|v| v.starts_with("Valkey"));
        let state = if libc { CheckState::Unknown } else { CheckState::Ok };
        assert_eq!(
            check(&health, "fragmentation").state,
            state,
            "the C library's allocator cannot tell, and that is nothing missed"
        );
        assert!(!health.is_incomplete() && health.state == CheckState::Ok, "{health:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evictions_and_a_full_store_are_told_apart() {
    let cache = Redis::start_with(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]).await.expect("Redis");
    let store = Redis::start_with(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]).await.expect("Redis");
    let mut readers = [reader(&cache.url()), reader(&store.url())];
    for reader in &mut readers {
        reader.look(&SystemClock).await.expect("a first reading");
    }
    let value = "x".repeat(10_000);
    for server in [&cache, &store] {
        let mut traffic = server.connect().await.expect("a connection");
        for i in 0..500 {
            let set = redis::cmd("SET")
                .arg(format!("page:{i}"))
                .arg(&value)
                .arg("EX")
                .arg(600)
                .exec_async(&mut traffic)
                .await;
            if set.is_err() {
                break;
            }
        }
    }
    let end = Instant::now() + Duration::from_secs(10);
    let evicting = loop {
        // Compared with the reading before the evictions once that is far enough in the past.
        let evicting = readers[0].health(&SystemClock).await;
        if check(&evicting, "evictions").state == CheckState::Warning || Instant::now() > end {
            break evicting;
        }
    };
    let full = readers[1].health(&SystemClock).await;
    assert_eq!(check(&evicting, "evictions").state, CheckState::Warning, "{evicting:#?}");
    assert_eq!(check(&evicting, "memory").state, CheckState::Ok, "a cache that evicts is full by design");
    assert_eq!(check(&full, "memory").state, CheckState::Failing, "{full:#?}");
    assert_eq!(check(&full, "policy").state, CheckState::Warning, "{full:#?}");
    assert_eq!(check(&full, "evictions").state, CheckState::Ok, "it evicts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_finds_nothing_to_evict_refuses_writes_at_the_limit() {
    let start = async |policy: &str| {
        let server = Redis::start_with(&["--maxmemory", "3mb", "--maxmemory-policy", policy]).await.expect("Redis");
        let mut traffic = server.connect().await.expect("a connection");
        let value = "x".repeat(10_000);
        let mut refused = None;
        for i in 0..500 {
            let set = redis::cmd("SET").arg(format!("page:{i}")).arg(&value).exec_async(&mut traffic).await;
            if let Err(error) = set {
                refused = error.code().map(str::to_owned);
                break;
            }
        }
        (server, refused)
    };
    for policy in ["volatile-lru", "volatile-ttl"] {
        let (server, refused) = start(policy).await;
        assert_eq!(refused.as_deref(), Some("OOM"), "{policy} has nothing to evict");
        let health = reader(&server.url()).health(&SystemClock).await;
        let memory = check(&health, "memory");
        assert_eq!((memory.state, health.state), (CheckState::Failing, CheckState::Failing), "{health:#?}");
        for part in [policy, " of 3", "used", "0 of ", "refuses writes"] {
            assert!(memory.reason.contains(part), "{part}: {memory:#?}");
        }
        let fix = memory.fix.as_ref().expect("a step");
        assert_eq!(fix.statement.as_deref(), Some("CONFIG SET maxmemory-policy allkeys-lfu"), "{fix:?}");
    }
    let (server, refused) = start("allkeys-lru").await;
    assert_eq!(refused, None, "any key may go");
    let health = reader(&server.url()).health(&SystemClock).await;
    assert_eq!(check(&health, "memory").state, CheckState::Ok, "{health:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fragmentation_is_the_allocator_s() {
    let server = Redis::start_with(HEALTHY).await.expect("Redis");
    let mut traffic = server.connect().await.expect("a connection");
    traffic.set_response_timeout(Duration::from_secs(60));
    let fill = "for i = 1, 500000 do redis.call('SET', 'k:' .. i, string.rep('x', 150), 'EX', 600) end";
    let thin = "for i = 1, 500000 do if i % 16 ~= 0 then redis.call('DEL', 'k:' .. i) end end";
    for script in [fill, thin] {
        redis::cmd("EVAL").arg(script).arg(0).exec_async(&mut traffic).await.expect("runs");
    }
    let health = reader(&server.url()).health(&SystemClock).await;
    let found = check(&health, "fragmentation");
    assert!(found.state == CheckState::Warning && found.value.is_some_and(|v| v > 1.5), "{found:?}");
    assert_eq!(found.fix.as_ref().and_then(|f| f.statement.as_deref()), Some("CONFIG SET activedefrag yes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_what_is_wrong_with_it_is_asked_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("gone");
    std::fs::create_dir(&dir).expect("a folder");
    let saves = Redis::start_with(&["--dir", &dir.to_string_lossy(), "--save", "3600 1"]).await.expect("Redis");
    saves.execute(&["SET", "a", "1"]).await.expect("a key");
    std::fs::remove_dir_all(&dir).expect("removed");
    let _ = saves.execute(&["SAVE"]).await;
    let _ = saves.execute(&["BGSAVE"]).await;
    let end = Instant::now() + Duration::from_secs(10);
    while saves.execute(&["PING"]).await.is_ok() {
        assert!(Instant::now() < end, "a snapshot fails whose folder is gone");
    }
    let stale = Redis::start().await.expect("Redis");
    stale.execute(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).await.expect("set");
    stale.execute(&["REPLICAOF", "127.0.0.1", "1"]).await.expect("a replica without its primary");
    for (server, code) in [(&saves, "MISCONF"), (&stale, "MASTERDOWN")] {
        let mut reader = reader(&server.url());
        let health = reader.health(&SystemClock).await;
        assert_eq!(check(&health, "reachable").state, CheckState::Ok, "it answers: {health:#?}");
        let serving = check(&health, "serving");
        assert!(serving.state == CheckState::Failing && serving.reason.contains(code), "{serving:#?}");
        assert!(serving.fix.is_some(), "with a step: {serving:#?}");
        assert_ne!(check(&health, "connections").state, CheckState::Unknown, "the rest is told: {health:#?}");
        let log = reader.slow_log(&SystemClock).await.expect("its slow log");
        assert!(log.unknown.is_empty(), "{log:?}");
    }
    let (target, password) = target(&saves.url());
    let run = perfdeck_cache::MapRun::new(perfdeck_cache::MapWanted::default(), "m".into(), 0.0);
    run.scan(&target, password.as_ref()).await.expect("it is read");
    let map = run.map();
    assert_eq!(map.keys_read, 1.0, "its key");
    assert!(map.notes.iter().any(|note| note.contains("MISCONF")), "{:?}", map.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_links_and_failed_snapshots_fail() {
    let primary = Redis::start_with(HEALTHY).await.expect("Redis");
    let mut arguments = vec!["--replicaof".to_owned(), format!("127.0.0.1 {}", primary.port())];
    arguments.extend(HEALTHY.iter().map(|a| (*a).to_owned()));
    let replica =
        Redis::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("a replica");
    let mut of_primary = reader(&primary.url());
    let end = Instant::now() + Duration::from_secs(10);
    let look = loop {
        let look = of_primary.look(&SystemClock).await.expect("a look");
        if look.nodes[0].replicas.iter().any(|r| r.state == "online") || Instant::now() > end {
            break look;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let seen = &look.nodes[0].replicas[0];
    assert!(seen.address.ends_with(&replica.port().to_string()) && seen.lag_s.is_some(), "{seen:?}");
    drop(primary);
    let mut of_replica = reader(&replica.url());
    let down = loop {
        let health = of_replica.health(&SystemClock).await;
        if check(&health, "replication").state == CheckState::Failing || Instant::now() > end {
            break health;
        }
    };
    assert!(check(&down, "replication").reason.contains("is down"), "{down:#?}");

    let server = Redis::start_with(&["--dbfilename", "missing.rdb"]).await.expect("Redis");
    // A snapshot cannot be written where a folder has its name.
    let mut admin = server.connect().await.expect("a connection");
    run(&mut admin, &["SET a b EX 600", "SET b c EX 600"]).await;
    let folder = server.log_path().parent().expect("a folder").to_path_buf();
    std::fs::create_dir(folder.join("missing.rdb")).expect("a folder in its place");
    redis::cmd("BGSAVE").exec_async(&mut admin).await.expect("begun");
    let mut reader = reader(&server.url());
    let failed = loop {
        let health = reader.health(&SystemClock).await;
        if check(&health, "persistence").state == CheckState::Failing || Instant::now() > end {
            break health;
        }
    };
    assert!(check(&failed, "persistence").reason.contains("last snapshot failed"), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_have_no_value_of_anybody() {
    let arguments = ["--slowlog-log-slower-than", "0", "--slowlog-max-len", "200"];
    let valkey = ["--commandlog-request-larger-than", "4000", "--commandlog-reply-larger-than", "4000"];
    let servers = [
        (Redis::start_old(&arguments).await.expect("Redis 6.2"), false),
        (Redis::start_with(&arguments).await.expect("Redis 7.0"), false),
        (Redis::start_new(&arguments).await.expect("Redis 8.2"), false),
        (Redis::start_valkey(&[&arguments[..], &valkey[..]].concat()).await.expect("Valkey 9"), true),
    ];
    for (server, sizes) in servers {
        let mut traffic = server.connect().await.expect("a connection");
        let secret = format!("canary{}", "x".repeat(5_000));
        run(
            &mut traffic,
            &["CLIENT SETNAME worker-1", "HSET user:7 mail canary@example.org", "EVAL return'canary' 1 user:7 canary"],
        )
        .await;
        redis::cmd("SET").arg("page:1").arg(&secret).exec_async(&mut traffic).await.expect("set");
        redis::cmd("GET").arg("page:1").exec_async(&mut traffic).await.expect("got");
        redis::cmd("LRANGE").arg(b"bin\xff").arg(0).arg(-1).exec_async(&mut traffic).await.expect("read");
        redis::cmd("ECHO").arg("canary").exec_async(&mut traffic).await.expect("said");
        let mut reader = reader(&server.url());
        let log = reader.slow_log(&SystemClock).await.expect("a log");
        let shown = format!("{log:?}");
        assert!(!shown.contains("canary"), "{}: {shown}", log.version);
        let line = |command: &str, kind| {
            let entry = log.entries.iter().find(|e| e.command == command && e.kind == kind);
            let entry = entry.unwrap_or_else(|| panic!("{command} {kind:?} in {shown}"));
            entry.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("SET", CacheSlowKind::Slow), "SET page:1 ?", "{}", log.version);
        assert_eq!(line("HSET", CacheSlowKind::Slow), "HSET user:7 ? ?");
        assert_eq!(line("EVAL", CacheSlowKind::Slow), "EVAL ? 1 user:7 ?");
        assert_eq!(
            line("LRANGE", CacheSlowKind::Slow),
            "LRANGE bin\\xff 0 -1",
            "a name that is no text is shown by its bytes"
        );
        let set = log.entries.iter().find(|e| e.command == "SET").expect("SET");
        assert_eq!(set.words[2].bytes, secret.len() as f64, "how long the value was, though the server cut it");
        assert_eq!(set.client_name.as_deref(), Some("worker-1"));
        assert_eq!(log.slower_than_s, Some(0.0), "{}", log.version);
        // Perfdeck's own are counted, and not listed.
        let again = reader.slow_log(&SystemClock).await.expect("a log");
        assert!(
            again.own > 0 && again.entries.iter().all(|e| e.client_name.as_deref() != Some("perfdeck")),
            "{}",
            again.version
        );
        assert_eq!(log.sizes, sizes, "{}: COMMANDLOG is Valkey's", log.version);
        if sizes {
            assert_eq!(line("SET", CacheSlowKind::LargeRequest), "SET page:1 ?");
            assert_eq!(line("GET", CacheSlowKind::LargeReply), "GET page:1");
            let reply =
                log.entries.iter().find(|e| e.kind == CacheSlowKind::LargeReply && e.command == "GET").expect("GET");
            assert!(reply.bytes.is_some_and(|b| b > 5_000.0) && reply.seconds.is_none(), "{reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_with_what_they_do() {
    for server in [
        Redis::start_old(&[]).await.expect("Redis 6.2"),
        Redis::start_with(&[]).await.expect("Redis 7.0"),
        Redis::start_new(&[]).await.expect("Redis 8.2"),
        Redis::start_valkey(&[]).await.expect("Valkey 9"),
    ] {
        let mut worker = server.connect().await.expect("a connection");
        run(&mut worker, &["CLIENT SETNAME worker-1", "SELECT 3", "GET a"]).await;
        blocked(server.connect().await.expect("a connection"));
        let mut transaction = server.connect().await.expect("a connection");
        run(&mut transaction, &["WATCH k", "MULTI"]).await;
        let mut reader = reader(&server.url());
        let end = Instant::now() + Duration::from_secs(5);
        let found = loop {
            let found = reader.clients(false, &SystemClock).await.expect("clients");
            if found.blocked == 1 || Instant::now() > end {
                break found;
            }
        };
        let version = &found.version;
        assert_eq!((found.clients.len(), found.ours, found.left_out), (4, 1, 0), "{version}: {found:#?}");
        assert_eq!(found.clients[0].state, CacheClientState::Blocked, "{version}: what waits comes first");
        let named = found.clients.iter().find(|c| c.name.as_deref() == Some("worker-1")).expect("the worker");
        assert_eq!((named.database, named.command.as_deref(), named.ours), (3, Some("GET"), false), "{version}");
        let new = version.contains("8.2") || version.contains("Valkey");
        assert_eq!(
            named.commands.is_some(),
            new,
            "{version}: commands of a client are counted from Redis 8 and Valkey 8 on: {named:?}"
        );
        assert!(
            found.clients.iter().any(|c| c.state == CacheClientState::Transaction && c.queued == Some(0)),
            "{version}"
        );
        assert!(
            found.clients.iter().any(|c| c.ours && c.name.as_deref() == Some("perfdeck")),
            "{version}: ours is marked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_rights_gets_the_rules_and_the_rest() {
    for server in [
        Redis::start_old(&[]).await.expect("Redis 6.2"),
        Redis::start_with(&[]).await.expect("Redis 7.0"),
        Redis::start_valkey(&[]).await.expect("Valkey 9"),
    ] {
        server.execute(&["ACL", "SETUSER", "reader", "on", ">pw", "+ping", "+info"]).await.expect("an account");
        server.execute(&["SET", "a", "b"]).await.expect("set");
        let url = format!("redis://reader:pw@127.0.0.1:{}/0", server.port());
        let mut reader = reader(&url);
        let look = reader.look(&SystemClock).await.expect("a look");
        assert_eq!(look.keys, 1, "{}: what it may see is told", look.version);
        let mut rules: Vec<&str> = look.unknown.iter().filter_map(|u| u.grant.as_deref()).collect();
        rules.sort_unstable();
        assert_eq!(
            rules,
            [
                "ACL SETUSER reader +client|list",
                "ACL SETUSER reader +latency|doctor",
                "ACL SETUSER reader +latency|latest",
                "ACL SETUSER reader +slowlog|get"
            ],
            "{}: the exact rule of each part",
            look.version
        );
        let health = reader.health(&SystemClock).await;
        let slow = check(&health, "slow_commands");
        assert_eq!(
            (slow.state, slow.grant.as_deref(), slow.missed),
            (CheckState::Unknown, Some("ACL SETUSER reader +slowlog|get"), true)
        );
        assert!(health.is_incomplete(), "what may not be seen is not fine");
        let log = reader.slow_log(&SystemClock).await.expect("answers");
        assert!(log.entries.is_empty() && log.unknown.iter().any(|u| u.grant.is_some()), "{log:?}");
        let clients = reader.clients(false, &SystemClock).await.expect("answers");
        assert!(
            clients.clients.is_empty() && clients.left_out == clients.connected,
            "not seen is not nothing: {clients:?}"
        );
        // The rules are right: with them nothing is refused.
        for rule in rules.iter().map(|r| r.rsplit(' ').next().expect("a rule")).chain([
            "+latency|history",
            "+config|get",
            "+slowlog|len",
            "+commandlog|get",
        ]) {
            let _ = server.execute(&["ACL", "SETUSER", "reader", rule]).await;
        }
        let look = reader.look(&SystemClock).await.expect("a look");
        assert!(look.unknown.iter().all(|u| u.grant.is_none()), "{}: {:?}", look.version, look.unknown);
        let log = reader.slow_log(&SystemClock).await.expect("answers");
        assert!(log.unknown.is_empty(), "{}: {:?}", look.version, log.unknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_tells_its_slots_and_who_is_missing() {
    let mut cluster = RedisCluster::start().await.expect("a cluster");
    let mut reader = reader(&cluster.url());
    let look = reader.look(&SystemClock).await.expect("a look");
    let slots: Vec<u32> = look.nodes.iter().map(|n| n.slots.as_ref().map_or(0, |s| s.count)).collect();
    assert_eq!((look.nodes.len(), slots.iter().sum::<u32>()), (3, 16_384), "{:#?}", look.nodes);
    assert_eq!(look.mode, Some(CacheMode::Cluster));
    assert_eq!(check(&reader.health(&SystemClock).await, "slots").state, CheckState::Ok);
    cluster.nodes_mut()[2].stop();
    let end = Instant::now() + Duration::from_secs(20);
    let broken = loop {
        let health = reader.health(&SystemClock).await;
        if health.checks.iter().any(|c| c.id == "slots" && c.state == CheckState::Failing) || Instant::now() > end {
            break health;
        }
    };
    assert!(check(&broken, "slots").reason.contains("10\u{2009}923 of 16\u{2009}384"), "{broken:#?}");
    assert!(reader.look(&SystemClock).await.is_ok_and(|l| l.nodes.len() == 2), "the others tell theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_and_a_gone_server() {
    let mut sentinel = RedisSentinel::start().await.expect("a Sentinel");
    let mut reader = reader(&sentinel.url());
    let look = reader.look(&SystemClock).await.expect("a look");
    assert!(look.nodes[0].address.ends_with(&sentinel.primary().port().to_string()), "{:?}", look.nodes);
    sentinel.primary().stop();
    let health = reader.health(&SystemClock).await;
    assert_eq!((health.checks.len(), check(&health, "reachable").state), (1, CheckState::Failing), "{health:#?}");
    assert!(check(&health, "reachable").fix.is_some(), "with what helps");
}

#[tokio::test]
async fn the_cache_in_this_process_says_what_it_cannot_have() {
    let cache = MemoryCache::new(1 << 20);
    for i in 0..30 {
        cache.set(&format!("session:{i}"), vec![0_u8; 10], None).await;
    }
    cache.get("session:1").await;
    let look = cache.look(&SystemClock);
    assert_eq!((look.keys, look.expiring, look.totals.hit_ratio), (30, 0, Some(1.0)));
    assert_eq!(look.findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["keys_without_expiry"]);
    assert!(look.unknown.iter().any(|u| u.part == "Commands by cost"), "{:?}", look.unknown);
    assert_eq!((cache.clients(&SystemClock).unknown.len(), cache.slow_log(&SystemClock).unknown.len()), (1, 1));
    let health = cache.health(&SystemClock);
    assert!(
        !health.is_incomplete() && health.state == CheckState::Warning,
        "what it never tells is not missed: {health:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heat_is_told_by_counters_and_by_commands() {
    for server in
        [Redis::start_with(HEALTHY).await.expect("Redis"), Redis::start_valkey(HEALTHY).await.expect("Valkey")]
    {
        let mut traffic = server.connect().await.expect("a connection");
        for i in 0..200 {
            run(&mut traffic, &[&format!("SET hot:{i} x EX 600"), &format!("SET cold:{i} x EX 600")]).await;
        }
        for _ in 0..100 {
            let lines: Vec<String> = (0..200).map(|i| format!("GET hot:{i}")).collect();
            run(&mut traffic, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        let mut reader = reader(&server.url());
        let heat = reader.heat(&SystemClock).await.expect("counters");
        let hottest = &heat.namespaces[0];
        assert_eq!(hottest.name.as_deref(), Some("hot:*"), "{}: {heat:#?}", heat.version);
        assert!(hottest.share > 0.8 && hottest.share_low.is_some_and(|low| low < hottest.share), "{hottest:?}");
        assert!(heat.keys[0].name.starts_with("hot:") && heat.sampled >= 4_000, "{:?}", heat.keys[0]);

        // Commands of a short time: two of three reads of `user` are hits, and the third is filled.
        let other = tokio::spawn(async move {
            let lines = ["GET user:1", "GET user:2", "GET user:3", "SET user:3 v EX 60"];
            for _ in 0..10_000 {
                run(&mut traffic, &lines).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let seen = reader.watch(0.5, &SystemClock).await.expect("watched");
        other.abort();
        let user = seen.namespaces.iter().find(|n| n.name.as_deref() == Some("user:*")).expect("user");
        assert!(user.hit_ratio_at_most.is_some_and(|h| (h - 2.0 / 3.0).abs() < 0.05), "{user:?}");
        assert!(seen.took_s < 2.0 && seen.sampled > 20, "{seen:?}");
        assert_eq!(seen.namespaces.len(), 1, "nothing of Perfdeck's own: {:?}", seen.namespaces);
        perfdeck_testkit::eventually(Duration::from_secs(5), async || {
            let list = format!("{:?}", server.execute(&["CLIENT", "LIST"]).await.expect("a list"));
            !list.contains("perfdeck-watch")
        })
        .await;
    }
    // Shares and hit ratios of a load that is known, without those of another database.
    let known = Redis::start_with(HEALTHY).await.expect("Redis");
    let mut other = known.connect().await.expect("a connection");
    run(&mut other, &["SELECT 3"]).await;
    let mut traffic = known.connect().await.expect("a connection");
    for i in 0..200 {
        run(&mut traffic, &[&format!("SET often:{i} x"), &format!("SET seldom:{i} x")]).await;
    }
    // Nine uses of `often` for each of `seldom`.
    for _ in 0..30 {
        let lines: Vec<String> = (0..200)
            .flat_map(|i| vec![format!("GET often:{i}"); 9].into_iter().chain([format!("GET seldom:{i}")]))
            .collect();
        run(&mut traffic, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let mut of_known = reader(&known.url());
    let new = Redis::start_new(&[]).await.expect("Redis 8.2");
    for (version, of) in [("7.0", &mut of_known), ("8.2", &mut reader(&new.url()))] {
        let found = of.hot_keys(0.2, &SystemClock).await.expect("asked");
        assert!(found.is_none(), "{version}: no server before 8.6 counts hot keys");
    }
    let errors = format!("{:?}", new.execute(&["INFO", "errorstats"]).await.expect("errors"));
    assert!(!errors.contains("errorstat_"), "and none refused anything: {errors}");
    let heat = of_known.heat(&SystemClock).await.expect("counters");
    let often = heat.namespaces.iter().find(|n| n.name.as_deref() == Some("often:*")).expect("often");
    // A counter grows by chance, so that what it stands for is known within a third or so; of 200 keys their sum is within a tenth.
    assert!((often.share - 0.9).abs() < 0.06, "nine of ten uses: {often:?}");
    let load = tokio::spawn(async move {
        // Per round: `a` has 4 reads, all hits; `b` 4 reads of which one is filled; `c` only writes.
        let round = [
            "GET a:1",
            "GET a:1",
            "GET a:1",
            "GET a:1",
            "GET b:1",
            "GET b:2",
            "GET b:3",
            "GET b:4",
            "SET b:4 v",
            "SET c:1 v",
        ];
        loop {
            run(&mut traffic, &round).await;
            run(&mut other, &["GET elsewhere:1"]).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let seen = of_known.watch(0.6, &SystemClock).await.expect("watched");
    load.abort();
    let of = |name: &str| seen.namespaces.iter().find(|n| n.name.as_deref() == Some(name)).expect("it was used");
    for (name, share, hits) in [("a:*", 0.4, Some(1.0)), ("b:*", 0.5, Some(0.75)), ("c:*", 0.1, None)] {
        let found = of(name);
        assert!((found.share - share).abs() < 0.03, "{found:?}");
        assert_eq!(found.hit_ratio_at_most.is_some(), hits.is_some(), "{found:?}");
        assert!(hits.is_none_or(|hits| found.hit_ratio_at_most.is_some_and(|h| (h - hits).abs() < 0.05)), "{found:?}");
    }
    assert_eq!(seen.namespaces.len(), 3, "and nothing of another database: {:?}", seen.namespaces);

    // A server that keeps no counters, and an account that may not watch.
    let plain = Redis::start().await.expect("Redis");
    let refused = reader(&plain.url()).heat(&SystemClock).await.expect_err("no counters");
    assert!(refused.hint.is_some_and(|h| h.contains("allkeys-lfu")), "with what turns them on");
    plain.execute(&["ACL", "SETUSER", "reader", "on", ">pw", "+ping", "+info"]).await.expect("an account");
    let url = format!("redis://reader:pw@127.0.0.1:{}/0", plain.port());
    let refused = reader(&url).watch(0.2, &SystemClock).await.expect_err("may not");
    assert_eq!(refused.hint.as_deref(), Some("ACL SETUSER reader +monitor"), "the exact rule");
}
