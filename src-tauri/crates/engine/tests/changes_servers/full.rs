//! A disk that is full in the middle of a build: what is needed is said before, the failure with what to do, and nothing is left or it is
//! shown with its ways out. Real disks of a few megabytes where this machine mounts any, limits of the servers everywhere.
use std::path::Path;

use perfdeck_engine::changes;
use perfdeck_model::{ApiError, ChangeOffer, ChangeState, ErrorCode, Says};
use perfdeck_testkit::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};
use perfdeck_testkit::{Postgres, SmallDisk, empty_disk, fill_disk, shared_mariadb, shared_postgres};

use super::create::{catalogue, plan, text};
use super::environment;
use super::mariadb::definition;
use crate::support::{apply, by_id, change, open, plan_drop, says, undo};

const MIB: u64 = 1024 * 1024;

/// A disk of so many megabytes, or a word that there is none.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
fn disk(mib: u64, test: &str) -> Option<SmallDisk> {
    match SmallDisk::of(mib * MIB) {
        Ok(disk) => Some(disk),
        Err(error) => {
            eprintln!("SKIPPED {test}: nothing can be mounted here, so that no disk is full ({error})");
            None
        }
    }
}

/// What a build on a full disk says.
fn is_full(error: &ApiError, hint: &str) {
    assert!(error.code == ErrorCode::Storage && error.message.starts_with("The disk of "), "{error:?}");
    assert!(error.hint.as_ref().is_some_and(|told| told.contains(hint)), "with what to do: {error:?}");
}

const ROWS: &str = "
    CREATE TABLE t (id int PRIMARY KEY, note text);
    INSERT INTO t SELECT n, md5(n::text) || md5((-n)::text) FROM generate_series(1, 40000) n;
    CREATE INDEX there ON t (note);
    CREATE TABLE parts (a int, note text) PARTITION BY RANGE (a);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100000);
    INSERT INTO parts SELECT n, md5(n::text) || md5((-n)::text) FROM generate_series(1, 40000) n; ANALYZE";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_postgresql_is_told_and_leaves_no_index() {
    let Some(disk) = disk(48, "a_full_disk_of_postgresql_is_told_and_leaves_no_index") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let server = Postgres::start_with(&[("autovacuum", "off")]).await.expect("PostgreSQL");
    let tight = server.create_database("tight").await.expect("a database");
    let place = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display());
    server.execute(&place).await.expect("a tablespace");
    server.execute("ALTER DATABASE tight SET TABLESPACE small").await.expect("all of it lies there");
    tight.execute(ROWS).await.expect("tables");
    let engine = open(dir.path()).await;
    let id = environment(&engine, "tight", &tight.url()).await;
    let before = catalogue(&tight).await;

    let planned = plan(&engine, &id, text("t", &["note", "id"])).await.expect("planned");
    let told = planned.notes.iter().any(|n| n.contains("the disk needs the index's size twice while it is sorted"));
    assert!(told, "what it needs is said before: {:?}", planned.notes);
    disk.fill(MIB).expect("filled");
    let full = apply(&engine, &planned.id, None).await.expect_err("there is no room");
    is_full(&full, "An index needs about its own size");
    assert!(!full.message.contains("could not be taken away"), "{full}");
    let after = change(&engine, &planned.id).await;
    assert_eq!((after.state, says(&after)), (ChangeState::Failed, Some(Says::AsBefore)), "{after:?}");
    assert_eq!(catalogue(&tight).await, before, "nothing is left of it");

    // Of a partitioned table one partition had room: what is there is said, and goes again.
    let parts = plan(&engine, &id, text("parts", &["note"])).await.expect("planned");
    is_full(&apply(&engine, &parts.id, None).await.expect_err("there is no room"), "make room there");
    let half = changes::check(engine.clone(), by_id(&parts.id)).await.expect("asked");
    assert_eq!((half.change.state, says(&half.change)), (ChangeState::CutOff, Some(Says::HalfDone)), "{half:?}");
    let told = half.change.target_says.as_ref().map(|told| told.text.clone()).unwrap_or_default();
    assert_eq!(told, "not valid: 1 of 2 partitions have it");
    assert_eq!(half.change.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp]);
    undo(&engine, &parts.id).await.expect("taken away");
    assert_eq!(catalogue(&tight).await, before, "nothing is left of it");

    // What was dropped comes back only once there is room.
    let dropped = plan_drop(&engine, &id, "there").await.expect("planned");
    apply(&engine, &dropped.id, None).await.expect("dropped");
    tight.execute("CHECKPOINT").await.expect("its files are gone");
    disk.fill(MIB).expect("filled");
    is_full(&undo(&engine, &dropped.id).await.expect_err("there is no room"), "make room there");
    assert_eq!(catalogue(&tight).await.len(), before.len() - 1, "nothing is left of the attempt");
    let lost = changes::check(engine.clone(), by_id(&dropped.id)).await.expect("asked");
    assert!(lost.change.offers.contains(&ChangeOffer::Undo), "it can be tried again: {lost:?}");
    disk.empty().expect("room");
    undo(&engine, &dropped.id).await.expect("it is back");
    assert_eq!(catalogue(&tight).await, before, "as before");

    let planned = plan(&engine, &id, text("t", &["note", "id"])).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("there is room");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(catalogue(&tight).await, before, "as before");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_lets_a_user_have_of_its_disk_is_said_before_and_after() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server
        .execute(
            "CREATE ROLE tight LOGIN PASSWORD 'tight'; ALTER ROLE tight SET maintenance_work_mem = '1MB';
             ALTER ROLE tight SET temp_file_limit = '1MB'; GRANT CREATE ON SCHEMA public TO tight;
             CREATE TABLE t (id int, note text); ALTER TABLE t OWNER TO tight;
             INSERT INTO t SELECT n, md5(n::text) || md5((-n)::text) FROM generate_series(1, 40000) n; ANALYZE t",
        )
        .await
        .expect("tables");
    let id = environment(&engine, "tight", &server.url_as("tight", "tight")).await;
    let before = catalogue(&server).await;
    let planned = plan(&engine, &id, text("t", &["note"])).await.expect("planned");
    let told = planned.notes.iter().find(|n| n.starts_with("temp_file_limit lets this user have"));
    assert!(told.is_some_and(|n| n.contains("may not be enough: the table has")), "{:?}", planned.notes);
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is too little");
    assert!(refused.message.contains("takes more of its disk than temp_file_limit lets this user have"), "{refused}");
    assert_eq!(
        refused.hint.as_deref(),
        Some("A superuser raises it: ALTER ROLE \"tight\" SET temp_file_limit = '…'; -1 is no limit")
    );
    let after = change(&engine, &planned.id).await;
    assert_eq!((after.state, says(&after)), (ChangeState::Failed, Some(Says::AsBefore)), "{after:?}");
    assert_eq!(catalogue(&server).await, before, "nothing is left of it");

    server.execute("ALTER ROLE tight SET temp_file_limit = -1").await.expect("as it says");
    let planned = plan(&engine, &id, text("t", &["note"])).await.expect("planned");
    assert!(!planned.notes.iter().any(|n| n.contains("temp_file_limit")), "{:?}", planned.notes);
    apply(&engine, &planned.id, None).await.expect("created");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(catalogue(&server).await, before, "as before");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_mariadb_is_told_and_leaves_nothing() {
    let Some(disk) = disk(32, "a_full_disk_of_mariadb_is_told_and_leaves_nothing") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_mariadb().await.expect("MariaDB"));
    let place = disk.path().display();
    server
        .execute(&format!(
            "CREATE TABLE tight (id INT PRIMARY KEY, note VARCHAR(400)) ENGINE=InnoDB DATA DIRECTORY='{place}';
             INSERT INTO tight SELECT seq, CONCAT(MD5(seq), REPEAT(MD5(-seq), 9)) FROM seq_1_to_30000"
        ))
        .await
        .expect("a table on that disk");
    let id = environment(&engine, "tight", &server.url()).await;
    let before = definition(server, "tight").await;
    let planned = plan(&engine, &id, text("tight", &["note", "id"])).await.expect("planned");
    let told = planned.notes.iter().any(|n| n.starts_with("How much of the server's disk is free is not told"));
    assert!(told, "{:?}", planned.notes);
    disk.fill(MIB / 2).expect("filled");
    is_full(&apply(&engine, &planned.id, None).await.expect_err("there is no room"), "in innodb_tmpdir");
    let after = change(&engine, &planned.id).await;
    assert_eq!((after.state, says(&after)), (ChangeState::Failed, Some(Says::AsBefore)), "{after:?}");
    assert_eq!(definition(server, "tight").await, before, "nothing is left of it");
    disk.empty().expect("room");
    let planned = plan(&engine, &id, text("tight", &["note", "id"])).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("there is room");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(definition(server, "tight").await, before, "as before");
    server.execute("DROP TABLE tight").await.expect("gone");
    engine.shutdown().await;
}

/// A file of which an index needs more than a megabyte, and its journal as much again.
async fn file(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut c = SqliteConnection::connect_with(&options).await.expect("a file");
    c.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
         INSERT INTO t WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 20000)
             SELECT n, hex(randomblob(32)) FROM r",
    )
    .await
    .expect("a table");
    c
}

async fn schema(c: &mut SqliteConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT sql FROM sqlite_schema ORDER BY name").fetch_all(c).await.expect("the schema")
}

/// Set for the copy of this program that runs in a namespace of its own: the folder that a small disk is mounted on there.
const INSIDE: &str = "PERFDECK_TEST_SMALL_DISK";

/// SQLite follows the links of a path by itself, so that it has to be where the disk is mounted.
#[test]
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
fn a_full_disk_of_a_file_is_said_before_and_rolled_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let this = std::env::current_exe().expect("this program");
    let script = format!("mount -t tmpfs -o size=8m none \"${INSIDE}\" && exec \"$0\" \"$@\"");
    let mut why = String::new();
    for namespaces in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let mut command = std::process::Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", &script]).arg(&this);
        command.args(["--exact", "changes_servers::full::inner_full_file", "--ignored"]).env(INSIDE, folder.path());
        let Ok(output) = command.output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        why = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("running 1 test") {
            assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
            return;
        }
    }
    eprintln!("SKIPPED a_full_disk_of_a_file_is_said_before_and_rolled_back: nothing can be mounted here ({why})");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above where a small disk is mounted"]
async fn inner_full_file() {
    let disk = std::path::PathBuf::from(std::env::var_os(INSIDE).expect("the folder of the disk"));
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let path = disk.join("t.db");
    let mut c = file(&path).await;
    let id = environment(&engine, "tight", &format!("sqlite:{}", path.display())).await;
    let before = schema(&mut c).await;
    fill_disk(&disk, MIB / 2).expect("filled");
    let planned = plan(&engine, &id, text("t", &["note"])).await.expect("planned");
    let told = planned.notes.iter().find(|n| n.starts_with("The file's disk has"));
    let told = told.unwrap_or_else(|| panic!("{:?}", planned.notes));
    assert!(told.contains("512") && told.contains("which may not be enough: the table has"), "{told}");
    is_full(&apply(&engine, &planned.id, None).await.expect_err("there is no room"), "Make room on it");
    let after = change(&engine, &planned.id).await;
    assert_eq!((after.state, says(&after)), (ChangeState::Failed, Some(Says::AsBefore)), "{after:?}");
    assert_eq!(schema(&mut c).await, before, "it was rolled back");
    let whole: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut c).await.expect("asked");
    assert_eq!(whole, "ok");
    empty_disk(&disk).expect("room");
    let planned = plan(&engine, &id, text("t", &["note"])).await.expect("planned");
    let told = planned.notes.iter().any(|n| n.contains("may not be enough"));
    assert!(!told, "it is enough: {:?}", planned.notes);
    apply(&engine, &planned.id, None).await.expect("there is room");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(schema(&mut c).await, before, "as before");
    engine.shutdown().await;
}
