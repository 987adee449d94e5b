//! What is read from a SQLite file.
//!
//! SQLite keeps no counters, so there are no transactions, no hit ratio and no connections to report; a number that
//! cannot be had is left out.
use perfdeck_model::{Address, ApiError, Finding, IndexFindingKind, Proof, Scheme, Unit};
use perfdeck_words::{bytes, share};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::indexes::rules::of_catalogue;
use crate::indexes::sqlite_catalogue;
use crate::reading::{Reading, Slow, finding, series};

/// Which file the connection has open: a replaced one has another number.
#[derive(Debug, Default)]
pub(crate) struct State {
    file: Option<u64>,
    replaced: bool,
}

impl State {
    /// Whether the path names another file than at the check before.
    pub(crate) fn replaced(&self) -> bool {
        self.replaced
    }

    /// Looks at the file: an open connection would go on reading one that was deleted or replaced.
    pub(crate) fn check(&mut self, address: &Address) -> Result<(), ApiError> {
        self.replaced = false;
        if address.scheme != Scheme::Sqlite {
            return Ok(());
        }
        let metadata = std::fs::metadata(&address.path).map_err(|e| {
            let mut error = ApiError::not_found(format!("{} cannot be read: {e}", address.path))
                .hint("Check the path and its permissions; Perfdeck tries again by itself");
            error.retryable = true;
            error
        })?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = metadata
            .created()
            .ok()
            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |d| d.as_secs());
        self.replaced = self.file.is_some_and(|before| before != number);
        self.file = Some(number);
        Ok(())
    }
}

pub(crate) async fn read(c: &mut SqliteConnection, address: &Address) -> Result<Reading, sqlx::Error> {
    let row = sqlx::query(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()",
    )
    .fetch_one(c)
    .await?;
    let (pages, free) = (row.try_get::<i64, _>(0)? as f64, row.try_get::<i64, _>(1)? as f64);
    let wal = std::fs::metadata(format!("{}-wal", address.path)).map_or(0, |m| m.len()) as f64;
    let mut detail = vec![bytes(pages)];
    if wal > 0.0 {
        detail.push(format!("WAL {}", bytes(wal)));
    }
    if free > 0.0 {
        detail.push(format!("{} free", bytes(free)));
    }
    Ok(Reading {
        requests: 1,
        values: vec![(series("database.size", &[], Unit::Bytes), pages + wal)],
        detail: Some(detail.join(", ")),
        ..Reading::default()
    })
}

pub(crate) async fn slow(c: &mut SqliteConnection) -> Result<Slow, sqlx::Error> {
    let mut findings = duplicates(c).await?;
    let row = sqlx::query(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()",
    )
    .fetch_one(&mut *c)
    .await?;
    let (all, free) = (row.try_get::<i64, _>(0)? as f64, row.try_get::<i64, _>(1)? as f64);
    // Free pages are used again by later inserts; a quarter of a file worth speaking of is more than that.
    if free > 16.0 * 1_048_576.0 && free > all * 0.25 {
        findings.push(
            finding(
                "free_pages",
                "file",
                format!("{} of the file is unused", share(free / all)),
                format!("{} of {} are free pages; VACUUM returns them", bytes(free), bytes(all)),
                free / all * 0.2,
                "Review storage",
            )
            .because(
                Proof::new(
                    "more than 16 MiB and a quarter of the file are free pages",
                    "Leave them where the data will grow again; otherwise give them back, at a time without writers",
                )
                .value("free", bytes(free))
                .value("file", bytes(all))
                .statement("Gives them back", "VACUUM;"),
            ),
        );
    }
    Ok(Slow { size: None, findings: Some(findings), requests: 2, ..Slow::default() })
}

/// Indexes that repeat another one, as findings.
async fn duplicates(c: &mut SqliteConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let told = of_catalogue(&sqlite_catalogue(c).await?);
    let told = told.into_iter().filter(|told| told.kind == IndexFindingKind::Duplicate);
    Ok(told.take(20).map(|told| told.finding).collect())
}
