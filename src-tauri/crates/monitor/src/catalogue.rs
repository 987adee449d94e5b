//! The metric catalogue.
use perfdeck_model::{Instrument, MetricInfo, TargetRole, Unit};

type Entry = (&'static str, Unit, Instrument, &'static str);

const ENTRIES: &[Entry] = {
    use Instrument::{Gauge, Rate};
    use Unit::{Bytes, BytesPerSecond, Count, PerSecond, Ratio, Seconds};
    &[
        (
            "system.cpu.utilization",
            Ratio,
            Rate,
            "Share of all processors' time by mode since the last sample, from /proc/stat or the system's counters",
        ),
        (
            "system.memory.usage",
            Bytes,
            Gauge,
            "Memory in use: total less what the system calls available, from /proc/meminfo or the system",
        ),
        (
            "system.disk.io",
            BytesPerSecond,
            Rate,
            "Bytes read and written on whole physical disks, from /proc/diskstats or the system's counters",
        ),
        (
            "system.network.io",
            BytesPerSecond,
            Rate,
            "Bytes received and transmitted on physical interfaces (all but loopback where there are none)",
        ),
        ("system.linux.load", Count, Gauge, "Runnable and blocked tasks averaged over one minute, from /proc/loadavg"),
        ("database.connections", Count, Gauge, "Client connections by state, without Perfdeck's own"),
        (
            "database.transactions",
            PerSecond,
            Rate,
            "Transactions committed and rolled back by others than Perfdeck. MySQL and MariaDB count autocommitted \
             statements only with performance_schema's transaction instrument; without it they are estimated from \
             Handler_commit and InnoDB's transaction ids, and reads beside explicit transactions may be missing",
        ),
        (
            "database.cache.hit_ratio",
            Ratio,
            Rate,
            "Share of page reads of others answered from the buffer cache; a gap while nobody reads",
        ),
        ("database.locks.waiting", Count, Gauge, "Sessions waiting for a lock"),
        ("database.locks.longest", Seconds, Gauge, "Time that the longest of them has been running and waiting"),
        ("database.query.longest", Seconds, Gauge, "Age of the statement that has been running longest"),
        ("database.size", Bytes, Gauge, "Size of the database"),
        ("database.waits", Count, Gauge, "Active sessions by what they wait for"),
        ("cache.operations", PerSecond, Rate, "Commands processed, without Perfdeck's own"),
        ("cache.hit_ratio", Ratio, Rate, "Share of key look-ups that found the key"),
        ("cache.memory.used", Bytes, Gauge, "Memory used by the data set"),
        ("cache.evictions", PerSecond, Rate, "Keys evicted because memory was full"),
        ("cache.clients", Count, Gauge, "Connected clients"),
        ("cache.latency", Seconds, Gauge, "Round trip of a PING"),
        ("cache.keys", Count, Gauge, "Keys in all databases"),
        (
            "api.probe.duration",
            Seconds,
            Gauge,
            "Time of each phase of the probe, one GET a second on a new connection without TLS resumption",
        ),
        (
            "api.probe.total",
            Seconds,
            Gauge,
            "Time of the probe from the start of name resolution to the head of the answer",
        ),
        (
            "api.probe.failed",
            Count,
            Gauge,
            "1 when the probe was answered with status 500 or above or not as HTTP, else 0; a gap while unreachable",
        ),
        ("api.probe.status", Count, Gauge, "HTTP status of the probe; redirects are not followed"),
        ("http.server.requests", PerSecond, Rate, "Requests answered by the API"),
        ("http.server.errors", Ratio, Rate, "Share of requests answered with status 500 or above"),
        ("http.server.duration", Seconds, Gauge, "Time to answer a request, by quantile over the last second"),
    ]
};

/// All metrics Perfdeck knows.
pub fn catalogue() -> Vec<MetricInfo> {
    ENTRIES
        .iter()
        .map(|(name, unit, instrument, help)| MetricInfo {
            name: (*name).to_owned(),
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
    ENTRIES.iter().find(|e| e.0 == metric).map_or(Unit::Count, |e| e.1)
}

/// Whether a metric is a rate over the time since the sample before; one that is not in the catalogue is none.
pub(crate) fn is_rate(metric: &str) -> bool {
    // Quantiles of what was answered since the sample before span that time too.
    metric == "http.server.duration" || ENTRIES.iter().any(|e| e.0 == metric && e.2 == Instrument::Rate)
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
        assert!(catalogue().iter().all(|m| m.help.len() > 10), "each says what it is");
        assert_eq!(unit_of("system.disk.io{disk.io.direction=read}"), Unit::BytesPerSecond, "attributes do not matter");
    }
}
