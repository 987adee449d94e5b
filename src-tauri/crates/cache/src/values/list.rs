//! Keys by pattern, page by page. What one page costs is bounded by what the servers look through for it, not by what they find.
use std::collections::HashSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use perfdeck_model::{
    ApiError, CacheBytes, CacheTarget, CacheTtl, HostPort, KeyPage, KeyRow, KeySearch, KeysMissing, Sensitive,
    TtlFilter, TtlRange,
};
use redis::{Cmd, Value};
use serde::{Deserialize, Serialize};

use super::key::ttl;
use super::servers::{Reply, Servers, bytes, elements, is, number, redirect, text};
use crate::connect::Purpose;
use crate::error::one_node;
use crate::info::{fields, one_of_many};

/// Elements that a server looks at for one SCAN: it blocks for less than half a millisecond.
const COUNT: usize = 500;
/// Rows after which a page ends; the last SCAN may give up to [`COUNT`] more.
const ROWS: usize = 500;
/// SCANs of one page.
const SCANS: usize = 200;
/// Time after which a page ends.
const TIME: Duration = Duration::from_millis(800);
/// Longest pattern.
const PATTERN: usize = 4_096;

/// Where a list goes on: for each server that is not through, the cursor as the server wrote it.
#[derive(Serialize, Deserialize)]
struct Mark {
    /// Digest of what is looked for.
    of: String,
    /// Servers at the start.
    all: usize,
    left: Vec<(HostPort, String)>,
}

impl Mark {
    fn read(text: &str, of: &str) -> Result<Self, ApiError> {
        let mark: Option<Self> =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        mark.filter(|mark| mark.of == of).ok_or_else(|| {
            ApiError::bad_request("This mark does not belong to this search").hint("Begin the search again without it")
        })
    }

    fn text(&self) -> Result<String, ApiError> {
        let json = serde_json::to_vec(self).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }
}

fn command(words: &[&[u8]]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// Share of a server's key space before a cursor: servers count it in reverse binary.
fn through(cursor: &str) -> Option<f64> {
    Some(cursor.parse::<u64>().ok()?.reverse_bits() as f64 / 2_f64.powi(64))
}

/// Types that servers have themselves.
const TYPES: [&str; 7] = ["string", "list", "set", "zset", "hash", "stream", "vectorset"];

/// A search with its type as servers write it, who take it in any case and give it in small letters.
///
/// # Errors
/// For what is no type: none of a server's own, and none of a module's, whose names have nine characters.
pub(crate) fn understood(search: &KeySearch) -> Result<KeySearch, ApiError> {
    let Some(kind) = &search.kind else { return Ok(search.clone()) };
    let module = kind.len() == 9 && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let own = TYPES.iter().find(|own| own.eq_ignore_ascii_case(kind)).map(|own| (*own).to_owned());
    let Some(kind) = own.or_else(|| module.then(|| kind.clone())) else {
        let text = format!("'{}' is no type of keys", perfdeck_model::masking::shown(kind));
        return Err(ApiError::bad_request(text)
            .hint(format!("{}, or the nine characters of a module's type, such as ReJSON-RL", TYPES.join(", "))));
    };
    Ok(KeySearch { kind: Some(kind), ..search.clone() })
}

fn wanted(search: &KeySearch, row: &KeyRow) -> bool {
    let by_ttl = match (search.ttl, row.ttl) {
        (None, _) | (Some(TtlFilter::Never), CacheTtl::Never) => true,
        (Some(TtlFilter::Within(TtlRange { from_ms, to_ms })), CacheTtl::InMs(ms)) => {
            from_ms.is_none_or(|from| ms >= from) && to_ms.is_none_or(|to| ms <= to)
        }
        _ => false,
    };
    let by_size = match row.bytes {
        Some(bytes) => search.min_bytes.is_none_or(|n| bytes >= n) && search.max_bytes.is_none_or(|n| bytes <= n),
        None => search.min_bytes.is_none() && search.max_bytes.is_none(),
    };
    // A server that does not filter by type gives all.
    by_ttl && by_size && search.kind.as_ref().is_none_or(|kind| row.kind.as_ref() == Some(kind))
}

struct Listing<'a, 'b> {
    servers: &'b mut Servers<'a>,
    search: &'b KeySearch,
    rows: Vec<KeyRow>,
    seen: HashSet<Vec<u8>>,
    missing: Vec<KeysMissing>,
}

impl Listing<'_, '_> {
    /// One SCAN, and what its keys are; answers the next cursor.
    async fn scan(&mut self, host: &HostPort, cursor: &str) -> Result<String, ApiError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor);
        if let Some(pattern) = &self.search.pattern {
            scan.arg("MATCH").arg(pattern.bytes()?);
        }
        scan.arg("COUNT").arg(COUNT);
        if let Some(kind) = &self.search.kind {
            scan.arg("TYPE").arg(kind);
        }
        let reply = self.servers.batch(host, std::slice::from_ref(&scan), false).await?.pop();
        let reply = match reply {
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(self.servers.refused(host, &scan, &error)),
            None => return Err(ApiError::internal("The server gave no reply")),
        };
        let [next, names] = elements(&reply) else { return Err(ApiError::internal("SCAN answered something else")) };
        let names: Vec<Vec<u8>> = elements(names)
            .iter()
            .filter_map(bytes)
            .filter(|name| self.seen.insert(name.to_vec()))
            .map(<[u8]>::to_vec)
            .collect();
        for chunk in names.chunks(COUNT) {
            self.describe(host, chunk).await?;
        }
        text(next).ok_or_else(|| ApiError::internal("SCAN gave no cursor"))
    }

    async fn describe(&mut self, host: &HostPort, names: &[Vec<u8>]) -> Result<(), ApiError> {
        let about = |name: &[u8]| {
            [
                command(&[b"TYPE", name]),
                command(&[b"PTTL", name]),
                command(&[b"MEMORY", b"USAGE", name, b"SAMPLES", b"5"]),
            ]
        };
        let commands: Vec<Cmd> = names.iter().flat_map(|name| about(name)).collect();
        let replies = self.servers.batch(host, &commands, false).await?;
        let mut refused: Option<(ApiError, u32)> = None;
        for (name, replies) in names.iter().zip(replies.chunks(3)) {
            let moved = replies
                .iter()
                .any(|r| r.as_ref().err().is_some_and(|e| redirect(e, host).is_some() || is(e, "TRYAGAIN")));
            let again;
            let replies: &[Reply] = if moved {
                // The key is on its way to another server of the cluster.
                again = match self.servers.about(name, &about(name)).await {
                    Ok((_, replies)) => replies,
                    Err(error) => {
                        // One key that cannot be asked about leaves the others.
                        self.note(host, Some(1), error);
                        continue;
                    }
                };
                &again
            } else {
                replies
            };
            if let Some((n, error)) = replies.iter().enumerate().find_map(|(n, r)| Some((n, r.as_ref().err()?))) {
                let first = || self.servers.refused(host, &about(name)[n], error);
                refused = Some(refused.take().map_or_else(|| (first(), 1), |(e, count)| (e, count + 1)));
            }
            self.rows.extend(row(name, replies).filter(|row| wanted(self.search, row)));
        }
        if let Some((error, keys)) = refused {
            self.note(host, Some(keys), error);
        }
        Ok(())
    }

    /// One line for each server and reason.
    fn note(&mut self, host: &HostPort, keys: Option<u32>, error: ApiError) {
        let node = host.to_string();
        match self.missing.iter_mut().find(|m| m.node == node && m.error.message == error.message) {
            Some(known) => {
                known.keys = known.keys.zip(keys).map(|(a, b)| a + f64::from(b));
            }
            None => self.missing.push(KeysMissing { node, keys: keys.map(f64::from), error }),
        }
    }
}

/// What the replies say of a key; nothing of one that is gone.
fn row(name: &[u8], replies: &[Reply]) -> Option<KeyRow> {
    let found = |n: usize| replies.get(n).and_then(|r| r.as_ref().ok());
    let kind = found(0).and_then(text);
    if kind.as_deref() == Some("none") || matches!(found(2), Some(Value::Nil)) {
        return None;
    }
    let ttl = ttl(found(1))?;
    Some(KeyRow { name: CacheBytes::new(name), kind, ttl, bytes: found(2).and_then(number).map(|n| n as f64) })
}

/// A page of the keys that match, from where `after` says.
///
/// # Errors
/// For a pattern that is too long, a type that is none and a mark of another search; when no server can be asked.
pub async fn keys(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    search: &KeySearch,
    after: Option<&str>,
) -> Result<KeyPage, ApiError> {
    if search.pattern.as_ref().map(CacheBytes::bytes).transpose()?.is_some_and(|p| p.len() > PATTERN) {
        return Err(ApiError::bad_request(format!("A pattern has at most {PATTERN} bytes")));
    }
    let search = &understood(search)?;
    let json = serde_json::to_vec(search).map_err(|e| ApiError::internal(e.to_string()))?;
    let of = sha1_smol::Sha1::from(&json).digest().to_string();
    let mut servers = Servers::to(target, password, Purpose::Keys).await?;
    let mut mark = match after {
        Some(text) => Mark::read(text, &of)?,
        None => {
            let left = servers.hosts.iter().map(|host| (host.clone(), "0".to_owned())).collect();
            Mark { of, all: servers.hosts.len(), left }
        }
    };
    // Nothing is sent to an address that is not the target's.
    if let Some((gone, _)) = mark.left.iter().find(|(host, _)| !servers.hosts.contains(host)) {
        return Err(ApiError::bad_request(format!("{gone} owns no keys of this cache any more"))
            .hint("Its keys went to another server: begin the search again"));
    }
    let (started, mut scans) = (Instant::now(), 0);
    let single = !servers.is_cluster();
    let mut listing =
        Listing { servers: &mut servers, search, rows: Vec::new(), seen: HashSet::new(), missing: Vec::new() };
    let mut database_keys = 0.0;
    for host in listing.servers.hosts.clone() {
        let (mut info, mut told) = (redis::cmd("INFO"), String::new());
        info.arg("cluster");
        let counted = listing.servers.batch(&host, &[redis::cmd("DBSIZE"), info], false).await;
        if let Ok(replies) = &counted {
            told = replies.get(1).and_then(|r| text(r.as_ref().ok()?)).unwrap_or_default();
        }
        database_keys += counted.ok().and_then(|r| r.first()?.as_ref().ok().and_then(number)).unwrap_or(0) as f64;
        if single && one_of_many(&fields(&told)) {
            listing.note(&host, None, one_node(&host));
        }
    }
    while let Some((host, cursor)) = mark.left.first().cloned() {
        scans += 1;
        match listing.scan(&host, &cursor).await {
            Ok(next) if next == "0" => drop(mark.left.remove(0)),
            Ok(next) => mark.left[0].1 = next,
            Err(error) if mark.all == 1 => return Err(error),
            Err(error) => {
                listing.note(&host, None, error);
                mark.left.remove(0);
            }
        }
        if listing.rows.len() >= ROWS || scans >= SCANS || started.elapsed() >= TIME {
            break;
        }
    }
    let progress = match mark.left.first() {
        None => Some(1.0),
        Some((_, cursor)) if single => through(cursor),
        // A cluster's cursors have slots in them, so that whole servers are counted.
        Some(_) => Some((mark.all - mark.left.len()) as f64 / mark.all.max(1) as f64),
    };
    let next = if mark.left.is_empty() { None } else { Some(mark.text()?) };
    Ok(KeyPage { rows: listing.rows, next, progress, database_keys, missing: listing.missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_taken_in_any_case_and_what_is_none_is_refused() {
        let of = |kind: &str| understood(&KeySearch { kind: Some(kind.to_owned()), ..KeySearch::default() });
        for (given, meant) in [("STRING", "string"), ("zset", "zset"), ("ReJSON-RL", "ReJSON-RL")] {
            assert_eq!(of(given).expect(given).kind.as_deref(), Some(meant));
        }
        for given in ["strng", "sorted-set", "", "none", "a b c d e"] {
            let error = of(given).expect_err(given);
            assert!(error.message.contains("is no type") && error.hint.is_some(), "{error:?}");
        }
    }

    #[test]
    fn cursors_are_text_however_large() {
        assert_eq!(through("0"), Some(0.0), "the start");
        assert_eq!(through("1"), Some(0.5), "the lowest bit is the largest step");
        assert!(through("18446744073709551615").is_some_and(|p| p > 0.999), "above 2^63");
        assert_eq!(through("99999999999999999999999"), None, "none is no progress");
        let mark = Mark {
            of: "d".into(),
            all: 1,
            left: vec![(HostPort { host: "h".into(), port: 1 }, "18446744073709551615".into())],
        };
        let read = Mark::read(&mark.text().expect("text"), "d").expect("read");
        assert_eq!(read.left[0].1, "18446744073709551615", "digit for digit");
        assert!(Mark::read(&mark.text().expect("text"), "e").is_err(), "of another search");
        assert!(Mark::read("!", "d").is_err(), "no mark at all");
    }
}
