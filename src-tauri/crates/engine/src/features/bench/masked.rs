//! Masked documents of runs: they have no text that may be a secret, and still tell different requests apart.
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use perfdeck_model::masking::{self, Masker};
use perfdeck_model::{ErrorCount, Run, RunSpec};

use crate::Engine;
use crate::core::vault::write_atomically;
use crate::features::bench::work::Work;

/// The key of [`Engine::masked_tag`], made anew for each store.
const KEY_FILE: &str = "masking.key";

/// Masks what messages of a run repeat: `harmless` knows what of them stays. Notes and reasons repeat messages too.
pub(crate) fn mask_messages(run: &mut Run, harmless: &dyn Fn(&str) -> String) {
    let classes = run.errors_by_class.iter_mut().chain(run.steps.iter_mut().flat_map(|s| &mut s.errors_by_class));
    let samples = classes.map(|ErrorCount { sample, .. }| sample);
    let reasons = run.stages.iter_mut().filter_map(|stage| stage.invalid_reason.as_mut());
    for text in samples.chain(&mut run.notes).chain(&mut run.invalid_reasons).chain(reasons) {
        *text = harmless(text);
    }
}

/// A request as another engine names it, such as `GET http://host/path?query`.
fn request(text: &str) -> String {
    let word = |word: &str| {
        if word.contains("://") || word.starts_with('/') { Masker::Literal.url(word) } else { masking::title(word) }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Masks a run that another engine measured: names of its steps are addresses as often as not.
pub(crate) fn mask_imported(run: &mut Run) {
    run.name = masking::title(&run.name);
    for step in &mut run.steps {
        step.name = request(&step.name);
        step.request = request(&step.request);
    }
    match &mut run.spec {
        RunSpec::Http(http) => http.url = Masker::Literal.url(&http.url),
        RunSpec::Plan(plan) => {
            plan.request = request(&plan.request);
            plan.base_url = plan.base_url.as_deref().map(|url| Masker::Literal.url(url));
        }
    }
    mask_messages(run, &|text| masking::message(text, &|_| false));
}

/// The key of a store's tags; made when there is none.
fn key(dir: &Path) -> Option<Vec<u8>> {
    let path = dir.join(KEY_FILE);
    if let Ok(key) = std::fs::read(&path)
        && key.len() == 32
    {
        return Some(key);
    }
    let key: [u8; 32] = rand::random();
    write_atomically(&path, &key).ok()?;
    // Another process may have made one meanwhile; all use the one that stayed.
    std::fs::read(&path).ok()
}

/// Four hexadecimal digits of a keyed hash that is slow on purpose: it tells two requests apart, and leaves 65,536 times too
/// many candidates to whoever guesses at what it was made of.
fn tag(key: &[u8], text: &str) -> Option<String> {
    let params = Params::new(1024, 1, 1, Some(4)).ok()?;
    let mut out = [0u8; 4];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(text.as_bytes(), key, &mut out).ok()?;
    Some(format!("{:02x}{:02x}", out[0], out[1]))
}

impl Engine {
    /// Tells runs apart whose masked parts differ; empty where nothing of the work is masked.
    pub(crate) async fn masked_tag(&self, work: &Work) -> String {
        let masked = work.spec().ok().and_then(|spec| serde_json::to_string(&spec).ok());
        if !masked.is_some_and(|text| masking::has_mask(&text)) {
            return String::new();
        }
        let (dir, whole) = (self.core.data_dir.clone(), work.whole());
        let made = tokio::task::spawn_blocking(move || tag(&key(&dir)?, &whole)).await;
        made.ok().flatten().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_requests_apart_in_one_store_and_nothing_in_another() {
        let (a, b) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        let of = |dir: &Path, text: &str| tag(&key(dir).expect("a key"), text).expect("a tag");
        assert_eq!(of(a.path(), "x"), of(a.path(), "x"), "the same request has the same tag");
        assert_ne!(of(a.path(), "password=1"), of(a.path(), "password=2"), "another one has another");
        assert_ne!(of(a.path(), "password=1"), of(b.path(), "password=1"), "in another store it means nothing");
        assert_eq!(of(a.path(), "x").len(), 4, "it is short, so that it does not identify a guess");
    }

    #[test]
    fn names_of_imported_requests_lose_their_secrets() {
        assert_eq!(request("GET http://h/a?token=SECRET"), "GET http://h/a?token=•••");
        assert_eq!(request("/a?key=SECRET&page=2"), "/a?key=•••&page=2");
        assert_eq!(request("log in"), "log in");
    }
}
