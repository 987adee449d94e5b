//! MariaDB.
use perfdeck_model::{FindingTarget, UnusedAnswer};
use perfdeck_testkit::{MariaDb, sqlx};
use sqlx::{Connection as _, Executor as _};

use crate::indexes::planted::{Rule, decoy, defect, statements, wanted};
use crate::indexes::{LONG_S, counted_for, judged, of_kinds, one, reading};

const RULES: &[Rule] = &[
    defect("twins", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a), KEY $_2 (a))", &["duplicate $.$_2"]),
    defect("three", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a), KEY $_2 (a), KEY $_3 (a))", &["duplicate $.$_2", "duplicate $.$_3"]),
    defect("again_the_key", "CREATE TABLE $ (id int PRIMARY KEY, KEY $_1 (id))", &["duplicate $.$_1"]),
    defect("unique_and_plain", "CREATE TABLE $ (id int PRIMARY KEY, a int, UNIQUE $_1 (a), KEY $_2 (a))", &["duplicate $.$_2"]),
    defect("unique_twice", "CREATE TABLE $ (id int PRIMARY KEY, a int, UNIQUE $_1 (a), UNIQUE $_2 (a))", &["duplicate $.$_2"]),
    // The same order: InnoDB puts the primary key behind `a`.
    defect("key_behind", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a), KEY $_2 (a, id))", &["redundant $.$_1"]),
    defect("key_within", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a), KEY $_2 (a, id, b))", &["redundant $.$_1"]),
    defect("prefix_of_key", "CREATE TABLE $ (a int, b int, c int, PRIMARY KEY (a, b), KEY $_1 (a))", &["redundant $.$_1"]),
    // Without a primary key a number that nobody can name stands behind it.
    defect("no_key", "CREATE TABLE $ (a int, b int, KEY $_1 (a), KEY $_2 (a, b))", &["redundant $.$_1"]),
    defect("not_innodb", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a), KEY $_2 (a, b)) ENGINE=MyISAM", &["redundant $.$_1"]),
    defect("same_length", "CREATE TABLE $ (id int PRIMARY KEY, a varchar(99), KEY $_1 (a(9)), KEY $_2 (a(9)))", &["duplicate $.$_2"]),
    // Reads by `a` in the order of `id` need it: MariaDB's own view proposes to drop it.
    decoy("key_order", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a), KEY $_2 (a, b))"),
    decoy("key_order_of_unique", "CREATE TABLE $ (id int NOT NULL, a int, b int, UNIQUE $_0 (id), KEY $_1 (a), KEY $_2 (a, b))"),
    decoy("other_order", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a, b), KEY $_2 (b, a))"),
    decoy("other_length", "CREATE TABLE $ (id int PRIMARY KEY, a varchar(99), KEY $_1 (a(9)), KEY $_2 (a))"),
    decoy("other_direction", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a), KEY $_2 (a DESC))"),
    // skeema 110.
    decoy("words", "CREATE TABLE $ (id int PRIMARY KEY, a varchar(99), KEY $_1 (a), FULLTEXT $_2 (a))"),
    decoy("other_words", "CREATE TABLE $ (id int PRIMARY KEY, a varchar(99), FULLTEXT $_1 (a), FULLTEXT $_2 (a))"),
    decoy("hash_and_tree", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a) USING HASH, KEY $_2 (a) USING BTREE) ENGINE=MEMORY"),
    decoy("hash_prefix", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a) USING HASH, KEY $_2 (a, b) USING HASH) ENGINE=MEMORY"),
    // skeema 152.
    decoy("unique_is_more", "CREATE TABLE $ (id int PRIMARY KEY, a int, b int, UNIQUE $_1 (a), UNIQUE $_2 (a, b))"),
    // What is ignored serves nobody.
    decoy("ignored", "CREATE TABLE $ (a int, b int, KEY $_1 (a), KEY $_2 (a, b) IGNORED)"),
    decoy("one_table", "CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a)); CREATE TABLE $_too (id int PRIMARY KEY, a int, KEY $_1 (a))"),
    // Releem 478: a foreign key rests on it, and another one serves that too.
    decoy("fk_served", "CREATE TABLE $_p (id int PRIMARY KEY); CREATE TABLE $ (id int PRIMARY KEY, a int, b int, KEY $_1 (a), KEY $_2 (a, b), CONSTRAINT $_f FOREIGN KEY (a) REFERENCES $_p (id))"),
    defect(
        "fk_none",
        "CREATE TABLE $_p (id int PRIMARY KEY); CREATE TABLE $ (id int PRIMARY KEY, a int, KEY $_1 (a), CONSTRAINT $_f FOREIGN KEY (a) REFERENCES $_p (id));
         SET foreign_key_checks = 0; ALTER TABLE $ DROP KEY $_1; SET foreign_key_checks = 1",
        &["foreign_key $.$_f"],
    ),
    defect("odd_\u{e4}\u{65e5}", "CREATE TABLE `$` (`a b` int, KEY `i``1` (`a b`), KEY `i'2` (`a b`))", &["duplicate $.i'2"]),
];

const KINDS: [&str; 4] = ["duplicate", "redundant", "invalid", "foreign_key"];

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_mariadb_is_found_and_no_decoy_and_unused_needs_a_window() {
    let server = MariaDb::start().await.expect("MariaDB");
    let mut c = server.connect().await.expect("connects");
    for statement in statements(RULES) {
        c.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let read = reading(&server.url()).await;
    let found = judged(&read);
    assert_eq!(of_kinds(&found, &KINDS), wanted(RULES), "and nothing else");
    let twins = one(&found, "twins.twins_2");
    let hide = FindingTarget::Change { kind: "hide_index".to_owned(), object: twins.object.clone() };
    assert_eq!(twins.finding.action.opens, hide, "it is hidden before it is dropped");
    assert_eq!(twins.finding.proof.statements[0].text, "DROP INDEX `twins_2` ON `twins`;");
    let hide = &twins.finding.proof.statements[1].text;
    assert_eq!(hide, "ALTER TABLE `twins` ALTER INDEX `twins_2` IGNORED;");
    c.execute(sqlx::AssertSqlSafe(hide.clone())).await.expect("the server takes it");
    // Once it is hidden there is nothing left of that to do.
    let hidden = judged(&reading(&server.url()).await);
    let twins = one(&hidden, "twins.twins_2");
    let drop = FindingTarget::Change { kind: "drop_index".to_owned(), object: twins.object.clone() };
    assert_eq!((&twins.finding.action.opens, twins.finding.proof.statements.len()), (&drop, 1), "only its drop");
    for f in &found.findings {
        let statement = &f.finding.proof.statements[0].text;
        c.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let left = judged(&reading(&server.url()).await);
    assert!(of_kinds(&left, &KINDS).is_empty(), "what was advised mends it: {:?}", crate::indexes::told(&left));

    // Uses are counted since the server began.
    assert!(matches!(left.unused, UnusedAnswer::TooEarly { hours, .. } if hours < 1.0), "{:?}", left.unused);
    for statement in [
        "CREATE TABLE used (id int PRIMARY KEY, a int, b int, c int UNIQUE, KEY used_a (a), KEY used_b (b), FULLTEXT used_w (w), w text)",
        "INSERT INTO used SELECT seq, seq, seq, seq, seq FROM seq_1_to_2000",
        "SELECT COUNT(*) FROM used FORCE INDEX (used_a) WHERE a > 7",
    ] {
        c.execute(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let read = reading(&server.url()).await;
    let a = read.indexes.iter().find(|i| i.identity.name == "used_a").expect("it is there");
    assert!(a.done.rows_read.is_some_and(|n| n >= 1_900.0), "one use that read much: {a:?}");
    let found = judged(&counted_for(&read, LONG_S));
    let unused: Vec<String> = of_kinds(&found, &["unused used."]).into_iter().collect();
    assert_eq!(unused, ["unused used.used_b"], "not what was read, is unique, or is counted otherwise");

    // A role that may not see what indexes are used for is told how it may.
    c.execute("CREATE USER reader IDENTIFIED BY 'r'").await.expect("a user");
    c.execute("GRANT SELECT ON app.* TO reader").await.expect("granted");
    c.close().await.expect("closed");
    let url = format!("mariadb://reader:r@127.0.0.1:{}/app", server.port());
    let read = reading(&url).await;
    assert!(
        read.grants.iter().any(|g| g == "GRANT SELECT ON performance_schema.* TO 'reader'@'%';"),
        "{:?}",
        read.grants
    );
    assert!(
        matches!(&judged(&read).unused, UnusedAnswer::NotTold { fix: Some(fix), .. } if fix.starts_with("GRANT SELECT"))
    );
}
