//! Commands that a cache's servers executed, by name: counters that nobody resets, and what was gained between two readings.
use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_model::{ApiError, CacheTarget, HostPort, Sensitive};
use redis::aio::MultiplexedConnection;

use crate::connect::{connect, explain, silent};
use crate::info::fields;
use crate::load::servers;

/// Longest time of one reading of all servers.
const DEADLINE: Duration = Duration::from_secs(3);

/// The counters of all servers of a cache at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandCounts {
    /// By server, as it names itself in its life (`run_id`).
    servers: BTreeMap<String, BTreeMap<String, u64>>,
    /// Readings before this one by the same reader: each has sent a command to every server.
    readings: u64,
}

impl CommandCounts {
    /// The counters of one server, from all sections of INFO.
    fn add(&mut self, host: &HostPort, info: &str) {
        let info = fields(info);
        let server = info.get("run_id").cloned().unwrap_or_else(|| host.to_string());
        let counts = info.iter().filter_map(|(name, value)| {
            let calls = value.split(',').find_map(|part| part.strip_prefix("calls="))?.parse().ok()?;
            // `cmdstat_client|setname` is a command and its subcommand.
            Some((name.strip_prefix("cmdstat_")?.replace('|', " ").to_uppercase(), calls))
        });
        self.servers.insert(server, counts.collect());
    }

    /// Counters of something that has no servers.
    pub fn of(counts: BTreeMap<String, u64>) -> Self {
        Self { servers: BTreeMap::from([(String::new(), counts)]), readings: 0 }
    }

    /// Commands since `before`, over all servers and without those of the readings themselves. `None` when a server began anew or its
    /// counters were reset in between.
    pub fn since(&self, before: &Self) -> Option<BTreeMap<String, u64>> {
        if !self.servers.keys().eq(before.servers.keys()) {
            return None;
        }
        let mut gained: BTreeMap<String, u64> = BTreeMap::new();
        for (server, now) in &self.servers {
            let then = before.servers.get(server)?;
            if then.keys().any(|name| !now.contains_key(name)) {
                return None;
            }
            for (name, calls) in now {
                let mut more = calls.checked_sub(then.get(name).copied().unwrap_or(0))?;
                // A server counts INFO after its answer: those from the one before to the last but this are in it.
                if name == "INFO" && !server.is_empty() {
                    more = more.saturating_sub(self.readings.saturating_sub(before.readings));
                }
                *gained.entry(name.clone()).or_default() += more;
            }
        }
        gained.retain(|_, calls| *calls > 0);
        Some(gained)
    }
}

/// Reads the counters of all servers of a cache, over connections that it keeps.
pub struct CommandReader {
    target: CacheTarget,
    password: Option<Sensitive>,
    open: Vec<(HostPort, MultiplexedConnection)>,
    readings: u64,
}

impl std::fmt::Debug for CommandReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandReader").field("address", &self.target.address.short()).finish_non_exhaustive()
    }
}

impl CommandReader {
    /// A reader of the cache. It connects at its first reading.
    pub fn new(target: CacheTarget, password: Option<Sensitive>) -> Self {
        Self { target, password, open: Vec::new(), readings: 0 }
    }

    /// The counters now.
    ///
    /// # Errors
    /// When a server cannot be reached, does not answer within 3 s or refuses INFO. The next reading connects again.
    pub async fn read(&mut self) -> Result<CommandCounts, ApiError> {
        if self.open.is_empty() {
            for host in servers(&self.target, self.password.as_ref()).await? {
                let connection = connect(&self.target, &host, self.password.as_ref()).await?;
                self.open.push((host, connection));
            }
        }
        let Some((first, _)) = self.open.first() else {
            return Err(ApiError::bad_request("The cache's address names no host"));
        };
        let first = first.clone();
        let mut open = std::mem::take(&mut self.open);
        let (target, readings) = (&self.target, self.readings);
        self.readings += 1;
        let work = async {
            let mut counts = CommandCounts { readings, ..CommandCounts::default() };
            for (host, connection) in &mut open {
                let asked = redis::cmd("INFO").arg("all").query_async::<String>(connection).await;
                counts.add(host, &asked.map_err(|e| explain(target, host, &e))?);
            }
            Ok::<_, ApiError>((counts, open))
        };
        let (counts, open) = tokio::time::timeout(DEADLINE, work).await.map_err(|_| silent(&first, DEADLINE))??;
        self.open = open;
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(run: &str, lines: &str) -> CommandCounts {
        let host = HostPort { host: "127.0.0.1".to_owned(), port: 1 };
        let mut counts = CommandCounts::default();
        counts.add(&host, &format!("# Server\r\nrun_id:{run}\r\n# Commandstats\r\n{lines}"));
        counts
    }

    #[test]
    fn commands_are_differences_without_the_reading_itself() {
        let before = counts("a", "cmdstat_get:calls=10,usec=1\r\ncmdstat_info:calls=3,usec=9\r\n");
        let now = counts(
            "a",
            "cmdstat_get:calls=17,usec=1\r\ncmdstat_info:calls=4,usec=9\r\ncmdstat_client|setname:calls=1,usec=0\r\n",
        );
        let now = CommandCounts { readings: 1, ..now };
        let gained = now.since(&before).expect("the same counters");
        assert_eq!(gained, BTreeMap::from([("CLIENT SETNAME".to_owned(), 1), ("GET".to_owned(), 7)]));
        assert_eq!(counts("b", "cmdstat_get:calls=20").since(&before), None, "another life of the server");
        assert_eq!(counts("a", "cmdstat_get:calls=2").since(&before), None, "counters were reset");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_counts_to_the_last_command() {
        let server = perfdeck_testkit::Redis::start().await.expect("Redis");
        let (address, _) = perfdeck_model::Address::parse(&server.url()).expect("an address");
        let target = CacheTarget::of(address);
        let mut reader = CommandReader::new(target, None);
        let before = reader.read().await.expect("read");
        server.execute(&["SET", "a", "1"]).await.expect("set");
        for _ in 0..3 {
            server.execute(&["GET", "a"]).await.expect("got");
        }
        reader.read().await.expect("a reading in between");
        let gained = reader.read().await.expect("read").since(&before).expect("one life");
        assert_eq!(
            (gained.get("GET"), gained.get("SET"), gained.get("INFO")),
            (Some(&3), Some(&1), None),
            "{gained:?}"
        );
        let before = reader.read().await.expect("read");
        server.execute(&["CONFIG", "RESETSTAT"]).await.expect("reset");
        assert_eq!(reader.read().await.expect("read").since(&before), None, "a reset is no figure");
    }
}
