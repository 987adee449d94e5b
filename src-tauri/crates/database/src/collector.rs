//! The collector: one cheap query a second over one connection of its own.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perfdeck_model::{
    Address, ApiError, BoxFuture, Collection, Collector, ErrorCode, Finding, FindingAction, Sensitive, SeriesInfo,
    TargetRole, Unit,
};
use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use crate::connect::{Database, connect, explain, grant};

/// How often sizes and findings are read.
const SLOW_MS: f64 = 60_000.0;

/// Measures one database.
pub struct DatabaseCollector {
    address: Address,
    password: Option<Sensitive>,
    connection: Option<Database>,
    counters: Option<Counters>,
    version: Option<String>,
    slow_at: Option<f64>,
    size: Option<f64>,
}

/// Counters of one moment; rates are differences.
#[derive(Debug, Clone, Copy)]
struct Counters {
    t_ms: f64,
    transactions: f64,
    hits: f64,
    reads: f64,
}

/// What one reading found.
#[derive(Default)]
struct Reading {
    counters: Option<Counters>,
    values: Vec<(SeriesInfo, f64)>,
    limits: BTreeMap<String, f64>,
    size: Option<f64>,
    findings: Option<Vec<Finding>>,
    warning: Option<ApiError>,
}

fn series(metric: &str, attributes: &[(&str, &str)], unit: Unit) -> SeriesInfo {
    SeriesInfo::new(metric, attributes, unit, TargetRole::Database)
}

impl DatabaseCollector {
    /// A collector of the database at `address`. It connects at its first collection.
    pub fn new(address: Address, password: Option<Sensitive>) -> Self {
        Self { address, password, connection: None, counters: None, version: None, slow_at: None, size: None }
    }

    async fn measure(&mut self, now_ms: f64) -> Result<Collection, ApiError> {
        // Taken out while it is used: a collection that is dropped half way leaves no half-read connection behind.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.counters = None;
                tokio::time::timeout(Duration::from_millis(1500), connect(&self.address, self.password.as_ref()))
                    .await
                    .map_err(|_| {
                        ApiError::new(
                            ErrorCode::Timeout,
                            format!("{} did not answer within 1.5 s", self.address.short()),
                        )
                        .hint("Check that the server and the network to it are up")
                    })??
            }
        };
        // Sizes and catalogue queries run rarely, and not in the first seconds when a person waits for a chart.
        let slow = match self.slow_at {
            None => {
                self.slow_at = Some(now_ms - SLOW_MS + 3_000.0);
                false
            }
            Some(at) if now_ms - at >= SLOW_MS => {
                self.slow_at = Some(now_ms);
                true
            }
            Some(_) => false,
        };
        let started = Instant::now();
        let reading = match &mut connection {
            Database::Postgres(c) => postgres(c, now_ms, slow, &self.address).await,
            Database::Mysql(c) => mysql(c, now_ms, slow).await,
            Database::Sqlite(c) => sqlite(c, &self.address, slow).await,
        };
        let reading = reading.map_err(|e| explain(&self.address, &e))?;
        let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
        if self.version.is_none() {
            self.version = version(&mut connection).await;
        }
        self.connection = Some(connection);
        if reading.size.is_some() {
            self.size = reading.size;
        }
        let mut values = reading.values;
        if let Some(now) = reading.counters {
            if let Some(before) = self.counters {
                rates(&before, &now, &mut values);
            }
            self.counters = Some(now);
        }
        if let Some(size) = self.size {
            values.push((series("database.size", &[], Unit::Bytes), size));
        }
        Ok(Collection {
            values,
            round_trip_ms: Some(round_trip_ms),
            version: self.version.clone(),
            detail: Some(self.address.path.rsplit(['/', '\\']).next().unwrap_or("").to_owned()),
            limits: reading.limits,
            warning: reading.warning,
            findings: reading.findings,
        })
    }
}

/// Rates between two moments. A counter that went back was reset: that second has none.
fn rates(before: &Counters, now: &Counters, values: &mut Vec<(SeriesInfo, f64)>) {
    let seconds = (now.t_ms - before.t_ms) / 1e3;
    if seconds <= 0.0 || now.transactions < before.transactions || now.hits < before.hits || now.reads < before.reads {
        return;
    }
    values.push((
        series("database.transactions", &[], Unit::PerSecond),
        (now.transactions - before.transactions) / seconds,
    ));
    let (hits, reads) = (now.hits - before.hits, now.reads - before.reads);
    // A second without page accesses has no ratio.
    if hits + reads > 0.0 {
        values.push((series("database.cache.hit_ratio", &[], Unit::Ratio), hits / (hits + reads)));
    }
}

async fn version(connection: &mut Database) -> Option<String> {
    match connection {
        Database::Postgres(c) => {
            let v: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(c).await.ok()?;
            Some(format!("PostgreSQL {}", v.split(' ').next().unwrap_or(&v)))
        }
        Database::Mysql(c) => {
            let v: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(c).await.ok()?;
            let product = if v.contains("MariaDB") { "MariaDB" } else { "MySQL" };
            Some(format!("{product} {}", v.split('-').next().unwrap_or(&v)))
        }
        Database::Sqlite(c) => {
            let v: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(c).await.ok()?;
            Some(format!("SQLite {v}"))
        }
    }
}

/// Sessions by state and wait, counters and limits in one round trip. Own sessions are left out.
const POSTGRES: &str = "
    WITH s AS (
        SELECT state, wait_event_type, query_start, query IS NULL OR query = '<insufficient privilege>' AS hidden
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name <> 'perfdeck' AND pid <> pg_backend_pid())
    SELECT
        (SELECT count(*) FROM s WHERE state = 'active'),
        (SELECT count(*) FROM s WHERE state = 'idle'),
        (SELECT count(*) FROM s WHERE state LIKE 'idle in transaction%'),
        (SELECT count(*) FROM s WHERE state = 'active' AND wait_event_type IS NULL),
        (SELECT count(*) FROM s WHERE state = 'active' AND wait_event_type = 'IO'),
        (SELECT count(*) FROM s WHERE state = 'active' AND wait_event_type IN ('Lock', 'LWLock')),
        (SELECT count(*) FROM s WHERE state = 'active' AND wait_event_type IS NOT NULL
            AND wait_event_type NOT IN ('IO', 'Lock', 'LWLock')),
        (SELECT count(*) FROM s WHERE wait_event_type = 'Lock'),
        (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float8 FROM s WHERE state = 'active'),
        (SELECT count(*) FROM s WHERE state IS NULL AND hidden),
        d.xact_commit + d.xact_rollback, d.blks_hit, d.blks_read,
        current_setting('max_connections')::float8
    FROM pg_stat_database d WHERE d.datname = current_database()";

#[allow(clippy::cast_precision_loss)]
async fn postgres(c: &mut PgConnection, t_ms: f64, slow: bool, address: &Address) -> Result<Reading, sqlx::Error> {
    let row = sqlx::query(POSTGRES).fetch_one(&mut *c).await?;
    let n = |i: usize| row.get::<i64, _>(i) as f64;
    let connections = |state| series("database.connections", &[("state", state)], Unit::Count);
    let waits = |kind| series("database.waits", &[("type", kind)], Unit::Count);
    let mut reading = Reading {
        values: vec![
            (connections("active"), n(0)),
            (connections("idle"), n(1)),
            (connections("idle_in_transaction"), n(2)),
            (waits("cpu"), n(3)),
            (waits("io"), n(4)),
            (waits("lock"), n(5)),
            (waits("other"), n(6)),
            (series("database.locks.waiting", &[], Unit::Count), n(7)),
            (series("database.query.longest", &[], Unit::Seconds), row.get::<f64, _>(8).max(0.0)),
        ],
        counters: Some(Counters { t_ms, transactions: n(10), hits: n(11), reads: n(12) }),
        limits: BTreeMap::from([("max_connections".to_owned(), row.get::<f64, _>(13))]),
        ..Reading::default()
    };
    if n(9) > 0.0 {
        reading.warning = Some(
            ApiError::new(ErrorCode::Privilege, format!("{} sessions of other users are hidden", n(9)))
                .hint(grant(address)),
        );
    }
    if slow {
        let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut *c).await?;
        reading.size = Some(size as f64);
        reading.findings = Some(postgres_findings(c).await?);
    }
    Ok(reading)
}

fn review(label: &str) -> FindingAction {
    FindingAction { label: label.to_owned(), route: "/database".to_owned() }
}

#[allow(clippy::cast_precision_loss)]
async fn postgres_findings(c: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    // Ranked by rows read, not by the number of scans: scans of small tables are fine. reltuples never blocks.
    let scans = sqlx::query(
        "SELECT s.schemaname || '.' || s.relname, s.seq_scan, s.seq_tup_read, s.n_live_tup,
                s.seq_tup_read::float8 / greatest(sum(s.seq_tup_read + coalesce(s.idx_tup_fetch, 0)) OVER (), 1)
         FROM pg_stat_user_tables s
         WHERE s.seq_scan > 10 AND s.n_live_tup > 10000 AND s.seq_tup_read > 20 * s.n_live_tup
           AND s.seq_scan > coalesce(s.idx_scan, 0) / 10
         ORDER BY s.seq_tup_read DESC LIMIT 3",
    )
    .fetch_all(&mut *c)
    .await?;
    for row in scans {
        let name: String = row.get(0);
        let (scans, rows) = (row.get::<i64, _>(1), row.get::<i64, _>(2));
        findings.push(Finding {
            id: format!("sequential_scan:{name}"),
            kind: "sequential_scan".to_owned(),
            target: TargetRole::Database,
            title: format!("Sequential scans on `{name}`"),
            evidence: format!("{scans} scans read {rows} rows, {:.0} % of all rows read", row.get::<f64, _>(4) * 100.0),
            cost: row.get::<f64, _>(4),
            action: review("Review index"),
        });
    }
    let duplicates = sqlx::query(
        "SELECT a.indexrelid::regclass::text, b.indexrelid::regclass::text, ca.relpages::float8 * 8192
         FROM pg_index a JOIN pg_index b ON a.indrelid = b.indrelid AND a.indexrelid > b.indexrelid
              AND a.indkey = b.indkey AND a.indclass = b.indclass AND a.indcollation = b.indcollation
              AND a.indoption = b.indoption AND a.indisunique = b.indisunique
              AND coalesce(a.indexprs::text, '') = coalesce(b.indexprs::text, '')
              AND coalesce(a.indpred::text, '') = coalesce(b.indpred::text, '')
         JOIN pg_class ca ON ca.oid = a.indexrelid
         WHERE a.indisvalid AND b.indisvalid AND NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conindid = a.indexrelid)
         LIMIT 3",
    )
    .fetch_all(&mut *c)
    .await?;
    for row in duplicates {
        let (a, b): (String, String) = (row.get(0), row.get(1));
        findings.push(Finding {
            id: format!("duplicate_index:{a}"),
            kind: "duplicate_index".to_owned(),
            target: TargetRole::Database,
            title: format!("`{a}` repeats `{b}`"),
            evidence: format!("{:.1} MB, written with every change of the table", row.get::<f64, _>(2) / 1e6),
            cost: 0.05,
            action: review("Review index"),
        });
    }
    let invalid: Vec<String> = sqlx::query_scalar(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE NOT i.indisvalid AND c.relkind = 'i'
           AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) LIMIT 3",
    )
    .fetch_all(&mut *c)
    .await?;
    for name in invalid {
        findings.push(Finding {
            id: format!("invalid_index:{name}"),
            kind: "invalid_index".to_owned(),
            target: TargetRole::Database,
            title: format!("`{name}` is invalid"),
            evidence: "maintained on every write, used by no query".to_owned(),
            cost: 0.1,
            action: review("Review index"),
        });
    }
    Ok(findings)
}

#[allow(clippy::cast_precision_loss)]
async fn mysql(c: &mut MySqlConnection, t_ms: f64, slow: bool) -> Result<Reading, sqlx::Error> {
    let rows = sqlx::query(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', 'Handler_commit',
         'Handler_rollback', 'Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads', 'Innodb_row_lock_current_waits')",
    )
    .fetch_all(&mut *c)
    .await?;
    let status: BTreeMap<String, f64> = rows
        .iter()
        .filter_map(|r| {
            let value: String = r.try_get(1).ok()?;
            Some((r.try_get::<String, _>(0).ok()?, value.parse().ok()?))
        })
        .collect();
    let get = |name: &str| status.get(name).copied();
    let limit: i64 = sqlx::query_scalar("SELECT CAST(@@max_connections AS SIGNED)").fetch_one(&mut *c).await?;
    let longest: Option<i64> = sqlx::query_scalar(
        "SELECT CAST(MAX(time) AS SIGNED) FROM information_schema.processlist
         WHERE command NOT IN ('Sleep', 'Daemon', 'Binlog Dump') AND id <> CONNECTION_ID()",
    )
    .fetch_one(&mut *c)
    .await?;
    let mut reading =
        Reading { limits: BTreeMap::from([("max_connections".to_owned(), limit as f64)]), ..Reading::default() };
    if let Some((connected, running)) = get("Threads_connected").zip(get("Threads_running")) {
        // Both count this connection.
        let active = (running - 1.0).max(0.0);
        let state = |s| series("database.connections", &[("state", s)], Unit::Count);
        reading.values.push((state("active"), active));
        reading.values.push((state("idle"), (connected - 1.0 - active).max(0.0)));
    }
    if let Some(waits) = get("Innodb_row_lock_current_waits") {
        reading.values.push((series("database.locks.waiting", &[], Unit::Count), waits));
    }
    reading.values.push((series("database.query.longest", &[], Unit::Seconds), longest.unwrap_or(0).max(0) as f64));
    if let (Some(commits), Some(rollbacks), Some(requests), Some(reads)) = (
        get("Handler_commit"),
        get("Handler_rollback"),
        get("Innodb_buffer_pool_read_requests"),
        get("Innodb_buffer_pool_reads"),
    ) {
        reading.counters =
            Some(Counters { t_ms, transactions: commits + rollbacks, hits: (requests - reads).max(0.0), reads });
    }
    if slow {
        let size: Option<f64> = sqlx::query_scalar(
            "SELECT CAST(SUM(data_length + index_length) AS DOUBLE) FROM information_schema.tables WHERE table_schema = DATABASE()",
        )
        .fetch_one(&mut *c)
        .await?;
        reading.size = size;
    }
    Ok(reading)
}

#[allow(clippy::cast_precision_loss)]
async fn sqlite(c: &mut SqliteConnection, address: &Address, slow: bool) -> Result<Reading, sqlx::Error> {
    let row = sqlx::query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .fetch_one(&mut *c)
        .await?;
    let wal = std::fs::metadata(format!("{}-wal", address.path)).map_or(0, |m| m.len());
    let mut reading = Reading { size: Some(row.get::<i64, _>(0) as f64 + wal as f64), ..Reading::default() };
    if slow {
        let rows = sqlx::query(
            "SELECT m.name, il.name,
                    (SELECT group_concat(name || desc || coll) FROM pragma_index_xinfo(il.name) WHERE key)
             FROM sqlite_schema m, pragma_index_list(m.name) il
             WHERE m.type = 'table' AND il.origin = 'c' AND NOT il.partial ORDER BY 1, 3, 2",
        )
        .fetch_all(&mut *c)
        .await?;
        let mut findings = Vec::new();
        for pair in rows.windows(2) {
            let key = |i: usize| (pair[i].get::<String, _>(0), pair[i].get::<Option<String>, _>(2));
            if key(0) == key(1) && key(0).1.is_some() {
                let (a, b): (String, String) = (pair[1].get(1), pair[0].get(1));
                findings.push(Finding {
                    id: format!("duplicate_index:{a}"),
                    kind: "duplicate_index".to_owned(),
                    target: TargetRole::Database,
                    title: format!("`{a}` repeats `{b}`"),
                    evidence: "same columns, written with every change of the table".to_owned(),
                    cost: 0.05,
                    action: review("Review index"),
                });
            }
        }
        reading.findings = Some(findings);
    }
    Ok(reading)
}

impl Collector for DatabaseCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Database
    }

    fn address(&self) -> String {
        self.address.short()
    }

    fn collect(&mut self, now_ms: f64) -> BoxFuture<'_, Result<Collection, ApiError>> {
        Box::pin(self.measure(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_reset_is_a_gap() {
        let at = |t_ms, n| Counters { t_ms, transactions: n, hits: n, reads: 0.0 };
        let mut values = Vec::new();
        rates(&at(0.0, 100.0), &at(1000.0, 5.0), &mut values);
        assert!(values.is_empty(), "a counter that went back has no rate");
        rates(&at(0.0, 100.0), &at(2000.0, 120.0), &mut values);
        assert_eq!(values[0].1, 10.0, "20 transactions in 2 s");
        assert_eq!(values[1].1, 1.0, "all pages from the cache");
    }
}
