//! `perfctl db pool`.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine as api;
use perfdeck_engine::{ByEnvironment, Engine};
use perfdeck_model::{ApplicationPool, DatabasePools, OwnPool, PoolTimes, PoolerPool};

use crate::answers::Pools;
use crate::args::Source;
use crate::output::{self, Done, figures, plain, under};
use crate::{FINE, INCOMPLETE, environments};

/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(1);

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |s| output::value(s, perfdeck_model::Unit::Seconds))
}

fn or_dash(text: Option<String>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".to_owned())
}

fn application(pool: &ApplicationPool) -> Vec<String> {
    let states = pool.states;
    let churn = pool.churn.map(|c| format!("+{} -{}", figures(c.begun_per_min), figures(c.ended_per_min)));
    let mut cells = vec![or_dash(pool.application.clone()), or_dash(pool.address.clone())];
    cells.extend(
        [pool.sessions, states.lock_wait, states.active, states.idle_in_transaction, states.idle, states.unknown]
            .map(|n| n.to_string()),
    );
    cells.extend([seconds(pool.oldest_s), seconds(pool.longest_idle_in_transaction_s), or_dash(churn)]);
    cells
}

const APPLICATIONS: [&str; 11] = [
    "application",
    "address",
    "sessions",
    "lock wait",
    "active",
    "idle in tx",
    "idle",
    "hidden",
    "oldest",
    "longest in tx",
    "begun, ended/min (at least)",
];

fn pooler(pool: &PoolerPool) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    vec![
        pool.database.clone(),
        pool.user.clone(),
        pool.mode.clone(),
        number(pool.size),
        pool.clients_active.to_string(),
        pool.clients_waiting.to_string(),
        seconds((pool.clients_waiting > 0).then_some(pool.longest_wait_s)),
        pool.servers_active.to_string(),
        pool.servers_idle.to_string(),
        pool.servers_other.to_string(),
        or_dash(pool.mean_wait_ms.map(output::ms)),
    ]
}

const POOLER: [&str; 11] = [
    "database",
    "user",
    "mode",
    "size",
    "clients",
    "waiting",
    "longest wait",
    "servers in use",
    "idle",
    "other",
    "mean wait of all users",
];

fn own(pool: &OwnPool) -> Vec<String> {
    let s = &pool.stats;
    let times = |t: &PoolTimes| {
        let of = |ms: Option<f64>| or_dash(ms.map(output::ms));
        format!("{} {} {}", of(t.p50_ms), of(t.p99_ms), of(t.max_ms)).replace("- - -", "-")
    };
    let closed = &s.closed;
    let all = closed.age + closed.dead + closed.beyond_size + closed.lost + closed.with_pool;
    vec![
        pool.name.clone(),
        format!("{}+{}", s.size, s.max_overflow),
        s.in_use.to_string(),
        s.idle.to_string(),
        s.waiting.to_string(),
        s.acquired.to_string(),
        s.timeouts.to_string(),
        times(&s.wait),
        times(&s.hold),
        s.created.to_string(),
        all.to_string(),
    ]
}

const OWN: [&str; 11] = [
    "pool",
    "size",
    "in use",
    "idle",
    "waiting",
    "check-outs",
    "time-outs",
    "wait p50 p99 max",
    "hold p50 p99 max",
    "opened",
    "closed",
];

fn write(pools: &DatabasePools) -> Done<()> {
    if let Some(limits) = pools.limits {
        let used = limits.used.map_or_else(|| "-".to_owned(), |n| n.to_string());
        output::line(&format!("connections: {used} of {} in use, {} reserved", limits.max, limits.reserved))?;
    }
    if !pools.applications.is_empty() {
        output::table(&APPLICATIONS, &pools.applications.iter().map(application).collect::<Vec<_>>())?;
    }
    if pools.left_out > 0 {
        output::note(&format!("{} more applications are not shown", pools.left_out));
    }
    if let Some(told) = &pools.pooler {
        output::line("")?;
        output::line(&plain(told.version.as_deref().unwrap_or("pooler")))?;
        output::table(&POOLER, &told.pools.iter().map(pooler).collect::<Vec<_>>())?;
    }
    if !pools.own.is_empty() {
        output::line("")?;
        output::table(&OWN, &pools.own.iter().map(own).collect::<Vec<_>>())?;
    }
    for text in [&pools.note, &pools.waiting_unknown].into_iter().flatten() {
        output::note(&plain(text));
    }
    pools.waiting_fix.iter().flat_map(|text| under("hint:", text)).for_each(|line| output::note(&line));
    match pools.hidden {
        Some(0) => {}
        Some(1) => output::note("1 session hides its state from this user"),
        Some(n) => output::note(&format!("{n} sessions hide their state from this user")),
        None => output::note("Sessions of other users may be hidden from this user"),
    }
    pools.grant.iter().flat_map(|grant| under("hint:", grant)).for_each(|line| output::note(&line));
    Ok(())
}

pub(crate) async fn pool(
    engine: &Arc<Engine>,
    env: Option<&str>,
    time: Option<Duration>,
    source: &Source,
    json: bool,
) -> Done {
    let environment = environments::require(engine, env, source).await?;
    let asked = || ByEnvironment { environment_id: environment.id.clone() };
    let mut pools = api::database::db_pool(engine.clone(), asked()).await?;
    if let Some(time) = time {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            tokio::time::sleep_until(end.min(tokio::time::Instant::now() + INTERVAL)).await;
            pools = api::database::db_pool(engine.clone(), asked()).await?;
        }
    }
    // What cannot be seen is not nothing.
    let complete = if pools.hidden == Some(0) { FINE } else { INCOMPLETE };
    if json {
        output::json(&Pools { schema: "perfdeck.pools/1", environment: environment.name, pools })?;
    } else {
        write(&pools)?;
    }
    Ok(complete)
}
