//! `kill -9` of Perfdeck while changes are in each state, on PostgreSQL, MariaDB and SQLite at once: the next start says what the catalogues
//! say, and offers the ways out, which lead there.
//!
//! The killed process is this test program itself, started again for [`child`] alone.
mod places;
mod rows;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::changes::{self, ChangeList, ChangePlan};
use perfdeck_engine::Engine;
use perfdeck_engine::environments::{self, EnvUpdate};
use perfdeck_model::{ApiError, Change, ChangeState, EnvironmentDraft, Kind, Says};
use perfdeck_testkit::eventually;
use serde::{Deserialize, Serialize};

use super::create::{plan as create, text};
use super::support::{apply, by_id, database, draft, open, says, undo};
use places::{Place, places};
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

/// SIGKILL, and the end of the process.
fn kill(child: &mut Child) {
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
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
    let orders = Orders { data: data.clone(), signs: signs.clone(), all: places.iter().map(|p| p.order.clone()).collect() };
    let mut child = start(&orders);
    // First whatever stays as it is, then that all of them are there at one moment.
    futures_util::future::join_all(places.iter_mut().map(|place| place.brought(&signs))).await;
    eventually(Duration::from_secs(60), async || {
        let there = futures_util::future::join_all(places.iter().map(|place| place.is_there(&signs))).await;
        let missing: Vec<&str> = places.iter().zip(there).filter(|(_, there)| !there).map(|(p, _)| p.row.name).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
    })
    .await;
    kill(&mut child);

    let engine = open(&data).await;
    futures_util::future::join_all(places.iter_mut().map(|place| afterwards(&engine, place))).await;
    engine.shutdown().await;
}

async fn afterwards(engine: &Arc<Engine>, place: &mut Place) {
    let Row { name, state, says: wanted, offers, end, .. } = *place.row;
    let found = listed(engine, name).await;
    assert!(!found.held, "{name}: nobody works on it: {found:?}");
    place.left_alone().await;
    again(engine, &found, &place.order).await;
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
