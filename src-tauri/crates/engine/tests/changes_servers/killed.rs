//! `kill -9` of Perfdeck while changes are in each state, on PostgreSQL, MariaDB and SQLite at once: the next start says what the catalogues
//! say, and offers the ways out, which lead there.
//!
//! The killed process is this test program itself, started again for [`child`] alone.
mod places;
mod rows;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_engine::Engine;
use perfdeck_engine::changes::{self, ChangeList, ChangePlan};
use perfdeck_engine::environments::{self, EnvUpdate};
use perfdeck_model::{ApiError, Change, ChangeOffer, ChangeState, EnvironmentDraft, Kind, Says};
use perfdeck_testkit::sqlx::{self, ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions};
use perfdeck_testkit::{Paused, eventually};
use serde::{Deserialize, Serialize};

use super::create::{plan as create, text};
use super::support::{apply, by_id, database, draft, open, says, undo};
use places::{Place, journal, places};
use rows::{End, Row};

/// Variable that makes [`child`] do something: its orders.
const ORDERS: &str = "PERFDECK_TEST_INDEX_ORDERS";

/// What is changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum What {
    /// `ix_t_a` of the table `t` is created.
    Create,
    /// `two` is dropped.
    Drop,
    /// `two` is hidden.
    Hide,
}

/// How far the child goes, unless somebody is in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Reach {
    Planned,
    Applied,
    /// Applied, and undone once it is told to.
    Undone,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    name: String,
    url: String,
    /// Name of the table and of the index that is dropped, as the engine's names are.
    table: String,
    index: String,
    key: String,
    what: What,
    reach: Reach,
    /// Whether the server works while it is applied, rather than waits: it begins when it is told to.
    works: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    data: PathBuf,
    /// Folder in which the child says how far it is, and is told to go on.
    signs: PathBuf,
    all: Vec<Order>,
}

fn reached(signs: &Path, row: &str) -> PathBuf {
    signs.join(format!("{row} is reached"))
}

fn told(signs: &Path, row: &str) -> PathBuf {
    signs.join(format!("{row} goes on"))
}

fn targets(order: &Order) -> EnvironmentDraft {
    draft(&order.name, Kind::Development, database(order.url.clone()))
}

async fn planned(engine: &Arc<Engine>, id: &str, order: &Order) -> Result<Change, ApiError> {
    let kind = match order.what {
        What::Create => return create(engine, id, text(&order.table, &[&order.key])).await,
        What::Drop => "drop_index",
        What::Hide => "hide_index",
    };
    let asked = ChangePlan { kind: kind.into(), environment_id: id.into(), object: order.index.clone() };
    changes::plan(engine.clone(), asked).await.map(|detail| detail.change)
}

/// Some locks are waited for two seconds only: what gives up begins again.
async fn works(engine: &Arc<Engine>, signs: &Path, order: &Order) {
    let id = super::support::environment(engine, targets(order)).await;
    loop {
        let Ok(planned) = planned(engine, &id, order).await else { continue };
        if order.works {
            eventually(Duration::from_secs(60), async || told(signs, &order.name).exists()).await;
        }
        if order.reach != Reach::Planned && apply(engine, &planned.id, None).await.is_err() {
            continue;
        }
        std::fs::write(reached(signs, &order.name), "").expect("a sign");
        if order.reach == Reach::Undone {
            eventually(Duration::from_secs(60), async || told(signs, &order.name).exists()).await;
            undo(engine, &planned.id).await.expect("it waits until it is killed");
        }
        return;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(orders) = std::env::var_os(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(orders.to_str().expect("UTF-8")).expect("orders");
    let engine = open(&orders.data).await;
    futures_util::future::join_all(orders.all.iter().map(|order| works(&engine, &orders.signs, order))).await;
    std::future::pending::<()>().await;
}

fn start(orders: &Orders) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "killed::child", "--nocapture", "--test-threads=1"]);
    command.env(ORDERS, serde_json::to_string(orders).expect("JSON")).env("PERFDECK_SECRET_STORE", "session");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("it starts")
}

/// The newest change of an environment, as the list has it.
async fn listed(engine: &Arc<Engine>, row: &str) -> Change {
    let all = changes::list(engine.clone(), ChangeList { environment_id: None }).await.expect("the list");
    all.into_iter().find(|change| change.environment == row).unwrap_or_else(|| panic!("{row} is listed"))
}

/// The password was that process's own.
async fn again(engine: &Arc<Engine>, change: &Change, order: &Order) {
    let known = environments::get(engine.clone(), by_id(&change.environment_id)).await.expect("it is stored");
    let again = EnvUpdate { id: known.id.clone(), draft: targets(order), read_ms: known.updated_ms };
    environments::update(engine.clone(), again).await.expect("the same target");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_each_state_the_next_start_says_what_is_so_and_offers_the_ways_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, signs) = (dir.path().join("data"), dir.path().join("signs"));
    std::fs::create_dir(&signs).expect("a folder");
    let mut places = places(dir.path()).await;
    let orders =
        Orders { data: data.clone(), signs: signs.clone(), all: places.iter().map(|p| p.order.clone()).collect() };
    let mut child = start(&orders);
    // First whatever stays as it is, then that all of them are there at one moment.
    futures_util::future::join_all(places.iter_mut().map(|place| place.brought(&signs))).await;
    for place in places.iter().filter(|place| place.order.works) {
        std::fs::write(told(&signs, place.row.name), "").expect("a sign");
    }
    let paused = eventually(Duration::from_secs(60), async || {
        all_there(&places, &signs).await?;
        // Looking takes a while, in which some may have gone on.
        let paused = Paused::new(child.id()).expect("it is stopped");
        all_there(&places, &signs).await.map(|()| paused)
    })
    .await;
    child.kill().expect("it is killed");
    drop(paused);
    child.wait().expect("it ended");

    let engine = open(&data).await;
    futures_util::future::join_all(places.iter_mut().map(|place| afterwards(&engine, place))).await;
    engine.shutdown().await;
}

/// A file that was written to when Perfdeck was killed: nobody reads it before it is rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_half_written_is_rolled_back_and_asked() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, file) = (dir.path().join("data"), dir.path().join("a.db"));
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut c = options.connect().await.expect("a file");
    c.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
         INSERT INTO t SELECT i, printf('%0200d', i) FROM n",
    )
    .await
    .expect("rows");
    c.close().await.expect("closed");
    let order = Order {
        name: "file".to_owned(),
        url: format!("sqlite:{}", file.display()),
        table: "t".to_owned(),
        index: String::new(),
        key: "a".to_owned(),
        what: What::Create,
        reach: Reach::Applied,
        works: false,
    };
    let mut child = start(&Orders { data: data.clone(), signs: dir.path().to_owned(), all: vec![order] });
    // The journal is one once its beginning is written, which is before the first page of the file is.
    let written = || {
        let mut first = [0];
        let read = std::fs::File::open(journal(&file)).and_then(|mut file| file.read_exact(&mut first));
        read.is_ok() && first[0] != 0
    };
    let end = Instant::now() + Duration::from_secs(30);
    while !written() {
        assert!(Instant::now() < end, "it writes to the file");
        std::thread::yield_now();
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
    assert!(written(), "it was killed in the middle");

    let engine = open(&data).await;
    let cut = listed(&engine, "file").await;
    assert_eq!((cut.state, says(&cut)), (ChangeState::CutOff, Some(Says::AsBefore)), "{cut:?}");
    assert_eq!(cut.offers, [ChangeOffer::Finish, ChangeOffer::Undo], "{cut:?}");
    let done = apply(&engine, &cut.id, None).await.expect("brought to its end");
    assert_eq!((done.state, says(&done)), (ChangeState::Verified, Some(Says::AsApplied)), "{done:?}");
    undo(&engine, &cut.id).await.expect("undone");
    let mut c = options.connect().await.expect("the file");
    let sql = "SELECT count(*), (SELECT count(*) FROM sqlite_schema WHERE type = 'index') FROM t";
    let counts: (i64, i64) = sqlx::query_as(sql).fetch_one(&mut c).await.expect("counts");
    assert_eq!(counts, (150_000, 0), "as before");
    engine.shutdown().await;
}

/// Whether each change is where it is to be killed, or the names of those that are not.
async fn all_there(places: &[Place], signs: &Path) -> Result<(), String> {
    let there = futures_util::future::join_all(places.iter().map(|place| place.is_there(signs))).await;
    let missing: Vec<&str> = places.iter().zip(there).filter(|(_, there)| !there).map(|(p, _)| p.row.name).collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
}

async fn afterwards(engine: &Arc<Engine>, place: &mut Place) {
    let Row { name, state, says: wanted, offers, end, .. } = *place.row;
    let found = listed(engine, name).await;
    assert!(!found.held, "{name}: nobody works on it: {found:?}");
    place.left_alone().await;
    again(engine, &found, &place.order).await;
    if state == ChangeState::Verified {
        // Who kept it from being asked would keep everybody.
        place.release().await;
    }
    // Independent of the product.
    let truth = place.truth().await;
    let asked = changes::check(engine.clone(), by_id(&found.id)).await.expect("asked").change;
    assert_eq!((asked.state, says(&asked)), (state, wanted), "{name}: {asked:?}");
    assert!(wanted.is_none_or(|says| says == truth), "{name}: the catalogue has it {truth:?}: {asked:?}");
    assert_eq!(asked.offers, offers, "{name}: {asked:?}");
    place.release().await;
    let id = &found.id;
    match end {
        End::Discard => {
            let gone = changes::discard(engine.clone(), by_id(id)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(gone.state, ChangeState::Lapsed, "{name}");
        }
        End::Finish => {
            let done = apply(engine, id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!((done.state, place.truth().await), (ChangeState::Verified, Says::AsApplied), "{name}: {done:?}");
        }
        End::Back => {}
    }
    if end != End::Discard {
        let back = undo(engine, id).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back.state, ChangeState::Undone, "{name}: {back:?}");
    }
    assert_eq!(place.truth().await, Says::AsBefore, "{name}");
    assert_eq!(place.catalogue().await, place.before, "{name}: as before");
}
