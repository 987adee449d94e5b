//! What PgBouncer tells in its console: `SHOW POOLS`, `SHOW STATS` and `SHOW DATABASES`.
//!
//! The console is a database of the name `pgbouncer` at the same port. It lets in who is in `admin_users` or `stats_users`,
//! and it speaks the simple protocol only.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, PoolerPool, PoolerPools, Sensitive};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Row};

use super::Waiting;
use crate::options::postgres_options;

/// The console's name.
const CONSOLE: &str = "pgbouncer";
/// Longest time for signing in and for all questions.
const DEADLINE: Duration = Duration::from_millis(1_500);
/// Longest time of the question that is asked once a second.
const SECOND: Duration = Duration::from_millis(300);
/// Time until a console that did not tell is asked again.
const REST: Duration = Duration::from_secs(60);
/// Pools that are listed.
const MOST: usize = 200;

/// A cell as text: PgBouncer's versions differ in the types that they give.
fn cell<'r>(row: &'r PgRow, name: &str) -> Option<&'r str> {
    row.try_get_raw(name).ok()?.as_str().ok()
}

fn number(row: &PgRow, name: &str) -> Option<f64> {
    cell(row, name)?.parse().ok()
}

fn count(row: &PgRow, names: &[&str]) -> u32 {
    let sum: f64 = names.iter().filter_map(|name| number(row, name)).sum();
    // Counts are whole and small; a cast of a float saturates.
    sum as u32
}

/// Sizes of a database's pools.
#[derive(Default, Clone, Copy)]
struct OfDatabase {
    size: Option<u32>,
    reserve: Option<u32>,
    /// What its administrator stopped: `paused` or `disabled`.
    stopped: Option<&'static str>,
}

/// How long clients of a database have waited for server connections since the pooler began, and how often they got one.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Waited {
    us: f64,
    times: f64,
}

impl Waited {
    /// Mean wait since `before`, in milliseconds; `None` when nobody got a connection, or the pooler began anew. (`avg_wait_time` is no
    /// mean: it is what all clients waited in a second.)
    fn mean_ms(self, before: Self) -> Option<f64> {
        let (us, times) = (self.us - before.us, self.times - before.times);
        (us >= 0.0 && times >= 1.0).then(|| us / times / 1e3)
    }
}

/// Totals by database.
pub(super) type Waits = HashMap<String, Waited>;

/// Gives the pools of each database its mean wait between two readings.
pub(super) fn tell_waits(pools: &mut [PoolerPool], before: &Waits, now: &Waits) {
    for pool in pools {
        let of = |waits: &Waits| waits.get(&pool.database).copied();
        pool.mean_wait_ms = of(now).zip(of(before)).and_then(|(now, before)| now.mean_ms(before));
    }
}

async fn asked(console: &mut PgConnection) -> Result<(PoolerPools, Waits), sqlx::Error> {
    let version = sqlx::raw_sql("SHOW VERSION").fetch_optional(&mut *console).await?;
    let version = version.and_then(|row| Some(row.try_get_raw(0).ok()?.as_str().ok()?.to_owned()));
    let mut databases: HashMap<String, OfDatabase> = HashMap::new();
    for row in sqlx::raw_sql("SHOW DATABASES").fetch_all(&mut *console).await? {
        let Some(name) = cell(&row, "name") else { continue };
        let whole = |name| number(&row, name).map(|n| n as u32);
        let of = OfDatabase {
            size: whole("pool_size"),
            reserve: whole("reserve_pool_size").or_else(|| whole("reserve_pool")),
            stopped: ["disabled", "paused"].into_iter().find(|name| number(&row, name).is_some_and(|n| n != 0.0)),
        };
        databases.insert(name.to_owned(), of);
    }
    let mut waits = Waits::new();
    for row in sqlx::raw_sql("SHOW STATS").fetch_all(&mut *console).await? {
        let Some(name) = cell(&row, "database") else { continue };
        // From PgBouncer 1.23 on it counts how often it gave a connection; before, once for each transaction.
        let times = number(&row, "total_server_assignment_count").or_else(|| number(&row, "total_xact_count"));
        if let (Some(us), Some(times)) = (number(&row, "total_wait_time"), times) {
            waits.insert(name.to_owned(), Waited { us, times });
        }
    }
    let rows = sqlx::raw_sql("SHOW POOLS").fetch_all(&mut *console).await?;
    let mut pools: Vec<PoolerPool> = rows.iter().filter_map(|row| pool(row, &databases)).collect();
    pools.sort_by_key(|p| std::cmp::Reverse((p.clients_waiting, p.servers_active)));
    pools.truncate(MOST);
    Ok((PoolerPools { version, pools }, waits))
}

fn pool(row: &PgRow, databases: &HashMap<String, OfDatabase>) -> Option<PoolerPool> {
    let database = cell(row, "database").filter(|name| *name != CONSOLE)?;
    let of = databases.get(database).copied().unwrap_or_default();
    let (seconds, us) = (number(row, "maxwait").unwrap_or(0.0), number(row, "maxwait_us").unwrap_or(0.0));
    Some(PoolerPool {
        database: database.to_owned(),
        user: cell(row, "user").unwrap_or_default().to_owned(),
        mode: match (cell(row, "pool_mode").unwrap_or_default(), of.stopped) {
            (mode, Some(stopped)) => format!("{mode}, {stopped}"),
            (mode, None) => mode.to_owned(),
        },
        clients_active: count(row, &["cl_active"]),
        clients_waiting: count(row, &["cl_waiting"]),
        servers_active: count(row, &["sv_active"]),
        servers_idle: count(row, &["sv_idle"]),
        servers_other: count(row, &["sv_used", "sv_tested", "sv_login"]),
        longest_wait_s: seconds + us / 1e6,
        size: of.size,
        reserve: of.reserve,
        mean_wait_ms: None,
    })
}

/// The console, kept open to be asked once a second how many clients wait.
#[derive(Default)]
pub(crate) struct Console {
    open: Option<PgConnection>,
    /// Until when it is not tried again.
    rests: Option<Instant>,
}

impl Console {
    /// Clients that wait for a server connection to the database of `address`; `None` where the console does not tell, which is
    /// tried again a minute later.
    pub(crate) async fn waiting(&mut self, address: &Address, password: Option<&Sensitive>) -> Option<f64> {
        if self.rests.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        // Taken out while it is used: one that was given up in the middle is not used again.
        let open = self.open.take();
        let work = async {
            let mut console = match open {
                Some(console) => console,
                None => console(address, password).await?,
            };
            let rows = sqlx::raw_sql("SHOW POOLS").fetch_all(&mut console).await?;
            Ok::<_, sqlx::Error>((console, rows))
        };
        match tokio::time::timeout(SECOND, work).await {
            Ok(Ok((console, rows))) => {
                self.open = Some(console);
                let of = |row: &&PgRow| cell(row, "database") == Some(address.path.as_str());
                Some(rows.iter().filter(of).filter_map(|row| number(row, "cl_waiting")).sum())
            }
            Ok(Err(_)) | Err(_) => {
                self.rests = Some(Instant::now() + REST);
                None
            }
        }
    }
}

/// A session of the console.
async fn console(address: &Address, password: Option<&Sensitive>) -> Result<PgConnection, sqlx::Error> {
    postgres_options(address, password).database(CONSOLE).statement_cache_capacity(0).connect().await
}

/// What it tells, or why it does not.
pub(super) async fn waiting(address: &Address, password: Option<&Sensitive>) -> Waiting {
    let work = async {
        let mut console = console(address, password).await?;
        let told = asked(&mut console).await;
        let _ = console.close().await;
        told
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok((pooler, waits))) => Waiting { pooler: Some(pooler), waits, ..Waiting::default() },
        Ok(Err(sqlx::Error::Database(refused))) => refusal(address, refused.message()),
        Ok(Err(_)) => unknown("The pooler's console does not speak as PgBouncer's does"),
        Err(_) => unknown("The pooler's console did not answer within 1.5 s"),
    }
}

fn unknown(why: &str) -> Waiting {
    Waiting {
        unknown: Some(format!("{why}, so it is not known how many clients wait for a connection")),
        ..Waiting::default()
    }
}

/// What a refusal means; the pooler's own text is not passed on.
fn refusal(address: &Address, message: &str) -> Waiting {
    let user = address.username.as_deref().unwrap_or("(no user)");
    if message.contains("no such database") || message.contains("does not exist") {
        return unknown("The pooler has no console of the name pgbouncer: it is another product, or hides it");
    }
    Waiting {
        fix: Some(format!("stats_users = …, {user}")),
        ..unknown(&format!(
            "PgBouncer's console does not let '{user}' in: it is in neither admin_users nor stats_users of pgbouncer.ini (keep those that are there)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_wait_is_what_was_waited_by_who_got_a_connection() {
        let at = |us: f64, times: f64| Waited { us, times };
        assert_eq!(at(71.5e6 + 5.0, 248.0).mean_ms(at(5.0, 10.0)).map(f64::round), Some(300.0), "71.5 s of 238");
        assert_eq!(at(5.0, 10.0).mean_ms(at(5.0, 10.0)), None, "nobody came: not 0");
        assert_eq!(at(0.0, 1.0).mean_ms(at(5.0, 10.0)), None, "it began anew");
        assert_eq!(at(5.0, 12.0).mean_ms(at(5.0, 10.0)), Some(0.0), "two, without a wait");
    }

    #[test]
    fn a_refusal_says_what_would_help_and_nothing_of_the_poolers_text() {
        let (address, _) = Address::parse("postgres://ro@h:6432/app").expect("an address");
        let told = refusal(&address, "not allowed: canary");
        assert_eq!(told.fix.as_deref(), Some("stats_users = …, ro"), "the setting, beside those that are there");
        assert!(
            told.unknown.as_deref().is_some_and(|w| w.contains("'ro'") && !w.contains("canary")),
            "{:?}",
            told.unknown
        );
        let other = refusal(&address, "no such database: pgbouncer");
        assert!(other.fix.is_none() && other.unknown.is_some(), "another product: no setting helps");
    }
}
