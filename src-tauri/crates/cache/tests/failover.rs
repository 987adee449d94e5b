//! Scans that lose their server: the same one goes on where it was, another one is read from its start, and the map says what happened.
use std::time::Duration;

use perfdeck_model::{CacheMap, MapCount, MapState};
use perfdeck_testkit::{Redis, RedisCluster, RedisSentinel, eventually, free_port};

use crate::map::{all, cmd, exact, held, patient, pipelined, populated};

fn said(map: &CacheMap, what: &str) -> bool {
    map.notes.iter().any(|note| note.contains(what))
}

async fn number(server: &Redis, words: &[&str]) -> i64 {
    redis::from_redis_value(server.execute(words).await.expect("answered")).expect("a number")
}

/// How often a server was asked for a page.
async fn pages(server: &Redis) -> u64 {
    let info: String =
        redis::from_redis_value(server.execute(&["INFO", "commandstats"]).await.expect("counts")).expect("text");
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_scan:calls=")).expect("it was scanned");
    line.split(',').next().and_then(|n| n.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_whose_connection_is_cut_goes_on_where_it_was() {
    let server = populated("300000", &[]).await;
    let (run, task) = held(&server.url(), false, 20).await;
    run.pause(false);
    eventually(Duration::from_secs(20), async || run.map().keys_read >= 60_000.0).await;
    run.pause(true);
    let read = run.map().keys_read;
    assert!(read < 300_000.0, "it is in the middle: {read}");
    let before = pages(&server).await as f64;
    server.execute(&["CLIENT", "KILL", "TYPE", "normal"]).await.expect("cut");
    run.pause(false);
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!((map.state, map.exact, all(&map).keys), (MapState::Finished, true, exact(300_000.0)), "{:?}", map.notes);
    assert!(said(&map, "the scan went on where it was"), "{:?}", map.notes);
    assert_eq!(map.nodes[0].problem, None, "nothing is wrong any more");
    // As many pages for a key as before. From the start there would be those of `read` once more.
    let (after, fair) = (pages(&server).await as f64, before * 300_000.0 / read);
    assert!(after < 1.05 * fair + 5.0, "no page was read twice but the one that was cut: {before} of {read}, {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_is_read_from_its_start() {
    let mut server = populated("20000", &[]).await;
    cmd(&[b"SAVE"]).exec_async(&mut patient(&server).await).await.expect("saved");
    let (run, task) = held(&server.url(), true, 20).await;
    let before = run.map().keys_read;
    // What was not saved is gone with the restart.
    let more = (0..500).map(|i| cmd(&[b"SET", format!("more:{i}").as_bytes(), b"v"]));
    pipelined(&mut patient(&server).await, more).await;
    server.restart().await.expect("restarted");
    run.pause(false);
    task.await.expect("it ended");
    let map = run.map();
    assert!(said(&map, "and the map begins anew") && said(&map, "it was restarted"), "{:?}", map.notes);
    assert_eq!((map.state, all(&map).keys), (MapState::Finished, exact(20_000.0)), "{map:?}");
    assert!(before > 0.0 && map.keys_read == 20_000.0, "what the former one gave is not in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_for_a_while_is_waited_for() {
    let server = populated("20000", &["--busy-reply-threshold", "1"]).await;
    let (run, task) = held(&server.url(), false, 20).await;
    let mut script = server.connect().await.expect("a connection");
    let running = tokio::spawn(async move {
        let _: Result<(), _> = redis::cmd("EVAL").arg("while true do end").arg(0).exec_async(&mut script).await;
    });
    eventually(Duration::from_secs(10), async || server.execute(&["PING"]).await.is_err()).await;
    run.pause(false);
    let busy = async || {
        let problem = run.map().nodes[0].problem.clone().unwrap_or_default();
        problem.contains("busy with a script") && problem.contains("it is tried again")
    };
    eventually(Duration::from_secs(15), busy).await;
    server.execute(&["SCRIPT", "KILL"]).await.expect("killed");
    let _ = running.await;
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!((map.exact, all(&map).keys), (true, exact(20_000.0)), "nothing of it is lost: {map:?}");
    assert_eq!(map.nodes[0].problem, None, "{:?}", map.nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_sentinels_promote_is_read_in_place_of_its_primary() {
    let mut sentinel = RedisSentinel::start_with_replica().await.expect("a Sentinel with a replica");
    let fill = "for i = 1, 30000 do redis.call('SET', 'k:' .. i, 'v') end";
    sentinel.primary().execute(&["EVAL", fill, "0"]).await.expect("filled");
    let new = sentinel.replica().expect("it has one").port();
    eventually(Duration::from_secs(10), async || {
        number(sentinel.replica().expect("it has one"), &["DBSIZE"]).await == 30_000
    })
    .await;
    let (run, task) = held(&sentinel.url(), false, 30).await;
    let old = sentinel.primary().port();
    assert_eq!(run.map().nodes[0].address, format!("127.0.0.1:{old}"), "the primary is read");
    sentinel.primary().stop();
    run.pause(false);
    eventually(Duration::from_secs(10), async || run.map().nodes[0].problem.is_some()).await;
    let lost = run.map();
    assert!(!lost.exact && !all(&lost).keys.is_exact(), "meanwhile nothing is exact: {lost:?}");
    task.await.expect("it ended");
    let map = run.map();
    let node = &map.nodes[0];
    assert_eq!((node.address.as_str(), node.finished), (format!("127.0.0.1:{new}").as_str(), true), "{map:?}");
    assert!(said(&map, &format!("127.0.0.1:{old} was lost")) && said(&map, "took its place"), "{:?}", map.notes);
    assert_eq!((map.state, all(&map).keys), (MapState::Finished, exact(30_000.0)), "as the new one has them");
}

/// A node that copies the first one of a cluster.
async fn copy_of_the_first(cluster: &RedisCluster) -> Redis {
    let bus = free_port().expect("a port").to_string();
    let copy =
        Redis::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"])
            .await
            .expect("a node");
    let first = &cluster.nodes()[0];
    let id: String = redis::from_redis_value(first.execute(&["CLUSTER", "MYID"]).await.expect("an id")).expect("text");
    first.execute(&["CLUSTER", "MEET", "127.0.0.1", &copy.port().to_string(), &bus]).await.expect("they meet");
    eventually(Duration::from_secs(15), async || copy.execute(&["CLUSTER", "REPLICATE", &id]).await.is_ok()).await;
    let has = number(first, &["DBSIZE"]).await;
    eventually(Duration::from_secs(15), async || number(&copy, &["DBSIZE"]).await == has).await;
    // The others have to know it before they can be told of it.
    for node in &cluster.nodes()[1..] {
        let knows = async || {
            let nodes: String =
                redis::from_redis_value(node.execute(&["CLUSTER", "NODES"]).await.expect("nodes")).expect("text");
            nodes.lines().any(|line| line.contains(&format!(":{}@", copy.port())) && line.contains("slave"))
        };
        eventually(Duration::from_secs(15), knows).await;
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_fails_over_is_read_anew_beside_what_was_read() {
    let mut cluster = RedisCluster::start().await.expect("a cluster");
    for node in cluster.nodes() {
        let mut connection = patient(node).await;
        pipelined(&mut connection, (0..30_000).map(|i| cmd(&[b"SET", format!("k:{i}").as_bytes(), b"v"]))).await;
    }
    let copy = copy_of_the_first(&cluster).await;
    let (run, task) = held(&cluster.url(), false, 30).await;
    cluster.nodes_mut()[0].stop();
    run.pause(false);
    // The others go on meanwhile, to their ends.
    eventually(Duration::from_secs(15), async || run.map().nodes.iter().filter(|n| n.finished).count() == 2).await;
    assert!(matches!(all(&run.map()).keys, MapCount::AtLeast { .. } | MapCount::Estimate { .. }), "not exact");
    copy.execute(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await.expect("it takes over");
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!(map.state, MapState::Finished, "{map:?}");
    let heir = format!("127.0.0.1:{}", copy.port());
    assert!(map.nodes.iter().any(|node| node.address == heir && node.finished), "{:?}", map.nodes);
    assert!(said(&map, &format!("{heir} took its place")) && said(&map, "read from the start"), "{:?}", map.notes);
    assert!(!said(&map, "moved to another server"), "its slots are not read once more: {:?}", map.notes);
    assert!(!map.exact, "two servers were read for the same keys");
    let (low, high) = all(&map).keys.bounds();
    assert!(low <= 30_000.0 && high.is_some_and(|high| high >= 30_000.0), "{:?}", all(&map).keys);
    assert!((all(&map).keys.value() - 30_000.0).abs() < 300.0, "none is counted twice: {:?}", all(&map).keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_stays_lost_leaves_the_others_whole() {
    let mut cluster = RedisCluster::start().await.expect("a cluster");
    for node in cluster.nodes() {
        let mut connection = patient(node).await;
        pipelined(&mut connection, (0..6_000).map(|i| cmd(&[b"SET", format!("k:{i}").as_bytes(), b"v"]))).await;
    }
    let (run, task) = held(&cluster.url(), false, 1).await;
    cluster.nodes_mut()[1].stop();
    run.pause(false);
    task.await.expect("it ended");
    let map = run.map();
    assert_eq!(map.state, MapState::Unfinished, "{map:?}");
    let (whole, lost): (Vec<_>, Vec<_>) = map.nodes.iter().partition(|node| node.finished);
    assert_eq!((whole.len(), lost.len()), (2, 1), "{:?}", map.nodes);
    assert!(lost[0].problem.as_ref().is_some_and(|p| p.contains("it was tried again in vain")), "{lost:?}");
    assert!(!map.exact && !all(&map).keys.is_exact(), "what is missing makes nothing exact: {:?}", all(&map).keys);
}
