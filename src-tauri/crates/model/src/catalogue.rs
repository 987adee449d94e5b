//! The metric catalogue: every metric once, in the order in which its target's lanes are shown.
use crate::{Instrument, MetricInfo, TargetRole, Unit};

/// Name, title, unit, instrument, help.
type Entry = (&'static str, &'static str, Unit, Instrument, &'static str);

const ENTRIES: &[Entry] = {
    use Instrument::{Gauge, Rate};
    use Unit::{Bytes, BytesPerSecond, Count, PerSecond, Ratio, Seconds};
    &[
        ("http.server.requests", "Requests", PerSecond, Rate, "Requests answered by the API"),
        ("http.server.errors", "Errors", Ratio, Rate, "Share of requests answered with status 500 or above"),
        (
            "http.server.duration",
            "Duration",
            Seconds,
            Gauge,
            "Time to answer a request, by quantile over the last requests that it needs: one second or more",
        ),
        (
            "api.probe.total",
            "Probe",
            Seconds,
            Gauge,
            "Time of the probe from the start of name resolution to the head of the answer",
        ),
        (
            "api.probe.duration",
            "Probe phases",
            Seconds,
            Gauge,
            "Time of each phase of the probe, one GET a second on a new connection without TLS resumption",
        ),
        (
            "api.probe.failed",
            "Failed probes",
            Count,
            Gauge,
            "1 when the probe was answered with status 500 or above or not as HTTP, else 0; a gap while unreachable",
        ),
        ("api.probe.status", "Probe status", Count, Gauge, "HTTP status of the probe; redirects are not followed"),
        (
            "system.cpu.utilization",
            "CPU",
            Ratio,
            Rate,
            "Share of all processors' time by mode since the last sample, from /proc/stat or the system's counters",
        ),
        (
            "system.memory.usage",
            "Memory",
            Bytes,
            Gauge,
            "Memory in use: total less what the system calls available, from /proc/meminfo or the system",
        ),
        (
            "system.disk.io",
            "Disk",
            BytesPerSecond,
            Rate,
            "Bytes read and written on whole physical disks, from /proc/diskstats or the system's counters",
        ),
        (
            "system.network.io",
            "Network",
            BytesPerSecond,
            Rate,
            "Bytes received and transmitted on physical interfaces (all but loopback where there are none)",
        ),
        (
            "system.linux.load",
            "Load average",
            Count,
            Gauge,
            "Runnable and blocked tasks averaged over one minute, from /proc/loadavg",
        ),
        ("database.connections", "Connections", Count, Gauge, "Client connections by state, without Perfdeck's own"),
        (
            "database.transactions",
            "Transactions",
            PerSecond,
            Rate,
            "Transactions committed and rolled back by others than Perfdeck. MySQL and MariaDB count autocommitted \
             statements only with performance_schema's transaction instrument; without it they are estimated from \
             Handler_commit and InnoDB's transaction ids, and reads beside explicit transactions may be missing",
        ),
        (
            "database.cache.hit_ratio",
            "Buffer hit ratio",
            Ratio,
            Rate,
            "Share of page reads of others answered from the buffer cache; a gap while nobody reads",
        ),
        ("database.locks.waiting", "Waiting for locks", Count, Gauge, "Sessions waiting for a lock"),
        (
            "database.locks.longest",
            "Longest wait",
            Seconds,
            Gauge,
            "Time that the longest of them has been running and waiting",
        ),
        (
            "database.query.longest",
            "Longest statement",
            Seconds,
            Gauge,
            "Age of the statement that has been running longest",
        ),
        (
            "database.transaction.oldest",
            "Oldest transaction",
            Seconds,
            Gauge,
            "Age of the transaction of a client that has been open longest; 0 while none is open",
        ),
        (
            "database.pool.sessions",
            "Sessions of an application",
            Count,
            Gauge,
            "Sessions of one application in this database, of all its addresses together, in use (a statement runs or a \
             transaction is open) or idle. Of the applications that had two sessions or more, the first eight (PostgreSQL)",
        ),
        (
            "database.pool.waiting",
            "Waiting for the pooler",
            Count,
            Gauge,
            "Clients that wait in PgBouncer for a server connection to this database; a gap where its console lets this user \
             not in",
        ),
        ("database.size", "Size", Bytes, Gauge, "Size of the database"),
        ("database.waits", "Active sessions", Count, Gauge, "Active sessions by what they wait for"),
        ("cache.operations", "Operations", PerSecond, Rate, "Commands processed, without Perfdeck's own"),
        ("cache.hit_ratio", "Hit ratio", Ratio, Rate, "Share of key look-ups that found the key"),
        ("cache.memory.used", "Memory", Bytes, Gauge, "Memory used by the data set"),
        ("cache.evictions", "Evictions", PerSecond, Rate, "Keys evicted because memory was full"),
        ("cache.clients", "Clients", Count, Gauge, "Connected clients"),
        ("cache.latency", "Latency", Seconds, Gauge, "Round trip of a PING"),
        ("cache.keys", "Keys", Count, Gauge, "Keys in all databases"),
    ]
};

/// All metrics Perfdeck knows.
pub fn catalogue() -> Vec<MetricInfo> {
    ENTRIES
        .iter()
        .map(|(name, title, unit, instrument, help)| MetricInfo {
            name: (*name).to_owned(),
            title: (*title).to_owned(),
            role: target_of(name),
            unit: *unit,
            instrument: *instrument,
            help: (*help).to_owned(),
        })
        .collect()
}

fn metric_of(series_id: &str) -> &str {
    series_id.split('{').next().unwrap_or(series_id)
}

/// The unit of a series, from its id; [`Unit::Count`] for one that is not in the catalogue.
pub fn unit_of(series_id: &str) -> Unit {
    let metric = metric_of(series_id);
    ENTRIES.iter().find(|e| e.0 == metric).map_or(Unit::Count, |e| e.2)
}

/// Title of a metric where people read it, and its place in the catalogue; `None` for one that is not in it.
pub fn title_of(metric: &str) -> Option<(usize, &'static str)> {
    ENTRIES.iter().enumerate().find(|(_, e)| e.0 == metric).map(|(place, e)| (place, e.1))
}

/// Whether a metric is a rate over the time since the sample before; one that is not in the catalogue is none.
pub fn is_rate(metric: &str) -> bool {
    // Quantiles of what was answered since the sample before span that time too.
    metric == "http.server.duration" || ENTRIES.iter().any(|e| e.0 == metric && e.3 == Instrument::Rate)
}

/// The target a series belongs to, from its id.
pub fn target_of(series_id: &str) -> TargetRole {
    match series_id.split('.').next() {
        Some("system") => TargetRole::Host,
        Some("database") => TargetRole::Database,
        Some("cache") => TargetRole::Cache,
        _ => TargetRole::Api,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_explained() {
        let mut names: Vec<_> = ENTRIES.iter().map(|e| e.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENTRIES.len(), "a metric is defined once");
        assert!(catalogue().iter().all(|m| m.help.len() > 10 && !m.title.is_empty()), "each says what it is");
        assert_eq!(unit_of("system.disk.io{disk.io.direction=read}"), Unit::BytesPerSecond, "attributes do not matter");
    }
}
