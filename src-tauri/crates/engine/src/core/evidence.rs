//! Whether an environment looks like production, whatever it is called: by its addresses, its size and its clients.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use perfdeck_database::OccupancyWatch;
use perfdeck_model::{Address, ApiError, Environment, ErrorCode, Kind, Scheme, TargetRole};

use crate::Engine;

/// A copy for development is seldom larger, in bytes: 50 GiB.
const LARGE_DATABASE: f64 = 50.0 * 1024.0 * 1024.0 * 1024.0;
/// One person's tools and one application on a laptop have fewer connections.
const MANY_CLIENTS: f64 = 50.0;
/// Longest time to ask; a target that does not answer gives no evidence.
const DEADLINE: Duration = Duration::from_secs(4);
/// Longest time to ask at an address that gives connecting a time of its own, which comes on top.
pub(crate) fn deadline(address: &Address) -> Duration {
    DEADLINE + address.options().ok().and_then(|o| o.connect_timeout).unwrap_or_default()
}

/// An answer is good for this long.
const FRESH_MS: f64 = 60_000.0;
/// That there was none is good for this long: what is asked next within one command need not wait for it again.
const SILENT_MS: f64 = 5_000.0;

/// What an environment's targets said about themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    database_bytes: Option<f64>,
    database_clients: Option<f64>,
    cache_clients: Option<f64>,
}

/// Figures of environments by id, with the edit they are of and when they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<HashMap<String, (f64, f64, Figures)>>, Mutex<Silent>);

/// Targets that could not be asked, by environment and role: when, and why.
type Silent = HashMap<(String, TargetRole), (f64, ApiError)>;

/// Whether an error says that a target cannot be used at all, by anybody with these credentials.
fn cannot_be_used(error: &ApiError) -> bool {
    matches!(error.code, ErrorCode::Timeout | ErrorCode::Unreachable | ErrorCode::Authentication | ErrorCode::Tls)
}

/// Whether an address can be reached from everywhere (IANA special-purpose address registries).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmarking = a == 198 && (b == 18 || b == 19);
            !(ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || shared
                || benchmarking)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

/// What looks like production, in words; empty when nothing does.
fn words(resolved: &[String], figures: Figures) -> Vec<String> {
    let mut found = Vec::new();
    let public = |a: &&String| a.parse().is_ok_and(is_public);
    if let Some(address) = resolved.iter().find(public) {
        found.push(format!("{address} is a public address"));
    }
    if let Some(bytes) = figures.database_bytes.filter(|b| *b >= LARGE_DATABASE) {
        found.push(format!("its database holds {}", perfdeck_words::bytes(bytes)));
    }
    for (clients, role) in [(figures.database_clients, "database"), (figures.cache_clients, "cache")] {
        if let Some(n) = clients.filter(|n| *n >= MANY_CLIENTS) {
            found.push(format!("{} clients are connected to its {role}", perfdeck_words::integer(n)));
        }
    }
    found
}

fn too_slow(address: &Address) -> ApiError {
    let (at, seconds) = (address.short(), deadline(address).as_secs());
    ApiError::new(ErrorCode::Timeout, format!("{at} did not answer within {seconds} s"))
        .hint("Is it running, and is it the kind of server that the address names?")
}

impl Engine {
    /// Signs by which an environment, or a host without one, looks like production. Nothing is asked where the answer
    /// would change nothing: production is guarded anyway.
    pub(crate) async fn evidence(&self, environment: Option<&Environment>, resolved: &[String]) -> Vec<String> {
        let Some(environment) = environment else { return words(resolved, Figures::default()) };
        if environment.kind == Kind::Production || environment.guards.never_production {
            return Vec::new();
        }
        words(resolved, self.figures(environment).await)
    }

    /// Remembers that a target did not answer.
    fn silent(&self, environment: &Environment, role: TargetRole, error: ApiError) {
        if cannot_be_used(&error) {
            let mut silent = self.core.asked.1.lock().unwrap_or_else(PoisonError::into_inner);
            silent.insert((environment.id.clone(), role), (self.core.clock.now_ms(), error));
            // What is known to be silent is asked anew the next time.
            self.core.asked.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&environment.id);
        }
    }

    /// Error for which a target could not be used when it was asked a moment ago.
    pub(crate) fn was_silent(&self, environment: &Environment, role: TargetRole) -> Option<ApiError> {
        let now = self.core.clock.now_ms();
        let silent = self.core.asked.1.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = silent.get(&(environment.id.clone(), role))?;
        (0.0..SILENT_MS).contains(&(now - at)).then(|| error.clone())
    }

    /// Whether a target has answered lately.
    pub(crate) fn has_answered(&self, environment: &Environment, role: TargetRole) -> bool {
        let asked = self.core.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&environment.id).is_some_and(|(_, at, figures)| {
            let fresh = (0.0..SILENT_MS).contains(&(self.core.clock.now_ms() - at));
            fresh
                && if role == TargetRole::Cache {
                    figures.cache_clients.is_some()
                } else {
                    figures.database_clients.is_some()
                }
        })
    }

    async fn figures(&self, environment: &Environment) -> Figures {
        let now = self.core.clock.now_ms();
        let known =
            self.core.asked.0.lock().unwrap_or_else(PoisonError::into_inner).get(&environment.id).copied().filter(
                |(edit, at, _)| {
                    (*edit - environment.updated_ms).abs() < f64::EPSILON && (0.0..FRESH_MS).contains(&(now - at))
                },
            );
        if let Some((.., figures)) = known {
            return figures;
        }
        // The last command waited for it in vain a moment ago.
        let roles = [TargetRole::Database, TargetRole::Cache];
        if roles.into_iter().any(|role| self.was_silent(environment, role).is_some()) {
            return Figures::default();
        }
        let mut figures = Figures::default();
        if let Some(target) = environment.targets.database.as_ref().filter(|d| d.address.scheme != Scheme::Sqlite) {
            let ask = async {
                let password = self.secret(environment, TargetRole::Database).await?;
                let mut watch = OccupancyWatch::open(&target.address, password.as_ref()).await?;
                let Some(open) = &mut watch else { return Ok::<_, ApiError>(None) };
                let read = open.read().await;
                if let Some(open) = watch {
                    open.close().await;
                }
                read.map(Some)
            };
            match tokio::time::timeout(deadline(&target.address), ask).await {
                Ok(Ok(Some(o))) => (figures.database_bytes, figures.database_clients) = (Some(o.bytes), Some(o.others)),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::info!(%error, "the database does not say how large it is");
                    self.silent(environment, TargetRole::Database, error);
                }
                Err(_) => self.silent(environment, TargetRole::Database, too_slow(&target.address)),
            }
        }
        if let Some(target) = environment.targets.cache.as_ref().filter(|c| !c.address.hosts.is_empty()) {
            let ask = async {
                let Some((target, password)) = self.cache_login(environment).await? else { return Ok(None) };
                perfdeck_cache::clients(&target, password.as_ref()).await.map(Some)
            };
            match tokio::time::timeout(deadline(&target.address), ask).await {
                Ok(Ok(clients)) => figures.cache_clients = clients,
                Ok(Err(error)) => {
                    tracing::info!(%error, "the cache does not say how many clients it has");
                    self.silent(environment, TargetRole::Cache, error);
                }
                Err(_) => self.silent(environment, TargetRole::Cache, too_slow(&target.address)),
            }
        }
        if !roles.into_iter().any(|role| self.was_silent(environment, role).is_some()) {
            let mut asked = self.core.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(environment.id.clone(), (environment.updated_ms, now, figures));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_everyone_can_reach_are_public() {
        for ip in ["8.8.8.8", "2001:4860:4860::8888", "::ffff:1.1.1.1"] {
            assert!(is_public(ip.parse().expect(ip)), "{ip}");
        }
        let inside = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.1.1", "100.64.0.1", "198.18.0.1"];
        for ip in inside.into_iter().chain(["::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"]) {
            assert!(!is_public(ip.parse().expect(ip)), "{ip}");
        }
    }

    #[test]
    fn size_and_clients_are_evidence_and_are_named() {
        let small = Figures { database_bytes: Some(4e9), database_clients: Some(12.0), cache_clients: Some(3.0) };
        assert!(words(&["127.0.0.1".to_owned()], small).is_empty(), "a copy on a laptop");
        assert!(words(&[], Figures::default()).is_empty(), "what is not known is no evidence");
        let large = Figures {
            database_bytes: Some(120.0 * 1024.0_f64.powi(3)),
            database_clients: Some(143.0),
            cache_clients: Some(50.0),
        };
        assert_eq!(
            words(&["10.0.0.1".to_owned(), "8.8.8.8".to_owned()], large),
            [
                "8.8.8.8 is a public address",
                "its database holds 120\u{2009}GiB",
                "143 clients are connected to its database",
                "50 clients are connected to its cache"
            ],
            "even behind a tunnel"
        );
    }
}
