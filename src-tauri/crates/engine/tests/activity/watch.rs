//! The watch that all who ask share.
use std::time::Duration;

use perfdeck_engine::database::{self, ActivityRequest};
use perfdeck_engine::environments;
use perfdeck_model::Kind;
use perfdeck_testkit::sqlx::{Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{Postgres, eventually};

use crate::activity::{Client, TABLES, asked, environment, now, session};
use crate::support::{by_id, open};

/// Sessions of Perfdeck on a server.
async fn own(server: &Postgres) -> Vec<i32> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perfdeck'";
    let found = c.fetch_all(sql).await.expect("sessions").iter().map(|row| row.get(0)).collect();
    c.close().await.expect("closed");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_share_one_watch_that_keeps_what_it_saw() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    let mut busy = Client::of(&server, "busy").await.did("BEGIN").await;
    let (one, two) = tokio::join!(now(&engine, &id), now(&engine, &id));
    assert_eq!(one.at_ms, two.at_ms, "two windows, one reading");
    assert_eq!(own(&server).await.len(), 1, "over one connection");
    // What it counts is what the server has.
    let mut c = server.connect().await.expect("a session");
    let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
                 AND application_name <> 'perfdeck' AND state = 'idle in transaction'";
    let idle: i64 = c.fetch_one(count).await.expect("a count").get(0);
    let told = one.sessions.iter().filter(|s| s.state == "idle in transaction").count();
    assert_eq!((told, idle), (1, 1), "{:?}", one.sessions);
    busy.c.execute("COMMIT").await.expect("ended");
    let later = eventually(Duration::from_secs(10), async || {
        let found = now(&engine, &id).await;
        if session(&found, busy.pid).state == "idle" { Ok(found) } else { Err(found.at_ms) }
    })
    .await;
    let then = asked(&engine, &id, Some(one.at_ms + 100.0)).await.expect("it is kept");
    assert_eq!(then.at_ms, one.at_ms, "the reading nearest to the cursor");
    assert_eq!(session(&then, busy.pid).state, "idle in transaction", "as it was then");
    assert_eq!(later.kept_from_ms, Some(one.at_ms), "since when it is kept is said");
    assert_eq!(asked(&engine, &id, Some(one.at_ms - 60_000.0)).await, None, "of before nothing is known");
    // Somebody ends its connection: it opens another one.
    for pid in own(&server).await {
        server.execute(&format!("SELECT pg_terminate_backend({pid})")).await.expect("ended");
    }
    eventually(Duration::from_secs(10), async || {
        let request = ActivityRequest { environment_id: id.clone(), at_ms: None };
        let found = database::db_activity(engine.clone(), request).await.ok().flatten()?;
        (found.at_ms > later.at_ms + 2_000.0).then_some(())
    })
    .await;
    // It ends when nobody asks any more, and with its environment.
    let none = async || if own(&server).await.is_empty() { Ok(()) } else { Err("it still watches") };
    eventually(Duration::from_secs(25), none).await;
    let again = now(&engine, &id).await;
    assert_eq!(again.kept_from_ms, Some(one.at_ms), "what it saw is kept meanwhile");
    assert_eq!(own(&server).await.len(), 1, "it watches again");
    environments::delete(engine.clone(), by_id(&id)).await.expect("deleted");
    eventually(Duration::from_secs(5), none).await;
    engine.shutdown().await;
}
