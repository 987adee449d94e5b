//! PostgreSQL: what is unused, bloated and never analyzed, and what only looks so.
use perfdeck_model::UnusedAnswer;
use perfdeck_testkit::Postgres;

use crate::indexes::{LONG_S, counted_for, judged, of_kinds, one, reading};

#[tokio::test(flavor = "multi_thread")]
async fn unused_is_what_nothing_needs_and_nobody_read_in_a_long_window() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    server
        .execute(
            "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE);
             CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES p, few int, idle int, half int, e text, u int NOT NULL, s int);
             INSERT INTO p VALUES (1, 'x'); INSERT INTO t SELECT i, 1, i, i, i, i::text, i, i FROM generate_series(1, 20000) i;
             CREATE INDEX t_parent ON t (parent); CREATE INDEX t_few ON t (few); CREATE INDEX t_idle ON t (idle);
             CREATE INDEX t_half ON t (half) WHERE half > 100; CREATE INDEX t_e ON t (lower(e));
             CREATE UNIQUE INDEX t_u ON t (u); ALTER TABLE t REPLICA IDENTITY USING INDEX t_u;
             CREATE INDEX t_s ON t (s); CREATE INDEX t_s2 ON t (s);
             CREATE TABLE parts (a int, b int, c int) PARTITION BY RANGE (a);
             CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50000);
             CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (50000) TO (90000);
             CREATE INDEX parts_b ON parts (b); CREATE INDEX parts_c ON parts (c);
             INSERT INTO parts SELECT i, i, i FROM generate_series(1, 60000) i;
             CREATE TABLE full_of_holes (a int); INSERT INTO full_of_holes SELECT i FROM generate_series(1, 120000) i;
             CREATE INDEX holes_a ON full_of_holes (a);
             CREATE TABLE fresh (a int); INSERT INTO fresh SELECT i FROM generate_series(1, 120000) i;
             CREATE INDEX fresh_a ON fresh (a);
             CREATE TABLE unknown (a int); INSERT INTO unknown SELECT i FROM generate_series(1, 5000) i;
             CREATE TABLE small (a int); INSERT INTO small VALUES (1)",
        )
        .await
        .expect("tables");
    server.execute("DELETE FROM full_of_holes WHERE a > 24000").await.expect("holes");
    server.execute("VACUUM full_of_holes").await.expect("vacuumed");
    server
        .execute("ANALYZE t; ANALYZE p; ANALYZE parts_1; ANALYZE parts_2; ANALYZE full_of_holes; ANALYZE fresh")
        .await
        .expect("analyzed");
    server.execute("CREATE INDEX t_e2 ON t (upper(e))").await.expect("after the analyze");
    // Few scans that read much; one partition of two is read.
    for _ in 0..3 {
        server.execute("SET enable_seqscan = off; SELECT sum(few) FROM t WHERE few > 10").await.expect("scans");
    }
    server.execute("SET enable_seqscan = off; SELECT * FROM parts_2 WHERE b = 55000").await.expect("a scan");

    let read = reading(&server.url()).await;
    let few = read.indexes.iter().find(|i| i.identity.name == "public.t_few").expect("it is there");
    // The planner looks at the ends of an index too, which counts as a scan.
    assert!(few.done.scans.is_some_and(|n| (3.0..=6.0).contains(&n)), "{few:?}");
    assert!(few.done.rows_read.is_some_and(|n| n >= 3.0 * 19_000.0), "few scans, many rows: {few:?}");

    let early = judged(&read);
    assert!(of_kinds(&early, &["unused"]).is_empty(), "{early:?}");
    assert!(
        matches!(early.unused, UnusedAnswer::TooEarly { hours, enough_hours } if hours < 1.0 && enough_hours == 168.0),
        "the server just began: {:?}",
        early.unused
    );
    let found = judged(&counted_for(&read, LONG_S));
    assert_eq!(
        of_kinds(&found, &["unused"]).into_iter().collect::<Vec<_>>(),
        ["unused public.fresh_a", "unused public.parts_c", "unused public.t_half", "unused public.t_idle"],
        "no constraint, no foreign key, no replica identity, no expression, none that is to serve for another one"
    );
    let idle = one(&found, "public.t_idle");
    assert_eq!(idle.finding.proof.statements[0].text, "DROP INDEX CONCURRENTLY public.t_idle;", "{idle:?}");
    assert!(
        idle.finding.evidence.contains("not read in 40 days, 20\u{2009}000 entries written"),
        "{}",
        idle.finding.evidence
    );
    let young = judged(&counted_for(&read, 8.0 * 86_400.0));
    assert!(
        one(&young, "public.t_idle").finding.cost < idle.finding.cost,
        "what runs once a month was not seen: lower"
    );

    server.execute("SELECT pg_stat_reset()").await.expect("reset");
    let reset = judged(&reading(&server.url()).await);
    assert!(
        matches!(reset.unused, UnusedAnswer::TooEarly { hours, .. } if hours < 0.1),
        "statistics that were reset a minute ago tell nothing: {:?}",
        reset.unused
    );

    assert_eq!(
        of_kinds(&found, &["bloated"]).into_iter().collect::<Vec<_>>(),
        ["bloated public.holes_a"],
        "{:?}",
        crate::indexes::told(&found)
    );
    let holes = one(&found, "public.holes_a");
    assert!(holes.frees_bytes.is_some_and(|b| (1.5e6..3e6).contains(&b)), "four fifths of 2.6 MB: {holes:?}");
    server.execute(&holes.finding.proof.statements[0].text).await.expect("it is written anew");
    assert_eq!(
        of_kinds(&found, &["never_analyzed"]).into_iter().collect::<Vec<_>>(),
        ["never_analyzed public.parts", "never_analyzed public.t_e2", "never_analyzed public.unknown"],
        "the partitioned table, the index over an expression, and the table"
    );
    for name in ["public.parts", "public.t_e2", "public.unknown"] {
        server.execute(&one(&found, name).finding.proof.statements[0].text).await.expect("analyzed");
    }
    let mended = judged(&reading(&server.url()).await);
    assert!(of_kinds(&mended, &["never_analyzed", "bloated"]).is_empty(), "{:?}", crate::indexes::told(&mended));
}
