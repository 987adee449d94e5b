//! Tests of connections: of a draft before it is saved, and of what is stored.
use perfdeck_model::{
    ApiError, ConnectionReport, ConnectionStage, EnvironmentDraft, Scheme, SecretInput, SecretSource, Sensitive,
    StageName, StageOutcome, TargetRole, Targets,
};

use crate::Engine;
use crate::features::environments::bound::with_account;
use crate::features::environments::draft::parse_draft;

impl Engine {
    /// Tests a draft before it is saved; secrets that say "keep" come from the environment it edits.
    pub(crate) async fn test_draft(
        &self,
        draft: &EnvironmentDraft,
        id: Option<&str>,
    ) -> Result<Vec<ConnectionReport>, ApiError> {
        let old = match id {
            Some(id) => Some(self.environment(id).await?),
            None => None,
        };
        // A test may come before the name is chosen.
        let mut named = self.with_held(draft)?;
        if named.name.trim().is_empty() {
            "untitled".clone_into(&mut named.name);
        }
        let parsed = parse_draft(&named, old.as_ref(), self.core.clock.now_ms())?;
        let mut secrets = Vec::new();
        for (role, input) in &parsed.secrets {
            let secret = match input {
                SecretInput::Set { value } => Ok(Some(Sensitive::new(value.clone()))),
                SecretInput::Clear | SecretInput::Held { .. } => Ok(None),
                SecretInput::Env { name } => self.core.vault.get("", &SecretSource::Env { name: name.clone() }).await,
                SecretInput::Keep => match &old {
                    Some(old) => self.secret(old, *role).await,
                    None => Ok(None),
                },
            };
            secrets.push((*role, secret));
        }
        Ok(test_targets(&parsed.environment.targets, secrets).await)
    }

    /// Tests all targets of a stored environment, at the same time.
    pub(crate) async fn test_environment(&self, id: &str) -> Result<Vec<ConnectionReport>, ApiError> {
        let environment = self.environment(id).await?;
        let mut secrets = Vec::new();
        for role in environment.targets.roles() {
            secrets.push((role, self.secret(&environment, role).await));
        }
        Ok(test_targets(&environment.targets, secrets).await)
    }
}

type Secrets = Vec<(TargetRole, Result<Option<Sensitive>, ApiError>)>;

async fn test_targets(targets: &Targets, secrets: Secrets) -> Vec<ConnectionReport> {
    let tests = targets.roles().into_iter().map(|role| {
        let secret = secrets.iter().find(|(r, _)| *r == role).map_or(Ok(None), |(_, s)| s.clone());
        async move {
            let secret = match secret {
                Ok(secret) => secret,
                Err(error) => return missing_secret(role, targets, error),
            };
            match role {
                TargetRole::Database => match &targets.database {
                    Some(d) => perfdeck_database::test(&d.address, secret.as_ref()).await,
                    None => unmeasured(role, targets),
                },
                TargetRole::Cache => match &targets.cache {
                    Some(c) if c.address.scheme != Scheme::Memory => {
                        let (cache, secret) = with_account(c, secret);
                        perfdeck_cache::test(&cache, secret.as_ref()).await
                    }
                    _ => in_process(role, targets),
                },
                TargetRole::Api => match &targets.api {
                    Some(a) => perfdeck_monitor::test_api(a, secret.as_ref()).await,
                    None => unmeasured(role, targets),
                },
                TargetRole::Host if targets.host.as_ref().is_some_and(|h| h.url == "local") => {
                    in_process(role, targets)
                }
                TargetRole::Host | TargetRole::Frontend => unmeasured(role, targets),
            }
        }
    });
    futures_util::future::join_all(tests).await
}

fn report(
    role: TargetRole,
    targets: &Targets,
    ok: bool,
    stage: ConnectionStage,
    error: Option<ApiError>,
) -> ConnectionReport {
    let address = targets.addresses().into_iter().find(|(r, _)| *r == role).map(|(_, a)| a).unwrap_or_default();
    ConnectionReport { role, address, ok, stages: vec![stage], version: None, error }
}

fn stage(stage: StageName, outcome: StageOutcome, detail: &str) -> ConnectionStage {
    ConnectionStage { stage, outcome, detail: detail.to_owned(), fix: None, elapsed_ms: 0.0 }
}

fn missing_secret(role: TargetRole, targets: &Targets, error: ApiError) -> ConnectionReport {
    let s = stage(StageName::Authentication, StageOutcome::Failed, &error.message);
    report(role, targets, false, s, Some(error))
}

fn in_process(role: TargetRole, targets: &Targets) -> ConnectionReport {
    report(
        role,
        targets,
        true,
        stage(StageName::Address, StageOutcome::Ok, "on this machine, nothing to connect to"),
        None,
    )
}

fn unmeasured(role: TargetRole, targets: &Targets) -> ConnectionReport {
    let s = stage(
        StageName::Address,
        StageOutcome::Skipped,
        "kept with the environment; this version does not measure it yet",
    );
    report(role, targets, true, s, None)
}
