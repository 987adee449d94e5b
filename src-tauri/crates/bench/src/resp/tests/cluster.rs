//! Against a real cluster of three nodes.
use std::time::{Duration, Instant};

use super::support::{CLOSED, Server, Shape, errors, load, run, target, watched};
use crate::resp::slots::slot_of;

const THIRDS: &[(usize, usize)] = &[(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// Three nodes that own these slots; one without a range owns none.
fn cluster(ranges: &[(usize, usize)]) -> Vec<Server> {
    let arguments =
        ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"];
    let nodes: Vec<Server> = (0..3).map(|_| Server::start(&arguments)).collect();
    for (epoch, node) in nodes.iter().enumerate() {
        node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]);
    }
    for (node, (first, last)) in nodes.iter().zip(ranges) {
        node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
    }
    for node in &nodes[1..] {
        nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), &node.bus.to_string()]);
    }
    let end = Instant::now() + Duration::from_secs(20);
    let complete = |node: &Server| {
        let info = node.ask(&["CLUSTER", "INFO"]);
        let info = info.text().expect("text");
        info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") && info.contains("known_nodes:3")
    };
    while !nodes.iter().all(complete) {
        assert!(Instant::now() < end, "the nodes agree");
        // The server lets this wait: for a replica that there is none of.
        nodes[0].ask(&["WAIT", "1", "20"]);
    }
    nodes
}

#[test]
fn each_command_goes_to_the_node_that_owns_its_key() {
    let nodes = cluster(THIRDS);
    let mix: &[(f64, &str, &[&str])] =
        &[(4.0, "GET", &["{{key}}"]), (1.0, "SET", &["{tag:{{key}}}:x", "1"]), (1.0, "PING", &[])];
    let keys = "name='key'\nkind='uniform'\nfrom=1\nto=5000\nprefix='key:'";
    for (pipeline, rate_per_s) in [(1, None), (16, None), (4, Some(3_000.0))] {
        nodes.iter().for_each(|node| drop(node.ask(&["CONFIG", "RESETSTAT"])));
        // One node is enough to find the others.
        let mut seed = target(vec![nodes[1].address()]);
        seed.cluster = true;
        let mut load = load(mix, &[keys], seed, pipeline);
        load.reach().expect("the map is there");
        let record = run(load, Shape { threads: 2, rate_per_s, ..CLOSED });
        assert_eq!(record.failed, 0, "no MOVED, nor anything else: {:?}", errors(&record));
        let calls: Vec<u64> =
            nodes.iter().map(|node| ["get", "set", "ping"].iter().map(|c| node.calls(c)).sum()).collect();
        assert_eq!(calls.iter().sum::<u64>(), record.requests, "all of them arrived once");
        assert!(calls.iter().all(|n| *n > record.requests / 5), "evenly: {calls:?}");
    }
}

/// Gives the slot of a key to another node, as the end of a migration does.
fn move_slot(nodes: &[Server], key: &str, to: usize) {
    let slot = slot_of(key.as_bytes()).to_string();
    let id = nodes[to].ask(&["CLUSTER", "MYID"]);
    let id = id.text().expect("text");
    // The new owner first, so that it never has none.
    nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", id]);
    for node in nodes {
        node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", id]);
    }
}

#[test]
fn a_slot_that_moves_is_followed() {
    let nodes = cluster(THIRDS);
    // "foo" is in slot 12,182, so on the last node.
    let mut seed = target(vec![nodes[0].address()]);
    seed.cluster = true;
    let mut load = load(&[(1.0, "GET", &["foo"])], &[], seed, 2);
    load.reach().expect("the map is there");
    let record = watched(load, Shape { seconds: 60.0, ..CLOSED }, |watch| {
        watch.until(100, 0);
        assert!(nodes[2].calls("get") > 0, "it is asked at first");
        move_slot(&nodes, "foo", 0);
        watch.until(500, 0);
        watch.stop();
    });
    let all = errors(&record);
    assert!(record.failed > 0 && record.failed <= 32, "only what was on its way: {all:?}");
    assert!(all.len() == 1 && all[0].1.starts_with("MOVED 12182 127.0.0.1:"), "named: {all:?}");
    assert!(nodes[0].calls("get") >= 400, "the new owner answers");
}

#[test]
fn a_node_that_nobody_knew_is_found() {
    let nodes = cluster(&[(0, 8_191), (8_192, 16_383)]);
    let mut seed = target(vec![nodes[0].address()]);
    seed.cluster = true;
    let mut load = load(&[(1.0, "GET", &["foo"]), (1.0, "GET", &["bar"])], &[], seed, 2);
    load.reach().expect("the map is there");
    let record = watched(load, Shape { seconds: 60.0, ..CLOSED }, |watch| {
        watch.until(100, 0);
        move_slot(&nodes, "foo", 2);
        let end = Instant::now() + Duration::from_secs(20);
        while nodes[2].calls("get") < 100 {
            assert!(Instant::now() < end, "the node that owned nothing is asked");
        }
        watch.stop();
    });
    assert!(record.failed > 0, "until the map is new, a slot is asked for in vain: {:?}", errors(&record));
}

#[test]
fn a_node_that_dies_takes_only_its_own_keys() {
    let mut nodes = cluster(THIRDS);
    let mut seed = target(vec![nodes[0].address()]);
    seed.cluster = true;
    let keys = "name='key'\nkind='uniform'\nfrom=1\nto=5000\nprefix='key:'";
    let mut load = load(&[(1.0, "GET", &["{{key}}"])], &[keys], seed, 4);
    load.reach().expect("the map is there");
    let record = watched(load, Shape { seconds: 60.0, ..CLOSED }, |watch| {
        watch.until(100, 0);
        nodes[2].kill();
        watch.until(0, 50);
        watch.until(300, 0);
        watch.stop();
    });
    let all = errors(&record);
    assert!(all.iter().all(|e| ["connect", "reset", "cache"].contains(&e.0.as_str())), "{all:?}");
    assert!(record.failed < record.requests, "the others answer");
}

#[test]
fn a_server_that_is_no_cluster_is_named() {
    let server = Server::start(&[]);
    let mut seed = target(vec![server.address()]);
    seed.cluster = true;
    let (_, message) = load(&[(1.0, "GET", &["k"])], &[], seed, 1).reach().expect_err("there is no map");
    assert!(message.contains("cluster support disabled"), "{message}");
}
