//! Keys and values as a person looks at them, on real servers: found by pattern and filter, read in pages, never whole unasked.
use std::collections::BTreeSet;

use perfdeck_cache::values::{UNASKED, as_unknown, decoded, escaped, key, keys, value};
use perfdeck_model::{
    ApiError, CacheBytes, CacheTtl, ErrorCode, KeyPage, KeySearch, KeyUse, TtlFilter, TtlRange, ValueAt, ValuePart,
};
use perfdeck_testkit::{Redis, RedisCluster};
use redis::aio::MultiplexedConnection;

use crate::target;

/// A connection whose answers may take long.
pub(crate) async fn patient(url: &str) -> MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let client = redis::Client::open(url).expect("a URL");
    client.get_multiplexed_async_connection_with_config(&config).await.expect("connected")
}

pub(crate) async fn run(connection: &mut MultiplexedConnection, words: &[&[u8]]) -> redis::Value {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(connection).await.expect("answered")
}

/// The words of a line, split at spaces.
pub(crate) async fn line(connection: &mut MultiplexedConnection, line: &str) -> redis::Value {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run(connection, &words).await
}

fn pattern(bytes: &[u8]) -> KeySearch {
    KeySearch { pattern: Some(CacheBytes::new(bytes)), ..KeySearch::default() }
}

/// Every page of a search.
async fn all(url: &str, search: &KeySearch) -> Result<Vec<KeyPage>, ApiError> {
    let (target, password) = target(url);
    let (mut pages, mut next) = (Vec::new(), None);
    loop {
        let page = keys(&target, password.as_ref(), search, next.as_deref()).await?;
        next.clone_from(&page.next);
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
    }
}

async fn names(url: &str, search: &KeySearch) -> BTreeSet<Vec<u8>> {
    let pages = all(url, search).await.expect("pages");
    assert!(pages.iter().all(|p| p.missing.is_empty()), "nothing is missing");
    pages.iter().flat_map(|p| &p.rows).map(|r| r.name.bytes().expect("bytes")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_pattern_type_expiry_and_size_whatever_their_names() {
    let server = Redis::start().await.expect("Redis");
    let url = server.url();
    let mut c = patient(&url).await;
    let fill = "for i=1,3000 do redis.call('SET','user:'..i,i) end";
    run(&mut c, &[b"EVAL", fill.as_bytes(), b"0"]).await;
    let long = vec![b'k'; 4_096];
    let odd: [&[u8]; 6] = [b"", b"\xff\x00\xfe", b"a[1-9]?*\\^", &long, b"a5x", "\u{e4}\n".as_bytes()];
    for name in odd {
        run(&mut c, &[b"SET", name, b"v"]).await;
    }
    line(&mut c, "HSET h:1 f v").await;
    line(&mut c, "EXPIRE h:1 1000").await;
    run(&mut c, &[b"SET", b"big", &vec![b'x'; 100_000]]).await;

    let pages = all(&url, &KeySearch::default()).await.expect("pages");
    assert!(pages.len() > 3, "3,008 keys are no single page: {}", pages.len());
    assert!(pages.iter().all(|p| p.rows.len() <= 1_100), "and each page has an end");
    let progress: Vec<f64> = pages.iter().filter_map(|p| p.progress).collect();
    assert!(progress.is_sorted() && progress.last() == Some(&1.0), "progress grows to the end: {progress:?}");
    assert_eq!(pages[0].database_keys, 3_008.0, "as many as there are");
    assert_eq!(names(&url, &KeySearch::default()).await.len(), 3_008, "every key is found");
    for name in odd {
        let found = names(&url, &pattern(&escaped(name))).await;
        assert_eq!(found, BTreeSet::from([name.to_vec()]), "taken literally, a name finds itself alone");
        let (target, _) = target(&url);
        assert_eq!(key(&target, None, name).await.expect("the key").name.bytes().expect("bytes"), name, "and is read");
    }
    assert_eq!(names(&url, &pattern(b"user:29?9")).await.len(), 10, "patterns are the server's");
    let hashes = KeySearch { kind: Some("HASH".into()), ..KeySearch::default() };
    assert_eq!(names(&url, &hashes).await, BTreeSet::from([b"h:1".to_vec()]), "by type");
    let expiring = TtlFilter::Within(TtlRange { from_ms: Some(900e3), to_ms: Some(1_000e3) });
    let expiring = KeySearch { ttl: Some(expiring), ..KeySearch::default() };
    assert_eq!(names(&url, &expiring).await, BTreeSet::from([b"h:1".to_vec()]), "by expiry");
    let never = KeySearch { ttl: Some(TtlFilter::Never), ..KeySearch::default() };
    assert_eq!(names(&url, &never).await.len(), 3_007, "those that never expire");
    let large = KeySearch { min_bytes: Some(50e3), max_bytes: Some(1e6), ..KeySearch::default() };
    assert_eq!(names(&url, &large).await, BTreeSet::from([b"big".to_vec()]), "by size");

    let (target, _) = target(&url);
    let other = keys(&target, None, &hashes, pages[0].next.as_deref()).await.expect_err("another search");
    assert_eq!(other.code, ErrorCode::BadRequest, "a mark belongs to its search: {other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_may_not_see_is_named_with_the_rule_and_the_rest_works() {
    let server = Redis::start().await.expect("Redis");
    let mut c = patient(&server.url()).await;
    line(&mut c, "MSET a:1 1 a:2 2 b:1 3").await;
    line(&mut c, "HSET small f v").await;
    line(&mut c, "ACL SETUSER half on >pw ~a:* +@all").await;
    line(&mut c, "ACL SETUSER blind on >pw ~* +@all -memory -eval -evalsha").await;
    line(&mut c, "ACL SETUSER unscripted on >pw ~* +@all -eval -evalsha").await;
    let fill = "for i=1,3000 do redis.call('HSET','large','field'..i,'some value of it') end";
    run(&mut c, &[b"EVAL", fill.as_bytes(), b"0"]).await;
    let url = |user: &str| format!("redis://{user}:pw@127.0.0.1:{}/0", server.port());

    // Errors in the middle of a pipeline: each key has its own.
    let pages = all(&url("half"), &KeySearch::default()).await.expect("pages");
    let rows: Vec<_> = pages.iter().flat_map(|p| &p.rows).collect();
    let seen = rows.iter().filter(|r| r.kind.as_deref() == Some("string") && r.bytes.is_some()).count();
    assert_eq!((rows.len(), seen), (5, 2), "its own keys are whole, the others have names only");
    let missing: Vec<_> = pages.iter().flat_map(|p| &p.missing).collect();
    assert_eq!(missing.iter().filter_map(|m| m.keys).sum::<f64>(), 3.0, "they are counted: {missing:?}");
    assert_eq!(missing[0].error.code, ErrorCode::Privilege, "and said why");
    assert!(missing[0].error.hint.as_deref().is_some_and(|h| h.contains("~")), "with the rule: {missing:?}");

    let pages = all(&url("blind"), &pattern(b"a:*")).await.expect("pages");
    assert!(pages[0].rows.iter().all(|r| r.bytes.is_none() && r.kind.is_some()), "without sizes");
    let hint = pages[0].missing[0].error.hint.clone().unwrap_or_default();
    assert!(hint.contains("ACL SETUSER blind +memory|usage"), "the rule that is missing: {hint}");

    let (target, password) = target(&url("unscripted"));
    let small = value(&target, password.as_ref(), b"small", None, None).await.expect("small enough");
    assert!(matches!(small.part, ValuePart::Hash { ref fields, .. } if fields.len() == 1), "{small:?}");
    let error = value(&target, password.as_ref(), b"large", None, None).await.expect_err("not known to be small");
    assert_eq!(error.code, ErrorCode::Privilege, "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("+eval +evalsha")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_every_type_is_read_in_pages() {
    let server = Redis::start().await.expect("Redis");
    let url = server.url();
    let mut c = patient(&url).await;
    let (target, _) = target(&url);
    let read = async |name: &str, at: Option<ValueAt>| value(&target, None, name.as_bytes(), at.as_ref(), None).await;
    line(&mut c, "SET n 9007199254740993").await;
    run(&mut c, &[b"SET", b"j", br#"{"id":9007199254740993,"tax":1.90e1}"#]).await;
    for i in 0..250 {
        line(&mut c, &format!("RPUSH list {}", i % 3)).await;
        line(&mut c, &format!("ZADD zset {i}.5 m{i}")).await;
        line(&mut c, &format!("XADD stream 1-{} f v{i}", i + 1)).await;
    }
    line(&mut c, "ZADD zset 1e300 last").await;
    line(&mut c, "SADD set 1 2 3").await;
    line(&mut c, "XGROUP CREATE stream g 0").await;
    line(&mut c, "XREADGROUP GROUP g alice COUNT 2 STREAMS stream >").await;
    line(&mut c, "HSET hash price 45.10 id 9007199254740993").await;

    let ValuePart::String { value: n, .. } = read("n", None).await.expect("a string").part else { panic!("a string") };
    assert_eq!((n.bytes.text(), n.reads_as.as_str()), (Some("9007199254740993"), "number"), "above 2^53");
    let ValuePart::String { decoded, .. } = read("j", None).await.expect("JSON").part else { panic!("a string") };
    let text = decoded.expect("reads as JSON").text;
    assert!(text.contains("9007199254740993") && text.contains("1.90e1"), "numbers keep their text: {text}");

    let page = read("list", None).await.expect("a list");
    let ValuePart::List { elements } = &page.part else { panic!("a list") };
    assert_eq!((elements.len(), elements[99].index), (100, 99.0), "a page");
    let page = read("list", Some(ValueAt::Next(page.next.expect("more")))).await.expect("the next");
    let ValuePart::List { elements } = &page.part else { panic!("a list") };
    assert_eq!((elements[0].index, elements[0].value.bytes.text()), (100.0, Some("1")), "goes on there");
    let last = read("list", Some(ValueAt::Index(200.0))).await.expect("the last");
    assert!(last.next.is_none(), "and ends");

    let last = read("zset", Some(ValueAt::Index(200.0))).await.expect("the last");
    let ValuePart::Zset { members } = &last.part else { panic!("a sorted set") };
    let score = |n: usize| members[n].score.as_str();
    assert_eq!(
        (score(0), score(50), last.next.as_deref()),
        ("200.5", "1.0000000000000001e+300", None),
        "scores in the server's text"
    );

    let ValuePart::Set { members } = read("set", None).await.expect("a set").part else { panic!("a set") };
    let members: BTreeSet<_> = members.iter().filter_map(|m| m.bytes.text()).collect();
    assert_eq!(members, BTreeSet::from(["1", "2", "3"]), "numbers among members are text");

    let first = read("stream", None).await.expect("a stream");
    let ValuePart::Stream { entries, groups, .. } = &first.part else { panic!("a stream") };
    assert_eq!((entries.len(), groups.len(), groups[0].pending), (100, 1, 2.0), "entries, groups");
    assert_eq!((groups[0].consumers[0].name.text(), groups[0].consumers[0].pending), (Some("alice"), 2.0), "consumers");
    let next = read("stream", Some(ValueAt::Next(first.next.expect("more")))).await.expect("the next");
    let ValuePart::Stream { entries, .. } = &next.part else { panic!("a stream") };
    assert_eq!(entries[0].id, "1-101", "nothing twice, nothing left out");

    let ValuePart::Hash { fields, field_ttls } = read("hash", None).await.expect("a hash").part else {
        panic!("a hash")
    };
    assert!(!field_ttls, "this server has no fields that expire");
    assert_eq!(
        fields.iter().find(|f| f.name.bytes.text() == Some("price")).map(|f| f.value.bytes.text()),
        Some(Some("45.10")),
        "its text"
    );
    let ValuePart::One { value: one, .. } =
        read("hash", Some(ValueAt::Field(CacheBytes::new(b"id")))).await.expect("a field").part
    else {
        panic!("one")
    };
    assert_eq!(one.bytes.text(), Some("9007199254740993"), "one field whole");

    let ValuePart::Unknown { dump } = as_unknown(&target, None, b"hash").await.expect("a dump") else {
        panic!("a dump")
    };
    let redis::Value::BulkString(right) = line(&mut c, "DUMP hash").await else { panic!("bytes") };
    assert_eq!(dump.expect("small").bytes().expect("bytes"), right, "an unknown type has its dump");
    let gone = read("nothing", None).await.expect_err("not there");
    assert_eq!(gone.code, ErrorCode::NotFound, "said");
    let facts = key(&target, None, b"zset").await.expect("facts");
    assert_eq!((facts.kind.as_str(), facts.length, facts.ttl), ("zset", Some(251.0), CacheTtl::Never), "one key");
    assert!(matches!(facts.used, KeyUse::IdleS(_)) && facts.encoding.is_some(), "{facts:?}");
}

/// Bytes that a server has sent so far.
async fn sent(c: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(c).await.expect("INFO");
    let line = info.lines().find_map(|l| l.strip_prefix("total_net_output_bytes:")).expect("counted");
    line.trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_fields_and_half_a_gigabyte_are_never_fetched_whole() {
    let server = Redis::start().await.expect("Redis");
    let url = server.url();
    let mut c = patient(&url).await;
    let (target, _) = target(&url);
    let fill = "for i=ARGV[1]*50000,ARGV[1]*50000+49999 do redis.call('HSET','hash','f'..i,i) end";
    for n in 0..20 {
        run(&mut c, &[b"EVAL", fill.as_bytes(), b"0", n.to_string().as_bytes()]).await;
    }
    line(&mut c, "SETRANGE string 536870911 x").await;
    run(&mut c, &[b"HSET", b"wide", b"small", b"1", b"large", &vec![b'v'; 3_000_000]]).await;
    let before = sent(&mut c).await;
    let facts = key(&target, None, b"hash").await.expect("facts");
    assert_eq!(facts.length, Some(1e6), "its length is known at once");
    let page = value(&target, None, b"hash", None, None).await.expect("a page");
    let ValuePart::Hash { fields, .. } = &page.part else { panic!("a hash") };
    assert!((100..=200).contains(&fields.len()) && page.next.is_some(), "a page of it: {}", fields.len());
    let more = value(&target, None, b"hash", Some(&ValueAt::Next(page.next.clone().expect("more"))), None).await;
    let ValuePart::Hash { fields: second, .. } = more.expect("the next").part else { panic!("a hash") };
    let known: BTreeSet<_> = fields.iter().map(|f| f.name.bytes.clone()).collect();
    assert!(second.iter().all(|f| !known.contains(&f.name.bytes)), "the next one goes on");

    let page = value(&target, None, b"string", None, None).await.expect("a range");
    let ValuePart::String { value: part, decoded, .. } = page.part else { panic!("a string") };
    assert_eq!(part.length, 536_870_912.0, "its length");
    assert_eq!(part.bytes.bytes().expect("bytes").len(), UNASKED as usize, "and no more than 64 kB of it");
    assert!(decoded.is_none() && page.next.is_some(), "a part reads as nothing");
    let end = value(&target, None, b"string", Some(&ValueAt::Bytes(536_870_000.0)), None).await.expect("the end");
    let ValuePart::String { value: part, .. } = end.part else { panic!("a string") };
    assert_eq!(part.bytes.bytes().expect("bytes").last(), Some(&b'x'), "its end");

    let page = value(&target, None, b"wide", None, None).await.expect("fields");
    let ValuePart::Hash { fields, .. } = page.part else { panic!("a hash") };
    let large = fields.iter().find(|f| f.name.bytes.text() == Some("large")).expect("the field");
    assert_eq!(
        (large.value.length, large.value.bytes.bytes().expect("bytes").len()),
        (3e6, 1_024),
        "cut, with its length"
    );
    let fetched = sent(&mut c).await - before;
    assert!(fetched < 200_000, "all of it took {fetched} bytes");
    assert_eq!(decoded_len(&[0; 10]), None, "bytes that read as nothing have no other form");
}

fn decoded_len(bytes: &[u8]) -> Option<usize> {
    decoded(bytes).map(|d| d.text.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_listed_node_by_node_and_redirects_are_followed() {
    let mut cluster = RedisCluster::start().await.expect("a cluster");
    let url = cluster.url();
    let mut client = redis::cluster::ClusterClient::new(cluster.urls())
        .expect("URLs")
        .get_async_connection()
        .await
        .expect("connected");
    for i in 0..300 {
        redis::cmd("SET").arg(format!("user:{i}")).arg(i).exec_async(&mut client).await.expect("set");
    }
    assert_eq!(names(&url, &KeySearch::default()).await.len(), 300, "the keys of all nodes");
    let (target, _) = target(&url);
    let mut nodes = BTreeSet::new();
    for i in 0..30 {
        nodes.insert(key(&target, None, format!("user:{i}").as_bytes()).await.expect("found by MOVED").node);
    }
    assert_eq!(nodes.len(), 3, "on every node: {nodes:?}");

    // A slot that moves: the key is at its new server already, which the old one only knows by ASK.
    let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg("moving").query_async(&mut client).await.expect("a slot");
    let from = usize::from(slot / 5_462);
    let to = (from + 1) % 3;
    let id = async |n: usize| -> String {
        let mut c = cluster.nodes()[n].connect().await.expect("connected");
        redis::cmd("CLUSTER").arg("MYID").query_async(&mut c).await.expect("an identifier")
    };
    let (from_id, to_id) = (id(from).await, id(to).await);
    let slot = slot.to_string();
    cluster.nodes()[to].execute(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.expect("importing");
    cluster.nodes()[from].execute(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.expect("migrating");
    let mut c = cluster.nodes()[to].connect().await.expect("connected");
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").ignore().cmd("SET").arg("moving").arg("here").ignore();
    pipeline.exec_async(&mut c).await.expect("set");
    let page = value(&target, None, b"moving", None, None).await.expect("found by ASK");
    assert!(matches!(page.part, ValuePart::String { ref value, .. } if value.bytes.text() == Some("here")), "{page:?}");
    cluster.nodes()[to].execute(&["CLUSTER", "SETSLOT", &slot, "STABLE"]).await.expect("stable");
    cluster.nodes()[from].execute(&["CLUSTER", "SETSLOT", &slot, "STABLE"]).await.expect("stable");

    // A node that is gone is named, and the others are listed.
    let lost = format!("127.0.0.1:{}", cluster.nodes()[2].port());
    cluster.nodes_mut()[2].stop();
    let pages = all(&url, &KeySearch::default()).await.expect("the others");
    let missing: Vec<_> = pages.iter().flat_map(|p| &p.missing).collect();
    let listed = pages.iter().flat_map(|p| &p.rows).count();
    if missing.is_empty() {
        // The others have noticed by now, and name it no more.
        assert!(listed < 300, "its keys are not there: {listed}");
    } else {
        assert!(missing.iter().any(|m| m.node == lost), "it is named: {missing:?}");
    }
    assert!((100..300).contains(&listed), "the keys of two of three: {listed}");
}
