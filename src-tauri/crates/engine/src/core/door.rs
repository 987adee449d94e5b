//! How an environment's database is reached.
use perfdeck_model::{Address, ApiError, DEMO_ENVIRONMENT_ID, Environment, ErrorCode, Sensitive, TargetRole};

use crate::Engine;

impl Engine {
    /// Address of an environment's database, and the password to sign in with.
    ///
    /// # Errors
    /// When it has no database, or its password cannot be had.
    pub(crate) async fn door(&self, environment: &Environment) -> Result<(Address, Option<Sensitive>), ApiError> {
        let database = environment.targets.database.as_ref().ok_or_else(|| {
            ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
                .hint("Add one in the environment's editor")
        })?;
        let password = self.secret(environment, TargetRole::Database).await?;
        Ok((database.address.clone(), password))
    }

    /// An environment by its identifier or name, with its door. The demo is opened for it.
    ///
    /// # Errors
    /// When there is no such environment, and as [`Engine::door`].
    pub(crate) async fn database_of(&self, id: &str) -> Result<(Environment, Address, Option<Sensitive>), ApiError> {
        let mut environment = self.environment(id).await?;
        if environment.id == DEMO_ENVIRONMENT_ID {
            self.demo().await?;
            environment = self.environment(id).await?;
        }
        let (address, password) = self.door(&environment).await?;
        Ok((environment, address, password))
    }
}
