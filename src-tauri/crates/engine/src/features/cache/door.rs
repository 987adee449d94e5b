//! How an environment's cache is reached.
use std::sync::Arc;

use perfdeck_cache::MemoryCache;
use perfdeck_model::{ApiError, CacheTarget, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, Sensitive};

use crate::Engine;

/// A cache that can be asked.
pub(crate) enum CacheDoor {
    /// Redis or Valkey, with the password to sign in with.
    Server { target: Box<CacheTarget>, password: Option<Sensitive> },
    /// Perfdeck's own, in this process.
    Memory(Arc<MemoryCache>),
}

impl Engine {
    /// An environment by its identifier or name, with its cache. The demo is opened for it.
    ///
    /// # Errors
    /// When there is no such environment, it has no cache, or its password cannot be had.
    pub(crate) async fn cache_of(&self, id: &str) -> Result<(Environment, CacheDoor), ApiError> {
        let environment = self.environment(id).await?;
        if environment.id == DEMO_ENVIRONMENT_ID {
            let cache = self.demo().await?.cache();
            return Ok((self.environment(id).await?, CacheDoor::Memory(cache)));
        }
        match self.cache_login(&environment).await? {
            Some((target, _)) if target.address.hosts.is_empty() => {
                Err(none(&environment, "in this process of Perfdeck, which has put nothing into it"))
            }
            Some((target, password)) => Ok((environment, CacheDoor::Server { target: Box::new(target), password })),
            None => Err(none(&environment, "not set")),
        }
    }
}

fn none(environment: &Environment, why: &str) -> ApiError {
    ApiError::new(ErrorCode::Unsupported, format!("The cache of '{}' is {why}", environment.name))
        .hint("Name a Redis or Valkey in the environment's editor, such as redis://host:6379/0")
}
