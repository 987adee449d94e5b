//! Invalidation in caches of our own library ([`crate::aside`]): the epoch of a user or a tag gets another value, so that no entry is served
//! that was filled under the one before, and gets it back when that is undone.
//!
//! Whether a cache is of the library is not guessed by how keys look: each process of it marks its name (`NAME:@aside`), and what does not
//! stand there word for word is none.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use perfdeck_model::{ApiError, CacheTarget, InvalidationOf, Sensitive};
use redis::Value;
use serde::{Deserialize, Serialize};

use super::loads::watch;
use super::matches::matches;
use super::names::Meant;
use super::nodes::{Call, Nodes};
use super::scripts::SWAP;
use super::survey::{Has, Seen, Surveyed, database_keys, needs, readers, text};
use super::tally::{AT_ONCE, Tally, facts};
use crate::MemoryCache;
use crate::aside::{EPOCHS, Envelope, MARK, MARKED, Swapped, Tag, checked, fresh, marker, number, written};
use crate::connect::Purpose;
use crate::values::escaped;

/// Entries that are looked into for their epochs: reading one counts as a use of it where the server has no `CLIENT NO-TOUCH`.
const LOOKED_INTO: usize = 2_000;
/// Bytes of an entry that are read for them.
const HEAD: &[u8] = b"1023";

/// An epoch that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Name of its cache.
    pub cache: String,
    /// Its key.
    pub key: String,
    /// Its value.
    pub old: String,
    /// The value that it gets, which was never there.
    pub new: String,
}

/// What is known of caches of the library on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Library {
    /// Names of the caches.
    pub caches: Vec<String>,
    /// Epochs that the tag has in them. In a cache where it has none there is nothing to invalidate.
    pub epochs: Vec<Epoch>,
    /// Whether all keys were looked through for marks; a cache that was not found may be there otherwise.
    pub whole: bool,
}

/// What became of epochs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Those that have the value that they were to get.
    pub done: u32,
    /// Those that somebody else changed meanwhile, which were left.
    pub others: u32,
    /// Those that are gone: nothing that was filled under them is served.
    pub gone: u32,
}

impl Moved {
    fn add(&mut self, swapped: Swapped) {
        *(match swapped {
            Swapped::Done | Swapped::Already => &mut self.done,
            Swapped::Other => &mut self.others,
            Swapped::Gone => &mut self.gone,
        }) += 1;
    }
}

fn epoch(cache: &str, tag: &Tag, now: u128) -> Epoch {
    Epoch { cache: cache.to_owned(), key: tag.epoch_key(cache), old: written(now), new: written(fresh()) }
}

/// Finds the caches of the library on a server, and the epochs of a tag in them. Marks are looked for in all keys, for `limit` at most, and
/// by the names of connections.
///
/// # Errors
/// When a server cannot be asked.
pub async fn library(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    tag: &Tag,
    limit: Duration,
) -> Result<Library, ApiError> {
    let started = Instant::now();
    let mut nodes = Nodes::find(target, password, Purpose::Scan).await?;
    let mut names: BTreeSet<String> = connected(&mut nodes).await.into_iter().collect();
    let pattern = [b"*", escaped(MARKED.as_bytes()).as_slice()].concat();
    let mut walk = matches(&nodes, &Meant::Pattern(pattern));
    let mut whole = false;
    while started.elapsed() < limit {
        let Some(page) = walk.next(&mut nodes).await? else {
            whole = true;
            break;
        };
        names.extend(page.keys.iter().filter_map(|key| {
            let name = std::str::from_utf8(key).ok()?.strip_suffix(MARKED)?;
            checked("cache", name).ok().map(|()| name.to_owned())
        }));
    }
    let names: Vec<String> = names.into_iter().collect();
    let get = |key: String| Call::words(key.as_bytes(), &[b"GET", key.as_bytes()]);
    let calls: Vec<Call> = names.iter().flat_map(|name| [get(marker(name)), get(tag.epoch_key(name))]).collect();
    let answers = nodes.send_steadily(&calls).await;
    let mut found = Library { whole, ..Library::default() };
    for (name, two) in names.into_iter().zip(answers.chunks(2)) {
        if let Some(Err(refused)) = two.iter().find(|a| a.as_ref().is_err_and(|r| r.code != "WRONGTYPE")) {
            return Err(needs(refused, nodes.target()));
        }
        let [Ok(Value::BulkString(mark)), now] = two else { continue };
        if mark != MARK.as_bytes() {
            continue;
        }
        if let Ok(Value::BulkString(now)) = now
            && let Some(now) = number(now)
        {
            found.epochs.push(epoch(&name, tag, now));
        }
        found.caches.push(name);
    }
    Ok(found)
}

/// Names of caches by their connections, which the library names; none where they may not be seen. Only what marks say counts.
async fn connected(nodes: &mut Nodes) -> Vec<String> {
    let mut names = Vec::new();
    for group in readers(nodes).await.unwrap_or_default() {
        if let Some(name) = group.name.strip_prefix("aside:")
            && checked("cache", name).is_ok()
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// As [`library`], of the cache of this process.
pub async fn library_in_memory(cache: &MemoryCache, tag: &Tag) -> Library {
    let mut found = Library { caches: cache.asides(), epochs: Vec::new(), whole: true };
    for name in &found.caches {
        if let Some(now) = cache.epoch_of(&tag.epoch_key(name)).await {
            found.epochs.push(epoch(name, tag, now));
        }
    }
    found
}

/// Whether an entry was filled under one of these epochs of a tag.
fn is_under(entry: &[u8], tag: &Tag, epochs: &[u128]) -> bool {
    Envelope::tags_of(entry)
        .is_some_and(|tags| tags.iter().any(|(of, epoch)| *of == tag.text() && epochs.contains(epoch)))
}

fn values(epochs: &[Epoch]) -> Vec<u128> {
    epochs.iter().filter_map(|epoch| number(epoch.old.as_bytes())).collect()
}

/// Looks at the entries that were filled under these epochs, for `limit` at most. Of many entries 2,000 are looked into.
///
/// # Errors
/// When a server cannot be asked, or does not let this user look.
pub async fn survey_epochs(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    tag: &Tag,
    epochs: &[Epoch],
    limit: Duration,
) -> Result<(Surveyed, Seen), ApiError> {
    let started = Instant::now();
    let mut nodes = Nodes::find(target, password, Purpose::Scan).await?;
    let has = Has::ask(&mut nodes).await?;
    let mut tally = Tally::of(database_keys(&mut nodes).await?);
    tally.finished = true;
    let under = values(epochs);
    let (mut there, mut into) = (0_usize, 0_usize);
    let most = LOOKED_INTO / epochs.len().max(1);
    for (done, epoch) in epochs.iter().enumerate() {
        let pattern = [escaped(epoch.cache.as_bytes()), b":*".to_vec()].concat();
        let own = format!("{}:@", epoch.cache);
        let mut walk = matches(&nodes, &Meant::Pattern(pattern));
        let mut looked = 0;
        loop {
            if started.elapsed() >= limit {
                tally.finished = false;
                break;
            }
            let Some(page) = walk.next(&mut nodes).await? else { break };
            tally.through = (done as f64 + page.through) / epochs.len() as f64;
            let keys: Vec<Vec<u8>> = page.keys.into_iter().filter(|key| !key.starts_with(own.as_bytes())).collect();
            there += keys.len();
            for some in keys[..keys.len().min(most - looked)].chunks(AT_ONCE) {
                looked += some.len();
                into += look_into(&mut nodes, has, &mut tally, some, (tag, &under)).await?;
            }
        }
    }
    tally.random = !nodes.is_cluster();
    tally.among = Some((into as f64, there as f64));
    let readers = readers(&mut nodes).await;
    let loads = watch(&mut nodes, has, &tally).await;
    Ok(tally.told(has, readers, loads))
}

/// Looks into entries, how they were used first; answers how many were looked into.
async fn look_into(
    nodes: &mut Nodes,
    has: Has,
    tally: &mut Tally,
    keys: &[Vec<u8>],
    (tag, under): (&Tag, &[u128]),
) -> Result<usize, ApiError> {
    let facts = facts(nodes, has, keys).await?;
    let calls: Vec<Call> = keys.iter().map(|key| Call::words(key, &[b"GETRANGE", key, b"0", HEAD])).collect();
    let answers = nodes.send_steadily(&calls).await;
    for ((key, fact), answer) in keys.iter().zip(facts).zip(answers) {
        match (fact, answer) {
            (Some(fact), Ok(Value::BulkString(head))) if is_under(&head, tag, under) => {
                tally.matched += 1;
                tally.note(key, &fact, has);
            }
            (_, Err(refused)) if refused.code != "WRONGTYPE" => return Err(needs(&refused, nodes.target())),
            _ => {}
        }
    }
    Ok(keys.len())
}

/// As [`survey_epochs`], of the cache of this process.
pub fn survey_epochs_in_memory(cache: &MemoryCache, tag: &Tag, epochs: &[Epoch]) -> (Surveyed, Seen) {
    let under = values(epochs);
    super::kept::surveyed(cache, cache.entries().filter(|(_, stored)| is_under(&stored.value, tag, &under)).collect())
}

/// Gives epochs their new values, or `back` the old ones: each only where nobody else changed it.
///
/// # Errors
/// When a server cannot be asked: what was changed until then stays, and the next attempt gets on with it.
pub async fn moved(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    epochs: &[Epoch],
    back: bool,
) -> Result<Moved, ApiError> {
    let mut nodes = Nodes::find(target, password, Purpose::Change).await?;
    let life = EPOCHS.as_millis().to_string();
    let calls: Vec<Call> = epochs
        .iter()
        .map(|epoch| {
            let (from, to) = if back { (&epoch.new, &epoch.old) } else { (&epoch.old, &epoch.new) };
            let arguments = [from, to, &life].map(|text| text.clone().into_bytes()).to_vec();
            Call::script(epoch.key.as_bytes(), &SWAP, arguments)
        })
        .collect();
    let mut all = Moved::default();
    for answer in nodes.send_steadily(&calls).await {
        all.add(match answer {
            Ok(Value::Int(1)) => Swapped::Done,
            Ok(Value::Int(3)) => Swapped::Already,
            Ok(Value::Int(0)) => Swapped::Gone,
            Ok(_) => Swapped::Other,
            Err(refused) => return Err(needs(&refused, nodes.target())),
        });
    }
    Ok(all)
}

/// As [`moved`], in the cache of this process.
pub async fn moved_in_memory(cache: &MemoryCache, epochs: &[Epoch], back: bool) -> Moved {
    let mut all = Moved::default();
    for epoch in epochs {
        let (Some(old), Some(new)) = (number(epoch.old.as_bytes()), number(epoch.new.as_bytes())) else { continue };
        let (from, to) = if back { (new, old) } else { (old, new) };
        all.add(cache.swap(&epoch.key, from, to).await);
    }
    all
}

/// How epochs stand: `done` have their new values, `others` those that were neither there nor are to be; the rest have their old ones.
///
/// # Errors
/// When a server cannot be asked.
pub async fn stand(target: &CacheTarget, password: Option<&Sensitive>, epochs: &[Epoch]) -> Result<Moved, ApiError> {
    let mut nodes = Nodes::find(target, password, Purpose::Keys).await?;
    let calls: Vec<Call> = epochs.iter().map(|e| Call::words(e.key.as_bytes(), &[b"GET", e.key.as_bytes()])).collect();
    let mut all = Moved::default();
    for (epoch, answer) in epochs.iter().zip(nodes.send_steadily(&calls).await) {
        match answer {
            Ok(value) => all.see(epoch, text(value).as_deref()),
            Err(refused) => return Err(needs(&refused, nodes.target())),
        }
    }
    Ok(all)
}

/// As [`stand`], of the cache of this process.
pub async fn stand_in_memory(cache: &MemoryCache, epochs: &[Epoch]) -> Moved {
    let mut all = Moved::default();
    for epoch in epochs {
        let now = cache.epoch_of(&epoch.key).await.map(written);
        all.see(epoch, now.as_deref());
    }
    all
}

impl Moved {
    fn see(&mut self, epoch: &Epoch, now: Option<&str>) {
        match now {
            None => self.gone += 1,
            Some(now) if now == epoch.new => self.done += 1,
            Some(now) if now == epoch.old => {}
            Some(_) => self.others += 1,
        }
    }
}

/// The tag that a user or a tag is asked for by; `None` for what names keys.
pub fn tag_of(of: &InvalidationOf) -> Option<Tag> {
    match of {
        InvalidationOf::User(user) => Some(Tag::user(user)),
        InvalidationOf::Tag(tag) => Some(Tag::named(tag)),
        _ => None,
    }
}
