//! PostgreSQL: what stands in the way, and what is told all the same.
use std::time::{Duration, Instant};

use perfdeck_model::UnusedAnswer;
use perfdeck_testkit::{PgBouncer, Postgres, sqlx};
use sqlx::{Connection as _, Executor as _};

use crate::indexes::{judged, of_kinds, one, reading, told};

/// A name as long as PostgreSQL has them, in another script.
const LONG: &str = "ééééééééééééééééééééééééééééééé";

#[tokio::test(flavor = "multi_thread")]
async fn locks_rights_poolers_and_names_are_in_nobodys_way() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server
        .execute(&format!(
            "CREATE TABLE held (a int, b text, c int);
             INSERT INTO held SELECT i, i::text, i FROM generate_series(1, 2000) i;
             CREATE INDEX held_1 ON held (lower(b)) WHERE a > 7; CREATE INDEX held_longer_2 ON held (lower(b)) WHERE a > 7;
             CREATE TABLE alike (a int); INSERT INTO alike VALUES (1), (1); CREATE INDEX alike_2 ON alike (a);
             CREATE SCHEMA \"Odd.one\"; CREATE TABLE \"Odd.one\".\"Tabelle \"\"x\"\" 日本\" (\"a b\" int, \"c'd\" int REFERENCES alike_key);
             CREATE INDEX \"i;--\" ON \"Odd.one\".\"Tabelle \"\"x\"\" 日本\" (\"a b\");
             CREATE INDEX \"{LONG}\" ON \"Odd.one\".\"Tabelle \"\"x\"\" 日本\" (\"a b\")"
        ).replace(" REFERENCES alike_key", ""))
        .await
        .expect("tables");
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY alike_1 ON alike (a)").await.expect_err("they are alike");
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'reader-secret'").await.expect("a role");
    let want = [
        "duplicate \"Odd.one\".\"ééééééééééééééééééééééééééééééé\"",
        "duplicate public.held_longer_2",
        "invalid public.alike_1",
    ];
    let kinds = ["duplicate", "redundant", "invalid"];
    let usual = judged(&reading(&server.url()).await);
    assert_eq!(of_kinds(&usual, &kinds).iter().map(String::as_str).collect::<Vec<_>>(), want);
    assert!(told(&usual).contains("never_analyzed public.held"), "{:?}", told(&usual));

    // Somebody has a table for himself.
    let mut c = server.connect().await.expect("connects");
    c.execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    let began = Instant::now();
    let read = reading(&server.url()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "nobody waits for the lock: {:?}", began.elapsed());
    let beside = judged(&read);
    assert_eq!(of_kinds(&beside, &kinds).iter().map(String::as_str).collect::<Vec<_>>(), want, "all the same");
    let index = one(&beside, "public.held_longer_2").index.clone().expect("an index");
    assert_eq!((index.predicate, index.keys[0].expression.clone()), (None, None), "its texts would wait for the lock");
    assert!(read.missing.iter().any(|m| m.starts_with("1 table is locked")), "{:?}", read.missing);
    c.execute("ROLLBACK").await.expect("free");

    // Through a pooler every question is a transaction of its own.
    let bouncer = PgBouncer::start(&server, &[]).await.expect("PgBouncer");
    let pooled = judged(&reading(&bouncer.url()).await);
    assert_eq!(of_kinds(&pooled, &kinds).iter().map(String::as_str).collect::<Vec<_>>(), want, "the same");

    // A role without any right sees what indexes are; what it does not see is said with the grant.
    let reader =
        server.url().replace(&format!("perfdeck:{}", perfdeck_testkit::POSTGRES_PASSWORD), "reader:reader-secret");
    let read = reading(&reader).await;
    assert_eq!(
        of_kinds(&judged(&read), &kinds).iter().map(String::as_str).collect::<Vec<_>>(),
        want,
        "the catalogue is everybody's"
    );
    assert_eq!(read.grants, ["GRANT pg_read_all_data TO \"reader\";"], "{:?}", read.missing);
    assert!(!told(&judged(&read)).contains("never_analyzed public.held"), "what is hidden is not what is not there");

    // What is being built is not what was left. The build waits for the snapshot of another session.
    c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM held LIMIT 1").await.expect("a snapshot");
    let mut builder = server.connect().await.expect("connects");
    let building = tokio::spawn(async move {
        let outcome = builder.execute("CREATE INDEX CONCURRENTLY held_now ON held (c)").await.map(|_| ());
        let _ = builder.close().await;
        outcome
    });
    let there = perfdeck_testkit::eventually(Duration::from_secs(10), async || {
        reading(&server.url()).await.indexes.iter().any(|i| i.identity.name == "public.held_now" && !i.identity.valid)
    });
    there.await;
    let during = judged(&reading(&server.url()).await);
    assert!(!told(&during).iter().any(|t| t.contains("held_now")), "it is in the making: {:?}", told(&during));
    let hidden = reading(&reader).await;
    assert!(!told(&judged(&hidden)).iter().any(|t| t.contains("held_now")), "also where the build is hidden");
    assert!(hidden.grants.contains(&"GRANT pg_monitor TO \"reader\";".to_owned()), "and says so: {hidden:?}");
    c.execute("ROLLBACK").await.expect("ended");
    building.await.expect("a task").expect("built");
    c.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_tells_what_indexes_are_and_judges_none_unused_alone() {
    let primary = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    primary
        .execute(
            "CREATE TABLE t (a int, b int, c int); INSERT INTO t SELECT i, i, i FROM generate_series(1, 5000) i;
             CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b); CREATE INDEX t_c ON t (c); CREATE INDEX t_c2 ON t (c);
             ANALYZE; SELECT pg_stat_reset()",
        )
        .await
        .expect("a table");
    let standby = primary.standby().await.expect("a standby");
    perfdeck_testkit::eventually(Duration::from_secs(20), async || {
        reading(&standby.url()).await.indexes.iter().any(|i| i.identity.name == "public.t_c2")
    })
    .await;
    standby.execute("SET enable_seqscan = off; SELECT * FROM t WHERE b BETWEEN 1 AND 900").await.expect("a scan there");
    let follows = crate::indexes::counted_for(&reading(&standby.url()).await, crate::indexes::LONG_S);
    let alone = judged(&follows);
    assert!(
        matches!(&alone.unused, UnusedAnswer::NotTold { why, .. } if why.contains("standby")),
        "{:?}",
        alone.unused
    );
    assert!(told(&alone).contains("duplicate public.t_c2"), "{:?}", told(&alone));

    let leads = crate::indexes::counted_for(&reading(&primary.url()).await, crate::indexes::LONG_S);
    let by_primary = judged(&leads);
    assert_eq!(
        of_kinds(&by_primary, &["unused"]).into_iter().collect::<Vec<_>>(),
        ["unused public.t_a", "unused public.t_b"]
    );
    assert!(
        matches!(by_primary.unused, UnusedAnswer::Judged { nodes: 1, standbys_not_asked: Some(1), .. }),
        "{:?}",
        by_primary.unused
    );
    assert!(
        one(&by_primary, "public.t_b").finding.evidence.contains("standbys"),
        "{:?}",
        one(&by_primary, "public.t_b")
    );
    let both = perfdeck_database::indexes::findings(&leads, std::slice::from_ref(&follows));
    assert_eq!(
        of_kinds(&both, &["unused"]).into_iter().collect::<Vec<_>>(),
        ["unused public.t_a"],
        "the standby uses the other"
    );
    assert!(
        matches!(both.unused, UnusedAnswer::Judged { nodes: 2, standbys_not_asked: Some(0), .. }),
        "{:?}",
        both.unused
    );
}
