//! Whether two sides can be compared: same plan, data, versions and settings, but for the declared change
//! (docs/benchmarks.md, 7.2.2).
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Flat facts about what was measured, such as `plan.hash`, `plan.rate`, `data.orders.rows`, `version.postgres`,
/// `setting.postgres.work_mem`. The part before the first dot is the kind of fact.
pub type Fingerprint = BTreeMap<String, String>;

/// A fact that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Difference {
    /// The fact.
    pub key: String,
    /// Its value in A, if known.
    pub a: Option<String>,
    /// Its value in B, if known.
    pub b: Option<String>,
    /// Whether it is the change under test.
    pub declared: bool,
    /// The difference in words.
    pub text: String,
}

/// What the gate found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Gate {
    /// Every difference, declared ones included, by fact.
    pub differences: Vec<Difference>,
    /// Declared changes that did not happen: the two sides are the same in them.
    pub unchanged: Vec<String>,
}

impl Gate {
    /// Whether the two sides can be compared: nothing but the declared change differs.
    pub fn comparable(&self) -> bool {
        self.differences.iter().all(|d| d.declared)
    }

    /// The differences that are the declared change, in words.
    pub fn declared(&self) -> Vec<String> {
        self.differences.iter().filter(|d| d.declared).map(|d| d.text.clone()).collect()
    }

    /// The differences that forbid it, in words; what `Comparison::differences` takes.
    pub fn forbidding(&self) -> Vec<String> {
        self.differences.iter().filter(|d| !d.declared).map(|d| d.text.clone()).collect()
    }
}

/// How far numbers of data may lie apart: databases estimate them, and load itself adds some.
const DATA: f64 = 0.1;
/// Below this many, a difference of data is none.
const FEW: f64 = 100.0;

/// Whether two values of a fact are the same; data is when it has about as much.
fn same(key: &str, a: Option<&String>, b: Option<&String>) -> bool {
    if a == b {
        return true;
    }
    let number = |v: Option<&String>| v.map_or(Some(0.0), |v| v.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) if key.starts_with("data.") => (a - b).abs() <= FEW.max(DATA * a.max(b)),
        _ => false,
    }
}

/// Facts of the targets that both sides tell: what one of them did not say is no difference. A target is known by its
/// version, as `version.database`.
pub fn known_to_both(a: &Fingerprint, b: &Fingerprint) -> (Fingerprint, Fingerprint) {
    let target = |key: &str| key.split('.').nth(1).map(|target| format!("version.{target}"));
    let keep = |of: &Fingerprint, other: &Fingerprint| {
        let known = |key: &str| target(key).is_some_and(|version| other.contains_key(&version));
        of.iter().filter(|(key, _)| known(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    (keep(a, b), keep(b, a))
}

/// Targets that only one side tells of, in words: whether they were the same is not known.
pub fn told_by_one(a: &Fingerprint, b: &Fingerprint) -> Vec<String> {
    let missing = |of: &Fingerprint, other: &Fingerprint, name: &str| -> Vec<String> {
        let targets = other.keys().filter_map(|key| key.strip_prefix("version."));
        let missing = targets.filter(|target| !of.contains_key(&format!("version.{target}")));
        missing.map(|target| format!("{name} does not tell what its {target} was, so it is not compared")).collect()
    };
    [missing(a, b, "A"), missing(b, a, "B")].concat()
}

/// Compares two fingerprints. A declared change is a key, or a prefix ending in `.*` such as `setting.postgres.*`.
pub fn check(a: &Fingerprint, b: &Fingerprint, declared: &BTreeSet<String>) -> Gate {
    let covers = |pattern: &str, key: &str| match pattern.strip_suffix('*') {
        Some(prefix) => prefix.is_empty() || prefix.ends_with('.') && key.starts_with(prefix),
        None => pattern == key,
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differences: Vec<Difference> = keys
        .into_iter()
        .filter(|key| !same(key, a.get(*key), b.get(*key)))
        .map(|key| Difference {
            key: key.clone(),
            a: a.get(key).cloned(),
            b: b.get(key).cloned(),
            declared: declared.iter().any(|pattern| covers(pattern, key)),
            text: describe(key, a.get(key), b.get(key)),
        })
        .collect();
    let unchanged = declared
        .iter()
        .filter(|pattern| !differences.iter().any(|d| covers(pattern, &d.key)))
        .map(|pattern| match a.get(pattern) {
            Some(value) => format!("{}: declared as the change, but {value} on both sides", name(pattern)),
            None => format!("{}: declared as the change, but nothing of it differs", name(pattern)),
        })
        .collect();
    Gate { differences, unchanged }
}

/// `setting.postgres.work_mem` as `setting postgres.work_mem`, hashes as what they stand for.
fn name(key: &str) -> String {
    match key.split_once('.') {
        Some((kind, "hash")) => kind.to_owned(),
        Some((kind, rest)) => format!("{kind} {rest}"),
        None => key.to_owned(),
    }
}

/// Facts that are too long to be shown, or may hold what is nobody's business.
const LONG: [&str; 3] = ["plan", "headers", "body"];

fn describe(key: &str, a: Option<&String>, b: Option<&String>) -> String {
    let name = name(key);
    // A setting that is not named has its default, and a table that is not there has no rows.
    let absent = match key.split('.').next() {
        Some("setting") => "the default",
        Some("data") => "none",
        _ => "unknown",
    };
    match (a, b) {
        (Some(_), Some(_)) if key.ends_with(".hash") || LONG.contains(&key) => format!("{name} differs"),
        (Some(a), Some(b)) => format!("{name}: {a} in A, {b} in B"),
        (Some(a), None) => format!("{name}: {a} in A, {absent} in B"),
        (None, Some(b)) => format!("{name}: {absent} in A, {b} in B"),
        (None, None) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Fingerprint {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn differences_are_listed_in_words() {
        let a = facts(&[("plan.hash", "1f"), ("data.orders.rows", "1000"), ("version.postgres", "16.3")]);
        let b = facts(&[("plan.hash", "2e"), ("data.orders.rows", "1000"), ("version.redis", "7.2")]);
        let gate = check(&a, &b, &BTreeSet::new());
        let want =
            ["plan differs", "version postgres: 16.3 in A, unknown in B", "version redis: unknown in A, 7.2 in B"];
        assert_eq!(gate.forbidding(), want, "all but the equal row count, hashes without their digits");
        assert!(!gate.comparable(), "an undeclared difference forbids the comparison");
        assert!(check(&a, &a, &BTreeSet::new()).comparable(), "a thing can be compared with itself");
    }

    #[test]
    fn data_is_the_same_when_there_is_about_as_much() {
        let rows = |n: &str| facts(&[("version.database", "x"), ("data.database.orders", n)]);
        let differs = |a: &str, b: &str| !check(&rows(a), &rows(b), &BTreeSet::new()).comparable();
        assert!(!differs("100000", "104000"), "load adds some");
        assert!(!differs("3", "90"), "a handful is nothing");
        assert!(differs("100000", "120000"), "a fifth more is other data");
        let gate = check(&rows("5000"), &facts(&[("version.database", "x")]), &BTreeSet::new());
        assert_eq!(gate.forbidding(), ["data database.orders: 5000 in A, none in B"], "a table that is gone");
        let a = facts(&[("version.database", "x"), ("setting.database.work_mem", "64MB")]);
        let gate = check(&a, &facts(&[("version.database", "x")]), &BTreeSet::new());
        assert_eq!(gate.forbidding(), ["setting database.work_mem: 64MB in A, the default in B"]);
    }

    #[test]
    fn what_one_side_does_not_know_is_no_difference() {
        let a = facts(&[("version.database", "x"), ("data.database.t", "5000"), ("version.cache", "r")]);
        let b = facts(&[("version.cache", "r"), ("data.cache.keys", "70000")]);
        assert_eq!(
            told_by_one(&a, &b),
            ["B does not tell what its database was, so it is not compared"],
            "but is said"
        );
        let (a, b) = known_to_both(&a, &b);
        assert_eq!(a, facts(&[("version.cache", "r")]), "B says nothing of a database");
        assert_eq!(b.len(), 2, "both tell of a cache");
        assert!(!check(&a, &b, &BTreeSet::new()).comparable(), "whose keys differ");
    }

    #[test]
    fn the_declared_change_is_allowed_and_must_have_happened() {
        let a = facts(&[("setting.postgres.work_mem", "4MB"), ("setting.redis.maxmemory", "1GB")]);
        let mut b = a.clone();
        b.insert("setting.postgres.work_mem".to_owned(), "64MB".to_owned());
        for pattern in ["setting.postgres.work_mem", "setting.postgres.*"] {
            let gate = check(&a, &b, &BTreeSet::from([pattern.to_owned()]));
            assert!(gate.comparable(), "{pattern} covers the one difference");
            assert_eq!(
                gate.differences[0].text, "setting postgres.work_mem: 4MB in A, 64MB in B",
                "it is still listed"
            );
        }
        let gate = check(&a, &b, &BTreeSet::from(["setting.redis.maxmemory".to_owned()]));
        assert!(!gate.comparable(), "another change than the declared one forbids it");
        assert_eq!(
            gate.unchanged,
            ["setting redis.maxmemory: declared as the change, but 1GB on both sides"],
            "comparing two equal states is told"
        );
        let loose = check(&a, &b, &BTreeSet::from(["setting.post*".to_owned()]));
        assert!(!loose.comparable(), "a pattern covers whole parts only");
    }
}
