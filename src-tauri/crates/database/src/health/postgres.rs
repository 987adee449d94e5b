//! Health of a PostgreSQL server.
//!
//! Nothing here takes a lock; the one size function reads a folder and is asked for on request only. Columns that not every
//! version has are read through `to_jsonb`, so that one text serves all.
use perfdeck_model::{CheckState, HealthCheck, Unit};
use perfdeck_words as words;
use sqlx::Row;

use super::{Question, postgres_replication};
use crate::session::Session;
use perfdeck_model::checks::{Limit, Mend, measured, told, unknown};

/// Failures of these are findings too.
pub(super) const OF_STATE: [&str; 4] = ["wraparound", "archiver", "checksums", "slots"];

/// In the order in which they are made and, within an outcome, shown.
pub(super) const QUESTIONS: &[Question<Session>] = &[
    Question { id: "connections", title: "Connections", ask: |c, _| Box::pin(connections(c)) },
    Question { id: "replication", title: "Replication", ask: |c, a| Box::pin(postgres_replication::replication(c, a)) },
    Question { id: "slots", title: "Replication slots", ask: |c, _| Box::pin(postgres_replication::slots(c)) },
    Question { id: "wraparound", title: "Transaction numbers", ask: |c, _| Box::pin(wraparound(c)) },
    Question { id: "archiver", title: "WAL archive", ask: |c, _| Box::pin(archiver(c)) },
    Question { id: "checksums", title: "Data checksums", ask: |c, _| Box::pin(checksums(c)) },
    Question { id: "settings", title: "Settings", ask: |c, _| Box::pin(settings(c)) },
    Question { id: "deadlocks", title: "Deadlocks", ask: |c, _| Box::pin(deadlocks(c)) },
    Question { id: "disk", title: "Disk", ask: |c, _| Box::pin(disk(c)) },
];

const CONNECTIONS: Limit = Limit::new(0.8, 0.9, "netdata, connection utilisation");

async fn connections(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    // Roles without pg_read_all_stats see other roles' sessions without their type, but with their database.
    let row = sqlx::raw_sql(
        "SELECT count(*), current_setting('max_connections')::int8,
                current_setting('superuser_reserved_connections')::int8
                + coalesce(current_setting('reserved_connections', true)::int8, 0)
         FROM pg_stat_activity
         WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'",
    )
    .fetch_one(c)
    .await?;
    let (used, most, reserved): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let free_for_all = (most - reserved).max(1);
    let reason = format!(
        "{} of {} in use; {} of max_connections = {} are reserved",
        words::count(used),
        words::plural(free_for_all, "connection"),
        words::count(reserved),
        words::count(most)
    );
    let share = used as f64 / free_for_all as f64;
    Ok(vec![measured("connections", "Connections", (share, Unit::Ratio), CONNECTIONS, reason).mend(
        "Shows who holds them; a smaller pool or a pooler helps more than a higher max_connections",
        Some(
            "SELECT application_name, client_addr, state, count(*), max(now() - state_change) AS longest\n\
             FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2, 3 ORDER BY 4 DESC;",
        ),
    )])
}

/// Numbers that are left before none is given any more: half of all that there are.
const NUMBERS: f64 = 2_147_483_648.0;

/// Age in numbers, as a share of all that there are.
pub(super) fn age(id: &str, title: &str, numbers: f64, database: &str, failsafe: f64) -> HealthCheck {
    let limit = Limit::new(
        0.5,
        failsafe / NUMBERS,
        "pgEdge (50 %); PostgreSQL, vacuum_failsafe_age: from there vacuum does nothing else",
    );
    let reason = format!(
        "the oldest in `{database}` is {} old; at {} the server takes no more writes",
        words::count(numbers as i64),
        words::count(NUMBERS as i64 - 3_000_000)
    );
    // Down to a hundredth of a percent: a young database has used none of what matters, and the reason has the number itself.
    let share = (numbers / NUMBERS * 1e4).floor() / 1e4;
    measured(id, title, (share, Unit::Ratio), limit, reason)
}

async fn wraparound(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT x.datname::text, x.age::float8, m.datname::text, m.age::float8,
                coalesce(current_setting('vacuum_failsafe_age', true), '1600000000')::float8,
                coalesce(current_setting('vacuum_multixact_failsafe_age', true), '1600000000')::float8
         FROM (SELECT datname, age(datfrozenxid) AS age FROM pg_database ORDER BY 2 DESC LIMIT 1) x,
              (SELECT datname, mxid_age(datminmxid) AS age FROM pg_database ORDER BY 2 DESC LIMIT 1) m",
    )
    .fetch_one(c)
    .await?;
    let tables = |of: &str| {
        format!(
            "SELECT oid::regclass, {of} AS age FROM pg_class WHERE relkind IN ('r', 't', 'm') ORDER BY 2 DESC LIMIT 10;"
        )
    };
    let name = |i: usize| row.try_get::<String, _>(i);
    let n = |i: usize| row.try_get::<f64, _>(i);
    let what = "Shows the oldest tables, in that database; VACUUM (FREEZE) of them helps, once no old transaction, \
                prepared transaction or slot holds them back";
    Ok(vec![
        age("wraparound", "Transaction numbers", n(1)?, &name(0)?, n(4)?)
            .mend(what, Some(&tables("age(relfrozenxid)"))),
        age("multixact", "Multixact numbers", n(3)?, &name(2)?, n(5)?)
            .mend(what, Some(&tables("mxid_age(relminmxid)"))),
    ])
}

async fn archiver(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT current_setting('archive_mode') <> 'off', archived_count, failed_count,
                coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),
                extract(epoch FROM clock_timestamp() - last_failed_time)::float8,
                extract(epoch FROM clock_timestamp() - last_archived_time)::float8
         FROM pg_stat_archiver",
    )
    .fetch_one(c)
    .await?;
    let (on, archived, failed): (bool, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (failing, failed_s): (bool, Option<f64>) = (row.try_get(3)?, row.try_get(4)?);
    let (id, title) = ("archiver", "WAL archive");
    if !on {
        return Ok(vec![told(id, title, CheckState::Ok, "none: archive_mode is off")]);
    }
    if failing {
        let reason = format!(
            "{} failed, the last {} ago, and none succeeded since; WAL is kept until one does, and fills the disk",
            words::plural(failed, "attempt"),
            words::duration(failed_s.unwrap_or(0.0))
        );
        return Ok(vec![told(id, title, CheckState::Failing, reason).mend(
            "Shows the command; what it said is in the server's log",
            Some("SHOW archive_command; -- and archive_library, from version 15 on"),
        )]);
    }
    let last: Option<f64> = row.try_get(5)?;
    let reason = match last {
        Some(seconds) => format!(
            "{} archived, the last {} ago; {} failed before",
            words::plural(archived, "segment"),
            words::duration(seconds),
            words::plural(failed, "attempt")
        ),
        None => "nothing was due yet".to_owned(),
    };
    Ok(vec![told(id, title, CheckState::Ok, reason)])
}

async fn checksums(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT current_setting('data_checksums'), sum((to_jsonb(d) ->> 'checksum_failures')::int8)::int8
         FROM pg_stat_database d",
    )
    .fetch_one(c)
    .await?;
    let (on, failures): (String, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let (id, title) = ("checksums", "Data checksums");
    Ok(vec![match failures.filter(|_| on == "on") {
        None => unknown(
            id,
            title,
            "off: a damaged page is not noticed until it is used. pg_checksums switches them on while the server is stopped",
        ),
        Some(0) => told(id, title, CheckState::Ok, "no page was found damaged since the statistics were reset"),
        Some(n) => {
            let reason = format!("{} found damaged when it was read", words::plural(n, "page"));
            told(id, title, CheckState::Failing, reason).mend(
                "Shows where; save a copy of the data folder, look at the disk, and restore from a backup",
                Some("SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database WHERE checksum_failures > 0;"),
            )
        }
    }])
}

/// Settings that must be on, and what happens without them.
const MUST_BE_ON: [(&str, CheckState, &str); 4] = [
    ("fsync", CheckState::Failing, "a crash of the machine can destroy the whole database"),
    (
        "full_page_writes",
        CheckState::Warning,
        "a crash of the machine can leave torn pages, unless the file system prevents them",
    ),
    ("autovacuum", CheckState::Warning, "dead rows are not taken away, and transaction numbers run out"),
    ("track_counts", CheckState::Warning, "autovacuum does not know what to do"),
];

async fn settings(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT name, setting, pending_restart FROM pg_settings
         WHERE pending_restart OR name IN ('fsync', 'full_page_writes', 'autovacuum', 'track_counts')
         ORDER BY name LIMIT 50",
    )
    .fetch_all(c)
    .await?;
    let (mut checks, mut pending) = (Vec::new(), Vec::new());
    for row in rows {
        let (name, value): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if row.try_get(2)? {
            pending.push(name.clone());
        }
        let Some((_, state, why)) = MUST_BE_ON.iter().find(|(n, ..)| *n == name).filter(|_| value == "off") else {
            continue;
        };
        let statement = format!("ALTER SYSTEM SET {name} = on;\nSELECT pg_reload_conf();");
        let title = format!("Setting {name}");
        checks.push(
            told(&format!("setting:{name}"), &title, *state, format!("off: {why}"))
                .mend("Switches it on; one given on the server's command line is changed there", Some(&statement)),
        );
    }
    if !pending.is_empty() {
        let reason = format!("changed, and the server still has the old value: {}", pending.join(", "));
        let check = told("pending_restart", "Settings that wait for a restart", CheckState::Warning, reason);
        checks.push(check.mend("Restart the server when that may be", None));
    }
    if checks.is_empty() {
        let reason = "fsync, full_page_writes, autovacuum and track_counts are on, and nothing waits for a restart";
        checks.push(told("settings", "Settings", CheckState::Ok, reason));
    }
    Ok(checks)
}

/// On average since the statistics were reset.
const DEADLOCKS: Limit =
    Limit { warning: Some(1.0), failing: None, source: "Perfdeck: more than one an hour (pgEdge warns of each)" };

async fn deadlocks(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT deadlocks, extract(epoch FROM clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8
         FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(c)
    .await?;
    let (n, seconds): (i64, f64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(vec![deadlock_rate(n as f64, seconds).mend(
        "Each is in the server's log with its statements: take locks in one order, or keep transactions short; slow waits \
         show there with",
        Some("ALTER SYSTEM SET log_lock_waits = on;\nSELECT pg_reload_conf();"),
    )])
}

/// Deadlocks over the time in which they were counted, at least an hour: one in the first minute is not sixty an hour.
pub(super) fn deadlock_rate(n: f64, seconds: f64) -> HealthCheck {
    let reason = match n {
        n if n <= 0.0 => format!("none in {}", words::duration(seconds)),
        n => format!("{} in {}", words::plural(n as i64, "deadlock"), words::duration(seconds)),
    };
    let an_hour = n / seconds.max(3_600.0) * 3_600.0;
    measured("deadlocks", "Deadlocks an hour", (an_hour, Unit::Count), DEADLOCKS, reason)
}

async fn disk(c: &mut Session) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT pg_database_size(current_database())").fetch_one(c).await?;
    let size: i64 = row.try_get(0)?;
    let reason = format!(
        "the database has {}; PostgreSQL does not tell how much of its disk is free, the host does",
        words::bytes(size as f64)
    );
    Ok(vec![unknown("disk", "Disk", reason)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_numbers_are_judged_by_their_age() {
        for (numbers, state) in [
            (200e6, CheckState::Ok),
            (1_073_741_824.0, CheckState::Ok),
            (1_100e6, CheckState::Warning),
            (1_600e6, CheckState::Warning),
            (1_700e6, CheckState::Failing),
        ] {
            assert_eq!(age("wraparound", "T", numbers, "app", 1.6e9).state, state, "{numbers} of 2^31");
        }
    }

    #[test]
    fn deadlocks_are_told_by_their_rate() {
        assert_eq!(deadlock_rate(0.0, 10.0).state, CheckState::Ok, "none");
        assert_eq!(deadlock_rate(1.0, 10.0).state, CheckState::Ok, "one in ten seconds is not many an hour");
        assert_eq!(deadlock_rate(5.0, 3_600.0).state, CheckState::Warning, "five in an hour");
        assert_eq!(deadlock_rate(5.0, 86_400.0).state, CheckState::Ok, "five in a day");
    }
}
