//! `perfctl cache keys`, `show`, `set`, `expire`, `delete`.
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use perfdeck_engine as api;
use perfdeck_engine::Engine;
use perfdeck_engine::cache_keys::{EditRequest, KeyRequest, KeysRequest, ValueRequest};
use perfdeck_model::{
    ApiError, CacheBytes, CacheTtl, KeyEdit, KeyRow, KeySearch, KeyUse, TtlFilter, TtlRange, Unit, ValueAt,
};

use super::shown::{print, visible};
use crate::answers::{CacheKeyShown, CacheKeysListed};
use crate::args::Source;
use crate::changes::args::Allow;
use crate::database::args::size;
use crate::output::{self, Done, value};
use crate::{FINE, INCOMPLETE, changes, environments, files, prepare};

/// Longest value that is read from stdin, in bytes.
const LONGEST: u64 = 1 << 20;

/// How names are given.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// Names are given in hexadecimal
    #[arg(long, conflicts_with = "base64")]
    hex: bool,
    /// Names are given in Base64
    #[arg(long)]
    base64: bool,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    /// Pattern of the server's: * ? [a-z], and \ before what is meant literally; every key where none is given
    pattern: Option<String>,
    /// Of this type only, such as hash
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// By expiry: never, or a longest time such as 5m
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<TtlFilter>,
    /// Smallest memory [example: 64kB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    min_size: Option<f64>,
    /// Largest memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<f64>,
    /// Keys to show
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Name of the key
    key: String,
    /// One field of a hash, whole
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// One element of a list, whole; places count from 0
    #[arg(long, value_name = "PLACE", conflicts_with = "field")]
    index: Option<u32>,
    /// The page that the output before names
    #[arg(long, value_name = "MARK", conflicts_with_all = ["field", "index"])]
    next: Option<String>,
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Name of the key
    key: String,
    /// The new value, or - for what stdin has, byte for byte
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// A field of a hash
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["index", "score_of"])]
    field: Option<String>,
    /// An element of a list; places count from 0
    #[arg(long, value_name = "PLACE", conflicts_with = "score_of")]
    index: Option<u32>,
    /// The score of a member of a sorted set
    #[arg(long, value_name = "MEMBER")]
    score_of: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    allow: Allow,
}

#[derive(Debug, Args)]
pub(crate) struct ExpireArgs {
    /// Name of the key
    key: String,
    /// Time after which it expires, such as 5m, or never
    #[arg(value_parser = expiry)]
    time: Expiry,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    allow: Allow,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name of the key
    key: String,
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
    /// `for good`, where it is too large for a snapshot, so that nothing brings it back
    #[arg(long, value_name = "TEXT")]
    agree: Option<String>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    allow: Allow,
}

/// A time to live as it is typed: milliseconds, or never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expiry(Option<f64>);

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "" => Err("it is empty, which would change nothing: write a time such as 5m, or never".to_owned()),
        "never" | "none" => Ok(Expiry(None)),
        _ => match crate::args::duration(text)?.as_secs_f64() * 1e3 {
            0.0 => Err("0 would remove the key at once: remove it with `perfctl cache delete`, which can be undone, or write never".to_owned()),
            ms => Ok(Expiry(Some(ms))),
        },
    }
}

fn ttl(text: &str) -> Result<TtlFilter, String> {
    if text == "never" {
        return Ok(TtlFilter::Never);
    }
    let longest = crate::args::duration(text)?;
    Ok(TtlFilter::Within(TtlRange { from_ms: None, to_ms: Some(longest.as_secs_f64() * 1e3) }))
}

/// A name as it is given: as text, in hexadecimal digits or in Base64.
pub(super) fn named(text: &str, hex: bool, base64: bool) -> Result<CacheBytes, ApiError> {
    let wrong = |what: &str| ApiError::bad_request(format!("A name is given in {what}, and is not"));
    if base64 {
        return Ok(CacheBytes::new(&STANDARD.decode(text).map_err(|_| wrong("Base64"))?));
    }
    if !hex {
        return Ok(CacheBytes::Text(text.to_owned()));
    }
    let digit = |b: u8| (b as char).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    Ok(CacheBytes::new(&bytes.ok_or_else(|| wrong("hexadecimal"))?))
}

impl Given {
    fn bytes(&self, text: &str) -> Result<CacheBytes, ApiError> {
        named(text, self.hex, self.base64)
    }
}

fn lives(ttl: CacheTtl) -> String {
    match ttl {
        CacheTtl::Never => "never".to_owned(),
        CacheTtl::InMs(ms) => value(ms / 1e3, Unit::Seconds),
        CacheTtl::Unknown => "–".to_owned(),
    }
}

/// Keys that match.
pub(super) async fn list(engine: &Arc<Engine>, args: &KeysArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.given.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    let pattern = args.pattern.as_ref().map(|p| args.given.bytes(p)).transpose()?;
    let search = KeySearch {
        pattern,
        kind: args.kind.clone(),
        ttl: args.ttl,
        min_bytes: args.min_size,
        max_bytes: args.max_size,
    };
    let limit = args.limit as usize;
    let (mut rows, mut seen, mut missing): (Vec<KeyRow>, HashSet<CacheBytes>, Vec<_>) = Default::default();
    let (mut after, mut progress) = (None, None);
    loop {
        let asked = KeysRequest { environment_id: environment.id.clone(), search: search.clone(), after };
        let page = api::cache_keys::cache_keys(engine.clone(), asked).await?;
        rows.extend(page.rows.into_iter().filter(|row| seen.insert(row.name.clone())));
        missing.extend(page.missing);
        (after, progress) = (page.next, page.progress.or(progress));
        if after.is_none() || rows.len() >= limit {
            break;
        }
    }
    let complete = after.is_none() && rows.len() <= limit && missing.is_empty();
    rows.truncate(limit);
    let code = if missing.is_empty() { FINE } else { INCOMPLETE };
    if json {
        let environment = environment.name;
        let schema = "perfdeck.cache_keys/1";
        output::json(&CacheKeysListed { schema, environment, keys: rows, complete, progress, missing })?;
        return Ok(code);
    }
    let row = |k: &KeyRow| {
        let bytes = k.bytes.map_or_else(|| "–".to_owned(), |b| value(b, Unit::Bytes));
        vec![visible(&k.name), k.kind.clone().unwrap_or_else(|| "–".to_owned()), lives(k.ttl), bytes]
    };
    if rows.is_empty() {
        output::note("No key matches");
    } else {
        output::table(&["key", "type", "expires in", "memory"], &rows.iter().map(row).collect::<Vec<_>>())?;
    }
    if !complete && missing.is_empty() {
        output::note(&format!("The first {}; there are more (--limit)", rows.len()));
    }
    for lost in &missing {
        let keys = lost.keys.map(|n| format!(", {n:.0} keys")).unwrap_or_default();
        output::note(&format!("missing: {}{keys}: {}", lost.node, lost.error.message));
        if let Some(hint) = &lost.error.hint {
            output::note(&format!("hint: {hint}"));
        }
    }
    Ok(code)
}

/// One key and a page of its value.
pub(super) async fn show(engine: &Arc<Engine>, args: &ShowArgs, source: &Source, json: bool) -> Done {
    let environment = environments::require(engine, args.given.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    let (id, name) = (environment.id.clone(), args.given.bytes(&args.key)?);
    let at = match (&args.field, args.index, &args.next) {
        (Some(field), ..) => Some(ValueAt::Field(args.given.bytes(field)?)),
        (_, Some(index), _) => Some(ValueAt::Element(f64::from(index))),
        (_, _, Some(next)) => Some(ValueAt::Next(next.clone())),
        _ => None,
    };
    let asked = KeyRequest { environment_id: id.clone(), key: name.clone() };
    let key = api::cache_keys::cache_key(engine.clone(), asked).await?;
    let asked = ValueRequest { environment_id: id, key: name, at, most_bytes: None };
    let page = api::cache_keys::cache_value(engine.clone(), asked).await?;
    if json {
        let answer = CacheKeyShown { schema: "perfdeck.cache_key/1", environment: environment.name, key, value: page };
        output::json(&answer)?;
        return Ok(FINE);
    }
    let number = |n: Option<f64>| n.map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"));
    let used = match key.used {
        KeyUse::Frequency(n) => format!("{n:.0} of 255 (logarithmic counter)"),
        KeyUse::IdleS(s) => format!("{} ago", value(s, Unit::Seconds)),
        KeyUse::Unknown => "–".to_owned(),
    };
    let rows = [
        ("key", visible(&key.name)),
        ("type", key.kind.clone()),
        ("encoding", key.encoding.clone().unwrap_or_else(|| "–".to_owned())),
        ("expires in", lives(key.ttl)),
        ("memory", key.bytes.map_or_else(|| "–".to_owned(), |b| value(b, Unit::Bytes))),
        ("length", number(key.length)),
        ("used", used),
        ("on", key.node.clone()),
    ];
    output::table(&["", ""], &rows.map(|(what, text)| vec![what.to_owned(), text]))?;
    print(&page.part)?;
    if let Some(next) = &page.next {
        output::note(&format!("More of it: --next {next}"));
    }
    Ok(FINE)
}

/// Plans an edit, and applies it unless it is only to be previewed.
async fn edit(
    engine: &Arc<Engine>,
    (key, edit): (&str, KeyEdit),
    (given, preview, allow, agreed): (&Given, bool, &Allow, Option<&str>),
    source: &Source,
    json: bool,
) -> Done {
    let environment = environments::require(engine, given.env.as_deref(), source).await?;
    prepare(engine, &environment.id).await?;
    let asked = EditRequest { environment_id: environment.id, key: given.bytes(key)?, edit };
    let planned = api::cache_keys::cache_plan_edit(engine.clone(), asked).await?;
    changes::planned(engine, &planned.detail.change, preview, (allow, agreed), json).await
}

/// Edits a value.
pub(super) async fn set(engine: &Arc<Engine>, args: &SetArgs, source: &Source, json: bool) -> Done {
    let bytes = match args.value.as_str() {
        "-" => CacheBytes::new(&files::read_bytes(Path::new("-"), LONGEST)?),
        text => CacheBytes::Text(text.to_owned()),
    };
    let what = match (&args.field, args.index, &args.score_of) {
        (Some(field), ..) => KeyEdit::SetField { field: args.given.bytes(field)?, value: bytes, seen: None },
        (_, Some(index), _) => KeyEdit::SetElement { index: f64::from(index), value: bytes, seen: None },
        (_, _, Some(member)) => {
            let score = bytes.text().unwrap_or_default().trim().to_owned();
            KeyEdit::SetScore { member: args.given.bytes(member)?, score, seen: None }
        }
        _ => KeyEdit::Set { value: bytes, seen: None },
    };
    edit(engine, (&args.key, what), (&args.given, args.preview, &args.allow, None), source, json).await
}

/// Changes when a key expires.
pub(super) async fn expire(engine: &Arc<Engine>, args: &ExpireArgs, source: &Source, json: bool) -> Done {
    let what = KeyEdit::Expire { in_ms: args.time.0 };
    edit(engine, (&args.key, what), (&args.given, args.preview, &args.allow, None), source, json).await
}

/// Removes a key.
pub(super) async fn delete(engine: &Arc<Engine>, args: &DeleteArgs, source: &Source, json: bool) -> Done {
    let about = (&args.given, args.preview, &args.allow, args.agree.as_deref());
    edit(engine, (&args.key, KeyEdit::Delete), about, source, json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_mean_what_they_say() {
        assert!(matches!(expiry("never"), Ok(Expiry(None))), "none is no expiry");
        assert!(matches!(expiry("5m"), Ok(Expiry(Some(300e3)))), "a time is one");
        assert!(expiry("").is_err_and(|e| e.contains("change nothing")), "empty changes nothing");
        assert!(expiry("0").is_err_and(|e| e.contains("cache delete")), "0 asks");
    }

    #[test]
    fn names_are_given_as_text_hexadecimal_or_base64() {
        let given = |hex, base64| Given { hex, base64, env: None };
        assert_eq!(given(false, false).bytes("a").expect("text"), CacheBytes::new(b"a"));
        assert_eq!(given(true, false).bytes("ff00").expect("hex"), CacheBytes::new(b"\xff\x00"));
        assert_eq!(given(false, true).bytes("/wA=").expect("Base64"), CacheBytes::new(b"\xff\x00"));
        for (given, text) in [(given(true, false), "f"), (given(true, false), "zz"), (given(false, true), "?")] {
            assert!(given.bytes(text).is_err(), "{text}");
        }
        assert_eq!(visible(&CacheBytes::new(b"\xff\n")), "\\xff\\n", "shown with escapes");
    }
}
