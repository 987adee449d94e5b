//! Maintenance that runs in PostgreSQL, from the views of progress that the server has: which those are differs by version,
//! so they are looked for once.
use std::collections::{HashMap, HashSet};

use perfdeck_model::Maintenance;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::session::Session;

/// Views of progress, and what is read of each: what it is, index, phase, done, total, unit, whom it waits for.
/// `$PHASE` is the phase; a view is read when the server has it with all of its columns.
struct View {
    name: &'static str,
    needs: &'static [&'static str],
    reads: &'static str,
}

/// Progress of what is done in phases is of the phase.
const VIEWS: &[View] = &[
    View {
        name: "pg_stat_progress_vacuum",
        needs: &["relid", "phase", "heap_blks_total", "heap_blks_scanned", "heap_blks_vacuumed"],
        reads: "'vacuum', NULL::oid, p.phase, CASE WHEN p.phase LIKE 'vacuuming heap%' THEN p.heap_blks_vacuumed
                ELSE p.heap_blks_scanned END::float8, p.heap_blks_total::float8, 'blocks', NULL::int8",
    },
    View {
        name: "pg_stat_progress_analyze",
        needs: &["relid", "phase", "sample_blks_total", "sample_blks_scanned"],
        reads: "'analyze', NULL::oid, p.phase, p.sample_blks_scanned::float8, p.sample_blks_total::float8, 'blocks', NULL::int8",
    },
    View {
        name: "pg_stat_progress_create_index",
        needs: &[
            "relid",
            "index_relid",
            "command",
            "phase",
            "blocks_total",
            "blocks_done",
            "tuples_total",
            "tuples_done",
            "lockers_total",
            "lockers_done",
            "current_locker_pid",
        ],
        reads: "lower(p.command), p.index_relid, p.phase,
                CASE WHEN p.lockers_total > 0 THEN p.lockers_done WHEN p.blocks_total > 0 THEN p.blocks_done
                     ELSE p.tuples_done END::float8,
                CASE WHEN p.lockers_total > 0 THEN p.lockers_total WHEN p.blocks_total > 0 THEN p.blocks_total
                     ELSE p.tuples_total END::float8,
                CASE WHEN p.lockers_total > 0 THEN 'sessions' WHEN p.blocks_total > 0 THEN 'blocks' ELSE 'rows' END,
                nullif(p.current_locker_pid, 0)::int8",
    },
    // From 19 on, of REPACK, CLUSTER and VACUUM FULL; the view below then calls each of them CLUSTER or VACUUM FULL.
    View {
        name: "pg_stat_progress_repack",
        needs: &["relid", "command", "phase", "heap_blks_total", "heap_blks_scanned"],
        reads: "lower(p.command), NULL::oid, p.phase, p.heap_blks_scanned::float8, p.heap_blks_total::float8, 'blocks', NULL::int8",
    },
    View {
        name: "pg_stat_progress_cluster",
        needs: &["relid", "command", "phase", "heap_blks_total", "heap_blks_scanned"],
        reads: "lower(p.command), NULL::oid, p.phase, p.heap_blks_scanned::float8, p.heap_blks_total::float8, 'blocks', NULL::int8",
    },
    View {
        name: "pg_stat_progress_basebackup",
        needs: &["phase", "backup_total", "backup_streamed"],
        reads: "'base backup', NULL::oid, p.phase, p.backup_streamed::float8, p.backup_total::float8, 'bytes', NULL::int8",
    },
];

/// The views of progress that a server has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress(Vec<&'static str>);

/// Looks for them.
pub(super) async fn probe(c: &mut Session) -> Result<Progress, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'pg_catalog' AND c.relname LIKE 'pg_stat_progress_%' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(c)
    .await?;
    let mut columns: HashMap<String, HashSet<String>> = HashMap::new();
    for row in &rows {
        columns.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
    }
    let has = |view: &View| columns.get(view.name).is_some_and(|c| view.needs.iter().all(|n| c.contains(*n)));
    Ok(Progress::of(has))
}

impl Progress {
    fn of(has: impl Fn(&View) -> bool) -> Self {
        let mut all: Vec<&str> = VIEWS.iter().filter(|view| has(view)).map(|view| view.name).collect();
        if all.contains(&"pg_stat_progress_repack") {
            all.retain(|name| *name != "pg_stat_progress_cluster");
        }
        Self(all)
    }

    /// The condition that any of them has a row.
    pub(super) fn exists(&self) -> String {
        let all: Vec<String> = self.0.iter().map(|name| format!("EXISTS (SELECT FROM {name})")).collect();
        if all.is_empty() { "false".to_owned() } else { all.join(" OR ") }
    }

    /// What asks all of them; `None` where the server has none.
    pub(super) fn question(&self) -> Option<String> {
        let one = |view: &View| {
            let relid = if view.needs.contains(&"relid") { "p.relid" } else { "NULL::oid" };
            format!("SELECT p.pid, {relid}, {} FROM {} p", view.reads, view.name)
        };
        let all: Vec<String> = VIEWS.iter().filter(|v| self.0.contains(&v.name)).map(one).collect();
        // Names are looked up in this database only.
        (!all.is_empty()).then(|| {
            format!(
                "SELECT 'progress', m.pid::int8, m.kind, m.phase, m.done, m.total, m.unit, m.waits,
                        n.nspname || '.' || c.relname, ni.nspname || '.' || i.relname, a.backend_type,
                        (extract(epoch FROM coalesce(a.query_start, a.xact_start)) * 1000)::float8
                 FROM ({}) m (pid, relid, kind, indexrelid, phase, done, total, unit, waits)
                 JOIN pg_stat_activity a ON a.pid = m.pid
                 LEFT JOIN pg_class c ON c.oid = m.relid AND a.datname = current_database()
                 LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN pg_class i ON i.oid = m.indexrelid AND a.datname = current_database()
                 LEFT JOIN pg_namespace ni ON ni.oid = i.relnamespace
                 LIMIT 100",
                all.join(" UNION ALL ")
            )
        })
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One row of [`Progress::question`].
pub(super) fn progress(row: &PgRow, server_ms: f64) -> Result<Maintenance, sqlx::Error> {
    let (kind, backend): (String, Option<&str>) = (row.try_get(2)?, row.try_get(10)?);
    let auto = backend == Some("autovacuum worker");
    let total: Option<f64> = row.try_get::<Option<f64>, _>(5)?.filter(|n| *n > 0.0);
    let done = row.try_get::<Option<f64>, _>(4)?.filter(|_| total.is_some());
    let began: Option<f64> = row.try_get(11)?;
    Ok(Maintenance {
        pid: row.try_get(1)?,
        kind: if auto { format!("Auto{kind}") } else { capital(&kind) },
        object: row.try_get::<Option<String>, _>(9)?.or(row.try_get(8)?),
        phase: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
        done,
        total,
        unit: row.try_get(6)?,
        elapsed_s: began.map(|ms| ((server_ms - ms) / 1e3).max(0.0)),
        left_s: None,
        waits_for: row.try_get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_views_that_are_there_are_asked() {
        assert_eq!(Progress::default().question(), None);
        let some = Progress(vec!["pg_stat_progress_vacuum", "pg_stat_progress_basebackup"]).question().expect("two");
        assert!(some.contains("pg_stat_progress_vacuum p UNION ALL"), "{some}");
        assert!(!some.contains("create_index") && some.contains("NULL::oid, 'base backup'"), "{some}");
        let new = Progress::of(|_| true);
        assert!(!new.exists().contains("_cluster"), "19 has it twice, and names it rightly once: {new:?}");
        assert_eq!(Progress::of(|view| !view.name.contains("repack")).0.len(), VIEWS.len() - 1, "up to 18");
    }
}
