//! Nodes of a cluster that announce addresses where nobody gets: each is named, by the test and by monitoring, in time.
use std::time::{Duration, Instant};

use perfdeck_cache::{CacheCollector, test};
use perfdeck_model::{Address, ApiError, CacheMode, CacheTarget, Collector as _, ErrorCode};
use perfdeck_testkit::{RedisCluster, eventually, free_port};

fn target(url: &str) -> CacheTarget {
    let (address, _) = Address::parse(url).expect("a URL");
    CacheTarget { mode: CacheMode::Cluster, ..CacheTarget::of(address) }
}

/// What a connection test and a new monitor say, and that neither takes longer than it may.
async fn said(target: &CacheTarget) -> [Option<ApiError>; 2] {
    let started = Instant::now();
    let tested = test(target, None).await.error;
    assert!(started.elapsed() < Duration::from_secs(6), "the test takes {:?}", started.elapsed());
    let started = Instant::now();
    let monitored = CacheCollector::new(target.clone(), None).collect(&0.0).await.err();
    assert!(started.elapsed() < Duration::from_millis(1_900), "a collection takes {:?}", started.elapsed());
    [tested, monitored]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_announced_address_that_cannot_be_reached_is_named() {
    let cluster = RedisCluster::start().await.expect("a cluster");
    let seed = cluster.urls()[0].replace("redis://", "redis+cluster://").replace("/0", "");
    let target = target(&seed);
    assert_eq!(said(&target).await, [None, None], "as it was made");
    let port = cluster.nodes()[1].port();
    let gone = free_port().expect("a port");
    let name = "no-such-node.invalid";
    let set = async |of: usize, parameter: &str, value: &str| {
        cluster.nodes()[of].execute(&["CONFIG", "SET", parameter, value]).await.expect("set");
    };
    for (what, settings, undo, announced) in [
        (
            "a port where nothing listens",
            vec![(1, "cluster-announce-port", gone.to_string())],
            vec![(1, "cluster-announce-port", "0")],
            format!("127.0.0.1:{gone}"),
        ),
        (
            // For documentation (RFC 5737): packets to it are lost, or refused by the first router.
            "an address of another network",
            vec![(1, "cluster-announce-ip", "192.0.2.7".to_owned())],
            vec![(1, "cluster-announce-ip", "127.0.0.1")],
            format!("192.0.2.7:{port}"),
        ),
        (
            "a name that only their own network knows",
            vec![
                (1, "cluster-announce-hostname", name.to_owned()),
                (0, "cluster-preferred-endpoint-type", "hostname".to_owned()),
            ],
            vec![(1, "cluster-announce-hostname", ""), (0, "cluster-preferred-endpoint-type", "ip")],
            format!("{name}:{port}"),
        ),
    ] {
        for (of, parameter, value) in &settings {
            set(*of, parameter, value).await;
        }
        // The others hear of it with the next message between the nodes.
        let heard = async || {
            let both = said(&target).await;
            let told = |e: &Option<ApiError>| e.as_ref().is_some_and(|e| e.message.contains(&announced));
            if both.iter().all(told) { Ok(both) } else { Err(both) }
        };
        for error in eventually(Duration::from_secs(15), heard).await.into_iter().flatten() {
            assert_eq!(error.code, ErrorCode::Unreachable, "{what}: {error:?}");
            assert!(error.message.contains("1 of the cluster's 3 nodes"), "{what}: {error:?}");
            assert!(error.hint.is_some_and(|h| h.contains("cluster-announce-ip")), "{what}: and what to set");
        }
        for (of, parameter, value) in &undo {
            set(*of, parameter, value).await;
        }
        eventually(Duration::from_secs(15), async || said(&target).await == [None, None]).await;
    }
}
