//! The plan of an invalidation: what was asked for, and what was seen when it was looked at.
use std::time::Duration;

use perfdeck_cache::take::{
    Epoch, Meant, Surveyed, read_names, survey, survey_epochs, survey_epochs_in_memory, survey_memory, tag_of,
    write_names,
};
use perfdeck_model::{ApiError, CacheBytes, InvalidationBy, InvalidationOf, InvalidationSpec, SecretSource, UndoKept};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::book::{Book, CAP, Files};
use super::named::{Named, What, named};
use crate::VaultKind;
use crate::core::changes::At;
use crate::features::cache::door::CacheDoor;

/// Longest time to look at keys: what is not seen by then is estimated.
const LOOK: Duration = Duration::from_secs(9);
/// Share of a database from which removing it must be agreed to.
const MUCH: f64 = 0.2;
/// Time for which what was seen is good enough to act on, in milliseconds.
pub(super) const GOOD_MS: f64 = 600_000.0;

/// What is stored with the change. No name of a key is in it: those of a list are in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) token: String,
    pub(super) spec: InvalidationSpec,
    /// What a person calls the keys.
    pub(super) shown: String,
    /// They are all there are.
    pub(super) everything: bool,
    pub(super) surveyed: Surveyed,
    pub(super) undo: UndoKept,
    pub(super) made_ms: f64,
    /// What a user, a tag or a template came to.
    #[serde(default)]
    pub(super) by: Option<InvalidationBy>,
    /// Epochs that are changed instead of keys that are removed.
    #[serde(default)]
    pub(super) epochs: Vec<Epoch>,
    /// What else there is to know of what it came to.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

impl Plan {
    pub(super) fn read(plan: &Value) -> Result<Self, ApiError> {
        serde_json::from_value(plan.clone()).map_err(|_| {
            ApiError::bad_request("This invalidation was planned by another Perfdeck").hint("Plan it anew")
        })
    }

    /// Share of the database's keys; `None` of an empty one.
    pub(super) fn share(&self) -> Option<f64> {
        let all = self.surveyed.database_keys;
        (all > 0.0).then(|| (self.surveyed.matched.value() / all).min(1.0))
    }

    /// Text that must be typed besides what the guards ask for.
    pub(super) fn agree(&self) -> Option<String> {
        let much = self.everything || self.share().is_some_and(|share| share > MUCH);
        let few = self.surveyed.matched.bounds().1.is_some_and(|most| most < 100.0);
        (much && (self.everything || !few)).then(|| self.shown.clone())
    }

    /// Most keys that may match when it is applied.
    pub(super) fn limit(&self) -> u64 {
        let most = self.surveyed.matched.bounds().1.unwrap_or(self.surveyed.database_keys);
        (most + (most * 0.05).max(100.0)).ceil() as u64
    }

    /// Memory that all of them take, as far as can be told, in bytes.
    pub(super) fn bytes(&self) -> f64 {
        let seen = f64::from(self.surveyed.looked_at);
        if seen > 0.0 { self.surveyed.bytes / seen * self.surveyed.matched.value().max(seen) } else { 0.0 }
    }

    /// Keys that are loaded again within 10 s, by second: the likeliest number and its bounds.
    pub(super) fn extra_loads(&self) -> Option<(f64, f64, f64)> {
        let loads = self.surveyed.loads?;
        let spread = self.loads_over_s();
        Some((loads.value / spread, loads.low / spread, loads.high / spread))
    }

    /// Seconds over which those are spread.
    pub(super) fn loads_over_s(&self) -> f64 {
        self.spec.soft_s.map_or(10.0, |s| s.max(10.0))
    }

    /// Time that it takes at the pace, in seconds: a key is read, stored and removed, and what remains is looked at once more. Of epochs,
    /// which take one command each, it is not reckoned.
    pub(super) fn time_s(&self) -> Option<f64> {
        if !self.epochs.is_empty() {
            return None;
        }
        let pace = if self.spec.paced { 2.0 } else { 1.0 };
        Some(self.surveyed.matched.value() * self.surveyed.key_s * 2.0 * pace)
    }

    /// Which keys are meant.
    pub(super) async fn meant(&self, at: At<'_>, book: &Book) -> Result<Meant, ApiError> {
        if let Some(InvalidationBy::Template { pattern, .. }) = &self.by {
            // As it was previewed, whatever the environment's templates are by now.
            return Meant::of(&InvalidationOf::Pattern(CacheBytes::new(pattern.as_bytes())));
        }
        let InvalidationOf::Keys(_) = &self.spec.of else { return Meant::of(&self.spec.of) };
        let key = at.engine.file_key(&self.token, book.key.as_ref()).await?;
        let path = Files::of(&at.engine.core.data_dir, &self.token).names();
        let names = tokio::task::spawn_blocking(move || read_names(&path, &key))
            .await
            .map_err(|_| ApiError::internal("Reading a list of keys ended unexpectedly"))??;
        Ok(Meant::Keys(names))
    }
}

/// What was asked for: a specification as JSON, else a pattern.
fn asked(object: &str) -> InvalidationSpec {
    let spec = object.starts_with('{').then(|| serde_json::from_str(object).ok()).flatten();
    spec.unwrap_or_else(|| InvalidationSpec {
        of: InvalidationOf::Pattern(CacheBytes::new(object.as_bytes())),
        soft_s: None,
        oversized: false,
        without_undo: false,
        paced: true,
    })
}

/// Looks at the keys that are meant. Nothing is altered.
pub(super) async fn made(at: At<'_>, object: &str) -> Result<Plan, ApiError> {
    let mut spec = asked(object);
    if spec.soft_s.is_some_and(|s| !(1.0..=86_400.0).contains(&s)) {
        return Err(ApiError::bad_request("Keys can be let expire within 1 s to 24 h").hint("30 s is usual"));
    }
    let token = uuid::Uuid::now_v7().simple().to_string();
    let (_, door) = at.engine.cache_of(&at.environment.id).await?;
    let mut undo = match at.engine.core.vault.status().store {
        _ if spec.without_undo => UndoKept::Not,
        VaultKind::Session => UndoKept::ThisRun,
        VaultKind::Keychain | VaultKind::File => UndoKept::File,
    };
    let Named { shown, what, by, mut notes } = named(at, &spec.of, &door).await?;
    if undo != UndoKept::Not {
        undo = match (&what, &door) {
            (What::Epochs(_), _) => UndoKept::Epoch,
            (_, CacheDoor::Memory(_)) => UndoKept::Memory,
            _ => undo,
        };
    }
    if let (UndoKept::File, Some(why)) = (undo, at.engine.core.vault.why_locked()) {
        let step = why.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        notes.push(format!("{}, so that nothing can be kept or removed yet{step}", why.message));
    }
    if matches!(what, What::Epochs(_)) && spec.soft_s.is_some() {
        return Err(ApiError::bad_request(
            "An epoch changes at once: what was filled under it cannot be let expire at random",
        )
        .hint("Leave --soft out, or give a template or a pattern"));
    }
    let (surveyed, seen) = match (&door, &what) {
        (CacheDoor::Memory(cache), What::Keys(meant)) => survey_memory(cache, meant),
        (CacheDoor::Server { target, password }, What::Keys(meant)) => {
            survey(target, password.as_ref(), meant, LOOK).await?
        }
        (door, What::Epochs(epochs)) => {
            let Some(tag) = tag_of(&spec.of) else { return Err(ApiError::internal("Epochs are of a tag")) };
            match door {
                CacheDoor::Memory(cache) => survey_epochs_in_memory(cache, &tag, epochs),
                CacheDoor::Server { target, password } => {
                    survey_epochs(target, password.as_ref(), &tag, epochs, LOOK).await?
                }
            }
        }
    };
    at.engine.cache.take.show(&token, seen);
    let made_ms = at.engine.core.clock.now_ms();
    if let What::Keys(Meant::Keys(names)) = &what {
        // Names are kept in no store.
        spec.of = InvalidationOf::Keys(Vec::new());
        let (key, source) = at.engine.make_key(&token).await?;
        list(at, &token, made_ms, source, key, names.clone()).await?;
    } else {
        Files::of(&at.engine.core.data_dir, &token).write(&Book { made_ms, ..Book::default() })?;
    }
    let (everything, epochs) = match what {
        What::Keys(meant) => (meant.is_everything(), Vec::new()),
        What::Epochs(epochs) => (false, epochs),
    };
    let plan = Plan { token, shown, everything, spec, surveyed, undo, made_ms, by, epochs, notes };
    if plan.undo == UndoKept::File && plan.bytes() > CAP as f64 {
        let text = format!(
            "The snapshot would be about {}, over its cap of {}",
            perfdeck_words::bytes(plan.bytes()),
            perfdeck_words::bytes(CAP as f64)
        );
        return Err(ApiError::bad_request(text)
            .hint("Invalidate a part at a time, let keys expire instead, or do it without undo"));
    }
    Ok(plan)
}

async fn list(
    at: At<'_>,
    token: &str,
    made_ms: f64,
    source: SecretSource,
    key: perfdeck_cache::take::FileKey,
    names: Vec<Vec<u8>>,
) -> Result<(), ApiError> {
    let files = Files::of(&at.engine.core.data_dir, token);
    files.write(&Book { key: Some(source), made_ms, ..Book::default() })?;
    tokio::task::spawn_blocking(move || write_names(&files.names(), &key, &names))
        .await
        .map_err(|_| ApiError::internal("Writing a list of keys ended unexpectedly"))?
}
