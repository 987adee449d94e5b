//! Replication of a PostgreSQL server: how far standbys are behind, and what holds WAL.
use perfdeck_model::{Address, CheckState, HealthCheck, Unit};
use perfdeck_words as words;
use sqlx::Row;

use crate::hints::grant;
use crate::session::Session;
use perfdeck_model::checks::{Limit, Mend, measured, refused, told, unknown};

/// Standbys and slots that are listed.
const MOST: usize = 20;

const LAG: Limit =
    Limit { warning: Some(30.0), failing: None, source: "netdata and pgEdge: more than 30 s, or 100 MB" };
/// Bytes that a standby may be behind.
const BEHIND: f64 = 100e6;
const RETAINED: Limit = Limit { warning: None, failing: Some(1_073_741_824.0), source: "pgEdge: more than 1 GB" };
/// What a slot that nobody reads may hold: four segments. One that was just made, or whose reader is away for a moment, holds less.
const ABANDONED: Limit = Limit {
    warning: Some(0.0),
    failing: Some(67_108_864.0),
    source: "Perfdeck: nobody reads it; more than 64 MiB, four segments",
};

/// A standby says how far it is behind; a primary says it of each standby.
pub(super) async fn replication(c: &mut Session, address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(&mut *c).await?;
    if row.try_get(0)? { standby(c).await } else { primary(c, address).await }
}

async fn standby(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    // The time of the last transaction lies when the primary is idle: who has replayed all that it received is not behind.
    let row = sqlx::raw_sql(
        "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                     ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8,
                pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8,
                EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL), pg_is_wal_replay_paused()",
    )
    .fetch_one(c)
    .await?;
    let (lag, behind): (Option<f64>, Option<f64>) = (row.try_get(0)?, row.try_get(1)?);
    let lag = lag.map(|s| s.max(0.0));
    let (receives, paused): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let (id, title) = ("replication_lag", "Replication lag");
    if !receives {
        let reason = "this is a standby, and nothing is received from its primary: it was lost, or the standby follows an archive";
        return Ok(vec![
            told(id, title, CheckState::Failing, reason)
                .mend("Look at the standby's log, and at primary_conninfo", Some("SHOW primary_conninfo;")),
        ]);
    }
    let bytes = words::bytes(behind.unwrap_or(0.0).max(0.0));
    let reason = format!("this is a standby; {bytes} received and not replayed");
    let mut check = match lag {
        Some(lag) => measured(id, title, (lag, Unit::Seconds), LAG, reason),
        None => told(id, title, CheckState::Ok, format!("{reason}; it has replayed no transaction yet")),
    };
    if behind.is_some_and(|b| b > BEHIND) {
        check.state = check.state.max(CheckState::Warning);
    }
    if paused {
        check.state = CheckState::Warning;
        check.reason.push_str("; replay is paused");
        return Ok(vec![check.mend("Goes on with it", Some("SELECT pg_wal_replay_resume();"))]);
    }
    Ok(vec![check.mend("Look for a long query on the standby, a slow disk, or a slow network", None)])
}

async fn primary(c: &mut Session, address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT coalesce(nullif(application_name, ''), host(client_addr), 'pid ' || pid), state, sync_state,
                pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8, extract(epoch FROM replay_lag)::float8,
                count(*) OVER ()
         FROM pg_stat_replication ORDER BY 4 DESC NULLS LAST, 1 LIMIT 20",
    )
    .fetch_all(c)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(vec![told("replication", "Replication", CheckState::Ok, "no standby is connected")]);
    };
    let all: i64 = first.try_get(5)?;
    let mut checks = Vec::new();
    for row in &rows {
        let (name, state): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let Some(state) = state else {
            let reason =
                format!("{} connected; how far each is behind is hidden from this user", words::plural(all, "standby"));
            return Ok(vec![refused("replication", "Replication", reason, grant(address))]);
        };
        let (sync, behind): (Option<String>, Option<f64>) = (row.try_get(2)?, row.try_get(3)?);
        // Without a lag nothing is under way: behind by nothing, or not replaying.
        let lag: Option<f64> = row.try_get::<Option<f64>, _>(4)?.or_else(|| (behind? <= 0.0).then_some(0.0));
        checks.push(of_standby(&name, &state, sync.as_deref().unwrap_or("async"), behind, lag));
    }
    checks.extend(more(all, "replication", "Replication", "standby"));
    Ok(checks)
}

fn of_standby(name: &str, state: &str, sync: &str, behind: Option<f64>, lag: Option<f64>) -> HealthCheck {
    let (id, title) = (format!("replica:{name}"), format!("Standby {name}"));
    let bytes = behind.map_or_else(|| "an unknown amount".to_owned(), |b| words::bytes(b.max(0.0)));
    let reason = format!("{state}, {sync}, {bytes} of WAL behind");
    let far = behind.is_some_and(|b| b > BEHIND);
    let mut check = match lag {
        Some(lag) => measured(&id, &title, (lag, Unit::Seconds), LAG, reason),
        None => told(&id, &title, CheckState::Ok, format!("{reason}; it reports no lag")),
    };
    if far || !matches!(state, "streaming" | "backup") {
        check.state = check.state.max(CheckState::Warning);
    }
    check.mend("Look for a long query on the standby, a slow disk, or a slow network", None)
}

/// Slots, on either side: one that nobody reads holds WAL until the disk is full.
pub(super) async fn slots(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT slot_name::text, slot_type, active, to_jsonb(s) ->> 'wal_status',
                pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                restart_lsn)::float8,
                count(*) OVER ()
         FROM pg_replication_slots s WHERE NOT temporary ORDER BY 5 DESC NULLS LAST, 1 LIMIT 20",
    )
    .fetch_all(c)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(vec![told("slots", "Replication slots", CheckState::Ok, "there are none")]);
    };
    let all: i64 = first.try_get(5)?;
    let mut checks = Vec::new();
    for row in &rows {
        let name: String = row.try_get(0)?;
        let kind: Option<String> = row.try_get(1)?;
        let status: Option<String> = row.try_get(3)?;
        let held: Option<f64> = row.try_get(4)?;
        checks.push(of_slot(&name, kind.as_deref().unwrap_or("physical"), row.try_get(2)?, status.as_deref(), held));
    }
    checks.extend(more(all, "slots", "Replication slots", "slot"));
    Ok(checks)
}

fn of_slot(name: &str, kind: &str, active: bool, status: Option<&str>, held: Option<f64>) -> HealthCheck {
    let (id, title) = (format!("slot:{name}"), format!("Slot {name}"));
    let read = if active { "in use" } else { "nobody reads it" };
    let drop = format!("SELECT pg_drop_replication_slot('{}');", name.replace('\'', "''"));
    let fix = "Removes the slot, for good: whoever read it has to be set up anew. max_slot_wal_keep_size bounds what slots hold";
    let Some(held) = held else {
        let (state, why) = match status {
            Some("lost") => (CheckState::Failing, "what it needs is gone"),
            _ => (CheckState::Ok, "it holds no WAL yet"),
        };
        return told(&id, &title, state, format!("{kind}, {read}; {why}")).mend(fix, Some(&drop));
    };
    let held = held.max(0.0);
    let mut check = measured(
        &id,
        &title,
        (held, Unit::Bytes),
        if active { RETAINED } else { ABANDONED },
        format!("{kind}, {read}; holds {} of WAL", words::bytes(held)),
    );
    let lost = matches!(status, Some("unreserved" | "lost"));
    if lost {
        check.reason.push_str(", of which some is or will be gone: its reader cannot go on");
    }
    if lost {
        check.state = CheckState::Failing;
    } else if !active {
        check.state = check.state.max(CheckState::Warning);
    }
    check.mend(fix, Some(&drop))
}

/// What a bound leaves out.
fn more(all: i64, id: &str, title: &str, one: &str) -> Option<HealthCheck> {
    let left = all - i64::try_from(MOST).unwrap_or(0);
    (left > 0).then(|| unknown(&format!("{id}:more"), title, format!("{} more, not shown", words::plural(left, one))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_nobody_reads_fails() {
        assert_eq!(of_slot("s", "physical", true, Some("reserved"), Some(5e6)).state, CheckState::Ok, "in use");
        let young = of_slot("s", "logical", false, Some("reserved"), Some(56.0));
        assert_eq!(young.state, CheckState::Warning, "nobody reads it, and it holds next to nothing");
        let idle = of_slot("o'b", "logical", false, Some("reserved"), Some(7e7));
        assert_eq!(idle.state, CheckState::Failing, "it holds WAL for nobody");
        let statement = idle.fix.and_then(|f| f.statement).expect("a statement");
        assert_eq!(statement, "SELECT pg_drop_replication_slot('o''b');", "names are quoted");
        assert_eq!(
            of_slot("s", "logical", false, None, None).state,
            CheckState::Ok,
            "one that was never used holds nothing"
        );
        assert_eq!(of_slot("s", "physical", true, Some("extended"), Some(2e9)).state, CheckState::Failing, "too much");
        assert_eq!(of_slot("s", "physical", true, Some("lost"), None).state, CheckState::Failing, "lost");
    }

    #[test]
    fn a_standby_is_judged_by_time_and_bytes() {
        let of = |behind, lag| of_standby("b", "streaming", "async", behind, lag).state;
        assert_eq!(of(Some(0.0), Some(0.0)), CheckState::Ok, "it has all");
        assert_eq!(of(Some(1e6), Some(31.0)), CheckState::Warning, "31 s");
        assert_eq!(of(Some(2e8), None), CheckState::Warning, "200 MB");
        assert_eq!(of_standby("b", "catchup", "async", Some(0.0), None).state, CheckState::Warning, "not streaming");
    }
}
