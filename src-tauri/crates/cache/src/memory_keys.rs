//! Keys of the in-process cache as a person looks at them, and edits of it. It has strings alone, and does not tell how much of an
//! entry's time is left.
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::ops::compute::{CompResult, Op};
use perfdeck_model::{
    ApiError, CacheBytes, CacheKey, CacheTtl, EditState, ErrorCode, KeyEdit, KeyPage, KeyRow, KeySearch, KeyUse,
    TtlFilter, ValueAt, ValuePage, ValuePart,
};
use serde::{Deserialize, Serialize};

use crate::MemoryCache;
use crate::edits::changed;
use crate::values::{self, UNASKED, gone, now_ms};

/// Keys of one page.
const PAGE: usize = 500;
/// Bytes that an entry takes beside its key and value.
const ENTRY: usize = 64;

/// An edit of a key of the in-process cache, as it is planned. It holds names and values.
#[derive(Clone, Serialize, Deserialize)]
pub struct MemoryEdit {
    key: String,
    value: CacheBytes,
    /// Time to live that it had, in milliseconds.
    ttl_ms: Option<f64>,
    /// Time to live that it gets; nothing where it is removed.
    to: Option<Option<f64>>,
}

fn ms(ttl: Option<Duration>) -> Option<f64> {
    ttl.map(|t| t.as_secs_f64() * 1e3)
}

fn duration(ms: Option<f64>) -> Option<Duration> {
    ms.map(|ms| Duration::from_secs_f64(ms / 1e3))
}

impl MemoryEdit {
    /// Name of the key.
    pub fn key(&self) -> CacheBytes {
        CacheBytes::Text(self.key.clone())
    }

    /// The edited object, without its name.
    pub fn object(&self) -> String {
        format!("{} {}", crate::edits::veiled(self.key.as_bytes()), self.part())
    }

    /// What is edited, in a word.
    pub fn part(&self) -> &'static str {
        if self.to.is_some() { "expiry" } else { "key" }
    }

    /// Title in one line, without its name.
    pub fn title(&self) -> String {
        let veiled = crate::edits::veiled(self.key.as_bytes());
        match self.to {
            Some(None) => format!("Let the key never expire: `{veiled}`"),
            Some(_) => format!("Set the expiry of the key `{veiled}`"),
            None => format!("Remove the key `{veiled}`"),
        }
    }

    /// What is done, without its name.
    pub fn statement(&self) -> String {
        format!("in process: {}", self.title().replace('`', ""))
    }
}

impl MemoryCache {
    async fn peek(&self, key: &str) -> Option<(Arc<[u8]>, Option<Duration>)> {
        self.cache.get(key).await.map(|(value, ttl, _)| (value, ttl))
    }

    /// A page of its keys by name, whose pattern is like a server's.
    ///
    /// # Errors
    /// For a mark of another search.
    pub fn keys_page(&self, search: &KeySearch, after: Option<&str>) -> Result<KeyPage, ApiError> {
        let pattern = search.pattern.as_ref().map(CacheBytes::bytes).transpose()?;
        let from: usize = match after {
            Some(mark) => mark.parse().map_err(|_| ApiError::bad_request("This mark belongs to no page"))?,
            None => 0,
        };
        let search = &values::understood(search)?;
        let mut all: Vec<KeyRow> = Vec::new();
        let mut keys = 0.0;
        for (key, (value, ttl, _)) in &self.cache {
            keys += 1.0;
            let bytes = (key.len() + value.len() + ENTRY) as f64;
            let by_ttl = match search.ttl {
                None => true,
                Some(TtlFilter::Never) => ttl.is_none(),
                Some(TtlFilter::Within(_)) => ttl.is_some(),
            };
            let fits = by_ttl
                && search.kind.as_ref().is_none_or(|kind| kind == "string")
                && search.min_bytes.is_none_or(|n| bytes >= n)
                && search.max_bytes.is_none_or(|n| bytes <= n)
                && pattern.as_ref().is_none_or(|p| values::matches(p, key.as_bytes()));
            if fits {
                let ttl = if ttl.is_some() { CacheTtl::Unknown } else { CacheTtl::Never };
                let name = CacheBytes::Text((*key).clone());
                all.push(KeyRow { name, kind: Some("string".to_owned()), ttl, bytes: Some(bytes) });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let end = from.saturating_add(PAGE);
        let next = (end < all.len()).then(|| end.to_string());
        let progress = Some(if all.is_empty() { 1.0 } else { (end as f64 / all.len() as f64).min(1.0) });
        let rows = all.into_iter().skip(from).take(PAGE).collect();
        Ok(KeyPage { rows, next, progress, database_keys: keys, missing: Vec::new() })
    }

    /// One key without its value.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] for a key that is not there.
    pub async fn key(&self, name: &[u8]) -> Result<CacheKey, ApiError> {
        let key = std::str::from_utf8(name).map_err(|_| gone())?;
        let (value, ttl) = self.peek(key).await.ok_or_else(gone)?;
        Ok(CacheKey {
            name: CacheBytes::new(name),
            kind: "string".to_owned(),
            encoding: None,
            ttl: if ttl.is_some() { CacheTtl::Unknown } else { CacheTtl::Never },
            expires_at_ms: None,
            bytes: Some((name.len() + value.len() + ENTRY) as f64),
            length: Some(value.len() as f64),
            used: KeyUse::Unknown,
            node: "in process".to_owned(),
            read_ms: now_ms(),
        })
    }

    /// A page of a key's value.
    ///
    /// # Errors
    /// As [`MemoryCache::key`]; for a place that a string does not have.
    pub async fn value(&self, name: &[u8], at: Option<&ValueAt>, most: Option<u32>) -> Result<ValuePage, ApiError> {
        let key = std::str::from_utf8(name).map_err(|_| gone())?;
        let (value, _) = self.peek(key).await.ok_or_else(gone)?;
        let unfit = || ApiError::bad_request("A string has bytes alone");
        let from = match at {
            None => 0,
            Some(ValueAt::Bytes(n)) => *n as usize,
            Some(ValueAt::Next(mark)) => mark.strip_prefix("i:").and_then(|n| n.parse().ok()).ok_or_else(unfit)?,
            Some(_) => return Err(unfit()),
        };
        let from = from.min(value.len());
        let end = from.saturating_add(most.unwrap_or(UNASKED) as usize).min(value.len());
        let part = &value[from..end];
        let all = part.len() == value.len();
        let bytes = perfdeck_model::ValueBytes {
            bytes: CacheBytes::new(part),
            length: value.len() as f64,
            reads_as: values::reads_as(part, !all).to_owned(),
        };
        let decoded = if all { values::decoded(part) } else { None };
        let part = ValuePart::String { from: from as f64, value: bytes, decoded };
        let next = (end < value.len()).then(|| format!("i:{end}"));
        Ok(ValuePage { kind: "string".to_owned(), part, next, read_ms: now_ms() })
    }

    /// Plans an edit: an expiry, or removing a key.
    ///
    /// # Errors
    /// As [`MemoryCache::key`]; [`ErrorCode::Unsupported`] for any other edit.
    pub async fn plan_edit(&self, name: &[u8], edit: &KeyEdit) -> Result<MemoryEdit, ApiError> {
        let key = std::str::from_utf8(name).map_err(|_| gone())?;
        let (value, ttl) = self.peek(key).await.ok_or_else(gone)?;
        let to = match edit {
            KeyEdit::Delete => None,
            KeyEdit::Expire { in_ms: Some(ms) } if !ms.is_finite() || *ms < 1.0 => {
                return Err(ApiError::bad_request("A time of 0 would remove the key at once")
                    .hint("Remove it, which can be undone, or let it never expire"));
            }
            KeyEdit::Expire { in_ms: None } if ttl.is_none() => {
                return Err(ApiError::bad_request("Nothing would change: it never expires"));
            }
            KeyEdit::Expire { in_ms } => Some(*in_ms),
            _ => {
                return Err(ApiError::new(
                    ErrorCode::Unsupported,
                    "Of the cache in this process keys can be removed and their expiry changed; the application writes its values",
                ));
            }
        };
        Ok(MemoryEdit { key: key.to_owned(), value: CacheBytes::new(&value), ttl_ms: ms(ttl), to })
    }

    /// What is there of an edit.
    ///
    /// # Errors
    /// When the edit cannot be read.
    pub async fn look_at_edit(&self, edit: &MemoryEdit) -> Result<EditState, ApiError> {
        let value = edit.value.bytes()?;
        Ok(match (self.peek(&edit.key).await, edit.to) {
            (None, None) => EditState::AsWritten,
            (Some((there, ttl)), to) if *there == *value => {
                let ttl = ms(ttl);
                if ttl == edit.ttl_ms {
                    EditState::AsOpened
                } else if to == Some(ttl) {
                    EditState::AsWritten
                } else {
                    EditState::Changed
                }
            }
            _ => EditState::Changed,
        })
    }

    /// Writes an edit, or takes it back, if what it expects is there.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when something else is there: nothing is written then.
    pub async fn write_edit(&self, edit: &MemoryEdit, back: bool) -> Result<(), ApiError> {
        let value = edit.value.bytes()?;
        let (from, to) = if back { (edit.to, Some(edit.ttl_ms)) } else { (Some(edit.ttl_ms), edit.to) };
        let outcome = self
            .cache
            .entry_by_ref(edit.key.as_str())
            .and_compute_with(|there| {
                let there = there.map(moka::Entry::into_value);
                let as_expected = match (&there, from) {
                    (None, None) => true,
                    (Some((bytes, ttl, _)), Some(expected)) => **bytes == *value && ms(*ttl) == expected,
                    _ => false,
                };
                // What is being loaded for it is not stored over what a person wrote.
                if as_expected {
                    self.leases.revoke(&edit.key);
                }
                ready(match to {
                    _ if !as_expected => Op::Nop,
                    None => Op::Remove,
                    Some(ttl) => Op::Put((Arc::from(value.clone()), duration(ttl), Instant::now())),
                })
            })
            .await;
        match outcome {
            CompResult::Inserted(_) | CompResult::ReplacedWith(_) | CompResult::Removed(_) => {
                self.written(&edit.key);
                Ok(())
            }
            _ => Err(changed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_are_listed_shown_and_edited_as_far_as_there_are_some() {
        let cache = MemoryCache::new(1 << 20);
        for i in 0..600 {
            cache.set(&format!("user:{i}"), vec![b'1'; 10], (i % 2 == 0).then(|| Duration::from_secs(60))).await;
        }
        let search = KeySearch { pattern: Some(CacheBytes::new(b"user:*")), ..KeySearch::default() };
        let first = cache.keys_page(&search, None).expect("a page");
        let second = cache.keys_page(&search, first.next.as_deref()).expect("the next");
        assert_eq!((first.rows.len(), second.rows.len(), second.next), (500, 100, None), "page by page");
        let never = KeySearch { ttl: Some(TtlFilter::Never), ..search };
        assert_eq!(cache.keys_page(&never, None).expect("a page").rows.len(), 300, "by expiry");

        let edit = cache.plan_edit(b"user:1", &KeyEdit::Delete).await.expect("planned");
        cache.write_edit(&edit, false).await.expect("removed");
        assert_eq!(cache.key(b"user:1").await.expect_err("gone").code, ErrorCode::NotFound);
        assert_eq!(cache.look_at_edit(&edit).await.expect("looked"), EditState::AsWritten);
        cache.write_edit(&edit, true).await.expect("undone");
        assert_eq!(cache.key(b"user:1").await.expect("back").ttl, CacheTtl::Never, "with its expiry");
        let edit = cache.plan_edit(b"user:1", &KeyEdit::Expire { in_ms: Some(5e4) }).await.expect("planned");
        cache.set("user:1", *b"theirs", None).await;
        assert_eq!(cache.write_edit(&edit, false).await.expect_err("changed").code, ErrorCode::Conflict);
        assert_eq!(cache.look_at_edit(&edit).await.expect("looked"), EditState::Changed);
        let set = KeyEdit::Set { value: CacheBytes::new(b"x"), seen: None };
        assert_eq!(cache.plan_edit(b"user:1", &set).await.err().map(|e| e.code), Some(ErrorCode::Unsupported));
    }
}
