//! Collectors of the demo's database and API: figures from its own pool and its own counters.
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use perfdeck_model::{
    ApiError, BoxFuture, Collection, Collector, ErrorCode, Finding, FindingAction, SeriesInfo, TargetRole, Unit,
};

use super::POOL;
use super::api::{SCAN, Served};

/// Measures the demo's database through its pool.
pub(crate) struct DemoDatabaseCollector {
    served: Arc<Served>,
    path: PathBuf,
    last: Option<(f64, u64)>,
    version: Option<String>,
    slow_at: f64,
}

impl DemoDatabaseCollector {
    pub(crate) fn new(served: Arc<Served>, path: PathBuf) -> Self {
        Self { served, path, last: None, version: None, slow_at: 0.0 }
    }

    async fn findings(&self) -> Result<Vec<Finding>, sqlx::Error> {
        let mut findings = Vec::new();
        let (scan, total) = {
            let all = self.served.by_statement.lock().unwrap_or_else(PoisonError::into_inner);
            (all.get(SCAN).copied().unwrap_or_default(), all.values().map(|v| v.0).sum::<f64>())
        };
        if scan.1 >= 3 && total > 0.0 {
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as("EXPLAIN QUERY PLAN SELECT id FROM appointments WHERE staff_id = 1")
                    .fetch_all(&self.served.pool)
                    .await?;
            if plan.iter().any(|p| p.3.starts_with("SCAN")) {
                let share = scan.0 / total;
                #[allow(clippy::cast_precision_loss)]
                let mean = scan.0 / scan.1 as f64 * 1e3;
                findings.push(Finding {
                    id: "sequential_scan:appointments".to_owned(),
                    kind: "sequential_scan".to_owned(),
                    target: TargetRole::Database,
                    title: "Sequential scan on `appointments`".to_owned(),
                    evidence: format!("{:.0} % of database time, {} calls of {mean:.1} ms", share * 100.0, scan.1),
                    cost: share,
                    action: FindingAction { label: "Review index".to_owned(), route: "/database".to_owned() },
                });
            }
        }
        let duplicates: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND name IN ('appointments_user', 'appointments_user_id_idx') ORDER BY name",
        )
        .fetch_all(&self.served.pool)
        .await?;
        if let [a, b] = duplicates.as_slice() {
            findings.push(Finding {
                id: format!("duplicate_index:{b}"),
                kind: "duplicate_index".to_owned(),
                target: TargetRole::Database,
                title: format!("`{b}` repeats `{a}`"),
                evidence: "same column, written with every change of the table".to_owned(),
                cost: 0.02,
                action: FindingAction { label: "Review index".to_owned(), route: "/database".to_owned() },
            });
        }
        Ok(findings)
    }
}

fn series(metric: &str, attributes: &[(&str, &str)], unit: Unit, role: TargetRole) -> SeriesInfo {
    SeriesInfo::new(metric, attributes, unit, role)
}

impl Collector for DemoDatabaseCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Database
    }

    fn address(&self) -> String {
        self.path.display().to_string()
    }

    #[allow(clippy::cast_precision_loss)]
    fn collect(&mut self, now_ms: f64) -> BoxFuture<'_, Result<Collection, ApiError>> {
        Box::pin(async move {
            let fail = |e: sqlx::Error| {
                ApiError::new(ErrorCode::Unreachable, format!("The demo database does not answer: {e}"))
            };
            let started = Instant::now();
            let served = self.served.clone();
            let version: String =
                sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&served.pool).await.map_err(fail)?;
            let round_trip_ms = started.elapsed().as_secs_f64() * 1e3;
            self.version.get_or_insert(format!("SQLite {version}"));
            let role = TargetRole::Database;
            let active = served.running.load(Ordering::Relaxed) as f64;
            let open = f64::from(served.pool.size());
            let longest = served
                .oldest
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .map(|t| t.elapsed().as_secs_f64())
                .fold(0.0, f64::max);
            let size = std::fs::metadata(&self.path).map_or(0, |m| m.len()) as f64;
            let mut values = vec![
                (series("database.connections", &[("state", "active")], Unit::Count, role), active),
                (series("database.connections", &[("state", "idle")], Unit::Count, role), (open - active).max(0.0)),
                (series("database.query.longest", &[], Unit::Seconds, role), longest),
                (series("database.size", &[], Unit::Bytes, role), size),
            ];
            let statements = served.statements.load(Ordering::Relaxed);
            if let Some((then, before)) = self.last {
                let rate = (statements - before) as f64 / ((now_ms - then) / 1e3).max(1e-3);
                values.push((series("database.transactions", &[], Unit::PerSecond, role), rate));
            }
            self.last = Some((now_ms, statements));
            let mut findings = None;
            // Soon after the start a few slow statements were seen; then once a minute is enough.
            if self.slow_at == 0.0 {
                self.slow_at = now_ms - 52_000.0;
            } else if now_ms - self.slow_at >= 60_000.0 {
                self.slow_at = now_ms;
                findings = Some(self.findings().await.map_err(fail)?);
            }
            Ok(Collection {
                values,
                round_trip_ms: Some(round_trip_ms),
                version: self.version.clone(),
                detail: Some("demo data, 200\u{2009}000 appointments".to_owned()),
                limits: [("max_connections".to_owned(), f64::from(POOL))].into(),
                findings,
                ..Collection::default()
            })
        })
    }
}

/// The probe from outside, and the API's own counters.
pub(crate) struct DemoApiCollector {
    served: Arc<Served>,
    probe: Box<dyn Collector>,
    last: Option<(f64, u64, u64)>,
}

impl DemoApiCollector {
    pub(crate) fn new(served: Arc<Served>, probe: Box<dyn Collector>) -> Self {
        Self { served, probe, last: None }
    }
}

impl Collector for DemoApiCollector {
    fn role(&self) -> TargetRole {
        TargetRole::Api
    }

    fn address(&self) -> String {
        self.probe.address()
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn collect(&mut self, now_ms: f64) -> BoxFuture<'_, Result<Collection, ApiError>> {
        Box::pin(async move {
            let mut out = self.probe.collect(now_ms).await?;
            let role = TargetRole::Api;
            let requests = self.served.requests.load(Ordering::Relaxed);
            let errors = self.served.errors.load(Ordering::Relaxed);
            let mut latencies =
                std::mem::take(&mut *self.served.latencies.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some((then, r, e)) = self.last {
                let n = (requests - r) as f64;
                out.values.push((
                    series("http.server.requests", &[], Unit::PerSecond, role),
                    n / ((now_ms - then) / 1e3).max(1e-3),
                ));
                if n > 0.0 {
                    out.values.push((series("http.server.errors", &[], Unit::Ratio, role), (errors - e) as f64 / n));
                }
            }
            self.last = Some((now_ms, requests, errors));
            latencies.sort_by(f64::total_cmp);
            for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                // A second without requests has no percentile.
                if let Some(v) = latencies.get(((latencies.len() as f64 * q).ceil() as usize).saturating_sub(1)) {
                    out.values.push((series("http.server.duration", &[("quantile", name)], Unit::Seconds, role), *v));
                }
            }
            out.version.get_or_insert_with(|| "Perfdeck demo API".to_owned());
            Ok(out)
        })
    }
}
