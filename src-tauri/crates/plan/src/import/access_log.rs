//! A plan from an access log: what is asked for, as often as it is asked for.
use std::collections::BTreeMap;

use perfdeck_model::Method;

use super::super::feed_spec::{FeedMode, FeedSource, FeedSpec};
use super::super::model::{Arrivals, Plan, PlanLoad};
use super::super::step::{HttpStep, Step};
use super::super::template::escape;
use super::har::is_static_path;
use super::log_line::{Why, decoded, parse};
use super::request::Address;
use super::secrets::{is_secret_name, is_secret_value};
use super::{Error, Notes, StepNames, variable_name};
use perfdeck_model::SplitMix64;

const WHAT: &str = "access log";

/// Size of a log at most, in MiB.
const LIMIT_MIB: usize = 256;

/// Different shapes of requests that become steps.
const MAX_STEPS: usize = 50;

/// Shapes that are counted at all.
const MAX_SHAPES: usize = 20_000;

/// Values of a feed.
const MAX_VALUES: usize = 500;

struct Shape {
    count: u64,
    /// A sample of the targets, each request as likely to be in it as any other, so that it keeps their frequencies.
    targets: Vec<String>,
    rng: SplitMix64,
}

/// Makes a plan from an access log in the common or combined format, or in JSON.
///
/// Paths that differ only in numbers, UUIDs or hashes are one step, whose feed holds what was seen. Weights are
/// frequencies and the rate is the mean of the log. Only GET and HEAD are taken, no static files, and nothing that was
/// answered with an error.
///
/// # Errors
/// [`Error`] when no line can be used.
pub fn from_access_log(text: &str) -> Result<(Plan, Vec<String>), Error> {
    from_access_log_bytes(text.as_bytes())
}

/// As [`from_access_log`], of a log that may hold bytes of no UTF-8.
///
/// # Errors
/// [`Error`] when no line can be used, with the reasons.
pub fn from_access_log_bytes(text: &[u8]) -> Result<(Plan, Vec<String>), Error> {
    if text.len() > LIMIT_MIB << 20 {
        return Err(Error::TooLarge { what: WHAT, limit_mib: LIMIT_MIB });
    }
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut notes = Notes::default();
    let mut shapes: BTreeMap<(Method, String), Shape> = BTreeMap::new();
    let mut unread: BTreeMap<Why, u64> = BTreeMap::new();
    let (mut junk, mut writes, mut files, mut failed, mut rare, mut secrets) = (0u64, 0u64, 0u64, 0u64, 0u64, 0u64);
    let (mut first, mut last, mut kept) = (i64::MAX, i64::MIN, 0u64);
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty()) {
        let line = match parse(&decoded(line)) {
            Ok(line) => line,
            Err(why) => {
                *unread.entry(why).or_default() += 1;
                continue;
            }
        };
        let method = match line.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => {
                writes += 1;
                continue;
            }
        };
        if line.status >= 400 {
            failed += 1;
            continue;
        }
        // A proxy logs full addresses; the rest of the log says nothing about their hosts.
        let address = Address::parse(&format!("http://log{}", line.target)).filter(|_| line.target.starts_with('/'));
        let Some(address) = address.filter(|_| line.target.len() <= 4096) else {
            junk += 1;
            continue;
        };
        if is_static_path(&address.path) {
            files += 1;
            continue;
        }
        let (target, masked) = clean(&address);
        secrets += u64::from(masked);
        kept += 1;
        if let Some(at) = line.at {
            (first, last) = (first.min(at), last.max(at));
        }
        let key = (method, shape(&target));
        if shapes.len() >= MAX_SHAPES && !shapes.contains_key(&key) {
            rare += 1;
            continue;
        }
        let seed = key.1.clone();
        let new = || Shape { count: 0, targets: Vec::new(), rng: SplitMix64::new(1, &[seed.as_bytes()]) };
        shapes.entry(key).or_insert_with(new).add(target);
    }
    let why: Vec<String> = unread.iter().map(|(why, n)| format!("{n} {}", why.words())).collect();
    let lines: u64 = unread.values().sum();
    if lines > 0 {
        notes.add(format!("{lines} lines cannot be read as an access log and were left out: {}", why.join(", ")));
    }
    for (n, what) in [
        (junk, "requests whose address is no path were left out"),
        (writes, "requests with methods other than GET and HEAD were left out"),
        (files, "requests for static files were left out"),
        (failed, "requests that were answered with an error were left out"),
        (secrets, "requests had secrets in their addresses; these parts were left out"),
        (rare, "requests of rare shapes were left out"),
    ] {
        if n > 0 {
            notes.add(format!("{n} {what}"));
        }
    }
    if shapes.is_empty() {
        let message = match notes.0.is_empty() {
            true => "it has no lines".to_owned(),
            false => format!("no line has a GET request that was answered ({})", notes.0.join("; ")),
        };
        return Err(Error::Empty { what: WHAT, message });
    }
    let mut plan = Plan::new("Access log");
    if last > first && kept > 1 {
        let rate = (kept as f64 / (last - first) as f64).clamp(0.001, 1e6);
        let rate_per_s = (rate * 1000.0).round() / 1000.0;
        plan.load = PlanLoad::Open { rate_per_s, arrivals: Arrivals::Poisson, max_in_flight: 100, late_limit: None };
        notes.add(format!("The rate is the log's mean, {rate_per_s}/s over {} s", last - first));
    }
    steps(&mut plan, shapes, &mut notes);
    Ok((plan, notes.0))
}

impl Shape {
    /// Reservoir sampling (Vitter's algorithm R).
    fn add(&mut self, target: String) {
        self.count += 1;
        if self.targets.len() < MAX_VALUES {
            self.targets.push(target);
        } else if let Ok(i) = usize::try_from(self.rng.below(self.count))
            && let Some(place) = self.targets.get_mut(i)
        {
            *place = target;
        }
    }
}

/// A target without what looks like a secret, and whether there was any.
fn clean(address: &Address) -> (String, bool) {
    let mut masked = false;
    let segment = |s: &str| {
        let secret = is_secret_value(s);
        masked |= secret;
        if secret { "x".to_owned() } else { s.to_owned() }
    };
    let path = address.path.split('/').map(segment).collect::<Vec<_>>().join("/");
    let Some(query) = &address.query else { return (path, masked) };
    let decode = |t: &str| percent_encoding::percent_decode_str(t).decode_utf8_lossy().into_owned();
    let harmless = |pair: &&str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        !(is_secret_name(&decode(name)) || is_secret_value(&decode(value)) || is_secret_value(name))
    };
    let kept: Vec<&str> = query.split('&').filter(harmless).collect();
    masked |= kept.len() < query.split('&').count();
    (if kept.is_empty() { path } else { format!("{path}?{}", kept.join("&")) }, masked)
}

/// Whether a segment of a path names one thing of many.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let all = !segment.is_empty() && digits == segment.len();
    let mixed = segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    all || (hex && segment.len() >= 8 && digits > 0) || (mixed && segment.len() >= 16 && digits >= 4)
}

/// The path with its ids as `*` and the names of its parameters.
fn shape(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path: Vec<&str> = path.split('/').map(|s| if is_id(s) { "*" } else { s }).collect();
    let mut names: Vec<&str> = query.split('&').map(|p| p.split('=').next().unwrap_or_default()).collect();
    names.sort_unstable();
    names.dedup();
    let query = names.join("&");
    if query.is_empty() { path.join("/") } else { format!("{}?{query}", path.join("/")) }
}

/// Length of what all texts begin with, cut after a separator.
fn common(texts: &[String], mut byte: impl FnMut(&str, usize) -> Option<u8>) -> usize {
    let Some(one) = texts.first() else { return 0 };
    let mut last = 0;
    for i in 0..one.len() {
        let Some(b) = byte(one, i) else { break };
        if texts.iter().any(|t| byte(t, i) != Some(b)) {
            break;
        }
        if b"/?&=".contains(&b) {
            last = i;
        }
    }
    last
}

fn steps(plan: &mut Plan, shapes: BTreeMap<(Method, String), Shape>, notes: &mut Notes) {
    let mut names = StepNames::default();
    let mut sorted: Vec<_> = shapes.into_iter().collect();
    sorted.sort_by_key(|(_, shape)| std::cmp::Reverse(shape.count));
    if sorted.len() > MAX_STEPS {
        let left: u64 = sorted[MAX_STEPS..].iter().map(|(_, s)| s.count).sum();
        notes.add(format!("{} rarer shapes with {left} requests were left out", sorted.len() - MAX_STEPS));
        sorted.truncate(MAX_STEPS);
    }
    for ((method, key), shape) in sorted {
        let name = names.unique(&format!("{} {key}", method.as_str()));
        let first = shape.targets.first().cloned().unwrap_or_default();
        let path = if shape.targets.iter().all(|t| *t == first) {
            escape(&first)
        } else {
            // What differs goes into one feed, so that ids that belong together stay together.
            let start = common(&shape.targets, |t, i| t.as_bytes().get(i).copied()) + 1;
            let shortest = shape.targets.iter().map(String::len).min().unwrap_or(0);
            let end = common(&shape.targets, |t, i| (i < shortest - start).then(|| t.as_bytes()[t.len() - 1 - i]));
            let end = if end == 0 { 0 } else { end + 1 };
            let cut = |t: &String| t.get(start..t.len() - end).map(str::to_owned);
            let values: Vec<String> = shape.targets.iter().filter_map(cut).collect();
            let feed = feed_name(plan, &first[..start]);
            let path = format!("{}{{{{{feed}}}}}{}", escape(&first[..start]), escape(&first[first.len() - end..]));
            let source = FeedSource::List { values };
            plan.feeds.push(FeedSpec { name: feed, mode: Some(FeedMode::Random), source });
            path
        };
        let weight = shape.count as f64;
        let mut step = Step::http(name, HttpStep { method, path: Some(path), ..HttpStep::default() });
        step.weight = weight;
        plan.steps.push(step);
    }
}

fn feed_name(plan: &Plan, prefix: &str) -> String {
    let words = prefix.split(['/', '?', '&', '=']).rev().find(|s| !s.is_empty() && !is_id(s));
    let base = format!("{}_seen", variable_name(words.unwrap_or("path")));
    let taken = |name: &String| plan.feeds.iter().any(|f| f.name == *name);
    let mut name = base.clone();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("{base}_{number}");
    }
    name
}
