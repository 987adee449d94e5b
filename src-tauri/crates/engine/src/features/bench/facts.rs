//! Facts of an environment's targets before a run: versions, settings, how much data. Two runs with other facts are not
//! compared.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, Environment, TargetRole};

use crate::Engine;
use crate::core::evidence::deadline;

/// Facts of one target, or none when it could not be asked in time.
async fn asked(
    target: &'static str,
    address: &Address,
    work: impl Future<Output = Result<BTreeMap<String, String>, ApiError>>,
) -> BTreeMap<String, String> {
    match tokio::time::timeout(deadline(address), work).await {
        Ok(Ok(facts)) => facts,
        Ok(Err(error)) => {
            tracing::info!(%error, "the {target} does not say what it is");
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    }
}

impl Engine {
    /// Facts by name, such as `version.database` and `setting.cache.maxmemory`; empty where nothing can be asked.
    pub(crate) async fn facts(&self, environment: &Environment) -> BTreeMap<String, String> {
        let database = async {
            let Some(target) = &environment.targets.database else { return BTreeMap::new() };
            let work = async {
                let password = self.secret(environment, TargetRole::Database).await?;
                perfdeck_database::facts(&target.address, password.as_ref()).await
            };
            asked("database", &target.address, work).await
        };
        let cache = async {
            let Some(target) = environment.targets.cache.as_ref().filter(|c| !c.address.hosts.is_empty()) else {
                return BTreeMap::new();
            };
            let work = async {
                let Some((target, password)) = self.cache_login(environment).await? else {
                    return Ok(BTreeMap::new());
                };
                perfdeck_cache::facts(&target, password.as_ref()).await
            };
            asked("cache", &target.address, work).await
        };
        let (database, cache) = tokio::join!(database, cache);
        let mut all = BTreeMap::new();
        for (target, facts) in [("database", database), ("cache", cache)] {
            for (name, value) in facts {
                // `version` becomes `version.database`, `setting.work_mem` becomes `setting.database.work_mem`.
                let (kind, rest) =
                    name.split_once('.').map_or((name.as_str(), None), |(kind, rest)| (kind, Some(rest)));
                let name = rest.map_or_else(|| format!("{kind}.{target}"), |rest| format!("{kind}.{target}.{rest}"));
                all.insert(name, value);
            }
        }
        all
    }
}
