//! A value in pages. Nothing is fetched whole that is not known to be small: what is long is cut in the server.
use perfdeck_model::{
    ApiError, CacheBytes, CacheTarget, HashField, ListElement, ScoredMember, Sensitive, StreamConsumer, StreamEntry,
    StreamGroup, ValueAt, ValuePage, ValuePart,
};
use redis::{Cmd, Value};

use super::cut::{Read, cut_bytes, read, whole};
use super::decode::decoded;
use super::servers::{Servers, bytes, elements, number, text};
use super::{gone, now_ms, place};
use crate::connect::Purpose;

/// Most that is fetched of a value unasked, in bytes.
pub const UNASKED: u32 = 64 << 10;
/// Most that may be asked for in one page, in bytes.
pub const ASKED: u32 = 1 << 20;
/// Elements of a page.
const PAGE: usize = 100;
/// Longest part of one element in a page; the whole of it is asked for alone.
const ELEMENT: usize = 1_024;
/// Groups of a stream, and consumers of one, that are listed.
const GROUPS: usize = 50;

/// Where the next page begins.
enum From {
    Start,
    /// SCAN's cursor, as the server wrote it, or a stream's identifier.
    Cursor(String),
    Index(u64),
}

fn from(at: Option<&ValueAt>) -> Result<From, ApiError> {
    let unfit = || ApiError::bad_request("This mark belongs to no page").hint("Begin without it");
    Ok(match at {
        None | Some(ValueAt::Field(_) | ValueAt::Element(_)) => From::Start,
        Some(ValueAt::Bytes(n) | ValueAt::Index(n)) => From::Index(place(*n)?),
        Some(ValueAt::Next(mark)) => match mark.split_once(':') {
            Some(("i", n)) => From::Index(n.parse().map_err(|_| unfit())?),
            Some(("c", cursor)) if !cursor.is_empty() && cursor.len() < 64 => From::Cursor(cursor.to_owned()),
            _ => return Err(unfit()),
        },
    })
}

struct Reader<'a, 'b> {
    servers: &'b mut Servers<'a>,
    key: &'b [u8],
    /// Most that is fetched, in bytes.
    most: usize,
}

impl Reader<'_, '_> {
    async fn cut(&mut self, before: &[&str], after: &[String], longest: usize) -> Result<Value, ApiError> {
        let after = after.iter().map(|w| w.as_bytes().to_vec()).collect();
        read(self.servers, self.key, &Read { before, after }, longest, self.most).await
    }

    async fn plain(&mut self, before: &[&str], after: &[&[u8]]) -> Result<Value, ApiError> {
        let mut command = Cmd::new();
        for word in before {
            command.arg(*word);
        }
        command.arg(self.key);
        for word in after {
            command.arg(*word);
        }
        self.servers.one(self.key, &command).await
    }

    async fn count(&mut self, word: &str) -> Result<u64, ApiError> {
        let value = self.plain(&[word], &[]).await?;
        Ok(number(&value).and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    async fn string(&mut self, start: u64) -> Result<(ValuePart, Option<String>), ApiError> {
        let length = self.count("STRLEN").await?;
        let end = start.saturating_add(self.most as u64).min(length);
        let (first, last) = (start.to_string(), end.saturating_sub(1).to_string());
        let part = if start < end {
            self.plain(&["GETRANGE"], &[first.as_bytes(), last.as_bytes()]).await?
        } else {
            Value::Nil
        };
        let part = bytes(&part).unwrap_or_default();
        let mut value = whole(part);
        value.length = length as f64;
        let all = part.len() as u64 == length;
        let decoded = all.then(|| decoded(part)).flatten();
        Ok((ValuePart::String { from: start as f64, value, decoded }, (end < length).then(|| format!("i:{end}"))))
    }

    /// A page of a collection that is walked by cursor: its elements, and the next cursor.
    async fn scan(&mut self, word: &str, from: From) -> Result<(Vec<Value>, Option<String>), ApiError> {
        let mut cursor = match from {
            From::Cursor(cursor) => cursor,
            From::Start => "0".to_owned(),
            From::Index(_) => return Err(ApiError::bad_request("This type has no places, only pages")),
        };
        // Pages may be empty while a table shrinks; a few of them are one here.
        for _ in 0..20 {
            let words = [cursor.clone(), "COUNT".to_owned(), PAGE.to_string()];
            let reply = self.cut(&[word], &words, ELEMENT).await?;
            let [next, found] = elements(&reply) else {
                return Err(ApiError::internal("The server answered something else"));
            };
            cursor = text(next).unwrap_or_else(|| "0".to_owned());
            let found = elements(found).to_vec();
            if cursor == "0" {
                return Ok((found, None));
            }
            if !found.is_empty() {
                return Ok((found, Some(format!("c:{cursor}"))));
            }
        }
        Ok((Vec::new(), Some(format!("c:{cursor}"))))
    }

    async fn hash(&mut self, from: From) -> Result<(ValuePart, Option<String>), ApiError> {
        let (found, next) = self.scan("HSCAN", from).await?;
        let mut fields: Vec<HashField> = found
            .chunks_exact(2)
            .map(|pair| HashField { name: cut_bytes(&pair[0]), value: cut_bytes(&pair[1]), expires_at_ms: None })
            .collect();
        // Names that were cut cannot be asked about.
        let names: Vec<(usize, Vec<u8>)> =
            found.chunks_exact(2).enumerate().filter_map(|(n, pair)| Some((n, bytes(&pair[0])?.to_vec()))).collect();
        let field_ttls = self.servers.knows("HPEXPIRETIME").await?;
        if field_ttls && !names.is_empty() {
            let mut command = redis::cmd("HPEXPIRETIME");
            command.arg(self.key).arg("FIELDS").arg(names.len());
            for (_, name) in &names {
                command.arg(name.as_slice());
            }
            let times = self.servers.one(self.key, &command).await?;
            for ((n, _), time) in names.iter().zip(elements(&times)) {
                fields[*n].expires_at_ms = number(time).filter(|ms| *ms >= 0).map(|ms| ms as f64);
            }
        }
        Ok((ValuePart::Hash { fields, field_ttls }, next))
    }

    /// The places of a page of what is ordered, and the next page.
    async fn places(&mut self, from: From, word: &str) -> Result<(u64, [String; 2], Option<String>), ApiError> {
        let start = match from {
            From::Index(index) => index,
            From::Start => 0,
            From::Cursor(_) => return Err(ApiError::bad_request("This mark belongs to another type")),
        };
        let length = self.count(word).await?;
        let end = start.saturating_add(PAGE as u64);
        let next = (end < length).then(|| format!("i:{end}"));
        Ok((start, [start.to_string(), (end - 1).to_string()], next))
    }

    async fn list(&mut self, from: From) -> Result<(ValuePart, Option<String>), ApiError> {
        let (start, range, next) = self.places(from, "LLEN").await?;
        let found = self.cut(&["LRANGE"], &range, ELEMENT).await?;
        let elements = elements(&found)
            .iter()
            .zip(start..)
            .map(|(value, index)| ListElement { index: index as f64, value: cut_bytes(value) })
            .collect();
        Ok((ValuePart::List { elements }, next))
    }

    async fn zset(&mut self, from: From) -> Result<(ValuePart, Option<String>), ApiError> {
        let (_, [first, last], next) = self.places(from, "ZCARD").await?;
        let found = self.cut(&["ZRANGE"], &[first, last, "WITHSCORES".to_owned()], ELEMENT).await?;
        let members = elements(&found)
            .chunks_exact(2)
            .map(|pair| ScoredMember { name: cut_bytes(&pair[0]), score: text(&pair[1]).unwrap_or_default() })
            .collect();
        Ok((ValuePart::Zset { members }, next))
    }

    async fn stream(&mut self, from: From) -> Result<(ValuePart, Option<String>), ApiError> {
        let first = matches!(from, From::Start);
        let start = match from {
            From::Cursor(id) => format!("({id}"),
            _ => "-".to_owned(),
        };
        let words = [start, "+".to_owned(), "COUNT".to_owned(), PAGE.to_string()];
        let found = self.cut(&["XRANGE"], &words, ELEMENT).await?;
        let entries: Vec<StreamEntry> = elements(&found).iter().filter_map(entry).collect();
        let next = (entries.len() == PAGE).then(|| entries.last().map(|e| format!("c:{}", e.id))).flatten();
        let (groups, group_count) = if first { self.groups().await? } else { (Vec::new(), 0) };
        Ok((ValuePart::Stream { entries, groups, group_count: group_count as f64 }, next))
    }

    async fn groups(&mut self) -> Result<(Vec<StreamGroup>, usize), ApiError> {
        let found = self.plain(&["XINFO", "GROUPS"], &[]).await?;
        let all = elements(&found);
        let mut groups = Vec::new();
        for group in all.iter().take(GROUPS) {
            let Some(name) = named(group, "name").and_then(bytes) else { continue };
            let consumers = self.plain(&["XINFO", "CONSUMERS"], &[name]).await?;
            let consumers = elements(&consumers);
            let count = |key: &str| named(group, key).and_then(number).map(|n| n as f64);
            groups.push(StreamGroup {
                name: CacheBytes::new(name),
                pending: count("pending").unwrap_or(0.0),
                last_delivered: named(group, "last-delivered-id").and_then(text).unwrap_or_default(),
                lag: count("lag"),
                consumers: consumers.iter().take(GROUPS).filter_map(consumer).collect(),
                consumer_count: consumers.len() as f64,
            });
        }
        Ok((groups, all.len()))
    }

    /// The whole of one field or element, up to what may be fetched.
    async fn one(&mut self, before: &[&str], after: Vec<Vec<u8>>) -> Result<(ValuePart, Option<String>), ApiError> {
        let found = read(self.servers, self.key, &Read { before, after }, self.most, self.most).await?;
        if found == Value::Nil {
            return Err(ApiError::not_found("This part of the value is not there").hint("Read the value again"));
        }
        let value = cut_bytes(&found);
        let decoded = bytes(&found).and_then(decoded);
        Ok((ValuePart::One { from: 0.0, value, decoded }, None))
    }

    async fn unknown(&mut self) -> Result<(ValuePart, Option<String>), ApiError> {
        let memory = self.plain(&["MEMORY", "USAGE"], &[b"SAMPLES", b"5"]).await?;
        let small = number(&memory).is_some_and(|n| n <= self.most as i64);
        let dump = if small { bytes(&self.plain(&["DUMP"], &[]).await?).map(CacheBytes::new) } else { None };
        Ok((ValuePart::Unknown { dump }, None))
    }
}

/// The value of a name in a reply of names and values.
fn named<'v>(reply: &'v Value, name: &str) -> Option<&'v Value> {
    elements(reply).chunks_exact(2).find(|pair| bytes(&pair[0]) == Some(name.as_bytes())).map(|pair| &pair[1])
}

fn consumer(reply: &Value) -> Option<StreamConsumer> {
    let count = |key: &str| named(reply, key).and_then(number).map_or(0.0, |n| n as f64);
    Some(StreamConsumer {
        name: CacheBytes::new(named(reply, "name").and_then(bytes)?),
        pending: count("pending"),
        idle_ms: count("idle"),
    })
}

fn entry(reply: &Value) -> Option<StreamEntry> {
    let [id, fields] = elements(reply) else { return None };
    let fields = elements(fields).chunks_exact(2).map(|pair| (cut_bytes(&pair[0]), cut_bytes(&pair[1]))).collect();
    Some(StreamEntry { id: text(id)?, fields })
}

/// A page of a key's value; `most` bytes of it, [`UNASKED`] where nobody asks for more.
///
/// # Errors
/// [`perfdeck_model::ErrorCode::NotFound`] for a key or a part that is not there; for a place that its type does not have; when the
/// server cannot be asked, or lacks a privilege.
pub async fn value(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    key: &[u8],
    at: Option<&ValueAt>,
    most: Option<u32>,
) -> Result<ValuePage, ApiError> {
    let mut servers = Servers::to(target, password, Purpose::Keys).await?;
    let most = most.unwrap_or(UNASKED).clamp(1, ASKED) as usize;
    let mut reader = Reader { servers: &mut servers, key, most };
    let kind = text(&reader.plain(&["TYPE"], &[]).await?).unwrap_or_default();
    let start = from(at)?;
    let (part, next) = match (kind.as_str(), at) {
        ("none" | "", _) => return Err(gone()),
        ("hash", Some(ValueAt::Field(field))) => reader.one(&["HGET"], vec![field.bytes()?]).await?,
        ("list", Some(ValueAt::Element(index))) => {
            reader.one(&["LINDEX"], vec![place(*index)?.to_string().into_bytes()]).await?
        }
        (_, Some(ValueAt::Field(_) | ValueAt::Element(_))) => {
            return Err(ApiError::bad_request("Only a hash has fields, and only a list has elements"));
        }
        ("string", _) => match start {
            From::Start => reader.string(0).await?,
            From::Index(n) => reader.string(n).await?,
            From::Cursor(_) => return Err(ApiError::bad_request("This mark belongs to another type")),
        },
        ("hash", _) => reader.hash(start).await?,
        ("list", _) => reader.list(start).await?,
        ("set", _) => {
            let (found, next) = reader.scan("SSCAN", start).await?;
            (ValuePart::Set { members: found.iter().map(cut_bytes).collect() }, next)
        }
        ("zset", _) => reader.zset(start).await?,
        ("stream", _) => reader.stream(start).await?,
        _ => reader.unknown().await?,
    };
    Ok(ValuePage { kind, part, next, read_ms: now_ms() })
}

/// The dump of a key as if its type were unknown; for tests on servers that have no such types.
///
/// # Errors
/// As [`value`].
#[doc(hidden)]
pub async fn as_unknown(target: &CacheTarget, password: Option<&Sensitive>, key: &[u8]) -> Result<ValuePart, ApiError> {
    let mut servers = Servers::to(target, password, Purpose::Keys).await?;
    Reader { servers: &mut servers, key, most: UNASKED as usize }.unknown().await.map(|(part, _)| part)
}
