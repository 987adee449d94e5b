//! What is meant by a user, a tag or a template: the epochs of a cache of our own library, else a pattern of the environment's.
use std::time::Duration;

use perfdeck_cache::take::{Epoch, Library, Meant, library, library_in_memory, tag_of};
use perfdeck_model::{ApiError, CacheBytes, InvalidationBy, InvalidationOf};

use crate::core::cache_templates;
use crate::core::changes::At;
use crate::features::cache::door::CacheDoor;

/// Longest time to look for caches of the library.
const LOOK: Duration = Duration::from_secs(4);

/// What is meant, with the environment known.
pub(super) struct Named {
    /// What a person calls it.
    pub(super) shown: String,
    pub(super) what: What,
    pub(super) by: Option<InvalidationBy>,
    /// What else was possible, and what is not known.
    pub(super) notes: Vec<String>,
}

pub(super) enum What {
    Keys(Meant),
    Epochs(Vec<Epoch>),
}

/// Understands which keys are meant.
///
/// # Errors
/// When a user, a tag or a template means nothing here; when a server cannot be asked.
pub(super) async fn named(at: At<'_>, of: &InvalidationOf, door: &CacheDoor) -> Result<Named, ApiError> {
    let templates = &at.environment.targets.cache_templates;
    let by_template = |name: &str, value: &str| -> Result<Named, ApiError> {
        let pattern = cache_templates::filled(templates, name, value)?;
        let meant = Meant::of(&InvalidationOf::Pattern(CacheBytes::new(pattern.as_bytes())))?;
        let by = Some(InvalidationBy::Template { name: name.to_owned(), pattern: pattern.clone() });
        Ok(Named { shown: pattern, what: What::Keys(meant), by, notes: Vec::new() })
    };
    let (word, value) = match of {
        InvalidationOf::Template(of) => return by_template(&of.name, &of.value),
        InvalidationOf::User(user) => ("user", user),
        InvalidationOf::Tag(tag) => ("tag", tag),
        other => {
            let meant = Meant::of(other)?;
            return Ok(Named { shown: meant.shown(), what: What::Keys(meant), by: None, notes: Vec::new() });
        }
    };
    if value.is_empty() || value.len() > 1_024 {
        return Err(ApiError::bad_request(format!("The {word} is empty, or longer than 1,024 bytes")));
    }
    let Some(tag) = tag_of(of) else { return Err(ApiError::internal("A user is no tag")) };
    let found = match door {
        CacheDoor::Memory(cache) => library_in_memory(cache, &tag).await,
        CacheDoor::Server { target, password } => library(target, password.as_ref(), &tag, LOOK).await?,
    };
    if !found.epochs.is_empty() {
        return Ok(by_epoch(word, value, found, templates.contains_key(word)));
    }
    if !templates.contains_key(word) {
        return Err(nothing(word, &found));
    }
    let mut named = by_template(word, value)?;
    named.notes.push(match found.caches.as_slice() {
        [] if found.whole => {
            format!("By the template '{word}' of the environment: no cache here is of the cache-aside library")
        }
        [] => format!("By the template '{word}' of the environment. {}", not_whole()),
        caches => format!(
            "By the template '{word}' of the environment: {}, of the cache-aside library, {} nothing of this {word}",
            caches.join(", "),
            if caches.len() == 1 { "has" } else { "have" }
        ),
    });
    Ok(named)
}

fn not_whole() -> String {
    "Not all keys could be looked through for caches of the cache-aside library: one that no process is connected for may be there".to_owned()
}

fn by_epoch(word: &str, value: &str, found: Library, template: bool) -> Named {
    let caches: Vec<String> = found.epochs.iter().map(|epoch| epoch.cache.clone()).collect();
    let mut notes = vec![format!(
        "By the epoch of the {word} in {}, of the cache-aside library: nothing is removed, and nothing that was filled before is served any \
         more. What is not asked for again expires by itself",
        caches.join(", ")
    )];
    if template {
        notes.push(format!(
            "The environment has a template '{word}' too, which was not taken: --template {word}=VALUE takes it"
        ));
    }
    if !found.whole {
        notes.push(not_whole());
    }
    let by = Some(InvalidationBy::Epoch { caches });
    Named { shown: format!("{word} {value}"), what: What::Epochs(found.epochs), by, notes }
}

/// Why there is nothing to invalidate.
fn nothing(word: &str, found: &Library) -> ApiError {
    let template =
        format!("Templates of keys in its form, or perfctl env add … --cache-template {word}={word}:{{id}}:*");
    match found.caches.as_slice() {
        [] if found.whole => ApiError::bad_request(format!(
            "No cache here is of the cache-aside library, and the environment has no template '{word}': which keys belong to a {word} is not known"
        ))
        .hint(template),
        [] => ApiError::bad_request(format!("The environment has no template '{word}'. {}", not_whole())).hint(template),
        caches => ApiError::not_found(format!(
            "Nothing that is served belongs to this {word} in {}",
            caches.join(", ")
        ))
        .hint(format!("Check how the application writes it; a cache that is not of the library needs a template: {template}")),
    }
}
