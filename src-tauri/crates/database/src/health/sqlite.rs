//! Health of a SQLite file.
use std::path::Path;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, CheckState, HealthCheck, Unit};
use perfdeck_words as words;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::Question;
use crate::disk::room;
use perfdeck_model::checks::{Limit, Mend, measured, told, unknown};

pub(super) const QUESTIONS: &[Question<SqliteConnection>] = &[
    Question { id: "journal", title: "Journal", ask: |c, _| Box::pin(journal(c)) },
    Question { id: "wal", title: "Write-ahead log", ask: |c, a| Box::pin(wal(c, a)) },
    Question { id: "free_pages", title: "Free pages", ask: |c, _| Box::pin(free_pages(c)) },
    Question { id: "disk", title: "Disk", ask: |_, a| Box::pin(disk(a)) },
    // Last: it reads the file until its time is over.
    Question { id: "integrity", title: "Integrity", ask: |c, _| Box::pin(integrity(c)) },
];

/// Longest time of the check of the whole file.
const INTEGRITY: Duration = Duration::from_secs(2);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1_000;

async fn journal(c: &mut SqliteConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(c).await?;
    let (id, title) = ("journal", "Journal");
    if mode == "wal" {
        return Ok(vec![told(id, title, CheckState::Ok, "wal: readers and the writer do not wait for each other")]);
    }
    let (state, why) = match mode.as_str() {
        "off" | "memory" => (CheckState::Failing, "a crash in the middle of a write destroys the file"),
        _ => (CheckState::Warning, "readers and the writer wait for each other"),
    };
    Ok(vec![
        told(id, title, state, format!("{mode}: {why}")).mend(
            "Changes it for the file, at a moment when nobody else has it open",
            Some("PRAGMA journal_mode = WAL;"),
        ),
    ])
}

/// Cut-offs of the scorecard (DB-07).
const WAL: Limit = Limit::new(67_108_864.0, 536_870_912.0, "Perfdeck: 64 and 512 MiB; SQLite checkpoints at 4 MB");

async fn wal(c: &mut SqliteConnection, address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let (id, title) = ("wal", "Write-ahead log");
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(c).await?;
    if mode != "wal" {
        return Ok(vec![told(id, title, CheckState::Ok, "none in this journal mode")]);
    }
    let bytes = std::fs::metadata(format!("{}-wal", address.path)).map_or(0, |m| m.len()) as f64;
    let reason = "what was written and is not in the file yet; a reader that stays keeps it from shrinking";
    Ok(vec![measured(id, title, (bytes, Unit::Bytes), WAL, reason).mend(
        "Writes it into the file and empties it, once no reader is in the way",
        Some("PRAGMA wal_checkpoint(TRUNCATE);"),
    )])
}

const FREE: Limit = Limit { warning: Some(0.3), failing: None, source: "Perfdeck: more than 30 %, of 16 MiB or more" };

async fn free_pages(c: &mut SqliteConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()",
    )
    .fetch_one(c)
    .await?;
    let (all, free) = (row.try_get::<i64, _>(0)? as f64, row.try_get::<i64, _>(1)? as f64);
    let reason = format!("{} of {}; later inserts use them", words::bytes(free), words::bytes(all));
    let share = if all > 0.0 { free / all } else { 0.0 };
    let mut check = measured("free_pages", "Free pages", (share, Unit::Ratio), FREE, reason);
    if free < 16.0 * 1_048_576.0 {
        check.state = CheckState::Ok;
    }
    Ok(vec![check.mend("Gives them back, at a time without writers", Some("VACUUM;"))])
}

const DISK: Limit = Limit::new(0.9, 0.98, "netdata, disk space: and less than 5 GB free");

async fn disk(address: &Address) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let (id, title) = ("disk", "Disk");
    let Some((total, free)) = room(Path::new(&address.path)) else {
        return Ok(vec![unknown(id, title, "this system does not tell how much of the file's disk is free")]);
    };
    let reason = format!("{} of {} free", words::bytes(free), words::bytes(total));
    let mut check = measured(id, title, (1.0 - free / total.max(1.0), Unit::Ratio), DISK, reason);
    if free > 5e9 {
        check.state = CheckState::Ok;
    }
    Ok(vec![check.mend("Make room, or move the file", None)])
}

async fn integrity(c: &mut SqliteConnection) -> Result<Vec<HealthCheck>, sqlx::Error> {
    let (id, title) = ("integrity", "Integrity");
    let end = Instant::now() + INTEGRITY;
    // Giving up the question alone would leave it running: the connection has a thread of its own.
    c.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < end);
    let outcome = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_all(&mut *c).await;
    c.lock_handle().await?.remove_progress_handler();
    Ok(vec![match outcome {
        Ok(lines) if lines.first().is_some_and(|line| line == "ok") => {
            told(id, title, CheckState::Ok, "quick_check found nothing wrong in the whole file")
        }
        Ok(_) => told(id, title, CheckState::Failing, "quick_check found damage").mend(
            "Saves what is readable into a new file; or restore a backup",
            Some("sqlite3 FILE .recover | sqlite3 NEW_FILE"),
        ),
        // SQLITE_INTERRUPT.
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|code| code == "9") => {
            let reason = format!("not known: checking the whole file takes longer than {} s", INTEGRITY.as_secs());
            unknown(id, title, reason)
        }
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        Err(sqlx::Error::Database(e)) if e.code().is_some_and(|code| code == "11" || code == "26") => {
            told(id, title, CheckState::Failing, "the file is damaged so that it cannot be read").mend(
                "Saves what is readable into a new file; or restore a backup",
                Some("sqlite3 FILE .recover | sqlite3 NEW_FILE"),
            )
        }
        Err(error) => return Err(error),
    }])
}
