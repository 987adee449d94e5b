//! SQLite.
use perfdeck_model::{FindingTarget, UnusedAnswer};
use perfdeck_testkit::sqlx;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::indexes::planted::{Rule, decoy, defect, statements, wanted};
use crate::indexes::{judged, of_kinds, one, reading};

const RULES: &[Rule] = &[
    defect("twins", "CREATE TABLE $ (a, b); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a)", &["duplicate $_2"]),
    defect("again_unique", "CREATE TABLE $ (a UNIQUE); CREATE INDEX $_1 ON $ (a)", &["duplicate $_1"]),
    defect("again_key", "CREATE TABLE $ (a TEXT PRIMARY KEY); CREATE INDEX $_1 ON $ (a)", &["duplicate $_1"]),
    defect(
        "unique_twice",
        "CREATE TABLE $ (a); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE UNIQUE INDEX $_2 ON $ (a)",
        &["duplicate $_2"],
    ),
    // Rows of one `a` come by their number, which every statement can name.
    decoy("number_unnamed", "CREATE TABLE $ (a, b); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b DESC)"),
    decoy(
        "number_named_else",
        "CREATE TABLE $ (a, b, rowid, oid); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, rowid)",
    ),
    defect(
        "number_hidden",
        "CREATE TABLE $ (a, rowid, oid, _rowid_); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, rowid)",
        &["redundant $_1"],
    ),
    defect(
        "prefix",
        "CREATE TABLE $ (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX $_1 ON $ (a)",
        &["redundant $_1"],
    ),
    defect(
        "same_condition",
        "CREATE TABLE $ (a, b); CREATE INDEX $_1 ON $ (a) WHERE b = 'x'; CREATE INDEX $_2 ON $ (a) where  B='x' -- again",
        &["duplicate $_2"],
    ),
    defect(
        "same_expression",
        "CREATE TABLE $ (b INTEGER PRIMARY KEY, a); CREATE INDEX $_1 ON $ (lower(a)); CREATE INDEX $_2 ON $ (LOWER( a ), b)",
        &["redundant $_1"],
    ),
    // The row number stands behind `a`; here it has a name.
    defect(
        "number_behind",
        "CREATE TABLE $ (id INTEGER PRIMARY KEY, a); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, id)",
        &["redundant $_1"],
    ),
    defect(
        "key_behind",
        "CREATE TABLE $ (id TEXT PRIMARY KEY, a) WITHOUT ROWID; CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, id)",
        &["redundant $_1"],
    ),
    decoy(
        "number_order",
        "CREATE TABLE $ (id INTEGER PRIMARY KEY, a, b); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b)",
    ),
    decoy(
        "key_order",
        "CREATE TABLE $ (id TEXT PRIMARY KEY, a, b) WITHOUT ROWID; CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b)",
    ),
    decoy("other_order", "CREATE TABLE $ (a, b); CREATE INDEX $_1 ON $ (a, b); CREATE INDEX $_2 ON $ (b, a)"),
    decoy("other_collation", "CREATE TABLE $ (a); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a COLLATE NOCASE)"),
    decoy("other_direction", "CREATE TABLE $ (a); CREATE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a DESC)"),
    decoy(
        "other_condition",
        "CREATE TABLE $ (a, b); CREATE INDEX $_1 ON $ (a) WHERE b = 'x'; CREATE INDEX $_2 ON $ (a) WHERE b = 'X'; CREATE INDEX $_3 ON $ (a)",
    ),
    decoy("other_expression", "CREATE TABLE $ (a); CREATE INDEX $_1 ON $ (a || 'A'); CREATE INDEX $_2 ON $ (a || 'a')"),
    decoy("unique_is_more", "CREATE TABLE $ (a, b); CREATE UNIQUE INDEX $_1 ON $ (a); CREATE INDEX $_2 ON $ (a, b)"),
    decoy("two_constraints", "CREATE TABLE $ (a UNIQUE, b, UNIQUE (a, b))"),
    decoy(
        "one_table",
        "CREATE TABLE $ (a); CREATE INDEX $_1 ON $ (a); CREATE TABLE $_too (a); CREATE INDEX $_2 ON $_too (a)",
    ),
    defect(
        "fk_none",
        "CREATE TABLE $_p (id INTEGER PRIMARY KEY); CREATE TABLE $ (x REFERENCES $_p)",
        &["foreign_key $.x"],
    ),
    defect(
        "fk_halves",
        "CREATE TABLE $_p (a, b, PRIMARY KEY (a, b)); CREATE TABLE $ (a, b, x, FOREIGN KEY (a, b) REFERENCES $_p); CREATE INDEX $_1 ON $ (a, x); CREATE INDEX $_2 ON $ (x, b)",
        &["foreign_key $.a, b"],
    ),
    defect(
        "fk_collation",
        "CREATE TABLE $_p (a TEXT COLLATE NOCASE PRIMARY KEY); CREATE TABLE $ (x TEXT REFERENCES $_p); CREATE INDEX $_1 ON $ (x)",
        &["foreign_key $.x"],
    ),
    decoy(
        "fk_any_order",
        "CREATE TABLE $_p (a, b, PRIMARY KEY (a, b)); CREATE TABLE $ (a, b, FOREIGN KEY (a, b) REFERENCES $_p); CREATE INDEX $_1 ON $ (b, a)",
    ),
    decoy(
        "fk_not_null",
        "CREATE TABLE $_p (id INTEGER PRIMARY KEY); CREATE TABLE $ (x REFERENCES $_P); CREATE INDEX $_1 ON $ (X) WHERE x IS NOT NULL",
    ),
    decoy(
        "fk_is_number",
        "CREATE TABLE $_p (id INTEGER PRIMARY KEY); CREATE TABLE $ (id INTEGER PRIMARY KEY REFERENCES $_p)",
    ),
];

const KINDS: [&str; 4] = ["duplicate", "redundant", "invalid", "foreign_key"];

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_sqlite_is_found_and_no_decoy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut c = options.connect().await.expect("a file");
    for statement in statements(RULES) {
        c.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    c.execute(
        "CREATE TABLE \"odd \"\"t\" (a); CREATE INDEX \"o'1\" ON \"odd \"\"t\" (a); CREATE INDEX \"o;\"\"2\" ON \"odd \"\"t\" (a);
         CREATE TABLE many (a, b); CREATE INDEX many_a ON many (a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) INSERT INTO many SELECT (i * 7919) % 60000, i FROM n;
         CREATE TABLE analyzed (a); INSERT INTO analyzed SELECT a FROM many LIMIT 2000; CREATE INDEX analyzed_a ON analyzed (a);
         ANALYZE analyzed",
    )
    .await
    .expect("tables");
    let url = format!("sqlite:{}", file.display());
    let found = judged(&reading(&url).await);
    let mut want = wanted(RULES);
    want.insert("duplicate o;\"2".to_owned());
    assert_eq!(of_kinds(&found, &KINDS), want, "and nothing else");
    let twins = one(&found, "twins_2");
    let change = FindingTarget::Change { kind: "drop_index".to_owned(), object: "twins_2".to_owned() };
    assert_eq!(twins.finding.action.opens, change, "the change that drops it");
    assert_eq!(twins.finding.proof.statements[0].text, "DROP INDEX \"twins_2\";");
    assert!(matches!(&found.unused, UnusedAnswer::NotTold { .. }), "nothing is counted: {:?}", found.unused);
    assert_eq!(of_kinds(&found, &["never_analyzed"]).into_iter().collect::<Vec<_>>(), ["never_analyzed many"]);
    // Rows that came in no order leave pages half empty.
    c.execute("DELETE FROM many WHERE a % 4 > 0").await.expect("holes");
    let bloated = judged(&reading(&url).await);
    assert!(of_kinds(&bloated, &["bloated"]).len() <= 1, "{:?}", crate::indexes::told(&bloated));
    for f in &found.findings {
        let statement = &f.finding.proof.statements[0].text;
        c.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let left = judged(&reading(&url).await);
    assert!(of_kinds(&left, &KINDS).is_empty(), "what was advised mends it: {:?}", crate::indexes::told(&left));
    assert!(of_kinds(&left, &["never_analyzed many"]).is_empty(), "{:?}", crate::indexes::told(&left));
    c.close().await.expect("closed");
}
