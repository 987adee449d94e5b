//! PostgreSQL.
use perfdeck_model::{FindingTarget, IndexFindingKind};
use perfdeck_testkit::{Postgres, sqlx};
use sqlx::{Connection as _, Executor as _};

use crate::indexes::planted::{Rule, decoy, defect, statements, wanted};
use crate::indexes::{judged, of_kinds, one, reading};

/// Rules of all versions from 12 on.
const RULES: &[Rule] = &[
    // What is the same.
    defect("twins", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a)", &["duplicate public.$_2"]),
    defect(
        "three",
        "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a); CREATE INDEX $_3 ON $ (a)",
        &["duplicate public.$_2", "duplicate public.$_3"],
    ),
    defect(
        "graph",
        "CREATE TABLE $ (a int, b int, c int); CREATE INDEX $_a ON $ (a); CREATE INDEX $_a2 ON $ (a);
         CREATE INDEX $_ab ON $ (a, b); CREATE INDEX $_abc ON $ (a, b, c)",
        &["redundant public.$_a", "duplicate public.$_a2", "redundant public.$_ab"],
    ),
    defect("prefix", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b)", &["redundant public.$_1"]),
    // PgHero 508: a plain index beside a unique one that begins with it.
    defect("prefix_of_unique", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a); CREATE UNIQUE INDEX $_2 ON $ (a, b)", &["redundant public.$_1"]),
    defect("prefix_of_key", "CREATE TABLE $ (a int, b int, PRIMARY KEY (a, b)); CREATE INDEX $_1 ON $ (a)", &["redundant public.$_1"]),
    defect("again_the_key", "CREATE TABLE $ (a int PRIMARY KEY); CREATE INDEX $_1 ON $ (a)", &["duplicate public.$_1"]),
    // phpMyAdmin 12150: unique and plain over the same column.
    defect("unique_and_plain", "CREATE TABLE $ (a int); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a)", &["duplicate public.$_2"]),
    // index-digest 48: of two unique ones only one goes.
    defect("unique_twice", "CREATE TABLE $ (a int); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE UNIQUE INDEX $_2 ON $ (a)", &["duplicate public.$_2"]),
    // Where in its statement a condition stands is no difference: the names have another length.
    defect(
        "same_condition",
        "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a) WHERE b > 10; CREATE INDEX $_much_longer_2 ON $ (a) WHERE b > 10",
        &["duplicate public.$_much_longer_2"],
    ),
    defect(
        "same_expression",
        "CREATE TABLE $ (a text, b int); CREATE INDEX $_1 ON $ (lower(a)); CREATE INDEX $_longer_2 ON $ (lower(a), b)",
        &["redundant public.$_1"],
    ),
    defect("fewer_beside", "CREATE TABLE $ (a int, b int, c int); CREATE INDEX $_1 ON $ (a) INCLUDE (b); CREATE INDEX $_2 ON $ (a) INCLUDE (b, c)", &["redundant public.$_1"]),
    defect("beside_is_key", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a) INCLUDE (b); CREATE INDEX $_2 ON $ (a, b)", &["redundant public.$_1"]),
    defect("other_fillfactor", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a) WITH (fillfactor = 60)", &["duplicate public.$_2"]),
    defect("hashes", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ USING hash (a); CREATE INDEX $_2 ON $ USING hash (a)", &["duplicate public.$_2"]),
    // pg-index-health 467: of partitioned tables the parents are told, not each partition.
    defect(
        "parted",
        "CREATE TABLE $ (a int, b int) PARTITION BY RANGE (a); CREATE TABLE $_p1 PARTITION OF $ FOR VALUES FROM (0) TO (9);
         CREATE INDEX $_1 ON $ (b); CREATE INDEX $_2 ON $ (b)",
        &["duplicate public.$_2"],
    ),
    // Two partitions of three have no part of it; one has an index that can be one.
    defect(
        "half",
        "CREATE TABLE $ (a int, b text) PARTITION BY RANGE (a); CREATE TABLE \"$ P1\" PARTITION OF $ FOR VALUES FROM (0) TO (9);
         CREATE TABLE $_p2 PARTITION OF $ FOR VALUES FROM (9) TO (99); CREATE TABLE $_p3 PARTITION OF $ FOR VALUES FROM (99) TO (999);
         CREATE INDEX $_own ON $_p2 (b DESC); CREATE INDEX $_1 ON ONLY $ (b DESC);
         CREATE INDEX $_third ON $_p3 (b DESC); ALTER INDEX $_1 ATTACH PARTITION $_third",
        &["invalid public.$_1"],
    ),
    // postgres_dba 50, ruby scripts: column 1 is no beginning of column 10.
    decoy("ten_columns", "CREATE TABLE $ (c1 int, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int, c11 int); CREATE INDEX $_1 ON $ (c1); CREATE INDEX $_2 ON $ (c10, c11)"),
    // What is not.
    decoy("other_order", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a, b); CREATE INDEX $_2 ON $ (b, a)"),
    // active_record_doctor 69, database_consistency 259: another method.
    decoy("other_method", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ USING hash (a); CREATE INDEX $_3 ON $ USING brin (a)"),
    decoy("other_class", "CREATE TABLE $ (a text); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a text_pattern_ops)"),
    decoy("other_class_of_gin", "CREATE TABLE $ (a jsonb); CREATE INDEX $_1 ON $ USING gin (a); CREATE INDEX $_2 ON $ USING gin (a jsonb_path_ops)"),
    // pg-index-health 76.
    decoy("other_collation", "CREATE TABLE $ (a text); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a COLLATE \"POSIX\")"),
    decoy("other_direction", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a, b); CREATE INDEX $_2 ON $ (a, b DESC)"),
    decoy(
        "other_direction_alone",
        "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a NULLS LAST); CREATE INDEX $_2 ON $ (a DESC NULLS LAST)",
    ),
    decoy("other_nulls", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a NULLS FIRST)"),
    // pgCluu 150, pg-index-health 66, yb-voyager 2764.
    decoy("other_condition", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a) WHERE b = 1; CREATE INDEX $_2 ON $ (a) WHERE b = 2"),
    decoy("a_part_and_all", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a) WHERE b = 1; CREATE INDEX $_2 ON $ (a, b)"),
    decoy("all_and_a_part", "CREATE TABLE $ (a int, b int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b) WHERE b = 1"),
    decoy("other_expression", "CREATE TABLE $ (a text); CREATE INDEX $_1 ON $ (lower(a)); CREATE INDEX $_2 ON $ (upper(a)); CREATE INDEX $_3 ON $ (a)"),
    decoy("other_constant", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ ((a % 10)); CREATE INDEX $_2 ON $ ((a % 16))"),
    decoy("more_beside", "CREATE TABLE $ (a int, b int, c int); CREATE INDEX $_1 ON $ (a) INCLUDE (c); CREATE INDEX $_2 ON $ (a, b)"),
    // skeema 152: what is unique enforces something.
    decoy("unique_is_more", "CREATE TABLE $ (a int, b int); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b)"),
    decoy("two_constraints", "CREATE TABLE $ (a int NOT NULL, PRIMARY KEY (a)); ALTER TABLE $ ADD CONSTRAINT $_u UNIQUE (a)"),
    decoy("checked_later", "CREATE TABLE $ (a int); CREATE UNIQUE INDEX $_1 ON $ (a); ALTER TABLE $ ADD CONSTRAINT $_d UNIQUE (a) DEFERRABLE INITIALLY DEFERRED"),
    decoy("excludes", "CREATE TABLE $ (a int4range, EXCLUDE USING gist (a WITH &&)); ALTER TABLE $ ADD EXCLUDE USING gist (a WITH &&)"),
    decoy("told_apart", "CREATE TABLE $ (a int NOT NULL); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE UNIQUE INDEX $_2 ON $ (a); ALTER TABLE $ REPLICA IDENTITY USING INDEX $_2; CREATE TABLE $_f (x int REFERENCES $ (a)); CREATE INDEX $_f_x ON $_f (x)"),
    // What the table is ordered by stays, though it is the younger one.
    defect(
        "ordered_by",
        "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a); CLUSTER $ USING $_2",
        &["duplicate public.$_1"],
    ),
    decoy("other_options", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ USING brin (a); CREATE INDEX $_2 ON $ USING brin (a) WITH (pages_per_range = 4)"),
    decoy("gist_prefix", "CREATE TABLE $ (a int4range, b int4range); CREATE INDEX $_1 ON $ USING gist (a); CREATE INDEX $_2 ON $ USING gist (a, b)"),
    decoy("gin_prefix", "CREATE TABLE $ (a jsonb, b jsonb); CREATE INDEX $_1 ON $ USING gin (a); CREATE INDEX $_2 ON $ USING gin (a, b)"),
    // splinter 20: the same definition on two tables.
    decoy("one_table", "CREATE TABLE $ (a int); CREATE INDEX $_1 ON $ (a); CREATE TABLE $_too (a int); CREATE INDEX $_2 ON $_too (a)"),
    // Foreign keys.
    defect("fk_none", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (x int CONSTRAINT $_f REFERENCES $_p)", &["foreign_key public.$.$_f"]),
    // sp_BlitzIndex 4077: one index has to have all columns at its begin.
    defect(
        "fk_two_halves",
        "CREATE TABLE $_p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE $ (a int, b int, x int, CONSTRAINT $_f FOREIGN KEY (a, b) REFERENCES $_p);
         CREATE INDEX $_1 ON $ (a, x); CREATE INDEX $_2 ON $ (x, b)",
        &["foreign_key public.$.$_f"],
    ),
    defect("fk_a_part", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int CONSTRAINT $_f REFERENCES $_p, b int); CREATE INDEX $_1 ON $ (a) WHERE b = 1", &["foreign_key public.$.$_f"]),
    defect("fk_other_collation", "CREATE TABLE $_p (a text PRIMARY KEY); CREATE TABLE $ (a text CONSTRAINT $_f REFERENCES $_p); CREATE INDEX $_1 ON $ (a COLLATE \"POSIX\")", &["foreign_key public.$.$_f"]),
    defect("fk_held_beside", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int CONSTRAINT $_f REFERENCES $_p, b int); CREATE INDEX $_1 ON $ (b) INCLUDE (a)", &["foreign_key public.$.$_f"]),
    defect(
        "fk_parted",
        "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int CONSTRAINT $_f REFERENCES $_p, b int) PARTITION BY RANGE (b);
         CREATE TABLE $_1 PARTITION OF $ FOR VALUES FROM (0) TO (9); CREATE TABLE $_2 PARTITION OF $ FOR VALUES FROM (9) TO (99);
         CREATE INDEX $_i ON $_1 (a)",
        &["foreign_key public.$.$_f"],
    ),
    // splinter 90: the primary key begins with it.
    decoy("fk_in_key", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int REFERENCES $_p, b int, PRIMARY KEY (a, b))"),
    // splinter 87: the order of its columns does not matter.
    decoy("fk_any_order", "CREATE TABLE $_p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE $ (a int, b int, FOREIGN KEY (a, b) REFERENCES $_p); CREATE INDEX $_1 ON $ (b, a)"),
    // Atlas 3765: what is looked for is not null.
    decoy("fk_not_null", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int REFERENCES $_p); CREATE INDEX $_1 ON $ (a) WHERE a IS NOT NULL"),
    decoy("fk_hash", "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int REFERENCES $_p); CREATE INDEX $_1 ON $ USING hash (a)"),
    decoy(
        "fk_each_part",
        "CREATE TABLE $_p (a int PRIMARY KEY); CREATE TABLE $ (a int REFERENCES $_p, b int) PARTITION BY RANGE (b);
         CREATE TABLE $_1 PARTITION OF $ FOR VALUES FROM (0) TO (9); CREATE INDEX $_i ON $_1 (a)",
    ),
];

/// From 15 on.
const NULLS: &[Rule] = &[
    decoy(
        "other_equal_nulls",
        "CREATE TABLE $ (a int); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE UNIQUE INDEX $_2 ON $ (a) NULLS NOT DISTINCT",
    ),
    defect(
        "plain_beside_nulls",
        "CREATE TABLE $ (a int); CREATE UNIQUE INDEX $_1 ON $ (a) NULLS NOT DISTINCT; CREATE INDEX $_2 ON $ (a)",
        &["duplicate public.$_2"],
    ),
];

const KINDS: [&str; 4] = ["duplicate", "redundant", "invalid", "foreign_key"];

async fn plant(server: &Postgres) {
    let mut c = server.connect().await.expect("connects");
    for statement in statements(RULES).into_iter().chain(statements(NULLS)) {
        c.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    c.close().await.expect("closed");
}

fn all() -> std::collections::BTreeSet<String> {
    wanted(RULES).into_iter().chain(wanted(NULLS)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_postgresql_is_found_and_no_decoy() {
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    plant(&server).await;
    let read = reading(&server.url()).await;
    assert!(read.missing.is_empty() && read.grants.is_empty(), "a superuser sees everything: {read:?}");
    let found = judged(&read);
    assert_eq!(of_kinds(&found, &KINDS), all(), "and nothing else");
    let by_all = judged(&crate::indexes::counted_for(&read, crate::indexes::LONG_S));
    let drops = |f: &&perfdeck_model::IndexFinding| {
        f.finding.proof.statements.iter().any(|s| s.text.starts_with("DROP INDEX"))
            && f.kind != IndexFindingKind::Unused
    };

    // A change is offered where there is one, and what is offered is taken by the server.
    let opens = |name: &str| one(&found, name).finding.action.opens.clone();
    let change = |name: &str| FindingTarget::Change { kind: "drop_index".to_owned(), object: name.to_owned() };
    assert_eq!(opens("public.twins_2"), change("public.twins_2"), "the change that drops it");
    assert_eq!(opens("public.fewer_beside_1"), change("public.fewer_beside_1"), "the same keys");
    assert_eq!(opens("public.prefix_1"), change("public.prefix_1"), "the beginning of another one");
    assert_eq!(opens("public.parted_2"), FindingTarget::Database, "nor that of a partitioned table");
    let shown = |name: &str| one(&found, name).index.clone().expect("an index");
    assert_eq!(shown("public.same_condition_much_longer_2").predicate.as_deref(), Some("b > ?"), "without literals");
    assert_eq!(shown("public.same_expression_1").keys[0].expression.as_deref(), Some("lower(a)"));
    assert_eq!(one(&found, "public.graph_a2").stays.as_ref().map(|s| s.name.as_str()), Some("public.graph_abc"));
    completed(&server, &found).await;
    for f in by_all.findings.iter().filter(drops) {
        let drop = f.finding.proof.statements.iter().find(|s| s.text.starts_with("DROP INDEX")).expect("a statement");
        server.execute(&drop.text.replace(" CONCURRENTLY", "")).await.unwrap_or_else(|e| panic!("{}: {e}", drop.text));
    }
    for f in found.findings.iter().filter(|f| f.kind == IndexFindingKind::ForeignKey) {
        let create = f.finding.proof.statements[0].text.replace(" CONCURRENTLY", "");
        server.execute(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
    }
    let left = judged(&reading(&server.url()).await);
    let redundant = ["redundant public.fk_a_part", "redundant public.fk_parted"];
    let left: Vec<String> =
        of_kinds(&left, &KINDS).into_iter().filter(|f| !redundant.iter().any(|r| f.starts_with(r))).collect();
    assert_eq!(left, Vec::<String>::new(), "what was advised mends it");
}

/// What is to complete an index of a partitioned table does so; and its bytes are those of its parts.
async fn completed(server: &Postgres, found: &perfdeck_database::indexes::Found) {
    let finding = one(found, "public.half_1");
    assert!(finding.finding.evidence.contains("1 of 3 partitions"), "{}", finding.finding.evidence);
    let statements = &finding.finding.proof.statements;
    assert_eq!(statements.len(), 4, "one is built and two are attached, or it is dropped: {statements:?}");
    for text in statements.iter().map(|s| &s.text).filter(|text| !text.starts_with("DROP")) {
        server.execute(text).await.unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    server
        .execute("INSERT INTO half SELECT i % 999, i::text FROM generate_series(1, 20000) i; ANALYZE")
        .await
        .expect("rows");
    server.execute("INSERT INTO parted SELECT 1, i FROM generate_series(1, 20000) i; ANALYZE").await.expect("rows");
    let again = judged(&reading(&server.url()).await);
    assert!(
        !of_kinds(&again, &["invalid"]).iter().any(|f| f.contains("half_1")),
        "{:?}",
        of_kinds(&again, &["invalid"])
    );
    let bytes: f64 = {
        let mut c = server.connect().await.expect("connects");
        let sql = "SELECT sum(pg_relation_size(relid))::float8 FROM pg_partition_tree('parted_2')";
        sqlx::query_scalar(sql).fetch_one(&mut c).await.expect("a size")
    };
    assert!(bytes > 100_000.0, "{bytes}");
    assert_eq!(one(&again, "public.parted_2").frees_bytes, Some(bytes), "those of its partitions");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_18_has_the_same_rules() {
    let server = Postgres::start_18_with(&[("autovacuum", "off")]).await.expect("PostgreSQL 18");
    plant(&server).await;
    let read = reading(&server.url()).await;
    assert_eq!(of_kinds(&judged(&read), &KINDS), all());
    server
        .execute("CREATE TABLE seen AS SELECT i AS a FROM generate_series(1, 9000) i; CREATE INDEX seen_a ON seen (a); ANALYZE seen; SELECT * FROM seen WHERE a = 7")
        .await
        .expect("a scan");
    let read = reading(&server.url()).await;
    let seen = read.indexes.iter().find(|i| i.identity.name == "public.seen_a").expect("it is there");
    assert!(seen.done.idle_s.is_some_and(|s| (0.0..60.0).contains(&s)), "the last scan is told from 16 on: {seen:?}");
}
